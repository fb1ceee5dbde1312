//! The route table: which path is answered by whom, who may ask, and what it costs.

use futures::future::LocalBoxFuture;
use limits::{Demand, Scope};
use worker::Method;

use crate::admission::{Admitted, Policy};
use crate::app::App;
use crate::error::ApiResult;
use crate::routes::{
    admin, ast, auth, compile, configuration, convert, diff, health, keys, meta, metrics, notify, proxy,
    queue, rate_limit, rules, schemas, validate, webhooks,
};

/// A handler: a request that was admitted in, an answer out.
pub type Handler = fn(App, Admitted) -> LocalBoxFuture<'static, ApiResult>;

/// Where a path is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mount {
    /// Under `/api` alone.
    Api,
    /// Under `/api` and bare, with the same answers.
    Both,
}

/// One row of the table. All fields are required, so a route without demand or policy does not compile.
pub struct Route {
    method: Method,
    /// Without the leading `/api`. At most one segment is `{}`: anything but nothing.
    path: &'static str,
    mount: Mount,
    /// What it asks of its caller.
    pub demand: Demand,
    /// What the request is counted under.
    pub policy: Policy,
    /// Who answers.
    pub handler: Handler,
}

impl Route {
    /// The path without the leading `/api`.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The method.
    #[cfg(test)]
    pub fn method(&self) -> &Method {
        &self.method
    }
}

/// The table, without the routes that break on purpose.
#[cfg(test)]
pub fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter()
}

macro_rules! routes {
    ($($method:ident $path:literal $mount:ident $demand:ident $policy:ident $handler:path;)*) => {
        &[$(Route {
            method: Method::$method,
            path: $path,
            mount: Mount::$mount,
            demand: $demand,
            policy: Policy::$policy,
            handler: |app, admitted| Box::pin($handler(app, admitted)),
        }),*]
    };
}

const PUBLIC: Demand = Demand::Public;
const ANYBODY: Demand = Demand::Anybody;
const COMPILE: Demand = Demand::Anyone(Scope::Compile);
const COMPILE_FREE: Demand = Demand::Account(Scope::Compile);
const RULES: Demand = Demand::Account(Scope::Rules);
const PERSON: Demand = Demand::Person;
const ADMIN: Demand = Demand::Admin;

