//! `POST /diff`: what changed from one list to another.

use compiler::diff::{Change, ChangeKind, Counts, DiffOptions, Fault, ListFacts, diff};
use compiler::rule::ast::{Category, Syntax};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::admission::Admitted;
use crate::app::{App, iso_time, now};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;

/// So many rules of each kind are told, unless the caller asks for another number, and at most.
const DEFAULT_RULES: usize = 1_000;
const MAX_RULES: usize = 10_000;

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Sent {
    #[serde(default)]
    original: Vec<String>,
    #[serde(default)]
    current: Vec<String>,
    #[serde(default)]
    options: Options,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "an object")]
struct Options {
    ignore_comments: bool,
    ignore_empty_lines: bool,
    analyze_domains: bool,
    include_full_rules: bool,
    max_rules_to_include: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ignore_comments: true,
            ignore_empty_lines: true,
            analyze_domains: true,
            include_full_rules: true,
            max_rules_to_include: DEFAULT_RULES,
        }
    }
}

/// `POST /diff`.
///
/// Fails: 400 no JSON; 401 nobody signed in; 413 the answer would be too large; 422 malformed, an empty list, or
/// a number of rules that is not within 1 and 10,000.
pub async fn compare_lists(app: App, admitted: Admitted) -> ApiResult {
    let sent: Sent = body::read_or_unprocessable(&admitted.request, app.config.max_body_bytes).await?;
    let wrong = |detail: String| Err(ApiError::Unprocessable { detail });
    for (name, list) in [("original", &sent.original), ("current", &sent.current)] {
        if list.is_empty() {
            return wrong(format!("{name} must have at least 1 rule"));
        }
    }
    let options = &sent.options;
    if !(1..=MAX_RULES).contains(&options.max_rules_to_include) {
        return wrong(format!("options.maxRulesToInclude must be from 1 to {MAX_RULES}"));
    }
    let found = diff(
        sent.original.iter().map(String::as_str),
        sent.current.iter().map(String::as_str),
        &DiffOptions {
            ignore_comments: options.ignore_comments,
            ignore_empty_lines: options.ignore_empty_lines,
            analyze_domains: options.analyze_domains,
            max_rules: if options.include_full_rules { options.max_rules_to_include } else { 0 },
        },
    );
    let (before, after) = (found.original.n_rules, found.current.n_rules);
    let kinds = ChangeKind::ALL.map(|kind| {
        (kind_name(kind).to_owned(), counts(found.kinds.get(&kind).copied().unwrap_or_default()))
    });
    let domains = found.domains.iter().map(
        |(domain, counts)| json!({ "domain": domain, "added": counts.added, "removed": counts.removed }),
    );
    let added = found.added.iter().map(|change| ChangeShown::new(change, "added"));
    let removed = found.removed.iter().map(|change| ChangeShown::new(change, "removed"));
    Reply::bounded_json(&json!({
        "success": true,
        "parseErrors": { "original": faults(&found.original.faults), "current": faults(&found.current.faults) },
        "report": {
            "timestamp": iso_time(app.now),
            "generatorVersion": app.config.version,
            "original": list(&found.original),
            "current": list(&found.current),
            "summary": {
                "originalCount": before,
                "newCount": after,
                "addedCount": found.n_added,
                "removedCount": found.n_removed,
                "unchangedCount": found.n_unchanged,
                "netChange": signed(after) - signed(before),
                "percentageChange": percentage(before, after),
                "categoryBreakdown": Map::from_iter(kinds),
            },
            "added": added.collect::<Vec<_>>(),
            "removed": removed.collect::<Vec<_>>(),
            "domainChanges": domains.collect::<Vec<_>>(),
        },
        "duration": format!("{}ms", app.now.until(now())),
    }))
}

const fn kind_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Network => "network",
        ChangeKind::Cosmetic => "cosmetic",
        ChangeKind::Host => "host",
        ChangeKind::Comment => "comment",
        ChangeKind::Unknown => "unknown",
    }
}

fn counts(counts: Counts) -> Value {
    json!({ "added": counts.added, "removed": counts.removed })
}

fn faults(faults: &[Fault<'_>]) -> Vec<Value> {
    faults
        .iter()
        .map(|fault| json!({ "line": fault.line, "rule": fault.rule, "message": fault.message }))
        .collect()
}

/// What is known of a list; members that nothing is known of are left out.
fn list(facts: &ListFacts<'_>) -> Map<String, Value> {
    let told = [("name", facts.title), ("version", facts.version), ("timestamp", facts.last_modified)];
    let told = told.into_iter().filter_map(|(key, fact)| Some((key.to_owned(), fact?.into())));
    told.chain([("ruleCount".to_owned(), facts.n_rules.into())]).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeShown<'a> {
    rule: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_line: Option<usize>,
    category: Category,
    syntax: Syntax,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_exception: Option<bool>,
}

impl<'a> ChangeShown<'a> {
    fn new(change: &Change<'a>, r#type: &'static str) -> Self {
        let is_new = r#type == "added";
        Self {
            rule: change.rule,
            r#type,
            original_line: (!is_new).then_some(change.line),
            new_line: is_new.then_some(change.line),
            category: change.category,
            syntax: change.syntax,
            is_exception: change.is_exception,
        }
    }
}

/// Bodies are bounded, so the number of their rules is far from any edge.
fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// By how many percent of what it was the list grew, with two decimals; 100 if there was nothing.
#[allow(clippy::cast_precision_loss)] // Bodies are bounded, so these numbers are far below 2^53.
fn percentage(before: usize, after: usize) -> f64 {
    match (before, after) {
        (0, 0) => 0.0,
        (0, _) => 100.0,
        _ => ((after as f64 - before as f64) / before as f64 * 10_000.0).round() / 100.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_in_percent_of_what_was() {
        for (before, after, percent) in
            [(0, 0, 0.0), (0, 3, 100.0), (3, 4, 33.33), (4, 3, -25.0), (2, 2, 0.0), (3, 1, -66.67)]
        {
            assert!((percentage(before, after) - percent).abs() < 1e-9, "{before} {after}");
        }
    }
}
