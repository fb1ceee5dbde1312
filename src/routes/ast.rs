//! `/ast`: rules as syntax trees. The nodes are those of `compiler::rule::ast`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use compiler::rule::ast::{
    Category, CosmeticBody, CosmeticRule, CssInjectionRuleBody, Domain, NewLine, Raws, Rule, RuleKind, Syntax,
};
use compiler::rule::parse_rule;
use serde::ser::{Error, SerializeSeq, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::admission::Admitted;
use crate::app::{App, now};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;
use crate::turnstile;

/// Rules of one `/ast/walk`.
const MAX_WALKED_RULES: usize = 5_000;
/// Longest of these, in bytes.
const MAX_WALKED_RULE_BYTES: usize = 4_096;
/// Longest text of one `/ast/walk`, in bytes.
const MAX_WALKED_BYTES: usize = 1024 * 1024;
/// Types that nodes can be picked by.
const MAX_NODE_TYPES: usize = 30;
/// The deepest that can be asked for. Trees are not much deeper.
const MAX_DEPTH: usize = 50;

/// Rules, one by one or as a text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Sent {
    rules: Option<Vec<String>>,
    text: Option<String>,
    turnstile_token: Option<String>,
    node_types: Option<Vec<String>>,
    max_depth: Option<usize>,
    #[serde(default)]
    include_context: bool,
}

async fn read(app: &App, admitted: &Admitted) -> Result<Sent, ApiError> {
    let sent: Sent = body::read_json(&admitted.request, app.config.max_body_bytes).await?;
    if sent.rules.is_none() && sent.text.is_none() {
        let detail = "Request must include either \"rules\" array or \"text\" string".to_owned();
        return Err(ApiError::Unusable { code: "invalid_body", detail });
    }
    turnstile::check_or_recent(app, &admitted.request, &admitted.caller, sent.turnstile_token.as_deref())
        .await?;
    Ok(sent)
}

/// `POST /ast/parse`: every rule as a tree, with its main parts beside it.
///
/// Fails: 400 malformed, or neither rules nor text; 403 no good Turnstile token while Turnstile is on; 413 the
/// answer would be too large.
pub async fn parse_rules(app: App, admitted: Admitted) -> ApiResult {
    let sent = read(&app, &admitted).await?;
    let rules: Vec<&str> = match (&sent.rules, &sent.text) {
        (Some(rules), _) => rules.iter().map(String::as_str).collect(),
        (None, text) => {
            let lines = text.as_deref().unwrap_or_default().split('\n');
            lines.map(str::trim).filter(|line| !line.is_empty()).collect()
        }
    };
    let summary = RefCell::default();
    // The summary is written after the rules that it counts.
    Reply::bounded_json(&Parsed {
        success: true,
        parsed_rules: Rules { rules, summary: &summary },
        summary: &summary,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parsed<'a> {
    success: bool,
    parsed_rules: Rules<'a>,
    summary: &'a RefCell<Summary>,
}

/// Rules that are parsed while they are written, so that there is never more than one tree.
struct Rules<'a> {
    rules: Vec<&'a str>,
    summary: &'a RefCell<Summary>,
}

/// Counts of parsed rules. Those that could not be parsed are in none of the two maps.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    total: usize,
    successful: usize,
    failed: usize,
    by_category: BTreeMap<Category, usize>,
    by_type: BTreeMap<&'static str, usize>,
}

impl Serialize for Rules<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries = serializer.serialize_seq(Some(self.rules.len()))?;
        for text in &self.rules {
            let mut summary = self.summary.try_borrow_mut().map_err(S::Error::custom)?;
            summary.total += 1;
            let rule = match parsed(text.trim()) {
                Ok(rule) => rule,
                Err(error) => {
                    summary.failed += 1;
                    drop(summary);
                    let entry = json!({ "ruleText": text, "success": false, "error": error });
                    entries.serialize_element(&entry)?;
                    continue;
                }
            };
            summary.successful += 1;
            *summary.by_category.entry(rule.category()).or_default() += 1;
            *summary.by_type.entry(rule.type_name()).or_default() += 1;
            drop(summary);
            entries.serialize_element(&Entry {
                rule_text: text,
                success: true,
                category: rule.category(),
                r#type: rule.type_name(),
                syntax: rule.syntax,
                valid: true,
                properties: properties(&rule),
                ast: &rule,
            })?;
        }
        entries.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    rule_text: &'a str,
    success: bool,
    category: Category,
    r#type: &'static str,
    syntax: Syntax,
    valid: bool,
    properties: Value,
    ast: &'a Rule,
}

