//! What changed from one list to another.
//!
//! Lists are compared as sets of rules: a rule is its text without the blanks around it, order and repetition
//! mean nothing. That is how people read a change of a list; where a rule stands rarely matters to a blocker.

use std::collections::BTreeMap;

use crate::rule::ast::{Category, CosmeticRule, NetworkRule, Rule, RuleKind, Syntax};
use crate::rule::parse_rule;

/// So many faulty lines of a list are told, and no more.
const MAX_FAULTS: usize = 1_000;
/// So many domains are told, those with the most changes first.
const MAX_DOMAINS: usize = 1_000;

/// What to compare, and what to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffOptions {
    /// Whether comments are left out.
    pub ignore_comments: bool,
    /// Whether blank lines are left out.
    pub ignore_empty_lines: bool,
    /// Whether changes are counted by domain.
    pub analyze_domains: bool,
    /// The most rules to tell of each kind, added and removed. All are counted.
    pub max_rules: usize,
}

/// What changed.
#[derive(Debug)]
pub struct Diff<'a> {
    /// The list as it was.
    pub original: ListFacts<'a>,
    /// The list as it is.
    pub current: ListFacts<'a>,
    /// Rules of the current list alone, in its order.
    pub added: Vec<Change<'a>>,
    /// How many there are of these.
    pub n_added: usize,
    /// Rules of the original list alone, in its order.
    pub removed: Vec<Change<'a>>,
    /// How many there are of these.
    pub n_removed: usize,
    /// Rules of both.
    pub n_unchanged: usize,
    /// All changes by kind of rule.
    pub kinds: BTreeMap<ChangeKind, Counts>,
    /// All changes by domain, the most changed first; at most 1,000.
    pub domains: Vec<(String, Counts)>,
}

/// What is known of one of the lists.
#[derive(Debug, Default)]
pub struct ListFacts<'a> {
    /// Its title, if a comment tells it.
    pub title: Option<&'a str>,
    /// Its version, if a comment tells it.
    pub version: Option<&'a str>,
    /// When it was last changed, if a comment tells it.
    pub last_modified: Option<&'a str>,
    /// Different rules among those that were compared.
    pub n_rules: usize,
    /// Lines that are no rules, at most 1,000.
    pub faults: Vec<Fault<'a>>,
}

/// A line that is no rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// Its number, from 1.
    pub line: usize,
    /// Its text.
    pub rule: &'a str,
    /// What is wrong with it.
    pub message: String,
}

/// A rule that one of the lists has.
#[derive(Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Its text.
    pub rule: &'a str,
    /// Where it stands first in its list, from 1.
    pub line: usize,
    /// Its category.
    pub category: Category,
    /// Its syntax.
    pub syntax: Syntax,
    /// Whether it allows what others block, for rules that can.
    pub is_exception: Option<bool>,
}

/// Kinds of rules that changes are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// About requests.
    Network,
    /// About what a page shows or runs.
    Cosmetic,
    /// Lines of a hosts file.
    Host,
    /// Comments of any kind.
    Comment,
    /// Everything else.
    Unknown,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Network, Self::Cosmetic, Self::Host, Self::Comment, Self::Unknown];

    fn of(rule: &Rule) -> Self {
        match (&rule.kind, rule.category()) {
            (RuleKind::Host(_), _) => Self::Host,
            (_, Category::Network) => Self::Network,
            (_, Category::Cosmetic) => Self::Cosmetic,
            (_, Category::Comment) => Self::Comment,
            (_, Category::Empty | Category::Invalid) => Self::Unknown,
        }
    }
}

/// How many rules came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rules of the current list alone.
    pub added: usize,
    /// Rules of the original list alone.
    pub removed: usize,
}

/// Compares two lists, each given rule by rule.
pub fn diff<'a>(
    original: impl IntoIterator<Item = &'a str>,
    current: impl IntoIterator<Item = &'a str>,
    options: &DiffOptions,
) -> Diff<'a> {
    let original = read(original, options);
    let current = read(current, options);
    let mut changes = Changes { kinds: BTreeMap::new(), domains: BTreeMap::new(), options };
    let (removed, n_removed) = changes.collect(&original, &current, |counts| &mut counts.removed);
    let (added, n_added) = changes.collect(&current, &original, |counts| &mut counts.added);
    let mut domains: Vec<(String, Counts)> = changes.domains.into_iter().collect();
    // The sort is stable, so that equals stay in the order of their names.
    domains.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.added + counts.removed));
    domains.truncate(MAX_DOMAINS);
    Diff {
        n_unchanged: current.lines.len() - n_added,
        kinds: changes.kinds,
        original: original.facts,
        current: current.facts,
        added,
        n_added,
        removed,
        n_removed,
        domains,
    }
}

