//! Notices: told to a webhook, to Sentry and to Datadog, to all of them that are configured and at the same time.
//!
//! A target that does not take a notice at once is asked again. All attempts have the same id, by which a receiver
//! knows what it has taken already: the connection may have broken behind that. A refusal that will not pass is final.

mod targets;

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, join_all, select};
use limits::UnixMillis;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use worker::wasm_bindgen::JsValue;
use worker::{
    AbortController, AbortSignal, Delay, Error, Fetch, Headers, Method, Request, RequestInit,
    RequestRedirect, console_error,
};

use crate::app::{App, iso_time, now};
use targets::{Message, datadog, generic, sentry};

/// Time for an answer to one attempt, in milliseconds.
const TIMEOUT_MS: u64 = 5_000;
/// How long is waited before the second and the third attempt, in milliseconds. With [`TIMEOUT_MS`], whoever asks
/// waits for 16.25 seconds at most.
const PAUSES_MS: [u64; 2] = [250, 1_000];

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever looks for a cause.
    Debug,
    /// Good to know.
    Info,
    /// Somebody should look at it.
    Warn,
    /// Something does not work.
    Error,
}

impl Level {
    /// The level as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What is told. Its JSON is what a webhook carries.
#[derive(Debug, Serialize)]
pub struct Notice {
    /// What happened, in a word.
    pub event: String,
    /// How much it matters.
    pub level: Level,
    /// What happened, in a sentence.
    pub message: String,
    /// Where it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When it happened.
    #[serde(rename = "timestamp", serialize_with = "as_iso_time")]
    pub at: UnixMillis,
    /// What else is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

fn as_iso_time<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&iso_time(*at))
}

/// What became of a notice at one target.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The target.
    pub target: &'static str,
    /// Whether it took the notice.
    pub success: bool,
    /// What it answered last, if it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// Why it did not take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Tells a notice to every target that is configured. No deliveries if none is.
///
/// # Errors
/// If the notice can't be written as JSON, which is a defect.
pub async fn tell(app: &App, notice: &Notice) -> worker::Result<Vec<Delivery>> {
    let (config, id) = (&app.config, Uuid::new_v4().simple().to_string());
    let messages = [
        config.webhook.as_ref().map(|to| generic(to, notice)),
        config.sentry.as_ref().map(|to| sentry(to, config, &id, notice)),
        config.datadog.as_ref().map(|to| datadog(to, config, &id, app.now, notice)),
    ];
    let messages: Vec<Message<'_>> = messages.into_iter().flatten().collect::<Result<_, _>>()?;
    let id = format!("msg_{id}");
    Ok(join_all(messages.iter().map(|message| deliver(message, &id))).await)
}

/// Delivers a message in as many attempts as it takes, if not too many.
async fn deliver(message: &Message<'_>, id: &str) -> Delivery {
    let mut pauses = PAUSES_MS.into_iter();
    let outcome = loop {
        let outcome = attempt(message, id).await;
        match pauses.next().filter(|_| may_pass(&outcome)) {
            Some(pause_ms) => Delay::from(Duration::from_millis(pause_ms)).await,
            None => break outcome,
        }
    };
    let target = message.target;
    // What exactly broke is for the log alone.
    let (status_code, error, cause) = match outcome {
        Ok(status @ 200..=299) => {
            return Delivery { target, success: true, status_code: Some(status), error: None };
        }
        Ok(status) => (Some(status), format!("The target answered {status}"), format!("status {status}")),
        Err(cause) => (None, "The target did not answer".to_owned(), cause),
    };
    console_error!("{}", json!({ "level": "error", "what": "notify", "target": target, "cause": cause }));
    Delivery { target, success: false, status_code, error: Some(error) }
}

/// Whether the same may succeed in a moment.
fn may_pass(outcome: &Result<u16, String>) -> bool {
    match outcome {
        Ok(status) => *status == 429 || *status >= 500,
        Err(_) => true,
    }
}

/// One attempt: the status of the answer, or why there is none. What the answer says is not looked at.
async fn attempt(message: &Message<'_>, id: &str) -> Result<u16, String> {
    let controller = AbortController::default();
    let sending = pin!(post(message, id, controller.signal()));
    let outcome = match select(sending, pin!(Delay::from(Duration::from_millis(TIMEOUT_MS)))).await {
        Either::Left((answered, _)) => answered.map_err(|error| error.to_string()),
        Either::Right(_) => Err(format!("no answer within {TIMEOUT_MS} ms")),
    };
    // Neither a late answer nor the rest of this one is waited for.
    controller.abort();
    outcome
}

async fn post(message: &Message<'_>, id: &str, signal: AbortSignal) -> worker::Result<u16> {
    let headers = Headers::new();
    for (name, value) in &message.headers {
        headers.set(name, value)?;
    }
    // Of this attempt, not of the message: receivers refuse what was signed long ago.
    let stamp = message.stamp(id, now()).map_err(|error| Error::RustError(error.to_string()))?;
    for (name, value) in stamp {
        headers.set(&name, &value)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        // Keys and notices are for this address and for no other.
        .with_redirect(RequestRedirect::Manual)
        .with_body(Some(JsValue::from_str(&message.body)));
    let request = Request::new_with_init(message.url, &init)?;
    Ok(Fetch::Request(request).send_with_signal(&signal).await?.status_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again() {
        for status in [429, 500, 503, 599] {
            assert!(may_pass(&Ok(status)), "{status}");
        }
        for status in [200, 204, 301, 400, 401, 404, 410, 422] {
            assert!(!may_pass(&Ok(status)), "{status}");
        }
        assert!(may_pass(&Err("the connection broke".to_owned())));
    }

    #[test]
    fn levels_are_written_alike_everywhere() {
        for level in [Level::Debug, Level::Info, Level::Warn, Level::Error] {
            assert_eq!(serde_json::to_value(level).unwrap(), level.name());
        }
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod wasm_tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn what_a_notice_does_not_say_is_left_out() {
        let notice = Notice {
            event: "e".to_owned(),
            level: Level::Warn,
            message: "m".to_owned(),
            source: None,
            at: UnixMillis(1_800_000_000_007),
            metadata: None,
        };
        let json = r#"{"event":"e","level":"warn","message":"m","timestamp":"2027-01-15T08:00:00.007Z"}"#;
        assert_eq!(serde_json::to_string(&notice).unwrap(), json);
    }
}
