//! Durable leases: deciding from memory, and writing ahead.

use std::collections::BTreeMap;

use crate::{Charge, Decision, Ledger, Policy, Retry, Standing, UnixMillis};

/// The most units an instance reserves at once, and so the most that a crash can lose, plus one.
pub const MAX_LEASE_UNITS: u32 = 64;

/// After so many milliseconds without a permit, units that are reserved and not taken are given back.
pub const IDLE_MS: u64 = 5_000;

/// A ledger outlives its window by so many milliseconds.
///
/// The clocks of two instances may disagree, and a clock may go back, by so much in all without a
/// window of the past being opened anew.
pub const KEEP_MS: u64 = 60_000;

/// What the shell has to do, in this order, before it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Call [`Book::wake`] at this instant, instead of at any asked for before.
    WakeAt(UnixMillis),
    /// Store the ledger of a policy in place of the one before.
    Save {
        /// The policy's name.
        policy: String,
        /// Its ledger.
        ledger: Ledger,
    },
    /// Delete the ledger of the policy with this name.
    Delete(String),
    /// No ledger is left and no waking is pending: all storage of this crate may be deleted.
    Forget,
}

/// A decision and what has to be stored for it. Refusals and peeks have no effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// The answer, to be sent after the effects were carried out.
    pub decision: Decision<'a>,
    /// Empty for most permits.
    pub effects: Vec<Effect>,
}

/// What one instance of an identity's object keeps in memory. A new instance begins with an empty one.
///
/// `read` always stands for a fresh look at the stored ledger of the policy with that name. Carrying
/// out the effects belongs to the same synchronous step: nobody else may read or write in between. If
/// an effect fails, throw the book away and begin with an empty one, as after a crash.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// By name of the policy.
    leases: BTreeMap<String, Lease>,
    /// The last permit that took something.
    taken_at: Option<UnixMillis>,
    /// The waking this instance last asked for.
    wake_at: Option<UnixMillis>,
}

/// Units that this instance has reserved.
#[derive(Debug, Clone)]
struct Lease {
    /// As last read or written by this instance.
    ledger: Ledger,
    /// Grains below the mark that are this instance's own and not taken.
    left: u64,
    /// Units to which the last refill topped it up.
    step: u32,
}

/// The charges, where the first of each policy carries the cost of all, and the others cost nothing.
fn merged<'a>(charges: &[Charge<'a>]) -> impl Iterator<Item = Charge<'a>> {
    charges.iter().enumerate().map(|(index, charge)| {
        let same = |other: &&Charge| other.policy.name() == charge.policy.name();
        let cost = match charges.iter().take(index).any(|other| same(&other)) {
            true => 0,
            false => charges.iter().filter(same).fold(0, |sum: u32, other| sum.saturating_add(other.cost)),
        };
        Charge { cost, ..*charge }
    })
}

/// A charge with what is known about its policy.
struct Plan<'a> {
    charge: Charge<'a>,
    lease: Lease,
    retry: Retry,
}

impl Book {
    /// Takes all charges or none.
    ///
    /// `read` is called only for what memory can't decide: a window that is new to this instance, a
    /// reservation that is used up, and windows that are logs. A policy named by several charges is
    /// charged once, with the sum.
    ///
    /// # Errors
    /// The first error of `read`; nothing has changed then.
    pub fn decide<'a, E>(
        &mut self,
        charges: &[Charge<'a>],
        now: UnixMillis,
        mut read: impl FnMut(&str) -> Result<Option<Ledger>, E>,
    ) -> Result<Outcome<'a>, E> {
        // If one policy refuses from memory, nothing will be taken, so the others need no refill either.
        let is_refused = merged(charges).any(|charge| {
            !charge.policy.is_shadow()
                && self
                    .recall(charge.policy, now)
                    .is_some_and(|lease| lease.retry(&charge, now) != Retry::Now)
        });

