//! D1: the service's own small records, which admins see and clear, and the queries that admins write themselves.
//!
//! What changes something is written into the audit in the same step.

use std::fmt;

use limits::UnixMillis;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use worker::{D1Database, D1PreparedStatement, D1Result, Result};

use super::users::{number, rows};
use crate::routes::admin::read_only::ReadOnly;

/// Rows that a query of an admin's is answered with, at most.
pub const MAX_ROWS: usize = 1_000;
/// Rows of each table in an export, at most.
const EXPORTED_ENTRIES: u32 = 1_000;
const EXPORTED_SOURCES: u32 = 100;
const EXPORTED_COMPILES: u32 = 100;

/// What the audit has in place of an identity.
const SUBJECT: &str = "storage";

/// Tables that are neither SQLite's nor the platform's.
const OWN: &str = "name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' AND name NOT GLOB 'd1_*'";

/// What an admin does, as the audit has it.
#[derive(Debug)]
pub struct Deed<'a> {
    /// Of the deed.
    pub id: &'a str,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Who does it.
    pub author: &'a str,
    /// What is done.
    pub action: &'static str,
    /// What was asked for: a JSON object.
    pub details: Value,
}

/// Numbers of rows.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stats {
    /// Of `storage_entries`.
    pub storage_entries: u32,
    /// Of `filter_cache`.
    pub filter_cache: u32,
    /// Of `compilation_metadata`.
    pub compilation_metadata: u32,
    /// Of `storage_entries`, those whose time is over.
    pub expired_storage: u32,
    /// Of `filter_cache`, those whose time is over.
    pub expired_cache: u32,
    /// Tables that are neither SQLite's nor the platform's; told beside the rows.
    #[serde(skip_serializing)]
    pub n_tables: u32,
}

/// A row of `storage_entries`.
#[derive(Debug, Serialize, Deserialize)]
pub struct StorageEntry {
    key: String,
    value: String,
    created_at: u64,
    expires_at: Option<u64>,
}

/// A row of `filter_cache`.
#[derive(Debug, Serialize, Deserialize)]
pub struct CachedSource {
    source: String,
    content_hash: String,
    n_bytes: u64,
    fetched_at: u64,
    expires_at: u64,
}

/// A row of `compilation_metadata`.
#[derive(Debug, Serialize, Deserialize)]
pub struct CompileNote {
    id: u64,
    config_name: String,
    rule_count: u64,
    duration_ms: u64,
    compiled_at: u64,
}

/// The newest rows of each table.
#[derive(Debug, Serialize)]
pub struct Export {
    /// At most 1,000.
    pub storage_entries: Vec<StorageEntry>,
    /// At most 100.
    pub filter_cache: Vec<CachedSource>,
    /// At most 100.
    pub compilation_metadata: Vec<CompileNote>,
}

/// A table or view.
#[derive(Debug, Serialize, Deserialize)]
pub struct Table {
    name: String,
    r#type: String,
}

/// A row of whatever an admin asked for: columns with their values, in order.
#[derive(Debug)]
pub struct Row(Vec<(String, Value)>);

impl Row {
    /// Names of the columns.
    pub fn columns(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Columns;

        impl<'de> Visitor<'de> for Columns {
            type Value = Row;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Row, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry::<String, Value>()? {
                    columns.push(column);
                }
                Ok(Row(columns))
            }
        }

        deserializer.deserialize_map(Columns)
    }
}

/// What came of a query of an admin's.
#[derive(Debug)]
pub struct Found {
    /// At most [`MAX_ROWS`].
    pub rows: Vec<Row>,
    /// Whether there were more.
    pub is_cut: bool,
    /// How long it took D1, in milliseconds, if D1 says so.
    pub duration_ms: Option<f64>,
    /// Rows that D1 had to read for it, if D1 says so.
    pub n_read: Option<usize>,
}

/// Why a query of an admin's has no answer.
#[derive(Debug)]
pub enum QueryError {
    /// SQLite does not take the statement: its message.
    Statement(String),
    /// D1 can't be asked.
    Store(worker::Error),
}

/// Counts everything.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_stats(database: &D1Database, now: UnixMillis) -> Result<Stats> {
    let query = database
        .prepare(format!(
            "SELECT (SELECT count(*) FROM storage_entries) AS storage_entries, \
             (SELECT count(*) FROM filter_cache) AS filter_cache, \
             (SELECT count(*) FROM compilation_metadata) AS compilation_metadata, \
             (SELECT count(*) FROM storage_entries WHERE expires_at <= ?1) AS expired_storage, \
             (SELECT count(*) FROM filter_cache WHERE expires_at <= ?1) AS expired_cache, \
             (SELECT count(*) FROM sqlite_master WHERE type = 'table' AND {OWN}) AS n_tables"
        ))
        .bind(&[number(now.0)])?;
    query.first::<Stats>(None).await?.ok_or_else(|| worker::Error::from("counts are one row"))
}

/// Deletes whatever has had its time; returns how many rows that was.
///
/// # Errors
/// If D1 can't be asked; nothing has changed then.
pub async fn clear_expired(database: &D1Database, deed: &Deed<'_>) -> Result<usize> {
    let delete = |statement: &str| database.prepare(statement).bind(&[number(deed.at)]);
    let deletions = vec![
        delete("DELETE FROM storage_entries WHERE expires_at <= ?1")?,
        delete("DELETE FROM filter_cache WHERE expires_at <= ?1")?,
        delete("DELETE FROM created_configurations WHERE expires_at <= ?1")?,
    ];
    change(database, deed, deletions).await
}

