//! The rules that are enforced: how much, in which window, and what if nobody can be asked.

use std::borrow::Cow;
use std::num::NonZeroU32;

use crate::UnixMillis;

/// The longest window: 31 days, in milliseconds.
pub const MAX_WINDOW_MS: u64 = 31 * 24 * 60 * 60 * 1000;

/// The longest name of a policy, in bytes.
pub const MAX_NAME_BYTES: usize = 32;

/// The most units that a window which remembers each taking apart can hold.
///
/// Its ledger is written whole on each permit: 512 entries of some 30 bytes are 15 KB.
pub const MAX_LOGGED_UNITS: u32 = 512;

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

/// Over which time the units of a quota are counted. All lengths are milliseconds, 1 to
/// [`MAX_WINDOW_MS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// Opens with its first request; when it ends, all units are back at once.
    Fixed {
        /// Length.
        ms: u64,
    },
    /// Like `Fixed`, but begins at multiples of its length since the epoch (UTC).
    Calendar {
        /// Length.
        ms: u64,
    },
    /// Each unit comes back exactly `ms` after it was taken: no interval of that length ever holds
    /// more than the quota. At most [`MAX_LOGGED_UNITS`].
    Sliding {
        /// Length.
        ms: u64,
    },
    /// A bucket that holds the quota and regains it evenly, quota units per `ms` (the generic cell
    /// rate algorithm). Quota times `ms` is at most 2^53, the finest its arithmetic can tell apart.
    Bucket {
        /// Time in which an empty bucket fills up.
        ms: u64,
    },
    /// Units are held until they are released, or for `lease_ms`: a release that gets lost can't
    /// lock anybody out for ever. At most [`MAX_LOGGED_UNITS`].
    Concurrency {
        /// How long a unit is held if nobody releases it.
        lease_ms: u64,
    },
}

impl Window {
    /// The length in milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        match self {
            Self::Fixed { ms }
            | Self::Calendar { ms }
            | Self::Sliding { ms }
            | Self::Bucket { ms }
            | Self::Concurrency { lease_ms: ms } => ms,
        }
    }

    /// The largest quota that this window counts exactly.
    #[must_use]
    pub fn most_units(self) -> u32 {
        match self {
            Self::Fixed { .. } | Self::Calendar { .. } => u32::MAX,
            Self::Sliding { .. } | Self::Concurrency { .. } => MAX_LOGGED_UNITS,
            Self::Bucket { ms } => u32::try_from((1 << 53) / ms.max(1)).unwrap_or(u32::MAX),
        }
    }
}

/// What to do with a request while the object that counts can't be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnOutage {
    /// Let it through uncounted.
    Admit,
    /// Turn it away.
    Refuse,
}

/// Why a policy can't be built. Each message begins with the field at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The name is empty or longer than [`MAX_NAME_BYTES`].
    #[error("name: {bytes} bytes, must be 1 to {MAX_NAME_BYTES}")]
    NameLength {
        /// Its length.
        bytes: usize,
    },
    /// The name has a character other than `a` to `z`, `0` to `9` and `-`.
    #[error("name: {character:?} is not a lower-case ASCII letter, digit or dash")]
    NameCharacter {
        /// The first such character.
        character: char,
    },
    /// The window is empty or longer than [`MAX_WINDOW_MS`].
    #[error("window: {ms} ms, must be 1 to {MAX_WINDOW_MS}")]
    WindowLength {
        /// Its length in milliseconds.
        ms: u64,
    },
    /// The window can't count so many units exactly.
    #[error("quota: {units} units, this window counts at most {most}")]
    QuotaTooLarge {
        /// The units asked for.
        units: u32,
        /// [`Window::most_units`].
        most: u32,
    },
}

/// A named rule: so many units in such a window. Only valid policies exist.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    name: String,
    quota: Quota,
    window: Window,
    on_outage: OnOutage,
    shadow: bool,
}

