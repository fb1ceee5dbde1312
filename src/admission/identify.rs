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
    let address = request.header(CLIENT_ADDRESS)?;
    let network: Option<Network> = address.and_then(|address| address.parse().ok());
    network.map(Identity::Network).ok_or(ApiError::AddressUnusable)
}
