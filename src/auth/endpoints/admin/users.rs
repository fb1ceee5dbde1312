//! What admins do with users.

use limits::UserId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::sign::{answer, new_account_id, of_hash, of_users};
use super::super::visit::{SignedIn, Visit};
use super::super::{Failure, Outcome};
use super::parse_user;
use crate::auth::email::parse_email;
use crate::auth::error::AuthError;
use crate::auth::password;
use crate::auth::schema::admin::{
    AccountTier, BanUser, ChangeUser, CreateUser, FilterOperator, GetUser, ListUsers, OneUser, SearchField,
    SearchOperator, SetRole, SetUserPassword, SortDirection, UserData, UserField, refuse_data, refuse_role,
};
use crate::auth::schema::field::Choice;
use crate::config::Secret;
use crate::events::Event;
use crate::records;
use crate::store::accounts::{self, NewUser};
use crate::store::directory::{self, Change, Condition, Wanted};
use crate::store::users;

/// Users in a list that names no limit.
const DEFAULT_LIMIT: u32 = 100;
/// Users in a list at most: some 500 KB.
const MAX_LIMIT: u32 = 1000;
/// Why somebody was suspended if no reason is given.
const NO_REASON: &str = "No reason";

/// `GET /admin/list-users`.
pub async fn list_users(visit: &Visit<'_>) -> Outcome {
    let query = ListUsers::read(&visit.query)?;
    visit.permitted("user", "list", AuthError::YOU_ARE_NOT_ALLOWED_TO_LIST_USERS).await?;
    let Some(wanted) = wanted(&query) else { return answer(&json!({ "users": [], "total": 0 })) };
    let (users, total) = directory::list_users(&visit.app.d1()?, &wanted).await.map_err(of_users)?;
    let users: Vec<Value> = users.iter().map(|user| visit.user(user)).collect();
    let mut list = json!({ "users": users, "total": total });
    // Bounds that were not named, or as 0, are not told.
    let is_named = |bound: Option<u32>| bound.is_some_and(|bound| bound > 0);
    if let Some(list) = list.as_object_mut() {
        if is_named(query.limit) {
            list.insert("limit".to_owned(), wanted.limit.into());
        }
        if is_named(query.offset) {
            list.insert("offset".to_owned(), wanted.offset.into());
        }
    }
    answer(&list)
}

/// `GET /admin/get-user`.
pub async fn get_user(visit: &Visit<'_>) -> Outcome {
    let query = GetUser::read(&visit.query)?;
    visit.permitted("user", "get", AuthError::YOU_ARE_NOT_ALLOWED_TO_GET_USER).await?;
    let user = visit.find_user(&query.id).await?;
    answer(&visit.user(&user))
}

/// `POST /admin/create-user`: with a way to sign in if there is a password, which may be short.
pub async fn create_user(visit: &Visit<'_>) -> Outcome {
    let body = CreateUser::read(&visit.body)?;
    let refusal = AuthError::YOU_ARE_NOT_ALLOWED_TO_CREATE_USERS;
    let admin = visit.permitted("user", "create", refusal.clone()).await?;
    let data = body.data.unwrap_or_else(|| json!({}));
    refuse_role(&data)?;
    let data = UserData::read(&data)?;
    check_tier(&admin, data.tier, refusal)?;
    let email = parse_email(&body.email).ok_or(AuthError::INVALID_EMAIL)?;
    let given = body.password.as_ref().map(Secret::reveal).filter(|given| !given.is_empty());
    given.map_or(Ok(()), password::check_given)?;
    let turn = visit.turn(Some(admin.user))?;
    let hash = given.map(password::hash).transpose().map_err(of_hash)?;
    drop(turn);
    let account_id = new_account_id()?;
    let new = NewUser {
        id: UserId(Uuid::new_v4().into_bytes()),
        email: &email,
        name: &body.name,
        image: data.image.as_ref().and_then(Option::as_deref),
        role: body.role.as_deref().or(data.role.as_deref()).unwrap_or("user"),
        password: hash.as_deref(),
        account_id: &account_id,
        now: visit.app.now.0,
    };
    // What is set already is none of the change.
    let change = Change { email: None, name: None, image: None, role: None, ..change(&data, None) };
    let created = directory::create_user(&visit.app.d1()?, &new, &change).await.map_err(of_users)?;
    let user = created.ok_or(AuthError::CREATED_USER_EXISTS)?;
    records::settle_user(visit.app, user.id).await?;
    answer(&json!({ "user": visit.user(&user) }))
}

