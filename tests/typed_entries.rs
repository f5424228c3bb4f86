//! Typed entries, short and long: C functions that lead into a guest. Called here as C would call them.

mod support;

use lucet::abi::{LUCET_NOT_RUN, LUCET_RETURNED, LUCET_TRAPPED, lucet_outcome, lucet_value};
use lucet::capi::run::lucet_instance_call;
use lucet::capi::status::{LUCET_NULL_ARGUMENT, LUCET_OK, LUCET_STALE, LUCET_TYPE_MISMATCH};
use lucet::instance::{self, Handle};
use lucet_format::trap::TrapCode;
use std::mem::transmute;
use support::{Guest, i32, sentence};

const GUEST: &str = r#"(module
    (memory 1)
    (global (export "count") (mut i32) (i32.const 0))
    (func $tick (global.set 0 (i32.add (global.get 0) (i32.const 1))))
    (func (export "nothing") (call $tick))
    (func (export "sum4") (param i32 i64 i32 i64) (result i64)
      (i64.add (i64.add (i64.extend_i32_s (local.get 0)) (local.get 1)) (i64.sub (i64.extend_i32_s (local.get 2)) (local.get 3))))
    (func (export "sum5") (param i32 i64 i32 i64 i32) (result i64)
      (i64.add (i64.extend_i32_s (local.get 4)) (i64.add (i64.add (i64.extend_i32_s (local.get 0)) (local.get 1)) (i64.sub (i64.extend_i32_s (local.get 2)) (local.get 3)))))
    (func (export "mixed") (param f32 i32 f64 i32 f64) (result f64)
      (f64.add (f64.promote_f32 (local.get 0)) (f64.add (f64.convert_i32_s (i32.sub (local.get 1) (local.get 3))) (f64.div (local.get 2) (local.get 4)))))
    (func (export "half") (param f32) (result f32) (f32.mul (local.get 0) (f32.const 0.5)))
    (func (export "words") (param i32 i32 i32) (result i32)
      (i32.sub (i32.mul (local.get 0) (local.get 1)) (local.get 2)))
    (func (export "words_none") (param i32 i32) (global.set 0 (i32.sub (local.get 0) (local.get 1))))
    (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
    (func $deep (export "deep") (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0)))))"#;

macro_rules! entry {
    ($guest:expr, $name:literal, $types:literal, fn($($parameter:ty),*) -> $result:ty) => {{
        let address = $guest.module.entry($name, $types).unwrap_or_else(|_| panic!("{}", sentence()));
        // SAFETY: the entry was looked up with these types.
        unsafe { transmute::<usize, unsafe extern "C" fn(Handle, *mut $result, $($parameter),*) -> u32>(address) }
    }};
}

#[test]
fn arguments_and_results_of_every_class() {
    let guest = Guest::new(GUEST);
    let handle = guest.handle;
    let mut word = 0i64;
    let (mut double, mut single) = (0f64, 0f32);
    let sum4 = entry!(guest, b"sum4", 0x2_1212, fn(i32, i64, i32, i64) -> i64);
    let sum5 = entry!(
        guest,
        b"sum5",
        0x12_1212,
        fn(i32, i64, i32, i64, i32) -> i64
    );
    let mixed = entry!(
        guest,
        b"mixed",
        0x41_4134,
        fn(f32, i32, f64, i32, f64) -> f64
    );
    let half = entry!(guest, b"half", 0x33, fn(f32) -> f32);
    let nothing = entry!(guest, b"nothing", 0x0, fn() -> i32);
    for _ in 0..3 {
        // SAFETY: entries of the right types, a live instance, room for the results.
        unsafe {
            assert_eq!(
                sum4(handle, &raw mut word, -1, 1 << 40, -7, -100),
                LUCET_RETURNED
            );
            assert_eq!(word, (1 << 40) + 92);
            assert_eq!(
                sum5(handle, &raw mut word, -1, 1 << 40, -7, -100, 1000),
                LUCET_RETURNED
            );
            assert_eq!(word, (1 << 40) + 1092);
            assert_eq!(
                mixed(handle, &raw mut double, 0.5, -3, 10.0, 4, 4.0),
                LUCET_RETURNED
            );
            assert_eq!(double, 0.5 - 7.0 + 2.5);
            assert_eq!(half(handle, &raw mut single, -3.0), LUCET_RETURNED);
            assert_eq!(single, -1.5);
            assert_eq!(nothing(handle, std::ptr::null_mut()), LUCET_RETURNED);
            // A result that nobody wants.
            assert_eq!(
                sum4(handle, std::ptr::null_mut(), 1, 2, 3, 4),
                LUCET_RETURNED
            );
        }
    }
    assert_eq!(
        instance::global::get(handle, b"count")
            .expect("a global")
            .bits(),
        3
    );
    assert_eq!(
        instance::outcome(handle).expect("an outcome").kind,
        LUCET_RETURNED
    );
}

