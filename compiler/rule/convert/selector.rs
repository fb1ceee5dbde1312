//! Selectors for AdGuard: other ad blockers' names for the same pseudo-classes become its own.

use super::css::{self, Kind, Token};

/// Pseudo-classes that browsers do not have and AdGuard does: a rule with one needs a separator with `?`.
const EXTENDED: &[&str] = &[
    "-abp-contains",
    "-abp-has",
    "-abp-properties",
    "contains",
    "has-text",
    "if-not",
    "matches-attr",
    "matches-css",
    "matches-css-after",
    "matches-css-before",
    "matches-property",
    "min-text-length",
    "nth-ancestor",
    "upward",
    "watch-attr",
    "xpath",
];

/// Pseudo-classes whose argument is kept as it is.
const OPAQUE: &[&str] = &[
    "-abp-contains",
    "contains",
    "has-text",
    "matches-attr",
    "matches-css",
    "matches-css-after",
    "matches-css-before",
    "matches-property",
    "xpath",
];

/// A selector for AdGuard.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) text: String,
    /// Whether it has pseudo-classes that browsers do not have.
    pub(super) is_extended: bool,
}

/// Writes a selector in AdGuard's words. The error is a sentence for people.
pub(super) fn to_adguard(selector: &str) -> Result<Selector, String> {
    let (text, has_attributes) = without_attributes(&css::tokens(selector)?)?;
    let (text, has_classes) = with_own_names(&css::tokens_of_any(&text));
    Ok(Selector { text, is_extended: has_attributes || has_classes })
}

/// The older way to write extended selectors, `[-ext-has="…"]`, in the newer: `:has(…)`.
fn without_attributes(tokens: &[Token<'_>]) -> Result<(String, bool), String> {
    let mut text = String::new();
    let mut is_found = false;
    let mut opaque = Opaque::default();
    let mut rest = tokens.iter();
    let mut previous = None;
    while let Some(token) = rest.next() {
        let is_opaque = opaque.pass(previous, token);
        previous = Some(token.kind);
        if token.kind == Kind::Open(b'[') && !is_opaque {
            let mut inside = rest.as_slice().iter().filter(|token| token.kind != Kind::Space);
            let name = inside.next().filter(|token| token.kind == Kind::Ident).map_or("", |token| token.text);
            let pseudo = name.strip_prefix("-ext-").or(name.starts_with("-abp-").then_some(name));
            if let Some(pseudo) = pseudo {
                expect(inside.next(), Kind::Delim, "=")?;
                let value = value_of_attribute(inside.next())?;
                expect(inside.next(), Kind::Close(b']'), "]")?;
                text.extend([":", pseudo, "(", value, ")"]);
                is_found = true;
                // What was read ahead is passed over.
                for token in rest.by_ref() {
                    previous = Some(token.kind);
                    if token.kind == Kind::Close(b']') {
                        break;
                    }
                }
                continue;
            }
        }
        text.push_str(token.text);
    }
    Ok((text, is_found))
}

fn expect(token: Option<&Token<'_>>, kind: Kind, text: &str) -> Result<(), String> {
    match token {
        None => Err(format!("Expected '{}', but got 'end of input'", kind.name())),
        Some(token) if token.kind != kind => {
            Err(format!("Expected '{}', but got '{}'", kind.name(), token.kind.name()))
        }
        Some(token) if token.text != text => {
            Err(format!("Expected '{}' with value '{text}', but got '{}'", kind.name(), token.text))
        }
        Some(_) => Ok(()),
    }
}

fn value_of_attribute<'a>(token: Option<&Token<'a>>) -> Result<&'a str, String> {
    match token {
        Some(token) if token.kind == Kind::String => Ok(css::unquoted(token.text)),
        Some(token) if token.kind == Kind::Ident => Ok(token.text),
        // The last quote is missing in the reference's message, too.
        Some(token) => Err(format!(
            "Expected '<ident-token>' or '<string-token>' as attribute value, but got '{}' with value '{}",
            token.kind.name(),
            token.text
        )),
        None => Err("Expected a token, but got 'end of input'".to_owned()),
    }
}

