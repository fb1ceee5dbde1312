//! How compiling grows with the list: time per rule from 10,000 rules to 1,000,000, natively and in workerd, and
//! the memory of the isolate for the largest.
//!
//! The lists are made up and served on the loopback interface; the Worker is asked over HTTP and fetches them as
//! it fetches any source. Time goes from the request to the end of the answer, all sizes in turns.
//!
//! The memory is that of the isolate, not of the process: the size of its WebAssembly memory, which never
//! shrinks and is told by a module in front of the Worker, and the JavaScript heap with array buffers, the most that
//! its debugger saw. Both are measured in a server of their own, because a debugger takes time.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::compile::{TRANSFORMATIONS, build_native, compile_request};
use super::process::Process;
use super::workerd::{Server, Worker};
use super::{Ratio, folder, median, print_ratios, write_result};
use crate::http::Connection;
use crate::project::root;
use crate::run::step;
use crate::tools::{install_npm_packages, node};
use crate::worker::build_release;

/// Rounds that count. In a round every size is compiled once; one more before them warms up.
const ROUNDS: usize = 5;
/// Rules in each list.
const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];
/// How much longer a rule may take in the largest list than in the smallest. A small list stays in the caches of
/// the processor and a large one does not, so a rule takes a little longer there however the program is made;
/// were time to grow with the square, it would be a hundred times as long.
const LONGER_PER_RULE: f64 = 2.5;
/// What an isolate may have. <https://developers.cloudflare.com/workers/platform/limits/#memory>
const ISOLATE_BYTES: u64 = 128 * 1024 * 1024;
/// Compilations, one after the other, whose memory is measured.
const MEMORY_ROUNDS: usize = 3;

/// What the compilation of one list took in all rounds.
#[derive(Serialize)]
struct Figures {
    compiler: &'static str,
    n_rules: usize,
    ms: Vec<f64>,
    us_per_rule: f64,
    rules_per_second: f64,
}

/// Bytes of the isolate at its largest.
#[derive(Serialize)]
struct Memory {
    wasm_bytes: u64,
    heap_bytes: u64,
    process_peak_mib: Option<u64>,
}

/// Runs the benchmark.
///
/// # Errors
/// If something can't be built or started, or a list is not compiled.
pub fn run() -> Result<()> {
    install_npm_packages()?;
    let build = build_release()?;
    let native = build_native()?;
    let lists = SIZES.map(|n| (n, write_list(n)));
    let lists: Vec<(usize, PathBuf)> =
        lists.into_iter().map(|(n, file)| Ok((n, file?))).collect::<Result<_>>()?;
    let sources = serve_files(&lists)?;

    let mut figures = measure("ours, native", &lists, |_| Native::start(&native))?;
    let server = Worker::ours("growth-ours", &build).with_local_sources().serve()?;
    figures.extend(measure("ours, in workerd, over HTTP", &lists, |n| {
        Ok(Served { port: server.port, source: format!("http://127.0.0.1:{sources}/{n}"), n_rules: n })
    })?);
    drop(server);
    let memory = measure_memory(&build, sources)?;

    print(&figures, &memory);
    let mut ratios: Vec<Ratio> = figures.chunks(SIZES.len()).filter_map(per_rule).collect();
    let isolate_bytes = memory.wasm_bytes + memory.heap_bytes;
    let room = ISOLATE_BYTES as f64 / isolate_bytes as f64;
    ratios.push(Ratio::new("128 MiB / isolate's peak for 1,000,000 rules", room, 1.0));
    print_ratios(&ratios);
    write_result("growth", json!({ "figures": figures, "memory": memory, "ratios": ratios }))
}

/// Time per rule in the smallest list against that in the largest.
fn per_rule(of_compiler: &[Figures]) -> Option<Ratio> {
    let (smallest, largest) = (of_compiler.first()?, of_compiler.last()?);
    let what = format!("{}: time per rule, 10,000 / 1,000,000", smallest.compiler);
    Some(Ratio::new(what, smallest.us_per_rule / largest.us_per_rule, 1.0 / LONGER_PER_RULE))
}

/// Something that compiles one list, and says how many milliseconds it took.
trait Compile {
    fn compile(&mut self, list: &Path, round: usize) -> Result<f64>;
}

