//! Each room of the house uses what it may, and nothing else.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// A room, what its package may depend on, and what its code must not mention.
struct Room {
    folder: &'static str,
    may_use: &'static [&'static str],
    must_not_mention: &'static [&'static str],
}

/// Clocks, randomness, files, sockets and the environment: a pure room gets these as arguments.
const IMPURE: [&str; 8] =
    ["std::time", "std::fs", "std::env", "std::process", "std::thread", "TcpStream", "UdpSocket", "println!"];

const ROOMS: [Room; 5] = [
    Room {
        folder: "limits",
        may_use: &["thiserror"],
        must_not_mention: &["worker", "serde", "durable", "compiler"],
    },
    Room {
        folder: "compiler",
        may_use: &[
            "aho-corasick",
            "foldhash",
            "hashbrown",
            "idna",
            "memchr",
            "serde",
            "serde_json",
            "thiserror",
            "url",
        ],
        must_not_mention: &["worker::", "durable::", "limits::"],
    },
    Room {
        folder: "settings",
        may_use: &["base64", "serde_json", "url"],
        must_not_mention: &["worker::", "durable::", "limits::", "compiler::"],
    },
    Room {
        folder: "command",
        may_use: &[
            "anyhow",
            "clap",
            "compiler",
            "fastrand",
            "indicatif",
            "serde",
            "serde_json",
            "thiserror",
            "ureq",
            "url",
        ],
        must_not_mention: &["bloqr_backend", "durable::", "limits::", "worker::"],
    },
    Room {
        folder: "durable",
        may_use: &[
            "base64",
            "compiler",
            "futures",
            "limits",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "url",
            "wasm-bindgen",
            "wasm-streams",
            "worker",
        ],
        must_not_mention: &["bloqr_backend", "tokio_postgres", "D1Database"],
    },
];

fn manifest(folder: &str) -> Table {
    fs::read_to_string(Path::new(folder).join("Cargo.toml")).unwrap().parse().unwrap()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            // Tests may look at anything.
            true if path.ends_with("tests") => Vec::new(),
            true => rust_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The code of a file without its comments and its tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    product.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn rooms_depend_on_what_they_may() {
    for room in &ROOMS {
        let manifest = manifest(room.folder);
        let used: BTreeSet<&str> =
            manifest["dependencies"].as_table().unwrap().keys().map(String::as_str).collect();
        let allowed: BTreeSet<&str> = room.may_use.iter().copied().collect();
        assert!(used.is_subset(&allowed), "{} depends on {:?}", room.folder, used.difference(&allowed));
        assert!(
            !manifest.contains_key("build-dependencies") && !manifest.contains_key("target"),
            "{}",
            room.folder
        );
    }
}

#[test]
fn rooms_mention_what_they_may() {
    for room in &ROOMS {
        for file in rust_files(Path::new(room.folder)) {
            let code = code(&file);
            for word in room.must_not_mention {
                assert!(!code.contains(word), "{} mentions {word}", file.display());
            }
        }
    }
}

#[test]
fn pure_rooms_touch_no_clock_file_or_socket() {
    for folder in ["limits", "compiler", "settings"] {
        for file in rust_files(Path::new(folder)) {
            let code = code(&file);
            for word in IMPURE {
                assert!(!code.contains(word), "{} mentions {word}", file.display());
            }
        }
    }
}

/// SQL lives where the tables do.
#[test]
fn only_stores_and_schemas_have_sql() {
    for file in ["src", "durable"].iter().flat_map(|folder| rust_files(Path::new(folder))) {
        if file.starts_with("src/store") || file.ends_with("schema.rs") {
            continue;
        }
        let code = code(&file);
        for word in ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE FROM ", "CREATE TABLE"] {
            assert!(!code.contains(word), "{} has SQL", file.display());
        }
    }
}

/// Bindings are reached through `app.rs` alone.
#[test]
fn only_the_app_reaches_for_bindings() {
    for file in rust_files(Path::new("src")) {
        if !file.ends_with("app.rs") && !file.ends_with("bindings.rs") {
            assert!(!code(&file).contains("bindings::"), "{} names a binding", file.display());
        }
    }
}
