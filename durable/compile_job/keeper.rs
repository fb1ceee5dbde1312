//! What the object does: takes each step of its job, stores it, and tells whoever must know.

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures::channel::oneshot;
use futures::future::{AbortHandle, abortable};
use futures::{FutureExt, StreamExt, stream};
use serde_json::Value;
use worker::{Date, Env, Error, Response, Result, State, console_error};

use super::id::part_id;
use super::progress::{End, Kept};
use super::schema::Tables;
use super::stub::CompileJobStub;
use super::watchers;
use super::wire::{
    Create, Job, KEEP_RESULT_MS, MAX_ATTEMPTS, MAX_PARTS, Notice, Part, PartEnd, Reply, Status, Work,
};
use crate::artifact::wire::{Failure, FailureKind, Line, Produce, Recipe, Settings};
use crate::artifact::{ArtifactStub, name_of};
use crate::call::CallError;

/// The names under which the queues are bound.
const QUEUE: &str = "BLOQR_BACKEND_QUEUE";
const HIGH_PRIORITY_QUEUE: &str = "BLOQR_BACKEND_QUEUE_HIGH_PRIORITY";
/// Parts of a batch that are created or cancelled at a time. The platform opens at most six connections for one
/// request. <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>
const SIMULTANEOUS_CALLS: usize = 6;
/// Numbers of notices that are reserved at once, so that most events write nothing. A crash leaves out as many at most.
const LEASE: u64 = 1_000;

/// One job. Storage is the truth; everything here but the platform is lost whenever the object is evicted.
pub struct Keeper {
    state: State,
    env: Env,
    tables: Tables,
    /// Whether somebody does the job at the moment.
    is_running: Cell<bool>,
    /// Ends the waiting for the list, while there is one that is waited for.
    waiting: RefCell<Option<AbortHandle>>,
    /// None while nothing was told: then storage knows them.
    numbers: Cell<Option<Numbers>>,
    /// The event that was told last.
    last: RefCell<Option<Value>>,
}

/// Numbers of notices.
#[derive(Clone, Copy)]
struct Numbers {
    told: u64,
    /// As it is stored. No less than `told`.
    reserved: u64,
}

impl Keeper {
    pub fn new(state: State, env: Env) -> Self {
        let tables = Tables::new(state.storage().sql());
        Self {
            state,
            env,
            tables,
            is_running: Cell::new(false),
            waiting: RefCell::default(),
            numbers: Cell::new(None),
            last: RefCell::default(),
        }
    }

    /// Accepts a job, unless it was accepted before.
    pub async fn create(&self, create: Create) -> Result<Response> {
        if let Some(kept) = self.tables.load()? {
            return Response::from_json(&shown(kept));
        }
        if let Work::Batch(parts) = &create.work
            && !(1..=MAX_PARTS).contains(&parts.len())
        {
            return Response::error(format!("a batch has 1 to {MAX_PARTS} parts"), 400);
        }
        let kept = Kept::new(&create);
        match self.accept(&kept, &create.work).await {
            Ok(()) => Response::from_json(&shown(kept)),
            Err(error) => {
                // Whoever asked is told that there is no such job, so there must be none.
                self.forget().await?;
                Response::error(format!("the job can't be queued: {error}"), 503)
            }
        }
    }

    /// Does the job, unless somebody does it already. It goes on when whoever asked for it leaves.
    pub async fn run(self: &Rc<Self>, settings: Settings) -> Result<Reply> {
        let Some(kept) = self.tables.load()? else { return Ok(Reply::Unknown) };
        if kept.has_ended() || self.is_running.get() {
            return Ok(kept.reply());
        }
        // No await came in between, so there is one run at a time.
        self.is_running.set(true);
        let (tell, told) = oneshot::channel();
        let this = Rc::clone(self);
        self.state.wait_until(async move {
            let running = AssertUnwindSafe(this.work(settings)).catch_unwind().await;
            this.is_running.set(false);
            let reply = match running {
                Ok(Ok(reply)) => reply,
                Ok(Err(error)) => Reply::Broken { cause: error.to_string() },
                Err(_) => Reply::Broken { cause: "the run panicked".to_owned() },
            };
            // Whoever asked may have left; the alarm has somebody ask again.
            drop(tell.send(reply));
        });
        told.await.map_err(|error| Error::RustError(error.to_string()))
    }

