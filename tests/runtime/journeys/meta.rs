//! What the service tells of itself.

use journeys::Client;
use serde_json::{Value, json};

use crate::{open, plain};

#[tokio::test]
async fn the_overview_is_json_for_clients_and_a_page_for_browsers() {
    let client = Client::new(plain());
    for path in ["/api", "/api/"] {
        let overview = client.get(path).await.json();
        assert_eq!(overview["name"], "Hostlist Compiler Worker");
        assert_eq!(overview["version"], "0.1.0");
        assert!(overview["endpoints"]["POST /api/compile"].is_string());
    }
    let page = client.navigate("/api").await;
    assert_eq!((page.status, page.header("location")), (302, "/api-docs"));
    assert_eq!(client.navigate("/api?format=json").await.status, 200);
}

/// The example that the overview shows works.
#[tokio::test]
async fn the_example_of_the_overview_works() {
    let client = Client::new(plain());
    let example = client.get("/api").await.json()["example"].clone();
    let answer = client.post_json(example["url"].as_str().unwrap(), &example["body"]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn version_without_deployments() {
    let answer = Client::new(plain()).get("/api/version").await;
    let expected =
        json!({ "success": true, "version": "0.1.0", "message": "No deployment history available" });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
}

#[tokio::test]
async fn health_asks_every_part() {
    let client = Client::new(plain());
    for path in ["/health", "/api/health"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200);
        let health = answer.json();
        assert_eq!(health["status"], "healthy", "{health}");
        for service in ["gateway", "database", "compiler", "auth", "cache"] {
            assert_eq!(health["services"][service]["status"], "healthy", "{health}");
        }
        assert_eq!(health["services"]["auth"]["provider"], "better-auth");
        assert_eq!(health["services"]["database"]["db_name"], "postgres");
        assert!(health["services"]["database"]["latency_ms"].is_u64());
        assert_eq!(health["checks"].as_array().unwrap().len(), 5);
    }
}

#[tokio::test]
async fn the_smoke_test_reaches_both_databases() {
    let smoke = Client::new(plain()).get("/api/health/db-smoke").await.json();
    assert_eq!(smoke["ok"], true, "{smoke}");
    assert_eq!(smoke["db_name"], "postgres");
    assert!(smoke["pg_version"].as_str().unwrap().starts_with("18"), "{smoke}");
    // The keys and the record of migrations.
    assert_eq!(smoke["table_count"], 2, "{smoke}");
    assert_eq!(smoke["d1"]["ok"], true);
    assert!(smoke["d1"]["table_count"].as_u64().unwrap() >= 2, "{smoke}");
}

#[tokio::test]
async fn browsers_learn_their_settings() {
    let (unset, set) = (Client::new(plain()), Client::new(open()));
    let read = async |client: &Client, path: &str| -> Value { client.get(path).await.json() };

    assert_eq!(read(&unset, "/api/turnstile-config").await, json!({ "siteKey": null, "enabled": false }));
    assert_eq!(read(&set, "/api/turnstile-config").await["siteKey"], "1x00000000000000000000AA");
    assert_eq!(read(&unset, "/api/clerk-config").await, json!({ "publishableKey": null }));
    assert_eq!(read(&set, "/api/clerk-config").await, json!({ "publishableKey": "pk_test_fake" }));
    let sentry = json!({ "dsn": null, "release": null, "environment": "development" });
    assert_eq!(read(&unset, "/api/sentry-config").await, sentry);
    assert_eq!(read(&set, "/api/sentry-config").await["dsn"], "https://fake@sentry.invalid/1");

    // These exist under /api alone; the bare path is a page.
    assert!(unset.get("/turnstile-config").await.header("content-type").starts_with("text/html"));
}

/// A stale credential can't break a public page.
#[tokio::test]
async fn public_reads_ignore_credentials() {
    let client = Client::new(plain());
    for credential in ["Bearer a.b.c", "Bearer abc_0000", "Basic eDp5"] {
        let request =
            client.request(reqwest::Method::GET, "/api/version").header("Authorization", credential);
        assert_eq!(journeys::Answer::to(request).await.status, 200);
    }
}
