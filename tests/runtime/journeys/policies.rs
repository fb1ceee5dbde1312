//! Policies other than the published ones, and what happens when nobody can be asked.

use std::time::{Duration, Instant};

use futures::future::join_all;
use journeys::{Answer, Client, Options, Runtime};
use reqwest::Method;
use serde_json::json;

use crate::{assert_served, faulty};

fn with_policies(text: &'static str) -> Runtime {
    Runtime::start(Options { vars: vec![("RATE_LIMIT_POLICIES", text)], ..Options::default() })
}

async fn try_compile(client: &Client) -> Answer {
    client.post("/api/compile", "{}").await
}

#[tokio::test]
async fn of_1000_parallel_requests_at_limit_300_exactly_300_are_admitted() {
    let runtime = with_policies(r#"{"requests":{"quota":{"anonymous":300}}}"#);
    let client = Client::new(&runtime.url);
    let answers = join_all((0..1000).map(|_| try_compile(&client))).await;
    let admitted = answers.iter().filter(|answer| answer.status == 400).count();
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((admitted, refused), (300, 700));
}

/// The bucket holds 5 and gets one back every 2 seconds; the shadow policy never refuses.
#[tokio::test]
async fn several_policies_are_one_decision() {
    let runtime = with_policies(
        r#"{"burst":{"counts":"requests","window":"bucket","seconds":10,"quota":5},"strict":{"counts":"requests","quota":1,"shadow":true},"reads":{"costs":{"/version":200}}}"#,
    );
    let client = Client::new(&runtime.url);
    for n in (0..5).rev() {
        let answer = try_compile(&client).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.header("ratelimit-policy"), "\"requests\";q=10;w=60, \"burst\";q=5;w=10");
        assert_eq!(answer.header("x-ratelimit-remaining"), (n + 5).to_string());
        assert!(answer.header("ratelimit").contains(&format!("\"burst\";r={n};")), "{answer:?}");
    }
    let refusal = try_compile(&client).await;
    refusal.assert_problem(429, "rate_limited");
    assert_eq!((&refusal.json()["policy"], &refusal.json()["used"]), (&json!("burst"), &json!(5)));
    assert_eq!((refusal.header("x-ratelimit-limit"), refusal.header("retry-after")), ("5", "2"));

    // Looking is free and shows what was recorded.
    let shown = client.get("/api/rate-limit").await.json();
    let find = |name: &str| {
        shown["policies"].as_array().unwrap().iter().find(|it| it["policy"] == name).unwrap().clone()
    };
    assert_eq!((&find("requests")["used"], &find("burst")["remaining"]), (&json!(5), &json!(0)));
    assert_eq!((&find("strict")["used"], &find("strict")["shadow"]), (&json!(1), &json!(true)));

    // What the shadow policy would have refused is counted; the report leaves within a second or so.
    let started_at = Instant::now();
    let key = runtime.ready()["admin_key"].as_str().unwrap().to_owned();
    loop {
        let request = Client::new(&runtime.url).request(Method::GET, "/admin/limits/cost");
        let cost = Answer::to(request.header("X-Admin-Key", &key)).await.json();
        if cost["shadowDenials"] == 5 {
            break;
        }
        assert!(started_at.elapsed() < Duration::from_secs(5), "{cost}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // And who it was.
    let shadowed = Client::new(&runtime.url).request(Method::GET, "/admin/limits?filter=shadowed");
    let shadowed = Answer::to(shadowed.header("X-Admin-Key", &key)).await.json();
    assert_eq!((&shadowed["matching"], &shadowed["rows"][0]["shadowed"]), (&json!(1), &json!(5)));

    tokio::time::sleep(Duration::from_millis(2_050)).await;
    assert_eq!(try_compile(&client).await.status, 400);
    assert_eq!(try_compile(&client).await.status, 429);

    // A path with a cost: three times 200 of 600.
    let statuses = join_all((0..4).map(|_| client.get("/api/version"))).await;
    assert_eq!(statuses.iter().filter(|answer| answer.status == 200).count(), 3);
}

#[tokio::test]
async fn a_policy_that_cannot_be_used_stops_the_service_and_is_named() {
    let runtime = with_policies(r#"{"requests":{"seconds":0}}"#);
    let answer = try_compile(&Client::new(&runtime.url)).await;
    answer.assert_problem(503, "misconfigured");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("RATE_LIMIT_POLICIES") && detail.contains("requests.seconds"), "{detail}");
}

/// An object that does not answer in time: work is refused, small reads go on uncounted.
#[tokio::test]
async fn an_object_that_does_not_answer_admits_no_work() {
    let client = Client::new(faulty());
    let hang = |method: Method, path: &str| client.request(method, path).header("X-Fault-Hang-Ms", "3000");

    let started_at = Instant::now();
    let refused = Answer::to(hang(Method::POST, "/api/compile").body("{}")).await;
    refused.assert_problem(503, "unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(started_at.elapsed() < Duration::from_millis(1_900), "{:?}", started_at.elapsed());

    let admitted = Answer::to(hang(Method::GET, "/api/turnstile-config")).await;
    assert_eq!((admitted.status, admitted.header("x-ratelimit-limit")), (200, ""));
    assert_served(&client).await;
}

#[tokio::test]
async fn a_request_asked_twice_is_charged_once() {
    let client = Client::new(faulty());
    let answer = client.post("/api/faults/retry", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["first"], answer.json()["second"]);
    // One for the request itself, one for both that it asked for.
    assert_eq!(try_compile(&client).await.header("x-ratelimit-remaining"), "7");
}

/// A front that is newer than the object, or nonsense: an answer, and nothing is taken.
#[tokio::test]
async fn what_an_object_does_not_know_it_refuses() {
    let client = Client::new(faulty());
    let answer = client.post("/api/faults/unknown", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for refusal in answer.json()["refusals"].as_array().unwrap() {
        assert!(refusal["refused"].is_string(), "{refusal}");
    }
    assert_eq!(try_compile(&client).await.header("x-ratelimit-remaining"), "8");
}
