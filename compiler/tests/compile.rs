//! Whole compilations: loading, includes, headers, levels, and what ends a compilation.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashMap;

use compiler::{
    Compilation, CompileError, Configuration, ConfigurationDraft, Conflict, Dropped, LevelDraft, LevelName,
    MAX_INCLUDE_DEPTH, Pass, PatternError, Reason, SourceDraft,
};
use support::{compile, stamp};

/// Files by location, and a configuration over some of them.
struct Case {
    files: HashMap<String, String>,
    draft: ConfigurationDraft,
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A compilation of all files that `sources` names.
fn case(files: &[(&str, &str)], sources: &[&str]) -> Case {
    let source = |source: &&str| SourceDraft { source: (*source).to_owned(), ..SourceDraft::default() };
    let sources = sources.iter().map(source).collect();
    Case {
        files: files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        draft: ConfigurationDraft { name: "T".to_owned(), sources, ..ConfigurationDraft::default() },
    }
}

impl Case {
    fn list(mut self, level: LevelDraft) -> Case {
        self.draft.level = level;
        self
    }

    fn first_source(mut self, level: LevelDraft) -> Case {
        self.draft.sources[0].level = level;
        self
    }

    fn run(self) -> Result<Vec<String>, CompileError> {
        let configuration = Configuration::validate(self.draft).unwrap_or_else(|issues| panic!("{issues:?}"));
        let read =
            |location: &str| self.files.get(location).unwrap_or_else(|| panic!("no {location}")).clone();
        compile(configuration, read).map(|compiled| compiled.body().map(str::to_owned).collect())
    }

    fn gives(self, body: &[&str]) {
        assert_eq!(self.run().unwrap_or_else(|error| panic!("{error}")), body);
    }

