//! D1: lists of users, and what admins change of them.

use limits::UserId;
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement, D1Result, Result};

use super::accounts::{NewUser, creation_of};
use super::users::{USER_COLUMNS, User, UserRow, number, rows, text};
use crate::app::parse_time;
use crate::auth::schema::admin::{FilterOperator, SortDirection, UserField};

/// What a field of the users that are listed must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition<'a> {
    /// The field.
    pub field: UserField,
    /// How it is compared.
    pub operator: FilterOperator,
    /// With what.
    pub value: &'a str,
}

/// Which users are listed.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Both must hold.
    pub conditions: [Option<Condition<'a>>; 2],
    /// By what they are sorted; the newest come first if by nothing.
    pub sort: Option<(UserField, SortDirection)>,
    /// So many at most.
    pub limit: u32,
    /// So many are left out before them.
    pub offset: u32,
}

/// What a column holds.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Flag,
    Instant,
}

#[derive(Deserialize)]
struct CountRow {
    n: u32,
}

/// The users that are wanted, and how many there are without the bounds.
///
/// # Errors
/// If D1 can't be asked.
pub async fn list_users(database: &D1Database, wanted: &Wanted<'_>) -> Result<(Vec<User>, u32)> {
    let [first, second] = &wanted.conditions;
    let Some((first, second)) =
        clause(first.as_ref(), Place::First).zip(clause(second.as_ref(), Place::Second))
    else {
        return Ok((Vec::new(), 0));
    };
    // Made of the constants below alone: what was sent is bound.
    let matching = format!("FROM users WHERE ({}) AND ({})", first.sql, second.sql);
    let order = wanted.sort.map_or("users.created_at DESC".to_owned(), order);
    let count = database
        .prepare(format!("SELECT count(*) AS n {matching}"))
        .bind(&[first.value.clone(), second.value.clone()])?;
    let page = database
        .prepare(format!("SELECT {USER_COLUMNS} {matching} ORDER BY {order}, users.id LIMIT ?3 OFFSET ?4"))
        .bind(&[first.value, second.value, wanted.limit.into(), wanted.offset.into()])?;
    let results = database.batch(vec![count, page]).await?;
    let total = rows::<CountRow>(results.first())?.first().map_or(0, |row| row.n);
    let users = rows::<UserRow>(results.last())?.into_iter().map(User::try_from).collect::<Result<_>>()?;
    Ok((users, total))
}

fn column(field: UserField) -> (&'static str, Holds) {
    match field {
        UserField::Id => ("users.id", Holds::Text),
        UserField::Name => ("coalesce(users.display_name, '')", Holds::Text),
        UserField::Email => ("users.email", Holds::Text),
        UserField::EmailVerified => ("users.email_verified", Holds::Flag),
        UserField::CreatedAt => ("users.created_at", Holds::Instant),
        UserField::UpdatedAt => ("users.updated_at", Holds::Instant),
        UserField::Role => ("users.role", Holds::Text),
        UserField::Tier => ("users.tier", Holds::Text),
        UserField::Banned => ("users.banned", Holds::Flag),
        UserField::BanReason => ("users.ban_reason", Holds::Text),
        UserField::BanExpires => ("users.ban_expires_at", Holds::Instant),
    }
}

fn order((field, direction): (UserField, SortDirection)) -> String {
    let (column, _) = column(field);
    match direction {
        SortDirection::Ascending => format!("{column} ASC"),
        SortDirection::Descending => format!("{column} DESC"),
    }
}

/// Which of a statement's parameters a condition is compared with.
#[derive(Clone, Copy)]
enum Place {
    First,
    Second,
}

/// A condition as SQL, and the value for its place.
struct Clause {
    sql: String,
    value: JsValue,
}

/// The SQL of a condition; of none, one that always holds. None if it can't hold for anybody.
fn clause(condition: Option<&Condition<'_>>, place: Place) -> Option<Clause> {
    let place = match place {
        Place::First => "?1",
        Place::Second => "?2",
    };
    let Some(Condition { field, operator, value }) = condition else {
        return Some(Clause { sql: format!("{place} IS NULL"), value: JsValue::NULL });
    };
    let (column, holds) = column(*field);
    let sql = compare(column, *operator, place);
    let is_of_text =
        matches!(operator, FilterOperator::Contains | FilterOperator::StartsWith | FilterOperator::EndsWith);
    let value = match holds {
        // Lower-cased as SQLite does it, letters of ASCII alone.
        Holds::Text if is_of_text => value.to_ascii_lowercase().into(),
        Holds::Text => JsValue::from_str(value),
        Holds::Flag | Holds::Instant if is_of_text => return None,
        Holds::Flag => parse_flag(value)?.into(),
        Holds::Instant => value.parse().ok().or_else(|| parse_time(value))?.into(),
    };
    Some(Clause { sql, value })
}

/// Parts of texts are not looked for by LIKE: D1 takes patterns of 50 bytes at most, and addresses are longer.
/// <https://developers.cloudflare.com/d1/platform/limits/>
fn compare(column: &'static str, operator: FilterOperator, place: &'static str) -> String {
    match operator {
        FilterOperator::Eq => format!("{column} = {place}"),
        FilterOperator::Ne => format!("{column} <> {place}"),
        FilterOperator::Lt => format!("{column} < {place}"),
        FilterOperator::Lte => format!("{column} <= {place}"),
        FilterOperator::Gt => format!("{column} > {place}"),
        FilterOperator::Gte => format!("{column} >= {place}"),
        FilterOperator::Contains => format!("instr(lower({column}), {place}) > 0"),
        FilterOperator::StartsWith => format!("substr(lower({column}), 1, length({place})) = {place}"),
        FilterOperator::EndsWith => {
            format!("substr(lower({column}), length({column}) - length({place}) + 1) = {place}")
        }
    }
}

