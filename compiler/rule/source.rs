//! A rule's text and its parts, which know where they stand.

use crate::line;

use super::ast::{Span, Value};
use super::parse::Fault;

/// The text of a rule that is being parsed.
pub(super) struct Source<'a> {
    text: &'a str,
    /// The UTF-16 offset of every byte and of the end; absent while both count the same.
    units: Option<Vec<u32>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let units = (!text.is_ascii()).then(|| {
            let mut units = Vec::with_capacity(text.len() + 1);
            let mut unit = 0;
            for c in text.chars() {
                units.extend(std::iter::repeat_n(unit, c.len_utf8()));
                unit += if c.len_utf16() == 2 { 2 } else { 1 };
            }
            units.push(unit);
            units
        });
        Source { text, units }
    }

    /// The whole text.
    pub(super) fn all(&'a self) -> Part<'a> {
        Part { source: self, start: 0, end: self.text.len() }
    }

    fn unit(&self, byte: usize) -> u32 {
        match &self.units {
            None => u32::try_from(byte).unwrap_or(u32::MAX),
            Some(units) => units.get(byte).copied().unwrap_or(u32::MAX),
        }
    }
}

/// A part of a rule's text. Offsets into it count bytes from its own start; an offset beyond its end means its
/// end.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    source: &'a Source<'a>,
    start: usize,
    end: usize,
}

/// The characters that may stand around the parts of a rule.
pub(super) fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

impl<'a> Part<'a> {
    pub(super) fn text(self) -> &'a str {
        self.source.text.get(self.start..self.end).unwrap_or("")
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        self.text().as_bytes()
    }

    pub(super) fn len(self) -> usize {
        self.end - self.start
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The byte at an offset.
    pub(super) fn byte(self, at: usize) -> Option<u8> {
        self.bytes().get(at).copied()
    }

    /// What lies between two offsets.
    pub(super) fn slice(self, from: usize, to: usize) -> Self {
        let end = (self.start + to).min(self.end);
        Part { source: self.source, start: (self.start + from).min(end), end }
    }

    /// All from an offset on.
    pub(super) fn from(self, at: usize) -> Self {
        self.slice(at, self.len())
    }

    /// All before an offset.
    pub(super) fn to(self, at: usize) -> Self {
        self.slice(0, at)
    }

    /// From this part's start to the end of the whole rule.
    pub(super) fn to_end_of_rule(self) -> Self {
        Part { end: self.source.text.len(), ..self }
    }

    pub(super) fn find(self, byte: u8) -> Option<usize> {
        memchr::memchr(byte, self.bytes())
    }

    /// How far into another part of the same text this one begins.
    pub(super) fn offset_in(self, whole: Part<'_>) -> usize {
        self.start.saturating_sub(whole.start)
    }

    pub(super) fn trim_start(self) -> Self {
        self.from(self.bytes().iter().take_while(|&&b| is_blank(b)).count())
    }

    pub(super) fn trim_end(self) -> Self {
        self.to(self.len() - self.bytes().iter().rev().take_while(|&&b| is_blank(b)).count())
    }

    pub(super) fn trim(self) -> Self {
        self.trim_start().trim_end()
    }

    /// Without white space of any kind at its ends.
    pub(super) fn trim_spaces(self) -> Self {
        let text = self.text();
        let start = text.len() - text.trim_start_matches(line::is_space).len();
        self.slice(start, text.trim_end_matches(line::is_space).len())
    }

    /// The same without a mark at its start.
    pub(super) fn strip_prefix(self, prefix: &str) -> Option<Self> {
        self.text().starts_with(prefix).then(|| self.from(prefix.len()))
    }

    pub(super) fn span(self) -> Span {
        Span { start: self.source.unit(self.start), end: self.source.unit(self.end) }
    }

    pub(super) fn value(self) -> Value {
        Value { value: self.text().to_owned(), span: self.span() }
    }

    /// Where a byte next stands unescaped, at or behind an offset. With `minds_quotes` what is between two quotes or
    /// two slashes does not count, even if the second is missing.
    pub(super) fn find_unescaped(self, wanted: u8, from: usize, minds_quotes: bool) -> Option<usize> {
        let mut quote = None;
        for (offset, &b) in self.from(from).bytes().iter().enumerate() {
            let at = from + offset;
            if self.is_escaped(at) {
                continue;
            }
            match (quote, b) {
                (None, b) if b == wanted => return Some(at),
                (None, b'/' | b'\'' | b'"') if minds_quotes => quote = Some(b),
                (Some(open), b) if open == b => quote = None,
                _ => {}
            }
        }
        None
    }

    /// An error about this part.
    pub(super) fn fault(self, message: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
        Fault { name: "AdblockSyntaxError", message: message.into(), span: Some(self.span()) }
    }

    /// An error about the last unit of this part.
    pub(super) fn fault_at_end(self, message: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
        let end = self.span().end;
        let span = Span { start: end.saturating_sub(1), end };
        Fault { span: Some(span), ..self.fault(message) }
    }

    /// Whether a byte stands behind a backslash, which is all that escaping means here.
    pub(super) fn is_escaped(self, at: usize) -> bool {
        at > 0 && self.byte(at - 1) == Some(b'\\')
    }
}
