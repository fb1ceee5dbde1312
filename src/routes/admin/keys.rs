//! `/admin/auth/api-keys`: everybody's keys.

use limits::UserId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::limits::parse_expiry;
use crate::admission::Admitted;
use crate::api_key;
use crate::app::App;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::events::Event;
use crate::reply::Reply;
use crate::routes::keys::{
    MAX_BODY_BYTES, Terms, database, iso, make_key, no_such_key, of_store, parse_id, revoke,
};
use crate::store::keys::{self, ApiKey};
use crate::store::users::{self, User};

/// `POST /admin/auth/api-keys`: makes a key for a user. Its text is in this answer and never again.
///
/// Fails: 400 malformed, or the user has 25 already; 404 there is no such user; 503 a record can't be asked.
pub async fn create_key(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", expecting = "an object")]
    struct Wanted {
        user_id: String,
        name: String,
        scopes: Option<Vec<String>>,
        rate_limit_per_minute: Option<i64>,
        expires_at: Option<Value>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Created<'a> {
        success: bool,
        id: &'a str,
        api_key: &'a str,
        key: &'a str,
        key_prefix: &'a str,
        name: &'a str,
        scopes: &'a [String],
        message: &'static str,
    }

    let wanted: Wanted = body::read_json(&admitted.request, MAX_BODY_BYTES).await?;
    let expires_at = parse_expiry("expiresAt", wanted.expires_at.as_ref(), app.now)?;
    let no_uuid = |_| ApiError::Invalid { issues: "/userId: must be a UUID".to_owned() };
    let owner: UserId = wanted.user_id.parse().map_err(no_uuid)?;
    let no_such_user = || ApiError::Missing { detail: "User not found" };
    let user = load_user(&app, owner).await?.ok_or_else(no_such_user)?;
    let tier = limits::Tier::from_name(&user.profile.tier).unwrap_or(limits::Tier::Free);
    let terms = Terms::check(&wanted.name, wanted.scopes.as_deref(), wanted.rate_limit_per_minute, tier)?;
    let made = make_key(&app, owner, &terms, expires_at).await?;
    let (key, text) = made.ok_or_else(no_such_user)?;
    admitted.record(&app, Event::ApiKeyCreated, owner);
    let created = Reply::json(&Created {
        success: true,
        id: &key.state.id,
        api_key: &text,
        key: &text,
        key_prefix: &key.prefix,
        name: &key.name,
        scopes: &key.state.scopes,
        message: "Store this key now: it is not shown again",
    })?;
    Ok(Reply { status: 201, ..created })
}

/// `GET /admin/auth/api-keys`: the newest 1000, of one user if `userId` names one.
pub async fn list_keys(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        id: &'a str,
        user_id: String,
        name: &'a str,
        key_prefix: &'a str,
        scopes: &'a [String],
        rate_limit_per_minute: u32,
        created_at: String,
        expires_at: Option<String>,
        revoked_at: Option<String>,
        last_used_at: Option<String>,
        status: &'static str,
    }

    let url = admitted.request.url()?;
    let owner = url.query_pairs().find(|(name, _)| name == "userId").map(|(_, id)| id.parse::<UserId>());
    let owner = owner
        .transpose()
        .map_err(|error| ApiError::Unusable { code: "query_unusable", detail: format!("userId: {error}") })?;
    let found = keys::load_keys(&database(&app)?, owner).await.map_err(of_store)?;
    let shown = found.iter().map(|key| Shown {
        id: &key.state.id,
        user_id: key.owner.to_string(),
        name: &key.name,
        key_prefix: &key.prefix,
        scopes: &key.state.scopes,
        rate_limit_per_minute: key.state.rate_limit,
        created_at: iso(key.created_at),
        expires_at: key.state.expires_at.map(iso),
        revoked_at: key.state.revoked_at.map(iso),
        last_used_at: key.last_used_at.map(iso),
        status: status(key, app.now.0),
    });
    let shown: Vec<Shown<'_>> = shown.collect();
    Reply::json(&json!({ "success": true, "count": shown.len(), "total": shown.len(), "keys": shown }))
}

/// `POST /admin/auth/api-keys/revoke`: by `apiKeyId` (or `id`), or by a `keyPrefix` that no other key has.
///
/// Fails: 400 malformed, or several keys begin like that; 404 there is no such key, or it is revoked already; 503 the
/// record can't be asked.
pub async fn revoke_key(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", expecting = "an object")]
    struct Wanted {
        api_key_id: Option<String>,
        id: Option<String>,
        key_prefix: Option<String>,
    }

    let wanted: Wanted = body::read_json(&admitted.request, MAX_BODY_BYTES).await?;
    let id = match (wanted.api_key_id.or(wanted.id), wanted.key_prefix) {
        (Some(id), _) => parse_id(&id)?,
        (None, Some(prefix)) => find_by_prefix(&app, &prefix).await?,
        (None, None) => {
            let issues = "/: apiKeyId or keyPrefix must be given".to_owned();
            return Err(ApiError::Invalid { issues });
        }
    };
    let owner = revoke(&app, None, &id).await?;
    admitted.record(&app, Event::ApiKeyRevoked, owner);
    Reply::json(&json!({ "success": true, "revoked": true }))
}

/// `POST /admin/auth/api-keys/validate`: what the record says of a key.
pub async fn validate_key(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", expecting = "an object")]
    struct Wanted {
        api_key: String,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Validated<'a> {
        success: bool,
        valid: bool,
        key_prefix: &'a str,
        name: &'a str,
        scopes: &'a [String],
        user_email: Option<String>,
        status: &'static str,
    }

    let Wanted { api_key: text } = body::read_json(&admitted.request, MAX_BODY_BYTES).await?;
    let found = if api_key::is_api_key(&text) {
        keys::find_key(&database(&app)?, &api_key::hash(&text)).await.map_err(of_store)?
    } else {
        None
    };
    let Some(key) = found else {
        return Reply::json(&json!({ "success": true, "valid": false, "error": "Key not found" }));
    };
    let user = load_user(&app, key.owner).await?;
    Reply::json(&Validated {
        success: true,
        // Keys of nobody are refused, too.
        valid: user.is_some() && key.is_active(app.now.0),
        key_prefix: &key.prefix,
        name: &key.name,
        scopes: &key.state.scopes,
        user_email: user.and_then(|user| user.profile.email),
        status: status(&key, app.now.0),
    })
}

async fn find_by_prefix(app: &App, prefix: &str) -> Result<String, ApiError> {
    // The record can't hold this character, nor be asked for it.
    if prefix.contains('\0') {
        return Err(no_such_key());
    }
    let mut found = keys::find_keys_by_prefix(&database(app)?, prefix).await.map_err(of_store)?;
    match (found.pop(), found.is_empty()) {
        (Some(key), true) => Ok(key.state.id),
        (Some(_), false) => {
            let detail = "several keys begin like this; name one by apiKeyId".to_owned();
            Err(ApiError::Unusable { code: "key_prefix_ambiguous", detail })
        }
        (None, _) => Err(no_such_key()),
    }
}

async fn load_user(app: &App, id: UserId) -> Result<Option<User>, ApiError> {
    let found = users::load_user(&app.d1()?, id).await;
    found.map_err(|error| ApiError::unavailable("The record of users", error))
}

fn status(key: &ApiKey, now: u64) -> &'static str {
    match key.state.revoked_at {
        Some(_) => "revoked",
        None if key.is_active(now) => "active",
        None => "expired",
    }
}
