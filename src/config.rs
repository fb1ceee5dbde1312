//! The variables and secrets, parsed once into types. Nothing else reads a variable.

use std::borrow::Cow;
use std::fmt;

use compiler::Configuration;
use serde_json::Value;
use url::{Host, Url};

use crate::admission::Policies;
use crate::auth::key::AuthKey;
use crate::auth::trusted::TrustedOrigins;
use crate::jwt::clerk::frontend_host;
use crate::svix::parse_secret;

/// Default bound of a request body. Source: the published API, 1 MiB.
const DEFAULT_BODY_MB: u64 = 1;
/// The platform itself takes no more on its largest plan (500 MB); an isolate of 128 MB holds far less.
const MAX_BODY_MB: u64 = 100;
/// Default time for one source, all redirects included, in milliseconds.
const DEFAULT_SOURCE_TIMEOUT_MS: u64 = 30_000;

/// Lists that are kept at hand at most: the schedule has them made one after the other.
const MAX_WARM: usize = 20;

/// Longest part of a host name, in bytes. RFC 1035 section 2.3.4.
const MAX_LABEL_BYTES: usize = 63;

/// Where mails are handed over.
const RESEND: &str = "https://api.resend.com/emails";

/// Where Datadog takes events, unless the account lives in another of its regions.
const DATADOG: &str = "https://api.datadoghq.com/api/v1/events";

/// Where Cloudflare verifies tokens of Turnstile.
const SITEVERIFY: &str = "https://challenges.cloudflare.com/turnstile/v0/siteverify";

/// Origins that may call from a browser when none are configured: local development.
const DEFAULT_ORIGINS: [&str; 4] =
    ["http://localhost:4200", "http://localhost:8787", "http://127.0.0.1:4200", "http://127.0.0.1:8787"];

/// Everything the Worker was configured with.
#[derive(Debug)]
pub struct Config {
    /// `ENVIRONMENT`: `production` unless said otherwise.
    pub environment: String,
    /// `COMPILER_VERSION`: the version shown to clients; the crate's own by default.
    pub version: String,
    /// `CORS_ALLOWED_ORIGINS`: browser origins that may call, compared to the letter.
    pub allowed_origins: Vec<String>,
    /// `MAX_REQUEST_BODY_MB`, in bytes.
    pub max_body_bytes: u64,
    /// `SOURCE_ALLOW_PRIVATE`: sources may lie on the loopback interface. Never in production.
    pub sources_on_loopback: bool,
    /// `SOURCE_TIMEOUT_MS`: time for one source, all redirects included, in milliseconds.
    pub source_timeout_ms: u64,
    /// `CACHE_WARM_CONFIGURATIONS`: lists that are kept at hand.
    pub warm_configurations: Vec<Value>,
    /// `policies.json`, changed by `RATE_LIMIT_POLICIES`.
    pub policies: Policies,
    /// `RATE_LIMIT_FIELDS`: how the `RateLimit` field is written.
    pub rate_limit_fields: RateLimitFields,
    /// `ADMIN_KEY`: opens the admin API.
    pub admin_key: Option<Secret>,
    /// `CLERK_WEBHOOK_SECRET`: the key that Clerk's webhooks are signed with.
    pub clerk_webhook_key: Option<SigningKey>,
    /// Whether Clerk's webhooks are taken: not while `DISABLE_CLERK_WEBHOOKS` is `true`.
    pub clerk_webhooks: bool,
    /// `BETTER_AUTH_SECRET`: signs sessions and mails.
    pub auth_key: Option<AuthKey>,
    /// `BETTER_AUTH_URL`: the origin that clients reach the service at.
    pub base_url: Option<String>,
    /// Origins whose pages may sign in and be sent back to: `CORS_ALLOWED_ORIGINS` and
    /// `BETTER_AUTH_TRUSTED_ORIGINS`, which may have patterns.
    pub trusted_origins: Vec<String>,
    /// `AUTH_RATE_LIMIT`: whether sign-ins and the like are limited by network and path, as Better Auth does. In
    /// production unless switched off, elsewhere if switched on.
    pub limits_auth: bool,
    /// How mails leave; none while there is no `RESEND_API_KEY`, but in development.
    pub mailer: Option<Mailer>,
    /// `TURNSTILE_SITE_KEY`: given to browsers.
    pub turnstile_site_key: Option<String>,
    /// `TURNSTILE_SECRET_KEY`: Turnstile is on while it is set.
    pub turnstile: Option<Turnstile>,
    /// `CLERK_PUBLISHABLE_KEY`: given to browsers; none while `DISABLE_CLERK_FALLBACK` is `true`.
    pub clerk_publishable_key: Option<String>,
    /// `CLERK_JWKS_URL`: tokens of Clerk's are accepted while it is set and `DISABLE_CLERK_FALLBACK` is not `true`.
    pub clerk: Option<Clerk>,
    /// `CF_ACCESS_TEAM_DOMAIN` and `CF_ACCESS_AUD`: Cloudflare Access is asked for while both are set.
    pub access: Option<Access>,
    /// `SENTRY_DSN`: given to browsers, which report to it directly.
    pub sentry_dsn: Option<String>,
    /// `SENTRY_RELEASE`: given to browsers, and told with every notice.
    pub sentry_release: Option<String>,
    /// Where `SENTRY_DSN` says that notices go.
    pub sentry: Option<Sentry>,
    /// `WEBHOOK_URL`: notices go there while it is set.
    pub webhook: Option<Webhook>,
    /// `DATADOG_API_KEY`: notices go to Datadog while it is set.
    pub datadog: Option<Datadog>,
}

