//! What any text may be given to. Each target panics if something is wrong, and else tells in a few words what came
//! of the text; texts of which something new comes are worth keeping.

use compiler::rule::convert::{to_adguard, to_ublock};
use compiler::rule::{ParserOptions, generate, parse_list_with, parse_rule_with, validate};
use compiler::{
    Compilation, CompileError, Compiled, Configuration, ConfigurationDraft, LevelDraft, SourceDraft, Stamp,
    Transformation,
};

/// A way to try a text.
pub struct Target {
    /// What it is called on the command line, and its folder.
    pub name: &'static str,
    /// Tries a text.
    pub run: fn(&str) -> String,
    /// Whether a text is lines of which the first are settings: see the target's function.
    pub n_settings: usize,
    /// How long 64 KiB may take, in milliseconds.
    pub limit_ms: u64,
}

/// All targets.
pub const TARGETS: [Target; 6] = [
    Target { name: "rule", run: rule, n_settings: 0, limit_ms: 100 },
    Target { name: "conversion", run: conversion, n_settings: 0, limit_ms: 100 },
    Target { name: "preprocessor", run: preprocessor, n_settings: 0, limit_ms: 100 },
    // Expressions may take what `MAX_PATTERN_WORK` gives them.
    Target { name: "patterns", run: patterns, n_settings: 1, limit_ms: 10_000 },
    Target { name: "configuration", run: configuration, n_settings: 0, limit_ms: 100 },
    // Several passes go over the same text.
    Target { name: "compile", run: compile, n_settings: 2, limit_ms: 200 },
];

/// Parses the text as a list and as one rule; what is written of a valid rule must be a fixed point.
fn rule(text: &str) -> String {
    let mut told = String::new();
    for (ublock_syntax, adblock_plus_syntax) in [(false, false), (true, true)] {
        let options = ParserOptions { ublock_syntax, adblock_plus_syntax };
        let parsed = parse_rule_with(text, &options);
        let valid = validate(&parsed).map_err(|error| start_of(&error.message));
        let written = generate(&parsed);
        if valid.is_ok() {
            let again = generate(&parse_rule_with(&written, &options));
            assert_eq!(written, again, "is written another way the second time: {text:?}");
        }
        let kind = format!("{:?}", parsed.kind);
        told += kind.split(['(', ' ']).next().unwrap_or_default();
        told += &format!("{:?} {} ", valid.err(), size(kind.len()));
        let list = parse_list_with(text, &options);
        let _ = generate_all(&list.children);
    }
    told
}

fn generate_all(rules: &[compiler::rule::ast::Rule]) -> usize {
    rules.iter().map(|rule| generate(rule).len()).sum()
}

/// Converts the text both ways, and what came of it once more.
fn conversion(text: &str) -> String {
    let mut told = String::new();
    for convert in [to_adguard, to_ublock] {
        match convert(text) {
            Ok(conversion) => {
                told += &format!("{} {} ", conversion.is_converted, size(conversion.rules.len()));
                for rule in conversion.rules.iter().take(8) {
                    told += if convert(rule).is_ok_and(|again| !again.is_converted) { "=" } else { "~" };
                }
            }
            Err(error) => told += &reason(&error),
        }
    }
    told
}

/// Compiles the parts of the text between lines of `%%`: the first is the source, each next one the next include.
fn preprocessor(text: &str) -> String {
    let mut parts = text.split("\n%%\n");
    let sources =
        vec![SourceDraft { source: "https://example.org/dir/a".to_owned(), ..SourceDraft::default() }];
    let draft = ConfigurationDraft { name: "T".to_owned(), sources, ..ConfigurationDraft::default() };
    told(run(Configuration::validate(draft).expect("a configuration"), |_| {
        parts.next().unwrap_or_default().to_owned()
    }))
}

/// The first line is a pattern, which is tried on each of the others.
fn patterns(text: &str) -> String {
    let (pattern, lines) = text.split_once('\n').unwrap_or((text, "abc"));
    let level = LevelDraft { exclusions: vec![pattern.to_owned()], ..LevelDraft::default() };
    let source = SourceDraft { source: "a".to_owned(), level, ..SourceDraft::default() };
    let draft =
        ConfigurationDraft { name: "T".to_owned(), sources: vec![source], ..ConfigurationDraft::default() };
    let configuration = Configuration::validate(draft).expect("a configuration");
    let lines: Vec<&str> = lines.split('\n').collect();
    match configuration.sources()[0].transform(&lines) {
        Ok(left) => {
            assert!(left.iter().all(|line| lines.contains(&line.as_str())), "an exclusion changes a line");
            format!("{} of {}", size(left.len()), size(lines.len()))
        }
        Err(error) => reason(&error),
    }
}