fn measure<C: Compile>(
    compiler: &'static str,
    lists: &[(usize, PathBuf)],
    start: impl Fn(usize) -> Result<C>,
) -> Result<Vec<Figures>> {
    let mut all = Vec::new();
    for &(n_rules, ref list) in lists {
        let figures = Figures { compiler, n_rules, ms: Vec::new(), us_per_rule: 0.0, rules_per_second: 0.0 };
        all.push((start(n_rules)?, list, figures));
    }
    for round in 0..=ROUNDS {
        step(match round {
            0 => format!("{compiler}: warming up"),
            _ => format!("{compiler}: round {round} of {ROUNDS}"),
        });
        for (started, list, figures) in &mut all {
            let ms = started.compile(list, round).with_context(|| format!("{} rules", figures.n_rules))?;
            if round > 0 {
                figures.ms.push(ms);
            }
        }
    }
    let finished = all.into_iter().map(|(_, _, mut figures)| {
        let ms = median(&figures.ms);
        figures.us_per_rule = ms * 1000.0 / figures.n_rules as f64;
        figures.rules_per_second = figures.n_rules as f64 / ms * 1000.0;
        figures
    });
    Ok(finished.collect())
}

/// The engine as a program. It is started anew for each compilation that counts, so that all sizes find the same.
struct Native {
    program: PathBuf,
}

impl Native {
    fn start(program: &Path) -> Result<Self> {
        Ok(Self { program: program.to_owned() })
    }
}

impl Compile for Native {
    fn compile(&mut self, list: &Path, _round: usize) -> Result<f64> {
        #[derive(Deserialize)]
        struct Compiled {
            ms: f64,
        }
        let mut command = Command::new(&self.program);
        command.arg(list).args(TRANSFORMATIONS).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let output = process.child().stdout.take().context("its output is not piped")?;
        // Two lines, two compilations: the first warms up.
        process.child().stdin.take().context("its input is not piped")?.write_all(b"\n\n")?;
        let last = BufReader::new(output).lines().last().context("it has not printed a result")??;
        let Compiled { ms } = serde_json::from_str(&last).context("it has not printed a result")?;
        Ok(ms)
    }
}

/// The served Worker, and one list to ask for.
struct Served {
    port: u16,
    source: String,
    n_rules: usize,
}

impl Compile for Served {
    fn compile(&mut self, _list: &Path, round: usize) -> Result<f64> {
        // Each time another client: one may compile only a few times a minute.
        let client = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + u32::try_from(self.n_rules + round)?;
        let body = json!({
            "configuration": {
                "name": "bench",
                "sources": [{ "source": self.source }],
                "transformations": TRANSFORMATIONS,
            },
        });
        let request = compile_request(Ipv4Addr::from(client), &body.to_string());
        let mut connection = Connection::open(self.port)?;
        let started_at = Instant::now();
        let answer = connection.exchange(&request)?;
        let ms = started_at.elapsed().as_secs_f64() * 1000.0;
        answer.expect(200)?;
        // Rules that others cover and rules that come twice are few.
        ensure!(answer.body.len() > self.n_rules * "\"||a.de^\",".len(), "the answer is too short");
        Ok(ms)
    }
}

/// The isolate's memory while it compiles the largest list.
fn measure_memory(build: &Path, sources: u16) -> Result<Memory> {
    let n_rules = SIZES.into_iter().max().unwrap_or_default();
    let server = Worker::ours("growth-memory", build).with_local_sources().inspected().serve()?;
    let source = format!("http://127.0.0.1:{sources}/{n_rules}");
    let mut served = Served { port: server.port, source, n_rules };
    // A debugger finds an isolate only once a request has made it.
    wasm_bytes(&server)?;
    let mut heap = Heap::watch(&server)?;
    for round in 0..MEMORY_ROUNDS {
        step(format!("memory: compilation {} of {MEMORY_ROUNDS}", round + 1));
        served.compile(Path::new(""), round)?;
    }
    Ok(Memory {
        heap_bytes: heap.peak()?,
        wasm_bytes: wasm_bytes(&server)?,
        process_peak_mib: server.process.peak_mib(),
    })
}

