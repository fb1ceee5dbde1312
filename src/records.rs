//! Keeps in step what others keep of a user: D1 has the record, the user's object a copy that requests are judged
//! by, PostgreSQL the keys.
//!
//! A change of a user leaves a note in D1, in the same step. [`settle`] tells all who must know and then takes the
//! note away. Whoever changed something settles before it answers; if it dies before that, the queue or the
//! schedule does it. Telling twice changes nothing, because every copy knows how new it is.

use durable::identity::wire::{AccountCommand, Rejection};
use futures::{StreamExt, stream};
use limits::UserId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use worker::console_error;

use crate::app::App;
use crate::error::ApiError;
use crate::store::keys::{self, ApiKey};
use crate::store::users::{self, Change};

/// How old a note must be before the schedule takes it up, in milliseconds: whoever made it is gone by then.
const LEFT_BEHIND_MS: u64 = 60_000;
/// Notes that one run of the schedule takes up at most, and how many at once.
const MAX_NOTES: u32 = 500;
const AT_ONCE: usize = 8;

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

/// Tells all who must know of the user's newest change, before it is acknowledged.
///
/// # Errors
/// If the change can't act on the very next request: the caller must not acknowledge it. What may come later, the
/// queue does.
pub async fn settle_user(app: &App, user: UserId) -> Result<(), ApiError> {
    let unavailable = |error: worker::Error| ApiError::unavailable("The record of users", error);
    match users::load_change(&app.d1()?, user).await.map_err(unavailable)? {
        Some(change) => settle(app, &change).await,
        None => Ok(()),
    }
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

/// Settles the change that a message names. One that is settled already needs nothing.
///
/// # Errors
/// If somebody could not be told.
pub async fn settle_message(app: &App, message: &Message) -> Result<(), ApiError> {
    let Message::SettleChange { id } = message;
    let unavailable = |error: worker::Error| ApiError::unavailable("The record of users", error);
    let Some(change) = users::find_change(&app.d1()?, id).await.map_err(unavailable)? else { return Ok(()) };
    tell_object(app, &change).await?;
    finish(app, &change).await
}

/// Settles what was left behind. The schedule calls it.
///
/// # Errors
/// If D1 can't be asked. A change that can't be settled is logged and stays for the next time.
pub async fn settle_left_behind(app: &App) -> Result<(), ApiError> {
    let unavailable = |error: worker::Error| ApiError::unavailable("The record of users", error);
    let before = app.now.0.saturating_sub(LEFT_BEHIND_MS);
    let changes = users::load_changes_before(&app.d1()?, before, MAX_NOTES).await.map_err(unavailable)?;
    let settling = stream::iter(changes).map(|change| async move {
        let told = async {
            tell_object(app, &change).await?;
            finish(app, &change).await
        };
        told.await
    });
    let outcomes: Vec<Result<(), ApiError>> = settling.buffer_unordered(AT_ONCE).collect().await;
    for error in outcomes.into_iter().filter_map(Result::err) {
        let cause = error.cause().unwrap_or("see the error's kind");
        console_error!("{}", json!({ "level": "error", "what": "a change of a user", "cause": cause }));
    }
    Ok(())
}

async fn settle(app: &App, change: &Change) -> Result<(), ApiError> {
    tell_object(app, change).await?;
    // From here on the change acts. What is left is to tidy up, and can be done later.
    if let Err(error) = finish(app, change).await {
        let cause = error.cause().unwrap_or("see the error's kind");
        console_error!("{}", json!({ "level": "error", "what": "a change of a user", "cause": cause }));
        app.queue()?.send(&Message::SettleChange { id: change.id.clone() }).await?;
    }
    Ok(())
}

async fn tell_object(app: &App, change: &Change) -> Result<(), ApiError> {
    let unavailable = |error: worker::Error| ApiError::unavailable("The record of users", error);
    let user = if change.deleted {
        None
    } else {
        users::load_user(&app.d1()?, change.user).await.map_err(unavailable)?
    };
    let command = match user {
        Some(user) => AccountCommand::Introduce(user.profile),
        // Gone meanwhile: the note of that is newer, and may be settled by somebody else already.
        None => AccountCommand::Bury { version: change.version },
    };
    // A user who is deleted already needs no introduction.
    let _known = app.identities()?.account(change.user, command).await?;
    Ok(())
}

async fn finish(app: &App, change: &Change) -> Result<(), ApiError> {
    if change.deleted {
        let deleted = keys::delete_keys_of(&app.postgres()?, change.user).await;
        deleted.map_err(|error| ApiError::unavailable("The record of keys", error))?;
    }
    let forgotten = users::forget_change(&app.d1()?, change).await;
    forgotten.map_err(|error| ApiError::unavailable("The record of users", error))
}
