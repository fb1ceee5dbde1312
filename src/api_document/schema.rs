//! Words for shapes, so that a shape fits on a few lines. JSON Schema 2020-12.

use serde_json::{Map, Value, json};

/// An object. Members whose name ends with `?` may be missing.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let required: Vec<&str> =
        members.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    let properties: Map<String, Value> = members
        .iter()
        .map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone()))
        .collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// An object with `success: true` besides.
pub fn success<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut object = object(members);
    object["properties"]["success"] = always(true);
    if let Some(required) = object["required"].as_array_mut() {
        required.insert(0, "success".into());
    }
    object
}

/// The members of a named shape and more.
pub fn with<const N: usize>(name: &str, members: [(&str, Value); N]) -> Value {
    json!({ "allOf": [shape(name), object(members)] })
}

/// A named shape.
pub fn shape(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub fn text() -> Value {
    json!({ "type": "string" })
}

/// Milliseconds since 1970, a count, or another whole number from 0 on.
pub fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub fn number() -> Value {
    json!({ "type": "number" })
}

pub fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// That truth value and no other.
pub fn always(value: bool) -> Value {
    json!({ "const": value, "type": "boolean" })
}

/// An instant, as ISO 8601 has it.
pub fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// Anything.
pub fn any() -> Value {
    json!({})
}

/// An object with whatever members.
pub fn free() -> Value {
    json!({ "type": "object", "additionalProperties": true })
}

pub fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// An object whose members are alike.
pub fn map(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

pub fn or_null(schema: Value) -> Value {
    match schema["type"].as_str() {
        Some(kind) if schema.get("enum").is_none() => {
            let mut schema = schema.clone();
            schema["type"] = json!([kind, "null"]);
            schema
        }
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

/// One of these words.
pub fn word(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}
