//! Builds the console: what the browser gets.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::project::root;
use crate::run::{run, step};
use crate::tools::{install_npm_packages, install_packages_of, node};
use crate::worker::{fingerprint_of, kib, packed_bytes};

/// What the build is made of.
const INPUTS: [&str; 7] = [
    "docs/openapi.json",
    "frontend/angular.json",
    "frontend/package.json",
    "frontend/package-lock.json",
    "frontend/public",
    "frontend/src",
    "frontend/tsconfig.json",
];
/// Written into a finished build; names what it was made of.
const STAMP: &str = "made-of";
/// Script that a first visit loads, in bytes after gzip.
const MAX_FIRST_LOAD_BYTES: usize = 250 * 1024;

/// Builds the console into `frontend/dist/`. Does nothing if nothing changed.
///
/// # Errors
/// If a package is missing, the code does not compile, or the first load is too large.
pub fn build() -> Result<()> {
    install_npm_packages()?;
    let home = root().join("frontend");
    install_packages_of(&home)?;
    let (stamp, made_of) = (home.join("dist").join(STAMP), fingerprint_of(&INPUTS)?);
    if fs::read_to_string(&stamp).is_ok_and(|current| current == made_of) {
        return Ok(());
    }
    step("building the console into frontend/dist/ (a minute)");
    let program = |name: &str| {
        let mut command = Command::new(node());
        command.arg(home.join("node_modules").join(name)).current_dir(&home);
        command.env("NG_CLI_ANALYTICS", "false").env("CI", "1");
        command
    };
    // The API's types come from its own document.
    let mut types = program("openapi-typescript/bin/cli.js");
    run(types.arg(root().join("docs/openapi.json")).args(["--output", "generated/api.d.ts"]))?;
    run(program("@angular/cli/bin/ng.js").arg("build"))?;
    flatten(&home.join("dist/browser"))?;
    print_first_load(&home.join("dist/browser"))?;
    fs::write(stamp, made_of)?;
    Ok(())
}

/// Makes `sign-in.html` of `sign-in/index.html`: the platform would redirect to `sign-in/` otherwise.
fn flatten(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let page = entry.path().join("index.html");
        if page.is_file() {
            fs::rename(&page, entry.path().with_extension("html"))?;
            fs::remove_dir(entry.path()).with_context(|| format!("{} has more", entry.path().display()))?;
        }
    }
    Ok(())
}

/// The script that the shell names.
fn print_first_load(folder: &Path) -> Result<()> {
    let shell = fs::read_to_string(folder.join("index.csr.html")).context("the shell was not built")?;
    let names = shell.split(['"', '\'']).map(|name| name.trim_start_matches('/'));
    let mut scripts: Vec<&str> = names.filter(|name| name.ends_with(".js")).collect();
    scripts.sort_unstable();
    scripts.dedup();
    let mut packed = 0;
    for script in &scripts {
        packed += packed_bytes(&fs::read(folder.join(script))?)?;
    }
    println!("Console: {} scripts at first, gzip {} KiB (limit 250 KiB)", scripts.len(), kib(packed));
    ensure!(!scripts.is_empty() && packed <= MAX_FIRST_LOAD_BYTES, "the first load is too large");
    Ok(())
}
