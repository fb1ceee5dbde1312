//! Answers, and the one place where they become responses with all common headers.

use std::fmt;

use compiler::Compiled;
use futures::stream::{self, LocalBoxStream};
use futures::{StreamExt, TryStreamExt};
use serde::{Serialize, Serializer};
use worker::js_sys::{JSON, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{self, ResponseInit};
use worker::{Method, Response};

use crate::error::ApiError;

/// The largest answer that is put together in memory from something smaller, in bytes. An isolate has 128 MB, and
/// the platform gets a copy.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Takes no more than [`MAX_ANSWER_BYTES`].
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_ANSWER_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How much of a long answer is written at a time, in bytes: so much that handing it over costs nothing beside
/// writing it, and next to nothing of an isolate's 128 MB.
const PIECE_BYTES: usize = 128 * 1024;

/// What a handler answers with.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers of this answer; the common ones are added to it.
    pub headers: Vec<(&'static str, String)>,
    /// Values of `Set-Cookie` fields, in order: the only field that comes several times.
    pub cookies: Vec<String>,
    /// The body.
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// None.
    Empty,
    /// One JSON text on a single line.
    Json {
        /// `application/json` or `application/problem+json`.
        media_type: &'static str,
        /// The text.
        text: String,
    },
    /// Text as it is.
    Text {
        /// What it is.
        media_type: &'static str,
        /// The text.
        text: String,
    },
    /// One JSON text in which the lines of a list stand as an array. It is written while it is sent: as a whole it
    /// would take as much memory again as the list, and the platform's copy of it once more.
    List {
        /// The text with an empty array `rules` in place of the lines, the first of this name in it.
        frame: String,
        /// The lines.
        list: Box<Compiled>,
    },
    /// Whatever comes, as it comes.
    Chunked {
        /// What it is.
        media_type: &'static str,
        /// The bytes.
        chunks: Chunked,
    },
    /// A static asset as the platform serves it.
    Asset(Response),
    /// An accepted WebSocket. It leaves as it is: an upgrade takes no further headers.
    Socket(Response),
}

/// Bytes that are not all there yet. If one is an error, the answer breaks off.
pub struct Chunked(pub LocalBoxStream<'static, worker::Result<Vec<u8>>>);

impl fmt::Debug for Chunked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Chunked")
    }
}

/// What the platform makes a response of, besides the body.
#[derive(Serialize)]
struct Init<'a> {
    status: u16,
    /// No name comes twice. As members of an object, because the platform takes half as long for that as for
    /// an array of pairs.
    #[serde(serialize_with = "write_members")]
    headers: Vec<(&'a str, &'a str)>,
}

fn write_members<S: Serializer>(headers: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().copied())
}

impl Reply {
    /// 200 with `value` as JSON.
    ///
    /// # Errors
    /// If `value` can't be written as JSON, which is a defect.
    pub fn json(value: &impl Serialize) -> Result<Self, ApiError> {
        let text =
            serde_json::to_string(value).map_err(|error| ApiError::Internal { cause: error.to_string() })?;
        Ok(Self {
            status: 200,
            headers: Vec::new(),
            cookies: Vec::new(),
            body: Body::Json { media_type: "application/json", text },
        })
    }

    /// The same for what may be much larger than what was asked with.
    ///
    /// # Errors
    /// [`ApiError::AnswerTooLarge`] beyond [`MAX_ANSWER_BYTES`]; as [`Reply::json`].
    pub fn bounded_json(value: &impl Serialize) -> Result<Self, ApiError> {
        let mut bounded = Bounded(Vec::new());
        serde_json::to_writer(&mut bounded, value).map_err(|error| match error.io_error_kind() {
            Some(_) => ApiError::AnswerTooLarge { limit: MAX_ANSWER_BYTES },
            None => ApiError::Internal { cause: error.to_string() },
        })?;
        let text =
            String::from_utf8(bounded.0).map_err(|error| ApiError::Internal { cause: error.to_string() })?;
        Ok(Self {
            status: 200,
            headers: Vec::new(),
            cookies: Vec::new(),
            body: Body::Json { media_type: "application/json", text },
        })
    }

