//! The queue door.

use serde::Deserialize;
use serde_json::{Value, json};
use worker::{MessageBatch, MessageExt, console_error};

use crate::app::App;
use crate::records::{self, Message};

/// Takes one batch. What can't be done, or is of no known kind, is handed back: the platform tries it again and at
/// last moves it to the dead-letter queue, where it can be looked at.
///
/// # Errors
/// If the platform can't read the batch.
pub async fn consume(app: &App, batch: &MessageBatch<Value>) -> worker::Result<()> {
    for message in batch.messages()? {
        let done = match Message::deserialize(message.body()) {
            Ok(known) => records::settle_message(app, &known)
                .await
                .map_err(|error| error.cause().unwrap_or("see the error's kind").to_owned()),
            Err(_) => Err("unknown kind of message".to_owned()),
        };
        match done {
            Ok(()) => message.ack(),
            Err(cause) => {
                let entry = json!({
                    "level": "error", "cause": cause, "queue": batch.queue(), "messageId": message.id(),
                });
                console_error!("{entry}");
                message.retry();
            }
        }
    }
    Ok(())
}
