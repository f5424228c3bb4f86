//! A guest that uses up its stack traps, wherever the first touch of the guard happens, and can be used again
//! after a reset. Nothing below guards a stack but its guard pages and the probes of large frames.

mod support;

use lucet::abi::{LUCET_TRAPPED, lucet_call};
use lucet::linker::{Definition, Linker};
use lucet_format::trap::TrapCode;
use lucetc::options::{OptLevel, Options};
use support::{Guest, compiled, i32, small};

fn overflows(guest: &Guest, export: &str, depth: i32) {
    let outcome = guest.run(export, &[i32(depth)]);
    assert_eq!(outcome.kind, LUCET_TRAPPED, "{}", guest.describe());
    assert_eq!(
        outcome.detail,
        u32::from(TrapCode::Stack.number()),
        "{}",
        guest.describe()
    );
    guest.reset();
}

#[test]
fn in_a_prologue() {
    let guest = Guest::new(
        r#"(module (func $down (export "down") (param i32) (result i32)
             (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 7))
               (else (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1))))))))"#,
    );
    assert_eq!(guest.run_i32("down", &[i32(100)]), 107);
    overflows(&guest, "down", i32::MAX);
    assert_eq!(guest.run_i32("down", &[i32(100)]), 107);
}

/// Frames from a few bytes to many pages: with a spill for each local across a call.
fn with_frame_of(locals: usize) -> String {
    let mut text = String::from("(module (func $down (export \"down\") (param i32) (result i64)\n");
    for index in 1..=locals {
        text.push_str(&format!("(local $v{index} i64)"));
    }
    text.push_str("\n(if (i32.eqz (local.get 0)) (then (return (i64.const 1))))\n");
    for index in 1..=locals {
        text.push_str(&format!(
            "(local.set $v{index} (i64.add (i64.extend_i32_u (local.get 0)) (i64.const {index})))\n"
        ));
    }
    text.push_str("(call $down (i32.sub (local.get 0) (i32.const 1)))\n");
    for index in 1..=locals {
        text.push_str(&format!("(i64.xor (local.get $v{index}))\n"));
    }
    text.push_str("))");
    text
}

#[test]
fn in_frames_of_every_size() {
    for locals in [1, 6, 64, 500, 700, 1500, 3000] {
        let guest = Guest::new(&with_frame_of(locals));
        let outcome = guest.run("down", &[i32(1)]);
        assert_ne!(outcome.kind, 0);
        guest.reset();
        overflows(&guest, "down", i32::MAX);
    }
}

unsafe extern "C" fn identity(_: *mut lucet_call, value: i32) -> i32 {
    value
}

/// The guest recurses to each depth and calls out there, so that some call's trampoline meets the guard.
#[test]
fn in_a_call_out_at_every_depth() {
    for leaf in [false, true] {
        let mut linker = Linker::new().expect("a linker");
        let function = identity as *const ();
        let definition = Definition::Typed {
            function,
            types: 0x11,
            leaf,
            data: std::ptr::null_mut(),
        };
        linker
            .define(b"env", b"identity", definition)
            .expect("a definition");
        let text = r#"(module (import "env" "identity" (func $out (param i32) (result i32)))
             (func $down (export "down") (param i32) (result i32)
               (if (result i32) (i32.eqz (local.get 0)) (then (call $out (i32.const 7)))
                 (else (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1))))))))"#;
        let mut config = small();
        config.stack_bytes = 32 << 10;
        config.leaf_stack_bytes = 16 << 10;
        // A level that does not inline: each level of the recursion has a frame, so the calls out are at every distance of the guard.
        let options = Options {
            opt_level: OptLevel::SpeedAndSize,
            ..Options::default()
        };
        let guest = Guest::made_of(compiled(text, &options, &linker), &config);
        let (mut returned, mut trapped) = (0, 0);
        for depth in 0..2300 {
            let outcome = guest.run("down", &[i32(depth)]);
            if outcome.kind == LUCET_TRAPPED {
                assert_eq!(
                    outcome.detail,
                    u32::from(TrapCode::Stack.number()),
                    "{}",
                    guest.describe()
                );
                trapped += 1;
                guest.reset();
            } else {
                // SAFETY: one value was returned.
                assert_eq!(unsafe { *outcome.values }.bits() as i32, depth + 7);
                returned += 1;
            }
        }
        assert!(
            returned > 100 && trapped > 100,
            "leaf {leaf}: {returned} returned, {trapped} trapped"
        );
    }
}
