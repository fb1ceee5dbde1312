//! The endpoints at `/api/auth`, and the way of a request through them.
//!
//! A request is judged in the order in which Better Auth does it, so that each mistake has the same answer: the
//! limiter, the route, the body, the page it comes from, the session, the shape, and then whatever the endpoint asks
//! for. What a browser keeps is told by every answer, refusals included.

mod admin;
mod hashing;
mod links;
mod profile;
mod sessions;
pub mod shape;
mod sign;
mod visit;

use durable::identity::wire::SessionShown;
use futures::future::LocalBoxFuture;
use limits::UserId;
use serde_json::{Value, json};
use worker::Method;

pub use self::links::forget_expired;
use self::visit::Visit;
use super::error::AuthError;
use super::payload::Takes;
use crate::app::App;
use crate::error::ApiError;
use crate::incoming::Incoming;
use crate::reply::Reply;

/// What an endpoint answers with.
pub type Outcome = Result<Reply, Failure>;

/// Why an endpoint refuses.
#[derive(Debug)]
pub enum Failure {
    /// In the words of Better Auth.
    Auth(AuthError),
    /// A store that can't be reached, or a defect. Never a 401: clients sign out on that.
    Api(ApiError),
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<worker::Error> for Failure {
    fn from(error: worker::Error) -> Self {
        Self::Api(error.into())
    }
}

type Handler = for<'v, 'a> fn(&'v Visit<'a>) -> LocalBoxFuture<'v, Outcome>;

/// One row of the table.
struct Endpoint {
    method: Method,
    /// Below `/api/auth`. The last segment may be `{}`: anything but nothing.
    path: &'static str,
    takes: Takes,
    handler: Handler,
}

macro_rules! endpoints {
    ($($method:ident $path:literal $takes:ident $handler:path;)*) => {
        &[$(Endpoint {
            method: Method::$method,
            path: $path,
            takes: Takes::$takes,
            handler: |visit| Box::pin($handler(visit)),
        }),*]
    };
}

#[rustfmt::skip]
const ENDPOINTS: &[Endpoint] = endpoints! {
    Get  "/ok"                     Json        sessions::show_ok;
    Post "/sign-up/email"          JsonOrForm  sign::sign_up;
    Post "/sign-in/email"          JsonOrForm  sign::sign_in;
    Post "/sign-out"               Json        sign::sign_out;
    Get  "/get-session"            Json        sessions::get_session;
    Post "/get-session"            Json        sessions::refuse_post;
    Get  "/list-sessions"          Json        sessions::list_sessions;
    Post "/revoke-session"         Json        sessions::revoke_session;
    Post "/revoke-sessions"        Json        sessions::revoke_sessions;
    Post "/revoke-other-sessions"  Json        sessions::revoke_other_sessions;
    Post "/update-session"         Json        sessions::update_session;

    Post "/sign-in/social"           Json  sign::sign_in_social;
    Post "/update-user"              Json  profile::update_user;
    Post "/change-password"          Json  profile::change_password;
    Post "/verify-password"          Json  profile::verify_password;
    Get  "/list-accounts"            Json  profile::list_accounts;
    Post "/delete-user"              Json  profile::delete_user;
    Get  "/delete-user/callback"     Json  profile::follow_deletion;
    Post "/change-email"             Json  links::change_email;
    Post "/send-verification-email"  Json  links::send_verification;
    Get  "/verify-email"             Json  links::follow_verification;
    Post "/request-password-reset"   Json  links::request_reset;
    Get  "/reset-password/{}"        Json  links::follow_reset;
    Post "/reset-password"           Json  links::reset_password;
    Get  "/error"                    Json  links::show_error;

    Get  "/admin/list-users"            Json  admin::users::list_users;
    Get  "/admin/get-user"              Json  admin::users::get_user;
    Post "/admin/create-user"           Json  admin::users::create_user;
    Post "/admin/update-user"           Json  admin::users::update_user;
    Post "/admin/set-role"              Json  admin::users::set_role;
    Post "/admin/ban-user"              Json  admin::users::ban_user;
    Post "/admin/unban-user"            Json  admin::users::unban_user;
    Post "/admin/remove-user"           Json  admin::users::remove_user;
    Post "/admin/set-user-password"     Json  admin::users::set_user_password;
    Post "/admin/list-user-sessions"    Json  admin::sessions::list_user_sessions;
    Post "/admin/revoke-user-session"   Json  admin::sessions::revoke_user_session;
    Post "/admin/revoke-user-sessions"  Json  admin::sessions::revoke_user_sessions;
    Post "/admin/impersonate-user"      Json  admin::sessions::impersonate_user;
    Post "/admin/stop-impersonating"    Json  admin::sessions::stop_impersonating;
    Post "/admin/has-permission"        Json  admin::has_permission;
};

/// Answers a request for `path`, below `/api/auth`.
///
/// # Errors
/// What is no refusal in Better Auth's own words.
pub async fn answer(app: &App, request: &Incoming, path: &str, request_id: &str) -> Result<Reply, ApiError> {
    let Some(key) = &app.config.auth_key else {
        return Err(ApiError::SecretMissing { variable: "BETTER_AUTH_SECRET" });
    };
    let mut visit = Visit::new(app, key, request, request_id)?;
    let outcome = walk(&mut visit, request, path).await;
    visit.finish(outcome)
}

async fn walk(visit: &mut Visit<'_>, request: &Incoming, path: &str) -> Outcome {
    visit.count(path).await?;
    let (endpoint, item) = find(&request.method(), path).ok_or(AuthError::NO_ROUTE)?;
    visit.read(request, endpoint.takes, item).await?;
    visit.check_page()?;
    (endpoint.handler)(visit).await
}

fn find<'p>(method: &Method, path: &'p str) -> Option<(&'static Endpoint, &'p str)> {
    let mut endpoints = ENDPOINTS.iter().filter(|endpoint| endpoint.method == *method);
    endpoints.find_map(|endpoint| Some((endpoint, endpoint.item_of(path)?)))
}

