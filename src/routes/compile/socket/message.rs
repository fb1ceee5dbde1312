//! What a client may say on a socket, and what it is told if that is not followed.

use serde::Serialize;
use serde_json::{Map, Value};

/// Bytes of a client's message at most.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// Characters of a session's id at most.
const MAX_ID_CHARS: usize = 128;

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// Compile what the rest of this message says, as a session of this id.
    Compile(String),
    /// End this session.
    Cancel(String),
    /// Are you there?
    Ping,
}

/// Why a message is not followed: the members of an `error`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    error: String,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
}

impl Refusal {
    /// A refusal that concerns no session.
    pub fn new(code: &str, error: impl Into<String>) -> Self {
        Self { error: error.into(), code: code.to_owned(), session_id: None }
    }

    /// A refusal that concerns this session.
    pub fn of_session(id: &str, code: &str, error: impl Into<String>) -> Self {
        Self { session_id: Some(id.to_owned()), ..Self::new(code, error) }
    }

    /// The refusal of a message beyond [`MAX_MESSAGE_BYTES`].
    pub fn too_large() -> Self {
        Self::new("MESSAGE_TOO_LARGE", format!("A message has at most {MAX_MESSAGE_BYTES} bytes"))
    }

    /// The stable name of the reason.
    #[cfg(test)]
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl Message {
    /// # Errors
    /// If it is too long, no JSON object, of no known type, or names no session where it must.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > MAX_MESSAGE_BYTES {
            return Err(Refusal::too_large());
        }
        // What the parser has to say may repeat the whole message.
        let Ok(members) = serde_json::from_str::<Map<String, Value>>(text) else {
            return Err(Refusal::new("INVALID_MESSAGE", "A message is one JSON object"));
        };
        let id = members.get("sessionId").and_then(Value::as_str);
        let id = id.filter(|id| (1..=MAX_ID_CHARS).contains(&id.chars().count())).map(str::to_owned);
        let refusal = |code: &str, error: &str| match &id {
            Some(id) => Refusal::of_session(id, code, error),
            None => Refusal::new(code, error),
        };
        let session = || {
            let error = format!("/sessionId: must be a text of 1 to {MAX_ID_CHARS} characters");
            id.clone().ok_or_else(|| Refusal::new("INVALID_MESSAGE", error))
        };
        match members.get("type").and_then(Value::as_str) {
            Some("compile") => Ok(Self::Compile(session()?)),
            Some("cancel") => Ok(Self::Cancel(session()?)),
            Some("ping") => Ok(Self::Ping),
            Some("pause" | "resume") => {
                Err(refusal("NOT_IMPLEMENTED", "A compile can't be paused; it can be cancelled"))
            }
            Some(_) => Err(refusal(
                "UNKNOWN_MESSAGE_TYPE",
                "/type: must be one of compile, cancel, pause, resume, ping",
            )),
            None => Err(refusal("INVALID_MESSAGE", "/type: must be a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(text: &str) -> String {
        Message::parse(text).unwrap_err().code().to_owned()
    }

    #[test]
    fn messages_are_told_apart_by_their_type() {
        let of = |message: Value| Message::parse(&message.to_string()).unwrap();
        assert_eq!(of(json!({ "type": "ping", "sessionId": 7 })), Message::Ping);
        let compile = json!({ "type": "compile", "sessionId": "s", "configuration": {}, "messageId": "m" });
        assert_eq!(of(compile), Message::Compile("s".to_owned()));
        let longest = "я".repeat(128);
        assert_eq!(of(json!({ "type": "cancel", "sessionId": longest })), Message::Cancel(longest));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in ["", "nothing", "[]", "\"ping\"", "[\"ping\"]", "null", "{}", "{\"type\":1}", "{}{}"] {
            assert_eq!(code(text), "INVALID_MESSAGE", "{text}");
        }
        assert_eq!(code(&"[".repeat(100_000)), "INVALID_MESSAGE");
        assert_eq!(code("{\"type\":\"start\"}"), "UNKNOWN_MESSAGE_TYPE");
        for kind in ["compile", "cancel"] {
            for id in [json!(null), json!(1), json!(""), json!("x".repeat(129))] {
                assert_eq!(code(&json!({ "type": kind, "sessionId": id }).to_string()), "INVALID_MESSAGE");
            }
        }
    }

    #[test]
    fn the_bound_is_exact_and_counts_bytes() {
        let of = |n_bytes: usize| {
            let empty = json!({ "type": "ping", "pad": "" }).to_string();
            json!({ "type": "ping", "pad": "x".repeat(n_bytes - empty.len()) }).to_string()
        };
        assert_eq!(Message::parse(&of(MAX_MESSAGE_BYTES)), Ok(Message::Ping));
        assert_eq!(code(&of(MAX_MESSAGE_BYTES + 1)), "MESSAGE_TOO_LARGE");
        let letters = json!({ "type": "ping", "pad": "я".repeat(MAX_MESSAGE_BYTES / 2) });
        assert_eq!(code(&letters.to_string()), "MESSAGE_TOO_LARGE");
    }

    /// Clients find the session by this member; what is absent is left out.
    #[test]
    fn a_refusal_names_its_session() {
        let refusal = Message::parse(r#"{"type":"pause","sessionId":"s"}"#).unwrap_err();
        let members = json!(refusal);
        assert_eq!((&members["code"], &members["sessionId"]), (&json!("NOT_IMPLEMENTED"), &json!("s")));
        assert!(members["error"].is_string());
        let nameless = json!(Message::parse(r#"{"type":"resume"}"#).unwrap_err());
        assert!(nameless.get("sessionId").is_none(), "{nameless}");
    }
}
