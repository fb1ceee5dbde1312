//! Looks for texts that make the engine panic, hang or eat memory, see `cargo xtask fuzz`.
//!
//! Arguments: minutes, a seed, then targets. Texts come out of a grammar, out of changes to texts of which
//! something new came before, and out of pieces that are repeated until they are long. What was found lies in
//! `target/fuzz/found`, and texts of which something new came in `target/fuzz/new`.

mod memory;
#[allow(clippy::expect_used, clippy::indexing_slicing)]
#[path = "../../compiler/tests/support/targets.rs"]
mod targets;

use std::collections::HashSet;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use reference_tests::generate::{Lines, Random, pattern, text_of_a_file};
use targets::{TARGETS, Target};

/// How long texts get.
const LONG: usize = 64 * 1024;

/// The longest text that others are made of: most of what long ones do, short ones do too, in less time.
const KEPT: usize = 4096;

/// So many texts others are made of.
const MOST_KEPT: usize = 10_000;

/// How much memory may be taken at once: what an empty compilation takes, and so much a byte.
const MEMORY: (usize, usize) = (16 << 20, 200);

/// Longest that anything may take before the whole run is given up.
const HANG: Duration = Duration::from_secs(60);

/// Words that mean something to conditions, configurations and conversions.
const WORDS: &[&str] = &[
    "!#if ",
    "!#else",
    "!#endif",
    "!#include ",
    "true",
    "(",
    ")",
    "&&",
    "||",
    "!",
    "\n%%\n",
    "name ",
    "source ",
    "type hosts",
    "exclude ",
    "include ",
    "include_file ",
    "exclude_file ",
    "description ",
    "homepage ",
    "Validate\n",
    "Compress\n",
    "##+js(",
    "#%#//scriptlet('",
    "')",
    "#$#",
    "#?#",
    "$$",
    "$@$",
    ":has-text(",
    ":style(",
    ":remove()",
    ":matches-path(/",
    "[$path=/x/]",
    "{",
    "}",
    "@media (",
    "$removeparam=",
    "$redirect=",
    ",csp=",
    "$replace=/a/b/",
    "!+ PLATFORM(",
    "! aglint-disable",
    "[Adblock Plus 2.0; ",
    "\\",
    "'",
    "\"",
    "`",
    "/*",
    "*/",
    ";",
    ",",
    "=",
    "|",
    "~",
    "[",
    "]",
    "\r",
    "\n",
    "\u{feff}",
    "\u{2028}",
    "\u{1f600}",
    "xn--",
    "%00",
    "0x",
    "?",
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let minutes: f64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let seed: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let names: Vec<String> = arguments.collect();
    let chosen: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| names.is_empty() || names.iter().any(|name| name == target.name))
        .collect();
    if chosen.is_empty() {
        eprintln!("targets: {}", TARGETS.map(|target| target.name).join(", "));
        return ExitCode::FAILURE;
    }
    std::panic::set_hook(Box::new(|panic| {
        *PANIC.lock().unwrap_or_else(|lock| lock.into_inner()) = panic.to_string()
    }));
    let watch = watch();
    let mut fuzzers: Vec<Fuzzer> = chosen.into_iter().map(|target| Fuzzer::new(target, seed)).collect();
    let started_at = Instant::now();
    let mut told_at = Instant::now();
    while started_at.elapsed().as_secs_f64() < minutes * 60.0 {
        for fuzzer in &mut fuzzers {
            let turn_ends_at = Instant::now() + Duration::from_millis(500);
            while Instant::now() < turn_ends_at {
                fuzzer.try_one(&watch);
            }
        }
        if told_at.elapsed() > Duration::from_secs(30) {
            told_at = Instant::now();
            fuzzers.iter().for_each(Fuzzer::tell);
        }
    }
    fuzzers.iter().for_each(Fuzzer::tell);
    let n_found: usize = fuzzers.iter().map(|fuzzer| fuzzer.n_found).sum();
    println!("{n_found} found in {:.1} minutes, seed {seed}", started_at.elapsed().as_secs_f64() / 60.0);
    if n_found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the last panic said.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Ends the process when a text takes far too long. To be told of the beginning and the end of each long text.
