//! Rules about requests: patterns with modifiers, and lines of hosts files.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Fault, Parsed, parse_modifiers};
use crate::host;
use crate::rule::ast::{HostRule, HostnameList, NetworkRule, RuleKind, Syntax, Value};
use crate::rule::source::{Part, is_blank};

/// The address a lone domain stands for.
const NO_ADDRESS: &str = "0.0.0.0";

/// Parses a pattern with modifiers, which is what every line is that is nothing else.
pub(super) fn parse(rule: Part<'_>) -> Result<Parsed, Fault> {
    let text = rule.trim();
    let (exception, rest) = match text.strip_prefix("@@") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (pattern, modifiers) = match find_modifiers(rest) {
        None => (rest, None),
        Some(at) => {
            let list = rest.from(at + 1);
            if list.trim().is_empty() {
                return Err(rest.from(at).to_end_of_rule().fault("Empty modifiers are not allowed"));
            }
            (rest.to(at).trim_end(), Some(parse_modifiers(list)?))
        }
    };
    if pattern.is_empty() && modifiers.is_none() {
        return Err(rule.fault("Network rule must have a pattern or modifiers"));
    }
    Ok((Syntax::Common, RuleKind::Network(NetworkRule { exception, pattern: pattern.value(), modifiers })))
}

/// Where the modifiers begin: the last `$` that neither stands behind a backslash, nor before a slash as in a
/// regular expression.
pub(in crate::rule) fn find_modifiers(rest: Part<'_>) -> Option<usize> {
    memchr::memrchr_iter(b'$', rest.bytes())
        .find(|&at| rest.byte(at + 1) != Some(b'/') && !rest.is_escaped(at))
}

/// Parses a line of a hosts file, or a domain that stands alone. Anything odd makes it a pattern instead.
pub(in crate::rule) fn parse_host(rule: Part<'_>) -> Option<Parsed> {
    let (names, comment) = match rule.find(b'#') {
        None => (rule, None),
        Some(at) => {
            let names = rule.to(at);
            // What touches the comment belongs to neither.
            let kept = names.bytes().iter().rposition(|&b| is_blank(b)).map_or(0, |blank| blank + 1);
            (names.to(kept), Some(rule.from(at + 1).trim_start().value()))
        }
    };
    let mut tokens = tokens(names);
    let first = tokens.next()?;
    let mut hostnames = Vec::new();
    for name in tokens {
        // Cheap tests first: most lines are no hosts lines, and say so in their first token.
        if hostnames.is_empty() && !is_address(first.text()) || !host::is_bare_host(name.text()) {
            return None;
        }
        hostnames.push(name.value());
    }
    let is_lone_domain = hostnames.is_empty();
    let ip = if is_lone_domain {
        if !host::is_registrable_domain(first.text()) {
            return None;
        }
        hostnames.push(first.value());
        Value::new(NO_ADDRESS)
    } else {
        first.value()
    };
    let hostnames = HostnameList { children: hostnames };
    Some((Syntax::Common, RuleKind::Host(HostRule { ip, hostnames, comment, is_lone_domain })))
}

fn tokens(mut rest: Part<'_>) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let len = rest.bytes().iter().take_while(|&&b| !is_blank(b)).count();
        let token = rest.to(len);
        rest = rest.from(len);
        (len > 0).then_some(token)
    })
}

/// An IPv4 address, or an IPv6 address with or without a zone.
fn is_address(text: &str) -> bool {
    if text.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    let (address, zone) = text.split_once('%').unwrap_or((text, "x"));
    let is_zone = !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric());
    is_zone && address.parse::<Ipv6Addr>().is_ok()
}
