//! D1: the record of users, and Clerk's events about them.
//!
//! Every statement that changes or deletes a user leaves a row in `user_change`, by triggers; `records` takes it
//! from there.

use std::slice;

use durable::identity::wire::Profile;
use limits::UserId;
use serde::Deserialize;
use serde_json::Value;
use worker::wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement, D1Result, Error, Result};

/// The tiers that a user may be given.
pub const TIERS: [&str; 3] = ["free", "pro", "admin"];
/// The roles that a user may be given.
pub const ROLES: [&str; 2] = ["user", "admin"];

/// A user as the record has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub id: UserId,
    /// Everything else.
    pub profile: Profile,
}

/// The columns of a [`UserRow`].
pub const USER_COLUMNS: &str = "users.id, users.email, users.email_verified, users.display_name, users.image_url, \
     users.tier, users.role, users.rights_changed_at, users.banned, users.ban_reason, users.ban_expires_at, \
     users.version, users.created_at, users.updated_at";

/// A user as D1 writes them.
#[derive(Debug, Deserialize)]
pub struct UserRow {
    id: String,
    email: Option<String>,
    email_verified: u8,
    display_name: Option<String>,
    image_url: Option<String>,
    tier: String,
    role: String,
    rights_changed_at: u64,
    banned: u8,
    ban_reason: Option<String>,
    ban_expires_at: Option<u64>,
    version: u64,
    created_at: u64,
    updated_at: u64,
}

impl TryFrom<UserRow> for User {
    type Error = Error;

    fn try_from(row: UserRow) -> Result<Self> {
        let id = parse_id(&row.id)?;
        let profile = Profile {
            version: row.version,
            email: row.email,
            email_verified: row.email_verified != 0,
            name: row.display_name.unwrap_or_default(),
            image: row.image_url,
            tier: row.tier,
            role: row.role,
            rights_changed_at: row.rights_changed_at,
            banned: row.banned != 0,
            ban_reason: row.ban_reason,
            ban_expires_at: row.ban_expires_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        Ok(Self { id, profile })
    }
}

/// The user with this id.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_user(database: &D1Database, id: UserId) -> Result<Option<User>> {
    let query = database
        .prepare(format!("SELECT {USER_COLUMNS} FROM users WHERE id = ?"))
        .bind(&[id.to_string().into()])?;
    query.first::<UserRow>(None).await?.map(User::try_from).transpose()
}

/// A change of a user that somebody may not know of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub user: UserId,
    /// Of the change.
    pub id: String,
    /// Counts the changes of the user.
    pub version: u64,
    /// The user as they are after it; none if they were deleted.
    pub profile: Option<Profile>,
}

#[derive(Deserialize)]
struct ChangeRow {
    user_id: String,
    change_id: String,
    change_version: u64,
    deleted: u8,
}

/// Reads a row with the columns of [`ChangeRow`] and, unless the user was deleted, of [`UserRow`].
fn read_change(row: Value) -> Result<Change> {
    let ChangeRow { user_id, change_id, change_version, deleted } = ChangeRow::deserialize(&row)?;
    let profile = match deleted {
        0 => Some(User::try_from(UserRow::deserialize(&row)?)?.profile),
        _ => None,
    };
    Ok(Change { user: parse_id(&user_id)?, id: change_id, version: change_version, profile })
}

/// Changes and their users, read in one statement: what is told of a user is never older than the change.
fn select_changes(which: &str) -> String {
    format!(
        "SELECT user_change.user_id, user_change.id AS change_id, user_change.version AS change_version, \
         user_change.deleted, {USER_COLUMNS} \
         FROM user_change LEFT JOIN users ON users.id = user_change.user_id {which}"
    )
}

/// The newest change of a user that is not settled.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_change(database: &D1Database, user: UserId) -> Result<Option<Change>> {
    let query =
        database.prepare(select_changes("WHERE user_change.user_id = ?")).bind(&[user.to_string().into()])?;
    query.first::<Value>(None).await?.map(read_change).transpose()
}

