//! CSS tokens, as far as selectors in rules need them.
//!
//! They are those of the CSS Syntax specification, level 3, with one addition of the reference: what stands in
//! `:contains(…)`, `:has-text(…)`, `:-abp-contains(…)` and `:xpath(…)` is no CSS and is one token.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ident,
    /// A name with the parenthesis that follows it.
    Function,
    AtKeyword,
    Hash,
    String,
    Url,
    Delim,
    Number,
    Percentage,
    Dimension,
    Whitespace,
    Cdo,
    Cdc,
    Colon,
    Semicolon,
    Comma,
    OpenSquare,
    CloseSquare,
    OpenParen,
    CloseParen,
    OpenCurly,
    CloseCurly,
    Comment,
    /// The argument of a function that does not take CSS.
    Raw,
}

impl Kind {
    /// The name that error messages give it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Ident => "<ident-token>",
            Kind::Function => "<function-token>",
            Kind::AtKeyword => "<at-keyword-token>",
            Kind::Hash => "<hash-token>",
            Kind::String => "<string-token>",
            Kind::Url => "<url-token>",
            Kind::Delim | Kind::Raw => "<delim-token>",
            Kind::Number => "<number-token>",
            Kind::Percentage => "<percentage-token>",
            Kind::Dimension => "<dimension-token>",
            Kind::Whitespace => "<whitespace-token>",
            Kind::Cdo => "<CDO-token>",
            Kind::Cdc => "<CDC-token>",
            Kind::Colon => "<colon-token>",
            Kind::Semicolon => "<semicolon-token>",
            Kind::Comma => "<comma-token>",
            Kind::OpenSquare => "<[-token>",
            Kind::CloseSquare => "<]-token>",
            Kind::OpenParen => "<(-token>",
            Kind::CloseParen => "<)-token>",
            Kind::OpenCurly => "<{-token>",
            Kind::CloseCurly => "<}-token>",
            Kind::Comment => "<comment-token>",
        }
    }

    /// What closes that which this opens.
    pub(super) fn closer(self) -> Option<Kind> {
        match self {
            Kind::Function | Kind::OpenParen => Some(Kind::CloseParen),
            Kind::OpenSquare => Some(Kind::CloseSquare),
            Kind::OpenCurly => Some(Kind::CloseCurly),
            _ => None,
        }
    }
}

/// A token and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

/// The names of functions whose argument is no CSS.
pub(super) const RAW_FUNCTIONS: &[&str] = &["contains", "has-text", "-abp-contains", "xpath"];

/// Splits a text into tokens. Every part of the text is in one of them.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    // The name of a function that takes no CSS, just read.
    let mut raw_function = "";
    while !rest.is_empty() {
        let (kind, length) = if raw_function.is_empty() {
            next(rest)
        } else {
            let name = std::mem::take(&mut raw_function);
            match raw_length(rest, name == "xpath") {
                0 => next(rest),
                length => (Kind::Raw, length),
            }
        };
        // A length of 0 or inside a character cannot be; should it be, the rest is one token.
        let (text, after) = rest.split_at_checked(length.max(1)).unwrap_or((rest, ""));
        if kind == Kind::Function && is_pseudo(&tokens) {
            raw_function = name_of_function(text);
            if !RAW_FUNCTIONS.contains(&raw_function) {
                raw_function = "";
            }
        }
        tokens.push(Token { kind, text });
        rest = after;
    }
    tokens
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

