//! A user, a key and an admin to try things with, made by the public API the first time a state is served.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::http::{Connection, send_json};
use crate::run::{step, write_whole};

/// Where what was made is kept, in the folder of the state. The key is shown once, so it is nowhere else.
pub const FILE: &str = "demo.json";
/// Obviously fake, and only ever set on this machine.
const PASSWORD: &str = "demo-password-not-for-production";

/// The demo's credentials: those of the last time, or new ones. None if the service lacks a secret that this takes.
///
/// # Errors
/// If the service answers something else than it should.
pub fn seed(port: u16, state: &Path, vars: &BTreeMap<String, String>) -> Result<Option<Value>> {
    let file = state.join(FILE);
    if let Ok(text) = fs::read_to_string(&file) {
        return Ok(Some(
            serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))?,
        ));
    }
    let is_set = |name: &str| vars.get(name).is_some_and(|value| !value.is_empty());
    let Some(admin_key) =
        vars.get("ADMIN_KEY").filter(|_| is_set("ADMIN_KEY") && is_set("BETTER_AUTH_SECRET"))
    else {
        return Ok(None);
    };
    step("making a demo user, key and admin");
    let mut service = Service(Connection::open(port)?);
    let (demo, token) = service.sign_up("demo@example.org", "Demo")?;
    let bearer = format!("Bearer {token}");
    let key = json!({ "name": "Demo", "scopes": ["compile", "rules"] });
    let key = service.send("POST", "/api/keys", &[("Authorization", &bearer)], &key, 201)?;
    let (admin, _) = service.sign_up("admin@example.org", "Admin")?;
    let rights = json!({ "tier": "admin", "role": "admin" });
    let path = format!("/api/admin/users/{}", text(&admin, "user_id")?);
    service.send("PATCH", &path, &[("X-Admin-Key", admin_key)], &rights, 200)?;

    let mut demo = demo;
    if let Some(members) = demo.as_object_mut() {
        members.insert("api_key".to_owned(), text(&key, "key")?.into());
    }
    let made = json!({ "demo": demo, "admin": admin });
    write_whole(&file, &serde_json::to_string_pretty(&made)?)?;
    Ok(Some(made))
}

struct Service(Connection);

impl Service {
    /// Signs somebody up, or in if they are there already. Returns the credentials, and the session's token.
    fn sign_up(&mut self, email: &str, name: &str) -> Result<(Value, String)> {
        let body = json!({ "email": email, "password": PASSWORD, "name": name });
        let signed = match self.send("POST", "/api/auth/sign-up/email", &[], &body, 200) {
            Ok(signed) => signed,
            Err(_) => self.send("POST", "/api/auth/sign-in/email", &[], &body, 200)?,
        };
        let id = text(signed.get("user").unwrap_or(&Value::Null), "id")?;
        let credentials = json!({ "email": email, "password": PASSWORD, "user_id": id });
        Ok((credentials, text(&signed, "token")?))
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
        status: u16,
    ) -> Result<Value> {
        let answer = self.0.exchange(&send_json(method, path, headers, body))?;
        answer.expect(status).with_context(|| format!("{method} {path}"))?;
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

fn text(value: &Value, name: &str) -> Result<String> {
    let text = value.get(name).and_then(Value::as_str);
    Ok(text.with_context(|| format!("the service's answer has no {name}"))?.to_owned())
}
