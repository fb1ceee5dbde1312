//! The typed caller: what the front Worker sees of an identity's object.

use limits::{Decision, Identity, Policy, UnixMillis};
use worker::{Env, Error, Method, ObjectNamespace, Request, RequestInit, js_sys::Reflect};

use super::wire::{Command, Reply, Take};

/// The object could not be asked, or gave no usable answer. A refusal is not an error.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The object never ran: overloaded, restarting or out of reach. Asking again later may help.
    #[error("the identity's object can't be reached: {0}")]
    Unreachable(worker::Error),
    /// The object ran and broke. What it had decided by then is stored.
    #[error("the identity's object failed: {0}")]
    Failed(worker::Error),
    /// The object answered, but not with a decision.
    #[error("the identity's object answered {status}: {text}")]
    Refused {
        /// HTTP status of the answer.
        status: u16,
        /// Its body.
        text: String,
    },
    /// The object's answer can't be read.
    #[error("the identity's object answered something else: {0}")]
    Garbled(#[from] serde_json::Error),
}

impl From<worker::Error> for CallError {
    /// The runtime marks an exception that was thrown by the object's own code with `remote`.
    /// <https://developers.cloudflare.com/durable-objects/best-practices/error-handling/>
    fn from(error: worker::Error) -> Self {
        let thrown_by_object = match &error {
            Error::UnknownJsError { original, .. } | Error::Internal(original) => {
                Reflect::get(original, &"remote".into()).is_ok_and(|remote| remote.is_truthy())
            }
            _ => false,
        };
        if thrown_by_object { Self::Failed(error) } else { Self::Unreachable(error) }
    }
}

/// Reaches the objects of all identities.
pub struct IdentityStub {
    namespace: ObjectNamespace,
}

impl IdentityStub {
    /// The stub for the namespace bound as `binding`.
    ///
    /// # Errors
    /// If there is no such binding.
    pub fn new(env: &Env, binding: &str) -> worker::Result<Self> {
        Ok(Self { namespace: env.durable_object(binding)? })
    }

    /// Takes `cost` units of `policy`, if there is room. Returns the decision and the object's clock.
    ///
    /// Not repeated on failure: an object that had decided before the answer was lost would charge twice.
    ///
    /// # Errors
    /// [`CallError`], if no decision came back.
    pub async fn take(
        &self,
        identity: &Identity,
        policy: &Policy,
        cost: u32,
    ) -> Result<(Decision, UnixMillis), CallError> {
        self.ask(identity, &Command::Take(Take::new(policy, cost))).await
    }

    /// Takes one unit and panics inside the object.
    ///
    /// # Errors
    /// Always: the object fails.
    #[cfg(feature = "faults")]
    pub async fn panic(
        &self,
        identity: &Identity,
        policy: &Policy,
    ) -> Result<(Decision, UnixMillis), CallError> {
        self.ask(identity, &Command::Panic(Take::new(policy, 1))).await
    }

    async fn ask(&self, identity: &Identity, command: &Command) -> Result<(Decision, UnixMillis), CallError> {
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(serde_json::to_string(command)?.into()));
        let request = Request::new_with_init("https://identity/", &init)?;
        let mut response =
            self.namespace.get_by_name(&identity.object_name())?.fetch_with_request(request).await?;
        let text = response.text().await?;
        match response.status_code() {
            200 => Ok(serde_json::from_str::<Reply>(&text)?.decision()),
            status => Err(CallError::Refused { status, text }),
        }
    }
}
