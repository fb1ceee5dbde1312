//! A served Worker: the very command that people use, over a state folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::secrets;

/// How long a start may take, when everything is built already.
const START_TIME: Duration = Duration::from_secs(120);

/// How to serve.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Variables, as in a file for `--vars`.
    pub vars: Vec<(&'static str, &'static str)>,
    /// Whether to serve the build with routes that break on purpose.
    pub with_faults: bool,
    /// Whether to have a demo user, key and admin made.
    pub with_demo: bool,
}

/// A running `cargo xtask dev`. It ends with the process that started it.
pub struct Runtime {
    options: Options,
    folder: PathBuf,
    child: Child,
    /// Where it serves.
    pub url: String,
}

impl Runtime {
    /// Serves with fresh state.
    pub fn start(options: Options) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let n = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = root().join(format!("target/journeys/{}-{n}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let copied =
            Command::new("cp").arg("-R").arg(fresh_state()).arg(folder.join("state")).status().unwrap();
        assert!(copied.success());
        let (child, url) = serve(&options, &folder);
        Self { options, folder, child, url }
    }

    /// The folder with the state.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// How many objects of this class have storage.
    pub fn n_objects(&self, class: &str) -> usize {
        let folders = fs::read_dir(self.state().join("v3/do")).into_iter().flatten().flatten();
        let of_class = folders.filter(|folder| folder.file_name().to_string_lossy().ends_with(class));
        let files = of_class.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
        let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".sqlite") && name != "metadata.sqlite").count()
    }

    /// What the ready file says.
    pub fn ready(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.folder.join("ready.json")).unwrap()).unwrap()
    }

    /// All that was written to the log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// Freezes the database: it keeps its connections and says nothing.
    pub fn pause_postgres(&self) {
        signal(self.postgres(), libc::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume_postgres(&self) {
        signal(self.postgres(), libc::SIGCONT);
    }

    /// The process among the command's children that serves the database.
    fn postgres(&self) -> libc::pid_t {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let found = children.split_whitespace().find(|child| {
            fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap().contains("pglite-server")
        });
        found.unwrap().parse().unwrap()
    }

    /// Kills everything at once, as a crash would, and serves again over the same state.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Kills everything at once, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).unwrap();
    }

    /// Gives a variable another value, from the next start on.
    pub fn set_var(&mut self, name: &'static str, value: &'static str) {
        self.options.vars.retain(|(known, _)| *known != name);
        self.options.vars.push((name, value));
    }

    /// Serves again over the same state.
    pub fn restart(&mut self) {
        (self.child, self.url) = serve(&self.options, &self.folder);
    }

    /// Stops, as Ctrl-C does, and leaves the state.
    pub fn stop(&mut self) {
        signal(libc::pid_t::try_from(self.child.id()).unwrap(), libc::SIGINT);
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Stopped already, perhaps; either way it is gone afterwards.
        let _gone = self.child.kill().and_then(|()| self.child.wait());
        secrets::keep_log(&self.folder.join("log"));
        if !thread::panicking() {
            let _kept = fs::remove_dir_all(&self.folder);
        }
    }
}

/// State that nobody has used, databases and all. It is made once: that takes longer than everything else of a start.
fn fresh_state() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = root().join(format!("target/journeys/{}-fresh", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (mut child, _) = serve(&Options::default(), &folder);
        signal(libc::pid_t::try_from(child.id()).unwrap(), libc::SIGINT);
        assert!(child.wait().unwrap().success());
        folder
    });
    made.join("state")
}

fn serve(options: &Options, folder: &Path) -> (Child, String) {
    let (vars, ready) = (folder.join("vars"), folder.join("ready.json"));
    let lines: String = options.vars.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    fs::write(&vars, lines).unwrap();
    for (name, value) in &options.vars {
        if ["SECRET", "KEY", "TOKEN", "PASSWORD"].iter().any(|word| name.contains(word)) {
            secrets::note(value);
        }
    }
    let _old = fs::remove_file(&ready);
    let log = fs::File::options().append(true).create(true).open(folder.join("log")).unwrap();

    let mut command = xtask();
    command.args(["dev", "--port", "0", "--stop-with-parent", "--state"]).arg(folder.join("state"));
    command.arg("--vars").arg(&vars).arg("--ready-file").arg(&ready);
    if options.with_faults {
        command.arg("--with-faults");
    }
    if !options.with_demo {
        command.arg("--without-demo");
    }
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let mut child = command.spawn().unwrap();

    let patience = Instant::now() + START_TIME;
    loop {
        if let Ok(text) = fs::read_to_string(&ready) {
            let ready: Value = serde_json::from_str(&text).unwrap();
            return (child, ready["url"].as_str().unwrap().to_owned());
        }
        let ended = child.try_wait().unwrap();
        if ended.is_some() || Instant::now() > patience {
            let _gone = child.kill();
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("the Worker did not start ({ended:?}):\n{log}");
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn signal(process: libc::pid_t, signal: libc::c_int) {
    // SAFETY: the process is a child of this one, or of a child that lives, and was not waited for; so the
    // id is still its own.
    assert_eq!(unsafe { libc::kill(process, signal) }, 0);
}

/// The command that started the tests, or the one cargo built last.
pub fn xtask() -> Command {
    let built = root().join("target/debug/xtask");
    let mut command = Command::new(std::env::var_os("BLOQR_XTASK").map_or(built, PathBuf::from));
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// A program below `tests`, run by the Node.js that comes with the tools.
pub fn node(program: &str) -> Command {
    let mut command = Command::new(root().join("node_modules/.bin/node"));
    command.current_dir(root()).arg(format!("tests/{program}")).stdin(Stdio::null());
    command
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
