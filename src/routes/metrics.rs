//! What happened: in the last half hour for pages, and since the service exists for Prometheus.

use std::collections::BTreeMap;

use durable::call::CallError;
use durable::live_registry::wire::Cost;
use durable::service_metrics::wire::{Metrics, Tally};
use futures::join;
use limits::UnixMillis;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use worker::console_error;

use crate::admission::Admitted;
use crate::app::{App, iso_time};
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Reply};
use crate::router::is_within;
use crate::store::jobs::{self, Unfinished};

/// Endpoints that are shown even if nobody used them.
const ALWAYS_SHOWN: [&str; 3] = ["/compile", "/compile/stream", "/compile/batch"];

/// Version 0.0.4 of Prometheus's text format.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is shown of an endpoint.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint<'a> {
    count: u64,
    success: u64,
    failed: u64,
    /// In milliseconds.
    avg_duration: u64,
    /// Failures by their stable names.
    errors: BTreeMap<&'a str, u64>,
}

impl<'a> Endpoint<'a> {
    fn of(tally: &'a Tally) -> Self {
        Self {
            count: tally.n,
            success: n_good(tally),
            failed: tally.n_failed,
            avg_duration: tally.total_ms.checked_div(tally.n).unwrap_or(0),
            errors: tally.errors.iter().map(|(name, n)| (name.as_str(), *n)).collect(),
        }
    }
}

/// `GET /metrics`: how compiling went in the last half hour.
pub async fn show_metrics(app: App, admitted: Admitted) -> ApiResult {
    let metrics = app.metrics()?.read().await.map_err(of_metrics)?;
    let endpoints = json!(endpoints_of(&metrics.recent));
    let shown = json!({
        "success": true,
        "window": "30 minutes",
        "timestamp": iso_time(app.now),
        "endpoints": endpoints,
    });
    let reply = Reply::json(&shown)?.with_header("Cache-Control", "no-cache");
    unless_known(&admitted, &endpoints.to_string(), reply)
}

/// `GET /metrics/prometheus`: all routes and what limiting cost, since they are counted, the hosts of sources that are
/// left alone, and the jobs that have not ended. Of jobs nothing is told while D1 can't be asked.
pub async fn show_prometheus(app: App, admitted: Admitted) -> ApiResult {
    let (metrics, registry, database) = (app.metrics()?, app.registry()?, app.d1()?);
    let (metrics, cost, unfinished) =
        join!(metrics.read(), registry.cost(), jobs::count_unfinished(&database));
    let cost = cost.map_err(|error| ApiError::unavailable("The live view", error))?;
    let unfinished = unfinished.inspect_err(|error| {
        console_error!("{}", json!({ "level": "error", "what": "metrics", "cause": error.to_string() }));
    });
    let text = exposition(&metrics.map_err(of_metrics)?, &cost, unfinished.ok().as_ref(), app.now);
    let body = Body::Text { media_type: PROMETHEUS, text: text.clone() };
    let reply = Reply { body, ..Reply::empty(200) }.with_header("Cache-Control", "no-cache");
    unless_known(&admitted, &text, reply)
}

/// The object could not be asked.
pub fn of_metrics(error: CallError) -> ApiError {
    ApiError::unavailable("The record of what happened", error)
}

/// The reply with a tag of its content, or 304 if whoever asks has the same already. `content` is what matters of it:
/// a time in it would make each another. So the tag is a weak one.
///
/// # Errors
/// If the platform fails.
pub fn unless_known(admitted: &Admitted, content: &str, reply: Reply) -> ApiResult {
    let tag = tag_of(content);
    let known = admitted.request.header("If-None-Match")?.unwrap_or_default();
    let reply =
        if is_listed(&tag, &known) { Reply { status: 304, body: Body::Empty, ..reply } } else { reply };
    Ok(reply.with_header("ETag", tag))
}

/// Half of a SHA-256: enough to tell contents apart.
fn tag_of(content: &str) -> String {
    let digest = Sha256::digest(content);
    let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digits}\"")
}

/// Whether an `If-None-Match` field lists this tag. Weak and strong are compared alike: RFC 9110 section 13.1.2.
fn is_listed(tag: &str, field: &str) -> bool {
    let strong = tag.trim_start_matches("W/");
    field.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == strong)
}

