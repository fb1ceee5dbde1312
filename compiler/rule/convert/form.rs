//! Rules of DNS lists in the form of a hosts file, of AdGuard and of a list of names.

use crate::adblock_parts::AdblockParts;
use crate::host::is_ip;
use crate::line::{hosts_names, is_blank, is_comment, is_plain_domain, is_space, trim};
use crate::rule::ast::RuleKind;
use crate::rule::parse_rule;

/// Addresses in hosts lines that lead nowhere, which is how a hosts file blocks.
const NOWHERE: &[&str] = &["0.0.0.0", "127.0.0.1", "::", "::0", "::1", "0:0:0:0:0:0:0:0"];

/// How a list for DNS filters names a host to block.
///
/// They are not quite equal: a hosts file and a list of names block that one name, AdGuard's form those under it,
/// too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `0.0.0.0 example.org`
    Hosts,
    /// `||example.org^`
    AdGuard,
    /// `example.org`
    Domains,
}

/// Why a rule has no such form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoForm {
    /// It allows what others block.
    #[error("an exception has no such form")]
    Exception,
    /// It holds under conditions only.
    #[error("options have no such form: {options}")]
    Options {
        /// What stands behind the `$`.
        options: String,
    },
    /// It is about pages, not about hosts.
    #[error("a cosmetic rule has no such form")]
    Cosmetic,
    /// It matches more than one name, or part of an address.
    #[error("a pattern has no such form: {pattern}")]
    Pattern {
        /// The pattern.
        pattern: String,
    },
    /// It leads the name to an address and does not block it.
    #[error("a redirection to an address has no such form: {address}")]
    Redirection {
        /// The address.
        address: String,
    },
    /// It names an IP address.
    #[error("an IP address has no such form: {address}")]
    Address {
        /// The address.
        address: String,
    },
    /// The name has letters beyond ASCII; the transformation `ConvertToAscii` makes another name of it.
    #[error("a name that is not in ASCII has no such form: {name}")]
    NotAscii {
        /// The name.
        name: String,
    },
    /// The name is no domain with at least two labels.
    #[error("not a domain name: {name}")]
    NotADomain {
        /// The name.
        name: String,
    },
    /// It is a hosts line without names.
    #[error("a hosts line without names")]
    NoNames,
}

/// Writes one line of a DNS list in another form: one rule for each name, comments as comments, and a blank line as
/// one.
///
/// What already has the form of AdGuard stays as it is there, exceptions and options included.
///
/// ```
/// use compiler::rule::convert::{Form, NoForm, to_form};
///
/// assert_eq!(to_form("0.0.0.0 a.org b.org", Form::AdGuard).unwrap(), ["||a.org^", "||b.org^"]);
/// assert_eq!(to_form("! ads", Form::Hosts).unwrap(), ["# ads"]);
/// assert_eq!(to_form("@@||a.org^", Form::Hosts), Err(NoForm::Exception));
/// ```
///
/// # Errors
///
/// [`NoForm`], which says what there is no way to say in that form.
pub fn to_form(text: &str, form: Form) -> Result<Vec<String>, NoForm> {
    let line = trim(text);
    if is_blank(line) {
        return Ok(vec![String::new()]);
    }
    if is_comment(line) {
        return Ok(vec![comment(line, form)]);
    }
    if let Some(names) = hosts_names(line) {
        let address = line.split(is_space).next().unwrap_or("");
        if !NOWHERE.contains(&address) {
            return Err(NoForm::Redirection { address: address.to_owned() });
        }
        let rules: Vec<String> = names.map(|name| written(name, form)).collect::<Result<_, _>>()?;
        return if rules.is_empty() { Err(NoForm::NoNames) } else { Ok(rules) };
    }
    if is_plain_domain(line) {
        return Ok(vec![written(line, form)?]);
    }
    if matches!(parse_rule(line).kind, RuleKind::Cosmetic(_)) {
        return Err(NoForm::Cosmetic);
    }
    if form == Form::AdGuard {
        return Ok(vec![line.to_owned()]);
    }
    Ok(vec![written(blocked_name(line)?, form)?])
}

/// The comment with the mark that is usual in that form.
fn comment(line: &str, form: Form) -> String {
    let mark = if form == Form::AdGuard { '!' } else { '#' };
    match line.get(1..).map_or("", trim) {
        "" => mark.to_string(),
        text => format!("{mark} {text}"),
    }
}

