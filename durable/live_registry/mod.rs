//! Who is being counted right now: the list behind the admin's live view.
//!
//! Objects can't be listed, so each identity's object reports what changed after its answer has left. The
//! reports lie in shards, chosen by a hash of the identity; one more object of the same class, the hub,
//! holds the admins' WebSockets and is told of changes only while there are any.
//!
//! # Guarantees
//! - A row is never replaced by an older one, whatever the order in which reports arrive.
//! - A page is cut from the merged order of all shards; following its cursor meets every row once, as
//!   long as the rows stand still.
//! - A watcher gets a snapshot and then everything that changed since, in order. What could not be passed
//!   on shows as a gap in `seq`, and whoever sees one connects again.
//!
//! The list is a view, not the truth: a row is as old as its age says, and one that stops being reported
//! because its identity's object was lost goes minutes after its window. What a shard had not pushed when
//! it was lost itself, a fifth of a second's changes, is missing from the stream but not from the list.
//! The exact count is in the identity's own object.

mod hub;
mod object;
mod query;
mod schema;
mod shard;
mod shards;
mod stub;
pub mod wire;

pub use object::LiveRegistry;
pub use query::{Cursor, Filter, MAX_ROWS, MAX_SEARCH_BYTES, Query, QueryError, Sort};
pub use stub::{BINDING, Listed, Page, RegistryStub};
