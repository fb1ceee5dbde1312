//! The one call to the identity's object, and the header fields that tell of it.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::time::Duration;

use durable::call::CallError;
use durable::compile_job::wire::Charged as Receipt;
use durable::identity::wire::{self, Claim, Decided, Member, Offer, Rejection, Reply, Standing, Take};
use durable::live_registry::wire::{Cost, Report};
use futures::future::{Either, select};
use limits::{Identity, OnOutage, Policy, Quota, Tier, UnixMillis, Window};
use serde_json::{Value, json};
use worker::{Delay, console_error};

use super::Counted;
use super::refusals::Refusals;
use crate::app::{App, now};
use crate::config::RateLimitFields;
use crate::error::ApiError;
use crate::incoming::Incoming;

/// How long an object may take to answer, in milliseconds.
const DEADLINE_MS: u64 = 1_000;

/// Time between two reports of one isolate, in milliseconds.
const REPORT_PAUSE_MS: u64 = 1_000;
/// How a key's own limit is called in the answers, and its window in milliseconds.
const KEY_POLICY: &str = "key";
const KEY_WINDOW_MS: u64 = 60_000;

/// Chooses the shard that adds up what the fronts report.
const FRONT: &str = "front";

/// Policies, and what a request costs under each.
pub type Charges<'a> = Vec<(&'a Policy, u32)>;

