//! Refusals that are remembered for a moment, so that a flood does not reach the objects.
//!
//! Safe to lose and never wrong for long: an entry is used for at most [`MAX_AGE_MS`] and never beyond the
//! instant at which the refused request would fit. So an admin's reset takes effect within that time, and
//! `Retry-After` stays exact.

use std::collections::HashMap;

use limits::UnixMillis;

/// How long a refusal is believed, in milliseconds. The published bound of a reset's delay.
const MAX_AGE_MS: u64 = 2_000;
/// Refusals kept. About 300 bytes each, so at most some 3 MB of an isolate's 128.
const MAX_ENTRIES: usize = 10_000;

/// What is remembered of one refusal.
#[derive(Debug, Clone)]
struct Entry<R> {
    kept_at: UnixMillis,
    /// By the clock of `kept_at`; none if the same request never fits.
    fits_at: Option<UnixMillis>,
    refusal: R,
}

/// Refusals by identity, what was counted, and what it cost.
#[derive(Debug)]
pub struct Refusals<R> {
    entries: HashMap<String, Entry<R>>,
}

impl<R> Default for Refusals<R> {
    fn default() -> Self {
        Self { entries: HashMap::new() }
    }
}

impl<R> Refusals<R> {
    /// The refusal of a request like this one, and how many milliseconds ago it was made.
    pub fn find(&self, key: &str, now: UnixMillis) -> Option<(&R, u64)> {
        let entry = self.entries.get(key)?;
        let age_ms = now.0.checked_sub(entry.kept_at.0)?;
        let holds = age_ms < MAX_AGE_MS && entry.fits_at.is_none_or(|fits_at| now < fits_at);
        holds.then_some((&entry.refusal, age_ms))
    }

    /// Remembers a refusal made at `now` that holds for `wait_ms`; for ever if none.
    pub fn keep(&mut self, key: String, now: UnixMillis, wait_ms: Option<u64>, refusal: R) {
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.retain(|_, entry| entry.kept_at.until(now) < MAX_AGE_MS);
            // All of them fresh: forgetting them costs one call each, and the bound is kept.
            if self.entries.len() >= MAX_ENTRIES {
                self.entries.clear();
            }
        }
        let fits_at = wait_ms.map(|wait_ms| now.plus(wait_ms));
        self.entries.insert(key, Entry { kept_at: now, fits_at, refusal });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn kept(wait_ms: Option<u64>) -> Refusals<&'static str> {
        let mut refusals = Refusals::default();
        refusals.keep("net:203.0.113.9".to_owned(), NOW, wait_ms, "no");
        refusals
    }

    #[test]
    fn a_refusal_is_believed_for_two_seconds() {
        let refusals = kept(Some(60_000));
        assert_eq!(refusals.find("net:203.0.113.9", NOW.plus(1_999)), Some((&"no", 1_999)));
        assert_eq!(refusals.find("net:203.0.113.9", NOW.plus(2_000)), None);
        assert_eq!(refusals.find("net:203.0.113.10", NOW), None);
    }

    #[test]
    fn it_ends_when_the_request_fits() {
        let refusals = kept(Some(500));
        assert!(refusals.find("net:203.0.113.9", NOW.plus(499)).is_some());
        assert_eq!(refusals.find("net:203.0.113.9", NOW.plus(500)), None);
    }

    #[test]
    fn a_clock_that_goes_back_forgets() {
        assert_eq!(kept(None).find("net:203.0.113.9", UnixMillis(NOW.0 - 1)), None);
    }

    #[test]
    fn there_are_never_more_than_the_bound() {
        let mut refusals = Refusals::default();
        for n in 0..3 * MAX_ENTRIES {
            refusals.keep(n.to_string(), NOW, None, ());
            assert!(refusals.entries.len() <= MAX_ENTRIES);
        }
    }
}
