//! Every operation of the route table: what it takes and gives. Failures that a row implies are not repeated.

use serde_json::Value;

use super::ITEM;
use super::schema::{any, count, flag, free, list, map, object, or_null, shape, success, text, time, word};
use crate::router::Route;

const JSON: &str = "application/json";

/// What is said of one operation.
pub struct Operation {
    /// In lower case, as the document has it.
    pub method: &'static str,
    /// Without the leading `/api`; the item has a name: `/keys/{id}`.
    pub path: String,
    pub id: &'static str,
    pub summary: &'static str,
    pub query: Vec<(&'static str, Value)>,
    /// The body, and whether there must be one.
    pub body: Option<(Value, bool)>,
    /// Status, media type if there is a body, shape.
    pub answers: Vec<(u16, Option<&'static str>, Value)>,
    /// Statuses of failures of its own.
    pub fails: Vec<u16>,
}

impl Operation {
    pub fn new(method: &'static str, path: &str, id: &'static str, summary: &'static str) -> Self {
        let (query, answers, fails) = (Vec::new(), Vec::new(), Vec::new());
        Self { method, path: path.to_owned(), id, summary, query, body: None, answers, fails }
    }

    pub fn query<const N: usize>(mut self, query: [(&'static str, Value); N]) -> Self {
        self.query.extend(query);
        self
    }

    pub fn takes(mut self, body: Value) -> Self {
        self.body = Some((body, true));
        self
    }

    pub fn may_take(mut self, body: Value) -> Self {
        self.body = Some((body, false));
        self
    }

    pub fn gives(self, schema: Value) -> Self {
        self.answers(200, JSON, schema)
    }

    pub fn answers(mut self, status: u16, media_type: &'static str, schema: Value) -> Self {
        self.answers.push((status, Some(media_type), schema));
        self
    }

    pub fn empty(mut self, status: u16) -> Self {
        self.answers.push((status, None, Value::Null));
        self
    }

    pub fn fails<const N: usize>(mut self, statuses: [u16; N]) -> Self {
        self.fails.extend(statuses);
        self
    }

    /// The name of the item in the path.
    pub fn item(&self) -> Option<&str> {
        Some(self.path.split_once('{')?.1.split_once('}')?.0)
    }

    /// Whether this is the operation of that row.
    pub fn is_of(&self, route: &Route) -> bool {
        let path = match self.item() {
            Some(name) => self.path.replace(&format!("{{{name}}}"), ITEM),
            None => self.path.clone(),
        };
        path == route.path() && route.method().as_ref().eq_ignore_ascii_case(self.method)
    }
}

fn get(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("get", path, id, summary)
}

fn post(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("post", path, id, summary)
}

fn put(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("put", path, id, summary)
}

fn patch(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("patch", path, id, summary)
}

fn delete(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("delete", path, id, summary)
}

fn said() -> Value {
    success([("message", text())])
}

pub fn all() -> Vec<Operation> {
    [
        service(),
        compiling(),
        jobs(),
        tools(),
        configurations(),
        rule_sets(),
        keys(),
        admin_keys(),
        admin_limits(),
        admin_users(),
        storage(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn service() -> Vec<Operation> {
    vec![
        get("/", "show_index", "What there is").gives(object([
            ("name", text()),
            ("version", text()),
            ("endpoints", map(text())),
            ("example", free()),
        ])),
        get("/openapi.json", "show_openapi", "This document").gives(free()),
        get("/version", "show_version", "Which version serves").gives(shape("Version")),
        get("/turnstile-config", "show_turnstile_config", "Whether Turnstile is on")
            .gives(object([("siteKey", or_null(text())), ("enabled", flag())])),
        get("/clerk-config", "show_clerk_config", "Whether Clerk is on")
            .gives(object([("publishableKey", or_null(text()))])),
        get("/sentry-config", "show_sentry_config", "Where browsers report errors").gives(object([
            ("dsn", or_null(text())),
            ("release", or_null(text())),
            ("environment", text()),
        ])),
        get("/schemas", "show_schemas", "Shapes of configurations and compiles as JSON Schema")
            .gives(success([("schemas", map(free()))])),
        get("/auth/providers", "show_providers", "Ways to sign in").gives(success([
            ("emailPassword", flag()),
            ("github", flag()),
            ("google", flag()),
            ("mfa", flag()),
        ])),
        get("/auth/session", "show_session", "Who is asking")
            .gives(success([("session", shape("Session")), ("user", shape("SessionUser"))])),
        get("/health", "show_health", "Whether every part works").gives(shape("Health")),
        get("/health/db-smoke", "show_db_smoke", "Whether the databases answer").gives(free()),
        get("/health/latest", "show_latest_health", "What the last scheduled look found").gives(free()),
        get("/container/status", "show_container_status", "Whether there is a container")
            .gives(object([("status", text()), ("checkedAt", time())]))
            .empty(304),
        get("/metrics", "show_metrics", "The last half hour").gives(shape("Metrics")).empty(304),
        get("/metrics/prometheus", "show_prometheus", "Everything, for Prometheus")
            .answers(200, "text/plain", text())
            .empty(304),
        get("/rate-limit", "show_rate_limit", "The caller's own limits, free of charge")
            .gives(shape("RateLimit")),
        get("/proxy/fetch", "fetch_by_get", "The text at a public https address")
            .query([("url", text()), ("turnstileToken", text())])
            .answers(200, "text/plain", text())
            .fails([502]),
        post("/proxy/fetch", "fetch_by_post", "The text at a public https address")
            .query([("url", text()), ("turnstileToken", text())])
            .may_take(object([("url?", text()), ("turnstileToken?", text())]))
            .answers(200, "text/plain", text())
            .fails([502]),
        post("/notify", "notify", "Tells all configured targets")
            .takes(object([
                ("event", text()),
                ("level?", word(&["info", "warn", "error", "debug"])),
                ("message", text()),
                ("source?", text()),
                ("timestamp?", any()),
                ("metadata?", free()),
            ]))
            .gives(notified())
            .answers(502, JSON, notified())
            .fails([422]),
        post("/webhooks/clerk", "receive_clerk", "Takes Clerk's news of users, signed as Svix does")
            .takes(free())
            .gives(success([
                ("event", text()),
                ("userId?", text()),
                ("deleted?", flag()),
                ("message?", text()),
            ]))
            .fails([401, 410, 503]),
    ]
}

fn notified() -> Value {
    let delivery =
        object([("target", text()), ("success", flag()), ("statusCode?", count()), ("error?", text())]);
    object([("success", flag()), ("event", text()), ("deliveries", list(delivery)), ("duration", text())])
}

fn compiling() -> Vec<Operation> {
    let batch = || {
        let item = object([
            ("id", text()),
            ("configuration", shape("Configuration")),
            ("preFetchedContent?", map(text())),
            ("benchmark?", flag()),
        ]);
        object([
            ("requests", list(item)),
            ("priority?", word(&["standard", "high", "low", "normal"])),
            ("turnstileToken?", text()),
        ])
    };
    vec![
        post("/compile", "compile_list", "Compiles a list")
            .takes(shape("CompileRequest"))
            .gives(shape("CompileResult")),
        post("/compile/batch", "compile_batch", "Compiles up to 10 lists")
            .takes(batch())
            .gives(shape("BatchResult")),
        post("/compile/stream", "compile_stream", "Compiles a list and tells what happens meanwhile")
            .takes(shape("CompileRequest"))
            .answers(200, "text/event-stream", text()),
        get("/ws/compile", "open_socket", "Compiles over a WebSocket")
            .query([("turnstileToken", text())])
            .empty(101)
            .answers(426, "text/plain", text()),
        post("/compile/async", "queue_list", "Compiles a list later").takes(shape("CompileRequest")).answers(
            202,
            JSON,
            shape("QueuedJob"),
        ),
        post("/compile/batch/async", "queue_batch", "Compiles up to 100 lists later").takes(batch()).answers(
            202,
            JSON,
            shape("QueuedJob"),
        ),
    ]
}

fn jobs() -> Vec<Operation> {
    vec![
        get("/queue/stats", "show_stats", "The caller's jobs in numbers").gives(shape("QueueStats")),
        get("/queue/history", "show_history", "The caller's last jobs").gives(shape("QueueHistory")),
        get("/queue/results/{id}", "show_results", "What came of a job").gives(shape("QueueResult")),
        get(
            "/queue/events/{id}",
            "watch_job",
            "What happens to a job, as server-sent events or over a WebSocket",
        )
        .answers(200, "text/event-stream", text())
        .empty(101)
        .fails([404]),
        delete("/queue/cancel/{id}", "cancel_job", "Cancels a job that has not ended").gives(success([
            ("cancelled", flag()),
            ("requestId", text()),
            ("status?", text()),
        ])),
    ]
}

fn tools() -> Vec<Operation> {
    let rules_or_text = || object([("rules?", list(text())), ("text?", text()), ("turnstileToken?", text())]);
    vec![
        post("/validate", "validate_rules", "Tells the lines that are no rules")
            .takes(object([
                ("rules?", list(text())),
                ("text?", text()),
                ("strict?", flag()),
                ("turnstileToken?", text()),
            ]))
            .gives(shape("ValidateResult")),
        post("/validate-rule", "validate_rule", "Tells what one rule is")
            .takes(object([("rule", text()), ("testUrl?", text()), ("strict?", flag())]))
            .gives(shape("RuleCheck"))
            .fails([422]),
        post("/ast/parse", "parse_rules", "Parses rules to trees")
            .takes(rules_or_text())
            .gives(shape("AstParseResult")),
        post("/ast/walk", "walk_nodes", "The nodes of trees")
            .takes(object([
                ("rules?", list(text())),
                ("text?", text()),
                ("nodeTypes?", list(text())),
                ("maxDepth?", count()),
                ("includeContext?", flag()),
                ("turnstileToken?", text()),
            ]))
            .gives(shape("WalkResult"))
            .fails([422]),
        post("/convert-rule", "convert_rule", "Converts a rule to another syntax")
            .takes(object([
                ("rule", text()),
                ("targetSyntax", word(&["adg", "ubo", "hosts", "dns", "domains"])),
                ("turnstileToken?", text()),
            ]))
            .gives(shape("ConvertResult"))
            .fails([422]),
        post("/diff", "compare_lists", "Compares two lists")
            .takes(object([
                ("original", list(text())),
                ("current", list(text())),
                (
                    "options?",
                    object([
                        ("ignoreComments?", flag()),
                        ("ignoreEmptyLines?", flag()),
                        ("analyzeDomains?", flag()),
                        ("includeFullRules?", flag()),
                        ("maxRulesToInclude?", count()),
                    ]),
                ),
            ]))
            .gives(shape("DiffResult"))
            .fails([422]),
    ]
}

fn configurations() -> Vec<Operation> {
    let config = || object([("config", free()), ("turnstileToken?", text())]);
    vec![
        get("/configuration/defaults", "show_defaults", "Defaults and bounds").gives(success([
            ("defaults", free()),
            ("limits", object([("maxSources", count()), ("maxExclusions", count())])),
            ("supportedSourceTypes", list(text())),
        ])),
        post(
            "/configuration/validate",
            "validate_configuration",
            "Everything that is wrong with a configuration",
        )
        .takes(config())
        .gives(shape("ConfigurationCheck")),
        post(
            "/configuration/resolve",
            "resolve_configuration",
            "A configuration with another one laid over it",
        )
        .takes(object([
            ("config", free()),
            ("override?", free()),
            ("applyEnvOverrides?", flag()),
            ("turnstileToken?", text()),
        ]))
        .gives(success([("config", free())])),
        post("/configuration/create", "create_configuration", "Keeps a configuration for a day")
            .takes(object([
                ("config", free()),
                ("format?", word(&["json", "yaml"])),
                ("turnstileToken?", text()),
            ]))
            .gives(success([
                ("id?", text()),
                ("format?", text()),
                ("expiresIn?", count()),
                ("valid?", flag()),
                ("errors?", list(shape("Issue"))),
            ])),
        get("/configuration/download/{id}", "download_configuration", "A created configuration as a file")
            .query([("format", word(&["json", "yaml"]))])
            .answers(200, "application/json", free())
            .fails([404]),
        get("/configuration/saved", "list_saved", "The caller's configurations")
            .gives(success([("configs", list(shape("SavedConfiguration"))), ("total", count())])),
        post("/configuration/saved", "save_configuration", "Saves a configuration")
            .takes(object([("name", text()), ("description?", text()), ("config", shape("Configuration"))]))
            .answers(
                201,
                JSON,
                success([
                    ("id", text()),
                    ("name", text()),
                    ("description", or_null(text())),
                    ("config", free()),
                    ("createdAt", time()),
                    ("updatedAt", time()),
                ]),
            ),
        get("/configuration/saved/{id}", "show_saved", "One of the caller's configurations")
            .gives(success([
                ("id", text()),
                ("name", text()),
                ("description", or_null(text())),
                ("config", shape("Configuration")),
                ("createdAt", time()),
                ("updatedAt", time()),
            ]))
            .fails([404]),
        delete("/configuration/saved/{id}", "delete_saved", "Deletes one").empty(204).fails([404]),
    ]
}

fn rule_sets() -> Vec<Operation> {
    let sent = |required: bool| {
        let name = if required { "name" } else { "name?" };
        let rules = if required { "rules" } else { "rules?" };
        object([(name, text()), ("description?", text()), (rules, list(text())), ("tags?", list(text()))])
    };
    let found = || success([("data", shape("RuleSet"))]);
    vec![
        get("/rules", "list_rule_sets", "The caller's rule sets")
            .gives(success([("items", list(shape("RuleSetSummary"))), ("total", count())])),
        post("/rules", "create_rule_set", "Keeps a rule set")
            .takes(sent(true))
            .answers(201, JSON, found())
            .fails([422]),
        get("/rules/{id}", "show_rule_set", "One rule set").gives(found()).fails([404]),
        put("/rules/{id}", "update_rule_set", "Changes one")
            .takes(sent(false))
            .gives(found())
            .fails([404, 422]),
        delete("/rules/{id}", "delete_rule_set", "Deletes one").gives(said()).fails([404]),
    ]
}

fn keys() -> Vec<Operation> {
    vec![
        post("/keys", "create_key", "Makes a key and shows it, this once")
            .takes(object([
                ("name", text()),
                ("scopes?", list(text())),
                ("rateLimitPerMinute?", count()),
                ("expiresInDays?", count()),
            ]))
            .answers(201, JSON, shape("CreatedApiKey")),
        get("/keys", "list_keys", "The caller's keys")
            .gives(success([("keys", list(shape("ApiKey"))), ("total", count())])),
        patch("/keys/{id}", "update_key", "Gives a key another name or other scopes")
            .takes(object([("name?", text()), ("scopes?", list(text()))]))
            .gives(success([
                ("id", text()),
                ("keyPrefix", text()),
                ("name", text()),
                ("scopes", list(text())),
                ("rateLimitPerMinute", count()),
                ("lastUsedAt", or_null(time())),
                ("expiresAt", or_null(time())),
                ("createdAt", time()),
                ("updatedAt", time()),
            ]))
            .fails([404]),
        delete("/keys/{id}", "revoke_key", "Revokes a key").gives(said()).fails([404]),
    ]
}

fn admin_keys() -> Vec<Operation> {
    vec![
        post("/admin/auth/api-keys", "admin_create_key", "Makes a key for a user")
            .takes(object([
                ("userId", text()),
                ("name", text()),
                ("scopes?", list(text())),
                ("rateLimitPerMinute?", count()),
                ("expiresAt?", any()),
            ]))
            .answers(
                201,
                JSON,
                success([
                    ("id", text()),
                    ("apiKey", text()),
                    ("key", text()),
                    ("keyPrefix", text()),
                    ("name", text()),
                    ("scopes", list(text())),
                    ("message", text()),
                ]),
            )
            .fails([404]),
        get("/admin/auth/api-keys", "admin_list_keys", "The newest keys")
            .query([("userId", text())])
            .gives(success([("keys", list(shape("AdminKey"))), ("count", count()), ("total", count())])),
        post("/admin/auth/api-keys/revoke", "admin_revoke_key", "Revokes a key")
            .takes(object([("apiKeyId?", text()), ("id?", text()), ("keyPrefix?", text())]))
            .gives(success([("revoked", flag())]))
            .fails([404, 409]),
        post("/admin/auth/api-keys/validate", "validate_key", "What the record has of a key")
            .takes(object([("apiKey", text())]))
            .gives(success([
                ("valid", flag()),
                ("error?", text()),
                ("keyPrefix?", text()),
                ("name?", text()),
                ("scopes?", list(text())),
                ("userEmail?", or_null(text())),
                ("status?", text()),
            ])),
    ]
}

fn admin_limits() -> Vec<Operation> {
    let acted = || shape("AdminAction");
    vec![
        get("/admin/health", "show_admin_health", "Whether the admin API is open to the caller")
            .gives(object([("status", text())])),
        get("/admin/policies", "list_policies", "All policies of all tiers")
            .gives(success([("policies", list(shape("PolicyTerms")))])),
        get("/admin/limits", "list_identities", "Who was seen lately")
            .query([
                ("filter", word(&["near", "refused", "banned", "overridden", "shadowed"])),
                ("search", text()),
                ("sort", word(&["recent", "level", "refused", "name"])),
                ("limit", count()),
                ("after", text()),
            ])
            .gives(shape("IdentityList")),
        get("/admin/limits/audit", "show_audit", "What admins did")
            .query([("identity", text()), ("limit", count()), ("after", text())])
            .gives(shape("AuditPage")),
        get("/admin/limits/cost", "show_cost", "What limiting cost").gives(shape("LimitCost")),
        get("/admin/limits/live", "watch", "A WebSocket: a snapshot, then every change").empty(101),
        get("/admin/limits/{identity}", "show_identity", "Exactly how things stand")
            .gives(success([("identity", text()), ("state", shape("IdentityState"))])),
        post("/admin/limits/{identity}/reset", "reset", "Forgets what was taken")
            .may_take(object([("policy?", text()), ("reason?", text())]))
            .gives(acted())
            .fails([409]),
        put("/admin/limits/{identity}/override", "set_override", "Gives another quota")
            .takes(object([
                ("policy?", text()),
                ("value", count()),
                ("expiresAt?", any()),
                ("reason", text()),
            ]))
            .gives(acted())
            .fails([409]),
        delete("/admin/limits/{identity}/override", "clear_override", "The policy's own quota again")
            .query([("policy", text())])
            .gives(acted())
            .fails([409]),
        put("/admin/limits/{identity}/ban", "ban", "Refuses everything")
            .takes(object([("expiresAt?", any()), ("reason", text())]))
            .gives(acted())
            .fails([409]),
        delete("/admin/limits/{identity}/ban", "unban", "Refuses no longer").gives(acted()).fails([409]),
    ]
}

fn admin_users() -> Vec<Operation> {
    let shown = || success([("user", shape("AdminUser"))]);
    vec![
        post("/admin/auth/users", "create_user", "Makes a user")
            .takes(object([("email", text()), ("displayName?", text()), ("role?", text())]))
            .answers(
                201,
                JSON,
                success([("user", object([("id", text()), ("email", text()), ("role", text())]))]),
            )
            .fails([409]),
        get("/admin/users", "list_users", "Users, the newest first")
            .query([
                ("limit", count()),
                ("offset", count()),
                ("tier", text()),
                ("role", text()),
                ("search", text()),
            ])
            .gives(shape("UserPage")),
        get("/admin/users/{id}", "show_user", "One user").gives(shown()).fails([404]),
        patch("/admin/users/{id}", "update_user", "Changes tier or role")
            .takes(object([("tier?", text()), ("role?", text())]))
            .gives(shown())
            .fails([404, 409]),
        delete("/admin/users/{id}", "delete_user", "Deletes a user with everything of theirs")
            .gives(said())
            .fails([404, 409]),
        post("/admin/users/{id}/ban", "ban_user", "Bans a user")
            .may_take(object([("reason?", text()), ("expires?", any())]))
            .gives(shown())
            .fails([404, 409]),
        post("/admin/users/{id}/unban", "unban_user", "Lets a user in again")
            .may_take(free())
            .gives(shown())
            .fails([404]),
        delete("/admin/users/{id}/sessions", "end_sessions", "Ends all sessions of a user")
            .gives(said())
            .fails([404]),
    ]
}

fn storage() -> Vec<Operation> {
    let deleted = || success([("deleted", count()), ("message", text())]);
    vec![
        get("/admin/storage/stats", "show_storage", "Counts").gives(shape("StorageStats")),
        post("/admin/storage/clear-expired", "clear_expired", "Deletes what is over")
            .may_take(free())
            .gives(deleted()),
        post("/admin/storage/clear-cache", "clear_cache", "Empties the cache")
            .may_take(free())
            .gives(deleted()),
        get("/admin/storage/export", "export", "The first records as a file").gives(free()),
        post("/admin/storage/vacuum", "vacuum", "Tidies up").may_take(free()).gives(said()),
        get("/admin/storage/tables", "list_tables", "Tables")
            .gives(success([("tables", list(shape("StorageTable")))])),
        post("/admin/storage/query", "query", "The first 1,000 rows of a SELECT")
            .takes(object([("sql", text())]))
            .gives(shape("QueryResult")),
        get("/admin/storage/{endpoint}", "refuse_unknown_read", "Nothing").fails([404]),
        post("/admin/storage/{endpoint}", "refuse_unknown_write", "Nothing").fails([404]),
    ]
}
