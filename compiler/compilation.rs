//! The whole run, as a state machine that asks for texts and reads nothing itself.
//!
//! [`Compilation::new`] knows the sources and pattern files it wants; each supplied text may add the
//! includes found in it. When nothing is wanted any more, [`Compilation::finish`] does the work: source
//! by source exclusions, inclusions and transformations, then the same for the joined list.

use std::fmt;

use foldhash::fast::FixedState;

use crate::compiled::Compiled;
use crate::configuration::{Configuration, Level, MAX_TEXTS, Source};
use crate::details::{Details, LevelName, Notes, Pass, Reason, clip};
use crate::header::{Stamp, list_header, source_header};
use crate::line::{is_blank, is_comment, is_rule};
use crate::location::{IncludeError, Location};
use crate::patterns::{PatternError, Patterns, Work};
use crate::preprocessor::{DirectiveError, preprocess, split};
use crate::report::{LevelReport, PassReport, Report, SourceReport};
use crate::text::{Line, MAX_PAGE_BYTES, Pages};
use crate::transformations::{Transformation, explain, find_conflicts};

/// How deep includes may be nested. The reference has no limit and never ends on a cycle.
pub const MAX_INCLUDE_DEPTH: usize = 10;

/// The longest include directive together with the folder it is joined to, in bytes. Paths of files end there, and
/// few servers take longer URLs. Without it, includes could take a hundred times the memory of their texts.
const MAX_INCLUDE_BYTES: usize = 4_096;

/// A compilation that is being fed its texts.
///
/// ```
/// use compiler::{Compilation, Configuration, ConfigurationDraft, LevelDraft, SourceDraft, Stamp};
///
/// let draft = ConfigurationDraft {
///     name: "Ads".to_owned(),
///     sources: vec![SourceDraft { source: "https://example.org/hosts.txt".to_owned(), ..Default::default() }],
///     level: LevelDraft { transformations: vec!["Compress".to_owned()], ..Default::default() },
///     ..Default::default()
/// };
/// let configuration = Configuration::validate(draft).expect("a valid configuration");
/// let mut compilation = Compilation::new(configuration);
/// // Includes may make more texts wanted, hence the loop.
/// while let Some(wanted) = compilation.wanted().first().cloned() {
///     assert_eq!(wanted.location.as_str(), "https://example.org/hosts.txt");
///     let text = "0.0.0.0 ads.example.com\n0.0.0.0 example.com\n".to_owned();
///     compilation.supply(wanted.id, text).expect("nothing wrong in the text");
/// }
/// let stamp = Stamp { compiler: "example v1".to_owned(), last_modified_ms: 0 };
/// let compiled = compilation.finish(&stamp).expect("no bad patterns");
/// let body: Vec<&str> = compiled.body().collect();
/// assert_eq!(body, ["!", "! Source: https://example.org/hosts.txt", "!", "||example.com^"]);
/// assert_eq!(compiled.report().list.passes[0].n_dropped(), 1);
/// ```
#[derive(Debug)]
pub struct Compilation {
    configuration: Configuration,
    pages: Pages,
    texts: Vec<Text>,
    /// The pattern files of the sources, in their order.
    source_files: Vec<PatternFiles>,
    /// The pattern files of the list as a whole.
    list_files: PatternFiles,
    /// Whether dropped lines are told one by one.
    is_recording: bool,
}

/// Names a text within its compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(usize);

/// A text that the compilation cannot go on without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedText {
    /// What to [`supply`](Compilation::supply) it under.
    pub id: TextId,
    /// Where it is to be had from. Different texts may have the same location.
    pub location: Location,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a text is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A source of the list.
    Source {
        /// Its place in the configuration, from 0.
        n: usize,
    },
    /// Patterns of lines to drop.
    Exclusions,
    /// Patterns of lines to keep.
    Inclusions,
    /// Lines for another text.
    Include {
        /// The directive as it stands there.
        directive: String,
        /// The location of that text.
        found_in: Location,
    },
}

