//! Whole lists under many configurations, compared with what the reference made of them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::path::Path;

use compiler::Compiled;
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::{committed_lists, compile, configuration, list_folders, lists_beside_the_workspace, read_json};

/// Hash of the lines below the header, joined with LF.
fn body_sha256(compiled: &Compiled) -> String {
    let mut hash = Sha256::new();
    for (n, line) in compiled.body().enumerate() {
        if n > 0 {
            hash.update(b"\n");
        }
        hash.update(line);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn compile_in(folder: &Path, value: &Value) -> Compiled {
    let read = |location: &str| {
        let path = folder.join(location);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8_lossy(&bytes).into_owned()
    };
    compile(configuration(value), read).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// What is different, if anything.
fn difference(compiled: &Compiled, expected: &Value) -> Option<String> {
    let report = compiled.report();
    let actual = (body_sha256(compiled), compiled.body().len() as u64, report.list.n_rules_out as u64);
    let expected = (
        expected["sha256"].as_str().expect("sha256").to_owned(),
        expected["lines"].as_u64().expect("lines"),
        expected["rules"].as_u64().expect("rules"),
    );
    (actual != expected).then(|| format!("is {actual:?}, should be {expected:?}"))
}

#[test]
fn committed_lists_are_compiled_as_the_reference_does() {
    check_lists(&committed_lists());
}

#[test]
fn all_lists_are_compiled_as_the_reference_does() {
    if let Some(folder) = lists_beside_the_workspace() {
        check_lists(&folder);
    }
}

fn check_lists(folder: &Path) {
    let golden = read_json(folder.join("golden.json"));
    let mut wrong = Vec::new();
    for (list, outputs) in golden["outputs"].as_object().expect("outputs") {
        for (name, expected) in outputs.as_object().expect("configurations") {
            let json = golden["configurations"][name].to_string().replace("<LIST>", list);
            let compiled = compile_in(folder, &serde_json::from_str(&json).expect("JSON"));
            wrong.extend(difference(&compiled, expected).map(|what| format!("{list}, {name}: {what}")));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", folder.display(), wrong.join("\n"));
}

#[test]
fn several_sources_are_joined_as_the_reference_does() {
    for folder in list_folders() {
        let golden = read_json(folder.join("golden.json"));
        for (name, expected) in golden["multi"].as_object().into_iter().flatten() {
            let compiled = compile_in(&folder, &expected["configuration"]);
            assert_eq!(difference(&compiled, expected), None, "{name}");
        }
    }
}

#[test]
fn headers_are_the_same_but_for_time_and_compiler() {
    for folder in list_folders() {
        let golden = read_json(folder.join("golden.json"));
        for (name, expected) in golden["headers"].as_object().expect("headers") {
            let compiled = compile_in(&folder, &expected["configuration"]);
            let header: Vec<String> = compiled
                .header()
                .iter()
                .map(|line| line.replace("2026-11-22T03:00:00.123Z", "<T>").replace("test v1", "<C>"))
                .collect();
            assert_eq!(header, support::strings(&expected["header"]), "{name}");
            let first = support::strings(&expected["first_body_lines"]);
            assert!(compiled.body().take(first.len()).eq(first.iter().map(String::as_str)), "{name}");
        }
    }
}
