//! Cosmetic rules.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::network::new_modifier;
use super::{ConvertError, Target, html, scriptlet, selector};
use crate::rule::ast::{
    CosmeticBody, CosmeticRule, CssInjectionRuleBody, Domain, DomainList, Modifier, ModifierList, Rule,
    RuleKind, Syntax,
};
use crate::rule::generate;

/// What a pattern's `^` and `||` are in a regular expression.
const SEPARATOR: &str = "([^ a-zA-Z0-9.%_-]|$)";
const START: &str = "^(http|https|ws|wss)://([a-z0-9-_.]+\\.)?";

/// What stands for a path that was not given: the root.
const ROOT: &str = "/^/$/";

/// The rules in AdGuard's words, or `None` if the rule already is.
pub(super) fn to_adguard(rule: &CosmeticRule, syntax: Syntax) -> Result<Option<Vec<String>>, ConvertError> {
    if syntax == Syntax::UblockOrigin
        && let CosmeticBody::HtmlFiltering(body) = &rule.body
        && let Some(header) = html::response_header(&body.value)?
    {
        return header_rule(rule, &header).map(|rule| Some(vec![rule]));
    }
    let bodies = adguard_bodies(rule, syntax)?;
    let places = adguard_places(rule, syntax)?;
    let bodies = match (bodies, places.as_slice()) {
        (Some(bodies), _) => bodies,
        (None, [_]) if !has_paths(rule) => return Ok(None),
        // Only the places are to be converted.
        (None, _) => vec![body_text(rule, syntax)],
    };
    let rules = bodies.iter().flat_map(|body| places.iter().map(move |place| format!("{place}{body}")));
    Ok(Some(rules.collect()))
}

/// Separators and bodies in AdGuard's words, or `None` if they already are.
fn adguard_bodies(rule: &CosmeticRule, syntax: Syntax) -> Result<Option<Vec<String>>, ConvertError> {
    let mark = if rule.exception { "@" } else { "" };
    match &rule.body {
        CosmeticBody::ElementHiding(body) => {
            let given = &body.selector_list.value;
            let selector = selector::to_adguard(given).map_err(ConvertError::Selector)?;
            let separator = if selector.is_extended || rule.separator.value.contains('?') {
                format!("#{mark}?#")
            } else {
                rule.separator.value.clone()
            };
            if syntax != Syntax::UblockOrigin && separator == rule.separator.value && selector.text == *given
            {
                return Ok(None);
            }
            Ok(Some(vec![format!("{separator}{}", selector.text)]))
        }
        CosmeticBody::CssInjection(body) => {
            let given = &body.selector_list.value;
            let selector = selector::to_adguard(given).map_err(ConvertError::Selector)?;
            let is_extended = body.remove
                || selector.is_extended
                || (syntax == Syntax::AdGuard && rule.separator.value.contains('?'));
            let separator = format!("#{mark}${}#", if is_extended { "?" } else { "" });
            if syntax == Syntax::AdGuard && separator == rule.separator.value && selector.text == *given {
                return Ok(None);
            }
            Ok(Some(vec![format!("{separator}{}", style_text(body, &selector.text))]))
        }
        CosmeticBody::ScriptletInjection(body) => {
            if syntax == Syntax::AdGuard {
                return Ok(None);
            }
            let text = |call| format!("#{mark}%#{}", scriptlet::to_adguard(call, syntax));
            if body.children.is_empty() {
                return Ok(Some(vec![text(None)]));
            }
            if body.children.iter().any(|call| call.children.is_empty()) {
                return Err(ConvertError::EmptyScriptlet);
            }
            Ok(Some(body.children.iter().map(|call| text(Some(call))).collect()))
        }
        CosmeticBody::HtmlFiltering(body) => {
            let source = if syntax == Syntax::UblockOrigin { Target::Ublock } else { Target::AdGuard };
            let body = html::convert(&body.value, source, Target::AdGuard)?;
            Ok(body.map(|body| vec![format!("${mark}${body}")]))
        }
        CosmeticBody::JsInjection(_) => Ok(None),
    }
}

/// The separator and the body of a rule as they are.
fn body_text(rule: &CosmeticRule, syntax: Syntax) -> String {
    let domains = DomainList { separator: ',', children: Vec::new() };
    let rule = CosmeticRule { modifiers: None, domains, ..rule.clone() };
    generate(&Rule { syntax, raws: None, kind: RuleKind::Cosmetic(rule) })
}

