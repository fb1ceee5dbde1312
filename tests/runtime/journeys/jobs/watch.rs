//! Watching a job by server-sent events or by WebSocket, both heard as the same.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::Person;

/// How long nothing may be told of a job that is watched here.
const PATIENCE: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One thing that a watcher is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) seq: u64,
    /// `snapshot`, `status`, `done`, or the name of an event.
    pub(super) name: String,
    pub(super) data: Value,
}

impl Told {
    /// `data` has the number along with the rest.
    fn of(name: &str, mut data: Value) -> Self {
        let seq = data["seq"].as_u64().unwrap_or_else(|| panic!("{name} without a number: {data}"));
        let members = data.as_object_mut().unwrap();
        members.remove("seq");
        members.remove("type");
        Self { seq, name: name.to_owned(), data }
    }
}

/// The path that a job is watched at.
pub(super) fn path(id: &str) -> String {
    format!("/api/queue/events/{id}")
}

/// Somebody who watches.
pub(super) enum Watch {
    Events { response: Box<Response>, waiting: Vec<u8> },
    Socket(Box<Socket>),
}

impl Watch {
    pub(super) async fn by_events(person: &Person, id: &str) -> Self {
        let response = person.request(Method::GET, &path(id)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{response:?}");
        assert_eq!(response.headers()["content-type"], "text/event-stream", "{response:?}");
        Self::Events { response: Box::new(response), waiting: Vec::new() }
    }

    pub(super) async fn by_socket(person: &Person, id: &str) -> Self {
        Self::Socket(Box::new(knock(person, id).await.unwrap()))
    }

    /// By events if the number is even, else by socket.
    pub(super) async fn by_turns(person: &Person, id: &str, n: usize) -> Self {
        if n.is_multiple_of(2) {
            Self::by_events(person, id).await
        } else {
            Self::by_socket(person, id).await
        }
    }

    /// What is told next; nothing once everything was.
    pub(super) async fn next(&mut self) -> Option<Told> {
        let next = async {
            match self {
                Self::Events { response, waiting } => next_frame(response, waiting).await,
                Self::Socket(socket) => next_notice(socket).await,
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a watcher is told something in time")
    }

    /// Everything that is still told.
    pub(super) async fn rest(&mut self) -> Vec<Told> {
        let mut heard = Vec::new();
        while let Some(told) = self.next().await {
            heard.push(told);
        }
        heard
    }
}

/// Asks for a socket; fails if that is refused.
pub(super) async fn knock(person: &Person, id: &str) -> Result<Socket, Error> {
    let url = format!("{}{}", person.url.replace("http", "ws"), path(id));
    let mut request = url.into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("CF-Connecting-IP", person.address.parse().unwrap());
    headers.insert("Authorization", format!("Bearer {}", person.token).parse().unwrap());
    connect_async(request).await.map(|(socket, _)| socket)
}

async fn next_notice(socket: &mut Socket) -> Option<Told> {
    loop {
        let mut notice: Value = match socket.next().await?.unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => return None,
            other => panic!("{other:?}"),
        };
        let kind = notice["type"].as_str().unwrap().to_owned();
        if kind != "event" {
            return Some(Told::of(&kind, notice));
        }
        let mut data = notice["data"].take();
        data["seq"] = notice["seq"].take();
        return Some(Told::of(notice["eventType"].as_str().unwrap(), data));
    }
}

async fn next_frame(response: &mut Response, waiting: &mut Vec<u8>) -> Option<Told> {
    loop {
        if let Some(end) = waiting.windows(2).position(|pair| pair == b"\n\n") {
            let frame: Vec<u8> = waiting.drain(..end + 2).collect();
            let frame = std::str::from_utf8(&frame).unwrap().trim_end();
            // A comment keeps the connection alive and tells nothing.
            if frame.starts_with(':') {
                continue;
            }
            let (name, data) = frame.split_once('\n').unwrap();
            let name = name.strip_prefix("event: ").unwrap();
            return Some(Told::of(name, serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap()));
        }
        let Some(chunk) = response.chunk().await.unwrap() else {
            assert!(waiting.is_empty(), "a frame broke off");
            return None;
        };
        waiting.extend_from_slice(&chunk);
    }
}

/// Asserts that this is everything from a snapshot to the completed job, and that each number stands for the
/// same with everybody: for what is `known`, to which this is added.
pub(super) fn assert_whole(heard: &[Told], known: &mut BTreeMap<u64, Told>) {
    // Server-sent events say once more that this was all.
    let heard = match heard {
        [before @ .., last] if last.name == "done" => before,
        all => all,
    };
    let [snapshot, rest @ ..] = heard else { panic!("nothing was told") };
    assert_eq!(snapshot.name, "snapshot", "{heard:?}");
    let mut last = snapshot;
    for told in rest {
        // To who comes after the end, the last step is told once more.
        let is_over = last.name == "snapshot" && last.data["status"] == "completed";
        let next = last.seq + u64::from(!is_over);
        assert_eq!(told.seq, next, "something is missing or told twice: {last:?} {told:?}");
        let first = known.entry(told.seq).or_insert_with(|| told.clone());
        assert_eq!(first, told, "the same number stands for two things");
        last = told;
    }
    assert_eq!(last.data["status"], "completed", "{last:?}");
}
