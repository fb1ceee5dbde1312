//! The class. Its name lives in deploy migrations for ever.
#![allow(missing_docs)] // the attribute below generates public glue without any

use std::iter;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures::stream;
use url::Url;
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use super::host::{Host, Outcome};
use super::server::refuse;
use super::wire::{Answer, Command};
use crate::feed::line;

/// One host of sources.
#[durable_object]
pub struct SourceHost {
    // A panic leaves it usable: storage is the truth, and what memory knows is set after it was written.
    host: AssertUnwindSafe<Rc<Host>>,
}

impl DurableObject for SourceHost {
    fn new(state: State, env: Env) -> Self {
        Self { host: AssertUnwindSafe(Rc::new(Host::new(state, env))) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let Command::Fetch(wanted) = match serde_json::from_str::<Command>(&request.text().await?) {
            Ok(command) => command,
            Err(error) => return Response::error(format!("not a command: {error}"), 400),
        };
        let url = match Url::parse(&wanted.url) {
            Ok(url) => url,
            Err(error) => return Response::error(format!("not a URL: {error}"), 400),
        };
        let text = match self.host.get(url, wanted.timeout_ms, wanted.max_age_ms).await? {
            Outcome::Text(text) => text,
            Outcome::Redirect(to) => return answer(&Answer::Redirect { to }),
            Outcome::Failed(failure) => return answer(&Answer::Failed(failure)),
        };
        if let Some(failure) = refuse(wanted.kind, &text) {
            return answer(&Answer::Failed(failure));
        }
        let first = line(&Answer::Text { n_bytes: text.n_bytes })?;
        Response::from_stream(stream::iter(iter::once(Ok(first)).chain(self.host.read(&text))))
    }

    async fn alarm(&self) -> Result<Response> {
        self.host.clean_up().await?;
        Response::empty()
    }
}

fn answer(answer: &Answer) -> Result<Response> {
    Response::from_bytes(line(answer)?)
}
