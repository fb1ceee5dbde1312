//! Clerk's webhooks: signed, in any order, several times.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use journeys::clerk::{deliver, sign, tell, user};
use journeys::{Answer, Client, Options, Runtime, fresh, node};
use reqwest::Method;
use rusqlite::{Connection, OpenFlags, types::Value as Cell};
use serde_json::{Value, json};

fn hooked() -> &'static Runtime {
    static HOOKED: OnceLock<Runtime> = OnceLock::new();
    HOOKED.get_or_init(|| Runtime::start(Options::default()))
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
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

/// What the real library of Svix signs is taken, under either family of names and with several signatures.
#[tokio::test]
async fn messages_of_the_real_svix_are_taken() {
    let runtime = hooked();
    let (id, message) = (fresh("user"), fresh("msg"));
    let event = json!({ "type": "user.created", "timestamp": 1_000, "data": user(&id, &format!("{id}@example.org"), "pro") });
    let body = event.to_string();
    let secret = "whsec_ZmFrZS1kZXZlbG9wbWVudC1zZWNyZXQ=";
    let asked =
        |timestamp: u64| json!({ "secret": secret, "id": message, "timestamp": timestamp, "body": body });
    let mut svix = node("clients/webhook.mjs").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = format!("{}\n{}\n", asked(now_s()), asked(now_s() - 301));
    svix.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = svix.wait_with_output().unwrap();
    let signed = String::from_utf8(output.stdout).unwrap();
    let signed: Vec<Value> = signed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [fresh_stamp, old_stamp] = &signed[..] else { panic!("{signed:?}") };

    let send = |stamp: &Value, family: &str, signature: String| {
        let of = |name: &str| stamp[format!("svix-{name}")].as_str().unwrap().to_owned();
        let request = Client::new(&runtime.url)
            .request(Method::POST, "/api/webhooks/clerk")
            .header(format!("{family}-id"), of("id"))
            .header(format!("{family}-timestamp"), of("timestamp"))
            .header(format!("{family}-signature"), signature);
        Answer::to(request.body(body.clone()))
    };
    let signature = |stamp: &Value| stamp["svix-signature"].as_str().unwrap().to_owned();
    send(old_stamp, "svix", signature(old_stamp)).await.assert_problem(401, "webhook_rejected");
    let two = format!("v1,AAAA {}", signature(fresh_stamp));
    let taken = send(fresh_stamp, "webhook", two).await;
    assert_eq!((taken.status, &taken.json()["event"]), (200, &json!("user.created")), "{taken:?}");
    let again = send(fresh_stamp, "svix", signature(fresh_stamp)).await.json();
    assert_eq!(again["message"], "Already received");
    assert_eq!(row(runtime, &id, ["tier"]), Some([text("pro")]));
}

/// An event that tells no tier says nothing about it, whenever it comes.
#[tokio::test]
async fn the_tier_that_was_told_last_holds_in_whatever_order() {
    let runtime = hooked();
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]] {
        let id = fresh("user");
        let tiers = ["pro", "admin", "emperor"];
        for n in order {
            let data = user(&id, &format!("{id}@example.org"), tiers[n]);
            tell(&runtime.url, "user.updated", 1_000 + n as u64, data).await;
        }
        assert_eq!(row(runtime, &id, ["tier"]), Some([text("admin")]), "{order:?}");
    }
}
