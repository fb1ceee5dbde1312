//! A child that is measured: ended with its owner, its use of processor and memory read from the system.

use std::fs;
use std::process::{Child, Command};

use anyhow::{Context, Result};

use crate::run::{stop, tie};

/// Length of the system's clock tick in microseconds. Linux has shown 100 a second to programs since 2.4,
/// whatever the kernel counts with inside.
const TICK_US: u64 = 10_000;

/// A running child.
pub struct Process(Child);

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// If the program can't be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_owned();
        let child = tie(command).spawn();
        Ok(Self(child.with_context(|| format!("could not start {}", program.display()))?))
    }

    /// The child, to take its pipes or ask whether it runs.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Processor time it has used up to now, all threads, in microseconds; none where there is no /proc.
    pub fn cpu_us(&self) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).ok()?;
        // Fields 14 and 15. Counted behind the program's name, which may contain spaces.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |n: usize| fields.get(n)?.parse::<u64>().ok();
        Some((ticks(11)? + ticks(12)?) * TICK_US)
    }

    /// The most memory it has had resident up to now, in MiB; none where there is no /proc.
    pub fn peak_mib(&self) -> Option<u64> {
        peak_mib(self.0.id())
    }

    /// The same of the process below it that runs a program of this name.
    pub fn peak_mib_of(&self, program: &str) -> Option<u64> {
        let mut waiting = vec![self.0.id()];
        while let Some(id) = waiting.pop() {
            let file = fs::read_link(format!("/proc/{id}/exe")).ok();
            if file.is_some_and(|file| file.file_name().is_some_and(|name| name == program)) {
                return peak_mib(id);
            }
            // Each thread has started some of the children.
            let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
            let children =
                threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
            for list in children {
                waiting.extend(list.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            }
        }
        None
    }
}

fn peak_mib(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.div_ceil(1024))
}

impl Drop for Process {
    fn drop(&mut self) {
        stop(&mut self.0);
    }
}