/// One of the lists.
struct List<'a> {
    facts: ListFacts<'a>,
    /// The rules with the number of the line where each stands first.
    lines: BTreeMap<&'a str, usize>,
}

fn read<'a>(rules: impl IntoIterator<Item = &'a str>, options: &DiffOptions) -> List<'a> {
    let mut list = List { facts: ListFacts::default(), lines: BTreeMap::new() };
    for (n, text) in rules.into_iter().enumerate() {
        let (line, text) = (n + 1, text.trim());
        let rule = parse_rule(text);
        if let RuleKind::Metadata(metadata) = &rule.kind {
            list.facts.note(&metadata.header.value, text);
        }
        if let (RuleKind::Invalid(invalid), true) = (&rule.kind, list.facts.faults.len() < MAX_FAULTS) {
            list.facts.faults.push(Fault { line, rule: text, message: invalid.error.to_string() });
        }
        let is_ignored = match rule.category() {
            Category::Comment => options.ignore_comments,
            Category::Empty => options.ignore_empty_lines,
            Category::Invalid | Category::Cosmetic | Category::Network => false,
        };
        if !is_ignored {
            list.lines.entry(text).or_insert(line);
        }
    }
    list.facts.n_rules = list.lines.len();
    list
}

impl<'a> ListFacts<'a> {
    /// Takes note of what a comment says of the list. What is said first counts.
    fn note(&mut self, header: &str, text: &'a str) {
        let fact = match header.to_ascii_lowercase().as_str() {
            "title" => &mut self.title,
            "version" => &mut self.version,
            "last modified" | "lastmodified" | "time updated" | "timeupdated" => &mut self.last_modified,
            _ => return,
        };
        if fact.is_none() {
            *fact = text.split_once(':').map(|(_, value)| value.trim());
        }
    }
}

struct Changes<'o> {
    kinds: BTreeMap<ChangeKind, Counts>,
    domains: BTreeMap<String, Counts>,
    options: &'o DiffOptions,
}

impl Changes<'_> {
    /// Finds and counts the rules of `list` that `other` has not; returns some of them, and how many there are.
    fn collect<'a>(
        &mut self,
        list: &List<'a>,
        other: &List<'a>,
        count: impl Fn(&mut Counts) -> &mut usize,
    ) -> (Vec<Change<'a>>, usize) {
        let alone = list.lines.iter().filter(|(text, _)| !other.lines.contains_key(*text));
        let mut alone: Vec<(usize, &str)> = alone.map(|(&text, &line)| (line, text)).collect();
        alone.sort_unstable();
        let mut told = Vec::new();
        for &(line, text) in &alone {
            let rule = parse_rule(text);
            *count(self.kinds.entry(ChangeKind::of(&rule)).or_default()) += 1;
            if self.options.analyze_domains {
                let mut domains = domains(&rule);
                domains.sort_unstable();
                domains.dedup();
                for domain in domains {
                    *count(self.domains.entry(domain).or_default()) += 1;
                }
            }
            if told.len() < self.options.max_rules {
                let is_exception = match &rule.kind {
                    RuleKind::Network(NetworkRule { exception, .. })
                    | RuleKind::Cosmetic(CosmeticRule { exception, .. }) => Some(*exception),
                    _ => None,
                };
                let (category, syntax) = (rule.category(), rule.syntax);
                told.push(Change { rule: text, line, category, syntax, is_exception });
            }
        }
        (told, alone.len())
    }
}

/// The domains that a rule is about, in lower case: whose requests it blocks, or whose pages it changes.
fn domains(rule: &Rule) -> Vec<String> {
    match &rule.kind {
        RuleKind::Network(rule) => domain_of_pattern(&rule.pattern.value).into_iter().collect(),
        RuleKind::Host(rule) => {
            rule.hostnames.children.iter().map(|name| name.value.to_lowercase()).collect()
        }
        RuleKind::Cosmetic(rule) => {
            let included = rule.domains.children.iter().filter(|domain| !domain.exception);
            included.map(|domain| domain.value.to_lowercase()).collect()
        }
        _ => Vec::new(),
    }
}

