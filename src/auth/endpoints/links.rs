//! What is done by following a mailed link: a new password, an address that is verified or changed, the end of an
//! account. Whoever follows a link has read the mail.
//!
//! A link to reset or delete counts once: its token waits in the record. One about an address counts until it
//! expires; nobody keeps its token, and the address it names must be the user's.

use limits::UserId;
use serde_json::json;
use url::Url;
use worker::console_error;

use super::sign::{answer, new_account_id, of_hash, of_users};
use super::visit::{SignedIn, Visit, no_random};
use super::{Failure, Outcome};
use crate::app::App;
use crate::auth::error::AuthError;
use crate::auth::mail_token::MailClaims;
use crate::auth::origin::location;
use crate::auth::password;
use crate::auth::random::{
    ALPHANUMERIC, DELETE_TOKEN_LENGTH, LOWER_ALPHANUMERIC, RESET_TOKEN_LENGTH, random_text,
};
use crate::auth::schema::{
    ChangeEmail, OpenPasswordReset, RequestPasswordReset, ResetPassword, ResetPasswordQuery,
    SendVerificationEmail, ShowError, VerifyEmail,
};
use crate::auth::signed::encode_component;
use crate::error::ApiError;
use crate::events::Event;
use crate::mail::{self, Mail};
use crate::records;
use crate::reply::Reply;
use crate::store::users::{User, load_user};
use crate::store::{accounts, verifications};

/// Life of a link that resets a password, in milliseconds: one hour.
const RESET_MS: u64 = 60 * 60 * 1000;
/// Life of a link that deletes an account, in milliseconds: one day.
const DELETION_MS: u64 = 24 * 60 * 60 * 1000;

/// `POST /request-password-reset`. Known and unknown addresses look alike: everything that differs comes after the
/// answer.
pub async fn request_reset(visit: &Visit<'_>) -> Outcome {
    let body = RequestPasswordReset::read(&visit.body)?;
    need_mailer(visit, AuthError::RESET_PASSWORD_DISABLED)?;
    let token = random_text(ALPHANUMERIC, RESET_TOKEN_LENGTH).map_err(no_random)?;
    if let Some(found) = accounts::find_by_email(&visit.app.d1()?, &body.email).await.map_err(of_users)? {
        let link = link(visit, &format!("reset-password/{token}?"), body.redirect_to.as_deref());
        let mail = Mail {
            to: body.email,
            subject: "Reset your password",
            text: format!("Follow this link within an hour to choose a new password:\n\n{link}\n{NOT_YOU}"),
        };
        mail_once(visit, reset_identifier(&token), found.user.id, RESET_MS, mail);
    }
    answer(&json!({
        "status": true,
        "message": "If this email exists in our system, check your email for the reset link",
    }))
}

/// `GET /reset-password/{token}`: leads to the page that asks for the new password.
pub async fn follow_reset(visit: &Visit<'_>) -> Outcome {
    let query = OpenPasswordReset::read(&visit.query)?;
    visit.check_callback(Some(&query.callback_url))?;
    let waits = is_token(&visit.item, RESET_TOKEN_LENGTH)
        && verifications::find(&visit.app.d1()?, &reset_identifier(&visit.item), visit.app.now.0)
            .await
            .map_err(of_users)?
            .is_some();
    let target = match (query.callback_url.as_str(), waits) {
        // The mail was asked for without a page to go to.
        ("", _) => format!("{}/api/auth/error?error=INVALID_TOKEN", visit.base_url),
        (url, true) => with_parameter(&absolute(&visit.base_url, url)?, "token", &visit.item),
        (url, false) => with_parameter(&absolute(&visit.base_url, url)?, "error", "INVALID_TOKEN"),
    };
    Ok(redirect(&target))
}

/// `POST /reset-password`. Sessions stay.
pub async fn reset_password(visit: &Visit<'_>) -> Outcome {
    let body = ResetPassword::read(&visit.body)?;
    let query = ResetPasswordQuery::read(&visit.query)?;
    let token = body.token.filter(|token| !token.is_empty()).or(query.token);
    let token = token.filter(|token| is_token(token, RESET_TOKEN_LENGTH));
    let identifier = reset_identifier(&token.ok_or(AuthError::INVALID_RESET_TOKEN)?);
    let new = body.new_password.reveal();
    password::check_new(new)?;
    let _turn = visit.turn(None)?;
    let (database, now) = (visit.app.d1()?, visit.app.now.0);
    // A hash is worth its time for a token that waits; whether it still does when the hash is there, the last
    // statement tells.
    let waits = verifications::find(&database, &identifier, now).await.map_err(of_users)?.is_some();
    if !waits {
        return Err(AuthError::INVALID_RESET_TOKEN.into());
    }
    let hash = password::hash(new).map_err(of_hash)?;
    let account_id = new_account_id()?;
    let reset = verifications::reset_password(&database, &identifier, &account_id, &hash, now).await;
    let user = reset.map_err(of_users)?.ok_or(AuthError::INVALID_RESET_TOKEN)?;
    visit.record(Event::AuthSuccess, "reset-password", Some(user));
    answer(&json!({ "status": true }))
}

