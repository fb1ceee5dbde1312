//! Who is counted, how much they may do, and when they may come back.
//!
//! This crate decides and remembers nothing. A caller hands in what was remembered (a [`Ledger`], or
//! none), the [`Policy`], the cost and the time; it gets back a [`Decision`] and the ledger to
//! remember. The caller stores that ledger before it acts on the decision.
//!
//! In scope: identities and their names, tiers, scopes, policies, the fixed window.
//! Out of scope: storage, clocks, HTTP, randomness. Time is always an argument.
//!
//! # Invariants
//! 1. In one window the costs of all permits add up to at most the quota.
//! 2. A denial and a peek (cost 0) leave the ledger as it was.
//! 3. A request denied with `retry_at` is permitted at that instant, if nobody took the room first,
//!    and denied one millisecond before it.
//! 4. A clock that goes backwards grants nothing: the old window simply lasts longer.
//!
//! ```
//! use limits::{Decision, Policy, Quota, UnixMillis, decide};
//!
//! let policy = Policy::fixed("compile", Quota::units(1).unwrap(), 60_000);
//! let noon = UnixMillis(1_800_000_000_000);
//!
//! let (first, ledger) = decide(None, &policy, 1, noon);
//! assert!(matches!(first, Decision::Permit(permit) if permit.remaining == Some(0)));
//!
//! let (second, _) = decide(ledger, &policy, 1, noon.plus(59_999));
//! assert!(matches!(second, Decision::Denial(denial) if denial.retry_at == Some(noon.plus(60_000))));
//! ```

mod decision;
mod identity;
mod policy;
mod scope;
mod tier;
mod time;

pub use decision::{Decision, Denial, Ledger, Permit, decide};
pub use identity::{Identity, Network, NotAnAddress};
pub use policy::{Policy, Quota};
pub use scope::Scope;
pub use tier::Tier;
pub use time::UnixMillis;
