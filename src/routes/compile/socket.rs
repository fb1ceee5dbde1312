//! `GET /ws/compile`: compiles over a WebSocket, several at a time, told while they happen.
//!
//! Frames are texts of JSON. What a client may say is in `message`; whatever it is told has a `type` and a
//! `timestamp`. A socket lives in the request that opened it: nothing of it is stored, and what still runs when the
//! client leaves is dropped. Each compile is one more unit of the caller's limits, as a request of its own would be.

mod message;
mod sessions;

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{AbortHandle, Abortable, Either, select};
use futures::{FutureExt, StreamExt};
use limits::UnixMillis;
use serde_json::{Value, json};
use uuid::Uuid;
use wasm_bindgen_futures::spawn_local;
use worker::js_sys::JsString;
use worker::wasm_bindgen::JsCast;
use worker::{
    Delay, MessageEvent, Response, WebSocket, WebSocketPair, WebsocketEvent, console_error, web_sys,
};

use self::message::{MAX_MESSAGE_BYTES, Message, Refusal};
use self::sessions::{MAX_RUNNING, Sessions};
use super::request::CompileRequest;
use super::work::{Product, run};
use crate::admission::{Admitted, Again};
use crate::app::{App, iso_time, now};
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Reply};
use crate::turnstile;

/// Time between two pongs that nobody asked for, in milliseconds: proxies close connections that are silent for a
/// minute or two.
const HEARTBEAT_MS: u64 = 30_000;
/// How long a client may say nothing while nothing is compiled for it, in milliseconds.
const IDLE_MS: u64 = 300_000;
/// Bytes of a message with a list at most: as many as the platform itself takes in one message.
/// <https://developers.cloudflare.com/workers/runtime-apis/websockets/>
const MAX_RESULT_BYTES: usize = 32 * 1024 * 1024;
/// The close code for an end that was meant, RFC 6455 section 7.4.1.
const NORMAL: u16 = 1000;

/// `GET /ws/compile`: opens the socket. A browser can't send a body along, so Turnstile's token comes in the query.
///
/// Fails: 403 no good Turnstile token while Turnstile is on; 426 whatever asks for no WebSocket.
pub async fn open_socket(app: App, admitted: Admitted) -> ApiResult {
    let Admitted { request, caller, .. } = &admitted;
    let upgrade = request.header("Upgrade")?.unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        let text = "This path takes WebSockets alone\n".to_owned();
        let body = Body::Text { media_type: "text/plain; charset=utf-8", text };
        return Ok(Reply { body, ..Reply::empty(426) }.with_header("Upgrade", "websocket"));
    }
    let url = request.url()?;
    let token = url.query_pairs().find(|(name, _)| name == "turnstileToken").map(|(_, token)| token);
    turnstile::check(&app, request, caller, token.as_deref()).await?;

    let WebSocketPair { client, server } = WebSocketPair::new()?;
    let body = Body::Socket(Response::from_websocket(client)?);
    server.accept()?;
    let conversation = Conversation {
        app,
        socket: server,
        own_host: request.own_host()?,
        again: admitted.into_again(),
        sessions: RefCell::default(),
        stirred_at: Cell::new(now()),
    };
    spawn_local(Rc::new(conversation).hold());
    Ok(Reply { body, ..Reply::empty(101) })
}

/// What a socket and its compiles share.
struct Conversation {
    app: App,
    socket: WebSocket,
    /// The service's own host, from which nothing is fetched.
    own_host: Option<String>,
    /// Takes a unit for each compile.
    again: Again,
    sessions: RefCell<Sessions>,
    /// When the client said something, or a compile was over.
    stirred_at: Cell<UnixMillis>,
}

/// A compile that has no list.
enum Unfinished {
    /// It was refused before it began.
    NotBegun(Refusal),
    /// It began, and failed.
    Failed(ApiError),
    /// Its list does not fit into a message.
    TooLarge,
}