/// `POST /send-verification-email`. Without a session, known and unknown addresses look alike.
pub async fn send_verification(visit: &Visit<'_>) -> Outcome {
    let body = SendVerificationEmail::read(&visit.body)?;
    need_mailer(visit, AuthError::VERIFICATION_EMAIL_NOT_ENABLED)?;
    let user = match visit.session(true).await? {
        Some(SignedIn { profile, .. }) if !is_of(profile.email.as_deref(), &body.email) => {
            return Err(AuthError::EMAIL_MISMATCH.into());
        }
        Some(SignedIn { profile, .. }) if profile.email_verified => {
            return Err(AuthError::EMAIL_ALREADY_VERIFIED.into());
        }
        Some(SignedIn { user, .. }) => Some(user),
        None => {
            let found = accounts::find_by_email(&visit.app.d1()?, &body.email).await.map_err(of_users)?;
            found.filter(|found| !found.user.profile.email_verified).map(|found| found.user.id)
        }
    };
    if let Some(user) = user {
        let claims = MailClaims::verify_email(&body.email, &user.to_string(), now_s(visit));
        let link = verification_link(visit, &claims, body.callback_url.as_deref())?;
        let text = format!("Follow this link within an hour to verify your address:\n\n{link}\n{NOT_YOU}");
        mail::send(visit.app, Mail { to: body.email, subject: "Verify your address", text });
    }
    answer(&json!({ "status": true }))
}

/// `POST /change-email`: the new address is asked first. One that somebody has looks like a free one.
pub async fn change_email(visit: &Visit<'_>) -> Outcome {
    let body = ChangeEmail::read(&visit.body)?;
    let SignedIn { user, profile, .. } = visit.signed_in().await?;
    let old = profile.email.ok_or(AuthError::EMAIL_CAN_NOT_BE_UPDATED)?;
    if is_of(Some(&old), &body.new_email) {
        return Err(AuthError::EMAIL_IS_THE_SAME.into());
    }
    need_mailer(visit, AuthError::VERIFICATION_EMAIL_NOT_ENABLED)?;
    let taken = accounts::find_by_email(&visit.app.d1()?, &body.new_email).await.map_err(of_users)?;
    if taken.is_none() {
        let claims = MailClaims::verify_email(&old.to_ascii_lowercase(), &user.to_string(), now_s(visit))
            .change_email(&body.new_email);
        let link = verification_link(visit, &claims, body.callback_url.as_deref())?;
        let text =
            format!("Follow this link within an hour to sign in with this address:\n\n{link}\n{NOT_YOU}");
        mail::send(visit.app, Mail { to: body.new_email, subject: "Change your address", text });
    }
    answer(&json!({ "status": true }))
}

/// `GET /verify-email`.
pub async fn follow_verification(visit: &Visit<'_>) -> Outcome {
    let query = VerifyEmail::read(&visit.query)?;
    let callback_url = query.callback_url.as_deref().filter(|url| !url.is_empty());
    visit.check_callback(callback_url)?;
    match (confirm(visit, &query.token).await, callback_url) {
        (Ok(_), Some(url)) => Ok(redirect(url)),
        (Ok(changed), None) => {
            answer(&json!({ "status": true, "user": changed.map(|user| visit.user(&user)) }))
        }
        (Err(Failure::Auth(error)), Some(url)) => {
            Ok(redirect(&with_parameter(url, "error", error.code().unwrap_or("UNKNOWN"))))
        }
        (Err(failure), _) => Err(failure),
    }
}

/// Does what a mail was about. Returns the user if the address changed.
async fn confirm(visit: &Visit<'_>, token: &str) -> Result<Option<User>, Failure> {
    let claims = MailClaims::parse(token, visit.key, now_s(visit))?;
    match &claims.update_to {
        Some(new) => confirm_change(visit, &claims, new).await.map(Some),
        None => confirm_address(visit, &claims).await.map(|()| None),
    }
}

