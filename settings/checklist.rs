//! The checklist before a deployment. What it judges is handed to it; finding that out is the command's business.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::variables::{Kind, Needed, VARIABLES, find};

/// What is known of a deployment.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Values, if they can be seen: those of a file, with wrangler.toml's own beneath.
    pub values: Option<BTreeMap<String, String>>,
    /// Names of the secrets that are set at the platform, if it could be asked.
    pub set_secrets: Option<BTreeSet<String>>,
    /// `[vars]` of wrangler.toml.
    pub vars: BTreeMap<String, String>,
    /// Ids of resources in wrangler.toml, by binding.
    pub ids: BTreeMap<String, String>,
    /// Bindings in wrangler.toml.
    pub bindings: BTreeSet<String>,
    /// Bindings that the code reads.
    pub wanted_bindings: BTreeSet<String>,
    /// The text of policies.json.
    pub policies: String,
    /// Rows of the route table, as they stand in the code.
    pub routes: Vec<String>,
    /// Places where a statement is put together from texts.
    pub built_statements: Vec<String>,
    /// Secrets that the workflows of the CI name.
    pub workflow_secrets: BTreeSet<String>,
}

/// One line of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What is looked at.
    pub title: String,
    /// How it stands.
    pub outcome: Outcome,
}

/// How a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Not so; and what to do.
    Failed(String),
    /// It can't be seen from here; and where it can.
    Unknown(String),
}

/// Tiers in the order of what they may.
const TIERS: [&str; 3] = ["anonymous", "free", "pro"];
/// Secrets that a deployment by the CI needs.
const CI_SECRETS: [&str; 3] = ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "DATABASE_URL"];

/// Everything that is to be looked at before a deployment.
#[must_use]
pub fn checklist(facts: &Facts) -> Vec<Line> {
    let mut lines: Vec<Line> = VARIABLES
        .iter()
        .filter(|variable| variable.kind != Kind::Operator)
        .map(|variable| of_variable(facts, variable.name))
        .collect();
    lines.extend([
        line("no secret in wrangler.toml", no_secret_in_vars(facts)),
        line("only known variables in wrangler.toml", only_known_vars(facts)),
        line("wrangler.toml names resources of an account", real_ids(facts)),
        line("every binding that the code reads is there", all_bindings(facts)),
        line("no door for development is open", no_development_doors(facts)),
        line("cookies are Secure", secure_cookies(facts)),
        line("Turnstile has both of its keys", pair(facts, "TURNSTILE_SITE_KEY", "TURNSTILE_SECRET_KEY")),
        line(
            "Cloudflare Access has both of its values",
            pair(facts, "CF_ACCESS_TEAM_DOMAIN", "CF_ACCESS_AUD"),
        ),
        line("limits rise with the tiers", rising_limits(facts)),
        line("every admin route asks for an admin", guarded_routes(facts)),
        line("statements are prepared, never put together", prepared_statements(facts)),
        line("the CI names the secrets of a deployment", ci_secrets(facts)),
        line(
            "Hyperdrive leads to a pooler",
            Outcome::Unknown("look at it with `wrangler hyperdrive get`".to_owned()),
        ),
    ]);
    lines
}

fn line(title: impl Into<String>, outcome: Outcome) -> Line {
    Line { title: title.into(), outcome }
}

fn of_variable(facts: &Facts, name: &str) -> Line {
    let Some(variable) = find(name) else {
        return line(name, Outcome::Failed("is not in the table".to_owned()));
    };
    let is_set = |name: &str| is_set(facts, name);
    let value = value(facts, name);
    let to_do = match variable.kind {
        Kind::Secret => format!("`cargo xtask secrets {name}`, or `wrangler secret put {name}`"),
        _ => "set it in wrangler.toml, `[vars]`".to_owned(),
    };
    let outcome = match (is_set(name), value) {
        (_, Some(value)) => match variable.form.check(value, true) {
            Ok(()) => Outcome::Passed,
            Err(expected) => Outcome::Failed(format!("{expected}: {to_do}")),
        },
        (Some(true), None) => Outcome::Passed,
        (None, None) => {
            Outcome::Unknown("name a file with --vars, or sign in with `wrangler login`".to_owned())
        }
        (Some(false), None) => match variable.needed {
            Needed::Optional(_) => Outcome::Passed,
            Needed::Always => Outcome::Failed(format!("is not set: {to_do}")),
            Needed::With(other) => match is_set(other) {
                Some(true) => Outcome::Failed(format!("is not set, and {other} is: {to_do}")),
                Some(false) => Outcome::Passed,
                None => Outcome::Unknown(format!("whether {other} is set is not known here")),
            },
        },
    };
    line(name, outcome)
}

