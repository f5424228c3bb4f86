//! Loops around a switch get a copy of the switch's jump at the end of each case.
//!
//! An interpreter's loop reads an instruction and jumps to its case, which jumps back. All cases share one indirect jump; how well a
//! processor predicts it, and how fast it goes through two jumps for each case, depends on where in memory the code happens to be.
//! With a jump of its own for each case it no longer does, and there is one jump less:
//!
//! ```text
//!   loop:  read; br_table a, b          loop:  read; br_table a, b
//!   a:     …; jump loop                 a:     …; read; br_table a, b
//!   b:     …; jump loop                 b:     …; read; br_table a, b
//! ```
//!
//! What lies between a case and the table can be several small blocks, one after the other: where cases meet, the head of the loop with
//! its test, the table. They are copied one after the other ([`copies`]), from the one that the cases go to.
//!
//! Afterwards the loop has several entries, which Cranelift's analysis does not know as a loop, so this pass is the last.
//!
//! It does not change what is executed between two cases.

use super::copies;
use super::parameters;
use super::shape::{Edge, Shape};
use super::values::destinations;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{Block, Function, Opcode};
use cranelift_codegen::loop_analysis::Loop;
use rustc_hash::FxHashSet;

/// The fewest ways back to a switch for which each gets a copy: with fewer it is no interpreter.
const FEWEST_WAYS: usize = 4;
/// The most ways back, and the most entries of all tables of a switch, which take four bytes each. The interpreter of QuickJS has 250
/// cases; with a copy for each it would be slower.
const MOST_WAYS: usize = 64;
const MOST_ENTRIES: usize = 1024;
/// The most values that all entries of a function hand to cases, which is what takes time to compile.
const MOST_HANDED: usize = 12_000;
/// The most blocks from where cases meet to the table, and the most instructions in them.
const MOST_BLOCKS: usize = 4;
const MOST_INSTS: usize = 24;
/// The most blocks that have to be told what the copied ones made, counted for each value.
const MOST_TOLD: usize = 8192;
/// The most switches of a function that are looked at closely.
const MOST_SWITCHES: usize = 4;

/// Copies the jumps of switches in loops, and tells whether there were any. Needs the analyses of edges, dominators and loops; those of loops are
/// out of date afterwards.
pub fn copy_switches(context: &mut Context) -> bool {
    let plans = plans(context);
    if plans.is_empty() {
        return false;
    }
    for plan in plans {
        carry_out(context, &plan);
    }
    parameters::remove_copies(context);
    true
}

/// Blocks that are copied.
struct Plan {
    /// From where cases meet to the table.
    blocks: Vec<Block>,
    /// The blocks that the ways come from that get copies.
    from: FxHashSet<Block>,
    /// How many values the entries of all copies hand to cases, about.
    handed: usize,
}

fn plans(context: &Context) -> Vec<Plan> {
    let function = &context.func;
    let shape = shape(context);
    let reachable = |block| shape.dominators.is_reachable(block);
    if !function.layout.blocks().all(reachable) {
        return Vec::new();
    }
    let mut taken = FxHashSet::default();
    let mut handed = 0;
    let tables = function.layout.blocks();
    let found = tables.filter_map(|block| plan(function, shape, block));
    found
        .filter(|plan| plan.blocks.iter().all(|block| taken.insert(*block)))
        .take(MOST_SWITCHES)
        .filter(|plan| told(function, shape, plan) <= MOST_TOLD)
        .take_while(|plan| {
            handed += plan.handed;
            handed <= MOST_HANDED
        })
        .collect()
}

/// How many blocks have to be told what the copied ones made, counted for each value, as far as [`MOST_TOLD`] or above it.
fn told(function: &Function, shape: Shape<'_>, plan: &Plan) -> usize {
    plan.blocks.iter().fold(0, |told, block| {
        let most = MOST_TOLD.saturating_sub(told);
        told + copies::price(function, shape.edges, *block, most)
    })
}

fn shape(context: &Context) -> Shape<'_> {
    Shape {
        edges: &context.cfg,
        dominators: &context.domtree,
        loops: &context.loop_analysis,
    }
}

