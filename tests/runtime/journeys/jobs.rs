//! Lists that are compiled later: jobs, their queues, their results, and who watches them.

mod watch;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::{StreamExt, stream};
use journeys::{Answer, Client, Options, Origin, Runtime, fresh, fresh_address};
use reqwest::{Method, RequestBuilder};
use serde_json::{Deserializer, Value, json};
use tokio_tungstenite::tungstenite::Error;

use self::watch::{Told, Watch, assert_whole, knock, path};
use crate::admin::admin;

/// How long a job may take here, its turn in the queue included.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the record may lag behind.
const RECORDED_WITHIN: Duration = Duration::from_secs(20);
/// How often a job is begun before it is given up, and so how often its queue delivers its message.
const MAX_ATTEMPTS: usize = 4;
/// What could be the id of a job and is none.
const UNKNOWN: &str = "compile-1700000000000-0123456789abcdef";

/// Limits nobody, and takes sources on this machine.
pub(crate) fn roomy() -> Options {
    let policies = r#"{"requests":{"quota":"unlimited"},"reads":{"quota":"unlimited"}}"#;
    let vars = vec![("RATE_LIMIT_POLICIES", policies), ("SOURCE_ALLOW_PRIVATE", "true")];
    Options { vars, ..Options::default() }
}

/// The same, with queues and messages that are shown.
fn shown() -> Runtime {
    Runtime::start(Options { with_faults: true, ..roomy() })
}

/// For all journeys that don't mind who else is in the queues.
fn served() -> &'static str {
    static SERVED: OnceLock<Runtime> = OnceLock::new();
    &SERVED.get_or_init(|| Runtime::start(roomy())).url
}

/// Somebody who has signed up.
pub(crate) struct Person {
    url: String,
    client: Client,
    address: String,
    id: String,
    email: String,
    token: String,
}

impl Person {
    pub(crate) async fn sign_up(url: &str, tier: &str) -> Self {
        let (email, address) = (format!("{}@example.org", fresh("person")), fresh_address());
        let client = Client::at(url, &address);
        let body = json!({ "name": "", "email": email, "password": "a-password-for-tests" });
        let signed = client.post_json("/api/auth/sign-up/email", &body).await.json();
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{signed}")).to_owned();
        let (id, token) = (text(&signed["user"]["id"]), text(&signed["token"]));
        let rights = Some(json!({ "tier": tier }));
        let changed = admin(url, Method::PATCH, &format!("/admin/users/{id}"), rights).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        Self { url: url.to_owned(), client, address, id, email, token }
    }

