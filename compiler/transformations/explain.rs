//! What a transformation dropped, and why: found out afterwards, from the lines before it and after it.
//!
//! The transformations themselves note nothing: they are made to be fast, and hardly anybody asks. This repeats
//! their decisions one line at a time instead, and tests hold the two against each other.

use hashbrown::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::compress::{covered_name, parents};
use super::validate::{self, Allowances};
use super::{Transformation, is_seen_from_the_start, rule_optimizer};
use crate::details::{Fault, Notes, Oddity, Reason, clip};
use crate::line::{hosts_names, is_blank, is_comment, is_plain_domain};
use crate::text::{Line, Pages};

/// Notes every line that `transformation` dropped, and what is odd.
pub(crate) fn explain(
    transformation: Transformation,
    pages: &mut Pages,
    before: &[Line],
    after: &[Line],
    hashing: &FixedState,
    notes: &mut Notes<'_>,
) {
    use Transformation::*;
    match transformation {
        TrimLines | InvertAllow | ConflictDetection | InsertFinalNewLine => {}
        RemoveComments => each(pages, before, |text| is_comment(text).then_some(Reason::Comment), notes),
        RemoveEmptyLines => each(pages, before, |text| is_blank(text).then_some(Reason::Empty), notes),
        ConvertToAscii => rewritten(pages, before, after, |to| Oddity::NotConverted { to }, notes),
        RemoveModifiers => rewritten(pages, before, after, |to| Oddity::Rewritten { to }, notes),
        Compress => compressed(pages, before, hashing, notes),
        RuleOptimizer => optimized(pages, before, hashing, notes),
        Validate => validated(pages, before, Allowances::NONE, notes),
        ValidateAllowIp => validated(pages, before, Allowances::IP, notes),
        ValidateAllowPublicSuffix => validated(pages, before, Allowances::PUBLIC_SUFFIX, notes),
        ValidateAllowIpAndPublicSuffix => validated(pages, before, Allowances::BOTH, notes),
        Deduplicate => {
            let mut seen = HashSet::with_capacity_and_hasher(before.len(), hashing.clone());
            with_headings(pages, before, notes, |text| {
                if is_seen_from_the_start(text) {
                    Some(Reason::ObjectProperty)
                } else {
                    (!seen.insert(text)).then_some(Reason::Duplicate)
                }
            });
        }
    }
}

/// For passes that judge every line for itself.
fn each(pages: &Pages, before: &[Line], reason: impl Fn(&str) -> Option<Reason>, notes: &mut Notes<'_>) {
    for text in before.iter().map(|&line| pages.text(line)) {
        if let Some(reason) = reason(text) {
            notes.dropped(text, reason);
        }
    }
}

/// For passes that drop a rule together with the comments and empty lines right above it.
fn with_headings<'p>(
    pages: &'p Pages,
    before: &[Line],
    notes: &mut Notes<'_>,
    mut reason: impl FnMut(&'p str) -> Option<Reason>,
) {
    let mut dropped = Vec::new();
    let mut removing = false;
    for text in before.iter().rev().map(|&line| pages.text(line)) {
        if text.is_empty() || is_comment(text) {
            if removing {
                dropped.push((text, Reason::HeadingOfDropped));
            }
            continue;
        }
        let reason = reason(text);
        removing = reason.is_some();
        dropped.extend(reason.map(|reason| (text, reason)));
    }
    for (text, reason) in dropped.into_iter().rev() {
        notes.dropped(text, reason);
    }
}

fn validated(pages: &mut Pages, before: &[Line], allowances: Allowances, notes: &mut Notes<'_>) {
    let mut lines = before.to_vec();
    if allowances.ip {
        validate::normalise_addresses(pages, &mut lines);
    }
    let pages = &*pages;
    for text in lines.iter().map(|&line| pages.text(line)) {
        if let Err(Fault::NoRule | Fault::NoName) = validate::judge(text, allowances) {
            notes.warning(text, Oddity::ReferenceStops);
        }
    }
    with_headings(pages, &lines, notes, |text| {
        let fault = validate::judge(text, allowances).err()?;
        Some(Reason::Invalid { fault, what: validate::offender(text, allowances, fault) })
    });
}

