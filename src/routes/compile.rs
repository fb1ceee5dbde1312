//! `POST /compile`: filter lists in, one list out.

mod request;

use std::cell::Cell;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use compiler::{
    Compilation, CompileError, Compiled, Configuration, ConfigurationDraft, Location, SourceDraft, Stamp,
    WantedText,
};
use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use self::request::CompileRequest;
use crate::admission::Admitted;
use crate::app::{App, iso_time, now};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::reply::Reply;
use crate::sources::{Guard, MAX_FETCHED_BYTES, SourceError, fetch_text};
use crate::turnstile;

/// Sources fetched at a time. The platform opens at most six connections for one request.
/// <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>
const SIMULTANEOUS_FETCHES: usize = 6;

/// `POST /compile`: compiles the sources of a configuration into one list.
///
/// Fails: 400 a body that is no JSON, has the wrong shape, or names a source the service does not fetch;
/// 403 no good Turnstile token while Turnstile is on; 413 a body over the bound; 500 a source that can't be had or is broken.
pub async fn compile_list(app: App, admitted: Admitted) -> ApiResult {
    let Admitted { request, caller, .. } = admitted;
    let own_host = request.url()?.host_str().map(str::to_owned);
    let bytes = body::read(&request, app.config.max_body_bytes).await?;
    let asked = CompileRequest::parse(&bytes)?;
    drop(bytes);
    turnstile::check(&app, &request, &caller, asked.turnstile_token.as_deref()).await?;

    let loader = Loader {
        sent_along: asked.pre_fetched_content,
        guard: Guard::new(own_host.as_deref(), app.config.sources_on_loopback),
        timeout_ms: app.config.source_timeout_ms,
        room: Cell::new(MAX_FETCHED_BYTES),
    };
    let n_sources = asked.configuration.sources().len();
    let mut compilation = Compilation::new(asked.configuration);
    if asked.report {
        compilation = compilation.recording();
    }
    loader.check(&compilation)?;
    let started_at = now();
    loader.load_all(&mut compilation).await?;
    drop(loader);
    let loaded_at = now();
    let stamp = Stamp { compiler: app.config.compiler_name(), last_modified_ms: app.now.0 };
    let compiled = compilation.finish(&stamp)?;

    let finished_at = now();
    let metrics = asked.benchmark.then(|| Metrics {
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
        compiled_at: iso_time(app.now),
        metrics,
        report: asked.report.then(|| compiled.report().to_json()),
        checksum: asked.report.then(|| checksum(&compiled)),
    };
    Ok(Reply::list(&list, compiled)?.with_header("X-Cache", "MISS"))
}

/// Whether the engine makes of one rule what it should.
pub fn compiles_one_rule() -> bool {
    let draft = ConfigurationDraft {
        name: "probe".to_owned(),
        sources: vec![SourceDraft { source: "probe".to_owned(), ..SourceDraft::default() }],
        ..ConfigurationDraft::default()
    };
    let Ok(configuration) = Configuration::validate(draft) else { return false };
    let mut compilation = Compilation::new(configuration);
    for wanted in compilation.wanted() {
        if compilation.supply(wanted.id, "||example.org^".to_owned()).is_err() {
            return false;
        }
    }
    let stamp = Stamp { compiler: "probe".to_owned(), last_modified_ms: 0 };
    compilation.finish(&stamp).is_ok_and(|compiled| compiled.body().last() == Some("||example.org^"))
}

/// Gets the texts that a compilation wants.
struct Loader {
    /// Texts that came with the request, by source.
    sent_along: HashMap<String, String>,
    guard: Guard,
    timeout_ms: u64,
    /// Bytes that may still be fetched for this request.
    room: Cell<usize>,
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
    async fn load_all(&self, compilation: &mut Compilation) -> Result<(), ApiError> {
        while !compilation.is_complete() {
            let mut loading = stream::iter(compilation.wanted())
                .map(|wanted| async { (self.load(&wanted).await, wanted) })
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

    async fn load(&self, wanted: &WantedText) -> Result<String, LoadError> {
        if let Some(text) = self.sent_along.get(wanted.location.as_str()) {
            return Ok(text.clone());
        }
        match &wanted.location {
            Location::Local(path) => Err(LoadError::NotSentAlong(path.clone())),
            Location::Remote(url) => Ok(fetch_text(url, &self.guard, self.timeout_ms, &self.room).await?),
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
struct CompiledList {
    success: bool,
    /// The lines go here while the answer is sent.
    rules: [(); 0],
    /// Counts all lines, those of the header too.
    rule_count: usize,
    compiled_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
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
struct Metrics {
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
