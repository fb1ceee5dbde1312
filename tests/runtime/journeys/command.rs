//! `cargo xtask dev` itself.

use std::net::{TcpListener, TcpStream};

use journeys::{Answer, Client, Options, Runtime, xtask};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn it_tells_where_it_serves_and_leaves_nothing_running() {
    let mut runtime = Runtime::start(Options { with_demo: true, ..Options::default() });
    let ready = runtime.ready();
    for name in ["url", "pid", "admin_key", "better_auth_secret", "clerk_webhook_secret", "postgres_url"] {
        assert!(!ready[name].is_null(), "{name}: {ready}");
    }
    assert_demo_works(&runtime).await;
    assert_eq!(Client::new(&runtime.url).get("/api/version").await.status, 200);

    let addresses: Vec<String> = [ready["url"].as_str().unwrap(), ready["postgres_url"].as_str().unwrap()]
        .iter()
        .map(|url| {
            let host = url
                .rsplit('@')
                .next()
                .unwrap()
                .trim_start_matches("http://")
                .trim_start_matches("postgres://");
            host.split('/').next().unwrap().to_owned()
        })
        .collect();
    for address in &addresses {
        assert!(TcpStream::connect(address).is_ok(), "{address}");
    }
    runtime.stop();
    for address in &addresses {
        assert!(TcpStream::connect(address).is_err(), "{address} still answers");
    }
    // Served again, the demo is the same.
    runtime.restart();
    assert_eq!(runtime.ready()["demo"], ready["demo"]);
    assert_demo_works(&runtime).await;
}

/// The key is the demo user's, and the admin may see everybody's limits.
async fn assert_demo_works(runtime: &Runtime) {
    let (ready, client) = (runtime.ready(), Client::new(&runtime.url));
    let with = |token: &str, path: &str| {
        client.request(Method::GET, path).header("Authorization", format!("Bearer {token}"))
    };
    let key = ready["demo"]["api_key"].as_str().unwrap();
    let limits = Answer::to(with(key, "/api/rate-limit")).await.json();
    let user = format!("user:{}", ready["demo"]["user_id"].as_str().unwrap());
    assert_eq!((&limits["identity"], &limits["tier"]), (&user.clone().into(), &"free".into()));

    let admin = json!({ "email": ready["admin"]["email"], "password": ready["admin"]["password"] });
    let token = client.post_json("/api/auth/sign-in/email", &admin).await.json()["token"].clone();
    let shown = Answer::to(with(token.as_str().unwrap(), &format!("/admin/limits/{user}"))).await;
    assert_eq!(shown.status, 200, "{shown:?}");
}

#[test]
fn a_taken_port_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let output = xtask().args(["dev", "--port", &port, "--state", "target/journeys/taken"]).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&format!("port {port} is taken")) && said.contains("--port N"), "{said}");
}

#[test]
fn a_state_in_use_is_named() {
    let runtime = Runtime::start(Options::default());
    let output = xtask().args(["dev", "--port", "0", "--state"]).arg(runtime.state()).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("is in use by another") && said.contains("--state DIR"), "{said}");
}
