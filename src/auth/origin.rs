//! Which pages may make requests that change something, and where a browser may be sent afterwards.
//!
//! A cookie comes along by itself, so a request with one must come from a page that is trusted. A bearer token does
//! not, so a request with nothing else isn't judged. A sign-in needs neither, and a form of another site could sign a
//! visitor in as somebody else: that has rules of its own.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;
use worker::Method;

use super::error::AuthError;
use super::trusted::TrustedOrigins;

/// Longest URL or header field that is looked at, in bytes.
const MAX_BYTES: usize = 4096;

/// What a header field can't hold, besides everything that is not ASCII.
const NOT_IN_A_FIELD: &AsciiSet = &CONTROLS.add(b' ');

/// The header fields by which a request from a page is judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent<'a> {
    /// `Cookie`
    pub cookie: Option<&'a str>,
    /// `Origin`
    pub origin: Option<&'a str>,
    /// `Referer`
    pub referer: Option<&'a str>,
    /// `Sec-Fetch-Site`
    pub fetch_site: Option<&'a str>,
    /// `Sec-Fetch-Mode`
    pub fetch_mode: Option<&'a str>,
    /// `Sec-Fetch-Dest`
    pub fetch_dest: Option<&'a str>,
}

/// Lets a request pass that changes nothing, has no cookie, or comes from a page that is trusted.
///
/// # Errors
/// [`AuthError::MISSING_OR_NULL_ORIGIN`], [`AuthError::INVALID_ORIGIN`].
pub fn check_request(trusted: &TrustedOrigins, method: &Method, sent: Sent<'_>) -> Result<(), AuthError> {
    if matches!(method, Method::Get | Method::Head | Method::Options) || sent.cookie.is_none() {
        return Ok(());
    }
    check_page(trusted, sent)
}

/// Lets a sign-in or sign-up without a cookie pass, unless a form of another site could have sent it. With a
/// cookie, [`check_request`] has judged it.
///
/// # Errors
/// [`AuthError::CROSS_SITE_NAVIGATION_LOGIN_BLOCKED`], and those of [`check_request`].
pub fn check_form(trusted: &TrustedOrigins, sent: Sent<'_>) -> Result<(), AuthError> {
    if sent.cookie.is_some() {
        return Ok(());
    }
    if is_word(sent.fetch_site, "cross-site") && is_word(sent.fetch_mode, "navigate") {
        return Err(AuthError::CROSS_SITE_NAVIGATION_LOGIN_BLOCKED);
    }
    let fetched = [sent.fetch_site, sent.fetch_mode, sent.fetch_dest];
    if fetched.into_iter().flatten().any(|value| !value.trim().is_empty()) || sent.page().is_some() {
        return check_page(trusted, sent);
    }
    Ok(())
}

fn check_page(trusted: &TrustedOrigins, sent: Sent<'_>) -> Result<(), AuthError> {
    let page = match sent.page() {
        None => return Err(AuthError::MISSING_OR_NULL_ORIGIN),
        // The browser hides the page's origin, but vouches that it is the service's own.
        Some("null") if is_word(sent.fetch_site, "same-origin") => return Ok(()),
        Some("null") => return Err(AuthError::MISSING_OR_NULL_ORIGIN),
        Some(page) => page,
    };
    if page.len() <= MAX_BYTES && trusted.trusts(page) { Ok(()) } else { Err(AuthError::INVALID_ORIGIN) }
}

/// Lets a body and a `callbackURL` of the query pass that send nobody elsewhere. What is no text is left to the
/// schema.
///
/// # Errors
/// The refusal that belongs to the first field that does.
pub fn check_urls(
    trusted: &TrustedOrigins,
    body: &Value,
    callback_url: Option<&str>,
) -> Result<(), AuthError> {
    let of_body = |name| body.get(name).and_then(Value::as_str);
    for (url, refusal) in [
        (of_body("callbackURL"), AuthError::INVALID_CALLBACK_URL),
        (callback_url, AuthError::INVALID_CALLBACK_URL),
        (of_body("redirectTo"), AuthError::INVALID_REDIRECT_URL),
        (of_body("errorCallbackURL"), AuthError::INVALID_ERROR_CALLBACK_URL),
        (of_body("newUserCallbackURL"), AuthError::INVALID_NEW_USER_CALLBACK_URL),
    ] {
        if url.is_some_and(|url| !may_lead_to(trusted, url)) {
            return Err(refusal);
        }
    }
    Ok(())
}

