//! Databases that don't answer, variables that can't be used, and the doors without a request.

use std::time::{Duration, Instant};

use journeys::{Client, Options, Runtime};
use rusqlite::Connection;

use crate::assert_served;

/// A database that hangs is the worst kind of outage: nothing says no.
#[tokio::test]
async fn postgres_that_hangs_is_told_and_recovers() {
    let runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    assert_eq!(client.get("/api/health/db-smoke").await.status, 200);

    runtime.pause_postgres();
    let started_at = Instant::now();
    let smoke = client.get("/api/health/db-smoke").await;
    assert!(started_at.elapsed() < Duration::from_secs(6));
    smoke.assert_problem(503, "unavailable");
    assert_eq!(smoke.json()["ok"], false);
    assert_eq!(smoke.header("retry-after"), "1");
    let health = client.get("/api/health").await;
    assert_eq!(health.status, 200);
    assert_eq!(health.json()["status"], "down");
    assert_eq!(health.json()["services"]["database"]["status"], "down");
    assert_eq!(health.json()["services"]["compiler"]["status"], "healthy");
    assert_served(&client).await;

    runtime.resume_postgres();
    let patience = Instant::now() + Duration::from_secs(20);
    while client.get("/api/health/db-smoke").await.status != 200 {
        assert!(Instant::now() < patience, "PostgreSQL did not come back");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn version_tells_the_latest_deployment() {
    let mut runtime = Runtime::start(Options::default());
    runtime.stop();
    let folder = runtime.state().join("v3/d1/miniflare-D1DatabaseObject");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut n_filled = 0;
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "sqlite")) {
        let row = "INSERT INTO deployment_history (version, build_number, full_version, git_commit, git_branch, \
                   deployed_at, deployed_by, metadata) VALUES (?1, ?2, ?1 || '+' || ?2, 'c0ffee', 'main', ?3, 'ci', ?4)";
        let database = Connection::open(file).unwrap();
        // The runtime keeps a file of its own beside the database; that one has no such table.
        for (version, build, at) in
            [("1.2.3", 7, "2026-11-02T00:00:00Z"), ("1.2.2", 6, "2026-11-01T00:00:00Z")]
        {
            n_filled += database.execute(row, (version, build, at, r#"{"by":"hand"}"#)).unwrap_or(0);
        }
    }
    assert_eq!(n_filled, 2);

    runtime.crash_and_restart();
    let version = Client::new(&runtime.url).get("/api/version").await.json();
    assert_eq!(version["version"], "1.2.3", "{version}");
    assert_eq!(version["fullVersion"], "1.2.3+7");
    assert_eq!(version["buildNumber"], 7);
    assert_eq!(version["gitCommit"], "c0ffee");
    assert_eq!(version["metadata"]["by"], "hand");
    assert_eq!(version["status"], "success");
    assert!(version.get("message").is_none());
}

#[tokio::test]
async fn a_variable_that_cannot_be_used_is_named() {
    let vars = vec![("MAX_REQUEST_BODY_MB", "ten")];
    let runtime = Runtime::start(Options { vars, ..Options::default() });
    let client = Client::new(&runtime.url);
    for path in ["/api/health", "/api/version", "/"] {
        let answer = client.get(path).await;
        answer.assert_problem(503, "misconfigured");
        assert!(answer.json()["detail"].as_str().unwrap().contains("MAX_REQUEST_BODY_MB"), "{answer:?}");
    }
}

/// The schedule looks at every part and writes what it found.
#[tokio::test]
async fn the_schedule_writes_the_health_into_the_log() {
    let runtime = Runtime::start(Options::default());
    let fired = Client::new(&runtime.url).get("/cdn-cgi/local/scheduled").await;
    assert_eq!(fired.status, 200, "{fired:?}");
    let patience = Instant::now() + Duration::from_secs(10);
    while !runtime.log().contains(r#""health":"#) {
        assert!(Instant::now() < patience, "{}", runtime.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
