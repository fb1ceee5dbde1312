//! The four validators: drop what does not work as a rule of a DNS filter, or would block too much.
//!
//! They differ only in what they let pass, see [`Allowances`]. Where IPs are allowed, addresses are first
//! written in one form. A dropped rule takes the comments and empty lines directly above with it. The
//! text of what stays is not touched.

pub(super) use crate::host::Allowances;

use super::removal::remove_with_headings;
use crate::adblock_parts::{AdblockParts, NoRule};
use crate::details::{Fault, clip};
use crate::host::{self, is_address, is_ordinary, is_public_suffix};
use crate::ip_pattern::IpPattern;
use crate::line::{hosts_names, is_blank, is_comment, labels, trim};
use crate::text::{Line, Pages};

/// The shortest pattern, in characters, that is not the exact form of a domain: what is shorter would
/// hit half of all names.
const MIN_PATTERN_LENGTH: usize = 5;

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>, allowances: Allowances) {
    if allowances.ip {
        normalise_addresses(pages, lines);
    }
    remove_with_headings(pages, lines, |_, text, _| judge(text, allowances).is_err());
}

/// Writes whole addresses as `||a.b.c.d^` and whole networks of three numbers with `||` in front.
pub(super) fn normalise_addresses(pages: &mut Pages, lines: &mut [Line]) {
    let mut rewritten = String::new();
    for line in lines {
        let text = pages.text(*line);
        if text.starts_with(['!', '#']) {
            continue;
        }
        let Ok(parts) = AdblockParts::parse(text) else { continue };
        let Some(pattern) = IpPattern::parse(parts.pattern).and_then(|ip| ip.normalised()) else { continue };
        if pattern != parts.pattern {
            rewritten.clear();
            parts.write(&mut rewritten, &pattern, |_| true);
            *line = pages.write(&rewritten);
        }
    }
}

/// Whether a line may stay, and if not, why. Comments and blanks always may.
pub(super) fn judge(line: &str, allowances: Allowances) -> Result<(), Fault> {
    // Most lines of most lists, above all behind `Compress`. Nothing below would say otherwise of them: such a
    // name is an exact domain, has no characters that need a look, and is no address.
    if let Some(name) = line.strip_prefix("||").and_then(|rest| rest.strip_suffix('^'))
        && is_ordinary(name)
    {
        return host::judge(name, allowances, false);
    }
    if is_comment(line) || is_blank(line) {
        return Ok(());
    }
    match hosts_names(line) {
        // A hosts line without any name makes the reference fail; it blocks nothing, so it goes.
        Some(mut names) => {
            names.clone().next().ok_or(Fault::NoName)?;
            names.try_for_each(|name| host::judge(name, allowances, false))
        }
        None => judge_adblock_rule(line, allowances),
    }
}

/// Judges a rule that is no hosts line. The order of the checks matters: a regular expression is not asked
/// for its characters, and an address is refused as such before anything is said about its host.
fn judge_adblock_rule(line: &str, allowances: Allowances) -> Result<(), Fault> {
    let parts = AdblockParts::parse(line).map_err(|NoRule| Fault::NoRule)?;
    let pattern = parts.pattern;
    let mut is_limited = false;
    let mut has_denyallow = false;
    for option in parts.options() {
        match option.name() {
            "denyallow" => (is_limited, has_denyallow) = (true, true),
            "badfilter" | "client" => is_limited = true,
            name if is_known_option(name) => {}
            _ => return Err(Fault::UnknownOption),
        }
    }
    let exact_domain = exact_domain(pattern);
    if exact_domain.is_none() && pattern.encode_utf16().take(MIN_PATTERN_LENGTH).count() < MIN_PATTERN_LENGTH
    {
        return Err(Fault::TooShort);
    }
    if pattern.starts_with('/') && pattern.ends_with('/') {
        return Ok(());
    }
    if !has_only_pattern_characters(pattern) {
        return Err(Fault::Characters);
    }
    if let Some(ip) = IpPattern::parse(pattern) {
        if has_denyallow {
            return Err(Fault::DenyallowOnIp);
        }
        if ip.is_refused(allowances.ip) {
            return Err(Fault::VagueIp);
        }
    }
    let body = pattern.strip_prefix("||").or_else(|| pattern.strip_prefix('|')).unwrap_or(pattern);
    if is_address(body.strip_suffix("^|").or_else(|| body.strip_suffix('^')).unwrap_or(body)) {
        return if allowances.ip { Ok(()) } else { Err(Fault::Ip) };
    }
    let separator = pattern.find('^');
    // Only the first star counts: one before the separator excuses all behind it.
    if separator.is_some_and(|separator| pattern.find('*').is_some_and(|star| star > separator)) {
        return Err(Fault::WildcardBehindSeparator);
    }
    if let Some(domain) = exact_domain {
        return host::judge(domain, allowances, is_limited);
    }
    match (pattern.strip_prefix("||"), separator) {
        (Some(rest), Some(at)) => judge_domain_pattern(rest, at - "||".len(), allowances, is_limited),
        _ => Ok(()),
    }
}

