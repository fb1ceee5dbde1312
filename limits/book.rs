//! What one live instance knows of one identity: it decides, and says what to store.

use crate::decision::in_the_way;
use crate::ledger::{Hold, Taken};
use crate::{Charge, Decision, Effect, Ledger, Policy, Quota, Standing, UnixMillis, Window};
use crate::{bucket, count, holds};

/// An instance that was not asked for so long writes down what was really taken, before it may be
/// evicted: Cloudflare evicts an idle object after some 10 seconds.
/// <https://developers.cloudflare.com/durable-objects/concepts/durable-object-lifecycle/>
pub const IDLE_MS: u64 = 5_000;
/// Units reserved ahead at most: what a crash may cost, less one.
const MAX_STEP: u32 = 64;

/// What an instance knows of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Memory {
    /// Fixed and calendar windows.
    Count(count::Lease),
    /// Buckets.
    Bucket(bucket::Lease),
    /// Sliding windows and concurrency: what was stored when it was last read. Good for refusals alone,
    /// because the truth can only have grown since; every admission reads anew.
    Holds(Vec<Hold>),
}

/// What one policy makes of a charge.
pub struct Plan {
    /// How things stand if nothing is taken.
    pub standing: Standing,
    /// What was learnt on the way; none if nothing.
    pub learnt: Option<Memory>,
    /// What comes of taking the units; none if they do not fit or are none.
    pub taking: Option<Taking>,
}

/// What comes of taking units.
pub struct Taking {
    /// How things stand then.
    pub standing: Standing,
    /// What the instance knows then.
    pub memory: Memory,
    /// What must be stored first; none if the units were reserved already.
    pub ledger: Option<Ledger>,
}

#[derive(Debug)]
struct Account {
    policy: String,
    memory: Memory,
    /// When units were last taken.
    taken_at: UnixMillis,
}

/// What one live instance knows of one identity. A new one knows nothing and finds all in storage.
///
/// `read` loads the stored ledger of a policy, by its name. It is called when memory can't decide, at most
/// once per charge. Between that and the storing of the effects nobody else may write.
#[derive(Debug, Default)]
pub struct Book {
    accounts: Vec<Account>,
    /// The wish that was last uttered and not yet fulfilled.
    wake_at: Option<UnixMillis>,
}

