//! `RemoveModifiers`: takes off options that mean nothing to a DNS filter.
//!
//! Every rule is taken apart and put together again, also where nothing is removed, so a bare `$`, empty
//! options, an empty value and whatever follows a second `=` go as well. Lines lose the white space at
//! their ends even when they are comments.

use crate::adblock_parts::AdblockParts;
use crate::line::{is_comment, trim};
use crate::text::{Line, Pages};

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>) {
    let mut rewritten = String::new();
    for line in lines {
        let text = pages.text(*line);
        let trimmed = trim(text);
        let leading = text.len() - text.trim_start_matches(crate::line::is_space).len();
        // A line of blanks trims to nothing, whichever end one begins at.
        let trimmed_line = line.piece(if trimmed.is_empty() { 0 } else { leading }, trimmed.len());
        rewritten.clear();
        match AdblockParts::parse(trimmed) {
            Ok(parts) if !is_comment(trimmed) => parts.write(&mut rewritten, parts.pattern, is_kept),
            _ => rewritten.push_str(trimmed),
        }
        *line = if rewritten == trimmed { trimmed_line } else { pages.write(&rewritten) };
    }
}

fn is_kept(option: &str) -> bool {
    !matches!(option, "third-party" | "3p" | "all" | "document" | "doc" | "popup" | "network")
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::RemoveModifiers, testing::run};

    fn check(line: &str, expected: &str) {
        assert_eq!(run(RemoveModifiers, &[line]), [expected], "{line:?}");
    }

    #[test]
    fn the_seven_options_go_with_any_value() {
        check("||a.org^$third-party", "||a.org^");
        check("@@||a.org^$doc", "@@||a.org^");
        check("||a.org^$3p,important,popup=x", "||a.org^$important");
        check("||a.org^$~third-party,POPUP", "||a.org^$~third-party,POPUP");
        check("$popup", "");
    }

    #[test]
    fn putting_together_loses_what_the_reference_loses() {
        check("||a.org^$", "||a.org^");
        check("||a.org^$domain=a=b", "||a.org^$domain=a");
        check(r"||a.org^$a\,b,popup", "||a.org^$a,b");
        check("||a.org^$foo=", "||a.org^$foo");
        check(r#"a##b[href*="$x=y=z"]"#, r#"a##b[href*="$x=y"#);
    }

    #[test]
    fn ends_are_trimmed_and_lone_marks_kept() {
        check("  ||a.org^$popup  ", "||a.org^");
        check("\u{a0}! c$popup ", "! c$popup");
        check("   ", "");
        check("@@", "@@");
    }
}
