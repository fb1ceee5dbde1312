//! D1: how users sign in. Emails come in lower case.

use limits::UserId;
use serde::Deserialize;
use worker::{D1Database, D1PreparedStatement, Result};

use super::users::{USER_COLUMNS, User, UserRow, number, text};

/// A user who signs in by password, and its hash.
pub struct Credentials {
    /// The user.
    pub user: User,
    /// The hash; none for whoever never set a password.
    pub password: Option<String>,
}

#[derive(Deserialize)]
struct CredentialsRow {
    #[serde(flatten)]
    user: UserRow,
    password: Option<String>,
}

/// The user with this address.
///
/// # Errors
/// If D1 can't be asked.
pub async fn find_by_email(database: &D1Database, email: &str) -> Result<Option<Credentials>> {
    let query = database
        .prepare(format!(
            "SELECT {USER_COLUMNS}, account.password FROM users LEFT JOIN account \
             ON account.user_id = users.id AND account.provider_id = 'credential' WHERE users.email = ?"
        ))
        .bind(&[email.into()])?;
    let row = query.first::<CredentialsRow>(None).await?;
    row.map(|row| Ok(Credentials { user: row.user.try_into()?, password: row.password })).transpose()
}

/// A user to be made.
pub struct NewUser<'a> {
    /// The user.
    pub id: UserId,
    /// The address.
    pub email: &'a str,
    /// How the user is shown.
    pub name: &'a str,
    /// URL of a picture.
    pub image: Option<&'a str>,
    /// The role, several joined by commas.
    pub role: &'a str,
    /// Hash of the password, if there is one.
    pub password: Option<&'a str>,
    /// Id of the way to sign in.
    pub account_id: &'a str,
    /// When, in milliseconds since 1970.
    pub now: u64,
}

/// Makes a user. None if somebody has the address.
///
/// # Errors
/// If D1 can't be asked; there is no such user then.
pub async fn create_user(database: &D1Database, new: &NewUser<'_>) -> Result<Option<User>> {
    let mut statements = creation_of(database, new)?;
    statements.push(
        database
            .prepare(format!("SELECT {USER_COLUMNS} FROM users WHERE id = ?"))
            .bind(&[new.id.to_string().into()])?,
    );
    let results = database.batch(statements).await?;
    let rows: Vec<UserRow> = results.last().map(|result| result.results()).transpose()?.unwrap_or_default();
    rows.into_iter().next().map(User::try_from).transpose()
}

/// Makes a user, unless somebody has the address.
pub(super) fn creation_of(database: &D1Database, new: &NewUser<'_>) -> Result<Vec<D1PreparedStatement>> {
    let mut statements = vec![
        database
            .prepare(
                "INSERT INTO users (id, email, display_name, image_url, role, created_at, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (email) DO NOTHING",
            )
            .bind(&[
                new.id.to_string().into(),
                new.email.into(),
                new.name.into(),
                text(new.image),
                new.role.into(),
                number(new.now),
            ])?,
    ];
    if let Some(password) = new.password {
        statements.push(save_password_of(database, new.id, new.account_id, password, new.now)?);
    }
    Ok(statements)
}

/// Sets the password of a user who is there.
fn save_password_of(
    database: &D1Database,
    user: UserId,
    account_id: &str,
    password: &str,
    now: u64,
) -> Result<D1PreparedStatement> {
    database
        .prepare(
            "INSERT INTO account (id, user_id, provider_id, account_id, password, created_at, updated_at) \
             SELECT ?1, id, 'credential', id, ?3, ?4, ?4 FROM users WHERE id = ?2 \
             ON CONFLICT (user_id, provider_id) DO UPDATE SET password = excluded.password, \
               updated_at = excluded.updated_at",
        )
        .bind(&[account_id.into(), user.to_string().into(), password.into(), number(now)])
}

/// Sets the password of a user, whether there was one or not.
///
/// # Errors
/// If D1 can't be asked.
pub async fn save_password(
    database: &D1Database,
    user: UserId,
    account_id: &str,
    password: &str,
    now: u64,
) -> Result<()> {
    save_password_of(database, user, account_id, password, now)?.run().await.map(drop)
}

#[derive(Deserialize)]
struct PasswordRow {
    password: Option<String>,
}

/// Hash of the user's password, if there is one.
///
/// # Errors
/// If D1 can't be asked.
pub async fn load_password(database: &D1Database, user: UserId) -> Result<Option<String>> {
    let query = database
        .prepare("SELECT password FROM account WHERE user_id = ? AND provider_id = 'credential'")
        .bind(&[user.to_string().into()])?;
    Ok(query.first::<PasswordRow>(None).await?.and_then(|row| row.password))
}

/// Lifts a suspension whose time is over.
///
/// # Errors
/// If D1 can't be asked.
pub async fn lift_expired_ban(database: &D1Database, user: UserId, now: u64) -> Result<()> {
    let statement = database
        .prepare(
            "UPDATE users SET banned = 0, ban_reason = NULL, ban_expires_at = NULL, updated_at = ?2 \
             WHERE id = ?1 AND banned = 1 AND ban_expires_at <= ?2",
        )
        .bind(&[user.to_string().into(), number(now)])?;
    statement.run().await.map(drop)
}

