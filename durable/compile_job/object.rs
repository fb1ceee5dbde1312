//! The class. Its name lives in deploy migrations for ever.
#![allow(missing_docs)] // the attribute below generates public glue without any

use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use worker::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage,
    durable_object,
};

use super::keeper::Keeper;
use super::stub::OWNER;
use super::watchers;
use super::wire::Command;

/// One job.
#[durable_object]
pub struct CompileJob {
    // A panic leaves it usable: storage is the truth, and what memory knows is set after it was written.
    keeper: AssertUnwindSafe<Rc<Keeper>>,
}

impl DurableObject for CompileJob {
    fn new(state: State, env: Env) -> Self {
        #[cfg(feature = "faults")]
        worker::console_log!("compile_job awake");
        Self { keeper: AssertUnwindSafe(Rc::new(Keeper::new(state, env))) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.headers().get("Upgrade")?.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
            return self.keeper.let_in(&request.headers().get(OWNER)?.unwrap_or_default());
        }
        let reply = match serde_json::from_str(&request.text().await?) {
            Ok(Command::Create(create)) => return self.keeper.create(*create).await,
            Ok(Command::Run(settings)) => self.keeper.run(settings).await?,
            Ok(Command::PartEnded(end)) => self.keeper.note_part(&end).await?,
            Ok(Command::GiveUp { reason }) => self.keeper.give_up(reason).await?,
            Ok(Command::Recorded) => self.keeper.note_record().await?,
            Ok(Command::Show { owner }) => self.keeper.show(&owner)?,
            Ok(Command::Cancel { owner }) => self.keeper.cancel(&owner).await?,
            Err(error) => return Response::error(format!("not a command: {error}"), 400),
        };
        Response::from_json(&reply)
    }

    async fn alarm(&self) -> Result<Response> {
        self.keeper.look_after().await?;
        Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        match message {
            WebSocketIncomingMessage::String(text) => watchers::hear(&socket, Some(&text)),
            WebSocketIncomingMessage::Binary(_) => watchers::hear(&socket, None),
        }
    }

    async fn websocket_close(&self, socket: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
        watchers::say_goodbye(&socket);
        Ok(())
    }

    /// The socket is gone already, and took nothing with it.
    async fn websocket_error(&self, _: WebSocket, _: Error) -> Result<()> {
        Ok(())
    }
}
