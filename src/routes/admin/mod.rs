//! What the people who run the service see and do. Behind the guard of `admission::guard`.

pub mod health;
pub mod keys;
pub mod limits;
pub mod policies;
pub mod read_only;
pub mod storage;
pub mod users;
