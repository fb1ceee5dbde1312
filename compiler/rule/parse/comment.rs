//! Comments of every kind.

use super::{Fault, Parsed, cosmetic, expression, json5, parse_parameters};
use crate::rule::ast::{
    Agent, AgentCommentRule, CommentRule, ConfigCommentRule, ConfigNode, ConfigParams, Hint, HintCommentRule,
    MetadataCommentRule, PreProcessorCommentRule, PreProcessorParams, RuleKind, Syntax,
};
use crate::rule::source::{Part, is_blank};

/// The headers that say something about a list. None is the beginning of a later one.
const HEADERS: [&str; 12] = [
    "Checksum",
    "Description",
    "Expires",
    "Homepage",
    "Last Modified",
    "LastModified",
    "Licence",
    "License",
    "Time Updated",
    "TimeUpdated",
    "Version",
    "Title",
];

/// The command that configures linter rules; others begin so, in any case.
pub(in crate::rule) const LINTER: &str = "aglint";

/// The one directive with a list of parameters.
const AFFINITY: &str = "safari_cb_affinity";

/// Parses a comment; `None` if the line is none.
pub(super) fn parse(rule: Part<'_>) -> Result<Option<Parsed>, Fault> {
    // White space of any kind may come first, but at the end only blanks are taken off.
    let text = rule.from(rule.trim_spaces().offset_in(rule)).trim_end();
    match text.byte(0) {
        Some(b'[') => parse_agents(text),
        Some(b'!') => match text.byte(1) {
            Some(b'+') => parse_hints(text, rule).map(Some),
            Some(b'#') if text.byte(2) != Some(b'#') => parse_directive(text, rule).map(Some),
            _ => parse_remark(text, rule).map(Some),
        },
        Some(b'#') if !is_cosmetic(rule.trim_spaces()) => parse_remark(text, rule).map(Some),
        _ => Ok(None),
    }
}

/// Whether a line that begins with `#` is a rule all the same: it has a separator with a body right behind it
/// that does not begin with `##`.
pub(in crate::rule) fn is_cosmetic(text: Part<'_>) -> bool {
    cosmetic::find_separator(text).is_some_and(|(at, len)| {
        let body = text.from(at + len);
        body.byte(0).is_some_and(|b| !is_blank(b)) && body.strip_prefix("##").is_none()
    })
}

/// Parses `! Title: x`, `! aglint-disable` or any other comment that has no sign of its own.
fn parse_remark(text: Part<'_>, rule: Part<'_>) -> Result<Parsed, Fault> {
    let marker = text.to(1);
    let words = text.from(1).trim_start();
    if let Some(kind) = parse_metadata(marker, words) {
        return Ok((Syntax::Common, kind));
    }
    // Behind a blank it is a plain comment.
    if marker.offset_in(rule) == 0 && begins_with(words, LINTER) {
        return Ok((Syntax::Common, parse_config(marker, words)?));
    }
    let text = rule.from(marker.offset_in(rule) + 1);
    let comment = CommentRule { marker: marker.value(), text: text.value() };
    Ok((Syntax::Common, RuleKind::Comment(comment)))
}

fn begins_with(words: Part<'_>, name: &str) -> bool {
    words.bytes().get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
}

fn parse_metadata(marker: Part<'_>, words: Part<'_>) -> Option<RuleKind> {
    let header = HEADERS.iter().find(|header| begins_with(words, header))?;
    let header = words.to(header.len());
    let value = words.from(header.len()).trim_start().strip_prefix(":")?.trim();
    (!value.is_empty()).then(|| {
        let (marker, header, value) = (marker.value(), header.value(), value.value());
        RuleKind::Metadata(MetadataCommentRule { marker, header, value })
    })
}

