//! What travels between whoever wants a text and the object of the host that has it.
//!
//! The answer is one line of JSON, an [`Answer`]; after [`Answer::Text`] come the bytes of the text.

use serde::{Deserialize, Serialize};

/// Bytes of one text at most. The largest lists in common use have about 10 MB.
pub const MAX_TEXT_BYTES: u64 = 32 * 1024 * 1024;

/// What an object of a host can be asked to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Answers with the text at a URL of this host. Redirects are told, not followed: another host may be meant.
    Fetch(Fetch),
}

/// Which text is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fetch {
    /// Where it lies. The sender has judged that it may be fetched.
    pub url: String,
    /// What may be taken for it.
    pub kind: Kind,
    /// Time for all attempts, in milliseconds, waiting for a turn included.
    pub timeout_ms: u64,
    /// A text of this age in milliseconds is taken without asking the host; 0 asks always.
    #[serde(default)]
    pub max_age_ms: u64,
}

/// What may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What the reference takes for a list.
    List,
    /// Whatever a server answers a request with that it takes for good.
    Anything,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The text follows, so many bytes of it.
    Text {
        /// Its length.
        n_bytes: u64,
    },
    /// The server sends whoever asks elsewhere.
    Redirect {
        /// A URL, or what the server takes for one.
        to: String,
    },
    /// The text can't be had.
    Failed(Failure),
}

/// Why a text can't be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The server did not answer 200.
    Status(u16),
    /// What the server sends is no list.
    ContentType,
    /// The text has more than [`MAX_TEXT_BYTES`].
    TooLarge,
    /// The time is over.
    TooSlow,
    /// No connection, or one that broke.
    Broken,
    /// The host failed so often that it is left alone for a while.
    LeftAlone {
        /// When it is tried again, in milliseconds from now.
        retry_in_ms: u64,
    },
}
