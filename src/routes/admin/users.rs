//! `/admin/users`: who there is, and what an admin may change about them.
//!
//! A change is written into D1 together with its row in the audit, and told to the user's object before it is
//! acknowledged: it acts on the user's very next request.

use durable::identity::wire::{AccountCommand, AccountReply, Ending};
use limits::UserId;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::limits::{MAX_BODY_BYTES, Parameters, parse_expiry};
use crate::admission::Admitted;
use crate::app::{App, iso_time};
use crate::auth::email::parse_email;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::events::Event;
use crate::records::settle_user;
use crate::reply::Reply;
use crate::store::user_admin::{self as store, Ban, Deed, Filter};
use crate::store::users::{ROLES, TIERS, User, load_user};

/// Users on one page, unless asked otherwise, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 100;
/// Bounds of texts, in characters.
const MAX_NAME: usize = 100;
const MAX_REASON: usize = 500;
const MAX_SEARCH: usize = 100;

/// `POST /admin/auth/users`: a user who has no way to sign in yet.
///
/// Fails: 400 the body can't be used; 409 there is a user with this address.
pub async fn create_user(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wanted {
        email: String,
        display_name: Option<String>,
        role: Option<String>,
    }

    let Wanted { email, display_name, role } = body::read_json(&admitted.request, MAX_BODY_BYTES).await?;
    let email = parse_email(&email).ok_or_else(|| invalid("email", "must be an e-mail address"))?;
    let name = display_name.as_deref().map(str::trim);
    if name.is_some_and(|name| !(1..=MAX_NAME).contains(&name.chars().count())) {
        return Err(invalid("displayName", &format!("must be a text of 1 to {MAX_NAME} characters")));
    }
    let role = one_of("role", role.as_deref(), &ROLES)?.unwrap_or("user");
    let user = UserId(Uuid::new_v4().into_bytes());
    let author = admitted.caller.author();
    let deed = deed(&app, &admitted, &author, user, "create_user", json!({ "role": role }));
    let created = store::create_user(&app.d1()?, &deed, &email, name, role).await.map_err(of_users)?;
    let Some(user) = created else {
        let detail = "A user with this e-mail address exists already".to_owned();
        return Err(ApiError::Conflict { code: "user_exists", detail });
    };
    let (id, role) = (user.id.to_string(), user.profile.role);
    let reply = json!({ "success": true, "user": { "id": id, "email": user.profile.email, "role": role } });
    Ok(Reply { status: 201, ..Reply::json(&reply)? })
}

/// `GET /admin/users`: the newest first. `limit` (1 to 100), `offset`, `tier`, `role`, `search` (in address and name).
pub async fn list_users(app: App, admitted: Admitted) -> ApiResult {
    let asked = Parameters::of(&admitted)?;
    let number = |name, default: u32, range: std::ops::RangeInclusive<u32>| match asked.get(name) {
        None => Ok(default),
        Some(text) => text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            unusable(format!("{name} must be a whole number from {} to {}", range.start(), range.end()))
        }),
    };
    let (limit, offset) = (number("limit", PAGE, 1..=MAX_PAGE)?, number("offset", 0, 0..=u32::MAX)?);
    // Tiers and roles that nobody has are no error: existing clients offer some.
    let text = |name| match asked.get(name).filter(|text| !text.is_empty()) {
        Some(text) if text.chars().count() > MAX_SEARCH => {
            Err(unusable(format!("{name} must be a text of at most {MAX_SEARCH} characters")))
        }
        text => Ok(text.map(str::to_owned)),
    };
    let search = text("search")?.map(|text| text.to_ascii_lowercase());
    let filter = Filter { tier: text("tier")?, role: text("role")?, search };
    let (users, total) = store::list_users(&app.d1()?, &filter, limit, offset).await.map_err(of_users)?;
    let users: Vec<Value> = users.iter().map(shown).collect();
    Reply::json(&json!({ "success": true, "users": users, "total": total, "limit": limit, "offset": offset }))
}

/// `GET /admin/users/{id}`. Fails: 404 there is no such user.
pub async fn show_user(app: App, admitted: Admitted) -> ApiResult {
    let user = load_user(&app.d1()?, parse_user(&admitted)?).await.map_err(of_users)?;
    Reply::json(&json!({ "success": true, "user": shown(&user.ok_or(UNKNOWN)?) }))
}

