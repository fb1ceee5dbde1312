//! `Deduplicate`: of equal rules only the last stays.
//!
//! Equal means the exact text. Comments and empty lines are never duplicates of each other, but the ones
//! directly above a dropped rule go with it; at list level that can take a whole source header away.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::is_seen_from_the_start;
use super::removal::remove_with_headings;
use crate::text::{Line, Pages};

pub(super) fn apply(pages: &Pages, lines: &mut Vec<Line>, hashing: &FixedState) {
    // The set holds places in `lines`, four bytes a rule, and looks the text up. Room for all of them at
    // once: growing would hash everything again.
    let mut seen: HashTable<u32> = HashTable::with_capacity(lines.len());
    remove_with_headings(pages, lines, |lines, text, kept_at| {
        if is_seen_from_the_start(text) {
            return true;
        }
        let text_at = |place: u32| lines.get(place as usize).map_or("", |&line| pages.text(line));
        let hash = hashing.hash_one(text);
        if seen.find(hash, |&place| text_at(place) == text).is_some() {
            return true;
        }
        seen.insert_unique(hash, kept_at as u32, |&place| hashing.hash_one(text_at(place)));
        false
    });
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::Deduplicate, testing::run};

    fn check(lines: &[&str], expected: &[&str]) {
        assert_eq!(run(Deduplicate, lines), expected, "{lines:?}");
    }

    #[test]
    fn the_last_copy_stays() {
        check(&["a", "b", "a"], &["b", "a"]);
        check(&["A", "a", "a ", "a"], &["A", "a ", "a"]);
        check(&["  ", "a", "  "], &["a", "  "]);
    }

    #[test]
    fn headings_go_but_are_no_duplicates() {
        check(&["! c1", "", "# c2", "a", "b", "a"], &["b", "a"]);
        check(&["! same", "x", "! same", "y", "! same"], &["! same", "x", "! same", "y", "! same"]);
        check(&["", "a", "", "b", ""], &["", "a", "", "b", ""]);
    }

    #[test]
    fn names_of_object_properties_count_as_seen() {
        check(&["! c", "constructor", "y", "__proto__"], &["y"]);
    }
}
