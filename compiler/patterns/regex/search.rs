//! Running a compiled expression over a line.
//!
//! The search goes depth first and keeps its own stack of what to try next. Of the instructions that join or
//! part ways it notes each position it has gone through; coming by a second time can only fail again, since the
//! first time did not end the search. Starting positions share the notes, so even a search that starts
//! everywhere goes over each pair once.
//!
//! Look-around is a search within the search. When it succeeds, what it noted on the way has not failed, so
//! those notes are taken back; that is why look-around at every position may cost more and is left to the
//! budget.

use super::program::{Instruction, Program};
use super::set::{LINE_ENDS, WORD};
use crate::patterns::{PatternError, Work};

/// The most pairs of instruction and position that a search keeps book of, one bit each: 8 MiB. An
/// expression of 100 instructions reaches it on a line of 670,000 characters.
const MAX_PAIRS: usize = 64 << 20;

/// Memory that searches use again and again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// One bit for each pair of instruction and position that has been gone through.
    gone_through: Vec<u64>,
    /// The bits set inside of look-around, to be cleared when that succeeds.
    noted: Vec<usize>,
    frames: Vec<Frame>,
    slots: Vec<Option<usize>>,
}

/// What is to be done when the search fails where it is.
#[derive(Debug)]
enum Frame {
    /// Go on here.
    Branch { at: usize, position: usize },
    /// Remember what was remembered before.
    Restore { slot: usize, position: Option<usize> },
}

