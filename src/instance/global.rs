//! An instance's exported globals.

use super::{Handle, Inner, read_state, settled, write_state};
use crate::abi::lucet_value;
use crate::control::ControlBlock;
use crate::error::{Result, Status, error};
use crate::instance::run::check_value;
use lucet_format::image::records::{ExternKind, FLAG_MUTABLE, Global};
use lucet_format::value::ValueType;

fn find(inner: &Inner, name: &[u8]) -> Result<(Global, ValueType)> {
    let image = inner.image();
    let export = image
        .export(name)
        .filter(|(_, export)| export.kind == ExternKind::Global as u32);
    let global = export.and_then(|(_, export)| image.globals().get(export.index as usize));
    let typed = global.and_then(|global| {
        Some((
            global,
            ValueType::from_number(u8::try_from(global.value_type).ok()?)?,
        ))
    });
    typed.ok_or_else(|| {
        error!(
            Status::NotFound,
            "the module exports no global \"{}\"",
            name.escape_ascii()
        )
    })
}

fn bits(block: &ControlBlock, global: &Global, value_type: ValueType) -> u128 {
    // SAFETY: parsing has checked that globals lie within the state, 16 bytes each.
    let low = u128::from(unsafe { read_state(block, global.state_offset) });
    match value_type {
        ValueType::I32 | ValueType::F32 => low & 0xffff_ffff,
        ValueType::V128 => {
            // SAFETY: as above: the upper half of the same cell.
            let high = u128::from(unsafe { read_state(block, global.state_offset - 8) });
            low | high << 64
        }
        _ => low,
    }
}

/// The value of an exported global.
///
/// # Errors
///
/// `NotFound`, `Stale`, `WrongProcess`.
pub fn get(handle: Handle, name: &[u8]) -> Result<lucet_value> {
    let (block, inner) = settled(handle)?;
    let (global, value_type) = find(inner, name)?;
    Ok(lucet_value::from_bits(
        value_type.number(),
        bits(block, &global, value_type),
    ))
}

/// Changes an exported mutable global.
///
/// # Errors
///
/// `NotFound`; `BadArgument` when it is immutable or the reference is not the instance's; `TypeMismatch`; `Stale`; `WrongProcess`.
pub fn set(handle: Handle, name: &[u8], value: &lucet_value) -> Result<()> {
    let (block, inner) = settled(handle)?;
    let (global, value_type) = find(inner, name)?;
    if global.flags & FLAG_MUTABLE == 0 {
        return Err(error!(
            Status::BadArgument,
            "the global \"{}\" is immutable",
            name.escape_ascii()
        ));
    }
    if value.r#type != u32::from(value_type.number()) {
        return Err(error!(
            Status::TypeMismatch,
            "the global \"{}\" has type {}, the value has type number {}",
            name.escape_ascii(),
            value_type.name(),
            value.r#type
        ));
    }
    check_value(inner, value_type, value)?;
    let bits = value.bits();
    // SAFETY: parsing has checked that globals lie within the state, 16 bytes each.
    unsafe { write_state(block, global.state_offset, bits as u64) };
    if value_type == ValueType::V128 {
        // SAFETY: as above.
        unsafe { write_state(block, global.state_offset - 8, (bits >> 64) as u64) };
    }
    Ok(())
}