impl fmt::Display for WantedText {
    /// For people: what it is for and where it is, such as `source https://example.org/list.txt`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.location.as_str();
        match &self.purpose {
            Purpose::Source { .. } => write!(f, "source {location}"),
            Purpose::Exclusions => write!(f, "exclusions file {location}"),
            Purpose::Inclusions => write!(f, "inclusions file {location}"),
            Purpose::Include { found_in, .. } => write!(f, "include {location} of {}", found_in.as_str()),
        }
    }
}

/// Why a list cannot be compiled. A bad rule is never among the reasons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The caller could not get a source or a pattern file.
    #[error("{cause}")]
    NotLoaded {
        /// Where it should have come from.
        location: Location,
        /// Why it did not, in the caller's words.
        cause: String,
    },
    /// An include could not be had, by what the caller says or by where it points.
    #[error("Failed to resolve the include directive '{directive}' in {}: {cause}", found_in.as_str())]
    IncludeFailed {
        /// The directive as it stands.
        directive: String,
        /// The text that has it.
        found_in: Location,
        /// What went wrong.
        cause: String,
    },
    /// The `!#if` blocks of a text are broken.
    #[error("{error}")]
    Directive {
        /// The text that has them.
        location: Location,
        /// What is wrong.
        error: DirectiveError,
    },
    /// Includes are nested deeper than [`MAX_INCLUDE_DEPTH`], which a cycle always is.
    #[error("includes are nested deeper than {MAX_INCLUDE_DEPTH} levels: '{directive}' in {}", found_in.as_str())]
    IncludesTooDeep {
        /// The directive that goes too far.
        directive: String,
        /// The text that has it.
        found_in: Location,
    },
    /// Includes make the compilation want more than [`MAX_TEXTS`] texts.
    #[error("more than {MAX_TEXTS} texts are wanted, includes counted")]
    TooManyTexts,
    /// A text has 4 GiB or more.
    #[error("{} is too large: {n_bytes} bytes", location.as_str())]
    TextTooLarge {
        /// Where it came from.
        location: Location,
        /// Its size in bytes.
        n_bytes: usize,
    },
    /// An exclusion or inclusion cannot be used.
    #[error("{pattern}: {error}")]
    Pattern {
        /// The pattern; empty when it is all patterns together.
        pattern: String,
        /// What is wrong with it.
        error: PatternError,
    },
    /// The text was not asked for, or was supplied before.
    #[error("text {} is not wanted", id.0)]
    NotWanted {
        /// What it was supplied under.
        id: TextId,
    },
    /// Texts are missing.
    #[error("{n_wanted} texts are still wanted")]
    NotComplete {
        /// How many.
        n_wanted: usize,
    },
}

/// One text, wanted or loaded.
#[derive(Debug)]
struct Text {
    location: Location,
    purpose: Purpose,
    /// 0 for a text that the configuration names.
    depth: usize,
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    page: u32,
    lines: Vec<Line>,
    /// Before how many of the lines each include goes, and its text.
    includes: Vec<(usize, TextId)>,
}

/// The files that hold patterns of one level.
#[derive(Debug)]
struct PatternFiles {
    exclusions: Vec<TextId>,
    inclusions: Vec<TextId>,
}

impl PatternFiles {
    /// Wants the files of a level.
    fn want(texts: &mut Vec<Text>, level: &Level) -> PatternFiles {
        let mut want_all = |locations: &[String], purpose: Purpose| {
            let locations = locations.iter().map(|location| Location::of(location));
            locations.map(|location| want(texts, location, purpose.clone(), 0)).collect()
        };
        PatternFiles {
            exclusions: want_all(&level.exclusions_sources, Purpose::Exclusions),
            inclusions: want_all(&level.inclusions_sources, Purpose::Inclusions),
        }
    }
}

impl Compilation {
    /// Begins a compilation. It wants every source and pattern file, sources first.
    pub fn new(configuration: Configuration) -> Compilation {
        let mut texts = Vec::new();
        for (n, source) in configuration.sources.iter().enumerate() {
            want(&mut texts, Location::of(&source.source), Purpose::Source { n }, 0);
        }
        let sources = configuration.sources.iter();
        let source_files = sources.map(|source| PatternFiles::want(&mut texts, &source.level)).collect();
        let list_files = PatternFiles::want(&mut texts, &configuration.level);
        let pages = Pages::default();
        Compilation { configuration, pages, texts, source_files, list_files, is_recording: false }
    }

