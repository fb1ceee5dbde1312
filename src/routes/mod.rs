//! The handlers, one file per resource.

pub mod admin;
pub mod ast;
pub mod auth;
pub mod compile;
pub mod configuration;
pub mod convert;
pub mod diff;
#[cfg(feature = "faults")]
pub mod faults;
pub mod health;
pub mod keys;
pub mod meta;
pub mod metrics;
pub mod notify;
pub mod proxy;
pub mod queue;
pub mod rate_limit;
pub mod rules;
pub mod schemas;
pub mod validate;
pub mod webhooks;
