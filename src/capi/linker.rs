//! Linkers: what a host offers to its guests.

use super::guard::guarded;
use super::instance::{handle, lucet_instance};
use super::object::{get_mut, give, null, prepare, release};
use super::status::lucet_status;
use super::structs::{array, text};
use super::types::{LUCET_VOID, lucet_function, lucet_type};
use crate::abi::{lucet_check, lucet_dynamic_function, lucet_value};
use crate::bridge;
use crate::checks::{Plan, has_checks};
use crate::counted::{Counted, try_collect};
use crate::error::{Result, Status, error};
use crate::instance::offer::{names, offers};
use crate::linker::{Definition, DynamicData, Linker};
use lucet_format::value::ValueType;
use std::ffi::{c_char, c_void};

/// Host functions and globals by module and name. Used by one thread at a time. Read while a module is linked, and not
/// needed afterwards.
pub struct lucet_linker {
    _private: [u8; 0],
}

/// A row of a table of host functions. Written with LUCET_HOST and LUCET_HOST_LEAF of lucet/typed.h, which compare
/// the types that they are given with the C function's own.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_host_function {
    /// The import's name.
    pub name: *const c_char,
    /// The function. Its first parameter is the `lucet_call *`.
    pub function: lucet_function,
    /// Its type: four bits each, lowest first: the result (0: none), then at most 12 parameters. LUCET_CHECKED: see `checks`.
    pub types: u64,
    /// LUCET_LEAF and LUCET_ANSWER, or 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// With LUCET_ANSWER: what the guest gets as the result of a call whose arguments are refused; the bits of a float.
    pub answer: u64,
    /// For each parameter what it means; zero for values.
    pub checks: [lucet_check; 12],
}

/// In `lucet_host_function.types`: a parameter with a check.
pub const LUCET_CHECKED: lucet_type = 8;

/// `lucet_host_function.flags`: when an argument is refused, the guest gets `answer` instead of the trap LUCET_TRAP_HOST_ARGUMENT,
/// and the function is not called.
pub const LUCET_ANSWER: u32 = 2;

/// `lucet_check.kind`: an i32 that is at most `limit`, unsigned.
pub const LUCET_CHECK_UNSIGNED: u8 = 1;
/// `lucet_check.kind`: an i32 that fits `limit` bits, the sign included.
pub const LUCET_CHECK_SIGNED: u8 = 2;
/// `lucet_check.kind`: an i32 that is a Unicode scalar value: a code point that is no surrogate.
pub const LUCET_CHECK_CHAR: u8 = 3;
/// `lucet_check.kind`: an i32 without other bits than those of `limit`.
pub const LUCET_CHECK_FLAGS: u8 = 4;
/// `lucet_check.kind`: an i32 that is one of the `limit` numbers in the `uint32_t` array at `of`, which outlives all modules.
pub const LUCET_CHECK_ONE_OF: u8 = 5;
/// `lucet_check.kind`: an i32 that is a handle of the kind at `of`, a `lucet_handle_kind` that outlives all modules. The function takes
/// the object, a pointer.
pub const LUCET_CHECK_HANDLE: u8 = 6;
/// `lucet_check.kind`: two i32, address and number of elements. The function takes a struct of pointer and `size_t`.
pub const LUCET_CHECK_SLICE: u8 = 7;
/// `lucet_check.kind`: an i32, the address of one object. The function takes a pointer.
pub const LUCET_CHECK_OBJECT: u8 = 8;
/// `lucet_check.kind`: the function reads the range.
pub const LUCET_CHECK_READ: u8 = 0x10;
/// `lucet_check.kind`: the function writes the range; the kernel may, too. It shares no byte with another range of the call.
pub const LUCET_CHECK_WRITE: u8 = 0x20;
/// `lucet_check.kind`: the range is text in UTF-8.
pub const LUCET_CHECK_UTF8: u8 = 0x40;
/// `lucet_check.kind`: the function gets a copy, on its stack. The copies of a call take at most 4096 bytes together.
pub const LUCET_CHECK_COPY: u8 = 0x80;

