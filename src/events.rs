//! What a security team wants to know: who got in, who did not, and what was taken away. Every event goes to
//! Analytics Engine by [`record`], and in development to the log as well.
//! <https://developers.cloudflare.com/analytics/analytics-engine/>
//!
//! Addresses and users are hashed with a key of our own, so that events of one client can be told to belong
//! together and nobody can be found by them.

use hmac::Mac;
use serde_json::json;
use worker::{AnalyticsEngineDataPointBuilder, console_error, console_log};

use crate::app::App;
use crate::error::ApiError;

/// Sets these codes apart from all others under the same secret.
const DOMAIN: &[u8] = b"bloqr event subject 1";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A caller proved who they are.
    AuthSuccess,
    /// A credential was not good.
    AuthFailure,
    /// A policy had no room.
    RateLimit,
    /// Turnstile did not take the sender for a person.
    TurnstileFailure,
    /// A browser page of an origin that is not listed.
    CorsRejection,
    /// A caller who is known, or needs to be, may not.
    AccessDenied,
    /// An API key was made.
    ApiKeyCreated,
    /// An API key was revoked.
    ApiKeyRevoked,
    /// A session was ended by somebody.
    SessionRevoked,
    /// A webhook was not what its sender signed.
    WebhookRejected,
    /// A user was deleted.
    UserDeleted,
}

impl Event {
    /// The event as it is written.
    const fn name(self) -> &'static str {
        match self {
            Self::AuthSuccess => "auth_success",
            Self::AuthFailure => "auth_failure",
            Self::RateLimit => "rate_limit",
            Self::TurnstileFailure => "turnstile_failure",
            Self::CorsRejection => "cors_rejection",
            Self::AccessDenied => "access_denied",
            Self::ApiKeyCreated => "api_key_created",
            Self::ApiKeyRevoked => "api_key_revoked",
            Self::SessionRevoked => "session_revoked",
            Self::WebhookRejected => "webhook_rejected",
            Self::UserDeleted => "user_deleted",
        }
    }

    /// The event that a refusal is; none if it is of no interest. A refusal that is only repeated for a moment is
    /// none: floods are to cost nothing, and the live registry counts them.
    pub fn of(error: &ApiError) -> Option<Self> {
        match error {
            ApiError::CredentialRejected { .. } | ApiError::Unauthorized => Some(Self::AuthFailure),
            ApiError::RateLimited { decided_by: "object", .. } => Some(Self::RateLimit),
            ApiError::TurnstileRejected { .. } => Some(Self::TurnstileFailure),
            ApiError::OriginRejected => Some(Self::CorsRejection),
            ApiError::Forbidden(_)
            | ApiError::Suspended { .. }
            | ApiError::Banned { .. }
            | ApiError::AccessRejected { .. } => Some(Self::AccessDenied),
            ApiError::WebhookRejected => Some(Self::WebhookRejected),
            _ => None,
        }
    }
}

/// Where something happened, and to whom.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The path, or what stands for it; empty where the event tells enough.
    pub path: &'a str,
    /// A stable word that tells more: the code of an error, or how a caller proved who they are.
    pub detail: &'a str,
    /// The client's address or network, if it is known. Only its hash is written.
    pub address: Option<&'a str>,
    /// The user's id, if there is one. Only its hash is written.
    pub user: Option<&'a str>,
}

/// Writes an event down. Nothing waits for it, and a failure is for the log alone.
pub fn record(app: &App, event: Event, scene: Scene<'_>) {
    let hashed = |text: Option<&str>| text.map(|text| hash(app, text)).unwrap_or_default();
    let (address, user) = (hashed(scene.address), hashed(scene.user));
    if app.config.environment == "development" {
        let entry = json!({
            "level": "info", "event": event.name(), "path": scene.path, "detail": scene.detail,
            "address": address, "user": user,
        });
        console_log!("{entry}");
    }
    let Some(dataset) = app.events() else { return };
    let written = AnalyticsEngineDataPointBuilder::new()
        .indexes([event.name()])
        .blobs([event.name(), scene.path, scene.detail, &address, &user])
        .write_to(&dataset);
    if let Err(error) = written {
        console_error!(
            "{}",
            json!({ "level": "error", "what": "security event", "cause": error.to_string() })
        );
    }
}

/// 64 bits of an HMAC: enough to tell a few million subjects apart, too few to look one up in a table. Nothing
/// without a secret, for a plain hash of an address is soon undone.
fn hash(app: &App, subject: &str) -> String {
    let Some(key) = &app.config.auth_key else { return String::new() };
    let code = key.mac(&[DOMAIN, subject.as_bytes()]).finalize().into_bytes();
    code.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
