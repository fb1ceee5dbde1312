//! Lines and configurations that are likely to hit an edge: a grammar of tricky parts, and mutations of lines
//! out of real lists. The same seed gives the same, for ever.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

/// A generator of numbers: SplitMix64, which is small and good enough to choose by.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `n - 1`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of them.
    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

#[rustfmt::skip]
const LABELS: &[&str] = &[
    "a", "b", "c", "ads", "Ads", "tracker", "example", "org", "com", "net", "io", "de", "ru", "uk",
    "co.uk", "ck", "www.ck", "foo.ck", "jp", "kawasaki.jp", "city.kawasaki.jp", "github.io", "nom.br",
    "test", "local", "localhost", "arpa", "xn--p1ai", "xn--e1afmkfd", "xn--", "xn--a", "XN--P1AI",
    "пример", "рф", "ПРИМЕР", "ü", "faß", "ẞ", "例え", "テスト", "中国", "☃", "a\u{301}", "İ", "ı", "ſ", "K",
    "_a", "a_", "-a", "a-", "a--b", "", "0", "1", "10", "255", "256", "001", "999", "*", "a*b",
    "constructor", "__proto__", "toString", "ads-1", "x_y", "w.w", "١", "א", "إختبار", "é",
    "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", "\u{1f600}", "a\u{200d}b",
    "a\u{ad}b", "ﬀ", "Ⅷ", "，",
];

const DOTS: &[&str] =
    &[".", ".", ".", ".", ".", ".", ".", ".", ".", ".", ".", ".", "..", "。", "-", "_", ",", ""];

#[rustfmt::skip]
const ADDRESSES: &[&str] = &[
    "0.0.0.0", "127.0.0.1", "1.2.3.4", "::1", "::", "fe80::1%lo0", "fe80::1%LO0", "FE80::1", "[::1]",
    "bad", "cafe", "dead", "999.1.1.1", "192.168.1", "192.168.1.", "192.168.", "10.10", "12345",
    "1.2.3.4.5", "001.02.3.4", "255.255.255.255", "2001:db8::1", "1.2.3.4:80", "0", "f", "%", "a%b",
    "::ffff:1.2.3.4", "1.2.3", "1.1", "1.2.3.*", "1.2.*", "1.2.3.4.*",
];

#[rustfmt::skip]
const SPACES: &[&str] = &[
    " ", " ", " ", " ", "\t", "  ", " \t ", "\u{a0}", "\u{3000}", "\u{feff}", "\u{2028}", "\u{200b}",
    "\u{85}", "\u{180e}", "\u{b}", "\u{c}", "\u{2009}", " \u{301}", "\u{200d} ", " \u{200d} ", " \u{fe0f} ", "\u{1680}",
];

#[rustfmt::skip]
const OPTIONS: &[&str] = &[
    "important", "~important", "IMPORTANT", " important", "third-party", "~third-party", "3p", "all",
    "document", "doc", "popup", "network", "popup=x", "dnstype=A", "dnstype=~A|~AAAA",
    "dnsrewrite=1.2.3.4", "dnsrewrite=NOERROR;A;1.2.3.4", "dnsrewrite", "ctag=device_pc", "ctag=~a|b",
    "denyallow=a.com|b.com", "denyallow=x", "badfilter", "client=127.0.0.1", "client='a\\, b'",
    "domain=пример.рф|a.org", "script", "image,script", "a=b=c", "x=", "=x", "", "\\,", "a\\,b",
    "replace=/a/b/", "csp=script-src 'self'", "removeparam=/x$/", "~", "важно", "doc=", "all=1=2",
];

#[rustfmt::skip]
const WRAPS: &[&str] = &[
    "||{}^", "||{}^", "||{}^", "||{}", "|{}^", "{}", "{}", "{}^", "*.{}^", "||*.{}^", "*{}", "://{}^",
    "||{}^|", "/{}/", "||{}/path", "http://{}:8080/x", "||{}^*", ".{}^", "||.{}^", "*{}*", "|{}|",
    "||{}.^", "||{}.*", "{}.*", "||{}*^", "||{}^x", "|http://{}/", "||{}:443^", "||{}^^", "||{}^|x",
    "||{}|", "||{}^a*", "||{}\\.com^", "/^{}$/", "/{}\\.com/", "::{}", "//{}/", "https://u:p@{}/?q#f",
    "{}:80", "://{}", "||[{}]^", "data:{}", "||{}?x=1", "({})", "||{}.*^", "|||{}^", "|*.{}^", "*.{}",
    "@{}@", "||*{}^", "||{}^$|", "/{}/$",
];