/// `lucet_host_function.flags`: the function runs on the guest's own stack, without a change of stacks. It must need less
/// than the region's `leaf_stack_bytes`, must not call back, end the guest, block or use much time, and may use its
/// lucet_call for reading only.
pub const LUCET_LEAF: u32 = 1;

/// Makes an empty linker.
/// Owner: the caller, who releases it. Errors: NULL_ARGUMENT, NO_MEMORY. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_linker_new(out_linker: *mut *mut lucet_linker) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        prepare(out_linker, "out_linker")?;
        give(out_linker, Linker::new()?)
    })
}

/// Ends a linker. Modules that were linked with it go on. NULL is allowed. One thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_linker_release(linker: *mut lucet_linker) {
    // SAFETY: the C contract of this function.
    let _ = guarded(|| unsafe { release(linker) });
}

/// Defines `count` functions with the import module name `module`. `data` is what lucet_call_data answers in them; it must
/// live as long as modules linked with it. Defines all or none.
/// Rows and names are copied. Errors: NULL_ARGUMENT; BAD_ARGUMENT: a name is taken, types or flags make no sense; NO_MEMORY. One thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_linker_define(
    linker: *mut lucet_linker,
    module: *const c_char,
    rows: *const lucet_host_function,
    count: usize,
    data: *mut c_void,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let linker = get_mut(linker)?;
        let module = text(module, "module")?.to_bytes();
        let rows = array(rows, count, "rows")?;
        for (index, row) in rows.iter().enumerate() {
            let defined = define_row(linker, module, row, data);
            if defined.is_err() {
                for row in &rows[..index] {
                    linker.undefine(module, text(row.name, "a row's name")?.to_bytes());
                }
                return defined;
            }
        }
        Ok(())
    })
}

/// # Safety
///
/// The row's name is NULL or a C string.
unsafe fn define_row(
    linker: &mut Linker,
    module: &[u8],
    row: &lucet_host_function,
    data: *mut c_void,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let name = unsafe { text(row.name, "a row's name") }?.to_bytes();
    if row.flags & !(LUCET_LEAF | LUCET_ANSWER) != 0 || row.reserved != 0 {
        return Err(error!(
            Status::BadArgument,
            "\"{}\": unknown flags {:#x}, or a reserved field that is not zero",
            name.escape_ascii(),
            row.flags
        ));
    }
    let function = row.function.ok_or_else(|| null("a row's function"))? as *const ();
    let leaf = row.flags & LUCET_LEAF != 0;
    let answer = (row.flags & LUCET_ANSWER != 0).then_some(row.answer);
    let definition = if has_checks(row.types) {
        let plan = Plan::new(function, row.types, &row.checks, answer)?;
        Definition::Checked {
            plan: Counted::new(plan)?,
            leaf,
            data,
        }
    } else {
        Definition::Typed {
            function,
            types: row.types,
            leaf,
            data,
        }
    };
    linker.define(module, name, definition)
}

/// Defines one function whose type is given by lists, and which is called with arrays: any number of parameters and results.
/// `release`, if not NULL, is called with `data` when the linker and every module linked with it are gone; on failure it is not
/// called, and `data` stays the caller's.
/// Errors: NULL_ARGUMENT; BAD_ARGUMENT: the name is taken, or a type is none; NO_MEMORY. One thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_linker_define_dynamic(
    linker: *mut lucet_linker,
    module: *const c_char,
    name: *const c_char,
    parameters: *const lucet_type,
    parameter_count: usize,
    results: *const lucet_type,
    result_count: usize,
    function: lucet_dynamic_function,
    data: *mut c_void,
    release: Option<unsafe extern "C" fn(data: *mut c_void)>,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let linker = get_mut(linker)?;
        let (module, name) = (
            text(module, "module")?.to_bytes(),
            text(name, "name")?.to_bytes(),
        );
        let parameters = value_types(array(parameters, parameter_count, "parameters")?)?;
        let results = value_types(array(results, result_count, "results")?)?;
        let function = function.ok_or_else(|| null("function"))?;
        if linker.lookup(module, name)?.is_some() {
            return Err(error!(
                Status::BadArgument,
                "\"{}\" \"{}\" is defined already",
                module.escape_ascii(),
                name.escape_ascii()
            ));
        }
        let owned = DynamicData::new(data, release)?;
        let definition = Definition::dynamic(&parameters, &results, function, owned.clone());
        let defined = definition.and_then(|definition| linker.define(module, name, definition));
        if defined.is_err() {
            owned.disown();
        }
        defined
    })
}

