//! Expressions that were run through a JavaScript engine, with what it said of each line.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;

use compiler::{CompileError, Configuration, ConfigurationDraft, LevelDraft, PatternError, SourceDraft};
use support::{read_json, strings};

/// For each line `1` if the expression hits it and `0` if not, or why it is refused.
fn verdict(expression: &str, lines: &[String]) -> String {
    let level = LevelDraft { exclusions: vec![format!("/{expression}/")], ..LevelDraft::default() };
    let source = SourceDraft { source: "s".to_owned(), level, ..SourceDraft::default() };
    let draft =
        ConfigurationDraft { name: "T".to_owned(), sources: vec![source], ..ConfigurationDraft::default() };
    let configuration = Configuration::validate(draft).expect("a valid configuration");
    let mut verdict = String::new();
    for line in lines {
        match configuration.sources()[0].transform(&[line]) {
            Ok(left) => verdict.push(if left.is_empty() { '1' } else { '0' }),
            Err(CompileError::Pattern { error: PatternError::InvalidRegex { reason, .. }, .. }) => {
                return reason.to_owned();
            }
            Err(error) => panic!("{expression}: {error}"),
        }
    }
    verdict
}

#[test]
fn verdicts_are_those_of_a_javascript_engine() {
    let data =
        read_json(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/javascript-regexes.json"));
    let lines = strings(&data["lines"]);
    for case in data["cases"].as_array().expect("cases") {
        let case = strings(case);
        assert_eq!(verdict(&case[0], &lines), case[1], "/{}/", case[0]);
    }
}
