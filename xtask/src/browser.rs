//! A Chromium for the journeys through the console.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::project::{npm_program, root};
use crate::run::{capture, step, succeeds_within};
use crate::tools::{install_system_packages, node};

/// Names another one.
const VARIABLE: &str = "CHROMIUM";
/// What it is called where it is installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// How long a download may take.
const DOWNLOAD_TIME: Duration = Duration::from_secs(600);

/// Finds a Chromium, or gets one.
///
/// # Errors
/// If none can be had; the message says what to install.
pub fn find() -> Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE) {
        return Ok(named.into());
    }
    if let Some(found) = installed().or_else(of_playwright) {
        return Ok(found);
    }
    step("no Chromium here; installing the system's package (100 MB, once)");
    install_system_packages(&["chromium"]);
    if let Some(found) = installed() {
        return Ok(found);
    }
    step("there is none; fetching Playwright's");
    let mut playwright = Command::new(node());
    playwright.arg(npm_program("playwright-core")).args(["install", "--no-shell", "chromium"]);
    if succeeds_within(&mut playwright, DOWNLOAD_TIME)
        && let Some(found) = of_playwright()
    {
        return Ok(found);
    }
    bail!("no Chromium: install one, or name it with {VARIABLE}=/path/to/chromium")
}

fn installed() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let places = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(works)
}

/// The one that Playwright keeps in its own folder.
fn of_playwright() -> Option<PathBuf> {
    let script = "console.log(require('playwright-core').chromium.executablePath())";
    let found = capture(Command::new(node()).args(["-e", script]).current_dir(root())).ok()?;
    let shell = PathBuf::from(found.trim());
    works(&shell).then_some(shell)
}

/// Some systems have a stand-in that only says where to get it.
fn works(program: &PathBuf) -> bool {
    program.is_file() && succeeds_within(Command::new(program).arg("--version"), Duration::from_secs(30))
}
