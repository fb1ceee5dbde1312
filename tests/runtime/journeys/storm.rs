//! The storm: everything that senders and owners send, while everything is killed again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use journeys::clerk::{deliver, tell, try_deliver, user};
use journeys::{Answer, Client, Options, Runtime};
use reqwest::Method;
use rusqlite::types::Value as Cell;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::admin::KEY;
use crate::users::{becomes_none, count, give_key, n_keys, tier};
use crate::webhooks::{row, text};

/// Users of the journey below; the first half are there, with keys in use, before it begins.
const USERS: usize = 40;
/// How often everything is killed.
const CRASHES: usize = 20;
/// Users who signed up here, and keys of each. Every key is changed five times: 200 changes.
const OWNERS: usize = 10;
const KEYS: usize = 4;

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        // Constants of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn clerk_id(n: usize) -> String {
    format!("user_storm_{n}")
}

/// A message: its id and its body.
type Told = (String, String);

/// 200 messages about the users, in no order, with 40 of them twice. Each user has addresses of
/// their own: who gets one that several claim may depend on the order of arrival.
fn storm() -> Vec<Told> {
    let mut dice = Dice(2_026);
    let mut messages: Vec<Told> = Vec::new();
    for n in 0..200_u64 {
        let (who, at) = (clerk_id((n as usize) % USERS), 10_000 + n * 7);
        let (kind, data) = if n % 9 == 8 {
            ("user.deleted", json!({ "id": who, "object": "user", "deleted": true }))
        } else {
            let kind = if n < 80 { "user.created" } else { "user.updated" };
            let email = format!("{who}.{}@example.org", dice.below(3));
            let tier = ["free", "pro", "admin", "emperor"][dice.below(4) as usize];
            (kind, user(&who, &email, tier))
        };
        let body = json!({ "type": kind, "timestamp": at, "data": data });
        messages.push((format!("msg_storm_{n}"), body.to_string()));
    }
    for n in 0..40 {
        messages.push(messages[n * 5].clone());
    }
    for n in (1..messages.len()).rev() {
        messages.swap(n, dice.below(n as u64 + 1) as usize);
    }
    messages
}

/// What D1 knows of the users: all but ids, versions and times of receipt.
fn users_of(runtime: &Runtime) -> BTreeMap<String, [Cell; 6]> {
    let columns = ["email", "email_verified", "display_name", "tier", "role", "clerk_event_at"];
    let of = |n| Some((clerk_id(n), row(runtime, &clerk_id(n), columns)?));
    (0..USERS).filter_map(of).collect()
}

/// The first half of the users, and a key of each that was in use.
async fn prepare(runtime: &Runtime) -> Vec<(usize, String, String)> {
    let mut people = Vec::new();
    for n in 0..USERS / 2 {
        let data = user(&clerk_id(n), &format!("first{n}@example.org"), "free");
        let created = tell(&runtime.url, "user.created", 1_000, data).await;
        let id = created["userId"].as_str().unwrap().to_owned();
        let key = give_key(runtime, &id).await;
        assert_eq!(tier(&runtime.url, &key).await, Ok("free".to_owned()));
        people.push((n, id, key));
    }
    people
}

/// A key that its owner changes step by step.
struct Changed {
    session: String,
    id: String,
    text: String,
    /// Changes that were acknowledged.
    n_done: usize,
}

/// What becomes of a key: the method and the body of each request.
fn changes(n: usize) -> [(Method, Value); 5] {
    let last = match n % 2 {
        0 => (Method::DELETE, Value::Null),
        _ => (Method::PATCH, json!({ "name": format!("Key {n}, last"), "scopes": ["rules"] })),
    };
    [
        (Method::PATCH, json!({ "name": format!("Key {n}, first") })),
        (Method::PATCH, json!({ "scopes": ["rules"] })),
        (Method::PATCH, json!({ "scopes": ["rules", "compile"] })),
        (Method::PATCH, json!({ "name": format!("Key {n}, second"), "scopes": ["compile"] })),
        last,
    ]
}

