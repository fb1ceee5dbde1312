//! What is stored for one policy, and the arithmetic of each kind of window.
//!
//! Amounts are counted in grains, so that everything stays whole: in a bucket a unit is as many grains
//! as the window has milliseconds, and each millisecond gives back as many grains as the quota has
//! units. Everywhere else a grain is a unit.

use std::mem::discriminant;

use crate::{MAX_LOGGED_UNITS, Policy, UnixMillis, Window};

/// What is stored for one policy. Plain numbers below 2^53, for a row of a table.
///
/// A ledger of another kind than the policy's window, left over from an older configuration, counts
/// as none. `Fixed` and `Calendar` windows share a kind: an open window is honoured to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ledger {
    /// `Fixed` and `Calendar` windows, and buckets without a limit.
    Count {
        /// When the window ends.
        ends_at: UnixMillis,
        /// Units that are taken or reserved.
        mark: u32,
        /// How often it was reset, modulo 2^32: tells apart reservations from before and after.
        resets: u32,
    },
    /// `Bucket` windows.
    Bucket {
        /// When the level was as it says; since then the bucket has been draining.
        at: UnixMillis,
        /// Grains that were taken or reserved; `ms` grains are a unit.
        level: u64,
        /// Grains that drain in each millisecond: the quota at the last writing.
        quota: u32,
        /// Length of the window in milliseconds at the last writing.
        ms: u64,
        /// Grains that were refunded since the bucket was last empty.
        refunded: u64,
        /// As in `Count`.
        resets: u32,
    },
    /// `Sliding` windows. Ordered by `until`.
    Sliding(Vec<Held>),
    /// `Concurrency` windows. Ordered by `until`.
    Concurrency(Vec<Held>),
}

/// Units that come back at an instant of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// When they come back.
    pub until: UnixMillis,
    /// How many.
    pub units: u32,
    /// Who can release them earlier, at most 64 bytes; empty if nobody can.
    pub holder: String,
}

impl Ledger {
    /// An unused ledger, as it would be opened at `now`.
    fn fresh(policy: &Policy, now: UnixMillis) -> Self {
        let ms = policy.window().ms();
        let count = |ends_at| Self::Count { ends_at, mark: 0, resets: 0 };
        match (policy.window(), policy.quota().limit()) {
            (Window::Sliding { .. }, _) => Self::Sliding(Vec::new()),
            (Window::Concurrency { .. }, _) => Self::Concurrency(Vec::new()),
            (Window::Bucket { .. }, Some(quota)) => {
                Self::Bucket { at: now, level: 0, quota, ms, refunded: 0, resets: 0 }
            }
            (Window::Calendar { .. }, _) => count(UnixMillis(now.0 - now.0 % ms).plus(ms)),
            // Without a limit there is no rate at which a bucket could drain, so it is counted like this.
            (Window::Fixed { .. } | Window::Bucket { .. }, _) => count(now.plus(ms)),
        }
    }

    /// Whether this is of the policy's kind and its window is still open.
    ///
    /// Only the end counts: a clock that went back to before the beginning opens no new window.
    pub(crate) fn is_open(&self, policy: &Policy, now: UnixMillis) -> bool {
        let same_kind = discriminant(self) == discriminant(&Self::fresh(policy, now));
        same_kind && !matches!(self, Self::Count { ends_at, .. } if *ends_at <= now)
    }

    /// The ledger to charge at `now`: the stored one without what has expired, or an unused one.
    pub(crate) fn open(stored: Option<Self>, policy: &Policy, now: UnixMillis) -> Self {
        let mut ledger =
            stored.filter(|ledger| ledger.is_open(policy, now)).unwrap_or_else(|| Self::fresh(policy, now));
        if let Self::Sliding(log) | Self::Concurrency(log) = &mut ledger {
            log.retain(|held| now < held.until);
        }
        ledger
    }

    /// Whether instances must read and write it on each permit, instead of reserving units.
    pub(crate) const fn is_log(&self) -> bool {
        matches!(self, Self::Sliding(_) | Self::Concurrency(_))
    }

    /// Grains per unit, never 0, even if storage says so.
    pub(crate) fn grain(&self) -> u64 {
        match self {
            Self::Bucket { ms, .. } => (*ms).max(1),
            _ => 1,
        }
    }

    /// Grains that are taken or reserved at `now`.
    pub(crate) fn taken(&self, now: UnixMillis) -> u64 {
        match self {
            Self::Count { mark, .. } => u64::from(*mark),
            Self::Bucket { at, level, quota, .. } => {
                level.saturating_sub(at.until(now).saturating_mul(u64::from(*quota)))
            }
            Self::Sliding(log) | Self::Concurrency(log) => log.iter().map(|held| u64::from(held.units)).sum(),
        }
    }

    /// Whether a bucket drains at the rate that the policy asks for; others have no rate.
    pub(crate) fn has_rate_of(&self, policy: &Policy) -> bool {
        match self {
            Self::Bucket { quota, ms, .. } => {
                policy.quota().limit() == Some(*quota) && policy.window().ms() == *ms
            }
            _ => true,
        }
    }

    /// Gives a bucket the policy's rate; what is in it counts as whole units.
    ///
    /// This happens with the first permit under the new rate and not before. So a bucket that a lowered
    /// quota leaves overfull drains at the old rate until there is room, and locks nobody out for long.
    pub(crate) fn adopt_rate(&mut self, policy: &Policy, now: UnixMillis) {
        let units = self.taken(now).div_ceil(self.grain());
        if let (Self::Bucket { at, level, quota, ms, .. }, Some(limit)) = (self, policy.quota().limit()) {
            let length = policy.window().ms();
            (*at, *level, *quota, *ms) = (now.max(*at), units.saturating_mul(length), limit, length);
        }
    }