/// AdGuard's names for pseudo-classes, and whether there are extended ones.
fn with_own_names(tokens: &[Token<'_>]) -> (String, bool) {
    let mut text = String::new();
    let mut is_extended = false;
    let mut opaque = Opaque::default();
    let mut before = [None, None];
    for token in tokens {
        let [two_before, one_before] = before;
        before = [one_before, Some(token.kind)];
        let is_opaque = opaque.pass(one_before, token);
        // As in the reference, the name alone makes it extended, even without a colon.
        if !is_opaque && token.kind == Kind::Function {
            is_extended |= EXTENDED.contains(&css::name_of_function(token.text));
        }
        if is_opaque || one_before != Some(Kind::Colon) {
            text.push_str(token.text);
            continue;
        }
        match token.kind {
            Kind::Function => {
                let name = css::name_of_function(token.text);
                text.push_str(match name {
                    "has-text" | "-abp-contains" => "contains(",
                    "-abp-has" => "has(",
                    "matches-css-before" => "matches-css(before,",
                    "matches-css-after" => "matches-css(after,",
                    _ => token.text,
                });
            }
            Kind::Ident if matches!(token.text, "before" | "after") && two_before != Some(Kind::Colon) => {
                text.push(':');
                text.push_str(token.text);
            }
            _ => text.push_str(token.text),
        }
    }
    (text, is_extended)
}

/// Knows whether a token stands in an argument that is kept as it is.
#[derive(Default)]
struct Opaque {
    depth: usize,
}

impl Opaque {
    /// Takes the next token; says whether it is inside. A function's name is still outside.
    fn pass(&mut self, previous: Option<Kind>, token: &Token<'_>) -> bool {
        if self.depth == 0 {
            if previous == Some(Kind::Colon)
                && token.kind == Kind::Function
                && OPAQUE.iter().any(|name| name.eq_ignore_ascii_case(css::name_of_function(token.text)))
            {
                self.depth = 1;
            }
            return false;
        }
        match token.kind {
            Kind::Function | Kind::Open(b'(') => self.depth += 1,
            Kind::Close(b')') => self.depth -= 1,
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_adguards() {
        for (ours, text, is_extended) in [
            (".a:has(.b)", ".a:has(.b)", false),
            (".a:has-text(x)", ".a:contains(x)", true),
            (".a:not(:-abp-contains(x))", ".a:not(:contains(x))", true),
            (".a:before", ".a::before", false),
            (".a::before", ".a::before", false),
            (".a:has-text(:before)", ".a:contains(:before)", true),
            (".a:matches-css(x:before)", ".a:matches-css(x:before)", true),
            (".a:matches-css-after(x: y)", ".a:matches-css(after,x: y)", true),
            (".a[-ext-has='b:has-text(c)']", ".a:has(b:contains(c))", true),
            (".a[-abp-properties=\"x\"]", ".a:-abp-properties(x)", true),
            (".a[title=':has-text(x)']", ".a[title=':has-text(x)']", false),
        ] {
            assert_eq!(to_adguard(ours), Ok(Selector { text: text.to_owned(), is_extended }), "{ours}");
        }
    }

    #[test]
    fn faults_are_told() {
        for (selector, error) in [
            ("a[-ext-has]", "Expected '<delim-token>', but got '<]-token>'"),
            ("a[-ext-has^='x']", "Expected '<delim-token>' with value '=', but got '^'"),
            ("a[-ext-has='x' i]", "Expected '<]-token>', but got '<ident-token>'"),
            ("a:has(", "Expected '<)-token>', but got 'end of input'"),
        ] {
            assert_eq!(to_adguard(selector), Err(error.to_owned()), "{selector}");
        }
    }
}
