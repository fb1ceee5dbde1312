//! The tables of a job's object, and every statement that touches them.

use std::cell::Cell;

use serde::Deserialize;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

use super::progress::Kept;
use super::wire::Work;

const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS job (
  id   INTEGER PRIMARY KEY CHECK (id = 1), -- there is one row
  kept TEXT NOT NULL                       -- a JSON object: everything but the request, as progress::Kept tells
);
CREATE TABLE IF NOT EXISTS request (
  n     INTEGER PRIMARY KEY,               -- counts the pieces, from 0
  bytes BLOB NOT NULL                      -- a piece of the request, which is JSON
)";

/// Bytes of a piece: 1 MiB. The platform's bound of a row is 2 MB.
const PIECE_BYTES: usize = 1024 * 1024;

#[derive(Deserialize)]
struct JobRow {
    kept: String,
}

#[derive(Deserialize)]
struct CountRow {
    n: u32,
}

/// The object's tables. They come with the job: an object that is only asked stores nothing.
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

    /// The job, if there is one.
    pub fn load(&self) -> Result<Option<Kept>> {
        if !self.exist()? {
            return Ok(None);
        }
        let rows: Vec<JobRow> = self.sql.exec("SELECT kept FROM job", None)?.to_array()?;
        Ok(rows.first().map(|row| serde_json::from_str(&row.kept)).transpose()?)
    }

    /// Writes down where the job is.
    pub fn save(&self, kept: &Kept) -> Result<()> {
        if !self.exist()? {
            self.sql.exec(TABLES, None)?;
            self.exist.set(Some(true));
        }
        let statement = "INSERT OR REPLACE INTO job (id, kept) VALUES (1, ?)";
        self.sql.exec(statement, vec![serde_json::to_string(kept)?.into()]).map(drop)
    }

    /// What the job was asked for.
    pub fn load_request(&self) -> Result<Work> {
        let mut text = Vec::new();
        for row in self.sql.exec("SELECT bytes FROM request ORDER BY n", None)?.raw() {
            match row?.into_iter().next() {
                Some(SqlStorageValue::Blob(mut bytes)) => text.append(&mut bytes),
                _ => return Err(Error::RustError("a piece of a request is no bytes".to_owned())),
            }
        }
        Ok(serde_json::from_slice(&text)?)
    }

    /// Writes down what the job is asked for. The job was saved before.
    pub fn save_request(&self, work: &Work) -> Result<()> {
        for (n, piece) in (0_i64..).zip(serde_json::to_vec(work)?.chunks(PIECE_BYTES)) {
            let values = vec![n.into(), piece.to_vec().into()];
            self.sql.exec("INSERT INTO request (n, bytes) VALUES (?, ?)", values)?;
        }
        Ok(())
    }

    /// Once a job has ended nobody needs to know what it was asked for.
    pub fn delete_request(&self) -> Result<()> {
        self.sql.exec("DELETE FROM request", None).map(drop)
    }

    fn exist(&self) -> Result<bool> {
        if let Some(exist) = self.exist.get() {
            return Ok(exist);
        }
        let query = "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name = 'job'";
        let row: CountRow = self.sql.exec(query, None)?.one()?;
        self.exist.set(Some(row.n > 0));
        Ok(row.n > 0)
    }
}
