//! What travels between the front Worker and an identity's object.
//!
//! Both sides are deployed together, yet for a moment after a deployment an old front may talk to a new
//! object. So fields are only ever added, with a default.

use limits::{Decision, Denial, Permit, Policy, Quota, UnixMillis};
use serde::{Deserialize, Serialize};

/// What an object can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Takes units under a policy, if there is room.
    Take(Take),
    /// Takes one unit, then panics.
    #[cfg(feature = "faults")]
    Panic(Take),
}

/// A request for units under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    /// Name of the policy; its ledger is kept under this name.
    pub policy: String,
    /// Units per window; none for unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Length of the window in milliseconds.
    pub window_ms: u64,
    /// Units asked for.
    pub cost: u32,
}

impl Take {
    /// Asks for `cost` units under `policy`.
    #[must_use]
    pub fn new(policy: &Policy, cost: u32) -> Self {
        Self { policy: policy.name.clone(), limit: policy.quota.limit(), window_ms: policy.window_ms, cost }
    }

    /// The policy as `limits` knows it. A limit of 0 can't be built there and becomes 1; no sender
    /// makes one.
    pub(crate) fn policy(&self) -> Policy {
        let quota = self.limit.map_or(Quota::Unlimited, Quota::at_least_one);
        Policy::fixed(&self.policy, quota, self.window_ms)
    }
}

/// What the object decided. Instants are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Reply {
    /// The units are taken and the taking is on disk.
    Permit {
        /// Units per window; none for unlimited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        /// Units left; none for unlimited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remaining: Option<u32>,
        /// End of the window.
        reset_at: u64,
        /// The object's clock, so that seconds are counted by one clock.
        now: u64,
    },
    /// There was no room; nothing was taken.
    Denial {
        /// Units per window.
        limit: u32,
        /// Units left.
        remaining: u32,
        /// End of the window.
        reset_at: u64,
        /// When the same request will fit; none if it never will.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<u64>,
        /// The object's clock.
        now: u64,
    },
}

impl Reply {
    pub(crate) fn new(decision: Decision, now: UnixMillis) -> Self {
        match decision {
            Decision::Permit(Permit { limit, remaining, reset_at }) => {
                Self::Permit { limit, remaining, reset_at: reset_at.0, now: now.0 }
            }
            Decision::Denial(Denial { limit, remaining, reset_at, retry_at }) => Self::Denial {
                limit,
                remaining,
                reset_at: reset_at.0,
                retry_at: retry_at.map(|at| at.0),
                now: now.0,
            },
        }
    }

    /// The decision, and the object's clock when it was made.
    #[must_use]
    pub fn decision(&self) -> (Decision, UnixMillis) {
        match *self {
            Self::Permit { limit, remaining, reset_at, now } => (
                Decision::Permit(Permit { limit, remaining, reset_at: UnixMillis(reset_at) }),
                UnixMillis(now),
            ),
            Self::Denial { limit, remaining, reset_at, retry_at, now } => {
                let retry_at = retry_at.map(UnixMillis);
                let denial = Denial { limit, remaining, reset_at: UnixMillis(reset_at), retry_at };
                (Decision::Denial(denial), UnixMillis(now))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change here breaks requests that are under way while a deployment rolls out.
    #[test]
    fn the_wire_is_pinned() {
        let policy = Policy::fixed("compile", Quota::units(10).unwrap(), 60_000);
        let take = Command::Take(Take::new(&policy, 1));
        let text = r#"{"command":"take","policy":"compile","limit":10,"window_ms":60000,"cost":1}"#;
        assert_eq!(serde_json::to_string(&take).unwrap(), text);
        assert_eq!(serde_json::from_str::<Command>(text).unwrap(), take);
    }

    #[test]
    fn decisions_survive_the_journey() {
        let now = UnixMillis(5);
        let permit = Decision::Permit(Permit { limit: None, remaining: None, reset_at: UnixMillis(9) });
        let denial = Decision::Denial(Denial {
            limit: 10,
            remaining: 0,
            reset_at: UnixMillis(9),
            retry_at: Some(UnixMillis(9)),
        });
        for decision in [permit, denial] {
            let text = serde_json::to_string(&Reply::new(decision, now)).unwrap();
            assert_eq!(serde_json::from_str::<Reply>(&text).unwrap().decision(), (decision, now));
        }
    }

    #[test]
    fn unknown_commands_are_refused() {
        assert!(serde_json::from_str::<Command>(r#"{"command":"grant_everything"}"#).is_err());
    }
}
