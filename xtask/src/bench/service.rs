//! How fast the service answers with a list of 10,000 rules: kept, compiled anew, brought along; and how fast its
//! queue does the same.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::compile::TRANSFORMATIONS;
use super::folder;
use super::load::{CONNECTIONS, load};
use super::served::{ROOMY, exchange, port, sign_in, start_server, text};
use crate::http::send_json;
use crate::run::step;

const N_RULES: usize = 10_000;
const MEASURED: Duration = Duration::from_secs(4);
/// More than are compiled in that time.
const N_DISTINCT: usize = 4_000;
const N_JOBS: usize = 200;
/// How long all jobs may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// The validator of the list, which never changes.
const ETAG: &str = "\"rules\"";

/// Measures, prints, and returns the figures.
///
/// # Errors
/// If something can't be started, or an answer is not the right one.
pub fn run() -> Result<Value> {
    step(format!("a list of {N_RULES} rules: kept, anew, brought along, queued"));
    let rules: Arc<str> =
        (0..N_RULES).map(|n| format!("||host-{n}.example.org^\n")).collect::<String>().into();
    let origin = serve(Arc::clone(&rules))?;
    let home = folder().join("service");
    let vars = format!(
        "ENVIRONMENT=development\nSOURCE_ALLOW_PRIVATE=true\nRATE_LIMIT_POLICIES='{ROOMY}'\nMAX_REQUEST_BODY_MB=10\n"
    );
    let (server, ready) = start_server(&home, &vars)?;
    let port = port(&ready)?;
    let session = sign_in(port, &ready["admin"])?;
    let bearer = format!("Bearer {session}");
    let headers = [("Authorization", bearer.as_str())];
    let source = format!("http://127.0.0.1:{origin}/rules.txt");
    let body = |name: &str| {
        let sources = [json!({ "source": source })];
        json!({ "configuration": { "name": name, "sources": sources, "transformations": TRANSFORMATIONS } })
    };
    let compile = |body: &Value| send_json("POST", "/api/compile", &headers, body);

    let kept = compile(&body("kept"));
    ensure!(exchange(port, &kept, 200)?.get("cached").is_none(), "the first answer is a kept one");
    ensure!(exchange(port, &kept, 200)?.get("cached").is_some(), "the second answer is not a kept one");
    let kept = speed(port, &[kept])?;
    let anew: Vec<Vec<u8>> = (0..N_DISTINCT).map(|n| compile(&body(&format!("anew {n}")))).collect();
    let anew = speed(port, &anew)?;
    let mut brought = body("brought along");
    brought["configuration"]["sources"] = json!([{ "source": "rules" }]);
    brought["preFetchedContent"] = json!({ "rules": &*rules });
    let brought = speed(port, &[compile(&brought)])?;
    let jobs = jobs_per_second(port, &headers, &body)?;
    let peak_mib = server.peak_mib_of("workerd");

    println!("\nlists of {N_RULES} rules, {CONNECTIONS} connections, {} s each", MEASURED.as_secs());
    println!("{:<40} {kept:>9.0} requests/s", "kept");
    println!("{:<40} {anew:>9.0} requests/s", "compiled anew, source unchanged");
    println!("{:<40} {brought:>9.0} requests/s", "brought along, compiled anew");
    println!("{:<40} {jobs:>9.0} jobs/s", format!("{N_JOBS} jobs, from the first to the last"));
    let shown = peak_mib.map_or_else(|| "?".to_owned(), |mib| mib.to_string());
    println!("{:<40} {shown:>9} MiB", "most memory of the runtime");
    Ok(json!({
        "rules": N_RULES, "connections": CONNECTIONS, "keptPerSecond": kept, "anewPerSecond": anew,
        "broughtPerSecond": brought, "jobsPerSecond": jobs, "peakMib": peak_mib,
    }))
}

fn speed(port: u16, requests: &[Vec<u8>]) -> Result<f64> {
    let load = load(port, requests, 200, MEASURED)?;
    ensure!(requests.len() == 1 || load.n_answers <= N_DISTINCT as u64, "some were asked for twice");
    Ok(load.n_answers as f64 / load.time.as_secs_f64())
}

fn jobs_per_second(port: u16, headers: &[(&str, &str)], body: &impl Fn(&str) -> Value) -> Result<f64> {
    let started_at = Instant::now();
    let mut ids = Vec::new();
    for n in 0..N_JOBS {
        let request = send_json("POST", "/api/compile/async", headers, &body(&format!("job {n}")));
        ids.push(text(&exchange(port, &request, 202)?, "requestId")?);
    }
    for id in &ids {
        let request = send_json("GET", &format!("/api/queue/results/{id}"), headers, &Value::Null);
        loop {
            let answer = exchange(port, &request, 200)?;
            match answer["status"].as_str() {
                Some("completed") => break,
                Some("pending" | "processing") => {}
                other => anyhow::bail!("job {id} is {other:?}: {answer}"),
            }
            ensure!(started_at.elapsed() < PATIENCE, "the jobs take too long");
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(N_JOBS as f64 / started_at.elapsed().as_secs_f64())
}

/// Serves the list on a free port, until the process ends.
fn serve(rules: Arc<str>) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let rules = Arc::clone(&rules);
            thread::spawn(move || {
                if let Err(error) = answer(&stream, &rules) {
                    eprintln!("the origin of the benchmark: {error:#}");
                }
            });
        }
    });
    Ok(port)
}

fn answer(mut stream: &TcpStream, rules: &str) -> Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let mut is_known = false;
    loop {
        let line = lines.next().context("no request")??;
        is_known |= line.to_ascii_lowercase().starts_with("if-none-match:") && line.contains(ETAG);
        if line.is_empty() {
            break;
        }
    }
    let (status, length, body) =
        if is_known { ("304 Not Modified", 0, "") } else { ("200 OK", rules.len(), rules) };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nETag: {ETAG}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )?;
    Ok(())
}