/// Whether the program accepts from any position of the line.
pub(super) fn is_match(
    program: &Program,
    line: &[u16],
    scratch: &mut Scratch,
    work: &mut Work,
) -> Result<bool, PatternError> {
    let n_pairs = if program.is_memoryless { program.instructions.len() * (line.len() + 1) } else { 0 };
    if n_pairs > MAX_PAIRS {
        return Err(PatternError::TooMuchWork);
    }
    // Clearing the book is work too: eight words of it pass for one step.
    work.spend(n_pairs as u64 / 512)?;
    scratch.gone_through.clear();
    scratch.gone_through.resize(n_pairs.div_ceil(64), 0);
    scratch.noted.clear();
    scratch.frames.clear();
    let mut search = Search { program, line, scratch, work, look_depth: 0 };
    for start in 0..=line.len() {
        search.scratch.slots.clear();
        search.scratch.slots.resize(program.n_slots, None);
        if search.accepts(0, start)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One search over one line.
struct Search<'a> {
    program: &'a Program,
    line: &'a [u16],
    scratch: &'a mut Scratch,
    work: &'a mut Work,
    /// How many look-arounds the search is inside of.
    look_depth: usize,
}

impl Search<'_> {
    /// Whether an [`Instruction::Accept`] can be reached. Calls itself for look-around only, whose
    /// nesting the parser bounds.
    fn accepts(&mut self, mut at: usize, mut position: usize) -> Result<bool, PatternError> {
        let base = self.scratch.frames.len();
        let noted_before = self.scratch.noted.len();
        loop {
            self.work.spend(1)?;
            match self.step(at, position)? {
                Step::To(next, next_position) => (at, position) = (next, next_position),
                Step::Accept => {
                    // What was gone through on the way has not failed after all. At the top nobody asks again.
                    if self.look_depth > 0 {
                        for bit in self.scratch.noted.drain(noted_before..) {
                            clear_bit(&mut self.scratch.gone_through, bit);
                        }
                    }
                    return Ok(true);
                }
                Step::Fail => match self.back_to(base) {
                    Some(branch) => (at, position) = branch,
                    None => return Ok(false),
                },
            }
        }
    }

    /// Does one instruction.
    fn step(&mut self, at: usize, position: usize) -> Result<Step, PatternError> {
        let Some(instruction) = self.program.instructions.get(at) else { return Ok(Step::Fail) };
        let go_if = |holds: bool| if holds { Step::To(at + 1, position) } else { Step::Fail };
        Ok(match instruction {
            Instruction::Unit { unit, backward } => match self.neighbour(position, *backward) {
                Some((found, next)) if found == *unit => Step::To(at + 1, next),
                _ => Step::Fail,
            },
            Instruction::Set { set, backward } => {
                match (self.neighbour(position, *backward), self.program.sets.get(*set)) {
                    (Some((found, next)), Some(set)) if set.holds(found) => Step::To(at + 1, next),
                    _ => Step::Fail,
                }
            }
            Instruction::LineStart => {
                go_if(self.unit_before(position).is_none_or(|unit| is_in(LINE_ENDS, unit)))
            }
            Instruction::LineEnd => {
                go_if(self.unit_after(position).is_none_or(|unit| is_in(LINE_ENDS, unit)))
            }
            Instruction::WordBoundary { is_inverted } => {
                let is_word = |unit: Option<u16>| unit.is_some_and(|unit| is_in(WORD, unit));
                let is_boundary = is_word(self.unit_before(position)) != is_word(self.unit_after(position));
                go_if(is_boundary != *is_inverted)
            }
            Instruction::Split { first, second } => {
                if self.is_first_time(at, position) {
                    self.scratch.frames.push(Frame::Branch { at: *second, position });
                    Step::To(*first, position)
                } else {
                    Step::Fail
                }
            }
            Instruction::Jump { to } if self.is_first_time(at, position) => Step::To(*to, position),
            Instruction::Look { is_negative, then } if self.is_first_time(at, position) => {
                if self.look(at, position, *is_negative)? { Step::To(*then, position) } else { Step::Fail }
            }
            Instruction::Jump { .. } | Instruction::Look { .. } => Step::Fail,
            Instruction::Save { slot } => {
                self.remember(*slot, Some(position));
                Step::To(at + 1, position)
            }
            Instruction::Progress { slot } => go_if(self.slot(*slot) != Some(position)),
            Instruction::Forget { slots } => {
                for slot in slots.clone() {
                    self.remember(slot, None);
                }
                Step::To(at + 1, position)
            }
            Instruction::BackReference { slot, backward } => match self.repeat(*slot, position, *backward)? {
                Some(next) => Step::To(at + 1, next),
                None => Step::Fail,
            },
            Instruction::Accept => Step::Accept,
        })
    }

    /// Tries the inside of a look-around. What it caught stays caught when it is a positive one.
    fn look(&mut self, at: usize, position: usize, is_negative: bool) -> Result<bool, PatternError> {
        let base = self.scratch.frames.len();
        self.look_depth += 1;
        let accepted = self.accepts(at + 1, position)?;
        self.look_depth -= 1;
        if accepted && is_negative {
            while let Some(frame) = self.scratch.frames.pop_if_beyond(base) {
                self.restore(&frame);
            }
        } else if accepted {
            // Its other branches are of no interest any more, but what it overwrote is.
            let own = self.scratch.frames.split_off(base);
            self.scratch
                .frames
                .extend(own.into_iter().filter(|frame| matches!(frame, Frame::Restore { .. })));
        }
        Ok(accepted != is_negative)
    }

    /// Goes back to the last branch above `base`, undoing on the way.
    fn back_to(&mut self, base: usize) -> Option<(usize, usize)> {
        loop {
            match self.scratch.frames.pop_if_beyond(base)? {
                Frame::Branch { at, position } => return Some((at, position)),
                frame => self.restore(&frame),
            }
        }
    }

    fn restore(&mut self, frame: &Frame) {
        if let Frame::Restore { slot, position } = frame
            && let Some(remembered) = self.scratch.slots.get_mut(*slot)
        {
            *remembered = *position;
        }
    }

    fn slot(&self, slot: usize) -> Option<usize> {
        self.scratch.slots.get(slot).copied().flatten()
    }

    /// Changes what a slot remembers, so that going back restores it.
    fn remember(&mut self, slot: usize, position: Option<usize>) {
        let before = self.slot(slot);
        if before != position {
            self.scratch.frames.push(Frame::Restore { slot, position: before });
            if let Some(remembered) = self.scratch.slots.get_mut(slot) {
                *remembered = position;
            }
        }
    }

    /// Where a back-reference ends, if its text is there. A group that caught nothing matches nothing.
    fn repeat(
        &mut self,
        slot: usize,
        position: usize,
        backward: bool,
    ) -> Result<Option<usize>, PatternError> {
        let (Some(start), Some(end)) = (self.slot(slot), self.slot(slot + 1)) else {
            return Ok(Some(position));
        };
        let Some(caught) = self.line.get(start..end) else { return Ok(Some(position)) };
        self.work.spend(caught.len() as u64)?;
        let (from, to) = match backward {
            false => (position, position + caught.len()),
            true if caught.len() > position => return Ok(None),
            true => (position - caught.len(), position),
        };
        let is_there = self.line.get(from..to) == Some(caught);
        Ok(is_there.then_some(if backward { from } else { to }))
    }

    /// Whether a pair of instruction and position comes up for the first time. Everything that goes in
    /// circles or comes together passes through here, so this is what bounds the search.
    fn is_first_time(&mut self, at: usize, position: usize) -> bool {
        if !self.program.is_memoryless {
            return true;
        }
        let bit = at * (self.line.len() + 1) + position;
        let Some(word) = self.scratch.gone_through.get_mut(bit / 64) else { return true };
        let is_first = *word >> (bit % 64) & 1 == 0;
        *word |= 1 << (bit % 64);
        if is_first && self.look_depth > 0 {
            self.scratch.noted.push(bit);
        }
        is_first
    }

    fn unit_after(&self, position: usize) -> Option<u16> {
        self.line.get(position).copied()
    }

    fn unit_before(&self, position: usize) -> Option<u16> {
        position.checked_sub(1).and_then(|before| self.line.get(before).copied())
    }

    /// The unit in the direction of the search, and the position beyond it.
    fn neighbour(&self, position: usize, backward: bool) -> Option<(u16, usize)> {
        if backward {
            self.unit_before(position).map(|unit| (unit, position - 1))
        } else {
            self.unit_after(position).map(|unit| (unit, position + 1))
        }
    }
}

/// Where an instruction leads.
enum Step {
    To(usize, usize),
    Accept,
    Fail,
}

trait PopIfBeyond<T> {
    fn pop_if_beyond(&mut self, base: usize) -> Option<T>;
}

impl<T> PopIfBeyond<T> for Vec<T> {
    /// Takes the last element off if there are more than `base`.
    fn pop_if_beyond(&mut self, base: usize) -> Option<T> {
        if self.len() > base { self.pop() } else { None }
    }
}

fn is_in(ranges: &[(u16, u16)], unit: u16) -> bool {
    ranges.iter().any(|&(first, last)| (first..=last).contains(&unit))
}

fn clear_bit(bits: &mut [u64], bit: usize) {
    if let Some(word) = bits.get_mut(bit / 64) {
        *word &= !(1 << (bit % 64));
    }
}
