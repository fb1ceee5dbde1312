//! What was observed of whole compilations by the reference: how texts are loaded and their directives resolved, and
//! the header. Each case has the number of its row in the table of observations; the rows before it are small cases
//! of lines, which `observed.rs` runs, and rows 321 to 324 are about HTTP, which the journeys make.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use compiler::{Compilation, Configuration, ConfigurationDraft, LevelDraft, SourceDraft};
use support::stamp;

/// Something to compile: sources and other texts by their names, and what is done at either level.
#[derive(Default)]
struct Case {
    texts: Vec<(&'static str, &'static str)>,
    n_sources: usize,
    of_sources: LevelDraft,
    of_list: LevelDraft,
}

/// One source with this text.
fn text(text: &'static str) -> Case {
    texts(&[("a", text)], 1)
}

/// Texts of which the first are sources.
fn texts(texts: &[(&'static str, &'static str)], n_sources: usize) -> Case {
    Case { texts: texts.to_vec(), n_sources, ..Case::default() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn transformations(of: &[&str]) -> LevelDraft {
    LevelDraft { transformations: names(of), ..LevelDraft::default() }
}

fn exclusions(of: &[&str]) -> LevelDraft {
    LevelDraft { exclusions: names(of), ..LevelDraft::default() }
}

fn inclusions(of: &[&str]) -> LevelDraft {
    LevelDraft { inclusions: names(of), ..LevelDraft::default() }
}

impl Case {
    fn of_list(self, of_list: LevelDraft) -> Case {
        Case { of_list, ..self }
    }

    fn of_sources(self, of_sources: LevelDraft) -> Case {
        Case { of_sources, ..self }
    }

    fn body(&self) -> Result<Vec<String>, String> {
        let sources = self.texts.iter().take(self.n_sources).map(|(name, _)| SourceDraft {
            source: (*name).to_owned(),
            level: self.of_sources.clone(),
            ..SourceDraft::default()
        });
        let draft = ConfigurationDraft {
            name: "T".to_owned(),
            sources: sources.collect(),
            level: self.of_list.clone(),
            ..ConfigurationDraft::default()
        };
        let configuration = Configuration::validate(draft).unwrap_or_else(|issues| panic!("{issues:?}"));
        let mut compilation = Compilation::new(configuration);
        while let Some(wanted) = compilation.wanted().first().cloned() {
            match self.texts.iter().find(|(name, _)| *name == wanted.location.as_str()) {
                Some((_, text)) => {
                    compilation.supply(wanted.id, (*text).to_owned()).map_err(|error| error.to_string())?
                }
                None => return Err(compilation.failed(wanted.id, "missing").to_string()),
            }
        }
        let compiled = compilation.finish(&stamp()).map_err(|error| error.to_string())?;
        Ok(compiled.body().map(str::to_owned).collect())
    }

    /// `H` stands for the header of the only source.
    fn gives(&self, row: u32, expected: &[&str]) {
        let source = format!("! Source: {}", self.texts[0].0);
        let header = ["!", &source, "!"];
        let lines = expected.iter().flat_map(|line| if *line == "H" { header.to_vec() } else { vec![*line] });
        assert_eq!(self.body(), Ok(lines.map(str::to_owned).collect()), "row {row}");
    }

    fn fails(&self, row: u32, expected: &str) {
        let error = self.body().expect_err("an error");
        assert!(error.contains(expected), "row {row}: {error}");
    }
}

#[test]
fn texts_are_trimmed_and_split() {
    text("\u{feff}\r\n  lead\r\n\r\n \r\nmid  \r\n\t\r\nend  \r\n\r\n")
        .gives(292, &["H", "lead", " ", "mid  ", "\t", "end"]);
    text("a\rb\r\rc").gives(293, &["H", "a", "b", "c"]);
    text("").gives(294, &["H", ""]);
    text("  \n \n").gives(294, &["H", ""]);
}

#[test]
fn the_list_sees_the_headers_of_sources() {
    text("! c\nx").of_list(transformations(&["RemoveComments"])).gives(295, &["x"]);
    text("! c\nx").of_sources(transformations(&["RemoveComments"])).gives(296, &["H", "x"]);
    let deduplicate = || transformations(&["Deduplicate"]);
    texts(&[("a", "x\ny"), ("b", "x\nz")], 2)
        .of_list(deduplicate())
        .gives(297, &["y", "!", "! Source: b", "!", "x", "z"]);
    texts(&[("a", "x"), ("b", "x")], 2).of_list(deduplicate()).gives(298, &["!", "! Source: b", "!", "x"]);
    text("x\ny").of_list(exclusions(&["Source"])).gives(299, &["!", "!", "x", "y"]);
    texts(&[("a.txt", "x1\ny\nx2")], 1)
        .of_list(inclusions(&["x"]))
        .gives(300, &["! Source: a.txt", "x1", "x2"]);
    let both = LevelDraft { exclusions: names(&["x2"]), ..inclusions(&["x"]) };
    text("x1\ny\nx2\n! x").of_sources(both).gives(301, &["H", "x1", "! x"]);
    text("! c").of_list(transformations(&["RemoveComments", "InsertFinalNewLine"])).gives(302, &[""]);
}

#[test]
fn conditions_are_resolved() {
    text("!#if adguard\nb\n!#else\nd\n!#endif\nc").gives(303, &["H", "d", "c"]);
    text("!#if true\nb\n!#endif").gives(304, &["H", "b"]);
    text("!#if TRUE\nb\n!#endif").gives(304, &["H"]);
    text("!#if !false\nb\n!#endif").gives(304, &["H", "b"]);
    text("!#if true||adguard\nb\n!#endif").gives(305, &["H"]);
    text("!#if true && false || true\nb\n!#endif").gives(306, &["H", "b"]);
    let hidden_else = "!#if a\n!#if b\nx\n!#endif\ny\n!#else\nz\n!#endif\nend";
    text(hidden_else).gives(307, &["H", "end"]);
    text("!#if true\n!#if b\nx\n!#endif\ny\n!#else\nz\n!#endif\nend")
        .fails(308, "Found unexpected condition else branch: '!#else'");
    text("!#if true\n!#if b\nx\n!#else\ny\n!#endif\n!#else\nz\n!#endif\nend").gives(309, &["H", "y", "end"]);
    text("a\n !#if x\nb\n!#endif").fails(310, "Found unexpected condition end: '!#endif'");
    text("!#if x\nb\n !#endif\n!#endif\nc").gives(311, &["H", "c"]);
    text("!#iffy true\nb\n!#endif").gives(312, &["H"]);
    text("!#if\nb\n!#endif").fails(313, "Invalid directives: Empty condition");
    let affinity = ["!#safari_cb_affinity(general)", "b", "!#safari_cb_affinity", "c"];
    text("!#safari_cb_affinity(general)\nb\n!#safari_cb_affinity\nc")
        .gives(314, &[&["H"], &affinity[..]].concat());
}

#[test]
fn includes_are_put_in_place() {
    let included = ["H", "a", "i1", "i2", "b"];
    texts(&[("a", "a\n!#include one.txt\nb"), ("one.txt", "i1\ni2\n")], 1).gives(315, &included);
    texts(&[("a", "a\n!#include empty.txt\nb"), ("empty.txt", "")], 1).gives(316, &["H", "a", "", "b"]);
    texts(&[("a", "a\n!#includeone.txt\nb"), ("one.txt", "i1\ni2\n")], 1).gives(317, &included);
    text("a\n !#include nope.txt\nb").gives(318, &["H", "a", " !#include nope.txt", "b"]);
    let diff_paths = "! Title: X\n! Diff-Path: abc\n! Diff-Path: def\n! Diff-Path: ghi\nk";
    texts(&[("a", "!#include i"), ("i", diff_paths)], 1)
        .gives(319, &["H", "! Title: X", "! Diff-Path: def", "k"]);
    texts(&[("d/a", "!#include https://example.org/x.txt")], 1).fails(320, "Invalid url: 'd'");
    // The redirect itself is followed by who fetches; what it led to plays no part here.
    let redirected =
        [("https://example.org/sub/redir", "a\n!#include inc.txt"), ("https://example.org/sub/inc.txt", "i")];
    texts(&redirected, 1).gives(321, &["H", "a", "i"]);
}

fn header(fields: [Option<&str>; 4]) -> Vec<String> {
    let [description, version, homepage, license] = fields.map(|field| field.map(str::to_owned));
    let sources = vec![SourceDraft { source: "a".to_owned(), ..SourceDraft::default() }];
    let name = "T".to_owned();
    let draft = ConfigurationDraft {
        name,
        description,
        version,
        homepage,
        license,
        sources,
        ..ConfigurationDraft::default()
    };
    let compiled = support::compile(Configuration::validate(draft).unwrap(), |_| String::new()).unwrap();
    compiled.header().to_vec()
}

#[test]
fn the_header_has_the_texts_that_are_given() {
    let stamped = ["! Last modified: 2026-11-22T03:00:00.123Z", "!", "! Compiled by test v1", "!"];
    let fields = ["! Description: D", "! Version: 1.0", "! Homepage: http://h/", "! License: GPL"];
    let all = header([Some("D"), Some("1.0"), Some("http://h/"), Some("GPL")]);
    assert_eq!(all, [&["!", "! Title: T"], &fields[..], &stamped[..]].concat(), "row 325");
    let without = header([Some(""), Some(""), None, None]);
    assert_eq!(without, [&["!", "! Title: T"], &stamped[..]].concat(), "row 326");
}
