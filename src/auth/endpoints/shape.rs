//! Users and sessions as clients of Better Auth read them.

use durable::identity::wire::{Profile, Session};
use limits::{UnixMillis, UserId};
use serde_json::{Value, json};

use crate::app::iso_time;
use crate::auth::key::AuthKey;
use crate::auth::token::SessionToken;
use crate::store::accounts::Account;

/// A user.
pub fn user(id: UserId, profile: &Profile) -> Value {
    json!({
        "name": profile.name,
        "email": profile.email,
        "emailVerified": profile.email_verified,
        "image": profile.image,
        "createdAt": iso_time(UnixMillis(profile.created_at)),
        "updatedAt": iso_time(UnixMillis(profile.updated_at)),
        "role": profile.role,
        "tier": profile.tier,
        "banned": profile.banned,
        "banReason": profile.ban_reason,
        "banExpires": profile.ban_expires_at.map(|at| iso_time(UnixMillis(at))),
        "id": id.to_string(),
    })
}

/// A session, with its token: the service can write it again from what it keeps, under its secret.
pub fn session(user: UserId, session: &Session, key: &AuthKey) -> Value {
    json!({
        "expiresAt": iso_time(UnixMillis(session.expires_at)),
        "token": token_of(user, &session.key, key),
        "createdAt": iso_time(UnixMillis(session.created_at)),
        "updatedAt": iso_time(UnixMillis(session.updated_at)),
        "ipAddress": session.ip_address,
        "userAgent": session.user_agent,
        "userId": user.to_string(),
        "impersonatedBy": session.impersonated_by,
        "id": session.id,
    })
}

/// A way to sign in.
pub fn account(user: UserId, account: &Account) -> Value {
    json!({
        "accountId": account.account_id,
        "providerId": account.provider_id,
        "userId": user.to_string(),
        "createdAt": iso_time(UnixMillis(account.created_at)),
        "updatedAt": iso_time(UnixMillis(account.updated_at)),
        "id": account.id,
        "scopes": [],
    })
}

/// The token of a session; empty if the key is none, which is a defect.
pub fn token_of(user: UserId, session_key: &str, key: &AuthKey) -> String {
    let session = SessionToken::parse_key(session_key);
    session
        .map(|session| SessionToken { user: uuid::Uuid::from_bytes(user.0), key: session }.text(key))
        .unwrap_or_default()
}