/// Modifiers and domains in AdGuard's words. They are several if domains have paths behind them, which in AdGuard
/// are modifiers.
fn adguard_places(rule: &CosmeticRule, syntax: Syntax) -> Result<Vec<String>, ConvertError> {
    let domains = &rule.domains.children;
    let is_html = matches!(rule.body, CosmeticBody::HtmlFiltering(_));
    // As in the reference, AdGuard's own modifiers are lost there.
    let modifiers =
        if is_html && syntax == Syntax::AdGuard { String::new() } else { adguard_modifiers(rule, syntax) };
    if !has_paths(rule) {
        return Ok(vec![format!("{modifiers}{}", domains_text(domains))]);
    }
    if domains.iter().any(|domain| domain.exception) {
        return Err(ConvertError::PathBesideException);
    }
    if !modifiers.is_empty() {
        return Err(ConvertError::TwoPaths);
    }
    let mut paths: Vec<&str> = Vec::new();
    let mut groups: HashMap<&str, Vec<Domain>, FixedState> = HashMap::default();
    let mut others = Vec::new();
    for domain in domains {
        let Some((name, path)) = path_of(domain) else {
            others.push(domain.clone());
            continue;
        };
        let group = groups.entry(path).or_default();
        if group.is_empty() {
            paths.push(path);
        }
        group.push(Domain { value: name.to_owned(), ..domain.clone() });
    }
    let mut places: Vec<String> = paths
        .iter()
        .map(|path| {
            format!("[$path={path}]{}", groups.get(path).map_or(String::new(), |group| domains_text(group)))
        })
        .collect();
    if !others.is_empty() {
        places.push(domains_text(&others));
    }
    Ok(places)
}

/// Whether a rule for some domains has paths behind them; those behind exceptions alone mean nothing.
fn has_paths(rule: &CosmeticRule) -> bool {
    let domains = &rule.domains.children;
    domains.iter().any(|domain| !domain.exception) && domains.iter().any(|domain| path_of(domain).is_some())
}

/// The name and the path of a domain with a path, which an expression does not have.
fn path_of(domain: &Domain) -> Option<(&str, &str)> {
    let value = domain.value.as_str();
    if value.len() > 1 && value.starts_with('/') && value.ends_with('/') {
        return None;
    }
    let (name, path) = value.split_at(value.find('/')?);
    (path.len() > 1).then_some((name, path))
}

/// The rule in uBlock Origin's words, or `None` if it already is.
pub(super) fn to_ublock(rule: &CosmeticRule, syntax: Syntax) -> Result<Option<String>, ConvertError> {
    let mark = if rule.exception { "@" } else { "" };
    let separator = format!("#{mark}#");
    match &rule.body {
        CosmeticBody::ElementHiding(body) => {
            if syntax == Syntax::Common && rule.separator.value == separator {
                return Ok(None);
            }
            let place = Place::of(rule)?;
            let selector = &body.selector_list.value;
            Ok(Some(format!("{}{separator}{}{selector}", place.domains, place.prefix())))
        }
        CosmeticBody::CssInjection(body) => {
            let place = Place::of(rule)?;
            let mut text = format!("{}{separator}{}", place.domains, place.prefix());
            if let Some(media) = &body.media_query_list {
                text.extend([":matches-media(", &media.value, ") "]);
            }
            text.push_str(&body.selector_list.value);
            if body.remove {
                text.push_str(":remove()");
            } else {
                let style = body.declaration_list.as_ref().map_or("", |style| &style.value);
                text.extend([":style(", style, ")"]);
            }
            Ok(Some(text))
        }
        CosmeticBody::ScriptletInjection(body) => {
            let has_other_modifiers = rule.modifiers.as_ref().is_some_and(|list| {
                list.children
                    .iter()
                    .any(|modifier| modifier.name.value != "domain" || modifier.value.is_none())
            });
            if has_other_modifiers {
                return Err(ConvertError::ScriptletModifiers);
            }
            let domains = Place::of(rule)?.domains;
            Ok(Some(format!("{domains}{separator}{}", scriptlet::to_ublock(body.children.first())?)))
        }
        CosmeticBody::HtmlFiltering(body) => {
            let text = html::convert(&body.value, Target::AdGuard, Target::Ublock)?;
            let domains = domains_text(&rule.domains.children);
            Ok(text.map(|text| format!("{domains}{separator}^{text}")))
        }
        CosmeticBody::JsInjection(_) => Err(ConvertError::JavaScript),
    }
}

fn domains_text(domains: &[Domain]) -> String {
    let mut text = String::new();
    for (index, domain) in domains.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let mark = if domain.exception { "~" } else { "" };
        text.extend([comma, mark, &domain.value]);
    }
    text
}

/// `selector { style }`, in its media query if it has one.
fn style_text(body: &CssInjectionRuleBody, selector: &str) -> String {
    let style = if body.remove {
        "remove: true;"
    } else {
        body.declaration_list.as_ref().map_or("", |style| &style.value)
    };
    let block = format!("{selector} {{ {style} }}");
    match &body.media_query_list {
        Some(media) => format!("@media {} {{ {block} }}", media.value),
        None => block,
    }
}

/// uBlock Origin's `##^responseheader(name)` as a network rule.
fn header_rule(rule: &CosmeticRule, header: &str) -> Result<String, ConvertError> {
    let pattern = match rule.domains.children.as_slice() {
        [] => String::new(),
        [domain] => format!("||{}^", domain.value),
        _ => return Err(ConvertError::HeaderDomains),
    };
    let mark = if rule.exception { "@@" } else { "" };
    Ok(format!("{mark}{pattern}$removeheader={header}"))
}

