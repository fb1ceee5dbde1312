//! The tables of a list's object, and every statement that touches them.

use std::cell::Cell;

use compiler::Compiled;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

use super::wire::Made;

/// Instants are milliseconds since 1970.
const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS version (
  id          INTEGER PRIMARY KEY, -- when the list was made; later than that of all versions before
  made        TEXT NOT NULL,       -- what is told of it, as JSON, without the report
  fresh_until INTEGER NOT NULL,    -- until then it is answered with
  kept_until  INTEGER NOT NULL     -- until then it is kept
);
CREATE TABLE IF NOT EXISTS chunk (
  version INTEGER NOT NULL,        -- version.id
  part    INTEGER NOT NULL,        -- 0 rules, as the inside of a JSON array; 1 the report, as JSON
  n       INTEGER NOT NULL,        -- counts the chunks of a part, from 0
  bytes   BLOB NOT NULL,           -- some 1 MiB; the platform's bound of a row is 2 MB
  PRIMARY KEY (version, part, n)
)";

const CHUNK_BYTES: usize = 1024 * 1024;
/// What is left free for the line that fills a chunk.
const LINE_BYTES: usize = 16 * 1024;
const RULES: i64 = 0;
const REPORT: i64 = 1;

#[derive(Deserialize)]
struct VersionRow {
    made: String,
}

#[derive(Deserialize)]
struct NumberRow {
    n: Option<u64>,
}

