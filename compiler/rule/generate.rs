//! From a rule back to its line.

use std::fmt::Write as _;

use crate::line;

use super::ast::{
    ConfigNumber, ConfigParams, ConfigValue, CosmeticBody, CosmeticRule, CssInjectionRuleBody, Expression,
    ModifierList, Operator, ParameterList, PreProcessorParams, Rule, RuleKind, ScriptletInjectionRuleBody,
    Syntax,
};

use super::parse::{
    LINTER, begins_like_ublock, css, find_modifiers, find_separator, is_cosmetic, parse_host,
};
use super::source::{Part, Source};

/// Writes a rule from its nodes; its raw text plays no part.
pub(super) fn generate(rule: &Rule) -> String {
    let mut to = String::new();
    match &rule.kind {
        RuleKind::Empty(_) => {}
        RuleKind::Invalid(invalid) => to.push_str(&invalid.raw),
        RuleKind::Comment(comment) => {
            let text = &comment.text.value;
            // A blank before the marker keeps the words of a linter comment from being one.
            let words = text.trim_start_matches([' ', '\t']).as_bytes();
            let is_linter =
                words.get(..LINTER.len()).is_some_and(|word| word.eq_ignore_ascii_case(LINTER.as_bytes()));
            push(&mut to, &[if is_linter { " " } else { "" }, &comment.marker.value, text]);
        }
        RuleKind::Metadata(metadata) => {
            let (marker, header) = (&metadata.marker.value, &metadata.header.value);
            push(&mut to, &[marker, " ", header, ": ", &metadata.value.value]);
        }
        RuleKind::Config(config) => {
            push(&mut to, &[&config.marker.value, " ", &config.command.value]);
            match &config.params {
                None => {}
                Some(ConfigParams::List(list)) => {
                    to.push(' ');
                    write_parameters(&mut to, list, ", ");
                }
                Some(ConfigParams::Config(node)) => {
                    to.push(' ');
                    // The braces of the object are not written.
                    match &node.value {
                        // A comment, for the command alone would be an error.
                        ConfigValue::Object(entries) if entries.is_empty() => to.push_str("/**/"),
                        ConfigValue::Object(entries) => write_entries(&mut to, entries),
                        other => write_config(&mut to, other),
                    }
                }
            }
            if let Some(comment) = &config.comment {
                push(&mut to, &[" ", &comment.value]);
            }
        }
        RuleKind::PreProcessor(directive) => {
            let name = &directive.name.value;
            push(&mut to, &["!#", if name.starts_with('#') { " " } else { "" }, name]);
            match &directive.params {
                None => {}
                Some(PreProcessorParams::Value(value)) => push(&mut to, &[" ", &value.value]),
                Some(PreProcessorParams::List(list)) => {
                    to.push('(');
                    write_parameters(&mut to, list, ",");
                    to.push(')');
                }
                Some(PreProcessorParams::Expression(expression)) => {
                    to.push(' ');
                    write_expression(&mut to, expression);
                }
            }
        }
        RuleKind::Agent(agents) => {
            to.push('[');
            for (at, agent) in agents.children.iter().enumerate() {
                to.push_str(if at > 0 { "; " } else { "" });
                push_apart(&mut to, &agent.adblock.value);
                if let Some(version) = &agent.version {
                    push(&mut to, &[" ", &version.value]);
                }
            }
            to.push(']');
        }
        RuleKind::Hint(hints) => {
            to.push_str("!+");
            for hint in &hints.children {
                push(&mut to, &[" ", &hint.name.value]);
                if let Some(params) = &hint.params {
                    to.push('(');
                    write_parameters(&mut to, params, ", ");
                    to.push(')');
                }
            }
        }
        RuleKind::Network(network) => {
            let pattern = network.pattern.value.as_str();
            let mark = match (network.exception, is_commentlike(pattern)) {
                (true, _) => "@@",
                (false, true) => " ",
                (false, false) => "",
            };
            push(&mut to, &[mark, pattern]);
            if let Some(modifiers) = &network.modifiers {
                write_behind_pattern(&mut to, modifiers);
            }
        }
        RuleKind::Host(host) => {
            if !host.is_lone_domain {
                to.push_str(&host.ip.value);
            }
            for (at, name) in host.hostnames.children.iter().enumerate() {
                push(&mut to, &[if at > 0 || !host.is_lone_domain { " " } else { "" }, &name.value]);
            }
            if let Some(comment) = &host.comment {
                push(&mut to, &[" #", if comment.value.is_empty() { "" } else { " " }, &comment.value]);
            }
        }
        RuleKind::Cosmetic(cosmetic) => write_cosmetic(&mut to, cosmetic, rule.syntax),
    }
    to
}

