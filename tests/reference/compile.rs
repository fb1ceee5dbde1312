//! Compiles the same with AdGuard's HostlistCompiler and with the engine, and finds no difference.
//!
//! `REFERENCE_SEED` and `REFERENCE_LINES` make it try other and more lines than continuous integration does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::env;
use std::panic::catch_unwind;

use compiler::{Compilation, Configuration, ConfigurationDraft, LevelDraft, SourceDraft, Stamp};
use reference_tests::Script;
use reference_tests::generate::{Case, Lines, Random, case};
use serde_json::{Value, json};

/// Lines of all cases together, if nobody says otherwise.
const LINES: usize = 40_000;

/// Cases that are under way at the same time.
const BATCH: usize = 20;

/// Differences that are told; more would only be more of the same.
const MAX_TOLD: usize = 12;

/// Where the reference stops on a single line and the engine goes on, by the beginning of its message.
const STOPS_ON_A_LINE: [&str; 3] =
    ["TypeError: Invalid /etc/hosts rule", "TypeError: the rule is too short", "TypeError: Cannot"];

type Outcome = Result<Vec<String>, String>;

#[test]
fn generated_lists_are_compiled_as_the_reference_does() {
    let number =
        |name: &str, default: u64| env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let seed = number("REFERENCE_SEED", 1);
    let n_wanted = number("REFERENCE_LINES", LINES as u64) as usize;
    let folder = tempfile::tempdir().unwrap();
    let mut reference = Script::start("compile.mjs", folder.path());
    let lines = Lines::load();
    let mut random = Random::new(seed);
    let (mut n_lines, mut n_cases, mut n_errors, mut n_stopped) = (0, 0, 0, 0);
    let mut told = Vec::new();
    while n_lines < n_wanted && told.len() < MAX_TOLD {
        let mut batch: Vec<Case> = Vec::new();
        for _ in 0..BATCH {
            let size = if random.once_in(10) { 400 } else { 100 };
            let size = 1 + random.below(size);
            batch.push(case(&mut random, &lines, size));
        }
        batch.iter().for_each(|case| reference.send(&request(case)));
        let ours: Vec<Outcome> = batch.iter().map(compile).collect();
        // All answers first: looking into a difference asks again.
        let theirs: Vec<Outcome> = batch
            .iter()
            .map(|case| match reference.receive() {
                Ok(answer) => outcome(&answer),
                Err(why) => panic!("seed {seed}: {why} to {}", request(case)),
            })
            .collect();
        for ((case, ours), theirs) in batch.iter().zip(ours).zip(theirs) {
            n_cases += 1;
            n_lines += case.files.values().map(|text| text.lines().count()).sum::<usize>();
            n_errors += usize::from(theirs.is_err());
            n_stopped += usize::from(stopped_on_a_line(&theirs));
            if let Some(difference) = difference(&theirs, &ours) {
                told.push(tell(&mut reference, case, difference));
            }
        }
    }
    println!(
        "seed {seed}: {n_cases} configurations, {n_lines} lines, {n_errors} errors, {n_stopped} of them for one line"
    );
    assert!(told.is_empty(), "seed {seed}: {} differences\n\n{}", told.len(), told.join("\n\n"));
    let n_lists = n_cases - n_errors;
    assert!(n_lists >= 200 || n_wanted < LINES, "only {n_lists} of {n_cases} configurations make a list");
}

fn request(case: &Case) -> Value {
    json!({ "configuration": case.configuration, "files": case.files })
}

fn outcome(answer: &Value) -> Outcome {
    match answer["lines"].as_array() {
        Some(lines) => {
            Ok(normalised(lines.iter().map(|line| line.as_str().expect("a line").to_owned()).collect()))
        }
        None => Err(answer["error"].as_str().unwrap_or("no message").to_owned()),
    }
}

