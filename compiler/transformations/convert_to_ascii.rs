//! `ConvertToAscii`: writes non-ASCII domain names in their `xn--` form.
//!
//! The reference looks for anything with a dot inside, and puts what a URL parser makes of it as a host in
//! its place: a path behind the name is lost, and what is no host at all (a port, a bracket, a comma list
//! gone wrong) leaves nothing.

use idna::punycode;
use url::{Url, quirks};

use crate::line::{MAX_LABEL_LENGTH, is_comment, is_space};
use crate::text::{Line, Pages};

/// The longest label that is looked at once more when the setter refused its name, in bytes. Decoding takes time that
/// grows with the square of a label; the setter has a bound of this size itself, and DNS one of 63.
const MAX_LABEL_BYTES: usize = 2_000;

/// What separates labels, once names are converted.
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

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
fn to_ascii(name: &str) -> Option<String> {
    // The two parsers map this one letter differently; the reference takes it for `ss`.
    let name = name.replace('ẞ', "ss");
    // The reference refuses the Mongolian vowel separator, the setter takes it for nothing.
    if host_part(&name).contains('\u{180e}') {
        return None;
    }
    set_host(&name).or_else(|| {
        // What converting leaves out must not be taken for a part of a label.
        let is_left_out = |c: char| {
            !c.is_ascii()
                && !c.is_alphanumeric()
                && set_label(c.encode_utf8(&mut [0; 4])).is_some_and(|c| c.is_empty())
        };
        let host = host_part(&name).replace(is_left_out, "");
        let may_go_by_label =
            host.contains(is_right_to_left) || host.split(DOTS).any(|label| encoded_part(label).is_some());
        if may_go_by_label { to_ascii_by_label(&host) } else { None }
    })
}

/// What stands before a path, a query or a fragment.
fn host_part(name: &str) -> &str {
    name.split(['/', '\\', '?', '#']).next().unwrap_or("")
}

/// The host setter of a URL.
fn set_host(name: &str) -> Option<String> {
    let mut url = Url::parse("ws://x").ok()?;
    quirks::set_hostname(&mut url, name).ok()?;
    Some(quirks::hostname(&url).to_owned())
}

