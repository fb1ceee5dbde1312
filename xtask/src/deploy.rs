//! `cargo xtask deploy`: everything from the checklist to the first answer, in the order in which it may fail.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::console;
use crate::doctor;
use crate::migrate;
use crate::project::root;
use crate::run::{run as run_command, step};
use crate::tools::{node, npm_command};
use crate::worker;

/// Asks for what every deployment answers: nothing is deployed that does not.
const SMOKE: &str = "
const [origin] = process.argv.slice(1);
for (const [path, type] of [['/api/version', 'json'], ['/api/health', 'json'], ['/', 'html'], ['/api/nothing', 'json']]) {
  const response = await fetch(origin + path, { signal: AbortSignal.timeout(20_000) });
  const expected = path === '/api/nothing' ? 404 : 200;
  if (response.status !== expected || !response.headers.get('Content-Type')?.includes(type)) {
    throw new Error(`${path} answers ${response.status} ${response.headers.get('Content-Type')}`);
  }
  console.log(`${path} answers ${response.status}`);
}
";

/// How to deploy.
#[derive(Args, Debug, Clone)]
pub struct Options {
    /// Does everything but talk to Cloudflare and the databases
    #[arg(long)]
    dry_run: bool,
    /// A file of variables that the checklist looks at, instead of the secrets that are set at Cloudflare
    #[arg(long)]
    vars: Option<PathBuf>,
}

/// Deploys.
///
/// # Errors
/// At the first step that fails; what comes after it is not done.
pub fn run(options: &Options) -> Result<()> {
    step("the checklist");
    let checked =
        doctor::run(&doctor::Options { vars: options.vars.clone().or_else(|| local_variables(options)) });
    if options.dry_run {
        if let Err(error) = checked {
            step(format!("{error}; a deployment would end here"));
        }
    } else {
        checked?;
        step("migrating the databases");
        migrate::run(&[], true, &root().join(".state"))?;
    }
    console::build()?;
    worker::build_release()?;
    step(if options.dry_run { "packing what would be deployed" } else { "deploying" });
    let mut wrangler = npm_command("wrangler");
    wrangler.arg("deploy").current_dir(root());
    if options.dry_run {
        wrangler.args(["--dry-run", "--outdir", "target/dry-run"]);
    }
    run_command(&mut wrangler)?;
    if options.dry_run {
        return Ok(());
    }
    let url = doctor::base_url()?.context("BETTER_AUTH_URL in wrangler.toml says where the service is")?;
    ensure!(url.starts_with("https://"), "BETTER_AUTH_URL must be https");
    step(format!("asking {url}"));
    let smoke = Command::new(node()).args(["--input-type=module", "-e", SMOKE, &url]).status()?;
    ensure!(
        smoke.success(),
        "it is deployed and does not answer as it should: `wrangler rollback` takes it back"
    );
    Ok(())
}

/// Whoever must not talk to Cloudflare looks at the variables of this machine.
fn local_variables(options: &Options) -> Option<PathBuf> {
    let own = root().join(".dev.vars");
    let file = if own.is_file() { own } else { root().join(".dev.vars.example") };
    options.dry_run.then_some(file)
}