fn parse_flag(value: &str) -> Option<u32> {
    match value {
        "true" | "1" => Some(1),
        "false" | "0" => Some(0),
        _ => None,
    }
}

/// What changes of a user. What is none stays.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change<'a> {
    /// The address, in lower case.
    pub email: Option<&'a str>,
    /// Whether it was verified.
    pub email_verified: Option<bool>,
    /// How the user is shown.
    pub name: Option<&'a str>,
    /// URL of a picture, or none.
    pub image: Option<Option<&'a str>>,
    /// The role, several joined by commas.
    pub role: Option<&'a str>,
    /// What was paid for.
    pub tier: Option<&'static str>,
    /// Whether the user is suspended.
    pub banned: Option<bool>,
    /// Why, or for no reason.
    pub ban_reason: Option<Option<&'a str>>,
    /// Until when, or for ever.
    pub ban_expires_at: Option<Option<u64>>,
}

/// What came of a change.
#[derive(Debug)]
pub enum Changed {
    /// The user as they are now.
    User(Box<User>),
    /// Somebody else has the address: nothing has changed.
    EmailTaken,
    /// There is no such user.
    NoUser,
}

/// Changes a user.
///
/// # Errors
/// If D1 can't be asked; nothing has changed then.
pub async fn change_user(
    database: &D1Database,
    id: UserId,
    change: &Change<'_>,
    now: u64,
) -> Result<Changed> {
    let results = database.batch(vec![change_of(database, id, change, now)?, select(database, id)?]).await?;
    let has_changed = !rows::<IdRow>(results.first())?.is_empty();
    Ok(match one_user(results.last())? {
        Some(user) if has_changed => Changed::User(Box::new(user)),
        Some(_) => Changed::EmailTaken,
        None => Changed::NoUser,
    })
}

/// Makes a user who differs from others in some ways. None if somebody has the address.
///
/// # Errors
/// If D1 can't be asked; there is no such user then.
pub async fn create_user(
    database: &D1Database,
    new: &NewUser<'_>,
    change: &Change<'_>,
) -> Result<Option<User>> {
    let mut statements = creation_of(database, new)?;
    if *change != Change::default() {
        statements.push(change_of(database, new.id, change, new.now)?);
    }
    statements.push(select(database, new.id)?);
    one_user(database.batch(statements).await?.last())
}

#[derive(Deserialize)]
struct IdRow {
    #[serde(rename = "id")]
    _id: String,
}

/// Returns a row if it changed one. Not `OR IGNORE` for an address that is taken: the triggers would obey it too.
fn change_of(
    database: &D1Database,
    id: UserId,
    change: &Change<'_>,
    now: u64,
) -> Result<D1PreparedStatement> {
    let flag = |flag: Option<bool>| flag.map_or(JsValue::NULL, |flag| u32::from(flag).into());
    let is_given = |given: bool| JsValue::from(u32::from(given));
    database
        .prepare(
            "UPDATE users SET email = coalesce(?2, email), email_verified = coalesce(?3, email_verified), \
               display_name = coalesce(?4, display_name), image_url = iif(?5, ?6, image_url), \
               role = coalesce(?7, role), tier = coalesce(?8, tier), banned = coalesce(?9, banned), \
               ban_reason = iif(?10, ?11, ban_reason), ban_expires_at = iif(?12, ?13, ban_expires_at), \
               updated_at = ?14 \
             WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM users AS other WHERE other.email = ?2 AND other.id <> ?1) \
             RETURNING id",
        )
        .bind(&[
            id.to_string().into(),
            text(change.email),
            flag(change.email_verified),
            text(change.name),
            is_given(change.image.is_some()),
            text(change.image.flatten()),
            text(change.role),
            text(change.tier),
            flag(change.banned),
            is_given(change.ban_reason.is_some()),
            text(change.ban_reason.flatten()),
            is_given(change.ban_expires_at.is_some()),
            change.ban_expires_at.flatten().map_or(JsValue::NULL, number),
            number(now),
        ])
}

fn select(database: &D1Database, id: UserId) -> Result<D1PreparedStatement> {
    database.prepare(format!("SELECT {USER_COLUMNS} FROM users WHERE id = ?")).bind(&[id.to_string().into()])
}

fn one_user(result: Option<&D1Result>) -> Result<Option<User>> {
    rows::<UserRow>(result)?.into_iter().next().map(User::try_from).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::schema::field::Choice;

    #[test]
    fn sql_has_a_place_and_no_text_of_the_caller() {
        for (_, field) in UserField::ALL {
            for (_, operator) in FilterOperator::ALL {
                let (column, _) = column(*field);
                let sql = compare(column, *operator, "?2");
                assert!(sql.contains("?2") && sql.contains(column), "{sql}");
            }
        }
    }

    #[test]
    fn lists_are_sorted_by_a_column() {
        assert_eq!(order((UserField::Email, SortDirection::Descending)), "users.email DESC");
        let by_name = order((UserField::Name, SortDirection::Ascending));
        assert_eq!(by_name, "coalesce(users.display_name, '') ASC");
    }

    #[test]
    fn flags_are_read_from_texts() {
        for (text, flag) in [("true", Some(1)), ("0", Some(0)), ("yes", None), ("", None)] {
            assert_eq!(parse_flag(text), flag, "{text}");
        }
    }
}