        let mut plans = Vec::with_capacity(charges.len());
        for charge in merged(charges) {
            let known =
                self.recall(charge.policy, now).filter(|lease| is_refused || lease.suffices(&charge, now));
            let lease = match known {
                Some(lease) => lease,
                None => self.look_up(charge.policy, now, &mut read)?,
            };
            let retry = lease.retry(&charge, now);
            plans.push(Plan { charge, lease, retry });
        }

        let enforced = plans.iter().filter(|plan| !plan.charge.policy.is_shadow());
        let denial = enforced
            .filter(|plan| plan.retry != Retry::Now)
            .max_by_key(|plan| plan.retry)
            .map(|plan| plan.lease.standing(&plan.charge, plan.retry, now));
        let effects = if denial.is_none() { self.take(&mut plans, now) } else { Vec::new() };
        let standings = plans.iter().map(|plan| plan.lease.standing(&plan.charge, plan.retry, now)).collect();
        Ok(Outcome { decision: Decision { standings, denial }, effects })
    }

    /// Gives back units of a window that is still open, named by [`Standing::reset_at`] of the permit
    /// that took them; of a window that is over, nothing. `policy` is the one that was charged.
    ///
    /// A bucket regains only what has not drained meanwhile, to within a millisecond of draining, and
    /// nothing if its rate has changed. What is held in a `Concurrency` window is released instead.
    ///
    /// # Errors
    /// The error of `read`; nothing has changed then.
    pub fn refund<E>(
        &mut self,
        policy: &Policy,
        units: u32,
        reset_at: UnixMillis,
        now: UnixMillis,
        mut read: impl FnMut(&str) -> Result<Option<Ledger>, E>,
    ) -> Result<Vec<Effect>, E> {
        let mut lease = self.look_up(policy, now, &mut read)?;
        let used = lease.used(now);
        Ok(match lease.ledger.refund(units, reset_at, policy, used, now) {
            true => vec![self.keep(policy.name(), lease)],
            false => Vec::new(),
        })
    }

    /// Ends what a holder holds of a `Concurrency` policy. Doing so twice is harmless.
    ///
    /// # Errors
    /// The error of `read`; nothing has changed then.
    pub fn release<E>(
        &mut self,
        policy: &Policy,
        holder: &str,
        now: UnixMillis,
        mut read: impl FnMut(&str) -> Result<Option<Ledger>, E>,
    ) -> Result<Vec<Effect>, E> {
        let mut lease = self.look_up(policy, now, &mut read)?;
        Ok(match lease.ledger.release(holder) {
            true => vec![self.keep(policy.name(), lease)],
            false => Vec::new(),
        })
    }

    /// Returns all units of these policies, given with their stored ledgers.
    ///
    /// Another live instance learns of it with its next refill, or when its window ends.
    pub fn reset(&mut self, stored: Vec<(String, Ledger)>, now: UnixMillis) -> Vec<Effect> {
        let clear = |(policy, ledger): (String, Ledger)| {
            self.leases.remove(&policy);
            Effect::Save { policy, ledger: ledger.cleared(now) }
        };
        stored.into_iter().map(clear).collect()
    }

    /// Cleans up when the waking that was asked for happens; early, late or twice does no harm.
    ///
    /// `stored` is everything that is stored: ledgers that are over are deleted, and an idle instance
    /// gives back what it reserved and has not taken.
    pub fn wake(&mut self, stored: Vec<(String, Ledger)>, now: UnixMillis) -> Vec<Effect> {
        self.leases.retain(|name, _| stored.iter().any(|(other, _)| other == name));
        let idle_at = self.taken_at.map_or(now, |at| at.plus(IDLE_MS));
        let mut effects = Vec::new();
        let mut next: Option<UnixMillis> = None;
        for (policy, ledger) in stored {
            let mut due = ledger.ends_at().plus(KEEP_MS);
            if due <= now {
                self.leases.remove(&policy);
                effects.push(Effect::Delete(policy));
                continue;
            }
            if let Some(lease) = self.leases.get_mut(&policy) {
                let unspent = lease.unspent(now);
                if lease.ledger != ledger {
                    self.leases.remove(&policy);
                } else if unspent > 0 && now < idle_at {
                    due = due.min(idle_at);
                } else if unspent > 0 {
                    lease.ledger.give_back(unspent, now);
                    lease.left = 0;
                    due = lease.ledger.ends_at().plus(KEEP_MS).max(now.plus(1));
                    effects.push(Effect::Save { policy, ledger: lease.ledger.clone() });
                }
            }
            next = Some(next.map_or(due, |next| next.min(due)));
        }
        self.wake_at = next;
        match next {
            Some(next) => effects.insert(0, Effect::WakeAt(next)),
            None => effects.push(Effect::Forget),
        }
        effects
    }

    /// What memory knows about a policy, if its window is still open.
    fn recall(&self, policy: &Policy, now: UnixMillis) -> Option<Lease> {
        let lease = self.leases.get(policy.name()).filter(|lease| lease.ledger.is_open(policy, now))?;
        Some(Lease { left: lease.unspent(now), ..lease.clone() })
    }

    /// What storage says about a policy.
    fn look_up<E>(
        &mut self,
        policy: &Policy,
        now: UnixMillis,
        read: &mut impl FnMut(&str) -> Result<Option<Ledger>, E>,
    ) -> Result<Lease, E> {
        let stored = read(policy.name())?;
        let Some(ledger) = stored.filter(|ledger| ledger.is_open(policy, now)) else {
            return Ok(Lease { ledger: Ledger::open(None, policy, now), left: 0, step: 0 });
        };
        // A reservation counts on only if the stored mark is still the one that was written for it.
        // Otherwise another instance went beyond, and what is left of ours is forfeited.
        let lease = match self.recall(policy, now).filter(|mine| mine.ledger == ledger) {
            Some(mine) => mine,
            None => Lease { ledger: Ledger::open(Some(ledger), policy, now), left: 0, step: 0 },
        };
        // What was read is remembered, so that a flood of refused requests reads it once.
        if !lease.ledger.is_log() {
            self.leases.insert(policy.name().to_owned(), lease.clone());
        }
        Ok(lease)
    }

    /// Takes what fits of each charge, and says what to store.
    fn take(&mut self, plans: &mut [Plan], now: UnixMillis) -> Vec<Effect> {
        let mut saves = Vec::new();
        let mut ends_at: Option<UnixMillis> = None;
        for Plan { charge, lease, retry } in plans {
            if charge.cost == 0 || *retry != Retry::Now {
                continue;
            }
            self.taken_at = Some(now);
            let name = charge.policy.name();
            if lease.take(charge, now) {
                let end = lease.ledger.ends_at();
                ends_at = Some(ends_at.map_or(end, |earlier| earlier.min(end)));
                saves.push(self.keep(name, lease.clone()));
            } else if let Some(known) = self.leases.get_mut(name) {
                known.left = lease.left;
            }
        }
        if saves.is_empty() {
            return saves;
        }
        // The waking comes first: killed after it there is a waking without a cause, which is harmless;
        // the other way round there would be a ledger that nobody ever deletes.
        let unspent = self.leases.values().any(|lease| lease.unspent(now) > 0);
        let due = match ends_at {
            Some(ends_at) if !unspent => ends_at.plus(KEEP_MS),
            _ => now.plus(IDLE_MS),
        };
        // One that is long overdue was lost: another instance asked for a later one instead.
        let pending = self.wake_at.filter(|at| now < at.plus(IDLE_MS));
        if pending.is_none_or(|at| due < at) {
            self.wake_at = Some(due);
            saves.insert(0, Effect::WakeAt(due));
        }
        saves
    }

    /// Remembers a ledger that is about to be stored.
    fn keep(&mut self, name: &str, lease: Lease) -> Effect {
        let effect = Effect::Save { policy: name.to_owned(), ledger: lease.ledger.clone() };
        if !lease.ledger.is_log() {
            self.leases.insert(name.to_owned(), lease);
        }
        effect
    }
}

