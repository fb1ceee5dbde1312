//! Calls of scriptlets, in the notation of each ad blocker.

use super::{Fault, parameter};
use crate::rule::ast::{ParameterList, ScriptletInjectionRuleBody};
use crate::rule::source::{Part, is_blank};

/// The inside of the parentheses that follow a call's mask, such as `+js`.
fn arguments<'a>(call: Part<'a>, whose: &str) -> Result<Part<'a>, Fault> {
    let invalid = |what| call.fault(format!("Invalid {whose} scriptlet call, {what}"));
    match call.byte(0) {
        Some(b'(') => {}
        Some(b) if is_blank(b) => {
            return Err(invalid("whitespace is not allowed after the scriptlet call mask"));
        }
        _ => return Err(invalid("no opening parentheses '(' found")),
    }
    if !call.bytes().ends_with(b")") || call.is_escaped(call.len() - 1) {
        return Err(invalid("no closing parentheses ')' found"));
    }
    Ok(call.slice(1, call.len() - 1))
}

/// Parses `("name", "argument")`, where all are in the same quotes.
pub(super) fn parse_adguard(call: Part<'_>) -> Result<ScriptletInjectionRuleBody, Fault> {
    let inside = arguments(call, "ADG")?;
    let mut children = Vec::new();
    let mut first_quote = None;
    // Messages show what stands there, which may be the closing parenthesis.
    let mut rest = inside.trim_start();
    if rest.is_empty() {
        return Ok(ScriptletInjectionRuleBody { children });
    }
    let closing = call.from(call.len() - 1);
    let unexpected = |rest: Part<'_>, expected: &str| {
        let rest = if rest.is_empty() { closing } else { call.from(rest.offset_in(call)) };
        let c = rest.text().chars().next().unwrap_or_default();
        rest.fault(format!("Invalid ADG scriptlet call, expected {expected}, got '{c}'"))
    };
    let mut parameters = Vec::new();
    loop {
        let quote = match rest.byte(0) {
            Some(quote @ (b'"' | b'\'')) => quote,
            _ => return Err(unexpected(rest, "quote")),
        };
        if *first_quote.get_or_insert(quote) != quote {
            let rest = call.from(rest.offset_in(call));
            return Err(rest.fault("Invalid ADG scriptlet call, inconsistent quotes"));
        }
        let content = rest.from(1);
        let Some(end) = memchr::memchr_iter(quote, content.bytes()).find(|&at| !content.is_escaped(at))
        else {
            let rest = call.from(rest.offset_in(call));
            return Err(rest.fault("Invalid ADG scriptlet call, unclosed parameter"));
        };
        parameters.push(Some(rest.to(end + 2).value()));
        rest = rest.from(end + 2).trim_start();
        if rest.is_empty() {
            break;
        }
        let Some(next) = rest.strip_prefix(",") else { return Err(unexpected(rest, "comma")) };
        rest = next.trim_start();
    }
    children.push(ParameterList { children: parameters });
    Ok(ScriptletInjectionRuleBody { children })
}

/// Parses `(name, argument)`; a parameter in quotes may hold commas.
pub(super) fn parse_ublock(call: Part<'_>) -> Result<ScriptletInjectionRuleBody, Fault> {
    let inside = arguments(call, "uBO")?;
    let mut children = Vec::new();
    if inside.trim().is_empty() {
        return Ok(ScriptletInjectionRuleBody { children });
    }
    let mut parameters = Vec::new();
    let mut rest = Some(inside);
    while let Some(list) = rest {
        let end = ublock_parameter_end(list);
        parameters.push(parameter(list.to(end)));
        // A comma that touches a quote and ends the list does not begin another parameter.
        let is_last = end + 1 == list.len() && ends_with_quote(list.to(end));
        rest = (end < list.len() && !is_last).then(|| list.from(end + 1));
    }
    if parameters.first().is_some_and(Option::is_none) {
        return Err(call.fault("Invalid uBO scriptlet call, no scriptlet name specified"));
    }
    children.push(ParameterList { children: parameters });
    Ok(ScriptletInjectionRuleBody { children })
}

/// Whether a parameter is in quotes, with nothing behind them.
fn ends_with_quote(parameter: Part<'_>) -> bool {
    let parameter = parameter.trim_start();
    let quote = parameter.byte(0).filter(|b| matches!(b, b'"' | b'\'' | b'`'));
    parameter.len() > 1 && quote.is_some() && quote == parameter.byte(parameter.len() - 1)
}

fn ublock_parameter_end(list: Part<'_>) -> usize {
    let parameter = list.trim_start();
    let from = match parameter.byte(0) {
        Some(quote @ (b'"' | b'\'' | b'`')) => {
            let content = parameter.from(1);
            let close = memchr::memchr_iter(quote, content.bytes()).find(|&at| !content.is_escaped(at));
            let Some(close) = close else { return list.len() };
            // Quotes around a part of the parameter alone are none.
            let behind = content.from(close + 1).trim_start();
            if behind.byte(0).is_some_and(|b| b != b',') { 0 } else { behind.offset_in(list) }
        }
        _ => 0,
    };
    let rest = list.from(from);
    let comma = memchr::memchr_iter(b',', rest.bytes()).find(|&at| !rest.is_escaped(at));
    comma.map_or(list.len(), |comma| from + comma)
}

/// Parses `name argument; name argument`. Quotes and slashes hold blanks and semicolons together;
/// a tab is no blank here.
pub(super) fn parse_adblock_plus(body: Part<'_>) -> ScriptletInjectionRuleBody {
    let mut children = Vec::new();
    let mut parameters = Vec::new();
    let mut quote = None;
    let mut start = 0;
    for (at, &b) in body.bytes().iter().enumerate() {
        if body.is_escaped(at) {
            continue;
        }
        match (quote, b) {
            (Some(open), b) if open == b => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'' | b'/') => quote = Some(b),
            (None, b';') => {
                parameters.extend(parameter(body.slice(start, at)).map(Some));
                children.push(ParameterList { children: std::mem::take(&mut parameters) });
                start = at + 1;
            }
            (None, b' ') => {
                parameters.extend(parameter(body.slice(start, at)).map(Some));
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    parameters.extend(parameter(body.from(start)).map(Some));
    if !parameters.is_empty() {
        children.push(ParameterList { children: parameters });
    }
    ScriptletInjectionRuleBody { children }
}