#[rustfmt::skip]
const COMMENTS: &[&str] = &[
    "! comment", "!", "# comment", "#", "#c", "#\tx", "####", "#### x", "##x", "###x", "! Title: X",
    "! Checksum: abc", "[Adblock Plus 2.0]", "[Adblock]", "//x", "; x", " ! x", "!+ NOT_OPTIMIZED",
    "!#safari_cb_affinity(general)", "!#safari_cb_affinity", "! Diff-Path: ../x", "  ! Diff-Path: y",
    "!##a", "#!x", "! пример.рф", "# ü.de", "#ü.de", "!#unknown x",
];

#[rustfmt::skip]
const COSMETICS: &[&str] = &[
    "{}##.ad", "{}#@#.ad", "{}#?#div:contains(x)", "{}#$#.a { color: red }",
    "{}#%#//scriptlet('x', 'y')", "##.ad", "{}##a[href*=\"$x=y=z\"]", "{}$$script[tag-content=\"x\"]",
    "{}##+js(x, y)", "{},~{}##.реклама", "[$app=x]{}##.y",
];

#[rustfmt::skip]
const TAILS: &[&str] = &[
    "", "", "", "", "", "", "", "", "", "", " ", "  ", "\t", "#c", " # c", " #", "$", "$$", "\\$", ",",
    "^", "|", ".", "..", "\u{a0}", "\u{200b}", " ü.de", "\u{2028}", "#\u{2028}", "$,", "$x$", "%41.de",
];

/// Characters that a mutation puts in.
#[rustfmt::skip]
const SPECIALS: &[&str] = &[
    "^", "|", "$", "*", ".", ",", "=", "@", "#", "!", "/", "\\", ":", "[", "]", "%", "~", "-", "_", " ",
    "\t", "0", "255", "a", "Z", "ü", "ß", "ẞ", "пр", "。", "\u{feff}", "\u{a0}", "\u{200b}", "\u{2028}",
    "\u{0}", "\u{7f}", "\u{fffd}", "\u{1f600}", "||", "@@", "^$", "$$", "://", "?", "&", ";", "'", "\"",
    "(", ")", "{", "}", "<", ">", "+", "xn--", "\u{301}", "\u{200d}", "\u{fe0f}", "\u{1f3fb}", "\u{1f1e6}", "\u{20d0}", "\u{85}", "א", "١", "K",
];

/// Lines of real lists, and what to make of them.
#[derive(Debug)]
pub struct Lines {
    real: Vec<String>,
}

impl Lines {
    /// Reads the lists that are committed, and those beside the workspace if there are any.
    ///
    /// # Panics
    /// If the committed ones cannot be read.
    pub fn load() -> Lines {
        let mut lines = Lines::committed();
        for name in ["easylist.txt", "adguard-sdn.txt"] {
            let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/lists").join(name);
            lines.real.extend(fs::read_to_string(beside).iter().flat_map(|text| some_lines(text)));
        }
        lines
    }

    /// Reads the lists that are committed: what is made of these may be committed, too.
    ///
    /// # Panics
    /// If they cannot be read.
    pub fn committed() -> Lines {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/lists");
        let names = ["fuzz.txt", "idn.txt", "hosts-anudeep.txt"];
        let texts = names.map(|name| match fs::read_to_string(folder.join(name)) {
            Ok(text) => text,
            Err(error) => panic!("{name}: {error}"),
        });
        Lines { real: texts.iter().flat_map(|text| some_lines(text)).collect() }
    }

    /// A line without CR and LF.
    pub fn line(&self, random: &mut Random) -> String {
        let mut line = match random.below(10) {
            0..=4 => rule(random),
            5 => self.real[random.below(self.real.len())].clone(),
            _ => {
                let line = match random.once_in(2) {
                    true => rule(random),
                    false => self.real[random.below(self.real.len())].clone(),
                };
                self.mutate(random, line)
            }
        };
        line.retain(|c| !matches!(c, '\r' | '\n'));
        line
    }

