//! The command as people use it: arguments, files, messages, exit codes.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{bloqr, body, check_failure, compiled, names, run, stderr, stdout};
use tempfile::{TempDir, tempdir};

const LIST: &str = "! c\n0.0.0.0 a.example.com\n  b.example.com\n||sub.b.example.com^\n||b.example.com^";

/// A folder with a list and a configuration that does nothing to it.
fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("l.txt"), LIST).unwrap();
    write_json(&folder, "c.json", &json!({ "name": "N", "sources": [{ "source": "l.txt" }] }));
    folder
}

fn write_json(folder: &TempDir, name: &str, value: &Value) {
    fs::write(folder.path().join(name), value.to_string()).unwrap();
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

/// What the reference made of every committed list under every configuration.
#[test]
fn committed_lists_are_compiled_as_the_reference_does() {
    let lists = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/lists");
    let golden: Value = serde_json::from_slice(&fs::read(lists.join("golden.json")).unwrap()).unwrap();
    let (folder, mut wrong) = (tempdir().unwrap(), Vec::new());
    let mut check = |name: &str, configuration: &str, expected: &Value| {
        let path = folder.path().join("c.json");
        fs::write(&path, configuration).unwrap();
        let actual = sha256(&compiled(&lists, &[path.to_str().unwrap()]));
        if actual != expected["sha256"] {
            wrong.push(format!("{name}: {actual}"));
        }
    };
    for (list, outputs) in golden["outputs"].as_object().unwrap() {
        for (name, expected) in outputs.as_object().unwrap() {
            let configuration = golden["configurations"][name].to_string().replace("<LIST>", list);
            check(&format!("{list}, {name}"), &configuration, expected);
        }
    }
    for (name, expected) in golden["multi"].as_object().into_iter().flatten() {
        check(name, &expected["configuration"].to_string(), expected);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_list_goes_where_it_should() {
    let folder = folder();
    let to_stdout = run(folder.path(), &["c.json"]);
    assert!(to_stdout.status.success());
    assert_eq!(stderr(&to_stdout), "", "without a terminal, success is silent");
    let list = stdout(&to_stdout);
    let header: Vec<&str> = list.lines().take(6).collect();
    assert_eq!((header[0], header[1], header[3], header[5]), ("!", "! Title: N", "!", "!"));
    assert!(header[2].starts_with("! Last modified: 20"), "{}", header[2]);
    assert_eq!(header[4], concat!("! Compiled by bloqr v", env!("CARGO_PKG_VERSION")));
    let expected = format!("!\n! Source: l.txt\n!\n{LIST}");
    assert_eq!(body(list), expected);

    for arguments in [
        ["c.json", "-o", "o.txt"].as_slice(),
        &["-c", "c.json", "-o", "o.txt"],
        &["--config", "c.json", "--output", "o.txt"],
    ] {
        let output = run(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        assert_eq!((stdout(&output), stderr(&output)), ("", ""));
        assert_eq!(body(&read(&folder, "o.txt")), expected);
        fs::remove_file(folder.path().join("o.txt")).unwrap();
    }
    assert_eq!(compiled(folder.path(), &["c.json", "-o", "-"]), expected);
    assert_eq!(names(folder.path()), ["c.json", "l.txt"]);
}

#[test]
fn paths_are_those_of_the_working_directory() {
    let folder = folder();
    let elsewhere = tempdir().unwrap();
    fs::write(elsewhere.path().join("l.txt"), "x").unwrap();
    let configuration = folder.path().join("c.json");
    let list = compiled(elsewhere.path(), &[configuration.to_str().unwrap()]);
    assert_eq!(list, "!\n! Source: l.txt\n!\nx");
    let absolute = folder.path().join("l.txt");
    let list = compiled(elsewhere.path(), &["-i", absolute.to_str().unwrap()]);
    assert_eq!(list, "||a.example.com^\n||b.example.com^\n");
}

#[test]
fn lists_are_compiled_without_a_configuration() {
    let folder = folder();
    fs::write(folder.path().join("m.txt"), "m.example.com\nnot a rule").unwrap();
    let output = run(folder.path(), &["-i", "l.txt"]);
    assert!(stdout(&output).contains("\n! Title: Blocklist\n"));
    let both = "||a.example.com^\n||b.example.com^\n||m.example.com^\n";
    for arguments in [
        ["-i", "l.txt", "-i", "m.txt"].as_slice(),
        &["--input", "l.txt", "m.txt"],
        &["-i", "l.txt", "m.txt", "-t", "adblock"],
        &["-i", "l.txt", "m.txt", "--input_type", "hosts"],
    ] {
        assert_eq!(compiled(folder.path(), arguments), both, "{arguments:?}");
    }
}

#[test]
fn wrong_arguments_are_refused_with_2() {
    let folder = folder();
    for (arguments, said) in [
        ([].as_slice(), "--input"),
        (&["c.json", "-i", "l.txt"], "cannot be used with"),
        (&["c.json", "-c", "c.json"], "cannot be used with"),
        (&["-i", "l.txt", "-t", "dnsmasq"], "[possible values: adblock, hosts]"),
        (&["c.json", "--retries", "11"], "11 is not in 0..=10"),
        (&["c.json", "--foo"], "--foo"),
    ] {
        check_failure(folder.path(), arguments, 2, &[said]);
    }
    for (arguments, said) in [(["--help"], "Usage: bloqr compile"), (["--version"], "bloqr-compile 0.")] {
        let output = run(folder.path(), &arguments);
        assert!(output.status.success() && stdout(&output).contains(said), "{}", stdout(&output));
    }
}

#[test]
fn everything_wrong_with_a_configuration_is_told() {
    let folder = folder();
    write_json(
        &folder,
        "bad.json",
        &json!({
            "name": "", "foo": 1, "version": null,
            "sources": [{ "source": "l.txt", "transformations": ["Validate", "Nothing"] }],
        }),
    );
    let said = [
        "bad.json is no configuration",
        "\n  /foo: is not a known key",
        "\n  /version: must be a string, is null",
        "\n  /name: must not be empty",
        "\n  /sources/0/transformations/1: unknown transformation \"Nothing\"",
    ];
    check_failure(folder.path(), &["bad.json", "-o", "o.txt"], 1, &said);
    write_json(&folder, "array.json", &json!([]));
    check_failure(folder.path(), &["array.json"], 1, &["\n  the document: must be an object, is an array"]);
    fs::write(folder.path().join("cut.json"), "{\"name\":\n\"").unwrap();
    check_failure(folder.path(), &["cut.json"], 1, &["cut.json is no JSON", "line 2 column 1"]);
    check_failure(folder.path(), &["nope.json"], 1, &["can't read nope.json", "No such file"]);
    write_json(
        &folder,
        "pattern.json",
        &json!({ "name": "N", "sources": [{ "source": "l.txt" }], "exclusions": ["/(/"] }),
    );
    check_failure(folder.path(), &["pattern.json", "-o", "o.txt"], 1, &["mend the configuration: /(/: "]);
    assert_eq!(
        names(folder.path()),
        ["array.json", "bad.json", "c.json", "cut.json", "l.txt", "pattern.json"]
    );
}

#[test]
fn a_report_counts_what_was_done() {
    let folder = folder();
    write_json(
        &folder,
        "c.json",
        &json!({
            "name": "N", "transformations": ["Compress", "RemoveComments"],
            "sources": [{ "source": "l.txt", "transformations": ["TrimLines"], "exclusions": ["a.example"] }],
        }),
    );
    let output = run(folder.path(), &["c.json", "-o", "o.txt", "--report", "r.json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let list = read(&folder, "o.txt");
    let mut report: Value = serde_json::from_str(&read(&folder, "r.json")).unwrap();
    let members = report.as_object_mut().unwrap();
    let dropped = members.remove("dropped").unwrap();
    let reasons = dropped.as_array().unwrap().iter().map(|dropped| dropped["reason"].as_str().unwrap());
    let reasons: Vec<&str> = reasons.collect();
    assert_eq!(reasons, ["excluded", "comment", "comment", "comment", "comment", "covered", "duplicate"]);
    assert_eq!(dropped[0]["pattern"], "a.example");
    assert!(members.remove("droppedByReason").is_some_and(|counts| counts.as_array().unwrap().len() == 4));
    let pass = |name: &str, lines_in: u64, lines_out: u64| {
        json!({
            "transformation": name, "linesIn": lines_in, "linesOut": lines_out, "dropped": lines_in - lines_out,
        })
    };
    let expected = json!({
        "name": "N", "compiler": concat!("bloqr v", env!("CARGO_PKG_VERSION")),
        "lines": list.split('\n').count(), "bytes": list.len(),
        "sources": [{
            "source": "l.txt", "texts": 1, "linesIn": 5, "rulesIn": 4, "excluded": 1, "notIncluded": 0,
            "passes": [pass("TrimLines", 4, 4)], "conflictCount": 0, "conflicts": [], "linesOut": 4, "rulesOut": 3,
        }],
        "list": {
            "linesIn": 7, "rulesIn": 3, "excluded": 0, "notIncluded": 0,
            "passes": [pass("RemoveComments", 7, 3), pass("Compress", 3, 1)], "conflictCount": 0, "conflicts": [],
            "linesOut": 1, "rulesOut": 1,
        },
        "warnings": [], "warningCount": 0,
    });
    assert_eq!(report, expected);

    let to_stdout = run(folder.path(), &["c.json", "-o", "o.txt", "--report", "-"]);
    assert_eq!(serde_json::from_slice::<Value>(&to_stdout.stdout).unwrap()["name"], "N");
    check_failure(folder.path(), &["c.json", "--report", "-"], 1, &["can't both go to standard output"]);
}

#[test]
fn whoever_asks_is_told_everything() {
    let folder = folder();
    let output = run(folder.path(), &["-i", "l.txt", "-o", "o.txt", "-v"]);
    for said in [
        &format!("source l.txt: {} bytes\n", LIST.len()),
        "source l.txt: 5 lines, 4 rules\n",
        "list: Compress, 4 lines to 2\n",
        "o.txt: 9 lines, 2 rules\n",
    ] {
        assert!(stderr(&output).contains(said), "{said:?}: {}", stderr(&output));
    }
}

#[test]
fn a_failure_leaves_the_old_list() {
    let folder = folder();
    fs::write(folder.path().join("o.txt"), "old").unwrap();
    check_failure(
        folder.path(),
        &["-i", "nope.txt", "-o", "o.txt"],
        1,
        &["can't read nope.txt: No such file"],
    );
    assert_eq!(read(&folder, "o.txt"), "old");
    check_failure(folder.path(), &["c.json", "-o", "no/o.txt"], 1, &["the folder no does not exist"]);
    check_failure(folder.path(), &["c.json", "-o", "."], 1, &["is a folder"]);
    check_failure(folder.path(), &["c.json", "-o", "o.txt", "--report", "no/r"], 1, &["the folder no"]);
    assert_eq!(read(&folder, "o.txt"), "old");
    assert_eq!(names(folder.path()), ["c.json", "l.txt", "o.txt"]);
}

/// A source may be the file that the list is written to.
#[test]
fn an_old_list_is_replaced() {
    let folder = folder();
    assert!(run(folder.path(), &["-i", "l.txt", "-o", "l.txt"]).status.success());
    assert_eq!(body(&read(&folder, "l.txt")), "||a.example.com^\n||b.example.com^\n");
    assert_eq!(names(folder.path()), ["c.json", "l.txt"]);
}

/// A limit on the size of files stands in for a full disk; ignored, its signal becomes an error.
#[cfg(unix)]
#[test]
fn a_list_that_does_not_fit_leaves_the_old_one() {
    let folder = folder();
    fs::write(folder.path().join("o.txt"), "old").unwrap();
    fs::write(folder.path().join("big.txt"), "0.0.0.0 example.org\n".repeat(100_000)).unwrap();
    write_json(&folder, "big.json", &json!({ "name": "N", "sources": [{ "source": "big.txt" }] }));
    let limited = |first: &str| {
        let script = format!("{first} ulimit -f 64; exec \"$0\" compile big.json -o o.txt");
        let mut shell = std::process::Command::new("sh");
        shell.current_dir(folder.path()).args(["-c", &script, env!("CARGO_BIN_EXE_bloqr")]);
        shell.output().unwrap()
    };
    let full = limited("trap '' XFSZ;");
    assert_eq!(full.status.code(), Some(1));
    assert!(stderr(&full).starts_with("error: can't write the list to o.txt: "), "{}", stderr(&full));
    assert_eq!(names(folder.path()), ["big.json", "big.txt", "c.json", "l.txt", "o.txt"]);
    let killed = limited("");
    assert_eq!(killed.status.code(), None, "killed in the middle of writing");
    assert_eq!(read(&folder, "o.txt"), "old");
}

#[cfg(unix)]
#[test]
fn links_modes_and_devices_stay_what_they_are() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    let folder = folder();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let (link, real) = (folder.path().join("link.txt"), folder.path().join("sub/real.txt"));
    fs::write(&real, "old").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("sub/real.txt", &link).unwrap();
    assert!(run(folder.path(), &["c.json", "-o", "link.txt"]).status.success());
    assert!(link.is_symlink());
    assert!(read(&folder, "sub/real.txt").contains("b.example.com"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(&folder.path().join("sub")), ["real.txt"]);

    assert!(run(folder.path(), &["c.json", "-o", "/dev/null"]).status.success());
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

/// A reader such as `head` may go when it has seen enough.
#[test]
fn a_reader_that_goes_is_no_failure() {
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/lists");
    let mut child = bloqr(&lists, &["-i", "hosts-redirect.txt"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}
