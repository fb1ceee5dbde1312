//! The way of a request, from the door to the door.
//!
//! 1. Configuration; a bad variable answers 503 and names itself.
//! 2. Cross-origin rules and preflights; a page from elsewhere is turned away before it is counted.
//! 3. The route, and the announced size of the body.
//! 4. The identity, and one call to its object: permit or denial.
//! 5. The handler. A panic in it ends this request alone.
//! 6. The common headers.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use limits::UnixMillis;
use worker::{Context, Env, Method, console_error, js_sys, web_sys};

use crate::admission::{Admitted, Proof, admit, client_address, report_counters};
use crate::app::{App, now};
use crate::auth;
use crate::body::check_announced_size;
use crate::cors::{Cors, preflight};
use crate::error::{ApiError, ApiResult};
use crate::events::{self, Event, Scene};
use crate::incoming::Incoming;
use crate::metrics;
use crate::pages::serve_page;
use crate::reply::{Body, Reply};
use crate::router::{Found, Route, find};

/// What is kept of a request once a handler has taken it.
struct Asked {
    method: Method,
    path: String,
    pretty: bool,
    request_id: String,
    /// The client's, if the platform tells it.
    address: Option<String>,
    arrived_at: UnixMillis,
}

/// An answer, and how long it took to be admitted or refused, if it was counted.
struct Timed {
    reply: Reply,
    admission_ms: Option<u64>,
}

/// Answers one request.
///
/// # Errors
/// If the platform refuses a header, which is a defect.
pub async fn answer(request: Incoming, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    let arrived_at = now();
    let asked = Asked {
        method: request.method(),
        path: request.path().to_owned(),
        pretty: request.has_parameter("pretty"),
        request_id: request_id(arrived_at),
        address: client_address(&request).ok(),
        arrived_at,
    };
    let Timed { mut reply, admission_ms } = match App::new(env, Some(context)) {
        Ok(app) => {
            let origin = request.header("Origin")?;
            let reads = matches!(asked.method, Method::Get | Method::Head | Method::Options);
            let cors = Cors::judge(origin, request.origin(), &asked.path, reads, &app.config.allowed_origins);
            let mut timed = route(app, request, &asked, &cors).await;
            cors.stamp(&mut timed.reply);
            timed
        }
        Err(error) => {
            Timed { reply: refuse(None, ApiError::Misconfigured(error), &asked), admission_ms: None }
        }
    };
    stamp(&mut reply, &asked, admission_ms);
    reply.into_response(&asked.method, asked.pretty)
}

async fn route(app: App, request: Incoming, asked: &Asked, cors: &Cors) -> Timed {
    let accept = request.header("Accept").ok().flatten().unwrap_or_default();
    let found = find(&asked.method, &asked.path, accept.contains("text/html"));
    let uncounted = |result: ApiResult| Timed {
        reply: result.unwrap_or_else(|error| refuse(Some(&app), error, asked)),
        admission_ms: None,
    };
    match found {
        Found::Page => uncounted(serve_page(&app, &request, &accept).await),
        _ if asked.method == Method::Options => match cors {
            Cors::Foreign => uncounted(Err(ApiError::OriginRejected)),
            _ => uncounted(Ok(preflight())),
        },
        // It has rules of its own for pages from elsewhere.
        Found::Auth(path) => {
            let answer = async {
                check_announced_size(&request, app.config.max_body_bytes)?;
                auth::endpoints::answer(&app, &request, &path, &asked.request_id).await
            };
            uncounted(answer.await)
        }
        _ if *cors == Cors::Foreign => uncounted(Err(ApiError::OriginRejected)),
        Found::Nothing => uncounted(Err(ApiError::NotFound)),
        Found::OtherMethods(allow) => uncounted(Err(ApiError::MethodNotAllowed { allow })),
        Found::Route(route, item) => {
            if let Err(error) = check_announced_size(&request, app.config.max_body_bytes) {
                return uncounted(Err(error));
            }
            let admission = admit(&app, &request, route, &asked.request_id).await;
            report_counters(&app);
            match admission {
                Err(error) => {
                    let took_ms = asked.arrived_at.until(now());
                    metrics::saw(route.path(), error.status(), Some(error.code()), took_ms);
                    metrics::report(&app);
                    uncounted(Err(error))
                }
                Ok((caller, charged)) => {
                    if caller.proof != Proof::Nothing {
                        let user = caller.user().map(|user| user.to_string());
                        let (detail, address) = (caller.proof.name(), asked.address.as_deref());
                        let scene = Scene { path: route.path(), detail, address, user: user.as_deref() };
                        events::record(&app, Event::AuthSuccess, scene);
                    }
                    let admission_ms = Some(asked.arrived_at.until(now()));
                    let headers = charged.headers();
                    let result = match charged.refusal() {
                        Some(refusal) => Err(refusal),
                        None => {
                            let request_id = asked.request_id.clone();
                            let item = decoded(&item);
                            handle(
                                app.clone(),
                                route,
                                Admitted { request, caller, charged, item, request_id, route },
                            )
                            .await
                        }
                    };
                    let code = result.as_ref().err().map(|error| error.code().to_owned());
                    let mut reply = result.unwrap_or_else(|error| refuse(Some(&app), error, asked));
                    reply.headers.extend(headers);
                    let took_ms = asked.arrived_at.until(now());
                    metrics::saw(route.path(), reply.status, code.as_deref(), took_ms);
                    metrics::report(&app);
                    Timed { reply, admission_ms }
                }
            }
        }
    }
}

