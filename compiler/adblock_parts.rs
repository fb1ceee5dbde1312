//! Taking an adblock rule apart into allow mark, pattern and options, and putting it together again.
//!
//! The reference's reading is coarse and this is its faithful copy: cosmetic rules and hosts lines go
//! through it too, an option's value ends at its second `=`, and a rule that is taken apart and put
//! together again may differ from what was read.

use std::borrow::Cow;

use crate::line::trim;

/// A rule in its parts. `options` is the raw text behind the `$`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AdblockParts<'a> {
    pub(crate) allow: bool,
    pub(crate) pattern: &'a str,
    pub(crate) options: &'a str,
}

/// One option: its name, and its value unless that is absent or empty.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RuleOption<'a> {
    text: Cow<'a, str>,
}

/// The line holds no rule: it is empty, or only the mark of an allow rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line holds no rule")]
pub(crate) struct NoRule;

impl<'a> AdblockParts<'a> {
    /// Takes a line apart, after trimming it.
    pub(crate) fn parse(line: &'a str) -> Result<Self, NoRule> {
        let line = trim(line);
        let (allow, rest) = match line.strip_prefix("@@") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        if rest.is_empty() {
            return Err(NoRule);
        }
        let all_pattern = AdblockParts { allow, pattern: rest, options: "" };
        // A regular expression may hold a `$`; one with `replace=` is a pattern with that option.
        if rest.starts_with('/')
            && rest.ends_with('/')
            && memchr::memmem::find(rest.as_bytes(), b"replace=").is_none()
        {
            return Ok(all_pattern);
        }
        Ok(match options_mark(rest) {
            None => all_pattern,
            Some(at) => AdblockParts {
                allow,
                pattern: rest.get(..at).unwrap_or(""),
                options: rest.get(at + 1..).unwrap_or(""),
            },
        })
    }

    /// The options in order; empty ones are no options.
    pub(crate) fn options(&self) -> impl Iterator<Item = RuleOption<'a>> + use<'a> {
        OptionTexts { rest: Some(self.options) }.map(|text| RuleOption { text })
    }

    /// Whether there is no option at all: `a$` and `a$,` have none.
    pub(crate) fn has_no_options(&self) -> bool {
        self.options().next().is_none()
    }

    /// Puts the rule together with another pattern and only the options that `keep` accepts,
    /// appending to `to`.
    pub(crate) fn write(&self, to: &mut String, pattern: &str, keep: impl Fn(&str) -> bool) {
        if self.allow {
            to.push_str("@@");
        }
        to.push_str(pattern);
        let mut separator = '$';
        for option in self.options().filter(|option| keep(option.name())) {
            to.push(separator);
            separator = ',';
            to.push_str(option.name());
            if let Some(value) = option.value() {
                to.push('=');
                to.push_str(value);
            }
        }
    }
}

impl RuleOption<'_> {
    /// The text before the first `=`.
    pub(crate) fn name(&self) -> &str {
        self.text.split('=').next().unwrap_or("")
    }

    /// The text between the first and the second `=`, if there is any.
    pub(crate) fn value(&self) -> Option<&str> {
        self.text.split('=').nth(1).filter(|value| !value.is_empty())
    }
}

/// Where the last unescaped `$` is.
fn options_mark(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    memchr::memrchr_iter(b'$', bytes).find(|&at| at == 0 || bytes.get(at - 1) != Some(&b'\\'))
}

/// Splits the options at commas. A comma behind a backslash joins, and the backslash goes; a comma at
/// the very start is passed over.
struct OptionTexts<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for OptionTexts<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        loop {
            let rest = self.rest.take()?;
            let mut joined = String::new();
            let mut piece_start = 0;
            let mut end = rest.len();
            for comma in memchr::memchr_iter(b',', rest.as_bytes()) {
                if comma == 0 || rest.as_bytes().get(comma - 1) != Some(&b'\\') {
                    end = comma;
                    self.rest = rest.get(comma + 1..);
                    break;
                }
                joined.push_str(rest.get(piece_start..comma - 1).unwrap_or(""));
                // The comma itself begins the next piece.
                piece_start = comma;
            }
            let tail = rest.get(piece_start..end).unwrap_or("");
            if joined.is_empty() && piece_start == 0 {
                if !tail.is_empty() {
                    return Some(Cow::Borrowed(tail));
                }
            } else {
                joined.push_str(tail);
                return Some(Cow::Owned(joined));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> (bool, &str, Vec<(String, Option<String>)>) {
        let parts = AdblockParts::parse(line).unwrap();
        let options = parts.options().map(|o| (o.name().to_owned(), o.value().map(str::to_owned))).collect();
        (parts.allow, parts.pattern, options)
    }

    fn option(name: &str, value: Option<&str>) -> (String, Option<String>) {
        (name.to_owned(), value.map(str::to_owned))
    }

    #[test]
    fn the_last_unescaped_dollar_separates() {
        assert_eq!(parts("||a^$x"), (false, "||a^", vec![option("x", None)]));
        assert_eq!(parts("a$b$popup"), (false, "a$b", vec![option("popup", None)]));
        assert_eq!(parts(r"||a^\$popup"), (false, r"||a^\$popup", vec![]));
        assert_eq!(parts("$popup"), (false, "", vec![option("popup", None)]));
        assert_eq!(parts("@@$popup"), (true, "", vec![option("popup", None)]));
        assert_eq!(parts("/ads$/"), (false, "/ads$/", vec![]));
        assert_eq!(parts("/replace=x$popup/"), (false, "/replace=x", vec![option("popup/", None)]));
    }

    #[test]
    fn options_are_split_with_all_oddities() {
        assert_eq!(parts("a$,,x,,y,").2, vec![option("x", None), option("y", None)]);
        assert_eq!(parts(r"a$x\,y,z").2, vec![option("x,y", None), option("z", None)]);
        assert_eq!(parts(r"a$\,,z").2, vec![option(",", None), option("z", None)]);
        assert_eq!(parts("a$x=b=c,y=").2, vec![option("x", Some("b")), option("y", None)]);
        assert_eq!(parts("a$=v").2, vec![option("", Some("v"))]);
        assert!(AdblockParts::parse("a$,,").unwrap().has_no_options());
    }

    #[test]
    fn a_lone_allow_mark_is_no_rule() {
        for line in ["", "  ", "@@", " @@ "] {
            assert_eq!(AdblockParts::parse(line), Err(NoRule), "{line}");
        }
    }
}