#[test]
fn a_trap_is_an_outcome() {
    let guest = Guest::new(GUEST);
    let divide = entry!(guest, b"divide", 0x111, fn(i32, i32) -> i32);
    let deep = entry!(guest, b"deep", 0x11, fn(i32) -> i32);
    let mut result = 77;
    // SAFETY: entries of the right types, room for the results.
    unsafe {
        assert_eq!(divide(guest.handle, &raw mut result, 7, 2), LUCET_RETURNED);
        assert_eq!(result, 3);
        assert_eq!(divide(guest.handle, &raw mut result, 7, 0), LUCET_TRAPPED);
        assert_eq!(result, 3, "a trap leaves the result alone");
        let outcome = instance::outcome(guest.handle).expect("an outcome");
        assert_eq!(
            (outcome.kind, outcome.detail),
            (LUCET_TRAPPED, u32::from(TrapCode::DivideByZero.number()))
        );
        assert!(
            guest
                .describe()
                .starts_with("trapped: integer divide by zero in function"),
            "{}",
            guest.describe()
        );
        assert_eq!(divide(guest.handle, &raw mut result, 7, 1), LUCET_NOT_RUN);
        assert!(sentence().contains("reset"), "{}", sentence());
        guest.reset();
        assert_eq!(divide(guest.handle, &raw mut result, 9, 3), LUCET_RETURNED);
        assert_eq!(deep(guest.handle, &raw mut result, 0), LUCET_TRAPPED);
        let outcome = instance::outcome(guest.handle).expect("an outcome");
        assert_eq!(outcome.detail, u32::from(TrapCode::Stack.number()));
    }
}

#[test]
fn handles_that_are_wrong_take_the_long_way_to_a_sentence() {
    let guest = Guest::new(GUEST);
    let other = Guest::new(GUEST);
    let half = entry!(guest, b"half", 0x33, fn(f32) -> f32);
    let mut result = 0f32;
    // SAFETY: entries of the right types, room for the results; bad handles are answered.
    unsafe {
        assert_eq!(half(Handle(0), &raw mut result, 1.0), LUCET_NOT_RUN);
        assert_eq!(half(Handle(u64::MAX), &raw mut result, 1.0), LUCET_NOT_RUN);
        assert_eq!(half(other.handle, &raw mut result, 1.0), LUCET_NOT_RUN);
        assert!(sentence().contains("another module"), "{}", sentence());
        let released = support::create(&guest.region, &guest.module);
        instance::release(released).expect("released");
        assert_eq!(half(released, &raw mut result, 1.0), LUCET_NOT_RUN);
        // On a thread that has never run a guest.
        let handle = guest.handle;
        std::thread::spawn(move || {
            let mut result = 0f32;
            assert_eq!(half(handle, &raw mut result, 5.0), LUCET_RETURNED);
            assert_eq!(result, 2.5);
        })
        .join()
        .expect("the other thread");
    }
}