/// Without time and compiler, which are the header's.
fn normalised(mut lines: Vec<String>) -> Vec<String> {
    for start in ["! Last modified: ", "! Compiled by "] {
        if let Some(line) = lines.iter_mut().find(|line| line.starts_with(start)) {
            *line = start.to_owned();
        }
    }
    lines
}

fn stopped_on_a_line(theirs: &Outcome) -> bool {
    theirs.as_ref().is_err_and(|error| STOPS_ON_A_LINE.iter().any(|start| error.starts_with(start)))
}

/// In what way two outcomes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    Lines,
    OursFails,
    TheirsFails,
    Reason,
}

fn difference(theirs: &Outcome, ours: &Outcome) -> Option<Difference> {
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => (theirs != ours).then_some(Difference::Lines),
        // One bad line does not cost anybody their list.
        (Err(_), Ok(_)) => (!stopped_on_a_line(theirs)).then_some(Difference::TheirsFails),
        // We go on behind that line, and may come to something else that is wrong.
        (Err(_), Err(_)) if stopped_on_a_line(theirs) => None,
        (Ok(_), Err(_)) => Some(Difference::OursFails),
        (Err(theirs), Err(ours)) => (!is_same_reason(theirs, ours)).then_some(Difference::Reason),
    }
}

/// Whether two messages say the same. Ours has the place in front, theirs has a trace behind.
fn is_same_reason(theirs: &str, ours: &str) -> bool {
    let both_say = |words: &str| theirs.contains(words) && ours.contains(words);
    if ours.starts_with("configuration: ") {
        return theirs.contains("Failed to validate configuration")
            || both_say("cannot be used at both source and top");
    }
    // What is quoted behind may be another line.
    let ours = ours.lines().next().and_then(|line| line.split(" '").next()).unwrap_or_default();
    let reason = theirs.split_once("Error: ").map_or(theirs, |(_, reason)| reason);
    // Which of several mistakes in an expression is told first is the parser's affair.
    let is_expression = both_say("Invalid regular expression: ")
        && reason.rsplit_once("/im: ").is_some_and(|(expression, _)| ours.contains(expression));
    is_expression
        || both_say("Failed to resolve the include directive")
        || theirs.contains(ours)
        || reason.lines().next().is_some_and(|reason| ours.ends_with(reason))
}

/// What the engine makes of a case; a panic is an error like no other.
fn compile(case: &Case) -> Outcome {
    catch_unwind(|| compile_with(&case.configuration, &case.files))
        .unwrap_or_else(|_| Err("PANIC".to_owned()))
}

fn compile_with(configuration: &Value, files: &BTreeMap<String, String>) -> Outcome {
    let configuration = Configuration::validate(draft(configuration))
        .map_err(|issues| format!("configuration: {issues:?}"))?;
    let mut compilation = Compilation::new(configuration);
    while let Some(wanted) = compilation.wanted().first().cloned() {
        let Some(text) = files.get(&plain_path(wanted.location.as_str())) else {
            return Err(compilation.failed(wanted.id, "no such file").to_string());
        };
        compilation.supply(wanted.id, text.clone()).map_err(|error| error.to_string())?;
    }
    let stamp = Stamp { compiler: String::new(), last_modified_ms: 0 };
    let compiled = compilation.finish(&stamp).map_err(|error| error.to_string())?;
    Ok(normalised(compiled.lines().map(str::to_owned).collect()))
}

/// The path without `.` and empty parts.
fn plain_path(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

fn draft(value: &Value) -> ConfigurationDraft {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|text| text.as_str().expect("text").to_owned()).collect()
    };
    let level = |value: &Value| LevelDraft {
        transformations: strings(&value["transformations"]),
        exclusions: strings(&value["exclusions"]),
        exclusions_sources: strings(&value["exclusions_sources"]),
        inclusions: strings(&value["inclusions"]),
        inclusions_sources: strings(&value["inclusions_sources"]),
    };
    let sources = value["sources"].as_array().into_iter().flatten().map(|source| SourceDraft {
        source: text(&source["source"]).unwrap_or_default(),
        name: text(&source["name"]),
        source_type: text(&source["type"]),
        level: level(source),
    });
    ConfigurationDraft {
        name: text(&value["name"]).unwrap_or_default(),
        description: text(&value["description"]),
        homepage: text(&value["homepage"]),
        license: text(&value["license"]),
        version: text(&value["version"]),
        sources: sources.collect(),
        level: level(value),
    }
}

