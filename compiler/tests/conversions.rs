//! Conversions of rules, compared with what `@adguard/agtree` made of them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::PathBuf;

use compiler::rule::MAX_RULE_BYTES;
use compiler::rule::convert::{Conversion, ConvertError, Form, to_adguard, to_form, to_ublock};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{lists_beside_the_workspace, read_json};

/// The difference to what was observed, if there is any. Counts what was compared.
#[derive(Default)]
struct Differences {
    n_compared: usize,
    lines: Vec<String>,
}

impl Differences {
    fn compare(&mut self, rule: &str, direction: &str, actual: &Value, expected: &Value) {
        self.n_compared += 1;
        if actual != expected {
            self.lines.push(format!("{direction} {rule}\n  is        {actual}\n  should be {expected}"));
        }
    }

    fn finish(self, least: usize) {
        assert!(self.n_compared >= least, "only {} conversions compared", self.n_compared);
        let n_different = self.lines.len();
        assert!(n_different == 0, "{n_different} of {}:\n{}", self.n_compared, self.lines.join("\n"));
    }
}

/// A result as `conversions.json` writes it: the rules, 0 for a rule that is kept to the letter, the error's text.
fn short(rule: &str, result: Result<Conversion, ConvertError>) -> Value {
    match result {
        Err(error) => json!(error.to_string()),
        Ok(Conversion { rules, is_converted: true }) => json!(rules),
        Ok(Conversion { rules, .. }) if rules == [rule.trim()] => json!(0),
        Ok(Conversion { rules, .. }) => json!({ "kept": rules[0] }),
    }
}

#[test]
fn rules_are_converted_as_the_reference_does() {
    let cases = read_json(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/conversions.json"));
    let mut differences = Differences::default();
    for case in cases.as_array().expect("cases") {
        let rule = case[0].as_str().expect("a rule");
        differences.compare(rule, "to AdGuard", &short(rule, to_adguard(rule)), &case[1]);
        differences.compare(rule, "to uBlock Origin", &short(rule, to_ublock(rule)), &case[2]);
    }
    differences.finish(4000);
}

/// A result as the convert endpoint of the port answers.
fn long(result: Result<Conversion, ConvertError>) -> Value {
    match result {
        Err(error) => json!({ "convertedRules": [], "isConverted": false, "error": error.to_string() }),
        Ok(Conversion { rules, is_converted }) => {
            json!({ "convertedRules": rules, "isConverted": is_converted })
        }
    }
}

#[test]
fn the_lists_beside_the_workspace_are_converted_as_the_reference_does() {
    let Some(lists) = lists_beside_the_workspace() else { return };
    let mut differences = Differences::default();
    for case in read_json(lists.join("observed-ast.json"))["cases"].as_array().expect("cases") {
        let rule = case["rule"].as_str().expect("a rule");
        differences.compare(rule, "to AdGuard", &long(to_adguard(rule)), &case["adg"]);
        differences.compare(rule, "to uBlock Origin", &long(to_ublock(rule)), &case["ubo"]);
    }
    for case in read_json(lists.join("golden.json"))["ast"].as_array().expect("rules") {
        let rule = case["rule"].as_str().expect("a rule");
        for (direction, result) in [("adg", to_adguard(rule)), ("ubo", to_ublock(rule))] {
            let rules = match result {
                Ok(Conversion { rules, is_converted: true }) => json!(rules),
                Ok(_) => json!(false),
                Err(error) => json!({ "error": error.to_string() }),
            };
            // A rule that failed in the first direction was not tried in the other.
            if case[direction].is_null() {
                continue;
            }
            differences.compare(rule, direction, &rules, &case[direction]);
        }
    }
    differences.finish(800);
}

const FORMS: [Form; 3] = [Form::Hosts, Form::AdGuard, Form::Domains];

/// Pieces that mean something to one of the converters.
const PIECES: [&str; 36] = [
    "##",
    "#?#",
    "#$#",
    "#%#",
    "$$",
    "$",
    "||a.com^",
    "a.com",
    "/",
    ",",
    "~",
    "=",
    "\\",
    "[",
    "[$path=",
    "]",
    "(",
    ")",
    "{",
    "}",
    "\"",
    "'",
    " ",
    ":has-text(",
    ":not(",
    ":matches-path(",
    ":style(",
    "[-ext-has=",
    "+js(",
    "ra",
    "//scriptlet(",
    "^responseheader(",
    "min-length=",
    "redirect=noop.txt",
    "inline-font",
    "é",
];

fn convert_in_all_ways(text: &str) {
    for conversion in [to_adguard(text), to_ublock(text)].into_iter().flatten() {
        assert!(!conversion.rules.is_empty(), "{text}");
    }
    for form in FORMS {
        // What a form is made of has all other forms, and is not changed by being put into its own.
        for rule in to_form(text, form).unwrap_or_default() {
            assert_eq!(to_form(&rule, form), Ok(vec![rule.clone()]), "{text:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_pieces_are_converted(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24)) {
        convert_in_all_ways(&pieces.concat());
    }

    #[test]
    fn any_text_is_converted(text in "\\PC*") {
        convert_in_all_ways(&text);
    }
}

/// A converter that looks back at all it has read would need hours for these.
#[test]
fn long_rules_take_no_longer_than_they_are() {
    for start in [
        "",
        "||a.com^$",
        "a.com##",
        "a.com#$#a",
        "a.com$$",
        "a.com##^",
        "a.com##+js(",
        "a.com#%#//scriptlet('",
    ] {
        for piece in PIECES.iter().chain(&[
            "a,",
            "[a] ",
            ":a(",
            "redirect=noopjs,",
            "a.com/x,",
            "\\,",
            "[min-length=\"1\"],",
        ]) {
            convert_in_all_ways(&format!("{start}{}", piece.repeat((MAX_RULE_BYTES - 64) / piece.len())));
        }
    }
}
