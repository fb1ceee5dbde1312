//! The configuration in an AGLint comment: the inside of a JSON5 object, without its braces.

use std::collections::BTreeMap;

use super::Fault;
use crate::line::is_space;
use crate::rule::ast::{ConfigNumber, ConfigValue};
use crate::rule::source::Part;

/// How deep arrays and objects may be nested.
const MAX_DEPTH: usize = 100;

/// An array or object that is not complete.
enum Open {
    Array(Vec<ConfigValue>),
    /// The entries, and the key whose value comes next.
    Object(Vec<(String, ConfigValue)>, String),
}

/// Parses the inside of an object.
pub(super) fn parse_object(inside: Part<'_>) -> Result<ConfigValue, Fault> {
    let text = format!("{{{}}}", inside.text());
    let mut reader = Reader { text: &text, at: 0 };
    let mut open: Vec<Open> = Vec::new();
    loop {
        // A value begins here, or a container ends.
        reader.skip_blanks()?;
        let mut value = match (reader.peek(), open.last()) {
            (Some('{'), _) => {
                reader.bump();
                match reader.key_or_end()? {
                    None => ConfigValue::Object(Vec::new()),
                    Some(key) => {
                        open.push(Open::Object(Vec::new(), key));
                        if open.len() > MAX_DEPTH {
                            return Err(inside.fault(format!(
                                "The configuration is nested deeper than {MAX_DEPTH} levels"
                            )));
                        }
                        continue;
                    }
                }
            }
            (Some('['), _) => {
                reader.bump();
                open.push(Open::Array(Vec::new()));
                if open.len() > MAX_DEPTH {
                    return Err(
                        inside.fault(format!("The configuration is nested deeper than {MAX_DEPTH} levels"))
                    );
                }
                continue;
            }
            (Some(']'), Some(Open::Array(_))) => {
                reader.bump();
                match open.pop() {
                    Some(Open::Array(values)) => ConfigValue::Array(values),
                    _ => ConfigValue::Null,
                }
            }
            _ => reader.scalar()?,
        };
        // The value is complete; give it to its container, and go on with that if it is complete, too.
        loop {
            reader.skip_blanks()?;
            let Some(container) = open.pop() else {
                return if reader.peek().is_none() { Ok(value) } else { Err(reader.invalid()) };
            };
            match (container, reader.peek()) {
                (Open::Array(mut values), Some(c @ (',' | ']'))) => {
                    values.push(value);
                    reader.bump();
                    if c == ',' {
                        open.push(Open::Array(values));
                        break;
                    }
                    value = ConfigValue::Array(values);
                }
                (Open::Object(mut entries, key), Some(c @ (',' | '}'))) => {
                    entries.push((key, value));
                    reader.bump();
                    let next = if c == ',' { reader.key_or_end()? } else { None };
                    match next {
                        Some(key) => {
                            open.push(Open::Object(entries, key));
                            break;
                        }
                        None => value = ConfigValue::Object(without_repetitions(entries)),
                    }
                }
                _ => return Err(reader.invalid()),
            }
        }
    }
}