    /// The line with one to three changes.
    pub fn mutate(&self, random: &mut Random, line: String) -> String {
        let mut chars: Vec<char> = line.chars().collect();
        for _ in 0..=random.below(3) {
            let at = random.below(chars.len() + 1);
            let end = (at + 1 + random.below(4)).min(chars.len());
            match random.below(9) {
                0 => drop(chars.drain(at.min(end)..end)),
                1 => {
                    let piece: Vec<char> = chars[at.min(end)..end].to_vec();
                    chars.splice(at..at, piece);
                }
                2 => chars.truncate(at),
                3 => {
                    let other = self.real[random.below(self.real.len())].as_str();
                    let from = random.below(other.chars().count());
                    chars.truncate(at);
                    chars.extend(other.chars().skip(from).take(100));
                }
                4 => chars.iter_mut().skip(at).take(3).for_each(|c| *c = c.to_ascii_uppercase()),
                5 => {
                    let space = random.pick(SPACES);
                    chars.splice(at..at, space.chars());
                }
                6 if at + 1 < chars.len() => chars.swap(at, at + 1),
                _ => {
                    let special = random.pick(SPECIALS);
                    let replaced = if random.once_in(2) { at } else { end.max(at) };
                    chars.splice(at..replaced, special.chars());
                }
            }
        }
        chars.into_iter().collect()
    }
}

/// About ten thousand lines: large lists are much of the same.
fn some_lines(text: &str) -> impl Iterator<Item = String> {
    let every = text.lines().count() / 10_000 + 1;
    text.lines().step_by(every).map(str::to_owned)
}

/// A name or something that might be taken for one.
fn name(random: &mut Random) -> String {
    if random.once_in(8) {
        return random.pick(ADDRESSES).to_owned();
    }
    let mut name = String::new();
    for n in 0..=random.below(4) {
        if n > 0 {
            name += random.pick(DOTS);
        }
        // Half of the labels are ordinary, so that names are not all broken.
        name += if random.once_in(2) { random.pick(&LABELS[..14]) } else { random.pick(LABELS) };
    }
    if random.once_in(12) {
        name.push('.');
    }
    name
}

/// A line out of the grammar.
pub fn rule(random: &mut Random) -> String {
    let mut line = match random.below(20) {
        0 => random.pick(COMMENTS).to_owned(),
        1 => random.pick(COSMETICS).replace("{}", &name(random)),
        2..=5 => {
            let mut line = random.pick(ADDRESSES).to_owned();
            for _ in 0..random.below(4) + usize::from(!random.once_in(10)) {
                line += random.pick(SPACES);
                line += &name(random);
            }
            line
        }
        6 => random
            .pick(&[
                "",
                " ",
                "\t",
                "@@",
                "$",
                "||",
                "|",
                "^",
                "*",
                "/",
                "//",
                "constructor",
                "__proto__",
                "@@||",
                "||^",
            ])
            .to_owned(),
        _ => {
            let mut line = if random.once_in(6) { "@@".to_owned() } else { String::new() };
            line += &random.pick(WRAPS).replace("{}", &name(random));
            if random.once_in(3) {
                for n in 0..=random.below(3) {
                    line.push(if n == 0 { '$' } else { ',' });
                    line += random.pick(OPTIONS);
                }
            }
            line
        }
    };
    line += random.pick(TAILS);
    if random.once_in(15) {
        line.insert_str(0, random.pick(SPACES));
    }
    line
}

/// A pattern of an exclusion or inclusion, close to what lines have in them.
pub fn pattern(random: &mut Random, lines: &Lines) -> String {
    match random.below(10) {
        0..=2 => {
            // A piece of a line is hit now and then.
            let line = lines.line(random);
            let from = random.below(line.chars().count());
            line.chars().skip(from).take(1 + random.below(8)).collect()
        }
        3 | 4 => {
            let line = lines.line(random);
            let (from, length) = (random.below(line.chars().count()), 1 + random.below(6));
            let piece: String = line.chars().skip(from).take(length).collect();
            let stars = ["*{}*", "{}*", "*{}", "*{}**", "||*{}^*", "*.{}*", "*{}*{}*"];
            random.pick(&stars).replace("{}", &piece)
        }
        5 => random
            .pick(&[
                "//", "/x/i", "! c", "*", "***", " ", "/*/", "/a", "a/", "/", "/./", "^", "", "/ads/*",
                "Source", "!", "#",
            ])
            .to_owned(),
        _ => format!("/{}/", regex(random)),
    }
}

