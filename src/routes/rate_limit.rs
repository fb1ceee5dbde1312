//! `GET /rate-limit`: the caller's own policies.

use serde_json::json;

use crate::admission::Admitted;
use crate::app::{App, iso_time};
use crate::error::ApiResult;
use crate::reply::Reply;

/// `GET /rate-limit`: every policy that counts the caller, and what is left under each. Costs nothing.
pub async fn show_rate_limit(app: App, admitted: Admitted) -> ApiResult {
    Reply::json(&json!({
        "success": true,
        "identity": admitted.caller.identity.object_name(),
        "tier": admitted.caller.rights.tier.name(),
        "timestamp": iso_time(app.now),
        "policies": admitted.charged.standings(),
    }))
}
