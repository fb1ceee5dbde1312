//! Bodies of rules that filter HTML.
//!
//! Both ad blockers take selectors there, but other special ones. AdGuard's older ones are attributes, such as
//! `[tag-content="…"]`, and become pseudo-classes in AdGuard, too.

use super::css::{self, Kind, Token};
use super::scriptlet::{push_escaped, unescaped};
use super::{ConvertError, Target};

/// How many characters AdGuard looks at where uBlock Origin names no upper limit.
const MAX_LENGTH: &str = "262144";

/// A body in the target's words, or `None` if it already is.
pub(super) fn convert(body: &str, source: Target, target: Target) -> Result<Option<String>, ConvertError> {
    let parts = parse(body).map_err(ConvertError::Selector)?;
    let mut writer = Writer {
        source,
        target,
        text: String::new(),
        compound_at: 0,
        is_first_compound: true,
        lengths: None,
        is_converted: false,
    };
    for part in &parts {
        writer.write(part)?;
    }
    writer.finish_selector()?;
    Ok((writer.is_converted || source != target).then_some(writer.text))
}

/// The header in `responseheader(…)`, or `None` if the body is something else.
pub(super) fn response_header(body: &str) -> Result<Option<String>, ConvertError> {
    let body = body.trim();
    if !body.starts_with("responseheader(") {
        return Ok(None);
    }
    let tokens = css::tokens(body).map_err(ConvertError::Selector)?;
    let mut rest = tokens.iter().skip(1);
    let name: String =
        rest.by_ref().take_while(|token| token.kind != Kind::Close(b')')).map(|token| token.text).collect();
    if let Some(token) = rest.find(|token| token.kind != Kind::Space) {
        return Err(ConvertError::Selector(format!("Expected end of rule, but got '{}'", token.kind.name())));
    }
    match name.trim() {
        "" => Err(ConvertError::NoHeader),
        name => Ok(Some(name.to_owned())),
    }
}

/// A part of a list of selectors.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    /// A type, an identifier or a class, with its mark.
    Simple(&'static str, &'a str),
    Attribute(Attribute<'a>),
    PseudoClass {
        name: &'a str,
        argument: Option<String>,
    },
    /// What is between two compounds; a lone blank for descent.
    Combinator(&'a str),
    Comma,
}

#[derive(Debug, PartialEq, Eq)]
struct Attribute<'a> {
    name: &'a str,
    /// The operator and the value, without quotes and their escapes.
    condition: Option<(String, String)>,
    flag: Option<&'a str>,
}

/// The parts of a list of selectors. The error is a sentence for people.
fn parse(body: &str) -> Result<Vec<Part<'_>>, String> {
    let tokens = css::tokens(body.trim())?;
    let mut parts = Vec::new();
    let mut rest = Rest { tokens: &tokens };
    loop {
        rest.skip_spaces();
        parse_compound(&mut rest, &mut parts)?;
        let had_space = rest.skip_spaces();
        match rest.peek() {
            None => return Ok(parts),
            Some(token) if token.kind == Kind::Comma => {
                rest.next();
                parts.push(Part::Comma);
            }
            Some(token) if token.kind == Kind::Delim && matches!(token.text, ">" | "+" | "~") => {
                rest.next();
                parts.push(Part::Combinator(token.text));
            }
            Some(_) if had_space => parts.push(Part::Combinator(" ")),
            Some(token) => return Err(unexpected(token)),
        }
    }
}

/// Reads one compound selector, which must not be empty.
fn parse_compound<'a>(rest: &mut Rest<'_, 'a>, parts: &mut Vec<Part<'a>>) -> Result<(), String> {
    let mut n_parts = 0;
    let mut has_type = false;
    loop {
        let Some(token) = rest.peek() else {
            return if n_parts == 0 { Err(no_token()) } else { Ok(()) };
        };
        let part = match (token.kind, token.text) {
            (Kind::Ident, _) | (Kind::Delim, "*") => {
                if has_type {
                    return Err("Type selector is already set for the compound selector".to_owned());
                }
                if n_parts > 0 {
                    return Err("Type selector must be first in the compound selector".to_owned());
                }
                has_type = true;
                rest.next();
                Part::Simple("", token.text)
            }
            (Kind::Hash, _) => {
                rest.next();
                Part::Simple("", token.text)
            }
            (Kind::Delim, ".") => {
                rest.next();
                Part::Simple(".", rest.expect(Kind::Ident)?)
            }
            (Kind::Open(b'['), _) => Part::Attribute(parse_attribute(rest)?),
            (Kind::Colon, _) => parse_pseudo_class(rest)?,
            _ if n_parts > 0 && ends_compound(token) => return Ok(()),
            _ => return Err(unexpected(token)),
        };
        parts.push(part);
        n_parts += 1;
    }
}

