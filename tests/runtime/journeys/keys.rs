//! API keys: who may do what with them, how much, and for how long.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use journeys::clerk::{tell, user};
use journeys::{Answer, Client, Options, Runtime, fresh};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Row};

fn keyed() -> &'static Runtime {
    static KEYED: OnceLock<Runtime> = OnceLock::new();
    KEYED.get_or_init(|| Runtime::start(Options::default()))
}

/// Asks PostgreSQL from outside. All values are texts; the statement says what else they are.
async fn sql(runtime: &Runtime, statement: &str, values: &[&str]) -> Vec<Row> {
    let url = runtime.ready()["postgres_url"].as_str().unwrap().to_owned();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let values: Vec<_> = values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
    let rows = client.query_typed(statement, &values).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    rows
}

/// A user of this tier, as Clerk tells of them. Returns the id.
async fn member(runtime: &Runtime, tier: &str) -> String {
    let id = fresh("keyed");
    let created =
        tell(&runtime.url, "user.created", 1_000, user(&id, &format!("{id}@example.org"), tier)).await;
    created["userId"].as_str().unwrap().to_owned()
}

async fn admin(runtime: &Runtime, method: Method, path: &str, body: Option<Value>) -> Answer {
    let key = runtime.ready()["admin_key"].as_str().unwrap().to_owned();
    let request = Client::new(&runtime.url).request(method, path).header("X-Admin-Key", key);
    Answer::to(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

/// Makes a key; `more` are further members of the request. Returns its id and text.
async fn make(runtime: &Runtime, owner: &str, more: Value) -> (String, String) {
    let mut body = json!({ "userId": owner, "name": "A journey's" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = admin(runtime, Method::POST, "/admin/auth/api-keys", Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

/// Makes a key that only PostgreSQL knows of. `columns` are further ones, with their values.
async fn insert(runtime: &Runtime, owner: &str, text: &str, columns: &str, values: &str) {
    let hash = format!("{:x}", Sha256::digest(text));
    let statement = format!(
        "INSERT INTO api_keys (user_id, key_hash, key_prefix, name{columns}) \
         VALUES ($1::text::uuid, $2, left($3, 8), 'inserted'{values})"
    );
    sql(runtime, &statement, &[owner, &hash, text]).await;
}

async fn revoke(runtime: &Runtime, id: &str) -> Answer {
    let body = json!({ "apiKeyId": id });
    admin(runtime, Method::POST, "/admin/auth/api-keys/revoke", Some(body)).await
}

/// Asks for a compile that fails for want of a configuration: 400 if the key is let in.
async fn try_key(client: &Client, key: &str) -> Answer {
    Answer::to(client.request(Method::POST, "/api/compile").bearer_auth(key).body("{}")).await
}

/// The same from a network of its own, so that failures of others don't count.
async fn try_alone(runtime: &Runtime, key: &str) -> Answer {
    try_key(&Client::new(&runtime.url), key).await
}

async fn try_at_once(runtime: &Runtime, key: &str, n: usize) -> Vec<Answer> {
    join_all((0..n).map(|_| try_alone(runtime, key))).await
}

/// Asks until the answer has this status, for a few seconds.
async fn becomes(runtime: &Runtime, key: &str, status: u16) -> Answer {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = try_alone(runtime, key).await;
        if answer.status == status {
            return answer;
        }
        assert!(Instant::now() < patience, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Objects of identities that were ever written, counted from outside.
fn n_objects(state: &Path) -> usize {
    let files = std::fs::read_dir(state.join("v3/do/bloqr-backend-Identity")).unwrap();
    let names = files.map(|entry| entry.unwrap().path());
    names.filter(|file| file.extension().is_some_and(|extension| extension == "sqlite")).count()
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test]
async fn a_new_key_works_at_once_and_its_owners_tier_counts() {
    let runtime = keyed();
    for (tier, limit) in [("free", "60"), ("pro", "300")] {
        let owner = member(runtime, tier).await;
        let (_, first) = make(runtime, &owner, json!({ "rateLimitPerMinute": 100_000 })).await;
        let (_, second) = make(runtime, &owner, json!({ "rateLimitPerMinute": 100_000 })).await;
        assert_eq!((first.len(), first.starts_with("abc_")), (52, true));
        assert_ne!(first[..8], second[..8], "people tell keys apart by how they begin");
        for (n, key) in [&first, &second].into_iter().enumerate() {
            let answer = try_alone(runtime, key).await;
            assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (400, limit), "{answer:?}");
            let left = limit.parse::<usize>().unwrap() - 1 - n;
            assert_eq!(
                answer.header("x-ratelimit-remaining"),
                left.to_string(),
                "the owner's windows are one"
            );
        }
    }
    // An admin is not limited; the key still is.
    let owner = member(runtime, "admin").await;
    let (_, key) = make(runtime, &owner, json!({ "rateLimitPerMinute": 7 })).await;
    assert_eq!(try_alone(runtime, &key).await.header("x-ratelimit-limit"), "7");
}

#[tokio::test]
async fn a_keys_own_limit_holds_below_its_owners() {
    let runtime = keyed();
    let owner = member(runtime, "pro").await;
    let (_, small) = make(runtime, &owner, json!({ "rateLimitPerMinute": 3 })).await;
    let (_, other) = make(runtime, &owner, json!({ "rateLimitPerMinute": 299 })).await;
    for remaining in ["2", "1", "0"] {
        let answer = try_alone(runtime, &small).await;
        assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (400, "3"), "{answer:?}");
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining);
    }
    for _ in 0..3 {
        let refused = try_alone(runtime, &small).await;
        refused.assert_problem(429, "rate_limited");
        assert_eq!(refused.header("x-ratelimit-limit"), "3");
        assert_eq!(refused.json()["limit"], 3);
        assert_eq!(refused.json()["detail"], "Rate limit exceeded. Maximum 3 requests per 60 seconds.");
        assert!((1..=60).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
    }
    // What was refused was not taken from the owner: 3 and this one are gone.
    assert_eq!(try_alone(runtime, &other).await.header("x-ratelimit-remaining"), "296");
}

#[tokio::test]
async fn parallel_requests_get_exactly_the_keys_limit() {
    let runtime = keyed();
    let owner = member(runtime, "pro").await;
    let (_, key) = make(runtime, &owner, json!({ "rateLimitPerMinute": 20 })).await;
    let answers = try_at_once(runtime, &key, 60).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(400), count(429)), (20, 40), "{answers:?}");
}

#[tokio::test]
async fn a_limit_of_zero_admits_nothing() {
    let runtime = keyed();
    let owner = member(runtime, "pro").await;
    let key = format!("abc_{:048x}", now_ms());
    insert(runtime, &owner, &key, ", rate_limit_per_minute", ", 0").await;
    for _ in 0..3 {
        let refused = try_alone(runtime, &key).await;
        refused.assert_problem(429, "rate_limited");
        assert_eq!((refused.header("x-ratelimit-limit"), &refused.json()["limit"]), ("0", &json!(0)));
        assert_eq!(refused.header("retry-after"), "", "it never fits");
    }
}

#[tokio::test]
async fn a_key_does_what_its_scopes_name() {
    let runtime = keyed();
    let owner = member(runtime, "free").await;
    let (_, key) = make(runtime, &owner, json!({ "scopes": ["rules"] })).await;
    let refused = try_alone(runtime, &key).await;
    refused.assert_problem(403, "scope_missing");
    assert_eq!(refused.json()["error"], "Missing required scope: compile");
    // A key of an admin is no admin.
    let owner = member(runtime, "admin").await;
    let (_, key) = make(runtime, &owner, json!({ "scopes": ["admin"] })).await;
    let request = Client::new(&runtime.url).request(Method::GET, "/admin/auth/api-keys").bearer_auth(&key);
    Answer::to(request).await.assert_problem(403, "session_required");
}

#[tokio::test]
async fn keys_do_not_manage_keys() {
    let runtime = keyed();
    let owner = member(runtime, "pro").await;
    let (id, key) = make(runtime, &owner, json!({ "scopes": ["compile", "rules"] })).await;
    for (method, path) in [
        (Method::POST, "/keys".to_owned()),
        (Method::GET, "/keys".to_owned()),
        (Method::PATCH, format!("/keys/{id}")),
        (Method::DELETE, format!("/keys/{id}")),
    ] {
        for path in [path.clone(), format!("/api{path}")] {
            let request = || Client::new(&runtime.url).request(method.clone(), &path);
            let refused = Answer::to(request().bearer_auth(&key)).await;
            refused.assert_problem(403, "session_required");
            let text = "API key management requires an authenticated user session";
            assert_eq!(refused.json()["error"], text);
            Answer::to(request()).await.assert_problem(401, "authentication_required");
        }
    }
}

#[tokio::test]
async fn a_key_is_refused_from_its_expiry_on() {
    let runtime = keyed();
    let owner = member(runtime, "free").await;
    let expires_at = now_ms() + 3_000;
    let (_, key) = make(runtime, &owner, json!({ "expiresAt": expires_at })).await;
    assert_eq!(try_alone(runtime, &key).await.status, 400);
    tokio::time::sleep(Duration::from_millis(expires_at.saturating_sub(now_ms()))).await;
    let refused = try_alone(runtime, &key).await;
    refused.assert_problem(401, "api_key_expired");
    assert_eq!(refused.json()["error"], "API key has expired");

    let old = format!("blq_{}", fresh("expired"));
    insert(runtime, &owner, &old, ", expires_at", ", now() - interval '1 hour'").await;
    try_alone(runtime, &old).await.assert_problem(401, "api_key_expired");
}

/// Whatever is sent after the acknowledgement is refused.
#[tokio::test]
async fn a_revoked_key_is_refused_on_its_very_next_request() {
    let runtime = keyed();
    let owner = member(runtime, "pro").await;
    let (id, key) = make(runtime, &owner, json!({ "rateLimitPerMinute": 300 })).await;
    let before = try_at_once(runtime, &key, 50).await;
    assert!(before.iter().all(|answer| answer.status == 400), "{before:?}");
    assert_eq!(revoke(runtime, &id).await.json(), json!({ "success": true, "revoked": true }));
    for refused in try_at_once(runtime, &key, 50).await {
        refused.assert_problem(401, "api_key_revoked");
        assert_eq!(refused.json()["error"], "API key has been revoked");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    let again = revoke(runtime, &id).await;
    again.assert_problem(404, "not_found");
    assert_eq!(again.json()["error"], "API key not found or already revoked");
}

/// What can't be a key costs nothing but its sender's own budget.
#[tokio::test]
async fn made_up_keys_create_no_objects() {
    let runtime = Runtime::start(Options::default());
    let owner = member(&runtime, "free").await;
    let (_, key) = make(&runtime, &owner, json!({})).await;
    let tampered = |at: usize| {
        let other = if key.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &key[..at], &key[at + 1..])
    };
    let made_up = [
        tampered(4),
        tampered(30),
        tampered(47),
        key[..51].to_owned(),
        format!("{key}A"),
        format!("blq_{}", &key[4..]),
        "abc_".to_owned(),
        "abc_not/a-key".to_owned(),
        "abc_never-made".to_owned(),
    ];
    let client = Client::new(&runtime.url);
    // The sender's own object is there already.
    assert_eq!(client.post("/api/compile", "{}").await.status, 400);
    let before = n_objects(&runtime.state());
    for text in &made_up {
        let refused = try_key(&client, text).await;
        refused.assert_problem(401, "api_key_invalid");
        assert_eq!(refused.json()["error"], "Invalid API key", "{text}");
    }
    assert_eq!(n_objects(&runtime.state()), before);
    // It was all counted: ten requests are gone.
    try_key(&client, "abc_one-more").await.assert_problem(429, "rate_limited");

    let huge = format!("abc_{}", "a".repeat(20_000));
    let neighbour = Client::new(&runtime.url);
    try_key(&neighbour, &huge).await.assert_problem(401, "api_key_invalid");
    let before = n_objects(&runtime.state());
    // The server itself takes no header field that long.
    let megabyte = format!("abc_{}", "a".repeat(1_048_576));
    let request = neighbour.request(Method::POST, "/api/compile").bearer_auth(megabyte).body("{}");
    if let Ok(response) = request.send().await {
        assert!((400..500).contains(&response.status().as_u16()), "{response:?}");
    }
    assert_eq!(try_key(&neighbour, &key).await.status, 400, "and it serves on");
    // The owner's object may have been made by that last one, and nothing else.
    assert!(n_objects(&runtime.state()) <= before + 1);
}

/// Not even where requests cost nothing.
#[tokio::test]
async fn guessing_ends_soon_wherever_it_is_tried() {
    let client = Client::new(&keyed().url);
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let request = client.request(Method::GET, "/api/rate-limit").bearer_auth(fresh("abc"));
        statuses.push(Answer::to(request).await.status);
    }
    assert_eq!(statuses, [[401; 10].as_slice(), [429; 2].as_slice()].concat());
}

/// Neither does it keep others behind the same address from using their keys for the first time.
#[tokio::test]
async fn a_network_without_budget_takes_no_key_away() {
    let runtime = keyed();
    let client = Client::new(&runtime.url);
    for _ in 0..12 {
        client.post("/api/compile", "{}").await;
    }
    assert_eq!(client.post("/api/compile", "{}").await.status, 429);
    let key = format!("blq_{}", fresh("shared"));
    insert(runtime, &member(runtime, "free").await, &key, "", "").await;
    assert_eq!(try_key(&client, &key).await.status, 400);
}

#[tokio::test]
async fn keys_of_older_shapes_work() {
    let runtime = keyed();
    let owner = member(runtime, "pro").await;
    let hex = format!("abc_{:048x}", u128::from(now_ms()) << 64);
    for key in [hex, format!("blq_{:048x}", now_ms()), format!("blq_{}", fresh("short"))] {
        insert(runtime, &owner, &key, "", "").await;
        for _ in 0..2 {
            let answer = try_alone(runtime, &key).await;
            assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (400, "60"), "{answer:?}");
        }
        let hash = format!("{:x}", Sha256::digest(&key));
        sql(runtime, "UPDATE api_keys SET name = 'used' WHERE key_hash = $1", &[&hash]).await;
        assert_eq!(try_alone(runtime, &key).await.status, 400);
    }
}

#[tokio::test]
async fn nobody_gets_a_twenty_sixth_key() {
    let runtime = keyed();
    let owner = member(runtime, "free").await;
    // Neither of these counts: one is revoked, one is over.
    for (column, value) in [("revoked_at", "now()"), ("expires_at", "now() - interval '1 day'")] {
        insert(runtime, &owner, &fresh("blq"), &format!(", {column}"), &format!(", {value}")).await;
    }
    // Twelve at once, because the embedded database takes 32 connections.
    for _ in 0..18 {
        insert(runtime, &owner, &fresh("blq"), "", "").await;
    }
    let body = json!({ "userId": owner, "name": "One of many" });
    let making = (0..12).map(|_| admin(runtime, Method::POST, "/admin/auth/api-keys", Some(body.clone())));
    let answers = join_all(making).await;
    let made: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 7, "{answers:?}");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.assert_problem(400, "too_many_keys");
        assert_eq!(refused.json()["error"], "Maximum of 25 active API keys per user");
    }
    let id = made[0].json()["id"].as_str().unwrap().to_owned();
    assert_eq!(revoke(runtime, &id).await.status, 200);
    make(runtime, &owner, json!({})).await;
    let again = admin(runtime, Method::POST, "/admin/auth/api-keys", Some(body)).await;
    again.assert_problem(400, "too_many_keys");
}

