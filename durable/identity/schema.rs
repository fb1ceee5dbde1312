//! The object's tables, and every statement that touches them.

use limits::{Ledger, UnixMillis};
use serde::Deserialize;
use worker::{Result, SqlStorage, SqlStorageValue};

/// One row per policy whose window may still be open. Instants are milliseconds since 1970.
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS ledger (
  policy     TEXT PRIMARY KEY, -- name of the policy
  started_at INTEGER NOT NULL, -- first request of the window
  ends_at    INTEGER NOT NULL, -- from here on the window is over
  used       INTEGER NOT NULL  -- units spent in the window
) WITHOUT ROWID";

#[derive(Deserialize)]
struct LedgerRow {
    started_at: u64,
    ends_at: u64,
    used: u32,
}

#[derive(Deserialize)]
struct EndRow {
    ends_at: Option<u64>,
}

pub fn create(sql: &SqlStorage) -> Result<()> {
    sql.exec(TABLES, None).map(drop)
}

pub fn load_ledger(sql: &SqlStorage, policy: &str) -> Result<Option<Ledger>> {
    let rows: Vec<LedgerRow> = sql
        .exec("SELECT started_at, ends_at, used FROM ledger WHERE policy = ?", vec![policy.into()])?
        .to_array()?;
    Ok(rows.first().map(|row| Ledger {
        started_at: UnixMillis(row.started_at),
        ends_at: UnixMillis(row.ends_at),
        used: row.used,
    }))
}

pub fn save_ledger(sql: &SqlStorage, policy: &str, ledger: Ledger) -> Result<()> {
    let row = vec![
        policy.into(),
        instant(ledger.started_at)?,
        instant(ledger.ends_at)?,
        SqlStorageValue::from(i64::from(ledger.used)),
    ];
    sql.exec("INSERT OR REPLACE INTO ledger (policy, started_at, ends_at, used) VALUES (?, ?, ?, ?)", row)
        .map(drop)
}

/// Removes the windows that are over at `now` and returns when the next one will be.
pub fn delete_ended(sql: &SqlStorage, now: UnixMillis) -> Result<Option<UnixMillis>> {
    sql.exec("DELETE FROM ledger WHERE ends_at <= ?", vec![instant(now)?])?;
    let row: EndRow = sql.exec("SELECT min(ends_at) AS ends_at FROM ledger", None)?.one()?;
    Ok(row.ends_at.map(UnixMillis))
}

/// Fails beyond 2^53, where JavaScript would round.
fn instant(at: UnixMillis) -> Result<SqlStorageValue> {
    let millis = i64::try_from(at.0).map_err(|error| worker::Error::RustError(error.to_string()))?;
    SqlStorageValue::try_from_i64(millis)
}
