//! Addresses that are folded into instructions: indices that wrap, shifted ones, large offsets, and indices that are spilled.

use crate::support::{i32, i64};
use crate::ways::{every_way, read, write};
use lucet::abi::{LUCET_RETURNED, lucet_value};
use lucet_format::trap::TrapCode;
use std::fmt::Write as _;

/// Loads of every width: name, bytes, bits of the result.
const LOADS: [(&str, usize, u32); 7] = [
    ("i32.load8_u", 1, 32),
    ("i32.load16_u", 2, 32),
    ("i32.load", 4, 32),
    ("i64.load8_u", 1, 64),
    ("i64.load16_u", 2, 64),
    ("i64.load32_u", 4, 64),
    ("i64.load", 8, 64),
];

fn returned(outcome: &lucet::abi::lucet_outcome, place: &str) -> u64 {
    assert_eq!(
        (outcome.kind, outcome.detail),
        (LUCET_RETURNED, 0),
        "{place}"
    );
    // SAFETY: it has returned one value.
    let value: lucet_value = unsafe { *outcome.values };
    value.bits() as u64
}

/// What memory holds at an address.
fn pattern(address: u64) -> u8 {
    (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8
}

fn patterns(address: u64, bytes: usize) -> u64 {
    (0..bytes as u64).rev().fold(0, |value, byte| {
        value << 8 | u64::from(pattern(address + byte))
    })
}

/// CVE-2023-26489, GHSA-ff4p-7xrq-q5r8: i32 arithmetic folded into a 64-bit address without being cut to 32 bits; and
/// CVE-2026-34971, GHSA-jhxm-h53p-jm7w: a shift folded with the mask of the access's width instead of the shift's.
#[test]
fn advisory_8_cve_2023_26489_and_16_cve_2026_34971_shifted_indices() {
    for (memory, bits) in [("1", 32u32), ("i64 1", 64)] {
        let mut text = format!("(module (memory (export \"memory\") {memory})");
        for (load, bytes, result) in LOADS {
            // Both orders of the operands of an addition, and the shift alone.
            for amount in 0..bits {
                let shift = format!("(i{bits}.shl (local.get 0) (i{bits}.const {amount}))");
                let widen = if result == 32 {
                    "(i64.extend_i32_u)"
                } else {
                    ""
                };
                let _ = write!(
                    text,
                    r#"(func (export "{load} {amount} {bytes}") (param i{bits} i{bits}) (result i64)
                        ({load} {shift}) {widen}
                        ({load} offset=24 (i{bits}.add (local.get 1) {shift})) {widen} (i64.const 3) (i64.mul) (i64.add)
                        ({load} (i{bits}.add {shift} (local.get 1))) {widen} (i64.const 5) (i64.mul) (i64.add))"#
                );
            }
        }
        text.push(')');
        every_way(&text, |guest, way| {
            for address in 0..4096u64 {
                write(guest, address as usize, [pattern(address)]);
            }
            for (load, bytes, _) in LOADS {
                for amount in 0..bits {
                    // Bits that the shift must drop, and an address that is left.
                    let kept = (0x73a8u64 & 0x7ff) >> amount.min(63) << amount.min(63);
                    let garbage = if amount == 0 {
                        0
                    } else {
                        u64::MAX << (bits - amount)
                    };
                    let index = (kept >> amount.min(63) | garbage) & (u64::MAX >> (64 - bits));
                    // Two numbers whose sum wraps to a small one.
                    let add = 1000u64.wrapping_sub(kept) & (u64::MAX >> (64 - bits));
                    let argument = |value: u64| {
                        if bits == 32 {
                            i32(value as i32)
                        } else {
                            i64(value as i64)
                        }
                    };
                    let name = format!("{load} {amount} {bytes}");
                    let outcome = guest.run(&name, &[argument(index), argument(add)]);
                    let result =
                        returned(&outcome, &format!("{name} of {index:#x}, i{bits}, {way}"));
                    let wanted = patterns(kept, bytes)
                        .wrapping_add(patterns(1024, bytes).wrapping_mul(3))
                        .wrapping_add(patterns(1000, bytes).wrapping_mul(5));
                    assert_eq!(
                        result, wanted,
                        "{name} of {index:#x} and {add:#x}, i{bits}, {way}"
                    );
                }
            }
        });
    }
}

