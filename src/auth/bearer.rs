//! What an `Authorization` field carries. API keys, JWTs of another issuer and sessions share it; the form tells
//! them apart.

use super::key::AuthKey;
use super::signed::verify;
use super::token::SessionToken;
use crate::api_key::{begins_like_one, is_api_key};

/// Longest field that is looked at, in bytes. A large JWT has four thousand.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// A credential by its form. Whether it is known is another question.
#[derive(Clone, PartialEq, Eq)]
pub enum Bearer {
    /// An API key.
    ApiKey(String),
    /// What begins like an API key and can't be one: whoever sends it means a key, so it is not as if there were
    /// nothing.
    MalformedKey,
    /// Three parts in base64url: for whoever issues JWTs.
    Jwt(String),
    /// A session token that replaces the cookie of the request. It may be made up: then it is a dead session.
    Session(String),
    /// Nothing usable, as if there were no such field. A cookie beside it counts.
    Nothing,
}

/// Sorts what an `Authorization` field carries.
pub fn parse_bearer(header: Option<&str>, key: &AuthKey) -> Bearer {
    let Some(text) = header.and_then(credential) else { return Bearer::Nothing };
    if header.is_some_and(|header| header.len() > MAX_HEADER_BYTES) {
        return if begins_like_one(text) { Bearer::MalformedKey } else { Bearer::Nothing };
    }
    // One user in eight million has an id that begins like an API key. What a token proves, no form can.
    if SessionToken::parse(text, key).is_some() {
        return Bearer::Session(text.to_owned());
    }
    if is_api_key(text) {
        return Bearer::ApiKey(text.to_owned());
    }
    if is_jwt(text) {
        return Bearer::Jwt(text.to_owned());
    }
    match verify(text, key) {
        Some(token) => Bearer::Session(token),
        None if begins_like_one(text) => Bearer::MalformedKey,
        None if text.contains('.') => Bearer::Nothing,
        None => Bearer::Session(text.to_owned()),
    }
}

fn credential(header: &str) -> Option<&str> {
    let (scheme, rest) = header.trim().split_once([' ', '\t'])?;
    let rest = rest.trim();
    (scheme.eq_ignore_ascii_case("Bearer") && !rest.is_empty()).then_some(rest)
}

/// Three parts, the last of which may be empty: a token that claims to need no signature is one that is refused.
fn is_jwt(text: &str) -> bool {
    let is_part =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, _] = parts.as_slice() else { return false };
    !header.is_empty() && !claims.is_empty() && parts.iter().all(|part| is_part(part))
}

#[cfg(test)]
mod tests {
    use super::super::signed::sign;
    use super::*;

    fn key() -> AuthKey {
        AuthKey::new("sample-secret-0123456789abcdefghijklmnopqrstuv").unwrap()
    }

    fn parse(header: &str) -> Bearer {
        parse_bearer(Some(header), &key())
    }

    fn session(token: &str) -> Bearer {
        Bearer::Session(token.to_owned())
    }

    #[test]
    fn a_session_comes_bare_signed_or_encoded() {
        let token = "abcdefghijklmnopqrstuvwxyzABCDEF";
        let encoded = "abcdefghijklmnopqrstuvwxyzABCDEF.DsMVGnl85hLTqm6ZkGQ7HZGLcdhYNwd9d%2FlDEPS4i1I%3D";
        assert!(parse(&format!("Bearer {token}")) == session(token));
        assert!(parse(&format!("Bearer {encoded}")) == session(token));
        assert!(parse(&format!("Bearer {}", sign(token, &key()))) == session(token));
    }

    #[test]
    fn the_scheme_may_have_any_case_and_spaces() {
        for header in ["Bearer t", "bearer t", "BEARER   t  ", "  Bearer t", "Bearer\tt"] {
            assert!(parse(header) == session("t"), "{header}");
        }
        for header in ["", "Bearer", "Bearer ", "Basic t", "t", "Bearert", "Bearers t"] {
            assert!(parse(header) == Bearer::Nothing, "{header}");
        }
        assert!(parse_bearer(None, &key()) == Bearer::Nothing);
    }

    #[test]
    fn made_up_tokens_replace_the_cookie_and_bad_signatures_do_not() {
        assert!(parse("Bearer nonsense") == session("nonsense"));
        let signed = sign("token", &AuthKey::new("another").unwrap());
        for text in [signed.as_str(), "token.badsig", "a.b", "a..b", "a.b.c.d", ".b.c", "100%.a"] {
            assert!(parse(&format!("Bearer {text}")) == Bearer::Nothing, "{text}");
        }
    }

    #[test]
    fn keys_and_jwts_go_by_their_form() {
        for text in ["abc_1234", "blq_old"] {
            assert!(parse(&format!("Bearer {text}")) == Bearer::ApiKey(text.to_owned()), "{text}");
        }
        assert!(parse("Bearer a.b.") == Bearer::Jwt("a.b.".to_owned()));
        assert!(parse("Bearer aa.b-b.c_c") == Bearer::Jwt("aa.b-b.c_c".to_owned()));
        for text in ["abc_", "blq_", "abc_a.b", "abc_a b", "blq_ä", &format!("abc_{}", "a".repeat(9_000))] {
            assert!(parse(&format!("Bearer {text}")) == Bearer::MalformedKey, "{text}");
        }
    }

    #[test]
    fn a_user_whose_id_begins_like_a_key_can_sign_in() {
        let user = "69b73f00-0000-4000-8000-000000000000".parse().unwrap();
        let text = SessionToken { user, key: [1; 16] }.text(&key());
        assert!(text.starts_with("abc_") && is_api_key(&text));
        assert!(parse(&format!("Bearer {text}")) == session(&text));
    }

    #[test]
    fn a_field_over_the_bound_is_nothing() {
        let header = |length: usize| format!("Bearer {}", "a".repeat(length - 7));
        assert!(parse(&header(8 * 1024)) != Bearer::Nothing);
        assert!(parse(&header(8 * 1024 + 1)) == Bearer::Nothing);
    }
}
