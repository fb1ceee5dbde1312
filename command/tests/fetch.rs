//! Lists that come over HTTP.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Barrier};

use flate2::Compression;
use flate2::write::GzEncoder;
use support::{Origin, PLAIN, answer, bloqr, check_failure, compiled, names};
use tempfile::{TempDir, tempdir};

/// A folder with a configuration of those sources, and nothing done to them.
fn configured(sources: &[String]) -> TempDir {
    let folder = tempdir().unwrap();
    let sources: Vec<_> = sources.iter().map(|source| serde_json::json!({ "source": source })).collect();
    let configuration = serde_json::json!({ "name": "N", "sources": sources });
    fs::write(folder.path().join("c.json"), configuration.to_string()).unwrap();
    folder
}

fn without_source_header(body: &str) -> &str {
    body.splitn(4, '\n').nth(3).unwrap_or_default()
}

/// What the text of one URL becomes when nothing is done to it.
fn fetched(url: &str) -> String {
    let folder = configured(&[url.to_owned()]);
    without_source_header(&compiled(folder.path(), &["c.json", "--retries", "0"])).to_owned()
}

fn check_refused(url: &str, said: &str) {
    let folder = configured(&[url.to_owned()]);
    check_failure(folder.path(), &["c.json", "--retries", "0", "-o", "list.txt"], 1, &[url, said]);
    assert_eq!(names(folder.path()), ["c.json"]);
}

#[test]
fn only_200_counts() {
    let origin = Origin::serve(|path, _| {
        let status = path.trim_start_matches('/').parse().unwrap();
        answer(status, PLAIN, if status == 204 { "" } else { "||a.org^" })
    });
    let url = |status: u16| format!("{}/{status}", origin.url);
    assert_eq!(fetched(&url(200)), "||a.org^");
    for status in [204, 206, 404, 429, 500, 503] {
        check_refused(&url(status), &format!("Response status for url {} is invalid: {status}", url(status)));
    }
}

#[test]
fn only_three_content_types_count() {
    let origin = Origin::serve(|path, _| {
        let content_type = match path {
            "/none" => String::new(),
            path => format!("Content-Type: {}\r\n", &path[1..]),
        };
        answer(200, &content_type, "||a.org^")
    });
    for good in ["text/plain", "text/html;charset=latin1", "application/octet-stream"] {
        assert_eq!(fetched(&format!("{}/{good}", origin.url)), "||a.org^");
    }
    for bad in ["application/json", "text/css", "none"] {
        check_refused(
            &format!("{}/{bad}", origin.url),
            "Response content type should be one of: \"text/plain,",
        );
    }
}

#[test]
fn redirects_are_followed_21_times() {
    let origin = Origin::serve(|path, _| match path.trim_start_matches('/').parse().unwrap() {
        0 => answer(200, PLAIN, "||a.org^"),
        n => {
            let status = [301, 302, 303, 307, 308][n % 5];
            answer(status, &format!("Location: /{}\r\n", n - 1), "")
        }
    });
    assert_eq!(fetched(&format!("{}/21", origin.url)), "||a.org^");
    let url = format!("{}/22", origin.url);
    check_refused(&url, &format!("Failed to request url '{url}'"));
}

#[test]
fn requests_say_who_asks_and_want_no_caches() {
    let origin = Origin::serve(|_, _| answer(200, PLAIN, ""));
    fetched(&format!("{}/ä b?c#d", origin.url));
    let requests = origin.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("GET /%C3%A4%20b?c HTTP/1.1\n"), "{}", requests[0]);
    let head = requests[0].to_lowercase();
    assert!(head.contains("\npragma: no-cache"), "{head}");
    assert!(head.contains("\nuser-agent: hostlistcompiler/2.0 (bloqr "), "{head}");
    assert!(head.contains("\naccept-encoding: gzip, br"), "{head}");
}

#[test]
fn answers_are_decoded() {
    let origin = Origin::serve(|path, _| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"||a.org^").unwrap();
        let gzip = gzip.finish().unwrap();
        match path {
            "/gzip" => answer(200, &format!("{PLAIN}Content-Encoding: gzip\r\n"), gzip),
            "/cut" => answer(200, &format!("{PLAIN}Content-Encoding: gzip\r\n"), &gzip[..gzip.len() - 4]),
            // One block of five bytes that are not compressed, and the mark of the end.
            "/brotli" => answer(200, &format!("{PLAIN}Content-Encoding: br\r\n"), b"\x0b\x02\x80hello\x03"),
            "/utf8" => answer(200, "Content-Type: text/plain; charset=latin1\r\n", b"a\xffb\xc3\xa4"),
            _ => answer(200, &format!("{PLAIN}Content-Encoding: deflate\r\n"), "x"),
        }
    });
    let url = |path: &str| format!("{}/{path}", origin.url);
    assert_eq!(fetched(&url("gzip")), "||a.org^");
    assert_eq!(fetched(&url("brotli")), "hello");
    assert_eq!(fetched(&url("utf8")), "a\u{fffd}bä");
    check_refused(&url("cut"), "Failed to request url");
    check_refused(&url("deflate"), "\"deflate\"");
}

