//! Tells the live registry what admins would want to see, after the answer has left and seldom.
//!
//! Told are transitions: an identity is seen for the first time, comes near its limit, is refused, banned,
//! given another quota, or is idle; and a busy one once a minute. At most one report leaves per second; what comes in between waits for the
//! next. Reports carry no decision: if one is lost, a list is a little old, and its rows say how old.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use limits::UnixMillis;
use serde_json::json;
use worker::{Date, Delay, Env, State as ObjectState, console_error};

use super::wire::{Charge, Reply, Standing, State};
use crate::live_registry::wire::{Cost, Report, Row};
use crate::live_registry::{BINDING, RegistryStub};

/// Time between two reports at least, in milliseconds.
const PAUSE_MS: u64 = 1_000;

/// How old a row of a busy identity gets at most, in milliseconds.
const REFRESH_MS: u64 = 60_000;

/// What a request showed.
pub struct Seen<'a> {
    pub tier: &'a str,
    pub charges: &'a [Charge],
    pub reply: &'a Reply,
    pub n_writes: usize,
    pub overridden: bool,
    pub banned: bool,
    pub object: &'a ObjectState,
    pub now: UnixMillis,
}

/// What an alarm did.
pub struct Alarm<'a> {
    pub n_writes: usize,
    /// Units that were reserved and not used.
    pub n_handed_back: u64,
    /// Nothing counts any more, and there is no exception.
    pub is_idle: bool,
    pub overridden: bool,
    pub banned: bool,
    pub object: &'a ObjectState,
    pub now: UnixMillis,
}

/// What admins were told of, in short: a report is due when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    near: bool,
    refused: bool,
    shadowed: bool,
    banned: bool,
    overridden: bool,
}

#[derive(Default)]
struct Notes {
    row: Option<Row>,
    told: Option<Told>,
    cost: Cost,
    is_due: bool,
    /// Idle, with nothing to show.
    is_gone: bool,
    sent_at: Option<UnixMillis>,
    is_sending: bool,
}

/// What one identity has to tell.
pub struct Reporter {
    env: Env,
    notes: RefCell<Notes>,
}

impl Reporter {
    pub fn new(env: Env) -> Self {
        Self { env, notes: RefCell::default() }
    }

    /// Takes note of a request.
    pub fn saw(&self, seen: Seen<'_>) {
        let mut notes = self.notes.borrow_mut();
        let is_peek = seen.charges.iter().all(|charge| charge.cost == 0);
        let is_refused = match seen.reply {
            Reply::Decided(decided) => decided.refused_by.is_some(),
            Reply::Banned(_) => true,
            _ => return,
        };
        match (is_peek, is_refused) {
            (true, _) => return,
            (false, true) => notes.cost.denials += 1,
            (false, false) => notes.cost.admits += 1,
        }
        notes.cost.writes += seen.n_writes as u64;
        let is_shadowed = match seen.reply {
            Reply::Decided(decided) => {
                let mut standings = seen.charges.iter().zip(&decided.standings);
                standings.any(|(charge, standing): (&Charge, &Standing)| charge.shadow && !standing.fits())
            }
            _ => false,
        };
        notes.cost.shadow_denials += u64::from(is_shadowed);

        let row = notes.row.get_or_insert_with(|| empty_row(seen.object));
        if let Reply::Decided(decided) = seen.reply
            && let Some((charge, standing)) = seen
                .charges
                .iter()
                .zip(&decided.standings)
                .max_by_key(|(_, standing)| level(standing.limit, standing.used))
        {
            // A window that admits again is another one.
            if !is_refused && row.reset_at != standing.reset_at {
                row.n_refused = 0;
                row.n_shadowed = 0;
            }
            row.policy.clone_from(&charge.policy);
            (row.limit, row.used, row.reset_at) = (standing.limit, standing.used, standing.reset_at);
            row.near = is_near(standing.limit, standing.used);
        }
        row.n_refused += u32::from(is_refused);
        row.n_shadowed += u32::from(is_shadowed);
        seen.tier.clone_into(&mut row.tier);
        (row.banned, row.overridden, row.at) = (seen.banned, seen.overridden, seen.now.0);
        let told = told(row);
        notes.is_gone = false;
        let is_stale = notes.sent_at.is_none_or(|sent_at| sent_at.until(seen.now) >= REFRESH_MS);
        notes.is_due |= is_stale || notes.told != Some(told);
        notes.told = Some(told);
    }

