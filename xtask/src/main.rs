//! The commands people and CI use. Each sets up what it needs, shows what it does, and does nothing twice.

mod bench;
mod browser;
mod console;
mod demo;
mod deploy;
mod dev;
mod doctor;
mod fuzz;
mod http;
mod migrate;
mod project;
mod run;
mod schemathesis;
mod secrets;
mod test;
mod tools;
mod wasm_toolchain;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, runs, tests and measures bloqr-backend")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sets everything up and serves the Worker on this machine
    Dev(dev::Options),
    /// Sets everything up and runs all tests, or the named suites
    Test {
        /// Suites to run
        names: Vec<String>,
        /// Lists the suites
        #[arg(long)]
        list: bool,
    },
    /// Builds the release Worker into build/ and the console into frontend/dist/, and shows their sizes
    Build,
    /// Measures, side by side, and writes target/bench/NAME.json
    Bench {
        /// Benchmarks to run: limits, auth, compile, growth
        names: Vec<String>,
    },
    /// Looks for texts that make the engine panic, hang or eat memory
    Fuzz(fuzz::Options),
    /// Looks at everything that can go wrong with a deployment
    Doctor(doctor::Options),
    /// Makes strong secrets and sets them at Cloudflare; they are neither shown nor kept
    Secrets {
        /// Which, e.g. BETTER_AUTH_SECRET
        names: Vec<String>,
        /// A command that is given the value, too, by its standard input; for whoever must know it
        #[arg(long = "to", value_name = "COMMAND")]
        receivers: Vec<String>,
    },
    /// Checks, migrates, builds, deploys, and sees whether it answers
    Deploy(deploy::Options),
    /// Applies migrations to local databases, or with --remote to deployed ones
    Migrate {
        /// Databases: d1, postgres
        names: Vec<String>,
        /// The deployed databases; PostgreSQL is found by DATABASE_URL
        #[arg(long)]
        remote: bool,
        /// State folder of the local ones
        #[arg(long, default_value = ".state")]
        state: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Dev(options) => dev::serve(&options),
        Command::Test { list: true, .. } => test::list(),
        Command::Test { names, .. } => test::run(&names),
        Command::Build => console::build().and_then(|()| worker::build_release()).map(drop),
        Command::Bench { names } => bench::run(&names),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Secrets { names, receivers } => secrets::run(&names, &receivers),
        Command::Deploy(options) => deploy::run(&options),
        Command::Migrate { names, remote, state } => migrate::run(&names, remote, &state),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
