//! `/configuration`: what a configuration may be, whether one is good, and handing it over as a file.

pub mod saved;
mod yaml;

use compiler::{Configuration, ConfigurationIssue, MAX_NAME_CHARS, MAX_PATTERNS, MAX_SOURCES};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::yaml::to_yaml;
use crate::admission::Admitted;
use crate::app::App;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Reply};
use crate::store::configurations::{load_created, save_created};
use crate::turnstile;

/// The longest rule that clients should send. The compiler itself has no bound.
const MAX_RULE_LENGTH: u32 = 10_000;
/// How long a created configuration can be downloaded, in seconds: one day.
const KEEP_SECONDS: u64 = 24 * 60 * 60;
/// The largest configuration that is kept, in bytes of JSON. Anybody may create some, and D1 keeps them for a day.
const MAX_CREATED_BYTES: u64 = 256 * 1024;

/// `GET /configuration/defaults`: bounds and defaults, for forms.
pub async fn show_defaults(_: App, _: Admitted) -> ApiResult {
    let defaults = json!({
        "success": true,
        "defaults": {
            "compilation": {
                "DEFAULT_SOURCE_TYPE": "adblock",
                "MAX_CONCURRENT_DOWNLOADS": 10,
                "STREAM_CHUNK_SIZE": 1000,
            },
            "validation": {
                "MAX_RULE_LENGTH": MAX_RULE_LENGTH,
                "MAX_NAME_LENGTH": MAX_NAME_CHARS,
                "MAX_SOURCES": MAX_SOURCES,
                "MAX_EXCLUSIONS": MAX_PATTERNS,
            },
        },
        "limits": { "maxSources": MAX_SOURCES, "maxExclusions": MAX_PATTERNS },
        "supportedSourceTypes": ["adblock", "hosts"],
    });
    Ok(Reply::json(&defaults)?.with_header("Cache-Control", "public, max-age=300, stale-while-revalidate=60"))
}

/// What these routes are sent. Members that are of no use to one of them are ignored by it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Sent {
    config: Option<Value>,
    r#override: Option<Value>,
    /// There is nothing in a Worker's environment that could override a configuration; checked all the same.
    #[serde(default, rename = "applyEnvOverrides")]
    _apply_env_overrides: Option<bool>,
    format: Option<Format>,
    turnstile_token: Option<String>,
}

/// How a configuration is written.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Yaml,
}

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Json, Self::Yaml].into_iter().find(|format| format.name() == name)
    }
}

/// Reads what was sent; the configuration in it is an object, whatever else it may be.
async fn read(app: &App, admitted: &Admitted) -> Result<(Value, Sent), ApiError> {
    let mut sent: Sent = body::read_json(&admitted.request, app.config.max_body_bytes).await?;
    let issue = |text: &str| Err(ApiError::Invalid { issues: text.to_owned() });
    match sent.config.take() {
        Some(config @ Value::Object(_)) => {
            turnstile::check_or_recent(
                app,
                &admitted.request,
                &admitted.caller,
                sent.turnstile_token.as_deref(),
            )
            .await?;
            Ok((config, sent))
        }
        Some(_) => issue("/config: must be an object"),
        None => issue("/config: Request body must contain a \"config\" field"),
    }
}

/// `POST /configuration/validate`: everything that is wrong with a configuration, and what is unwise.
///
/// Fails: 400 no JSON, or no configuration in it; 403 no good Turnstile token while Turnstile is on.
pub async fn validate_configuration(app: App, admitted: Admitted) -> ApiResult {
    let (config, _) = read(&app, &admitted).await?;
    match Configuration::from_json(&config) {
        Ok(_) => Reply::json(&json!({ "success": true, "valid": true, "warnings": warnings(&config) })),
        Err(issues) => Reply::json(&refused(&issues)),
    }
}