pub(super) fn value_types(numbers: &[lucet_type]) -> Result<Vec<ValueType>> {
    /// What the validator allows.
    const MOST: usize = 1000;
    if numbers.len() > MOST {
        return Err(error!(
            Status::BadArgument,
            "{} types, {MOST} are the most",
            numbers.len()
        ));
    }
    for number in numbers {
        match ValueType::from_number(*number) {
            Some(_) => {}
            None if *number == LUCET_VOID => {
                return Err(error!(Status::BadArgument, "LUCET_VOID in a list of types"));
            }
            None => {
                return Err(error!(
                    Status::BadArgument,
                    "{number} is not the number of a value type"
                ));
            }
        }
    }
    try_collect(
        numbers
            .iter()
            .filter_map(|number| ValueType::from_number(*number)),
        "a function type",
    )
}

/// Defines an immutable global.
/// Errors: NULL_ARGUMENT; BAD_ARGUMENT: the name is taken, the type is none, or a funcref that is not null; NO_MEMORY. One thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_linker_define_global(
    linker: *mut lucet_linker,
    module: *const c_char,
    name: *const c_char,
    value: *const lucet_value,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let linker = get_mut(linker)?;
        let (module, name) = (
            text(module, "module")?.to_bytes(),
            text(name, "name")?.to_bytes(),
        );
        let value = value.as_ref().ok_or_else(|| null("value"))?;
        linker.define(module, name, Definition::Global(*value))
    })
}

/// Defines what an instance exports, under the import module name `module`: functions, memories, tables, globals and tags, as they are in
/// that instance, so that both see what either changes. See docs/linking.md. The linker keeps nothing of the instance. Modules linked with
/// it that import anything of the instance do, until they and their instances are released: meanwhile it can be neither reset nor
/// released (LUCET_LINKED). Instances that are linked to each other, directly or not, are used by one thread at a time.
/// Defines all or none. Errors: NULL_ARGUMENT; BAD_ARGUMENT: a name is taken; STALE; WRONG_PROCESS; NO_MEMORY. The instance's
/// thread, and one thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_linker_define_instance(
    linker: *mut lucet_linker,
    module: *const c_char,
    instance: *const lucet_instance,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let linker = get_mut(linker)?;
        let module = text(module, "module")?.to_bytes();
        let handle = handle(instance)?;
        let mut defined = 0;
        let all = offers(handle, bridge::call, |name, offer| {
            linker.define(module, name, Definition::Export(offer))?;
            defined += 1;
            Ok(())
        });
        if all.is_err() {
            names(handle, |index, name| {
                if index < defined {
                    linker.undefine(module, name);
                }
            })?;
        }
        all
    })
}

/// From now on, functions that are imported but not defined trap with LUCET_TRAP_HOST when they are called, instead of
/// failing the link. Errors: NULL_ARGUMENT. One thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_linker_trap_missing(linker: *mut lucet_linker) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        get_mut(linker)?.trap_missing();
        Ok(())
    })
}

/// From now on, modules are linked for debugging: what checked parameters point to, and the views that a
/// host function asks for while it runs, are copies in pages of their own, written back
/// when something was changed, and gone when the function has returned. A host that kept a pointer then faults at the place where
/// it uses it; so does one that reads behind a range, writes to one that it said it reads, or reads a range again after a callback.
/// Costs system calls for each range of each call. Errors: NULL_ARGUMENT. One thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_linker_poison_views(linker: *mut lucet_linker) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        get_mut(linker)?.poison_views();
        Ok(())
    })
}
