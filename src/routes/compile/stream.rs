//! `POST /compile/stream`: a list, and what happens until it is there, as server-sent events.
//!
//! Frames are `event: NAME`, `data: JSON on one line` and a blank line, all ended by LF: existing clients look for
//! exactly that. <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use compiler::Compiled;
use futures::channel::mpsc::{Sender, channel};
use futures::{SinkExt, StreamExt};
use serde::Serialize;
use serde_json::{Value, json};
use wasm_bindgen_futures::spawn_local;
use worker::console_error;

use super::request::CompileRequest;
use super::work::{CompiledList, Metrics, Work};
use crate::admission::Admitted;
use crate::app::App;
use crate::body;
use crate::error::ApiResult;
use crate::reply::{Body, Chunked, Reply, list_pieces};
use crate::turnstile;

/// Frames that may wait to be sent: three of each of 100 sources, and three of each of 15 passes over each of
/// them and the whole, so that none is lost.
const MAX_WAITING: usize = 3 * 100 + 3 * 15 * 101 + 100;

/// What the last event but one says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    /// The lines go here while the frame is sent.
    rules: [(); 0],
    rule_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
}

/// `POST /compile/stream`: as [`compile_list`](super::compile_list), told while it happens. What goes wrong after
/// the beginning is told as the event `error`, the last one then.
///
/// Fails: 400 a body that is no JSON, has the wrong shape, or names a source the service does not fetch;
/// 403 no good Turnstile token while Turnstile is on; 413 a body over the bound.
pub async fn compile_stream(app: App, admitted: Admitted) -> ApiResult {
    let Admitted { request, caller, .. } = admitted;
    let bytes = body::read(&request, app.config.max_body_bytes).await?;
    let asked = CompileRequest::parse(&bytes)?;
    drop(bytes);
    turnstile::check(&app, &request, &caller, asked.turnstile_token.as_deref()).await?;
    let work = Work::new(&app, &request, asked)?;

    let (sender, receiver) = channel::<Vec<u8>>(MAX_WAITING);
    spawn_local(tell(app, work, sender));
    let body = Body::Chunked { media_type: "text/event-stream", chunks: Chunked(receiver.boxed_local()) };
    let reply = Reply { body, ..Reply::empty(200) };
    Ok(reply.with_header("Cache-Control", "no-cache"))
}

async fn tell(app: App, work: Work, mut sender: Sender<Vec<u8>>) {
    let listener = {
        let sender = std::cell::RefCell::new(sender.clone());
        // There is room for all of them; only whoever has left hears nothing any more.
        move |name: &'static str, data: Value| {
            drop(sender.borrow_mut().try_send(frame(name, &data.to_string())))
        }
    };
    // Whoever left in between needs no answer.
    let _left = match work.run(&app, Some(&listener)).await {
        Ok((list, compiled)) => send_result(&mut sender, list, compiled).await,
        Err(error) => {
            if let Some(cause) = error.cause() {
                console_error!("{}", json!({ "level": "error", "what": "compile/stream", "cause": cause }));
            }
            sender.send(frame("error", &json!({ "error": error.detail() }).to_string())).await.ok()
        }
    };
}

async fn send_result(sender: &mut Sender<Vec<u8>>, list: CompiledList, compiled: Compiled) -> Option<()> {
    let CompiledList { rule_count, metrics, .. } = list;
    let outcome = serde_json::to_string(&Outcome { rules: [], rule_count, metrics }).ok()?;
    sender.send(b"event: result\ndata: ".to_vec()).await.ok()?;
    for piece in list_pieces(outcome, compiled, false) {
        sender.send(piece.ok()?).await.ok()?;
    }
    sender.send(b"\n\n".to_vec()).await.ok()?;
    sender.send(frame("done", "{}")).await.ok()
}

fn frame(name: &str, data: &str) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}