    fn fails(self, message: &str) {
        let error = self.run().unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

fn transformations(of: &[&str]) -> LevelDraft {
    LevelDraft { transformations: names(of), ..LevelDraft::default() }
}

#[test]
fn a_source_is_trimmed_and_split() {
    let text = "\u{feff}\r\n  lead\r\n\r\n \r\nmid  \r\n\t\r\nend  \r\n\r\n";
    case(&[("a", text)], &["a"]).gives(&["!", "! Source: a", "!", "lead", " ", "mid  ", "\t", "end"]);
    case(&[("a", "")], &["a"]).gives(&["!", "! Source: a", "!", ""]);
}

#[test]
fn source_headers_are_ordinary_lines_at_list_level() {
    let file = [("a", "! c\nx")];
    case(&file, &["a"]).list(transformations(&["RemoveComments"])).gives(&["x"]);
    case(&file, &["a"]).first_source(transformations(&["RemoveComments"])).gives(&[
        "!",
        "! Source: a",
        "!",
        "x",
    ]);
    let two = [("a", "x\ny"), ("b", "x\nz")];
    case(&two, &["a", "b"]).list(transformations(&["Deduplicate"])).gives(&[
        "y",
        "!",
        "! Source: b",
        "!",
        "x",
        "z",
    ]);
    let no_rules = [("a", "! c")];
    case(&no_rules, &["a"]).list(transformations(&["RemoveComments", "InsertFinalNewLine"])).gives(&[""]);
}

#[test]
fn patterns_of_the_list_see_the_source_headers() {
    let exclusions = LevelDraft { exclusions: names(&["Source"]), ..LevelDraft::default() };
    case(&[("a", "x\ny")], &["a"]).list(exclusions).gives(&["!", "!", "x", "y"]);
    let inclusions = LevelDraft { inclusions: names(&["x"]), ..LevelDraft::default() };
    case(&[("a.txt", "x1\ny\nx2")], &["a.txt"]).list(inclusions).gives(&["! Source: a.txt", "x1", "x2"]);
}

#[test]
fn patterns_come_from_files_too() {
    let level = LevelDraft {
        exclusions: names(&["! k"]),
        exclusions_sources: names(&["patterns"]),
        inclusions_sources: names(&["kept"]),
        ..LevelDraft::default()
    };
    let files = [
        ("a", "! keep\nb1\nb2\nc1\nd1"),
        ("patterns", "! b2\n\n  \nc\n!#include more"),
        ("more", "/^D/"),
        ("kept", "*1\n*2"),
    ];
    case(&files, &["a"]).first_source(level).gives(&["!", "! Source: a", "!", "b1", "b2"]);
}

#[test]
fn a_file_may_mix_all_kinds_of_patterns() {
    let patterns =
        std::fs::read_to_string(support::committed_lists().join("exclusions.txt")).expect("a file");
    let level = LevelDraft { exclusions_sources: names(&["patterns"]), ..LevelDraft::default() };
    let lines = [
        "anonymiser.com",
        "0.0.0.0 x.club",
        "x.Doubleclick.net",
        "0.0.0.0 a.CN",
        "||abc.de^",
        "x.metric.y",
        "aaaaaa",
        "my analytics.js",
        "googleanalytics.js",
        "! wildcards",
    ];
    case(&[("a", &lines.join("\n")), ("patterns", &patterns)], &["a"]).first_source(level).gives(&[
        "!",
        "! Source: a",
        "!",
        "googleanalytics.js",
        "! wildcards",
    ]);
}

#[test]
fn includes_are_put_in_place() {
    let files =
        [("d/a", "a\n!#include one\nb\n!#include one"), ("d/one", "i1\n!#include e\ni2\n"), ("d/e", "")];
    case(&files, &["d/a"]).gives(&["!", "! Source: d/a", "!", "a", "i1", "", "i2", "b", "i1", "", "i2"]);
    let remote = [("https://a.org/x/l", "!#include i"), ("https://a.org/x/i", "in")];
    case(&remote, &["https://a.org/x/l"]).gives(&["!", "! Source: https://a.org/x/l", "!", "in"]);
    let only_taken = [("a", "!#if x\n!#include missing\n!#endif\nb")];
    case(&only_taken, &["a"]).gives(&["!", "! Source: a", "!", "b"]);
}

#[test]
fn bad_includes_end_the_compilation() {
    case(&[("a", "!#include a")], &["a"]).fails(&format!("deeper than {MAX_INCLUDE_DEPTH} levels"));
    case(&[("a", "!#include a\n!#include a")], &["a"]).fails("more than 1000 texts");
    case(&[("d/a", "!#include https://a.org/")], &["d/a"]).fails("Invalid url: 'd'");
    case(&[("https://a.org/", "!#include https://b.org/")], &["https://a.org/"])
        .fails("Include url is rejected with origin: https://b.org");
    let wide = "!#include b\n".repeat(1_000);
    case(&[("a", &wide), ("b", "x")], &["a"]).fails("more than 1000 texts");
    case(&[("a", "!#if x")], &["a"]).fails("Condition end not found");
    let long = format!("!#include {}", "x/".repeat(3_000));
    case(&[("d/a", &long)], &["d/a"]).fails("6011 bytes with its folder, at most 4096 are allowed");
}

#[test]
fn what_cannot_be_loaded_is_told_by_its_purpose() {
    let draft = case(&[], &["d/a"]).draft;
    let mut compilation = Compilation::new(Configuration::validate(draft).unwrap());
    let source = compilation.wanted()[0].id;
    assert_eq!(compilation.failed(source, "status 404").to_string(), "status 404");
    compilation.supply(source, "!#include b".to_owned()).unwrap();
    assert!(matches!(compilation.supply(source, String::new()), Err(CompileError::NotWanted { .. })));
    let include = compilation.wanted()[0].clone();
    assert_eq!(include.to_string(), "include d/b of d/a");
    let error = compilation.failed(include.id, "status 404").to_string();
    assert_eq!(error, "Failed to resolve the include directive '!#include b' in d/a: status 404");
    assert_eq!(compilation.finish(&stamp()).unwrap_err(), CompileError::NotComplete { n_wanted: 1 });
}

#[test]
fn a_bad_pattern_is_named() {
    let level = LevelDraft { exclusions: names(&["/(/"]), ..LevelDraft::default() };
    let error = case(&[("a", "x")], &["a"]).list(level).run().unwrap_err();
    let reason = PatternError::InvalidRegex { expression: "(".to_owned(), reason: "Unterminated group" };
    assert_eq!(error, CompileError::Pattern { pattern: "/(/".to_owned(), error: reason });
}

#[test]
fn the_report_counts_lines() {
    let mut draft = case(&[], &["a", "b"]).draft;
    draft.sources[0].level = LevelDraft { exclusions: names(&["no"]), ..transformations(&["Compress"]) };
    draft.level = transformations(&["Deduplicate", "RemoveComments"]);
    let texts = HashMap::from([
        ("a", "! c\nno\n0.0.0.0 x.com y.com\nz.x.com"),
        ("b", "||x.com^\n!#include i"),
        ("i", "q"),
    ]);
    let read = |location: &str| texts[location].to_owned();
    let compiled = compile(Configuration::validate(draft).unwrap(), read).unwrap();
    let report = compiled.report();
    let first = &report.sources[0].level;
    assert_eq!((first.n_lines_in, first.n_rules_in, first.n_excluded), (4, 3, 1));
    assert_eq!((first.passes[0].n_lines_in, first.passes[0].n_lines_out, first.n_rules_out), (3, 3, 2));
    assert_eq!(report.sources[1].n_texts, 2);
    // Two source headers and a comment first, then the copy of a rule.
    let passes: Vec<_> = report.list.passes.iter().map(|pass| (pass.n_lines_in, pass.n_dropped())).collect();
    assert_eq!(passes, [(11, 7), (4, 1)]);
    assert_eq!(compiled.body().collect::<Vec<_>>(), ["||y.com^", "||x.com^", "q"]);
}

#[test]
fn conflicts_are_told_by_level() {
    let mut draft = case(&[], &["a", "b"]).draft;
    draft.sources[0].level = transformations(&["ConflictDetection", "Validate"]);
    draft.level = transformations(&["RemoveEmptyLines", "RuleOptimizer", "ConflictDetection", "Deduplicate"]);
    let texts = HashMap::from([("a", "||x.org^\n@@||x.org^\n@@||y.org^"), ("b", "||x.org^\n||z.y.org/")]);
    let read = |location: &str| texts[location].to_owned();
    let compiled = compile(Configuration::validate(draft).unwrap(), read).unwrap();
    let report = compiled.report();
    let conflict = |block: &str, allow: &str| Conflict { block: block.to_owned(), allow: allow.to_owned() };
    assert_eq!(report.sources[0].level.conflicts, [conflict("||x.org^", "@@||x.org^")]);
    assert_eq!(report.sources[1].level.n_conflicts, 0);
    // Deduplicate was before it, and RuleOptimizer not yet.
    assert_eq!((report.list.n_conflicts, report.list.conflicts.len()), (1, 1));
    let names: Vec<&str> = report.list.passes.iter().map(|pass| pass.transformation.name()).collect();
    assert_eq!(names, ["Deduplicate", "ConflictDetection", "RuleOptimizer", "RemoveEmptyLines"]);
    assert_eq!(compiled.body().last(), Some("||z.y.org^"));
}

#[test]
fn chunks_join_to_the_text() {
    let read = |_: &str| "aé\n\u{1f600}b\n\nlong long long line\n".repeat(3);
    let compiled = compile(Configuration::validate(case(&[], &["a"]).draft).unwrap(), read).unwrap();
    let text = compiled.lines().collect::<Vec<_>>().join("\n");
    assert_eq!(compiled.n_bytes(), text.len());
    assert_eq!(compiled.n_lines(), text.split('\n').count());
    for chunk_bytes in [0, 4, 5, 7, 64, 1_000_000] {
        let chunks: Vec<String> = compiled.chunks(chunk_bytes).collect();
        assert_eq!(chunks.concat(), text, "{chunk_bytes}");
        assert!(chunks.iter().all(|chunk| chunk.len() <= chunk_bytes.max(4) && !chunk.is_empty()));
    }
}

#[test]
fn excluded_lines_are_told_with_their_pattern() {
    let excluded = |pattern: &str| Reason::Excluded { pattern: pattern.to_owned() };
    let level = LevelDraft {
        exclusions: names(&["/^x/", "b*y", "plain"]),
        inclusions: names(&["y"]),
        ..LevelDraft::default()
    };
    let case = case(&[("s", "plain y\nBCD y\nXy\nkept y\nz")], &["s"]).first_source(level);
    let configuration = Configuration::validate(case.draft).expect("valid");
    let mut compilation = Compilation::new(configuration).recording();
    for wanted in compilation.wanted() {
        compilation.supply(wanted.id, case.files["s"].clone()).expect("a plain text");
    }
    let compiled = compilation.finish(&stamp()).expect("good patterns");
    let details = compiled.report().details.as_ref().expect("recorded");
    let dropped = |text: &str, pass, reason| Dropped {
        level: LevelName::Source(0),
        pass,
        text: text.to_owned(),
        reason,
    };
    let expected = [
        dropped("plain y", Pass::Exclusions, excluded("plain")),
        dropped("BCD y", Pass::Exclusions, excluded("b*y")),
        dropped("Xy", Pass::Exclusions, excluded("/^x/")),
        dropped("z", Pass::Inclusions, Reason::NotIncluded),
    ];
    assert_eq!(details.dropped, expected);
    assert_eq!(details.n_dropped[&(LevelName::Source(0), Pass::Exclusions, "excluded")], 3);
}
