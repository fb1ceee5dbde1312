//! Runs `bloqr compile` and `hostlist-compiler` with the same arguments, and finds no difference in what they write.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reference_tests::npm_command;
use serde_json::{Value, json};

fn lists() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/lists")
}

/// `bloqr`, built if need be.
fn bloqr() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "bloqr", "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml")).args(["--", "compile"]);
    command
}

/// The list that a command writes with those arguments, without who compiled it and when; none if it fails.
fn written(mut command: Command, arguments: &[&str]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.txt");
    let output =
        command.current_dir(lists()).args(arguments).arg("-o").arg(&path).output().expect("it starts");
    assert_eq!(output.status.success(), path.exists(), "{arguments:?}: {output:?}");
    let list = path.exists().then(|| fs::read_to_string(&path).unwrap())?;
    let is_own = |line: &str| line.starts_with("! Last modified: ") || line.starts_with("! Compiled by ");
    let (own, rest): (Vec<&str>, Vec<&str>) = list.split('\n').partition(|line| is_own(line));
    assert_eq!(own.len(), 2, "{own:?}");
    Some(rest.into_iter().map(str::to_owned).collect())
}

/// Both write the same, or fail both.
fn check(arguments: &[&str], succeeds: bool) {
    let reference = written(npm_command("hostlist-compiler"), arguments);
    assert_eq!(reference.is_some(), succeeds, "{arguments:?}");
    let own = written(bloqr(), arguments);
    assert_eq!(own.is_some(), succeeds, "{arguments:?}");
    assert!(own == reference, "{arguments:?}: the lists differ");
}

fn check_configuration(configuration: &Value, succeeds: bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("configuration.json");
    fs::write(&path, configuration.to_string()).unwrap();
    for flag in ["-c", "--config"] {
        check(&[flag, path.to_str().unwrap()], succeeds);
    }
}

#[test]
fn configurations_are_compiled_alike() {
    let whole = json!({
        "name": "Whole", "description": "D", "homepage": "https://h.example", "license": "MIT", "version": "1.0",
        "sources": [
            { "source": "hosts-anudeep.txt", "name": "A", "type": "hosts", "transformations": ["Compress"] },
            { "source": "idn.txt", "transformations": ["ConvertToAscii"], "inclusions": ["*example*", "/рф/"] },
            { "source": "fuzz.txt", "exclusions_sources": ["exclusions.txt"] },
        ],
        "transformations": ["Validate", "Deduplicate", "InsertFinalNewLine"], "exclusions": ["/ads?/"],
    });
    check_configuration(&whole, true);
    let missing = json!({ "name": "N", "sources": [{ "source": "fuzz.txt" }, { "source": "missing.txt" }] });
    check_configuration(&missing, false);
    check_configuration(
        &json!({ "name": "N", "sources": [{ "source": "fuzz.txt" }], "version": null }),
        false,
    );
    check(&["-c", "missing.json"], false);
}

#[test]
fn inputs_are_compiled_alike() {
    check(&["-i", "fuzz.txt"], true);
    check(&["-i", "hosts-anudeep.txt", "fuzz.txt", "-t", "hosts"], true);
    check(&["--input", "fuzz.txt", "--input", "idn.txt", "--input-type", "adblock"], true);
    check(&["-i", "fuzz.txt", "-t", "dnsmasq"], false);
    check(&["-i", "missing.txt"], false);
    check(&[], false);
}
