//! What is asked, and what is answered.

use crate::{Policy, UnixMillis};

/// What a request costs under one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Units. 0 is a peek: always permitted, takes nothing, opens no window.
    pub cost: u32,
}

/// Whether a request fits under one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Now,
    /// Not before this instant; then it does, if nobody takes the room first.
    At(UnixMillis),
    /// It asks for more than the whole quota.
    Never,
}

/// How things stand under one policy once the decision is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Units per window; none if unlimited.
    pub limit: Option<u32>,
    /// Units that count now. May be above a limit that was lowered.
    pub used: u32,
    /// When all units are back, if nobody takes any.
    pub reset_at: UnixMillis,
    /// Whether the request fits, or did.
    pub fit: Fit,
}

impl Standing {
    /// Units left; none if unlimited. Never less than 0, however far a limit was lowered.
    #[must_use]
    pub fn remaining(&self) -> Option<u32> {
        self.limit.map(|limit| limit.saturating_sub(self.used))
    }
}

/// The answer to a request under several policies: all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// One per charge, in their order.
    pub standings: Vec<Standing>,
    /// The charge that is in the way: of all that do not fit, the one that does so last. None if the units
    /// are taken. Not an error: its standing says when to come back, for all charges at once.
    pub refused_by: Option<usize>,
}

impl Decision {
    /// Whether the units are taken.
    #[must_use]
    pub const fn admits(&self) -> bool {
        self.refused_by.is_none()
    }
}

/// Of charges that do not fit, the one that fits last; shadow policies are never in the way.
pub fn in_the_way(charges: &[Charge<'_>], standings: &[Standing]) -> Option<usize> {
    let wait = |fit: Fit| match fit {
        Fit::Now => None,
        Fit::At(at) => Some(at.0),
        Fit::Never => Some(u64::MAX),
    };
    let waits = charges
        .iter()
        .zip(standings)
        .map(|(charge, standing)| wait(standing.fit).filter(|_| !charge.policy.shadow()));
    // Of equals the first.
    let mut latest: Option<(usize, u64)> = None;
    for (index, wait) in waits.enumerate() {
        if let Some(wait) = wait
            && latest.is_none_or(|(_, longest)| wait > longest)
        {
            latest = Some((index, wait));
        }
    }
    latest.map(|(index, _)| index)
}