/// `PATCH /admin/users/{id}`: another `tier`, `role` or both.
///
/// Fails: 400 the body can't be used; 404 there is no such user.
pub async fn update_user(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    struct Wanted {
        tier: Option<String>,
        role: Option<String>,
    }

    let Wanted { tier, role } = body::read_json(&admitted.request, MAX_BODY_BYTES).await?;
    let (tier, role) = (one_of("tier", tier.as_deref(), &TIERS)?, one_of("role", role.as_deref(), &ROLES)?);
    if tier.is_none() && role.is_none() {
        return Err(invalid("", "must have a tier or a role"));
    }
    let (user, author) = (parse_user(&admitted)?, admitted.caller.author());
    let deed = deed(&app, &admitted, &author, user, "update_user", json!({ "tier": tier, "role": role }));
    let updated = store::update_user(&app.d1()?, &deed, tier, role).await.map_err(of_users)?;
    settled(&app, updated).await
}

/// `DELETE /admin/users/{id}`: for good, with all sessions and keys. May be repeated until it succeeds.
///
/// Fails: 400 it is the admin's own account; 404 there is no such user.
pub async fn delete_user(app: App, admitted: Admitted) -> ApiResult {
    let user = parse_other(&admitted, "delete")?;
    let author = admitted.caller.author();
    let deed = deed(&app, &admitted, &author, user, "delete_user", json!({}));
    if !store::delete_user(&app.d1()?, &deed).await.map_err(of_users)? {
        return Err(UNKNOWN);
    }
    settle_user(&app, user).await?;
    admitted.record(&app, Event::UserDeleted, user);
    Reply::json(&json!({ "success": true, "message": format!("User {user} deleted") }))
}

/// `POST /admin/users/{id}/ban`: refuses everything of a user and ends all sessions; `reason` and `expires` are
/// optional.
///
/// Fails: 400 the body can't be used, or it is the admin's own account; 404 there is no such user.
pub async fn ban_user(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize, Default)]
    struct Wanted {
        reason: Option<String>,
        expires: Option<Value>,
    }

    let Wanted { reason, expires } =
        body::read_json::<Option<Wanted>>(&admitted.request, MAX_BODY_BYTES).await?.unwrap_or_default();
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
        return Err(invalid("reason", &format!("must be a text of at most {MAX_REASON} characters")));
    }
    let ban = Ban { reason, expires_at: parse_expiry("expires", expires.as_ref(), app.now)? };
    let user = parse_other(&admitted, "ban")?;
    let author = admitted.caller.author();
    let details = json!({ "reason": ban.reason, "expiresAt": ban.expires_at });
    let deed = deed(&app, &admitted, &author, user, "ban_user", details);
    let banned = store::set_ban(&app.d1()?, &deed, Some(&ban)).await.map_err(of_users)?;
    settled(&app, banned).await
}

/// `POST /admin/users/{id}/unban`. Fails: 404 there is no such user.
pub async fn unban_user(app: App, admitted: Admitted) -> ApiResult {
    let (user, author) = (parse_user(&admitted)?, admitted.caller.author());
    let deed = deed(&app, &admitted, &author, user, "unban_user", json!({}));
    let unbanned = store::set_ban(&app.d1()?, &deed, None).await.map_err(of_users)?;
    settled(&app, unbanned).await
}

/// `DELETE /admin/users/{id}/sessions`: ends them all. Fails: 404 there is no such user.
///
/// The audit has the attempt before it is made, and what came of it afterwards.
pub async fn end_sessions(app: App, admitted: Admitted) -> ApiResult {
    let (user, author) = (parse_user(&admitted)?, admitted.caller.author());
    let deed = deed(&app, &admitted, &author, user, "end_sessions", json!({}));
    let database = app.d1()?;
    if !store::announce(&database, &deed).await.map_err(of_users)? {
        return Err(UNKNOWN);
    }
    let ended = app.identities()?.account(user, AccountCommand::EndSessions(Ending::All)).await;
    let n = match ended.map_err(|error| ApiError::unavailable("The user's object", error))? {
        Ok(AccountReply::Ended(n)) => n,
        // Deleted a moment ago, with all sessions.
        Err(_) => 0,
        Ok(other) => return Err(ApiError::Internal { cause: format!("an unexpected reply: {other:?}") }),
    };
    admitted.record(&app, Event::SessionRevoked, user);
    store::complete(&database, &deed, &json!({ "ended": n })).await.map_err(of_users)?;
    let message = format!("Revoked {n} session(s) for user {user}");
    Reply::json(&json!({ "success": true, "message": message }))
}

