//! Bad input: a typed refusal each, and the next request works.

use futures::stream;
use journeys::{Answer, Client};
use reqwest::{Body, Method};
use serde_json::{Value, json};

use crate::{assert_served, open, plain, small};

/// 1 MiB, the bound while no variable says otherwise.
const BOUND: usize = 1_048_576;

#[tokio::test]
async fn a_body_that_is_no_json() {
    for body in ["", "{", "{]", "nothing", "\u{0}", "{\"configuration\":{\"name\":\"\\ud800\"}}"] {
        let client = Client::new(plain());
        let answer = client.post("/api/compile", body).await;
        answer.assert_problem(400, "invalid_json");
        assert_eq!(answer.json()["error"], "Invalid JSON body");
        assert_served(&client).await;
    }
}

#[tokio::test]
async fn a_body_of_the_wrong_shape() {
    let mut unknown = small(&[], "");
    unknown["configuration"]["nmae"] = json!("typo");
    let cases: [(Value, &str); 8] = [
        (json!({}), "/: "),
        (json!([]), "/: "),
        (json!({ "configuration": 5 }), "/configuration: "),
        (json!({ "configuration": { "name": "N", "sources": [] } }), "/configuration/sources: "),
        (
            json!({ "configuration": { "name": "N", "sources": [{ "source": 5 }] } }),
            "/configuration/sources/0/source: ",
        ),
        (unknown, "/configuration/nmae: "),
        (small(&["Nothing"], ""), "/configuration/transformations/0: "),
        (small(&["Validate", "ValidateAllowIp"], ""), "/configuration/transformations"),
    ];
    for (body, place) in cases {
        let client = Client::new(plain());
        let answer = client.compile(&body).await;
        answer.assert_problem(400, "invalid_body");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(&format!("Invalid request body: {place}")), "{error}");
        assert_served(&client).await;
    }
}

/// curl sends JSON as a form unless told otherwise; some clients send no type at all.
#[tokio::test]
async fn the_content_type_does_not_matter() {
    let body = small(&[], "||a.example^").to_string();
    let client = Client::new(plain());
    assert_eq!(client.post("/api/compile", body.clone()).await.status, 200);
    for media_type in ["application/x-www-form-urlencoded", "application/json; charset=utf-8", "text/plain"] {
        let request = client.request(Method::POST, "/api/compile").header("Content-Type", media_type);
        assert_eq!(Answer::to(request.body(body.clone())).await.status, 200);
    }
}

/// An announced size is refused before anything is counted; a real one as soon as it is over.
#[tokio::test]
async fn a_body_over_the_bound() {
    let client = Client::new(plain());
    let announced = client.post("/api/compile", vec![b' '; BOUND + 1]).await;
    announced.assert_problem(413, "body_too_large");
    let expected =
        format!("Request body size ({} bytes) exceeds maximum allowed size ({BOUND} bytes)", BOUND + 1);
    assert_eq!(announced.json()["detail"], expected);
    assert_eq!(announced.header("x-ratelimit-limit"), "");

    let chunks = stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])));
    let streamed = client.post("/api/compile", Body::wrap_stream(chunks)).await;
    streamed.assert_problem(413, "body_too_large");
    assert_eq!(streamed.header("x-ratelimit-remaining"), "9");
    assert_served(&client).await;

    let just_fits = client.post("/api/compile", vec![b' '; BOUND]).await;
    just_fits.assert_problem(400, "invalid_json");
    assert_eq!(Client::new(open()).post("/api/compile", vec![b' '; BOUND + 1]).await.status, 400);
}

#[tokio::test]
async fn a_wrong_method() {
    let client = Client::new(plain());
    for path in ["/api/compile", "/compile"] {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = Answer::to(client.request(method, path)).await;
            answer.assert_problem(405, "method_not_allowed");
            assert_eq!(answer.header("allow"), "POST, OPTIONS");
        }
    }
    let answer = client.post("/api/health", "").await;
    answer.assert_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    assert_served(&client).await;
}

#[tokio::test]
async fn an_unknown_path() {
    let client = Client::new(plain());
    for path in ["/api/nothing", "/api/compiler", "/api/compile/x", "/compile/x", "/queue/x", "/api//compile"]
    {
        client.get(path).await.assert_problem(404, "not_found");
        client.navigate(path).await.assert_problem(404, "not_found");
        client.post(path, "{}").await.assert_problem(404, "not_found");
    }
    client.post("/nothing", "{}").await.assert_problem(404, "not_found");
    assert_served(&client).await;
}

/// Depth, width and size of the JSON are bounded, too.
#[tokio::test]
async fn json_made_to_hurt() {
    let deep = format!("{{\"configuration\":{}", "[".repeat(500_000));
    let wide = json!({ "configuration": { "name": "N", "sources": vec![json!({ "source": "mine" }); 101] } });
    let long = json!({ "configuration": { "name": "N".repeat(300), "sources": [{ "source": "mine" }] } });
    let forged = json!({
        "configuration": { "name": "N\n||injected^", "sources": [{ "source": "mine" }] },
        "preFetchedContent": { "mine": "" },
    });
    let client = Client::new(plain());
    assert_eq!(client.post("/api/compile", deep).await.status, 400);
    for body in [wide, long, forged] {
        client.compile(&body).await.assert_problem(400, "invalid_body");
    }
    assert_served(&client).await;
}

/// A pattern that can't be used is the client's mistake and is named.
#[tokio::test]
async fn a_pattern_that_is_no_expression() {
    let mut body = small(&[], "||a.example^");
    body["configuration"]["exclusions"] = json!(["/(/"]);
    let client = Client::new(plain());
    let answer = client.compile(&body).await;
    answer.assert_problem(400, "invalid_body");
    assert!(answer.json()["error"].as_str().unwrap().contains("/(/"), "{answer:?}");
    assert_served(&client).await;
}