impl Lease {
    /// Grains that may still be taken. In a bucket time passes over units whether taken or reserved.
    fn unspent(&self, now: UnixMillis) -> u64 {
        if self.ledger.ends_at() <= now { 0 } else { self.left.min(self.ledger.taken(now)) }
    }

    /// Grains in use. Those that other instances reserved count as used.
    fn used(&self, now: UnixMillis) -> u64 {
        self.ledger.taken(now).saturating_sub(self.left)
    }

    fn cost(&self, charge: &Charge) -> u64 {
        u64::from(charge.cost).saturating_mul(self.ledger.grain())
    }

    /// When the charge fits into its quota.
    fn retry(&self, charge: &Charge, now: UnixMillis) -> Retry {
        let Some(limit) = charge.policy.quota().limit().filter(|_| charge.cost > 0) else {
            return Retry::Now;
        };
        let wanted = self.used(now).saturating_add(self.cost(charge));
        match wanted.saturating_sub(u64::from(limit).saturating_mul(self.ledger.grain())) {
            0 => Retry::Now,
            _ if charge.cost > limit => Retry::Never,
            excess => Retry::At(self.ledger.regains_at(excess, now)),
        }
    }

    /// Whether memory can answer the charge: it takes nothing, it is refused, or it fits into what this
    /// instance has reserved.
    fn suffices(&self, charge: &Charge, now: UnixMillis) -> bool {
        let is_reserved = self.cost(charge) <= self.left && self.ledger.has_rate_of(charge.policy);
        is_reserved || self.retry(charge, now) != Retry::Now
    }

