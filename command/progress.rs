//! What is said on standard error while a list is compiled: a bar for people, words for whoever asks for them.

use std::fmt;
use std::io::{IsTerminal, stderr};

use compiler::{LevelReport, Report, WantedText};
use indicatif::{ProgressBar, ProgressStyle};

/// Says how far a run is.
#[derive(Debug)]
pub struct Progress {
    /// Hides itself where there is no terminal.
    bar: ProgressBar,
    is_verbose: bool,
}

impl Progress {
    /// With `is_verbose`, everything that is done is said.
    pub fn new(is_verbose: bool) -> Progress {
        let bar = ProgressBar::new(0);
        // The template is a constant that is good; were it not, the default would do.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Progress { bar, is_verbose }
    }

    /// So many more texts are being loaded.
    pub fn loading(&self, n_texts: usize) {
        self.bar.inc_length(n_texts as u64);
    }

    /// One of them is done.
    pub fn loaded(&self, text: &WantedText) {
        self.bar.set_message(text.to_string());
        self.bar.inc(1);
    }

    /// All texts are there.
    pub fn compiling(&self) {
        self.bar.set_message("compiling");
    }

    /// Says something to whoever wants to hear everything.
    pub fn tell(&self, what: impl fmt::Display) {
        if self.is_verbose {
            self.bar.suspend(|| eprintln!("{what}"));
        }
    }

    /// Says what was done to the lines.
    pub fn tell_report(&self, report: &Report) {
        for source in &report.sources {
            self.tell_level(format_args!("source {}", source.source), &source.level);
        }
        self.tell_level(format_args!("list"), &report.list);
    }

    fn tell_level(&self, name: fmt::Arguments, level: &LevelReport) {
        self.tell(format_args!("{name}: {} lines, {} rules", level.n_lines_in, level.n_rules_in));
        for (what, n) in [("excluded", level.n_excluded), ("not included", level.n_not_included)] {
            if n > 0 {
                self.tell(format_args!("{name}: {n} lines {what}"));
            }
        }
        for pass in &level.passes {
            let transformation = pass.transformation.name();
            self.tell(format_args!(
                "{name}: {transformation}, {} lines to {}",
                pass.n_lines_in, pass.n_lines_out
            ));
        }
    }

    /// The end: a person is told what came of it.
    pub fn finish(self, what: impl fmt::Display) {
        self.bar.finish_and_clear();
        if self.is_verbose || stderr().is_terminal() {
            eprintln!("{what}");
        }
    }
}

impl Drop for Progress {
    /// After a failure, too, the bar makes way for what is to be said.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
