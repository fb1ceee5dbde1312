//! `cargo xtask doctor`: looks at everything that can go wrong with a deployment, before it is one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use settings::{Facts, Outcome, checklist};
use toml::Table;

use crate::project::root;
use crate::run::{capture, step};
use crate::tools::{install_npm_packages, npm_command};

/// What to look at.
#[derive(Args, Debug, Clone, Default)]
pub struct Options {
    /// A file of variables, instead of the secrets that are set at Cloudflare
    #[arg(long)]
    pub vars: Option<PathBuf>,
}

/// Prints the checklist.
///
/// # Errors
/// If a line failed, or a file can't be read.
pub fn run(options: &Options) -> Result<()> {
    let facts = gather(options)?;
    let (mut n_failed, mut n_unknown) = (0, 0);
    for line in checklist(&facts) {
        let title = &line.title;
        match &line.outcome {
            Outcome::Passed => println!("pass  {title}"),
            Outcome::Failed(why) => {
                n_failed += 1;
                println!("FAIL  {title}: {why}");
            }
            Outcome::Unknown(why) => {
                n_unknown += 1;
                println!("????  {title}: not to be seen here; {why}");
            }
        }
    }
    println!(
        "\n{n_failed} failed, {n_unknown} not to be seen from here; docs/variables.md explains each variable"
    );
    if n_failed > 0 { bail!("{n_failed} lines of the checklist failed") } else { Ok(()) }
}

fn gather(options: &Options) -> Result<Facts> {
    let root = root();
    let read =
        |name: &str| fs::read_to_string(root.join(name)).with_context(|| format!("{name} can't be read"));
    let values = options.vars.as_deref().map(read_variables).transpose()?;
    let set_secrets = if values.is_some() { None } else { secrets_at_platform()? };
    let wrangler: Table = read("wrangler.toml")?.parse().context("wrangler.toml is broken")?;
    let vars = wrangler.get("vars").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let (mut bindings, mut ids) = (BTreeSet::new(), BTreeMap::new());
    bound(&toml::Value::Table(wrangler), &mut bindings, &mut ids);
    let sources = rust_files(&[&root.join("src"), &root.join("durable")])?;
    Ok(Facts {
        values,
        set_secrets,
        vars: vars
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        ids,
        bindings,
        wanted_bindings: sources.iter().flat_map(|(file, code)| bindings_in(file, code)).collect(),
        policies: read("policies.json")?,
        routes: routes_in(&read("src/router.rs")?),
        built_statements: sources.iter().flat_map(|(file, code)| built_statements_in(file, code)).collect(),
        workflow_secrets: workflow_secrets(&root.join(".github/workflows"))?,
    })
}

/// Where wrangler.toml says that the service is.
///
/// # Errors
/// If it can't be read.
pub fn base_url() -> Result<Option<String>> {
    let wrangler: Table =
        fs::read_to_string(root().join("wrangler.toml"))?.parse().context("wrangler.toml is broken")?;
    let url = wrangler.get("vars").and_then(|vars| vars.get("BETTER_AUTH_URL")).and_then(toml::Value::as_str);
    Ok(url.map(|url| url.trim_end_matches('/').to_owned()))
}

/// The variables in a file.
fn read_variables(file: &Path) -> Result<BTreeMap<String, String>> {
    let entries =
        dotenvy::from_path_iter(file).with_context(|| format!("{} can't be read", file.display()))?;
    entries.map(|entry| entry.with_context(|| format!("{} is broken", file.display()))).collect()
}

/// Names of what `wrangler secret put` set; none if nobody is signed in to an account.
fn secrets_at_platform() -> Result<Option<BTreeSet<String>>> {
    install_npm_packages()?;
    step("asking Cloudflare which secrets are set");
    let listed =
        capture(npm_command("wrangler").args(["secret", "list", "--format", "json"]).current_dir(root()));
    // Without an account there is nothing to be seen, which the checklist says line by line.
    let Ok(listed) = listed else { return Ok(None) };
    let listed: Vec<Value> = serde_json::from_str(&listed).context("wrangler's list is no JSON")?;
    Ok(Some(listed.iter().filter_map(|secret| Some(secret.get("name")?.as_str()?.to_owned())).collect()))
}

/// Every binding below a value, and the ids that some have.
fn bound(value: &toml::Value, bindings: &mut BTreeSet<String>, ids: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            let text = |name: &str| table.get(name).and_then(toml::Value::as_str);
            // Objects have a name and a class.
            if let Some(binding) = text("binding").or_else(|| text("class_name").and(text("name"))) {
                bindings.insert(binding.to_owned());
                if let Some(id) = text("database_id").or_else(|| text("id")) {
                    ids.insert(binding.to_owned(), id.to_owned());
                }
            }
            table.values().for_each(|value| bound(value, bindings, ids));
        }
        toml::Value::Array(values) => values.iter().for_each(|value| bound(value, bindings, ids)),
        _ => {}
    }
}

