//! `/rules`: sets of rules that a user keeps. Nobody else sees them.

use compiler::rule::MAX_RULE_BYTES;
use limits::{Forbidden, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;
use worker::D1Database;

use crate::admission::Admitted;
use crate::app::{App, iso_time};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;
use crate::store::rule_sets::{self, RuleSet, Summary, Written};

/// Sets of one user.
const MAX_SETS: u64 = 100;
/// Longest name and description, in characters.
const MAX_NAME: usize = 128;
const MAX_DESCRIPTION: usize = 512;
/// Rules of one set.
const MAX_RULES: usize = 10_000;
/// Tags of one set, and the longest, in characters.
const MAX_TAGS: usize = 20;
const MAX_TAG: usize = 64;
/// The rules of one set, in bytes of JSON. A row of D1 has at most 2 MB, and the rest of it is small.
/// <https://developers.cloudflare.com/d1/platform/limits/>
const MAX_JSON_BYTES: usize = 1_900_000;

/// What is sent: all of it is needed for a new set but `description` and `tags`, and nothing for a change.
#[derive(Default, Deserialize)]
#[serde(expecting = "an object")]
struct Sent {
    name: Option<String>,
    description: Option<String>,
    rules: Option<Vec<String>>,
    tags: Option<Vec<String>>,
}

/// A set as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<&'a [String]>,
    rule_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a [String]>,
    created_at: String,
    updated_at: String,
}

impl<'a> Shown<'a> {
    fn new(summary: &'a Summary, rules: Option<&'a [String]>) -> Self {
        Self {
            id: &summary.id,
            name: &summary.name,
            description: summary.description.as_deref(),
            rules,
            rule_count: summary.n_rules,
            tags: summary.tags.as_deref(),
            created_at: iso_time(limits::UnixMillis(summary.created_at)),
            updated_at: iso_time(limits::UnixMillis(summary.updated_at)),
        }
    }
}

/// One set as an answer.
fn answer(set: &RuleSet) -> ApiResult {
    #[derive(Serialize)]
    struct Found<'a> {
        success: bool,
        data: Shown<'a>,
    }

    Reply::json(&Found { success: true, data: Shown::new(&set.summary, Some(&set.rules)) })
}

/// `GET /rules`: the caller's sets without their rules, the newest first.
///
/// Fails: 401 nobody signed in; 403 a key without the scope; 503 D1 can't be asked.
pub async fn list_rule_sets(app: App, admitted: Admitted) -> ApiResult {
    let owner = user(&admitted)?;
    let found = rule_sets::load_rule_sets(&database(&app)?, owner).await.map_err(of_store)?;
    let items: Vec<Shown<'_>> = found.iter().map(|summary| Shown::new(summary, None)).collect();
    Reply::json(&json!({ "success": true, "total": items.len(), "items": items }))
}

/// `POST /rules`: keeps a set.
///
/// Fails: 400 no JSON, or 100 sets already; 401 and 403 as above; 422 malformed; 503 D1 can't be asked.
pub async fn create_rule_set(app: App, admitted: Admitted) -> ApiResult {
    let owner = user(&admitted)?;
    let sent: Sent = body::read_or_unprocessable(&admitted.request, app.config.max_body_bytes).await?;
    check(&sent).map_err(unprocessable)?;
    let texts = Texts::of(&sent)?;
    let Some(name) = sent.name.as_ref() else {
        return Err(unprocessable("/name: must be given".to_owned()));
    };
    let Some(rules) = sent.rules.as_ref() else {
        return Err(unprocessable("/rules: must be given".to_owned()));
    };
    let (id, now) = (Uuid::new_v4().to_string(), app.now.0);
    let is_kept =
        rule_sets::create_rule_set(&database(&app)?, owner, &id, &written(&sent, &texts), now, MAX_SETS)
            .await
            .map_err(of_store)?;
    if !is_kept {
        let detail = format!("Maximum of {MAX_SETS} rule sets per user");
        return Err(ApiError::Unusable { code: "too_many_rule_sets", detail });
    }
    let summary = Summary {
        id,
        name: name.clone(),
        description: sent.description.clone(),
        n_rules: rules.len() as u64,
        tags: sent.tags.clone(),
        created_at: now,
        updated_at: now,
    };
    let created = answer(&RuleSet { summary, rules: sent.rules.unwrap_or_default() })?;
    Ok(Reply { status: 201, ..created })
}

