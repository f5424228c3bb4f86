//! Calls of imports whose arguments all travel in registers.
//!
//! In a loop this code does what a stub and a trampoline would, as far as it can, as `lucet_format::call_out` says. Elsewhere a call is not worth the
//! bytes, and is the stub's; so are all but the first few of a function, since each takes much longer to compile.

use super::function::Translator;
use super::variable::below;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{Block, BlockArg, FuncRef, InstBuilder, Value};
use lucet_format::call_out::{
    CALL_ROW, HOST_CALLS, IMPORT_ROW_BYTES, IMPORTS, IN_GUEST, ROW_ENTRY, ROW_STATE, STATE, STOP,
};
use lucet_format::runtime::Helper;
use lucet_format::vmctx::{CONTROL_BLOCK, LEAF_STACK_LIMIT};

/// Calls of a function that need no stub, at most.
const MOST_WITHOUT_STUB: u32 = 16;

impl Translator<'_> {
    /// Calls an import, whose stub is given, and answers what it returns.
    pub(super) fn call_import(
        &mut self,
        import: u32,
        stub: FuncRef,
        arguments: &[Value],
    ) -> Vec<Value> {
        if !self.is_in_loop() || self.calls_without_stub == MOST_WITHOUT_STUB {
            return self.call_stub(stub, arguments);
        }
        self.calls_without_stub += 1;
        let (short_of_stack, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(short_of_stack);
        let signature = self.builder.func.dfg.ext_funcs[stub].signature;
        let returns = self.builder.func.dfg.signatures[signature].returns.clone();
        for result in returns {
            self.builder.append_block_param(done, result.value_type);
        }
        self.go_on_with_stack(short_of_stack);
        let values = self.call_entry(import, stub, arguments);
        self.look_at_stop_word();
        self.go_on(done, &values);
        self.builder.switch_to_block(short_of_stack);
        self.builder.seal_block(short_of_stack);
        let values = self.call_stub(stub, arguments);
        self.go_on(done, &values);
        self.builder.switch_to_block(done);
        self.builder.seal_block(done);
        self.builder.block_params(done).to_vec()
    }

    /// Calls the stub of an import.
    pub(super) fn call_stub(&mut self, stub: FuncRef, arguments: &[Value]) -> Vec<Value> {
        let all = self.passing(self.vmctx, arguments);
        let call = self.ins().call(stub, &all);
        self.builder.inst_results(call).to_vec()
    }

    /// All that a call takes along.
    fn passing(&mut self, first: Value, arguments: &[Value]) -> Vec<Value> {
        self.passed += arguments.len() as u64 + 1;
        std::iter::once(first)
            .chain(arguments.iter().copied())
            .collect()
    }

    /// Goes on at `other` if there is too little stack for a leaf.
    fn go_on_with_stack(&mut self, other: Block) {
        let (vmctx, flags) = (self.vmctx, self.flags.descriptor);
        let stack = self.ins().get_stack_pointer(I64);
        let limit = self.ins().load(I64, flags, vmctx, below(LEAF_STACK_LIMIT));
        let short = self.ins().icmp(IntCC::UnsignedLessThan, stack, limit);
        self.go_on_unless(short, other);
    }

    /// Calls what the import's row says, in the state that it says.
    fn call_entry(&mut self, import: u32, stub: FuncRef, arguments: &[Value]) -> Vec<Value> {
        let flags = self.flags.descriptor;
        let block = self.control_block();
        let row = import * IMPORT_ROW_BYTES;
        let place = self.ins().iconst(I32, i64::from(row));
        self.ins().store(flags, place, block, at(CALL_ROW));
        let calls = self.ins().load(I64, flags, block, at(HOST_CALLS));
        let calls = self.ins().iadd_imm_s(calls, 1);
        self.ins().store(flags, calls, block, at(HOST_CALLS));
        let rows = self.ins().load(I64, flags, block, at(IMPORTS));
        let state = self.ins().uload8(I32, flags, rows, at(row + ROW_STATE));
        self.ins().istore8(flags, state, block, at(STATE));
        let entry = self.ins().load(I64, flags, rows, at(row + ROW_ENTRY));
        let signature = self.builder.func.dfg.ext_funcs[stub].signature;
        let all = self.passing(block, arguments);
        let call = self.ins().call_indirect(signature, entry, &all);
        self.builder.inst_results(call).to_vec()
    }

    /// What was called has returned.
    fn look_at_stop_word(&mut self) {
        let flags = self.flags.descriptor;
        // Read again, so that it needs no register during the call.
        let block = self.control_block();
        let state = self.ins().iconst(I32, i64::from(IN_GUEST));
        self.ins().istore8(flags, state, block, at(STATE));
        let stop = self.ins().uload8(I32, flags, block, at(STOP));
        let (stopped, next) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(stopped);
        self.ins().brif(stop, stopped, &[], next, &[]);
        self.builder.switch_to_block(stopped);
        self.builder.seal_block(stopped);
        self.call_helper(Helper::Look, &[]);
        self.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
    }

    fn control_block(&mut self) -> Value {
        let (vmctx, flags) = (self.vmctx, self.flags.descriptor);
        self.ins().load(I64, flags, vmctx, below(CONTROL_BLOCK))
    }

    fn go_on(&mut self, at: Block, values: &[Value]) {
        let values: Vec<BlockArg> = values.iter().copied().map(BlockArg::Value).collect();
        self.ins().jump(at, &values);
    }
}

/// An offset as instructions have them.
fn at(offset: u32) -> i32 {
    offset.cast_signed()
}
