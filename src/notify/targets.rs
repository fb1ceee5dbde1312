//! The targets: what a notice looks like at each of them, and how each knows who sends.

use hmac::digest::InvalidLength;
use limits::UnixMillis;
use serde::Serialize;
use serde_json::json;

use super::{Level, Notice};
use crate::config::{Config, Datadog, Sentry, SigningKey, Webhook};
use crate::svix;

/// How the sender is called at Sentry.
const CLIENT: &str = concat!("bloqr-backend/", env!("CARGO_PKG_VERSION"));

/// How old an event may be that Datadog takes, in milliseconds: 18 hours, less a minute for its way there.
/// <https://docs.datadoghq.com/api/latest/events/post-an-event/>
const MAX_AGE_MS: u64 = (18 * 60 - 1) * 60_000;
/// So many characters of an event Datadog shows.
const MAX_TEXT: usize = 4_000;

/// A notice as one target takes it.
pub struct Message<'a> {
    /// The target's name.
    pub target: &'static str,
    /// Where it goes.
    pub url: &'a str,
    /// The headers that are the same for every attempt.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: String,
    /// Set if it goes as a webhook, with a stamp.
    webhook: Option<&'a Webhook>,
}

impl Message<'_> {
    /// What a receiver of webhooks verifies an attempt by, as headers of Svix's and of the standard it became; nothing
    /// for other targets. <https://www.standardwebhooks.com/>
    ///
    /// # Errors
    /// As [`svix::sign`].
    pub fn stamp(&self, id: &str, now: UnixMillis) -> Result<Vec<(String, String)>, InvalidLength> {
        let Some(webhook) = self.webhook else { return Ok(Vec::new()) };
        let timestamp = (now.0 / 1000).to_string();
        let sign = |key: &SigningKey| svix::sign(key.bytes(), id, &timestamp, self.body.as_bytes());
        let signature = webhook.key.as_ref().map(sign).transpose()?;
        let mut fields = vec![("id", id), ("timestamp", timestamp.as_str())];
        fields.extend(signature.as_deref().map(|signature| ("signature", signature)));
        let mut headers = Vec::new();
        for family in ["svix", "webhook"] {
            headers
                .extend(fields.iter().map(|(name, value)| (format!("{family}-{name}"), (*value).to_owned())));
        }
        Ok(headers)
    }
}

/// A webhook with the notice's JSON.
pub fn generic<'a>(to: &'a Webhook, notice: &Notice) -> serde_json::Result<Message<'a>> {
    Ok(Message {
        target: "generic",
        url: to.url.reveal(),
        headers: vec![("Content-Type", "application/json".to_owned())],
        body: serde_json::to_string(notice)?,
        webhook: Some(to),
    })
}

/// An envelope with one event. <https://develop.sentry.dev/sdk/foundations/transport/envelopes/>
pub fn sentry<'a>(
    to: &'a Sentry,
    config: &Config,
    id: &str,
    notice: &Notice,
) -> serde_json::Result<Message<'a>> {
    let level = if notice.level == Level::Warn { "warning" } else { notice.level.name() };
    // A member that is null is none.
    let event = serde_json::to_string(&json!({
        "event_id": id,
        "timestamp": notice.at.0 as f64 / 1000.0,
        "platform": "other",
        "level": level,
        "logger": notice.source,
        "logentry": { "formatted": notice.message },
        "environment": config.environment,
        "release": config.sentry_release,
        "tags": { "event": notice.event },
        "extra": notice.metadata,
    }))?;
    let item = json!({ "type": "event", "length": event.len(), "content_type": "application/json" });
    let auth = format!("Sentry sentry_version=7, sentry_client={CLIENT}, sentry_key={}", to.public_key);
    Ok(Message {
        target: "sentry",
        url: &to.envelope_url,
        headers: vec![("Content-Type", "application/x-sentry-envelope".to_owned()), ("X-Sentry-Auth", auth)],
        body: format!("{}\n{item}\n{event}\n", json!({ "event_id": id })),
        webhook: None,
    })
}