#[rustfmt::skip]
const ATOMS: &[&str] = &[
    "a", "d", "s", "o", "x", "1", "com", "org", ".", "\\.", "\\d", "\\w", "\\s", "\\S", "\\W", "\\D",
    "\\b", "\\B", "[a-z]", "[^a-z]", "[0-9.]", "[\\w-]", "[^\\s]", "[]", "[^]", "\\x41", "\\u0041",
    "\\u{41}", "\\p{L}", "\\/", "\\^", "\\|", "\\$", "\\-", "\\_", "\\q", "]", "}", "{", "{a", "\\cA",
    "\\0", "\\1", "\\k<n>", "ü", "п", "П", "σ", "ς", "ß", "ẞ", "K", "k", "ſ", "\u{1f600}",
    "[\u{1f600}]", "\\u00fc", "[а-я]", "[A-z]", "\\t", "\\v", "\\f", "[\\b]", "[\\d-x]", "\\18", "\\8",
    "(?:)", "İ", "i",
];

/// The text of a regular expression. Groups that repeat hold nothing that does, so that none runs away.
fn regex(random: &mut Random) -> String {
    let mut text = String::new();
    if random.once_in(4) {
        text += random.pick(&["^", "^\\|\\|", "(?!x)", "(?<=a)", "(?<!\\.)", "(?=.*o)"]);
    }
    let is_broken = random.once_in(12);
    let mut n_repeats = 0;
    let mut is_named = false;
    for n in 0..=random.below(4) {
        if n > 0 && random.once_in(8) {
            text.push('|');
        }
        let atom = random.pick(ATOMS);
        let form = random.below(8);
        match form {
            0 => text += &format!("({atom}|{})", random.pick(ATOMS)),
            1 => text += &format!("(?:{atom}{})", random.pick(ATOMS)),
            2 if !is_named || is_broken => {
                is_named = true;
                text += &format!("(?<n>{atom})");
            }
            3 if n_repeats == 2 || is_broken => {
                text += random.pick(&["(?=", "(?!", "(?<=", "(?<!"]);
                text += atom;
                text.push(')');
            }
            _ => text += atom,
        }
        // Assertions take no repeat, and alternatives only few: both may fit the same.
        let may_repeat = !matches!(atom, "\\b" | "\\B") && n_repeats < 2;
        if (may_repeat || is_broken) && random.once_in(3) {
            n_repeats += 1;
            let repeats = ["?", "??", "{2}", "{1,3}", "{0}", "{,2}", "{1", "*", "+", "*?", "+?", "{0,}"];
            text += random.pick(if form == 0 { &repeats[..7] } else { &repeats });
        }
    }
    if is_broken {
        text += random.pick(&[
            "$", "\\1", "(", ")", "[", "\\", "?", "(?", "(?<", "|", "/", "\\^$", "**", "{2,1}", "\\k<m>",
            "[z-a]",
        ]);
    } else if random.once_in(5) {
        text += random.pick(&["$", "\\1", "|", "\\^$", "/", "\\k<n>"]);
    }
    text
}

/// A configuration as JSON, and the texts it names.
#[derive(Clone, Debug)]
pub struct Case {
    /// As HostlistCompiler takes it.
    pub configuration: Value,
    /// By their names.
    pub files: BTreeMap<String, String>,
}

#[rustfmt::skip]
const TRANSFORMATIONS: [&str; 13] = [
    "ConvertToAscii", "TrimLines", "RemoveComments", "Compress", "RemoveModifiers", "InvertAllow",
    "Validate", "ValidateAllowIp", "ValidateAllowPublicSuffix", "ValidateAllowIpAndPublicSuffix",
    "Deduplicate", "RemoveEmptyLines", "InsertFinalNewLine",
];

#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "T", " ", "Listе ü", "a\"b\\", "! x", "1.0", "http://h/?a=b", "\u{1f600}\u{2028}", "a\tb", "<b>",
    "$&", "x: y",
];

