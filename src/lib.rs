//! The front Worker: routes, counts, and hands over to a handler. It keeps nothing but caches that are
//! safe to lose; what must be exact lives in the objects of `durable`.
//!
//! The doors are here; `door` walks a request through, `router` has the table of routes.
#![allow(missing_docs)] // the door attributes generate public glue without any

mod admission;
#[cfg(test)]
mod api_document;
mod api_key;
mod app;
mod auth;
mod bindings;
mod body;
mod config;
mod cors;
mod door;
mod error;
mod events;
mod incoming;
mod jwt;
mod mail;
mod metrics;
mod notify;
mod pages;
mod queues;
mod records;
mod reply;
mod router;
mod routes;
mod store;
mod svix;
mod turnstile;

pub use durable::artifact::Artifact;
pub use durable::compile_job::CompileJob;
pub use durable::identity::Identity;
pub use durable::live_registry::LiveRegistry;
pub use durable::service_metrics::ServiceMetrics;
pub use durable::source_host::SourceHost;

use serde_json::json;
use worker::{Context, Env, MessageBatch, ScheduleContext, ScheduledEvent, console_error, event, web_sys};

use crate::app::App;

#[event(start)]
fn start() {
    // A panic ends one request; its message belongs into the log.
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    door::answer(request.into(), env, context).await
}

#[event(queue)]
async fn queue(batch: MessageBatch<serde_json::Value>, env: Env, _context: Context) -> worker::Result<()> {
    let app = App::new(env, None).map_err(|error| worker::Error::RustError(error.to_string()))?;
    queues::consume(&app, &batch).await
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let app = match App::new(env, None) {
        Ok(app) => app,
        Err(error) => return console_error!("{}", json!({ "level": "error", "cause": error.to_string() })),
    };
    routes::health::log_health(&app).await;
    let chores = [
        ("pending admin actions", routes::admin::limits::settle_pending(&app).await),
        ("old webhooks", routes::webhooks::forget_old_events(&app).await),
        ("mailed tokens", auth::endpoints::forget_expired(&app).await),
        ("changes of users", records::settle_left_behind(&app).await),
        ("lists kept at hand", routes::compile::warm_lists(&app).await),
        ("old jobs", routes::queue::forget_old(&app).await),
    ];
    for (what, done) in chores {
        if let Err(error) = done {
            let cause = error.cause().unwrap_or("see the error's kind");
            console_error!("{}", json!({ "level": "error", "what": what, "cause": cause }));
        }
    }
}
