//! What values must look like.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::{Host, Url};

/// Bytes of a signing key at least. Svix makes 24.
const MIN_SIGNING_BYTES: usize = 24;
/// Different characters of a random value at least: 32 random letters have some 20.
const MIN_VARIETY: usize = 12;
/// Words that no random value has.
const FAKE: [&str; 6] = ["fake", "example", "development", "changeme", "change-me", "placeholder"];

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Anything.
    Text,
    /// So many bytes at least, drawn at random.
    Random {
        /// How many.
        min_bytes: usize,
    },
    /// `whsec_` and the base64 of 24 bytes at least.
    Signing,
    /// An address; encrypted in production.
    HttpsUrl,
    /// Addresses with commas between them; encrypted in production.
    HttpsUrls,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true`, or something else.
    Flag,
    /// A whole number within these.
    Whole {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// JSON.
    Json,
    /// A mail address, perhaps with a name.
    Address,
    /// A text that begins with one of these.
    Prefix(&'static [&'static str]),
    /// A connection string that leads to the database itself.
    Direct,
}

impl Form {
    /// Whether a value has the form.
    ///
    /// # Errors
    /// What it must be, without telling what it is.
    pub fn check(self, value: &str, is_production: bool) -> Result<(), String> {
        let says = |holds: bool, expected: String| if holds { Ok(()) } else { Err(expected) };
        match self {
            Self::Text | Self::Flag => says(!value.is_empty(), "must not be empty".to_owned()),
            Self::Random { min_bytes } => {
                says(value.len() >= min_bytes, format!("must have {min_bytes} bytes at least"))?;
                let variety = value.bytes().collect::<BTreeSet<u8>>().len();
                let is_random = variety >= MIN_VARIETY && !is_fake(value);
                says(is_random || !is_production, "must be drawn at random".to_owned())
            }
            Self::Signing => {
                let bytes = value.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
                let bytes = bytes.ok_or("must be whsec_ and base64")?;
                let is_fake = is_fake(&String::from_utf8_lossy(&bytes));
                let is_strong = bytes.len() >= MIN_SIGNING_BYTES && !is_fake;
                says(
                    is_strong || !is_production,
                    format!("must have {MIN_SIGNING_BYTES} random bytes at least"),
                )
            }
            Self::HttpsUrl => check_url(value, is_production),
            Self::HttpsUrls => {
                let urls = value.split(',').map(str::trim).filter(|url| !url.is_empty());
                let urls: Vec<&str> = urls.collect();
                says(!urls.is_empty(), "must name one at least".to_owned())?;
                urls.into_iter().try_for_each(|url| check_url(url, is_production))
            }
            Self::Word(words) => says(words.contains(&value), format!("must be {}", words.join(" or "))),
            Self::Whole { least, most } => {
                let is_within = value.parse().is_ok_and(|n: u64| (least..=most).contains(&n));
                says(is_within, format!("must be a whole number from {least} to {most}"))
            }
            Self::Json => says(serde_json::from_str::<Value>(value).is_ok(), "must be JSON".to_owned()),
            Self::Address => {
                says(value.contains('@'), "must be a mail address, or a name and <address>".to_owned())
            }
            Self::Prefix(prefixes) => {
                let begins = prefixes.iter().any(|prefix| value.starts_with(prefix));
                let is_test = is_production && value.contains("_test_");
                says(begins, format!("must begin with {}", prefixes.join(" or ")))?;
                says(!is_test, "must be a live key in production".to_owned())
            }
            Self::Direct => {
                let url = Url::parse(value).map_err(|_| "must be a connection string".to_owned())?;
                let host = url.host_str().unwrap_or_default();
                let is_pooled = ["pooler", "pgbouncer", "hyperdrive"].iter().any(|word| host.contains(word))
                    || url.port() == Some(6543)
                    || value.contains("pgbouncer=true");
                let is_postgres = ["postgres", "postgresql"].contains(&url.scheme());
                says(is_postgres, "must be a connection string of PostgreSQL".to_owned())?;
                says(!is_pooled, "must lead to the database itself and not to a pooler".to_owned())
            }
        }
    }
}

fn is_fake(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    FAKE.iter().any(|word| value.contains(word))
}

fn check_url(text: &str, is_production: bool) -> Result<(), String> {
    let url = Url::parse(text).map_err(|_| "must be an http or https URL".to_owned())?;
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("must be an http or https URL".to_owned()),
    };
    match (url.scheme(), is_production) {
        ("https", true) if is_local => Err("must not be this machine in production".to_owned()),
        ("https", _) | ("http", false) => Ok(()),
        ("http", true) => Err("must be https in production".to_owned()),
        _ => Err("must be an http or https URL".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RANDOM: &str = "q7Zk2mV9xW4pL8sT1nB6cR3yD5fG0hJa";

    #[test]
    fn values_have_their_form() {
        for (form, good) in [
            (Form::Random { min_bytes: 32 }, RANDOM),
            (Form::Signing, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            (Form::HttpsUrl, "https://api.example.com/x"),
            (Form::HttpsUrls, "https://a.example, https://b.example"),
            (Form::Word(&["a", "b"]), "b"),
            (Form::Whole { least: 1, most: 3 }, "3"),
            (Form::Json, "{}"),
            (Form::Address, "Bloqr <a@b.example>"),
            (Form::Prefix(&["pk_live_", "pk_test_"]), "pk_live_x"),
            (Form::Direct, "postgres://u:p@ep-x.example/db"),
        ] {
            assert_eq!(form.check(good, true), Ok(()), "{form:?}");
        }
    }

    #[test]
    fn others_are_refused_and_not_repeated() {
        for (form, bad) in [
            (Form::Text, ""),
            (Form::Random { min_bytes: 32 }, "q7Zk2mV9xW4pL8sT1nB6cR3yD5fG0hJ"),
            (Form::Random { min_bytes: 32 }, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            (Form::Random { min_bytes: 32 }, "fake-development-secret-not-for-production"),
            (Form::Signing, "whsec_no base64"),
            (Form::Signing, "whsec_c2hvcnQ="),
            (Form::Signing, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            (Form::HttpsUrl, "http://api.example.com"),
            (Form::HttpsUrl, "https://localhost:8787"),
            (Form::HttpsUrl, "ftp://api.example.com"),
            (Form::HttpsUrls, " , "),
            (Form::HttpsUrls, "https://a.example,*"),
            (Form::Word(&["a", "b"]), "c"),
            (Form::Whole { least: 1, most: 3 }, "4"),
            (Form::Json, "{"),
            (Form::Address, "nobody"),
            (Form::Prefix(&["pk_live_", "pk_test_"]), "pk_test_x"),
            (Form::Prefix(&["pk_live_", "pk_test_"]), "sk_live_x"),
            (Form::Direct, "postgres://u:p@ep-x-pooler.example/db"),
            (Form::Direct, "postgres://u:p@db.example:6543/db"),
            (Form::Direct, "mysql://u:p@db.example/db"),
        ] {
            let told = form.check(bad, true).unwrap_err();
            assert!(bad.is_empty() || bad.len() < 3 || !told.contains(bad), "{form:?}: {told}");
        }
    }
}
