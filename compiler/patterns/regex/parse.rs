//! From the text of an expression to its tree.
//!
//! The grammar is ECMAScript's with the additions of its Annex B, and the reasons for refusing an expression
//! are worded as V8 words them, because that is what users of the reference know. Everything works on
//! UTF-16 units: an emoji in a class is two members, as in a script without the flag `u`.

use super::set::{DIGITS, LINE_ENDS, SPACE, UnitSet, WORD, outside};

/// How deep groups may be nested. Going down the tree takes the machine's stack, a wasm one is small, and
/// written expressions nest a handful.
const MAX_NESTING: usize = 64;

/// A part of an expression.
#[derive(Debug)]
pub(super) enum Node {
    /// Any one unit of a set: a class, a dot, or an escape such as `\d`.
    Set(UnitSet),
    /// Exactly this unit, in any case.
    Unit(u16),
    /// `^`: at the start, or behind a line end.
    LineStart,
    /// `$`: at the end, or before a line end.
    LineEnd,
    /// `\b`, or `\B` when inverted.
    WordBoundary { is_inverted: bool },
    /// What must, or must not, be here without taking part in the match.
    Look { behind: bool, is_negative: bool, inner: Box<Node> },
    /// A group whose text a back-reference may ask for. Groups are counted from 1.
    Capture { group: usize, inner: Box<Node> },
    /// The text that a group caught, once more.
    BackReference { group: usize },
    /// From `min` to `max` rounds, as many as possible first when greedy. `groups` are the numbers of the
    /// captures inside, which every round forgets.
    Repeat { min: u32, max: u32, is_greedy: bool, groups: std::ops::Range<usize>, inner: Box<Node> },
    /// One after the other; nothing at all when empty.
    Sequence(Vec<Node>),
    /// The first that leads to a match.
    Alternatives(Vec<Node>),
}

/// No upper end of a repetition.
pub(super) const WITHOUT_END: u32 = u32::MAX;

/// A whole expression.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) node: Node,
    /// Groups that capture, counted from 1; 0 is the whole match and unused.
    pub(super) n_groups: usize,
    /// Whether what a group caught is ever asked for.
    pub(super) has_back_references: bool,
}

/// A part, or why there is none.
type Parse<T> = Result<T, &'static str>;

/// Parses an expression. The error is the reason in the words of the engine that the reference runs on.
pub(super) fn parse(source: &str) -> Parse<Parsed> {
    let units: Vec<u16> = source.encode_utf16().collect();
    let names = group_names(&units)?;
    let mut parser =
        Parser { units: &units, at: 0, names, n_groups: 1, depth: 0, has_back_references: false };
    let node = parser.alternatives()?;
    if parser.at < units.len() {
        return Err("Unmatched ')'");
    }
    Ok(Parsed { node, n_groups: parser.n_groups, has_back_references: parser.has_back_references })
}

/// All groups that capture, with their names, by a first glance at the text: whether `\2` is a
/// back-reference depends on groups that may come later.
fn group_names(units: &[u16]) -> Parse<Vec<Option<Vec<u16>>>> {
    let mut names: Vec<Option<Vec<u16>>> = Vec::new();
    let mut in_class = false;
    let mut rest = units;
    while let [first, after @ ..] = rest {
        rest = after;
        match char_of(*first) {
            '\\' => rest = rest.get(1..).unwrap_or_default(),
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => match rest {
                [mark, angle, name @ ..]
                    if [*mark, *angle] == ascii(*b"?<")
                        && !name.first().is_some_and(|&unit| is_one_of(unit, b"=!")) =>
                {
                    let end = name.iter().position(|&unit| unit == u16::from(b'>'));
                    let name = end.and_then(|end| name.get(..end)).filter(|name| is_name(name));
                    let name = name.ok_or("Invalid capture group name")?;
                    if names.iter().flatten().any(|known| known == name) {
                        return Err("Duplicate capture group name");
                    }
                    names.push(Some(name.to_vec()));
                }
                [mark, ..] if is_one_of(*mark, b"?") => {}
                _ => names.push(None),
            },
            _ => {}
        }
    }
    Ok(names)
}

