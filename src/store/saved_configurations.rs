//! D1: configurations that users keep for themselves. Whatever names one also names its user.

use limits::UserId;
use serde::Deserialize;
use serde_json::Value;
use worker::{D1Database, Result};

use super::users::{number, text};

/// A configuration that a user keeps, without the configuration itself.
#[derive(Debug, Deserialize)]
pub struct Saved {
    /// A UUID.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// What the user says of it.
    pub description: Option<String>,
    /// In milliseconds since 1970.
    pub created_at: u64,
    /// In milliseconds since 1970.
    pub updated_at: u64,
}

/// Keeps a configuration, unless its user has `most` already or was deleted meanwhile. Returns whether it did.
///
/// # Errors
/// If D1 can't be asked.
pub async fn save_configuration(
    database: &D1Database,
    owner: UserId,
    new: &Saved,
    configuration: &str,
    most: u64,
) -> Result<bool> {
    // One statement counts and writes, so that of many at once no more are kept.
    let insert = database
        .prepare(
            "INSERT INTO saved_configuration (id, user_id, name, description, created_at, updated_at, configuration) \
             SELECT ?1, users.id, ?3, ?4, ?5, ?6, ?7 FROM users \
             WHERE users.id = ?2 AND (SELECT count(*) FROM saved_configuration WHERE user_id = ?2) < ?8 \
             RETURNING id",
        )
        .bind(&[
            new.id.as_str().into(),
            owner.to_string().into(),
            new.name.as_str().into(),
            text(new.description.as_deref()),
            number(new.created_at),
            number(new.updated_at),
            configuration.into(),
            number(most),
        ])?;
    Ok(insert.first::<Value>(None).await?.is_some())
}

/// What a user keeps, the newest first.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_saved(database: &D1Database, owner: UserId) -> Result<Vec<Saved>> {
    // Of those saved within one millisecond, the row ids tell the order.
    let query = database
        .prepare(
            "SELECT id, name, description, created_at, updated_at FROM saved_configuration \
             WHERE user_id = ? ORDER BY created_at DESC, rowid DESC",
        )
        .bind(&[owner.to_string().into()])?;
    query.all().await?.results::<Saved>()
}

/// What this user keeps under this id, and the configuration itself.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_one_saved(
    database: &D1Database,
    owner: UserId,
    id: &str,
) -> Result<Option<(Saved, String)>> {
    #[derive(Deserialize)]
    struct Whole {
        #[serde(flatten)]
        saved: Saved,
        configuration: String,
    }

    let query = database
        .prepare(
            "SELECT id, name, description, created_at, updated_at, configuration FROM saved_configuration \
             WHERE id = ? AND user_id = ?",
        )
        .bind(&[id.into(), owner.to_string().into()])?;
    Ok(query.first::<Whole>(None).await?.map(|found| (found.saved, found.configuration)))
}

/// Deletes what this user keeps under this id. Returns whether there was anything.
///
/// # Errors
/// If D1 can't be asked.
pub async fn delete_saved(database: &D1Database, owner: UserId, id: &str) -> Result<bool> {
    let delete = database
        .prepare("DELETE FROM saved_configuration WHERE id = ? AND user_id = ? RETURNING id")
        .bind(&[id.into(), owner.to_string().into()])?;
    Ok(delete.first::<Value>(None).await?.is_some())
}
