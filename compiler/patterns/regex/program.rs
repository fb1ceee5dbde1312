//! From the tree of an expression to instructions.
//!
//! The instructions are those of a backtracking machine. Look-behind is compiled to walk backwards, last term
//! first, so that it needs no fixed length. Without back-references nothing is remembered: then a pair of
//! instruction and position says all there is to say about a state of the search, which is what makes its
//! bound possible.

use std::ops::Range;

use super::parse::{Node, Parsed, WITHOUT_END};
use super::set::UnitSet;
use crate::patterns::fold_unit;

/// The most instructions of one expression. Counted repetitions are written out, so `(a{99}){99}` takes
/// this many, and the memory of a search grows with it.
const MAX_INSTRUCTIONS: usize = 10_000;

/// One step of a search.
#[derive(Debug)]
pub(super) enum Instruction {
    /// The next unit, or the one before when looking behind, must be this folded one.
    Unit { unit: u16, backward: bool },
    /// The next unit must be of this set.
    Set { set: usize, backward: bool },
    /// See [`Node::LineStart`].
    LineStart,
    /// See [`Node::LineEnd`].
    LineEnd,
    /// See [`Node::WordBoundary`].
    WordBoundary { is_inverted: bool },
    /// Go on at the first; if that fails, at the second.
    Split { first: usize, second: usize },
    /// Go on elsewhere: back to the head of a loop, or to where alternatives come together.
    Jump { to: usize },
    /// The instructions up to `then` must, or must not, lead to an [`Instruction::Accept`] from here.
    Look { is_negative: bool, then: usize },
    /// Remember the position.
    Save { slot: usize },
    /// Fail when the position is the remembered one: a round of a loop that took nothing.
    Progress { slot: usize },
    /// Forget what these slots remember.
    Forget { slots: Range<usize> },
    /// What lies between two slots must follow again.
    BackReference { slot: usize, backward: bool },
    /// The expression, or the inside of a look-around, has matched.
    Accept,
}

/// A compiled expression.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) instructions: Vec<Instruction>,
    pub(super) sets: Vec<UnitSet>,
    /// How many positions a search remembers; none without back-references.
    pub(super) n_slots: usize,
    /// Whether a failure depends on nothing but instruction and position.
    pub(super) is_memoryless: bool,
}

/// The program would have more than [`MAX_INSTRUCTIONS`].
struct TooLarge;

impl Program {
    /// Compiles a tree; `None` when the program would be too large.
    pub(super) fn new(parsed: &Parsed) -> Option<Program> {
        let mut program = Program { is_memoryless: !parsed.has_back_references, ..Program::default() };
        program.n_slots = if program.is_memoryless { 0 } else { 2 * parsed.n_groups };
        program.add(&parsed.node, false).ok()?;
        program.push(Instruction::Accept).ok()?;
        Some(program)
    }

    /// Adds an instruction and says where it is. Those that jump forward are added as [`Instruction::Accept`]
    /// and replaced when their goal is known.
    fn push(&mut self, instruction: Instruction) -> Result<usize, TooLarge> {
        if self.instructions.len() == MAX_INSTRUCTIONS {
            return Err(TooLarge);
        }
        self.instructions.push(instruction);
        Ok(self.instructions.len() - 1)
    }

    fn here(&self) -> usize {
        self.instructions.len()
    }

    fn set_at(&mut self, at: usize, instruction: Instruction) {
        if let Some(slot) = self.instructions.get_mut(at) {
            *slot = instruction;
        }
    }

