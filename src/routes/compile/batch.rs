//! `POST /compile/batch`: several lists in one request.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use worker::console_error;

use super::request::CompileRequest;
use super::work::{Pieces, Product, run};
use crate::admission::Admitted;
use crate::app::App;
use crate::body::{self, parse_json};
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Chunked, Reply};
use crate::turnstile;

/// Lists in one request.
const MAX_REQUESTS: usize = 10;
/// Lists compiled at a time; they wait for each other's turn to be sent.
const AT_A_TIME: usize = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    requests: Vec<Value>,
    turnstile_token: Option<String>,
}

/// `POST /compile/batch`: compiles up to ten configurations. One that fails does not harm the others.
///
/// Fails: 400 a body that is no JSON, or any of whose requests can't be accepted; 403 no good Turnstile token
/// while Turnstile is on; 413 a body over the bound.
pub async fn compile_batch(app: App, admitted: Admitted) -> ApiResult {
    let requests = read_batch(&app, &admitted, MAX_REQUESTS).await?;
    let own_host = admitted.request.own_host()?;
    let compile = move |(id, asked): (String, CompileRequest)| {
        let (app, own_host) = (app.clone(), own_host.clone());
        async move {
            let compiled = run(&app, own_host, asked, false, None).await;
            item(&id, compiled)
        }
    };
    let items = stream::iter(requests).map(compile).buffered(AT_A_TIME).enumerate().flat_map(|(n, item)| {
        let comma = if n > 0 { "," } else { "" };
        text(comma).chain(item)
    });
    let body = text(r#"{"success":true,"results":["#).chain(items).chain(text("]}"));
    let body = Body::Chunked { media_type: "application/json", chunks: Chunked(body.boxed_local()) };
    Ok(Reply { body, ..Reply::empty(200) })
}

/// The requests of a batch by id, from whom Turnstile takes for a person.
///
/// # Errors
/// As [`compile_batch`].
pub async fn read_batch(
    app: &App,
    admitted: &Admitted,
    most: usize,
) -> Result<Vec<(String, CompileRequest)>, ApiError> {
    let Admitted { request, caller, .. } = admitted;
    let bytes = body::read(request, app.config.max_body_bytes).await?;
    let Batch { requests, turnstile_token } = parse_json(&bytes)?;
    drop(bytes);
    let requests = parse(requests, most)?;
    turnstile::check(app, request, caller, turnstile_token.as_deref()).await?;
    Ok(requests)
}

fn text(text: &'static str) -> Pieces {
    stream::iter([Ok(text.as_bytes().to_vec())]).boxed_local()
}

fn item(id: &str, compiled: Result<Product, ApiError>) -> Pieces {
    let error = match compiled.and_then(|product| product.into_item(id)) {
        Ok(pieces) => return pieces,
        Err(error) => error,
    };
    if let Some(cause) = error.cause() {
        console_error!("{}", json!({ "level": "error", "what": "compile/batch", "cause": cause }));
    }
    let failed = json!({ "id": id, "success": false, "error": error.detail(), "code": error.code() });
    stream::iter([Ok(failed.to_string().into_bytes())]).boxed_local()
}

/// The requests by id. One that can't be accepted fails all.
pub fn parse(requests: Vec<Value>, most: usize) -> Result<Vec<(String, CompileRequest)>, ApiError> {
    let refused = |issues: &str| ApiError::Unusable {
        code: "invalid_body",
        detail: format!("Invalid batch request: {issues}"),
    };
    if requests.is_empty() {
        return Err(refused("/requests: At least one request is required"));
    }
    if requests.len() > most {
        let limit = format!("/requests: Batch request limited to {most} requests maximum");
        return Err(refused(&limit));
    }
    let mut ids = BTreeSet::new();
    let mut parsed = Vec::with_capacity(requests.len());
    for (n, request) in requests.into_iter().enumerate() {
        let id = request.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let Some(id) = id.map(str::to_owned) else {
            return Err(refused(&format!("/requests/{n}/id: must be a text of at least 1 character")));
        };
        if !ids.insert(id.clone()) {
            return Err(refused("/requests: Duplicate request IDs are not allowed"));
        }
        let asked =
            CompileRequest::from_json(request, &format!("/requests/{n}")).map_err(|error| match error {
                ApiError::Invalid { issues } => refused(&issues),
                other => other,
            })?;
        parsed.push((id, asked));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str) -> Value {
        json!({ "id": id, "configuration": { "name": "N", "sources": [{ "source": "https://example.org/a" }] } })
    }

    fn refusal(requests: Vec<Value>) -> String {
        match parse(requests, MAX_REQUESTS) {
            Err(ApiError::Unusable { detail, .. }) => detail,
            other => panic!("{:?}", other.map(|_| ())),
        }
    }

    #[test]
    fn one_bad_request_fails_all() {
        assert_eq!(parse(vec![item("a"), item("b")], 10).unwrap().len(), 2);
        assert_eq!(parse((0..10).map(|n| item(&n.to_string())).collect(), 10).unwrap().len(), 10);
        for (requests, told) in [
            (vec![], "/requests: At least one request is required"),
            (
                (0..11).map(|n| item(&n.to_string())).collect(),
                "/requests: Batch request limited to 10 requests maximum",
            ),
            (vec![item("a"), item("a")], "/requests: Duplicate request IDs are not allowed"),
            (vec![item("a"), item("")], "/requests/1/id: must be a text of at least 1 character"),
            (vec![json!(1)], "/requests/0/id: must be a text of at least 1 character"),
        ] {
            assert_eq!(refusal(requests), format!("Invalid batch request: {told}"));
        }
        let nameless = json!({ "id": "b", "configuration": { "sources": [] } });
        assert!(refusal(vec![item("a"), nameless]).contains("/requests/1/configuration"));
    }
}
