//! What it costs to know the caller: the same counted request without credentials, with a session, with an API key
//! and with a token of Clerk's, on one server with its real databases.
//!
//! The request is one for a compile with nothing in it: admitted and counted, then refused for its shape, so that
//! almost all of its time is the way through admission.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;

use super::load::{CONNECTIONS, load};
use super::process::Process;
use super::served::{ROOMY, exchange, port, sign_in, start_server, text};
use super::{Ratio, folder, median, print_ratios, write_result};
use crate::http::send_json;
use crate::project::root;
use crate::run::step;
use crate::tools::{install_npm_packages, node};
use crate::worker::build_release;

/// In a round every case is measured once.
const ROUNDS: usize = 5;
const WARMING: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(2);
/// The most that a key can be given: more than is measured in a minute.
const KEY_LIMIT: u32 = 100_000;
/// A caller who is known should cost little more than one who is not.
const TARGET: f64 = 0.8;

#[derive(Serialize)]
struct Case {
    name: &'static str,
    #[serde(skip)]
    request: Vec<u8>,
    requests_per_second: Vec<f64>,
}

impl Case {
    fn new(name: &'static str, token: Option<&str>) -> Self {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> =
            authorization.iter().map(|value| ("Authorization", value.as_str())).collect();
        let request = send_json("POST", "/api/compile", &headers, &json!({}));
        Self { name, request, requests_per_second: Vec::new() }
    }

    fn measure(&mut self, port: u16) -> Result<()> {
        let requests = [self.request.clone()];
        load(port, &requests, 400, WARMING)?;
        let load = load(port, &requests, 400, MEASURED)?;
        self.requests_per_second.push(load.n_answers as f64 / load.time.as_secs_f64());
        Ok(())
    }

    fn speed(&self) -> f64 {
        median(&self.requests_per_second)
    }
}

/// Runs the benchmark.
///
/// # Errors
/// If something can't be built or started, or an answer has an unexpected status.
pub fn run() -> Result<()> {
    install_npm_packages()?;
    build_release()?;
    let home = folder().join("auth");
    let (_issuer, issuer_port) = start_issuer()?;
    let keys = format!("http://127.0.0.1:{issuer_port}/.well-known/jwks.json");
    let vars = format!("ENVIRONMENT=production\nRATE_LIMIT_POLICIES='{ROOMY}'\nCLERK_JWKS_URL={keys}\n");
    let (_server, ready) = start_server(&home, &vars)?;
    let port = port(&ready)?;

    let session = sign_in(port, &ready["demo"])?;
    let key = make_key(port, &session)?;
    let clerk = mint(issuer_port)?;
    let mut cases = [
        Case::new("anonymous", None),
        Case::new("session", Some(&session)),
        Case::new("API key", Some(&key)),
        Case::new("token of Clerk", Some(&clerk)),
    ];
    for round in 1..=ROUNDS {
        step(format!("round {round} of {ROUNDS}"));
        for case in &mut cases {
            case.measure(port).with_context(|| case.name)?;
        }
    }

    println!("\n{ROUNDS} rounds of {} s with {CONNECTIONS} connections, medians", MEASURED.as_secs());
    for case in &cases {
        println!("{:<40} {:>11.0} requests/s", case.name, case.speed());
    }
    let [anonymous, known @ ..] = &cases;
    let ratio = |case: &Case| {
        Ratio::new(format!("{} / anonymous", case.name), case.speed() / anonymous.speed(), TARGET)
    };
    let ratios: Vec<Ratio> = known.iter().map(ratio).collect();
    print_ratios(&ratios);
    let result = json!({
        "seconds": MEASURED.as_secs(), "connections": CONNECTIONS, "cases": cases, "ratios": ratios,
    });
    write_result("auth", result)
}

/// Whoever signs the tokens of Clerk here.
fn start_issuer() -> Result<(Process, u16)> {
    let mut command = Command::new(node());
    command.arg("tests/clients/jwks.mjs").current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = Process::start(&mut command)?;
    let output = process.child().stdout.take().context("its output is not piped")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let port = line.trim().strip_prefix("listening on ").context("the issuer does not listen")?.parse()?;
    Ok((process, port))
}

fn make_key(port: u16, session: &str) -> Result<String> {
    let bearer = format!("Bearer {session}");
    let body = json!({ "name": "Benchmark", "rateLimitPerMinute": KEY_LIMIT });
    let request = send_json("POST", "/api/keys", &[("Authorization", &bearer)], &body);
    text(&exchange(port, &request, 201)?, "key")
}

fn mint(issuer_port: u16) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let issuer = format!("http://127.0.0.1:{issuer_port}");
    let claims = json!({ "iss": issuer, "sub": "user_benchmark", "iat": now, "exp": now + 3600 });
    let request = send_json("POST", "/mint", &[], &json!({ "claims": claims }));
    text(&exchange(issuer_port, &request, 200)?, "token")
}
