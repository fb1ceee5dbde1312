//! What an object knows of its host, and how it has texts fetched.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{Either, Shared, select};
use url::Url;
use worker::{
    AbortController, AbortSignal, Delay, Env, Error, Fetch, Response, ResponseBody, Result, State,
    console_error, console_warn,
};

use super::breaker::Breaker;
use super::schema::{Draft, KEEP_REPLACED_MS, Tables, Text};
use super::turns::Turns;
use super::wire::{Failure, MAX_TEXT_BYTES};
use super::{clock, name_of, server, within};
use crate::call::CallError;
use crate::feed::Chunks;
use crate::service_metrics::MetricsStub;
use crate::service_metrics::wire::Breaker as ShownBreaker;

/// Requests that the host gets at a time.
const MAX_REQUESTS: usize = 4;
/// How long to wait before each further attempt, in milliseconds.
const BACK_OFF_MS: [u64; 2] = [250, 1_000];

/// What came of fetching a text. What it is good for, whoever wanted it judges.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is in the tables.
    Text(Text),
    /// It is said to lie there.
    Redirect(String),
    /// It can't be had.
    Failed(Failure),
}

/// A text that is being fetched; everybody hears the same of it.
type Flight = Shared<oneshot::Receiver<Outcome>>;

/// The state of an object. What is not in its tables may be lost.
pub struct Host {
    state: State,
    env: Env,
    tables: Rc<Tables>,
    turns: Rc<Turns>,
    /// By URL.
    flights: RefCell<HashMap<String, Flight>>,
    /// As stored; none until it was read.
    breaker: Cell<Option<Breaker>>,
    /// Whether somebody finds out how a host is that was left alone.
    is_probed: Cell<bool>,
    /// When the alarm is due, as far as this instance knows.
    alarm_at: Cell<Option<u64>>,
}

impl Host {
    pub fn new(state: State, env: Env) -> Self {
        let tables = Rc::new(Tables::new(state.storage().sql()));
        Self {
            state,
            env,
            tables,
            turns: Turns::new(MAX_REQUESTS),
            flights: RefCell::default(),
            breaker: Cell::default(),
            is_probed: Cell::default(),
            alarm_at: Cell::default(),
        }
    }

    /// The text at `url`, or why there is none. One that was checked less than `max_age_ms` ago will do.
    pub async fn get(self: &Rc<Self>, url: Url, timeout_ms: u64, max_age_ms: u64) -> Result<Outcome> {
        let now = clock();
        let known = self.tables.find_text(url.as_str())?;
        if let Some(text) = known.filter(|text| now.saturating_sub(text.checked_at) < max_age_ms) {
            self.tables.touch_text(text.version, now)?;
            return Ok(Outcome::Text(text));
        }
        // No await from here to where the flight is known: nobody else can begin one to the same place.
        let running = self.flights.borrow().get(url.as_str()).cloned();
        let flight = match (running, self.retry_in_ms(now)?) {
            (Some(flight), _) => flight,
            (None, Some(retry_in_ms)) => return Ok(Outcome::Failed(Failure::LeftAlone { retry_in_ms })),
            (None, None) => self.begin(url, timeout_ms),
        };
        Ok(match within(timeout_ms, flight).await {
            Some(Ok(outcome)) => outcome,
            Some(Err(oneshot::Canceled)) => Outcome::Failed(Failure::Broken),
            None => Outcome::Failed(Failure::TooSlow),
        })
    }

    /// The bytes of a text, one row after the other, so that a long one is never in memory as a whole.
    pub fn read(&self, text: &Text) -> impl Iterator<Item = Result<Vec<u8>>> + use<> {
        let (tables, version) = (Rc::clone(&self.tables), text.version);
        (0..).map_while(move |n| tables.load_chunk(version, n).transpose())
    }

    /// Deletes what is over. What is left arms the next alarm.
    pub async fn clean_up(&self) -> Result<()> {
        self.alarm_at.set(None);
        let now = clock();
        self.tables.delete_old_texts(now)?;
        if let Some((host, breaker)) = self.tables.delete_old_breaker(now)? {
            self.breaker.set(Some(Breaker::default()));
            if breaker.is_open() {
                self.tell(host, false, now);
            }
        }
        if self.tables.find_next_end()?.is_some() {
            return self.arm().await;
        }
        if self.flights.borrow().is_empty() {
            self.tables.forget();
            self.state.storage().delete_all().await?;
        }
        Ok(())
    }

