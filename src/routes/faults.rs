//! Routes that break on purpose. They exist in test builds alone.
#![allow(clippy::panic)]

use limits::Tier;
use worker::Request;

use crate::admission::{Policy, identify};
use crate::app::App;
use crate::error::ApiResult;

/// `POST /faults/front`: panics in the front Worker.
pub async fn panic_in_front(_app: App, _request: Request) -> ApiResult {
    panic!("asked to panic in the front")
}

/// `POST /faults/object`: takes one more unit, then panics inside the identity's object.
pub async fn panic_in_object(app: App, request: Request) -> ApiResult {
    let identity = identify(&request)?;
    app.identities()?.panic(&identity, &Policy::Requests.for_tier(Tier::Anonymous)).await?;
    panic!("the object did not panic")
}
