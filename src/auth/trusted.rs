//! The origins that are trusted, as scheme, host and port. `localhost` and `127.0.0.1` are different. Entries:
//!
//! | entry | trusts |
//! | --- | --- |
//! | `https://app.example.com` | that origin |
//! | `https://*.example.com` | subdomains of any depth, not the bare domain, not http |
//! | `*.example.com` | the same under any scheme |
//! | `192.168.*.*` | addresses of IPv4, no names that look like them |
//! | `myapp://` | everything under a scheme of one's own |
//!
//! `*` is any text, `?` any character. A pattern without a port is for the default port; `:*` is for any.

use std::net::Ipv4Addr;

use url::{Host, Url};

/// Schemes that are no place to be sent to: what they show, they run or carry.
const NEVER: [&str; 6] = ["javascript", "data", "vbscript", "blob", "file", "about"];

/// Why an entry of the list can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no origin and no pattern of some")]
pub struct BadEntry(String);

/// The origins that are trusted.
#[derive(Debug, Clone)]
pub struct TrustedOrigins(Vec<Entry>);

/// Scheme, host and port, each in lower case and perhaps with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Any, if none.
    scheme: Option<String>,
    /// Any, if none.
    host: Option<String>,
    /// The default one, if none.
    port: Option<String>,
}

impl TrustedOrigins {
    /// The service's own origin, and those of the entries.
    ///
    /// # Errors
    /// The first entry that can't be used. One that would trust everybody can't.
    pub fn parse<'e>(
        base_url: &'e str,
        entries: impl IntoIterator<Item = &'e str>,
    ) -> Result<Self, BadEntry> {
        let entries = std::iter::once(base_url).chain(entries);
        entries
            .into_iter()
            .map(|entry| Entry::parse(entry.trim()).ok_or_else(|| BadEntry(entry.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether the origin of a URL is trusted.
    pub fn trusts(&self, url: &str) -> bool {
        let url = Url::parse(url).ok().filter(|url| !NEVER.contains(&url.scheme()));
        url.is_some_and(|url| self.0.iter().any(|entry| entry.matches(&url)))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let is_pattern = text.contains(['*', '?']);
        if let Some(scheme) = scheme {
            let scheme = scheme.to_ascii_lowercase();
            if NEVER.contains(&scheme.as_str()) {
                return None;
            }
            if rest.is_empty() {
                let is_web = ["http", "https", ""].contains(&scheme.as_str());
                return (!is_web && !is_pattern).then_some(Self {
                    scheme: Some(scheme),
                    host: None,
                    port: None,
                });
            }
            if !is_pattern {
                let url = Url::parse(text).ok()?;
                let host = Some(url.host_str()?.to_ascii_lowercase());
                return Some(Self {
                    scheme: Some(scheme),
                    host,
                    port: url.port().map(|port| port.to_string()),
                });
            }
        }
        // A path says nothing about an origin.
        let authority = rest.split('/').next()?.to_ascii_lowercase();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.to_owned())),
            None => (authority.as_str(), None),
        };
        let names_something = host.contains(|c: char| c.is_ascii_alphanumeric());
        (is_pattern && names_something).then(|| Self {
            scheme: scheme.map(str::to_ascii_lowercase),
            host: Some(host.to_owned()),
            port,
        })
    }

    fn matches(&self, url: &Url) -> bool {
        let fits = |pattern: &Option<String>, text: &str| {
            pattern.as_deref().is_none_or(|pattern| matches_pattern(pattern.as_bytes(), text.as_bytes()))
        };
        if !fits(&self.scheme, url.scheme()) {
            return false;
        }
        let Some(host) = self.host.as_deref() else { return true };
        let Some(of_url) = url.host() else { return false };
        if looks_like_ipv4(host) && !is_ipv4(&of_url) {
            return false;
        }
        let port = url.port().map(|port| port.to_string()).unwrap_or_default();
        matches_pattern(host.as_bytes(), of_url.to_string().to_ascii_lowercase().as_bytes())
            && matches_pattern(self.port.as_deref().unwrap_or_default().as_bytes(), port.as_bytes())
    }
}

/// Four parts of digits and wildcards.
fn looks_like_ipv4(host: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*' || byte == b'?')
    };
    host.split('.').count() == 4 && host.split('.').all(is_part)
}

/// The hosts of schemes that the web does not know are left as texts.
fn is_ipv4(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(_) => true,
        Host::Domain(name) => name.parse::<Ipv4Addr>().is_ok(),
        Host::Ipv6(_) => false,
    }
}

