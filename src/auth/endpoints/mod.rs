//! The endpoints at `/api/auth`, and the way of a request through them.
//!
//! A request is judged in the order in which Better Auth does it, so that each mistake has the same answer: the
//! limiter, the route, the body, the page it comes from, the session, the shape, and then whatever the endpoint asks
//! for. What a browser keeps is told by every answer, refusals included.

mod admin;
mod sessions;
mod shape;
mod sign;
mod visit;

use futures::future::LocalBoxFuture;
use worker::Method;

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
    ENDPOINTS.iter().filter(|endpoint| endpoint.method == *method).find_map(|endpoint| {
        match endpoint.path.strip_suffix("{}") {
            None => (endpoint.path == path).then_some((endpoint, "")),
            Some(before) => {
                let item = path.strip_prefix(before)?;
                (!item.is_empty() && !item.contains('/')).then_some((endpoint, item))
            }
        }
    })
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
        ] {
            assert!(find(&method, path).is_none(), "{path}");
        }
    }

    #[test]
    fn no_endpoint_is_listed_twice() {
        let mut seen = std::collections::HashSet::new();
        for endpoint in ENDPOINTS {
            assert!(seen.insert((endpoint.method.as_ref().to_owned(), endpoint.path)), "{}", endpoint.path);
        }
    }
}
