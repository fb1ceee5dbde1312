//! The class. Its name lives in deploy migrations for ever.
#![allow(missing_docs)] // the attribute below generates public glue without any

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use worker::{
    Date, DurableObject, Env, Error, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage,
    durable_object,
};

use super::hub::Hub;
use super::shard::Shard;
use super::stub::{BINDING, RegistryStub};
use super::wire::Command;

/// Between two sweeps of a shard, in milliseconds.
const SWEEP_MS: i64 = 5 * 60_000;

/// A shard or the hub, depending on what it is asked. Only the hub has sockets, only a shard has rows.
#[durable_object]
pub struct LiveRegistry {
    state: State,
    env: Env,
    // A panic leaves both usable: nothing in them is half-written across a call that can panic.
    shard: AssertUnwindSafe<Rc<Shard>>,
    hub: AssertUnwindSafe<Hub>,
    /// Whether a sweep is known to be due some day.
    will_sweep: AssertUnwindSafe<Cell<bool>>,
}

impl DurableObject for LiveRegistry {
    fn new(state: State, env: Env) -> Self {
        let shard = AssertUnwindSafe(Rc::new(Shard::new(state.storage().sql())));
        let hub = AssertUnwindSafe(Hub::default());
        Self { state, env, shard, hub, will_sweep: AssertUnwindSafe(Cell::new(false)) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.headers().get("Upgrade")?.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
            return self.hub.let_in(&self.state, &self.registry()?).await;
        }
        // The body is read before anything is looked up, so that nothing below has to wait for it.
        let command: Command = match serde_json::from_str(&request.text().await?) {
            Ok(command) => command,
            Err(error) => return Response::error(format!("not a command: {error}"), 400),
        };
        if let Err(error) = command.check() {
            return Response::error(error.to_string(), 400);
        }
        match command {
            Command::Report(report) => {
                self.shard.report(report)?;
                self.start_push()?;
                self.arm_sweep().await?;
                Response::from_json(&())
            }
            Command::List(query) => Response::from_json(&self.shard.list(&query)?),
            Command::Cost => Response::from_json(&self.shard.cost()?),
            Command::Watch { until } => Response::from_json(&self.shard.watch(until)?),
            Command::Changes(changes) => Response::from_json(&self.hub.broadcast(&self.state, &changes)?),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        if !self.state.get_websockets().is_empty() {
            self.hub.renew(&self.state, &self.registry()?).await?;
        } else {
            self.will_sweep.set(false);
            if self.shard.sweep()? {
                self.arm_sweep().await?;
            }
            self.start_push()?;
        }
        Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        match message {
            WebSocketIncomingMessage::String(text) => self.hub.hear(&socket, Some(&text)),
            WebSocketIncomingMessage::Binary(_) => self.hub.hear(&socket, None),
        }
    }

    /// The alarm finds out who is left.
    async fn websocket_close(&self, socket: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
        self.hub.say_goodbye(&socket);
        Ok(())
    }

    /// The socket is gone already, and took nothing with it.
    async fn websocket_error(&self, _: WebSocket, _: Error) -> Result<()> {
        Ok(())
    }
}

impl LiveRegistry {
    fn registry(&self) -> Result<RegistryStub> {
        RegistryStub::new(&self.env, BINDING)
    }

    /// Lets changes be passed on after the answer has left.
    fn start_push(&self) -> Result<()> {
        if self.shard.needs_push() {
            self.state.wait_until(Rc::clone(&self.shard).push(self.registry()?));
        }
        Ok(())
    }

    /// One alarm for all rows, set when the first comes and again after each sweep that leaves some.
    async fn arm_sweep(&self) -> Result<()> {
        if !self.will_sweep.get() {
            let storage = self.state.storage();
            if storage.get_alarm().await?.is_none() {
                storage.set_alarm(SWEEP_MS).await?;
            }
            self.will_sweep.set(true);
        }
        Ok(())
    }
}

pub fn clock() -> u64 {
    Date::now().as_millis()
}
