//! Request bodies, never larger than the bound.

use futures::StreamExt;
use worker::Request;

use crate::error::ApiError;

/// Refuses a body whose announced size is over the bound, before anything is read or counted.
///
/// # Errors
/// [`ApiError::BodyTooLarge`].
pub fn check_announced_size(request: &Request, limit: u64) -> Result<(), ApiError> {
    let announced = request.headers().get("Content-Length")?.and_then(|length| length.parse().ok());
    match announced {
        Some(size) if size > limit => Err(ApiError::BodyTooLarge { size, limit }),
        _ => Ok(()),
    }
}

/// Reads the whole body; stops as soon as it is over the bound, whatever size was announced.
///
/// # Errors
/// [`ApiError::BodyTooLarge`], or a connection that broke.
pub async fn read(request: &mut Request, limit: u64) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    if request.inner().body().is_none() {
        return Ok(bytes);
    }
    let mut chunks = request.stream()?;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        let size = bytes.len() as u64 + chunk.len() as u64;
        if size > limit {
            return Err(ApiError::BodyTooLarge { size, limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
