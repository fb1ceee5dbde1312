//! One object per identity: it holds that identity's rate-limit windows, overrides and ban, and of a user the
//! sessions, and what the records say of the user and of their keys.
//!
//! The object is named by [`limits::Identity::object_name`], takes one [`wire::Command`] and answers
//! one [`wire::Reply`].
//!
//! # Guarantee
//! Over any schedule of concurrent requests, crashes, restarts, evictions, alarms and admin actions, the
//! permits that callers receive for one window add up to at most the quota, and a crash refuses at most one
//! lease less one unit too early. What is reserved is written in the same turn of the event loop in which it
//! was read, and the runtime holds every reply back until that write is on disk, so no permit can be seen that
//! a crash could forget. `limits` has the proof.
//!
//! An idle identity costs nothing: when its last window is over, an alarm empties the storage.

mod account;
mod envelope;
mod object;
mod reporter;
mod schema;
mod stub;
pub mod wire;

pub use object::Identity;
pub use stub::IdentityStub;
