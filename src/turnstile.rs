//! Turnstile: whether a person sent the request, as Cloudflare's siteverify tells.
//! <https://developers.cloudflare.com/turnstile/get-started/server-side-validation/>
//!
//! A token counts once and for 300 seconds; siteverify keeps the books. Whatever is not a clear yes is a no: a
//! timeout, an answer that is no JSON, a service that can't be reached.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;
use uuid::Uuid;
use worker::wasm_bindgen::JsValue;
use worker::{
    AbortController, AbortSignal, Delay, Fetch, Headers, Method, Request, RequestInit, console_error,
};

use crate::admission::{Caller, Proof, client_address};
use crate::app::App;
use crate::config::{Secret, Turnstile};
use crate::error::ApiError;
use crate::incoming::Incoming;

/// Longest token, as documented.
const MAX_TOKEN_BYTES: usize = 2048;
/// Time for an answer, a second attempt included, in milliseconds.
const TIMEOUT_MS: u64 = 5_000;
/// How long a good token counts for requests of the same identity that may come without one, in milliseconds:
/// existing frontends send it with compiles alone.
const VOUCH_MS: u64 = 5 * 60_000;
/// Longest answer. A real one has a few hundred bytes.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// What the documented test secrets answer. Development has them without a network; production never does.
/// <https://developers.cloudflare.com/turnstile/troubleshooting/testing/>
const TEST_SECRETS: [(&str, Option<&str>); 3] = [
    ("1x0000000000000000000000000000000AA", None),
    ("2x0000000000000000000000000000000AA", Some("invalid-input-response")),
    ("3x0000000000000000000000000000000AA", Some("timeout-or-duplicate")),
];

#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

/// Nobody could be asked, for this reason.
struct Unavailable(String);

/// Lets a request pass if Turnstile is off, if its token is good, or if it came with an API key: a program has
/// nobody who could prove to be a person, and whoever made the key has shown to be one.
///
/// # Errors
/// [`ApiError::TurnstileRejected`].
pub async fn check(
    app: &App,
    request: &Incoming,
    caller: &Caller,
    token: Option<&str>,
) -> Result<(), ApiError> {
    let Some(turnstile) = &app.config.turnstile else { return Ok(()) };
    if caller.proof == Proof::ApiKey {
        return Ok(());
    }
    let rejected = |detail: String| Err(ApiError::TurnstileRejected { detail });
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return rejected("Missing Turnstile token".to_owned());
    };
    let answer = if token.len() > MAX_TOKEN_BYTES {
        Ok(Answer { success: false, error_codes: vec!["invalid-input-response".to_owned()] })
    } else if let Some(answer) = answer_of_test_secret(&turnstile.secret, &app.config.environment) {
        Ok(answer)
    } else {
        ask(turnstile, token, &client_address(request)?).await
    };
    match answer {
        Ok(Answer { success: true, .. }) => {
            // The token is spent and was good: whatever fails now costs a later request its mercy, not this one.
            if let Err(error) = app.identities()?.vouch(&caller.identity, VOUCH_MS).await {
                console_error!(
                    "{}",
                    json!({ "level": "error", "what": "vouch", "cause": error.to_string() })
                );
            }
            Ok(())
        }
        Ok(Answer { error_codes, .. }) => {
            rejected(format!("Turnstile verification failed: {}", error_codes.join(", ")))
        }
        Err(Unavailable(cause)) => {
            console_error!("{}", json!({ "level": "error", "what": "turnstile", "cause": cause }));
            rejected("Turnstile verification service unavailable".to_owned())
        }
    }
}

/// As [`check`]; without a token, one that the same identity passed within [`VOUCH_MS`] counts too.
///
/// # Errors
/// [`ApiError::TurnstileRejected`]; [`ApiError::Unavailable`] if the identity's object can't be asked.
pub async fn check_or_recent(
    app: &App,
    request: &Incoming,
    caller: &Caller,
    token: Option<&str>,
) -> Result<(), ApiError> {
    let has_none = token.is_none_or(str::is_empty);
    if has_none && app.config.turnstile.is_some() && caller.proof != Proof::ApiKey {
        let vouched = app.identities()?.is_vouched(&caller.identity).await;
        if vouched.map_err(|error| ApiError::unavailable("the identity's object", error))? {
            return Ok(());
        }
    }
    check(app, request, caller, token).await
}

fn answer_of_test_secret(secret: &Secret, environment: &str) -> Option<Answer> {
    if environment == "production" {
        return None;
    }
    let (_, code) = TEST_SECRETS.iter().find(|(test, _)| *test == secret.reveal())?;
    Some(Answer {
        success: code.is_none(),
        error_codes: code.iter().map(|code| (*code).to_owned()).collect(),
    })
}

/// Asks, and asks once more if the service itself had trouble: the idempotency key makes that one question.
async fn ask(turnstile: &Turnstile, token: &str, address: &str) -> Result<Answer, Unavailable> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("secret", turnstile.secret.reveal())
        .append_pair("response", token)
        .append_pair("remoteip", address)
        .append_pair("idempotency_key", &Uuid::new_v4().to_string())
        .finish();
    let controller = AbortController::default();
    let signal = controller.signal();
    let asking = async {
        let had_trouble = |answer: &Answer| answer.error_codes.iter().any(|code| code == "internal-error");
        match send(&turnstile.verify_url, &form, &signal).await {
            Ok(answer) if !had_trouble(&answer) => Ok(answer),
            _ => send(&turnstile.verify_url, &form, &signal).await,
        }
    };
    match select(pin!(asking), pin!(Delay::from(Duration::from_millis(TIMEOUT_MS)))).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => {
            controller.abort();
            Err(Unavailable(format!("no answer within {TIMEOUT_MS} ms")))
        }
    }
}

/// The HTTP status tells nothing that the answer does not.
async fn send(url: &str, form: &str, signal: &AbortSignal) -> Result<Answer, Unavailable> {
    let broken = |error: worker::Error| Unavailable(error.to_string());
    let headers = Headers::new();
    headers.set("Content-Type", "application/x-www-form-urlencoded").map_err(broken)?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_headers(headers).with_body(Some(JsValue::from_str(form)));
    let request = Request::new_with_init(url, &init).map_err(broken)?;
    let mut response = Fetch::Request(request).send_with_signal(signal).await.map_err(broken)?;
    let mut bytes = Vec::new();
    let mut chunks = response.stream().map_err(broken)?;
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(broken)?);
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(Unavailable(format!("an answer of more than {MAX_ANSWER_BYTES} bytes")));
        }
    }
    serde_json::from_slice(&bytes).map_err(|error| Unavailable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(secret: &str, environment: &str) -> Option<(bool, Vec<String>)> {
        let answer = answer_of_test_secret(&Secret::from(secret), environment);
        answer.map(|answer| (answer.success, answer.error_codes))
    }

    #[test]
    fn test_secrets_answer_outside_production_alone() {
        let passes = "1x0000000000000000000000000000000AA";
        assert_eq!(of(passes, "development"), Some((true, vec![])));
        assert_eq!(
            of("2x0000000000000000000000000000000AA", "development"),
            Some((false, vec!["invalid-input-response".to_owned()]))
        );
        assert_eq!(
            of("3x0000000000000000000000000000000AA", "development"),
            Some((false, vec!["timeout-or-duplicate".to_owned()]))
        );
        assert_eq!(of(passes, "production"), None);
        assert_eq!(of("another", "development"), None);
    }
}
