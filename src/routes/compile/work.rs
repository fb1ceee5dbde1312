//! One compile, whoever asked for it and however it is answered.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use compiler::{Compilation, CompileError, Compiled, LevelReport, Location, Purpose, Stamp, WantedText};
use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::request::CompileRequest;
use crate::app::{App, iso_time, now};
use crate::error::ApiError;
use crate::incoming::Incoming;
use crate::sources::{Guard, Kind, MAX_FETCHED_BYTES, SourceError, fetch_text};

/// Sources fetched at a time. The platform opens at most six connections for one request.
/// <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>
const SIMULTANEOUS_FETCHES: usize = 6;

/// Hears what happens while a list is compiled: the name of an event and what it says.
pub type Listener<'a> = &'a dyn Fn(&'static str, Value);

/// A compile that can begin: all it names may be fetched.
pub struct Work {
    compilation: Compilation,
    loader: Loader,
    n_sources: usize,
    benchmark: bool,
    report: bool,
}

impl Work {
    /// # Errors
    /// If the configuration names a place that the service does not fetch from.
    pub fn new(app: &App, request: &Incoming, asked: CompileRequest) -> Result<Self, ApiError> {
        Self::within(app, request, asked, Rc::new(Cell::new(MAX_FETCHED_BYTES)))
    }

    /// The same for one of several that share what may be fetched.
    ///
    /// # Errors
    /// As [`Work::new`].
    pub fn within(
        app: &App,
        request: &Incoming,
        asked: CompileRequest,
        room: Rc<Cell<usize>>,
    ) -> Result<Self, ApiError> {
        let own_host = request.url()?.host_str().map(str::to_owned);
        let n_sources = asked.configuration.sources().len();
        let loader = Loader {
            sent_along: asked.pre_fetched_content,
            guard: Guard::new(own_host.as_deref(), app.config.sources_on_loopback),
            timeout_ms: app.config.source_timeout_ms,
            room,
            n_sources,
            n_loaded: Cell::new(0),
        };
        let mut compilation = Compilation::new(asked.configuration);
        if asked.report {
            compilation = compilation.recording();
        }
        loader.check(&compilation)?;
        Ok(Self { compilation, loader, n_sources, benchmark: asked.benchmark, report: asked.report })
    }

    /// Fetches what is wanted and compiles it: what is told of the list, and the list.
    ///
    /// # Errors
    /// If a source can't be had or is broken.
    pub async fn run(
        self,
        app: &App,
        listener: Option<Listener<'_>>,
    ) -> Result<(CompiledList, Compiled), ApiError> {
        let Self { mut compilation, loader, n_sources, benchmark, report } = self;
        let started_at = now();
        loader.load_all(&mut compilation, listener).await?;
        drop(loader);
        let loaded_at = now();
        let stamp = Stamp { compiler: app.config.compiler_name(), last_modified_ms: started_at.0 };
        let compiled = compilation.finish(&stamp)?;
        let finished_at = now();
        if let Some(tell) = listener {
            tell_passes(&compiled, started_at.until(finished_at), tell);
        }
        let metrics = benchmark.then(|| Metrics {
            total_duration_ms: started_at.until(finished_at),
            stages: [
                Stage::new("Fetch & compile sources", started_at.until(loaded_at), n_sources),
                Stage::new("Apply transformations", loaded_at.until(finished_at), compiled.n_lines()),
            ],
            source_count: n_sources,
            rule_count: compiled.report().sources.iter().map(|source| source.level.n_rules_in).sum(),
            output_rule_count: compiled.report().list.n_lines_out,
        });
        let list = CompiledList {
            success: true,
            rules: [],
            rule_count: compiled.n_lines(),
            compiled_at: iso_time(started_at),
            metrics,
            report: report.then(|| compiled.report().to_json()),
            checksum: report.then(|| checksum(&compiled)),
        };
        Ok((list, compiled))
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

/// Gets the texts that a compilation wants.
struct Loader {
    /// Texts that came with the request, by source.
    sent_along: HashMap<String, String>,
    guard: Guard,
    timeout_ms: u64,
    /// Bytes that may still be fetched for this request.
    room: Rc<Cell<usize>>,
    n_sources: usize,
    /// Sources that are there.
    n_loaded: Cell<usize>,
}

impl Loader {
    /// Refuses a configuration that names a place the service does not fetch from, before fetching any.
    fn check(&self, compilation: &Compilation) -> Result<(), ApiError> {
        for wanted in compilation.wanted() {
            let location = wanted.location.as_str();
            if self.sent_along.contains_key(location) {
                continue;
            }
            if let Location::Local(path) = &wanted.location {
                return Err(ApiError::Invalid { issues: not_sent_along(path) });
            }
            self.guard
                .check(location)
                .map_err(|reason| ApiError::SourceForbidden { detail: format!("{location}: {reason}") })?;
        }
        Ok(())
    }

    /// Supplies everything, includes found on the way too. The first failure ends it.
    async fn load_all(
        &self,
        compilation: &mut Compilation,
        listener: Option<Listener<'_>>,
    ) -> Result<(), ApiError> {
        while !compilation.is_complete() {
            let mut loading = stream::iter(compilation.wanted())
                .map(|wanted| async {
                    let text = match (listener, &wanted.purpose) {
                        (Some(tell), Purpose::Source { n }) => self.load_telling(&wanted, *n, tell).await,
                        _ => self.load(&wanted).await,
                    };
                    (text, wanted)
                })
                .buffer_unordered(SIMULTANEOUS_FETCHES);
            while let Some((text, wanted)) = loading.next().await {
                match text {
                    Ok(text) => compilation.supply(wanted.id, text)?,
                    Err(error) => {
                        let shown = compilation.failed(wanted.id, error.to_string()).to_string();
                        return Err(ApiError::from_source(&error, shown));
                    }
                }
            }
        }
        Ok(())
    }

    /// Loads a source, and tells of it.
    async fn load_telling(
        &self,
        wanted: &WantedText,
        n: usize,
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
        let started_at = now();
        let text = self.load(wanted).await;
        let duration_ms = started_at.until(now());
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

    async fn load(&self, wanted: &WantedText) -> Result<String, LoadError> {
        if let Some(text) = self.sent_along.get(wanted.location.as_str()) {
            return Ok(text.clone());
        }
        match &wanted.location {
            Location::Local(path) => Err(LoadError::NotSentAlong(path.clone())),
            Location::Remote(url) => {
                Ok(fetch_text(url, Kind::List, &self.guard, self.timeout_ms, &self.room).await?)
            }
        }
    }
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

fn not_sent_along(path: &str) -> String {
    format!("{path}: must be an http or https URL, or a key of preFetchedContent")
}

impl ApiError {
    fn from_source(error: &LoadError, detail: String) -> Self {
        match error {
            LoadError::Source(SourceError::Forbidden { .. }) => Self::SourceForbidden { detail },
            LoadError::Source(source) => Self::CompileFailed { code: source.code(), detail },
            LoadError::NotSentAlong(_) => Self::CompileFailed { code: "include_failed", detail },
        }
    }
}

impl From<CompileError> for ApiError {
    fn from(error: CompileError) -> Self {
        let detail = error.to_string();
        let code = match error {
            CompileError::Pattern { .. } => return Self::Invalid { issues: detail },
            CompileError::NotWanted { .. } | CompileError::NotComplete { .. } => {
                return Self::Internal { cause: detail };
            }
            CompileError::NotLoaded { .. } => "source_unreachable",
            CompileError::IncludeFailed { .. } => "include_failed",
            CompileError::Directive { .. } => "directive_invalid",
            CompileError::IncludesTooDeep { .. } => "includes_too_deep",
            CompileError::TooManyTexts => "too_many_texts",
            CompileError::TextTooLarge { .. } => "source_too_large",
        };
        Self::CompileFailed { code, detail }
    }
}

/// The answer. What is absent is left out: clients read `null` as an error here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompiledList {
    success: bool,
    /// The lines go here while the answer is sent.
    rules: [(); 0],
    /// Counts all lines, those of the header too.
    pub rule_count: usize,
    compiled_at: String,
    /// Durations, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
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

/// Durations are milliseconds by the platform's clock, which stands still while code runs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    total_duration_ms: u64,
    stages: [Stage; 2],
    source_count: usize,
    /// Rules that came in.
    rule_count: usize,
    /// Lines that went out, without the header of the list.
    output_rule_count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    name: &'static str,
    duration_ms: u64,
    item_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    items_per_second: Option<u64>,
}

impl Stage {
    fn new(name: &'static str, duration_ms: u64, item_count: usize) -> Self {
        let items_per_second = (item_count as u64 * 1000).checked_div(duration_ms);
        Self { name, duration_ms, item_count, items_per_second }
    }
}
