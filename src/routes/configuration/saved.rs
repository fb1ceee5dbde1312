//! `/configuration/saved`: configurations that a person keeps. Nobody else sees them, and keys don't either.

use compiler::Configuration;
use limits::{Forbidden, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use worker::D1Database;

use super::shown;
use crate::admission::Admitted;
use crate::app::{App, iso_time};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;
use crate::store::saved_configurations::{self as store, Saved};

/// Configurations of one user.
const MAX_SAVED: u64 = 50;
/// Longest name and description, in characters.
const MAX_NAME: usize = 128;
const MAX_DESCRIPTION: usize = 512;
/// One configuration, in bytes of JSON. A row of D1 has at most 2 MB, and the rest of it is small.
/// <https://developers.cloudflare.com/d1/platform/limits/>
const MAX_SAVED_BYTES: u64 = 1_900_000;

/// `GET /configuration/saved`: what the caller keeps, without the configurations themselves, the newest first.
///
/// Fails: 401 nobody signed in; 403 a key; 503 D1 can't be asked.
pub async fn list_saved(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        id: &'a str,
        name: &'a str,
        description: Option<&'a str>,
        created_at: String,
        updated_at: String,
    }

    let owner = user(&admitted)?;
    let found = store::load_saved(&database(&app)?, owner).await.map_err(of_store)?;
    let configs = found.iter().map(|saved| Shown {
        id: &saved.id,
        name: &saved.name,
        description: saved.description.as_deref(),
        created_at: iso_time(limits::UnixMillis(saved.created_at)),
        updated_at: iso_time(limits::UnixMillis(saved.updated_at)),
    });
    let configs: Vec<Shown<'_>> = configs.collect();
    Reply::json(&json!({ "success": true, "total": configs.len(), "configs": configs }))
}

/// `POST /configuration/saved`: keeps a configuration.
///
/// Fails: 400 no JSON, malformed, a configuration that is not good, or 50 of them already; 401 and 403 as above;
/// 413 too large; 503 D1 can't be asked.
pub async fn save_configuration(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(expecting = "an object")]
    struct Sent {
        name: String,
        description: Option<String>,
        config: Option<Value>,
    }

    let owner = user(&admitted)?;
    let sent: Sent = body::read_json(&admitted.request, app.config.max_body_bytes).await?;
    let invalid = |issues: String| ApiError::Invalid { issues };
    check(&sent.name, sent.description.as_deref()).map_err(invalid)?;
    let config = sent
        .config
        .ok_or_else(|| invalid("/config: Request body must contain a \"config\" field".to_owned()))?;
    if let Err(issues) = Configuration::from_json(&config) {
        return Err(ApiError::ConfigurationInvalid { errors: shown(&issues) });
    }
    let text = config.to_string();
    if text.len() as u64 > MAX_SAVED_BYTES {
        return Err(ApiError::BodyTooLarge { size: text.len() as u64, limit: MAX_SAVED_BYTES });
    }
    let saved = Saved {
        id: Uuid::new_v4().to_string(),
        name: sent.name,
        description: sent.description,
        created_at: app.now.0,
        updated_at: app.now.0,
    };
    let is_kept = store::save_configuration(&database(&app)?, owner, &saved, &text, MAX_SAVED)
        .await
        .map_err(of_store)?;
    if !is_kept {
        let detail = format!("Maximum of {MAX_SAVED} saved configurations per user");
        return Err(ApiError::Unusable { code: "too_many_saved_configurations", detail });
    }
    Ok(Reply { status: 201, ..whole(&saved, &config)? })
}

/// `GET /configuration/saved/{id}`: a configuration of the caller's.
///
/// Fails: 401 and 403 as above; 404 there is none with this id; 503 D1 can't be asked.
pub async fn show_saved(app: App, admitted: Admitted) -> ApiResult {
    let owner = user(&admitted)?;
    let id = admitted.item.parse::<Uuid>().or(Err(not_saved()))?;
    let found = store::load_one_saved(&database(&app)?, owner, &id.to_string()).await.map_err(of_store)?;
    let (saved, text) = found.ok_or_else(not_saved)?;
    let config =
        serde_json::from_str(&text).map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    whole(&saved, &config)
}

fn whole(saved: &Saved, config: &Value) -> ApiResult {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Kept<'a> {
        success: bool,
        id: &'a str,
        name: &'a str,
        description: Option<&'a str>,
        config: &'a Value,
        created_at: String,
        updated_at: String,
    }

    Reply::json(&Kept {
        success: true,
        id: &saved.id,
        name: &saved.name,
        description: saved.description.as_deref(),
        config,
        created_at: iso_time(limits::UnixMillis(saved.created_at)),
        updated_at: iso_time(limits::UnixMillis(saved.updated_at)),
    })
}

/// `DELETE /configuration/saved/{id}`: keeps a configuration of the caller's no longer.
///
/// Fails: 401 and 403 as above; 404 there is none with this id; 503 D1 can't be asked.
pub async fn delete_saved(app: App, admitted: Admitted) -> ApiResult {
    let owner = user(&admitted)?;
    let id = admitted.item.parse::<Uuid>().or(Err(not_saved()))?;
    if !store::delete_saved(&database(&app)?, owner, &id.to_string()).await.map_err(of_store)? {
        return Err(not_saved());
    }
    Ok(Reply::empty(204))
}

/// What must be otherwise, the first of it: `/path: message`.
fn check(name: &str, description: Option<&str>) -> Result<(), String> {
    if !(1..=MAX_NAME).contains(&name.chars().count()) {
        return Err(format!("/name: must have 1 to {MAX_NAME} characters"));
    }
    if description.is_some_and(|description| description.chars().count() > MAX_DESCRIPTION) {
        return Err(format!("/description: must have at most {MAX_DESCRIPTION} characters"));
    }
    Ok(())
}

/// What is said of a configuration that is not there or somebody else's, and of an id that can't be one.
fn not_saved() -> ApiError {
    ApiError::Missing { detail: "Saved configuration not found" }
}

fn database(app: &App) -> Result<D1Database, ApiError> {
    app.d1().map_err(|error| ApiError::not_configured("Database not configured", error))
}

fn of_store(error: worker::Error) -> ApiError {
    ApiError::unavailable("The record of configurations", error)
}

/// Who asks. The route takes nobody but people.
fn user(admitted: &Admitted) -> Result<UserId, ApiError> {
    admitted.caller.user().ok_or(ApiError::Forbidden(Forbidden::Anonymous))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_1_to_128_characters_and_descriptions_at_most_512() {
        assert_eq!(check(&"é".repeat(128), Some(&"é".repeat(512))), Ok(()));
        assert_eq!(check("n", None), Ok(()));
        assert!(check("", None).is_err_and(|issue| issue.starts_with("/name: ")));
        assert!(check(&"n".repeat(129), None).is_err_and(|issue| issue.starts_with("/name: ")));
        let long = "d".repeat(513);
        assert!(check("n", Some(&long)).is_err_and(|issue| issue.starts_with("/description: ")));
    }
}
