//! From a loaded text to lines: splitting, `!#if` blocks and `!#include`s.
//!
//! Directives count only at the very start of a line. Conditions are resolved before includes, each file
//! for itself. One oddity of the reference is kept on purpose: the search for the `!#else` of a block
//! counts inner `!#if`s but not their ends, so an inner block without an else hides the outer one's.

use hashbrown::HashMap;

use crate::condition::{self, ConditionError};
use crate::line::trim;
use crate::text::{Line, Pages};

const IF: &str = "!#if";
const ELSE: &str = "!#else";
const END: &str = "!#endif";
const INCLUDE: &str = "!#include";

/// In so many first lines of an included file the location of its diffs is looked for and dropped.
const DIFF_PATH_LINES: usize = 50;

/// How many lines before the offending one a message quotes.
const CONTEXT_LINES: usize = 3;

/// What is wrong with the directives of a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveError {
    /// The expression of an `!#if` has no value.
    #[error(transparent)]
    Condition(#[from] ConditionError),
    /// A block has no end.
    #[error("Invalid directives: Condition end not found")]
    NoEnd,
    /// Something stands behind an `!#else`.
    #[error("Found invalid directive !#else{0}")]
    InvalidElse(Quote),
    /// An `!#else` outside of any block, or a second one.
    #[error("Found unexpected condition else branch:{0}")]
    UnexpectedElse(Quote),
    /// An `!#endif` outside of any block.
    #[error("Found unexpected condition end:{0}")]
    UnexpectedEnd(Quote),
}

/// The line that an error is about, with those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    folder: String,
    lines: Vec<String>,
}

impl std::fmt::Display for Quote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = self.lines.last().map_or("", String::as_str);
        write!(f, " '{line}'\nURL: '{}'\nContext:\n", self.folder)?;
        for line in &self.lines {
            writeln!(f, "\t{line}")?;
        }
        Ok(())
    }
}

/// A text after its own directives are done.
#[derive(Debug, Default)]
pub(crate) struct Preprocessed {
    /// The lines, without the `!#include`s.
    pub(crate) lines: Vec<Line>,
    /// The includes in order.
    pub(crate) includes: Vec<Include>,
}

/// An `!#include` and where its lines go.
#[derive(Debug)]
pub(crate) struct Include {
    /// How many of the lines come before it.
    pub(crate) at: usize,
    /// The directive as it stands.
    pub(crate) line: Line,
    /// The path in it.
    pub(crate) path: String,
}

/// Splits a page into lines: the whole text is trimmed, and every run of CR and LF separates.
/// Blank lines vanish with that, lines of blanks inside do not, and an empty text is one empty line.
pub(crate) fn split(pages: &Pages, page: u32) -> Vec<Line> {
    let whole = pages.page(page);
    let text = trim(whole);
    let leading =
        if text.is_empty() { 0 } else { whole.len() - whole.trim_start_matches(crate::line::is_space).len() };
    // Counting first costs little and saves a growing vector twice its size.
    let mut lines = Vec::with_capacity(memchr::memchr_iter(b'\n', text.as_bytes()).count() + 1);
    let mut start = 0;
    for end in memchr::memchr2_iter(b'\r', b'\n', text.as_bytes()) {
        if end > start {
            lines.push(pages.line(page, leading + start, end - start));
        }
        start = end + 1;
    }
    lines.push(pages.line(page, leading + start, text.len() - start));
    lines
}

/// Resolves the directives of one text. `folder` is only quoted in errors.
pub(crate) fn preprocess(
    pages: &Pages,
    mut lines: Vec<Line>,
    is_included: bool,
    folder: &str,
) -> Result<Preprocessed, DirectiveError> {
    if is_included {
        drop_diff_paths(pages, &mut lines);
    }
    // Nearly all texts have no directives, and then their lines are passed on untouched.
    let has_directive = |directive: &str| lines.iter().any(|&line| pages.text(line).starts_with(directive));
    if [IF, ELSE, END].into_iter().any(has_directive) {
        lines = resolve_conditions(pages, &lines, folder)?;
    }
    let mut includes = Vec::new();
    let mut n_lines = 0;
    lines.retain(|&line| match pages.text(line).strip_prefix(INCLUDE) {
        Some(path) => {
            includes.push(Include { at: n_lines, line, path: trim(path).to_owned() });
            false
        }
        None => {
            n_lines += 1;
            true
        }
    });
    Ok(Preprocessed { lines, includes })
}

