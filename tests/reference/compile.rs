//! Compiles the same with AdGuard's HostlistCompiler and with the engine.
#![allow(clippy::unwrap_used)]

use reference_tests::Script;
use serde_json::json;

#[test]
fn the_reference_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut reference = Script::start("compile.mjs", folder.path());
    let configuration =
        json!({ "name": "T", "sources": [{ "source": "a" }], "transformations": ["Compress"] });
    let answer = reference.ask(&json!({ "configuration": configuration, "files": { "a": "0.0.0.0 a.org" } }));
    assert_eq!(answer["lines"].as_array().unwrap().last().unwrap(), "||a.org^", "{answer}");
    let answer = reference.ask(&json!({ "configuration": {}, "files": {} }));
    assert!(answer["error"].as_str().unwrap().contains("Failed to validate configuration"), "{answer}");
}
