//! Reads a configuration as it is written everywhere: as JSON.
//!
//! Written by hand, because whoever fills in a form wants to hear of everything that is wrong with it at once;
//! a derived reader stops at the first.

use serde_json::{Map, Value};

use super::{
    Configuration, ConfigurationDraft, ConfigurationIssue, IssueCode, Issues, LevelDraft, SourceDraft,
};

const LEVEL_KEYS: [&str; 5] =
    ["transformations", "exclusions", "exclusions_sources", "inclusions", "inclusions_sources"];
/// `extensions` is for other tools and ignored.
const LIST_KEYS: [&str; 7] =
    ["name", "description", "homepage", "license", "version", "sources", "extensions"];
/// `useBrowser` asks to fetch with a browser and is ignored.
const SOURCE_KEYS: [&str; 4] = ["source", "name", "type", "useBrowser"];

impl Configuration {
    /// Reads and checks a configuration. Unknown keys are refused, and `null` is not absence.
    ///
    /// # Errors
    ///
    /// The issues found, at most 100: those of the shape, then those of [`Configuration::validate`] with
    /// whatever has the right shape.
    pub fn from_json(value: &Value) -> Result<Configuration, Vec<ConfigurationIssue>> {
        let mut issues = Issues::default();
        let draft = issues.read_list(value);
        match (Configuration::validate(draft), issues.found) {
            (checked, of_shape) if of_shape.is_empty() => checked,
            (checked, of_shape) => {
                let mut issues = Issues { found: of_shape };
                // What stands in for a value of the wrong shape is not to be found fault with again.
                let shapes: Vec<String> = issues.found.iter().map(|issue| issue.path.clone()).collect();
                let more = checked.err().unwrap_or_default().into_iter();
                let is_new = |issue: &ConfigurationIssue| {
                    let within = |path: &String| issue.path.strip_prefix(path.as_str());
                    !shapes.iter().filter_map(within).any(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                for issue in more.filter(is_new) {
                    issues.add(issue.code, issue.path, issue.message);
                }
                Err(issues.found)
            }
        }
    }
}

impl Issues {
    fn read_list(&mut self, value: &Value) -> ConfigurationDraft {
        let Some(object) = self.object("", value) else { return ConfigurationDraft::default() };
        self.check_keys("", object, &LIST_KEYS);
        let name = self.required("", object, "name");
        let description = self.text("", object, "description");
        let homepage = self.text("", object, "homepage");
        let license = self.text("", object, "license");
        let version = self.text("", object, "version");
        let sources = match object.get("sources") {
            None => {
                self.add(IssueCode::InvalidType, "/sources", "is missing");
                Vec::new()
            }
            Some(Value::Array(sources)) => {
                sources.iter().enumerate().map(|(n, source)| self.read_source(n, source)).collect()
            }
            Some(other) => {
                self.mistyped("/sources", "an array", other);
                Vec::new()
            }
        };
        if let Some(extensions) = object.get("extensions") {
            self.object("/extensions", extensions);
        }
        let level = self.read_level("", object);
        ConfigurationDraft { name, description, homepage, license, version, sources, level }
    }

    fn read_source(&mut self, n: usize, value: &Value) -> SourceDraft {
        let path = format!("/sources/{n}");
        let Some(object) = self.object(&path, value) else { return SourceDraft::default() };
        self.check_keys(&path, object, &SOURCE_KEYS);
        if let Some(other) = object.get("useBrowser").filter(|value| !value.is_boolean()) {
            self.mistyped(&format!("{path}/useBrowser"), "a boolean", other);
        }
        SourceDraft {
            source: self.required(&path, object, "source"),
            name: self.text(&path, object, "name"),
            source_type: self.text(&path, object, "type"),
            level: self.read_level(&path, object),
        }
    }

    fn read_level(&mut self, path: &str, object: &Map<String, Value>) -> LevelDraft {
        let [transformations, exclusions, exclusions_sources, inclusions, inclusions_sources] =
            LEVEL_KEYS.map(|key| self.texts(&format!("{path}/{key}"), object.get(key)));
        LevelDraft { transformations, exclusions, exclusions_sources, inclusions, inclusions_sources }
    }

    fn check_keys(&mut self, path: &str, object: &Map<String, Value>, own: &[&str]) {
        for key in object.keys().filter(|key| !own.iter().chain(&LEVEL_KEYS).any(|known| known == key)) {
            // RFC 6901 gives these two characters another spelling within a pointer.
            let pointer = key.replace('~', "~0").replace('/', "~1");
            let known = [own, &LEVEL_KEYS].concat().join(", ");
            let message = format_args!("is not a known key; known are {known}");
            self.add(IssueCode::UnrecognizedKey, format_args!("{path}/{pointer}"), message);
        }
    }

    fn object<'a>(&mut self, path: &str, value: &'a Value) -> Option<&'a Map<String, Value>> {
        if value.as_object().is_none() {
            self.mistyped(path, "an object", value);
        }
        value.as_object()
    }

