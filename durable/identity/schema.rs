//! The object's tables, and every statement that touches them.

use limits::{Hold, Ledger, Taken, UnixMillis};
use serde::{Deserialize, Serialize};
use worker::{Result, SqlStorage, SqlStorageValue};

use super::wire::{Acted, Exception};

/// Instants are milliseconds since 1970.
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS ledger (
  policy     TEXT PRIMARY KEY, -- name of the policy
  serial     INTEGER NOT NULL, -- different after every write
  ends_at    INTEGER,          -- of a window that counts: when it is over
  units      INTEGER,          -- of a window that counts: taken or reserved
  full_at_us INTEGER,          -- of a bucket: when it is full again, in microseconds
  holds      TEXT              -- of a sliding window or concurrency limit: a JSON array
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS exception (
  policy     TEXT PRIMARY KEY, -- name of the policy with another quota; empty for a ban
  value      INTEGER,          -- units per window; none for a ban
  expires_at INTEGER,          -- until when; none for ever
  reason     TEXT NOT NULL,
  author     TEXT NOT NULL,
  since      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS action (
  id         TEXT PRIMARY KEY, -- the admin's id for it
  done_at    INTEGER NOT NULL,
  states     TEXT NOT NULL     -- a JSON object: the identity's state before and after
) WITHOUT ROWID";

/// How a hold is stored.
#[derive(Serialize, Deserialize)]
struct StoredHold {
    until: u64,
    units: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    holder: String,
}

#[derive(Deserialize)]
struct LedgerRow {
    policy: String,
    serial: u64,
    ends_at: Option<u64>,
    units: Option<u32>,
    full_at_us: Option<u64>,
    holds: Option<String>,
}

impl LedgerRow {
    fn into_ledger(self) -> Result<Ledger> {
        let taken = match (self.ends_at, self.units, self.full_at_us, self.holds) {
            (Some(ends_at), Some(units), ..) => Taken::Count { ends_at: UnixMillis(ends_at), units },
            (_, _, Some(full_at_us), _) => Taken::Bucket { full_at_us },
            (_, _, _, holds) => {
                let holds: Vec<StoredHold> = serde_json::from_str(holds.as_deref().unwrap_or("[]"))?;
                Taken::Holds(
                    holds
                        .into_iter()
                        .map(|hold| Hold {
                            until: UnixMillis(hold.until),
                            units: hold.units,
                            holder: hold.holder,
                        })
                        .collect(),
                )
            }
        };
        Ok(Ledger { serial: self.serial, taken })
    }
}

#[derive(Deserialize)]
struct ExceptionRow {
    policy: String,
    value: Option<u32>,
    expires_at: Option<u64>,
    reason: String,
    author: String,
    since: u64,
}

#[derive(Deserialize)]
struct ActionRow {
    states: String,
}

#[derive(Deserialize)]
struct InstantRow {
    at: Option<u64>,
}

pub fn create(sql: &SqlStorage) -> Result<()> {
    sql.exec(TABLES, None).map(drop)
}

pub fn load_ledger(sql: &SqlStorage, policy: &str) -> Result<Option<Ledger>> {
    let query = "SELECT policy, serial, ends_at, units, full_at_us, holds FROM ledger WHERE policy = ?";
    let rows: Vec<LedgerRow> = sql.exec(query, vec![policy.into()])?.to_array()?;
    rows.into_iter().next().map(LedgerRow::into_ledger).transpose()
}

pub fn load_ledgers(sql: &SqlStorage) -> Result<Vec<(String, Ledger)>> {
    let query = "SELECT policy, serial, ends_at, units, full_at_us, holds FROM ledger";
    let rows: Vec<LedgerRow> = sql.exec(query, None)?.to_array()?;
    rows.into_iter().map(|row| Ok((row.policy.clone(), row.into_ledger()?))).collect()
}

pub fn save_ledger(sql: &SqlStorage, policy: &str, ledger: &Ledger) -> Result<()> {
    let (mut ends_at, mut units, mut full_at, mut holds) = const {
        (SqlStorageValue::Null, SqlStorageValue::Null, SqlStorageValue::Null, SqlStorageValue::Null)
    };
    match &ledger.taken {
        Taken::Count { ends_at: at, units: n } => {
            ends_at = number(at.0)?;
            units = SqlStorageValue::from(i64::from(*n));
        }
        Taken::Bucket { full_at_us } => full_at = number(*full_at_us)?,
        Taken::Holds(list) => {
            let list: Vec<StoredHold> = list
                .iter()
                .map(|hold| StoredHold {
                    until: hold.until.0,
                    units: hold.units,
                    holder: hold.holder.clone(),
                })
                .collect();
            holds = serde_json::to_string(&list)?.into();
        }
    }
    let row = vec![policy.into(), number(ledger.serial)?, ends_at, units, full_at, holds];
    let query = "INSERT OR REPLACE INTO ledger (policy, serial, ends_at, units, full_at_us, holds) \
                 VALUES (?, ?, ?, ?, ?, ?)";
    sql.exec(query, row).map(drop)
}

pub fn delete_ledger(sql: &SqlStorage, policy: &str) -> Result<()> {
    sql.exec("DELETE FROM ledger WHERE policy = ?", vec![policy.into()]).map(drop)
}

/// All exceptions with the name of their policy; the ban's is empty.
pub fn load_exceptions(sql: &SqlStorage) -> Result<Vec<(String, Exception)>> {
    let query = "SELECT policy, value, expires_at, reason, author, since FROM exception";
    let rows: Vec<ExceptionRow> = sql.exec(query, None)?.to_array()?;
    let exceptions = rows.into_iter().map(|row| {
        let ExceptionRow { policy, value, expires_at, reason, author, since } = row;
        (policy, Exception { value, expires_at, reason, author, since })
    });
    Ok(exceptions.collect())
}

pub fn save_exception(sql: &SqlStorage, policy: &str, exception: &Exception) -> Result<()> {
    let optional = |value: Option<u64>| value.map_or(Ok(SqlStorageValue::Null), number);
    let row = vec![
        policy.into(),
        optional(exception.value.map(u64::from))?,
        optional(exception.expires_at)?,
        exception.reason.as_str().into(),
        exception.author.as_str().into(),
        number(exception.since)?,
    ];
    let query = "INSERT OR REPLACE INTO exception (policy, value, expires_at, reason, author, since) \
                 VALUES (?, ?, ?, ?, ?, ?)";
    sql.exec(query, row).map(drop)
}

pub fn delete_exception(sql: &SqlStorage, policy: &str) -> Result<()> {
    sql.exec("DELETE FROM exception WHERE policy = ?", vec![policy.into()]).map(drop)
}

pub fn delete_expired_exceptions(sql: &SqlStorage, now: UnixMillis) -> Result<()> {
    sql.exec("DELETE FROM exception WHERE expires_at <= ?", vec![number(now.0)?]).map(drop)
}

pub fn load_action(sql: &SqlStorage, id: &str) -> Result<Option<Acted>> {
    let rows: Vec<ActionRow> =
        sql.exec("SELECT states FROM action WHERE id = ?", vec![id.into()])?.to_array()?;
    Ok(rows.first().map(|row| serde_json::from_str(&row.states)).transpose()?)
}

pub fn save_action(sql: &SqlStorage, id: &str, now: UnixMillis, acted: &Acted) -> Result<()> {
    let row = vec![id.into(), number(now.0)?, serde_json::to_string(acted)?.into()];
    sql.exec("INSERT INTO action (id, done_at, states) VALUES (?, ?, ?)", row).map(drop)
}

pub fn delete_actions_before(sql: &SqlStorage, at: UnixMillis) -> Result<()> {
    sql.exec("DELETE FROM action WHERE done_at < ?", vec![number(at.0)?]).map(drop)
}

/// When the next exception ends or the oldest action may be forgotten; none if there are none.
pub fn load_next_end(sql: &SqlStorage, keep_actions_ms: u64) -> Result<Option<UnixMillis>> {
    let query = "SELECT min(at) AS at FROM (SELECT min(expires_at) AS at FROM exception \
                 UNION ALL SELECT min(done_at) + ? AS at FROM action)";
    let row: InstantRow = sql.exec(query, vec![number(keep_actions_ms)?])?.one()?;
    Ok(row.at.map(UnixMillis))
}

/// Fails beyond 2^53, where JavaScript would round.
fn number(number: u64) -> Result<SqlStorageValue> {
    let number = i64::try_from(number).map_err(|error| worker::Error::RustError(error.to_string()))?;
    SqlStorageValue::try_from_i64(number)
}
