//! What a shard does: keeps rows, lists them, and passes changes on while somebody watches.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use worker::{Delay, SqlStorage, console_error};

use super::query::Query;
use super::stub::RegistryStub;
use super::wire::{Changes, Cost, MAX_CHANGES, Report, ShardPage};
use super::{object::clock, schema};

/// Between two messages to the hub: at most five a second from each shard.
const PUSH_PAUSE: Duration = Duration::from_millis(200);
/// Before a message that failed is tried again.
const PUSH_RETRY: Duration = Duration::from_secs(1);
/// Identities that may wait to be passed on: more than a shard of 100,000 identities has, about 1 MB.
const MAX_UNTOLD: usize = 10_000;
/// A clock further ahead than this counts as this far ahead, so a wrong one can't hold a row for ever.
const MAX_AHEAD_MS: u64 = 60_000;
/// A report under way for longer counts as this long, so a wrong clock can't fill the counter up.
const MAX_LAG_MS: u64 = 3_600_000;
/// A row stays this long after its window is over. Its object says goodbye earlier, unless it is lost.
const KEPT_MS: u64 = 5 * 60_000;
/// How far ahead a watch may reach.
const MAX_WATCH_MS: u64 = 120_000;

/// The state of a shard. What is not in SQL may be lost.
pub struct Shard {
    sql: SqlStorage,
    /// Whether the tables are known to exist.
    has_tables: Cell<bool>,
    /// As stored; none until it was read.
    watched_until: Cell<Option<u64>>,
    /// The identities that changed and the hub was not told about. Their rows are read when it is told, so
    /// it always hears what is stored by then.
    untold: RefCell<BTreeSet<String>>,
    /// Whether there were too many of them.
    skipped: Cell<bool>,
    /// Whether a push is under way.
    is_pushing: Cell<bool>,
}

impl Shard {
    pub fn new(sql: SqlStorage) -> Self {
        Self {
            sql,
            has_tables: Cell::default(),
            watched_until: Cell::default(),
            untold: RefCell::default(),
            skipped: Cell::default(),
            is_pushing: Cell::default(),
        }
    }

    /// Stores what is new in `report`. There is no await in here, so no other report can come between.
    pub fn report(&self, report: Report) -> worker::Result<()> {
        self.create_tables()?;
        let now = clock();
        let latest = now + MAX_AHEAD_MS;
        let mut changed = Vec::new();
        for mut row in report.rows {
            row.at = row.at.min(latest);
            if schema::save_row(&self.sql, &row)? {
                changed.push(row.identity);
            }
        }
        let sent_at = report.sent_at.min(latest);
        for identity in report.gone {
            if schema::delete_row(&self.sql, &identity, sent_at)? {
                changed.push(identity);
            }
        }
        let lag_ms_total = now.saturating_sub(sent_at).min(MAX_LAG_MS);
        let cost = Cost { reports: 1, lag_ms_total, ..report.cost };
        schema::add_cost(&self.sql, &cost)?;
        self.note(changed, now)
    }

    pub fn list(&self, query: &Query) -> worker::Result<ShardPage> {
        self.create_tables()?;
        let schema::Counts { n_all, n_matching } = schema::load_counts(&self.sql, query)?;
        Ok(ShardPage { rows: schema::load_page(&self.sql, query)?, n_all, n_matching, now: clock() })
    }

    pub fn cost(&self) -> worker::Result<Cost> {
        self.create_tables()?;
        schema::load_cost(&self.sql)
    }

    pub fn watch(&self, until: u64) -> worker::Result<()> {
        self.create_tables()?;
        let until = until.min(clock() + MAX_WATCH_MS);
        schema::save_watched_until(&self.sql, until)?;
        self.watched_until.set(Some(until));
        Ok(())
    }

    /// Deletes rows that nobody said goodbye for; tells whether others may need it later.
    pub fn sweep(&self) -> worker::Result<bool> {
        self.create_tables()?;
        let now = clock();
        let ended = schema::delete_ended(&self.sql, now.saturating_sub(KEPT_MS))?;
        self.note(ended, now)?;
        schema::any_will_end(&self.sql)
    }

    /// Tells the hub what changed, bit by bit, until nothing is left or nobody watches. To be started
    /// whenever [`Shard::needs_push`].
    pub async fn push(self: Rc<Self>, registry: RegistryStub) {
        let _under_way = UnderWay::start(&self.is_pushing);
        let mut pause = PUSH_PAUSE;
        while self.has_untold() {
            Delay::from(pause).await;
            pause = PUSH_PAUSE;
            if let Err(error) = self.tell_hub(&registry).await {
                console_error!("live registry: the hub was not told: {error}");
                pause = PUSH_RETRY;
            }
        }
    }

    /// Whether something changed that the hub does not know, and nobody is about to tell it.
    pub fn needs_push(&self) -> bool {
        self.has_untold() && !self.is_pushing.get()
    }

    /// Tells the hub one message's worth; what failed is kept for the next time. Forgets all if nobody
    /// watches any more.
    async fn tell_hub(&self, registry: &RegistryStub) -> Result<(), Box<dyn Error>> {
        if !self.is_watched(clock())? {
            self.untold.borrow_mut().clear();
            self.skipped.set(false);
            return Ok(());
        }
        let (batch, skipped) = self.take_untold();
        let told = match self.load_changes(&batch, skipped) {
            Ok(changes) => registry.tell_hub(changes).await.map_err(Into::into),
            Err(error) => Err(error.into()),
        };
        if told.is_err() {
            self.skipped.set(self.skipped.get() || skipped);
            self.keep(batch);
        }
        told
    }

    fn load_changes(&self, batch: &BTreeSet<String>, skipped: bool) -> worker::Result<Changes> {
        let rows = schema::load_rows(&self.sql, batch)?;
        let present: BTreeSet<&String> = rows.iter().map(|row| &row.identity).collect();
        let gone = batch.iter().filter(|identity| !present.contains(identity)).cloned().collect();
        Ok(Changes { rows, gone, skipped })
    }

    fn has_untold(&self) -> bool {
        self.skipped.get() || !self.untold.borrow().is_empty()
    }

    fn take_untold(&self) -> (BTreeSet<String>, bool) {
        let mut untold = self.untold.borrow_mut();
        let batch = std::iter::from_fn(|| untold.pop_first()).take(MAX_CHANGES).collect();
        (batch, self.skipped.take())
    }

    fn is_watched(&self, now: u64) -> worker::Result<bool> {
        let until = match self.watched_until.get() {
            Some(until) => until,
            None => schema::load_watched_until(&self.sql)?,
        };
        self.watched_until.set(Some(until));
        Ok(now < until)
    }

    fn note(&self, changed: Vec<String>, now: u64) -> worker::Result<()> {
        if !changed.is_empty() && self.is_watched(now)? {
            self.keep(changed);
        }
        Ok(())
    }

    fn keep(&self, changed: impl IntoIterator<Item = String>) {
        let mut untold = self.untold.borrow_mut();
        untold.extend(changed);
        if untold.len() > MAX_UNTOLD {
            untold.clear();
            self.skipped.set(true);
        }
    }

    fn create_tables(&self) -> worker::Result<()> {
        if !self.has_tables.get() {
            schema::create(&self.sql)?;
            self.has_tables.set(true);
        }
        Ok(())
    }
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
