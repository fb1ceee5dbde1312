//! Small cases that were run through the reference, one by one: lines in, lines or an error out.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::{configuration, list_folders, read_json, strings};

/// Where the reference fails and we do not, on purpose: one bad line does not cost anybody their list.
/// Each with the lines that we answer.
const DECIDED_OTHERWISE: [(&str, &str, &[&str]); 5] = [
    ("Compress", "0.0.0.0  ", &["0.0.0.0  "]),
    ("Compress", "0.0.0.0  #x", &["0.0.0.0  #x"]),
    ("RemoveModifiers", "@@", &["@@"]),
    ("ValidateAllowIp", "@@", &[]),
    ("ValidateAllowIpAndPublicSuffix", "@@", &[]),
];

fn transform(case: &Value) -> Result<Vec<String>, String> {
    let mut source = json!({ "source": "list", "transformations": case["transformations"] });
    let level = case["level"].as_object().into_iter().flatten();
    source.as_object_mut().expect("an object").extend(level.map(|(key, value)| (key.clone(), value.clone())));
    let configuration = configuration(&json!({ "name": "T", "sources": [source] }));
    let lines = strings(&case["input"]);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    configuration.sources()[0].transform(&lines).map_err(|error| error.to_string())
}

fn decided_otherwise(case: &Value) -> Option<Vec<String>> {
    let (transformations, input) = (strings(&case["transformations"]), strings(&case["input"]));
    let decided = DECIDED_OTHERWISE.into_iter();
    let mut decided = decided.filter(|(name, line, _)| transformations == [*name] && input == [*line]);
    decided.next().map(|(_, _, lines)| lines.iter().map(|line| (*line).to_owned()).collect())
}

#[test]
fn every_observed_case_holds() {
    for folder in list_folders() {
        let cases = read_json(folder.join("observed-cases.json"));
        let cases = cases["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), 678);
        let mut wrong = Vec::new();
        let mut n_decided_otherwise = 0;
        for (n, case) in cases.iter().enumerate() {
            let actual = transform(case);
            let holds = match (&case["output"], decided_otherwise(case)) {
                (Value::Object(output), Some(lines)) => {
                    n_decided_otherwise += 1;
                    // Should the reference's error become ours, the case must leave the table.
                    assert!(output.contains_key("error"), "{case}");
                    actual == Ok(lines)
                }
                // The message is the reference's, after the kind of its error.
                (Value::Object(output), None) => {
                    let expected =
                        output["error"].as_str().expect("a message").trim_start_matches("SyntaxError: ");
                    actual.as_ref().is_err_and(|error| error.ends_with(expected))
                }
                (output, _) => actual == Ok(strings(output)),
            };
            if !holds {
                wrong.push(format!("{n}: {case}\n   ours: {actual:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(n_decided_otherwise, DECIDED_OTHERWISE.len());
    }
}