/// `GET /rules/{id}`: a set of the caller's.
///
/// Fails: 401 and 403 as above; 404 there is no such set; 503 D1 can't be asked.
pub async fn show_rule_set(app: App, admitted: Admitted) -> ApiResult {
    let (owner, id) = (user(&admitted)?, parse_id(&admitted.item)?);
    let found = rule_sets::load_rule_set(&database(&app)?, owner, &id).await.map_err(of_store)?;
    answer(&found.ok_or_else(no_such_set)?)
}

/// `PUT /rules/{id}`: changes what is sent of a set of the caller's, and leaves the rest.
///
/// Fails: 400 no JSON; 401 and 403 as above; 404 there is no such set; 422 malformed; 503 D1 can't be asked.
pub async fn update_rule_set(app: App, admitted: Admitted) -> ApiResult {
    let (owner, id) = (user(&admitted)?, parse_id(&admitted.item)?);
    let sent: Sent = body::read_or_unprocessable(&admitted.request, app.config.max_body_bytes).await?;
    check(&sent).map_err(unprocessable)?;
    let texts = Texts::of(&sent)?;
    let updated =
        rule_sets::update_rule_set(&database(&app)?, owner, &id, &written(&sent, &texts), app.now.0)
            .await
            .map_err(of_store)?;
    answer(&updated.ok_or_else(no_such_set)?)
}

/// `DELETE /rules/{id}`: deletes a set of the caller's.
///
/// Fails: 401 and 403 as above; 404 there is no such set; 503 D1 can't be asked.
pub async fn delete_rule_set(app: App, admitted: Admitted) -> ApiResult {
    let (owner, id) = (user(&admitted)?, parse_id(&admitted.item)?);
    if !rule_sets::delete_rule_set(&database(&app)?, owner, &id).await.map_err(of_store)? {
        return Err(no_such_set());
    }
    Reply::json(&json!({ "success": true, "message": format!("Rule set '{id}' deleted") }))
}

/// What must be otherwise, the first of it: `/path: message`.
fn check(sent: &Sent) -> Result<(), String> {
    if let Some(name) = &sent.name
        && !(1..=MAX_NAME).contains(&name.chars().count())
    {
        return Err(format!("/name: must have 1 to {MAX_NAME} characters"));
    }
    if let Some(description) = &sent.description
        && description.chars().count() > MAX_DESCRIPTION
    {
        return Err(format!("/description: must have at most {MAX_DESCRIPTION} characters"));
    }
    if let Some(rules) = &sent.rules {
        if !(1..=MAX_RULES).contains(&rules.len()) {
            return Err(format!("/rules: must have 1 to {MAX_RULES} rules"));
        }
        if let Some(n) = rules.iter().position(|rule| rule.len() > MAX_RULE_BYTES) {
            return Err(format!("/rules/{n}: must have at most {MAX_RULE_BYTES} bytes"));
        }
    }
    if let Some(tags) = &sent.tags {
        if tags.len() > MAX_TAGS {
            return Err(format!("/tags: must have at most {MAX_TAGS} tags"));
        }
        if let Some(n) = tags.iter().position(|tag| tag.chars().count() > MAX_TAG) {
            return Err(format!("/tags/{n}: must have at most {MAX_TAG} characters"));
        }
    }
    Ok(())
}

/// Rules and tags as the record has them: JSON arrays.
struct Texts {
    rules: Option<String>,
    tags: Option<String>,
}

impl Texts {
    fn of(sent: &Sent) -> Result<Self, ApiError> {
        let text = |texts: &Option<Vec<String>>| {
            let text = texts.as_ref().map(serde_json::to_string).transpose();
            text.map_err(|error| ApiError::Internal { cause: error.to_string() })
        };
        let texts = Self { rules: text(&sent.rules)?, tags: text(&sent.tags)? };
        if texts.rules.as_ref().is_some_and(|rules| rules.len() > MAX_JSON_BYTES) {
            return Err(unprocessable(format!("/rules: must have at most {MAX_JSON_BYTES} bytes of JSON")));
        }
        Ok(texts)
    }
}