/// An event. <https://docs.datadoghq.com/api/latest/events/post-an-event/>
pub fn datadog<'a>(
    to: &'a Datadog,
    config: &Config,
    id: &str,
    now: UnixMillis,
    notice: &Notice,
) -> serde_json::Result<Message<'a>> {
    #[derive(Serialize)]
    struct Event<'a> {
        title: &'a str,
        text: &'a str,
        alert_type: &'static str,
        priority: &'static str,
        tags: Vec<String>,
        /// Events with the same are shown as one: of a notice that came twice, too.
        aggregation_key: &'a str,
        /// In seconds. One that is too old would not be taken; it is of the time when it comes.
        #[serde(skip_serializing_if = "Option::is_none")]
        date_happened: Option<u64>,
    }

    let (alert_type, priority) = match notice.level {
        Level::Debug => ("info", "low"),
        Level::Info => ("info", "normal"),
        Level::Warn => ("warning", "normal"),
        Level::Error => ("error", "normal"),
    };
    let text = match &notice.metadata {
        Some(metadata) => format!("{}\n{}", notice.message, serde_json::to_string(metadata)?),
        None => notice.message.clone(),
    };
    let mut tags = vec![format!("env:{}", config.environment), format!("level:{}", notice.level.name())];
    tags.extend(notice.source.as_ref().map(|source| format!("source:{source}")));
    let event = Event {
        title: &notice.event,
        text: start(&text, MAX_TEXT),
        alert_type,
        priority,
        tags,
        aggregation_key: id,
        date_happened: (notice.at.until(now) <= MAX_AGE_MS).then_some(notice.at.0 / 1000),
    };
    Ok(Message {
        target: "datadog",
        url: &to.url,
        headers: vec![
            ("Content-Type", "application/json".to_owned()),
            ("DD-API-KEY", to.key.reveal().to_owned()),
        ],
        body: serde_json::to_string(&event)?,
        webhook: None,
    })
}