/// A case with about `n_lines` lines.
///
/// At most one thing in it makes the reference fail while it loads, because two at once end its process; and
/// no file includes itself, because that never ends.
pub fn case(random: &mut Random, lines: &Lines, n_lines: usize) -> Case {
    let mut files = BTreeMap::new();
    let breaks = random.once_in(25);
    // Includes take only what comes later, so there are no circles.
    let includes = ["inc1.txt", "inc2.txt", "dir/inc1.txt", "dir/inc2.txt"];
    for (n, include) in includes.iter().enumerate() {
        let later: &[&str] = if n % 2 == 0 { &includes[n + 1..n + 2] } else { &[] };
        let length = random.below(6);
        let later = if random.once_in(2) { later } else { &[] };
        files.insert(
            (*include).to_owned(),
            text(random, lines, length, &Directives { includes: later, has_odd: false }),
        );
    }
    let names = ["a.txt", "dir/b.txt", "c", "dir/ü.txt"];
    let mut sources = Vec::new();
    let n_sources = 1 + random.below(4).saturating_sub(1);
    let validator_of_list = random.once_in(3);
    for (n, file) in names.iter().take(n_sources).enumerate() {
        let includes = if n % 2 == 0 { &includes[..2] } else { &includes[2..] };
        let has_odd = breaks && n == 0;
        let includes: &[&str] = if has_odd { &[] } else { includes };
        let content = text(random, lines, n_lines / n_sources, &Directives { includes, has_odd });
        files.insert((*file).to_owned(), content);
        let mut source = level(random, lines, &mut files, !validator_of_list);
        source.insert("source".to_owned(), json!(file));
        if random.once_in(3) {
            source.insert("name".to_owned(), json!(random.pick(TEXTS)));
        }
        if random.once_in(2) {
            source.insert("type".to_owned(), json!(random.pick(&["adblock", "hosts"])));
        }
        sources.push(Value::Object(source));
    }
    if random.once_in(10) {
        sources.push(sources[0].clone());
    }
    let mut configuration = level(random, lines, &mut files, validator_of_list);
    configuration.insert("name".to_owned(), json!(random.pick(TEXTS)));
    configuration.insert("sources".to_owned(), Value::Array(sources));
    for field in ["description", "homepage", "license", "version"] {
        if random.once_in(3) {
            configuration
                .insert(field.to_owned(), json!(if random.once_in(5) { "" } else { random.pick(TEXTS) }));
        }
    }
    if random.once_in(50) {
        let (key, value) = match random.below(5) {
            0 => ("transformations", json!(["Validate", "ValidateAllowIp"])),
            1 => ("transformations", json!(["trimLines"])),
            2 => ("name", json!("")),
            3 => ("sources", json!([])),
            _ => ("sources", json!([{ "source": "a.txt", "type": "x" }])),
        };
        configuration.insert(key.to_owned(), value);
    }
    Case { configuration: Value::Object(configuration), files }
}

/// The five arrays of a level.
fn level(
    random: &mut Random,
    lines: &Lines,
    files: &mut BTreeMap<String, String>,
    may_validate: bool,
) -> Map<String, Value> {
    let mut level = Map::new();
    let mut names: Vec<&str> = match random.below(5) {
        0 => Vec::new(),
        1 | 2 => vec![random.pick(&TRANSFORMATIONS)],
        3 => TRANSFORMATIONS.into_iter().filter(|_| random.once_in(3)).collect(),
        _ => TRANSFORMATIONS.into_iter().filter(|_| !random.once_in(4)).collect(),
    };
    let kept = may_validate.then(|| 6 + random.below(4));
    let is_validator = |name: &str| TRANSFORMATIONS[6..10].contains(&name);
    if names.iter().any(|name| is_validator(name)) {
        names.retain(|name| !is_validator(name));
        names.extend(kept.map(|n| TRANSFORMATIONS[n]));
    }
    if random.once_in(5) {
        names.reverse();
        names.extend(names.first().copied());
    }
    level.insert("transformations".to_owned(), json!(names));
    for key in ["exclusions", "inclusions"] {
        if random.once_in(if key == "exclusions" { 4 } else { 8 }) {
            let patterns: Vec<String> = (0..=random.below(4)).map(|_| pattern(random, lines)).collect();
            level.insert(key.to_owned(), json!(patterns));
        }
        if random.once_in(if key == "exclusions" { 8 } else { 16 }) {
            let mut content = String::new();
            for _ in 0..random.below(8) {
                content += &if random.once_in(4) { lines.line(random) } else { pattern(random, lines) };
                content += random.pick(&["\n", "\r\n", "\n\n"]);
            }
            let file = format!("patterns{}.txt", files.len());
            files.insert(file.clone(), without_directives(&content));
            level.insert(format!("{key}_sources"), json!([file]));
        }
    }
    level
}

