//! Journeys through the console in a real Chromium. Each is a program in `tests/browser/journeys`, run against a Worker
//! and doubles of its own.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use journeys::{Issuer, Mailbox, Options, Origin, Runtime, Siteverify, node, secrets};
use serde_json::{Value, json};
use tokio::sync::RwLock;

/// As in `.dev.vars.example`.
const ADMIN_KEY: &str = "fake-development-admin-key-not-for-production-000000";
const MAIL_KEY: &str = "fake-mail-key";
const MAIL_FROM: &str = "Bloqr <noreply@example.com>";
const TURNSTILE_SECRET: &str = "fake-turnstile-secret";
/// Names `clerk.example.com`.
const CLERK_KEY: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
/// Beside the policies that are there, one that only watches.
const WATCHED: &str = r#"{"watched":{"counts":"requests","quota":{"anonymous":2},"shadow":true}}"#;

/// Journeys that measure are alone on the machine.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// Runs a journey. Whatever `more` settings it needs besides those that all have.
async fn travel(name: &str, runtime: &Runtime, more: Value) {
    let ready = runtime.ready();
    let mut settings = json!({
        "url": runtime.url,
        "adminKey": ADMIN_KEY,
        "admin": { "email": ready["admin"]["email"], "password": ready["admin"]["password"] },
        "chromium": chromium(),
        "secrets": secrets::file(),
    });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut program = node(&format!("browser/journeys/{name}.mjs"));
    program.env("BLOQR_BROWSER", settings.to_string());
    let output = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}:\n{said}\n{complained}");
    println!("{said}");
}

fn chromium() -> String {
    env::var("BLOQR_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned())
}

fn serve(vars: Vec<(&'static str, &'static str)>) -> Runtime {
    Runtime::start(Options { vars, with_faults: true, with_demo: true })
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts() {
    let _shared = MACHINE.read().await;
    let mailbox = Mailbox::start(MAIL_KEY, MAIL_FROM).await;
    let url: &'static str = mailbox.url().leak();
    let runtime = serve(vec![("RESEND_API_KEY", MAIL_KEY), ("MAIL_FROM", MAIL_FROM), ("MAIL_API_URL", url)]);
    travel("accounts", &runtime, json!({ "mails": mailbox.shown_at() })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits() {
    let _shared = MACHINE.read().await;
    travel("limits", &serve(Vec::new()), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys() {
    let _shared = MACHINE.read().await;
    travel("keys", &serve(Vec::new()), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compiler() {
    let _shared = MACHINE.read().await;
    let origin = Origin::start().await;
    let runtime = serve(vec![("SOURCE_ALLOW_PRIVATE", "true")]);
    travel("compiler", &runtime, json!({ "origin": origin.url("") })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules() {
    let _shared = MACHINE.read().await;
    travel("rules", &serve(Vec::new()), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admin() {
    let _shared = MACHINE.read().await;
    travel("admin", &serve(vec![("RATE_LIMIT_POLICIES", WATCHED)]), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths() {
    let _shared = MACHINE.read().await;
    travel("paths", &serve(Vec::new()), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn habits() {
    let _shared = MACHINE.read().await;
    travel("habits", &serve(Vec::new()), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contract() {
    let _shared = MACHINE.read().await;
    let origin = Origin::start().await;
    let runtime = serve(vec![("SOURCE_ALLOW_PRIVATE", "true")]);
    travel("contract", &runtime, json!({ "origin": origin.url("") })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn screenshots() {
    let _shared = MACHINE.read().await;
    travel("screenshots", &serve(vec![("RATE_LIMIT_POLICIES", WATCHED)]), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turnstile() {
    let _shared = MACHINE.read().await;
    let siteverify = Siteverify::start(TURNSTILE_SECRET).await;
    let url: &'static str = siteverify.url().leak();
    let runtime = serve(vec![
        ("TURNSTILE_SITE_KEY", "1x00000000000000000000AA"),
        ("TURNSTILE_SECRET_KEY", TURNSTILE_SECRET),
        ("TURNSTILE_VERIFY_URL", url),
    ]);
    travel("turnstile", &runtime, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clerk() {
    let _shared = MACHINE.read().await;
    let issuer = Issuer::start();
    let runtime = serve(vec![("CLERK_PUBLISHABLE_KEY", CLERK_KEY), ("CLERK_JWKS_URL", issuer.keys_url())]);
    travel("clerk", &runtime, json!({ "issuer": issuer.keys_url() })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live() {
    let _alone = MACHINE.write().await;
    travel("live", &serve(Vec::new()), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn speed() {
    let _alone = MACHINE.write().await;
    travel("speed", &serve(Vec::new()), json!({})).await;
}

/// A program that no test runs proves nothing.
#[test]
fn every_journey_is_travelled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../browser/journeys");
    let programs: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let listed =
        Command::new(env::current_exe().unwrap()).arg("--list").stdin(Stdio::null()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tests: BTreeSet<String> =
        listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect();
    assert_eq!(programs.difference(&tests).collect::<Vec<_>>(), Vec::<&String>::new());
}
