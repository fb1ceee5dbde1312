//! All tests, in suites.

use std::env;
use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::browser::find as find_chromium;
use crate::console;
use crate::project::root;
use crate::run::{capture, run as run_command, step};
use crate::schemathesis;
use crate::tools::{install_npm_packages, npm_command, wasm_bindgen};
use crate::wasm_toolchain::WasmToolchain;
use crate::worker;

struct Suite {
    name: &'static str,
    proves: &'static str,
    run: fn() -> Result<()>,
}

/// From the quickest to the slowest.
const SUITES: [Suite; 7] = [
    Suite { name: "lint", proves: "format, clippy and documentation, no warnings", run: lint },
    Suite { name: "native", proves: "rules, errors and properties of every room, in the open", run: native },
    Suite { name: "reference", proves: "the same answers as the npm packages we follow", run: reference },
    Suite { name: "wasm", proves: "what exists in WebAssembly alone", run: wasm },
    Suite { name: "bundle", proves: "the release Worker builds and would deploy", run: bundle },
    Suite { name: "browser", proves: "journeys through the console in a real Chromium", run: browser },
    Suite { name: "runtime", proves: "journeys through the built Worker on the real runtime", run: runtime },
];

/// Those that run only when they are named: they take long, or more than a newcomer has.
const ON_DEMAND: [Suite; 1] = [Suite {
    name: "api",
    proves: "a property-based client finds nothing that docs/openapi.json does not say (on demand, needs Python)",
    run: schemathesis::check,
}];

/// Prints the suites.
///
/// # Errors
/// Never.
pub fn list() -> Result<()> {
    for suite in SUITES.iter().chain(&ON_DEMAND) {
        println!("{:<9} {}", suite.name, suite.proves);
    }
    Ok(())
}

/// Runs the named suites, or all. A suite that fails does not keep the others from running.
///
/// # Errors
/// If a name is unknown or a suite failed.
pub fn run(names: &[String]) -> Result<()> {
    let all = || SUITES.iter().chain(&ON_DEMAND);
    if let Some(unknown) = names.iter().find(|name| all().all(|suite| suite.name != name.as_str())) {
        bail!("no suite {unknown}; `cargo xtask test --list` names them");
    }
    let is_named = |suite: &&Suite| names.iter().any(|name| name == suite.name);
    let chosen: Vec<&Suite> =
        if names.is_empty() { SUITES.iter().collect() } else { all().filter(is_named).collect() };
    let mut report = Vec::new();
    let (mut n_passed, mut n_failed) = (0, 0);
    for suite in chosen {
        step(format!("suite {}: {}", suite.name, suite.proves));
        let started_at = Instant::now();
        let outcome = (suite.run)();
        let (word, why) = match &outcome {
            Ok(()) => ("passed", String::new()),
            Err(error) => ("FAILED", format!(": {error:#}")),
        };
        if outcome.is_ok() {
            n_passed += 1
        } else {
            n_failed += 1
        }
        report.push(format!("{:<9} {word} in {} s{why}", suite.name, started_at.elapsed().as_secs()));
    }
    println!("\n{}\nsuites: {n_passed} passed, {n_failed} failed", report.join("\n"));
    if n_failed > 0 {
        bail!("{n_failed} of {} suites failed", n_passed + n_failed);
    }
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root());
    command
}

fn lint() -> Result<()> {
    for component in ["fmt", "clippy"] {
        if capture(&mut cargo(&[component, "--version"])).is_err() {
            bail!("cargo {component} is missing: run `rustup component add rustfmt clippy`");
        }
    }
    run_command(&mut cargo(&["fmt", "--all", "--check"]))?;
    for features in [[].as_slice(), &["--features", "faults"]] {
        let mut clippy = cargo(&["clippy", "--workspace", "--all-targets", "--quiet"]);
        run_command(clippy.args(features).args(["--", "--deny", "warnings"]))?;
    }
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    run_command(doc.env("RUSTDOCFLAGS", "--deny warnings"))
}