fn ends_compound(token: Token<'_>) -> bool {
    match token.kind {
        Kind::Space | Kind::Comma => true,
        Kind::Delim => matches!(token.text, ">" | "+" | "~"),
        _ => false,
    }
}

fn parse_attribute<'a>(rest: &mut Rest<'_, 'a>) -> Result<Attribute<'a>, String> {
    rest.next();
    rest.skip_spaces();
    let name = rest.expect(Kind::Ident)?;
    rest.skip_spaces();
    if rest.peek().is_some_and(|token| token.kind == Kind::Close(b']')) {
        rest.next();
        return Ok(Attribute { name, condition: None, flag: None });
    }
    let mut operator = rest.expect(Kind::Delim)?.to_owned();
    match operator.as_str() {
        "=" => {}
        "~" | "^" | "$" | "*" | "|" => operator.push_str(rest.expect(Kind::Delim)?),
        _ => return Err(format!("Invalid attribute selector operator '{operator}'")),
    }
    rest.skip_spaces();
    let value = parse_attribute_value(rest)?;
    rest.skip_spaces();
    let mut flag = None;
    if let Some(token) = rest.peek().filter(|token| token.kind != Kind::Close(b']')) {
        if token.kind != Kind::Ident || !matches!(token.text, "i" | "s") {
            return Err(unexpected(token));
        }
        flag = Some(token.text);
        rest.next();
        rest.skip_spaces();
    }
    rest.expect(Kind::Close(b']'))?;
    Ok(Attribute { name, condition: Some((operator, value)), flag })
}

fn parse_attribute_value(rest: &mut Rest<'_, '_>) -> Result<String, String> {
    let token = rest.next().ok_or_else(no_token)?;
    match token.kind {
        Kind::Ident => Ok(token.text.to_owned()),
        Kind::String => {
            let quote = token.text.chars().next().unwrap_or('"');
            let mut value = unescaped(css::unquoted(token.text), quote);
            // In AdGuard a quote is escaped by another one, which makes it two strings to CSS.
            while let Some(next) = rest.peek().filter(|next| next.text.starts_with('"') && quote == '"') {
                value.push('"');
                value.push_str(&unescaped(css::unquoted(next.text), quote));
                rest.next();
            }
            Ok(value)
        }
        _ => Err(format!(
            "Expected '<ident-token>' or '<string-token>' as attribute selector value, but got '{}' with value \
             '{}'",
            token.kind.name(),
            token.text
        )),
    }
}

fn parse_pseudo_class<'a>(rest: &mut Rest<'_, 'a>) -> Result<Part<'a>, String> {
    rest.next();
    let token = rest.next().ok_or_else(no_token)?;
    match token.kind {
        Kind::Ident => Ok(Part::PseudoClass { name: token.text, argument: None }),
        Kind::Function => {
            let name = css::name_of_function(token.text);
            let mut argument = Vec::new();
            let mut depth = 1usize;
            while let Some(token) = rest.next() {
                match token.kind {
                    Kind::Function | Kind::Open(b'(') => depth += 1,
                    Kind::Close(b')') => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                argument.push(token);
            }
            // An argument that is no CSS is one token and keeps its blanks.
            let is_space = |token: &Token<'_>| token.kind == Kind::Space;
            let start = argument.iter().take_while(|token| is_space(token)).count();
            while argument.last().is_some_and(is_space) {
                argument.pop();
            }
            let argument = argument.iter().skip(start).map(|token| token.text).collect();
            Ok(Part::PseudoClass { name, argument: Some(argument) })
        }
        _ => Err(format!(
            "Expected '<ident-token>' or '<function-token>' as pseudo-class selector name, but got '{}' with \
             value '{}'",
            token.kind.name(),
            token.text
        )),
    }
}

fn no_token() -> String {
    "Expected a token, but got 'end of input'".to_owned()
}

fn unexpected(token: Token<'_>) -> String {
    format!("Unexpected token '{}' with value '{}'", token.kind.name(), token.text)
}

/// The tokens that are still to be read.
struct Rest<'t, 'a> {
    tokens: &'t [Token<'a>],
}

impl<'a> Rest<'_, 'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.first().copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    /// The text of the next token, which must be of this kind.
    fn expect(&mut self, kind: Kind) -> Result<&'a str, String> {
        match self.next() {
            Some(token) if token.kind == kind => Ok(token.text),
            Some(token) => Err(format!("Expected '{}', but got '{}'", kind.name(), token.kind.name())),
            None => Err(format!("Expected '{}', but got 'end of input'", kind.name())),
        }
    }

    /// Passes white space over; says whether there was any.
    fn skip_spaces(&mut self) -> bool {
        let was = self.tokens.len();
        while self.peek().is_some_and(|token| token.kind == Kind::Space) {
            self.next();
        }
        self.tokens.len() < was
    }
}

