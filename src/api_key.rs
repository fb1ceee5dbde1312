//! API keys: how they are made, told apart from other credentials, and stored.
//!
//! A new one is `abc_` and base64url of 36 bytes: 16 random bytes, the owner's UUID, so that the owner's object is
//! found without an index, and 4 bytes of an HMAC. These four only keep most made-up keys away from the objects;
//! what proves a key is its hash in the store. The random bytes come first, because people tell keys apart by how
//! they begin. Keys of an older shape begin with `abc_` or `blq_` too.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::auth::key::AuthKey;

/// What keys begin with; new ones with the first.
const PREFIXES: [&str; 2] = ["abc_", "blq_"];
/// Shortest and longest key of any age, in characters.
const LENGTHS: std::ops::RangeInclusive<usize> = 5..=200;
/// Characters of a key that are shown to its owner again.
const SHOWN: usize = 8;
/// Sets these codes apart from all others under the same secret.
const DOMAIN: &[u8] = b"bloqr api key 1";

/// A new key: 52 characters.
pub fn generate(owner: Uuid, random: [u8; 16], key: &AuthKey) -> String {
    let check = key.mac(&[DOMAIN, &random, owner.as_bytes()]).finalize().into_bytes();
    let check = check.iter().copied().take(4);
    let bytes: Vec<u8> = random.into_iter().chain(*owner.as_bytes()).chain(check).collect();
    format!("abc_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether a credential has the form of a key, of whatever age.
pub fn is_api_key(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    begins_like_one(text) && LENGTHS.contains(&text.len()) && text.bytes().all(is_word)
}

/// Whether a credential begins like a key, and so is one or nothing.
pub fn begins_like_one(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

/// Whose key a new one is. None for an older or a made-up one.
pub fn parse_owner(text: &str, key: &AuthKey) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix("abc_").filter(|rest| rest.len() == 48)?).ok()?;
    let (random, rest) = bytes.split_first_chunk::<16>()?;
    let (owner, check) = rest.split_first_chunk::<16>()?;
    let check: &[u8; 4] = check.try_into().ok()?;
    key.mac(&[DOMAIN, random, owner]).verify_truncated_left(check).ok()?;
    Some(Uuid::from_bytes(*owner))
}

/// What is stored in place of a key: its SHA-256, as 64 lower-case hexadecimal characters. A key is random enough
/// to need no slow hash.
pub fn hash(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// What the owner recognises a key by.
pub fn prefix(text: &str) -> &str {
    text.get(..SHOWN).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AuthKey {
        AuthKey::new("sample-secret-0123456789abcdefghijklmnopqrstuv").unwrap()
    }

    fn owner() -> Uuid {
        "00112233-4455-4677-8899-aabbccddeeff".parse().unwrap()
    }

    /// Another text would turn away every key that is in use.
    #[test]
    fn the_text_of_a_key_is_pinned() {
        let text = generate(owner(), [7; 16], &key());
        assert_eq!(text, "abc_BwcHBwcHBwcHBwcHBwcHBwARIjNEVUZ3iJmqu8zd7v8BncgY");
        assert_eq!(text.len(), 52);
        assert!(is_api_key(&text));
        assert_eq!(prefix(&text), "abc_BwcH");
        assert_eq!(parse_owner(&text, &key()), Some(owner()));
    }

    #[test]
    fn a_made_up_key_has_no_owner() {
        let text = generate(owner(), [7; 16], &key());
        let other = |end: &str| format!("{}{end}", &text[..text.len() - end.len()]);
        for text in [
            other("AAAA"),
            format!("blq_{}", &text[4..]),
            text[4..].to_owned(),
            text[..51].to_owned(),
            format!("{text}A"),
            String::from("abc_"),
            format!("abc_{}", "é".repeat(24)),
        ] {
            assert_eq!(parse_owner(&text, &key()), None, "{text}");
        }
        assert_eq!(parse_owner(&text, &AuthKey::new("another").unwrap()), None);
    }

    #[test]
    fn keys_of_any_age_are_told_by_their_form() {
        for text in ["abc_1", "blq_1", "abc_-_", &format!("abc_{}", "a".repeat(196))] {
            assert!(is_api_key(text), "{text}");
        }
        for text in ["", "abc_", "blq_", "ABC_1", "abc-1", "xyz_1", "abc_a.b", "abc_ä", " abc_1", "abc_1 "] {
            assert!(!is_api_key(text), "{text}");
        }
        assert!(!is_api_key(&format!("abc_{}", "a".repeat(197))));
    }

    #[test]
    fn a_hash_is_sha_256_in_lower_case() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(prefix("abc_1"), "abc_1");
    }
}