#[test]
fn the_rounding_mode_is_the_hosts_again() {
    let guest = Guest::new(GUEST);
    let half = entry!(guest, b"half", 0x33, fn(f32) -> f32);
    let mut result = 0f32;
    let (toward_zero, mut before, mut after) = (0x7f80u32, 0u32, 0u32);
    // SAFETY: changes this thread's rounding mode for one call, and puts it back; the entry as above.
    let kind = unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut before);
        std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const toward_zero);
        let kind = half(guest.handle, &raw mut result, 3.0);
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut after);
        std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const before);
        kind
    };
    assert_eq!(
        (kind, result, after & 0xffc0),
        (LUCET_RETURNED, 1.5, toward_zero & 0xffc0)
    );
    assert_eq!(guest.run_i32("divide", &[i32(8), i32(2)]), 4);
}

/// Functions of every kind that calls by handle enter the shortest way, and some that they do not.
const CALLED: &str = r#"
    (func (export "nothing") (global.set 0 (i32.const 9)))
    (func (export "constant") (result i64) (i64.const -3))
    (func (export "narrow") (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)))
    (func (export "wide") (param i64) (result i64) (i64.sub (local.get 0) (i64.const 1)))
    (func (export "two") (param i64 i32) (result i32) (i32.add (local.get 1) (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32)))))
    (func (export "three") (param i32 i64 i32) (result i64)
      (i64.add (i64.mul (i64.extend_i32_u (local.get 0)) (i64.const 3)) (i64.sub (local.get 1) (i64.extend_i32_s (local.get 2)))))
    (func (export "three_none") (param i64 i64 i64) (global.set 0 (i32.wrap_i64 (i64.add (local.get 2) (i64.add (local.get 0) (local.get 1))))))
    (func (export "four") (param i32 i32 i32 i32) (result i32) (i32.add (local.get 3) (i32.const 1)))
    (func (export "words") (param i32 i32 i32) (result i32)
      (i32.sub (i32.mul (local.get 0) (local.get 1)) (local.get 2)))
    (func (export "words_none") (param i32 i32) (global.set 0 (i32.sub (local.get 0) (local.get 1))))
    (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))"#;

/// A call as C makes it. The padding of arguments and outcome holds something else.
fn call(guest: &Guest, name: &str, arguments: &[lucet_value]) -> (i32, lucet_outcome) {
    let func = guest.module.func(name.as_bytes()).expect("an export");
    let mut outcome = lucet_outcome {
        token: 77,
        cpu_ns: 77,
        reserved: [77; 3],
        ..instance::outcome::NOT_RUN
    };
    // SAFETY: a function of the guest's module; the arguments and the outcome are there.
    let status = unsafe {
        lucet_instance_call(
            guest.handle.0 as *mut _,
            std::ptr::from_ref(func).cast(),
            arguments.as_ptr(),
            arguments.len(),
            &raw mut outcome,
        )
    };
    (status, outcome)
}

/// An i32 as C may leave it: the rest of the value is anything.
fn narrow(value: i32) -> lucet_value {
    lucet_value::from_bits(1, u128::MAX << 32 | u128::from(value as u32))
}

fn wide(value: i64) -> lucet_value {
    lucet_value::from_bits(2, u128::MAX << 64 | u128::from(value as u64))
}

/// A function's name, its arguments, and the type and bits of its result.
type Returns<'a> = (&'a str, &'a [lucet_value], Option<(u32, u128)>);