async fn confirm_address(visit: &Visit<'_>, claims: &MailClaims) -> Result<(), Failure> {
    let database = visit.app.d1()?;
    let found = accounts::find_by_email(&database, &claims.email).await.map_err(of_users)?;
    let User { id, profile } = found.ok_or(AuthError::NO_USER_TO_VERIFY)?.user;
    if claims.user_id.as_ref().is_some_and(|of_token| *of_token != id.to_string()) {
        return Err(AuthError::INVALID_MAIL_TOKEN.into());
    }
    if !profile.email_verified {
        let verified = accounts::verify_email(&database, id, &claims.email, visit.app.now.0).await;
        if !verified.map_err(of_users)? {
            return Err(AuthError::INVALID_MAIL_TOKEN.into());
        }
        records::settle_user(visit.app, id).await?;
    }
    Ok(())
}

async fn confirm_change(visit: &Visit<'_>, claims: &MailClaims, new: &str) -> Result<User, Failure> {
    if claims.request_type.is_none() {
        return Err(AuthError::INVALID_MAIL_TOKEN.into());
    }
    let id = claims.user_id.as_deref().ok_or(AuthError::INVALID_MAIL_TOKEN)?;
    let id: UserId = id.parse().or(Err(AuthError::INVALID_MAIL_TOKEN))?;
    let database = visit.app.d1()?;
    let load = async || load_user(&database, id).await.map_err(of_users)?.ok_or(gone());
    let before = load().await?;
    if !is_of(before.profile.email.as_deref(), &claims.email) {
        return Err(AuthError::INVALID_MAIL_TOKEN.into());
    }
    let signed_in = visit.session(true).await?;
    if signed_in.as_ref().is_some_and(|signed_in| signed_in.user != id) {
        return Err(AuthError::INVALID_USER.into());
    }
    let changed = accounts::change_email(&database, id, &claims.email, new, visit.app.now.0).await;
    if !changed.map_err(of_users)? {
        // Whoever reads this has the mail to that address, so it is no secret that it is in use.
        return Err(AuthError::USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL.into());
    }
    records::settle_user(visit.app, id).await?;
    if let Some(signed_in) = signed_in {
        visit.keep_session(&signed_in.session);
    }
    load().await
}

fn gone() -> Failure {
    AuthError::NO_USER_TO_VERIFY.into()
}

/// Mails a link that deletes the account.
///
/// # Errors
/// If the platform has no randomness, which is a defect.
pub fn mail_deletion(
    visit: &Visit<'_>,
    user: UserId,
    email: String,
    callback_url: Option<&str>,
) -> Result<(), Failure> {
    let token = random_text(LOWER_ALPHANUMERIC, DELETE_TOKEN_LENGTH).map_err(no_random)?;
    let link = link(visit, &format!("delete-user/callback?token={token}&"), callback_url.or(Some("/")));
    let text = format!("Follow this link within a day to delete your account for good:\n\n{link}\n{NOT_YOU}");
    let mail = Mail { to: email, subject: "Delete your account", text };
    mail_once(visit, deletion_identifier(&token), user, DELETION_MS, mail);
    Ok(())
}

/// Takes the user's token that deletes the account.
///
/// # Errors
/// 404 if it is none, or somebody else's: that one stays.
pub async fn take_deletion(visit: &Visit<'_>, user: UserId, token: &str) -> Result<(), Failure> {
    let taken = is_token(token, DELETE_TOKEN_LENGTH)
        && verifications::take(&visit.app.d1()?, &deletion_identifier(token), user, visit.app.now.0)
            .await
            .map_err(of_users)?;
    if taken { Ok(()) } else { Err(AuthError::INVALID_DELETE_TOKEN.into()) }
}

/// `GET /error`: where links lead that can't lead to their page. The frontend shows the code.
pub async fn show_error(visit: &Visit<'_>) -> Outcome {
    let query = ShowError::read(&visit.query)?;
    let is_code = |code: &String| {
        !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_'-".contains(&byte))
    };
    let code = query.error.filter(is_code).unwrap_or_else(|| "UNKNOWN".to_owned());
    let description = query.description.filter(|description| !description.is_empty());
    let description =
        description.map(|text| format!("&error_description={}", encode_component(&text))).unwrap_or_default();
    Ok(redirect(&format!("/?error={code}{description}")))
}

/// Forgets the tokens whose time is over. The schedule calls it.
///
/// # Errors
/// If D1 can't be asked.
pub async fn forget_expired(app: &App) -> Result<(), ApiError> {
    let forgotten = verifications::delete_expired(&app.d1()?, app.now.0).await;
    forgotten.map_err(|error| ApiError::unavailable("The record of users", error))
}