/// What to copy for the switch that this block ends with, if it is one in a loop that many cases come back to.
fn plan(function: &Function, shape: Shape<'_>, table: Block) -> Option<Plan> {
    let last = function.layout.last_inst(table)?;
    if function.dfg.insts[last].opcode() != Opcode::BrTable {
        return None;
    }
    let inside = shape.loops.innermost_loop(table)?;
    let mut blocks = vec![table];
    loop {
        let ways = ways_around(function, shape, *blocks.first()?, inside)?;
        if !is_small(function, &blocks) {
            return None;
        }
        match ways.as_slice() {
            [only] if leads_on(function, *only) && !blocks.contains(&only.from) => {
                blocks.insert(0, only.from);
            }
            ways => {
                let entries = destinations(&function.dfg, last).len() * ways.len();
                let wanted = ways.len() >= FEWEST_WAYS && entries <= MOST_ENTRIES;
                return wanted.then(|| Plan {
                    from: ways.iter().map(|way| way.from).collect(),
                    handed: entries * parameters(function, &blocks),
                    blocks,
                });
            }
        }
    }
}

/// The ways into a block from inside of a loop, but for those from itself.
fn ways_around(
    function: &Function,
    shape: Shape<'_>,
    block: Block,
    inside: Loop,
) -> Option<Vec<Edge>> {
    let mut ways = shape.ways_into(function, block, MOST_WAYS)?;
    ways.retain(|way| way.from != block && shape.goes_back(*way, inside));
    Some(ways)
}

/// Whether a way is a jump or a test of a condition.
fn leads_on(function: &Function, way: Edge) -> bool {
    matches!(
        function.dfg.insts[way.branch].opcode(),
        Opcode::Jump | Opcode::Brif
    )
}

fn parameters(function: &Function, blocks: &[Block]) -> usize {
    let parameters = blocks
        .iter()
        .map(|block| function.dfg.block_params(*block).len());
    parameters.sum()
}

fn is_small(function: &Function, blocks: &[Block]) -> bool {
    let dfg = &function.dfg;
    let insts = || {
        blocks
            .iter()
            .flat_map(|block| function.layout.block_insts(*block))
    };
    blocks.len() <= MOST_BLOCKS
        && insts().take(MOST_INSTS + 1).count() <= MOST_INSTS
        && !insts().any(|inst| dfg.insts[inst].opcode().is_call())
}

/// Copies the blocks of a plan, each for the ways from the copies of the one before.
fn carry_out(context: &mut Context, plan: &Plan) {
    let mut from = plan.from.clone();
    for block in &plan.blocks {
        let ways = shape(context).ways_into(&context.func, *block, usize::MAX);
        let mut ways = ways.unwrap_or_default();
        ways.retain(|way| from.contains(&way.from));
        from = copies::copy_for(context, *block, &ways)
            .into_iter()
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// The tables in an interpreter of bytes with so many cases, `head` at the start of its loop and `latch` where its cases
    /// meet, if they do.
    fn tables(cases: usize, head: &str, latch: Option<&str>) -> usize {
        let names: String = (0..cases).map(|case| format!("$c{case} ")).collect();
        let mut body = format!("(br_table {names} $out (i32.load8_u (local.get 0)))");
        let back = latch.map_or("$next", |_| "$meet");
        for case in 0..cases {
            let step = format!("(i32.add (local.get 0) (i32.const {}))", case + 1);
            body = format!(
                "(block $c{case} {body}) (i32.store8 offset={case} (local.get 1) (local.get 0)) (local.set 0 {step}) (br {back})"
            );
        }
        let latch = latch.unwrap_or_default();
        let listing = optimised(&format!(
            "(module (memory 1) (func (param i32 i32) (block $out (loop $next {head} (block $meet {body}) {latch} (br $next)))))"
        ));
        listing.matches("br_table").count()
    }

    #[test]
    fn each_case_gets_a_jump() {
        assert_eq!(tables(5, "", None), 6);
        assert_eq!(tables(12, "", None), 13);
    }

    #[test]
    fn what_lies_before_the_table_is_copied_as_well() {
        let head = "(br_if $out (i32.gt_u (local.get 0) (i32.const 999)))";
        let latch = "(local.set 1 (i32.add (local.get 1) (i32.const 1)))";
        assert_eq!(tables(5, head, None), 6);
        assert_eq!(tables(5, "", Some(latch)), 6);
        assert_eq!(tables(5, head, Some(latch)), 6);
    }

    #[test]
    fn large_switches_keep_one_jump_and_small_ones_have_none() {
        assert_eq!(tables(4, "", None), 0);
        assert_eq!(tables(60, "", None), 1);
        let long: String = (0..30)
            .map(|at| format!("(i32.store8 offset={at} (local.get 1) (local.get 1))"))
            .collect();
        assert_eq!(tables(5, "", Some(&long)), 1);
    }
}
