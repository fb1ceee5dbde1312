//! One object per host: it fetches the texts that lie there, for everybody.
//!
//! The object is named by its host, with the port if that is not the scheme's own. So it is the one place that knows
//! what is being fetched from there, what is known already, and how the host has been answering:
//!
//! - A text that is being fetched is fetched once, whoever asks for it meanwhile. It goes on when they leave.
//! - A text that is known is asked for with its validators, and kept as long as somebody uses it.
//! - Few requests are under way at a time; the others wait for their turn.
//! - A host that fails again and again is left alone for a while (`breaker.rs`).
//!
//! Redirects are told and not followed: the next hop belongs to the object of another host, and whoever asks judges
//! it by the [`Guard`] first.
//!
//! # Guarantee
//! A text is what the server sent, as a whole: it takes the place of the one before when its last byte is written,
//! and the one before stays for those who still read it.
//!
//! When nothing is left that somebody might ask for again, an alarm empties the storage.

mod breaker;
mod guard;
mod host;
mod object;
mod schema;
mod server;
mod stub;
mod turns;
pub mod wire;

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use url::Url;
use worker::{Date, Delay};

pub use guard::{Forbidden, Guard};
pub use object::SourceHost;
pub use stub::{BINDING, SourceError, SourceHostStub, Wanted, text_of};

/// Content types of which one must occur in a source's `Content-Type`; the reference takes these.
const CONTENT_TYPES: [&str; 3] = ["text/plain", "text/html", "application/octet-stream"];

/// The name of the object that has the texts of a URL's host.
fn name_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// What a future comes to; none if the time is over first.
async fn within<F: Future>(ms: u64, future: F) -> Option<F::Output> {
    match select(pin!(future), Delay::from(Duration::from_millis(ms))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

fn clock() -> u64 {
    Date::now().as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change here loses sight of what is kept, and of which hosts are left alone.
    #[test]
    fn names_are_pinned() {
        for (url, name) in [
            ("https://example.org/list.txt", "example.org"),
            ("http://EXAMPLE.org:80/", "example.org"),
            ("https://example.org:8443/a?b#c", "example.org:8443"),
            ("http://127.1:9/", "127.0.0.1:9"),
            ("http://[2606:4700::1111]:81/", "[2606:4700::1111]:81"),
        ] {
            assert_eq!(name_of(&Url::parse(url).unwrap()), name);
        }
    }
}
