//! `POST /compile/stream`: a list, and what happens until it is there, as server-sent events.
//!
//! Frames are `event: NAME`, `data: JSON on one line` and a blank line, all ended by LF: existing clients look for
//! exactly that. <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use durable::artifact::wire::Metrics;
use futures::channel::mpsc::{Sender, channel};
use futures::{SinkExt, StreamExt};
use serde::Serialize;
use serde_json::{Map, Value, json};
use wasm_bindgen_futures::spawn_local;
use worker::console_error;

use super::read;
use super::request::CompileRequest;
use super::work::{Product, check_sources, run};
use crate::admission::Admitted;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Chunked, Reply};

/// Frames that may wait to be sent: three of each of 100 sources, and three of each of 15 passes over each of
/// them and the whole, so that none is lost.
const MAX_WAITING: usize = 3 * 100 + 3 * 15 * 101 + 100;

/// What the last event but one says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    /// The lines go here while the frame is sent.
    rules: [(); 0],
    rule_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<&'a Metrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a Map<String, Value>>,
    /// Its rules are sent, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_version: Option<Value>,
}

type Frames = Sender<worker::Result<Vec<u8>>>;

/// `POST /compile/stream`: as [`compile_list`](super::compile_list), told while it happens, and compiled even if there
/// is a list. What goes wrong after the beginning is told as the event `error`, the last one then.
///
/// Fails: 400 a body that is no JSON, has the wrong shape, or names a source the service does not fetch;
/// 403 no good Turnstile token while Turnstile is on; 413 a body over the bound.
pub async fn compile_stream(app: App, admitted: Admitted) -> ApiResult {
    let asked = read(&app, &admitted).await?;
    let own_host = admitted.request.own_host()?;
    check_sources(&app, own_host.as_deref(), &asked)?;

    let (sender, receiver) = channel(MAX_WAITING);
    spawn_local(tell(app, own_host, asked, sender));
    let body = Body::Chunked { media_type: "text/event-stream", chunks: Chunked(receiver.boxed_local()) };
    let reply = Reply { body, ..Reply::empty(200) };
    Ok(reply.with_header("Cache-Control", "no-cache"))
}

async fn tell(app: App, own_host: Option<String>, asked: CompileRequest, mut sender: Frames) {
    let listener = {
        let sender = std::cell::RefCell::new(sender.clone());
        // There is room for all of them; only whoever has left hears nothing any more.
        move |name: &str, data: Value| {
            drop(sender.borrow_mut().try_send(Ok(frame(name, &data.to_string()))));
        }
    };
    let told = match run(&app, own_host, asked, true, Some(&listener)).await {
        Ok(product) => send_result(&mut sender, product).await,
        Err(error) => Err(error),
    };
    if let Err(error) = told {
        if let Some(cause) = error.cause() {
            console_error!("{}", json!({ "level": "error", "what": "compile/stream", "cause": cause }));
        }
        // Whoever left in between needs no answer.
        let text = json!({ "error": error.detail() }).to_string();
        drop(sender.send(Ok(frame("error", &text))).await);
    }
}

/// Sends the list. That the client has left is no error.
async fn send_result(sender: &mut Frames, product: Product) -> Result<(), ApiError> {
    let outcome = Outcome {
        rules: [],
        rule_count: product.rule_count(),
        metrics: product.metrics(),
        report: product.report(),
        previous_version: product.previous(),
    };
    let outcome =
        serde_json::to_string(&outcome).map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    let frames = futures::stream::iter([Ok(b"event: result\ndata: ".to_vec())])
        .chain(product.fill(&outcome))
        .chain(futures::stream::iter([Ok([b"\n\n", frame("done", "{}").as_slice()].concat())]));
    let mut frames = frames.boxed_local();
    while let Some(piece) = frames.next().await {
        if sender.send(piece).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// An event as it is sent.
pub fn frame(name: &str, data: &str) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}