/// A rule, or what is wrong with it.
fn parsed(text: &str) -> Result<Rule, Cow<'static, str>> {
    let rule = parse_rule(text);
    match rule.kind {
        RuleKind::Invalid(invalid) => Err(invalid.error.message),
        _ => Ok(rule),
    }
}

/// The main parts of a rule under the name of its sort; nothing for blank lines.
fn properties(rule: &Rule) -> Value {
    match &rule.kind {
        RuleKind::Network(network) => {
            let modifiers = network.modifiers.iter().flat_map(|list| &list.children).map(|modifier| {
                json!({
                    "name": modifier.name.value,
                    "value": modifier.value.as_ref().map(|value| &value.value),
                    "exception": modifier.exception,
                })
            });
            json!({ "network": {
                "pattern": network.pattern.value,
                "isException": network.exception,
                "modifiers": modifiers.collect::<Vec<_>>(),
            } })
        }
        RuleKind::Host(host) => json!({ "host": {
            "ip": host.ip.value,
            "hostnames": host.hostnames.children.iter().map(|name| &name.value).collect::<Vec<_>>(),
            "comment": host.comment.as_ref().map(|comment| &comment.value),
        } }),
        RuleKind::Cosmetic(cosmetic) => json!({ "cosmetic": {
            "domains": domains(cosmetic),
            "separator": cosmetic.separator.value,
            "isException": cosmetic.exception,
            "body": body_text(&cosmetic.body),
            "ruleType": rule.type_name(),
        } }),
        RuleKind::Metadata(metadata) => json!({ "comment": {
            "text": "", "header": metadata.header.value, "value": metadata.value.value,
        } }),
        RuleKind::Comment(comment) => json!({ "comment": { "text": comment.text.value } }),
        RuleKind::Config(_) | RuleKind::PreProcessor(_) | RuleKind::Agent(_) | RuleKind::Hint(_) => {
            json!({ "comment": { "text": "" } })
        }
        RuleKind::Empty(_) | RuleKind::Invalid(_) => json!({}),
    }
}

fn domains(rule: &CosmeticRule) -> Vec<String> {
    let written = |domain: &Domain| format!("{}{}", if domain.exception { "~" } else { "" }, domain.value);
    rule.domains.children.iter().map(written).collect()
}

/// What clients are shown of a body. Scriptlets are shown in the tree alone.
fn body_text(body: &CosmeticBody) -> String {
    match body {
        CosmeticBody::ElementHiding(body) => body.selector_list.value.clone(),
        CosmeticBody::HtmlFiltering(value) | CosmeticBody::JsInjection(value) => value.value.clone(),
        CosmeticBody::ScriptletInjection(_) => String::new(),
        CosmeticBody::CssInjection(body) => css_text(body),
    }
}

fn css_text(body: &CssInjectionRuleBody) -> String {
    let style = match (body.remove, &body.declaration_list) {
        (true, _) => "remove: true;",
        (false, Some(declarations)) => &declarations.value,
        (false, None) => "",
    };
    let style = format!("{} {{ {style} }}", body.selector_list.value);
    match &body.media_query_list {
        Some(query) => format!("@media {} {{ {style} }}", query.value),
        None => style,
    }
}

