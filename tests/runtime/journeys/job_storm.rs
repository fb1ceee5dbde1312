//! The storm over the queues: jobs of every kind, while everything is killed again and again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt, stream};
use journeys::{Answer, Client, Origin, Runtime};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::jobs::{Person, brought, fetched, roomy, timeless};
use crate::storm::Dice;

const JOBS: usize = 500;
/// How often everything is killed.
const CRASHES: usize = 10;
/// How long one life lasts at most, in milliseconds. All lives together are longer than the half minute after
/// which lost messages are sent again, so that crashes hit those, too.
const LIFE_MS: u64 = 8_000;
/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(8 * 60);
/// Requests sent at a time.
const UNDER_WAY: usize = 10;

/// Which job has the list that this one asks for: every fifth wants what another one wants.
fn like(n: usize) -> usize {
    if n % 5 == 4 { n - 1 - (n / 5) % 4 } else { n }
}

/// What comes of the list that job `n` asks for, below its headers; none if its source is broken.
fn expected(n: usize) -> Option<String> {
    (like(n) % 15 != 3).then(|| format!("||job{}.example^", like(n)))
}

/// What job `n` asks for: a text that comes along, a quick source, a slow one, or one where nobody is.
fn body(n: usize, origin: &Origin) -> Value {
    let (name, n) = (format!("Job {}", like(n)), like(n));
    let Some(line) = expected(n) else {
        // Another host than the origin's, so that it alone is left alone for its failures.
        return fetched(&name, &format!("http://127.0.0.2:9/{n}.txt"));
    };
    match n % 5 {
        1 => fetched(&name, &origin.url(&format!("/wait/20/job{n}"))),
        2 => fetched(&name, &origin.url(&format!("/wait/400/job{n}"))),
        _ => brought(&name, &format!("||first.example^\n{line}")),
    }
}

/// What is told of a job that has ended, once and for all.
fn end_of(results: &Value) -> Option<Value> {
    match results["status"].as_str() {
        Some("pending" | "processing") => None,
        Some("completed" | "failed") => {
            let of = |name: &str| results[name].clone();
            Some(json!([of("status"), of("rules"), of("ruleCount"), of("compiledAt"), of("error")]))
        }
        _ => panic!("a job that was accepted is lost: {results}"),
    }
}

/// What came of one request.
enum Heard {
    OfAccepting(usize, Option<Answer>),
    OfResults(usize, Option<Answer>),
}

/// What is known of the jobs.
#[derive(Default)]
struct Known {
    /// Ids of those that were accepted.
    ids: BTreeMap<usize, String>,
    /// Results of those that have ended.
    ends: BTreeMap<usize, Value>,
}

impl Known {
    /// Notes how a job stands. What has ended stays as it is.
    fn note(&mut self, n: usize, results: Value) {
        let known = self.ends.get(&n).map(end_of);
        match end_of(&results) {
            Some(end) if known.is_none() => {
                assert!(end[0] == "completed" || results["error"].is_string(), "no reason: {results}");
                self.ends.insert(n, results);
            }
            end => assert!(known.is_none_or(|known| known == end), "job {n} has two contents: {results}"),
        }
    }

    /// Asks for the results of every job, or of those alone that have not ended yet.
    fn questions(&self, people: &[Person; 2], all: bool) -> Vec<(usize, RequestBuilder)> {
        let asked = self.ids.iter().filter(|(n, _)| all || !self.ends.contains_key(*n));
        let question = |(n, id): (&usize, &String)| {
            (*n, people[n % 2].request(Method::GET, &format!("/api/queue/results/{id}")))
        };
        asked.map(question).collect()
    }

    /// Asks while nothing is killed.
    async fn ask(&mut self, people: &[Person; 2], all: bool) {
        let questions = self.questions(people, all).into_iter();
        let answers = questions.map(|(n, request)| async move { (n, Answer::to(request).await) });
        let mut answers = stream::iter(answers).buffer_unordered(UNDER_WAY);
        while let Some((n, answer)) = answers.next().await {
            assert_eq!(answer.status, 200, "{answer:?}");
            self.note(n, answer.json());
        }
    }
}

