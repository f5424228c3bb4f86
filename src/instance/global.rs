//! An instance's globals, as the host uses those that are exported. An imported one that can change is its owner's.

use super::{Handle, Inner, read_state, settled};
use crate::abi::lucet_value;
use crate::control::ControlBlock;
use crate::error::{Result, Status, error};
use crate::instance::run::check_value;
use crate::linking::reference;
use lucet_format::image::records::{ExternKind, FLAG_IMPORTED, FLAG_MUTABLE, Global};
use lucet_format::value::ValueType;

/// A global of an instance.
pub(crate) struct Cell {
    global: Global,
    value_type: ValueType,
    address: usize,
    /// Another instance, whose the global is, if it holds a reference to a function: as that instance has it.
    foreign: Option<&'static ControlBlock>,
}

impl Cell {
    /// The global with this index.
    pub(crate) fn of(block: &ControlBlock, inner: &Inner, index: u32) -> Option<Cell> {
        let global = inner.image().globals().get(index as usize)?;
        let value_type = ValueType::from_number(u8::try_from(global.value_type).ok()?)?;
        let mut address = block.vmctx.get() - global.state_offset as usize;
        let mut foreign = None;
        if global.flags & (FLAG_IMPORTED | FLAG_MUTABLE) == FLAG_IMPORTED | FLAG_MUTABLE {
            // SAFETY: parsing has checked that globals lie within the state.
            address = unsafe { read_state(block, global.state_offset) } as usize;
            let functions = value_type == ValueType::Funcref;
            let shared = &inner.link().ok()?.shared;
            let owner = *shared.globals.get(index as usize)?;
            foreign = owner.filter(|_| functions);
        }
        Some(Cell {
            global,
            value_type,
            address,
            foreign,
        })
    }

    fn words(&self) -> *mut [u64; 2] {
        self.address as *mut [u64; 2]
    }

    fn bits(&self) -> u128 {
        // SAFETY: parsing has checked that globals lie within the state, 16 bytes each; another instance's is kept.
        let [low, high] = unsafe { *self.words() };
        let low = u128::from(low);
        match self.value_type {
            ValueType::I32 | ValueType::F32 => low & 0xffff_ffff,
            ValueType::V128 => low | u128::from(high) << 64,
            _ => low,
        }
    }

    /// The value, as the instance has it that looks at it.
    ///
    /// # Errors
    ///
    /// `Limit`, `NoMemory`.
    pub(crate) fn get(&self, viewer: &ControlBlock) -> Result<u128> {
        match self.foreign {
            Some(owner) => reference::carry(self.bits() as u64, owner, viewer).map(u128::from),
            None => Ok(self.bits()),
        }
    }

    /// Changes it.
    ///
    /// # Errors
    ///
    /// `Limit`, `NoMemory`.
    pub(crate) fn set(&self, viewer: &ControlBlock, mut bits: u128) -> Result<()> {
        if let Some(owner) = self.foreign {
            bits = u128::from(reference::carry(bits as u64, viewer, owner)?);
        }
        // SAFETY: as in `bits`; the guest does not run, or has called out.
        let words = unsafe { &mut *self.words() };
        words[0] = bits as u64;
        if self.value_type == ValueType::V128 {
            words[1] = (bits >> 64) as u64;
        }
        Ok(())
    }
}

fn find(block: &ControlBlock, inner: &Inner, name: &[u8]) -> Result<Cell> {
    let image = inner.image();
    let export = image
        .export(name)
        .filter(|(_, export)| export.kind == ExternKind::Global as u32);
    let cell = export.and_then(|(_, export)| Cell::of(block, inner, export.index));
    cell.ok_or_else(|| {
        error!(
            Status::NotFound,
            "the module exports no global \"{}\"",
            name.escape_ascii()
        )
    })
}

/// The value of an exported global.
///
/// # Errors
///
/// `NotFound`, `Stale`, `WrongProcess`.
pub fn get(handle: Handle, name: &[u8]) -> Result<lucet_value> {
    let (block, inner) = settled(handle)?;
    let cell = find(block, inner, name)?;
    let bits = cell.get(block)?;
    Ok(lucet_value::from_bits(cell.value_type.number(), bits))
}

/// Changes an exported mutable global.
///
/// # Errors
///
/// `NotFound`; `BadArgument` when it is immutable or the reference is not the instance's; `TypeMismatch`; `Stale`; `WrongProcess`.
pub fn set(handle: Handle, name: &[u8], value: &lucet_value) -> Result<()> {
    let (block, inner) = settled(handle)?;
    let cell = find(block, inner, name)?;
    let value_type = cell.value_type;
    if cell.global.flags & FLAG_MUTABLE == 0 {
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
    cell.set(block, value.bits())
}
