//! Clerk's session tokens, and what a publishable key tells of an instance.
//! <https://clerk.com/docs/backend-requests/manual-jwt>

use std::cell::RefCell;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use limits::{Role, Tier};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{Flaw, JwtError, MAX_TOKEN_BYTES, Seconds, check_times, is_over, jwks, read_claims, read_header};
use crate::app::App;
use crate::config::{Clerk, Config};

/// The `cat` of tokens for machines. They prove no session.
const MACHINE_TOKEN: &str = "cl_B7d4PD333AAA";
/// Characters of a cookie's suffix.
const SUFFIX_LENGTH: usize = 8;
/// Verified tokens kept. About 300 bytes each, so at most some 3 MB of an isolate's 128.
const MAX_VERIFIED: usize = 10_000;

thread_local! {
    static VERIFIED: RefCell<Verified> = RefCell::default();
}

/// What a session token says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClerkClaims {
    /// Clerk's id of the user.
    pub sub: String,
    /// Clerk's id of the session.
    pub sid: Option<String>,
    /// The origin of the page that asked for the token.
    pub azp: Option<String>,
    /// When it was issued, in seconds since 1970.
    pub issued_at_s: u64,
    /// When it ends, in seconds since 1970.
    pub expires_at_s: u64,
    /// The tier, if the instance puts it into its tokens.
    pub tier: Option<Tier>,
    /// The role, likewise.
    pub role: Option<Role>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: Seconds,
    iat: Seconds,
    nbf: Option<Seconds>,
    sid: Option<String>,
    azp: Option<String>,
    sts: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Verifies a session token that a page of `origin` sent. A page may send what it asked Clerk for itself, or what
/// another page asked for that may call. Who sends no `Origin` is no page of another origin, so there is nothing to
/// compare: a server may use the token that a page has handed to it.
///
/// # Errors
/// [`JwtError`]. While Clerk is off no issuer is trusted.
pub async fn verify_clerk(app: &App, token: &str, origin: Option<&str>) -> Result<ClerkClaims, JwtError> {
    let clerk = app.config.clerk.as_ref().ok_or(Flaw::Issuer)?;
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Flaw::TooLong.into());
    }
    let now_s = app.now.0 / 1000;
    let hash: [u8; 32] = Sha256::digest(token).into();
    let known = VERIFIED.with_borrow(|verified| verified.find(&hash, now_s).cloned());
    let claims = match known {
        Some(claims) => claims,
        None => {
            let kid = read_session_header(token)?;
            let key = jwks::find_key(app, &clerk.jwks_url, kid.as_deref()).await?;
            let claims = judge(read_claims(token, &key)?, clerk, now_s)?;
            VERIFIED.with_borrow_mut(|verified| verified.keep(hash, claims.clone(), now_s));
            claims
        }
    };
    check_party(claims.azp.as_deref(), origin, &app.config.allowed_origins)?;
    Ok(claims)
}

/// The cookies that carry a session token, the surest first.
pub fn clerk_cookie_names(config: &Config) -> Vec<String> {
    let suffixed =
        config.clerk_publishable_key.as_deref().map(|key| format!("__session_{}", cookie_suffix(key)));
    suffixed.into_iter().chain(["__session".to_owned()]).collect()
}

/// The host of the frontend API that a publishable key names. None if it is no publishable key.
pub fn frontend_host(key: &str) -> Option<String> {
    let encoded = key.strip_prefix("pk_test_").or_else(|| key.strip_prefix("pk_live_"))?;
    let decoded = String::from_utf8(STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?).ok()?;
    let host = decoded.strip_suffix('$')?;
    let is_of_a_host = |sign: u8| sign.is_ascii_alphanumeric() || matches!(sign, b'.' | b'-' | b':');
    (host.contains('.') && host.bytes().all(is_of_a_host)).then(|| host.to_owned())
}

/// What tells the cookies of this instance from those of others on the same domain.
pub fn cookie_suffix(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha1::digest(key)).chars().take(SUFFIX_LENGTH).collect()
}

/// The `kid` of what may be a session token.
fn read_session_header(token: &str) -> Result<Option<String>, Flaw> {
    let header = read_header(token)?;
    if header.extras.inner().get("cat").is_some_and(|cat| cat == MACHINE_TOKEN) {
        return Err(Flaw::Type);
    }
    Ok(header.kid)
}

