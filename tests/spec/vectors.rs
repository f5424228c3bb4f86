//! What the suite cannot ask: vectors as parameters and results of host functions, in registers and on the stack,
//! the relaxed operators as the CPU has them, and where tail calls end.

use crate::library::Library;
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_call, lucet_outcome, lucet_value};
use lucet::capi::linker::lucet_linker;
use lucet::capi::module::lucet_module;
use lucet::capi::region::{lucet_region, lucet_region_config};
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType::{self, F64, I32, V128};
use lucetc::options::{Options, RelaxedSimd, TargetCpu};
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// Eleven vectors and integers between them: three vectors and two integers do not fit registers.
const PARAMETERS: [ValueType; 19] = [
    V128, I32, V128, I32, V128, I32, V128, F64, V128, I32, V128, I32, V128, I32, V128, I32, V128,
    V128, V128,
];

/// A vector that tells its place.
fn vector(place: usize) -> u128 {
    0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978u128.rotate_left(8 * place as u32) ^ place as u128
}

fn argument(place: usize) -> lucet_value {
    let bits = match PARAMETERS[place] {
        V128 => vector(place),
        F64 => u128::from((place as f64).to_bits()),
        _ => place as u128,
    };
    lucet_value::from_bits(PARAMETERS[place].number(), bits)
}

/// Answers with the second vector and the last one, if every argument is what the guest was told to pass.
unsafe extern "C" fn pick(
    _: *mut lucet_call,
    _: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: the array has a value for each parameter of the type that the function was defined with.
    let arguments = unsafe { std::slice::from_raw_parts(arguments, PARAMETERS.len()) };
    let all = arguments.iter().enumerate().all(|(place, value)| {
        let wanted = argument(place);
        (value.r#type, value.bits()) == (wanted.r#type, wanted.bits())
    });
    // SAFETY: the type has two results.
    let results = unsafe { std::slice::from_raw_parts_mut(results, 2) };
    if all {
        results[0] = arguments[2];
        results[1] = arguments[18];
    }
}

/// Answers with the complement.
unsafe extern "C" fn complement(
    _: *mut lucet_call,
    _: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: the type has one parameter and one result.
    unsafe { *results = lucet_value::from_bits(V128.number(), !(*arguments).bits()) };
}

/// A linker with both functions in the module `host`.
fn linker(library: &Library) -> *mut lucet_linker {
    let mut linker = null_mut();
    let parameters = PARAMETERS.map(ValueType::number);
    let one = [V128.number()];
    let two = [V128.number(); 2];
    // SAFETY: room for the linker; readable names and types; the functions take arrays.
    unsafe {
        assert_eq!(
            (library.lucet_signals_install)(0),
            0,
            "{}",
            library.sentence()
        );
        assert_eq!((library.lucet_linker_new)(&raw mut linker), 0);
        for (name, parameters, results, function) in [
            (c"pick", &parameters[..], &two[..], Some(pick as _)),
            (c"complement", &one[..], &one[..], Some(complement as _)),
        ] {
            let status = (library.lucet_linker_define_dynamic)(
                linker,
                c"host".as_ptr(),
                name.as_ptr(),
                parameters.as_ptr(),
                parameters.len(),
                results.as_ptr(),
                results.len(),
                function,
                null_mut(),
                None,
            );
            assert_eq!(status, 0, "{}", library.sentence());
        }
    }
    linker
}

/// The bits of what the export `run` returns.
fn run(text: &str, options: &Options, arguments: &[lucet_value]) -> Vec<u128> {
    let (outcome, bits) = outcome(text, options, arguments);
    assert_eq!(outcome.0, LUCET_RETURNED);
    bits
}

/// Kind and detail of the outcome of the export `run`.
fn ending(text: &str, options: &Options, arguments: &[lucet_value]) -> (u32, u32) {
    outcome(text, options, arguments).0
}

/// Compiles, links, and runs the export `run`: kind and detail of the outcome, and the bits of the results.
fn outcome(text: &str, options: &Options, arguments: &[lucet_value]) -> ((u32, u32), Vec<u128>) {
    let library = Library::load();
    let linker = linker(&library);
    let file = lucetc::compile_module(text.as_bytes(), options).expect("the module compiles");
    let (mut module, mut region, mut instance): (*mut lucet_module, *mut lucet_region, _) =
        (null_mut(), null_mut(), null_mut());
    // SAFETY: all-zero bytes are values of these C structs.
    let (mut config, mut outcome): (lucet_region_config, lucet_outcome) =
        unsafe { std::mem::zeroed() };
    config.struct_size = size_of::<lucet_region_config>();
    config.instances = 1;
    let check = |status| assert_eq!(status, 0, "{}", library.sentence());
    // SAFETY: live objects, readable arguments, room for the results; everything is released once.
    unsafe {
        check((library.lucet_module_load_bytes)(
            file.as_ptr().cast(),
            file.len(),
            linker,
            null(),
            &raw mut module,
        ));
        check((library.lucet_region_config_fit)(&raw mut config, module));
        check((library.lucet_region_new)(
            &raw const config,
            &raw mut region,
        ));
        check((library.lucet_instance_new)(
            region,
            module,
            null_mut(),
            null(),
            &raw mut instance,
        ));
        let (first, count) = (arguments.as_ptr(), arguments.len());
        check((library.lucet_instance_run)(
            instance,
            c"run".as_ptr(),
            first,
            count,
            &raw mut outcome,
        ));
        let mut bits = Vec::new();
        if outcome.value_count > 0 {
            let values = std::slice::from_raw_parts(outcome.values, outcome.value_count);
            bits.extend(values.iter().map(lucet_value::bits));
        }
        check((library.lucet_instance_release)(instance));
        (library.lucet_region_release)(region);
        (library.lucet_module_release)(module);
        (library.lucet_linker_release)(linker);
        ((outcome.kind, outcome.detail), bits)
    }
}

#[test]
fn host_functions_take_and_return_vectors() {
    let parameters: Vec<_> = PARAMETERS.iter().map(|kind| kind.name()).collect();
    let parameters = parameters.join(" ");
    let gets: String = (0..PARAMETERS.len())
        .map(|index| format!("(local.get {index})"))
        .collect();
    let text = format!(
        r#"(module
            (import "host" "pick" (func $pick (param {parameters}) (result v128 v128)))
            (import "host" "complement" (func $complement (param v128) (result v128)))
            (table funcref (elem $complement))
            (global $kept (export "kept") (mut v128) (v128.const i64x2 0 0))
            (func (export "run") (param {parameters}) (result v128 v128 v128)
                (call $pick {gets})
                (global.set $kept)
                (global.get $kept)
                (call_indirect (param v128) (result v128) (local.get 0) (i32.const 0))))"#
    );
    let arguments: Vec<_> = (0..PARAMETERS.len()).map(argument).collect();
    let results = run(
        &text,
        &Options {
            verify: true,
            ..Options::default()
        },
        &arguments,
    );
    assert_eq!(results, [vector(2), vector(18), !vector(0)]);
}

