//! What a tenant has paid for.

/// What a tenant has paid for; selects the quotas. Order is rank: a later tier may do all that an earlier one
/// may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// No account; counted by network.
    Anonymous,
    /// An account.
    Free,
    /// A paying account.
    Pro,
    /// The people who run the service.
    Admin,
}

impl Tier {
    /// The tier as it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Admin => "admin",
        }
    }

    /// The tier with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }

    /// Every tier, in order of rank.
    pub const ALL: [Self; 4] = [Self::Anonymous, Self::Free, Self::Pro, Self::Admin];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for tier in Tier::ALL {
            assert_eq!(Tier::from_name(tier.name()), Some(tier));
        }
        assert_eq!(Tier::from_name("emperor"), None);
    }
}
