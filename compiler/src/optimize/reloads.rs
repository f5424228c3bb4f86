//! Large functions keep vmctx in their frame, and read it where they need it.
//!
//! Every access to memory 0 needs vmctx, so in a large function it is alive everywhere. The register allocator finds registers for what is
//! used more often in a shorter time, and reads vmctx from the frame again for each single use, one instruction after the other. Where that is
//! to be expected, it is read here: once for each part of a block without calls, and once in front of each inner loop without calls. Between
//! these places no register is needed for it.
//!
//! ```text
//!   entry(vmctx):  …                        entry(vmctx):  store frame, vmctx; …
//!   a:  load [vmctx + x]                    a:  base = load frame
//!       load [vmctx + y]                        load [base + x]; load [base + y]
//!       call f(vmctx)                           call f(base)
//! ```
//!
//! Soundness. The place in the frame is this pass's own, written once, where the function begins. Guests have no way to write there: their
//! stack in memory 0 is another one.
//!
//! It does not know what the register allocator does. The bounds are such that the interpreters of QuickJS, Lua and SQLite are large, and the
//! compressor of zstd is not: it is as long but hardly calls anything, and has a register for vmctx where that matters.

use super::accesses;
use super::shape::Shape;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{
    Block, Function, Inst, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind,
    Value,
};
use cranelift_codegen::loop_analysis::Loop;
use rustc_hash::{FxHashMap, FxHashSet};

/// The fewest instructions of a function in which vmctx has no register, and the most for each of its calls: what calls nothing finds one.
const LARGE: usize = 3000;
const FOR_EACH_CALL: usize = 100;

/// Reads vmctx from the frame where a large function uses it.
pub fn read_again(function: &mut Function, shape: Shape<'_>) {
    let Some(vmctx) = accesses::vmctx(function).filter(|_| is_large(function)) else {
        return;
    };
    let bytes = I64.bytes();
    let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, bytes.ilog2() as u8);
    let mut reader = Reader {
        vmctx,
        slot: function.create_sized_stack_slot(slot),
        quiet: quiet_loops(function, shape),
        in_front: FxHashMap::default(),
    };
    let blocks: Vec<Block> = function.layout.blocks().collect();
    for block in blocks {
        reader.block(function, shape, block);
    }
    reader.write(function);
}

fn is_large(function: &Function) -> bool {
    let instructions = function.dfg.num_insts();
    let blocks = || function.layout.blocks();
    let all = || blocks().flat_map(|block| function.layout.block_insts(block));
    instructions >= LARGE
        && all().filter(|inst| calls(function, *inst)).count() * FOR_EACH_CALL >= instructions
}

/// The inner loops that call nothing.
fn quiet_loops(function: &Function, shape: Shape<'_>) -> FxHashSet<Loop> {
    let mut quiet: FxHashSet<Loop> = shape.loops.loops().collect();
    for inner in shape.loops.loops() {
        if let Some(outer) = shape.loops.loop_parent(inner) {
            quiet.remove(&outer);
        }
    }
    for block in function.layout.blocks() {
        if let Some(inside) = shape.loops.innermost_loop(block)
            && function
                .layout
                .block_insts(block)
                .any(|inst| calls(function, inst))
        {
            quiet.remove(&inside);
        }
    }
    quiet
}

fn calls(function: &Function, inst: Inst) -> bool {
    function.dfg.insts[inst].opcode().is_call()
}

struct Reader {
    vmctx: Value,
    slot: StackSlot,
    quiet: FxHashSet<Loop>,
    /// What is read in front of loops.
    in_front: FxHashMap<Loop, Value>,
}

impl Reader {
    fn block(&mut self, function: &mut Function, shape: Shape<'_>, block: Block) {
        let inside = shape
            .loops
            .innermost_loop(block)
            .filter(|inside| self.quiet.contains(inside));
        let mut known = None;
        let insts: Vec<Inst> = function.layout.block_insts(block).collect();
        for inst in insts {
            if function
                .dfg
                .inst_values(inst)
                .any(|value| value == self.vmctx)
            {
                let base = known.or_else(|| self.before_loop(function, shape, inside?));
                let base = base.unwrap_or_else(|| self.read(function, inst));
                known = Some(base);
                let vmctx = self.vmctx;
                let renamed = |value| if value == vmctx { base } else { value };
                function.dfg.map_inst_values(inst, renamed);
            }
            if calls(function, inst) {
                known = None;
            }
        }
    }

    /// What is read at the end of the block in front of a loop.
    fn before_loop(
        &mut self,
        function: &mut Function,
        shape: Shape<'_>,
        inside: Loop,
    ) -> Option<Value> {
        if let Some(known) = self.in_front.get(&inside) {
            return Some(*known);
        }
        let front = shape.dominators.idom(shape.loops.loop_header(inside))?;
        let last = function.layout.last_inst(front)?;
        let base = self.read(function, last);
        self.in_front.insert(inside, base);
        Some(base)
    }

    fn read(&self, function: &mut Function, before: Inst) -> Value {
        let mut cursor = FuncCursor::new(function).at_inst(before);
        let place = cursor.ins().stack_addr(I64, self.slot, 0);
        cursor.ins().load(I64, MemFlagsData::trusted(), place, 0)
    }

    /// Puts vmctx into its place where the function begins.
    fn write(&self, function: &mut Function) {
        let Some(first) = function
            .layout
            .entry_block()
            .and_then(|entry| function.layout.first_inst(entry))
        else {
            return;
        };
        let mut cursor = FuncCursor::new(function).at_inst(first);
        let place = cursor.ins().stack_addr(I64, self.slot, 0);
        cursor
            .ins()
            .store(MemFlagsData::trusted(), self.vmctx, place, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::optimised;

    /// What a function reads from its frame that calls another one so often and has so many accesses between two calls, and an
    /// inner loop.
    fn reads(calls: usize, accesses: usize) -> usize {
        let access = |at: usize| {
            format!("(i32.store offset={at} (local.get 0) (i32.load offset={at} (local.get 1)))")
        };
        let part: String = (0..accesses).map(access).collect();
        let body = format!("{part}(call $other)").repeat(calls);
        let inner = "(loop $more (br_if $more (local.tee 0 (i32.load (local.get 0)))))";
        let listing = optimised(&format!(
            r#"(module (import "" "" (func $other)) (memory 1) (func (param i32 i32) {body} {inner}))"#
        ));
        listing.matches("load.i64 notrap aligned v").count()
    }

    #[test]
    fn large_functions_read_vmctx_after_each_call() {
        // Once more in front of the loop.
        assert_eq!(reads(100, 8), 101);
    }

    #[test]
    fn functions_that_are_small_or_call_little_keep_it() {
        assert_eq!(reads(10, 8), 0);
        assert_eq!(reads(4, 300), 0);
    }
}
