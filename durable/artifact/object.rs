//! The class. Its name lives in deploy migrations for ever.
#![allow(missing_docs)] // the attribute below generates public glue without any

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures::{FutureExt, Stream, StreamExt, stream};
use serde_json::Value;
use worker::{Date, DurableObject, Env, Request, Response, Result, State, console_error, durable_object};

use super::schema::Tables;
use super::wire::{Command, Failure, FailureKind, Line, Previous, Produce};
use super::work::{Fetcher, Work};
use crate::feed::line;
use crate::source_host::{Guard, SourceHostStub};

/// How long a list is answered with, in milliseconds: one hour, as the published API has it.
const FRESH_MS: u64 = 60 * 60_000;
/// How long a version is kept at least, in milliseconds: who reads it slowly must find its last rows.
const KEEP_MS: u64 = 10 * 60_000;

#[durable_object]
pub struct Artifact {
    state: State,
    env: Env,
    tables: AssertUnwindSafe<Rc<Tables>>,
    /// The list that is being made.
    making: AssertUnwindSafe<Rc<RefCell<Option<Rc<Making>>>>>,
}

impl DurableObject for Artifact {
    fn new(state: State, env: Env) -> Self {
        let tables = AssertUnwindSafe(Rc::new(Tables::new(state.storage().sql())));
        Self { state, env, tables, making: AssertUnwindSafe(Rc::default()) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        match serde_json::from_str(&request.text().await?) {
            Ok(Command::Produce(produce)) => self.produce(*produce).await,
            Ok(Command::Read { version }) => answer(told(Rc::clone(&self.tables), version, Asker::default())),
            Err(error) => Response::error(format!("not a command: {error}"), 400),
        }
    }

    /// Deletes what is over. What is left arms the next one.
    async fn alarm(&self) -> Result<Response> {
        let is_empty = self.tables.delete_old(clock())?;
        if let Some(at) = self.tables.find_next_end()? {
            self.wake_at(at).await?;
        } else if is_empty && self.making.borrow().is_none() {
            self.tables.forget();
            self.state.storage().delete_all().await?;
        }
        Response::empty()
    }
}

/// What sets one answer apart from others with the same list.
#[derive(Debug, Clone, Copy, Default)]
struct Asker {
    cached: bool,
    deduplicated: bool,
    /// Whether the list before is wanted, too.
    with_previous: bool,
}

impl Artifact {
    async fn produce(&self, produce: Produce) -> Result<Response> {
        let now = clock();
        if !produce.fresh
            && let Some(version) = self.tables.find_fresh(now)?
        {
            self.tables.keep(version, now.saturating_add(produce.keep_ms))?;
            let asker = Asker { cached: true, ..Asker::default() };
            return answer(told(Rc::clone(&self.tables), version, asker));
        }
        let with_previous = produce.fresh;
        let tell = produce.tell;
        // No await from here to where the making is set: nobody else can begin one.
        let running = self.making.borrow().clone();
        let deduplicated = running.is_some();
        let making = running.unwrap_or_else(|| self.begin(produce.clone()));
        making.keep_ms.set(making.keep_ms.get().max(produce.keep_ms));
        let asker = Asker { cached: false, deduplicated, with_previous };
        answer(making.follow(Rc::clone(&self.tables), tell, asker))
    }

    /// Begins to make the list. It goes on when whoever asked for it leaves.
    fn begin(&self, produce: Produce) -> Rc<Making> {
        let making = Rc::new(Making::default());
        self.making.replace(Some(Rc::clone(&making)));
        let (running, tables) = (Rc::clone(&self.making), Rc::clone(&self.tables));
        let (work, storage) = (Rc::clone(&making), self.state.storage());
        let env = self.env.clone();
        self.state.wait_until(async move {
            let compiling = AssertUnwindSafe(make(&work, &tables, &env, produce)).catch_unwind();
            let made = compiling.await.unwrap_or_else(|_| Err(internal("the compile panicked")));
            // Without an alarm what is kept would be kept for ever.
            let made = match (made, storage.get_alarm().await) {
                (Ok(version), Ok(None)) => match storage.set_alarm(FRESH_MS as i64).await {
                    Ok(()) => Ok(version),
                    Err(error) => Err(internal(&error.to_string())),
                },
                (Ok(_), Err(error)) => Err(internal(&error.to_string())),
                (made, _) => made,
            };
            running.replace(None);
            work.end(made);
        });
        making
    }

