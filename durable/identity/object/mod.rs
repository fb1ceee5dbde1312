//! The class. Its name lives in deploy migrations for ever.
#![allow(missing_docs)] // the attribute below generates public glue without any

mod user;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use limits::{Book, Effect, Ledger, Override, Policy, PolicyError, Quota, UnixMillis};
use worker::{DurableObject, Env, Error, Headers, Request, Response, Result, State, durable_object, js_sys};

use super::account::{Account, User};
use super::envelope;
use super::reporter::{Alarm, Reporter, Seen};
use super::schema::Tables;
use super::wire::{
    Act, Acted, Action, Banned, Charge, Command, Decided, Envelope, Exception, MAX_ACT_AGE_MS, MAX_CHARGES,
    MAX_ID_BYTES, MAX_VOUCH_MS, Offer, PolicyState, Refund, Reply, Standing, State as Shown, Take, VERSION,
};
use user::{barred, charge_of_key, load_account_once, member};

/// Answers kept for requests that are asked once more. A front asks again at most once, and at once.
const MAX_ANSWERED: usize = 64;
/// How long an action is remembered after it was done, in milliseconds: long enough for whoever lost the
/// answer to ask, short enough to leave nothing behind.
const KEEP_ACTIONS_MS: u64 = 60 * 60_000;
/// Replies longer than this leave in a body. Those that are on a request's way are far shorter.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// One identity: a network or a user.
#[durable_object]
pub struct Identity {
    state: State,
    // A panic can't leave it wrong: what is decided is remembered in one step, after the deciding.
    memory: AssertUnwindSafe<RefCell<Memory>>,
    tables: AssertUnwindSafe<Tables>,
    reporter: AssertUnwindSafe<Rc<Reporter>>,
}

/// What this instance knows. Storage is the truth; this is lost whenever the object is evicted.
#[derive(Default)]
struct Memory {
    book: Book,
    /// Overrides and the ban; none until they were read.
    exceptions: Option<Vec<(String, Exception)>>,
    /// The user; none until it was read.
    account: Option<Account>,
    /// Uses of each key that nobody has collected.
    uses: HashMap<String, Uses>,
    /// The latest answers by nonce.
    answered: VecDeque<(String, Reply)>,
    /// When the alarm is due, as far as this instance knows.
    alarm_at: Option<UnixMillis>,
}

/// Uses of a key that nobody has collected.
#[derive(Default)]
struct Uses {
    n: u32,
    last_at: u64,
    /// When somebody was asked to collect them; none while nobody was.
    asked_at: Option<UnixMillis>,
}

impl DurableObject for Identity {
    fn new(state: State, env: Env) -> Self {
        let reporter = AssertUnwindSafe(Rc::new(Reporter::new(env)));
        let tables = AssertUnwindSafe(Tables::new(state.storage().sql()));
        Self { state, memory: AssertUnwindSafe(RefCell::new(Memory::default())), tables, reporter }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let reply = match envelope::open::<Envelope>(&request.inner().url()) {
            Err(error) => Reply::Refused(format!("not a command: {error}")),
            Ok(Envelope { v, .. }) if v != VERSION => {
                Reply::Refused(format!("version {v} is not known here, {VERSION} is"))
            }
            Ok(Envelope { command, .. }) => self.obey(command).await?,
        };
        let sealed = envelope::seal(&reply)?;
        if sealed.len() > MAX_HEADER_BYTES {
            return Response::ok(sealed);
        }
        let headers = Headers::new();
        headers.set(envelope::REPLY, &sealed)?;
        Ok(Response::empty()?.with_headers(headers))
    }

    /// Forgets what is over and writes down what was really taken. The clock is read anew, because an alarm
    /// may come late, early or twice; what is still open arms the next one.
    async fn alarm(&self) -> Result<Response> {
        let (next, is_empty) = self.clean_up(clock()).inspect_err(|_| self.forget())?;
        if let Some(at) = next {
            self.arm(at).await?;
        }
        if is_empty {
            self.tables.forget();
            self.state.storage().delete_all().await?;
        }
        Response::empty()
    }
}

