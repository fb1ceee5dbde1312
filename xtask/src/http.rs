//! HTTP/1.1 to a server on this machine: no more than the commands need.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// A silent server is an error, it hangs nobody.
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

/// A request with a JSON body.
pub fn send_json(method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nCF-Connecting-IP: 127.0.0.1\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
