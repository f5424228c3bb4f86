//! Atomic operators: <https://github.com/WebAssembly/threads/blob/main/proposals/threads/Overview.md>.
//!
//! No memory is shared between guests, so programs compiled for threads run alone; but a host's thread may look at what
//! they do, so accesses are atomic all the same. One that is not aligned traps before anything else is looked at. Waiting
//! traps, since nobody could ever notify; notifying wakes nobody.

use super::function::{Translator, trap_code};
use crate::error::Result;
use cranelift_codegen::ir::types::{I8, I16, I32, I64};
use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, MemFlagsData, Type, Value};
use lucet_format::trap::TrapCode;
use wasmparser::{MemArg, Operator as Op};

/// What an operator does with its cell of memory.
#[derive(Clone, Copy)]
enum Action {
    Load,
    Store,
    Modify(AtomicRmwOp),
    CompareExchange,
    Notify,
    Wait,
}

/// An operator on memory.
struct Access<'a> {
    action: Action,
    /// The type of operands and result.
    value: Type,
    /// What is accessed.
    cell: Type,
    memarg: &'a MemArg,
}

/// A line for each operator: what it does, the type of its operands, what it accesses.
macro_rules! accesses {
    ($operator:expr; $($name:ident: $action:expr, $value:ident, $cell:ident;)*) => {
        match $operator {
            $(Op::$name { memarg } => Some(Access { action: $action, value: $value, cell: $cell, memarg }),)*
            _ => None,
        }
    };
}

