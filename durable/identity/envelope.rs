//! How commands and replies are wrapped: as URL-safe base64 of JSON, the command in the URL, the reply in a
//! header field.
//!
//! Bodies would be the usual place. But a body is a stream, each of the two costs its reader another turn of
//! the event loop and several calls between WebAssembly and the platform, and together they took a third of
//! the time of a counted request (measured with the runtime's profiler, docs/decisions/0006).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where an object is asked. The host is never looked up; the command follows.
const BASE: &str = "https://identity/";
/// The header field with the reply.
pub const REPLY: &str = "Reply";

/// Why something sealed can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// It is not base64.
    #[error("{0}")]
    Base64(#[from] base64::DecodeError),
    /// It is not the JSON that is expected.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// A reply as it is sent.
pub fn seal(value: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(value)?))
}

/// A command as it is sent: a URL.
pub fn address(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut url = BASE.to_owned();
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(value)?, &mut url);
    Ok(url)
}

/// What was sealed, from a URL or a header field.
pub fn open<T: DeserializeOwned>(sealed: &str) -> Result<T, EnvelopeError> {
    let text = URL_SAFE_NO_PAD.decode(sealed.strip_prefix(BASE).unwrap_or(sealed))?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_can_be_opened() {
        let reason = "späm \"and\" worse\n".to_owned();
        for sealed in [seal(&reason).unwrap(), address(&reason).unwrap()] {
            assert!(sealed.bytes().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(open::<String>(&sealed).unwrap(), reason);
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        assert!(matches!(open::<String>("https://identity/%20"), Err(EnvelopeError::Base64(_))));
        assert!(matches!(open::<String>("https://identity/"), Err(EnvelopeError::Json(_))));
    }
}
