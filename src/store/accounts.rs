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
