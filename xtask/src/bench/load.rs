//! The load: keep-alive HTTP/1.1 over the loopback interface, from as many threads as connections. Each
//! connection sends its next request when it has the whole answer to the one before.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

/// Requests under way at a time. Enough that the server always has the next one at hand.
pub const CONNECTIONS: usize = 16;
/// A silent server fails the benchmark, it does not hang it.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer to a request.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body, whole.
    pub body: Vec<u8>,
}

impl Answer {
    /// # Errors
    /// If it has another status than this.
    pub fn expect(&self, status: u16) -> Result<()> {
        if self.status == status {
            return Ok(());
        }
        bail!("expected {status}, was answered {}: {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// A connection that is kept for many requests.
pub struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Connection {
    /// Connects to a server on this machine.
    ///
    /// # Errors
    /// If nothing listens there.
    pub fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("nothing listens on port {port}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream), line: String::new() })
    }

    /// Sends a request, headers and body as they go over the wire, and waits for the answer.
    ///
    /// # Errors
    /// If the connection breaks or the answer is no HTTP/1.1.
    pub fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.get_mut().write_all(request).context("the server takes no request")?;
        let status = self.read_line()?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.context("the server does not answer in HTTP/1.1")?;
        let (mut n_bytes, mut chunked) = (0, false);
        loop {
            let line = self.read_line()?;
            match line.split_once(": ") {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    n_bytes = value.parse()?
                }
                Some((name, value)) if name.eq_ignore_ascii_case("transfer-encoding") => {
                    chunked = value.eq_ignore_ascii_case("chunked");
                }
                Some(_) => {}
            }
        }
        let mut body = Vec::new();
        if chunked {
            while self.read_chunk(&mut body)? {}
        } else {
            self.read_bytes(n_bytes, &mut body)?;
        }
        Ok(Answer { status, body })
    }

    /// Without its line end.
    fn read_line(&mut self) -> Result<&str> {
        self.line.clear();
        let n_bytes = self.stream.read_line(&mut self.line).context("the server is silent")?;
        ensure!(n_bytes > 0, "the server has closed the connection");
        Ok(self.line.trim_end())
    }

    fn read_bytes(&mut self, n_bytes: usize, to: &mut Vec<u8>) -> Result<()> {
        let start = to.len();
        to.resize(start + n_bytes, 0);
        let (_, room) = to.split_at_mut(start);
        self.stream.read_exact(room).context("the server breaks off its answer")
    }

    /// Whether there are more.
    fn read_chunk(&mut self, to: &mut Vec<u8>) -> Result<bool> {
        let n_bytes = usize::from_str_radix(self.read_line()?, 16).context("a bad chunk")?;
        self.read_bytes(n_bytes, to)?;
        self.read_line()?;
        Ok(n_bytes > 0)
    }
}

/// A GET request as the platform would hand it over from a client with this address.
pub fn get(path: &str, client: Ipv4Addr) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCF-Connecting-IP: {client}\r\n\r\n").into_bytes()
}

/// What a load came to.
pub struct Load {
    /// Answers received, all with the expected status.
    pub n_answers: u64,
    /// From the first request to the last answer.
    pub time: Duration,
}

/// Loads a server for `time`. The connections go round the requests, each from a different start, so all
/// requests are sent equally often.
///
/// # Errors
/// If an answer has another status than `expected`.
pub fn load(port: u16, requests: &[Vec<u8>], expected: u16, time: Duration) -> Result<Load> {
    let all_connected = Barrier::new(CONNECTIONS);
    thread::scope(|scope| {
        let start = |n| {
            let all_connected = &all_connected;
            move || {
                let connection = Connection::open(port);
                all_connected.wait();
                repeat(connection?, requests.iter().cycle().skip(n).step_by(CONNECTIONS), expected, time)
            }
        };
        let threads: Vec<_> = (0..CONNECTIONS).map(|n| scope.spawn(start(n))).collect();
        let mut whole = Load { n_answers: 0, time: Duration::ZERO };
        for thread in threads {
            let part = thread.join().map_err(|_| anyhow!("the load generator panicked"))??;
            whole.n_answers += part.n_answers;
            whole.time = whole.time.max(part.time);
        }
        Ok(whole)
    })
}

fn repeat<'a>(
    mut connection: Connection,
    requests: impl Iterator<Item = &'a Vec<u8>>,
    expected: u16,
    time: Duration,
) -> Result<Load> {
    let started_at = Instant::now();
    let mut n_answers = 0;
    for request in requests {
        connection.exchange(request)?.expect(expected)?;
        n_answers += 1;
        if started_at.elapsed() >= time {
            break;
        }
    }
    Ok(Load { n_answers, time: started_at.elapsed() })
}
