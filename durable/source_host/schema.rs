//! The object's tables, and every statement that touches them.

use std::cell::Cell;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{Error, Result, SqlStorage, SqlStorageValue, console_error};

use super::breaker::Breaker;

/// Instants are milliseconds since 1970.
///
/// A text that is written, and one that is no more what lies at its URL, has none. The texts that are deleted next
/// are also those that were used longest ago, so one index does for both.
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS text (
  version       INTEGER PRIMARY KEY, -- when it began to be written; later than that of all texts that are there
  url           TEXT UNIQUE,         -- where it lies, if this is what lies there
  status        INTEGER NOT NULL,    -- what the server answered with it
  content_type  TEXT NOT NULL,       -- as in that answer; empty if it had none
  etag          TEXT,                -- as in that answer
  last_modified TEXT,                -- as in that answer
  n_bytes       INTEGER,             -- its length; none while it is written
  checked_at    INTEGER NOT NULL,    -- when the server last sent it or said that it is this still
  over_at       INTEGER NOT NULL     -- when it is deleted
);
CREATE INDEX IF NOT EXISTS text_by_end ON text (over_at);
CREATE TABLE IF NOT EXISTS chunk (
  version INTEGER NOT NULL,          -- text.version
  n       INTEGER NOT NULL,          -- counts the chunks of a text, from 0
  bytes   BLOB NOT NULL,             -- 1 MiB at most; the platform's bound of a row is 2 MB
  PRIMARY KEY (version, n)
);
CREATE TABLE IF NOT EXISTS breaker (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  host    TEXT NOT NULL,             -- the object's name
  breaker TEXT NOT NULL,             -- a JSON object: how the host has been answering
  over_at INTEGER NOT NULL           -- when it is forgotten
)";

const CHUNK_BYTES: usize = 1024 * 1024;
/// How long a text is kept that nobody asks for, in milliseconds.
const KEEP_UNUSED_MS: u64 = 24 * 60 * 60_000;
/// How long a text is kept that is not what lies there any more, for those who read it. They have 30 seconds at
/// most, and began when it was.
pub const KEEP_REPLACED_MS: u64 = 60_000;
/// A text that was used so shortly before is not noted to be used again, in milliseconds.
const USE_MS: u64 = 60_000;
/// Bytes that are kept of one host.
const MAX_KEPT_BYTES: u64 = 256 * 1024 * 1024;

const SAVE_TEXT: &str = "\
INSERT INTO text (version, status, content_type, etag, last_modified, checked_at, over_at)
VALUES (?, ?, ?, ?, ?, ?, ?)";

const FIND_TEXT: &str = "\
SELECT version, status, content_type, etag, last_modified, n_bytes, checked_at FROM text WHERE url = ?";

const CONFIRM_TEXT: &str = "\
UPDATE text SET checked_at = ?2, over_at = ?3 WHERE version = ?1 AND url IS NOT NULL
RETURNING version, status, content_type, etag, last_modified, n_bytes, checked_at";

/// What is over the bound once the texts are added up from the one that was used last.
const RETIRE_OVERFLOW: &str = "\
UPDATE text SET url = NULL, over_at = ?1 WHERE version IN (
  SELECT version FROM (
    SELECT version, sum(n_bytes) OVER (ORDER BY over_at DESC, version DESC) AS n FROM text WHERE url IS NOT NULL
  ) WHERE n > ?2
)";

const FIND_NEXT_END: &str = "\
SELECT min(at) AS n FROM (SELECT min(over_at) AS at FROM text UNION ALL SELECT min(over_at) AS at FROM breaker)";

/// A text as a whole, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Text {
    pub version: u64,
    pub status: u16,
    pub content_type: String,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub n_bytes: u64,
    pub checked_at: u64,
}

impl Text {
    /// Whether the server can be asked if it is this still.
    pub fn has_validator(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }
}

/// What a server answered, without the text.
#[derive(Debug)]
pub struct Answered {
    pub url: String,
    pub status: u16,
    pub content_type: String,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// Whether whoever asks later may get it, too.
    pub is_kept: bool,
}

#[derive(Deserialize)]
struct NumberRow {
    n: Option<u64>,
}

#[derive(Deserialize)]
struct BreakerRow {
    host: String,
    breaker: String,
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

    /// To be called when storage was emptied.
    pub fn forget(&self) {
        self.exist.set(None);
    }

    /// What lies at a URL, as far as it is known.
    pub fn find_text(&self, url: &str) -> Result<Option<Text>> {
        Ok(self.read(FIND_TEXT, vec![url.into()])?.pop())
    }