thread_local! {
    static REFUSALS: RefCell<Refusals<Reply>> = RefCell::default();
    /// Refusals that no object was asked for, and requests admitted uncounted, since they were last told.
    static COUNTERS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    static REPORTED_AT: Cell<UnixMillis> = const { Cell::new(UnixMillis(0)) };
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decider {
    /// The identity's object, for this request.
    Object,
    /// The front Worker, from what the object said a moment ago.
    FrontCache,
}

/// What became of the asking, and what is needed to tell the client of it.
#[derive(Debug, Clone)]
pub struct Charged {
    policies: Vec<Policy>,
    /// What the request costs under each.
    costs: Vec<u32>,
    /// The key whose own policy is the last of them, if it came with one.
    key: Option<String>,
    outcome: Outcome,
    decider: Decider,
    fields: RateLimitFields,
}

#[derive(Debug, Clone)]
enum Outcome {
    /// Nobody was asked: not limited, or nobody could be.
    Uncounted,
    Decided(Decided),
    Banned(wire::Banned),
}

impl Charged {
    /// For whom nothing is counted.
    pub fn nothing() -> Self {
        Self {
            policies: Vec::new(),
            costs: Vec::new(),
            key: None,
            outcome: Outcome::Uncounted,
            decider: Decider::Object,
            fields: RateLimitFields::Draft11,
        }
    }
}

/// Tells the live registry, after the answer and at most once a second, of what no object knows.
pub fn report_counters(app: &App) {
    let (cached_denials, uncounted) = COUNTERS.get();
    let at = now();
    if (cached_denials, uncounted) == (0, 0) || REPORTED_AT.get().until(at) < REPORT_PAUSE_MS {
        return;
    }
    COUNTERS.set((0, 0));
    REPORTED_AT.set(at);
    let cost = Cost { cached_denials, uncounted, ..Cost::default() };
    let report = Report { cost, sent_at: at.0, ..Report::default() };
    let registry = app.registry();
    app.afterwards(async move {
        let told = match registry {
            Ok(registry) => registry.report(FRONT, report).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(cause) = told {
            console_error!("{}", json!({ "level": "error", "what": "live registry", "cause": cause }));
        }
    });
}

/// What decides on the cost of a request.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    /// What it is counted under.
    pub policy: super::Policy,
    /// The route's path.
    pub path: &'static str,
}

/// How things stand, and who the user is, if the identity is one. Or why what the user brought is not good; nothing
/// was counted then.
pub type Taken = Result<(Charged, Option<Member>), Rejection>;

/// Asks the identity's object under all policies that count the request, and whether the claim is good.
///
/// # Errors
/// If there is no decision and a policy refuses then: 503, and no second budget.
pub async fn take(
    app: &App,
    request: &Incoming,
    identity: &Identity,
    claim: Option<Claim>,
    price: Price,
    nonce: &str,
) -> Result<Taken, ApiError> {
    let tiers: &[Tier] = match identity {
        Identity::Network(_) => &[Tier::Anonymous],
        Identity::User(_) => &Tier::ACCOUNTS,
    };
    let by_tier: Vec<(Tier, Charges<'_>)> =
        tiers.iter().map(|&tier| (tier, charges_of(app, tier, price))).collect();
    let costs: Vec<Vec<u32>> =
        by_tier.iter().map(|(_, charges)| charges.iter().map(|(_, cost)| *cost).collect()).collect();
    let claimed = match &claim {
        Some(Claim::Key(hash)) => hash.as_str(),
        _ => "",
    };
    let key = format!("{} {claimed} {:?} {costs:?}", identity.object_name(), price.policy);
    let taken = |reply: Reply, decider: Decider| {
        let (outcome, member) = match reply {
            Reply::Rejected(rejection) => return Err(rejection),
            Reply::Banned(banned) => (Outcome::Banned(banned), None),
            Reply::Decided(mut decided) => {
                let member = decided.member.take();
                (Outcome::Decided(decided), member)
            }
            _ => (Outcome::Uncounted, None),
        };
        let (policies, costs) = policies_of(&by_tier, member.as_ref());
        let key = member.as_ref().and_then(|member| Some(member.key.as_ref()?.id.clone()));
        let fields = app.config.rate_limit_fields;
        Ok((Charged { policies, costs, key, outcome, decider, fields }, member))
    };

    let asked_at = now();
    let remembered = REFUSALS
        .with_borrow(|refusals| refusals.find(&key, asked_at).map(|(reply, age_ms)| aged(reply, age_ms)));
    if let Some(reply) = remembered {
        let (cached, uncounted) = COUNTERS.get();
        COUNTERS.set((cached + 1, uncounted));
        return Ok(taken(reply, Decider::FrontCache));
    }

    let take = Take { nonce: nonce.to_owned(), claim, offers: by_tier.iter().map(offer).collect() };
    match ask(app, request, identity, take).await {
        Ok(reply) => {
            if let Some(wait_ms) = refusal_wait(&reply) {
                REFUSALS.with_borrow_mut(|refusals| refusals.keep(key, now(), wait_ms, reply.clone()));
            }
            Ok(taken(reply, Decider::Object))
        }
        Err(error) => {
            let may_open = |(policy, _): &(&Policy, u32)| policy.outage() == OnOutage::Admit;
            // Who can't be asked about a user can't tell either whether they are one.
            if !matches!(identity, Identity::Network(_))
                || !matches!(error, AskError::Silent | AskError::Call(CallError::Unreachable(_)))
                || !by_tier.iter().flat_map(|(_, charges)| charges).all(may_open)
            {
                return Err(error.into());
            }
            let (cached, uncounted) = COUNTERS.get();
            COUNTERS.set((cached, uncounted + 1));
            console_error!(
                "{}",
                json!({ "level": "error", "what": "admitted uncounted", "cause": error.to_string() })
            );
            Ok(taken(Reply::Unknown, Decider::Object))
        }
    }
}

/// What a request costs a caller of this tier.
fn charges_of<'a>(app: &'a App, tier: Tier, price: Price) -> Charges<'a> {
    let policies = &app.config.policies;
    match price.policy {
        super::Policy::Requests => policies.charges(Counted::Requests, tier, price.path),
        super::Policy::Reads => policies.charges(Counted::Reads, tier, price.path),
        super::Policy::Exempt => Vec::new(),
        super::Policy::Free => policies.of_tier(tier).map(|policy| (policy, 0)).collect(),
    }
}