/// For passes that keep the number of lines: those whose text is another now.
fn rewritten(
    pages: &Pages,
    before: &[Line],
    after: &[Line],
    oddity: impl Fn(String) -> Oddity,
    notes: &mut Notes<'_>,
) {
    for (&line, &to) in before.iter().zip(after) {
        let (text, to) = (pages.text(line), pages.text(to));
        let oddity = oddity(clip(to));
        let is_odd = match oddity {
            Oddity::NotConverted { .. } => super::convert_to_ascii::loses_a_name(text),
            _ => text.trim() != to,
        };
        if is_odd {
            notes.warning(text, oddity);
        }
    }
}

/// `Compress` judges names, of which a hosts line may have several.
fn compressed(pages: &Pages, before: &[Line], hashing: &FixedState, notes: &mut Notes<'_>) {
    // For each name, whether its first appearance was met in the walk below.
    let mut names: HashMap<&str, bool, _> = HashMap::with_hasher(hashing.clone());
    let names_of = |text| {
        let (several, one) = match hosts_names(text) {
            Some(names) => (Some(names), None),
            None if is_plain_domain(text) => (None, Some(text)),
            None => (None, covered_name(text)),
        };
        several.into_iter().flatten().chain(one)
    };
    for text in before.iter().map(|&line| pages.text(line)) {
        names.extend(names_of(text).map(|name| (name, false)));
    }
    for text in before.iter().map(|&line| pages.text(line)) {
        for name in names_of(text) {
            let is_first = names.insert(name, true) == Some(false);
            let covering =
                || parents(hashing, name).map(|(_, parent)| parent).find(|parent| names.contains_key(parent));
            let by_property = || parents(hashing, name).any(|(_, parent)| is_seen_from_the_start(parent));
            if is_seen_from_the_start(name) {
                notes.dropped(name, Reason::ObjectProperty);
            } else if !is_first {
                notes.dropped(name, Reason::Duplicate);
            } else if let Some(by) = covering() {
                notes.dropped(name, Reason::Covered { by: clip(by) });
            } else if by_property() {
                notes.dropped(name, Reason::ObjectProperty);
            }
        }
    }
}

