//! One policy, one ledger, one decision.

use crate::{Policy, UnixMillis};

/// What is remembered for one policy: the window that is open and what was spent in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    /// The first request of the window.
    pub started_at: UnixMillis,
    /// From this instant on the window is over and the ledger may be forgotten.
    pub ends_at: UnixMillis,
    /// Units spent in the window.
    pub used: u32,
}

/// The answer to a request for units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// There was room, and it is taken.
    Permit(Permit),
    /// There was none. Not an error: it says when to come back.
    Denial(Denial),
}

/// Room was there and is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// Units per window; `None` if unlimited.
    pub limit: Option<u32>,
    /// Units left in the window; `None` if unlimited.
    pub remaining: Option<u32>,
    /// When the window ends and all units are back.
    pub reset_at: UnixMillis,
}

/// There was no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// Units per window.
    pub limit: u32,
    /// Units left in the window; fewer than were asked for.
    pub remaining: u32,
    /// When the window ends and all units are back.
    pub reset_at: UnixMillis,
    /// When the same request will fit; `None` if it asks for more than the whole quota.
    pub retry_at: Option<UnixMillis>,
}

/// Decides whether `cost` units fit into the policy's window at `now`.
///
/// Returns the decision and the ledger to remember. That ledger differs from the one handed in only
/// if units were taken; it must be stored before the permit is acted upon. A cost of 0 is a peek: it
/// is always permitted, takes nothing, and opens no window.
#[must_use]
pub fn decide(
    ledger: Option<Ledger>,
    policy: &Policy,
    cost: u32,
    now: UnixMillis,
) -> (Decision, Option<Ledger>) {
    // Only the end counts: a clock that went back to before `started_at` opens no new window.
    let open = ledger.filter(|window| now < window.ends_at);
    let window = open.unwrap_or(Ledger { started_at: now, ends_at: now.plus(policy.window_ms), used: 0 });
    let limit = policy.quota.limit();
    let used = window.used.saturating_add(cost);

    // A peek passes even where a lowered quota is overspent; it reports 0 remaining, never less.
    if let Some(limit) = limit.filter(|&limit| used > limit && cost > 0) {
        let denial = Denial {
            limit,
            remaining: limit.saturating_sub(window.used),
            reset_at: window.ends_at,
            retry_at: (cost <= limit).then_some(window.ends_at),
        };
        return (Decision::Denial(denial), ledger);
    }

    let permit =
        Permit { limit, remaining: limit.map(|limit| limit.saturating_sub(used)), reset_at: window.ends_at };
    let remembered = if cost > 0 { Some(Ledger { used, ..window }) } else { ledger };
    (Decision::Permit(permit), remembered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quota;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn ten() -> Policy {
        Policy::fixed("compile", Quota::units(10).unwrap(), 60_000)
    }

    fn denial(decision: Decision) -> Denial {
        match decision {
            Decision::Denial(denial) => denial,
            Decision::Permit(permit) => panic!("expected a denial, got {permit:?}"),
        }
    }

    fn permit(decision: Decision) -> Permit {
        match decision {
            Decision::Permit(permit) => permit,
            Decision::Denial(denial) => panic!("expected a permit, got {denial:?}"),
        }
    }

    #[test]
    fn the_window_opens_with_its_first_request() {
        let (decision, ledger) = decide(None, &ten(), 1, NOW);
        assert_eq!(
            permit(decision),
            Permit { limit: Some(10), remaining: Some(9), reset_at: NOW.plus(60_000) }
        );
        assert_eq!(ledger, Some(Ledger { started_at: NOW, ends_at: NOW.plus(60_000), used: 1 }));
    }

    #[test]
    fn more_than_the_quota_never_fits() {
        let (decision, ledger) = decide(None, &ten(), 11, NOW);
        assert_eq!(denial(decision).retry_at, None);
        assert_eq!(ledger, None);
    }

    #[test]
    fn a_peek_opens_no_window() {
        let (decision, ledger) = decide(None, &ten(), 0, NOW);
        assert_eq!(permit(decision).remaining, Some(10));
        assert_eq!(ledger, None);
    }

    #[test]
    fn a_quota_lowered_below_what_is_used_leaves_nothing_rather_than_less() {
        let spent = Some(Ledger { started_at: NOW, ends_at: NOW.plus(60_000), used: 25 });
        assert_eq!(permit(decide(spent, &ten(), 0, NOW).0).remaining, Some(0));
        assert_eq!(denial(decide(spent, &ten(), 1, NOW).0).remaining, 0);
    }

    #[test]
    fn the_unlimited_are_counted_and_never_denied() {
        let policy = Policy { quota: Quota::Unlimited, ..ten() };
        let full = Some(Ledger { started_at: NOW, ends_at: NOW.plus(60_000), used: u32::MAX });
        let (decision, ledger) = decide(full, &policy, 1, NOW);
        assert_eq!(permit(decision).remaining, None);
        assert_eq!(ledger.unwrap().used, u32::MAX);
    }
}
