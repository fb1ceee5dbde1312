//! Whether every part of the service works, found out by using it.

use futures::join;
use serde::Serialize;
use serde_json::{Value, json};
use worker::{Cache, Response, console_error, console_log};

use super::metrics::{of_metrics, unless_known};
use crate::admission::Admitted;
use crate::app::{App, iso_time, now};
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Reply};
use crate::store::{d1, postgres};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Healthy,
    Degraded,
    Down,
}

/// What one probe found.
struct Probe<T> {
    latency_ms: u64,
    /// The failure is for the log alone.
    found: Result<T, String>,
}

impl<T> Probe<T> {
    fn status(&self) -> Status {
        if self.found.is_ok() { Status::Healthy } else { Status::Down }
    }
}

async fn probe<T, E: ToString>(ask: impl Future<Output = Result<T, E>>) -> Probe<T> {
    let started_at = now();
    let found = ask.await.map_err(|error| error.to_string());
    Probe { latency_ms: started_at.until(now()), found }
}

async fn probe_d1(app: &App) -> Probe<u32> {
    probe(async { d1::count_tables(&app.d1()?).await }).await
}

async fn probe_postgres(app: &App) -> Probe<postgres::Facts> {
    probe(async { postgres::load_facts(&app.postgres()?).await }).await
}

/// Writes an entry into the platform's cache and reads it back.
async fn probe_cache() -> Probe<()> {
    const ENTRY: &str = "https://cache.health.invalid/";
    probe(async {
        let cache = Cache::default();
        let entry = Response::ok("1")?;
        entry.headers().set("Cache-Control", "max-age=60")?;
        cache.put(ENTRY, entry).await?;
        match cache.get(ENTRY, false).await? {
            Some(_) => Ok(()),
            None => Err(worker::Error::from("the entry just written is not there")),
        }
    })
    .await
}

/// Compiles one rule and looks at the result.
fn probe_compiler() -> Status {
    if crate::routes::compile::compiles_one_rule() { Status::Healthy } else { Status::Down }
}

struct Health {
    overall: Status,
    report: Value,
}

async fn examine(app: &App) -> Health {
    let (records, keys, cache) = join!(probe_d1(app), probe_postgres(app), probe_cache());
    let compiler = probe_compiler();
    // Without its secret nobody can sign in, but lists still compile.
    let auth = if app.config.auth_key.is_some() { Status::Healthy } else { Status::Degraded };
    let provider = if app.config.auth_key.is_some() { "better-auth" } else { "none" };
    // Likewise, nothing but speed is lost without the cache.
    let caching = cache.status().min(Status::Degraded);
    let statuses = [records.status(), keys.status(), compiler, auth, caching];
    let overall = statuses.into_iter().max().unwrap_or(Status::Healthy);

    let failures = [
        ("d1", records.found.as_ref().err()),
        ("postgres", keys.found.as_ref().err()),
        ("cache", cache.found.as_ref().err()),
    ];
    for (what, failure) in failures {
        if let Some(cause) = failure {
            console_error!("{}", json!({ "level": "error", "probe": what, "cause": cause }));
        }
    }

    let database = match &keys.found {
        Ok(facts) => json!({
            "status": keys.status(), "latency_ms": keys.latency_ms, "db_name": facts.database,
        }),
        Err(_) => json!({
            "status": keys.status(),
            "latency_ms": keys.latency_ms,
            "error_code": "unavailable",
            "error_message": "PostgreSQL did not answer",
        }),
    };
    let check = |service: &str, status: Status, latency_ms: Option<u64>| {
        let message = (status != Status::Healthy).then_some("see the log for the cause");
        json!({ "service": service, "status": status, "latencyMs": latency_ms, "message": message })
    };
    let report = json!({
        "success": true,
        "status": overall,
        "version": app.config.version,
        "timestamp": iso_time(app.now),
        "services": {
            "gateway": { "status": Status::Healthy },
            "database": database,
            "compiler": { "status": compiler },
            "auth": { "status": auth, "provider": provider },
            "cache": { "status": caching, "latency_ms": cache.latency_ms },
        },
        "checks": [
            check("d1", records.status(), Some(records.latency_ms)),
            check("postgres", keys.status(), Some(keys.latency_ms)),
            check("compiler", compiler, None),
            check("auth", auth, None),
            check("cache", caching, Some(cache.latency_ms)),
        ],
    });
    Health { overall, report }
}

/// `GET /health`: always 200; the body tells.
pub async fn show_health(app: App, _admitted: Admitted) -> ApiResult {
    let health = examine(&app).await;
    let cache = "public, max-age=30, stale-while-revalidate=10";
    Ok(Reply::json(&health.report)?.with_header("Cache-Control", cache))
}

/// `GET /health/db-smoke`: one real query to D1 and one to PostgreSQL. 503 if either fails.
pub async fn show_db_smoke(app: App, _admitted: Admitted) -> ApiResult {
    let (records, keys) = join!(probe_d1(&app), probe_postgres(&app));
    let (n_tables, facts) = match (records.found, keys.found) {
        (Ok(n_tables), Ok(facts)) => (n_tables, facts),
        (Err(cause), _) => return Err(down("D1", cause)),
        (_, Err(cause)) => return Err(down("PostgreSQL", cause)),
    };
    Reply::json(&json!({
        "ok": true,
        "db_name": facts.database,
        "pg_version": facts.version,
        "server_time": facts.server_time,
        "table_count": facts.n_tables,
        "latency_ms": keys.latency_ms,
        "hyperdrive_host": app.postgres()?.host(),
        "d1": { "ok": true, "table_count": n_tables, "latency_ms": records.latency_ms },
    }))
}

fn down(what: &'static str, cause: String) -> ApiError {
    ApiError::Unavailable { what, cause, extra: [("ok".to_owned(), json!(false))].into_iter().collect() }
}

/// `GET /health/latest`: what the schedule found when it last looked, without looking again.
pub async fn show_latest_health(app: App, _admitted: Admitted) -> ApiResult {
    match app.metrics()?.read_health().await.map_err(of_metrics)? {
        Some(text) => {
            let body = Body::Json { media_type: "application/json", text };
            Ok(Reply { body, ..Reply::empty(200) })
        }
        None => Reply::json(&json!({ "success": true, "message": "No health check has run yet" })),
    }
}

/// `GET /container/status`: there is no container, which pages that look for one are told.
pub async fn show_container_status(app: App, admitted: Admitted) -> ApiResult {
    let status = "unavailable";
    let reply = Reply::json(&json!({ "status": status, "checkedAt": iso_time(app.now) }))?;
    let reply = reply.with_header("Cache-Control", "public, max-age=15, stale-while-revalidate=5");
    unless_known(&admitted, status, reply)
}

/// The scheduled look at the same parts, for the log and for whoever asks what was found last.
pub async fn log_health(app: &App) {
    let Health { overall, mut report } = examine(app).await;
    if overall == Status::Healthy {
        console_log!("{}", json!({ "level": "info", "health": report }));
    } else {
        console_error!("{}", json!({ "level": "error", "health": report }));
    }
    if let Some(members) = report.as_object_mut() {
        members.insert("checkedAt".to_owned(), iso_time(now()).into());
    }
    if let Err(error) = save_health(app, report.to_string()).await {
        console_error!("{}", json!({ "level": "error", "what": "latest health", "cause": error.cause() }));
    }
}

async fn save_health(app: &App, report: String) -> Result<(), ApiError> {
    app.metrics()?.save_health(report).await.map_err(of_metrics)
}
