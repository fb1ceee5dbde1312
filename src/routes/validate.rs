//! `/validate` and `/validate-rule`: whether rules can be read, and what is wrong with those that can't.

use compiler::rule::ast::{Category, NetworkRule, Rule, RuleKind, Syntax};
use compiler::rule::parse_rule;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use crate::admission::Admitted;
use crate::app::{App, now};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;
use crate::turnstile;

/// So many errors are told. All are counted.
const MAX_ERRORS: usize = 10_000;

/// `POST /validate`: the lines of a list that are no rules.
///
/// Fails: 400 malformed; 403 no good Turnstile token while Turnstile is on; 413 the answer would be too large.
pub async fn validate_rules(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", expecting = "an object")]
    struct Sent {
        rules: Option<Vec<String>>,
        text: Option<String>,
        turnstile_token: Option<String>,
        /// Nothing here is more tolerant than it has to be; checked all the same.
        #[serde(rename = "strict")]
        _strict: Option<bool>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Fault<'a> {
        line: usize,
        rule: &'a str,
        error_type: &'static str,
        message: String,
        severity: &'static str,
        category: &'static str,
        syntax: Syntax,
        /// Where in the trimmed line, in UTF-16 units.
        #[serde(skip_serializing_if = "Option::is_none")]
        start: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        end: Option<u32>,
    }

    let sent: Sent = body::read_json(&admitted.request, app.config.max_body_bytes).await?;
    turnstile::check_or_recent(&app, &admitted.request, &admitted.caller, sent.turnstile_token.as_deref())
        .await?;
    let texts = sent.rules.unwrap_or_else(|| sent.text.into_iter().collect());
    let lines = texts.iter().flat_map(|text| text.split('\n')).map(str::trim);
    let (mut n_rules, mut n_invalid, mut errors) = (0, 0, Vec::new());
    for rule in lines {
        n_rules += 1;
        let parsed = parse_rule(rule);
        let RuleKind::Invalid(invalid) = parsed.kind else { continue };
        n_invalid += 1;
        if errors.len() < MAX_ERRORS {
            errors.push(Fault {
                line: n_rules,
                rule,
                error_type: "ParseError",
                message: invalid.error.message.to_string(),
                severity: "error",
                category: "Invalid",
                syntax: parsed.syntax,
                start: invalid.error.start,
                end: invalid.error.end,
            });
        }
    }
    Reply::bounded_json(&json!({
        "success": true,
        "valid": n_invalid == 0,
        "totalRules": n_rules,
        "validRules": n_rules - n_invalid,
        "invalidRules": n_invalid,
        "errors": errors,
        "warnings": [],
        "duration": format!("{}ms", app.now.until(now())),
    }))
}

/// `POST /validate-rule`: one rule, its tree, and whether it matches the host of an address.
///
/// Fails: 400 malformed; 422 an empty rule, or an address that is none.
pub async fn validate_rule(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", expecting = "an object")]
    struct Sent {
        #[serde(default)]
        rule: String,
        test_url: Option<String>,
        #[serde(rename = "strict")]
        _strict: Option<bool>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Validated<'a> {
        success: bool,
        valid: bool,
        rule: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        rule_type: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        category: Option<Category>,
        #[serde(skip_serializing_if = "Option::is_none")]
        syntax: Option<Syntax>,
        ast: Option<&'a Rule>,
        #[serde(skip_serializing_if = "Option::is_none")]
        test_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        match_result: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        duration: String,
    }

    let sent: Sent = body::read_or_unprocessable(&admitted.request, app.config.max_body_bytes).await?;
    let wrong = |detail: &str| Err(ApiError::Unprocessable { detail: detail.to_owned() });
    if sent.rule.is_empty() {
        return wrong("Rule must not be empty");
    }
    let url = match sent.test_url.as_deref().map(Url::parse) {
        Some(Err(_)) => return wrong("testUrl must be a valid URL"),
        Some(Ok(url)) => Some(url),
        None => None,
    };
    let rule = parse_rule(sent.rule.trim());
    let error = match &rule.kind {
        RuleKind::Invalid(invalid) => Some(invalid.error.message.to_string()),
        _ => None,
    };
    let is_valid = error.is_none();
    Reply::bounded_json(&Validated {
        success: true,
        valid: is_valid,
        rule: &sent.rule,
        rule_type: is_valid.then(|| rule.type_name()),
        category: is_valid.then(|| rule.category()),
        syntax: is_valid.then_some(rule.syntax),
        ast: is_valid.then_some(&rule),
        test_url: sent.test_url.as_deref(),
        match_result: url
            .filter(|_| is_valid)
            .map(|url| matches_host(&rule, url.host_str().unwrap_or_default())),
        error,
        duration: format!("{}ms", app.now.until(now())),
    })
}

/// Whether the rule names this host or one above it. No more is looked at than that: not the path, no modifiers.
fn matches_host(rule: &Rule, host: &str) -> bool {
    match &rule.kind {
        RuleKind::Network(NetworkRule { pattern, .. }) => {
            let named = pattern.value.strip_prefix("||").unwrap_or(&pattern.value);
            is_or_is_below(host, named.split(['^', '/']).next().unwrap_or_default())
        }
        RuleKind::Host(rule) => rule.hostnames.children.iter().any(|name| name.value == host),
        _ => false,
    }
}

fn is_or_is_below(host: &str, above: &str) -> bool {
    let rest = host.strip_suffix(above);
    !above.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_matches_its_host_and_those_below() {
        for (rule, host, matches) in [
            ("||example.org^", "example.org", true),
            ("||example.org^", "a.example.org", true),
            ("||example.org^", "badexample.org", false),
            ("||example.org/ads^$script", "www.example.org", true),
            ("@@||example.org^", "example.org", true),
            ("||^", "example.org", false),
            ("0.0.0.0 example.org", "example.org", true),
            ("0.0.0.0 example.org", "a.example.org", false),
            ("! example.org", "example.org", false),
        ] {
            assert_eq!(matches_host(&parse_rule(rule), host), matches, "{rule} {host}");
        }
    }
}