/// Drops `! Diff-Path:` lines near the start. The line after a dropped one is passed over unseen, so of
/// two in a row the second stays.
fn drop_diff_paths(pages: &Pages, lines: &mut Vec<Line>) {
    let mut n_seen = 0;
    let mut passes_over = false;
    lines.retain(|&line| {
        let is_unseen = std::mem::take(&mut passes_over);
        let is_dropped =
            !is_unseen && n_seen < DIFF_PATH_LINES && trim(pages.text(line)).starts_with("! Diff-Path:");
        passes_over = is_dropped;
        // A dropped line and the one that takes its place count as one.
        n_seen += usize::from(!is_unseen);
        !is_dropped
    });
}

/// A block of lines that is being gone through: where it ends, and where to go on behind it.
struct Open {
    end: usize,
    then: usize,
}

/// Keeps the lines of the branches that are taken, without the directives. Goes down into blocks and up
/// again with a stack of its own: lists may nest them as deep as they are long.
fn resolve_conditions(pages: &Pages, lines: &[Line], folder: &str) -> Result<Vec<Line>, DirectiveError> {
    let text_at = |at: usize| lines.get(at).map_or("", |&line| pages.text(line));
    let quote = |at: usize| Quote {
        folder: folder.to_owned(),
        lines: (at.saturating_sub(CONTEXT_LINES)..=at).map(|at| text_at(at).to_owned()).collect(),
    };
    let blocks = Blocks::find(lines.len(), text_at);
    let mut kept = Vec::with_capacity(lines.len());
    let mut open = vec![Open { end: lines.len(), then: lines.len() }];
    let mut at = 0;
    while let Some(&Open { end, then }) = open.last() {
        if at >= end {
            open.pop();
            at = then;
            continue;
        }
        let text = text_at(at);
        if let Some(expression) = text.strip_prefix(IF) {
            let block_end =
                blocks.ends.get(&at).copied().filter(|&e| e < end).ok_or(DirectiveError::NoEnd)?;
            let is_taken = condition::evaluate(trim(expression))?;
            let block_else = blocks.elses.get(&at).copied().filter(|&e| e < block_end);
            if let Some(at) = block_else
                && trim(text_at(at)) != ELSE
            {
                return Err(DirectiveError::InvalidElse(quote(at)));
            }
            let then = block_end + 1;
            if is_taken {
                open.push(Open { end: block_else.unwrap_or(block_end), then });
                at += 1;
            } else if let Some(block_else) = block_else {
                open.push(Open { end: block_end, then });
                at = block_else + 1;
            } else {
                at = then;
            }
        } else if text.starts_with(ELSE) {
            return Err(DirectiveError::UnexpectedElse(quote(at)));
        } else if text.starts_with(END) {
            return Err(DirectiveError::UnexpectedEnd(quote(at)));
        } else {
            kept.extend(lines.get(at));
            at += 1;
        }
    }
    Ok(kept)
}

/// For the place of each `!#if`: where the count of ifs and ends comes back to zero, and where that of
/// ifs and elses does. Found in one walk, because searching from each `!#if` would be quadratic.
struct Blocks {
    ends: HashMap<usize, usize, foldhash::fast::FixedState>,
    elses: HashMap<usize, usize, foldhash::fast::FixedState>,
}

