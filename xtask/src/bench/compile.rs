//! How fast lists are compiled: the engine as a native program and inside the served Worker, beside
//! `@adguard/hostlist-compiler` in Node.js.
//!
//! All three compile the same list with the same transformations, in turns, and must make the same of it.
//! The two programs are timed inside, from the file to the text of the compiled list. The Worker is timed
//! from outside, because its clock stands still while it runs: the list goes in and out over HTTP, as JSON.
//! Every process lives through all rounds of a list, so the reference runs as warm as it gets.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::process::Process;
use super::service;
use super::workerd::{Server, Worker};
use super::{Ratio, median, print_ratios, write_result};
use crate::http::Connection;
use crate::project::root;
use crate::run::{run as run_command, step};
use crate::tools::{hex, install_npm_packages, node};
use crate::worker::build_release;

/// Rounds that count. In a round everyone compiles once; one more before them warms up.
const ROUNDS: usize = 7;
/// A hosts file, and a browser list of which most lines are dropped.
const LISTS: [&str; 2] = ["hosts-redirect.txt", "easylist.txt"];
/// Where lists are looked for. Not every licence lets a list lie in the repository.
const LIST_FOLDERS: [&str; 2] = ["tests/data/lists", "../shared/lists"];
/// What is done to every list.
pub(super) const TRANSFORMATIONS: [&str; 7] = [
    "RemoveComments",
    "Compress",
    "Validate",
    "Deduplicate",
    "TrimLines",
    "RemoveEmptyLines",
    "InsertFinalNewLine",
];

/// What one compiler made of one list in all rounds.
#[derive(Serialize)]
struct Figures {
    list: &'static str,
    compiler: &'static str,
    n_lines: usize,
    ms: Vec<f64>,
    lines_per_second: f64,
    /// Processor time of a round, all threads, in the mean: what is left of a comparison on a machine that is
    /// busy with other things.
    cpu_ms: Option<f64>,
    /// The most memory its process ever had.
    peak_mib: Option<u64>,
}

impl Figures {
    fn median_ms(&self) -> f64 {
        median(&self.ms)
    }
}

/// One compilation.
#[derive(Deserialize)]
struct Compiled {
    ms: f64,
    /// Of all lines below the header, which names the compiler and the time.
    sha256: String,
}

/// Runs the benchmark.
///
/// # Errors
/// If something can't be built or started, or the three don't make the same of a list.
pub fn run() -> Result<()> {
    install_npm_packages()?;
    let build = build_release()?;
    let native = build_native()?;

    let mut figures = Vec::new();
    let mut ratios = Vec::new();
    for list in LISTS {
        let Some(file) = find_list(list) else {
            step(format!("no {list} in {}: left out", LIST_FOLDERS.join(" or ")));
            continue;
        };
        let [reference, native, worker] = measure(list, &file, &native, &build)?;
        let faster = |ours: &Figures| reference.median_ms() / ours.median_ms();
        ratios.push(Ratio::new(format!("{list}: native / reference"), faster(&native), 20.0));
        ratios.push(Ratio::new(format!("{list}: in workerd / reference"), faster(&worker), 10.0));
        figures.extend([reference, native, worker]);
    }
    ensure!(!figures.is_empty(), "no list to compile: put {} into {}", LISTS.join(" or "), LIST_FOLDERS[0]);
    print(&figures);
    print_ratios(&ratios);
    let service = service::run()?;
    write_result(
        "compile",
        json!({ "transformations": TRANSFORMATIONS, "figures": figures, "ratios": ratios, "service": service }),
    )
}

fn find_list(name: &str) -> Option<PathBuf> {
    LIST_FOLDERS.iter().map(|folder| root().join(folder).join(name)).find(|file| file.is_file())
}

/// The engine as a program of its own.
pub(super) fn build_native() -> Result<PathBuf> {
    step("building the native engine");
    let mut cargo = Command::new("cargo");
    run_command(
        cargo.args(["build", "--quiet", "--release", "--package", "bench-native"]).current_dir(root()),
    )?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release/bench-native"))
}

