//! Rules in another ad blocker's words, and rules of DNS lists in another form.
//!
//! [`to_adguard`] and [`to_ublock`] answer what the converters of `@adguard/agtree` 4.2.0 do, oddities included;
//! where they knowingly differ stands in decision note 0012. Rules are converted one by one, without a look at
//! their meaning: a rule of one ad blocker that the other cannot have either is kept as it is or refused.
//!
//! [`to_form`] is about lists for DNS filters, where a rule is a name: `0.0.0.0 example.org`,
//! `||example.org^` and `example.org`.
//!
//! Time is proportional to the length of the rule.

use crate::line::trim;

pub use form::{Form, NoForm, to_form};

use super::ast::{ConfigCommentRule, ConfigParams, ModifierList, NetworkRule, Rule, RuleKind};
use super::parse::parse_network;
use super::{ParserOptions, generate, parse_rule, parse_rule_with};

mod cosmetic;
mod css;
mod form;
mod html;
mod names;
mod network;
mod scriptlet;
mod selector;

/// What a rule became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The rules that say the same. They are one, except for a rule of Adblock Plus with several snippets and for
    /// one whose domains have different paths behind them.
    pub rules: Vec<String>,
    /// Whether anything was to do. If not, the only rule is the one that was given, perhaps with other blanks.
    pub is_converted: bool,
}

/// Why a rule has no counterpart. The texts are those of the reference, which are part of the interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The rule cannot be parsed, or uses a syntax that is not its source's.
    #[error("{message}")]
    Invalid {
        /// What the parser says.
        message: String,
    },
    /// A hosts line or a lone domain; see [`to_form`] for these.
    #[error("Invalid rule type: HostRule")]
    HostRule,
    /// A rule with a script of its own.
    #[error("uBO does not support JS injection rules")]
    JavaScript,
    /// A redirect with a `~`.
    #[error("Modifier '{modifier}' cannot be negated")]
    NegatedRedirect {
        /// The modifier's name as it was written.
        modifier: String,
    },
    /// A redirect to nothing.
    #[error("No redirect resource specified for '{modifier}' modifier")]
    RedirectWithoutResource {
        /// The modifier's name as it was written.
        modifier: String,
    },
    /// `csp` without a policy beside `inline-script` or `inline-font`.
    #[error("$csp modifier value is missing")]
    CspWithoutValue,
    /// A call of nothing between two of Adblock Plus.
    #[error("Empty scriptlet")]
    EmptyScriptlet,
    /// A scriptlet of AdGuard's own.
    #[error("Scriptlet \"{name}\" is not supported in uBlock Origin.")]
    UnknownScriptlet {
        /// Its name as it was written.
        name: String,
    },
    /// A scriptlet that depends on more than the domain.
    #[error("uBlock Origin scriptlet injection rules do not support cosmetic rule modifiers.")]
    ScriptletModifiers,
    /// A rule for one application.
    #[error("The $app modifier is not supported by uBO")]
    AppModifier,
    /// A path behind one domain, and another domain with a `~`.
    #[error("Path-in-domain syntax cannot be used with exception domains")]
    PathBesideException,
    /// A path behind a domain, and another as a modifier.
    #[error("Path specified both in domain and $path modifier")]
    TwoPaths,
    /// A selector that cannot be read, or a special one in it that is used wrongly.
    #[error("{0}")]
    Selector(String),
    /// Special selectors of both ad blockers in one body.
    #[error("Invalid HTML filtering rule: Mixed AdGuard and uBlock syntax")]
    MixedHtml,
    /// `##^responseheader()`
    #[error("Empty parameter for 'responseheader' function")]
    NoHeader,
    /// `##^responseheader(…)` for several domains.
    #[error("Multiple domains are not supported yet")]
    HeaderDomains,
}

/// Whose words to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    AdGuard,
    Ublock,
}