fn watch() -> Sender<Option<PathBuf>> {
    let (send, receive) = channel::<Option<PathBuf>>();
    thread::spawn(move || {
        let mut current = None;
        loop {
            match receive.recv_timeout(HANG) {
                Ok(next) => current = next,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(file) = &current {
                        eprintln!("hangs: {}", file.display());
                        std::process::exit(1);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    send
}

/// One target with what is known of it.
struct Fuzzer {
    target: &'static Target,
    random: Random,
    lines: Lines,
    texts: Vec<String>,
    seen: HashSet<u64>,
    n_tried: u64,
    n_found: usize,
    slowest_ms: f64,
    /// Most bytes at once, and the length of the text that took them.
    most_bytes: (usize, usize),
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz").join(name)
}

impl Fuzzer {
    fn new(target: &'static Target, seed: u64) -> Fuzzer {
        let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../compiler/tests/data/fuzz")
            .join(target.name);
        let mut files: Vec<PathBuf> =
            fs::read_dir(kept).into_iter().flatten().flatten().map(|file| file.path()).collect();
        // Folders are listed in any order; the same seed is to give the same.
        files.sort();
        Fuzzer {
            target,
            random: Random::new(seed),
            lines: Lines::committed(),
            texts: files.into_iter().filter_map(|file| fs::read_to_string(file).ok()).collect(),
            seen: HashSet::new(),
            n_tried: 0,
            n_found: 0,
            slowest_ms: 0.0,
            most_bytes: (0, 0),
        }
    }

    fn tell(&self) {
        println!(
            "{:<13} {:>9} texts, {:>5} of them new, slowest {:.1} ms, most memory {} KiB for {} bytes, {} found",
            self.target.name,
            self.n_tried,
            self.texts.len(),
            self.slowest_ms,
            self.most_bytes.0 / 1024,
            self.most_bytes.1,
            self.n_found
        );
    }

    fn try_one(&mut self, watch: &Sender<Option<PathBuf>>) {
        let text = self.text();
        self.n_tried += 1;
        // Only long texts can hang or end the process, and writing all would be slow.
        let current = (text.len() > 2048).then(|| folder("current").join(self.target.name));
        if let Some(file) = &current {
            self.write("current", self.target.name, &text);
            let _ = watch.send(Some(file.clone()));
        }
        let measured = self.measure(&text);
        if current.is_some() {
            let _ = watch.send(None);
        }
        match measured {
            Err(what) => self.found(&what, &text),
            Ok((told, mut taken)) => {
                let limit = Duration::from_millis(self.target.limit_ms * (text.len() / LONG + 1) as u64);
                for _ in 0..4 {
                    // The machine may have been busy with something else.
                    if taken > limit {
                        taken = taken.min(self.measure(&text).map_or(taken, |(_, taken)| taken));
                    }
                }
                self.slowest_ms = self.slowest_ms.max(taken.as_secs_f64() * 1000.0);
                if taken > limit {
                    self.found(&format!("takes {} ms", taken.as_millis()), &text);
                }
                let mut hasher = DefaultHasher::new();
                told.hash(&mut hasher);
                if self.seen.insert(hasher.finish()) && text.len() <= KEPT {
                    let is_full = self.texts.len() >= MOST_KEPT;
                    let at = if is_full { self.random.below(MOST_KEPT) } else { self.texts.len() };
                    // One file for each text that is kept, so that the folder stays within bounds, too.
                    self.write("new", &format!("{}-{at}", self.target.name), &text);
                    if is_full {
                        self.texts[at] = text;
                    } else {
                        self.texts.push(text);
                    }
                }
            }
        }
    }

    /// What came of a text and how long it took, or what is wrong.
    fn measure(&mut self, text: &str) -> Result<(String, Duration), String> {
        let run = self.target.run;
        let before = memory::begin();
        let started_at = Instant::now();
        let outcome = catch_unwind(|| run(text));
        let taken = started_at.elapsed();
        let n_bytes = memory::most_since(before);
        let told = outcome.map_err(|_| PANIC.lock().map(|what| what.clone()).unwrap_or_default())?;
        if n_bytes > self.most_bytes.0 {
            self.most_bytes = (n_bytes, text.len());
        }
        if n_bytes > MEMORY.0 + MEMORY.1 * text.len() {
            return Err(format!("takes {n_bytes} bytes of memory"));
        }
        Ok((told, taken))
    }

    fn found(&mut self, what: &str, text: &str) {
        self.n_found += 1;
        let name = format!("{}-{}", self.target.name, self.n_found);
        println!("FOUND {name} ({} bytes): {}", text.len(), what.chars().take(400).collect::<String>());
        if self.n_found <= 50 {
            self.write("found", &name, text);
        }
    }

    fn write(&self, place: &str, name: &str, text: &str) {
        let written =
            fs::create_dir_all(folder(place)).and_then(|()| fs::write(folder(place).join(name), text));
        written.unwrap_or_else(|error| eprintln!("{place}/{name} cannot be written: {error}"));
    }

    /// The next text to try.
    fn text(&mut self) -> String {
        let random = &mut self.random;
        let mut text = if !self.texts.is_empty() && !random.once_in(4) {
            let text = self.texts[random.below(self.texts.len())].clone();
            match random.below(4) {
                0 => {
                    let other = &self.texts[random.below(self.texts.len())];
                    let (from, to) = (place(random, &text), place(random, other));
                    format!("{}{}", &text[..from], &other[to..])
                }
                // A long text with a few changes would hardly differ from itself.
                1 if text.len() < 4096 => self.lines.mutate(random, text),
                _ => with_words(random, text),
            }
        } else {
            fresh(random, &self.lines, self.target)
        };
        if random.once_in(40) {
            // Expressions may take the square of a length, which is bounded but long.
            let longest = if self.target.name == "patterns" { KEPT } else { LONG };
            text = repeated(random, &text, self.target.n_settings, longest);
        }
        text
    }
}

/// A text out of the grammar.
fn fresh(random: &mut Random, lines: &Lines, target: &Target) -> String {
    let mut text = String::new();
    match target.name {
        "rule" | "conversion" => {
            let line = lines.line(random);
            return with_words(random, line);
        }
        "patterns" => {
            text += &pattern(random, lines).replace('\n', "");
            for _ in 0..random.below(8) {
                text.push('\n');
                text += &lines.line(random);
            }
        }
        "configuration" => {
            for _ in 0..random.below(12) {
                text += random.pick(&[
                    "name ",
                    "source ",
                    "type hosts",
                    "exclude ",
                    "include ",
                    "include_file ",
                    "description ",
                ]);
                text += &if random.once_in(2) { lines.line(random) } else { pattern(random, lines) };
                text +=
                    random.pick(&["\n", "\nDeduplicate\n", "\nValidate\n", "\nCompress\n", "\nsource a\n"]);
            }
            if random.once_in(2) {
                text.insert_str(0, "name T\nsource a\n");
            }
        }
        _ => {
            for _ in 0..target.n_settings {
                let n_letters = random.below(6);
                (0..n_letters).for_each(|_| text.push((b'a' + random.below(16) as u8) as char));
                text.push('\n');
            }
            let n_lines = random.below(20);
            text += &text_of_a_file(random, lines, n_lines);
        }
    }
    text
}

/// A place between two characters.
fn place(random: &mut Random, text: &str) -> usize {
    let at = random.below(text.len() + 1);
    (at..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

/// The text with one to four words put in or pieces taken out.
fn with_words(random: &mut Random, mut text: String) -> String {
    for _ in 0..=random.below(4) {
        let at = place(random, &text);
        if random.once_in(4) {
            let mut end = (at + random.below(12)).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(at..end, "");
        } else {
            text.insert_str(at, random.pick(WORDS));
        }
    }
    text
}

/// The text with a piece of it, or a word or two, repeated until it is long.
fn repeated(random: &mut Random, text: &str, n_settings: usize, longest: usize) -> String {
    let settings: usize = text.split_inclusive('\n').take(n_settings).map(str::len).sum();
    let (mut from, mut to) = (place(random, text), place(random, text));
    if from > to {
        (from, to) = (to, from);
    }
    let mut piece = text[from..to].chars().take(1 + random.below(20)).collect::<String>();
    if piece.is_empty() || random.once_in(2) {
        piece += random.pick(WORDS);
    }
    if random.once_in(4) {
        piece += random.pick(WORDS);
    }
    let at = from.max(settings.min(text.len()));
    let length = if random.once_in(4) { longest } else { KEPT };
    let mut tail = piece.repeat(length / piece.len() + 1);
    if random.once_in(2) {
        // What was opened is closed again as often.
        tail += &random.pick(WORDS).repeat(length / piece.len() + 1);
    }
    let mut end = tail.len().min(longest.saturating_sub(text.len()).max(1));
    while !tail.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}{}", &text[..at], &tail[..end], &text[at..])
}
