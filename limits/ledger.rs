//! What is stored of each policy, and what a decision asks to be done about it.

use crate::UnixMillis;

/// What is stored of one policy. It may be ahead of the truth, never behind it: units are written down
/// before they are given away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Different after every write. An instance that finds its own serial knows that nobody wrote since.
    pub serial: u64,
    /// What was taken, or reserved to be taken.
    pub taken: Taken,
}

/// What was taken, or reserved to be taken. All instants stay below 2^53.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Of a fixed or calendar window: a number.
    Count {
        /// From here on the window is over. Windows are told apart by it.
        ends_at: UnixMillis,
        /// Units.
        units: u32,
    },
    /// Of a bucket: how far the stretch of time that its units occupy reaches.
    Bucket {
        /// When it is full again, in microseconds since 1970.
        full_at_us: u64,
    },
    /// Of a sliding window or a concurrency limit: every taking, in the order in which they end.
    Holds(Vec<Hold>),
}

/// Units that count for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// From here on they don't.
    pub until: UnixMillis,
    /// Units.
    pub units: u32,
    /// Who may release them; empty in a sliding window, where nobody may.
    pub holder: String,
}

impl Ledger {
    /// From this instant on it says nothing any more and may be forgotten.
    #[must_use]
    pub fn over_at(&self) -> UnixMillis {
        match &self.taken {
            Taken::Count { ends_at, .. } => *ends_at,
            Taken::Bucket { full_at_us } => UnixMillis(full_at_us.div_ceil(1000)),
            Taken::Holds(holds) => holds.iter().map(|hold| hold.until).max().unwrap_or(UnixMillis(0)),
        }
    }
}

/// What is to be done in storage. Everything of one decision is done before its answer leaves, in this order;
/// stopping in between is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Store the ledger of a policy, in place of the one that is there.
    Save {
        /// Name of the policy.
        policy: String,
        /// What to store.
        ledger: Ledger,
    },
    /// Remove the ledger of a policy.
    Delete {
        /// Name of the policy.
        policy: String,
    },
    /// Call [`crate::Book::wake`] at this instant. Replaces an earlier wish.
    WakeAt(UnixMillis),
}
