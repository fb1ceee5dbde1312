//! The policies that routes are counted under.

use limits::{Quota, Tier};

/// Length of all windows in milliseconds.
const WINDOW_MS: u64 = 60_000;
/// Small reads per window. One page load makes up to 6 of them, so this is 100 page loads a minute from
/// one network, while a loop that hammers them still ends.
const READS: u32 = 600;

/// The policy a route is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Requests that do work: the quota of the caller's tier.
    Requests,
    /// Small public reads, which a page makes while it loads. They must not eat the budget for work.
    Reads,
}

impl Policy {
    /// What is enforced for a caller of this tier.
    pub fn for_tier(self, tier: Tier) -> limits::Policy {
        match self {
            Self::Requests => limits::Policy::fixed("requests", tier.quota(), WINDOW_MS),
            Self::Reads => limits::Policy::fixed("reads", Quota::at_least_one(READS), WINDOW_MS),
        }
    }
}
