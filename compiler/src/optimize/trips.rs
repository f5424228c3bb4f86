//! How often loops go round.
//!
//! A loop goes back at most `n` times when each round passes a test that lets it go on at most `n` times. The tests that count
//! compare a parameter of the header that changes by the same amount in each round, plus a constant, with a bound:
//!
//! ```text
//!   header(i):  ...             round r = 0, 1, ...  tests  first + r * step  against the bound
//!               brif i + k < n, header(i + step), out
//! ```
//!
//! Soundness. The test lies in the loop but in no loop inside it, and dominates every way back, so each round that goes back has
//! passed it exactly once. The numbers that are tested do not wrap around while it lets the loop go on, or the test is
//! one for being different and hits its bound exactly: see [`rounds`].

use super::interval::Interval;
use super::ranges::Ranges;
use super::shape::Edge;
use super::values::{binary, constant, destinations, mask, sum};
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{Block, InstructionData, Opcode, Value, ValueDef};
use cranelift_codegen::loop_analysis::Loop;

/// A parameter of a loop's header that changes by fixed amounts.
#[derive(Clone, Copy, Debug)]
pub struct Induction {
    /// Its values in the first round.
    pub first: Interval,
    /// The least and the most that a round adds.
    pub steps: (i64, i64),
}

impl Ranges<'_> {
    /// The parameter at this position of a loop's header, if every way back adds a constant to it.
    pub(super) fn induction(&mut self, header: Block, position: usize) -> Option<Induction> {
        let inside = self.shape.loops.is_loop_header(header)?;
        let parameter = *self.function.dfg.block_params(header).get(position)?;
        let all = mask(&self.function.dfg, parameter);
        let (mut first, mut steps) = (None::<Interval>, None::<(i64, i64)>);
        for way in self.ways_into(header)?.iter() {
            let handed_on = way.handed_on(position)?;
            if !self.shape.goes_back(way.edge, inside) {
                let range = self.along(way.edge, handed_on);
                first = Some(first.map_or(range, |known| known.join(range)));
                continue;
            }
            let sum = sum(&self.function.dfg, handed_on);
            if sum.root != parameter {
                return None;
            }
            let step = signed(sum.distance, all);
            steps = Some(steps.map_or((step, step), |(least, most)| {
                (least.min(step), most.max(step))
            }));
        }
        Some(Induction {
            first: first?,
            steps: steps?,
        })
    }

    /// The most often that a loop goes back each time it is entered; `None`: not known.
    pub(super) fn times_back(&mut self, inside: Loop) -> Option<u64> {
        if let Some(known) = self.trips.get(&inside) {
            return *known;
        }
        // What is asked for while it is being found is not known.
        self.trips.insert(inside, None);
        let tests = self.tests(inside);
        let most = tests
            .into_iter()
            .filter_map(|(condition, goes_on)| self.rounds_of_test(condition, goes_on, inside))
            .min();
        self.trips.insert(inside, most);
        most
    }

    /// The conditions that every round tests once, and which outcome stays in the loop.
    fn tests(&mut self, inside: Loop) -> Vec<(Value, bool)> {
        let header = self.shape.loops.loop_header(inside);
        let mut found = Vec::new();
        let Some(ways) = self.ways_into(header) else {
            return found;
        };
        let goes_back = |edge: &Edge| self.shape.goes_back(*edge, inside);
        let edges = ways.iter().map(|way| way.edge);
        let back: Vec<Edge> = edges.filter(goes_back).collect();
        let mut next = back.first().map(|edge| edge.from);
        while let Some(block) = next {
            let always = back
                .iter()
                .all(|edge| self.shape.dominators.block_dominates(block, edge.from));
            if always && self.shape.loops.innermost_loop(block) == Some(inside) {
                found.extend(self.exit_test(block, inside));
            }
            next = match block == header {
                true => None,
                false => self.shape.dominators.idom(block),
            };
        }
        found
    }

    fn exit_test(&self, block: Block, inside: Loop) -> Option<(Value, bool)> {
        let dfg = &self.function.dfg;
        let branch = self.function.layout.last_inst(block)?;
        let InstructionData::Brif { arg, .. } = dfg.insts[branch] else {
            return None;
        };
        let stays = |position: usize| {
            let call = destinations(dfg, branch).get(position)?;
            let to = call.block(&dfg.value_lists);
            Some(self.shape.loops.is_in_loop(to, inside))
        };
        match (stays(0)?, stays(1)?) {
            (true, false) => Some((arg, true)),
            (false, true) => Some((arg, false)),
            _ => None,
        }
    }

    fn rounds_of_test(&mut self, condition: Value, goes_on: bool, inside: Loop) -> Option<u64> {
        let dfg = &self.function.dfg;
        if goes_on && let Some([first, second]) = binary(dfg, condition, Opcode::Band) {
            // Both must hold.
            let first = self.rounds_of_comparison(first, true, inside);
            let second = self.rounds_of_comparison(second, true, inside);
            return first.into_iter().chain(second).min();
        }
        self.rounds_of_comparison(condition, goes_on, inside)
    }

    fn rounds_of_comparison(
        &mut self,
        condition: Value,
        goes_on: bool,
        inside: Loop,
    ) -> Option<u64> {
        let dfg = &self.function.dfg;
        let ValueDef::Result(made_by, _) = dfg.value_def(condition) else {
            return None;
        };
        let InstructionData::IntCompare {
            args: [left, right],
            cond,
            ..
        } = dfg.insts[made_by]
        else {
            return None;
        };
        let cond = if goes_on { cond } else { cond.complement() };
        self.rounds_until(left, cond, right, inside)
            .or_else(|| self.rounds_until(right, cond.swap_args(), left, inside))
    }

    fn rounds_until(
        &mut self,
        tested: Value,
        condition: IntCC,
        bound: Value,
        inside: Loop,
    ) -> Option<u64> {
        let dfg = &self.function.dfg;
        let all = mask(dfg, tested);
        let sum = sum(dfg, tested);
        let ValueDef::Param(block, position) = dfg.value_def(sum.root) else {
            return None;
        };
        if block != self.shape.loops.loop_header(inside) {
            return None;
        }
        let bound = match constant(dfg, bound) {
            Some(number) => Interval::exactly(number),
            // Another bound in each round is as good: only its extremes count.
            None => self.of(bound),
        };
        let induction = self.induction(block, position)?;
        let (step, most) = induction.steps;
        let first = induction.first.plus(sum.distance, all)?;
        (step == most).then(|| rounds(first, step, condition, bound, all))?
    }
}

