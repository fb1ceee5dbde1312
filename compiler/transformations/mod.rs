//! The transformations: their names, their one order, and a file for each. The reference has thirteen; two more are
//! for those who ask for them.
//!
//! A transformation changes the lines of one level, a source or the whole list, and nothing else. The
//! order in which a configuration names them means nothing; each runs at most once a level. A line that
//! a transformation cannot make sense of is kept or dropped, never an error: one bad line does not cost
//! anybody their list.

mod compress;
mod conflict_detection;
mod convert_to_ascii;
mod deduplicate;
mod explain;
mod insert_final_new_line;
mod invert_allow;
mod removal;
mod remove_comments;
mod remove_empty_lines;
mod remove_modifiers;
mod rule_hosts;
mod rule_optimizer;
mod trim_lines;
mod validate;

use std::fmt;
use std::str::FromStr;

use foldhash::fast::FixedState;

use crate::report::Conflict;
use crate::text::{Line, Pages};

pub(crate) use explain::explain;

/// A transformation, under the name configurations use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transformation {
    /// Writes non-ASCII domain names in their `xn--` form.
    ConvertToAscii,
    /// Strips blanks and tabs at both ends of every line.
    TrimLines,
    /// Drops comments.
    RemoveComments,
    /// Turns hosts lines and plain domains into `||name^` and drops names a shorter one covers.
    Compress,
    /// Takes options off that mean nothing to a DNS filter.
    RemoveModifiers,
    /// Turns every blocking rule into an allow rule.
    InvertAllow,
    /// Drops rules that do not work in a DNS filter.
    Validate,
    /// As `Validate`, but IP addresses may be blocked; writes them in one form first.
    ValidateAllowIp,
    /// As `Validate`, but whole public suffixes such as `org` may be blocked.
    ValidateAllowPublicSuffix,
    /// As `Validate`, with both allowances.
    ValidateAllowIpAndPublicSuffix,
    /// Drops all but the last copy of a rule, with the comments right above the dropped ones.
    Deduplicate,
    /// Changes nothing, and tells in the report which hosts are both blocked and allowed.
    ConflictDetection,
    /// Writes rules shorter and drops those that an earlier one makes needless.
    RuleOptimizer,
    /// Drops blank lines.
    RemoveEmptyLines,
    /// Ends the list with an empty line, so that a joined text ends with a line end.
    InsertFinalNewLine,
}

/// The name is none of those there are; names are case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown transformation {name:?}")]
pub struct UnknownTransformation {
    /// The name as it was given.
    pub name: String,
}

