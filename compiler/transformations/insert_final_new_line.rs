//! `InsertFinalNewLine`: an empty line at the end, unless the last line is blank already.
//!
//! The lines are joined with line ends between them, so this is what gives the text its final one.

use crate::line::is_blank;
use crate::text::{Line, Pages};

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>) {
    if !lines.last().is_some_and(|&line| is_blank(pages.text(line))) {
        lines.push(pages.write(""));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::InsertFinalNewLine, testing::run};

    #[test]
    fn a_blank_end_is_left_alone() {
        assert_eq!(run(InsertFinalNewLine, &["a"]), ["a", ""]);
        assert_eq!(run(InsertFinalNewLine, &["a", "  "]), ["a", "  "]);
        assert_eq!(run(InsertFinalNewLine, &["a", "", ""]), ["a", "", ""]);
        assert_eq!(run(InsertFinalNewLine, &[]), [""]);
    }
}
