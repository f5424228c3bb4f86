//! One thing that a host offers: its type, whether it fits an import, and what a module's tables get of it.

use crate::abi::{lucet_dynamic_function, lucet_value};
use crate::checks::Plan;
use crate::context;
use crate::control::ImportTarget;
use crate::counted::{Counted, try_collect};
use crate::error::{Result, Status, error};
use crate::exception::HostTag;
use crate::linking::{Bridge, Offer, Offered};
use crate::module::signature::{self, Packed};
use lucet_format::image::Image;
use lucet_format::image::records::FunctionType;
use lucet_format::value::ValueType;
use std::ffi::c_void;
use std::fmt;

use super::DynamicData;

/// A function that is given its arguments as an array.
pub type DynamicFunction = unsafe extern "C" fn(
    *mut crate::abi::lucet_call,
    *mut c_void,
    *const lucet_value,
    *mut lucet_value,
);
const _: () = assert!(size_of::<lucet_dynamic_function>() == size_of::<DynamicFunction>());

/// Something that a guest can import.
pub enum Definition {
    /// A C function with the types of its own parameters.
    Typed {
        /// The function, whose first parameter is the `lucet_call *`.
        function: *const (),
        /// Its type, see [`signature::unpack`].
        types: u64,
        /// Whether it runs on the guest's stack.
        leaf: bool,
        /// What `lucet_call_data` answers.
        data: *mut c_void,
    },
    /// A C function whose parameters have checks.
    Checked {
        /// What is checked, and the function.
        plan: Counted<Plan>,
        /// Whether it runs on the guest's stack.
        leaf: bool,
        /// What `lucet_call_data` answers.
        data: *mut c_void,
    },
    /// A C function that is given arrays.
    Dynamic {
        /// The parameters.
        parameters: Vec<ValueType>,
        /// The results.
        results: Vec<ValueType>,
        /// The function.
        function: DynamicFunction,
        /// Its data.
        data: Counted<DynamicData>,
    },
    /// A global that does not change.
    Global(lucet_value),
    /// A tag of exceptions.
    Tag(Counted<HostTag>),
    /// An export of an instance.
    Export(Offer),
}

// SAFETY: the pointers are the host's, which has promised to make them usable from any thread that runs instances.
unsafe impl Send for Definition {}
// SAFETY: as above.
unsafe impl Sync for Definition {}

impl Definition {
    /// A [`Definition::Dynamic`].
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn dynamic(
        parameters: &[ValueType],
        results: &[ValueType],
        function: DynamicFunction,
        data: Counted<DynamicData>,
    ) -> Result<Definition> {
        let list = |types: &[ValueType]| try_collect(types.iter().copied(), "a function type");
        Ok(Definition::Dynamic {
            parameters: list(parameters)?,
            results: list(results)?,
            function,
            data,
        })
    }

    /// Whether it is a function.
    pub fn is_function(&self) -> bool {
        match self {
            Definition::Export(offer) => matches!(offer.what, Offered::Function { .. }),
            Definition::Global(_) | Definition::Tag(_) => false,
            _ => true,
        }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Definition::Typed { .. } | Definition::Checked { .. } | Definition::Dynamic { .. } => {
                "a function"
            }
            Definition::Global(_) => "a global",
            Definition::Tag(_) => "a tag",
            Definition::Export(offer) => offer.what.kind(),
        }
    }

    /// Whether it is a function of this type.
    pub fn has_type(&self, image: &Image<'_>, function_type: &FunctionType) -> bool {
        match self {
            Definition::Typed { types, .. } => signature::unpack(*types)
                .is_ok_and(|packed: Packed| packed.is(image, function_type)),
            Definition::Checked { plan, .. } => {
                plan.parameters
                    .iter()
                    .copied()
                    .eq(image.parameters(function_type))
                    && plan.result.into_iter().eq(image.results(function_type))
            }
            Definition::Dynamic {
                parameters,
                results,
                ..
            } => {
                parameters
                    .iter()
                    .copied()
                    .eq(image.parameters(function_type))
                    && results.iter().copied().eq(image.results(function_type))
            }
            Definition::Export(Offer {
                what:
                    Offered::Function {
                        parameters,
                        results,
                        ..
                    },
                ..
            }) => {
                parameters
                    .iter()
                    .copied()
                    .eq(image.parameters(function_type))
                    && results.iter().copied().eq(image.results(function_type))
            }
            Definition::Global(_) | Definition::Tag(_) | Definition::Export(_) => false,
        }
    }

    /// Its type, for messages.
    pub fn type_display(&self) -> impl fmt::Display + '_ {
        TypeDisplay(self)
    }

    /// The plan of its checks.
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Definition::Checked { plan, .. } => Some(plan),
            _ => None,
        }
    }

    /// The row of an import table that leads to it, and what must live as long as the row is used. `checked`: the caller checks its
    /// arguments. `poison`: its views are over with the call.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn row(&self, checked: bool, poison: bool) -> Result<(ImportTarget, Option<Kept>)> {
        Ok(match self {
            Definition::Typed {
                function,
                types,
                leaf,
                data,
            } => {
                if poison {
                    // The views that it asks for end with it as well.
                    let plan = Counted::new(Plan::without_checks(*function, *types)?)?;
                    let row = planned(&plan, context::poisoned_thunk as *const (), *leaf, *data);
                    return Ok((row, Some(Kept::Plan(plan))));
                }
                (direct(*function, *leaf, *data), None)
            }
            Definition::Checked { plan, leaf, data } => {
                let row = match (poison, checked) {
                    (false, true) => direct(plan.function, *leaf, *data),
                    (true, true) => {
                        let thunk = context::poisoned_passing_thunk as *const ();
                        planned(plan, thunk, *leaf, *data)
                    }
                    (true, false) => {
                        planned(plan, context::poisoned_thunk as *const (), *leaf, *data)
                    }
                    (false, false) if plan.in_place => {
                        planned(plan, context::checked_ranges as *const (), *leaf, *data)
                    }
                    (false, false) => {
                        planned(plan, context::checked_thunk as *const (), *leaf, *data)
                    }
                };
                (row, Some(Kept::Plan(plan.clone())))
            }
            Definition::Dynamic { function, data, .. } => {
                let row = ImportTarget {
                    function: context::dynamic_thunk as *const (),
                    data: data.data.cast(),
                    dynamic: *function as *const (),
                    flags: if poison { ImportTarget::POISON } else { 0 },
                    ..ImportTarget::EMPTY
                };
                (row, Some(Kept::Data(data.clone())))
            }
            Definition::Global(_) | Definition::Tag(_) | Definition::Export(_) => {
                (ImportTarget::EMPTY, None)
            }
        })
    }
}

