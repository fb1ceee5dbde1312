//! Keeps in step what others keep of a user: D1 has the record, the user's object a copy that requests are judged
//! by, PostgreSQL the keys.
//!
//! A change of a user leaves a note in D1, in the same step. [`settle_user`] tells all who must know and then takes the
//! note away. Whoever changed something settles before it answers; if it dies before that, the queue or the
//! schedule does it. Telling twice changes nothing, because every copy knows how new it is.

use std::pin::pin;
use std::time::Duration;

use durable::identity::wire::{AccountCommand, AccountReply, Key, Rejection};
use futures::future::{Either, select};
use futures::{StreamExt, stream};
use limits::UserId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use worker::{Delay, console_error};

use crate::app::{App, now};
use crate::error::ApiError;
use crate::store::keys::{self, ApiKey};
use crate::store::users::{self, Change};

/// How long a user's object may take to hear of a change.
const DEADLINE: Duration = Duration::from_secs(3);
/// How old a note must be before the schedule takes it up, in milliseconds: whoever made it is gone by then.
const LEFT_BEHIND_MS: u64 = 60_000;
/// Notes that one run of the schedule takes up at most, and how many at once. Each takes one call, of the 1,000
/// that an event may make and the six that may be under way.
/// <https://developers.cloudflare.com/workers/platform/limits/>
const MAX_NOTES: u32 = 200;
const AT_ONCE: usize = 6;

/// What is sent to the queue: which change is to be settled, and nothing about whose it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// A change of a user.
    SettleChange {
        /// Its id.
        id: String,
    },
}

/// Tells all who must know of the user's newest change, before it is acknowledged. That there is nothing to tell is
/// no error: somebody else did it.
///
/// # Errors
/// If the change can't act on the very next request: the caller must not acknowledge it. What may come later, the
/// queue does.
pub async fn settle_user(app: &App, user: UserId) -> Result<(), ApiError> {
    let Some(change) = users::load_change(&app.d1()?, user).await.map_err(of_users)? else { return Ok(()) };
    let told = tell_object(app, &change).await;
    // Once the object knows, the change acts. What is left is to tidy up.
    let settled = match &told {
        Ok(()) => forget(app, std::slice::from_ref(&change)).await,
        Err(_) => Ok(()),
    };
    let failure = told.as_ref().err().or(settled.as_ref().err());
    if let Some(failure) = failure {
        log(failure);
        // Should even that fail, the schedule finds the note.
        if let Err(error) = app.queue()?.send(&Message::SettleChange { id: change.id.clone() }).await {
            log(&ApiError::unavailable("The queue", error));
        }
    }
    told
}

/// Tells the owner's object how a key is, as the record had it at `read_at` or later. Whoever changes a key does so
/// before answering, and the change acts on the very next request; if it dies before that, the object hears of it
/// when the key's use is written down.
///
/// # Errors
/// If the object can't be asked: the change must not be acknowledged.
pub async fn tell_of_key(app: &App, key: &ApiKey, read_at: u64) -> Result<Result<(), Rejection>, ApiError> {
    let learn = AccountCommand::LearnKey { hash: key.hash.clone(), key: key.state.clone(), read_at };
    Ok(app.identities()?.account(key.owner, learn).await?.map(drop))
}

/// Writes down the uses of a key. Those that the record does not take, or an object forgot that was restarted, are
/// lost: what is counted here limits nobody.
///
/// # Errors
/// If the object or PostgreSQL can't be asked.
pub async fn record_uses(app: &App, owner: UserId, hash: String, id: &str) -> Result<(), ApiError> {
    let collect = AccountCommand::CollectUses { hash: hash.clone() };
    let Ok(AccountReply::Uses { n: n @ 1.., last_at }) = app.identities()?.account(owner, collect).await?
    else {
        return Ok(());
    };
    let read_at = now().0;
    let recorded = keys::record_uses(&app.postgres()?, id, n, last_at).await;
    let recorded = recorded.map_err(|error| ApiError::unavailable("The record of keys", error))?;
    // A key that the record has no more is revoked for good: its hash never comes back.
    let state = recorded.map_or_else(|| gone(id, read_at), |key| key.state);
    let learn = AccountCommand::LearnKey { hash, key: state, read_at };
    // Of a user who was deleted there is nothing to learn.
    let _known = app.identities()?.account(owner, learn).await?;
    Ok(())
}

