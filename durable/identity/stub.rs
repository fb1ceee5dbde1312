//! The typed caller: what the front Worker sees of an identity's object.

use limits::{Identity, UserId};
use worker::wasm_bindgen::JsCast;
use worker::wasm_bindgen_futures::JsFuture;
use worker::worker_sys::DurableObject;
use worker::{Env, ObjectNamespace, web_sys};

use super::envelope;
use super::wire::{
    AccountCommand, AccountReply, Act, Acted, Command, Envelope, Offer, Rejection, Reply, State, Take,
    VERSION,
};
use crate::call::CallError;

#[cfg(feature = "faults")]
thread_local! {
    static N_CALLS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
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

    /// Asks for units. The reply is [`Reply::Decided`], [`Reply::Banned`] or [`Reply::Rejected`].
    ///
    /// May be repeated with the same nonce: the object then answers as before. Only if it was evicted or
    /// crashed in between are the units charged twice.
    ///
    /// # Errors
    /// [`CallError`], if no decision came back.
    pub async fn take(&self, identity: &Identity, take: Take) -> Result<Reply, CallError> {
        match self.ask(identity, Command::Take(take)).await? {
            reply @ (Reply::Decided(_) | Reply::Banned(_) | Reply::Rejected(_)) => Ok(reply),
            other => Err(unexpected(other)),
        }
    }

    /// Shows how things stand. Takes and stores nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn peek(&self, identity: &Identity, policies: Vec<Offer>) -> Result<State, CallError> {
        match self.ask(identity, Command::Peek(policies)).await? {
            Reply::State(state) => Ok(state),
            other => Err(unexpected(other)),
        }
    }

    /// Changes something. May be repeated: an action with the same id is done once.
    ///
    /// # Errors
    /// [`CallError`]; the action may have been done. [`IdentityStub::recall`] tells.
    pub async fn act(&self, identity: &Identity, act: Act) -> Result<Acted, CallError> {
        match self.ask(identity, Command::Act(act)).await? {
            Reply::Acted(acted) => Ok(acted),
            other => Err(unexpected(other)),
        }
    }

    /// What an action did; none if it did not happen.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn recall(&self, identity: &Identity, id: &str) -> Result<Option<Acted>, CallError> {
        match self.ask(identity, Command::Recall(id.to_owned())).await? {
            Reply::Acted(acted) => Ok(Some(acted)),
            Reply::Unknown => Ok(None),
            other => Err(unexpected(other)),
        }
    }

    /// Shows or changes what is kept of a user. May be repeated: done once more, each command changes nothing.
    ///
    /// # Errors
    /// [`CallError`]; the change may have been made.
    pub async fn account(
        &self,
        user: UserId,
        command: AccountCommand,
    ) -> Result<Result<AccountReply, Rejection>, CallError> {
        match self.ask(&Identity::User(user), Command::Account(command)).await? {
            Reply::Account(reply) => Ok(Ok(reply)),
            Reply::Rejected(rejection) => Ok(Err(rejection)),
            other => Err(unexpected(other)),
        }
    }

    /// Remembers for so many milliseconds that a person stands behind the identity.
    ///
    /// # Errors
    /// [`CallError`]; it may be remembered all the same.
    pub async fn vouch(&self, identity: &Identity, ms: u64) -> Result<(), CallError> {
        match self.ask(identity, Command::Vouch(ms)).await? {
            Reply::Vouched(_) => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// Whether that is remembered.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn is_vouched(&self, identity: &Identity) -> Result<bool, CallError> {
        match self.ask(identity, Command::AskVouched).await? {
            Reply::Vouched(vouched) => Ok(vouched),
            other => Err(unexpected(other)),
        }
    }

    /// Takes units and panics inside the object.
    ///
    /// # Errors
    /// Always: the object fails.
    #[cfg(feature = "faults")]
    pub async fn panic(&self, identity: &Identity, take: Take) -> Result<Reply, CallError> {
        self.ask(identity, Command::Panic(take)).await
    }

    /// Takes units after a while.
    ///
    /// # Errors
    /// [`CallError`].
    #[cfg(feature = "faults")]
    pub async fn hang(&self, identity: &Identity, take: Take, ms: u64) -> Result<Reply, CallError> {
        self.ask(identity, Command::Hang(take, ms)).await
    }

    /// Sends whatever it is given.
    ///
    /// # Errors
    /// [`CallError`].
    #[cfg(feature = "faults")]
    pub async fn send(&self, identity: &Identity, anything: &serde_json::Value) -> Result<Reply, CallError> {
        self.fetch(identity, &envelope::address(anything)?).await
    }

    async fn ask(&self, identity: &Identity, command: Command) -> Result<Reply, CallError> {
        self.fetch(identity, &envelope::address(&Envelope { v: VERSION, command })?).await
    }

    /// Calls made by this isolate.
    #[cfg(feature = "faults")]
    #[must_use]
    pub fn n_calls() -> u64 {
        N_CALLS.get()
    }

    async fn fetch(&self, identity: &Identity, url: &str) -> Result<Reply, CallError> {
        #[cfg(feature = "faults")]
        N_CALLS.set(N_CALLS.get() + 1);
        // Not through the wrappers of `worker`: they look at everything that a response may have.
        let object: DurableObject = self.namespace.get_by_name(&identity.object_name())?.into_rpc();
        let asking = object.fetch_with_str(url).map_err(worker::Error::from)?;
        let response = JsFuture::from(asking).await.map_err(worker::Error::from)?;
        let response: web_sys::Response = response.unchecked_into();
        let status = response.status();
        let sealed = match response.headers().get(envelope::REPLY).map_err(worker::Error::from)? {
            Some(sealed) => sealed,
            // Long ones come in the body.
            None => {
                let text = JsFuture::from(response.text().map_err(worker::Error::from)?).await;
                text.map_err(worker::Error::from)?.as_string().unwrap_or_default()
            }
        };
        envelope::open(&sealed)
            .map_err(|error| CallError::Refused { status, text: format!("no reply: {error}") })
    }
}

fn unexpected(reply: Reply) -> CallError {
    match reply {
        Reply::Refused(text) => CallError::Refused { status: 400, text },
        other => CallError::Refused { status: 200, text: format!("an unexpected reply: {other:?}") },
    }
}