#[test]
fn calls_by_handle_from_c() {
    // With a float somewhere, and without.
    for float in [
        "",
        "(func (export \"half\") (param f64) (result f64) (f64.mul (local.get 0) (f64.const 0.5)))",
    ] {
        let text = format!(
            "(module (global (export \"count\") (mut i32) (i32.const 0)) {CALLED} {float})"
        );
        let guest = Guest::new(&text);
        let returns: [Returns; 10] = [
            ("nothing", &[], None),
            ("constant", &[], Some((2, u128::from(-3i64 as u64)))),
            ("narrow", &[narrow(0)], Some((1, 0xffff_ffff))),
            (
                "wide",
                &[wide(i64::MIN)],
                Some((2, u128::from(i64::MAX as u64))),
            ),
            ("two", &[wide(5 << 32), narrow(-2)], Some((1, 3))),
            (
                "three",
                &[narrow(-1), wide(1 << 40), narrow(-7)],
                Some((2, 0xffff_ffff * 3 + (1 << 40) + 7)),
            ),
            ("three_none", &[wide(1), wide(2), wide(3)], None),
            ("words", &[narrow(5), narrow(7), narrow(-2)], Some((1, 37))),
            ("words_none", &[narrow(5), narrow(7)], None),
            (
                "four",
                &[narrow(1), narrow(2), narrow(3), narrow(4)],
                Some((1, 5)),
            ),
        ];
        for (name, arguments, wanted) in returns {
            let (status, outcome) = call(&guest, name, arguments);
            assert_eq!((status, outcome.kind), (LUCET_OK, LUCET_RETURNED), "{name}");
            let rest = (
                outcome.detail,
                outcome.token,
                outcome.cpu_ns,
                outcome.reserved,
            );
            assert_eq!(rest, (0, 0, 0, [0; 3]), "{name}");
            // SAFETY: as many values as the outcome says.
            let values = unsafe { std::slice::from_raw_parts(outcome.values, outcome.value_count) };
            let found = values.iter().map(|value| (value.r#type, value.bits()));
            assert_eq!(found.collect::<Vec<_>>(), Vec::from_iter(wanted), "{name}");
            let again = instance::outcome(guest.handle).expect("an outcome");
            assert_eq!(
                (again.kind, again.value_count),
                (LUCET_RETURNED, outcome.value_count),
                "{name}"
            );
        }
        let (status, outcome) = call(&guest, "divide", &[narrow(1), narrow(0)]);
        let divided = u32::from(TrapCode::DivideByZero.number());
        assert_eq!(
            (status, outcome.kind, outcome.detail),
            (LUCET_OK, LUCET_TRAPPED, divided)
        );
        instance::keep(guest.handle).expect("a trapped guest");
        refused(&guest);
        guest.reset();
        assert_eq!(call(&guest, "narrow", &[narrow(4)]).0, LUCET_OK);
    }
}

/// Calls that do not happen say why, as any other does.
fn refused(guest: &Guest) {
    let wrong: [(&str, &[lucet_value]); 8] = [
        ("words", &[narrow(1), narrow(1)]),
        ("words", &[narrow(1), narrow(1), wide(1)]),
        ("divide", &[wide(1), narrow(1)]),
        ("nothing", &[narrow(1)]),
        ("narrow", &[]),
        ("narrow", &[wide(1)]),
        ("two", &[narrow(1), narrow(1)]),
        ("three", &[narrow(1), wide(1), wide(1)]),
    ];
    for (name, arguments) in wrong {
        let (status, outcome) = call(guest, name, arguments);
        assert_eq!(
            (status, outcome.kind),
            (LUCET_TYPE_MISMATCH, LUCET_NOT_RUN),
            "{name}"
        );
    }
    let func = guest.module.func(b"narrow").expect("an export");
    let func = std::ptr::from_ref(func).cast();
    let (argument, none) = (narrow(1), std::ptr::null_mut());
    // SAFETY: what is wrong here is what the call says it finds out; an outcome need not be wanted.
    unsafe {
        let instance = guest.handle.0 as *mut _;
        let stale = (guest.handle.0 + (1 << 40)) as *mut _;
        assert_eq!(
            lucet_instance_call(instance, func, std::ptr::null(), 1, none),
            LUCET_NULL_ARGUMENT
        );
        assert_eq!(
            lucet_instance_call(stale, func, &raw const argument, 1, none),
            LUCET_STALE
        );
        assert_eq!(
            lucet_instance_call(instance, func, &raw const argument, 1, none),
            LUCET_OK
        );
    }
}
