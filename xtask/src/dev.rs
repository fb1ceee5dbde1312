//! Serves the Worker on this machine: real workerd, real SQLite, real PostgreSQL protocol.
//!
//! Three processes: this one, the runtime and the database. They live and die together.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::console;
use crate::demo;
use crate::migrate::{migrate_local_d1, migrate_postgres};
use crate::project::{npm_program, root};
use crate::run::{step, stop, tie, write_whole};
use crate::tools::node;
use crate::worker;

/// Connections that the embedded database shares among all clients.
const POSTGRES_CONNECTIONS: u32 = 32;

/// Options of `cargo xtask dev`.
#[derive(Args)]
pub struct Options {
    /// Port on localhost; 0 takes a free one
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Folder that keeps all state
    #[arg(long, default_value = ".state")]
    state: PathBuf,
    /// Starts with empty state
    #[arg(long)]
    fresh: bool,
    /// More variables, one NAME=value a line
    #[arg(long)]
    vars: Option<PathBuf>,
    /// Where to write a JSON file with url, pid and credentials once it serves
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Serves the test build, whose fault routes break on purpose
    #[arg(long, hide = true)]
    with_faults: bool,
    /// Makes no demo user, key and admin; for tests that count what there is
    #[arg(long, hide = true)]
    without_demo: bool,
    /// Stops when the process that started it is gone; for tests
    #[arg(long, hide = true)]
    stop_with_parent: bool,
}

/// Sets everything up and serves until stopped.
///
/// # Errors
/// If something is missing, the port is taken, or a process ends by itself.
pub fn serve(options: &Options) -> Result<()> {
    if let Some(file) = options.ready_file.as_deref().filter(|file| file.exists()) {
        fs::remove_file(file).with_context(|| format!("could not remove {}", file.display()))?;
    }
    let parent = parent_id();
    check_port(options.port)?;

    console::build()?;
    let bundle = if options.with_faults { worker::build_with_faults()? } else { worker::build_release()? };
    let _lock = lock_state(&options.state)?;
    if options.fresh {
        empty(&options.state)?;
    }
    let vars = read_vars(options.vars.as_deref())?;

    migrate_local_d1(&options.state)?;

    // Up to here an interrupt ends this process at once; from here on it ends the servers first.
    let stopping = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stopping);
    ctrlc::set_handler(move || told.store(true, Ordering::SeqCst))?;
    // Somebody else adopts the orphaned.
    let orphaned = || options.stop_with_parent && parent_id() != parent;
    let is_over = || stopping.load(Ordering::SeqCst) || orphaned();

    let mut postgres = Postgres::start(&options.state)?;
    migrate_postgres(&postgres.url)?;
    let mut runtime = Runtime::start(&bundle, options.port, &options.state, &vars, &postgres.url)?;
    let demo = if options.without_demo { None } else { seed_demo(runtime.port, &options.state, &vars) };
    if let Some(file) = &options.ready_file {
        let ready = ready(runtime.port, &vars, &postgres.url, demo.as_ref());
        write_whole(file, &serde_json::to_string_pretty(&ready)?)?;
    }
    print_welcome(runtime.port, demo.map(|_| options.state.join(demo::FILE)).as_deref());
    wait(is_over, &mut runtime.process.0, &mut postgres.process.0)
}

/// A child that ends when it is no longer needed.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        stop(&mut self.0);
    }
}

