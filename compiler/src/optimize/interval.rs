//! Unsigned intervals, and what operations make of them.
//!
//! An interval holds the numbers from `low` to `high`, both included, as a value of some integer type of at most 64 bits reads
//! when it is taken as unsigned. Every function answers with an interval that holds all possible results; where an
//! operation can wrap around, that is [`Interval::all`]. Empty intervals do not exist: what would be one is code that cannot be
//! reached, of which any answer is right.

use cranelift_codegen::ir::Opcode;
use cranelift_codegen::ir::condcodes::IntCC;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub low: u64,
    pub high: u64,
}

impl Interval {
    pub const fn new(low: u64, high: u64) -> Interval {
        Interval { low, high }
    }

    pub const fn exactly(number: u64) -> Interval {
        Interval::new(number, number)
    }

    /// Everything that a type with this largest number can hold.
    pub const fn all(mask: u64) -> Interval {
        Interval::new(0, mask)
    }

    pub fn single(self) -> Option<u64> {
        (self.low == self.high).then_some(self.low)
    }

    /// The numbers of either.
    #[must_use]
    pub fn join(self, other: Interval) -> Interval {
        Interval::new(self.low.min(other.low), self.high.max(other.high))
    }

    /// The numbers of both.
    #[must_use]
    pub fn meet(self, other: Interval) -> Interval {
        let both = Interval::new(self.low.max(other.low), self.high.min(other.high));
        if both.low <= both.high { both } else { other }
    }

    /// The sum with a number that may stand for a negative one; `None`: it can wrap around.
    pub fn plus(self, distance: u64, mask: u64) -> Option<Interval> {
        if distance <= mask >> 1 {
            let high = self.high.checked_add(distance)?;
            return (high <= mask).then_some(Interval::new(self.low + distance, high));
        }
        let down = distance.wrapping_neg() & mask;
        Some(Interval::new(self.low.checked_sub(down)?, self.high - down))
    }

    /// The numbers that compare so with some number of `bound`, out of those of `self`.
    #[must_use]
    pub fn compared(self, condition: IntCC, bound: Interval, mask: u64) -> Interval {
        let middle = mask >> 1;
        let not_negative = bound.high <= middle;
        let none_negative = not_negative && self.high <= middle;
        let possible = match condition {
            IntCC::Equal => bound,
            IntCC::NotEqual => return self.without(bound),
            IntCC::UnsignedLessThan => Interval::new(0, bound.high.saturating_sub(1)),
            IntCC::UnsignedLessThanOrEqual => Interval::new(0, bound.high),
            IntCC::UnsignedGreaterThan => {
                Interval::new(bound.low.saturating_add(1).min(mask), mask)
            }
            IntCC::UnsignedGreaterThanOrEqual => Interval::new(bound.low, mask),
            IntCC::SignedLessThan if none_negative => {
                Interval::new(0, bound.high.saturating_sub(1))
            }
            IntCC::SignedLessThanOrEqual if none_negative => Interval::new(0, bound.high),
            IntCC::SignedGreaterThan if bound == Interval::exactly(mask) => {
                Interval::new(0, middle)
            }
            IntCC::SignedGreaterThan if not_negative => {
                Interval::new((bound.low + 1).min(middle), middle)
            }
            IntCC::SignedGreaterThanOrEqual if not_negative => Interval::new(bound.low, middle),
            _ => return self,
        };
        self.meet(possible)
    }

    fn without(self, bound: Interval) -> Interval {
        match bound.single() {
            Some(_) if self.low == self.high => self,
            Some(number) if number == self.low => Interval::new(self.low + 1, self.high),
            Some(number) if number == self.high => Interval::new(self.low, self.high - 1),
            _ => self,
        }
    }
}

/// The results of an operation with two operands of one type, whose largest number is `mask`.
pub fn binary(opcode: Opcode, x: Interval, y: Interval, mask: u64) -> Interval {
    let fits = |low: Option<u64>, high: Option<u64>| match (low, high) {
        (Some(low), Some(high)) if high <= mask => Some(Interval::new(low, high)),
        _ => None,
    };
    let shift = y
        .single()
        .map(|by| (by % u64::from((mask >> 1).count_ones() + 1)) as u32);
    let known = match opcode {
        Opcode::Iadd => match (x.single(), y.single()) {
            (_, Some(distance)) => x.plus(distance, mask),
            (Some(distance), _) => y.plus(distance, mask),
            _ => fits(x.low.checked_add(y.low), x.high.checked_add(y.high)),
        },
        Opcode::Isub => fits(x.low.checked_sub(y.high), x.high.checked_sub(y.low)),
        Opcode::Imul => fits(x.low.checked_mul(y.low), x.high.checked_mul(y.high)),
        Opcode::Band => Some(Interval::new(0, x.high.min(y.high))),
        Opcode::Bor => Some(Interval::new(x.low.max(y.low), ones(x.high | y.high))),
        Opcode::Bxor => Some(Interval::new(0, ones(x.high | y.high))),
        Opcode::Umin => Some(Interval::new(x.low.min(y.low), x.high.min(y.high))),
        Opcode::Umax => Some(Interval::new(x.low.max(y.low), x.high.max(y.high))),
        Opcode::Urem => Some(Interval::new(0, x.high.min(y.high.saturating_sub(1)))),
        Opcode::Udiv if y.low > 0 => Some(Interval::new(x.low / y.high, x.high / y.low)),
        Opcode::Ishl => shift.and_then(|by| {
            let factor = 1u64 << by;
            fits(x.low.checked_mul(factor), x.high.checked_mul(factor))
        }),
        Opcode::Ushr => Some(shifted_right(x, shift)),
        Opcode::Sshr if x.high <= mask >> 1 => Some(shifted_right(x, shift)),
        _ => None,
    };
    known.unwrap_or(Interval::all(mask))
}