/// The beginning of a text, of at most so many characters.
fn start(text: &str, most: usize) -> &str {
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::svix::{Stamp, is_genuine, parse_secret};

    const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==";
    const NOW: UnixMillis = UnixMillis(1_800_000_000_500);
    const ID: &str = "00000000000000000000000000000001";

    fn config(variables: &[(&str, &str)]) -> Config {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Config::parse(|name| find(name).map(|(_, value)| (*value).to_owned())).unwrap()
    }

    fn notice(level: Level) -> Notice {
        Notice {
            event: "list.updated".to_owned(),
            level,
            message: "Zoë".to_owned(),
            source: Some("cron".to_owned()),
            at: NOW,
            metadata: json!({ "n": 1 }).as_object().cloned(),
        }
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_webhook_bears_a_stamp_of_both_families_that_verifies() {
        let config = config(&[("WEBHOOK_URL", "https://hooks.example"), ("WEBHOOK_SECRET", SECRET)]);
        let webhook = config.webhook.as_ref();
        let body = "{}".to_owned();
        let message = Message { target: "generic", url: "", headers: Vec::new(), body, webhook };
        let stamp = message.stamp("msg_1", NOW).unwrap();
        for family in ["svix", "webhook"] {
            let field = |name: &str| {
                let name = format!("{family}-{name}");
                stamp.iter().find(|(known, _)| *known == name).unwrap().1.as_str()
            };
            let stamp =
                Stamp { id: field("id"), timestamp: field("timestamp"), signatures: field("signature") };
            assert_eq!((stamp.id, stamp.timestamp), ("msg_1", "1800000000"));
            assert!(is_genuine(&parse_secret(SECRET).unwrap(), stamp, b"{}", NOW.0 / 1000));
        }
        assert_eq!(stamp.len(), 6);
    }

    #[test]
    fn without_a_secret_nothing_is_signed_and_only_webhooks_are_stamped() {
        let config = config(&[("WEBHOOK_URL", "https://hooks.example")]);
        let mut message = Message {
            target: "generic",
            url: "",
            headers: Vec::new(),
            body: String::new(),
            webhook: config.webhook.as_ref(),
        };
        let stamp = message.stamp("msg_1", NOW).unwrap();
        assert!(stamp.len() == 4 && stamp.iter().all(|(name, _)| !name.ends_with("signature")), "{stamp:?}");
        message.webhook = None;
        assert!(message.stamp("msg_1", NOW).unwrap().is_empty());
    }

    #[test]
    fn an_envelope_is_what_it_says_of_itself() {
        let config = config(&[("SENTRY_DSN", "https://abc@sentry.example/7"), ("SENTRY_RELEASE", "r1")]);
        let to = config.sentry.as_ref().unwrap();
        let message = sentry(to, &config, ID, &notice(Level::Warn)).unwrap();
        assert_eq!(message.url, "https://sentry.example/api/7/envelope/");
        let auth = &message.headers.iter().find(|(name, _)| *name == "X-Sentry-Auth").unwrap().1;
        assert!(auth.starts_with("Sentry sentry_version=7, ") && auth.ends_with("sentry_key=abc"), "{auth}");
        let [header, item, event] = message.body.lines().collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!(json(header), json!({ "event_id": ID }));
        assert_eq!((&json(item)["type"], &json(item)["length"]), (&json!("event"), &json!(event.len())));
        let expected = json!({
            "event_id": ID, "timestamp": 1_800_000_000.5, "platform": "other", "level": "warning",
            "logger": "cron", "logentry": { "formatted": "Zoë" }, "environment": "production", "release": "r1",
            "tags": { "event": "list.updated" }, "extra": { "n": 1 },
        });
        assert_eq!(json(event), expected);
    }

    #[test]
    fn an_event_has_its_metadata_behind_its_message() {
        let config = config(&[("DATADOG_API_KEY", "key")]);
        let to = config.datadog.as_ref().unwrap();
        let told = |level| datadog(to, &config, ID, NOW, &notice(level)).unwrap();
        let message = told(Level::Error);
        assert_eq!(message.url, "https://api.datadoghq.com/api/v1/events");
        assert!(message.headers.contains(&("DD-API-KEY", "key".to_owned())));
        let expected = json!({
            "title": "list.updated", "text": "Zoë\n{\"n\":1}", "alert_type": "error", "priority": "normal",
            "tags": ["env:production", "level:error", "source:cron"], "aggregation_key": ID,
            "date_happened": 1_800_000_000,
        });
        assert_eq!(json(&message.body), expected);
        for (level, alert_type, priority) in [
            (Level::Debug, "info", "low"),
            (Level::Info, "info", "normal"),
            (Level::Warn, "warning", "normal"),
        ] {
            let event = json(&told(level).body);
            assert_eq!((&event["alert_type"], &event["priority"]), (&json!(alert_type), &json!(priority)));
        }
    }

    #[test]
    fn what_datadog_would_not_take_is_not_sent() {
        let config = config(&[("DATADOG_API_KEY", "key")]);
        let to = config.datadog.as_ref().unwrap();
        for (age_ms, is_dated) in [(MAX_AGE_MS, true), (MAX_AGE_MS + 1, false)] {
            let body = datadog(to, &config, ID, NOW.plus(age_ms), &notice(Level::Info)).unwrap().body;
            assert_eq!(json(&body).get("date_happened").is_some(), is_dated);
        }
        let long = Notice { message: "ë".repeat(4_000), ..notice(Level::Info) };
        let body = datadog(to, &config, ID, NOW, &long).unwrap().body;
        assert_eq!(json(&body)["text"], long.message);
    }
}