/// Puts selectors together again.
struct Writer {
    source: Target,
    target: Target,
    text: String,
    /// Where the compound selector begins that is being written.
    compound_at: usize,
    /// Whether it is the first of its selector.
    is_first_compound: bool,
    /// The limits of length in the selector that is being written, for AdGuard.
    lengths: Option<Lengths>,
    is_converted: bool,
}

/// Limits of length that become one pseudo-class.
struct Lengths {
    /// Where in the text it goes.
    at: usize,
    min: Option<f64>,
    max: Option<f64>,
}

impl Writer {
    fn write(&mut self, part: &Part<'_>) -> Result<(), ConvertError> {
        match part {
            Part::Simple(mark, name) => self.text.extend([*mark, name]),
            Part::Combinator(mark) => {
                self.finish_compound(false)?;
                if *mark == " " {
                    self.text.push(' ');
                } else {
                    self.text.extend([" ", mark, " "]);
                }
                self.compound_at = self.text.len();
            }
            Part::Comma => {
                self.finish_selector()?;
                self.text.push_str(", ");
                self.compound_at = self.text.len();
                self.is_first_compound = true;
            }
            Part::Attribute(attribute) => self.write_attribute(attribute)?,
            Part::PseudoClass { name, argument } => self.write_pseudo_class(name, argument.as_deref())?,
        }
        Ok(())
    }

    /// Ends a compound selector, of which something must be left.
    fn finish_compound(&mut self, is_last: bool) -> Result<(), ConvertError> {
        let is_empty = self.text.len() == self.compound_at && self.lengths.is_none();
        // As in the reference, what follows the last combinator may be empty.
        if is_empty && (self.is_first_compound || !is_last) {
            let fault =
                if is_last { "Complex selector cannot be empty" } else { "Empty compound selector found" };
            return Err(ConvertError::Selector(fault.to_owned()));
        }
        self.is_first_compound = false;
        Ok(())
    }

    /// Ends one of the selectors between commas.
    fn finish_selector(&mut self) -> Result<(), ConvertError> {
        self.finish_compound(true)?;
        if let Some(Lengths { at, min, max }) = self.lengths.take() {
            let min = min.unwrap_or(0.0);
            let max = max.map_or(String::new(), number_text);
            self.text.insert_str(at, &format!(":contains(/^(?=.{{{},{max}}}$).*/s)", number_text(min)));
        }
        Ok(())
    }

    fn write_attribute(&mut self, attribute: &Attribute<'_>) -> Result<(), ConvertError> {
        let name = attribute.name;
        if !matches!(name, "tag-content" | "wildcard" | "min-length" | "max-length") {
            self.text.extend(["[", name]);
            if let Some((operator, value)) = &attribute.condition {
                self.text.extend([operator, "\""]);
                push_escaped(&mut self.text, value, '"');
                self.text.push('"');
                if let Some(flag) = attribute.flag {
                    self.text.extend([" ", flag]);
                }
            }
            self.text.push(']');
            return Ok(());
        }
        let special =
            |fault: &str| ConvertError::Selector(format!("Special attribute selector '{name}' {fault}"));
        let Some((operator, value)) = attribute.condition.as_ref().filter(|(_, value)| !value.is_empty())
        else {
            return Err(special("requires a value"));
        };
        if operator != "=" {
            return Err(special(&format!("has invalid operator '{operator}'")));
        }
        if attribute.flag.is_some() {
            return Err(special("does not support flags"));
        }
        if self.source == Target::Ublock {
            return Err(ConvertError::MixedHtml);
        }
        self.is_converted = true;
        match name {
            "tag-content" => self.write_text(value),
            "wildcard" => self.write_text(&wildcard(value)),
            _ => self.write_length(name, value)?,
        }
        Ok(())
    }

    fn write_pseudo_class(&mut self, name: &str, argument: Option<&str>) -> Result<(), ConvertError> {
        let owner = match name {
            "contains" => Target::AdGuard,
            "has-text" | "min-text-length" => Target::Ublock,
            _ => {
                self.text.extend([":", name]);
                if let Some(argument) = argument {
                    self.text.extend(["(", argument, ")"]);
                }
                return Ok(());
            }
        };
        let Some(argument) = argument.filter(|argument| !argument.is_empty()) else {
            return Err(ConvertError::Selector(format!(
                "Special pseudo-class selector '{name}' requires an argument"
            )));
        };
        if owner != self.source {
            return Err(ConvertError::MixedHtml);
        }
        if name == "min-text-length" {
            let min = number(argument, &format!("Argument of special pseudo-class selector '{name}'"))?;
            let min = number_text(min);
            self.text.push_str(&format!(":contains(/^(?=.{{{min},{MAX_LENGTH}}}$).*/s)"));
        } else {
            self.write_text(argument);
        }
        Ok(())
    }

