//! Clerk's webhooks: signed, in any order, several times.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use journeys::{Answer, Client, Options, Runtime};
use reqwest::{Method, RequestBuilder};
use rusqlite::{Connection, OpenFlags, types::Value as Cell};
use serde_json::{Value, json};
use sha2::Sha256;

/// What `.dev.vars.example` has.
const SECRET: &str = "ZmFrZS1kZXZlbG9wbWVudC1zZWNyZXQ=";

fn hooked() -> &'static Runtime {
    static HOOKED: OnceLock<Runtime> = OnceLock::new();
    HOOKED.get_or_init(|| Runtime::start(Options::default()))
}

/// An id that no other message or user of this run has.
pub(crate) fn fresh(kind: &str) -> String {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    format!("{kind}_{}", LAST.fetch_add(1, Ordering::Relaxed))
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn sign(id: &str, timestamp: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(SECRET).unwrap()).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Delivers a message as Svix does.
pub(crate) async fn deliver(url: &str, id: &str, body: &str) -> Answer {
    Answer::to(delivery(url, id, body)).await
}

/// Delivers a message to a server that may die over it.
pub(crate) async fn try_deliver(url: &str, id: &str, body: &str) -> Option<Answer> {
    let response = delivery(url, id, body).send().await.ok()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Some(Answer { status, headers, text: response.text().await.ok()? })
}

fn delivery(url: &str, id: &str, body: &str) -> RequestBuilder {
    let timestamp = now_s();
    let request = Client::new(url)
        .request(Method::POST, "/api/webhooks/clerk")
        .header("svix-id", id)
        .header("svix-timestamp", timestamp.to_string())
        .header("svix-signature", sign(id, timestamp, body));
    request.header("Content-Type", "application/json").body(body.to_owned())
}

/// Delivers an event in a message of its own.
pub(crate) async fn tell(url: &str, kind: &str, happened_at: u64, data: Value) -> Value {
    let event = json!({ "type": kind, "object": "event", "timestamp": happened_at, "data": data });
    let answer = deliver(url, &fresh("msg"), &event.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

pub(crate) fn user(id: &str, email: &str, tier: &str) -> Value {
    json!({
        "id": id, "object": "user", "first_name": "Ada", "last_name": "Lovelace", "image_url": "https://img.example/1",
        "email_addresses": [
            { "id": "idn_2", "email_address": "other@example.org", "verification": null, "linked_to": [] },
            { "id": "idn_1", "email_address": email, "verification": { "status": "verified" }, "linked_to": [] },
        ],
        "primary_email_address_id": "idn_1",
        "public_metadata": { "tier": tier }, "unsafe_metadata": { "tier": "admin", "role": "admin" },
        "last_sign_in_at": 1_767_225_600_000_u64, "updated_at": 1,
    })
}

/// Columns of a user's row in D1, read from outside; none if there is no such user.
pub(crate) fn row<const N: usize>(
    runtime: &Runtime,
    clerk_user_id: &str,
    columns: [&str; N],
) -> Option<[Cell; N]> {
    let query = format!("SELECT {} FROM users WHERE clerk_user_id = ?", columns.join(", "));
    d1_files(runtime).find_map(|file| {
        let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        let found = |row: &rusqlite::Row<'_>| Ok(std::array::from_fn(|n| row.get(n).unwrap()));
        database.query_row(&query, [clerk_user_id], found).ok()
    })
}

/// The files that D1 keeps. The runtime keeps one of its own beside the database; that one has no such tables.
pub(crate) fn d1_files(runtime: &Runtime) -> impl Iterator<Item = PathBuf> + use<> {
    let folder = runtime.state().join("v3/d1/miniflare-D1DatabaseObject");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "sqlite"))
}

/// Changes rows of the stopped runtime's D1; returns how many.
pub(crate) fn change_d1(runtime: &Runtime, statement: &str) -> usize {
    d1_files(runtime).map(|file| Connection::open(file).unwrap().execute(statement, ()).unwrap_or(0)).sum()
}

pub(crate) fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

#[tokio::test]
async fn a_user_is_created_changed_and_deleted() {
    let (runtime, id) = (hooked(), fresh("user"));
    let email = format!("{id}@example.org");
    let created = tell(&runtime.url, "user.created", 1_000, user(&id, &email, "pro")).await;
    assert_eq!(created["event"], "user.created");
    let columns = ["id", "email", "email_verified", "display_name", "tier", "role"];
    let expected = [
        text(created["userId"].as_str().unwrap()),
        text(&email),
        Cell::Integer(1),
        text("Ada Lovelace"),
        text("pro"),
        text("user"),
    ];
    assert_eq!(row(runtime, &id, columns), Some(expected));

    // An update without an address or a tier leaves both as they were.
    let mut changed = user(&id, &email, "");
    changed["primary_email_address_id"] = Value::Null;
    changed["first_name"] = json!("Augusta");
    let updated = tell(&runtime.url, "user.updated", 2_000, changed).await;
    assert_eq!(updated["userId"], created["userId"]);
    let expected = [text(&email), text("Augusta Lovelace"), text("pro")];
    assert_eq!(row(runtime, &id, ["email", "display_name", "tier"]), Some(expected));

    let gone = json!({ "id": id, "object": "user", "deleted": true });
    assert_eq!(tell(&runtime.url, "user.deleted", 3_000, gone.clone()).await["deleted"], true);
    assert_eq!(row(runtime, &id, ["id"]), None);
    assert_eq!(tell(&runtime.url, "user.deleted", 3_000, gone).await["deleted"], false);
    // What was under way for long can't bring the user back.
    assert_eq!(
        tell(&runtime.url, "user.updated", 2_500, user(&id, &email, "pro")).await["userId"],
        Value::Null
    );
    assert_eq!(row(runtime, &id, ["id"]), None);
}

#[tokio::test]
async fn events_count_in_the_order_in_which_they_happened() {
    let (runtime, id) = (hooked(), fresh("user"));
    let email = format!("{id}@example.org");
    tell(&runtime.url, "user.updated", 3_000, user(&id, &email, "pro")).await;
    tell(&runtime.url, "user.created", 1_000, user(&id, "old@example.org", "free")).await;
    tell(&runtime.url, "user.updated", 2_000, user(&id, "older@example.org", "free")).await;
    assert_eq!(row(runtime, &id, ["email", "tier"]), Some([text(&email), text("pro")]));
}

#[tokio::test]
async fn an_address_belongs_to_whom_it_came_last() {
    let (runtime, first, second) = (hooked(), fresh("user"), fresh("user"));
    let email = format!("{first}@example.org");
    tell(&runtime.url, "user.created", 1_000, user(&first, &email, "free")).await;
    tell(&runtime.url, "user.created", 2_000, user(&second, &email.to_uppercase(), "free")).await;
    assert_eq!(row(runtime, &first, ["email"]), Some([Cell::Null]));
    assert_eq!(row(runtime, &second, ["email"]), Some([text(&email)]));
    // An older event of a third one does not take it.
    let third = fresh("user");
    tell(&runtime.url, "user.created", 1_500, user(&third, &email, "free")).await;
    assert_eq!(row(runtime, &third, ["email"]), Some([Cell::Null]));
    // Nor does one who did not verify it.
    let mut unverified = user(&third, &email, "free");
    unverified["email_addresses"][1]["verification"] = json!({ "status": "unverified" });
    tell(&runtime.url, "user.updated", 3_000, unverified).await;
    assert_eq!(row(runtime, &third, ["email", "email_verified"]), Some([Cell::Null, Cell::Integer(0)]));
    assert_eq!(row(runtime, &second, ["email"]), Some([text(&email)]));
}

/// A user changes again and again: the note of each change takes the place of the one before.
#[tokio::test]
async fn many_changes_of_a_user_at_once_all_count() {
    let (runtime, id) = (hooked(), fresh("user"));
    let email = format!("{id}@example.org");
    tell(&runtime.url, "user.created", 1_000, user(&id, &email, "free")).await;
    let changes = (0..40).map(|n| {
        let tier = if n == 39 { "pro" } else { "free" };
        tell(&runtime.url, "user.updated", 2_000 + n, user(&id, &email, tier))
    });
    futures::future::join_all(changes).await;
    let expected = [text("pro"), Cell::Integer(2_039)];
    assert_eq!(row(runtime, &id, ["tier", "clerk_event_at"]), Some(expected));
}

/// Whoever signed up here and verified an address is the one who comes from Clerk with the same.
#[tokio::test]
async fn a_user_who_signed_up_here_comes_back_through_clerk() {
    let mut runtime = Runtime::start(Options::default());
    runtime.stop();
    for (id, verified) in [("aaaa", 1), ("bbbb", 0)] {
        let statement = format!(
            "INSERT INTO users (id, email, email_verified, tier, created_at, updated_at)
             VALUES ('00000000-0000-4000-8000-00000000{id}', '{id}@example.org', {verified}, 'pro', 1, 1)"
        );
        assert_eq!(change_d1(&runtime, &statement), 1);
    }
    runtime.restart();

    let (known, stranger) = (fresh("user"), fresh("user"));
    let linked = tell(&runtime.url, "user.created", 1_000, user(&known, "AAAA@example.org", "")).await;
    assert_eq!(linked["userId"], "00000000-0000-4000-8000-00000000aaaa");
    let expected = [text("aaaa@example.org"), text("pro"), text("Ada Lovelace")];
    assert_eq!(row(&runtime, &known, ["email", "tier", "display_name"]), Some(expected));

    // Who did not verify the address here may be anybody: two users, and the address stays where it is.
    let other = tell(&runtime.url, "user.created", 1_000, user(&stranger, "bbbb@example.org", "free")).await;
    assert_ne!(other["userId"], "00000000-0000-4000-8000-00000000bbbb");
    assert_eq!(row(&runtime, &stranger, ["email", "email_verified"]), Some([Cell::Null, Cell::Integer(0)]));
}

#[tokio::test]
async fn webhooks_can_be_switched_off() {
    let runtime =
        Runtime::start(Options { vars: vec![("DISABLE_CLERK_WEBHOOKS", "true")], ..Options::default() });
    let refused = deliver(&runtime.url, "m", "{}").await;
    refused.assert_problem(410, "CLERK_WEBHOOKS_DISABLED");
    let detail = "Clerk webhooks are disabled. Auth has migrated to Better Auth.";
    assert_eq!(refused.json()["error"], detail);
}

#[tokio::test]
async fn a_message_counts_once_and_survives_a_crash() {
    let mut runtime = Runtime::start(Options::default());
    let (id, message) = (fresh("user"), fresh("msg"));
    let body =
        json!({ "type": "user.created", "timestamp": 1_000, "data": user(&id, "a@example.org", "pro") });
    assert_eq!(deliver(&runtime.url, &message, &body.to_string()).await.status, 200);
    runtime.crash_and_restart();
    assert_eq!(row(&runtime, &id, ["tier"]), Some([text("pro")]));

    let again = deliver(&runtime.url, &message, &body.to_string()).await;
    assert_eq!((again.status, &again.json()["message"]), (200, &json!("Already received")));
}

#[tokio::test]
async fn other_events_are_acknowledged() {
    let answer = tell(&hooked().url, "session.created", 1, json!({ "id": "sess_1" })).await;
    assert_eq!(
        answer,
        json!({ "success": true, "event": "session.created", "message": "Event type not handled" })
    );
    let nobody = tell(&hooked().url, "user.deleted", 1, json!({ "object": "user", "deleted": true })).await;
    assert_eq!(nobody["deleted"], false);
}

#[tokio::test]
async fn what_is_not_signed_is_not_believed() {
    let (url, id) = (&hooked().url, fresh("user"));
    let body = json!({ "type": "user.created", "timestamp": 1, "data": user(&id, "b@example.org", "admin") })
        .to_string();
    let now = now_s();
    let send = |headers: Vec<(&'static str, String)>, body: String| {
        let mut request = Client::new(url).request(Method::POST, "/webhooks/clerk");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Answer::to(request.body(body))
    };
    let stamp = |id: &str, timestamp: u64, signature: String| {
        vec![
            ("svix-id", id.to_owned()),
            ("svix-timestamp", timestamp.to_string()),
            ("svix-signature", signature),
        ]
    };
    for missing in 0..3 {
        let mut headers = stamp("m", now, sign("m", now, &body));
        headers.remove(missing);
        send(headers, body.clone()).await.assert_problem(400, "webhook_headers_missing");
    }
    for (headers, body) in [
        (stamp("m", now, sign("other", now, &body)), body.clone()),
        (stamp("m", now - 301, sign("m", now - 301, &body)), body.clone()),
        (stamp("m", now, sign("m", now, &body)), body.replace("admin", "Admin")),
        (stamp("m", now, "v1,AAAA".to_owned()), body.clone()),
        (stamp(&"m".repeat(300), now, sign(&"m".repeat(300), now, &body)), body.clone()),
    ] {
        send(headers, body).await.assert_problem(401, "webhook_rejected");
    }
    assert_eq!(row(hooked(), &id, ["id"]), None);

    for body in ["", "not json", "[]", "{}", r#"{"type":7,"data":{}}"#] {
        deliver(url, &fresh("msg"), body).await.assert_problem(400, "webhook_malformed");
    }
    let wrong = json!({ "type": "user.created", "data": { "id": 7 } }).to_string();
    deliver(url, &fresh("msg"), &wrong).await.assert_problem(400, "webhook_malformed");

    // The standard's names will do, and Svix's own go before them.
    let headers: Vec<_> = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        .into_iter()
        .zip(stamp("standard", now, sign("standard", now, &body)))
        .map(|(name, (_, value))| (name, value))
        .collect();
    assert_eq!(send(headers.clone(), body.clone()).await.status, 200);
    let both = [headers, vec![("svix-signature", "v1,AAAA".to_owned())]].concat();
    send(both, body).await.assert_problem(401, "webhook_rejected");
}

#[tokio::test]
async fn without_a_secret_nothing_is_received() {
    let runtime = Runtime::start(Options { vars: vec![("CLERK_WEBHOOK_SECRET", "")], ..Options::default() });
    deliver(&runtime.url, "m", "{}").await.assert_problem(503, "secret_missing");
}

/// A sender that is refused sends again and again, so it is not limited.
#[tokio::test]
async fn webhooks_are_not_counted() {
    let client = Client::new(&hooked().url);
    for _ in 0..12 {
        client.post("/api/webhooks/clerk", "{}").await.assert_problem(400, "webhook_headers_missing");
    }
    assert_eq!(client.post("/api/compile", "{}").await.header("x-ratelimit-remaining"), "9");
}
