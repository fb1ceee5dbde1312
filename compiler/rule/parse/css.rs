//! Style sheets, as far as rules have them: where strings, comments and brackets begin and end.
//!
//! Tokens are those of CSS Syntax Level 3, except that the arguments of some extended pseudo-classes such as
//! `:contains(…)` are plain text up to the closing parenthesis.

use super::Fault;
use crate::rule::ast::CssInjectionRuleBody;
use crate::rule::source::Part;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rule) enum Kind {
    Space,
    Comment,
    Ident,
    /// A name with its opening parenthesis.
    Function,
    AtKeyword,
    Hash,
    String,
    BadString,
    Url,
    BadUrl,
    Number,
    Percentage,
    Dimension,
    Cdo,
    Cdc,
    Colon,
    Semicolon,
    Comma,
    /// `(`, `[` or `{`
    Open(u8),
    /// `)`, `]` or `}`
    Close(u8),
    Delim,
}

impl Kind {
    /// The name of the token in messages.
    pub(in crate::rule) fn name(self) -> &'static str {
        match self {
            Kind::Space => "<whitespace-token>",
            Kind::Comment => "<comment-token>",
            Kind::Ident => "<ident-token>",
            Kind::Function => "<function-token>",
            Kind::AtKeyword => "<at-keyword-token>",
            Kind::Hash => "<hash-token>",
            Kind::String => "<string-token>",
            Kind::BadString => "<bad-string-token>",
            Kind::Url => "<url-token>",
            Kind::BadUrl => "<bad-url-token>",
            Kind::Number => "<number-token>",
            Kind::Percentage => "<percentage-token>",
            Kind::Dimension => "<dimension-token>",
            Kind::Cdo => "<CDO-token>",
            Kind::Cdc => "<CDC-token>",
            Kind::Colon => "<colon-token>",
            Kind::Semicolon => "<semicolon-token>",
            Kind::Comma => "<comma-token>",
            Kind::Open(b'(') => "<(-token>",
            Kind::Open(b'[') => "<[-token>",
            Kind::Open(_) => "<{-token>",
            Kind::Close(b')') => "<)-token>",
            Kind::Close(b']') => "<]-token>",
            Kind::Close(_) => "<}-token>",
            Kind::Delim => "<delim-token>",
        }
    }

    /// What closes this, if it opens anything.
    fn closed_by(self) -> Option<Kind> {
        match self {
            Kind::Function | Kind::Open(b'(') => Some(Kind::Close(b')')),
            Kind::Open(b'[') => Some(Kind::Close(b']')),
            Kind::Open(_) => Some(Kind::Close(b'}')),
            _ => None,
        }
    }
}

/// A token with where it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(in crate::rule) struct Token {
    pub(in crate::rule) kind: Kind,
    pub(in crate::rule) start: usize,
    pub(in crate::rule) end: usize,
}

/// Pseudo-classes whose argument is plain text unless it begins with a quote.
const TEXT_FUNCTIONS: [&[u8]; 9] = [
    b"-abp-contains",
    b"contains",
    b"has-text",
    b"matches-attr",
    b"matches-css",
    b"matches-css-after",
    b"matches-css-before",
    b"matches-property",
    b"xpath",
];

/// All tokens of a text whose brackets are balanced.
pub(in crate::rule) fn tokens(text: Part<'_>) -> Result<Vec<Token>, Fault> {
    let tokens = tokens_of_any(text);
    check_balance(text, &tokens)?;
    Ok(tokens)
}

/// All tokens of a text.
pub(in crate::rule) fn tokens_of_any(text: Part<'_>) -> Vec<Token> {
    let mut lexer = Lexer { bytes: text.bytes(), at: 0 };
    let mut tokens = Vec::new();
    while lexer.at < lexer.bytes.len() {
        let start = lexer.at;
        let kind = lexer.token();
        tokens.push(Token { kind, start, end: lexer.at });
        if kind == Kind::Function {
            let name = text.bytes().get(start..lexer.at - 1).unwrap_or_default();
            if TEXT_FUNCTIONS.iter().any(|function| function.eq_ignore_ascii_case(name)) {
                let start = lexer.at;
                lexer.plain_argument(name.eq_ignore_ascii_case(b"xpath"));
                if lexer.at > start {
                    tokens.push(Token { kind: Kind::Delim, start, end: lexer.at });
                }
            }
        }
    }
    tokens
}

