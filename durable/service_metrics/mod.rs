//! One object for the whole service: it adds up what happened, for the last half hour and since it exists.
//!
//! Every isolate of the front Worker tells it at most once a second what its endpoints answered; the objects of
//! source hosts tell which hosts are left alone, and the schedule what it found when it looked at health. All of it
//! is kept as it comes: six windows of five minutes, fixed to the clock, and one sum of everything.
//!
//! # Guarantees
//! - Counts that were acknowledged are there after a crash.
//! - Whatever it is told, it keeps at most [`MAX_ENDPOINTS`] endpoints for a window, with [`MAX_ERRORS`] errors each,
//!   and the newest [`MAX_BREAKERS`] hosts. What there is no room for is added up under [`OTHER`].
//!
//! Out of scope: whose requests they were. Nothing in here tells one client from another.

mod object;
mod schema;
mod stub;
pub mod wire;

pub use object::ServiceMetrics;
pub use stub::{BINDING, MetricsStub};
use wire::Tally;

/// Endpoints that are told apart, [`OTHER`] included: every row of the table of routes has room.
pub const MAX_ENDPOINTS: usize = 128;
/// Errors of one endpoint that are told apart, [`OTHER`] included.
pub const MAX_ERRORS: usize = 32;
/// Hosts of sources that are remembered.
pub const MAX_BREAKERS: usize = 256;
/// What everything is called that there is no room for.
pub const OTHER: &str = "other";

/// Bytes of a name. So a window with all its names has about a megabyte, and the platform takes two in one row.
const MAX_NAME_BYTES: usize = 128;
/// Bytes of a host: a name has 253 at most (RFC 1035 section 2.3.4), and a colon and a port 6.
const MAX_HOST_BYTES: usize = 259;
/// Length of a window, in milliseconds.
const WINDOW_MS: u64 = 300_000;
/// Windows that make up what is called recent, the one that is open included.
const N_WINDOWS: u64 = 6;
/// How long a host is remembered that is not left alone any more, in milliseconds.
const KEEP_CLOSED_MS: u64 = 60 * 60_000;

/// Adds `more` to what is known. Names are cut off, and what there is no room for goes under [`OTHER`].
pub fn merge(known: &mut Vec<Tally>, more: impl IntoIterator<Item = Tally>) {
    for one in more {
        let names = known.iter().map(|tally| tally.endpoint.as_str());
        let endpoint = fit(one.endpoint.clone(), names, MAX_ENDPOINTS);
        match known.iter_mut().find(|tally| tally.endpoint == endpoint) {
            Some(tally) => add(tally, one),
            None => {
                let mut tally = Tally { endpoint, n: 0, n_failed: 0, total_ms: 0, errors: Vec::new() };
                add(&mut tally, one);
                known.push(tally);
            }
        }
    }
}

fn add(tally: &mut Tally, one: Tally) {
    tally.n = tally.n.saturating_add(one.n);
    tally.n_failed = tally.n_failed.saturating_add(one.n_failed);
    tally.total_ms = tally.total_ms.saturating_add(one.total_ms);
    for (name, n) in one.errors {
        let name = fit(name, tally.errors.iter().map(|(known, _)| known.as_str()), MAX_ERRORS);
        match tally.errors.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum = sum.saturating_add(n),
            None => tally.errors.push((name, n)),
        }
    }
}

/// The name that something is added up under: its own, or [`OTHER`] if there are `most` names already but one.
fn fit<'a>(name: String, known: impl Iterator<Item = &'a str>, most: usize) -> String {
    let name = bounded(name, MAX_NAME_BYTES);
    let mut n_known = 0;
    for one in known {
        if one == name {
            return name;
        }
        n_known += 1;
    }
    if n_known + 1 < most { name } else { OTHER.to_owned() }
}

/// The text without what can't be shown, cut off where it gets too long.
fn bounded(mut text: String, most: usize) -> String {
    text.retain(|character| !character.is_control());
    text.truncate(text.floor_char_boundary(most));
    text
}

/// When the window began that is open at this instant.
const fn window_at(now: u64) -> u64 {
    now - now % WINDOW_MS
}

