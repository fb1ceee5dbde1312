//! The names of all bindings: the only place besides wrangler.toml where they are written.
//! `tests/bindings.rs` holds the two against each other.

/// Durable Object namespace of [`durable::identity::Identity`].
pub const IDENTITY: &str = "IDENTITY";
/// Durable Object namespace of [`durable::live_registry::LiveRegistry`].
pub const LIVE_REGISTRY: &str = "LIVE_REGISTRY";
/// D1: users and other records.
pub const DB: &str = "DB";
/// PostgreSQL through Hyperdrive: API keys.
pub const HYPERDRIVE: &str = "HYPERDRIVE";
/// Producer of the queue `bloqr-backend-queue`.
pub const QUEUE: &str = "BLOQR_BACKEND_QUEUE";
/// Analytics Engine: security events.
pub const ANALYTICS_ENGINE: &str = "ANALYTICS_ENGINE";
/// The static assets in `frontend/`.
pub const ASSETS: &str = "ASSETS";