/// The change with this id, unless it is settled or a newer one took its place.
///
/// # Errors
/// If D1 can't be asked.
pub async fn find_change(database: &D1Database, id: &str) -> Result<Option<Change>> {
    let query = database.prepare(select_changes("WHERE user_change.id = ?")).bind(&[id.into()])?;
    query.first::<Value>(None).await?.map(read_change).transpose()
}

/// The oldest changes, of before `at`, that are not settled. Deletions come last: they wait for another database
/// too, and must not keep the rest waiting.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_changes_before(database: &D1Database, at: u64, most: u32) -> Result<Vec<Change>> {
    let which =
        "WHERE user_change.changed_at < ? ORDER BY user_change.deleted, user_change.changed_at LIMIT ?";
    let query = database.prepare(select_changes(which)).bind(&[number(at), JsValue::from(most)])?;
    query.all().await?.results::<Value>()?.into_iter().map(read_change).collect()
}

/// Notes that everybody knows of these changes. Newer ones stay.
///
/// # Errors
/// If D1 can't be asked.
pub async fn forget_changes(database: &D1Database, changes: &[&Change]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = changes.iter().map(|change| change.id.as_str()).collect();
    let statement = database
        .prepare("DELETE FROM user_change WHERE id IN (SELECT value FROM json_each(?))")
        .bind(&[serde_json::to_string(&ids)?.into()])?;
    statement.run().await.map(drop)
}

/// The user whom Clerk knows by this id; made now if there is none yet, for the webhook may come later than the
/// user. None if Clerk deleted the user.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_or_create_clerk_user(
    database: &D1Database,
    clerk_user_id: &str,
    id_if_new: UserId,
    now: u64,
) -> Result<Option<UserId>> {
    let clerk_id = JsValue::from_str(clerk_user_id);
    let select = database
        .prepare("SELECT id FROM users WHERE clerk_user_id = ?")
        .bind(std::slice::from_ref(&clerk_id))?;
    if let Some(row) = select.first::<IdRow>(None).await? {
        return parse_id(&row.id).map(Some);
    }
    let insert = database
        .prepare(
            "INSERT INTO users (id, display_name, clerk_user_id, clerk_event_at, created_at, updated_at) \
             SELECT ?1, ?2, ?2, 0, ?3, ?3 \
             WHERE NOT EXISTS (SELECT 1 FROM deleted_clerk_user WHERE clerk_user_id = ?2) \
             ON CONFLICT (clerk_user_id) DO NOTHING",
        )
        .bind(&[id_if_new.to_string().into(), clerk_id.clone(), number(now)])?;
    let select = database.prepare("SELECT id FROM users WHERE clerk_user_id = ?").bind(&[clerk_id])?;
    let results = database.batch(vec![insert, select]).await?;
    let rows: Vec<IdRow> = results.last().map(|result| result.results()).transpose()?.unwrap_or_default();
    rows.first().map(|row| parse_id(&row.id)).transpose()
}

/// An id out of D1.
fn parse_id(text: &str) -> Result<UserId> {
    text.parse().map_err(|error: limits::NotAUserId| Error::RustError(format!("users.id: {error}")))
}

/// A user as one of Clerk's events tells of it. What is none leaves the record as it is.
#[derive(Debug)]
pub struct ClerkUser {
    /// Clerk's id.
    pub clerk_user_id: String,
    /// The primary address.
    pub email: Option<String>,
    /// Whether Clerk verified that address.
    pub email_verified: bool,
    /// How the user is shown.
    pub display_name: String,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Picture.
    pub image_url: Option<String>,
    /// A known tier from the public metadata.
    pub tier: Option<&'static str>,
    /// A known role from the public metadata.
    pub role: Option<&'static str>,
    /// In milliseconds since 1970.
    pub last_sign_in_at: Option<u64>,
}