/// How mails leave.
#[derive(Debug)]
pub enum Mailer {
    /// Into the log, where a developer finds them.
    Log,
    /// Through a provider with Resend's interface.
    Provider {
        /// `MAIL_API_URL`: Resend's own by default.
        url: String,
        /// `RESEND_API_KEY`.
        key: Secret,
        /// `MAIL_FROM`: who the mails are from, as `Name <address>` or an address.
        from: String,
    },
}

/// How tokens of Turnstile are verified.
#[derive(Debug)]
pub struct Turnstile {
    /// `TURNSTILE_SECRET_KEY`.
    pub secret: Secret,
    /// `TURNSTILE_VERIFY_URL`: Cloudflare's own by default.
    pub verify_url: String,
}

/// How tokens of Clerk's are verified.
#[derive(Debug)]
pub struct Clerk {
    /// `CLERK_JWKS_URL`: where its keys are.
    pub jwks_url: String,
    /// Who may have issued a token: the origin of the keys, the instance that `CLERK_PUBLISHABLE_KEY` names, and
    /// those in `CLERK_ISSUERS`. Compared to the letter.
    pub issuers: Vec<String>,
}

impl Clerk {
    fn parse(
        read: impl Fn(&'static str) -> Option<String>,
        publishable_key: Option<&str>,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(jwks_url) = read("CLERK_JWKS_URL") else { return Ok(None) };
        let url = web_url("CLERK_JWKS_URL", &jwks_url)?;
        let mut issuers = vec![url.origin().ascii_serialization()];
        issuers.extend(publishable_key.and_then(frontend_host).map(|host| format!("https://{host}")));
        let list = read("CLERK_ISSUERS").unwrap_or_default();
        for issuer in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            web_url("CLERK_ISSUERS", issuer)?;
            // Tokens have none at the end.
            issuers.push(issuer.trim_end_matches('/').to_owned());
        }
        Ok(Some(Self { jwks_url, issuers }))
    }
}

/// How tokens of Cloudflare Access are verified.
#[derive(Debug)]
pub struct Access {
    /// Who must have issued a token: the team.
    pub issuer: String,
    /// `CF_ACCESS_CERTS_URL`: where its keys are; at the issuer by default.
    pub certs_url: String,
    /// `CF_ACCESS_AUD`: the application that a token must be for.
    pub audience: Secret,
    /// `CF_ACCESS_CLIENT_ID`: the only service that may pass, if it is set.
    pub client_id: Option<Secret>,
}

impl Access {
    fn parse(read: impl Fn(&'static str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let missing = |variable, other| {
            let expected = format!("set, because {other} is");
            Err(ConfigError { variable, expected })
        };
        let (team, audience) = match (read("CF_ACCESS_TEAM_DOMAIN"), read("CF_ACCESS_AUD")) {
            (Some(team), Some(audience)) => (team.to_ascii_lowercase(), Secret(audience)),
            (None, None) => return Ok(None),
            (None, Some(_)) => return missing("CF_ACCESS_TEAM_DOMAIN", "CF_ACCESS_AUD"),
            (Some(_), None) => return missing("CF_ACCESS_AUD", "CF_ACCESS_TEAM_DOMAIN"),
        };
        let team = team.strip_suffix(".cloudflareaccess.com").unwrap_or(&team);
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if team.is_empty() || team.len() > MAX_LABEL_BYTES || !team.bytes().all(is_label) {
            let expected = "a team, as in team.cloudflareaccess.com".to_owned();
            return Err(ConfigError { variable: "CF_ACCESS_TEAM_DOMAIN", expected });
        }
        let issuer = format!("https://{team}.cloudflareaccess.com");
        let certs_url = match read("CF_ACCESS_CERTS_URL") {
            None => format!("{issuer}/cdn-cgi/access/certs"),
            Some(url) => web_url("CF_ACCESS_CERTS_URL", &url).map(|_| url)?,
        };
        Ok(Some(Self { issuer, certs_url, audience, client_id: read("CF_ACCESS_CLIENT_ID").map(Secret) }))
    }
}

