//! What the expressions of real lists do, odd corners of the syntax, and the bound on work.

use super::*;
use crate::patterns::Folded;

fn matches(source: &str, line: &str) -> bool {
    let regex = Regex::new(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let mut folded = Folded::default();
    folded.set(line);
    regex.is_match(folded.units(), &mut Scratch::default(), &mut Work::default()).unwrap()
}

fn check(source: &str, yes: &[&str], no: &[&str]) {
    for line in yes {
        assert!(matches(source, line), "/{source}/ on {line:?}");
    }
    for line in no {
        assert!(!matches(source, line), "/{source}/ on {line:?}");
    }
}

fn reason(source: &str) -> String {
    Regex::new(source).map_or_else(|error| error.to_string(), |_| "none".to_owned())
}

#[test]
fn plain_syntax() {
    check("ADS", &["Ads", "xads1"], &["bds", ""]);
    check("^a$", &["a", "A"], &["b", "ab"]);
    check(r"^\|\|[a-z]{3}\.[a-z]{2}\^$", &["||abc.de^"], &["||ab.de^", "||abcd.de^"]);
    check(r"(track|metric)s?[.-]", &["metrics-", "track."], &["tracker."]);
    check(r"a{2,3}b|c*d+?e??$", &["aab", "d", "xde"], &["ab", "c"]);
    check("", &["", "x"], &[]);
    check("a||b", &["z"], &[]);
    check(r"\bnet\b", &["a.net^"], &["internet", "nets"]);
    check(r"\Bnet", &["internet"], &["a.net"]);
}

#[test]
fn looking_around_and_back() {
    check("foo(?!1)", &["foo", "foo2"], &["foo1"]);
    check("(?<!google)analytics(?=\\.)", &["xanalytics."], &["googleanalytics.", "analytics"]);
    check("(?<=^a+)b", &["aab", "ab"], &["b", "cb"]);
    check(r"(\w)\1{4,}", &["xaaaaay"], &["aaaa"]);
    check(r"(?<x>a|b)\k<x>", &["aa", "bb"], &["ab"]);
    check(r"(?<=\1(\d))x", &["11x"], &["12x"]);
    check(r"(?<=(\d)\1)x", &["12x"], &["x"]);
    check(r"^(?:(a)|b)*\1$", &["ab", "b", "aa"], &["abba!"]);
    check(r"(?=(a*))\1b", &["aab"], &["aac"]);
    check(r"^(?!.*(.).*\1)[a-z]+$", &["abc"], &["abca"]);
    check(r"\2(a)(b)?", &["a"], &["b"]);
    check("(?=.*x)(?=.*y).", &["y.x"], &["x"]);
    check("(?:(?=a)a|b)+c", &["abac"], &["ca"]);
}

#[test]
fn case_never_crosses_ascii() {
    check("k|^s", &["k", "K", "S"], &["\u{212a}", "ſs"]);
    check("i", &["I"], &["İ", "ı"]);
    check("[a-z]", &["K"], &["\u{212a}", "ſ"]);
    check("σ", &["Σ", "ς"], &[]);
    check("ß", &["ß"], &["ẞ", "ss"]);
    check("[а-я]", &["Ж"], &[]);
    check("[^ж]", &["a"], &["Ж"]);
    check("^..$", &["😀"], &["x"]);
    check(r"^\s$", &["\u{feff}", "\u{a0}", "\u{2003}"], &["\u{200b}", "\u{85}"]);
    check(r"\w", &["_"], &["ü"]);
}

#[test]
fn old_web_leniency() {
    check("]", &["]"], &["["]);
    check("{", &["{"], &[]);
    check("a{,5}", &["a{,5}"], &["aaa"]);
    check("a{1", &["a{1"], &["a"]);
    check("}", &["}"], &[]);
    check(r"\p{L}", &["p{L}"], &["é"]);
    check(r"\-\@\k", &["-@k"], &[]);
    check(r"\1", &["\u{1}"], &["1"]);
    check(r"\8", &["8"], &[]);
    check(r"\101", &["A", "a"], &[]);
    check(r"\x4z\u12", &["x4zu12"], &[]);
    check(r"\x41\u0042", &["ab"], &[]);
    check(r"\cA\c", &["\u{1}\\c"], &[]);
    check(r"[\c]", &["\\", "c"], &["d"]);
    check(r"[\w-z]", &["-", "a"], &["!"]);
    check(r"[]", &[], &["", "a"]);
    check(r"[^]", &["a", "\n"], &[""]);
    check(r"[a\]\b-]", &["]", "\u{8}", "-"], &["b"]);
    check("(?=a)*b", &["b"], &[]);
    check("[(]", &["("], &[]);
}

#[test]
fn broken_expressions_are_refused_with_the_known_words() {
    for (source, expected) in [
        ("*", "Nothing to repeat"),
        ("a**", "Nothing to repeat"),
        ("^*", "Nothing to repeat"),
        ("{2}", "Nothing to repeat"),
        ("(?<=a)*", "Invalid quantifier"),
        ("^{2,1}", "Nothing to repeat"),
        ("(", "Unterminated group"),
        ("(?:a", "Unterminated group"),
        (")", "Unmatched ')'"),
        ("[a", "Unterminated character class"),
        ("[b-a]", "Range out of order in character class"),
        ("a{2,1}", "numbers out of order in {} quantifier"),
        ("\\", "\\ at end of pattern"),
        ("(?x)", "Invalid group"),
        ("(?<1>a)", "Invalid capture group name"),
        ("(?<a>x)(?<a>y)", "Duplicate capture group name"),
        ("(?<a>x)\\k", "Invalid named reference"),
        ("(?<a>x)\\k<b>", "Invalid named capture referenced"),
    ] {
        assert_eq!(reason(source), format!("Invalid regular expression: /{source}/im: {expected}"));
    }
}

#[test]
fn sizes_are_bounded() {
    assert!(reason(&"a".repeat(MAX_REGEX_BYTES + 1)).contains("4097 bytes"));
    assert!(reason("((a{99}){99}){99}").contains("too large"));
    assert!(reason("a{4294967295}").contains("too large"));
    assert!(reason(&"(".repeat(1_000)).contains("too large"));
    check("(?:){4000000000}", &[""], &[]);
    check("(?:(?:){9999999}){9999999}", &[""], &[]);
}

#[test]
fn famous_runaways_come_to_an_end() {
    let line = format!("{}!", "a".repeat(5_000));
    for source in [
        "(a+)+$",
        "(a*)*b",
        "^(a|a)*$",
        "(a|aa)+$",
        "(.*)*=",
        "(?:a?){30}a{30}b",
        "(x+x+)+y",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
    ] {
        let mut work = Work::default();
        let mut folded = Folded::default();
        folded.set(&line);
        let regex = Regex::new(source).unwrap();
        assert!(!regex.is_match(folded.units(), &mut Scratch::default(), &mut work).unwrap(), "{source}");
        assert!(work.spent() < 10_000_000, "{source}: {}", work.spent());
    }
}

#[test]
fn back_references_run_into_the_budget() {
    let mut folded = Folded::default();
    folded.set(&"a".repeat(2_000));
    let regex = Regex::new(r"(a*)*\1b").unwrap();
    let result = regex.is_match(folded.units(), &mut Scratch::default(), &mut Work::of(1_000_000));
    assert_eq!(result, Err(PatternError::TooMuchWork));
}
