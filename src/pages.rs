//! Pages and their files, as the platform serves them: hashed files for ever, the pages themselves never from a cache.

use worker::{Fetcher, Response};

use crate::app::App;
use crate::config::Config;
use crate::error::{ApiError, ApiResult};
use crate::incoming::Incoming;
use crate::jwt::clerk::frontend_host;
use crate::reply::{Body, Reply};

/// What draws a page that was not made at build time. A frontend that lacks the first has the second.
const SHELLS: [&str; 2] = ["/index.csr", "/"];
/// Length of the hash at the end of a file's name.
const HASH_LENGTH: usize = 8;

/// Answers with a file or page. Where there is none, whoever may want a page gets the shell. `accept` is the field of that
/// name.
///
/// Fails: 404 there is no such file, or a client asks for data where none is.
pub async fn serve_page(app: &App, request: &Incoming, accept: &str) -> ApiResult {
    let assets = app.assets()?;
    let mut response = assets.fetch_request(request.to_platform()).await?;
    if response.status_code() == 404 {
        if !may_want_page(request.path(), accept) {
            return Err(ApiError::NotFound);
        }
        response = fetch_shell(&assets, request.origin()).await?;
    }
    let is_page = response.headers().get("Content-Type")?.is_some_and(|kind| kind.starts_with("text/html"));
    let status = response.status_code();
    let headers = vec![("Content-Security-Policy", policy(&app.config))];
    let reply = Reply { status, headers, cookies: Vec::new(), body: Body::Asset(response) };
    Ok(match (is_page, is_hashed(request.path())) {
        (true, _) => reply.with_header("Cache-Control", "no-store"),
        (false, true) if status < 400 => {
            reply.with_header("Cache-Control", "public, max-age=31536000, immutable")
        }
        _ => reply,
    })
}

async fn fetch_shell(assets: &Fetcher, origin: &str) -> worker::Result<Response> {
    let [made_for_it, home] = SHELLS.map(|path| format!("{origin}{path}"));
    let response = assets.fetch(made_for_it, None).await?;
    if response.status_code() == 200 { Ok(response) } else { assets.fetch(home, None).await }
}

/// Where a page may load from: this service, and Turnstile, Clerk and Sentry while they are on. Inline styles are
/// allowed because the frontend's framework writes them. <https://www.w3.org/TR/CSP3/>
fn policy(config: &Config) -> String {
    let turnstile =
        config.turnstile_site_key.as_ref().map_or("", |_| " https://challenges.cloudflare.com").to_owned();
    let sentry = config.sentry_dsn.as_ref().map_or("", |_| " https://*.ingest.sentry.io");
    // What checks Clerk's sessions in the background is a script that the page itself makes.
    let (clerk, worker) = match config.clerk_publishable_key.as_deref().and_then(frontend_host) {
        Some(host) => (format!(" https://{host}"), " blob:"),
        None => (String::new(), ""),
    };
    format!(
        "default-src 'self'; script-src 'self'{turnstile}{clerk}; connect-src 'self'{clerk}{sentry}; \
         worker-src 'self'{worker}; style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; \
         font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; \
         frame-src 'self'{turnstile}; frame-ancestors 'none'"
    )
}

/// A browser that navigates says so. Others do if they ask neither for a file nor for data.
fn may_want_page(path: &str, accept: &str) -> bool {
    accept.contains("text/html") || !(names_a_file(path) || accept.contains("json"))
}

fn names_a_file(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.contains('.'))
}

/// Whether the file's content is in its name, as in `main-RSOWVCFE.js`. A plain word of that length has neither
/// digits nor capitals.
fn is_hashed(path: &str) -> bool {
    let Some((stem, _)) = path.rsplit_once('.') else { return false };
    let Some((before, hash)) = stem.len().checked_sub(HASH_LENGTH).and_then(|at| stem.split_at_checked(at))
    else {
        return false;
    };
    let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || matches!(sign, b'-' | b'_');
    before.ends_with(['-', '.'])
        && hash.bytes().all(is_sign)
        && hash.bytes().any(|sign| sign.is_ascii_digit() || sign.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::{Config, is_hashed, may_want_page, policy};

    fn policy_with(variables: &[(&str, &str)]) -> String {
        let found = |name: &str| variables.iter().find(|(other, _)| *other == name);
        policy(&Config::parse(|name| found(name).map(|(_, value)| (*value).to_owned())).unwrap())
    }

    #[test]
    fn a_page_loads_from_others_only_while_they_are_on() {
        let alone = policy_with(&[]);
        assert!(!alone.contains("://"), "{alone}");
        let key = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
        let with_clerk = policy_with(&[
            ("CLERK_PUBLISHABLE_KEY", key),
            ("CLERK_JWKS_URL", "https://clerk.example.com/keys"),
        ]);
        assert!(with_clerk.contains("connect-src 'self' https://clerk.example.com;"), "{with_clerk}");
        assert!(with_clerk.contains("worker-src 'self' blob:;"), "{with_clerk}");
        let with_turnstile = policy_with(&[("TURNSTILE_SITE_KEY", "1x")]);
        assert!(
            with_turnstile.contains("script-src 'self' https://challenges.cloudflare.com;"),
            "{with_turnstile}"
        );
        assert!(
            with_turnstile.contains("frame-src 'self' https://challenges.cloudflare.com;"),
            "{with_turnstile}"
        );
    }

    #[test]
    fn hashed_names_are_told_from_others() {
        for path in
            ["/main-RSOWVCFE.js", "/chunk-C1N9Gbs-.js", "/media/font-1a2b3c4d.woff2", "/styles.5A6B7C8D.css"]
        {
            assert!(is_hashed(path), "{path}");
        }
        for path in
            ["/theme.js", "/favicon.svg", "/api-document.html", "/", "/sign-in", "/a.js", "/é-ÀÉÎÕÜ.js"]
        {
            assert!(!is_hashed(path), "{path}");
        }
    }

    #[test]
    fn a_page_is_for_those_who_want_one() {
        let angular = "application/json, text/plain, */*";
        for (path, accept) in
            [("/deep/link", "*/*"), ("/deep/link", ""), ("/v1.2/page", "text/html"), ("/a.js", "text/html")]
        {
            assert!(may_want_page(path, accept), "{path} {accept}");
        }
        for (path, accept) in [("/assets/logo.svg", "*/*"), ("/a.js", ""), ("/admin/roles", angular)] {
            assert!(!may_want_page(path, accept), "{path} {accept}");
        }
    }
}
