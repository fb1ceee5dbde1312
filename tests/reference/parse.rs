//! Parses the same rules with AdGuard's AGTree and with the engine, and finds no difference but those that decision
//! note 0011 explains.
//!
//! `REFERENCE_SEED` and `REFERENCE_RULES` make it try other and more rules than continuous integration does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use compiler::rule::{ParserOptions, parse_rule_with};
use reference_tests::Script;
use reference_tests::generate::{Lines, Random};
use serde_json::{Value, json};

/// Mutated rules, if nobody says otherwise.
const RULES: usize = 20_000;

/// Rules that are asked for at once.
const BATCH: usize = 500;

/// Differences that are told; more would only be more of the same.
const MAX_TOLD: usize = 12;

/// What the two make of some rules, told apart.
#[derive(Default)]
struct Comparison {
    n_rules: usize,
    explained: BTreeMap<&'static str, usize>,
    told: Vec<String>,
}

impl Comparison {
    fn compare(&mut self, script: &mut Script, rules: &[String], own_syntax: bool) {
        let options = ParserOptions { ublock_syntax: own_syntax, adblock_plus_syntax: own_syntax };
        for batch in rules.chunks(BATCH) {
            let answer = script.ask(&json!({ "rules": batch, "own_syntax": own_syntax }));
            for (rule, theirs) in batch.iter().zip(answer.as_array().expect("trees")) {
                self.n_rules += 1;
                let ours = serde_json::to_value(parse_rule_with(rule, &options)).unwrap();
                if ours == *theirs || with_floats(&ours) == with_floats(theirs) {
                    continue;
                }
                match explanation(rule, theirs, &ours, own_syntax) {
                    Some(why) => *self.explained.entry(why).or_default() += 1,
                    None => self.told.push(format!("{rule:?}\n  theirs {theirs}\n  ours   {ours}")),
                }
            }
        }
    }

    fn check(&self, what: &str) {
        println!("{what}: {} rules, explained differences: {:?}", self.n_rules, self.explained);
        let told: Vec<_> = self.told.iter().take(MAX_TOLD).map(String::as_str).collect();
        assert!(told.is_empty(), "{what}: {} differences\n\n{}", self.told.len(), told.join("\n\n"));
    }
}

/// Why two trees differ, in the words of the decision note.
fn explanation(rule: &str, theirs: &Value, ours: &Value, own_syntax: bool) -> Option<&'static str> {
    let are_both = |field: &str, value: &str| [theirs, ours].iter().all(|tree| tree[field] == value);
    let are_invalid = are_both("category", "Invalid");
    let blanks: &[char] = &[' ', '\t'];
    if are_invalid && theirs["error"]["name"] == "TypeError" {
        return Some("a crash is an error of ours");
    }
    if are_invalid && rule.chars().any(|c| c.len_utf16() == 2) {
        return Some("half a character");
    }
    if rule.starts_with(blanks) && [theirs, ours].iter().any(|tree| tree["category"] == "Cosmetic") {
        return Some("domains behind a leading blank");
    }
    if are_invalid && rule.starts_with(blanks) {
        return Some("domains behind a leading blank");
    }
    if are_invalid && rule.contains("!#") && theirs["error"]["message"].to_string().contains("oken") {
        return Some("another error in the same condition");
    }
    if are_invalid && theirs["error"]["message"] == ours["error"]["message"] && rule.contains('$') {
        return Some("another place of the same error");
    }
    if rule.starts_with(blanks) && theirs["category"] == "Comment" {
        return Some("a comment behind a leading blank");
    }
    if rule.contains('\\') && are_both("type", "CssInjectionRule") {
        return Some("the end of an escape in a style");
    }
    let trimmed = rule.trim_matches(blanks);
    let is_odd_space = |c: char| (c.is_whitespace() || c == '\u{feff}') && !blanks.contains(&c);
    if trimmed.starts_with(is_odd_space)
        || trimmed.ends_with(is_odd_space)
        || trimmed.get(1..).is_some_and(|rest| rest.trim_start_matches(blanks).starts_with(is_odd_space))
        || rule.contains(['\u{2028}', '\u{2029}'])
    {
        return Some("other white space than blanks");
    }
    let is_lone = |tree: &Value| tree["type"] == "HostRule" && tree["ip"]["value"] == "0.0.0.0";
    if is_lone(theirs) != is_lone(ours) && !trimmed.starts_with("0.0.0.0") {
        return Some("another public suffix list");
    }
    let is_css_error = |tree: &Value| {
        tree["error"]["message"].as_str().is_some_and(|message| {
            [
                "Expected '<",
                "uBO ",
                "Negated uBO ",
                "Invalid uBO ",
                "Selector list",
                "Declaration list",
                "Media query",
            ]
            .iter()
            .any(|start| message.starts_with(start))
        })
    };
    if are_invalid && is_css_error(theirs) && is_css_error(ours) {
        return Some("another error in the same style");
    }
    // Selectors that no browser takes either.
    if own_syntax && (is_css_error(theirs) || is_css_error(ours)) {
        return Some("broken selectors in own syntax");
    }
    None
}

/// Numbers that are equal to JavaScript.
fn with_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(with_floats).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), with_floats(value))).collect())
        }
        other => other.clone(),
    }
}

fn start() -> Script {
    Script::start("parse.mjs", Path::new(env!("CARGO_MANIFEST_DIR")))
}

/// The rules of the observation file of the compiler's own tests, which cover every kind.
fn observed_rules() -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../compiler/tests/data/agtree-4.2.0.json");
    let observed: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let cases = observed.as_object().expect("an object").values().flat_map(|cases| cases.as_array().unwrap());
    cases.map(|case| case[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_line_of_every_list_is_parsed_alike() {
    let mut script = start();
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for folder in ["../data/lists", "../../../shared/lists"] {
        let Ok(files) = fs::read_dir(here.join(folder)) else { continue };
        for path in files.map(|file| file.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.ends_with(".txt") || name == "README.txt" {
                continue;
            }
            let rules: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
            let mut comparison = Comparison::default();
            comparison.compare(&mut script, &rules, false);
            comparison.compare(&mut script, &rules, true);
            comparison.check(&name);
        }
    }
}

#[test]
fn mutated_rules_are_parsed_alike() {
    let number =
        |name: &str, default: u64| env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let seed = number("REFERENCE_SEED", 1);
    let n_rules = number("REFERENCE_RULES", RULES as u64) as usize;
    let mut random = Random::new(seed);
    let (lines, observed) = (Lines::load(), observed_rules());
    let rules: Vec<String> = (0..n_rules)
        .map(|_| {
            let mut rule = if random.once_in(2) {
                lines.line(&mut random)
            } else {
                observed[random.below(observed.len())].clone()
            };
            for _ in 0..random.below(3) {
                rule = lines.mutate(&mut random, rule);
            }
            rule
        })
        .collect();
    let mut script = start();
    for own_syntax in [false, true] {
        let mut comparison = Comparison::default();
        comparison.compare(&mut script, &rules, own_syntax);
        comparison.check(&format!("seed {seed}, own syntax {own_syntax}"));
        let n_explained: usize = comparison.explained.values().sum();
        assert!(n_explained * 50 < comparison.n_rules, "{n_explained} of {}", comparison.n_rules);
    }
}
