//! Compiling while Turnstile is on.

use std::time::{Duration, Instant};

use journeys::{Answer, Client, Options, Runtime, Siteverify, fresh_address};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{plain, small};

const SECRET: &str = "fake-turnstile-secret";

fn with_token(token: &Value) -> Value {
    let mut body = small(&[], "||one.example^");
    body["turnstileToken"] = token.clone();
    body
}

/// Sends a token from a network of its own.
async fn compile(runtime: &Runtime, token: &str) -> Answer {
    Client::new(&runtime.url).compile(&with_token(&json!(token))).await
}

fn assert_rejected(answer: &Answer, detail: &str) {
    answer.assert_problem(403, "turnstile_rejected");
    let body = answer.json();
    assert_eq!(body["type"], "https://api.bloqr.dev/probs/turnstile-rejection");
    assert_eq!((&body["title"], &body["error"]), (&json!("Turnstile Verification Failed"), &json!(detail)));
}

#[tokio::test]
async fn only_good_tokens_compile() {
    let siteverify = Siteverify::start(SECRET).await;
    let url: &'static str = siteverify.url().leak();
    let vars = vec![
        ("TURNSTILE_SECRET_KEY", SECRET),
        ("TURNSTILE_VERIFY_URL", url),
        ("RATE_LIMIT_POLICIES", r#"{"requests":{"quota":{"anonymous":50}}}"#),
    ];
    let runtime = Runtime::start(Options { vars, ..Options::default() });
    let client = Client::new(&runtime.url);
    assert_eq!(client.get("/api/turnstile-config").await.json()["enabled"], true);

    // The shape is judged first, and a wrong one costs no question.
    client.post("/api/compile", "{}").await.assert_problem(400, "invalid_body");
    client.compile(&with_token(&json!(7))).await.assert_problem(400, "invalid_body");
    assert_rejected(&client.compile(&small(&[], "||one.example^")).await, "Missing Turnstile token");
    assert_rejected(&compile(&runtime, "").await, "Missing Turnstile token");

    let address = fresh_address();
    let good = Client::at(&runtime.url, &address).compile(&with_token(&json!("good-1"))).await;
    assert_eq!(good.status, 200, "{good:?}");
    let asked = siteverify.asked("good-1");
    assert_eq!(
        (asked.len(), asked[0]["remoteip"].as_str(), asked[0]["secret"].as_str()),
        (1, address.as_str(), SECRET)
    );
    assert_eq!(asked[0]["idempotency_key"].len(), 36);

    let failed = |code: &str| format!("Turnstile verification failed: {code}");
    assert_rejected(&compile(&runtime, "good-1").await, &failed("timeout-or-duplicate"));
    assert_rejected(&compile(&runtime, "forged").await, &failed("invalid-input-response"));
    let long = "x".repeat(2049);
    assert_rejected(&compile(&runtime, &long).await, &failed("invalid-input-response"));
    assert_eq!(siteverify.asked(&long).len(), 0);

    // Trouble at the service is asked about once more, as the same question.
    assert_eq!(compile(&runtime, "troubled-1").await.status, 200);
    let asked = siteverify.asked("troubled-1");
    assert_eq!((asked.len(), &asked[0]["idempotency_key"]), (2, &asked[1]["idempotency_key"]));
    assert_rejected(&compile(&runtime, "down-1").await, &failed("internal-error"));

    for token in ["garbled-1", "endless-1"] {
        assert_rejected(&compile(&runtime, token).await, "Turnstile verification service unavailable");
    }
    let started_at = Instant::now();
    assert_rejected(&compile(&runtime, "slow-1").await, "Turnstile verification service unavailable");
    assert!(started_at.elapsed() < Duration::from_secs(8), "{:?}", started_at.elapsed());
    drop(siteverify);
    assert_rejected(&compile(&runtime, "good-2").await, "Turnstile verification service unavailable");

    let log = runtime.log();
    assert!(!log.contains(SECRET) && !log.contains("good-1"), "{log}");
}

/// The documented test secrets work without a network, but not in production.
#[tokio::test]
async fn test_secrets_are_answered_in_development() {
    for (secret, status) in [
        ("1x0000000000000000000000000000000AA", 200),
        ("2x0000000000000000000000000000000AA", 403),
        ("3x0000000000000000000000000000000AA", 403),
    ] {
        let runtime =
            Runtime::start(Options { vars: vec![("TURNSTILE_SECRET_KEY", secret)], ..Options::default() });
        assert_eq!(compile(&runtime, "XXXX.DUMMY.TOKEN.XXXX").await.status, status, "{secret}");
    }
    let vars = vec![
        ("ENVIRONMENT", "production"),
        ("TURNSTILE_SECRET_KEY", "1x0000000000000000000000000000000AA"),
        ("TURNSTILE_VERIFY_URL", "http://127.0.0.1:9/siteverify"),
    ];
    let runtime = Runtime::start(Options { vars, ..Options::default() });
    assert_rejected(
        &compile(&runtime, "XXXX.DUMMY.TOKEN.XXXX").await,
        "Turnstile verification service unavailable",
    );
}

#[tokio::test]
async fn without_a_secret_nobody_is_asked() {
    let answer = Client::new(plain()).compile(&with_token(&json!("whatever"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// To be signed in proves no person; a key is a program's.
#[tokio::test]
async fn keys_need_no_token_and_sessions_do() {
    let vars = vec![("TURNSTILE_SECRET_KEY", "1x0000000000000000000000000000000AA")];
    let runtime = Runtime::start(Options { vars, with_demo: true, ..Options::default() });
    let (ready, client) = (runtime.ready(), Client::new(&runtime.url));
    let login = json!({ "email": ready["demo"]["email"], "password": ready["demo"]["password"] });
    let session = client.post_json("/api/auth/sign-in/email", &login).await.json()["token"].clone();
    let with = |token: &Value, body: Value| {
        let request = client.request(Method::POST, "/api/compile").json(&body);
        Answer::to(request.header("Authorization", format!("Bearer {}", token.as_str().unwrap())))
    };
    let untold = small(&[], "||one.example^");
    assert_eq!(with(&ready["demo"]["api_key"], untold.clone()).await.status, 200);
    assert_rejected(&with(&session, untold).await, "Missing Turnstile token");
    assert_eq!(with(&session, with_token(&json!("XXXX.DUMMY.TOKEN.XXXX"))).await.status, 200);
}
