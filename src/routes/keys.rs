//! `/keys`: the keys of whoever signed in. `/admin/auth/api-keys` makes and revokes them in the same way.
//!
//! PostgreSQL has the record. The owner's object, which judges requests, is told of every change before the change
//! is acknowledged.

use std::collections::BTreeSet;

use limits::{Forbidden, Scope, Tier, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;
use worker::Hyperdrive;

use crate::admission::Admitted;
use crate::api_key;
use crate::app::{App, iso_time, now};
use crate::auth::random::random_bytes;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::events::Event;
use crate::records;
use crate::reply::Reply;
use crate::store::keys::{self, ApiKey, NewKey};
use crate::store::postgres::StoreError;

/// Keys of one user that are neither revoked nor over.
const MAX_ACTIVE: u32 = 25;
/// Bound of a body of this API.
pub const MAX_BODY_BYTES: u64 = 4096;
/// Longest name, in characters.
const MAX_NAME: usize = 100;
/// A key's own limit per 60 seconds, unless its maker wants another, and the highest.
const RATE_LIMIT: u32 = 60;
const MAX_RATE_LIMIT: i64 = 100_000;
/// Longest life that can be asked for, in days.
const MAX_DAYS: i64 = 365;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// `POST /keys`: makes a key. Its text is in this answer and never again.
///
/// Fails: 400 malformed, or 25 keys already; 401 the user is gone; 503 the record can't be asked.
pub async fn create_key(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", expecting = "an object")]
    struct Wanted {
        name: String,
        scopes: Option<Vec<String>>,
        rate_limit_per_minute: Option<i64>,
        expires_in_days: Option<i64>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Created<'a> {
        success: bool,
        id: &'a str,
        key: &'a str,
        key_prefix: &'a str,
        name: &'a str,
        scopes: &'a [String],
        rate_limit_per_minute: u32,
        expires_at: Option<String>,
        created_at: String,
    }

    let owner = user(&admitted)?;
    let wanted: Wanted = body::read_json(&admitted.request, MAX_BODY_BYTES).await?;
    let days = wanted.expires_in_days.map(check_days).transpose();
    let terms = Terms::check(
        &wanted.name,
        wanted.scopes.as_deref(),
        wanted.rate_limit_per_minute,
        admitted.caller.rights.tier,
    );
    let (terms, days) = both(terms, days)?;
    let expires_at = days.map(|days| app.now.0 + days * DAY_MS);
    let made = make_key(&app, owner, &terms, expires_at).await?;
    // Whoever was deleted meanwhile is nobody.
    let (key, text) = made.ok_or(ApiError::Forbidden(Forbidden::Anonymous))?;
    admitted.record(&app, Event::ApiKeyCreated, owner);
    let created = Reply::json(&Created {
        success: true,
        id: &key.state.id,
        key: &text,
        key_prefix: &key.prefix,
        name: &key.name,
        scopes: &key.state.scopes,
        rate_limit_per_minute: key.state.rate_limit,
        expires_at: key.state.expires_at.map(iso),
        created_at: iso(key.created_at),
    })?;
    Ok(Reply { status: 201, ..created })
}

/// `GET /keys`: the newest first, revoked ones too.
pub async fn list_keys(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        id: &'a str,
        key_prefix: &'a str,
        name: &'a str,
        scopes: &'a [String],
        rate_limit_per_minute: u32,
        last_used_at: Option<String>,
        expires_at: Option<String>,
        revoked_at: Option<String>,
        created_at: String,
        updated_at: String,
        is_active: bool,
    }

    let owner = user(&admitted)?;
    let found = keys::load_keys(&database(&app)?, Some(owner)).await.map_err(of_store)?;
    let shown = found.iter().map(|key| Shown {
        id: &key.state.id,
        key_prefix: &key.prefix,
        name: &key.name,
        scopes: &key.state.scopes,
        rate_limit_per_minute: key.state.rate_limit,
        last_used_at: key.last_used_at.map(iso),
        expires_at: key.state.expires_at.map(iso),
        revoked_at: key.state.revoked_at.map(iso),
        created_at: iso(key.created_at),
        updated_at: iso(key.updated_at),
        is_active: key.is_active(app.now.0),
    });
    let shown: Vec<Shown<'_>> = shown.collect();
    Reply::json(&json!({ "success": true, "total": shown.len(), "keys": shown }))
}

