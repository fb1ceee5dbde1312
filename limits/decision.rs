//! What a request asks for, and the answer.

use crate::{Policy, UnixMillis};

/// The longest name of a holder, in bytes.
pub const MAX_HOLDER_BYTES: usize = 64;

/// What a request would take from one policy.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) cost: u32,
    pub(crate) holder: &'a str,
}

impl<'a> Charge<'a> {
    /// `cost` units of `policy`. A cost of 0 is a peek: always permitted, takes nothing, opens no window.
    #[must_use]
    pub const fn new(policy: &'a Policy, cost: u32) -> Self {
        Self { policy, cost, holder: "" }
    }

    /// The same charge under the name by which a `Concurrency` window can release it early; `None` if
    /// that is empty or longer than [`MAX_HOLDER_BYTES`]. Without a holder it is held for the whole lease.
    #[must_use]
    pub const fn held_by(self, holder: &'a str) -> Option<Self> {
        match holder.len() {
            1..=MAX_HOLDER_BYTES => Some(Self { holder, ..self }),
            _ => None,
        }
    }
}

/// When a charge fits, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retry {
    /// At once.
    Now,
    /// At this instant and not a millisecond earlier, if nobody takes the room first. A `Concurrency`
    /// window may have room before, if somebody releases it.
    At(UnixMillis),
    /// Never: it costs more than the whole quota.
    Never,
}

/// One policy after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The policy, with the quota that was in force.
    pub policy: &'a Policy,
    /// Units in use, those of this request included if it was admitted; more than the limit if that was
    /// lowered. Stays at `u32::MAX` once there. A unit that a bucket has regained in part counts whole.
    pub used: u32,
    /// When all units are back. A refund names the window it is for by this instant.
    pub reset_at: UnixMillis,
    /// When this policy alone has room for what it was asked.
    pub retry: Retry,
}

impl Standing<'_> {
    /// Units per window; `None` if unlimited.
    #[must_use]
    pub const fn limit(&self) -> Option<u32> {
        self.policy.quota().limit()
    }

    /// Units left, never less than 0; `None` if unlimited.
    #[must_use]
    pub fn remaining(&self) -> Option<u32> {
        self.limit().map(|limit| limit.saturating_sub(self.used))
    }

    /// Whether a policy in shadow would have refused, were it enforced.
    #[must_use]
    pub fn would_refuse(&self) -> bool {
        self.policy.is_shadow() && self.retry != Retry::Now
    }
}

/// The answer to a request: all of its charges were taken, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Each policy, in the order of the charges.
    pub standings: Vec<Standing<'a>>,
    /// Why it was refused: of the enforced policies without room the one that has room last, so that
    /// its `retry` is when the whole request fits. `None` if it was admitted.
    pub denial: Option<Standing<'a>>,
}

impl Decision<'_> {
    /// Whether everything was taken, save what policies in shadow had no room for.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        self.denial.is_none()
    }
}