    /// Takes note of what an admin changed.
    pub fn saw_change(&self, after: &State, object: &ObjectState, now: UnixMillis) {
        let mut notes = self.notes.borrow_mut();
        let row = notes.row.get_or_insert_with(|| empty_row(object));
        let states =
            after.policies.iter().filter(|state| row.policy.is_empty() || state.policy == row.policy);
        if let Some(state) = states.max_by_key(|state| level(state.limit, state.used)) {
            row.policy.clone_from(&state.policy);
            (row.limit, row.used, row.reset_at) = (state.limit, state.used, state.reset_at);
            row.near = is_near(state.limit, state.used);
        }
        (row.n_refused, row.n_shadowed) = (0, 0);
        row.banned = after.ban.is_some();
        row.overridden = after.policies.iter().any(|state| state.r#override.is_some());
        row.at = now.0;
        notes.told = Some(told(row));
        notes.is_due = true;
        notes.is_gone = false;
    }

    /// Takes note of what the alarm did.
    pub fn saw_alarm(&self, alarm: Alarm<'_>) {
        let notes = &mut *self.notes.borrow_mut();
        notes.cost.writes += alarm.n_writes as u64;
        notes.cost.leases_lost += alarm.n_handed_back;
        let row = notes.row.get_or_insert_with(|| empty_row(alarm.object));
        (row.banned, row.overridden, row.at) = (alarm.banned, alarm.overridden, alarm.now.0);
        if alarm.is_idle {
            notes.told = None;
            notes.is_gone = true;
            notes.is_due = true;
        } else if notes.told.is_some() {
            // An exception may have ended. A new instance has nothing to tell of yet.
            let told = told(row);
            notes.is_due |= notes.told != Some(told);
            notes.told = Some(told);
        }
    }

    /// The report to send after the answer, if one is due and none is under way.
    pub fn due(this: &Rc<Self>, now: UnixMillis) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        let mut notes = this.notes.borrow_mut();
        if !notes.is_due || notes.is_sending {
            return None;
        }
        notes.is_sending = true;
        let wait_ms = notes.sent_at.map_or(0, |sent_at| PAUSE_MS.saturating_sub(sent_at.until(now)));
        drop(notes);
        let this = Rc::clone(this);
        Some(Box::pin(async move {
            if wait_ms > 0 {
                Delay::from(Duration::from_millis(wait_ms)).await;
            }
            this.send().await;
        }))
    }

    async fn send(&self) {
        let now = Date::now().as_millis();
        let (identity, report) = {
            let mut notes = self.notes.borrow_mut();
            notes.is_sending = false;
            notes.is_due = false;
            notes.sent_at = Some(UnixMillis(now));
            let cost = std::mem::take(&mut notes.cost);
            let Some(row) = notes.row.clone() else { return };
            let identity = row.identity.clone();
            let (rows, gone) =
                if notes.is_gone { (Vec::new(), vec![identity.clone()]) } else { (vec![row], Vec::new()) };
            (identity, Report { rows, gone, cost, sent_at: now })
        };
        let sent = match RegistryStub::new(&self.env, BINDING) {
            Ok(registry) => registry.report(&identity, report).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(cause) = sent {
            // Nothing is decided by a report; the next one tells the same and more.
            console_error!("{}", json!({ "level": "error", "what": "live registry", "cause": cause }));
            self.notes.borrow_mut().told = None;
        }
    }
}

fn empty_row(object: &ObjectState) -> Row {
    Row {
        identity: object.id().name().unwrap_or_default(),
        tier: String::new(),
        policy: String::new(),
        limit: None,
        used: 0,
        reset_at: 0,
        n_refused: 0,
        n_shadowed: 0,
        banned: false,
        overridden: false,
        near: false,
        at: 0,
    }
}

fn told(row: &Row) -> Told {
    Told {
        near: row.near,
        refused: row.n_refused > 0,
        shadowed: row.n_shadowed > 0,
        banned: row.banned,
        overridden: row.overridden,
    }
}

/// Thousandths of the limit; 0 for unlimited.
fn level(limit: Option<u32>, used: u32) -> u64 {
    limit.map_or(0, |limit| u64::from(used) * 1000 / u64::from(limit.max(1)))
}

/// From four fifths of the limit on.
fn is_near(limit: Option<u32>, used: u32) -> bool {
    limit.is_some() && level(limit, used) >= 800
}
