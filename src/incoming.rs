//! A request as it came in.

use worker::web_sys::{self, Headers};
use worker::{Method, Request, Url};

/// A request as it came in. It is looked at piece by piece, because every look is a call to the platform, and
/// most requests need three.
#[derive(Debug)]
pub struct Incoming {
    raw: web_sys::Request,
    headers: Headers,
    /// As the platform writes it: absolute and normalised.
    url: String,
}

impl From<web_sys::Request> for Incoming {
    fn from(raw: web_sys::Request) -> Self {
        Self { headers: raw.headers(), url: raw.url(), raw }
    }
}

impl Incoming {
    /// The method.
    pub fn method(&self) -> Method {
        Method::from(self.raw.method())
    }

    /// The value of a header field; several are joined by commas.
    ///
    /// # Errors
    /// If the platform takes `name` for no name, which is a defect.
    pub fn header(&self, name: &str) -> worker::Result<Option<String>> {
        Ok(self.headers.get(name)?)
    }

    /// Whether it has a body.
    pub fn has_body(&self) -> bool {
        self.raw.body().is_some()
    }

    /// The body, if it has one.
    pub fn body(&self) -> Option<web_sys::ReadableStream> {
        self.raw.body()
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        self.parts().0
    }

    /// The path, percent-encoded as it was sent.
    pub fn path(&self) -> &str {
        self.parts().1
    }

    /// The service's own host, as the client calls it.
    ///
    /// # Errors
    /// As [`Incoming::url`].
    pub fn own_host(&self) -> worker::Result<Option<String>> {
        Ok(self.url()?.host_str().map(str::to_owned))
    }

    /// The URL in its parts.
    ///
    /// # Errors
    /// If the platform gave none, which is a defect.
    pub fn url(&self) -> worker::Result<Url> {
        Ok(Url::parse(&self.url)?)
    }

    /// Whether the query has a parameter of this name; only for names that need no encoding.
    pub fn has_parameter(&self, name: &str) -> bool {
        let parameters = self.parts().2.split('&');
        parameters.into_iter().any(|parameter| parameter.split('=').next() == Some(name))
    }

    /// The request as the platform's other parts take it.
    pub fn to_platform(&self) -> Request {
        // The handle is copied, not the request.
        Request::from(Clone::clone(&self.raw))
    }

    /// Origin, path and query. Nothing has to be parsed for that: a normalised URL has its first slash after
    /// the host, and no fragment reaches a server.
    fn parts(&self) -> (&str, &str, &str) {
        let host = self.url.find("://").map_or(0, |at| at + 3);
        let path =
            self.url.get(host..).and_then(|rest| rest.find('/')).map_or(self.url.len(), |at| host + at);
        let (origin, rest) = self.url.split_at(path);
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        (origin, path, query)
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod wasm_tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn incoming(url: &str) -> Incoming {
        Incoming::from(web_sys::Request::new_with_str(url).unwrap())
    }

    #[wasm_bindgen_test]
    fn a_url_falls_into_its_parts() {
        for (url, parts) in [
            (
                "https://API.example:8443/api/x%2Fy/../z?a=1&pretty#top",
                ("https://api.example:8443", "/api/z", "a=1&pretty"),
            ),
            ("http://example", ("http://example", "/", "")),
            ("http://example/?a=/b?c", ("http://example", "/", "a=/b?c")),
        ] {
            assert_eq!(incoming(url).parts(), parts, "{url}");
        }
        assert!(incoming("http://example/?a=1&pretty").has_parameter("pretty"));
        assert!(incoming("http://example/?pretty=no").has_parameter("pretty"));
        assert!(!incoming("http://example/?ugly=pretty").has_parameter("pretty"));
    }

    #[wasm_bindgen_test]
    fn header_fields_are_found_in_any_case() {
        let init = web_sys::RequestInit::new();
        let headers = Headers::new().unwrap();
        headers.set("X-Name", "value").unwrap();
        init.set_headers(&headers);
        let raw = web_sys::Request::new_with_str_and_init("http://example/", &init).unwrap();
        let incoming = Incoming::from(raw);
        assert_eq!(incoming.header("x-name").unwrap().as_deref(), Some("value"));
        assert_eq!(incoming.header("X-Other").unwrap(), None);
        assert!(!incoming.has_body());
    }
}
