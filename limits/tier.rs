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
}
