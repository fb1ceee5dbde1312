//! The class. Its name lives in deploy migrations for ever.
#![allow(missing_docs)] // the attribute below generates public glue without any

use std::panic::AssertUnwindSafe;

use worker::{Date, DurableObject, Env, Request, Response, Result, State, durable_object};

use super::schema::{EVER, Tables};
use super::wire::{Breaker, Command, Metrics, Tally};
use super::{KEEP_CLOSED_MS, MAX_BREAKERS, MAX_HOST_BYTES, bounded, merge, oldest_window_at, window_at};

/// What happened in the whole service.
#[durable_object]
pub struct ServiceMetrics {
    // A panic leaves it usable: there is nothing in memory but whether tables exist.
    tables: AssertUnwindSafe<Tables>,
}

impl DurableObject for ServiceMetrics {
    fn new(state: State, _env: Env) -> Self {
        Self { tables: AssertUnwindSafe(Tables::new(state.storage().sql())) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        // After the body was read there is no await, so no command comes between what another reads and writes.
        match serde_json::from_str(&request.text().await?) {
            Ok(Command::Add(tallies)) => Response::from_json(&self.add(&tallies)?),
            Ok(Command::SetBreaker(breaker)) => Response::from_json(&self.set_breaker(breaker)?),
            Ok(Command::SaveHealth(report)) => Response::from_json(&self.tables.save_health(&report)?),
            Ok(Command::Read) => Response::from_json(&self.read()?),
            Ok(Command::ReadHealth) => Response::from_json(&self.tables.load_health()?),
            Err(error) => Response::error(format!("not a command: {error}"), 400),
        }
    }
}

impl ServiceMetrics {
    fn add(&self, tallies: &[Tally]) -> Result<()> {
        let now = clock();
        for starts_at in [window_at(now), EVER] {
            let mut sum = self.tables.load_tallies(starts_at, starts_at)?;
            merge(&mut sum, tallies.iter().cloned());
            self.tables.save_tallies(starts_at, &sum)?;
        }
        self.tables.delete_windows_before(oldest_window_at(now))
    }

    fn set_breaker(&self, breaker: Breaker) -> Result<()> {
        let host = bounded(breaker.host, MAX_HOST_BYTES);
        self.tables.save_breaker(&Breaker { host, ..breaker })?;
        self.tables.delete_old_breakers(clock().saturating_sub(KEEP_CLOSED_MS), MAX_BREAKERS)
    }

    fn read(&self) -> Result<Metrics> {
        let now = clock();
        let mut recent = Vec::new();
        merge(&mut recent, self.tables.load_tallies(oldest_window_at(now), now)?);
        Ok(Metrics {
            recent,
            total: self.tables.load_tallies(EVER, EVER)?,
            breakers: self.tables.load_breakers(now.saturating_sub(KEEP_CLOSED_MS))?,
            at: now,
        })
    }
}

fn clock() -> u64 {
    Date::now().as_millis()
}
