//! Which browser pages may call, and what they are told.

use crate::reply::Reply;
use crate::router::is_within;

/// Paths whose answers are the same for everybody and may be read by any page. Only reads.
const OPEN_TO_ALL: [&str; 11] = [
    "/api/version",
    "/api/health",
    "/api/metrics",
    "/api/openapi.json",
    "/api/turnstile-config",
    "/api/clerk-config",
    "/api/sentry-config",
    "/api/deployments",
    "/health",
    "/metrics",
    "/deployments",
];

/// What the `Origin` of a request means for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Not from a browser page of another origin.
    NotAsked,
    /// Anybody may read this.
    Open,
    /// This origin is on the list.
    Allowed(String),
    /// This origin is not.
    Foreign,
}

impl Cors {
    /// Judges a request for `path` that carries `origin`, on a service that answers at `own_origin`.
    pub fn judge(
        origin: Option<String>,
        own_origin: &str,
        path: &str,
        reads: bool,
        allowed: &[String],
    ) -> Self {
        let Some(origin) = origin else { return Self::NotAsked };
        if reads && OPEN_TO_ALL.iter().any(|open| is_within(path, open)) {
            Self::Open
        } else if origin == own_origin || allowed.contains(&origin) {
            Self::Allowed(origin)
        } else {
            Self::Foreign
        }
    }

    /// Adds what the browser must be told to an answer.
    pub fn stamp(&self, reply: &mut Reply) {
        if let Self::Open = self {
            reply.headers.push(("Access-Control-Allow-Origin", "*".to_owned()));
            return;
        }
        reply.headers.push(("Vary", "Origin".to_owned()));
        if let Self::Allowed(origin) = self {
            reply.headers.push(("Access-Control-Allow-Origin", origin.clone()));
            reply.headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
            reply.headers.retain(|(name, _)| *name != "Access-Control-Expose-Headers");
            reply.headers.push(("Access-Control-Expose-Headers", EXPOSED.to_owned()));
        }
    }
}

const EXPOSED: &str = "X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, \
                       RateLimit-Policy, Retry-After, X-Cache, set-auth-token";

/// The answer to a preflight; [`Cors::stamp`] completes it.
pub fn preflight() -> Reply {
    Reply::empty(204)
        .with_header("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,OPTIONS")
        .with_header(
            "Access-Control-Allow-Headers",
            "Content-Type,Authorization,X-Turnstile-Token,X-Trace-ID",
        )
        .with_header("Access-Control-Max-Age", "86400")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://api.bloqr.dev";

    fn judge(origin: &str, path: &str, reads: bool) -> Cors {
        Cors::judge(Some(origin.to_owned()), OWN, path, reads, &["https://app.example".to_owned()])
    }

    #[test]
    fn origins_are_compared_to_the_letter() {
        let allowed = Cors::Allowed("https://app.example".to_owned());
        assert_eq!(judge("https://app.example", "/api/compile", false), allowed);
        for origin in ["https://app.example.evil.test", "http://app.example", "https://APP.example", "null"] {
            assert_eq!(judge(origin, "/api/compile", false), Cors::Foreign, "{origin}");
        }
    }

    #[test]
    fn a_page_of_the_service_itself_may_call() {
        assert_eq!(judge(OWN, "/api/compile", false), Cors::Allowed(OWN.to_owned()));
    }

    #[test]
    fn public_reads_are_open_to_all_and_writes_never() {
        assert_eq!(judge("https://other.example", "/api/health/db-smoke", true), Cors::Open);
        assert_eq!(judge("https://other.example", "/api/health", false), Cors::Foreign);
        assert_eq!(judge("https://other.example", "/api/healthy", true), Cors::Foreign);
    }

    #[test]
    fn programs_send_no_origin() {
        assert_eq!(Cors::judge(None, OWN, "/api/compile", false, &[]), Cors::NotAsked);
    }
}
