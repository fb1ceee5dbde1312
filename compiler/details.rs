//! Which lines a compilation dropped and why, for those who ask: [`Compilation::recording`].
//!
//! Nothing of this costs a compilation that is not asked. Where it is, the passes run as always, and the reasons are
//! found out afterwards from what stood before them.
//!
//! [`Compilation::recording`]: crate::Compilation::recording

use std::collections::BTreeMap;

use crate::transformations::Transformation;

/// How many dropped lines, and how many warnings, are kept with their texts. Beyond that they are counted only, so
/// that a report on a list of a million lines stays far below the list.
pub const MAX_RECORDS: usize = 10_000;

/// How much of a text is kept, in bytes. With [`MAX_RECORDS`] of each kind and two texts in one, the details
/// take 20 MB at the very most; lists in the wild have lines of a tenth of it.
pub const MAX_RECORDED_BYTES: usize = 512;

/// What a compilation dropped and what it found odd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Dropped lines, the first [`MAX_RECORDS`]: level by level, pass by pass, in their order.
    pub dropped: Vec<Dropped>,
    /// How many lines each level and pass dropped for each reason, all of them. Reasons by [`Reason::name`].
    pub n_dropped: BTreeMap<(LevelName, Pass, &'static str), usize>,
    /// Warnings, the first [`MAX_RECORDS`].
    pub warnings: Vec<Warning>,
    /// How many warnings there were, all of them.
    pub n_warnings: usize,
}

/// The level at which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LevelName {
    /// A source, by its place in the configuration, from 0.
    Source(usize),
    /// The list as a whole.
    List,
}

/// What was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pass {
    /// Lines were held against the exclusions.
    Exclusions,
    /// Lines were held against the inclusions.
    Inclusions,
    /// A transformation ran.
    Transformation(Transformation),
}

/// A dropped line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Where.
    pub level: LevelName,
    /// By what.
    pub pass: Pass,
    /// The line, or of a hosts line the one name that was dropped; at most [`MAX_RECORDED_BYTES`] of it.
    pub text: String,
    /// Why.
    pub reason: Reason,
}

/// Why a line was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An exclusion hit it.
    Excluded {
        /// The first such pattern; at most [`MAX_RECORDED_BYTES`] of it.
        pattern: String,
    },
    /// No inclusion hit it.
    NotIncluded,
    /// It is a comment.
    Comment,
    /// It is blank.
    Empty,
    /// The same rule stands in another line: `Deduplicate` keeps the last one, `Compress` the first.
    Duplicate,
    /// A rule for a parent blocks the name already.
    Covered {
        /// The widest such parent that the list has.
        by: String,
    },
    /// It is no rule of a DNS filter.
    Invalid {
        /// What is wrong.
        fault: Fault,
        /// The option or name that is wrong; empty where it is the rule as a whole.
        what: String,
    },
    /// It is a comment or an empty line right above a rule that was dropped.
    HeadingOfDropped,
    /// Its text is the name of a property that every JavaScript object has, which the reference takes for seen.
    ObjectProperty,
}

/// What makes a rule useless or dangerous to a DNS filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is left to match, as in a lone `@@`.
    NoRule,
    /// A hosts line without a name.
    NoName,
    /// An option that DNS filters do not know.
    UnknownOption,
    /// A pattern so short that it would hit half of all names.
    TooShort,
    /// Characters that no host name has: paths, queries, cosmetic rules.
    Characters,
    /// An address or a network where none may be blocked.
    Ip,
    /// A part of an address that would hit hosts by chance.
    VagueIp,
    /// `denyallow` on an address.
    DenyallowOnIp,
    /// A whole public suffix, such as `org`.
    PublicSuffix,
    /// A name that is no well-formed host.
    Host,
    /// A star behind the `^`.
    WildcardBehindSeparator,
    /// Text behind the `^`.
    TextBehindSeparator,
}

/// Something odd that cost no line, or that the reference would have stopped at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub level: LevelName,
    /// In what.
    pub pass: Pass,
    /// The line; at most [`MAX_RECORDED_BYTES`] of it.
    pub text: String,
    /// What is odd.
    pub oddity: Oddity,
}

/// What a warning is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The reference ends with an error here; this compiler drops the line and goes on.
    ReferenceStops,
    /// Options were taken off, or lost when the rule was put together again.
    Rewritten {
        /// What the line became.
        to: String,
    },
    /// `ConvertToAscii` found no ASCII form for a name, so that the name is gone from the rule.
    NotConverted {
        /// What the line became.
        to: String,
    },
}

impl Reason {
    /// A stable name of the kind of reason; of an invalid rule, that of its fault.
    pub fn name(&self) -> &'static str {
        match self {
            Reason::Excluded { .. } => "excluded",
            Reason::NotIncluded => "not_included",
            Reason::Comment => "comment",
            Reason::Empty => "empty",
            Reason::Duplicate => "duplicate",
            Reason::Covered { .. } => "covered",
            Reason::Invalid { fault, .. } => fault.name(),
            Reason::HeadingOfDropped => "heading_of_dropped",
            Reason::ObjectProperty => "object_property",
        }
    }
}

impl Fault {
    /// A stable name.
    pub fn name(self) -> &'static str {
        match self {
            Fault::NoRule => "no_rule",
            Fault::NoName => "no_name",
            Fault::UnknownOption => "unknown_option",
            Fault::TooShort => "too_short",
            Fault::Characters => "characters",
            Fault::Ip => "ip",
            Fault::VagueIp => "vague_ip",
            Fault::DenyallowOnIp => "denyallow_on_ip",
            Fault::PublicSuffix => "public_suffix",
            Fault::Host => "host",
            Fault::WildcardBehindSeparator => "wildcard_behind_separator",
            Fault::TextBehindSeparator => "text_behind_separator",
        }
    }
}

/// Notes what happens in one pass of one level.
pub(crate) struct Notes<'d> {
    pub(crate) details: &'d mut Details,
    pub(crate) level: LevelName,
    pub(crate) pass: Pass,
}

impl Notes<'_> {
    /// A line that was dropped.
    pub(crate) fn dropped(&mut self, text: &str, reason: Reason) {
        let Notes { level, pass, .. } = *self;
        *self.details.n_dropped.entry((level, pass, reason.name())).or_default() += 1;
        if self.details.dropped.len() < MAX_RECORDS {
            self.details.dropped.push(Dropped { level, pass, text: clip(text), reason });
        }
    }

    /// A line that is odd.
    pub(crate) fn warning(&mut self, text: &str, oddity: Oddity) {
        let Notes { level, pass, .. } = *self;
        self.details.n_warnings += 1;
        if self.details.warnings.len() < MAX_RECORDS {
            self.details.warnings.push(Warning { level, pass, text: clip(text), oddity });
        }
    }
}

/// As much of a text as is kept.
pub(crate) fn clip(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_RECORDED_BYTES)).unwrap_or("").to_owned()
}