/// Whether what follows these tokens is the name of a pseudo-class.
fn is_pseudo(tokens: &[Token<'_>]) -> bool {
    tokens.last().is_some_and(|token| token.kind == Kind::Colon)
}

/// The kind and length of the token at the start of a text that is not empty.
fn next(text: &str) -> (Kind, usize) {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return (Kind::Delim, 1) };
    match first {
        ' ' | '\t' | '\n' | '\r' | '\u{c}' => {
            (Kind::Whitespace, text.len() - text.trim_start_matches(is_css_space).len())
        }
        '"' | '\'' => (Kind::String, string_length(text, first)),
        '/' if text.starts_with("/*") => {
            let end = text.get(2..).and_then(|inside| inside.find("*/")).map(|at| at + 4);
            (Kind::Comment, end.unwrap_or(text.len()))
        }
        '#' => match name_length(chars.as_str()) {
            0 => (Kind::Delim, 1),
            length => (Kind::Hash, length + 1),
        },
        '@' if starts_ident(chars.as_str()) => (Kind::AtKeyword, name_length(chars.as_str()) + 1),
        '<' if text.starts_with("<!--") => (Kind::Cdo, 4),
        '-' if text.starts_with("-->") => (Kind::Cdc, 3),
        ':' => (Kind::Colon, 1),
        ';' => (Kind::Semicolon, 1),
        ',' => (Kind::Comma, 1),
        '[' => (Kind::OpenSquare, 1),
        ']' => (Kind::CloseSquare, 1),
        '(' => (Kind::OpenParen, 1),
        ')' => (Kind::CloseParen, 1),
        '{' => (Kind::OpenCurly, 1),
        '}' => (Kind::CloseCurly, 1),
        _ => match number_length(text) {
            0 if starts_ident(text) => ident_like(text),
            0 => (Kind::Delim, first.len_utf8()),
            length => {
                let after = text.get(length..).unwrap_or("");
                if after.starts_with('%') {
                    (Kind::Percentage, length + 1)
                } else if starts_ident(after) {
                    (Kind::Dimension, length + name_length(after))
                } else {
                    (Kind::Number, length)
                }
            }
        },
    }
}

/// A name, a function or an address.
fn ident_like(text: &str) -> (Kind, usize) {
    let length = name_length(text);
    let after = text.get(length..).unwrap_or("");
    if !after.starts_with('(') {
        return (Kind::Ident, length);
    }
    let is_url = text.get(..length).is_some_and(|name| name.eq_ignore_ascii_case("url"));
    let inside = after.get(1..).unwrap_or("");
    if is_url && !inside.trim_start_matches(is_css_space).starts_with(['"', '\'']) {
        let end = unescaped(inside, |c| c == ')').map_or(inside.len(), |at| at + 1);
        return (Kind::Url, length + 1 + end);
    }
    (Kind::Function, length + 1)
}

/// How long the string is that begins with this quote: up to the next one, or to the end.
fn string_length(text: &str, quote: char) -> usize {
    let inside = text.get(1..).unwrap_or("");
    unescaped(inside, |c| c == quote).map_or(text.len(), |at| at + 2)
}

/// Where the first such character is that has no backslash before it.
fn unescaped(text: &str, is_wanted: impl Fn(char) -> bool) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if is_wanted(c) {
            return Some(at);
        }
    }
    None
}

/// How long the argument of a function is that does not take CSS: up to the parenthesis that closes it.
///
/// Quotes protect parentheses in an XPath expression, elsewhere only if they are the first thing there is. As
/// in the reference, a quote of the one sort does not protect one of the other.
fn raw_length(text: &str, is_xpath: bool) -> usize {
    let mut depth = 0usize;
    let mut quotes = Vec::new();
    let mut is_start = true;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if quotes.last() == Some(&c) {
            quotes.pop();
        } else if matches!(c, '"' | '\'') && (is_start || is_xpath) {
            quotes.push(c);
        } else if !quotes.is_empty() {
            // Inside quotes.
        } else if c == '(' {
            depth += 1;
        } else if c == ')' {
            if depth == 0 {
                return at;
            }
            depth -= 1;
        }
        is_start = is_start && is_css_space(c);
    }
    text.len()
}

/// White space in the sense of CSS.
pub(super) fn is_css_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

/// Whether a name begins here.
fn starts_ident(text: &str) -> bool {
    let mut chars = text.chars();
    match chars.next() {
        Some('-') => match chars.next() {
            Some('-') => true,
            Some('\\') => chars.next() != Some('\n'),
            Some(c) => is_name_start(c),
            None => false,
        },
        Some('\\') => !matches!(chars.next(), Some('\n')),
        Some(c) => is_name_start(c),
        None => false,
    }
}

