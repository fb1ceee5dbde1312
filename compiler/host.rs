//! Whether a name can be blocked as a host: the check at the bottom of the four validators.
//!
//! A name passes when it is a well-formed host of its own, not an address and not a whole public suffix,
//! unless the validator allows those. The reference hands every name to a URL parser first, so `http://x.org/y`
//! passes as `x.org`; that is kept. Nothing is resolved and no address is checked for its range.

use std::borrow::Cow;

use crate::details::Fault;
use crate::line::{MAX_LABEL_LENGTH, labels};
use crate::public_suffix;

/// The longest host, in UTF-16 units (the reference measures JavaScript strings).
const MAX_HOST_LENGTH: usize = 255;

/// What a validator lets pass beyond ordinary hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowances {
    pub(crate) ip: bool,
    pub(crate) public_suffix: bool,
}

impl Allowances {
    pub(crate) const NONE: Self = Allowances { ip: false, public_suffix: false };
    pub(crate) const IP: Self = Allowances { ip: true, public_suffix: false };
    pub(crate) const PUBLIC_SUFFIX: Self = Allowances { ip: false, public_suffix: true };
    pub(crate) const BOTH: Self = Allowances { ip: true, public_suffix: true };
}

/// Whether a name may stand in a rule, and if not, why. `is_limited` says that an option narrows the rule
/// down, so that a whole public suffix does no harm.
pub(crate) fn judge(name: &str, allowances: Allowances, is_limited: bool) -> Result<(), Fault> {
    let judge_suffix = |host: &str| {
        if is_limited || is_no_suffix(host, allowances) { Ok(()) } else { Err(Fault::PublicSuffix) }
    };
    if is_ordinary(name) {
        return judge_suffix(name);
    }
    let has_letter_or_digit = |host: &Cow<'_, str>| host.bytes().any(|b| b.is_ascii_alphanumeric());
    let host = host_of(name).filter(has_letter_or_digit).ok_or(Fault::Host)?;
    if is_ip(&host) {
        return if allowances.ip { Ok(()) } else { Err(Fault::Ip) };
    }
    if !is_well_formed(&host) {
        return Err(Fault::Host);
    }
    judge_suffix(&host)
}

/// Whether a host is no whole public suffix, or one that may be blocked.
fn is_no_suffix(host: &str, allowances: Allowances) -> bool {
    match public_suffix::of_whole(host) {
        None => true,
        Some(suffix) => allowances.public_suffix && suffix.is_known,
    }
}

/// Whether a name is what nearly all names are, found in one walk over it: labels of 1 to 63 lower-case letters,
/// digits and inner hyphens, one letter at least. Such a name is a well-formed host as it stands, no
/// address and no pattern.
pub(crate) fn is_ordinary(name: &str) -> bool {
    let mut label_length = 0;
    let mut has_letter = false;
    let mut previous = b'.';
    for b in name.bytes() {
        match b {
            b'a'..=b'z' => has_letter = true,
            b'0'..=b'9' => {}
            b'-' if label_length > 0 => {}
            b'.' if label_length > 0 && previous != b'-' => label_length = usize::MAX,
            _ => return false,
        }
        label_length = label_length.wrapping_add(1);
        if label_length > MAX_LABEL_LENGTH {
            return false;
        }
        previous = b;
    }
    has_letter && label_length > 0 && previous != b'-' && name.len() <= MAX_HOST_LENGTH
}

/// Whether a name has an IP address for its host, as `1.2.3.4` and `://1.2.3.4` have.
pub(crate) fn is_address(name: &str) -> bool {
    host_of(name).is_some_and(|host| is_ip(&host))
}

/// Whether a name, as it is written, is its own public suffix.
pub(crate) fn is_public_suffix(name: &str) -> bool {
    host_of(name).is_some_and(|host| {
        !is_ip(&host) && is_well_formed(&host) && host == name && public_suffix::of_whole(&host).is_some()
    })
}

/// Whether a name is exactly what would be taken out of it as its host.
pub(crate) fn is_bare_host(name: &str) -> bool {
    host_of(name).is_some_and(|host| host == name)
}

/// Whether a name, as it is written, is one label and its public suffix: what one can register.
pub(crate) fn is_registrable_domain(name: &str) -> bool {
    if !is_well_formed(name) || name.starts_with('_') || name.ends_with('.') || is_ip(name) {
        return false;
    }
    let parent = name.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent);
    // An exception is registered below a name that is no suffix by itself.
    parent
        .is_some_and(|parent| public_suffix::of_whole(parent).is_some() || public_suffix::is_exception(name))
        && public_suffix::of_whole(name).is_none()
}

/// The host in a name: the name itself if it is well formed, otherwise what a URL has as its host.
fn host_of(name: &str) -> Option<Cow<'_, str>> {
    if is_well_formed(name) {
        return Some(Cow::Borrowed(without_final_dots(name)));
    }
    if name.starts_with("data:") {
        return None;
    }
    let url = name.trim_matches(|c: char| c <= ' ');
    let authority = match url.strip_prefix("//") {
        Some(rest) => rest,
        None => match url.find(":/") {
            None => url,
            Some(at) => {
                let (scheme, rest) = url.split_at(at);
                let is_scheme = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+');
                if !scheme.bytes().all(is_scheme) {
                    return None;
                }
                rest.trim_start_matches(':').trim_start_matches('/')
            }
        },
    };
    let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    let authority = authority.get(..end)?;
    let host = match authority.rfind('@') {
        Some(at) if at > 0 => authority.get(at + 1..)?,
        _ => authority,
    };
    if let Some(inside) = host.strip_prefix('[') {
        return inside
            .rfind(']')
            .and_then(|end| inside.get(..end))
            .map(|inside| Cow::Owned(inside.to_lowercase()));
    }
    let host = match host.rfind(':') {
        Some(port) if port > 0 => host.get(..port)?,
        _ => host,
    };
    let host = without_final_dots(host);
    if authority.bytes().any(|b| b.is_ascii_uppercase()) {
        Some(Cow::Owned(host.to_lowercase()))
    } else {
        Some(Cow::Borrowed(host))
    }
}

