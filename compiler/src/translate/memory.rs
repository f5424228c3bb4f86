//! Loads and stores in linear memory 0, and its size.
//!
//! vmctx is the memory's base, so an access is `[vmctx + zero-extended index + offset]`: one operand. Nothing
//! is checked while the offset is below [`UNCHECKED_OFFSET_LIMIT`]: whatever the index, the address lies in
//! the reservation or in the guard behind it, where everything beyond the memory's length faults.

use super::function::Translator;
use super::variable::below;
use crate::error::Result;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F64, I32, I64};
use cranelift_codegen::ir::{Inst, InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FuncInstBuilder;
use lucet_format::WASM_PAGE_SIZE;
use lucet_format::contract::UNCHECKED_OFFSET_LIMIT;
use lucet_format::trap::TrapCode;
use lucet_format::vmctx::MEMORY_BYTES;
use wasmparser::{MemArg, Operator as Op};

/// Pages of the largest 32-bit memory.
const MAX_PAGES: u64 = 1 << 16;

/// An instruction that loads, of those with the usual operands.
type Load<'a> = fn(FuncInstBuilder<'_, 'a>, MemFlagsData, Value, i32) -> Value;
/// An instruction that stores.
type Store<'a> = fn(FuncInstBuilder<'_, 'a>, MemFlagsData, Value, Value, i32) -> Inst;

impl<'a> Translator<'a> {
    /// Loads.
    pub(super) fn load(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I32Load { memarg } => self.load_whole(memarg, I32),
            Op::I64Load { memarg } => self.load_whole(memarg, I64),
            Op::F32Load { memarg } => self.load_whole(memarg, F32),
            Op::F64Load { memarg } => self.load_whole(memarg, F64),
            Op::I32Load8S { memarg } => {
                self.load_with(memarg, 1, |ins, flags, p, at| ins.sload8(I32, flags, p, at))
            }
            Op::I32Load8U { memarg } => {
                self.load_with(memarg, 1, |ins, flags, p, at| ins.uload8(I32, flags, p, at))
            }
            Op::I32Load16S { memarg } => self.load_with(memarg, 2, |ins, flags, p, at| {
                ins.sload16(I32, flags, p, at)
            }),
            Op::I32Load16U { memarg } => self.load_with(memarg, 2, |ins, flags, p, at| {
                ins.uload16(I32, flags, p, at)
            }),
            Op::I64Load8S { memarg } => {
                self.load_with(memarg, 1, |ins, flags, p, at| ins.sload8(I64, flags, p, at))
            }
            Op::I64Load8U { memarg } => {
                self.load_with(memarg, 1, |ins, flags, p, at| ins.uload8(I64, flags, p, at))
            }
            Op::I64Load16S { memarg } => self.load_with(memarg, 2, |ins, flags, p, at| {
                ins.sload16(I64, flags, p, at)
            }),
            Op::I64Load16U { memarg } => self.load_with(memarg, 2, |ins, flags, p, at| {
                ins.uload16(I64, flags, p, at)
            }),
            Op::I64Load32S { memarg } => {
                self.load_with(memarg, 4, |ins, flags, p, at| ins.sload32(flags, p, at))
            }
            Op::I64Load32U { memarg } => {
                self.load_with(memarg, 4, |ins, flags, p, at| ins.uload32(flags, p, at))
            }
            _ => Ok(false),
        }
    }

    /// Stores, and the memory's size.
    pub(super) fn store(&mut self, operator: &Op<'_>) -> Result<bool> {
        match operator {
            Op::I32Store { memarg }
            | Op::F32Store { memarg }
            | Op::I64Store { memarg }
            | Op::F64Store { memarg } => {
                let bytes = if matches!(operator, Op::I32Store { .. } | Op::F32Store { .. }) {
                    4
                } else {
                    8
                };
                self.store_with(memarg, bytes, |ins, flags, value, p, at| {
                    ins.store(flags, value, p, at)
                })
            }
            Op::I32Store8 { memarg } | Op::I64Store8 { memarg } => {
                self.store_with(memarg, 1, |ins, flags, value, p, at| {
                    ins.istore8(flags, value, p, at)
                })
            }
            Op::I32Store16 { memarg } | Op::I64Store16 { memarg } => {
                self.store_with(memarg, 2, |ins, flags, value, p, at| {
                    ins.istore16(flags, value, p, at)
                })
            }
            Op::I64Store32 { memarg } => self.store_with(memarg, 4, |ins, flags, value, p, at| {
                ins.istore32(flags, value, p, at)
            }),
            Op::MemorySize { .. } => {
                let bytes = self.memory_bytes();
                let pages = self
                    .ins()
                    .ushr_imm_u(bytes, i64::from(WASM_PAGE_SIZE.trailing_zeros()));
                let pages = self.ins().ireduce(I32, pages);
                self.push(pages);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    pub(super) fn load_whole(&mut self, memarg: &MemArg, kind: Type) -> Result<bool> {
        let index = self.pop()?;
        if let Some((address, offset)) = self.address(index, memarg, kind.bytes()) {
            let flags = self.flags.memory;
            let value = self.ins().load(kind, flags, address, offset);
            self.push(value);
        }
        Ok(true)
    }

    fn load_with(&mut self, memarg: &MemArg, bytes: u32, load: Load<'a>) -> Result<bool> {
        let index = self.pop()?;
        if let Some((address, offset)) = self.address(index, memarg, bytes) {
            let flags = self.flags.memory;
            let value = load(self.ins(), flags, address, offset);
            self.push(value);
        }
        Ok(true)
    }

    pub(super) fn store_with(
        &mut self,
        memarg: &MemArg,
        bytes: u32,
        store: Store<'a>,
    ) -> Result<bool> {
        let (index, value) = self.pop2()?;
        if let Some((address, offset)) = self.address(index, memarg, bytes) {
            let flags = self.flags.memory;
            store(self.ins(), flags, value, address, offset);
        }
        Ok(true)
    }

    /// Base and offset of an access of `bytes` bytes; `None` when it can only trap, which ends the block.
    pub(super) fn address(
        &mut self,
        index: Value,
        memarg: &MemArg,
        bytes: u32,
    ) -> Option<(Value, i32)> {
        let end = memarg.offset.saturating_add(u64::from(bytes));
        if end > self.most_memory_bytes() {
            self.trap(TrapCode::Memory);
            return None;
        }
        let vmctx = self.vmctx;
        let index = self.widen(index);
        let address = self.ins().iadd(vmctx, index);
        if memarg.offset < UNCHECKED_OFFSET_LIMIT {
            // Below 2^31, so it fits.
            return Some((address, memarg.offset as i32));
        }
        // Neither sum wraps: both operands are below 2^33.
        let address = self.ins().iadd_imm_s(address, memarg.offset.cast_signed());
        let end = self.ins().iadd_imm_s(index, end.cast_signed());
        let length = self.memory_bytes();
        let outside = self.ins().icmp(IntCC::UnsignedGreaterThan, end, length);
        let guard = self.guard_address();
        Some((self.ins().select_spectre_guard(outside, guard, address), 0))
    }

    /// Bytes that memory 0 can ever have.
    fn most_memory_bytes(&self) -> u64 {
        let declared = self
            .module
            .memories
            .first()
            .and_then(|memory| memory.maximum);
        declared.unwrap_or(MAX_PAGES).min(MAX_PAGES) * WASM_PAGE_SIZE
    }

    fn memory_bytes(&mut self) -> Value {
        let (vmctx, flags) = (self.vmctx, self.flags.descriptor);
        self.ins().load(I64, flags, vmctx, below(MEMORY_BYTES))
    }
}