fn written<'a>(sent: &'a Sent, texts: &'a Texts) -> Written<'a> {
    let n_rules = sent.rules.as_ref().map_or(0, Vec::len) as u64;
    Written {
        name: sent.name.as_deref(),
        description: sent.description.as_deref(),
        rules: texts.rules.as_deref().map(|rules| (rules, n_rules)),
        tags: texts.tags.as_deref(),
    }
}

fn unprocessable(detail: String) -> ApiError {
    ApiError::Unprocessable { detail }
}

/// The id of a set, as the record writes it. Whatever is no UUID names no set.
fn parse_id(text: &str) -> Result<String, ApiError> {
    text.parse::<Uuid>().map(|id| id.to_string()).or(Err(no_such_set()))
}

/// What is said of a set that is not there or somebody else's: the same, so that nobody learns which ids there are.
fn no_such_set() -> ApiError {
    ApiError::Missing { detail: "Rule set not found" }
}

fn database(app: &App) -> Result<D1Database, ApiError> {
    app.d1().map_err(|error| ApiError::not_configured("Database not configured", error))
}

fn of_store(error: worker::Error) -> ApiError {
    ApiError::unavailable("The record of rule sets", error)
}

/// Who asks. The route takes nobody without an account.
fn user(admitted: &Admitted) -> Result<UserId, ApiError> {
    admitted.caller.user().ok_or(ApiError::Forbidden(Forbidden::Anonymous))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(sent: Sent) -> String {
        check(&sent).unwrap_err()
    }

    #[test]
    fn names_have_1_to_128_characters_and_descriptions_at_most_512() {
        let named = |name: &str, description: &str| Sent {
            name: Some(name.to_owned()),
            description: Some(description.to_owned()),
            ..Sent::default()
        };
        for (name, description) in [("n", ""), (&*"é".repeat(128), &*"é".repeat(512))] {
            assert_eq!(check(&named(name, description)), Ok(()));
        }
        for name in ["", &"n".repeat(129)] {
            assert_eq!(issue(named(name, "")), "/name: must have 1 to 128 characters");
        }
        assert_eq!(issue(named("n", &"d".repeat(513))), "/description: must have at most 512 characters");
    }

    #[test]
    fn rules_are_bounded_in_number_and_length() {
        let with = |rules: Vec<String>| Sent { rules: Some(rules), ..Sent::default() };
        assert_eq!(check(&with(vec![String::new(); 10_000])), Ok(()));
        assert_eq!(check(&with(vec!["a".repeat(65_536)])), Ok(()));
        for n in [0, 10_001] {
            assert_eq!(issue(with(vec![String::new(); n])), "/rules: must have 1 to 10000 rules");
        }
        let long = with(vec!["a".to_owned(), "a".repeat(65_537)]);
        assert_eq!(issue(long), "/rules/1: must have at most 65536 bytes");
    }

    #[test]
    fn a_row_of_the_database_has_room_for_the_rules() {
        let with = |n: usize| Sent { rules: Some(vec!["a".repeat(60_000); n]), ..Sent::default() };
        assert!(Texts::of(&with(31)).is_ok());
        assert!(matches!(Texts::of(&with(32)), Err(ApiError::Unprocessable { .. })));
    }

    #[test]
    fn tags_are_bounded_in_number_and_length() {
        let with = |tags: Vec<String>| Sent { tags: Some(tags), ..Sent::default() };
        assert_eq!(check(&with(vec!["é".repeat(64); 20])), Ok(()));
        assert_eq!(check(&with(Vec::new())), Ok(()));
        assert_eq!(issue(with(vec![String::new(); 21])), "/tags: must have at most 20 tags");
        assert_eq!(issue(with(vec!["t".repeat(65)])), "/tags/0: must have at most 64 characters");
    }

    #[test]
    fn what_is_no_uuid_names_no_set() {
        assert!(parse_id("00000000-0000-4000-8000-00000000000A").is_ok_and(|id| id.ends_with("00a")));
        assert!(matches!(parse_id("nonsense"), Err(ApiError::Missing { .. })));
    }
}