/// Sets the password of whom a verification waits for; to be taken away in the same transaction.
///
/// # Errors
/// If a value can't be bound, which is a defect.
pub fn save_password_if(
    database: &D1Database,
    identifier: &str,
    account_id: &str,
    password: &str,
    now: u64,
) -> Result<D1PreparedStatement> {
    database
        .prepare(
            "INSERT INTO account (id, user_id, provider_id, account_id, password, created_at, updated_at) \
             SELECT ?1, users.id, 'credential', users.id, ?3, ?4, ?4 FROM verification \
             JOIN users ON users.id = verification.value \
             WHERE verification.identifier = ?2 AND verification.expires_at > ?4 \
             ON CONFLICT (user_id, provider_id) DO UPDATE SET password = excluded.password, \
               updated_at = excluded.updated_at",
        )
        .bind(&[account_id.into(), identifier.into(), password.into(), number(now)])
}

/// Replaces a password by another, unless somebody replaced it meanwhile. Returns whether it did.
///
/// # Errors
/// If D1 can't be asked.
pub async fn replace_password(
    database: &D1Database,
    user: UserId,
    old: &str,
    new: &str,
    now: u64,
) -> Result<bool> {
    let update = database
        .prepare(
            "UPDATE account SET password = ?3, updated_at = ?4 \
             WHERE user_id = ?1 AND provider_id = 'credential' AND password = ?2 RETURNING id",
        )
        .bind(&[user.to_string().into(), old.into(), new.into(), number(now)])?;
    is_done(update).await
}

#[derive(Deserialize)]
struct DoneRow {}

/// Whether a statement that returns the rows it changed changed any.
async fn is_done(statement: D1PreparedStatement) -> Result<bool> {
    Ok(statement.first::<DoneRow>(None).await?.is_some())
}

/// What a user changes about themselves. What is none stays.
pub struct NewProfile<'a> {
    /// How the user is shown.
    pub name: Option<&'a str>,
    /// URL of a picture, or none any more.
    pub image: Option<Option<&'a str>>,
}

/// Changes how a user is shown. Returns false if there is no such user.
///
/// # Errors
/// If D1 can't be asked.
pub async fn update_profile(
    database: &D1Database,
    user: UserId,
    new: &NewProfile<'_>,
    now: u64,
) -> Result<bool> {
    let update = database
        .prepare(
            "UPDATE users SET display_name = coalesce(?2, display_name), \
               image_url = iif(?3, ?4, image_url), updated_at = ?5 WHERE id = ?1 RETURNING id",
        )
        .bind(&[
            user.to_string().into(),
            text(new.name),
            u32::from(new.image.is_some()).into(),
            text(new.image.flatten()),
            number(now),
        ])?;
    is_done(update).await
}

/// Gives a user another address. Returns false if somebody has it, or the user's address is another by now. Whether
/// the user's address is verified stays as it was.
///
/// # Errors
/// If D1 can't be asked.
pub async fn change_email(
    database: &D1Database,
    user: UserId,
    from: &str,
    to: &str,
    now: u64,
) -> Result<bool> {
    // Not OR IGNORE: that would hold for the statements of triggers, too.
    let update = database
        .prepare(
            "UPDATE users SET email = ?3, updated_at = ?4 WHERE id = ?1 AND email = ?2 \
             AND NOT EXISTS (SELECT 1 FROM users WHERE email = ?3 AND id <> ?1) RETURNING id",
        )
        .bind(&[user.to_string().into(), from.into(), to.into(), number(now)])?;
    is_done(update).await
}

/// Notes that a user has this address indeed. Returns false if it is not the user's any more.
///
/// # Errors
/// If D1 can't be asked.
pub async fn verify_email(database: &D1Database, user: UserId, email: &str, now: u64) -> Result<bool> {
    let update = database
        .prepare(
            "UPDATE users SET email_verified = 1, updated_at = ?3 WHERE id = ?1 AND email = ?2 RETURNING id",
        )
        .bind(&[user.to_string().into(), email.into(), number(now)])?;
    is_done(update).await
}

/// A way in which a user signs in.
#[derive(Debug, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// `credential`: by password.
    pub provider_id: String,
    /// The user's id at the provider.
    pub account_id: String,
    /// In milliseconds since 1970.
    pub created_at: u64,
    /// In milliseconds since 1970.
    pub updated_at: u64,
}

/// The ways in which a user signs in.
///
/// # Errors
/// If D1 can't be asked.
pub async fn list_accounts(database: &D1Database, user: UserId) -> Result<Vec<Account>> {
    let query = database
        .prepare(
            "SELECT id, provider_id, account_id, created_at, updated_at FROM account WHERE user_id = ? \
             ORDER BY created_at, id",
        )
        .bind(&[user.to_string().into()])?;
    query.all().await?.results()
}