fn rust_files(folders: &[&Path]) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                found.extend(rust_files(&[&path])?);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = fs::read_to_string(&path)?;
                found.push((path, code.split("#[cfg(test)]").next().unwrap_or_default().to_owned()));
            }
        }
    }
    Ok(found)
}

fn bindings_in(file: &Path, code: &str) -> Vec<String> {
    let names_some =
        file.ends_with("src/bindings.rs") || file.ends_with("stub.rs") || file.ends_with("keeper.rs");
    let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let constants =
        code.lines().filter(|line| names_some && line.contains("const ") && line.contains(": &str = "));
    constants.filter_map(|line| line.split('"').nth(1).filter(is_name).map(str::to_owned)).collect()
}

fn routes_in(router: &str) -> Vec<String> {
    let rows = router.lines().map(str::trim).skip_while(|line| !line.starts_with("const ROUTES"));
    rows.take_while(|line| *line != "};").filter(|line| line.contains('"')).map(str::to_owned).collect()
}

/// Names in statements that stand for texts of the code's own, chosen there and never sent by anybody.
const OWN_TEXTS: [&str; 3] = ["matching", "order", "column"];

/// Where something else than a constant is written into a statement.
fn built_statements_in(file: &Path, code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for call in ["prepare(", "exec(", "query("] {
        for (at, _) in code.match_indices(call) {
            let rest = code[at + call.len()..].trim_start_matches(['&', ' ', '\n']);
            let Some(text) = rest.strip_prefix("format!(") else { continue };
            let text = text.split_once(')').map_or(text, |(text, _)| text);
            let names = text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
            let is_constant = |name: &str| {
                OWN_TEXTS.contains(&name)
                    || name.bytes().all(|sign| sign.is_ascii_uppercase() || sign == b'_')
            };
            if names.into_iter().any(|name| name.is_empty() || !is_constant(name)) {
                found.push(format!("{}:{}", file.display(), code[..at].matches('\n').count() + 1));
            }
        }
    }
    found
}

fn workflow_secrets(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).context("there are no workflows")? {
        let text = fs::read_to_string(entry?.path())?;
        let names = text.split("secrets.").skip(1).map(|rest| {
            rest.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_')
                .next()
                .unwrap_or_default()
                .to_owned()
        });
        found.extend(names);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is gathered here is what the repository has.
    #[test]
    fn the_repository_is_seen() {
        let facts = gather(&Options { vars: Some(root().join(".dev.vars.example")) }).expect("facts");
        assert_eq!(facts.bindings, facts.wanted_bindings);
        assert!(facts.ids.contains_key("DB") && facts.ids.contains_key("HYPERDRIVE"));
        assert!(facts.routes.len() > 80 && facts.routes.iter().any(|row| row.contains("/admin/limits")));
        assert_eq!(facts.built_statements, Vec::<String>::new());
        assert_eq!(facts.vars.get("ENVIRONMENT").map(String::as_str), Some("production"));
        let failed: Vec<String> = checklist(&facts)
            .into_iter()
            .filter(|line| matches!(line.outcome, Outcome::Failed(_)))
            .map(|line| line.title)
            .collect();
        // Values of development never do; what is not theirs holds.
        for title in [
            "BETTER_AUTH_SECRET",
            "ADMIN_KEY",
            "CLERK_WEBHOOK_SECRET",
            "wrangler.toml names resources of an account",
        ] {
            assert!(failed.iter().any(|line| line == title), "{title}: {failed:?}");
        }
        for title in [
            "every admin route asks for an admin",
            "statements are prepared, never put together",
            "the CI names the secrets of a deployment",
            "limits rise with the tiers",
            "no secret in wrangler.toml",
        ] {
            assert!(!failed.iter().any(|line| line == title), "{title}");
        }
    }

    #[test]
    fn a_statement_that_is_put_together_is_found() {
        let found = |code: &str| built_statements_in(Path::new("a.rs"), code);
        for code in
            ["x\ndatabase.prepare(&format!(\"SELECT {name}\"))", "x\nsql.exec(&format!(\"SELECT {}\", name))"]
        {
            assert_eq!(found(code), ["a.rs:2"], "{code}");
        }
        for code in
            ["database.prepare(\"SELECT ?\")", "database.prepare(format!(\n  \"SELECT {COLUMNS} FROM a\"))"]
        {
            assert_eq!(found(code), Vec::<String>::new(), "{code}");
        }
    }
}