/// Judges what follows `||` when there is a `^`, at `separator`.
fn judge_domain_pattern(
    rest: &str,
    separator: usize,
    allowances: Allowances,
    is_limited: bool,
) -> Result<(), Fault> {
    let (name, tail) = rest.split_at_checked(separator).unwrap_or((rest, ""));
    if name.contains('*') {
        return match name.strip_prefix("*.") {
            Some(suffix) if is_public_suffix(suffix) => host::judge(suffix, allowances, is_limited),
            _ => Ok(()),
        };
    }
    let after = tail.strip_prefix('^').unwrap_or(tail);
    host::judge(name, allowances, is_limited)?;
    if after.is_empty() || after.starts_with('|') { Ok(()) } else { Err(Fault::TextBehindSeparator) }
}

/// Whether a DNS filter knows an option.
fn is_known_option(name: &str) -> bool {
    matches!(
        name,
        "important" | "~important" | "dnstype" | "dnsrewrite" | "ctag" | "denyallow" | "badfilter" | "client"
    )
}

/// The option or name that a fault of a line is about; empty if it is the rule as a whole.
pub(super) fn offender(line: &str, allowances: Allowances, fault: Fault) -> String {
    if let Some(mut names) = hosts_names(line) {
        let wrong = names.find(|name| host::judge(name, allowances, false).is_err());
        return clip(wrong.unwrap_or(""));
    }
    let Ok(parts) = AdblockParts::parse(line) else { return String::new() };
    let mut options = parts.options();
    match fault {
        Fault::UnknownOption => options
            .find(|option| !is_known_option(option.name()))
            .map_or_else(String::new, |option| clip(option.name())),
        _ => clip(parts.pattern),
    }
}

/// The domain in a pattern that is exactly a domain: `||`, `*.` or `.` before it are optional, the `^`
/// behind it is not. Its final dot is cut.
fn exact_domain(pattern: &str) -> Option<&str> {
    let rest = pattern.strip_suffix('|').unwrap_or(pattern).strip_suffix('^')?;
    let rest = rest.strip_prefix("||").unwrap_or(rest);
    let rest = rest.strip_prefix("*.").or_else(|| rest.strip_prefix('.')).unwrap_or(rest);
    let domain = rest.strip_suffix('.').unwrap_or(rest);
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    labels(domain).all(is_label).then_some(domain)
}

/// Whether a pattern has nothing in it that a host name cannot match, but for a `://` in front.
fn has_only_pattern_characters(pattern: &str) -> bool {
    let body = if pattern.starts_with("://") { pattern.trim_start_matches([':', '/']) } else { pattern };
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'*' | b'|' | b'^');
    !trim(body).is_empty() && body.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::super::Transformation::{self, *};
    use super::super::testing::run;

    fn keeps(validator: Transformation, rule: &str) -> bool {
        !run(validator, &[rule]).is_empty()
    }

    #[test]
    fn an_address_behind_slashes_is_one() {
        assert!(!keeps(Validate, "://1.2.3.4"));
        assert!(keeps(ValidateAllowIp, "://1.2.3.4"));
        assert!(keeps(Validate, "://1.2.3.com"));
    }

    #[test]
    fn rules_of_a_dns_filter_stay() {
        for rule in [
            "||example.org^",
            " ||example.org^ ",
            "@@||a.org^|",
            "||a.org^$important,ctag=x",
            "0.0.0.0 a.org b.org",
            "/ads/",
            "||org",
            "adserver",
            "|x.org^",
            "||*.org^$denyallow=a.org",
            "://ads.org",
            "||ad*.org^",
            "! c",
            "  ",
            "",
        ] {
            assert!(keeps(Validate, rule), "{rule}");
        }
    }

    #[test]
    fn what_does_not_work_goes() {
        for rule in [
            "||org^",
            "||a.org^$third-party",
            "||a",
            "a.org##.ad",
            "0.0.0.0 a.org localhost",
            "@@",
            "||пример.рф^",
            "||a.org^x",
            "||a^*.b",
            "example.org/path",
            "0.0.0.0  ",
            "://////",
        ] {
            assert!(!keeps(Validate, rule), "{rule}");
        }
    }

    #[test]
    fn allowances_let_addresses_and_suffixes_pass() {
        assert_eq!(
            run(ValidateAllowIp, &["1.2.3.4$important", " 1.2.3. "]),
            ["||1.2.3.4^$important", "||1.2.3."]
        );
        assert!(!keeps(Validate, "||1.2.3.4^"));
        assert!(keeps(ValidateAllowPublicSuffix, "||co.uk^"));
        assert!(!keeps(ValidateAllowIp, "||co.uk^"));
        assert!(
            keeps(ValidateAllowIpAndPublicSuffix, "||1.2.3.4^")
                && keeps(ValidateAllowIpAndPublicSuffix, "||org^")
        );
    }

    #[test]
    fn headings_go_with_their_rule_but_blanks_stop_them() {
        assert_eq!(
            run(Validate, &["! 1", "", "||bad", "x", "! 2", "  ", "||org^"]),
            ["! 1", "", "||bad", "! 2", "  "]
        );
    }
}
