//! Where a text is to be had from, and where an include of it points.
//!
//! Includes are resolved by cutting and joining text, as the reference does, not by the rules of URLs.
//! What comes out must have the origin of the including text, so no list can make its reader fetch from
//! another host. Whether a host may be fetched from at all is the caller's to judge.

use url::{Origin, Url};

/// Where a text is to be had from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// A URL with a scheme other than `file`, or one that begins with `//`.
    Remote(String),
    /// Anything else, taken for a path; `file:///x` and `data:` too.
    Local(String),
}

/// Why an include does not lead anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncludeError {
    /// A URL of another origin than that of the including text.
    #[error("Include url is rejected with origin: {origin}")]
    OtherOrigin {
        /// The origin of the URL, or the URL itself when it has none.
        origin: String,
    },
    /// A URL in a text that has a path.
    #[error("Invalid url: '{folder}'")]
    UrlInLocalText {
        /// The folder of the including text.
        folder: String,
    },
}

impl Location {
    /// The location that a configuration or an include names.
    pub fn of(source: &str) -> Location {
        if is_url(source) && !starts_with_scheme(source, "file") {
            Location::Remote(source.to_owned())
        } else {
            Location::Local(source.to_owned())
        }
    }

    /// The URL or path.
    pub fn as_str(&self) -> &str {
        match self {
            Location::Remote(text) | Location::Local(text) => text,
        }
    }

    /// The text up to, and without, the last slash.
    pub(crate) fn folder(&self) -> &str {
        self.as_str().rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Where an include with this path, found in the text of this location, points.
    pub(crate) fn include(&self, path: &str) -> Result<Location, IncludeError> {
        let folder = self.folder();
        match self {
            Location::Local(_) if is_url(path) => {
                Err(IncludeError::UrlInLocalText { folder: folder.to_owned() })
            }
            Location::Local(_) if folder.is_empty() && !self.as_str().starts_with('/') => {
                Ok(Location::Local(path.to_owned()))
            }
            Location::Local(_) => Ok(Location::Local(format!("{folder}/{path}"))),
            Location::Remote(own) => {
                let included = if is_url(path) { path.to_owned() } else { format!("{folder}/{path}") };
                // Checked on the result: from a URL without a path, even a relative include may lead away.
                match (origin(own), origin(&included)) {
                    (Some(own), Some(other)) if own == other => Ok(Location::Remote(included)),
                    (_, other) => {
                        let other = other.map(|origin| origin.ascii_serialization());
                        Err(IncludeError::OtherOrigin { origin: other.unwrap_or(included) })
                    }
                }
            }
        }
    }
}

/// Whether a text begins with `scheme://` or `//`.
fn is_url(text: &str) -> bool {
    if text.starts_with("//") {
        return true;
    }
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

fn starts_with_scheme(text: &str, scheme: &str) -> bool {
    text.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(scheme))
}

/// The origin of a URL. One without a scheme takes that of its reader, which is a secure one.
fn origin(url: &str) -> Option<Origin> {
    let parsed = if url.starts_with("//") { Url::parse(&format!("https:{url}")) } else { Url::parse(url) };
    parsed.ok().map(|url| url.origin()).filter(Origin::is_tuple)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_and_local_are_told_apart() {
        for url in ["https://a/x", "//a/x", "HTTP://a", "x+y://a"] {
            assert_eq!(Location::of(url), Location::Remote(url.to_owned()));
        }
        for path in ["a.txt", "/a", "../a", "file:///a", "FILE://a", "data:,x", "://a", "C:\\a"] {
            assert_eq!(Location::of(path), Location::Local(path.to_owned()));
        }
    }

    fn check(from: &str, path: &str, to: &str) {
        let included = Location::of(from).include(path).map(|location| location.as_str().to_owned());
        assert_eq!(included.unwrap_or_else(|error| error.to_string()), to, "{path} in {from}");
    }

    #[test]
    fn includes_are_joined_to_the_folder() {
        check("https://a.org/x/list.txt", "inc.txt", "https://a.org/x/inc.txt");
        check("https://a.org/x/list.txt?v=1", "../inc.txt", "https://a.org/x/../inc.txt");
        check("https://a.org/x/list.txt", "/inc.txt", "https://a.org/x//inc.txt");
        check("lists/a.txt", "b.txt", "lists/b.txt");
        check("a.txt", "b.txt", "b.txt");
        check("/a.txt", "b.txt", "/b.txt");
    }

    #[test]
    fn urls_must_have_the_same_origin() {
        check("https://a.org/x", "https://A.org:443/y", "https://A.org:443/y");
        check("https://a.org/x", "http://a.org/y", "Include url is rejected with origin: http://a.org");
        check("https://a.org/x", "https://b.org/y", "Include url is rejected with origin: https://b.org");
        check("https://a.org", "b.org/y", "Include url is rejected with origin: https://b.org");
        check(
            "https://a.org/x",
            "file:///etc/passwd",
            "Include url is rejected with origin: file:///etc/passwd",
        );
        check("lists/a.txt", "https://a.org/y", "Invalid url: 'lists'");
    }
}
