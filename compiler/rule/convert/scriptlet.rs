//! Calls of scriptlets.

use super::ConvertError;
use super::names;
use crate::rule::ast::{ParameterList, Syntax};

/// Scriptlets that take selectors, which uBlock Origin lets one write without escaping their commas.
const WITH_SELECTORS: &[&str] = &["ra", "rc", "remove-attr", "remove-class"];

/// When such a scriptlet runs: what may stand behind the selectors.
const MOMENTS: &[&str] = &["asap", "complete", "stay"];

/// Scriptlets whose third and fourth argument uBlock Origin wants named.
const WITH_NAMED_ARGUMENTS: &[&str] = &["json-prune-fetch-response", "json-prune-xhr-response"];

/// The names of those arguments.
const NAMES: [&str; 2] = ["propsToMatch", "stackToMatch"];

/// `//scriptlet('name', 'argument')` for a call in another syntax, which may be one of nothing.
pub(super) fn to_adguard(call: Option<&ParameterList>, syntax: Syntax) -> String {
    let written = parameters(call);
    let mut written = written.iter().copied();
    let Some(name) = written.next() else { return "//scriptlet()".to_owned() };
    let arguments: Vec<&str> = written.collect();
    let name = requoted(name);
    let (prefix, is_ublock) = match syntax {
        Syntax::AdblockPlus => ("abp-", false),
        _ => ("ubo-", true),
    };
    let plain_name = name.strip_prefix(prefix).unwrap_or(&name);
    let short_name = plain_name.strip_suffix(".js").unwrap_or(plain_name);
    let mut converted = Vec::new();
    if is_ublock && WITH_NAMED_ARGUMENTS.contains(&short_name) {
        converted.push(short_name.to_owned());
        converted.extend(without_names(&arguments).iter().map(|text| without_escapes(&requoted(text))));
    } else {
        converted.push(format!("{prefix}{plain_name}"));
        let arguments = if is_ublock && WITH_SELECTORS.contains(&short_name) {
            with_joined_selectors(&arguments)
        } else {
            arguments.iter().map(|&text| text.to_owned()).collect()
        };
        converted.extend(arguments.iter().map(|text| {
            let text = requoted(text);
            if is_ublock { without_escapes(&text) } else { unescaped(&text, ' ') }
        }));
    }
    format!("//scriptlet('{}')", converted.join("', '"))
}

/// `+js(name, argument)` for a call in AdGuard's syntax, which may be one of nothing.
pub(super) fn to_ublock(call: Option<&ParameterList>) -> Result<String, ConvertError> {
    let written = parameters(call);
    let mut written = written.iter().map(|text| inside_quotes(text).unwrap_or(text));
    let Some(name) = written.next() else { return Ok("+js()".to_owned()) };
    let mut arguments: Vec<&str> = written.collect();
    let ublock_name = match name.strip_prefix("ubo-") {
        Some(ublock) => ublock.strip_suffix(".js").unwrap_or(ublock),
        None => names::ublock_scriptlet(name)
            .ok_or_else(|| ConvertError::UnknownScriptlet { name: name.to_owned() })?,
    };
    if WITH_NAMED_ARGUMENTS.contains(&name) {
        arguments = with_names(&arguments);
    }
    // Where an empty argument means something in AdGuard, uBlock Origin wants that said.
    let said = match name {
        "set-constant" => arguments.get_mut(1).map(|value| (value, "''")),
        "prevent-fetch" => arguments.first_mut().map(|pattern| (pattern, "/^/")),
        _ => None,
    };
    if let Some((argument, text)) = said
        && argument.is_empty()
    {
        *argument = text;
    }
    let mut call = format!("+js({ublock_name}");
    for argument in arguments {
        call.push_str(", ");
        push_escaped(&mut call, argument, ',');
    }
    call.push(')');
    Ok(call)
}

/// The parameters as they were written; one that was left out is empty.
fn parameters(call: Option<&ParameterList>) -> Vec<&str> {
    let list = call.map_or(&[][..], |call| &call.children);
    list.iter().map(|parameter| parameter.as_ref().map_or("", |value| value.value.as_str())).collect()
}

/// Joins what uBlock Origin reads as several arguments and means as one list of selectors.
fn with_joined_selectors(arguments: &[&str]) -> Vec<String> {
    let Some((first, rest)) = arguments.split_first() else { return Vec::new() };
    let mut selectors: Vec<&str> = rest.iter().copied().filter(|text| !text.is_empty()).collect();
    let moment = selectors.pop_if(|last| MOMENTS.contains(last));
    let mut joined = vec![(*first).to_owned()];
    if !selectors.is_empty() || moment.is_some() {
        joined.push(selectors.join(", "));
    }
    joined.extend(moment.map(str::to_owned));
    joined
}

/// The arguments in AdGuard's order, from pairs of name and value behind the first two.
fn without_names<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut ordered = vec![arguments.first().copied().unwrap_or("")];
    ordered.extend(arguments.get(1));
    let mut values = [""; 2];
    for pair in arguments.get(2..).unwrap_or(&[]).chunks_exact(2) {
        if let [name, value] = pair
            && let Some((_, slot)) = NAMES.iter().zip(&mut values).find(|(known, _)| *known == name)
        {
            *slot = value;
        }
    }
    let n_values = values.iter().rposition(|value| !value.is_empty()).map_or(0, |last| last + 1);
    ordered.extend(values.iter().take(n_values));
    ordered
}

/// The third and the fourth argument with their names before them; those that are empty, and more, are left out.
fn with_names<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut named: Vec<&str> = arguments.iter().copied().take(2).collect();
    for (name, value) in NAMES.iter().zip(arguments.iter().skip(2)) {
        if !value.is_empty() {
            named.extend([name, *value]);
        }
    }
    named
}

/// What is between the quotes of a text that is quoted.
fn inside_quotes(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    text.get(1..)?.strip_suffix(quote)
}

/// What is to stand between single quotes for a text in any quotes or none.
fn requoted(text: &str) -> String {
    let mut requoted = String::new();
    match inside_quotes(text) {
        Some(inside) if text.starts_with('\'') => requoted.push_str(inside),
        Some(inside) => {
            let quote = text.chars().next().unwrap_or('"');
            push_escaped(&mut requoted, &unescaped(inside, quote), '\'');
        }
        None => push_escaped(&mut requoted, text, '\''),
    }
    requoted
}

/// A comma needs no backslash between quotes.
fn without_escapes(text: &str) -> String {
    unescaped(text, ',')
}

/// Takes the backslash away before a character, but not one that has a backslash before it.
pub(super) fn unescaped(text: &str, character: char) -> String {
    let mut unescaped = String::with_capacity(text.len());
    let mut previous = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if !(c == '\\' && previous != Some('\\') && chars.peek() == Some(&character)) {
            unescaped.push(c);
        }
        previous = Some(c);
    }
    unescaped
}

/// Appends a text with a backslash before a character wherever there is none.
pub(super) fn push_escaped(to: &mut String, text: &str, character: char) {
    let mut previous = None;
    for c in text.chars() {
        if c == character && previous != Some('\\') {
            to.push('\\');
        }
        to.push(c);
        previous = Some(c);
    }
}
