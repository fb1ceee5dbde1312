//! `POST /webhooks/clerk`: Clerk tells what became of its users.
//!
//! Events come in any order, several times, and for as long as they are not acknowledged. So an event is
//! recorded and applied in one transaction before it is acknowledged, an older one never overwrites a newer
//! one, and a deleted user stays deleted. It is acknowledged once it acts: the user's object knows of it, too. A
//! repeated message does what a crash after the transaction may have left.

use limits::UserId;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admission::Admitted;
use crate::app::App;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::events;
use crate::incoming::Incoming;
use crate::records::settle_user;
use crate::reply::Reply;
use crate::store::users::{self, Applied, ClerkUser, Event};
use crate::svix::{Stamp, is_genuine};

/// How long messages are remembered, in milliseconds. The last attempt to deliver one is made some 28 hours after
/// the first.
const KEEP_EVENTS_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Longest id of a message or a user, in bytes.
const MAX_ID_BYTES: usize = 256;
/// Longest address that is kept, in bytes: 64 before the @ and 255 behind it. Source: RFC 5321 section 4.5.3.1.
const MAX_EMAIL_BYTES: usize = 320;
/// Longest part of a name that is kept, in bytes. What travels to a user's object must stay small.
const MAX_NAME_BYTES: usize = 200;
/// Longest URL of a picture that is kept, in bytes.
const MAX_IMAGE_BYTES: usize = 2048;

#[derive(Deserialize)]
struct Envelope {
    r#type: String,
    /// When it happened, in milliseconds since 1970.
    timestamp: Option<u64>,
    data: Value,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    email_addresses: Vec<EmailAddress>,
    primary_email_address_id: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    image_url: Option<String>,
    #[serde(default)]
    public_metadata: Map<String, Value>,
    last_sign_in_at: Option<u64>,
    updated_at: Option<u64>,
}

