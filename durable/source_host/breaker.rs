//! When a host that fails again and again is left alone, and for how long.
//!
//! Pure: time is an argument. What counts as a failure is the caller's word.

use serde::{Deserialize, Serialize};

/// So many failures in a row, and the host is left alone.
const MAX_FAILURES: u32 = 5;
/// How long it is left alone at first, in milliseconds. Tests can't wait for that.
const FIRST_PAUSE_MS: u64 = if cfg!(feature = "faults") { 2_000 } else { 30_000 };
/// How long at most. Each time it turns out to fail still, it is twice as long.
const MAX_PAUSE_MS: u64 = 5 * 60_000;
/// While somebody finds out how the host is, others are told to come again after so many milliseconds.
const PROBE_MS: u64 = 1_000;
/// How long a failure is remembered if nobody asks any more, in milliseconds.
const KEEP_MS: u64 = 60 * 60_000;

/// How a host has been answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breaker {
    /// It is asked.
    Closed {
        /// Failures since it last did not fail.
        n_failures: u32,
    },
    /// It is left alone, and then asked by one at a time.
    Open {
        /// Until then nobody asks, in milliseconds since 1970.
        until: u64,
        /// How long that is from when it last failed.
        pause_ms: u64,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { n_failures: 0 }
    }
}

impl Breaker {
    /// Whether the host is left alone.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// When to come again; none if the host may be asked now. `is_probed` is whether somebody is finding out how it
    /// is.
    pub fn retry_in_ms(self, now: u64, is_probed: bool) -> Option<u64> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { until, .. } if now < until => Some(until - now),
            Self::Open { .. } => is_probed.then_some(PROBE_MS),
        }
    }

    /// How it is after the host was asked. `is_probe` is whether it was asked to find out how it is.
    #[must_use]
    pub fn after(self, failed: bool, is_probe: bool, now: u64) -> Self {
        match (self, failed) {
            // Whoever began to ask before says nothing new.
            (Self::Open { .. }, _) if !is_probe => self,
            (_, false) => Self::default(),
            (Self::Open { pause_ms, .. }, true) => Self::open(pause_ms.saturating_mul(2), now),
            (Self::Closed { n_failures }, true) if n_failures + 1 < MAX_FAILURES => {
                Self::Closed { n_failures: n_failures + 1 }
            }
            (Self::Closed { .. }, true) => Self::open(FIRST_PAUSE_MS, now),
        }
    }

    /// When it is forgotten unless the host is asked again.
    pub fn over_at(self, now: u64) -> u64 {
        match self {
            Self::Closed { .. } => now + KEEP_MS,
            Self::Open { until, .. } => until + KEEP_MS,
        }
    }

    fn open(pause_ms: u64, now: u64) -> Self {
        let pause_ms = pause_ms.min(MAX_PAUSE_MS);
        Self::Open { until: now + pause_ms, pause_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn after_failures(n: u32) -> Breaker {
        (0..n).fold(Breaker::default(), |breaker, _| breaker.after(true, false, NOW))
    }

    #[test]
    fn five_failures_in_a_row_are_too_many() {
        assert_eq!(after_failures(4), Breaker::Closed { n_failures: 4 });
        assert_eq!(after_failures(4).retry_in_ms(NOW, false), None);
        let open = after_failures(5);
        assert!(open.is_open());
        assert_eq!(open.retry_in_ms(NOW, false), Some(FIRST_PAUSE_MS));
        assert_eq!(open.retry_in_ms(NOW + FIRST_PAUSE_MS - 1, false), Some(1));
    }

    #[test]
    fn a_success_in_between_starts_the_count_anew() {
        let again = after_failures(4).after(false, false, NOW);
        assert_eq!(again, Breaker::default());
        assert!(!(0..4).fold(again, |breaker, _| breaker.after(true, false, NOW)).is_open());
    }

    #[test]
    fn one_finds_out_and_the_others_wait() {
        let (open, then) = (after_failures(5), NOW + FIRST_PAUSE_MS);
        assert_eq!(open.retry_in_ms(then, false), None);
        assert_eq!(open.retry_in_ms(then, true), Some(PROBE_MS));
        assert_eq!(open.after(false, true, then), Breaker::default());
        assert!(open.after(true, true, then).is_open());
    }

    #[test]
    fn the_pause_doubles_up_to_its_bound() {
        let (mut breaker, mut now, mut expected) = (after_failures(5), NOW, FIRST_PAUSE_MS);
        for _ in 0..20 {
            assert_eq!(breaker.retry_in_ms(now, false), Some(expected));
            now += expected;
            breaker = breaker.after(true, true, now);
            expected = (expected * 2).min(MAX_PAUSE_MS);
        }
        assert_eq!(expected, MAX_PAUSE_MS);
        // Once it was good, it begins small again.
        let good = breaker.after(false, true, now);
        let bad = (0..5).fold(good, |breaker, _| breaker.after(true, false, now));
        assert_eq!(bad.retry_in_ms(now, false), Some(FIRST_PAUSE_MS));
    }

    #[test]
    fn late_answers_change_nothing_while_it_is_left_alone() {
        let open = after_failures(5);
        for failed in [false, true] {
            assert_eq!(open.after(failed, false, NOW + FIRST_PAUSE_MS + 1), open);
        }
    }

    #[test]
    fn it_is_not_forgotten_before_the_host_may_be_asked() {
        assert_eq!(after_failures(1).over_at(NOW), NOW + KEEP_MS);
        assert_eq!(after_failures(5).over_at(NOW), NOW + FIRST_PAUSE_MS + KEEP_MS);
    }

    /// A change here can't read what is stored, and every fetch from such a host fails.
    #[test]
    fn stored_breakers_are_pinned() {
        for (breaker, text) in [
            (Breaker::Closed { n_failures: 3 }, r#"{"closed":{"n_failures":3}}"#),
            (Breaker::Open { until: 9, pause_ms: 7 }, r#"{"open":{"until":9,"pause_ms":7}}"#),
        ] {
            assert_eq!(serde_json::to_string(&breaker).unwrap(), text);
            assert_eq!(serde_json::from_str::<Breaker>(text).unwrap(), breaker);
        }
    }
}
