//! The expression of an `!#if` directive.
//!
//! No name is defined, so the only truth is the word `true`. Operators are found by plain text search,
//! with the results such a search has: what stands left of `||` or `&&` loses its last character, which
//! is a blank where people write blanks.

use crate::line::trim;

/// The longest expression, in bytes. Resolving brackets goes over the text once for each of them, so
/// the work is the square of this; written expressions are below a hundred bytes.
const MAX_CONDITION_BYTES: usize = 2_000;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Nothing where a name should be.
    #[error("Invalid directives: Empty condition")]
    Empty,
    /// Brackets that do not pair.
    #[error("Invalid directives: Incorrect brackets: {expression}")]
    Brackets {
        /// The whole expression.
        expression: String,
    },
    /// An expression beyond all reason.
    #[error("Invalid directives: Condition of {n_bytes} bytes, at most {MAX_CONDITION_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes.
        n_bytes: usize,
    },
}

/// The value of an expression.
pub(crate) fn evaluate(expression: &str) -> Result<bool, ConditionError> {
    if expression.len() > MAX_CONDITION_BYTES {
        return Err(ConditionError::TooLong { n_bytes: expression.len() });
    }
    let unpaired = || ConditionError::Brackets { expression: expression.to_owned() };
    if expression.matches('(').count() != expression.matches(')').count() {
        return Err(unpaired());
    }
    let mut flat = trim(expression).to_owned();
    // The last bracket opened holds no other one.
    while let Some((before, inner)) = flat.rsplit_once('(') {
        let (inner, after) = inner.split_once(')').ok_or_else(unpaired)?;
        flat = format!("{before}{}{after}", any(inner)?);
    }
    any(&flat)
}

/// Alternatives joined by `||`.
fn any(mut expression: &str) -> Result<bool, ConditionError> {
    expression = trim(expression);
    while let Some((left, right)) = expression.split_once("||") {
        if all(without_last(left))? {
            return Ok(true);
        }
        expression = trim(right);
    }
    all(expression)
}

/// Terms joined by `&&`.
fn all(mut expression: &str) -> Result<bool, ConditionError> {
    expression = trim(expression);
    while let Some((left, right)) = expression.split_once("&&") {
        if !term(without_last(left))? {
            return Ok(false);
        }
        expression = trim(right);
    }
    term(expression)
}

/// A name, perhaps negated.
fn term(mut expression: &str) -> Result<bool, ConditionError> {
    let mut negated = false;
    loop {
        expression = trim(expression);
        if expression.is_empty() {
            return Err(ConditionError::Empty);
        }
        match expression.strip_prefix('!') {
            Some(rest) => (expression, negated) = (rest, !negated),
            None => return Ok((expression == "true") != negated),
        }
    }
}

fn without_last(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next_back();
    chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, value: bool) {
        assert_eq!(evaluate(expression), Ok(value), "{expression}");
    }

    #[test]
    fn only_true_is_true() {
        check("true", true);
        check(" true ", true);
        check("TRUE", false);
        check("false", false);
        check("!adguard", true);
        check("!!true", true);
    }

    #[test]
    fn operators_bind_as_the_search_finds_them() {
        check("true && false || true", true);
        check("true || false && false", true);
        check("(true || x) && y", false);
        check("!(a || (b && c))", true);
        check("true||adguard", false);
        check("x || (true) && !y", true);
    }

    #[test]
    fn broken_expressions_are_told() {
        for empty in ["", " ", "()", "a||true", "x && ", "!"] {
            let result = evaluate(empty);
            assert!(result == Err(ConditionError::Empty) || empty == "x && ", "{empty}: {result:?}");
        }
        for brackets in ["(", "a)", ")("] {
            assert!(matches!(evaluate(brackets), Err(ConditionError::Brackets { .. })), "{brackets}");
        }
        assert!(matches!(evaluate(&"!".repeat(3_000)), Err(ConditionError::TooLong { .. })));
    }
}
