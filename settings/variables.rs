//! The table.

use crate::form::Form;

/// A variable that is read.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Who may see it, and who reads it.
    pub kind: Kind,
    /// What it is for.
    pub purpose: &'static str,
    /// Where a value comes from.
    pub origin: &'static str,
    /// When the service needs it in production.
    pub needed: Needed,
    /// What a value must look like.
    pub form: Form,
    /// What to do to change it, and what that does.
    pub rotation: &'static str,
    /// A value for development, obviously fake.
    pub example: &'static str,
    /// Whether development starts with the example's value; others are shown commented out.
    pub is_set_in_development: bool,
}

/// Who may see a variable, and who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The Worker reads it, and nobody may see it.
    Secret,
    /// The Worker reads it; it may stand in wrangler.toml.
    Setting,
    /// An operator's commands read it.
    Operator,
}

/// When the service needs a variable in production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// Always.
    Always,
    /// While this other one is set.
    With(&'static str),
    /// Never: what is said here is off or has a default without it.
    Optional(&'static str),
}

/// The row of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

const OWN: &str = "`cargo xtask secrets NAME` makes one";
const SETTING: &str = "wrangler.toml, `[vars]`";
const REDEPLOY: &str = "change it in wrangler.toml and deploy";

const fn secret(name: &'static str, purpose: &'static str, form: Form) -> Variable {
    Variable {
        name,
        kind: Kind::Secret,
        purpose,
        origin: OWN,
        needed: Needed::Always,
        form,
        rotation: "`cargo xtask secrets NAME`; the old value is over at once",
        example: "",
        is_set_in_development: false,
    }
}

const fn setting(name: &'static str, purpose: &'static str, form: Form) -> Variable {
    Variable {
        name,
        kind: Kind::Setting,
        purpose,
        origin: SETTING,
        needed: Needed::Optional(""),
        form,
        rotation: REDEPLOY,
        example: "",
        is_set_in_development: false,
    }
}

const fn operator(name: &'static str, purpose: &'static str, form: Form) -> Variable {
    Variable {
        name,
        kind: Kind::Operator,
        purpose,
        origin: "",
        needed: Needed::Optional(""),
        form,
        rotation: "make another one there, and put it where the commands run",
        example: "",
        is_set_in_development: false,
    }
}

/// All of them, in the order in which an operator meets them.
pub const VARIABLES: &[Variable] = &[
    Variable {
        needed: Needed::Always,
        example: "development",
        is_set_in_development: true,
        ..setting(
            "ENVIRONMENT",
            "`production` closes all doors that exist for development.",
            Form::Word(&["production", "development"]),
        )
    },
    Variable {
        rotation: "`cargo xtask secrets BETTER_AUTH_SECRET`; every session and every mailed link ends at once",
        example: "fake-development-secret-not-for-production",
        is_set_in_development: true,
        ..secret("BETTER_AUTH_SECRET", "Signs sessions and mailed links.", Form::Random { min_bytes: 32 })
    },
    Variable {
        needed: Needed::Always,
        example: "http://localhost:8787",
        ..setting(
            "BETTER_AUTH_URL",
            "Where clients reach the service: https makes cookies `Secure`. The request's own origin if unset.",
            Form::HttpsUrl,
        )
    },
    Variable {
        needed: Needed::Optional("only pages of CORS_ALLOWED_ORIGINS and of the service itself sign in"),
        example: "https://*.example.com",
        ..setting(
            "BETTER_AUTH_TRUSTED_ORIGINS",
            "Further origins whose pages may sign in, separated by commas; `*` and `?` stand for anything.",
            Form::Text,
        )
    },
    Variable {
        needed: Needed::Optional("on in production, off elsewhere"),
        example: "true",
        ..setting(
            "AUTH_RATE_LIMIT",
            "Whether sign-ins and the like are limited as Better Auth does.",
            Form::Word(&["true", "false"]),
        )
    },
    Variable {
        origin: "`cargo xtask secrets ADMIN_KEY --to COMMAND` makes one and hands it to your own store, too",
        rotation: "`cargo xtask secrets ADMIN_KEY --to COMMAND`; the old key is refused from the next request on",
        example: "fake-development-admin-key-not-for-production-000000",
        is_set_in_development: true,
        ..secret("ADMIN_KEY", "Opens the admin API.", Form::Random { min_bytes: 48 })
    },
    Variable {
        origin: "Clerk's dashboard, Webhooks, signing secret",
        needed: Needed::With("CLERK_JWKS_URL"),
        rotation: "roll it at Clerk, which signs with both for a day, then `wrangler secret put CLERK_WEBHOOK_SECRET`",
        example: "whsec_ZmFrZS1kZXZlbG9wbWVudC1zZWNyZXQ=",
        is_set_in_development: true,
        ..secret("CLERK_WEBHOOK_SECRET", "Verifies Clerk's webhooks.", Form::Signing)
    },
    Variable {
        origin: "Clerk's dashboard, API keys, JWKS URL",
        needed: Needed::Optional("tokens of Clerk's are not accepted"),
        example: "http://127.0.0.1:9999/.well-known/jwks.json",
        ..setting(
            "CLERK_JWKS_URL",
            "Where Clerk's keys are: its tokens are accepted while it is set.",
            Form::HttpsUrl,
        )
    },
    Variable {
        origin: "Clerk's dashboard, API keys",
        needed: Needed::With("CLERK_JWKS_URL"),
        example: "pk_test_dGlkeS1vdHRlci03LmNsZXJrLmFjY291bnRzLmRldiQ=",
        ..setting(
            "CLERK_PUBLISHABLE_KEY",
            "Given to browsers, which sign in by Clerk with it.",
            Form::Prefix(&["pk_live_", "pk_test_"]),
        )
    },
    Variable {
        needed: Needed::Optional("the instance that the key names is the only issuer"),
        example: "https://app.example.com/__clerk",
        ..setting(
            "CLERK_ISSUERS",
            "Further issuers of tokens, separated by commas: a proxy in front of Clerk, for example.",
            Form::HttpsUrls,
        )
    },
    Variable {
        needed: Needed::Optional("Clerk counts"),
        example: "true",
        ..setting("DISABLE_CLERK_FALLBACK", "While `true`, tokens of Clerk's count for nothing.", Form::Flag)
    },
    Variable {
        needed: Needed::Optional("webhooks are taken"),
        example: "true",
        ..setting(
            "DISABLE_CLERK_WEBHOOKS",
            "While `true`, webhooks of Clerk's are refused for good.",
            Form::Flag,
        )
    },
    Variable {
        origin: "Cloudflare Zero Trust, Settings, team domain",
        needed: Needed::With("CF_ACCESS_AUD"),
        example: "fake-team.cloudflareaccess.com",
        ..setting(
            "CF_ACCESS_TEAM_DOMAIN",
            "The team whose Cloudflare Access stands before the admin API.",
            Form::Text,
        )
    },
    Variable {
        origin: "Cloudflare Zero Trust, Access, the application's audience tag",
        needed: Needed::Optional("the admin API asks for its key or for an admin, and not for Access"),
        rotation: "make another application, then `wrangler secret put CF_ACCESS_AUD`; tokens for the old one are refused",
        example: "fake-audience-of-the-application",
        ..secret("CF_ACCESS_AUD", "The application that a token of Access must be for.", Form::Text)
    },
    Variable {
        origin: "Cloudflare Zero Trust, Access, service tokens",
        needed: Needed::Optional("any service with a good token passes"),
        rotation: "make another service token, then `wrangler secret put CF_ACCESS_CLIENT_ID`",
        example: "fake-client-id.access",
        ..secret("CF_ACCESS_CLIENT_ID", "The only service that may pass Access.", Form::Text)
    },
    Variable {
        needed: Needed::Optional("the team's own address"),
        example: "http://127.0.0.1:9999/cdn-cgi/access/certs",
        ..setting("CF_ACCESS_CERTS_URL", "Where the keys of Access are.", Form::HttpsUrl)
    },
    Variable {
        origin: "Cloudflare's dashboard, Turnstile",
        needed: Needed::Always,
        example: "1x00000000000000000000AA",
        ..setting("TURNSTILE_SITE_KEY", "Given to browsers, which show Turnstile with it.", Form::Text)
    },
    Variable {
        origin: "Cloudflare's dashboard, Turnstile",
        rotation: "rotate it there, which keeps the old one for two hours, then `wrangler secret put TURNSTILE_SECRET_KEY`",
        example: "1x0000000000000000000000000000000AA",
        ..secret(
            "TURNSTILE_SECRET_KEY",
            "Verifies tokens of Turnstile, which is off while it is unset.",
            Form::Text,
        )
    },
    Variable {
        needed: Needed::Optional("Cloudflare's own address"),
        example: "http://127.0.0.1:9999/siteverify",
        ..setting("TURNSTILE_VERIFY_URL", "Where tokens of Turnstile are verified.", Form::HttpsUrl)
    },
    Variable {
        needed: Needed::Always,
        example: "http://localhost:4200",
        ..setting(
            "CORS_ALLOWED_ORIGINS",
            "Origins of browser pages that may call, separated by commas; local development's if unset.",
            Form::HttpsUrls,
        )
    },
    Variable {
        needed: Needed::Optional("policies.json as it is"),
        example: r#"'{ "requests": { "quota": { "anonymous": 100 } } }'"#,
        ..setting(
            "RATE_LIMIT_POLICIES",
            "Changes policies of policies.json or adds some; a JSON object.",
            Form::Json,
        )
    },
    Variable {
        needed: Needed::Optional("draft-11"),
        example: "draft-11",
        ..setting(
            "RATE_LIMIT_FIELDS",
            "Parameters of the `RateLimit` field: `draft-11` (r, t), or `next` (a, w).",
            Form::Word(&["draft-11", "next"]),
        )
    },
    Variable {
        needed: Needed::Optional("1"),
        example: "10",
        ..setting(
            "MAX_REQUEST_BODY_MB",
            "Bound of a request body in MiB.",
            Form::Whole { least: 1, most: 100 },
        )
    },
    Variable {
        needed: Needed::Optional("30000"),
        example: "30000",
        ..setting(
            "SOURCE_TIMEOUT_MS",
            "Time for one source in milliseconds, all redirects included.",
            Form::Whole { least: 100, most: 30_000 },
        )
    },
    Variable {
        needed: Needed::Optional("sources are public addresses"),
        example: "true",
        ..setting(
            "SOURCE_ALLOW_PRIVATE",
            "Whether lists may be served on 127.0.0.1; never in production.",
            Form::Flag,
        )
    },
    Variable {
        needed: Needed::Optional("no list is kept at hand"),
        example: r#"[{"name":"Popular","sources":[{"source":"https://example.org/list.txt"}]}]"#,
        ..setting(
            "CACHE_WARM_CONFIGURATIONS",
            "Lists that the schedule keeps at hand: a JSON array of at most 20 configurations.",
            Form::Json,
        )
    },
    Variable {
        origin: "Resend's dashboard, API keys; or a provider's with its interface",
        needed: Needed::Optional("nobody gets mails: no verified addresses, no forgotten passwords"),
        rotation: "make another one there, `wrangler secret put RESEND_API_KEY`, then delete the old one there",
        example: "fake-mail-key",
        ..secret(
            "RESEND_API_KEY",
            "Sends mails; in development they are written to the log without it.",
            Form::Text,
        )
    },
    Variable {
        needed: Needed::With("RESEND_API_KEY"),
        example: "'Bloqr <no-reply@example.com>'",
        ..setting("MAIL_FROM", "Who mails are from.", Form::Address)
    },
    Variable {
        needed: Needed::Optional("Resend's own address"),
        example: "http://127.0.0.1:9999/emails",
        ..setting("MAIL_API_URL", "Where mails are handed over.", Form::HttpsUrl)
    },
    Variable {
        origin: "whoever is to hear of notices",
        needed: Needed::Optional("no webhook is sent"),
        rotation: "`wrangler secret put WEBHOOK_URL`",
        example: "http://127.0.0.1:9999/hooks",
        ..secret(
            "WEBHOOK_URL",
            "Where notices (POST /api/notify) go. Nobody can guess it, so it is a secret.",
            Form::HttpsUrl,
        )
    },
    Variable {
        needed: Needed::Optional("webhooks are not signed"),
        origin: "`cargo xtask secrets WEBHOOK_SECRET --to COMMAND` makes one and hands it to the receiver, too",
        rotation: "`cargo xtask secrets WEBHOOK_SECRET --to COMMAND`; the receiver has it first",
        example: "whsec_ZmFrZS1kZXZlbG9wbWVudC1ob29rcw==",
        ..secret("WEBHOOK_SECRET", "Signs webhooks as Svix does.", Form::Signing)
    },
    Variable {
        origin: "Sentry, the project's client keys",
        needed: Needed::Optional("nothing is reported to Sentry"),
        rotation: "make another key there, `wrangler secret put SENTRY_DSN`, then disable the old one there",
        example: "https://fake-key@sentry.example.com/1",
        ..secret("SENTRY_DSN", "Where notices go at Sentry. Browsers are given it, too.", Form::HttpsUrl)
    },
    Variable {
        needed: Needed::Optional("notices name no release"),
        example: "bloqr-backend@0.1.0",
        ..setting("SENTRY_RELEASE", "The release that is told with every notice.", Form::Text)
    },
    Variable {
        origin: "Datadog, Organization Settings, API keys",
        needed: Needed::Optional("nothing is reported to Datadog"),
        rotation: "make another one there, `wrangler secret put DATADOG_API_KEY`, then revoke the old one there",
        example: "fake-datadog-key",
        ..secret("DATADOG_API_KEY", "Reports notices to Datadog.", Form::Text)
    },
    Variable {
        needed: Needed::Optional("Datadog's first region"),
        example: "http://127.0.0.1:9999/api/v1/events",
        ..setting("DATADOG_URL", "Where Datadog takes events.", Form::HttpsUrl)
    },
    Variable {
        needed: Needed::Optional("the version of the code"),
        example: "1.2.3",
        ..setting("COMPILER_VERSION", "The version that clients are shown.", Form::Text)
    },
    Variable {
        origin: "Cloudflare's dashboard, API tokens: Workers, D1, Queues, Hyperdrive",
        example: "fake-cloudflare-token",
        ..operator("CLOUDFLARE_API_TOKEN", "Lets the commands talk to the account.", Form::Text)
    },
    Variable {
        origin: "Cloudflare's dashboard, the account's overview",
        example: "00000000000000000000000000000000",
        ..operator("CLOUDFLARE_ACCOUNT_ID", "Which account that is.", Form::Text)
    },
    Variable {
        origin: "the database's own page: the direct connection string, not the pooled one",
        example: "postgres://fake-user:fake-password@127.0.0.1:5432/bloqr",
        ..operator("DATABASE_URL", "Where `cargo xtask migrate --remote` finds PostgreSQL.", Form::Direct)
    },
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once() {
        for (n, variable) in VARIABLES.iter().enumerate() {
            assert!(
                VARIABLES.iter().skip(n + 1).all(|other| other.name != variable.name),
                "{}",
                variable.name
            );
        }
    }

    #[test]
    fn what_another_needs_is_there() {
        for variable in VARIABLES {
            if let Needed::With(other) = variable.needed {
                assert!(find(other).is_some(), "{}: {other}", variable.name);
            }
        }
    }

    #[test]
    fn secrets_of_development_would_never_do_in_production() {
        for variable in VARIABLES
            .iter()
            .filter(|variable| variable.is_set_in_development && variable.kind == Kind::Secret)
        {
            assert!(variable.form.check(variable.example, true).is_err(), "{}", variable.name);
            assert_eq!(variable.form.check(variable.example, false), Ok(()), "{}", variable.name);
        }
    }
}