    /// `status` without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), cookies: Vec::new(), body: Body::Empty }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The response: JSON indented if asked for, no body for `HEAD`.
    ///
    /// Built in as few calls to the platform as can be: setting some twenty headers one by one takes
    /// longer than all else that the front Worker does for a small answer.
    ///
    /// # Errors
    /// If the platform refuses a header, which is a defect.
    pub fn into_response(self, method: &Method, pretty: bool) -> worker::Result<web_sys::Response> {
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(self.headers.len() + 8);
        let platforms: Vec<(String, String)>;
        let mut text = String::new();
        let mut body = None;
        match self.body {
            Body::Socket(response) => return Ok(response.into()),
            Body::Empty => {}
            Body::Asset(response) => {
                let own = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
                platforms = response.headers().entries().filter(|(name, _)| !own(name)).collect();
                headers.extend(platforms.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                body = web_sys::Response::from(response).body();
            }
            Body::Text { media_type, text: written } => {
                headers.push(("Content-Type", media_type));
                text = written;
            }
            Body::List { frame, list } => {
                headers.push(("Content-Type", "application/json"));
                let frame = if pretty { indented(&frame)? } else { frame };
                let pieces = Response::from_stream(stream::iter(list_pieces(frame, *list, pretty)))?;
                body = web_sys::Response::from(pieces).body();
            }
            Body::Chunked { media_type, chunks } => {
                headers.push(("Content-Type", media_type));
                let chunks = match pretty && media_type == "application/json" {
                    true => stream::once(gather_indented(chunks)).boxed_local(),
                    false => chunks.0,
                };
                let chunks = Response::from_stream(chunks)?;
                body = web_sys::Response::from(chunks).body();
            }
            Body::Json { media_type, text: compact } => {
                headers.push(("Content-Type", media_type));
                text = if pretty { indented(&compact)? } else { compact };
            }
        }
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        let init = serde_json::to_string(&Init { status: self.status, headers })?;
        let init: ResponseInit = JSON::parse(&init)?.unchecked_into();
        let response = match body {
            Some(stream) => web_sys::Response::new_with_opt_readable_stream_and_init(Some(&stream), &init),
            None if text.is_empty() || *method == Method::Head => {
                web_sys::Response::new_with_opt_str_and_init(None, &init)
            }
            None => {
                let bytes = Uint8Array::from(text.as_bytes());
                web_sys::Response::new_with_opt_buffer_source_and_init(Some(&bytes), &init)
            }
        };
        let response = response.map_err(|error: JsValue| error)?;
        for cookie in &self.cookies {
            response.headers().append("Set-Cookie", cookie)?;
        }
        Ok(response)
    }
}

/// A JSON text that comes in chunks, as a whole and indented. Only whoever looks at it asks for that.
async fn gather_indented(chunks: Chunked) -> worker::Result<Vec<u8>> {
    let compact: Vec<u8> = chunks.0.try_concat().await?;
    Ok(indented(&String::from_utf8_lossy(&compact))?.into_bytes())
}

/// The text of [`Body::List`], piece by piece.
pub fn list_pieces(
    frame: String,
    list: Compiled,
    pretty: bool,
) -> impl Iterator<Item = Result<Vec<u8>, serde_json::Error>> {
    // As `indented` writes an array one level deep; an empty one has nothing inside.
    let (first, between, last) = match pretty && list.n_lines() > 0 {
        true => ("\n    ", ",\n    ", "\n  "),
        false => ("", ",", ""),
    };
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let mut n = next?;
        let (before, after) = split_at_rules(&frame);
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        if n == 0 {
            piece.extend_from_slice(before.as_bytes());
            piece.push(b'[');
        }
        while piece.len() < PIECE_BYTES {
            let Some(line) = list.line(n) else {
                next = None;
                for end in [last, "]", after] {
                    piece.extend_from_slice(end.as_bytes());
                }
                return Some(Ok(piece));
            };
            piece.extend_from_slice(if n == 0 { first } else { between }.as_bytes());
            if let Err(error) = serde_json::to_writer(&mut piece, line) {
                next = None;
                return Some(Err(error));
            }
            n += 1;
        }
        next = Some(n);
        Some(Ok(piece))
    })
}

/// The member that gets the lines, as it stands in a frame. No text within the frame can look like it: there the
/// quotation marks would have backslashes.
pub const EMPTY_RULES: &str = r#""rules":[]"#;

