//! What the routes answered. Each isolate counts for itself and tells the object that adds up what happened, after
//! the answer has left and at most once a second. What an isolate has not told when it ends is lost.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use durable::service_metrics::merge;
use durable::service_metrics::wire::Tally;
use limits::UnixMillis;
use serde_json::json;
use worker::{Delay, console_error};

use crate::app::{App, now};

/// Time between two reports of one isolate, in milliseconds.
const REPORT_PAUSE_MS: u64 = 1_000;

thread_local! {
    /// What happened since it was last told.
    static COUNTS: RefCell<Vec<Tally>> = const { RefCell::new(Vec::new()) };
    /// When the last report left, or the next one leaves. It takes everything along that is counted by then.
    static LEAVES_AT: Cell<UnixMillis> = const { Cell::new(UnixMillis(0)) };
}

/// Counts an answer: the route's path in the table, what it was answered with, and how long that took. `code` is the
/// stable name of a failure.
pub fn saw(path: &'static str, status: u16, code: Option<&str>, ms: u64) {
    let is_failure = status >= 400;
    let name = || code.map_or_else(|| format!("status_{status}"), str::to_owned);
    let tally = Tally {
        endpoint: path.to_owned(),
        n: 1,
        n_failed: u64::from(is_failure),
        total_ms: ms,
        errors: if is_failure { vec![(name(), 1)] } else { Vec::new() },
    };
    COUNTS.with_borrow_mut(|counts| merge(counts, [tally]));
}

/// Sees to it that what was counted is told: at once, or a second after the last report, even if nobody asks any more.
pub fn report(app: &App) {
    let (at, last) = (now(), LEAVES_AT.get());
    if at < last || COUNTS.with_borrow(Vec::is_empty) {
        return;
    }
    // If this one is lost with its request, its time passes all the same, and the next request sends another.
    let leaves_at = at.max(last.plus(REPORT_PAUSE_MS));
    LEAVES_AT.set(leaves_at);
    let wait_ms = at.until(leaves_at);
    let metrics = app.metrics();
    app.afterwards(async move {
        if wait_ms > 0 {
            Delay::from(Duration::from_millis(wait_ms)).await;
            // A timer may be early, and whoever comes from now on needs another report.
            LEAVES_AT.set(now());
        }
        let counted = COUNTS.take();
        if counted.is_empty() {
            return;
        }
        let told = match metrics {
            Ok(metrics) => metrics.add(counted.clone()).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(cause) = told {
            // Rather counted twice than not at all: the object may have written it down before it broke.
            COUNTS.with_borrow_mut(|counts| merge(counts, counted));
            console_error!("{}", json!({ "level": "error", "what": "metrics", "cause": cause }));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_route_and_failures_by_name() {
        saw("/compile", 200, None, 5);
        saw("/compile", 400, Some("invalid_body"), 1);
        saw("/notify", 502, None, 7);
        saw("/compile", 400, Some("invalid_body"), 2);
        saw("/ws/compile", 101, None, 3);
        let tally = |endpoint: &str, n, n_failed, total_ms, errors: &[(&str, u64)]| Tally {
            endpoint: endpoint.to_owned(),
            n,
            n_failed,
            total_ms,
            errors: errors.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
        };
        let expected = [
            tally("/compile", 3, 2, 8, &[("invalid_body", 2)]),
            tally("/notify", 1, 1, 7, &[("status_502", 1)]),
            tally("/ws/compile", 1, 0, 3, &[]),
        ];
        assert_eq!(COUNTS.take(), expected);
    }
}
