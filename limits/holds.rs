//! Sliding windows and concurrency limits: every taking is remembered until it ends, and written at once.

use crate::book::{Memory, Plan, Taking};
use crate::ledger::{Hold, Taken};
use crate::{Fit, Ledger, Standing, UnixMillis};

pub fn plan<E>(
    known: Option<&[Hold]>,
    limit: u32,
    ms: u64,
    cost: u32,
    holder: &str,
    now: UnixMillis,
    read: impl FnOnce() -> Result<Option<Ledger>, E>,
) -> Result<Plan, E> {
    let standing = |holds: &[Hold]| Standing {
        limit: Some(limit),
        used: used(holds, now),
        reset_at: holds.last().map_or(now, |hold| hold.until.max(now)),
        fit: fit(holds, limit, cost, now),
    };

    if let Some(holds) = known {
        let standing = standing(holds);
        // Holds only grow behind this instance's back, so what it knows is enough to refuse.
        if cost == 0 || standing.fit != Fit::Now {
            return Ok(Plan { standing, learnt: None, taking: None });
        }
    }

    let (serial, mut holds) = match read()? {
        Some(Ledger { serial, taken: Taken::Holds(holds) }) => (serial, holds),
        _ => (now.0, Vec::new()),
    };
    holds.retain(|hold| now < hold.until);
    let mut plan =
        Plan { standing: standing(&holds), learnt: Some(Memory::Holds(holds.clone())), taking: None };
    if cost > 0 && plan.standing.fit == Fit::Now {
        // Never before the last one: a clock that went back shortens nothing.
        let until = holds.last().map_or(now.plus(ms), |last| last.until.max(now.plus(ms)));
        match holds.last_mut().filter(|last| last.until == until && last.holder == holder) {
            Some(last) => last.units = last.units.saturating_add(cost),
            None => holds.push(Hold { until, units: cost, holder: holder.to_owned() }),
        }
        plan.taking = Some(Taking {
            standing: Standing { fit: Fit::Now, ..standing(&holds) },
            ledger: Some(Ledger { serial: serial + 1, taken: Taken::Holds(holds.clone()) }),
            memory: Memory::Holds(holds),
        });
    }
    Ok(plan)
}

/// Takes the newest units out again.
pub fn give_back(holds: &mut Vec<Hold>, mut units: u32) {
    while let Some(last) = holds.last_mut().filter(|_| units > 0) {
        let n = last.units.min(units);
        last.units -= n;
        units -= n;
        if last.units == 0 {
            holds.pop();
        }
    }
}

fn used(holds: &[Hold], now: UnixMillis) -> u32 {
    holds.iter().filter(|hold| now < hold.until).fold(0, |sum, hold| sum.saturating_add(hold.units))
}

/// Whether `cost` fits, or when enough has ended.
fn fit(holds: &[Hold], limit: u32, cost: u32, now: UnixMillis) -> Fit {
    if cost == 0 {
        return Fit::Now;
    }
    let Some(room) = limit.checked_sub(cost) else { return Fit::Never };
    let mut used = used(holds, now);
    if used <= room {
        return Fit::Now;
    }
    for hold in holds.iter().filter(|hold| now < hold.until) {
        used = used.saturating_sub(hold.units);
        if used <= room {
            return Fit::At(hold.until);
        }
    }
    Fit::Now
}
