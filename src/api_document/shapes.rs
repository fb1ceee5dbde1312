//! The shapes that have names, in the order in which a reader meets them.

use compiler::Transformation;
use serde_json::{Map, Value, json};

use super::schema::{
    any, count, flag, free, list, map, number, object, or_null, shape, success, text, time, with, word,
};

const WINDOWS: [&str; 5] = ["fixed", "calendar", "sliding", "bucket", "concurrency"];
const JOB_STATES: [&str; 7] =
    ["not_found", "pending", "processing", "completed", "failed", "cancelled", "cache_miss"];

pub fn all() -> Map<String, Value> {
    let shapes = [compiling(), rules(), jobs(), keeping(), limits(), admin(), people(), service()];
    shapes.into_iter().flatten().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn compiling() -> Vec<(&'static str, Value)> {
    let patterns = || list(text());
    let level = [
        ("transformations?", list(shape("Transformation"))),
        ("exclusions?", patterns()),
        ("inclusions?", patterns()),
        ("exclusions_sources?", patterns()),
        ("inclusions_sources?", patterns()),
    ];
    let [t, e, i, es, is] = level;
    let level_report = object([
        ("source?", text()),
        ("texts?", count()),
        ("linesIn", count()),
        ("rulesIn", count()),
        ("excluded", count()),
        ("notIncluded", count()),
        (
            "passes",
            list(object([
                ("transformation", text()),
                ("linesIn", count()),
                ("linesOut", count()),
                ("dropped", count()),
            ])),
        ),
        ("conflictCount", count()),
        ("conflicts", list(object([("block", text()), ("allow", text())]))),
        ("linesOut", count()),
        ("rulesOut", count()),
    ]);
    let source = || or_null(count());
    vec![
        ("Transformation", word(&Transformation::ORDER.map(Transformation::name))),
        (
            "Source",
            object([
                ("source", text()),
                ("name?", text()),
                ("type?", word(&["adblock", "hosts"])),
                t.clone(),
                e.clone(),
                i.clone(),
                es.clone(),
                is.clone(),
            ]),
        ),
        (
            "Configuration",
            object([
                ("name", text()),
                ("description?", text()),
                ("homepage?", text()),
                ("license?", text()),
                ("version?", text()),
                ("sources", list(shape("Source"))),
                t,
                e,
                i,
                es,
                is,
                ("extensions?", free()),
            ]),
        ),
        (
            "CompileRequest",
            object([
                ("configuration", shape("Configuration")),
                ("preFetchedContent?", map(text())),
                ("benchmark?", flag()),
                ("report?", flag()),
                ("priority?", word(&["standard", "high", "low", "normal"])),
                ("turnstileToken?", text()),
            ]),
        ),
        (
            "CompileMetrics",
            object([
                ("totalDurationMs?", number()),
                (
                    "stages?",
                    list(object([
                        ("name", text()),
                        ("durationMs", number()),
                        ("itemCount?", count()),
                        ("itemsPerSecond?", number()),
                    ])),
                ),
                ("sourceCount?", count()),
                ("ruleCount?", count()),
                ("outputRuleCount?", count()),
            ]),
        ),
        ("LevelReport", level_report),
        (
            "DroppedLine",
            object([
                ("source", source()),
                ("pass", text()),
                ("text", text()),
                ("reason", text()),
                ("pattern?", text()),
                ("by?", text()),
                ("what?", text()),
            ]),
        ),
        (
            "CompileReport",
            object([
                ("sources", list(shape("LevelReport"))),
                ("list", shape("LevelReport")),
                ("dropped?", list(shape("DroppedLine"))),
                (
                    "droppedByReason?",
                    list(object([
                        ("source", source()),
                        ("pass", text()),
                        ("reason", text()),
                        ("count", count()),
                    ])),
                ),
                (
                    "warnings?",
                    list(object([
                        ("source", source()),
                        ("pass", text()),
                        ("text", text()),
                        ("warning", text()),
                        ("to", or_null(text())),
                    ])),
                ),
                ("warningCount?", count()),
            ]),
        ),
        (
            "CompileResult",
            success([
                ("rules", list(text())),
                ("ruleCount", count()),
                ("compiledAt", time()),
                ("metrics?", shape("CompileMetrics")),
                ("report?", shape("CompileReport")),
                ("checksum?", text()),
                ("cached?", flag()),
                ("deduplicated?", flag()),
                (
                    "previousVersion?",
                    object([("rules", list(text())), ("ruleCount", count()), ("compiledAt", time())]),
                ),
            ]),
        ),
        (
            "BatchResult",
            success([(
                "results",
                list(json!({ "anyOf": [
                    with("CompileResult", [("id", text())]),
                    object([("id", text()), ("success", json!({ "const": false, "type": "boolean" })), ("error", text()), ("code", text())]),
                ] })),
            )]),
        ),
        (
            "QueuedJob",
            success([
                ("message", text()),
                ("note", text()),
                ("requestId", text()),
                ("priority", word(&["standard", "high"])),
                ("batchSize?", count()),
            ]),
        ),
    ]
}

fn rules() -> Vec<(&'static str, Value)> {
    let syntax = || word(&["Common", "AdblockPlus", "AdGuard", "UblockOrigin"]);
    let category = || word(&["Network", "Cosmetic", "Comment", "Empty", "Invalid"]);
    let change = object([
        ("rule", text()),
        ("type", word(&["added", "removed"])),
        ("originalLine?", count()),
        ("newLine?", count()),
        ("category", category()),
        ("syntax", syntax()),
        ("isException?", flag()),
    ]);
    let changed = || object([("added", count()), ("removed", count())]);
    let side =
        || object([("name?", text()), ("version?", text()), ("timestamp?", text()), ("ruleCount", count())]);
    let faults = || list(object([("line", count()), ("rule", text()), ("message", text())]));
    vec![
        (
            "AstNode",
            json!({ "type": "object", "required": ["type"], "properties": { "type": text() }, "additionalProperties": true }),
        ),
        (
            "ValidationError",
            object([
                ("line", count()),
                ("rule", text()),
                ("errorType", text()),
                ("message", text()),
                ("severity", text()),
                ("category", text()),
                ("syntax", syntax()),
                ("start?", count()),
                ("end?", count()),
            ]),
        ),
        (
            "ValidateResult",
            success([
                ("valid", flag()),
                ("totalRules", count()),
                ("validRules", count()),
                ("invalidRules", count()),
                ("errors", list(shape("ValidationError"))),
                ("warnings", list(any())),
                ("duration", text()),
            ]),
        ),
        (
            "RuleCheck",
            success([
                ("valid", flag()),
                ("rule", text()),
                ("ruleType?", text()),
                ("category?", category()),
                ("syntax?", syntax()),
                ("ast", json!({ "anyOf": [shape("AstNode"), { "type": "null" }] })),
                ("testUrl?", text()),
                ("matchResult?", flag()),
                ("error?", text()),
                ("duration", text()),
            ]),
        ),
        (
            "ParsedRule",
            object([
                ("ruleText", text()),
                ("success", flag()),
                ("error?", text()),
                ("category?", category()),
                ("type?", text()),
                ("syntax?", syntax()),
                ("valid?", flag()),
                ("properties?", free()),
                ("ast?", shape("AstNode")),
            ]),
        ),
        (
            "AstParseResult",
            success([
                ("parsedRules", list(shape("ParsedRule"))),
                (
                    "summary",
                    object([
                        ("total", count()),
                        ("successful", count()),
                        ("failed", count()),
                        ("byCategory", map(count())),
                        ("byType", map(count())),
                    ]),
                ),
            ]),
        ),
        (
            "WalkResult",
            success([
                (
                    "nodes",
                    list(object([
                        ("type", text()),
                        ("depth", count()),
                        ("key?", text()),
                        ("index?", count()),
                        ("node", any()),
                    ])),
                ),
                ("summary", free()),
                ("duration", text()),
            ]),
        ),
        (
            "ConvertResult",
            object([
                ("success", flag()),
                ("rule", text()),
                ("targetSyntax", word(&["adg", "ubo", "hosts", "dns", "domains"])),
                ("convertedRules", list(text())),
                ("isConverted", flag()),
                ("error?", text()),
                ("duration", text()),
            ]),
        ),
        (
            "DiffReport",
            object([
                ("timestamp", time()),
                ("generatorVersion", text()),
                ("original", side()),
                ("current", side()),
                (
                    "summary",
                    object([
                        ("originalCount", count()),
                        ("newCount", count()),
                        ("addedCount", count()),
                        ("removedCount", count()),
                        ("unchangedCount", count()),
                        ("netChange", json!({ "type": "integer" })),
                        ("percentageChange", number()),
                        ("categoryBreakdown", map(changed())),
                    ]),
                ),
                ("added", list(change.clone())),
                ("removed", list(change)),
                (
                    "domainChanges",
                    list(object([("domain", text()), ("added", count()), ("removed", count())])),
                ),
            ]),
        ),
        (
            "DiffResult",
            success([
                ("parseErrors", object([("original", faults()), ("current", faults())])),
                ("report", shape("DiffReport")),
                ("duration", text()),
            ]),
        ),
    ]
}

fn jobs() -> Vec<(&'static str, Value)> {
    let depth = || list(object([("timestamp", count()), ("pending", count()), ("depth", count())]));
    vec![
        (
            "QueueHistoryEntry",
            object([
                ("requestId", text()),
                ("configName", text()),
                ("status", word(&["completed", "failed", "cancelled"])),
                ("duration", count()),
                ("timestamp", count()),
                ("error?", text()),
                ("ruleCount?", count()),
            ]),
        ),
        ("QueueHistory", success([("history", list(shape("QueueHistoryEntry"))), ("depthHistory", depth())])),
        (
            "QueueStats",
            success([
                ("pending", count()),
                ("completed", count()),
                ("failed", count()),
                ("cancelled", count()),
                ("totalProcessingTime", count()),
                ("averageProcessingTime", count()),
                ("processingRate", number()),
                ("queueLag", count()),
                ("lag", count()),
                ("currentDepth", count()),
                ("lastUpdate", time()),
                ("history", list(shape("QueueHistoryEntry"))),
                ("depthHistory", depth()),
            ]),
        ),
        (
            "QueueResult",
            success([
                ("status", word(&JOB_STATES)),
                ("requestId", text()),
                ("error?", text()),
                ("rules?", list(text())),
                ("ruleCount?", or_null(count())),
                ("compiledAt?", time()),
                (
                    "items?",
                    list(object([
                        ("id", text()),
                        ("requestId", text()),
                        ("status", text()),
                        ("ruleCount?", count()),
                        ("error?", text()),
                    ])),
                ),
                (
                    "jobInfo?",
                    object([
                        ("configName", text()),
                        ("duration", count()),
                        ("timestamp", count()),
                        ("error?", text()),
                    ]),
                ),
            ]),
        ),
    ]
}

fn keeping() -> Vec<(&'static str, Value)> {
    vec![
        (
            "RuleSetSummary",
            object([
                ("id", text()),
                ("name", text()),
                ("description?", text()),
                ("ruleCount", count()),
                ("tags?", list(text())),
                ("createdAt", time()),
                ("updatedAt", time()),
            ]),
        ),
        ("RuleSet", with("RuleSetSummary", [("rules", list(text()))])),
        (
            "SavedConfiguration",
            object([
                ("id", text()),
                ("name", text()),
                ("description", or_null(text())),
                ("createdAt", time()),
                ("updatedAt", time()),
            ]),
        ),
        ("Issue", object([("path", text()), ("message", text()), ("code", text())])),
        (
            "ConfigurationCheck",
            success([
                ("valid", flag()),
                ("errors?", list(shape("Issue"))),
                ("warnings?", list(shape("Issue"))),
            ]),
        ),
        (
            "ApiKey",
            object([
                ("id", text()),
                ("keyPrefix", text()),
                ("name", text()),
                ("scopes", list(text())),
                ("rateLimitPerMinute", count()),
                ("lastUsedAt", or_null(time())),
                ("expiresAt", or_null(time())),
                ("revokedAt", or_null(time())),
                ("createdAt", time()),
                ("updatedAt", time()),
                ("isActive", flag()),
            ]),
        ),
        (
            "CreatedApiKey",
            success([
                ("id", text()),
                ("key", text()),
                ("keyPrefix", text()),
                ("name", text()),
                ("scopes", list(text())),
                ("rateLimitPerMinute", count()),
                ("expiresAt", or_null(time())),
                ("createdAt", time()),
            ]),
        ),
    ]
}

fn limits() -> Vec<(&'static str, Value)> {
    let window = || word(&WINDOWS);
    vec![
        (
            "PolicyStanding",
            object([
                ("policy", text()),
                ("window", window()),
                ("windowSeconds", count()),
                ("limit", or_null(count())),
                ("used", count()),
                ("remaining", or_null(count())),
                ("resetAt", count()),
                ("shadow", flag()),
            ]),
        ),
        (
            "RateLimit",
            success([
                ("identity", text()),
                ("tier", text()),
                ("timestamp", time()),
                ("policies", list(shape("PolicyStanding"))),
            ]),
        ),
        (
            "Exception",
            object([
                ("value", or_null(count())),
                ("expiresAt", or_null(count())),
                ("reason", text()),
                ("author", text()),
                ("setAt?", count()),
            ]),
        ),
        (
            "PolicyState",
            object([
                ("policy", text()),
                ("window", window()),
                ("windowMs", count()),
                ("limit", or_null(count())),
                ("used", count()),
                ("remaining", or_null(count())),
                ("resetAt", count()),
                ("shadow", flag()),
                ("override", or_null(shape("Exception"))),
            ]),
        ),
        (
            "IdentityState",
            object([
                ("at", count()),
                ("tier", text()),
                ("policies", list(shape("PolicyState"))),
                ("ban", or_null(shape("Exception"))),
            ]),
        ),
    ]
}

fn admin() -> Vec<(&'static str, Value)> {
    vec![
        (
            "ListedIdentity",
            object([
                ("identity", text()),
                ("tier", text()),
                ("policy", text()),
                ("limit?", count()),
                ("used", count()),
                ("resetAt", count()),
                ("refused", count()),
                ("shadowed?", count()),
                ("banned", flag()),
                ("overridden", flag()),
                ("near", flag()),
                ("at", count()),
                ("ageMs?", count()),
            ]),
        ),
        (
            "IdentityList",
            success([
                ("timestamp", time()),
                ("rows", list(shape("ListedIdentity"))),
                ("next", or_null(text())),
                ("count", count()),
                ("matching", count()),
            ]),
        ),
        (
            "AdminAction",
            success([
                ("id", text()),
                ("identity", text()),
                ("action", text()),
                ("before", shape("IdentityState")),
                ("after", shape("IdentityState")),
            ]),
        ),
        (
            "AuditEntry",
            object([
                ("id", text()),
                ("askedAt", count()),
                ("identity", text()),
                ("author", text()),
                ("action", text()),
                // An action that asks for nothing more is its own name.
                ("details", json!({ "type": ["object", "string"], "additionalProperties": true })),
                ("outcome", text()),
                ("before", any()),
                ("after", any()),
            ]),
        ),
        ("AuditPage", success([("entries", list(shape("AuditEntry"))), ("next", or_null(text()))])),
        (
            "LimitCost",
            success([
                ("admits", count()),
                ("denials", count()),
                ("shadowDenials", count()),
                ("writes", count()),
                ("writesPerAdmit", or_null(number())),
                ("leaseWaste", count()),
                ("cachedDenials", count()),
                ("uncountedAdmits", count()),
                ("reports", count()),
                ("registryLagMs", or_null(number())),
            ]),
        ),
        (
            "AdminUser",
            object([
                ("id", text()),
                ("email", or_null(text())),
                ("name", or_null(text())),
                ("emailVerified", flag()),
                ("image", or_null(text())),
                ("tier", text()),
                ("role", text()),
                ("banned", flag()),
                ("banReason", or_null(text())),
                ("banExpires", or_null(time())),
                ("createdAt", time()),
                ("updatedAt", time()),
            ]),
        ),
        (
            "UserPage",
            success([
                ("users", list(shape("AdminUser"))),
                ("total", count()),
                ("limit", count()),
                ("offset", count()),
            ]),
        ),
        (
            "AdminKey",
            object([
                ("id", text()),
                ("userId", text()),
                ("name", text()),
                ("keyPrefix", text()),
                ("scopes", list(text())),
                ("rateLimitPerMinute", count()),
                ("createdAt", time()),
                ("expiresAt", or_null(time())),
                ("revokedAt", or_null(time())),
                ("lastUsedAt", or_null(time())),
                ("status", word(&["active", "revoked", "expired"])),
            ]),
        ),
        (
            "StorageStats",
            success([
                (
                    "stats",
                    object([
                        ("storage_entries", count()),
                        ("filter_cache", count()),
                        ("compilation_metadata", count()),
                        ("expired_storage", count()),
                        ("expired_cache", count()),
                    ]),
                ),
                ("timestamp", time()),
            ]),
        ),
        ("StorageTable", object([("name", text()), ("type", text())])),
        (
            "QueryResult",
            success([
                ("rows", list(free())),
                ("rowCount", count()),
                ("columns", list(text())),
                ("meta?", free()),
            ]),
        ),
        (
            "PolicyTerms",
            object([
                ("tier", text()),
                ("name", text()),
                ("quota", or_null(count())),
                ("window", word(&WINDOWS)),
                ("windowMs", count()),
                ("counts", word(&["requests", "reads"])),
                ("costs", map(count())),
                ("onOutage", word(&["admit", "refuse"])),
                ("shadow", flag()),
            ]),
        ),
    ]
}

fn people() -> Vec<(&'static str, Value)> {
    vec![
        (
            "SessionUser",
            object([
                ("id", text()),
                ("email", or_null(text())),
                ("name", text()),
                ("image", or_null(text())),
                ("emailVerified", flag()),
                ("createdAt", time()),
                ("updatedAt", time()),
                ("tier", text()),
                ("role", text()),
                ("banned?", or_null(flag())),
                ("banReason?", or_null(text())),
                ("banExpires?", or_null(time())),
            ]),
        ),
        (
            "Session",
            object([
                ("id", text()),
                ("token?", text()),
                ("userId", text()),
                ("expiresAt", time()),
                ("createdAt", time()),
                ("updatedAt?", time()),
                ("ipAddress?", or_null(text())),
                ("userAgent?", or_null(text())),
            ]),
        ),
        ("AuthError", object([("message?", text()), ("code?", text())])),
    ]
}

fn service() -> Vec<(&'static str, Value)> {
    let state = || word(&["healthy", "degraded", "down"]);
    vec![
        (
            "Problem",
            object([
                ("type", text()),
                ("title", text()),
                ("status", count()),
                ("detail", text()),
                ("instance", text()),
                ("code", text()),
                ("success", json!({ "const": false, "type": "boolean" })),
                ("error", text()),
                ("retryAfter?", count()),
                ("requestId?", text()),
            ]),
        ),
        (
            "Health",
            success([
                ("status", state()),
                ("version", text()),
                ("timestamp", time()),
                ("services", map(free())),
                (
                    "checks",
                    list(object([
                        ("service", text()),
                        ("status", state()),
                        ("latencyMs", or_null(count())),
                        ("message", or_null(text())),
                    ])),
                ),
            ]),
        ),
        (
            "Metrics",
            success([
                ("window", text()),
                ("timestamp", time()),
                (
                    "endpoints",
                    map(object([
                        ("count", count()),
                        ("success", count()),
                        ("failed", count()),
                        ("avgDuration", number()),
                        ("errors", map(count())),
                    ])),
                ),
            ]),
        ),
        (
            "Version",
            json!({ "type": "object", "required": ["success", "version"], "properties": { "success": flag(), "version": text() }, "additionalProperties": true }),
        ),
    ]
}