/// `POST /configuration/resolve`: a configuration with another one laid over it, checked.
///
/// Fails: 400 no JSON, no configuration in it, or one that is not good once both are merged; 403 as above.
pub async fn resolve_configuration(app: App, admitted: Admitted) -> ApiResult {
    let (mut config, sent) = read(&app, &admitted).await?;
    match sent.r#override {
        None => {}
        Some(Value::Object(layer)) => merge(&mut config, layer),
        Some(_) => return Err(ApiError::Invalid { issues: "/override: must be an object".to_owned() }),
    }
    cut_off(&mut config, "sources", MAX_SOURCES);
    cut_off(&mut config, "exclusions", MAX_PATTERNS);
    match Configuration::from_json(&config) {
        Ok(_) => Reply::json(&json!({ "success": true, "config": config })),
        Err(issues) => Err(ApiError::ConfigurationInvalid { errors: shown(&issues) }),
    }
}

/// `POST /configuration/create`: keeps a configuration for a day, to be downloaded.
///
/// Fails: 400 and 403 as above; 413 more than 256 KiB; 503 D1 can't be asked.
pub async fn create_configuration(app: App, admitted: Admitted) -> ApiResult {
    let (config, sent) = read(&app, &admitted).await?;
    if let Err(issues) = Configuration::from_json(&config) {
        return Reply::json(&refused(&issues));
    }
    let text = config.to_string();
    if text.len() as u64 > MAX_CREATED_BYTES {
        return Err(ApiError::BodyTooLarge { size: text.len() as u64, limit: MAX_CREATED_BYTES });
    }
    let format = sent.format.unwrap_or(Format::Json).name();
    let id = Uuid::new_v4().to_string();
    let expires_at = limits::UnixMillis(app.now.0 + KEEP_SECONDS * 1000);
    save_created(&app.d1()?, &id, &text, format, app.now, expires_at)
        .await
        .map_err(|error| ApiError::unavailable("The database", error))?;
    Reply::json(&json!({ "success": true, "id": id, "format": format, "expiresIn": KEEP_SECONDS }))
}

/// `GET /configuration/download/{id}`: a created configuration as a file; `?format=` in the other format.
///
/// Fails: 400 no UUID, or an unknown format; 404 not there or over; 503 D1 can't be asked.
pub async fn download_configuration(app: App, admitted: Admitted) -> ApiResult {
    let unusable = |code, detail: &str| Err(ApiError::Unusable { code, detail: detail.to_owned() });
    let Ok(id) = Uuid::try_parse(&admitted.item) else {
        return unusable("invalid_id", "The id of a configuration must be a UUID");
    };
    let url = admitted.request.url()?;
    let asked = url.query_pairs().find(|(name, _)| name == "format").map(|(_, value)| value);
    let asked = match asked.as_deref().map(Format::from_name) {
        Some(None) => return unusable("invalid_format", "The format must be json or yaml"),
        Some(Some(format)) => Some(format),
        None => None,
    };
    let created = load_created(&app.d1()?, &id.to_string(), app.now)
        .await
        .map_err(|error| ApiError::unavailable("The database", error))?
        .ok_or(ApiError::Missing { detail: "Configuration not found or expired" })?;
    let format = asked.or(Format::from_name(&created.format)).unwrap_or(Format::Json);
    let (media_type, text) = match format {
        Format::Json => ("application/json", indented(&created.configuration)?),
        Format::Yaml => ("application/x-yaml", to_yaml(&created.configuration)),
    };
    let name = format!("attachment; filename=\"config-{id}.{}\"", format.name());
    Ok(Reply { status: 200, headers: Vec::new(), cookies: Vec::new(), body: Body::Text { media_type, text } }
        .with_header("Content-Disposition", name)
        .with_header("Cache-Control", "private, no-cache"))
}

/// Indented by four blanks, as files of this kind are.
fn indented(value: &Value) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    let written = serde::Serialize::serialize(value, &mut serializer);
    written.map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    String::from_utf8(bytes).map_err(|error| ApiError::Internal { cause: error.to_string() })
}

