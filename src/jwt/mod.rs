//! JSON Web Tokens of others: whether Clerk or Cloudflare Access signed a token, and whether it holds here and now.
//!
//! RS256 alone is known, whatever a token's header asks for. Keys come from the configured addresses, never from where
//! a token points to (`jwks`). What a token must say beyond its signature is decided by `clerk` and `access`. Claims
//! are judged here and not by the crate that proves the signature: its rules for time and issuer are laxer.

pub mod access;
pub mod clerk;
#[cfg(test)]
mod fake;
mod jwks;
mod rs256;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Longest token, in bytes. Clerk keeps its own below 4 KiB, the room of a cookie; those of Access may list groups.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How far clocks may be apart, in seconds. The same as in Clerk's own verification.
const SKEW_S: u64 = 5;
/// Longest `Cookie` field that is looked at, in bytes.
const MAX_COOKIES_BYTES: usize = 16 * 1024;

/// A token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It does not prove what it claims.
    #[error(transparent)]
    Invalid(#[from] Flaw),
    /// Nobody can tell: the issuer's keys can't be had, for this reason.
    #[error("the issuer's keys can't be had: {0}")]
    Unavailable(String),
}

/// What is wrong with a token. The texts are stable and repeat nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// More bytes than are looked at.
    #[error("JWT verification failed: too long")]
    TooLong,
    /// Not three parts, not base64, not JSON, or signed in a way that nobody knows.
    #[error("JWT verification failed: malformed")]
    Malformed,
    /// Signed in another way than RS256.
    #[error("JWT verification failed: algorithm not allowed")]
    Algorithm,
    /// Another kind of token, or one with extensions that must be understood.
    #[error("JWT verification failed: type not allowed")]
    Type,
    /// No key of the issuer fits.
    #[error("JWT verification failed: unknown key")]
    UnknownKey,
    /// Several keys fit.
    #[error("JWT verification failed: several keys fit")]
    AmbiguousKey,
    /// Not signed with the issuer's key, or changed since.
    #[error("JWT verification failed: wrong signature")]
    Signature,
    /// Over.
    #[error("JWT verification failed: expired")]
    Expired,
    /// Issued later than now, or good only later.
    #[error("JWT verification failed: not active yet")]
    NotYet,
    /// A claim is missing or no value of its kind.
    #[error("Invalid JWT claims structure")]
    Claims,
    /// From an issuer that is not trusted.
    #[error("Invalid token issuer")]
    Issuer,
    /// For somebody else.
    #[error("Invalid token audience")]
    Audience,
    /// Made for another page than the one that sent it.
    #[error("Token authorized party mismatch")]
    Party,
    /// Its owner has not finished signing in.
    #[error("Session is pending")]
    Pending,
}

/// The value of a cookie in a `Cookie` field: of several the first, without quotes.
pub fn read_cookie<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let header = Some(header).filter(|header| header.len() <= MAX_COOKIES_BYTES)?;
    let mut pairs = header.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| found.trim() == name)?;
    let value = value.trim();
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// The header of a token that may be worth a look at its signature.
fn read_header(token: &str) -> Result<Header, Flaw> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Flaw::TooLong);
    }
    let header = decode_header(token).map_err(|error| flaw_of(error.kind()))?;
    if header.alg != Algorithm::RS256 {
        return Err(Flaw::Algorithm);
    }
    if header.typ.as_deref().is_some_and(|typ| typ != "JWT") || header.crit.is_some() {
        return Err(Flaw::Type);
    }
    Ok(header)
}

/// The claims of a token that was signed with this key.
fn read_claims<T: DeserializeOwned>(token: &str, key: &DecodingKey) -> Result<T, Flaw> {
    rs256::install();
    let mut signature_alone = Validation::new(Algorithm::RS256);
    signature_alone.required_spec_claims.clear();
    signature_alone.validate_exp = false;
    signature_alone.validate_aud = false;
    // First as any object, so that a claim of the wrong kind is told apart from no JSON at all.
    let claims = decode::<serde_json::Map<_, _>>(token, key, &signature_alone)
        .map_err(|error| flaw_of(error.kind()))?
        .claims;
    // What serde says of a claim would repeat its value.
    T::deserialize(serde_json::Value::Object(claims)).or(Err(Flaw::Claims))
}

fn flaw_of(kind: &ErrorKind) -> Flaw {
    match kind {
        ErrorKind::InvalidSignature => Flaw::Signature,
        ErrorKind::InvalidAlgorithm => Flaw::Algorithm,
        _ => Flaw::Malformed,
    }
}

/// Seconds since 1970, as claims have them: any number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(from = "f64")]
struct Seconds(u64);

impl From<f64> for Seconds {
    fn from(seconds: f64) -> Self {
        Self(seconds as u64)
    }
}

