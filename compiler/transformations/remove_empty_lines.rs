//! `RemoveEmptyLines`: drops lines of nothing but white space.

use crate::line::is_blank;
use crate::text::{Line, Pages};

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>) {
    lines.retain(|&line| !is_blank(pages.text(line)));
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::RemoveEmptyLines, testing::run};

    #[test]
    fn a_zero_width_space_is_not_blank() {
        assert_eq!(run(RemoveEmptyLines, &["", "a", " \t", "\u{feff}", "\u{200b}"]), ["a", "\u{200b}"]);
    }
}
