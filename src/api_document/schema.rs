//! Words for shapes, so that a shape fits on a few lines. JSON Schema 2020-12.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

/// An object. Members whose name ends with `?` may be missing.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone())).collect();
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

/// A text of so many characters.
pub fn text_of(length: RangeInclusive<usize>) -> Value {
    json!({ "type": "string", "minLength": length.start(), "maxLength": length.end() })
}

/// Milliseconds since 1970, a count, or another whole number from 0 on.
pub fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// A whole number within these.
pub fn whole(range: RangeInclusive<u64>) -> Value {
    json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
}

/// A whole number that must not be 0.
pub fn positive() -> Value {
    json!({ "type": "integer", "minimum": 1 })
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

/// An instant as clients may write it: ISO 8601, or milliseconds since 1970. None stands for never.
pub fn instant() -> Value {
    json!({ "type": ["string", "number", "null"] })
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

/// A list of so many items.
pub fn list_of(items: Value, length: RangeInclusive<usize>) -> Value {
    json!({ "type": "array", "items": items, "minItems": length.start(), "maxItems": length.end() })
}

/// One of these shapes.
pub fn either<const N: usize>(shapes: [Value; N]) -> Value {
    json!({ "anyOf": Vec::from(shapes) })
}

/// The same, with a sentence for readers.
pub fn about(mut schema: Value, says: &str) -> Value {
    schema["description"] = says.into();
    schema
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