    /// Takes note of how a part of this batch ended. The last one ends the batch.
    pub async fn note_part(&self, end: &PartEnd) -> Result<Reply> {
        let Some(mut kept) = self.tables.load()? else { return Ok(Reply::Unknown) };
        if kept.note_part(end) {
            if kept.has_ended() {
                self.tables.save(&kept)?;
            } else {
                let seq = self.save_numbered(&mut kept, 0)?;
                let data = serde_json::to_value(kept.part_event(end.n))?;
                self.tell_event(seq, "part".to_owned(), data)?;
            }
        }
        self.settle_batch(kept).await
    }

    /// Gives the job up, unless it has ended.
    pub async fn give_up(&self, reason: String) -> Result<Reply> {
        let Some(mut kept) = self.tables.load()? else { return Ok(Reply::Unknown) };
        if !kept.has_ended() {
            kept = self.end(kept, End::Failed { error: reason, by_service: true }).await?;
        }
        Ok(kept.reply())
    }

    /// Takes note that everybody knows of the end who must.
    pub async fn note_record(&self) -> Result<Reply> {
        let Some(mut kept) = self.tables.load()? else { return Ok(Reply::Unknown) };
        if kept.has_ended() && !kept.is_recorded {
            kept.is_recorded = true;
            self.tables.save(&kept)?;
            self.arm(&kept).await?;
        }
        Ok(Reply::Nothing)
    }

    pub fn show(&self, owner: &str) -> Result<Reply> {
        Ok(self.load_for(owner)?.map_or(Reply::Unknown, shown))
    }

    /// Cancels the job for its owner, unless it has ended. The parts of a batch are left to the alarm, which comes at
    /// once, and again if it is cut short.
    pub async fn cancel(&self, owner: &str) -> Result<Reply> {
        let Some(mut kept) = self.load_for(owner)? else { return Ok(Reply::Unknown) };
        if !kept.has_ended() {
            kept = self.end(kept, End::Cancelled).await?;
        }
        Ok(shown(kept))
    }

    /// Lets the owner watch. There is no await in here, so no notice can come between.
    pub fn let_in(&self, owner: &str) -> Result<Response> {
        let Some(kept) = self.load_for(owner)? else { return Ok(Response::empty()?.with_status(404)) };
        let seq = self.last_number(&kept);
        let snapshot = Notice::Snapshot { seq, status: kept.job.status, last: self.last.borrow().clone() };
        let first = match kept.has_ended() {
            true => vec![snapshot, status_of(&kept.job, seq)],
            false => vec![snapshot],
        };
        watchers::let_in(&self.state, &first, kept.has_ended())
    }

    /// What the alarm does: sends the message again until the end is in the record, cancels what a batch leaves behind,
    /// and at last deletes everything. It may come late, early or twice.
    pub async fn look_after(&self) -> Result<()> {
        let now = clock();
        let Some(mut kept) = self.tables.load()? else { return Ok(()) };
        if kept.is_over(now) {
            return self.forget().await;
        }
        if kept.is_overdue(now) {
            let error = "not finished within a day".to_owned();
            return self.end(kept, End::Failed { error, by_service: true }).await.map(drop);
        }
        if !kept.is_settled() {
            kept.n_wakings = kept.n_wakings.saturating_add(1);
            self.tables.save(&kept)?;
        }
        // The next one first: whatever fails below is tried again then.
        self.arm(&kept).await?;
        // Who runs the job is told when it has ended, and does the rest.
        if kept.is_settled() || self.is_running.get() {
            return Ok(());
        }
        if !kept.is_recorded
            && let Err(error) = self.send(&kept).await
        {
            console_error!("compile job {}: its message can't be sent: {error}", kept.job.id);
        }
        if kept.has_ended() { self.cancel_parts(&kept).await } else { Ok(()) }
    }

    /// Stores the job and then sends its message: the other way round it might be asked for before it is there.
    async fn accept(&self, kept: &Kept, work: &Work) -> Result<()> {
        self.tables.save(kept)?;
        self.tables.save_request(work)?;
        // Still the same turn: the alarm is stored together with the job or not at all.
        self.arm(kept).await?;
        self.send(kept).await
    }

    /// One run. Whatever fails leaves the job as it is, so that the next one begins again.
    async fn work(&self, settings: Settings) -> Result<Reply> {
        // No await until the attempt is written down.
        let Some(mut kept) = self.tables.load()? else { return Ok(Reply::Unknown) };
        if kept.has_ended() {
            return Ok(kept.reply());
        }
        if kept.is_batch() && kept.job.status == Status::Running {
            // Its parts are there, and tell it when they end.
            return self.settle_batch(kept).await;
        }
        if kept.is_worn_out() {
            let error = format!("given up after {MAX_ATTEMPTS} attempts");
            return Ok(self.end(kept, End::Failed { error, by_service: true }).await?.reply());
        }
        kept.count_attempt(clock());
        // A batch does not run before all of its parts are there.
        if !kept.is_batch() && kept.start() {
            self.save_step(&mut kept)?;
        } else {
            self.tables.save(&kept)?;
        }
        match self.tables.load_request()? {
            Work::List(recipe) => self.make_list(recipe, settings).await,
            Work::Batch(parts) => self.create_parts(&kept.job, parts).await,
        }
    }

