//! One compile, whoever asked for it and however it is answered.

use std::cell::Cell;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use compiler::{
    Compilation, CompileError, Compiled, Configuration, LevelReport, Location, Purpose, Stamp, WantedText,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use worker::Date;

use super::wire::{Failure, FailureKind, Made, Metrics, Recipe, Stage};
use crate::source_host::wire::Kind;
use crate::source_host::{Guard, SourceError, SourceHostStub, Wanted, text_of};

/// Sources fetched at a time. The platform opens at most six connections for one request.
/// <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>
const SIMULTANEOUS_FETCHES: usize = 6;
/// Bytes fetched for one compile, all its texts together. The largest lists in common use have about 10 MB,
/// and an isolate has 128 MB for the texts, the lines and the answer.
pub const MAX_FETCHED_BYTES: u64 = 32 * 1024 * 1024;
/// How a line that brings another text begins.
const INCLUDE: &str = "!#include";

/// Hears what happens while a list is compiled: the name of an event and what it says.
pub type Listener<'a> = &'a dyn Fn(&str, Value);

/// Gets texts from elsewhere.
pub struct Fetcher {
    /// Who has them.
    pub hosts: SourceHostStub,
    /// Where they may lie.
    pub guard: Guard,
    /// Time for one of them, in milliseconds.
    pub timeout_ms: u64,
}

/// A compile that can begin.
pub struct Work {
    compilation: Compilation,
    /// Texts that came along, by source.
    texts: HashMap<String, String>,
    n_sources: usize,
    report: bool,
    /// Sources that are there.
    n_loaded: Cell<usize>,
    /// Bytes that may still be fetched.
    room: Cell<u64>,
}

impl Work {
    /// # Errors
    /// If the configuration is none.
    pub fn new(recipe: Recipe) -> Result<Self, Failure> {
        let Recipe { configuration, texts, report } = recipe;
        let configuration = Configuration::from_json(&configuration).map_err(|issues| {
            let shown = issues.iter().map(|issue| format!("/configuration{issue}"));
            failure(FailureKind::Invalid, "invalid_body", shown.collect::<Vec<_>>().join(", "))
        })?;
        Ok(Self::of(configuration, texts, report))
    }

    /// Of a configuration that was read already.
    #[must_use]
    pub fn of(configuration: Configuration, texts: HashMap<String, String>, report: bool) -> Self {
        let n_sources = configuration.sources().len();
        let mut compilation = Compilation::new(configuration);
        if report {
            compilation = compilation.recording();
        }
        let room = Cell::new(MAX_FETCHED_BYTES);
        Self { compilation, texts, n_sources, report, n_loaded: Cell::new(0), room }
    }

    /// Refuses a configuration that names a place the service does not fetch from, before fetching any.
    ///
    /// # Errors
    /// [`FailureKind::Invalid`] or [`FailureKind::Forbidden`].
    pub fn check(&self, guard: &Guard) -> Result<(), Failure> {
        for wanted in self.compilation.wanted() {
            let location = wanted.location.as_str();
            if self.texts.contains_key(location) {
                continue;
            }
            if let Location::Local(path) = &wanted.location {
                return Err(failure(FailureKind::Invalid, "invalid_body", not_sent_along(path)));
            }
            guard.check(location).map_err(|reason| {
                failure(FailureKind::Forbidden, "source_forbidden", format!("{location}: {reason}"))
            })?;
        }
        Ok(())
    }

    /// Whether all texts came along, so that nothing is to be fetched.
    #[must_use]
    pub fn is_self_contained(&self) -> bool {
        self.compilation.wanted().iter().all(|wanted| {
            self.texts.get(wanted.location.as_str()).is_some_and(|text| !text.contains(INCLUDE))
        })
    }

    /// The texts that came along.
    #[must_use]
    pub fn into_texts(self) -> HashMap<String, String> {
        self.texts
    }

    /// Gets what is wanted and compiles it: what is told of the list, and the list.
    ///
    /// # Errors
    /// If a source can't be had or is broken; without a fetcher, also if one did not come along.
    pub async fn run(
        mut self,
        fetcher: Option<&Fetcher>,
        compiler: String,
        listener: Option<Listener<'_>>,
    ) -> Result<(Made, Compiled), Failure> {
        let started_at = clock();
        self.load_all(fetcher, listener).await?;
        let Self { compilation, texts, n_sources, report, .. } = self;
        drop(texts);
        let loaded_at = clock();
        let compiled = compilation.finish(&Stamp { compiler, last_modified_ms: started_at })?;
        let finished_at = clock();
        let total_ms = finished_at.saturating_sub(started_at);
        if let Some(tell) = listener {
            tell_passes(&compiled, total_ms, tell);
        }
        let metrics = Metrics {
            total_duration_ms: total_ms,
            stages: vec![
                stage("Fetch & compile sources", loaded_at.saturating_sub(started_at), n_sources),
                stage("Apply transformations", finished_at.saturating_sub(loaded_at), compiled.n_lines()),
            ],
            source_count: n_sources,
            rule_count: compiled.report().sources.iter().map(|source| source.level.n_rules_in).sum(),
            output_rule_count: compiled.report().list.n_lines_out,
        };
        let made = Made {
            version: 0,
            n_bytes: 0,
            rule_count: compiled.n_lines() as u64,
            compiled_at: started_at,
            metrics,
            report: report.then(|| compiled.report().to_json()),
            checksum: report.then(|| checksum(&compiled)),
            cached: false,
            deduplicated: false,
            previous: None,
        };
        Ok((made, compiled))
    }

    /// Supplies everything, includes found on the way too. The first failure ends it.
    async fn load_all(
        &mut self,
        fetcher: Option<&Fetcher>,
        listener: Option<Listener<'_>>,
    ) -> Result<(), Failure> {
        while !self.compilation.is_complete() {
            let this = &*self;
            let mut loading = stream::iter(this.compilation.wanted())
                .map(|wanted| async move {
                    let text = match (listener, &wanted.purpose) {
                        (Some(tell), Purpose::Source { n }) => {
                            this.load_telling(&wanted, *n, fetcher, tell).await
                        }
                        _ => this.load(&wanted, fetcher).await,
                    };
                    (text, wanted)
                })
                .buffer_unordered(SIMULTANEOUS_FETCHES);
            let mut loaded = Vec::new();
            while let Some((text, wanted)) = loading.next().await {
                match text {
                    Ok(text) => loaded.push((wanted.id, text)),
                    Err(error) => {
                        drop(loading);
                        let shown = self.compilation.failed(wanted.id, error.to_string()).to_string();
                        return Err(error.into_failure(shown));
                    }
                }
            }
            drop(loading);
            for (id, text) in loaded {
                self.compilation.supply(id, text)?;
            }
        }
        Ok(())
    }

    /// Loads a source, and tells of it.
    async fn load_telling(
        &self,
        wanted: &WantedText,
        n: usize,
        fetcher: Option<&Fetcher>,
        tell: Listener<'_>,
    ) -> Result<String, LoadError> {
        let (source, total) = (wanted.location.as_str(), self.n_sources);
        let of = |more: Value| {
            let mut data = json!({ "source": source, "sourceIndex": n, "totalSources": total });
            if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
                data.extend(more);
            }
            data
        };
        tell("source:start", of(json!({})));
        let started_at = clock();
        let text = self.load(wanted, fetcher).await;
        let duration_ms = clock().saturating_sub(started_at);
        match &text {
            Ok(text) => {
                let is_rule = |line: &&str| !matches!(line.bytes().next(), None | Some(b'!' | b'#'));
                let n_rules = text.lines().map(str::trim).filter(is_rule).count();
                tell("source:complete", of(json!({ "ruleCount": n_rules, "durationMs": duration_ms })));
                let current = self.n_loaded.get() + 1;
                self.n_loaded.set(current);
                let message = format!("{current} of {total} sources loaded");
                tell(
                    "progress",
                    json!({ "phase": "sources", "current": current, "total": total, "message": message }),
                );
            }
            Err(error) => {
                let error = error.to_string();
                tell("source:error", of(json!({ "error": error, "durationMs": duration_ms })));
            }
        }
        text
    }

    async fn load(&self, wanted: &WantedText, fetcher: Option<&Fetcher>) -> Result<String, LoadError> {
        if let Some(text) = self.texts.get(wanted.location.as_str()) {
            return Ok(text.clone());
        }
        match (&wanted.location, fetcher) {
            (Location::Remote(url), Some(Fetcher { hosts, guard, timeout_ms })) => {
                let how = Wanted { kind: Kind::List, guard, timeout_ms: *timeout_ms, max_age_ms: 0 };
                Ok(text_of(hosts.fetch_text(url, &how, &self.room).await?))
            }
            (location, _) => Err(LoadError::NotSentAlong(location.as_str().to_owned())),
        }
    }
}

