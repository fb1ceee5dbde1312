//! What pages ask about signing in that is none of Better Auth's own.

use serde_json::{Value, json};

use crate::admission::Admitted;
use crate::app::App;
use crate::auth::endpoints;
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;

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

/// `GET /auth/session`: the session that the request brings. 401 if there is none that lives.
pub async fn show_session(app: App, admitted: Admitted) -> ApiResult {
    let shown = endpoints::show_session(&app, &admitted.request, &admitted.request_id).await?;
    let mut shown = shown.ok_or_else(|| ApiError::CredentialRejected {
        code: "session_invalid",
        detail: "Session invalid or unauthorized".to_owned(),
    })?;
    if let Some(members) = shown.as_object_mut() {
        members.insert("success".to_owned(), Value::Bool(true));
    }
    Ok(Reply::json(&shown)?.with_header("Cache-Control", "no-store"))
}
