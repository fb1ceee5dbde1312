//! Writes JSON as YAML in block style.
//!
//! Texts are always quoted, in the spelling that YAML shares with JSON, so that none can be taken for a number,
//! a date or a boolean. <https://yaml.org/spec/1.2.2/#732-double-quoted-style>

use std::fmt::Write;

use serde_json::Value;

/// `value` as a YAML document that ends with a line end.
pub fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0);
    text
}

/// The nesting is that of JSON, which its parser has bounded.
fn write_value(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, member) in members {
                write_member(text, &format!("{indent}{}:", Value::from(key.as_str())), member, depth);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                write_member(text, &format!("{indent}-"), item, depth);
            }
        }
        scalar => {
            // Writing to a `String` never fails.
            let _ = writeln!(text, "{indent}{scalar}");
        }
    }
}

/// What has members of its own begins on the next line; empty ones and scalars fit on this.
fn write_member(text: &mut String, start: &str, value: &Value, depth: usize) {
    let is_block = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        let _ = writeln!(text, "{start}");
        write_value(text, value, depth + 1);
    } else {
        let _ = writeln!(text, "{start} {value}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_are_indented_and_texts_quoted() {
        let value = json!({
            "name": "no: \"yes\"\n", "sources": [{ "source": "a", "exclusions": [] }, { "source": "1.0" }],
            "extensions": {}, "transformations": ["Compress"], "deep": [[1, null], true],
        });
        let text = concat!(
            "\"deep\":\n  -\n    - 1\n    - null\n  - true\n",
            "\"extensions\": {}\n",
            "\"name\": \"no: \\\"yes\\\"\\n\"\n",
            "\"sources\":\n  -\n    \"exclusions\": []\n    \"source\": \"a\"\n  -\n    \"source\": \"1.0\"\n",
            "\"transformations\":\n  - \"Compress\"\n",
        );
        assert_eq!(to_yaml(&value), text);
        assert_eq!(to_yaml(&json!([])), "[]\n");
        assert_eq!(to_yaml(&json!("a")), "\"a\"\n");
    }
}
