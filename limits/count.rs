//! Fixed and calendar windows: units are the whole numbers up to the limit, handed out in order.

use crate::book::{Memory, Plan, Taking, max_step};
use crate::ledger::Taken;
use crate::{Fit, Ledger, Standing, UnixMillis, Window};

/// The units of one window that an instance has reserved and not yet handed out: those above `used`, up to
/// `mark`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    ends_at: UnixMillis,
    used: u32,
    mark: u32,
    /// How many to reserve next time.
    step: u32,
    /// Of the ledger in which `mark` is written.
    serial: u64,
}

impl Lease {
    pub fn ends_at(&self) -> UnixMillis {
        self.ends_at
    }

    pub fn unspent(&self) -> u32 {
        self.mark.saturating_sub(self.used)
    }

    pub fn give_back(&mut self, units: u32, reset_at: UnixMillis, now: UnixMillis) {
        if self.ends_at == reset_at && now < self.ends_at {
            self.used = self.used.saturating_sub(units);
        }
    }

    pub fn settled(&self, serial: u64) -> Option<(u64, Ledger)> {
        let taken = Taken::Count { ends_at: self.ends_at, units: self.used };
        (self.serial == serial && self.unspent() > 0)
            .then(|| (u64::from(self.unspent()), Ledger { serial: serial + 1, taken }))
    }

    pub fn settle(&mut self, serial: u64) {
        *self = Self { mark: self.used, step: 1, serial, ..*self };
    }
}

pub fn plan<E>(
    known: Option<Lease>,
    limit: Option<u32>,
    window: Window,
    cost: u32,
    now: UnixMillis,
    read: impl FnOnce() -> Result<Option<Ledger>, E>,
) -> Result<Plan, E> {
    let fits = |used: u32| limit.is_none_or(|limit| used.checked_add(cost).is_some_and(|sum| sum <= limit));
    let standing = |used: u32, ends_at: UnixMillis| Standing {
        limit,
        used,
        reset_at: ends_at,
        fit: match limit {
            // A peek passes even where a lowered limit is overspent.
            _ if cost == 0 || fits(used) => Fit::Now,
            Some(limit) if cost > limit => Fit::Never,
            _ => Fit::At(ends_at),
        },
    };
    let take = |from: Lease, ledger: Option<Ledger>| {
        let lease = Lease { used: from.used.saturating_add(cost), ..from };
        Some(Taking {
            standing: Standing { fit: Fit::Now, ..standing(lease.used, lease.ends_at) },
            memory: Memory::Count(lease),
            ledger,
        })
    };

    // Only the end counts: a clock that went back opens no new window.
    let open = known.filter(|lease| now < lease.ends_at);
    if let Some(lease) = open {
        // Nobody but this instance can make room before the window ends, so what it knows is enough to
        // refuse. What it has reserved is enough to admit.
        let is_reserved = lease.used.saturating_add(cost) <= lease.mark;
        if cost == 0 || !fits(lease.used) || is_reserved {
            let taking = if cost > 0 && fits(lease.used) { take(lease, None) } else { None };
            return Ok(Plan { standing: standing(lease.used, lease.ends_at), learnt: None, taking });
        }
    }

    let stored = read()?.and_then(|ledger| match ledger.taken {
        Taken::Count { ends_at, units } if now < ends_at => Some((ledger.serial, ends_at, units)),
        _ => None,
    });
    let (base, learnt) = match (open, stored) {
        // Nobody wrote since: go on where this instance stands.
        (Some(lease), Some((serial, ..))) if lease.serial == serial => (lease, None),
        // Somebody did, or this instance is new: everything up to the mark counts as taken.
        (_, Some((serial, ends_at, units))) => {
            let lease = Lease { ends_at, used: units, mark: units, step: 1, serial };
            (lease, Some(Memory::Count(lease)))
        }
        // A new window. Its serials start at its opening, so that none of an earlier one comes again.
        (_, None) => (Lease { ends_at: end(window, now), used: 0, mark: 0, step: 1, serial: now.0 }, None),
    };
    let mut plan = Plan { standing: standing(base.used, base.ends_at), learnt, taking: None };
    if cost > 0 && fits(base.used) {
        let most = limit.unwrap_or(u32::MAX);
        let mark = base.used.saturating_add(cost.max(base.step)).min(most);
        let step = base.step.saturating_mul(2).min(max_step(limit));
        let ledger =
            Ledger { serial: base.serial + 1, taken: Taken::Count { ends_at: base.ends_at, units: mark } };
        plan.taking = take(Lease { mark, step, serial: ledger.serial, ..base }, Some(ledger));
    }
    Ok(plan)
}

/// When the window ends that a request at `now` opens.
fn end(window: Window, now: UnixMillis) -> UnixMillis {
    match window {
        Window::Calendar { ms } => UnixMillis((now.0 / ms.max(1)).saturating_add(1).saturating_mul(ms)),
        _ => now.plus(window.ms()),
    }
}