    /// Has a text fetched. That goes on when whoever asked for it leaves.
    fn begin(self: &Rc<Self>, url: Url, timeout_ms: u64) -> Flight {
        let (done, flight) = oneshot::channel();
        let flight = flight.shared();
        self.flights.borrow_mut().insert(url.as_str().to_owned(), flight.clone());
        self.state.wait_until(Rc::clone(self).fly(url, timeout_ms, done));
        flight
    }

    /// Fetches a text and tells all who wait for it, whatever happens.
    async fn fly(self: Rc<Self>, url: Url, timeout_ms: u64, done: oneshot::Sender<Outcome>) {
        let fetching = AssertUnwindSafe(self.fetch_in_turn(&url, timeout_ms)).catch_unwind();
        let outcome = match fetching.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                console_error!("source host: {}: {error}", name_of(&url));
                Outcome::Failed(Failure::Broken)
            }
            Err(_) => {
                console_error!("source host: {}: a fetch panicked", name_of(&url));
                Outcome::Failed(Failure::Broken)
            }
        };
        self.flights.borrow_mut().remove(url.as_str());
        // They may all have left.
        let _left = done.send(outcome);
    }

    /// Waits for a turn, fetches, and takes note of how the host did. The host has all of the time, however long the
    /// wait was: nobody can make it fail by asking late.
    ///
    /// # Errors
    /// What is not the host's fault.
    async fn fetch_in_turn(&self, url: &Url, timeout_ms: u64) -> Result<Outcome> {
        let Some(_turn) = within(timeout_ms, self.turns.take()).await.flatten() else {
            return Ok(Outcome::Failed(Failure::TooSlow));
        };
        // It may be left alone since this one began to wait. No await from here to where the probe is known: nobody
        // else can begin one.
        let now = clock();
        if let Some(retry_in_ms) = self.retry_in_ms(now)? {
            return Ok(Outcome::Failed(Failure::LeftAlone { retry_in_ms }));
        }
        let probe = self.breaker()?.is_open().then(|| UnderWay::start(&self.is_probed));
        let outcome = {
            let controller = AbortController::default();
            let signal = controller.signal();
            let fetching = Box::pin(self.fetch_patiently(url, &signal, now + timeout_ms));
            let fetched = select(fetching, Delay::from(Duration::from_millis(timeout_ms))).await;
            // Whatever is still coming is not wanted.
            controller.abort();
            match fetched {
                Either::Left((outcome, _)) => outcome?,
                Either::Right(_) => Outcome::Failed(Failure::TooSlow),
            }
        };
        let failed = matches!(&outcome, Outcome::Failed(failure) if server::is_of_host(failure));
        self.note(url, failed, probe.is_some()).await?;
        Ok(outcome)
    }

    /// What may work a moment later is tried again, as often as [`BACK_OFF_MS`] says.
    async fn fetch_patiently(&self, url: &Url, signal: &AbortSignal, until: u64) -> Result<Outcome> {
        for pause_ms in BACK_OFF_MS {
            match self.fetch(url, signal, until).await? {
                Outcome::Failed(failure) if server::may_pass(&failure) => {
                    Delay::from(Duration::from_millis(pause_ms)).await;
                }
                outcome => return Ok(outcome),
            }
        }
        self.fetch(url, signal, until).await
    }

    async fn fetch(&self, url: &Url, signal: &AbortSignal, until: u64) -> Result<Outcome> {
        let known = self.tables.find_text(url.as_str())?.filter(Text::has_validator);
        let request = server::request(url, known.as_ref())?;
        let response = match Fetch::Request(request).send_with_signal(signal).await {
            Ok(response) => response,
            Err(error) => return Ok(broken(url, &error)),
        };
        if let Some(to) = server::redirect(url, &response)? {
            return Ok(Outcome::Redirect(to));
        }
        match (response.status_code(), known) {
            (304, Some(text)) => Ok(match self.tables.confirm_text(text.version, clock())? {
                Some(text) => Outcome::Text(text),
                // It had to make room meanwhile. The next attempt asks for all of it.
                None => Outcome::Failed(Failure::Broken),
            }),
            (200..=299, _) => self.receive(url, response, until).await,
            (status, _) => Ok(Outcome::Failed(Failure::Status(status))),
        }
    }

    /// Writes a text down as it comes.
    async fn receive(&self, url: &Url, response: Response, until: u64) -> Result<Outcome> {
        let answered = server::read_head(url, &response)?;
        let over_at = until + KEEP_REPLACED_MS;
        let mut draft = Draft::begin(Rc::clone(&self.tables), answered, clock(), over_at)?;
        // From now on something is kept. What replaces or retires a text has begun like this, so this alarm comes in
        // time for those, too.
        self.arm().await?;
        // Not as a response of the platform: of some statuses it makes none with a body, not even with an empty one.
        if let ResponseBody::Stream(stream) = response.body() {
            let mut chunks = Chunks::of(stream.clone())?;
            loop {
                let chunk = match chunks.next().await {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => break,
                    Err(error) => return Ok(broken(url, &error)),
                };
                if draft.n_bytes() + chunk.len() as u64 > MAX_TEXT_BYTES {
                    return Ok(Outcome::Failed(Failure::TooLarge));
                }
                draft.append(chunk)?;
            }
        }
        Ok(Outcome::Text(draft.complete(clock())?))
    }

    /// Takes note of how the host did. From reading to writing there is no await, so no other verdict can come
    /// between.
    async fn note(&self, url: &Url, failed: bool, is_probe: bool) -> Result<()> {
        let now = clock();
        let before = self.breaker()?;
        let after = before.after(failed, is_probe, now);
        if after == before {
            return Ok(());
        }
        let host = name_of(url);
        self.tables.save_breaker(&host, after, now)?;
        self.breaker.set(Some(after));
        if before.is_open() != after.is_open() {
            self.tell(host, after.is_open(), now);
        }
        self.arm().await
    }

    /// Tells the metrics, without anybody waiting for it.
    fn tell(&self, host: String, is_open: bool, since: u64) {
        let (env, breaker) = (self.env.clone(), ShownBreaker { host, is_open, since });
        self.state.wait_until(async move {
            if let Err(error) = tell(&env, breaker).await {
                console_error!("source host: the metrics were not told: {error}");
            }
        });
    }

    /// When to come again; none if the host may be asked now.
    fn retry_in_ms(&self, now: u64) -> Result<Option<u64>> {
        Ok(self.breaker()?.retry_in_ms(now, self.is_probed.get()))
    }

    fn breaker(&self) -> Result<Breaker> {
        let breaker = match self.breaker.get() {
            Some(breaker) => breaker,
            None => self.tables.load_breaker()?,
        };
        self.breaker.set(Some(breaker));
        Ok(breaker)
    }

    /// Has the object woken when the next thing is over.
    async fn arm(&self) -> Result<()> {
        let Some(at) = self.tables.find_next_end()? else { return Ok(()) };
        let now = clock();
        if self.alarm_at.get().is_some_and(|alarm_at| now < alarm_at && alarm_at <= at) {
            return Ok(());
        }
        self.alarm_at.set(Some(at));
        let in_ms = i64::try_from(at.saturating_sub(now)).unwrap_or(i64::MAX);
        self.state.storage().set_alarm(in_ms).await
    }
}

async fn tell(env: &Env, breaker: ShownBreaker) -> std::result::Result<(), CallError> {
    MetricsStub::new(env)?.set_breaker(breaker).await
}

/// Who asked is told no more; the reason is for the log, without the URL, which may have secrets in it.
fn broken(url: &Url, error: &Error) -> Outcome {
    console_warn!("source host: {}: {error}", name_of(url));
    Outcome::Failed(Failure::Broken)
}

/// Is set while it lives.
struct UnderWay<'a>(&'a Cell<bool>);

impl<'a> UnderWay<'a> {
    fn start(flag: &'a Cell<bool>) -> Self {
        flag.set(true);
        Self(flag)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