fn is_name(name: &[u16]) -> bool {
    let is_letter = |unit: u16| unit >= 0x80 || is_one_of(unit, b"$_") || char_of(unit).is_ascii_alphabetic();
    let is_inner = |unit: u16| is_letter(unit) || char_of(unit).is_ascii_digit();
    name.first().is_some_and(|&unit| is_letter(unit)) && name.iter().all(|&unit| is_inner(unit))
}

/// The character of an ASCII unit; for others one that the grammar gives no meaning.
fn char_of(unit: u16) -> char {
    u8::try_from(unit).ok().filter(u8::is_ascii).map_or('\u{fffd}', char::from)
}

fn ascii<const N: usize>(text: [u8; N]) -> [u16; N] {
    text.map(u16::from)
}

fn is_one_of(unit: u16, chars: &[u8]) -> bool {
    chars.iter().any(|&c| u16::from(c) == unit)
}

/// Where the parser is. It goes over the units once, and back only within a term.
struct Parser<'a> {
    units: &'a [u16],
    at: usize,
    names: Vec<Option<Vec<u16>>>,
    n_groups: usize,
    depth: usize,
    has_back_references: bool,
}

impl Parser<'_> {
    fn rest(&self) -> &[u16] {
        self.units.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u16> {
        self.units.get(self.at).copied()
    }

    fn eat(&mut self, text: &str) -> bool {
        let is_next = text.len() <= self.rest().len()
            && text.bytes().map(u16::from).eq(self.rest().iter().copied().take(text.len()));
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    fn alternatives(&mut self) -> Parse<Node> {
        let mut alternatives = vec![self.sequence()?];
        while self.eat("|") {
            alternatives.push(self.sequence()?);
        }
        Ok(one_or(alternatives, Node::Alternatives))
    }

    fn sequence(&mut self) -> Parse<Node> {
        let mut terms = Vec::new();
        while let Some(unit) = self.peek() {
            if is_one_of(unit, b"|)") {
                break;
            }
            terms.push(self.term()?);
        }
        Ok(one_or(terms, Node::Sequence))
    }

    fn term(&mut self) -> Parse<Node> {
        let first_group = self.n_groups;
        for (text, assertion) in [
            ("^", Node::LineStart),
            ("$", Node::LineEnd),
            ("\\b", Node::WordBoundary { is_inverted: false }),
            ("\\B", Node::WordBoundary { is_inverted: true }),
        ] {
            if self.eat(text) {
                return Ok(assertion);
            }
        }
        for (text, is_negative) in [("(?<=", false), ("(?<!", true)] {
            if self.eat(text) {
                let inner = Box::new(self.group()?);
                if self.quantifier()?.is_some() {
                    return Err("Invalid quantifier");
                }
                return Ok(Node::Look { behind: true, is_negative, inner });
            }
        }
        let atom = self.atom()?;
        let Some((min, max)) = self.quantifier()? else { return Ok(atom) };
        let is_greedy = !self.eat("?");
        Ok(Node::Repeat { min, max, is_greedy, groups: first_group..self.n_groups, inner: Box::new(atom) })
    }

    fn atom(&mut self) -> Parse<Node> {
        for (text, is_negative) in [("(?=", false), ("(?!", true)] {
            if self.eat(text) {
                return Ok(Node::Look { behind: false, is_negative, inner: Box::new(self.group()?) });
            }
        }
        if self.eat("(?:") {
            return self.group();
        }
        if self.eat("(?<") {
            // The name was checked at the first glance.
            let length = self.rest().iter().position(|&unit| unit == u16::from(b'>')).unwrap_or(0);
            self.at += length + 1;
            return self.capture();
        }
        if self.eat("(?") {
            return Err("Invalid group");
        }
        if self.eat("(") {
            return self.capture();
        }
        if self.eat(".") {
            return Ok(Node::Set(UnitSet::new(LINE_ENDS.to_vec(), true)));
        }
        if self.eat("[") {
            return self.class();
        }
        if self.eat("\\") {
            return self.escape();
        }
        if self.is_at_quantifier() {
            return Err("Nothing to repeat");
        }
        self.next().map(Node::Unit).ok_or("Nothing to repeat")
    }

    fn next(&mut self) -> Option<u16> {
        let unit = self.peek()?;
        self.at += 1;
        Some(unit)
    }

    /// The inside of a group and its closing bracket.
    fn group(&mut self) -> Parse<Node> {
        if self.depth == MAX_NESTING {
            return Err("Regular expression too large");
        }
        self.depth += 1;
        let inner = self.alternatives()?;
        self.depth -= 1;
        if self.eat(")") { Ok(inner) } else { Err("Unterminated group") }
    }

    fn capture(&mut self) -> Parse<Node> {
        let group = self.n_groups;
        self.n_groups += 1;
        Ok(Node::Capture { group, inner: Box::new(self.group()?) })
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`, without a `?` behind. A brace that is none of these is a character.
    fn quantifier(&mut self) -> Parse<Option<(u32, u32)>> {
        for (text, range) in [("*", (0, WITHOUT_END)), ("+", (1, WITHOUT_END)), ("?", (0, 1))] {
            if self.eat(text) {
                return Ok(Some(range));
            }
        }
        let before = self.at;
        if self.eat("{")
            && let Some(min) = self.number()
        {
            let max = if self.eat(",") { self.number().unwrap_or(WITHOUT_END) } else { min };
            if self.eat("}") {
                if min > max {
                    return Err("numbers out of order in {} quantifier");
                }
                return Ok(Some((min, max)));
            }
        }
        self.at = before;
        Ok(None)
    }

    /// Whether a quantifier comes next, be it one in the wrong order.
    fn is_at_quantifier(&mut self) -> bool {
        let before = self.at;
        let found = self.quantifier();
        self.at = before;
        found != Ok(None)
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = None;
        while let Some(digit) = self.peek().and_then(|unit| char_of(unit).to_digit(10)) {
            self.at += 1;
            // One below "without end", which only an absent number means.
            number =
                Some(number.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit).min(WITHOUT_END - 1));
        }
        number
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) -> Parse<Node> {
        let Some(unit) = self.peek() else { return Err("\\ at end of pattern") };
        if matches!(char_of(unit), '1'..='9') {
            let before = self.at;
            let group = self.number().unwrap_or(0) as usize;
            if group <= self.names.len() {
                self.has_back_references = true;
                return Ok(Node::BackReference { group });
            }
            self.at = before;
        }
        if unit == u16::from(b'k') && self.names.iter().any(Option::is_some) {
            self.at += 1;
            return self.named_reference();
        }
        if let Some(ranges) = self.class_escape() {
            return Ok(Node::Set(UnitSet::new(ranges, false)));
        }
        self.character_escape(false).map(Node::Unit)
    }

    fn named_reference(&mut self) -> Parse<Node> {
        if !self.eat("<") {
            return Err("Invalid named reference");
        }
        let end =
            self.rest().iter().position(|&unit| unit == u16::from(b'>')).ok_or("Invalid named reference")?;
        let name = self.rest().get(..end).unwrap_or_default();
        let group = self.names.iter().position(|known| known.as_deref() == Some(name));
        let group = group.ok_or("Invalid named capture referenced")? + 1;
        self.at += end + 1;
        self.has_back_references = true;
        Ok(Node::BackReference { group })
    }

    /// `\d` and its like, after the backslash.
    fn class_escape(&mut self) -> Option<Vec<(u16, u16)>> {
        let ranges = match char_of(self.peek()?) {
            'd' => DIGITS.to_vec(),
            'D' => outside(DIGITS),
            'w' => WORD.to_vec(),
            'W' => outside(WORD),
            's' => SPACE.to_vec(),
            'S' => outside(SPACE),
            _ => return None,
        };
        self.at += 1;
        Some(ranges)
    }

    /// An escape that stands for one unit, after the backslash.
    fn character_escape(&mut self, in_class: bool) -> Parse<u16> {
        let unit = self.next().ok_or("\\ at end of pattern")?;
        Ok(match char_of(unit) {
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            'b' if in_class => 0x08,
            'c' => match self.peek().map(char_of) {
                Some(c) if c.is_ascii_alphabetic() || (in_class && (c.is_ascii_digit() || c == '_')) => {
                    self.at += 1;
                    c as u16 % 32
                }
                // Then the backslash stands for itself, and the letter comes as the next character.
                _ => {
                    self.at -= 1;
                    u16::from(b'\\')
                }
            },
            'x' => self.hex(2).unwrap_or(unit),
            'u' => self.hex(4).unwrap_or(unit),
            '0'..='7' => {
                self.at -= 1;
                self.octal()
            }
            _ => unit,
        })
    }

    fn hex(&mut self, n_digits: usize) -> Option<u16> {
        let digits = self.rest().get(..n_digits)?;
        let mut value = 0;
        for &unit in digits {
            value = value * 16 + char_of(unit).to_digit(16)? as u16;
        }
        self.at += n_digits;
        Some(value)
    }

    /// Up to three octal digits, at most 255.
    fn octal(&mut self) -> u16 {
        let mut value = 0;
        for _ in 0..3 {
            let Some(digit) = self.peek().and_then(|unit| char_of(unit).to_digit(8)) else { break };
            if value * 8 + digit > 0xff {
                break;
            }
            value = value * 8 + digit;
            self.at += 1;
        }
        value as u16
    }

    /// A class, after its opening bracket.
    fn class(&mut self) -> Parse<Node> {
        let is_inverted = self.eat("^");
        let mut ranges = Vec::new();
        loop {
            if self.eat("]") {
                return Ok(Node::Set(UnitSet::new(ranges, is_inverted)));
            }
            let first = self.class_atom()?;
            let before = self.at;
            if !self.eat("-") || self.peek() == Some(u16::from(b']')) {
                self.at = before;
                first.add_to(&mut ranges);
                continue;
            }
            match (first, self.class_atom()?) {
                (ClassAtom::Unit(first), ClassAtom::Unit(last)) if first <= last => {
                    ranges.push((first, last))
                }
                (ClassAtom::Unit(_), ClassAtom::Unit(_)) => {
                    return Err("Range out of order in character class");
                }
                // With a set at an end it is no range, and the hyphen stands for itself.
                (first, last) => {
                    first.add_to(&mut ranges);
                    ClassAtom::Unit(u16::from(b'-')).add_to(&mut ranges);
                    last.add_to(&mut ranges);
                }
            }
        }
    }

    fn class_atom(&mut self) -> Parse<ClassAtom> {
        if self.eat("\\") {
            if self.peek().is_none() {
                return Err("\\ at end of pattern");
            }
            if let Some(ranges) = self.class_escape() {
                return Ok(ClassAtom::Set(ranges));
            }
            return self.character_escape(true).map(ClassAtom::Unit);
        }
        self.next().map(ClassAtom::Unit).ok_or("Unterminated character class")
    }
}

enum ClassAtom {
    Unit(u16),
    Set(Vec<(u16, u16)>),
}

impl ClassAtom {
    fn add_to(self, ranges: &mut Vec<(u16, u16)>) {
        match self {
            ClassAtom::Unit(unit) => ranges.push((unit, unit)),
            ClassAtom::Set(set) => ranges.extend(set),
        }
    }
}

/// The only node, or all of them together.
fn one_or(mut nodes: Vec<Node>, together: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => {
            nodes.extend(last);
            together(nodes)
        }
    }
}