    /// Adds a part. Its depth is bounded by the parser.
    fn add(&mut self, node: &Node, backward: bool) -> Result<(), TooLarge> {
        match node {
            Node::Unit(unit) => {
                self.push(Instruction::Unit { unit: fold_unit(*unit), backward })?;
            }
            Node::Set(set) => {
                // A written-out repetition has the same set many times in a row.
                if self.sets.last() != Some(set) {
                    self.sets.push(set.clone());
                }
                self.push(Instruction::Set { set: self.sets.len() - 1, backward })?;
            }
            Node::LineStart => {
                self.push(Instruction::LineStart)?;
            }
            Node::LineEnd => {
                self.push(Instruction::LineEnd)?;
            }
            Node::WordBoundary { is_inverted } => {
                self.push(Instruction::WordBoundary { is_inverted: *is_inverted })?;
            }
            Node::Look { behind, is_negative, inner } => {
                let look = self.push(Instruction::Accept)?;
                self.add(inner, *behind)?;
                self.push(Instruction::Accept)?;
                self.set_at(look, Instruction::Look { is_negative: *is_negative, then: self.here() });
            }
            Node::Capture { group, inner } => {
                let (first, last) = (2 * group, 2 * group + 1);
                self.save(if backward { last } else { first })?;
                self.add(inner, backward)?;
                self.save(if backward { first } else { last })?;
            }
            Node::BackReference { group } => {
                self.push(Instruction::BackReference { slot: 2 * group, backward })?;
            }
            Node::Sequence(nodes) if backward => {
                nodes.iter().rev().try_for_each(|node| self.add(node, true))?;
            }
            Node::Sequence(nodes) => nodes.iter().try_for_each(|node| self.add(node, false))?,
            Node::Alternatives(nodes) => self.add_alternatives(nodes, backward)?,
            Node::Repeat { min, max, is_greedy, groups, inner } => {
                self.add_repeat(inner, (*min, *max), *is_greedy, groups, backward)?;
            }
        }
        Ok(())
    }

    fn save(&mut self, slot: usize) -> Result<(), TooLarge> {
        if !self.is_memoryless {
            self.push(Instruction::Save { slot })?;
        }
        Ok(())
    }

    fn add_alternatives(&mut self, nodes: &[Node], backward: bool) -> Result<(), TooLarge> {
        let mut jumps = Vec::new();
        for (n, node) in nodes.iter().enumerate() {
            if n + 1 == nodes.len() {
                self.add(node, backward)?;
                break;
            }
            let split = self.push(Instruction::Accept)?;
            self.add(node, backward)?;
            jumps.push(self.push(Instruction::Accept)?);
            self.set_at(split, Instruction::Split { first: split + 1, second: self.here() });
        }
        for jump in jumps {
            self.set_at(jump, Instruction::Jump { to: self.here() });
        }
        Ok(())
    }

    /// Writes the rounds that must be out one by one, and then either a loop or the rounds that may be.
    fn add_repeat(
        &mut self,
        inner: &Node,
        (min, max): (u32, u32),
        is_greedy: bool,
        groups: &Range<usize>,
        backward: bool,
    ) -> Result<(), TooLarge> {
        for _ in 0..min {
            let before = self.here();
            self.add_round(inner, groups, backward)?;
            if self.here() == before {
                // Nothing once is nothing a thousand million times.
                return Ok(());
            }
        }
        let split_to = |split: usize, end: usize| match is_greedy {
            true => Instruction::Split { first: split + 1, second: end },
            false => Instruction::Split { first: end, second: split + 1 },
        };
        if max == WITHOUT_END {
            let split = self.push(Instruction::Accept)?;
            if self.is_memoryless {
                self.add_round(inner, groups, backward)?;
            } else {
                let slot = self.n_slots;
                self.n_slots += 1;
                self.push(Instruction::Save { slot })?;
                self.add_round(inner, groups, backward)?;
                self.push(Instruction::Progress { slot })?;
            }
            self.push(Instruction::Jump { to: split })?;
            self.set_at(split, split_to(split, self.here()));
            return Ok(());
        }
        let mut splits = Vec::new();
        for _ in min..max {
            splits.push(self.push(Instruction::Accept)?);
            self.add_round(inner, groups, backward)?;
        }
        let end = self.here();
        for split in splits {
            self.set_at(split, split_to(split, end));
        }
        Ok(())
    }

    fn add_round(&mut self, inner: &Node, groups: &Range<usize>, backward: bool) -> Result<(), TooLarge> {
        if !self.is_memoryless && !groups.is_empty() {
            self.push(Instruction::Forget { slots: 2 * groups.start..2 * groups.end })?;
        }
        self.add(inner, backward)
    }
}
