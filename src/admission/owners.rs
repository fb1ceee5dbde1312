//! Whose credentials those are that don't tell it themselves: keys of old, by their hash, and users of Clerk's, by
//! Clerk's id. None of them ever changes hands, so what was true once is true for ever; whether it is still good, the
//! owner's object knows.

use std::cell::RefCell;
use std::collections::HashMap;

use limits::UserId;

/// Owners kept. About 200 bytes each, so at most some 2 MB of an isolate's 128.
const MAX_OWNERS: usize = 10_000;

thread_local! {
    static OWNERS: RefCell<HashMap<String, UserId>> = RefCell::default();
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
