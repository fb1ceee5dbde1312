//! Notices: told to a webhook, to Sentry and to Datadog, and again if one has trouble.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use journeys::{Answer, Client, Hooks, Misdeed, Options, Received, Runtime, fresh, node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::plain;

/// A Worker whose notices go to a double, and somebody who is signed in there.
struct Told {
    runtime: Runtime,
    hooks: Hooks,
    session: String,
}

impl Told {
    async fn start() -> Self {
        let hooks = Hooks::start().await;
        let runtime = Runtime::start(Options { vars: hooks.vars(), ..Options::default() });
        let session = sign_up(&runtime.url).await;
        Self { runtime, hooks, session }
    }

    async fn tell(&self, body: &Value) -> Answer {
        ask(&self.runtime.url, &self.session, "/api/notify", body).await
    }

    /// The only one that came to a target.
    fn only(&self, target: &str, event: &str) -> Received {
        let mut received = self.hooks.received(target, event);
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }
}

/// The session token of somebody new.
async fn sign_up(url: &str) -> String {
    let email = format!("{}@example.org", fresh("teller"));
    let body = json!({ "email": email, "password": "correct horse battery", "name": "Ann" });
    let answer = Client::new(url).post_json("/api/auth/sign-up/email", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["token"].as_str().unwrap().to_owned()
}

/// Asks as whoever has this session or key.
async fn ask(url: &str, token: &str, path: &str, body: &Value) -> Answer {
    Answer::to(Client::new(url).request(Method::POST, path).bearer_auth(token).json(body)).await
}

fn small(event: &str) -> Value {
    json!({ "event": event, "message": "Something happened" })
}

/// Asserts that a notice was answered like this, and what became of it at each target.
#[track_caller]
fn assert_told(answer: &Answer, status: u16, event: &str, deliveries: &Value) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    let mut body = answer.json();
    let duration = body["duration"].take();
    assert!(duration.as_str().unwrap().strip_suffix("ms").unwrap().parse::<u64>().is_ok(), "{duration}");
    let expected =
        json!({ "success": status == 200, "event": event, "deliveries": deliveries, "duration": null });
    assert_eq!(body, expected);
}

fn taken(target: &str, status: u16) -> Value {
    json!({ "target": target, "success": true, "statusCode": status })
}

fn refused(target: &str, status: u16) -> Value {
    let error = format!("The target answered {status}");
    json!({ "target": target, "success": false, "statusCode": status, "error": error })
}

/// Whether the real library of Svix takes what came, by the headers of this family.
fn is_verified_by_svix(received: &Received, family: &str) -> bool {
    let fields = ["id", "timestamp", "signature"].map(|name| format!("{family}-{name}"));
    let headers: Value = fields.iter().map(|name| (name.clone(), json!(received.headers[name]))).collect();
    let asked = json!({ "secret": Hooks::SECRET, "body": received.body, "headers": headers });
    let mut svix = node("clients/webhook.mjs").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    svix.stdin.take().unwrap().write_all(format!("{asked}\n").as_bytes()).unwrap();
    let output = svix.wait_with_output().unwrap();
    serde_json::from_slice::<Value>(&output.stdout).unwrap() == json!({ "valid": true })
}

#[tokio::test]
async fn a_notice_reaches_every_target() {
    let told = Told::start().await;
    let (event, metadata) = (fresh("event"), json!({ "n": 1, "list": ["ü", null] }));
    let body = json!({
        "event": event, "level": "warn", "message": "Zoë 😀", "source": "cron",
        "timestamp": "2020-01-02T03:04:05+01:00", "metadata": metadata, "unknown": true,
    });
    let answer = told.tell(&body).await;
    let all = json!([taken("generic", 204), taken("sentry", 200), taken("datadog", 202)]);
    assert_told(&answer, 200, &event, &all);

    let webhook = told.only("generic", &event);
    let expected = json!({
        "event": event, "level": "warn", "message": "Zoë 😀", "source": "cron",
        "timestamp": "2020-01-02T02:04:05.000Z", "metadata": metadata,
    });
    assert_eq!(webhook.json, expected);
    for family in ["svix", "webhook"] {
        assert!(is_verified_by_svix(&webhook, family), "{webhook:?}");
    }
    let changed = Received { body: webhook.body.replace("cron", "crow"), ..webhook };
    assert!(!is_verified_by_svix(&changed, "svix"));

    let sentry = told.only("sentry", &event).json;
    assert_eq!((&sentry["level"], &sentry["logger"]), (&json!("warning"), &json!("cron")));
    assert_eq!((&sentry["environment"], &sentry["extra"]), (&json!("development"), &metadata));
    assert_eq!(sentry["timestamp"].as_f64(), Some(1_577_930_645.0));
    let datadog = told.only("datadog", &event).json;
    assert_eq!(datadog["alert_type"], "warning");
    assert_eq!(datadog["tags"], json!(["env:development", "level:warn", "source:cron"]));
    assert!(datadog["text"].as_str().unwrap().starts_with("Zoë 😀\n{"), "{datadog}");
    // So old a date would not be taken.
    assert_eq!(datadog.get("date_happened"), None);
}