fn wasm_bytes(server: &Server) -> Result<u64> {
    let request = b"GET /memory HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = Connection::open(server.port)?.exchange(request)?;
    answer.expect(200)?;
    String::from_utf8(answer.body)?.parse().context("no number of bytes")
}

/// Watches the JavaScript heap of a server.
struct Heap {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _process: Process,
}

impl Heap {
    fn watch(server: &Server) -> Result<Self> {
        let port = server.inspector_port.context("the server is not inspected")?;
        let mut command = Command::new(node());
        command.arg(root().join("tests/bench/heap.js")).arg(port.to_string());
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let input = process.child().stdin.take().context("its input is not piped")?;
        let output = process.child().stdout.take().context("its output is not piped")?;
        let mut heap = Self { input, output: BufReader::new(output), _process: process };
        // Once it answers, it watches.
        heap.peak()?;
        Ok(heap)
    }

    /// The most bytes since it was asked last.
    fn peak(&mut self) -> Result<u64> {
        writeln!(self.input)?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        line.trim().parse().context("the heap can't be watched: see the messages above")
    }
}

/// A hosts list of so many lines. Half of the names have a subdomain; few are covered or come twice, because those
/// take less memory.
fn write_list(n_rules: usize) -> Result<PathBuf> {
    const SYLLABLES: &[u8] = b"adbecodufirgohajinkalumenoorpaqurastunvewexiyoza";
    const ENDS: [&str; 8] = ["com", "net", "org", "info", "co.uk", "de", "io", "xyz"];
    let mut state = 1_u64;
    // A linear congruential generator with Knuth's numbers; the upper bits are the random ones.
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut text = String::new();
    for _ in 0..n_rules {
        text.push_str("0.0.0.0 ");
        if random(2) == 0 {
            write!(text, "s{}.", random(1000))?;
        }
        for _ in 0..4 + random(3) {
            let at = random(SYLLABLES.len() / 2) * 2;
            text.extend(SYLLABLES.get(at..at + 2).unwrap_or_default().iter().map(|&byte| char::from(byte)));
        }
        writeln!(text, ".{}", ENDS.get(random(ENDS.len())).unwrap_or(&"com"))?;
    }
    fs::create_dir_all(folder())?;
    let file = folder().join(format!("hosts-{n_rules}.txt"));
    fs::write(&file, text).with_context(|| format!("could not write {}", file.display()))?;
    Ok(file)
}

/// Serves each list at its number of rules, as long as this program runs. Says on which port.
fn serve_files(lists: &[(usize, PathBuf)]) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    let port = listener.local_addr()?.port();
    let lists = lists.to_vec();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if let Err(error) = answer(stream, &lists) {
                eprintln!("serving a list: {error:#}");
            }
        }
    });
    Ok(port)
}

fn answer(stream: TcpStream, lists: &[(usize, PathBuf)]) -> Result<()> {
    let mut reader = BufReader::new(&stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let asked = first.split(' ').nth(1).and_then(|path| path.strip_prefix('/')?.parse().ok());
    let (_, file) = lists.iter().find(|(n, _)| Some(*n) == asked).context("no such list")?;
    let text = fs::read(file)?;
    let mut stream = &stream;
    let length = text.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&text)?;
    Ok(())
}

fn print(figures: &[Figures], memory: &Memory) {
    println!("\n{ROUNDS} rounds, medians");
    println!("{:<32} {:>10} {:>10} {:>12} {:>12}", "", "rules", "ms", "us a rule", "rules/s");
    for figures in figures {
        println!(
            "{:<32} {:>10} {:>10.1} {:>12.3} {:>12.0}",
            figures.compiler,
            figures.n_rules,
            median(&figures.ms),
            figures.us_per_rule,
            figures.rules_per_second
        );
    }
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    println!("\nThe isolate's peak for 1,000,000 rules, of {MEMORY_ROUNDS} compilations in a row");
    println!("{:<52} {:>8.1} MiB", "WebAssembly memory, which never shrinks", mib(memory.wasm_bytes));
    println!("{:<52} {:>8.1} MiB", "JavaScript heap with array buffers", mib(memory.heap_bytes));
    if let Some(peak) = memory.process_peak_mib {
        println!("{:<52} {peak:>8} MiB", "(the whole process, resident)");
    }
}
