//! `/admin/limits`: live counters, and what an admin may change about one identity.
//!
//! Every change is written into D1 as pending, done by the identity's object, and completed in D1. All three
//! carry the action's id, so repeating a request with the same `Idempotency-Key` does nothing twice, and
//! [`settle_pending`] finishes what a crash left in between.

use std::collections::BTreeSet;

use durable::call::CallError;
use durable::identity::wire::{Act, Acted, Action, Charge, Offer};
use durable::live_registry::Query;
use limits::{Identity, Policy, Tier, UnixMillis};
use serde::Deserialize;
use serde_json::{Value, json};
use worker::js_sys;

use crate::admission::Admitted;
use crate::app::{App, iso_time};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Reply};
use crate::store::audit::{self, Entry, Outcome};

/// The largest quota that can be given to one identity. Nobody sends more, and it leaves room for sums.
const MAX_VALUE: u64 = 1_000_000_000;
/// Longest reason, in bytes.
const MAX_REASON_BYTES: usize = 500;
/// Bound of a body of this API.
pub(super) const MAX_BODY_BYTES: u64 = 4096;
/// Entries of the audit on one page, unless asked otherwise, and at most.
const AUDIT_PAGE: u32 = 50;
const MAX_AUDIT_PAGE: u32 = 500;
/// A pending action older than this, in milliseconds, has happened or never will: objects refuse it after half
/// of that.
const SETTLE_AFTER_MS: u64 = 60_000;
/// Pending actions looked at in one run of the schedule.
const SETTLE_AT_ONCE: u32 = 50;

/// `GET /admin/limits`: the identities seen lately, with the age of each row.
///
/// `filter` (near, refused, banned, overridden, shadowed), `search` (a part of the name), `sort` (recent, level, refused,
/// name), `limit` (1 to 500), `after` (the `next` of the page before).
pub async fn list_identities(app: App, admitted: Admitted) -> ApiResult {
    let asked = Parameters::of(&admitted)?;
    let query = Query::parse(
        asked.get("filter"),
        asked.get("search"),
        asked.get("sort"),
        asked.get("after"),
        asked.get("limit"),
    );
    let query =
        query.map_err(|error| ApiError::Unusable { code: "query_unusable", detail: error.to_string() })?;
    let page = app.registry()?.list(&query).await.map_err(of_registry)?;
    Reply::json(&json!({
        "success": true,
        "timestamp": iso_time(app.now),
        "rows": page.rows,
        "next": page.next,
        "count": page.n_all,
        "matching": page.n_matching,
    }))
}

/// `GET /admin/limits/{identity}`: exactly how things stand, from the identity's own object.
pub async fn show_identity(app: App, admitted: Admitted) -> ApiResult {
    let identity = parse_identity(&admitted.item)?;
    let state = app.identities()?.peek(&identity, offers_of(&app, &identity)).await?;
    Reply::json(&json!({ "success": true, "identity": identity.object_name(), "state": state }))
}

/// `POST /admin/limits/{identity}/reset`: forgets what was taken, under the `policy` of the body or under all.
pub async fn reset(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize, Default)]
    #[serde(deny_unknown_fields)]
    struct Reset {
        policy: Option<String>,
        reason: Option<String>,
    }

    let Reset { policy, reason } =
        body::read_json::<Option<Reset>>(&admitted.request, MAX_BODY_BYTES).await?.unwrap_or_default();
    check_reason(reason.as_deref().unwrap_or("-"))?;
    let identity = parse_identity(&admitted.item)?;
    if let Some(policy) = &policy {
        find_policy(&app, &identity, policy)?;
    }
    act(&app, &admitted, &identity, Action::Reset { policy }, reason).await
}

