//! Turns at hashing passwords. The platform computes scrypt at once and lets nothing else run meanwhile: for some
//! 150 ms, everybody whose requests came to the same isolate waits. One client who sends many passwords at once
//! would make all others wait for all of them. So a client has some turns; a turn is taken before the record is
//! read, because that is where requests pile up, and given back when the hash is there.

use std::cell::RefCell;
use std::collections::HashMap;

use limits::{Identity, UnixMillis};

use crate::auth::error::AuthError;

/// Turns that one identity may have at a time. A room of people behind one address may sign in at once; nobody else
/// waits for more than some five seconds of one client's hashing.
const MAX_TURNS: usize = 32;
/// Seconds after which it is worth another try: by then those turns are over.
const RETRY_SECONDS: u64 = 1;
/// A turn is over after so many milliseconds, given back or not: when a client leaves, the platform may end its
/// request without a word to anybody.
const LONGEST_TURN_MS: u64 = 10_000;

thread_local! {
    /// When turns were taken. Requests of one isolate share it; those of another don't wait for this one's hashes.
    static TAKEN: RefCell<HashMap<Identity, Vec<UnixMillis>>> = RefCell::default();
}

/// A turn; given back when it is dropped.
#[must_use]
pub struct Turn {
    identity: Identity,
    taken_at: UnixMillis,
}

impl Turn {
    /// Takes a turn for whoever asks: a network, or a user who is signed in.
    ///
    /// # Errors
    /// 429 if all turns are taken.
    pub fn take(identity: Identity, now: UnixMillis) -> Result<Self, AuthError> {
        TAKEN.with_borrow_mut(|taken| {
            taken.retain(|_, turns| {
                turns.retain(|taken_at| taken_at.until(now) < LONGEST_TURN_MS);
                !turns.is_empty()
            });
            let turns = taken.entry(identity.clone()).or_default();
            if turns.len() >= MAX_TURNS {
                return Err(AuthError::too_many_requests(RETRY_SECONDS));
            }
            turns.push(now);
            Ok(Self { identity, taken_at: now })
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.with_borrow_mut(|taken| {
            let Some(turns) = taken.get_mut(&self.identity) else { return };
            if let Some(mine) = turns.iter().position(|taken_at| *taken_at == self.taken_at) {
                turns.swap_remove(mine);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn network(address: &str) -> Identity {
        format!("net:{address}").parse().unwrap()
    }

    #[test]
    fn an_identity_has_so_many_turns_at_a_time() {
        let take = || Turn::take(network("192.0.2.1"), NOW);
        let mut turns: Vec<Turn> = (0..MAX_TURNS).map(|_| take().ok().unwrap()).collect();
        assert_eq!(take().err(), Some(AuthError::too_many_requests(1)));
        assert!(Turn::take(network("192.0.2.2"), NOW).is_ok());
        turns.pop();
        let last = take();
        assert!(last.is_ok() && take().is_err());
        drop((turns, last));
        assert!(take().is_ok());
    }

    #[test]
    fn turns_that_nobody_gives_back_are_over_some_day() {
        let take = |later: u64| Turn::take(network("192.0.2.3"), UnixMillis(NOW.0 + later));
        let turns: Vec<Turn> = (0..MAX_TURNS).map(|_| take(0).ok().unwrap()).collect();
        assert!(take(9_999).is_err());
        let next = take(10_000);
        assert!(next.is_ok());
        // Those that are over give nobody else's back.
        drop(turns);
        assert_eq!(TAKEN.with_borrow(|taken| taken.values().map(Vec::len).sum::<usize>()), 1);
    }
}
