//! The rules that are enforced.

use std::num::NonZeroU32;

/// Units per window.
///
/// A quota of zero can't be built: "nothing at all" is a ban, which is a different answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quota {
    /// So many units per window.
    Units(NonZeroU32),
    /// Never denied, but still counted, so that the load can be seen.
    Unlimited,
}

impl Quota {
    /// A quota of `units`, or `None` for 0.
    #[must_use]
    pub const fn units(units: u32) -> Option<Self> {
        match NonZeroU32::new(units) {
            Some(units) => Some(Self::Units(units)),
            None => None,
        }
    }

    /// A quota of `units`, and of 1 for 0: for constants in the code, where a test pins the number.
    #[must_use]
    pub const fn at_least_one(units: u32) -> Self {
        Self::Units(NonZeroU32::MIN.saturating_add(units.saturating_sub(1)))
    }

    /// Units per window, or `None` if there is no limit.
    #[must_use]
    pub const fn limit(self) -> Option<u32> {
        match self {
            Self::Units(units) => Some(units.get()),
            Self::Unlimited => None,
        }
    }
}

/// A named rule: so many units in a window that opens with the first request and stays shut to
/// more until it ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Names the ledger and stands in the `RateLimit` fields: lower-case ASCII letters and dashes.
    pub name: String,
    /// Units per window.
    pub quota: Quota,
    /// Length of the window in milliseconds.
    pub window_ms: u64,
}

impl Policy {
    /// A policy over a fixed window of `window_ms` milliseconds.
    #[must_use]
    pub fn fixed(name: &str, quota: Quota, window_ms: u64) -> Self {
        Self { name: name.to_owned(), quota, window_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_quota_is_zero() {
        assert_eq!(Quota::units(0), None);
        assert_eq!(Quota::at_least_one(0).limit(), Some(1));
        assert_eq!(Quota::at_least_one(10).limit(), Some(10));
        assert_eq!(Quota::at_least_one(u32::MAX).limit(), Some(u32::MAX));
    }
}