/// Where notices go as webhooks.
#[derive(Debug)]
pub struct Webhook {
    /// `WEBHOOK_URL`. Many receivers take whatever comes to an address that nobody can guess, so it is a secret.
    pub url: Secret,
    /// `WEBHOOK_SECRET`: the key that webhooks are signed with. Without it they are not signed.
    pub key: Option<SigningKey>,
}

/// Where notices go at Sentry.
#[derive(Debug, PartialEq, Eq)]
pub struct Sentry {
    /// Where the project takes envelopes.
    pub envelope_url: String,
    /// What tells Sentry who sends. Browsers are given it, so it is no secret.
    pub public_key: String,
}

impl Sentry {
    /// <https://develop.sentry.dev/sdk/foundations/transport/authentication/>
    fn parse(dsn: &str, environment: &str) -> Result<Self, ConfigError> {
        let wrong = || {
            let expected = "a DSN as Sentry shows it, as in https://key@sentry.example.com/1".to_owned();
            ConfigError { variable: "SENTRY_DSN", expected }
        };
        let url = Url::parse(dsn).ok().filter(|url| keeps_secrets(url, environment)).ok_or_else(wrong)?;
        let (folder, project) = url.path().rsplit_once('/').ok_or_else(wrong)?;
        if url.username().is_empty() || project.is_empty() {
            return Err(wrong());
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self {
            envelope_url: format!("{origin}{folder}/api/{project}/envelope/"),
            public_key: url.username().to_owned(),
        })
    }
}

/// Where notices go at Datadog.
#[derive(Debug)]
pub struct Datadog {
    /// `DATADOG_URL`: where events are taken.
    pub url: String,
    /// `DATADOG_API_KEY`.
    pub key: Secret,
}

impl Datadog {
    fn parse(
        read: impl Fn(&'static str) -> Option<String>,
        environment: &str,
    ) -> Result<Option<Self>, ConfigError> {
        let url = read("DATADOG_URL").unwrap_or_else(|| DATADOG.to_owned());
        check_target("DATADOG_URL", &url, environment)?;
        match read("DATADOG_API_KEY") {
            None => Ok(None),
            Some(key) if key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Some(Self { url, key: Secret(key) }))
            }
            Some(_) => {
                let expected = "a key as Datadog shows it".to_owned();
                Err(ConfigError { variable: "DATADOG_API_KEY", expected })
            }
        }
    }
}

/// Configurations, if all of them can be compiled.
fn read_configurations(text: &str) -> Option<Vec<Value>> {
    let configurations: Vec<Value> = serde_json::from_str(text).ok()?;
    let are_good = configurations.iter().all(|value| Configuration::from_json(value).is_ok());
    (configurations.len() <= MAX_WARM && are_good).then_some(configurations)
}

/// A text that nothing prints.
pub struct Secret(String);

impl Secret {
    /// The text, for those who use it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Bytes of a key that nothing prints.
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// The bytes, for those who sign or verify with them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// How the parameters of the `RateLimit` field are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimitFields {
    /// `r` and `t`, as in draft-ietf-httpapi-ratelimit-headers-11.
    Draft11,
    /// `a` and `w`, as its authors consider for the next draft.
    /// <https://github.com/ietf-wg-httpapi/ratelimit-headers/pull/164>
    Next,
}

/// A variable has a value that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Name of the variable.
    pub variable: &'static str,
    /// What it must be.
    pub expected: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.variable, self.expected)
    }
}

