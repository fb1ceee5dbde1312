//! What the service is and how its browser pages are to be set up.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::admission::Admitted;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Reply};
use crate::store::d1;

/// What there is for clients, and what it does.
const ENDPOINTS: [(&str, &str); 51] = [
    ("GET /api", "This overview"),
    ("GET /api/version", "Version and latest deployment"),
    ("GET /api/health", "State of every part of the service"),
    ("GET /api/health/db-smoke", "One real query to each database"),
    ("GET /api/turnstile-config", "Turnstile settings for browsers"),
    ("GET /api/clerk-config", "Clerk settings for browsers"),
    ("GET /api/sentry-config", "Sentry settings for browsers"),
    ("GET /api/auth/providers", "The ways to sign in"),
    ("GET /api/auth/session", "Your own session"),
    ("GET /api/rate-limit", "Your own limits, free of charge"),
    ("POST /api/compile", "Compile filter lists into one"),
    ("POST /api/compile/batch", "Compile several lists"),
    ("POST /api/compile/stream", "Compile, told while it happens"),
    ("GET /api/ws/compile", "Compile over a WebSocket"),
    ("POST /api/compile/async", "Compile later"),
    ("POST /api/compile/batch/async", "Compile several lists later"),
    ("GET /api/queue/results/{requestId}", "What came of it"),
    ("GET /api/queue/events/{requestId}", "What happens to it, as events or over a WebSocket"),
    ("DELETE /api/queue/cancel/{requestId}", "Do not compile it after all"),
    ("GET /api/queue/stats", "How your jobs stand"),
    ("GET /api/queue/history", "Your last jobs"),
    ("POST /api/notify", "Tell whoever runs the service, by webhook, Sentry or Datadog"),
    ("GET /api/metrics", "What happened in the last half hour"),
    ("GET /api/health/latest", "State of every part when the schedule last looked"),
    ("GET /api/proxy/fetch", "A public text for pages that may not fetch it themselves"),
    ("POST /api/validate", "Find the lines of a list that are no rules"),
    ("POST /api/validate-rule", "Look at one rule, and whether it matches an address"),
    ("POST /api/ast/parse", "Parse rules to syntax trees"),
    ("POST /api/ast/walk", "List the nodes of a list's syntax tree"),
    ("POST /api/convert-rule", "Convert a rule for another ad blocker"),
    ("POST /api/diff", "Compare two lists"),
    ("GET /api/configuration/defaults", "Defaults and bounds of configurations"),
    ("POST /api/configuration/validate", "Find everything that is wrong with a configuration"),
    ("POST /api/configuration/resolve", "Lay one configuration over another"),
    ("POST /api/configuration/create", "Keep a configuration for a day"),
    ("GET /api/configuration/download/{id}", "Get it as a file"),
    ("GET /api/configuration/saved", "Your configurations"),
    ("POST /api/configuration/saved", "Save a configuration"),
    ("GET /api/configuration/saved/{id}", "One saved configuration"),
    ("DELETE /api/configuration/saved/{id}", "Delete a saved configuration"),
    ("GET /api/rules", "Your rule sets"),
    ("POST /api/rules", "Save a rule set"),
    ("GET /api/rules/{id}", "One rule set"),
    ("PUT /api/rules/{id}", "Change a rule set"),
    ("DELETE /api/rules/{id}", "Delete a rule set"),
    ("GET /api/openapi.json", "This and everything else as an OpenAPI document"),
    ("GET /api/schemas", "JSON Schemas of requests and answers"),
    ("GET /api/keys", "Your API keys"),
    ("POST /api/keys", "Make an API key; its text is shown once"),
    ("PATCH /api/keys/{id}", "Give an API key another name or other scopes"),
    ("DELETE /api/keys/{id}", "Revoke an API key"),
];

/// `GET /api/openapi.json`: everything that can be asked, for programs.
pub async fn show_openapi(_app: App, _admitted: Admitted) -> ApiResult {
    let text = include_str!("../../docs/openapi.json").to_owned();
    let body = Body::Json { media_type: "application/json", text };
    Ok(Reply { body, ..Reply::empty(200) }.with_header("Cache-Control", "public, max-age=300"))
}

/// `GET /api`: what can be asked. A browser is led to the documentation instead, unless it says
/// `?format=json`.
pub async fn show_index(app: App, admitted: Admitted) -> ApiResult {
    let accept = admitted.request.header("Accept")?.unwrap_or_default();
    let wants_json =
        admitted.request.url()?.query_pairs().any(|(name, value)| name == "format" && value == "json");
    if accept.contains("text/html") && !wants_json {
        return Ok(Reply::empty(302).with_header("Location", "/api-docs"));
    }
    let endpoints: Map<String, Value> =
        ENDPOINTS.iter().map(|(path, does)| ((*path).to_owned(), (*does).into())).collect();
    Reply::json(&json!({
        "name": "Hostlist Compiler Worker",
        "version": app.config.version,
        "endpoints": endpoints,
        "example": {
            "method": "POST",
            "url": "/api/compile",
            "body": {
                "configuration": {
                    "name": "My list",
                    "sources": [{ "source": "my-rules" }],
                    "transformations": ["RemoveComments", "Deduplicate"],
                },
                "preFetchedContent": { "my-rules": "||example.org^\n||example.org^" },
            },
        },
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    success: bool,
    version: String,
    #[serde(flatten)]
    deployment: Option<d1::Deployment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// `GET /api/version`. 503 if D1 can't be asked; the configured version is told even then.
pub async fn show_version(app: App, _admitted: Admitted) -> ApiResult {
    let configured = app.config.version.clone();
    let latest = match app.d1() {
        Ok(database) => d1::load_latest_deployment(&database).await,
        Err(error) => Err(error),
    };
    let deployment = latest.map_err(|error| ApiError::Unavailable {
        what: "The deployment history",
        cause: error.to_string(),
        extra: [("version".to_owned(), configured.clone().into())].into_iter().collect(),
    })?;
    let version = Version {
        success: true,
        version: deployment.as_ref().map_or(configured, |deployment| deployment.version.clone()),
        message: deployment.is_none().then_some("No deployment history available"),
        deployment,
    };
    Ok(Reply::json(&version)?.with_header("Cache-Control", "public, max-age=60"))
}

/// `GET /api/turnstile-config`.
pub async fn show_turnstile_config(app: App, _admitted: Admitted) -> ApiResult {
    let config =
        json!({ "siteKey": app.config.turnstile_site_key, "enabled": app.config.turnstile.is_some() });
    Ok(Reply::json(&config)?.with_header("Cache-Control", "public, max-age=3600"))
}

/// `GET /api/clerk-config`. There even while Clerk is off: pages wait for it when they start.
pub async fn show_clerk_config(app: App, _admitted: Admitted) -> ApiResult {
    let config = json!({ "publishableKey": app.config.clerk_publishable_key });
    Ok(Reply::json(&config)?.with_header("Cache-Control", "public, max-age=3600"))
}

/// `GET /api/sentry-config`.
pub async fn show_sentry_config(app: App, _admitted: Admitted) -> ApiResult {
    let config = json!({
        "dsn": app.config.sentry_dsn,
        "release": app.config.sentry_release,
        "environment": app.config.environment,
    });
    Ok(Reply::json(&config)?.with_header("Cache-Control", "public, max-age=300"))
}
