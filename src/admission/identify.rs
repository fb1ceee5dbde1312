//! The identity behind a request.

use limits::{Identity, Network};

use crate::error::ApiError;
use crate::incoming::Incoming;

/// Set by the platform to the address of the client that connected to it.
/// <https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip>
///
/// No other header is believed: a client can write `X-Forwarded-For` itself.
const CLIENT_ADDRESS: &str = "CF-Connecting-IP";

/// The identity that a request is counted for.
///
/// # Errors
/// [`ApiError::AddressUnusable`]. There is no identity that all unknown clients share.
pub fn identify(request: &Incoming) -> Result<Identity, ApiError> {
    let network: Option<Network> = client_address(request)?.parse().ok();
    network.map(Identity::Network).ok_or(ApiError::AddressUnusable)
}

/// The address of the client, as the platform tells it.
///
/// # Errors
/// [`ApiError::AddressUnusable`], if it does not.
pub fn client_address(request: &Incoming) -> Result<String, ApiError> {
    request.header(CLIENT_ADDRESS)?.ok_or(ApiError::AddressUnusable)
}
