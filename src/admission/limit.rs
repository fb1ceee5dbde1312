//! The one call to the identity's object, and the headers that tell of it.

use durable::identity::CallError;
use limits::{Decision, Denial, Identity, Permit, UnixMillis};

use crate::app::App;
use crate::error::ApiError;

/// A decision, together with what is needed to tell the client of it.
#[derive(Debug)]
pub struct Charge {
    policy: limits::Policy,
    decision: Decision,
    /// The object's clock: all seconds told to a client are counted by the clock that decided.
    now: UnixMillis,
}

/// Asks the identity's object for one unit.
///
/// # Errors
/// If there is no decision. An object that can't be reached admits nobody: 503, and no second budget.
pub async fn take(app: &App, identity: &Identity, policy: limits::Policy) -> Result<Charge, ApiError> {
    let (decision, now) = app.identities()?.take(identity, &policy, 1).await?;
    Ok(Charge { policy, decision, now })
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable(_) => Self::unavailable("The rate limiter", error),
            CallError::Failed(_) | CallError::Refused { .. } | CallError::Garbled(_) => {
                Self::Internal { cause: error.to_string() }
            }
        }
    }
}

impl Charge {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<ApiError> {
        match self.decision {
            Decision::Permit(_) => None,
            Decision::Denial(Denial { limit, retry_at, .. }) => Some(ApiError::RateLimited {
                limit,
                window_seconds: self.policy.window_ms / 1000,
                retry_after: retry_at.map(|at| self.now.retry_after_seconds(at)),
            }),
        }
    }

    /// The header fields of every counted answer: the `X-RateLimit` family as existing clients know it,
    /// with the reset in milliseconds, and the `RateLimit` fields of draft-ietf-httpapi-ratelimit-headers-11,
    /// with whole seconds. An unlimited identity gets none.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let (limit, remaining, reset_at) = match self.decision {
            Decision::Permit(Permit { limit: Some(limit), remaining: Some(remaining), reset_at }) => {
                (limit, remaining, reset_at)
            }
            Decision::Denial(Denial { limit, remaining, reset_at, .. }) => (limit, remaining, reset_at),
            Decision::Permit(_) => return Vec::new(),
        };
        let name = &self.policy.name;
        let window_seconds = self.policy.window_ms.div_ceil(1000);
        let reset_seconds = self.now.until(reset_at).div_ceil(1000);
        vec![
            ("X-RateLimit-Limit", limit.to_string()),
            ("X-RateLimit-Remaining", remaining.to_string()),
            ("X-RateLimit-Reset", reset_at.0.to_string()),
            ("RateLimit-Policy", format!("\"{name}\";q={limit};w={window_seconds}")),
            ("RateLimit", format!("\"{name}\";r={remaining};t={reset_seconds}")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use limits::{Policy, Quota};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn charge(decision: Decision) -> Charge {
        Charge { policy: Policy::fixed("requests", Quota::units(10).unwrap(), 60_000), decision, now: NOW }
    }

    #[test]
    fn a_permit_tells_what_is_left() {
        let permit = Permit { limit: Some(10), remaining: Some(9), reset_at: NOW.plus(59_001) };
        let charge = charge(Decision::Permit(permit));
        assert!(charge.refusal().is_none());
        let expected = [
            ("X-RateLimit-Limit", "10"),
            ("X-RateLimit-Remaining", "9"),
            ("X-RateLimit-Reset", "1800000059001"),
            ("RateLimit-Policy", "\"requests\";q=10;w=60"),
            ("RateLimit", "\"requests\";r=9;t=60"),
        ];
        assert_eq!(charge.headers(), expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_denial_tells_when_to_come_back() {
        let reset_at = NOW.plus(41_500);
        let denial = Denial { limit: 10, remaining: 0, reset_at, retry_at: Some(reset_at) };
        match charge(Decision::Denial(denial)).refusal() {
            Some(ApiError::RateLimited { limit: 10, window_seconds: 60, retry_after: Some(42) }) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }

    #[test]
    fn the_unlimited_hear_nothing_of_limits() {
        let permit = Permit { limit: None, remaining: None, reset_at: NOW };
        assert_eq!(charge(Decision::Permit(permit)).headers(), []);
    }
}
