//! One compile, whoever asked for it and however it is answered.
//!
//! What brings all its texts along is compiled here; everything else by the list's object, where those meet who want
//! the same list ([`durable::artifact`]).

use compiler::Compiled;
use durable::artifact::name_of;
use durable::artifact::wire::{Failure, FailureKind, Line, Made, Metrics, Produce, Recipe};
use durable::artifact::work::{Listener, Work};
use durable::call::CallError;
use durable::feed::Feed;
use durable::source_host::Guard;
use futures::StreamExt;
use futures::stream::{self, LocalBoxStream};
use limits::UnixMillis;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::request::CompileRequest;
use crate::app::{App, iso_time};
use crate::error::ApiError;
use crate::reply::{Body, Chunked, EMPTY_RULES, Reply, list_pieces};

/// Refuses what names a place the service does not fetch from, before anything is fetched.
///
/// # Errors
/// [`ApiError::Invalid`] or [`ApiError::SourceForbidden`].
pub fn check_sources(app: &App, own_host: Option<&str>, asked: &CompileRequest) -> Result<(), ApiError> {
    let guard = Guard::new(own_host, app.config.sources_on_loopback);
    let Recipe { texts, .. } = &asked.recipe;
    Ok(Work::of(asked.configuration.clone(), texts.clone(), false).check(&guard)?)
}

/// Compiles. `fresh` is whether a list that is kept will not do; `own_host` is the service's, from which nothing is
/// fetched.
///
/// # Errors
/// If the configuration names a place that is not fetched from, or a source can't be had or is broken.
pub async fn run(
    app: &App,
    own_host: Option<String>,
    asked: CompileRequest,
    fresh: bool,
    listener: Option<Listener<'_>>,
) -> Result<Product, ApiError> {
    let CompileRequest { configuration, recipe, benchmark, .. } = asked;
    let settings = app.settings(own_host);
    let guard = Guard::new(settings.own_host.as_deref(), settings.loopback);
    let Recipe { texts, report, configuration: json } = recipe;
    let work = Work::of(configuration, texts, report);
    work.check(&guard)?;
    if work.is_self_contained() {
        let (made, compiled) = work.run(None, settings.compiler, listener).await?;
        return Ok(Product { made, rules: Rules::Here(Box::new(compiled)), benchmark });
    }
    let recipe = Recipe { configuration: json, texts: work.into_texts(), report };
    let name = name_of(&recipe).map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    let keep_ms = 0;
    let produce = Produce { recipe, fresh, tell: listener.is_some(), keep_ms, settings };
    let mut feed = app.artifacts()?.produce(&name, produce).await.map_err(of_compiler)?;
    loop {
        match feed.line::<Line>().await.map_err(of_compiler)? {
            Line::Event(name, data) => {
                if let Some(tell) = listener {
                    tell(&name, data);
                }
            }
            Line::Made(made) => {
                return Ok(Product { made: *made, rules: Rules::There(Box::new(feed)), benchmark });
            }
            Line::Failed(failure) => return Err(failure.into()),
            Line::Gone => return Err(ApiError::Internal { cause: "a new list is gone".to_owned() }),
        }
    }
}

/// The compiler's object could not be asked.
pub fn of_compiler(error: CallError) -> ApiError {
    match error {
        CallError::Unreachable(_) => ApiError::unavailable("The compiler", error),
        error => ApiError::Internal { cause: error.to_string() },
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let Failure { kind, code, detail } = failure;
        match kind {
            FailureKind::Invalid => Self::Invalid { issues: detail },
            FailureKind::Forbidden => Self::SourceForbidden { detail },
            FailureKind::Source => Self::CompileFailed { code, detail },
            FailureKind::Internal => Self::Internal { cause: detail },
        }
    }
}

/// A compiled list.
pub struct Product {
    made: Made,
    rules: Rules,
    benchmark: bool,
}

/// Where the rules are.
enum Rules {
    Here(Box<Compiled>),
    /// They come next.
    There(Box<Feed>),
}

/// What is told of a list. What is absent is left out: clients read `null` as an error here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    success: bool,
    /// The lines go here while the answer is sent.
    rules: [(); 0],
    /// Counts all lines, those of the header too.
    rule_count: u64,
    compiled_at: String,
    /// Durations, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<&'a Metrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deduplicated: Option<bool>,
}

/// Text that comes, or the reason why no more does.
pub type Pieces = LocalBoxStream<'static, worker::Result<Vec<u8>>>;

impl Product {
    /// Lines of the list, those of the header too.
    pub fn rule_count(&self) -> u64 {
        self.made.rule_count
    }

    /// When it was compiled.
    pub fn compiled_at(&self) -> String {
        iso_time(UnixMillis(self.made.compiled_at))
    }

