//! The token in a mail that verifies an address: a JWT that nobody stores. It counts until it expires, and the user's
//! present address must be the one it names.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use serde::{Deserialize, Serialize};

use super::error::AuthError;
use super::key::AuthKey;

/// Life of a token, in seconds: one hour.
pub const LIFE_SECONDS: u64 = 3600;
/// Longest token that is looked at. One with two addresses of 254 characters has about a thousand.
const MAX_LENGTH: usize = 4096;
/// `{"alg":"HS256"}`. Nothing else is accepted, so no token chooses its own algorithm.
const HEADER: &str = "eyJhbGciOiJIUzI1NiJ9";

/// What a mail asks its reader to confirm.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailClaims {
    /// The user's address now.
    pub email: String,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The address it is to become.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_to: Option<String>,
    /// Why the address changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_type: Option<RequestType>,
    /// When the token was made, in seconds since 1970.
    pub iat: u64,
    /// From when on it does not count.
    pub exp: u64,
}

/// Which step of a change of address a mail belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestType {
    /// The new address is verified.
    #[serde(rename = "change-email-verification")]
    Verification,
}

impl MailClaims {
    /// Verifies the address that a user has.
    pub fn verify_email(email: &str, user_id: &str, now_s: u64) -> Self {
        Self {
            email: email.to_owned(),
            user_id: Some(user_id.to_owned()),
            update_to: None,
            request_type: None,
            iat: now_s,
            exp: now_s.saturating_add(LIFE_SECONDS),
        }
    }

    /// Changes the address to another, which is the one that the mail goes to.
    pub fn change_email(self, update_to: &str) -> Self {
        let request_type = Some(RequestType::Verification);
        Self { update_to: Some(update_to.to_owned()), request_type, ..self }
    }

    /// The token.
    ///
    /// # Errors
    /// If the claims can't be written as JSON, which is a defect.
    pub fn sign(&self, key: &AuthKey) -> Result<String, serde_json::Error> {
        let content = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(self)?));
        let signature = key.mac(&[content.as_bytes()]).finalize().into_bytes();
        Ok(format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of a token that this secret signed. Compares in constant time.
    ///
    /// # Errors
    /// [`AuthError::INVALID_MAIL_TOKEN`] if it did not, [`AuthError::TOKEN_EXPIRED`] if that was too long ago.
    pub fn parse(token: &str, key: &AuthKey, now_s: u64) -> Result<Self, AuthError> {
        let claims = Self::genuine(token, key).ok_or(AuthError::INVALID_MAIL_TOKEN)?;
        if claims.exp <= now_s { Err(AuthError::TOKEN_EXPIRED) } else { Ok(claims) }
    }

    fn genuine(token: &str, key: &AuthKey) -> Option<Self> {
        let (content, signature) = token.rsplit_once('.').filter(|_| token.len() <= MAX_LENGTH)?;
        let (_, claims) = content.split_once('.').filter(|(header, _)| *header == HEADER)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        key.mac(&[content.as_bytes()]).verify_slice(&signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_767_225_600;

    fn key() -> AuthKey {
        AuthKey::new("sample-secret-0123456789abcdefghijklmnopqrstuv").unwrap()
    }

    fn claims() -> MailClaims {
        MailClaims::verify_email("ann@example.com", "user-1", NOW)
    }

    fn code(token: &str, now_s: u64) -> Option<&'static str> {
        MailClaims::parse(token, &key(), now_s).err().and_then(|error| error.code())
    }

    /// A signed token with a header and claims of one's own.
    fn forged(header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let content = format!("{}.{}", encode(header), encode(claims));
        let signature = key().mac(&[content.as_bytes()]).finalize().into_bytes();
        format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Computed with Python's hmac module.
    #[test]
    fn a_token_is_a_jwt_with_the_header_of_better_auth() {
        let token = claims().sign(&key()).unwrap();
        let parts = [
            "eyJhbGciOiJIUzI1NiJ9",
            "eyJlbWFpbCI6ImFubkBleGFtcGxlLmNvbSIsInVzZXJJZCI6InVzZXItMSIsImlhdCI6MTc2NzIyNTYwMCwiZXhwIjoxNzY3MjI5MjAwfQ",
            "Z-N8DTjm_325nbPkG4kQoLAXVUWokHeyAYcgtCyyKvo",
        ];
        assert_eq!(token, parts.join("."));
        assert!(MailClaims::parse(&token, &key(), NOW).is_ok_and(|found| found == claims()));
    }

    #[test]
    fn a_change_of_address_comes_back() {
        let change = claims().change_email("new@example.com");
        let json = serde_json::to_value(&change).unwrap();
        assert_eq!(
            (&json["updateTo"], &json["requestType"]),
            (&"new@example.com".into(), &"change-email-verification".into())
        );
        let token = change.sign(&key()).unwrap();
        assert!(MailClaims::parse(&token, &key(), NOW).is_ok_and(|found| found == change));
    }

    #[test]
    fn a_token_counts_for_an_hour() {
        let token = claims().sign(&key()).unwrap();
        assert_eq!(code(&token, NOW + 3599), None);
        assert_eq!(code(&token, NOW + 3600), Some("TOKEN_EXPIRED"));
    }

    #[test]
    fn what_this_secret_did_not_sign_is_invalid() {
        let token = claims().sign(&key()).unwrap();
        let body = r#"{"email":"a@b.co","iat":1,"exp":9999999999}"#;
        assert_eq!(code(&forged(r#"{"alg":"HS256"}"#, body), NOW), None);
        let (content, _) = token.rsplit_once('.').unwrap();
        for token in [
            String::new(),
            "a.b.c".to_owned(),
            format!("{content}."),
            content.to_owned(),
            format!("{token}A"),
            token.replacen('e', "f", 1),
            claims().sign(&AuthKey::new("another").unwrap()).unwrap(),
            forged(r#"{"alg":"none"}"#, body),
            forged(r#"{"alg":"HS256","typ":"JWT"}"#, body),
            forged(r#"{"alg":"HS256"}"#, r#"{"email":"a@b.co","iat":1}"#),
            forged(r#"{"alg":"HS256"}"#, r#"{"email":1,"iat":1,"exp":9999999999}"#),
            forged(r#"{"alg":"HS256"}"#, "no JSON"),
            forged(r#"{"alg":"HS256"}"#, &format!("{}{body}", " ".repeat(4096))),
        ] {
            assert_eq!(code(&token, NOW), Some("INVALID_TOKEN"), "{token}");
        }
    }
}