/// Objects are merged member by member; everything else of the later layer replaces what was there. The nesting
/// is that of JSON, which its parser has bounded.
fn merge(base: &mut Value, layer: Map<String, Value>) {
    let Value::Object(members) = base else {
        *base = Value::Object(layer);
        return;
    };
    for (key, value) in layer {
        match (members.get_mut(&key), value) {
            (Some(below @ Value::Object(_)), Value::Object(above)) => merge(below, above),
            (_, value) => drop(members.insert(key, value)),
        }
    }
}

fn cut_off(config: &mut Value, key: &str, most: usize) {
    if let Some(Value::Array(items)) = config.get_mut(key) {
        items.truncate(most);
    }
}

fn refused(issues: &[ConfigurationIssue]) -> Value {
    json!({ "success": true, "valid": false, "errors": shown(issues) })
}

/// As forms take them: with the path in dots.
fn shown(issues: &[ConfigurationIssue]) -> Vec<Value> {
    let one = |issue: &ConfigurationIssue| {
        let path = issue.path.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~");
        json!({ "path": path, "message": issue.message, "code": issue.code.name() })
    };
    issues.iter().map(one).collect()
}

/// What a good configuration could do better. The reference takes it as it is.
fn warnings(config: &Value) -> Vec<Value> {
    let level = |path: String, level: &Value| {
        let names: Vec<&str> =
            level["transformations"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let place = |wanted: &str| names.iter().position(|name| *name == wanted);
        let compress = place("Compress")?;
        let is_unwise = place("Deduplicate").is_none_or(|deduplicate| compress < deduplicate);
        is_unwise.then(|| {
            json!({
                "path": path,
                "message": "Deduplicate transformation is recommended before Compress. \
                            Add Deduplicate before Compress in transformations.",
                "code": "custom",
            })
        })
    };
    let sources = config["sources"].as_array().into_iter().flatten().enumerate();
    let of_sources = sources.filter_map(|(n, source)| level(format!("sources.{n}.transformations"), source));
    level("transformations".to_owned(), config).into_iter().chain(of_sources).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(mut base: Value, layer: Value) -> Value {
        let Value::Object(layer) = layer else { panic!("no object: {layer}") };
        merge(&mut base, layer);
        base
    }

    #[test]
    fn objects_are_merged_and_all_else_is_replaced() {
        assert_eq!(
            merged(
                json!({ "name": "a", "sources": [1, 2], "extensions": { "x": { "y": 1, "z": 2 } } }),
                json!({ "name": "b", "sources": [3], "extensions": { "x": { "z": 3 }, "w": null } }),
            ),
            json!({ "name": "b", "sources": [3], "extensions": { "x": { "y": 1, "z": 3 }, "w": null } })
        );
        assert_eq!(merged(json!({ "a": 1 }), json!({ "a": { "b": 2 } })), json!({ "a": { "b": 2 } }));
    }

    #[test]
    fn compress_without_an_earlier_deduplicate_is_unwise() {
        let paths = |config: Value| -> Vec<String> {
            warnings(&config).iter().map(|warning| warning["path"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(paths(json!({ "transformations": ["Deduplicate", "Compress"] })), [""; 0]);
        assert_eq!(paths(json!({ "transformations": ["Compress", "Deduplicate"] })), ["transformations"]);
        assert_eq!(
            paths(json!({ "sources": [{}, { "transformations": ["Compress"] }] })),
            ["sources.1.transformations"]
        );
    }

    #[test]
    fn paths_are_dotted() {
        let issues =
            Configuration::from_json(&json!({ "name": "N", "sources": [{ "so/rce": "a" }] })).unwrap_err();
        let shown = shown(&issues);
        assert_eq!(
            (&shown[0]["path"], &shown[0]["code"]),
            (&json!("sources.0.so/rce"), &json!("unrecognized_keys"))
        );
        assert_eq!(
            (&shown[1]["path"], &shown[1]["code"]),
            (&json!("sources.0.source"), &json!("invalid_type"))
        );
    }
}