/// `PUT /admin/limits/{identity}/override`: another quota for one policy, for a time or for ever.
pub async fn set_override(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Wanted {
        #[serde(default = "requests")]
        policy: String,
        value: Value,
        expires_at: Option<Value>,
        reason: String,
    }

    fn requests() -> String {
        "requests".to_owned()
    }

    let Wanted { policy, value, expires_at, reason } =
        body::read_json(&admitted.request, MAX_BODY_BYTES).await?;
    check_reason(&reason)?;
    let identity = parse_identity(&admitted.item)?;
    let value = value.as_u64().filter(|value| (1..=MAX_VALUE).contains(value)).ok_or_else(|| {
        let must = format!("/value: must be a whole number from 1 to {MAX_VALUE}; a ban refuses everything");
        ApiError::Invalid { issues: must }
    })?;
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    let expires_at = parse_expiry("expiresAt", expires_at.as_ref(), app.now)?;
    let most = find_policy(&app, &identity, &policy)?.window().most_units();
    if value > most {
        return Err(ApiError::Invalid { issues: format!("/value: this policy counts at most {most} units") });
    }
    let action = Action::SetOverride { policy, value, expires_at, reason: reason.clone() };
    act(&app, &admitted, &identity, action, Some(reason)).await
}

/// `DELETE /admin/limits/{identity}/override`: the policy's own quota again; `?policy=` names it.
pub async fn clear_override(app: App, admitted: Admitted) -> ApiResult {
    let identity = parse_identity(&admitted.item)?;
    let policy = Parameters::of(&admitted)?.get("policy").unwrap_or("requests").to_owned();
    find_policy(&app, &identity, &policy)?;
    act(&app, &admitted, &identity, Action::ClearOverride { policy }, None).await
}

/// `PUT /admin/limits/{identity}/ban`: refuses everything, for a time or for ever.
pub async fn ban(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Wanted {
        expires_at: Option<Value>,
        reason: String,
    }

    let Wanted { expires_at, reason } = body::read_json(&admitted.request, MAX_BODY_BYTES).await?;
    check_reason(&reason)?;
    let identity = parse_identity(&admitted.item)?;
    let until = parse_expiry("expiresAt", expires_at.as_ref(), app.now)?;
    let action = Action::Ban { until, reason: reason.clone() };
    act(&app, &admitted, &identity, action, Some(reason)).await
}

/// `DELETE /admin/limits/{identity}/ban`.
pub async fn unban(app: App, admitted: Admitted) -> ApiResult {
    let identity = parse_identity(&admitted.item)?;
    act(&app, &admitted, &identity, Action::Unban, None).await
}

/// `GET /admin/limits/audit`: what admins did, newest first. `identity`, `limit` (1 to 500), `after`.
pub async fn show_audit(app: App, admitted: Admitted) -> ApiResult {
    let asked = Parameters::of(&admitted)?;
    let identity =
        asked.get("identity").map(parse_identity).transpose()?.map(|identity| identity.object_name());
    let unusable = |detail: &str| ApiError::Unusable { code: "query_unusable", detail: detail.to_owned() };
    let n = match asked.get("limit") {
        None => AUDIT_PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| (1..=MAX_AUDIT_PAGE).contains(n))
            .ok_or_else(|| unusable("limit must be a whole number from 1 to 500"))?,
    };
    let after = match asked.get("after") {
        None => None,
        Some(text) => {
            let (at, id) =
                text.split_once('.').ok_or_else(|| unusable("after must be the next of a page"))?;
            let at = at.parse().map_err(|_| unusable("after must be the next of a page"))?;
            Some((UnixMillis(at), id))
        }
    };
    // One more than asked for tells whether there is a next page.
    let mut entries =
        audit::load_newest(&app.d1()?, identity.as_deref(), after, n + 1).await.map_err(of_audit)?;
    let has_next = entries.len() > n as usize;
    entries.truncate(n as usize);
    let next = entries.last().filter(|_| has_next).map(|last| format!("{}.{}", last.asked_at, last.id));
    Reply::json(&json!({ "success": true, "entries": entries, "next": next }))
}

