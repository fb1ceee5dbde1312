//! `/admin/policies`: what is counted for whom.

use limits::{OnOutage, Tier};
use serde_json::{Value, json};

use crate::admission::{Admitted, window_name};
use crate::app::App;
use crate::error::ApiResult;
use crate::reply::Reply;

/// `GET /admin/policies`: every policy of every tier, as it is after `RATE_LIMIT_POLICIES`.
pub async fn list_policies(app: App, _admitted: Admitted) -> ApiResult {
    let policies = Tier::ALL.into_iter().flat_map(|tier| {
        app.config.policies.terms_of_tier(tier).map(move |(policy, counts, costs)| {
            json!({
                "tier": tier.name(),
                "name": policy.name(),
                "quota": policy.quota().limit(),
                "window": window_name(policy.window()),
                "windowMs": policy.window().ms(),
                "counts": counts,
                "costs": costs,
                "onOutage": match policy.outage() {
                    OnOutage::Admit => "admit",
                    OnOutage::Refuse => "refuse",
                },
                "shadow": policy.is_shadow(),
            })
        })
    });
    Reply::json(&json!({ "success": true, "policies": policies.collect::<Vec<Value>>() }))
}
