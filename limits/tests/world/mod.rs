//! Storage as a shell would keep it: one ledger per policy and at most one waking.
#![allow(dead_code)] // each test file uses its own part

use std::collections::BTreeMap;
use std::convert::Infallible;

use limits::{Book, Charge, Decision, Effect, Ledger, Policy, UnixMillis};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    pub stored: BTreeMap<String, Ledger>,
    pub wake_at: Option<UnixMillis>,
    pub n_saves: u32,
    pub n_reads: u32,
}

impl World {
    pub fn read(&mut self, name: &str) -> Result<Option<Ledger>, Infallible> {
        self.n_reads += 1;
        Ok(self.stored.get(name).cloned())
    }

    pub fn all(&self) -> Vec<(String, Ledger)> {
        self.stored.iter().map(|(name, ledger)| (name.clone(), ledger.clone())).collect()
    }

    pub fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::WakeAt(at) => self.wake_at = Some(at),
            Effect::Save { policy, ledger } => {
                self.n_saves += 1;
                self.stored.insert(policy, ledger);
            }
            Effect::Delete(policy) => drop(self.stored.remove(&policy)),
            Effect::Forget => assert!(self.stored.is_empty(), "asked to forget while something is stored"),
        }
    }

    pub fn apply_all(&mut self, effects: Vec<Effect>) {
        effects.into_iter().for_each(|effect| self.apply(effect));
    }

    /// Decides, stores, answers.
    pub fn decide<'a>(&mut self, book: &mut Book, charges: &[Charge<'a>], now: UnixMillis) -> Decision<'a> {
        let Ok(outcome) = book.decide(charges, now, |name| self.read(name));
        self.apply_all(outcome.effects);
        outcome.decision
    }

    pub fn take<'a>(
        &mut self,
        book: &mut Book,
        policy: &'a Policy,
        cost: u32,
        now: UnixMillis,
    ) -> Decision<'a> {
        self.decide(book, &[Charge::new(policy, cost)], now)
    }

    /// Wakes the book if it asked for it.
    pub fn wake_if_due(&mut self, book: &mut Book, now: UnixMillis) {
        if self.wake_at.is_some_and(|at| at <= now) {
            self.wake_at = None;
            self.apply_all(book.wake(self.all(), now));
        }
    }
}
