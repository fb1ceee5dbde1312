//! What the hub does: holds the admins' WebSockets and passes on to them what the shards tell it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use serde_json::json;
use worker::{
    Response, Result, State, WebSocket, WebSocketPair, WebSocketRequestResponsePair, console_error,
};

use super::object::clock;
use super::query::{MAX_ROWS, Query};
use super::stub::RegistryStub;
use super::wire::{Changes, Message, Row};
use crate::call::CallError;

/// Every change is sent to each of them.
const MAX_WATCHERS: usize = 32;
/// Bytes of a client's message; a ping has 15.
const MAX_MESSAGE_BYTES: usize = 1024;
/// Messages kept for a watcher that is being let in: at five a second from each of 16 shards, nearly a
/// second's. One that takes longer sees a gap. At most 64 times 100 KB.
const MAX_RECENT: usize = 64;
/// How long shards take themselves to be watched; renewed twice as often, so one failure does no harm.
const WATCH_MS: u64 = 60_000;
const RENEW_MS: i64 = 30_000;

const PING: &str = r#"{"type":"ping"}"#;
const PONG: &str = r#"{"type":"pong"}"#;
/// The close code for an end that was meant, RFC 6455 section 7.4.1.
const NORMAL: u16 = 1000;
/// The close code for what breaks the rules.
const POLICY_VIOLATION: u16 = 1008;
/// The close code for what the server could not do.
const INTERNAL_ERROR: u16 = 1011;

/// The hub's memory. The sockets outlive it: after a rest it starts anew, and watchers see a gap.
#[derive(Default)]
pub struct Hub {
    /// Number of the last message.
    seq: Cell<u64>,
    /// The last messages with their numbers.
    recent: RefCell<VecDeque<(u64, String)>>,
}

impl Hub {
    /// Lets a watcher in: shards are told first, then listed, and what they pass on meanwhile is sent after
    /// the list. So nothing is missed between the list and the first change.
    pub async fn let_in(&self, state: &State, registry: &RegistryStub) -> Result<Response> {
        if is_full(state) {
            return refuse("TOO_MANY_WATCHERS", format!("{MAX_WATCHERS} watchers are connected"));
        }
        let seq = self.seq.get();
        state.storage().set_alarm(RENEW_MS).await?;
        let snapshot = match self.snapshot(registry, seq).await {
            Ok(snapshot) => snapshot,
            Err(error) => return refuse("REGISTRY_UNAVAILABLE", error.to_string()),
        };

        // From here on there is no await, so no watcher and no message can come between.
        if is_full(state) {
            return refuse("TOO_MANY_WATCHERS", format!("{MAX_WATCHERS} watchers are connected"));
        }
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        state.set_websocket_auto_response(&WebSocketRequestResponsePair::new(PING, PONG)?);
        state.accept_web_socket(&server);
        server.send_with_str(snapshot)?;
        for (_, text) in self.recent.borrow().iter().filter(|(number, _)| *number > seq) {
            server.send_with_str(text)?;
        }
        Response::from_websocket(client)
    }

    /// Sends `changes` to all watchers, and keeps the message for the one that is being let in.
    pub fn broadcast(&self, state: &State, changes: &Changes) -> Result<()> {
        // A number left out tells watchers that something is missing.
        let seq = self.seq.get() + 1 + u64::from(changes.skipped);
        let message = Message::Changes { seq, at: clock(), rows: &changes.rows, gone: &changes.gone };
        let text = serde_json::to_string(&message)?;
        for socket in state.get_websockets() {
            if let Err(error) = socket.send_with_str(&text) {
                console_error!("live registry: a watcher is lost: {error}");
                close(&socket, INTERNAL_ERROR, "could not be told");
            }
        }
        self.seq.set(seq);
        let mut recent = self.recent.borrow_mut();
        recent.push_back((seq, text));
        if recent.len() > MAX_RECENT {
            recent.pop_front();
        }
        Ok(())
    }

    /// Keeps the shards telling as long as there is somebody to tell.
    pub async fn renew(&self, state: &State, registry: &RegistryStub) -> Result<()> {
        state.storage().set_alarm(RENEW_MS).await?;
        if let Err(error) = registry.watch_shards(clock() + WATCH_MS).await {
            console_error!("live registry: a shard does not know that it is watched: {error}");
        }
        Ok(())
    }

    /// A watcher may say ping, and nothing else. Most pings are answered without waking the object.
    pub fn hear(&self, socket: &WebSocket, text: Option<&str>) -> Result<()> {
        let is_ping = text.is_some_and(|text| {
            text.len() <= MAX_MESSAGE_BYTES
                && serde_json::from_str::<serde_json::Value>(text)
                    .is_ok_and(|value| value == json!({"type": "ping"}))
        });
        if is_ping {
            return socket.send_with_str(PONG);
        }
        close(socket, POLICY_VIOLATION, "only pings are understood");
        Ok(())
    }

    /// Answers a watcher's close; without it the watcher would wait for one. Its own code can't always be
    /// sent back, because some stand for a missing one.
    pub fn say_goodbye(&self, socket: &WebSocket) {
        close(socket, NORMAL, "goodbye");
    }

    async fn snapshot(&self, registry: &RegistryStub, seq: u64) -> std::result::Result<String, CallError> {
        registry.watch_shards(clock() + WATCH_MS).await?;
        let page = registry.list(&Query::newest(MAX_ROWS)).await?;
        let rows: Vec<Row> = page.rows.into_iter().map(|listed| listed.row).collect();
        Ok(serde_json::to_string(&Message::Snapshot { seq, at: clock(), rows: &rows, count: page.n_all })?)
    }
}

fn is_full(state: &State) -> bool {
    state.get_websockets().len() >= MAX_WATCHERS
}

fn refuse(code: &str, detail: String) -> Result<Response> {
    Ok(Response::from_json(&json!({ "code": code, "detail": detail }))?.with_status(503))
}

fn close(socket: &WebSocket, code: u16, reason: &str) {
    if let Err(error) = socket.close(Some(code), Some(reason)) {
        console_error!("live registry: a socket can't be closed: {error}");
    }
}
