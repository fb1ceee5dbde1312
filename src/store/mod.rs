//! The databases: queries in, plain structs out. No other file has SQL of D1 or PostgreSQL.

pub mod accounts;
pub mod audit;
pub mod configurations;
pub mod d1;
pub mod directory;
pub mod jobs;
pub mod keys;
pub mod postgres;
pub mod rule_sets;
pub mod saved_configurations;
pub mod storage;
pub mod user_admin;
pub mod users;
pub mod verifications;