fn push(to: &mut String, pieces: &[&str]) {
    for piece in pieces {
        to.push_str(piece);
    }
}

fn write_parameters(to: &mut String, list: &ParameterList, separator: &str) {
    for (at, parameter) in list.children.iter().enumerate() {
        let text = parameter.as_ref().map_or("", |value| &value.value);
        if at > 0 {
            keep_mark(to);
            to.push_str(separator);
        }
        to.push_str(text);
    }
}

/// Writes the modifiers of a pattern with the blanks that keep the rule what it is.
fn write_behind_pattern(to: &mut String, modifiers: &ModifierList) {
    let end_of_pattern = to.len();
    let mut write = |dollar: &str, blank: &str| {
        to.truncate(end_of_pattern);
        to.push_str(dollar);
        write_modifiers(to, modifiers, blank);
        let source = Source::new(to);
        let all = source.all();
        let is_misread = find_modifiers(all) < Some(end_of_pattern) || parse_host(all).is_some();
        (is_misread, is_misread || find_separator(all).is_some() || begins_comment(all))
    };
    let (is_misread, is_another) = write("$", "");
    if !is_another {
        return;
    }
    // Blanks keep the dollar from being escaped or the end of a regular expression, and a pattern with blanks from
    // being a line of a hosts file: there are more words then that cannot be hosts. Otherwise the dollar is part of
    // what looks like a separator. Where a blank before it begins a comment or a line of a hosts file, the one
    // behind it is enough.
    let ways: &[(&str, &str)] =
        if is_misread { &[(" $ ", " "), ("$ ", " ")] } else { &[(" $", ""), ("$ ", ""), (" $ ", "")] };
    for (dollar, blank) in ways {
        let (_, is_another) = write(dollar, blank);
        if !is_another {
            return;
        }
    }
}

/// Writes modifiers with a blank, or nothing, around their marks.
fn write_modifiers(to: &mut String, modifiers: &ModifierList, blank: &str) {
    for (at, modifier) in modifiers.children.iter().enumerate() {
        if at > 0 {
            keep_mark(to);
            push(to, &[blank, ",", blank]);
        }
        if modifier.exception {
            push(to, &["~", blank]);
        }
        push_apart(to, &modifier.name.value);
        if let Some(value) = &modifier.value {
            keep_mark(to);
            // A slash begins a regular expression only where it touches the mark.
            push(to, &[blank, "=", if value.value.starts_with('/') { "" } else { blank }]);
            push_apart(to, &value.value);
        }
    }
}

/// A blank keeps a backslash from escaping the mark that comes next.
fn keep_mark(to: &mut String) {
    if to.ends_with('\\') {
        to.push(' ');
    }
}

/// Whether a text begins like a separator that may also begin a comment. Only behind a blank it is none.
fn is_commentlike(text: &str) -> bool {
    text.starts_with("##") || text.starts_with("#@#")
}

/// Writes a part behind another one; a blank keeps it from being a separator.
fn push_apart(to: &mut String, text: &str) {
    push(to, &[if is_commentlike(text) && !to.ends_with(' ') { " " } else { "" }, text]);
}

/// Whether a rule with a number sign at its start would be read as a comment. White space of any kind may come first
/// there, while only blanks are cut off a rule.
fn begins_comment(text: Part<'_>) -> bool {
    let text = text.trim_spaces();
    text.byte(0) == Some(b'#') && !is_cosmetic(text)
}