/// An event as it came in.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The sender's id of the message.
    pub id: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// When it happened, in milliseconds since 1970: events are applied in this order, not in that of arrival.
    pub happened_at: u64,
    /// When it was received.
    pub received_at: u64,
}

#[derive(Deserialize)]
struct IdRow {
    id: String,
}

/// Takes an address away from another of Clerk's users: addresses move. A verified one counts more than one that is
/// not, and then what happened later more than what happened before.
const RELEASE_EMAIL: &str = "UPDATE users SET email = NULL, email_verified = 0, updated_at = ?4 \
     WHERE email = ?1 AND clerk_user_id IS NOT NULL AND clerk_user_id <> ?2 \
       AND (email_verified, clerk_event_at) <= (?5, ?3) \
     RETURNING id";

/// Whoever signed up here and verified an address, and whoever comes from Clerk with the same address and verified
/// it there, are one person. Clerk's id is given to the user who is here, unless another user has it already.
const LINK: &str = "UPDATE users SET clerk_user_id = ?2, clerk_event_at = ?3, updated_at = ?4 \
     WHERE email = ?1 AND email_verified AND clerk_user_id IS NULL AND ?5 \
       AND NOT EXISTS (SELECT 1 FROM users WHERE clerk_user_id = ?2) \
       AND NOT EXISTS (SELECT 1 FROM deleted_clerk_user WHERE clerk_user_id = ?2)";

/// Inserts or updates, unless the user was deleted or a later event was applied. An address that is somebody else's
/// stays there, and this user has none then; one that the event does not tell stays as it is.
const UPSERT: &str = "INSERT INTO users (id, email, email_verified, display_name, first_name, last_name, image_url, \
       clerk_user_id, clerk_event_at, last_sign_in_at, created_at, updated_at) \
     SELECT ?1, address, address IS NOT NULL AND ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11 \
     FROM (SELECT iif(EXISTS (SELECT 1 FROM users WHERE email = ?2 AND clerk_user_id IS NOT ?8), NULL, ?2) AS address) \
     WHERE NOT EXISTS (SELECT 1 FROM deleted_clerk_user WHERE clerk_user_id = ?8) \
     ON CONFLICT (clerk_user_id) DO UPDATE SET \
       email = iif(?2 IS NULL, email, excluded.email), \
       email_verified = iif(?2 IS NULL, email_verified, excluded.email_verified), \
       display_name = excluded.display_name, first_name = excluded.first_name, last_name = excluded.last_name, \
       image_url = excluded.image_url, clerk_event_at = excluded.clerk_event_at, \
       last_sign_in_at = coalesce(excluded.last_sign_in_at, last_sign_in_at), updated_at = excluded.updated_at \
     WHERE excluded.clerk_event_at >= clerk_event_at";

/// Gives the tier and the role that an event tells, unless a later one told another. Not every event tells them, so
/// each has a time of its own: whatever the order of arrival, what was told last holds.
const RIGHTS: &str = "UPDATE users SET updated_at = ?5, \
       tier = iif(?3 IS NULL OR ?2 < clerk_tier_at, tier, ?3), \
       clerk_tier_at = iif(?3 IS NULL, clerk_tier_at, max(clerk_tier_at, ?2)), \
       role = iif(?4 IS NULL OR ?2 < clerk_role_at, role, ?4), \
       clerk_role_at = iif(?4 IS NULL, clerk_role_at, max(clerk_role_at, ?2)) \
     WHERE clerk_user_id = ?1 \
       AND ((?3 IS NOT NULL AND ?2 >= clerk_tier_at) OR (?4 IS NOT NULL AND ?2 >= clerk_role_at))";