/// Answers with the changed user once the change acts.
async fn settled(app: &App, user: Option<User>) -> ApiResult {
    let user = user.ok_or(UNKNOWN)?;
    settle_user(app, user.id).await?;
    Reply::json(&json!({ "success": true, "user": shown(&user) }))
}

/// A user as this API shows them.
fn shown(user: &User) -> Value {
    let profile = &user.profile;
    json!({
        "id": user.id.to_string(),
        "email": profile.email,
        "name": Some(&profile.name).filter(|name| !name.is_empty()),
        "emailVerified": profile.email_verified,
        "image": profile.image,
        "tier": profile.tier,
        "role": profile.role,
        "banned": profile.banned,
        "banReason": profile.ban_reason,
        "banExpires": profile.ban_expires_at.map(|at| iso_time(limits::UnixMillis(at))),
        "createdAt": iso_time(limits::UnixMillis(profile.created_at)),
        "updatedAt": iso_time(limits::UnixMillis(profile.updated_at)),
    })
}

fn deed<'a>(
    app: &App,
    admitted: &'a Admitted,
    author: &'a str,
    user: UserId,
    action: &'static str,
    details: Value,
) -> Deed<'a> {
    Deed { id: &admitted.request_id, at: app.now.0, author, action, details, user }
}

const UNKNOWN: ApiError = ApiError::Missing { detail: "User not found" };

/// What is no id is nobody's.
fn parse_user(admitted: &Admitted) -> Result<UserId, ApiError> {
    admitted.item.parse().map_err(|limits::NotAUserId| UNKNOWN)
}

/// Anybody but the admin who asks.
fn parse_other(admitted: &Admitted, deed: &str) -> Result<UserId, ApiError> {
    let user = parse_user(admitted)?;
    check_other(admitted.caller.user(), user, deed).map(|()| user)
}

fn check_other(admin: Option<UserId>, user: UserId, deed: &str) -> Result<(), ApiError> {
    if admin == Some(user) {
        let detail = format!("You can't {deed} yourself");
        return Err(ApiError::Unusable { code: "own_account", detail });
    }
    Ok(())
}

/// One of the names that are known, if any is given.
fn one_of(
    field: &str,
    given: Option<&str>,
    known: &[&'static str],
) -> Result<Option<&'static str>, ApiError> {
    let Some(given) = given else { return Ok(None) };
    let found = known.iter().copied().find(|name| *name == given);
    found.map(Some).ok_or_else(|| invalid(field, &format!("must be one of {}", known.join(", "))))
}

fn invalid(field: &str, must: &str) -> ApiError {
    ApiError::Invalid { issues: format!("/{field}: {must}") }
}

fn unusable(detail: String) -> ApiError {
    ApiError::Unusable { code: "query_unusable", detail }
}

fn of_users(error: worker::Error) -> ApiError {
    ApiError::unavailable("The record of users", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_are_taken() {
        assert!(matches!(one_of("tier", None, &TIERS), Ok(None)));
        assert!(matches!(one_of("tier", Some("pro"), &TIERS), Ok(Some("pro"))));
        for unknown in ["", "Pro", "enterprise", "pro,admin"] {
            assert!(
                matches!(one_of("tier", Some(unknown), &TIERS), Err(ApiError::Invalid { .. })),
                "{unknown}"
            );
        }
    }

    #[test]
    fn nobody_locks_themselves_out() {
        let [ann, bob] = [UserId([1; 16]), UserId([2; 16])];
        let refused = check_other(Some(ann), ann, "ban");
        assert!(matches!(refused, Err(ApiError::Unusable { code: "own_account", .. })));
        assert!(check_other(Some(ann), bob, "ban").is_ok());
        // Whoever has the admin key is no user.
        assert!(check_other(None, ann, "ban").is_ok());
    }
}
