//! What happened lately, for pages and for Prometheus; and what the schedule found.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use journeys::{Answer, Client, Options, Runtime};
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::{KEY, admin};
use crate::{plain, small};

/// How long it may take until what happened is told.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// The same for a report that nobody's looking speeds up: it leaves a second after the one before.
const TOLD_BY_ITSELF: Duration = Duration::from_secs(3);

const PROMETHEUS: &str = "/metrics/prometheus";

/// The endpoints, once all of these were used so often.
async fn endpoints(client: &Client, counts: &[(&str, u64)]) -> Value {
    let patience = Instant::now() + TOLD_WITHIN;
    loop {
        let answer = client.get("/metrics").await;
        let endpoints = answer.json()["endpoints"].clone();
        if counts.iter().all(|(path, n)| endpoints[path]["count"] == *n) {
            return endpoints;
        }
        assert!(Instant::now() < patience, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn get_unless(client: &Client, path: &str, tag: &str) -> Answer {
    Answer::to(client.request(Method::GET, path).header("If-None-Match", tag)).await
}

/// Asserts that an answer is the one for whoever knows this tag.
fn assert_known(answer: &Answer, tag: &str) {
    assert_eq!((answer.status, answer.text.as_str()), (304, ""), "{answer:?}");
    assert_eq!(answer.header("etag"), tag, "{answer:?}");
}

#[tokio::test]
async fn as_long_as_nothing_happens_there_is_nothing_new() {
    let runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    let nothing = json!({ "count": 0, "success": 0, "failed": 0, "avgDuration": 0, "errors": {} });
    let expected = json!({ "/compile": nothing, "/compile/stream": nothing, "/compile/batch": nothing });
    let mut tags = BTreeSet::new();
    for path in ["/metrics", "/api/metrics"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-cache"), "{answer:?}");
        let metrics = answer.json();
        assert_eq!(metrics["endpoints"], expected);
        assert_eq!((&metrics["success"], &metrics["window"]), (&json!(true), &json!("30 minutes")));
        assert_eq!(metrics["timestamp"].as_str().unwrap().len(), 24, "{metrics}");
        tags.insert(answer.header("etag").to_owned());
    }
    assert_eq!(tags.len(), 1, "{tags:?}");
    let tag = tags.pop_first().unwrap();
    assert!(tag.starts_with("W/\""), "{tag}");
    for known in [tag.clone(), format!("\"other\", {tag}"), "*".to_owned()] {
        let answer = get_unless(&client, "/metrics", &known).await;
        assert_known(&answer, &tag);
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
    assert_eq!(get_unless(&client, "/metrics", "\"other\"").await.status, 200);

    assert_eq!(client.compile(&small(&[], "||a.example^")).await.status, 200);
    endpoints(&client, &[("/compile", 1)]).await;
    let changed = get_unless(&client, "/metrics", &tag).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn what_compiles_is_counted_with_what_went_wrong() {
    let runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    let good = small(&[], "||a.example^");
    for path in ["/api/compile", "/compile", "/api/compile/stream"] {
        assert_eq!(client.post_json(path, &good).await.status, 200, "{path}");
    }
    client.post("/api/compile", "{").await.assert_problem(400, "invalid_json");
    client.post("/api/compile/batch", "{}").await.assert_problem(400, "invalid_body");
    client.post_json("/api/compile/async", &good).await.assert_problem(401, "authentication_required");
    // What is refused is counted, too, whoever refuses it: ten fit.
    let greedy = Client::new(&runtime.url);
    for n in 0..12 {
        let (status, code) = if n < 10 { (400, "invalid_body") } else { (429, "rate_limited") };
        greedy.post("/api/compile", "{}").await.assert_problem(status, code);
    }

    let counts = [("/compile", 15), ("/compile/stream", 1), ("/compile/batch", 1), ("/compile/async", 1)];
    let endpoints = endpoints(&client, &counts).await;
    assert_eq!(endpoints.as_object().unwrap().len(), counts.len(), "{endpoints}");
    for (path, success, failed, errors) in [
        ("/compile", 2, 13, json!({ "invalid_json": 1, "invalid_body": 10, "rate_limited": 2 })),
        ("/compile/stream", 1, 0, json!({})),
        ("/compile/batch", 0, 1, json!({ "invalid_body": 1 })),
        ("/compile/async", 0, 1, json!({ "authentication_required": 1 })),
    ] {
        let shown = &endpoints[path];
        assert_eq!(
            (&shown["success"], &shown["failed"]),
            (&json!(success), &json!(failed)),
            "{path}: {shown}"
        );
        assert_eq!(shown["errors"], errors, "{path}");
        assert!(shown["avgDuration"].is_u64(), "{path}: {shown}");
    }
}

/// What comes between two reports is told without anybody asking again, and what was told outlives a crash.
#[tokio::test]
async fn the_last_request_counts_as_well() {
    let mut runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    for _ in 0..3 {
        assert_eq!(client.compile(&small(&[], "||a.example^")).await.status, 200);
    }
    // Whoever looked would have the report sent by looking.
    tokio::time::sleep(TOLD_BY_ITSELF).await;
    let count = |answer: &Answer| answer.json()["endpoints"]["/compile"]["count"].clone();
    let told = client.get("/metrics").await;
    assert_eq!(count(&told), 3, "{told:?}");

    runtime.crash_and_restart();
    let kept = client.moved_to(&runtime.url).get("/metrics").await;
    assert_eq!(count(&kept), 3, "{kept:?}");
}

#[tokio::test]
async fn prometheus_is_for_admins() {
    let runtime = Runtime::start(Options { with_demo: true, ..Options::default() });
    let client = Client::new(&runtime.url);
    let ready = runtime.ready();
    for path in [PROMETHEUS, "/api/metrics/prometheus"] {
        client.get(path).await.assert_problem(401, "unauthorized");
        let guess = client.request(Method::GET, path).header("X-Admin-Key", "guess");
        Answer::to(guess).await.assert_problem(401, "unauthorized");
        let key = ready["demo"]["api_key"].as_str().unwrap();
        let key = client.request(Method::GET, path).bearer_auth(key);
        Answer::to(key).await.assert_problem(403, "session_required");
    }
    for (who, status) in [("demo", 403), ("admin", 200)] {
        let login = json!({ "email": ready[who]["email"], "password": ready[who]["password"] });
        let signed_in = client.post_json("/api/auth/sign-in/email", &login).await.json();
        let request =
            client.request(Method::GET, PROMETHEUS).bearer_auth(signed_in["token"].as_str().unwrap());
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, status, "{who}: {answer:?}");
    }
}

#[tokio::test]
async fn prometheus_can_read_every_line() {
    let runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    assert_eq!(client.compile(&small(&[], "||a.example^")).await.status, 200);
    client.post("/api/compile", "{}").await.assert_problem(400, "invalid_body");

    let patience = Instant::now() + TOLD_WITHIN;
    let mut answer = admin(&runtime.url, Method::GET, PROMETHEUS, None).await;
    let samples = loop {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        let samples = parse(&answer.text);
        let value = |name: &str, labels: &str| {
            samples.get(&(name.to_owned(), labels.to_owned())).copied().unwrap_or_default()
        };
        let n_compiles = value("bloqr_request_duration_ms_count", r#"endpoint="/compile""#);
        if n_compiles == 2 && value("bloqr_limiter_admits_total", "") > 0 {
            break samples;
        }
        assert!(Instant::now() < patience, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = admin(&runtime.url, Method::GET, PROMETHEUS, None).await;
    };
    for (name, labels) in [
        ("bloqr_requests_total", r#"endpoint="/compile",outcome="success""#),
        ("bloqr_requests_total", r#"endpoint="/compile",outcome="failed""#),
        ("bloqr_request_errors_total", r#"endpoint="/compile",code="invalid_body""#),
    ] {
        assert_eq!(samples.get(&(name.to_owned(), labels.to_owned())), Some(&1), "{name} {labels}");
    }
    let unfinished = samples.get(&("bloqr_jobs_unfinished".to_owned(), String::new()));
    assert_eq!(unfinished, Some(&0));
    for name in ["denials", "shadow_denials", "writes", "leases_lost", "cached_denials", "uncounted_admits"] {
        let name = format!("bloqr_limiter_{name}_total");
        assert!(samples.contains_key(&(name.clone(), String::new())), "{name}");
    }

    // Looking is counted, too, a moment later; so the tag that is known may be an old one.
    loop {
        let tag = admin(&runtime.url, Method::GET, PROMETHEUS, None).await.header("etag").to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        let request = client.request(Method::GET, PROMETHEUS).header("X-Admin-Key", KEY);
        let again = Answer::to(request.header("If-None-Match", &tag)).await;
        if again.status == 304 {
            break assert_known(&again, &tag);
        }
        assert!(Instant::now() < patience + TOLD_WITHIN, "{again:?}");
    }
}

/// The samples by name and labels, read as the format is specified.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
fn parse(text: &str) -> BTreeMap<(String, String), u64> {
    assert!(text.ends_with('\n'), "{text}");
    let mut samples = BTreeMap::new();
    let mut families = BTreeSet::new();
    let (mut described, mut family, mut kind) = ("", "", "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            described = rest.split_once(' ').unwrap_or_else(|| panic!("{line}")).0;
            assert!(families.insert(described), "{line}");
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            (family, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert_eq!(family, described, "{line}");
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = sample.split_once('{').map_or((sample, ""), |(name, labels)| {
            (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}")))
        });
        let ends: &[&str] = if kind == "summary" { &["_sum", "_count"] } else { &[""] };
        assert!(ends.iter().any(|end| name.strip_suffix(*end) == Some(family)), "{line}");
        // No value here has a comma in it.
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            let value = value.strip_suffix('"').unwrap_or_else(|| panic!("{line}"));
            assert!(!value.is_empty() && !value.contains(['"', '\\']), "{line}");
        }
        let value = value.parse::<u64>().unwrap_or_else(|_| panic!("{line}"));
        let key = (name.to_owned(), labels.to_owned());
        assert!(samples.insert(key, value).is_none(), "twice: {line}");
    }
    samples
}

#[tokio::test]
async fn the_last_look_at_health_is_kept() {
    let mut runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    for path in ["/health/latest", "/api/health/latest"] {
        let answer = client.get(path).await;
        let expected = json!({ "success": true, "message": "No health check has run yet" });
        assert_eq!((answer.status, answer.json()), (200, expected), "{path}");
    }
    assert_eq!(client.get("/cdn-cgi/local/scheduled").await.status, 200);
    let patience = Instant::now() + Duration::from_secs(10);
    let latest = loop {
        let latest = client.get("/health/latest").await.json();
        if latest["checkedAt"].is_string() {
            break latest;
        }
        assert!(Instant::now() < patience, "{latest}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&latest["success"], &latest["status"]), (&json!(true), &json!("healthy")), "{latest}");
    assert_eq!(latest["services"]["database"]["status"], "healthy", "{latest}");
    assert_eq!(latest["checks"].as_array().unwrap().len(), 5, "{latest}");

    runtime.crash_and_restart();
    assert_eq!(client.moved_to(&runtime.url).get("/api/health/latest").await.json(), latest);
}

#[tokio::test]
async fn there_is_no_container() {
    let client = Client::new(plain());
    for path in ["/container/status", "/api/container/status"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "public, max-age=15, stale-while-revalidate=5");
        let container = answer.json();
        assert_eq!(container["status"], "unavailable");
        assert_eq!(container["checkedAt"].as_str().unwrap().len(), 24, "{container}");
        let tag = answer.header("etag");
        assert_known(&get_unless(&client, path, tag).await, tag);
    }
}
