//! Request bodies, never larger than the bound.

use durable::feed::Chunks;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Segment;

use crate::error::ApiError;
use crate::incoming::Incoming;

/// Refuses a body whose announced size is over the bound, before anything is read or counted.
///
/// # Errors
/// [`ApiError::BodyTooLarge`].
pub fn check_announced_size(request: &Incoming, limit: u64) -> Result<(), ApiError> {
    let announced = request.header("Content-Length")?.and_then(|length| length.parse().ok());
    match announced {
        Some(size) if size > limit => Err(ApiError::BodyTooLarge { size, limit }),
        _ => Ok(()),
    }
}

/// Reads the whole body; stops as soon as it is over the bound, whatever size was announced.
///
/// # Errors
/// [`ApiError::BodyTooLarge`], or a connection that broke.
pub async fn read(request: &Incoming, limit: u64) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    let Some(stream) = request.body() else { return Ok(bytes) };
    let mut chunks = Chunks::of(stream)?;
    while let Some(chunk) = chunks.next().await? {
        let size = bytes.len() as u64 + chunk.len() as u64;
        if size > limit {
            return Err(ApiError::BodyTooLarge { size, limit });
        }
        bytes.extend_from_slice(chunk);
    }
    Ok(bytes)
}

/// Reads a body of JSON of one shape. An empty one counts as `null`.
///
/// # Errors
/// [`ApiError::NotJson`], or [`ApiError::Invalid`] with the first place where the shape is another; as [`read`].
pub async fn read_json<T: DeserializeOwned>(request: &Incoming, limit: u64) -> Result<T, ApiError> {
    let bytes = read(request, limit).await?;
    parse_json(if bytes.is_empty() { b"null" } else { &bytes })
}

/// The same for routes that tell a wrong shape as something that can't be, as their clients expect.
///
/// # Errors
/// [`ApiError::Unprocessable`] instead of [`ApiError::Invalid`].
pub async fn read_or_unprocessable<T: DeserializeOwned>(
    request: &Incoming,
    limit: u64,
) -> Result<T, ApiError> {
    read_json(request, limit).await.map_err(|error| match error {
        ApiError::Invalid { issues } => ApiError::Unprocessable { detail: issues },
        other => other,
    })
}

/// JSON of one shape.
///
/// # Errors
/// [`ApiError::NotJson`], or [`ApiError::Invalid`] with the first place where the shape is another.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| shape_error(&error))?;
    json.end().or(Err(ApiError::NotJson))?;
    Ok(value)
}

fn shape_error(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    if !matches!(error.inner().classify(), Category::Data) {
        return ApiError::NotJson;
    }
    let path: String = error
        .path()
        .iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{key}"),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect();
    let message = error.inner().to_string();
    // A position within the text says nothing to somebody who sent a value.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    ApiError::Invalid { issues: format!("{}: {message}", if path.is_empty() { "/" } else { &path }) }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod wasm_tests {
    use wasm_bindgen_test::wasm_bindgen_test;
    use worker::{Method, Request, RequestInit};

    use super::*;

    fn request(body: Option<&str>) -> Incoming {
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(body.map(Into::into));
        let request = Request::new_with_init("https://api.example/", &init).unwrap();
        Incoming::from(Clone::clone(request.inner()))
    }

    #[wasm_bindgen_test]
    async fn the_bound_is_exact() {
        assert_eq!(read(&request(Some("12345")), 5).await.unwrap(), b"12345");
        let refused = read(&request(Some("123456")), 5).await;
        assert!(matches!(refused, Err(ApiError::BodyTooLarge { size: 6, limit: 5 })));
    }

    #[wasm_bindgen_test]
    async fn no_body_is_an_empty_one() {
        assert_eq!(read(&request(None), 5).await.unwrap(), b"");
    }
}
