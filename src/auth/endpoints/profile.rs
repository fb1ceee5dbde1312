//! What users change about themselves, up to their end.

use durable::identity::wire::Ending;
use limits::UserId;
use serde_json::{Value, json};

use super::links::{self, redirect};
use super::sign::{answer, of_hash, of_users};
use super::visit::{SignedIn, Visit};
use super::{Failure, Outcome, shape};
use crate::auth::error::AuthError;
use crate::auth::password;
use crate::auth::schema::{
    ChangePassword, DeleteUser, DeleteUserCallback, UpdateUser, VerifyPassword, refuse_at_update,
};
use crate::config::Secret;
use crate::events::Event;
use crate::records;
use crate::store::accounts::{self, NewProfile};
use crate::store::users::{self, User};

/// `POST /update-user`.
pub async fn update_user(visit: &Visit<'_>) -> Outcome {
    let body = UpdateUser::read(&visit.body)?;
    let SignedIn { user, session, .. } = visit.signed_in().await?;
    refuse_at_update(&visit.body)?;
    if body.name.is_none() && body.image.is_none() {
        return Err(AuthError::NO_FIELDS_TO_UPDATE.into());
    }
    let new =
        NewProfile { name: body.name.as_deref(), image: body.image.as_ref().map(|image| image.as_deref()) };
    let updated = accounts::update_profile(&visit.app.d1()?, user, &new, visit.app.now.0).await;
    if !updated.map_err(of_users)? {
        // Deleted a moment ago.
        return Err(AuthError::UNAUTHORIZED.into());
    }
    records::settle_user(visit.app, user).await?;
    visit.keep_session(&session);
    answer(&json!({ "status": true }))
}

/// `POST /change-password`. With `revokeOtherSessions` all sessions end and a new one begins.
pub async fn change_password(visit: &Visit<'_>) -> Outcome {
    let body = ChangePassword::read(&visit.body)?;
    let SignedIn { user, profile, .. } = visit.signed_in().await?;
    let new = body.new_password.reveal();
    password::check_new(new)?;
    let turn = visit.turn(Some(user))?;
    let database = visit.app.d1()?;
    let old = accounts::load_password(&database, user).await.map_err(of_users)?;
    let old = old.ok_or(AuthError::CREDENTIAL_ACCOUNT_NOT_FOUND)?;
    check(visit, user, &body.current_password, &old)?;
    let new = password::hash(new).map_err(of_hash)?;
    let replaced = accounts::replace_password(&database, user, &old, &new, visit.app.now.0).await;
    if !replaced.map_err(of_users)? {
        // Somebody changed it meanwhile, so it is no longer the current one.
        return Err(AuthError::INVALID_PASSWORD.into());
    }
    drop(turn);
    let user = User { id: user, profile };
    let token = if body.revoke_other_sessions == Some(true) {
        visit.end_sessions(user.id, Ending::All).await?;
        Some(visit.open_session(&user, !visit.forgets()).await?)
    } else {
        None
    };
    answer(&json!({ "token": token, "user": visit.user(&user) }))
}

/// `POST /verify-password`.
pub async fn verify_password(visit: &Visit<'_>) -> Outcome {
    let body = VerifyPassword::read(&visit.body)?;
    let SignedIn { user, .. } = visit.signed_in().await?;
    check_stored(visit, user, &body.password, AuthError::INVALID_PASSWORD).await?;
    answer(&json!({ "status": true }))
}

/// `GET /list-accounts`.
pub async fn list_accounts(visit: &Visit<'_>) -> Outcome {
    let SignedIn { user, .. } = visit.signed_in().await?;
    let accounts = accounts::list_accounts(&visit.app.d1()?, user).await.map_err(of_users)?;
    let accounts: Vec<Value> = accounts.iter().map(|account| shape::account(user, account)).collect();
    answer(&json!(accounts))
}

/// `POST /delete-user`: with the password, a mailed token, or a session that is fresh. Without any of them, a mail
/// asks whether it is meant.
pub async fn delete_user(visit: &Visit<'_>) -> Outcome {
    let body = DeleteUser::read(&visit.body)?;
    let SignedIn { user, session, profile } = visit.signed_in().await?;
    let password = body.password.filter(|password| !password.reveal().is_empty());
    if let Some(password) = &password {
        check_stored(visit, user, password, AuthError::CREDENTIAL_ACCOUNT_NOT_FOUND).await?;
    }
    match body.token.filter(|token| !token.is_empty()) {
        Some(token) => links::take_deletion(visit, user, &token).await?,
        None if password.is_some() || visit.is_fresh(&session) => {}
        None => {
            let email = profile.email.filter(|_| visit.app.config.mailer.is_some());
            let email = email.ok_or(AuthError::SESSION_EXPIRED)?;
            links::mail_deletion(visit, user, email, body.callback_url.as_deref())?;
            return answer(&json!({ "success": true, "message": "Verification email sent" }));
        }
    }
    delete(visit, user).await
}

/// `GET /delete-user/callback`: the mailed link, followed by the user and nobody else.
pub async fn follow_deletion(visit: &Visit<'_>) -> Outcome {
    let query = DeleteUserCallback::read(&visit.query)?;
    let callback_url = query.callback_url.filter(|url| !url.is_empty());
    visit.check_callback(callback_url.as_deref())?;
    let SignedIn { user, .. } = visit.session(true).await?.ok_or(AuthError::NO_USER_TO_DELETE)?;
    links::take_deletion(visit, user, &query.token).await?;
    let deleted = delete(visit, user).await?;
    Ok(callback_url.map_or(deleted, |url| redirect(&url)))
}

async fn delete(visit: &Visit<'_>, user: UserId) -> Outcome {
    // Whether this request deleted the user or another one a moment ago: there is none any more.
    users::delete_user(&visit.app.d1()?, user, visit.app.now.0, None).await.map_err(of_users)?;
    records::settle_user(visit.app, user).await?;
    visit.cookies.borrow_mut().clear_session();
    visit.record(Event::UserDeleted, "", Some(user));
    answer(&json!({ "success": true, "message": "User deleted" }))
}

/// Lets pass who knows the user's password.
async fn check_stored(
    visit: &Visit<'_>,
    user: UserId,
    given: &Secret,
    if_none: AuthError,
) -> Result<(), Failure> {
    let _turn = visit.turn(Some(user))?;
    let stored = accounts::load_password(&visit.app.d1()?, user).await.map_err(of_users)?;
    check(visit, user, given, &stored.ok_or(if_none)?)
}

fn check(visit: &Visit<'_>, user: UserId, given: &Secret, stored: &str) -> Result<(), Failure> {
    if password::verify(given.reveal(), stored).map_err(of_hash)? {
        return Ok(());
    }
    visit.record(Event::AuthFailure, "INVALID_PASSWORD", Some(user));
    Err(AuthError::INVALID_PASSWORD.into())
}