fn access<'a>(operator: &'a Op<'_>) -> Option<Access<'a>> {
    accesses! { operator;
        I32AtomicLoad: Action::Load, I32, I32;
        I32AtomicLoad8U: Action::Load, I32, I8;
        I32AtomicLoad16U: Action::Load, I32, I16;
        I32AtomicStore: Action::Store, I32, I32;
        I32AtomicStore8: Action::Store, I32, I8;
        I32AtomicStore16: Action::Store, I32, I16;
        I32AtomicRmwAdd: Action::Modify(AtomicRmwOp::Add), I32, I32;
        I32AtomicRmw8AddU: Action::Modify(AtomicRmwOp::Add), I32, I8;
        I32AtomicRmw16AddU: Action::Modify(AtomicRmwOp::Add), I32, I16;
        I32AtomicRmwSub: Action::Modify(AtomicRmwOp::Sub), I32, I32;
        I32AtomicRmw8SubU: Action::Modify(AtomicRmwOp::Sub), I32, I8;
        I32AtomicRmw16SubU: Action::Modify(AtomicRmwOp::Sub), I32, I16;
        I32AtomicRmwAnd: Action::Modify(AtomicRmwOp::And), I32, I32;
        I32AtomicRmw8AndU: Action::Modify(AtomicRmwOp::And), I32, I8;
        I32AtomicRmw16AndU: Action::Modify(AtomicRmwOp::And), I32, I16;
        I32AtomicRmwOr: Action::Modify(AtomicRmwOp::Or), I32, I32;
        I32AtomicRmw8OrU: Action::Modify(AtomicRmwOp::Or), I32, I8;
        I32AtomicRmw16OrU: Action::Modify(AtomicRmwOp::Or), I32, I16;
        I32AtomicRmwXor: Action::Modify(AtomicRmwOp::Xor), I32, I32;
        I32AtomicRmw8XorU: Action::Modify(AtomicRmwOp::Xor), I32, I8;
        I32AtomicRmw16XorU: Action::Modify(AtomicRmwOp::Xor), I32, I16;
        I32AtomicRmwXchg: Action::Modify(AtomicRmwOp::Xchg), I32, I32;
        I32AtomicRmw8XchgU: Action::Modify(AtomicRmwOp::Xchg), I32, I8;
        I32AtomicRmw16XchgU: Action::Modify(AtomicRmwOp::Xchg), I32, I16;
        I32AtomicRmwCmpxchg: Action::CompareExchange, I32, I32;
        I32AtomicRmw8CmpxchgU: Action::CompareExchange, I32, I8;
        I32AtomicRmw16CmpxchgU: Action::CompareExchange, I32, I16;
        I64AtomicLoad: Action::Load, I64, I64;
        I64AtomicLoad8U: Action::Load, I64, I8;
        I64AtomicLoad16U: Action::Load, I64, I16;
        I64AtomicLoad32U: Action::Load, I64, I32;
        I64AtomicStore: Action::Store, I64, I64;
        I64AtomicStore8: Action::Store, I64, I8;
        I64AtomicStore16: Action::Store, I64, I16;
        I64AtomicStore32: Action::Store, I64, I32;
        I64AtomicRmwAdd: Action::Modify(AtomicRmwOp::Add), I64, I64;
        I64AtomicRmw8AddU: Action::Modify(AtomicRmwOp::Add), I64, I8;
        I64AtomicRmw16AddU: Action::Modify(AtomicRmwOp::Add), I64, I16;
        I64AtomicRmw32AddU: Action::Modify(AtomicRmwOp::Add), I64, I32;
        I64AtomicRmwSub: Action::Modify(AtomicRmwOp::Sub), I64, I64;
        I64AtomicRmw8SubU: Action::Modify(AtomicRmwOp::Sub), I64, I8;
        I64AtomicRmw16SubU: Action::Modify(AtomicRmwOp::Sub), I64, I16;
        I64AtomicRmw32SubU: Action::Modify(AtomicRmwOp::Sub), I64, I32;
        I64AtomicRmwAnd: Action::Modify(AtomicRmwOp::And), I64, I64;
        I64AtomicRmw8AndU: Action::Modify(AtomicRmwOp::And), I64, I8;
        I64AtomicRmw16AndU: Action::Modify(AtomicRmwOp::And), I64, I16;
        I64AtomicRmw32AndU: Action::Modify(AtomicRmwOp::And), I64, I32;
        I64AtomicRmwOr: Action::Modify(AtomicRmwOp::Or), I64, I64;
        I64AtomicRmw8OrU: Action::Modify(AtomicRmwOp::Or), I64, I8;
        I64AtomicRmw16OrU: Action::Modify(AtomicRmwOp::Or), I64, I16;
        I64AtomicRmw32OrU: Action::Modify(AtomicRmwOp::Or), I64, I32;
        I64AtomicRmwXor: Action::Modify(AtomicRmwOp::Xor), I64, I64;
        I64AtomicRmw8XorU: Action::Modify(AtomicRmwOp::Xor), I64, I8;
        I64AtomicRmw16XorU: Action::Modify(AtomicRmwOp::Xor), I64, I16;
        I64AtomicRmw32XorU: Action::Modify(AtomicRmwOp::Xor), I64, I32;
        I64AtomicRmwXchg: Action::Modify(AtomicRmwOp::Xchg), I64, I64;
        I64AtomicRmw8XchgU: Action::Modify(AtomicRmwOp::Xchg), I64, I8;
        I64AtomicRmw16XchgU: Action::Modify(AtomicRmwOp::Xchg), I64, I16;
        I64AtomicRmw32XchgU: Action::Modify(AtomicRmwOp::Xchg), I64, I32;
        I64AtomicRmwCmpxchg: Action::CompareExchange, I64, I64;
        I64AtomicRmw8CmpxchgU: Action::CompareExchange, I64, I8;
        I64AtomicRmw16CmpxchgU: Action::CompareExchange, I64, I16;
        I64AtomicRmw32CmpxchgU: Action::CompareExchange, I64, I32;
        MemoryAtomicNotify: Action::Notify, I32, I32;
        MemoryAtomicWait32: Action::Wait, I32, I32;
        MemoryAtomicWait64: Action::Wait, I64, I64;
    }
}