/// Whether claims that Clerk has signed hold here and now.
fn judge(claims: Claims, clerk: &Clerk, now_s: u64) -> Result<ClerkClaims, Flaw> {
    if !clerk.issuers.contains(&claims.iss) {
        return Err(Flaw::Issuer);
    }
    check_times(claims.exp, [Some(claims.iat), claims.nbf], now_s)?;
    if claims.sts.as_deref() == Some("pending") {
        return Err(Flaw::Pending);
    }
    if claims.sub.is_empty() {
        return Err(Flaw::Claims);
    }
    let role = |name: &str| match name {
        "user" => Some(Role::User),
        "admin" => Some(Role::Admin),
        _ => None,
    };
    // Whoever has a token has an account.
    let tier = |name: &str| Tier::from_name(name).filter(|tier| *tier != Tier::Anonymous);
    Ok(ClerkClaims {
        tier: find_custom(&claims.others, "tier", tier),
        role: find_custom(&claims.others, "role", role),
        sub: claims.sub,
        sid: claims.sid,
        azp: claims.azp,
        issued_at_s: claims.iat.0,
        expires_at_s: claims.exp.0,
    })
}

/// A claim that instances add under a name of their choice; these are the usual places. What a user can write
/// (`unsafe_metadata`) is none of them.
fn find_custom<T>(claims: &Map<String, Value>, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    let inner = ["metadata", "public_metadata"].map(|place| claims.get(place).and_then(Value::as_object));
    let places = [Some(claims)].into_iter().chain(inner).flatten();
    places.filter_map(|place| place.get(name)?.as_str()).find_map(parse)
}

fn check_party(azp: Option<&str>, origin: Option<&str>, allowed: &[String]) -> Result<(), Flaw> {
    match (azp, origin) {
        (Some(azp), Some(origin)) if azp != origin && !allowed.iter().any(|it| it == azp) => Err(Flaw::Party),
        _ => Ok(()),
    }
}

/// Tokens whose signature and claims were found good, by their SHA-256. Who sends one is judged at every use.
#[derive(Default)]
struct Verified(HashMap<[u8; 32], ClerkClaims>);

impl Verified {
    fn find(&self, hash: &[u8; 32], now_s: u64) -> Option<&ClerkClaims> {
        self.0.get(hash).filter(|claims| !is_over(claims.expires_at_s, now_s))
    }