impl Config {
    /// Parses what `read` finds under each name. An empty value counts as unset.
    ///
    /// # Errors
    /// The first variable whose value can't be used.
    pub fn parse(read: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let read = |name| read(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let is_true = |name| read(name).as_deref() == Some("true");

        let environment = read("ENVIRONMENT").unwrap_or_else(|| "production".to_owned());
        let max_body_mb = match read("MAX_REQUEST_BODY_MB") {
            None => DEFAULT_BODY_MB,
            Some(text) => whole_number(&text, 1, MAX_BODY_MB).ok_or(ConfigError {
                variable: "MAX_REQUEST_BODY_MB",
                expected: "a whole number of MiB from 1 to 100".to_owned(),
            })?,
        };
        let source_timeout_ms = match read("SOURCE_TIMEOUT_MS") {
            None => DEFAULT_SOURCE_TIMEOUT_MS,
            Some(text) => whole_number(&text, 100, DEFAULT_SOURCE_TIMEOUT_MS).ok_or(ConfigError {
                variable: "SOURCE_TIMEOUT_MS",
                expected: "a whole number of milliseconds from 100 to 30000".to_owned(),
            })?,
        };
        let warm_configurations = match read("CACHE_WARM_CONFIGURATIONS") {
            None => Vec::new(),
            Some(text) => read_configurations(&text).ok_or(ConfigError {
                variable: "CACHE_WARM_CONFIGURATIONS",
                expected: format!("a JSON array of at most {MAX_WARM} configurations, all good"),
            })?,
        };
        let allowed_origins = match read("CORS_ALLOWED_ORIGINS") {
            None => DEFAULT_ORIGINS.map(str::to_owned).to_vec(),
            Some(list) => {
                list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
            }
        };
        if allowed_origins.iter().any(|origin| origin == "*") {
            return Err(ConfigError {
                variable: "CORS_ALLOWED_ORIGINS",
                expected: "a comma-separated list of origins, never *".to_owned(),
            });
        }
        let policies =
            Policies::parse(read("RATE_LIMIT_POLICIES").as_deref()).map_err(|error| ConfigError {
                variable: "RATE_LIMIT_POLICIES",
                expected: format!("a JSON object of policies; {error}"),
            })?;
        let rate_limit_fields = match read("RATE_LIMIT_FIELDS").as_deref() {
            None | Some("draft-11") => RateLimitFields::Draft11,
            Some("next") => RateLimitFields::Next,
            Some(_) => {
                let expected = "draft-11 or next".to_owned();
                return Err(ConfigError { variable: "RATE_LIMIT_FIELDS", expected });
            }
        };
        let signing_key = |variable| {
            let key = read(variable).map(|secret| {
                let expected = "whsec_ and base64".to_owned();
                parse_secret(&secret).map(SigningKey).ok_or(ConfigError { variable, expected })
            });
            key.transpose()
        };
        let clerk_webhook_key = signing_key("CLERK_WEBHOOK_SECRET")?;
        let webhook_key = signing_key("WEBHOOK_SECRET")?;
        let webhook = match read("WEBHOOK_URL") {
            None => None,
            Some(url) => {
                check_target("WEBHOOK_URL", &url, &environment)?;
                Some(Webhook { url: Secret(url), key: webhook_key })
            }
        };
        let sentry_dsn = read("SENTRY_DSN");
        let sentry = sentry_dsn.as_deref().map(|dsn| Sentry::parse(dsn, &environment)).transpose()?;
        let datadog = Datadog::parse(read, &environment)?;
        let url = |variable, default: &str| {
            let url = read(variable).unwrap_or_else(|| default.to_owned());
            web_url(variable, &url).map(|_| url)
        };
        let verify_url = url("TURNSTILE_VERIFY_URL", SITEVERIFY)?;
        let mail_url = url("MAIL_API_URL", RESEND)?;
        let mailer = match read("RESEND_API_KEY") {
            None => (environment == "development").then_some(Mailer::Log),
            Some(key) if key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                let from = read("MAIL_FROM").filter(|from| from.contains('@'));
                let from = from.ok_or(ConfigError {
                    variable: "MAIL_FROM",
                    expected: "an address, or a name and an address as Name <address>".to_owned(),
                })?;
                Some(Mailer::Provider { url: mail_url, key: Secret(key), from })
            }
            Some(_) => {
                let expected = "a key as the provider shows it".to_owned();
                return Err(ConfigError { variable: "RESEND_API_KEY", expected });
            }
        };
        let more_origins = read("BETTER_AUTH_TRUSTED_ORIGINS").unwrap_or_default();
        let more_origins = more_origins.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let trusted_origins: Vec<String> =
            allowed_origins.iter().cloned().chain(more_origins.map(str::to_owned)).collect();
        if let Err(error) =
            TrustedOrigins::parse("http://localhost", trusted_origins.iter().map(String::as_str))
        {
            let expected = format!("a comma-separated list of origins and patterns; {error}");
            return Err(ConfigError { variable: "BETTER_AUTH_TRUSTED_ORIGINS", expected });
        }
        let limits_auth = match read("AUTH_RATE_LIMIT").as_deref() {
            None => environment == "production",
            Some("true") => true,
            Some("false") => false,
            Some(_) => {
                let expected = "true or false".to_owned();
                return Err(ConfigError { variable: "AUTH_RATE_LIMIT", expected });
            }
        };
        // A path in it does not matter.
        let base_url = read("BETTER_AUTH_URL").map(|text| web_url("BETTER_AUTH_URL", &text)).transpose()?;
        let base_url = base_url.map(|url| url.origin().ascii_serialization());
        let clerk_publishable_key =
            read("CLERK_PUBLISHABLE_KEY").filter(|_| !is_true("DISABLE_CLERK_FALLBACK"));
        let clerk = if is_true("DISABLE_CLERK_FALLBACK") {
            None
        } else {
            Clerk::parse(read, clerk_publishable_key.as_deref())?
        };

        Ok(Self {
            sources_on_loopback: environment != "production" && is_true("SOURCE_ALLOW_PRIVATE"),
            environment,
            version: read("COMPILER_VERSION").unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
            allowed_origins,
            max_body_bytes: max_body_mb * 1024 * 1024,
            source_timeout_ms,
            warm_configurations,
            policies,
            rate_limit_fields,
            admin_key: read("ADMIN_KEY").map(Secret),
            clerk_webhook_key,
            clerk_webhooks: !is_true("DISABLE_CLERK_WEBHOOKS"),
            // The second name is the one that Better Auth falls back to.
            auth_key: read("BETTER_AUTH_SECRET")
                .or_else(|| read("AUTH_SECRET"))
                .and_then(|it| AuthKey::new(&it)),
            base_url,
            trusted_origins,
            limits_auth,
            mailer,
            turnstile_site_key: read("TURNSTILE_SITE_KEY"),
            turnstile: read("TURNSTILE_SECRET_KEY")
                .map(|secret| Turnstile { secret: Secret(secret), verify_url }),
            clerk_publishable_key,
            clerk,
            access: Access::parse(read)?,
            sentry_dsn,
            sentry_release: read("SENTRY_RELEASE"),
            sentry,
            webhook,
            datadog,
        })
    }

