//! What uBlock Origin writes into selectors: `:style(…)`, `:remove()`, `:matches-path(…)` and
//! `:matches-media(…)`.

use super::Fault;
use super::css::{self, Kind, Token};
use crate::line::trim;
use crate::rule::ast::{CosmeticBody, CssInjectionRuleBody, ElementHidingRuleBody, Modifier, Value};
use crate::rule::source::Part;

/// What the pseudo-classes are called.
const MODIFIERS: [&[u8]; 4] = [b"style", b"remove", b"matches-path", b"matches-media"];

/// A modifier that was found in a selector.
struct Found<'a> {
    name: Part<'a>,
    argument: Part<'a>,
    is_negated: bool,
    /// What is cut out of the selector: the modifier with the `:not(…)` around it.
    start: usize,
    end: usize,
}

/// A function that is open, with the index of its token.
struct Open {
    token: usize,
    /// The index of the colon before it, if it is a pseudo-class.
    colon: Option<usize>,
}

/// Parses a selector with modifiers into the body without them and modifiers of the rule. `None` if it has none.
pub(super) fn parse_selector(body: Part<'_>) -> Result<Option<(CosmeticBody, Vec<Modifier>)>, Fault> {
    // Any other selector is not looked at more closely, whatever its brackets are like.
    let may_have_some = MODIFIERS.iter().any(|name| {
        memchr::memmem::find_iter(body.bytes(), name)
            .any(|at| at > 0 && body.byte(at - 1) == Some(b':') && body.byte(at + name.len()) == Some(b'('))
    });
    if !may_have_some {
        return Ok(None);
    }
    let found = find_modifiers(body)?;
    if found.is_empty() {
        return Ok(None);
    }
    let mut selector = String::with_capacity(body.len());
    let mut at = 0;
    for modifier in &found {
        selector.push_str(body.slice(at, modifier.start).text());
        at = modifier.end;
    }
    selector.push_str(body.from(at).text());
    let selector = trim(&selector).to_owned();
    // The pieces may come from anywhere in the body.
    let selector_list = Value { value: selector, span: body.span() };
    let argument_of = |name: &str| found.iter().find(|modifier| modifier.name.text() == name);
    let media = argument_of("matches-media");
    let (style, remove) = (argument_of("style"), argument_of("remove"));
    let paths: Vec<_> = found
        .iter()
        .filter(|modifier| modifier.name.text() == "matches-path")
        .map(|modifier| Modifier {
            name: modifier.name.value(),
            value: Some(modifier.argument.value()),
            exception: modifier.is_negated,
        })
        .collect();
    let body = if style.is_some() || remove.is_some() {
        let declarations = style.map_or_else(|| Value::new(""), |style| style.argument.value());
        CosmeticBody::CssInjection(CssInjectionRuleBody {
            media_query_list: media.map(|media| media.argument.value()),
            selector_list,
            declaration_list: Some(declarations),
            remove: remove.is_some(),
        })
    } else {
        CosmeticBody::ElementHiding(ElementHidingRuleBody { selector_list })
    };
    Ok(Some((body, paths)))
}

fn find_modifiers(body: Part<'_>) -> Result<Vec<Found<'_>>, Fault> {
    let tokens = css::tokens(body)?;
    let mut found: Vec<Found<'_>> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut previous: Option<Token> = None;
    let mut skip_until = 0;
    for (at, &token) in tokens.iter().enumerate() {
        let colon = previous.filter(|token| token.kind == Kind::Colon).and(at.checked_sub(1));
        previous = Some(token);
        if at < skip_until {
            continue;
        }
        match token.kind {
            Kind::Close(_) => {
                open.pop();
            }
            Kind::Function => {
                let name = body.slice(token.start, token.end - 1);
                let is_modifier =
                    matches!(name.text(), "style" | "remove" | "matches-path" | "matches-media");
                let Some(colon) = colon.filter(|_| is_modifier) else {
                    open.push(Open { token: at, colon });
                    continue;
                };
                let close = matching_close(&tokens, at);
                let modifier = check_modifier(body, &tokens, &open, name, colon, close)?;
                if found.iter().any(|other| other.name.text() == name.text()) {
                    let text = format!("uBO modifier ':{}(...)' cannot be used more than once", name.text());
                    return Err(body.from(modifier.start).fault(text));
                }
                found.push(modifier);
                skip_until = close;
                open.push(Open { token: at, colon: Some(colon) });
            }
            Kind::Open(_) => open.push(Open { token: at, colon: None }),
            _ => {}
        }
    }
    Ok(found)
}

/// The index of the token that closes another. The tokens are balanced.
fn matching_close(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Function | Kind::Open(_) => depth += 1,
            Kind::Close(_) => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

fn start_of(tokens: &[Token], at: usize) -> usize {
    tokens.get(at).map_or(usize::MAX, |token| token.start)
}

fn end_of(tokens: &[Token], at: usize) -> usize {
    tokens.get(at).map_or(usize::MAX, |token| token.end)
}

/// Checks where a modifier stands. `open` are the functions around it.
fn check_modifier<'a>(
    body: Part<'a>,
    tokens: &[Token],
    open: &[Open],
    name: Part<'a>,
    colon: usize,
    close: usize,
) -> Result<Found<'a>, Fault> {
    let text = name.text();
    let mut found = Found {
        name,
        argument: body.slice(end_of(tokens, colon + 1), start_of(tokens, close)),
        is_negated: false,
        start: start_of(tokens, colon),
        end: end_of(tokens, close),
    };
    if text != "matches-path" && !open.is_empty() {
        let message = format!("uBO modifier ':{text}(...)' cannot be nested");
        return Err(body.from(found.start).fault(message));
    }
    let is_not_blank = |token: &&Token| token.kind != Kind::Space;
    let (mut first, mut last) = (colon, close);
    for wrapper in open.iter().rev() {
        let wrapper_name =
            body.slice(start_of(tokens, wrapper.token), end_of(tokens, wrapper.token) - 1).text();
        let Some(wrapper_colon) = wrapper.colon.filter(|_| wrapper_name == "not") else {
            let message = format!(
                "uBO modifier ':{text}(...)' cannot be nested inside ':{wrapper_name}(...)', only ':not(...)' is \
                 allowed as a wrapper"
            );
            return Err(body.from(start_of(tokens, wrapper.colon.unwrap_or(wrapper.token))).fault(message));
        };
        let before = tokens.get(wrapper.token + 1..first).unwrap_or_default();
        if let Some(other) = before.iter().rev().find(is_not_blank) {
            let message =
                format!("Negated uBO modifier ':{text}(...)' cannot be preceded by '{}'", other.kind.name());
            return Err(body.from(other.start).fault(message));
        }
        let behind = tokens.iter().enumerate().skip(last + 1).find(|(_, token)| token.kind != Kind::Space);
        match behind {
            Some((at, token)) if token.kind == Kind::Close(b')') => last = at,
            other => {
                let start = other.map_or(body.len(), |(_, token)| token.start);
                return Err(body.from(start).fault(format!(
                    "Negated uBO modifier ':{text}(...)' cannot be followed by anything else than a closing \
                     parenthesis or a whitespace"
                )));
            }
        }
        found.is_negated = !found.is_negated;
        first = wrapper_colon;
    }
    (found.start, found.end) = (start_of(tokens, first), end_of(tokens, last));
    if matches!(text, "style" | "remove")
        && let Some(other) = tokens.get(close + 1..).unwrap_or_default().iter().find(is_not_blank)
    {
        let message = "uBO style injection cannot be followed by anything else than a whitespace";
        return Err(body.from(other.start).fault(message));
    }
    Ok(found)
}