#[rustfmt::skip]
const ROUTES: &[Route] = routes! {
    Get  "/"                  Api   PUBLIC   Reads     meta::show_index;
    Get  "/openapi.json"      Api   PUBLIC   Reads     meta::show_openapi;
    Get  "/version"           Api   PUBLIC   Reads     meta::show_version;
    Get  "/turnstile-config"  Api   PUBLIC   Reads     meta::show_turnstile_config;
    Get  "/clerk-config"      Api   PUBLIC   Reads     meta::show_clerk_config;
    Get  "/sentry-config"     Api   PUBLIC   Reads     meta::show_sentry_config;
    Get  "/schemas"           Api   PUBLIC   Reads     schemas::show_schemas;
    Get  "/auth/providers"    Api   PUBLIC   Reads     auth::show_providers;
    Get  "/auth/session"      Both  ANYBODY   Free    auth::show_session;
    Get  "/health"            Both  PUBLIC   Reads     health::show_health;
    Get  "/health/db-smoke"   Both  PUBLIC   Reads     health::show_db_smoke;
    Get  "/rate-limit"        Both  ANYBODY  Free      rate_limit::show_rate_limit;
    Post "/compile"           Both  COMPILE  Requests  compile::compile_list;
    Post "/compile/batch"     Both  COMPILE  Requests  compile::compile_batch;
    Post "/compile/stream"    Both  COMPILE  Requests  compile::compile_stream;
    Get  "/ws/compile"        Both  COMPILE  Requests  compile::open_socket;
    Get  "/proxy/fetch"       Both  ANYBODY  Requests  proxy::fetch;
    Post "/proxy/fetch"       Both  ANYBODY  Requests  proxy::fetch;
    Post "/webhooks/clerk"    Both  PUBLIC   Exempt    webhooks::receive_clerk;

    Post    "/compile/async"        Both  COMPILE_FREE  Requests  compile::queue_list;
    Post    "/compile/batch/async"  Both  COMPILE_FREE  Requests  compile::queue_batch;
    Get     "/queue/stats"          Both  COMPILE_FREE  Reads     queue::show_stats;
    Get     "/queue/history"        Both  COMPILE_FREE  Reads     queue::show_history;
    Get     "/queue/results/{}"     Both  COMPILE_FREE  Reads     queue::show_results;
    Get     "/queue/events/{}"      Both  COMPILE_FREE  Reads     queue::watch_job;
    Delete  "/queue/cancel/{}"      Both  COMPILE_FREE  Requests  queue::cancel_job;

    Get  "/metrics"             Both  PUBLIC  Reads     metrics::show_metrics;
    Get  "/metrics/prometheus"  Both  ADMIN   Requests  metrics::show_prometheus;
    Get  "/health/latest"       Both  PUBLIC  Reads     health::show_latest_health;
    Get  "/container/status"    Both  PUBLIC  Reads     health::show_container_status;

    Post "/notify"         Both  COMPILE_FREE  Requests  notify::notify;
    Post "/validate"       Both  COMPILE       Requests  validate::validate_rules;
    Post "/validate-rule"  Both  COMPILE       Requests  validate::validate_rule;
    Post "/ast/parse"      Both  COMPILE       Requests  ast::parse_rules;
    Post "/convert-rule"   Both  COMPILE_FREE  Requests  convert::convert_rule;
    Post "/diff"           Both  COMPILE_FREE  Requests  diff::compare_lists;
    Post "/ast/walk"       Both  COMPILE_FREE  Requests  ast::walk_nodes;

    Get  "/configuration/defaults"     Both  PUBLIC        Reads     configuration::show_defaults;
    Post "/configuration/validate"     Both  COMPILE_FREE  Requests  configuration::validate_configuration;
    Post "/configuration/resolve"      Both  COMPILE_FREE  Requests  configuration::resolve_configuration;
    Post "/configuration/create"       Both  COMPILE       Requests  configuration::create_configuration;
    Get  "/configuration/download/{}"  Both  COMPILE       Requests  configuration::download_configuration;

    Get     "/configuration/saved"     Both  PERSON  Requests  configuration::saved::list_saved;
    Post    "/configuration/saved"     Both  PERSON  Requests  configuration::saved::save_configuration;
    Get     "/configuration/saved/{}"  Both  PERSON  Requests  configuration::saved::show_saved;
    Delete  "/configuration/saved/{}"  Both  PERSON  Requests  configuration::saved::delete_saved;

    Get     "/rules"     Both  RULES  Requests  rules::list_rule_sets;
    Post    "/rules"     Both  RULES  Requests  rules::create_rule_set;
    Get     "/rules/{}"  Both  RULES  Requests  rules::show_rule_set;
    Put     "/rules/{}"  Both  RULES  Requests  rules::update_rule_set;
    Delete  "/rules/{}"  Both  RULES  Requests  rules::delete_rule_set;

    Post    "/keys"     Both  PERSON  Requests  keys::create_key;
    Get     "/keys"     Both  PERSON  Requests  keys::list_keys;
    Patch   "/keys/{}"  Both  PERSON  Requests  keys::update_key;
    Delete  "/keys/{}"  Both  PERSON  Requests  keys::revoke_key;

    Post  "/admin/auth/api-keys"           Both  ADMIN  Requests  admin::keys::create_key;
    Get   "/admin/auth/api-keys"           Both  ADMIN  Requests  admin::keys::list_keys;
    Post  "/admin/auth/api-keys/revoke"    Both  ADMIN  Requests  admin::keys::revoke_key;
    Post  "/admin/auth/api-keys/validate"  Both  ADMIN  Requests  admin::keys::validate_key;

    Get    "/admin/health"              Both  ADMIN  Requests  admin::health::show_health;
    Get    "/admin/policies"            Both  ADMIN  Requests  admin::policies::list_policies;
    Get    "/admin/limits"              Both  ADMIN  Requests  admin::limits::list_identities;
    Get    "/admin/limits/audit"        Both  ADMIN  Requests  admin::limits::show_audit;
    Get    "/admin/limits/cost"         Both  ADMIN  Requests  admin::limits::show_cost;
    Get    "/admin/limits/live"         Both  ADMIN  Requests  admin::limits::watch;
    Get    "/admin/limits/{}"           Both  ADMIN  Requests  admin::limits::show_identity;
    Post   "/admin/limits/{}/reset"     Both  ADMIN  Requests  admin::limits::reset;
    Put    "/admin/limits/{}/override"  Both  ADMIN  Requests  admin::limits::set_override;
    Delete "/admin/limits/{}/override"  Both  ADMIN  Requests  admin::limits::clear_override;
    Put    "/admin/limits/{}/ban"       Both  ADMIN  Requests  admin::limits::ban;
    Delete "/admin/limits/{}/ban"       Both  ADMIN  Requests  admin::limits::unban;

    Post   "/admin/auth/users"          Both  ADMIN  Requests  admin::users::create_user;
    Get    "/admin/users"               Both  ADMIN  Requests  admin::users::list_users;
    Get    "/admin/users/{}"            Both  ADMIN  Requests  admin::users::show_user;
    Patch  "/admin/users/{}"            Both  ADMIN  Requests  admin::users::update_user;
    Delete "/admin/users/{}"            Both  ADMIN  Requests  admin::users::delete_user;
    Post   "/admin/users/{}/ban"        Both  ADMIN  Requests  admin::users::ban_user;
    Post   "/admin/users/{}/unban"      Both  ADMIN  Requests  admin::users::unban_user;
    Delete "/admin/users/{}/sessions"   Both  ADMIN  Requests  admin::users::end_sessions;

    Get   "/admin/storage/stats"          Both  ADMIN  Requests  admin::storage::show_stats;
    Post  "/admin/storage/clear-expired"  Both  ADMIN  Requests  admin::storage::clear_expired;
    Post  "/admin/storage/clear-cache"    Both  ADMIN  Requests  admin::storage::clear_cache;
    Get   "/admin/storage/export"         Both  ADMIN  Requests  admin::storage::export;
    Post  "/admin/storage/vacuum"         Both  ADMIN  Requests  admin::storage::vacuum;
    Get   "/admin/storage/tables"         Both  ADMIN  Requests  admin::storage::list_tables;
    Post  "/admin/storage/query"          Both  ADMIN  Requests  admin::storage::query;
    Get   "/admin/storage/{}"             Both  ADMIN  Requests  admin::storage::refuse_unknown;
    Post  "/admin/storage/{}"             Both  ADMIN  Requests  admin::storage::refuse_unknown;
};