#[test]
fn a_body_that_is_cut_is_no_list() {
    let origin = Origin::serve(|path, _| match path {
        "/length" => format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n{PLAIN}\r\n||a.org^\n").into_bytes(),
        "/chunks" => {
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{PLAIN}\r\n3\r\n||a\r\n").into_bytes()
        }
        _ => Vec::new(),
    });
    for path in ["length", "chunks", "nothing"] {
        check_refused(&format!("{}/{path}", origin.url), "Failed to request url");
    }
}

#[test]
fn a_failure_that_may_pass_is_waited_for() {
    let origin = Origin::serve(|path, n_before| match (path, n_before) {
        ("/busy", 0) => answer(503, "", ""),
        ("/much", 0) => answer(429, "", ""),
        ("/broken", 0) => Vec::new(),
        ("/missing", _) => answer(404, "", ""),
        _ => answer(200, PLAIN, "||a.org^"),
    });
    let asked = |path: &str| {
        let start = format!("GET {path} ");
        origin.requests().iter().filter(|request| request.starts_with(&start)).count()
    };
    let urls = ["/busy", "/much", "/broken"].map(|path| origin.url.clone() + path);
    let folder = configured(&urls);
    let body = compiled(folder.path(), &["c.json", "-v"]);
    assert_eq!(body.matches("||a.org^").count(), 3);
    assert_eq!(["/busy", "/much", "/broken"].map(asked), [2, 2, 2]);

    let folder = configured(&[origin.url.clone() + "/missing"]);
    check_failure(folder.path(), &["c.json"], 1, &["is invalid: 404"]);
    assert_eq!(asked("/missing"), 1, "what won't pass is not repeated");
}

#[test]
fn silence_has_an_end() {
    let origin = Origin::serve(|_, _| {
        loop {
            std::thread::park();
        }
    });
    let url = format!("{}/", origin.url);
    let folder = configured(std::slice::from_ref(&url));
    let arguments = ["c.json", "--retries", "0", "--timeout", "1"];
    check_failure(folder.path(), &arguments, 1, &[&format!("Failed to request url '{url}'")]);
}

#[test]
fn nobody_listens() {
    check_refused("http://127.0.0.1:1/", "Failed to request url 'http://127.0.0.1:1/'");
    check_refused("ftp://127.0.0.1/", "not an http or https URL");
    check_refused("//127.0.0.1/", "not an http or https URL");
    check_refused("file:///l.txt", "can't read file:///l.txt; give the path alone: No such file");
}

/// Neither is answered before both have asked, and the second is answered first.
#[test]
fn sources_are_fetched_together_and_keep_their_order() {
    let (both_asked, second_answered) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let origin = Origin::serve(move |path, _| {
        both_asked.wait();
        if path == "/1" {
            second_answered.wait();
        }
        let text = answer(200, PLAIN, path);
        if path == "/2" {
            second_answered.wait();
        }
        text
    });
    let folder = configured(&["/1", "/2"].map(|path| origin.url.clone() + path));
    let body = compiled(folder.path(), &["c.json"]);
    let lines: Vec<&str> = body.lines().filter(|line| line.starts_with('/')).collect();
    assert_eq!(lines, ["/1", "/2"]);
}

#[test]
fn includes_and_pattern_files_are_fetched_too() {
    let origin = Origin::serve(|path, _| match path {
        "/lists/main.txt" => answer(200, PLAIN, "a\n!#include more/one.txt\nb"),
        "/lists/more/one.txt" => answer(200, PLAIN, "i1\ni2"),
        "/lists/other.txt" => answer(200, PLAIN, "!#include http://other.example/x"),
        "/drop.txt" => answer(200, PLAIN, "! not a pattern\ni1"),
        _ => answer(404, PLAIN, ""),
    });
    let folder = tempdir().unwrap();
    let configuration = serde_json::json!({
        "name": "N",
        "sources": [{
            "source": format!("{}/lists/main.txt", origin.url),
            "exclusions_sources": [format!("{}/drop.txt", origin.url)],
        }],
    });
    fs::write(folder.path().join("c.json"), configuration.to_string()).unwrap();
    assert_eq!(without_source_header(&compiled(folder.path(), &["c.json"])), "a\ni2\nb");
    check_refused(
        &format!("{}/lists/other.txt", origin.url),
        "Include url is rejected with origin: http://other.example",
    );
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let origin = Origin::serve(|_, _| answer(404, PLAIN, ""));
    let folder = configured(&["here.txt".to_owned(), origin.url.clone() + "/a", "there.txt".to_owned()]);
    fs::write(folder.path().join("there.txt"), "").unwrap();
    let said =
        ["2 of 3 texts", "can't read here.txt: No such file", &format!("{}/a is invalid: 404", origin.url)];
    check_failure(folder.path(), &["c.json"], 1, &said);
}

/// Killed while it waits for a source, a run leaves nothing and changes nothing.
#[test]
fn a_run_that_is_killed_leaves_the_old_list() {
    let (asked, tell) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let origin = Origin::serve({
        let (asked, tell) = (Arc::clone(&asked), Arc::clone(&tell));
        move |_, _| {
            asked.wait();
            tell.wait();
            Vec::new()
        }
    });
    let folder = configured(&[origin.url.clone() + "/"]);
    let list = folder.path().join("list.txt");
    fs::write(&list, "old").unwrap();
    let mut child = bloqr(folder.path(), &["c.json", "-o", "list.txt"]).spawn().unwrap();
    asked.wait();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(read(&list), "old");
    assert_eq!(names(folder.path()), ["c.json", "list.txt"]);
    tell.wait();
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