impl Changed {
    /// Sends what is left, each change until it is acknowledged, as far as the server lives.
    async fn go_on(mut self, url: &str, n: usize) -> (usize, Self) {
        for (method, body) in changes(n).into_iter().skip(self.n_done) {
            let is_last_word = method == Method::DELETE;
            let request = Client::new(url).request(method, &format!("/api/keys/{}", self.id));
            let request = request.header("Authorization", format!("Bearer {}", self.session));
            let request = if body.is_null() { request } else { request.json(&body) };
            match Answer::try_to(request).await.map(|answer| answer.status) {
                Some(200) => self.n_done += 1,
                // Revoked by a request whose answer was lost.
                Some(404) if is_last_word => self.n_done += 1,
                _ => break,
            }
        }
        (n, self)
    }
}

/// Owners with plenty of room, and their keys, every one in use.
async fn prepare_keys(runtime: &Runtime) -> Vec<Changed> {
    let client = Client::new(&runtime.url);
    let mut keys = Vec::new();
    for owner in 0..OWNERS {
        let body = json!({ "email": format!("owner{owner}@example.org"), "password": "a-password-for-tests", "name": "" });
        let signed = client.post_json("/api/auth/sign-up/email", &body).await.json();
        let session = signed["token"].as_str().unwrap().to_owned();
        let path = format!("/admin/users/{}", signed["user"]["id"].as_str().unwrap());
        let rights =
            client.request(Method::PATCH, &path).header("X-Admin-Key", KEY).json(&json!({ "tier": "pro" }));
        assert_eq!(Answer::to(rights).await.status, 200);
        for n in 0..KEYS {
            let request = client.request(Method::POST, "/api/keys");
            let request = request.header("Authorization", format!("Bearer {session}"));
            let made = Answer::to(request.json(&json!({ "name": format!("{owner}.{n}") }))).await.json();
            let text = made["key"].as_str().unwrap().to_owned();
            assert_eq!(tier(&runtime.url, &text).await, Ok("pro".to_owned()));
            keys.push(Changed {
                session: session.clone(),
                id: made["id"].as_str().unwrap().to_owned(),
                text,
                n_done: 0,
            });
        }
    }
    keys
}

