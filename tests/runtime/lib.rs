//! What journeys share: a runtime of their own, clients on networks of their own, and a web server that
//! misbehaves on request, and doubles of services that can't be reached.

mod client;
mod mailbox;
mod origin;
mod runtime;
mod siteverify;

pub use client::{Answer, Client, fresh_address};
pub use mailbox::Mailbox;
pub use origin::Origin;
pub use runtime::{Options, Runtime, node, xtask};
pub use siteverify::Siteverify;