/// A row that leads to a function itself.
fn direct(function: *const (), leaf: bool, data: *mut c_void) -> ImportTarget {
    ImportTarget {
        function,
        data: data.cast(),
        flags: if leaf { ImportTarget::LEAF } else { 0 },
        ..ImportTarget::EMPTY
    }
}

/// A row that leads to a function through a thunk, which has a plan.
fn planned(plan: &Counted<Plan>, thunk: *const (), leaf: bool, data: *mut c_void) -> ImportTarget {
    ImportTarget {
        dynamic: Counted::as_ptr(plan).cast(),
        ..direct(thunk, leaf, data)
    }
}

/// What rows of an import table point at.
pub enum Kept {
    /// See [`Definition::Checked`].
    Plan(Counted<Plan>),
    /// See [`Definition::Dynamic`].
    Data(Counted<DynamicData>),
    /// A function of another instance.
    Bridge(Counted<Bridge>),
}

struct TypeDisplay<'a>(&'a Definition);

impl fmt::Display for TypeDisplay<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Definition::Typed { types, .. } => match signature::unpack(*types) {
                Ok(packed) => write!(out, "{packed}"),
                Err(_) => write!(out, "{types:#x}"),
            },
            Definition::Checked { plan, .. } => signature::write_type(
                out,
                plan.parameters.iter().copied(),
                plan.result.into_iter(),
            ),
            Definition::Dynamic {
                parameters,
                results,
                ..
            } => signature::write_type(out, parameters.iter().copied(), results.iter().copied()),
            Definition::Export(Offer {
                what:
                    Offered::Function {
                        parameters,
                        results,
                        ..
                    },
                ..
            }) => signature::write_type(out, parameters.iter().copied(), results.iter().copied()),
            Definition::Global(_) | Definition::Tag(_) | Definition::Export(_) => {
                out.write_str(self.0.kind())
            }
        }
    }
}

/// That it makes sense.
pub(super) fn check(definition: &Definition) -> Result<()> {
    match definition {
        Definition::Typed {
            types, function, ..
        } => {
            signature::unpack(*types)?;
            if function.is_null() {
                return Err(error!(Status::NullArgument, "the function is NULL"));
            }
            Ok(())
        }
        Definition::Checked { plan, .. } if plan.function.is_null() => {
            Err(error!(Status::NullArgument, "the function is NULL"))
        }
        Definition::Checked { .. }
        | Definition::Dynamic { .. }
        | Definition::Tag(_)
        | Definition::Export(_) => Ok(()),
        Definition::Global(value) => check_global(value),
    }
}

fn check_global(value: &lucet_value) -> Result<()> {
    let value_type = u8::try_from(value.r#type)
        .ok()
        .and_then(ValueType::from_number);
    match value_type {
        None => Err(error!(
            Status::BadArgument,
            "{} is not the number of a value type", value.r#type
        )),
        Some(ValueType::Funcref) if value.bits() as u64 != 0 => Err(error!(
            Status::BadArgument,
            "a global of the host can only be a null funcref: functions belong to instances"
        )),
        Some(ValueType::Exnref) if value.bits() as u64 != 0 => Err(error!(
            Status::BadArgument,
            "a global of the host can only be a null exnref: exceptions belong to instances"
        )),
        Some(_) => Ok(()),
    }
}