fn native() -> Result<()> {
    run_command(&mut cargo(&["test", "--workspace", "--exclude", "journeys", "--exclude", "reference-tests"]))
}

fn reference() -> Result<()> {
    install_npm_packages()?;
    run_command(&mut cargo(&["test", "--package", "reference-tests"]))
}

fn wasm() -> Result<()> {
    install_npm_packages()?;
    let toolchain = WasmToolchain::find()?;
    let bindgen = wasm_bindgen()?;
    let mut command =
        cargo(&["test", "--package", "bloqr-backend", "--lib", "--target", "wasm32-unknown-unknown"]);
    command
        // The standard library is built the way the Worker's is, with the test harness besides.
        .args(["-Z", "build-std=std,panic_unwind,test"]);
    toolchain.apply(&mut command, &[])?;
    command
        .env("RUSTFLAGS", "-Cpanic=unwind")
        .env("WASM_BINDGEN_USE_JS_SYS", "1")
        .env("NODE_OPTIONS", format!("--require={}", root().join("tests/wasm/platform.cjs").display()))
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", bindgen.join("wasm-bindgen-test-runner"));
    run_command(&mut command)
}

fn bundle() -> Result<()> {
    console::build()?;
    worker::build_release()?;
    let mut wrangler = npm_command("wrangler");
    // wrangler runs `cargo xtask build` itself, which finds nothing to do.
    run_command(wrangler.args(["deploy", "--dry-run", "--outdir", "target/dry-run"]).current_dir(root()))
}

fn runtime() -> Result<()> {
    console::build()?;
    worker::build_release()?;
    travel(&mut cargo(&["test", "--package", "journeys", "--test", "journeys"]))
}

fn browser() -> Result<()> {
    console::build()?;
    let chromium = find_chromium()?;
    travel(cargo(&["test", "--package", "journeys", "--test", "browser"]).env("BLOQR_CHROMIUM", chromium))
}

fn travel(journeys: &mut Command) -> Result<()> {
    worker::build_with_faults()?;
    let leftovers = root().join("target/journeys");
    if leftovers.exists() {
        fs::remove_dir_all(leftovers)?;
    }
    let tested = run_command(journeys.env("BLOQR_XTASK", env::current_exe()?));
    tested.and(find_secrets_in_logs())
}

/// Looks for everything secret that the journeys used in everything that their servers logged.
fn find_secrets_in_logs() -> Result<()> {
    let folder = root().join("target/journeys/log-check");
    let secrets = fs::read_to_string(folder.join("secrets")).context("the journeys noted no secrets")?;
    let mut secrets: Vec<&str> = secrets.lines().collect();
    let own = fs::read_to_string(root().join(".dev.vars.example"))?;
    let own = own.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    secrets.extend(
        own.filter(|(name, _)| name.contains("SECRET") || name.ends_with("KEY")).map(|(_, value)| value),
    );
    let (mut n_bytes, mut n_found) = (0, 0);
    // Servers that a whole run shared were not stopped by it: their logs lie where they wrote them.
    let shared =
        fs::read_dir(root().join("target/journeys"))?.flatten().map(|entry| entry.path().join("log"));
    let kept = fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
    for file in shared.chain(kept).filter(|file| file.file_name().is_none_or(|name| name != "secrets")) {
        if !file.is_file() {
            continue;
        }
        let log = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
        n_bytes += log.len();
        for secret in secrets.iter().filter(|secret| log.contains(**secret)) {
            n_found += 1;
            // Enough to find the place.
            let start: String = secret.chars().take(6).collect();
            eprintln!("{} has a secret that begins with {start}", file.display());
        }
    }
    step(format!("{} secrets looked for in {} KiB of logs", secrets.len(), n_bytes / 1024));
    ensure!(secrets.len() > 20 && n_bytes > 0, "there was nothing to look at");
    ensure!(n_found == 0, "{n_found} secrets were logged");
    Ok(())
}
