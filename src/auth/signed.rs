//! Values with a signature, as Better Auth's cookies and bearer tokens carry them.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::key::AuthKey;

/// Characters of a signature: 32 bytes in base64.
const SIGNATURE_LENGTH: usize = 44;
/// What JavaScript's `encodeURIComponent` encodes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The value and its signature, before encoding.
pub fn sign(value: &str, key: &AuthKey) -> String {
    let signature = key.mac(&[value.as_bytes()]).finalize().into_bytes();
    format!("{value}.{}", STANDARD.encode(signature))
}

/// The value in what [`sign`] made, encoded or not. None if the signature is not right; takes constant time.
pub fn verify(text: &str, key: &AuthKey) -> Option<String> {
    let text = decode(text);
    let (value, signature) = text.rsplit_once('.')?;
    if signature.len() != SIGNATURE_LENGTH || !signature.ends_with('=') {
        return None;
    }
    let signature = STANDARD.decode(signature).ok()?;
    key.mac(&[value.as_bytes()]).verify_slice(&signature).ok()?;
    Some(value.to_owned())
}

/// What JavaScript's `decodeURIComponent` gives, or the text itself where that would throw.
pub fn decode(text: &str) -> Cow<'_, str> {
    let is_escape =
        |rest: &str| rest.get(..2).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !text.split('%').skip(1).all(is_escape) {
        return Cow::Borrowed(text);
    }
    percent_decode_str(text).decode_utf8().unwrap_or(Cow::Borrowed(text))
}

/// What JavaScript's `encodeURIComponent` gives.
pub fn encode_component(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

/// Made with Better Auth; checked with Python.
#[cfg(test)]
pub const VECTORS: [(&str, &str); 3] = [
    (
        "abcdefghijklmnopqrstuvwxyzABCDEF",
        "abcdefghijklmnopqrstuvwxyzABCDEF.DsMVGnl85hLTqm6ZkGQ7HZGLcdhYNwd9d%2FlDEPS4i1I%3D",
    ),
    ("true", "true.QR0SwtDHp1aNARTAMBliN3F7DJfbzpfVSuNSCw8KKMk%3D"),
    (
        "34g5Utu6OVM8htMuoriYvKwVFATEFVUn:",
        "34g5Utu6OVM8htMuoriYvKwVFATEFVUn%3A.W4G8UNED%2FvNtXy66SYzfjKAHloVkXAAAMKCR%2BilDKlY%3D",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AuthKey {
        AuthKey::new("sample-secret-0123456789abcdefghijklmnopqrstuv").unwrap()
    }

    #[test]
    fn signatures_are_those_of_better_auth() {
        for (value, cookie) in VECTORS {
            assert_eq!(encode_component(&sign(value, &key())), cookie);
            assert_eq!(verify(cookie, &key()).as_deref(), Some(value));
            assert_eq!(verify(&decode(cookie), &key()).as_deref(), Some(value));
            assert_eq!(verify(cookie, &AuthKey::new("another").unwrap()), None);
        }
    }

    #[test]
    fn what_javascript_cannot_decode_stays_as_it_is() {
        for (text, decoded) in [
            ("a%20b", "a b"),
            ("100%", "100%"),
            ("%zz%20", "%zz%20"),
            ("%ff", "%ff"),
            ("%C3%A9", "é"),
            ("%é", "%é"),
        ] {
            assert_eq!(decode(text), decoded);
        }
        // A value may hold dots; the last one ends it.
        assert_eq!(verify(&sign("a.b.", &key()), &key()).as_deref(), Some("a.b."));
    }
}