struct Directives<'a> {
    /// What may be included.
    includes: &'a [&'a str],
    /// Whether a condition may be broken, or an include fail.
    has_odd: bool,
}

fn without_directives(text: &str) -> String {
    text.replace("!#if", "!#xf")
        .replace("!#else", "!#xlse")
        .replace("!#endif", "!#xndif")
        .replace("!#include", "!#xnclude")
}

/// The text of a file.
fn text(random: &mut Random, lines: &Lines, n_lines: usize, directives: &Directives<'_>) -> String {
    let ends: &[&str] = match random.below(4) {
        0 => &["\r\n"],
        1 => &["\n", "\r\n", "\r", "\n\n", "\r\n\r\n", "\n\r", "\n \n", "\n\t\r\n"],
        _ => &["\n"],
    };
    let mut text = random
        .pick(&["", "", "", "", "\u{feff}", "\n", "  ", "\u{feff}\u{feff}\r\n", "\u{a0}\n", "\t"])
        .to_owned();
    let mut n_open = 0;
    let mut has_else = false;
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..n_lines {
        let line = match random.below(60) {
            0 if n_open == 0 => {
                n_open = 1;
                has_else = false;
                let condition = condition(random, 0);
                format!("!#if {condition}")
            }
            1 | 2 if n_open == 1 && !has_else => {
                has_else = true;
                "!#else".to_owned()
            }
            3..=7 if n_open == 1 => {
                n_open = 0;
                "!#endif".to_owned()
            }
            8 if !directives.includes.is_empty() => {
                let include = random.pick(directives.includes);
                let file = include.rsplit('/').next().unwrap_or(include);
                random
                    .pick(&["!#include {}", "!#include ./{}", "!#include{}", "!#include  {} "])
                    .replace("{}", file)
            }
            9 if directives.has_odd => random
                .pick(&[
                    "!#if",
                    "!#else",
                    "!#endif",
                    "!#if (a",
                    "!#if true||",
                    "!#else x",
                    "!#if a && ",
                    "!#if !",
                    "!#if true",
                    "!#if )(",
                ])
                .to_owned(),
            // Repeated and related lines are what Compress and Deduplicate are for.
            10..=14 if !seen.is_empty() => seen[random.below(seen.len())].clone(),
            15..=17 if !seen.is_empty() => {
                seen[random.below(seen.len())].replacen("||", random.pick(&["||a.", "||x.y.", "@@||", ""]), 1)
            }
            _ => without_directives(&lines.line(random)),
        };
        if !line.starts_with("!#") {
            seen.push(line.clone());
        }
        text += &line;
        text += random.pick(ends);
    }
    if n_open == 1 {
        text += "!#endif";
    }
    if directives.has_odd && random.once_in(3) {
        text += "\n!#include missing.txt";
    }
    text += random.pick(&["", "", "\n", "  \r\n ", "\u{feff}", "\r"]);
    text
}

/// The text of a file that includes nothing and may be broken.
pub fn text_of_a_file(random: &mut Random, lines: &Lines, n_lines: usize) -> String {
    let has_odd = random.once_in(4);
    text(random, lines, n_lines, &Directives { includes: &[], has_odd })
}

/// A condition that has a value.
fn condition(random: &mut Random, depth: usize) -> String {
    match random.below(if depth < 3 { 8 } else { 4 }) {
        0 => "true".to_owned(),
        1 => random.pick(&["false", "adguard", "TRUE", "adguard_ext_chromium", "tru", "true "]).to_owned(),
        2 => "!true".to_owned(),
        3 => "!adguard".to_owned(),
        4 | 5 => {
            let operator = random.pick(&[" && ", " || ", "  ||", " &&  "]);
            format!("{}{operator}{}", condition(random, depth + 1), condition(random, depth + 1))
        }
        6 => format!("({})", condition(random, depth + 1)),
        _ => format!("!({})", condition(random, depth + 1)),
    }
}