/// The object's tables. They come with the first list.
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

    /// The version to answer with at this instant.
    pub fn find_fresh(&self, now: u64) -> Result<Option<u64>> {
        self.find("SELECT max(id) AS n FROM version WHERE fresh_until > ?", &[now])
    }

    /// The last version before another.
    pub fn find_before(&self, version: u64) -> Result<Option<u64>> {
        self.find("SELECT max(id) AS n FROM version WHERE id < ?", &[version])
    }

    /// When the first version is over.
    pub fn find_next_end(&self) -> Result<Option<u64>> {
        self.find("SELECT min(max(fresh_until, kept_until)) AS n FROM version", &[])
    }

    /// What is told of a version.
    pub fn load_made(&self, version: u64) -> Result<Option<Made>> {
        let query = "SELECT made FROM version WHERE id = ?";
        let rows: Vec<VersionRow> = self.read(query, &[version])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut made: Made = serde_json::from_str(&row.made)?;
        let mut report = Vec::new();
        for n in 0.. {
            let Some(bytes) = self.load_chunk(version, REPORT, n)? else { break };
            report.extend_from_slice(&bytes);
        }
        if !report.is_empty() {
            made.report = serde_json::from_slice(&report)?;
        }
        Ok(Some(made))
    }

    /// A chunk of the rules of a version; none after the last.
    pub fn load_rules(&self, version: u64, n: i64) -> Result<Option<Vec<u8>>> {
        self.load_chunk(version, RULES, n)
    }

    /// Writes a list down and returns its version. There is no await in here, so all of it is written or nothing.
    pub fn save(
        &self,
        mut made: Made,
        compiled: &Compiled,
        now: u64,
        fresh_until: u64,
        kept_until: u64,
    ) -> Result<u64> {
        if !self.exist()? {
            self.sql.exec(TABLES, None)?;
            self.exist.set(Some(true));
        }
        let last = self.find("SELECT max(id) AS n FROM version", &[])?;
        let version = last.map_or(now, |last| now.max(last + 1));
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let (mut n_chunks, mut n_bytes) = (0, 0);
        for (n, line) in compiled.lines().enumerate() {
            if n > 0 {
                chunk.push(b',');
            }
            serde_json::to_writer(&mut chunk, line)?;
            // Most lines are short, so most chunks are within the bound as they are.
            if chunk.len() >= CHUNK_BYTES - LINE_BYTES {
                n_bytes += chunk.len();
                self.save_chunks(version, RULES, &mut n_chunks, std::mem::take(&mut chunk))?;
            }
        }
        n_bytes += chunk.len();
        self.save_chunks(version, RULES, &mut n_chunks, chunk)?;
        if let Some(report) = made.report.take() {
            self.save_chunks(version, REPORT, &mut 0, serde_json::to_vec(&report)?)?;
        }
        made.version = version;
        made.n_bytes = n_bytes as u64;
        let statement = "INSERT INTO version (id, made, fresh_until, kept_until) VALUES (?, ?, ?, ?)";
        let values = vec![
            number(version)?,
            serde_json::to_string(&made)?.into(),
            number(fresh_until)?,
            number(kept_until)?,
        ];
        self.sql.exec(statement, values)?;
        Ok(version)
    }

    /// Keeps a version until then at least.
    pub fn keep(&self, version: u64, until: u64) -> Result<()> {
        // Written only if it changes something: most who ask want no more than there is.
        let statement = "UPDATE version SET kept_until = ?2 WHERE id = ?1 AND kept_until < ?2";
        self.sql.exec(statement, vec![number(version)?, number(until)?]).map(drop)
    }

    /// Deletes what is over. Returns whether nothing is left.
    pub fn delete_old(&self, now: u64) -> Result<bool> {
        if !self.exist()? {
            return Ok(true);
        }
        for statement in [
            "DELETE FROM chunk WHERE version IN (SELECT id FROM version WHERE max(fresh_until, kept_until) <= ?)",
            "DELETE FROM version WHERE max(fresh_until, kept_until) <= ?",
        ] {
            self.sql.exec(statement, vec![number(now)?])?;
        }
        Ok(self.find("SELECT max(id) AS n FROM version", &[])?.is_none())
    }

    /// Writes bytes as chunks, each within the bound of a row.
    fn save_chunks(&self, version: u64, part: i64, n: &mut i64, bytes: Vec<u8>) -> Result<()> {
        let statement = "INSERT INTO chunk (version, part, n, bytes) VALUES (?, ?, ?, ?)";
        let mut save = |piece: Vec<u8>| {
            let values = vec![number(version)?, part.into(), (*n).into(), piece.into()];
            *n += 1;
            self.sql.exec(statement, values).map(drop)
        };
        match bytes.len() {
            0 => Ok(()),
            1..=CHUNK_BYTES => save(bytes),
            _ => bytes.chunks(CHUNK_BYTES).try_for_each(|piece| save(piece.to_vec())),
        }
    }

    fn load_chunk(&self, version: u64, part: i64, n: i64) -> Result<Option<Vec<u8>>> {
        if !self.exist()? {
            return Ok(None);
        }
        let query = "SELECT bytes FROM chunk WHERE version = ? AND part = ? AND n = ?";
        let cursor = self.sql.exec(query, vec![number(version)?, part.into(), n.into()])?;
        match cursor.raw().next().transpose()?.and_then(|row| row.into_iter().next()) {
            Some(SqlStorageValue::Blob(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(Error::RustError("a chunk is no bytes".to_owned())),
            None => Ok(None),
        }
    }

    fn find(&self, query: &str, values: &[u64]) -> Result<Option<u64>> {
        let rows: Vec<NumberRow> = self.read(query, values)?;
        Ok(rows.first().and_then(|row| row.n))
    }

    fn read<T: DeserializeOwned>(&self, query: &str, values: &[u64]) -> Result<Vec<T>> {
        if !self.exist()? {
            return Ok(Vec::new());
        }
        let values = values.iter().map(|value| number(*value)).collect::<Result<Vec<_>>>()?;
        self.sql.exec(query, values)?.to_array()
    }

    fn exist(&self) -> Result<bool> {
        if let Some(exist) = self.exist.get() {
            return Ok(exist);
        }
        let query = "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name = 'version'";
        let row: NumberRow = self.sql.exec(query, None)?.one()?;
        self.exist.set(Some(row.n != Some(0)));
        Ok(row.n != Some(0))
    }
}

fn number(value: u64) -> Result<SqlStorageValue> {
    SqlStorageValue::try_from_i64(i64::try_from(value).unwrap_or(i64::MAX))
}