impl Book {
    /// Decides whether all `charges` fit at `now`, and takes their units if so. `holder` is who may
    /// release units of concurrency limits.
    ///
    /// A refusal and a peek have no effects.
    ///
    /// # Errors
    /// What `read` fails with. Nothing was taken then.
    pub fn decide<E>(
        &mut self,
        charges: &[Charge<'_>],
        holder: &str,
        now: UnixMillis,
        mut read: impl FnMut(&str) -> Result<Option<Ledger>, E>,
    ) -> Result<(Decision, Vec<Effect>), E> {
        let mut takings = Vec::with_capacity(charges.len());
        let mut standings = Vec::with_capacity(charges.len());
        for Charge { policy, cost } in charges {
            let plan = plan(self.memory(policy.name()), policy, *cost, holder, now, || read(policy.name()))?;
            standings.push(plan.standing);
            takings.push(plan.taking);
            if let Some(learnt) = plan.learnt {
                self.remember(policy.name(), learnt, None);
            }
        }
        let refused_by = in_the_way(charges, &standings);
        let mut effects = Vec::new();
        if refused_by.is_none() {
            for ((charge, standing), taking) in charges.iter().zip(&mut standings).zip(takings) {
                let Some(taking) = taking else { continue };
                *standing = taking.standing;
                if let Some(ledger) = taking.ledger {
                    effects.push(Effect::Save { policy: charge.policy.name().to_owned(), ledger });
                }
                self.remember(charge.policy.name(), taking.memory, Some(now));
            }
            effects.extend(self.wish(now));
        }
        Ok((Decision { standings, refused_by }, effects))
    }

    /// Gives units back that were taken under `policy` in the window that ends at `reset_at`. Those of a
    /// window that is over are gone anyway.
    ///
    /// # Errors
    /// What `read` fails with.
    pub fn refund<E>(
        &mut self,
        policy: &Policy,
        units: u32,
        reset_at: UnixMillis,
        now: UnixMillis,
        read: impl FnOnce() -> Result<Option<Ledger>, E>,
    ) -> Result<Vec<Effect>, E> {
        let account = self.accounts.iter_mut().find(|account| account.policy == policy.name());
        match account.map(|account| &mut account.memory) {
            Some(Memory::Count(lease)) => {
                lease.give_back(units, reset_at, now);
                return Ok(Vec::new());
            }
            Some(Memory::Bucket(lease)) => {
                lease.give_back(policy, units, now);
                return Ok(Vec::new());
            }
            Some(Memory::Holds(_)) | None => {}
        }
        let Some(mut ledger) = read()? else { return Ok(Vec::new()) };
        let changed = match &mut ledger.taken {
            Taken::Count { ends_at, units: used } if *ends_at == reset_at && now < *ends_at => {
                *used = used.saturating_sub(units);
                true
            }
            Taken::Bucket { full_at_us } => {
                *full_at_us = bucket::given_back(policy, units, *full_at_us);
                true
            }
            Taken::Holds(holds) if matches!(policy.window(), Window::Sliding { .. }) => {
                holds::give_back(holds, units);
                true
            }
            Taken::Count { .. } | Taken::Holds(_) => false,
        };
        Ok(if changed { self.rewrite(policy.name(), ledger) } else { Vec::new() })
    }

    /// Releases what `holder` holds under a concurrency limit; nothing if it holds nothing.
    ///
    /// # Errors
    /// What `read` fails with.
    pub fn release<E>(
        &mut self,
        policy: &str,
        holder: &str,
        read: impl FnOnce() -> Result<Option<Ledger>, E>,
    ) -> Result<Vec<Effect>, E> {
        let Some(mut ledger) = read()? else { return Ok(Vec::new()) };
        let Taken::Holds(holds) = &mut ledger.taken else { return Ok(Vec::new()) };
        let before = holds.len();
        holds.retain(|hold| hold.holder.is_empty() || hold.holder != holder);
        Ok(if holds.len() == before { Vec::new() } else { self.rewrite(policy, ledger) })
    }

    /// Forgets what was taken under a policy: the next request finds everything free.
    pub fn reset(&mut self, policy: &str) -> Effect {
        self.forget(policy);
        Effect::Delete { policy: policy.to_owned() }
    }

    /// What to do when the instant of [`Effect::WakeAt`] has come, or any other: called too early, too late
    /// or twice it does what is right then. `stored` is everything that is stored. If nothing is left
    /// afterwards, no further wish is uttered. Also returns how many units were reserved and not used.
    pub fn wake(&mut self, stored: Vec<(String, Ledger)>, now: UnixMillis) -> (Vec<Effect>, u64) {
        let mut effects = Vec::new();
        let mut unused = 0;
        let mut next: Option<UnixMillis> = None;
        for (policy, ledger) in stored {
            let account = self.accounts.iter_mut().find(|account| account.policy == policy);
            let mut over_at = ledger.over_at();
            let mut look_at = over_at;
            if let Some(account) = account
                && let Some((n_unused, settled)) = account.memory.unspent(ledger.serial, now)
            {
                let idle_at = account.taken_at.plus(IDLE_MS);
                if over_at <= now || idle_at <= now {
                    unused += n_unused;
                    over_at = settled.over_at();
                    look_at = over_at;
                    if now < over_at {
                        account.memory.settle(&settled);
                        effects.push(Effect::Save { policy: policy.clone(), ledger: settled });
                    }
                } else {
                    look_at = idle_at.min(over_at);
                }
            }
            if over_at <= now {
                self.forget(&policy);
                effects.push(Effect::Delete { policy });
            } else {
                next = Some(next.map_or(look_at, |next| next.min(look_at)));
            }
        }
        self.wake_at = next;
        effects.extend(next.map(Effect::WakeAt));
        (effects, unused)
    }

    fn memory(&self, policy: &str) -> Option<&Memory> {
        self.accounts.iter().find(|account| account.policy == policy).map(|account| &account.memory)
    }

    fn remember(&mut self, policy: &str, memory: Memory, taken_at: Option<UnixMillis>) {
        match self.accounts.iter_mut().find(|account| account.policy == policy) {
            Some(account) => {
                account.memory = memory;
                account.taken_at = taken_at.unwrap_or(account.taken_at);
            }
            None => {
                let taken_at = taken_at.unwrap_or(UnixMillis(0));
                self.accounts.push(Account { policy: policy.to_owned(), memory, taken_at });
            }
        }
    }

    fn forget(&mut self, policy: &str) {
        self.accounts.retain(|account| account.policy != policy);
    }

    /// Stores a changed ledger and forgets what was known: the next decision reads it.
    fn rewrite(&mut self, policy: &str, ledger: Ledger) -> Vec<Effect> {
        self.forget(policy);
        let ledger = Ledger { serial: ledger.serial + 1, ..ledger };
        vec![Effect::Save { policy: policy.to_owned(), ledger }]
    }

    /// The wish to be woken, if the last one is not early enough. One is enough for all policies.
    fn wish(&mut self, now: UnixMillis) -> Option<Effect> {
        let taken_now = self.accounts.iter().filter(|account| account.taken_at == now);
        let earliest = taken_now.map(|account| account.memory.look_at(now)).min()?;
        let pending = self.wake_at.filter(|wake_at| now <= *wake_at);
        if pending.is_some_and(|wake_at| wake_at <= earliest) {
            return None;
        }
        self.wake_at = Some(earliest);
        Some(Effect::WakeAt(earliest))
    }
}

impl Memory {
    /// When to look again, seen from `now`, at which units were taken.
    fn look_at(&self, now: UnixMillis) -> UnixMillis {
        let (over_at, has_unspent) = match self {
            Self::Count(lease) => (lease.ends_at(), lease.unspent() > 0),
            Self::Bucket(lease) => (lease.over_at(), lease.unspent_us(now) > 0),
            Self::Holds(holds) => (holds.last().map_or(now, |hold| hold.until), false),
        };
        if has_unspent { over_at.min(now.plus(IDLE_MS)) } else { over_at }
    }

