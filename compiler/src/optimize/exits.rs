//! Ways out of loops lie behind the loops.
//!
//! The code generator places the first destination of a branch behind all that the second one leads to, and moves that a destination's
//! parameters want right behind the branch. So a way out that comes second, or that hands something on, lies in the middle of the loop, and
//! staying in the loop is a jump over it:
//!
//! ```text
//!   brif stays, next, out(x)           je  next                      becomes   jne exit
//!                                      mov eax, x                              next: …
//!                                      jmp out                                 …
//!                                next: …                                 exit: mov eax, x; jmp out
//! ```
//!
//! So the way out comes first, and gets a block of its own if it hands something on. What is in a loop lies together then: in fewer lines
//! of the instruction cache, with fewer jumps taken in each round.
//!
//! Soundness. A branch on the opposite goes to the same places; a block in between hands on the same.
//!
//! Not here: ways back to a loop's header, whose moves belong to the loop; tables.

use super::shape::Shape;
use super::values::{destinations, maker, unary};
use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{
    Block, BlockArg, Function, Inst, InstBuilder, InstructionData, Opcode, Value,
};
use cranelift_codegen::loop_analysis::Loop;

/// The most blocks of a loop, those of loops inside of it not counted, for it to matter how they lie. Interpreters gain
/// nothing by it.
const MOST_BLOCKS: usize = 32;

/// A branch with a way out of a loop.
struct Exit {
    branch: Inst,
    /// Which destination leads out.
    position: usize,
    /// Whether it should be the other one.
    turn: bool,
}

/// Puts ways out of loops behind them. Needs edges, dominators and loops, and may leave none of them.
pub fn move_out(context: &mut Context) {
    let shape = Shape {
        edges: &context.cfg,
        dominators: &context.domtree,
        loops: &context.loop_analysis,
    };
    let function = &mut context.func;
    let exits: Vec<Exit> = blocks_of_small_loops(function, shape)
        .into_iter()
        .filter_map(|(block, inside)| exit(function, shape, block, inside))
        .collect();
    if exits.is_empty() {
        return;
    }
    for exit in exits {
        let mut position = exit.position;
        if exit.turn {
            turn(function, exit.branch);
            position = 0;
        }
        separate(function, exit.branch, position);
    }
    // Computed anew before code is generated, in any case.
    context.cfg.clear();
    context.domtree.clear();
    context.loop_analysis.clear();
}

/// The blocks of loops that have few, each with the innermost of the loops that it is in.
fn blocks_of_small_loops(function: &Function, shape: Shape<'_>) -> Vec<(Block, Loop)> {
    let blocks = function.layout.blocks();
    let mut found: Vec<(Block, Loop)> = blocks
        .filter_map(|block| Some((block, shape.loops.innermost_loop(block)?)))
        .collect();
    let mut count: SecondaryMap<Loop, usize> = SecondaryMap::new();
    for (_, inside) in &found {
        count[*inside] += 1;
    }
    found.retain(|(_, inside)| count[*inside] <= MOST_BLOCKS);
    found
}

/// The branch at the end of a block, if one of its two ways leaves the loop.
fn exit(function: &Function, shape: Shape<'_>, block: Block, inside: Loop) -> Option<Exit> {
    let branch = function.layout.last_inst(block)?;
    if function.dfg.insts[branch].opcode() != Opcode::Brif {
        return None;
    }
    let [first, second] = destinations(&function.dfg, branch) else {
        return None;
    };
    let lists = &function.dfg.value_lists;
    let [first, second] = [first, second].map(|call| call.block(lists));
    let stays = |block| shape.loops.is_in_loop(block, inside);
    match (stays(first), stays(second)) {
        (false, true) => Some(Exit {
            branch,
            position: 0,
            turn: false,
        }),
        (true, false) => Some(Exit {
            branch,
            position: 1,
            turn: first != shape.loops.loop_header(inside),
        }),
        _ => None,
    }
}

/// Exchanges the destinations of a branch.
fn turn(function: &mut Function, branch: Inst) {
    let InstructionData::Brif { arg, blocks, .. } = function.dfg.insts[branch] else {
        return;
    };
    let opposite = opposite(&mut FuncCursor::new(function).at_inst(branch), arg);
    if let InstructionData::Brif {
        arg,
        blocks: turned,
        ..
    } = &mut function.dfg.insts[branch]
    {
        *arg = opposite;
        *turned = [blocks[1], blocks[0]];
    }
}

