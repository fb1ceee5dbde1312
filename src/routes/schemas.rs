//! `GET /schemas`: the shapes of what clients send and get, as JSON Schema.
//! <https://json-schema.org/draft/2020-12>

use compiler::{MAX_FIELD_BYTES, MAX_NAME_CHARS, MAX_PATTERNS, MAX_SOURCES, Transformation};
use serde_json::{Value, json};

use crate::admission::Admitted;
use crate::app::App;
use crate::error::ApiResult;
use crate::reply::Reply;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// `GET /schemas`.
pub async fn show_schemas(_: App, _: Admitted) -> ApiResult {
    let schemas = json!({
        "success": true,
        "schemas": {
            "ConfigurationSchema": configuration(),
            "CompileRequestSchema": compile_request(),
            "SourceSchema": source(),
            "BenchmarkMetricsSchema": metrics(),
        },
    });
    Ok(Reply::json(&schemas)?.with_header("Cache-Control", "public, max-age=3600"))
}

/// An object; `closed` if it may have no other members.
fn object(title: &str, description: &str, required: &[&str], properties: Value, closed: bool) -> Value {
    json!({
        "$schema": DIALECT,
        "title": title,
        "description": description,
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": !closed,
    })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description, "maxLength": MAX_FIELD_BYTES })
}

fn name(description: &str) -> Value {
    json!({ "type": "string", "description": description, "minLength": 1, "maxLength": MAX_NAME_CHARS })
}

/// Adds the arrays that a source and a list both have.
fn with_level(mut properties: Value) -> Value {
    let names = Transformation::ORDER.map(Transformation::name);
    let patterns = |description: &str| {
        json!({
            "type": "array", "items": { "type": "string" }, "maxItems": MAX_PATTERNS,
            "description": description,
        })
    };
    let files = |description: &str| {
        json!({
            "type": "array", "items": { "type": "string", "minLength": 1 }, "maxItems": MAX_SOURCES,
            "description": description,
        })
    };
    let transformations = json!({
        "type": "array", "items": { "type": "string", "enum": names },
        "description": "What is done to the lines. Their order here does not matter.",
    });
    let level = [
        ("transformations", transformations),
        ("exclusions", patterns("Lines that match one of these are dropped.")),
        ("exclusions_sources", files("Where more of such patterns are.")),
        ("inclusions", patterns("If there are any, lines that match none of these are dropped.")),
        ("inclusions_sources", files("Where more of such patterns are.")),
    ];
    if let Some(members) = properties.as_object_mut() {
        members.extend(level.map(|(key, schema)| (key.to_owned(), schema)));
    }
    properties
}

fn source() -> Value {
    let properties = with_level(json!({
        "source": {
            "type": "string", "minLength": 1, "maxLength": MAX_FIELD_BYTES,
            "description": "URL of a list, or the name of a text that is sent along.",
        },
        "name": name("For the header of the source within the list."),
        "type": { "type": "string", "enum": ["adblock", "hosts"], "default": "adblock" },
        "useBrowser": { "type": "boolean", "description": "Ignored." },
    }));
    object("SourceSchema", "A list that goes into the compiled one", &["source"], properties, true)
}

fn configuration() -> Value {
    let properties = with_level(json!({
        "name": name("Title of the list."),
        "description": text("What the list is for."),
        "homepage": text("Where the list is at home."),
        "license": text("The licence of the list."),
        "version": text("Version of the list."),
        "sources": { "type": "array", "items": source(), "minItems": 1, "maxItems": MAX_SOURCES },
        "extensions": { "type": "object", "description": "For other tools; ignored." },
    }));
    object("ConfigurationSchema", "What to compile", &["name", "sources"], properties, true)
}

fn compile_request() -> Value {
    let properties = json!({
        "configuration": configuration(),
        "preFetchedContent": {
            "type": "object", "additionalProperties": { "type": "string" },
            "description": "Texts of sources, by source: these are not fetched.",
        },
        "benchmark": { "type": "boolean", "default": false },
        "report": { "type": "boolean", "default": false, "description": "Whether the answer tells what became of the lines." },
        "priority": { "type": "string", "enum": ["standard", "high", "low", "normal"], "default": "standard" },
        "turnstileToken": { "type": "string" },
    });
    object("CompileRequestSchema", "A request to compile", &["configuration"], properties, false)
}

fn metrics() -> Value {
    let count = || json!({ "type": "integer", "minimum": 0 });
    let duration = || json!({ "type": "number", "minimum": 0, "description": "In milliseconds." });
    let stage = json!({
        "type": "object",
        "required": ["name", "durationMs"],
        "properties": {
            "name": { "type": "string" },
            "durationMs": duration(),
            "itemCount": count(),
            "itemsPerSecond": { "type": "number", "minimum": 0 },
        },
    });
    let properties = json!({
        "totalDurationMs": duration(),
        "stages": { "type": "array", "items": stage },
        "sourceCount": count(),
        "ruleCount": count(),
        "outputRuleCount": count(),
    });
    let required = ["totalDurationMs", "stages", "sourceCount", "ruleCount", "outputRuleCount"];
    object("BenchmarkMetricsSchema", "How long a compile took", &required, properties, false)
}

#[cfg(test)]
mod tests {
    use compiler::Configuration;

    use super::*;

    /// What the schema has is what the compiler reads, key by key.
    #[test]
    fn the_schema_and_the_reader_know_the_same_keys() {
        let refused = |document: &Value| {
            let issues = Configuration::from_json(document).err().unwrap_or_default();
            issues.iter().map(|issue| issue.path.clone()).collect::<Vec<_>>()
        };
        for key in configuration()["properties"].as_object().unwrap().keys() {
            let mut document = json!({ "name": "N", "sources": [{ "source": "a" }] });
            document[key] = Value::Null;
            assert_eq!(refused(&document), [format!("/{key}")]);
        }
        for key in source()["properties"].as_object().unwrap().keys() {
            let mut document = json!({ "name": "N", "sources": [{ "source": "a" }] });
            document["sources"][0][key] = Value::Null;
            assert_eq!(refused(&document), [format!("/sources/0/{key}")]);
        }
        let unknown = Configuration::from_json(&json!({ "x": 1 })).unwrap_err();
        let known = unknown[0].message.rsplit_once("known are ").unwrap().1.split(", ").count();
        assert_eq!(known, configuration()["properties"].as_object().unwrap().len());
    }
}