    /// Writes the condition that a text is there.
    fn write_text(&mut self, text: &str) {
        let name = if self.target == Target::AdGuard { ":contains(" } else { ":has-text(" };
        self.text.extend([name, text, ")"]);
    }

    fn write_length(&mut self, name: &str, value: &str) -> Result<(), ConvertError> {
        let is_min = name == "min-length";
        let whose = format!("Value of special attribute selector '{name}'");
        if self.target == Target::Ublock {
            // There is no upper limit there.
            if is_min {
                number(value, &whose)?;
                self.text.extend([":min-text-length(", value, ")"]);
            }
            return Ok(());
        }
        let value = number(value, &whose)?;
        let at = self.text.len();
        let lengths = self.lengths.get_or_insert(Lengths { at, min: None, max: None });
        if is_min {
            lengths.min = Some(lengths.min.map_or(value, |min| min.max(value)));
        } else {
            lengths.max = Some(lengths.max.map_or(value, |max| max.min(value)));
        }
        Ok(())
    }
}

/// AdGuard's wildcard as a regular expression.
fn wildcard(value: &str) -> String {
    let mut pattern = "/^".to_owned();
    for c in value.chars() {
        match c {
            '*' => pattern.push('.'),
            '.' | '+' | '?' | '^' | '$' | '{' | '}' | '(' | ')' | '|' | '[' | ']' | '/' => pattern.push('\\'),
            _ => {}
        }
        pattern.push(c);
    }
    pattern.push_str("$/s");
    pattern
}

/// A number as JavaScript's `Number` reads it, which must not be negative.
fn number(text: &str, whose: &str) -> Result<f64, ConvertError> {
    let trimmed = text.trim();
    let based = |base: u32| {
        let digits = trimmed.get(2..).filter(|digits| !digits.starts_with(['+', '-']))?;
        u64::from_str_radix(digits, base).ok().map(|number| number as f64)
    };
    let value = match trimmed.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => based(16),
        Some("0o") => based(8),
        Some("0b") => based(2),
        _ if matches!(trimmed, "Infinity" | "+Infinity") => Some(f64::INFINITY),
        _ if trimmed.bytes().any(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E')) => None,
        _ => trimmed.parse().ok(),
    };
    match value {
        None => Err(ConvertError::Selector(format!("{whose} must be an integer, got '{text}'"))),
        Some(value) if value < 0.0 => {
            Err(ConvertError::Selector(format!("{whose} must be a positive integer, got '{text}'")))
        }
        Some(value) => Ok(value),
    }
}

fn number_text(number: f64) -> String {
    if number.is_infinite() { "Infinity".to_owned() } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, source: Target, target: Target, expect: &str) {
        let result = match convert(body, source, target) {
            Ok(Some(text)) => text,
            Ok(None) => "as it was".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(result, expect, "{body}");
    }

    #[test]
    fn attributes_become_pseudo_classes() {
        for (body, adguard, ublock) in [
            ("a", "as it was", "a"),
            ("a[x='y\"z' i]>b", "as it was", "a[x=\"y\\\"z\" i] > b"),
            ("a[tag-content=\"x \"\"y\"\"\"]", "a:contains(x \"y\")", "a:has-text(x \"y\")"),
            ("a[wildcard=\"*x?*\"]", "a:contains(/^.*x\\?.*$/s)", "a:has-text(/^.*x\\?.*$/s)"),
            (
                "a[min-length=\"5\"][b][max-length=\"9\"], c",
                "a:contains(/^(?=.{5,9}$).*/s)[b], c",
                "a:min-text-length(5)[b], c",
            ),
        ] {
            check(body, Target::AdGuard, Target::AdGuard, adguard);
            check(body, Target::AdGuard, Target::Ublock, ublock);
        }
    }

    #[test]
    fn faults_are_told() {
        for (body, error) in [
            ("", "Expected a token, but got 'end of input'"),
            (
                "a::b",
                "Expected '<ident-token>' or '<function-token>' as pseudo-class selector name, but got \
              '<colon-token>' with value ':'",
            ),
            ("a:has-text(x)", "Invalid HTML filtering rule: Mixed AdGuard and uBlock syntax"),
            (
                "a[min-length=\"x\"]",
                "Value of special attribute selector 'min-length' must be an integer, got 'x'",
            ),
            ("[a]b", "Type selector must be first in the compound selector"),
        ] {
            check(body, Target::AdGuard, Target::AdGuard, error);
        }
    }
}
