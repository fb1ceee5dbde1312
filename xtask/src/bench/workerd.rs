//! workerd serving one Worker, straight from its own configuration: no simulator and no proxy in between.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::folder;
use super::process::Process;
use crate::project::root;

/// How long it may take to start.
const START_TIME: Duration = Duration::from_secs(30);

/// What is served.
pub struct Worker {
    /// Names its folder in `target/bench/`, where its storage lies, too.
    pub name: &'static str,
    /// Name of each module, and its file. The first one is the door.
    pub modules: Vec<(&'static str, PathBuf)>,
    /// Durable Object classes and the bindings to them.
    pub objects: Vec<(&'static str, &'static str)>,
    /// Variables.
    pub vars: Vec<(&'static str, &'static str)>,
    /// Whether it may fetch from this machine. Nothing else can be reached from inside.
    pub fetches: bool,
    /// Whether a debugger may look into it.
    pub inspected: bool,
}

impl Worker {
    /// The release Worker, built into `folder`.
    pub fn ours(name: &'static str, folder: &Path) -> Self {
        Self {
            name,
            modules: ["index.js", "index_bg.wasm"].map(|module| (module, folder.join(module))).into(),
            objects: vec![
                ("Identity", "IDENTITY"),
                ("LiveRegistry", "LIVE_REGISTRY"),
                ("Artifact", "ARTIFACT"),
                ("CompileJob", "COMPILE_JOB"),
                ("SourceHost", "SOURCE_HOST"),
                ("ServiceMetrics", "SERVICE_METRICS"),
            ],
            vars: vec![("ENVIRONMENT", "development"), ("MAX_REQUEST_BODY_MB", "100")],
            fetches: false,
            inspected: false,
        }
    }

    /// The same, behind a module that tells the size of the WebAssembly memory, and with a debugger's door.
    pub fn inspected(mut self) -> Self {
        for module in ["memory_probe.js", "memory.js"] {
            self.modules.insert(0, (module, root().join("tests/bench").join(module)));
        }
        self.inspected = true;
        self
    }

    /// The same, with sources that lie on this machine.
    pub fn with_local_sources(mut self) -> Self {
        self.fetches = true;
        self.with_var("SOURCE_ALLOW_PRIVATE", "true")
    }

    /// The same with one more variable.
    pub fn with_var(mut self, name: &'static str, value: &'static str) -> Self {
        self.vars.push((name, value));
        self
    }

    /// A few lines of JavaScript in `tests/bench/`; its object, if any, is bound as `OBJECT`.
    pub fn yardstick(name: &'static str, class: Option<&'static str>) -> Self {
        let file = root().join("tests/bench").join(name).with_extension("js");
        let objects = class.map(|class| (class, "OBJECT")).into_iter().collect();
        Self {
            name,
            modules: vec![("index.js", file)],
            objects,
            vars: Vec::new(),
            fetches: false,
            inspected: false,
        }
    }

    /// Starts it with empty storage, on a free port of the loopback interface.
    ///
    /// # Errors
    /// If a module is missing or workerd does not start.
    pub fn serve(&self) -> Result<Server> {
        let home = folder().join(self.name);
        if home.exists() {
            fs::remove_dir_all(&home).with_context(|| format!("could not remove {}", home.display()))?;
        }
        fs::create_dir_all(home.join("storage"))?;
        for (module, file) in &self.modules {
            fs::copy(file, home.join(module)).with_context(|| format!("{} is missing", file.display()))?;
        }
        fs::write(home.join("config.capnp"), self.config()?)?;

        let mut command = Command::new(binary()?);
        // What listens where is told on the standard output.
        command.args(["serve", "--experimental", "--control-fd=1"]).current_dir(&home);
        if self.inspected {
            command.arg("--inspector-addr=127.0.0.1:0");
        }
        let command = command.arg("config.capnp").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process::start(command)?;
        let events = listen(&mut process)?;
        let port = |event: &str| {
            wait_for_port(&events, event)
                .with_context(|| format!("workerd does not serve {}: see its messages above", self.name))
        };
        // In the order in which it tells them.
        let inspector_port = self.inspected.then(|| port("listen-inspector")).transpose()?;
        Ok(Server { port: port("listen")?, inspector_port, process })
    }