/// Whether a token holds now. What does not say when it begins has begun.
fn check_times(exp: Seconds, begins: [Option<Seconds>; 2], now_s: u64) -> Result<(), Flaw> {
    if is_over(exp.0, now_s) {
        return Err(Flaw::Expired);
    }
    let begins_later = begins.into_iter().flatten().any(|begin| begin.0 > now_s.saturating_add(SKEW_S));
    if begins_later { Err(Flaw::NotYet) } else { Ok(()) }
}

/// Whether what expires then is over, the skew allowed for.
fn is_over(expires_at_s: u64, now_s: u64) -> bool {
    expires_at_s.saturating_add(SKEW_S) <= now_s
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::fake::FakeKey;
    use super::*;

    fn header_of(header: serde_json::Value) -> Result<Option<String>, Flaw> {
        read_header(&FakeKey::One.sign(&header, &json!({}))).map(|header| header.kid)
    }

    #[test]
    fn headers_may_ask_for_rs256_alone() {
        assert_eq!(header_of(json!({ "alg": "RS256", "kid": "k", "typ": "JWT" })), Ok(Some("k".to_owned())));
        assert_eq!(header_of(json!({ "alg": "RS256" })), Ok(None));
        for alg in ["HS256", "RS384", "RS512", "PS256", "ES256", "EdDSA"] {
            assert_eq!(header_of(json!({ "alg": alg })), Err(Flaw::Algorithm), "{alg}");
        }
        for header in [json!({ "alg": "none" }), json!({ "alg": "rs256" }), json!({}), json!([]), json!(1)] {
            assert_eq!(header_of(header.clone()), Err(Flaw::Malformed), "{header}");
        }
    }

    #[test]
    fn other_types_and_extensions_are_refused() {
        for more in [json!({ "typ": "at+jwt" }), json!({ "typ": "" }), json!({ "crit": ["exp"], "exp": 1 })] {
            let header = super::fake::with(json!({ "alg": "RS256" }), more);
            assert_eq!(header_of(header.clone()), Err(Flaw::Type), "{header}");
        }
    }

    #[test]
    fn what_has_not_three_parts_is_no_token() {
        let token = FakeKey::One.sign(&json!({ "alg": "RS256" }), &json!({}));
        let (two, _) = token.rsplit_once('.').unwrap();
        for text in ["", ".", "..", "...", "a.b.c", two, &format!("{token}.x"), "\u{e9}.\u{e9}.\u{e9}"] {
            assert_eq!(read_header(text).unwrap_err(), Flaw::Malformed, "{text:?}");
        }
        assert_eq!(read_header(&"a".repeat(MAX_TOKEN_BYTES + 1)).unwrap_err(), Flaw::TooLong);
    }

    #[test]
    fn five_seconds_are_forgiven() {
        let now_s = 1_800_000_000;
        let times = |exp, begin| check_times(Seconds(now_s - 60 + exp), [Some(Seconds(begin)), None], now_s);
        assert_eq!(times(60 - 4, 0), Ok(()));
        assert_eq!(times(60 - 5, 0), Err(Flaw::Expired));
        assert_eq!(times(61, now_s + 4), Ok(()));
        assert_eq!(times(61, now_s + 5), Ok(()));
        assert_eq!(times(61, now_s + 6), Err(Flaw::NotYet));
        assert_eq!(check_times(Seconds::from(f64::MAX), [None, None], u64::MAX), Err(Flaw::Expired));
        assert_eq!(check_times(Seconds::from(-1.0), [None, None], now_s), Err(Flaw::Expired));
    }

    #[test]
    fn the_first_cookie_of_a_name_is_read() {
        let header = r#"a=1; __session=x.y=; CF_Authorization="q.u.o"; __session=later"#;
        assert_eq!(read_cookie(header, "__session"), Some("x.y="));
        assert_eq!(read_cookie(header, "CF_Authorization"), Some("q.u.o"));
        assert_eq!(read_cookie(header, "session"), None);
        assert_eq!(read_cookie(&format!("a=1;{}", "x".repeat(MAX_COOKIES_BYTES)), "a"), None);
    }

    #[test]
    fn errors_repeat_nothing_of_a_token() {
        let token = FakeKey::One.sign(&json!({ "alg": "s3cret" }), &json!({ "sub": "s3cret" }));
        let error = JwtError::from(read_header(&token).unwrap_err());
        assert_eq!(error.to_string(), "JWT verification failed: malformed");
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod wasm_tests {
    use serde_json::{Map, Value, json};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::fake::FakeKey;
    use super::*;

    #[wasm_bindgen_test]
    fn signatures_are_verified() {
        let keys = |key: FakeKey| {
            jwks::Keys::parse(json!({ "keys": [key.jwk("k")] }).to_string().as_bytes()).unwrap()
        };
        let token = FakeKey::One.sign(&json!({ "alg": "RS256" }), &json!({ "sub": "user_1" }));
        let read = |key| read_claims::<Map<String, Value>>(&token, keys(key).choose(None).unwrap());
        assert_eq!(read(FakeKey::One).unwrap()["sub"], "user_1");
        assert_eq!(read(FakeKey::Two).unwrap_err(), Flaw::Signature);
    }
}