/// Writes a rule of AdGuard, uBlock Origin or Adblock Plus in AdGuard's words.
///
/// ```
/// use compiler::rule::convert::to_adguard;
///
/// let conversion = to_adguard("||example.org^$3p,xhr").unwrap();
/// assert_eq!(conversion.rules, ["||example.org^$third-party,xmlhttprequest"]);
/// assert!(conversion.is_converted);
/// ```
///
/// # Errors
///
/// Any [`ConvertError`] but [`HostRule`](ConvertError::HostRule), [`JavaScript`](ConvertError::JavaScript),
/// [`UnknownScriptlet`](ConvertError::UnknownScriptlet),
/// [`ScriptletModifiers`](ConvertError::ScriptletModifiers) and [`AppModifier`](ConvertError::AppModifier).
pub fn to_adguard(text: &str) -> Result<Conversion, ConvertError> {
    let text = trim(text);
    let mut rule = parse_rule_with(text, &ParserOptions { ublock_syntax: true, adblock_plus_syntax: true });
    if matches!(rule.kind, RuleKind::Host(_)) {
        // Here the reference knows no hosts lines, and one may have a `$` in its comment.
        rule = parse_network(text);
    }
    let rules = match &rule.kind {
        RuleKind::Invalid(invalid) => {
            return Err(ConvertError::Invalid { message: invalid.error.message.to_string() });
        }
        RuleKind::Comment(comment) if comment.marker.value == "#" => Some(vec![format!("! {text}")]),
        RuleKind::Network(network) => {
            network::convert(network, Target::AdGuard)?.map(|network| vec![network_text(&network)])
        }
        RuleKind::Cosmetic(cosmetic) => cosmetic::to_adguard(cosmetic, rule.syntax)?,
        _ => None,
    };
    Ok(match rules {
        Some(rules) => Conversion { rules, is_converted: true },
        None => Conversion { rules: vec![text.to_owned()], is_converted: false },
    })
}

/// Writes a rule of AdGuard in uBlock Origin's words.
///
/// Rules in the syntax of uBlock Origin or Adblock Plus alone are refused.
///
/// ```
/// use compiler::rule::convert::to_ublock;
///
/// let conversion = to_ublock("example.org#$#.ad { color: red; }").unwrap();
/// assert_eq!(conversion.rules, ["example.org##.ad:style(color: red;)"]);
/// ```
///
/// # Errors
///
/// Any [`ConvertError`] but [`CspWithoutValue`](ConvertError::CspWithoutValue),
/// [`EmptyScriptlet`](ConvertError::EmptyScriptlet),
/// [`PathBesideException`](ConvertError::PathBesideException), [`TwoPaths`](ConvertError::TwoPaths),
/// [`NoHeader`](ConvertError::NoHeader) and [`HeaderDomains`](ConvertError::HeaderDomains).
pub fn to_ublock(text: &str) -> Result<Conversion, ConvertError> {
    let rule: Rule = parse_rule(trim(text));
    let converted = match &rule.kind {
        RuleKind::Invalid(invalid) => {
            return Err(ConvertError::Invalid { message: invalid.error.message.to_string() });
        }
        RuleKind::Host(_) => return Err(ConvertError::HostRule),
        RuleKind::Network(network) => {
            network::convert(network, Target::Ublock)?.map(|network| network_text(&network))
        }
        RuleKind::Cosmetic(cosmetic) => cosmetic::to_ublock(cosmetic, rule.syntax)?,
        _ => None,
    };
    Ok(match converted {
        Some(text) => Conversion { rules: vec![text], is_converted: true },
        None => Conversion { rules: vec![rewritten(&rule)], is_converted: false },
    })
}

/// A rule that needs no conversion, with the blanks and brackets that the reference writes.
fn rewritten(rule: &Rule) -> String {
    match &rule.kind {
        RuleKind::Hint(_) => generate(rule).replace("()", ""),
        RuleKind::Config(ConfigCommentRule {
            marker,
            command,
            params: Some(ConfigParams::Config(node)),
            comment,
        }) => {
            let json = serde_json::to_string(&node.value).unwrap_or_default();
            let entries = json.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(&json);
            let comment = comment.iter().flat_map(|comment| [" ", &comment.value]);
            [&marker.value, " ", &command.value, " ", entries].into_iter().chain(comment).collect()
        }
        _ => generate(rule),
    }
}

fn network_text(rule: &NetworkRule) -> String {
    let mut text = if rule.exception { "@@".to_owned() } else { String::new() };
    text.push_str(&rule.pattern.value);
    if let Some(list) = &rule.modifiers {
        text.push('$');
        push_modifiers(&mut text, list);
    }
    text
}

fn push_modifiers(to: &mut String, list: &ModifierList) {
    for (index, modifier) in list.children.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let mark = if modifier.exception { "~" } else { "" };
        to.extend([comma, mark, &modifier.name.value]);
        if let Some(value) = &modifier.value {
            to.extend(["=", &value.value]);
        }
    }
}
