//! A double of a mail provider with Resend's interface. It checks what it receives, keeps the mails, and shows them
//! to whoever asks; it misbehaves for addresses that say so.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes mails like Resend.
pub struct Mailbox {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Mailbox {
    /// Serves on a free port of the loopback interface, for this key and this sender.
    pub async fn start(key: &'static str, from: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&mails);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let kept = Arc::clone(&kept);
                // The client may leave at any time; that ends this connection and nothing else.
                tokio::spawn(async move { serve(stream, key, from, &kept).await.unwrap_or(()) });
            }
        });
        Self { address, mails, task }
    }

    /// Where it takes mails.
    pub fn url(&self) -> String {
        format!("http://{}/emails", self.address)
    }

    /// Where it shows them: a JSON array of `{to, subject, text}`, the newest last.
    pub fn shown_at(&self) -> String {
        format!("http://{}/mails", self.address)
    }

    /// The text of every mail to an address.
    pub fn mails_to(&self, address: &str) -> Vec<String> {
        let mails = self.mails.lock().unwrap();
        let texts = mails.iter().filter(|mail| mail["to"] == address).map(|mail| &mail["text"]);
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// The path and query of the link in mail `n` to an address, counted from one, once it is there.
    pub async fn link_to(&self, address: &str, n: usize) -> String {
        let patience = Instant::now() + PATIENCE;
        loop {
            if let Some(text) = self.mails_to(address).into_iter().nth(n - 1) {
                let link = text.split_whitespace().find(|word| word.starts_with("http")).unwrap();
                let link = url::Url::parse(link).unwrap();
                return link[url::Position::BeforePath..].to_owned();
            }
            assert!(Instant::now() < patience, "mail {n} did not come");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, key: &str, from: &str, mails: &Mutex<Vec<Value>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut n_bytes, mut authorization, mut media_type) = (0, String::new(), String::new());
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => n_bytes = value.parse().unwrap(),
            "authorization" => value.clone_into(&mut authorization),
            "content-type" => value.clone_into(&mut media_type),
            _ => {}
        }
    }
    let mut body = vec![0; n_bytes];
    stream.read_exact(&mut body).await?;
    let (status, answer) = if first.starts_with("GET /mails ") {
        ("200 OK", Value::from(mails.lock().unwrap().clone()))
    } else if !first.starts_with("POST /emails ") {
        ("404 Not Found", json!({ "name": "not_found" }))
    } else if authorization != format!("Bearer {key}") {
        ("401 Unauthorized", json!({ "name": "invalid_api_key" }))
    } else if media_type != "application/json" {
        ("415 Unsupported Media Type", json!({ "name": "unsupported_media_type" }))
    } else {
        take(&body, from, mails).await
    };
    let answer = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(answer.as_bytes()).await
}

async fn take(body: &[u8], from: &str, mails: &Mutex<Vec<Value>>) -> (&'static str, Value) {
    let invalid = || ("422 Unprocessable Entity", json!({ "name": "validation_error" }));
    let Ok(mail) = serde_json::from_slice::<Value>(body) else { return invalid() };
    let members: Vec<&str> =
        mail.as_object().map(|mail| mail.keys().map(String::as_str).collect()).unwrap_or_default();
    let (to, subject, text) = (&mail["to"][0], &mail["subject"], &mail["text"]);
    let is_mail = members == ["from", "subject", "text", "to"]
        && mail["from"] == from
        && mail["to"].as_array().is_some_and(|to| to.len() == 1)
        && [to, subject, text].iter().all(|part| part.as_str().is_some_and(|part| !part.is_empty()));
    if !is_mail {
        return invalid();
    }
    mails.lock().unwrap().push(json!({ "to": to, "subject": subject, "text": text }));
    let to = to.as_str().unwrap_or_default();
    if to.starts_with("slow") {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    if to.starts_with("broken") {
        return ("500 Internal Server Error", json!({ "name": "application_error", "message": to }));
    }
    ("200 OK", json!({ "id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794" }))
}
