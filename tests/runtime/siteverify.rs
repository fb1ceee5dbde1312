//! A double of Turnstile's siteverify. It checks what it receives as the real one does, and misbehaves for
//! tokens that say so.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One question, field by field.
pub type Question = HashMap<String, String>;

/// Answers like siteverify.
pub struct Siteverify {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Question>>>,
    task: JoinHandle<()>,
}

impl Siteverify {
    /// Serves on a free port of the loopback interface, for this secret.
    pub async fn start(secret: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let known = Arc::clone(&known);
                // The client may leave at any time; that ends this connection and nothing else.
                tokio::spawn(async move { serve(stream, secret, &known).await.unwrap_or(()) });
            }
        });
        Self { address, asked, task }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}/turnstile/v0/siteverify", self.address)
    }

    /// Every question with this token.
    pub fn asked(&self, token: &str) -> Vec<Question> {
        self.asked.lock().unwrap().iter().filter(|question| question["response"] == token).cloned().collect()
    }
}

impl Drop for Siteverify {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, secret: &str, asked: &Mutex<Vec<Question>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut n_bytes = 0;
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            None => break,
            Some(("content-length", length)) => n_bytes = length.parse().unwrap(),
            Some(("content-type", kind)) => assert_eq!(kind, "application/x-www-form-urlencoded"),
            Some(_) => {}
        }
    }
    assert!(first.starts_with("POST /turnstile/v0/siteverify "), "{first}");
    let mut body = vec![0; n_bytes];
    stream.read_exact(&mut body).await?;
    let question: Question = url::form_urlencoded::parse(&body).into_owned().collect();
    let token = question["response"].clone();
    let earlier: Vec<Question> = {
        let mut asked = asked.lock().unwrap();
        let earlier = asked.iter().filter(|earlier| earlier["response"] == token).cloned().collect();
        asked.push(question.clone());
        earlier
    };

    let no = |code: &str| json!({ "success": false, "error-codes": [code] });
    let asked_with_another_key =
        earlier.iter().any(|earlier| earlier["idempotency_key"] != question["idempotency_key"]);
    let answer: Value = match token.split('-').next().unwrap_or_default() {
        _ if question["secret"] != secret => no("invalid-input-secret"),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            no("internal-error")
        }
        "troubled" if earlier.is_empty() => no("internal-error"),
        "down" => no("internal-error"),
        "garbled" => json!("not an object"),
        "endless" => json!("x".repeat(100_000)),
        "good" | "troubled" if asked_with_another_key => no("timeout-or-duplicate"),
        "good" | "troubled" => json!({ "success": true, "error-codes": [], "hostname": "localhost" }),
        _ => no("invalid-input-response"),
    };
    let answer = answer.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(answer.as_bytes()).await
}
