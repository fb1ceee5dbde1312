//! The body of a compile request, checked.

use std::collections::HashMap;

use compiler::Configuration;
use durable::artifact::wire::Recipe;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::body::parse_json;
use crate::error::ApiError;

/// What a compile request asks for.
#[derive(Debug)]
pub struct CompileRequest {
    /// What to compile.
    pub configuration: Configuration,
    /// The same as it was written, with the texts that came along.
    pub recipe: Recipe,
    /// Whether the answer tells how long it took.
    pub benchmark: bool,
    /// What a browser got from Turnstile.
    pub turnstile_token: Option<String>,
}

/// Unknown keys are ignored here, as existing clients send some that concern other endpoints; inside of
/// the configuration they are refused.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    configuration: Value,
    #[serde(default)]
    pre_fetched_content: HashMap<String, String>,
    #[serde(default)]
    benchmark: bool,
    #[serde(default)]
    report: bool,
    #[serde(default, deserialize_with = "given")]
    turnstile_token: Option<String>,
    /// The tier decides; checked all the same.
    #[serde(default, rename = "priority")]
    _priority: Priority,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Priority {
    #[default]
    Standard,
    High,
    Low,
    Normal,
}

fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl CompileRequest {
    /// # Errors
    /// [`ApiError::NotJson`], or [`ApiError::Invalid`] with `/path: message` for every issue found.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        Self::of(parse_json(bytes)?, "")
    }

    /// One of several requests, which lies at `path`.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], as [`CompileRequest::parse`].
    pub fn from_json(request: Value, path: &str) -> Result<Self, ApiError> {
        let body = serde_path_to_error::deserialize(request)
            .map_err(|error| ApiError::Invalid { issues: format!("{path}: {error}") })?;
        Self::of(body, path)
    }

    fn of(body: Body, path: &str) -> Result<Self, ApiError> {
        let configuration = Configuration::from_json(&body.configuration).map_err(|issues| {
            let shown = issues.iter().map(|issue| format!("{path}/configuration{issue}"));
            ApiError::Invalid { issues: shown.collect::<Vec<_>>().join(", ") }
        })?;
        let Body { configuration: json, pre_fetched_content: texts, benchmark, report, .. } = body;
        let recipe = Recipe { configuration: json, texts, report };
        Ok(Self { configuration, recipe, benchmark, turnstile_token: body.turnstile_token })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issues(body: &Value) -> String {
        match CompileRequest::parse(body.to_string().as_bytes()) {
            Err(ApiError::Invalid { issues }) => issues,
            other => panic!("{body}: {other:?}"),
        }
    }

    fn minimal() -> Value {
        json!({ "configuration": { "name": "N", "sources": [{ "source": "https://example.org/a" }] } })
    }

    fn with(pointer: &str, key: &str, value: Value) -> Value {
        let mut body = minimal();
        body.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
        body
    }

    #[test]
    fn every_key_of_both_generations_is_known() {
        let body = json!({
            "configuration": {
                "name": "N", "description": "D", "homepage": "https://h.example/", "license": "L", "version": "1.0",
                "sources": [{
                    "source": "mine", "name": "S", "type": "hosts", "transformations": ["TrimLines"],
                    "exclusions": ["a"], "exclusions_sources": [], "inclusions": ["b"], "inclusions_sources": [],
                    "useBrowser": true,
                }],
                "transformations": ["Compress"], "exclusions": [], "exclusions_sources": [],
                "inclusions": [], "inclusions_sources": [], "extensions": { "anything": [1] },
            },
            "preFetchedContent": { "mine": "||a.example^" }, "benchmark": true, "report": true, "priority": "normal",
            "turnstileToken": "t",
        });
        let request = CompileRequest::parse(body.to_string().as_bytes()).unwrap();
        assert!(request.benchmark && request.recipe.report);
        assert_eq!(request.recipe.texts["mine"], "||a.example^");
        assert_eq!(request.recipe.configuration, body["configuration"]);
    }

    #[test]
    fn what_is_no_json_is_said_to_be_none() {
        for body in ["", "{", "nothing", "{}{}", "{\"configuration\":", "\u{feff}{}"] {
            assert!(
                matches!(
                    CompileRequest::parse(body.as_bytes()),
                    Err(ApiError::NotJson | ApiError::Invalid { .. })
                ),
                "{body}"
            );
        }
        assert!(matches!(CompileRequest::parse(b""), Err(ApiError::NotJson)));
        assert!(matches!(CompileRequest::parse(b"{\"configuration\":\xff}"), Err(ApiError::NotJson)));
        let deep = "[".repeat(100_000);
        assert!(CompileRequest::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn the_wrong_shape_is_named_with_its_place() {
        assert_eq!(issues(&json!({})), "/: missing field `configuration`");
        assert_eq!(
            issues(&with("/configuration", "name", json!(5))),
            "/configuration/name: must be a string, is a number"
        );
        assert_eq!(issues(&json!({ "configuration": null })), "/configuration: must be an object, is null");
        assert!(issues(&with("", "priority", json!("urgent"))).starts_with("/priority: unknown variant"));
        assert!(
            issues(&with("", "preFetchedContent", json!({ "a": 1 }))).starts_with("/preFetchedContent/a: ")
        );
    }

    #[test]
    fn a_configuration_that_does_not_hold_together_is_named_too() {
        let empty = issues(&with("/configuration", "sources", json!([])));
        assert!(empty.starts_with("/configuration/sources: "), "{empty}");
        let unknown = issues(&with("/configuration", "transformations", json!(["Nothing"])));
        assert!(unknown.starts_with("/configuration/transformations/0: "), "{unknown}");
    }
}
