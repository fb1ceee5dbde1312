//! The Durable Objects: everything that must be exact.
//!
//! Each object is a folder: `wire` (the shapes that travel), `object` (the class), `schema` (its
//! tables) and `stub` (the typed caller, the only thing the front Worker sees besides the wire).
//!
//! Out of scope: HTTP routes, D1, PostgreSQL, other objects' tables. What an object decides, it asks of
//! `limits`; this crate only reads, calls and writes.

pub mod artifact;
pub mod call;
pub mod compile_job;
pub mod feed;
pub mod identity;
pub mod live_registry;
pub mod service_metrics;
pub mod source_host;