    async fn make_list(&self, recipe: Recipe, settings: Settings) -> Result<Reply> {
        let (producing, handle) = abortable(self.produce(recipe, settings));
        self.waiting.replace(Some(handle));
        let produced = producing.await;
        self.waiting.take();
        // From here to the storing of the end there is no await.
        let Some(kept) = self.tables.load()? else { return Ok(Reply::Unknown) };
        match produced {
            Ok(end) if !kept.has_ended() => Ok(self.end(kept, end?).await?.reply()),
            // It ended meanwhile, and nobody wants the list any more.
            _ => Ok(kept.reply()),
        }
    }

    /// Asks the list's object for the list, tells what happens on the way, and how the job ends. An error is the
    /// service's fault.
    async fn produce(&self, recipe: Recipe, settings: Settings) -> Result<End> {
        #[cfg(feature = "faults")]
        panic_if_asked(&recipe);
        let name = name_of(&recipe)?;
        let produce = Produce { recipe, fresh: false, tell: true, keep_ms: KEEP_RESULT_MS, settings };
        let mut feed = ArtifactStub::new(&self.env)?.produce(&name, produce).await.map_err(broken)?;
        loop {
            match feed.line::<Line>().await.map_err(broken)? {
                Line::Event(event_type, data) => {
                    let Some(seq) = self.next_number()? else { continue };
                    self.tell_event(seq, event_type, data)?;
                }
                // The rules that follow are not read: whoever wants them asks the list's object.
                Line::Made(made) => {
                    let result = Some((name, made.version));
                    return Ok(End::Completed { result, rule_count: made.rule_count });
                }
                Line::Failed(Failure { kind: FailureKind::Internal, detail, .. }) => {
                    return Err(Error::RustError(detail));
                }
                Line::Failed(failure) => {
                    return Ok(End::Failed { error: failure.detail, by_service: false });
                }
                Line::Gone => return Err(Error::RustError("a new list is gone".to_owned())),
            }
        }
    }

    /// Creates the jobs of all parts. Those that are there already stay as they are.
    async fn create_parts(&self, batch: &Job, parts: Vec<Part>) -> Result<Reply> {
        let jobs = &CompileJobStub::new(&self.env)?;
        let creates = parts.into_iter().enumerate().map(|(n, part)| Create {
            id: part_id(&batch.id, n),
            owner: batch.owner.clone(),
            created_at: batch.created_at,
            high_priority: batch.high_priority,
            work: Work::List(part.recipe),
            charged: Vec::new(),
            part_of: Some((batch.id.clone(), n)),
        });
        let mut creating = stream::iter(creates)
            .map(|create| async move { jobs.create(&create).await })
            .buffer_unordered(SIMULTANEOUS_CALLS);
        while let Some(created) = creating.next().await {
            created.map_err(broken)?;
        }
        // From here to the storing there is no await.
        let Some(mut kept) = self.tables.load()? else { return Ok(Reply::Unknown) };
        if kept.start() {
            self.save_step(&mut kept)?;
        } else if kept.has_ended() {
            // It ended meanwhile. What it left behind may have been created after the alarm looked.
            self.cancel_parts(&kept).await?;
        }
        Ok(kept.reply())
    }

    /// Cancels the parts that go on although the batch has ended, and takes note of how they ended.
    async fn cancel_parts(&self, kept: &Kept) -> Result<()> {
        let jobs = &CompileJobStub::new(&self.env)?;
        let owner = kept.job.owner.as_str();
        let mut cancelling = stream::iter(kept.open_parts())
            .map(|(n, id)| async move { (n, jobs.cancel(&id, owner).await) })
            .buffer_unordered(SIMULTANEOUS_CALLS);
        let mut ends = Vec::new();
        while let Some((n, cancelled)) = cancelling.next().await {
            match cancelled {
                Ok(Reply::Job(job)) => {
                    let Job { status, error, rule_count, .. } = *job;
                    ends.push(PartEnd { n, status, error, rule_count });
                }
                // It was never created.
                Ok(_) => ends.push(PartEnd { n, status: Status::Cancelled, error: None, rule_count: None }),
                Err(error) => console_error!("compile job {}: part {n} goes on: {error}", kept.job.id),
            }
        }
        // From here to the storing there is no await.
        let Some(mut kept) = self.tables.load()? else { return Ok(()) };
        let n_noted = ends.iter().filter(|end| kept.note_part(end)).count();
        if n_noted > 0 { self.tables.save(&kept) } else { Ok(()) }
    }

