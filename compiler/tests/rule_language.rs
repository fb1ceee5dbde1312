//! Rules as trees: what `@adguard/agtree` gives for them, and what must hold for any text.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and has a clock"
)]

mod support;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use compiler::rule::ast::{Category, NewLine, Rule, RuleKind, Span};
use compiler::rule::{
    MAX_EXPRESSION_DEPTH, MAX_RULE_BYTES, ParserOptions, generate, parse_list, parse_rule, parse_rule_with,
    validate,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use support::{list_folders, lists_beside_the_workspace, read_json};

const OWN_SYNTAX: ParserOptions = ParserOptions { ublock_syntax: true, adblock_plus_syntax: true };

fn json_of(rule: &Rule) -> Value {
    serde_json::to_value(rule).expect("a tree is JSON")
}

/// The tree without what is always the rule's own text.
fn without_text(mut tree: Value) -> Value {
    let fields = tree.as_object_mut().expect("an object");
    fields.remove("raws");
    fields.remove("raw");
    tree
}

/// Numbers that are equal to JavaScript.
fn with_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(with_floats).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), with_floats(value))).collect())
        }
        other => other.clone(),
    }
}

/// The rules of the observation file where we differ on purpose; decision note 0011 says why.
const DECIDED_OTHERWISE: [&str; 11] = [
    "!#if a && ",
    "!#if !",
    " a.b , c.d##x",
    " ,a##x",
    " [$a]b##x",
    "!#if (",
    "!#if a ||",
    "!#if (a ||",
    "!#if a !",
    "  a.b##x",
    "   abc.d,e##x",
];

/// The same with the syntax of other ad blockers.
const DECIDED_OTHERWISE_WITH_OWN_SYNTAX: [&str; 3] =
    ["a##x:style(a: b", "a##x:matches-path(y", "a##x:matches-path(/y)/)"];

fn check_observed(name: &str, options: &ParserOptions, decided_otherwise: &[&str]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/agtree-4.2.0.json");
    let observed = read_json(path);
    let cases = observed[name].as_array().expect("cases");
    assert!(cases.len() > 180, "{}", cases.len());
    let mut different = Vec::new();
    for case in cases {
        let text = case[0].as_str().expect("a text");
        let ours = without_text(json_of(&parse_rule_with(text, options)));
        if with_floats(&ours) != with_floats(&case[1]) {
            different.push(text);
            if !decided_otherwise.contains(&text) {
                println!("{text:?}\n  theirs {}\n  ours   {ours}", case[1]);
            }
        }
    }
    assert_eq!(different, decided_otherwise, "differences in {name}");
}

#[test]
fn observed_trees_hold() {
    check_observed("own_syntax_off", &ParserOptions::default(), &DECIDED_OTHERWISE);
}

#[test]
fn observed_trees_with_the_syntax_of_other_blockers_hold() {
    check_observed("own_syntax_on", &OWN_SYNTAX, &DECIDED_OTHERWISE_WITH_OWN_SYNTAX);
}