/// The host that a pattern such as `||example.org^` begins with.
fn domain_of_pattern(pattern: &str) -> Option<String> {
    let rest = pattern.strip_prefix("||")?;
    let end = rest.find(['^', '/', ':', '?', '|', '*', '$']).unwrap_or(rest.len());
    let host = rest.get(..end)?.trim_end_matches('.');
    (host.contains('.') && !host.starts_with('.')).then(|| host.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: DiffOptions =
        DiffOptions { ignore_comments: true, ignore_empty_lines: true, analyze_domains: true, max_rules: 10 };

    fn lines(text: &str) -> Vec<&str> {
        text.split('\n').collect()
    }

    fn compare<'a>(original: &'a str, current: &'a str, options: &DiffOptions) -> Diff<'a> {
        diff(lines(original), lines(current), options)
    }

    fn rules<'a>(changes: &[Change<'a>]) -> Vec<(&'a str, usize)> {
        changes.iter().map(|change| (change.rule, change.line)).collect()
    }

    #[test]
    fn lists_are_sets_of_rules() {
        let diff = compare(
            "||a.example^\n||b.example^\n||b.example^",
            "  ||b.example^ \n||c.example^\n! c",
            &OPTIONS,
        );
        assert_eq!(rules(&diff.added), [("||c.example^", 2)]);
        assert_eq!(rules(&diff.removed), [("||a.example^", 1)]);
        assert_eq!((diff.n_added, diff.n_removed, diff.n_unchanged), (1, 1, 1));
        assert_eq!((diff.original.n_rules, diff.current.n_rules), (2, 2));
    }

    #[test]
    fn comments_and_blank_lines_count_if_asked_for() {
        let options = DiffOptions { ignore_comments: false, ignore_empty_lines: false, ..OPTIONS };
        let diff = compare("a", "! a\n\na", &options);
        assert_eq!(rules(&diff.added), [("! a", 1), ("", 2)]);
        assert_eq!(diff.kinds[&ChangeKind::Comment], Counts { added: 1, removed: 0 });
        assert_eq!(diff.kinds[&ChangeKind::Unknown], Counts { added: 1, removed: 0 });
        assert_eq!(compare("a", "! a\n\na", &OPTIONS).n_added, 0);
    }

    #[test]
    fn changes_are_counted_by_kind_and_domain() {
        let diff = compare(
            "||a.example^\n0.0.0.0 a.example b.example\nC.example##.ad",
            "@@||a.example/x^$script\nc.example,~d.example##.banner\n/regex/",
            &OPTIONS,
        );
        assert_eq!(diff.kinds[&ChangeKind::Network], Counts { added: 2, removed: 1 });
        assert_eq!(diff.kinds[&ChangeKind::Host], Counts { added: 0, removed: 1 });
        assert_eq!(diff.kinds[&ChangeKind::Cosmetic], Counts { added: 1, removed: 1 });
        let domains: Vec<(&str, usize, usize)> =
            diff.domains.iter().map(|(name, counts)| (name.as_str(), counts.added, counts.removed)).collect();
        assert_eq!(domains, [("a.example", 1, 2), ("c.example", 1, 1), ("b.example", 0, 1)]);
        assert_eq!(diff.added[0].is_exception, Some(true));
        assert_eq!(diff.added[0].category, Category::Network);
        assert!(
            compare("", "||a.example^", &DiffOptions { analyze_domains: false, ..OPTIONS })
                .domains
                .is_empty()
        );
    }

    #[test]
    fn what_a_list_says_of_itself_is_told_with_its_faults() {
        let diff =
            compare("! Title: T: x\n! Version: 1\n! Version: 2\na##", "! Last modified: today", &OPTIONS);
        assert_eq!((diff.original.title, diff.original.version), (Some("T: x"), Some("1")));
        assert_eq!(diff.current.last_modified, Some("today"));
        assert_eq!(diff.original.faults.len(), 1);
        assert_eq!((diff.original.faults[0].line, diff.original.faults[0].rule), (4, "a##"));
    }

    #[test]
    fn no_more_is_told_than_asked_for_and_all_is_counted() {
        let diff = compare("", "a\nb\nc", &DiffOptions { max_rules: 2, ..OPTIONS });
        assert_eq!((diff.added.len(), diff.n_added), (2, 3));
    }
}