fn check_balance(text: Part<'_>, tokens: &[Token]) -> Result<(), Fault> {
    let mut open = Vec::new();
    for token in tokens {
        if let Some(close) = token.kind.closed_by() {
            open.push(close);
        } else if let Kind::Close(_) = token.kind {
            let expected = open.pop();
            if expected != Some(token.kind) {
                let expected = expected.map_or("<unknown-token>", Kind::name);
                return Err(text.from(token.start).fault(expected_but_got(expected, token.kind.name())));
            }
        }
    }
    match open.pop() {
        Some(close) => Err(missing(text, close)),
        None => Ok(()),
    }
}

fn expected_but_got(expected: &str, got: &str) -> String {
    format!("Expected '{expected}', but got '{got}'")
}

fn missing(text: Part<'_>, expected: Kind) -> Fault {
    text.fault_at_end(expected_but_got(expected.name(), "end of input"))
}

/// Whether a body is a rule of a style sheet: one line with something, then something in braces at the end.
pub(in crate::rule) fn looks_like_injection(body: Part<'_>) -> bool {
    let bytes = body.bytes();
    let before_last = bytes.get(1..bytes.len().saturating_sub(2)).unwrap_or_default();
    bytes.ends_with(b"}")
        && memchr::memchr(b'{', before_last).is_some()
        && !body.text().contains(['\n', '\r', '\u{2028}', '\u{2029}'])
}

/// Parses a selector with a block of declarations, which may stand in an `@media` block. What follows the first
/// block outside `@media` is dropped.
pub(super) fn parse_injection(body: Part<'_>) -> Result<CssInjectionRuleBody, Fault> {
    // A style sheet may begin with a byte order mark, which is no part of it.
    let mark = body.text().strip_prefix('\u{feff}').map_or(0, |rest| body.len() - rest.len());
    let body = body.slice(mark, body.len());
    let all = tokens(body)?;
    let mut rest = all.iter().copied().skip_while(|token| token.kind == Kind::Space).peekable();
    let mut media_query_list = None;
    if let Some(token) = rest.next_if(|token| token.kind == Kind::AtKeyword) {
        let keyword = body.slice(token.start, token.end);
        if keyword.text() != "@media" {
            return Err(keyword.fault(format!(
                "Expected '<at-keyword-token>' with value '@media', but got '{}'",
                keyword.text()
            )));
        }
        media_query_list = Some(up_to_block(body, &mut rest, "Media query list is empty")?.value());
    }
    let selector_list = up_to_block(body, &mut rest, "Selector list is empty")?.value();
    let (declarations, remove) = block(body, &mut rest)?;
    if media_query_list.is_some() {
        match rest.find(|token| token.kind != Kind::Space) {
            Some(Token { kind: Kind::Close(b'}'), .. }) => {}
            Some(other) => {
                let message = expected_but_got("<}-token>", other.kind.name());
                return Err(body.slice(other.start, other.end).fault(message));
            }
            None => return Err(missing(body, Kind::Close(b'}'))),
        }
    }
    let declaration_list = Some(declarations.value());
    Ok(CssInjectionRuleBody { media_query_list, selector_list, declaration_list, remove })
}

/// What stands before the next block, without blanks around it; takes its opening brace, too.
fn up_to_block<'a>(
    body: Part<'a>,
    rest: &mut impl Iterator<Item = Token>,
    empty: &'static str,
) -> Result<Part<'a>, Fault> {
    let mut range: Option<(usize, usize)> = None;
    let mut depth = 0_usize;
    for token in rest {
        match token.kind {
            Kind::Open(b'{') if depth == 0 => {
                let Some((start, end)) = range else { return Err(body.from(token.start).fault(empty)) };
                // A blank may belong to an escape, and is none of the selector's even then.
                return Ok(body.slice(start, end).trim());
            }
            Kind::Close(_) => depth = depth.saturating_sub(1),
            kind if kind.closed_by().is_some() => depth += 1,
            _ => {}
        }
        extend(&mut range, token);
    }
    Err(missing(body, Kind::Open(b'{')))
}

/// Lets a range end with a token, unless that is a blank.
fn extend(range: &mut Option<(usize, usize)>, token: Token) {
    if token.kind != Kind::Space {
        *range = Some((range.map_or(token.start, |(start, _)| start), token.end));
    }
}

