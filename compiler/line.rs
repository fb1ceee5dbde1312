//! What a line is: comment, blank, hosts line or plain domain.
//!
//! Every line is judged by its own form; the declared type of its source plays no part. White space is
//! JavaScript's throughout, because the reference is a JavaScript program: it has U+FEFF, which Rust's
//! `char::is_whitespace` lacks, and lacks U+0085, which Rust has.

/// The longest name that counts as a plain domain, in characters (all of them ASCII).
const MAX_DOMAIN_LENGTH: usize = 255;

/// The longest label of a domain, in characters (RFC 1035, section 2.3.4).
pub(crate) const MAX_LABEL_LENGTH: usize = 63;

/// White space in the sense of JavaScript's `\s` and `trim`.
pub(crate) fn is_space(c: char) -> bool {
    match c {
        '\t'..='\r' | ' ' => true,
        c if c.is_ascii() => false,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}' => true,
        '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}' => true,
        _ => false,
    }
}

/// The text without white space at its ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Empty, or nothing but white space.
pub(crate) fn is_blank(line: &str) -> bool {
    line.chars().all(is_space)
}

/// A comment begins with `!`, `# ` or `####`, or is a lone `#`. Everything else that begins with `#`
/// may be a cosmetic rule, and an indented `!` is a rule too.
pub(crate) fn is_comment(line: &str) -> bool {
    match line.as_bytes() {
        [b'!', ..] | [b'#'] | [b'#', b' ', ..] => true,
        [b'#', rest @ ..] => rest.starts_with(b"###"),
        _ => false,
    }
}

/// A rule is every line that is neither blank nor a comment.
pub(crate) fn is_rule(line: &str) -> bool {
    !is_comment(line) && !is_blank(line)
}

/// The names of a hosts line, or `None` when the line is not one.
///
/// A hosts line has an address-like first token at its very start, white space, and text that is not
/// only a comment. The token is not checked to be an address: `bad dog` is a hosts line with one name.
/// The names may be none at all, as in an address with two blanks behind it.
pub(crate) fn hosts_names(line: &str) -> Option<impl Iterator<Item = &str> + Clone> {
    let rest = after_address(line)?;
    let mut blank_then_names = rest.chars();
    let text = match blank_then_names.next() {
        Some(blank) if is_space(blank) => blank_then_names.as_str(),
        _ => return None,
    };
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    let (names, comment) = match memchr::memchr(b'#', text.as_bytes()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    // The reference's expression for the comment stops at line separators and then does not match.
    if comment.contains(['\n', '\r', '\u{2028}', '\u{2029}']) {
        return None;
    }
    Some(Words { rest: names })
}

/// The runs between white space. Goes byte by byte as long as they are ASCII: most words are, and they are
/// short.
#[derive(Clone)]
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start_matches(is_space);
        let ends = |b: &u8| !b.is_ascii() || matches!(b, b'\t'..=b'\r' | b' ');
        let end = match text.bytes().position(|b| ends(&b)) {
            Some(at) if text.as_bytes().get(at).is_some_and(u8::is_ascii) => at,
            Some(at) => text.get(at..)?.find(is_space).map_or(text.len(), |found| at + found),
            None => text.len(),
        };
        let (word, rest) = text.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// The parts of a name between its dots; an empty name has one, which is empty.
///
/// What `split('.')` gives, but in a plain loop: labels are so short that a search which is fast over long
/// texts takes most of its time to begin.
pub(crate) fn labels(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(name);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(dot) = text.bytes().position(|b| b == b'.') else { return rest.take() };
        rest = text.get(dot + 1..);
        text.get(..dot)
    })
}

/// What follows the address-like token: `a-f`, digits, dots, colons and brackets, then optionally an
/// IPv6 zone. Lower case only.
fn after_address(line: &str) -> Option<&str> {
    let is_address = |b: &u8| matches!(b, b'a'..=b'f' | b'0'..=b'9' | b'.' | b':' | b'[' | b']');
    let length = line.bytes().take_while(|b| is_address(b)).count();
    if length == 0 {
        return None;
    }
    let rest = line.get(length..)?;
    match rest.strip_prefix('%') {
        None => Some(rest),
        Some(zone) => {
            let length = zone.bytes().take_while(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9')).count();
            if length == 0 { None } else { zone.get(length..) }
        }
    }
}

/// A domain without anything around it: ASCII labels, at least one dot, perhaps a final one.
/// IPv4 addresses qualify; underscores and non-ASCII letters do not.
pub(crate) fn is_plain_domain(line: &str) -> bool {
    line.len() <= MAX_DOMAIN_LENGTH
        && line.bytes().any(|b| b == b'.')
        && labels(line.strip_suffix('.').unwrap_or(line)).all(is_label)
}

/// 1 to 63 ASCII letters, digits and hyphens, no hyphen at an end.
pub(crate) fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    (1..=MAX_LABEL_LENGTH).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Option<Vec<&str>> {
        hosts_names(line).map(Iterator::collect)
    }

    #[test]
    fn comments_are_told_from_rules_with_a_hash() {
        for comment in ["!", "! x", "!#if x", "#", "# x", "####", "#### x"] {
            assert!(is_comment(comment), "{comment}");
        }
        for rule in ["#x", "#\tx", "##x", "###x", " ! x", "[Adblock Plus 2.0]", "//x", ";x", "", " "] {
            assert!(!is_comment(rule), "{rule}");
        }
    }

    #[test]
    fn white_space_is_javascript_s() {
        assert!(is_blank(" \t\u{a0}\u{feff}\u{3000}\u{2028}"));
        for kept in ["\u{200b}", "\u{180e}", "\u{85}"] {
            assert!(!is_blank(kept), "{kept:?}");
        }
    }

    #[test]
    fn hosts_lines_are_recognised_by_their_first_token_only() {
        assert_eq!(names("0.0.0.0 a.com b.com # c"), Some(vec!["a.com", "b.com"]));
        assert_eq!(names("0.0.0.0\tb.net\tc.net#d"), Some(vec!["b.net", "c.net"]));
        assert_eq!(names("fe80::1%lo0 localhost"), Some(vec!["localhost"]));
        assert_eq!(names("bad dog"), Some(vec!["dog"]));
        assert_eq!(names("[::1]\u{a0}x"), Some(vec!["x"]));
        for rule in [
            "Cafe a.com",
            " 0.0.0.0 a",
            "FE80::1 x",
            "fe80::1%LO0 x",
            "0.0.0.0",
            "0.0.0.0 ",
            "0.0.0.0 #x",
            "",
        ] {
            assert_eq!(names(rule), None, "{rule}");
        }
    }

    #[test]
    fn a_hosts_line_may_have_no_name() {
        assert_eq!(names("0.0.0.0  "), Some(vec![]));
        assert_eq!(names("0.0.0.0  #c"), Some(vec![]));
    }

    #[test]
    fn plain_domains_are_ascii_and_have_a_dot() {
        for domain in ["a.b", "example.org.", "1.2.3.4", "A-b.C"] {
            assert!(is_plain_domain(domain), "{domain}");
        }
        for other in ["localhost", "_a.org", "ü.de", "-a.org", "a-.org", "a..b", ".a.b", ".", "a.b..", "a.b "]
        {
            assert!(!is_plain_domain(other), "{other}");
        }
        let label = "a".repeat(63);
        assert!(is_plain_domain(&format!("{label}.{label}.{label}.{label}")));
        assert!(!is_plain_domain(&format!("{label}.{label}.{label}.{label}.")));
        assert!(!is_plain_domain(&format!("{label}a.b")));
    }
}