/// `POST /admin/update-user`.
pub async fn update_user(visit: &Visit<'_>) -> Outcome {
    let body = ChangeUser::read(&visit.body)?;
    let refusal = AuthError::YOU_ARE_NOT_ALLOWED_TO_UPDATE_USERS;
    let admin = visit.permitted("user", "update", refusal.clone()).await?;
    refuse_data(&body.data)?;
    let data = UserData::read(&body.data)?;
    check_tier(&admin, data.tier, refusal)?;
    let email = data.email.as_deref().map(|email| parse_email(email).ok_or(AuthError::INVALID_EMAIL));
    let email = email.transpose()?;
    let id = parse_user(&body.user_id)?;
    if data.banned == Some(true) && id == admin.user {
        return Err(AuthError::YOU_CANNOT_BAN_YOURSELF.into());
    }
    let user = visit.change_user(id, &change(&data, email.as_deref())).await?;
    answer(&visit.user(&user))
}

/// `POST /admin/set-role`.
pub async fn set_role(visit: &Visit<'_>) -> Outcome {
    let body = SetRole::read(&visit.body)?;
    let refusal = AuthError::YOU_ARE_NOT_ALLOWED_TO_CHANGE_USERS_ROLE;
    visit.permitted("user", "set-role", refusal).await?;
    let change = Change { role: Some(&body.role), ..Change::default() };
    let user = visit.change_user(parse_user(&body.user_id)?, &change).await?;
    answer(&json!({ "user": visit.user(&user) }))
}

/// `POST /admin/ban-user`.
pub async fn ban_user(visit: &Visit<'_>) -> Outcome {
    let body = BanUser::read(&visit.body)?;
    let admin = visit.permitted("user", "ban", AuthError::YOU_ARE_NOT_ALLOWED_TO_BAN_USERS).await?;
    let user = visit.find_user(&body.user_id).await?;
    if user.id == admin.user {
        return Err(AuthError::YOU_CANNOT_BAN_YOURSELF.into());
    }
    let reason = body.ban_reason.as_deref().filter(|reason| !reason.is_empty());
    let seconds = body.ban_expires_in.filter(|seconds| *seconds != 0);
    let change = Change {
        banned: Some(true),
        ban_reason: Some(Some(reason.unwrap_or(NO_REASON))),
        ban_expires_at: Some(seconds.map(|seconds| visit.app.now.0.saturating_add_signed(seconds * 1000))),
        ..Change::default()
    };
    let user = visit.change_user(user.id, &change).await?;
    answer(&json!({ "user": visit.user(&user) }))
}

/// `POST /admin/unban-user`.
pub async fn unban_user(visit: &Visit<'_>) -> Outcome {
    let body = OneUser::read(&visit.body)?;
    visit.permitted("user", "ban", AuthError::YOU_ARE_NOT_ALLOWED_TO_BAN_USERS).await?;
    let change = Change {
        banned: Some(false),
        ban_reason: Some(None),
        ban_expires_at: Some(None),
        ..Change::default()
    };
    let user = visit.change_user(parse_user(&body.user_id)?, &change).await?;
    answer(&json!({ "user": visit.user(&user) }))
}

/// `POST /admin/remove-user`.
pub async fn remove_user(visit: &Visit<'_>) -> Outcome {
    let body = OneUser::read(&visit.body)?;
    let admin = visit.permitted("user", "delete", AuthError::YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS).await?;
    let user = parse_user(&body.user_id)?;
    if user == admin.user {
        return Err(AuthError::YOU_CANNOT_REMOVE_YOURSELF.into());
    }
    let is_deleted = users::delete_user(&visit.app.d1()?, user, visit.app.now.0, None).await;
    if !is_deleted.map_err(of_users)? {
        return Err(AuthError::USER_NOT_FOUND.into());
    }
    records::settle_user(visit.app, user).await?;
    visit.record(Event::UserDeleted, "remove-user", Some(user));
    answer(&json!({ "success": true }))
}

/// `POST /admin/set-user-password`: also for who never had one.
pub async fn set_user_password(visit: &Visit<'_>) -> Outcome {
    let body = SetUserPassword::read(&visit.body)?;
    let given = body.new_password.reveal();
    if given.is_empty() {
        let issue = "[body.newPassword] Too small: expected string to have at least 1 character";
        return Err(AuthError::validation(&[issue.to_owned()]).into());
    }
    let refusal = AuthError::YOU_ARE_NOT_ALLOWED_TO_SET_USERS_PASSWORD;
    let admin = visit.permitted("user", "set-password", refusal).await?;
    password::check_new(given)?;
    let user = visit.find_user(&body.user_id).await?;
    let turn = visit.turn(Some(admin.user))?;
    let hash = password::hash(given).map_err(of_hash)?;
    drop(turn);
    let (database, account_id) = (visit.app.d1()?, new_account_id()?);
    let saved = accounts::save_password(&database, user.id, &account_id, &hash, visit.app.now.0).await;
    saved.map_err(of_users)?;
    answer(&json!({ "status": true }))
}