/// Each line is a key and a value; the configuration they make is checked, and used if it holds.
fn configuration(text: &str) -> String {
    let mut draft = ConfigurationDraft::default();
    for line in text.split('\n') {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.to_owned();
        let last = draft.sources.last_mut();
        match (key, last) {
            ("name", None) => draft.name = value,
            ("name", Some(source)) => source.name = Some(value),
            ("description", _) => draft.description = Some(value),
            ("homepage", _) => draft.homepage = Some(value.replace('%', "\n")),
            ("license", _) => draft.license = Some(value),
            ("version", _) => draft.version = Some(value),
            ("source", _) => draft.sources.push(SourceDraft { source: value, ..SourceDraft::default() }),
            ("type", Some(source)) => source.source_type = Some(value),
            (key, last) => {
                let level = last.map_or(&mut draft.level, |source| &mut source.level);
                match key {
                    "exclude" => level.exclusions.push(value),
                    "exclude_file" => level.exclusions_sources.push(value),
                    "include" => level.inclusions.push(value),
                    "include_file" => level.inclusions_sources.push(value),
                    _ => level.transformations.push(key.to_owned()),
                }
            }
        }
    }
    match Configuration::validate(draft) {
        Ok(configuration) => told(run(configuration, |location| format!("{location}\n||a.org^\n! c\n"))),
        Err(issues) => issues.iter().take(3).map(|issue| start_of(&issue.message)).collect(),
    }
}

/// The first line are the transformations of the list and the second those of its source, as letters from `a` on
/// in their order; the rest is the source.
fn compile(text: &str) -> String {
    let mut parts = text.splitn(3, '\n');
    let mut level = || {
        let letters = parts.next().unwrap_or_default().chars();
        let numbers = letters.filter_map(|letter| (letter as usize).checked_sub('a' as usize));
        let transformations = numbers.filter_map(|n| Transformation::ORDER.get(n));
        LevelDraft {
            transformations: transformations.map(|transformation| transformation.name().to_owned()).collect(),
            ..LevelDraft::default()
        }
    };
    let (of_list, of_source) = (level(), level());
    let source = SourceDraft { source: "a".to_owned(), level: of_source, ..SourceDraft::default() };
    let draft = ConfigurationDraft {
        name: "T".to_owned(),
        sources: vec![source],
        level: of_list,
        ..ConfigurationDraft::default()
    };
    let content = parts.next().unwrap_or_default();
    match Configuration::validate(draft) {
        Ok(configuration) => {
            // What is included is short: a thousand times the text would be a thousand times the memory.
            let read = |location: &str| if location == "a" { content } else { "||a.org^\n! c" }.to_owned();
            let compiled = run(configuration.clone(), read);
            let again = run(configuration, read);
            assert_eq!(
                compiled.as_ref().map(lines).ok(),
                again.as_ref().map(lines).ok(),
                "depends on chance"
            );
            told(compiled)
        }
        Err(_) => "refused".to_owned(),
    }
}

fn run(configuration: Configuration, mut read: impl FnMut(&str) -> String) -> Result<Compiled, CompileError> {
    let mut compilation = Compilation::new(configuration);
    while !compilation.is_complete() {
        for wanted in compilation.wanted() {
            compilation.supply(wanted.id, read(wanted.location.as_str()))?;
        }
    }
    compilation.finish(&Stamp { compiler: "fuzz".to_owned(), last_modified_ms: 1 })
}

fn lines(compiled: &Compiled) -> Vec<String> {
    compiled.lines().map(str::to_owned).collect()
}

fn told(outcome: Result<Compiled, CompileError>) -> String {
    match outcome {
        Ok(compiled) => {
            assert!(compiled.lines().all(|line| !line.contains(['\r', '\n'])), "a line has a line end");
            assert_eq!(compiled.n_lines(), compiled.lines().count());
            let report = &compiled.report().list;
            let passes = report.passes.iter().map(|pass| format!(" {}", size(pass.n_dropped())));
            format!("{} {}{}", size(report.n_lines_in), size(report.n_rules_out), passes.collect::<String>())
        }
        Err(error) => reason(&error),
    }
}

/// The kind of an error, without what it quotes.
fn reason(error: &impl std::fmt::Debug) -> String {
    let debug = format!("{error:?}");
    let kind = debug.split([' ', '(', '{']).next().unwrap_or_default();
    // The reason is told behind everything else.
    let last = debug
        .rsplit(['"', ':', '\''])
        .map(|words| words.trim_end_matches([' ', '}', ')']))
        .find(|words| words.len() > 1);
    format!("{kind} {}", start_of(last.unwrap_or_default()))
}

/// The words that a message begins with, before it comes to what it is about.
fn start_of(message: &str) -> String {
    message.split(['"', '\'', '`', ':', '(']).next().unwrap_or_default().chars().take(24).collect()
}

/// How large a number is, roughly.
fn size(n: usize) -> u32 {
    n.checked_ilog2().map_or(0, |log| log + 1)
}
