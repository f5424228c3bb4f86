//! Operations on whole ranges of memories and tables, and growth: the runtime does them, with its checks.
//!
//! They are calls of helper stubs, but for what [`super::short`] does in place. Lengths and positions are passed as 64 bits, so the runtime sees the
//! numbers that the guest meant.

use super::function::{Translator, missing};
use super::short::Short;
use crate::abi;
use crate::code::Target;
use crate::error::Result;
use cranelift_codegen::ir::{InstBuilder, Value};
use lucet_format::runtime::Helper;
use wasmparser::Operator as Op;

/// Whether positions in two ranges have 64 bits. A length has as many as the narrower one.
struct Widths {
    to: bool,
    from: bool,
}

impl Translator<'_> {
    /// Operators that are helpers.
    pub(super) fn bulk(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::MemoryGrow { mem } => {
                let delta = self.pop()?;
                let index_64 = self.declared_memory(*mem)?.index_64;
                let (memory, delta) = (self.index(*mem), self.wide_index(index_64, delta));
                self.call_growth(Helper::MemoryGrow, &[memory, delta], index_64)
            }
            Op::TableGrow { table } => {
                let (element, delta) = self.pop2()?;
                let index_64 = self.declared_table(*table)?.index_64;
                let (table, delta) = (self.index(*table), self.wide_index(index_64, delta));
                self.call_growth(Helper::TableGrow, &[table, delta, element], index_64)
            }
            Op::MemoryCopy { dst_mem, src_mem } => {
                let widths = Widths {
                    to: self.declared_memory(*dst_mem)?.index_64,
                    from: self.declared_memory(*src_mem)?.index_64,
                };
                if *dst_mem == 0 && *src_mem == 0 {
                    return self.copy_within(&widths);
                }
                self.ranges(Helper::MemoryCopy, *dst_mem, *src_mem, &widths)
            }
            Op::TableCopy {
                dst_table,
                src_table,
            } => {
                let widths = Widths {
                    to: self.declared_table(*dst_table)?.index_64,
                    from: self.declared_table(*src_table)?.index_64,
                };
                self.ranges(Helper::TableCopy, *dst_table, *src_table, &widths)
            }
            Op::MemoryInit { data_index, mem } => {
                let to = self.declared_memory(*mem)?.index_64;
                let widths = Widths { to, from: false };
                self.ranges(Helper::MemoryInit, *data_index, *mem, &widths)
            }
            Op::TableInit { elem_index, table } => {
                let to = self.declared_table(*table)?.index_64;
                let widths = Widths { to, from: false };
                self.ranges(Helper::TableInit, *elem_index, *table, &widths)
            }
            Op::MemoryFill { mem } => {
                let index_64 = self.declared_memory(*mem)?.index_64;
                self.fill(Helper::MemoryFill, *mem, index_64)
            }
            Op::TableFill { table } => {
                let index_64 = self.declared_table(*table)?.index_64;
                self.fill(Helper::TableFill, *table, index_64)
            }
            Op::DataDrop { data_index } => self.drop_segment(Helper::DataDrop, *data_index),
            Op::ElemDrop { elem_index } => self.drop_segment(Helper::ElementDrop, *elem_index),
            _ => Ok(false),
        }
    }

    /// Calls a helper that answers with the old size or -1, both of which an index holds.
    fn call_growth(&mut self, helper: Helper, arguments: &[Value], index_64: bool) -> Result<bool> {
        let old = self
            .call_helper(helper, arguments)
            .ok_or_else(|| missing("helper result"))?;
        let old = self.narrow_index(index_64, old);
        self.push(old);
        Ok(true)
    }

    /// A copy within memory 0.
    fn copy_within(&mut self, widths: &Widths) -> Result<bool> {
        let ranges = self.pop3()?;
        let (to, from, length) = ranges;
        let long = |this: &mut Self| this.call_ranges(Helper::MemoryCopy, 0, 0, ranges, widths);
        if !self.short(Short::Copy { from }, to, length, long)? {
            self.call_ranges(Helper::MemoryCopy, 0, 0, ranges, widths);
        }
        Ok(true)
    }

    fn ranges(&mut self, helper: Helper, first: u32, second: u32, widths: &Widths) -> Result<bool> {
        let ranges = self.pop3()?;
        self.call_ranges(helper, first, second, ranges, widths);
        Ok(true)
    }

    /// `(first index, second index, to, from, length)`
    fn call_ranges(
        &mut self,
        helper: Helper,
        first: u32,
        second: u32,
        (to, from, length): (Value, Value, Value),
        widths: &Widths,
    ) {
        let (first, second) = (self.index(first), self.index(second));
        let to = self.wide_index(widths.to, to);
        let from = self.wide_index(widths.from, from);
        let length = self.wide_index(widths.to && widths.from, length);
        self.call_helper(helper, &[first, second, to, from, length]);
    }

    fn fill(&mut self, helper: Helper, index: u32, index_64: bool) -> Result<bool> {
        let operands = self.pop3()?;
        let (to, with, length) = operands;
        let long = |this: &mut Self| this.call_fill(helper, index, operands, index_64);
        let first = helper == Helper::MemoryFill && index == 0;
        if !first || !self.short(Short::Fill { with }, to, length, long)? {
            self.call_fill(helper, index, operands, index_64);
        }
        Ok(true)
    }

    /// `(index, to, value, length)`
    fn call_fill(
        &mut self,
        helper: Helper,
        index: u32,
        (to, value, length): (Value, Value, Value),
        index_64: bool,
    ) {
        let index = self.index(index);
        let to = self.wide_index(index_64, to);
        let length = self.wide_index(index_64, length);
        self.call_helper(helper, &[index, to, value, length]);
    }

    fn drop_segment(&mut self, helper: Helper, segment: u32) -> Result<bool> {
        let segment = self.index(segment);
        self.call_helper(helper, &[segment]);
        Ok(true)
    }

    pub(super) fn call_helper(&mut self, helper: Helper, arguments: &[Value]) -> Option<Value> {
        let callee = self.callee(Target::HelperStub(helper), || abi::helper_signature(helper));
        let mut all = vec![self.vmctx];
        all.extend_from_slice(arguments);
        let call = self.ins().call(callee, &all);
        self.builder.inst_results(call).first().copied()
    }
}
