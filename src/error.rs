//! Failures, and the only place that turns them into status codes.
//!
//! Every failure leaves as an RFC 9457 problem document. It also carries `success: false` and the text
//! once more as `error`, so that clients of every generation can read it, and a stable `code`.

use limits::Forbidden;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::ConfigError;
use crate::reply::{Body, Reply};

/// What a handler returns.
pub type ApiResult = Result<Reply, ApiError>;

/// Base of all problem types; the slug follows.
const PROBLEM_BASE: &str = "https://api.bloqr.dev/probs/";

/// A failure that a client is told about.
#[derive(Debug)]
pub enum ApiError {
    /// No such path.
    NotFound,
    /// Somebody was faster, or did it long ago.
    Conflict {
        /// Stable name of the reason.
        code: &'static str,
        /// Why.
        detail: String,
    },
    /// The path exists, but not for this method.
    MethodNotAllowed {
        /// The methods it exists for, as an `Allow` field.
        allow: String,
    },
    /// A browser page from elsewhere.
    OriginRejected,
    /// The client's network can't be told, so nobody could be counted.
    AddressUnusable,
    /// A policy has no room.
    RateLimited {
        /// Its name.
        policy: String,
        /// Units per window.
        limit: u32,
        /// Units that count now.
        used: u32,
        /// Length of the window in seconds.
        window_seconds: u64,
        /// Whole seconds until the same request fits under all policies; none if it never will.
        retry_after: Option<u64>,
        /// `object`, or `front-cache` for a refusal that is repeated for a moment.
        decided_by: &'static str,
    },
    /// An admin refuses everything of this identity.
    Banned {
        /// Whole seconds until the end; none if there is none.
        retry_after: Option<u64>,
    },
    /// No key, or the wrong one.
    Unauthorized,
    /// A credential that is not good, or none where one is needed.
    CredentialRejected {
        /// Stable name of the reason.
        code: &'static str,
        /// Why.
        detail: String,
    },
    /// The caller is known and may not.
    Forbidden(Forbidden),
    /// A key asks for keys.
    KeysForPeople,
    /// A key asks for what its owner keeps.
    SavedConfigurationsForPeople,
    /// What a path or body names is not there.
    Missing {
        /// What is missing.
        detail: &'static str,
    },
    /// The user is suspended.
    Suspended {
        /// Why.
        reason: Option<String>,
    },
    /// The request did not come through Cloudflare Access.
    AccessRejected {
        /// Why.
        detail: String,
    },
    /// A secret that this route needs is not set.
    SecretMissing {
        /// Name of the variable.
        variable: &'static str,
    },
    /// Clerk's webhooks are switched off.
    WebhooksDisabled,
    /// A webhook is not what its sender signed, or too old.
    WebhookRejected,
    /// Turnstile does not take the sender for a person.
    TurnstileRejected {
        /// Why.
        detail: String,
    },
    /// A part of the path or query can't be used.
    Unusable {
        /// Stable name of the reason.
        code: &'static str,
        /// Which part, and what it must be.
        detail: String,
    },
    /// The body is over the bound.
    BodyTooLarge {
        /// Bytes announced or read so far.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// What was asked for is too much to be told at once.
    AnswerTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// The body is not JSON.
    NotJson,
    /// The body is JSON of the wrong shape.
    Invalid {
        /// `/path: message`, several joined by a comma.
        issues: String,
    },
    /// The body is JSON of the right shape and says something that can't be.
    Unprocessable {
        /// What, and what it must be.
        detail: String,
    },
    /// A configuration is not good.
    ConfigurationInvalid {
        /// Everything that is wrong with it.
        errors: Vec<Value>,
    },
    /// A source lies where the service doesn't go.
    SourceForbidden {
        /// Which, and why.
        detail: String,
    },
    /// The compile was accepted and then failed.
    CompileFailed {
        /// Stable name of the reason.
        code: String,
        /// What went wrong.
        detail: String,
    },
    /// What somebody else serves can't be had.
    FetchFailed {
        /// Stable name of the reason.
        code: &'static str,
        /// What went wrong.
        detail: String,
    },
    /// A store or object can't be reached. Never a 401: clients sign out on that.
    Unavailable {
        /// What can't be reached.
        what: &'static str,
        /// The reason, for the log alone.
        cause: String,
        /// Further members of the answer.
        extra: Map<String, Value>,
    },
    /// A part of the platform that this route needs is not bound.
    NotConfigured {
        /// What is missing.
        detail: &'static str,
        /// The reason, for the log alone.
        cause: String,
    },
    /// A variable has a value that can't be used.
    Misconfigured(ConfigError),
    /// A defect.
    Internal {
        /// The reason, for the log alone.
        cause: String,
    },
}

impl From<worker::Error> for ApiError {
    fn from(error: worker::Error) -> Self {
        Self::Internal { cause: error.to_string() }
    }
}

/// Code and text of what a known caller may not.
fn describe(forbidden: &Forbidden) -> (&'static str, String) {
    match forbidden {
        Forbidden::Anonymous => ("authentication_required", "Authentication required".to_owned()),
        Forbidden::NotAPerson => {
            ("session_required", "This requires an authenticated user session".to_owned())
        }
        Forbidden::Scope(scope) => ("scope_missing", format!("Missing required scope: {}", scope.name())),
        Forbidden::Tier { needs, has } => {
            let (needs, has) = (needs.display_name(), has.display_name());
            ("tier_too_low", format!("Insufficient tier: requires {needs}, current tier is {has}"))
        }
        Forbidden::Role => ("role_missing", "Insufficient role".to_owned()),
    }
}

/// How one kind of failure is shown.
struct Face<'a> {
    status: u16,
    slug: &'static str,
    code: &'a str,
    title: &'static str,
    detail: String,
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'a str,
    success: bool,
    error: &'a str,
    #[serde(rename = "requestId")]
    request_id: &'a str,
    #[serde(rename = "retryAfter", skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl ApiError {
    /// A store that can't be reached.
    pub fn unavailable(what: &'static str, cause: impl ToString) -> Self {
        Self::Unavailable { what, cause: cause.to_string(), extra: Map::new() }
    }

