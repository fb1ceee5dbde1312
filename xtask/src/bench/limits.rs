//! What limiting costs: a counted request of ours, the whole way from the door to the object and back, beside
//! Workers in JavaScript that do much less.
//!
//! A measurement is one workerd with one Worker and empty storage, and nothing else alive. Before it begins
//! comes what does not count: one pass that makes the objects, or spends the quota that is to be refused
//! beyond, and a second of load that warms up. It is over before the first window is, so the figures hold no
//! alarms: an identity of ours costs one when its window has ended and it is forgotten.

use std::net::Ipv4Addr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::load::{CONNECTIONS, Load, get, load};
use super::workerd::{Server, Worker};
use super::{Ratio, median, print_ratios, write_result};
use crate::http::Connection;
use crate::run::step;
use crate::tools::install_npm_packages;
use crate::worker::build_release;

/// In a round every case is measured once.
const ROUNDS: usize = 5;
/// How long a server is loaded before it is measured.
const WARMING: Duration = Duration::from_secs(1);
/// How long a case is measured in one round.
const MEASURED: Duration = Duration::from_secs(2);
/// The shortest window of any server.
const WINDOW: Duration = Duration::from_secs(60);
/// Identities of the cases with many.
const IDENTITIES: u32 = 1000;
/// Requests of the first pass: one for each identity, and more than the quota of a single one.
const LEAD_IN: usize = 1000;
/// A quota that nobody spends here.
const ROOMY: &str = r#"{"reads":{"quota":1000000000}}"#;
/// Opens the admin API of the measured Worker, which listens on the loopback interface alone.
const KEY: &str = "fake-benchmark-admin-key";
/// Target of the storage writes per admit.
const MAX_WRITES_PER_ADMIT: f64 = 0.15;
/// A small read, counted under the policy `reads`: 600 requests in 60 seconds.
const PATH: &str = "/api/turnstile-config";

/// A server under one kind of load, and what came of it.
#[derive(Serialize)]
struct Case {
    name: &'static str,
    #[serde(skip)]
    worker: Worker,
    identities: u32,
    /// Status of every measured answer.
    status: u16,
    requests_per_second: Vec<f64>,
    /// Processor time of the server, all threads.
    cpu_us_per_request: Vec<f64>,
}

impl Case {
    fn new(name: &'static str, worker: Worker, identities: u32, status: u16) -> Self {
        Self {
            name,
            worker,
            identities,
            status,
            requests_per_second: Vec::new(),
            cpu_us_per_request: Vec::new(),
        }
    }

    fn speed(&self) -> f64 {
        median(&self.requests_per_second)
    }

    fn measure(&mut self) -> Result<()> {
        let server = self.worker.serve()?;
        let started_at = Instant::now();
        // The addresses are set aside for benchmarks: RFC 2544, 198.18.0.0/15.
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0));
        let requests: Vec<_> =
            (first..first + self.identities).map(|address| get(PATH, address.into())).collect();

        self.lead_in(&server, &requests)?;
        load(server.port, &requests, self.status, WARMING)?;
        let cpu_before = server.process.cpu_us();
        let Load { n_answers, time } = load(server.port, &requests, self.status, MEASURED)?;
        let cpu = cpu_before.zip(server.process.cpu_us());
        self.requests_per_second.push(n_answers as f64 / time.as_secs_f64());
        self.cpu_us_per_request.extend(cpu.map(|(from, to)| (to - from) as f64 / n_answers as f64));
        ensure!(started_at.elapsed() < WINDOW, "it took longer than a window: is the machine busy?");
        Ok(())
    }

    /// Where refusals are expected, they begin here; nothing is admitted after the first.
    fn lead_in(&self, server: &Server, requests: &[Vec<u8>]) -> Result<()> {
        let mut connection = Connection::open(server.port)?;
        let mut reached = false;
        for request in requests.iter().cycle().take(LEAD_IN) {
            let answer = connection.exchange(request)?;
            reached |= answer.status == self.status;
            answer.expect(if reached { self.status } else { 200 })?;
        }
        ensure!(reached, "{LEAD_IN} requests were not enough for an answer {}", self.status);
        Ok(())
    }
}