/// Who it is, or was, whom Clerk knows by an id.
const FIND: &str = "SELECT id, 1 AS is_alive FROM users WHERE clerk_user_id = ?1 \
     UNION ALL SELECT user_id, 0 FROM deleted_clerk_user WHERE clerk_user_id = ?1 AND user_id IS NOT NULL \
     LIMIT 1";

#[derive(Deserialize)]
struct FoundRow {
    id: String,
    is_alive: u8,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    /// The user whom the event is about; none if they were deleted.
    pub user: Option<UserId>,
    /// All whom it may have changed, the deleted among them.
    pub touched: Vec<UserId>,
}

/// The user whom Clerk knows by this id, be it one who was deleted.
///
/// # Errors
/// If D1 can't be asked.
pub async fn find_clerk_user(database: &D1Database, clerk_user_id: &str) -> Result<Option<UserId>> {
    let query = database.prepare(FIND).bind(&[clerk_user_id.into()])?;
    query.first::<FoundRow>(None).await?.map(|row| parse_id(&row.id)).transpose()
}

/// Records the event and applies it, both or neither.
///
/// # Errors
/// If D1 can't be asked; nothing has changed then.
pub async fn save_clerk_user(
    database: &D1Database,
    event: Event<'_>,
    id_if_new: UserId,
    user: &ClerkUser,
) -> Result<Applied> {
    let email = text(user.email.as_deref());
    let verified = JsValue::from(u32::from(user.email_verified));
    let clerk_id = JsValue::from_str(&user.clerk_user_id);
    let address = [
        email.clone(),
        clerk_id.clone(),
        number(event.happened_at),
        number(event.received_at),
        verified.clone(),
    ];
    let upsert = database.prepare(UPSERT).bind(&[
        id_if_new.to_string().into(),
        email,
        verified,
        JsValue::from_str(&user.display_name),
        text(user.first_name.as_deref()),
        text(user.last_name.as_deref()),
        text(user.image_url.as_deref()),
        clerk_id.clone(),
        number(event.happened_at),
        user.last_sign_in_at.map_or(JsValue::NULL, number),
        number(event.received_at),
    ])?;
    let rights = database.prepare(RIGHTS).bind(&[
        clerk_id.clone(),
        number(event.happened_at),
        text(user.tier),
        text(user.role),
        number(event.received_at),
    ])?;
    let results = database
        .batch(vec![
            database.prepare(RELEASE_EMAIL).bind(&address)?,
            database.prepare(LINK).bind(&address)?,
            upsert,
            rights,
            record(database, event)?,
            database.prepare(FIND).bind(&[clerk_id])?,
        ])
        .await?;
    let released: Vec<IdRow> =
        results.first().map(|result| result.results()).transpose()?.unwrap_or_default();
    let found: Vec<FoundRow> = results.last().map(|result| result.results()).transpose()?.unwrap_or_default();
    applied(&found, &released)
}

/// Records the event and deletes the user for good, both or neither. Returns whether there was one, too.
///
/// # Errors
/// If D1 can't be asked; nothing has changed then.
pub async fn delete_clerk_user(
    database: &D1Database,
    event: Event<'_>,
    clerk_user_id: &str,
) -> Result<(bool, Applied)> {
    let clerk_id = JsValue::from_str(clerk_user_id);
    let bury = database
        .prepare(
            "INSERT OR IGNORE INTO deleted_clerk_user (clerk_user_id, deleted_at, user_id) \
             VALUES (?1, ?2, (SELECT id FROM users WHERE clerk_user_id = ?1))",
        )
        .bind(&[clerk_id.clone(), number(event.happened_at)])?;
    let delete = database
        .prepare("DELETE FROM users WHERE clerk_user_id = ? RETURNING id")
        .bind(std::slice::from_ref(&clerk_id))?;
    let find = database.prepare(FIND).bind(&[clerk_id])?;
    let results = database.batch(vec![bury, delete, record(database, event)?, find]).await?;
    let deleted: Vec<IdRow> = results.get(1).map(|result| result.results()).transpose()?.unwrap_or_default();
    let found: Vec<FoundRow> = results.last().map(|result| result.results()).transpose()?.unwrap_or_default();
    Ok((!deleted.is_empty(), applied(&found, &[])?))
}