/// The name without dots at its end, but at least its first character.
fn without_final_dots(name: &str) -> &str {
    let trimmed = name.trim_end_matches('.');
    if trimmed.is_empty() { name.get(..1).unwrap_or(name) } else { trimmed }
}

/// Lower-case letters, digits, hyphens, underscores and non-ASCII in labels of at most 63. Only the
/// first label may be empty; the last may be too, which is how a final dot gets in.
fn is_well_formed(name: &str) -> bool {
    // A UTF-16 unit takes at least one byte, so counting is needed only for names near the limit.
    if name.is_empty() || (name.len() > MAX_HOST_LENGTH && utf16_length(name) > MAX_HOST_LENGTH) {
        return false;
    }
    if name.starts_with('-') {
        return false;
    }
    let is_label_byte = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') || !b.is_ascii();
    let mut labels = labels(name).peekable();
    let mut is_first = true;
    while let Some(label) = labels.next() {
        let is_last = labels.peek().is_none();
        let is_empty = label.is_empty() && !is_first && !is_last;
        let ends_badly = label.ends_with('-') || (label.ends_with('_') && !is_last);
        let is_long = label.len() > MAX_LABEL_LENGTH && utf16_length(label) > MAX_LABEL_LENGTH;
        if is_empty || ends_badly || is_long || !label.bytes().all(is_label_byte) {
            return false;
        }
        is_first = false;
    }
    true
}

/// The length of a text as JavaScript counts it.
fn utf16_length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Whether a host looks like an IP address; numbers and groups are not checked.
pub(crate) fn is_ip(host: &str) -> bool {
    looks_like_ipv4(host) || looks_like_ipv6(host)
}

/// 7 to 15 digits and dots, three dots in all, none at an end: `999.1.1.1` and `1..1.1` look so too.
fn looks_like_ipv4(host: &str) -> bool {
    (7..=15).contains(&host.len())
        && host.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && host.bytes().filter(|&b| b == b'.').count() == 3
        && !host.starts_with('.')
        && !host.ends_with('.')
}

/// Digits and colons in optional brackets, 39 characters at most, which is the longest an address can be.
fn looks_like_ipv6(host: &str) -> bool {
    let inside = host.strip_prefix('[').unwrap_or(host);
    let inside = inside.strip_suffix(']').unwrap_or(inside);
    // The reference takes every capital letter for a digit.
    let is_digit = |b: u8| b.is_ascii_hexdigit() || b.is_ascii_uppercase();
    host.len() >= 3
        && inside.len() <= 39
        && inside.contains(':')
        && inside.bytes().all(|b| b == b':' || is_digit(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(name: &str) -> bool {
        judge(name, Allowances::NONE, false).is_ok()
    }

    fn is_allowed(name: &str, allowances: Allowances, is_limited: bool) -> bool {
        judge(name, allowances, is_limited).is_ok()
    }

    #[test]
    fn ordinary_hosts_pass() {
        for name in [
            "example.org",
            "_dmarc.a.org",
            "a.-b.org",
            "пример.com",
            ".org",
            "a.org.",
            "a.org..",
            "xn--p1ai.x",
        ] {
            assert!(passes(name), "{name}");
        }
        for name in
            ["", "org", "localhost", "-a.org", "a-.org", "a_.org", "a..org", "a.org-", "пример.рф", "a b.org"]
        {
            assert!(!passes(name), "{name}");
        }
        assert!(!passes(&format!("{}.org", "a".repeat(64))));
        assert!(passes(&format!("{}.org", "a".repeat(63))));
    }

    #[test]
    fn a_url_passes_for_its_host() {
        for name in ["http://a.org/x", "//a.org", "u:p@a.org", "A.ORG", "a.org:80", "a.org?x", "x+y:///a.org"]
        {
            assert!(passes(name), "{name}");
        }
        for name in ["data:a.org", "h_p://a.org", "http://", "[::1]"] {
            assert!(!passes(name), "{name}");
        }
    }

    #[test]
    fn addresses_pass_where_they_are_allowed() {
        for name in ["1.2.3.4", "999.1.1.1", "[::1]", "fe80::1"] {
            assert!(!passes(name), "{name}");
            assert!(is_allowed(name, Allowances::IP, false), "{name}");
        }
        assert!(passes("1.2.3"));
        // Without brackets the last colon begins a port, and too little is left.
        assert!(!is_allowed("::1", Allowances::IP, false));
        assert!(is_allowed("::0:", Allowances::IP, false));
        assert!(!is_allowed("::::", Allowances::IP, false));
    }

    #[test]
    fn whole_suffixes_pass_where_they_do_no_harm() {
        assert!(is_allowed("org", Allowances::NONE, true));
        assert!(is_allowed("co.uk", Allowances::PUBLIC_SUFFIX, false));
        assert!(is_allowed("test", Allowances::NONE, true));
        assert!(!is_allowed("test", Allowances::PUBLIC_SUFFIX, false));
        assert!(!is_allowed("ck", Allowances::PUBLIC_SUFFIX, false));
    }
}
