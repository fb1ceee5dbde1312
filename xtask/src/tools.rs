//! Tools that the commands run: found or installed once, in the user's cache, by version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::project::{cache, npm_program, root};
use crate::run::{capture, run, step, succeeds_within};

/// How long packages of the system may take.
const PACKAGES_TIME: Duration = Duration::from_secs(600);
/// Turns the compiled module into what the platform loads.
const WORKER_BUILD: &str = "0.8.7";

/// Installs the npm packages that the commands run.
///
/// # Errors
/// If npm is missing, older than 7, or fails.
pub fn install_npm_packages() -> Result<()> {
    install_packages_of(&root())?;
    check_node()
}

/// Installs the npm packages of the lock file in `folder` and links them as `node_modules` there.
///
/// # Errors
/// If npm is missing, older than 7, or fails.
pub fn install_packages_of(folder: &Path) -> Result<()> {
    let lock = fs::read(folder.join("package-lock.json"))
        .with_context(|| format!("{} has no package-lock.json", folder.display()))?;
    let home = cache()?.join(format!("npm-{}", &hex(&Sha256::digest(&lock))[..16]));
    if !home.join("node_modules").is_dir() {
        let version = capture(Command::new("npm").arg("--version")).context(
            "npm is missing: install Node.js with npm (any version from 18 on; the right Node is fetched)",
        )?;
        step(format!("installing npm packages with npm {} (about 500 MB, once per version)", version.trim()));
        // Unpacked beside its place and then moved, so that an interrupted installation is not used.
        let unfinished = home.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(folder.join(file), unfinished.join(file))?;
        }
        // No package here needs an install script: binaries come as packages of their own.
        // Not `npm ci`: it refuses a lock file that lacks a platform some registry did not have.
        let arguments = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run(Command::new("npm").args(arguments).current_dir(&unfinished))?;
        if home.exists() {
            fs::remove_dir_all(&home)?;
        }
        fs::rename(&unfinished, &home)?;
    }
    link(&home.join("node_modules"), &folder.join("node_modules"))
}

/// Installs packages of Debian or Ubuntu, as root or with a sudo that asks nothing. Whether it worked shows afterwards.
pub fn install_system_packages(packages: &[&str]) {
    let script = format!(
        "set -e; [ \"$(id -u)\" = 0 ] && s= || s='sudo -n'; $s apt-get update -qq; \
         $s env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {}",
        packages.join(" ")
    );
    if !succeeds_within(Command::new("sh").args(["-c", &script]), PACKAGES_TIME) {
        step("that failed, too");
    }
}

fn check_node() -> Result<()> {
    let node = node();
    let version = capture(Command::new(&node).arg("--version")).context("Node.js is missing")?;
    let mut numbers = version.trim().trim_start_matches('v').split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (22, 12) => Ok(()),
        _ => bail!("{} is {}; Node.js 22.12 or later is needed", node.display(), version.trim()),
    }
}

/// Node.js: the pinned one where npm has it for this machine, else the system's.
pub fn node() -> PathBuf {
    let pinned = npm_program("node");
    if pinned.exists() { pinned } else { "node".into() }
}

/// A command that runs a program of npm under the right Node.
pub fn npm_command(program: &str) -> Command {
    let mut command = Command::new(node());
    command.arg(npm_program(program)).env("WRANGLER_SEND_METRICS", "false").env("CI", "1");
    command.env("PATH", path_with(&[root().join("node_modules/.bin")]));
    command
}

/// `PATH` with more folders in front.
pub fn path_with(front: &[PathBuf]) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = front.iter().cloned().chain(std::env::split_paths(&path));
    std::env::join_paths(all).unwrap_or(path)
}

#[cfg(unix)]
fn link(target: &Path, place: &Path) -> Result<()> {
    if fs::read_link(place).is_ok_and(|current| current == target) {
        return Ok(());
    }
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_symlink() => fs::remove_file(place)?,
        Ok(_) => bail!("{} is in the way: remove it, it will be a link into the cache", place.display()),
        Err(_) => {}
    }
    std::os::unix::fs::symlink(target, place).with_context(|| format!("could not link {}", place.display()))
}

#[cfg(not(unix))]
fn link(_target: &Path, _place: &Path) -> Result<()> {
    bail!("only Linux and macOS are supported")
}

/// The folder with `worker-build`.
pub fn worker_build() -> Result<PathBuf> {
    cargo_tool("worker-build", WORKER_BUILD)
}

/// The folder with `wasm-bindgen` and its test runner, of the very version the library has.
pub fn wasm_bindgen() -> Result<PathBuf> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("Cargo.lock is missing")?;
    let mut lines = lock.lines().skip_while(|line| *line != "name = \"wasm-bindgen\"");
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    cargo_tool("wasm-bindgen-cli", version.context("Cargo.lock has no wasm-bindgen")?)
}

fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let home = cache()?.join(format!("{name}-{version}"));
    // Cargo writes this file last.
    if !home.join(".crates2.json").is_file() {
        step(format!("installing {name} {version} (a few minutes, once per version)"));
        // Not this project's folder: its settings must not touch the tool.
        fs::create_dir_all(&home)?;
        let mut cargo = Command::new("cargo");
        // Not `--locked`: the lock files these tools come with name versions that have been withdrawn.
        cargo.args(["install", name, "--version", version, "--root"]).arg(&home).current_dir(&home);
        run(cargo.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS"))?;
        ensure!(home.join(".crates2.json").is_file(), "cargo install left nothing in {}", home.display());
    }
    Ok(home.join("bin"))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
