//! The class. Its name lives in deploy migrations for ever.
#![allow(missing_docs)] // the attribute below generates public glue without any

use std::cell::Cell;
use std::panic::AssertUnwindSafe;

use limits::{Ledger, UnixMillis, decide};
use worker::{Date, DurableObject, Env, Request, Response, Result, State, durable_object};

use super::schema;
use super::wire::{Command, Reply, Take};

/// One identity: a network, and later a user.
#[durable_object]
pub struct Identity {
    state: State,
    /// Whether the tables are known to exist. A panic can't leave it wrong: it is set after the fact.
    has_tables: AssertUnwindSafe<Cell<bool>>,
}

impl DurableObject for Identity {
    fn new(state: State, _env: Env) -> Self {
        Self { state, has_tables: AssertUnwindSafe(Cell::new(false)) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        // The body is read before anything is looked up, so that nothing below has to wait for it.
        match serde_json::from_str(&request.text().await?) {
            Ok(Command::Take(take)) => Response::from_json(&self.take(&take).await?),
            #[cfg(feature = "faults")]
            #[allow(clippy::panic)]
            Ok(Command::Panic(take)) => {
                self.take(&take).await?;
                panic!("asked to panic after taking {} units", take.cost)
            }
            Err(error) => Response::error(format!("not a command: {error}"), 400),
        }
    }

    /// Forgets the windows that are over. The clock is read anew, because an alarm may come late, early
    /// or twice; what is still open arms the next one.
    async fn alarm(&self) -> Result<Response> {
        self.create_tables()?;
        let now = clock();
        match schema::delete_ended(&self.state.storage().sql(), now)? {
            Some(ends_at) => self.arm(now, ends_at).await?,
            None => {
                self.has_tables.set(false);
                self.state.storage().delete_all().await?;
            }
        }
        Response::empty()
    }
}

impl Identity {
    async fn take(&self, take: &Take) -> Result<Reply> {
        self.create_tables()?;
        let sql = self.state.storage().sql();
        let policy = take.policy();
        let now = clock();

        // From this read to the write below there is no await, so no other request can come between.
        let before = schema::load_ledger(&sql, &policy.name)?;
        let (decision, after) = decide(before, &policy, take.cost, now);
        if let Some(ledger) = after.filter(|_| after != before) {
            schema::save_ledger(&sql, &policy.name, ledger)?;
            if opens_window(before, ledger) {
                // Still the same turn: the alarm is stored together with the ledger or not at all.
                self.arm(now, ledger.ends_at).await?;
            }
        }
        Ok(Reply::new(decision, now))
    }

    /// A later window replaces an earlier alarm: whatever ended meanwhile is cleaned up with it.
    async fn arm(&self, now: UnixMillis, at: UnixMillis) -> Result<()> {
        let offset_ms = i64::try_from(now.until(at)).unwrap_or(i64::MAX);
        self.state.storage().set_alarm(offset_ms).await
    }

    fn create_tables(&self) -> Result<()> {
        if !self.has_tables.get() {
            schema::create(&self.state.storage().sql())?;
            self.has_tables.set(true);
        }
        Ok(())
    }
}

fn opens_window(before: Option<Ledger>, after: Ledger) -> bool {
    before.is_none_or(|before| before.ends_at != after.ends_at)
}

fn clock() -> UnixMillis {
    UnixMillis(Date::now().as_millis())
}
