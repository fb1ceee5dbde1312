//! D1: what was mailed to somebody and waits to come back. Each row counts once: whoever takes it away in one
//! statement has it, so of several who try at once exactly one does.

use limits::UserId;
use serde::Deserialize;
use worker::{D1Database, Error, Result};

use super::accounts::save_password_if;
use super::users::number;

/// Most rows that wait for one user: so many mails are lost in a spam folder before somebody finds the last one.
const MAX_WAITING: u32 = 5;

#[derive(Deserialize)]
struct WaitingRow {
    value: String,
}

impl WaitingRow {
    fn user(&self) -> Result<UserId> {
        let id = self.value.parse();
        id.map_err(|error: limits::NotAUserId| Error::RustError(format!("verification.value: {error}")))
    }
}

/// Has something wait for a user until `expires_at`. Returns false if enough waits already or the user is gone.
///
/// # Errors
/// If D1 can't be asked.
pub async fn save(
    database: &D1Database,
    identifier: &str,
    user: UserId,
    expires_at: u64,
    now: u64,
) -> Result<bool> {
    let insert = database
        .prepare(
            "INSERT INTO verification (id, identifier, value, expires_at, created_at) \
             SELECT lower(hex(randomblob(16))), ?1, id, ?3, ?4 FROM users WHERE id = ?2 \
               AND (SELECT count(*) FROM verification WHERE value = ?2 AND expires_at > ?4) < ?5 \
             RETURNING value",
        )
        .bind(&[
            identifier.into(),
            user.to_string().into(),
            number(expires_at),
            number(now),
            MAX_WAITING.into(),
        ])?;
    Ok(insert.first::<WaitingRow>(None).await?.is_some())
}

/// Whom something waits for, if it still does. It stays.
///
/// # Errors
/// If D1 can't be asked.
pub async fn find(database: &D1Database, identifier: &str, now: u64) -> Result<Option<UserId>> {
    let query = database
        .prepare("SELECT value FROM verification WHERE identifier = ? AND expires_at > ?")
        .bind(&[identifier.into(), number(now)])?;
    query.first::<WaitingRow>(None).await?.map(|row| row.user()).transpose()
}

/// Takes away what waits for this user. Returns whether it did.
///
/// # Errors
/// If D1 can't be asked.
pub async fn take(database: &D1Database, identifier: &str, user: UserId, now: u64) -> Result<bool> {
    let delete = database
        .prepare(
            "DELETE FROM verification WHERE identifier = ? AND value = ? AND expires_at > ? RETURNING value",
        )
        .bind(&[identifier.into(), user.to_string().into(), number(now)])?;
    Ok(delete.first::<WaitingRow>(None).await?.is_some())
}

/// Takes away what waits and sets its user's password, both or neither. Returns the user; none if nothing waited.
///
/// # Errors
/// If D1 can't be asked; it still waits then.
pub async fn reset_password(
    database: &D1Database,
    identifier: &str,
    account_id: &str,
    password: &str,
    now: u64,
) -> Result<Option<UserId>> {
    let save = save_password_if(database, identifier, account_id, password, now)?;
    let take = database
        .prepare("DELETE FROM verification WHERE identifier = ? AND expires_at > ? RETURNING value")
        .bind(&[identifier.into(), number(now)])?;
    let results = database.batch(vec![save, take]).await?;
    let rows: Vec<WaitingRow> =
        results.last().map(|result| result.results()).transpose()?.unwrap_or_default();
    rows.first().map(WaitingRow::user).transpose()
}

/// Forgets what came back to nobody in time.
///
/// # Errors
/// If D1 can't be asked.
pub async fn delete_expired(database: &D1Database, now: u64) -> Result<()> {
    let statement =
        database.prepare("DELETE FROM verification WHERE expires_at <= ?").bind(&[number(now)])?;
    statement.run().await.map(drop)
}