/// A segment of a path as it was meant.
fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

async fn handle(app: App, route: &Route, admitted: Admitted) -> ApiResult {
    // Nothing of a request that panicked is used again: its state was moved into the handler.
    let outcome = AssertUnwindSafe((route.handler)(app, admitted)).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err(ApiError::Internal { cause: "a handler panicked".to_owned() }))
}

/// Turns a failure into its answer. What only the log may know is logged here, once.
fn refuse(app: Option<&App>, error: ApiError, asked: &Asked) -> Reply {
    if let Some((app, event)) = app.zip(Event::of(&error)) {
        let (path, address) = (loggable(&asked.path), asked.address.as_deref());
        events::record(app, event, Scene { path: &path, detail: error.code(), address, user: None });
    }
    if let Some(cause) = error.cause() {
        let status = error.status();
        let entry = serde_json::json!({
            "level": "error", "requestId": asked.request_id, "path": loggable(&asked.path), "status": status,
            "cause": cause,
        });
        console_error!("{entry}");
    }
    error.into_reply(&asked.path, &asked.request_id)
}

/// Longest segment that is a word and not somebody's: `send-verification-email`.
const LONGEST_WORD: usize = 23;

/// A path without identities and mailed tokens: they are nothing for a log. A client's address has a colon, plain or
/// encoded; tokens and ids are longer than any word.
fn loggable(path: &str) -> String {
    let is_word = |segment: &str| segment.len() <= LONGEST_WORD && !segment.contains([':', '%']);
    let shown = path.split('/').map(|segment| if is_word(segment) { segment } else { "{}" });
    shown.collect::<Vec<_>>().join("/")
}

/// `api-<milliseconds>-<base 36>`, the form existing clients know.
fn request_id(at: UnixMillis) -> String {
    let random = js_sys::Math::random() * f64::from(u32::MAX);
    let mut number = random as u32;
    let mut digits = [b'0'; 7];
    for digit in digits.iter_mut().rev() {
        *digit = char::from_digit(number % 36, 36).map_or(b'0', |digit| digit as u8);
        number /= 36;
    }
    format!("api-{}-{}", at.0, String::from_utf8_lossy(&digits))
}

/// The headers of every answer.
fn stamp(reply: &mut Reply, asked: &Asked, admission_ms: Option<u64>) {
    let total_ms = asked.arrived_at.until(now());
    let mut timing = format!("total;dur={total_ms};desc=\"Total Response Time\"");
    if let Some(admission_ms) = admission_ms {
        timing.push_str(&format!(", auth;dur={admission_ms};desc=\"Authentication\""));
    }
    reply.headers.push(("Server-Timing", timing));
    reply.headers.push(("X-Request-Id", asked.request_id.clone()));
    reply.headers.extend(COMMON.map(|(name, value)| (name, value.to_owned())));
    // Pages have a policy of their own.
    if !matches!(reply.body, Body::Asset(_)) {
        reply.headers.push(("Content-Security-Policy", API_CSP.to_owned()));
    }
}

/// Headers that are the same on every answer. Source of the security ones: the OWASP Secure Headers
/// Project, <https://owasp.org/www-project-secure-headers/>.
const COMMON: [(&str, &str); 13] = [
    ("X-API-Version", "v1"),
    ("X-Powered-By", "Bloqr"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Origin-Agent-Cluster", "?1"),
    ("Referrer-Policy", "no-referrer"),
    ("Strict-Transport-Security", "max-age=15552000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-DNS-Prefetch-Control", "off"),
    ("X-Download-Options", "noopen"),
    ("X-Frame-Options", "DENY"),
    ("X-Permitted-Cross-Domain-Policies", "none"),
    ("X-XSS-Protection", "0"),
];

/// An answer of the API is data: nothing in it may run, load or be framed.
const API_CSP: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::loggable;

    #[test]
    fn no_address_and_no_token_is_logged() {
        assert_eq!(loggable("/api/admin/limits/net:203.0.113.9/ban"), "/api/admin/limits/{}/ban");
        assert_eq!(loggable("/admin/limits/net%3A203.0.113.9"), "/admin/limits/{}");
        assert_eq!(loggable("/api/compile"), "/api/compile");
        assert_eq!(loggable("/api/auth/send-verification-email"), "/api/auth/send-verification-email");
        let token = "a".repeat(crate::auth::random::RESET_TOKEN_LENGTH);
        assert_eq!(loggable(&format!("/api/auth/reset-password/{token}")), "/api/auth/reset-password/{}");
    }
}
