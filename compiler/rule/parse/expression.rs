//! The condition of an `!#if`: names, `!`, `&&`, `||` and parentheses.
//!
//! `!` is also taken between two operands, as the reference does; it binds strongest, then `&&`, then `||`.
//! The parser keeps its own stack, so that only the depth of the result is bounded, see [`MAX_EXPRESSION_DEPTH`].

use super::Fault;
use crate::rule::MAX_EXPRESSION_DEPTH;
use crate::rule::ast::{Expression, Operator};
use crate::rule::source::{Part, is_blank};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Operator(Operator),
    Open,
    Close,
}

impl Kind {
    /// What messages call it.
    fn number(self) -> u8 {
        match self {
            Kind::Name => 0,
            Kind::Operator(_) => 1,
            Kind::Open | Kind::Close => 2,
        }
    }
}

#[derive(Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    part: Part<'a>,
}

/// A part of the condition with its depth.
struct Node {
    expression: Expression,
    depth: usize,
}

/// What waits for its right operand or its closing parenthesis.
enum Waiting {
    Prefix,
    Infix(Operator, Node),
    Parenthesis,
}

/// Parses a condition, which must not be blank.
pub(super) fn parse(condition: Part<'_>) -> Result<Expression, Fault> {
    let tokens = tokens(condition)?;
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut tokens = tokens.into_iter();
    'operand: loop {
        let Some(token) = tokens.next() else {
            return Err(condition.fault_at_end("Unexpected end of the condition"));
        };
        let mut node = match token.kind {
            Kind::Name => {
                Node { expression: Expression::Variable { name: token.part.text().to_owned() }, depth: 1 }
            }
            Kind::Operator(Operator::Not) => {
                waiting.push(Waiting::Prefix);
                continue;
            }
            Kind::Open => {
                waiting.push(Waiting::Parenthesis);
                continue;
            }
            Kind::Operator(_) | Kind::Close => {
                return Err(token.part.fault(format!("Unexpected token \"{}\"", token.part.text())));
            }
        };
        // The operand is complete; what follows decides who gets it.
        loop {
            let Some(token) = tokens.next() else {
                node = reduce(&mut waiting, node, 0, condition)?;
                if waiting.is_empty() {
                    return Ok(node.expression);
                }
                return Err(condition.fault("Expected token of type \"2\", but reached end of input"));
            };
            match token.kind {
                Kind::Operator(operator) => {
                    node = reduce(&mut waiting, node, strength(operator), condition)?;
                    waiting.push(Waiting::Infix(operator, node));
                    continue 'operand;
                }
                Kind::Close => {
                    node = reduce(&mut waiting, node, 0, condition)?;
                    if waiting.pop().is_none() {
                        return Err(token.part.fault("Unexpected token \"2\""));
                    }
                    let depth = deeper(node.depth, condition)?;
                    node = Node {
                        expression: Expression::Parenthesis { expression: Box::new(node.expression) },
                        depth,
                    };
                }
                Kind::Name | Kind::Open => {
                    reduce(&mut waiting, node, 0, condition)?;
                    let number = token.kind.number();
                    return Err(token.part.fault(if waiting.is_empty() {
                        format!("Unexpected token \"{number}\"")
                    } else {
                        format!("Expected token of type \"2\", but got \"{number}\"")
                    }));
                }
            }
        }
    }
}

/// How strongly an operator binds its operands.
fn strength(operator: Operator) -> u8 {
    match operator {
        Operator::Or => 1,
        Operator::And => 2,
        Operator::Not => 3,
    }
}

/// Gives an operand to all that wait for it and bind at least as strongly as what follows; parentheses stay.
fn reduce(waiting: &mut Vec<Waiting>, mut node: Node, next: u8, condition: Part<'_>) -> Result<Node, Fault> {
    loop {
        node = match waiting.pop() {
            // The one operand of a prefix ends only before `&&` and `||`.
            Some(Waiting::Prefix) if next <= strength(Operator::And) => {
                let depth = deeper(node.depth, condition)?;
                let left = Box::new(node.expression);
                Node {
                    expression: Expression::Operator { operator: Operator::Not, left, right: None },
                    depth,
                }
            }
            Some(Waiting::Infix(operator, left)) if strength(operator) >= next => {
                let depth = deeper(left.depth.max(node.depth), condition)?;
                let (left, right) = (Box::new(left.expression), Some(Box::new(node.expression)));
                Node { expression: Expression::Operator { operator, left, right }, depth }
            }
            Some(other) => {
                waiting.push(other);
                return Ok(node);
            }
            None => return Ok(node),
        };
    }
}

fn deeper(depth: usize, condition: Part<'_>) -> Result<usize, Fault> {
    if depth >= MAX_EXPRESSION_DEPTH {
        return Err(condition.fault(format!("The condition is deeper than {MAX_EXPRESSION_DEPTH} levels")));
    }
    Ok(depth + 1)
}

fn tokens(condition: Part<'_>) -> Result<Vec<Token<'_>>, Fault> {
    let mut tokens = Vec::new();
    let mut rest = condition.trim_start();
    while let Some(b) = rest.byte(0) {
        let (kind, len) = match b {
            b'(' => (Kind::Open, 1),
            b')' => (Kind::Close, 1),
            b'!' => (Kind::Operator(Operator::Not), 1),
            b'&' if rest.byte(1) == Some(b'&') => (Kind::Operator(Operator::And), 2),
            b'|' if rest.byte(1) == Some(b'|') => (Kind::Operator(Operator::Or), 2),
            b if b.is_ascii_alphabetic() => {
                let is_name = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_';
                (Kind::Name, rest.bytes().iter().take_while(is_name).count())
            }
            _ => {
                let c = rest.text().chars().next().unwrap_or_default();
                let message = format!("Unexpected character \"{c}\"");
                return Err(rest.to(c.len_utf8()).fault(message));
            }
        };
        tokens.push(Token { kind, part: rest.to(len) });
        rest = rest.from(len);
        rest = rest.from(rest.bytes().iter().take_while(|&&b| is_blank(b)).count());
    }
    Ok(tokens)
}
