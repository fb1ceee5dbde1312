//! What a client of Better Auth is refused with. Clients key on `code`; people read `message`.
//!
//! These are no problem documents: the client library knows only its own shape. Some have no code, two have no body.

use std::borrow::Cow;

use serde::Serialize;

use crate::reply::{Body, Reply};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthError {
    status: u16,
    shape: Shape,
    /// Whole seconds to wait, if that helps.
    retry_after: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Text(Text),
    /// Announced as JSON.
    EmptyJson,
    Empty,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Text {
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

/// Refusals whose name is their code.
macro_rules! refusals {
    ($($status:literal { $($code:ident $message:literal)* })*) => {
        impl AuthError {
            $($(#[doc = concat!(stringify!($status), ": ", $message, ".")]
            pub const $code: Self = Self::coded($status, stringify!($code), $message);)*)*

            #[cfg(test)]
            const NAMED: &[(u16, &str, &Self)] = &[$($(($status, stringify!($code), &Self::$code),)*)*];
        }
    };
}

refusals! {
    400 {
        BAD_REQUEST "Invalid JSON in request body"
        BODY_MUST_BE_AN_OBJECT "Body must be an object"
        INVALID_EMAIL "Invalid email"
        INVALID_PASSWORD "Invalid password"
        PASSWORD_TOO_SHORT "Password too short"
        PASSWORD_TOO_LONG "Password too long"
        PASSWORD_ALREADY_SET "A password is already set"
        EMAIL_CAN_NOT_BE_UPDATED "Email can not be updated"
        MISSING_FIELD "Field is required"
        CREDENTIAL_ACCOUNT_NOT_FOUND "Credential account not found"
        ACCOUNT_NOT_FOUND "Account not found"
        SESSION_EXPIRED "Session expired; sign in again to do this"
        CHANGE_EMAIL_DISABLED "Changing the email is disabled"
        RESET_PASSWORD_DISABLED "Reset password isn't enabled"
        VERIFICATION_EMAIL_NOT_ENABLED "Verification email isn't enabled"
        EMAIL_MISMATCH "Email mismatch"
        EMAIL_ALREADY_VERIFIED "Email is already verified"
        EMAIL_PASSWORD_DISABLED "Email and password are disabled"
        EMAIL_PASSWORD_SIGN_UP_DISABLED "Signing up with email and password is disabled"
        FAILED_TO_UNLINK_LAST_ACCOUNT "The last account can not be unlinked"
        NO_DATA_TO_UPDATE "No data to update"
        PASSWORD_CANNOT_BE_UPDATED_VIA_UPDATE_USER "A password is set by set-user-password"
        USER_ID_CANNOT_BE_UPDATED "The id of a user can not be updated"
        INVALID_ROLE_TYPE "A role must be a text"
        YOU_CANNOT_BAN_YOURSELF "You cannot ban yourself"
        YOU_CANNOT_REMOVE_YOURSELF "You cannot remove yourself"
    }
    401 {
        UNAUTHORIZED "Unauthorized"
        INVALID_EMAIL_OR_PASSWORD "Invalid email or password"
        TOKEN_EXPIRED "Token expired"
        INVALID_USER "Invalid user"
        FAILED_TO_GET_USER_INFO "Failed to get user info"
        USER_EMAIL_NOT_FOUND "User email not found"
    }
    403 {
        INVALID_ORIGIN "Invalid origin"
        MISSING_OR_NULL_ORIGIN "Missing or null Origin"
        CROSS_SITE_NAVIGATION_LOGIN_BLOCKED "Cross-site navigation login blocked. This request appears to be a CSRF attack."
        INVALID_CALLBACK_URL "Invalid callbackURL"
        INVALID_REDIRECT_URL "Invalid redirectURL"
        INVALID_ERROR_CALLBACK_URL "Invalid errorCallbackURL"
        INVALID_NEW_USER_CALLBACK_URL "Invalid newUserCallbackURL"
        EMAIL_NOT_VERIFIED "Email not verified"
        SESSION_NOT_FRESH "Session is not fresh"
        BANNED_USER "You have been banned from this application. Please contact support if you believe this is an error."
        YOU_ARE_NOT_ALLOWED_TO_LIST_USERS "You are not allowed to list users"
        YOU_ARE_NOT_ALLOWED_TO_GET_USER "You are not allowed to get a user"
        YOU_ARE_NOT_ALLOWED_TO_CREATE_USERS "You are not allowed to create users"
        YOU_ARE_NOT_ALLOWED_TO_UPDATE_USERS "You are not allowed to update users"
        YOU_ARE_NOT_ALLOWED_TO_CHANGE_USERS_ROLE "You are not allowed to change users' role"
        YOU_ARE_NOT_ALLOWED_TO_BAN_USERS "You are not allowed to ban users"
        YOU_ARE_NOT_ALLOWED_TO_LIST_USERS_SESSIONS "You are not allowed to list users' sessions"
        YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS "You are not allowed to revoke users' sessions"
        YOU_ARE_NOT_ALLOWED_TO_IMPERSONATE_USERS "You are not allowed to impersonate users"
        YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS "You are not allowed to delete users"
        YOU_ARE_NOT_ALLOWED_TO_SET_USERS_PASSWORD "You are not allowed to set users' password"
        YOU_CANNOT_IMPERSONATE_ADMINS "You cannot impersonate admins"
    }
    404 {
        PROVIDER_NOT_FOUND "Provider not found"
        ID_TOKEN_NOT_SUPPORTED "id_token not supported"
        USER_NOT_FOUND "User not found"
    }
    405 {
        METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED "POST method requires deferSessionRefresh to be enabled in session config"
    }
    415 {
        UNSUPPORTED_MEDIA_TYPE "Unsupported media type"
    }
    422 {
        USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL "User already exists. Use another email."
        FAILED_TO_CREATE_USER "Failed to create user"
    }
    500 {
        FAILED_TO_GET_SESSION "Failed to get session"
        INTERNAL_SERVER_ERROR "Internal server error"
    }
}

/// Refusals whose status depends on who asks, and those without a code.
impl AuthError {
    /// 400: the token of a password reset is missing, unknown, used or expired.
    pub const INVALID_RESET_TOKEN: Self = Self::coded(400, "INVALID_TOKEN", "Invalid token");
    /// 401: the token of an e-mail verification is none of ours.
    pub const INVALID_MAIL_TOKEN: Self = Self::coded(401, "INVALID_TOKEN", "Invalid token");
    /// 404: the token of an account's deletion is unknown, used or expired.
    pub const INVALID_DELETE_TOKEN: Self = Self::coded(404, "INVALID_TOKEN", "Invalid token");
    /// 404: the deletion of an account was confirmed without a session.
    pub const NO_USER_TO_DELETE: Self =
        Self::coded(404, "FAILED_TO_GET_USER_INFO", "Failed to get user info");
    /// 400: the user of a reset token is gone.
    pub const NO_USER_TO_RESET: Self = Self::coded(400, "USER_NOT_FOUND", "User not found");
    /// 401: the user of a mailed link is gone.
    pub const NO_USER_TO_VERIFY: Self = Self::coded(401, "USER_NOT_FOUND", "User not found");
    /// 400: an admin creates a user who exists.
    pub const CREATED_USER_EXISTS: Self =
        Self::coded(400, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.");
    /// 400: a sign-up could not open a session.
    pub const NO_SESSION_AFTER_SIGN_UP: Self =
        Self::coded(400, "FAILED_TO_CREATE_SESSION", "Failed to create session");
    /// 401: a sign-in could not open a session.
    pub const NO_SESSION_AFTER_SIGN_IN: Self =
        Self::coded(401, "FAILED_TO_CREATE_SESSION", "Failed to create session");
    /// 400, without a code.
    pub const NO_FIELDS_TO_UPDATE: Self = Self::message_only(400, "No fields to update");
    /// 400, without a code.
    pub const EMAIL_IS_THE_SAME: Self = Self::message_only(400, "Email is the same");
    /// 400, without a code.
    pub const NOT_IMPERSONATING: Self = Self::message_only(400, "You are not impersonating anyone");
    /// 400, without a code.
    pub const NO_PERMISSION_ASKED_FOR: Self = Self::message_only(400, "No permissions were named");
    /// 500, without a code: the session that an admin put aside is gone.
    pub const NO_SESSION_TO_RETURN_TO: Self = Self::message_only(500, "Failed to find admin session");
    /// 401 without a body: an admin's route without a session.
    pub const NO_ADMIN_SESSION: Self = Self::of(401, Shape::EmptyJson);
    /// 404 without a body: users can't delete themselves here.
    pub const DELETE_USER_DISABLED: Self = Self::of(404, Shape::EmptyJson);
    /// 404 without a body: no such route.
    pub const NO_ROUTE: Self = Self::of(404, Shape::Empty);
    /// 500 without a body: a defect, e.g. a stored password hash that can't be read.
    pub const UNEXPECTED: Self = Self::of(500, Shape::Empty);

    /// 400: a body or query of the wrong shape.
    pub fn validation(issues: &[String]) -> Self {
        let text = Text { message: Cow::Owned(issues.join("; ")), code: Some("VALIDATION_ERROR") };
        Self::of(400, Shape::Text(text))
    }

    /// 400: a field that users don't set for themselves.
    pub fn field_not_allowed(field: &str) -> Self {
        let message = Cow::Owned(format!("{field} is not allowed to be set"));
        Self::of(400, Shape::Text(Text { message, code: Some("FIELD_NOT_ALLOWED") }))
    }

    /// 429, without a code: come back in so many whole seconds.
    pub const fn too_many_requests(seconds: u64) -> Self {
        let mut error = Self::message_only(429, "Too many requests. Please try again later.");
        error.retry_after = Some(seconds);
        error
    }

    const fn of(status: u16, shape: Shape) -> Self {
        Self { status, shape, retry_after: None }
    }

    const fn coded(status: u16, code: &'static str, message: &'static str) -> Self {
        Self::of(status, Shape::Text(Text { message: Cow::Borrowed(message), code: Some(code) }))
    }

    const fn message_only(status: u16, message: &'static str) -> Self {
        Self::of(status, Shape::Text(Text { message: Cow::Borrowed(message), code: None }))
    }
}

impl AuthError {
    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The code, if it has one. Redirects carry it as `error`.
    pub fn code(&self) -> Option<&'static str> {
        match &self.shape {
            Shape::Text(text) => text.code,
            Shape::EmptyJson | Shape::Empty => None,
        }
    }

    /// The answer.
    pub fn into_reply(self) -> Reply {
        let reply = Reply::empty(self.status);
        let mut reply = match &self.shape {
            Shape::Empty => reply,
            Shape::EmptyJson => reply.with_header("Content-Type", "application/json"),
            Shape::Text(text) => {
                // Two strings always serialise.
                let text = serde_json::to_string(text).unwrap_or_default();
                Reply { body: Body::Json { media_type: "application/json", text }, ..reply }
            }
        };
        if let Some(seconds) = self.retry_after {
            reply = reply.with_header("X-Retry-After", seconds.to_string());
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, code, and body.
    fn seen(error: &AuthError) -> (u16, Option<&'static str>, String) {
        let reply = error.clone().into_reply();
        let text = match reply.body {
            Body::Json { media_type: "application/json", text } => text,
            Body::Empty => String::new(),
            other => panic!("{other:?}"),
        };
        (reply.status, error.code(), text)
    }

    /// The texts that users meet, as Better Auth writes them.
    #[test]
    fn known_texts_come_with_the_message_first() {
        for (error, status, text) in [
            (
                AuthError::INVALID_EMAIL_OR_PASSWORD,
                401,
                r#"{"message":"Invalid email or password","code":"INVALID_EMAIL_OR_PASSWORD"}"#,
            ),
            (AuthError::INVALID_EMAIL, 400, r#"{"message":"Invalid email","code":"INVALID_EMAIL"}"#),
            (AuthError::INVALID_PASSWORD, 400, r#"{"message":"Invalid password","code":"INVALID_PASSWORD"}"#),
            (
                AuthError::PASSWORD_TOO_SHORT,
                400,
                r#"{"message":"Password too short","code":"PASSWORD_TOO_SHORT"}"#,
            ),
            (
                AuthError::PASSWORD_TOO_LONG,
                400,
                r#"{"message":"Password too long","code":"PASSWORD_TOO_LONG"}"#,
            ),
            (
                AuthError::USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL,
                422,
                r#"{"message":"User already exists. Use another email.","code":"USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"}"#,
            ),
            (AuthError::UNAUTHORIZED, 401, r#"{"message":"Unauthorized","code":"UNAUTHORIZED"}"#),
            (AuthError::INVALID_ORIGIN, 403, r#"{"message":"Invalid origin","code":"INVALID_ORIGIN"}"#),
            (
                AuthError::MISSING_OR_NULL_ORIGIN,
                403,
                r#"{"message":"Missing or null Origin","code":"MISSING_OR_NULL_ORIGIN"}"#,
            ),
            (
                AuthError::INVALID_CALLBACK_URL,
                403,
                r#"{"message":"Invalid callbackURL","code":"INVALID_CALLBACK_URL"}"#,
            ),
            (
                AuthError::EMAIL_NOT_VERIFIED,
                403,
                r#"{"message":"Email not verified","code":"EMAIL_NOT_VERIFIED"}"#,
            ),
            (
                AuthError::SESSION_NOT_FRESH,
                403,
                r#"{"message":"Session is not fresh","code":"SESSION_NOT_FRESH"}"#,
            ),
            (AuthError::NO_FIELDS_TO_UPDATE, 400, r#"{"message":"No fields to update"}"#),
            (AuthError::EMAIL_IS_THE_SAME, 400, r#"{"message":"Email is the same"}"#),
            (AuthError::NOT_IMPERSONATING, 400, r#"{"message":"You are not impersonating anyone"}"#),
            (
                AuthError::too_many_requests(7),
                429,
                r#"{"message":"Too many requests. Please try again later."}"#,
            ),
        ] {
            let (seen_status, _, seen_text) = seen(&error);
            assert_eq!((seen_status, seen_text.as_str()), (status, text));
        }
        for error in
            [AuthError::INVALID_RESET_TOKEN, AuthError::INVALID_MAIL_TOKEN, AuthError::INVALID_DELETE_TOKEN]
        {
            assert_eq!(seen(&error).2, r#"{"message":"Invalid token","code":"INVALID_TOKEN"}"#);
        }
    }

    #[test]
    fn one_code_can_have_several_statuses() {
        for (error, status, code) in [
            (AuthError::INVALID_RESET_TOKEN, 400, "INVALID_TOKEN"),
            (AuthError::INVALID_MAIL_TOKEN, 401, "INVALID_TOKEN"),
            (AuthError::INVALID_DELETE_TOKEN, 404, "INVALID_TOKEN"),
            (AuthError::NO_USER_TO_DELETE, 404, "FAILED_TO_GET_USER_INFO"),
            (AuthError::NO_USER_TO_RESET, 400, "USER_NOT_FOUND"),
            (AuthError::NO_USER_TO_VERIFY, 401, "USER_NOT_FOUND"),
            (AuthError::field_not_allowed("role"), 400, "FIELD_NOT_ALLOWED"),
            (AuthError::CREATED_USER_EXISTS, 400, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"),
            (AuthError::NO_SESSION_AFTER_SIGN_UP, 400, "FAILED_TO_CREATE_SESSION"),
            (AuthError::NO_SESSION_AFTER_SIGN_IN, 401, "FAILED_TO_CREATE_SESSION"),
            (AuthError::validation(&[]), 400, "VALIDATION_ERROR"),
        ] {
            assert_eq!((error.status(), error.code()), (status, Some(code)));
        }
        for (status, code, error) in AuthError::NAMED {
            let (seen_status, seen_code, text) = seen(error);
            assert_eq!((seen_status, seen_code), (*status, Some(*code)));
            assert!(text.ends_with(&format!(r#"","code":"{code}"}}"#)), "{text}");
        }
    }

    #[test]
    fn some_have_no_body() {
        for (error, status, media_type) in [
            (AuthError::NO_ADMIN_SESSION, 401, Some("application/json")),
            (AuthError::DELETE_USER_DISABLED, 404, Some("application/json")),
            (AuthError::NO_ROUTE, 404, None),
            (AuthError::UNEXPECTED, 500, None),
        ] {
            assert_eq!(seen(&error), (status, None, String::new()));
            let reply = error.into_reply();
            assert_eq!(reply.headers.first().map(|(_, value)| value.as_str()), media_type);
        }
    }

    #[test]
    fn issues_are_joined_and_waiting_is_told() {
        let issues = ["[body.a] one".to_owned(), "[body.b] \"two\"".to_owned()];
        assert_eq!(
            seen(&AuthError::validation(&issues)).2,
            r#"{"message":"[body.a] one; [body.b] \"two\"","code":"VALIDATION_ERROR"}"#
        );
        let headers = AuthError::too_many_requests(7).into_reply().headers;
        assert_eq!(headers, [("X-Retry-After", "7".to_owned())]);
    }
}
