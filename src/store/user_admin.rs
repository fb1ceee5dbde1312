//! D1: what admins do to users. Every change and its row in the audit are written in one step.

use limits::{Identity, UserId};
use serde::Deserialize;
use serde_json::Value;
use worker::wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement, D1Result, Result};

use super::users::{self, USER_COLUMNS, User, UserRow, number, rows};

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
    /// To whom.
    pub user: UserId,
}

/// A suspension.
#[derive(Debug)]
pub struct Ban {
    /// Why.
    pub reason: Option<String>,
    /// Until when, in milliseconds since 1970; for ever if none.
    pub expires_at: Option<u64>,
}

/// Which users are listed. What is none does not matter.
#[derive(Debug)]
pub struct Filter {
    /// Of this tier.
    pub tier: Option<String>,
    /// With this role among theirs.
    pub role: Option<String>,
    /// With this in their address or name, in lower case.
    pub search: Option<String>,
}

/// A user's state in the audit. Names and addresses are not part of it: it stays when the user is gone.
const STATE: &str = "json_object('tier', tier, 'role', role, 'banned', json(iif(banned, 'true', 'false')), \
     'banReason', ban_reason, 'banExpiresAt', ban_expires_at)";

const MATCHES: &str = "(?1 IS NULL OR tier = ?1) AND (?2 IS NULL OR instr(',' || role || ',', ',' || ?2 || ',') > 0) \
     AND (?3 IS NULL OR instr(lower(email), ?3) > 0 OR instr(lower(display_name), ?3) > 0)";

#[derive(Deserialize)]
struct CountRow {
    n: u32,
}

/// So many users from `offset` on, the newest first, and how many there are.
///
/// # Errors
/// If D1 can't be asked.
pub async fn list_users(
    database: &D1Database,
    filter: &Filter,
    limit: u32,
    offset: u32,
) -> Result<(Vec<User>, u32)> {
    let [tier, role, search] = [&filter.tier, &filter.role, &filter.search]
        .map(|text| text.as_deref().map_or(JsValue::NULL, JsValue::from_str));
    let count = database.prepare(format!("SELECT count(*) AS n FROM users WHERE {MATCHES}")).bind(&[
        tier.clone(),
        role.clone(),
        search.clone(),
    ])?;
    let page = database
        .prepare(format!(
            "SELECT {USER_COLUMNS} FROM users WHERE {MATCHES} ORDER BY created_at DESC, id LIMIT ?4 OFFSET ?5"
        ))
        .bind(&[tier, role, search, limit.into(), offset.into()])?;
    let results = database.batch(vec![count, page]).await?;
    let total = rows::<CountRow>(results.first())?.first().map_or(0, |row| row.n);
    let users = rows::<UserRow>(results.last())?.into_iter().map(User::try_from).collect::<Result<_>>()?;
    Ok((users, total))
}

/// Makes a user without a way to sign in; none if the address is somebody's.
///
/// # Errors
/// If D1 can't be asked; nothing has changed then.
pub async fn create_user(
    database: &D1Database,
    deed: &Deed<'_>,
    email: &str,
    name: Option<&str>,
    role: &str,
) -> Result<Option<User>> {
    let insert = database
        .prepare(
            "INSERT INTO users (id, email, display_name, role, created_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT DO NOTHING",
        )
        .bind(&[
            deed.user.to_string().into(),
            email.into(),
            name.map_or(JsValue::NULL, JsValue::from_str),
            role.into(),
            number(deed.at),
        ])?;
    let results =
        database.batch(vec![insert, note(database, deed, "after")?, select(database, deed.user)?]).await?;
    one_user(results.last())
}

/// Gives a user another tier or role. Returns the user as they are then; none if there is no such user.
///
/// # Errors
/// If D1 can't be asked; nothing has changed then.
pub async fn update_user(
    database: &D1Database,
    deed: &Deed<'_>,
    tier: Option<&str>,
    role: Option<&str>,
) -> Result<Option<User>> {
    let text = |text: Option<&str>| text.map_or(JsValue::NULL, JsValue::from_str);
    let update = database
        .prepare(
            "UPDATE users SET tier = coalesce(?1, tier), role = coalesce(?2, role), updated_at = ?3 WHERE id = ?4",
        )
        .bind(&[text(tier), text(role), number(deed.at), deed.user.to_string().into()])?;
    change(database, deed, update).await
}

