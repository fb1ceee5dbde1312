//! Whose credentials those are that don't tell it themselves: keys of old, by their hash, and users of Clerk's, by
//! Clerk's id. None of them ever changes hands, so what was true once is true for ever; whether it is still good, the
//! owner's object knows.

use std::cell::RefCell;
use std::collections::HashMap;

use limits::{UnixMillis, UserId};

/// Owners kept. About 200 bytes each, so at most some 2 MB of an isolate's 128.
const MAX_OWNERS: usize = 10_000;

/// How long a turn lasts at most, in milliseconds: longer than any answer takes.
const MAX_TURN_MS: u64 = 5_000;

thread_local! {
    static OWNERS: RefCell<HashMap<String, UserId>> = RefCell::default();
    /// What a record is being asked about, and since when.
    static ASKED: RefCell<HashMap<String, UnixMillis>> = RefCell::default();
}

/// Asking about something is one request's turn, until this is dropped.
pub struct Turn {
    name: String,
    since: UnixMillis,
}

impl Drop for Turn {
    fn drop(&mut self) {
        ASKED.with_borrow_mut(|asked| {
            if asked.get(&self.name) == Some(&self.since) {
                asked.remove(&self.name);
            }
        });
    }
}

/// The turn to ask about this; none while somebody else has it. A client that leaves may take its request away in
/// the middle, so a turn is over after [`MAX_TURN_MS`] whatever happens.
pub fn take_turn(name: &str, now: UnixMillis) -> Option<Turn> {
    ASKED.with_borrow_mut(|asked| {
        if asked.get(name).is_some_and(|since| since.until(now) < MAX_TURN_MS) {
            return None;
        }
        asked.insert(name.to_owned(), now);
        Some(Turn { name: name.to_owned(), since: now })
    })
}

/// Whose this is, if a record told it to this isolate.
pub fn find(name: &str) -> Option<UserId> {
    OWNERS.with_borrow(|owners| owners.get(name).copied())
}

/// Remembers what the record told.
pub fn keep(name: String, owner: UserId) {
    OWNERS.with_borrow_mut(|owners| {
        // Forgetting them all costs a look at the record each, and the bound is kept.
        if owners.len() >= MAX_OWNERS {
            owners.clear();
        }
        owners.insert(name, owner);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_asks_and_the_others_wait() {
        let now = UnixMillis(1_800_000_000_000);
        let turn = take_turn("a", now).unwrap();
        assert!(take_turn("a", now.plus(MAX_TURN_MS - 1)).is_none());
        assert!(take_turn("b", now).is_some());
        // Whoever had it is gone for all that is known; if not, it gives back its own turn alone.
        let later = take_turn("a", now.plus(MAX_TURN_MS)).unwrap();
        drop(turn);
        assert!(take_turn("a", now.plus(MAX_TURN_MS)).is_none());
        drop(later);
        assert!(take_turn("a", now).is_some());
    }
}
