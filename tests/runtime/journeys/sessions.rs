//! Sessions: exact to the request, safe from forgery, and there after a crash.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use hmac::{Hmac, Mac};
use journeys::{Answer, Client, Options, Runtime};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;

/// What `.dev.vars.example` has.
const SECRET: &str = "fake-development-secret-not-for-production";
const PASSWORD: &str = "a-password-for-tests";

fn served() -> &'static Runtime {
    static SERVED: OnceLock<Runtime> = OnceLock::new();
    SERVED.get_or_init(|| Runtime::start(Options::default()))
}

/// Somebody new, and the session of the sign-up.
struct Person {
    email: String,
    id: String,
    token: String,
}

async fn sign_up(client: &Client) -> Person {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let email = format!("person{}@example.org", LAST.fetch_add(1, Ordering::Relaxed));
    let body = json!({ "email": email, "password": PASSWORD, "name": "Somebody" });
    let answer = client.post_json("/api/auth/sign-up/email", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Person { email, id: text(&body["user"]["id"]), token: text(&body["token"]) }
}

async fn sign_in(client: &Client, person: &Person) -> String {
    let body = json!({ "email": person.email, "password": PASSWORD });
    let answer = client.post_json("/api/auth/sign-in/email", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["token"].as_str().unwrap().to_owned()
}

fn with_bearer(request: RequestBuilder, token: &str) -> RequestBuilder {
    request.header("Authorization", format!("Bearer {token}"))
}

fn signed(token: &str, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(token.as_bytes());
    format!("{token}.{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn cookie(token: &str, secret: &str) -> String {
    let value = signed(token, secret).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("better-auth.session_token={value}")
}

/// Who is counted.
async fn identity(client: &Client, token: &str) -> String {
    let answer = Answer::to(with_bearer(client.request(Method::GET, "/api/rate-limit"), token)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["identity"].as_str().unwrap().to_owned()
}

async fn identities(client: &Client, token: &str, n: usize) -> Vec<String> {
    join_all((0..n).map(|_| identity(client, token))).await
}

async fn post(client: &Client, path: &str, token: &str, body: &Value) -> Answer {
    Answer::to(with_bearer(client.request(Method::POST, path), token).json(body)).await
}

#[tokio::test]
async fn an_ended_session_is_nobodys_on_the_very_next_request() {
    let client = Client::new(&served().url);
    let person = sign_up(&client).await;
    let user = format!("user:{}", person.id);
    for (path, whole) in [
        ("/api/auth/revoke-session", false),
        ("/api/auth/sign-out", false),
        ("/api/auth/revoke-other-sessions", false),
        ("/api/auth/revoke-sessions", true),
    ] {
        let (ended, other) = (sign_in(&client, &person).await, sign_in(&client, &person).await);
        assert!(identities(&client, &ended, 50).await.iter().all(|who| *who == user));
        let answer = match path {
            "/api/auth/sign-out" => post(&client, path, &ended, &json!({})).await,
            _ => post(&client, path, &other, &json!({ "token": ended })).await,
        };
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let network = identities(&client, &ended, 50).await;
        assert!(network.iter().all(|who| who.starts_with("net:")), "{path}: {network:?}");
        let left = identity(&client, &other).await;
        assert_eq!(left.starts_with("net:"), whole, "{path}: {left}");
    }
}

#[tokio::test]
async fn a_deleted_user_is_nobody_on_the_very_next_request() {
    let client = Client::new(&served().url);
    let person = sign_up(&client).await;
    let other = sign_in(&client, &person).await;
    assert!(identities(&client, &other, 50).await.iter().all(|who| who.starts_with("user:")));
    let body = json!({ "password": PASSWORD });
    let answer = post(&client, "/api/auth/delete-user", &person.token, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let after = identities(&client, &other, 50).await;
    assert!(after.iter().all(|who| who.starts_with("net:")), "{after:?}");
    let login = json!({ "email": person.email, "password": PASSWORD });
    assert_eq!(client.post_json("/api/auth/sign-in/email", &login).await.status, 401);
}

/// Sessions know nothing of the record of keys, and nobody is signed out because it is away.
#[tokio::test]
async fn sessions_do_not_miss_postgres() {
    let runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    let person = sign_up(&client).await;
    let user = format!("user:{}", person.id);
    runtime.pause_postgres();
    assert_eq!(identity(&client, &person.token).await, user);
    assert_eq!(identity(&client, &sign_in(&client, &person).await).await, user);
    let keys = Answer::to(with_bearer(client.request(Method::GET, "/api/keys"), &person.token)).await;
    keys.assert_problem(503, "unavailable");
    assert_eq!(identity(&client, &person.token).await, user);
    runtime.resume_postgres();
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while Answer::to(with_bearer(client.request(Method::GET, "/api/keys"), &person.token)).await.status != 200
    {
        assert!(std::time::Instant::now() < patience, "PostgreSQL did not come back");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// While a session ends, each of many requests is either before or after that, and none comes back to life.
#[tokio::test]
async fn requests_beside_a_revocation_are_before_or_after_it() {
    let client = Client::new(&served().url);
    let person = sign_up(&client).await;
    let ended = sign_in(&client, &person).await;
    let requests = join_all((0..50).map(|_| identity(&client, &ended)));
    let body = json!({ "token": ended });
    let revocation = post(&client, "/api/auth/revoke-session", &person.token, &body);
    let (_, answer) = tokio::join!(requests, revocation);
    assert_eq!(answer.status, 200, "{answer:?}");
    let after = identities(&client, &ended, 50).await;
    assert!(after.iter().all(|who| who.starts_with("net:")), "{after:?}");
}

#[tokio::test]
async fn what_was_tampered_with_is_nobodys_and_makes_no_object() {
    // One where nobody else makes objects.
    let runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    let (one, two) = (sign_up(&client).await.token, sign_up(&client).await.token);
    let flip = |token: &str, at: usize| {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &token[..at], &token[at + 1..])
    };
    let tokens = [
        flip(&one, 0),
        flip(&one, 30),
        flip(&one, 60),
        one[..63].to_owned(),
        format!("{one}A"),
        // Of one the user, of the other the rest.
        format!("{}{}", &one[..21], &two[21..]),
        "A".repeat(64),
        // What the service wrote before tokens named their owner.
        "abcdefghijklmnopqrstuvwxyzABCDEF".to_owned(),
        "a".repeat(8_000),
    ];
    // Whoever proves nothing is the network, whose object is there from its first request on.
    assert!(identity(&client, "nonsense").await.starts_with("net:"));
    let n_objects = runtime.n_objects("Identity");
    let get_session = || client.request(Method::GET, "/api/auth/get-session");
    for token in &tokens {
        assert!(identity(&client, token).await.starts_with("net:"), "{token}");
        for request in [
            with_bearer(get_session(), token),
            with_bearer(get_session(), &signed(token, SECRET)),
            get_session().header("Cookie", cookie(token, SECRET)),
        ] {
            let answer = Answer::to(request).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, "null"), "{token}");
        }
        // Well signed, and dead: the browser shall forget it.
        let answer = Answer::to(get_session().header("Cookie", cookie(token, SECRET))).await;
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 3, "{token}: {answer:?}");
    }
    // A live token under a signature of somebody else, or none, is no cookie at all, and is not cleared.
    for value in [cookie(&one, "another-secret"), format!("better-auth.session_token={one}")] {
        let answer = Answer::to(get_session().header("Cookie", value)).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "null"));
        assert!(answer.headers.get("set-cookie").is_none(), "{answer:?}");
    }
    assert_eq!(runtime.n_objects("Identity"), n_objects);
    assert!(identity(&client, &one).await.starts_with("user:"));
}

/// What is over the bound of the runtime does not arrive; what arrives is over the bound of the service.
#[tokio::test]
async fn a_credential_of_a_megabyte_is_nobodys() {
    let runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    let n_objects = runtime.n_objects("Identity");
    for token in
        ["a".repeat(1 << 20), format!("abc_{}", "a".repeat(1 << 20)), format!("a.b.{}", "c".repeat(1 << 20))]
    {
        let request = with_bearer(client.request(Method::GET, "/api/rate-limit"), &token);
        let answer = Answer::to(request).await;
        match answer.status {
            200 => assert!(answer.json()["identity"].as_str().unwrap().starts_with("net:"), "{answer:?}"),
            status => assert!(matches!(status, 401 | 413 | 431), "{answer:?}"),
        }
    }
    assert_eq!(runtime.n_objects("Identity"), n_objects);
}

#[tokio::test]
async fn another_secret_ends_every_session() {
    let mut runtime = Runtime::start(Options::default());
    let client = Client::new(&runtime.url);
    let person = sign_up(&client).await;
    let user = format!("user:{}", person.id);
    assert_eq!(identity(&client, &person.token).await, user);

    runtime.stop();
    runtime.set_var("BETTER_AUTH_SECRET", "another-fake-development-secret-of-enough-length");
    runtime.restart();
    let client = client.moved_to(&runtime.url);
    for request in [
        with_bearer(client.request(Method::GET, "/api/auth/get-session"), &person.token),
        client.request(Method::GET, "/api/auth/get-session").header("Cookie", cookie(&person.token, SECRET)),
    ] {
        assert_eq!(Answer::to(request).await.text, "null");
    }
    assert!(identity(&client, &person.token).await.starts_with("net:"));
    // The password is no secret of the service's.
    assert_eq!(identity(&client, &sign_in(&client, &person).await).await, user);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let mut runtime = Runtime::start(Options::default());
    let mut client = Client::new(&runtime.url);
    let person = sign_up(&client).await;
    let user = format!("user:{}", person.id);
    let kept = sign_in(&client, &person).await;
    runtime.crash_and_restart();
    client = client.moved_to(&runtime.url);
    assert_eq!(identity(&client, &kept).await, user);

    let ended = sign_in(&client, &person).await;
    let answer = post(&client, "/api/auth/revoke-session", &kept, &json!({ "token": ended })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    runtime.crash_and_restart();
    client = client.moved_to(&runtime.url);
    assert!(identity(&client, &ended).await.starts_with("net:"));
    assert_eq!(identity(&client, &kept).await, user);
}
