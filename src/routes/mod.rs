//! The handlers, one file per resource.

pub mod compile;
#[cfg(feature = "faults")]
pub mod faults;
pub mod health;
pub mod meta;