/// Tells what the passes did. They run in one go, and the platform's clock stands still meanwhile: what each
/// of them took can't be measured.
fn tell_passes(compiled: &Compiled, total_ms: u64, tell: Listener<'_>) {
    let report = compiled.report();
    let levels = || report.sources.iter().map(|source| &source.level).chain([&report.list]);
    let total: usize = levels().map(|level: &LevelReport| level.passes.len()).sum();
    for (n, pass) in levels().flat_map(|level| &level.passes).enumerate() {
        let (name, lines_in) = (pass.transformation.name(), pass.n_lines_in);
        tell("transformation:start", json!({ "name": name, "inputCount": lines_in }));
        tell(
            "transformation:complete",
            json!({ "name": name, "inputCount": lines_in, "outputCount": pass.n_lines_out, "durationMs": 0 }),
        );
        let message = format!("{name} done");
        tell(
            "progress",
            json!({ "phase": "transformations", "current": n + 1, "total": total, "message": message }),
        );
    }
    tell(
        "compilation:complete",
        json!({
            "ruleCount": compiled.n_lines(), "totalDurationMs": total_ms,
            "sourceCount": report.sources.len(), "transformationCount": total,
        }),
    );
}

/// A wanted text can't be had.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    /// It has a path, and the service has no files.
    #[error("{}", not_sent_along(.0))]
    NotSentAlong(String),
    #[error("{0}")]
    Source(#[from] SourceError),
}

