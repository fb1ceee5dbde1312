//! Mails: handed to a provider with Resend's interface, or in development written into the log, where whoever tries
//! things out follows their links. <https://resend.com/docs/api-reference/emails/send-email>
//!
//! They leave after the answer: how long that takes would tell whether an address is known. So nobody hears of a
//! failure but the log, which is told neither the address nor what was in the mail.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use serde::Serialize;
use serde_json::json;
use worker::wasm_bindgen::JsValue;
use worker::{
    AbortController, AbortSignal, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect,
    console_error, console_log,
};

use crate::app::App;
use crate::config::{Mailer, Secret};

/// Time for the provider's answer, in milliseconds.
const TIMEOUT_MS: u64 = 5_000;

/// A mail to one address.
pub struct Mail {
    /// The address.
    pub to: String,
    /// What it is about.
    pub subject: &'static str,
    /// What it says.
    pub text: String,
}

/// A mail as the provider takes it.
#[derive(Serialize)]
struct Handover<'a> {
    from: &'a str,
    to: [&'a str; 1],
    subject: &'a str,
    text: &'a str,
}

/// Sends a mail after the answer has left.
pub fn send(app: &App, mail: Mail) {
    let after = app.clone();
    app.afterwards(async move { deliver(&after, mail).await });
}

/// Sends a mail. Without a way to, nothing: whoever needs mails refuses before that.
pub async fn deliver(app: &App, mail: Mail) {
    let Some(mailer) = &app.config.mailer else { return };
    let delivered = match mailer {
        Mailer::Log => {
            let Mail { to, subject, text } = mail;
            console_log!(
                "{}",
                json!({ "level": "info", "what": "mail", "to": to, "subject": subject, "text": text })
            );
            Ok(())
        }
        Mailer::Provider { url, key, from } => {
            let Mail { to, subject, text } = &mail;
            let handover = Handover { from, to: [to], subject, text };
            hand_over(url, key, &handover).await
        }
    };
    if let Err(cause) = delivered {
        console_error!("{}", json!({ "level": "error", "what": "mail", "cause": cause }));
    }
}

/// What the provider says is not looked at beyond the status: it may repeat the address.
async fn hand_over(url: &str, key: &Secret, handover: &Handover<'_>) -> Result<(), String> {
    let controller = AbortController::default();
    let sending = post(url, key, handover, controller.signal());
    let outcome = match select(pin!(sending), pin!(Delay::from(Duration::from_millis(TIMEOUT_MS)))).await {
        Either::Left((Ok(200..=299), _)) => Ok(()),
        Either::Left((Ok(status), _)) => Err(format!("the provider answered {status}")),
        Either::Left((Err(error), _)) => Err(error.to_string()),
        Either::Right(_) => Err(format!("no answer within {TIMEOUT_MS} ms")),
    };
    // Neither a late answer nor the rest of this one is waited for.
    controller.abort();
    outcome
}

async fn post(url: &str, key: &Secret, handover: &Handover<'_>, signal: AbortSignal) -> worker::Result<u16> {
    let headers = Headers::new();
    headers.set("Content-Type", "application/json")?;
    headers.set("Authorization", &format!("Bearer {}", key.reveal()))?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        // The key is for this address and for no other.
        .with_redirect(RequestRedirect::Manual)
        .with_body(Some(JsValue::from_str(&serde_json::to_string(handover)?)));
    let request = Request::new_with_init(url, &init)?;
    Ok(Fetch::Request(request).send_with_signal(&signal).await?.status_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_handed_over_as_resend_takes_it() {
        let handover = Handover { from: "a@b.co", to: ["c@d.ef"], subject: "s", text: "t" };
        let json = serde_json::to_string(&handover).unwrap();
        assert_eq!(json, r#"{"from":"a@b.co","to":["c@d.ef"],"subject":"s","text":"t"}"#);
    }
}
