//! A report as it leaves every shell: as JSON. Counts are of lines, unless their name says otherwise.

use serde_json::{Map, Value, json};

use super::{LevelReport, Report};
use crate::details::{Details, LevelName, Oddity, Pass, Reason};

impl Report {
    /// The report as a JSON object. `dropped`, `droppedByReason`, `warnings` and `warningCount` are in it if the
    /// compilation was [`recording`](crate::Compilation::recording).
    pub fn to_json(&self) -> Map<String, Value> {
        let sources = self.sources.iter().map(|source| {
            let mut shown = level(&source.level);
            shown.insert("source".to_owned(), source.source.as_str().into());
            shown.insert("texts".to_owned(), source.n_texts.into());
            Value::Object(shown)
        });
        let mut report = Map::new();
        report.insert("sources".to_owned(), sources.collect());
        report.insert("list".to_owned(), level(&self.list).into());
        if let Some(recorded) = &self.details {
            report.extend(details(recorded).map(|(key, value)| (key.to_owned(), value)));
        }
        report
    }
}

fn level(level: &LevelReport) -> Map<String, Value> {
    let passes = level.passes.iter().map(|pass| {
        json!({
            "transformation": pass.transformation.name(),
            "linesIn": pass.n_lines_in,
            "linesOut": pass.n_lines_out,
            "dropped": pass.n_dropped(),
        })
    });
    let conflicts =
        level.conflicts.iter().map(|conflict| json!({ "block": conflict.block, "allow": conflict.allow }));
    let members = [
        ("linesIn", level.n_lines_in.into()),
        ("rulesIn", level.n_rules_in.into()),
        ("excluded", level.n_excluded.into()),
        ("notIncluded", level.n_not_included.into()),
        ("passes", passes.collect()),
        ("conflictCount", level.n_conflicts.into()),
        ("conflicts", conflicts.collect()),
        ("linesOut", level.n_lines_out.into()),
        ("rulesOut", level.n_rules_out.into()),
    ];
    members.map(|(key, value): (&str, Value)| (key.to_owned(), value)).into_iter().collect()
}

fn details(details: &Details) -> [(&'static str, Value); 4] {
    let dropped = details.dropped.iter().map(|dropped| {
        let mut shown = json!({
            "source": source(dropped.level),
            "pass": pass(dropped.pass),
            "text": dropped.text,
            "reason": dropped.reason.name(),
        });
        let more = match &dropped.reason {
            Reason::Excluded { pattern } => Some(("pattern", pattern)),
            Reason::Covered { by } => Some(("by", by)),
            Reason::Invalid { what, .. } if !what.is_empty() => Some(("what", what)),
            _ => None,
        };
        if let (Some(members), Some((key, value))) = (shown.as_object_mut(), more) {
            members.insert(key.to_owned(), value.as_str().into());
        }
        shown
    });
    let by_reason = details.n_dropped.iter().map(|((level, by, reason), count)| {
        json!({ "source": source(*level), "pass": pass(*by), "reason": reason, "count": count })
    });
    let warnings = details.warnings.iter().map(|warning| {
        let (name, to) = match &warning.oddity {
            Oddity::ReferenceStops => ("reference_stops", None),
            Oddity::Rewritten { to } => ("rewritten", Some(to)),
            Oddity::NotConverted { to } => ("not_converted", Some(to)),
        };
        json!({
            "source": source(warning.level),
            "pass": pass(warning.pass),
            "text": warning.text,
            "warning": name,
            "to": to,
        })
    });
    [
        ("dropped", dropped.collect()),
        ("droppedByReason", by_reason.collect()),
        ("warnings", warnings.collect()),
        ("warningCount", details.n_warnings.into()),
    ]
}

/// The number of the source, from 0; null for the list as a whole.
fn source(level: LevelName) -> Option<usize> {
    match level {
        LevelName::Source(n) => Some(n),
        LevelName::List => None,
    }
}

fn pass(pass: Pass) -> &'static str {
    match pass {
        Pass::Exclusions => "Exclusions",
        Pass::Inclusions => "Inclusions",
        Pass::Transformation(transformation) => transformation.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compilation, Configuration, Stamp};

    #[test]
    fn everything_that_was_dropped_is_told_with_its_reason() {
        let configuration = Configuration::from_json(&json!({
            "name": "N",
            "sources": [{ "source": "a", "exclusions": ["ads"] }],
            "transformations": ["RemoveComments", "Compress", "Validate", "ConflictDetection"],
        }));
        let mut compilation = Compilation::new(configuration.unwrap()).recording();
        let text = "||ads.example^\n||a.example^\n||b.a.example^\n||c.example^$script\n@@||a.example^";
        for wanted in compilation.wanted() {
            compilation.supply(wanted.id, text.to_owned()).unwrap();
        }
        let stamp = Stamp { compiler: "C".to_owned(), last_modified_ms: 0 };
        let report = Value::Object(compilation.finish(&stamp).unwrap().report().to_json());
        assert_eq!(report["sources"][0]["source"], "a");
        assert_eq!(
            (&report["sources"][0]["linesIn"], &report["sources"][0]["excluded"]),
            (&json!(5), &json!(1))
        );
        assert_eq!((&report["list"]["rulesOut"], &report["list"]["conflictCount"]), (&json!(2), &json!(1)));
        assert_eq!(
            report["list"]["conflicts"],
            json!([{ "block": "||a.example^", "allow": "@@||a.example^" }])
        );
        let dropped = report["dropped"].as_array().unwrap();
        let of = |text: &str| dropped.iter().find(|dropped| dropped["text"] == text).unwrap();
        assert_eq!(
            of("||ads.example^"),
            &json!({ "source": 0, "pass": "Exclusions", "text": "||ads.example^", "reason": "excluded", "pattern": "ads" })
        );
        assert_eq!(
            of("b.a.example"),
            &json!({ "source": null, "pass": "Compress", "text": "b.a.example", "reason": "covered", "by": "a.example" })
        );
        assert_eq!(
            (&of("||c.example^$script")["reason"], &of("||c.example^$script")["what"]),
            (&json!("unknown_option"), &json!("script"))
        );
        assert!(report["droppedByReason"].as_array().unwrap().len() >= 4);
        assert_eq!(report["warningCount"], 0);
    }
}
