//! Wildcards: pieces of text in order, with anything between them.

use memchr::memmem::Finder;

use super::fold;

/// A pattern with at least one `*`. It must cover the whole line.
#[derive(Debug)]
pub(super) struct Wildcard {
    /// What the line begins with.
    start: String,
    /// What comes between start and end, in this order.
    pieces: Vec<Finder<'static>>,
    /// What the line ends with.
    end: String,
}

impl Wildcard {
    pub(super) fn new(pattern: &str) -> Wildcard {
        let folded: String = pattern.chars().map(fold).collect();
        let (start, rest) = folded.split_once('*').unwrap_or((&folded, ""));
        let (between, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        let pieces = between.split('*').filter(|piece| !piece.is_empty());
        Wildcard {
            start: start.to_owned(),
            pieces: pieces.map(|piece| Finder::new(piece).into_owned()).collect(),
            end: end.to_owned(),
        }
    }

    /// Whether the folded line is covered. Taking each piece at its first place leaves the most room
    /// for the next, so nothing has to be tried twice.
    pub(super) fn is_match(&self, folded: &str) -> bool {
        let rest =
            folded.strip_prefix(self.start.as_str()).and_then(|rest| rest.strip_suffix(self.end.as_str()));
        let Some(mut rest) = rest.map(str::as_bytes) else { return false };
        self.pieces.iter().all(|piece| match piece.find(rest) {
            Some(at) => {
                rest = rest.get(at + piece.needle().len()..).unwrap_or_default();
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, line: &str, expected: bool) {
        let folded: String = line.chars().map(fold).collect();
        assert_eq!(Wildcard::new(pattern).is_match(&folded), expected, "{pattern} on {line}");
    }

    #[test]
    fn both_ends_are_anchored() {
        check("a.b*", "a.b", true);
        check("a.b*", "a.bc", true);
        check("a.b*", "||a.b^", false);
        check("*.org", "a.org", true);
        check("*.org", "a.org^", false);
        check("*", "", true);
        check("a**b", "a*b", true);
        check("a*a", "a", false);
        check("*ab*ba*", "aba", false);
        check("*ab*ba*", "abxba", true);
    }

    #[test]
    fn case_is_folded_beyond_ascii() {
        check("*σασ*", "xΣΑΣ", true);
        check("*σασ*", "σας", true);
        check("*k*", "\u{212a}", false);
        check("ПРИМЕР*", "пример.рф", true);
    }
}
