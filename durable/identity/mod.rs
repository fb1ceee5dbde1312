//! One object per identity: it holds that identity's rate-limit windows.
//!
//! The object is named by [`limits::Identity::object_name`], takes one [`wire::Command`] and answers
//! one [`wire::Reply`].
//!
//! # Guarantee
//! Over any schedule of concurrent requests, crashes and restarts, the permits that callers receive for
//! one window add up to at most the quota. The window is written in the same turn of the event loop in
//! which it was read, and the runtime holds a reply back until that write is on disk, so no permit can
//! be seen that a crash could forget.
//!
//! An idle identity costs nothing: when its last window is over, an alarm empties the storage.

mod object;
mod schema;
mod stub;
pub mod wire;

pub use object::Identity;
pub use stub::{CallError, IdentityStub};
