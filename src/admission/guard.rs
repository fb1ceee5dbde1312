//! Who may use the admin API besides admins who signed in: whoever has the key in `ADMIN_KEY`.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::error::ApiError;
use crate::incoming::Incoming;

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

/// What whoever brings nothing is told.
pub fn refuse_anonymous(app: &App) -> ApiError {
    match app.config.admin_key {
        Some(_) => ApiError::Unauthorized,
        None => ApiError::SecretMissing { variable: "ADMIN_KEY" },
    }
}
