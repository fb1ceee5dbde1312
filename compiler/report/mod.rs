//! What a compilation did, in numbers, and in [`Details`] line by line for those who ask.

mod json;

use crate::details::Details;
use crate::transformations::Transformation;

/// What happened to every source and to the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The sources in the order of the configuration.
    pub sources: Vec<SourceReport>,
    /// The list as a whole, source headers included, list header not.
    pub list: LevelReport,
    /// Every dropped line and why, if the compilation was [`recording`](crate::Compilation::recording).
    pub details: Option<Details>,
}

/// What happened to one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// URL or path, as it was written.
    pub source: String,
    /// How many texts it took: the source itself and its includes.
    pub n_texts: usize,
    /// What happened to its lines.
    pub level: LevelReport,
}

/// What happened to the lines of one level. Numbers count lines, unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LevelReport {
    /// Lines before anything was done.
    pub n_lines_in: usize,
    /// Rules among them: neither blank nor comment.
    pub n_rules_in: usize,
    /// Lines that an exclusion hit.
    pub n_excluded: usize,
    /// Lines that no inclusion hit, where there are inclusions.
    pub n_not_included: usize,
    /// The transformations in running order.
    pub passes: Vec<PassReport>,
    /// How many conflicts `ConflictDetection` found.
    pub n_conflicts: usize,
    /// The first [`MAX_CONFLICTS`] of them.
    pub conflicts: Vec<Conflict>,
    /// Lines at the end.
    pub n_lines_out: usize,
    /// Rules among them.
    pub n_rules_out: usize,
}

/// So many conflicts of one level are told, and no more: nobody reads further, and answers should stay small.
pub const MAX_CONFLICTS: usize = 100;

/// Two rules, one of which blocks what the other allows. Very long ones are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The line that blocks.
    pub block: String,
    /// The line that allows.
    pub allow: String,
}

/// What one transformation did. There may be more lines after it than before: `Compress` writes one line
/// for every name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassReport {
    /// Which one.
    pub transformation: Transformation,
    /// Lines before it.
    pub n_lines_in: usize,
    /// Lines after it.
    pub n_lines_out: usize,
}

impl PassReport {
    /// By how many lines it made the level shorter.
    pub fn n_dropped(&self) -> usize {
        self.n_lines_in.saturating_sub(self.n_lines_out)
    }
}