fn offer((tier, charges): &(Tier, Charges<'_>)) -> Offer {
    let charges = charges.iter().map(|(policy, cost)| wire::Charge::new(policy, *cost));
    Offer { tier: tier.name().to_owned(), charges: charges.collect() }
}

/// The policies that the object decided under, with their costs: those of the caller's tier, and the key's own.
fn policies_of(by_tier: &[(Tier, Charges<'_>)], member: Option<&Member>) -> (Vec<Policy>, Vec<u32>) {
    let of_tier = match member {
        Some(member) => by_tier.iter().find(|(tier, _)| tier.name() == member.tier),
        None => by_tier.first(),
    };
    let charges = of_tier.map(|(_, charges)| charges.as_slice()).unwrap_or_default();
    let (mut policies, mut costs): (Vec<Policy>, Vec<u32>) =
        charges.iter().map(|(policy, cost)| ((*policy).clone(), *cost)).unzip();
    if let Some(key) = member.and_then(|member| member.key.as_ref()) {
        // The standing tells a limit of 0, which no policy has.
        let quota = Quota::at_least_one(key.rate_limit);
        if let Ok(policy) = Policy::new(KEY_POLICY, quota, Window::Fixed { ms: KEY_WINDOW_MS }) {
            policies.push(policy);
            costs.push(costs.iter().copied().max().unwrap_or(0));
        }
    }
    (policies, costs)
}

/// No decision came back.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("the identity's object did not answer within {DEADLINE_MS} ms")]
    Silent,
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("{0}")]
    Platform(#[from] worker::Error),
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Silent => Self::unavailable("The rate limiter", error),
            AskError::Call(error) => error.into(),
            AskError::Platform(error) => error.into(),
        }
    }
}

/// Asks, within the deadline. Test builds may ask for a slow answer by the request. An object that could not be
/// reached is asked once more: the nonce keeps it from charging twice.
#[cfg_attr(not(feature = "faults"), allow(unused_variables))]
async fn ask(app: &App, request: &Incoming, identity: &Identity, take: Take) -> Result<Reply, AskError> {
    let objects = app.identities()?;
    let asking = async {
        #[cfg(feature = "faults")]
        if let Some(ms) = request.header("X-Fault-Hang-Ms")?.and_then(|ms| ms.parse().ok()) {
            return Ok(objects.hang(identity, take, ms).await?);
        }
        match objects.take(identity, take.clone()).await {
            Err(CallError::Unreachable(_)) => Ok(objects.take(identity, take).await?),
            answered => Ok(answered?),
        }
    };
    match select(pin!(asking), pin!(Delay::from(Duration::from_millis(DEADLINE_MS)))).await {
        Either::Left((answered, _)) => answered,
        Either::Right(_) => Err(AskError::Silent),
    }
}

/// If the reply is a refusal: for how many milliseconds it holds, for ever if none.
fn refusal_wait(reply: &Reply) -> Option<Option<u64>> {
    match reply {
        Reply::Banned(banned) => Some(banned.until.map(|until| until.saturating_sub(banned.now))),
        Reply::Decided(decided) => {
            let standing = decided.standings.get(decided.refused_by?)?;
            Some(standing.fits_at.map(|at| at.saturating_sub(decided.now)))
        }
        _ => None,
    }
}

/// The same answer as it would be given `age_ms` later, by the clock of the object.
fn aged(reply: &Reply, age_ms: u64) -> Reply {
    let mut reply = reply.clone();
    match &mut reply {
        Reply::Decided(decided) => decided.now += age_ms,
        Reply::Banned(banned) => banned.now += age_ms,
        _ => {}
    }
    reply
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable(_) => Self::unavailable("The rate limiter", error),
            CallError::Failed(_) | CallError::Refused { .. } | CallError::Garbled(_) => {
                Self::Internal { cause: error.to_string() }
            }
        }
    }
}

impl Charged {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<ApiError> {
        let decided_by = match self.decider {
            Decider::Object => "object",
            Decider::FrontCache => "front-cache",
        };
        match &self.outcome {
            Outcome::Uncounted => None,
            Outcome::Banned(banned) => {
                let wait =
                    banned.until.map(|until| UnixMillis(banned.now).retry_after_seconds(UnixMillis(until)));
                Some(ApiError::Banned { retry_after: wait })
            }
            Outcome::Decided(decided) => {
                let index = decided.refused_by?;
                let (policy, standing) = (self.policies.get(index)?, decided.standings.get(index)?);
                let now = UnixMillis(decided.now);
                Some(ApiError::RateLimited {
                    policy: policy.name().to_owned(),
                    limit: standing.limit.unwrap_or(u32::MAX),
                    used: standing.used,
                    window_seconds: policy.window().ms().div_ceil(1000),
                    retry_after: standing.fits_at.map(|at| now.retry_after_seconds(UnixMillis(at))),
                    decided_by,
                })
            }
        }
    }