/// Converts each label for itself. The reference checks the rules of right-to-left writing by label, the
/// setter for the name as a whole, where `*` or a digit in another label breaks them.
fn to_ascii_by_label(host: &str) -> Option<String> {
    let labels: Option<Vec<String>> = host.split(DOTS).map(label_to_ascii).collect();
    let labels = labels?;
    // A name that ends in a number is an IPv4 address or nothing.
    let without_final_dot = labels.strip_suffix(&[String::new()]).unwrap_or(&labels);
    let last = without_final_dot.last().filter(|label| !label.is_empty()).map_or("x", String::as_str);
    let is_hexadecimal = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    if last.bytes().all(|b| b.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(is_hexadecimal) {
        return None;
    }
    Some(labels.join("."))
}

/// What follows the `xn--` of a label.
fn encoded_part(label: &str) -> Option<&str> {
    let (prefix, rest) = label.split_at_checked("xn--".len())?;
    prefix.eq_ignore_ascii_case("xn--").then_some(rest)
}

/// Converts one label.
fn label_to_ascii(label: &str) -> Option<String> {
    if label.is_empty() {
        return Some(String::new());
    }
    if label.len() > MAX_LABEL_BYTES {
        return None;
    }
    set_label(label).or_else(|| match encoded_part(label) {
        Some(encoded) => encoded_to_ascii(encoded),
        None => Some(format!("xn--{}", punycode::encode_str(&right_to_left(label)?)?)),
    })
}

/// Converts a label that is encoded already and that the setter refuses.
fn encoded_to_ascii(encoded: &str) -> Option<String> {
    if encoded.len() > 1 && encoded.is_ascii() && encoded.ends_with('-') {
        // Nothing is encoded in it, so that another prefix shows all there is to see.
        return Some(format!("xn--{}", set_label(&format!("xx--{encoded}"))?.strip_prefix("xx--")?));
    }
    if let Some(rest) = encoded.strip_prefix('-') {
        // An empty part in front of the encoded one is as none.
        return Some(format!("xn---{}", set_label(&format!("xn--{rest}"))?.strip_prefix("xn--")?));
    }
    let encoded = encoded.to_ascii_lowercase();
    let decoded = punycode::decode_to_string(&encoded)?;
    // What is encoded must not change by being converted.
    (decoded.contains(is_right_to_left) && right_to_left(&decoded)? == decoded)
        .then(|| format!("xn--{encoded}"))
}

/// What the setter makes of one label. The label behind keeps one of digits from being taken for an address.
fn set_label(label: &str) -> Option<String> {
    Some(set_host(&format!("{label}.x"))?.strip_suffix(".x")?.to_owned())
}

/// A letter that makes its label a right-to-left one.
const RIGHT_TO_LEFT_LETTER: char = 'א';

/// Converts, but doesn't encode, a label with right-to-left letters that breaks the rules for them in a way the
/// reference doesn't mind.
fn right_to_left(label: &str) -> Option<String> {
    let is_mark = |c: char| !is_arabic_number(c) && set_label(c.encode_utf8(&mut [0; 4])).is_none();
    let first = label.chars().next().filter(|&first| !is_mark(first))?;
    // It doesn't check what the label begins with, unless that is a left-to-right letter.
    if let Some(converted) = behind_right_to_left_letter(label) {
        return Some(converted);
    }
    if behind_right_to_left_letter(&format!("{first}{RIGHT_TO_LEFT_LETTER}")).is_some() {
        return None;
    }
    // In a label that begins with one of those it doesn't check the last letter, behind which are marks only.
    let (last, _) = label.char_indices().rev().take(MAX_LABEL_LENGTH).find(|&(_, c)| !is_mark(c))?;
    let (head, tail) = label.split_at_checked(last)?;
    let head = set_label(head)?;
    let head = match head.strip_prefix("xn--") {
        Some(encoded) => punycode::decode_to_string(encoded)?,
        None => head,
    };
    Some(head + &behind_right_to_left_letter(tail)?)
}

/// Converts, but doesn't encode, a label as if a right-to-left letter stood before it.
fn behind_right_to_left_letter(label: &str) -> Option<String> {
    let converted = set_label(&format!("{RIGHT_TO_LEFT_LETTER}{label}"))?;
    let decoded = punycode::decode_to_string(converted.strip_prefix("xn--")?)?;
    Some(decoded.strip_prefix(RIGHT_TO_LEFT_LETTER)?.to_owned())
}

/// Digits and their marks that Unicode counts among the Arabic ones, from which no label may begin.
fn is_arabic_number(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{605}' | '\u{660}'..='\u{669}' | '\u{66b}' | '\u{66c}' | '\u{6dd}')
        || matches!(c, '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{10d30}'..='\u{10d39}' | '\u{10e60}'..='\u{10e7e}')
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
    fn labels_beyond_all_measure_are_refused() {
        check(
            &format!("||xn--{}.ü.de^", "m".repeat(1_000)),
            &format!("||xn--{}.xn--tda.de^", "m".repeat(1_000)),
        );
        check(&format!("||xn--{}.ü.de^", "m".repeat(60_000)), "||^");
    }

    #[test]
    fn right_to_left_labels_may_begin_with_anything() {
        check("||١.b^", "||xn--9hb.b^");
        check("||1א.例^", "||xn--1-0hc.xn--fsq^");
        check("||*א.例^", "||xn--*-0hc.xn--fsq^");
        check("||4.א5^", "||4.xn--5-zhc^");
        check("||א.5^", "||^");
        check("||א.5.^", "||^");
        check("||א.5..^", "||xn--4db.5..^");
        check("||a.١。b｡^", "||a.xn--9hb.b.^");
        check("||א١.b^", "||xn--4db40a.b^");
        check("||eא.b^", "||xn--e-0hc.b^");
        check("||é١.b^", "||xn--9ca41z.b^");
        check("||e١\u{5b0}.b^", "||xn--e-6fc44c.b^");
        check("||e،١.b^", "||xn--e-glc9w.b^");
        check("||١.XN--PAI-org^", "||xn--9hb.xn--pai-org^");
        check("||e١\u{200b}.b^", "||xn--e-bqc.b^");
        for refused in [
            "||-aא.b^",
            "||*b١.b^",
            "||e١א.b^",
            "||eא1.b^",
            "||e١é.b^",
            "||1١.b^",
            "||א1١.b^",
            "||\u{64e}א.b^",
            "||١-.b^",
        ] {
            check(refused, "||^");
        }
    }

    #[test]
    fn labels_that_have_nothing_encoded_stay() {
        check("||ñ.XN--zz--.xn--a%2Db-^", "||xn--ida.xn--zz--.xn--a-b-^");
        check("||国.xn--\u{200b}com-org^", "||xn--vcs.xn--com-org^");
        check("||n.x\u{200b}n--m-^", "||n.xn--m-^");
        check("||ñ.xn---net^", "||xn--ida.xn---net^");
        check("||\u{fc}.xn--p1i.9\u{200b}^", "||^");
        check("||ñ.xn---^", "||^");
        check("||ñ.xn----a^", "||^");
        check("||ñ.xn--a^", "||^");
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
    fn a_mongolian_vowel_separator_is_refused() {
        check("||a\u{180e}b.de^", "||^");
        check("||ü.de/\u{180e}^", "||xn--tda.de^");
    }

    #[test]
    fn comments_ascii_and_single_labels_stay() {
        for line in ["! пример.рф", "# пример.рф", "||рф^", "||a.org^", " ", "||例え。テスト^", "ü.", ".ü"]
        {
            check(line, line);
        }
    }
}