/// `POST /ast/walk`: the nodes of a list's tree that are of the wanted types, from the list down.
///
/// Fails: 400 malformed, or neither rules nor text; 403 as above; 413 as above; 422 too much of anything.
pub async fn walk_nodes(app: App, admitted: Admitted) -> ApiResult {
    let sent = read(&app, &admitted).await?;
    let text = match (&sent.rules, &sent.text) {
        (Some(rules), _) => rules.join("\n"),
        (None, text) => text.clone().unwrap_or_default(),
    };
    let most = |is_over: bool, what: &str, most: usize, unit: &str| {
        let detail = || format!("{what} must have at most {most} {unit}");
        if is_over { Err(ApiError::Unprocessable { detail: detail() }) } else { Ok(()) }
    };
    most(text.len() > MAX_WALKED_BYTES, "The list", MAX_WALKED_BYTES, "bytes")?;
    most(text.split('\n').nth(MAX_WALKED_RULES).is_some(), "The list", MAX_WALKED_RULES, "rules")?;
    let is_long = |line: &str| line.len() > MAX_WALKED_RULE_BYTES;
    most(text.split('\n').any(is_long), "A rule", MAX_WALKED_RULE_BYTES, "bytes")?;
    let n_types = sent.node_types.as_ref().map_or(0, Vec::len);
    most(n_types > MAX_NODE_TYPES, "nodeTypes", MAX_NODE_TYPES, "items")?;
    if sent.max_depth.is_some_and(|depth| depth > MAX_DEPTH) {
        return Err(ApiError::Unprocessable { detail: format!("maxDepth must be at most {MAX_DEPTH}") });
    }
    let summary = RefCell::default();
    Reply::bounded_json(&Walked {
        success: true,
        nodes: Walk {
            text: &text,
            wanted: sent.node_types.as_ref().map(|types| types.iter().map(String::as_str).collect()),
            max_depth: sent.max_depth.unwrap_or(MAX_DEPTH),
            include_context: sent.include_context,
            summary: &summary,
        },
        // Written after the nodes that it counts.
        summary: &summary,
        duration: format!("{}ms", app.now.until(now())),
    })
}

#[derive(Serialize)]
struct Walked<'a> {
    success: bool,
    nodes: Walk<'a>,
    summary: &'a RefCell<NodeCounts>,
    duration: String,
}

/// A walk through a list's tree, which goes on while it is written: there is never more than one rule's tree.
struct Walk<'a> {
    text: &'a str,
    /// Types of the wanted nodes; all if none.
    wanted: Option<BTreeSet<&'a str>>,
    max_depth: usize,
    include_context: bool,
    summary: &'a RefCell<NodeCounts>,
}

/// Counts of the nodes that were found.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeCounts {
    total_nodes: usize,
    max_depth: usize,
    by_type: BTreeMap<String, usize>,
}

#[derive(Serialize)]
struct Found<'a, N> {
    r#type: &'a str,
    depth: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    node: N,
}

/// The whole list as a node.
struct Whole<'a>(&'a str);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Children<'a>(&'a str);
        impl Serialize for Children<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(rules_of(self.0))
            }
        }
        let mut node = serializer.serialize_struct("FilterList", 2)?;
        node.serialize_field("type", "FilterList")?;
        node.serialize_field("children", &Children(self.0))?;
        node.end()
    }
}

/// The rules of a list, with the line ends that they had.
fn rules_of(text: &str) -> impl Iterator<Item = Rule> {
    text.split_inclusive('\n').map(|line| {
        let (line, nl) = match (line.strip_suffix("\r\n"), line.strip_suffix('\n')) {
            (Some(line), _) => (line, Some(NewLine::Crlf)),
            (None, Some(line)) => (line, Some(NewLine::Lf)),
            (None, None) => (line, None),
        };
        let mut rule = parse_rule(line);
        rule.raws = rule.raws.map(|raws| Raws { nl, ..raws });
        rule
    })
}

impl Serialize for Walk<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut nodes = serializer.serialize_seq(None)?;
        self.write(
            &mut nodes,
            Found { r#type: "FilterList", depth: 0, key: None, index: None, node: Whole(self.text) },
        )?;
        for (n, rule) in rules_of(self.text).enumerate() {
            let tree = serde_json::to_value(rule).map_err(S::Error::custom)?;
            self.visit(&mut nodes, &tree, 1, "children", Some(n))?;
        }
        nodes.end()
    }
}

