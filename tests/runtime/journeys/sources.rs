//! Sources over HTTP: what is fetched, what is refused, and what a bad server gets.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures::future::join_all;
use journeys::{Answer, Behaviour, Client, Options, Origin, Runtime, fresh};
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::admin;
use crate::{assert_served, open, plain};

fn request(source: &str) -> Value {
    named("Fetched", source)
}

/// A configuration with one source. Under another name its list is another one.
fn named(name: &str, source: &str) -> Value {
    json!({ "configuration": { "name": name, "sources": [{ "source": source }] } })
}

/// A Worker that leaves a host alone for seconds, where others do for half a minute.
fn forgiving() -> &'static str {
    static FORGIVING: OnceLock<Runtime> = OnceLock::new();
    let vars = vec![("SOURCE_ALLOW_PRIVATE", "true"), ("SOURCE_TIMEOUT_MS", "3000")];
    let options = Options { vars, with_faults: true, ..Options::default() };
    &FORGIVING.get_or_init(|| Runtime::start(options)).url
}

/// Compiles a list that nobody asked for before, from a network of its own.
async fn compile_anew(base: &str, source: &str) -> Answer {
    Client::new(base).compile(&named(&fresh("List"), source)).await
}

/// Has a page's text fetched.
async fn fetch_for_page(source: &str) -> Answer {
    let encoded: String = url::form_urlencoded::byte_serialize(source.as_bytes()).collect();
    Client::new(open()).get(&format!("/proxy/fetch?url={encoded}")).await
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

#[tokio::test]
async fn a_source_that_is_known_is_sent_again_only_if_it_changed() {
    for folder in ["etag", "modified"] {
        let origin = Origin::start().await;
        let path = format!("/{folder}/list");
        for (n_sent, statuses) in [(1, vec![200]), (1, vec![200, 304]), (1, vec![200, 304, 304])] {
            let list = compile_anew(open(), &origin.url(&path)).await;
            assert_eq!(body_lines(&list), [format!("||list{n_sent}.example^")]);
            assert_eq!(origin.statuses(&path), statuses);
        }
        origin.renew(&path);
        for _ in 0..2 {
            let list = compile_anew(open(), &origin.url(&path)).await;
            assert_eq!(body_lines(&list), ["||list2.example^"]);
        }
        assert_eq!(origin.statuses(&path), [200, 304, 304, 200, 304]);
    }
}

#[tokio::test]
async fn a_source_that_must_not_be_kept_is_not() {
    let origin = Origin::start().await;
    for n_sent in 1..=3 {
        let list = compile_anew(open(), &origin.url("/no-store/list")).await;
        assert_eq!(body_lines(&list), [format!("||list{n_sent}.example^")]);
    }
    assert_eq!(origin.statuses("/no-store/list"), [200, 200, 200]);
}

#[tokio::test]
async fn a_host_gets_four_requests_at_a_time() {
    let origin = Origin::start().await;
    let sources: Vec<Value> =
        (0..12).map(|n| json!({ "source": origin.url(&format!("/wait/200/n{n}")) })).collect();
    let body = json!({ "configuration": { "name": "Many", "sources": sources } });
    let list = Client::new(open()).compile(&body).await;
    assert_eq!(list.status, 200, "{list:?}");
    for n in 0..12 {
        assert!(list.text.contains(&format!("||n{n}.example^")), "{n}");
    }
    assert_eq!(origin.most_at_once(), 4);
}

#[tokio::test]
async fn a_text_is_fetched_once_for_all_who_want_it_at_a_time() {
    let origin = Origin::start().await;
    let source = origin.url("/wait/1000/shared");
    for list in join_all((0..5).map(|_| compile_anew(open(), &source))).await {
        assert_eq!(body_lines(&list), ["||shared.example^"]);
    }
    assert_eq!(origin.n_asked("/wait/1000/shared"), 1);
}

/// A list of many rows, read from where it is kept and not once more from its server.
#[tokio::test]
async fn a_page_gets_a_text_of_the_last_minutes() {
    let origin = Origin::start().await;
    let long: String = (0..150_000).map(|n| format!("||n{n}.example^\n")).collect();
    origin.set("/switch/long", Behaviour::Text(long.clone()));
    for _ in 0..2 {
        let page = fetch_for_page(&origin.url("/switch/long")).await;
        assert_eq!(page.status, 200);
        assert!(page.text == long, "{} bytes of {}", page.text.len(), long.len());
    }
    assert_eq!(origin.n_asked("/switch/long"), 1);

    for _ in 0..2 {
        assert_eq!(fetch_for_page(&origin.url("/etag/list")).await.text, "||list1.example^\n");
    }
    assert_eq!(origin.statuses("/etag/list"), [200]);
    // A list is another thing: its server is asked.
    assert_eq!(body_lines(&compile_anew(open(), &origin.url("/etag/list")).await), ["||list1.example^"]);
    assert_eq!(origin.statuses("/etag/list"), [200, 304]);
    // What may be shown to a page may still be no list.
    assert_eq!(fetch_for_page(&origin.url("/data.json")).await.status, 200);
    compile_anew(open(), &origin.url("/data.json")).await.assert_problem(500, "source_content_type");
}

/// Whether the metrics show that a host is left alone.
async fn is_shown_open(host: &str) -> bool {
    let metrics = admin(forgiving(), Method::GET, "/metrics/prometheus", None).await;
    assert_eq!(metrics.status, 200, "{metrics:?}");
    let wanted = format!("bloqr_source_host_open{{host=\"{host}\"}} 1");
    metrics.text.lines().any(|line| line == wanted)
}

async fn becomes_shown(host: &str, open: bool) {
    let patience = Instant::now() + Duration::from_secs(5);
    while is_shown_open(host).await != open {
        assert!(Instant::now() < patience, "{host} is not shown {open}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The first answer that is not that the host is left alone.
async fn ask_until_heard(source: &str) -> Answer {
    let patience = Instant::now() + Duration::from_secs(15);
    loop {
        let answer = compile_anew(forgiving(), source).await;
        if answer.status == 200 || answer.json()["code"] != "source_left_alone" {
            return answer;
        }
        assert!(Instant::now() < patience, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::test]
async fn a_host_that_fails_again_and_again_is_left_alone_for_a_while() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    let (path, source) = ("/switch/list", origin.url("/switch/list"));
    // A status that is not asked again for at once.
    origin.set(path, Behaviour::Status(501));
    for _ in 0..4 {
        compile_anew(forgiving(), &source).await.assert_problem(500, "source_status");
    }
    // It is there, just not with this text.
    compile_anew(forgiving(), &origin.url("/nothing.txt")).await.assert_problem(500, "source_status");
    for _ in 0..5 {
        compile_anew(forgiving(), &source).await.assert_problem(500, "source_status");
    }
    let left_alone = compile_anew(forgiving(), &origin.url("/list.txt")).await;
    left_alone.assert_problem(500, "source_left_alone");
    let told = left_alone.json()["error"].as_str().unwrap().to_owned();
    assert!(told.contains(&format!("{} failed several times in a row", origin.host())), "{told}");
    assert_eq!((origin.n_asked(path), origin.n_asked("/list.txt")), (9, 0));
    assert_eq!(compile_anew(forgiving(), &other.url("/list.txt")).await.status, 200);
    becomes_shown(&origin.host(), true).await;

    // One finds out that it fails still.
    ask_until_heard(&source).await.assert_problem(500, "source_status");
    assert_eq!(origin.n_asked(path), 10);
    compile_anew(forgiving(), &source).await.assert_problem(500, "source_left_alone");
    assert_eq!(origin.n_asked(path), 10);
    assert!(is_shown_open(&origin.host()).await);

    origin.set(path, Behaviour::Text("||back.example^\n".to_owned()));
    assert_eq!(body_lines(&ask_until_heard(&source).await), ["||back.example^"]);
    assert_eq!(compile_anew(forgiving(), &origin.url("/list.txt")).await.status, 200);
    becomes_shown(&origin.host(), false).await;
}