/// Of entries with the same key, the first keeps its place and gets the last one's value.
fn without_repetitions(entries: Vec<(String, ConfigValue)>) -> Vec<(String, ConfigValue)> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<(String, ConfigValue)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let place = *places.entry(key.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some((_, old)) => *old = value,
            None => kept.push((key, value)),
        }
    }
    kept
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// The error about the character that comes next.
    fn invalid(&self) -> Fault {
        let column = self.text.get(..self.at).unwrap_or("").chars().count() + 1;
        let message = match self.peek() {
            None => format!("JSON5: invalid end of input at 1:{column}"),
            Some('\'') => format!("JSON5: invalid character '\\'' at 1:{column}"),
            Some('"') => format!("JSON5: invalid character '\\\"' at 1:{column}"),
            Some('\\') => format!("JSON5: invalid character '\\\\' at 1:{column}"),
            Some(c) if c < ' ' => {
                format!("JSON5: invalid character '\\x{:02x}' at 1:{column}", u32::from(c))
            }
            Some(c) => format!("JSON5: invalid character '{c}' at 1:{column}"),
        };
        Fault { name: "SyntaxError", message: message.into(), span: None }
    }

    fn skip_blanks(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            let after_blanks = rest.trim_start_matches(is_space);
            self.at += rest.len() - after_blanks.len();
            if self.peek() != Some('/') {
                return Ok(());
            }
            self.bump();
            let rest = self.rest();
            let len = match self.peek() {
                Some('*') => rest.get(1..).and_then(|inside| inside.find("*/")).map(|end| end + 3),
                Some('/') => rest.find(['\n', '\r', '\u{2028}', '\u{2029}']),
                _ => return Err(self.invalid()),
            };
            self.at += len.unwrap_or(rest.len());
            if len.is_none() {
                return Err(self.invalid());
            }
        }
    }

    /// The next key with its colon, or the end of the object.
    fn key_or_end(&mut self) -> Result<Option<String>, Fault> {
        self.skip_blanks()?;
        let key = match self.peek() {
            Some('}') => {
                self.bump();
                return Ok(None);
            }
            Some(quote @ ('"' | '\'')) => self.string(quote)?,
            Some(c) if c == '$' || c == '_' || c.is_alphabetic() => {
                let rest = self.rest();
                let is_name =
                    |c: char| matches!(c, '$' | '_' | '\u{200c}' | '\u{200d}') || c.is_alphanumeric();
                let name =
                    rest.get(..rest.find(|c| !is_name(c)).unwrap_or(rest.len())).unwrap_or("").to_owned();
                self.at += name.len();
                name
            }
            // Names with escapes are not supported.
            Some('\\') => {
                self.bump();
                return Err(self.invalid());
            }
            _ => return Err(self.invalid()),
        };
        self.skip_blanks()?;
        if self.peek() != Some(':') {
            return Err(self.invalid());
        }
        self.bump();
        Ok(Some(key))
    }

    /// A value that is neither array nor object.
    fn scalar(&mut self) -> Result<ConfigValue, Fault> {
        match self.peek() {
            Some(quote @ ('"' | '\'')) => Ok(ConfigValue::String(self.string(quote)?)),
            Some('n') => self.word("null", ConfigValue::Null),
            Some('t') => self.word("true", ConfigValue::Bool(true)),
            Some('f') => self.word("false", ConfigValue::Bool(false)),
            Some('+') => {
                self.bump();
                Ok(number(self.unsigned()?))
            }
            Some('-') => {
                self.bump();
                Ok(number(-self.unsigned()?))
            }
            Some(c) if c.is_ascii_digit() || matches!(c, '.' | 'I' | 'N') => Ok(number(self.unsigned()?)),
            _ => Err(self.invalid()),
        }
    }

    fn word<T>(&mut self, word: &str, value: T) -> Result<T, Fault> {
        for expected in word.chars() {
            if self.peek() != Some(expected) {
                return Err(self.invalid());
            }
            self.bump();
        }
        Ok(value)
    }

    fn digits(&mut self, is_digit: impl Fn(char) -> bool) -> usize {
        let rest = self.rest();
        let len = rest.find(|c| !is_digit(c)).unwrap_or(rest.len());
        self.at += len;
        len
    }

    fn unsigned(&mut self) -> Result<f64, Fault> {
        match self.peek() {
            Some('I') => return self.word("Infinity", f64::INFINITY),
            Some('N') => return self.word("NaN", f64::NAN),
            _ => {}
        }
        if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            self.at += 2;
            let start = self.at;
            if self.digits(|c| c.is_ascii_hexdigit()) == 0 {
                return Err(self.invalid());
            }
            let digits = self.text.get(start..self.at).unwrap_or("").chars();
            return Ok(digits.fold(0.0, |sum, c| sum * 16.0 + f64::from(c.to_digit(16).unwrap_or(0))));
        }
        let start = self.at;
        let mut n_digits = 0;
        if self.peek() == Some('0') {
            self.bump();
            n_digits = 1;
        } else {
            n_digits += self.digits(|c| c.is_ascii_digit());
        }
        if self.peek() == Some('.') {
            self.bump();
            n_digits += self.digits(|c| c.is_ascii_digit());
        }
        if n_digits == 0 {
            return Err(self.invalid());
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.bump();
            if matches!(self.peek(), Some('+' | '-')) {
                self.bump();
            }
            if self.digits(|c| c.is_ascii_digit()) == 0 {
                return Err(self.invalid());
            }
        }
        // What was read is always a number.
        Ok(self.text.get(start..self.at).unwrap_or("").parse().unwrap_or(f64::NAN))
    }

    fn string(&mut self, quote: char) -> Result<String, Fault> {
        self.bump();
        let mut units: Vec<u16> = Vec::new();
        loop {
            let c = match self.peek() {
                None | Some('\n' | '\r') => return Err(self.invalid()),
                Some(c) => c,
            };
            self.bump();
            if c == quote {
                // A half of a surrogate pair alone is no character.
                return Ok(String::from_utf16_lossy(&units));
            }
            let c = if c == '\\' {
                match self.escape()? {
                    Some(unit) => {
                        units.push(unit);
                        continue;
                    }
                    None => match self.bump() {
                        Some('\n' | '\r' | '\u{2028}' | '\u{2029}') => continue,
                        Some(c) => c,
                        None => return Err(self.invalid()),
                    },
                }
            } else {
                c
            };
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
        }
    }

    /// What a backslash escapes; `None` if that is the next character itself.
    fn escape(&mut self) -> Result<Option<u16>, Fault> {
        let n_digits = match self.peek() {
            Some('b') => return self.unit(8),
            Some('t') => return self.unit(9),
            Some('n') => return self.unit(10),
            Some('v') => return self.unit(11),
            Some('f') => return self.unit(12),
            Some('r') => return self.unit(13),
            Some('0') => {
                self.bump();
                return if self.peek().is_some_and(|c| c.is_ascii_digit()) {
                    Err(self.invalid())
                } else {
                    Ok(Some(0))
                };
            }
            Some('1'..='9') => return Err(self.invalid()),
            Some('x') => 2,
            Some('u') => 4,
            _ => return Ok(None),
        };
        self.bump();
        let mut unit = 0;
        for _ in 0..n_digits {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) else { return Err(self.invalid()) };
            self.bump();
            unit = unit * 16 + digit;
        }
        Ok(u16::try_from(unit).ok())
    }

    fn unit(&mut self, unit: u16) -> Result<Option<u16>, Fault> {
        self.bump();
        Ok(Some(unit))
    }
}

fn number(value: f64) -> ConfigValue {
    ConfigValue::Number(ConfigNumber(value))
}
