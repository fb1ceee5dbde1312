//! The typed caller: what the front Worker and jobs see of a list's object.

use worker::{Env, ObjectNamespace};

use super::wire::{Command, Produce};
use crate::call::CallError;
use crate::feed::Feed;

/// The name under which the objects are bound.
pub const BINDING: &str = "ARTIFACT";

/// Reaches the objects of all lists.
pub struct ArtifactStub {
    namespace: ObjectNamespace,
}

impl ArtifactStub {
    /// # Errors
    /// If there is no such binding.
    pub fn new(env: &Env) -> worker::Result<Self> {
        Ok(Self { namespace: env.durable_object(BINDING)? })
    }

    /// Asks for a list. `name` is [`name_of`](super::name_of) its recipe. An object that could not be reached is asked
    /// once more: whoever asks twice gets the same list.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn produce(&self, name: &str, produce: Produce) -> Result<Feed, CallError> {
        let command = Command::Produce(Box::new(produce));
        match Feed::ask(&self.namespace.get_by_name(name)?, &command).await {
            Err(CallError::Unreachable(_)) => Feed::ask(&self.namespace.get_by_name(name)?, &command).await,
            asked => asked,
        }
    }

    /// Asks for one version of a list.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn read(&self, name: &str, version: u64) -> Result<Feed, CallError> {
        Feed::ask(&self.namespace.get_by_name(name)?, &Command::Read { version }).await
    }
}
