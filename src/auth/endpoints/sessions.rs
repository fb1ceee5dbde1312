//! Sessions: shown and ended.

use durable::identity::wire::{AccountCommand, AccountReply, Ending};
use limits::UserId;
use serde_json::{Value, json};

use super::sign::answer;
use super::visit::{SignedIn, Visit, unexpected};
use super::{Failure, Outcome, shape};
use crate::auth::cookies::Name;
use crate::auth::error::AuthError;
use crate::auth::schema::{GetSession, RevokeSession};
use crate::auth::token::SessionToken;
use crate::events::Event;
use crate::reply::Reply;

/// `GET /ok`.
pub async fn show_ok(_visit: &Visit<'_>) -> Outcome {
    answer(&json!({ "ok": true }))
}

/// `GET /get-session`: `null` without a session, never a refusal.
pub async fn get_session(visit: &Visit<'_>) -> Outcome {
    let query = GetSession::read(&visit.query)?;
    let shown = match visit.session(!query.disable_refresh).await? {
        None => Value::Null,
        Some(SignedIn { user, session, profile }) => {
            // A cached session of another deployment would be believed by nobody here.
            if visit.brings(Name::SessionData) {
                visit.cookies.borrow_mut().clear(Name::SessionData);
            }
            json!({
                "session": shape::session(user, &session, visit.key),
                "user": shape::user(user, &profile),
            })
        }
    };
    Ok(uncached(answer(&shown)?))
}

/// `POST /get-session`, which a setting would allow that does not exist here.
pub async fn refuse_post(visit: &Visit<'_>) -> Outcome {
    GetSession::read(&visit.query)?;
    Ok(uncached(AuthError::METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED.into_reply()))
}

fn uncached(reply: Reply) -> Reply {
    reply.with_header("Cache-Control", "no-store").with_header("Pragma", "no-cache")
}

/// `GET /list-sessions`.
pub async fn list_sessions(visit: &Visit<'_>) -> Outcome {
    let signed_in = visit.freshly_signed_in().await?;
    let sessions = visit.sessions_of(signed_in.user).await?;
    // Those in which an admin acts are the admin's business.
    let own = sessions.as_array().into_iter().flatten();
    let own: Vec<&Value> = own.filter(|session| session["impersonatedBy"].is_null()).collect();
    answer(&json!(own))
}

/// `POST /revoke-session`: one of the user's own; any other token changes nothing and is answered alike.
pub async fn revoke_session(visit: &Visit<'_>) -> Outcome {
    let body = RevokeSession::read(&visit.body)?;
    let signed_in = visit.signed_in().await?;
    if let Some(token) = SessionToken::parse(&body.token, visit.key)
        && UserId(token.user.into_bytes()) == signed_in.user
    {
        visit.end_session(token).await?;
        if visit.token() == Some(token) {
            visit.cookies.borrow_mut().clear_session();
        }
    }
    answer(&json!({ "status": true }))
}

/// `POST /revoke-sessions`: all of them, this one too.
pub async fn revoke_sessions(visit: &Visit<'_>) -> Outcome {
    let signed_in = visit.signed_in().await?;
    visit.end_sessions(signed_in.user, Ending::All).await?;
    visit.cookies.borrow_mut().clear_session();
    answer(&json!({ "status": true }))
}

/// `POST /revoke-other-sessions`.
pub async fn revoke_other_sessions(visit: &Visit<'_>) -> Outcome {
    let signed_in = visit.signed_in().await?;
    visit.end_sessions(signed_in.user, Ending::AllBut(signed_in.session.key)).await?;
    answer(&json!({ "status": true }))
}

/// `POST /update-session`: a session has no fields of its own to set.
pub async fn update_session(visit: &Visit<'_>) -> Outcome {
    visit.signed_in().await?;
    Err(AuthError::NO_FIELDS_TO_UPDATE.into())
}

impl Visit<'_> {
    /// The sessions of a user that are not over.
    ///
    /// # Errors
    /// 503 if the user's object can't be asked.
    pub async fn sessions_of(&self, user: UserId) -> Result<Value, Failure> {
        let sessions = match self.ask(user, AccountCommand::ListSessions).await? {
            Ok(AccountReply::Sessions(sessions)) => sessions,
            Ok(other) => return Err(unexpected(&other)),
            Err(_) => Vec::new(),
        };
        Ok(sessions.iter().map(|session| shape::session(user, session, self.key)).collect())
    }

    /// Ends the session of a token, if there is one.
    ///
    /// # Errors
    /// 503 if the user's object can't be asked.
    pub async fn end_session(&self, token: SessionToken) -> Result<(), Failure> {
        self.end_sessions(UserId(token.user.into_bytes()), Ending::One(token.key_text())).await
    }

    /// Ends sessions of a user.
    ///
    /// # Errors
    /// 503 if the user's object can't be asked.
    pub async fn end_sessions(&self, user: UserId, ending: Ending) -> Result<(), Failure> {
        match self.ask(user, AccountCommand::EndSessions(ending)).await? {
            Ok(AccountReply::Ended(0)) | Err(_) => Ok(()),
            Ok(AccountReply::Ended(_)) => {
                self.record(Event::SessionRevoked, "", Some(user));
                Ok(())
            }
            Ok(other) => Err(unexpected(&other)),
        }
    }
}
