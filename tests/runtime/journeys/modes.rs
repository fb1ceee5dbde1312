//! The ways of compiling besides the plain one: batches and streams; and texts fetched for pages.

use std::sync::OnceLock;

use journeys::{Answer, Client, Options, Origin, Runtime, fresh};
use serde_json::{Value, json};

use crate::{assert_served, open, plain};

fn configuration(source: &str) -> Value {
    json!({ "name": "Fetched", "sources": [{ "source": source }] })
}

/// A Worker that takes nobody for a person.
fn turnstile_on() -> &'static str {
    static ON: OnceLock<Runtime> = OnceLock::new();
    let vars = vec![("TURNSTILE_SECRET_KEY", "2x0000000000000000000000000000000AA")];
    &ON.get_or_init(|| Runtime::start(Options { vars, ..Options::default() })).url
}

/// Lines below all headers.
fn body_lines(result: &Value) -> Vec<String> {
    let rules = result["rules"].as_array().unwrap_or_else(|| panic!("{result}")).iter();
    let lines = rules.map(|rule| rule.as_str().unwrap().to_owned());
    lines.skip_while(|line| !line.starts_with("! Source: ")).skip(2).collect()
}

/// The frames of an event stream: name and data.
fn events(answer: &Answer) -> Vec<(String, Value)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("cache-control"), "no-cache");
    let text = answer.text.strip_suffix("\n\n").unwrap_or_else(|| panic!("{answer:?}"));
    let frames = text.split("\n\n").map(|frame| {
        let (name, data) = frame.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap().to_owned();
        (name, serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
    });
    frames.collect()
}