/// Runs the benchmark.
///
/// # Errors
/// If a server can't be built or started, or an answer has an unexpected status.
pub fn run() -> Result<()> {
    install_npm_packages()?;
    let build = build_release()?;
    let ours = || Worker::ours("limits-ours", &build);
    let roomy = || ours().with_var("RATE_LIMIT_POLICIES", ROOMY);
    let hop = || Worker::yardstick("object_hop", Some("Hop"));
    let limiter = || Worker::yardstick("writing_limiter", Some("Limiter"));
    let mut cases = [
        Case::new("admitted, 1,000 identities", roomy(), IDENTITIES, 200),
        Case::new("admitted, one identity", roomy(), 1, 200),
        Case::new("refused, one identity", ours(), 1, 429),
        Case::new("JavaScript object hop, 1,000 identities", hop(), IDENTITIES, 200),
        Case::new("JavaScript object hop, one identity", hop(), 1, 200),
        Case::new("JavaScript limiter, 1,000 identities", limiter(), IDENTITIES, 200),
        Case::new("JavaScript limiter, one identity", limiter(), 1, 200),
        Case::new("JavaScript empty handler", Worker::yardstick("empty", None), 1, 200),
    ];
    for round in 1..=ROUNDS {
        step(format!("round {round} of {ROUNDS}"));
        for case in &mut cases {
            case.measure().with_context(|| case.name)?;
        }
    }

    let writes_per_admit = count_writes(&build)?;
    let [many, one, refused, hop_many, hop_one, limiter_many, limiter_one, empty] = &cases;
    let ratios = [
        Ratio::new("admitted / object hop, 1,000 identities", many.speed() / hop_many.speed(), 0.8),
        Ratio::new("admitted / object hop, one identity", one.speed() / hop_one.speed(), 0.8),
        Ratio::new("admitted / writing limiter, 1,000 identities", many.speed() / limiter_many.speed(), 2.5),
        Ratio::new("admitted / writing limiter, one identity", one.speed() / limiter_one.speed(), 2.5),
        Ratio::new("refused / empty handler", refused.speed() / empty.speed(), 0.6),
    ];
    print(&cases);
    print_ratios(&ratios);
    println!(
        "storage writes per admit at limit 300: {writes_per_admit:.3} (target <= {MAX_WRITES_PER_ADMIT})"
    );
    let medians: Vec<_> =
        cases.iter().map(|case| json!({ "name": case.name, "requests_per_second": case.speed() })).collect();
    let result = json!({
        "seconds": MEASURED.as_secs(), "connections": CONNECTIONS,
        "cases": cases, "medians": medians, "ratios": ratios, "writes_per_admit": writes_per_admit,
    });
    write_result("limits", result)
}

/// Spends a quota of 300 for many identities and one request more, and asks the Worker what it wrote.
fn count_writes(build: &Path) -> Result<f64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cost {
        admits: u64,
        writes: u64,
        denials: u64,
    }

    const LIMIT: usize = 300;
    const BUSY: u32 = 50;
    step("counting storage writes");
    let vars = [("RATE_LIMIT_POLICIES", r#"{"reads":{"quota":300}}"#), ("ADMIN_KEY", KEY)];
    let worker = vars
        .into_iter()
        .fold(Worker::ours("limits-writes", build), |worker, (name, value)| worker.with_var(name, value));
    let server = worker.serve()?;
    let mut connection = Connection::open(server.port)?;
    let first = u32::from(Ipv4Addr::new(198, 18, 0, 0));
    for address in first..first + BUSY {
        let request = get(PATH, address.into());
        for n in 0..=LIMIT {
            connection.exchange(&request)?.expect(if n < LIMIT { 200 } else { 429 })?;
        }
    }
    // Reports leave at most once a second.
    thread::sleep(Duration::from_millis(2_500));
    let ask = format!(
        "GET /admin/limits/cost HTTP/1.1\r\nHost: localhost\r\nCF-Connecting-IP: 192.0.2.1\r\nX-Admin-Key: {KEY}\r\n\r\n"
    );
    let answer = connection.exchange(ask.as_bytes())?;
    answer.expect(200)?;
    let cost: Cost = serde_json::from_slice(&answer.body)?;
    let expected = (u64::from(BUSY) * LIMIT as u64, u64::from(BUSY));
    ensure!(
        (cost.admits, cost.denials) == expected,
        "{} admits and {} denials were counted",
        cost.admits,
        cost.denials
    );
    Ok(cost.writes as f64 / cost.admits as f64)
}

fn print(cases: &[Case]) {
    println!("\n{ROUNDS} rounds of {} s with {CONNECTIONS} connections, medians", MEASURED.as_secs());
    println!("{:<40} {:>11} {:>17} {:>11}", "", "requests/s", "least to most", "CPU us each");
    for case in cases {
        let least = case.requests_per_second.iter().copied().fold(f64::INFINITY, f64::min);
        let most = case.requests_per_second.iter().copied().fold(0.0, f64::max);
        let (spread, cpu) = (format!("{least:.0} to {most:.0}"), median(&case.cpu_us_per_request));
        println!("{:<40} {:>11.0} {spread:>17} {cpu:>11.0}", case.name, case.speed());
    }
}