fn value<'a>(facts: &'a Facts, name: &str) -> Option<&'a str> {
    let of_file = facts.values.as_ref().and_then(|values| values.get(name));
    of_file.or_else(|| facts.vars.get(name)).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// None if that can't be seen.
fn is_set(facts: &Facts, name: &str) -> Option<bool> {
    if value(facts, name).is_some() {
        return Some(true);
    }
    let is_secret = find(name).is_some_and(|variable| variable.kind == Kind::Secret);
    match (&facts.set_secrets, &facts.values, is_secret) {
        (Some(secrets), _, true) => Some(secrets.contains(name)),
        (None, None, true) => None,
        _ => Some(false),
    }
}

fn failed_with(found: &[String], to_do: &str) -> Outcome {
    if found.is_empty() { Outcome::Passed } else { Outcome::Failed(format!("{}: {to_do}", found.join(", "))) }
}

fn no_secret_in_vars(facts: &Facts) -> Outcome {
    let is_secret = |name: &String| find(name).is_some_and(|variable| variable.kind == Kind::Secret);
    let found: Vec<String> = facts.vars.keys().filter(|name| is_secret(name)).cloned().collect();
    failed_with(&found, "take it out, and set it with `wrangler secret put`")
}

fn only_known_vars(facts: &Facts) -> Outcome {
    let found: Vec<String> = facts.vars.keys().filter(|name| find(name).is_none()).cloned().collect();
    failed_with(&found, "nothing reads it; is the name mistyped?")
}

fn real_ids(facts: &Facts) -> Outcome {
    let is_blank = |id: &String| id.chars().all(|sign| sign == '0' || sign == '-');
    let found: Vec<String> =
        facts.ids.iter().filter(|(_, id)| is_blank(id)).map(|(binding, _)| binding.clone()).collect();
    failed_with(&found, "make the resource (docs/operations.md) and write its id down")
}

fn all_bindings(facts: &Facts) -> Outcome {
    let found: Vec<String> = facts.wanted_bindings.difference(&facts.bindings).cloned().collect();
    failed_with(&found, "wrangler.toml lacks it")
}

fn no_development_doors(facts: &Facts) -> Outcome {
    if value(facts, "ENVIRONMENT").is_some_and(|value| value != "production") {
        return Outcome::Failed("ENVIRONMENT is another: set it to production".to_owned());
    }
    if value(facts, "SOURCE_ALLOW_PRIVATE") == Some("true") {
        return Outcome::Failed(
            "SOURCE_ALLOW_PRIVATE lets sources lie on the machine itself: unset it".to_owned(),
        );
    }
    Outcome::Passed
}

fn secure_cookies(facts: &Facts) -> Outcome {
    match value(facts, "BETTER_AUTH_URL") {
        Some(url) if url.starts_with("https://") => Outcome::Passed,
        _ => Outcome::Failed("BETTER_AUTH_URL must be the https address of the service".to_owned()),
    }
}

fn pair(facts: &Facts, first: &str, second: &str) -> Outcome {
    match (is_set(facts, first), is_set(facts, second)) {
        (Some(true), Some(false)) => {
            Outcome::Failed(format!("{first} is set and {second} is not: set both or neither"))
        }
        (Some(false), Some(true)) => {
            Outcome::Failed(format!("{second} is set and {first} is not: set both or neither"))
        }
        (Some(_), Some(_)) => Outcome::Passed,
        _ => Outcome::Unknown("name a file with --vars, or sign in with `wrangler login`".to_owned()),
    }
}