/// `GET /admin/limits/cost`: what limiting cost since the registry exists.
pub async fn show_cost(app: App, _admitted: Admitted) -> ApiResult {
    let cost = app.registry()?.cost().await.map_err(of_registry)?;
    let per = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    Reply::json(&json!({
        "success": true,
        "admits": cost.admits,
        "denials": cost.denials,
        "shadowDenials": cost.shadow_denials,
        "writes": cost.writes,
        "writesPerAdmit": per(cost.writes, cost.admits),
        "leaseWaste": cost.leases_lost,
        "cachedDenials": cost.cached_denials,
        "uncountedAdmits": cost.uncounted,
        "reports": cost.reports,
        "registryLagMs": per(cost.lag_ms_total, cost.reports),
    }))
}

/// `GET /admin/limits/live`: a WebSocket with a snapshot and then all changes.
pub async fn watch(app: App, admitted: Admitted) -> ApiResult {
    let upgrade = admitted.request.header("Upgrade")?.unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        let detail = "this path takes WebSockets alone".to_owned();
        return Err(ApiError::Unusable { code: "upgrade_required", detail });
    }
    let response = app.registry()?.watch().await.map_err(of_registry)?;
    Ok(Reply { status: 101, headers: Vec::new(), cookies: Vec::new(), body: Body::Socket(response) })
}

/// Finishes actions whose outcome got lost. The schedule calls it.
///
/// # Errors
/// If D1 or an object can't be asked; what could not be settled stays pending.
pub async fn settle_pending(app: &App) -> Result<(), ApiError> {
    let database = app.d1()?;
    let before = UnixMillis(app.now.0.saturating_sub(SETTLE_AFTER_MS));
    for entry in audit::load_pending(&database, before, SETTLE_AT_ONCE).await.map_err(of_audit)? {
        let identity = parse_identity(&entry.identity)?;
        let done = app.identities()?.recall(&identity, &entry.id).await?;
        complete(app, &entry.id, done.as_ref()).await?;
    }
    Ok(())
}

/// Writes the action down, has it done, and writes down what it did.
async fn act(
    app: &App,
    admitted: &Admitted,
    identity: &Identity,
    action: Action,
    reason: Option<String>,
) -> ApiResult {
    let id = match admitted.request.header("Idempotency-Key")? {
        None => admitted.request_id.clone(),
        Some(key) => parse_key(key)?,
    };
    let mut details =
        serde_json::to_value(&action).map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    if let (Some(members), Some(reason)) = (details.as_object_mut(), reason) {
        members.insert("reason".to_owned(), reason.into());
    }
    let wanted = Entry {
        id,
        asked_at: app.now.0,
        identity: identity.object_name(),
        author: admitted.caller.author(),
        action: action.name().to_owned(),
        details,
        outcome: Outcome::Pending,
        before: None,
        after: None,
    };
    let entry = audit::save_pending(&app.d1()?, &wanted).await.map_err(of_audit)?;
    if (&entry.identity, &entry.details) != (&wanted.identity, &wanted.details) {
        let detail = "this Idempotency-Key stands for another action".to_owned();
        return Err(ApiError::Unusable { code: "idempotency_key_reused", detail });
    }
    if let (Outcome::Done, Some(before), Some(after)) = (entry.outcome, &entry.before, &entry.after) {
        return shown(&entry, before, after);
    }
    let act = Act {
        id: entry.id.clone(),
        asked_at: entry.asked_at,
        author: entry.author.clone(),
        action,
        policies: offers_of(app, identity),
    };
    let acted = app.identities()?.act(identity, act).await.map_err(|error| match error {
        CallError::Refused { status: 400, text } => {
            ApiError::Unusable { code: "action_refused", detail: text }
        }
        other => other.into(),
    })?;
    complete(app, &entry.id, Some(&acted)).await?;
    let (before, after) = states(&acted)?;
    shown(&entry, &before, &after)
}

