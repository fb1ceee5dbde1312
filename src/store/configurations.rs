//! D1: configurations that were made to be downloaded.

use limits::UnixMillis;
use serde::Deserialize;
use serde_json::Value;
use worker::{D1Database, D1Type, Result};

/// Expired ones that leave with every new one: more than come, so that none stays for long.
const REMOVED_AT_A_TIME: u32 = 20;

/// A configuration that was made to be downloaded.
#[derive(Debug)]
pub struct Created {
    /// The configuration.
    pub configuration: Value,
    /// `json` or `yaml`.
    pub format: String,
}

#[derive(Deserialize)]
struct Row {
    configuration: String,
    format: String,
}

/// Keeps a configuration until `expires_at`.
///
/// # Errors
/// If D1 can't be asked.
pub async fn save_created(
    database: &D1Database,
    id: &str,
    configuration: &str,
    format: &str,
    now: UnixMillis,
    expires_at: UnixMillis,
) -> Result<()> {
    let remove = database.prepare(
        "DELETE FROM created_configurations WHERE id IN \
         (SELECT id FROM created_configurations WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    );
    #[allow(clippy::cast_precision_loss)] // Milliseconds since 1970 are far below 2^53.
    let remove = remove.bind_refs(&[D1Type::Real(now.0 as f64), D1Type::Real(REMOVED_AT_A_TIME.into())])?;
    let insert = database.prepare(
        "INSERT INTO created_configurations (id, configuration, format, expires_at) VALUES (?1, ?2, ?3, ?4)",
    );
    #[allow(clippy::cast_precision_loss)]
    let insert = insert.bind_refs(&[
        D1Type::Text(id),
        D1Type::Text(configuration),
        D1Type::Text(format),
        D1Type::Real(expires_at.0 as f64),
    ])?;
    for result in database.batch(vec![remove, insert]).await? {
        if let Some(error) = result.error() {
            return Err(worker::Error::RustError(error));
        }
    }
    Ok(())
}

/// The configuration with this id, unless there is none or its time is over.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_created(database: &D1Database, id: &str, now: UnixMillis) -> Result<Option<Created>> {
    let query = database.prepare(
        "SELECT configuration, format FROM created_configurations WHERE id = ?1 AND expires_at > ?2",
    );
    #[allow(clippy::cast_precision_loss)]
    let query = query.bind_refs(&[D1Type::Text(id), D1Type::Real(now.0 as f64)])?;
    let Some(row) = query.first::<Row>(None).await? else { return Ok(None) };
    Ok(Some(Created { configuration: serde_json::from_str(&row.configuration)?, format: row.format }))
}