impl Identity {
    async fn obey(&self, command: Command) -> Result<Reply> {
        match command {
            Command::Take(take) => self.take(&take).await,
            Command::Peek(offers) => self.peek(&offers),
            Command::Account(command) => self.keep(command).await,
            Command::Vouch(ms) => self.vouch(ms).await,
            Command::AskVouched => {
                let until = self.tables.load_vouched_until()?;
                Ok(Reply::Vouched(until.is_some_and(|until| clock() < until)))
            }
            Command::Act(act) => self.act(&act).await,
            Command::Recall(id) => Ok(self.tables.load_action(&id)?.map_or(Reply::Unknown, Reply::Acted)),
            #[cfg(feature = "faults")]
            #[allow(clippy::panic)]
            Command::Panic(take) => {
                self.take(&take).await?;
                panic!("asked to panic after taking units")
            }
            #[cfg(feature = "faults")]
            Command::Hang(take, ms) => {
                worker::Delay::from(std::time::Duration::from_millis(ms)).await;
                self.take(&take).await
            }
        }
    }

    async fn take(&self, take: &Take) -> Result<Reply> {
        if let Err(reason) = check_id(&take.nonce) {
            return Ok(Reply::Refused(reason));
        }
        let now = clock();
        let (reply, wake_at) = self.decide(take, now).inspect_err(|_| self.forget())?;
        if let Some(at) = wake_at {
            // Still the same turn: the alarm is stored together with the ledgers or not at all.
            self.arm(at).await?;
        }
        // After the answer has left.
        if let Some(report) = Reporter::due(&self.reporter, now) {
            self.state.wait_until(report);
        }
        Ok(reply)
    }

    /// From the reading of memory and storage to the writing there is no await, so no other request can come
    /// between. Returns the answer and when to be woken.
    fn decide(&self, take: &Take, now: UnixMillis) -> Result<(Reply, Option<UnixMillis>)> {
        let mut memory = self.memory.borrow_mut();
        if let Some((_, reply)) = memory.answered.iter().find(|(nonce, _)| *nonce == take.nonce) {
            return Ok((reply.clone(), None));
        }
        let Memory { book, exceptions, account, uses, .. } = &mut *memory;
        let exceptions = load_once(exceptions, &self.tables)?;
        let account = load_account_once(account, &self.tables)?;
        let judged = match take.claim.as_ref().map(|claim| account.judge(claim, now)).transpose() {
            Ok(judged) => judged,
            Err(rejection) => return Ok((Reply::Rejected(rejection), None)),
        };
        let offer = match &judged {
            Some(judged) => find_offer(&take.offers, judged.tier.name()),
            None => take.offers.first(),
        };
        let Some(Offer { tier, charges: offered }) = offer else {
            return Ok((Reply::Refused("no offer for this tier".to_owned()), None));
        };
        let key = judged.as_ref().and_then(|judged| judged.key);
        let mut wanted = offered.clone();
        wanted.extend(key.and_then(|(_, key)| charge_of_key(key, offered)));
        let ban = standing_ban(exceptions, now);
        let policies = match effective(&wanted, exceptions, now) {
            Ok(policies) => policies,
            Err(error) => return Ok((Reply::Refused(error.to_string()), None)),
        };
        // A limit of 0 is no quota. Whoever has such a key may look, and that is all.
        let is_barred =
            key.is_some_and(|(_, key)| key.rate_limit == 0) && offered.iter().any(|charge| charge.cost > 0);
        let charges: Vec<limits::Charge<'_>> = policies
            .iter()
            .zip(&wanted)
            .map(|(policy, charge)| limits::Charge::new(policy, if is_barred { 0 } else { charge.cost }))
            .collect();
        let (reply, wake_at, n_writes) = match ban {
            Some(ban) => (Reply::Banned(Banned { now: now.0, until: ban.expires_at }), None, 0),
            None => {
                let outcome = book.decide(&charges, now, |policy| self.tables.load_ledger(policy))?;
                let wake_at = store(&self.tables, &outcome.effects)?;
                let mut decided = Decided::new(&outcome.decision, now);
                if is_barred {
                    decided.refused_by = Some(decided.standings.len());
                    decided.standings.push(barred(now));
                }
                let is_counted = decided.refused_by.is_none() && wanted.iter().any(|charge| charge.cost > 0);
                decided.member = judged.as_ref().map(|judged| member(judged, uses, is_counted, now));
                (Reply::Decided(decided), wake_at, outcome.effects.len())
            }
        };
        self.reporter.saw(Seen {
            tier,
            charges: &wanted,
            reply: &reply,
            n_writes,
            overridden: has_override(exceptions, now),
            banned: ban.is_some(),
            object: &self.state,
            now,
        });
        let is_peek = wanted.iter().all(|charge| charge.cost == 0);
        if !is_peek {
            if memory.answered.len() >= MAX_ANSWERED {
                memory.answered.pop_front();
            }
            memory.answered.push_back((take.nonce.clone(), reply.clone()));
        }
        Ok((reply, wake_at))
    }

