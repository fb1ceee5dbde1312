//! What travels between the front Worker, the objects of source hosts and the object that adds up what happened.

use serde::{Deserialize, Serialize};

/// What the object can be asked to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Adds what happened.
    Add(Vec<Tally>),
    /// Takes note of how a host of sources stands.
    SetBreaker(Breaker),
    /// Keeps what was found when health was last looked at.
    SaveHealth(String),
    /// Shows everything.
    Read,
    /// Shows what was kept of health.
    ReadHealth,
}

/// What happened to one endpoint since it was last told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Path of the route, as in the table of routes.
    pub endpoint: String,
    /// Answers.
    pub n: u64,
    /// Answers that were no success.
    pub n_failed: u64,
    /// How long they took together, in milliseconds.
    pub total_ms: u64,
    /// Failures by their stable names.
    pub errors: Vec<(String, u64)>,
}

/// How a host of sources stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// The host, with its port if that is not the usual one.
    pub host: String,
    /// Whether it is left alone.
    pub is_open: bool,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
}

/// Everything that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// By endpoint: the last half hour.
    pub recent: Vec<Tally>,
    /// By endpoint: since the object exists.
    pub total: Vec<Tally>,
    /// Hosts that are left alone, or were within the last hour.
    pub breakers: Vec<Breaker>,
    /// The object's clock.
    pub at: u64,
}
