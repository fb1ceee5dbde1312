//! Exclusions and inclusions: patterns that a whole line is tested against.
//!
//! A pattern is a regular expression between slashes, a wildcard if it holds a `*`, and else a piece of text.
//! Only the last heeds case. Lines are tested as they stand at that moment, comments included.
//!
//! Patterns and lines both come from strangers, so the work of a compilation is counted in [`Work`] and the
//! compilation fails, rather than hangs, when it is used up.

mod regex;
mod wildcard;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use foldhash::fast::FixedState;
use hashbrown::HashSet;

use crate::configuration::MAX_PATTERNS;
use regex::{MAX_REGEX_BYTES, Regex, Scratch};
use wildcard::Wildcard;

/// The most text in the patterns of one level, in bytes. The automaton of the plain ones takes some
/// fifty times that while it is built, which must fit a 128 MB isolate beside the lists.
pub const MAX_PATTERN_BYTES: usize = 512 * 1024;

/// How much pattern work one compilation may take: steps of regular expressions, and for each wildcard
/// and line one more than a sixteenth of the bytes in the line. A step takes some 3 ns natively (measured in
/// November 2026), so this is 4 seconds, and a few times that in wasm: below the 30 seconds of CPU that a
/// Worker has by default. A million lines of 25 bytes leave room for about twenty expressions.
pub const MAX_PATTERN_WORK: u64 = 1_500_000_000;

/// The most instructions and sets of units that the regular expressions of one level may have together. Each
/// takes some 50 bytes, so this is 12 MB; real expressions have below a hundred.
const MAX_REGEXES_SIZE: usize = 250_000;

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// What stands between slashes is no regular expression.
    #[error("Invalid regular expression: /{expression}/im: {reason}")]
    InvalidRegex {
        /// The text between the slashes.
        expression: String,
        /// What is wrong, in the words of the engine that the reference runs on.
        reason: &'static str,
    },
    /// A regular expression beyond all reason.
    #[error("regular expression of {n_bytes} bytes, at most {MAX_REGEX_BYTES} are allowed")]
    RegexTooLong {
        /// Its length in bytes.
        n_bytes: usize,
    },
    /// Counted repetitions make a regular expression, or all of a level together, enormous.
    #[error("regular expressions too large when their repetitions are written out")]
    RegexTooLarge,
    /// A level has more patterns than may be.
    #[error("more than {MAX_PATTERNS} patterns at one level")]
    TooMany,
    /// The patterns of a level hold more text than may be.
    #[error("more than {MAX_PATTERN_BYTES} bytes of patterns at one level")]
    TooLong,
    /// Testing would not come to an end in reasonable time.
    #[error("testing the patterns takes too much work")]
    TooMuchWork,
}

/// The pattern work that a compilation has left.
#[derive(Debug)]
pub(crate) struct Work {
    left: u64,
}

impl Default for Work {
    fn default() -> Self {
        Work { left: MAX_PATTERN_WORK }
    }
}

impl Work {
    pub(crate) fn spend(&mut self, units: u64) -> Result<(), PatternError> {
        self.left = self.left.checked_sub(units).ok_or(PatternError::TooMuchWork)?;
        Ok(())
    }

    #[cfg(test)]
    fn of(left: u64) -> Work {
        Work { left }
    }

    #[cfg(test)]
    fn spent(&self) -> u64 {
        MAX_PATTERN_WORK - self.left
    }
}

/// The patterns of one level, ready for use.
#[derive(Debug)]
pub(crate) struct Patterns {
    /// All plain ones, tested in one walk over the line.
    plain: Option<AhoCorasick>,
    wildcards: Vec<Wildcard>,
    regexes: Vec<Regex>,
    /// All of them as they were written, in the order of these three.
    texts: Vec<String>,
    folded: Folded,
    scratch: Scratch,
}

