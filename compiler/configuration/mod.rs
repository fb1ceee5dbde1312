//! What to compile: sources, transformations, patterns and the texts of the list header.
//!
//! A [`Configuration`] can only be had by validating a [`ConfigurationDraft`], so whoever holds one need
//! not check anything again.

mod json;

use std::fmt;

use crate::transformations::Transformation;

/// The most sources of one configuration. Advertised to clients as `maxSources`.
pub const MAX_SOURCES: usize = 100;

/// The most patterns in one array, and of one level with the patterns out of its files. Advertised to
/// clients as `maxExclusions`.
pub const MAX_PATTERNS: usize = 10_000;

/// The most texts of one compilation: sources, pattern files and includes together. A file that includes
/// itself twice would ask for 2,047 within the allowed depth; real configurations stay below a hundred.
pub const MAX_TEXTS: usize = 1_000;

/// The longest name of a list or a source, in characters. Advertised to clients as `MAX_NAME_LENGTH`.
pub const MAX_NAME_CHARS: usize = 256;

/// The longest description, version, homepage, licence or source location, in bytes. A header line of
/// that length is already beyond reading; the common limit of a URL is half of it.
pub const MAX_FIELD_BYTES: usize = 4_096;

/// So many issues are told, and no more: nobody reads further, and answers should stay small.
const MAX_ISSUES: usize = 100;

/// A configuration as somebody wrote it. Absent arrays are empty ones; an absent text is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationDraft {
    /// Title of the list; not empty.
    pub name: String,
    /// What the list is for.
    pub description: Option<String>,
    /// Where the list is at home; any text.
    pub homepage: Option<String>,
    /// The licence of the list; any text.
    pub license: Option<String>,
    /// Version of the list; any text.
    pub version: Option<String>,
    /// Where the rules come from, in the order of the output; not empty.
    pub sources: Vec<SourceDraft>,
    /// What is done to the list as a whole.
    pub level: LevelDraft,
}

/// A source as somebody wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceDraft {
    /// URL or path of the list; not empty.
    pub source: String,
    /// Name for the header of the source; not empty if given.
    pub name: Option<String>,
    /// `adblock` or `hosts`. Checked and then not used: every line is judged by its own form.
    pub source_type: Option<String>,
    /// What is done to this source alone.
    pub level: LevelDraft,
}

/// The five arrays that a source and the list as a whole both have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LevelDraft {
    /// Names of transformations, in any order.
    pub transformations: Vec<String>,
    /// Patterns of lines to drop.
    pub exclusions: Vec<String>,
    /// Where files of such patterns are.
    pub exclusions_sources: Vec<String>,
    /// Patterns of lines to keep; when there are any, all other lines are dropped.
    pub inclusions: Vec<String>,
    /// Where files of such patterns are.
    pub inclusions_sources: Vec<String>,
}

/// Something wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ConfigurationIssue {
    /// JSON pointer to the offending value, such as `/sources/0/transformations/2`.
    pub path: String,
    /// What kind of fault it is.
    pub code: IssueCode,
    /// What is wrong with it.
    pub message: String,
}

/// Kinds of faults of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueCode {
    /// Missing, or of another type.
    InvalidType,
    /// A key that nothing here has.
    UnrecognizedKey,
    /// Too short or too few.
    TooSmall,
    /// Too long or too many.
    TooBig,
    /// Not one of the values that there are.
    InvalidValue,
    /// Does not go together with something else.
    Conflict,
}

impl IssueCode {
    /// The name that clients know, which is that of the library that the previous backend used: Zod.
    /// <https://zod.dev/error-formatting>
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidType => "invalid_type",
            Self::UnrecognizedKey => "unrecognized_keys",
            Self::TooSmall => "too_small",
            Self::TooBig => "too_big",
            Self::InvalidValue => "invalid_value",
            Self::Conflict => "custom",
        }
    }
}

