//! Sets of public keys, and when to fetch one.
//!
//! Every isolate keeps the sets it has fetched. A set that is old is still used while one request fetches it anew
//! behind its answer, so rotation costs nobody time; a token with an unknown key makes it fetched at once, but not
//! again and again. A set that can't be had is trouble of ours or of the issuer, never a fault of the token.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt;
use futures::future::{Either, select};
use jsonwebtoken::DecodingKey;
use limits::UnixMillis;
use serde::Deserialize;
use serde_json::{Value, json};
use worker::{
    AbortController, AbortSignal, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect,
    console_error,
};

use super::{Flaw, JwtError};
use crate::app::{App, now};

/// How long a set counts as fresh, in milliseconds. This and the next two are the values of `jose`, which Clerk's and
/// Cloudflare's samples use. <https://github.com/panva/jose/blob/main/docs/jwks/remote/interfaces/RemoteJWKSetOptions.md>
const FRESH_MS: u64 = 10 * 60 * 1000;
/// How old a set must be for an unknown key to make it fetched anew, in milliseconds.
const COOL_DOWN_MS: u64 = 30_000;
/// Time for a set to arrive, in milliseconds.
const TIMEOUT_MS: u64 = 5_000;
/// How long nothing is fetched after a failure, in milliseconds.
const RETRY_MS: u64 = 5_000;
/// A fetch that began longer ago, in milliseconds, is not waited for: its request was cut off.
const ABANDONED_MS: u64 = TIMEOUT_MS + 1_000;
/// How often a request looks whether another one's fetch has ended, in milliseconds.
const LOOK_EVERY_MS: u64 = 10;
/// Longest set, in bytes. Two keys with their certificates have some 10 KiB.
const MAX_SET_BYTES: usize = 64 * 1024;
/// Most keys in a set. Issuers have one or two.
const MAX_KEYS: usize = 32;
/// Shortest and longest modulus, in bytes. RFC 7518 section 3.3 asks for 2048 bits; 4096 bound the work.
const MODULUS_BYTES: RangeInclusive<usize> = 256..=512;

thread_local! {
    /// By URL. URLs come from the configuration alone, so there are few.
    static SETS: RefCell<HashMap<String, KeySet>> = RefCell::default();
}

/// The key that signed a token with this `kid`.
///
/// # Errors
/// [`Flaw::UnknownKey`], [`Flaw::AmbiguousKey`]; [`JwtError::Unavailable`] if that can't be told.
pub(super) async fn find_key(app: &App, url: &str, kid: Option<&str>) -> Result<DecodingKey, JwtError> {
    let began_at = now();
    loop {
        match with_set(url, |set| set.decide(kid, now())) {
            Step::Use(key) => return Ok(key),
            Step::UseAndRefresh(key) => {
                let url = url.to_owned();
                app.afterwards(async move {
                    if let Err(cause) = refresh(&url).await {
                        let entry = json!({ "level": "error", "what": "jwks", "url": url, "cause": cause });
                        console_error!("{entry}");
                    }
                });
                return Ok(key);
            }
            Step::Refuse(error) => return Err(error),
            // A failure is in the set, too, and leaves with the next step's refusal.
            Step::Fetch => refresh(url).await.unwrap_or_default(),
            // A promise of another request can't be awaited on Workers, only looked after.
            Step::Wait if began_at.until(now()) < ABANDONED_MS => {
                Delay::from(Duration::from_millis(LOOK_EVERY_MS)).await;
            }
            Step::Wait => return Err(JwtError::Unavailable("other requests wait for them, too".to_owned())),
        }
    }
}

fn with_set<T>(url: &str, work: impl FnOnce(&mut KeySet) -> T) -> T {
    SETS.with_borrow_mut(|sets| work(sets.entry(url.to_owned()).or_default()))
}

async fn refresh(url: &str) -> Result<(), String> {
    let fetched = fetch(url).await;
    let outcome = fetched.as_ref().map(|_| ()).map_err(String::clone);
    with_set(url, |set| set.settle(fetched, now()));
    outcome
}

async fn fetch(url: &str) -> Result<Keys, String> {
    let controller = AbortController::default();
    let signal = controller.signal();
    let fetching = pin!(load(url, &signal));
    match select(fetching, pin!(Delay::from(Duration::from_millis(TIMEOUT_MS)))).await {
        Either::Left((Ok(bytes), _)) => Keys::parse(&bytes?),
        Either::Left((Err(error), _)) => Err(error.to_string()),
        Either::Right(_) => {
            controller.abort();
            Err(format!("no answer within {TIMEOUT_MS} ms"))
        }
    }
}