/// `[$path=…]`: those of uBlock Origin in AdGuard's words, others as they are.
fn adguard_modifiers(rule: &CosmeticRule, syntax: Syntax) -> String {
    let Some(list) = &rule.modifiers else { return String::new() };
    let own: Vec<Modifier> = match syntax {
        Syntax::UblockOrigin => list.children.iter().filter_map(adguard_path).collect(),
        _ => list.children.clone(),
    };
    if own.is_empty() {
        return String::new();
    }
    let mut text = "[$".to_owned();
    super::push_modifiers(&mut text, &ModifierList { children: own });
    text.push(']');
    text
}

/// `path` for `matches-path`. Others cannot be written as modifiers.
fn adguard_path(modifier: &Modifier) -> Option<Modifier> {
    if modifier.name.value != "matches-path" {
        return None;
    }
    let value = modifier.value.as_ref().map_or("", |value| &value.value);
    let value = match (inside_slashes(value), modifier.exception) {
        (None, false) => value.to_owned(),
        (Some(pattern), false) => format!("/{}/", escaped(pattern)),
        // AdGuard's modifier cannot be negated in the selector's way, an expression can.
        (None, true) => {
            let pattern = pattern_to_regex(value);
            format!("/^((?!{}).)*$/", pattern.strip_prefix('^').unwrap_or(&pattern).trim_end_matches('$'))
        }
        (Some(pattern), true) => {
            let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
            let pattern = pattern.strip_suffix('$').unwrap_or(pattern);
            format!("/^((?!{}).)*$/", escaped(pattern))
        }
    };
    Some(new_modifier("path", Some(&value), false))
}

/// Where a rule applies in uBlock Origin: AdGuard's modifiers become domains and pseudo-classes.
struct Place {
    domains: String,
    /// Pseudo-classes without anything between them.
    modifiers: String,
}

impl Place {
    fn of(rule: &CosmeticRule) -> Result<Self, ConvertError> {
        let mut place = Place { domains: domains_text(&rule.domains.children), modifiers: String::new() };
        let modifiers = rule.modifiers.as_ref().map_or(&[][..], |list| &list.children);
        for modifier in modifiers {
            let value = modifier.value.as_ref().map(|value| value.value.as_str());
            match (modifier.name.value.as_str(), value) {
                ("domain", Some(value)) => place.domains = value.replace('|', ","),
                ("url", Some(value)) => {
                    let pattern = match inside_slashes(value) {
                        Some(pattern) => pattern.to_owned(),
                        None => pattern_to_regex(value),
                    };
                    let mark = if modifier.exception { "~" } else { "" };
                    // As in the reference, an expression that ends with a slash gets no other one.
                    let end = if pattern.ends_with('/') { "" } else { "/" };
                    place.domains = format!("{mark}/{pattern}{end}");
                }
                ("app", _) => return Err(ConvertError::AppModifier),
                (name, value) => place.push(name, value, modifier.exception),
            }
        }
        Ok(place)
    }

    fn push(&mut self, name: &str, value: Option<&str>, is_exception: bool) {
        let (name, value) = match (name, value) {
            ("path", None) => ("matches-path", Some(ROOT.to_owned())),
            ("path", Some(value)) => {
                let value = inside_slashes(value)
                    .map_or_else(|| value.to_owned(), |pattern| format!("/{}/", escaped(pattern)));
                ("matches-path", Some(value))
            }
            (name, value) => (name, value.map(str::to_owned)),
        };
        let argument = value.map_or(String::new(), |value| format!("({value})"));
        let (start, end) = if is_exception { (":not(", ")") } else { ("", "") };
        self.modifiers.extend([start, ":", name, &argument, end]);
    }

    /// The pseudo-classes, to be put before a selector.
    fn prefix(&self) -> String {
        if self.modifiers.is_empty() { String::new() } else { format!("{} ", self.modifiers) }
    }
}

/// What is between the slashes of a regular expression.
fn inside_slashes(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/').filter(|inside| !inside.is_empty())
}

/// An expression that may stand in `[$…]`: commas, brackets and backslashes get a backslash.
fn escaped(pattern: &str) -> String {
    let mut escaped = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        if matches!(c, '\\' | ',' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The pattern of a network rule as a regular expression.
fn pattern_to_regex(pattern: &str) -> String {
    if matches!(pattern, "" | "*" | "|" | "||") {
        return ".*".to_owned();
    }
    let (start, rest) = match (pattern.strip_prefix("||"), pattern.strip_prefix('|')) {
        (Some(rest), _) => (START, rest),
        (None, Some(rest)) => ("^", rest),
        (None, None) => ("", pattern),
    };
    let (rest, end) = match rest.strip_suffix('|') {
        Some(rest) => (rest, "$"),
        None => (rest, ""),
    };
    let mut regex = start.to_owned();
    for c in rest.chars() {
        match c {
            '*' => regex.push_str(".*"),
            '^' => regex.push_str(SEPARATOR),
            '.' | '+' | '?' | '$' | '{' | '}' | '(' | ')' | '|' | '[' | ']' | '/' | '\\' => {
                regex.extend(['\\', c]);
            }
            c => regex.push(c),
        }
    }
    regex.push_str(end);
    regex
}
