//! The queue door.

use worker::{MessageBatch, MessageExt, console_error};

/// Takes one batch. No kind of message is known yet, so whatever arrives is handed back: the platform
/// tries it again and at last moves it to the dead-letter queue, where it can be looked at.
///
/// # Errors
/// If the platform can't read the batch.
pub fn consume(batch: &MessageBatch<serde_json::Value>) -> worker::Result<()> {
    for message in batch.messages()? {
        let entry = serde_json::json!({
            "level": "error", "cause": "unknown kind of message", "queue": batch.queue(), "messageId": message.id(),
        });
        console_error!("{entry}");
        message.retry();
    }
    Ok(())
}
