//! The object's tables, and every statement that touches them.

use std::cell::Cell;

use limits::{Held, Ledger, UnixMillis};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use worker::{Result, SqlStorage, SqlStorageValue};

use super::account::{Account, KEEP_DEAD_KEYS_MS, KEEP_PROFILE_MS, User};
use super::wire::{Acted, Exception, Key, Profile, Session};

/// Instants are milliseconds since 1970.
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS ledger (
  policy TEXT PRIMARY KEY, -- name of the policy
  ledger TEXT NOT NULL     -- a JSON object: what is taken or reserved, as limits::Ledger tells
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
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS user (
  version INTEGER PRIMARY KEY, -- of the record; there is one row at most
  profile TEXT,                -- a JSON object; none for a user who was deleted
  told_at INTEGER NOT NULL     -- when the object was told of it
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session (
  key        TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  session    TEXT NOT NULL     -- a JSON object
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS api_key (
  hash    TEXT PRIMARY KEY,    -- SHA-256 of the key's text
  key     TEXT NOT NULL,       -- a JSON object: the record's state
  over_at INTEGER,             -- since when it is revoked or over; none while it is good for ever
  told_at INTEGER NOT NULL     -- when the object was first told of it
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vouched (
  until INTEGER PRIMARY KEY    -- until when somebody counts as a person; there is one row at most
) WITHOUT ROWID";

/// Tables of [`TABLES`].
const N_TABLES: u32 = 7;

/// How a ledger is stored. Instants are milliseconds since 1970.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Stored {
    Count { ends_at: u64, mark: u32, resets: u32 },
    Bucket { at: u64, level: u64, quota: u32, ms: u64, refunded: u64, resets: u32 },
    Sliding { held: Vec<StoredHeld> },
    Concurrency { held: Vec<StoredHeld> },
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredHeld {
    until: u64,
    units: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    holder: String,
}

impl From<&Ledger> for Stored {
    fn from(ledger: &Ledger) -> Self {
        let stored = |held: &[Held]| {
            let one = |held: &Held| StoredHeld {
                until: held.until.0,
                units: held.units,
                holder: held.holder.clone(),
            };
            held.iter().map(one).collect()
        };
        match ledger {
            Ledger::Count { ends_at, mark, resets } => {
                Self::Count { ends_at: ends_at.0, mark: *mark, resets: *resets }
            }
            Ledger::Bucket { at, level, quota, ms, refunded, resets } => Self::Bucket {
                at: at.0,
                level: *level,
                quota: *quota,
                ms: *ms,
                refunded: *refunded,
                resets: *resets,
            },
            Ledger::Sliding(held) => Self::Sliding { held: stored(held) },
            Ledger::Concurrency(held) => Self::Concurrency { held: stored(held) },
        }
    }
}

impl From<Stored> for Ledger {
    fn from(stored: Stored) -> Self {
        let held = |held: Vec<StoredHeld>| {
            let one = |StoredHeld { until, units, holder }| Held { until: UnixMillis(until), units, holder };
            held.into_iter().map(one).collect()
        };
        match stored {
            Stored::Count { ends_at, mark, resets } => {
                Self::Count { ends_at: UnixMillis(ends_at), mark, resets }
            }
            Stored::Bucket { at, level, quota, ms, refunded, resets } => {
                Self::Bucket { at: UnixMillis(at), level, quota, ms, refunded, resets }
            }
            Stored::Sliding { held: list } => Self::Sliding(held(list)),
            Stored::Concurrency { held: list } => Self::Concurrency(held(list)),
        }
    }
}

#[derive(Deserialize)]
struct LedgerRow {
    policy: String,
    ledger: String,
}

impl LedgerRow {
    fn ledger(&self) -> Result<Ledger> {
        Ok(serde_json::from_str::<Stored>(&self.ledger)?.into())
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
struct UserRow {
    version: u64,
    profile: Option<String>,
}

#[derive(Deserialize)]
struct SessionRow {
    session: String,
}

#[derive(Deserialize)]
struct KeyRow {
    hash: String,
    key: String,
}

#[derive(Deserialize)]
struct CountRow {
    n: u32,
}

#[derive(Deserialize)]
struct InstantRow {
    at: Option<u64>,
}

/// The object's tables. They come with the first thing that is written: an object that is only looked at
/// stores nothing.
pub struct Tables {
    sql: SqlStorage,
    /// Whether they exist; none while nobody looked.
    exist: Cell<Option<bool>>,
}

impl Tables {
    pub fn new(sql: SqlStorage) -> Self {
        Self { sql, exist: Cell::new(None) }
    }

    /// To be called when storage was emptied.
    pub fn forget(&self) {
        self.exist.set(None);
    }

    fn exist(&self) -> Result<bool> {
        if let Some(exist) = self.exist.get() {
            return Ok(exist);
        }
        let query = "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name IN \
                     ('ledger', 'exception', 'action', 'user', 'session', 'api_key', 'vouched')";
        let row: CountRow = self.sql.exec(query, None)?.one()?;
        if (1..N_TABLES).contains(&row.n) {
            // An object of a time when there were fewer.
            self.sql.exec(TABLES, None)?;
        }
        self.exist.set(Some(row.n > 0));
        Ok(row.n > 0)
    }

    /// All rows that a query finds; none without tables.
    fn read<T: DeserializeOwned>(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<T>> {
        if self.exist()? { self.sql.exec(query, values)?.to_array() } else { Ok(Vec::new()) }
    }

    /// Removes rows, if there are tables.
    fn delete(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<()> {
        if self.exist()? { self.sql.exec(statement, values).map(drop) } else { Ok(()) }
    }

    /// Writes a row.
    fn write(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<()> {
        if !self.exist()? {
            self.sql.exec(TABLES, None)?;
            self.exist.set(Some(true));
        }
        self.sql.exec(statement, values).map(drop)
    }

    pub fn load_ledger(&self, policy: &str) -> Result<Option<Ledger>> {
        let query = "SELECT policy, ledger FROM ledger WHERE policy = ?";
        let rows: Vec<LedgerRow> = self.read(query, vec![policy.into()])?;
        rows.first().map(LedgerRow::ledger).transpose()
    }

    pub fn load_ledgers(&self) -> Result<Vec<(String, Ledger)>> {
        let rows: Vec<LedgerRow> = self.read("SELECT policy, ledger FROM ledger", Vec::new())?;
        rows.into_iter().map(|row| Ok((row.policy.clone(), row.ledger()?))).collect()
    }

    pub fn save_ledger(&self, policy: &str, ledger: &Ledger) -> Result<()> {
        let text = serde_json::to_string(&Stored::from(ledger))?;
        let query = "INSERT OR REPLACE INTO ledger (policy, ledger) VALUES (?, ?)";
        self.write(query, vec![policy.into(), text.into()])
    }

    pub fn delete_ledger(&self, policy: &str) -> Result<()> {
        self.delete("DELETE FROM ledger WHERE policy = ?", vec![policy.into()])
    }

    /// All exceptions with the name of their policy; the ban's is empty.
    pub fn load_exceptions(&self) -> Result<Vec<(String, Exception)>> {
        let query = "SELECT policy, value, expires_at, reason, author, since FROM exception";
        let rows: Vec<ExceptionRow> = self.read(query, Vec::new())?;
        let exceptions = rows.into_iter().map(|row| {
            let ExceptionRow { policy, value, expires_at, reason, author, since } = row;
            (policy, Exception { value, expires_at, reason, author, since })
        });
        Ok(exceptions.collect())
    }

    pub fn save_exception(&self, policy: &str, exception: &Exception) -> Result<()> {
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
        self.write(query, row)
    }

    pub fn delete_exception(&self, policy: &str) -> Result<()> {
        self.delete("DELETE FROM exception WHERE policy = ?", vec![policy.into()])
    }

    pub fn delete_expired_exceptions(&self, now: UnixMillis) -> Result<()> {
        self.delete("DELETE FROM exception WHERE expires_at <= ?", vec![number(now.0)?])
    }

    pub fn load_action(&self, id: &str) -> Result<Option<Acted>> {
        let rows: Vec<ActionRow> = self.read("SELECT states FROM action WHERE id = ?", vec![id.into()])?;
        Ok(rows.first().map(|row| serde_json::from_str(&row.states)).transpose()?)
    }

    pub fn save_action(&self, id: &str, now: UnixMillis, acted: &Acted) -> Result<()> {
        let row = vec![id.into(), number(now.0)?, serde_json::to_string(acted)?.into()];
        self.write("INSERT INTO action (id, done_at, states) VALUES (?, ?, ?)", row)
    }

    pub fn delete_actions_until(&self, at: UnixMillis) -> Result<()> {
        self.delete("DELETE FROM action WHERE done_at <= ?", vec![number(at.0)?])
    }

    /// Until when somebody counts as a person, if it was ever shown and is not forgotten yet.
    pub fn load_vouched_until(&self) -> Result<Option<UnixMillis>> {
        let rows: Vec<InstantRow> = self.read("SELECT until AS at FROM vouched", Vec::new())?;
        Ok(rows.first().and_then(|row| row.at).map(UnixMillis))
    }

    pub fn save_vouched_until(&self, until: UnixMillis) -> Result<()> {
        self.delete("DELETE FROM vouched", Vec::new())?;
        self.write("INSERT INTO vouched (until) VALUES (?)", vec![number(until.0)?])
    }

    pub fn delete_expired_vouched(&self, now: UnixMillis) -> Result<()> {
        self.delete("DELETE FROM vouched WHERE until <= ?", vec![number(now.0)?])
    }

    /// When the next exception, session, key or proof of a person ends, or something may be forgotten; none if there is nothing.
    pub fn load_next_end(&self, keep_actions_ms: u64) -> Result<Option<UnixMillis>> {
        let query = "SELECT min(at) AS at FROM (SELECT min(expires_at) AS at FROM exception \
                     UNION ALL SELECT min(done_at) + ?1 AS at FROM action \
                     UNION ALL SELECT min(expires_at) AS at FROM session \
                     UNION ALL SELECT min(over_at) + ?2 AS at FROM api_key \
                     UNION ALL SELECT min(told_at) + ?3 AS at FROM user WHERE NOT EXISTS \
                       (SELECT 1 FROM session UNION ALL SELECT 1 FROM api_key))";
        let keep = vec![number(keep_actions_ms)?, number(KEEP_DEAD_KEYS_MS)?, number(KEEP_PROFILE_MS)?];
        let rows: Vec<InstantRow> = self.read(query, keep)?;
        let next = rows.first().and_then(|row| row.at).map(UnixMillis);
        // By itself, because the platform takes no more than five terms in one compound query.
        Ok(next.into_iter().chain(self.load_vouched_until()?).min())
    }

    /// Everything that is kept of the user.
    pub fn load_account(&self) -> Result<Account> {
        let users: Vec<UserRow> = self.read("SELECT version, profile FROM user", Vec::new())?;
        let user = match users.into_iter().next() {
            None => User::Unknown,
            Some(UserRow { version, profile: None }) => User::Deleted(version),
            Some(UserRow { profile: Some(profile), .. }) => {
                User::Known(Box::new(serde_json::from_str::<Profile>(&profile)?))
            }
        };
        let query = "SELECT session FROM session ORDER BY created_at, key";
        let sessions: Vec<SessionRow> = self.read(query, Vec::new())?;
        let sessions = sessions.iter().map(|row| serde_json::from_str::<Session>(&row.session));
        let keys: Vec<KeyRow> =
            self.read("SELECT hash, key FROM api_key ORDER BY told_at, hash", Vec::new())?;
        let keys = keys.into_iter().map(|row| Ok((row.hash, serde_json::from_str::<Key>(&row.key)?)));
        Ok(Account {
            user,
            sessions: sessions.collect::<std::result::Result<_, _>>()?,
            keys: keys.collect::<Result<_>>()?,
        })
    }

    /// Takes note of a user; of one who was deleted if there is no profile.
    pub fn save_user(&self, version: u64, profile: Option<&Profile>, now: UnixMillis) -> Result<()> {
        let profile = profile.map(serde_json::to_string).transpose()?;
        self.delete("DELETE FROM user", Vec::new())?;
        let row = vec![number(version)?, profile.map_or(SqlStorageValue::Null, Into::into), number(now.0)?];
        self.write("INSERT INTO user (version, profile, told_at) VALUES (?, ?, ?)", row)
    }

    pub fn save_session(&self, session: &Session) -> Result<()> {
        let row = vec![
            session.key.as_str().into(),
            number(session.created_at)?,
            number(session.expires_at)?,
            serde_json::to_string(session)?.into(),
        ];
        let query =
            "INSERT OR REPLACE INTO session (key, created_at, expires_at, session) VALUES (?, ?, ?, ?)";
        self.write(query, row)
    }

    pub fn delete_session(&self, key: &str) -> Result<()> {
        self.delete("DELETE FROM session WHERE key = ?", vec![key.into()])
    }

    pub fn save_key(&self, hash: &str, key: &Key, now: UnixMillis) -> Result<()> {
        let over_at = key.revoked_at.or(key.expires_at);
        let row = vec![
            hash.into(),
            serde_json::to_string(key)?.into(),
            over_at.map_or(Ok(SqlStorageValue::Null), number)?,
            number(now.0)?,
        ];
        let query = "INSERT INTO api_key (hash, key, over_at, told_at) VALUES (?, ?, ?, ?) \
                     ON CONFLICT (hash) DO UPDATE SET key = excluded.key, over_at = excluded.over_at";
        self.write(query, row)
    }

    pub fn delete_key(&self, hash: &str) -> Result<()> {
        self.delete("DELETE FROM api_key WHERE hash = ?", vec![hash.into()])
    }

    /// Forgets sessions and keys that are over, and then the user, if nothing is left of them.
    pub fn delete_expired_account(&self, now: UnixMillis) -> Result<()> {
        self.delete("DELETE FROM session WHERE expires_at <= ?", vec![number(now.0)?])?;
        let over = number(now.0.saturating_sub(KEEP_DEAD_KEYS_MS))?;
        self.delete("DELETE FROM api_key WHERE over_at <= ?", vec![over])?;
        let told = number(now.0.saturating_sub(KEEP_PROFILE_MS))?;
        self.delete(
            "DELETE FROM user WHERE told_at <= ? AND NOT EXISTS \
             (SELECT 1 FROM session UNION ALL SELECT 1 FROM api_key)",
            vec![told],
        )
    }
}

/// Fails beyond 2^53, where JavaScript would round.
fn number(number: u64) -> Result<SqlStorageValue> {
    let number = i64::try_from(number).map_err(|error| worker::Error::RustError(error.to_string()))?;
    SqlStorageValue::try_from_i64(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change here loses every window that is open when it is deployed.
    #[test]
    fn stored_ledgers_are_pinned() {
        let held = || vec![Held { until: UnixMillis(9), units: 2, holder: "a".to_owned() }];
        for (ledger, text) in [
            (
                Ledger::Count { ends_at: UnixMillis(9), mark: 3, resets: 1 },
                r#"{"kind":"count","ends_at":9,"mark":3,"resets":1}"#,
            ),
            (
                Ledger::Bucket { at: UnixMillis(9), level: 3, quota: 5, ms: 7, refunded: 2, resets: 1 },
                r#"{"kind":"bucket","at":9,"level":3,"quota":5,"ms":7,"refunded":2,"resets":1}"#,
            ),
            (Ledger::Sliding(held()), r#"{"kind":"sliding","held":[{"until":9,"units":2,"holder":"a"}]}"#),
            (
                Ledger::Concurrency(held()),
                r#"{"kind":"concurrency","held":[{"until":9,"units":2,"holder":"a"}]}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&Stored::from(&ledger)).unwrap(), text);
            assert_eq!(Ledger::from(serde_json::from_str::<Stored>(text).unwrap()), ledger);
        }
    }
}