    fn peek(&self, offers: &[Offer]) -> Result<Reply> {
        match self.show(offers, clock())? {
            Ok(shown) => Ok(Reply::State(shown)),
            Err(error) => Ok(Reply::Refused(error.to_string())),
        }
    }

    /// Everything there is to see under these policies. Stores nothing.
    fn show(&self, offers: &[Offer], now: UnixMillis) -> Result<std::result::Result<Shown, PolicyError>> {
        let mut memory = self.memory.borrow_mut();
        let Memory { book, exceptions, account, .. } = &mut *memory;
        let exceptions = load_once(exceptions, &self.tables)?;
        let account = load_account_once(account, &self.tables)?;
        // Networks are offered one tier, users all.
        let offer = find_offer(offers, account.tier().name()).or(offers.first());
        let (tier, charges) = offer.map_or(("", [].as_slice()), |offer| (&offer.tier, &offer.charges));
        let policies = match effective(charges, exceptions, now) {
            Ok(policies) => policies,
            Err(error) => return Ok(Err(error)),
        };
        let peeks: Vec<limits::Charge<'_>> =
            policies.iter().map(|policy| limits::Charge::new(policy, 0)).collect();
        let outcome = book.decide(&peeks, now, |policy| self.tables.load_ledger(policy))?;
        let states = charges.iter().zip(&outcome.decision.standings).map(|(charge, standing)| {
            let standing = Standing::from(*standing);
            PolicyState {
                policy: charge.policy.clone(),
                window: charge.window,
                window_ms: charge.ms,
                limit: standing.limit,
                used: standing.used,
                remaining: standing.remaining(),
                reset_at: standing.reset_at,
                shadow: charge.shadow,
                r#override: find_exception(exceptions, &charge.policy, now).cloned(),
            }
        });
        let ban = standing_ban(exceptions, now).cloned();
        Ok(Ok(Shown { at: now.0, tier: tier.to_owned(), policies: states.collect(), ban }))
    }

    /// Remembers that a person stands behind the identity. What was remembered for longer stays.
    async fn vouch(&self, ms: u64) -> Result<Reply> {
        let now = clock();
        let until = UnixMillis(now.0.saturating_add(ms.min(MAX_VOUCH_MS)));
        if self.tables.load_vouched_until()?.is_none_or(|known| known < until) {
            self.tables.save_vouched_until(until)?;
            self.arm(until).await?;
        }
        Ok(Reply::Vouched(true))
    }

    async fn act(&self, act: &Act) -> Result<Reply> {
        if let Err(reason) = check_id(&act.id) {
            return Ok(Reply::Refused(reason));
        }
        let now = clock();
        // From here to the writing of the action there is no await.
        if let Some(acted) = self.tables.load_action(&act.id)? {
            return Ok(Reply::Acted(acted));
        }
        if now.0.saturating_sub(act.asked_at) > MAX_ACT_AGE_MS {
            return Ok(Reply::Refused("the action comes too late".to_owned()));
        }
        if let Err(error) = check_action(act) {
            return Ok(Reply::Refused(error));
        }
        let before = match self.show(&act.policies, now)? {
            Ok(before) => before,
            Err(error) => return Ok(Reply::Refused(error.to_string())),
        };
        self.change(act, now).inspect_err(|_| self.forget())?;
        let after = self.show(&act.policies, now)?.unwrap_or_else(|_| before.clone());
        let acted = Acted { before, after };
        self.tables.save_action(&act.id, now, &acted)?;
        if let Some(at) = self.tables.load_next_end(KEEP_ACTIONS_MS)? {
            self.arm(at).await?;
        }
        // No admin looks at a refund while it happens; they see it with the next request.
        if !matches!(act.action, Action::Refund { .. }) {
            self.reporter.saw_change(&acted.after, &self.state, now);
        }
        if let Some(report) = Reporter::due(&self.reporter, now) {
            self.state.wait_until(report);
        }
        Ok(Reply::Acted(acted))
    }

