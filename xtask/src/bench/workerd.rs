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
}

impl Worker {
    /// The release Worker, built into `folder`.
    pub fn ours(name: &'static str, folder: &Path) -> Self {
        Self {
            name,
            modules: ["index.js", "index_bg.wasm"].map(|module| (module, folder.join(module))).into(),
            objects: vec![("Identity", "IDENTITY"), ("LiveRegistry", "LIVE_REGISTRY")],
            vars: vec![("ENVIRONMENT", "development"), ("MAX_REQUEST_BODY_MB", "100")],
        }
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
        Self { name, modules: vec![("index.js", file)], objects, vars: Vec::new() }
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
        command.args(["serve", "--experimental", "--control-fd=1", "config.capnp"]).current_dir(&home);
        let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let port = wait_for_port(&mut process)
            .with_context(|| format!("workerd does not serve {}: see its messages above", self.name))?;
        Ok(Server { port, process })
    }

    /// Nothing may be reached from inside: the network called `internet` allows no address.
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
    (name = "internet", network = (allow = [])),
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

fn wait_for_port(process: &mut Process) -> Result<u16> {
    let output = process.child().stdout.take().context("its output is not piped")?;
    let (sender, receiver) = mpsc::channel();
    // Goes on reading, so that what a Worker prints never fills the pipe.
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let port = serde_json::from_str::<Value>(&line)
                .ok()
                .and_then(|event| u16::try_from(event.get("port")?.as_u64()?).ok());
            match port {
                // Nobody listens any more once the time is over.
                Some(port) => drop(sender.send(port)),
                None => eprintln!("{line}"),
            }
        }
    });
    receiver.recv_timeout(START_TIME).context("it does not listen")
}