fn rising_limits(facts: &Facts) -> Outcome {
    let quotas = |text: &str| -> Option<Value> {
        serde_json::from_str::<Value>(text).ok()?.get("requests")?.get("quota").cloned()
    };
    let Some(built_in) = quotas(&facts.policies) else {
        return Outcome::Failed("policies.json has no quota for `requests`".to_owned());
    };
    let changed = value(facts, "RATE_LIMIT_POLICIES").and_then(quotas);
    let of_tier = |tier: &str| {
        let of =
            |quota: &Value| if quota.is_object() { quota.get(tier).cloned() } else { Some(quota.clone()) };
        let quota = changed.as_ref().map_or_else(|| of(&built_in), of)?;
        // What is unlimited is more than any number.
        Some(quota.as_u64().unwrap_or(u64::MAX))
    };
    let limits: Vec<Option<u64>> = TIERS.iter().map(|tier| of_tier(tier)).collect();
    let without: Vec<String> = TIERS
        .iter()
        .zip(&limits)
        .filter(|(_, limit)| limit.is_none())
        .map(|(tier, _)| (*tier).to_owned())
        .collect();
    if !without.is_empty() {
        return failed_with(&without, "has no limit on requests");
    }
    if limits.is_sorted() {
        Outcome::Passed
    } else {
        Outcome::Failed("a lower tier may more than a higher one: change RATE_LIMIT_POLICIES".to_owned())
    }
}

/// A row is method, path, mount, demand, and what else there is.
fn guarded_routes(facts: &Facts) -> Outcome {
    let is_open = |row: &&String| {
        let mut words = row.split_whitespace().skip(1);
        let is_admins = words.next().is_some_and(|path| path.trim_matches('"').starts_with("/admin"));
        is_admins && words.nth(1) != Some("ADMIN")
    };
    let found: Vec<String> = facts.routes.iter().filter(is_open).cloned().collect();
    if facts.routes.is_empty() {
        return Outcome::Failed("the route table was not found".to_owned());
    }
    failed_with(&found, "give it the demand ADMIN")
}

fn prepared_statements(facts: &Facts) -> Outcome {
    failed_with(&facts.built_statements, "bind values instead")
}