#[derive(Deserialize)]
struct EmailAddress {
    id: String,
    email_address: String,
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Verification {
    status: Option<String>,
}

/// `POST /webhooks/clerk`.
///
/// Fails: 400 a header is missing or the payload has another shape; 401 the signature is not right or too old;
/// 410 webhooks are switched off; 503 there is no secret, or D1 or the user's object can't be asked: the sender
/// tries again.
pub async fn receive_clerk(app: App, admitted: Admitted) -> ApiResult {
    if !app.config.clerk_webhooks {
        return Err(ApiError::WebhooksDisabled);
    }
    let request = &admitted.request;
    let key = app
        .config
        .clerk_webhook_key
        .as_ref()
        .ok_or(ApiError::SecretMissing { variable: "CLERK_WEBHOOK_SECRET" })?;
    let missing = || ApiError::Unusable {
        code: "webhook_headers_missing",
        detail: "Missing Svix signature headers".to_owned(),
    };
    let id = stamp_header(request, "id")?.ok_or_else(missing)?;
    let timestamp = stamp_header(request, "timestamp")?.ok_or_else(missing)?;
    let signatures = stamp_header(request, "signature")?.ok_or_else(missing)?;
    let bytes = body::read(request, app.config.max_body_bytes).await?;
    let stamp = Stamp { id: &id, timestamp: &timestamp, signatures: &signatures };
    if id.len() > MAX_ID_BYTES || !is_genuine(key.bytes(), stamp, &bytes, app.now.0 / 1000) {
        return Err(ApiError::WebhookRejected);
    }

    let malformed =
        |detail: &str| ApiError::Unusable { code: "webhook_malformed", detail: detail.to_owned() };
    let envelope: Envelope =
        serde_json::from_slice(&bytes).map_err(|_| malformed("Invalid webhook payload structure"))?;
    let kind = envelope.r#type.as_str();
    let sent_at = timestamp.parse::<u64>().unwrap_or(0).saturating_mul(1000);
    let event = |happened_at: Option<u64>| Event {
        id: &id,
        kind,
        happened_at: envelope.timestamp.or(happened_at).unwrap_or(sent_at),
        received_at: app.now.0,
    };
    let database = app.d1()?;
    let unavailable = |error: worker::Error| ApiError::unavailable("The record of users", error);
    let named = envelope.data.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    if users::is_recorded(&database, &id).await.map_err(unavailable)? {
        if matches!(kind, "user.created" | "user.updated" | "user.deleted") && !named.is_empty() {
            let user = users::find_clerk_user(&database, &named).await.map_err(unavailable)?;
            settle_all(&app, user.as_slice()).await?;
        }
        return Reply::json(&json!({ "success": true, "event": kind, "message": "Already received" }));
    }
    match kind {
        "user.created" | "user.updated" => {
            let user: User = serde_json::from_value(envelope.data)
                .map_err(|_| malformed("Invalid user event data structure"))?;
            if user.id.is_empty() || user.id.len() > MAX_ID_BYTES {
                return Err(malformed("Invalid user event data structure"));
            }
            let event = event(user.updated_at);
            let id_if_new = UserId(Uuid::new_v4().into_bytes());
            let applied = users::save_clerk_user(&database, event, id_if_new, &user.into()).await;
            let Applied { user, touched } = applied.map_err(unavailable)?;
            settle_all(&app, &touched).await?;
            let user_id = user.map(|user| user.to_string());
            Reply::json(&json!({ "success": true, "event": kind, "userId": user_id }))
        }
        "user.deleted" => {
            let deleted = match named.len() {
                // Nobody is named, so nobody is deleted.
                0 => {
                    users::save_event(&database, event(None)).await.map_err(unavailable)?;
                    false
                }
                1..=MAX_ID_BYTES => {
                    let done = users::delete_clerk_user(&database, event(None), &named).await;
                    let (deleted, applied) = done.map_err(unavailable)?;
                    settle_all(&app, &applied.touched).await?;
                    if let Some(user) = applied.touched.first().filter(|_| deleted) {
                        admitted.record(&app, events::Event::UserDeleted, *user);
                    }
                    deleted
                }
                _ => return Err(malformed("Invalid user event data structure")),
            };
            Reply::json(&json!({ "success": true, "event": kind, "deleted": deleted }))
        }
        _ => {
            users::save_event(&database, event(None)).await.map_err(unavailable)?;
            Reply::json(&json!({ "success": true, "event": kind, "message": "Event type not handled" }))
        }
    }
}

/// Has the change of each act, before the message is acknowledged.
async fn settle_all(app: &App, users: &[UserId]) -> Result<(), ApiError> {
    for user in users {
        settle_user(app, *user).await?;
    }
    Ok(())
}

/// Forgets messages that nobody sends any more. The schedule calls it.
///
/// # Errors
/// If D1 can't be asked.
pub async fn forget_old_events(app: &App) -> Result<(), ApiError> {
    let before = app.now.0.saturating_sub(KEEP_EVENTS_MS);
    let forgotten = users::delete_events_before(&app.d1()?, before).await;
    forgotten.map_err(|error| ApiError::unavailable("The record of users", error))
}

/// A header field of Svix's, or of the standard it became; an empty one counts as missing.
fn stamp_header(request: &Incoming, name: &str) -> Result<Option<String>, ApiError> {
    for family in ["svix", "webhook"] {
        if let Some(value) = request.header(&format!("{family}-{name}"))?.filter(|value| !value.is_empty()) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

impl From<User> for ClerkUser {
    fn from(user: User) -> Self {
        let primary = user
            .email_addresses
            .iter()
            .find(|address| Some(&address.id) == user.primary_email_address_id.as_ref())
            .filter(|address| address.email_address.len() <= MAX_EMAIL_BYTES);
        let email = primary.map(|address| address.email_address.to_ascii_lowercase());
        let verification = primary.and_then(|address| address.verification.as_ref());
        let given =
            |name: Option<String>| name.map(|name| cut(name, MAX_NAME_BYTES)).filter(|it| !it.is_empty());
        let (first_name, last_name) = (given(user.first_name), given(user.last_name));
        let display_name = match (&first_name, &last_name) {
            (Some(first), Some(last)) => format!("{first} {last}"),
            (Some(first), None) => first.clone(),
            (None, _) => email.clone().unwrap_or_else(|| user.id.clone()),
        };
        let known = |name: &str, values: &[&'static str]| {
            let value = user.public_metadata.get(name)?.as_str()?;
            values.iter().copied().find(|known| *known == value)
        };
        Self {
            email_verified: verification.and_then(|it| it.status.as_deref()) == Some("verified"),
            tier: known("tier", &users::TIERS),
            role: known("role", &users::ROLES),
            email,
            display_name,
            clerk_user_id: user.id,
            first_name,
            last_name,
            image_url: user.image_url.filter(|url| url.len() <= MAX_IMAGE_BYTES),
            last_sign_in_at: user.last_sign_in_at,
        }
    }
}

/// The beginning of a text, of at most so many bytes.
fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(value: Value) -> ClerkUser {
        serde_json::from_value::<User>(value).unwrap().into()
    }

    #[test]
    fn the_primary_address_counts_not_the_first() {
        let user = user(json!({
            "id": "user_1",
            "email_addresses": [
                { "id": "idn_1", "email_address": "first@example.org", "verification": { "status": "verified" } },
                { "id": "idn_2", "email_address": "Primary@Example.org", "verification": null },
            ],
            "primary_email_address_id": "idn_2",
            "first_name": "Ada", "last_name": null, "image_url": null, "username": null,
            "public_metadata": { "tier": "pro", "role": 7 },
            "unsafe_metadata": { "role": "admin" },
        }));
        assert_eq!(user.email.as_deref(), Some("primary@example.org"));
        assert_eq!((user.email_verified, user.tier, user.role), (false, Some("pro"), None));
        assert_eq!(user.display_name, "Ada");
    }

    #[test]
    fn a_user_may_have_no_address_and_no_name() {
        let user = user(json!({
            "id": "user_2", "email_addresses": [], "primary_email_address_id": null,
            "first_name": null, "last_name": "", "image_url": null,
            "public_metadata": { "tier": "emperor" },
        }));
        assert_eq!((user.email, user.display_name.as_str(), user.tier), (None, "user_2", None));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let user = user(json!({
            "id": "user_3",
            "email_addresses": [{ "id": "idn_1", "email_address": format!("{}@b.co", "a".repeat(400)) }],
            "primary_email_address_id": "idn_1",
            "first_name": "é".repeat(150), "last_name": "l".repeat(300), "image_url": "i".repeat(3_000),
        }));
        assert_eq!((user.email, user.image_url), (None, None));
        assert_eq!(user.first_name, Some("é".repeat(100)));
        assert_eq!(user.last_name, Some("l".repeat(200)));
        assert_eq!(user.display_name.len(), 401);
    }
}