/// Whether a text fits a pattern. Looks back to the last `*` alone, so it takes at most length times length steps.
fn matches_pattern(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = last_star else { return false };
                last_star = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(entry: &str) -> TrustedOrigins {
        TrustedOrigins::parse("https://own.example:8443/api/auth", [entry]).unwrap()
    }

    fn check(entry: &str, trusts: &[&str], others: &[&str]) {
        let trusted = trusted(entry);
        for url in trusts {
            assert!(trusted.trusts(url), "{entry} {url}");
        }
        for url in others {
            assert!(!trusted.trusts(url), "{entry} {url}");
        }
    }

    #[test]
    fn origins_are_compared_by_scheme_host_and_port() {
        check(
            "https://App.example.com/",
            &[
                "https://app.example.com",
                "HTTPS://APP.EXAMPLE.COM/",
                "https://app.example.com:443/path?query",
                "https://own.example:8443",
                "https://someone@app.example.com",
            ],
            &[
                "http://app.example.com",
                "https://app.example.com:444",
                "https://app.example.com.evil.test",
                "https://app.example.com@evil.test",
                "https://evil.test/https://app.example.com",
                "https://own.example",
                "app.example.com",
                "null",
                "",
            ],
        );
        check(
            "http://localhost:3000",
            &["http://localhost:3000"],
            &["http://127.0.0.1:3000", "http://localhost"],
        );
    }

    #[test]
    fn a_pattern_is_for_any_depth_and_not_for_the_bare_domain() {
        check(
            "https://*.example.com",
            &["https://a.example.com", "https://a.b.example.com/x", "https://A.EXAMPLE.com"],
            &[
                "https://example.com",
                "http://a.example.com",
                "https://a.example.com:8443",
                "https://a.example.com.evil.test",
                "https://evil.test/.example.com",
                "https://evil.test\\.example.com",
                "https://evil.test#.example.com",
            ],
        );
        check("https://app?.example.com", &["https://app1.example.com"], &["https://app.example.com"]);
        check(
            "http://localhost:*",
            &["http://localhost:3000", "http://localhost"],
            &["http://localhost.a:1"],
        );
        check("https://a*b*c.example", &["https://axbxbc.example"], &["https://axbx.example"]);
    }

    #[test]
    fn a_pattern_without_a_scheme_is_for_any() {
        check(
            "*.example.com",
            &["https://a.example.com", "http://a.example.com", "myapp://a.example.com"],
            &["https://example.com", "javascript://a.example.com/%0aalert(1)", "data:text/html,.example.com"],
        );
    }

    #[test]
    fn schemes_of_ones_own_are_trusted_whole() {
        check("myapp://", &["myapp://", "myapp://anything/at", "MYAPP://x"], &["myapp2://", "https://myapp"]);
        check("myapp://home", &["myapp://home/x"], &["myapp://home.evil.test", "myapp://"]);
        check("exp://192.168.*.*:*", &["exp://192.168.1.2:8081/x"], &["exp://192.168.evil.test:8081"]);
    }

    #[test]
    fn patterns_of_addresses_match_addresses_alone() {
        check(
            "192.168.*.*",
            &["http://192.168.1.2", "https://192.168.255.0"],
            &[
                "http://192.168.evil.test",
                "http://192.168.1.2.evil.test",
                "http://10.0.0.1",
                "x://192.168.1.b",
            ],
        );
        check("http://192.168.*.*", &["http://192.168.1.2"], &["http://192.168.evil.test"]);
    }

    #[test]
    fn entries_that_cannot_be_used_are_named() {
        for entry in [
            "",
            "*",
            "*:*",
            "*.*",
            "https://*",
            "https://",
            "://",
            "app.example.com",
            "localhost:3000",
            "javascript://",
            "javascript://*.example.com",
            "data://x",
            "https://a b",
            "mailto:a@b.co",
        ] {
            let error = TrustedOrigins::parse("https://own.example", [entry]).err();
            assert_eq!(error, Some(BadEntry(entry.to_owned())), "{entry}");
        }
        assert!(TrustedOrigins::parse("own.example", []).is_err());
    }

    #[test]
    fn patterns_end_in_bounded_time() {
        let text = "a".repeat(4000);
        assert!(!matches_pattern("*a".repeat(200).as_bytes(), format!("{text}b").as_bytes()));
        assert!(matches_pattern(b"a**?", b"ab"));
        assert!(matches_pattern(b"", b"") && matches_pattern(b"*", b"") && !matches_pattern(b"?", b""));
    }
}
