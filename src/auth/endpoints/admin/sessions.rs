//! What admins do with the sessions of users, and as users.

use durable::identity::wire::Ending;
use limits::UserId;
use serde_json::json;

use super::super::sign::answer;
use super::super::visit::Visit;
use super::super::{Outcome, shape};
use super::parse_user;
use crate::auth::cookies::Name;
use crate::auth::error::AuthError;
use crate::auth::permission::{allows, is_admin};
use crate::auth::schema::admin::{OneUser, RevokeUserSession};
use crate::auth::token::SessionToken;
use crate::events::Event;

/// `POST /admin/list-user-sessions`.
pub async fn list_user_sessions(visit: &Visit<'_>) -> Outcome {
    let body = OneUser::read(&visit.body)?;
    visit.permitted("session", "list", AuthError::YOU_ARE_NOT_ALLOWED_TO_LIST_USERS_SESSIONS).await?;
    let sessions = visit.sessions_of(parse_user(&body.user_id)?).await?;
    answer(&json!({ "sessions": sessions }))
}

/// `POST /admin/revoke-user-session`: any other token changes nothing and is answered alike.
pub async fn revoke_user_session(visit: &Visit<'_>) -> Outcome {
    let body = RevokeUserSession::read(&visit.body)?;
    visit.permitted("session", "revoke", AuthError::YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS).await?;
    if let Some(token) = SessionToken::parse(&body.session_token, visit.key) {
        visit.end_session(token).await?;
    }
    answer(&json!({ "success": true }))
}

/// `POST /admin/revoke-user-sessions`.
pub async fn revoke_user_sessions(visit: &Visit<'_>) -> Outcome {
    let body = OneUser::read(&visit.body)?;
    visit.permitted("session", "revoke", AuthError::YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS).await?;
    visit.end_sessions(parse_user(&body.user_id)?, Ending::All).await?;
    answer(&json!({ "success": true }))
}

/// `POST /admin/impersonate-user`: the admin's own session is put aside.
pub async fn impersonate_user(visit: &Visit<'_>) -> Outcome {
    let body = OneUser::read(&visit.body)?;
    let refusal = AuthError::YOU_ARE_NOT_ALLOWED_TO_IMPERSONATE_USERS;
    let admin = visit.permitted("user", "impersonate", refusal).await?;
    let user = visit.find_user(&body.user_id).await?;
    if is_admin(&user.profile.role) && !allows(&admin.profile.role, "user", "impersonate-admins") {
        return Err(AuthError::YOU_CANNOT_IMPERSONATE_ADMINS.into());
    }
    let own = visit.token().ok_or(AuthError::NO_ADMIN_SESSION)?;
    let (session, token) = visit.impersonate(&user, admin.user).await?;
    {
        let mut cookies = visit.cookies.borrow_mut();
        cookies.clear_session();
        cookies.set_admin_session(&own.text(visit.key), visit.forgets());
    }
    visit.hand_out(&token, false);
    visit.record(Event::AuthSuccess, "impersonation", Some(user.id));
    answer(&json!({
        "session": shape::session(user.id, &session, visit.key),
        "user": visit.user(&user),
    }))
}

/// `POST /admin/stop-impersonating`: back to the session that was put aside.
pub async fn stop_impersonating(visit: &Visit<'_>) -> Outcome {
    let signed_in = visit.session(true).await?.ok_or(AuthError::NO_ADMIN_SESSION)?;
    let admin = signed_in.session.impersonated_by.ok_or(AuthError::NOT_IMPERSONATING)?;
    let (own, forgets) = visit.admin_session().ok_or(AuthError::NO_SESSION_TO_RETURN_TO)?;
    let user = UserId(own.user.into_bytes());
    if user.to_string() != admin {
        return Err(AuthError::NO_SESSION_TO_RETURN_TO.into());
    }
    let shown = visit.show(own, false).await?.ok_or(AuthError::NO_SESSION_TO_RETURN_TO)?;
    visit.end_sessions(signed_in.user, Ending::One(signed_in.session.key)).await?;
    visit.hand_out(&own.text(visit.key), !forgets);
    visit.cookies.borrow_mut().clear(Name::AdminSession);
    answer(&json!({
        "session": shape::session(user, &shown.session, visit.key),
        "user": shape::user(user, &shown.profile),
    }))
}
