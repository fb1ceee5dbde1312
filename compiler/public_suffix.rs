//! The public suffix of a host name: the part below which names are registered, such as `co.uk`.
//!
//! Only the ICANN section counts; `github.io` is an ordinary domain here. The data is pinned to the state
//! that the reference bundles (see `data/README.md`), because a newer list decides some rules otherwise.

use std::sync::LazyLock;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

const RULES: &str = include_str!("data/public_suffixes.txt");

/// No rule has more labels than this, so no name is looked up further to the left. A test checks it.
const MAX_RULE_LABELS: usize = 4;

/// The last labels that hold most of all names; for them the list is not asked at all.
const TAKEN_AS_THEY_ARE: [&str; 6] = ["com", "org", "edu", "gov", "net", "de"];

/// The suffix of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicSuffix<'a> {
    pub(crate) name: &'a str,
    /// Whether the list knows it; otherwise it is merely the last label.
    pub(crate) is_known: bool,
}

/// What the list says about one name.
#[derive(Clone, Copy, Default)]
struct Rule {
    /// The name is a suffix.
    is_suffix: bool,
    /// Every name one label longer is a suffix.
    is_parent_of_suffixes: bool,
    /// The name is not a suffix although its parent says so; its parent is.
    is_exception: bool,
}

/// Built once, at the first look-up: 7,378 short names, a fraction of a millisecond.
static TABLE: LazyLock<HashMap<&'static str, Rule, FixedState>> = LazyLock::new(|| {
    let lines = RULES.lines().filter(|line| !line.is_empty() && !line.starts_with("//"));
    // The keys are our own data, so a fixed seed gives nobody a way to make them collide.
    let mut table: HashMap<_, Rule, _> = HashMap::with_capacity_and_hasher(8192, FixedState::with_seed(0));
    for line in lines {
        if let Some(name) = line.strip_prefix('!') {
            table.entry(name).or_default().is_exception = true;
        } else if let Some(parent) = line.strip_prefix("*.") {
            table.entry(parent).or_default().is_parent_of_suffixes = true;
        } else {
            table.entry(line).or_default().is_suffix = true;
        }
    }
    table
});

/// The public suffix of a host name, which is the name itself if it is one.
///
/// The name is looked up as it stands: lower case, without a final dot.
pub(crate) fn of(host: &str) -> PublicSuffix<'_> {
    let last_label = host.rsplit('.').next().unwrap_or(host);
    if last_label.len() < host.len() && TAKEN_AS_THEY_ARE.contains(&last_label) {
        return PublicSuffix { name: last_label, is_known: true };
    }
    let mut found = None;
    let mut parent = "";
    let mut parent_rule = Rule::default();
    let starts = memchr::memrchr_iter(b'.', host.as_bytes()).map(|dot| dot + 1).chain([0]);
    for start in starts.take(MAX_RULE_LABELS) {
        let name = host.get(start..).unwrap_or("");
        let rule = TABLE.get(name).copied().unwrap_or_default();
        if rule.is_exception {
            found = Some(parent);
            break;
        }
        if rule.is_suffix || parent_rule.is_parent_of_suffixes {
            found = Some(name);
        }
        (parent, parent_rule) = (name, rule);
    }
    PublicSuffix { name: found.unwrap_or(last_label), is_known: found.is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, suffix: &str, is_known: bool) {
        assert_eq!(of(host), PublicSuffix { name: suffix, is_known }, "{host}");
    }

    #[test]
    fn the_longest_rule_wins() {
        check("example.org", "org", true);
        check("org", "org", true);
        check("a.b.co.uk", "co.uk", true);
        check("co.uk", "co.uk", true);
        check("a.github.io", "io", true);
        check("x.unknown", "unknown", false);
        check("localhost", "localhost", false);
        check("пример.рф", "рф", true);
    }

    #[test]
    fn stars_and_exceptions() {
        check("a.b.ck", "b.ck", true);
        check("ck", "ck", false);
        check("www.ck", "ck", true);
        check("x.city.kobe.jp", "kobe.jp", true);
        check("x.y.kobe.jp", "y.kobe.jp", true);
        check("kobe.jp", "jp", true);
    }

    #[test]
    fn the_data_is_as_the_lookup_assumes() {
        let labels = |name: &str| name.split('.').count();
        assert!(TABLE.keys().all(|name| labels(name) <= MAX_RULE_LABELS));
        // A rule right below a starred name would hide the star; there is none.
        for (name, rule) in TABLE.iter().filter(|(_, rule)| rule.is_suffix) {
            let parent = name.split_once('.').map_or("", |(_, parent)| parent);
            assert!(
                !TABLE.get(parent).is_some_and(|rule| rule.is_parent_of_suffixes),
                "{name} {}",
                rule.is_suffix
            );
        }
    }
}
