//! Long answers of objects: lines of JSON that come as things happen, and after the last line perhaps bytes.

use futures::AsyncReadExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_streams::ReadableStream;
use wasm_streams::readable::IntoAsyncRead;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{Error, Method, Request, RequestInit, Response, Stub, web_sys};

use crate::call::CallError;

/// How much of a body is read at a time, in bytes. The platform itself hands over a few kilobytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A body, read through one buffer. Where the platform makes a new one for every few kilobytes, they are
/// garbage that counts as the isolate's memory for a while: for a long source, as much as it is long.
pub struct Chunks {
    reader: IntoAsyncRead<'static>,
    buffer: Vec<u8>,
}

impl Chunks {
    /// Begins to read.
    ///
    /// # Errors
    /// If somebody else reads it already.
    pub fn of(stream: web_sys::ReadableStream) -> worker::Result<Self> {
        let stream = ReadableStream::from_raw(stream.unchecked_into());
        let reader = stream.try_into_async_read().map_err(|(error, _)| Error::from(JsValue::from(error)))?;
        Ok(Self { reader, buffer: vec![0; CHUNK_BYTES] })
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn next(&mut self) -> worker::Result<Option<&[u8]>> {
        let n_bytes = self.reader.read(&mut self.buffer).await;
        let n_bytes = n_bytes.map_err(|error| Error::RustError(error.to_string()))?;
        Ok(self.buffer.get(..n_bytes).filter(|bytes| !bytes.is_empty()))
    }
}

/// The answer of an object that tells what happens.
pub struct Feed {
    chunks: Chunks,
    /// What was read and not yet taken.
    waiting: Vec<u8>,
}

impl Feed {
    /// Sends `command` and begins to read the answer. Never repeated by itself: the object may have done it already.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ask(object: &Stub, command: &impl Serialize) -> Result<Self, CallError> {
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(serde_json::to_string(command)?.into()));
        let request = Request::new_with_init("https://object/", &init)?;
        let mut response = object.fetch_with_request(request).await?;
        match response.status_code() {
            200 => Ok(Self::of(response)?),
            status => Err(CallError::Refused { status, text: response.text().await? }),
        }
    }

    fn of(response: Response) -> worker::Result<Self> {
        let stream = web_sys::Response::from(response).body();
        let stream = stream.ok_or_else(|| Error::RustError("an answer without a body".to_owned()))?;
        Ok(Self { chunks: Chunks::of(stream)?, waiting: Vec::new() })
    }

    /// The next line.
    ///
    /// # Errors
    /// [`CallError`]: the object broke, or the line is something else.
    pub async fn line<T: DeserializeOwned>(&mut self) -> Result<T, CallError> {
        let mut searched = 0;
        loop {
            let rest = self.waiting.get(searched..).unwrap_or_default();
            if let Some(n) = rest.iter().position(|byte| *byte == b'\n') {
                let end = searched + n;
                let value = serde_json::from_slice(self.waiting.get(..end).unwrap_or_default())?;
                self.waiting.drain(..=end);
                return Ok(value);
            }
            searched = self.waiting.len();
            match self.chunks.next().await? {
                Some(chunk) => self.waiting.extend_from_slice(chunk),
                None => return Err(Error::RustError("the answer broke off".to_owned()).into()),
            }
        }
    }

    /// The next bytes after the last line; none at the end.
    ///
    /// # Errors
    /// If the object breaks.
    pub async fn bytes(&mut self) -> worker::Result<Option<Vec<u8>>> {
        if !self.waiting.is_empty() {
            return Ok(Some(std::mem::take(&mut self.waiting)));
        }
        Ok(self.chunks.next().await?.map(<[u8]>::to_vec))
    }

    /// The next of `n_left` bytes, which is counted down; none when it is zero.
    ///
    /// # Errors
    /// If the object breaks, or breaks off.
    pub async fn bytes_of(&mut self, n_left: &mut u64) -> worker::Result<Option<Vec<u8>>> {
        if *n_left == 0 {
            return Ok(None);
        }
        let Some(mut bytes) = self.bytes().await? else {
            return Err(Error::RustError("the answer broke off".to_owned()));
        };
        let n_wanted = usize::try_from(*n_left).unwrap_or(usize::MAX);
        if bytes.len() > n_wanted {
            self.waiting = bytes.split_off(n_wanted);
        }
        *n_left -= bytes.len() as u64;
        Ok(Some(bytes))
    }
}

/// A line as it is sent.
///
/// # Errors
/// If the value can't be written as JSON, which is a defect.
pub fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}