    /// Ends the batch if all of its parts have ended. `kept` is as it is stored.
    async fn settle_batch(&self, mut kept: Kept) -> Result<Reply> {
        if !kept.has_ended()
            && let Some(end) = kept.batch_end()
        {
            kept = self.end(kept, end).await?;
        }
        Ok(kept.reply())
    }

    /// Takes the last step of a job that has not ended. Nothing was waited for between the reading of `kept` and this.
    async fn end(&self, mut kept: Kept, end: End) -> Result<Kept> {
        kept.end(end, clock());
        self.save_step(&mut kept)?;
        self.tables.delete_request()?;
        if let Some(waiting) = self.waiting.take() {
            waiting.abort();
        }
        self.arm(&kept).await?;
        Ok(kept)
    }

    /// Stores a step and tells it.
    fn save_step(&self, kept: &mut Kept) -> Result<()> {
        let seq = self.save_numbered(kept, 0)?;
        watchers::tell(&self.state, &status_of(&kept.job, seq))?;
        if kept.has_ended() {
            watchers::dismiss(&self.state);
        }
        Ok(())
    }

    /// Stores the job with the number of the notice that comes next, and reserves more.
    fn save_numbered(&self, kept: &mut Kept, n_more: u64) -> Result<u64> {
        let told = self.last_number(kept) + 1;
        kept.seq = told + n_more;
        self.tables.save(kept)?;
        self.numbers.set(Some(Numbers { told, reserved: kept.seq }));
        Ok(told)
    }

    /// The number of an event; none if there is no job any more.
    fn next_number(&self) -> Result<Option<u64>> {
        if let Some(numbers) = self.numbers.get().filter(|numbers| numbers.told < numbers.reserved) {
            let told = numbers.told + 1;
            self.numbers.set(Some(Numbers { told, ..numbers }));
            return Ok(Some(told));
        }
        let Some(mut kept) = self.tables.load()? else { return Ok(None) };
        self.save_numbered(&mut kept, LEASE).map(Some)
    }

    fn last_number(&self, kept: &Kept) -> u64 {
        self.numbers.get().map_or(kept.seq, |numbers| numbers.told)
    }

    fn tell_event(&self, seq: u64, event_type: String, data: Value) -> Result<()> {
        let notice = serde_json::to_value(Notice::Event { seq, event_type, data })?;
        watchers::tell(&self.state, &notice)?;
        self.last.replace(Some(notice));
        Ok(())
    }

    /// The job, if there is one and it is this owner's.
    fn load_for(&self, owner: &str) -> Result<Option<Kept>> {
        Ok(self.tables.load()?.filter(|kept| kept.job.owner == owner))
    }

    async fn send(&self, kept: &Kept) -> Result<()> {
        let queue = if kept.job.high_priority { HIGH_PRIORITY_QUEUE } else { QUEUE };
        self.env.queue(queue)?.send(&kept.message()).await
    }

    /// Sets the alarm to when the job is to be looked after next.
    async fn arm(&self, kept: &Kept) -> Result<()> {
        let now = clock();
        let in_ms = kept.wake_at(now).saturating_sub(now);
        self.state.storage().set_alarm(i64::try_from(in_ms).unwrap_or(i64::MAX)).await
    }

    /// Deletes everything.
    async fn forget(&self) -> Result<()> {
        self.tables.forget();
        self.numbers.set(None);
        self.last.take();
        self.state.storage().delete_all().await
    }
}

fn shown(kept: Kept) -> Reply {
    Reply::Job(Box::new(kept.job))
}

fn status_of(job: &Job, seq: u64) -> Notice {
    Notice::Status { seq, status: job.status, error: job.error.clone(), rule_count: job.rule_count }
}

fn broken(error: CallError) -> Error {
    Error::RustError(error.to_string())
}

fn clock() -> u64 {
    Date::now().as_millis()
}

/// Panics in the middle of a run if the list is called so: a job that kills whoever does it.
#[cfg(feature = "faults")]
#[allow(clippy::panic)]
fn panic_if_asked(recipe: &Recipe) {
    if recipe.configuration.get("name").is_some_and(|name| name == "faults: kill the consumer") {
        panic!("asked to kill the consumer");
    }
}