#[test]
fn fast_relaxed_operators_are_the_processors() {
    let text = r#"(module (func (export "run") (param v128) (result v128 v128 v128)
        ;; Out of range: pshufb looks at the low four bits.
        (i8x16.relaxed_swizzle (local.get 0) (i8x16.splat (i32.const 0x12)))
        ;; Too large for an i32: cvttps2dq answers with the least integer.
        (i32x4.relaxed_trunc_f32x4_s (f32x4.splat (f32.const 1e10)))
        ;; Only the top bit of a mask counts for pblendvb.
        (i8x16.relaxed_laneselect (local.get 0) (v128.const i64x2 0 0) (i8x16.splat (i32.const 0x80)))))"#;
    let arguments = [lucet_value::from_bits(V128.number(), vector(0))];
    let byte = |place: u32| u128::from((vector(0) >> (8 * place)) as u8);
    let splat = |byte: u128| byte * (u128::MAX / 0xff);
    for target_cpu in [TargetCpu::X86_64V2, TargetCpu::Native] {
        let options = Options {
            verify: true,
            relaxed_simd: RelaxedSimd::Fast,
            target_cpu,
            ..Options::default()
        };
        let results = run(text, &options, &arguments);
        assert_eq!(
            results,
            [
                splat(byte(2)),
                0x8000_0000 * (u128::MAX / 0xffff_ffff),
                vector(0)
            ]
        );
        let options = Options {
            relaxed_simd: RelaxedSimd::Deterministic,
            ..options
        };
        let results = run(text, &options, &arguments);
        let masked = vector(0) & splat(0x80);
        assert_eq!(
            results,
            [0, 0x7fff_ffff * (u128::MAX / 0xffff_ffff), masked]
        );
    }
}

#[test]
fn tail_calls_that_grow_the_frame_end_at_the_stacks_guard() {
    // Each call of $deep leaves a frame; $wide's arguments, 16 KB of them, replace the few of $narrow in place. Wherever
    // the stack ends, it must be in its guard.
    let wide = "v128 ".repeat(1000);
    let zeros = "(v128.const i64x2 0 0)".repeat(1000);
    let text = format!(
        r#"(module
            (func $wide (param {wide}) (result i32) (i32.add (i32.const 1) (call $deep (i32.const 1))))
            (func $narrow (param i32) (result i32) (return_call $wide {zeros}))
            (func $deep (param i32) (result i32) (i32.add (local.get 0) (call $narrow (local.get 0))))
            (func $count (param i32 i64) (result i64)
                (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
                (return_call $other (i64.add (local.get 1) (i64.const 1)) (i32.sub (local.get 0) (i32.const 1))
                    (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)))
            (func $other (param i64 i32 i64 i64 i64 i64 i64 i64) (result i64)
                (return_call $count (local.get 1) (local.get 0)))
            (func (export "overflow") (result i32) (call $deep (i32.const 0)))
            (func (export "run") (result i64) (call $count (i32.const 3000000) (i64.const 0))))"#
    );
    assert_eq!(
        run(
            &text,
            &Options {
                verify: true,
                ..Options::default()
            },
            &[]
        ),
        [3_000_000]
    );
    let overflowing = text
        .replace("\"run\"", "\"count\"")
        .replace("\"overflow\"", "\"run\"");
    let outcome = ending(&overflowing, &Options::default(), &[]);
    assert_eq!(
        outcome,
        (LUCET_TRAPPED, u32::from(TrapCode::Stack.number()))
    );
}
