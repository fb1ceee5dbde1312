//! `ConflictDetection`: changes nothing, and tells where a host is blocked that is also allowed.
//!
//! The reference does not have it. A rule is about a host if it is exactly `||host^`, a plain domain or a hosts line;
//! options play no part, but for `badfilter`, which takes a rule away. Two rules are in conflict if their hosts are
//! the same or one is above the other: then one of them does less than it says, which may be meant so.

use foldhash::fast::FixedState;

use super::rule_hosts::{Hosts, host_of_pattern};
use crate::adblock_parts::AdblockParts;
use crate::line::{hosts_names, is_comment, is_plain_domain};
use crate::report::{Conflict, MAX_CONFLICTS};
use crate::text::{Line, Pages};

/// The longest text of a rule that is told, in characters.
const MAX_RULE_CHARS: usize = 256;

/// A rule about a host: the host, and the line it stands in.
struct Rule<'a> {
    host: &'a str,
    line: &'a str,
}

/// The first conflicts, and how many there are. A rule counts once, with the nearest rule it is in conflict with.
pub(super) fn find(pages: &Pages, lines: &[Line], hashing: &FixedState) -> (usize, Vec<Conflict>) {
    let (mut blocking, mut allowing) = (Vec::new(), Vec::new());
    for &line in lines {
        let line = pages.text(line);
        if is_comment(line) {
            continue;
        }
        if let Some(names) = hosts_names(line) {
            blocking.extend(names.map(|host| Rule { host, line }));
        } else if is_plain_domain(line) {
            blocking.push(Rule { host: line, line });
        } else if line.contains("||")
            && let Ok(parts) = AdblockParts::parse(line)
            && let Some(host) = host_of_pattern(parts.pattern)
            && !parts.options().any(|option| option.name() == "badfilter")
        {
            if parts.allow { &mut allowing } else { &mut blocking }.push(Rule { host, line });
        }
    }
    let mut found = (0, Vec::new());
    let mut tell = |block: &Rule<'_>, allow: &Rule<'_>| {
        found.0 += 1;
        if found.1.len() < MAX_CONFLICTS {
            let text = |rule: &Rule<'_>| rule.line.chars().take(MAX_RULE_CHARS).collect();
            found.1.push(Conflict { block: text(block), allow: text(allow) });
        }
    };
    let allowed = hosts_of(&allowing, hashing);
    for block in &blocking {
        if let Some(allow) = nearest(&allowed, &allowing, block.host) {
            tell(block, allow);
        }
    }
    let blocked = hosts_of(&blocking, hashing);
    for allow in &allowing {
        // That both are about the same host was told already.
        if let Some(block) = nearest(&blocked, &blocking, allow.host).filter(|block| block.host != allow.host)
        {
            tell(block, allow);
        }
    }
    found
}

fn hosts_of<'h>(rules: &[Rule<'_>], hashing: &'h FixedState) -> Hosts<'h> {
    let mut hosts = Hosts::new(hashing);
    for (number, rule) in (0..).zip(rules) {
        hosts.add(rule.host, number, |number| host_at(rules, number));
    }
    hosts
}

fn nearest<'r, 'a>(hosts: &Hosts<'_>, rules: &'r [Rule<'a>], host: &str) -> Option<&'r Rule<'a>> {
    rules.get(hosts.nearest(host, 1, |number| host_at(rules, number))? as usize)
}

fn host_at<'a>(rules: &[Rule<'a>], number: u32) -> &'a str {
    rules.get(number as usize).map_or("", |rule| rule.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflicts(lines: &[&str]) -> (usize, Vec<(String, String)>) {
        let mut pages = Pages::default();
        let lines: Vec<Line> = lines.iter().map(|line| pages.write(line)).collect();
        let (n, told) = find(&pages, &lines, &FixedState::with_seed(1));
        (n, told.into_iter().map(|conflict| (conflict.block, conflict.allow)).collect())
    }

    fn check(lines: &[&str], expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(block, allow)| ((*block).to_owned(), (*allow).to_owned())).collect();
        assert_eq!(conflicts(lines), (expected.len(), expected), "{lines:?}");
    }

    #[test]
    fn the_same_host_is_a_conflict_in_every_form() {
        for block in ["||a.org^", "||a.org^$important", " ||a.org^|", "a.org", "0.0.0.0 b.org a.org # c"] {
            check(&[block, "@@||a.org^$client=x"], &[(block, "@@||a.org^$client=x")]);
        }
        check(&["@@||пример.рф^", "||пример.рф^"], &[("||пример.рф^", "@@||пример.рф^")]);
    }

    #[test]
    fn a_host_above_is_a_conflict_either_way() {
        check(&["||x.y.a.org^", "@@||a.org^", "@@||y.a.org^"], &[("||x.y.a.org^", "@@||y.a.org^")]);
        check(&["||org^", "@@||x.org^"], &[("||org^", "@@||x.org^")]);
        check(
            &["||a.org^", "@@||a.org^", "@@||x.a.org^"],
            &[("||a.org^", "@@||a.org^"), ("||a.org^", "@@||x.a.org^")],
        );
    }

    #[test]
    fn other_rules_are_none() {
        check(
            &["||a.org^", "@@||b.a.net^", "@@||aa.org^", "! @@||a.org^", "@@|a.org^", "@@||a.org^$badfilter"],
            &[],
        );
        check(&["@@||a.org^", "/a.org/", "||a.org/x^", "||*.a.org^", "", "x##.a"], &[]);
    }

    #[test]
    fn only_the_first_are_told() {
        let lines: Vec<String> =
            (0..MAX_CONFLICTS + 5).flat_map(|n| [format!("||{n}.org^"), format!("@@||{n}.org^")]).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (n, told) = conflicts(&lines);
        assert_eq!((n, told.len()), (MAX_CONFLICTS + 5, MAX_CONFLICTS));
        let long = format!("||{}a^", "a.".repeat(100_000));
        assert_eq!(conflicts(&[&long, "@@||a^"]).1[0].0.len(), MAX_RULE_CHARS);
    }
}
