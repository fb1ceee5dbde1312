//! The public suffix of a host name: the part below which names are registered, such as `co.uk`.
//!
//! Only the ICANN section counts; `github.io` is an ordinary domain here. The data is pinned to the state
//! that the reference bundles (see `data/README.md`), because a newer list decides some rules otherwise.

use std::sync::LazyLock;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

const RULES: &str = include_str!("data/public_suffixes.txt");

/// A name that is a suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicSuffix {
    /// Whether the list knows it; otherwise it is merely a name of one label.
    pub(crate) is_known: bool,
}

/// What the list says about one name.
#[derive(Clone, Copy, Default)]
struct Rule {
    /// The name is a suffix.
    is_suffix: bool,
    /// Every name one label longer is a suffix.
    is_parent_of_suffixes: bool,
    /// The name is not a suffix although its parent says so.
    is_exception: bool,
    /// There are rules for names one label longer.
    has_children: bool,
}

/// Built once, at the first look-up: 7,378 short names, a fraction of a millisecond.
static TABLE: LazyLock<HashMap<&'static str, Rule, FixedState>> = LazyLock::new(|| {
    let lines = RULES.lines().filter(|line| !line.is_empty() && !line.starts_with("//"));
    // The keys are our own data, so a fixed seed gives nobody a way to make them collide.
    let mut table: HashMap<_, Rule, _> = HashMap::with_capacity_and_hasher(8192, FixedState::with_seed(0));
    for line in lines {
        if let Some(parent) = line.strip_prefix("*.") {
            table.entry(parent).or_default().is_parent_of_suffixes = true;
            continue;
        }
        let exception = line.strip_prefix('!');
        let name = exception.unwrap_or(line);
        let rule = table.entry(name).or_default();
        rule.is_exception |= exception.is_some();
        rule.is_suffix |= exception.is_none();
        if let Some((_, parent)) = name.split_once('.') {
            table.entry(parent).or_default().has_children = true;
        }
    }
    table
});

/// The host name as a public suffix, if it is one as a whole. A name of one label always is.
///
/// The name is looked up as it stands: lower case, without a final dot.
pub(crate) fn of_whole(host: &str) -> Option<PublicSuffix> {
    let rule_of = |name: &str| TABLE.get(name).copied().unwrap_or_default();
    let Some(dot) = host.bytes().position(|b| b == b'.') else {
        return Some(PublicSuffix { is_known: rule_of(host).is_suffix });
    };
    // The parent decides nearly always: most top-level domains have no rules below them, and the parents of
    // longer names are mostly in no rule.
    let parent = rule_of(host.get(dot + 1..)?);
    if !(parent.has_children || parent.is_parent_of_suffixes) {
        return None;
    }
    let own = rule_of(host);
    let is_suffix = !own.is_exception && (own.is_suffix || parent.is_parent_of_suffixes);
    is_suffix.then_some(PublicSuffix { is_known: true })
}

/// Whether the list makes an exception of the name: its parent is its suffix then, though not by itself.
pub(crate) fn is_exception(name: &str) -> bool {
    TABLE.get(name).is_some_and(|rule| rule.is_exception)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, is_known: Option<bool>) {
        assert_eq!(of_whole(host).map(|suffix| suffix.is_known), is_known, "{host}");
    }

    #[test]
    fn only_whole_names_count() {
        for host in ["org", "co.uk", "рф"] {
            check(host, Some(true));
        }
        for host in ["unknown", "localhost"] {
            check(host, Some(false));
        }
        for host in [
            "example.org",
            "a.co.uk",
            "a.b.co.uk",
            "github.io",
            "a.github.io",
            "x.unknown",
            ".org",
            "пример.рф",
        ] {
            check(host, None);
        }
    }

    #[test]
    fn stars_and_exceptions() {
        for host in ["b.ck", "y.kobe.jp"] {
            check(host, Some(true));
        }
        check("ck", Some(false));
        for host in
            ["a.b.ck", "www.ck", "a.www.ck", "city.kobe.jp", "x.city.kobe.jp", "x.y.kobe.jp", "kobe.jp"]
        {
            check(host, None);
        }
    }

    /// The reference takes the last label of these for the suffix without asking its list.
    #[test]
    fn no_rule_lies_below_the_largest_top_level_domains() {
        for name in ["com", "org", "edu", "gov", "net", "de"] {
            let rule = TABLE.get(name).copied().unwrap_or_default();
            assert!(rule.is_suffix && !rule.has_children && !rule.is_parent_of_suffixes, "{name}");
        }
    }

    /// An exception, and a rule right below a starred name, end the star's reach; the look-up of a whole name
    /// relies on no rule lying deeper.
    #[test]
    fn the_data_is_as_the_lookup_assumes() {
        for (name, rule) in TABLE.iter() {
            let parent = name.split_once('.').map_or("", |(_, parent)| parent);
            let parent = TABLE.get(parent).copied().unwrap_or_default();
            assert!(!(rule.is_suffix && parent.is_parent_of_suffixes), "{name}");
            assert!(!(parent.is_exception || rule.is_exception && rule.has_children), "{name}");
            assert!(!(rule.is_parent_of_suffixes && name.split('.').count() > 3), "{name}");
        }
    }
}
