//! What admins do to users acts on the very next request of theirs, whatever is under way.

use std::sync::OnceLock;

use futures::future::join_all;
use journeys::{Answer, Client, Options, Runtime};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::small;

const PASSWORD: &str = "password-one";
const ADMIN: &str = "admin@example.com";
/// Requests that are sent at once.
const AT_ONCE: usize = 50;

/// A Worker with an admin, whom somebody has made one in the database.
fn governed() -> &'static str {
    static GOVERNED: OnceLock<Runtime> = OnceLock::new();
    let start = || {
        // A runtime and its clients belong to one executor; this one ends before any test asks.
        let made = std::thread::spawn(|| {
            let mut runtime = Runtime::start(Options::default());
            let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            executor.block_on(Person::sign_up(&runtime.url, ADMIN));
            runtime.stop();
            assert_eq!(make_admin(&runtime), 1);
            runtime.restart();
            runtime
        });
        made.join().unwrap()
    };
    &GOVERNED.get_or_init(start).url
}

/// Gives the admin the role and the tier. Returns how many users got them.
fn make_admin(runtime: &Runtime) -> usize {
    let folder = runtime.state().join("v3/d1/miniflare-D1DatabaseObject");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let databases = files.filter(|file| file.extension().is_some_and(|extension| extension == "sqlite"));
    databases
        .filter_map(|file| {
            let database = Connection::open(file).ok()?;
            let update = "UPDATE users SET role = 'admin', tier = 'admin' WHERE email = ?";
            database.execute(update, [ADMIN]).ok()
        })
        .sum()
}

/// Somebody with a browser.
#[derive(Clone)]
struct Person {
    client: Client,
    base: String,
    cookies: String,
    id: String,
}

impl Person {
    async fn sign_up(base: &str, email: &str) -> Self {
        let body = json!({ "name": "Ann", "email": email, "password": PASSWORD });
        Self::enter(base, "/sign-up/email", &body).await
    }

    async fn sign_in(base: &str, email: &str) -> Self {
        Self::enter(base, "/sign-in/email", &json!({ "email": email, "password": PASSWORD })).await
    }

    async fn enter(base: &str, path: &str, body: &Value) -> Self {
        let client = Client::new(base);
        let person = Self { client, base: base.to_owned(), cookies: String::new(), id: String::new() };
        let answer = person.auth(path, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.json()["user"]["id"].as_str().unwrap().to_owned();
        Self { id, ..person.keeping(&answer) }
    }

    /// Somebody new, with an address that nobody has.
    async fn fresh(base: &str) -> Self {
        let email = format!("ann.{}@example.com", journeys::fresh_address());
        Self::sign_up(base, &email).await
    }

    /// The same, with the cookies of an answer; the last line of a name counts.
    fn keeping(mut self, answer: &Answer) -> Self {
        let mut kept = std::collections::BTreeMap::new();
        for line in answer.headers.get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            kept.insert(name.to_owned(), value.to_owned());
        }
        let pairs = kept.iter().filter(|(_, value)| !value.is_empty());
        self.cookies = pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        self
    }

    /// `POST` below `/api/auth`, from a page of the service.
    async fn auth(&self, path: &str, body: &Value) -> Answer {
        let request = self.client.request(Method::POST, &format!("/api/auth{path}"));
        let request = request.header("Origin", &self.base).header("Cookie", &self.cookies);
        Answer::to(request.json(body)).await
    }

    /// [`Person::auth`] that must succeed; the answer's body.
    async fn does(&self, path: &str, body: &Value) -> Value {
        let answer = self.auth(path, body).await;
        assert_eq!(answer.status, 200, "{path} {answer:?}");
        answer.json()
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::to(self.client.request(Method::GET, path).header("Cookie", &self.cookies)).await
    }

    async fn show_limits(&self) -> Answer {
        self.get("/api/rate-limit").await
    }

    async fn show_limits_at_once(&self) -> Vec<Answer> {
        join_all((0..AT_ONCE).map(|_| self.show_limits())).await
    }

    /// Compiles something. Returns how many more times the one who was counted may.
    async fn compile(&self) -> u32 {
        let request = self.client.request(Method::POST, "/api/compile").header("Origin", &self.base);
        let request = request.header("Cookie", &self.cookies).json(&small(&[], "||a.example^"));
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("x-ratelimit-remaining").parse().unwrap()
    }

    /// Who is counted for this person's requests.
    async fn counts_as(&self) -> String {
        let answer = self.show_limits().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["identity"].as_str().unwrap().to_owned()
    }

    async fn counts_as_oneself(&self) -> bool {
        self.counts_as().await.ends_with(&self.id)
    }
}

