//! What journeys share: a runtime of their own, clients on networks of their own, and a web server that
//! misbehaves on request, and doubles of services that can't be reached.

pub mod clerk;
mod client;
mod hooks;
mod issuer;
mod mailbox;
mod origin;
mod runtime;
pub mod secrets;
mod siteverify;

pub use client::{Answer, Client, fresh, fresh_address};
pub use hooks::{Hooks, Misdeed, Received};
pub use issuer::Issuer;
pub use mailbox::Mailbox;
pub use origin::{Behaviour, Origin};
pub use runtime::{Options, Runtime, node, xtask};
pub use siteverify::Siteverify;