    /// Makes the report tell every dropped line and its reason in its [`details`](Report::details). That takes up to
    /// twice as long; the list is the same.
    #[must_use]
    pub fn recording(mut self) -> Compilation {
        self.is_recording = true;
        self
    }

    /// The texts to supply next, in the order in which they were asked for.
    pub fn wanted(&self) -> Vec<WantedText> {
        let texts = self.texts.iter().enumerate().filter(|(_, text)| text.loaded.is_none());
        let wanted = texts.map(|(n, text)| WantedText {
            id: TextId(n),
            location: text.location.clone(),
            purpose: text.purpose.clone(),
        });
        wanted.collect()
    }

    /// Whether nothing is wanted any more.
    pub fn is_complete(&self) -> bool {
        self.texts.iter().all(|text| text.loaded.is_some())
    }

    /// Takes a wanted text, in any order. Includes found in it are wanted from then on.
    ///
    /// # Errors
    ///
    /// `NotWanted`, `TextTooLarge`, `Directive`, `IncludeFailed`, `IncludesTooDeep`, `TooManyTexts`. After
    /// any of them the compilation cannot be finished.
    pub fn supply(&mut self, id: TextId, text: String) -> Result<(), CompileError> {
        let wanted = self.texts.get(id.0).filter(|text| text.loaded.is_none());
        let Text { location, depth, .. } = wanted.ok_or(CompileError::NotWanted { id })?;
        let (location, depth) = (location.clone(), *depth);
        if text.len() > MAX_PAGE_BYTES {
            return Err(CompileError::TextTooLarge { location, n_bytes: text.len() });
        }
        let page = self.pages.add(text);
        let lines = split(&self.pages, page);
        let preprocessed = preprocess(&self.pages, lines, depth > 0, location.folder())
            .map_err(|error| CompileError::Directive { location: location.clone(), error })?;
        let mut includes = Vec::with_capacity(preprocessed.includes.len());
        for include in preprocessed.includes {
            let directive = self.pages.text(include.line);
            // It is kept with every text it leads to, and so is the folder it is joined to.
            let n_bytes = location.folder().len() + directive.len();
            if n_bytes > MAX_INCLUDE_BYTES {
                let directive = directive.chars().take(MAX_INCLUDE_BYTES / 16).collect();
                let cause =
                    format!("{n_bytes} bytes with its folder, at most {MAX_INCLUDE_BYTES} are allowed");
                return Err(CompileError::IncludeFailed { directive, found_in: location, cause });
            }
            let directive = directive.to_owned();
            let included = location.include(&include.path).map_err(|error: IncludeError| {
                let (directive, found_in) = (directive.clone(), location.clone());
                CompileError::IncludeFailed { directive, found_in, cause: error.to_string() }
            })?;
            if depth == MAX_INCLUDE_DEPTH {
                return Err(CompileError::IncludesTooDeep { directive, found_in: location });
            }
            if self.texts.len() == MAX_TEXTS {
                return Err(CompileError::TooManyTexts);
            }
            let purpose = Purpose::Include { directive, found_in: location.clone() };
            includes.push((include.at, want(&mut self.texts, included, purpose, depth + 1)));
        }
        if let Some(text) = self.texts.get_mut(id.0) {
            text.loaded = Some(Loaded { page, lines: preprocessed.lines, includes });
        }
        Ok(())
    }

    /// The error that a wanted text cannot be had; any such ends the compilation.
    pub fn failed(&self, id: TextId, cause: impl Into<String>) -> CompileError {
        let cause = cause.into();
        match self.texts.get(id.0) {
            None => CompileError::NotWanted { id },
            Some(Text { purpose: Purpose::Include { directive, found_in }, .. }) => {
                CompileError::IncludeFailed {
                    directive: directive.clone(),
                    found_in: found_in.clone(),
                    cause,
                }
            }
            Some(text) => CompileError::NotLoaded { location: text.location.clone(), cause },
        }
    }