/// The smallest case found that still differs, and how.
fn tell(reference: &mut Script, case: &Case, looked_for: Difference) -> String {
    let mut budget = 1_500;
    let mut still_differs = |case: &Case| {
        if budget == 0 {
            return false;
        }
        budget -= 1;
        let theirs = outcome(&reference.ask(&request(case)));
        difference(&theirs, &compile(case)) == Some(looked_for)
    };
    let mut smallest = case.clone();
    shrink_configuration(&mut smallest, &mut still_differs);
    for file in case.files.keys() {
        shrink_file(&mut smallest, file, &mut still_differs, |text| {
            text.split_inclusive(['\n', '\r']).map(str::to_owned).collect()
        });
    }
    shrink_configuration(&mut smallest, &mut still_differs);
    for file in case.files.keys() {
        shrink_file(&mut smallest, file, &mut still_differs, |text| text.chars().map(String::from).collect());
    }
    let theirs = outcome(&reference.ask(&request(&smallest)));
    let ours = compile(&smallest);
    let only = |a: &Outcome, b: &Outcome| match (a, b) {
        (Ok(a), Ok(b)) => format!("{:?}", a.iter().filter(|line| !b.contains(line)).collect::<Vec<_>>()),
        (Ok(_), Err(_)) => "works".to_owned(),
        (Err(error), _) => format!("fails: {error:?}"),
    };
    format!(
        "{}\n  {:?}\n  reference: {}\n  ours:      {}",
        smallest.configuration,
        smallest.files,
        only(&theirs, &ours),
        only(&ours, &theirs),
    )
}

/// Takes pieces out of a file, large ones first, as long as the case differs.
fn shrink_file(
    case: &mut Case,
    file: &str,
    still_differs: &mut impl FnMut(&Case) -> bool,
    split: impl Fn(&str) -> Vec<String>,
) {
    let Some(text) = case.files.get(file) else { return };
    let mut pieces = split(text);
    let mut size = pieces.len();
    while size > 0 {
        let mut at = 0;
        while at < pieces.len() {
            let mut fewer = pieces.clone();
            fewer.drain(at..(at + size).min(pieces.len()));
            let mut smaller = case.clone();
            smaller.files.insert(file.to_owned(), fewer.concat());
            if still_differs(&smaller) {
                *case = smaller;
                pieces = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
}

/// Takes out of the configuration what need not be there.
fn shrink_configuration(case: &mut Case, still_differs: &mut impl FnMut(&Case) -> bool) {
    let mut paths = Vec::new();
    places(&case.configuration, String::new(), &mut paths);
    // From the end, so that places before are still the same; what is gone already is passed over.
    for path in paths.iter().rev() {
        let mut smaller = case.clone();
        let Some((parent, key)) = path.rsplit_once('/') else { continue };
        match smaller.configuration.pointer_mut(parent) {
            Some(Value::Array(items)) => match key.parse() {
                Ok(n) if n < items.len() => drop(items.remove(n)),
                _ => continue,
            },
            Some(Value::Object(fields)) => drop(fields.remove(key)),
            _ => continue,
        }
        if still_differs(&smaller) {
            *case = smaller;
        }
    }
}

/// JSON pointers to everything in a value.
fn places(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                found.push(format!("{path}/{n}"));
                places(item, format!("{path}/{n}"), found);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                found.push(format!("{path}/{key}"));
                places(field, format!("{path}/{key}"), found);
            }
        }
        _ => {}
    }
}
