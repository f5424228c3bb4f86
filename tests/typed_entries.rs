//! Typed entries, short and long: C functions that lead into a guest. Called here as C would call them.

mod support;

use lucet::abi::{LUCET_NOT_RUN, LUCET_RETURNED, LUCET_TRAPPED};
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
