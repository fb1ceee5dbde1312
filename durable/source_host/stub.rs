//! The typed caller: what the front Worker and other objects see of hosts.

use std::cell::Cell;

use worker::{Env, ObjectNamespace, console_error};

use super::guard::{Forbidden, Guard};
use super::wire::{Answer, Command, Failure, Fetch, Kind, MAX_TEXT_BYTES};
use super::{CONTENT_TYPES, name_of, within};
use crate::call::CallError;
use crate::feed::Feed;

/// The name under which the objects are bound.
pub const BINDING: &str = "SOURCE_HOST";

/// Redirects followed for one text; the reference follows as many.
const MAX_REDIRECTS: usize = 21;

/// A text could not be had.
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
    /// The text does not fit into the room that is left.
    #[error("{url}: the sources have more than {MAX_TEXT_BYTES} bytes together")]
    TooLarge {
        /// Where.
        url: String,
    },
    /// The time is over.
    #[error("{url} took longer than {timeout_ms} ms")]
    TooSlow {
        /// Where.
        url: String,
        /// Time allowed for a text.
        timeout_ms: u64,
    },
    /// No connection, or one that broke.
    #[error("Failed to request url '{url}'")]
    Broken {
        /// Where.
        url: String,
    },
    /// Nobody asks the host for a while.
    #[error("{host} failed several times in a row and is left alone for {retry_in_s} s")]
    LeftAlone {
        /// Its name, with its port if that is not the usual one.
        host: String,
        /// When it is asked again, in seconds.
        retry_in_s: u64,
    },
    /// The object of the host can't be asked.
    #[error("Failed to request url '{url}'")]
    Unreachable {
        /// Where.
        url: String,
        /// Why not. In a box, because it is much larger than all the others.
        cause: Box<CallError>,
    },
}

impl SourceError {
    /// Stable name of the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "source_forbidden",
            Self::Status { .. } => "source_status",
            Self::ContentType { .. } => "source_content_type",
            Self::Redirects { .. } => "source_redirects",
            Self::TooLarge { .. } => "source_too_large",
            Self::TooSlow { .. } => "source_timeout",
            Self::Broken { .. } | Self::Unreachable { .. } => "source_unreachable",
            Self::LeftAlone { .. } => "source_left_alone",
        }
    }
}

/// Which text is wanted, besides where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What may be taken for it.
    pub kind: Kind,
    /// Where it may lie.
    pub guard: &'a Guard,
    /// Time for all of it, redirects included, in milliseconds.
    pub timeout_ms: u64,
    /// A text of this age in milliseconds is taken without asking its host; 0 asks always.
    pub max_age_ms: u64,
}

/// Reaches the objects of all hosts.
pub struct SourceHostStub {
    namespace: ObjectNamespace,
}

impl SourceHostStub {
    /// The stub for the namespace bound as [`BINDING`].
    ///
    /// # Errors
    /// If there is no such binding.
    pub fn new(env: &Env) -> worker::Result<Self> {
        Ok(Self { namespace: env.durable_object(BINDING)? })
    }

    /// The text at `url`, whose size is taken out of `room`.
    ///
    /// # Errors
    /// [`SourceError`]. What was taken out of `room` is back in it then.
    pub async fn fetch_text(
        &self,
        url: &str,
        wanted: &Wanted<'_>,
        room: &Cell<u64>,
    ) -> Result<Vec<u8>, SourceError> {
        let timeout_ms = wanted.timeout_ms;
        match within(timeout_ms, self.follow(url, wanted, room)).await {
            Some(fetched) => fetched,
            None => Err(SourceError::TooSlow { url: url.to_owned(), timeout_ms }),
        }
    }