impl Transformation {
    /// All transformations in the order in which they run.
    pub const ORDER: [Transformation; 15] = [
        Transformation::ConvertToAscii,
        Transformation::TrimLines,
        Transformation::RemoveComments,
        Transformation::Compress,
        Transformation::RemoveModifiers,
        Transformation::InvertAllow,
        Transformation::Validate,
        Transformation::ValidateAllowIp,
        Transformation::ValidateAllowPublicSuffix,
        Transformation::ValidateAllowIpAndPublicSuffix,
        Transformation::Deduplicate,
        Transformation::ConflictDetection,
        Transformation::RuleOptimizer,
        Transformation::RemoveEmptyLines,
        Transformation::InsertFinalNewLine,
    ];

    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Transformation::ConvertToAscii => "ConvertToAscii",
            Transformation::TrimLines => "TrimLines",
            Transformation::RemoveComments => "RemoveComments",
            Transformation::Compress => "Compress",
            Transformation::RemoveModifiers => "RemoveModifiers",
            Transformation::InvertAllow => "InvertAllow",
            Transformation::Validate => "Validate",
            Transformation::ValidateAllowIp => "ValidateAllowIp",
            Transformation::ValidateAllowPublicSuffix => "ValidateAllowPublicSuffix",
            Transformation::ValidateAllowIpAndPublicSuffix => "ValidateAllowIpAndPublicSuffix",
            Transformation::Deduplicate => "Deduplicate",
            Transformation::ConflictDetection => "ConflictDetection",
            Transformation::RuleOptimizer => "RuleOptimizer",
            Transformation::RemoveEmptyLines => "RemoveEmptyLines",
            Transformation::InsertFinalNewLine => "InsertFinalNewLine",
        }
    }

    /// Whether this is one of the four that judge rules. A level may name only one of them, and not
    /// both the list and a source may.
    pub fn is_validator(self) -> bool {
        matches!(
            self,
            Transformation::Validate
                | Transformation::ValidateAllowIp
                | Transformation::ValidateAllowPublicSuffix
                | Transformation::ValidateAllowIpAndPublicSuffix
        )
    }

    /// Transforms the lines of one level.
    pub(crate) fn apply(self, pages: &mut Pages, lines: &mut Vec<Line>, hashing: &FixedState) {
        use validate::Allowances;
        match self {
            Transformation::ConvertToAscii => convert_to_ascii::apply(pages, lines),
            Transformation::TrimLines => trim_lines::apply(pages, lines),
            Transformation::RemoveComments => remove_comments::apply(pages, lines),
            Transformation::Compress => compress::apply(pages, lines, hashing),
            Transformation::RemoveModifiers => remove_modifiers::apply(pages, lines),
            Transformation::InvertAllow => invert_allow::apply(pages, lines),
            Transformation::Validate => validate::apply(pages, lines, Allowances::NONE),
            Transformation::ValidateAllowIp => validate::apply(pages, lines, Allowances::IP),
            Transformation::ValidateAllowPublicSuffix => {
                validate::apply(pages, lines, Allowances::PUBLIC_SUFFIX)
            }
            Transformation::ValidateAllowIpAndPublicSuffix => validate::apply(pages, lines, Allowances::BOTH),
            Transformation::Deduplicate => deduplicate::apply(pages, lines, hashing),
            // What it finds is asked for besides.
            Transformation::ConflictDetection => {}
            Transformation::RuleOptimizer => rule_optimizer::apply(pages, lines, hashing),
            Transformation::RemoveEmptyLines => remove_empty_lines::apply(pages, lines),
            Transformation::InsertFinalNewLine => insert_final_new_line::apply(pages, lines),
        }
    }
}

impl FromStr for Transformation {
    type Err = UnknownTransformation;

    fn from_str(name: &str) -> Result<Self, UnknownTransformation> {
        let known = Self::ORDER.into_iter().find(|transformation| transformation.name() == name);
        known.ok_or_else(|| UnknownTransformation { name: name.to_owned() })
    }
}

impl fmt::Display for Transformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What `ConflictDetection` tells: how many conflicts there are, and the first of them.
pub(crate) fn find_conflicts(pages: &Pages, lines: &[Line], hashing: &FixedState) -> (usize, Vec<Conflict>) {
    conflict_detection::find(pages, lines, hashing)
}

/// Whether `text` is a property that every JavaScript object has.
///
/// The reference keeps its sets in plain objects, so these names count as seen before the first line.
fn is_seen_from_the_start(text: &str) -> bool {
    matches!(
        text,
        "constructor"
            | "toString"
            | "toLocaleString"
            | "valueOf"
            | "hasOwnProperty"
            | "isPrototypeOf"
            | "propertyIsEnumerable"
            | "__proto__"
            | "__defineGetter__"
            | "__defineSetter__"
            | "__lookupGetter__"
            | "__lookupSetter__"
    )
}

#[cfg(test)]
mod testing {
    //! Runs one transformation over a few lines.

    use super::*;

    /// The lines after the transformation.
    pub(super) fn run(transformation: Transformation, lines: &[&str]) -> Vec<String> {
        let mut pages = Pages::default();
        let mut list: Vec<Line> = lines.iter().map(|line| pages.write(line)).collect();
        transformation.apply(&mut pages, &mut list, &FixedState::with_seed(1));
        list.iter().map(|&line| pages.text(line).to_owned()).collect()
    }

    #[test]
    fn names_are_read_back_and_case_sensitive() {
        for transformation in Transformation::ORDER {
            assert_eq!(transformation.name().parse(), Ok(transformation));
        }
        assert_eq!(
            "trimlines".parse::<Transformation>(),
            Err(UnknownTransformation { name: "trimlines".to_owned() })
        );
    }

    #[test]
    fn the_order_of_the_enum_is_the_order_of_running() {
        assert!(Transformation::ORDER.is_sorted());
    }
}
