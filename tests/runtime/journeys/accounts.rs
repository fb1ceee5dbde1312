//! Users who sign in here: the client of Better Auth against the service, its hashes, and what its tests can't see.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use journeys::{Answer, Client, Mailbox, Options, Runtime, fresh_address, node, secrets};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::plain;

const MAIL_KEY: &str = "fake-mail-key";
const MAIL_FROM: &str = "Bloqr <no-reply@example.com>";
const PASSWORD: &str = "password-one";

/// A Worker that mails through a double.
async fn serve(more: &[(&'static str, &'static str)]) -> (Runtime, Mailbox) {
    let mailbox = Mailbox::start(MAIL_KEY, MAIL_FROM).await;
    let url: &'static str = mailbox.url().leak();
    let own = [("MAIL_API_URL", url), ("RESEND_API_KEY", MAIL_KEY), ("MAIL_FROM", MAIL_FROM)];
    let vars = own.into_iter().chain(more.iter().copied()).collect();
    (Runtime::start(Options { vars, ..Options::default() }), mailbox)
}

/// The record of users, while nobody serves it.
fn d1(state: &Path) -> Connection {
    let files = std::fs::read_dir(state.join("v3/d1/miniflare-D1DatabaseObject")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let is_record = |database: &Connection| database.prepare("SELECT id FROM users").is_ok();
    let mut databases = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "sqlite"))
        .filter_map(|file| Connection::open(file).ok());
    databases.find(is_record).unwrap()
}

/// Asks an endpoint of Better Auth, from a network of its own.
async fn ask(base: &str, path: &str, body: &Value) -> Answer {
    Client::new(base).post_json(&format!("/api/auth{path}"), body).await
}

