//! A property-based client reads the service's own document and sends what it finds there, good and bad, as everybody
//! who may: it looks for failures of the service, and for answers that the document does not know.
//! <https://schemathesis.readthedocs.io>

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::bench::served::{ROOMY, port, sign_in, start_server};
use crate::console;
use crate::project::{cache, root};
use crate::run::{capture, run, step};
use crate::tools::install_system_packages;
use crate::worker;

const VERSION: &str = "4.32.5";
/// Texts made for each operation and caller.
const EXAMPLES: &str = "50";
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/// These end the very session that asks, so they come last and alone.
const ENDINGS: &str = "/api/auth/(delete-user|sign-out|revoke-.*|change-password|reset-password)$";

/// Asks as a stranger, a user, a key and an admin.
///
/// # Errors
/// If Python is missing, or something is found; what was sent is in `target/api/`.
pub fn check() -> Result<()> {
    let program = install()?;
    console::build()?;
    worker::build_release()?;
    let folder = root().join("target/api");
    fs::create_dir_all(&folder)?;
    let mut n_failed = 0;
    for caller in ["stranger", "user", "key", "admin"] {
        // Each finds the service as it was, whatever the one before has done to it.
        let hooks = accept_everything()?;
        let variables = format!("RATE_LIMIT_POLICIES='{ROOMY}'\nWEBHOOK_URL='{hooks}'\n");
        let (_server, ready) = start_server(&folder.join("service"), &variables)?;
        let port = port(&ready)?;
        let bearer = match caller {
            "user" => Some(sign_in(port, &ready["demo"])?),
            "admin" => Some(sign_in(port, &ready["admin"])?),
            "key" => Some(ready["demo"]["api_key"].as_str().context("there is no key")?.to_owned()),
            _ => None,
        };
        for (part, filter) in [("", "--exclude-path-regex"), (" that end sessions", "--include-path-regex")] {
            step(format!("as {caller}: operations{part}"));
            let mut client = Command::new(&program);
            client.arg("run").arg(format!("http://localhost:{port}/api/openapi.json")).current_dir(&folder);
            client.args(["--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", EXAMPLES]);
            // One worker: several break the parser of Python 3.11 now and then.
            client.args(["--workers", "1", "--seed", "1", "--continue-on-failure", filter, ENDINGS]);
            client.args(["--header", &format!("Origin:http://localhost:{port}")]);
            if let Some(bearer) = &bearer {
                client.args(["--header", &format!("Authorization:Bearer {bearer}")]);
            }
            n_failed += usize::from(run(&mut client).is_err());
        }
    }
    ensure!(n_failed == 0, "{n_failed} of 8 runs found something");
    Ok(())
}

/// The client, in a folder of its own in the user's cache.
fn install() -> Result<PathBuf> {
    let home = cache()?.join(format!("schemathesis-{VERSION}"));
    let program = home.join("bin/st");
    if program.is_file() {
        return Ok(program);
    }
    step(format!("installing schemathesis {VERSION} (100 MB, once)"));
    // Its programs name the folder, so it is made in its place; what is not whole lacks the program.
    let is_made = || capture(Command::new("python3").args(["-m", "venv"]).arg(&home)).is_ok();
    if !is_made() {
        install_system_packages(&["python3", "python3-venv"]);
        ensure!(is_made(), "this suite needs Python 3.10 or later and its module venv");
    }
    let mut pip = Command::new(home.join("bin/pip"));
    if let Err(error) = run(pip.args(["install", "--quiet", &format!("schemathesis=={VERSION}")])) {
        fs::remove_dir_all(&home)?;
        return Err(error);
    }
    Ok(program)
}

/// A receiver of webhooks that takes whatever comes, as long as this program runs.
fn accept_everything() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/hooks", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            thread::spawn(move || {
                let mut bytes = [0; 64 * 1024];
                // Whoever leaves before the answer needs none.
                if stream.read(&mut bytes).is_ok_and(|n| n > 0) {
                    drop(stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"));
                }
            });
        }
    });
    Ok(url)
}
