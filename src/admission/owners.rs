//! Whose keys those are that don't tell it themselves. A key never changes hands, so what was true once is true for
//! ever; whether the key is still good, the owner's object knows.

use std::cell::RefCell;
use std::collections::HashMap;

use limits::UserId;

/// Owners kept. About 200 bytes each, so at most some 2 MB of an isolate's 128.
const MAX_OWNERS: usize = 10_000;

thread_local! {
    static OWNERS: RefCell<HashMap<String, UserId>> = RefCell::default();
}

/// The owner of the key with this hash, if a record told it to this isolate.
pub fn find(hash: &str) -> Option<UserId> {
    OWNERS.with_borrow(|owners| owners.get(hash).copied())
}

/// Remembers what the record told.
pub fn keep(hash: String, owner: UserId) {
    OWNERS.with_borrow_mut(|owners| {
        // Forgetting them all costs a look at the record each, and the bound is kept.
        if owners.len() >= MAX_OWNERS {
            owners.clear();
        }
        owners.insert(hash, owner);
    });
}
