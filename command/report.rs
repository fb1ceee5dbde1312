//! The report on a compiled list, as JSON.

use anyhow::{Context, Result};
use compiler::Compiled;
use serde_json::{Value, json};

/// The report as indented JSON with a line end behind it: what the engine reports, and what was made.
///
/// # Errors
/// Never: there is nothing in it that JSON has no form for.
pub fn to_json(name: &str, compiler: &str, compiled: &Compiled) -> Result<String> {
    let mut report = compiled.report().to_json();
    let made: [(&str, Value); 4] = [
        ("name", name.into()),
        ("compiler", compiler.into()),
        ("lines", json!(compiled.n_lines())),
        ("bytes", json!(compiled.n_bytes())),
    ];
    report.extend(made.map(|(key, value)| (key.to_owned(), value)));
    let text = serde_json::to_string_pretty(&report).context("the report can't be written as JSON")?;
    Ok(text + "\n")
}
