//! Looks for texts that make the engine panic, hang or eat memory.

use anyhow::Result;
use std::process::Command;

use crate::project::root;
use crate::run::run as run_command;

#[derive(clap::Args)]
pub struct Options {
    /// How long
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Another seed tries other texts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What to try: rule, conversion, preprocessor, patterns, configuration, compile
    targets: Vec<String>,
}

/// Runs the fuzzer. What it finds lies in `target/fuzz/found`.
///
/// # Errors
/// If it doesn't build, or finds something.
pub fn run(options: &Options) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--profile", "fuzz", "--package", "fuzz", "--"]);
    command.args([options.minutes.to_string(), options.seed.to_string()]).args(&options.targets);
    run_command(command.current_dir(root()))
}
