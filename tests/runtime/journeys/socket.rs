//! Compiling over a WebSocket.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use journeys::{Answer, Client, Options, Origin, Runtime, fresh_address};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{assert_served, open, plain, small};

/// How long an answer may take that does not wait for a source.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Worker that takes sources on this machine, and is as patient with them as one in service.
fn patient() -> &'static str {
    static PATIENT: OnceLock<Runtime> = OnceLock::new();
    let vars = vec![("SOURCE_ALLOW_PRIVATE", "true")];
    &PATIENT.get_or_init(|| Runtime::start(Options { vars, ..Options::default() })).url
}

/// A client's end of a socket.
struct Talk(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Talk {
    /// Connects, and hears the welcome.
    async fn begin(url: &str, address: &str, query: &str) -> (Self, Value) {
        let url = format!("{}/api/ws/compile{query}", url.replace("http", "ws"));
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("CF-Connecting-IP", address.parse().unwrap());
        let (socket, answer) = connect_async(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), 101);
        let mut talk = Self(socket);
        let welcome = talk.hear().await;
        assert_eq!(welcome["type"], "welcome");
        (talk, welcome)
    }

    /// Connects from a network of its own.
    async fn open(url: &str) -> Self {
        Self::begin(url, &fresh_address(), "").await.0
    }

    async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message.
    async fn hear(&mut self) -> Value {
        self.hear_within(PATIENCE).await
    }

    async fn hear_within(&mut self, patience: Duration) -> Value {
        let next = async {
            loop {
                match self.0.next().await.unwrap().unwrap() {
                    Message::Text(text) => break serde_json::from_str::<Value>(&text).unwrap(),
                    Message::Ping(_) | Message::Pong(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        let message = tokio::time::timeout(patience, next).await.unwrap();
        let timestamp = message["timestamp"].as_str().unwrap();
        assert!(
            message["type"].is_string() && timestamp.ends_with('Z') && timestamp.len() == 24,
            "{message}"
        );
        message
    }

    /// Everything up to the next message of this type, which is the last.
    async fn hear_until(&mut self, kind: &str) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            let message = self.hear().await;
            if message["type"] == kind {
                heard.push(message);
                return heard;
            }
            // A pong that nobody asked for may come at any time.
            if message["type"] != "pong" {
                heard.push(message);
            }
        }
    }

    /// Says something and asserts that it is refused with this code. Returns the refusal.
    async fn assert_refused(&mut self, message: Message, code: &str) -> Value {
        let shown = format!("{message:?}").chars().take(200).collect::<String>();
        self.0.send(message).await.unwrap();
        let refusal = self.hear_until("error").await.pop().unwrap();
        assert_eq!(refusal["code"], code, "{shown}: {refusal}");
        assert!(refusal["error"].is_string(), "{refusal}");
        refusal
    }

    async fn assert_here(&mut self) {
        self.say(&json!({ "type": "ping" })).await;
        self.hear_until("pong").await;
    }
}

fn text(message: &Value) -> Message {
    Message::text(message.to_string())
}

/// The request as a message that begins a session.
fn compile(session: &str, mut body: Value) -> Value {
    body["type"] = json!("compile");
    body["sessionId"] = json!(session);
    body
}

fn of_session(kind: &str, session: &str) -> Value {
    json!({ "type": kind, "sessionId": session })
}

fn fetched(name: &str, source: &str) -> Value {
    json!({ "configuration": { "name": name, "sources": [{ "source": source }] } })
}

/// A compile whose source never ends.
fn slow(session: &str, origin: &Origin) -> Value {
    compile(session, fetched(session, &origin.url("/silent.txt")))
}

/// All lines but the one with the time.
fn timeless(list: &Value) -> Vec<&str> {
    let lines = list["rules"].as_array().unwrap_or_else(|| panic!("{list}")).iter();
    lines.map(|line| line.as_str().unwrap()).filter(|line| !line.starts_with("! Last modified: ")).collect()
}

/// Asserts that `told` is a whole compile of `session`, and the list the same as that of a plain request.
fn assert_like(told: &[Value], session: &str, plain: &Value) {
    assert!(told.iter().all(|message| message["sessionId"] == session), "{told:?}");
    let (started, complete) = (told.first().unwrap(), told.last().unwrap());
    assert_eq!(started["type"], "compile:started");
    let events = &told[1..told.len() - 1];
    assert!(events.iter().all(|event| event["type"] == "event" && event["data"].is_object()), "{events:?}");
    let done = events.last().unwrap();
    assert_eq!((&done["eventType"], &done["data"]), (&json!("done"), &json!({})));

    assert_eq!(timeless(complete), timeless(plain));
    assert_eq!(complete["ruleCount"], plain["ruleCount"]);
    assert_eq!(complete["ruleCount"], complete["rules"].as_array().unwrap().len());
    assert_eq!(complete["compiledAt"].as_str().unwrap().len(), 24);
    assert!(complete.get("success").is_none(), "{complete}");
}

/// A request for the socket as a client makes it, where it is to be refused.
async fn knock(client: &Client, path: &str, origin: Option<&str>) -> Answer {
    let request = client
        .request(Method::GET, path)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==");
    Answer::to(match origin {
        Some(origin) => request.header("Origin", origin),
        None => request,
    })
    .await
}

#[tokio::test]
async fn what_asks_for_no_socket_is_told_to() {
    let client = Client::new(plain());
    for path in ["/ws/compile", "/api/ws/compile"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 426, "{answer:?}");
        assert!(answer.header("content-type").starts_with("text/plain"), "{answer:?}");
        assert!(answer.text.contains("WebSocket"), "{answer:?}");
    }
    client.post("/api/ws/compile", "{}").await.assert_problem(405, "method_not_allowed");
    let foreign = knock(&client, "/api/ws/compile", Some("https://elsewhere.example")).await;
    foreign.assert_problem(403, "origin_rejected");
}

#[tokio::test]
async fn a_socket_welcomes_and_answers_pings() {
    let (mut talk, welcome) = Talk::begin(plain(), &fresh_address(), "").await;
    assert_eq!(welcome["version"], "0.1.0");
    assert_eq!(
        welcome["capabilities"],
        json!({ "maxConcurrentCompilations": 3, "supportsPauseResume": false, "supportsStreaming": true })
    );
    let (_, other) = Talk::begin(plain(), &fresh_address(), "").await;
    assert!(welcome["connectionId"].as_str().unwrap().starts_with("ws-"), "{welcome}");
    assert_ne!(welcome["connectionId"], other["connectionId"]);

    talk.say(&json!({ "type": "ping", "messageId": "m" })).await;
    assert_eq!(talk.hear().await["type"], "pong");
    talk.0.close(None).await.unwrap();
    let rest = tokio::time::timeout(PATIENCE, talk.0.collect::<Vec<_>>()).await.unwrap();
    assert!(rest.iter().all(|message| matches!(message, Ok(Message::Close(_)))), "{rest:?}");
}

/// Proxies close connections on which nothing is said.
#[tokio::test]
async fn a_quiet_socket_is_kept_alive() {
    let mut talk = Talk::open(plain()).await;
    let opened_at = Instant::now();
    assert_eq!(talk.hear_within(Duration::from_secs(60)).await["type"], "pong");
    assert!(opened_at.elapsed() > Duration::from_secs(28), "{:?}", opened_at.elapsed());
}

#[tokio::test]
async fn a_list_of_texts_that_came_along() {
    let client = Client::new(plain());
    let mut body =
        small(&["RemoveComments", "Deduplicate"], "||a.example^\n! comment\n||b.example^\n||a.example^");
    let mut talk = Talk::open(plain()).await;
    talk.say(&compile("first", body.clone())).await;
    let told = talk.hear_until("compile:complete").await;
    assert_like(&told, "first", &client.compile(&body).await.json());
    assert_eq!(told[0]["configurationName"], "Small");
    assert!(told.last().unwrap().get("metrics").is_none());

    let names: Vec<&str> = told.iter().filter_map(|message| message["eventType"].as_str()).collect();
    let count = |wanted: &str| names.iter().filter(|name| **name == wanted).count();
    assert_eq!((count("source:start"), count("source:complete")), (1, 1), "{names:?}");
    assert_eq!((count("transformation:start"), count("transformation:complete")), (2, 2), "{names:?}");
    assert_eq!(names[names.len() - 2..], ["compilation:complete", "done"]);

    body["benchmark"] = json!(true);
    body["messageId"] = json!("m");
    body["timestamp"] = json!("2027-01-15T08:00:00.000Z");
    talk.say(&compile("second", body)).await;
    let complete = talk.hear_until("compile:complete").await.pop().unwrap();
    assert!(complete["metrics"]["totalDurationMs"].is_u64(), "{complete}");
}

#[tokio::test]
async fn a_list_from_elsewhere() {
    let origin = Origin::start().await;
    let client = Client::new(open());
    let body = fetched("Fetched", &origin.url("/main.txt"));
    let mut talk = Talk::open(open()).await;
    talk.say(&compile("s", body.clone())).await;
    let told = talk.hear_until("compile:complete").await;
    assert_like(&told, "s", &client.compile(&body).await.json());
    let source = told.iter().find(|message| message["eventType"] == "source:complete").unwrap();
    assert!(source["data"]["source"].as_str().unwrap().ends_with("/main.txt"), "{source}");
}

#[tokio::test]
async fn a_compile_that_fails_says_why() {
    let origin = Origin::start().await;
    let mut talk = Talk::open(open()).await;
    for (session, source, code) in [
        ("gone", origin.url("/nothing.txt"), "source_status"),
        ("closed", "http://10.0.0.1/list.txt".to_owned(), "source_forbidden"),
        ("absent", "mine".to_owned(), "invalid_body"),
    ] {
        talk.say(&compile(session, fetched("N", &source))).await;
        let told = talk.hear_until("compile:error").await;
        assert_eq!(told[0]["type"], "compile:started");
        let failed = told.last().unwrap();
        assert_eq!((&failed["sessionId"], &failed["code"]), (&json!(session), &json!(code)), "{failed}");
        assert!(failed["error"].is_string() && failed.get("rules").is_none(), "{failed}");
        assert!(told.iter().all(|message| message["eventType"] != "done"), "{told:?}");
    }
    talk.assert_here().await;
}

#[tokio::test]
async fn what_can_not_be_followed_is_refused_by_name() {
    let mut talk = Talk::open(plain()).await;
    for nonsense in ["", "nonsense", "[]", "\"ping\"", "{}", "{\"type\":1}", "{\"type\":\"compile\"}"] {
        talk.assert_refused(Message::text(nonsense), "INVALID_MESSAGE").await;
    }
    talk.assert_refused(Message::binary(b"{\"type\":\"ping\"}".to_vec()), "INVALID_MESSAGE").await;
    talk.assert_refused(text(&json!({ "type": "start" })), "UNKNOWN_MESSAGE_TYPE").await;
    for id in [json!(""), json!("x".repeat(129)), json!(7), Value::Null] {
        let mut message = compile("s", small(&[], "||a.example^"));
        message["sessionId"] = id;
        let refusal = talk.assert_refused(text(&message), "INVALID_MESSAGE").await;
        assert!(refusal.get("sessionId").is_none(), "{refusal}");
    }
    for kind in ["pause", "resume"] {
        let refusal = talk.assert_refused(text(&of_session(kind, "s")), "NOT_IMPLEMENTED").await;
        assert_eq!(refusal["sessionId"], "s");
    }
    talk.assert_refused(text(&of_session("cancel", "s")), "SESSION_NOT_FOUND").await;

    // What did not begin leaves its id to the next.
    let misshapen = compile("s", json!({ "configuration": { "name": "N", "sources": [] } }));
    let refusal = talk.assert_refused(text(&misshapen), "INVALID_MESSAGE").await;
    assert_eq!(refusal["sessionId"], "s");
    assert!(refusal["error"].as_str().unwrap().starts_with("/configuration/sources: "), "{refusal}");
    talk.say(&compile("s", small(&[], "||a.example^"))).await;
    talk.hear_until("compile:complete").await;

    talk.assert_refused(text(&compile("s", small(&[], "||a.example^"))), "DUPLICATE_SESSION").await;
    talk.assert_refused(text(&of_session("cancel", "s")), "INVALID_SESSION_STATE").await;
    talk.assert_here().await;
}

#[tokio::test]
async fn a_message_over_the_bound_is_refused_and_no_more() {
    let mut talk = Talk::open(plain()).await;
    let frame = json!({ "type": "ping", "pad": "" }).to_string();
    let ping = |n_bytes: usize| json!({ "type": "ping", "pad": "x".repeat(n_bytes - frame.len()) });
    talk.say(&ping(1024 * 1024)).await;
    assert_eq!(talk.hear().await["type"], "pong");
    talk.assert_refused(text(&ping(1024 * 1024 + 1)), "MESSAGE_TOO_LARGE").await;
    // It is bytes that count.
    let letters = json!({ "type": "ping", "pad": "я".repeat(600_000) });
    talk.assert_refused(text(&letters), "MESSAGE_TOO_LARGE").await;
    talk.assert_refused(Message::binary(vec![0; 2 * 1024 * 1024]), "INVALID_MESSAGE").await;
    talk.assert_here().await;
}

#[tokio::test]
async fn a_list_that_fits_no_message_is_refused() {
    let sources: Vec<Value> = (0..40).map(|_| json!({ "source": "mine" })).collect();
    let body = json!({
        "configuration": { "name": "N", "sources": sources },
        "preFetchedContent": { "mine": "x".repeat(1_000_000) },
    });
    let mut talk = Talk::open(open()).await;
    talk.say(&compile("s", body)).await;
    let failed = talk.hear_until("compile:error").await.pop().unwrap();
    assert_eq!(failed["code"], "RESULT_TOO_LARGE", "{failed}");
    assert!(failed["error"].as_str().unwrap().contains("POST /compile"), "{failed}");
    talk.assert_here().await;
}

/// Three run at a time, and the one that is too many costs nothing.
#[tokio::test]
async fn three_run_at_a_time_and_are_cancelled() {
    let origin = Origin::start().await;
    let address = fresh_address();
    let (mut talk, _) = Talk::begin(patient(), &address, "").await;
    for session in ["a", "b", "c"] {
        talk.say(&slow(session, &origin)).await;
        talk.hear_until("compile:started").await;
    }
    let refusal = talk.assert_refused(text(&slow("d", &origin)), "TOO_MANY_COMPILATIONS").await;
    assert_eq!(refusal["sessionId"], "d");
    talk.assert_refused(text(&slow("a", &origin)), "DUPLICATE_SESSION").await;
    // The socket and three compiles; this is the fifth.
    let counted = Client::at(patient(), &address).compile(&small(&[], "||a.example^")).await;
    assert_eq!(counted.header("x-ratelimit-remaining"), "5", "{counted:?}");

    for session in ["a", "b", "c"] {
        talk.say(&of_session("cancel", session)).await;
        let cancelled = talk.hear_until("compile:cancelled").await.pop().unwrap();
        assert_eq!(
            (&cancelled["sessionId"], &cancelled["reason"]),
            (&json!(session), &json!("Cancelled by client"))
        );
    }
    talk.assert_refused(text(&of_session("cancel", "a")), "INVALID_SESSION_STATE").await;
    talk.assert_refused(text(&slow("a", &origin)), "DUPLICATE_SESSION").await;

    // There is room again, and nothing more comes of what was cancelled.
    talk.say(&compile("e", small(&[], "||e.example^"))).await;
    let told = talk.hear_until("compile:complete").await;
    assert!(told.iter().all(|message| message["sessionId"] == "e"), "{told:?}");
    let patience = Instant::now() + Duration::from_secs(10);
    let again = loop {
        // Its id is free a moment after.
        talk.say(&compile("a", small(&[], "||a.example^"))).await;
        let next = talk.hear().await;
        if next["type"] == "compile:started" || Instant::now() > patience {
            break next;
        }
        assert_eq!(next["code"], "DUPLICATE_SESSION", "{next}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    assert_eq!((&again["type"], &again["sessionId"]), (&json!("compile:started"), &json!("a")));
}

#[tokio::test]
async fn each_compile_is_one_of_the_callers_requests() {
    let address = fresh_address();
    let (mut talk, _) = Talk::begin(plain(), &address, "").await;
    // The socket was the first.
    for n in 2..=10 {
        talk.say(&compile(&n.to_string(), small(&[], "||a.example^"))).await;
        let told = talk.hear_until("compile:complete").await;
        assert_eq!(told[0]["type"], "compile:started", "{told:?}");
    }
    let body = small(&[], "||a.example^");
    for _ in 0..2 {
        // The refused one leaves its id to a later attempt.
        let refusal = talk.assert_refused(text(&compile("11", body.clone())), "rate_limited").await;
        assert_eq!(refusal["sessionId"], "11");
        assert!(refusal["error"].as_str().unwrap().contains("Maximum 10 requests"), "{refusal}");
    }
    let client = Client::at(plain(), &address);
    client.compile(&body).await.assert_problem(429, "rate_limited");
    knock(&client, "/api/ws/compile", None).await.assert_problem(429, "rate_limited");
    talk.assert_here().await;
}

/// What still runs when its client leaves harms nobody.
#[tokio::test]
async fn a_client_may_leave_at_any_time() {
    let origin = Origin::start().await;
    for says_goodbye in [true, false] {
        let address = fresh_address();
        let (mut talk, _) = Talk::begin(patient(), &address, "").await;
        talk.say(&slow("s", &origin)).await;
        talk.hear_until("compile:started").await;
        if says_goodbye {
            talk.0.close(None).await.unwrap();
        }
        drop(talk);
        assert_served(&Client::at(patient(), &address)).await;
    }
}

/// A browser can't send a body along, so the token comes in the query, once for the socket.
#[tokio::test]
async fn turnstile_is_asked_when_the_socket_opens() {
    let vars = vec![("TURNSTILE_SECRET_KEY", "1x0000000000000000000000000000000AA")];
    let runtime = Runtime::start(Options { vars, ..Options::default() });
    for path in ["/api/ws/compile", "/api/ws/compile?turnstileToken=", "/ws/compile?token=t"] {
        let refused = knock(&Client::new(&runtime.url), path, None).await;
        refused.assert_problem(403, "turnstile_rejected");
        assert_eq!(refused.json()["error"], "Missing Turnstile token");
    }
    let token = "?turnstileToken=XXXX.DUMMY.TOKEN.XXXX";
    let (mut talk, _) = Talk::begin(&runtime.url, &fresh_address(), token).await;
    talk.say(&compile("s", small(&[], "||a.example^"))).await;
    talk.hear_until("compile:complete").await;
}
