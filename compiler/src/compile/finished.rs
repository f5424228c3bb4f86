//! What the code generator says of finished code, in our terms: relocations, traps, calls with handlers, positions.
//!
//! Whatever it says that is not expected is an error of ours.

use crate::abi;
use crate::code::{CallSite, Relocation};
use crate::error::{Error, Result};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::{
    FinalizedMachCallSite, FinalizedMachExceptionHandler, FinalizedMachReloc, FinalizedRelocTarget,
    MachTrap, ir,
};
use lucet_format::trap::TrapCode;

/// A distance to one of our targets; nothing else is expected.
pub fn relocation(
    at: &FinalizedMachReloc,
    names: &ir::function::FunctionParameters,
) -> Result<Relocation> {
    let unexpected = || Error::Internal(format!("unexpected relocation {at:?}"));
    if !matches!(at.kind, Reloc::X86CallPCRel4 | Reloc::X86PCRel4) {
        return Err(unexpected());
    }
    let FinalizedRelocTarget::ExternalName(ir::ExternalName::User(name)) = &at.target else {
        return Err(unexpected());
    };
    let name = names.user_named_funcs().get(*name).ok_or_else(unexpected)?;
    let target = abi::target_named(name).ok_or_else(unexpected)?;
    Ok(Relocation {
        offset: at.offset,
        target,
        addend: at.addend,
    })
}

/// Our numbers of the instructions that may trap. The code generator has some of its own.
pub fn traps(found: &[MachTrap]) -> Result<Vec<(u32, TrapCode)>> {
    let mut traps: Vec<(u32, TrapCode)> = Vec::with_capacity(found.len());
    for trap in found {
        let code = match trap.code {
            ir::TrapCode::STACK_OVERFLOW => Some(TrapCode::Stack),
            ir::TrapCode::INTEGER_OVERFLOW => Some(TrapCode::IntegerOverflow),
            ir::TrapCode::HEAP_OUT_OF_BOUNDS => Some(TrapCode::Memory),
            ir::TrapCode::INTEGER_DIVISION_BY_ZERO => Some(TrapCode::DivideByZero),
            ir::TrapCode::BAD_CONVERSION_TO_INTEGER => Some(TrapCode::Conversion),
            user => TrapCode::from_number(u32::from(user.as_raw().get())),
        };
        let code =
            code.ok_or_else(|| Error::Internal(format!("unexpected trap {:?}", trap.code)))?;
        traps.push((trap.offset, code));
    }
    traps.sort_by_key(|(offset, _)| *offset);
    traps.dedup_by_key(|(offset, _)| *offset);
    Ok(traps)
}

/// The calls that have handlers.
pub fn calls<'a>(found: impl Iterator<Item = FinalizedMachCallSite<'a>>) -> Result<Vec<CallSite>> {
    let unexpected =
        |what: &dyn std::fmt::Debug| Error::Internal(format!("unexpected {what:?} of a call"));
    let mut calls = Vec::new();
    for call in found.filter(|call| !call.exception_handlers.is_empty()) {
        let frame = call.frame_offset.ok_or_else(|| unexpected(&call))?;
        let handlers = call.exception_handlers.iter().map(|handler| match handler {
            FinalizedMachExceptionHandler::Tag(tag, offset) => Ok((Some(tag.as_u32()), *offset)),
            FinalizedMachExceptionHandler::Default(offset) => Ok((None, *offset)),
            context @ FinalizedMachExceptionHandler::Context(_) => Err(unexpected(context)),
        });
        calls.push(CallSite {
            offset: call.ret_addr,
            frame,
            handlers: handlers.collect::<Result<_>>()?,
        });
    }

    Ok(calls)
}

/// Where instructions come from, without gaps: the first entry is at offset 0.
pub fn positions(
    found: &[cranelift_codegen::MachSrcLoc<cranelift_codegen::Final>],
) -> Vec<(u32, Option<u32>)> {
    let mut positions: Vec<(u32, Option<u32>)> = Vec::new();
    let mut add = |offset: u32, wasm: Option<u32>| {
        if positions.last().is_some_and(|(last, _)| *last == offset) {
            positions.pop();
        }
        if positions.last().is_none_or(|(_, before)| *before != wasm) {
            positions.push((offset, wasm));
        }
    };
    add(0, None);
    let mut covered = 0;
    for range in found {
        if range.start > covered {
            add(covered, None);
        }
        let known = !range.loc.is_default();
        add(range.start, known.then_some(range.loc.bits()));
        covered = range.end;
    }
    positions
}
