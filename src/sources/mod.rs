//! Source lists over HTTP: bounded in time, size and redirects, and never from a private address.

mod guard;

use std::cell::Cell;
use std::time::Duration;

use futures::future::{Either, select};
use url::Url;
use worker::{
    AbortController, AbortSignal, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect,
    Response, web_sys,
};

use crate::body::Chunks;
pub use guard::{Forbidden, Guard};

/// Redirects followed for one source; the reference follows as many.
const MAX_REDIRECTS: usize = 21;
/// How long to wait before each further attempt, in milliseconds.
const BACK_OFF_MS: [u64; 2] = [250, 1_000];
/// Bytes fetched for one compile, all its texts together. The largest lists in common use have about 10 MB,
/// and an isolate has 128 MB for the texts, the lines and the answer.
pub const MAX_FETCHED_BYTES: usize = 32 * 1024 * 1024;
/// Content types of which one must occur in a source's `Content-Type`; the reference takes these.
const CONTENT_TYPES: [&str; 3] = ["text/plain", "text/html", "application/octet-stream"];
/// How the service names itself to other servers. Some allow list compilers by this name.
const USER_AGENT: &str = concat!("HostlistCompiler/2.0 (bloqr-backend ", env!("CARGO_PKG_VERSION"), ")");

/// A source could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It lies where the service doesn't go.
    #[error("{url}: {reason}")]
    Forbidden {
        /// As asked for, or as redirected to.
        url: String,
        /// Why not.
        reason: Forbidden,
    },
    /// The server did not answer 200.
    #[error("Response status for url {url} is invalid: {status}")]
    Status {
        /// Where.
        url: String,
        /// What it answered.
        status: u16,
    },
    /// What the server sends is no list.
    #[error("Response content type of {url} should be one of: \"{}\"", CONTENT_TYPES.join(", "))]
    ContentType {
        /// Where.
        url: String,
    },
    /// More redirects than are followed.
    #[error("Failed to request url '{url}': more than {MAX_REDIRECTS} redirects")]
    Redirects {
        /// The first one.
        url: String,
    },
    /// The body doesn't end within the bound.
    #[error("{url}: the sources have more than {MAX_FETCHED_BYTES} bytes together")]
    TooLarge {
        /// Where.
        url: String,
    },
    /// The time is over.
    #[error("{url} took longer than {timeout_ms} ms")]
    TooSlow {
        /// Where.
        url: String,
        /// Time allowed for a source.
        timeout_ms: u64,
    },
    /// No connection, or one that broke.
    #[error("Failed to request url '{url}'")]
    Broken {
        /// Where.
        url: String,
        /// For the log.
        cause: worker::Error,
    },
}

impl SourceError {
    /// Whether it may be over in a moment: a server that is busy or broke down, a connection that was cut.
    fn may_pass(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            Self::Broken { .. } => true,
            _ => false,
        }
    }

    /// Stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "source_forbidden",
            Self::Status { .. } => "source_status",
            Self::ContentType { .. } => "source_content_type",
            Self::Redirects { .. } => "source_redirects",
            Self::TooLarge { .. } => "source_too_large",
            Self::TooSlow { .. } => "source_timeout",
            Self::Broken { .. } => "source_unreachable",
        }
    }
}

/// What may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the reference takes for a list.
    List,
    /// Whatever a server answers a request with that it takes for good.
    Anything,
}

/// Fetches the text at `url`, taking its size out of `room`. Bytes that are not UTF-8 become U+FFFD, whatever charset
/// was declared. What may work a moment later is tried again, as often as [`BACK_OFF_MS`] says and within the time.
///
/// # Errors
/// [`SourceError`], the last one.
pub async fn fetch_text(
    url: &str,
    kind: Kind,
    guard: &Guard,
    timeout_ms: u64,
    room: &Cell<usize>,
) -> Result<String, SourceError> {
    let controller = AbortController::default();
    let signal = controller.signal();
    let fetching = Box::pin(fetch_patiently(url, kind, guard, &signal, room));
    match select(fetching, Delay::from(Duration::from_millis(timeout_ms))).await {
        Either::Left((text, _)) => text,
        Either::Right(_) => {
            controller.abort();
            Err(SourceError::TooSlow { url: url.to_owned(), timeout_ms })
        }
    }
}

