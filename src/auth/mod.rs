//! Who signs in with an e-mail and a password, on the wire of Better Auth 1.7, so that its clients can't tell the
//! difference. <https://better-auth.com/docs>
//!
//! The parts that decide are pure: time, randomness and header values are arguments. What a browser is told lies in
//! `cookies` and `error`, what it may ask for in `schema` and `origin`, who it is in `token`, `bearer` and
//! `mail_token`. The platform is asked for two things alone: random bytes (`random`) and scrypt (`password`).
//!
//! Out of scope: Better Auth's cookie cache. A session that was revoked would go on for minutes.
#![allow(dead_code)] // the endpoints come next

pub mod address;
pub mod bearer;
pub mod cookies;
pub mod email;
pub mod endpoints;
pub mod error;
pub mod key;
pub mod mail_token;
pub mod origin;
pub mod password;
pub mod payload;
pub mod permission;
pub mod random;
pub mod schema;
pub mod signed;
pub mod token;
pub mod trusted;