    fn change(&self, act: &Act, now: UnixMillis) -> Result<()> {
        let mut memory = self.memory.borrow_mut();
        // Answers of before say nothing any more.
        memory.answered.clear();
        let exception = |value, expires_at, reason: &str| Exception {
            value,
            expires_at,
            reason: reason.to_owned(),
            author: act.author.clone(),
            since: now.0,
        };
        match &act.action {
            Action::Reset { policy } => {
                let mut stored = self.tables.load_ledgers()?;
                stored.retain(|(name, _)| policy.as_ref().is_none_or(|policy| policy == name));
                let effects = memory.book.reset(stored, now);
                store(&self.tables, &effects)?;
            }
            Action::SetOverride { policy, value, expires_at, reason } => {
                self.tables.save_exception(policy, &exception(Some(*value), *expires_at, reason))?;
            }
            Action::ClearOverride { policy } => self.tables.delete_exception(policy)?,
            Action::Ban { until, reason } => {
                self.tables.save_exception(BAN, &exception(None, *until, reason))?;
            }
            Action::Unban => self.tables.delete_exception(BAN)?,
            Action::Refund { charges } => self.refund(&mut memory, charges, now)?,
        }
        memory.exceptions = None;
        Ok(())
    }

    /// Gives units back under the policies as they stand, overrides included: a bucket with another rate would not
    /// know them again.
    fn refund(&self, memory: &mut Memory, refunds: &[Refund], now: UnixMillis) -> Result<()> {
        let exceptions = load_once(&mut memory.exceptions, &self.tables)?;
        for Refund { charge, reset_at } in refunds.iter().take(MAX_CHARGES) {
            let policies = effective(std::slice::from_ref(charge), exceptions, now)
                .map_err(|error| Error::RustError(error.to_string()))?;
            for policy in &policies {
                let read = |policy: &str| self.tables.load_ledger(policy);
                let effects = memory.book.refund(policy, charge.cost, UnixMillis(*reset_at), now, read)?;
                store(&self.tables, &effects)?;
            }
        }
        Ok(())
    }

    /// What the alarm does; returns when it is to come again, and whether nothing is left to keep.
    fn clean_up(&self, now: UnixMillis) -> Result<(Option<UnixMillis>, bool)> {
        let mut memory = self.memory.borrow_mut();
        memory.alarm_at = None;
        self.tables.delete_expired_exceptions(now)?;
        self.tables.delete_actions_until(UnixMillis(now.0.saturating_sub(KEEP_ACTIONS_MS)))?;
        self.tables.delete_expired_account(now)?;
        self.tables.delete_expired_vouched(now)?;
        memory.exceptions = None;
        memory.account = None;
        let stored = self.tables.load_ledgers()?;
        let effects = memory.book.wake(stored.clone(), now);
        let n_handed_back = handed_back(&stored, &effects);
        let wake_at = store(&self.tables, &effects)?;
        let next_end = self.tables.load_next_end(KEEP_ACTIONS_MS)?;
        let account = self.tables.load_account()?;
        let is_stranger = matches!(account.user, User::Unknown) && account.keys.is_empty();
        let exceptions = load_once(&mut memory.exceptions, &self.tables)?;
        let next = wake_at.into_iter().chain(next_end).min();
        // An exception without an end needs no alarm, but it stays.
        let is_idle = wake_at.is_none() && exceptions.is_empty();
        let is_empty = next.is_none() && is_idle && is_stranger;
        self.reporter.saw_alarm(Alarm {
            n_writes: effects.len(),
            n_handed_back,
            is_idle,
            overridden: has_override(exceptions, now),
            banned: standing_ban(exceptions, now).is_some(),
            object: &self.state,
            now,
        });
        if let Some(report) = Reporter::due(&self.reporter, now) {
            self.state.wait_until(report);
        }
        if is_empty {
            *memory = Memory::default();
        }
        Ok((next, is_empty))
    }

    /// Sets the alarm, unless it is known to come earlier anyway.
    async fn arm(&self, at: UnixMillis) -> Result<()> {
        let now = clock();
        {
            let mut memory = self.memory.borrow_mut();
            if memory.alarm_at.is_some_and(|alarm_at| now < alarm_at && alarm_at <= at) {
                return Ok(());
            }
            memory.alarm_at = Some(at);
        }
        let offset_ms = i64::try_from(now.until(at)).unwrap_or(i64::MAX);
        self.state.storage().set_alarm(offset_ms).await
    }

    /// After a failed write memory may be ahead of storage; storage is the truth.
    fn forget(&self) {
        self.memory.replace(Memory::default());
    }
}

