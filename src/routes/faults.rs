//! Routes that break on purpose. They exist in test builds alone.
#![allow(clippy::panic)]

use durable::identity::IdentityStub;
use durable::identity::wire::{Charge, Offer, Take, VERSION};
use durable::live_registry::wire::{Report, Row};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::admission::Admitted;
use crate::app::{App, n_reached};
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;

/// `POST /faults/front`: panics in the front Worker.
pub async fn panic_in_front(_app: App, _admitted: Admitted) -> ApiResult {
    panic!("asked to panic in the front")
}

/// `POST /faults/object`: takes one more unit, then panics inside the identity's object.
pub async fn panic_in_object(app: App, admitted: Admitted) -> ApiResult {
    app.identities()?.panic(&admitted.caller.identity, take_again(&admitted)).await?;
    panic!("the object did not panic")
}

/// `POST /faults/retry`: takes one more unit, twice with the same nonce.
pub async fn take_twice(app: App, admitted: Admitted) -> ApiResult {
    let (objects, identity) = (app.identities()?, &admitted.caller.identity);
    let first = objects.take(identity, take_again(&admitted)).await?;
    let second = objects.take(identity, take_again(&admitted)).await?;
    Reply::json(&json!({ "first": first, "second": second }))
}

/// `POST /faults/unknown`: sends the object what it can't know.
pub async fn send_the_unknown(app: App, admitted: Admitted) -> ApiResult {
    let take = take_again(&admitted);
    let bad_nonce = Take { nonce: "not visible".to_owned(), ..take.clone() };
    let mut bad_policy = take.clone();
    for charge in bad_policy.offers.iter_mut().flat_map(|offer| &mut offer.charges) {
        *charge = Charge { ms: 0, ..charge.clone() };
    }
    let mut refusals = Vec::new();
    for anything in [
        json!({ "v": VERSION + 1, "command": { "take": take } }),
        json!({ "v": VERSION, "command": { "grant": {} } }),
        json!({ "v": VERSION, "command": { "take": bad_nonce } }),
        json!({ "v": VERSION, "command": { "take": bad_policy } }),
        json!("nonsense"),
    ] {
        refusals.push(app.identities()?.send(&admitted.caller.identity, &anything).await?);
    }
    Reply::json(&json!({ "refusals": refusals }))
}

/// `POST /faults/registry`: tells the live registry of `n` identities from number `from` on.
pub async fn fill_registry(app: App, admitted: Admitted) -> ApiResult {
    let url = admitted.request.url()?;
    let number = |wanted: &str| {
        url.query_pairs().find(|(name, _)| name == wanted).and_then(|(_, value)| value.parse::<u32>().ok())
    };
    let (from, n) = (number("from").unwrap_or(0), number("n").unwrap_or(0));
    let registry = app.registry()?;
    let now = app.now.0;
    let reports = stream::iter(from..from + n).map(|number| {
        let [a, b, c, d] = number.to_be_bytes();
        let row = Row {
            identity: format!("net:{}.{b}.{c}.{d}", a + 10),
            tier: "anonymous".to_owned(),
            policy: "requests".to_owned(),
            limit: Some(10),
            used: number % 11,
            reset_at: now + 600_000,
            n_refused: number % 7,
            n_shadowed: 0,
            banned: false,
            overridden: false,
            near: number % 11 >= 8,
            at: now,
        };
        let report = Report { rows: vec![row.clone()], sent_at: now, ..Report::default() };
        let registry = &registry;
        async move { registry.report(&row.identity, report).await }
    });
    let unavailable = |error| ApiError::unavailable("The live view", error);
    reports.buffer_unordered(64).try_collect::<()>().await.map_err(unavailable)?;
    Reply::json(&json!({ "n": n }))
}

/// `GET /faults/calls`: how often this isolate reached for each store. A request that needs none changes nothing.
pub async fn count_calls(_app: App, _admitted: Admitted) -> ApiResult {
    let (d1, postgres) = n_reached();
    Reply::json(&json!({ "d1": d1, "postgres": postgres, "objects": IdentityStub::n_calls() }))
}

/// One more unit under the policies of the request itself.
fn take_again(admitted: &Admitted) -> Take {
    Take {
        nonce: format!("{}-again", admitted.request_id),
        claim: None,
        offers: vec![Offer {
            tier: admitted.caller.rights.tier.name().to_owned(),
            charges: admitted.charged.again(),
        }],
    }
}
