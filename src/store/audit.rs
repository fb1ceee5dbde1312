//! D1: what admins did to identities' limits. One row per action, exactly once.
//!
//! A row is written before its action, as pending, and completed after it. If whoever acts dies in between,
//! the schedule finds the pending row and asks the identity's object whether the action happened.

use limits::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use worker::{D1Database, D1Type, Result};

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not known yet.
    Pending,
    /// It happened.
    Done,
    /// It did not, and will not.
    NeverHappened,
}

/// One action.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The action's own id.
    pub id: String,
    /// When it was asked for, in milliseconds since 1970.
    pub asked_at: u64,
    /// The identity's object name.
    pub identity: String,
    /// Who acted.
    pub author: String,
    /// What was done.
    pub action: String,
    /// What was asked for, with the reason.
    pub details: Value,
    /// Whether it happened.
    pub outcome: Outcome,
    /// The identity's state before.
    pub before: Option<Value>,
    /// The identity's state after.
    pub after: Option<Value>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    asked_at: u64,
    identity: String,
    author: String,
    action: String,
    details: String,
    outcome: Outcome,
    before: Option<String>,
    after: Option<String>,
}

impl TryFrom<Row> for Entry {
    type Error = worker::Error;

    fn try_from(row: Row) -> Result<Self> {
        let parse = |text: Option<String>| text.as_deref().map(serde_json::from_str).transpose();
        Ok(Self {
            id: row.id,
            asked_at: row.asked_at,
            identity: row.identity,
            author: row.author,
            action: row.action,
            details: serde_json::from_str(&row.details)?,
            outcome: row.outcome,
            before: parse(row.before)?,
            after: parse(row.after)?,
        })
    }
}

/// What comes after a given row, newest first.
const OLDER: &str = "(asked_at < ?1 OR (asked_at = ?1 AND id > ?2))";

const COLUMNS: &str = "id, asked_at, identity, author, action, details, outcome, before, after";

/// Writes a pending action, unless there is one with its id already. Returns the one that is there now.
///
/// # Errors
/// If D1 can't be asked.
pub async fn save_pending(database: &D1Database, entry: &Entry) -> Result<Entry> {
    let insert = database
        .prepare(
            "INSERT OR IGNORE INTO limit_audit (id, asked_at, identity, author, action, details) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind_refs(&[
            D1Type::Text(&entry.id),
            D1Type::Real(entry.asked_at as f64),
            D1Type::Text(&entry.identity),
            D1Type::Text(&entry.author),
            D1Type::Text(&entry.action),
            D1Type::Text(&entry.details.to_string()),
        ])?;
    let select = database
        .prepare(format!("SELECT {COLUMNS} FROM limit_audit WHERE id = ?"))
        .bind_refs(&D1Type::Text(&entry.id))?;
    // One batch is one transaction.
    let results = database.batch(vec![insert, select]).await?;
    let row = results
        .last()
        .map(|result| result.results::<Row>())
        .transpose()?
        .and_then(|rows| rows.into_iter().next());
    row.ok_or_else(|| worker::Error::from("the action just written is not there"))?.try_into()
}

/// Completes a pending action. Completing it once more changes nothing.
///
/// # Errors
/// If D1 can't be asked.
pub async fn save_outcome(
    database: &D1Database,
    id: &str,
    outcome: &Outcome,
    states: Option<(&Value, &Value)>,
) -> Result<()> {
    let (before, after) = states.map(|(before, after)| (before.to_string(), after.to_string())).unzip();
    let text = |value: &Option<String>| value.clone().map_or(worker::wasm_bindgen::JsValue::NULL, Into::into);
    let outcome = match outcome {
        Outcome::Pending => "pending",
        Outcome::Done => "done",
        Outcome::NeverHappened => "never_happened",
    };
    database
        .prepare(
            "UPDATE limit_audit SET outcome = ?, before = ?, after = ? WHERE id = ? AND outcome = 'pending'",
        )
        .bind(&[outcome.into(), text(&before), text(&after), id.into()])?
        .run()
        .await
        .map(drop)
}

/// The newest actions, on one identity or on all, older than `before` if given.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_newest(
    database: &D1Database,
    identity: Option<&str>,
    before: Option<(UnixMillis, &str)>,
    n: u32,
) -> Result<Vec<Entry>> {
    let (at, id) = before.map_or((MAX_INSTANT, ""), |(at, id)| (at.0 as f64, id));
    let query = match identity {
        Some(identity) => database
            .prepare(format!(
                "SELECT {COLUMNS} FROM limit_audit WHERE identity = ?4 AND {OLDER} \
                 ORDER BY asked_at DESC, id LIMIT ?3"
            ))
            .bind(&[at.into(), id.into(), n.into(), identity.into()])?,
        None => database
            .prepare(format!(
                "SELECT {COLUMNS} FROM limit_audit WHERE {OLDER} ORDER BY asked_at DESC, id LIMIT ?3"
            ))
            .bind(&[at.into(), id.into(), n.into()])?,
    };
    query.all().await?.results::<Row>()?.into_iter().map(Entry::try_from).collect()
}

/// The last instant that JavaScript can tell from its neighbours: 2^53 - 1.
const MAX_INSTANT: f64 = 9_007_199_254_740_991.0;

/// Actions that were asked for before `before` and still are pending, oldest first.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_pending(database: &D1Database, before: UnixMillis, n: u32) -> Result<Vec<Entry>> {
    let query = database
        .prepare(format!(
            "SELECT {COLUMNS} FROM limit_audit WHERE outcome = 'pending' AND asked_at < ? ORDER BY asked_at LIMIT ?"
        ))
        .bind(&[(before.0 as f64).into(), n.into()])?;
    query.all().await?.results::<Row>()?.into_iter().map(Entry::try_from).collect()
}