/// CVE-2021-32629, GHSA-hpqh-2wqx-7qp5: an index of 32 bits that is spilled and comes back with its sign.
#[test]
fn advisory_7_cve_2021_32629_spilled_indices_from_2_31_on() {
    let count = 40;
    let locals = "i32 ".repeat(count);
    let mut text = format!(
        r#"(module (memory (export "memory") 65536) (func $nothing (param i32) (result i32) (i32.xor (local.get 0) (local.get 0)))
        (func (export "run") (param $seed i32) (result i64) (local {locals}) (local $zero i32) (local $sum i64)"#
    );
    // Indices that no constant folds: each is computed from the argument.
    for local in 1..=count {
        let _ = write!(
            text,
            "(local.set {local} (i32.add (i32.mul (local.get 0) (i32.const {})) (i32.const {})))",
            0x9e3779b1u32.cast_signed(),
            (0x8000_0000u32 + local as u32 * 0x0123_4568).cast_signed()
        );
    }
    text.push_str("(local.set $zero (call $nothing (local.get 0)))");
    for local in 1..=count {
        let _ = write!(
            text,
            "(i64.store offset=8 (i32.add (local.get {local}) (local.get $zero)) (i64.const {}))",
            local * 1_000_003
        );
    }
    text.push_str("(local.set $zero (call $nothing (local.get $zero)))");
    for local in (1..=count).rev() {
        let _ = write!(
            text,
            "(local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.load offset=8 (local.get {local}))))"
        );
    }
    text.push_str("(local.get $sum)))");
    every_way(&text, |guest, way| {
        for seed in [0u32, 1, 77, 0x8000_0000, 0xffff_ffff] {
            let index = |local: u32| {
                seed.wrapping_mul(0x9e37_79b1)
                    .wrapping_add(0x8000_0000u32.wrapping_add(local * 0x0123_4568))
            };
            // All of them in memory, and none overlapping another.
            assert!((1..=count as u32).all(|local| index(local) < 0xffff_fff0));
            let outcome = guest.run("run", &[i32(seed.cast_signed())]);
            let wanted = (1..=count as u64).rev().fold(0u64, |sum, local| {
                sum.wrapping_mul(31).wrapping_add(local * 1_000_003)
            });
            assert_eq!(returned(&outcome, way), wanted, "{seed:#x}, {way}");
            for local in 1..=count as u32 {
                let bytes = read(guest, index(local) as usize + 8);
                assert_eq!(
                    u64::from_le_bytes(bytes),
                    u64::from(local) * 1_000_003,
                    "{local} of {seed:#x}, {way}"
                );
            }
            guest.reset();
        }
    });
}

/// Commit 2a50190f94 of Cranelift: an offset that overflows when another is added to it.
#[test]
fn advisory_20_offsets_at_the_limits_of_displacements() {
    let offsets = [
        0u64,
        1,
        0x7fff_fff0,
        0x7fff_fff8,
        0x7fff_ffff,
        0x8000_0000,
        0x8000_0001,
        0xffff_fff0,
        0xffff_fff7,
        0xffff_ffff,
    ];
    let indices = [
        0u32,
        1,
        8,
        0x7fff_fff8,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fff8,
        0xffff_ffff,
    ];
    let mut text = String::from("(module (memory (export \"memory\") 65536)");
    for offset in offsets {
        for index in indices {
            let constant = format!("(i32.const {})", index.cast_signed());
            let sum = format!("(i32.add (local.get 0) {constant})");
            let _ = write!(
                text,
                r#"(func (export "c {offset} {index}") (param i32) (result i64) (i64.load offset={offset} {constant}))
                   (func (export "v {offset} {index}") (param i32) (result i64) (i64.load offset={offset} {sum}))"#
            );
        }
    }
    text.push(')');
    every_way(&text, |guest, way| {
        for address in [0u64, 0x7fff_ff00, 0xffff_ff00] {
            for byte in address..address + 256 {
                write(guest, byte as usize, [pattern(byte)]);
            }
        }
        write::<16>(
            guest,
            0x8000_0000,
            std::array::from_fn(|byte| pattern(0x8000_0000 + byte as u64)),
        );
        for (offset, index) in offsets
            .into_iter()
            .flat_map(|offset| indices.map(|index| (offset, index)))
        {
            for kind in ["c", "v"] {
                let name = format!("{kind} {offset} {index}");
                let outcome = guest.run(&name, &[i32(0)]);
                let address = offset + u64::from(index);
                if address + 8 > 1 << 32 {
                    assert_eq!(
                        outcome.detail,
                        u32::from(TrapCode::Memory.number()),
                        "{name}, {way}"
                    );
                    lucet::instance::keep(guest.handle).expect("it has trapped");
                    continue;
                }
                let known = |byte: u64| {
                    byte < 256 || (0x7fff_ff00..0x8000_0010).contains(&byte) || byte >= 0xffff_ff00
                };
                let wanted = (address..address + 8).rev().fold(0u64, |value, byte| {
                    value << 8 | u64::from(if known(byte) { pattern(byte) } else { 0 })
                });
                assert_eq!(returned(&outcome, &name), wanted, "{name}, {way}");
            }
        }
    });
}