#[tokio::test]
async fn without_postgres_known_keys_work_and_others_wait() {
    let runtime = Runtime::start(Options::default());
    let owner = member(&runtime, "free").await;
    let (_, known) = make(&runtime, &owner, json!({})).await;
    let (old, stranger) = (format!("blq_{}", fresh("known")), format!("blq_{}", fresh("stranger")));
    insert(&runtime, &owner, &old, "", "").await;
    insert(&runtime, &owner, &stranger, "", "").await;
    assert_eq!(try_alone(&runtime, &old).await.status, 400);

    runtime.pause_postgres();
    for key in [&known, &old, &known] {
        assert_eq!(try_alone(&runtime, key).await.status, 400);
    }
    let started_at = Instant::now();
    let unknown = try_alone(&runtime, &stranger).await;
    unknown.assert_problem(503, "unavailable");
    assert_eq!(unknown.header("retry-after"), "1");
    let body = json!({ "userId": owner, "name": "n" });
    let made = admin(&runtime, Method::POST, "/admin/auth/api-keys", Some(body)).await;
    made.assert_problem(503, "unavailable");
    assert!(started_at.elapsed() < Duration::from_secs(12));

    runtime.resume_postgres();
    becomes(&runtime, &stranger, 400).await;
    assert_eq!(try_alone(&runtime, &known).await.status, 400);
}

