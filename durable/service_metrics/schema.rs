//! The object's tables, and every statement that touches them.

use std::cell::Cell;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

use super::wire::{Breaker, Tally};

/// Instants are milliseconds since 1970.
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS span (
  starts_at INTEGER PRIMARY KEY, -- when the window began; 0 for everything since the object exists
  tallies   TEXT NOT NULL        -- a JSON array: what happened, by endpoint
);
CREATE TABLE IF NOT EXISTS breaker (
  host    TEXT PRIMARY KEY,
  is_open INTEGER NOT NULL,      -- 1 if the host is left alone
  since   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS health (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  report TEXT NOT NULL           -- what was found when health was last looked at
)";

/// Stands for the beginning of everything since the object exists. No window begins then.
pub const EVER: u64 = 0;

/// Writes nothing if what is known of the host is newer.
const SAVE_BREAKER: &str = "\
INSERT INTO breaker (host, is_open, since) VALUES (?, ?, ?)
ON CONFLICT (host) DO UPDATE SET is_open = excluded.is_open, since = excluded.since
WHERE excluded.since >= breaker.since";

#[derive(Deserialize)]
struct SpanRow {
    tallies: String,
}

#[derive(Deserialize)]
struct BreakerRow {
    host: String,
    is_open: u8,
    since: u64,
}

#[derive(Deserialize)]
struct HealthRow {
    report: String,
}

#[derive(Deserialize)]
struct CountRow {
    n: u32,
}

/// The object's tables. They come with the first thing that is written: an object that is only looked at stores
/// nothing.
pub struct Tables {
    sql: SqlStorage,
    /// Whether they exist; none while nobody looked.
    exist: Cell<Option<bool>>,
}

impl Tables {
    pub fn new(sql: SqlStorage) -> Self {
        Self { sql, exist: Cell::new(None) }
    }

    /// What happened in the spans that began within these bounds, one after the other.
    pub fn load_tallies(&self, first: u64, last: u64) -> Result<Vec<Tally>> {
        let query = "SELECT tallies FROM span WHERE starts_at BETWEEN ? AND ? ORDER BY starts_at";
        let rows: Vec<SpanRow> = self.read(query, vec![number(first)?, number(last)?])?;
        let mut tallies = Vec::new();
        for row in rows {
            tallies.extend(serde_json::from_str::<Vec<Tally>>(&row.tallies)?);
        }
        Ok(tallies)
    }

    pub fn save_tallies(&self, starts_at: u64, tallies: &[Tally]) -> Result<()> {
        let values = vec![number(starts_at)?, serde_json::to_string(tallies)?.into()];
        self.write("INSERT OR REPLACE INTO span (starts_at, tallies) VALUES (?, ?)", values)
    }

    /// Deletes the windows that began before that.
    pub fn delete_windows_before(&self, first: u64) -> Result<()> {
        let values = vec![number(EVER)?, number(first)?];
        self.write("DELETE FROM span WHERE starts_at > ? AND starts_at < ?", values)
    }

    /// Hosts that are left alone, or were after that instant.
    pub fn load_breakers(&self, after: u64) -> Result<Vec<Breaker>> {
        let query = "SELECT host, is_open, since FROM breaker WHERE is_open = 1 OR since > ? ORDER BY host";
        let rows: Vec<BreakerRow> = self.read(query, vec![number(after)?])?;
        let breaker =
            |BreakerRow { host, is_open, since }: BreakerRow| Breaker { host, is_open: is_open == 1, since };
        Ok(rows.into_iter().map(breaker).collect())
    }

    pub fn save_breaker(&self, breaker: &Breaker) -> Result<()> {
        let Breaker { host, is_open, since } = breaker;
        self.write(SAVE_BREAKER, vec![host.as_str().into(), i64::from(*is_open).into(), number(*since)?])
    }

    /// Deletes hosts that were not left alone any more by then, and all but the newest `n`.
    pub fn delete_old_breakers(&self, until: u64, n: usize) -> Result<()> {
        self.write("DELETE FROM breaker WHERE is_open = 0 AND since <= ?", vec![number(until)?])?;
        let statement = "DELETE FROM breaker WHERE host IN \
                         (SELECT host FROM breaker ORDER BY since DESC, host LIMIT -1 OFFSET ?)";
        self.write(statement, vec![number(n as u64)?])
    }

    pub fn load_health(&self) -> Result<Option<String>> {
        let rows: Vec<HealthRow> = self.read("SELECT report FROM health", Vec::new())?;
        Ok(rows.into_iter().next().map(|row| row.report))
    }

    pub fn save_health(&self, report: &str) -> Result<()> {
        self.write("INSERT OR REPLACE INTO health (id, report) VALUES (1, ?)", vec![report.into()])
    }

    /// All rows that a query finds; none without tables.
    fn read<T: DeserializeOwned>(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<T>> {
        if self.exist()? { self.sql.exec(query, values)?.to_array() } else { Ok(Vec::new()) }
    }

    fn write(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<()> {
        if !self.exist()? {
            self.sql.exec(TABLES, None)?;
            self.exist.set(Some(true));
        }
        self.sql.exec(statement, values).map(drop)
    }

    fn exist(&self) -> Result<bool> {
        if let Some(exist) = self.exist.get() {
            return Ok(exist);
        }
        let query = "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name = 'span'";
        let row: CountRow = self.sql.exec(query, None)?.one()?;
        self.exist.set(Some(row.n > 0));
        Ok(row.n > 0)
    }
}

/// Fails beyond 2^53, where JavaScript would round.
fn number(number: u64) -> Result<SqlStorageValue> {
    let number = i64::try_from(number).map_err(|error| Error::RustError(error.to_string()))?;
    SqlStorageValue::try_from_i64(number)
}