impl Patterns {
    /// Compiles patterns; `None` when there is none. Empty and repeated ones do not count.
    ///
    /// # Errors
    ///
    /// The first pattern that cannot be used, and why.
    pub(crate) fn new<'a>(
        patterns: impl Iterator<Item = &'a str>,
        hashing: &FixedState,
    ) -> Result<Option<Patterns>, (String, PatternError)> {
        let mut seen = HashSet::with_hasher(hashing.clone());
        let mut plain = Vec::new();
        let (mut wildcards, mut wildcard_texts) = (Vec::new(), Vec::new());
        let (mut regexes, mut regex_texts) = (Vec::new(), Vec::new());
        let mut n_bytes = 0;
        let mut regexes_size = 0;
        for pattern in patterns.filter(|pattern| !pattern.is_empty()) {
            if !seen.insert(pattern) {
                continue;
            }
            n_bytes += pattern.len();
            let error = |error| (pattern.to_owned(), error);
            if seen.len() > MAX_PATTERNS {
                return Err(error(PatternError::TooMany));
            }
            if n_bytes > MAX_PATTERN_BYTES {
                return Err(error(PatternError::TooLong));
            }
            if let Some(source) = between_slashes(pattern) {
                let regex = Regex::new(source).map_err(error)?;
                regexes_size += regex.size();
                if regexes_size > MAX_REGEXES_SIZE {
                    return Err(error(PatternError::RegexTooLarge));
                }
                regexes.push(regex);
                regex_texts.push(pattern);
            } else if pattern.contains('*') {
                wildcards.push(Wildcard::new(pattern));
                wildcard_texts.push(pattern);
            } else {
                plain.push(pattern);
            }
        }
        if seen.is_empty() {
            return Ok(None);
        }
        let plain_texts = plain;
        let plain = if plain_texts.is_empty() {
            None
        } else {
            // The smaller automaton: the fast one could take a kilobyte for every byte of the patterns.
            let kind = Some(AhoCorasickKind::ContiguousNFA);
            // It fails only beyond 2^31 bytes of patterns, which the bound above excludes.
            let Ok(automaton) = AhoCorasick::builder().kind(kind).build(&plain_texts) else {
                return Err((String::new(), PatternError::TooLong));
            };
            Some(automaton)
        };
        let texts =
            plain_texts.into_iter().chain(wildcard_texts).chain(regex_texts).map(str::to_owned).collect();
        let (folded, scratch) = (Folded::default(), Scratch::default());
        Ok(Some(Patterns { plain, wildcards, regexes, texts, folded, scratch }))
    }

    /// A pattern that hits the line, by its place among the texts.
    pub(crate) fn hit(&mut self, line: &str, work: &mut Work) -> Result<Option<usize>, PatternError> {
        let mut n_before = 0;
        if let Some(plain) = &self.plain {
            if let Some(found) = plain.find(line) {
                return Ok(Some(found.pattern().as_usize()));
            }
            n_before = plain.patterns_len();
        }
        if self.wildcards.is_empty() && self.regexes.is_empty() {
            return Ok(None);
        }
        self.folded.set(line);
        for (n, wildcard) in self.wildcards.iter().enumerate() {
            work.spend(1 + line.len() as u64 / 16)?;
            if wildcard.is_match(self.folded.text()) {
                return Ok(Some(n_before + n));
            }
        }
        n_before += self.wildcards.len();
        for (n, regex) in self.regexes.iter().enumerate() {
            if regex.is_match(self.folded.units(), &mut self.scratch, work)? {
                return Ok(Some(n_before + n));
            }
        }
        Ok(None)
    }

    /// A pattern as it was written.
    pub(crate) fn text(&self, n: usize) -> &str {
        self.texts.get(n).map_or("", String::as_str)
    }
}

/// The text between two slashes, if there is any.
fn between_slashes(pattern: &str) -> Option<&str> {
    pattern.strip_prefix('/')?.strip_suffix('/').filter(|inside| !inside.is_empty())
}