/// `PATCH /keys/{id}`: another name or other scopes.
///
/// Fails: 400 malformed; 404 there is no such key, or it is revoked; 503 the record can't be asked.
pub async fn update_key(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(expecting = "an object")]
    struct Wanted {
        name: Option<String>,
        scopes: Option<Vec<String>>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Updated<'a> {
        success: bool,
        id: &'a str,
        key_prefix: &'a str,
        name: &'a str,
        scopes: &'a [String],
        rate_limit_per_minute: u32,
        last_used_at: Option<String>,
        expires_at: Option<String>,
        created_at: String,
        updated_at: String,
    }

    let (owner, id) = (user(&admitted)?, parse_id(&admitted.item)?);
    let wanted: Wanted = body::read_json(&admitted.request, MAX_BODY_BYTES).await?;
    let name = wanted.name.as_deref().map(check_name).transpose();
    let tier = admitted.caller.rights.tier;
    let scopes = wanted.scopes.as_deref().map(|scopes| check_scopes(scopes, tier)).transpose();
    let (name, scopes) = both(name, scopes)?;
    if name.is_none() && scopes.is_none() {
        let issues = "/: name or scopes must be given".to_owned();
        return Err(ApiError::Invalid { issues });
    }
    let database = database(&app)?;
    let read_at = now().0;
    let updated = keys::update_key(&database, owner, &id, name.as_deref(), scopes.as_deref()).await;
    let key = updated.map_err(of_store)?.ok_or_else(no_such_key)?;
    records::tell_of_key(&app, &key, read_at).await?.or(Err(no_such_key()))?;
    Reply::json(&Updated {
        success: true,
        id: &key.state.id,
        key_prefix: &key.prefix,
        name: &key.name,
        scopes: &key.state.scopes,
        rate_limit_per_minute: key.state.rate_limit,
        last_used_at: key.last_used_at.map(iso),
        expires_at: key.state.expires_at.map(iso),
        created_at: iso(key.created_at),
        updated_at: iso(key.updated_at),
    })
}

/// `DELETE /keys/{id}`: revokes a key. Requests that come after the answer are refused.
///
/// Fails: 404 there is no such key, or it is revoked already; 503 the record can't be asked.
pub async fn revoke_key(app: App, admitted: Admitted) -> ApiResult {
    let owner = revoke(&app, Some(user(&admitted)?), &parse_id(&admitted.item)?).await?;
    admitted.record(&app, Event::ApiKeyRevoked, owner);
    Reply::json(&json!({ "success": true, "message": "API key revoked" }))
}

/// What a key is to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Terms {
    name: String,
    scopes: Vec<String>,
    rate_limit: u32,
}

impl Terms {
    /// What may be asked for, for an owner of this tier. Without scopes it is `compile`.
    ///
    /// # Errors
    /// What must be otherwise, all of it.
    pub fn check(
        name: &str,
        scopes: Option<&[String]>,
        rate_limit: Option<i64>,
        tier: Tier,
    ) -> Result<Self, Issues> {
        let scopes =
            scopes.map_or_else(|| Ok(vec![Scope::Compile.name().to_owned()]), |it| check_scopes(it, tier));
        let rate_limit = rate_limit.map_or(Ok(RATE_LIMIT), check_rate_limit);
        let ((name, scopes), rate_limit) = both(both(check_name(name), scopes), rate_limit)?;
        Ok(Self { name, scopes, rate_limit })
    }
}

/// What of a body must be otherwise: `/path: message`, several joined by a comma.
#[derive(Debug, PartialEq, Eq)]
pub struct Issues(String);

impl From<Issues> for ApiError {
    fn from(Issues(issues): Issues) -> Self {
        Self::Invalid { issues }
    }
}

/// Both values, or all that is wrong with either.
pub fn both<A, B>(a: Result<A, Issues>, b: Result<B, Issues>) -> Result<(A, B), Issues> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) => Err(Issues(format!("{}, {}", a.0, b.0))),
        (Err(issues), Ok(_)) | (Ok(_), Err(issues)) => Err(issues),
    }
}