/// How long the name is that begins here.
fn name_length(text: &str) -> usize {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                // A hexadecimal escape goes on, but its digits are name characters anyway; only the blank
                // that may end it is not.
                let Some((_, escaped)) = chars.next() else { return text.len() };
                if escaped.is_ascii_hexdigit() {
                    let mut ahead = chars.clone();
                    let mut n_digits = 1;
                    while let Some((_, c)) = ahead.next() {
                        if c.is_ascii_hexdigit() && n_digits < 6 {
                            n_digits += 1;
                            chars = ahead.clone();
                        } else {
                            if is_css_space(c) {
                                chars = ahead;
                            }
                            break;
                        }
                    }
                }
            }
            c if is_name_start(c) || c.is_ascii_digit() || c == '-' => {}
            _ => return at,
        }
    }
    text.len()
}

/// How long the number is that begins here; 0 if none does.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_digit()).count())
    };
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let mut end = sign + digits(sign);
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if end == sign {
        return 0;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let n_digits = digits(end + 1 + sign);
        if n_digits > 0 {
            end += 1 + sign + n_digits;
        }
    }
    end
}

/// Why a text is no selector.
pub(super) fn check_balance(tokens: &[Token<'_>]) -> Result<(), String> {
    let mut expected = Vec::new();
    for token in tokens {
        if let Some(closer) = token.kind.closer() {
            expected.push(closer);
        } else if matches!(token.kind, Kind::CloseParen | Kind::CloseSquare | Kind::CloseCurly) {
            let wanted = expected.pop();
            if wanted != Some(token.kind) {
                let wanted = wanted.map_or("<unknown-token>", Kind::name);
                return Err(format!("Expected '{wanted}', but got '{}'", token.kind.name()));
            }
        }
    }
    match expected.last() {
        None => Ok(()),
        Some(wanted) => Err(format!("Expected '{}', but got 'end of input'", wanted.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        tokens(text).iter().map(|token| token.kind.name()).collect()
    }

    #[test]
    fn every_kind_of_token_is_told_from_the_others() {
        for (text, kind) in [
            ("a", "<ident-token>"),
            ("--a", "<ident-token>"),
            ("é", "<ident-token>"),
            (r"\31 b", "<ident-token>"),
            ("a(", "<function-token>"),
            ("url(x y", "<url-token>"),
            ("@a", "<at-keyword-token>"),
            ("#1", "<hash-token>"),
            ("'a", "<string-token>"),
            (r#""a\"b""#, "<string-token>"),
            ("1", "<number-token>"),
            ("-.5e+3", "<number-token>"),
            ("5%", "<percentage-token>"),
            (".1b", "<dimension-token>"),
            ("<!--", "<CDO-token>"),
            ("-->", "<CDC-token>"),
            ("/* ( ", "<comment-token>"),
            ("~", "<delim-token>"),
        ] {
            assert_eq!(kinds(text), [kind], "{text}");
        }
    }

    #[test]
    fn every_byte_is_in_a_token() {
        for text in ["a:has-text(x(y)z) > b", "é\\", "#", "a:xpath(//b[@c=')'])d", ":contains(", "\\"] {
            assert_eq!(tokens(text).iter().map(|token| token.text).collect::<String>(), text);
        }
    }

    #[test]
    fn brackets_must_match() {
        let check = |text| check_balance(&tokens(text)).err().unwrap_or_default();
        assert_eq!(check("a[b](c){d}"), "");
        assert_eq!(check("a:contains([)"), "");
        assert_eq!(check("a["), "Expected '<]-token>', but got 'end of input'");
        assert_eq!(check("a)"), "Expected '<unknown-token>', but got '<)-token>'");
        assert_eq!(check("a([)"), "Expected '<]-token>', but got '<)-token>'");
    }
}
