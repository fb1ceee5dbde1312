//! Modifiers of network rules.

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::names::{self, OtherName, Redirect};
use super::{ConvertError, Target};
use crate::rule::ast::{Modifier, ModifierList, NetworkRule, Value};

/// What `empty` and `mp4` stand for.
const EMPTY: &str = "nooptext";
const MP4: &str = "noopmp4-1s";

/// The policy that forbids inline code, without the directive's name.
const NO_INLINE: &str = "'self' 'unsafe-eval' http: https: data: blob: mediastream: filesystem:";

/// The rule in the target's words, or `None` if it already is.
pub(super) fn convert(rule: &NetworkRule, target: Target) -> Result<Option<NetworkRule>, ConvertError> {
    let Some(list) = &rule.modifiers else { return Ok(None) };
    let mut converted = Vec::with_capacity(list.children.len());
    let mut is_converted = false;
    let mut policies = Policies::default();
    let mut redirects = Vec::new();
    let given: HashSet<&str, FixedState> =
        list.children.iter().map(|modifier| modifier.name.value.as_str()).collect();
    for modifier in &list.children {
        let name = modifier.name.value.as_str();
        let value = modifier.value.as_ref().map(|value| value.value.as_str());
        match name {
            "redirect" | "redirect-rule" | "rewrite" => {
                let redirect = convert_redirect(modifier, rule.exception, target)?;
                is_converted |= redirect.is_converted;
                is_converted |= redirect.types.is_some_and(|types| {
                    // As in the reference, a lone type counts as added even if it was there.
                    types.len() == 1 || !names_any(types, &given)
                });
                redirects.extend(redirect.types);
                converted.push(redirect.modifier);
                continue;
            }
            "csp" if target == Target::AdGuard => {
                policies.n_given += 1;
                policies.values.push(value.map(str::to_owned));
            }
            "inline-script" | "inline-font" if target == Target::AdGuard => {
                let directive = if name == "inline-script" { "script-src" } else { "font-src" };
                policies.values.push(Some(format!("{directive} {NO_INLINE}")));
                is_converted = true;
                continue;
            }
            "empty" | "mp4" if target == Target::AdGuard => {
                let resource = if name == "mp4" { MP4 } else { EMPTY };
                converted.push(new_modifier("redirect", Some(resource), modifier.exception));
                if name == "mp4" {
                    converted.push(new_modifier("media", None, modifier.exception));
                }
                is_converted = true;
                continue;
            }
            _ => {}
        }
        let other_name = match target {
            Target::AdGuard => names::adguard_modifier(name),
            Target::Ublock => names::ublock_modifier(name).map(|name| OtherName { name, is_negated: false }),
        };
        converted.push(match other_name {
            None => modifier.clone(),
            Some(other) => {
                is_converted = true;
                new_modifier(other.name, value, modifier.exception != other.is_negated)
            }
        });
    }
    if !is_converted {
        return Ok(None);
    }
    if policies.n_given < policies.values.len() {
        // Policies that inline code was made of are put together with those that were there.
        converted.retain(|modifier| modifier.name.value != "csp");
        converted.push(new_modifier("csp", Some(&policies.joined()?), false));
    }
    remove_duplicates(&mut converted);
    add_types(&mut converted, &redirects, &given);
    Ok(Some(NetworkRule { modifiers: Some(ModifierList { children: converted }), ..rule.clone() }))
}

/// The values of `csp` modifiers, those that stand for inline code among them.
#[derive(Default)]
struct Policies {
    values: Vec<Option<String>>,
    /// How many of them were `csp` modifiers.
    n_given: usize,
}

impl Policies {
    fn joined(self) -> Result<String, ConvertError> {
        let values: Option<Vec<String>> = self.values.into_iter().collect();
        Ok(values.ok_or(ConvertError::CspWithoutValue)?.join("; "))
    }
}

struct ConvertedRedirect {
    modifier: Modifier,
    is_converted: bool,
    types: Option<&'static [&'static str]>,
}

fn convert_redirect(
    modifier: &Modifier,
    is_exception: bool,
    target: Target,
) -> Result<ConvertedRedirect, ConvertError> {
    let given_name = modifier.name.value.as_str();
    if modifier.exception {
        return Err(ConvertError::NegatedRedirect { modifier: given_name.to_owned() });
    }
    let name = if given_name == "rewrite" { "redirect" } else { given_name };
    let Some(value) = &modifier.value else {
        // An exception without a resource is one from all resources. As in the reference, its name stays as it is
        // for uBlock Origin.
        return if is_exception {
            let name = if target == Target::AdGuard { name } else { given_name };
            Ok(ConvertedRedirect {
                modifier: new_modifier(name, None, false),
                is_converted: name != given_name,
                types: None,
            })
        } else {
            Err(ConvertError::RedirectWithoutResource { modifier: given_name.to_owned() })
        };
    };
    let value = value.value.as_str();
    let (resource, types) = match (names::redirect(resource_of(value)), target) {
        (Some(Redirect { adguard: Some(resource), .. }), Target::AdGuard) => (resource, None),
        (Some(Redirect { ublock: Some(resource), types, .. }), Target::Ublock) => {
            (resource, Some(types).filter(|types| !types.is_empty()))
        }
        // Unknown ones are kept.
        _ => (value, None),
    };
    Ok(ConvertedRedirect {
        modifier: new_modifier(name, Some(resource), false),
        is_converted: name != given_name || resource != value,
        types,
    })
}

/// The resource's name in the value of a redirect: without Adblock Plus' prefix or uBlock Origin's priority.
fn resource_of(value: &str) -> &str {
    if let Some(name) = value.strip_prefix("abp-resource:") {
        return name;
    }
    match value.rsplit_once(':') {
        Some((name, priority)) => {
            let digits = priority.strip_prefix('-').unwrap_or(priority);
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if is_number { name } else { value }
        }
        None => value,
    }
}

/// Names the types of request that a redirect is for, unless one of them is named already.
fn add_types(
    converted: &mut Vec<Modifier>,
    redirects: &[&'static [&'static str]],
    given: &HashSet<&str, FixedState>,
) {
    let mut added: Vec<&str> = Vec::new();
    for types in redirects {
        if names_any(types, given) {
            continue;
        }
        for name in *types {
            let name = names::ublock_modifier(name).unwrap_or(name);
            if !given.contains(name) && !added.contains(&name) {
                added.push(name);
            }
        }
    }
    converted.extend(added.into_iter().map(|name| new_modifier(name, None, false)));
}

/// Whether one of the types is named already. As in the reference, frames are not looked for.
fn names_any(types: &[&str], given: &HashSet<&str, FixedState>) -> bool {
    types.iter().any(|name| *name != "subdocument" && given.contains(name))
}

/// Leaves only the first of modifiers that say the same.
fn remove_duplicates(modifiers: &mut Vec<Modifier>) {
    let mut seen: HashSet<_, FixedState> = HashSet::default();
    modifiers.retain(|modifier| {
        let value = modifier.value.as_ref().map(|value| value.value.clone());
        seen.insert((modifier.name.value.clone(), value, modifier.exception))
    });
}

pub(super) fn new_modifier(name: &str, value: Option<&str>, exception: bool) -> Modifier {
    Modifier { name: Value::new(name), value: value.map(Value::new), exception }
}
