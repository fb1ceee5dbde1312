//! The typed caller: what the front Worker and the objects of source hosts see of the object.

use worker::{Env, Stub};

use super::wire::{Breaker, Command, Metrics, Tally};
use crate::call::{CallError, ask};

/// The name under which the object is bound.
pub const BINDING: &str = "SERVICE_METRICS";
/// The name of the only one.
const NAME: &str = "service";

/// Reaches the object.
pub struct MetricsStub {
    object: Stub,
}

impl MetricsStub {
    /// # Errors
    /// If there is no such binding.
    pub fn new(env: &Env) -> worker::Result<Self> {
        Ok(Self { object: env.durable_object(BINDING)?.get_by_name(NAME)? })
    }

    /// Adds what happened. Done once more, it is counted twice.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn add(&self, tallies: Vec<Tally>) -> Result<(), CallError> {
        ask(&self.object, &Command::Add(tallies)).await
    }

    /// Tells how a host of sources stands. What is older than what is known changes nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn set_breaker(&self, breaker: Breaker) -> Result<(), CallError> {
        ask(&self.object, &Command::SetBreaker(breaker)).await
    }

    /// Keeps what was found when health was looked at, in place of what was found before.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn save_health(&self, report: String) -> Result<(), CallError> {
        ask(&self.object, &Command::SaveHealth(report)).await
    }

    /// Everything that is kept, but of health.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn read(&self) -> Result<Metrics, CallError> {
        ask(&self.object, &Command::Read).await
    }

    /// What was found when health was last looked at; none if nobody did yet.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn read_health(&self) -> Result<Option<String>, CallError> {
        ask(&self.object, &Command::ReadHealth).await
    }
}
