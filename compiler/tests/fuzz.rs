//! Texts that once were trouble, or of which something rare comes, are tried again.
//!
//! `cargo xtask fuzz` looks for more.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

// Limits are for who measures.
#[allow(dead_code)]
#[path = "support/targets.rs"]
mod targets;

use std::fs;
use std::path::PathBuf;

#[test]
fn kept_texts_are_no_trouble() {
    for target in &targets::TARGETS {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz").join(target.name);
        let mut n_texts = 0;
        for file in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let file = file.unwrap().path();
            println!("{}", file.display());
            (target.run)(&fs::read_to_string(&file).unwrap());
            n_texts += 1;
        }
        assert!(n_texts > 0, "nothing for {}", target.name);
    }
}

#[test]
fn every_transformation_has_a_letter() {
    // The texts for `compile` name them by letters.
    assert!(compiler::Transformation::ORDER.len() <= 26);
}