/// Those of the port's own answers, which are only there beside the workspace.
#[test]
fn the_port_answers_the_same() {
    let Some(lists) = lists_beside_the_workspace() else { return };
    let observed = read_json(lists.join("observed-ast.json"));
    let cases = observed["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 214);
    for case in cases {
        let text = case["rule"].as_str().expect("a rule");
        let rule = parse_rule(text);
        let parsed = &case["parsed"];
        match validate(&rule) {
            Ok(()) => {
                // It trims before it parses.
                let trimmed = json_of(&parse_rule(text.trim()));
                assert_eq!(trimmed, parsed["ast"], "{text}");
            }
            Err(error) => assert_eq!(error.message, parsed["error"].as_str().unwrap_or(""), "{text}"),
        }
        assert_eq!(parsed["success"], json!(validate(&rule).is_ok()), "{text}");
    }
    let texts: Vec<&str> = cases.iter().take(12).map(|case| case["rule"].as_str().unwrap()).collect();
    assert_eq!(serde_json::to_value(parse_list(&texts.join("\n"))).unwrap(), observed["filter_list"]);
}

#[test]
fn a_list_knows_its_line_ends() {
    let list = parse_list("a\r\nb\rc\n\nd");
    let lines: Vec<_> = list
        .children
        .iter()
        .map(|rule| rule.raws.as_ref().map(|raws| (raws.text.as_str(), raws.nl)).unwrap())
        .collect();
    let (lf, crlf, cr) = (Some(NewLine::Lf), Some(NewLine::Crlf), Some(NewLine::Cr));
    assert_eq!(lines, [("a", crlf), ("b", cr), ("c", lf), ("", lf), ("d", None)]);
}

#[test]
fn leaves_know_where_they_stand() {
    let rule = parse_rule("@@😀^$ script , ~domain = a.com");
    let RuleKind::Network(network) = &rule.kind else { panic!("{rule:?}") };
    let span = |start, end| Span { start, end };
    assert_eq!(network.pattern.span, span(2, 5));
    let modifiers = &network.modifiers.as_ref().unwrap().children;
    assert_eq!(modifiers[0].name.span, span(7, 13));
    assert_eq!(modifiers[1].name.span, span(17, 23));
    assert_eq!(modifiers[1].value.as_ref().unwrap().span, span(26, 31));

    let rule = parse_rule("a.com,~é.com##.x");
    let RuleKind::Cosmetic(cosmetic) = &rule.kind else { panic!("{rule:?}") };
    assert_eq!(cosmetic.domains.children[1].span, span(7, 12));
    assert_eq!(cosmetic.separator.span, span(12, 14));
}

#[test]
fn equal_trees_may_stand_elsewhere() {
    let kind = |text| parse_rule(text).kind;
    assert_eq!(kind("a$b,c"), kind(" a $ b , c "));
    assert_ne!(kind("a$b,c"), kind("a$b,d"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let check = |text, message: &str, start, end| {
        let rule = parse_rule(text);
        let error = validate(&rule).expect_err(text);
        assert_eq!(
            (error.message.as_ref(), error.start, error.end),
            (message, Some(start), Some(end)),
            "{text}"
        );
        assert_eq!(error.to_string(), message);
    };
    check("x$", "Empty modifiers are not allowed", 1, 2);
    check("😀$a,b=", "Modifier value cannot be empty", 5, 7);
    check("@@", "Network rule must have a pattern or modifiers", 0, 2);
    check("!#if a &&", "Unexpected end of the condition", 8, 9);
    assert_eq!(validate(&parse_rule("||a^")), Ok(()));
}

#[test]
fn conditions_are_bounded() {
    let depth = MAX_EXPRESSION_DEPTH;
    let nested = |n: usize| format!("!#if {}a{}", "(".repeat(n), ")".repeat(n));
    let negated = |n: usize| format!("!#if {}a", "!".repeat(n));
    let chained = |n: usize| format!("!#if {}a", "a || ".repeat(n));
    for text in [nested(depth - 1), negated(depth - 1), chained(depth - 1)] {
        assert_eq!(validate(&parse_rule(&text)), Ok(()), "{text}");
        assert_eq!(generate(&parse_rule(&text)), text);
        // Whoever reads the JSON can read it whole.
        let json = serde_json::to_string(&parse_rule(&text)).unwrap();
        serde_json::from_str::<Value>(&json).expect("not too deep");
    }
    for text in [nested(depth), negated(depth), chained(depth), nested(100_000), chained(100_000)] {
        assert_eq!(parse_rule(&text).category(), Category::Invalid);
    }
    let configuration = format!("! aglint a:{}", "[".repeat(100_000));
    assert_eq!(parse_rule(&configuration).category(), Category::Invalid);
}

/// Rules in canonical form, which come back letter for letter.
#[test]
fn canonical_rules_come_back() {
    for text in [
        "||example.org^",
        "@@||example.org^$script,~third-party,domain=a.com|~b.com",
        "/ads[0-9]+/$removeparam=/x,y/",
        "a$ $x",
        "a# $#b",
        "a $ /b",
        "a\\ $ b",
        "0.name 0.0 $ redirect = b#c",
        "0.name 0.0 $ ~ a , replace =/a,b/#c",
        "0.0.0.0 a. $ b",
        "0.0.0.0 example.org",
        "::1 a b # c",
        "example.org",
        "example.org # c",
        "! c",
        "#c",
        "! Title: X",
        "# Expires: 4 days",
        "[Adblock Plus 2.0; AdGuard]",
        "!#if (a && !b) || c",
        "!#safari_cb_affinity(a,b)",
        "!#include x",
        "!#endif",
        "!+ NOT_OPTIMIZED PLATFORM(windows, mac)",
        "!+ PLATFORM()",
        "! aglint-disable",
        "! aglint-disable a, b -- c",
        "! aglint \"a\": [\"off\", 1.5, null, true, {\"b\": \"\\\"-\\u002d\"}], \"c\": NaN",
        "example.org,~a.example.org##.ad",
        "[$path=/x,domain=a]##.ad",
        "[$]##.ad",
        "example.org#@?#div:has(> .ad)",
        "example.org#$#body { color: red; }",
        "#$#a { b: \\d}",
        "#$#a { b: \\d }",
        "#$#a { b: \\\\d }",
        "#$#a { b: \\1234567 }",
        "#$#@media (min-width: 1px) { body { color: red; } }",
        "#@$?#a { remove: true; }",
        "#%#window.x = 1;",
        "#%#//scriptlet('set-constant', 'a', 'true')",
        "#%#//scriptlet()",
        "example.org$@$script[data-x=\"1\"]",
        "not#valid##",
    ] {
        assert_eq!(generate(&parse_rule(text)), text);
    }
    for text in [
        "a.com##+js(aopr, ads, , \"x, y\")",
        "a.com##^script:has-text(x)",
        "a.com##.ad:style(color: red)",
        "a.com##:matches-media(print):not(:matches-path(/x/)) .ad:remove()",
        "a.com#@#:matches-path(/x/) .ad",
        "a.com#$#log 'x y'; abort z",
        "a.com#$#log; ;",
        "a.com#$#a { b };",
        "a.com##.ad { color: red; }",
    ] {
        let rule = parse_rule_with(text, &OWN_SYNTAX);
        assert_eq!(validate(&rule), Ok(()), "{text}");
        assert_eq!(generate(&rule), text);
    }
}

/// Parsed, generated, parsed and generated again, a text stays as it was generated first.
fn check_stable(text: &str) {
    for options in [ParserOptions::default(), OWN_SYNTAX] {
        let rule = parse_rule_with(text, &options);
        let once = generate(&rule);
        let again = parse_rule_with(&once, &options);
        assert_eq!(generate(&again), once, "{text:?}");
        // Blanks before a rule can make it another type, and are not kept.
        if !text.starts_with(char::is_whitespace) {
            assert_eq!(again.type_name(), rule.type_name(), "{text:?} became {once:?}");
        }
    }
}

/// Rules that are another one as soon as a blank is too few or too many.
#[test]
fn blanks_keep_the_tree() {
    for text in [
        "[$e ]\\ =\\ =]#/",
        "[$e ]\\ =\\ =]##.ad",
        "a$redir\\ =dir\\ =dir",
        "a\\ ,b##c",
        "a, ##b$$c",
        "[$a, ##b]##c",
        "\u{feff} ##$ #",
        "\r ##$ #",
        "\n ##$ ##",
        "\u{2028} ##$ ##",
        "\u{b} #@#$  /",
        "\u{c} ##$ /$/",
        "\u{feff} ##$ $ ##/a.com",
        "\n#?#\n###?#{######}",
        "\n[ ##]? ][]",
        "#$#\u{feff};",
        "#$#a\\  b\\ ; c\\ ;",
        "##+js(a\\ , b\\ )",
        "##:matches-media()",
        "##:matches-media()?#{######}",
        "##:matches-media()^",
        "##:matches-media() ##",
        "\n#?#\n\u{feff}#{###}",
        "#$#\u{feff}\u{feff}#{#####}",
        "##\u{feff}^:remove()",
        "##\u{c}+js{a:b}",
        "[$ $]$$$ ]",
        "a$ $/",
        "a$b, ##, ##",
        "/  $ $ $/",
        " ##$ $$#",
        " ##$\t##  $$",
        " ##@\t##@",
        " ### #",
        "\t0.0.0.0$\t//scriptlet(!#!#//scriptlet(\t",
    ] {
        for options in [ParserOptions::default(), OWN_SYNTAX] {
            let rule = parse_rule_with(text, &options);
            let written = generate(&rule);
            assert_eq!(parse_rule_with(&written, &options).kind, rule.kind, "{text:?} became {written:?}");
        }
        assert_eq!(validate(&parse_rule_with(text, &OWN_SYNTAX)), Ok(()), "{text:?}");
    }
}

#[test]
fn every_list_comes_back() {
    let mut n_rules = 0;
    for folder in list_folders() {
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "txt")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let is_canonical = ["easylist.txt", "adguard-sdn.txt"].iter().any(|name| path.ends_with(name));
            for line in text.lines() {
                n_rules += 1;
                check_stable(line);
                if is_canonical {
                    assert_eq!(generate(&parse_rule(line)), line);
                }
            }
        }
    }
    assert!(n_rules > 6_000, "{n_rules}");
}

/// Pieces that mean something to one of the parsers.
const PIECES: [&str; 60] = [
    "##",
    "#@#",
    "#?#",
    "#$#",
    "#$?#",
    "#%#",
    "$$",
    "$@$",
    "$",
    "@@",
    "||",
    "^",
    "|",
    ",",
    "~",
    "=",
    "/",
    "\\",
    "[",
    "[$",
    "]",
    "(",
    ")",
    "{",
    "}",
    "\"",
    "'",
    " ",
    "\t",
    "#",
    "!",
    "!#if ",
    "!#",
    "!+ ",
    ":",
    ".",
    "*",
    "0.0.0.0 ",
    "a.com",
    "x",
    "é",
    "😀",
    "//scriptlet(",
    "+js(",
    ":style(",
    ":remove()",
    ":matches-path(",
    ":not(",
    ";",
    "&&",
    "||",
    "--",
    "! aglint ",
    "@media ",
    "remove: true",
    "\u{a0}",
    ":contains(",
    "safari_cb_affinity(",
    "\r",
    "\n",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(4096) })]

    #[test]
    fn any_text_is_parsed(text in "\\PC*") {
        check_stable(&text);
    }

    #[test]
    fn any_pieces_are_parsed(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24)) {
        let text = pieces.concat();
        check_stable(&text);
        let list = parse_list(&text);
        let joined: String = list
            .children
            .iter()
            .filter_map(|rule| rule.raws.as_ref())
            .map(|raws| raws.text.clone() + raws.nl.map_or("", NewLine::as_str))
            .collect();
        prop_assert_eq!(joined, text);
    }
}

