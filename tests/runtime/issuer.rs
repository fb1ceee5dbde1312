//! A double of whoever issues JWTs: it serves its keys, signs tokens with the real `jose`, and misbehaves on
//! request. `tests/clients/jwks.mjs` is the program.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A running issuer. It ends when it is dropped.
pub struct Issuer {
    child: Child,
    http: reqwest::Client,
    /// Its origin, which is also the `iss` of its tokens.
    pub url: String,
}

impl Issuer {
    /// Starts one with a fresh key.
    pub fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut child = Command::new(root.join("node_modules/.bin/node"))
            .arg("tests/clients/jwks.mjs")
            .current_dir(root)
            // It ends when its input closes, so with this process at the latest.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}"));
        Self { child, http: reqwest::Client::new(), url: format!("http://127.0.0.1:{port}") }
    }

    /// The URL of its keys, for a variable.
    pub fn keys_url(&self) -> &'static str {
        format!("{}/.well-known/jwks.json", self.url).leak()
    }

    /// A token with these claims.
    pub async fn mint(&self, claims: &Value) -> String {
        self.mint_as(claims, json!({})).await
    }

    /// A token with these claims, signed in another way: `alg`, `key`, `header`.
    pub async fn mint_as(&self, claims: &Value, more: Value) -> String {
        let mut asked = more;
        asked["claims"] = claims.clone();
        self.ask("mint", &asked).await["token"].as_str().unwrap().to_owned()
    }

    /// Signs with a new key from now on; the old one is still served.
    pub async fn rotate(&self) {
        self.ask("rotate", &json!({})).await;
    }

    /// Serves its keys in another way: `ok`, `slow`, `down`, `garbage`, `redirect`, `empty`.
    pub async fn behave(&self, mode: &str, delay_ms: u64) {
        self.ask("mode", &json!({ "mode": mode, "delay_ms": delay_ms })).await;
    }

    /// How often its keys were asked for.
    pub async fn n_seen(&self) -> u64 {
        let seen = self.http.get(format!("{}/seen", self.url)).send().await.unwrap();
        seen.json::<Value>().await.unwrap()["count"].as_u64().unwrap()
    }

    async fn ask(&self, what: &str, body: &Value) -> Value {
        let answer = self.http.post(format!("{}/{what}", self.url)).json(body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer.get("error").is_none(), "{answer}");
        answer
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}