async fn fetch_patiently(
    url: &str,
    kind: Kind,
    guard: &Guard,
    signal: &AbortSignal,
    room: &Cell<usize>,
) -> Result<String, SourceError> {
    for pause_ms in BACK_OFF_MS {
        match fetch_within(url, kind, guard, signal, room).await {
            Err(error) if error.may_pass() => Delay::from(Duration::from_millis(pause_ms)).await,
            done => return done,
        }
    }
    fetch_within(url, kind, guard, signal, room).await
}

async fn fetch_within(
    first: &str,
    kind: Kind,
    guard: &Guard,
    signal: &AbortSignal,
    room: &Cell<usize>,
) -> Result<String, SourceError> {
    let broken = |cause| SourceError::Broken { url: first.to_owned(), cause };
    let mut next = first.to_owned();
    for _ in 0..=MAX_REDIRECTS {
        // Every hop is judged: a public address may lead to a private one.
        let url =
            guard.check(&next).map_err(|reason| SourceError::Forbidden { url: next.clone(), reason })?;
        let response =
            Fetch::Request(request(&url).map_err(broken)?).send_with_signal(signal).await.map_err(broken)?;
        if let Some(target) = redirect(&url, &response).map_err(broken)? {
            next = target;
            continue;
        }
        check_answer(first, kind, &response)?;
        return read(first, response, room).await;
    }
    Err(SourceError::Redirects { url: first.to_owned() })
}

fn request(url: &Url) -> worker::Result<Request> {
    let headers = Headers::new();
    headers.set("Pragma", "no-cache")?;
    headers.set("User-Agent", USER_AGENT)?;
    let mut init = RequestInit::new();
    init.with_method(Method::Get).with_headers(headers).with_redirect(RequestRedirect::Manual);
    Request::new_with_init(url.as_str(), &init)
}

/// Where a redirect leads; none if the answer is not one.
fn redirect(url: &Url, response: &Response) -> worker::Result<Option<String>> {
    if !matches!(response.status_code(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get("Location")?;
    // What is no URL is handed on as it stands: the guard says what is wrong with it.
    Ok(location.map(|location| url.join(&location).map_or(location, Into::into)))
}

fn check_answer(url: &str, kind: Kind, response: &Response) -> Result<(), SourceError> {
    let status = response.status_code();
    if kind == Kind::Anything && matches!(status, 200..=299) {
        return Ok(());
    }
    if status != 200 {
        return Err(SourceError::Status { url: url.to_owned(), status });
    }
    let content_type = response.headers().get("Content-Type").ok().flatten().unwrap_or_default();
    if !CONTENT_TYPES.iter().any(|known| content_type.contains(known)) {
        return Err(SourceError::ContentType { url: url.to_owned() });
    }
    Ok(())
}

async fn read(url: &str, response: Response, room: &Cell<usize>) -> Result<String, SourceError> {
    let broken = |cause| SourceError::Broken { url: url.to_owned(), cause };
    let mut bytes = Vec::new();
    let Some(stream) = web_sys::Response::from(response).body() else { return Ok(String::new()) };
    let mut chunks = Chunks::of(stream).map_err(broken)?;
    loop {
        let chunk = match chunks.next().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(cause) => {
                // What came of a text that broke off is not kept.
                room.set(room.get() + bytes.len());
                return Err(broken(cause));
            }
        };
        let left = room
            .get()
            .checked_sub(chunk.len())
            .ok_or_else(|| SourceError::TooLarge { url: url.to_owned() })?;
        room.set(left);
        bytes.extend_from_slice(chunk);
    }
    // It grew by doubling, and texts stay as they are until the list is compiled.
    bytes.shrink_to_fit();
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