    /// What was taken, so that it can be given back.
    pub fn receipts(&self) -> Vec<Receipt> {
        let Outcome::Decided(decided) = &self.outcome else { return Vec::new() };
        let taken = self.policies.iter().zip(&self.costs).zip(&decided.standings);
        let receipts = taken.filter(|((_, cost), _)| **cost > 0).map(|((policy, cost), standing)| {
            let mut charge = wire::Charge::new(policy, *cost);
            if charge.policy == KEY_POLICY {
                // The object has a ledger for each key.
                charge.policy = wire::key_policy(self.key.as_deref().unwrap_or_default());
            }
            Receipt { charge, reset_at: standing.reset_at }
        });
        receipts.collect()
    }

    /// The same charges once more.
    #[cfg(feature = "faults")]
    pub fn again(&self) -> Vec<wire::Charge> {
        self.policies.iter().map(|policy| wire::Charge::new(policy, 1)).collect()
    }

    /// How things stand under each policy, for the caller's eyes.
    pub fn standings(&self) -> Vec<Value> {
        let Outcome::Decided(decided) = &self.outcome else { return Vec::new() };
        let shown = self.policies.iter().zip(&decided.standings).map(|(policy, standing)| {
            json!({
                "policy": policy.name(),
                "window": window_name(policy.window()),
                "windowSeconds": policy.window().ms().div_ceil(1000),
                "limit": standing.limit,
                "used": standing.used,
                "remaining": standing.remaining(),
                "resetAt": standing.reset_at,
                "shadow": policy.is_shadow(),
            })
        });
        shown.collect()
    }

    /// The header fields of every counted answer: the `X-RateLimit` family as existing clients know it, with
    /// the reset in milliseconds, and the `RateLimit` fields of draft-ietf-httpapi-ratelimit-headers-11, with
    /// whole seconds. The family tells of one policy: of the one that refuses, or else of the first, unless the key's
    /// own has less left. Policies without a limit and those that only record are not told of.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let Outcome::Decided(decided) = &self.outcome else { return Vec::new() };
        let limited: Vec<(usize, &Policy, &Standing, u32, u32)> = self
            .policies
            .iter()
            .zip(&decided.standings)
            .enumerate()
            .filter(|(_, (policy, _))| !policy.is_shadow())
            .filter_map(|(n, (policy, standing))| {
                Some((n, policy, standing, standing.limit?, standing.remaining()?))
            })
            .collect();
        let refusing = limited.iter().find(|(n, ..)| Some(*n) == decided.refused_by);
        let of_key = limited.iter().find(|(_, policy, ..)| policy.name() == KEY_POLICY);
        let usual = || limited.first().into_iter().chain(of_key).min_by_key(|(.., remaining)| *remaining);
        let told = refusing.or_else(usual);
        let Some((_, _, standing, limit, remaining)) = told else { return Vec::new() };
        let (left, wait) = match self.fields {
            RateLimitFields::Draft11 => ("r", "t"),
            RateLimitFields::Next => ("a", "w"),
        };
        let now = UnixMillis(decided.now);
        let quotas = limited.iter().map(|(_, policy, _, limit, _)| {
            format!("\"{}\";q={limit};w={}", policy.name(), policy.window().ms().div_ceil(1000))
        });
        let rest = limited.iter().map(|(_, policy, standing, _, remaining)| {
            let seconds = now.until(UnixMillis(standing.reset_at)).div_ceil(1000);
            format!("\"{}\";{left}={remaining};{wait}={seconds}", policy.name())
        });
        vec![
            ("X-RateLimit-Limit", limit.to_string()),
            ("X-RateLimit-Remaining", remaining.to_string()),
            ("X-RateLimit-Reset", standing.reset_at.to_string()),
            ("RateLimit-Policy", quotas.collect::<Vec<_>>().join(", ")),
            ("RateLimit", rest.collect::<Vec<_>>().join(", ")),
        ]
    }
}

/// The kind of a window.
pub fn window_name(window: Window) -> &'static str {
    match window {
        Window::Fixed { .. } => "fixed",
        Window::Calendar { .. } => "calendar",
        Window::Sliding { .. } => "sliding",
        Window::Bucket { .. } => "bucket",
        Window::Concurrency { .. } => "concurrency",
    }
}