impl Policy {
    /// An enforced policy that refuses during an outage.
    ///
    /// # Errors
    /// Any [`PolicyError`]; the first rule that is broken, in the order of that list.
    pub fn new(name: &str, quota: Quota, window: Window) -> Result<Self, PolicyError> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(PolicyError::NameLength { bytes: name.len() });
        }
        if let Some(character) = name.chars().find(|&character| !may_name(character)) {
            return Err(PolicyError::NameCharacter { character });
        }
        let (ms, most) = (window.ms(), window.most_units());
        if !(1..=MAX_WINDOW_MS).contains(&ms) {
            return Err(PolicyError::WindowLength { ms });
        }
        if let Some(units) = quota.limit().filter(|&units| units > most) {
            return Err(PolicyError::QuotaTooLarge { units, most });
        }
        Ok(Self { name: name.to_owned(), quota, window, on_outage: OnOutage::Refuse, shadow: false })
    }

    /// The same policy with another rule for outages.
    #[must_use]
    pub fn on_outage(self, on_outage: OnOutage) -> Self {
        Self { on_outage, ..self }
    }

    /// The same policy, but only in shadow: it decides and counts, and never refuses.
    #[must_use]
    pub fn in_shadow(self) -> Self {
        Self { shadow: true, ..self }
    }

    /// This policy as it holds at `now` for an identity with such an override. A quota beyond
    /// [`Window::most_units`] is cut to that.
    #[must_use]
    pub fn under(&self, instead: Option<&Override>, now: UnixMillis) -> Cow<'_, Self> {
        let Some(instead) = instead.filter(|instead| instead.expires_at.is_none_or(|at| now < at)) else {
            return Cow::Borrowed(self);
        };
        let most = self.window.most_units();
        let quota = match instead.quota.limit() {
            Some(units) => Quota::at_least_one(units.min(most)),
            None => Quota::Unlimited,
        };
        Cow::Owned(Self { quota, ..self.clone() })
    }

    /// Names the ledger and stands in the `RateLimit` fields: 1 to [`MAX_NAME_BYTES`] lower-case ASCII
    /// letters, digits and dashes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Units per window.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Kind and length of the window.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// What to do when nobody can be asked.
    #[must_use]
    pub const fn outage(&self) -> OnOutage {
        self.on_outage
    }

    /// Whether it only watches.
    #[must_use]
    pub const fn is_shadow(&self) -> bool {
        self.shadow
    }
}

const fn may_name(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '-')
}

/// Another quota for one identity, in place of a policy's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Override {
    /// The quota that holds instead.
    pub quota: Quota,
    /// From this instant on the policy's own quota holds again; `None` means never.
    pub expires_at: Option<UnixMillis>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(units: u32) -> Quota {
        Quota::units(units).unwrap()
    }

    #[test]
    fn no_quota_is_zero() {
        assert_eq!(Quota::units(0), None);
        assert_eq!(Quota::at_least_one(0).limit(), Some(1));
        assert_eq!(Quota::at_least_one(10).limit(), Some(10));
        assert_eq!(Quota::at_least_one(u32::MAX).limit(), Some(u32::MAX));
    }

    #[test]
    fn each_broken_rule_names_its_field() {
        let minute = Window::Fixed { ms: 60_000 };
        let broken = |name: &str, units, window| Policy::new(name, quota(units), window).unwrap_err();

        assert_eq!(broken("", 1, minute), PolicyError::NameLength { bytes: 0 });
        assert_eq!(broken(&"a".repeat(33), 1, minute), PolicyError::NameLength { bytes: 33 });
        assert_eq!(broken("aB", 1, minute), PolicyError::NameCharacter { character: 'B' });
        assert_eq!(broken("a", 1, Window::Sliding { ms: 0 }), PolicyError::WindowLength { ms: 0 });
        let long = MAX_WINDOW_MS + 1;
        assert_eq!(broken("a", 1, Window::Bucket { ms: long }), PolicyError::WindowLength { ms: long });
        let too_large = PolicyError::QuotaTooLarge { units: 513, most: 512 };
        assert_eq!(broken("a", 513, Window::Sliding { ms: 1 }), too_large);
        assert_eq!(broken("a", 513, Window::Concurrency { lease_ms: 1 }), too_large);
        assert!(matches!(
            broken("a", u32::MAX, Window::Bucket { ms: MAX_WINDOW_MS }),
            PolicyError::QuotaTooLarge { units: u32::MAX, most: 3_362_902 }
        ));
        for error in [broken("", 1, minute), broken("_", 1, minute)] {
            assert!(error.to_string().starts_with("name: "));
        }
        assert!(Policy::new("a", quota(u32::MAX), Window::Bucket { ms: 60_000 }).is_ok());
    }

    #[test]
    fn an_override_holds_until_it_expires() {
        let policy = Policy::new("a", quota(10), Window::Sliding { ms: 1000 }).unwrap();
        let instead = Override { quota: quota(3), expires_at: Some(UnixMillis(50)) };
        let at = |now| policy.under(Some(&instead), UnixMillis(now)).quota();
        assert_eq!((at(49), at(50)), (quota(3), quota(10)));

        let huge = Override { quota: quota(100_000), expires_at: None };
        assert_eq!(policy.under(Some(&huge), UnixMillis(0)).quota(), quota(512));
        assert_eq!(policy.under(None, UnixMillis(0)), Cow::Borrowed(&policy));
    }
}
