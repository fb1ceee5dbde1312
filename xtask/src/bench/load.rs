//! The load: keep-alive HTTP/1.1 over the loopback interface, from as many threads as connections. Each
//! connection sends its next request when it has the whole answer to the one before.

use std::net::Ipv4Addr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::http::Connection;

/// Requests under way at a time. Enough that the server always has the next one at hand.
pub const CONNECTIONS: usize = 16;
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
