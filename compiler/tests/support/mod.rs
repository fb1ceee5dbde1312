//! Reading the test data, and configurations out of JSON.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
// Each test file uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::path::PathBuf;

use compiler::{Compilation, CompileError, Compiled, Configuration, Stamp};
use serde_json::Value;

/// The lists that are committed with the code.
pub fn committed_lists() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/lists")
}

/// All lists, with those whose licence keeps them out of the repository; only where somebody laid them
/// beside the workspace.
pub fn lists_beside_the_workspace() -> Option<PathBuf> {
    let lists = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/lists");
    lists.join("golden.json").exists().then_some(lists)
}

/// The folders to take test data from.
pub fn list_folders() -> Vec<PathBuf> {
    [committed_lists()].into_iter().chain(lists_beside_the_workspace()).collect()
}

pub fn read_json(path: PathBuf) -> Value {
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn strings(value: &Value) -> Vec<String> {
    let strings = value.as_array().into_iter().flatten();
    strings.map(|text| text.as_str().expect("a string").to_owned()).collect()
}

pub fn configuration(value: &Value) -> Configuration {
    Configuration::from_json(value).unwrap_or_else(|issues| panic!("{issues:?}"))
}

pub fn stamp() -> Stamp {
    Stamp { compiler: "test v1".to_owned(), last_modified_ms: 1_795_316_400_123 }
}

/// Compiles, asking `read` for each text.
pub fn compile(
    configuration: Configuration,
    read: impl Fn(&str) -> String,
) -> Result<Compiled, CompileError> {
    let mut compilation = Compilation::new(configuration);
    while !compilation.is_complete() {
        for wanted in compilation.wanted() {
            compilation.supply(wanted.id, read(wanted.location.as_str()))?;
        }
    }
    compilation.finish(&stamp())
}
