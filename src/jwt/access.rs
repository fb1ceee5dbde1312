//! Cloudflare Access: who passed it on the way here.
//! <https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/>
//!
//! Access checks passwords, devices and the secrets of services at the edge. What arrives here is its signed word.

use std::fmt;

use serde::Deserialize;

use super::{Flaw, JwtError, Seconds, check_times, jwks, read_claims, read_cookie, read_header};
use crate::app::App;
use crate::config::Access;
use crate::incoming::Incoming;

/// The header field that Access writes. A client's own is dropped there.
const HEADER: &str = "Cf-Access-Jwt-Assertion";
/// The cookie that a browser sends.
const COOKIE: &str = "CF_Authorization";

/// Who passed Access.
#[derive(Clone, PartialEq, Eq)]
pub enum AccessIdentity {
    /// A person, by e-mail address.
    Person(String),
    /// A service, by the client id of its token.
    Service(String),
}

impl AccessIdentity {
    /// The address or client id.
    pub fn name(&self) -> &str {
        match self {
            Self::Person(name) | Self::Service(name) => name,
        }
    }
}

/// Nothing prints an e-mail address.
impl fmt::Debug for AccessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person(_) => "Person",
            Self::Service(_) => "Service",
        })
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: Seconds,
    iat: Option<Seconds>,
    nbf: Option<Seconds>,
    r#type: Option<String>,
    email: Option<String>,
    common_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// The token that a request brings: the header field, or else the cookie.
///
/// # Errors
/// If the platform refuses the name of a field, which is a defect.
pub fn access_token(request: &Incoming) -> worker::Result<Option<String>> {
    if let Some(token) = request.header(HEADER)?.filter(|token| !token.is_empty()) {
        return Ok(Some(token));
    }
    let cookies = request.header("Cookie")?.unwrap_or_default();
    Ok(read_cookie(&cookies, COOKIE).filter(|token| !token.is_empty()).map(str::to_owned))
}

/// Verifies a token of Access.
///
/// # Errors
/// [`JwtError`]. While Access is not configured no issuer is trusted.
pub async fn verify_access(app: &App, token: &str) -> Result<AccessIdentity, JwtError> {
    let access = app.config.access.as_ref().ok_or(Flaw::Issuer)?;
    let header = read_header(token)?;
    let key = jwks::find_key(app, &access.certs_url, header.kid.as_deref()).await?;
    Ok(judge(read_claims(token, &key)?, access, app.now.0 / 1000)?)
}

