//! Who watches a job: WebSockets that hibernate. They outlive the object's memory, and while nothing happens the
//! object may leave it.

use serde::Serialize;
use serde_json::{Value, json};
use worker::{
    Response, Result, State, WebSocket, WebSocketPair, WebSocketRequestResponsePair, console_error,
};

/// Every notice is sent to each of them.
const MAX_WATCHERS: usize = 1_000;
/// Bytes of a watcher's message; a ping has 15.
const MAX_MESSAGE_BYTES: usize = 1024;

const PING: &str = r#"{"type":"ping"}"#;
const PONG: &str = r#"{"type":"pong"}"#;
/// The close code for an end that was meant, RFC 6455 section 7.4.1.
const NORMAL: u16 = 1000;
/// The close code for what breaks the rules.
const POLICY_VIOLATION: u16 = 1008;
/// The close code for what the server could not do.
const INTERNAL_ERROR: u16 = 1011;

/// Lets a watcher in and tells it `first`, or refuses it because there are too many.
pub fn let_in(state: &State, first: &[impl Serialize], is_over: bool) -> Result<Response> {
    if state.get_websockets().len() >= MAX_WATCHERS {
        return Response::error(format!("{MAX_WATCHERS} watchers are connected"), 503);
    }
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    state.set_websocket_auto_response(&WebSocketRequestResponsePair::new(PING, PONG)?);
    state.accept_web_socket(&server);
    for notice in first {
        server.send(notice)?;
    }
    if is_over {
        close(&server, NORMAL, "the job has ended");
    }
    Response::from_websocket(client)
}

/// Tells all watchers.
pub fn tell(state: &State, notice: &impl Serialize) -> Result<()> {
    let sockets = state.get_websockets();
    if sockets.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_string(notice)?;
    for socket in sockets {
        if let Err(error) = socket.send_with_str(&text) {
            console_error!("compile job: a watcher is lost: {error}");
            close(&socket, INTERNAL_ERROR, "could not be told");
        }
    }
    Ok(())
}

/// After the end of the job nothing follows.
pub fn dismiss(state: &State) {
    for socket in state.get_websockets() {
        close(&socket, NORMAL, "the job has ended");
    }
}

/// A watcher may say ping, and nothing else. Most pings are answered without waking the object.
pub fn hear(socket: &WebSocket, text: Option<&str>) -> Result<()> {
    let is_ping = text.is_some_and(|text| {
        text.len() <= MAX_MESSAGE_BYTES
            && serde_json::from_str::<Value>(text).is_ok_and(|value| value == json!({ "type": "ping" }))
    });
    if is_ping {
        return socket.send_with_str(PONG);
    }
    close(socket, POLICY_VIOLATION, "only pings are understood");
    Ok(())
}

/// Answers a watcher's close; without it the watcher would wait for one. Its own code can't always be sent back,
/// because some stand for a missing one.
pub fn say_goodbye(socket: &WebSocket) {
    close(socket, NORMAL, "goodbye");
}

fn close(socket: &WebSocket, code: u16, reason: &str) {
    if let Err(error) = socket.close(Some(code), Some(reason)) {
        console_error!("compile job: a socket can't be closed: {error}");
    }
}
