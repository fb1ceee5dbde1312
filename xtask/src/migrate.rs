//! Applies migrations, forward only. Each database keeps its own record of what was applied.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use postgres::{Client, NoTls};

use crate::dev::{Postgres, lock_state};
use crate::project::root;
use crate::run::{capture, step};
use crate::tools::{install_npm_packages, npm_command};

const DATABASES: [&str; 2] = ["d1", "postgres"];
/// The D1 binding in wrangler.toml.
const D1_BINDING: &str = "DB";

/// Applies what is missing to the named databases, or to both.
///
/// # Errors
/// If a name is unknown, a database can't be reached or a migration fails.
pub fn run(names: &[String], remote: bool, state: &Path) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !DATABASES.contains(&name.as_str())) {
        bail!("no database {unknown}; there are {}", DATABASES.join(", "));
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|asked| asked == name);
    install_npm_packages()?;
    if remote {
        if wanted("d1") {
            crate::run::run(wrangler(&["--remote"]).current_dir(root()))?;
        }
        if wanted("postgres") {
            let url = env::var("DATABASE_URL")
                .context("set DATABASE_URL to the direct connection string of the database")?;
            refuse_pooler(&url)?;
            migrate_postgres(&url)?;
        }
        return Ok(());
    }
    let _lock = lock_state(state)?;
    if wanted("d1") {
        migrate_local_d1(state)?;
    }
    if wanted("postgres") {
        migrate_postgres(&Postgres::start(state)?.url)?;
    }
    Ok(())
}

/// Brings the local D1 up to date, as quietly as possible.
pub fn migrate_local_d1(state: &Path) -> Result<()> {
    let state = state.to_str().context("the state folder's name is not UTF-8")?;
    step("migrating D1");
    capture(wrangler(&["--local", "--persist-to", state]).current_dir(root())).map(drop)
}

fn wrangler(arguments: &[&str]) -> Command {
    let mut command = npm_command("wrangler");
    command.args(["d1", "migrations", "apply", D1_BINDING]).args(arguments);
    command
}

/// Brings a PostgreSQL up to date.
pub fn migrate_postgres(url: &str) -> Result<()> {
    step("migrating PostgreSQL");
    let migrations = refinery::load_sql_migrations(root().join("migrations/postgres"))?;
    let mut client = Client::connect(url, NoTls).context("could not connect to PostgreSQL")?;
    let report = refinery::Runner::new(&migrations).run(&mut client)?;
    for applied in report.applied_migrations() {
        step(format!("applied {applied}"));
    }
    Ok(())
}

/// A pooler hands each statement to any connection, but a migration needs one of its own for its lock.
fn refuse_pooler(url: &str) -> Result<()> {
    let config: postgres::Config = url.parse().context("DATABASE_URL is not a connection string")?;
    let named_pooler = config.get_hosts().iter().any(|host| match host {
        postgres::config::Host::Tcp(name) => {
            ["pooler", "pgbouncer", "hyperdrive"].iter().any(|word| name.contains(word))
        }
        #[cfg(unix)]
        postgres::config::Host::Unix(_) => false,
    });
    let pooler_port = config.get_ports().contains(&6543) || url.contains("pgbouncer=true");
    ensure!(
        !named_pooler && !pooler_port,
        "DATABASE_URL leads to a connection pooler; use the direct connection string"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::refuse_pooler;

    #[test]
    fn poolers_are_refused() {
        assert!(refuse_pooler("postgres://u:p@ep-x.eu.aws.neon.tech/db").is_ok());
        for url in [
            "postgres://u:p@ep-x-pooler.eu.aws.neon.tech/db",
            "postgres://u:p@db.example:6543/db",
            "postgres://u:p@abc.hyperdrive.local:5432/db",
            "not a url",
        ] {
            assert!(refuse_pooler(url).is_err(), "{url}");
        }
    }
}
