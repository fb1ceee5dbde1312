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

    /// Units per window, or `None` if there is no limit.
    #[must_use]
    pub const fn limit(self) -> Option<u32> {
        match self {
            Self::Units(units) => Some(units.get()),
            Self::Unlimited => None,
        }
    }
}

/// Over what stretch of time a quota counts. Lengths are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// Opens with the first request and is over `ms` later.
    Fixed {
        /// Length.
        ms: u64,
    },
    /// Opens and ends at whole multiples of `ms` since 1970, in UTC.
    Calendar {
        /// Length.
        ms: u64,
    },
    /// Any stretch of `ms`: a unit counts until `ms` after it was taken. Exact, because every unit is
    /// remembered; therefore only for quotas up to [`Window::MAX_LOG`].
    Sliding {
        /// Length.
        ms: u64,
    },
    /// A bucket that holds the quota and is refilled evenly, in `ms` from empty to full: the generic cell
    /// rate algorithm (ITU-T I.371). In any stretch `t` it lets through at most the quota and what is
    /// refilled in `t`.
    Bucket {
        /// Time from empty to full.
        ms: u64,
    },
    /// Units are held until they are released, or until `ms` after they were taken: a lost release can't
    /// lock a key for ever.
    Concurrency {
        /// Longest time a unit is held.
        ms: u64,
    },
}

impl Window {
    /// Largest quota of a sliding window: its log then takes some 16 KiB.
    pub const MAX_LOG: u32 = 512;
    /// Longest window: 31 days.
    pub const MAX_MS: u64 = 31 * 24 * 60 * 60 * 1000;

    /// Its length in milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        match self {
            Self::Fixed { ms }
            | Self::Calendar { ms }
            | Self::Sliding { ms }
            | Self::Bucket { ms }
            | Self::Concurrency { ms } => ms,
        }
    }
}

/// What becomes of a request when nobody can be asked whether there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnOutage {
    /// It is refused: nothing is admitted that is not counted.
    Refuse,
    /// It is admitted and not counted here.
    Admit,
}

/// Why a policy can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The name is no name.
    #[error("must be 1 to 32 lower-case letters, digits and dashes")]
    Name,
    /// The window is too short or too long.
    #[error("must be 1 ms to 31 days")]
    Length,
    /// The quota is too large for a log of every unit.
    #[error("must be at most 512 for a sliding window")]
    Log,
    /// A bucket would be refilled faster than one unit per microsecond, the finest time it knows.
    #[error("must be at most 1000 per millisecond for a bucket")]
    Rate,
}

impl PolicyError {
    /// The field that is wrong: `name`, `seconds` or `quota`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Length => "seconds",
            Self::Log | Self::Rate => "quota",
        }
    }
}

/// A named rule: a quota over a window, and how strictly it is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    name: String,
    quota: Quota,
    window: Window,
    on_outage: OnOutage,
    shadow: bool,
}

impl Policy {
    /// A policy that refuses when nobody can be asked, and that is enforced.
    ///
    /// # Errors
    /// [`PolicyError`], the first rule that is broken.
    pub fn new(name: &str, quota: Quota, window: Window) -> Result<Self, PolicyError> {
        let is_name_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(is_name_byte) {
            return Err(PolicyError::Name);
        }
        if window.ms() == 0 || window.ms() > Window::MAX_MS {
            return Err(PolicyError::Length);
        }
        let policy =
            Self { name: name.to_owned(), quota, window, on_outage: OnOutage::Refuse, shadow: false };
        policy.check_quota(quota).map(|()| policy)
    }

    fn check_quota(&self, quota: Quota) -> Result<(), PolicyError> {
        match (self.window, quota) {
            (Window::Sliding { .. }, Quota::Units(units)) if units.get() > Window::MAX_LOG => {
                Err(PolicyError::Log)
            }
            (Window::Bucket { ms }, Quota::Units(units))
                if u64::from(units.get()) > ms.saturating_mul(1000) =>
            {
                Err(PolicyError::Rate)
            }
            _ => Ok(()),
        }
    }

    /// The same with another quota, e.g. an override.
    ///
    /// # Errors
    /// [`PolicyError::Log`] or [`PolicyError::Rate`], if the window can't count that much.
    pub fn with_quota(&self, quota: Quota) -> Result<Self, PolicyError> {
        self.check_quota(quota)?;
        Ok(Self { quota, ..self.clone() })
    }

    /// The same with another rule for outages.
    #[must_use]
    pub fn with_on_outage(self, on_outage: OnOutage) -> Self {
        Self { on_outage, ..self }
    }

    /// The same, enforced or only recorded.
    #[must_use]
    pub fn with_shadow(self, shadow: bool) -> Self {
        Self { shadow, ..self }
    }

    /// Names the ledger, and stands in the `RateLimit` fields.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Units per window.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Over what stretch of time the quota counts.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// What becomes of a request when nobody can be asked.
    #[must_use]
    pub const fn on_outage(&self) -> OnOutage {
        self.on_outage
    }

    /// Whether it decides and records, but never refuses.
    #[must_use]
    pub const fn shadow(&self) -> bool {
        self.shadow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, units: u32, window: Window) -> Result<Policy, PolicyError> {
        Policy::new(name, Quota::units(units).unwrap(), window)
    }

    #[test]
    fn no_quota_is_zero() {
        assert_eq!(Quota::units(0), None);
        assert_eq!(Quota::units(10).unwrap().limit(), Some(10));
        assert_eq!(Quota::Unlimited.limit(), None);
    }

    #[test]
    fn what_cannot_be_is_not_built() {
        let minute = Window::Fixed { ms: 60_000 };
        for name in ["", "Requests", "a b", "é", "a\"", &"a".repeat(33)] {
            assert_eq!(policy(name, 1, minute), Err(PolicyError::Name), "{name:?}");
        }
        assert!(policy("api-key-2", 1, minute).is_ok());
        assert_eq!(policy("a", 1, Window::Fixed { ms: 0 }), Err(PolicyError::Length));
        assert_eq!(policy("a", 1, Window::Bucket { ms: Window::MAX_MS + 1 }), Err(PolicyError::Length));
        assert!(policy("a", 512, Window::Sliding { ms: 1 }).is_ok());
        assert_eq!(policy("a", 513, Window::Sliding { ms: 1 }), Err(PolicyError::Log));
        assert_eq!(policy("a", 1001, Window::Bucket { ms: 1 }), Err(PolicyError::Rate));
        let sliding = policy("a", 512, Window::Sliding { ms: 1 }).unwrap();
        assert_eq!(sliding.with_quota(Quota::units(513).unwrap()), Err(PolicyError::Log));
    }
}