fn parse_config(marker: Part<'_>, words: Part<'_>) -> Result<RuleKind, Fault> {
    let end = words.bytes().iter().position(|&b| is_blank(b)).unwrap_or(words.len());
    let command = words.to(end);
    let rest = words.from(end);
    let (params, comment) = match memchr::memmem::find(rest.bytes(), b"--") {
        None => (rest.trim(), None),
        Some(at) => (rest.to(at).trim(), Some(rest.from(at).trim_end().value())),
    };
    let params = if command.text() == LINTER {
        if params.is_empty() {
            return Err(Fault { name: "Error", message: "Empty AGLint config".into(), span: None });
        }
        Some(ConfigParams::Config(ConfigNode { value: json5::parse_object(params)? }))
    } else if params.is_empty() {
        None
    } else {
        Some(ConfigParams::List(parse_parameters(params)))
    };
    Ok(RuleKind::Config(ConfigCommentRule {
        marker: marker.value(),
        command: command.value(),
        params,
        comment,
    }))
}

fn parse_directive(text: Part<'_>, rule: Part<'_>) -> Result<Parsed, Fault> {
    // A blank at the end may belong to the name.
    let words = rule.from(text.offset_in(rule) + 2).trim_start();
    let end = words.bytes().iter().position(|&b| b == b' ' || b == b'(').unwrap_or(words.len());
    let (name, rest) = (words.to(end), words.from(end));
    let directive = |syntax, params| {
        (syntax, RuleKind::PreProcessor(PreProcessorCommentRule { name: name.value(), params }))
    };
    if name.text() == AFFINITY {
        if rest.byte(0).is_some_and(is_blank) {
            let message = format!("Unexpected whitespace after \"{AFFINITY}\" directive name");
            return Err(rest.to(rest.len() - rest.trim_start().len()).fault(message));
        }
        if let Some(inside) = rest.strip_prefix("(") {
            let inside = inside.trim_end();
            let Some(list) = inside.bytes().ends_with(b")").then(|| inside.to(inside.len() - 1)) else {
                let message = format!("Missing closing parenthesis for '{AFFINITY}' directive");
                return Err(inside.to_end_of_rule().fault(message));
            };
            let params = PreProcessorParams::List(parse_parameters(list));
            return Ok(directive(Syntax::AdGuard, Some(params)));
        }
    }
    let rest = rest.trim();
    if rest.is_empty() {
        if matches!(name.text(), "if" | "include") {
            let message = format!("Directive \"{}\" requires parameters", name.text());
            return Err(rule.fault(message));
        }
        return Ok(directive(Syntax::Common, None));
    }
    let params = match name.text() {
        "if" => PreProcessorParams::Expression(expression::parse(rest)?),
        _ => PreProcessorParams::Value(rest.value()),
    };
    Ok(directive(Syntax::Common, Some(params)))
}

fn parse_agents(text: Part<'_>) -> Result<Option<Parsed>, Fault> {
    if !text.trim_spaces().bytes().ends_with(b"]") || cosmetic::find_separator(text).is_some() {
        return Ok(None);
    }
    if !text.bytes().ends_with(b"]") {
        return Err(text.from(1).to_end_of_rule().fault("Missing closing bracket"));
    }
    let list = text.slice(1, text.len() - 1);
    if list.is_empty() {
        return Err(text.to_end_of_rule().fault("Empty agent list"));
    }
    let mut children = Vec::new();
    let mut start = 0;
    // A semicolon at the very end begins no further agent.
    for end in memchr::memchr_iter(b';', list.bytes()).chain([list.len()]) {
        if end > 0 && start == list.len() {
            break;
        }
        children.push(parse_agent(list.slice(start, end).trim())?);
        start = end + 1;
    }
    Ok(Some((Syntax::Common, RuleKind::Agent(AgentCommentRule { children }))))
}

