//! The values and structs that cross the C boundary by content, laid out for ever.
//!
//! They are named as in `lucet.h`, because `cbindgen` writes that header from this file and from `capi`; the
//! core uses the same types, so that nothing is converted on a hot path.

#![allow(non_camel_case_types, reason = "the names are those of the C API")]

use std::ffi::c_void;

/// 128 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct lucet_v128 {
    /// The low 64 bits.
    pub lo: u64,
    /// The high 64 bits.
    pub hi: u64,
}

/// A reference to an object of the host. NULL is `ref.null extern`. The host keeps the object alive until
/// the instance is reset or released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct lucet_externref {
    /// The host's object.
    pub host: *mut c_void,
}

/// A reference to a function, as one instance has it. 0 is `ref.null func`. Means nothing to another instance, and
/// nothing after a reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct lucet_funcref {
    /// Not to be interpreted.
    pub opaque: u64,
}

/// A reference to an exception of one instance. 0 is `ref.null exn`. Means nothing in another instance. Holding it does not keep the
/// exception: it is good until the guest's next entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct lucet_exnref {
    /// Not to be interpreted.
    pub opaque: u64,
}

/// The content of a value.
#[derive(Clone, Copy)]
#[repr(C)]
pub union lucet_payload {
    /// `LUCET_V128`
    pub v128: lucet_v128,
    /// `LUCET_I32`
    pub i32: i32,
    /// `LUCET_I64`
    pub i64: i64,
    /// `LUCET_F32`
    pub f32: f32,
    /// `LUCET_F64`
    pub f64: f64,
    /// `LUCET_FUNCREF`
    pub funcref: lucet_funcref,
    /// `LUCET_EXTERNREF`
    pub externref: lucet_externref,
    /// `LUCET_EXNREF`
    pub exnref: lucet_exnref,
}

/// A value with its type: 24 bytes, for ever.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_value {
    /// `LUCET_I32` and so on.
    pub r#type: u32,
    /// Zero.
    pub reserved: u32,
    /// The content, by type.
    pub of: lucet_payload,
}

const _: () = assert!(size_of::<lucet_value>() == lucet_format::runtime::VALUE_STRIDE as usize);
const _: () =
    assert!(std::mem::offset_of!(lucet_value, of) == lucet_format::runtime::VALUE_PAYLOAD as usize);

impl lucet_value {
    /// A value from its type's number and its bits.
    pub fn from_bits(number: u8, bits: u128) -> lucet_value {
        let v128 = lucet_v128 {
            lo: bits as u64,
            hi: (bits >> 64) as u64,
        };
        lucet_value {
            r#type: u32::from(number),
            reserved: 0,
            of: lucet_payload { v128 },
        }
    }

    /// The bits of the content. Those beyond its type's width are what they happen to be.
    pub fn bits(&self) -> u128 {
        // SAFETY: every value is made by `from_bits`, zero-initialised by the C initialisers, or copied whole from C,
        // where reading all 16 bytes of the union is defined; integers have no invalid bits.
        let v128 = unsafe { self.of.v128 };
        u128::from(v128.lo) | u128::from(v128.hi) << 64
    }
}

/// What a parameter of a host function means beyond its type. Written with the macros of lucet/arguments.h; the rows of other
/// languages fill it in. 16 bytes, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct lucet_check {
    /// `LUCET_CHECK_SLICE`: elements at most, 0 for no limit. Numbers: see the kind.
    pub limit: u32,
    /// Bytes of an element or object.
    pub element: u16,
    /// What its address is a multiple of: a power of two.
    pub align: u8,
    /// `LUCET_CHECK_UNSIGNED` and so on; ranges of memory: or'ed with `LUCET_CHECK_READ` and so on. 0: no check.
    pub kind: u8,
    /// See the kind; else NULL.
    pub of: *const c_void,
}

const _: () = assert!(size_of::<lucet_check>() == 16);