impl Translator<'_> {
    /// Atomic operators.
    pub(super) fn atomic(&mut self, operator: &Op<'_>) -> Result<bool> {
        if let Op::AtomicFence { .. } = operator {
            self.ins().fence();
            return Ok(true);
        }
        let Some(access) = access(operator) else {
            return Ok(false);
        };
        match access.action {
            Action::Load => self.atomic_load(&access)?,
            Action::Store => self.atomic_store(&access)?,
            Action::Modify(operation) => self.atomic_modify(&access, operation)?,
            Action::CompareExchange => self.atomic_compare_exchange(&access)?,
            Action::Notify => self.atomic_notify(&access)?,
            Action::Wait => self.atomic_wait(&access)?,
        }
        Ok(true)
    }

    fn atomic_load(&mut self, access: &Access<'_>) -> Result<()> {
        let index = self.pop()?;
        if let Some((address, flags)) = self.cell(index, access)? {
            let value = self.ins().atomic_load(access.cell, flags, address);
            self.push_widened(value, access);
        }
        Ok(())
    }

    fn atomic_store(&mut self, access: &Access<'_>) -> Result<()> {
        let (index, value) = self.pop2()?;
        if let Some((address, flags)) = self.cell(index, access)? {
            let value = self.narrowed(value, access);
            self.ins().atomic_store(flags, value, address);
        }
        Ok(())
    }

    fn atomic_modify(&mut self, access: &Access<'_>, operation: AtomicRmwOp) -> Result<()> {
        let (index, operand) = self.pop2()?;
        if let Some((address, flags)) = self.cell(index, access)? {
            let operand = self.narrowed(operand, access);
            let old = self
                .ins()
                .atomic_rmw(access.cell, flags, operation, address, operand);
            self.push_widened(old, access);
        }
        Ok(())
    }

    fn atomic_compare_exchange(&mut self, access: &Access<'_>) -> Result<()> {
        let (index, expected, replacement) = self.pop3()?;
        if let Some((address, flags)) = self.cell(index, access)? {
            let expected = self.narrowed(expected, access);
            let replacement = self.narrowed(replacement, access);
            let old = self.ins().atomic_cas(flags, address, expected, replacement);
            self.push_widened(old, access);
        }
        Ok(())
    }

    fn atomic_notify(&mut self, access: &Access<'_>) -> Result<()> {
        let (index, _) = self.pop2()?;
        if self.touch(index, access)? {
            let nobody = self.zero(I32);
            self.push(nobody);
        }
        Ok(())
    }

    fn atomic_wait(&mut self, access: &Access<'_>) -> Result<()> {
        let (index, _, _) = self.pop3()?;
        if self.touch(index, access)? {
            self.trap(TrapCode::UnsharedWait);
        }
        Ok(())
    }

    /// Traps unless the cell is aligned and lies in memory. Answers whether it can.
    fn touch(&mut self, index: Value, access: &Access<'_>) -> Result<bool> {
        let Some((address, flags)) = self.cell(index, access)? else {
            return Ok(false);
        };
        self.ins().load(access.cell, flags, address, 0);
        Ok(true)
    }

    /// The address of an aligned cell and how to access it; `None` when there is none, which ends the block.
    fn cell(&mut self, index: Value, access: &Access<'_>) -> Result<Option<(Value, MemFlagsData)>> {
        let bytes = access.cell.bytes();
        if bytes > 1 {
            let mask = u64::from(bytes - 1);
            // The low bits of the sum, whatever is lost at the other end.
            let offset = (access.memarg.offset & mask).cast_signed();
            let position = self.ins().iadd_imm_s(index, offset);
            let beside = self.ins().band_imm_u(position, mask.cast_signed());
            self.ins().trapnz(beside, trap_code(TrapCode::Unaligned));
        }
        let Some(place) = self.place(index, access.memarg, bytes)? else {
            return Ok(None);
        };
        let address = self
            .ins()
            .iadd_imm_s(place.address, i64::from(place.offset));
        Ok(Some((address, place.flags)))
    }

    fn narrowed(&mut self, value: Value, access: &Access<'_>) -> Value {
        if access.cell == access.value {
            return value;
        }
        self.ins().ireduce(access.cell, value)
    }

    fn push_widened(&mut self, value: Value, access: &Access<'_>) {
        let value = if access.cell == access.value {
            value
        } else {
            self.ins().uextend(access.value, value)
        };
        self.push(value);
    }
}
