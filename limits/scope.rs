//! What a route asks of its caller.

/// What a caller must be allowed to do to use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Nothing: credentials are not even looked at, so a stale one can't break a public page.
    Public,
    /// Compile lists. Callers without an account may, within the anonymous quota.
    Compile,
    /// See and change everybody's limits.
    Admin,
}
