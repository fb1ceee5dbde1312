//! Pages beside the API, and the headers of every answer.

use journeys::{Answer, Client};
use reqwest::Method;

use crate::{plain, small};

#[tokio::test]
async fn pages_and_their_files() {
    let client = Client::new(plain());
    let pages =
        ["/", "/sign-in", "/api-docs", "/api-keys", "/compiler", "/admin/users", "/validation", "/deep/link"];
    for path in pages {
        let page = client.navigate(path).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        assert!(page.text.contains("Bloqr</title>"), "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("x-ratelimit-limit"), "", "pages are not counted");
    }
    // What looks the same to everybody is made at build time; the rest is drawn by the browser.
    assert!(client.navigate("/").await.text.contains("<h1"));
    assert!(!client.navigate("/admin/users").await.text.contains("<h1"));

    let shell = client.navigate("/compiler").await.text;
    let named = shell.split('"').find(|name| name.starts_with("main-") && name.ends_with(".js"));
    let script = client.get(&format!("/{}", named.expect("the shell names its script"))).await;
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert_eq!(script.header("cache-control"), "public, max-age=31536000, immutable");

    let icon = client.get("/favicon.svg").await;
    assert_eq!((icon.status, icon.header("content-type")), (200, "image/svg+xml"));
    assert!(!icon.header("cache-control").contains("immutable"), "{icon:?}");
    // The file of another version: a page in its place would be run as a script.
    client.get("/chunk-AAAAAAAA.js").await.assert_problem(404, "not_found");
    // So would a page in the place of data be.
    let call =
        client.request(Method::GET, "/admin/roles").header("Accept", "application/json, text/plain, */*");
    Answer::to(call).await.assert_problem(404, "not_found");
    assert_eq!(client.get("/admin/roles").await.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn every_answer_has_the_common_headers() {
    let client = Client::new(plain());
    let answers = [
        client.get("/api/version").await,
        client.compile(&small(&[], "a")).await,
        client.post("/api/compile", "{").await,
        client.get("/api/nothing").await,
        client.navigate("/").await,
    ];
    for answer in &answers {
        assert!(answer.header("x-request-id").starts_with("api-"), "{answer:?}");
        assert!(answer.header("server-timing").starts_with("total;dur="), "{answer:?}");
        assert_eq!(answer.header("x-api-version"), "v1");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert!(answer.header("strict-transport-security").starts_with("max-age="));
    }
    assert_ne!(answers[0].header("x-request-id"), answers[1].header("x-request-id"));
    assert!(answers[0].header("server-timing").contains("auth;dur="));
}

#[tokio::test]
async fn json_can_be_had_indented() {
    let client = Client::new(plain());
    let (plain, pretty) =
        (client.get("/api/turnstile-config").await, client.get("/api/turnstile-config?pretty").await);
    assert_eq!(plain.json(), pretty.json());
    assert_eq!(pretty.text, "{\n  \"enabled\": false,\n  \"siteKey\": null\n}");
    assert!(client.get("/api/nothing?pretty=1").await.text.contains("\n  \"status\": 404"));
}

#[tokio::test]
async fn head_has_the_headers_and_no_body() {
    let client = Client::new(plain());
    for path in ["/api/version", "/"] {
        let answer = Answer::to(client.request(Method::HEAD, path)).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn browsers_of_listed_origins_may_call() {
    let client = Client::new(plain());
    let preflight = client
        .request(Method::OPTIONS, "/api/compile")
        .header("Origin", "http://localhost:4200")
        .header("Access-Control-Request-Method", "POST");
    let answer = Answer::to(preflight).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:4200");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert_eq!(answer.header("access-control-max-age"), "86400");
    for name in ["Authorization", "Content-Type", "X-Turnstile-Token"] {
        assert!(answer.header("access-control-allow-headers").contains(name), "{answer:?}");
    }

    let refused =
        client.request(Method::POST, "/api/compile").header("Origin", "http://localhost:4200").body("{");
    let answer = Answer::to(refused).await;
    answer.assert_problem(400, "invalid_json");
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:4200");
    assert_eq!(answer.header("vary"), "Origin");
}

#[tokio::test]
async fn browsers_of_other_origins_may_not() {
    let client = Client::new(plain());
    for method in [Method::POST, Method::OPTIONS] {
        let request = client.request(method, "/api/compile").header("Origin", "https://evil.example");
        let answer = Answer::to(request.body("{}")).await;
        answer.assert_problem(403, "origin_rejected");
        assert_eq!(answer.header("access-control-allow-origin"), "");
        assert_eq!(answer.header("vary"), "Origin");
    }
    // None of that was counted.
    assert_eq!(client.post("/api/compile", "{}").await.header("x-ratelimit-remaining"), "9");

    let read = client.request(Method::GET, "/api/health").header("Origin", "https://evil.example");
    let answer = Answer::to(read).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "*"));
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn the_service_may_call_itself() {
    let client = Client::new(plain());
    let request = client.request(Method::POST, "/api/compile").header("Origin", plain()).body("{}");
    assert_eq!(Answer::to(request).await.status, 400);
}
