//! Buckets: the generic cell rate algorithm. Every unit occupies one interval on the line of time, none
//! overlaps another, none begins before it is asked for, and none ends later than a full bucket after that.

use std::num::NonZeroU32;

use crate::book::{Memory, Plan, Taking, max_step};
use crate::ledger::Taken;
use crate::{Fit, Ledger, Policy, Quota, Standing, UnixMillis, Window};

/// How fast a bucket is refilled, in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    limit: NonZeroU32,
    /// Time one unit takes. Rounded up, so that it is never refilled too fast.
    interval_us: u64,
}

impl Rate {
    pub fn new(limit: NonZeroU32, ms: u64) -> Self {
        Self { limit, interval_us: ms.saturating_mul(1000).div_ceil(u64::from(limit.get())).max(1) }
    }

    fn time_of(self, units: u32) -> u64 {
        self.interval_us.saturating_mul(u64::from(units))
    }

    /// How far ahead of now the units may reach: a full bucket.
    fn reach_us(self) -> u64 {
        self.time_of(self.limit.get())
    }
}

/// The stretch of time that an instance has reserved and not yet handed out: from `full_at_us` to `mark_us`.
/// What lies before now has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    full_at_us: u64,
    mark_us: u64,
    /// How many units to reserve next time.
    step: u32,
    /// Of the ledger in which `mark_us` is written.
    serial: u64,
    interval_us: u64,
}

impl Lease {
    pub fn over_at(&self) -> UnixMillis {
        UnixMillis(self.mark_us.div_ceil(1000))
    }

    pub fn unspent_us(&self, now: UnixMillis) -> u64 {
        self.mark_us.saturating_sub(self.full_at_us.max(now.0 * 1000))
    }

    pub fn give_back(&mut self, policy: &Policy, units: u32, now: UnixMillis) {
        self.full_at_us = given_back(policy, units, self.full_at_us).max(now.0 * 1000).min(self.full_at_us);
    }

    pub fn settled(&self, serial: u64, now: UnixMillis) -> Option<(u64, Ledger)> {
        let unspent = self.unspent_us(now);
        let taken = Taken::Bucket { full_at_us: self.full_at_us };
        (self.serial == serial && unspent > 0)
            .then(|| (unspent / self.interval_us.max(1), Ledger { serial: serial + 1, taken }))
    }

    pub fn settle(&mut self, serial: u64) {
        *self = Self { mark_us: self.full_at_us, step: 1, serial, ..*self };
    }
}

/// When a bucket is full again, if `units` are put back into it.
pub fn given_back(policy: &Policy, units: u32, full_at_us: u64) -> u64 {
    match (policy.window(), policy.quota()) {
        (Window::Bucket { ms }, Quota::Units(limit)) => {
            full_at_us.saturating_sub(Rate::new(limit, ms).time_of(units))
        }
        _ => full_at_us,
    }
}

pub fn plan<E>(
    known: Option<Lease>,
    rate: Rate,
    cost: u32,
    now: UnixMillis,
    read: impl FnOnce() -> Result<Option<Ledger>, E>,
) -> Result<Plan, E> {
    let now_us = now.0.saturating_mul(1000);
    let horizon_us = now_us.saturating_add(rate.reach_us());
    let fits = |from_us: u64| from_us.saturating_add(rate.time_of(cost)) <= horizon_us;
    let standing = |from_us: u64| {
        let limit = rate.limit.get();
        let used = from_us.saturating_sub(now_us).div_ceil(rate.interval_us);
        Standing {
            limit: Some(limit),
            used: u32::try_from(used).unwrap_or(u32::MAX),
            reset_at: UnixMillis(from_us.div_ceil(1000)),
            fit: if cost == 0 || fits(from_us) {
                Fit::Now
            } else if cost > limit {
                Fit::Never
            } else {
                let end_us = from_us.saturating_add(rate.time_of(cost));
                Fit::At(UnixMillis(end_us.saturating_sub(rate.reach_us()).div_ceil(1000)))
            },
        }
    };
    let take = |from_us: u64, lease: Lease, ledger: Option<Ledger>| {
        let full_at_us = from_us.saturating_add(rate.time_of(cost));
        Some(Taking {
            standing: Standing { fit: Fit::Now, ..standing(full_at_us) },
            memory: Memory::Bucket(Lease { full_at_us, interval_us: rate.interval_us, ..lease }),
            ledger,
        })
    };

    if let Some(lease) = known {
        let from_us = lease.full_at_us.max(now_us);
        let is_reserved = from_us.saturating_add(rate.time_of(cost)) <= lease.mark_us;
        if cost == 0 || !fits(from_us) || is_reserved {
            let taking = if cost > 0 && fits(from_us) { take(from_us, lease, None) } else { None };
            return Ok(Plan { standing: standing(from_us), learnt: None, taking });
        }
    }

    let stored = read()?.and_then(|ledger| match ledger.taken {
        Taken::Bucket { full_at_us } => Some((ledger.serial, full_at_us)),
        _ => None,
    });
    let interval_us = rate.interval_us;
    let (base, learnt) = match (known, stored) {
        (Some(lease), Some((serial, _))) if lease.serial == serial => (lease, None),
        (_, Some((serial, full_at_us))) => {
            let lease = Lease { full_at_us, mark_us: full_at_us, step: 1, serial, interval_us };
            (lease, Some(Memory::Bucket(lease)))
        }
        (_, None) => (Lease { full_at_us: 0, mark_us: 0, step: 1, serial: now.0, interval_us }, None),
    };
    let from_us = base.full_at_us.max(now_us);
    let mut plan = Plan { standing: standing(from_us), learnt, taking: None };
    if cost > 0 && fits(from_us) {
        let mark_us = from_us.saturating_add(rate.time_of(cost.max(base.step))).min(horizon_us);
        let step = base.step.saturating_mul(2).min(max_step(Some(rate.limit.get())));
        let ledger = Ledger { serial: base.serial + 1, taken: Taken::Bucket { full_at_us: mark_us } };
        plan.taking = take(from_us, Lease { mark_us, step, serial: ledger.serial, ..base }, Some(ledger));
    }
    Ok(plan)
}