/// Forgets all that is known of sources; returns of how many that was.
///
/// # Errors
/// If D1 can't be asked; nothing has changed then.
pub async fn clear_cache(database: &D1Database, deed: &Deed<'_>) -> Result<usize> {
    change(database, deed, vec![database.prepare("DELETE FROM filter_cache")]).await
}

/// Has SQLite bring its statistics up to date. It does not shrink the database: D1 refuses `VACUUM`.
///
/// # Errors
/// If D1 can't be asked.
pub async fn optimize(database: &D1Database, deed: &Deed<'_>) -> Result<()> {
    change(database, deed, vec![database.prepare("PRAGMA optimize")]).await.map(drop)
}

/// The newest rows of each table.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_export(database: &D1Database) -> Result<Export> {
    let newest = |statement: &str, n: u32| database.prepare(statement).bind(&[n.into()]);
    let queries = vec![
        newest(
            "SELECT key, value, created_at, expires_at FROM storage_entries ORDER BY created_at DESC, key LIMIT ?1",
            EXPORTED_ENTRIES,
        )?,
        newest(
            "SELECT source, content_hash, n_bytes, fetched_at, expires_at FROM filter_cache \
             ORDER BY fetched_at DESC, source LIMIT ?1",
            EXPORTED_SOURCES,
        )?,
        newest(
            "SELECT id, config_name, rule_count, duration_ms, compiled_at FROM compilation_metadata \
             ORDER BY compiled_at DESC, id DESC LIMIT ?1",
            EXPORTED_COMPILES,
        )?,
    ];
    let results = database.batch(queries).await?;
    Ok(Export {
        storage_entries: rows(results.first())?,
        filter_cache: rows(results.get(1))?,
        compilation_metadata: rows(results.get(2))?,
    })
}

/// Tables and views that are neither SQLite's nor the platform's.
///
/// # Errors
/// If D1 can't be asked.
pub async fn list_tables(database: &D1Database) -> Result<Vec<Table>> {
    let query = database.prepare(format!(
        "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND {OWN} ORDER BY name"
    ));
    query.all().await?.results()
}

/// Runs a statement that an admin wrote. The audit has it before it runs: what was read can't be taken back.
///
/// # Errors
/// If SQLite does not take the statement, or D1 can't be asked.
pub async fn query(
    database: &D1Database,
    deed: &Deed<'_>,
    statement: ReadOnly<'_>,
) -> std::result::Result<Found, QueryError> {
    let note = note(database, deed).map_err(QueryError::Store)?;
    note.run().await.map_err(QueryError::Store)?;
    // The one place where SQL is put together from what somebody sent. Elsewhere it would be a hole; here the
    // statement itself is what was sent, and `ReadOnly` proves that it can neither write nor leave its parentheses.
    // It may end in a comment, which ends with the line.
    let wrapped = format!("SELECT * FROM (\n{}\n) LIMIT ?1", statement.as_str());
    let n = u32::try_from(MAX_ROWS + 1).unwrap_or(u32::MAX);
    let query = database.prepare(wrapped).bind(&[n.into()]).map_err(QueryError::Store)?;
    let result = query.all().await.map_err(of_statement)?;
    let mut rows = result.results::<Row>().map_err(QueryError::Store)?;
    let meta = result.meta().map_err(QueryError::Store)?;
    let is_cut = rows.len() > MAX_ROWS;
    rows.truncate(MAX_ROWS);
    Ok(Found {
        rows,
        is_cut,
        duration_ms: meta.as_ref().and_then(|meta| meta.duration),
        n_read: meta.as_ref().and_then(|meta| meta.rows_read),
    })
}

/// Codes of SQLite's that say that a statement is to blame, and not the database.
const BLAMED: [&str; 4] = ["SQLITE_ERROR", "SQLITE_AUTH", "SQLITE_TOOBIG", "SQLITE_MISMATCH"];

fn of_statement(error: worker::Error) -> QueryError {
    let message = match &error {
        worker::Error::UnknownJsError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    if !BLAMED.iter().any(|code| message.contains(code)) {
        return QueryError::Store(error);
    }
    QueryError::Statement(message.strip_prefix("D1_ERROR: ").unwrap_or(&message).to_owned())
}

/// Runs statements together with the deed's row in the audit; returns how many rows they changed.
async fn change(
    database: &D1Database,
    deed: &Deed<'_>,
    mut statements: Vec<D1PreparedStatement>,
) -> Result<usize> {
    // The last, so that the results before it are those of the statements.
    statements.push(note(database, deed)?);
    let results = database.batch(statements).await?;
    let (_, results) = results.split_last().ok_or_else(|| worker::Error::from("a batch without results"))?;
    results.iter().map(n_changed).sum()
}

fn n_changed(result: &D1Result) -> Result<usize> {
    if let Some(error) = result.error() {
        return Err(worker::Error::RustError(error));
    }
    Ok(result.meta()?.and_then(|meta| meta.changes).unwrap_or(0))
}

/// The deed's row in the audit.
fn note(database: &D1Database, deed: &Deed<'_>) -> Result<D1PreparedStatement> {
    database
        .prepare(
            "INSERT INTO limit_audit (id, asked_at, identity, author, action, details, outcome) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'done')",
        )
        .bind(&[
            deed.id.into(),
            number(deed.at),
            SUBJECT.into(),
            deed.author.into(),
            deed.action.into(),
            deed.details.to_string().into(),
        ])
}
