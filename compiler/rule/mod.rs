//! Rules as syntax trees: parse a line, look at its parts, write it down again.
//!
//! The tree is that of `@adguard/agtree` 4.2.0 (see [`ast`]), so its users need not learn another one. What was
//! observed of that package decides what a line is and where its parts end, oddities included; decision note
//! 0011 lists where this knowingly differs.
//!
//! # Guarantees
//!
//! - [`parse_rule`] takes any text without a panic and in time proportional to its length. Nothing recurses
//!   along the text; conditions and configurations are nested to a fixed depth.
//! - [`generate()`] writes a rule from its nodes alone. For a valid rule in canonical form it gives the text that was
//!   parsed; for any other text, what it gives is stable: parsed and generated once more, it is the same.
//!   Canonical means: no blanks around the rule and its parts, but one behind the commas of hints, linter
//!   comments and scriptlets and around braces and the `#` of hosts lines, and those that keep a rule from being
//!   another; no blank lines of blanks; nothing that the tree leaves out (words behind an agent's version, a
//!   second block of a style sheet, a `:matches-media()` that belongs to no style).
//!
//! ```
//! use compiler::rule::{ast::RuleKind, generate, parse_rule};
//!
//! let rule = parse_rule("@@||example.org^$script,domain=a.com");
//! let RuleKind::Network(network) = &rule.kind else { unreachable!() };
//! assert!(network.exception);
//! assert_eq!(network.pattern.value, "||example.org^");
//! assert_eq!(generate(&rule), "@@||example.org^$script,domain=a.com");
//! ```

pub mod ast;
pub mod convert;

mod generate;
mod parse;
mod source;

use ast::{FilterList, InvalidRuleError, Rule, RuleKind};

/// How deep the condition of an `!#if` may be; a deeper one makes an invalid rule.
///
/// Every operator and every pair of parentheses around a part makes it one deeper. Trees are walked
/// recursively, and JSON readers commonly stop at 128 levels.
pub const MAX_EXPRESSION_DEPTH: usize = 100;

/// The longest rule that is parsed, in bytes; a longer one is invalid. A modifier of two bytes takes about a hundred in
/// a tree, and lines in the wild have a tenth of this.
pub const MAX_RULE_BYTES: usize = 64 * 1024;

/// Which ad blockers' own syntax is parsed. A rule that needs one that is off is invalid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParserOptions {
    /// That of uBlock Origin: `##+js(…)`, `##^…` and modifiers in selectors.
    pub ublock_syntax: bool,
    /// That of Adblock Plus: `#$#snippet`.
    pub adblock_plus_syntax: bool,
}

/// Parses one rule with the syntax of uBlock Origin and Adblock Plus off. Never fails: what cannot be parsed
/// is an invalid rule.
pub fn parse_rule(text: &str) -> Rule {
    parse_rule_with(text, &ParserOptions::default())
}

/// Parses one rule. Never fails: what cannot be parsed is an invalid rule.
pub fn parse_rule_with(text: &str, options: &ParserOptions) -> Rule {
    parse::parse_line(text, None, options)
}

/// Parses a list with the syntax of uBlock Origin and Adblock Plus off: one rule for each line.
///
/// Lines end at LF, CR LF or CR. A text that ends so has an empty rule behind its last line.
pub fn parse_list(text: &str) -> FilterList {
    parse_list_with(text, &ParserOptions::default())
}

/// Parses a list, see [`parse_list`].
pub fn parse_list_with(text: &str, options: &ParserOptions) -> FilterList {
    parse::parse_list(text, options)
}

/// Writes a rule from its nodes. The text it was read from plays no part, unless the rule is invalid: then that
/// text is all there is.
pub fn generate(rule: &Rule) -> String {
    generate::generate(rule)
}

/// What is wrong with a rule, if anything: only what could not be parsed is invalid.
///
/// # Errors
///
/// The error of an invalid rule, with its name, message and position.
pub fn validate(rule: &Rule) -> Result<(), &InvalidRuleError> {
    match &rule.kind {
        RuleKind::Invalid(invalid) => Err(&invalid.error),
        _ => Ok(()),
    }
}
