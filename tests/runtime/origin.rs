//! A web server that serves lists, and misbehaves on request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers each path in its own way.
pub struct Origin {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Origin {
    /// Serves on a free port of the loopback interface.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream));
            }
        });
        Self { address, task }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    // The client may leave at any time; that ends this connection and nothing else.
    let _left = answer(&mut stream, &path, &request).await;
}

async fn answer(stream: &mut TcpStream, path: &str, request: &str) -> std::io::Result<()> {
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
        _ if path.starts_with("/weak/") => match n_asked(path) {
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

/// How often a path was asked for, this time included.
fn n_asked(path: &str) -> u32 {
    static ASKED: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    let mut asked = ASKED.lock().unwrap();
    let n = asked.entry(path.to_owned()).or_default();
    *n += 1;
    *n
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
