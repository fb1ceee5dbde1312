//! Which addresses a source may have: public ones on the web, nothing else.
//!
//! The guard judges literal addresses in every spelling (a URL parser folds decimal, octal and hexadecimal
//! ones) and names that are private by definition. A public name that resolves to a private address can't
//! be seen from here, because Workers resolve names inside `fetch`; there the platform itself refuses to
//! connect to private addresses.
//!
//! Sources: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates), RFC 6761
//! and RFC 6762 for names.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Names that are private by definition, and every name below them.
const PRIVATE_NAMES: [&str; 7] =
    ["localhost", "localdomain", "local", "internal", "lan", "home.arpa", "workers.dev"];

/// Blocks of IPv4 that are not on the public internet: base address and prefix length.
const PRIVATE_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Blocks inside IPv6's global unicast space (2000::/3) that lead elsewhere: protocol assignments with
/// Teredo, documentation, 6to4, documentation again. All outside that space is refused as a whole, and
/// with it loopback, IPv4-mapped, NAT64, unique local, link-local and multicast.
const PRIVATE_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Why an address was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Not a URL at all.
    #[error("not a valid URL")]
    NotAUrl,
    /// Neither http nor https.
    #[error("only http and https URLs are fetched")]
    Scheme,
    /// A user name or password in the URL.
    #[error("a URL with a user name or password is not fetched")]
    UserInfo,
    /// Private, loopback, link-local, metadata, reserved.
    #[error("URL targets a private or restricted address")]
    PrivateAddress,
    /// The service itself.
    #[error("URL targets own Worker hostname")]
    OwnHost,
}

/// The rules for one request.
#[derive(Debug, Clone)]
pub struct Guard {
    own_host: Option<String>,
    loopback: bool,
}

impl Guard {
    /// Refuses `own_host` besides all that is private. `loopback` opens 127.0.0.0/8, `[::1]` and
    /// `localhost`, for lists served on a developer's machine.
    pub fn new(own_host: Option<&str>, loopback: bool) -> Self {
        Self { own_host: own_host.map(str::to_owned), loopback }
    }

    /// Whether the URL leads to this machine, and may.
    pub fn is_open_to(&self, url: &Url) -> bool {
        self.loopback && url.host().is_some_and(|host| is_loopback(&host.to_owned()))
    }

    /// The URL, if it may be fetched.
    ///
    /// # Errors
    /// [`Forbidden`].
    pub fn check(&self, text: &str) -> Result<Url, Forbidden> {
        let url = Url::parse(text).or(Err(Forbidden::NotAUrl))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Forbidden::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Forbidden::UserInfo);
        }
        let host = url.host().ok_or(Forbidden::NotAUrl)?.to_owned();
        if self.loopback && is_loopback(&host) {
            return Ok(url);
        }
        match &host {
            Host::Ipv4(address) if is_private_v4(*address) => Err(Forbidden::PrivateAddress),
            Host::Ipv6(address) if is_private_v6(*address) => Err(Forbidden::PrivateAddress),
            Host::Domain(name) if is_private_name(name) => Err(Forbidden::PrivateAddress),
            _ if self.own_host.as_deref() == Some(host.to_string().trim_end_matches('.')) => {
                Err(Forbidden::OwnHost)
            }
            _ => Ok(url),
        }
    }
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// The parser has lower-cased the name. A name without a dot is looked up in a private search list.
fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let below =
        |private: &str| name.strip_suffix(private).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.contains('.') || PRIVATE_NAMES.iter().any(|private| below(private))
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    PRIVATE_V4.iter().any(|(base, prefix)| (address.to_bits() ^ base.to_bits()) >> (32 - prefix) == 0)
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.to_bits() >> 125 != 1
        || PRIVATE_V6.iter().any(|(base, prefix)| (address.to_bits() ^ base.to_bits()) >> (128 - prefix) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<(), Forbidden> {
        Guard::new(Some("api.bloqr.dev"), false).check(url).map(drop)
    }

    #[test]
    fn public_addresses_pass() {
        for url in [
            "https://easylist.to/easylist/easylist.txt",
            "http://example.org:8080/x",
            "https://1.1.1.1/",
            "https://[2606:4700::1111]/",
            "https://172.15.0.1/",
            "https://172.32.0.1/",
            "https://localhost.example.org/",
            "https://mylocal.dev/",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn private_addresses_are_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.255.255.254",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0x7f.1",
            "0.0.0.0",
            "0",
            "10.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "127.0.0.1.",
            "１２７.0.0.1",
            "[::]",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:8.8.8.8]",
            "[::10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[fc00::1]",
            "[fd12::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[2002:a00:1::]",
            "[2001::1]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "router.lan",
            "nas.home.arpa",
            "mine.workers.dev",
            "intranet",
        ] {
            assert_eq!(check(&format!("http://{host}/x")), Err(Forbidden::PrivateAddress), "{host}");
        }
    }

    #[test]
    fn only_plain_web_addresses_are_fetched() {
        assert_eq!(check("ftp://example.org/"), Err(Forbidden::Scheme));
        assert_eq!(check("file:///etc/passwd"), Err(Forbidden::Scheme));
        assert_eq!(check("https://user@example.org/"), Err(Forbidden::UserInfo));
        assert_eq!(check("https://:secret@example.org/"), Err(Forbidden::UserInfo));
        assert_eq!(check("/relative"), Err(Forbidden::NotAUrl));
        assert_eq!(check("http://"), Err(Forbidden::NotAUrl));
    }

    #[test]
    fn the_service_does_not_fetch_itself() {
        assert_eq!(check("https://API.bloqr.dev/api/health"), Err(Forbidden::OwnHost));
        assert_eq!(check("https://api.bloqr.dev./api/health"), Err(Forbidden::OwnHost));
    }

    #[test]
    fn development_opens_loopback_and_nothing_else() {
        let guard = Guard::new(Some("localhost"), true);
        for url in ["http://127.0.0.1:9000/a", "http://localhost:9000/a", "http://[::1]:9000/a"] {
            assert!(guard.check(url).is_ok(), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "http://169.254.169.254/",
            "http://[::ffff:127.0.0.1]/",
            "http://a.localhost/",
        ] {
            assert_eq!(guard.check(url).map(drop), Err(Forbidden::PrivateAddress), "{url}");
        }
    }
}