#[cfg(test)]
mod tests {
    use limits::Quota;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn charged(standings: Vec<Standing>, refused_by: Option<usize>, decider: Decider) -> Charged {
        let policy = |name: &str, units, ms| {
            Policy::new(name, Quota::units(units).unwrap(), Window::Fixed { ms }).unwrap()
        };
        let outcome = Outcome::Decided(Decided { now: NOW, standings, refused_by, member: None });
        let policies = vec![policy("requests", 10, 60_000), policy("daily", 100, 86_400_000)];
        let costs = vec![1, 1];
        Charged { policies, costs, key: None, outcome, decider, fields: RateLimitFields::Draft11 }
    }

    fn standing(limit: u32, used: u32, reset_ms: u64, fits_at: Option<u64>) -> Standing {
        Standing { limit: Some(limit), used, reset_at: NOW + reset_ms, fits_at, never: false }
    }

    #[test]
    fn a_permit_tells_what_is_left_under_all_policies() {
        let standings = vec![standing(10, 1, 59_001, None), standing(100, 40, 5_000_000, None)];
        let charged = charged(standings, None, Decider::Object);
        assert!(charged.refusal().is_none());
        let expected = [
            ("X-RateLimit-Limit", "10"),
            ("X-RateLimit-Remaining", "9"),
            ("X-RateLimit-Reset", "1800000059001"),
            ("RateLimit-Policy", "\"requests\";q=10;w=60, \"daily\";q=100;w=86400"),
            ("RateLimit", "\"requests\";r=9;t=60, \"daily\";r=60;t=5000"),
        ];
        assert_eq!(charged.headers(), expected.map(|(name, value)| (name, value.to_owned())));
        let next = Charged { fields: RateLimitFields::Next, ..charged };
        assert!(
            next.headers()
                .contains(&("RateLimit", "\"requests\";a=9;w=60, \"daily\";a=60;w=5000".to_owned()))
        );
    }

    #[test]
    fn a_refusal_tells_of_the_policy_that_refuses() {
        let standings = vec![standing(10, 3, 1_000, None), standing(100, 100, 41_500, Some(NOW + 41_500))];
        let charged = charged(standings, Some(1), Decider::FrontCache);
        match charged.refusal() {
            Some(ApiError::RateLimited {
                policy,
                limit: 100,
                used: 100,
                retry_after: Some(42),
                decided_by,
                ..
            }) => {
                assert_eq!((policy.as_str(), decided_by), ("daily", "front-cache"));
            }
            other => panic!("unexpected: {other:?}"),
        }
        assert!(charged.headers().contains(&("X-RateLimit-Limit", "100".to_owned())));
    }

    #[test]
    fn what_was_taken_can_be_told() {
        let standings = vec![standing(10, 1, 59_001, None), standing(100, 40, 5_000, None)];
        let mut charged = charged(standings, None, Decider::Object);
        charged.costs = vec![2, 0];
        let receipts = charged.receipts();
        assert_eq!(receipts.len(), 1);
        assert_eq!((receipts[0].charge.policy.as_str(), receipts[0].charge.cost), ("requests", 2));
        assert_eq!(receipts[0].reset_at, NOW + 59_001);
        assert_eq!(Charged::nothing().receipts(), []);
    }

    #[test]
    fn the_unlimited_hear_nothing_of_limits() {
        let unlimited = Standing { limit: None, ..standing(1, 5, 0, None) };
        assert_eq!(charged(vec![unlimited, unlimited], None, Decider::Object).headers(), []);
        assert_eq!(Charged::nothing().headers(), []);
    }

    #[test]
    fn a_remembered_refusal_counts_down() {
        let decided = Decided {
            now: NOW,
            standings: vec![standing(10, 10, 9_000, Some(NOW + 9_000))],
            refused_by: Some(0),
            member: None,
        };
        let reply = Reply::Decided(decided);
        assert_eq!(refusal_wait(&reply), Some(Some(9_000)));
        assert_eq!(refusal_wait(&aged(&reply, 1_500)), Some(Some(7_500)));
        assert_eq!(refusal_wait(&Reply::Banned(wire::Banned { now: NOW, until: None })), Some(None));
    }
}