/// What is still to be written of a condition.
enum Piece<'a> {
    Expression(&'a Expression),
    Text(&'static str),
}

fn write_expression(to: &mut String, expression: &Expression) {
    // A stack of its own, for a tree that was put together may be of any depth.
    let mut pieces = vec![Piece::Expression(expression)];
    while let Some(piece) = pieces.pop() {
        match piece {
            Piece::Text(text) => to.push_str(text),
            Piece::Expression(Expression::Variable { name }) => to.push_str(name),
            Piece::Expression(Expression::Parenthesis { expression }) => {
                pieces.extend([Piece::Text(")"), Piece::Expression(expression), Piece::Text("(")]);
            }
            Piece::Expression(Expression::Operator { operator, left, right }) => match right {
                None => pieces.extend([Piece::Expression(left), Piece::Text("!")]),
                Some(right) => {
                    let operator = match operator {
                        Operator::Not => " ! ",
                        Operator::And => " && ",
                        Operator::Or => " || ",
                    };
                    pieces.extend([Piece::Expression(right), Piece::Text(operator), Piece::Expression(left)]);
                }
            },
        }
    }
}

fn write_cosmetic(to: &mut String, rule: &CosmeticRule, syntax: Syntax) {
    // Modifiers of uBlock Origin are written into the selector.
    let (own, in_selector) = match &rule.modifiers {
        Some(modifiers) if syntax == Syntax::UblockOrigin => (None, Some(modifiers)),
        modifiers => (modifiers.as_ref(), None),
    };
    let mut head = String::new();
    if let Some(modifiers) = own {
        head.push_str("[$");
        write_modifiers(&mut head, modifiers, "");
        keep_mark(&mut head);
        head.push(']');
        // A dollar at the start of a name would make a separator of the mark.
        if find_separator(Source::new(&head).all()).is_some() {
            head.insert("[$".len(), ' ');
        }
    }
    for (at, domain) in rule.domains.children.iter().enumerate() {
        if at > 0 {
            keep_mark(&mut head);
            head.push(rule.domains.separator);
        }
        head.push_str(if domain.exception { "~" } else { "" });
        // What is before the first domain is decided below.
        if head.is_empty() {
            head.push_str(&domain.value);
        } else {
            push_apart(&mut head, &domain.value);
        }
    }
    let mut body = String::new();
    write_body(&mut body, &rule.body, in_selector, syntax);
    let separator = rule.separator.value.as_str();
    // Styles lose white space of all kinds, and one that begins like a scriptlet stood behind some.
    let is_style = matches!(rule.body, CosmeticBody::CssInjection(_));
    if is_style && is_commentlike(separator) && begins_like_ublock(Source::new(&body).all()) {
        body.insert(0, '\u{c}');
    }
    // Blanks keep a domain that begins or ends like a separator from being one, and from beginning a comment. The
    // fewest are taken with which the separator is where it belongs.
    let gap = if is_commentlike(separator) { "\t" } else { " " };
    for (before, gap) in [("", ""), (" ", ""), ("", gap), (" ", gap)] {
        // A style may have stood behind white space that is no blank and that only styles lose. A form feed is
        // lost in the same way.
        for behind in ["", " ", "\u{c}"] {
            to.clear();
            push(to, &[before, &head, gap]);
            let at = to.len();
            push(to, &[separator, behind, &body]);
            let source = Source::new(to);
            let is_found = find_separator(source.all()) == Some((at, separator.len()));
            if is_found && !begins_comment(source.all()) {
                return;
            }
        }
    }
    // A tree that was put together may be one that no text has.
    to.clear();
    push(to, &[&head, separator, &body]);
}

fn write_body(to: &mut String, body: &CosmeticBody, in_selector: Option<&ModifierList>, syntax: Syntax) {
    match body {
        CosmeticBody::ElementHiding(body) => {
            let selector = body.selector_list.value.as_str();
            // Without a modifier it would be no selector. One that the tree leaves out must have been there.
            let is_lost = syntax == Syntax::UblockOrigin && in_selector.is_none() && !is_selector(selector);
            write_selector(to, in_selector, is_lost.then_some(""), selector);
        }
        CosmeticBody::CssInjection(body) if syntax == Syntax::UblockOrigin => {
            let media = body.media_query_list.as_ref().map(|media| media.value.as_str());
            write_selector(to, in_selector, media, &body.selector_list.value);
            if body.remove {
                to.push_str(":remove()");
            } else {
                push(to, &[":style(", body.declaration_list.as_ref().map_or("", |list| &list.value), ")"]);
            }
        }
        CosmeticBody::CssInjection(body) => write_css(to, body),
        CosmeticBody::ScriptletInjection(body) => write_scriptlets(to, body, syntax),
        CosmeticBody::HtmlFiltering(body) => {
            push(to, &[if syntax == Syntax::UblockOrigin { "^" } else { "" }, &body.value]);
        }
        CosmeticBody::JsInjection(body) => to.push_str(&body.value),
    }
}

/// Whether a text is a selector by itself: not empty, no comment, no style and no scriptlet.
fn is_selector(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['{', '}'])
        && !is_commentlike(text)
        && !begins_like_ublock(Source::new(text).all())
}

/// Writes a selector with the modifiers of uBlock Origin before it.
fn write_selector(to: &mut String, modifiers: Option<&ModifierList>, media: Option<&str>, selector: &str) {
    let start = to.len();
    if let Some(media) = media {
        push(to, &[":matches-media(", media, ")"]);
    }
    for modifier in modifiers.map_or(&[][..], |modifiers| &modifiers.children) {
        let (open, close) = if modifier.exception { (":not(", ")") } else { ("", "") };
        let value = modifier.value.as_ref().map_or("", |value| &value.value);
        push(to, &[open, ":", &modifier.name.value, "(", value, ")", close]);
    }
    push(to, &[if to.len() > start && !selector.is_empty() { " " } else { "" }, selector]);
}

