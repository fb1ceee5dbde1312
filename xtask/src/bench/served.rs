//! The whole service, as the command for development serves it: the runtime with its real databases and queues.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::process::Process;
use crate::http::{Connection, send_json};
use crate::project::root;

/// How long everything may take to start.
const START_TIME: Duration = Duration::from_secs(120);
/// Nobody is refused here.
pub const ROOMY: &str = r#"{"requests":{"quota":1000000000},"reads":{"quota":1000000000}}"#;

/// Starts it in an emptied folder, with these variables. Returns what its ready file says, too.
///
/// # Errors
/// If it does not start.
pub fn start_server(home: &Path, variables: &str) -> Result<(Process, Value)> {
    if home.exists() {
        fs::remove_dir_all(home)?;
    }
    fs::create_dir_all(home)?;
    let (vars, ready) = (home.join("vars"), home.join("ready.json"));
    fs::write(&vars, variables)?;
    let mut command = Command::new(env::current_exe()?);
    command.args(["dev", "--port", "0", "--fresh", "--stop-with-parent", "--state"]).arg(home.join("state"));
    command.arg("--vars").arg(&vars).arg("--ready-file").arg(&ready);
    let log = fs::File::create(home.join("log"))?;
    command.current_dir(root()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut process = Process::start(&mut command)?;
    let started_at = Instant::now();
    loop {
        if let Ok(text) = fs::read_to_string(&ready) {
            return Ok((process, serde_json::from_str(&text)?));
        }
        let ended = process.child().try_wait()?;
        ensure!(
            ended.is_none() && started_at.elapsed() < START_TIME,
            "the service did not start; see {}",
            home.join("log").display()
        );
        thread::sleep(Duration::from_millis(100));
    }
}

/// Where it listens.
///
/// # Errors
/// If the ready file is none.
pub fn port(ready: &Value) -> Result<u16> {
    let url = ready["url"].as_str().context("the ready file has no url")?;
    Ok(url.rsplit(':').next().context("no port")?.parse()?)
}

/// Signs somebody in, and returns the token of the session.
///
/// # Errors
/// If they may not.
pub fn sign_in(port: u16, who: &Value) -> Result<String> {
    let body = json!({ "email": who["email"], "password": who["password"] });
    let answer = exchange(port, &send_json("POST", "/api/auth/sign-in/email", &[], &body), 200)?;
    text(&answer, "token")
}

/// Sends a request and reads the JSON of the answer.
///
/// # Errors
/// If it has another status.
pub fn exchange(port: u16, request: &[u8], status: u16) -> Result<Value> {
    let answer = Connection::open(port)?.exchange(request)?;
    answer.expect(status)?;
    Ok(serde_json::from_slice(&answer.body)?)
}

/// A member that is a text.
///
/// # Errors
/// If there is none.
pub fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value.get(name).and_then(Value::as_str).with_context(|| format!("no {name}"))?.to_owned())
}
