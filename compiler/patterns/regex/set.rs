//! Sets of UTF-16 units, compared without regard to case.

use std::sync::LazyLock;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::patterns::fold_unit;

/// A set of units as sorted ranges, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UnitSet {
    ranges: Vec<(u16, u16)>,
    /// Every unit outside of the ranges is meant instead.
    is_inverted: bool,
    /// For ASCII units, one bit each: whether the ranges hold the unit in any case.
    ascii: u128,
}

/// The named sets of escapes: `\d`, `\w`, `\s`, and the dot's line ends.
pub(super) const DIGITS: &[(u16, u16)] = &[(0x30, 0x39)];
pub(super) const WORD: &[(u16, u16)] = &[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)];
pub(super) const SPACE: &[(u16, u16)] = &[
    (0x09, 0x0d),
    (0x20, 0x20),
    (0xa0, 0xa0),
    (0x1680, 0x1680),
    (0x2000, 0x200a),
    (0x2028, 0x2029),
    (0x202f, 0x202f),
    (0x205f, 0x205f),
    (0x3000, 0x3000),
    (0xfeff, 0xfeff),
];
pub(super) const LINE_ENDS: &[(u16, u16)] = &[(0x0a, 0x0a), (0x0d, 0x0d), (0x2028, 0x2029)];

/// For each folded non-ASCII unit, the other units that fold to it. Built at the first need: some
/// milliseconds, which lists without non-ASCII text never pay.
static SAME_FOLDED: LazyLock<HashMap<u16, Vec<u16>, FixedState>> = LazyLock::new(|| {
    let mut same: HashMap<u16, Vec<u16>, FixedState> = HashMap::default();
    for unit in 0x80..=u16::MAX {
        let folded = fold_unit(unit);
        if folded != unit {
            same.entry(folded).or_default().push(unit);
        }
    }
    same
});

impl UnitSet {
    /// The set of some ranges, or of everything outside of them.
    pub(super) fn new(mut ranges: Vec<(u16, u16)>, is_inverted: bool) -> UnitSet {
        ranges.sort_unstable();
        // Overlapping ranges become one, so that one search finds the only candidate.
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        let mut set = UnitSet { ranges: merged, is_inverted, ascii: 0 };
        for unit in 0..0x80_u8 {
            let either_case = [unit.to_ascii_lowercase(), unit.to_ascii_uppercase()];
            if either_case.into_iter().any(|unit| set.has(u16::from(unit))) {
                set.ascii |= 1 << unit;
            }
        }
        set
    }

    /// Whether the set holds a unit that folds like this one, which is folded already.
    pub(super) fn holds(&self, folded: u16) -> bool {
        let is_found = if folded < 0x80 {
            self.ascii >> folded & 1 == 1
        } else {
            self.has(folded)
                || SAME_FOLDED.get(&folded).is_some_and(|same| same.iter().any(|&unit| self.has(unit)))
        };
        is_found != self.is_inverted
    }

    fn has(&self, unit: u16) -> bool {
        let after = self.ranges.partition_point(|&(first, _)| first <= unit);
        after.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|&(_, last)| unit <= last)
    }
}

/// Everything outside of sorted, disjoint ranges.
pub(super) fn outside(ranges: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let mut outside = Vec::with_capacity(ranges.len() + 1);
    let mut next = 0_u16;
    for &(first, last) in ranges {
        if first > next {
            outside.push((next, first - 1));
        }
        next = last.saturating_add(1);
    }
    outside.push((next, u16::MAX));
    outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_but_never_across_ascii() {
        let set = UnitSet::new(vec![(0x61, 0x7a), (0x3b1, 0x3c9)], false);
        assert!(set.holds(u16::from(b'K')));
        assert!(set.holds(fold_unit(0x3a3)) && set.holds(fold_unit(0x3c2)));
        assert!(!set.holds(fold_unit(0x212a)) && !set.holds(fold_unit(0x17f)));
        assert!(!UnitSet::new(vec![(0x61, 0x61)], true).holds(u16::from(b'A')));
    }

    #[test]
    fn ranges_are_merged_and_inverted() {
        assert_eq!(UnitSet::new(vec![(5, 9), (1, 5), (10, 11)], false).ranges, [(1, 11)]);
        assert_eq!(outside(&[(0, 3), (9, 9)]), [(4, 8), (10, u16::MAX)]);
    }
}
