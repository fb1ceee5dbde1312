//! Compiled lists equal the reference's.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use journeys::Client;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{open, plain, small};

/// The header ends with the line after this one.
const LAST_OF_HEADER: &str = "! Compiled by ";

fn body_of(list: &Value) -> Vec<&str> {
    let rules: Vec<&str> =
        list["rules"].as_array().unwrap().iter().map(|rule| rule.as_str().unwrap()).collect();
    let end = rules.iter().position(|line| line.starts_with(LAST_OF_HEADER)).unwrap();
    rules[end + 2..].to_vec()
}

#[tokio::test]
async fn what_became_of_the_lines_is_told_if_asked() {
    let mut body = small(&["Deduplicate", "Validate"], "||a.example^\n||a.example^\n||b.example^$script");
    assert_eq!(Client::new(plain()).compile(&body).await.json().get("report"), None);
    body["report"] = json!(true);
    let list = Client::new(plain()).compile(&body).await.json();
    let dropped = list["report"]["dropped"].as_array().unwrap();
    let of = |reason: &str| dropped.iter().find(|dropped| dropped["reason"] == reason).unwrap();
    let invalid = of("unknown_option");
    assert_eq!((&invalid["what"], &invalid["pass"]), (&json!("script"), &json!("Validate")));
    assert_eq!(
        (&of("duplicate")["text"], &of("duplicate")["source"]),
        (&json!("||a.example^"), &Value::Null)
    );
    assert_eq!(list["report"]["list"]["rulesOut"], 1);
    let lines: Vec<&str> =
        list["rules"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let hash = STANDARD_NO_PAD.encode(Sha256::digest(lines.join("\n")));
    assert_eq!(list["checksum"], hash[..27]);
}

#[tokio::test]
async fn a_list_has_its_header_counts_and_metrics() {
    let body = json!({
        "configuration": {
            "name": "Mine", "description": "D", "version": "1.2", "homepage": "https://h.example/", "license": "L",
            "sources": [{ "source": "a", "name": "First" }, { "source": "b" }],
            "transformations": ["Deduplicate", "Compress"],
        },
        "preFetchedContent": { "a": "0.0.0.0 ads.example.org\n||example.org^", "b": "||example.org^\n||other.example^" },
        "benchmark": true,
    });
    let answer = Client::new(plain()).compile(&body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let list = answer.json();
    let rules: Vec<&str> =
        list["rules"].as_array().unwrap().iter().map(|rule| rule.as_str().unwrap()).collect();
    let stamp = format!("! Last modified: {}", list["compiledAt"].as_str().unwrap());
    let expected = [
        "!",
        "! Title: Mine",
        "! Description: D",
        "! Version: 1.2",
        "! Homepage: https://h.example/",
        "! License: L",
        &stamp,
        "!",
        "! Compiled by bloqr-backend v0.1.0",
        "!",
        "!",
        "! Source name: First",
        "! Source: a",
        "!",
        "||example.org^",
        "!",
        "! Source: b",
        "!",
        "||other.example^",
    ];
    assert_eq!(rules, expected);
    assert_eq!(list["success"], true);
    assert_eq!(list["ruleCount"], expected.len());
    assert_eq!(list["metrics"]["sourceCount"], 2);
    assert_eq!(list["metrics"]["ruleCount"], 4);
    assert_eq!(list["metrics"]["stages"].as_array().unwrap().len(), 2);
    assert_eq!(answer.header("x-cache"), "MISS");
}

/// What is absent is left out, because clients take `null` for an error here.
#[tokio::test]
async fn nothing_absent_is_null() {
    let answer = Client::new(plain()).compile(&small(&["TrimLines"], " a ")).await;
    let mut keys: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, ["compiledAt", "ruleCount", "rules", "success"]);
}

#[tokio::test]
async fn the_same_request_gives_the_same_list() {
    let client = Client::new(plain());
    let request = small(&["Compress", "Deduplicate"], "b.example\na.example\nb.example\n||example^");
    let first = client.compile(&request).await.json();
    for _ in 0..3 {
        assert_eq!(body_of(&client.compile(&request).await.json()), body_of(&first));
    }
}

/// Every list that is here, against what the reference made of it.
#[tokio::test]
async fn real_lists_equal_the_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut n_compared = 0;
    for folder in [root.join("tests/data/lists"), root.join("../shared/lists")] {
        if !folder.join("golden.json").exists() {
            continue;
        }
        let golden: Value =
            serde_json::from_str(&fs::read_to_string(folder.join("golden.json")).unwrap()).unwrap();
        for (list, outputs) in golden["outputs"].as_object().unwrap() {
            for (name, expected) in outputs.as_object().unwrap() {
                let mut configuration = golden["configurations"][name].clone();
                configuration["sources"][0]["source"] = json!(list);
                compare(&folder, &configuration, expected).await;
                n_compared += 1;
            }
        }
        for expected in golden["multi"].as_object().into_iter().flat_map(serde_json::Map::values) {
            compare(&folder, &expected["configuration"], expected).await;
        }
    }
    assert!(n_compared > 0);
}

/// Compiles a configuration with the files in this folder that it names.
async fn compare(folder: &Path, configuration: &Value, expected: &Value) {
    let written = configuration.to_string();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let named = files.filter(|file| written.contains(&json!(file).to_string()));
    let texts: serde_json::Map<String, Value> = named
        .map(|file| {
            let text = fs::read(folder.join(&file)).unwrap();
            (file, String::from_utf8_lossy(&text).into())
        })
        .collect();
    // Every compile on a network of its own: this is not about limits.
    let request = json!({ "configuration": configuration, "preFetchedContent": texts });
    let answer = Client::new(open()).compile(&request).await;
    assert_eq!(answer.status, 200, "{configuration}: {}", &answer.text[..answer.text.len().min(500)]);
    let compiled = answer.json();
    let body = body_of(&compiled);
    let sum: String = Sha256::digest(body.join("\n")).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (json!(sum), json!(body.len())),
        (expected["sha256"].clone(), expected["lines"].clone()),
        "{configuration}"
    );
}
