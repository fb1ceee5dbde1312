//! A double of all that notices go to: a receiver of webhooks, Sentry and Datadog. It checks what it receives as the
//! real ones do, keeps it, and misbehaves for events that it was told of.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::secrets;

const WEBHOOKS: &str = "/hooks/fake-path-that-nobody-can-guess";
const ENVELOPES: &str = "/sentry/api/7/envelope/";
const EVENTS: &str = "/api/v1/events";
const SENTRY_KEY: &str = "fake0sentry0key";
const DATADOG_KEY: &str = "fake-datadog-key";

/// One notice that came in a good shape.
#[derive(Debug, Clone)]
pub struct Received {
    /// `generic`, `sentry` or `datadog`.
    pub target: &'static str,
    /// The event that it tells.
    pub event: String,
    /// Header fields; names in lower case.
    pub headers: HashMap<String, String>,
    /// The body as it came.
    pub body: String,
    /// The JSON in it that tells the event.
    pub json: Value,
    /// When it came.
    pub at: Instant,
}

/// What is done instead of taking a notice.
#[derive(Debug, Clone, Copy)]
pub enum Misdeed {
    /// Answers with this status. A redirection leads to another path here.
    Answer(u16),
    /// Closes the connection.
    HangUp,
    /// Says nothing for half a minute.
    SayNothing,
}

#[derive(Default)]
struct Books {
    received: Vec<Received>,
    misdeeds: HashMap<(String, String), VecDeque<Misdeed>>,
}

/// Takes notices.
pub struct Hooks {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
    task: JoinHandle<()>,
}

impl Hooks {
    /// What webhooks must be signed with.
    pub const SECRET: &'static str = "whsec_ZmFrZS1ob29rcy1zZWNyZXQtb2YtdGVzdHM=";

    /// Serves on a free port of the loopback interface.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let books = Arc::new(Mutex::new(Books::default()));
        let kept = Arc::clone(&books);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let kept = Arc::clone(&kept);
                // The client may leave at any time; that ends this connection and nothing else.
                tokio::spawn(async move { serve(stream, &kept).await.unwrap_or(()) });
            }
        });
        Self { address, books, task }
    }

    /// The variables of a Worker whose notices come here.
    pub fn vars(&self) -> Vec<(&'static str, &'static str)> {
        secrets::note(WEBHOOKS);
        let url = |path: &str| -> &'static str { format!("http://{}{path}", self.address).leak() };
        let dsn: &str = format!("http://{SENTRY_KEY}@{}/sentry/7", self.address).leak();
        vec![
            ("WEBHOOK_URL", url(WEBHOOKS)),
            ("WEBHOOK_SECRET", Self::SECRET),
            ("SENTRY_DSN", dsn),
            ("DATADOG_URL", url(EVENTS)),
            ("DATADOG_API_KEY", DATADOG_KEY),
        ]
    }

    /// Has a target do these instead of taking an event, one after the other.
    pub fn misbehave(&self, target: &str, event: &str, misdeeds: &[Misdeed]) {
        let key = (target.to_owned(), event.to_owned());
        self.books.lock().unwrap().misdeeds.insert(key, misdeeds.iter().copied().collect());
    }

    /// What came of an event to a target, the newest last. Whatever was answered.
    pub fn received(&self, target: &str, event: &str) -> Vec<Received> {
        let books = self.books.lock().unwrap();
        books.received.iter().filter(|it| it.target == target && it.event == event).cloned().collect()
    }

    /// How much came of all events to all targets.
    pub fn n_received(&self) -> usize {
        self.books.lock().unwrap().received.len()
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, books: &Mutex<Books>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut first, mut headers) = (String::new(), HashMap::new());
    stream.read_line(&mut first).await?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let n_bytes = headers.get("content-length").map_or(0, |length| length.parse::<usize>().unwrap());
    let mut body = vec![0; n_bytes];
    stream.read_exact(&mut body).await?;
    let body = String::from_utf8(body).unwrap();

    let (target, event, json, good) = match judge(&first, &headers, &body) {
        Ok(judged) => judged,
        Err(status) => return answer(&mut stream, status).await,
    };
    let misdeed = {
        let mut books = books.lock().unwrap();
        let received = Received { target, event: event.clone(), headers, body, json, at: Instant::now() };
        books.received.push(received);
        books.misdeeds.get_mut(&(target.to_owned(), event)).and_then(VecDeque::pop_front)
    };
    match misdeed {
        None => answer(&mut stream, good).await,
        Some(Misdeed::Answer(status)) => answer(&mut stream, status).await,
        Some(Misdeed::HangUp) => Ok(()),
        Some(Misdeed::SayNothing) => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            Ok(())
        }
    }
}