/// The name in `||name^`, if that is all there is.
fn blocked_name(line: &str) -> Result<&str, NoForm> {
    let pattern = || NoForm::Pattern { pattern: line.to_owned() };
    let parts = AdblockParts::parse(line).map_err(|_| pattern())?;
    if parts.allow {
        return Err(NoForm::Exception);
    }
    if !parts.has_no_options() {
        return Err(NoForm::Options { options: parts.options.to_owned() });
    }
    let name =
        parts.pattern.strip_prefix("||").and_then(|rest| rest.strip_suffix('^')).ok_or_else(pattern)?;
    if name.contains(['*', '/', '^', '|', ':', '?', '=', '&']) && !is_ip(name) {
        return Err(pattern());
    }
    Ok(name)
}

fn written(name: &str, form: Form) -> Result<String, NoForm> {
    if is_ip(name) {
        return Err(NoForm::Address { address: name.to_owned() });
    }
    if !name.is_ascii() {
        return Err(NoForm::NotAscii { name: name.to_owned() });
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if !is_plain_domain(name) {
        return Err(NoForm::NotADomain { name: name.to_owned() });
    }
    Ok(match form {
        Form::Hosts => format!("0.0.0.0 {name}"),
        Form::AdGuard => format!("||{name}^"),
        Form::Domains => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(line: &str) -> [String; 3] {
        [Form::Hosts, Form::AdGuard, Form::Domains].map(|form| match to_form(line, form) {
            Ok(rules) => rules.join(" | "),
            Err(reason) => reason.to_string(),
        })
    }

    #[test]
    fn a_name_has_all_forms() {
        for line in
            ["0.0.0.0 a.org", "127.0.0.1\ta.org # x", "::1 a.org", "||a.org^", "a.org", " a.org ", "a.org."]
        {
            assert_eq!(forms(line), ["0.0.0.0 a.org", "||a.org^", "a.org"], "{line}");
        }
        assert_eq!(
            forms("0.0.0.0 a.org b.org#x"),
            ["0.0.0.0 a.org | 0.0.0.0 b.org", "||a.org^ | ||b.org^", "a.org | b.org"]
        );
    }

    #[test]
    fn comments_and_blank_lines_stay() {
        assert_eq!(forms("! Title: x"), ["# Title: x", "! Title: x", "# Title: x"]);
        assert_eq!(forms("# x"), ["# x", "! x", "# x"]);
        assert_eq!(forms("#"), ["#", "!", "#"]);
        assert_eq!(forms("!#if x"), ["# #if x", "! #if x", "# #if x"]);
        assert_eq!(forms("  "), ["", "", ""]);
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_reason() {
        for (line, reason) in [
            ("@@||a.org^", NoForm::Exception),
            ("||a.org^$important", NoForm::Options { options: "important".to_owned() }),
            ("||a.org", NoForm::Pattern { pattern: "||a.org".to_owned() }),
            ("||*.a.org^", NoForm::Pattern { pattern: "||*.a.org^".to_owned() }),
            ("/ads/", NoForm::Pattern { pattern: "/ads/".to_owned() }),
            ("||1.2.3.4^", NoForm::Address { address: "1.2.3.4".to_owned() }),
            ("||ü.de^", NoForm::NotAscii { name: "ü.de".to_owned() }),
            ("||org^", NoForm::NotADomain { name: "org".to_owned() }),
        ] {
            for form in [Form::Hosts, Form::Domains] {
                assert_eq!(to_form(line, form), Err(reason.clone()), "{line}");
            }
            assert_eq!(to_form(line, Form::AdGuard), Ok(vec![line.to_owned()]), "{line}");
        }
        for (line, reason) in [
            ("127.0.0.1 localhost", NoForm::NotADomain { name: "localhost".to_owned() }),
            ("0.0.0.0 1.2.3.4", NoForm::Address { address: "1.2.3.4".to_owned() }),
            ("1.2.3.4 a.org", NoForm::Redirection { address: "1.2.3.4".to_owned() }),
            ("0.0.0.0  #x", NoForm::NoNames),
            ("1.2.3.4", NoForm::Address { address: "1.2.3.4".to_owned() }),
        ] {
            for form in [Form::Hosts, Form::AdGuard, Form::Domains] {
                assert_eq!(to_form(line, form), Err(reason.clone()), "{line}");
            }
        }
    }
}
