//! Session tokens. One tells whose session it is, so that the user's object is found without an index, and carries
//! its own proof: made-up tokens, and those of an older secret, cost no call to any object.
//!
//! Base64url of 48 bytes: the user's UUID, 16 random bytes, and 16 bytes of an HMAC over both. 128 random bits can't
//! be guessed, and 128 bits of proof can't be forged.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::key::AuthKey;

/// Characters of a token.
const TEXT_LENGTH: usize = 64;
/// Sets these codes apart from all others under the same secret.
const DOMAIN: &[u8] = b"bloqr session token 1";

/// A token that the service gave out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionToken {
    /// Whose session it is.
    pub user: Uuid,
    /// Which of the user's sessions: random.
    pub key: [u8; 16],
}

impl SessionToken {
    /// What the client gets.
    pub fn text(&self, key: &AuthKey) -> String {
        let proof = self.mac(key).finalize().into_bytes();
        let proof = proof.iter().copied().take(16);
        let bytes: Vec<u8> = self.user.as_bytes().iter().copied().chain(self.key).chain(proof).collect();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The token in a text; none if it is not one that this secret made. Compares in constant time.
    pub fn parse(text: &str, key: &AuthKey) -> Option<Self> {
        if text.len() != TEXT_LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (user, rest) = bytes.split_first_chunk::<16>()?;
        let (random, proof) = rest.split_first_chunk::<16>()?;
        let proof: &[u8; 16] = proof.try_into().ok()?;
        let token = Self { user: Uuid::from_bytes(*user), key: *random };
        token.mac(key).verify_truncated_left(proof).is_ok().then_some(token)
    }

    /// The session's key as objects store it: 22 characters, and no secret of the client's.
    pub fn key_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key)
    }

    /// The key in what [`SessionToken::key_text`] wrote.
    pub fn parse_key(text: &str) -> Option<[u8; 16]> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
    }

    fn mac(&self, key: &AuthKey) -> Hmac<Sha256> {
        key.mac(&[DOMAIN, self.user.as_bytes(), &self.key])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AuthKey {
        AuthKey::new("sample-secret-0123456789abcdefghijklmnopqrstuv").unwrap()
    }

    fn token() -> SessionToken {
        SessionToken { user: "00112233-4455-4677-8899-aabbccddeeff".parse().unwrap(), key: [7; 16] }
    }

    /// Another text would end every session that is alive when it is deployed.
    #[test]
    fn the_text_of_a_token_is_pinned() {
        let text = token().text(&key());
        assert_eq!(text, "ABEiM0RVRneImaq7zN3u_wcHBwcHBwcHBwcHBwcHBwcP0wIH2Yne7c3lLtVWcqlf");
        assert_eq!(token().key_text(), "BwcHBwcHBwcHBwcHBwcHBw");
        assert_eq!(SessionToken::parse_key("BwcHBwcHBwcHBwcHBwcHBw"), Some([7; 16]));
        assert!(SessionToken::parse(&text, &key()) == Some(token()));
    }

    #[test]
    fn a_token_survives_cookies_and_headers() {
        let text = token().text(&key());
        assert_eq!(text.len(), 64);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    }

    #[test]
    fn a_token_with_any_character_changed_is_none() {
        let text = token().text(&key());
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(SessionToken::parse(&changed, &key()).is_none(), "{changed}");
        }
    }

    #[test]
    fn another_secret_and_other_lengths_are_none() {
        let text = token().text(&key());
        assert!(SessionToken::parse(&text, &AuthKey::new("another").unwrap()).is_none());
        for text in
            [String::new(), text[..63].to_owned(), format!("{text}A"), format!("{text}="), "é".repeat(32)]
        {
            assert!(SessionToken::parse(&text, &key()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_key_is_22_characters() {
        for text in
            ["", "BwcH", "BwcHBwcHBwcHBwcHBwcHBx", "BwcHBwcHBwcHBwcHBwcHBw=", "BwcHBwcHBwcHBwcHBwcHBwcH"]
        {
            assert_eq!(SessionToken::parse_key(text), None, "{text}");
        }
    }
}
