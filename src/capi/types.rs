//! Value types, extern kinds, traps: numbers that stand for things.

use lucet_format::trap::TrapCode;
use std::ffi::c_char;

/// A value type, or `LUCET_VOID`.
pub type lucet_type = u8;

/// No value: the end of a list of types.
pub const LUCET_VOID: lucet_type = 0;
/// A 32-bit integer.
pub const LUCET_I32: lucet_type = 1;
/// A 64-bit integer.
pub const LUCET_I64: lucet_type = 2;
/// A 32-bit float.
pub const LUCET_F32: lucet_type = 3;
/// A 64-bit float.
pub const LUCET_F64: lucet_type = 4;
/// A 128-bit vector.
pub const LUCET_V128: lucet_type = 5;
/// A reference to a function of the instance, or null.
pub const LUCET_FUNCREF: lucet_type = 6;
/// A reference to an object of the host, or null.
pub const LUCET_EXTERNREF: lucet_type = 7;
/// A reference to an exception of the instance, or null. Not for typed functions.
pub const LUCET_EXNREF: lucet_type = 9;

/// A function pointer of any type, which C converts to and from without loss.
pub type lucet_function = Option<unsafe extern "C" fn()>;

/// `unreachable` was executed.
pub const LUCET_TRAP_UNREACHABLE: u32 = 1;
/// An access outside of linear memory.
pub const LUCET_TRAP_MEMORY: u32 = 2;
/// An access outside of a table.
pub const LUCET_TRAP_TABLE: u32 = 3;
/// An indirect call of a null reference.
pub const LUCET_TRAP_NULL_CALL: u32 = 4;
/// An indirect call of a function of another type.
pub const LUCET_TRAP_CALL_TYPE: u32 = 5;
/// An integer division by zero.
pub const LUCET_TRAP_DIVIDE_BY_ZERO: u32 = 6;
/// An integer division whose result does not fit.
pub const LUCET_TRAP_INTEGER_OVERFLOW: u32 = 7;
/// A float that does not fit the integer it is converted to.
pub const LUCET_TRAP_CONVERSION: u32 = 8;
/// The guest's stack is used up.
pub const LUCET_TRAP_STACK: u32 = 9;
/// Too many nested callbacks, or too little host stack for another one.
pub const LUCET_TRAP_DEPTH: u32 = 10;
/// A host function was given a bad argument by the guest.
pub const LUCET_TRAP_HOST_ARGUMENT: u32 = 11;
/// A host function failed or is not defined, or the instance that was called cannot be entered.
pub const LUCET_TRAP_HOST: u32 = 12;
/// An atomic access to an unaligned address.
pub const LUCET_TRAP_UNALIGNED: u32 = 13;
/// A null reference where none may be.
pub const LUCET_TRAP_NULL_REFERENCE: u32 = 14;
/// An exception that nobody caught: see lucet_instance_exception.
pub const LUCET_TRAP_EXCEPTION: u32 = 15;
/// The system, or a table of the library, had no room for what the guest needed.
pub const LUCET_TRAP_RESOURCE: u32 = 16;
/// The guest waited for a notification on a memory that is not shared, where none can come.
pub const LUCET_TRAP_UNSHARED_WAIT: u32 = 17;
/// No room for another exception: see lucet_limits.exception_bytes.
pub const LUCET_TRAP_EXCEPTIONS: u32 = 18;

/// What a trap means, for messages: "integer divide by zero"; "unknown trap" for other numbers. Static. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn lucet_trap_name(trap: u32) -> *const c_char {
    TrapCode::from_number(trap)
        .map_or(c"unknown trap", TrapCode::message_c)
        .as_ptr()
}
