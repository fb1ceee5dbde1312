//! What admins do: Better Auth's admin plugin. A role opens it, whatever was paid for.

pub mod sessions;
pub mod users;

use durable::identity::wire::Ending;
use limits::UserId;
use serde_json::json;

use super::sign::{answer, of_users};
use super::visit::{SignedIn, Visit};
use super::{Failure, Outcome};
use crate::auth::error::AuthError;
use crate::auth::permission::{allows, allows_all};
use crate::auth::schema::admin::HasPermission;
use crate::events::Event;
use crate::records;
use crate::store::directory::{self, Change, Changed};
use crate::store::users::{User, load_user};

/// `POST /admin/has-permission`: whether the caller may do all of it.
pub async fn has_permission(visit: &Visit<'_>) -> Outcome {
    // What the field was called once.
    if visit.body.get("permissions").is_none() && visit.body.get("permission").is_some() {
        return Err(AuthError::NO_PERMISSION_ASKED_FOR.into());
    }
    let body = HasPermission::read(&visit.body)?;
    let SignedIn { profile, .. } = visit.session(true).await?.ok_or(AuthError::NO_ADMIN_SESSION)?;
    answer(&json!({ "error": null, "success": allows_all(&profile.role, &body.permissions) }))
}

impl Visit<'_> {
    /// The session of somebody who may do this.
    ///
    /// # Errors
    /// 401 without a body if there is none; `refusal` if the role does not allow it.
    async fn permitted(&self, resource: &str, action: &str, refusal: AuthError) -> Result<SignedIn, Failure> {
        let signed_in = self.session(true).await?.ok_or(AuthError::NO_ADMIN_SESSION)?;
        if allows(&signed_in.profile.role, resource, action) {
            return Ok(signed_in);
        }
        self.record(Event::AccessDenied, refusal.code().unwrap_or_default(), Some(signed_in.user));
        Err(refusal.into())
    }

    /// The user with this id, as the record has them.
    ///
    /// # Errors
    /// 404; 503 if D1 can't be asked.
    async fn find_user(&self, id: &str) -> Result<User, Failure> {
        let id = parse_user(id)?;
        let found = load_user(&self.app.d1()?, id).await.map_err(of_users)?;
        Ok(found.ok_or(AuthError::USER_NOT_FOUND)?)
    }

    /// Changes a user. It acts on the very next request; sessions of who is suspended have ended.
    ///
    /// # Errors
    /// 404; 400 if somebody else has the address; 503 if it can't be done, or does not act yet.
    async fn change_user(&self, id: UserId, change: &Change<'_>) -> Result<User, Failure> {
        let changed = directory::change_user(&self.app.d1()?, id, change, self.app.now.0).await;
        let user = match changed.map_err(of_users)? {
            Changed::User(user) => *user,
            Changed::EmailTaken => return Err(AuthError::CREATED_USER_EXISTS.into()),
            Changed::NoUser => return Err(AuthError::USER_NOT_FOUND.into()),
        };
        if change.banned == Some(true) {
            // The object ends them too, but not for a suspension that is over already, and it doesn't tell.
            self.end_sessions(id, Ending::All).await?;
        }
        records::settle_user(self.app, id).await?;
        Ok(user)
    }
}

/// Ids of users are UUIDs; nobody has another.
fn parse_user(id: &str) -> Result<UserId, AuthError> {
    id.parse().or(Err(AuthError::USER_NOT_FOUND))
}
