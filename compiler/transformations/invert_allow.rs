//! `InvertAllow`: puts `@@` before every line that could be a blocking rule.
//!
//! Only comments, hosts lines, empty lines and what is an allow rule already are left alone; a line of
//! blanks and a cosmetic rule are not.

use crate::line::{hosts_names, is_comment};
use crate::text::{Line, Pages};

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>) {
    let mut inverted = String::new();
    for line in lines {
        let text = pages.text(*line);
        if text.is_empty() || text.starts_with("@@") || is_comment(text) || hosts_names(text).is_some() {
            continue;
        }
        inverted.clear();
        inverted.push_str("@@");
        inverted.push_str(text);
        *line = pages.write(&inverted);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::InvertAllow, testing::run};

    #[test]
    fn comments_hosts_lines_and_allow_rules_stay() {
        let kept = ["! c", "# c", "0.0.0.0 a.com", "bad dog", "", "@@||b.org^"];
        assert_eq!(run(InvertAllow, &kept), kept);
    }

    #[test]
    fn everything_else_is_inverted() {
        let lines = ["rule", "||a^$x", "#c", "  ", " 0.0.0.0 a", "@x", "example.org"];
        let inverted = ["@@rule", "@@||a^$x", "@@#c", "@@  ", "@@ 0.0.0.0 a", "@@@x", "@@example.org"];
        assert_eq!(run(InvertAllow, &lines), inverted);
    }
}
