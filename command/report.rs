//! The report on a compiled list, as JSON. All numbers are counts of lines unless their name says otherwise.

use anyhow::{Context, Result};
use compiler::{Compiled, LevelReport};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListJson<'a> {
    name: &'a str,
    compiler: &'a str,
    /// All lines, the header of the list included.
    lines: usize,
    bytes: usize,
    sources: Vec<SourceJson<'a>>,
    /// The joined list: source headers are lines of it, the header of the list is not.
    list: LevelJson,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceJson<'a> {
    source: &'a str,
    /// The source itself and its includes.
    texts: usize,
    #[serde(flatten)]
    level: LevelJson,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LevelJson {
    lines_in: usize,
    rules_in: usize,
    excluded: usize,
    not_included: usize,
    passes: Vec<PassJson>,
    lines_out: usize,
    rules_out: usize,
}

/// The lines that a pass dropped would be listed here, beside their number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PassJson {
    transformation: &'static str,
    lines_in: usize,
    lines_out: usize,
    dropped: usize,
}

impl From<&LevelReport> for LevelJson {
    fn from(level: &LevelReport) -> Self {
        let passes = level.passes.iter().map(|pass| PassJson {
            transformation: pass.transformation.name(),
            lines_in: pass.n_lines_in,
            lines_out: pass.n_lines_out,
            dropped: pass.n_dropped(),
        });
        Self {
            lines_in: level.n_lines_in,
            rules_in: level.n_rules_in,
            excluded: level.n_excluded,
            not_included: level.n_not_included,
            passes: passes.collect(),
            lines_out: level.n_lines_out,
            rules_out: level.n_rules_out,
        }
    }
}

/// The report as indented JSON with a line end behind it.
///
/// # Errors
/// Never: there is nothing in it that JSON has no form for.
pub fn to_json(name: &str, compiler: &str, compiled: &Compiled) -> Result<String> {
    let report = compiled.report();
    let sources = report.sources.iter().map(|source| SourceJson {
        source: &source.source,
        texts: source.n_texts,
        level: (&source.level).into(),
    });
    let json = ListJson {
        name,
        compiler,
        lines: compiled.n_lines(),
        bytes: compiled.n_bytes(),
        sources: sources.collect(),
        list: (&report.list).into(),
    };
    let text = serde_json::to_string_pretty(&json).context("the report can't be written as JSON")?;
    Ok(text + "\n")
}
