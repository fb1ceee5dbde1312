//! Who may use the admin API besides admins who signed in: whoever has the key in `ADMIN_KEY`.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::error::ApiError;
use crate::incoming::Incoming;
use crate::jwt::JwtError;
use crate::jwt::access::{AccessIdentity, access_token, verify_access};

/// The header field with the key.
const ADMIN_KEY: &str = "X-Admin-Key";

/// Whether a request brings a key, right or wrong.
///
/// # Errors
/// If the platform fails.
pub fn offers_admin_key(request: &Incoming) -> Result<bool, ApiError> {
    Ok(request.header(ADMIN_KEY)?.is_some())
}

/// Lets in who has the key.
///
/// # Errors
/// [`ApiError::SecretMissing`] if there is no key to compare with, [`ApiError::Unauthorized`] if it is another.
pub fn check_admin_key(app: &App, request: &Incoming) -> Result<(), ApiError> {
    let key = app.config.admin_key.as_ref().ok_or(ApiError::SecretMissing { variable: "ADMIN_KEY" })?;
    let offered = request.header(ADMIN_KEY)?.unwrap_or_default();
    // Hashes have one length, so the time tells nothing of the key's either.
    let (key, offered) = (Sha256::digest(key.reveal()), Sha256::digest(&offered));
    if bool::from(key.as_slice().ct_eq(offered.as_slice())) { Ok(()) } else { Err(ApiError::Unauthorized) }
}

/// Lets in what came through Cloudflare Access, where that is set up, and tells who it was.
///
/// # Errors
/// [`ApiError::AccessRejected`]; 503 if the keys of Access can't be had.
pub async fn check_access(app: &App, request: &Incoming) -> Result<Option<AccessIdentity>, ApiError> {
    if app.config.access.is_none() {
        return Ok(None);
    }
    let Some(token) = access_token(request)? else {
        let detail = "Missing CF-Access-JWT-Assertion header — request must pass through Cloudflare Access";
        return Err(ApiError::AccessRejected { detail: detail.to_owned() });
    };
    match verify_access(app, &token).await {
        Ok(identity) => Ok(Some(identity)),
        Err(JwtError::Invalid(flaw)) => {
            let text = flaw.to_string();
            let text = text.strip_prefix("JWT verification failed: ").unwrap_or(&text);
            Err(ApiError::AccessRejected { detail: format!("CF Access JWT verification failed: {text}") })
        }
        Err(error @ JwtError::Unavailable(_)) => {
            Err(ApiError::unavailable("The verification of tokens", error))
        }
    }
}

/// What whoever brings nothing is told.
pub fn refuse_anonymous(app: &App) -> ApiError {
    match app.config.admin_key {
        Some(_) => ApiError::Unauthorized,
        None => ApiError::SecretMissing { variable: "ADMIN_KEY" },
    }
}
