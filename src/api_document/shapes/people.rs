//! Shapes of limits, of who is limited, and of the service itself.

use serde_json::{Value, json};

use crate::api_document::schema::{
    any, count, flag, free, list, map, number, object, or_null, shape, success, text, time, word,
};

const WINDOWS: [&str; 5] = ["fixed", "calendar", "sliding", "bucket", "concurrency"];

pub fn limits() -> Vec<(&'static str, Value)> {
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

pub fn admin() -> Vec<(&'static str, Value)> {
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

pub fn people() -> Vec<(&'static str, Value)> {
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

pub fn service() -> Vec<(&'static str, Value)> {
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
