//! A client on a network of its own.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::Value;

use crate::secrets;

/// An address that no other client of this run has.
pub fn fresh_address() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    // 16 million addresses from 11.0.0.0 on.
    Ipv4Addr::from_bits(0x0b00_0000 + LAST.fetch_add(1, Ordering::Relaxed)).to_string()
}

/// An id that no other message, user or key of this run has.
pub fn fresh(kind: &str) -> String {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    format!("{kind}_{}", LAST.fetch_add(1, Ordering::Relaxed))
}

/// Sends requests from one network address.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    address: String,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Client {
    /// A client of the Worker at `base`, on a fresh network.
    pub fn new(base: &str) -> Self {
        Self::at(base, &fresh_address())
    }

    /// A client with this address.
    pub fn at(base: &str, address: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, base: base.to_owned(), address: address.to_owned() }
    }

    /// The same client of a Worker that serves elsewhere now.
    #[must_use]
    pub fn moved_to(&self, base: &str) -> Self {
        Self::at(base, &self.address)
    }

    /// A request to be completed and sent.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).header("CF-Connecting-IP", &self.address)
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// `GET`, the way a browser asks for a page.
    pub async fn navigate(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path).header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"))
            .await
    }

    /// `POST` of a text.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        send(self.request(Method::POST, path).body(body)).await
    }

    /// `POST` of a text to a server that may die over it.
    pub async fn try_post(&self, path: &str, body: impl Into<reqwest::Body>) -> Option<Answer> {
        Answer::try_to(self.request(Method::POST, path).body(body)).await
    }

    /// `POST` of a JSON value.
    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// Compiles a configuration.
    pub async fn compile(&self, body: &Value) -> Answer {
        self.post_json("/api/compile", body).await
    }
}

/// Sends a request and reads the whole answer.
async fn send(request: RequestBuilder) -> Answer {
    exchange(request).await.unwrap()
}

/// Sends a request and reads the whole answer. What is secret in either is noted.
async fn exchange(request: RequestBuilder) -> reqwest::Result<Answer> {
    let (http, request) = request.build_split();
    let request = request?;
    secrets::note_request(&request);
    let response = http.execute(request).await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let answer = Answer { status, headers, text: response.text().await? };
    secrets::note_answer(&answer);
    Ok(answer)
}

impl Answer {
    /// Sends a request and reads the whole answer.
    pub async fn to(request: RequestBuilder) -> Self {
        send(request).await
    }

    /// Sends a request to a server that may die over it.
    pub async fn try_to(request: RequestBuilder) -> Option<Self> {
        exchange(request).await.ok()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header field; empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that this is a problem that clients of every generation can read.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(body["status"], status, "{self:?}");
        assert_eq!(body["success"], false, "{self:?}");
        assert!(
            body["error"].is_string() && body["detail"].is_string() && body["title"].is_string(),
            "{self:?}"
        );
        assert!(body["type"].as_str().unwrap().starts_with("https://api.bloqr.dev/probs/"), "{self:?}");
        assert_eq!(body["requestId"], self.header("x-request-id"), "{self:?}");
    }
}