    fn required(&mut self, path: &str, object: &Map<String, Value>, key: &str) -> String {
        if !object.contains_key(key) {
            self.add(IssueCode::InvalidType, format_args!("{path}/{key}"), "is missing");
        }
        self.text(path, object, key).unwrap_or_default()
    }

    fn text(&mut self, path: &str, object: &Map<String, Value>, key: &str) -> Option<String> {
        let value = object.get(key)?;
        if !value.is_string() {
            self.mistyped(&format!("{path}/{key}"), "a string", value);
        }
        value.as_str().map(str::to_owned)
    }

    fn texts(&mut self, path: &str, value: Option<&Value>) -> Vec<String> {
        let Some(value) = value else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.mistyped(path, "an array", value);
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(items.len());
        for (n, item) in items.iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text.clone()),
                other => {
                    self.mistyped(&format!("{path}/{n}"), "a string", other);
                    // Holds the place, so that those behind it keep their numbers.
                    texts.push(String::new());
                }
            }
        }
        texts
    }

    fn mistyped(&mut self, path: &str, expected: &str, found: &Value) {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.add(IssueCode::InvalidType, path, format_args!("must be {expected}, is {found}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &Value, expected: &[&str]) {
        let issues = Configuration::from_json(value).err().unwrap_or_default();
        let shown: Vec<String> = issues.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected, "{value}");
    }

    #[test]
    fn every_key_is_known() {
        let whole = json!({
            "name": "N", "description": "D", "homepage": "https://h.example/", "license": "L", "version": "1.0",
            "sources": [{
                "source": "mine", "name": "S", "type": "hosts", "transformations": ["TrimLines"],
                "exclusions": ["a"], "exclusions_sources": ["x"], "inclusions": ["b"],
                "inclusions_sources": ["y"], "useBrowser": true,
            }],
            "transformations": ["Compress"], "exclusions": ["c"], "exclusions_sources": ["z"],
            "inclusions": ["d"], "inclusions_sources": ["u"], "extensions": { "anything": [1] },
        });
        let configuration = Configuration::from_json(&whole).unwrap();
        assert_eq!(
            (configuration.name(), configuration.homepage.as_deref()),
            ("N", Some("https://h.example/"))
        );
        let source = &configuration.sources()[0];
        assert_eq!((source.source(), source.name()), ("mine", Some("S")));
        assert_eq!(source.level.exclusions_sources, ["x"]);
        assert_eq!(configuration.level.inclusions_sources, ["u"]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        check(&json!({}), &["/name: is missing", "/sources: is missing"]);
        check(&json!([]), &[": must be an object, is an array"]);
        check(
            &json!({ "name": 5, "version": null, "sources": [{ "source": [] }, 7, { "name": "" }], "exclusions": null }),
            &[
                "/name: must be a string, is a number",
                "/version: must be a string, is null",
                "/sources/0/source: must be a string, is an array",
                "/sources/1: must be an object, is a number",
                "/sources/2/source: is missing",
                "/exclusions: must be an array, is null",
                "/sources/2/name: must not be empty",
            ],
        );
        check(
            &json!({ "name": "N", "sources": [], "transformations": [1, "Nothing"] }),
            &[
                "/transformations/0: must be a string, is a number",
                "/sources: must have at least 1 source",
                "/transformations/1: unknown transformation \"Nothing\"",
            ],
        );
    }

    #[test]
    fn unknown_keys_are_named() {
        let with = |key: &str| json!({ "name": "N", "sources": [{ "source": "a", key: 1 }] });
        let issues = Configuration::from_json(&with("so/rc~e")).unwrap_err();
        assert_eq!((issues.len(), issues[0].path.as_str()), (1, "/sources/0/so~1rc~0e"));
        assert_eq!(issues[0].code, IssueCode::UnrecognizedKey);
        assert!(issues[0].message.contains("known are source, name, type, useBrowser, transformations"));
        // The keys of one place are not those of another.
        assert!(Configuration::from_json(&with("version")).is_err());
    }

    #[test]
    fn issues_are_bounded() {
        let sources = vec![json!({}); 1_000];
        assert_eq!(Configuration::from_json(&json!({ "sources": sources })).unwrap_err().len(), 100);
    }
}