/// A line of 128 KiB in one of the ways that could cost more than its length.
#[test]
fn time_is_linear() {
    const LENGTH: usize = MAX_RULE_BYTES - 32;
    let prefixes = [
        "",
        "a$",
        "a##",
        "##",
        "[$",
        "!#if ",
        "!+ ",
        "! aglint ",
        "! aglint a:",
        "a#$#x{",
        "a#%#//scriptlet(",
        "a##+js(",
    ];
    let units = PIECES
        .iter()
        .copied()
        .chain(["a,", "a=/b/,", "a|", "a:1,", "[a]", "a(", ":not(", "'a',", "\\,", "a.b", "# ", "/*"]);
    for unit in units {
        for prefix in prefixes {
            let text = prefix.to_owned() + &unit.repeat(LENGTH / unit.len());
            let started = Instant::now();
            let rule = parse_rule_with(&text, &OWN_SYNTAX);
            generate(&rule);
            // Work for each pair of bytes would be 2^32 steps.
            assert!(
                started.elapsed() < Duration::from_secs(1),
                "{prefix}{unit}… took {:?}",
                started.elapsed()
            );
        }
    }
}

#[test]
fn a_rule_has_a_longest_length() {
    let longest = "a".repeat(MAX_RULE_BYTES);
    assert!(validate(&parse_rule(&longest)).is_ok());
    let rule = parse_rule(&(longest + "a"));
    assert_eq!(validate(&rule).unwrap_err().message, "The rule has more than 65536 bytes");
}
