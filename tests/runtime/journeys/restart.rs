//! What survives a crash, and what is cleaned up.

use std::path::Path;
use std::time::{Duration, Instant};

use journeys::{Client, Options, Runtime};
use rusqlite::{Connection, OpenFlags};

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

/// The alarm comes when the window is over and leaves nothing behind.
#[tokio::test]
async fn an_idle_identity_leaves_nothing_behind() {
    let mut runtime = Runtime::start(Options::default());
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

/// Rows in the ledgers of all identities, read from outside.
fn ledgers(state: &Path) -> usize {
    let objects = std::fs::read_dir(state.join("v3/do/bloqr-backend-Identity")).unwrap();
    let files = objects.map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|extension| extension == "sqlite"))
        .filter_map(|file| {
            let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
            // An object without identity, such as the runtime's own, has no such table.
            database.query_row("SELECT count(*) FROM ledger", [], |row| row.get::<_, usize>(0)).ok()
        })
        .sum()
}