    fn keep(&mut self, hash: [u8; 32], claims: ClerkClaims, now_s: u64) {
        if self.0.len() >= MAX_VERIFIED {
            self.0.retain(|_, claims| !is_over(claims.expires_at_s, now_s));
            // All of them live: forgetting them costs one verification each, and the bound is kept.
            if self.0.len() >= MAX_VERIFIED {
                self.0.clear();
            }
        }
        self.0.insert(hash, claims);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jwt::fake::{FakeKey, with};
    use crate::jwt::jwks::Keys;

    const NOW_S: u64 = 1_800_000_000;
    const ISSUER: &str = "https://tidy-otter-7.clerk.accounts.dev";

    fn header() -> Value {
        json!({ "alg": "RS256", "kid": "ins_1", "typ": "JWT", "cat": "cl_B7d4PD111AAA" })
    }

    fn claims() -> Value {
        json!({
            "iss": ISSUER, "sub": "user_1", "sid": "sess_1", "azp": "https://app.example", "iat": NOW_S,
            "nbf": NOW_S - 10, "exp": NOW_S + 60, "v": 2, "sts": "active", "fva": [0, -1], "pla": "u:free",
        })
    }

    /// The way of a token, without the fetch.
    fn verify(token: &str) -> Result<ClerkClaims, Flaw> {
        let clerk = Clerk { jwks_url: String::new(), issuers: vec![ISSUER.to_owned()] };
        let set = json!({ "keys": [FakeKey::One.jwk("ins_1")] }).to_string();
        let kid = read_session_header(token)?;
        let keys = Keys::parse(set.as_bytes()).unwrap();
        judge(read_claims(token, keys.choose(kid.as_deref())?)?, &clerk, NOW_S)
    }

    fn verify_with(claim_changes: Value) -> Result<ClerkClaims, Flaw> {
        verify(&FakeKey::One.sign(&header(), &with(claims(), claim_changes)))
    }

    #[test]
    fn a_session_token_tells_its_owner() {
        let expected = ClerkClaims {
            sub: "user_1".to_owned(),
            sid: Some("sess_1".to_owned()),
            azp: Some("https://app.example".to_owned()),
            issued_at_s: NOW_S,
            expires_at_s: NOW_S + 60,
            tier: None,
            role: None,
        };
        assert_eq!(verify_with(json!({})), Ok(expected));
        let least = verify_with(json!({ "nbf": null, "sid": null, "azp": null, "sts": null })).unwrap();
        assert_eq!((least.sid, least.azp), (None, None));
    }

    #[test]
    fn clocks_may_be_five_seconds_apart() {
        for (changes, expected) in [
            (json!({ "exp": NOW_S - 4 }), None),
            (json!({ "exp": NOW_S - 5 }), Some(Flaw::Expired)),
            (json!({ "nbf": NOW_S + 4 }), None),
            (json!({ "nbf": NOW_S + 7 }), Some(Flaw::NotYet)),
            (json!({ "iat": NOW_S + 4 }), None),
            (json!({ "iat": NOW_S + 7 }), Some(Flaw::NotYet)),
            (json!({ "exp": NOW_S as f64 + 0.5 }), None),
        ] {
            assert_eq!(verify_with(changes.clone()).err(), expected, "{changes}");
        }
    }

    #[test]
    fn claims_must_be_there_and_of_their_kind() {
        for changes in [
            json!({ "exp": null }),
            json!({ "sub": null }),
            json!({ "iss": null }),
            json!({ "iat": null }),
            json!({ "sub": "" }),
            json!({ "sub": 1 }),
            json!({ "exp": "never" }),
            json!({ "nbf": "now" }),
            json!({ "iss": [ISSUER] }),
            json!({ "azp": ["https://app.example"] }),
        ] {
            assert_eq!(verify_with(changes.clone()), Err(Flaw::Claims), "{changes}");
        }
        assert_eq!(verify(&FakeKey::One.sign(&header(), &json!(["sub"]))), Err(Flaw::Malformed));
    }

    #[test]
    fn the_issuer_is_compared_to_the_letter() {
        for issuer in [
            "https://evil.clerk.accounts.dev",
            "https://tidy-otter-7.clerk.accounts.dev/",
            "http://tidy-otter-7.clerk.accounts.dev",
            "https://tidy-otter-7.clerk.accounts.dev.evil.example",
            "",
        ] {
            assert_eq!(verify_with(json!({ "iss": issuer })), Err(Flaw::Issuer), "{issuer}");
        }
    }

    #[test]
    fn tokens_of_other_kinds_are_refused() {
        let headed = |changes| verify(&FakeKey::One.sign(&with(header(), changes), &claims())).err();
        assert_eq!(headed(json!({ "cat": MACHINE_TOKEN })), Some(Flaw::Type));
        assert_eq!(headed(json!({ "typ": "at+jwt" })), Some(Flaw::Type));
        assert_eq!(headed(json!({ "alg": "HS256" })), Some(Flaw::Algorithm));
        assert_eq!(headed(json!({ "alg": "none" })), Some(Flaw::Malformed));
        assert_eq!(headed(json!({ "kid": "ins_2" })), Some(Flaw::UnknownKey));
        assert_eq!(headed(json!({ "typ": null, "cat": null, "kid": null })), None);
        assert_eq!(verify_with(json!({ "sts": "pending" })), Err(Flaw::Pending));
    }

    #[test]
    fn nothing_can_be_changed_after_signing() {
        let token = FakeKey::One.sign(&header(), &claims());
        assert!(verify(&token).is_ok());
        let admin = with(claims(), json!({ "tier": "admin" }));
        let [other_claims, other_key] =
            [FakeKey::One.sign(&header(), &admin), FakeKey::Two.sign(&header(), &claims())];
        let part = |token: &str, n| token.split('.').nth(n).unwrap().to_owned();
        let swapped = [part(&token, 0), part(&other_claims, 1), part(&token, 2)].join(".");
        let unsigned = [part(&token, 0), part(&token, 1), String::new()].join(".");
        for text in [swapped, unsigned, other_key] {
            assert_eq!(verify(&text), Err(Flaw::Signature), "{text}");
        }
        let cut = token.get(..token.len() - 2).unwrap();
        assert_eq!(verify(cut), Err(Flaw::Signature));
    }

    /// A key that everybody has must not become a secret: HMAC with the modulus as its key is the classic trick.
    #[test]
    fn the_public_key_is_no_secret() {
        use hmac::{Hmac, Mac};

        let jwk = FakeKey::One.jwk("ins_1");
        let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
        let head = with(header(), json!({ "alg": "HS256" }));
        let message = [head, claims()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let mac = Hmac::<Sha256>::new_from_slice(&modulus).unwrap().chain_update(&message).finalize();
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()));
        assert_eq!(verify(&token), Err(Flaw::Algorithm));
    }

