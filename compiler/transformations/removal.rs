//! How a rule is removed together with its heading.

use crate::line::is_comment;
use crate::text::{Line, Pages};

/// Removes the rules that `is_removed` says, and with each the comments and empty lines directly above.
///
/// Walks from the end. `is_removed` is asked about every line but comments and empty ones; it gets the
/// lines, the place of the line it is asked about, and the place the line will move to if it stays.
/// Lines from that second place on are those that stay and will not move any more. A line of blanks is
/// not empty, so it ends a heading.
pub(super) fn remove_with_headings(
    pages: &Pages,
    lines: &mut Vec<Line>,
    mut is_removed: impl FnMut(&[Line], &str, usize) -> bool,
) {
    let mut kept_from = lines.len();
    let mut removing = false;
    for at in (0..lines.len()).rev() {
        let text = lines.get(at).map_or("", |&line| pages.text(line));
        let is_heading = text.is_empty() || is_comment(text);
        if !is_heading {
            removing = is_removed(lines, text, kept_from - 1);
        }
        if !removing {
            kept_from -= 1;
            lines.swap(at, kept_from);
        }
    }
    lines.drain(..kept_from);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], kept: &[&str]) {
        let mut pages = Pages::default();
        let mut list: Vec<Line> = lines.iter().map(|line| pages.write(line)).collect();
        remove_with_headings(&pages, &mut list, |_, text, _| text == "x");
        let left: Vec<&str> = list.iter().map(|&line| pages.text(line)).collect();
        assert_eq!(left, kept);
    }

    #[test]
    fn a_heading_goes_with_its_rule() {
        check(&["! 1", "", "# 2", "x", "! 3", "a"], &["! 3", "a"]);
        check(&["a", "! 1", "x", "x", "! end"], &["a", "! end"]);
        check(&["! 1", "  ", "! 2", "x"], &["! 1", "  "]);
        check(&["x"], &[]);
        check(&[], &[]);
    }
}
