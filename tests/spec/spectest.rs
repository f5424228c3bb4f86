//! The module `spectest` that the suite expects: functions and globals of the host's, and what only an instance can offer.

use crate::library::Library;
use crate::values;
use lucet::abi::{lucet_call, lucet_value};
use lucet::capi::linker::lucet_linker;
use lucet_format::value::ValueType;
use std::ffi::{CString, c_void};
use std::ptr::{null, null_mut};

/// What only an instance can offer.
pub const SHARED: &[u8] = br#"(module
    (memory (export "memory") 1 2)
    (table (export "table") 10 20 funcref)
    (table (export "table64") i64 10 20 funcref))"#;

unsafe extern "C" fn print(
    _: *mut lucet_call,
    _: *mut c_void,
    _: *const lucet_value,
    _: *mut lucet_value,
) {
}

/// A linker that offers it.
pub fn spectest(library: &Library) -> *mut lucet_linker {
    use ValueType::{F32, F64, I32, I64};
    let mut linker = null_mut();
    // SAFETY: room for the result.
    unsafe {
        assert_eq!(
            (library.lucet_signals_install)(0),
            0,
            "{}",
            library.sentence()
        );
        assert_eq!(
            (library.lucet_linker_new)(&raw mut linker),
            0,
            "{}",
            library.sentence()
        );
    }
    let functions: [(&str, &[ValueType]); 7] = [
        ("print", &[]),
        ("print_i32", &[I32]),
        ("print_i64", &[I64]),
        ("print_f32", &[F32]),
        ("print_f64", &[F64]),
        ("print_i32_f32", &[I32, F32]),
        ("print_f64_f64", &[F64, F64]),
    ];
    for (name, parameters) in functions {
        let name = CString::new(name).expect("no NUL");
        let types: Vec<u8> = parameters
            .iter()
            .map(|parameter| parameter.number())
            .collect();
        // SAFETY: readable names and types; the function takes arrays.
        let status = unsafe {
            (library.lucet_linker_define_dynamic)(
                linker,
                c"spectest".as_ptr(),
                name.as_ptr(),
                types.as_ptr(),
                types.len(),
                null(),
                0,
                Some(print),
                null_mut(),
                None,
            )
        };
        assert_eq!(status, 0, "{}", library.sentence());
    }
    let globals = [
        (c"global_i32", values::value(I32, 666)),
        (c"global_i64", values::value(I64, 666)),
        (
            c"global_f32",
            values::value(F32, u64::from(666.6f32.to_bits())),
        ),
        (c"global_f64", values::value(F64, 666.6f64.to_bits())),
    ];
    for (name, value) in globals {
        // SAFETY: readable names and values.
        let status = unsafe {
            (library.lucet_linker_define_global)(
                linker,
                c"spectest".as_ptr(),
                name.as_ptr(),
                &raw const value,
            )
        };
        assert_eq!(status, 0, "{}", library.sentence());
    }
    linker
}