#[tokio::test]
async fn a_suspension_acts_on_the_very_next_request() {
    let base = governed();
    let (admin, ann) = (Person::sign_in(base, ADMIN).await, Person::fresh(base).await);
    assert!(ann.counts_as_oneself().await);

    // Some are under way meanwhile: those may go either way, but none is served as if it were nobody's.
    let ban = json!({ "userId": ann.id, "banReason": "Spam" });
    let (meanwhile, banned) = tokio::join!(ann.show_limits_at_once(), admin.does("/admin/ban-user", &ban));
    assert_eq!((&banned["user"]["banned"], &banned["user"]["banReason"]), (&json!(true), &json!("Spam")));
    for answer in meanwhile {
        match answer.status {
            200 => assert!(answer.json()["identity"].as_str().unwrap().ends_with(&ann.id), "{answer:?}"),
            _ => answer.assert_problem(403, "account_suspended"),
        }
    }
    for answer in ann.show_limits_at_once().await {
        answer.assert_problem(403, "account_suspended");
    }
    let sessions = admin.does("/admin/list-user-sessions", &json!({ "userId": ann.id })).await;
    assert_eq!(sessions["sessions"], json!([]));

    // Lifted, it is as gone as the sessions are.
    admin.does("/admin/unban-user", &json!({ "userId": ann.id })).await;
    assert!(!ann.counts_as_oneself().await);
}

/// A suspension that is over already refuses nobody, but what it ended stays ended.
#[tokio::test]
async fn a_suspension_of_the_past_ends_sessions_too() {
    let base = governed();
    let (admin, ann) = (Person::sign_in(base, ADMIN).await, Person::fresh(base).await);
    let banned = admin.does("/admin/ban-user", &json!({ "userId": ann.id, "banExpiresIn": -5 })).await;
    assert_eq!(banned["user"]["banned"], true);
    assert!(!ann.counts_as_oneself().await);

    let data = json!({ "banned": true, "banExpires": "2100-01-01T00:00:00.000Z" });
    let bob = Person::fresh(base).await;
    let updated = admin.does("/admin/update-user", &json!({ "userId": bob.id, "data": data })).await;
    assert_eq!(updated["banExpires"], "2100-01-01T00:00:00.000Z");
    bob.show_limits().await.assert_problem(403, "account_suspended");
}

#[tokio::test]
async fn sessions_that_are_revoked_end_at_once() {
    let base = governed();
    let (admin, ann) = (Person::sign_in(base, ADMIN).await, Person::fresh(base).await);
    assert!(ann.counts_as_oneself().await);
    let revoked = admin.does("/admin/revoke-user-sessions", &json!({ "userId": ann.id })).await;
    assert_eq!(revoked, json!({ "success": true }));
    for answer in ann.show_limits_at_once().await {
        let body = answer.json();
        assert_eq!((answer.status, &body["tier"]), (200, &json!("anonymous")), "{answer:?}");
        assert!(body["identity"].as_str().unwrap().starts_with("net:"), "{answer:?}");
    }
}

#[tokio::test]
async fn who_acts_as_a_user_is_counted_as_that_user() {
    let base = governed();
    let (admin, ann) = (Person::sign_in(base, ADMIN).await, Person::fresh(base).await);
    let remaining = ann.compile().await;

    let answer = admin.auth("/admin/impersonate-user", &json!({ "userId": ann.id })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let imitation = admin.clone().keeping(&answer);
    assert_eq!(imitation.counts_as().await, ann.counts_as().await);
    assert_eq!(imitation.compile().await, remaining - 1);
    assert_eq!(ann.compile().await, remaining - 2);

    let back = imitation.auth("/admin/stop-impersonating", &json!({})).await;
    assert_eq!(back.status, 200, "{back:?}");
    assert!(imitation.counts_as().await.starts_with("net:"), "the session is gone");
    assert!(admin.clone().keeping(&back).counts_as_oneself().await);
    // A session that was put aside by somebody else leads nowhere.
    let other = Person::fresh(base).await;
    let again = admin.auth("/admin/impersonate-user", &json!({ "userId": ann.id })).await;
    let imitation = admin.clone().keeping(&again);
    let own = |cookies: &str, name: &str| {
        cookies.split("; ").find(|pair| pair.contains(name)).unwrap_or_default().to_owned()
    };
    let mixed =
        format!("{}; {}", own(&other.cookies, "session_token"), own(&imitation.cookies, "admin_session"));
    let mixed = Person { cookies: mixed, ..other };
    assert_eq!(mixed.auth("/admin/stop-impersonating", &json!({})).await.status, 400);
    let alone = Person { cookies: own(&imitation.cookies, "session_token"), ..imitation };
    assert_eq!(alone.auth("/admin/stop-impersonating", &json!({})).await.status, 500);
}

#[tokio::test]
async fn a_role_opens_the_plugin_with_the_next_request() {
    let base = governed();
    let (admin, ann) = (Person::sign_in(base, ADMIN).await, Person::fresh(base).await);
    let own = json!({ "userId": ann.id });
    assert_eq!(ann.auth("/admin/list-user-sessions", &own).await.status, 403);
    let set = |role: Value| json!({ "userId": ann.id, "role": role });
    admin.does("/admin/set-role", &set(json!(["support", "admin"]))).await;
    assert_eq!(ann.does("/admin/list-user-sessions", &own).await["sessions"].as_array().unwrap().len(), 1);
    // It is no tier, and the service's own admin API asks for that too.
    assert_eq!(ann.show_limits().await.json()["tier"], "free");
    assert_eq!(ann.get("/api/admin/health").await.status, 403);
    assert_eq!(admin.get("/api/admin/health").await.status, 200);
    admin.does("/admin/set-role", &set(json!("user"))).await;
    assert_eq!(ann.auth("/admin/list-user-sessions", &own).await.status, 403);

    let data = json!({ "userId": ann.id, "data": { "tier": "pro" } });
    assert_eq!(admin.does("/admin/update-user", &data).await["tier"], "pro");
    assert_eq!(ann.show_limits().await.json()["tier"], "pro");
    for role in [json!("a b"), json!("x".repeat(65)), json!(vec!["x"; 11])] {
        assert_eq!(admin.auth("/admin/set-role", &set(role)).await.status, 400);
    }
}

#[tokio::test]
async fn a_user_who_is_removed_is_nobody_at_once() {
    let base = governed();
    let (admin, ann) = (Person::sign_in(base, ADMIN).await, Person::fresh(base).await);
    admin.does("/admin/remove-user", &json!({ "userId": ann.id })).await;
    for answer in ann.show_limits_at_once().await {
        assert_eq!((answer.status, &answer.json()["tier"]), (200, &json!("anonymous")), "{answer:?}");
    }
    for id in [ann.id.as_str(), "ann", ""] {
        let answer = admin.auth("/admin/unban-user", &json!({ "userId": id })).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("USER_NOT_FOUND")), "{id}");
    }
}

