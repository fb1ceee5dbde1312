//! Users: what admins do to them, and that a change acts on the very next request, whatever is killed when.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use journeys::clerk::{deliver, tell, user};
use journeys::{Answer, Client, Options, Runtime, fresh};
use reqwest::Method;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_postgres::NoTls;

use crate::admin::admin;
use crate::webhooks::{change_d1, d1_files, row};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn served() -> &'static Runtime {
    static SERVED: OnceLock<Runtime> = OnceLock::new();
    SERVED.get_or_init(|| Runtime::start(Options::default()))
}

async fn done(url: &str, method: Method, path: &str, body: Option<Value>) -> Value {
    let answer = admin(url, method, path, body).await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    answer.json()
}

/// A user made by an admin; returns the id.
async fn create(url: &str, email: &str) -> String {
    let created = done(url, Method::POST, "/admin/auth/users", Some(json!({ "email": email }))).await;
    created["user"]["id"].as_str().unwrap().to_owned()
}

/// Asks PostgreSQL from outside; returns how many rows it was about.
pub(crate) async fn postgres(runtime: &Runtime, statement: &str, values: &[&str]) -> u64 {
    let url = runtime.ready()["postgres_url"].as_str().unwrap().to_owned();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let values: Vec<_> = values.iter().map(|value| (value as _, tokio_postgres::types::Type::TEXT)).collect();
    let n = client.query_typed(statement, &values).await.unwrap().len();
    drop(client);
    connection.await.unwrap().unwrap();
    n as u64
}

/// Gives a user an API key, as an older version of the service would have.
pub(crate) async fn give_key(runtime: &Runtime, user: &str) -> String {
    let key = format!("blq_{}", fresh("key"));
    let hash = format!("{:x}", Sha256::digest(&key));
    let statement = "INSERT INTO api_keys (user_id, key_hash, key_prefix, name, rate_limit_per_minute)
                     VALUES ($1::text::uuid, $2, 'blq_key_', 'A journey', 1000) RETURNING 1";
    assert_eq!(postgres(runtime, statement, &[user, &hash]).await, 1);
    key
}

pub(crate) async fn n_keys(runtime: &Runtime, user: &str) -> u64 {
    postgres(runtime, "SELECT 1 FROM api_keys WHERE user_id = $1::text::uuid", &[user]).await
}

/// A request with a key, from a network of its own.
async fn with_key(url: &str, method: Method, path: &str, key: &str) -> Answer {
    let request =
        Client::new(url).request(method.clone(), path).header("Authorization", format!("Bearer {key}"));
    Answer::to(if method == Method::POST { request.body("{}") } else { request }).await
}

/// The tier that a request with this key has; the status if it is refused.
pub(crate) async fn tier(url: &str, key: &str) -> Result<String, u16> {
    let answer = with_key(url, Method::GET, "/api/rate-limit", key).await;
    match answer.status {
        200 => Ok(answer.json()["tier"].as_str().unwrap().to_owned()),
        status => Err(status),
    }
}

/// What 50 requests at once are answered: status and limit, without duplicates.
async fn limits_of_fifty(url: &str, key: &str) -> Vec<(u16, String)> {
    let asking = (0..50).map(|_| with_key(url, Method::POST, "/api/compile", key));
    let mut seen: Vec<_> = join_all(asking)
        .await
        .iter()
        .map(|answer| (answer.status, answer.header("x-ratelimit-limit").to_owned()))
        .collect();
    seen.sort();
    seen.dedup();
    seen
}

/// Rows that a query counts in D1, read from outside.
pub(crate) fn count(runtime: &Runtime, query: &str) -> u64 {
    d1_files(runtime)
        .filter_map(|file| {
            let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
            database.query_row(query, [], |row| row.get::<_, u64>(0)).ok()
        })
        .sum()
}