/// The name under which the ban is stored; no policy has it.
const BAN: &str = "";

/// The exceptions, read from storage the first time.
fn load_once<'a>(
    exceptions: &'a mut Option<Vec<(String, Exception)>>,
    tables: &Tables,
) -> Result<&'a [(String, Exception)]> {
    if exceptions.is_none() {
        *exceptions = Some(tables.load_exceptions()?);
    }
    Ok(exceptions.as_deref().unwrap_or_default())
}

fn find_offer<'a>(offers: &'a [Offer], tier: &str) -> Option<&'a Offer> {
    offers.iter().find(|offer| offer.tier == tier)
}

fn find_exception<'a>(
    exceptions: &'a [(String, Exception)],
    policy: &str,
    now: UnixMillis,
) -> Option<&'a Exception> {
    let (_, exception) = exceptions.iter().find(|(name, _)| name == policy)?;
    exception.expires_at.is_none_or(|expires_at| now.0 < expires_at).then_some(exception)
}

fn standing_ban(exceptions: &[(String, Exception)], now: UnixMillis) -> Option<&Exception> {
    find_exception(exceptions, BAN, now)
}

fn has_override(exceptions: &[(String, Exception)], now: UnixMillis) -> bool {
    exceptions.iter().any(|(name, _)| name != BAN && find_exception(exceptions, name, now).is_some())
}

/// The policies with their overrides.
fn effective(
    charges: &[Charge],
    exceptions: &[(String, Exception)],
    now: UnixMillis,
) -> std::result::Result<Vec<Policy>, PolicyError> {
    let of = |charge: &Charge| {
        let policy = charge.to_policy()?;
        let value = find_exception(exceptions, &charge.policy, now).and_then(|exception| exception.value);
        let instead = value.and_then(Quota::units).map(|quota| Override { quota, expires_at: None });
        Ok(policy.under(instead.as_ref(), now).into_owned())
    };
    charges.iter().take(MAX_CHARGES).map(of).collect()
}

/// Carries the effects out; returns when to be woken.
fn store(tables: &Tables, effects: &[Effect]) -> Result<Option<UnixMillis>> {
    let mut wake_at = None;
    for effect in effects {
        match effect {
            Effect::Save { policy, ledger } => tables.save_ledger(policy, ledger)?,
            Effect::Delete(policy) => tables.delete_ledger(policy)?,
            Effect::WakeAt(at) => wake_at = Some(*at),
            // Exceptions and actions may still be there: the alarm finds out what is left.
            Effect::Forget => {}
        }
    }
    Ok(wake_at)
}

/// Units that were reserved and not used, as far as these effects give them back.
fn handed_back(stored: &[(String, Ledger)], effects: &[Effect]) -> u64 {
    let of = |effect: &Effect| {
        let Effect::Save { policy, ledger } = effect else { return 0 };
        let before = stored.iter().find(|(name, _)| name == policy).map(|(_, before)| before);
        match (before, ledger) {
            (Some(Ledger::Count { mark, .. }), Ledger::Count { mark: rest, .. }) => {
                u64::from(mark.saturating_sub(*rest))
            }
            (Some(Ledger::Bucket { level, ms, .. }), Ledger::Bucket { level: rest, .. }) => {
                level.saturating_sub(*rest) / (*ms).max(1)
            }
            _ => 0,
        }
    };
    effects.iter().map(of).sum()
}

/// An override must be one of a policy that there is, and what is given back of one that can be.
fn check_action(act: &Act) -> std::result::Result<(), String> {
    match &act.action {
        Action::SetOverride { policy, .. }
            if !act.policies.iter().flat_map(|offer| &offer.charges).any(|known| known.policy == *policy) =>
        {
            Err(format!("there is no policy {policy}"))
        }
        Action::Refund { charges } => charges
            .iter()
            .try_for_each(|refund| refund.charge.to_policy().map(drop).map_err(|error| error.to_string())),
        _ => Ok(()),
    }
}

fn check_id(id: &str) -> std::result::Result<(), String> {
    let is_visible = id.bytes().all(|byte| byte.is_ascii_graphic());
    if id.is_empty() || id.len() > MAX_ID_BYTES || !is_visible {
        return Err(format!("an id is 1 to {MAX_ID_BYTES} visible ASCII characters"));
    }
    Ok(())
}

fn clock() -> UnixMillis {
    UnixMillis(js_sys::Date::now() as u64)
}