    /// How long it took, if that was asked for.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.benchmark.then_some(&self.made.metrics)
    }

    /// What happened to its lines, if that was asked for.
    pub fn report(&self) -> Option<&Map<String, Value>> {
        self.made.report.as_ref()
    }

    /// The list before, as far as it is told without its rules.
    pub fn previous(&self) -> Option<Value> {
        let previous = self.made.previous.as_ref()?;
        let compiled_at = iso_time(UnixMillis(previous.compiled_at));
        Some(json!({ "rules": [], "ruleCount": previous.rule_count, "compiledAt": compiled_at }))
    }

    /// Bytes of the rules.
    pub fn n_bytes(&self) -> u64 {
        match &self.rules {
            Rules::Here(list) => list.n_bytes() as u64,
            Rules::There(_) => self.made.n_bytes,
        }
    }

    /// The answer to whoever asked for this list alone.
    ///
    /// # Errors
    /// If it can't be written as JSON, which is a defect.
    pub fn into_reply(self) -> Result<Reply, ApiError> {
        let (cached, deduplicated) = (self.made.cached, self.made.deduplicated);
        let frame = self.frame(None)?;
        let body = match self.rules {
            Rules::Here(list) => Body::List { frame, list },
            Rules::There(_) => {
                Body::Chunked { media_type: "application/json", chunks: Chunked(self.fill(&frame)) }
            }
        };
        let reply = Reply { body, ..Reply::empty(200) };
        Ok(match (cached, deduplicated) {
            (true, _) => reply.with_header("X-Cache", "HIT"),
            (false, true) => reply.with_header("X-Request-Deduplication", "HIT"),
            (false, false) => reply.with_header("X-Cache", "MISS"),
        })
    }

    /// The same as an object among others, with the id that the client gave it.
    ///
    /// # Errors
    /// If it can't be written as JSON, which is a defect.
    pub fn into_item(self, id: &str) -> Result<Pieces, ApiError> {
        let frame = self.frame(Some(id))?;
        Ok(self.fill(&frame))
    }

    /// The text of `frame`, a JSON object, with the rules in its first empty `rules`. If there is a list before and
    /// the frame tells of it, its rules go into the second.
    pub fn fill(self, frame: &str) -> Pieces {
        let Self { made, rules, .. } = self;
        let feed = match rules {
            Rules::Here(list) => {
                let pieces = list_pieces(frame.to_owned(), *list, false);
                return stream::iter(pieces).map(|piece| piece.map_err(Into::into)).boxed_local();
            }
            Rules::There(feed) => feed,
        };
        let arrays = [Some(made.n_bytes), made.previous.map(|previous| previous.n_bytes)];
        let arrays: Vec<u64> = arrays.into_iter().flatten().collect();
        let mut texts = frame.splitn(arrays.len() + 1, EMPTY_RULES).map(str::to_owned);
        let mut segments = vec![Segment::Text(texts.next().unwrap_or_default())];
        for (text, n_bytes) in texts.zip(arrays) {
            segments.push(Segment::Text(r#""rules":["#.to_owned()));
            segments.push(Segment::Bytes(n_bytes));
            segments.push(Segment::Text(format!("]{text}")));
        }
        woven(*feed, segments)
    }

    fn frame(&self, id: Option<&str>) -> Result<String, ApiError> {
        let made = &self.made;
        let told = Told {
            id,
            success: true,
            rules: [],
            rule_count: made.rule_count,
            compiled_at: self.compiled_at(),
            metrics: self.metrics(),
            report: self.report(),
            checksum: made.checksum.as_deref(),
            cached: made.cached.then_some(true),
            deduplicated: made.deduplicated.then_some(true),
        };
        serde_json::to_string(&told).map_err(|error| ApiError::Internal { cause: error.to_string() })
    }
}

/// A text around rules that come from their object: the inside of an array, so many bytes of it.
pub fn frame_stream(before: String, feed: Feed, n_bytes: u64, after: String) -> Chunked {
    Chunked(woven(feed, vec![Segment::Text(before), Segment::Bytes(n_bytes), Segment::Text(after)]))
}

/// A part of a text of which some comes from a feed.
enum Segment {
    Text(String),
    Bytes(u64),
}

fn woven(feed: Feed, segments: Vec<Segment>) -> Pieces {
    let start = (feed, segments.into_iter(), 0);
    stream::try_unfold(start, |(mut feed, mut segments, mut n_left)| async move {
        loop {
            if let Some(bytes) = feed.bytes_of(&mut n_left).await? {
                return Ok(Some((bytes, (feed, segments, n_left))));
            }
            match segments.next() {
                Some(Segment::Text(text)) => return Ok(Some((text.into_bytes(), (feed, segments, 0)))),
                Some(Segment::Bytes(n_bytes)) => n_left = n_bytes,
                None => return Ok(None),
            }
        }
    })
    .boxed_local()
}