/// What PostgreSQL has of each key, and what requests are judged by: name, scopes, whether it is revoked; statuses
/// of a look and of a compile.
async fn state_of(runtime: &Runtime, keys: &[Changed]) -> Vec<(String, Vec<String>, bool, u16, u16)> {
    let url = runtime.ready()["postgres_url"].as_str().unwrap().to_owned();
    let (database, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut states = Vec::new();
    for key in keys {
        let query = "SELECT name, scopes, revoked_at IS NOT NULL FROM api_keys WHERE id = $1::text::uuid";
        let row = database.query_one(query, &[&key.id]).await.unwrap();
        let client = Client::new(&runtime.url);
        let with = |method: Method, path: &str| {
            client.request(method, path).header("Authorization", format!("Bearer {}", key.text))
        };
        let look = Answer::to(with(Method::GET, "/api/rate-limit")).await.status;
        let compile = Answer::to(with(Method::POST, "/api/compile").body("{}")).await.status;
        states.push((row.get(0), row.get(1), row.get(2), look, compile));
    }
    connection.abort();
    states
}

/// One thing that is sent until it is acknowledged.
enum Sent {
    Message(Option<u16>, Told),
    Key(usize, Changed),
}

/// Delivers everything, as Svix and owners do until it is acknowledged, while everything is killed again and again.
/// The records end as they would have without, and what requests are judged by agrees with them.
#[tokio::test]
async fn no_crash_loses_or_doubles_what_was_told() {
    let calm = Runtime::start(Options::default());
    prepare(&calm).await;
    for (id, body) in storm() {
        let answer = deliver(&calm.url, &id, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let expected = users_of(&calm);
    let mut keys = Vec::new();
    for (n, key) in prepare_keys(&calm).await.into_iter().enumerate() {
        let (_, key) = key.go_on(&calm.url, n).await;
        assert_eq!(key.n_done, 5);
        keys.push(key);
    }
    let expected_keys = state_of(&calm, &keys).await;
    drop(calm);
    assert!((10..USERS).contains(&expected.len()), "{expected:?}");

    let mut runtime = Runtime::start(Options::default());
    let people = prepare(&runtime).await;
    let mut keys: Vec<(usize, Changed)> = prepare_keys(&runtime).await.into_iter().enumerate().collect();
    let (mut dice, mut waiting, mut n_unheard) = (Dice(7), storm(), 0);
    for crash in 0..=CRASHES {
        let url = runtime.url.clone();
        let (done, open): (Vec<_>, Vec<_>) = keys.into_iter().partition(|(_, key)| key.n_done == 5);
        keys = done;
        // A share of what is left for each life, so that there is something to lose in every one.
        let share = waiting.len().min(waiting.len() / (CRASHES + 1 - crash) + 6);
        let messages: Vec<Told> = waiting.drain(..share).collect();
        let messages = messages.into_iter().map(|(id, body)| {
            let url = url.clone();
            async move {
                let status = try_deliver(&url, &id, &body).await.map(|answer| answer.status);
                Sent::Message(status, (id, body))
            }
            .boxed()
        });
        let changes = open.into_iter().map(|(n, key)| {
            let url = url.clone();
            async move {
                let (n, key) = key.go_on(&url, n).await;
                Sent::Key(n, key)
            }
            .boxed()
        });
        let mut sending = futures::stream::iter(messages).buffer_unordered(5).boxed();
        let mut changing = futures::stream::iter(changes).buffer_unordered(3).boxed();
        let mut lives = crash < CRASHES;
        let death = tokio::time::sleep(Duration::from_millis(10 + dice.below(120)));
        tokio::pin!(death);
        loop {
            let sent = tokio::select! {
                () = &mut death, if lives => {
                    runtime.kill();
                    lives = false;
                    continue;
                }
                Some(sent) = sending.next() => sent,
                Some(sent) = changing.next() => sent,
                else => break,
            };
            match sent {
                Sent::Message(Some(200), _) => {}
                Sent::Message(status, message) => {
                    assert!(crash < CRASHES, "{status:?} without a crash");
                    n_unheard += 1;
                    waiting.push(message);
                }
                Sent::Key(n, key) => {
                    assert!(crash < CRASHES || key.n_done == 5, "a change was refused without a crash");
                    keys.push((n, key));
                }
            }
        }
        drop((sending, changing));
        if crash < CRASHES {
            if lives {
                runtime.kill();
            }
            runtime.restart();
        }
    }
    assert!(waiting.is_empty() && n_unheard >= CRASHES, "the crashes came too late: {n_unheard}");
    assert_eq!(users_of(&runtime), expected);
    keys.sort_by_key(|(n, _)| *n);
    let keys: Vec<Changed> = keys.into_iter().map(|(_, key)| key).collect();
    assert_eq!(state_of(&runtime, &keys).await, expected_keys);

    // Every message was acknowledged, so everything acts already.
    for (n, id, key) in &people {
        let recorded = row(&runtime, &clerk_id(*n), ["id", "tier"]);
        let judged = tier(&runtime.url, key).await;
        match recorded {
            Some([found, Cell::Text(tier)]) => assert_eq!((found, judged), (text(id), Ok(tier)), "{n}"),
            gone => assert_eq!((gone, judged), (None, Err(401)), "{n}"),
        }
    }

    assert_eq!(Client::new(&runtime.url).get("/cdn-cgi/local/scheduled").await.status, 200);
    becomes_none("notes", 20, async || count(&runtime, "SELECT count(*) FROM user_change")).await;
    for (n, id, _) in &people {
        let is_alive = row(&runtime, &clerk_id(*n), ["id"]).is_some();
        assert_eq!(n_keys(&runtime, id).await, u64::from(is_alive), "{n}");
    }
}
