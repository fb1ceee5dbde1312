//! A call to an object: one command there, one answer back, and what can go wrong on the way.

use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::{Error, Method, Request, RequestInit, Stub, js_sys::Reflect};

/// The object could not be asked, or gave no usable answer. A denial is not an error.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The object never ran: overloaded, restarting or out of reach. Asking again later may help.
    #[error("the object can't be reached: {0}")]
    Unreachable(worker::Error),
    /// The object ran and broke. What it had decided by then is stored.
    #[error("the object failed: {0}")]
    Failed(worker::Error),
    /// The object ran and refused the command.
    #[error("the object answered {status}: {text}")]
    Refused {
        /// HTTP status of the answer.
        status: u16,
        /// Its body.
        text: String,
    },
    /// The object's answer can't be read.
    #[error("the object answered something else: {0}")]
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

/// Sends `command` and reads the answer. Never repeated by itself: the object may have done it already.
pub(crate) async fn ask<T: DeserializeOwned>(
    object: &Stub,
    command: &impl Serialize,
) -> Result<T, CallError> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(serde_json::to_string(command)?.into()));
    let request = Request::new_with_init("https://object/", &init)?;
    let mut response = object.fetch_with_request(request).await?;
    let text = response.text().await?;
    match response.status_code() {
        200 => Ok(serde_json::from_str(&text)?),
        status => Err(CallError::Refused { status, text }),
    }
}
