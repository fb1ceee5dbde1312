//! A web server that serves lists, and misbehaves on request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers each path in its own way.
pub struct Origin {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
    task: JoinHandle<()>,
}

/// How a path below `/switch` is answered.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// With this text.
    Text(String),
    /// With this status and no list.
    Status(u16),
    /// With a list, after so many milliseconds.
    Slow(u64),
}

/// What an origin remembers.
#[derive(Default)]
struct Books {
    /// How often each path was asked for.
    asked: BTreeMap<String, u32>,
    /// What paths were answered that know validators.
    statuses: BTreeMap<String, Vec<u16>>,
    /// How often the texts of such paths were changed.
    renewed: BTreeMap<String, u32>,
    behaviours: BTreeMap<String, Behaviour>,
    /// Requests below `/wait` that are not answered yet.
    n_waiting: usize,
    /// The most that there were at a time.
    most_at_once: usize,
}

impl Origin {
    /// Serves on a free port of the loopback interface.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let books = Arc::new(Mutex::new(Books::default()));
        let kept = Arc::clone(&books);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&kept)));
            }
        });
        Self { address, books, task }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its name among hosts.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// How often a path was asked for.
    pub fn n_asked(&self, path: &str) -> u32 {
        self.books.lock().unwrap().asked.get(path).copied().unwrap_or_default()
    }

    /// What a path below `/etag`, `/modified` or `/no-store` was answered, one after the other.
    pub fn statuses(&self, path: &str) -> Vec<u16> {
        self.books.lock().unwrap().statuses.get(path).cloned().unwrap_or_default()
    }

    /// Changes the text of such a path.
    pub fn renew(&self, path: &str) {
        *self.books.lock().unwrap().renewed.entry(path.to_owned()).or_default() += 1;
    }

    /// How a path below `/switch` is answered from now on.
    pub fn set(&self, path: &str, behaviour: Behaviour) {
        self.books.lock().unwrap().behaviours.insert(path.to_owned(), behaviour);
    }

    /// The most requests below `/wait` that were under way at a time.
    pub fn most_at_once(&self) -> usize {
        self.books.lock().unwrap().most_at_once
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, books: Arc<Mutex<Books>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    *books.lock().unwrap().asked.entry(path.clone()).or_default() += 1;
    // The client may leave at any time; that ends this connection and nothing else.
    let _left = answer(&mut stream, &path, &request, &books).await;
}