    /// Compiles the list.
    ///
    /// # Errors
    ///
    /// `NotComplete` when texts are missing, `Pattern` when an exclusion or inclusion cannot be used.
    pub fn finish(self, stamp: &Stamp) -> Result<Compiled, CompileError> {
        let n_wanted = self.texts.iter().filter(|text| text.loaded.is_none()).count();
        if n_wanted > 0 {
            return Err(CompileError::NotComplete { n_wanted });
        }
        let Compilation { configuration, pages, texts, source_files, list_files, is_recording } = self;
        // Seeded by the moment, so that nobody can write a list whose rules are known to collide. The
        // output does not depend on it.
        let hashing = FixedState::with_seed(stamp.last_modified_ms);
        let details = is_recording.then(Details::default);
        let mut run = Run { pages, texts, work: Work::default(), hashing, details };
        let mut report = Report::default();
        let mut list = Vec::new();
        for (n, (source, files)) in configuration.sources.iter().zip(&source_files).enumerate() {
            let (mut lines, used_pages) = run.take_lines(TextId(n));
            let level = run.apply_level(LevelName::Source(n), &source.level, files, &mut lines)?;
            run.pages.release_unused(used_pages.iter().copied(), &lines);
            report.sources.push(SourceReport {
                source: source.source.clone(),
                n_texts: used_pages.len(),
                level,
            });
            for line in source_header(source) {
                list.push(run.pages.write(&line));
            }
            // Moving the short header is cheaper than a second copy of a long source.
            if list.len() <= lines.len() {
                lines.splice(0..0, list);
                list = lines;
            } else {
                list.append(&mut lines);
            }
        }
        report.list = run.apply_level(LevelName::List, &configuration.level, &list_files, &mut list)?;
        report.details = run.details;
        run.pages.keep_only(&list);
        Ok(Compiled::new(list_header(&configuration, stamp), run.pages, list, report))
    }
}

impl Source {
    /// What the transformations and inline patterns of this source make of lines that are split already.
    /// Pattern files and headers play no part. Meant for trying out a few rules.
    ///
    /// # Errors
    ///
    /// `Pattern` when an exclusion or inclusion cannot be used.
    pub fn transform(&self, lines: &[&str]) -> Result<Vec<String>, CompileError> {
        let (pages, texts) = (Pages::default(), Vec::new());
        let hashing = FixedState::with_seed(0);
        let mut run = Run { pages, texts, work: Work::default(), hashing, details: None };
        let mut lines: Vec<Line> = lines.iter().map(|line| run.pages.write(line)).collect();
        let no_files = PatternFiles { exclusions: Vec::new(), inclusions: Vec::new() };
        run.apply_level(LevelName::Source(0), &self.level, &no_files, &mut lines)?;
        Ok(lines.iter().map(|&line| run.pages.text(line).to_owned()).collect())
    }
}

/// Adds a text to those wanted.
fn want(texts: &mut Vec<Text>, location: Location, purpose: Purpose, depth: usize) -> TextId {
    texts.push(Text { location, purpose, depth, loaded: None });
    TextId(texts.len() - 1)
}

/// What the levels of one compilation share.
struct Run {
    pages: Pages,
    texts: Vec<Text>,
    work: Work,
    hashing: FixedState,
    /// Where dropped lines are told, if anybody asked.
    details: Option<Details>,
}

impl Run {
    /// The lines of a text with its includes in their places, and the pages they are on.
    fn take_lines(&mut self, id: TextId) -> (Vec<Line>, Vec<u32>) {
        let Some(root) = self.take_loaded(id) else { return (Vec::new(), Vec::new()) };
        let mut pages = vec![root.page];
        if root.includes.is_empty() {
            return (root.lines, pages);
        }
        let mut lines = Vec::new();
        // For each text that is being read: it, and how many of its lines and includes are done.
        let mut open = vec![(root, 0, 0)];
        while let Some((text, lines_done, includes_done)) = open.last_mut() {
            let next = text.includes.get(*includes_done).copied();
            let until = next.map_or(text.lines.len(), |(at, _)| at);
            lines.extend_from_slice(text.lines.get(*lines_done..until).unwrap_or_default());
            *lines_done = until;
            *includes_done += 1;
            match next {
                None => {
                    open.pop();
                }
                Some((_, id)) => {
                    if let Some(included) = self.take_loaded(id) {
                        pages.push(included.page);
                        open.push((included, 0, 0));
                    }
                }
            }
        }
        (lines, pages)
    }

