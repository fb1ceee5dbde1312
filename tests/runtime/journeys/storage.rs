//! `/admin/storage`: the service's own small records, and queries that can neither write nor see what is secret.

use journeys::{Answer, Client, Options, Runtime};
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::admin;
use crate::plain;
use crate::webhooks::change_d1;

const CALLS: [(Method, &str); 7] = [
    (Method::GET, "stats"),
    (Method::POST, "clear-expired"),
    (Method::POST, "clear-cache"),
    (Method::GET, "export"),
    (Method::POST, "vacuum"),
    (Method::GET, "tables"),
    (Method::POST, "query"),
];

/// Rows of which two are expired and three of the cache are not.
const ROWS: [&str; 3] = [
    "INSERT INTO storage_entries (key, value, created_at, expires_at)
     VALUES ('old', 'a', 1000, 2000), ('kept', 'b', 2000, 9000000000000), ('for ever', 'c', 3000, NULL)",
    "INSERT INTO filter_cache (source, content_hash, n_bytes, fetched_at, expires_at)
     VALUES ('https://a.example/', 'aa', 1, 1000, 2000), ('https://b.example/', 'bb', 2, 2000, 9000000000000),
       ('https://c.example/', 'cc', 3, 3000, 9000000000000), ('https://d.example/', 'dd', 4, 4000, 9000000000000)",
    "INSERT INTO compilation_metadata (config_name, rule_count, duration_ms, compiled_at)
     VALUES ('First', 10, 20, 1000), ('Second', 30, 40, 2000)",
];

async fn call(url: &str, method: Method, name: &str, body: Option<Value>) -> Value {
    let answer = admin(url, method, &format!("/admin/storage/{name}"), body).await;
    assert_eq!(answer.status, 200, "{name}: {answer:?}");
    let answer = answer.json();
    assert_eq!(answer["success"], true, "{name}: {answer}");
    answer
}

async fn ask(sql: &str) -> Answer {
    admin(plain(), Method::POST, "/api/admin/storage/query", Some(json!({ "sql": sql }))).await
}

async fn found(sql: &str) -> Value {
    let answer = ask(sql).await;
    assert_eq!(answer.status, 200, "{sql}: {answer:?}");
    answer.json()
}

#[tokio::test]
async fn records_are_counted_exported_and_cleared() {
    let mut runtime = Runtime::start(Options::default());
    runtime.stop();
    let n: usize = ROWS.iter().map(|statement| change_d1(&runtime, statement)).sum();
    assert_eq!(n, 9);
    runtime.restart();
    let url = &runtime.url;

    let stats = call(url, Method::GET, "stats", None).await;
    let expected = json!({
        "storage_entries": 3,
        "filter_cache": 4,
        "compilation_metadata": 2,
        "expired_storage": 1,
        "expired_cache": 1,
    });
    assert_eq!(stats["stats"], expected);
    let pages = (&stats["kvKeys"], &stats["r2Objects"], &stats["cacheEntries"]);
    assert_eq!(pages, (&json!(0), &json!(0), &json!(4)));
    assert!(stats["timestamp"].is_string(), "{stats}");

    let answer = admin(url, Method::GET, "/admin/storage/export", None).await;
    let name = answer.header("content-disposition");
    let at = name.strip_prefix("attachment; filename=\"storage-export-");
    let at = at.and_then(|rest| rest.strip_suffix(".json\"")).unwrap_or_else(|| panic!("{name}"));
    assert!(at.parse::<u64>().is_ok(), "{name}");
    let export = answer.json();
    assert!(export["exportedAt"].is_string(), "{export}");
    assert_eq!(
        export["storage_entries"][0],
        json!({ "key": "for ever", "value": "c", "created_at": 3000, "expires_at": null })
    );
    assert_eq!(export["filter_cache"][3]["source"], "https://a.example/");
    assert_eq!(export["compilation_metadata"][0]["config_name"], "Second");

    let cleared = call(url, Method::POST, "clear-expired", None).await;
    assert_eq!((&cleared["deleted"], &cleared["removed"]), (&json!(2), &json!(2)), "{cleared}");
    assert_eq!(call(url, Method::POST, "clear-cache", None).await["deleted"], 3);
    assert_eq!(call(url, Method::POST, "clear-cache", None).await["deleted"], 0);
    let stats = call(url, Method::GET, "stats", None).await;
    assert_eq!((&stats["stats"]["storage_entries"], &stats["cacheEntries"]), (&json!(2), &json!(0)));

    let message = call(url, Method::POST, "vacuum", None).await["message"].to_string();
    assert!(message.contains("PRAGMA optimize"), "{message}");

    let sql = "SELECT key FROM storage_entries ORDER BY key";
    let kept = call(url, Method::POST, "query", Some(json!({ "sql": sql }))).await;
    assert_eq!(kept["rows"], json!([{ "key": "for ever" }, { "key": "kept" }]));

    let audit = admin(url, Method::GET, "/admin/limits/audit", None).await.json();
    let entries = audit["entries"].as_array().unwrap();
    let n = |action: &str| entries.iter().filter(|entry| entry["action"] == action).count();
    let actions = ["clear_expired", "clear_cache", "optimize_storage", "query_storage"];
    assert_eq!(actions.map(n), [1, 2, 1, 1], "{audit}");
    let asked = entries.iter().find(|entry| entry["action"] == "query_storage").unwrap();
    assert_eq!((&asked["details"]["sql"], &asked["identity"]), (&json!(sql), &json!("storage")));
}