/// A configuration that holds together: see [`Configuration::validate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) homepage: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) sources: Vec<Source>,
    pub(crate) level: Level,
}

/// One source of a valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub(crate) source: String,
    pub(crate) name: Option<String>,
    pub(crate) level: Level,
}

/// What is done at one level of a valid configuration. Transformations are in running order, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) transformations: Vec<Transformation>,
    pub(crate) exclusions: Vec<String>,
    pub(crate) exclusions_sources: Vec<String>,
    pub(crate) inclusions: Vec<String>,
    pub(crate) inclusions_sources: Vec<String>,
}

impl Configuration {
    /// Checks a draft.
    ///
    /// # Errors
    ///
    /// The issues found, at most 100, in the order of the document: an empty or overlong text, a line end in a text
    /// that goes into a header, no or too many sources, too many patterns, an unknown transformation or
    /// source type, two different validators in one array, validators at both levels.
    pub fn validate(draft: ConfigurationDraft) -> Result<Configuration, Vec<ConfigurationIssue>> {
        let mut issues = Issues::default();
        issues.check_name("/name", &draft.name);
        let fields = [
            ("/description", &draft.description),
            ("/homepage", &draft.homepage),
            ("/license", &draft.license),
            ("/version", &draft.version),
        ];
        for (path, text) in fields {
            if let Some(text) = text {
                issues.check_field(path, text);
            }
        }
        match draft.sources.len() {
            0 => issues.add(IssueCode::TooSmall, "/sources", "must have at least 1 source"),
            n if n > MAX_SOURCES => issues.add(
                IssueCode::TooBig,
                "/sources",
                format!("must have at most {MAX_SOURCES} sources, has {n}"),
            ),
            _ => {}
        }
        let n_sources = draft.sources.len().min(MAX_SOURCES);
        let sources = draft.sources.into_iter().take(n_sources).enumerate();
        let sources: Vec<Source> = sources.map(|(n, source)| issues.check_source(n, source)).collect();
        let level = issues.check_level("", draft.level);
        issues.check_validators_of_both_levels(&sources, &level);
        let levels = sources.iter().map(|source| &source.level).chain([&level]);
        let n_files = levels.map(|level| level.exclusions_sources.len() + level.inclusions_sources.len());
        let n_texts = sources.len() + n_files.sum::<usize>();
        if n_texts > MAX_TEXTS {
            issues.add(
                IssueCode::TooBig,
                "",
                format_args!("must name at most {MAX_TEXTS} sources and pattern files, names {n_texts}"),
            );
        }
        if !issues.found.is_empty() {
            return Err(issues.found);
        }
        Ok(Configuration {
            name: draft.name,
            description: draft.description,
            homepage: draft.homepage,
            license: draft.license,
            version: draft.version,
            sources,
            level,
        })
    }

    /// The title of the list.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sources in the order of the output.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The transformations of the list as a whole, in running order.
    pub fn transformations(&self) -> &[Transformation] {
        &self.level.transformations
    }
}

impl Source {
    /// URL or path, as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The name for the header of the source.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The transformations of this source, in running order.
    pub fn transformations(&self) -> &[Transformation] {
        &self.level.transformations
    }
}

#[derive(Default)]
struct Issues {
    found: Vec<ConfigurationIssue>,
}

impl Issues {
    fn add(&mut self, code: IssueCode, path: impl fmt::Display, message: impl fmt::Display) {
        if self.found.len() < MAX_ISSUES {
            let (path, message) = (path.to_string(), message.to_string());
            self.found.push(ConfigurationIssue { path, code, message });
        }
    }

    /// A line end in a header text would make a line of its own that nobody wrote as a rule.
    fn check_field(&mut self, path: &str, text: &str) {
        if text.len() > MAX_FIELD_BYTES {
            self.add(
                IssueCode::TooBig,
                path,
                format_args!("must have at most {MAX_FIELD_BYTES} bytes, has {}", text.len()),
            );
        }
        if text.contains(['\n', '\r']) {
            self.add(IssueCode::InvalidValue, path, "must not contain a line end");
        }
    }

