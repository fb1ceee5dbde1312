//! The admin API: live counters, and changes to one identity.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use journeys::{Answer, Client, Options, Runtime, fresh_address};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::plain;
use crate::webhooks::change_d1;

/// The published bound of how long a reset may take to be felt.
const FELT_WITHIN: Duration = Duration::from_secs(2);

/// What `cargo xtask dev` says in its ready file.
pub(crate) const KEY: &str = "fake-development-admin-key-not-for-production-000000";

/// A request with the admin key, from a network of its own.
pub(crate) async fn admin(url: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = Client::new(url).request(method, path).header("X-Admin-Key", KEY);
    Answer::to(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

async fn get(url: &str, path: &str) -> Value {
    let answer = admin(url, Method::GET, path, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn requests(state: &Value) -> &Value {
    let policies = state["policies"].as_array().unwrap();
    policies.iter().find(|policy| policy["policy"] == "requests").unwrap()
}

async fn try_compile(client: &Client) -> Answer {
    client.post("/api/compile", "{}").await
}

/// Asks until the answer has this status, for at most the time in which an admin's change is felt.
async fn becomes(client: &Client, status: u16) -> Answer {
    let started_at = Instant::now();
    loop {
        let answer = try_compile(client).await;
        if answer.status == status {
            return answer;
        }
        assert!(started_at.elapsed() < FELT_WITHIN + Duration::from_millis(300), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Actions on one identity, newest first.
async fn audit(url: &str, identity: &str) -> Vec<Value> {
    let page = get(url, &format!("/admin/limits/audit?identity={identity}")).await;
    page["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_identity_is_seen_opened_and_reset() {
    let address = fresh_address();
    let identity = format!("net:{address}");
    let client = Client::at(plain(), &address);
    assert_eq!(try_compile(&client).await.status, 400);

    let started_at = Instant::now();
    let row = loop {
        let page = get(plain(), &format!("/admin/limits?search={identity}")).await;
        if let Some(row) = page["rows"].as_array().unwrap().iter().find(|row| row["identity"] == *identity) {
            break row.clone();
        }
        assert!(started_at.elapsed() < FELT_WITHIN, "the identity is not in the list");
    };
    assert_eq!(
        (&row["policy"], &row["limit"], &row["tier"]),
        (&json!("requests"), &json!(10), &json!("anonymous"))
    );
    assert!(row["ageMs"].as_u64().unwrap() < 2_000, "{row}");

    for _ in 0..9 {
        assert_eq!(try_compile(&client).await.status, 400);
    }
    assert_eq!(try_compile(&client).await.json()["decidedBy"], "object");
    assert_eq!(try_compile(&client).await.json()["decidedBy"], "front-cache");
    let opened = get(plain(), &format!("/admin/limits/{identity}")).await;
    assert_eq!(
        (&requests(&opened["state"])["used"], &requests(&opened["state"])["remaining"]),
        (&json!(10), &json!(0))
    );

    let path = format!("/api/admin/limits/{identity}/reset");
    let reset = admin(plain(), Method::POST, &path, Some(json!({ "reason": "a journey" }))).await;
    assert_eq!(reset.status, 200, "{reset:?}");
    assert_eq!(requests(&reset.json()["before"])["used"], 10);
    assert_eq!(requests(&reset.json()["after"])["used"], 0);
    assert_eq!(becomes(&client, 400).await.header("x-ratelimit-remaining"), "9");

    let entries = audit(plain(), &identity).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!((&entries[0]["action"], &entries[0]["outcome"]), (&json!("reset"), &json!("done")));
    assert_eq!(entries[0]["before"], reset.json()["before"]);
    assert_eq!(entries[0]["details"]["reason"], "a journey");
}

#[tokio::test]
async fn an_override_holds_at_once_and_ends_at_its_expiry() {
    let address = fresh_address();
    let identity = format!("net:{address}");
    let client = Client::at(plain(), &address);
    assert_eq!(try_compile(&client).await.header("x-ratelimit-limit"), "10");

    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let expires_at = now_ms + 4_000;
    let path = format!("/admin/limits/{identity}/override");
    let body = json!({ "value": 3, "expiresAt": expires_at, "reason": "a journey" });
    let answer = admin(plain(), Method::PUT, &path, Some(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(requests(&answer.json()["before"])["limit"], 10);
    assert_eq!(requests(&answer.json()["after"])["limit"], 3);
    for remaining in ["1", "0"] {
        let answer = try_compile(&client).await;
        assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (400, "3"));
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining);
    }
    assert_eq!(try_compile(&client).await.status, 429);

    let left = Duration::from_millis(
        expires_at.saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64),
    );
    tokio::time::sleep(left).await;
    let answer = becomes(&client, 400).await;
    // The window is the same one: three were spent, and this is the fourth.
    assert_eq!((answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")), ("10", "6"));
    assert_eq!(audit(plain(), &identity).await.len(), 1);
}

#[tokio::test]
async fn a_ban_refuses_everything_until_it_is_lifted() {
    let address = fresh_address();
    let path = format!("/admin/limits/net:{address}/ban");
    let client = Client::at(plain(), &address);
    assert_eq!(admin(plain(), Method::PUT, &path, Some(json!({ "reason": "a journey" }))).await.status, 200);
    try_compile(&client).await.assert_problem(403, "suspended");
    client.get("/api/version").await.assert_problem(403, "suspended");
    let page = get(plain(), &format!("/admin/limits?filter=banned&search={address}")).await;
    assert_eq!(page["rows"][0]["banned"], true, "{page}");
    assert_eq!(admin(plain(), Method::DELETE, &path, None).await.status, 200);
    becomes(&client, 400).await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_name() {
    let path = |rest: &str| format!("/admin/limits/net:{}/{rest}", fresh_address());
    for value in [json!(0), json!(-1), json!(9_007_199_254_740_992_u64), json!(1.5), json!("3"), Value::Null]
    {
        let body = json!({ "value": value, "reason": "a journey" });
        admin(plain(), Method::PUT, &path("override"), Some(body)).await.assert_problem(400, "invalid_body");
    }
    for body in [
        json!({ "value": 3 }),
        json!({ "value": 3, "reason": "" }),
        json!({ "value": 3, "reason": "x".repeat(501) }),
        json!({ "value": 3, "reason": "r", "expiresAt": 1 }),
        json!({ "value": 3, "reason": "r", "expiresAt": "tomorrow" }),
        json!({ "value": 3, "reason": "r", "policy": "nothing" }),
        json!({ "value": 3, "reason": "r", "extra": 1 }),
    ] {
        admin(plain(), Method::PUT, &path("override"), Some(body)).await.assert_problem(400, "invalid_body");
    }
    for identity in ["nonsense", "net:", "net:unknown", "net:1.2.3.4%2F64", "user:", "%00", "net:::1%2F48"] {
        let path = format!("/admin/limits/{identity}");
        admin(plain(), Method::GET, &path, None).await.assert_problem(400, "identity_malformed");
        admin(plain(), Method::POST, &format!("{path}/reset"), None)
            .await
            .assert_problem(400, "identity_malformed");
    }
    for query in ["sort=x", "filter=x", "limit=0", "limit=501", "after=x"] {
        let path = format!("/admin/limits?{query}");
        admin(plain(), Method::GET, &path, None).await.assert_problem(400, "query_unusable");
    }
    for query in ["limit=0", "limit=x", "after=x", "after=x.y"] {
        let path = format!("/admin/limits/audit?{query}");
        admin(plain(), Method::GET, &path, None).await.assert_problem(400, "query_unusable");
    }
    admin(plain(), Method::GET, "/admin/limits/live", None).await.assert_problem(400, "upgrade_required");
    admin(plain(), Method::PUT, "/admin/limits", None).await.assert_problem(405, "method_not_allowed");
}

/// An IPv6 network is opened by any address in it.
#[tokio::test]
async fn an_identity_has_one_name() {
    let opened = get(plain(), "/admin/limits/net:2001:DB8:99::7").await;
    assert_eq!(opened["identity"], "net:2001:db8:99::/64");
    assert_eq!(get(plain(), "/admin/limits/net:2001:db8:99::%2F64").await["identity"], opened["identity"]);
}

#[tokio::test]
async fn the_key_opens_and_guessing_is_limited() {
    let client = Client::new(plain());
    client.get("/admin/limits").await.assert_problem(401, "unauthorized");
    for path in ["/admin/health", "/api/admin/health"] {
        assert_eq!(get(plain(), path).await["status"], "ok");
    }
    for n in 1..=10 {
        let request = client.request(Method::GET, "/admin/limits").header("X-Admin-Key", "guess");
        let answer = Answer::to(request).await;
        if n < 10 {
            answer.assert_problem(401, "unauthorized");
        } else {
            answer.assert_problem(429, "rate_limited");
        }
    }
}

#[tokio::test]
async fn without_a_key_there_is_no_admin_api() {
    static KEYLESS: OnceLock<Runtime> = OnceLock::new();
    let vars = vec![("ADMIN_KEY", "")];
    let runtime = KEYLESS.get_or_init(|| Runtime::start(Options { vars, ..Options::default() }));
    let answer = admin(&runtime.url, Method::GET, "/admin/limits", None).await;
    answer.assert_problem(503, "secret_missing");
    assert!(answer.json()["detail"].as_str().unwrap().contains("ADMIN_KEY"));
}

#[tokio::test]
async fn an_action_sent_twice_is_done_once() {
    let address = fresh_address();
    let (identity, client) = (format!("net:{address}"), Client::at(plain(), &address));
    let act = |key: &'static str, path: String| {
        let request = Client::new(plain()).request(Method::POST, &path).header("X-Admin-Key", KEY);
        Answer::to(request.header("Idempotency-Key", key))
    };
    assert_eq!(try_compile(&client).await.status, 400);
    let path = format!("/admin/limits/{identity}/reset");
    let first = act("journey-once", path.clone()).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(try_compile(&client).await.header("x-ratelimit-remaining"), "9");
    assert_eq!(act("journey-once", path.clone()).await.json(), first.json());
    assert_eq!(try_compile(&client).await.header("x-ratelimit-remaining"), "8");
    let other = format!("/admin/limits/net:{}/reset", fresh_address());
    act("journey-once", other).await.assert_problem(400, "idempotency_key_reused");
    act("not visible", path).await.assert_problem(400, "idempotency_key_malformed");
    assert_eq!(audit(plain(), &identity).await.len(), 1);
}

async fn watch(url: &str) -> impl futures::Stream<Item = Value> + Unpin {
    let mut request =
        format!("{}/admin/limits/live", url.replace("http", "ws")).into_client_request().unwrap();
    request.headers_mut().insert("X-Admin-Key", KEY.parse().unwrap());
    request.headers_mut().insert("CF-Connecting-IP", fresh_address().parse().unwrap());
    let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    Box::pin(socket.filter_map(|message| async {
        match message.unwrap() {
            Message::Text(text) => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        }
    }))
}

async fn next(messages: &mut (impl futures::Stream<Item = Value> + Unpin)) -> Value {
    tokio::time::timeout(Duration::from_secs(5), messages.next()).await.unwrap().unwrap()
}

fn names(message: &Value, identity: &str) -> bool {
    message["rows"].as_array().unwrap().iter().any(|row| row["identity"] == identity)
}

/// Whoever watches hears of every change; whoever was away finds in the snapshot what happened meanwhile.
#[tokio::test]
async fn a_watcher_misses_nothing() {
    let mut messages = watch(plain()).await;
    let snapshot = next(&mut messages).await;
    assert_eq!(snapshot["type"], "snapshot");
    let mut seq = snapshot["seq"].as_u64().unwrap();

    let address = fresh_address();
    assert_eq!(try_compile(&Client::at(plain(), &address)).await.status, 400);
    loop {
        let changes = next(&mut messages).await;
        seq += 1;
        assert_eq!((&changes["type"], &changes["seq"]), (&json!("changes"), &json!(seq)));
        if names(&changes, &format!("net:{address}")) {
            break;
        }
    }
    drop(messages);

    let absent = fresh_address();
    assert_eq!(try_compile(&Client::at(plain(), &absent)).await.status, 400);
    let started_at = Instant::now();
    while get(plain(), &format!("/admin/limits?search=net:{absent}")).await["matching"] == 0 {
        assert!(started_at.elapsed() < FELT_WITHIN);
    }
    let mut messages = watch(plain()).await;
    assert!(names(&next(&mut messages).await, &format!("net:{absent}")));
}

#[tokio::test]
async fn a_list_of_100_000_identities_stays_fast() {
    // Of its own: filling keeps the Worker busy.
    let runtime = Runtime::start(Options { with_faults: true, ..Options::default() });
    let filler = Client::new(&runtime.url);
    for n in 0..100 {
        let answer = Answer::to(
            filler
                .request(Method::POST, &format!("/api/faults/registry?from={}&n=1000", n * 1000))
                .header("X-Admin-Key", KEY),
        )
        .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut times = Vec::new();
    for sort in ["recent", "level", "refused", "name"] {
        for filter in ["", "&filter=near", "&search=10.1"] {
            let mut after = String::new();
            for _ in 0..10 {
                let started_at = Instant::now();
                let page =
                    get(&runtime.url, &format!("/admin/limits?sort={sort}{filter}&limit=100{after}")).await;
                times.push(started_at.elapsed());
                assert!(page["count"].as_u64().unwrap() >= 100_000, "{}", page["count"]);
                after = format!("&after={}", page["next"].as_str().unwrap());
            }
        }
    }
    times.sort_unstable();
    let p95 = times[times.len() * 95 / 100];
    println!(
        "{} list pages of 100,000 identities: median {:?}, p95 {p95:?}",
        times.len(),
        times[times.len() / 2]
    );
    assert!(p95 < Duration::from_millis(200), "p95 {p95:?}");
}

/// Counters that only fronts know arrive, too.
#[tokio::test]
async fn the_bill_is_shown() {
    let client = Client::new(plain());
    for _ in 0..14 {
        try_compile(&client).await;
    }
    let started_at = Instant::now();
    loop {
        let cost = get(plain(), "/admin/limits/cost").await;
        let enough = |name: &str| cost[name].as_u64().unwrap() > 0;
        if ["admits", "denials", "writes", "cachedDenials", "reports"].into_iter().all(enough) {
            break;
        }
        assert!(started_at.elapsed() < Duration::from_secs(5), "{cost}");
        try_compile(&client).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// As if whoever acted had died: once before the object was asked, once before the outcome was written. The
/// schedule finds out which.
#[tokio::test]
async fn an_action_whose_outcome_was_lost_is_settled() {
    let mut runtime = Runtime::start(Options::default());
    let identity = format!("net:{}", fresh_address());
    let path = format!("/admin/limits/{identity}/ban");
    let done = admin(&runtime.url, Method::PUT, &path, Some(json!({ "reason": "a journey" }))).await;
    assert_eq!(done.status, 200, "{done:?}");
    runtime.stop();
    let n = change_d1(
        &runtime,
        "UPDATE limit_audit SET outcome = 'pending', before = NULL, after = NULL, asked_at = asked_at - 120000",
    );
    assert_eq!(n, 1);
    let n = change_d1(
        &runtime,
        "INSERT INTO limit_audit (id, asked_at, identity, author, action, details)
         SELECT 'lost', asked_at, identity, author, 'unban', '\"unban\"' FROM limit_audit",
    );
    assert_eq!(n, 1);
    runtime.restart();

    assert_eq!(Client::new(&runtime.url).get("/cdn-cgi/local/scheduled").await.status, 200);
    let started_at = Instant::now();
    let entries = loop {
        let entries = audit(&runtime.url, &identity).await;
        if entries.iter().all(|entry| entry["outcome"] != "pending") {
            break entries;
        }
        assert!(started_at.elapsed() < Duration::from_secs(10), "{entries:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let find = |action: &str| entries.iter().find(|entry| entry["action"] == action).unwrap();
    assert_eq!((&find("ban")["outcome"], &find("ban")["after"]), (&json!("done"), &done.json()["after"]));
    assert_eq!(
        (&find("unban")["outcome"], &find("unban")["after"]),
        (&json!("never_happened"), &Value::Null)
    );
    let opened = get(&runtime.url, &format!("/admin/limits/{identity}")).await;
    assert_eq!(opened["state"]["ban"]["reason"], "a journey");
}