#[tokio::test]
async fn tables_are_listed_without_those_of_the_platform() {
    let listed = call(plain(), Method::GET, "tables", None).await;
    let tables = listed["tables"].as_array().unwrap();
    let table = json!({ "name": "storage_entries", "type": "table" });
    assert!(tables.contains(&table), "{listed}");
    for table in tables {
        let name = table["name"].as_str().unwrap();
        assert!(!["sqlite_", "_cf_", "d1_"].iter().any(|prefix| name.starts_with(prefix)), "{name}");
    }
    let stats = call(plain(), Method::GET, "stats", None).await;
    assert_eq!(stats["d1Tables"], tables.len());
}

#[tokio::test]
async fn nothing_is_answered_without_the_key() {
    for (method, name) in CALLS {
        for mount in ["", "/api"] {
            let path = format!("{mount}/admin/storage/{name}");
            let request = Client::new(plain()).request(method.clone(), &path);
            Answer::to(request).await.assert_problem(401, "unauthorized");
            let request = Client::new(plain()).request(method.clone(), &path);
            Answer::to(request.header("X-Admin-Key", "guess")).await.assert_problem(401, "unauthorized");
        }
    }
}

#[tokio::test]
async fn unknown_operations_are_refused_by_name() {
    for method in [Method::GET, Method::POST] {
        let answer = admin(plain(), method, "/admin/storage/nothing", None).await;
        answer.assert_problem(404, "not_found");
        assert_eq!(answer.json()["error"], "Unknown admin endpoint");
    }
    admin(plain(), Method::GET, "/admin/storage/query", None).await.assert_problem(405, "method_not_allowed");
}

#[tokio::test]
async fn columns_keep_their_order_and_their_number() {
    let answer = found("SELECT 'x' AS b, 2 AS a, NULL AS \"c d\", 1.5 AS a; -- done").await;
    assert_eq!(answer["columns"], json!(["b", "a", "c d", "a:1"]));
    assert_eq!(answer["rows"], json!([{ "b": "x", "a": 2, "c d": null, "a:1": 1.5 }]));
    assert_eq!((&answer["rowCount"], &answer["meta"]["truncated"]), (&json!(1), &json!(false)));
    let none = found("SELECT 1 WHERE 0 /* nothing; DELETE */").await;
    assert_eq!((&none["rows"], &none["columns"], &none["rowCount"]), (&json!([]), &json!([]), &json!(0)));
}

#[tokio::test]
async fn at_most_1000_rows_are_told() {
    let count = |n: u32| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n}) SELECT i FROM n"
        )
    };
    for (n, is_cut) in [(5_000, true), (1_001, true), (1_000, false)] {
        let answer = found(&count(n)).await;
        assert_eq!(
            (&answer["rowCount"], &answer["meta"]["truncated"]),
            (&json!(1_000), &json!(is_cut)),
            "{n}"
        );
        assert_eq!(answer["rows"].as_array().unwrap().len(), 1_000);
        assert_eq!(answer["rows"][999]["i"], 1_000);
    }
}

#[tokio::test]
async fn a_query_can_neither_write_nor_see_secrets() {
    let tables = call(plain(), Method::GET, "tables", None).await["tables"].clone();
    for sql in [
        "",
        "DELETE FROM rule_set",
        "/* SELECT */ DROP TABLE rule_set",
        "-- SELECT\nDROP TABLE rule_set",
        "PRAGMA table_info(users)",
        "EXPLAIN SELECT 1",
        "VALUES (1)",
    ] {
        let answer = ask(sql).await;
        answer.assert_problem(400, "query_refused");
        assert_eq!(answer.json()["error"], "Only SELECT queries are allowed", "{sql}");
    }
    for sql in [
        "SELECT 1; DROP TABLE rule_set",
        "SELECT 1 /* ' */; DROP TABLE rule_set -- '",
        "SELECT ';' ; DROP TABLE rule_set",
        "WITH gone AS (SELECT 1) DELETE FROM rule_set",
        "WITH gone AS (SELECT 1)/**/dElEtE/**/FROM rule_set",
        "SELECT 1) ; DROP TABLE rule_set; SELECT * FROM (SELECT 1",
        "SELECT 1) UNION SELECT * FROM (SELECT 2",
        "SELECT 1 /* and so on",
        "SELECT load_extension('a')",
        "SELECT * FROM account",
        "SELECT * FROM main.\"Account\"",
        "SELECT * FROM [account]",
        "SELECT * FROM `account`",
        "SELECT * FROM 'account'",
        "SELECT * FROM users JOIN verification ON value = users.id",
        "SELECT \"password\" FROM (SELECT 1)",
        "SELECT * FROM sqlite_stat4",
    ] {
        let answer = ask(sql).await;
        answer.assert_problem(400, "query_refused");
        assert_eq!(answer.json()["error"], "Query contains disallowed SQL statements", "{sql}");
    }
    assert_eq!(call(plain(), Method::GET, "tables", None).await["tables"], tables);
}

#[tokio::test]
async fn what_sqlite_does_not_take_is_the_askers_fault() {
    for (sql, part) in [
        ("SELECT * FROM nowhere", "no such table: nowhere"),
        ("SELECT nowhere FROM users", "no such column: nowhere"),
        ("SELECT FROM", "syntax error"),
        ("SELECT (1", "incomplete input"),
    ] {
        let answer = ask(sql).await;
        answer.assert_problem(400, "query_failed");
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{answer:?}");
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_used_are_refused() {
    let path = "/admin/storage/query";
    for body in [json!({}), json!({ "sql": 1 }), json!([]), json!({ "sql": "1".repeat(10_001) })] {
        admin(plain(), Method::POST, path, Some(body)).await.assert_problem(400, "invalid_body");
    }
    let long = json!({ "sql": "1".repeat(70_000) });
    admin(plain(), Method::POST, path, Some(long)).await.assert_problem(413, "body_too_large");
}
