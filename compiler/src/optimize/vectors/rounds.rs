//! How often a loop of one block goes round: as a number that can be computed in front of it.
//!
//! ```text
//!   header(i):  ...                                    round r = 0, 1, ... tests  first + r * step  against the bound
//!               brif first + r * step != bound, header(i + step), out
//!
//!   rounds = (bound - first) / step + 1                or more
//! ```
//!
//! Where the division leaves a rest, the numbers miss the bound, wrap around and make more rounds than that. `first` is the number
//! that is tested in the first round, so there is at least one round.

use super::super::values::{maker, mask};
use super::linear::{Linear, Round};
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::types::I32;
use cranelift_codegen::ir::{InstructionData, Value};

/// How to compute the number of rounds. What is compared has 32 bits.
#[derive(Debug)]
pub struct Rounds {
    /// What the numbers have to go in the first round, upwards: `bound - first` or `first - bound`.
    pub way: Linear,
    /// How far they go each round: a power of two.
    pub step: u64,
}

impl Rounds {
    /// The rounds of a loop that goes on while `condition` has the outcome `goes_on`.
    pub fn of(
        round: Round<'_>,
        steps: &[Option<u64>],
        condition: Value,
        goes_on: bool,
    ) -> Option<Rounds> {
        let dfg = round.dfg();
        let compared = maker(dfg, condition).map(|inst| dfg.insts[inst]);
        let (kind, mut way) = match compared {
            Some(InstructionData::IntCompare {
                args: [left, right],
                cond,
                ..
            }) => {
                let cond = if goes_on { cond } else { cond.complement() };
                if cond != IntCC::NotEqual {
                    return None;
                }
                let left = round.linear(left)?;
                let kind = dfg.value_type(right);
                (kind, left.minus(round.linear(right)?, mask(dfg, right))?)
            }
            // What is not zero holds.
            _ if goes_on => (dfg.value_type(condition), round.linear(condition)?),
            _ => return None,
        };
        if kind != I32 {
            return None;
        }
        let all = u64::from(u32::MAX);
        // `way` is tested - bound. Upwards that is negative and grows.
        let mut step = way.step(round, steps)? & all;
        if step <= all >> 1 {
            way = way.negated(all);
        } else {
            step = step.wrapping_neg() & all;
        }
        step.is_power_of_two().then_some(Rounds { way, step })
    }
}