    /// The origin that clients reach the service at. One that is not configured is the request's own, and in
    /// production an encrypted one.
    pub fn base_url<'a>(&'a self, own_origin: &'a str) -> Cow<'a, str> {
        match (&self.base_url, own_origin.strip_prefix("http://")) {
            (Some(base_url), _) => Cow::Borrowed(base_url),
            (None, Some(host)) if self.environment == "production" => Cow::Owned(format!("https://{host}")),
            (None, _) => Cow::Borrowed(own_origin),
        }
    }

    /// The program's name and version, as written into every compiled list.
    pub fn compiler_name(&self) -> String {
        format!("bloqr-backend v{}", self.version)
    }
}

fn whole_number(text: &str, least: u64, most: u64) -> Option<u64> {
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

/// A URL that is called or compared, and may be logged.
fn web_url(variable: &'static str, text: &str) -> Result<Url, ConfigError> {
    let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && is_plain(url));
    let expected = "an http or https URL without credentials".to_owned();
    url.ok_or(ConfigError { variable, expected })
}

/// Whether notices can be sent to a URL.
fn check_target(variable: &'static str, url: &str, environment: &str) -> Result<(), ConfigError> {
    if keeps_secrets(&web_url(variable, url)?, environment) {
        return Ok(());
    }
    let expected = "an https URL, or outside production an http URL on the loopback interface".to_owned();
    Err(ConfigError { variable, expected })
}

