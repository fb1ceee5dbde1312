//! Filter lists in, one compiled list and a report out: the engine behind every compile route.
//!
//! It decides which lines a list has, their text and their order, and in that it equals AdGuard's
//! HostlistCompiler 2.1.1 byte for byte, oddities included; that program is called "the reference"
//! throughout. What was observed of it lies in `tests/data/lists` of the repository, and the tests here hold
//! every bit of it against this crate.
//!
//! # In scope
//!
//! - reading and checking a configuration ([`Configuration`]),
//! - saying which texts it takes, and finding includes in them ([`Compilation`]),
//! - conditions, exclusions, inclusions and the transformations, the reference's thirteen and two more ([`Transformation`]),
//! - the headers, for which the time is an argument ([`Stamp`]),
//! - rules as syntax trees and in other words ([`rule`]), which the compilation itself does without.
//!
//! # Out of scope
//!
//! - Fetching: size, time, redirects, content types, and which hosts may be fetched from at all. Bytes are
//!   expected as UTF-8 text with invalid ones replaced.
//! - HTTP, caching, check sums, storage, logging, clocks, randomness.
//!
//! # Invariants
//!
//! - A line that makes no sense never fails a list: it is kept or dropped. What fails is listed in
//!   [`CompileError`].
//! - The same texts and configuration give the same body; only the header depends on the stamp.
//! - Lines hold no CR and no LF. No line is ever shortened for its length.
//! - No input makes a panic. No recursion follows the input: groups of a regular expression and includes
//!   are nested to a fixed depth, as are conditions and configurations in trees of rules; all else is loops.
//!
//! # What is bounded, and what is not
//!
//! Time is proportional to the size of the texts, for lines of any length and any number of labels. Three
//! things grow faster and have limits of their own: patterns ([`MAX_PATTERNS`], [`MAX_PATTERN_BYTES`] and, for
//! wildcards and regular expressions, [`MAX_PATTERN_WORK`]), includes ([`MAX_INCLUDE_DEPTH`], [`MAX_TEXTS`])
//! and conditions (2,000 bytes each). A regular expression may take the whole budget before the compilation
//! fails; none takes more. The size of the texts is not bounded here: whoever supplies them must do that.
//!
//! # Memory
//!
//! Texts are kept as they were supplied; a line is twelve bytes that point into them. Rewritten lines are
//! appended to new pages. The peak is in `Compress`: both texts, twelve bytes a line and a hash set of some ten
//! bytes a line. `cargo xtask bench growth` measures it for a million lines of a hosts list in the Worker.
//! [`Compilation::recording`] adds a copy of the lines, twelve bytes each, a set of the names in them, and the
//! bounded details themselves; without it nothing is noted and nothing is paid.
//!
//! # Where it knowingly differs
//!
//! - Where the reference stops on a line (a hosts line without a name, a lone `@@`), this goes on.
//! - Includes that go in circles and patterns that run away end with an error, not never.
//! - `ConvertToAscii` refuses names with a label that is to be encoded and has more than 1,000 characters, or that is
//!   encoded and has more than 2,000: the time for one grows with the square of its length.
//! - Line ends in names and descriptions are refused, because they would make lines nobody wrote as rules.

pub use compilation::{Compilation, CompileError, MAX_INCLUDE_DEPTH, Purpose, TextId, WantedText};
pub use compiled::Compiled;
pub use condition::ConditionError;
pub use configuration::{
    Configuration, ConfigurationDraft, ConfigurationIssue, IssueCode, LevelDraft, MAX_FIELD_BYTES,
    MAX_NAME_CHARS, MAX_PATTERNS, MAX_SOURCES, MAX_TEXTS, Source, SourceDraft,
};
pub use details::{
    Details, Dropped, Fault, LevelName, MAX_RECORDED_BYTES, MAX_RECORDS, Oddity, Pass, Reason, Warning,
};
pub use header::Stamp;
pub use location::{IncludeError, Location};
pub use patterns::{MAX_PATTERN_BYTES, MAX_PATTERN_WORK, PatternError};
pub use preprocessor::{DirectiveError, Quote};
pub use report::{Conflict, LevelReport, MAX_CONFLICTS, PassReport, Report, SourceReport};
pub use transformations::{Transformation, UnknownTransformation};

mod adblock_parts;
mod compilation;
mod compiled;
mod condition;
mod configuration;
mod details;
pub mod diff;
mod header;
mod host;
mod ip_pattern;
mod line;
mod location;
mod patterns;
mod preprocessor;
mod public_suffix;
mod report;
pub mod rule;
mod text;
mod transformations;
