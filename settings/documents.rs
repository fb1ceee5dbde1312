//! The documents that are made of the table.

use std::fmt::Write;

use crate::variables::{Kind, Needed, VARIABLES, Variable};

/// `.dev.vars.example`: what development starts with.
#[must_use]
pub fn development_example() -> String {
    let head = "# Variables for local development. `cargo xtask dev` reads .dev.vars, or this file while there is none.\n\
                # All values here are fake and public: never use one of them in production.\n";
    example(head, |variable| variable.kind != Kind::Operator)
}

/// `.env.example`: what the commands read that talk to an account.
#[must_use]
pub fn operator_example() -> String {
    let head = "# What `cargo xtask migrate --remote` and other commands need that talk to an account. Set it in the\n\
                # environment of the shell or of the CI; nothing reads this file.\n";
    example(head, |variable| variable.kind == Kind::Operator)
}

fn example(head: &str, is_wanted: impl Fn(&Variable) -> bool) -> String {
    let mut text = head.to_owned();
    for variable in VARIABLES.iter().filter(|variable| is_wanted(variable)) {
        let off = if variable.is_set_in_development { "" } else { "#" };
        let purpose = variable.purpose.replace('`', "");
        let without = match variable.needed {
            Needed::Optional(without) if !without.is_empty() => format!(" Unset: {without}."),
            _ => String::new(),
        };
        text += &format!("\n# {purpose}{without}\n{off}{}={}\n", variable.name, variable.example);
    }
    text
}

/// `docs/variables.md`.
#[must_use]
pub fn variables_page() -> String {
    let mut page = "# Variables and secrets\n\n\
        Made of the table in `settings/variables.rs`; `UPDATE_DOCUMENTS=1 cargo test -p settings` writes it anew.\n\
        `cargo xtask doctor` checks a set of values against it. Secrets are set with `cargo xtask secrets` or \
        `wrangler secret put`,\nsettings stand in `wrangler.toml`.\n"
        .to_owned();
    for (heading, kind) in [
        ("Secrets", Kind::Secret),
        ("Settings", Kind::Setting),
        ("For an operator's commands", Kind::Operator),
    ] {
        let _infallible = write!(page, "\n## {heading}\n");
        for variable in VARIABLES.iter().filter(|variable| variable.kind == kind) {
            let name = variable.name;
            let needed = match variable.needed {
                Needed::Always => "always".to_owned(),
                Needed::With(other) => format!("while `{other}` is set"),
                Needed::Optional("") => "for those commands".to_owned(),
                Needed::Optional(without) => format!("no; without it: {without}"),
            };
            let origin = variable.origin.replace("NAME", name);
            let rotation = variable.rotation.replace("NAME", name);
            let _infallible = write!(
                page,
                "\n### `{name}`\n\n{}\n\n- Needed: {needed}.\n- Comes from: {origin}.\n- To change it: {rotation}.\n",
                variable.purpose
            );
        }
    }
    page
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What is committed is what the table says.
    #[test]
    fn documents_are_those_of_the_table() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let updates = std::env::var_os("UPDATE_DOCUMENTS").is_some();
        for (name, text) in [
            (".dev.vars.example", development_example()),
            (".env.example", operator_example()),
            ("docs/variables.md", variables_page()),
        ] {
            let file = root.join(name);
            if updates {
                std::fs::write(&file, &text).unwrap();
            }
            let committed = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(
                committed == text,
                "{name} is another: UPDATE_DOCUMENTS=1 cargo test -p settings writes it"
            );
        }
    }
}
