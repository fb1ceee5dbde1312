//! `ConvertToAscii`: writes non-ASCII domain names in their `xn--` form.
//!
//! The reference looks for anything with a dot inside, and puts what a URL parser makes of it as a host in
//! its place: a path behind the name is lost, and what is no host at all (a port, a bracket, a comma list
//! gone wrong) leaves nothing.

use url::{Url, quirks};

use crate::line::{is_comment, is_space};
use crate::text::{Line, Pages};

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>) {
    let mut converted = String::new();
    for line in lines {
        let text = pages.text(*line);
        if text.is_ascii() || is_comment(text) {
            continue;
        }
        converted.clear();
        convert(text, &mut converted);
        if converted != text {
            *line = pages.write(&converted);
        }
    }
}

/// Converts every run between separators.
fn convert(text: &str, converted: &mut String) {
    let mut rest = text;
    while !rest.is_empty() {
        let run_end = rest.find(is_separator).unwrap_or(rest.len());
        let (run, separated) = rest.split_at(run_end);
        convert_run(run, converted);
        let separator_end = separated.find(|c: char| !is_separator(c)).unwrap_or(separated.len());
        let (separators, next) = separated.split_at(separator_end);
        converted.push_str(separators);
        rest = next;
    }
}

/// Converts one run, if it is a name: anything with an inner dot. A `*.` in front is not part of the name.
fn convert_run(run: &str, converted: &mut String) {
    let name = match run.strip_prefix("*.") {
        Some(name) if has_inner_dot(name) => {
            converted.push_str("*.");
            name
        }
        _ => run,
    };
    if name.is_ascii() || !has_inner_dot(name) {
        converted.push_str(name);
    } else {
        converted.push_str(&to_ascii(name).unwrap_or_default());
    }
}

/// Whether a name in a line has no ASCII form, so that nothing is left of it.
pub(super) fn loses_a_name(text: &str) -> bool {
    let runs = text.split(is_separator).map(|run| match run.strip_prefix("*.") {
        Some(name) if has_inner_dot(name) => name,
        _ => run,
    });
    let is_lost = |name: &str| {
        !name.is_ascii() && has_inner_dot(name) && to_ascii(name).is_none_or(|name| name.is_empty())
    };
    !is_comment(text) && runs.into_iter().any(is_lost)
}

fn is_separator(c: char) -> bool {
    matches!(c, '^' | '$' | '|' | '=') || is_space(c)
}

/// Whether there is a dot with something on both sides.
fn has_inner_dot(run: &str) -> bool {
    let mut chars = run.chars();
    chars.next();
    chars.next_back();
    chars.as_str().contains('.')
}

/// What the reference's host parser makes of a name; `None` when that refuses it.
///
/// Known to differ: a label that mixes digits before right-to-left letters or is only such digits
/// (`1א`, `١`), and an `xn--` label that decodes to nothing beside a non-ASCII one. The reference converts
/// these, this refuses them.
fn to_ascii(name: &str) -> Option<String> {
    // The two parsers map this one letter differently; the reference takes it for `ss`.
    let name = name.replace('ẞ', "ss");
    set_host(&name).or_else(|| if name.contains(is_right_to_left) { to_ascii_by_label(&name) } else { None })
}

/// The host setter of a URL.
fn set_host(name: &str) -> Option<String> {
    let mut url = Url::parse("ws://x").ok()?;
    quirks::set_hostname(&mut url, name).ok()?;
    Some(quirks::hostname(&url).to_owned())
}

/// Converts each label for itself. The reference checks the rules of right-to-left writing by label, the
/// setter for the name as a whole, where `*` or a digit in another label breaks them.
fn to_ascii_by_label(name: &str) -> Option<String> {
    let host = name.split(['/', '\\', '?', '#']).next()?;
    // A name that ends in a number is an IPv4 address or nothing.
    if host.ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut labels = Vec::new();
    for label in host.split('.') {
        // The letter behind keeps a label of digits from being taken for an address.
        let converted = if label.is_empty() { ".x".to_owned() } else { set_host(&format!("{label}.x"))? };
        labels.push(converted.strip_suffix(".x")?.to_owned());
    }
    Some(labels.join("."))
}

/// The blocks of Hebrew, Arabic and their neighbours.
fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
        || matches!(c, '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::ConvertToAscii, testing::run};

    fn check(line: &str, expected: &str) {
        assert_eq!(run(ConvertToAscii, &[line]), [expected], "{line:?}");
    }

    #[test]
    fn names_are_converted_in_every_rule_form() {
        check("||пример.рф^", "||xn--e1afmkfd.xn--p1ai^");
        check("||*.рус^", "||*.xn--p1acf^");
        check("||*.ü.*^", "||*.xn--tda.*^");
        check("0.0.0.0 пример.рф\tü.de", "0.0.0.0 xn--e1afmkfd.xn--p1ai\txn--tda.de");
        check("||a.org^$domain=ПРИМЕР.рф|faß.de", "||a.org^$domain=xn--e1afmkfd.xn--p1ai|xn--fa-hia.de");
        check("||STRAẞE.de^", "||strasse.de^");
        check("||*.إختبار^", "||*.xn--kgbechtv^");
        check("||*.אa^", "||^");
    }

    #[test]
    fn what_stands_outside_a_host_is_lost() {
        check("||пример.рф/path", "||xn--e1afmkfd.xn--p1ai");
        check("||ü.de:443^", "||^");
        check("||user:pass@пример.рф^", "||^");
        check("##.реклама", "");
        check("/реклама\\.рф/", "");
    }

    #[test]
    fn comments_ascii_and_single_labels_stay() {
        for line in ["! пример.рф", "# пример.рф", "||рф^", "||a.org^", " ", "||例え。テスト^", "ü.", ".ü"]
        {
            check(line, line);
        }
    }
}
