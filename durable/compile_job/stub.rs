//! The typed caller: what the front Worker and the objects of batches see of a job's object.

use worker::{Env, Method, ObjectNamespace, Request, RequestInit, Response};

use super::wire::{Command, Create, PartEnd, Reply};
use crate::artifact::wire::Settings;
use crate::call::{CallError, ask};

/// The name under which the objects are bound.
pub const BINDING: &str = "COMPILE_JOB";
/// The header field that tells who wants to watch.
pub(super) const OWNER: &str = "X-Owner";

/// Reaches the objects of all jobs. An object stands for every text, so ids that came from outside are to be looked at
/// first: [`is_id`](super::is_id).
///
/// No call is repeated by itself, but each may be: done once more, it changes nothing.
pub struct CompileJobStub {
    namespace: ObjectNamespace,
}

impl CompileJobStub {
    /// # Errors
    /// If there is no such binding.
    pub fn new(env: &Env) -> worker::Result<Self> {
        Ok(Self { namespace: env.durable_object(BINDING)? })
    }

    /// Accepts a job: [`Reply::Job`].
    ///
    /// # Errors
    /// [`CallError::Refused`] with 503 if it can't be queued; there is no such job then. With others there may be.
    pub async fn create(&self, create: &Create) -> Result<Reply, CallError> {
        self.ask(&create.id, &Command::Create(Box::new(create.clone()))).await
    }

    /// Does the job, or what is left of it: any reply but [`Reply::Job`].
    ///
    /// # Errors
    /// [`CallError`]; the job may go on all the same.
    pub async fn run(&self, id: &str, settings: Settings) -> Result<Reply, CallError> {
        self.ask(id, &Command::Run(settings)).await
    }

    /// Tells a batch how a part of it ended: [`Reply::Nothing`] while others go on, [`Reply::Ended`] after the last.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn part_ended(&self, id: &str, end: PartEnd) -> Result<Reply, CallError> {
        self.ask(id, &Command::PartEnded(end)).await
    }

    /// Gives the job up: [`Reply::Ended`], or [`Reply::Nothing`] if its end is in the record already.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn give_up(&self, id: &str, reason: String) -> Result<Reply, CallError> {
        self.ask(id, &Command::GiveUp { reason }).await
    }

    /// Tells that everybody knows of the end who must.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn recorded(&self, id: &str) -> Result<Reply, CallError> {
        self.ask(id, &Command::Recorded).await
    }

    /// Shows the job to its owner: [`Reply::Job`] or [`Reply::Unknown`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn show(&self, id: &str, owner: &str) -> Result<Reply, CallError> {
        self.ask(id, &Command::Show { owner: owner.to_owned() }).await
    }

    /// Cancels the job for its owner, unless it has ended: [`Reply::Job`] or [`Reply::Unknown`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn cancel(&self, id: &str, owner: &str) -> Result<Reply, CallError> {
        self.ask(id, &Command::Cancel { owner: owner.to_owned() }).await
    }

    /// Opens a WebSocket to the job for its owner; the response is the 101 to hand to the client. The upgrade is asked
    /// for anew, so no credentials of the client's go further.
    ///
    /// # Errors
    /// [`CallError::Refused`] with 404 if there is no such job or it is somebody else's, with 503 if there are too
    /// many watchers; others if the object can't be asked.
    pub async fn watch(&self, id: &str, owner: &str) -> Result<Response, CallError> {
        let mut init = RequestInit::new();
        init.with_method(Method::Get);
        init.headers.set("Upgrade", "websocket")?;
        init.headers.set(OWNER, owner)?;
        let request = Request::new_with_init("https://object/", &init)?;
        let mut response = self.namespace.get_by_name(id)?.fetch_with_request(request).await?;
        match response.status_code() {
            101 => Ok(response),
            status => Err(CallError::Refused { status, text: response.text().await? }),
        }
    }

    async fn ask(&self, id: &str, command: &Command) -> Result<Reply, CallError> {
        ask(&self.namespace.get_by_name(id)?, command).await
    }
}