    fn check_name(&mut self, path: &str, name: &str) {
        if name.is_empty() {
            self.add(IssueCode::TooSmall, path, "must not be empty");
        }
        if name.chars().nth(MAX_NAME_CHARS).is_some() {
            self.add(IssueCode::TooBig, path, format_args!("must have at most {MAX_NAME_CHARS} characters"));
        }
        if name.contains(['\n', '\r']) {
            self.add(IssueCode::InvalidValue, path, "must not contain a line end");
        }
    }

    fn check_location(&mut self, path: &str, location: &str) {
        if location.is_empty() {
            self.add(IssueCode::TooSmall, path, "must not be empty");
        }
        self.check_field(path, location);
    }

    fn check_source(&mut self, n: usize, draft: SourceDraft) -> Source {
        let path = format!("/sources/{n}");
        self.check_location(&format!("{path}/source"), &draft.source);
        if let Some(name) = &draft.name {
            self.check_name(&format!("{path}/name"), name);
        }
        if let Some(source_type) = draft.source_type
            && !matches!(source_type.as_str(), "adblock" | "hosts")
        {
            self.add(
                IssueCode::InvalidValue,
                format_args!("{path}/type"),
                format_args!("must be adblock or hosts, is {source_type:?}"),
            );
        }
        Source { source: draft.source, name: draft.name, level: self.check_level(&path, draft.level) }
    }

    fn check_level(&mut self, path: &str, draft: LevelDraft) -> Level {
        let LevelDraft { transformations, exclusions, exclusions_sources, inclusions, inclusions_sources } =
            draft;
        let arrays = [("exclusions", &exclusions), ("inclusions", &inclusions)];
        for (name, patterns) in arrays {
            if patterns.len() > MAX_PATTERNS {
                let n = patterns.len();
                self.add(
                    IssueCode::TooBig,
                    format_args!("{path}/{name}"),
                    format_args!("must have at most {MAX_PATTERNS} patterns, has {n}"),
                );
            }
        }
        let files =
            [("exclusions_sources", &exclusions_sources), ("inclusions_sources", &inclusions_sources)];
        for (name, locations) in files {
            if locations.len() > MAX_SOURCES {
                let n = locations.len();
                self.add(
                    IssueCode::TooBig,
                    format_args!("{path}/{name}"),
                    format_args!("must have at most {MAX_SOURCES} files, has {n}"),
                );
            }
            for (n, location) in locations.iter().enumerate().take(MAX_SOURCES) {
                self.check_location(&format!("{path}/{name}/{n}"), location);
            }
        }
        let transformations =
            self.check_transformations(&format!("{path}/transformations"), &transformations);
        Level { transformations, exclusions, exclusions_sources, inclusions, inclusions_sources }
    }

    fn check_transformations(&mut self, path: &str, names: &[String]) -> Vec<Transformation> {
        let mut transformations = Vec::new();
        for (n, name) in names.iter().enumerate() {
            match name.parse() {
                Ok(transformation) => transformations.push(transformation),
                Err(unknown) => self.add(IssueCode::InvalidValue, format_args!("{path}/{n}"), unknown),
            }
        }
        transformations.sort_unstable();
        transformations.dedup();
        let validators = validators(&transformations);
        if validators.len() > 1 {
            self.add(
                IssueCode::Conflict,
                path,
                format_args!("must not combine validators, has {}", bracketed(&validators)),
            );
        }
        transformations
    }