fn write_css(to: &mut String, body: &CssInjectionRuleBody) {
    if let Some(media) = &body.media_query_list {
        push(to, &["@media ", &media.value, " { "]);
    }
    let selector = body.selector_list.value.as_str();
    // The first byte order mark is no part of the style.
    to.push_str(if to.is_empty() && selector.starts_with('\u{feff}') { "\u{feff}" } else { "" });
    let declarations = body.declaration_list.as_ref().map_or("", |list| &list.value);
    push(to, &[selector, " { ", declarations]);
    // `remove: true` without a semicolon at the end leaves a lone `remove` in the list.
    if body.remove && declarations.is_empty() {
        to.push_str("remove: true;");
    } else if body.remove && declarations.ends_with("remove") {
        to.push_str(": true;");
    }
    // A blank behind an escape would become part of the list.
    to.push_str(if takes_a_blank(to) { "}" } else { " }" });
    if body.media_query_list.is_some() {
        to.push_str(" }");
    }
}

/// Whether a style ends in an escape by number, with or without the one blank that is then part of it.
fn takes_a_blank(css: &str) -> bool {
    let css = css.strip_suffix([' ', '\t']).unwrap_or(css);
    let before_digits = css.trim_end_matches(|c: char| c.is_ascii_hexdigit());
    let n_backslashes = before_digits.bytes().rev().take_while(|&b| b == b'\\').count();
    n_backslashes % 2 == 1 && css.len() - before_digits.len() <= 6
}

fn write_scriptlets(to: &mut String, body: &ScriptletInjectionRuleBody, syntax: Syntax) {
    if syntax == Syntax::AdblockPlus {
        for (at, call) in body.children.iter().enumerate() {
            if at > 0 {
                keep_mark(to);
                to.push_str("; ");
            }
            write_parameters(to, call, " ");
        }
        // A semicolon keeps it from being a style, or nothing.
        let is_other = css::looks_like_injection(Source::new(to).all()) || line::is_blank(to);
        if is_other || body.children.last().is_some_and(|call| call.children.is_empty()) {
            keep_mark(to);
            to.push(';');
        }
        return;
    }
    to.push_str(if syntax == Syntax::UblockOrigin { "+js(" } else { "//scriptlet(" });
    if let Some(call) = body.children.first() {
        write_parameters(to, call, ", ");
    }
    keep_mark(to);
    to.push(')');
}

fn write_entries(to: &mut String, entries: &[(String, ConfigValue)]) {
    for (at, (key, value)) in entries.iter().enumerate() {
        to.push_str(if at > 0 { ", " } else { "" });
        write_string(to, key);
        to.push_str(": ");
        write_config(to, value);
    }
}

/// Writes a value as JSON5. A parsed one is nested to a fixed depth.
fn write_config(to: &mut String, value: &ConfigValue) {
    match value {
        ConfigValue::Null => to.push_str("null"),
        ConfigValue::Bool(value) => to.push_str(if *value { "true" } else { "false" }),
        ConfigValue::Number(ConfigNumber(number)) if number.is_nan() => to.push_str("NaN"),
        ConfigValue::Number(ConfigNumber(number)) if number.is_infinite() => {
            to.push_str(if *number > 0.0 { "Infinity" } else { "-Infinity" });
        }
        ConfigValue::Number(ConfigNumber(number)) => {
            // Writing to a string never fails.
            let _ = write!(to, "{number}");
        }
        ConfigValue::String(text) => write_string(to, text),
        ConfigValue::Array(values) => {
            to.push('[');
            for (at, value) in values.iter().enumerate() {
                to.push_str(if at > 0 { ", " } else { "" });
                write_config(to, value);
            }
            to.push(']');
        }
        ConfigValue::Object(entries) => {
            to.push('{');
            write_entries(to, entries);
            to.push('}');
        }
    }
}

fn write_string(to: &mut String, text: &str) {
    to.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                to.push('\\');
                to.push(c);
            }
            // Two hyphens would begin the remark, and some characters end a line.
            '-' | '\0'..='\x1f' | '\u{2028}' | '\u{2029}' if c != '-' || to.ends_with('-') => {
                let _ = write!(to, "\\u{:04x}", u32::from(c));
            }
            c => to.push(c),
        }
    }
    to.push('"');
}
