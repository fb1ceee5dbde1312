//! `/proxy/fetch`: a public text for pages that may not fetch it themselves.

use std::cell::Cell;

use durable::source_host::wire::{Kind, MAX_TEXT_BYTES};
use durable::source_host::{Forbidden, Guard, SourceError, Wanted, text_of};

use crate::admission::Admitted;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::reply::{Body, Reply};
use crate::turnstile;

/// A text is handed out for so long without asking its host, in milliseconds: what `Cache-Control` says of it.
const MAX_AGE_MS: u64 = 300_000;

/// `GET` or `POST /proxy/fetch`: the text at the parameter `url`, with the guard of all sources on every hop.
///
/// Fails: 400 no URL, or one that is not fetched; 403 no good Turnstile token of an anonymous caller while
/// Turnstile is on; 502 a text that can't be had.
pub async fn fetch(app: App, admitted: Admitted) -> ApiResult {
    let Admitted { request, caller, .. } = admitted;
    let asked = request.url()?;
    let parameter = |wanted: &str| {
        asked.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let refused = |code, detail: &str| ApiError::Unusable { code, detail: detail.to_owned() };
    let url = parameter("url").filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| refused("url_missing", "Missing url parameter"))?;
    let guard = Guard::new(asked.host_str(), app.config.sources_on_loopback);
    let target = guard.check(&url).map_err(forbidden)?;
    // Lists on a developer's machine have no certificate.
    if target.scheme() != "https" && !guard.is_open_to(&target) {
        return Err(refused("url_forbidden", "Only HTTPS URLs are allowed"));
    }
    if caller.user().is_none() {
        let token = match parameter("turnstileToken") {
            Some(token) => Some(token),
            None => request.header("X-Turnstile-Token")?,
        };
        turnstile::check(&app, &request, &caller, token.as_deref()).await?;
    }

    let timeout_ms = app.config.source_timeout_ms;
    let wanted = Wanted { kind: Kind::Anything, guard: &guard, timeout_ms, max_age_ms: MAX_AGE_MS };
    let room = Cell::new(MAX_TEXT_BYTES);
    let bytes = app.source_hosts()?.fetch_text(target.as_str(), &wanted, &room).await;
    let bytes = bytes.map_err(|error| match error {
        SourceError::Forbidden { reason, .. } => forbidden(reason),
        error => {
            ApiError::FetchFailed { code: error.code(), detail: format!("Upstream fetch failed: {error}") }
        }
    })?;
    let body = Body::Text { media_type: "text/plain; charset=utf-8", text: text_of(bytes) };
    let reply = Reply { body, ..Reply::empty(200) };
    Ok(reply
        .with_header("X-Proxy-Source", "bloqr-backend-proxy")
        .with_header("Cache-Control", "public, max-age=300"))
}

fn forbidden(reason: Forbidden) -> ApiError {
    let detail = match reason {
        Forbidden::NotAUrl => "Invalid URL",
        Forbidden::Scheme => "Only HTTPS URLs are allowed",
        Forbidden::UserInfo | Forbidden::PrivateAddress => "URL targets a private or restricted address",
        Forbidden::OwnHost => "URL targets own Worker hostname",
    };
    ApiError::Unusable { code: "url_forbidden", detail: detail.to_owned() }
}
