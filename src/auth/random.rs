//! Random bytes of the platform, and texts made of them.

/// Letters and digits: tokens that reset a password.
pub const ALPHANUMERIC: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Digits and small letters: tokens that delete an account.
pub const LOWER_ALPHANUMERIC: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// What needs no encoding in a URL: the state of an OAuth flow.
pub const URL_SAFE: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/// Length of a token that resets a password.
pub const RESET_TOKEN_LENGTH: usize = 24;
/// Length of a token that deletes an account.
pub const DELETE_TOKEN_LENGTH: usize = 32;
/// Length of the state of an OAuth flow.
pub const OAUTH_STATE_LENGTH: usize = 32;

/// Bytes that nobody can foresee.
///
/// # Errors
/// If the platform gives none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A text of `length` characters of an alphabet, all equally likely.
///
/// # Errors
/// If the platform gives no random bytes.
pub fn random_text(alphabet: &[u8], length: usize) -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let drawn = random_bytes::<64>()?;
        let wanted = length - text.len();
        text.extend(drawn.into_iter().filter_map(|byte| pick(alphabet, byte)).take(wanted));
    }
    Ok(text)
}

/// A character for a byte. None for the bytes beyond the last whole round of the alphabet: with them, its first
/// characters would come more often.
fn pick(alphabet: &[u8], byte: u8) -> Option<char> {
    let byte = usize::from(byte);
    let rounds = 256_usize.checked_div(alphabet.len())?;
    let index = byte.checked_rem(alphabet.len()).filter(|_| byte < rounds * alphabet.len())?;
    alphabet.get(index).copied().map(char::from)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_character_is_equally_likely() {
        for alphabet in [ALPHANUMERIC, LOWER_ALPHANUMERIC, URL_SAFE] {
            let mut counts = HashMap::new();
            (0..=255)
                .filter_map(|byte| pick(alphabet, byte))
                .for_each(|c| *counts.entry(c).or_insert(0) += 1);
            assert_eq!(counts.len(), alphabet.len());
            assert!(counts.values().all(|count| *count == 256 / alphabet.len()), "{counts:?}");
        }
    }

    #[test]
    fn texts_have_their_length_and_differ() {
        for (alphabet, length) in [
            (ALPHANUMERIC, RESET_TOKEN_LENGTH),
            (LOWER_ALPHANUMERIC, DELETE_TOKEN_LENGTH),
            (URL_SAFE, OAUTH_STATE_LENGTH),
            (ALPHANUMERIC, 200),
        ] {
            let text = random_text(alphabet, length).unwrap();
            assert_eq!(text.len(), length);
            assert!(text.bytes().all(|byte| alphabet.contains(&byte)), "{text}");
            assert_ne!(text, random_text(alphabet, length).unwrap());
        }
        assert_ne!(random_bytes::<16>().unwrap(), random_bytes::<16>().unwrap());
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod wasm_tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn the_platform_gives_random_bytes() {
        assert_ne!(random_bytes::<16>().unwrap(), random_bytes::<16>().unwrap());
    }
}