/// When the oldest window began that is still recent.
const fn oldest_window_at(now: u64) -> u64 {
    window_at(now).saturating_sub((N_WINDOWS - 1) * WINDOW_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(endpoint: &str, n: u64, errors: &[(&str, u64)]) -> Tally {
        let errors: Vec<_> = errors.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let n_failed = errors.iter().map(|(_, n)| n).sum();
        Tally { endpoint: endpoint.to_owned(), n, n_failed, total_ms: 10 * n, errors }
    }

    fn merged(tallies: impl IntoIterator<Item = Tally>) -> Vec<Tally> {
        let mut known = Vec::new();
        merge(&mut known, tallies);
        known
    }

    #[test]
    fn what_has_the_same_name_is_added_up() {
        let known = merged([
            tally("/a", 3, &[("x", 1)]),
            tally("/b", 1, &[]),
            tally("/a", 5, &[("y", 2), ("x", 1), ("y", 1)]),
        ]);
        assert_eq!(known, [tally("/a", 8, &[("x", 2), ("y", 3)]), tally("/b", 1, &[])]);
    }

    #[test]
    fn nothing_changes_nothing() {
        let mut known = merged([tally("/a", 3, &[("x", 1)])]);
        merge(&mut known, []);
        assert_eq!(known, [tally("/a", 3, &[("x", 1)])]);
    }

    /// In whatever portions it comes.
    #[test]
    fn nothing_is_lost_when_there_is_no_room() {
        let many: Vec<Tally> = (0..300).map(|n| tally(&format!("/{n}"), n, &[("x", n)])).collect();
        let mut known = merged(many.iter().take(100).cloned());
        merge(&mut known, many.iter().skip(100).cloned());
        assert_eq!(known, merged(many.clone()));
        assert_eq!(known.len(), MAX_ENDPOINTS);
        assert_eq!(known.last().unwrap().endpoint, OTHER);
        assert_eq!(known.iter().map(|tally| tally.n).sum::<u64>(), (0..300).sum::<u64>());

        // Who is known keeps being told apart.
        merge(&mut known, [tally("/7", 1, &[])]);
        assert_eq!(known[7].n, 8);
        assert_eq!(known.len(), MAX_ENDPOINTS);
    }

    #[test]
    fn errors_have_a_bound_of_their_own() {
        let names: Vec<String> = (0..50).map(|n| format!("e{n}")).collect();
        let errors: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let known = merged([tally("/a", 50, &errors), tally("/a", 1, &[("e49", 1)])]);
        assert_eq!(known[0].errors.len(), MAX_ERRORS);
        assert_eq!(*known[0].errors.last().unwrap(), (OTHER.to_owned(), 20));
        assert_eq!(known[0].errors.iter().map(|(_, n)| n).sum::<u64>(), 51);
    }

    #[test]
    fn names_are_cut_off_within_characters_bounds() {
        let known = merged([tally(&"é".repeat(100), 1, &[(&"x".repeat(200), 1), ("a\nb\u{0}", 1)])]);
        assert_eq!(known[0].endpoint, "é".repeat(64));
        assert_eq!(known[0].errors[0].0, "x".repeat(128));
        assert_eq!(known[0].errors[1].0, "ab");
    }

    #[test]
    fn numbers_stay_where_they_end() {
        let known = merged([tally("/a", 1, &[("x", 1)]), tally("/a", u64::MAX / 10, &[("x", u64::MAX)])]);
        assert_eq!((known[0].n_failed, known[0].errors[0].1), (u64::MAX, u64::MAX));
    }

    #[test]
    fn six_windows_are_recent() {
        assert_eq!(window_at(1_800_000_123_456), 1_800_000_000_000);
        assert_eq!(window_at(1_800_000_299_999), 1_800_000_000_000);
        assert_eq!(window_at(1_800_000_300_000), 1_800_000_300_000);
        assert_eq!(oldest_window_at(1_800_000_123_456), 1_799_998_500_000);
        assert_eq!(oldest_window_at(7), 0);
    }

    /// A change here loses what was counted since the object exists.
    #[test]
    fn stored_tallies_are_pinned() {
        let text = r#"{"endpoint":"/a","n":3,"n_failed":1,"total_ms":30,"errors":[["x",1]]}"#;
        assert_eq!(serde_json::to_string(&tally("/a", 3, &[("x", 1)])).unwrap(), text);
    }
}