/// Which users a query asks for. None if that can be nobody: it names a field that there is not.
fn wanted(query: &ListUsers) -> Option<Wanted<'_>> {
    let field = |name: &Option<String>| {
        let name = name.as_deref().filter(|name| !name.is_empty());
        name.map_or(Some(None), |name| UserField::named(name).map(Some))
    };
    let search = query.search_value.as_deref().filter(|value| !value.is_empty()).map(|value| Condition {
        field: match query.search_field {
            Some(SearchField::Name) => UserField::Name,
            Some(SearchField::Email) | None => UserField::Email,
        },
        operator: match query.search_operator {
            Some(SearchOperator::StartsWith) => FilterOperator::StartsWith,
            Some(SearchOperator::EndsWith) => FilterOperator::EndsWith,
            Some(SearchOperator::Contains) | None => FilterOperator::Contains,
        },
        value,
    });
    let filter = match &query.filter_value {
        None => None,
        Some(value) => Some(Condition {
            field: field(&query.filter_field)?.unwrap_or(UserField::Email),
            operator: query.filter_operator.unwrap_or(FilterOperator::Eq),
            value,
        }),
    };
    let direction = query.sort_direction.unwrap_or(SortDirection::Ascending);
    Some(Wanted {
        conditions: [search, filter],
        sort: field(&query.sort_by)?.map(|field| (field, direction)),
        limit: query.limit.filter(|limit| *limit > 0).unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT),
        offset: query.offset.unwrap_or(0),
    })
}

/// A tier is given by whoever has the highest one: the role alone opens this plugin, not the service's own admin API.
fn check_tier(admin: &SignedIn, tier: Option<AccountTier>, refusal: AuthError) -> Result<(), Failure> {
    if tier.is_some() && admin.profile.tier != limits::Tier::Admin.name() {
        return Err(refusal.into());
    }
    Ok(())
}

/// The data as a change, with the address as it is stored.
fn change<'a>(data: &'a UserData, email: Option<&'a str>) -> Change<'a> {
    let tier = data.tier.and_then(|tier| AccountTier::ALL.iter().find(|(_, known)| *known == tier));
    Change {
        email,
        email_verified: data.email_verified,
        name: data.name.as_deref(),
        image: data.image.as_ref().map(Option::as_deref),
        role: data.role.as_deref(),
        tier: tier.map(|(name, _)| *name),
        banned: data.banned,
        ban_reason: data.ban_reason.as_ref().map(Option::as_deref),
        ban_expires_at: data.ban_expires,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::payload::parse_query;

    fn read(query: &str) -> ListUsers {
        ListUsers::read(&parse_query(query)).ok().unwrap()
    }

    #[test]
    fn a_list_has_bounds() {
        for (query, limit, offset) in [
            ("", 100, 0),
            ("limit=0&offset=0", 100, 0),
            ("limit=x&offset=-1", 100, 0),
            ("limit=7&offset=14", 7, 14),
            ("limit=1000", 1000, 0),
            ("limit=1001", 1000, 0),
        ] {
            let query = read(query);
            let wanted = wanted(&query).unwrap();
            assert_eq!((wanted.limit, wanted.offset), (limit, offset));
        }
    }

    #[test]
    fn a_list_is_searched_and_filtered() {
        let query = read("searchValue=ann&filterValue=x&sortBy=name");
        let wanted_users = wanted(&query).unwrap();
        let condition = |field, operator, value| Some(Condition { field, operator, value });
        let by_default = [
            condition(UserField::Email, FilterOperator::Contains, "ann"),
            condition(UserField::Email, FilterOperator::Eq, "x"),
        ];
        assert_eq!(wanted_users.conditions, by_default);
        assert_eq!(wanted_users.sort, Some((UserField::Name, SortDirection::Ascending)));

        let query = read(
            "searchValue=a&searchField=name&searchOperator=ends_with&filterField=role&filterOperator=ne&filterValue=",
        );
        let named = [
            condition(UserField::Name, FilterOperator::EndsWith, "a"),
            condition(UserField::Role, FilterOperator::Ne, ""),
        ];
        assert_eq!(wanted(&query).unwrap().conditions, named);
        assert_eq!(wanted(&read("searchValue=&sortBy=")).unwrap().conditions, [None, None]);
    }

    #[test]
    fn a_field_that_is_none_finds_nobody() {
        for query in ["sortBy=password", "filterField=password&filterValue=x"] {
            assert_eq!(wanted(&read(query)), None, "{query}");
        }
        // Without a value there is no filter.
        assert!(wanted(&read("filterField=password")).is_some());
    }

    #[test]
    fn data_changes_what_it_names() {
        let data = json!({ "image": null, "tier": "pro", "banned": true, "banExpires": 5, "other": 1 });
        let data = UserData::read(&data).ok().unwrap();
        let expected = Change {
            image: Some(None),
            tier: Some("pro"),
            banned: Some(true),
            ban_expires_at: Some(Some(5)),
            ..Change::default()
        };
        assert_eq!(change(&data, None), expected);
    }
}