impl LoadError {
    fn into_failure(self, detail: String) -> Failure {
        match self {
            Self::Source(SourceError::Forbidden { .. }) => {
                failure(FailureKind::Forbidden, "source_forbidden", detail)
            }
            Self::Source(source) => failure(FailureKind::Source, source.code(), detail),
            Self::NotSentAlong(_) => failure(FailureKind::Source, "include_failed", detail),
        }
    }
}

fn not_sent_along(path: &str) -> String {
    format!("{path}: must be an http or https URL, or a key of preFetchedContent")
}

fn failure(kind: FailureKind, code: &str, detail: String) -> Failure {
    Failure { kind, code: code.to_owned(), detail }
}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        let (kind, code) = match error {
            CompileError::Pattern { .. } => (FailureKind::Invalid, "invalid_body"),
            CompileError::NotWanted { .. } | CompileError::NotComplete { .. } => {
                (FailureKind::Internal, "internal_error")
            }
            CompileError::NotLoaded { .. } => (FailureKind::Source, "source_unreachable"),
            CompileError::IncludeFailed { .. } => (FailureKind::Source, "include_failed"),
            CompileError::Directive { .. } => (FailureKind::Source, "directive_invalid"),
            CompileError::IncludesTooDeep { .. } => (FailureKind::Source, "includes_too_deep"),
            CompileError::TooManyTexts => (FailureKind::Source, "too_many_texts"),
            CompileError::TextTooLarge { .. } => (FailureKind::Source, "source_too_large"),
        };
        failure(kind, code, error.to_string())
    }
}

/// What a checksum line of the list would say: the start of the base64 of the SHA-256 of all other lines.
fn checksum(compiled: &Compiled) -> String {
    let mut hash = Sha256::new();
    let lines = compiled.lines().filter(|line| !line.starts_with("! Checksum:"));
    for (n, line) in lines.enumerate() {
        if n > 0 {
            hash.update("\n");
        }
        hash.update(line);
    }
    let mut text = STANDARD_NO_PAD.encode(hash.finalize());
    text.truncate(27);
    text
}

fn stage(name: &str, duration_ms: u64, item_count: usize) -> Stage {
    let items_per_second = (item_count as u64 * 1000).checked_div(duration_ms);
    Stage { name: name.to_owned(), duration_ms, item_count, items_per_second }
}

fn clock() -> u64 {
    Date::now().as_millis()
}
