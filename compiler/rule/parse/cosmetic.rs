//! Rules about what a page shows or runs: domains, a separator and a body.

use super::{Fault, Parsed, css, parse_modifiers, scriptlet, ublock};
use crate::rule::ParserOptions;
use crate::rule::ast::{
    CosmeticBody, CosmeticRule, CssInjectionRuleBody, Domain, DomainList, ElementHidingRuleBody, Modifier,
    ModifierList, RuleKind, Syntax,
};
use crate::rule::source::{Part, is_blank};

/// All separators; none that begins another stands before it.
const SEPARATORS: [&str; 12] =
    ["##", "#@#", "#?#", "#@?#", "#$#", "#@$#", "#$?#", "#@$?#", "#%#", "#@%#", "$$", "$@$"];

/// What begins the body of an AdGuard scriptlet rule.
const ADGUARD_SCRIPTLET: &str = "//scriptlet";

/// What may begin the body of a uBlock Origin scriptlet rule.
const UBLOCK_SCRIPTLETS: [&str; 2] = ["+js", "script:inject"];

/// Where the separator is and how long. `##` and `#@#` behind a blank are none, for they may begin a comment.
pub(in crate::rule) fn find_separator(rule: Part<'_>) -> Option<(usize, usize)> {
    memchr::memchr2_iter(b'#', b'$', rule.bytes()).find_map(|at| {
        let rest = rule.from(at).text();
        let separator = SEPARATORS.iter().find(|separator| rest.starts_with(**separator))?;
        let is_comment = matches!(*separator, "##" | "#@#") && at > 0 && rule.byte(at - 1) == Some(b' ');
        (!is_comment).then_some((at, separator.len()))
    })
}

/// Parses a cosmetic rule; `None` if the line has no separator.
pub(super) fn parse(rule: Part<'_>, options: &ParserOptions) -> Result<Option<Parsed>, Fault> {
    let Some((at, len)) = find_separator(rule) else { return Ok(None) };
    let (separator, body) = (rule.slice(at, at + len), rule.from(at + len).trim());
    if body.is_empty() {
        return Err(rule.fault("Empty rule body"));
    }
    let (modifiers, domains) = parse_modifier_list(rule.to(at).trim())?;
    let domains = DomainList { separator: ',', children: parse_domains(domains)? };
    let mut cosmetic = CosmeticRule {
        exception: separator.find(b'@').is_some(),
        modifiers,
        domains,
        separator: separator.value(),
        body: CosmeticBody::JsInjection(body.value()),
    };
    let mut syntax = if cosmetic.modifiers.is_some() { Syntax::AdGuard } else { Syntax::Common };
    let (body_syntax, body) = parse_body(separator.text(), body, options, &mut cosmetic.modifiers)?;
    if body_syntax != Syntax::Common {
        let is_style = matches!(body, CosmeticBody::CssInjection(_));
        if syntax != Syntax::Common && body_syntax == Syntax::AdblockPlus && is_style {
            return Err(rule.fault("ABP don't support cosmetic rule modifiers"));
        }
        if syntax != Syntax::Common && syntax != body_syntax {
            let message = format!("'{body_syntax:?}' syntax cannot be mixed with '{syntax:?}' syntax");
            return Err(rule.fault(message));
        }
        syntax = body_syntax;
    }
    cosmetic.body = body;
    Ok(Some((syntax, RuleKind::Cosmetic(cosmetic))))
}

/// Whether a body is a scriptlet or a filter of HTML of uBlock Origin, behind `##` and `#@#`.
pub(in crate::rule) fn begins_like_ublock(body: Part<'_>) -> bool {
    body.byte(0) == Some(b'^') || UBLOCK_SCRIPTLETS.iter().any(|mask| body.strip_prefix(mask).is_some())
}

fn disabled(syntax: Syntax, body: Part<'_>) -> Fault {
    body.fault(format!("Parsing '{syntax:?}' syntax is disabled, but the rule uses it"))
}