fn check_name(name: &str) -> Result<String, Issues> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Issues(format!("/name: must be 1 to {MAX_NAME} characters that can be shown")));
    }
    Ok(name.to_owned())
}

fn check_scopes(scopes: &[String], tier: Tier) -> Result<Vec<String>, Issues> {
    if scopes.is_empty() {
        return Err(Issues("/scopes: must name at least one".to_owned()));
    }
    let mut seen = BTreeSet::new();
    let issue = scopes.iter().enumerate().find_map(|(n, name)| match Scope::from_name(name) {
        None => {
            let known = Scope::ALL.map(Scope::name).join(", ");
            Some(format!("/scopes/{n}: must be one of {known}"))
        }
        Some(scope) if tier < scope.needs() => {
            let needs = scope.needs().display_name();
            Some(format!(
                "/scopes/{n}: {name} takes the tier {needs}, the owner's is {}",
                tier.display_name()
            ))
        }
        Some(_) => (!seen.insert(name)).then(|| format!("/scopes/{n}: is there twice")),
    });
    issue.map_or_else(|| Ok(scopes.to_vec()), |issue| Err(Issues(issue)))
}

fn check_rate_limit(wanted: i64) -> Result<u32, Issues> {
    let within = u32::try_from(wanted).ok().filter(|_| (1..=MAX_RATE_LIMIT).contains(&wanted));
    let must = || Issues(format!("/rateLimitPerMinute: must be a whole number from 1 to {MAX_RATE_LIMIT}"));
    within.ok_or_else(must)
}

fn check_days(wanted: i64) -> Result<u64, Issues> {
    let within = u64::try_from(wanted).ok().filter(|_| (1..=MAX_DAYS).contains(&wanted));
    within.ok_or_else(|| Issues(format!("/expiresInDays: must be a whole number from 1 to {MAX_DAYS}")))
}

/// Makes a key and tells the owner's object. Returns it with its text; none if the owner was deleted.
///
/// # Errors
/// If the owner has too many, or somebody can't be asked.
pub async fn make_key(
    app: &App,
    owner: UserId,
    terms: &Terms,
    expires_at: Option<u64>,
) -> Result<Option<(ApiKey, String)>, ApiError> {
    let secret =
        app.config.auth_key.as_ref().ok_or(ApiError::SecretMissing { variable: "BETTER_AUTH_SECRET" })?;
    let random = random_bytes().map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    let text = api_key::generate(Uuid::from_bytes(owner.0), random, secret);
    let new = NewKey {
        owner,
        hash: &api_key::hash(&text),
        prefix: api_key::prefix(&text),
        name: &terms.name,
        scopes: &terms.scopes,
        rate_limit: terms.rate_limit,
        expires_at,
    };
    let database = database(app)?;
    let read_at = now().0;
    let key = keys::create_key(&database, &new, MAX_ACTIVE).await.map_err(of_store)?;
    let key = key.ok_or_else(|| ApiError::Unusable {
        code: "too_many_keys",
        detail: format!("Maximum of {MAX_ACTIVE} active API keys per user"),
    })?;
    match records::tell_of_key(app, &key, read_at).await {
        Ok(Ok(())) => Ok(Some((key, text))),
        told => {
            // Nobody has its text, so it would only take up room.
            keys::delete_key(&database, &key.state.id).await.map_err(of_store)?;
            told.map(|_| None)
        }
    }
}

/// Revokes a key, of this owner if one is given, and tells the owner's object; that even if it was revoked already,
/// because whoever did it may have died before telling. Returns the owner.
///
/// # Errors
/// If there is no such key, or it was revoked already, or somebody can't be asked.
pub async fn revoke(app: &App, owner: Option<UserId>, id: &str) -> Result<UserId, ApiError> {
    let database = database(app)?;
    let read_at = now().0;
    let revoked = keys::revoke_key(&database, owner, id).await.map_err(of_store)?;
    let (key, is_news) = revoked.ok_or_else(no_such_key)?;
    // An owner who was deleted has no keys that are good.
    let _known = records::tell_of_key(app, &key, read_at).await?;
    if is_news { Ok(key.owner) } else { Err(no_such_key()) }
}

