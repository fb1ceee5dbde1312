//! Who is counted, how much they may do, and when they may come back.
//!
//! A [`Policy`] gives a name to a [`Quota`] of units in a [`Window`]. A request names what it would
//! take of each policy, its [`Charge`]s, and gets one [`Decision`]: all of them were taken, or none.
//! [`Book::decide`] makes it from memory wherever it can; what has to be stored comes back as a few
//! [`Effect`]s, which the shell carries out before it answers.
//!
//! In scope: identities and their names, tiers, scopes, policies, the arithmetic of windows, leases.
//! Out of scope: storage, clocks, HTTP, randomness. Time is always an argument.
//!
//! ```
//! use limits::{Book, Charge, Ledger, Policy, Quota, Retry, UnixMillis, Window};
//! # use std::convert::Infallible;
//!
//! let policy = Policy::new("compile", Quota::at_least_one(1), Window::Fixed { ms: 60_000 }).unwrap();
//! let noon = UnixMillis(1_800_000_000_000);
//! let mut book = Book::default();
//!
//! let read = |_: &str| Ok::<Option<Ledger>, Infallible>(None); // nothing is stored yet
//! let first = book.decide(&[Charge::new(&policy, 1)], noon, read).unwrap();
//! assert!(first.decision.is_admitted());
//! assert_eq!(first.effects.len(), 2); // ask for a waking, save the ledger
//!
//! let second = book.decide(&[Charge::new(&policy, 1)], noon.plus(59_999), read).unwrap();
//! let denial = second.decision.denial.unwrap();
//! assert_eq!(denial.retry, Retry::At(noon.plus(60_000)));
//! assert_eq!(second.effects, []);
//! ```
//!
//! # Invariants
//! 1. The units of all permits in a window are at most its quota, whatever crashes, restarts, clocks and
//!    second instances do. For a sliding window that holds for any interval of its length, and for a
//!    bucket in any interval for the quota and what flows in meanwhile.
//! 2. Without crashes it is exactly the quota. A crash loses at most [`MAX_LEASE_UNITS`] - 1 units of a
//!    policy, and no more than an eighth of its quota: they are refused too early.
//! 3. A denial and a peek (cost 0) store nothing.
//! 4. A request denied with [`Retry::At`] is permitted at that instant, if nobody took the room first, and
//!    denied one millisecond before it.
//! 5. A clock that goes backwards grants nothing: the old window simply lasts longer.
//! 6. If a quota is raised, the difference is free at once. If it is lowered below what is used, nothing
//!    remains, never less than nothing.
//!
//! # Leases
//! To store each permit would cost more than all the rest. So an instance reserves ahead: it stores a
//! mark beyond what is taken and permits from memory what lies below it, its lease. A refill tops the
//! lease up to 1, 4, 16 ... units, at most an eighth of the quota and [`MAX_LEASE_UNITS`]. After a crash
//! the next instance takes everything below the mark for taken. An idle instance gives back what it
//! did not need. `Sliding` and `Concurrency` windows have no marks: their ledger is read and written on
//! each permit, so what follows is trivial for them.
//!
//! ## Why two live instances can't exceed the quota
//! An object has one instance, but a platform may let an old one linger after it has started another. Both
//! then work on one storage, each with a memory of its own.
//!
//! Let the *mark* be what a ledger counts as taken, let *left* be the unspent lease of an instance, and
//! let *live* be the units that were permitted and not refunded. For each window the claim is
//!
//! > live + the sum of left over all instances <= mark <= the largest limit in force so far.
//!
//! An unused ledger satisfies it: all are 0. Each step preserves it:
//! - *Refill*: reads the ledger afresh, raises the mark by n up to the limit at most, and raises the
//!   instance's left by n at most. Read and write are one synchronous step, so no two refills see the same
//!   mark, and the n units are nobody else's.
//! - *Permit*: moves units from left to live. Nobody else's memory is involved, which is why it may
//!   happen without looking at storage.
//! - *Crash*, or a reply that is never seen: left vanishes, or a unit that no reply permitted stays below
//!   the mark. Both only lower the left-hand side. The mark was stored before the reply was sent.
//! - *Forfeit*: an instance that finds another mark than the one it wrote drops its left.
//! - *Giving back* on idling: lowers mark and left by the same amount, and only if the stored ledger is
//!   the one this instance wrote.
//! - *Refund*: lowers mark and live by the same amount.
//! - *A lowered limit*: leaves all three alone. A permit also demands mark - left + cost <= limit.
//! - *Reset*: begins the claim anew, with what others have left on top. They find out with their next
//!   refill, for the ledger counts its resets, and can't give back what is not theirs any more.
//!
//! Windows are told apart by their end. A window is opened only by an instance whose clock is past the end
//! of the stored one, and the stored one stays until [`KEEP_MS`] after its end: as long as all readings of
//! clocks agree to within that, none is opened twice, and none is deleted while a lease in it can be spent.
//!
//! In a bucket units are pieces of a time line: one permitted at instant t lies between t and t + ms, and
//! is as long as it takes to flow back. A lease is the stretch between what is taken and the mark, and
//! time eats it from below ([`Ledger`] has the arithmetic). A refill begins where the stored mark ends, so
//! pieces never overlap; and the units permitted between a and b lie between a and b + ms, which has room
//! for the quota and what flows in during b - a.
//!
//! What is left of a lease when a bucket's quota becomes `Unlimited` and back within `ms` is the one
//! exception: a second instance may spend it on top.

mod book;
mod decision;
mod identity;
mod ledger;
mod policy;
mod scope;
mod tier;
mod time;

pub use book::{Book, Effect, IDLE_MS, KEEP_MS, MAX_LEASE_UNITS, Outcome};
pub use decision::{Charge, Decision, MAX_HOLDER_BYTES, Retry, Standing};
pub use identity::{Identity, Network, NotAUserId, NotAnAddress, NotAnIdentity, UserId};
pub use ledger::{Held, Ledger};
pub use policy::{
    MAX_LOGGED_UNITS, MAX_NAME_BYTES, MAX_WINDOW_MS, OnOutage, Override, Policy, PolicyError, Quota, Window,
};
pub use scope::{Demand, Forbidden, Rights, Role, Scope, authorize};
pub use tier::Tier;
pub use time::UnixMillis;