/// Whether claims that Access has signed hold here and now.
fn judge(claims: Claims, access: &Access, now_s: u64) -> Result<AccessIdentity, Flaw> {
    if claims.iss != access.issuer {
        return Err(Flaw::Issuer);
    }
    let audience = match &claims.aud {
        Audience::One(one) => std::slice::from_ref(one),
        Audience::Several(several) => several,
    };
    if !audience.iter().any(|it| it == access.audience.reveal()) {
        return Err(Flaw::Audience);
    }
    // The session at the team's domain (`org`) proves nothing about this application.
    if claims.r#type.is_some_and(|kind| kind != "app") {
        return Err(Flaw::Type);
    }
    check_times(claims.exp, [claims.iat, claims.nbf], now_s)?;
    let present = |claim: Option<String>| claim.filter(|value| !value.is_empty());
    match (present(claims.email), present(claims.common_name), &access.client_id) {
        (Some(email), _, _) => Ok(AccessIdentity::Person(email)),
        (None, Some(name), Some(only)) if name != only.reveal() => Err(Flaw::Party),
        (None, Some(name), _) => Ok(AccessIdentity::Service(name)),
        (None, None, _) => Err(Flaw::Claims),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Secret;
    use crate::jwt::fake::{FakeKey, with};
    use crate::jwt::jwks::Keys;

    const NOW_S: u64 = 1_800_000_000;
    const AUDIENCE: &str = "fake-audience";

    fn person() -> Value {
        json!({
            "iss": "https://bloqr.cloudflareaccess.com", "aud": [AUDIENCE], "type": "app", "iat": NOW_S,
            "nbf": NOW_S, "exp": NOW_S + 60, "email": "ann@example.com", "sub": "7335d417", "country": "US",
        })
    }

    fn service() -> Value {
        let changes = json!({ "email": null, "nbf": null, "sub": "", "common_name": "fake.access" });
        with(person(), changes)
    }

    /// The way of a token, without the fetch.
    fn verify_by(key: FakeKey, claims: &Value, client_id: Option<&str>) -> Result<AccessIdentity, Flaw> {
        let access = Access {
            issuer: "https://bloqr.cloudflareaccess.com".to_owned(),
            certs_url: String::new(),
            audience: Secret::from(AUDIENCE),
            client_id: client_id.map(Secret::from),
        };
        let token = key.sign(&json!({ "alg": "RS256", "kid": "a", "typ": "JWT" }), claims);
        let set = json!({ "keys": [FakeKey::One.jwk("a"), FakeKey::Two.jwk("b")], "public_certs": [] });
        let keys = Keys::parse(set.to_string().as_bytes()).unwrap();
        let kid = read_header(&token)?.kid;
        judge(read_claims(&token, keys.choose(kid.as_deref())?)?, &access, NOW_S)
    }

    fn verify(claims: &Value) -> Result<AccessIdentity, Flaw> {
        verify_by(FakeKey::One, claims, None)
    }

    #[test]
    fn people_are_known_by_their_address() {
        let ann = AccessIdentity::Person("ann@example.com".to_owned());
        assert_eq!(verify(&person()), Ok(ann.clone()));
        for changes in
            [json!({ "nbf": null, "iat": null, "type": null, "sub": "" }), json!({ "aud": AUDIENCE })]
        {
            assert_eq!(verify(&with(person(), changes.clone())), Ok(ann.clone()), "{changes}");
        }
        assert_eq!(verify(&with(person(), json!({ "aud": ["another", AUDIENCE] }))), Ok(ann.clone()));
        assert_eq!(format!("{ann:?}"), "Person");
    }

    #[test]
    fn services_are_known_by_their_client_id() {
        let fake = Ok(AccessIdentity::Service("fake.access".to_owned()));
        assert_eq!(verify(&service()), fake);
        assert_eq!(verify(&with(service(), json!({ "email": "" }))), fake);
        assert_eq!(verify_by(FakeKey::One, &service(), Some("fake.access")), fake);
        assert_eq!(verify_by(FakeKey::One, &service(), Some("other.access")), Err(Flaw::Party));
        // People are not services.
        assert!(verify_by(FakeKey::One, &person(), Some("other.access")).is_ok());
    }

    #[test]
    fn whatever_is_not_for_this_application_is_refused() {
        for (changes, flaw) in [
            (json!({ "iss": "https://evil.cloudflareaccess.com" }), Flaw::Issuer),
            (json!({ "iss": "https://bloqr.cloudflareaccess.com/" }), Flaw::Issuer),
            (json!({ "iss": null }), Flaw::Claims),
            (json!({ "aud": ["another"] }), Flaw::Audience),
            (json!({ "aud": [] }), Flaw::Audience),
            (json!({ "aud": null }), Flaw::Claims),
            (json!({ "aud": [1] }), Flaw::Claims),
            (json!({ "type": "org" }), Flaw::Type),
            (json!({ "exp": null }), Flaw::Claims),
            (json!({ "exp": NOW_S - 5 }), Flaw::Expired),
            (json!({ "nbf": NOW_S + 6 }), Flaw::NotYet),
            (json!({ "email": null }), Flaw::Claims),
        ] {
            assert_eq!(verify(&with(person(), changes.clone())), Err(flaw), "{changes}");
        }
        assert!(verify(&with(person(), json!({ "exp": NOW_S - 4 }))).is_ok());
        assert_eq!(verify_by(FakeKey::Two, &person(), None), Err(Flaw::Signature));
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod wasm_tests {
    use wasm_bindgen_test::wasm_bindgen_test;
    use worker::web_sys;

    use super::*;

    fn token_of(fields: &[(&str, &str)]) -> Option<String> {
        let (init, headers) = (web_sys::RequestInit::new(), web_sys::Headers::new().unwrap());
        fields.iter().for_each(|(name, value)| headers.set(name, value).unwrap());
        init.set_headers(&headers);
        let raw = web_sys::Request::new_with_str_and_init("http://example/", &init).unwrap();
        access_token(&Incoming::from(raw)).unwrap()
    }

    #[wasm_bindgen_test]
    fn the_header_wins_over_the_cookie() {
        let (header, cookie) =
            (("CF-Access-JWT-Assertion", "h.h.h"), ("Cookie", "a=b; CF_Authorization=c.c.c"));
        assert_eq!(token_of(&[header, cookie]).as_deref(), Some("h.h.h"));
        assert_eq!(token_of(&[cookie]).as_deref(), Some("c.c.c"));
        assert_eq!(token_of(&[("Cookie", "a=b")]), None);
    }
}
