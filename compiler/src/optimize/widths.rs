//! Which parameters of blocks are worth keeping with 64 bits: see [`super::extensions`].
//!
//! A parameter costs a move wherever it is extended, and where it is handed on to one that has 64 bits. With 64 bits itself it costs
//! a move on each way into its block that has it with 32 bits only. Both are counted by how deep in loops they lie.

use super::accesses::extends_freely;
use super::extensions::{Extensions, MOST_WAYS, loads_clear};
use super::shape::Shape;
use super::values::maker;
use super::ways::Way;
use cranelift_codegen::ir::types::I32;
use cranelift_codegen::ir::{Block, Function, Inst, Value, ValueDef};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// How often the choice is looked at again.
const MOST_ROUNDS: usize = 8;
/// How much more often an inner loop runs than what is around it, as a guess.
const ROUNDS_OF_A_LOOP: u64 = 8;
/// Loops deeper than this count as this deep.
const MOST_LEVELS: usize = 6;

pub struct Chooser<'a> {
    function: &'a Function,
    shape: Shape<'a>,
    candidates: BTreeMap<Value, Candidate>,
    ways: FxHashMap<Block, Ways>,
}

/// The ways into a block.
struct Ways {
    ways: Vec<Way>,
    /// Which parameters get values on all of them.
    complete: Vec<bool>,
}

impl Ways {
    /// None that count, if there are many.
    fn into(function: &Function, shape: Shape<'_>, block: Block) -> Ways {
        let ways = shape.ways_into(function, block, MOST_WAYS);
        let known = ways.is_some();
        let edges = ways.into_iter().flatten();
        let ways: Vec<Way> = edges.map(|edge| Way::read(function, edge)).collect();
        let complete = (0..function.dfg.num_block_params(block))
            .map(|position| known && ways.iter().all(|way| way.handed_on(position).is_some()))
            .collect();
        Ways { ways, complete }
    }
}

#[derive(Default)]
struct Candidate {
    /// What extending it where it is used costs.
    demand: u64,
    /// What is handed on for it, and how often.
    arguments: Vec<(Value, u64)>,
    /// The candidates that it is handed on for, and how often.
    handed_on: Vec<(Value, u64)>,
}

impl<'a> Chooser<'a> {
    pub fn new(function: &'a Function, shape: Shape<'a>) -> Chooser<'a> {
        Chooser {
            function,
            shape,
            candidates: BTreeMap::new(),
            ways: FxHashMap::default(),
        }
    }

    /// The parameters that save more than they cost.
    pub fn choose(mut self) -> Vec<Value> {
        self.find_candidates();
        for _ in 0..MOST_ROUNDS {
            let worthless: Vec<Value> = self
                .candidates
                .iter()
                .filter(|(_, candidate)| self.saving(candidate) <= self.cost(candidate))
                .map(|(parameter, _)| *parameter)
                .collect();
            if worthless.is_empty() {
                return self.candidates.into_keys().collect();
            }
            for parameter in worthless {
                self.candidates.remove(&parameter);
            }
        }
        Vec::new()
    }

    /// The parameters that are extended, and those that are handed on to them.
    fn find_candidates(&mut self) {
        let extensions = Extensions::find(self.function);
        let mut found: Vec<Value> = Vec::new();
        for narrow in extensions.order {
            let places = extensions.places.get(&narrow).into_iter().flatten();
            let demand = places.map(|inst| self.weight_of(*inst)).sum();
            if self.is_parameter(narrow) {
                self.candidates.entry(narrow).or_default().demand = demand;
                found.push(narrow);
            }
        }
        while let Some(parameter) = found.pop() {
            let arguments = self.arguments(parameter);
            for (argument, weight) in &arguments {
                if !self.is_parameter(*argument) {
                    continue;
                }
                let known = self.candidates.contains_key(argument);
                let candidate = self.candidates.entry(*argument).or_default();
                candidate.handed_on.push((parameter, *weight));
                if !known {
                    found.push(*argument);
                }
            }
            self.candidates.entry(parameter).or_default().arguments = arguments;
        }
    }

    /// Whether a value is a parameter that can be widened.
    fn is_parameter(&mut self, value: Value) -> bool {
        let (function, shape) = (self.function, self.shape);
        let ValueDef::Param(block, position) = function.dfg.value_def(value) else {
            return false;
        };
        if function.dfg.value_type(value) != I32 || function.layout.entry_block() == Some(block) {
            return false;
        }
        let ways = self
            .ways
            .entry(block)
            .or_insert_with(|| Ways::into(function, shape, block));
        ways.complete.get(position) == Some(&true)
    }

    /// What the ways into its block hand on for a parameter, and how often.
    fn arguments(&self, parameter: Value) -> Vec<(Value, u64)> {
        let ValueDef::Param(block, position) = self.function.dfg.value_def(parameter) else {
            return Vec::new();
        };
        let ways = self.ways.get(&block).map_or(&[][..], |found| &found.ways);
        let handed_on = |way: &Way| {
            let value = way.handed_on(position)?;
            Some((value, self.weight(way.edge.from)))
        };
        ways.iter().filter_map(handed_on).collect()
    }

    /// The moves that are saved.
    fn saving(&self, candidate: &Candidate) -> u64 {
        let chosen = |(to, _): &&(Value, u64)| self.candidates.contains_key(to);
        let handed_on = candidate.handed_on.iter().filter(chosen);
        candidate.demand + handed_on.map(|(_, weight)| weight).sum::<u64>()
    }

    /// The moves that are added.
    fn cost(&self, candidate: &Candidate) -> u64 {
        let dfg = &self.function.dfg;
        let is_loaded =
            |value| maker(dfg, value).is_some_and(|inst| loads_clear(dfg.insts[inst].opcode()));
        let costs = |(from, _): &&(Value, u64)| {
            !self.candidates.contains_key(from) && !extends_freely(dfg, *from) && !is_loaded(*from)
        };
        let arguments = candidate.arguments.iter().filter(costs);
        arguments.map(|(_, weight)| weight).sum()
    }

    fn weight_of(&self, inst: Inst) -> u64 {
        let block = self.function.layout.inst_block(inst);
        block.map_or(0, |block| self.weight(block))
    }

    fn weight(&self, block: Block) -> u64 {
        let level = self.shape.loops.loop_level(block).level().min(MOST_LEVELS);
        ROUNDS_OF_A_LOOP.pow(level as u32)
    }
}
