//! What travels between whoever wants a list and the object that compiles and keeps it.
//!
//! The answer is lines of JSON, each a [`Line`]. After [`Line::Made`] come `n_bytes` bytes: the rules as the inside
//! of a JSON array, `"a","b"`; and then those of the list before, if there was one.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an artifact can be asked to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Answers with the list: the one that is kept, or a new one. Whoever asks while it is being made hears what
    /// happened so far and what happens next.
    Produce(Box<Produce>),
    /// Answers with one version of the list, as it was made: a single [`Line`].
    Read {
        /// Which one.
        version: u64,
    },
}

/// Which list is wanted, and how. What it is made of names the object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Produce {
    /// What the list is made of.
    pub recipe: Recipe,
    /// Whether a list that is kept will not do.
    pub fresh: bool,
    /// Whether it is told what happens on the way.
    pub tell: bool,
    /// How long this version must be kept at least, in milliseconds from when it is there.
    pub keep_ms: u64,
    /// What the service is set up with.
    pub settings: Settings,
}

/// What a list is made of. The same recipe makes the same list, as long as its sources stay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recipe {
    /// The configuration as JSON.
    pub configuration: Value,
    /// Texts that came along, by source: these sources are not fetched.
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    pub texts: HashMap<String, String>,
    /// Whether it is told what became of the lines.
    #[serde(default)]
    pub report: bool,
}

/// What the service is set up with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The service's own host, from which nothing is fetched.
    pub own_host: Option<String>,
    /// Whether sources may lie on the loopback interface.
    pub loopback: bool,
    /// Time for one source, all redirects included, in milliseconds.
    pub timeout_ms: u64,
    /// How the compiler names itself in the list.
    pub compiler: String,
}

/// What an artifact tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Something happened on the way: the name of an event, and what it says.
    Event(String, Value),
    /// The list is there; its rules follow. The last line.
    Made(Box<Made>),
    /// The list can't be had. The last line.
    Failed(Failure),
    /// No such version is kept. The last line.
    Gone,
}

/// What is told of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// Which list of this recipe, counted from 1; 0 if it is not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub version: u64,
    /// Bytes of the rules that follow.
    pub n_bytes: u64,
    /// Lines, those of the header too.
    pub rule_count: u64,
    /// When it was made, in milliseconds since 1970.
    pub compiled_at: u64,
    /// How long it took.
    pub metrics: Metrics,
    /// What became of the lines, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Map<String, Value>>,
    /// What a checksum line would say, if the report was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Whether it was there before it was asked for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cached: bool,
    /// Whether somebody else had asked for it at the same time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deduplicated: bool,
    /// The list before it, if a fresh one was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_false(flag: &bool) -> bool {
    !flag
}

/// A list that another took the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// Bytes of its rules, which follow those of the new one.
    pub n_bytes: u64,
    /// Its lines.
    pub rule_count: u64,
    /// When it was made, in milliseconds since 1970.
    pub compiled_at: u64,
}

/// Durations are milliseconds by the platform's clock, which stands still while code runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// From the beginning to the end.
    pub total_duration_ms: u64,
    /// Its two parts.
    pub stages: Vec<Stage>,
    /// Sources of the configuration.
    pub source_count: usize,
    /// Rules that came in.
    pub rule_count: usize,
    /// Lines that went out, without the header of the list.
    pub output_rule_count: usize,
}

/// A part of a compile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// What was done.
    pub name: String,
    /// How long it took.
    pub duration_ms: u64,
    /// What it was done to.
    pub item_count: usize,
    /// How fast; none if it took no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_per_second: Option<u64>,
}

/// Why a list can't be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault it is.
    pub kind: FailureKind,
    /// Stable name of the reason.
    pub code: String,
    /// What whoever asked is told; of [`FailureKind::Internal`] only the log is.
    pub detail: String,
}

/// Whose fault it is that a list can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The configuration's: it says something that can't be.
    Invalid,
    /// The configuration's: it names a place that the service does not fetch from.
    Forbidden,
    /// A source's: it can't be had or is broken.
    Source,
    /// The service's own: a defect.
    Internal,
}
