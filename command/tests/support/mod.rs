//! Runs the built command, and serves lists to it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
// Each test file uses a part of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

/// `bloqr compile` in that working directory, untouched by proxies of the machine.
pub fn bloqr(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bloqr"));
    command.current_dir(folder).arg("compile").args(arguments);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}

/// Runs it to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    bloqr(folder, arguments).output().expect("the command starts")
}

pub fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

/// Everything below the header of the list.
pub fn body(list: &str) -> &str {
    let (_, rest) = list.split_once("\n! Compiled by bloqr v").unwrap_or_else(|| panic!("no header: {list}"));
    let (_, rest) = rest.split_once("\n!").expect("the end of the header");
    rest.strip_prefix('\n').unwrap_or(rest)
}

/// A list that is compiled without a fault, and its body.
pub fn compiled(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    body(stdout(&output)).to_owned()
}

/// Asserts that it fails with that code and says all of that.
pub fn check_failure(folder: &Path, arguments: &[&str], code: i32, said: &[&str]) {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    for text in said {
        assert!(stderr(&output).contains(text), "{arguments:?} should say {text:?}: {}", stderr(&output));
    }
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A server on this machine. What it answers, byte for byte, is the handler's word, which hears the path and
/// how often it was asked for before.
pub struct Origin {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    pub fn serve(answer: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (heard, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
                thread::spawn(move || talk(&stream, &heard, &*answer));
            }
        });
        Origin { url, requests }
    }

    /// The heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn talk(mut stream: &TcpStream, heard: &Mutex<Vec<String>>, answer: &dyn Fn(&str, usize) -> Vec<u8>) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let Some(path) = head.first().and_then(|line| line.split(' ').nth(1)) else { return };
    let start = format!("GET {path} ");
    let n_before = {
        let mut heard = heard.lock().unwrap();
        let n = heard.iter().filter(|request| request.starts_with(&start)).count();
        heard.push(head.join("\n"));
        n
    };
    // Whoever asked may be gone already.
    let _ = stream.write_all(&answer(path, n_before));
}

/// An answer with those further header lines.
pub fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

pub const PLAIN: &str = "Content-Type: text/plain\r\n";
