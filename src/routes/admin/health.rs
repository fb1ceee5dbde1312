//! `GET /admin/health`: whether the admin API lets one in.

use serde_json::json;

use crate::admission::Admitted;
use crate::app::{App, iso_time};
use crate::error::ApiResult;
use crate::reply::Reply;

/// `GET /admin/health`. What works and what does not is told by `GET /api/health`.
pub async fn show_health(app: App, _admitted: Admitted) -> ApiResult {
    Reply::json(&json!({
        "success": true,
        "status": "ok",
        "version": app.config.version,
        "timestamp": iso_time(app.now),
    }))
}
