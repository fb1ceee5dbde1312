//! Passwords: how long they are, and their hashes as Better Auth stores them.
//!
//! A hash is `<salt>:<key>`: 32 hexadecimal characters, which are the salt as they stand, and 128 of the key. The key
//! is scrypt's with N 16384, r 16, p 1: 32 MiB and some 150 ms. The platform computes it natively; hashes are never
//! made inside an object, where one would hold up all others.

use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;
use worker::js_sys::{Array, Function, Object, Reflect, Uint8Array, global};
use worker::wasm_bindgen::{JsCast, JsValue};

use super::error::AuthError;
use super::random::random_bytes;

/// Shortest password that can be set, in UTF-16 units.
const MIN_UNITS: usize = 8;
/// Longest password that is set or looked at, in UTF-16 units.
const MAX_UNITS: usize = 128;
/// scrypt's N, r and p.
const PARAMETERS: [(&str, f64); 3] = [("N", 16_384.0), ("r", 16.0), ("p", 1.0)];
/// Memory that scrypt may take: twice the 128 N r it needs. The platform's own bound is those 32 MiB to the byte.
const MAX_MEMORY_BYTES: f64 = 64.0 * 1024.0 * 1024.0;
/// Characters of a salt.
const SALT_LENGTH: usize = 32;
/// Bytes of a key.
const KEY_BYTES: usize = 64;

/// Why a password could be neither hashed nor compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// What is stored is no hash.
    #[error("a stored password hash is corrupt")]
    Corrupt,
    /// The platform could not compute scrypt.
    #[error("scrypt is unavailable: {0}")]
    Platform(String),
}

/// Whether a password may be set.
///
/// # Errors
/// [`AuthError::PASSWORD_TOO_SHORT`], [`AuthError::PASSWORD_TOO_LONG`].
pub fn check_new(password: &str) -> Result<(), AuthError> {
    if units(password) < MIN_UNITS { Err(AuthError::PASSWORD_TOO_SHORT) } else { check_given(password) }
}

/// Whether a password may be compared with a hash.
///
/// # Errors
/// [`AuthError::PASSWORD_TOO_LONG`].
pub fn check_given(password: &str) -> Result<(), AuthError> {
    if units(password) > MAX_UNITS { Err(AuthError::PASSWORD_TOO_LONG) } else { Ok(()) }
}

/// As JavaScript counts. No more than tell that it is too long.
fn units(password: &str) -> usize {
    password.encode_utf16().take(MAX_UNITS + 1).count()
}

/// The hash to store for a password. It also is what a sign-in with an unknown address spends its time on.
///
/// # Errors
/// [`HashError::Platform`].
pub fn hash(password: &str) -> Result<String, HashError> {
    let salt = random_bytes::<16>().map_err(|error| HashError::Platform(error.to_string()))?;
    hash_with(scrypt, password, &hex(&salt))
}

/// Whether a password is the one that was hashed.
///
/// # Errors
/// [`HashError`].
pub fn verify(password: &str, stored: &str) -> Result<bool, HashError> {
    verify_with(scrypt, password, stored)
}

/// Computes a key from a password and a salt.
type Scrypt = fn(&[u8], &[u8]) -> Result<[u8; KEY_BYTES], HashError>;

fn hash_with(scrypt: Scrypt, password: &str, salt: &str) -> Result<String, HashError> {
    Ok(format!("{salt}:{}", hex(&key_with(scrypt, password, salt)?)))
}

fn verify_with(scrypt: Scrypt, password: &str, stored: &str) -> Result<bool, HashError> {
    let (salt, key) = parse_hash(stored).ok_or(HashError::Corrupt)?;
    if units(password) > MAX_UNITS {
        return Ok(false);
    }
    Ok(hex(&key_with(scrypt, password, salt)?).as_bytes().ct_eq(key.as_bytes()).into())
}

fn key_with(scrypt: Scrypt, password: &str, salt: &str) -> Result<[u8; KEY_BYTES], HashError> {
    let password: String = password.nfkc().collect();
    scrypt(password.as_bytes(), salt.as_bytes())
}

/// Salt and key of a stored hash.
fn parse_hash(stored: &str) -> Option<(&str, &str)> {
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let (salt, key) = stored.split_once(':')?;
    (is_hex(salt, SALT_LENGTH) && is_hex(key, KEY_BYTES * 2)).then_some((salt, key))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}

/// The platform's scrypt, from `node:crypto`. It is looked up when it is needed: an import would keep the module from
/// being loaded where there is none, as in tests.
fn scrypt(password: &[u8], salt: &[u8]) -> Result<[u8; KEY_BYTES], HashError> {
    call_scrypt(password, salt).map_err(|error| HashError::Platform(describe(&error)))
}

fn call_scrypt(password: &[u8], salt: &[u8]) -> Result<[u8; KEY_BYTES], JsValue> {
    let get = |object: &JsValue, name: &str| Reflect::get(object, &JsValue::from_str(name));
    let process = get(&global(), "process")?;
    let load: Function = get(&process, "getBuiltinModule")?.dyn_into()?;
    let crypto = load.call1(&process, &JsValue::from_str("node:crypto"))?;
    let scrypt: Function = get(&crypto, "scryptSync")?.dyn_into()?;
    let options = Object::new();
    for (name, value) in PARAMETERS.into_iter().chain([("maxmem", MAX_MEMORY_BYTES)]) {
        Reflect::set(&options, &JsValue::from_str(name), &JsValue::from_f64(value))?;
    }
    let arguments = Array::of4(
        &Uint8Array::from(password),
        &Uint8Array::from(salt),
        &JsValue::from_f64(KEY_BYTES as f64),
        &options,
    );
    let key: Uint8Array = scrypt.apply(&crypto, &arguments)?.dyn_into()?;
    key.to_vec().try_into().map_err(|_: Vec<u8>| JsValue::from_str("a key of another length"))
}

