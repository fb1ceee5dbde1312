//! `bloqr`: compiles filter lists on the command line, without a Worker.
//!
//! Its flags are those of `hostlist-compiler` 2.1.1, and so is every byte of the lists below the name of the
//! compiler; `compiler` sees to that. This room decides where texts come from and where the list goes.
//!
//! # In scope
//!
//! - arguments and messages (here), progress (`progress`),
//! - texts out of files and from the web, within bounds (`load`, `fetch`),
//! - the list and the report on it, written wholly or not at all (`write`, `report`).
//!
//! # Out of scope
//!
//! - Which addresses may be fetched from. Whoever starts a program on their own machine may read what the
//!   machine can reach; the Worker, which fetches for strangers, judges every address.
//!
//! # Where it knowingly differs from `hostlist-compiler`
//!
//! - Without `-o`, and with `-o -`, the list goes to standard output. All else is said on standard error, and
//!   a run that succeeds says nothing there unless it is a terminal or `-v` is given.
//! - Arguments that are not known, and a configuration together with `-i`, are refused with exit code 2 and not
//!   passed over; any other failure is exit code 1, as there.
//! - Everything that is wrong with a configuration is told at once, and so is every source that can't be had.
//! - A request has a time limit and is repeated when its failure may pass; texts together have a size limit.
//! - `extensions` and `useBrowser` are allowed in a configuration, which the service takes and ignores.

mod fetch;
mod load;
mod progress;
mod report;
mod write;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Parser, Subcommand};
use compiler::{Compilation, Configuration, Stamp};
use serde_json::{Value, json};

use crate::fetch::Client;
use crate::load::load_all;
use crate::progress::Progress;
use crate::write::Target;

/// What the header of a list says about who compiled it.
const COMPILER: &str = concat!("bloqr v", env!("CARGO_PKG_VERSION"));

/// What is done to lists that are given by `-i`; the reference does the same.
const INPUT_TRANSFORMATIONS: [&str; 6] =
    ["RemoveComments", "Deduplicate", "Compress", "Validate", "TrimLines", "InsertFinalNewLine"];

/// Compiles filter lists.
#[derive(Parser)]
#[command(name = "bloqr", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Compile(CompileArguments),
}

/// Compiles the sources of a configuration into one list.
#[derive(Args)]
#[command(group = ArgGroup::new("what").args(["configuration", "config", "input"]).required(true))]
#[command(after_help = "\
Examples:
  bloqr compile config.json -o list.txt
  bloqr compile -i https://example.org/hosts.txt -o list.txt

Paths in a configuration are relative to the working directory.")]
struct CompileArguments {
    /// Path of the configuration, a JSON file
    #[arg(value_name = "CONFIG")]
    configuration: Option<PathBuf>,
    /// The same, in the way of hostlist-compiler
    #[arg(short, long, value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// URL or path of a list to compile without a configuration; may be given several times
    #[arg(short, long, num_args = 1.., value_name = "SOURCE")]
    input: Vec<String>,
    /// What the lists of -i are; checked and then not used, since every line is judged by its own form
    #[arg(short = 't', long, alias = "input_type", default_value = "hosts")]
    #[arg(value_parser = PossibleValuesParser::new(["adblock", "hosts"]))]
    input_type: String,
    /// Where to write the list [default: standard output, as for `-`]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where to write what was done to the lines, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How long a request may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// How often to repeat a request whose failure may pass
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=10))]
    retries: u32,
    /// Say what is done
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    // Ends the program itself, with code 2, when the arguments are wrong.
    let Arguments { command: Command::Compile(arguments) } = Arguments::parse();
    match compile(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compile(arguments: &CompileArguments) -> Result<()> {
    let progress = Progress::new(arguments.verbose);
    let output = Target::of(arguments.output.as_deref());
    let report = arguments.report.as_deref().map(|path| Target::of(Some(path)));
    ensure!(
        report != Some(Target::StandardOutput) || output != Target::StandardOutput,
        "list and report can't both go to standard output; give -o or --report the path of a file"
    );
    // Lists take time to load; it should not be in vain.
    for target in [Some(&output), report.as_ref()].into_iter().flatten() {
        target.check()?;
    }

    let configuration = match arguments.configuration.as_deref().or(arguments.config.as_deref()) {
        Some(path) => {
            progress.tell(format_args!("reading configuration {}", path.display()));
            read_configuration(path)?
        }
        None => configuration_for(&arguments.input, &arguments.input_type)?,
    };
    let name = configuration.name().to_owned();
    let mut compilation = Compilation::new(configuration);
    if report.is_some() {
        compilation = compilation.recording();
    }
    let client = Client::new(Duration::from_secs(arguments.timeout), arguments.retries);
    load_all(&mut compilation, &client, &progress)?;

    progress.compiling();
    let stamp = Stamp { compiler: COMPILER.to_owned(), last_modified_ms: now_ms() };
    let compiled =
        compilation.finish(&stamp).context("the list can't be compiled; mend the configuration")?;
    progress.tell_report(compiled.report());

    output
        .write(write::list_parts(&compiled))
        .with_context(|| format!("can't write the list to {output}"))?;
    if let Some(report) = report {
        let text = report::to_json(&name, COMPILER, &compiled)?;
        report.write([text]).with_context(|| format!("can't write the report to {report}"))?;
    }
    progress.finish(format_args!(
        "{output}: {} lines, {} rules",
        compiled.n_lines(),
        compiled.report().list.n_rules_out
    ));
    Ok(())
}

fn read_configuration(path: &Path) -> Result<Configuration> {
    let shown = path.display();
    let text = fs::read(path).with_context(|| {
        format!("can't read {shown}; give the path of a configuration, or of a list with -i")
    })?;
    let value: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{shown} is no JSON; mend it where the following says"))?;
    check(&value, &format!("{shown} is no configuration that can be compiled"))
}

/// The configuration that `-i` stands for; the reference makes the same.
fn configuration_for(inputs: &[String], input_type: &str) -> Result<Configuration> {
    let sources: Vec<Value> =
        inputs.iter().map(|input| json!({ "source": input, "type": input_type })).collect();
    let value = json!({ "name": "Blocklist", "sources": sources, "transformations": INPUT_TRANSFORMATIONS });
    check(&value, "these inputs can't be compiled")
}

fn check(value: &Value, problem: &str) -> Result<Configuration> {
    match Configuration::from_json(value) {
        Ok(configuration) => Ok(configuration),
        Err(issues) => {
            let places = issues.iter().map(|issue| {
                // The pointer to the whole document is empty text, which nobody would see.
                let path = if issue.path.is_empty() { "the document" } else { &issue.path };
                format!("\n  {path}: {}", issue.message)
            });
            bail!("{problem}; mend the values at these places (JSON pointers):{}", places.collect::<String>())
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "runs on a machine with a clock")]
fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_well_defined() {
        Arguments::command().debug_assert();
    }
}