#[tokio::test]
async fn a_server_that_recovers_in_time_is_asked_again() {
    let origin = Origin::start().await;
    let client = Client::new(open());
    let weak = format!("/weak/{}", fresh("list"));
    let answer = client.compile(&json!({ "configuration": configuration(&origin.url(&weak)) })).await;
    assert_eq!(body_lines(&answer.json()), ["||recovered.example^"]);

    let cut = client.compile(&json!({ "configuration": configuration(&origin.url("/cut.txt")) })).await;
    cut.assert_problem(500, "source_unreachable");
    for (path, lines) in [
        ("/gzip.txt", vec!["||zipped.example^"]),
        ("/too-long.txt", vec!["||long.example^"]),
        (
            "/slow.txt",
            vec![
                "||slow0.example^",
                "||slow1.example^",
                "||slow2.example^",
                "||slow3.example^",
                "||slow4.example^",
            ],
        ),
    ] {
        let answer = client.compile(&json!({ "configuration": configuration(&origin.url(path)) })).await;
        assert_eq!(body_lines(&answer.json()), lines, "{path}");
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_part_by_part() {
    let origin = Origin::start().await;
    let client = Client::new(open());
    let body = json!({ "requests": [
        { "id": "slow", "configuration": configuration(&origin.url("/slow.txt")) },
        { "id": "mine", "configuration": configuration("mine"), "preFetchedContent": { "mine": "||a^" },
          "benchmark": true },
        { "id": "gone", "configuration": configuration(&origin.url("/nothing.txt")) },
        { "id": "closed", "configuration": configuration("http://10.0.0.1/list.txt") },
        { "id": "list", "configuration": configuration(&origin.url("/list.txt")) },
    ] });
    for path in ["/api/compile/batch", "/compile/batch", "/compile/batch?pretty"] {
        let answer = client.post_json(path, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        let whole = answer.json();
        assert_eq!(whole["success"], true);
        let results = whole["results"].as_array().unwrap();
        let ids: Vec<&Value> = results.iter().map(|result| &result["id"]).collect();
        assert_eq!(ids, ["slow", "mine", "gone", "closed", "list"]);
        assert_eq!(body_lines(&results[0]).len(), 5);
        assert_eq!(body_lines(&results[1]), ["||a^"]);
        assert!(results[1]["metrics"]["totalDurationMs"].is_u64());
        assert_eq!(results[2]["code"], "source_status");
        assert_eq!(results[3]["code"], "source_forbidden");
        for failed in &results[2..4] {
            assert_eq!(failed["success"], false);
            assert!(failed["error"].is_string() && failed.get("rules").is_none(), "{failed}");
        }
        assert_eq!(body_lines(&results[4]), ["||one.example^", "! comment", "||two.example^"]);
        for done in [&results[0], &results[1], &results[4]] {
            assert_eq!(done["success"], true);
            assert_eq!(done["ruleCount"], done["rules"].as_array().unwrap().len());
            assert!(done["compiledAt"].is_string());
        }
        assert_eq!(answer.text.contains("\n  \"results\""), path.ends_with("pretty"));
    }
}

#[tokio::test]
async fn a_batch_with_a_bad_part_is_refused_as_a_whole() {
    let client = Client::new(plain());
    let good = |id: &str| json!({ "id": id, "configuration": configuration("mine") });
    for (requests, told) in [
        (json!([]), "Invalid batch request: /requests"),
        (
            (0..11).map(|n| good(&n.to_string())).collect(),
            "Invalid batch request: /requests: Batch request limited to 10 requests maximum",
        ),
        (
            json!([good("a"), good("a")]),
            "Invalid batch request: /requests: Duplicate request IDs are not allowed",
        ),
        (json!([good("a"), { "id": "b" }]), "Invalid batch request: /requests/1: missing field"),
    ] {
        let answer = client.post_json("/api/compile/batch", &json!({ "requests": requests })).await;
        answer.assert_problem(400, "invalid_body");
        assert!(answer.json()["error"].as_str().unwrap().starts_with(told), "{answer:?}");
    }
    client.post("/api/compile/batch", "{").await.assert_problem(400, "invalid_json");
    client.post("/api/compile/batch", "{}").await.assert_problem(400, "invalid_body");
    let other = Client::new(turnstile_on());
    other
        .post_json("/api/compile/batch", &json!({ "requests": [good("a")] }))
        .await
        .assert_problem(403, "turnstile_rejected");
    // A batch is one request.
    for _ in 0..9 {
        assert_ne!(other.post("/api/compile/batch", "{").await.status, 429);
    }
    other.post("/api/compile/batch", "{").await.assert_problem(429, "rate_limited");
}

#[tokio::test]
async fn a_stream_tells_what_happens_and_then_the_list() {
    let origin = Origin::start().await;
    let client = Client::new(open());
    let sources = json!([
        { "source": origin.url("/slow.txt"), "transformations": ["TrimLines"] },
        { "source": origin.url("/list.txt") },
    ]);
    let body = json!({
        "configuration": {
            "name": "Told", "sources": sources, "transformations": ["RemoveComments", "Deduplicate"],
        },
        "benchmark": true,
    });
    let told = events(&client.post_json("/api/compile/stream", &body).await);
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    let count = |wanted: &str| names.iter().filter(|name| **name == wanted).count();
    assert_eq!((count("source:start"), count("source:complete"), count("source:error")), (2, 2, 0));
    assert_eq!((count("transformation:start"), count("transformation:complete")), (3, 3));
    assert_eq!(names[names.len() - 3..], ["compilation:complete", "result", "done"]);
    let of = |wanted: &'static str| told.iter().filter(move |(name, _)| name == wanted).map(|(_, data)| data);
    let list = of("source:complete").find(|data| data["sourceIndex"] == 1).unwrap();
    assert_eq!((&list["ruleCount"], &list["totalSources"]), (&json!(2), &json!(2)));
    assert!(list["durationMs"].is_u64() && list["source"].as_str().unwrap().ends_with("/list.txt"));
    let comments = of("transformation:complete").find(|data| data["name"] == "RemoveComments").unwrap();
    assert!(comments["inputCount"].as_u64() > comments["outputCount"].as_u64(), "{comments}");

    let result = of("result").next().unwrap();
    let whole = client.compile(&body).await.json();
    let stamp = |line: &Value| line.as_str().unwrap().starts_with("! Last modified: ");
    let lines = |list: &Value| -> Vec<Value> {
        list["rules"].as_array().unwrap().iter().filter(|line| !stamp(line)).cloned().collect()
    };
    assert_eq!(lines(result), lines(&whole));
    assert_eq!(result["ruleCount"], whole["ruleCount"]);
    assert!(result["metrics"].is_object() && result.get("success").is_none());
}

#[tokio::test]
async fn a_stream_that_fails_says_so_last() {
    let origin = Origin::start().await;
    let client = Client::new(open());
    let body = json!({ "configuration": configuration(&origin.url("/nothing.txt")) });
    let told = events(&client.post_json("/compile/stream", &body).await);
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["source:start", "source:error", "error"]);
    assert!(told[2].1["error"].as_str().unwrap().contains("404"), "{told:?}");
    // What can be refused at once has a status.
    client.post("/api/compile/stream", "{}").await.assert_problem(400, "invalid_body");
    let closed = json!({ "configuration": configuration("http://10.0.0.1/") });
    client.post_json("/api/compile/stream", &closed).await.assert_problem(400, "source_forbidden");
    let body = json!({ "configuration": configuration("mine") });
    Client::new(turnstile_on())
        .post_json("/api/compile/stream", &body)
        .await
        .assert_problem(403, "turnstile_rejected");
    assert_served(&client).await;
}

#[tokio::test]
async fn pages_have_texts_fetched_for_them() {
    let origin = Origin::start().await;
    let path = |url: &str| {
        let encoded: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
        format!("/proxy/fetch?url={encoded}")
    };
    let client = Client::new(open());
    for answer in [
        client.get(&path(&origin.url("/data.json"))).await,
        client.post(&format!("/api{}", path(&origin.url("/moved?to=/data.json"))), "").await,
    ] {
        assert_eq!((answer.status, answer.text.as_str()), (200, "||a.example^"), "{answer:?}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("x-proxy-source"), "bloqr-backend-proxy");
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
    }
    for (url, text) in [
        ("nonsense", "Invalid URL"),
        ("ftp://example.org/", "Only HTTPS URLs are allowed"),
        ("http://example.org/", "Only HTTPS URLs are allowed"),
        ("https://169.254.169.254/", "URL targets a private or restricted address"),
        ("https://0x7f.1/", "URL targets a private or restricted address"),
    ] {
        let answer = Client::new(plain()).get(&path(url)).await;
        answer.assert_problem(400, "url_forbidden");
        assert_eq!(answer.json()["error"], text, "{url}");
    }
    let missing = client.get("/proxy/fetch").await;
    missing.assert_problem(400, "url_missing");
    assert_eq!(missing.json()["error"], "Missing url parameter");
    client.get(&path(&origin.url("/nothing.txt"))).await.assert_problem(502, "source_status");
    let inside = path(&origin.url("/moved?to=http://10.0.0.1/"));
    client.get(&inside).await.assert_problem(400, "url_forbidden");
    let endless = client.get(&path(&origin.url("/endless.txt"))).await;
    assert_eq!(endless.status, 502, "{endless:?}");
    Client::new(turnstile_on())
        .get(&path("https://example.org/"))
        .await
        .assert_problem(403, "turnstile_rejected");
}