/// Suspends a user, or ends the suspension. Returns the user as they are then; none if there is no such user.
///
/// # Errors
/// If D1 can't be asked; nothing has changed then.
pub async fn set_ban(database: &D1Database, deed: &Deed<'_>, ban: Option<&Ban>) -> Result<Option<User>> {
    let reason = ban.and_then(|ban| ban.reason.as_deref());
    let update = database
        .prepare(
            "UPDATE users SET banned = ?1, ban_reason = ?2, ban_expires_at = ?3, updated_at = ?4 WHERE id = ?5",
        )
        .bind(&[
            u32::from(ban.is_some()).into(),
            reason.map_or(JsValue::NULL, JsValue::from_str),
            ban.and_then(|ban| ban.expires_at).map_or(JsValue::NULL, number),
            number(deed.at),
            deed.user.to_string().into(),
        ])?;
    change(database, deed, update).await
}

/// Deletes a user for good. One who came from Clerk stays deleted, whatever Clerk tells of them later. Returns
/// whether there is a deletion to be settled: of now, or of an attempt that got no further.
///
/// # Errors
/// If D1 can't be asked; nothing has changed then.
pub async fn delete_user(database: &D1Database, deed: &Deed<'_>) -> Result<bool> {
    users::delete_user(database, deed.user, deed.at, Some(note(database, deed, "before")?)).await
}

/// Writes down a deed that D1 has no part in, before it is done. Returns whether there is such a user.
///
/// # Errors
/// If D1 can't be asked.
pub async fn announce(database: &D1Database, deed: &Deed<'_>) -> Result<bool> {
    let results = database.batch(vec![note(database, deed, "before")?, select(database, deed.user)?]).await?;
    Ok(one_user(results.last())?.is_some())
}

/// Completes what was announced, with what came of it.
///
/// # Errors
/// If D1 can't be asked.
pub async fn complete(database: &D1Database, deed: &Deed<'_>, after: &Value) -> Result<()> {
    let statement = database
        .prepare("UPDATE limit_audit SET after = ? WHERE id = ?")
        .bind(&[after.to_string().into(), deed.id.into()])?;
    statement.run().await.map(drop)
}

/// Makes a change of a user, and writes down the user's state before and after.
async fn change(
    database: &D1Database,
    deed: &Deed<'_>,
    statement: D1PreparedStatement,
) -> Result<Option<User>> {
    let after = database
        .prepare(format!(
            "UPDATE limit_audit SET after = (SELECT {STATE} FROM users WHERE users.id = ?2) WHERE id = ?1"
        ))
        .bind(&[deed.id.into(), deed.user.to_string().into()])?;
    let statements = vec![note(database, deed, "before")?, statement, after, select(database, deed.user)?];
    one_user(database.batch(statements).await?.last())
}

/// The deed's row in the audit, with the user's state as it is at this point of the batch. No user, no row.
fn note(database: &D1Database, deed: &Deed<'_>, column: &'static str) -> Result<D1PreparedStatement> {
    database
        .prepare(format!(
            "INSERT INTO limit_audit (id, asked_at, identity, author, action, details, outcome, {column}) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'done', {STATE} FROM users WHERE users.id = ?7"
        ))
        .bind(&[
            deed.id.into(),
            number(deed.at),
            Identity::User(deed.user).object_name().into(),
            deed.author.into(),
            deed.action.into(),
            deed.details.to_string().into(),
            deed.user.to_string().into(),
        ])
}

fn select(database: &D1Database, user: UserId) -> Result<D1PreparedStatement> {
    database
        .prepare(format!("SELECT {USER_COLUMNS} FROM users WHERE id = ?"))
        .bind(&[user.to_string().into()])
}

fn one_user(result: Option<&D1Result>) -> Result<Option<User>> {
    rows::<UserRow>(result)?.into_iter().next().map(User::try_from).transpose()
}
