//! Signing up, in and out.

use limits::UserId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::visit::{Visit, no_random};
use super::{Failure, Outcome};
use crate::auth::email::parse_email;
use crate::auth::error::AuthError;
use crate::auth::origin::location;
use crate::auth::password::{self, HashError};
use crate::auth::random::{ALPHANUMERIC, random_text};
use crate::auth::schema::{SignIn, SignInSocial, SignOut, SignUp, refuse_at_sign_up};
use crate::error::ApiError;
use crate::events::Event;
use crate::records;
use crate::reply::Reply;
use crate::store::accounts::{self, NewUser};

/// Characters of the id of a way to sign in.
const ACCOUNT_ID_LENGTH: usize = 32;

/// `POST /sign-up/email`.
pub async fn sign_up(visit: &Visit<'_>) -> Outcome {
    let body = SignUp::read(&visit.body)?;
    visit.check_form()?;
    refuse_at_sign_up(&visit.body)?;
    let email = parse_email(&body.email).ok_or(AuthError::INVALID_EMAIL)?;
    password::check_new(body.password.reveal())?;
    let _turn = visit.turn(None)?;
    let database = visit.app.d1()?;
    // Who has an address is told anyway, so that needs no hash.
    if accounts::find_by_email(&database, &email).await.map_err(of_users)?.is_some() {
        return Err(AuthError::USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL.into());
    }
    let hash = password::hash(body.password.reveal()).map_err(of_hash)?;
    let account_id = new_account_id()?;
    let new = NewUser {
        id: UserId(Uuid::new_v4().into_bytes()),
        email: &email,
        name: &body.name,
        image: body.image.as_deref(),
        role: "user",
        password: Some(&hash),
        account_id: &account_id,
        now: visit.app.now.0,
    };
    let created = accounts::create_user(&database, &new).await.map_err(of_users)?;
    let user = created.ok_or(AuthError::USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL)?;
    let token = visit.open_session(&user, body.remember_me != Some(false)).await?;
    visit.record(Event::AuthSuccess, "sign-up", Some(user.id));
    answer(&json!({ "token": token, "user": visit.user(&user) }))
}

/// `POST /sign-in/email`.
pub async fn sign_in(visit: &Visit<'_>) -> Outcome {
    let body = SignIn::read(&visit.body)?;
    visit.check_form()?;
    let email = parse_email(&body.email).ok_or(AuthError::INVALID_EMAIL)?;
    let given = body.password.reveal();
    password::check_given(given)?;
    let _turn = visit.turn(None)?;
    let database = visit.app.d1()?;
    let found = accounts::find_by_email(&database, &email).await.map_err(of_users)?;
    let Some((user, hash)) = found.and_then(|found| Some((found.user, found.password?))) else {
        // Takes as long as a wrong password, so that nobody learns who has an account.
        password::hash(given).map_err(of_hash)?;
        return Err(AuthError::INVALID_EMAIL_OR_PASSWORD.into());
    };
    if !password::verify(given, &hash).map_err(of_hash)? {
        return Err(AuthError::INVALID_EMAIL_OR_PASSWORD.into());
    }
    if user.profile.banned {
        if user.profile.ban_expires_at.is_none_or(|expires_at| visit.app.now.0 < expires_at) {
            return Err(AuthError::BANNED_USER.into());
        }
        accounts::lift_expired_ban(&database, user.id, visit.app.now.0).await.map_err(of_users)?;
        records::settle_user(visit.app, user.id).await?;
    }
    let token = visit.open_session(&user, body.remember_me != Some(false)).await?;
    visit.record(Event::AuthSuccess, "sign-in", Some(user.id));
    let callback_url = body.callback_url.filter(|url| !url.is_empty());
    let mut members = json!({ "redirect": callback_url.is_some(), "token": token });
    if let (Some(url), Some(members)) = (&callback_url, members.as_object_mut()) {
        members.insert("url".to_owned(), Value::from(url.as_str()));
    }
    if let Some(members) = members.as_object_mut() {
        members.insert("user".to_owned(), visit.user(&user));
    }
    let reply = answer(&members)?;
    Ok(match callback_url {
        Some(url) => reply.with_header("Location", location(&url)),
        None => reply,
    })
}

/// `POST /sign-in/social`: nobody else signs users in for this service.
pub async fn sign_in_social(visit: &Visit<'_>) -> Outcome {
    SignInSocial::read(&visit.body)?;
    Err(AuthError::PROVIDER_NOT_FOUND.into())
}

/// `POST /sign-out`: never refused, whatever session there was.
pub async fn sign_out(visit: &Visit<'_>) -> Outcome {
    SignOut::read(&visit.body)?;
    if let Some(token) = visit.token() {
        visit.end_session(token).await?;
    }
    visit.cookies.borrow_mut().clear_session();
    answer(&json!({ "success": true }))
}

/// An id for a way to sign in.
pub fn new_account_id() -> Result<String, Failure> {
    random_text(ALPHANUMERIC, ACCOUNT_ID_LENGTH).map_err(no_random)
}

/// An answer in JSON.
pub fn answer(value: &Value) -> Outcome {
    Ok(Reply::json(value)?)
}

/// A hash that can't be read or made is a defect, and told as the original tells it.
pub fn of_hash(error: HashError) -> Failure {
    worker::console_error!("{}", json!({ "level": "error", "what": "password", "cause": error.to_string() }));
    AuthError::UNEXPECTED.into()
}

/// D1 can't be asked.
pub fn of_users(error: worker::Error) -> Failure {
    ApiError::unavailable("The record of users", error).into()
}