fn shifted_right(x: Interval, shift: Option<u32>) -> Interval {
    match shift {
        Some(by) => Interval::new(x.low >> by, x.high >> by),
        None => Interval::new(0, x.high),
    }
}

/// All bits up to the highest of a number.
fn ones(number: u64) -> u64 {
    match number.leading_zeros() {
        64 => 0,
        zeros => u64::MAX >> zeros,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest number of a type of four bits.
    const MASK: u64 = 15;

    #[test]
    fn results_of_operations_are_in_the_interval() {
        type Operation = fn(u64, u64) -> Option<u64>;
        let operations: [(Opcode, Operation); 14] = [
            (Opcode::Iadd, |x, y| Some(x + y)),
            (Opcode::Isub, |x, y| Some(x.wrapping_sub(y))),
            (Opcode::Imul, |x, y| Some(x * y)),
            (Opcode::Band, |x, y| Some(x & y)),
            (Opcode::Bor, |x, y| Some(x | y)),
            (Opcode::Bxor, |x, y| Some(x ^ y)),
            (Opcode::Umin, |x, y| Some(x.min(y))),
            (Opcode::Umax, |x, y| Some(x.max(y))),
            (Opcode::Urem, u64::checked_rem),
            (Opcode::Udiv, u64::checked_div),
            (Opcode::Ishl, |x, y| Some(x << (y % 4))),
            (Opcode::Ushr, |x, y| Some(x >> (y % 4))),
            (Opcode::Sshr, |x, y| {
                Some((signed(x) >> (y % 4)).cast_unsigned())
            }),
            (Opcode::Smin, |x, y| {
                Some(signed(x).min(signed(y)).cast_unsigned())
            }),
        ];
        for_intervals(|x, y| {
            for (opcode, operation) in operations {
                let found = binary(opcode, x, y, MASK);
                assert!(found.low <= found.high && found.high <= MASK);
                for (first, second) in pairs(x, y) {
                    let result = operation(first, second).map(|result| result & MASK);
                    assert!(
                        result.is_none_or(|result| (found.low..=found.high).contains(&result)),
                        "{opcode} {x:?} {y:?}: {result:?} is not in {found:?}"
                    );
                }
            }
        });
    }

    #[test]
    fn comparisons_keep_what_satisfies_them() {
        type Holds = fn(u64, u64) -> bool;
        let conditions: [(IntCC, Holds); 10] = [
            (IntCC::Equal, |x, y| x == y),
            (IntCC::NotEqual, |x, y| x != y),
            (IntCC::UnsignedLessThan, |x, y| x < y),
            (IntCC::UnsignedLessThanOrEqual, |x, y| x <= y),
            (IntCC::UnsignedGreaterThan, |x, y| x > y),
            (IntCC::UnsignedGreaterThanOrEqual, |x, y| x >= y),
            (IntCC::SignedLessThan, |x, y| signed(x) < signed(y)),
            (IntCC::SignedLessThanOrEqual, |x, y| signed(x) <= signed(y)),
            (IntCC::SignedGreaterThan, |x, y| signed(x) > signed(y)),
            (IntCC::SignedGreaterThanOrEqual, |x, y| {
                signed(x) >= signed(y)
            }),
        ];
        for_intervals(|x, y| {
            for (condition, holds) in conditions {
                let found = x.compared(condition, y, MASK);
                assert!(found.low <= found.high && found.high <= MASK);
                for (first, second) in pairs(x, y) {
                    assert!(
                        !holds(first, second) || (found.low..=found.high).contains(&first),
                        "{x:?} {condition} {y:?}: {first} is not in {found:?}"
                    );
                }
            }
        });
    }

    fn signed(number: u64) -> i64 {
        if number > 7 {
            number.cast_signed() - 16
        } else {
            number.cast_signed()
        }
    }

    fn for_intervals(mut check: impl FnMut(Interval, Interval)) {
        let every =
            || (0..=MASK).flat_map(|low| (low..=MASK).map(move |high| Interval::new(low, high)));
        for x in every() {
            for y in every() {
                check(x, y);
            }
        }
    }

    fn pairs(x: Interval, y: Interval) -> impl Iterator<Item = (u64, u64)> {
        (x.low..=x.high).flat_map(move |first| (y.low..=y.high).map(move |second| (first, second)))
    }
}