/// What holds exactly when a condition does not.
fn opposite(cursor: &mut FuncCursor<'_>, condition: Value) -> Value {
    let dfg = &cursor.func.dfg;
    let compared = unary(dfg, condition, Opcode::Uextend).unwrap_or(condition);
    match maker(dfg, compared).map(|inst| dfg.insts[inst]) {
        Some(InstructionData::IntCompare { cond, args, .. }) => {
            cursor.ins().icmp(cond.complement(), args[0], args[1])
        }
        Some(InstructionData::FloatCompare { cond, args, .. }) => {
            cursor.ins().fcmp(cond.complement(), args[0], args[1])
        }
        _ => cursor.ins().icmp_imm_u(IntCC::Equal, condition, 0),
    }
}

/// Gives a way out that hands something on a block of its own.
fn separate(function: &mut Function, branch: Inst, position: usize) {
    let InstructionData::Brif { blocks, .. } = function.dfg.insts[branch] else {
        return;
    };
    let lists = &mut function.dfg.value_lists;
    let out = blocks[position];
    let handed: Vec<BlockArg> = out.args(lists).collect();
    if handed.is_empty() {
        return;
    }
    let to = out.block(lists);
    let between = function.dfg.make_block();
    function.layout.append_block(between);
    if function.layout.is_cold(to) {
        function.layout.set_cold(between);
    }
    FuncCursor::new(function)
        .at_bottom(between)
        .ins()
        .jump(to, &handed);
    let direct = function.dfg.block_call(between, &[]);
    if let InstructionData::Brif { blocks, .. } = &mut function.dfg.insts[branch] {
        blocks[position] = direct;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// A loop over bytes from `$at` on, up to a zero, with something in it that may leave.
    fn looking(inside: &str) -> String {
        optimised(&format!(
            "(module (memory 1) (func (param $at i32) (param $n i32) (result i32) (local $byte i32)
                (block $out (result i32)
                  (loop $more (result i32)
                    (local.set $byte (i32.load8_u (local.get $at)))
                    {inside}
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (br_if $more (local.get $byte))
                    (i32.const 7)))))"
        ))
    }

    /// The destinations of the first branch in a listing, with what they get.
    fn first_branch(listing: &str) -> (&str, &str) {
        let line = listing.lines().find(|line| line.contains("brif"));
        let line = line
            .expect("a branch")
            .split("  ;")
            .next()
            .unwrap_or_default();
        let (_, destinations) = line.split_once(", ").expect("destinations");
        destinations.split_once(", ").expect("two of them")
    }

    /// What the block of this name ends with.
    fn end_of<'a>(listing: &'a str, block: &str) -> &'a str {
        let begin = listing
            .find(&format!(" {block}:"))
            .or_else(|| listing.find(&format!(" {block}(")));
        let text = &listing[begin.expect("the block")..];
        let end = ["return", "jump", "brif"]
            .into_iter()
            .filter_map(|word| text.find(word))
            .min();
        text[end.expect("an end")..]
            .lines()
            .next()
            .unwrap_or_default()
    }

    #[test]
    fn ways_out_come_first() {
        for inside in [
            "(if (i32.eq (local.get $byte) (local.get $n)) (then (return (i32.const 1))))",
            "(block $stay (br_if $stay (i32.ne (local.get $byte) (local.get $n))) (return (i32.const 1)))",
            "(block $stay (br_if $stay (local.get $byte)) (return (i32.const 1)))",
        ] {
            let listing = looking(inside);
            let (first, _) = first_branch(&listing);
            assert!(end_of(&listing, first).starts_with("return"), "{listing}");
        }
    }

    #[test]
    fn what_hands_something_on_has_a_block() {
        let listing = looking(
            "(br_if $out (local.get $at) (i32.eq (local.get $byte) (local.get $n))) (drop)",
        );
        let (first, _) = first_branch(&listing);
        assert!(end_of(&listing, first).starts_with("jump"), "{listing}");
        assert!(end_of(&listing, first).contains('('), "{listing}");
    }

    #[test]
    fn ways_back_stay_where_they_are() {
        let listing = looking("");
        let (first, second) = first_branch(&listing);
        assert!(first.contains('('), "{listing}");
        assert!(!second.contains('('), "{listing}");
    }
}
