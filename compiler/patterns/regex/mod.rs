//! Regular expressions in JavaScript's syntax with the flags `i` and `m`, in bounded time.
//!
//! A pattern comes from a stranger and is tried on millions of lines, so the usual backtracking is out of
//! the question: `(a+)+$` hangs it. This engine remembers the pairs of instruction and position that
//! have failed and tries none twice, so that a search costs at most pattern length times line length.
//! Only back-references need more, because a failure may then depend on what a group caught; those, and
//! look-around begun at every position, are held by the budget in [`Work`].
//!
//! In scope: ECMAScript 2024 without the flags `u` and `v`, with the old-web leniency of its Annex B
//! (`]`, `{` and unknown escapes stand for themselves, octal escapes). A character is a UTF-16 unit, and `i`
//! never takes an ASCII letter for a non-ASCII one. Out of scope: where a match is; only whether.

mod parse;
mod program;
mod search;
mod set;

pub(crate) use search::Scratch;

use super::{PatternError, Work};

/// The longest expression, in bytes. Long ones are alternations, and can be several patterns.
pub(crate) const MAX_REGEX_BYTES: usize = 4_096;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Regex {
    program: program::Program,
}

impl Regex {
    /// Compiles what stands between the slashes.
    pub(crate) fn new(source: &str) -> Result<Regex, PatternError> {
        if source.len() > MAX_REGEX_BYTES {
            return Err(PatternError::RegexTooLong { n_bytes: source.len() });
        }
        let syntax = |reason| PatternError::InvalidRegex { expression: source.to_owned(), reason };
        let parsed = parse::parse(source).map_err(syntax)?;
        let program = program::Program::new(&parsed).ok_or(PatternError::RegexTooLarge)?;
        Ok(Regex { program })
    }

    /// How many instructions and sets it has.
    pub(crate) fn size(&self) -> usize {
        self.program.instructions.len() + self.program.sets.len()
    }

    /// Whether the expression matches anywhere in a line, given as folded UTF-16 units.
    pub(crate) fn is_match(
        &self,
        line: &[u16],
        scratch: &mut Scratch,
        work: &mut Work,
    ) -> Result<bool, PatternError> {
        search::is_match(&self.program, line, scratch, work)
    }
}

#[cfg(test)]
mod tests;
