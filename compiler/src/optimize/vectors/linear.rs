//! Numbers of a loop as sums: of values made in front of it and of what its parameters are in the present round, each a
//! number of times, and a constant. All modulo the size of the type.

use super::super::values::{binary, constant, mask, sum};
use cranelift_codegen::ir::{Block, DataFlowGraph, Function, Opcode, Value, ValueDef};

/// The most sums and products that are looked through.
const MOST_DEPTH: u32 = 8;
/// The most terms of a sum.
const MOST_TERMS: usize = 6;

/// A sum. Its terms are in order of their values, each value once, none zero times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    pub terms: Vec<(Value, u64)>,
    pub constant: u64,
}

/// A loop that is one block.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    pub function: &'a Function,
    pub block: Block,
}

impl Round<'_> {
    pub fn dfg(&self) -> &DataFlowGraph {
        &self.function.dfg
    }

    /// Whether a value is made in the loop.
    pub fn makes(&self, value: Value) -> bool {
        match self.dfg().value_def(value) {
            ValueDef::Param(block, _) => block == self.block,
            ValueDef::Result(inst, _) => self.function.layout.inst_block(inst) == Some(self.block),
            ValueDef::Union(..) => true,
        }
    }

    /// The position of one of the loop's parameters.
    pub fn parameter(&self, value: Value) -> Option<usize> {
        match self.dfg().value_def(value) {
            ValueDef::Param(block, position) if block == self.block => Some(position),
            _ => None,
        }
    }

    /// An integer of at most 64 bits as a sum.
    pub fn linear(&self, value: Value) -> Option<Linear> {
        let mut found = Linear {
            terms: Vec::new(),
            constant: 0,
        };
        self.add(&mut found, value, 1, MOST_DEPTH)?;
        Some(found.reduced(mask(self.dfg(), value)))
    }

    fn add(&self, to: &mut Linear, value: Value, times: u64, depth: u32) -> Option<()> {
        let dfg = self.dfg();
        if let Some(number) = constant(dfg, value) {
            to.constant = to.constant.wrapping_add(number.wrapping_mul(times));
            return Some(());
        }
        if !self.makes(value) || self.parameter(value).is_some() {
            return to.add_term(value, times);
        }
        let depth = depth.checked_sub(1)?;
        if let Some([x, y]) = binary(dfg, value, Opcode::Iadd) {
            self.add(to, x, times, depth)?;
            return self.add(to, y, times, depth);
        }
        if let Some([x, y]) = binary(dfg, value, Opcode::Isub) {
            self.add(to, x, times, depth)?;
            return self.add(to, y, times.wrapping_neg(), depth);
        }
        if let Some([x, y]) = binary(dfg, value, Opcode::Imul) {
            let (x, by) = match (constant(dfg, x), constant(dfg, y)) {
                (_, Some(by)) => (x, by),
                (Some(by), _) => (y, by),
                _ => return None,
            };
            return self.add(to, x, times.wrapping_mul(by), depth);
        }
        let [x, by] = binary(dfg, value, Opcode::Ishl)?;
        let by = constant(dfg, by)? & u64::from(dfg.value_type(value).bits() - 1);
        self.add(to, x, times.wrapping_shl(by as u32), depth)
    }

    /// What a round adds to each parameter; `None` for those that change in another way.
    pub fn steps(&self, handed_on: &[Value]) -> Vec<Option<u64>> {
        let dfg = self.dfg();
        let parameters = dfg.block_params(self.block);
        let step = |(parameter, next): (&Value, &Value)| {
            let kind = dfg.value_type(*parameter);
            let sum = sum(dfg, *next);
            (kind.is_int() && kind.bits() <= 64 && sum.root == *parameter).then_some(sum.distance)
        };
        parameters.iter().zip(handed_on).map(step).collect()
    }
}

impl Linear {
    fn add_term(&mut self, value: Value, times: u64) -> Option<()> {
        if let Some((_, known)) = self.terms.iter_mut().find(|(known, _)| *known == value) {
            *known = known.wrapping_add(times);
            return Some(());
        }
        self.terms.push((value, times));
        (self.terms.len() <= MOST_TERMS).then_some(())
    }

    /// The sum modulo a power of two, in its one form.
    fn reduced(mut self, all: u64) -> Linear {
        self.constant &= all;
        for (_, times) in &mut self.terms {
            *times &= all;
        }
        self.terms.retain(|(_, times)| *times != 0);
        self.terms.sort_by_key(|(value, _)| *value);
        self
    }

    pub fn negated(mut self, all: u64) -> Linear {
        self.constant = self.constant.wrapping_neg();
        for (_, times) in &mut self.terms {
            *times = times.wrapping_neg();
        }
        self.reduced(all)
    }

    pub fn minus(mut self, other: Linear, all: u64) -> Option<Linear> {
        let other = other.negated(all);
        for (value, times) in &other.terms {
            self.add_term(*value, *times)?;
        }
        self.constant = self.constant.wrapping_add(other.constant);
        Some(self.reduced(all))
    }

    /// What a round adds, modulo 2^64; `None` if that is not always the same.
    pub fn step(&self, round: Round<'_>, steps: &[Option<u64>]) -> Option<u64> {
        let mut all = 0u64;
        for (value, times) in &self.terms {
            if let Some(position) = round.parameter(*value) {
                let step = (*steps.get(position)?)?;
                all = all.wrapping_add(times.wrapping_mul(step));
            }
        }
        Some(all)
    }
}
