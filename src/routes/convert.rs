//! `POST /convert-rule`: a rule in another ad blocker's words, or in another form of lists for DNS.

use compiler::rule::convert::{Conversion, Form, to_adguard, to_form, to_ublock};
use serde::{Deserialize, Serialize};

use crate::admission::Admitted;
use crate::app::{App, now};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;
use crate::turnstile;

/// What a rule is to become.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Target {
    /// A rule of AdGuard.
    Adg,
    /// A rule of uBlock Origin.
    Ubo,
    /// A line of a hosts file.
    Hosts,
    /// A rule of AdGuard for DNS.
    Dns,
    /// A lone domain.
    Domains,
}

impl Target {
    fn convert(self, rule: &str) -> Result<Conversion, String> {
        let form = match self {
            Self::Adg => return to_adguard(rule).map_err(|error| error.to_string()),
            Self::Ubo => return to_ublock(rule).map_err(|error| error.to_string()),
            Self::Hosts => Form::Hosts,
            Self::Dns => Form::AdGuard,
            Self::Domains => Form::Domains,
        };
        let rules = to_form(rule, form).map_err(|error| error.to_string())?;
        let is_converted = rules.as_slice() != [rule];
        Ok(Conversion { rules, is_converted })
    }
}

/// `POST /convert-rule`. A rule that has no counterpart is told with `success: false` and the reason.
///
/// Fails: 400 no JSON; 401 nobody signed in; 403 no good Turnstile token while Turnstile is on; 422 malformed, an
/// empty rule, or an unknown target.
pub async fn convert_rule(app: App, admitted: Admitted) -> ApiResult {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", expecting = "an object")]
    struct Sent {
        #[serde(default)]
        rule: String,
        target_syntax: Target,
        turnstile_token: Option<String>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Converted<'a> {
        success: bool,
        rule: &'a str,
        target_syntax: Target,
        converted_rules: Vec<String>,
        is_converted: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        duration: String,
    }

    let sent: Sent = body::read_or_unprocessable(&admitted.request, app.config.max_body_bytes).await?;
    if sent.rule.is_empty() {
        return Err(ApiError::Unprocessable { detail: "Rule must not be empty".to_owned() });
    }
    turnstile::check_or_recent(&app, &admitted.request, &admitted.caller, sent.turnstile_token.as_deref())
        .await?;
    let (conversion, error) = match sent.target_syntax.convert(sent.rule.trim()) {
        Ok(conversion) => (conversion, None),
        Err(error) => (Conversion { rules: Vec::new(), is_converted: false }, Some(error)),
    };
    Reply::bounded_json(&Converted {
        success: error.is_none(),
        rule: &sent.rule,
        target_syntax: sent.target_syntax,
        converted_rules: conversion.rules,
        is_converted: conversion.is_converted,
        error,
        duration: format!("{}ms", app.now.until(now())),
    })
}
