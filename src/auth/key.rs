//! The key behind everything that the service signs for itself: `BETTER_AUTH_SECRET`.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// HMAC-SHA256 under the secret. The text itself is the key, even if it looks like base64.
#[derive(Clone)]
pub struct AuthKey(Hmac<Sha256>);

impl AuthKey {
    /// The key that a secret is. None if it is empty: anybody could sign with that.
    pub fn new(secret: &str) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        Hmac::new_from_slice(secret.as_bytes()).ok().map(Self)
    }

    /// The code over all parts, one behind the other. Compare it with `verify_…`, which takes constant time.
    pub fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_signs_nothing() {
        assert!(AuthKey::new("").is_none());
    }

    #[test]
    fn parts_are_signed_as_one_text() {
        let key = AuthKey::new("secret").unwrap();
        let whole = key.mac(&[b"ab"]).finalize().into_bytes();
        assert_eq!(key.mac(&[b"a", b"b"]).finalize().into_bytes(), whole);
        assert_ne!(key.mac(&[b"ba"]).finalize().into_bytes(), whole);
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", AuthKey::new("hidden").unwrap()), "AuthKey");
    }
}
