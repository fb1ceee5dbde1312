//! Gets the texts that a compilation wants, several at a time.

use std::fmt::Write;
use std::fs::File;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use compiler::{Compilation, Location, WantedText};

use crate::fetch::Client;
use crate::progress::Progress;

/// Texts loaded at a time. Most of the time is spent waiting for servers, which are often the same.
const SIMULTANEOUS: usize = 8;

/// Supplies everything, includes found on the way too.
///
/// # Errors
/// All that could not be had, or are broken, of the texts that were wanted at the same time.
pub fn load_all(compilation: &mut Compilation, client: &Client, progress: &Progress) -> Result<()> {
    while !compilation.is_complete() {
        let wanted = compilation.wanted();
        progress.loading(wanted.len());
        let texts = load_together(&wanted, client, progress);
        let mut failures = Vec::new();
        for (wanted, text) in wanted.iter().zip(texts) {
            let supplied = match text {
                Ok(text) => compilation.supply(wanted.id, text),
                Err(error) => Err(compilation.failed(wanted.id, format!("{error:#}"))),
            };
            if let Err(error) = supplied {
                failures.push((wanted, error));
            }
        }
        if !failures.is_empty() {
            let mut told = String::new();
            for (wanted, error) in &failures {
                // Writing to a string cannot fail.
                let _ = write!(told, "\n  {wanted}: {error}");
            }
            let n_good = wanted.len() - failures.len();
            bail!(
                "{} of {} texts can't be used; mend or remove what names them and run again:{told}",
                failures.len(),
                n_good + failures.len()
            );
        }
    }
    Ok(())
}

/// The texts in the order in which they are wanted, whichever came first.
fn load_together(wanted: &[WantedText], client: &Client, progress: &Progress) -> Vec<Result<String>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut loaded = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(wanted) = wanted.get(n) else { return loaded };
            loaded.push((n, load(wanted, client, progress)));
            progress.loaded(wanted);
        }
    };
    let mut loaded = thread::scope(|scope| {
        let threads: Vec<_> = (0..SIMULTANEOUS.min(wanted.len())).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.flat_map(|outcome| outcome.unwrap_or_else(|panic| resume_unwind(panic))).collect::<Vec<_>>()
    });
    loaded.sort_unstable_by_key(|(n, _)| *n);
    loaded.into_iter().map(|(_, text)| text).collect()
}

/// Bytes that are not UTF-8 become U+FFFD, whatever charset was declared.
fn load(wanted: &WantedText, client: &Client, progress: &Progress) -> Result<String> {
    let bytes = match &wanted.location {
        Location::Remote(url) => client.fetch(url, |error| {
            progress.tell(format_args!("{wanted}: {error}; trying again"));
        })?,
        Location::Local(path) => {
            let read = File::open(path).map_err(Into::into).and_then(|file| client.room.read(file));
            // As in the reference, such a URL is a path like any other, which nobody expects.
            let advice = if path.starts_with("file:") { "; give the path alone" } else { "" };
            read.with_context(|| format!("can't read {path}{advice}"))?
        }
    };
    progress.tell(format_args!("{wanted}: {} bytes", bytes.len()));
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