/// The state of a key whose row was deleted.
fn gone(id: &str, at: u64) -> Key {
    Key {
        id: id.to_owned(),
        version: u64::MAX,
        scopes: Vec::new(),
        rate_limit: 0,
        expires_at: None,
        revoked_at: Some(at),
    }
}

/// Settles the change that a message names. One that is settled already, or that a newer one took the place of,
/// needs nothing.
///
/// # Errors
/// If somebody could not be told.
pub async fn settle_message(app: &App, message: &Message) -> Result<(), ApiError> {
    let Message::SettleChange { id } = message;
    let Some(change) = users::find_change(&app.d1()?, id).await.map_err(of_users)? else { return Ok(()) };
    tell_object(app, &change).await?;
    forget(app, &[change]).await
}

/// Settles what was left behind. The schedule calls it.
///
/// # Errors
/// If D1 or PostgreSQL can't be asked. What can't be settled stays for the next time.
pub async fn settle_left_behind(app: &App) -> Result<(), ApiError> {
    let before = app.now.0.saturating_sub(LEFT_BEHIND_MS);
    let changes = users::load_changes_before(&app.d1()?, before, MAX_NOTES).await.map_err(of_users)?;
    let telling = stream::iter(changes).map(|change| async move {
        let told = tell_object(app, &change).await;
        told.inspect_err(log).ok().map(|()| change)
    });
    let told: Vec<Change> =
        telling.buffer_unordered(AT_ONCE).filter_map(async |change| change).collect().await;
    forget(app, &told).await
}

/// Has the user's object take note of how the record stands. The object keeps what is newest, so telling late or
/// twice does no harm.
async fn tell_object(app: &App, change: &Change) -> Result<(), ApiError> {
    let command = match &change.profile {
        Some(profile) => AccountCommand::Introduce(profile.clone()),
        None => AccountCommand::Bury { version: change.version },
    };
    let objects = app.identities()?;
    let telling = pin!(objects.account(change.user, command));
    match select(telling, pin!(Delay::from(DEADLINE))).await {
        // A user who is deleted already needs no introduction.
        Either::Left((Ok(_known), _)) => Ok(()),
        Either::Left((Err(error), _)) => Err(ApiError::unavailable("The user's object", error)),
        Either::Right(_) => Err(ApiError::unavailable("The user's object", "no answer in time")),
    }
}

/// Takes away the notes of changes that the objects know of; those of deletions once the keys are gone.
async fn forget(app: &App, changes: &[Change]) -> Result<(), ApiError> {
    let database = app.d1()?;
    let (deleted, changed): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| change.profile.is_none());
    users::forget_changes(&database, &changed).await.map_err(of_users)?;
    if deleted.is_empty() {
        return Ok(());
    }
    let owners: Vec<UserId> = deleted.iter().map(|change| change.user).collect();
    let gone = keys::delete_keys_of(&app.postgres()?, &owners).await;
    gone.map_err(|error| ApiError::unavailable("The record of keys", error))?;
    users::forget_changes(&database, &deleted).await.map_err(of_users)
}

fn of_users(error: worker::Error) -> ApiError {
    ApiError::unavailable("The record of users", error)
}

fn log(error: &ApiError) {
    let cause = error.cause().unwrap_or("see the error's kind");
    console_error!("{}", json!({ "level": "error", "what": "a change of a user", "cause": cause }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies in queues outlives the Worker that sent it, and may be looked at by whoever may look at queues.
    #[test]
    fn a_message_carries_its_kind_and_the_id_of_a_change() {
        let message = serde_json::to_value(Message::SettleChange { id: "c0ffee".to_owned() });
        assert_eq!(message.ok(), Some(json!({ "type": "settle-change", "id": "c0ffee" })));
    }
}
