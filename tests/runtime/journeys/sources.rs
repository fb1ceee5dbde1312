//! Sources over HTTP: what is fetched, what is refused, and what a bad server gets.

use std::time::{Duration, Instant};

use journeys::{Answer, Client, Origin};
use serde_json::{Value, json};

use crate::{assert_served, open, plain};

fn request(source: &str) -> Value {
    json!({ "configuration": { "name": "Fetched", "sources": [{ "source": source }] } })
}

fn body_lines(answer: &Answer) -> Vec<String> {
    let rules = answer.json()["rules"].as_array().unwrap().clone();
    let lines = rules.iter().map(|rule| rule.as_str().unwrap().to_owned());
    // The header of the list, then that of the source: `!`, its name, `!`.
    lines.skip_while(|line| !line.starts_with("! Source: ")).skip(2).collect()
}

#[tokio::test]
async fn a_source_is_fetched_with_its_includes() {
    let origin = Origin::start().await;
    let client = Client::new(open());
    let list = client.compile(&request(&origin.url("/list.txt"))).await;
    assert_eq!(list.status, 200, "{list:?}");
    assert_eq!(list.header("x-cache"), "MISS");
    assert_eq!(body_lines(&list), ["||one.example^", "! comment", "||two.example^"]);

    let main = client.compile(&request(&origin.url("/main.txt"))).await;
    assert_eq!(body_lines(&main), ["||main.example^", "||part.example^"]);

    let bytes = client.compile(&request(&origin.url("/not-utf8.txt"))).await;
    assert_eq!(body_lines(&bytes), ["||a\u{fffd}b.example^"]);

    let moved = client.compile(&request(&origin.url("/moved?to=/list.txt"))).await;
    assert_eq!(body_lines(&moved).len(), 3);
    // Includes lie beside what was asked for, not beside what that led to.
    let moved = client.compile(&request(&origin.url("/sub/elsewhere"))).await;
    assert_eq!(body_lines(&moved), ["||main.example^", "||sub.example^"]);
}

/// The server learns who asks, and nothing about the client behind it.
#[tokio::test]
async fn a_source_learns_nothing_of_the_client() {
    let origin = Origin::start().await;
    let client = Client::at(open(), "11.22.33.44");
    let echo = body_lines(&client.compile(&request(&origin.url("/echo-request.txt"))).await).join("\n");
    assert!(echo.to_lowercase().contains("user-agent: hostlistcompiler/2.0"), "{echo}");
    assert!(!echo.contains("11.22.33.44"), "{echo}");
}

#[tokio::test]
async fn private_addresses_are_refused() {
    for source in [
        "http://127.0.0.1",
        "http://127.0.0.1:8787/api/health",
        "http://localhost/list.txt",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]",
        "http://10.0.0.1/list.txt",
        "http://169.254.169.254",
        "http://metadata.google.internal/",
        "https://user:password@example.org/list.txt",
        "ftp://example.org/list.txt",
    ] {
        let client = Client::new(plain());
        let answer = client.compile(&request(source)).await;
        answer.assert_problem(400, "source_forbidden");
        assert_served(&client).await;
    }
}

/// Pattern files are sources like any other.
#[tokio::test]
async fn pattern_files_are_judged_like_sources() {
    let body = json!({
        "configuration": {
            "name": "N", "sources": [{ "source": "mine" }], "exclusions_sources": ["http://169.254.169.254/x"],
        },
        "preFetchedContent": { "mine": "||a.example^" },
    });
    let client = Client::new(plain());
    client.compile(&body).await.assert_problem(400, "source_forbidden");
    assert_served(&client).await;
}

/// With sources on this machine allowed, a redirect still leads to no other private place.
#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let origin = Origin::start().await;
    for target in [
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "http://a:b@127.0.0.1/",
    ] {
        let client = Client::new(open());
        let answer = client.compile(&request(&origin.url(&format!("/moved?to={target}")))).await;
        answer.assert_problem(400, "source_forbidden");
        assert_served(&client).await;
    }
}

/// As many as the reference follows.
#[tokio::test]
async fn twenty_one_redirects_are_followed() {
    let origin = Origin::start().await;
    let client = Client::new(open());
    let answer = client.compile(&request(&origin.url("/hops/21"))).await;
    assert_eq!(body_lines(&answer), ["||hopped.example^"]);
}

/// A text without a URL must have come along.
#[tokio::test]
async fn a_path_is_no_source() {
    for source in ["/etc/passwd", "./list.txt", "mine", "file:///etc/passwd", "data:text/plain,||a^"] {
        let client = Client::new(plain());
        client.compile(&request(source)).await.assert_problem(400, "invalid_body");
        assert_served(&client).await;
    }
}

#[tokio::test]
async fn a_bad_server_fails_the_compile_with_its_reason() {
    let origin = Origin::start().await;
    for (path, code) in [
        ("/nothing.txt", "source_status"),
        ("/no-content.txt", "source_status"),
        ("/partial.txt", "source_status"),
        ("/failing.txt", "source_status"),
        ("/picture.png", "source_content_type"),
        ("/data.json", "source_content_type"),
        ("/no-type", "source_content_type"),
        ("/hops/22", "source_redirects"),
        ("/loop", "source_redirects"),
        ("/broken-include.txt", "source_status"),
        ("/cycle.txt", "includes_too_deep"),
    ] {
        let client = Client::new(open());
        let answer = client.compile(&request(&origin.url(path))).await;
        answer.assert_problem(500, code);
        assert_served(&client).await;
    }
    let client = Client::new(open());
    client.compile(&request("http://127.0.0.1:9/list.txt")).await.assert_problem(500, "source_unreachable");
    assert_served(&client).await;
}

/// Whether it sends without end or stays silent: it is over in time.
#[tokio::test]
async fn a_source_that_never_ends_is_cut_off() {
    let origin = Origin::start().await;
    for (path, codes) in [
        ("/endless.txt", ["source_too_large", "source_timeout"]),
        ("/silent.txt", ["source_timeout", "source_timeout"]),
    ] {
        let client = Client::new(open());
        let started_at = Instant::now();
        let answer = client.compile(&request(&origin.url(path))).await;
        assert!(started_at.elapsed() < Duration::from_secs(10), "{path}");
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        assert!(codes.contains(&code.as_str()), "{answer:?}");
        answer.assert_problem(500, &code);
        assert_served(&client).await;
    }
}
