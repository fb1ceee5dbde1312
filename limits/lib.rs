//! Who is counted, how much they may do, and when they may come back.
//!
//! This crate decides and stores nothing. A [`Book`] is what one live instance knows of one identity; it is
//! asked whether [`Charge`]s fit, reads what is stored where it must, and answers with a [`Decision`] and the
//! [`Effect`]s to carry out before the answer leaves.
//!
//! In scope: identities and their names, tiers, scopes, policies, windows, leases.
//! Out of scope: storage, clocks, HTTP, randomness. Time is always an argument.
//!
//! # Invariants
//! 1. Under every policy that is enforced, what was admitted never exceeds the quota: in one window
//!    ([`Window::Fixed`], [`Window::Calendar`]), in any stretch of its length ([`Window::Sliding`]), in any
//!    stretch `t` by more than what is refilled in `t` ([`Window::Bucket`]), at any instant
//!    ([`Window::Concurrency`]).
//! 2. A request is charged under all its policies or under none.
//! 3. A refusal and a peek (cost 0) change nothing and store nothing.
//! 4. A request that is refused until an instant is admitted at it, if nobody took the room first, and
//!    refused one millisecond before it.
//! 5. A clock that goes backwards grants nothing: what is open simply lasts longer.
//!
//! # Leases
//! Storing every admission is dear, so a book stores ahead: it writes a mark, and admits from memory what lies
//! below. The first mark of a window reserves one unit, each further one twice as many, up to an eighth of the
//! limit and 64. An instance that dies leaves its mark behind, and the next one begins there: what was reserved
//! and not yet given away is lost, at most the lease less the unit it was written for. An instance that falls
//! idle writes down what it really gave away ([`Book::wake`]).
//!
//! ## Why two live instances can't exceed the limit
//! A platform may, for a moment, run two instances of one object over one storage. Think of the quota of a
//! window as numbered units, `1` to `limit`; of a bucket, as the line of time that its units occupy without
//! overlap.
//! 1. A book gives away only units that it reserved itself, each once: it moves upwards through its lease, and
//!    skips what it can't use.
//! 2. It reserves units by reading the stored mark and writing a higher one, with nobody in between, and what
//!    it reserves lies above the mark it read. The one exception is the rest of its own last lease, and only
//!    if the stored serial is still its own, so that nobody has read that mark since and begun there.
//! 3. So no unit belongs to two leases, and no lease reaches beyond the limit (beyond a full bucket from now).
//!    Hence no unit is given away twice, and there are only `limit` of them.
//!
//! A lease is kept together with the end of its window, so units of an old window are never given away in a new
//! one. Sliding windows and concurrency limits have no leases: every admission reads and writes what is stored.
//!
//! ```
//! use limits::{Book, Charge, Effect, Fit, Policy, Quota, UnixMillis, Window};
//! use std::convert::Infallible;
//!
//! let one = Policy::new("compile", Quota::units(1).unwrap(), Window::Fixed { ms: 60_000 })?;
//! let charges = [Charge { policy: &one, cost: 1 }];
//! let noon = UnixMillis(1_800_000_000_000);
//! let mut book = Book::default();
//!
//! let (first, effects) = book.decide(&charges, "", noon, |_| Ok::<_, Infallible>(None)).unwrap();
//! assert!(first.admits());
//! assert!(matches!(effects.as_slice(), [Effect::Save { .. }, Effect::WakeAt(_)]));
//!
//! // Nothing is read and nothing is stored to refuse.
//! let (second, effects) = book.decide(&charges, "", noon, |_| Err("not asked")).unwrap();
//! assert_eq!(second.standings[0].fit, Fit::At(noon.plus(60_000)));
//! assert!(effects.is_empty());
//! # Ok::<_, limits::PolicyError>(())
//! ```

mod book;
mod bucket;
mod count;
mod decision;
mod holds;
mod identity;
mod ledger;
mod policy;
mod scope;
mod tier;
mod time;

pub use book::{Book, IDLE_MS};
pub use decision::{Charge, Decision, Fit, Standing};
pub use identity::{Identity, Network, NotAnAddress, NotAnIdentity};
pub use ledger::{Effect, Hold, Ledger, Taken};
pub use policy::{OnOutage, Policy, PolicyError, Quota, Window};
pub use scope::Scope;
pub use tier::Tier;
pub use time::UnixMillis;
