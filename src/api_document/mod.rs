//! The document of the API, OpenAPI 3.1: `docs/openapi.json`. It is made of the route table and of what the rooms here
//! say of every operation, by a test, so that nothing of it is in the Worker but the text.
//!
//! `UPDATE_API_DOCUMENT=1 cargo test api_document` writes it anew.

mod auth;
mod operations;
mod schema;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use limits::Demand;
use serde_json::{Map, Value, json};

use crate::admission::Policy;
use crate::router::{Route, routes};
use operations::Operation;

/// The item in a path, as the table writes it.
const ITEM: &str = "{}";

fn document() -> Value {
    let described = operations::all();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in routes() {
        let operation = described.iter().find(|operation| operation.is_of(route));
        let operation =
            operation.unwrap_or_else(|| panic!("{} {} is not described", route.method(), route.path()));
        let path = format!("/api{}", operation.path.trim_end_matches('/'));
        let members = paths.entry(path).or_default();
        members.insert(operation.method.to_owned(), of_route(route, operation));
    }
    for operation in auth::all() {
        let members = paths.entry(format!("/api/auth{}", operation.path)).or_default();
        let failures = [400, 401, 403, 404, 422, 429, 500, 503];
        members.insert(operation.method.to_owned(), shown(&operation, "Signing in", "AuthError", failures));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bloqr",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Compiles ad-block filter lists for many tenants, with limits that are exact. Business paths \
                            answer without the leading /api, too.",
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "bearer": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": shapes::all(),
            "responses": {
                "Problem": {
                    "description": "Refused or failed, RFC 9457",
                    "content": { "application/problem+json": { "schema": schema::shape("Problem") } },
                },
                "AuthError": {
                    "description": "Refused or failed, in the words of Better Auth",
                    "content": { "application/json": { "schema": schema::shape("AuthError") } },
                },
            },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "An API key, a session's token, or a token of Clerk's" },
                "session": { "type": "apiKey", "in": "cookie", "name": "better-auth.session_token" },
                "adminKey": { "type": "apiKey", "in": "header", "name": "X-Admin-Key" },
            },
        },
    })
}

/// What is said of an operation, and what its row in the table says besides.
fn of_route(route: &Route, operation: &Operation) -> Value {
    let mut statuses = BTreeSet::from([400, 403, 500]);
    statuses.extend(&operation.fails);
    if route.policy != Policy::Exempt {
        statuses.extend([429, 503]);
    }
    if operation.body.is_some() {
        statuses.insert(413);
    }
    let security = match route.demand {
        Demand::Public => json!([{}]),
        Demand::Anybody | Demand::Anyone(_) => {
            statuses.insert(401);
            json!([{}, { "bearer": [] }, { "session": [] }])
        }
        Demand::Account(_) | Demand::Person => {
            statuses.insert(401);
            json!([{ "bearer": [] }, { "session": [] }])
        }
        Demand::Admin => {
            statuses.insert(401);
            json!([{ "adminKey": [] }, { "bearer": [] }, { "session": [] }])
        }
    };
    let mut shown = shown(operation, tag(&operation.path), "Problem", statuses);
    shown["security"] = security;
    shown
}

fn shown(operation: &Operation, tag: &str, failure: &str, statuses: impl IntoIterator<Item = u16>) -> Value {
    let named = |name: &str, place: &str, schema: &Value, required: bool| json!({ "name": name, "in": place, "required": required, "schema": schema });
    let item = operation.item().map(|name| named(name, "path", &json!({ "type": "string" }), true));
    let query = operation.query.iter().map(|(name, schema)| named(name, "query", schema, false));
    let parameters: Vec<Value> = item.into_iter().chain(query).collect();
    let mut responses = Map::new();
    for status in statuses {
        responses.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{failure}") }));
    }
    for (status, media_type, schema) in &operation.answers {
        let mut answer = json!({ "description": "Done" });
        if let Some(media_type) = media_type {
            answer["content"] = json!({ *media_type: { "schema": schema } });
        }
        responses.insert(status.to_string(), answer);
    }
    let mut shown = json!({
        "operationId": operation.id, "tags": [tag], "summary": operation.summary, "responses": responses,
    });
    if !parameters.is_empty() {
        shown["parameters"] = parameters.into();
    }
    if let Some((body, required)) = &operation.body {
        shown["requestBody"] =
            json!({ "required": required, "content": { "application/json": { "schema": body } } });
    }
    shown
}

fn tag(path: &str) -> &'static str {
    match path.split('/').nth(1).unwrap_or_default() {
        "admin" => "Admin",
        "auth" => "Signing in",
        "compile" | "ws" | "proxy" => "Compiling",
        "queue" => "Jobs",
        "keys" => "API keys",
        "configuration" => "Configurations",
        "rules" => "Rule sets",
        "validate" | "validate-rule" | "ast" | "convert-rule" | "diff" => "Rules",
        "rate-limit" => "Limits",
        _ => "The service",
    }
}

/// One line per path and per shape: small, and a change shows where it is.
fn lines(document: &Value) -> String {
    fn write(value: &Value, depth: usize) -> String {
        match value {
            Value::Object(members) if depth > 0 => {
                let members = members
                    .iter()
                    .map(|(name, value)| format!("{}:{}", json!(name), write(value, depth - 1)));
                format!("{{\n{}\n}}", members.collect::<Vec<_>>().join(",\n"))
            }
            other => other.to_string(),
        }
    }
    let parts = ["openapi", "info", "servers", "security", "paths", "components"];
    let parts = parts.map(|name| {
        let depth = match name {
            "paths" => 1,
            "components" => 2,
            _ => 0,
        };
        format!("{}:{}", json!(name), write(&document[name], depth))
    });
    format!("{{\n{}\n}}", parts.join(",\n"))
}

#[test]
fn every_route_is_described_once() {
    let described = operations::all();
    for operation in &described {
        let n = routes().filter(|route| operation.is_of(route)).count();
        assert_eq!(n, 1, "{} {}", operation.method, operation.path);
    }
    for route in routes() {
        let n = described.iter().filter(|operation| operation.is_of(route)).count();
        assert_eq!(n, 1, "{} {}", route.method(), route.path());
    }
    let ids: Vec<&str> = described.iter().map(|operation| operation.id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id is there twice");
}

#[test]
fn every_reference_leads_somewhere() {
    fn follow(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(place)) = members.get("$ref") {
                    let pointer = place.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{place} is not there");
                }
                members.values().for_each(|value| follow(value, document));
            }
            Value::Array(values) => values.iter().for_each(|value| follow(value, document)),
            _ => {}
        }
    }
    let document = document();
    follow(&document, &document);
}

#[test]
fn the_document_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let text = format!("{}\n", lines(&document()));
    if std::env::var_os("UPDATE_API_DOCUMENT").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let is_current = fs::read_to_string(&file).is_ok_and(|current| current == text);
    assert!(is_current, "docs/openapi.json is old: run `UPDATE_API_DOCUMENT=1 cargo test api_document`");
}
