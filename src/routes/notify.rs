//! `POST /notify`: a notice for whoever runs the service, told to every target that is configured.

use limits::UnixMillis;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::admission::Admitted;
use crate::app::{App, now, parse_time};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::notify::{Level, Notice, tell};
use crate::reply::Reply;

/// Longest texts, in characters.
const MAX_EVENT: usize = 128;
const MAX_MESSAGE: usize = 2_048;
const MAX_SOURCE: usize = 128;
/// What else may be told, in bytes of JSON: details, not documents.
const MAX_METADATA_BYTES: usize = 16 * 1024;
/// The last instant that can be written as a date. ECMA-262 section 21.4.1.1.
const LAST_MILLIS: f64 = 8.64e15;

#[derive(Default, Deserialize)]
#[serde(expecting = "an object")]
struct Sent {
    #[serde(default)]
    event: String,
    level: Option<Level>,
    #[serde(default)]
    message: String,
    source: Option<String>,
    timestamp: Option<Timestamp>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "must be an ISO 8601 text or milliseconds since 1970")]
enum Timestamp {
    Millis(f64),
    Text(String),
}

/// `POST /notify`.
///
/// Fails: 400 no JSON; 401 nobody signed in; 403 a key without the scope; 422 malformed; 502 no target took it, with
/// the same body as 200; 503 no target is configured.
pub async fn notify(app: App, admitted: Admitted) -> ApiResult {
    let sent: Sent = body::read_or_unprocessable(&admitted.request, app.config.max_body_bytes).await?;
    check(&sent).map_err(unprocessable)?;
    let notice = Notice {
        event: sent.event,
        level: sent.level.unwrap_or(Level::Info),
        message: sent.message,
        source: sent.source,
        at: sent.timestamp.map_or(Ok(app.now), instant)?,
        metadata: sent.metadata,
    };
    let deliveries = tell(&app, &notice).await?;
    if deliveries.is_empty() {
        let detail = "Notifications are not configured: set WEBHOOK_URL, SENTRY_DSN or DATADOG_API_KEY";
        return Err(ApiError::not_configured(detail, "none of these variables is set"));
    }
    let success = deliveries.iter().any(|delivery| delivery.success);
    let reply = Reply::json(&json!({
        "success": success,
        "event": notice.event,
        "deliveries": deliveries,
        "duration": format!("{}ms", app.now.until(now())),
    }))?;
    Ok(Reply { status: if success { 200 } else { 502 }, ..reply })
}

/// What must be otherwise, the first of it: `/path: message`.
fn check(sent: &Sent) -> Result<(), String> {
    for (name, text, most) in [("event", &sent.event, MAX_EVENT), ("message", &sent.message, MAX_MESSAGE)] {
        if !(1..=most).contains(&text.chars().count()) {
            return Err(format!("/{name}: must have 1 to {most} characters"));
        }
    }
    if sent.source.as_ref().is_some_and(|source| source.chars().count() > MAX_SOURCE) {
        return Err(format!("/source: must have at most {MAX_SOURCE} characters"));
    }
    if let Some(metadata) = &sent.metadata {
        let json = serde_json::to_string(metadata).map_err(|error| format!("/metadata: {error}"))?;
        if json.len() > MAX_METADATA_BYTES {
            return Err(format!("/metadata: must have at most {MAX_METADATA_BYTES} bytes of JSON"));
        }
    }
    Ok(())
}

fn instant(timestamp: Timestamp) -> Result<UnixMillis, ApiError> {
    let millis = match timestamp {
        Timestamp::Millis(millis) => Some(millis),
        Timestamp::Text(text) => parse_time(&text),
    };
    let millis = millis.filter(|millis| (0.0..=LAST_MILLIS).contains(millis));
    millis.map(|millis| UnixMillis(millis as u64)).ok_or_else(|| {
        unprocessable("/timestamp: must be an ISO 8601 text or milliseconds since 1970".to_owned())
    })
}

fn unprocessable(detail: String) -> ApiError {
    ApiError::Unprocessable { detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(event: usize, message: usize, source: usize, metadata: usize) -> Sent {
        let text = |n| "é".repeat(n);
        Sent {
            event: text(event),
            message: text(message),
            source: Some(text(source)),
            // As JSON it has eight bytes around the text.
            metadata: json!({ "a": "x".repeat(metadata) }).as_object().cloned(),
            ..Sent::default()
        }
    }

    #[test]
    fn texts_and_metadata_have_bounds() {
        for good in [sent(1, 1, 0, 0), sent(128, 2_048, 128, 16_376)] {
            assert_eq!(check(&good), Ok(()));
        }
        for (bad, issue) in [
            (sent(0, 1, 0, 0), "/event: must have 1 to 128 characters"),
            (sent(129, 1, 0, 0), "/event: must have 1 to 128 characters"),
            (sent(1, 0, 0, 0), "/message: must have 1 to 2048 characters"),
            (sent(1, 2_049, 0, 0), "/message: must have 1 to 2048 characters"),
            (sent(1, 1, 129, 0), "/source: must have at most 128 characters"),
            (sent(1, 1, 0, 16_377), "/metadata: must have at most 16384 bytes of JSON"),
        ] {
            assert_eq!(check(&bad), Err(issue.to_owned()));
        }
    }

    #[test]
    fn an_instant_is_one_that_can_be_written() {
        for (millis, at) in [(0.0, 0), (1.8e12, 1_800_000_000_000), (8.64e15, 8_640_000_000_000_000)] {
            assert_eq!(instant(Timestamp::Millis(millis)).unwrap(), UnixMillis(at));
        }
        for millis in [-1.0, 8.65e15, f64::NAN] {
            assert!(instant(Timestamp::Millis(millis)).is_err(), "{millis}");
        }
    }
}
