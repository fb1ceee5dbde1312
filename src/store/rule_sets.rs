//! D1: sets of rules, each of one user. Whatever names a set also names its user, so nobody reaches another's.

use limits::UserId;
use serde::Deserialize;
use serde_json::Value;
use worker::wasm_bindgen::JsValue;
use worker::{D1Database, Result};

use super::users::{number, text};

/// A set of rules without its rules.
#[derive(Debug)]
pub struct Summary {
    /// A UUID.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// What the user says of it.
    pub description: Option<String>,
    /// How many rules it has.
    pub n_rules: u64,
    /// What the user finds it by.
    pub tags: Option<Vec<String>>,
    /// In milliseconds since 1970.
    pub created_at: u64,
    /// In milliseconds since 1970.
    pub updated_at: u64,
}

/// A set of rules.
#[derive(Debug)]
pub struct RuleSet {
    /// Everything else.
    pub summary: Summary,
    /// The rules.
    pub rules: Vec<String>,
}

/// What is written of a set; what is none keeps its value, or has none yet.
#[derive(Debug)]
pub struct Written<'a> {
    /// What the user calls it.
    pub name: Option<&'a str>,
    /// What the user says of it.
    pub description: Option<&'a str>,
    /// The rules as a JSON array, and their number.
    pub rules: Option<(&'a str, u64)>,
    /// The tags as a JSON array.
    pub tags: Option<&'a str>,
}

impl Written<'_> {
    /// In the order of the statements: name, description, number of rules, tags, rules.
    fn values(&self) -> [JsValue; 5] {
        [
            text(self.name),
            text(self.description),
            self.rules.map_or(JsValue::NULL, |(_, n_rules)| number(n_rules)),
            text(self.tags),
            text(self.rules.map(|(rules, _)| rules)),
        ]
    }
}

/// The columns of a [`SummaryRow`].
const SUMMARY_COLUMNS: &str = "id, name, description, n_rules, tags, created_at, updated_at";

#[derive(Deserialize)]
struct SummaryRow {
    id: String,
    name: String,
    description: Option<String>,
    n_rules: u64,
    tags: Option<String>,
    created_at: u64,
    updated_at: u64,
}

impl SummaryRow {
    fn read(self) -> Result<Summary> {
        Ok(Summary {
            id: self.id,
            name: self.name,
            description: self.description,
            n_rules: self.n_rules,
            tags: self.tags.as_deref().map(serde_json::from_str).transpose()?,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

#[derive(Deserialize)]
struct RuleSetRow {
    #[serde(flatten)]
    summary: SummaryRow,
    rules: String,
}

impl RuleSetRow {
    fn read(self) -> Result<RuleSet> {
        Ok(RuleSet { rules: serde_json::from_str(&self.rules)?, summary: self.summary.read()? })
    }
}

/// Keeps a new set, unless its user has `most` already or was deleted meanwhile. Returns whether it did.
///
/// # Errors
/// If D1 can't be asked.
pub async fn create_rule_set(
    database: &D1Database,
    owner: UserId,
    id: &str,
    new: &Written<'_>,
    now: u64,
    most: u64,
) -> Result<bool> {
    let [name, description, n_rules, tags, rules] = new.values();
    // One statement counts and writes, so that of many at once no more are kept.
    let insert = database
        .prepare(
            "INSERT INTO rule_set (id, user_id, name, description, n_rules, tags, created_at, updated_at, rules) \
             SELECT ?1, users.id, ?3, ?4, ?5, ?6, ?7, ?7, ?8 FROM users \
             WHERE users.id = ?2 AND (SELECT count(*) FROM rule_set WHERE user_id = ?2) < ?9 RETURNING id",
        )
        .bind(&[
            id.into(),
            owner.to_string().into(),
            name,
            description,
            n_rules,
            tags,
            number(now),
            rules,
            number(most),
        ])?;
    Ok(insert.first::<Value>(None).await?.is_some())
}

/// The sets of a user, the newest first.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_rule_sets(database: &D1Database, owner: UserId) -> Result<Vec<Summary>> {
    // Of those made within one millisecond, the row ids tell the order.
    let query = database
        .prepare(format!(
            "SELECT {SUMMARY_COLUMNS} FROM rule_set WHERE user_id = ? ORDER BY created_at DESC, rowid DESC"
        ))
        .bind(&[owner.to_string().into()])?;
    query.all().await?.results::<SummaryRow>()?.into_iter().map(SummaryRow::read).collect()
}

/// The set of this user with this id.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_rule_set(database: &D1Database, owner: UserId, id: &str) -> Result<Option<RuleSet>> {
    let query = database
        .prepare(format!("SELECT {SUMMARY_COLUMNS}, rules FROM rule_set WHERE id = ? AND user_id = ?"))
        .bind(&[id.into(), owner.to_string().into()])?;
    query.first::<RuleSetRow>(None).await?.map(RuleSetRow::read).transpose()
}

/// Changes the set of this user with this id. Returns it as it is then; none if there is none.
///
/// # Errors
/// If D1 can't be asked.
pub async fn update_rule_set(
    database: &D1Database,
    owner: UserId,
    id: &str,
    changed: &Written<'_>,
    now: u64,
) -> Result<Option<RuleSet>> {
    let [name, description, n_rules, tags, rules] = changed.values();
    let update = database
        .prepare(format!(
            "UPDATE rule_set SET name = coalesce(?3, name), description = coalesce(?4, description), \
             n_rules = coalesce(?5, n_rules), tags = coalesce(?6, tags), updated_at = ?7, \
             rules = coalesce(?8, rules) WHERE id = ?1 AND user_id = ?2 RETURNING {SUMMARY_COLUMNS}, rules"
        ))
        .bind(&[id.into(), owner.to_string().into(), name, description, n_rules, tags, number(now), rules])?;
    update.first::<RuleSetRow>(None).await?.map(RuleSetRow::read).transpose()
}

/// Deletes the set of this user with this id. Returns whether there was one.
///
/// # Errors
/// If D1 can't be asked.
pub async fn delete_rule_set(database: &D1Database, owner: UserId, id: &str) -> Result<bool> {
    let delete = database
        .prepare("DELETE FROM rule_set WHERE id = ? AND user_id = ? RETURNING id")
        .bind(&[id.into(), owner.to_string().into()])?;
    Ok(delete.first::<Value>(None).await?.is_some())
}