    #[test]
    fn tier_and_role_are_found_where_instances_put_them() {
        let found = |changes| verify_with(changes).map(|claims| (claims.tier, claims.role)).unwrap();
        let both = json!({ "tier": "pro", "role": "admin" });
        let expected = (Some(Tier::Pro), Some(Role::Admin));
        assert_eq!(found(both.clone()), expected);
        assert_eq!(found(json!({ "metadata": both })), expected);
        assert_eq!(found(json!({ "public_metadata": both })), expected);
        assert_eq!(found(json!({ "tier": "free", "metadata": both })), (Some(Tier::Free), Some(Role::Admin)));
        assert_eq!(found(json!({ "tier": "gold", "role": 1, "metadata": both })), expected);
        for changes in [
            json!({ "unsafe_metadata": both }),
            json!({ "tier": "anonymous", "role": "owner" }),
            json!({ "tier": "Pro", "metadata": ["pro"] }),
            json!({ "tier": ["admin"], "role": true, "public_metadata": "admin" }),
        ] {
            assert_eq!(found(changes.clone()), (None, None), "{changes}");
        }
    }

    #[test]
    fn a_page_may_send_its_own_tokens_and_those_of_listed_pages() {
        let allowed = ["https://listed.example".to_owned()];
        let check = |azp, origin| check_party(azp, origin, &allowed);
        let (own, listed, other) = ("https://own.example", "https://listed.example", "https://other.example");
        assert_eq!(check(Some(own), Some(own)), Ok(()));
        assert_eq!(check(Some(listed), Some(own)), Ok(()));
        assert_eq!(check(Some(other), Some(own)), Err(Flaw::Party));
        assert_eq!(check(Some(other), Some(listed)), Err(Flaw::Party));
        assert_eq!(check(Some(other), Some("null")), Err(Flaw::Party));
        assert_eq!(check(Some(other), None), Ok(()));
        assert_eq!(check(None, Some(own)), Ok(()));
        assert_eq!(check(None, None), Ok(()));
    }

    #[test]
    fn a_verified_token_is_known_until_it_ends() {
        let claims = verify_with(json!({})).unwrap();
        let mut verified = Verified::default();
        verified.keep([1; 32], claims.clone(), NOW_S);
        let ends_s = claims.expires_at_s;
        assert_eq!(verified.find(&[1; 32], ends_s + 4), Some(&claims));
        assert_eq!(verified.find(&[1; 32], ends_s + 5), None);
        assert_eq!(verified.find(&[2; 32], NOW_S), None);
    }

    #[test]
    fn there_are_never_more_verified_tokens_than_the_bound() {
        let claims = verify_with(json!({})).unwrap();
        let mut verified = Verified::default();
        for n in 0..2 * MAX_VERIFIED + 7 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_le_bytes());
            verified.keep(hash, claims.clone(), NOW_S);
            assert!(verified.0.len() <= MAX_VERIFIED);
            assert!(verified.find(&hash, NOW_S).is_some());
        }
        // Room is made of what has ended.
        while verified.0.len() < MAX_VERIFIED {
            let mut hash = [1; 32];
            hash[..8].copy_from_slice(&verified.0.len().to_le_bytes());
            verified.keep(hash, claims.clone(), NOW_S);
        }
        let fresh = ClerkClaims { expires_at_s: NOW_S + 999, ..claims };
        verified.keep([2; 32], fresh, NOW_S + 100);
        assert_eq!(verified.0.len(), 1);
    }

    #[test]
    fn a_publishable_key_names_a_host() {
        let host = |key| frontend_host(key);
        let otter = Some("tidy-otter-7.clerk.accounts.dev".to_owned());
        assert_eq!(host("pk_test_dGlkeS1vdHRlci03LmNsZXJrLmFjY291bnRzLmRldiQ="), otter);
        assert_eq!(host("pk_test_dGlkeS1vdHRlci03LmNsZXJrLmFjY291bnRzLmRldiQ"), otter);
        assert_eq!(host("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"), Some("clerk.example.com".to_owned()));
        let encoded = |text: &str| format!("pk_test_{}", STANDARD_NO_PAD.encode(text));
        for key in [
            "pk_test_fake",
            "pk_test_",
            "",
            "sk_test_Y2xlcmsuZXhhbXBsZS5jb20k",
            &encoded("clerk.example.com"),
            &encoded("clerk.example.com$$"),
            &encoded("clerk$.example.com$"),
            &encoded("localhost$"),
        ] {
            assert_eq!(host(key), None, "{key}");
        }
    }

    #[test]
    fn cookies_are_told_apart_by_a_suffix() {
        assert_eq!(cookie_suffix("pk_test_dGlkeS1vdHRlci03LmNsZXJrLmFjY291bnRzLmRldiQ="), "qfezwW-m");
        assert_eq!(cookie_suffix("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"), "naoXFJnI");
        let names = |key: Option<&str>| {
            let config =
                Config::parse(|name| key.filter(|_| name == "CLERK_PUBLISHABLE_KEY").map(str::to_owned));
            clerk_cookie_names(&config.unwrap())
        };
        assert_eq!(names(Some("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")), ["__session_naoXFJnI", "__session"]);
        assert_eq!(names(None), ["__session"]);
    }
}