#[tokio::test]
async fn what_a_notice_does_not_say_is_now_and_good_to_know() {
    let told = Told::start().await;
    let event = fresh("event");
    let answer = ask(&told.runtime.url, &told.session, "/notify", &small(&event)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let webhook = told.only("generic", &event).json;
    let members: Vec<&str> = webhook.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["event", "level", "message", "timestamp"]);
    assert_eq!(webhook["level"], "info");
    assert!(told.only("datadog", &event).json["date_happened"].is_u64());

    let event = fresh("event");
    let mut dated = small(&event);
    dated["timestamp"] = json!(1_800_000_000_007_u64);
    assert_eq!(told.tell(&dated).await.status, 200);
    assert_eq!(told.only("generic", &event).json["timestamp"], "2027-01-15T08:00:00.007Z");
    assert_eq!(told.only("datadog", &event).json["date_happened"], 1_800_000_000);
}

#[tokio::test]
async fn trouble_that_passes_is_not_told() {
    let told = Told::start().await;
    let event = fresh("event");
    told.hooks.misbehave("generic", &event, &[Misdeed::Answer(500)]);
    told.hooks.misbehave("sentry", &event, &[Misdeed::Answer(429), Misdeed::HangUp]);
    let all = json!([taken("generic", 204), taken("sentry", 200), taken("datadog", 202)]);
    assert_told(&told.tell(&small(&event)).await, 200, &event, &all);

    // What the double keeps was signed well, each on its own.
    let webhooks = told.hooks.received("generic", &event);
    let [first, second] = &webhooks[..] else { panic!("{webhooks:?}") };
    for name in ["svix-id", "webhook-id"] {
        assert_eq!(first.headers[name], second.headers[name]);
    }
    assert_eq!(first.body, second.body);
    assert!(second.at - first.at >= Duration::from_millis(245), "{:?}", second.at - first.at);
    let envelopes = told.hooks.received("sentry", &event);
    let [first, second, third] = &envelopes[..] else { panic!("{envelopes:?}") };
    assert_eq!((&first.body, &first.body), (&second.body, &third.body), "one event");
    assert!(third.at - second.at >= Duration::from_millis(995), "{:?}", third.at - second.at);
    told.only("datadog", &event);
}

#[tokio::test]
async fn trouble_that_stays_is_told() {
    let told = Told::start().await;
    let (some, all) = (fresh("event"), fresh("event"));
    told.hooks.misbehave("generic", &some, &[Misdeed::Answer(302)]);
    told.hooks.misbehave("datadog", &some, &[Misdeed::Answer(403)]);
    let deliveries = json!([refused("generic", 302), taken("sentry", 200), refused("datadog", 403)]);
    assert_told(&told.tell(&small(&some)).await, 200, &some, &deliveries);

    told.hooks.misbehave("generic", &all, &[Misdeed::Answer(503); 9]);
    told.hooks.misbehave("sentry", &all, &[Misdeed::HangUp; 9]);
    told.hooks.misbehave("datadog", &all, &[Misdeed::Answer(500), Misdeed::Answer(400)]);
    let silent = json!({ "target": "sentry", "success": false, "error": "The target did not answer" });
    let deliveries = json!([refused("generic", 503), silent, refused("datadog", 400)]);
    assert_told(&told.tell(&small(&all)).await, 502, &all, &deliveries);
    for (target, event, n) in [
        ("generic", &some, 1),
        ("datadog", &some, 1),
        ("generic", &all, 3),
        ("sentry", &all, 3),
        ("datadog", &all, 2),
    ] {
        assert_eq!(told.hooks.received(target, event).len(), n, "{target} {event}");
    }
}