fn shown(entry: &Entry, before: &Value, after: &Value) -> ApiResult {
    Reply::json(&json!({
        "success": true,
        "id": entry.id,
        "identity": entry.identity,
        "action": entry.action,
        "before": before,
        "after": after,
    }))
}

async fn complete(app: &App, id: &str, acted: Option<&Acted>) -> Result<(), ApiError> {
    let states = acted.map(states).transpose()?;
    let outcome = if states.is_some() { Outcome::Done } else { Outcome::NeverHappened };
    let states = states.as_ref().map(|(before, after)| (before, after));
    audit::save_outcome(&app.d1()?, id, &outcome, states).await.map_err(of_audit)
}

fn states(acted: &Acted) -> Result<(Value, Value), ApiError> {
    let value =
        |state| serde_json::to_value(state).map_err(|error| ApiError::Internal { cause: error.to_string() });
    Ok((value(&acted.before)?, value(&acted.after)?))
}

/// The tiers that an identity may be of: networks have no account.
fn tiers_of(identity: &Identity) -> &'static [Tier] {
    match identity {
        Identity::Network(_) => &[Tier::Anonymous],
        Identity::User(_) => &Tier::ACCOUNTS,
    }
}

/// Every policy that counts this identity, at no cost. The object knows the tier.
fn offers_of(app: &App, identity: &Identity) -> Vec<Offer> {
    let offer = |tier: &Tier| Offer {
        tier: tier.name().to_owned(),
        charges: app.config.policies.of_tier(*tier).map(|policy| Charge::new(policy, 0)).collect(),
    };
    tiers_of(identity).iter().map(offer).collect()
}

fn find_policy<'a>(app: &'a App, identity: &Identity, name: &str) -> Result<&'a Policy, ApiError> {
    let policies = || tiers_of(identity).iter().flat_map(|tier| app.config.policies.of_tier(*tier));
    policies().find(|policy| policy.name() == name).ok_or_else(|| {
        let names: BTreeSet<&str> = policies().map(Policy::name).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        ApiError::Invalid { issues: format!("/policy: must be one of {names}") }
    })
}

fn parse_identity(text: &str) -> Result<Identity, ApiError> {
    text.parse().map_err(|error: limits::NotAnIdentity| ApiError::Unusable {
        code: "identity_malformed",
        detail: error.to_string(),
    })
}

/// Milliseconds since 1970, or a text as ISO 8601 has it; in the future.
pub(super) fn parse_expiry(
    field: &str,
    value: Option<&Value>,
    now: UnixMillis,
) -> Result<Option<u64>, ApiError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let millis = match value {
        Value::String(text) => js_sys::Date::parse(text),
        other => other.as_f64().unwrap_or(f64::NAN),
    };
    // The last instant of a JavaScript date: 100 million days after 1970.
    if millis > now.0 as f64 && millis <= 8.64e15 {
        return Ok(Some(millis as u64));
    }
    let issues = format!("/{field}: must be a future instant, in milliseconds since 1970 or as ISO 8601");
    Err(ApiError::Invalid { issues })
}

fn check_reason(reason: &str) -> Result<(), ApiError> {
    if reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES {
        let issues = format!("/reason: must be a text of 1 to {MAX_REASON_BYTES} bytes");
        return Err(ApiError::Invalid { issues });
    }
    Ok(())
}

fn parse_key(key: String) -> Result<String, ApiError> {
    if (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key);
    }
    let detail = "Idempotency-Key must be 1 to 64 visible ASCII characters".to_owned();
    Err(ApiError::Unusable { code: "idempotency_key_malformed", detail })
}

/// The parameters of a query.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(admitted: &Admitted) -> Result<Self, ApiError> {
        Ok(Self(admitted.request.url()?.query_pairs().into_owned().collect()))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn of_registry(error: CallError) -> ApiError {
    ApiError::unavailable("The live view", error)
}

fn of_audit(error: worker::Error) -> ApiError {
    ApiError::unavailable("The audit", error)
}