fn applied(found: &[FoundRow], released: &[IdRow]) -> Result<Applied> {
    let alive = found.iter().find(|row| row.is_alive != 0);
    let touched = found.iter().map(|row| &row.id).chain(released.iter().map(|row| &row.id));
    Ok(Applied {
        user: alive.map(|row| parse_id(&row.id)).transpose()?,
        touched: touched.map(|id| parse_id(id)).collect::<Result<_>>()?,
    })
}

/// Records an event that changes nothing.
///
/// # Errors
/// If D1 can't be asked.
pub async fn save_event(database: &D1Database, event: Event<'_>) -> Result<()> {
    record(database, event)?.run().await.map(drop)
}

#[derive(Deserialize)]
struct SeenRow {
    n: u32,
}

/// Whether a message with this id was recorded already.
///
/// # Errors
/// If D1 can't be asked.
pub async fn is_recorded(database: &D1Database, id: &str) -> Result<bool> {
    let query =
        database.prepare("SELECT count(*) AS n FROM webhook_event WHERE id = ?").bind(&[id.into()])?;
    Ok(query.first::<SeenRow>(None).await?.is_some_and(|row| row.n > 0))
}

/// Forgets messages received before `at`: senders have given up long before.
///
/// # Errors
/// If D1 can't be asked.
pub async fn delete_events_before(database: &D1Database, at: u64) -> Result<()> {
    let statement =
        database.prepare("DELETE FROM webhook_event WHERE received_at < ?").bind(&[number(at)])?;
    statement.run().await.map(drop)
}

fn record(database: &D1Database, event: Event<'_>) -> Result<D1PreparedStatement> {
    database.prepare("INSERT OR IGNORE INTO webhook_event (id, type, received_at) VALUES (?, ?, ?)").bind(&[
        event.id.into(),
        event.kind.into(),
        number(event.received_at),
    ])
}

/// Deletes a user for good, with a note of it if there is one, in one step. Whoever came from Clerk stays deleted.
/// Returns whether there was one; also true while everybody does not know of an earlier deletion.
///
/// # Errors
/// If D1 can't be asked; nothing has changed then.
pub async fn delete_user(
    database: &D1Database,
    user: UserId,
    at: u64,
    note: Option<D1PreparedStatement>,
) -> Result<bool> {
    let id = JsValue::from(user.to_string());
    let bury = database
        .prepare(
            "INSERT OR IGNORE INTO deleted_clerk_user (clerk_user_id, deleted_at, user_id) \
             SELECT clerk_user_id, ?2, id FROM users WHERE id = ?1 AND clerk_user_id IS NOT NULL",
        )
        .bind(&[id.clone(), number(at)])?;
    let delete = database.prepare("DELETE FROM users WHERE id = ?").bind(slice::from_ref(&id))?;
    let count = database
        .prepare("SELECT count(*) AS n FROM user_change WHERE user_id = ? AND deleted = 1")
        .bind(&[id])?;
    let results = database.batch(note.into_iter().chain([bury, delete, count]).collect()).await?;
    Ok(rows::<SeenRow>(results.last())?.first().is_some_and(|row| row.n > 0))
}

/// The rows of one statement of a batch; none if there is no such statement.
pub fn rows<T: for<'de> Deserialize<'de>>(result: Option<&D1Result>) -> Result<Vec<T>> {
    Ok(result.map(D1Result::results).transpose()?.unwrap_or_default())
}

/// A text or NULL.
pub fn text(value: Option<&str>) -> JsValue {
    value.map_or(JsValue::NULL, JsValue::from_str)
}

/// A number as JavaScript has it: exact below 2^53.
pub fn number(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}
