//! Operations on whole ranges of memories and tables, and growth: the runtime does them, with its checks.
//!
//! They are calls of helper stubs. Lengths and positions are passed zero-extended, so the runtime sees the
//! numbers that the guest meant.

use super::function::{Translator, missing};
use crate::abi;
use crate::code::Target;
use crate::error::Result;
use cranelift_codegen::ir::types::I32;
use cranelift_codegen::ir::{InstBuilder, Value};
use lucet_format::runtime::Helper;
use wasmparser::Operator as Op;

impl Translator<'_> {
    /// Operators that are helpers.
    pub(super) fn bulk(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::MemoryGrow { mem } => self.grow(Helper::MemoryGrow, *mem),
            Op::MemoryCopy { dst_mem, src_mem } => {
                self.ranges(Helper::MemoryCopy, *dst_mem, *src_mem)
            }
            Op::MemoryInit { data_index, mem } => {
                self.ranges(Helper::MemoryInit, *data_index, *mem)
            }
            Op::TableCopy {
                dst_table,
                src_table,
            } => self.ranges(Helper::TableCopy, *dst_table, *src_table),
            Op::TableInit { elem_index, table } => {
                self.ranges(Helper::TableInit, *elem_index, *table)
            }
            Op::MemoryFill { mem } => self.fill(Helper::MemoryFill, *mem),
            Op::TableFill { table } => self.fill(Helper::TableFill, *table),
            Op::DataDrop { data_index } => self.drop_segment(Helper::DataDrop, *data_index),
            Op::ElemDrop { elem_index } => self.drop_segment(Helper::ElementDrop, *elem_index),
            Op::TableGrow { table } => {
                let (element, delta) = self.pop2()?;
                let (table, delta) = (self.index(*table), self.widen(delta));
                self.call_growth(Helper::TableGrow, &[table, delta, element])
            }
            _ => Ok(false),
        }
    }

    fn grow(&mut self, helper: Helper, memory: u32) -> Result<bool> {
        let delta = self.pop()?;
        let (memory, delta) = (self.index(memory), self.widen(delta));
        self.call_growth(helper, &[memory, delta])
    }

    /// Calls a helper that answers with the old size or -1, both of which an i32 holds.
    fn call_growth(&mut self, helper: Helper, arguments: &[Value]) -> Result<bool> {
        let old = self
            .call_helper(helper, arguments)
            .ok_or_else(|| missing("helper result"))?;
        let old = self.ins().ireduce(I32, old);
        self.push(old);
        Ok(true)
    }

    /// `(first index, second index, to, from, length)`
    fn ranges(&mut self, helper: Helper, first: u32, second: u32) -> Result<bool> {
        let (to, from, length) = self.pop3()?;
        let (first, second) = (self.index(first), self.index(second));
        let (to, from, length) = (self.widen(to), self.widen(from), self.widen(length));
        self.call_helper(helper, &[first, second, to, from, length]);
        Ok(true)
    }

    /// `(index, to, value, length)`
    fn fill(&mut self, helper: Helper, index: u32) -> Result<bool> {
        let (to, value, length) = self.pop3()?;
        let (index, to, length) = (self.index(index), self.widen(to), self.widen(length));
        self.call_helper(helper, &[index, to, value, length]);
        Ok(true)
    }

    fn drop_segment(&mut self, helper: Helper, segment: u32) -> Result<bool> {
        let segment = self.index(segment);
        self.call_helper(helper, &[segment]);
        Ok(true)
    }

    fn call_helper(&mut self, helper: Helper, arguments: &[Value]) -> Option<Value> {
        let callee = self.callee(Target::HelperStub(helper), || abi::helper_signature(helper));
        let mut all = vec![self.vmctx];
        all.extend_from_slice(arguments);
        let call = self.ins().call(callee, &all);
        self.builder.inst_results(call).first().copied()
    }
}