/// What a list is filtered and sorted by never becomes SQL, and longer texts than D1's patterns take are found.
#[tokio::test]
async fn lists_are_filtered_by_every_field() {
    let base = governed();
    let admin = Person::sign_in(base, ADMIN).await;
    let long = format!("{}.Listed@example.com", "l".repeat(60));
    let data = json!({
        "banned": true, "banReason": "100%_sure", "tier": "pro", "emailVerified": true, "image": "https://img.example/1",
    });
    let new = json!({ "email": long, "name": "Ada Ö", "role": "listed", "data": data });
    let made = admin.does("/admin/create-user", &new).await["user"].clone();
    for (field, expected) in [
        ("email", json!(long.to_lowercase())),
        ("banned", json!(true)),
        ("banReason", json!("100%_sure")),
        ("banExpires", Value::Null),
        ("tier", json!("pro")),
        ("emailVerified", json!(true)),
        ("image", json!("https://img.example/1")),
        ("role", json!("listed")),
    ] {
        assert_eq!(made[field], expected, "{field}");
    }
    let created_at = made["createdAt"].as_str().unwrap();
    for (query, n) in [
        (vec![("searchValue", long.as_str())], 1),
        (vec![("searchValue", "LISTED@"), ("searchOperator", "contains")], 1),
        (vec![("searchValue", "Ada Ö"), ("searchField", "name"), ("searchOperator", "ends_with")], 1),
        (vec![("filterField", "role"), ("filterValue", "listed")], 1),
        (vec![("filterField", "role"), ("filterValue", "listed"), ("sortBy", "banExpires")], 1),
        (vec![("filterField", "banReason"), ("filterValue", "%_s"), ("filterOperator", "contains")], 1),
        (vec![("filterField", "banReason"), ("filterValue", "%"), ("filterOperator", "starts_with")], 0),
        (vec![("filterField", "createdAt"), ("filterValue", created_at), ("searchValue", "listed@")], 1),
        (
            vec![
                ("filterField", "createdAt"),
                ("filterOperator", "lt"),
                ("filterValue", created_at),
                ("searchValue", "listed@"),
            ],
            0,
        ),
        (vec![("filterField", "emailVerified"), ("filterValue", "true"), ("searchValue", "listed@")], 1),
        (vec![("filterField", "banned"), ("filterValue", "false"), ("searchValue", "listed@")], 0),
        (vec![("filterField", "banned"), ("filterValue", "maybe")], 0),
        (vec![("filterField", "createdAt"), ("filterValue", "whenever")], 0),
        (vec![("filterField", "tier"), ("filterValue", "pro"), ("searchValue", "listed@")], 1),
        (vec![("filterField", "id"), ("filterValue", "' OR 1=1 --")], 0),
        (vec![("sortBy", "id; DROP TABLE users")], 0),
    ] {
        let pairs = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&query).finish();
        let path = format!("/api/auth/admin/list-users?{pairs}");
        let answer = admin.get(&path).await;
        assert_eq!((answer.status, &answer.json()["total"]), (200, &json!(n)), "{query:?} {answer:?}");
        assert_eq!(answer.json()["users"].as_array().unwrap().len(), n, "{query:?}");
    }
}
