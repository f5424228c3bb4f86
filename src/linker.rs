//! What a host offers to its guests, by module and name: functions, constant globals, tags, and what instances export.
//!
//! Invariants: names are unique; a definition never changes once made. A linker is read while a module is linked, and
//! not needed afterwards: what a module uses of it, the module counts.

use crate::abi::{lucet_dynamic_function, lucet_value};
use crate::checks::Plan;
use crate::context;
use crate::control::ImportTarget;
use crate::counted::{Counted, try_collect};
use crate::error::{Error, Result, Status, error};
use crate::exception::HostTag;
use crate::linking::{Bridge, Offer, Offered};
use crate::module::signature::{self, Packed};
use lucet_format::image::Image;
use lucet_format::image::records::FunctionType;
use lucet_format::value::ValueType;
use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// A function that is given its arguments as an array.
pub type DynamicFunction = unsafe extern "C" fn(
    *mut crate::abi::lucet_call,
    *mut c_void,
    *const lucet_value,
    *mut lucet_value,
);
const _: () = assert!(size_of::<lucet_dynamic_function>() == size_of::<DynamicFunction>());

/// The host's data of a definition, released with the last linker or module that uses it.
pub struct DynamicData {
    data: *mut c_void,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
    owned: AtomicBool,
}

// SAFETY: the host has promised data and release function that can be used from any thread.
unsafe impl Send for DynamicData {}
// SAFETY: as above.
unsafe impl Sync for DynamicData {}

impl DynamicData {
    /// Data, and what is called when nobody uses it any more.
    ///
    /// # Errors
    ///
    /// `NoMemory`; the data is not released then.
    pub fn new(
        data: *mut c_void,
        release: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> Result<Counted<DynamicData>> {
        Counted::new_with(|| DynamicData {
            data,
            release,
            owned: AtomicBool::new(true),
        })
    }
}

impl DynamicData {
    /// Gives the data back to the caller: it will not be released.
    pub fn disown(&self) {
        self.owned.store(false, Ordering::Relaxed);
    }
}

impl Drop for DynamicData {
    fn drop(&mut self) {
        if let Some(release) = self.release.filter(|_| *self.owned.get_mut()) {
            // SAFETY: the host's promise when it defined the function; called once.
            unsafe { release(self.data) };
        }
    }
}

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

/// See the file's header.
#[derive(Default)]
pub struct Linker {
    definitions: HashMap<Vec<u8>, Definition>,
    trap_missing: bool,
    poison_views: bool,
}

impl Linker {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// None at present; allocation happens with the first definition.
    pub fn new() -> Result<Linker> {
        Ok(Linker::default())
    }

    /// Adds a definition.
    ///
    /// # Errors
    ///
    /// `BadArgument`: the name is taken, or the definition makes no sense; `NoMemory`. The linker is as it was.
    pub fn define(&mut self, module: &[u8], name: &[u8], definition: Definition) -> Result<()> {
        check(&definition)?;
        let key = key(module, name)?;
        if self.definitions.contains_key(&key) {
            return Err(error!(
                Status::BadArgument,
                "\"{}\" \"{}\" is defined already",
                module.escape_ascii(),
                name.escape_ascii()
            ));
        }
        self.definitions
            .try_reserve(1)
            .map_err(|_| Error::no_memory("a definition"))?;
        self.definitions.insert(key, definition);
        Ok(())
    }

    /// Whether something is defined.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn lookup(&self, module: &[u8], name: &[u8]) -> Result<Option<&Definition>> {
        Ok(self.definitions.get(&key(module, name)?))
    }

    /// Takes back a definition that was just made, for callers that define several at once or none.
    pub fn undefine(&mut self, module: &[u8], name: &[u8]) {
        if let Ok(key) = key(module, name) {
            self.definitions.remove(&key);
        }
    }

    /// From now on, functions that nobody defines trap when they are called, instead of failing the link.
    pub fn trap_missing(&mut self) {
        self.trap_missing = true;
    }

    /// Whether they do.
    pub fn traps_missing(&self) -> bool {
        self.trap_missing
    }

    /// From now on, modules are linked so that the views of host functions are over with the call.
    pub fn poison_views(&mut self) {
        self.poison_views = true;
    }

    /// Whether they are.
    pub fn poisons_views(&self) -> bool {
        self.poison_views
    }
}

/// Module and name in one, unambiguously: wasm names may hold any character.
fn key(module: &[u8], name: &[u8]) -> Result<Vec<u8>> {
    let length = (module.len() as u64).to_le_bytes();
    let bytes = length.iter().chain(module).chain(name).copied();
    try_collect(bytes, "a name")
}

fn check(definition: &Definition) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn global(number: u8, bits: u128) -> Definition {
        Definition::Global(lucet_value::from_bits(number, bits))
    }

    #[test]
    fn names_are_unique_and_unambiguous() {
        let mut linker = Linker::new().expect("a linker");
        linker.define(b"a", b"bc", global(1, 1)).expect("new");
        linker
            .define(b"ab", b"c", global(1, 2))
            .expect("another name");
        assert_eq!(
            linker
                .define(b"a", b"bc", global(1, 3))
                .expect_err("taken")
                .status,
            Status::BadArgument
        );
        let found = linker.lookup(b"a", b"bc").expect("memory");
        assert!(matches!(found, Some(Definition::Global(value)) if value.bits() == 1));
        assert!(linker.lookup(b"", b"abc").expect("memory").is_none());
    }

    #[test]
    fn definitions_without_sense_are_refused() {
        let mut linker = Linker::new().expect("a linker");
        assert!(linker.define(b"m", b"type", global(99, 0)).is_err());
        assert!(linker.define(b"m", b"reference", global(6, 1)).is_err());
        let function = Definition::Typed {
            function: std::ptr::null(),
            types: 0,
            leaf: false,
            data: std::ptr::null_mut(),
        };
        assert_eq!(
            linker
                .define(b"m", b"null", function)
                .expect_err("refused")
                .status,
            Status::NullArgument
        );
    }

    #[test]
    fn data_is_released_once_by_the_last_user() {
        unsafe extern "C" fn count(data: *mut c_void) {
            // SAFETY: the test passes the address of a counter.
            unsafe { *data.cast::<u32>() += 1 };
        }
        let mut released = 0u32;
        let data = DynamicData::new((&raw mut released).cast(), Some(count)).expect("memory");
        let other = data.clone();
        drop(data);
        // SAFETY: a local variable that only `count` writes.
        assert_eq!(unsafe { (&raw const released).read_volatile() }, 0);
        drop(other);
        // SAFETY: as above.
        assert_eq!(unsafe { (&raw const released).read_volatile() }, 1);
    }
}
