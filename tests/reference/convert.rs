//! Converts the rules of all lists with AdGuard's AGTree and with the engine, and finds no difference but those that
//! decision note 0012 explains.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use compiler::rule::convert::{Conversion, ConvertError, to_adguard, to_ublock};
use reference_tests::Script;
use serde_json::{Value, json};

/// Rules that are asked for at once.
const BATCH: usize = 500;

/// Differences that are told; more would only be more of the same.
const MAX_TOLD: usize = 12;

fn short(result: Result<Conversion, ConvertError>) -> Value {
    match result {
        Ok(Conversion { rules, is_converted: true }) => json!(rules),
        Ok(_) => Value::Null,
        Err(error) => json!(error.to_string()),
    }
}

/// Whether the parsers take a line for different things, as decision note 0011 tells: a name in a suffix that one
/// of them does not know.
fn is_explained(theirs: &Value, ours: &Value) -> bool {
    let host_rule = json!(ConvertError::HostRule.to_string());
    (theirs.is_null() && *ours == host_rule) || (ours.is_null() && *theirs == host_rule)
}

#[test]
fn every_line_of_every_list_is_converted_alike() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut script = Script::start("convert.mjs", Path::new(env!("CARGO_MANIFEST_DIR")));
    for folder in ["../data/lists", "../../../shared/lists"] {
        let Ok(files) = fs::read_dir(here.join(folder)) else { continue };
        for path in files.map(|file| file.unwrap().path()) {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            // Public suffixes are no list, and just where the package has other ones.
            if !name.ends_with(".txt") || name.starts_with("psl-") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let rules: Vec<&str> = text.lines().collect();
            let (mut n_explained, mut told) = (0, Vec::new());
            for batch in rules.chunks(BATCH) {
                let answers = script.ask(&json!(batch));
                for (rule, theirs) in batch.iter().zip(answers.as_array().expect("answers")) {
                    for (theirs, ours) in
                        [(&theirs[0], short(to_adguard(rule))), (&theirs[1], short(to_ublock(rule)))]
                    {
                        if ours == *theirs {
                            continue;
                        }
                        if is_explained(theirs, &ours) {
                            n_explained += 1;
                        } else {
                            told.push(format!("{rule:?}\n  theirs {theirs}\n  ours   {ours}"));
                        }
                    }
                }
            }
            let n_told = told.len();
            told.truncate(MAX_TOLD);
            assert!(n_told == 0, "{}: {n_told} differences\n\n{}", path.display(), told.join("\n\n"));
            assert!(n_explained * 1000 <= rules.len(), "{}: {n_explained} explained", path.display());
        }
    }
}