async fn answer(
    stream: &mut TcpStream,
    path: &str,
    request: &str,
    books: &Mutex<Books>,
) -> std::io::Result<()> {
    match path {
        "/list.txt" => plain(stream, "||one.example^\r\n! comment\r\n||two.example^\r\n").await,
        "/main.txt" => plain(stream, "||main.example^\n!#include part.txt\n").await,
        "/part.txt" => plain(stream, "||part.example^\n").await,
        "/sub/part.txt" => plain(stream, "||sub.example^\n").await,
        "/cycle.txt" => plain(stream, "!#include cycle.txt\n").await,
        "/broken-include.txt" => plain(stream, "!#include nothing.txt\n").await,
        "/echo-request.txt" => plain(stream, request).await,
        "/not-utf8.txt" => send(stream, "200 OK", "text/plain", b"||a\xffb.example^").await,
        "/picture.png" => send(stream, "200 OK", "image/png", b"||a.example^").await,
        "/data.json" => send(stream, "200 OK", "application/json", b"||a.example^").await,
        "/no-type" => send(stream, "200 OK", "", b"||a.example^").await,
        "/no-content.txt" => head(stream, "204 No Content", "text/plain", "").await,
        "/partial.txt" => send(stream, "206 Partial Content", "text/plain", b"||a.example^").await,
        "/failing.txt" => send(stream, "500 Internal Server Error", "text/plain", b"no").await,
        "/nothing.txt" => send(stream, "404 Not Found", "text/plain", b"no").await,
        "/endless.txt" => {
            head(stream, "200 OK", "text/plain", "").await?;
            let chunk = "||endless.example^\n".repeat(1_000);
            loop {
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        "/silent.txt" => {
            head(stream, "200 OK", "text/plain", "").await?;
            stream.write_all(b"||silent.example^\n").await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(())
        }
        "/gzip.txt" => {
            let more = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", ZIPPED.len());
            head(stream, "200 OK", "text/plain", &more).await?;
            stream.write_all(ZIPPED).await
        }
        // Ends before the announced length.
        "/cut.txt" => {
            head(stream, "200 OK", "text/plain", "Content-Length: 1000\r\n").await?;
            stream.write_all(b"||cut.example^\n").await?;
            stream.shutdown().await
        }
        // Goes on after the announced length.
        "/too-long.txt" => {
            head(stream, "200 OK", "text/plain", "Content-Length: 16\r\n").await?;
            stream.write_all(b"||long.example^\n||never.example^\n").await?;
            stream.shutdown().await
        }
        "/slow.txt" => {
            head(stream, "200 OK", "text/plain", "").await?;
            for n in 0..5 {
                stream.write_all(format!("||slow{n}.example^\n").as_bytes()).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            stream.shutdown().await
        }
        "/sub/elsewhere" => {
            head(stream, "302 Found", "text/plain", "Location: /main.txt\r\nContent-Length: 0\r\n").await
        }
        "/loop" => head(stream, "302 Found", "text/plain", "Location: /loop\r\nContent-Length: 0\r\n").await,
        // Breaks down twice for each name, then works.
        _ if path.starts_with("/weak/") => match n_asked(books, path) {
            1 => send(stream, "500 Internal Server Error", "text/plain", b"no").await,
            2 => {
                head(stream, "200 OK", "text/plain", "Content-Length: 1000\r\n").await?;
                stream.write_all(b"||half.example^\n").await?;
                stream.shutdown().await
            }
            _ => plain(stream, "||recovered.example^\n").await,
        },
        _ if path.starts_with("/hops/") => match path.trim_start_matches("/hops/").parse::<u32>() {
            Ok(n) if n > 0 => {
                let location = format!("Location: /hops/{}\r\nContent-Length: 0\r\n", n - 1);
                head(stream, "302 Found", "text/plain", &location).await
            }
            _ => plain(stream, "||hopped.example^\n").await,
        },
        // A list whose one rule has the name of the path, after so many milliseconds.
        _ if path.starts_with("/wait/") => {
            let (ms, name) = path.trim_start_matches("/wait/").split_once('/').unwrap_or_default();
            {
                let mut books = books.lock().unwrap();
                books.n_waiting += 1;
                books.most_at_once = books.most_at_once.max(books.n_waiting);
            }
            tokio::time::sleep(Duration::from_millis(ms.parse().unwrap_or_default())).await;
            // Before the answer, after which the next one may come at once.
            books.lock().unwrap().n_waiting -= 1;
            plain(stream, &format!("||{name}.example^\n")).await
        }
        _ if ["/etag/", "/modified/", "/no-store/"].iter().any(|folder| path.starts_with(folder)) => {
            validated(stream, path, request, books).await
        }
        _ if path.starts_with("/switch/") => {
            let behaviour = books.lock().unwrap().behaviours.get(path).cloned();
            match behaviour {
                Some(Behaviour::Text(text)) => plain(stream, &text).await,
                Some(Behaviour::Slow(ms)) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    plain(stream, "||slow.example^\n").await
                }
                Some(Behaviour::Status(status)) => {
                    send(stream, &format!("{status} As Told"), "text/plain", b"no").await
                }
                None => send(stream, "404 Not Found", "text/plain", b"no").await,
            }
        }
        _ => match path.split_once("?to=") {
            Some((_, target)) => {
                let location = format!("Location: {target}\r\nContent-Length: 0\r\n");
                head(stream, "302 Found", "text/plain", &location).await
            }
            None => send(stream, "404 Not Found", "text/plain", b"no").await,
        },
    }
}

/// `||zipped.example^` and a line end.
const ZIPPED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xa9\xa9\xca\x2c\x28\x48\x4d\xd1\x4b\xad\x48\xcc\x2d\xc8\x49\x8d\xe3\x02\x00\xf4\xf0\x75\xff\x12\x00\x00\x00";

/// A list with a validator, and the news that it is the same still for whoever knows it. Its rule has the name of the
/// path and counts how often the text was sent.
async fn validated(
    stream: &mut TcpStream,
    path: &str,
    request: &str,
    books: &Mutex<Books>,
) -> std::io::Result<()> {
    let renewed = books.lock().unwrap().renewed.get(path).copied().unwrap_or_default();
    let (told, asked, validator) = match path.starts_with("/modified/") {
        true => ("Last-Modified", "If-Modified-Since", format!("Sun, 01 Nov 2026 00:00:{renewed:02} GMT")),
        false => ("ETag", "If-None-Match", format!("\"v{renewed}\"")),
    };
    let is_known = field(request, asked) == Some(validator.as_str());
    let n_sent = {
        let mut books = books.lock().unwrap();
        let statuses = books.statuses.entry(path.to_owned()).or_default();
        statuses.push(if is_known { 304 } else { 200 });
        statuses.iter().filter(|status| **status == 200).count()
    };
    let mut more = format!("{told}: {validator}\r\n");
    if path.starts_with("/no-store/") {
        more.push_str("Cache-Control: private, No-Store\r\n");
    }
    if is_known {
        return head(stream, "304 Not Modified", "text/plain", &more).await;
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let text = format!("||{name}{n_sent}.example^\n");
    more.push_str(&format!("Content-Length: {}\r\n", text.len()));
    head(stream, "200 OK", "text/plain", &more).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// The value of a header field.
fn field<'a>(request: &'a str, wanted: &str) -> Option<&'a str> {
    let mut fields = request.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

/// How often a path was asked for, this time included.
fn n_asked(books: &Mutex<Books>, path: &str) -> u32 {
    books.lock().unwrap().asked.get(path).copied().unwrap_or_default()
}

async fn plain(stream: &mut TcpStream, body: &str) -> std::io::Result<()> {
    send(stream, "200 OK", "text/plain; charset=utf-8", body.as_bytes()).await
}

async fn send(stream: &mut TcpStream, status: &str, media_type: &str, body: &[u8]) -> std::io::Result<()> {
    head(stream, status, media_type, &format!("Content-Length: {}\r\n", body.len())).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}

async fn head(stream: &mut TcpStream, status: &str, media_type: &str, more: &str) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).await
}
