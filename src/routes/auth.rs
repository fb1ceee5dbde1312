//! What pages ask about signing in that is none of Better Auth's own.

use limits::UnixMillis;
use serde_json::{Value, json};

use crate::admission::{Admitted, Proof, clerk_claims};
use crate::app::{App, iso_time};
use crate::auth::endpoints;
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;
use crate::store::users;

/// `GET /api/auth/providers`: the ways to sign in. Nobody else vouches for users, and there is no second factor.
pub async fn show_providers(_app: App, _admitted: Admitted) -> ApiResult {
    Reply::json(&json!({
        "success": true,
        "emailPassword": true,
        "github": false,
        "google": false,
        "mfa": false,
    }))
}

/// `GET /auth/session`: the session that the request brings, of Better Auth or of Clerk. 401 if there is none that
/// lives.
pub async fn show_session(app: App, admitted: Admitted) -> ApiResult {
    let shown = match admitted.caller.proof {
        Proof::Clerk => show_clerk_session(&app, &admitted).await?,
        _ => endpoints::show_session(&app, &admitted.request, &admitted.request_id).await?,
    };
    let mut shown = shown.ok_or_else(|| ApiError::CredentialRejected {
        code: "session_invalid",
        detail: "Session invalid or unauthorized".to_owned(),
    })?;
    if let Some(members) = shown.as_object_mut() {
        members.insert("success".to_owned(), Value::Bool(true));
    }
    Ok(Reply::json(&shown)?.with_header("Cache-Control", "no-store"))
}

/// What a token of Clerk's, which was admitted, says of its session, and the record of its user.
async fn show_clerk_session(app: &App, admitted: &Admitted) -> Result<Option<Value>, ApiError> {
    let (Some(user), Some(claims)) = (admitted.caller.user(), clerk_claims(app, &admitted.request).await?)
    else {
        return Ok(None);
    };
    let found = users::load_user(&app.d1()?, user).await;
    let found = found.map_err(|error| ApiError::unavailable("The record of users", error))?;
    let seconds = |at: u64| iso_time(UnixMillis(at.saturating_mul(1000)));
    Ok(found.map(|found| {
        json!({
            "session": {
                "id": claims.sid,
                "userId": user.to_string(),
                "createdAt": seconds(claims.issued_at_s),
                "expiresAt": seconds(claims.expires_at_s),
            },
            "user": endpoints::shape::user(user, &found.profile),
        })
    }))
}
