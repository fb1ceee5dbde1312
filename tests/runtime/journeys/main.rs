//! Journeys: requests through the built Worker on the real runtime. One file per subject, one test per
//! promise, a network of its own per test.

mod accounts;
mod admin;
mod admin_plugin;
mod clerk;
mod command;
mod compile;
mod cost;
mod faults;
mod job_storm;
mod jobs;
mod keys;
mod limits;
mod meta;
mod metrics;
mod modes;
mod notify;
mod outages;
mod pages;
mod policies;
mod refusals;
mod restart;
mod rule_sets;
mod rule_tools;
mod sessions;
mod socket;
mod sources;
mod storage;
mod storm;
mod turnstile;
mod users;
mod webhooks;

use std::sync::OnceLock;

use journeys::{Client, Options, Runtime};
use serde_json::{Value, json};

/// The Worker as `cargo xtask dev` serves it without further settings.
fn plain() -> &'static str {
    static PLAIN: OnceLock<Runtime> = OnceLock::new();
    &PLAIN.get_or_init(|| Runtime::start(Options::default())).url
}

/// A Worker that takes large bodies and sources on this machine, and is impatient with them.
fn open() -> &'static str {
    static OPEN: OnceLock<Runtime> = OnceLock::new();
    let vars = vec![
        ("SOURCE_ALLOW_PRIVATE", "true"),
        ("SOURCE_TIMEOUT_MS", "3000"),
        ("MAX_REQUEST_BODY_MB", "20"),
        ("TURNSTILE_SITE_KEY", "1x00000000000000000000AA"),
        ("CLERK_PUBLISHABLE_KEY", "pk_test_fake"),
        ("SENTRY_DSN", "https://fake@sentry.invalid/1"),
    ];
    &OPEN.get_or_init(|| Runtime::start(Options { vars, ..Options::default() })).url
}

/// A Worker with the routes that break on purpose.
fn faulty() -> &'static str {
    static FAULTY: OnceLock<Runtime> = OnceLock::new();
    &FAULTY.get_or_init(|| Runtime::start(Options { with_faults: true, ..Options::default() })).url
}

/// A compile request with one source and its text.
fn small(transformations: &[&str], text: &str) -> Value {
    json!({
        "configuration": {
            "name": "Small",
            "sources": [{ "source": "mine" }],
            "transformations": transformations,
        },
        "preFetchedContent": { "mine": text },
    })
}

/// Asserts that a client is served as if nothing had happened.
async fn assert_served(client: &Client) {
    let answer = client.compile(&small(&[], "||after.example^")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["rules"].as_array().unwrap().last().unwrap(), "||after.example^");
}
