//! `Compress`: hosts lines and plain domains become `||name^`, and names that another covers go.
//!
//! Two walks. The first writes the entries and drops a name seen before, the second drops a name when
//! one of its parents was seen, even if the parent is itself dropped for the sake of its own parent.
//! Allow rules and rules with options pass through and cover nothing. Case matters; the order of first
//! appearance stays.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::is_seen_from_the_start;
use super::rule_hosts::suffixes;
use crate::adblock_parts::AdblockParts;
use crate::line::{hosts_names, is_comment, is_plain_domain, trim};
use crate::text::{Line, Pages};

pub(super) fn apply(pages: &mut Pages, lines: &mut Vec<Line>, hashing: &FixedState) {
    let mut entries = Entries {
        has_name: Vec::with_capacity(lines.len()),
        seen: HashTable::with_capacity(lines.len()),
        hashing,
        entry: String::new(),
        lines: Rewritten::new(std::mem::take(lines)),
    };
    let mut names: Vec<(usize, usize)> = Vec::new();
    while let Some(line) = entries.lines.read() {
        let text = pages.text(line);
        // Names are noted as places, because writing an entry needs the pages for itself.
        names.clear();
        if let Some(found) = hosts_names(text) {
            names.extend(found.map(|name| (name.as_ptr() as usize - text.as_ptr() as usize, name.len())));
        } else if is_plain_domain(text) {
            names.push((0, text.len()));
        }
        if !names.is_empty() {
            for &(from, len) in &names {
                entries.add_name(pages, line.piece(from, len));
            }
        } else if let Some(name) = covered_name(text) {
            entries.add_unchanged(pages, line, name);
        } else {
            entries.add_nameless(line);
        }
    }
    *lines = entries.into_uncovered(pages);
}

/// The name in a rule that is exactly `||name^`: lower case, no allow mark, no options.
pub(super) fn covered_name(line: &str) -> Option<&str> {
    // Nearly all other lines fail here, so that they need not be taken apart.
    if !trim(line).starts_with("||") || is_comment(line) {
        return None;
    }
    let parts = AdblockParts::parse(line).ok()?;
    let name = parts.pattern.strip_prefix("||")?.strip_suffix('^')?;
    let is_name = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    (!parts.allow && !name.is_empty() && name.bytes().all(is_name) && parts.has_no_options()).then_some(name)
}

/// The output of the first walk.
struct Entries<'h> {
    lines: Rewritten,
    /// For each of the lines, whether it is an entry with a name, which can be covered and cover.
    has_name: Vec<bool>,
    /// The places of those, by name.
    seen: HashTable<u32>,
    hashing: &'h FixedState,
    /// Room to write an entry in.
    entry: String,
}

impl Entries<'_> {
    /// Writes `||name^` for a name that comes up for the first time.
    fn add_name(&mut self, pages: &mut Pages, name: Line) {
        let text = pages.text(name);
        if let Some(hash) = self.first_hash(pages, text) {
            self.entry.clear();
            self.entry.push_str("||");
            self.entry.push_str(text);
            self.entry.push('^');
            let line = pages.write(&self.entry);
            self.push(pages, hash, line);
        }
    }

    /// Takes over a line that is such a rule already, blanks and all.
    fn add_unchanged(&mut self, pages: &Pages, line: Line, name: &str) {
        if let Some(hash) = self.first_hash(pages, name) {
            self.push(pages, hash, line);
        }
    }

    /// Takes over a line that neither covers nor can be covered.
    fn add_nameless(&mut self, line: Line) {
        self.lines.write(line);
        self.has_name.push(false);
    }

    /// The hash of a name, unless it was seen before.
    fn first_hash(&self, pages: &Pages, name: &str) -> Option<u64> {
        if is_seen_from_the_start(name) {
            return None;
        }
        let hash = hash_name(self.hashing, name);
        self.place_of(pages, hash, name).is_none().then_some(hash)
    }

    /// Where the entry with this name is.
    fn place_of(&self, pages: &Pages, hash: u64, name: &str) -> Option<u32> {
        self.seen.find(hash, |&place| name_at(pages, &self.lines.all, place) == name).copied()
    }

    fn push(&mut self, pages: &Pages, hash: u64, line: Line) {
        let place = self.lines.n_written as u32;
        self.lines.write(line);
        self.has_name.push(true);
        let (lines, hashing) = (&self.lines.all, self.hashing);
        self.seen.insert_unique(hash, place, |&place| hash_name(hashing, name_at(pages, lines, place)));
    }

    /// The second walk: what is left when every name below another is gone.
    fn into_uncovered(mut self, pages: &Pages) -> Vec<Line> {
        // In the order of the lines, not of the set: their texts lie one behind the other in memory.
        let mut is_covered = std::mem::take(&mut self.has_name);
        for (place, is_covered) in (0..).zip(&mut is_covered) {
            *is_covered = *is_covered
                && parents(self.hashing, name_at(pages, &self.lines.all, place)).any(|(hash, parent)| {
                    is_seen_from_the_start(parent) || self.place_of(pages, hash, parent).is_some()
                });
        }
        let mut is_covered = is_covered.into_iter();
        let mut lines = self.lines.into_written();
        lines.retain(|_| is_covered.next() != Some(true));
        lines
    }
}