/// Requests that were counted with the key, and when the last one was, as the record has them.
async fn uses(runtime: &Runtime, id: &str) -> (i64, Option<i64>) {
    let query = "SELECT request_count, (extract(epoch FROM last_used_at) * 1000)::bigint \
                 FROM api_keys WHERE id = $1::text::uuid";
    let rows = sql(runtime, query, &[id]).await;
    (rows[0].get(0), rows[0].get(1))
}

/// Waits until the record has this many uses.
async fn becomes_used(runtime: &Runtime, id: &str, n: i64) -> i64 {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let (count, last_used_at) = uses(runtime, id).await;
        if count == n {
            return last_used_at.unwrap();
        }
        assert!(count < n && Instant::now() < patience, "{count} uses");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// All of a burst are written down together, soon after it began; none is lost when the object falls asleep.
#[tokio::test]
async fn uses_are_written_down_together() {
    let runtime = keyed();
    let owner = member(runtime, "free").await;
    let (id, key) = make(runtime, &owner, json!({ "rateLimitPerMinute": 30 })).await;
    assert_eq!(uses(runtime, &id).await, (0, None));
    let started_at = Instant::now();
    let before = i64::try_from(now_ms()).unwrap();
    for answer in try_at_once(runtime, &key, 20).await {
        assert_eq!(answer.status, 400);
    }
    let after = i64::try_from(now_ms()).unwrap();
    assert_eq!(uses(runtime, &id).await, (0, None), "not one by one");
    let first = becomes_used(runtime, &id, 20).await;
    assert!(started_at.elapsed() < Duration::from_secs(12), "{:?}", started_at.elapsed());
    assert!((before..=after).contains(&first), "{before} {first} {after}");

    // The object is put to sleep after ten seconds, and what it knew is gone. Refusals are no uses.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let answers = try_at_once(runtime, &key, 20).await;
    let n_used = answers.iter().filter(|answer| answer.status == 400).count();
    assert!((1..20).contains(&n_used), "{answers:?}");
    assert!(becomes_used(runtime, &id, 20 + i64::try_from(n_used).unwrap()).await > first);
}

/// Whoever revoked it died before telling the object, or did it by hand.
#[tokio::test]
async fn a_change_that_only_postgres_knows_acts_after_the_next_recorded_use() {
    let runtime = keyed();
    let owner = member(runtime, "free").await;
    for (statement, code) in [
        ("UPDATE api_keys SET revoked_at = now() WHERE id = $1::text::uuid", "api_key_revoked"),
        ("UPDATE api_keys SET expires_at = now() WHERE id = $1::text::uuid", "api_key_expired"),
        ("DELETE FROM api_keys WHERE id = $1::text::uuid", "api_key_revoked"),
    ] {
        let (id, key) = make(runtime, &owner, json!({})).await;
        sql(runtime, statement, &[&id]).await;
        // The object has not heard of it; this use is the first and is written down.
        assert_eq!(try_alone(runtime, &key).await.status, 400);
        becomes(runtime, &key, 401).await.assert_problem(401, code);
    }
}

#[tokio::test]
async fn an_admin_sees_and_revokes_everybodys_keys() {
    let runtime = keyed();
    let owner = member(runtime, "pro").await;
    let body = json!({ "userId": owner, "name": "  Build server ", "scopes": ["compile", "rules"] });
    let made = admin(runtime, Method::POST, "/api/admin/auth/api-keys", Some(body)).await;
    let key = made.json()["apiKey"].as_str().unwrap().to_owned();
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let expected = json!({
        "success": true, "id": id, "apiKey": key, "key": key, "keyPrefix": key[..8], "name": "Build server",
        "scopes": ["compile", "rules"], "message": "Store this key now: it is not shown again",
    });
    assert_eq!((made.status, made.json()), (201, expected));
    let over = format!("blq_{}", fresh("over"));
    insert(runtime, &owner, &over, ", expires_at", ", now() - interval '1 day'").await;

    let list = |query: String| async move {
        let answer = admin(runtime, Method::GET, &format!("/admin/auth/api-keys{query}"), None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let listed = list(format!("?userId={owner}")).await;
    let statuses = |listed: &Value| -> Vec<Value> {
        listed["keys"].as_array().unwrap().iter().map(|key| key["status"].clone()).collect()
    };
    assert_eq!((&listed["count"], &listed["total"]), (&json!(2), &json!(2)), "{listed}");
    assert_eq!(statuses(&listed), ["expired", "active"], "the newest first");
    let shown = &listed["keys"][1];
    assert_eq!((&shown["id"], &shown["userId"]), (&json!(id), &json!(owner)));
    assert_eq!((&shown["rateLimitPerMinute"], &shown["revokedAt"]), (&json!(60), &Value::Null));
    assert!(shown["createdAt"].as_str().unwrap().ends_with('Z') && shown["lastUsedAt"].is_null(), "{shown}");
    assert!(list(String::new()).await["count"].as_u64().unwrap() >= 2);
    assert_eq!(list("?userId=00000000-0000-4000-8000-000000000000".to_owned()).await["keys"], json!([]));
    admin(runtime, Method::GET, "/admin/auth/api-keys?userId=me", None)
        .await
        .assert_problem(400, "query_unusable");

    let validate = |text: String| async move {
        let path = "/admin/auth/api-keys/validate";
        admin(runtime, Method::POST, path, Some(json!({ "apiKey": text }))).await.json()
    };
    let valid = validate(key.clone()).await;
    assert_eq!(
        (&valid["valid"], &valid["status"], &valid["name"]),
        (&json!(true), &json!("active"), &json!("Build server"))
    );
    assert!(valid["userEmail"].as_str().unwrap().ends_with("@example.org"), "{valid}");
    assert_eq!(validate(over).await["status"], "expired");
    let unknown = json!({ "success": true, "valid": false, "error": "Key not found" });
    assert_eq!(validate("abc_nothing".to_owned()).await, unknown);
    assert_eq!(validate("nothing".to_owned()).await, unknown);

    let by_prefix = json!({ "keyPrefix": key[..8] });
    let path = "/admin/auth/api-keys/revoke";
    let revoked = admin(runtime, Method::POST, path, Some(by_prefix.clone())).await;
    assert_eq!((revoked.status, revoked.json()), (200, json!({ "success": true, "revoked": true })));
    try_alone(runtime, &key).await.assert_problem(401, "api_key_revoked");
    assert_eq!(validate(key).await["valid"], false);
    assert_eq!(statuses(&list(format!("?userId={owner}")).await), ["expired", "revoked"]);
    for body in [by_prefix, json!({ "id": id }), json!({ "apiKeyId": "x" }), json!({ "keyPrefix": "\0" })] {
        admin(runtime, Method::POST, path, Some(body)).await.assert_problem(404, "not_found");
    }
    // Several that begin alike must be told apart by their ids.
    for n in 0..2 {
        insert(runtime, &owner, &format!("blq_twin{}-{n}", now_ms()), "", "").await;
    }
    let twins = json!({ "keyPrefix": "blq_twin" });
    admin(runtime, Method::POST, path, Some(twins)).await.assert_problem(400, "key_prefix_ambiguous");
}

#[tokio::test]
async fn an_admin_is_told_what_can_not_be_made() {
    let runtime = keyed();
    let owner = member(runtime, "free").await;
    let path = "/admin/auth/api-keys";
    for (body, issue) in [
        (json!({}), "/: missing field `userId`"),
        (json!([]), "/: "),
        (json!({ "userId": "me", "name": "n" }), "/userId: must be a UUID"),
        (json!({ "userId": owner, "name": " " }), "/name: "),
        (json!({ "userId": owner, "name": "n", "scopes": [] }), "/scopes: "),
        (json!({ "userId": owner, "name": "n", "scopes": ["admin"] }), "/scopes/0: "),
        (json!({ "userId": owner, "name": "n", "rateLimitPerMinute": 0 }), "/rateLimitPerMinute: "),
        (json!({ "userId": owner, "name": "n", "expiresAt": 1 }), "/expiresAt: "),
    ] {
        let refused = admin(runtime, Method::POST, path, Some(body)).await;
        refused.assert_problem(400, "invalid_body");
        let expected = format!("Invalid request body: {issue}");
        assert!(refused.json()["error"].as_str().unwrap().starts_with(&expected), "{refused:?}");
    }
    let nobody = json!({ "userId": "00000000-0000-4000-8000-000000000000", "name": "n" });
    admin(runtime, Method::POST, path, Some(nobody)).await.assert_problem(404, "not_found");
    let client = Client::new(&runtime.url);
    client.get(path).await.assert_problem(401, "unauthorized");
    let wrong = client.request(Method::GET, path).header("X-Admin-Key", "wrong");
    Answer::to(wrong).await.assert_problem(401, "unauthorized");
}

/// Keys are for reading once, and for nobody's log.
#[tokio::test]
async fn no_key_is_logged() {
    let runtime = Runtime::start(Options::default());
    let owner = member(&runtime, "free").await;
    let (id, key) = make(&runtime, &owner, json!({})).await;
    assert_eq!(try_alone(&runtime, &key).await.status, 400);
    becomes_used(&runtime, &id, 1).await;
    runtime.pause_postgres();
    let unknown = format!("blq_{}", fresh("secret"));
    try_alone(&runtime, &unknown).await.assert_problem(503, "unavailable");
    runtime.resume_postgres();
    let log = runtime.log();
    assert!(log.contains("no answer within"), "{log}");
    for secret in [&key, &unknown, &format!("{:x}", Sha256::digest(&key))] {
        assert!(!log.contains(secret.as_str()));
    }
}

#[tokio::test]
async fn without_a_secret_no_key_is_judged_or_made() {
    let runtime = Runtime::start(Options { vars: vec![("BETTER_AUTH_SECRET", "")], ..Options::default() });
    let owner = member(&runtime, "free").await;
    try_alone(&runtime, "blq_whatever").await.assert_problem(503, "AUTH_SECRET_MISSING");
    let body = json!({ "userId": owner, "name": "n" });
    let made = admin(&runtime, Method::POST, "/admin/auth/api-keys", Some(body)).await;
    made.assert_problem(503, "AUTH_SECRET_MISSING");
}

/// Somebody who signed up. Returns their id and session token.
async fn sign_up(runtime: &Runtime) -> (String, String) {
    let body = json!({
        "email": format!("{}@example.org", fresh("person")), "password": "correct horse battery", "name": "Ann",
    });
    let answer = Client::new(&runtime.url).post_json("/api/auth/sign-up/email", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    (answer["user"]["id"].as_str().unwrap().to_owned(), answer["token"].as_str().unwrap().to_owned())
}

/// A request of somebody who signed in.
async fn signed_in(
    runtime: &Runtime,
    token: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let request = Client::new(&runtime.url).request(method, path).bearer_auth(token);
    Answer::to(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

#[tokio::test]
async fn a_person_makes_lists_changes_and_revokes_keys() {
    let runtime = keyed();
    let (_, token) = sign_up(runtime).await;
    let ask = |method, path: String, body| {
        let token = token.clone();
        async move { signed_in(runtime, &token, method, &path, body).await }
    };
    let empty = ask(Method::GET, "/api/keys".to_owned(), None).await;
    assert_eq!((empty.status, empty.json()), (200, json!({ "success": true, "keys": [], "total": 0 })));

    let body = json!({ "name": " First ", "expiresInDays": 365 });
    let made = ask(Method::POST, "/api/keys".to_owned(), Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let expected = json!({
        "success": true, "id": id, "key": key, "keyPrefix": key[..8], "name": "First", "scopes": ["compile"],
        "rateLimitPerMinute": 60, "expiresAt": made["expiresAt"], "createdAt": made["createdAt"],
    });
    assert_eq!(made, expected);
    assert_eq!(try_alone(runtime, key).await.status, 400);
    let body = json!({ "name": "Second", "scopes": ["rules", "compile"], "rateLimitPerMinute": 5 });
    let second = ask(Method::POST, "/keys".to_owned(), Some(body)).await.json();
    assert_eq!((&second["expiresAt"], &second["rateLimitPerMinute"]), (&Value::Null, &json!(5)));

    let listed = ask(Method::GET, "/keys".to_owned(), None).await.json();
    assert_eq!(listed["total"], 2);
    assert_eq!((&listed["keys"][0]["name"], &listed["keys"][1]["name"]), (&json!("Second"), &json!("First")));
    let names: Vec<&String> = listed["keys"][1].as_object().unwrap().keys().collect();
    let expected = [
        "createdAt",
        "expiresAt",
        "id",
        "isActive",
        "keyPrefix",
        "lastUsedAt",
        "name",
        "rateLimitPerMinute",
        "revokedAt",
        "scopes",
        "updatedAt",
    ];
    assert_eq!(names, expected);
    assert!(!listed.to_string().contains(key), "a key is shown once");

    let path = format!("/api/keys/{id}");
    let renamed = ask(Method::PATCH, path.clone(), Some(json!({ "name": "Renamed" }))).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    let renamed = renamed.json();
    assert_eq!((&renamed["name"], &renamed["scopes"]), (&json!("Renamed"), &json!(["compile"])));
    let names: Vec<&String> = renamed.as_object().unwrap().keys().collect();
    let expected = [
        "createdAt",
        "expiresAt",
        "id",
        "keyPrefix",
        "lastUsedAt",
        "name",
        "rateLimitPerMinute",
        "scopes",
        "success",
        "updatedAt",
    ];
    assert_eq!(names, expected);
    assert_eq!(try_alone(runtime, key).await.status, 400);

    let revoked = ask(Method::DELETE, path.clone(), None).await;
    assert_eq!(revoked.json(), json!({ "success": true, "message": "API key revoked" }));
    try_alone(runtime, key).await.assert_problem(401, "api_key_revoked");
    for method in [Method::DELETE, Method::PATCH] {
        let again = ask(method, path.clone(), Some(json!({ "name": "n" }))).await;
        again.assert_problem(404, "not_found");
        assert_eq!(again.json()["error"], "API key not found or already revoked");
    }
    let listed = ask(Method::GET, "/keys".to_owned(), None).await.json();
    assert_eq!((&listed["total"], &listed["keys"][1]["isActive"]), (&json!(2), &json!(false)));
}

/// Whatever is sent after the acknowledgement is judged by the new scopes.
#[tokio::test]
async fn changed_scopes_hold_on_the_very_next_request() {
    let runtime = keyed();
    let (_, token) = sign_up(runtime).await;
    let body = json!({ "name": "n", "rateLimitPerMinute": 300 });
    let made = signed_in(runtime, &token, Method::POST, "/api/keys", Some(body)).await.json();
    let (path, key) = (format!("/api/keys/{}", made["id"].as_str().unwrap()), made["key"].as_str().unwrap());
    for (scopes, status) in [(json!(["compile"]), 400), (json!(["rules"]), 403), (json!(["compile"]), 400)] {
        let body = json!({ "scopes": scopes });
        let changed = signed_in(runtime, &token, Method::PATCH, &path, Some(body)).await;
        assert_eq!((changed.status, &changed.json()["scopes"]), (200, &scopes), "{changed:?}");
        let answers = try_at_once(runtime, key, 15).await;
        assert!(answers.iter().all(|answer| answer.status == status), "{answers:?}");
    }
}

#[tokio::test]
async fn a_person_is_told_what_can_not_be_made() {
    let runtime = keyed();
    let (_, token) = sign_up(runtime).await;
    for (body, issue) in [
        (json!({}), "/: missing field `name`"),
        (json!({ "name": 7 }), "/name: "),
        (json!({ "name": "n".repeat(101) }), "/name: "),
        (json!({ "name": "n", "scopes": "compile" }), "/scopes: "),
        (json!({ "name": "n", "scopes": ["fly"] }), "/scopes/0: must be one of compile, rules, admin"),
        (json!({ "name": "n", "scopes": ["rules", "rules"] }), "/scopes/1: "),
        (json!({ "name": "n", "scopes": ["admin"] }), "/scopes/0: "),
        (json!({ "name": "n", "expiresInDays": 366 }), "/expiresInDays: "),
        (json!({ "name": "n", "expiresInDays": 1.5 }), "/expiresInDays: "),
        (json!({ "name": "n", "rateLimitPerMinute": 100_001 }), "/rateLimitPerMinute: "),
    ] {
        let refused = signed_in(runtime, &token, Method::POST, "/api/keys", Some(body)).await;
        refused.assert_problem(400, "invalid_body");
        let expected = format!("Invalid request body: {issue}");
        assert!(refused.json()["error"].as_str().unwrap().starts_with(&expected), "{refused:?}");
    }
    let path = "/api/keys/00000000-0000-4000-8000-000000000000";
    let nothing = signed_in(runtime, &token, Method::PATCH, path, Some(json!({}))).await;
    nothing.assert_problem(400, "invalid_body");
    let request = |body: String| {
        Client::new(&runtime.url).request(Method::POST, "/keys").bearer_auth(&token).body(body)
    };
    Answer::to(request("{".to_owned())).await.assert_problem(400, "invalid_json");
    Answer::to(request(format!("\"{}\"", "n".repeat(5_000)))).await.assert_problem(413, "body_too_large");
}

#[tokio::test]
async fn keys_of_others_are_not_there() {
    let runtime = keyed();
    let ((_, token), stranger) = (sign_up(runtime).await, member(runtime, "free").await);
    let (id, key) = make(runtime, &stranger, json!({})).await;
    for id in [id.as_str(), "00000000-0000-4000-8000-000000000000", "1", "%00", "x%27%20OR%20true"] {
        for method in [Method::DELETE, Method::PATCH] {
            let path = format!("/api/keys/{id}");
            let refused = signed_in(runtime, &token, method, &path, Some(json!({ "name": "n" }))).await;
            refused.assert_problem(404, "not_found");
        }
    }
    assert_eq!(try_alone(runtime, &key).await.status, 400);
}

/// The first attempt reached PostgreSQL and died; the second one says 404, and the key is dead.
#[tokio::test]
async fn revoking_once_more_tells_the_object() {
    let runtime = keyed();
    let (owner, token) = sign_up(runtime).await;
    let (id, key) = make(runtime, &owner, json!({})).await;
    assert_eq!(try_alone(runtime, &key).await.status, 400);
    becomes_used(runtime, &id, 1).await;
    sql(runtime, "UPDATE api_keys SET revoked_at = now() WHERE id = $1::text::uuid", &[&id]).await;
    assert_eq!(try_alone(runtime, &key).await.status, 400, "nobody told the object");
    let again = signed_in(runtime, &token, Method::DELETE, &format!("/keys/{id}"), None).await;
    again.assert_problem(404, "not_found");
    try_alone(runtime, &key).await.assert_problem(401, "api_key_revoked");
}