/// The declarations of a block and whether one is `remove: true`; takes the closing brace, too.
///
/// The colon behind a name and the `true` of `remove: true` do not extend the list by themselves:
/// `{ remove: true }` has the list `remove`, as the reference has it.
fn block<'a>(
    body: Part<'a>,
    rest: &mut std::iter::Peekable<impl Iterator<Item = Token>>,
) -> Result<(Part<'a>, bool), Fault> {
    let mut range = None;
    let mut remove = false;
    let mut depth = 0_usize;
    while let Some(token) = rest.next() {
        match token.kind {
            Kind::Close(_) if depth == 0 => {
                let Some((start, end)) = range else {
                    return Err(body.from(token.start).fault("Declaration list is empty"));
                };
                return Ok((body.slice(start, end), remove));
            }
            Kind::Close(_) => depth -= 1,
            kind if kind.closed_by().is_some() => depth += 1,
            _ => {}
        }
        extend(&mut range, token);
        if token.kind == Kind::Ident && rest.next_if(|next| next.kind == Kind::Colon).is_some() {
            while rest.next_if(|next| next.kind == Kind::Space).is_some() {}
            if body.slice(token.start, token.end).text() != "remove" {
                continue;
            }
            let Some(value) = rest.next() else { break };
            let text = body.slice(value.start, value.end);
            if value.kind != Kind::Ident {
                return Err(text.fault(expected_but_got("<ident-token>", value.kind.name())));
            }
            if text.text() != "true" {
                let message =
                    format!("Expected '<ident-token>' with value 'true', but got '{}'", text.text());
                return Err(text.fault(message));
            }
            remove = true;
        }
    }
    Err(missing(body, Kind::Close(b'}')))
}

/// Cuts a text into tokens. It works on bytes, for all that matters is ASCII and all else belongs to names.
struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn is_name_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || !b.is_ascii()
}

