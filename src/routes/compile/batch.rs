//! `POST /compile/batch`: several lists in one request.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::request::CompileRequest;
use super::work::{CompiledList, Work};
use crate::admission::Admitted;
use crate::app::App;
use crate::body::{self, parse_json};
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Piece, Reply};
use crate::sources::MAX_FETCHED_BYTES;
use crate::turnstile;

/// Lists in one request.
const MAX_REQUESTS: usize = 10;
/// Lists compiled at a time; each opens up to six connections, and they wait for each other's.
const AT_A_TIME: usize = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    requests: Vec<Value>,
    turnstile_token: Option<String>,
}

/// One answer, of a list that was compiled.
#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    #[serde(flatten)]
    list: &'a CompiledList,
}

/// `POST /compile/batch`: compiles up to ten configurations. One that fails does not harm the others.
///
/// Fails: 400 a body that is no JSON, or any of whose requests can't be accepted; 403 no good Turnstile token
/// while Turnstile is on; 413 a body over the bound.
pub async fn compile_batch(app: App, admitted: Admitted) -> ApiResult {
    let Admitted { request, caller, .. } = admitted;
    let bytes = body::read(&request, app.config.max_body_bytes).await?;
    let Batch { requests, turnstile_token } = parse_json(&bytes)?;
    drop(bytes);
    let requests = parse(requests)?;
    turnstile::check(&app, &request, &caller, turnstile_token.as_deref()).await?;

    // All of them lie in memory until they are sent.
    let room = Rc::new(Cell::new(MAX_FETCHED_BYTES));
    let compile = |(id, asked): (String, CompileRequest)| {
        let (app, room, request) = (app.clone(), Rc::clone(&room), &request);
        async move {
            let compiled = match Work::within(&app, request, asked, room) {
                Ok(work) => work.run(&app, None).await,
                Err(error) => Err(error),
            };
            piece(&id, compiled)
        }
    };
    let pieces: Vec<Result<Piece, ApiError>> =
        stream::iter(requests).map(compile).buffered(AT_A_TIME).collect().await;
    let mut body = vec![Piece::Text(r#"{"success":true,"results":["#.to_owned())];
    for (n, piece) in pieces.into_iter().enumerate() {
        if n > 0 {
            body.push(Piece::Text(",".to_owned()));
        }
        body.push(piece?);
    }
    body.push(Piece::Text("]}".to_owned()));
    Ok(Reply { body: Body::Pieces(body), ..Reply::empty(200) })
}

fn piece(
    id: &str,
    compiled: Result<(CompiledList, compiler::Compiled), ApiError>,
) -> Result<Piece, ApiError> {
    match compiled {
        Ok((list, lines)) => {
            let frame = serde_json::to_string(&Item { id, list: &list });
            let frame = frame.map_err(|error| ApiError::Internal { cause: error.to_string() })?;
            Ok(Piece::List { frame, list: Box::new(lines) })
        }
        Err(error @ ApiError::Internal { .. }) => Err(error),
        Err(error) => {
            let failed = json!({ "id": id, "success": false, "error": error.detail(), "code": error.code() });
            Ok(Piece::Text(failed.to_string()))
        }
    }
}

/// The requests by id. One that can't be accepted fails all.
fn parse(requests: Vec<Value>) -> Result<Vec<(String, CompileRequest)>, ApiError> {
    let refused = |issues: &str| ApiError::Unusable {
        code: "invalid_body",
        detail: format!("Invalid batch request: {issues}"),
    };
    if requests.is_empty() {
        return Err(refused("/requests: At least one request is required"));
    }
    if requests.len() > MAX_REQUESTS {
        let limit = format!("/requests: Batch request limited to {MAX_REQUESTS} requests maximum");
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
        match parse(requests) {
            Err(ApiError::Unusable { detail, .. }) => detail,
            other => panic!("{:?}", other.map(|_| ())),
        }
    }

    #[test]
    fn one_bad_request_fails_all() {
        assert_eq!(parse(vec![item("a"), item("b")]).unwrap().len(), 2);
        assert_eq!(parse((0..10).map(|n| item(&n.to_string())).collect()).unwrap().len(), 10);
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