async fn answer(stream: &mut BufReader<TcpStream>, status: u16) -> std::io::Result<()> {
    let location = if (300..400).contains(&status) { "Location: /elsewhere\r\n" } else { "" };
    // Without content there is no length of it either.
    let content = if status == 204 { "\r\n" } else { "Content-Length: 2\r\n\r\n{}" };
    let answer = format!("HTTP/1.1 {status} Status\r\n{location}Connection: close\r\n{content}");
    stream.write_all(answer.as_bytes()).await
}

/// The target, the event, the JSON that tells it, and the status for it; or a refusal.
type Judged = Result<(&'static str, String, Value, u16), u16>;

fn judge(first: &str, headers: &HashMap<String, String>, body: &str) -> Judged {
    let path = first.strip_prefix("POST ").ok_or(405_u16)?.split(' ').next().unwrap_or_default();
    let is_of_type = |wanted: &str| headers.get("content-type").is_some_and(|it| it == wanted);
    let text = |json: &Value| json.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or(400_u16);
    match path {
        WEBHOOKS if !is_signed(headers, "svix", body) || !is_signed(headers, "webhook", body) => Err(401),
        WEBHOOKS if !is_of_type("application/json") => Err(415),
        WEBHOOKS => {
            let json = parse(body)?;
            Ok(("generic", text(&json["event"])?, json, 204))
        }
        ENVELOPES if !is_known(headers) => Err(403),
        ENVELOPES if !is_of_type("application/x-sentry-envelope") => Err(415),
        ENVELOPES => {
            let json = open_envelope(body)?;
            Ok(("sentry", text(&json["tags"]["event"])?, json, 200))
        }
        EVENTS if headers.get("dd-api-key").is_none_or(|key| key != DATADOG_KEY) => Err(403),
        EVENTS if !is_of_type("application/json") => Err(415),
        EVENTS => {
            let json = parse(body)?;
            let is_event = text(&json["text"])?.chars().count() <= 4_000
                && json["tags"].as_array().is_some_and(|tags| tags.iter().all(Value::is_string))
                && ["error", "warning", "info", "success"].iter().any(|kind| json["alert_type"] == *kind)
                && ["normal", "low"].iter().any(|priority| json["priority"] == *priority)
                && json.get("date_happened").is_none_or(Value::is_u64);
            if !is_event {
                return Err(400);
            }
            Ok(("datadog", text(&json["title"])?, json, 202))
        }
        _ => Err(404),
    }
}

fn parse(text: &str) -> Result<Value, u16> {
    serde_json::from_str(text).or(Err(400))
}

/// Whether the headers of one family sign the body, and not long ago.
fn is_signed(headers: &HashMap<String, String>, family: &str, body: &str) -> bool {
    let field = |name: &str| headers.get(&format!("{family}-{name}")).map(String::as_str).unwrap_or_default();
    let (id, timestamp) = (field("id"), field("timestamp"));
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    if id.is_empty() || !timestamp.parse().is_ok_and(|sent_s: u64| sent_s.abs_diff(now_s) <= 300) {
        return false;
    }
    let key = STANDARD.decode(Hooks::SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    field("signature") == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Whether Sentry knows who sends.
fn is_known(headers: &HashMap<String, String>) -> bool {
    let auth =
        headers.get("x-sentry-auth").and_then(|value| value.strip_prefix("Sentry ")).unwrap_or_default();
    let fields: HashMap<&str, &str> = auth.split(", ").filter_map(|field| field.split_once('=')).collect();
    fields.get("sentry_key") == Some(&SENTRY_KEY)
        && fields.get("sentry_version") == Some(&"7")
        && fields.contains_key("sentry_client")
}

/// The event in an envelope.
fn open_envelope(body: &str) -> Result<Value, u16> {
    let [header, item, event] = body.lines().collect::<Vec<_>>()[..] else { return Err(400) };
    let (header, item, json) = (parse(header)?, parse(item)?, parse(event)?);
    let id = header["event_id"].as_str().unwrap_or_default();
    let is_event = id.len() == 32
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && json["event_id"] == id
        && item["type"] == "event"
        && item["length"] == json!(event.len())
        && json["timestamp"].is_number()
        && json["logentry"]["formatted"].is_string()
        && ["fatal", "error", "warning", "info", "debug"].iter().any(|level| json["level"] == *level);
    if is_event { Ok(json) } else { Err(400) }
}