    /// The network called `internet` allows no address, or those of this machine.
    fn config(&self) -> Result<String> {
        let mut modules = String::new();
        for (module, _) in &self.modules {
            let kind = if module.ends_with(".wasm") { "wasm" } else { "esModule" };
            write!(modules, "(name = \"{module}\", {kind} = embed \"{module}\"), ")?;
        }
        let mut bindings = String::new();
        for (name, value) in &self.vars {
            write!(bindings, "(name = \"{name}\", text = {value:?}), ")?;
        }
        let mut namespaces = String::new();
        for (class, binding) in &self.objects {
            write!(bindings, "(name = \"{binding}\", durableObjectNamespace = \"{class}\"), ")?;
            write!(namespaces, "(className = \"{class}\", uniqueKey = \"{class}\", enableSql = true), ")?;
        }
        let date = compatibility_date()?;
        let networks = if self.fetches { "\"local\"" } else { "" };
        Ok(format!(
            r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = (
      modules = [{modules}],
      compatibilityDate = "{date}",
      bindings = [{bindings}],
      durableObjectNamespaces = [{namespaces}],
      durableObjectStorage = (localDisk = "storage"),
    )),
    (name = "storage", disk = (path = "storage", writable = true)),
    (name = "internet", network = (allow = [{networks}])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
"#
        ))
    }
}

/// A running workerd.
pub struct Server {
    /// Where it listens on the loopback interface.
    pub port: u16,
    /// Where a debugger may look into it.
    pub inspector_port: Option<u16>,
    /// The process.
    pub process: Process,
}

/// The runtime itself; what npm calls `workerd` is a script that starts it.
///
/// # Errors
/// If npm has not installed it for this machine.
pub fn binary() -> Result<PathBuf> {
    let packages = fs::read_dir(root().join("node_modules/@cloudflare"));
    let mut binaries = packages.into_iter().flatten().flatten().map(|entry| entry.path().join("bin/workerd"));
    binaries.find(|binary| binary.is_file()).context("npm has no workerd for this machine")
}

/// The Worker's, for the yardsticks too. Since 2026-08-04 it turns `nodejs_compat` on.
fn compatibility_date() -> Result<String> {
    let text = fs::read_to_string(root().join("wrangler.toml")).context("wrangler.toml is missing")?;
    let date = text.lines().find_map(|line| line.strip_prefix("compatibility_date = \"")?.strip_suffix('"'));
    Ok(date.context("wrangler.toml has no line `compatibility_date = \"...\"`")?.to_owned())
}

/// What it tells of itself, event by event.
fn listen(process: &mut Process) -> Result<mpsc::Receiver<Value>> {
    let output = process.child().stdout.take().context("its output is not piped")?;
    let (sender, receiver) = mpsc::channel();
    // Goes on reading, so that what a Worker prints never fills the pipe.
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            match serde_json::from_str::<Value>(&line).ok().filter(|event| event.get("port").is_some()) {
                // Nobody listens any more once the time is over.
                Some(event) => drop(sender.send(event)),
                None => eprintln!("{line}"),
            }
        }
    });
    Ok(receiver)
}

fn wait_for_port(events: &mpsc::Receiver<Value>, name: &str) -> Result<u16> {
    loop {
        let event = events.recv_timeout(START_TIME).context("it does not listen")?;
        if event.get("event").and_then(Value::as_str) == Some(name) {
            let port = event.get("port").and_then(Value::as_u64).context("it listens on no port")?;
            return Ok(u16::try_from(port)?);
        }
    }
}
