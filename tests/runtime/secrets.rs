//! Everything secret that this run used, and all that its servers logged, so that the one can be looked for in the
//! other when the run is over: `cargo xtask test` does that.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use reqwest::Request;
use serde_json::Value;

use crate::client::Answer;

/// Where both are kept until then.
const FOLDER: &str = "target/journeys/log-check";
/// Shorter texts are words, not secrets, and would be found everywhere.
const MIN_LENGTH: usize = 12;
/// Header fields that are secret as they stand.
const HEADERS: [&str; 5] =
    ["authorization", "x-admin-key", "set-auth-token", "cf-access-jwt-assertion", "svix-signature"];
/// Members of bodies that are secret.
const MEMBERS: [&str; 9] = [
    "password",
    "newPassword",
    "currentPassword",
    "token",
    "sessionToken",
    "key",
    "apiKey",
    "api_key",
    "turnstileToken",
];

static NOTED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(FOLDER);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Where secrets are noted, a line each.
pub fn file() -> PathBuf {
    folder().join("secrets")
}

/// Notes a secret.
pub fn note(secret: &str) {
    let secret = secret.trim();
    if secret.len() < MIN_LENGTH || secret.contains(['\n', '\r']) {
        return;
    }
    if NOTED.lock().unwrap().insert(secret.to_owned()) {
        let mut file = fs::File::options().append(true).create(true).open(file()).unwrap();
        // One write, so that lines of several processes don't mix.
        file.write_all(format!("{secret}\n").as_bytes()).unwrap();
    }
}

/// Notes what is secret in a request.
pub fn note_request(request: &Request) {
    for (name, value) in request.headers() {
        let value = value.to_str().unwrap_or_default();
        if HEADERS.contains(&name.as_str()) {
            note(value.strip_prefix("Bearer ").unwrap_or(value));
        } else if name == "cookie" {
            note_cookies(value);
        }
    }
    if let Some(bytes) = request.body().and_then(reqwest::Body::as_bytes)
        && let Ok(body) = serde_json::from_slice(bytes)
    {
        note_members(&body);
    }
}

/// Notes what is secret in an answer.
pub fn note_answer(answer: &Answer) {
    for (name, value) in &answer.headers {
        let value = value.to_str().unwrap_or_default();
        if name == "set-cookie" {
            note_cookies(value.split(';').next().unwrap_or_default());
        } else if HEADERS.contains(&name.as_str()) {
            note(value);
        }
    }
    if let Ok(body) = serde_json::from_str(&answer.text) {
        note_members(&body);
    }
}

fn note_cookies(header: &str) {
    for (_, value) in header.split(';').filter_map(|pair| pair.split_once('=')) {
        note(value);
    }
}

fn note_members(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if MEMBERS.contains(&name.as_str()) => note(text),
                    _ => note_members(member),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(note_members),
        _ => {}
    }
}

/// Keeps a log until the run is over.
pub fn keep_log(log: &Path) {
    static N_KEPT: Mutex<usize> = Mutex::new(0);
    let mut n_kept = N_KEPT.lock().unwrap();
    *n_kept += 1;
    let kept = folder().join(format!("{}-{n_kept}.log", std::process::id()));
    fs::copy(log, kept).unwrap();
}