    async fn follow(
        &self,
        first: &str,
        wanted: &Wanted<'_>,
        room: &Cell<u64>,
    ) -> Result<Vec<u8>, SourceError> {
        let unreachable = |cause: CallError| {
            console_error!("source host: {cause}");
            SourceError::Unreachable { url: first.to_owned(), cause: Box::new(cause) }
        };
        let mut next = first.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            // Every hop is judged: a public address may lead to a private one.
            let checked = wanted.guard.check(&next);
            let mut url = checked.map_err(|reason| SourceError::Forbidden { url: next.clone(), reason })?;
            // Servers don't get to see it.
            url.set_fragment(None);
            let host = name_of(&url);
            let command = Command::Fetch(Fetch {
                url: url.into(),
                kind: wanted.kind,
                // Not what is left of it: others may want the same text, and have more.
                timeout_ms: wanted.timeout_ms,
                max_age_ms: wanted.max_age_ms,
            });
            let mut feed = self.ask(&host, &command).await.map_err(unreachable)?;
            match feed.line::<Answer>().await.map_err(unreachable)? {
                Answer::Text { n_bytes } => {
                    let Some(taken) = Taken::take(room, n_bytes) else {
                        return Err(SourceError::TooLarge { url: first.to_owned() });
                    };
                    let bytes = read(feed, n_bytes).await.map_err(|error| unreachable(error.into()))?;
                    taken.keep();
                    return Ok(bytes);
                }
                Answer::Redirect { to } => next = to,
                Answer::Failed(failure) => return Err(failed(first, host, failure, wanted.timeout_ms)),
            }
        }
        Err(SourceError::Redirects { url: first.to_owned() })
    }

    /// An object that could not be reached is asked once more: fetching changes nothing.
    async fn ask(&self, host: &str, command: &Command) -> Result<Feed, CallError> {
        match Feed::ask(&self.namespace.get_by_name(host)?, command).await {
            Err(CallError::Unreachable(_)) => Feed::ask(&self.namespace.get_by_name(host)?, command).await,
            asked => asked,
        }
    }
}

/// Bytes as text. What is not UTF-8 becomes U+FFFD, whatever charset was declared.
#[must_use]
pub fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

async fn read(mut feed: Feed, n_bytes: u64) -> worker::Result<Vec<u8>> {
    // There is room for so many.
    let mut bytes = Vec::with_capacity(usize::try_from(n_bytes).unwrap_or_default());
    let mut n_left = n_bytes;
    while let Some(chunk) = feed.bytes_of(&mut n_left).await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn failed(url: &str, host: String, failure: Failure, timeout_ms: u64) -> SourceError {
    let url = url.to_owned();
    match failure {
        Failure::Status(status) => SourceError::Status { url, status },
        Failure::ContentType => SourceError::ContentType { url },
        Failure::TooLarge => SourceError::TooLarge { url },
        Failure::TooSlow => SourceError::TooSlow { url, timeout_ms },
        Failure::Broken => SourceError::Broken { url },
        Failure::LeftAlone { retry_in_ms } => {
            SourceError::LeftAlone { host, retry_in_s: retry_in_ms.div_ceil(1_000) }
        }
    }
}

/// Room that was taken. It is given back unless it is kept.
struct Taken<'a> {
    room: &'a Cell<u64>,
    n_bytes: u64,
}

impl<'a> Taken<'a> {
    /// None if there is not so much.
    fn take(room: &'a Cell<u64>, n_bytes: u64) -> Option<Self> {
        room.set(room.get().checked_sub(n_bytes)?);
        Some(Self { room, n_bytes })
    }

    fn keep(mut self) {
        self.n_bytes = 0;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.room.set(self.room.get() + self.n_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_unless_it_is_kept() {
        let room = Cell::new(10);
        let kept = Taken::take(&room, 4).unwrap();
        let given_back = Taken::take(&room, 6).unwrap();
        assert!(Taken::take(&room, 1).is_none());
        kept.keep();
        drop(given_back);
        assert_eq!(room.get(), 6);
    }

    #[test]
    fn what_is_no_utf_8_is_replaced() {
        assert_eq!(text_of("пример".into()), "пример");
        assert_eq!(text_of(b"||a\xffb^".to_vec()), "||a\u{fffd}b^");
    }

    #[test]
    fn a_host_that_is_left_alone_is_named() {
        let failure = Failure::LeftAlone { retry_in_ms: 1 };
        let error = failed("https://a.example/x", "a.example".to_owned(), failure, 5);
        assert_eq!(error.code(), "source_left_alone");
        assert_eq!(error.to_string(), "a.example failed several times in a row and is left alone for 1 s");
    }
}
