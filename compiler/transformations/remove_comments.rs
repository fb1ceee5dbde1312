//! `RemoveComments`: drops comments, and at list level the headers of the sources with them.

use crate::line::is_comment;
use crate::text::{Line, Pages};

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>) {
    lines.retain(|&line| !is_comment(pages.text(line)));
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::RemoveComments, testing::run};

    #[test]
    fn rules_that_look_like_comments_stay() {
        let lines = ["! a", "# a", "#", "#### x", "#a", "##.ad", " ! b", "[Adblock Plus 2.0]", ""];
        assert_eq!(run(RemoveComments, &lines), ["#a", "##.ad", " ! b", "[Adblock Plus 2.0]", ""]);
    }
}