    async fn wake_at(&self, at: u64) -> Result<()> {
        let in_ms = at.saturating_sub(clock()).max(1_000);
        self.state.storage().set_alarm(i64::try_from(in_ms).unwrap_or(i64::MAX)).await
    }
}

/// Compiles and writes down. The version that it became.
async fn make(
    making: &Making,
    tables: &Tables,
    env: &Env,
    produce: Produce,
) -> std::result::Result<u64, Failure> {
    let Produce { recipe, settings, .. } = produce;
    let work = Work::new(recipe)?;
    let guard = Guard::new(settings.own_host.as_deref(), settings.loopback);
    work.check(&guard)?;
    let hosts = SourceHostStub::new(env).map_err(|error| internal(&error.to_string()))?;
    let fetcher = Fetcher { hosts, guard, timeout_ms: settings.timeout_ms };
    let tell = |name: &str, data: Value| making.tell(&Line::Event(name.to_owned(), data));
    let (made, compiled) = work.run(Some(&fetcher), settings.compiler, Some(&tell)).await?;
    let now = clock();
    let kept_until = now.saturating_add(making.keep_ms.get().max(KEEP_MS));
    tables
        .save(made, &compiled, now, now + FRESH_MS, kept_until)
        .map_err(|error| internal(&error.to_string()))
}

/// A list that is being made, and all who wait for it.
#[derive(Default)]
struct Making {
    /// What was told, as it is sent.
    lines: RefCell<Vec<Rc<[u8]>>>,
    /// How it ended: the version, or why there is none.
    end: RefCell<Option<std::result::Result<u64, Failure>>>,
    waiting: RefCell<Vec<Waker>>,
    /// How long it must be kept.
    keep_ms: Cell<u64>,
}

impl Making {
    fn tell(&self, told: &Line) {
        match line(told) {
            Ok(line) => self.lines.borrow_mut().push(line.into()),
            Err(error) => console_error!("artifact: an event can't be told: {error}"),
        }
        self.wake();
    }

    fn end(&self, end: std::result::Result<u64, Failure>) {
        self.end.replace(Some(end));
        self.wake();
    }

    fn wake(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Everything from the beginning to the end.
    fn follow(self: Rc<Self>, tables: Rc<Tables>, tell: bool, asker: Asker) -> impl Stream<Item = Piece> {
        let mut n = 0;
        let this = Rc::clone(&self);
        let lines = stream::poll_fn(move |context| {
            if tell && let Some(line) = this.lines.borrow().get(n) {
                n += 1;
                return Poll::Ready(Some(Ok(line.to_vec())));
            }
            if this.end.borrow().is_some() {
                return Poll::Ready(None);
            }
            this.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        });
        let end = stream::once(async move {
            let end = self.end.borrow().clone();
            match end {
                Some(Ok(version)) => told(tables, version, asker).left_stream(),
                Some(Err(failure)) => one(&Line::Failed(failure)).right_stream(),
                None => one(&Line::Failed(internal("it never ended"))).right_stream(),
            }
        });
        lines.chain(end.flatten())
    }
}

type Piece = Result<Vec<u8>>;

fn answer(pieces: impl Stream<Item = Piece> + 'static) -> Result<Response> {
    Response::from_stream(pieces.boxed_local())
}

/// A version: what is told of it, and its rules.
fn told(tables: Rc<Tables>, version: u64, asker: Asker) -> impl Stream<Item = Piece> {
    let (first, versions) = match begin_to_tell(&tables, version, asker) {
        Ok(Some((line, previous))) => (Ok(line), vec![Some(version), previous]),
        Ok(None) => (line(&Line::Gone).map_err(Into::into), Vec::new()),
        Err(error) => (Err(error), Vec::new()),
    };
    let rules = stream::iter(versions.into_iter().flatten()).flat_map(move |version| {
        let tables = Rc::clone(&tables);
        // One row after the other, so that a long list is never in memory as a whole.
        stream::iter((0..).map_while(move |n| tables.load_rules(version, n).transpose()))
    });
    stream::iter([first]).chain(rules)
}

/// The line, and the version before, if that is wanted.
fn begin_to_tell(tables: &Tables, version: u64, asker: Asker) -> Result<Option<(Vec<u8>, Option<u64>)>> {
    let Some(mut made) = tables.load_made(version)? else { return Ok(None) };
    made.cached = asker.cached;
    made.deduplicated = asker.deduplicated;
    let previous = if asker.with_previous { tables.find_before(version)? } else { None };
    if let Some(version) = previous
        && let Some(before) = tables.load_made(version)?
    {
        made.previous = Some(Previous {
            n_bytes: before.n_bytes,
            rule_count: before.rule_count,
            compiled_at: before.compiled_at,
        });
    }
    Ok(Some((line(&Line::Made(Box::new(made)))?, previous)))
}

fn one(told: &Line) -> impl Stream<Item = Piece> + use<> {
    stream::iter([line(told).map_err(Into::into)])
}

fn internal(cause: &str) -> Failure {
    Failure { kind: FailureKind::Internal, code: "internal_error".to_owned(), detail: cause.to_owned() }
}

fn clock() -> u64 {
    Date::now().as_millis()
}
