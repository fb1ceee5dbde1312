//! D1: records that are not on a request's way.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use worker::{D1Database, Result};

/// The newest row of `deployment_history`, as clients are told of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Told beside this record, because it is there even without one.
    #[serde(skip)]
    pub version: String,
    build_number: u32,
    full_version: String,
    git_commit: String,
    git_branch: String,
    deployed_at: String,
    deployed_by: String,
    status: String,
    metadata: Value,
}

#[derive(Deserialize)]
struct DeploymentRow {
    version: String,
    build_number: u32,
    full_version: String,
    git_commit: String,
    git_branch: String,
    deployed_at: String,
    deployed_by: String,
    status: String,
    metadata: Option<String>,
}

/// The newest deployment, if one was ever recorded.
///
/// # Errors
/// If D1 can't be asked or has no such table.
pub async fn load_latest_deployment(database: &D1Database) -> Result<Option<Deployment>> {
    let query = database.prepare(
        "SELECT version, build_number, full_version, git_commit, git_branch, deployed_at, deployed_by, status, metadata \
         FROM deployment_history ORDER BY deployed_at DESC, build_number DESC LIMIT 1",
    );
    let Some(row) = query.first::<DeploymentRow>(None).await? else { return Ok(None) };
    let metadata = row.metadata.as_deref().map(serde_json::from_str).transpose()?;
    Ok(Some(Deployment {
        version: row.version,
        build_number: row.build_number,
        full_version: row.full_version,
        git_commit: row.git_commit,
        git_branch: row.git_branch,
        deployed_at: row.deployed_at,
        deployed_by: row.deployed_by,
        status: row.status,
        metadata: metadata.unwrap_or(Value::Null),
    }))
}

#[derive(Deserialize)]
struct CountRow {
    n: u32,
}

/// Number of tables: the smallest query that proves that the schema is there.
///
/// # Errors
/// If D1 can't be asked.
pub async fn count_tables(database: &D1Database) -> Result<u32> {
    let query = database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE type = 'table'");
    Ok(query.first::<CountRow>(None).await?.map_or(0, |row| row.n))
}