/// Whether a browser may be sent to a URL: nowhere, a path here, or a page of a trusted origin.
fn may_lead_to(trusted: &TrustedOrigins, url: &str) -> bool {
    if url.is_empty() {
        return true;
    }
    if url.len() > MAX_BYTES || url.chars().any(char::is_control) {
        return false;
    }
    if url.starts_with('/') { is_local_path(url) } else { trusted.trusts(url) }
}

impl<'a> Sent<'a> {
    /// The page's origin, or else the page itself.
    fn page(&self) -> Option<&'a str> {
        let named = |field: Option<&'a str>| field.map(str::trim).filter(|field| !field.is_empty());
        named(self.origin).or_else(|| named(self.referer))
    }
}

fn is_word(field: Option<&str>, word: &str) -> bool {
    field.is_some_and(|field| field.trim().eq_ignore_ascii_case(word))
}

/// Whether a path stays on this host. Browsers take `\` for `/`, and servers behind may decode `%2f`.
fn is_local_path(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    !path.starts_with("//") && !path.contains('\\') && !path.contains("%2f") && !path.contains("%5c")
}

/// A URL as a `Location` field can hold it.
pub fn location(url: &str) -> Cow<'_, str> {
    utf8_percent_encode(url, NOT_IN_A_FIELD).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OWN: &str = "https://own.example";
    const FOREIGN: &str = "https://evil.test";

    fn trusted() -> TrustedOrigins {
        TrustedOrigins::parse(OWN, ["https://app.example.com", "myapp://"]).unwrap()
    }

    fn code(outcome: Result<(), AuthError>) -> &'static str {
        match outcome {
            Ok(()) => "passes",
            Err(error) => {
                assert_eq!(error.status(), 403);
                error.code().unwrap()
            }
        }
    }

    const NULL: &str = "MISSING_OR_NULL_ORIGIN";
    const INVALID: &str = "INVALID_ORIGIN";

    #[test]
    fn a_request_with_a_cookie_needs_a_trusted_page() {
        let cookie = Sent { cookie: Some("any=thing"), ..Sent::default() };
        let page = Some("https://app.example.com/some/page?x");
        for (sent, expected) in [
            (Sent { origin: Some(OWN), ..cookie }, "passes"),
            (Sent { origin: Some("HTTPS://App.Example.Com/"), ..cookie }, "passes"),
            (Sent { referer: page, ..cookie }, "passes"),
            (Sent { origin: Some(""), referer: page, ..cookie }, "passes"),
            (cookie, NULL),
            (Sent { origin: Some(""), ..cookie }, NULL),
            (Sent { origin: Some("null"), ..cookie }, NULL),
            (Sent { origin: Some("null"), referer: page, ..cookie }, NULL),
            (Sent { origin: Some("null"), fetch_site: Some("same-site"), ..cookie }, NULL),
            (Sent { origin: Some("null"), fetch_site: Some("same-origin"), ..cookie }, "passes"),
            (Sent { origin: Some(FOREIGN), fetch_site: Some("same-origin"), ..cookie }, INVALID),
            (Sent { origin: Some(FOREIGN), referer: page, ..cookie }, INVALID),
            (Sent { referer: Some("https://evil.test/?https://app.example.com"), ..cookie }, INVALID),
            (Sent { origin: Some("nonsense"), ..cookie }, INVALID),
            // Without a cookie nothing is checked, whatever the page.
            (Sent { origin: Some(FOREIGN), ..Sent::default() }, "passes"),
            (Sent::default(), "passes"),
        ] {
            for method in [Method::Post, Method::Put, Method::Patch, Method::Delete] {
                assert_eq!(code(check_request(&trusted(), &method, sent)), expected, "{sent:?}");
            }
            for method in [Method::Get, Method::Head, Method::Options] {
                assert_eq!(check_request(&trusted(), &method, sent), Ok(()), "{sent:?}");
            }
        }
        let long = format!("{OWN}/{}", "a".repeat(4096));
        let sent = Sent { referer: Some(&long), ..cookie };
        assert_eq!(code(check_request(&trusted(), &Method::Post, sent)), INVALID);
    }

    #[test]
    fn a_form_of_another_site_cannot_sign_in() {
        let site = |fetch_site, fetch_mode| Sent { fetch_site, fetch_mode, ..Sent::default() };
        for (sent, expected) in [
            (Sent::default(), "passes"),
            (site(Some("cross-site"), Some("navigate")), "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED"),
            (
                Sent { origin: Some(OWN), ..site(Some("cross-site"), Some("navigate")) },
                "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED",
            ),
            (site(None, Some("cors")), NULL),
            (site(Some("cross-site"), Some("cors")), NULL),
            (Sent { fetch_dest: Some("empty"), ..Sent::default() }, NULL),
            (Sent { origin: Some(OWN), ..site(Some("same-origin"), Some("navigate")) }, "passes"),
            (Sent { origin: Some("null"), ..site(Some("same-origin"), Some("cors")) }, "passes"),
            (Sent { origin: Some(FOREIGN), ..site(None, Some("cors")) }, INVALID),
            (site(Some(""), Some("")), "passes"),
            (Sent { origin: Some(OWN), ..Sent::default() }, "passes"),
            (Sent { referer: Some(FOREIGN), ..Sent::default() }, INVALID),
            (Sent { origin: Some("null"), ..Sent::default() }, NULL),
            (Sent { cookie: Some("a=b"), ..site(Some("cross-site"), Some("navigate")) }, "passes"),
        ] {
            assert_eq!(code(check_form(&trusted(), sent)), expected, "{sent:?}");
        }
    }

    #[test]
    fn a_browser_is_sent_to_trusted_places_alone() {
        let long = format!("/{}", "a".repeat(4096));
        for (url, leads) in [
            ("", true),
            ("/", true),
            ("/dashboard?next=//x&a=%2f#top", true),
            ("/a//b", true),
            ("https://own.example/path", true),
            ("https://app.example.com", true),
            ("myapp://welcome", true),
            ("//x", false),
            ("//evil.test", false),
            ("/\\x", false),
            ("/a\\b", false),
            ("/a%2f..", false),
            ("/a%2F..", false),
            ("/%5cevil.test", false),
            ("/%2f/evil.test", false),
            ("/\t/evil.test", false),
            ("/a\r\nSet-Cookie: a=b", false),
            ("/\u{7f}", false),
            ("https://own.example/\n", false),
            ("dash", false),
            ("?a=b", false),
            ("\\\\evil.test", false),
            ("javascript:alert(1)", false),
            ("javascript://own.example/%0aalert(1)", false),
            ("data:text/html,x", false),
            ("https://evil.test", false),
            ("https:evil.test", false),
            ("https://own.example@evil.test", false),
            ("https://own.example.evil.test", false),
            ("http://own.example", false),
            (long.as_str(), false),
        ] {
            assert_eq!(may_lead_to(&trusted(), url), leads, "{url:?}");
        }
    }

    #[test]
    fn every_url_has_its_own_refusal() {
        for (field, expected) in [
            ("callbackURL", "INVALID_CALLBACK_URL"),
            ("redirectTo", "INVALID_REDIRECT_URL"),
            ("errorCallbackURL", "INVALID_ERROR_CALLBACK_URL"),
            ("newUserCallbackURL", "INVALID_NEW_USER_CALLBACK_URL"),
            ("another", "passes"),
        ] {
            assert_eq!(code(check_urls(&trusted(), &json!({ field: FOREIGN }), None)), expected);
            assert_eq!(code(check_urls(&trusted(), &json!({ field: "/here" }), None)), "passes");
            assert_eq!(code(check_urls(&trusted(), &json!({ field: 1 }), None)), "passes");
        }
        assert_eq!(code(check_urls(&trusted(), &json!([]), Some(FOREIGN))), "INVALID_CALLBACK_URL");
        assert_eq!(code(check_urls(&trusted(), &json!({}), Some("/here"))), "passes");
        let both = json!({ "redirectTo": FOREIGN, "callbackURL": FOREIGN });
        assert_eq!(code(check_urls(&trusted(), &both, None)), "INVALID_CALLBACK_URL");
    }

    #[test]
    fn a_location_is_ascii() {
        assert_eq!(location("/é x?%20"), "/%C3%A9%20x?%20");
        assert_eq!(location("https://a.example/?a=b#c"), "https://a.example/?a=b#c");
    }
}