/// Parses a body for its separator. Modifiers of uBlock Origin in a selector become those of the rule.
fn parse_body(
    separator: &str,
    body: Part<'_>,
    options: &ParserOptions,
    modifiers: &mut Option<ModifierList>,
) -> Result<(Syntax, CosmeticBody), Fault> {
    match separator {
        "##" | "#@#" | "#?#" | "#@?#" => {
            if matches!(separator, "##" | "#@#") {
                let call = UBLOCK_SCRIPTLETS.iter().find_map(|mask| body.strip_prefix(mask));
                let html = body.strip_prefix("^");
                if (call.is_some() || html.is_some()) && !options.ublock_syntax {
                    return Err(disabled(Syntax::UblockOrigin, body));
                }
                if let Some(call) = call {
                    let call = CosmeticBody::ScriptletInjection(scriptlet::parse_ublock(call)?);
                    return Ok((Syntax::UblockOrigin, call));
                }
                if let Some(html) = html {
                    if let Some((selector, own_modifiers)) = ublock::parse_selector(html)? {
                        add_modifiers(modifiers, own_modifiers);
                        // A style makes no sense here and is passed over.
                        let (CosmeticBody::ElementHiding(ElementHidingRuleBody { selector_list })
                        | CosmeticBody::CssInjection(CssInjectionRuleBody { selector_list, .. })) = selector
                        else {
                            return Err(body.fault("Empty rule body"));
                        };
                        return Ok((Syntax::UblockOrigin, CosmeticBody::HtmlFiltering(selector_list)));
                    }
                    return Ok((Syntax::UblockOrigin, CosmeticBody::HtmlFiltering(html.value())));
                }
            }
            if options.ublock_syntax
                && let Some((selector, own_modifiers)) = ublock::parse_selector(body)?
            {
                let is_hiding = matches!(selector, CosmeticBody::ElementHiding(_));
                let is_style = options.adblock_plus_syntax && is_hiding && has_block(body)?;
                if is_style && modifiers.is_none() && !own_modifiers.is_empty() {
                    return Err(body.fault("ABP don't support cosmetic rule modifiers"));
                }
                add_modifiers(modifiers, own_modifiers);
                return Ok((Syntax::UblockOrigin, selector));
            }
            if options.adblock_plus_syntax && has_block(body)? {
                return Ok((Syntax::AdblockPlus, CosmeticBody::CssInjection(css::parse_injection(body)?)));
            }
            let body = ElementHidingRuleBody { selector_list: body.value() };
            Ok((Syntax::Common, CosmeticBody::ElementHiding(body)))
        }
        "#$#" | "#@$#" | "#$?#" | "#@$?#" => {
            if css::looks_like_injection(body) {
                if options.ublock_syntax && ublock::parse_selector(body)?.is_some() {
                    if modifiers.is_some() {
                        return Err(body.fault("'UblockOrigin' syntax cannot be mixed with 'AdGuard' syntax"));
                    }
                    return Err(body.fault("'AdGuard' syntax cannot be mixed with 'UblockOrigin' syntax"));
                }
                return Ok((Syntax::AdGuard, CosmeticBody::CssInjection(css::parse_injection(body)?)));
            }
            if matches!(separator, "#$?#" | "#@$?#") {
                let text = body.text();
                let message =
                    format!("Body '{text}' is not valid for the '{separator}' cosmetic rule separator");
                return Err(body.fault(message));
            }
            if !options.adblock_plus_syntax {
                return Err(disabled(Syntax::AdblockPlus, body));
            }
            Ok((Syntax::AdblockPlus, CosmeticBody::ScriptletInjection(scriptlet::parse_adblock_plus(body))))
        }
        "#%#" | "#@%#" => Ok((
            Syntax::AdGuard,
            match body.strip_prefix(ADGUARD_SCRIPTLET) {
                Some(call) => CosmeticBody::ScriptletInjection(scriptlet::parse_adguard(call)?),
                None => CosmeticBody::JsInjection(body.value()),
            },
        )),
        _ => Ok((Syntax::AdGuard, CosmeticBody::HtmlFiltering(body.value()))),
    }
}