/// A line prepared for testing without regard to case.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    text: String,
    units: Vec<u16>,
    has_units: bool,
}

impl Folded {
    /// Takes another line.
    pub(crate) fn set(&mut self, line: &str) {
        self.has_units = false;
        self.text.clear();
        if line.is_ascii() {
            self.text.push_str(line);
            self.text.make_ascii_uppercase();
        } else {
            self.text.extend(line.chars().map(fold));
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The line in UTF-16, made at the first need.
    pub(crate) fn units(&mut self) -> &[u16] {
        if !self.has_units {
            self.units.clear();
            self.units.extend(self.text.encode_utf16());
            self.has_units = true;
        }
        &self.units
    }
}

/// A character as JavaScript's `i` compares it: its upper case, unless that is several characters or would
/// make a non-ASCII one ASCII. Characters beyond the first plane are two units there and have no case.
pub(crate) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) if !upper.is_ascii() && c.len_utf16() == 1 && upper.len_utf16() == 1 => upper,
        _ => c,
    }
}

/// The same for a UTF-16 unit.
pub(crate) fn fold_unit(unit: u16) -> u16 {
    // Half a pair is no character and stays as it is; a folded character of one unit fits one again.
    char::from_u32(u32::from(unit)).map_or(unit, |c| fold(c) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], hit: &[&str], missed: &[&str]) {
        let compiled = Patterns::new(patterns.iter().copied(), &FixedState::with_seed(1)).unwrap();
        let mut compiled = compiled.expect("patterns");
        let mut work = Work::default();
        for line in hit {
            assert!(compiled.hit(line, &mut work).unwrap().is_some(), "{patterns:?} on {line:?}");
        }
        for line in missed {
            assert!(compiled.hit(line, &mut work).unwrap().is_none(), "{patterns:?} on {line:?}");
        }
    }

    #[test]
    fn the_three_kinds_are_told_apart() {
        check(&["EXAMPLE"], &["EXAMPLE.org"], &["example.org"]);
        check(&["*.example.org"], &["x.Example.org"], &["EXAMPLE.org"]);
        check(&["/ADS/"], &["xads1"], &["bds"]);
        check(&["//"], &["a//b"], &["c"]);
        check(&["/x/i"], &["a/x/i"], &["ax"]);
        check(&["/ads/*"], &["/ads/1", "/ADS/2"], &["x/ads/1"]);
        check(&["  a "], &["x  a y"], &["a"]);
        check(&["a", "*b*", "/c/"], &["xa", "xB", "xC"], &["x", ""]);
    }

    #[test]
    fn empty_patterns_are_none() {
        assert!(Patterns::new(["", ""].into_iter(), &FixedState::with_seed(1)).unwrap().is_none());
    }

    #[test]
    fn the_offending_pattern_is_named() {
        let (pattern, error) =
            Patterns::new(["a", "/*/"].into_iter(), &FixedState::with_seed(1)).unwrap_err();
        assert_eq!(pattern, "/*/");
        assert_eq!(error.to_string(), "Invalid regular expression: /*/im: Nothing to repeat");
    }

    #[test]
    fn expressions_that_are_large_together_are_refused() {
        let patterns: Vec<String> = (0..40).map(|n| format!("/a{{9000}}{n}/")).collect();
        let refused = Patterns::new(patterns.iter().map(String::as_str), &FixedState::with_seed(1));
        assert_eq!(refused.unwrap_err().1, PatternError::RegexTooLarge);
    }

    #[test]
    fn too_many_patterns_are_refused() {
        let patterns: Vec<String> = (0..=MAX_PATTERNS).map(|n| n.to_string()).collect();
        let refused = Patterns::new(patterns.iter().map(String::as_str), &FixedState::with_seed(1));
        assert_eq!(refused.unwrap_err().1, PatternError::TooMany);
    }
}