    /// Takes a charge that fits, after reserving more if need be; whether the ledger has to be stored.
    fn take(&mut self, charge: &Charge, now: UnixMillis) -> bool {
        if !self.ledger.has_rate_of(charge.policy) {
            self.ledger.give_back(self.left, now);
            self.left = 0;
            self.ledger.adopt_rate(charge.policy, now);
        }
        let cost = self.cost(charge);
        let missing = cost.saturating_sub(self.left);
        let reserved = if missing > 0 { self.reserve(missing, charge, now) } else { 0 };
        self.left = self.left.saturating_add(reserved).saturating_sub(cost);
        reserved > 0
    }

    /// Advances the mark by as many grains as are missing or more.
    fn reserve(&mut self, missing: u64, charge: &Charge, now: UnixMillis) -> u64 {
        let mut grains = missing;
        if !self.ledger.is_log() {
            // Twice as much with each refill of a window, so that small limits and quiet identities lose
            // little, and busy ones write seldom.
            let limit = charge.policy.quota().limit();
            let most = limit.map_or(MAX_LEASE_UNITS, |limit| (limit / 8).clamp(1, MAX_LEASE_UNITS));
            let taken = self.ledger.taken(now);
            self.step = if taken == 0 { 1 } else { self.step.saturating_mul(4).clamp(1, most) };
            let all = u64::from(limit.unwrap_or(u32::MAX)).saturating_mul(self.ledger.grain());
            let step = u64::from(self.step).saturating_mul(self.ledger.grain());
            grains = missing.max(step.saturating_sub(self.left)).min(all.saturating_sub(taken));
        }
        self.ledger.add(grains, charge.policy, charge.holder, now);
        grains
    }

    fn standing<'a>(&self, charge: &Charge<'a>, retry: Retry, now: UnixMillis) -> Standing<'a> {
        let used = self.used(now);
        let units = u32::try_from(used.div_ceil(self.ledger.grain())).unwrap_or(u32::MAX);
        Standing { policy: charge.policy, used: units, reset_at: self.ledger.reset_at(used, now), retry }
    }
}