async fn load(url: &str, signal: &AbortSignal) -> worker::Result<Result<Vec<u8>, String>> {
    let headers = Headers::new();
    headers.set("Accept", "application/json, application/jwk-set+json")?;
    let mut init = RequestInit::new();
    init.with_method(Method::Get).with_headers(headers).with_redirect(RequestRedirect::Manual);
    let request = Request::new_with_init(url, &init)?;
    let mut response = Fetch::Request(request).send_with_signal(signal).await?;
    let status = response.status_code();
    if status != 200 {
        return Ok(Err(format!("status {status}")));
    }
    let mut bytes = Vec::new();
    let mut chunks = response.stream()?;
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() > MAX_SET_BYTES {
            return Ok(Err(format!("more than {MAX_SET_BYTES} bytes")));
        }
    }
    Ok(Ok(bytes))
}

/// What is known of one issuer's keys.
#[derive(Default)]
struct KeySet {
    /// The last ones that arrived, and when.
    keys: Option<(Keys, UnixMillis)>,
    /// When a fetch began that has not ended yet.
    pending_since: Option<UnixMillis>,
    /// Why and when the last fetch failed, if it did.
    failure: Option<(String, UnixMillis)>,
}

/// What to do for a token.
enum Step {
    /// This key signed it, if it is genuine.
    Use(DecodingKey),
    /// The same, but the set is old: fetch it behind the answer.
    UseAndRefresh(DecodingKey),
    /// Fetch the set, then decide again.
    Fetch,
    /// Somebody fetches it: decide again in a moment.
    Wait,
    /// Neither now nor after a fetch.
    Refuse(JwtError),
}

impl KeySet {
    /// Whoever is told to fetch must do so, and [`settle`](Self::settle) what came of it.
    fn decide(&mut self, kid: Option<&str>, now: UnixMillis) -> Step {
        let is_pending = self.pending_since.is_some_and(|since| since.until(now) < ABANDONED_MS);
        let failure = self.failure.as_ref().filter(|(_, at)| at.until(now) < RETRY_MS);
        if let Some((keys, fetched_at)) = &self.keys {
            let age_ms = fetched_at.until(now);
            match keys.choose(kid) {
                Ok(key) if age_ms < FRESH_MS || is_pending || failure.is_some() => {
                    return Step::Use(key.clone());
                }
                Ok(key) => {
                    self.pending_since = Some(now);
                    return Step::UseAndRefresh(key.clone());
                }
                Err(Flaw::UnknownKey) if age_ms >= COOL_DOWN_MS => {}
                Err(flaw) => return Step::Refuse(flaw.into()),
            }
        }
        if is_pending {
            return Step::Wait;
        }
        if let Some((cause, _)) = failure {
            return Step::Refuse(JwtError::Unavailable(cause.clone()));
        }
        self.pending_since = Some(now);
        Step::Fetch
    }

    /// Notes how a fetch ended. One that failed leaves the old keys.
    fn settle(&mut self, fetched: Result<Keys, String>, now: UnixMillis) {
        self.pending_since = None;
        match fetched {
            Ok(keys) => (self.keys, self.failure) = (Some((keys, now)), None),
            Err(cause) => self.failure = Some((cause, now)),
        }
    }
}

/// The keys of a set that can prove an RS256 signature.
pub(super) struct Keys(Vec<Key>);

struct Key {
    kid: Option<String>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    n: String,
    e: String,
    /// Only a private key has one.
    d: Option<Value>,
}

impl Keys {
    /// Keys for other purposes, and what is no key, are passed over. The cause of a failure repeats nothing of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| format!("no set of keys: line {}, column {}", error.line(), error.column()))?;
        if document.keys.len() > MAX_KEYS {
            return Err(format!("more than {MAX_KEYS} keys"));
        }
        let jwks = document.keys.into_iter().filter_map(|value| Jwk::deserialize(value).ok());
        let keys: Vec<_> = jwks.filter_map(Jwk::into_key).collect();
        // A set without keys would turn every token down and every client out.
        if keys.is_empty() { Err("no key in the set can be used".to_owned()) } else { Ok(Self(keys)) }
    }

    /// The key for a token with this `kid`. Without one, there must be no choice.
    pub(super) fn choose(&self, kid: Option<&str>) -> Result<&DecodingKey, Flaw> {
        let mut fitting = self.0.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid);
        match (fitting.next(), fitting.next()) {
            (None, _) => Err(Flaw::UnknownKey),
            (Some(only), None) => Ok(&only.key),
            (Some(_), Some(_)) => Err(Flaw::AmbiguousKey),
        }
    }
}

