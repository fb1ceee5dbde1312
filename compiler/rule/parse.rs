//! From a line to its rule: which kind it is, and what each kind's own file makes of it.

use std::borrow::Cow;

use super::ast::{
    EmptyRule, FilterList, InvalidRule, InvalidRuleError, Modifier, ModifierList, NewLine, ParameterList,
    Raws, Rule, RuleKind, Span, Syntax, Value,
};
use super::source::{Part, Source};
use super::{MAX_RULE_BYTES, ParserOptions};
use crate::line;

pub(super) use comment::LINTER;
pub(super) use comment::is_cosmetic;
pub(super) use cosmetic::{begins_like_ublock, find_separator};
pub(super) use network::{find_modifiers, parse_host};

mod comment;
mod cosmetic;
pub(super) mod css;
mod expression;
mod json5;
mod network;
mod scriptlet;
mod ublock;

/// Why a line is no rule.
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) message: Cow<'static, str>,
    pub(super) span: Option<Span>,
}

/// What a parser of one kind of rule makes of a line.
type Parsed = (Syntax, RuleKind);

/// Parses one line.
pub(super) fn parse_line(text: &str, nl: Option<NewLine>, options: &ParserOptions) -> Rule {
    if text.len() > MAX_RULE_BYTES {
        let message = format!("The rule has more than {MAX_RULE_BYTES} bytes").into();
        return rule_of(text, nl, Err(Fault { name: "AdblockSyntaxError", message, span: None }));
    }
    let source = Source::new(text);
    rule_of(text, nl, parse_kind(source.all(), options))
}

/// Parses a line as a network rule, even if it may be one of a hosts file.
pub(super) fn parse_network(text: &str) -> Rule {
    let source = Source::new(text);
    rule_of(text, None, network::parse(source.all()))
}

fn rule_of(text: &str, nl: Option<NewLine>, parsed: Result<Parsed, Fault>) -> Rule {
    let (syntax, kind) = parsed.unwrap_or_else(|fault| {
        let error = InvalidRuleError {
            name: fault.name.into(),
            message: fault.message,
            start: fault.span.map(|span| span.start),
            end: fault.span.map(|span| span.end),
        };
        (Syntax::Common, RuleKind::Invalid(InvalidRule { raw: text.to_owned(), error }))
    });
    Rule { syntax, raws: Some(Raws { text: text.to_owned(), nl }), kind }
}

fn parse_kind(rule: Part<'_>, options: &ParserOptions) -> Result<Parsed, Fault> {
    if line::is_blank(rule.text()) {
        return Ok((Syntax::Common, RuleKind::Empty(EmptyRule {})));
    }
    if let Some(parsed) = comment::parse(rule)? {
        return Ok(parsed);
    }
    if let Some(parsed) = cosmetic::parse(rule, options)? {
        return Ok(parsed);
    }
    if let Some(parsed) = parse_host(rule) {
        return Ok(parsed);
    }
    network::parse(rule)
}

/// Parses a list. Lines end at LF, CR LF or CR; behind the last line end there is always one more line.
pub(super) fn parse_list(text: &str, options: &ParserOptions) -> FilterList {
    // Lines are counted first, for a vector of rules that grows would take three times as much for a while.
    let n_line_ends = memchr::memchr2_iter(b'\n', b'\r', text.as_bytes()).count();
    let mut children = Vec::with_capacity(n_line_ends + 1);
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest.as_bytes()) {
        let (line, tail) = rest.split_at(at);
        let nl = if tail.starts_with("\r\n") {
            NewLine::Crlf
        } else if tail.starts_with('\n') {
            NewLine::Lf
        } else {
            NewLine::Cr
        };
        children.push(parse_line(line, Some(nl), options));
        rest = tail.get(nl.as_str().len()..).unwrap_or("");
    }
    children.push(parse_line(rest, None, options));
    FilterList { children }
}

/// Takes a list of parameters apart at its commas outside quotes and slashes. An empty list has none; between commas, nothing is `None`.
fn parse_parameters(list: Part<'_>) -> ParameterList {
    let mut children = Vec::new();
    let mut start = (!list.is_empty()).then_some(0);
    while let Some(from) = start {
        let end = list.find_unescaped(b',', from, true);
        children.push(parameter(list.slice(from, end.unwrap_or(list.len()))));
        start = end.map(|end| end + 1);
    }
    ParameterList { children }
}

fn parameter(part: Part<'_>) -> Option<Value> {
    let part = part.trim();
    (!part.is_empty()).then(|| part.value())
}

/// Takes modifiers apart, as they stand behind a `$`.
fn parse_modifiers(list: Part<'_>) -> Result<ModifierList, Fault> {
    let mut children = Vec::new();
    let mut scanner = ModifierEnds::new(list);
    let mut start = Some(0);
    while let Some(from) = start {
        let end = scanner.end_of(from);
        children.push(parse_modifier(list.slice(from, end.unwrap_or(list.len())))?);
        start = end.map(|end| end + 1);
    }
    Ok(ModifierList { children })
}

/// Finds where modifiers end.
///
/// That is the next comma, unless it may belong to a regular expression or a string. Whether it may is decided by
/// what follows the next `=`, even if that belongs to a later modifier: a slash that has just one more slash
/// behind it. If there is no `=` at all, it may as well.
struct ModifierEnds<'a> {
    list: Part<'a>,
    /// The next `=` at or behind the start that was asked for last.
    next_equals: Option<usize>,
    /// The last but one slash of all.
    opening_slash: Option<usize>,
}

impl<'a> ModifierEnds<'a> {
    fn new(list: Part<'a>) -> Self {
        let mut slashes = memchr::memrchr_iter(b'/', list.bytes()).filter(|&at| !list.is_escaped(at));
        let opening_slash = slashes.next().and(slashes.next());
        ModifierEnds { list, next_equals: Some(0), opening_slash }
    }

    fn end_of(&mut self, start: usize) -> Option<usize> {
        if let Some(at) = self.next_equals
            && (at < start || start == 0)
        {
            let list = self.list;
            let rest = list.from(start);
            // Looking for it once and no more keeps a list without any linear.
            self.next_equals =
                memchr::memchr_iter(b'=', rest.bytes()).map(|at| start + at).find(|&at| !list.is_escaped(at));
        }
        let minds_quotes = match self.next_equals {
            None => true,
            Some(at) => self.opening_slash == Some(at + 1),
        };
        self.list.find_unescaped(b',', start, minds_quotes)
    }
}

fn parse_modifier(part: Part<'_>) -> Result<Modifier, Fault> {
    let whole = part.trim();
    let (exception, rest) = match whole.strip_prefix("~") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, whole),
    };
    let equals = memchr::memchr_iter(b'=', rest.bytes()).find(|&at| !rest.is_escaped(at));
    let Some(equals) = equals else {
        if rest.is_empty() {
            return Err(whole.fault("Modifier name cannot be empty"));
        }
        return Ok(Modifier { name: rest.value(), value: None, exception });
    };
    let value = rest.from(equals + 1).trim_start();
    if value.is_empty() {
        return Err(whole.fault("Modifier value cannot be empty"));
    }
    Ok(Modifier { name: rest.to(equals).trim_end().value(), value: Some(value.value()), exception })
}