fn ci_secrets(facts: &Facts) -> Outcome {
    let missing: Vec<String> = CI_SECRETS
        .iter()
        .filter(|name| !facts.workflow_secrets.contains(**name))
        .map(|name| (*name).to_owned())
        .collect();
    failed_with(&missing, "no workflow names it, so none deploys")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// A deployment with which nothing is wrong.
    fn sound() -> Facts {
        Facts {
            values: Some(map(&[
                ("BETTER_AUTH_SECRET", "q7Zk2mV9xW4pL8sT1nB6cR3yD5fG0hJa"),
                ("ADMIN_KEY", "q7Zk2mV9xW4pL8sT1nB6cR3yD5fG0hJaUeXoCiQwMzNvKtYr"),
                ("TURNSTILE_SECRET_KEY", "0x4AAAAAAAfoo"),
                ("CLERK_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            ])),
            set_secrets: None,
            vars: map(&[
                ("ENVIRONMENT", "production"),
                ("BETTER_AUTH_URL", "https://api.bloqr.example"),
                ("TURNSTILE_SITE_KEY", "0x4AAAAAAAbar"),
                ("CORS_ALLOWED_ORIGINS", "https://bloqr.example"),
            ]),
            ids: map(&[("DB", "3f9d2c1b-0000-4000-8000-1234567890ab")]),
            bindings: set(&["DB", "HYPERDRIVE"]),
            wanted_bindings: set(&["DB", "HYPERDRIVE"]),
            policies: r#"{"requests":{"quota":{"anonymous":10,"free":60,"pro":300,"admin":"unlimited"}}}"#
                .to_owned(),
            routes: vec![r#"Get "/admin/limits" Both ADMIN Requests x"#.to_owned()],
            built_statements: Vec::new(),
            workflow_secrets: set(&CI_SECRETS),
        }
    }

    fn failed(facts: &Facts) -> Vec<String> {
        let is_failed = |line: &Line| matches!(line.outcome, Outcome::Failed(_));
        checklist(facts).into_iter().filter(is_failed).map(|line| line.title).collect()
    }

    #[test]
    fn a_sound_deployment_passes() {
        assert_eq!(failed(&sound()), Vec::<String>::new());
    }

    #[test]
    fn nothing_set_is_told_name_by_name() {
        let facts = Facts { values: Some(BTreeMap::new()), vars: BTreeMap::new(), ..sound() };
        let needed = VARIABLES.iter().filter(|variable| variable.needed == Needed::Always);
        let mut expected: Vec<&str> = needed.map(|variable| variable.name).collect();
        expected.push("cookies are Secure");
        assert_eq!(failed(&facts), expected);
    }

    #[test]
    fn weak_values_are_told_name_by_name() {
        let weak = [
            ("BETTER_AUTH_SECRET", "short"),
            ("ADMIN_KEY", "fake-development-admin-key-not-for-production-000000"),
            ("CLERK_WEBHOOK_SECRET", "whsec_ZmFrZS1kZXZlbG9wbWVudC1zZWNyZXQ="),
            ("MAX_REQUEST_BODY_MB", "1000"),
            ("SENTRY_DSN", "http://key@sentry.example/1"),
        ];
        for (name, value) in weak {
            let mut facts = sound();
            facts.values.as_mut().unwrap().insert(name.to_owned(), value.to_owned());
            assert_eq!(failed(&facts), [name]);
        }
    }

    /// Each line is broken in turn, and that line alone says so.
    #[test]
    fn every_other_line_can_fail() {
        type Breaks = fn(&mut Facts);
        let cases: [(&str, Breaks); 13] = [
            ("no secret in wrangler.toml", |facts| {
                facts.vars.insert("DATADOG_API_KEY".to_owned(), "x".to_owned());
            }),
            ("only known variables in wrangler.toml", |facts| {
                facts.vars.insert("ENVIROMENT".to_owned(), "production".to_owned());
            }),
            ("wrangler.toml names resources of an account", |facts| {
                facts.ids.insert("HYPERDRIVE".to_owned(), "00000000000000000000000000000000".to_owned());
            }),
            ("every binding that the code reads is there", |facts| {
                facts.bindings.remove("DB");
            }),
            ("no door for development is open", |facts| {
                facts.vars.insert("ENVIRONMENT".to_owned(), "development".to_owned());
            }),
            ("no door for development is open", |facts| {
                facts.vars.insert("SOURCE_ALLOW_PRIVATE".to_owned(), "true".to_owned());
            }),
            ("Turnstile has both of its keys", |facts| {
                facts.vars.remove("TURNSTILE_SITE_KEY");
            }),
            ("Cloudflare Access has both of its values", |facts| {
                facts.vars.insert("CF_ACCESS_TEAM_DOMAIN".to_owned(), "team".to_owned());
            }),
            ("limits rise with the tiers", |facts| {
                let changed = r#"{"requests":{"quota":{"anonymous":100,"free":60,"pro":300}}}"#;
                facts.vars.insert("RATE_LIMIT_POLICIES".to_owned(), changed.to_owned());
            }),
            ("limits rise with the tiers", |facts| {
                let changed = r#"{"requests":{"quota":{"free":60,"pro":300}}}"#;
                facts.vars.insert("RATE_LIMIT_POLICIES".to_owned(), changed.to_owned());
            }),
            ("every admin route asks for an admin", |facts| {
                facts.routes.push(r#"Get "/admin/new" Both PUBLIC Requests x"#.to_owned());
            }),
            ("statements are prepared, never put together", |facts| {
                facts.built_statements.push("src/x.rs:1".to_owned());
            }),
            ("the CI names the secrets of a deployment", |facts| {
                facts.workflow_secrets.remove("DATABASE_URL");
            }),
        ];
        for (title, breaks) in cases {
            let mut facts = sound();
            breaks(&mut facts);
            assert!(failed(&facts).iter().any(|failed| failed == title), "{title}: {:?}", failed(&facts));
        }
    }

    #[test]
    fn what_cannot_be_seen_is_neither_good_nor_bad() {
        let facts = Facts { values: None, ..sound() };
        let secret = checklist(&facts).into_iter().find(|line| line.title == "ADMIN_KEY").unwrap();
        assert!(matches!(secret.outcome, Outcome::Unknown(_)), "{secret:?}");
        let facts = Facts { values: None, set_secrets: Some(set(&["ADMIN_KEY"])), ..sound() };
        assert!(failed(&facts).contains(&"BETTER_AUTH_SECRET".to_owned()));
        assert!(!failed(&facts).contains(&"ADMIN_KEY".to_owned()));
    }
}