    /// If this instance wrote the ledger with this `serial` and has not used all of it: how many units it
    /// has not, and the ledger that says so.
    fn unspent(&self, serial: u64, now: UnixMillis) -> Option<(u64, Ledger)> {
        match self {
            Self::Count(lease) => lease.settled(serial),
            Self::Bucket(lease) => lease.settled(serial, now),
            Self::Holds(_) => None,
        }
    }

    fn settle(&mut self, ledger: &Ledger) {
        match self {
            Self::Count(lease) => lease.settle(ledger.serial),
            Self::Bucket(lease) => lease.settle(ledger.serial),
            Self::Holds(_) => {}
        }
    }
}

fn plan<E>(
    memory: Option<&Memory>,
    policy: &Policy,
    cost: u32,
    holder: &str,
    now: UnixMillis,
    read: impl FnOnce() -> Result<Option<Ledger>, E>,
) -> Result<Plan, E> {
    match (policy.window(), policy.quota()) {
        (Window::Bucket { ms }, Quota::Units(limit)) => {
            let known = memory.and_then(|memory| match memory {
                Memory::Bucket(lease) => Some(*lease),
                _ => None,
            });
            bucket::plan(known, bucket::Rate::new(limit, ms), cost, now, read)
        }
        (Window::Sliding { ms } | Window::Concurrency { ms }, Quota::Units(limit)) => {
            let known = memory.and_then(|memory| match memory {
                Memory::Holds(holds) => Some(holds.as_slice()),
                _ => None,
            });
            let holder = if matches!(policy.window(), Window::Sliding { .. }) { "" } else { holder };
            holds::plan(known, limit.get(), ms, cost, holder, now, read)
        }
        // What is unlimited is counted in the cheapest way.
        (window, quota) => {
            let known = memory.and_then(|memory| match memory {
                Memory::Count(lease) => Some(*lease),
                _ => None,
            });
            count::plan(known, quota.limit(), window, cost, now, read)
        }
    }
}

/// The largest step for a limit: small ones are written at every admission, so that a crash costs
/// nothing; large ones lose at most an eighth.
pub fn max_step(limit: Option<u32>) -> u32 {
    limit.map_or(MAX_STEP, |limit| (limit / 8).clamp(1, MAX_STEP))
}