impl Endpoint {
    /// What stands for the `{}` of its path; empty without one. None if the path is another.
    fn item_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self.path.strip_suffix("{}") {
            None => (self.path == path).then_some(""),
            Some(before) => path.strip_prefix(before).filter(|item| !item.is_empty() && !item.contains('/')),
        }
    }
}

/// The session that a request brings, and its user, as clients read them; none if none lives. Nothing is prolonged,
/// and nothing the browser keeps changes.
///
/// # Errors
/// If the user's object can't be asked.
pub async fn show_session(
    app: &App,
    request: &Incoming,
    request_id: &str,
) -> Result<Option<Value>, ApiError> {
    let Some(key) = &app.config.auth_key else {
        return Err(ApiError::SecretMissing { variable: "BETTER_AUTH_SECRET" });
    };
    let visit = Visit::new(app, key, request, request_id)?;
    let Some(token) = visit.token() else { return Ok(None) };
    match visit.show(token, false).await {
        Ok(shown) => {
            let user = UserId(token.user.into_bytes());
            Ok(shown.map(|SessionShown { session, profile, .. }| {
                json!({ "session": shape::session(user, &session, key), "user": shape::user(user, &profile) })
            }))
        }
        Err(Failure::Api(error)) => Err(error),
        Err(Failure::Auth(error)) => {
            Err(ApiError::Internal { cause: format!("a session was refused: {error:?}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods_are_matched_whole() {
        assert!(find(&Method::Get, "/ok").is_some());
        for (method, path) in [
            (Method::Head, "/ok"),
            (Method::Post, "/ok"),
            (Method::Get, "/ok/"),
            (Method::Get, "//ok"),
            (Method::Get, ""),
            (Method::Post, "/forget-password"),
            (Method::Get, "/reset-password/"),
            (Method::Get, "/reset-password/a/b"),
        ] {
            assert!(find(&method, path).is_none(), "{path}");
        }
    }

    #[test]
    fn an_item_stands_for_the_last_segment() {
        let item = find(&Method::Get, "/reset-password/abc").map(|(_, item)| item);
        assert_eq!(item, Some("abc"));
        assert_eq!(find(&Method::Post, "/reset-password").map(|(_, item)| item), Some(""));
    }

    #[test]
    fn no_endpoint_is_listed_twice() {
        let mut seen = std::collections::HashSet::new();
        for endpoint in ENDPOINTS {
            assert!(seen.insert((endpoint.method.as_ref().to_owned(), endpoint.path)), "{}", endpoint.path);
        }
    }
}