/// An agent's name is all up to its version, if there is one; words behind the version are dropped.
fn parse_agent(agent: Part<'_>) -> Result<Agent, Fault> {
    let mut name = agent;
    let mut version = None;
    let mut rest = agent;
    loop {
        rest = rest.trim_start();
        let word = rest.to(rest.bytes().iter().take_while(|&&b| !is_blank(b)).count());
        if word.is_empty() {
            break;
        }
        if is_version(word.text()) {
            if version.is_some() {
                return Err(word.fault("Duplicated versions are not allowed"));
            }
            name = agent.to(word.offset_in(agent)).trim_end();
            version = Some(word.value());
        }
        rest = rest.from(word.len());
    }
    if name.is_empty() {
        return Err(agent.fault("Agent name cannot be empty"));
    }
    let syntax = match name.text().to_ascii_lowercase().as_str() {
        "adblock" | "adblock plus" | "adblockplus" | "abp" => Syntax::AdblockPlus,
        "ublock" | "ublock origin" | "ubo" => Syntax::UblockOrigin,
        "adguard" | "adg" => Syntax::AdGuard,
        _ => Syntax::Common,
    };
    Ok(Agent { adblock: name.value(), version, syntax })
}

/// Whether two numbers with a dot between them stand anywhere in a word, apart from letters.
fn is_version(word: &str) -> bool {
    let bytes = word.as_bytes();
    let is_word = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at)).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
    };
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    memchr::memchr_iter(b'.', bytes).any(|dot| {
        let mut start = dot;
        while start > 0 && is_digit(start - 1) {
            start -= 1;
        }
        let mut end = dot + 1;
        while is_digit(end) {
            end += 1;
        }
        start < dot && dot + 1 < end && !is_word(start.checked_sub(1)) && !is_word(Some(end))
    })
}

fn parse_hints(text: Part<'_>, rule: Part<'_>) -> Result<Parsed, Fault> {
    let list = rule.from(text.offset_in(rule) + 2);
    if list.is_empty() {
        return Err(text.fault("Empty hint rule"));
    }
    let mut children = Vec::new();
    let mut rest = list.trim_start();
    loop {
        let (hint, tail) = parse_hint(rest)?;
        children.push(hint);
        rest = tail.trim_start();
        if rest.is_empty() {
            break;
        }
    }
    Ok((Syntax::AdGuard, RuleKind::Hint(HintCommentRule { children })))
}

/// Parses the hint at the start and gives what follows it.
fn parse_hint(rest: Part<'_>) -> Result<(Hint, Part<'_>), Fault> {
    // A hint ends at a blank outside parentheses, where one too many closing ones counts as inside, too. A list of
    // parameters ends at the last closing one.
    let mut open = None;
    let mut depth = 0_i64;
    let mut close = None;
    let mut end = rest.len();
    for (at, &b) in rest.bytes().iter().enumerate() {
        match b {
            // Behind a backslash they do not nest, but may still end the list.
            b'(' if rest.is_escaped(at) => {}
            b'(' if depth > 0 => {
                return Err(rest.to(at).fault("Invalid hint: nested parentheses are not allowed"));
            }
            b'(' => {
                open = open.or(Some(at));
                depth += 1;
            }
            b')' if open.is_some() => {
                close = Some(at);
                depth -= i64::from(!rest.is_escaped(at));
            }
            b if is_blank(b) && depth == 0 => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    let hint = rest.to(end);
    let name = hint.to(open.unwrap_or(end));
    if let Some(c) = name.text().chars().find(|c| !c.is_ascii_alphanumeric() && *c != '_') {
        let before = name.text().find(c).unwrap_or(0);
        return Err(name.to(before).fault(format!("Invalid character \"{c}\" in hint name: \"{c}\"")));
    }
    if name.is_empty() {
        return Err(name.fault("Empty hint name"));
    }
    let params = match (open, close) {
        (None, _) => None,
        (Some(_), None) => {
            let message = format!("Missing closing parenthesis for hint \"{}\"", name.text());
            return Err(rest.fault(message));
        }
        (Some(open), Some(close)) => {
            let behind = hint.from(close + 1);
            if let Some(c) = behind.text().trim_start_matches([' ', '\t']).chars().next() {
                let behind = behind.to(behind.len() - behind.trim_start().len() + c.len_utf8());
                let message = format!(
                    "Unexpected input after closing parenthesis for hint \"{}\": \"{}\"",
                    name.text(),
                    behind.text()
                );
                return Err(behind.fault(message));
            }
            Some(parse_parameters(hint.slice(open + 1, close)))
        }
    };
    Ok((Hint { name: name.value(), params }, rest.from(end)))
}
