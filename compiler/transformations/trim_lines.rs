//! `TrimLines`: blanks and tabs at both ends go. No other white space does: a U+00A0 or a stray CR is
//! part of the line.
//!
//! The reference trims what a reader takes for one character. A blank below an accent is not a blank then, nor is one
//! that is joined to the character before it.

use crate::text::{Line, Pages};

const BLANKS: [char; 2] = [' ', '\t'];

/// Joins the characters on both sides of it into one.
const JOINER: char = '\u{200d}';

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>) {
    for line in lines {
        let text = pages.text(*line);
        let from_start = text.trim_start_matches(BLANKS);
        let leading = text.len() - from_start.len();
        let kept = from_start.trim_end_matches(BLANKS);
        if kept.len() == text.len() {
            continue;
        }
        // Nearly all lines have nothing that a blank could be a part of.
        *line = match text.contains(|c| c == JOINER || is_mark(c) || is_variation(c) || is_skin_tone(c)) {
            false => line.piece(leading, kept.len()),
            true => {
                let (start, end) = without_blank_characters(text);
                line.piece(start, end.saturating_sub(start))
            }
        };
    }
}

/// Where a text begins and ends without the blanks that stand for themselves.
fn without_blank_characters(text: &str) -> (usize, usize) {
    let (mut start, mut end) = (None, 0);
    let mut rest = text;
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let after = text.len() - after_character(rest).len();
        if !matches!(text.get(at..after), Some(" " | "\t")) {
            start.get_or_insert(at);
            end = after;
        }
        rest = text.get(after..).unwrap_or("");
    }
    (start.unwrap_or(0), end)
}

/// What follows the first character and all that belongs to it.
fn after_character(text: &str) -> &str {
    let skip = |text: &'_ str, is_skipped: fn(char) -> bool| {
        text.strip_prefix(is_skipped).map_or(0, |rest| text.len() - rest.len())
    };
    let skip_ornaments = |text: &str| {
        let variation = skip(text, is_variation);
        let rest = text.get(variation..).unwrap_or("");
        variation + skip(rest, |c| is_mark(c) || is_skin_tone(c))
    };
    let mut length = base_length(text);
    let Some(first) = text.chars().next() else { return "" };
    let rest = |length: usize| text.get(length..).unwrap_or("");
    if is_skin_tone(first) && rest(length).starts_with(is_skin_tone) {
        return rest(length);
    }
    if (first as u32) < 0x10000 {
        length += skip(rest(length), is_mark);
    }
    length += skip_ornaments(rest(length));
    while let Some(joined) = rest(length).strip_prefix(JOINER)
        && !joined.is_empty()
    {
        length += JOINER.len_utf8() + base_length(joined);
        length += skip_ornaments(rest(length));
    }
    rest(length)
}

/// The length in bytes of the first character; two letters of a flag are one.
fn base_length(text: &str) -> usize {
    let is_flag_letter = |c: char| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return 0 };
    let second = chars.next().filter(|&second| is_flag_letter(first) && is_flag_letter(second));
    first.len_utf8() + second.map_or(0, char::len_utf8)
}

/// Marks that the reference counts to the character before.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

fn is_variation(c: char) -> bool {
    matches!(c, '\u{fe0e}' | '\u{fe0f}')
}

fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::TrimLines, testing::run};

    #[test]
    fn only_blanks_and_tabs_are_stripped() {
        let lines = ["  a\t", "\u{a0}b ", "c\r", " d e ", "   ", ""];
        assert_eq!(run(TrimLines, &lines), ["a", "\u{a0}b", "c\r", "d e", "", ""]);
    }

    #[test]
    fn blanks_that_are_part_of_a_character_stay() {
        for (line, trimmed) in [
            ("  \u{301}a ", " \u{301}a"),
            ("a \u{fe0f} ", "a \u{fe0f}"),
            ("a\u{200d}  ", "a\u{200d} "),
            ("\u{200d} ", "\u{200d}"),
            ("a\u{200d}\u{200d} ", "a\u{200d}\u{200d}"),
            (" \u{200d}", "\u{200d}"),
            (" \u{1f3fb} ", " \u{1f3fb}"),
            ("\u{1f600} \t", "\u{1f600}"),
        ] {
            assert_eq!(run(TrimLines, &[line]), [trimmed], "{line:?}");
        }
    }
}
