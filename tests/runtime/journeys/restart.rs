//! What survives a crash, and what is cleaned up.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use journeys::{Answer, Client, Options, Runtime, fresh_address};
use reqwest::Method;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::admin::admin;

/// Killed with the signal that can't be caught, right after six admitted requests: four are left.
#[tokio::test]
async fn a_crash_forgets_no_admitted_request() {
    let mut runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    let mut reset = String::new();
    for _ in 0..6 {
        let answer = client.post("/api/compile", "{}").await;
        assert_eq!(answer.status, 400);
        reset = answer.header("x-ratelimit-reset").to_owned();
    }
    runtime.crash_and_restart();

    let client = client.moved_to(&runtime.url);
    let mut statuses = Vec::new();
    for _ in 0..10 {
        let answer = client.post("/api/compile", "{}").await;
        assert_eq!(answer.header("x-ratelimit-reset"), reset, "the window is the same one");
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [[400; 4].as_slice(), [429; 6].as_slice()].concat());
}

/// Limit of the journey below, and so what one crash may cost an identity: an eighth, less one.
const LIMIT: usize = 80;
const LEASE: usize = LIMIT / 8;
/// Requests sent at a time.
const UNDER_WAY: usize = 40;

/// What one identity was answered in one window.
#[derive(Default)]
struct Tally {
    admitted: usize,
    refused: usize,
    /// Requests whose answer the crash took with it. They may have been counted.
    lost: usize,
}

/// 10,000 requests of 100 identities, with three crashes among them: nobody gets more than the limit, and
/// nobody loses more than a lease to each crash.
#[tokio::test]
async fn no_crash_grants_or_takes_more_than_it_may() {
    let policies = r#"{"requests":{"quota":{"anonymous":80},"seconds":600}}"#;
    let options = Options { vars: vec![("RATE_LIMIT_POLICIES", policies)], ..Options::default() };
    let mut runtime = Runtime::start(options);
    let addresses: Vec<String> = (0..100).map(|_| fresh_address()).collect();
    let mut tallies: Vec<Tally> = addresses.iter().map(|_| Tally::default()).collect();
    let mut requests = (0..10_000).map(|n| n % addresses.len());

    for n_until_crash in [1_371, 2_222, 3_407, usize::MAX] {
        let clients: Vec<Client> =
            addresses.iter().map(|address| Client::at(&runtime.url, address)).collect();
        let mut answers = futures::stream::iter(requests.by_ref().take(n_until_crash))
            .map(|who| {
                let client = &clients[who];
                async move { (who, client.try_post("/api/compile", "{}").await) }
            })
            .buffer_unordered(UNDER_WAY);
        let mut n_answers = 0;
        while let Some((who, answer)) = answers.next().await {
            note(&mut tallies[who], answer);
            n_answers += 1;
            // All are sent, and the last ones are under way.
            if n_answers + UNDER_WAY == n_until_crash {
                runtime.kill();
            }
        }
        drop(answers);
        if n_until_crash < usize::MAX {
            runtime.restart();
        }
    }
    for (address, tally) in addresses.iter().zip(&tallies) {
        let Tally { admitted, refused, lost } = *tally;
        assert!(admitted <= LIMIT, "{address}: {admitted} of {LIMIT}");
        assert!(admitted + lost + 3 * (LEASE - 1) >= LIMIT, "{address}: {admitted} admitted, {lost} lost");
        assert!(refused > 0, "{address} was never refused");
    }
}

fn note(tally: &mut Tally, answer: Option<Answer>) {
    match answer.map(|answer| answer.status) {
        Some(400) => tally.admitted += 1,
        Some(429) => tally.refused += 1,
        None => tally.lost += 1,
        // The object was gone before it could answer.
        Some(500 | 503) => tally.lost += 1,
        Some(other) => panic!("status {other}"),
    }
}

/// The alarm comes a minute after the window is over and leaves nothing behind.
#[tokio::test]
async fn an_idle_identity_leaves_nothing_behind() {
    let vars = vec![("RATE_LIMIT_POLICIES", r#"{"requests":{"seconds":5}}"#)];
    let mut runtime = Runtime::start(Options { vars, ..Options::default() });
    let client = Client::new(&runtime.url);
    assert_eq!(client.post("/api/compile", "{}").await.status, 400);
    assert_eq!(ledgers(&runtime.state()), 1);

    let patience = Instant::now() + Duration::from_secs(90);
    while ledgers(&runtime.state()) > 0 {
        assert!(Instant::now() < patience, "the window was not removed");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // The same object counts anew.
    assert_eq!(client.post("/api/compile", "{}").await.header("x-ratelimit-remaining"), "9");
    runtime.stop();
}

/// Neither the caller nor an admin creates anything by looking.
#[tokio::test]
async fn looking_stores_nothing() {
    let runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    assert_eq!(client.get("/api/rate-limit").await.status, 200);
    let key = runtime.ready()["admin_key"].as_str().unwrap().to_owned();
    let path = format!("/admin/limits/net:{}", fresh_address());
    let opened = Answer::to(client.request(Method::GET, &path).header("X-Admin-Key", key)).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    assert_eq!(count(&runtime.state(), "SELECT count(*) FROM sqlite_master WHERE name = 'ledger'"), 0);
    assert_eq!(client.get("/api/version").await.status, 200);
    assert_eq!(count(&runtime.state(), "SELECT count(*) FROM sqlite_master WHERE name = 'ledger'"), 1);
}

/// The live view's tables of before knew nothing of policies in shadow.
#[tokio::test]
async fn an_older_live_view_gets_what_it_lacks() {
    let mut runtime = Runtime::start(Options::default());
    let (before, after) = (fresh_address(), fresh_address());
    let listed = async |url: &str, address: &str| {
        let path = format!("/admin/limits?search={address}");
        admin(url, Method::GET, &path, None).await.json()["rows"].clone()
    };
    Client::at(&runtime.url, &before).post("/api/compile", "{}").await;
    let patience = Instant::now() + Duration::from_secs(5);
    while listed(&runtime.url, &before).await[0]["used"] != 1 {
        assert!(Instant::now() < patience, "the live view was not told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    runtime.stop();
    let files = std::fs::read_dir(runtime.state().join("v3/do/bloqr-backend-LiveRegistry")).unwrap();
    let n_made_old = files
        .map(|file| Connection::open(file.unwrap().path()).unwrap())
        .filter(|database| database.execute("ALTER TABLE identity DROP COLUMN n_shadowed", []).is_ok())
        .count();
    assert!(n_made_old > 0);

    runtime.restart();
    let rows = listed(&runtime.url, &before).await;
    assert_eq!((&rows[0]["used"], &rows[0]["shadowed"]), (&json!(1), &json!(0)));
    Client::at(&runtime.url, &after).post("/api/compile", "{}").await;
    let patience = Instant::now() + Duration::from_secs(5);
    while listed(&runtime.url, &after).await[0]["used"] != 1 {
        assert!(Instant::now() < patience, "a new row was not kept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Rows in the ledgers of all identities, read from outside.
fn ledgers(state: &Path) -> usize {
    count(state, "SELECT count(*) FROM ledger")
}

/// The sum of what a query counts in the object of every identity.
fn count(state: &Path, query: &str) -> usize {
    let objects = std::fs::read_dir(state.join("v3/do/bloqr-backend-Identity")).unwrap();
    let files = objects.map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|extension| extension == "sqlite"))
        .filter_map(|file| {
            let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
            // An object without identity, such as the runtime's own, has no such table.
            database.query_row(query, [], |row| row.get::<_, usize>(0)).ok()
        })
        .sum()
}
