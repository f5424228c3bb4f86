//! Which function an entry enters: found by name, handle, index or reference.

use super::Inner;
use crate::abi::lucet_funcref;
use crate::error::{Result, Status, error};
use crate::linking::reference;
use crate::module::Func;
use lucet_format::image::records::FunctionType;

/// A function to enter.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its type.
    pub function_type: FunctionType,
    /// Its text offset.
    pub code: u32,
}

impl Target {
    /// An exported function.
    pub fn export(inner: &Inner, name: &[u8]) -> Result<Target> {
        Target::func(inner, inner.module.func(name)?)
    }

    /// A function handle, which must be one of the instance's module.
    pub fn func(inner: &Inner, func: &Func) -> Result<Target> {
        if func.base != inner.module.code.base() {
            return Err(error!(
                Status::BadArgument,
                "the function belongs to another module than the instance"
            ));
        }
        Target::function(inner, func.function)
    }

    /// A function by its index.
    pub fn function(inner: &Inner, index: u32) -> Result<Target> {
        let image = inner.image();
        let function = image.functions().get(index as usize);
        let found = function.and_then(|function| {
            let function_type = image
                .function_types()
                .get(function.function_type as usize)?;
            image.is_in_text(function.code).then_some(Target {
                function_type,
                code: function.code,
            })
        });
        found.ok_or_else(|| error!(Status::NotFound, "function {index} cannot be entered"))
    }

    /// What a reference refers to.
    pub fn reference(inner: &Inner, reference: lucet_funcref) -> Result<Target> {
        if reference.opaque == 0 {
            return Err(error!(
                Status::BadArgument,
                "the function reference is null"
            ));
        }
        if reference::is_foreign(reference.opaque) {
            return Err(error!(
                Status::BadArgument,
                "the reference is to a function of another instance: only guests can call it"
            ));
        }
        Target::numbered(inner, reference.opaque)
    }

    /// The function that has this number among those of the module that can be referred to.
    pub fn numbered(inner: &Inner, number: u64) -> Result<Target> {
        let image = inner.image();
        let record = usize::try_from(number)
            .ok()
            .and_then(|number| image.funcrefs().get(number));
        let found = record.and_then(|record| {
            let function_type = image.function_types().get(record.function_type as usize)?;
            image.is_in_text(record.code).then_some(Target {
                function_type,
                code: record.code,
            })
        });
        found.ok_or_else(|| {
            error!(
                Status::BadArgument,
                "this is no function reference of the instance"
            )
        })
    }
}
