//! Tokens of selectors with their texts.

pub(super) use crate::rule::parse::css::Kind;

use crate::rule::parse::css;
use crate::rule::source::Source;

/// A token and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

/// The tokens of a text whose brackets are balanced. The error is a sentence for people.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let source = Source::new(text);
    let tokens = css::tokens(source.all()).map_err(|fault| fault.message.into_owned())?;
    Ok(with_texts(&tokens, text))
}

/// The tokens of any text.
pub(super) fn tokens_of_any(text: &str) -> Vec<Token<'_>> {
    let source = Source::new(text);
    with_texts(&css::tokens_of_any(source.all()), text)
}

fn with_texts<'a>(tokens: &[css::Token], text: &'a str) -> Vec<Token<'a>> {
    tokens
        .iter()
        .map(|token| Token { kind: token.kind, text: text.get(token.start..token.end).unwrap_or("") })
        .collect()
}

/// The name in the text of a function token.
pub(super) fn name_of_function(text: &str) -> &str {
    text.strip_suffix('(').unwrap_or(text)
}

/// What is between the quotes of a string token.
pub(super) fn unquoted(text: &str) -> &str {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return text };
    let inside = text.get(1..).unwrap_or("");
    inside.strip_suffix(quote).unwrap_or(inside)
}
