//! What each endpoint takes. Fields that are not declared are dropped; everything that is wrong is told at once.

use serde_json::Value;

use self::field::{Email, Flag, Image, Kind, Name, Opt, OrNull, Password, Switch, Text, members};
use super::error::AuthError;

/// Reads one field and notes what is wrong with it.
fn read_field<K: Kind>(path: &str, value: Option<&Value>, issues: &mut Vec<String>) -> Option<K::Value> {
    K::read(value).map_err(|issue| issues.push(format!("[{path}] {issue}"))).ok()
}

/// Structs from lines of `field "name on the wire": kind`. None of them can be printed: they hold passwords, tokens
/// and addresses.
macro_rules! shapes {
    ($($(#[$doc:meta])* $part:literal $shape:ident { $($field:ident $name:literal: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        pub struct $shape {
            $(#[doc = concat!("`", $name, "`")] pub $field: <$kind as Kind>::Value,)*
        }

        impl $shape {
            /// Reads it from a body or query.
            ///
            /// # Errors
            /// `VALIDATION_ERROR` with everything that is wrong.
            pub fn read(value: &Value) -> Result<Self, AuthError> {
                let fields = members(Some(value))
                    .map_err(|issue| AuthError::validation(&[format!("[{}] {issue}", $part)]))?;
                let mut issues = Vec::new();
                $(let $field = $crate::auth::schema::read_field::<$kind>(
                    concat!($part, ".", $name),
                    fields.get($name),
                    &mut issues,
                );)*
                match ($($field,)*) {
                    ($(Some($field),)*) => Ok(Self { $($field,)* }),
                    _ => Err(AuthError::validation(&issues)),
                }
            }
        }
    )*};
}

pub mod admin;
pub mod field;

shapes! {
    /// `POST /sign-up/email`. See also [`refuse_at_sign_up`].
    "body" SignUp {
        name "name": Name,
        email "email": Email,
        password "password": Password,
        image "image": Opt<Image>,
        callback_url "callbackURL": Opt<Text>,
        remember_me "rememberMe": Opt<Flag>,
    }

    /// `POST /sign-in/email`. The address has a refusal of its own, so any text may come.
    "body" SignIn {
        email "email": Text,
        password "password": Password,
        callback_url "callbackURL": Opt<Text>,
        remember_me "rememberMe": Opt<Flag>,
    }

    /// `POST /sign-in/social`.
    "body" SignInSocial {
        provider "provider": Text,
    }

    /// `POST /sign-out`.
    "body" SignOut {
        callback_url "callbackURL": Opt<Text>,
        disable_redirect "disableRedirect": Opt<Flag>,
        state "state": Opt<Text>,
    }

    /// `GET /get-session`.
    "query" GetSession {
        disable_cookie_cache "disableCookieCache": Switch,
        disable_refresh "disableRefresh": Switch,
    }

    /// `POST /revoke-session`.
    "body" RevokeSession {
        token "token": Text,
    }

    /// `POST /update-user`. See also [`refuse_at_update`].
    "body" UpdateUser {
        name "name": Opt<Name>,
        image "image": Opt<OrNull<Image>>,
    }

    /// `POST /change-password`.
    "body" ChangePassword {
        current_password "currentPassword": Password,
        new_password "newPassword": Password,
        revoke_other_sessions "revokeOtherSessions": Opt<Flag>,
    }

    /// `POST /verify-password`.
    "body" VerifyPassword {
        password "password": Password,
    }

    /// `POST /change-email`.
    "body" ChangeEmail {
        new_email "newEmail": Email,
        callback_url "callbackURL": Opt<Text>,
    }

    /// `POST /delete-user`.
    "body" DeleteUser {
        password "password": Opt<Password>,
        token "token": Opt<Text>,
        callback_url "callbackURL": Opt<Text>,
    }

    /// `GET /delete-user/callback`.
    "query" DeleteUserCallback {
        token "token": Text,
        callback_url "callbackURL": Opt<Text>,
    }

    /// `POST /request-password-reset`.
    "body" RequestPasswordReset {
        email "email": Email,
        redirect_to "redirectTo": Opt<Text>,
    }

    /// `GET /reset-password/{token}`.
    "query" OpenPasswordReset {
        callback_url "callbackURL": Text,
    }

    /// `POST /reset-password`. A token may come in the query instead.
    "body" ResetPassword {
        new_password "newPassword": Password,
        token "token": Opt<Text>,
    }

    /// `POST /reset-password`.
    "query" ResetPasswordQuery {
        token "token": Opt<Text>,
    }

    /// `POST /send-verification-email`.
    "body" SendVerificationEmail {
        email "email": Email,
        callback_url "callbackURL": Opt<Text>,
    }

    /// `GET /verify-email`.
    "query" VerifyEmail {
        token "token": Text,
        callback_url "callbackURL": Opt<Text>,
    }

    /// `GET /error`.
    "query" ShowError {
        error "error": Opt<Text>,
        description "error_description": Opt<Text>,
    }
}

/// Columns without a default that nobody sets for oneself.
const NOT_AT_SIGN_UP: [&str; 3] = ["role", "banReason", "banExpires"];
/// Columns that nobody changes for oneself.
const NOT_AT_UPDATE: [&str; 6] = ["role", "tier", "banned", "banReason", "banExpires", "twoFactorEnabled"];

/// Refuses a sign-up that sets what is not the user's own to set. `banned` and `tier` have defaults, so they are
/// dropped like any field that is not declared.
///
/// # Errors
/// [`AuthError::field_not_allowed`].
pub fn refuse_at_sign_up(body: &Value) -> Result<(), AuthError> {
    sets_any(body, &NOT_AT_SIGN_UP).map_or(Ok(()), |field| Err(AuthError::field_not_allowed(field)))
}

/// Refuses a change of what is not the user's own to change.
///
/// # Errors
/// [`AuthError::EMAIL_CAN_NOT_BE_UPDATED`], [`AuthError::field_not_allowed`].
pub fn refuse_at_update(body: &Value) -> Result<(), AuthError> {
    if sets_any(body, &["email"]).is_some() {
        return Err(AuthError::EMAIL_CAN_NOT_BE_UPDATED);
    }
    sets_any(body, &NOT_AT_UPDATE).map_or(Ok(()), |field| Err(AuthError::field_not_allowed(field)))
}

/// The first of the fields that has a value that JavaScript takes for true.
fn sets_any<'f>(body: &Value, fields: &[&'f str]) -> Option<&'f str> {
    let is_set = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Bool(true) | Value::Array(_) | Value::Object(_) => true,
    };
    fields.iter().copied().find(|field| body.get(field).is_some_and(is_set))
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;
    use crate::reply::Body;

    /// The message of the refusal, if there is one.
    pub fn issues<T>(outcome: Result<T, AuthError>) -> Option<String> {
        let error = outcome.err()?;
        assert_eq!((error.status(), error.code()), (400, Some("VALIDATION_ERROR")));
        let Body::Json { text, .. } = error.into_reply().body else { panic!("no body") };
        let body: Value = serde_json::from_str(&text).unwrap();
        body["message"].as_str().map(str::to_owned)
    }

    /// The fields that a refusal names.
    pub fn missing<T>(outcome: Result<T, AuthError>) -> Vec<String> {
        let issues = issues(outcome).unwrap_or_default();
        let named = issues.split("; ").filter_map(|issue| issue.strip_prefix('[')?.split_once(']'));
        named.map(|(path, _)| path.to_owned()).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let text = |field: &str, received: &str| {
            format!("[body.{field}] Invalid input: expected string, received {received}")
        };
        assert_eq!(
            issues(SignUp::read(&json!({ "email": "a@b", "name": 1 }))),
            Some(format!(
                "{}; [body.email] Invalid email address; {}",
                text("name", "number"),
                text("password", "undefined")
            ))
        );
        assert_eq!(
            issues(SignUp::read(&json!([]))).as_deref(),
            Some("[body] Invalid input: expected object, received array")
        );
    }

    #[test]
    fn a_sign_up_is_read_and_the_rest_dropped() {
        let body = json!({
            "name": "", "email": "Ann@Example.com", "password": "password-one", "rememberMe": false,
            "id": "mine", "emailVerified": true, "banned": true, "tier": "enterprise"
        });
        let SignUp { name, email, password, image, callback_url, remember_me } =
            SignUp::read(&body).ok().unwrap();
        assert_eq!(
            (name.as_str(), email.as_str(), password.reveal()),
            ("", "ann@example.com", "password-one")
        );
        assert_eq!((image, callback_url, remember_me), (None, None, Some(false)));
        assert_eq!(refuse_at_sign_up(&body), Ok(()));
    }

    #[test]
    fn an_image_is_null_only_where_that_removes_it() {
        let mut body = json!({ "name": "", "email": "a@b.co", "password": "", "image": null });
        assert!(issues(SignUp::read(&body)).is_some());
        assert_eq!(UpdateUser::read(&body).ok().unwrap().image, Some(None));
        body["image"] = json!("/a.png");
        assert_eq!(UpdateUser::read(&body).ok().unwrap().image, Some(Some("/a.png".to_owned())));
        assert_eq!(UpdateUser::read(&json!({})).ok().unwrap().image, None);
    }

    #[test]
    fn a_form_cannot_carry_remember_me() {
        let mut body = json!({ "email": " a@b.co", "password": "x" });
        assert_eq!(SignIn::read(&body).ok().unwrap().email, " a@b.co");
        body["rememberMe"] = json!("true");
        assert_eq!(
            issues(SignIn::read(&body)).as_deref(),
            Some("[body.rememberMe] Invalid input: expected boolean, received string")
        );
    }

    #[test]
    fn nobody_gives_oneself_a_role() {
        for field in ["role", "banReason", "banExpires"] {
            assert_eq!(refuse_at_sign_up(&json!({ field: "x" })), Err(AuthError::field_not_allowed(field)));
            assert_eq!(refuse_at_sign_up(&json!({ field: "" })), Ok(()));
        }
        for field in ["role", "tier", "banned", "banReason", "banExpires", "twoFactorEnabled"] {
            for value in [json!("x"), json!(true), json!(1), json!([])] {
                assert_eq!(
                    refuse_at_update(&json!({ field: value })),
                    Err(AuthError::field_not_allowed(field))
                );
            }
        }
        let email = json!({ "email": "new@b.co", "role": "admin" });
        assert_eq!(refuse_at_update(&email), Err(AuthError::EMAIL_CAN_NOT_BE_UPDATED));
        assert_eq!(refuse_at_update(&json!({ "email": "", "banned": false, "name": "x" })), Ok(()));
    }

    /// Which fields each endpoint can't do without.
    #[test]
    fn an_empty_request_names_what_is_missing() {
        let none: [&str; 0] = [];
        let empty = json!({});
        assert_eq!(missing(SignUp::read(&empty)), ["body.name", "body.email", "body.password"]);
        assert_eq!(missing(SignIn::read(&empty)), ["body.email", "body.password"]);
        assert_eq!(missing(SignInSocial::read(&empty)), ["body.provider"]);
        assert_eq!(missing(SignOut::read(&empty)), none);
        assert_eq!(missing(GetSession::read(&empty)), none);
        assert_eq!(missing(RevokeSession::read(&empty)), ["body.token"]);
        assert_eq!(missing(ChangePassword::read(&empty)), ["body.currentPassword", "body.newPassword"]);
        assert_eq!(missing(VerifyPassword::read(&empty)), ["body.password"]);
        assert_eq!(missing(ChangeEmail::read(&empty)), ["body.newEmail"]);
        assert_eq!(missing(DeleteUser::read(&empty)), none);
        assert_eq!(missing(DeleteUserCallback::read(&empty)), ["query.token"]);
        assert_eq!(missing(RequestPasswordReset::read(&empty)), ["body.email"]);
        assert_eq!(missing(OpenPasswordReset::read(&empty)), ["query.callbackURL"]);
        assert_eq!(missing(ResetPassword::read(&empty)), ["body.newPassword"]);
        assert_eq!(missing(ResetPasswordQuery::read(&empty)), none);
        assert_eq!(missing(SendVerificationEmail::read(&empty)), ["body.email"]);
        assert_eq!(missing(VerifyEmail::read(&empty)), ["query.token"]);
        assert_eq!(missing(ShowError::read(&empty)), none);
    }
}