impl From<ApiError> for Unfinished {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl Conversation {
    /// The whole life of the socket.
    async fn hold(self: Rc<Self>) {
        let capabilities = json!({
            "maxConcurrentCompilations": MAX_RUNNING, "supportsPauseResume": false, "supportsStreaming": true,
        });
        let welcome = json!({
            "version": self.app.config.version,
            "connectionId": format!("ws-{}", Uuid::new_v4()),
            "capabilities": capabilities,
        });
        self.tell("welcome", welcome);
        let reason = match self.listen().await {
            Ok(reason) => reason,
            Err(error) => {
                log(&error.into());
                "broken"
            }
        };
        // Nobody waits any more for what still runs.
        self.sessions.borrow_mut().abort_all();
        // Whoever left first needs no goodbye.
        drop(self.socket.close(Some(NORMAL), Some(reason)));
    }

    /// Follows what the client says, until it leaves or has been quiet for too long. Returns why it ended.
    async fn listen(self: &Rc<Self>) -> worker::Result<&'static str> {
        let mut events = self.socket.events()?;
        let mut pong_at = now().plus(HEARTBEAT_MS);
        loop {
            let at = now();
            if pong_at <= at {
                self.tell("pong", json!({}));
                pong_at = at.plus(HEARTBEAT_MS);
            }
            let idle_at = self.stirred_at.get().plus(IDLE_MS);
            // What a compile's end changes is seen at the next pong, which comes long before anybody is idle.
            let wakes_at = match self.sessions.borrow().is_quiet() {
                true if idle_at <= at => return Ok("idle"),
                true => pong_at.min(idle_at),
                false => pong_at,
            };
            let pause = Delay::from(Duration::from_millis(at.until(wakes_at)));
            match select(events.next(), pin!(pause)).await {
                Either::Left((Some(Ok(WebsocketEvent::Message(message))), _)) => self.hear(&message),
                Either::Left(_) => return Ok("goodbye"),
                Either::Right(_) => {}
            }
        }
    }

    fn hear(self: &Rc<Self>, message: &MessageEvent) {
        self.stirred_at.set(now());
        if let Err(refusal) = read(message).and_then(|text| self.follow(text)) {
            self.tell("error", json!(refusal));
        }
    }

    fn follow(self: &Rc<Self>, text: String) -> Result<(), Refusal> {
        match Message::parse(&text)? {
            Message::Ping => self.tell("pong", json!({})),
            Message::Cancel(id) => {
                self.sessions.borrow_mut().cancel(&id, now())?;
                self.tell("compile:cancelled", json!({ "sessionId": id, "reason": "Cancelled by client" }));
            }
            Message::Compile(id) => self.begin(id, text)?,
        }
        Ok(())
    }

    /// Lets a compile run beside the others. An abort drops it where it stands, so it tells nothing more.
    fn begin(self: &Rc<Self>, id: String, text: String) -> Result<(), Refusal> {
        let (handle, registration) = AbortHandle::new_pair();
        self.sessions.borrow_mut().start(&id, handle, now())?;
        let conversation = Rc::clone(self);
        spawn_local(async move {
            // A panic ends this compile alone.
            let compiling = AssertUnwindSafe(conversation.compile(&id, text)).catch_unwind();
            let Ok(outcome) = Abortable::new(compiling, registration).await else { return };
            let panicked = |_| Err(ApiError::Internal { cause: "a compile panicked".to_owned() }.into());
            conversation.conclude(&id, outcome.unwrap_or_else(panicked));
        });
        Ok(())
    }

    /// From the message to the last answer, which has the list.
    async fn compile(&self, id: &str, text: String) -> Result<String, Unfinished> {
        // A message is an event of its own.
        let mut app = self.app.clone();
        app.now = now();
        if let Err(error) = self.again.take(&app).await {
            log(&error);
            let refusal = Refusal::of_session(id, error.code(), error.detail());
            return Err(Unfinished::NotBegun(refusal));
        }
        let asked = CompileRequest::parse(text.as_bytes()).map_err(|error| {
            let issues = match error {
                ApiError::Invalid { issues } => issues,
                other => other.detail(),
            };
            Unfinished::NotBegun(Refusal::of_session(id, "INVALID_MESSAGE", issues))
        })?;
        drop(text);
        let name = asked.configuration.name();
        self.tell("compile:started", json!({ "sessionId": id, "configurationName": name }));
        let listener = |name: &str, data: Value| self.tell_event(id, name, data);
        let product = run(&app, self.own_host.clone(), asked, false, Some(&listener)).await?;
        result_of(id, product).await
    }

