//! Clerk, as far as the Worker sees it: webhooks that tell of users.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::client::{Answer, Client, fresh};

/// What `.dev.vars.example` has.
const SECRET: &str = "ZmFrZS1kZXZlbG9wbWVudC1zZWNyZXQ=";

/// The signature of a message.
pub fn sign(id: &str, timestamp: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(SECRET).unwrap()).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Delivers a message as Svix does.
pub async fn deliver(url: &str, id: &str, body: &str) -> Answer {
    Answer::to(delivery(url, id, body)).await
}

/// Delivers a message to a server that may die over it.
pub async fn try_deliver(url: &str, id: &str, body: &str) -> Option<Answer> {
    Answer::try_to(delivery(url, id, body)).await
}

fn delivery(url: &str, id: &str, body: &str) -> RequestBuilder {
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let request = Client::new(url)
        .request(Method::POST, "/api/webhooks/clerk")
        .header("svix-id", id)
        .header("svix-timestamp", timestamp.to_string())
        .header("svix-signature", sign(id, timestamp, body));
    request.header("Content-Type", "application/json").body(body.to_owned())
}

/// Delivers an event in a message of its own.
pub async fn tell(url: &str, kind: &str, happened_at: u64, data: Value) -> Value {
    let event = json!({ "type": kind, "object": "event", "timestamp": happened_at, "data": data });
    let answer = deliver(url, &fresh("msg"), &event.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// A user as Clerk tells of them.
pub fn user(id: &str, email: &str, tier: &str) -> Value {
    json!({
        "id": id, "object": "user", "first_name": "Ada", "last_name": "Lovelace", "image_url": "https://img.example/1",
        "email_addresses": [
            { "id": "idn_2", "email_address": "other@example.org", "verification": null, "linked_to": [] },
            { "id": "idn_1", "email_address": email, "verification": { "status": "verified" }, "linked_to": [] },
        ],
        "primary_email_address_id": "idn_1",
        "public_metadata": { "tier": tier }, "unsafe_metadata": { "tier": "admin", "role": "admin" },
        "last_sign_in_at": 1_767_225_600_000_u64, "updated_at": 1,
    })
}
