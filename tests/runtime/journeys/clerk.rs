//! Tokens of Clerk, signed by the real `jose`: whose they are, and what becomes of those that are not good.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use journeys::{Answer, Client, Issuer, Options, Runtime};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// After this time the keys are asked for again because of a key that nobody knows.
const COOL_DOWN: Duration = Duration::from_secs(30);

fn serve(issuer: &Issuer) -> Runtime {
    Runtime::start(Options { vars: vec![("CLERK_JWKS_URL", issuer.keys_url())], ..Options::default() })
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims(issuer: &Issuer, sub: &str) -> Value {
    let now = now_s();
    json!({ "iss": issuer.url, "sub": sub, "sid": "sess_1", "iat": now, "nbf": now - 10, "exp": now + 60 })
}

fn with(mut claims: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn ask(client: &Client) -> RequestBuilder {
    client.request(Method::GET, "/api/rate-limit")
}

async fn bearer(client: &Client, token: &str) -> Answer {
    Answer::to(ask(client).header("Authorization", format!("Bearer {token}"))).await
}

async fn cookie(client: &Client, cookie: &str) -> Answer {
    Answer::to(ask(client).header("Cookie", cookie)).await
}

#[tokio::test]
async fn a_token_counts_for_its_user() {
    let issuer = Issuer::start();
    let runtime = serve(&issuer);
    let client = Client::new(&runtime.url);
    let token = issuer.mint(&claims(&issuer, "user_1")).await;
    let first = bearer(&client, &token).await.json();
    assert!(first["identity"].as_str().unwrap().starts_with("user:"), "{first}");
    assert_eq!(first["tier"], "free");

    // Another token of the same user, by the cookie, from another network: one identity.
    let other =
        issuer.mint(&with(claims(&issuer, "user_1"), &json!({ "metadata": { "tier": "pro" } }))).await;
    let elsewhere = Client::new(&runtime.url);
    let second = cookie(&elsewhere, &format!("a=b; __session={other}")).await.json();
    assert_eq!((&second["identity"], &second["tier"]), (&first["identity"], &"pro".into()));
    let requests = |answer: &Value| {
        let policies = answer["policies"].as_array().unwrap();
        policies.iter().find(|policy| policy["policy"] == "requests").unwrap()["limit"].clone()
    };
    assert_eq!((requests(&first), requests(&second)), (json!(60), json!(300)));

    // A bearer token beats the cookie.
    let stranger = issuer.mint(&claims(&issuer, "user_2")).await;
    let both = ask(&client).header("Authorization", format!("Bearer {stranger}"));
    let both = Answer::to(both.header("Cookie", format!("__session={other}"))).await.json();
    assert_ne!(both["identity"], first["identity"]);
    assert_eq!(issuer.n_seen().await, 1);
}

#[tokio::test]
async fn a_token_tells_of_its_session() {
    let issuer = Issuer::start();
    let runtime = serve(&issuer);
    let client = Client::new(&runtime.url);
    let good = claims(&issuer, "user_1");
    let token = issuer.mint(&good).await;
    let session = |token: &str| {
        let request = client.request(Method::GET, "/auth/session");
        Answer::to(request.header("Authorization", format!("Bearer {token}")))
    };
    let shown = session(&token).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let shown = shown.json();
    let limits = bearer(&client, &token).await.json();
    assert_eq!(limits["identity"], format!("user:{}", shown["user"]["id"].as_str().unwrap()));
    assert_eq!((&shown["success"], &shown["session"]["id"]), (&json!(true), &json!("sess_1")));
    let old = issuer.mint(&with(good, &json!({ "exp": now_s() - 60 }))).await;
    session(&old).await.assert_problem(401, "token_invalid");
    client.get("/auth/session").await.assert_problem(401, "session_invalid");
}

#[tokio::test]
async fn an_admin_of_clerk_may_do_what_admins_may() {
    let issuer = Issuer::start();
    let runtime = serve(&issuer);
    let client = Client::new(&runtime.url);
    for (metadata, status) in [
        (json!({ "tier": "admin", "role": "admin" }), 200),
        (json!({ "tier": "admin" }), 403),
        (json!({ "role": "admin" }), 403),
        (json!({ "tier": 1, "role": ["admin"] }), 403),
    ] {
        let sub = format!("user_{}", metadata.to_string().len());
        let token = issuer.mint(&with(claims(&issuer, &sub), &json!({ "metadata": metadata }))).await;
        let request = client.request(Method::GET, "/admin/health");
        let answer = Answer::to(request.header("Authorization", format!("Bearer {token}"))).await;
        assert_eq!(answer.status, status, "{metadata}: {answer:?}");
    }
}

#[tokio::test]
async fn what_is_not_good_is_refused_as_a_bearer_and_ignored_as_a_cookie() {
    let issuer = Issuer::start();
    let runtime = serve(&issuer);
    let good = claims(&issuer, "user_1");
    let changed = |more: Value| with(good.clone(), &more);
    let mut tokens = vec![
        issuer.mint_as(&good, json!({ "alg": "HS256" })).await,
        issuer.mint_as(&good, json!({ "alg": "none" })).await,
        issuer.mint_as(&good, json!({ "alg": "PS256" })).await,
        issuer.mint_as(&good, json!({ "key": "unknown" })).await,
        issuer.mint(&changed(json!({ "exp": now_s() - 6 }))).await,
        issuer.mint(&changed(json!({ "nbf": now_s() + 30 }))).await,
        issuer.mint(&changed(json!({ "iat": now_s() + 30 }))).await,
        issuer.mint(&changed(json!({ "exp": null }))).await,
        issuer.mint(&changed(json!({ "sub": null }))).await,
        issuer.mint(&changed(json!({ "iss": "https://clerk.evil.example" }))).await,
        issuer.mint(&changed(json!({ "sts": "pending" }))).await,
    ];
    // Tampered with, cut short, two halves of different tokens.
    let (a, b) = (issuer.mint(&good).await, issuer.mint(&changed(json!({ "sub": "user_9" }))).await);
    let (head, signature) = a.rsplit_once('.').unwrap();
    tokens.push(format!("{}.{signature}", b.rsplit_once('.').unwrap().0));
    // Not the last character: of that only two bits count, and a quarter of all signatures have them already.
    tokens.push(format!("{head}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]));
    tokens.push(format!("{head}.{}", &signature[..signature.len() - 4]));
    let n_objects = runtime.n_objects("Identity");
    for token in &tokens {
        let client = Client::new(&runtime.url);
        let answer = bearer(&client, token).await;
        answer.assert_problem(401, "token_invalid");
        assert!(!answer.text.contains(token.split('.').nth(1).unwrap()), "{answer:?}");
        let answer = cookie(&client, &format!("__session={token}")).await;
        assert_eq!((answer.status, &answer.json()["tier"]), (200, &"anonymous".into()), "{answer:?}");
    }
    // Failures are counted for the networks they came from. Nobody else's object was made.
    assert_eq!(runtime.n_objects("Identity"), n_objects + tokens.len());
    assert_eq!(bearer(&Client::new(&runtime.url), &a).await.status, 200);
}

#[tokio::test]
async fn a_token_made_for_another_page_is_refused() {
    let issuer = Issuer::start();
    let runtime = serve(&issuer);
    let client = Client::new(&runtime.url);
    let token =
        issuer.mint(&with(claims(&issuer, "user_1"), &json!({ "azp": "https://evil.example" }))).await;
    let from = |origin: &str| {
        let request = ask(&client).header("Authorization", format!("Bearer {token}"));
        Answer::to(request.header("Origin", origin.to_owned()))
    };
    from("http://localhost:4200").await.assert_problem(401, "token_invalid");
    // A server passes on what its page handed to it.
    assert_eq!(bearer(&client, &token).await.status, 200);
}

#[tokio::test]
async fn first_uses_at_once_ask_for_the_keys_once() {
    let issuer = Issuer::start();
    let runtime = serve(&issuer);
    issuer.behave("slow", 500).await;
    let mut tokens = Vec::new();
    for n in 0..20 {
        tokens.push(issuer.mint(&claims(&issuer, &format!("user_{n}"))).await);
    }
    let asking = tokens.iter().map(|token| async {
        let client = Client::new(&runtime.url);
        bearer(&client, token).await
    });
    for answer in join_all(asking).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(issuer.n_seen().await, 1);
}

/// Nobody is signed out because somebody else is in trouble.
#[tokio::test]
async fn keys_that_cannot_be_had_are_an_outage() {
    let issuer = Issuer::start();
    let runtime = serve(&issuer);
    let client = Client::new(&runtime.url);
    let token = issuer.mint(&claims(&issuer, "user_1")).await;
    for (n, mode) in ["down", "garbage", "redirect"].into_iter().enumerate() {
        issuer.behave(mode, 0).await;
        bearer(&client, &token).await.assert_problem(503, "unavailable");
        cookie(&client, &format!("__session={token}")).await.assert_problem(503, "unavailable");
        // Asked once in five seconds, not for every request.
        assert_eq!(issuer.n_seen().await, n as u64 + 1);
        tokio::time::sleep(Duration::from_millis(5_200)).await;
    }
    issuer.behave("ok", 0).await;
    becomes_good(&client, &token, Duration::from_secs(10)).await;
    // Who is known stays so while the keys are out of reach.
    issuer.behave("down", 0).await;
    let later = issuer.mint(&claims(&issuer, "user_1")).await;
    assert_eq!(bearer(&client, &later).await.status, 200);
}

async fn becomes_good(client: &Client, token: &str, patience: Duration) {
    let started_at = Instant::now();
    loop {
        let answer = bearer(client, token).await;
        if answer.status == 200 {
            return;
        }
        assert!(started_at.elapsed() < patience, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_silent_issuer_is_given_up() {
    let issuer = Issuer::start();
    let runtime = serve(&issuer);
    issuer.behave("slow", 20_000).await;
    let token = issuer.mint(&claims(&issuer, "user_1")).await;
    let started_at = Instant::now();
    bearer(&Client::new(&runtime.url), &token).await.assert_problem(503, "unavailable");
    assert!(started_at.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn a_new_key_is_found_after_the_cool_down() {
    let issuer = Issuer::start();
    let runtime = serve(&issuer);
    let client = Client::new(&runtime.url);
    let old = issuer.mint(&claims(&issuer, "user_1")).await;
    let fetched_at = Instant::now();
    assert_eq!(bearer(&client, &old).await.status, 200);
    issuer.rotate().await;
    let new = issuer.mint(&with(claims(&issuer, "user_1"), &json!({ "exp": now_s() + 600 }))).await;
    // A flood of made-up key ids is no flood of fetches.
    for _ in 0..5 {
        bearer(&client, &new).await.assert_problem(401, "token_invalid");
    }
    assert_eq!(issuer.n_seen().await, 1);
    becomes_good(&client, &new, COOL_DOWN + Duration::from_secs(10)).await;
    assert!(fetched_at.elapsed() >= COOL_DOWN);
    assert_eq!(issuer.n_seen().await, 2);
}

#[tokio::test]
async fn clerk_can_be_switched_off() {
    let issuer = Issuer::start();
    let vars = vec![("CLERK_JWKS_URL", issuer.keys_url()), ("DISABLE_CLERK_FALLBACK", "true")];
    let runtime = Runtime::start(Options { vars, ..Options::default() });
    let token = issuer.mint(&claims(&issuer, "user_1")).await;
    let answer = bearer(&Client::new(&runtime.url), &token).await;
    assert_eq!((answer.status, &answer.json()["tier"]), (200, &"anonymous".into()));
    assert_eq!(issuer.n_seen().await, 0);
}

/// Cloudflare Access stands before the admin API, whoever has the key.
#[tokio::test]
async fn access_stands_before_the_admin_api() {
    const KEY: &str = "fake-development-admin-key-not-for-production-000000";
    const AUD: &str = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";
    let issuer = Issuer::start();
    let certs: &'static str = format!("{}/cdn-cgi/access/certs", issuer.url).leak();
    let vars = vec![
        ("CF_ACCESS_TEAM_DOMAIN", "bloqr"),
        ("CF_ACCESS_AUD", AUD),
        ("CF_ACCESS_CERTS_URL", certs),
        ("CF_ACCESS_CLIENT_ID", "fake.access"),
    ];
    let runtime = Runtime::start(Options { vars, ..Options::default() });
    let client = Client::new(&runtime.url);
    let now = now_s();
    let good = json!({
        "iss": "https://bloqr.cloudflareaccess.com", "aud": [AUD], "type": "app", "email": "ops@example.org",
        "sub": "5d1ff2c2", "iat": now, "nbf": now, "exp": now + 60,
    });
    let admin = |token: Option<String>| {
        let request = client.request(Method::GET, "/admin/health").header("X-Admin-Key", KEY);
        Answer::to(match token {
            Some(token) => request.header("Cf-Access-Jwt-Assertion", token),
            None => request,
        })
    };
    let missing = admin(None).await;
    missing.assert_problem(403, "access_rejected");
    assert!(missing.text.contains("Missing CF-Access-JWT-Assertion header"));
    assert_eq!(admin(Some(issuer.mint(&good).await)).await.status, 200);
    let service = json!({ "sub": "", "email": null, "nbf": null, "common_name": "fake.access" });
    assert_eq!(admin(Some(issuer.mint(&with(good.clone(), &service)).await)).await.status, 200);
    for wrong in [
        json!({ "aud": ["another"] }),
        json!({ "aud": null }),
        json!({ "type": "org" }),
        json!({ "iss": "https://evil.cloudflareaccess.com" }),
        json!({ "exp": now - 6 }),
        json!({ "exp": null }),
        json!({ "email": null, "common_name": "other.access" }),
    ] {
        let answer = admin(Some(issuer.mint(&with(good.clone(), &wrong)).await)).await;
        answer.assert_problem(403, "access_rejected");
        assert!(answer.text.contains("CF Access JWT verification failed: "), "{wrong}: {answer:?}");
    }
    // The cookie will do, and the key alone decides who may.
    let token = issuer.mint(&good).await;
    let request =
        client.request(Method::GET, "/admin/health").header("Cookie", format!("CF_Authorization={token}"));
    assert_eq!(Answer::to(request.header("X-Admin-Key", KEY)).await.status, 200);
    let request = client.request(Method::GET, "/admin/health").header("Cf-Access-Jwt-Assertion", token);
    Answer::to(request.header("X-Admin-Key", "wrong")).await.assert_problem(401, "unauthorized");
    assert_eq!(issuer.n_seen().await, 1);
}