    /// Tells how a compile ended. Nothing is awaited in here or since it ended, so no cancellation comes between.
    fn conclude(&self, id: &str, outcome: Result<String, Unfinished>) {
        let failed = |code: &str, error: String| {
            self.tell("compile:error", json!({ "sessionId": id, "error": error, "code": code }));
        };
        match outcome {
            Err(Unfinished::NotBegun(refusal)) => {
                self.sessions.borrow_mut().undo(id);
                self.tell("error", json!(refusal));
                return;
            }
            Ok(result) => {
                self.tell_event(id, "done", json!({}));
                self.send(&result);
            }
            Err(Unfinished::Failed(error)) => {
                log(&error);
                failed(error.code(), error.detail());
            }
            Err(Unfinished::TooLarge) => {
                let limit = format!("The list has more than {MAX_RESULT_BYTES} bytes; use POST /compile");
                failed("RESULT_TOO_LARGE", limit);
            }
        }
        let ended_at = now();
        self.sessions.borrow_mut().end(id, ended_at);
        self.stirred_at.set(ended_at);
    }

    /// Something happened on the way to a list.
    fn tell_event(&self, id: &str, name: &str, data: Value) {
        self.tell("event", json!({ "sessionId": id, "eventType": name, "data": data }));
    }

    fn tell(&self, kind: &str, members: Value) {
        self.send(&told(kind, members));
    }

    /// Whoever has left hears nothing any more, and the socket says so by itself.
    fn send(&self, text: &str) {
        drop(self.socket.send_with_str(text));
    }
}

/// The text of a client's message. One that is too long is not even copied.
fn read(message: &MessageEvent) -> Result<String, Refusal> {
    let event: &web_sys::MessageEvent = message.as_ref();
    let Ok(text) = event.data().dyn_into::<JsString>() else {
        return Err(Refusal::new("INVALID_MESSAGE", "A message is text"));
    };
    // Its length is in units of UTF-16, of which no text has more than bytes of UTF-8.
    if text.length() as usize > MAX_MESSAGE_BYTES {
        return Err(Refusal::too_large());
    }
    Ok(text.into())
}

/// A message to the client.
fn told(kind: &str, mut members: Value) -> String {
    if let Some(members) = members.as_object_mut() {
        members.insert("type".to_owned(), kind.into());
        members.insert("timestamp".to_owned(), iso_time(now()).into());
    }
    members.to_string()
}

/// The message with the list. It is gathered up to the bound and no further: an isolate has 128 MB.
async fn result_of(id: &str, product: Product) -> Result<String, Unfinished> {
    if product.n_bytes() > MAX_RESULT_BYTES as u64 {
        return Err(Unfinished::TooLarge);
    }
    let mut members = json!({
        "sessionId": id, "rules": [], "ruleCount": product.rule_count(), "compiledAt": product.compiled_at(),
    });
    if let (Some(members), Some(metrics)) = (members.as_object_mut(), product.metrics()) {
        members.insert("metrics".to_owned(), json!(metrics));
    }
    let mut pieces = product.fill(&told("compile:complete", members));
    let mut text = Vec::new();
    while let Some(piece) = pieces.next().await {
        text.extend(piece.map_err(ApiError::from)?);
        if text.len() > MAX_RESULT_BYTES {
            return Err(Unfinished::TooLarge);
        }
    }
    String::from_utf8(text).map_err(|error| ApiError::Internal { cause: error.to_string() }.into())
}

/// Logs what only the log may know.
fn log(error: &ApiError) {
    if let Some(cause) = error.cause() {
        console_error!("{}", json!({ "level": "error", "what": "ws/compile", "cause": cause }));
    }
}
