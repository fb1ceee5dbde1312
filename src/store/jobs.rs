//! D1: how jobs were accepted and how they ended. Whatever names one also names its user.

use limits::UserId;
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;
use worker::{D1Database, Result};

use super::users::{number, text};

/// Characters of a reason that are kept.
const MAX_ERROR_CHARS: usize = 2_000;

/// A job, as far as it is recorded. Instants are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// Its id.
    pub request_id: String,
    /// The configuration's name.
    pub config_name: String,
    /// Where it is.
    pub status: String,
    /// When it was accepted.
    pub created_at: u64,
    /// When it was begun.
    pub started_at: Option<u64>,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// Lines of the result.
    pub rule_count: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How many of a user's jobs are in one state, and how long they took together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Count {
    /// The state.
    pub status: String,
    /// Jobs.
    pub n: u64,
    /// From beginning to end, in milliseconds.
    pub total_ms: u64,
}

/// The jobs that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Unfinished {
    /// How many there are.
    pub n: u64,
    /// When the oldest of them was accepted.
    pub oldest: Option<u64>,
}

/// Records a job as it stands, if its user still exists. An end that is recorded stays.
///
/// # Errors
/// If D1 can't be asked.
pub async fn record_job(database: &D1Database, owner: UserId, high_priority: bool, row: &Row) -> Result<()> {
    let instant = |at: Option<u64>| at.map_or(JsValue::NULL, number);
    let error: Option<String> = row.error.as_ref().map(|error| error.chars().take(MAX_ERROR_CHARS).collect());
    let upsert = database
        .prepare(
            "INSERT INTO job (request_id, user_id, config_name, high_priority, status, created_at, started_at, \
             ended_at, rule_count, error) \
             SELECT ?1, users.id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM users WHERE users.id = ?2 \
             ON CONFLICT (request_id) DO UPDATE SET status = excluded.status, started_at = excluded.started_at, \
             ended_at = excluded.ended_at, rule_count = excluded.rule_count, error = excluded.error \
             WHERE job.ended_at IS NULL",
        )
        .bind(&[
            row.request_id.as_str().into(),
            owner.to_string().into(),
            row.config_name.as_str().into(),
            number(u64::from(high_priority)),
            row.status.as_str().into(),
            number(row.created_at),
            instant(row.started_at),
            instant(row.ended_at),
            instant(row.rule_count),
            text(error.as_deref()),
        ])?;
    upsert.run().await.map(drop)
}

/// The newest jobs of a user.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_newest(database: &D1Database, owner: UserId, most: u64) -> Result<Vec<Row>> {
    let query = database
        .prepare(
            "SELECT request_id, config_name, status, created_at, started_at, ended_at, rule_count, error FROM job \
             WHERE user_id = ? ORDER BY created_at DESC, rowid DESC LIMIT ?",
        )
        .bind(&[owner.to_string().into(), number(most)])?;
    query.all().await?.results()
}

/// How many jobs of a user are in each state.
///
/// # Errors
/// If D1 can't be asked.
pub async fn count_by_status(database: &D1Database, owner: UserId) -> Result<Vec<Count>> {
    let query = database
        .prepare(
            "SELECT status, count(*) AS n, coalesce(sum(ended_at - coalesce(started_at, ended_at)), 0) AS total_ms \
             FROM job WHERE user_id = ? GROUP BY status",
        )
        .bind(&[owner.to_string().into()])?;
    query.all().await?.results()
}

/// The jobs of all users that have not ended.
///
/// # Errors
/// If D1 can't be asked.
pub async fn count_unfinished(database: &D1Database) -> Result<Unfinished> {
    let query =
        database.prepare("SELECT count(*) AS n, min(created_at) AS oldest FROM job WHERE ended_at IS NULL");
    let found = query.first(None).await?;
    found.ok_or_else(|| worker::Error::RustError("a count has no row".to_owned()))
}

/// Deletes the record of jobs that were accepted before then.
///
/// # Errors
/// If D1 can't be asked.
pub async fn forget_before(database: &D1Database, before: u64) -> Result<()> {
    let delete = database.prepare("DELETE FROM job WHERE created_at < ?").bind(&[number(before)])?;
    delete.run().await.map(drop)
}