    /// A part of the platform that is not bound.
    pub fn not_configured(detail: &'static str, cause: impl ToString) -> Self {
        Self::NotConfigured { detail, cause: cause.to_string() }
    }

    /// The status this failure is answered with.
    pub fn status(&self) -> u16 {
        self.face().status
    }

    /// The stable name of the reason.
    pub fn code(&self) -> &str {
        self.face().code
    }

    /// What a client is told.
    pub fn detail(&self) -> String {
        self.face().detail
    }

    /// What only the log may know.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Unavailable { cause, .. }
            | Self::NotConfigured { cause, .. }
            | Self::Internal { cause } => Some(cause),
            _ => None,
        }
    }

    fn face(&self) -> Face<'_> {
        let face = |status, slug, code, title, detail| Face { status, slug, code, title, detail };
        match self {
            Self::NotFound => face(404, "not-found", "not_found", "Not Found", "Not found".to_owned()),
            Self::Conflict { code, detail } => face(409, "conflict", code, "Conflict", detail.clone()),
            Self::MethodNotAllowed { allow } => {
                let detail = format!("Method not allowed; this path takes {allow}");
                face(405, "method-not-allowed", "method_not_allowed", "Method Not Allowed", detail)
            }
            Self::OriginRejected => {
                let detail = "This origin may not call the API from a browser".to_owned();
                face(403, "cors-rejection", "origin_rejected", "CORS Origin Not Allowed", detail)
            }
            Self::AddressUnusable => {
                let detail = "The request carries no usable client address".to_owned();
                face(400, "bad-request", "address_unusable", "Bad Request", detail)
            }
            Self::RateLimited { limit, window_seconds, .. } => {
                let detail =
                    format!("Rate limit exceeded. Maximum {limit} requests per {window_seconds} seconds.");
                face(429, "rate-limited", "rate_limited", "Too Many Requests", detail)
            }
            Self::Banned { .. } => {
                face(403, "suspended", "suspended", "Forbidden", "Access has been suspended".to_owned())
            }
            Self::Unauthorized => {
                face(401, "unauthorized", "unauthorized", "Unauthorized", "Unauthorized".to_owned())
            }
            Self::CredentialRejected { code, detail } => {
                face(401, "unauthorized", code, "Unauthorized", detail.clone())
            }
            Self::Forbidden(Forbidden::Anonymous) => {
                let detail = "Authentication required".to_owned();
                face(401, "unauthorized", "authentication_required", "Unauthorized", detail)
            }
            Self::Forbidden(forbidden) => {
                let (code, detail) = describe(forbidden);
                face(403, "forbidden", code, "Forbidden", detail)
            }
            Self::KeysForPeople => {
                let detail = "API key management requires an authenticated user session".to_owned();
                face(403, "forbidden", "session_required", "Forbidden", detail)
            }
            Self::SavedConfigurationsForPeople => {
                let detail = "Saved configurations require an authenticated user session".to_owned();
                face(403, "forbidden", "session_required", "Forbidden", detail)
            }
            Self::Missing { detail } => {
                face(404, "not-found", "not_found", "Not Found", (*detail).to_owned())
            }
            Self::Suspended { reason } => {
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let detail = format!("Account has been suspended{reason}");
                face(403, "suspended", "account_suspended", "Forbidden", detail)
            }
            Self::AccessRejected { detail } => {
                face(403, "forbidden", "access_rejected", "Forbidden", detail.clone())
            }
            Self::SecretMissing { variable } => {
                let detail = format!("The service is not configured: the secret {variable} is not set");
                // The name under which operators look this one up.
                let code =
                    if *variable == "BETTER_AUTH_SECRET" { "AUTH_SECRET_MISSING" } else { "secret_missing" };
                face(503, "service-unavailable", code, "Service Unavailable", detail)
            }
            Self::WebhookRejected => {
                let detail = "Invalid webhook signature".to_owned();
                face(401, "unauthorized", "webhook_rejected", "Unauthorized", detail)
            }
            Self::WebhooksDisabled => {
                let detail = "Clerk webhooks are disabled. Auth has migrated to Better Auth.".to_owned();
                face(410, "gone", "CLERK_WEBHOOKS_DISABLED", "Gone", detail)
            }
            Self::TurnstileRejected { detail } => {
                let title = "Turnstile Verification Failed";
                face(403, "turnstile-rejection", "turnstile_rejected", title, detail.clone())
            }
            Self::Unusable { code, detail } => face(400, "bad-request", code, "Bad Request", detail.clone()),
            Self::BodyTooLarge { size, limit } => {
                let detail =
                    format!("Request body size ({size} bytes) exceeds maximum allowed size ({limit} bytes)");
                face(413, "payload-too-large", "body_too_large", "Payload Too Large", detail)
            }
            Self::AnswerTooLarge { limit } => {
                let detail = format!("The answer would have more than {limit} bytes; send less at a time");
                face(413, "payload-too-large", "answer_too_large", "Payload Too Large", detail)
            }
            Self::NotJson => {
                face(400, "bad-request", "invalid_json", "Bad Request", "Invalid JSON body".to_owned())
            }
            Self::Invalid { issues } => {
                let detail = format!("Invalid request body: {issues}");
                face(400, "bad-request", "invalid_body", "Bad Request", detail)
            }
            Self::Unprocessable { detail } => {
                face(422, "unprocessable-content", "unprocessable", "Unprocessable Content", detail.clone())
            }
            Self::ConfigurationInvalid { .. } => {
                let detail = "Configuration validation failed".to_owned();
                face(400, "bad-request", "invalid_configuration", "Bad Request", detail)
            }
            Self::SourceForbidden { detail } => {
                face(400, "bad-request", "source_forbidden", "Bad Request", detail.clone())
            }
            Self::CompileFailed { code, detail } => {
                face(500, "compilation-failed", code, "Compilation Failed", detail.clone())
            }
            Self::FetchFailed { code, detail } => {
                face(502, "bad-gateway", code, "Bad Gateway", detail.clone())
            }
            Self::Unavailable { what, .. } => {
                let detail = format!("{what} is unavailable; try again shortly");
                face(503, "service-unavailable", "unavailable", "Service Unavailable", detail)
            }
            Self::NotConfigured { detail, .. } => {
                let (slug, title) = ("service-unavailable", "Service Unavailable");
                face(503, slug, "not_configured", title, (*detail).to_owned())
            }
            Self::Misconfigured(error) => {
                let detail = format!("The service is not configured: {error}");
                face(503, "service-unavailable", "misconfigured", "Service Unavailable", detail)
            }
            Self::Internal { .. } => {
                let detail = "Internal server error".to_owned();
                face(500, "internal-server-error", "internal_error", "Internal Server Error", detail)
            }
        }
    }

    /// Seconds for a `Retry-After` field. One second is the shortest that field can say.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Banned { retry_after } => *retry_after,
            Self::Unavailable { .. } => Some(1),
            _ => None,
        }
    }

    /// The problem document for the request with this path and id.
    pub fn into_reply(self, instance: &str, request_id: &str) -> Reply {
        let Face { status, slug, code, title, detail } = self.face();
        let code = code.to_owned();
        let retry_after = self.retry_after();
        let mut headers = Vec::new();
        if let Some(seconds) = retry_after {
            headers.push(("Retry-After", seconds.to_string()));
        }
        let extra = match self {
            Self::Unavailable { extra, .. } => extra,
            Self::ConfigurationInvalid { errors } => Map::from_iter([("errors".to_owned(), errors.into())]),
            Self::RateLimited { policy, limit, used, decided_by, .. } => {
                let members = [
                    ("policy", policy.into()),
                    ("limit", limit.into()),
                    ("used", used.into()),
                    ("decidedBy", decided_by.into()),
                ];
                members.map(|(name, value): (&str, Value)| (name.to_owned(), value)).into_iter().collect()
            }
            Self::Unauthorized => {
                headers.push(("WWW-Authenticate", "ApiKey header=\"X-Admin-Key\"".to_owned()));
                Map::new()
            }
            Self::CredentialRejected { .. } | Self::Forbidden(Forbidden::Anonymous) => {
                headers.push(("WWW-Authenticate", "Bearer".to_owned()));
                Map::new()
            }
            Self::MethodNotAllowed { allow } => {
                headers.push(("Allow", allow));
                Map::new()
            }
            _ => Map::new(),
        };
        let problem = Problem {
            r#type: format!("{PROBLEM_BASE}{slug}"),
            title,
            status,
            detail: &detail,
            instance,
            code: &code,
            success: false,
            error: &detail,
            request_id,
            retry_after,
            extra,
        };
        // Strings, numbers and string keys always serialise; the fallback keeps the promise of a problem.
        let text = serde_json::to_string(&problem).unwrap_or_else(|_| "{\"success\":false}".to_owned());
        Reply {
            status,
            headers,
            cookies: Vec::new(),
            body: Body::Json { media_type: "application/problem+json", text },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(error: ApiError) -> Value {
        match error.into_reply("/api/x", "api-1-a").body {
            Body::Json { media_type: "application/problem+json", text } => {
                serde_json::from_str(&text).unwrap()
            }
            other => panic!("not a problem: {other:?}"),
        }
    }

    #[test]
    fn both_generations_of_clients_can_read_a_refusal() {
        let refusal = ApiError::RateLimited {
            policy: "requests".to_owned(),
            limit: 10,
            used: 10,
            window_seconds: 60,
            retry_after: Some(42),
            decided_by: "object",
        };
        let reply = body(refusal);
        assert_eq!(reply["type"], "https://api.bloqr.dev/probs/rate-limited");
        assert_eq!(reply["title"], "Too Many Requests");
        assert_eq!(reply["status"], 429);
        assert_eq!(reply["instance"], "/api/x");
        assert_eq!(reply["detail"], "Rate limit exceeded. Maximum 10 requests per 60 seconds.");
        assert_eq!(reply["error"], reply["detail"]);
        assert_eq!(reply["success"], false);
        assert_eq!(reply["retryAfter"], 42);
        assert_eq!((&reply["policy"], &reply["used"]), (&"requests".into(), &10.into()));
        assert_eq!(reply["decidedBy"], "object");
    }

    #[test]
    fn causes_are_never_shown() {
        for error in [
            ApiError::Internal { cause: "s3cret".to_owned() },
            ApiError::unavailable("The database", "s3cret"),
        ] {
            assert_eq!(error.cause(), Some("s3cret"));
            assert!(!body(error).to_string().contains("s3cret"));
        }
    }
}