/// What a thrown value says. An error of scrypt names its parameters, never a password.
fn describe(error: &JsValue) -> String {
    let message = Reflect::get(error, &JsValue::from_str("message")).ok().and_then(|text| text.as_string());
    message.or_else(|| error.as_string()).unwrap_or_else(|| "not a function".to_owned())
}

/// Passwords and their keys under the salt below, checked with Better Auth.
#[cfg(test)]
const VECTORS: [(&str, &str); 3] = [
    (
        "password-one",
        "bab9e61336104503b22562390414baa9b47e9ac79634273ce840b2ac411251ea\
         1404927a7f66a64ce06c1222e8f37fe3f3c36aaca3acf0b7b97f35c0acc165a2",
    ),
    (
        "correct horse battery staple",
        "7034425e783148ac6ce2c4521177f6fc8ba611950b64145053bf3c4fbf264578\
         65bbf1ea8164754187636d431114bca7374e96cf91409d23fbc0b086580d2442",
    ),
    (
        "P\u{e4}ssw\u{f6}rd-\u{fb01}-\u{2460}",
        "183999f16459bc4122f25b2735af13e38c0c21b2102cf9cf441e42c4ba288c48\
         f8a5429f75897da1a078514ded7d87530f3d5a01846bae62182b5535591bc4e3",
    ),
];
#[cfg(test)]
const SALT: &str = "000102030405060708090a0b0c0d0e0f";

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_scrypt(password: &[u8], salt: &[u8]) -> Result<[u8; KEY_BYTES], HashError> {
        let mut key = [0; KEY_BYTES];
        let parameters = scrypt::Params::new(14, 16, 1, KEY_BYTES).unwrap();
        scrypt::scrypt(password, salt, &parameters, &mut key).unwrap();
        Ok(key)
    }

    fn not_called(_: &[u8], _: &[u8]) -> Result<[u8; KEY_BYTES], HashError> {
        panic!("scrypt was called")
    }

    #[test]
    fn hashes_are_those_of_better_auth() {
        for (password, key) in VECTORS {
            let stored = format!("{SALT}:{key}");
            assert_eq!(hash_with(crate_scrypt, password, SALT).unwrap(), stored);
            assert!(verify_with(crate_scrypt, password, &stored).unwrap());
        }
    }

    #[test]
    fn the_same_text_in_other_code_points_is_the_same_password() {
        let stored = format!("{SALT}:{}", VECTORS[2].1);
        assert!(verify_with(crate_scrypt, "Pa\u{308}sswo\u{308}rd-fi-1", &stored).unwrap());
        assert!(!verify_with(crate_scrypt, "Passwort-fi-1", &stored).unwrap());
    }

    #[test]
    fn a_corrupt_hash_is_an_error() {
        let key = VECTORS[0].1;
        for stored in [
            String::new(),
            SALT.to_owned(),
            format!("{SALT}:"),
            format!(":{key}"),
            format!("{SALT}{key}"),
            format!("{SALT}:{key}0"),
            format!("{SALT}:{}", &key[1..]),
            format!("{SALT}:{key}:"),
            format!("{SALT}:{}", key.to_uppercase()),
            format!("{}:{key}", &SALT[1..]),
            format!("{}:{key}", SALT.replace('0', "g")),
        ] {
            let outcome = verify_with(not_called, "password-one", &stored);
            assert!(matches!(outcome, Err(HashError::Corrupt)), "{stored}");
        }
    }

    #[test]
    fn lengths_are_counted_in_utf_16() {
        let code = |outcome: Result<(), AuthError>| outcome.err().and_then(|error| error.code());
        for (password, new, given) in [
            (String::new(), Some("PASSWORD_TOO_SHORT"), None),
            ("a".repeat(7), Some("PASSWORD_TOO_SHORT"), None),
            ("a".repeat(8), None, None),
            (" ".repeat(8), None, None),
            ("\u{1f600}".repeat(3), Some("PASSWORD_TOO_SHORT"), None),
            ("\u{1f600}".repeat(4), None, None),
            ("\u{fb01}".repeat(7), Some("PASSWORD_TOO_SHORT"), None),
            ("a".repeat(128), None, None),
            ("\u{e4}".repeat(128), None, None),
            ("a".repeat(129), Some("PASSWORD_TOO_LONG"), Some("PASSWORD_TOO_LONG")),
            ("\u{1f600}".repeat(65), Some("PASSWORD_TOO_LONG"), Some("PASSWORD_TOO_LONG")),
        ] {
            assert_eq!(code(check_new(&password)), new, "{password}");
            assert_eq!(code(check_given(&password)), given, "{password}");
        }
        let stored = format!("{SALT}:{}", VECTORS[0].1);
        assert!(!verify_with(not_called, &"a".repeat(129), &stored).unwrap());
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod wasm_tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn the_platform_computes_the_hashes_of_better_auth() {
        for (password, key) in VECTORS {
            assert_eq!(hash_with(scrypt, password, SALT).unwrap(), format!("{SALT}:{key}"));
            assert!(verify(password, &format!("{SALT}:{key}")).unwrap());
        }
        assert!(!verify("password-two", &format!("{SALT}:{}", VECTORS[0].1)).unwrap());
    }

    #[wasm_bindgen_test]
    fn a_hash_has_a_salt_of_its_own() {
        let (one, two) = (hash("password-one").unwrap(), hash("password-one").unwrap());
        assert_ne!(one, two);
        assert!(verify("password-one", &one).unwrap() && !verify("password-two", &two).unwrap());
    }
}
