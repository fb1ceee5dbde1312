//! What users keep: sets of rules, and configurations.

use std::sync::OnceLock;

use futures::future::join_all;
use journeys::{Answer, Client, Options, Runtime, fresh};
use reqwest::Method;
use serde_json::{Value, json};

use crate::users::count;

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

fn kept() -> &'static Runtime {
    static KEPT: OnceLock<Runtime> = OnceLock::new();
    let vars = vec![
        ("RATE_LIMIT_POLICIES", r#"{"requests":{"quota":{"free":1000}}}"#),
        ("MAX_REQUEST_BODY_MB", "3"),
    ];
    KEPT.get_or_init(|| Runtime::start(Options { vars, ..Options::default() }))
}

/// Somebody who signed up. Returns their id and session token.
async fn sign_up() -> (String, String) {
    let body = json!({
        "email": format!("{}@example.org", fresh("keeper")), "password": "correct horse battery", "name": "Ann",
    });
    let answer = Client::new(&kept().url).post_json("/api/auth/sign-up/email", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    (answer["user"]["id"].as_str().unwrap().to_owned(), answer["token"].as_str().unwrap().to_owned())
}

/// A request of whoever has this session or key.
async fn ask(token: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let request = Client::new(&kept().url).request(method, path).bearer_auth(token);
    Answer::to(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

/// A new key of whoever has this session, with these scopes.
async fn make_key(token: &str, scopes: &[&str]) -> String {
    let made = ask(token, Method::POST, "/keys", Some(&json!({ "name": "n", "scopes": scopes }))).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["key"].as_str().unwrap().to_owned()
}

fn set(name: &str) -> Value {
    json!({ "name": name, "description": "D", "rules": ["||a.example^", "! ü"], "tags": ["t", "u"] })
}

/// Keeps a set and returns it as it is answered.
async fn create(token: &str, body: &Value) -> Value {
    let created = ask(token, Method::POST, "/api/rules", Some(body)).await;
    assert_eq!(created.status, 201, "{created:?}");
    let created = created.json();
    assert_eq!(created["success"], true);
    created["data"].clone()
}

fn not_found(answer: &Answer, text: &str) {
    answer.assert_problem(404, "not_found");
    assert_eq!(answer.json()["error"], text);
}

#[tokio::test]
async fn a_user_keeps_lists_reads_changes_and_deletes_sets() {
    let (_, token) = sign_up().await;
    let none = ask(&token, Method::GET, "/rules", None).await;
    assert_eq!((none.status, none.json()), (200, json!({ "success": true, "items": [], "total": 0 })));

    let mut first = create(&token, &set("First")).await;
    let (id, created_at) = (first["id"].as_str().unwrap().to_owned(), first["createdAt"].clone());
    assert_eq!(
        first,
        json!({
            "id": id, "name": "First", "description": "D", "rules": ["||a.example^", "! ü"], "ruleCount": 2,
            "tags": ["t", "u"], "createdAt": created_at, "updatedAt": created_at,
        })
    );
    let second = create(&token, &json!({ "name": "Second", "rules": ["b"], "color": "green" })).await;
    for absent in ["description", "tags", "color"] {
        assert_eq!(second.get(absent), None, "{second}");
    }

    let listed = ask(&token, Method::GET, "/api/rules", None).await.json();
    let items = listed["items"].as_array().unwrap().iter();
    let names: Vec<&str> = items.map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!((names.as_slice(), &listed["total"]), (["Second", "First"].as_slice(), &json!(2)));
    let path = format!("/rules/{id}");
    let read = ask(&token, Method::GET, &path, None).await;
    assert_eq!((read.status, read.json()), (200, json!({ "success": true, "data": first })));
    first.as_object_mut().unwrap().remove("rules");
    assert_eq!(listed["items"][1], first, "as it is, but for its rules");

    let change = json!({ "rules": ["c", "d", "e"], "tags": [] });
    let changed = ask(&token, Method::PUT, &path, Some(&change)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let changed = changed.json()["data"].clone();
    assert_eq!((&changed["name"], &changed["description"]), (&json!("First"), &json!("D")));
    assert_eq!((&changed["rules"], &changed["ruleCount"]), (&change["rules"], &json!(3)));
    assert_eq!((&changed["tags"], &changed["createdAt"]), (&json!([]), &created_at));
    let renamed = ask(&token, Method::PUT, &path, Some(&json!({ "name": "Third" }))).await.json();
    assert_eq!((&renamed["data"]["name"], &renamed["data"]["ruleCount"]), (&json!("Third"), &json!(3)));
    assert_eq!(ask(&token, Method::GET, &path, None).await.json()["data"]["rules"], change["rules"]);

    let deleted = ask(&token, Method::DELETE, &path, None).await;
    let told = json!({ "success": true, "message": format!("Rule set '{id}' deleted") });
    assert_eq!((deleted.status, deleted.json()), (200, told));
    for method in [Method::GET, Method::DELETE] {
        not_found(&ask(&token, method, &path, None).await, "Rule set not found");
    }
    assert_eq!(ask(&token, Method::GET, "/rules", None).await.json()["total"], 1);
}

#[tokio::test]
async fn sets_are_their_owners_alone() {
    let ((_, owner), (_, other)) = (sign_up().await, sign_up().await);
    let id = create(&owner, &set("Mine")).await["id"].as_str().unwrap().to_owned();
    for (token, id) in [(&other, &*id), (&owner, UNKNOWN), (&owner, "nonsense")] {
        let path = format!("/api/rules/{id}");
        for (method, body) in
            [(Method::GET, None), (Method::PUT, Some(set("Theirs"))), (Method::DELETE, None)]
        {
            not_found(&ask(token, method, &path, body.as_ref()).await, "Rule set not found");
        }
    }
    assert_eq!(ask(&other, Method::GET, "/rules", None).await.json()["total"], 0);
    let path = format!("/rules/{id}");
    assert_eq!(ask(&owner, Method::GET, &path, None).await.json()["data"]["name"], "Mine");

    let anybody = Client::new(&kept().url);
    for (method, path) in [
        (Method::GET, "/rules"),
        (Method::POST, "/api/rules"),
        (Method::GET, &*path),
        (Method::PUT, &*path),
        (Method::DELETE, &*path),
    ] {
        let refused = Answer::to(anybody.request(method, path).body("{}")).await;
        refused.assert_problem(401, "authentication_required");
    }
    // The page of the same name is a browser's.
    assert_eq!(anybody.navigate("/rules").await.status, 200);
}

#[tokio::test]
async fn keys_need_the_scope_for_sets() {
    let (_, token) = sign_up().await;
    let (without, with) = (make_key(&token, &["compile"]).await, make_key(&token, &["rules"]).await);
    let refused = ask(&without, Method::GET, "/rules", None).await;
    refused.assert_problem(403, "scope_missing");
    assert_eq!(refused.json()["error"], "Missing required scope: rules");
    let created = create(&with, &set("By key")).await;
    // What a key keeps is its owner's.
    let listed = ask(&token, Method::GET, "/rules", None).await.json();
    assert_eq!(listed["items"][0]["id"], created["id"]);
    assert_eq!(ask(&with, Method::GET, "/api/rules", None).await.json(), listed);
}

#[tokio::test]
async fn malformed_sets_are_refused() {
    let (_, token) = sign_up().await;
    let path = format!("/rules/{}", create(&token, &set("Good")).await["id"].as_str().unwrap());
    for (member, value, issue) in [
        ("name", json!(""), "/name: must have 1 to 128 characters"),
        ("name", json!("n".repeat(129)), "/name: must have 1 to 128 characters"),
        ("name", json!(7), "/name: "),
        ("description", json!("d".repeat(513)), "/description: must have at most 512 characters"),
        ("rules", json!([]), "/rules: must have 1 to 10000 rules"),
        ("rules", json!(vec!["a"; 10_001]), "/rules: must have 1 to 10000 rules"),
        ("rules", json!(["a", 7]), "/rules/1: "),
        ("rules", json!(["a".repeat(65_537)]), "/rules/0: must have at most 65536 bytes"),
        ("rules", json!(vec!["a".repeat(60_000); 32]), "/rules: must have at most 1900000 bytes of JSON"),
        ("tags", json!(vec!["t"; 21]), "/tags: must have at most 20 tags"),
        ("tags", json!(["t".repeat(65)]), "/tags/0: must have at most 64 characters"),
    ] {
        let mut whole = set("Bad");
        whole[member] = value.clone();
        let refused = [
            ask(&token, Method::POST, "/rules", Some(&whole)).await,
            ask(&token, Method::PUT, &path, Some(&json!({ member: value }))).await,
        ];
        for refused in refused {
            refused.assert_problem(422, "unprocessable");
            let error = refused.json()["error"].as_str().unwrap().to_owned();
            assert!(error.starts_with(issue), "{error}");
        }
    }
    for missing in ["name", "rules"] {
        let mut whole = set("Bad");
        whole.as_object_mut().unwrap().remove(missing);
        let refused = ask(&token, Method::POST, "/rules", Some(&whole)).await;
        refused.assert_problem(422, "unprocessable");
        assert_eq!(refused.json()["error"], format!("/{missing}: must be given"));
    }
    let request = Client::new(&kept().url).request(Method::POST, "/rules").bearer_auth(&token).body("{");
    Answer::to(request).await.assert_problem(400, "invalid_json");

    // What is as large as can be is kept whole.
    let large = vec!["é".repeat(30_000); 31];
    let body = json!({ "name": "é".repeat(128), "rules": large, "tags": vec!["é".repeat(64); 20] });
    let id = create(&token, &body).await["id"].as_str().unwrap().to_owned();
    let read = ask(&token, Method::GET, &format!("/rules/{id}"), None).await.json();
    assert_eq!((&read["data"]["rules"], &read["data"]["tags"]), (&body["rules"], &body["tags"]));
}

/// However many are sent at once.
#[tokio::test]
async fn nobody_gets_a_hundred_and_first_set_or_a_fifty_first_configuration() {
    let (_, token) = sign_up().await;
    for (path, body, most, code, text) in [
        ("/rules", set("Many"), 100, "too_many_rule_sets", "Maximum of 100 rule sets per user"),
        (
            "/configuration/saved",
            saved("Many"),
            50,
            "too_many_saved_configurations",
            "Maximum of 50 saved configurations per user",
        ),
    ] {
        let sent = join_all((0..most + 10).map(|_| ask(&token, Method::POST, path, Some(&body)))).await;
        assert_eq!(sent.iter().filter(|answer| answer.status == 201).count(), most);
        for refused in sent.iter().filter(|answer| answer.status != 201) {
            refused.assert_problem(400, code);
            assert_eq!(refused.json()["error"], text);
        }
        assert_eq!(ask(&token, Method::GET, path, None).await.json()["total"], most);
        let id = sent.iter().find_map(|answer| {
            let answer = answer.json();
            answer["id"].as_str().or(answer["data"]["id"].as_str()).map(str::to_owned)
        });
        let deleted = ask(&token, Method::DELETE, &format!("{path}/{}", id.unwrap()), None).await;
        assert!(matches!(deleted.status, 200 | 204), "{deleted:?}");
        assert_eq!(ask(&token, Method::POST, path, Some(&body)).await.status, 201, "there is room again");
    }
}

fn saved(name: &str) -> Value {
    json!({ "name": name, "config": { "name": "Mine", "sources": [{ "source": "https://lists.example/a.txt" }] } })
}

#[tokio::test]
async fn a_person_saves_lists_and_deletes_configurations() {
    let ((_, token), (_, other)) = (sign_up().await, sign_up().await);
    let path = "/api/configuration/saved";
    let none = ask(&token, Method::GET, path, None).await;
    assert_eq!((none.status, none.json()), (200, json!({ "success": true, "configs": [], "total": 0 })));

    let kept = ask(&token, Method::POST, path, Some(&saved("First"))).await;
    assert_eq!(kept.status, 201, "{kept:?}");
    let first = kept.json();
    let (id, created_at) = (first["id"].as_str().unwrap(), &first["createdAt"]);
    assert_eq!(
        first,
        json!({
            "success": true, "id": id, "name": "First", "description": null, "config": saved("")["config"],
            "createdAt": created_at, "updatedAt": created_at,
        })
    );
    let mut second = saved("Second");
    second["description"] = json!("D");
    assert_eq!(ask(&token, Method::POST, "/configuration/saved", Some(&second)).await.status, 201);
    let listed = ask(&token, Method::GET, "/configuration/saved", None).await.json();
    assert_eq!((&listed["total"], &listed["configs"][0]["description"]), (&json!(2), &json!("D")));
    assert_eq!(
        listed["configs"][1],
        json!({ "id": id, "name": "First", "description": null, "createdAt": created_at, "updatedAt": created_at })
    );

    assert_eq!(ask(&other, Method::GET, path, None).await.json()["total"], 0);
    for (token, id) in [(&other, id), (&token, UNKNOWN), (&token, "nonsense")] {
        let refused = ask(token, Method::DELETE, &format!("{path}/{id}"), None).await;
        not_found(&refused, "Saved configuration not found");
    }
    let deleted = ask(&token, Method::DELETE, &format!("{path}/{id}"), None).await;
    assert_eq!((deleted.status, &*deleted.text), (204, ""));
    let again = ask(&token, Method::DELETE, &format!("{path}/{id}"), None).await;
    not_found(&again, "Saved configuration not found");
    assert_eq!(ask(&token, Method::GET, path, None).await.json()["total"], 1);
}

#[tokio::test]
async fn malformed_configurations_are_not_saved() {
    let (_, token) = sign_up().await;
    let path = "/configuration/saved";
    for (member, value, issue) in [
        ("name", json!(""), "/name: must have 1 to 128 characters"),
        ("name", json!("n".repeat(129)), "/name: must have 1 to 128 characters"),
        ("name", json!(null), "/name: "),
        ("description", json!("d".repeat(513)), "/description: must have at most 512 characters"),
        ("config", json!(null), "/config: Request body must contain a \"config\" field"),
    ] {
        let mut body = saved("Bad");
        body[member] = value;
        let refused = ask(&token, Method::POST, path, Some(&body)).await;
        refused.assert_problem(400, "invalid_body");
        let error = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(issue), "{error}");
    }
    let mut body = saved("Bad");
    body["config"]["sorces"] = json!([]);
    let refused = ask(&token, Method::POST, path, Some(&body)).await;
    refused.assert_problem(400, "invalid_configuration");
    let refused = refused.json();
    assert_eq!(refused["error"], "Configuration validation failed");
    assert_eq!(
        (&refused["errors"][0]["path"], &refused["errors"][0]["code"]),
        (&json!("sorces"), &json!("unrecognized_keys"))
    );
    assert_eq!(ask(&token, Method::GET, path, None).await.json()["total"], 0);
}

#[tokio::test]
async fn saved_configurations_are_for_people() {
    let (_, token) = sign_up().await;
    let key = make_key(&token, &["compile", "rules"]).await;
    let item = format!("/configuration/saved/{UNKNOWN}");
    for (method, path) in [
        (Method::GET, "/configuration/saved"),
        (Method::POST, "/configuration/saved"),
        (Method::DELETE, &*item),
    ] {
        for path in [path.to_owned(), format!("/api{path}")] {
            let refused = ask(&key, method.clone(), &path, None).await;
            refused.assert_problem(403, "session_required");
            let text = "Saved configurations require an authenticated user session";
            assert_eq!(refused.json()["error"], text);
            let anonymous = Client::new(&kept().url).request(method.clone(), &path);
            Answer::to(anonymous).await.assert_problem(401, "authentication_required");
        }
    }
}

#[tokio::test]
async fn what_a_user_keeps_goes_with_them() {
    let ((id, token), (other_id, other)) = (sign_up().await, sign_up().await);
    for token in [&token, &other] {
        create(token, &set("Mine")).await;
        let kept = ask(token, Method::POST, "/configuration/saved", Some(&saved("Mine"))).await;
        assert_eq!(kept.status, 201, "{kept:?}");
    }
    let n_kept = |user: &str| {
        ["rule_set", "saved_configuration"]
            .map(|table| count(kept(), &format!("SELECT count(*) FROM {table} WHERE user_id = '{user}'")))
    };
    assert_eq!((n_kept(&id), n_kept(&other_id)), ([1, 1], [1, 1]));
    let admin_key = kept().ready()["admin_key"].as_str().unwrap().to_owned();
    let path = format!("/api/admin/users/{id}");
    let request = Client::new(&kept().url).request(Method::DELETE, &path).header("X-Admin-Key", admin_key);
    let deleted = Answer::to(request).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert_eq!((n_kept(&id), n_kept(&other_id)), ([0, 0], [1, 1]));
}
