//! What an admitted request costs: one call to one object, and no look at a database.

use journeys::{Answer, Client, Issuer, Options, Runtime};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// Requests of each kind; all of them fit into the tier of the demo user.
const N: u64 = 15;

async fn calls(client: &Client) -> Value {
    client.get("/api/faults/calls").await.json()
}

/// Sends a request often and asserts what each of them cost.
async fn assert_costs_one_call(client: &Client, what: &str, ask: impl Fn() -> RequestBuilder) {
    // The first one may have to be introduced.
    let first = Answer::to(ask()).await;
    assert_eq!(first.status, 400, "{what}: {first:?}");
    // What it left to be done after its answer is done a moment later.
    let mut before = calls(client).await;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let now = calls(client).await;
        if now == before {
            break;
        }
        before = now;
    }
    for _ in 0..N {
        assert_eq!(Answer::to(ask()).await.status, 400, "{what}");
    }
    let after = calls(client).await;
    let spent = |store: &str| after[store].as_u64().unwrap() - before[store].as_u64().unwrap();
    assert_eq!((spent("d1"), spent("postgres"), spent("objects")), (0, 0, N), "{what}");
}

#[tokio::test]
async fn an_admitted_request_is_one_call_to_one_object() {
    let issuer = Issuer::start();
    let vars = vec![("CLERK_JWKS_URL", issuer.keys_url())];
    let runtime = Runtime::start(Options { vars, with_faults: true, with_demo: true });
    let client = Client::new(&runtime.url);
    let ready = runtime.ready();

    // Counted like work, and then refused for its shape.
    let compile = || client.request(Method::POST, "/api/compile").body("{}");
    let with = |token: &str| {
        let bearer = format!("Bearer {token}");
        move || compile().header("Authorization", bearer.clone())
    };
    let login = json!({ "email": ready["demo"]["email"], "password": ready["demo"]["password"] });
    let signed_in = client.post_json("/api/auth/sign-in/email", &login).await;
    let session = signed_in.json()["token"].as_str().unwrap().to_owned();
    assert_costs_one_call(&client, "session", with(&session)).await;
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_costs_one_call(&client, "cookie", || compile().header("Cookie", &cookie)).await;

    assert_costs_one_call(&client, "key", with(ready["demo"]["api_key"].as_str().unwrap())).await;

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "iss": issuer.url, "sub": "user_1", "iat": now, "exp": now + 60 });
    assert_costs_one_call(&client, "Clerk", with(&issuer.mint(&claims).await)).await;
}