/// A kind of objects of the host that guests know by number. The address of this struct tells kinds apart; it outlives every object of the
/// kind.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct lucet_handle_kind {
    /// For people.
    pub name: *const std::ffi::c_char,
    /// Called once for each object when its handle is dropped, or its instance is reset or released; NULL: nothing to do. It
    /// must not use the instance.
    pub release: Option<unsafe extern "C" fn(object: *mut c_void)>,
}

/// How an entry into a guest ended. 64 bytes, for ever.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_outcome {
    /// `LUCET_RETURNED` and so on; `LUCET_NOT_RUN`: see the status, the guest is as it was.
    pub kind: u32,
    /// Trapped: `LUCET_TRAP_*`. Terminated: `LUCET_STOP_*`.
    pub detail: u32,
    /// Terminated: the reason that was given to it. Suspended: the token.
    pub token: u64,
    /// Returned: the results, the instance's until its next entry, reset or release.
    pub values: *const lucet_value,
    /// How many results.
    pub value_count: usize,
    /// CPU time since new or reset in nanoseconds; 0 where it is not measured.
    pub cpu_ns: u64,
    /// Zero.
    pub reserved: [u64; 3],
}

const _: () = assert!(size_of::<lucet_outcome>() == 64);

/// `lucet_outcome.kind`: the guest was not entered.
pub const LUCET_NOT_RUN: u32 = 0;
/// `lucet_outcome.kind`: the function returned.
pub const LUCET_RETURNED: u32 = 1;
/// `lucet_outcome.kind`: a host function suspended the guest.
pub const LUCET_SUSPENDED: u32 = 2;
/// `lucet_outcome.kind`: the time slice ended.
pub const LUCET_PREEMPTED: u32 = 3;
/// `lucet_outcome.kind`: the guest trapped.
pub const LUCET_TRAPPED: u32 = 4;
/// `lucet_outcome.kind`: the guest was ended from outside.
pub const LUCET_TERMINATED: u32 = 5;

/// `lucet_outcome.detail` of terminated: by a host function.
pub const LUCET_STOP_HOST: u32 = 1;
/// `lucet_outcome.detail` of terminated: by a kill handle.
pub const LUCET_STOP_KILL: u32 = 2;
/// `lucet_outcome.detail` of terminated: the deadline passed, its own or that of a guest whose host function ran it.
pub const LUCET_STOP_DEADLINE: u32 = 3;
/// `lucet_outcome.detail` of terminated: the CPU budget is used up, its own or that of a guest whose host function ran it.
pub const LUCET_STOP_CPU: u32 = 4;
/// `lucet_outcome.detail` of terminated: reserved for fuel; nothing answers it.
pub const LUCET_STOP_FUEL: u32 = 5;
/// `lucet_outcome.detail` of terminated: the guest called `proc_exit`; `token` is its status.
pub const LUCET_STOP_EXIT: u32 = 6;
/// `lucet_outcome.detail` of terminated: a callback into the guest went on for too long after the slice had ended; or the slice of a guest
/// whose host function ran this one.
pub const LUCET_STOP_NESTED: u32 = 7;
/// `lucet_outcome.detail` of terminated: the guest of another instance, which is linked to this one and had called it, was stopped.
pub const LUCET_STOP_LINKED: u32 = 8;

/// A C function whose results and parameters are given as arrays.
pub type lucet_dynamic_function = Option<
    unsafe extern "C" fn(
        call: *mut lucet_call,
        data: *mut c_void,
        arguments: *const lucet_value,
        results: *mut lucet_value,
    ),
>;

/// One call of a host function; dead when that returns.
#[derive(Debug)]
pub struct lucet_call {
    _private: [u8; 0],
}

/// A frame of a backtrace.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct lucet_frame {
    /// The function's name from the guest: bytes of its own, not terminated, not escaped. NULL: it has none.
    pub name: *const std::ffi::c_char,
    /// Bytes of the name.
    pub name_length: usize,
    /// Its index in the function index space.
    pub function: u32,
    /// Zero.
    pub reserved: u32,
    /// Offset in the wasm file; `UINT64_MAX`: not known.
    pub wasm_offset: u64,
}
