//! The shapes that have names, in the order in which a reader meets them.

mod lists;
mod people;

use lists::{compiling, jobs, keeping, rules};
use people::{admin, limits, people, service};
use serde_json::{Map, Value};

pub fn all() -> Map<String, Value> {
    let shapes = [compiling(), rules(), jobs(), keeping(), limits(), admin(), people(), service()];
    shapes.into_iter().flatten().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
