//! Looking at rules, converting and comparing them, and configurations as files.

use std::sync::OnceLock;

use journeys::{Answer, Client, Options, Runtime, Siteverify};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

fn tools() -> &'static Runtime {
    static TOOLS: OnceLock<Runtime> = OnceLock::new();
    let vars = vec![("RATE_LIMIT_POLICIES", r#"{"requests":{"quota":{"free":1000}}}"#)];
    TOOLS.get_or_init(|| Runtime::start(Options { vars, with_demo: true, ..Options::default() }))
}

/// Asks as the demo user.
async fn ask(path: &str, body: &Value) -> Answer {
    static TOKEN: OnceCell<String> = OnceCell::const_new();
    let client = Client::new(&tools().url);
    let sign_in = async || {
        let demo = &tools().ready()["demo"];
        let login = json!({ "email": demo["email"], "password": demo["password"] });
        let answer = client.post_json("/api/auth/sign-in/email", &login).await;
        answer.json()["token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    };
    let token = TOKEN.get_or_init(sign_in).await;
    Answer::to(client.request(Method::POST, path).bearer_auth(token).json(body)).await
}

async fn answer_to(path: &str, body: &Value) -> Value {
    let answer = ask(path, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["success"], true, "{answer}");
    answer
}

async fn unprocessable(path: &str, body: &Value, detail: &str) {
    let answer = ask(path, body).await;
    answer.assert_problem(422, "unprocessable");
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains(detail), "{error}");
}

#[tokio::test]
async fn rules_are_validated_line_by_line() {
    let rules = json!({ "rules": ["||a.example^", "! c", "", "  a##  ", "x$"], "strict": true });
    for path in ["/validate", "/api/validate"] {
        let found = answer_to(path, &rules).await;
        assert_eq!(found["valid"], false);
        assert_eq!([&found["totalRules"], &found["validRules"], &found["invalidRules"]], [5, 3, 2]);
        assert_eq!(found["warnings"], json!([]));
        assert!(found["duration"].as_str().unwrap().ends_with("ms"));
        let fault = &found["errors"][0];
        assert_eq!((&fault["line"], &fault["rule"]), (&json!(4), &json!("a##")));
        assert_eq!((&fault["errorType"], &fault["severity"]), (&json!("ParseError"), &json!("error")));
        assert_eq!((&fault["category"], &fault["message"]), (&json!("Invalid"), &json!("Empty rule body")));
        assert_eq!(found["errors"][1]["message"], "Empty modifiers are not allowed");
    }
    let as_text = answer_to("/api/validate", &json!({ "text": "a##\n||b.example^" })).await;
    assert_eq!([&as_text["totalRules"], &as_text["invalidRules"]], [2, 1]);
    assert_eq!(answer_to("/api/validate", &json!({})).await["valid"], true);
    // Whoever has no account may do it too.
    assert_eq!(Client::new(&tools().url).post_json("/validate", &rules).await.status, 200);
    ask("/api/validate", &json!({ "rules": "a" })).await.assert_problem(400, "invalid_body");
    Client::new(&tools().url).post("/api/validate", "{").await.assert_problem(400, "invalid_json");
}

#[tokio::test]
async fn one_rule_is_validated_with_its_tree_and_an_address() {
    let body = json!({ "rule": " ||a.example^$script ", "testUrl": "https://www.a.example/x" });
    let found = answer_to("/api/validate-rule", &body).await;
    assert_eq!((&found["valid"], &found["matchResult"]), (&json!(true), &json!(true)));
    assert_eq!((&found["ruleType"], &found["category"]), (&json!("NetworkRule"), &json!("Network")));
    assert_eq!(found["ast"]["modifiers"]["children"][0]["name"]["value"], "script");
    assert_eq!(found["testUrl"], "https://www.a.example/x");
    let faulty = answer_to("/validate-rule", &json!({ "rule": "x$" })).await;
    assert_eq!((&faulty["valid"], &faulty["ast"]), (&json!(false), &Value::Null));
    assert_eq!(faulty["error"], "Empty modifiers are not allowed");
    unprocessable("/api/validate-rule", &json!({ "rule": "" }), "Rule must not be empty").await;
    unprocessable("/api/validate-rule", &json!({}), "Rule must not be empty").await;
    unprocessable(
        "/api/validate-rule",
        &json!({ "rule": "a", "testUrl": "a" }),
        "testUrl must be a valid URL",
    )
    .await;
    unprocessable("/api/validate-rule", &json!({ "rule": 7 }), "/rule: ").await;
    Client::new(&tools().url).post("/validate-rule", "{").await.assert_problem(400, "invalid_json");
}

#[tokio::test]
async fn rules_are_parsed_to_trees() {
    let rules = [
        "@@||a.example^$~script,domain=b.example",
        "0.0.0.0 c.example # c",
        "~d.example##.ad",
        "! Title: T",
        "x$",
        "",
    ];
    let found = answer_to("/api/ast/parse", &json!({ "rules": rules })).await;
    let parsed = &found["parsedRules"];
    assert_eq!(
        parsed[0]["properties"]["network"],
        json!({ "pattern": "||a.example^", "isException": true, "modifiers": [
            { "name": "script", "value": null, "exception": true },
            { "name": "domain", "value": "b.example", "exception": false },
        ] })
    );
    assert_eq!(
        parsed[1]["properties"]["host"],
        json!({ "ip": "0.0.0.0", "hostnames": ["c.example"], "comment": "c" })
    );
    assert_eq!(parsed[2]["properties"]["cosmetic"]["domains"], json!(["~d.example"]));
    assert_eq!(parsed[3]["properties"]["comment"], json!({ "text": "", "header": "Title", "value": "T" }));
    assert_eq!(
        parsed[4],
        json!({ "ruleText": "x$", "success": false, "error": "Empty modifiers are not allowed" })
    );
    assert_eq!(parsed[5]["type"], "EmptyRule");
    assert_eq!(parsed[0]["ast"]["raws"], json!({ "text": rules[0] }));
    assert_eq!(
        found["summary"],
        json!({
            "total": 6, "successful": 5, "failed": 1,
            "byCategory": { "Network": 2, "Cosmetic": 1, "Comment": 1, "Empty": 1 },
            "byType": { "NetworkRule": 1, "HostRule": 1, "ElementHidingRule": 1, "MetadataCommentRule": 1, "EmptyRule": 1 },
        })
    );
    let as_text = answer_to("/ast/parse", &json!({ "text": "  a.example/x  \n\n! b" })).await;
    assert_eq!(as_text["summary"]["total"], 2);
    assert_eq!(as_text["parsedRules"][0]["ruleText"], "a.example/x");
    let neither = ask("/api/ast/parse", &json!({})).await;
    neither.assert_problem(400, "invalid_body");
    assert_eq!(neither.json()["error"], "Request must include either \"rules\" array or \"text\" string");
    let long = answer_to("/api/ast/parse", &json!({ "rules": ["a".repeat(70_000)] })).await;
    assert_eq!(long["summary"]["failed"], 1);
}

/// A body of a megabyte can ask for an answer of hundreds.
#[tokio::test]
async fn answers_are_bounded() {
    let many = "a\n".repeat(300_000);
    ask("/api/ast/parse", &json!({ "text": many })).await.assert_problem(413, "answer_too_large");
    let invalid = answer_to("/api/validate", &json!({ "text": "$\n".repeat(300_000).trim_end() })).await;
    assert_eq!(
        (&invalid["invalidRules"], invalid["errors"].as_array().unwrap().len()),
        (&json!(300_000), 10_000)
    );
    let modifiers = format!("x$a{}", ",a".repeat(32_000));
    assert_eq!(
        answer_to("/api/ast/parse", &json!({ "rules": [modifiers] })).await["summary"]["successful"],
        1
    );
    let body = json!({ "text": "a".repeat(1024 * 1024) });
    ask("/api/ast/parse", &body).await.assert_problem(413, "body_too_large");
}

#[tokio::test]
async fn a_tree_is_walked() {
    let body = json!({ "rules": ["||a.example^$script,third-party", "! b"], "nodeTypes": ["Modifier", "CommentRule"], "includeContext": true });
    let walked = answer_to("/api/ast/walk", &body).await;
    let nodes: Vec<(&Value, &Value, &Value, &Value)> = walked["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (&node["type"], &node["depth"], &node["key"], &node["index"]))
        .collect();
    assert_eq!(
        nodes,
        [
            (&json!("Modifier"), &json!(3), &json!("children"), &json!(0)),
            (&json!("Modifier"), &json!(3), &json!("children"), &json!(1)),
            (&json!("CommentRule"), &json!(1), &json!("children"), &json!(1)),
        ]
    );
    assert_eq!(
        walked["summary"],
        json!({ "totalNodes": 3, "maxDepth": 3, "byType": { "Modifier": 2, "CommentRule": 1 } })
    );
    let shallow = answer_to("/ast/walk", &json!({ "text": "a\nb", "maxDepth": 0 })).await;
    assert_eq!(
        (shallow["nodes"].as_array().unwrap().len(), &shallow["nodes"][0]["type"]),
        (1, &json!("FilterList"))
    );
    assert_eq!(shallow["nodes"][0].get("key"), None);
    unprocessable("/api/ast/walk", &json!({ "rules": vec!["a"; 5_001] }), "at most 5000 rules").await;
    unprocessable("/api/ast/walk", &json!({ "rules": ["a".repeat(4_097)] }), "at most 4096 bytes").await;
    unprocessable(
        "/api/ast/walk",
        &json!({ "rules": ["a"], "nodeTypes": vec!["a"; 31] }),
        "at most 30 items",
    )
    .await;
    unprocessable("/api/ast/walk", &json!({ "rules": ["a"], "maxDepth": 51 }), "at most 50").await;
}

#[tokio::test]
async fn rules_are_converted() {
    for (rule, target, converted, is_converted) in [
        ("||a.example^$third-party", "ubo", "||a.example^$3p", true),
        ("||a.example^$3p", "adg", "||a.example^$third-party", true),
        ("a.example##+js(aopr, ads)", "adg", "a.example#%#//scriptlet('ubo-aopr', 'ads')", true),
        ("||a.example^", "ubo", "||a.example^", false),
        ("0.0.0.0 a.example", "domains", "a.example", true),
        ("0.0.0.0 a.example", "dns", "||a.example^", true),
        ("||a.example^", "hosts", "0.0.0.0 a.example", true),
    ] {
        let body = json!({ "rule": rule, "targetSyntax": target });
        let found = answer_to("/api/convert-rule", &body).await;
        assert_eq!(
            (&found["convertedRules"], &found["isConverted"]),
            (&json!([converted]), &json!(is_converted)),
            "{rule}"
        );
        assert_eq!((&found["rule"], &found["targetSyntax"]), (&json!(rule), &json!(target)));
    }
    let refused = ask("/convert-rule", &json!({ "rule": "0.0.0.0 a.example", "targetSyntax": "ubo" })).await;
    assert_eq!(refused.status, 200);
    let refused = refused.json();
    assert_eq!((&refused["success"], &refused["convertedRules"]), (&json!(false), &json!([])));
    assert_eq!(refused["error"], "Invalid rule type: HostRule");
    unprocessable("/api/convert-rule", &json!({ "rule": "", "targetSyntax": "adg" }), "must not be empty")
        .await;
    unprocessable("/api/convert-rule", &json!({ "rule": "a", "targetSyntax": "abp" }), "/targetSyntax: ")
        .await;
    unprocessable("/api/convert-rule", &json!({ "rule": "a" }), "targetSyntax").await;
}

#[tokio::test]
async fn lists_are_compared() {
    let body = json!({
        "original": ["! Title: Mine", "||a.example^", "||b.example^", "x$"],
        "current": ["||b.example^", "0.0.0.0 c.example", "@@||a.example^"],
    });
    let found = answer_to("/api/diff", &body).await;
    let report = &found["report"];
    assert_eq!(report["original"], json!({ "name": "Mine", "ruleCount": 3 }));
    assert_eq!(
        report["summary"],
        json!({
            "originalCount": 3, "newCount": 3, "addedCount": 2, "removedCount": 2, "unchangedCount": 1, "netChange": 0,
            "percentageChange": 0.0, "categoryBreakdown": {
                "network": { "added": 1, "removed": 1 }, "cosmetic": { "added": 0, "removed": 0 },
                "host": { "added": 1, "removed": 0 }, "comment": { "added": 0, "removed": 0 },
                "unknown": { "added": 0, "removed": 1 },
            },
        })
    );
    assert_eq!(
        report["added"][1],
        json!({ "rule": "@@||a.example^", "type": "added", "newLine": 3, "category": "Network", "syntax": "Common", "isException": true })
    );
    assert_eq!(report["removed"][0]["originalLine"], 2);
    assert_eq!(report["domainChanges"][0], json!({ "domain": "a.example", "added": 1, "removed": 1 }));
    assert_eq!(
        found["parseErrors"],
        json!({ "original": [{ "line": 4, "rule": "x$", "message": "Empty modifiers are not allowed" }], "current": [] })
    );
    let with = |options: Value| json!({ "original": ["a"], "current": ["b", "c"], "options": options });
    let few = answer_to("/diff", &with(json!({ "maxRulesToInclude": 1, "analyzeDomains": false }))).await;
    assert_eq!(
        (few["report"]["added"].as_array().unwrap().len(), &few["report"]["summary"]["addedCount"]),
        (1, &json!(2))
    );
    let none = answer_to("/diff", &with(json!({ "includeFullRules": false }))).await;
    assert_eq!((&none["report"]["added"], &none["report"]["summary"]["netChange"]), (&json!([]), &json!(1)));
    unprocessable("/api/diff", &with(json!({ "maxRulesToInclude": 10_001 })), "from 1 to 10000").await;
    unprocessable("/api/diff", &json!({ "original": ["a"] }), "current must have at least 1 rule").await;
    Client::new(&tools().url)
        .post_json("/api/diff", &body)
        .await
        .assert_problem(401, "authentication_required");
    // The page of the same name is a browser's.
    assert_eq!(Client::new(&tools().url).navigate("/diff").await.status, 200);
}

fn config() -> Value {
    json!({ "name": "Mine", "sources": [{ "source": "https://lists.example/a.txt" }], "transformations": ["Compress"] })
}

#[tokio::test]
async fn configurations_are_validated_and_resolved() {
    let good = answer_to("/api/configuration/validate", &json!({ "config": config() })).await;
    assert_eq!((&good["valid"], &good["warnings"][0]["path"]), (&json!(true), &json!("transformations")));
    let bad = json!({ "config": { "name": 1, "sources": [{ "source": "" }], "sorces": [], "transformations": ["X"] } });
    let found = answer_to("/configuration/validate", &bad).await;
    assert_eq!(found["valid"], false);
    let shown: Vec<(&str, &str)> = found["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["path"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("sorces", "unrecognized_keys"),
            ("name", "invalid_type"),
            ("sources.0.source", "too_small"),
            ("transformations.0", "invalid_value"),
        ]
    );
    let without = ask("/api/configuration/validate", &json!({})).await;
    without.assert_problem(400, "invalid_body");
    assert!(without.json()["error"].as_str().unwrap().contains("must contain a \"config\" field"));
    ask("/api/configuration/validate", &json!({ "config": [] })).await.assert_problem(400, "invalid_body");

    let layer = json!({ "name": "Theirs", "extensions": { "a": 1 } });
    let body = json!({ "config": config(), "override": layer, "applyEnvOverrides": false });
    let resolved = answer_to("/api/configuration/resolve", &body).await;
    assert_eq!(
        (&resolved["config"]["name"], &resolved["config"]["sources"]),
        (&json!("Theirs"), &config()["sources"])
    );
    let many = json!({ "config": { "name": "N", "sources": vec![json!({ "source": "a" }); 101] } });
    let cut = answer_to("/configuration/resolve", &many).await;
    assert_eq!(cut["config"]["sources"].as_array().unwrap().len(), 100);
    let refused = ask("/api/configuration/resolve", &bad).await;
    refused.assert_problem(400, "invalid_configuration");
    assert_eq!(
        (&refused.json()["error"], &refused.json()["errors"][0]["path"]),
        (&json!("Configuration validation failed"), &json!("sorces"))
    );
    let anybody = Client::new(&tools().url);
    anybody
        .post_json("/api/configuration/validate", &bad)
        .await
        .assert_problem(401, "authentication_required");

    let defaults = anybody.get("/api/configuration/defaults").await;
    assert_eq!(defaults.header("cache-control"), "public, max-age=300, stale-while-revalidate=60");
    assert_eq!(defaults.json()["limits"], json!({ "maxSources": 100, "maxExclusions": 10_000 }));
    let schemas = anybody.get("/api/schemas").await;
    assert_eq!(schemas.header("cache-control"), "public, max-age=3600");
    for name in ["ConfigurationSchema", "CompileRequestSchema", "SourceSchema", "BenchmarkMetricsSchema"] {
        let schema = &schemas.json()["schemas"][name];
        assert_eq!((&schema["title"], &schema["type"]), (&json!(name), &json!("object")));
    }
}

#[tokio::test]
async fn configurations_are_handed_over_as_files() {
    let client = Client::new(&tools().url);
    let created = client
        .post_json("/api/configuration/create", &json!({ "config": config(), "format": "yaml" }))
        .await
        .json();
    assert_eq!(
        (&created["success"], &created["format"], &created["expiresIn"]),
        (&json!(true), &json!("yaml"), &json!(86400))
    );
    let id = created["id"].as_str().unwrap();
    let yaml = client.get(&format!("/api/configuration/download/{id}")).await;
    assert_eq!((yaml.status, yaml.header("content-type")), (200, "application/x-yaml"));
    assert_eq!(yaml.header("content-disposition"), format!("attachment; filename=\"config-{id}.yaml\""));
    assert_eq!(yaml.header("cache-control"), "private, no-cache");
    assert!(
        yaml.text.contains(
            "\"name\": \"Mine\"\n\"sources\":\n  -\n    \"source\": \"https://lists.example/a.txt\"\n"
        ),
        "{yaml:?}"
    );
    let json = client.get(&format!("/configuration/download/{id}?format=json")).await;
    assert_eq!((json.header("content-type"), json.json()), ("application/json", config()));
    assert!(json.text.contains("\n    \"name\": \"Mine\""), "{json:?}");

    let refused = client.post_json("/configuration/create", &json!({ "config": {} })).await.json();
    assert_eq!(
        (&refused["success"], &refused["valid"], refused.get("id")),
        (&json!(true), &json!(false), None)
    );
    let mut large = config();
    large["description"] = json!("x".repeat(4_096));
    large["exclusions"] = json!(vec!["x".repeat(100); 3_000]);
    ask("/api/configuration/create", &json!({ "config": large })).await.assert_problem(413, "body_too_large");
    client.get("/api/configuration/download/nonsense").await.assert_problem(400, "invalid_id");
    client
        .get(&format!("/api/configuration/download/{id}?format=toml"))
        .await
        .assert_problem(400, "invalid_format");
    let unknown = client.get("/api/configuration/download/00000000-0000-4000-8000-000000000000").await;
    unknown.assert_problem(404, "not_found");
    assert_eq!(unknown.json()["error"], "Configuration not found or expired");
}

/// Existing frontends send a token with compiles alone; it opens the other tools to the same identity for a while.
#[tokio::test]
async fn a_good_token_counts_for_a_while() {
    let siteverify = Siteverify::start("fake-turnstile-secret").await;
    let vars = vec![
        ("TURNSTILE_SECRET_KEY", "fake-turnstile-secret"),
        ("TURNSTILE_VERIFY_URL", &*siteverify.url().leak()),
        ("RATE_LIMIT_POLICIES", r#"{"requests":{"quota":{"anonymous":50}}}"#),
    ];
    let mut runtime = Runtime::start(Options { vars, ..Options::default() });
    let client = Client::new(&runtime.url);
    let rules = json!({ "rules": ["a"] });
    for path in ["/api/validate", "/api/ast/parse", "/api/configuration/create"] {
        let body = json!({ "rules": ["a"], "config": config() });
        let refused = client.post_json(path, &body).await;
        refused.assert_problem(403, "turnstile_rejected");
        assert_eq!(refused.json()["error"], "Missing Turnstile token");
    }
    let wrong = json!({ "rules": ["a"], "turnstileToken": "forged" });
    client.post_json("/api/validate", &wrong).await.assert_problem(403, "turnstile_rejected");
    client.post_json("/api/validate", &rules).await.assert_problem(403, "turnstile_rejected");

    let compile = json!({
        "configuration": { "name": "N", "sources": [{ "source": "a" }] },
        "preFetchedContent": { "a": "b" },
        "turnstileToken": "good-1",
    });
    assert_eq!(client.compile(&compile).await.status, 200);
    assert_eq!(client.post_json("/api/validate", &rules).await.status, 200);
    // A compile needs one of its own, a bad token stays one, and another network has shown nothing.
    let mut untold = compile.clone();
    untold.as_object_mut().unwrap().remove("turnstileToken");
    client.compile(&untold).await.assert_problem(403, "turnstile_rejected");
    client.post_json("/api/validate", &wrong).await.assert_problem(403, "turnstile_rejected");
    Client::new(&runtime.url)
        .post_json("/api/validate", &rules)
        .await
        .assert_problem(403, "turnstile_rejected");
    // The object remembers it through a crash.
    runtime.crash_and_restart();
    assert_eq!(client.moved_to(&runtime.url).post_json("/api/ast/parse", &rules).await.status, 200);
}
