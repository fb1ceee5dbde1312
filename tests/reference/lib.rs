//! Runs the packages that this project is measured by, to compare answers.
//!
//! Each has a small script beside this file that Node.js runs. It reads requests from its standard input and
//! writes answers to its standard output, in order, each one line of JSON.

pub mod generate;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// An answer that takes longer will not come: some input makes the packages run for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program of the npm packages, such as `hostlist-compiler`.
///
/// # Panics
/// If the npm packages are missing.
pub fn npm_command(program: &str) -> Command {
    let mut command = node();
    command.arg(packages().join(".bin").join(program));
    command
}

fn node() -> Command {
    let pinned = packages().join(".bin/node");
    Command::new(if pinned.exists() { pinned } else { "node".into() })
}

fn packages() -> PathBuf {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules");
    assert!(packages.exists(), "npm packages are missing: `cargo xtask test reference` installs them");
    packages
}

/// A script that runs until this is dropped.
#[derive(Debug)]
pub struct Script {
    name: String,
    process: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
}

impl Script {
    /// Starts a script of this folder, such as `compile.mjs`, with `folder` as its working directory.
    ///
    /// # Panics
    /// If the npm packages are missing or Node.js does not start.
    pub fn start(name: &str, folder: &Path) -> Script {
        let mut command = node();
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("Node.js does not start: {error}"));
        let (Some(requests), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            panic!("{name} has no pipes")
        };
        let (send, answers) = channel();
        // Reads all the time, so that the script never waits for somebody to take its answers.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Script { name: name.to_owned(), process, requests, answers }
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Panics
    /// If the script ended, answered no JSON, or took more than a minute.
    pub fn ask(&mut self, request: &Value) -> Value {
        self.send(request);
        self.receive().unwrap_or_else(|why| panic!("{}: {why} to {request}", self.name))
    }

    /// Sends a request; the answer is to be [received](Script::receive) later.
    ///
    /// # Panics
    /// If the script ended.
    pub fn send(&mut self, request: &Value) {
        let sent = writeln!(self.requests, "{request}").and_then(|()| self.requests.flush());
        sent.unwrap_or_else(|error| panic!("{} ended before {request}: {error}", self.name));
    }

    /// The answer to the oldest request that has none yet.
    ///
    /// # Errors
    /// In words, if the script ended, answered no JSON, or took more than a minute.
    pub fn receive(&mut self) -> Result<Value, String> {
        let line = self.answers.recv_timeout(PATIENCE).map_err(|error| format!("no answer ({error})"))?;
        serde_json::from_str(&line).map_err(|error| format!("no JSON ({error}) but {line}"))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may be busy for ever, so that closing its input is not enough. That it ended already is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