fn wait(is_over: impl Fn() -> bool, runtime: &mut Child, postgres: &mut Child) -> Result<()> {
    while !is_over() {
        for (name, child) in [("the runtime", &mut *runtime), ("PostgreSQL", &mut *postgres)] {
            if let Some(status) = child.try_wait()? {
                bail!("{name} ended by itself ({status}); its state is kept, start again to go on");
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    step("stopping");
    Ok(())
}

/// Fails if the named port is taken. With 0 the server itself takes a free one: whoever chose it earlier could
/// lose it before it is used.
fn check_port(port: u16) -> Result<()> {
    // What held the port may just have been killed; its socket is gone a moment later.
    let patience = Instant::now() + Duration::from_secs(2);
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(()),
            Err(_) if Instant::now() < patience => thread::sleep(Duration::from_millis(100)),
            Err(error) => {
                bail!("port {port} is taken ({error}): stop what listens there, or choose with --port N")
            }
        }
    }
}

/// Held as long as this process lives: two servers over one state would ruin it.
pub struct StateLock {
    _file: File,
}

/// Makes the state folder this process's own.
///
/// # Errors
/// If another process holds it.
pub fn lock_state(state: &Path) -> Result<StateLock> {
    fs::create_dir_all(state).with_context(|| format!("could not make {}", state.display()))?;
    let file = File::create(state.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(StateLock { _file: file }),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "{} is in use by another `cargo xtask dev`: stop it, or choose with --state DIR",
                state.display()
            )
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn empty(state: &Path) -> Result<()> {
    let demo = state.join(demo::FILE);
    if demo.exists() {
        fs::remove_file(&demo).with_context(|| format!("could not remove {}", demo.display()))?;
    }
    for kept in ["v3", "postgres"] {
        let folder = state.join(kept);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("could not remove {}", folder.display()))?;
        }
    }
    Ok(())
}

/// `.dev.vars`, or the example while there is none; then the given file on top.
fn read_vars(more: Option<&Path>) -> Result<BTreeMap<String, String>> {
    let own = root().join(".dev.vars");
    let base = if own.exists() { own } else { root().join(".dev.vars.example") };
    let mut vars = BTreeMap::new();
    for file in [Some(base.as_path()), more].into_iter().flatten() {
        for entry in
            dotenvy::from_path_iter(file).with_context(|| format!("could not read {}", file.display()))?
        {
            let (name, value) = entry.with_context(|| format!("{} has a bad line", file.display()))?;
            vars.insert(name, value);
        }
    }
    Ok(vars)
}

/// The demo's credentials. A service that is set up so that it can't have any serves all the same.
fn seed_demo(port: u16, state: &Path, vars: &BTreeMap<String, String>) -> Option<Value> {
    demo::seed(port, state, vars).unwrap_or_else(|error| {
        eprintln!("warning: no demo user: {error:#}");
        None
    })
}

/// What a program that started the server needs to use it.
fn ready(port: u16, vars: &BTreeMap<String, String>, postgres_url: &str, demo: Option<&Value>) -> Value {
    let made = |name: &str| demo.and_then(|demo| demo.get(name)).cloned();
    json!({
        "url": format!("http://localhost:{port}"),
        "pid": std::process::id(),
        "admin_key": vars.get("ADMIN_KEY"),
        "better_auth_secret": vars.get("BETTER_AUTH_SECRET"),
        "clerk_webhook_secret": vars.get("CLERK_WEBHOOK_SECRET"),
        "postgres_url": postgres_url,
        "demo": made("demo"),
        "admin": made("admin"),
    })
}

fn print_welcome(port: u16, demo: Option<&Path>) {
    println!(
        "\nServing on http://localhost:{port} (Ctrl-C stops). Try:\n\n\
         curl 'http://localhost:{port}/api/health?pretty'\n\
         curl 'http://localhost:{port}/api/compile?pretty' -d '{{\"configuration\":{{\"name\":\"Try\",\
         \"sources\":[{{\"source\":\"mine\"}}],\"transformations\":[\"Compress\"]}},\
         \"preFetchedContent\":{{\"mine\":\"0.0.0.0 ads.example.org\\n||example.org^\"}}}}'"
    );
    if let Some(file) = demo {
        println!(
            "\nA demo user with a key and an admin are in {}.\n\
             curl 'http://localhost:{port}/api/rate-limit?pretty' -H \"Authorization: Bearer $DEMO_KEY\"",
            file.display()
        );
    }
    println!();
}

/// The runtime: workerd with simulators of the platform's services around it.
struct Runtime {
    process: Process,
    /// Where it listens.
    port: u16,
}

