//! Running other programs, and telling what is going on.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Announces a step that may take a while.
pub fn step(what: impl Display) {
    eprintln!("=> {what}");
}

/// Runs a program to its end, its output shown.
///
/// # Errors
/// If it can't be started or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not start {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a program to its end and returns what it printed; its messages are shown only if it fails.
///
/// # Errors
/// If it can't be started or fails.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("could not start {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} failed ({})\n{}", shown(command), output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program ends well within the time. It is quiet, and stopped when the time is over.
pub fn succeeds_within(command: &mut Command, time: Duration) -> bool {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else { return false };
    let started_at = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if started_at.elapsed() < time => thread::sleep(Duration::from_millis(50)),
            _ => {
                stop(&mut child);
                return false;
            }
        }
    }
}

/// Ends a child: it gets three seconds to do so itself.
pub fn stop(child: &mut Child) {
    terminate(child);
    for _ in 0..60 {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let killed = child.kill().and_then(|()| child.wait());
    if let Err(error) = killed {
        eprintln!("could not stop process {}: {error}", child.id());
    }
}

/// Asks a child to end.
#[cfg(unix)]
fn terminate(child: &mut Child) {
    if let Ok(id) = libc::pid_t::try_from(child.id()) {
        // SAFETY: sends a signal to a child that has not been waited for, so the id is still its own.
        unsafe { libc::kill(id, libc::SIGTERM) };
    }
}

#[cfg(not(unix))]
fn terminate(_child: &mut Child) {}

/// Makes a child end together with this process, however this one ends. Where the system can't do that
/// (it takes Linux), a child outlives a parent that is killed, though not one that is stopped.
pub fn tie(command: &mut Command) -> &mut Command {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        // SAFETY: prctl is safe to call between fork and exec and touches only the new process.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
    }
    command
}

fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Writes a file of which a reader never sees half.
///
/// # Errors
/// If it can't be written.
pub fn write_whole(file: &Path, text: &str) -> Result<()> {
    let unfinished = file.with_extension("unfinished");
    fs::write(&unfinished, text).with_context(|| format!("could not write {}", unfinished.display()))?;
    fs::rename(&unfinished, file).with_context(|| format!("could not write {}", file.display()))
}