    /// Takes a text out; each is used once, so its lines need not be copied.
    fn take_loaded(&mut self, id: TextId) -> Option<Loaded> {
        self.texts.get_mut(id.0).and_then(|text| text.loaded.take())
    }

    /// Exclusions, inclusions and transformations of one level, in this order.
    fn apply_level(
        &mut self,
        at: LevelName,
        level: &Level,
        files: &PatternFiles,
        lines: &mut Vec<Line>,
    ) -> Result<LevelReport, CompileError> {
        let mut report = LevelReport {
            n_lines_in: lines.len(),
            n_rules_in: self.count_rules(lines),
            ..LevelReport::default()
        };
        if let Some(patterns) = self.take_patterns(&level.exclusions, &files.exclusions)? {
            report.n_excluded = self.drop_lines(at, lines, patterns, Pass::Exclusions)?;
        }
        if let Some(patterns) = self.take_patterns(&level.inclusions, &files.inclusions)? {
            report.n_not_included = self.drop_lines(at, lines, patterns, Pass::Inclusions)?;
        }
        for &transformation in &level.transformations {
            let n_lines_in = lines.len();
            if transformation == Transformation::ConflictDetection {
                (report.n_conflicts, report.conflicts) = find_conflicts(&self.pages, lines, &self.hashing);
            }
            let before = self.details.is_some().then(|| lines.clone());
            transformation.apply(&mut self.pages, lines, &self.hashing);
            if let Some((details, before)) = self.details.as_mut().zip(before) {
                let mut notes = Notes { details, level: at, pass: Pass::Transformation(transformation) };
                explain(transformation, &mut self.pages, &before, lines, &self.hashing, &mut notes);
            }
            report.passes.push(PassReport { transformation, n_lines_in, n_lines_out: lines.len() });
        }
        report.n_lines_out = lines.len();
        report.n_rules_out = self.count_rules(lines);
        Ok(report)
    }

    /// How many of the lines are neither blank nor comments.
    fn count_rules(&self, lines: &[Line]) -> usize {
        lines.iter().filter(|&&line| is_rule(self.pages.text(line))).count()
    }

    /// The patterns of a level: its own, which count as they are, and those in its files, where comments
    /// and blank lines are none.
    fn take_patterns(&mut self, own: &[String], files: &[TextId]) -> Result<Option<Patterns>, CompileError> {
        let mut lines = Vec::new();
        let mut used_pages = Vec::new();
        for &file in files {
            let (of_file, pages) = self.take_lines(file);
            lines.extend(of_file);
            used_pages.extend(pages);
        }
        let in_files = lines.iter().map(|&line| self.pages.text(line));
        let in_files = in_files.filter(|line| !is_comment(line) && !is_blank(line));
        let patterns = Patterns::new(own.iter().map(String::as_str).chain(in_files), &self.hashing)
            .map_err(|(pattern, error)| CompileError::Pattern { pattern, error })?;
        self.pages.release_unused(used_pages.into_iter(), &[]);
        Ok(patterns)
    }

    /// Drops the lines that the patterns hit, or those that they do not. Says how many.
    fn drop_lines(
        &mut self,
        at: LevelName,
        lines: &mut Vec<Line>,
        mut patterns: Patterns,
        pass: Pass,
    ) -> Result<usize, CompileError> {
        let n_before = lines.len();
        let mut failure = None;
        lines.retain(|&line| {
            // After a failure the lines are of no use any more; the loop only has to end.
            failure.is_none()
                && match patterns.hit(self.pages.text(line), &mut self.work) {
                    Ok(hit) => {
                        let is_dropped = hit.is_some() == (pass == Pass::Exclusions);
                        if is_dropped && let Some(details) = &mut self.details {
                            let reason = hit.map_or(Reason::NotIncluded, |n| Reason::Excluded {
                                pattern: clip(patterns.text(n)),
                            });
                            Notes { details, level: at, pass }.dropped(self.pages.text(line), reason);
                        }
                        !is_dropped
                    }
                    Err(error) => {
                        failure = Some(error);
                        false
                    }
                }
        });
        match failure {
            Some(error) => Err(CompileError::Pattern { pattern: String::new(), error }),
            None => Ok(n_before - lines.len()),
        }
    }
}
