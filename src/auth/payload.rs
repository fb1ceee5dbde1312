//! Bodies and queries as JSON values, before any schema looks at them.

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::error::AuthError;

/// The media types that a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded` too.
    JsonOrForm,
}

/// The value in a body. No body at all is an empty object; whether a value is one is for the schema to say. A body that
/// was announced as JSON and turns out empty is none.
///
/// # Errors
/// [`AuthError::UNSUPPORTED_MEDIA_TYPE`], [`AuthError::BAD_REQUEST`] if it is no JSON.
pub fn parse_body(content_type: Option<&str>, body: Option<&[u8]>, takes: Takes) -> Result<Value, AuthError> {
    let Some(body) = body else { return Ok(Value::Object(Map::new())) };
    let media_type = content_type.and_then(|field| field.split(';').next()).unwrap_or_default();
    match media_type.trim().to_ascii_lowercase().as_str() {
        "application/json" => serde_json::from_slice(body).or(Err(AuthError::BAD_REQUEST)),
        "application/x-www-form-urlencoded" if takes == Takes::JsonOrForm => Ok(parse_pairs(body)),
        _ => Err(AuthError::UNSUPPORTED_MEDIA_TYPE),
    }
}

/// The texts in a query, without its question mark. Of several with one name the last counts.
pub fn parse_query(query: &str) -> Value {
    parse_pairs(query.as_bytes())
}

fn parse_pairs(encoded: &[u8]) -> Value {
    let pairs = form_urlencoded::parse(encoded);
    pairs.map(|(name, value)| (name.into_owned(), Value::from(value))).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const JSON: Option<&str> = Some("application/json");
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    fn parse(content_type: Option<&str>, body: &str, takes: Takes) -> Result<Value, AuthError> {
        parse_body(content_type, Some(body.as_bytes()), takes)
    }

    #[test]
    fn json_is_taken_with_any_parameters() {
        for content_type in ["application/json", "Application/JSON; charset=utf-8", " application/json ;a=b"]
        {
            assert_eq!(parse(Some(content_type), r#"{"a":1}"#, Takes::Json), Ok(json!({ "a": 1 })));
        }
        assert_eq!(parse(JSON, "[1]", Takes::Json), Ok(json!([1])));
    }

    #[test]
    fn other_media_types_are_not() {
        for content_type in [None, Some(""), Some("text/plain"), Some("application/jsonp"), FORM] {
            let outcome = parse(content_type, r#"{"a":1}"#, Takes::Json);
            assert_eq!(outcome, Err(AuthError::UNSUPPORTED_MEDIA_TYPE), "{content_type:?}");
        }
    }

    #[test]
    fn broken_json_is_a_bad_request() {
        for body in ["", "{", "{'a':1}", " ", "{}{}", "\u{feff}{}"] {
            assert_eq!(parse(JSON, body, Takes::Json), Err(AuthError::BAD_REQUEST), "{body:?}");
        }
        assert_eq!(parse_body(JSON, Some(b"{\"a\":\"\xff\"}"), Takes::Json), Err(AuthError::BAD_REQUEST));
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(parse(JSON, &deep, Takes::Json), Err(AuthError::BAD_REQUEST));
    }

    #[test]
    fn a_form_has_texts() {
        let form = parse(FORM, "email=a%40b.co&password=one+two&rememberMe=true", Takes::JsonOrForm);
        assert_eq!(form, Ok(json!({ "email": "a@b.co", "password": "one two", "rememberMe": "true" })));
        assert_eq!(parse(JSON, "{}", Takes::JsonOrForm), Ok(json!({})));
    }

    #[test]
    fn no_body_is_an_empty_object() {
        for content_type in [None, JSON, Some("text/plain")] {
            assert_eq!(parse_body(content_type, None, Takes::Json), Ok(json!({})));
        }
        assert_eq!(parse_query(""), json!({}));
        assert_eq!(parse_query("a=1&a=2&b"), json!({ "a": "2", "b": "" }));
    }
}
