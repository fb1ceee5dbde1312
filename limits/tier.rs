//! What a tenant has paid for.

use crate::Quota;

/// What a tenant has paid for. Order is rank: a later tier may do all that an earlier one may.
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
    /// Units per 60 seconds that this tier may spend on requests that do work.
    #[must_use]
    pub const fn quota(self) -> Quota {
        match self {
            Self::Anonymous => Quota::at_least_one(10),
            Self::Free => Quota::at_least_one(60),
            Self::Pro => Quota::at_least_one(300),
            Self::Admin => Quota::Unlimited,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_the_published_ones() {
        assert_eq!(Tier::Anonymous.quota(), Quota::units(10).unwrap());
        assert_eq!(Tier::Free.quota(), Quota::units(60).unwrap());
        assert_eq!(Tier::Pro.quota(), Quota::units(300).unwrap());
        assert_eq!(Tier::Admin.quota(), Quota::Unlimited);
    }
}