/// Whether a body is a style of Adblock Plus and not a selector: braces are balanced in both.
fn has_block(body: Part<'_>) -> Result<bool, Fault> {
    if memchr::memchr2(b'{', b'}', body.bytes()).is_none() {
        return Ok(false);
    }
    Ok(css::tokens(body)?.iter().any(|token| token.kind == css::Kind::Open(b'{')))
}

fn add_modifiers(to: &mut Option<ModifierList>, own: Vec<Modifier>) {
    if !own.is_empty() {
        to.get_or_insert_with(|| ModifierList { children: Vec::new() }).children.extend(own);
    }
}

/// Takes the modifiers in `[$…]` off what stands before the separator. They end at the last `]`.
fn parse_modifier_list(pattern: Part<'_>) -> Result<(Option<ModifierList>, Part<'_>), Fault> {
    let Some(inside) = pattern.strip_prefix("[") else { return Ok((None, pattern)) };
    let inside = inside.trim_start();
    let Some(list) = inside.strip_prefix("$") else {
        return Err(inside.fault(format!(
            "Missing '$' at the beginning of the AdGuard modifier list in pattern '{}'",
            pattern.text()
        )));
    };
    let Some(close) = last_bracket(list) else {
        return Err(list.trim_start().fault(format!(
            "Missing ']' at the end of the AdGuard modifier list in pattern '{}'",
            pattern.text()
        )));
    };
    let modifiers = list.to(close);
    let modifiers = if modifiers.trim().is_empty() {
        ModifierList { children: Vec::new() }
    } else {
        parse_modifiers(modifiers)?
    };
    Ok((Some(modifiers), list.from(close + 1).trim()))
}

/// The last `]` outside strings and regular expressions, all seen from the end.
fn last_bracket(list: Part<'_>) -> Option<usize> {
    let mut quote = None;
    for (at, &b) in list.bytes().iter().enumerate().rev() {
        if list.is_escaped(at) {
            continue;
        }
        match (quote, b) {
            (None, b']') => return Some(at),
            (None, b'/' | b'\'' | b'"') => quote = Some(b),
            (Some(open), b) if open == b => quote = None,
            _ => {}
        }
    }
    None
}

/// Takes domains apart at their commas. A regular expression ends only at a comma behind a slash.
fn parse_domains(list: Part<'_>) -> Result<Vec<Domain>, Fault> {
    let mut children = Vec::new();
    if list.is_empty() {
        return Ok(children);
    }
    if list.byte(0) == Some(b',') {
        return Err(list.fault("Value list cannot start with a separator"));
    }
    if list.bytes().ends_with(b",") {
        return Err(list.from(list.len() - 1).fault("Value list cannot end with a separator"));
    }
    let mut start = 0;
    loop {
        let item = list.from(start).trim_start();
        let (exception, name) = match item.strip_prefix("~") {
            Some(name) => (true, name),
            None => (false, item),
        };
        if exception {
            let problem = match name.byte(0) {
                Some(b'~') => Some("Exception marker cannot be followed by another exception marker"),
                Some(b',') => Some("Exception marker cannot be followed by a separator"),
                Some(b) if is_blank(b) => Some("Exception marker cannot be followed by whitespace"),
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(name.to(1).fault(problem));
            }
        }
        let is_regex = name.byte(0) == Some(b'/');
        let end = memchr::memchr_iter(b',', name.bytes()).find(|&at| {
            let ends_regex = at > 1 && name.byte(at - 1) == Some(b'/') && !name.is_escaped(at - 1);
            if is_regex { ends_regex } else { !name.is_escaped(at) }
        });
        let value = name.to(end.unwrap_or(name.len())).trim_end();
        if value.is_empty() {
            return Err(name.fault("Empty value specified in the list"));
        }
        children.push(Domain { value: value.text().to_owned(), exception, span: value.span() });
        match end {
            Some(end) => start = name.offset_in(list) + end + 1,
            None => return Ok(children),
        }
    }
}
