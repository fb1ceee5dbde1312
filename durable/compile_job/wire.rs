//! What travels between the front Worker and the object of a job, and from the object to whoever watches it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::wire::{Recipe, Settings};
use crate::identity::wire::Charge;

/// Parts of a batch at most.
pub const MAX_PARTS: usize = 100;
/// How often a job is begun before it is given up, the first time included.
pub const MAX_ATTEMPTS: u32 = 4;
/// How long the result of a job is kept, in milliseconds: a day.
pub const KEEP_RESULT_MS: u64 = 24 * 60 * 60_000;
/// How long a job is remembered after it was accepted, in milliseconds: a week.
pub const KEEP_JOB_MS: u64 = 7 * 24 * 60 * 60_000;

/// What the object of a job can be asked to do. Answered with one [`Reply`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Accepts the job and sends its message. Done once more, it changes nothing.
    Create(Box<Create>),
    /// Does the job, or what is left of it, and answers when there is nothing more to do for now.
    Run(Settings),
    /// Takes note of how a part of this batch ended.
    PartEnded(PartEnd),
    /// Gives the job up, unless it has ended: what should have done it can't.
    GiveUp {
        /// Why.
        reason: String,
    },
    /// Takes note that the end of the job is in the record, and that everybody else who must know does.
    Recorded,
    /// Shows the job to its owner.
    Show {
        /// Who asks: name of an identity's object.
        owner: String,
    },
    /// Cancels the job for its owner, unless it has ended.
    Cancel {
        /// Who asks.
        owner: String,
    },
}

/// A job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Create {
    /// Its id, which names the object.
    pub id: String,
    /// Whose it is: name of an identity's object. Nobody else sees it.
    pub owner: String,
    /// When it was accepted, in milliseconds since 1970.
    pub created_at: u64,
    /// Whether it overtakes others.
    pub high_priority: bool,
    /// What to do.
    pub work: Work,
    /// What was charged for it, to be given back if the service fails. None for a part of a batch.
    #[serde(default)]
    pub charged: Vec<Charged>,
    /// The batch that it is a part of: its id, and which part.
    #[serde(default)]
    pub part_of: Option<(String, usize)>,
}

/// What there is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// One list.
    List(Recipe),
    /// Several, each a job of its own, named by the batch's id and its place: `<id>-<n>`.
    Batch(Vec<Part>),
}

/// A part of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// The sender's name for it.
    pub name: String,
    /// What it is made of.
    pub recipe: Recipe,
}

/// Units that were taken under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged {
    /// The policy, and how many.
    pub charge: Charge,
    /// End of the window that they were taken in, in milliseconds since 1970.
    pub reset_at: u64,
}

/// Where a job is. It takes each step at most once, and none back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted.
    Queued,
    /// Begun.
    Running,
    /// The list is there. For a batch: all parts have ended, and at least one list is there.
    Completed,
    /// The list can't be had.
    Failed,
    /// Its owner does not want it any more.
    Cancelled,
}

impl Status {
    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The status as it is written, in rows and to watchers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// A job as it stands. Instants are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// The configuration's name; of a batch, how many lists it has.
    pub name: String,
    /// Whether it overtakes others.
    pub high_priority: bool,
    /// Where it is.
    pub status: Status,
    /// When it was accepted.
    pub created_at: u64,
    /// When it was begun for the first time.
    pub started_at: Option<u64>,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// How often it was begun.
    pub n_attempts: u32,
    /// Why it failed.
    pub error: Option<String>,
    /// Where its list is: the name of an artifact, and which version.
    pub result: Option<(String, u64)>,
    /// Lines of the list; of a batch, of all lists together.
    pub rule_count: Option<u64>,
    /// Of a batch: how each part stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartState>,
}

/// How a part of a batch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartState {
    /// The sender's name for it.
    pub name: String,
    /// Its own job.
    pub id: String,
    /// Where it is: queued until it has ended.
    pub status: Status,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Lines of its list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_count: Option<u64>,
}

/// How a part of a batch ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartEnd {
    /// Which one.
    pub n: usize,
    /// How: an end.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// Lines of its list.
    pub rule_count: Option<u64>,
}

/// What the object of a job answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The job as it stands.
    Job(Box<Job>),
    /// The job has ended, and somebody may have to be told: the record, the identity of what it gets back, the batch.
    /// [`Command::Recorded`] is to follow once they are.
    Ended {
        /// How it ended.
        job: Box<Job>,
        /// What is to be given back, because the service failed.
        refund: Vec<Charged>,
        /// The batch that it is a part of: its id, and which part.
        part_of: Option<(String, usize)>,
    },
    /// There is nothing to do: somebody else does it, or nobody has to know any more.
    Nothing,
    /// It was begun and broke. The message is to come again.
    Broken {
        /// Why, for the log.
        cause: String,
    },
    /// There is no such job, or it is somebody else's.
    Unknown,
}

/// The message of a job: what it is, and nothing about whose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Message {
    /// One list.
    Compile {
        /// The job's id.
        request_id: String,
    },
    /// Several.
    BatchCompile {
        /// The job's id.
        request_id: String,
    },
}

/// What whoever watches a job is told, over a WebSocket, as JSON. `seq` numbers all notices of a job and only grows.
/// Numbers are left out when the object was lost in the middle of a run, or of an attempt that broke: what it had told
/// by then is not known any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Notice {
    /// How things stand. The first notice, and after it every change is told.
    Snapshot {
        /// Number of the last notice before it.
        seq: u64,
        /// Where the job is.
        status: Status,
        /// The event that came last, as it was told, if one did and the object still knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Value>,
    },
    /// Something happened on the way.
    Event {
        /// Its number.
        seq: u64,
        /// As in the stream of `/compile/stream`.
        event_type: String,
        /// As there.
        data: Value,
    },
    /// The job took a step. After an end nothing follows, and the socket is closed.
    Status {
        /// Its number.
        seq: u64,
        /// Where the job is.
        status: Status,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// Lines of the list.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule_count: Option<u64>,
    },
}