impl Runtime {
    fn start(
        bundle: &Path,
        port: u16,
        state: &Path,
        vars: &BTreeMap<String, String>,
        postgres_url: &str,
    ) -> Result<Self> {
        step("starting the runtime");
        let settings = json!({
            "config": root().join("wrangler.toml"),
            "bundle": bundle,
            "port": port,
            "state": fs::canonicalize(state)?,
            "vars": vars,
        });
        let mut command = std::process::Command::new(node());
        command
            .arg(root().join("xtask/runtime.mjs"))
            .env("BLOQR_RUNTIME", settings.to_string())
            .env("CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE", postgres_url)
            .env("WRANGLER_SEND_METRICS", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some(workerd) = tied_workerd()? {
            command.env("MINIFLARE_WORKERD_PATH", workerd);
        }
        let mut process = Process(tie(&mut command).spawn().context("could not start Node.js")?);
        let port =
            wait_for_line(&mut process.0, "ready on port ", |log| println!("{log}"), Duration::from_secs(60))
                .context("the runtime did not start")?;
        Ok(Self { process, port: port.parse()? })
    }
}

/// workerd is a child of the runtime's Node.js process, so it is tied to that one by a program in between.
#[cfg(target_os = "linux")]
fn tied_workerd() -> Result<Option<PathBuf>> {
    use std::os::unix::fs::PermissionsExt;
    if !Path::new("/usr/bin/setpriv").exists() {
        return Ok(None);
    }
    let script = root().join("target/tied-workerd");
    let workerd = npm_program("workerd");
    // The package's `workerd` is a script of its own; the binary lies in the package of the platform.
    let binary = workerd_binary().unwrap_or(workerd);
    fs::create_dir_all(root().join("target"))?;
    let text = format!("#!/bin/sh\nexec setpriv --pdeathsig KILL '{}' \"$@\"\n", binary.display());
    if !fs::read_to_string(&script).is_ok_and(|current| current == text) {
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    Ok(Some(script))
}

#[cfg(target_os = "linux")]
fn workerd_binary() -> Option<PathBuf> {
    let packages = fs::read_dir(root().join("node_modules/@cloudflare")).ok()?;
    packages.flatten().map(|package| package.path().join("bin/workerd")).find(|binary| binary.is_file())
}

#[cfg(not(target_os = "linux"))]
fn tied_workerd() -> Result<Option<PathBuf>> {
    Ok(None)
}

/// The embedded database: PostgreSQL itself, compiled for Node.js.
pub struct Postgres {
    process: Process,
    /// Its connection string.
    pub url: String,
}

impl Postgres {
    /// Starts it over the data in `state` and waits until it listens.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(state: &Path) -> Result<Self> {
        step("starting PostgreSQL");
        let data = fs::canonicalize(state)?.join("postgres");
        let mut command = std::process::Command::new(node());
        command
            .arg(root().join("node_modules/.bin/pglite-server"))
            .arg(format!("--db={}", data.display()))
            .arg("--port=0")
            .arg(format!("--max-connections={POSTGRES_CONNECTIONS}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Process(tie(&mut command).spawn().context("could not start Node.js")?);
        let listening = wait_for_line(
            &mut process.0,
            "PGLiteSocketServer listening on ",
            |_| {},
            Duration::from_secs(60),
        )
        .with_context(|| format!("PostgreSQL did not start over {}", data.display()))?;
        let port = serde_json::from_str::<Value>(&listening)?["port"].clone();
        let url = format!("postgres://postgres:postgres@127.0.0.1:{port}/postgres?sslmode=disable");
        Ok(Self { process, url })
    }
}

/// Waits until the child prints a line that begins with `start`; returns the rest of it. Everything else it
/// prints goes to `other`.
fn wait_for_line(child: &mut Child, start: &'static str, other: fn(&str), time: Duration) -> Result<String> {
    let output = child.stdout.take().context("the child's output is not piped")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            match text.strip_prefix(start) {
                // Nobody listens any more once the time is over.
                Some(rest) => drop(sender.send(rest.to_owned())),
                None => other(&text),
            }
        }
    });
    match receiver.recv_timeout(time) {
        Ok(rest) => Ok(rest),
        Err(mpsc::RecvTimeoutError::Timeout) => bail!("nothing within {} s", time.as_secs()),
        Err(mpsc::RecvTimeoutError::Disconnected) => bail!("it ended: see the messages above"),
    }
}