/// What is shown of those endpoints that compile.
fn endpoints_of(tallies: &[Tally]) -> BTreeMap<&str, Endpoint<'_>> {
    let compiles = |tally: &&Tally| {
        let path = tally.endpoint.as_str();
        is_within(path, "/compile") || path == "/ws/compile"
    };
    let mut endpoints: BTreeMap<&str, Endpoint<'_>> =
        ALWAYS_SHOWN.into_iter().map(|path| (path, Endpoint::default())).collect();
    let used = tallies.iter().filter(compiles);
    endpoints.extend(used.map(|tally| (tally.endpoint.as_str(), Endpoint::of(tally))));
    endpoints
}

fn n_good(tally: &Tally) -> u64 {
    tally.n.saturating_sub(tally.n_failed)
}

/// Everything, as Prometheus reads it.
fn exposition(metrics: &Metrics, cost: &Cost, unfinished: Option<&Unfinished>, now: UnixMillis) -> String {
    let mut text = Exposition::default();

    let name = "bloqr_requests_total";
    text.family(name, "counter", "Requests answered, by route.");
    for tally in &metrics.total {
        for (outcome, n) in [("success", n_good(tally)), ("failed", tally.n_failed)] {
            text.sample(name, &[("endpoint", tally.endpoint.as_str()), ("outcome", outcome)], n);
        }
    }

    text.family(
        "bloqr_request_duration_ms",
        "summary",
        "Milliseconds from the arrival of requests to their answers.",
    );
    for tally in &metrics.total {
        let labels = [("endpoint", tally.endpoint.as_str())];
        text.sample("bloqr_request_duration_ms_sum", &labels, tally.total_ms);
        text.sample("bloqr_request_duration_ms_count", &labels, tally.n);
    }

    let name = "bloqr_request_errors_total";
    text.family(name, "counter", "Requests that failed, by route and reason.");
    for tally in &metrics.total {
        for (code, n) in &tally.errors {
            text.sample(name, &[("endpoint", tally.endpoint.as_str()), ("code", code.as_str())], *n);
        }
    }

    let name = "bloqr_source_host_open";
    text.family(
        name,
        "gauge",
        "1 while a host of sources is left alone because it fails, 0 for an hour after.",
    );
    for breaker in &metrics.breakers {
        text.sample(name, &[("host", breaker.host.as_str())], u64::from(breaker.is_open));
    }

    if let Some(Unfinished { n, oldest }) = unfinished {
        let name = "bloqr_jobs_unfinished";
        text.family(name, "gauge", "Jobs of all users that have not ended.");
        text.sample(name, &[], *n);
        let name = "bloqr_jobs_oldest_unfinished_ms";
        text.family(name, "gauge", "Milliseconds since the oldest of these jobs was accepted.");
        text.sample(name, &[], oldest.map_or(0, |oldest| UnixMillis(oldest).until(now)));
    }

    for (name, n, help) in [
        ("bloqr_limiter_admits_total", cost.admits, "Requests admitted."),
        ("bloqr_limiter_denials_total", cost.denials, "Requests refused."),
        (
            "bloqr_limiter_shadow_denials_total",
            cost.shadow_denials,
            "Requests that a policy in shadow would have refused.",
        ),
        ("bloqr_limiter_writes_total", cost.writes, "Rows written for admits and denials."),
        ("bloqr_limiter_leases_lost_total", cost.leases_lost, "Units reserved and never spent."),
        (
            "bloqr_limiter_cached_denials_total",
            cost.cached_denials,
            "Refusals repeated without asking the identity's object.",
        ),
        ("bloqr_limiter_uncounted_admits_total", cost.uncounted, "Requests admitted without being counted."),
        ("bloqr_limiter_reports_total", cost.reports, "Reports that reached the live view."),
        (
            "bloqr_limiter_report_lag_ms_total",
            cost.lag_ms_total,
            "Milliseconds that reports were under way, together.",
        ),
    ] {
        text.family(name, "counter", help);
        text.sample(name, &[], n);
    }
    text.0
}

/// A text in Prometheus's format, while it is being written.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    /// Begins a family of samples.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0 += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.0 += &format!("{name}{labels} {value}\n");
    }
}