/// Every job that was accepted ends with what a plain request gets, or with a reason; and what was told of its
/// end once stays so.
#[tokio::test(flavor = "multi_thread")]
async fn no_crash_loses_a_job_or_changes_its_result() {
    let started_at = Instant::now();
    let (mut runtime, origin) = (Runtime::start(roomy()), Origin::start().await);
    let mut people =
        [Person::sign_up(&runtime.url, "free").await, Person::sign_up(&runtime.url, "pro").await];
    let (mut dice, mut known) = (Dice(11), Known::default());
    let mut waiting: Vec<usize> = (0..JOBS).collect();

    for crash in 0..=CRASHES {
        // A share of what is left for each life; all of it for the last one.
        let share = waiting.len() / (CRASHES + 1 - crash);
        let accepting = waiting.drain(..share).map(|n| {
            let request = people[n % 2].request(Method::POST, "/api/compile/async").json(&body(n, &origin));
            async move { Heard::OfAccepting(n, Answer::try_to(request).await) }.boxed()
        });
        let asking = known
            .questions(&people, true)
            .into_iter()
            .map(|(n, request)| async move { Heard::OfResults(n, Answer::try_to(request).await) }.boxed());
        let requests: Vec<_> = accepting.chain(asking).collect();
        let mut sending = stream::iter(requests).buffer_unordered(UNDER_WAY);
        let mut lives = true;
        let death = tokio::time::sleep(Duration::from_millis(100 + dice.below(LIFE_MS)));
        tokio::pin!(death);
        loop {
            let heard = tokio::select! {
                () = &mut death, if lives && crash < CRASHES => {
                    runtime.kill();
                    lives = false;
                    continue;
                }
                Some(heard) = sending.next() => heard,
                else => break,
            };
            match heard {
                Heard::OfAccepting(n, Some(answer)) if answer.status == 202 => {
                    known.ids.insert(n, answer.json()["requestId"].as_str().unwrap().to_owned());
                }
                Heard::OfResults(n, Some(answer)) if answer.status == 200 => known.note(n, answer.json()),
                // Whether it was accepted is not known, so it is sent once more.
                Heard::OfAccepting(n, _) if !lives => waiting.push(n),
                Heard::OfResults(..) if !lives => {}
                Heard::OfAccepting(_, answer) | Heard::OfResults(_, answer) => {
                    panic!("without a crash: {answer:?}");
                }
            }
        }
        drop(sending);
        println!(
            "life {crash}: {} of {JOBS} jobs accepted, {} have ended, after {:?}",
            known.ids.len(),
            known.ends.len(),
            started_at.elapsed()
        );
        if crash < CRASHES {
            runtime.restart();
            people.iter_mut().for_each(|person| person.move_to(&runtime.url));
        }
    }
    assert!(waiting.is_empty() && known.ids.len() == JOBS, "{waiting:?} were not accepted");

    while known.ends.len() < JOBS {
        known.ask(&people, false).await;
        println!("{} of {JOBS} jobs have ended after {:?}", known.ends.len(), started_at.elapsed());
        let open: Vec<usize> = (0..JOBS).filter(|n| !known.ends.contains_key(n)).collect();
        assert!(started_at.elapsed() < PATIENCE, "they don't end: {open:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    runtime.crash_and_restart();
    people.iter_mut().for_each(|person| person.move_to(&runtime.url));
    known.ask(&people, true).await;

    assert_like_plain_requests(&runtime, &origin, &known.ends).await;
    println!("all is well after {:?}", started_at.elapsed());
    assert!(started_at.elapsed() < PATIENCE, "too slow: {:?}", started_at.elapsed());
}

/// Asserts that each job ended with what a plain request for the same gets now.
async fn assert_like_plain_requests(runtime: &Runtime, origin: &Origin, ends: &BTreeMap<usize, Value>) {
    let client = &Client::new(&runtime.url);
    let plain = (0..JOBS).filter(|n| like(*n) == *n).map(|n| {
        let body = body(n, origin);
        async move { (n, client.compile(&body).await) }
    });
    let plain: BTreeMap<usize, Answer> = stream::iter(plain).buffer_unordered(UNDER_WAY).collect().await;
    let mut n_given_up = 0;
    for (n, results) in ends {
        let plain = &plain[&like(*n)];
        let Some(line) = expected(*n) else {
            assert_eq!((&results["status"], plain.status), (&json!("failed"), 500), "{results} {plain:?}");
            continue;
        };
        assert_eq!(plain.status, 200, "{plain:?}");
        let plain = plain.json();
        assert_eq!(timeless(&plain).last(), Some(&line.as_str()), "{plain}");
        if results["status"] == "failed" {
            n_given_up += 1;
            continue;
        }
        assert_eq!(timeless(results), timeless(&plain), "job {n}");
        assert_eq!(results["ruleCount"], plain["ruleCount"], "job {n}");
    }
    // One that is under way in as many crashes as it has attempts is given up.
    println!("{n_given_up} jobs were given up");
    assert!(n_given_up < JOBS / 20, "{n_given_up} jobs were given up");
}