/// The last words of every mail.
const NOT_YOU: &str = "\nIf you did not ask for this, there is nothing to do.\n";

fn need_mailer(visit: &Visit<'_>, otherwise: AuthError) -> Result<(), Failure> {
    if visit.app.config.mailer.is_some() { Ok(()) } else { Err(otherwise.into()) }
}

/// After the answer: has a token wait, and mails it. Not before, because that takes time for known addresses alone.
fn mail_once(visit: &Visit<'_>, identifier: String, user: UserId, life_ms: u64, mail: Mail) {
    let app = visit.app.clone();
    visit.app.afterwards(async move {
        let now = app.now.0;
        let saved = match app.d1() {
            Ok(database) => verifications::save(&database, &identifier, user, now + life_ms, now).await,
            Err(error) => Err(error),
        };
        match saved {
            Ok(true) => mail::deliver(&app, mail).await,
            // Enough mails are under way to this user.
            Ok(false) => {}
            Err(error) => {
                let cause = error.to_string();
                console_error!("{}", json!({ "level": "error", "what": "a mailed token", "cause": cause }));
            }
        }
    });
}

/// A link to an endpoint, with the page to go to afterwards. `path` ends where that parameter comes.
fn link(visit: &Visit<'_>, path: &str, callback_url: Option<&str>) -> String {
    let callback_url = encode_component(callback_url.unwrap_or_default());
    format!("{}/api/auth/{path}callbackURL={callback_url}", visit.base_url)
}

fn verification_link(
    visit: &Visit<'_>,
    claims: &MailClaims,
    callback_url: Option<&str>,
) -> Result<String, Failure> {
    let token = claims.sign(visit.key).map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    let callback_url = callback_url.filter(|url| !url.is_empty()).unwrap_or("/");
    Ok(link(visit, &format!("verify-email?token={token}&"), Some(callback_url)))
}

fn now_s(visit: &Visit<'_>) -> u64 {
    visit.app.now.0 / 1000
}

/// Whether an address is the user's. Those that came from elsewhere may have capitals.
fn is_of(of_user: Option<&str>, email: &str) -> bool {
    of_user.is_some_and(|of_user| of_user.eq_ignore_ascii_case(email))
}

fn reset_identifier(token: &str) -> String {
    format!("reset-password:{token}")
}

fn deletion_identifier(token: &str) -> String {
    format!("delete-account-{token}")
}

/// Whether a text has the form of a token; the record need not be asked about others.
fn is_token(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Sends the browser elsewhere, as Better Auth does: without a body, and still announced as JSON.
pub fn redirect(url: &str) -> Reply {
    Reply::empty(302).with_header("Location", location(url)).with_header("Content-Type", "application/json")
}

/// A path, or a URL that was checked, as a whole URL.
fn absolute(base_url: &str, url: &str) -> Result<String, ApiError> {
    let url = Url::parse(base_url).and_then(|base| base.join(url));
    Ok(url.map_err(|error| ApiError::Internal { cause: error.to_string() })?.into())
}

/// A URL with one more parameter, whose value needs no encoding.
fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let (before, fragment) = url.find('#').map_or((url, ""), |at| url.split_at(at));
    let sign = if before.contains('?') { '&' } else { '?' };
    format!("{before}{sign}{name}={value}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_comes_before_the_fragment() {
        for (url, expected) in [
            ("/a", "/a?error=X"),
            ("/a?b=c", "/a?b=c&error=X"),
            ("/a#top?", "/a?error=X#top?"),
            ("/a?b#top", "/a?b&error=X#top"),
        ] {
            assert_eq!(with_parameter(url, "error", "X"), expected);
        }
    }

    #[test]
    fn paths_become_whole_urls() {
        let whole = |url| absolute("https://own.example", url).unwrap();
        assert_eq!(whole("/reset?a=1"), "https://own.example/reset?a=1");
        assert_eq!(whole("https://app.example.com/reset"), "https://app.example.com/reset");
        assert_eq!(whole("myapp://reset"), "myapp://reset");
    }

    #[test]
    fn tokens_have_a_form() {
        assert!(is_token(&"aZ9".repeat(8), RESET_TOKEN_LENGTH));
        for text in ["", "a", &"a".repeat(25), &format!("{}-", "a".repeat(23))] {
            assert!(!is_token(text, RESET_TOKEN_LENGTH), "{text}");
        }
    }

    #[test]
    fn addresses_are_compared_as_they_are_stored() {
        assert!(is_of(Some("Ann@Example.com"), "ann@example.com"));
        assert!(!is_of(Some("ann@example.org"), "ann@example.com") && !is_of(None, ""));
    }
}
