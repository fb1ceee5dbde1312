//! What is said to the server of a host, and what its answers mean.

use url::Url;
use worker::{Headers, Method, Request, RequestInit, RequestRedirect, Response, Result};

use super::CONTENT_TYPES;
use super::schema::{Answered, Text};
use super::wire::{Failure, Kind};

/// How the service names itself to other servers. Some allow list compilers by this name.
const USER_AGENT: &str = concat!("HostlistCompiler/2.0 (bloqr-backend ", env!("CARGO_PKG_VERSION"), ")");

/// Asks for the text at `url`, or for no more than the news that it is what is known still.
pub fn request(url: &Url, known: Option<&Text>) -> Result<Request> {
    let headers = Headers::new();
    headers.set("Pragma", "no-cache")?;
    headers.set("User-Agent", USER_AGENT)?;
    if let Some(etag) = known.and_then(|text| text.etag.as_deref()) {
        headers.set("If-None-Match", etag)?;
    }
    if let Some(last_modified) = known.and_then(|text| text.last_modified.as_deref()) {
        headers.set("If-Modified-Since", last_modified)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Get).with_headers(headers).with_redirect(RequestRedirect::Manual);
    Request::new_with_init(url.as_str(), &init)
}

/// Where a redirect leads; none if the answer is not one.
pub fn redirect(url: &Url, response: &Response) -> Result<Option<String>> {
    if !matches!(response.status_code(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get("Location")?;
    // What is no URL is handed on as it stands: the guard says what is wrong with it.
    Ok(location.map(|location| url.join(&location).map_or(location, Into::into)))
}

/// What is kept of an answer besides its text.
pub fn read_head(url: &Url, response: &Response) -> Result<Answered> {
    let headers = response.headers();
    let status = response.status_code();
    let control = headers.get("Cache-Control")?.unwrap_or_default();
    let is_no_store = control.split(',').any(|word| word.trim().eq_ignore_ascii_case("no-store"));
    // A validator with other characters could not be sent back.
    let validator =
        |name| Ok::<_, worker::Error>(headers.get(name)?.filter(|text| !text.is_empty() && text.is_ascii()));
    Ok(Answered {
        url: url.as_str().to_owned(),
        status,
        content_type: headers.get("Content-Type")?.unwrap_or_default(),
        etag: validator("ETag")?,
        last_modified: validator("Last-Modified")?,
        is_kept: status == 200 && !is_no_store,
    })
}

/// Why a text is not what was wanted; none if it is.
pub fn refuse(kind: Kind, text: &Text) -> Option<Failure> {
    match kind {
        Kind::Anything => None,
        Kind::List if text.status != 200 => Some(Failure::Status(text.status)),
        Kind::List => {
            let is_known = CONTENT_TYPES.iter().any(|known| text.content_type.contains(known));
            (!is_known).then_some(Failure::ContentType)
        }
    }
}

/// Whether it may be over in a moment: a server that is busy or broke down, a connection that was cut.
pub fn may_pass(failure: &Failure) -> bool {
    matches!(failure, Failure::Broken | Failure::Status(429 | 500 | 502 | 503 | 504))
}

/// Whether the host is to blame, and not just this one text.
pub fn is_of_host(failure: &Failure) -> bool {
    matches!(failure, Failure::Broken | Failure::TooSlow | Failure::Status(429 | 500..=599))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(status: u16, content_type: &str) -> Text {
        Text {
            version: 1,
            status,
            content_type: content_type.to_owned(),
            etag: None,
            last_modified: None,
            n_bytes: 0,
            checked_at: 0,
        }
    }

    #[test]
    fn a_list_is_what_the_reference_takes_for_one() {
        for (status, content_type, refused) in [
            (200, "text/plain", None),
            (200, "text/html; charset=utf-8", None),
            (200, "application/octet-stream", None),
            (200, "application/json", Some(Failure::ContentType)),
            (200, "", Some(Failure::ContentType)),
            (204, "text/plain", Some(Failure::Status(204))),
            (206, "text/plain", Some(Failure::Status(206))),
        ] {
            let text = text(status, content_type);
            assert_eq!(refuse(Kind::List, &text), refused, "{status} {content_type}");
            assert_eq!(refuse(Kind::Anything, &text), None);
        }
    }

    #[test]
    fn a_missing_text_is_not_the_fault_of_its_host() {
        for failure in [Failure::Status(404), Failure::ContentType, Failure::TooLarge] {
            assert!(!is_of_host(&failure) && !may_pass(&failure), "{failure:?}");
        }
        for failure in [Failure::Broken, Failure::TooSlow, Failure::Status(429), Failure::Status(501)] {
            assert!(is_of_host(&failure), "{failure:?}");
        }
    }
}
