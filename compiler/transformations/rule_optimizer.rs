//! `RuleOptimizer`: writes rules shorter and drops those that an earlier one makes needless.
//!
//! The reference does not have it. In a pattern `||x/` becomes `||x^`, `||*` in front becomes `||`, and `*^` at the
//! end becomes `^`; an option that is repeated goes. Then a rule that is exactly `||host^` goes if an earlier one has
//! the same host or one of two labels or more above it. Everything else stays as it is.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::rule_hosts::{Hosts, host_of_pattern, is_host};
use crate::adblock_parts::AdblockParts;
use crate::line::{hosts_names, is_comment, trim};
use crate::text::{Line, Pages};

/// A rule for a single label covers nothing: it is more likely a mistake than meant for all below.
const MIN_PARENT_LABELS: usize = 2;

/// What makes a rule one about elements of a page.
const COSMETIC_MARKS: [&str; 6] = ["##", "#@#", "#?#", "#$#", "#%#", "$$"];

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>, hashing: &FixedState) {
    shorten(pages, lines);
    let mut covering = covering(pages, lines, hashing).into_iter();
    lines.retain(|_| covering.next().flatten().is_none());
}

/// Writes rules shorter.
pub(super) fn shorten(pages: &mut Pages, lines: &mut [Line]) {
    for line in lines {
        if let Some(shorter) = shorter(pages.text(*line)) {
            *line = pages.write(&shorter);
        }
    }
}

/// For every line the number of the earlier one that makes it needless, if there is one.
pub(super) fn covering(pages: &Pages, lines: &[Line], hashing: &FixedState) -> Vec<Option<u32>> {
    let host_at =
        |number: u32| lines.get(number as usize).and_then(|&line| bare_host(pages.text(line))).unwrap_or("");
    let mut hosts = Hosts::new(hashing);
    let numbered = (0..).zip(lines);
    let covering = numbered.map(|(number, &line)| {
        let host = bare_host(pages.text(line))?;
        let covering = hosts.nearest(host, MIN_PARENT_LABELS, host_at);
        if covering.is_none() {
            hosts.add(host, number, host_at);
        }
        covering
    });
    covering.collect()
}

/// The host of a rule that is exactly `||host^`.
pub(super) fn bare_host(line: &str) -> Option<&str> {
    let line = trim(line);
    host_of_pattern(line).filter(|_| line.ends_with('^'))
}

/// The rule in a shorter form, if it has one.
fn shorter(line: &str) -> Option<String> {
    // Nearly all lines end here.
    let may_shorten = line.contains("||*") || line.contains('/') || line.contains("*^") || line.contains(',');
    if !may_shorten || is_comment(line) || hosts_names(line).is_some() {
        return None;
    }
    if COSMETIC_MARKS.iter().any(|mark| line.contains(mark)) {
        return None;
    }
    let parts = AdblockParts::parse(line).ok()?;
    let mut pattern = parts.pattern.to_owned();
    if !pattern.starts_with('/') {
        if let Some(host) =
            pattern.strip_prefix("||").and_then(|rest| rest.strip_suffix('/')).filter(|host| is_host(host))
        {
            pattern = format!("||{host}^");
        }
        if let Some(rest) =
            pattern.strip_prefix("||*").filter(|rest| rest.starts_with(|c: char| c != '^' && c != '*'))
        {
            pattern = format!("||{rest}");
        }
        if let Some(rest) = pattern.strip_suffix("*^").filter(|rest| rest.contains(char::is_alphanumeric)) {
            pattern = format!("{rest}^");
        }
    }
    let options = without_repeated(parts.options);
    if pattern == parts.pattern && options.is_none() {
        return None;
    }
    let options = options.as_deref().unwrap_or(parts.options);
    let (mark, dollar) = (if parts.allow { "@@" } else { "" }, if options.is_empty() { "" } else { "$" });
    Some(format!("{mark}{pattern}{dollar}{options}"))
}

/// The options without those that stand there already, if there are such.
fn without_repeated(options: &str) -> Option<String> {
    // In a regular expression a comma may mean something else.
    if options.contains("=/") {
        return None;
    }
    let mut seen = HashSet::new();
    let mut start = 0;
    let mut kept = Vec::new();
    let mut n_options = 0;
    let ends = memchr::memchr_iter(b',', options.as_bytes());
    let ends = ends.filter(|&at| options.as_bytes().get(at.wrapping_sub(1)) != Some(&b'\\'));
    for end in ends.chain([options.len()]) {
        let option = options.get(start..end).unwrap_or("");
        n_options += 1;
        if seen.insert(option) {
            kept.push(option);
        }
        start = end + 1;
    }
    (kept.len() < n_options).then(|| kept.join(","))
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::RuleOptimizer, testing::run};

    fn check(lines: &[&str], expected: &[&str]) {
        assert_eq!(run(RuleOptimizer, lines), expected, "{lines:?}");
    }

    #[test]
    fn rules_are_written_shorter() {
        for (rule, shorter) in [
            ("||a.org/", "||a.org^"),
            ("@@||a.org/$important", "@@||a.org^$important"),
            ("||*a.org^", "||a.org^"),
            ("||a.org*^", "||a.org^"),
            ("||ads.*^$ctag=x", "||ads.^$ctag=x"),
            ("||a.org^$important,ctag=x,important", "||a.org^$important,ctag=x"),
            ("||a.org^$client=a\\,b,client=a\\,b", "||a.org^$client=a\\,b"),
        ] {
            check(&[rule], &[shorter]);
        }
    }

    #[test]
    fn what_would_mean_something_else_stays() {
        let kept =
            ["||a.org/ads/", "/ads*^/", "||*", "||**^", "||*^", "||a.org^$removeparam=/a,b,b/", "a,a##.b*^"];
        for line in kept.into_iter().chain([
            "! ||*a^",
            "0.0.0.0 a,b,b",
            " ||a.org^ ",
            "||a^$x,y",
            "/",
            "||",
            "*^",
            "@@",
        ]) {
            check(&[line], &[line]);
        }
    }

    #[test]
    fn rules_that_an_earlier_one_covers_go() {
        check(
            &["||a.org^", "||b.a.org^", "! c", "||a.org^", "||a.org/", "||aa.org^"],
            &["||a.org^", "! c", "||aa.org^"],
        );
        check(&["||b.a.org^", "||a.org^", "||c.b.a.org^"], &["||b.a.org^", "||a.org^"]);
        // A single label covers itself alone.
        check(&["||org^", "||a.org^", "||org^"], &["||org^", "||a.org^"]);
        let kept = ["||a.org^$important", "@@||a.org^", "||b.a.org^", "a.org", "||a.org^|"];
        check(&kept, &kept);
    }

    #[test]
    fn very_many_labels_or_options_take_their_length() {
        let labels = format!("||{}a^", "a.".repeat(100_000));
        assert_eq!(run(RuleOptimizer, &[&labels, &labels]).len(), 1);
        let options = format!("||a^${}", "x,".repeat(100_000));
        check(&[&options], &["||a^$x,"]);
    }
}
