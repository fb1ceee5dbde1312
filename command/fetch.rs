//! Texts from the web, taken as the reference takes them, but within bounds of time, size and repetition.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ureq::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use ureq::{Agent, Body, http::Response};
use url::Url;

/// Redirects followed for one text; the reference follows as many.
const MAX_REDIRECTS: u32 = 21;
/// Bytes of all texts of one run together, decoded. A hundred times the largest lists in common use, and
/// what an ordinary machine still has room for.
const MAX_BYTES: usize = 1 << 30;
/// Content types of which one must occur in a text's `Content-Type`; the reference takes these.
const CONTENT_TYPES: [&str; 3] = ["text/plain", "text/html", "application/octet-stream"];
/// How the program names itself to servers. Some allow list compilers by this name.
const USER_AGENT: &str = concat!("HostlistCompiler/2.0 (bloqr ", env!("CARGO_PKG_VERSION"), ")");
/// How long the first repetition waits; each further one waits twice as long.
const FIRST_DELAY_MS: u64 = 1_000;

/// A text could not be had from the web.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not a URL that can be fetched.
    #[error("not an http or https URL; write it out, or give the path of a file")]
    NotFetchable,
    /// The server did not answer 200.
    #[error("Response status for url {url} is invalid: {status}")]
    Status { url: String, status: u16 },
    /// What the server sends is no list.
    #[error("Response content type should be one of: \"{}\", is {found:?}", CONTENT_TYPES.join(", "))]
    ContentType { found: String },
    /// Compressed in a way that was not asked for.
    #[error("the answer is encoded as {found:?}, which is not known here")]
    ContentEncoding { found: String },
    /// No connection, one that broke or took too long, or too many redirects.
    #[error("Failed to request url '{url}': {cause}")]
    Broken { url: String, cause: ureq::Error },
    /// All texts together are too large.
    #[error("{0}")]
    Read(#[from] ReadError),
}

/// A text could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// All texts together are too large.
    #[error("the texts have more than {MAX_BYTES} bytes together")]
    TooLarge,
    /// The file or connection broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl FetchError {
    /// Whether the same request may succeed a moment later.
    fn may_pass(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 429 | 500..=599),
            Self::Broken { cause, .. } => matches!(
                cause,
                ureq::Error::Io(_)
                    | ureq::Error::Timeout(_)
                    | ureq::Error::HostNotFound
                    | ureq::Error::ConnectionFailed
                    | ureq::Error::ConnectProxyFailed(_)
                    | ureq::Error::Protocol(_)
                    | ureq::Error::Decompress(..)
            ),
            _ => false,
        }
    }
}

/// Room for the texts of one run, shared by all that load some.
#[derive(Debug)]
pub struct Room(AtomicUsize);

impl Room {
    /// Reads to the end. What was read of a text that fails takes no room.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, mut from: impl Read) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        let outcome = self.read_into(&mut bytes, &mut from);
        if outcome.is_err() {
            self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        }
        outcome.map(|()| bytes)
    }

    fn read_into(&self, bytes: &mut Vec<u8>, from: &mut impl Read) -> Result<(), ReadError> {
        const PIECE_BYTES: u64 = 64 * 1024;
        loop {
            let n_before = bytes.len();
            let outcome = from.by_ref().take(PIECE_BYTES).read_to_end(bytes);
            let n_read = bytes.len() - n_before;
            let take = |room: usize| room.checked_sub(n_read);
            if self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                bytes.truncate(n_before);
                return Err(ReadError::TooLarge);
            }
            if outcome? == 0 {
                return Ok(());
            }
        }
    }
}

/// Fetches texts. Proxies are those that the environment names.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    n_retries: u32,
    /// For files too.
    pub room: Room,
}

impl Client {
    /// Gives each request that much time, its redirects and its answer included, and repeats it at most so often.
    pub fn new(timeout: Duration, n_retries: u32) -> Client {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(MAX_REDIRECTS)
            .http_status_as_error(false)
            .user_agent(USER_AGENT);
        Client { agent: config.build().into(), n_retries, room: Room(AtomicUsize::new(MAX_BYTES)) }
    }

    /// The bytes at `url`, repeating the request when its failure may pass. `on_retry` is told of that.
    ///
    /// # Errors
    /// [`FetchError`], the last one if there were several.
    pub fn fetch(&self, url: &str, on_retry: impl Fn(&FetchError)) -> Result<Vec<u8>, FetchError> {
        // A URL parser brings spaces and other scripts into the form that goes over the wire.
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let parsed = parsed.ok_or(FetchError::NotFetchable)?;
        let mut n_failed = 0;
        loop {
            match self.fetch_once(url, &parsed) {
                Err(error) if n_failed < self.n_retries && error.may_pass() => {
                    on_retry(&error);
                    thread::sleep(delay(n_failed, fastrand::f64()));
                    n_failed += 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn fetch_once(&self, shown: &str, url: &Url) -> Result<Vec<u8>, FetchError> {
        let broken = |cause| FetchError::Broken { url: shown.to_owned(), cause };
        let request = self.agent.get(url.as_str()).header("Pragma", "no-cache");
        let mut response = request.call().map_err(broken)?;
        check_answer(shown, &response)?;
        self.room.read(response.body_mut().as_reader()).map_err(|error| match error {
            ReadError::Io(cause) => broken(ureq::Error::from(cause)),
            ReadError::TooLarge => error.into(),
        })
    }
}

fn check_answer(url: &str, response: &Response<Body>) -> Result<(), FetchError> {
    let status = response.status().as_u16();
    if status != 200 {
        return Err(FetchError::Status { url: url.to_owned(), status });
    }
    let header = |name| {
        let value = response.headers().get(name).map(|value| value.as_bytes());
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    };
    let content_type = header(CONTENT_TYPE);
    if !CONTENT_TYPES.iter().any(|known| content_type.contains(known)) {
        return Err(FetchError::ContentType { found: content_type });
    }
    // The client has taken away the name of whatever it decodes.
    match header(CONTENT_ENCODING) {
        found if found.is_empty() || found.eq_ignore_ascii_case("identity") => Ok(()),
        found => Err(FetchError::ContentEncoding { found }),
    }
}

/// How long to wait after so many failures before this one: up to 30 % more than 1, 2, 4 … seconds, so that
/// many who failed together don't come back together. `random` is in 0..1.
fn delay(n_failed: u32, random: f64) -> Duration {
    let base = Duration::from_millis(FIRST_DELAY_MS << n_failed.min(16));
    base.mul_f64(1.0 + 0.3 * random)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn repetitions_wait_longer_each_time() {
        let ms = |n_failed, random| delay(n_failed, random).as_millis();
        assert_eq!([0, 1, 2].map(|n| ms(n, 0.0)), [1_000, 2_000, 4_000]);
        assert_eq!([0, 1, 2].map(|n| ms(n, 1.0)), [1_300, 2_600, 5_200]);
    }

    #[test]
    fn texts_share_their_room() {
        let room = Room(AtomicUsize::new(10));
        assert_eq!(room.read(Cursor::new("123456")).unwrap(), b"123456");
        assert!(matches!(room.read(Cursor::new("12345")), Err(ReadError::TooLarge)));
        // The one that failed has left its room to others.
        assert_eq!(room.read(Cursor::new("1234")).unwrap(), b"1234");
        assert!(matches!(room.read(Cursor::new("1")), Err(ReadError::TooLarge)));
        assert_eq!(room.read(Cursor::new("")).unwrap(), b"");
    }
}