#[tokio::test]
async fn a_target_that_says_nothing_is_asked_again_after_five_seconds() {
    let told = Told::start().await;
    let event = fresh("event");
    told.hooks.misbehave("generic", &event, &[Misdeed::SayNothing]);
    let started_at = Instant::now();
    let all = json!([taken("generic", 204), taken("sentry", 200), taken("datadog", 202)]);
    assert_told(&told.tell(&small(&event)).await, 200, &event, &all);
    let seconds = started_at.elapsed().as_secs_f64();
    assert!((5.0..9.0).contains(&seconds), "{seconds}");
    assert_eq!(told.hooks.received("generic", &event).len(), 2);
}

#[tokio::test]
async fn a_notice_has_a_shape_and_a_sender() {
    let told = Told::start().await;
    let url = &told.runtime.url;
    for (change, issue) in [
        (json!({ "event": null }), "/event: "),
        (json!({ "event": "" }), "/event: must have 1 to 128 characters"),
        (json!({ "event": "e".repeat(129) }), "/event: must have 1 to 128 characters"),
        (json!({ "message": 7 }), "/message: "),
        (json!({ "message": "m".repeat(2_049) }), "/message: must have 1 to 2048 characters"),
        (json!({ "level": "fatal" }), "/level"),
        (json!({ "source": "s".repeat(129) }), "/source: must have at most 128 characters"),
        (json!({ "timestamp": "yesterday" }), "/timestamp: must be an ISO 8601 text or milliseconds"),
        (json!({ "timestamp": -1 }), "/timestamp: must be an ISO 8601 text or milliseconds"),
        (json!({ "timestamp": [] }), "/timestamp: must be an ISO 8601 text or milliseconds"),
        (json!({ "metadata": ["a"] }), "/metadata: "),
        (json!({ "metadata": { "a": "x".repeat(16_384) } }), "/metadata: must have at most 16384 bytes"),
    ] {
        let mut body = small("shape");
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = told.tell(&body).await;
        answer.assert_problem(422, "unprocessable");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(issue), "{error}");
    }
    told.tell(&json!({})).await.assert_problem(422, "unprocessable");
    told.tell(&json!([])).await.assert_problem(422, "unprocessable");
    let request = Client::new(url).request(Method::POST, "/api/notify").bearer_auth(&told.session);
    Answer::to(request.body("{")).await.assert_problem(400, "invalid_json");

    let anonymous = Client::new(url).post_json("/api/notify", &small("shape")).await;
    anonymous.assert_problem(401, "authentication_required");
    let make_key = async |scope: &str| -> String {
        let made = ask(url, &told.session, "/keys", &json!({ "name": "n", "scopes": [scope] })).await;
        made.json()["key"].as_str().unwrap().to_owned()
    };
    let rules = ask(url, &make_key("rules").await, "/api/notify", &small("shape")).await;
    rules.assert_problem(403, "scope_missing");
    assert_eq!(told.hooks.n_received(), 0);
    let compile = ask(url, &make_key("compile").await, "/api/notify", &small("shape")).await;
    assert_eq!((compile.status, told.hooks.n_received()), (200, 3), "{compile:?}");
}

#[tokio::test]
async fn without_a_target_nothing_can_be_told() {
    let session = sign_up(plain()).await;
    let answer = ask(plain(), &session, "/api/notify", &small("nobody")).await;
    answer.assert_problem(503, "not_configured");
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    for variable in ["WEBHOOK_URL", "SENTRY_DSN", "DATADOG_API_KEY"] {
        assert!(error.contains(variable), "{error}");
    }
    // The shape is judged first.
    ask(plain(), &session, "/api/notify", &json!({})).await.assert_problem(422, "unprocessable");
}

/// One target is enough, and one that nobody serves is no defect of ours.
#[tokio::test]
async fn a_target_that_is_not_there_is_told() {
    let vars = vec![("WEBHOOK_URL", "http://127.0.0.1:9/hooks")];
    let runtime = Runtime::start(Options { vars, ..Options::default() });
    let session = sign_up(&runtime.url).await;
    let answer = ask(&runtime.url, &session, "/api/notify", &small("alone")).await;
    let deliveries = json!([{ "target": "generic", "success": false, "error": "The target did not answer" }]);
    assert_told(&answer, 502, "alone", &deliveries);
}