/// Whether nobody can read on the way what is sent there: it is encrypted, or does not leave the machine of somebody
/// who tries things out.
fn keeps_secrets(url: &Url, environment: &str) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here && environment != "production")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    fn parse(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::parse(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_set_is_production_with_the_published_bounds() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.environment, "production");
        assert_eq!(config.max_body_bytes, 1_048_576);
        assert_eq!(config.allowed_origins, DEFAULT_ORIGINS);
        assert!(config.turnstile.is_none() && !config.sources_on_loopback);
    }

    /// What is read and what operators are told of are the same.
    #[test]
    fn the_table_of_variables_has_all_that_is_read() {
        let read = RefCell::new(BTreeSet::new());
        // Some are looked at only while another is set.
        let on = [
            "ENVIRONMENT",
            "RESEND_API_KEY",
            "CF_ACCESS_AUD",
            "CF_ACCESS_TEAM_DOMAIN",
            "CLERK_JWKS_URL",
            "MAIL_FROM",
        ];
        for is_on in [false, true] {
            let parsed = Config::parse(|name| {
                read.borrow_mut().insert(name.to_owned());
                let example = settings::find(name).map(|variable| variable.example.trim_matches('\''));
                example.filter(|_| is_on && on.contains(&name)).map(str::to_owned)
            });
            assert!(parsed.is_ok(), "{parsed:?}");
        }
        let told = settings::VARIABLES.iter().filter(|variable| variable.kind != settings::Kind::Operator);
        let told: BTreeSet<String> = told.map(|variable| variable.name.to_owned()).collect();
        // The second name that Better Auth itself knows is for those who come from there.
        read.borrow_mut().remove("AUTH_SECRET");
        assert_eq!(read.into_inner(), told);
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named() {
        for value in ["0", "101", "-1", "1.5", "ten"] {
            assert_eq!(parse(&[("MAX_REQUEST_BODY_MB", value)]).unwrap_err().variable, "MAX_REQUEST_BODY_MB");
        }
        assert_eq!(parse(&[("SOURCE_TIMEOUT_MS", "99")]).unwrap_err().variable, "SOURCE_TIMEOUT_MS");
        let error = parse(&[("CORS_ALLOWED_ORIGINS", "https://a.example, *")]).unwrap_err();
        assert_eq!(error.variable, "CORS_ALLOWED_ORIGINS");
    }

    #[test]
    fn a_policy_that_cannot_be_used_is_named() {
        let error = parse(&[("RATE_LIMIT_POLICIES", r#"{ "reads": { "seconds": 0 } }"#)]).unwrap_err();
        assert_eq!(error.variable, "RATE_LIMIT_POLICIES");
        assert!(error.expected.contains("reads.seconds"), "{error}");
        assert_eq!(parse(&[("RATE_LIMIT_FIELDS", "draft-12")]).unwrap_err().variable, "RATE_LIMIT_FIELDS");
        assert_eq!(
            parse(&[("TURNSTILE_VERIFY_URL", "siteverify")]).unwrap_err().variable,
            "TURNSTILE_VERIFY_URL"
        );
    }

    #[test]
    fn a_webhook_secret_that_is_none_is_named() {
        for variable in ["CLERK_WEBHOOK_SECRET", "WEBHOOK_SECRET"] {
            assert_eq!(parse(&[(variable, "whsec_?")]).unwrap_err().variable, variable);
        }
    }

    #[test]
    fn notices_go_where_the_settings_say() {
        let nowhere =
            parse(&[("WEBHOOK_SECRET", "whsec_MDEy"), ("DATADOG_URL", "https://d.example")]).unwrap();
        assert!(nowhere.webhook.is_none() && nowhere.sentry.is_none() && nowhere.datadog.is_none());

        let url = ("WEBHOOK_URL", "https://hooks.example/hidden");
        assert!(parse(&[url]).unwrap().webhook.unwrap().key.is_none());
        let config = parse(&[url, ("WEBHOOK_SECRET", "whsec_MDEy"), ("DATADOG_API_KEY", "hidden")]).unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
        let (webhook, datadog) = (config.webhook.unwrap(), config.datadog.unwrap());
        assert_eq!((webhook.url.reveal(), webhook.key.unwrap().bytes()), (url.1, b"012".as_slice()));
        assert_eq!((datadog.url.as_str(), datadog.key.reveal()), (DATADOG, "hidden"));
    }

    #[test]
    fn notices_are_not_sent_where_others_can_read_them() {
        let development = ("ENVIRONMENT", "development");
        let key = ("DATADOG_API_KEY", "1");
        for variable in ["WEBHOOK_URL", "DATADOG_URL"] {
            for here in ["http://127.0.0.1:1/a", "http://localhost/", "http://[::1]:1", "https://a.example"] {
                assert!(parse(&[(variable, here), key, development]).is_ok(), "{here}");
            }
            for (url, variables) in [
                ("http://127.0.0.1:1/a", &[key][..]),
                ("http://a.example", &[key, development]),
                ("http://10.0.0.1", &[development]),
                ("ftp://localhost", &[development]),
                ("https://me:hidden@a.example", &[key]),
                ("a.example/hooks", &[]),
            ] {
                let error = parse(&[variables, &[(variable, url)]].concat()).unwrap_err();
                assert_eq!(error.variable, variable, "{url}");
            }
        }
        assert_eq!(parse(&[("DATADOG_API_KEY", "1 2")]).unwrap_err().variable, "DATADOG_API_KEY");
    }

    #[test]
    fn a_dsn_says_where_envelopes_go() {
        for (dsn, url) in [
            ("https://abc@o1.ingest.sentry.io/42", "https://o1.ingest.sentry.io/api/42/envelope/"),
            (
                "https://abc:old@Sentry.example:8443/a/b/42",
                "https://sentry.example:8443/a/b/api/42/envelope/",
            ),
        ] {
            let sentry = Sentry { envelope_url: url.to_owned(), public_key: "abc".to_owned() };
            let config = parse(&[("SENTRY_DSN", dsn)]).unwrap();
            assert_eq!((config.sentry_dsn.as_deref(), config.sentry), (Some(dsn), Some(sentry)));
        }
        for dsn in [
            "https://sentry.io/42",
            "https://abc@sentry.io",
            "https://abc@sentry.io/",
            "abc",
            "http://a@b.c/1",
        ] {
            assert_eq!(parse(&[("SENTRY_DSN", dsn)]).unwrap_err().variable, "SENTRY_DSN", "{dsn}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let secrets = [
            ("ADMIN_KEY", "hidden"),
            ("BETTER_AUTH_SECRET", "hidden"),
            ("TURNSTILE_SECRET_KEY", "hidden"),
            ("RESEND_API_KEY", "hidden"),
            ("MAIL_FROM", "a@example.com"),
        ];
        let config = parse(&secrets).unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
    }

    #[test]
    fn the_base_url_is_an_origin() {
        let url = |value| parse(&[("BETTER_AUTH_URL", value)]).unwrap();
        let own = "http://localhost:8787";
        assert_eq!(url("https://App.example.com/x").base_url(own), "https://app.example.com");
        assert_eq!(url("http://localhost:1/").base_url(own), "http://localhost:1");
        assert_eq!(parse(&[("BETTER_AUTH_URL", "app")]).unwrap_err().variable, "BETTER_AUTH_URL");
        assert_eq!(parse(&[]).unwrap().base_url(own), "https://localhost:8787");
        assert_eq!(parse(&[("ENVIRONMENT", "development")]).unwrap().base_url(own), own);
    }

    #[test]
    fn empty_values_are_unset() {
        let config = parse(&[("TURNSTILE_SECRET_KEY", ""), ("MAX_REQUEST_BODY_MB", " ")]).unwrap();
        assert!(config.turnstile.is_none());
        assert_eq!(config.max_body_bytes, 1_048_576);
    }

    #[test]
    fn sources_on_loopback_need_both_settings() {
        let allow = ("SOURCE_ALLOW_PRIVATE", "true");
        assert!(!parse(&[allow]).unwrap().sources_on_loopback);
        assert!(!parse(&[("ENVIRONMENT", "development")]).unwrap().sources_on_loopback);
        assert!(parse(&[allow, ("ENVIRONMENT", "development")]).unwrap().sources_on_loopback);
    }

    #[test]
    fn mails_leave_through_a_provider_or_are_for_developers() {
        let mailer = |variables: &[(&str, &str)]| parse(variables).map(|config| config.mailer);
        let (key, from) = (("RESEND_API_KEY", "re_1"), ("MAIL_FROM", "Bloqr <a@example.com>"));
        assert!(mailer(&[]).unwrap().is_none() && mailer(&[from]).unwrap().is_none());
        assert!(matches!(mailer(&[("ENVIRONMENT", "development")]).unwrap(), Some(Mailer::Log)));
        let resend = mailer(&[key, from]).unwrap();
        assert!(matches!(resend, Some(Mailer::Provider { url, .. }) if url == RESEND));
        for (variables, named) in [
            (&[key][..], "MAIL_FROM"),
            (&[key, ("MAIL_FROM", "Bloqr")], "MAIL_FROM"),
            (&[("RESEND_API_KEY", "re 1"), from], "RESEND_API_KEY"),
            (&[key, from, ("MAIL_API_URL", "emails")], "MAIL_API_URL"),
        ] {
            assert_eq!(mailer(variables).unwrap_err().variable, named);
        }
    }

    #[test]
    fn clerk_can_be_switched_off() {
        let key = ("CLERK_PUBLISHABLE_KEY", "pk_test_1");
        assert_eq!(parse(&[key]).unwrap().clerk_publishable_key.as_deref(), Some("pk_test_1"));
        assert_eq!(parse(&[key, ("DISABLE_CLERK_FALLBACK", "true")]).unwrap().clerk_publishable_key, None);
    }

    #[test]
    fn issuers_are_those_that_the_settings_name() {
        let url = ("CLERK_JWKS_URL", "https://Clerk.example.com/.well-known/jwks.json");
        let issuers = |more: &[_]| parse(&[&[url], more].concat()).unwrap().clerk.unwrap().issuers;
        assert_eq!(issuers(&[]), ["https://clerk.example.com"]);
        let key = ("CLERK_PUBLISHABLE_KEY", "pk_test_dGlkeS1vdHRlci03LmNsZXJrLmFjY291bnRzLmRldiQ=");
        let more = ("CLERK_ISSUERS", "https://app.example.com/__clerk/, ,http://127.0.0.1:1");
        let all = [
            "https://clerk.example.com",
            "https://tidy-otter-7.clerk.accounts.dev",
            "https://app.example.com/__clerk",
            "http://127.0.0.1:1",
        ];
        assert_eq!(issuers(&[key, more]), all);
        assert!(parse(&[key, more]).unwrap().clerk.is_none());
        assert!(parse(&[url, ("DISABLE_CLERK_FALLBACK", "true")]).unwrap().clerk.is_none());
        for unusable in ["jwks.json", "ftp://clerk.example.com", "https://me:hidden@clerk.example.com"] {
            let error = parse(&[("CLERK_JWKS_URL", unusable)]).unwrap_err();
            assert_eq!(error.variable, "CLERK_JWKS_URL");
        }
        assert_eq!(parse(&[url, ("CLERK_ISSUERS", "clerk")]).unwrap_err().variable, "CLERK_ISSUERS");
    }

    #[test]
    fn access_needs_a_team_and_an_application() {
        let (team, audience) = (("CF_ACCESS_TEAM_DOMAIN", "Bloqr"), ("CF_ACCESS_AUD", "hidden"));
        for name in ["Bloqr", "bloqr.cloudflareaccess.com"] {
            let config = parse(&[("CF_ACCESS_TEAM_DOMAIN", name), audience]).unwrap();
            assert!(!format!("{config:?}").contains("hidden"));
            let access = config.access.unwrap();
            assert_eq!(access.issuer, "https://bloqr.cloudflareaccess.com");
            assert_eq!(access.certs_url, "https://bloqr.cloudflareaccess.com/cdn-cgi/access/certs");
        }
        let certs = ("CF_ACCESS_CERTS_URL", "http://127.0.0.1:1/certs");
        let access = parse(&[team, audience, certs]).unwrap().access.unwrap();
        assert_eq!(access.issuer, "https://bloqr.cloudflareaccess.com");
        assert_eq!(access.certs_url, "http://127.0.0.1:1/certs");

        assert!(parse(&[certs]).unwrap().access.is_none());
        let unusable = |variables: &[_]| parse(variables).unwrap_err().variable;
        assert_eq!(unusable(&[team]), "CF_ACCESS_AUD");
        assert_eq!(unusable(&[audience]), "CF_ACCESS_TEAM_DOMAIN");
        assert_eq!(unusable(&[team, audience, ("CF_ACCESS_CERTS_URL", "certs")]), "CF_ACCESS_CERTS_URL");
        for name in ["https://bloqr.cloudflareaccess.com", ".cloudflareaccess.com", "evil.example", "a/b"] {
            assert_eq!(unusable(&[("CF_ACCESS_TEAM_DOMAIN", name), audience]), "CF_ACCESS_TEAM_DOMAIN");
        }
    }

    #[test]
    fn lists_to_be_kept_at_hand_are_checked_at_once() {
        let parse = |text: &str| {
            let text = text.to_owned();
            Config::parse(|name| (name == "CACHE_WARM_CONFIGURATIONS").then(|| text.clone()))
        };
        let good = r#"[{"name":"N","sources":[{"source":"https://example.org/a"}]}]"#;
        assert_eq!(parse(good).unwrap().warm_configurations.len(), 1);
        for bad in ["{}", "[{}]", r#"[{"name":"N","sources":[]}]"#] {
            assert_eq!(parse(bad).unwrap_err().variable, "CACHE_WARM_CONFIGURATIONS", "{bad}");
        }
    }
}
