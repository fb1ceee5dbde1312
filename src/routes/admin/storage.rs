//! `/admin/storage`: the service's own small records in D1, and a look at whatever else is there.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use worker::D1Database;

use super::read_only::{ReadOnly, Refused};
use crate::admission::Admitted;
use crate::app::{App, iso_time};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;
use crate::store::storage::{self as store, Deed, QueryError, Row};

/// Bound of a body with a statement: 10,000 bytes, of which JSON may write each as six.
const MAX_QUERY_BODY_BYTES: u64 = 64 * 1024;

/// `GET /admin/storage/stats`: how many rows there are.
///
/// Fails: 503 D1 can't be asked, here and everywhere below.
pub async fn show_stats(app: App, _admitted: Admitted) -> ApiResult {
    let stats = store::load_stats(&database(&app)?, app.now).await.map_err(of_store)?;
    Reply::json(&json!({
        "success": true,
        "stats": stats,
        // Existing pages look for these. There is neither a key-value store nor a bucket.
        "kvKeys": 0,
        "r2Objects": 0,
        "d1Tables": stats.n_tables,
        "cacheEntries": stats.filter_cache,
        "timestamp": iso_time(app.now),
    }))
}

/// `POST /admin/storage/clear-expired`: deletes whatever has had its time.
pub async fn clear_expired(app: App, admitted: Admitted) -> ApiResult {
    let author = admitted.caller.author();
    let deed = deed(&app, &admitted, &author, "clear_expired", json!({}));
    let n = store::clear_expired(&database(&app)?, &deed).await.map_err(of_store)?;
    let message = format!("Removed {n} expired entries");
    Reply::json(&json!({ "success": true, "deleted": n, "removed": n, "message": message }))
}

/// `POST /admin/storage/clear-cache`: forgets what is known of sources.
pub async fn clear_cache(app: App, admitted: Admitted) -> ApiResult {
    let author = admitted.caller.author();
    let deed = deed(&app, &admitted, &author, "clear_cache", json!({}));
    let n = store::clear_cache(&database(&app)?, &deed).await.map_err(of_store)?;
    let message = format!("Cleared {n} cache entries");
    Reply::json(&json!({ "success": true, "deleted": n, "message": message }))
}

/// `GET /admin/storage/export`: the newest rows, as a file to be kept.
pub async fn export(app: App, _admitted: Admitted) -> ApiResult {
    let export = store::load_export(&database(&app)?).await.map_err(of_store)?;
    let reply = Reply::bounded_json(&json!({
        "success": true,
        "exportedAt": iso_time(app.now),
        "storage_entries": export.storage_entries,
        "filter_cache": export.filter_cache,
        "compilation_metadata": export.compilation_metadata,
    }))?;
    let name = format!("attachment; filename=\"storage-export-{}.json\"", app.now.0);
    Ok(reply.with_header("Content-Disposition", name))
}

/// `POST /admin/storage/vacuum`: as much of it as D1 lets anybody do.
pub async fn vacuum(app: App, admitted: Admitted) -> ApiResult {
    let author = admitted.caller.author();
    let deed = deed(&app, &admitted, &author, "optimize_storage", json!({}));
    store::optimize(&database(&app)?, &deed).await.map_err(of_store)?;
    let message = "Ran PRAGMA optimize; D1 does not allow VACUUM and reclaims space by itself";
    Reply::json(&json!({ "success": true, "message": message }))
}

/// `GET /admin/storage/tables`: names and types of tables and views.
pub async fn list_tables(app: App, _admitted: Admitted) -> ApiResult {
    let tables = store::list_tables(&database(&app)?).await.map_err(of_store)?;
    Reply::json(&json!({ "success": true, "tables": tables }))
}

/// `POST /admin/storage/query`: the first 1,000 rows of what one reading statement, `sql`, finds.
///
/// Columns are told if there is a row to have them.
///
/// Fails: 400 the body can't be used, the statement is refused, or SQLite does not take it; 413 the rows are too large.
pub async fn query(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(expecting = "an object")]
    struct Asked {
        sql: String,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        success: bool,
        columns: Vec<&'a str>,
        rows: &'a [Row],
        row_count: usize,
        duration: Option<f64>,
        meta: Value,
    }

    let Asked { sql } = body::read_json(&admitted.request, MAX_QUERY_BODY_BYTES).await?;
    let statement = ReadOnly::parse(&sql).map_err(of_refusal)?;
    let author = admitted.caller.author();
    let deed = deed(&app, &admitted, &author, "query_storage", json!({ "sql": sql }));
    let found = store::query(&database(&app)?, &deed, statement).await.map_err(|error| match error {
        QueryError::Statement(detail) => ApiError::Unusable { code: "query_failed", detail },
        QueryError::Store(error) => of_store(error),
    })?;
    let meta = json!({ "duration": found.duration_ms, "rows_read": found.n_read, "truncated": found.is_cut });
    Reply::bounded_json(&Shown {
        success: true,
        columns: found.rows.first().map(Row::columns).unwrap_or_default(),
        rows: &found.rows,
        row_count: found.rows.len(),
        duration: found.duration_ms,
        meta,
    })
}

/// Anything else below `/admin/storage`.
pub async fn refuse_unknown(_app: App, _admitted: Admitted) -> ApiResult {
    Err(ApiError::Missing { detail: "Unknown admin endpoint" })
}

fn deed<'a>(
    app: &App,
    admitted: &'a Admitted,
    author: &'a str,
    action: &'static str,
    details: Value,
) -> Deed<'a> {
    Deed { id: &admitted.request_id, at: app.now.0, author, action, details }
}

fn database(app: &App) -> Result<D1Database, ApiError> {
    app.d1().map_err(|error| ApiError::not_configured("Database not configured", error))
}

fn of_store(error: worker::Error) -> ApiError {
    ApiError::unavailable("The storage", error)
}

fn of_refusal(refused: Refused) -> ApiError {
    match refused {
        Refused::TooLong => ApiError::Invalid { issues: format!("/sql: {refused}") },
        Refused::NoSelect | Refused::Disallowed => {
            ApiError::Unusable { code: "query_refused", detail: refused.to_string() }
        }
    }
}