/// A label's value as it stands between quotation marks.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use durable::service_metrics::wire::Breaker;

    use super::*;

    fn tally(endpoint: &str, n: u64, errors: &[(&str, u64)]) -> Tally {
        let errors: Vec<_> = errors.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let n_failed = errors.iter().map(|(_, n)| n).sum();
        Tally { endpoint: endpoint.to_owned(), n, n_failed, total_ms: 7 * n, errors }
    }

    #[test]
    fn only_what_compiles_is_shown() {
        let tallies = [
            tally("/ws/compile", 1, &[]),
            tally("/compile", 4, &[("x", 1), ("y", 2)]),
            tally("/metrics", 9, &[]),
            tally("/compiler", 9, &[]),
            tally("/compile/batch/async", 2, &[]),
        ];
        let shown = json!(endpoints_of(&tallies));
        let nothing = json!({ "count": 0, "success": 0, "failed": 0, "avgDuration": 0, "errors": {} });
        let good = |n: u64| json!({ "count": n, "success": n, "failed": 0, "avgDuration": 7, "errors": {} });
        let expected = json!({
            "/compile": { "count": 4, "success": 1, "failed": 3, "avgDuration": 7, "errors": { "x": 1, "y": 2 } },
            "/compile/batch": nothing,
            "/compile/batch/async": good(2),
            "/compile/stream": nothing,
            "/ws/compile": good(1),
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn prometheus_gets_a_line_for_everything() {
        let breaker =
            |host: &str, is_open| Breaker { host: host.to_owned(), is_open, since: 1_800_000_000_000 };
        let metrics = Metrics {
            recent: Vec::new(),
            total: vec![tally("/a", 3, &[("x", 1)]), tally("/b\\\"\n", 1, &[])],
            breakers: vec![breaker("a.example", true), breaker("b.example:8080", false)],
            at: 1_800_000_000_000,
        };
        let cost = Cost { admits: 3, lag_ms_total: 9, ..Cost::default() };
        let unfinished = Unfinished { n: 2, oldest: Some(4_000) };
        let text = exposition(&metrics, &cost, Some(&unfinished), UnixMillis(9_000));
        let expected = r#"# HELP bloqr_requests_total Requests answered, by route.
# TYPE bloqr_requests_total counter
bloqr_requests_total{endpoint="/a",outcome="success"} 2
bloqr_requests_total{endpoint="/a",outcome="failed"} 1
bloqr_requests_total{endpoint="/b\\\"\n",outcome="success"} 1
bloqr_requests_total{endpoint="/b\\\"\n",outcome="failed"} 0
# HELP bloqr_request_duration_ms Milliseconds from the arrival of requests to their answers.
# TYPE bloqr_request_duration_ms summary
bloqr_request_duration_ms_sum{endpoint="/a"} 21
bloqr_request_duration_ms_count{endpoint="/a"} 3
bloqr_request_duration_ms_sum{endpoint="/b\\\"\n"} 7
bloqr_request_duration_ms_count{endpoint="/b\\\"\n"} 1
# HELP bloqr_request_errors_total Requests that failed, by route and reason.
# TYPE bloqr_request_errors_total counter
bloqr_request_errors_total{endpoint="/a",code="x"} 1
# HELP bloqr_source_host_open 1 while a host of sources is left alone because it fails, 0 for an hour after.
# TYPE bloqr_source_host_open gauge
bloqr_source_host_open{host="a.example"} 1
bloqr_source_host_open{host="b.example:8080"} 0
# HELP bloqr_jobs_unfinished Jobs of all users that have not ended.
# TYPE bloqr_jobs_unfinished gauge
bloqr_jobs_unfinished 2
# HELP bloqr_jobs_oldest_unfinished_ms Milliseconds since the oldest of these jobs was accepted.
# TYPE bloqr_jobs_oldest_unfinished_ms gauge
bloqr_jobs_oldest_unfinished_ms 5000
# HELP bloqr_limiter_admits_total Requests admitted.
# TYPE bloqr_limiter_admits_total counter
bloqr_limiter_admits_total 3
"#;
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("\nbloqr_limiter_report_lag_ms_total 9\n"), "{text}");

        let unknown = exposition(&metrics, &cost, None, UnixMillis(9_000));
        assert!(!unknown.contains("bloqr_jobs"), "{unknown}");
    }

    #[test]
    fn tags_are_found_in_lists() {
        let tag = tag_of("a");
        assert!(tag.starts_with("W/\"") && tag.len() == 36, "{tag}");
        assert_ne!(tag, tag_of("b"));
        let strong = tag.trim_start_matches("W/");
        for field in ["*", " * ", &tag, strong, &format!("\"x\", {tag} ,W/\"y\"")] {
            assert!(is_listed(&tag, field), "{field}");
        }
        for field in ["", "W/", "\"\"", &tag_of("b"), strong.trim_matches('"')] {
            assert!(!is_listed(&tag, field), "{field}");
        }
    }
}
