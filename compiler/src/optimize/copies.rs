//! A block is copied for some of the ways into it.
//!
//! ```text
//!   from a    from b    from c                 from a    from b         from c
//!        \      |      /                            |         |              |
//!         block(p):                       block(p):    block'(p'):   block"(p"):
//!           v = f(p)                        v = f(p)     v' = f(p')    v" = f(p")
//!           goes to x, y                    x, y         x, y          x, y
//!             /     \                             (each of x and y has three ways into it)
//!       x: … v …    y: … v …              x(w): … w …    y: …
//! ```
//!
//! What the block makes and others use now comes from several places, so blocks where ways meet get it as a parameter. All
//! blocks get one that use the value or lie between; those that always have the value of another one are for
//! [`parameters`](super::parameters) to remove. Constants and lower halves are made once more where they are used, which costs less than
//! to hand them on.
//!
//! Soundness. A run enters the block or one of its copies where it entered the block before, and computes the same there. A use of what
//! it made reads what the last block or copy made that the run has passed, as before: the parameters of the blocks between say which.
//!
//! It does not decide what is worth a copy ([`dispatches`](super::dispatches)).

use super::shape::Edge;
use cranelift_codegen::Context;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::{
    Block, Function, Inst, InstructionData, JumpTableData, Opcode, Value, ValueDef,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Gives each of these ways into a block a copy of the block. No way comes from the block itself, and nothing is an alias. A block that
/// nothing leads to, as this one when all ways have copies, hands on anything.
///
/// Answers the copies, in the order of the ways. Edges and dominators are up to date afterwards.
pub fn copy_for(context: &mut Context, block: Block, ways: &[Edge]) -> Vec<Block> {
    let function = &mut context.func;
    make_again(function, block);
    let mut copies = FxHashMap::default();
    let mut in_order = Vec::new();
    for way in ways {
        let (copied, values) = copy(function, block);
        lead_to(function, *way, copied);
        copies.insert(copied, values);
        in_order.push(copied);
    }
    context.flowgraph();
    let order = context.domtree.cfg_rpo().copied().zip(0..).collect();
    let makers = Makers {
        block,
        copies,
        order,
    };
    let made = made_in(&context.func, block);
    let elsewhere = |other| !makers.has(other);
    for (value, uses) in uses(&context.func, &made, elsewhere) {
        makers.repair(context, value, &uses);
    }
    in_order
}

/// How many blocks have to be told what the block made, counted for each value, if it is copied. Stops counting above `most`, so that it
/// takes no longer than so many steps and one look at the function.
pub fn price(function: &Function, edges: &ControlFlowGraph, block: Block, most: usize) -> usize {
    let made = made_in(function, block);
    let mut needed: BTreeMap<Value, Uses> = BTreeMap::new();
    for (value, uses) in uses(function, &made, |other| other != block) {
        if let Some(value) = made_of(function, value).filter(|value| made.contains(value)) {
            needed.entry(value).or_default().extend(uses);
        }
    }
    let mut told = 0;
    for uses in needed.values() {
        told += alive(edges, uses, |other| other == block, most - told).len();
        if told > most {
            break;
        }
    }
    told
}

/// A copy that nothing leads to yet, and what it makes, by what the block makes.
fn copy(function: &mut Function, block: Block) -> (Block, FxHashMap<Value, Value>) {
    let copied = function.dfg.make_block();
    function.layout.insert_block_after(copied, block);
    let mut values = FxHashMap::default();
    for parameter in function.dfg.block_params(block).to_vec() {
        let kind = function.dfg.value_type(parameter);
        values.insert(parameter, function.dfg.append_block_param(copied, kind));
    }
    let insts: Vec<Inst> = function.layout.block_insts(block).collect();
    for inst in insts {
        let new = copy_inst(function, inst);
        function.layout.append_inst(new, copied);
        let dfg = &mut function.dfg;
        dfg.map_inst_values(new, |value| values.get(&value).copied().unwrap_or(value));
        let results = dfg.inst_results(inst).iter().copied();
        values.extend(results.zip(dfg.inst_results(new).iter().copied()));
    }
    (copied, values)
}

/// A copy of an instruction that shares no list with it.
fn copy_inst(function: &mut Function, inst: Inst) -> Inst {
    let new = function.dfg.clone_inst(inst);
    function.srclocs[new] = function.srclocs[inst];
    let dfg = &mut function.dfg;
    if let InstructionData::BranchTable { table, .. } = dfg.insts[new] {
        let original = &dfg.jump_tables[table];
        let (default, calls) = (original.default_block(), original.as_slice().to_vec());
        let default = default.deep_clone(&mut dfg.value_lists);
        let calls: Vec<_> = calls
            .iter()
            .map(|call| call.deep_clone(&mut dfg.value_lists))
            .collect();
        let copied = dfg.jump_tables.push(JumpTableData::new(default, &calls));
        if let InstructionData::BranchTable { table, .. } = &mut dfg.insts[new] {
            *table = copied;
        }
    }
    new
}

/// Makes a way lead to another block, with the same arguments.
fn lead_to(function: &mut Function, way: Edge, to: Block) {
    let dfg = &mut function.dfg;
    let calls = dfg.insts[way.branch]
        .branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
    if let Some(call) = calls.get_mut(way.position) {
        call.set_block(to, &mut dfg.value_lists);
    }
    if function.layout.is_cold(way.from) {
        function.layout.set_cold(to);
    }
}

/// Where a value is used: blocks, and instructions there, in order.
type Uses = BTreeMap<Block, Vec<Inst>>;

/// A block and its copies.
struct Makers {
    block: Block,
    /// What each copy makes, by what the block makes.
    copies: FxHashMap<Block, FxHashMap<Value, Value>>,
    /// The places of blocks in an order in which the only way into a block comes from one before. Of those that something leads to.
    order: FxHashMap<Block, usize>,
}

impl Makers {
    fn has(&self, block: Block) -> bool {
        block == self.block || self.copies.contains_key(&block)
    }

    /// Has all uses of a value of the block read what the last of these blocks has made.
    fn repair(&self, context: &mut Context, value: Value, uses: &Uses) {
        let makes = |block| self.has(block);
        let alive = alive(&context.cfg, uses, makes, usize::MAX);
        let known = self.follow(context, value, &alive);
        for (block, insts) in uses {
            let now = known.at_start.get(block).copied().unwrap_or(value);
            for inst in insts {
                replace(&mut context.func, *inst, value, now);
            }
        }
        self.hand_on(context, value, &known);
    }

    /// Finds out what the value is at the start of each of these blocks: a new parameter, where ways meet.
    fn follow(&self, context: &mut Context, value: Value, alive: &FxHashSet<Block>) -> Known {
        let kind = context.func.dfg.value_type(value);
        let mut known = Known::default();
        let places = alive
            .iter()
            .filter_map(|block| Some((*self.order.get(block)?, *block)));
        let mut in_order: Vec<(usize, Block)> = places.collect();
        in_order.sort_unstable();
        for (_, block) in in_order {
            let mut ways = context.cfg.pred_iter(block);
            let only = ways.next().filter(|_| ways.next().is_none());
            let now = only.and_then(|way| self.at_end(way.block, value, &known));
            let now = now.unwrap_or_else(|| {
                known.joins.insert(block);
                context.func.dfg.append_block_param(block, kind)
            });
            known.at_start.insert(block, now);
        }
        known
    }

    /// What the value is at the end of a block.
    fn at_end(&self, block: Block, value: Value, known: &Known) -> Option<Value> {
        if block == self.block {
            return Some(value);
        }
        match self.copies.get(&block) {
            Some(made) => made.get(&value).copied(),
            None => known.at_start.get(&block).copied(),
        }
    }

    /// Hands the value on for the last parameter of each block where ways meet, on all ways into it. A branch is looked through once,
    /// however many of them it leads to.
    fn hand_on(&self, context: &mut Context, value: Value, known: &Known) {
        let ways = known.joins.iter().map(|join| context.cfg.pred_iter(*join));
        let branches: BTreeMap<Inst, Block> =
            ways.flatten().map(|way| (way.inst, way.block)).collect();
        for (branch, block) in branches {
            let now = self.at_end(block, value, known).unwrap_or(value);
            let dfg = &mut context.func.dfg;
            let calls = dfg.insts[branch]
                .branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
            for call in calls {
                if known.joins.contains(&call.block(&dfg.value_lists)) {
                    call.append_argument(now, &mut dfg.value_lists);
                }
            }
        }
    }
}

/// What a value of a block has become in others.
#[derive(Default)]
struct Known {
    at_start: FxHashMap<Block, Value>,
    /// The blocks that get it as a parameter, their last one.
    joins: FxHashSet<Block>,
}

fn replace(function: &mut Function, inst: Inst, value: Value, by: Value) {
    let renamed = |used| if used == value { by } else { used };
    function.dfg.map_inst_values(inst, renamed);
}

/// What a block makes.
fn made_in(function: &Function, block: Block) -> FxHashSet<Value> {
    let dfg = &function.dfg;
    let insts = function.layout.block_insts(block);
    let results = insts.flat_map(|inst| dfg.inst_results(inst));
    dfg.block_params(block)
        .iter()
        .chain(results)
        .copied()
        .collect()
}

/// Where some values are used in some blocks.
fn uses(
    function: &Function,
    values: &FxHashSet<Value>,
    wanted: impl Fn(Block) -> bool,
) -> BTreeMap<Value, Uses> {
    let mut uses: BTreeMap<Value, Uses> = BTreeMap::new();
    for block in function.layout.blocks().filter(|block| wanted(*block)) {
        for inst in function.layout.block_insts(block) {
            let used = function.dfg.inst_values(inst);
            for value in used.filter(|value| values.contains(value)) {
                let insts = uses.entry(value).or_default().entry(block).or_default();
                if insts.last() != Some(&inst) {
                    insts.push(inst);
                }
            }
        }
    }
    uses
}

/// The blocks at whose start a value is still needed, but for those that make it. Not all of them, if there are more than `most`.
fn alive(
    edges: &ControlFlowGraph,
    uses: &Uses,
    makes: impl Fn(Block) -> bool,
    most: usize,
) -> FxHashSet<Block> {
    let mut alive: FxHashSet<Block> = uses.keys().copied().collect();
    let mut new: Vec<Block> = alive.iter().copied().collect();
    while let Some(block) = new.pop().filter(|_| alive.len() <= most) {
        for way in edges.pred_iter(block) {
            if !makes(way.block) && alive.insert(way.block) {
                new.push(way.block);
            }
        }
    }
    alive
}

/// Makes what a block makes at next to no cost once more in each other block that uses it.
fn make_again(function: &mut Function, block: Block) {
    let insts = function.layout.block_insts(block);
    let cheap: Vec<Inst> = insts.filter(|inst| is_cheap(function, *inst)).collect();
    let made = cheap.iter().map(|inst| function.dfg.first_result(*inst));
    let uses = uses(function, &made.collect(), |other| other != block);
    for original in cheap {
        let value = function.dfg.first_result(original);
        for insts in uses.get(&value).into_iter().flat_map(BTreeMap::values) {
            let Some(first) = insts.first() else {
                continue;
            };
            let new = copy_inst(function, original);
            function.layout.insert_inst(new, *first);
            let again = function.dfg.first_result(new);
            for inst in insts {
                replace(function, *inst, value, again);
            }
        }
    }
}

/// What has to be known to make a value where it is used: the value itself, or of one that is made again what that is made of.
fn made_of(function: &Function, mut value: Value) -> Option<Value> {
    let dfg = &function.dfg;
    while let ValueDef::Result(inst, _) = dfg.value_def(value)
        && is_cheap(function, inst)
    {
        value = dfg.inst_args(inst).first().copied()?;
    }
    Some(value)
}

fn is_cheap(function: &Function, inst: Inst) -> bool {
    matches!(
        function.dfg.insts[inst].opcode(),
        Opcode::Iconst | Opcode::F32const | Opcode::F64const | Opcode::Vconst | Opcode::Ireduce
    )
}
