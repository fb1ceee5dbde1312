//! The names of the bindings that the front reaches for. Those by which objects find each other, and the queues of
//! jobs, are beside their callers in `durable`. `tests/bindings.rs` holds all of them against wrangler.toml.

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