    /// After the service began to serve elsewhere.
    pub(crate) fn move_to(&mut self, url: &str) {
        self.url = url.to_owned();
        self.client = self.client.moved_to(url);
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, path).bearer_auth(&self.token)
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.request(Method::POST, path).json(body)).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = Answer::to(self.request(Method::GET, path)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Has a list compiled later. Returns the job's id.
    async fn queue(&self, body: &Value) -> String {
        let answer = self.post("/api/compile/async", body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["requestId"].as_str().unwrap().to_owned()
    }

    async fn results(&self, id: &str) -> Value {
        self.get(&format!("/api/queue/results/{id}")).await
    }

    async fn cancel(&self, id: &str) -> Value {
        let answer = Answer::to(self.request(Method::DELETE, &format!("/api/queue/cancel/{id}"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let told = answer.json();
        assert_eq!((&told["success"], &told["requestId"]), (&json!(true), &json!(id)));
        told
    }

    /// The results once the job is in one of these states.
    async fn until(&self, id: &str, states: &[&str]) -> Value {
        let patience = Instant::now() + PATIENCE;
        loop {
            let results = self.results(id).await;
            if states.contains(&results["status"].as_str().unwrap()) {
                return results;
            }
            assert!(Instant::now() < patience, "{id} is never {states:?}: {results}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn end_of(&self, id: &str) -> Value {
        self.until(id, &["completed", "failed", "cancelled"]).await
    }

    /// The stats once so many jobs have ended.
    async fn stats(&self, n_ended: u64) -> Value {
        let patience = Instant::now() + RECORDED_WITHIN;
        loop {
            let stats = self.get("/api/queue/stats").await;
            let ended = ["completed", "failed", "cancelled"].map(|status| stats[status].as_u64().unwrap());
            if ended.iter().sum::<u64>() == n_ended {
                return stats;
            }
            assert!(Instant::now() < patience, "the record never has {n_ended} jobs that ended: {stats}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A list with one source.
pub(crate) fn fetched(name: &str, source: &str) -> Value {
    json!({ "configuration": { "name": name, "sources": [{ "source": source }] } })
}

/// A list whose text comes along.
pub(crate) fn brought(name: &str, text: &str) -> Value {
    let mut body = fetched(name, "mine");
    body["preFetchedContent"] = json!({ "mine": text });
    body
}

/// Several lists in one request, by id.
fn batch(parts: &[(&str, Value)]) -> Value {
    let requests = parts.iter().map(|(id, body)| {
        let mut request = body.clone();
        request["id"] = json!(id);
        request
    });
    json!({ "requests": requests.collect::<Vec<_>>() })
}

/// All lines but the one with the time.
pub(crate) fn timeless(list: &Value) -> Vec<&str> {
    let lines = list["rules"].as_array().unwrap_or_else(|| panic!("{list}")).iter();
    lines.map(|line| line.as_str().unwrap()).filter(|line| !line.starts_with("! Last modified: ")).collect()
}

/// Asserts that a job gave the list that a plain request gets.
async fn assert_like_a_plain_request(results: &Value, body: &Value) {
    assert_eq!(results["status"], "completed", "{results}");
    let answer = Client::new(served()).compile(body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let plain = answer.json();
    assert_eq!(timeless(results), timeless(&plain), "{body}");
    assert_eq!(results["ruleCount"], plain["ruleCount"]);
    assert_eq!(results["compiledAt"].as_str().unwrap().len(), 24, "{results}");
}

#[tokio::test]
async fn a_job_gives_the_list_that_a_request_gets() {
    let origin = Origin::start().await;
    let (free, pro) = (Person::sign_up(served(), "free").await, Person::sign_up(served(), "pro").await);
    let mut transformed = brought("Transformed", "||b.example^\n! comment\n||b.example^");
    transformed["configuration"]["transformations"] = json!(["RemoveComments", "Deduplicate"]);
    let more = json!({ "source": origin.url("/main.txt"), "name": "More" });
    transformed["configuration"]["sources"].as_array_mut().unwrap().push(more);
    let bodies = [
        fetched("Fetched", &origin.url("/list.txt")),
        brought("Brought", "||a.example^\n! comment\n||b.example^"),
        transformed,
    ];
    for (person, priority) in [(&free, "standard"), (&pro, "high")] {
        for (path, body) in ["/api/compile/async", "/compile/async"].iter().cycle().zip(&bodies) {
            let answer = person.post(path, body).await;
            assert_eq!(answer.status, 202, "{answer:?}");
            let accepted = answer.json();
            assert_eq!((&accepted["success"], &accepted["priority"]), (&json!(true), &json!(priority)));
            assert_eq!(accepted["message"], "Compilation job queued successfully");
            assert!(accepted["note"].is_string(), "{accepted}");
            let id = accepted["requestId"].as_str().unwrap();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            assert!(id.starts_with("compile-") && id.bytes().all(is_plain), "{accepted}");

            let results = person.end_of(id).await;
            assert_like_a_plain_request(&results, body).await;
            assert_eq!((&results["success"], &results["requestId"]), (&json!(true), &json!(id)));
            assert_eq!(results["jobInfo"]["configName"], body["configuration"]["name"]);
        }
    }
}

#[tokio::test]
async fn a_job_that_fails_says_why() {
    let origin = Origin::start().await;
    let person = Person::sign_up(served(), "free").await;
    let id = person.queue(&fetched("Gone", &origin.url("/nothing.txt"))).await;
    let results = person.end_of(&id).await;
    assert_eq!(results["status"], "failed", "{results}");
    assert!(results["error"].as_str().unwrap().contains("404"), "{results}");
    assert!(results["jobInfo"]["error"].as_str().unwrap().contains("404"), "{results}");
    assert!(results.get("rules").is_none(), "{results}");
}

#[tokio::test]
async fn a_batch_is_jobs_of_their_own() {
    let origin = Origin::start().await;
    let person = Person::sign_up(served(), "free").await;
    let parts = [
        ("list", fetched("List", &origin.url("/list.txt"))),
        ("gone", fetched("Gone", &origin.url("/nothing.txt"))),
        ("mine", brought("Mine", "||mine.example^")),
    ];
    let answer = person.post("/api/compile/batch/async", &batch(&parts)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let accepted = answer.json();
    assert_eq!(accepted["message"], "Batch of 3 compilation jobs queued successfully");
    assert_eq!((&accepted["batchSize"], &accepted["priority"]), (&json!(3), &json!("standard")));
    let id = accepted["requestId"].as_str().unwrap();
    assert!(id.starts_with("batch-"), "{accepted}");

    let whole = person.end_of(id).await;
    assert_eq!(whole["status"], "completed", "{whole}");
    let items = whole["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{whole}");
    for (item, (name, body)) in items.iter().zip(&parts) {
        assert_eq!(item["id"], *name, "{whole}");
        let own = item["requestId"].as_str().unwrap();
        assert!(own.strip_prefix(id).is_some_and(|rest| rest.starts_with('-')), "{whole}");
        let results = person.results(own).await;
        assert_eq!(results["status"], item["status"], "{results} {item}");
        if *name == "gone" {
            assert_eq!(item["status"], "failed", "{item}");
            assert!(item["error"].as_str().unwrap().contains("404"), "{item}");
        } else {
            assert_like_a_plain_request(&results, body).await;
            assert_eq!(item["ruleCount"], results["ruleCount"]);
        }
    }

    let answer = person.post("/compile/batch/async", &batch(&parts[1..2])).await;
    let whole = person.end_of(answer.json()["requestId"].as_str().unwrap()).await;
    assert_eq!(whole["status"], "failed", "{whole}");
}

#[tokio::test]
async fn what_can_not_be_queued_is_refused_at_once() {
    let person = Person::sign_up(served(), "free").await;
    let ids: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let parts: Vec<(&str, Value)> =
        ids.iter().map(|id| (id.as_str(), brought("N", "||a.example^"))).collect();
    let answer = person.post("/api/compile/batch/async", &batch(&parts)).await;
    answer.assert_problem(400, "invalid_body");
    assert!(answer.json()["error"].as_str().unwrap().contains("limited to 100 requests"), "{answer:?}");
    person.post("/api/compile/batch/async", &batch(&[])).await.assert_problem(400, "invalid_body");
    person.post("/api/compile/async", &json!({})).await.assert_problem(400, "invalid_body");
    let forbidden = person.post("/api/compile/async", &fetched("N", "http://10.0.0.1/")).await;
    forbidden.assert_problem(400, "source_forbidden");
    let answer = Answer::to(person.request(Method::DELETE, "/api/queue/cancel/a.b")).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.json()["error"].as_str().unwrap().contains("Invalid requestId format"), "{answer:?}");

    let anonymous = Client::new(served());
    for (method, path) in [
        (Method::POST, "/api/compile/async"),
        (Method::POST, "/api/compile/batch/async"),
        (Method::GET, "/api/queue/results/compile-1-a"),
        (Method::GET, "/api/queue/events/compile-1-a"),
        (Method::GET, "/api/queue/stats"),
        (Method::GET, "/api/queue/history"),
        (Method::DELETE, "/api/queue/cancel/compile-1-a"),
    ] {
        let body = brought("N", "||a.example^");
        let request = anonymous.request(method.clone(), path);
        let answer = Answer::to(if method == Method::POST { request.json(&body) } else { request }).await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
    }
}

/// To everybody else a job is one that never was.
#[tokio::test]
async fn a_job_is_its_owners_alone() {
    let (owner, other) = (Person::sign_up(served(), "free").await, Person::sign_up(served(), "free").await);
    let id = owner.queue(&brought("Mine", "||mine.example^")).await;
    let (foreign, unknown) = (other.results(&id).await, other.results(UNKNOWN).await);
    assert_eq!(foreign["status"], "not_found", "{foreign}");
    assert_eq!(foreign.to_string().replace(&id, UNKNOWN), unknown.to_string());
    assert_eq!(other.results("nothing").await["status"], "not_found");
    for id in [id.as_str(), UNKNOWN, "nothing"] {
        assert_eq!(other.cancel(id).await["cancelled"], true);
        let events = Answer::to(other.request(Method::GET, &path(id))).await;
        events.assert_problem(404, "not_found");
        match knock(&other, id).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), 404),
            opened => panic!("{}", opened.map_or_else(|error| error.to_string(), |_| "a socket".to_owned())),
        }
    }
    assert_eq!(owner.end_of(&id).await["status"], "completed");
    assert_eq!(owner.stats(1).await["completed"], 1);
    assert_eq!(other.stats(0).await["pending"], 0);
    assert_eq!(other.get("/api/queue/history").await["history"], json!([]));
}

#[tokio::test]
async fn a_job_is_cancelled_in_time_or_not_at_all() {
    let (runtime, origin) = (Runtime::start(roomy()), Origin::start().await);
    let person = Person::sign_up(&runtime.url, "pro").await;
    let other = Person::sign_up(&runtime.url, "pro").await;

    let completed = person.queue(&brought("Completed", "||a.example^")).await;
    let failed = person.queue(&fetched("Failed", &origin.url("/nothing.txt"))).await;
    for (id, status) in [(&completed, "completed"), (&failed, "failed")] {
        assert_eq!(person.end_of(id).await["status"], status);
        let told = person.cancel(id).await;
        assert_eq!((&told["cancelled"], &told["status"]), (&json!(false), &json!(status)), "{told}");
        assert_eq!(person.results(id).await["status"], status);
    }

    // The queue of those in a hurry hands out one batch after the other: what comes now waits for this one.
    let running = person.queue(&fetched("Running", &origin.url("/wait/6000/running"))).await;
    person.until(&running, &["processing"]).await;
    let queued = person.queue(&fetched("Queued", &origin.url("/wait/0/queued"))).await;
    let kept = person.queue(&brought("Kept", "||kept.example^")).await;
    for id in [&running, &queued, &kept] {
        assert_eq!(other.cancel(id).await["cancelled"], true);
    }
    assert_eq!(person.cancel(UNKNOWN).await["cancelled"], true);
    assert_eq!(person.results(&running).await["status"], "processing");
    assert_eq!(person.results(&queued).await["status"], "pending");
    for id in [&queued, &running, &queued] {
        assert_eq!(person.cancel(id).await["cancelled"], true);
        assert_eq!(person.results(id).await["status"], "cancelled");
    }
    let ended = person.end_of(&kept).await;
    assert_eq!(ended["status"], "completed", "{ended}");

    let stats = person.stats(5).await;
    let counts = ["pending", "completed", "failed", "cancelled"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(counts, [0, 2, 1, 2], "{stats}");
    let page = person.get("/api/queue/history").await;
    let history = page["history"].as_array().unwrap();
    let state = |entry: &Value| {
        let of = |name: &str| entry[name].as_str().unwrap().to_owned();
        (of("configName"), (of("requestId"), of("status")))
    };
    let expected = [
        ("Completed", (completed.clone(), "completed")),
        ("Failed", (failed, "failed")),
        ("Running", (running.clone(), "cancelled")),
        ("Queued", (queued, "cancelled")),
        ("Kept", (kept, "completed")),
    ];
    let expected = expected.map(|(name, (id, status))| (name.to_owned(), (id, status.to_owned())));
    assert_eq!(history.iter().map(state).collect::<BTreeMap<_, _>>(), BTreeMap::from(expected), "{page}");
    // The first to begin and to end is the last that is told.
    assert_eq!(history.last().unwrap()["requestId"], completed, "{page}");
    let of_status = |status: &'static str| history.iter().filter(move |entry| entry["status"] == status);
    assert!(of_status("failed").all(|entry| entry["error"].as_str().unwrap().contains("404")), "{page}");
    assert!(of_status("completed").all(|entry| entry["ruleCount"].as_u64() > Some(0)), "{page}");

    // What was cancelled in the queue was never begun, and what was cancelled later stays so.
    assert_eq!(origin.n_asked("/wait/0/queued"), 0);
    assert_eq!(person.results(&running).await["status"], "cancelled");
}

/// The messages that consumers got, as the test build shows them.
fn messages(log: &str) -> Vec<Value> {
    let shown = log.lines().filter_map(|line| line.split_once("raw message "));
    shown.map(|(_, json)| Deserializer::from_str(json).into_iter().next().unwrap().unwrap()).collect()
}

/// It breaks each time, and does no harm to those whose messages come in the same batch.
#[tokio::test]
async fn a_job_that_kills_its_consumer_fails_alone() {
    let (runtime, origin) = (shown(), Origin::start().await);
    let free = Person::sign_up(&runtime.url, "free").await;
    let pro = Person::sign_up(&runtime.url, "pro").await;
    // While this one runs, the others gather in one batch.
    let first = pro.queue(&fetched("First", &origin.url("/wait/1500/first"))).await;
    pro.until(&first, &["processing"]).await;
    let before = pro.queue(&brought("Before", "||before.example^")).await;
    let poison = pro.queue(&brought("faults: kill the consumer", "||poison.example^")).await;
    let after = pro.queue(&fetched("After", &origin.url("/list.txt"))).await;
    let batch = batch(&[("part", fetched("Part", &origin.url("/list.txt")))]);
    let batch = free.post("/api/compile/batch/async", &batch).await.json();

    let ended = pro.end_of(&poison).await;
    assert_eq!(ended["status"], "failed", "{ended}");
    assert!(ended["error"].as_str().is_some_and(|reason| !reason.is_empty()), "{ended}");
    for id in [&first, &before, &after] {
        let ended = pro.end_of(id).await;
        assert_eq!(ended["status"], "completed", "{ended}");
    }
    let ended = free.end_of(batch["requestId"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    pro.stats(4).await;
    let page = pro.get("/api/queue/history").await;
    let mut entries = page["history"].as_array().unwrap().iter();
    let entry = entries.find(|entry| entry["requestId"] == poison).unwrap();
    assert_eq!((&entry["status"], entry["error"].is_string()), (&json!("failed"), true), "{entry}");

    let log = runtime.log();
    let messages = messages(&log);
    // Each attempt, and once in the dead-letter queue.
    let n_told = messages.iter().filter(|message| message["requestId"] == poison).count();
    assert_eq!(n_told, MAX_ATTEMPTS + 1, "{messages:?}");

    assert!(messages.iter().any(|message| message["type"] == "batch-compile"), "{messages:?}");
    for message in &messages {
        let mut members: Vec<&str> = message.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["requestId", "type"], "{message}");
    }
    for line in log.lines().filter(|line| line.contains("raw message ")) {
        for Person { id, email, token, address, .. } in [&free, &pro] {
            assert!(![id, email, token, address].iter().any(|told| line.contains(told.as_str())), "{line}");
        }
    }
}

#[tokio::test]
async fn a_job_in_a_hurry_overtakes() {
    let (runtime, origin) = (Runtime::start(roomy()), Origin::start().await);
    let free = &Person::sign_up(&runtime.url, "free").await;
    let pro = Person::sign_up(&runtime.url, "pro").await;
    let body = |n: usize| fetched("Patient", &origin.url(&format!("/wait/300/patient{n}")));
    let queued = stream::iter(0..200).map(|n| {
        let body = body(n);
        async move { free.queue(&body).await }
    });
    let patient: Vec<String> = queued.buffer_unordered(20).collect().await;
    let answer = pro.post("/api/compile/async", &fetched("Hurried", &origin.url("/wait/50/hurried"))).await;
    assert_eq!(answer.json()["priority"], "high", "{answer:?}");
    let ended = pro.end_of(answer.json()["requestId"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let states: Vec<Value> =
        stream::iter(&patient).map(|id| free.results(id)).buffer_unordered(50).collect().await;
    let n_completed = states.iter().filter(|state| state["status"] == "completed").count();
    println!("overtook {} of 200 jobs", 200 - n_completed);
    assert!(n_completed < 100, "{n_completed} of 200 patient jobs were done before the hurried one");

    // Nor do the patient ones wait for ever.
    for id in &patient {
        let ended = free.end_of(id).await;
        assert_eq!(ended["status"], "completed", "{ended}");
    }
    assert_eq!(free.stats(200).await["completed"], 200);
}

#[tokio::test]
async fn a_hundred_who_want_the_same_make_one_compile() {
    let origin = Origin::start().await;
    let body = fetched("Same", &origin.url("/wait/500/same"));
    let clients: Vec<Client> = (0..100).map(|_| Client::new(served())).collect();
    let answers = join_all(clients.iter().map(|client| client.compile(&body))).await;
    let first = answers[0].json();
    let mut n_made = 0;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        let list = answer.json();
        assert_eq!((&list["rules"], &list["compiledAt"]), (&first["rules"], &first["compiledAt"]));
        let headers = (answer.header("x-cache"), answer.header("x-request-deduplication"));
        match (headers, list.get("cached").is_some(), list.get("deduplicated").is_some()) {
            (("MISS", ""), false, false) => n_made += 1,
            (("HIT", ""), true, false) | (("", "HIT"), false, true) => {}
            other => panic!("{other:?}: {answer:?}"),
        }
    }
    assert_eq!(*timeless(&first).last().unwrap(), "||same.example^");
    assert_eq!((n_made, origin.n_asked("/wait/500/same")), (1, 1), "lists made, and texts fetched for them");
}

/// Half of them by events, half by socket; half from the beginning, half from the middle on.
#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_watchers_hear_the_same() {
    let (runtime, origin) = (Runtime::start(roomy()), Origin::start().await);
    let person = &Person::sign_up(&runtime.url, "free").await;
    let source = |n: usize| json!({ "source": origin.url(&format!("/wait/2000/watched{n}")) });
    let sources: Vec<Value> = (0..20).map(source).collect();
    let id = person.queue(&json!({ "configuration": { "name": "Watched", "sources": sources } })).await;
    let id = id.as_str();
    let open = move || {
        let opened = stream::iter(0..200).map(move |n| Watch::by_turns(person, id, n));
        opened.buffer_unordered(50).collect::<Vec<Watch>>()
    };

    let mut guide = Watch::by_events(person, id).await;
    let early = open().await;
    let (mut heard, mut n_sources): (Vec<Told>, usize) = (Vec::new(), 0);
    while n_sources < 4 {
        let told = guide.next().await.expect("four sources are told");
        n_sources += usize::from(told.name == "source:complete");
        heard.push(told);
    }
    let late = open().await;
    let rest = |mut watch: Watch| async move { watch.rest().await };
    let (early, late) = (early.into_iter().map(rest), late.into_iter().map(rest));
    let (more, early, late) = tokio::join!(guide.rest(), join_all(early), join_all(late));
    heard.extend(more);

    let mut known = BTreeMap::new();
    assert_whole(&heard, &mut known);
    for told in early.iter().chain(&late) {
        assert_whole(told, &mut known);
    }
    for told in &late {
        let snapshot = &told[0];
        assert!(snapshot.seq > heard[0].seq && told.len() > 1, "too late: {told:?}");
        assert_eq!(snapshot.data["status"], "running", "{snapshot:?}");
        assert!(!snapshot.data["last"].is_null(), "{snapshot:?}");
    }
    let n_told = |name: &str| known.values().filter(|told| told.name == name).count();
    assert_eq!((n_told("source:complete"), n_told("compilation:complete")), (20, 1));

    // Who comes after the end is told how it ended, and no more.
    for n in 0..2 {
        let told = Watch::by_turns(person, id, n).await.rest().await;
        assert_whole(&told, &mut known);
        assert_eq!(Some(&told[0].seq), known.keys().last(), "{told:?}");
    }
}

/// An object that only waits leaves memory, and its watchers don't notice.
#[tokio::test(flavor = "multi_thread")]
async fn watchers_of_a_job_that_sleeps_hear_when_it_wakes() {
    let (runtime, origin) = (shown(), Origin::start().await);
    let awake = async |n: usize| {
        let patience = Instant::now() + Duration::from_secs(10);
        while runtime.log().matches("compile_job awake").count() < n {
            assert!(Instant::now() < patience, "no object woke up for the {n}th time");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let person = Person::sign_up(&runtime.url, "pro").await;
    // The queue of those in a hurry hands out one batch after the other, so the second job waits for twenty
    // seconds; after ten in which nothing happens an object is put to sleep.
    let busy = person.queue(&fetched("Busy", &origin.url("/wait/20000/busy"))).await;
    person.until(&busy, &["processing"]).await;
    let waiting = person.queue(&fetched("Waiting", &origin.url("/list.txt"))).await;
    let mut watchers = [Watch::by_events(&person, &waiting).await, Watch::by_socket(&person, &waiting).await];
    let mut heard = [Vec::new(), Vec::new()];
    for (watch, heard) in watchers.iter_mut().zip(&mut heard) {
        let snapshot = watch.next().await.expect("how things stand is told");
        assert_eq!(snapshot.data["status"], "queued", "{snapshot:?}");
        heard.push(snapshot);
    }
    awake(2).await;
    assert_eq!(runtime.log().matches("compile_job awake").count(), 2, "two jobs, each awake once");

    let mut known = BTreeMap::new();
    for (watch, heard) in watchers.iter_mut().zip(&mut heard) {
        heard.extend(watch.rest().await);
        assert_whole(heard, &mut known);
    }
    awake(3).await;
    assert_eq!(person.end_of(&busy).await["status"], "completed");
}
