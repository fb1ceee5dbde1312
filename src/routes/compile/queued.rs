//! `POST /compile/async` and `/compile/batch/async`: lists that are compiled later.

use durable::compile_job::new_id;
use durable::compile_job::wire::{Create, MAX_PARTS, Part, Reply as JobReply, Work};
use limits::Tier;
use serde_json::json;
use uuid::Uuid;
use worker::console_error;

use super::batch::read_batch;
use super::read;
use super::work::check_sources;
use crate::admission::Admitted;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::queues::record;
use crate::reply::Reply;

/// `POST /compile/async`: accepts a configuration to be compiled later.
///
/// Fails: 400 a body that is no JSON, has the wrong shape, or names a source the service does not fetch; 403 no good
/// Turnstile token while Turnstile is on; 413 a body over the bound; 500 the queue takes nothing.
pub async fn queue_list(app: App, admitted: Admitted) -> ApiResult {
    let asked = read(&app, &admitted).await?;
    check_sources(&app, admitted.request.own_host()?.as_deref(), &asked)?;
    accept(&app, &admitted, "compile", Work::List(asked.recipe)).await
}

/// `POST /compile/batch/async`: accepts up to 100 configurations, each a job of its own.
///
/// Fails: as [`queue_list`]; one that can't be accepted fails all.
pub async fn queue_batch(app: App, admitted: Admitted) -> ApiResult {
    let requests = read_batch(&app, &admitted, MAX_PARTS).await?;
    let own_host = admitted.request.own_host()?;
    let mut parts = Vec::with_capacity(requests.len());
    for (name, asked) in requests {
        check_sources(&app, own_host.as_deref(), &asked)?;
        parts.push(Part { name, recipe: asked.recipe });
    }
    accept(&app, &admitted, "batch", Work::Batch(parts)).await
}

async fn accept(app: &App, admitted: &Admitted, kind: &str, work: Work) -> ApiResult {
    let high_priority = admitted.caller.rights.tier >= Tier::Pro;
    let id = new_id(kind, app.now.0, Uuid::new_v4().as_u128());
    let n_parts = match &work {
        Work::List(_) => None,
        Work::Batch(parts) => Some(parts.len()),
    };
    let create = Create {
        id: id.clone(),
        owner: admitted.caller.identity.object_name(),
        created_at: app.now.0,
        high_priority,
        work,
        charged: admitted.charged.receipts(),
        part_of: None,
    };
    // Once this is answered the job is stored and will end. Everything after it may be lost and comes again.
    let job = match app.jobs()?.create(&create).await {
        Ok(JobReply::Job(job)) => job,
        Ok(other) => return Err(ApiError::Internal { cause: format!("an unexpected reply: {other:?}") }),
        Err(error) => {
            console_error!("{}", json!({ "level": "error", "what": "queue", "cause": error.to_string() }));
            let detail =
                "The job could not be queued. Queue bindings may be missing; try again shortly".to_owned();
            return Err(ApiError::CompileFailed { code: "queue_unavailable".to_owned(), detail });
        }
    };
    if let Err(error) = record(app, &job).await {
        let cause = error.cause().unwrap_or("see the error's kind");
        console_error!("{}", json!({ "level": "error", "what": "the record of a new job", "cause": cause }));
    }
    let message = match n_parts {
        None => "Compilation job queued successfully".to_owned(),
        Some(n) => format!("Batch of {n} compilation jobs queued successfully"),
    };
    let mut body = json!({
        "success": true,
        "message": message,
        "note": format!("Ask GET /queue/results/{id} what came of it, or watch GET /queue/events/{id}"),
        "requestId": id,
        "priority": if high_priority { "high" } else { "standard" },
    });
    if let (Some(n), Some(members)) = (n_parts, body.as_object_mut()) {
        members.insert("batchSize".to_owned(), n.into());
    }
    let reply = Reply::json(&body)?.with_header("Location", format!("/queue/results/{id}"));
    Ok(Reply { status: 202, ..reply })
}