    fn check_validators_of_both_levels(&mut self, sources: &[Source], level: &Level) {
        let of_list = validators(&level.transformations);
        if of_list.is_empty() {
            return;
        }
        for (n, source) in sources.iter().enumerate() {
            let of_source = validators(&source.level.transformations);
            if !of_source.is_empty() {
                let message = format!(
                    "Validation transformations cannot be used at both source and top level. Source {} has {}, the list has {}",
                    source.source,
                    bracketed(&of_source),
                    bracketed(&of_list),
                );
                self.add(IssueCode::Conflict, format_args!("/sources/{n}/transformations"), message);
                return;
            }
        }
    }
}

fn validators(transformations: &[Transformation]) -> Vec<Transformation> {
    transformations.iter().copied().filter(|transformation| transformation.is_validator()).collect()
}

fn bracketed(transformations: &[Transformation]) -> String {
    let names: Vec<&str> = transformations.iter().map(|transformation| transformation.name()).collect();
    format!("[{}]", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> ConfigurationDraft {
        let source = SourceDraft { source: "a.txt".to_owned(), ..SourceDraft::default() };
        ConfigurationDraft { name: "T".to_owned(), sources: vec![source], ..ConfigurationDraft::default() }
    }

    fn check(change: impl Fn(&mut ConfigurationDraft), paths: &[&str]) {
        let mut draft = draft();
        change(&mut draft);
        let issues = Configuration::validate(draft).err().unwrap_or_default();
        assert_eq!(issues.iter().map(|issue| issue.path.as_str()).collect::<Vec<_>>(), paths, "{issues:?}");
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_smallest_configuration_is_valid() {
        check(|_| {}, &[]);
        check(|draft| draft.name = " ".to_owned(), &[]);
        check(|draft| draft.version = Some(String::new()), &[]);
    }

    #[test]
    fn texts_are_bounded_and_have_no_line_ends() {
        check(|draft| draft.name.clear(), &["/name"]);
        check(|draft| draft.name = "ü".repeat(MAX_NAME_CHARS), &[]);
        check(|draft| draft.name = "ü".repeat(MAX_NAME_CHARS + 1), &["/name"]);
        check(|draft| draft.description = Some("a\nb".to_owned()), &["/description"]);
        check(|draft| draft.sources[0].source.clear(), &["/sources/0/source"]);
        check(|draft| draft.sources[0].name = Some(String::new()), &["/sources/0/name"]);
        check(|draft| draft.sources[0].source_type = Some("Hosts".to_owned()), &["/sources/0/type"]);
        check(|draft| draft.level.inclusions_sources = names(&["a", ""]), &["/inclusions_sources/1"]);
    }

    #[test]
    fn counts_are_bounded() {
        check(|draft| draft.sources.clear(), &["/sources"]);
        check(|draft| draft.sources = vec![draft.sources[0].clone(); MAX_SOURCES], &[]);
        check(|draft| draft.sources = vec![draft.sources[0].clone(); MAX_SOURCES + 1], &["/sources"]);
        check(|draft| draft.level.exclusions = vec![String::new(); MAX_PATTERNS + 1], &["/exclusions"]);
    }

    #[test]
    fn validators_do_not_combine() {
        check(|draft| draft.level.transformations = names(&["Validate", "Validate"]), &[]);
        check(
            |draft| draft.level.transformations = names(&["Validate", "ValidateAllowIp"]),
            &["/transformations"],
        );
        check(|draft| draft.level.transformations = names(&["validate"]), &["/transformations/0"]);
        let both = |draft: &mut ConfigurationDraft| {
            draft.level.transformations = names(&["Validate"]);
            draft.sources[0].level.transformations = names(&["Compress", "Validate"]);
        };
        check(both, &["/sources/0/transformations"]);
    }

    #[test]
    fn transformations_are_put_in_order() {
        let mut draft = draft();
        draft.level.transformations = names(&["Compress", "TrimLines", "Compress"]);
        let configuration = Configuration::validate(draft).unwrap();
        assert_eq!(configuration.transformations(), [Transformation::TrimLines, Transformation::Compress]);
    }
}