impl Blocks {
    fn find<'a>(n_lines: usize, text_at: impl Fn(usize) -> &'a str) -> Blocks {
        // The keys are counted up from zero, so a fixed seed gives nobody a way to make them collide.
        let mut blocks = Blocks { ends: HashMap::default(), elses: HashMap::default() };
        let mut without_end = Vec::new();
        let mut without_else = Vec::new();
        for at in 0..n_lines {
            let text = text_at(at);
            if text.starts_with(IF) {
                without_end.push(at);
                without_else.push(at);
            } else if text.starts_with(ELSE) {
                blocks.elses.extend(without_else.pop().map(|opened| (opened, at)));
            } else if text.starts_with(END) {
                blocks.ends.extend(without_end.pop().map(|opened| (opened, at)));
            }
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, is_included: bool) -> Result<Vec<String>, String> {
        let mut pages = Pages::default();
        let page = pages.add(text.to_owned());
        let lines = split(&pages, page);
        let done = preprocess(&pages, lines, is_included, "folder").map_err(|error| error.to_string())?;
        let mut texts: Vec<String> = done.lines.iter().map(|&line| pages.text(line).to_owned()).collect();
        for include in done.includes.iter().rev() {
            texts.insert(include.at, format!("<{}>", include.path));
        }
        Ok(texts)
    }

    fn check(text: &str, lines: &[&str]) {
        assert_eq!(run(text, false).unwrap(), lines, "{text:?}");
    }

    fn fails(text: &str, message: &str) {
        let error = run(text, false).unwrap_err();
        assert!(error.starts_with(message), "{text:?}: {error}");
    }

    #[test]
    fn texts_are_trimmed_and_split_at_runs_of_line_ends() {
        check(
            "\u{feff}\r\n  lead\r\n\r\n \r\nmid  \r\n\t\r\nend  \r\n\r\n",
            &["lead", " ", "mid  ", "\t", "end"],
        );
        check("a\rb\r\rc", &["a", "b", "c"]);
        check("", &[""]);
        check("  \n \n", &[""]);
        check("a\u{b}b\u{2028}c\u{85}", &["a\u{b}b\u{2028}c\u{85}"]);
    }

    #[test]
    fn branches_are_taken_by_their_condition() {
        check("!#if adguard\nb\n!#else\nd\n!#endif\nc", &["d", "c"]);
        check("!#if true\nb\n!#endif\nc", &["b", "c"]);
        check("!#iffy true\nb\n!#endif\nc", &["c"]);
        check("!#if x\nb\n !#endif\n!#endif\nc", &["c"]);
        check("!#safari_cb_affinity(general)\nb", &["!#safari_cb_affinity(general)", "b"]);
        check("!#if true\n!#if b\nx\n!#else\ny\n!#endif\n!#else\nz\n!#endif\nend", &["y", "end"]);
    }

    #[test]
    fn an_inner_block_without_else_hides_the_outer_else() {
        let inner = "\n!#if b\nx\n!#endif\ny\n!#else\nz\n!#endif\nend";
        check(&format!("!#if a{inner}"), &["end"]);
        fails(
            &format!("!#if true{inner}"),
            "Found unexpected condition else branch: '!#else'\nURL: 'folder'\nContext:\n\t",
        );
    }

    #[test]
    fn broken_blocks_are_told() {
        fails("a\n!#endif", "Found unexpected condition end: '!#endif'");
        fails("!#else", "Found unexpected condition else branch: '!#else'");
        fails("!#if x\n!#else y\n!#endif", "Found invalid directive !#else");
        fails("!#if\n!#else y\n!#endif", "Invalid directives: Empty condition");
        fails("!#if x\na", "Invalid directives: Condition end not found");
        fails("!#if\nb\n!#endif", "Invalid directives: Empty condition");
    }

    #[test]
    fn very_deep_blocks_are_no_danger() {
        let n = 20_000;
        let text = format!("{}x\n{}", "!#if true\n".repeat(n), "!#endif\n".repeat(n));
        check(&text, &["x"]);
    }

    #[test]
    fn includes_are_noted_in_their_places() {
        check(
            "a\n!#include one.txt\n!#includetwo.txt \nb\n !#include x",
            &["a", "<one.txt>", "<two.txt>", "b", " !#include x"],
        );
    }

    #[test]
    fn of_two_diff_paths_in_a_row_the_second_stays() {
        let text = "! Title: X\n! Diff-Path: abc\n! Diff-Path: def\n! Diff-Path: ghi\nk";
        assert_eq!(run(text, true).unwrap(), ["! Title: X", "! Diff-Path: def", "k"]);
        assert_eq!(run(text, false).unwrap().len(), 5);
        let late = format!("{}! Diff-Path: x", "a\n".repeat(DIFF_PATH_LINES));
        assert_eq!(run(&late, true).unwrap().len(), DIFF_PATH_LINES + 1);
    }
}
