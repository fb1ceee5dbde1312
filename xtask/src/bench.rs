//! Benchmarks: ours beside a yardstick on the same machine and runtime, in turns. Speeds say something about
//! the machine; the ratios are what counts, and a missed target is shown, not hidden and not an error.

mod auth;
mod compile;
mod growth;
mod limits;
mod load;
mod process;
pub mod served;
mod service;
mod workerd;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};

use crate::project::root;
use crate::run::capture;
use crate::tools::node;

/// Runs the named benchmarks, or all.
///
/// # Errors
/// If there is no such benchmark, something can't be built or started, or an answer is not the right one.
pub fn run(names: &[String]) -> Result<()> {
    type Bench = (&'static str, fn() -> Result<()>);
    const BENCHES: [Bench; 4] =
        [("limits", limits::run), ("auth", auth::run), ("compile", compile::run), ("growth", growth::run)];

    if let Some(name) = names.iter().find(|name| BENCHES.iter().all(|(known, _)| known != name)) {
        bail!("there is no benchmark {name}; there are {}", BENCHES.map(|(name, _)| name).join(", "));
    }
    for (name, bench) in BENCHES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            bench().with_context(|| format!("bench {name}"))?;
        }
    }
    Ok(())
}

/// Where configurations, storage and results of the benchmarks lie.
fn folder() -> PathBuf {
    root().join("target/bench")
}

/// The middle value; of an even number the mean of the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (lower, upper) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    sorted.get(lower).zip(sorted.get(upper)).map_or(f64::NAN, |(lower, upper)| (lower + upper) / 2.0)
}

/// How many times better ours is than a yardstick, and how many times it should be.
#[derive(Serialize)]
struct Ratio {
    what: String,
    ratio: f64,
    target: f64,
    met: bool,
}

impl Ratio {
    fn new(what: impl Into<String>, ratio: f64, target: f64) -> Self {
        Self { what: what.into(), ratio, target, met: ratio >= target }
    }
}

fn print_ratios(ratios: &[Ratio]) {
    println!("\n{:<54} {:>8} {:>9}", "ratio of medians", "", "target");
    for Ratio { what, ratio, target, met } in ratios {
        let verdict = if *met { "met" } else { "NOT met" };
        println!("{what:<54} {ratio:>7.2}x {:>9}  {verdict}", format!(">= {target}x"));
    }
}

/// Writes `target/bench/NAME.json`.
fn write_result(name: &str, mut result: Value) -> Result<()> {
    result["machine"] = machine();
    let file = folder().join(name).with_extension("json");
    fs::write(&file, serde_json::to_string_pretty(&result)? + "\n")
        .with_context(|| format!("could not write {}", file.display()))?;
    println!("\nAll rounds are in target/bench/{name}.json");
    Ok(())
}

/// What the speeds depend on.
fn machine() -> Value {
    let version = |command: &mut Command| capture(command).ok().map(|text| text.trim().to_owned());
    let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(": ")?.1.to_owned())
    });
    json!({
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cpu": cpu,
        "cores": std::thread::available_parallelism().ok(),
        "rustc": version(Command::new("rustc").arg("--version")),
        "node": version(Command::new(node()).arg("--version")),
        "workerd": workerd::binary().ok().and_then(|binary| version(Command::new(binary).arg("--version"))),
    })
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
