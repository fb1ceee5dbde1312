//! Whose credentials those are that don't tell it themselves: keys of old, by their hash, and users of Clerk's, by
//! Clerk's id. None of them ever changes hands, so what was true once is true for ever; whether it is still good, the
//! owner's object knows.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use limits::UserId;

/// Owners kept. About 200 bytes each, so at most some 2 MB of an isolate's 128.
const MAX_OWNERS: usize = 10_000;

thread_local! {
    static OWNERS: RefCell<HashMap<String, UserId>> = RefCell::default();
    /// What a record is being asked about.
    static ASKED: RefCell<HashSet<String>> = RefCell::default();
}

/// Asking about something is one request's turn, until this is dropped.
pub struct Turn(String);

impl Drop for Turn {
    fn drop(&mut self) {
        ASKED.with_borrow_mut(|asked| asked.remove(&self.0));
    }
}

/// The turn to ask about this; none while somebody else has it. Whoever has it asks with a deadline, so it comes
/// round.
pub fn take_turn(name: &str) -> Option<Turn> {
    let is_free = ASKED.with_borrow_mut(|asked| asked.insert(name.to_owned()));
    is_free.then(|| Turn(name.to_owned()))
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
