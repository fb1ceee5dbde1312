//! What a request brings to prove who sends it, in the order in which it is tried: an API key, a session, a token of
//! Clerk's. Signatures and checksums are judged here; everything that takes state comes later.

use limits::UserId;

use crate::app::App;
use crate::auth::bearer::{Bearer, parse_bearer};
use crate::auth::cookies::{Cookies, Name};
use crate::auth::token::SessionToken;
use crate::error::ApiError;
use crate::incoming::Incoming;
use crate::jwt::clerk::clerk_cookie_names;
use crate::jwt::read_cookie;

/// What the names of all cookies with tokens of Clerk's begin with.
const CLERK_COOKIE: &str = "__session";

/// Something that may prove who sends a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// An API key: nothing else is tried besides it.
    Key(String),
    /// Something that is meant to be an API key and can't be one.
    MalformedKey,
    /// A session of this user, by its key. Its signature was right.
    Session {
        /// Whose.
        user: UserId,
        /// The session's key.
        key: String,
    },
    /// A token that Clerk may have issued.
    Clerk {
        /// The token.
        token: String,
        /// Whether it came as a bearer token. A cookie comes along unasked, so a stale one is no error.
        is_bearer: bool,
    },
}

/// Everything that a request brings and that is worth asking about.
///
/// # Errors
/// [`ApiError::SecretMissing`] if it brings something that can't be judged without the secret.
pub fn read_credentials(app: &App, request: &Incoming) -> Result<Vec<Credential>, ApiError> {
    let authorization = request.header("Authorization")?;
    let cookies = request.header("Cookie")?;
    if authorization.is_none() && cookies.is_none() {
        return Ok(Vec::new());
    }
    let Some(auth_key) = &app.config.auth_key else {
        return Err(ApiError::SecretMissing { variable: "BETTER_AUTH_SECRET" });
    };
    let mut found = Vec::new();
    let bearer = parse_bearer(authorization.as_deref(), auth_key);
    let session = match &bearer {
        Bearer::ApiKey(key) => return Ok(vec![Credential::Key(key.clone())]),
        Bearer::MalformedKey => return Ok(vec![Credential::MalformedKey]),
        Bearer::Session(token) => SessionToken::parse(token, auth_key),
        Bearer::Jwt(_) | Bearer::Nothing => {
            let base_url = app.config.base_url(request.origin());
            let token = Cookies::new(auth_key, &base_url).read(cookies.as_deref(), Name::SessionToken);
            token.and_then(|token| SessionToken::parse(&token, auth_key))
        }
    };
    if let Some(token) = session {
        found.push(Credential::Session { user: UserId(token.user.into_bytes()), key: token.key_text() });
    }
    if app.config.clerk.is_none() {
        return Ok(found);
    }
    if let Bearer::Jwt(token) = bearer {
        found.push(Credential::Clerk { token, is_bearer: true });
    } else if let Some(cookies) = cookies.filter(|cookies| cookies.contains(CLERK_COOKIE)) {
        let names = clerk_cookie_names(&app.config);
        let token =
            names.iter().find_map(|name| read_cookie(&cookies, name).filter(|token| !token.is_empty()));
        found.extend(token.map(|token| Credential::Clerk { token: token.to_owned(), is_bearer: false }));
    }
    Ok(found)
}