    /// Takes note that somebody uses a text.
    pub fn touch_text(&self, version: u64, now: u64) -> Result<()> {
        let statement =
            "UPDATE text SET over_at = ?2 WHERE version = ?1 AND url IS NOT NULL AND over_at < ?2 - ?3";
        self.change(statement, vec![number(version)?, number(now + KEEP_UNUSED_MS)?, number(USE_MS)?])
    }

    /// Takes note that the server has this text still. None if it is not here any more.
    pub fn confirm_text(&self, version: u64, now: u64) -> Result<Option<Text>> {
        let values = vec![number(version)?, number(now)?, number(now + KEEP_UNUSED_MS)?];
        Ok(self.read(CONFIRM_TEXT, values)?.pop())
    }

    /// A chunk of a text; none after the last.
    pub fn load_chunk(&self, version: u64, n: i64) -> Result<Option<Vec<u8>>> {
        if !self.exist()? {
            return Ok(None);
        }
        let query = "SELECT bytes FROM chunk WHERE version = ? AND n = ?";
        let cursor = self.sql.exec(query, vec![number(version)?, n.into()])?;
        match cursor.raw().next().transpose()?.and_then(|row| row.into_iter().next()) {
            Some(SqlStorageValue::Blob(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(Error::RustError("a chunk is no bytes".to_owned())),
            None => Ok(None),
        }
    }

    /// Deletes the texts that are over.
    pub fn delete_old_texts(&self, now: u64) -> Result<()> {
        let chunks = "DELETE FROM chunk WHERE version IN (SELECT version FROM text WHERE over_at <= ?)";
        self.change(chunks, vec![number(now)?])?;
        self.change("DELETE FROM text WHERE over_at <= ?", vec![number(now)?])
    }

    /// When the next thing is over; none if there is nothing.
    pub fn find_next_end(&self) -> Result<Option<u64>> {
        self.find_number(FIND_NEXT_END)
    }

    pub fn load_breaker(&self) -> Result<Breaker> {
        let rows: Vec<BreakerRow> = self.read("SELECT host, breaker FROM breaker", Vec::new())?;
        Ok(rows.first().map(|row| serde_json::from_str(&row.breaker)).transpose()?.unwrap_or_default())
    }

    /// Keeps how the host has been answering, unless there is nothing to be said.
    pub fn save_breaker(&self, host: &str, breaker: Breaker, now: u64) -> Result<()> {
        if breaker == Breaker::default() {
            return self.change("DELETE FROM breaker", Vec::new());
        }
        self.create()?;
        let statement = "INSERT OR REPLACE INTO breaker (id, host, breaker, over_at) VALUES (1, ?, ?, ?)";
        let text = serde_json::to_string(&breaker)?;
        self.change(statement, vec![host.into(), text.into(), number(breaker.over_at(now))?])
    }

    /// Forgets how the host was answering, if that is long ago. Whose it was, and what.
    pub fn delete_old_breaker(&self, now: u64) -> Result<Option<(String, Breaker)>> {
        let statement = "DELETE FROM breaker WHERE over_at <= ? RETURNING host, breaker";
        let rows: Vec<BreakerRow> = self.read(statement, vec![number(now)?])?;
        let Some(BreakerRow { host, breaker }) = rows.into_iter().next() else { return Ok(None) };
        Ok(Some((host, serde_json::from_str(&breaker)?)))
    }

    fn begin_text(&self, answered: &Answered, now: u64, over_at: u64) -> Result<u64> {
        self.create()?;
        let last = self.find_number("SELECT max(version) AS n FROM text")?;
        let version = last.map_or(now, |last| now.max(last + 1));
        let values = vec![
            number(version)?,
            i64::from(answered.status).into(),
            answered.content_type.as_str().into(),
            answered.etag.as_deref().into(),
            answered.last_modified.as_deref().into(),
            number(now)?,
            number(over_at)?,
        ];
        self.change(SAVE_TEXT, values)?;
        Ok(version)
    }

    fn save_chunk(&self, version: u64, n: i64, bytes: Vec<u8>) -> Result<()> {
        let statement = "INSERT INTO chunk (version, n, bytes) VALUES (?, ?, ?)";
        self.change(statement, vec![number(version)?, n.into(), bytes.into()])
    }

    /// Has a text take the place of what lay at its URL before. There is no await in here, so nobody can look in
    /// between.
    fn complete_text(&self, version: u64, answered: &Answered, n_bytes: u64, now: u64) -> Result<Text> {
        let replaced_until = now + KEEP_REPLACED_MS;
        let statement = "UPDATE text SET url = NULL, over_at = ?2 WHERE url = ?1";
        self.change(statement, vec![answered.url.as_str().into(), number(replaced_until)?])?;
        let (url, over_at) = match answered.is_kept {
            true => (Some(answered.url.as_str()), now + KEEP_UNUSED_MS),
            false => (None, replaced_until),
        };
        let statement =
            "UPDATE text SET url = ?2, n_bytes = ?3, checked_at = ?4, over_at = ?5 WHERE version = ?1";
        let values = vec![number(version)?, url.into(), number(n_bytes)?, number(now)?, number(over_at)?];
        self.change(statement, values)?;
        let n_kept = self.find_number("SELECT sum(n_bytes) AS n FROM text WHERE url IS NOT NULL")?;
        if n_kept.is_some_and(|n_kept| n_kept > MAX_KEPT_BYTES) {
            self.change(RETIRE_OVERFLOW, vec![number(replaced_until)?, number(MAX_KEPT_BYTES)?])?;
        }
        Ok(Text {
            version,
            status: answered.status,
            content_type: answered.content_type.clone(),
            etag: answered.etag.clone(),
            last_modified: answered.last_modified.clone(),
            n_bytes,
            checked_at: now,
        })
    }

    fn delete_text(&self, version: u64) -> Result<()> {
        self.change("DELETE FROM chunk WHERE version = ?", vec![number(version)?])?;
        self.change("DELETE FROM text WHERE version = ?", vec![number(version)?])
    }

    fn find_number(&self, query: &str) -> Result<Option<u64>> {
        let rows: Vec<NumberRow> = self.read(query, Vec::new())?;
        Ok(rows.first().and_then(|row| row.n))
    }

    /// All rows that a statement gives; none without tables.
    fn read<T: DeserializeOwned>(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<T>> {
        if self.exist()? { self.sql.exec(query, values)?.to_array() } else { Ok(Vec::new()) }
    }

    /// Changes rows, if there are tables.
    fn change(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<()> {
        if self.exist()? { self.sql.exec(statement, values).map(drop) } else { Ok(()) }
    }

    fn create(&self) -> Result<()> {
        if !self.exist()? {
            self.sql.exec(TABLES, None)?;
            self.exist.set(Some(true));
        }
        Ok(())
    }

    fn exist(&self) -> Result<bool> {
        if let Some(exist) = self.exist.get() {
            return Ok(exist);
        }
        let query = "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name = 'text'";
        let row: NumberRow = self.sql.exec(query, None)?.one()?;
        self.exist.set(Some(row.n != Some(0)));
        Ok(row.n != Some(0))
    }
}

/// A text that is being written. Unless it is completed, what was written of it goes with it.
pub struct Draft {
    tables: Rc<Tables>,
    version: u64,
    answered: Answered,
    /// What is not written yet.
    chunk: Vec<u8>,
    n_chunks: i64,
    n_bytes: u64,
    is_complete: bool,
}

impl Draft {
    /// Begins a text. If the object is lost meanwhile, what was written of it is over at `over_at`.
    pub fn begin(tables: Rc<Tables>, answered: Answered, now: u64, over_at: u64) -> Result<Self> {
        let version = tables.begin_text(&answered, now, over_at)?;
        Ok(Self { tables, version, answered, chunk: Vec::new(), n_chunks: 0, n_bytes: 0, is_complete: false })
    }

    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Takes the next bytes, few at a time.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if self.chunk.len() + bytes.len() > CHUNK_BYTES {
            self.flush()?;
        }
        self.chunk.extend_from_slice(bytes);
        self.n_bytes += bytes.len() as u64;
        Ok(())
    }

    /// The text is there as a whole.
    pub fn complete(mut self, now: u64) -> Result<Text> {
        self.flush()?;
        let text = self.tables.complete_text(self.version, &self.answered, self.n_bytes, now)?;
        self.is_complete = true;
        Ok(text)
    }

    fn flush(&mut self) -> Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        self.tables.save_chunk(self.version, self.n_chunks, std::mem::take(&mut self.chunk))?;
        self.n_chunks += 1;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.is_complete {
            return;
        }
        if let Err(error) = self.tables.delete_text(self.version) {
            // Then the alarm does it.
            console_error!("source host: what broke off is not deleted: {error}");
        }
    }
}

fn number(value: u64) -> Result<SqlStorageValue> {
    SqlStorageValue::try_from_i64(i64::try_from(value).unwrap_or(i64::MAX))
}