#[cfg(feature = "faults")]
const FAULT_ROUTES: &[Route] = routes! {
    Post "/faults/front"      Api   PUBLIC   Requests  crate::routes::faults::panic_in_front;
    Post "/faults/object"     Api   PUBLIC   Requests  crate::routes::faults::panic_in_object;
    Post "/faults/retry"      Api   PUBLIC   Requests  crate::routes::faults::take_twice;
    Post "/faults/unknown"    Api   PUBLIC   Requests  crate::routes::faults::send_the_unknown;
    Get  "/faults/calls"      Api   PUBLIC   Exempt    crate::routes::faults::count_calls;
    Post "/faults/registry"   Api   ADMIN    Requests  crate::routes::faults::fill_registry;
};
#[cfg(not(feature = "faults"))]
const FAULT_ROUTES: &[Route] = &[];

/// First segments that always belong to the API, even when a browser navigates there.
const NEVER_A_PAGE: [&str; 9] =
    ["/compile", "/ast", "/docs", "/health", "/metrics", "/poc", "/queue", "/workflow", "/ws"];

/// Where Better Auth's endpoints are.
const AUTH: &str = "/auth";

/// What a method and path lead to.
pub enum Found {
    /// A handler, and what stands for the `{}` of its path, as it was sent.
    Route(&'static Route, String),
    /// Better Auth's part of the house, which has a table of its own: the path below `/api/auth`.
    Auth(String),
    /// A file of the frontend, or its shell.
    Page,
    /// The path exists for other methods: an `Allow` field.
    OtherMethods(String),
    /// Nothing.
    Nothing,
}

/// Finds what answers `method` on `path`. `navigates` is whether a browser asks for a page.
pub fn find(method: &Method, path: &str, navigates: bool) -> Found {
    let reads = matches!(method, Method::Get | Method::Head);
    let (bare, is_api) = match path.strip_prefix("/api") {
        Some("" | "/") => ("/", true),
        Some(rest) if rest.starts_with('/') => (rest, true),
        _ => (path, false),
    };
    let may_be_page = reads && !is_api && !NEVER_A_PAGE.iter().any(|prefix| is_within(path, prefix));
    if may_be_page && navigates {
        return Found::Page;
    }

    let mounted = || ROUTES.iter().chain(FAULT_ROUTES).filter(|route| is_api || route.mount == Mount::Both);
    let mut item = "";
    let mut here: Vec<&Route> = mounted().filter(|route| route.path == bare).collect();
    if here.is_empty() {
        let matches = |route: &&Route| item_of(route.path, bare).inspect(|found| item = found).is_some();
        here = mounted().filter(matches).collect();
    }
    if is_api && here.is_empty() && is_within(bare, AUTH) {
        return Found::Auth(bare.strip_prefix(AUTH).unwrap_or_default().to_owned());
    }
    let asked = if *method == Method::Head { &Method::Get } else { method };
    if let Some(route) = here.iter().find(|route| route.method == *asked) {
        return Found::Route(route, item.to_owned());
    }
    match (here.is_empty(), may_be_page) {
        (false, _) => Found::OtherMethods(allow(&here)),
        (true, true) => Found::Page,
        (true, false) => Found::Nothing,
    }
}

/// What stands in `path` where `pattern` has `{}`, if they match otherwise.
fn item_of<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once("{}")?;
    let item = path.strip_prefix(before)?.strip_suffix(after)?;
    (!item.is_empty() && !item.contains('/')).then_some(item)
}

