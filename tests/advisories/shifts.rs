//! Shifts and rotations by every constant, in every width and lane.

use crate::support::{i32, i64};
use crate::ways::{every_way, read, write};
use std::fmt::Write as _;

/// One more than any lane has bits, twice over, and amounts with high bits.
fn amounts() -> impl Iterator<Item = u32> + Clone {
    (0..=130).chain([255, 256, 0x7fff_ffff, 0x8000_0000, 0x8000_003f, 0xffff_ffe1])
}

/// Where the results of an operator are, in places of sixteen bytes.
const RESULTS: usize = 4096;

fn scalar(operator: &str, bits: u32, value: u64, amount: u64) -> u64 {
    let by = (amount % u64::from(bits)) as u32;
    if bits == 32 {
        let value = value as u32;
        let result = match operator {
            "shl" => value << by,
            "shr_u" => value >> by,
            "shr_s" => (value.cast_signed() >> by).cast_unsigned(),
            "rotl" => value.rotate_left(by),
            _ => value.rotate_right(by),
        };
        return u64::from(result);
    }
    match operator {
        "shl" => value << by,
        "shr_u" => value >> by,
        "shr_s" => (value.cast_signed() >> by).cast_unsigned(),
        "rotl" => value.rotate_left(by),
        _ => value.rotate_right(by),
    }
}

#[test]
fn advisory_12_constant_shifts_of_scalars() {
    let operators = ["shl", "shr_u", "shr_s", "rotl", "rotr"];
    let mut text = String::from("(module (memory (export \"memory\") 1)");
    for bits in [32, 64] {
        for operator in operators {
            let _ = write!(text, "(func (export \"{operator}{bits}\") (param i{bits})");
            for (place, amount) in amounts().enumerate() {
                let _ = write!(
                    text,
                    "(i{bits}.store (i32.const {}) (i{bits}.{operator} (local.get 0) (i{bits}.const {amount})))",
                    RESULTS + 16 * place
                );
            }
            text.push(')');
        }
    }
    text.push(')');
    let values = [
        0,
        1,
        0x8000_0000,
        0xffff_ffff,
        0x8000_0000_0000_0001,
        0x0123_4567_89ab_cdef,
        u64::MAX,
    ];
    every_way(&text, |guest, way| {
        for (bits, operator) in [32, 64]
            .into_iter()
            .flat_map(|bits| operators.map(|operator| (bits, operator)))
        {
            for value in values {
                let argument = if bits == 32 {
                    i32(value as i32)
                } else {
                    i64(value as i64)
                };
                guest.run(&format!("{operator}{bits}"), &[argument]);
                for (place, amount) in amounts().enumerate() {
                    let mut bytes: [u8; 8] = read(guest, RESULTS + 16 * place);
                    bytes[bits as usize / 8..].fill(0);
                    let wanted = scalar(operator, bits, value, u64::from(amount));
                    assert_eq!(
                        u64::from_le_bytes(bytes),
                        wanted,
                        "i{bits}.{operator} of {value:#x} by {amount}, {way}"
                    );
                }
            }
        }
    });
}

fn lanes(operator: &str, bits: u32, vector: u128, amount: u32) -> u128 {
    let (by, mask) = (amount % bits, u128::MAX >> (128 - bits));
    (0..128 / bits).fold(0, |result, lane| {
        let value = vector >> (lane * bits) & mask;
        let shifted = match operator {
            "shl" => value << by & mask,
            "shr_u" => value >> by,
            _ => {
                ((value << (128 - bits)).cast_signed() >> (128 - bits) >> by).cast_unsigned() & mask
            }
        };
        result | shifted << (lane * bits)
    })
}

/// CVE-2023-41880, GHSA-gw5p-q8mj-p7gh: i64x2.shr_s by a constant above 32.
#[test]
fn advisory_12_cve_2023_41880_constant_shifts_of_lanes() {
    let shapes = [("i8x16", 8), ("i16x8", 16), ("i32x4", 32), ("i64x2", 64)];
    let operators = ["shl", "shr_u", "shr_s"];
    let mut text = String::from("(module (memory (export \"memory\") 1)");
    for (shape, _) in shapes {
        for operator in operators {
            let _ = write!(
                text,
                "(func (export \"{shape}.{operator}\") (local v128) (local.set 0 (v128.load (i32.const 0)))"
            );
            for (place, amount) in amounts().enumerate() {
                let _ = write!(
                    text,
                    "(v128.store (i32.const {}) ({shape}.{operator} (local.get 0) (i32.const {amount})))",
                    RESULTS + 16 * place
                );
            }
            text.push(')');
        }
    }
    text.push(')');
    let vectors = [
        0x0123_4567_89ab_cdef_fedc_ba98_7654_3210u128,
        0x8000_0000_0000_0000_7fff_ffff_ffff_ffff,
        0xff80_7f01_8000_7fff_8000_0001_ffff_fffe,
    ];
    every_way(&text, |guest, way| {
        for ((shape, bits), operator) in shapes
            .into_iter()
            .flat_map(|shape| operators.map(|operator| (shape, operator)))
        {
            for vector in vectors {
                write(guest, 0, vector.to_le_bytes());
                guest.run(&format!("{shape}.{operator}"), &[]);
                for (place, amount) in amounts().enumerate() {
                    let result = u128::from_le_bytes(read(guest, RESULTS + 16 * place));
                    let wanted = lanes(operator, bits, vector, amount);
                    assert_eq!(
                        result, wanted,
                        "{shape}.{operator} of {vector:#x} by {amount}, {way}"
                    );
                }
            }
        }
    });
}
