//! wrangler.toml and the code agree.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;

use toml::{Table, Value};

fn wrangler() -> Table {
    fs::read_to_string("wrangler.toml").unwrap().parse().unwrap()
}

/// All values under a key named `binding`, and the names of object bindings.
fn bound(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                match (key.as_str(), value) {
                    ("binding", Value::String(name)) => drop(found.insert(name.clone())),
                    ("durable_objects", objects) => {
                        for object in objects["bindings"].as_array().unwrap() {
                            found.insert(object["name"].as_str().unwrap().to_owned());
                        }
                    }
                    _ => bound(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| bound(value, found)),
        _ => {}
    }
}

#[test]
fn every_binding_is_known_on_both_sides() {
    let mut in_wrangler = BTreeSet::new();
    bound(&Value::Table(wrangler()), &mut in_wrangler);
    let objects = ["artifact", "compile_job", "live_registry", "service_metrics", "source_host"];
    let mut files = objects.map(|object| format!("durable/{object}/stub.rs")).to_vec();
    files.extend(["src/bindings.rs".to_owned(), "durable/compile_job/keeper.rs".to_owned()]);
    let code: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let in_code: BTreeSet<String> = code
        .lines()
        .filter(|line| line.contains("const ") && line.contains(": &str = "))
        .filter_map(|line| line.split('"').nth(1).filter(is_name).map(str::to_owned))
        .collect();
    assert_eq!(in_wrangler, in_code);
}

#[test]
fn every_object_class_is_exported_and_in_a_migration() {
    let wrangler = wrangler();
    let exported = fs::read_to_string("src/lib.rs").unwrap();
    for object in wrangler["durable_objects"]["bindings"].as_array().unwrap() {
        let class = object["class_name"].as_str().unwrap();
        let migrated = wrangler["migrations"].as_array().unwrap().iter().any(|step| {
            step["new_sqlite_classes"].as_array().unwrap().iter().any(|name| name.as_str() == Some(class))
        });
        assert!(migrated, "{class} has no storage");
        assert!(exported.contains(&format!("::{class};")), "{class} is not exported");
    }
}

/// Secrets are set with `wrangler secret put`; a variable is readable by everybody with the repository.
#[test]
fn no_secret_is_a_plain_variable() {
    for name in wrangler()["vars"].as_table().unwrap().keys() {
        for word in ["SECRET", "KEY", "TOKEN", "PASSWORD", "DSN"] {
            assert!(
                !name.contains(word) || name.ends_with("SITE_KEY") || name.ends_with("PUBLISHABLE_KEY"),
                "{name}"
            );
        }
    }
}