impl Jwk {
    fn into_key(self) -> Option<Key> {
        let is_for_us = self.kty == "RSA"
            && self.d.is_none()
            && self.r#use.is_none_or(|usage| usage == "sig")
            && self.alg.is_none_or(|alg| alg == "RS256")
            && self.key_ops.is_none_or(|operations| operations.iter().any(|it| it == "verify"));
        let (n, e) = (URL_SAFE_NO_PAD.decode(&self.n).ok()?, URL_SAFE_NO_PAD.decode(&self.e).ok()?);
        let modulus_bytes = n.iter().skip_while(|byte| **byte == 0).count();
        if !is_for_us || !MODULUS_BYTES.contains(&modulus_bytes) {
            return None;
        }
        let key = DecodingKey::from_rsa_raw_components(&n, &e);
        Some(Key { kid: self.kid, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::fake::{FakeKey, with};

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn keys(keys: &[Value]) -> Result<Keys, String> {
        Keys::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    /// A set with the key `one`, fetched at [`NOW`].
    fn fetched() -> KeySet {
        let mut set = KeySet::default();
        set.settle(keys(&[FakeKey::One.jwk("one")]), NOW);
        set
    }

    /// What a set decides about a token of this key, so many milliseconds after [`NOW`].
    fn step(set: &mut KeySet, kid: &str, after_ms: u64) -> &'static str {
        match set.decide(Some(kid), NOW.plus(after_ms)) {
            Step::Use(_) => "use",
            Step::UseAndRefresh(_) => "use and refresh",
            Step::Fetch => "fetch",
            Step::Wait => "wait",
            Step::Refuse(JwtError::Invalid(Flaw::UnknownKey)) => "unknown",
            Step::Refuse(JwtError::Invalid(_)) => "invalid",
            Step::Refuse(JwtError::Unavailable(_)) => "unavailable",
        }
    }

    fn fail(set: &mut KeySet, after_ms: u64) {
        set.settle(Err("status 500".to_owned()), NOW.plus(after_ms));
    }

    #[test]
    fn the_first_request_fetches_and_the_others_wait() {
        let mut set = KeySet::default();
        assert_eq!(step(&mut set, "one", 0), "fetch");
        assert_eq!(step(&mut set, "one", 0), "wait");
        assert_eq!(step(&mut set, "one", 4_999), "wait");
        set.settle(keys(&[FakeKey::One.jwk("one")]), NOW.plus(5_000));
        assert_eq!(step(&mut set, "one", 5_000), "use");
    }

    #[test]
    fn a_fetch_that_was_cut_off_is_taken_over() {
        let mut set = KeySet::default();
        assert_eq!(step(&mut set, "one", 0), "fetch");
        assert_eq!(step(&mut set, "one", ABANDONED_MS - 1), "wait");
        assert_eq!(step(&mut set, "one", ABANDONED_MS), "fetch");
        assert_eq!(step(&mut set, "one", ABANDONED_MS), "wait");
    }

    #[test]
    fn without_keys_nothing_is_called_invalid() {
        let mut set = KeySet::default();
        assert_eq!(step(&mut set, "one", 0), "fetch");
        fail(&mut set, 100);
        assert_eq!(step(&mut set, "one", 100), "unavailable");
        assert_eq!(step(&mut set, "one", 5_099), "unavailable");
        assert_eq!(step(&mut set, "one", 5_100), "fetch");
    }

    #[test]
    fn old_keys_are_used_while_one_request_refreshes() {
        let mut set = fetched();
        assert_eq!(step(&mut set, "one", FRESH_MS - 1), "use");
        assert_eq!(step(&mut set, "one", FRESH_MS), "use and refresh");
        assert_eq!(step(&mut set, "one", FRESH_MS), "use");
        fail(&mut set, FRESH_MS + 50);
        assert_eq!(step(&mut set, "one", FRESH_MS + 50), "use");
        assert_eq!(step(&mut set, "one", FRESH_MS + 5_050), "use and refresh");
        set.settle(keys(&[FakeKey::One.jwk("one")]), NOW.plus(FRESH_MS + 5_100));
        assert_eq!(step(&mut set, "one", 2 * FRESH_MS), "use");
    }

    #[test]
    fn an_unknown_key_fetches_after_the_cool_down() {
        let mut set = fetched();
        assert_eq!(step(&mut set, "two", 0), "unknown");
        assert_eq!(step(&mut set, "two", COOL_DOWN_MS - 1), "unknown");
        assert_eq!(step(&mut set, "two", COOL_DOWN_MS), "fetch");
        // Whoever has a known key need not wait for that.
        assert_eq!(step(&mut set, "one", COOL_DOWN_MS), "use");
        assert_eq!(step(&mut set, "two", COOL_DOWN_MS), "wait");
        let rotated = keys(&[FakeKey::Two.jwk("two"), FakeKey::One.jwk("one")]);
        set.settle(rotated, NOW.plus(COOL_DOWN_MS + 9));
        assert_eq!(step(&mut set, "two", COOL_DOWN_MS + 9), "use");
        assert_eq!(step(&mut set, "one", COOL_DOWN_MS + 9), "use");
        assert_eq!(step(&mut set, "three", COOL_DOWN_MS + 9), "unknown");
    }

    #[test]
    fn an_unknown_key_is_not_refused_while_nobody_can_tell() {
        let mut set = fetched();
        assert_eq!(step(&mut set, "two", COOL_DOWN_MS), "fetch");
        fail(&mut set, COOL_DOWN_MS);
        assert_eq!(step(&mut set, "two", COOL_DOWN_MS), "unavailable");
        assert_eq!(step(&mut set, "one", COOL_DOWN_MS), "use");
        assert_eq!(step(&mut set, "two", COOL_DOWN_MS + RETRY_MS), "fetch");
    }

    #[test]
    fn a_key_that_was_withdrawn_is_unknown() {
        let mut set = fetched();
        set.settle(keys(&[FakeKey::Two.jwk("two")]), NOW.plus(1));
        assert_eq!(step(&mut set, "one", 1), "unknown");
    }

    #[test]
    fn a_clock_that_goes_back_fetches_nothing() {
        let mut set = fetched();
        assert!(matches!(set.decide(Some("one"), UnixMillis(0)), Step::Use(_)));
        assert!(matches!(set.decide(Some("two"), UnixMillis(0)), Step::Refuse(_)));
    }

    #[test]
    fn without_a_kid_there_must_be_no_choice() {
        let (one, two) = (FakeKey::One.jwk("one"), FakeKey::Two.jwk("two"));
        assert!(keys(std::slice::from_ref(&one)).unwrap().choose(None).is_ok());
        let both = keys(&[one.clone(), two.clone()]).unwrap();
        assert_eq!(both.choose(None).unwrap_err(), Flaw::AmbiguousKey);
        assert!(both.choose(Some("two")).is_ok());
        assert_eq!(both.choose(Some("")).unwrap_err(), Flaw::UnknownKey);
        // Only fitting keys count.
        let encrypts = with(two, json!({ "use": "enc" }));
        assert!(keys(&[one.clone(), encrypts]).unwrap().choose(None).is_ok());
        let nameless = with(one, json!({ "kid": null }));
        assert_eq!(keys(&[nameless]).unwrap().choose(Some("one")).unwrap_err(), Flaw::UnknownKey);
    }

    #[test]
    fn keys_for_other_purposes_are_passed_over() {
        let is_usable = |changes| {
            let all = keys(&[with(FakeKey::One.jwk("one"), changes), FakeKey::Two.jwk("two")]);
            all.unwrap().choose(Some("one")).is_ok()
        };
        for changes in [
            json!({}),
            json!({ "use": null, "alg": null }),
            json!({ "key_ops": ["sign", "verify"] }),
            json!({ "x5c": ["anything"] }),
        ] {
            assert!(is_usable(changes.clone()), "{changes}");
        }
        for changes in [
            json!({ "kty": "EC" }),
            json!({ "kty": null }),
            json!({ "use": "enc" }),
            json!({ "alg": "RS512" }),
            json!({ "key_ops": ["encrypt"] }),
            json!({ "key_ops": "verify" }),
            json!({ "d": "AQAB" }),
            json!({ "n": null }),
            json!({ "n": "AQAB" }),
            json!({ "n": "!" }),
            json!({ "n": "_".repeat(700) }),
            json!({ "e": 3 }),
            json!({ "kid": 1 }),
        ] {
            assert!(!is_usable(changes.clone()), "{changes}");
        }
    }

    #[test]
    fn what_is_no_set_is_a_failure() {
        for text in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[1,{}]}"#] {
            assert!(Keys::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(!Keys::parse(br#"{"keys":"s3cret"}"#).err().unwrap().contains("s3cret"));
        assert!(keys(&vec![FakeKey::One.jwk("one"); MAX_KEYS]).is_ok());
        assert!(keys(&vec![FakeKey::One.jwk("one"); MAX_KEYS + 1]).is_err());
    }
}