/// How often at most a test holds before it fails, when it compares `first`, `first + step`, … with a bound.
fn rounds(first: Interval, step: i64, condition: IntCC, bound: Interval, all: u64) -> Option<u64> {
    let (middle, by) = (all >> 1, step.unsigned_abs());
    let none_negative = first.high <= middle && bound.high <= middle;
    let up_to = |last: u64, limit: u64| {
        // Holds for numbers up to `last`. The one after them must not wrap around.
        let safe = step > 0 && last.checked_add(by)? <= limit;
        safe.then(|| last.checked_sub(first.low).map_or(0, |way| way / by + 1))
    };
    let down_to = |last: u64| {
        let safe = step < 0 && last >= by;
        safe.then(|| first.high.checked_sub(last).map_or(0, |way| way / by + 1))
    };
    match condition {
        IntCC::NotEqual => {
            let (from, to) = (first.single()?, bound.single()?);
            let (from, to) = if step > 0 { (from, to) } else { (to, from) };
            let way = to.wrapping_sub(from) & all;
            (step != 0 && way.is_multiple_of(by)).then(|| way / by)
        }
        IntCC::UnsignedLessThan => up_to(bound.high.checked_sub(1)?, all),
        IntCC::UnsignedLessThanOrEqual => up_to(bound.high, all),
        IntCC::SignedLessThan if none_negative => up_to(bound.high.checked_sub(1)?, middle),
        IntCC::SignedLessThanOrEqual if none_negative => up_to(bound.high, middle),
        IntCC::UnsignedGreaterThan => down_to(bound.low.checked_add(1)?),
        IntCC::UnsignedGreaterThanOrEqual => down_to(bound.low),
        _ => None,
    }
}

/// A number of a type as a signed one.
fn signed(number: u64, all: u64) -> i64 {
    if number > all >> 1 {
        (number | !all).cast_signed()
    } else {
        number.cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest number of a type of four bits.
    const ALL: u64 = 15;

    type Holds = fn(u64, u64) -> bool;
    const CONDITIONS: [(IntCC, Holds); 9] = [
        (IntCC::NotEqual, |x, y| x != y),
        (IntCC::UnsignedLessThan, |x, y| x < y),
        (IntCC::UnsignedLessThanOrEqual, |x, y| x <= y),
        (IntCC::SignedLessThan, |x, y| {
            signed(x, ALL) < signed(y, ALL)
        }),
        (IntCC::SignedLessThanOrEqual, |x, y| {
            signed(x, ALL) <= signed(y, ALL)
        }),
        (IntCC::UnsignedGreaterThan, |x, y| x > y),
        (IntCC::UnsignedGreaterThanOrEqual, |x, y| x >= y),
        (IntCC::SignedGreaterThan, |x, y| {
            signed(x, ALL) > signed(y, ALL)
        }),
        (IntCC::SignedGreaterThanOrEqual, |x, y| {
            signed(x, ALL) >= signed(y, ALL)
        }),
    ];

    /// Runs every loop over a type of four bits.
    #[test]
    fn no_loop_goes_round_more_often() {
        let mut known = 0;
        for (condition, holds) in CONDITIONS {
            for (first, bound) in (0..=ALL).flat_map(|x| (0..=ALL).map(move |y| (x, y))) {
                for step in -8..8i64 {
                    let exactly = Interval::exactly;
                    let Some(most) = rounds(exactly(first), step, condition, exactly(bound), ALL)
                    else {
                        continue;
                    };
                    known += 1;
                    let tested = |round: u64| {
                        first.wrapping_add(step.cast_unsigned().wrapping_mul(round)) & ALL
                    };
                    assert!(
                        (0..=most).any(|round| !holds(tested(round), bound)),
                        "{first}, step {step}, {condition} {bound}: more than {most}"
                    );
                }
            }
        }
        assert!(known > 1000, "{known}");
    }
}