/// `RuleOptimizer` drops a rule for an earlier one.
fn optimized(pages: &mut Pages, before: &[Line], hashing: &FixedState, notes: &mut Notes<'_>) {
    let mut lines = before.to_vec();
    rule_optimizer::shorten(pages, &mut lines);
    let pages = &*pages;
    let host_of = |line: &Line| rule_optimizer::bare_host(pages.text(*line)).unwrap_or("");
    for (line, covering) in lines.iter().zip(rule_optimizer::covering(pages, &lines, hashing)) {
        let Some(by) = covering.and_then(|number| lines.get(number as usize)).map(host_of) else { continue };
        let reason = if by == host_of(line) { Reason::Duplicate } else { Reason::Covered { by: clip(by) } };
        notes.dropped(pages.text(*line), reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::details::{Details, LevelName, Pass};

    /// What is dropped from the lines, as `text: reason`, and as many lines must be missing afterwards.
    fn check(transformation: Transformation, lines: &[&str], expected: &[&str]) {
        let details = run(transformation, lines);
        let shown = details.dropped.iter().map(|dropped| match &dropped.reason {
            Reason::Invalid { what, .. } if *what == dropped.text => {
                format!("{}: {}", dropped.text, dropped.reason.name())
            }
            Reason::Invalid { what, .. } => format!("{}: {} {what}", dropped.text, dropped.reason.name()),
            Reason::Covered { by } => format!("{}: covered {by}", dropped.text),
            reason => format!("{}: {}", dropped.text, reason.name()),
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{transformation} {lines:?}");
    }

    fn run(transformation: Transformation, lines: &[&str]) -> Details {
        let mut pages = Pages::default();
        let before: Vec<Line> = lines.iter().map(|line| pages.write(line)).collect();
        let (mut after, mut details) = (before.clone(), Details::default());
        let hashing = FixedState::with_seed(1);
        transformation.apply(&mut pages, &mut after, &hashing);
        let pass = Pass::Transformation(transformation);
        let mut notes = Notes { details: &mut details, level: LevelName::List, pass };
        explain(transformation, &mut pages, &before, &after, &hashing, &mut notes);
        details
    }

    #[test]
    fn comments_and_blanks() {
        check(Transformation::RemoveComments, &["! a", "b", "# c"], &["! a: comment", "# c: comment"]);
        check(Transformation::RemoveEmptyLines, &["a", "", "\t"], &[": empty", "\t: empty"]);
        check(Transformation::TrimLines, &[" a "], &[]);
    }

    #[test]
    fn needless_rules_go_for_an_earlier_one() {
        let lines = ["||a.example^", "||b.a.example/", "||a.example^", "||c.example^", "||example^"];
        let dropped = ["||b.a.example^: covered a.example", "||a.example^: duplicate"];
        check(Transformation::RuleOptimizer, &lines, &dropped);
    }

    #[test]
    fn duplicates_and_their_headings() {
        let dropped = ["! 1: heading_of_dropped", "a: duplicate", "valueOf: object_property"];
        check(Transformation::Deduplicate, &["! 1", "a", "! 2", "b", "a", "valueOf"], &dropped);
    }

    #[test]
    fn names_that_others_cover() {
        check(
            Transformation::Compress,
            &["0.0.0.0 a.org x.b.a.org", "||b.a.org^", "a.org", "! c", "||constructor^", "x.valueOf"],
            &[
                "x.b.a.org: covered a.org",
                "b.a.org: covered a.org",
                "a.org: duplicate",
                "constructor: object_property",
                "x.valueOf: object_property",
            ],
        );
    }

    #[test]
    fn every_fault_is_told() {
        for (line, expected) in [
            ("@@", "@@: no_rule "),
            ("0.0.0.0  ", "0.0.0.0  : no_name "),
            ("||a.org^$important,popup", "||a.org^$important,popup: unknown_option popup"),
            ("||a", "||a: too_short"),
            ("example.org/path", "example.org/path: characters"),
            ("||1.2.3.4^", "||1.2.3.4^: ip"),
            ("0.0.0.0 a.org 1.2.3.4", "0.0.0.0 a.org 1.2.3.4: ip 1.2.3.4"),
            ("1.2.3.*", "1.2.3.*: vague_ip"),
            ("||1.2.3.4^$denyallow=a.org", "||1.2.3.4^$denyallow=a.org: denyallow_on_ip ||1.2.3.4^"),
            ("||co.uk^", "||co.uk^: public_suffix"),
            ("0.0.0.0 a_.org", "0.0.0.0 a_.org: host a_.org"),
            ("||a.org^*.b", "||a.org^*.b: wildcard_behind_separator"),
            ("||a.org^x", "||a.org^x: text_behind_separator"),
        ] {
            check(Transformation::Validate, &[line], &[expected]);
        }
        check(Transformation::ValidateAllowIp, &["||1.2.3.4^", "1.2"], &["1.2: too_short"]);
    }

    #[test]
    fn warnings_tell_what_became_of_a_line() {
        let warnings = |transformation, line: &str| run(transformation, &[line]).warnings;
        let found = warnings(Transformation::RemoveModifiers, "||a.org^$popup");
        assert_eq!(found.first().map(|w| &w.oddity), Some(&Oddity::Rewritten { to: "||a.org^".to_owned() }));
        assert!(warnings(Transformation::RemoveModifiers, " ||a.org^ ").is_empty());
        let found = warnings(Transformation::ConvertToAscii, "||ü.de:443^");
        assert_eq!(found.first().map(|w| &w.oddity), Some(&Oddity::NotConverted { to: "||^".to_owned() }));
        assert!(warnings(Transformation::ConvertToAscii, "||ü.de^").is_empty());
        let found = warnings(Transformation::Validate, "0.0.0.0  ");
        assert_eq!(found.first().map(|w| &w.oddity), Some(&Oddity::ReferenceStops));
    }

    #[test]
    fn records_end_and_counts_go_on() {
        let lines = vec!["! c"; crate::details::MAX_RECORDS + 5];
        let details = run(Transformation::RemoveComments, &lines);
        assert_eq!(details.dropped.len(), crate::details::MAX_RECORDS);
        assert_eq!(details.n_dropped.values().copied().collect::<Vec<_>>(), [lines.len()]);
        let long = format!("! {}", "ü".repeat(crate::details::MAX_RECORDED_BYTES));
        let kept = run(Transformation::RemoveComments, &[&long]).dropped;
        assert!(kept.iter().all(|dropped| dropped.text.len() <= crate::details::MAX_RECORDED_BYTES));
    }
}