/// What stands in a frame before the array of rules, and what behind it.
fn split_at_rules(frame: &str) -> (&str, &str) {
    for empty in [EMPTY_RULES, r#""rules": []"#] {
        if let Some(at) = frame.find(empty) {
            let (before, after) = frame.split_at(at + empty.len());
            return (before.strip_suffix("[]").unwrap_or(before), after);
        }
    }
    (frame, "")
}

/// The same JSON, indented by two spaces; key order and numbers stay as they are.
fn indented(text: &str) -> Result<String, serde_json::Error> {
    let mut pretty = Vec::with_capacity(text.len() * 2);
    serde_transcode::transcode(
        &mut serde_json::Deserializer::from_str(text),
        &mut serde_json::Serializer::pretty(&mut pretty),
    )?;
    Ok(String::from_utf8_lossy(&pretty).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(text: &str) -> Compiled {
        use compiler::{Compilation, Configuration, ConfigurationDraft, SourceDraft, Stamp};
        let draft = ConfigurationDraft {
            name: "N".to_owned(),
            sources: vec![SourceDraft { source: "s".to_owned(), ..SourceDraft::default() }],
            ..ConfigurationDraft::default()
        };
        let mut compilation = Compilation::new(Configuration::validate(draft).unwrap());
        for wanted in compilation.wanted() {
            compilation.supply(wanted.id, text.to_owned()).unwrap();
        }
        compilation.finish(&Stamp { compiler: "c".to_owned(), last_modified_ms: 0 }).unwrap()
    }

    #[test]
    fn a_list_in_pieces_is_the_same_json() {
        for text in ["a\n\"b\\[]\nпример\u{1}", &"||example.org^\n".repeat(30_000)] {
            let lines: Vec<String> = compiled(text).lines().map(str::to_owned).collect();
            let whole = serde_json::json!({ "a": "\"rules\":[]", "rules": lines, "z": [] });
            let frame = r#"{"a":"\"rules\":[]","rules":[],"z":[]}"#.to_owned();
            for (pretty, expected) in [(false, whole.to_string()), (true, format!("{whole:#}"))] {
                let frame = if pretty { indented(&frame).unwrap() } else { frame.clone() };
                let pieces: Vec<_> = list_pieces(frame, compiled(text), pretty).map(Result::unwrap).collect();
                assert_eq!(String::from_utf8(pieces.concat()).unwrap(), expected);
                assert_eq!(pieces.len(), expected.len() / PIECE_BYTES + 1);
            }
        }
    }

    #[test]
    fn indenting_changes_nothing_but_white_space() {
        assert_eq!(
            indented(r#"{"b":[1,"é"],"a":{}}"#).unwrap(),
            "{\n  \"b\": [\n    1,\n    \"é\"\n  ],\n  \"a\": {}\n}"
        );
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod wasm_tests {
    use serde_json::json;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    async fn a_reply_becomes_a_response_with_its_headers() {
        let reply = Reply::json(&json!({ "a": 1 })).unwrap().with_header("X-Cache", "MISS");
        let mut response = Response::from(reply.into_response(&Method::Get, false).unwrap());
        assert_eq!(response.status_code(), 200);
        assert_eq!(response.headers().get("Content-Type").unwrap().as_deref(), Some("application/json"));
        assert_eq!(response.headers().get("X-Cache").unwrap().as_deref(), Some("MISS"));
        assert_eq!(response.text().await.unwrap(), r#"{"a":1}"#);
    }

    #[wasm_bindgen_test]
    async fn pretty_indents_and_head_has_no_body() {
        let reply = || Reply::json(&json!({ "a": 1 })).unwrap();
        let mut pretty = Response::from(reply().into_response(&Method::Get, true).unwrap());
        assert_eq!(pretty.text().await.unwrap(), "{\n  \"a\": 1\n}");
        let mut head = Response::from(reply().into_response(&Method::Head, false).unwrap());
        assert_eq!(head.headers().get("Content-Type").unwrap().as_deref(), Some("application/json"));
        assert_eq!(head.text().await.unwrap(), "");
    }

    /// A value the platform can't send must not end as a panic.
    #[wasm_bindgen_test]
    fn a_header_that_cannot_be_sent_is_an_error() {
        let reply = Reply::empty(204).with_header("Location", "/a\r\nX-Injected: 1");
        assert!(reply.into_response(&Method::Get, false).is_err());
    }
}
