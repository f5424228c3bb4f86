//! Loads and stores in linear memories, and their sizes.
//!
//! vmctx is the base of a memory 0 that the module defines, so an access to it is `[vmctx + zero-extended index + offset]`: one
//! operand. Where the reservation guards it nothing is checked while the offset is below [`UNCHECKED_OFFSET_LIMIT`]: whatever
//! the index, the address lies in the reservation or in the guard behind it, where everything beyond the memory's length faults.
//!
//! All other accesses compare their end with the memory's length, and go to the trap address where that fails, also when the
//! processor guesses wrong:
//!
//! ```text
//!   outside = index + offset + bytes > length          without wrapping
//!   base    = outside ? trap address : base of the memory + index
//!   access  [base + offset]                            an offset below 2 GiB stays in the guard behind the trap address
//! ```
//!
//! Memories never move and never shrink, so bases can be loaded once and lengths only grow.

use super::function::{Translator, missing};
use super::variable::below;
use crate::error::Result;
use crate::module::{Memory, MemoryPlace};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F64, I32, I64};
use cranelift_codegen::ir::{Inst, InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FuncInstBuilder;
use lucet_format::contract::UNCHECKED_OFFSET_LIMIT;
use lucet_format::trap::TrapCode;
use lucet_format::vmctx::{MEMORY_BASE, MEMORY_BYTES, MEMORY_LENGTH};
use wasmparser::{MemArg, MemArgTarget, Operator as Op};

/// An instruction that loads, of those with the usual operands.
type Load<'a> = fn(FuncInstBuilder<'_, 'a>, MemFlagsData, Value, i32) -> Value;
/// An instruction that stores.
type Store<'a> = fn(FuncInstBuilder<'_, 'a>, MemFlagsData, Value, Value, i32) -> Inst;

/// Where an access goes, after every check.
pub(super) struct Place {
    pub(super) flags: MemFlagsData,
    pub(super) address: Value,
    pub(super) offset: i32,
}

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
            Op::MemorySize { mem } => {
                let memory = self.declared_memory(*mem)?;
                let bytes = self.memory_length(memory);
                let pages = self
                    .ins()
                    .ushr_imm_u(bytes, i64::from(memory.page_size_log2));
                let pages = self.narrow_index(memory.index_64, pages);
                self.push(pages);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    pub(super) fn load_whole(&mut self, memarg: &MemArg, kind: Type) -> Result<bool> {
        let index = self.pop()?;
        if let Some(place) = self.place(index, memarg, kind.bytes())? {
            let value = self
                .ins()
                .load(kind, place.flags, place.address, place.offset);
            self.push(value);
        }
        Ok(true)
    }

    fn load_with(&mut self, memarg: &MemArg, bytes: u32, load: Load<'a>) -> Result<bool> {
        let index = self.pop()?;
        if let Some(place) = self.place(index, memarg, bytes)? {
            let value = load(self.ins(), place.flags, place.address, place.offset);
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
        if let Some(place) = self.place(index, memarg, bytes)? {
            store(self.ins(), place.flags, value, place.address, place.offset);
        }
        Ok(true)
    }

    /// Where an access of `bytes` bytes goes; `None` when it can only trap, which ends the block.
    pub(super) fn place(
        &mut self,
        index: Value,
        memarg: &MemArg,
        bytes: u32,
    ) -> Result<Option<Place>> {
        let MemArgTarget::Memory(number) = memarg.target else {
            return Err(missing("memory"));
        };
        let memory = self.declared_memory(number)?;
        let end = memarg.offset.checked_add(u64::from(bytes));
        let Some(end) = end.filter(|end| *end <= memory.maximum_bytes()) else {
            self.trap(TrapCode::Memory);
            return Ok(None);
        };
        let flags = self.memory_flags(number);
        let wide = self.wide_index(memory.index_64, index);
        if memarg.offset >= UNCHECKED_OFFSET_LIMIT {
            let base = self.memory_base(memory);
            let address = self.ins().iadd(base, wide);
            let offset = memarg.offset.cast_signed();
            let address = self.ins().iadd_imm_s(address, offset);
            return Ok(Some(Place {
                flags,
                address: self.inside(memory, wide, end, address),
                offset: 0,
            }));
        }
        let known = self.checks.find(number, index, end);
        let address = match known {
            Some(base) => base,
            None => {
                let base = self.memory_base(memory);
                let address = self.ins().iadd(base, wide);
                if memory.place == MemoryPlace::Guarded {
                    address
                } else {
                    let address = self.inside(memory, wide, end, address);
                    self.checks.note(number, index, end, address);
                    address
                }
            }
        };
        Ok(Some(Place {
            flags,
            address,
            // Below 2^31, so it fits.
            offset: memarg.offset as i32,
        }))
    }

    /// An address if `index + end` is not beyond the memory's length, else the trap address.
    fn inside(&mut self, memory: &Memory, index: Value, end: u64, address: Value) -> Value {
        let outside = self.is_outside(memory, index, end);
        let trap = self.trap_address();
        self.ins().select_spectre_guard(outside, trap, address)
    }

    /// Whether `index + end` is beyond the memory's length. `index` has 64 bits; `end` is at most the memory's maximum.
    fn is_outside(&mut self, memory: &Memory, index: Value, end: u64) -> Value {
        const BEYOND: IntCC = IntCC::UnsignedGreaterThan;
        if memory.minimum_bytes() == memory.maximum_bytes() {
            let last = memory.maximum_bytes() - end;
            return self.ins().icmp_imm_u(BEYOND, index, last.cast_signed());
        }
        let length = self.memory_length(memory);
        if !memory.index_64 {
            // Both are below 2^33, so the sum does not wrap.
            let end = self.ins().iadd_imm_s(index, end.cast_signed());
            return self.ins().icmp(BEYOND, end, length);
        }
        // The sum could wrap, so it is not computed.
        let size = self.ins().iconst(I64, end.cast_signed());
        let last = self.ins().isub(length, size);
        let beyond = self.ins().icmp(BEYOND, index, last);
        if end <= memory.minimum_bytes() {
            return beyond;
        }
        let short = self.ins().icmp(BEYOND, size, length);
        self.ins().bor(short, beyond)
    }

    pub(super) fn declared_memory(&self, index: u32) -> Result<&'a Memory> {
        let memory = self.module.memories.get(index as usize);
        memory.ok_or_else(|| missing("memory"))
    }

    /// The address of a memory's first byte.
    fn memory_base(&mut self, memory: &Memory) -> Value {
        let (vmctx, flags) = (self.vmctx, self.flags.constant);
        match memory.place {
            MemoryPlace::Guarded | MemoryPlace::Checked => vmctx,
            MemoryPlace::Described(distance) => {
                let offset = below(distance) + MEMORY_BASE as i32;
                self.ins().load(I64, flags, vmctx, offset)
            }
        }
    }

    /// A memory's length in bytes.
    pub(super) fn memory_length(&mut self, memory: &Memory) -> Value {
        let (vmctx, flags) = (self.vmctx, self.flags.descriptor);
        let offset = match memory.place {
            MemoryPlace::Guarded | MemoryPlace::Checked => below(MEMORY_BYTES),
            MemoryPlace::Described(distance) if memory.imported => {
                return self.imported_memory_length(distance);
            }
            MemoryPlace::Described(distance) => below(distance) + MEMORY_LENGTH as i32,
        };
        self.ins().load(I64, flags, vmctx, offset)
    }

    /// An index or length of a memory or table with 64-bit indices, or one with 32-bit ones, as 64 bits.
    pub(super) fn wide_index(&mut self, index_64: bool, index: Value) -> Value {
        if index_64 { index } else { self.widen(index) }
    }

    /// A number of 64 bits as an index of such a memory or table.
    pub(super) fn narrow_index(&mut self, index_64: bool, number: Value) -> Value {
        if index_64 {
            number
        } else {
            self.ins().ireduce(I32, number)
        }
    }
}
