//! `TrimLines`: blanks and tabs at both ends go. No other white space does: a U+00A0 or a stray CR is
//! part of the line.

use crate::text::{Line, Pages};

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>) {
    const TRIMMED: [char; 2] = [' ', '\t'];
    for line in lines {
        let text = pages.text(*line);
        let from_start = text.trim_start_matches(TRIMMED);
        let leading = text.len() - from_start.len();
        *line = line.piece(leading, from_start.trim_end_matches(TRIMMED).len());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::TrimLines, testing::run};

    #[test]
    fn only_blanks_and_tabs_are_stripped() {
        let lines = ["  a\t", "\u{a0}b ", "c\r", " d e ", "   ", ""];
        assert_eq!(run(TrimLines, &lines), ["a", "\u{a0}b", "c\r", "d e", "", ""]);
    }
}