fn measure(list: &'static str, file: &Path, native: &Path, build: &Path) -> Result<[Figures; 3]> {
    step(format!("{list}: warming up"));
    let text = fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
    let script = root().join("tests/bench/reference.js");
    let mut compilers = [
        ("hostlist-compiler 2.1.1 in Node.js", Compiler::program(Command::new(node()).arg(script), file)?),
        ("ours, native", Compiler::program(&mut Command::new(native), file)?),
        ("ours, in workerd, over HTTP", Compiler::worker(build, list, &text)?),
    ];
    let mut figures = compilers.each_ref().map(|(compiler, _)| Figures {
        list,
        compiler,
        n_lines: text.lines().count(),
        ms: Vec::new(),
        lines_per_second: 0.0,
        cpu_ms: None,
        peak_mib: None,
    });
    let mut cpu_us_before = [None; 3];

    for round in 0..=ROUNDS {
        if round > 0 {
            step(format!("{list}: round {round} of {ROUNDS}"));
        }
        if round == 1 {
            cpu_us_before = compilers.each_ref().map(|(_, compiler)| compiler.process().cpu_us());
        }
        let mut expected: Option<String> = None;
        for ((name, compiler), figures) in compilers.iter_mut().zip(&mut figures) {
            let Compiled { ms, sha256 } = compiler.compile(round).with_context(|| *name)?;
            let expected = expected.get_or_insert_with(|| sha256.clone());
            ensure!(sha256 == *expected, "{name} makes {sha256} of {list}, not {expected} as the reference");
            if round > 0 {
                figures.ms.push(ms);
            }
        }
    }
    for (((_, compiler), figures), before) in compilers.iter().zip(&mut figures).zip(cpu_us_before) {
        let cpu_us = compiler.process().cpu_us().zip(before);
        figures.cpu_ms = cpu_us.map(|(now, before)| (now - before) as f64 / 1000.0 / ROUNDS as f64);
        figures.lines_per_second = figures.n_lines as f64 / figures.median_ms() * 1000.0;
        figures.peak_mib = compiler.process().peak_mib();
    }
    Ok(figures)
}

/// Something that compiles one list, as often as it is asked to.
enum Compiler {
    /// A program that compiles once for every line it reads, and prints what it took.
    Program { process: Process, input: ChildStdin, output: BufReader<ChildStdout> },
    /// The served Worker, and the body of the request.
    Worker { server: Server, body: String },
}

impl Compiler {
    fn program(command: &mut Command, list: &Path) -> Result<Self> {
        // In the list's own folder: the name alone is what ends up in the compiled list.
        command.current_dir(list.parent().context("the list lies in no folder")?);
        command.args(list.file_name()).args(TRANSFORMATIONS);
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let input = process.child().stdin.take().context("its input is not piped")?;
        let output = process.child().stdout.take().context("its output is not piped")?;
        Ok(Self::Program { process, input, output: BufReader::new(output) })
    }

    fn worker(build: &Path, list: &str, text: &str) -> Result<Self> {
        let body = json!({
            "configuration": {
                "name": "bench",
                "sources": [{ "source": list }],
                "transformations": TRANSFORMATIONS,
            },
            "preFetchedContent": { list: text },
        });
        Ok(Self::Worker { server: Worker::ours("compile-ours", build).serve()?, body: body.to_string() })
    }

    fn process(&self) -> &Process {
        match self {
            Self::Program { process, .. } => process,
            Self::Worker { server, .. } => &server.process,
        }
    }

    fn compile(&mut self, round: usize) -> Result<Compiled> {
        match self {
            Self::Program { input, output, .. } => {
                writeln!(input)?;
                let mut line = String::new();
                output.read_line(&mut line)?;
                serde_json::from_str(&line).context("it has not printed a result: see its messages above")
            }
            Self::Worker { server, body } => compile_over_http(server, body, round),
        }
    }
}

/// A request to compile, as the platform would hand it over from a client with this address.
pub(super) fn compile_request(client: Ipv4Addr, body: &str) -> Vec<u8> {
    format!(
        "POST /api/compile HTTP/1.1\r\nHost: localhost\r\nCF-Connecting-IP: {client}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn compile_over_http(server: &Server, body: &str, round: usize) -> Result<Compiled> {
    #[derive(Deserialize)]
    struct Reply {
        rules: Vec<String>,
    }

    // Each time another client: one may compile only a few times a minute.
    let client = Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + u32::try_from(round)?);
    let request = compile_request(client, body);
    let mut connection = Connection::open(server.port)?;
    let started_at = Instant::now();
    let answer = connection.exchange(&request)?;
    let ms = started_at.elapsed().as_secs_f64() * 1000.0;
    answer.expect(200)?;

    let Reply { rules } = serde_json::from_slice(&answer.body).context("the answer is not a list")?;
    // One more line belongs to the header.
    let header = rules.iter().position(|rule| rule.starts_with("! Compiled by ")).map(|n| n + 2);
    let body = header.and_then(|n| rules.get(n..)).context("the list has no header")?;
    Ok(Compiled { ms, sha256: hex(&Sha256::digest(body.join("\n"))) })
}

fn print(figures: &[Figures]) {
    println!("\n{ROUNDS} rounds, medians; all three make the same of each list");
    println!("{:<20} {:<36} {:>8} {:>8} {:>11} {:>9}", "", "", "ms", "CPU ms", "lines/s", "peak MiB");
    for figures in figures {
        let peak = figures.peak_mib.map_or_else(|| "?".to_owned(), |mib| mib.to_string());
        let cpu = figures.cpu_ms.map_or_else(|| "?".to_owned(), |ms| format!("{ms:.1}"));
        println!(
            "{:<20} {:<36} {:>8.1} {cpu:>8} {:>11.0} {peak:>9}",
            figures.list,
            figures.compiler,
            figures.median_ms(),
            figures.lines_per_second
        );
    }
}