/// Lines that are read one by one and replaced by others from the start on, in the same memory: a second vector
/// for a million lines would be what an isolate has no room for.
struct Rewritten {
    /// The first `n_written` are new, those from `n_read` on are still to be read.
    all: Vec<Line>,
    n_read: usize,
    n_written: usize,
    /// Unread lines that had to make room, because a line became several. They come before those in `all`.
    displaced: VecDeque<Line>,
}

impl Rewritten {
    fn new(all: Vec<Line>) -> Rewritten {
        Rewritten { all, n_read: 0, n_written: 0, displaced: VecDeque::new() }
    }

    fn read(&mut self) -> Option<Line> {
        self.displaced.pop_front().or_else(|| {
            let line = self.all.get(self.n_read).copied()?;
            self.n_read += 1;
            Some(line)
        })
    }

    fn write(&mut self, line: Line) {
        match self.all.get_mut(self.n_written) {
            Some(place) => {
                if self.n_written == self.n_read {
                    self.displaced.push_back(*place);
                    self.n_read += 1;
                }
                *place = line;
            }
            None => {
                self.all.push(line);
                self.n_read = self.all.len();
            }
        }
        self.n_written += 1;
    }

    fn into_written(mut self) -> Vec<Line> {
        self.all.truncate(self.n_written);
        self.all
    }
}

/// The name of the entry at a place. A compressible entry is `||name^`, perhaps with blanks around it
/// and a bare `$` behind, and such options hold no `^`.
fn name_at<'a>(pages: &'a Pages, lines: &[Line], place: u32) -> &'a str {
    let entry = lines.get(place as usize).map_or("", |&line| pages.text(line));
    // As it was written here.
    if let Some(name) = entry.strip_prefix("||").and_then(|rest| rest.strip_suffix('^')) {
        return name;
    }
    let name = trim(entry).strip_prefix("||").unwrap_or("");
    memchr::memrchr(b'^', name.as_bytes()).and_then(|end| name.get(..end)).unwrap_or("")
}

/// Hashes a name label by label from its end, so that the hashes of all its parents come with it: a name
/// of many thousand labels costs its length, not the square of it.
fn hash_name(hashing: &FixedState, name: &str) -> u64 {
    suffixes(hashing, name).last().map_or(0, |(hash, _)| hash)
}

/// The proper parents of a name, the shortest first.
pub(super) fn parents<'a>(hashing: &FixedState, name: &'a str) -> impl Iterator<Item = (u64, &'a str)> {
    suffixes(hashing, name).filter(move |(_, suffix)| suffix.len() < name.len())
}

#[cfg(test)]
mod tests {
    use super::super::{Transformation::Compress, testing::run};

    fn check(lines: &[&str], expected: &[&str]) {
        assert_eq!(run(Compress, lines), expected, "{lines:?}");
    }

    #[test]
    fn hosts_lines_and_domains_become_rules() {
        check(
            &["0.0.0.0 a.com b.com # c", "c.com", "! d", "", "::1 localhost"],
            &["||a.com^", "||b.com^", "||c.com^", "! d", "", "||localhost^"],
        );
        check(&["bad dog", "0.0.0.0 Example.ORG", "_a.b"], &["||dog^", "||Example.ORG^", "_a.b"]);
    }

    #[test]
    fn lines_of_many_names_push_no_line_away() {
        let lines = ["0.0.0.0 a b c d", "! x", "0.0.0.0 e f", "", "g.h", "0.0.0.0 i j k", "! y"];
        let entries = [
            "||a^", "||b^", "||c^", "||d^", "! x", "||e^", "||f^", "", "||g.h^", "||i^", "||j^", "||k^",
            "! y",
        ];
        check(&lines, &entries);
    }

    #[test]
    fn a_parent_covers_its_names_wherever_it_stands() {
        check(&["||b.a.com^", "||a.com^", "c.b.a.com"], &["||a.com^"]);
        check(&["||org^", "||a.org^", "b.a.org", "a.net"], &["||org^", "||a.net^"]);
        check(&["example.org.", "example.org", "a.example.org."], &["||example.org.^", "||example.org^"]);
    }

    #[test]
    fn a_dropped_parent_still_covers() {
        check(&["||c.b.a^", "||b.a^", "||a^"], &["||a^"]);
    }

    #[test]
    fn allow_rules_and_options_pass_and_cover_nothing() {
        let kept = ["@@||a.com^", "||b.a.com^", "||a.com^$important", "||a.com^|", "||A.com^"];
        check(&kept, &kept);
        check(&["||a.net^$", "||a.net^", " ||a.org^ ", "b.a.org"], &["||a.net^$", " ||a.org^ "]);
    }

    #[test]
    fn names_of_object_properties_count_as_seen() {
        check(&["||constructor^", "0.0.0.0 x.__proto__ toString", "||valueof^"], &["||valueof^"]);
    }

    #[test]
    fn a_hosts_line_without_a_name_is_kept() {
        check(&["0.0.0.0  ", "0.0.0.0  #x"], &["0.0.0.0  ", "0.0.0.0  #x"]);
    }

    #[test]
    fn a_name_of_very_many_labels_takes_its_length() {
        let long = format!("0.0.0.0 {}a", "a.".repeat(200_000));
        assert_eq!(run(Compress, &[&long]).len(), 1);
    }
}
