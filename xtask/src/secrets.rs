//! `cargo xtask secrets`: makes strong secrets and hands them to the platform. They are shown to nobody and kept nowhere.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use settings::{Form, Kind, find};

use crate::project::root;
use crate::run::step;
use crate::tools::{hex, install_npm_packages, npm_command};

/// Bytes of randomness in each.
const BYTES: usize = 32;

/// Makes a value for each of these and sets it at Cloudflare. The receivers are commands that are handed it as well.
///
/// # Errors
/// If a name is no secret that is made here, or wrangler or a receiver fails.
pub fn run(names: &[String], receivers: &[String]) -> Result<()> {
    ensure!(!names.is_empty(), "name secrets: cargo xtask secrets BETTER_AUTH_SECRET");
    ensure!(receivers.is_empty() || names.len() == 1, "--to takes one secret at a time");
    // All names first: nothing is set if one is wrong.
    let forms = names.iter().map(|name| form_of(name)).collect::<Result<Vec<_>>>()?;
    install_npm_packages()?;
    for (name, form) in names.iter().zip(forms) {
        step(format!("setting {name}"));
        let secret = make(form)?;
        // Whoever must know it first: one that nobody knows would lock them out.
        for receiver in receivers {
            hand_over(Command::new("sh").args(["-c", receiver]), &secret)?;
        }
        let mut wrangler = npm_command("wrangler");
        hand_over(wrangler.args(["secret", "put", name]).current_dir(root()), &secret)?;
    }
    Ok(())
}

fn form_of(name: &str) -> Result<Form> {
    let Some(variable) = find(name).filter(|variable| variable.kind == Kind::Secret) else {
        bail!("{name} is no secret; docs/variables.md has all of them");
    };
    match variable.form {
        Form::Random { .. } | Form::Signing => Ok(variable.form),
        _ => bail!(
            "{name} comes from elsewhere ({}): set it with `wrangler secret put {name}`",
            variable.origin
        ),
    }
}

fn make(form: Form) -> Result<String> {
    let mut bytes = [0; BYTES];
    // What the system's own generator gives. Linux and macOS have it there.
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("no randomness")?;
    Ok(match form {
        Form::Signing => format!("whsec_{}", STANDARD.encode(bytes)),
        _ => hex(&bytes),
    })
}

/// Through the standard input: arguments can be seen by others on the machine.
fn hand_over(command: &mut Command, secret: &str) -> Result<()> {
    let mut child = command.stdin(Stdio::piped()).spawn().context("the receiver could not be started")?;
    let mut input = child.stdin.take().context("the receiver takes no input")?;
    input.write_all(secret.as_bytes())?;
    drop(input);
    let status = child.wait()?;
    ensure!(status.success(), "it was not taken ({status}); for Cloudflare, `wrangler login` comes first");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_made_is_strong_and_never_the_same() {
        for name in ["BETTER_AUTH_SECRET", "ADMIN_KEY", "WEBHOOK_SECRET"] {
            let form = form_of(name).expect(name);
            let (one, two) = (make(form).expect(name), make(form).expect(name));
            assert_ne!(one, two);
            assert_eq!(form.check(&one, true), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_comes_from_elsewhere_is_not_made() {
        for name in ["TURNSTILE_SECRET_KEY", "ENVIRONMENT", "DATABASE_URL", "NOTHING"] {
            assert!(form_of(name).is_err(), "{name}");
        }
    }

    /// It is in the input, and not among the arguments.
    #[test]
    fn a_secret_is_handed_over_unseen() {
        let folder = std::env::temp_dir().join(format!("bloqr-secrets-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("taken");
        let mut double = Command::new("sh");
        double.arg("-c").arg("{ echo \"$@\"; cat; } > \"$0\"").arg(&file).args([
            "secret",
            "put",
            "ADMIN_KEY",
        ]);
        hand_over(&mut double, "hidden").expect("handed over");
        assert_eq!(fs::read_to_string(&file).expect("taken"), "secret put ADMIN_KEY\nhidden");
        assert!(hand_over(Command::new("sh").args(["-c", "cat > /dev/null; exit 3"]), "hidden").is_err());
        fs::remove_dir_all(folder).expect("the folder is gone");
    }
}