/// The id of a key, as the record writes it.
///
/// # Errors
/// Whatever is no UUID names no key.
pub fn parse_id(text: &str) -> Result<String, ApiError> {
    text.parse::<Uuid>().map(|id| id.to_string()).or(Err(no_such_key()))
}

/// The record of keys.
///
/// # Errors
/// If it is not bound.
pub fn database(app: &App) -> Result<Hyperdrive, ApiError> {
    app.postgres().map_err(|error| ApiError::not_configured("Database not configured", error))
}

/// The record of keys gave no answer.
pub fn of_store(error: StoreError) -> ApiError {
    ApiError::unavailable("The record of keys", error)
}

/// What is said of a key that is not there, is somebody else's, or is revoked: the same, so that nobody learns
/// which ids there are.
pub fn no_such_key() -> ApiError {
    ApiError::Missing { detail: "API key not found or already revoked" }
}

/// An instant as bodies have it.
pub fn iso(at: u64) -> String {
    iso_time(limits::UnixMillis(at))
}

/// Who asks. The route takes nobody but people.
fn user(admitted: &Admitted) -> Result<UserId, ApiError> {
    admitted.caller.user().ok_or(ApiError::Forbidden(Forbidden::Anonymous))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, scopes: &[&str], rate_limit: i64, tier: Tier) -> Result<Terms, Issues> {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Terms::check(name, Some(&scopes), Some(rate_limit), tier)
    }

    fn issues(name: &str, scopes: &[&str], rate_limit: i64) -> String {
        check(name, scopes, rate_limit, Tier::Free).unwrap_err().0
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let terms = Terms::check("  My key ", None, None, Tier::Free).unwrap();
        let expected =
            Terms { name: "My key".to_owned(), scopes: vec!["compile".to_owned()], rate_limit: 60 };
        assert_eq!(terms, expected);
    }

    #[test]
    fn names_have_1_to_100_characters() {
        for name in ["n", &"é".repeat(100), &format!(" {} ", "n".repeat(100))] {
            assert!(check(name, &["compile"], 1, Tier::Free).is_ok(), "{name}");
        }
        for name in ["", "  ", &"n".repeat(101), "a\0b", "a\nb"] {
            assert!(issues(name, &["compile"], 1).starts_with("/name: "), "{name}");
        }
    }

    #[test]
    fn scopes_are_known_different_and_within_the_tier() {
        assert!(check("n", &["rules", "compile"], 1, Tier::Free).is_ok());
        assert!(check("n", &["admin"], 1, Tier::Admin).is_ok());
        assert!(issues("n", &[], 1).starts_with("/scopes: "));
        assert!(
            issues("n", &["compile", "Compile"], 1).starts_with("/scopes/1: must be one of compile, rules")
        );
        assert!(issues("n", &["compile", "compile"], 1).starts_with("/scopes/1: is there twice"));
        assert_eq!(issues("n", &["admin"], 1), "/scopes/0: admin takes the tier Admin, the owner's is Free");
    }

    #[test]
    fn numbers_have_bounds() {
        for rate_limit in [1, 60, 100_000] {
            assert!(check("n", &["compile"], rate_limit, Tier::Free).is_ok());
        }
        for rate_limit in [i64::MIN, -1, 0, 100_001, i64::MAX] {
            assert!(issues("n", &["compile"], rate_limit).starts_with("/rateLimitPerMinute: "));
        }
        assert_eq!((check_days(1), check_days(365)), (Ok(1), Ok(365)));
        for days in [i64::MIN, -1, 0, 366, i64::MAX] {
            assert!(check_days(days).unwrap_err().0.starts_with("/expiresInDays: "));
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let all = issues("", &["x"], 0);
        assert_eq!(all.matches(": must be").count(), 3, "{all}");
    }

    #[test]
    fn what_is_no_uuid_names_no_key() {
        assert_eq!(
            parse_id("00112233-4455-4677-8899-AABBCCDDEEFF").unwrap(),
            "00112233-4455-4677-8899-aabbccddeeff"
        );
        for text in ["", "1", "00112233-4455-4677-8899-aabbccddeefg", "' OR true --"] {
            assert!(matches!(parse_id(text), Err(ApiError::Missing { .. })), "{text}");
        }
    }
}