impl Walk<'_> {
    /// Goes on from `value`, which is `key` of the node above and perhaps an item of an array there. Trees are
    /// only so deep as the parser lets them be.
    fn visit<Q: SerializeSeq>(
        &self,
        nodes: &mut Q,
        value: &Value,
        depth: usize,
        key: &str,
        index: Option<usize>,
    ) -> Result<(), Q::Error> {
        match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(n, item)| self.visit(nodes, item, depth, key, Some(n))),
            Value::Object(members) => {
                // What has no type is no node, and so is nothing below it.
                let Some(r#type) = members.get("type").and_then(Value::as_str) else { return Ok(()) };
                self.write(nodes, Found { r#type, depth, key: Some(key), index, node: value })?;
                members.iter().try_for_each(|(key, member)| self.visit(nodes, member, depth + 1, key, None))
            }
            _ => Ok(()),
        }
    }

    /// Writes and counts a node, if it is wanted.
    fn write<Q: SerializeSeq>(
        &self,
        nodes: &mut Q,
        found: Found<'_, impl Serialize>,
    ) -> Result<(), Q::Error> {
        let is_wanted = self.wanted.as_ref().is_none_or(|wanted| wanted.contains(found.r#type));
        if !is_wanted || found.depth > self.max_depth {
            return Ok(());
        }
        {
            let mut summary = self.summary.try_borrow_mut().map_err(Q::Error::custom)?;
            summary.total_nodes += 1;
            summary.max_depth = summary.max_depth.max(found.depth);
            *summary.by_type.entry(found.r#type.to_owned()).or_default() += 1;
        }
        let (key, index) = if self.include_context { (found.key, found.index) } else { (None, None) };
        nodes.serialize_element(&Found { key, index, ..found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(text: &str, wanted: Option<&[&str]>, max_depth: usize) -> Value {
        let summary = RefCell::default();
        let walked = Walked {
            success: true,
            nodes: Walk {
                text,
                wanted: wanted.map(|types| types.iter().copied().collect()),
                max_depth,
                include_context: true,
                summary: &summary,
            },
            summary: &summary,
            duration: String::new(),
        };
        serde_json::to_value(walked).unwrap()
    }

    #[test]
    fn a_walk_goes_from_the_list_down() {
        let walked = walk("||a.example^$script\r\n! c", None, 3);
        let places: Vec<(&str, u64, Option<&str>, Option<u64>)> = walked["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| {
                let depth = node["depth"].as_u64().unwrap();
                (node["type"].as_str().unwrap(), depth, node["key"].as_str(), node["index"].as_u64())
            })
            .collect();
        assert_eq!(
            places,
            [
                ("FilterList", 0, None, None),
                ("NetworkRule", 1, Some("children"), Some(0)),
                ("ModifierList", 2, Some("modifiers"), None),
                ("Modifier", 3, Some("children"), Some(0)),
                ("Value", 2, Some("pattern"), None),
                ("CommentRule", 1, Some("children"), Some(1)),
                ("Value", 2, Some("marker"), None),
                ("Value", 2, Some("text"), None),
            ]
        );
        assert_eq!(
            walked["summary"],
            json!({
                "totalNodes": 8, "maxDepth": 3,
                "byType": { "FilterList": 1, "NetworkRule": 1, "ModifierList": 1, "Modifier": 1, "CommentRule": 1, "Value": 3 },
            })
        );
        let list = serde_json::to_value(compiler::rule::parse_list("||a.example^$script\r\n! c")).unwrap();
        assert_eq!(walked["nodes"][0]["node"], list);
    }

    #[test]
    fn only_wanted_nodes_are_told() {
        let walked = walk("a\n! c\nb", Some(&["CommentRule"]), 50);
        assert_eq!(walked["nodes"].as_array().unwrap().len(), 1);
        assert_eq!(walked["summary"]["totalNodes"], 1);
        assert_eq!(walk("a", Some(&["Value"]), 1)["summary"]["totalNodes"], 0);
    }
}