pub(crate) async fn becomes_none(what: &str, seconds: u64, n: impl AsyncFn() -> u64) {
    let patience = Instant::now() + Duration::from_secs(seconds);
    while n().await > 0 {
        assert!(Instant::now() < patience, "{what} are still there");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn an_admin_creates_finds_and_changes_a_user() {
    let url = &served().url;
    let name = fresh("grace");
    let body =
        json!({ "email": format!("{name}@Example.org"), "displayName": "Grace Hopper", "role": "user" });
    let created = admin(url, Method::POST, "/api/admin/auth/users", Some(body.clone())).await;
    assert_eq!(created.status, 201, "{created:?}");
    let (created, email) = (created.json(), format!("{name}@example.org"));
    let id = created["user"]["id"].as_str().unwrap();
    assert_eq!(created, json!({ "success": true, "user": { "id": id, "email": email, "role": "user" } }));
    admin(url, Method::POST, "/admin/auth/users", Some(body)).await.assert_problem(409, "user_exists");

    let path = format!("/admin/users/{id}");
    let mut shown = done(url, Method::GET, &path, None).await["user"].take();
    for name in ["createdAt", "updatedAt"] {
        let at = shown[name].take();
        assert!(at.as_str().unwrap().ends_with('Z'), "{at}");
    }
    let expected = json!({
        "id": id, "email": email, "name": "Grace Hopper", "emailVerified": false, "image": null, "tier": "free",
        "role": "user", "banned": false, "banReason": null, "banExpires": null, "createdAt": null, "updatedAt": null,
    });
    assert_eq!(shown, expected);

    let changed = done(url, Method::PATCH, &path, Some(json!({ "tier": "pro" }))).await;
    assert_eq!((&changed["user"]["tier"], &changed["user"]["role"]), (&json!("pro"), &json!("user")));
    let changed = done(url, Method::PATCH, &path, Some(json!({ "role": "admin" }))).await;
    assert_eq!((&changed["user"]["tier"], &changed["user"]["role"]), (&json!("pro"), &json!("admin")));

    // Found by everything one may ask for, and by nothing else.
    for (query, n) in [
        (format!("search={}", name.to_uppercase()), 1),
        ("search=grace%20hop&tier=pro&role=admin".to_owned(), 1),
        (format!("search={name}&tier=free"), 0),
        (format!("search={name}&role=user"), 0),
        (format!("search={name}&tier=enterprise"), 0),
        (format!("search={name}%25"), 0),
        (format!("search={name}&offset=1"), 0),
    ] {
        let page = done(url, Method::GET, &format!("/api/admin/users?{query}&limit=2"), None).await;
        assert_eq!(page["users"].as_array().unwrap().len(), n, "{query}: {page}");
        assert_eq!(page["limit"], 2);
    }
    let all = done(url, Method::GET, "/admin/users", None).await;
    assert_eq!((&all["limit"], &all["offset"]), (&json!(50), &json!(0)));
    assert!(all["total"].as_u64().unwrap() >= all["users"].as_array().unwrap().len() as u64, "{all}");

    let audit = done(url, Method::GET, &format!("/admin/limits/audit?identity=user:{id}"), None).await;
    let entries: Vec<_> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (entry["action"].clone(), entry["before"]["tier"].clone(), entry["after"]["tier"].clone())
        })
        .collect();
    let [free, pro] = [json!("free"), json!("pro")];
    let expected = [
        (json!("update_user"), pro.clone(), pro.clone()),
        (json!("update_user"), free.clone(), pro),
        (json!("create_user"), Value::Null, free),
    ];
    assert_eq!(entries, expected, "{audit}");
    assert_eq!(audit["entries"][0]["author"], "admin-key");
    assert!(!audit.to_string().contains(&email), "{audit}");

    assert_eq!(done(url, Method::DELETE, &path, None).await["success"], true);
    admin(url, Method::GET, &path, None).await.assert_problem(404, "not_found");
    admin(url, Method::DELETE, &path, None).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn what_cannot_be_done_to_users_is_refused() {
    let url = &served().url;
    let id = create(url, &format!("{}@example.org", fresh("ann"))).await;
    let path = format!("/admin/users/{id}");
    let (post, patch) = (Method::POST, Method::PATCH);
    let long = "x".repeat(501);
    for (method, path, body) in [
        (&post, "/admin/auth/users", json!({})),
        (&post, "/admin/auth/users", json!({ "email": "ann" })),
        (&post, "/admin/auth/users", json!({ "email": "a@b.co", "role": "emperor" })),
        (&post, "/admin/auth/users", json!({ "email": "a@b.co", "displayName": " " })),
        (&post, "/admin/auth/users", json!({ "email": "a@b.co", "displayName": long })),
        (&patch, &path, json!({})),
        (&patch, &path, json!({ "tier": "enterprise" })),
        (&patch, &path, json!({ "role": 7 })),
        (&post, &format!("{path}/ban"), json!({ "reason": long })),
        (&post, &format!("{path}/ban"), json!({ "expires": 1 })),
        (&post, &format!("{path}/ban"), json!({ "expires": "yesterday" })),
    ] {
        admin(url, method.clone(), path, Some(body)).await.assert_problem(400, "invalid_body");
    }
    for query in ["limit=0", "limit=101", "limit=x", "offset=-1", &format!("search={long}")] {
        admin(url, Method::GET, &format!("/admin/users?{query}"), None)
            .await
            .assert_problem(400, "query_unusable");
    }
    for unknown in [NOBODY, "nobody", &id.to_uppercase()] {
        for (method, rest, body) in [
            (Method::GET, "", None),
            (Method::PATCH, "", Some(json!({ "tier": "pro" }))),
            (Method::DELETE, "", None),
            (Method::POST, "/ban", Some(json!({}))),
            (Method::POST, "/unban", Some(json!({}))),
            (Method::DELETE, "/sessions", None),
        ] {
            let answer = admin(url, method, &format!("/admin/users/{unknown}{rest}"), body).await;
            answer.assert_problem(404, "not_found");
            assert_eq!(answer.json()["error"], "User not found");
        }
    }
    let ended = done(url, Method::DELETE, &format!("{path}/sessions"), None).await;
    assert_eq!(ended["message"], format!("Revoked 0 session(s) for user {id}"));
    Client::new(url).get("/api/admin/users").await.assert_problem(401, "unauthorized");
    let page = Client::new(url).navigate("/admin/users").await;
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
}

/// The tier is the one of the record from the very next request on, for all of 50 at once.
#[tokio::test]
async fn another_tier_acts_on_the_next_request() {
    let runtime = served();
    let (url, clerk_id) = (&runtime.url, fresh("user"));
    let email = format!("{clerk_id}@example.org");
    let created = tell(url, "user.created", 1_000, user(&clerk_id, &email, "free")).await;
    let id = created["userId"].as_str().unwrap();
    let key = give_key(runtime, id).await;
    // Fifty who come with a key that nobody has seen yet would each ask PostgreSQL.
    assert_eq!(tier(url, &key).await, Ok("free".to_owned()));
    assert_eq!(limits_of_fifty(url, &key).await, [(400, "60".to_owned())]);

    tell(url, "user.updated", 2_000, user(&clerk_id, &email, "pro")).await;
    assert_eq!(limits_of_fifty(url, &key).await, [(400, "300".to_owned())]);
    let path = format!("/admin/users/{id}");
    done(url, Method::PATCH, &path, Some(json!({ "tier": "admin" }))).await;
    assert_eq!(tier(url, &key).await, Ok("admin".to_owned()));
    done(url, Method::PATCH, &path, Some(json!({ "tier": "pro" }))).await;
    assert_eq!(limits_of_fifty(url, &key).await, [(400, "300".to_owned())]);
}

#[tokio::test]
async fn a_ban_acts_on_the_next_request_and_ends() {
    let runtime = served();
    let url = &runtime.url;
    let id = create(url, &format!("{}@example.org", fresh("bob"))).await;
    let key = give_key(runtime, &id).await;
    assert_eq!(tier(url, &key).await, Ok("free".to_owned()));

    let path = format!("/admin/users/{id}");
    let banned = done(url, Method::POST, &format!("{path}/ban"), Some(json!({ "reason": "spam" }))).await;
    assert_eq!((&banned["user"]["banned"], &banned["user"]["banReason"]), (&json!(true), &json!("spam")));
    for _ in 0..3 {
        let refused = with_key(url, Method::POST, "/api/compile", &key).await;
        refused.assert_problem(403, "account_suspended");
        assert_eq!(refused.json()["error"], "Account has been suspended: spam");
    }
    let unbanned = done(url, Method::POST, &format!("{path}/unban"), Some(json!({}))).await;
    assert_eq!((&unbanned["user"]["banned"], &unbanned["user"]["banReason"]), (&json!(false), &Value::Null));
    assert_eq!(tier(url, &key).await, Ok("free".to_owned()));

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let body = json!({ "expires": now + 2_000 });
    let banned = done(url, Method::POST, &format!("{path}/ban"), Some(body)).await;
    assert!(banned["user"]["banExpires"].as_str().unwrap().ends_with('Z'), "{banned}");
    assert_eq!(tier(url, &key).await, Err(403));
    let patience = Instant::now() + Duration::from_secs(5);
    while tier(url, &key).await == Err(403) {
        assert!(Instant::now() < patience, "the ban does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(tier(url, &key).await, Ok("free".to_owned()));
}

#[tokio::test]
async fn a_deleted_users_key_is_refused_and_gone() {
    let runtime = served();
    let (url, clerk_id) = (&runtime.url, fresh("user"));
    let email = format!("{clerk_id}@example.org");
    let created = tell(url, "user.created", 1_000, user(&clerk_id, &email, "pro")).await;
    let id = created["userId"].as_str().unwrap();
    let key = give_key(runtime, id).await;
    assert_eq!(tier(url, &key).await, Ok("pro".to_owned()));
    let gone = json!({ "id": clerk_id, "object": "user", "deleted": true });
    assert_eq!(tell(url, "user.deleted", 2_000, gone).await["deleted"], true);
    with_key(url, Method::POST, "/api/compile", &key).await.assert_problem(401, "api_key_invalid");
    assert_eq!(n_keys(runtime, id).await, 0);

    // One whom an admin deletes stays deleted, whatever is told of them later.
    let clerk_id = fresh("user");
    let created = tell(url, "user.created", 1_000, user(&clerk_id, &email, "pro")).await;
    let id = created["userId"].as_str().unwrap();
    let key = give_key(runtime, id).await;
    assert_eq!(tier(url, &key).await, Ok("pro".to_owned()));
    done(url, Method::DELETE, &format!("/admin/users/{id}"), None).await;
    assert_eq!(tier(url, &key).await, Err(401));
    assert_eq!(n_keys(runtime, id).await, 0);
    let late = tell(url, "user.updated", 9_000, user(&clerk_id, &email, "pro")).await;
    assert_eq!(late["userId"], Value::Null);
    assert_eq!(row(runtime, &clerk_id, ["id"]), None);
}

/// A user is deleted while PostgreSQL says nothing: it is acknowledged and acts, and the keys go later.
#[tokio::test]
async fn a_deletion_does_not_wait_for_the_record_of_keys() {
    let runtime = Runtime::start(Options::default());
    let (url, clerk_id) = (&runtime.url, fresh("user"));
    let created = tell(url, "user.created", 1_000, user(&clerk_id, "p@example.org", "pro")).await;
    let by_hook = created["userId"].as_str().unwrap();
    let by_admin = create(url, "q@example.org").await;
    let keys = [give_key(&runtime, by_hook).await, give_key(&runtime, &by_admin).await];
    for key in &keys {
        assert!(tier(url, key).await.is_ok());
    }
    runtime.pause_postgres();
    let gone = json!({ "id": clerk_id, "object": "user", "deleted": true });
    assert_eq!(tell(url, "user.deleted", 2_000, gone).await["deleted"], true);
    done(url, Method::DELETE, &format!("/admin/users/{by_admin}"), None).await;
    for key in &keys {
        let refused = with_key(url, Method::POST, "/api/compile", key).await;
        assert_eq!(refused.status, 401, "{refused:?}");
    }
    runtime.resume_postgres();
    for id in [by_hook, &by_admin] {
        becomes_none("keys", 60, async || n_keys(&runtime, id).await).await;
    }
    becomes_none("notes", 10, async || count(&runtime, "SELECT count(*) FROM user_change")).await;
}

/// As if the Worker had died between D1 and the object: the message comes again, or the schedule does it.
#[tokio::test]
async fn what_a_crash_left_is_finished() {
    let mut runtime = Runtime::start(Options::default());
    let mut people = Vec::new();
    for n in 0..2 {
        let clerk_id = fresh("user");
        let email = format!("left{n}@example.org");
        let created = tell(&runtime.url, "user.created", 1_000, user(&clerk_id, &email, "free")).await;
        let id = created["userId"].as_str().unwrap().to_owned();
        let key = give_key(&runtime, &id).await;
        assert_eq!(tier(&runtime.url, &key).await, Ok("free".to_owned()));
        people.push((clerk_id, email, id, key));
    }
    runtime.stop();
    assert_eq!(
        change_d1(&runtime, "UPDATE users SET tier = 'pro', clerk_event_at = 2000, updated_at = 2000"),
        2
    );
    let event = "INSERT INTO webhook_event (id, type, received_at) VALUES ('msg_lost', 'user.updated', 9e12)";
    assert_eq!(change_d1(&runtime, event), 1);
    let mails = "INSERT INTO verification (id, identifier, value, expires_at, created_at)
                 VALUES ('old', 'old', 'x', 1000, 1), ('new', 'new', 'x', 9e12, 1)";
    assert_eq!(change_d1(&runtime, mails), 2);
    runtime.restart();

    let url = &runtime.url;
    let [first, second] = &people[..] else { panic!("{people:?}") };
    for (.., key) in &people {
        assert_eq!(tier(url, key).await, Ok("free".to_owned()), "nobody told the object yet");
    }
    let data = user(&first.0, &first.1, "pro");
    let again = json!({ "type": "user.updated", "timestamp": 2_000, "data": data });
    let again = deliver(url, "msg_lost", &again.to_string()).await;
    assert_eq!((again.status, &again.json()["message"]), (200, &json!("Already received")));
    assert_eq!(tier(url, &first.3).await, Ok("pro".to_owned()));
    assert_eq!(tier(url, &second.3).await, Ok("free".to_owned()));

    assert_eq!(Client::new(url).get("/cdn-cgi/local/scheduled").await.status, 200);
    becomes_none("notes", 10, async || count(&runtime, "SELECT count(*) FROM user_change")).await;
    assert_eq!(tier(url, &second.3).await, Ok("pro".to_owned()));
    becomes_none("old mails", 10, async || {
        count(&runtime, "SELECT count(*) FROM verification WHERE id = 'old'")
    })
    .await;
    assert_eq!(count(&runtime, "SELECT count(*) FROM verification WHERE id = 'new'"), 1);
}