async fn sign_up(base: &str, email: &str) -> Value {
    let answer =
        ask(base, "/sign-up/email", &json!({ "name": "Ann", "email": email, "password": PASSWORD })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn sign_in(base: &str, email: &str, password: &str) -> Answer {
    ask(base, "/sign-in/email", &json!({ "email": email, "password": password })).await
}

/// Asks as whoever has this session.
async fn ask_as(base: &str, token: &Value, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let mut request = Client::new(base).request(method, path).bearer_auth(token.as_str().unwrap());
    if let Some(body) = body {
        request = request.json(body);
    }
    Answer::to(request).await
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{answer:?}");
}

/// Every step of the client's own tests.
async fn satisfies_the_client(mode: &'static str, base_url: Option<&'static str>) {
    let base = base_url.map(|url| ("BETTER_AUTH_URL", url));
    let (mut runtime, mailbox) = serve(base.as_slice()).await;
    let admin = "admin@example.com";
    sign_up(&runtime.url, admin).await;
    runtime.stop();
    let n_admins = d1(&runtime.state())
        .execute("UPDATE users SET role = 'admin', tier = 'admin' WHERE email = ?", [admin])
        .unwrap();
    assert_eq!(n_admins, 1);
    runtime.restart();

    let mut client = node("clients/better-auth.mjs");
    let origin = base_url.unwrap_or(&runtime.url);
    client.args(["--base", &runtime.url, "--mode", mode, "--origin", origin]);
    client.args(["--admin-email", admin, "--admin-password", PASSWORD, "--mail", &mailbox.shown_at()]);
    client.arg("--secrets").arg(secrets::file());
    let output = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<&str> = said.lines().filter(|line| !line.starts_with("ok ")).collect();
    assert!(output.status.success(), "{}\n{}", failed.join("\n"), String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_better_auth_is_satisfied_over_http() {
    satisfies_the_client("http", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_better_auth_is_satisfied_over_https() {
    satisfies_the_client("https", Some("https://auth.example.com")).await;
}

/// Users of a real Better Auth can move in and out again.
#[tokio::test]
async fn hashes_are_those_of_better_auth() {
    let mut runtime = Runtime::start(Options::default());
    sign_up(&runtime.url, "in@example.com").await;
    sign_up(&runtime.url, "out@example.com").await;
    runtime.stop();

    let password = "P\u{e4}ssw\u{f6}rd-\u{fb01}-\u{2460}";
    let hashed = node("clients/hashes.mjs").args(["--hash", password]).output().unwrap();
    let hash = String::from_utf8(hashed.stdout).unwrap();
    let of = "user_id = (SELECT id FROM users WHERE email = ?1) AND provider_id = 'credential'";
    let database = d1(&runtime.state());
    let set = format!("UPDATE account SET password = ?2 WHERE {of}");
    assert_eq!(database.execute(&set, ["in@example.com", hash.trim()]).unwrap(), 1);
    let get = format!("SELECT password FROM account WHERE {of}");
    let stored: String = database.query_row(&get, ["out@example.com"], |row| row.get(0)).unwrap();
    drop(database);
    let verifies =
        |password| node("clients/hashes.mjs").args(["--verify", &stored, password]).status().unwrap();
    assert_eq!(verifies(PASSWORD).code(), Some(0));
    assert_eq!(verifies("password-two").code(), Some(1));

    runtime.restart();
    assert_eq!(sign_in(&runtime.url, "in@example.com", password).await.status, 200);
    assert_refused(
        &sign_in(&runtime.url, "in@example.com", PASSWORD).await,
        401,
        "INVALID_EMAIL_OR_PASSWORD",
    );
}

#[tokio::test]
async fn a_mailed_token_counts_once() {
    let (mut runtime, mailbox) = serve(&[]).await;
    let email = "once@example.com";
    let user = sign_up(&runtime.url, email).await;
    ask(&runtime.url, "/request-password-reset", &json!({ "email": email, "redirectTo": "/reset" })).await;
    let link = mailbox.link_to(email, 1).await;
    let token = link.split(['/', '?']).nth(4).unwrap();
    let reset = async |password: &str| {
        ask(&runtime.url, "/reset-password", &json!({ "newPassword": password, "token": token })).await
    };
    assert_refused(&reset("short").await, 400, "PASSWORD_TOO_SHORT");
    let passwords: Vec<String> = (0..5).map(|n| format!("password-number-{n}")).collect();
    let answers = join_all(passwords.iter().map(|password| reset(password))).await;
    let won: Vec<usize> = (0..5).filter(|n| answers[*n].status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for (n, answer) in answers.iter().enumerate().filter(|(n, _)| *n != won[0]) {
        assert_refused(answer, 400, "INVALID_TOKEN");
        assert_eq!(sign_in(&runtime.url, email, &passwords[n]).await.status, 401);
    }
    assert_eq!(sign_in(&runtime.url, email, &passwords[won[0]]).await.status, 200);

    // No more than five mails wait for one user.
    for _ in 0..7 {
        let answer = ask(&runtime.url, "/request-password-reset", &json!({ "email": email })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    mailbox.link_to(email, 6).await;
    runtime.stop();
    assert_eq!(mailbox.mails_to(email).len(), 6);

    // A link that deletes an account is for its user alone, and after that nothing is left.
    let database = d1(&runtime.state());
    let (id, deletion) = (user["user"]["id"].as_str().unwrap(), "0a".repeat(16));
    database
        .execute(
            "INSERT INTO verification VALUES ('v', ?, ?, 9000000000000, 0)",
            [&format!("delete-account-{deletion}"), id],
        )
        .unwrap();
    drop(database);
    runtime.restart();
    let other = sign_up(&runtime.url, "other@example.com").await;
    let path = format!("/api/auth/delete-user/callback?token={deletion}&callbackURL=/bye");
    assert_refused(&Client::new(&runtime.url).get(&path).await, 404, "FAILED_TO_GET_USER_INFO");
    let follow = async |token: &Value| ask_as(&runtime.url, token, Method::GET, &path, None).await;
    assert_refused(&follow(&other["token"]).await, 404, "INVALID_TOKEN");
    let deleted = follow(&user["token"]).await;
    assert_eq!((deleted.status, deleted.header("location")), (302, "/bye"), "{deleted:?}");
    let gone = ask_as(&runtime.url, &user["token"], Method::GET, "/api/auth/get-session", None).await;
    assert_eq!((gone.status, gone.text.as_str()), (200, "null"));
    runtime.stop();
    let database = d1(&runtime.state());
    for query in [
        "SELECT count(*) FROM users WHERE id = ?",
        "SELECT count(*) FROM account WHERE user_id = ?",
        "SELECT count(*) FROM verification WHERE value = ?",
        // Everybody who must know of it does.
        "SELECT count(*) FROM user_change WHERE user_id = ?",
    ] {
        assert_eq!(database.query_row(query, [id], |row| row.get::<_, u32>(0)), Ok(0), "{query}");
    }
}

/// Of two users who want the same address, one gets it.
#[tokio::test]
async fn an_address_is_changed_to_one_that_is_free() {
    let (runtime, mailbox) = serve(&[]).await;
    let mut tokens = Vec::new();
    let mut links = Vec::new();
    for (n, email) in ["first@example.com", "second@example.com"].into_iter().enumerate() {
        let token = sign_up(&runtime.url, email).await["token"].clone();
        let body = json!({ "newEmail": "wanted@example.com", "callbackURL": "/changed" });
        let asked = ask_as(&runtime.url, &token, Method::POST, "/api/auth/change-email", Some(&body)).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        links.push(mailbox.link_to("wanted@example.com", n + 1).await);
        tokens.push(token);
    }
    let follow = async |n: usize| Client::new(&runtime.url).get(&links[n]).await;
    assert_eq!(follow(1).await.header("location"), "/changed");
    let taken = "/changed?error=USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL";
    assert_eq!(follow(0).await.header("location"), taken);
    let path = "/api/auth/get-session";
    for (n, email) in ["first@example.com", "wanted@example.com"].into_iter().enumerate() {
        let shown = ask_as(&runtime.url, &tokens[n], Method::GET, path, None).await;
        assert_eq!(shown.json()["user"]["email"], email);
    }
}

/// Nobody waits for the provider, and the log keeps its trouble without saying whose.
#[tokio::test]
async fn trouble_at_the_mail_provider_is_for_the_log() {
    let (runtime, mailbox) = serve(&[]).await;
    for email in ["slow@example.com", "broken@example.com"] {
        sign_up(&runtime.url, email).await;
        let started_at = Instant::now();
        let answer = ask(&runtime.url, "/request-password-reset", &json!({ "email": email })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(started_at.elapsed() < Duration::from_secs(3), "{:?}", started_at.elapsed());
        mailbox.link_to(email, 1).await;
    }
    let patience = Instant::now() + Duration::from_secs(15);
    while !["no answer within 5000 ms", "the provider answered 500"]
        .iter()
        .all(|cause| runtime.log().contains(cause))
    {
        assert!(Instant::now() < patience, "{}", runtime.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (log, link) = (runtime.log(), mailbox.link_to("broken@example.com", 1).await);
    let token = link.split(['/', '?']).nth(4).unwrap();
    for secret in ["slow@example.com", "broken@example.com", token, MAIL_KEY, PASSWORD] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// In development a mail is in the log; in production nobody is promised one that nobody sends.
#[tokio::test]
async fn without_a_provider_mails_are_for_developers() {
    let email = "developer@example.com";
    let runtime = Runtime::start(Options::default());
    sign_up(&runtime.url, email).await;
    assert_eq!(ask(&runtime.url, "/request-password-reset", &json!({ "email": email })).await.status, 200);
    let patience = Instant::now() + Duration::from_secs(10);
    while !runtime.log().contains("/api/auth/reset-password/") {
        assert!(Instant::now() < patience, "{}", runtime.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let vars = vec![("ENVIRONMENT", "production"), ("BETTER_AUTH_URL", "https://auth.example.com")];
    let runtime = Runtime::start(Options { vars, ..Options::default() });
    let token = sign_up(&runtime.url, email).await["token"].clone();
    let body = json!({ "email": email });
    assert_refused(
        &ask(&runtime.url, "/request-password-reset", &body).await,
        400,
        "RESET_PASSWORD_DISABLED",
    );
    let refused = ask(&runtime.url, "/send-verification-email", &body).await;
    assert_refused(&refused, 400, "VERIFICATION_EMAIL_NOT_ENABLED");
    let body = json!({ "newEmail": "new@example.com" });
    let refused = ask_as(&runtime.url, &token, Method::POST, "/api/auth/change-email", Some(&body)).await;
    assert_refused(&refused, 400, "VERIFICATION_EMAIL_NOT_ENABLED");
    assert!(!runtime.log().contains(email), "{}", runtime.log());
}

const TOO_MANY: &str = r#"{"message":"Too many requests. Please try again later."}"#;

#[tokio::test]
async fn three_sign_ins_in_ten_seconds_are_let_through() {
    let runtime = Runtime::start(Options { vars: vec![("AUTH_RATE_LIMIT", "true")], ..Options::default() });
    let client = Client::new(&runtime.url);
    let body = json!({ "email": "nobody@example.com", "password": PASSWORD });
    let sign_in = async || client.post_json("/api/auth/sign-in/email", &body).await;
    for _ in 0..3 {
        assert_refused(&sign_in().await, 401, "INVALID_EMAIL_OR_PASSWORD");
    }
    let refused = sign_in().await;
    assert_eq!((refused.status, refused.text.as_str()), (429, TOO_MANY), "{refused:?}");
    assert_eq!((refused.header("content-type"), refused.header("retry-after")), ("application/json", ""));
    let seconds: u64 = refused.header("x-retry-after").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");

    // Other paths and other networks have limits of their own.
    assert_eq!(client.get("/api/auth/get-session").await.text, "null");
    assert_eq!(ask(&runtime.url, "/sign-in/email", &body).await.status, 401);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    assert_eq!(sign_in().await.status, 401);
}

/// Passwords are hashed one by one, so a client who sends many at once is told to come back.
#[tokio::test]
async fn one_client_cannot_have_everybody_wait_for_hashes() {
    let client = Client::at(plain(), &fresh_address());
    let body = json!({ "email": "nobody@example.com", "password": PASSWORD });
    let sign_in = || client.post_json("/api/auth/sign-in/email", &body);
    // Far more than may wait: on a busy machine they arrive one after the other, and the first leave meanwhile.
    let answers = join_all((0..256).map(|_| sign_in())).await;
    let (refused, answered): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 429);
    assert!(!refused.is_empty() && answered.len() >= 32, "{} answered", answered.len());
    assert!(answered.iter().all(|answer| answer.status == 401), "{answered:?}");
    for answer in refused {
        assert_eq!((answer.header("x-retry-after"), answer.text.as_str()), ("1", TOO_MANY));
    }
    assert_eq!(sign_in().await.status, 401);
}

#[tokio::test]
async fn pages_learn_how_to_sign_in_and_who_has() {
    let client = Client::new(plain());
    let providers = client.get("/api/auth/providers").await;
    let expected =
        json!({ "success": true, "emailPassword": true, "github": false, "google": false, "mfa": false });
    assert_eq!((providers.status, providers.json()), (200, expected));

    let signed_up = sign_up(plain(), &format!("{}@example.com", fresh_address())).await;
    for path in ["/auth/session", "/api/auth/session"] {
        // Not counted: more often than any policy allows.
        for _ in 0..12 {
            let nobody = client.get(path).await;
            nobody.assert_problem(401, "session_invalid");
            assert_eq!(nobody.json()["error"], "Session invalid or unauthorized");
        }
        for stale in ["better-auth.session_token=stale", "better-auth.session_token=a.b"] {
            let answer = Answer::to(client.request(Method::GET, path).header("Cookie", stale)).await;
            answer.assert_problem(401, "session_invalid");
            assert_eq!(answer.header("set-cookie"), "");
        }
        let shown = ask_as(plain(), &signed_up["token"], Method::GET, path, None).await;
        let body = shown.json();
        assert_eq!((shown.status, &body["success"]), (200, &json!(true)), "{shown:?}");
        assert_eq!(body["user"], signed_up["user"]);
        assert_eq!(body["session"]["token"], signed_up["token"]);
        assert_eq!(shown.header("set-cookie"), "");
    }
    ask_as(plain(), &signed_up["token"], Method::POST, "/api/auth/sign-out", Some(&json!({}))).await;
    let dead = ask_as(plain(), &signed_up["token"], Method::GET, "/auth/session", None).await;
    dead.assert_problem(401, "session_invalid");
    assert_eq!(dead.header("set-cookie"), "");
}