    /// Takes or reserves grains at `now`.
    pub(crate) fn add(&mut self, grains: u64, policy: &Policy, holder: &str, now: UnixMillis) {
        let sum = self.taken(now).saturating_add(grains);
        match self {
            Self::Count { mark, .. } => *mark = saturate(sum),
            Self::Bucket { at, level, refunded, .. } => {
                *refunded = if sum == grains { 0 } else { *refunded };
                (*at, *level) = (now.max(*at), sum);
            }
            Self::Sliding(log) | Self::Concurrency(log) => {
                // Not earlier than the last: a clock that went back must not make units return sooner
                // than those taken before them, and the order is what finds the instant of a retry.
                let end = now.plus(policy.window().ms());
                let until = log.last().map_or(end, |last| end.max(last.until));
                let units = saturate(grains);
                match log.last_mut().filter(|last| last.until == until && last.holder == holder) {
                    Some(last) => last.units = last.units.saturating_add(units),
                    None => log.push(Held { until, units, holder: holder.to_owned() }),
                }
                // Only without a limit can there be more entries than units allow. The oldest are then
                // held as long as the next, which counts them for too long but never loses them.
                while log.len() > MAX_LOGGED_UNITS as usize {
                    let oldest = log.remove(0);
                    if let Some(next) = log.first_mut() {
                        next.units = next.units.saturating_add(oldest.units);
                    }
                }
            }
        }
    }

    /// Gives back grains that were reserved and not taken. Logs reserve nothing.
    pub(crate) fn give_back(&mut self, grains: u64, now: UnixMillis) {
        let rest = self.taken(now).saturating_sub(grains);
        match self {
            Self::Count { mark, .. } => *mark = saturate(rest),
            Self::Bucket { at, level, .. } => (*at, *level) = (now.max(*at), rest),
            Self::Sliding(_) | Self::Concurrency(_) => {}
        }
    }

    /// Gives back up to `units` of the window that a standing named by `reset_at`, but no more than
    /// `used` grains; whether anything changed.
    pub(crate) fn refund(
        &mut self,
        units: u32,
        reset_at: UnixMillis,
        policy: &Policy,
        used: u64,
        now: UnixMillis,
    ) -> bool {
        let grains = u64::from(units).saturating_mul(self.grain()).min(used);
        let has_rate = self.has_rate_of(policy);
        let back = match self {
            Self::Count { ends_at, .. } if *ends_at == reset_at => grains,
            Self::Bucket { at, quota, refunded, .. } => {
                // What has drained of the units is back already, and a refund must never give too much. They
                // ended within the millisecond before `reset_at`, or earlier by what was refunded since.
                let drain = u64::from(*quota);
                let ahead = now.max(*at).until(reset_at).saturating_mul(drain);
                let undrained = ahead.saturating_sub(drain.saturating_sub(1)).saturating_sub(*refunded);
                if has_rate { grains.min(undrained) } else { 0 }
            }
            Self::Sliding(log) => {
                let mut left = units;
                for held in log.iter_mut().rev().filter(|held| held.until == reset_at) {
                    let part = held.units.min(left);
                    held.units -= part;
                    left -= part;
                }
                log.retain(|held| held.units > 0);
                return left < units;
            }
            // Two holders may share an instant, so only a release can tell whose units return.
            Self::Count { .. } | Self::Concurrency(_) => 0,
        };
        self.give_back(back, now);
        if let Self::Bucket { refunded, .. } = self {
            *refunded = refunded.saturating_add(back);
        }
        back > 0
    }

    /// Ends what the holder holds; whether that was anything.
    pub(crate) fn release(&mut self, holder: &str) -> bool {
        let Self::Concurrency(log) = self else { return false };
        let before = log.len();
        log.retain(|held| held.holder != holder || holder.is_empty());
        log.len() < before
    }

    /// The same ledger with nothing taken.
    pub(crate) fn cleared(self, now: UnixMillis) -> Self {
        match self {
            Self::Count { ends_at, resets, .. } => {
                Self::Count { ends_at, mark: 0, resets: resets.wrapping_add(1) }
            }
            Self::Bucket { at, quota, ms, resets, .. } => {
                let resets = resets.wrapping_add(1);
                Self::Bucket { at: now.max(at), level: 0, quota, ms, refunded: 0, resets }
            }
            Self::Sliding(_) => Self::Sliding(Vec::new()),
            Self::Concurrency(_) => Self::Concurrency(Vec::new()),
        }
    }

    /// When everything is back, if `used` grains are in use at `now`.
    pub(crate) fn reset_at(&self, used: u64, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Count { ends_at, .. } => *ends_at,
            Self::Bucket { at, quota, .. } => now.max(*at).plus(used.div_ceil(u64::from(*quota).max(1))),
            Self::Sliding(log) | Self::Concurrency(log) => log.last().map_or(now, |last| last.until),
        }
    }

    /// When `excess` of the `used` grains are back.
    pub(crate) fn regains_at(&self, excess: u64, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Count { .. } | Self::Bucket { .. } => self.reset_at(excess, now),
            Self::Sliding(log) | Self::Concurrency(log) => {
                let mut back = 0;
                let mut returns = log.iter().skip_while(|held| {
                    back += u64::from(held.units);
                    back < excess
                });
                returns.next().map_or(now, |held| held.until)
            }
        }
    }

    /// From when on it says nothing that an unused ledger would not say.
    #[must_use]
    pub fn ends_at(&self) -> UnixMillis {
        match self {
            Self::Bucket { at, level, .. } => self.reset_at(*level, *at),
            _ => self.reset_at(0, UnixMillis(0)),
        }
    }
}

fn saturate(grains: u64) -> u32 {
    u32::try_from(grains).unwrap_or(u32::MAX)
}