fn is_name(b: u8) -> bool {
    is_name_start(b) || b.is_ascii_digit() || b == b'-'
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, is_wanted: impl Fn(u8) -> bool) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|&&b| is_wanted(b)).count();
    }

    fn skip_to(&mut self, found: Option<usize>) {
        self.at = found.unwrap_or(self.bytes.len()).min(self.bytes.len());
    }

    /// Whether a backslash that escapes something stands there.
    fn is_escape(&self, ahead: usize) -> bool {
        self.peek(ahead) == Some(b'\\')
            && self.peek(ahead + 1).is_some_and(|b| !matches!(b, b'\n' | b'\r' | b'\x0c'))
    }

    fn skip_escape(&mut self) {
        self.at += 1;
        let digits = self.bytes.get(self.at..).unwrap_or_default();
        let n_digits = digits.iter().take(6).take_while(|b| b.is_ascii_hexdigit()).count();
        self.at += n_digits.max(1);
        if n_digits > 0 && self.peek(0).is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn is_name_ahead(&self) -> bool {
        match self.peek(0) {
            Some(b'-') => self.peek(1).is_some_and(|b| is_name_start(b) || b == b'-') || self.is_escape(1),
            Some(b) => is_name_start(b) || self.is_escape(0),
            None => false,
        }
    }

    fn skip_name(&mut self) {
        loop {
            self.skip_while(is_name);
            if !self.is_escape(0) {
                return;
            }
            self.skip_escape();
        }
    }

    fn is_number_ahead(&self) -> bool {
        let sign = usize::from(matches!(self.peek(0), Some(b'+' | b'-')));
        let is_digit = |ahead| self.peek(ahead).is_some_and(|b| b.is_ascii_digit());
        is_digit(sign) || self.peek(sign) == Some(b'.') && is_digit(sign + 1)
    }

    fn number(&mut self) -> Kind {
        if matches!(self.peek(0), Some(b'+' | b'-')) {
            self.at += 1;
        }
        self.skip_while(|b| b.is_ascii_digit());
        if self.peek(0) == Some(b'.') && self.peek(1).is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
            self.skip_while(|b| b.is_ascii_digit());
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            if self.peek(1 + sign).is_some_and(|b| b.is_ascii_digit()) {
                self.at += 1 + sign;
                self.skip_while(|b| b.is_ascii_digit());
            }
        }
        if self.is_name_ahead() {
            self.skip_name();
            return Kind::Dimension;
        }
        if self.peek(0) == Some(b'%') {
            self.at += 1;
            return Kind::Percentage;
        }
        Kind::Number
    }

    fn string(&mut self, quote: u8) -> Kind {
        self.at += 1;
        while let Some(b) = self.peek(0) {
            match b {
                b'\\' => self.at = (self.at + 2).min(self.bytes.len()),
                b'\n' | b'\r' | b'\x0c' => return Kind::BadString,
                b => {
                    self.at += 1;
                    if b == quote {
                        break;
                    }
                }
            }
        }
        Kind::String
    }

    /// The rest of `url(` when no quote follows.
    fn url(&mut self) -> Kind {
        self.skip_while(is_space);
        loop {
            match self.peek(0) {
                None => return Kind::Url,
                Some(b')') => {
                    self.at += 1;
                    return Kind::Url;
                }
                Some(b) if is_space(b) => {
                    self.skip_while(is_space);
                    if !matches!(self.peek(0), None | Some(b')')) {
                        return self.bad_url();
                    }
                }
                Some(b'"' | b'\'' | b'(') => return self.bad_url(),
                Some(b'\\') if !self.is_escape(0) => return self.bad_url(),
                Some(b'\\') => self.skip_escape(),
                Some(_) => self.at += 1,
            }
        }
    }

    fn bad_url(&mut self) -> Kind {
        while let Some(b) = self.peek(0) {
            if self.is_escape(0) {
                self.skip_escape();
                continue;
            }
            self.at += 1;
            if b == b')' {
                break;
            }
        }
        Kind::BadUrl
    }

    /// The argument of a function that takes plain text, up to its closing parenthesis. An argument that begins
    /// with a quote is left to the usual tokens. In XPath, double quotes protect parentheses.
    fn plain_argument(&mut self, is_xpath: bool) {
        let start = self.at;
        self.skip_while(is_space);
        if matches!(self.peek(0), Some(b'"' | b'\'')) {
            self.at = start;
            return;
        }
        let mut depth = 0_usize;
        let mut is_quoted = false;
        while let Some(b) = self.peek(0) {
            match b {
                b'\\' => self.at += 1,
                b'"' if is_xpath => is_quoted = !is_quoted,
                _ if is_quoted => {}
                b'(' => depth += 1,
                b')' if depth == 0 => return,
                b')' => depth -= 1,
                _ => {}
            }
            self.at = (self.at + 1).min(self.bytes.len());
        }
    }

    /// Takes one token; there is at least one byte left.
    fn token(&mut self) -> Kind {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(&b) = rest.first() else { return Kind::Delim };
        if is_space(b) {
            self.skip_while(is_space);
            return Kind::Space;
        }
        if rest.starts_with(b"/*") {
            let end = rest.get(2..).and_then(|inside| memchr::memmem::find(inside, b"*/"));
            self.skip_to(end.map(|end| self.at + end + 4));
            return Kind::Comment;
        }
        if rest.starts_with(b"<!--") {
            self.at += 4;
            return Kind::Cdo;
        }
        if rest.starts_with(b"-->") {
            self.at += 3;
            return Kind::Cdc;
        }
        if self.is_number_ahead() {
            return self.number();
        }
        if self.is_name_ahead() {
            let start = self.at;
            self.skip_name();
            if self.peek(0) != Some(b'(') {
                return Kind::Ident;
            }
            let name = self.bytes.get(start..self.at).unwrap_or_default();
            self.at += 1;
            if !name.eq_ignore_ascii_case(b"url") {
                return Kind::Function;
            }
            let argument = self.bytes.get(self.at..).unwrap_or_default();
            let is_quoted =
                argument.iter().find(|&&b| !is_space(b)).is_some_and(|b| matches!(b, b'"' | b'\''));
            return if is_quoted { Kind::Function } else { self.url() };
        }
        if matches!(b, b'"' | b'\'') {
            return self.string(b);
        }
        self.at += 1;
        match b {
            b'#' if self.peek(0).is_some_and(is_name) || self.is_escape(0) => {
                self.skip_name();
                Kind::Hash
            }
            b'@' if self.is_name_ahead() => {
                self.skip_name();
                Kind::AtKeyword
            }
            b'(' | b'[' | b'{' => Kind::Open(b),
            b')' | b']' | b'}' => Kind::Close(b),
            b':' => Kind::Colon,
            b';' => Kind::Semicolon,
            b',' => Kind::Comma,
            _ => Kind::Delim,
        }
    }
}
