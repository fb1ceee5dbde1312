//! Shapes of lists and rules: compiled, looked into, queued and kept.

use compiler::Transformation;
use serde_json::{Value, json};

use crate::api_document::schema::{
    any, count, flag, free, list, map, number, object, or_null, shape, success, text, time, with, word,
};

const JOB_STATES: [&str; 7] =
    ["not_found", "pending", "processing", "completed", "failed", "cancelled", "cache_miss"];

pub fn compiling() -> Vec<(&'static str, Value)> {
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

pub fn rules() -> Vec<(&'static str, Value)> {
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

pub fn jobs() -> Vec<(&'static str, Value)> {
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

pub fn keeping() -> Vec<(&'static str, Value)> {
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
