//! Instants. The crate never reads a clock.

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
///
/// Values stay far below 2^53, so they survive a round trip through JavaScript numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The instant `millis` later, at most the last one representable.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `self` until `later`; 0 if `later` has passed.
    #[must_use]
    pub const fn until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }

    /// Whole seconds from `self` until `later`, rounded up and at least 1: the value of a
    /// `Retry-After` field (RFC 9110 section 10.2.3), which has no fractions.
    #[must_use]
    pub const fn retry_after_seconds(self, later: Self) -> u64 {
        match self.until(later).div_ceil(1000) {
            0 => 1,
            seconds => seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up_and_never_zero() {
        let now = UnixMillis(10_000);
        assert_eq!(now.retry_after_seconds(UnixMillis(9_000)), 1);
        assert_eq!(now.retry_after_seconds(UnixMillis(10_000)), 1);
        assert_eq!(now.retry_after_seconds(UnixMillis(10_001)), 1);
        assert_eq!(now.retry_after_seconds(UnixMillis(11_000)), 1);
        assert_eq!(now.retry_after_seconds(UnixMillis(11_001)), 2);
    }
}