fn allow(routes: &[&Route]) -> String {
    let mut methods: Vec<&str> = routes.iter().map(|route| route.method.as_ref()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// Whether `path` is `prefix` or lies below it; whole segments, so `/api-docs` is not within `/api`.
pub fn is_within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(method: Method, path: &str, navigates: bool) -> String {
        match find(&method, path, navigates) {
            Found::Route(route, item) => format!("route {} {item}", route.path).trim_end().to_owned(),
            Found::Auth(path) => format!("auth {path}"),
            Found::Page => "page".to_owned(),
            Found::OtherMethods(allow) => format!("405 {allow}"),
            Found::Nothing => "404".to_owned(),
        }
    }

    #[test]
    fn business_routes_answer_bare_and_under_api() {
        for path in ["/compile", "/api/compile"] {
            assert_eq!(kind(Method::Post, path, false), "route /compile");
            assert_eq!(kind(Method::Get, path, false), "405 POST, OPTIONS");
            assert_eq!(kind(Method::Get, path, true), "405 POST, OPTIONS");
        }
        assert_eq!(kind(Method::Get, "/api/version", false), "route /version");
        assert_eq!(kind(Method::Get, "/version", false), "page");
        assert_eq!(kind(Method::Get, "/api", false), "route /");
        assert_eq!(kind(Method::Get, "/api/", true), "route /");
    }

    #[test]
    fn a_browser_gets_the_page_where_a_client_gets_data() {
        assert_eq!(kind(Method::Get, "/admin/users", true), "page");
        assert_eq!(kind(Method::Get, "/admin/users", false), "route /admin/users");
        assert_eq!(kind(Method::Get, "/api/admin/users", true), "route /admin/users");
        assert_eq!(
            kind(Method::Delete, "/admin/users/u/sessions", false),
            "route /admin/users/{}/sessions u"
        );
    }

    #[test]
    fn segments_are_matched_whole() {
        for page in ["/api-docs", "/api-keys", "/compiler", "/", "/admin/users", "/healthy"] {
            assert_eq!(kind(Method::Get, page, true), "page", "{page}");
        }
        for unknown in ["/api/compiler", "/api/nothing", "/compile/nothing", "/api/compile/", "/api//compile"]
        {
            assert_eq!(kind(Method::Get, unknown, true), "404", "{unknown}");
        }
    }

    #[test]
    fn better_auth_has_its_own_part() {
        assert_eq!(kind(Method::Post, "/api/auth/sign-in/email", false), "auth /sign-in/email");
        assert_eq!(kind(Method::Head, "/api/auth/ok/", true), "auth /ok/");
        assert_eq!(kind(Method::Get, "/api/authors", false), "404");
        assert_eq!(kind(Method::Get, "/auth/ok", false), "page");
        // These two are not its own.
        assert_eq!(kind(Method::Get, "/api/auth/providers", false), "route /auth/providers");
        for path in ["/auth/session", "/api/auth/session"] {
            assert_eq!(kind(Method::Get, path, false), "route /auth/session");
        }
    }

    #[test]
    fn only_reads_reach_the_pages() {
        assert_eq!(kind(Method::Post, "/admin/audit", false), "404");
        assert_eq!(kind(Method::Head, "/", true), "page");
    }

    #[test]
    fn head_is_get_without_a_body() {
        assert_eq!(kind(Method::Head, "/api/health", false), "route /health");
        assert_eq!(kind(Method::Delete, "/api/health", false), "405 GET, HEAD, OPTIONS");
    }

    #[test]
    fn no_path_is_listed_twice_for_a_method() {
        let mut seen = std::collections::HashSet::new();
        for route in ROUTES.iter().chain(FAULT_ROUTES) {
            assert!(seen.insert((route.method.as_ref().to_owned(), route.path)), "{}", route.path);
        }
    }
}
