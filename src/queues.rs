//! The queue doors: jobs, changes of users, and what nobody could do.
//!
//! A message is settled or handed back. Everything that is done for one may be done again: messages come twice.

use durable::compile_job::wire::{Charged, Job, MAX_ATTEMPTS, Message as JobMessage, PartEnd, Reply};
use durable::identity::wire::{Act, Action, Refund};
use futures::{StreamExt, stream};
use limits::{Identity, NotAnIdentity};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use worker::{Message, MessageBatch, MessageExt, console_error};

use crate::app::{App, now};
use crate::error::ApiError;
use crate::records;
use crate::store::jobs;

/// Messages that are worked on at a time. Each holds a connection to its job's object, and an event has six.
/// <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>
const AT_ONCE: usize = 6;
/// Ends the name of the queue of what nobody could do.
const DEAD_LETTER: &str = "dead-letter";
/// Signs what is given back.
const AUTHOR: &str = "service";

/// What may lie in a queue.
#[derive(Deserialize)]
#[serde(untagged)]
enum Known {
    Job(JobMessage),
    Change(records::Message),
}

/// Takes one batch. What can't be done, or is of no known kind, is handed back: the platform tries it again and at
/// last moves it to the dead-letter queue, where a job is told that it failed.
///
/// # Errors
/// If the platform can't read the batch.
pub async fn consume(app: &App, batch: &MessageBatch<Value>) -> worker::Result<()> {
    let (queue, messages) = (batch.queue(), batch.messages()?);
    let is_dead = queue.ends_with(DEAD_LETTER);
    let queue = &queue;
    stream::iter(messages)
        .for_each_concurrent(AT_ONCE, |message| async move {
            #[cfg(feature = "faults")]
            worker::console_log!("raw message {}", message.body());
            match settle(app, &message, is_dead).await {
                Ok(()) => message.ack(),
                Err(cause) => {
                    let entry =
                        json!({ "level": "error", "cause": cause, "queue": queue, "messageId": message.id() });
                    console_error!("{entry}");
                    message.retry();
                }
            }
        })
        .await;
    Ok(())
}

async fn settle(app: &App, message: &Message<Value>, is_dead: bool) -> Result<(), String> {
    match (Known::deserialize(message.body()), is_dead) {
        (Ok(Known::Job(JobMessage::Compile { request_id } | JobMessage::BatchCompile { request_id })), _) => {
            settle_job(app, &request_id, is_dead).await
        }
        (Ok(Known::Change(change)), false) => records::settle_message(app, &change).await.map_err(cause_of),
        (Err(_), false) => Err("unknown kind of message".to_owned()),
        // A change leaves a note that the schedule finds; what is unknown stays so.
        (Ok(Known::Change(_)) | Err(_), true) => {
            console_error!("{}", json!({ "level": "error", "what": "given up", "messageId": message.id() }));
            Ok(())
        }
    }
}

async fn settle_job(app: &App, id: &str, is_dead: bool) -> Result<(), String> {
    let jobs = app.jobs().map_err(|error| error.to_string())?;
    let reply = match is_dead {
        true => {
            let reason = format!("The compile was given up after {MAX_ATTEMPTS} attempts");
            jobs.give_up(id, reason).await
        }
        false => {
            let base_url = app.config.base_url.as_deref().and_then(|url| Url::parse(url).ok());
            let own_host = base_url.and_then(|url| url.host_str().map(str::to_owned));
            jobs.run(id, app.settings(own_host)).await
        }
    };
    let mut reply = reply.map_err(|error| error.to_string())?;
    // A part that ended may be the last of its batch.
    while let Reply::Ended { job, refund, part_of } = reply {
        if !refund.is_empty() {
            give_back(app, &job, refund).await?;
        }
        record(app, &job).await.map_err(cause_of)?;
        let batch = match part_of {
            Some((batch, n)) => {
                let end =
                    PartEnd { n, status: job.status, error: job.error.clone(), rule_count: job.rule_count };
                jobs.part_ended(&batch, end).await.map_err(|error| error.to_string())?
            }
            None => Reply::Nothing,
        };
        jobs.recorded(&job.id).await.map_err(|error| error.to_string())?;
        reply = batch;
    }
    match reply {
        Reply::Broken { cause } => Err(cause),
        _ => Ok(()),
    }
}

/// Gives units back, once: the identity's object remembers the job.
async fn give_back(app: &App, job: &Job, refund: Vec<Charged>) -> Result<(), String> {
    let identity: Identity = job.owner.parse().map_err(|error: NotAnIdentity| error.to_string())?;
    let charges = refund.into_iter().map(|Charged { charge, reset_at }| Refund { charge, reset_at });
    let act = Act {
        id: job.id.clone(),
        asked_at: now().0,
        author: AUTHOR.to_owned(),
        action: Action::Refund { charges: charges.collect() },
        policies: Vec::new(),
    };
    let acting = app.identities().map_err(|error| error.to_string())?;
    acting.act(&identity, act).await.map(drop).map_err(|error| error.to_string())
}

/// Writes down how a job stands.
///
/// # Errors
/// If D1 can't be asked.
pub async fn record(app: &App, job: &Job) -> Result<(), ApiError> {
    let Ok(Identity::User(owner)) = job.owner.parse() else {
        return Err(ApiError::Internal { cause: "a job's owner is no user".to_owned() });
    };
    let row = jobs::Row {
        request_id: job.id.clone(),
        config_name: job.name.clone(),
        status: job.status.name().to_owned(),
        created_at: job.created_at,
        started_at: job.started_at,
        ended_at: job.ended_at,
        rule_count: job.rule_count,
        error: job.error.clone(),
    };
    let recorded = jobs::record_job(&app.d1()?, owner, job.high_priority, &row).await;
    recorded.map_err(|error| ApiError::unavailable("The record of jobs", error))
}

fn cause_of(error: ApiError) -> String {
    error.cause().unwrap_or("see the error's kind").to_owned()
}
