//! Shuffles, swizzles and selects of vectors.

use crate::support::i32;
use crate::ways::{Random, every_way, read, write};
use std::fmt::Write;

/// Where results are, sixteen bytes each.
const RESULTS: usize = 4096;
const VECTORS: [u128; 4] = [
    0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100,
    0x1f1e_1d1c_1b1a_1918_1716_1514_1312_1110,
    0xff80_7f00_fe81_7e01_fd82_7d02_fc83_7c03,
    0x0123_4567_89ab_cdef_fedc_ba98_7654_3210,
];

/// Every lane from every place with the others as they are, the patterns that instructions have, and some others.
fn shuffles() -> Vec<[u8; 16]> {
    let same: [u8; 16] = std::array::from_fn(|lane| lane as u8);
    let mut all = vec![
        same,
        same.map(|lane| lane + 16),
        same.map(|lane| 31 - lane),
        same.map(|lane| 15 - lane),
    ];
    for lane in 0..16 {
        for from in 0..32 {
            let mut one = same;
            one[lane] = from;
            all.push(one);
        }
    }
    for from in 0..32 {
        all.push([from; 16]);
        // As alignment of two vectors, rotation of one, interleaving in every width.
        all.push(same.map(|lane| (lane + from) % 32));
        all.push(same.map(|lane| (lane + from) % 16));
    }
    for width in [1, 2, 4, 8] {
        for half in [0, 8] {
            all.push(same.map(|lane| {
                let (part, rest) = (lane / width, lane % width);
                half + part / 2 * width + rest + if part % 2 == 1 { 16 } else { 0 }
            }));
        }
        // Parts in every order that a byte can say.
        if width == 4 {
            for order in 0..=255u8 {
                all.push(same.map(|lane| {
                    (order >> (2 * (lane / 4)) & 3) * 4
                        + lane % 4
                        + if lane >= 8 { order & 16 } else { 0 }
                }));
            }
        }
    }
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    all.extend((0..200).map(|_| std::array::from_fn(|_| random.below(32) as u8)));
    all
}

fn shuffled(first: u128, second: u128, lanes: [u8; 16]) -> u128 {
    let bytes: Vec<u8> = first
        .to_le_bytes()
        .into_iter()
        .chain(second.to_le_bytes())
        .collect();
    u128::from_le_bytes(lanes.map(|lane| bytes[lane as usize]))
}

/// CVE-2023-27477, GHSA-xm67-587q-r2vw: i8x16.shuffle with both operands the same.
#[test]
fn advisory_13_cve_2023_27477_shuffles() {
    // Two vectors, one twice, one with zero, and one with a constant.
    let operands = [
        ("two", "(local.get 0) (local.get 1)"),
        ("same", "(local.get 0) (local.get 0)"),
        ("zero", "(local.get 0) (v128.const i64x2 0 0)"),
        (
            "constant",
            "(v128.const i64x2 0x0706050403020100 0x0f0e0d0c0b0a0908) (local.get 1)",
        ),
    ];
    let shuffles = shuffles();
    let mut text = String::from("(module (memory (export \"memory\") 1)");
    for (name, operands) in operands {
        let _ = write!(
            text,
            "(func (export \"{name}\") (local v128 v128) (local.set 0 (v128.load (i32.const 0))) (local.set 1 (v128.load (i32.const 16)))"
        );
        for (place, lanes) in shuffles.iter().enumerate() {
            let lanes: Vec<String> = lanes.iter().map(u8::to_string).collect();
            let _ = write!(
                text,
                "(v128.store (i32.const {}) (i8x16.shuffle {} {operands}))",
                RESULTS + 16 * place,
                lanes.join(" ")
            );
        }
        text.push(')');
    }
    text.push(')');
    every_way(&text, |guest, way| {
        for (first, second) in [(VECTORS[0], VECTORS[1]), (VECTORS[2], VECTORS[3])] {
            write(guest, 0, first.to_le_bytes());
            write(guest, 16, second.to_le_bytes());
            for (name, _) in operands {
                guest.run(name, &[]);
                let (first, second) = match name {
                    "two" => (first, second),
                    "same" => (first, first),
                    "zero" => (first, 0),
                    _ => (VECTORS[0], second),
                };
                for (place, lanes) in shuffles.iter().enumerate() {
                    let result = u128::from_le_bytes(read(guest, RESULTS + 16 * place));
                    assert_eq!(
                        result,
                        shuffled(first, second, *lanes),
                        "{name} {lanes:?}, {way}"
                    );
                }
            }
        }
    });
}

fn swizzled(vector: u128, indices: u128) -> u128 {
    let bytes = vector.to_le_bytes();
    u128::from_le_bytes(
        indices
            .to_le_bytes()
            .map(|index| bytes.get(index as usize).copied().unwrap_or(0)),
    )
}

/// CVE-2022-31104, GHSA-jqwc-c49r-4w2x: i8x16.swizzle with constant indices, and select between vectors.
#[test]
fn advisory_14_cve_2022_31104_swizzles_and_selects() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut indices: Vec<u128> = (0..=255u8)
        .map(|byte| {
            u128::from_le_bytes(std::array::from_fn(|lane| {
                byte.wrapping_add(lane as u8 * 17)
            }))
        })
        .collect();
    indices.extend((0..100).map(|_| u128::from(random.next()) << 64 | u128::from(random.next())));
    let mut text = String::from(
        r#"(module (memory (export "memory") 1)
        (func (export "select") (param i32) (local v128 v128)
            (local.set 1 (v128.load (i32.const 0))) (local.set 2 (v128.load (i32.const 16)))
            (v128.store (i32.const 4096) (select (local.get 1) (local.get 2) (local.get 0)))
            (v128.store (i32.const 4112) (select (local.get 1) (local.get 1) (local.get 0)))
            (v128.store (i32.const 4128) (select (result v128) (v128.const i64x2 1 2) (local.get 2) (i32.eqz (local.get 0))))
            (v128.store (i32.const 4144) (select (f32x4.add (local.get 1) (local.get 2)) (i8x16.add (local.get 1) (local.get 2)) (i32.lt_s (local.get 0) (i32.const 0)))))
        (func (export "variable") (v128.store (i32.const 4096) (i8x16.swizzle (v128.load (i32.const 0)) (v128.load (i32.const 16)))))
        (func (export "constant") (local v128) (local.set 0 (v128.load (i32.const 0)))"#,
    );
    for (place, indices) in indices.iter().enumerate() {
        let (low, high) = (*indices as u64, (*indices >> 64) as u64);
        let _ = write!(
            text,
            "(v128.store (i32.const {}) (i8x16.swizzle (local.get 0) (v128.const i64x2 {low:#x} {high:#x})))",
            RESULTS + 16 * place
        );
    }
    text.push_str("))");
    every_way(&text, |guest, way| {
        let (first, second) = (VECTORS[2], VECTORS[3]);
        write(guest, 0, first.to_le_bytes());
        guest.run("constant", &[]);
        for (place, indices) in indices.iter().enumerate() {
            let result = u128::from_le_bytes(read(guest, RESULTS + 16 * place));
            assert_eq!(result, swizzled(first, *indices), "by {indices:#x}, {way}");
        }
        for indices in &indices {
            write(guest, 16, indices.to_le_bytes());
            guest.run("variable", &[]);
            let result = u128::from_le_bytes(read(guest, RESULTS));
            assert_eq!(
                result,
                swizzled(first, *indices),
                "by variable {indices:#x}, {way}"
            );
        }
        write(guest, 16, second.to_le_bytes());
        for condition in [0, 1, -1, 256, i32::MIN] {
            guest.run("select", &[i32(condition)]);
            let result = |place: usize| u128::from_le_bytes(read(guest, RESULTS + 16 * place));
            let chosen = if condition != 0 { first } else { second };
            assert_eq!(result(0), chosen, "{condition}, {way}");
            assert_eq!(result(1), first, "{condition}, {way}");
            let chosen = if condition == 0 { 1 | 2 << 64 } else { second };
            assert_eq!(result(2), chosen, "{condition}, {way}");
            let sum = |add: &dyn Fn([u8; 4], [u8; 4]) -> [u8; 4]| {
                let (first, second) = (first.to_le_bytes(), second.to_le_bytes());
                let words = first.as_chunks().0.iter().zip(second.as_chunks().0);
                let bytes: Vec<u8> = words
                    .flat_map(|(first, second)| add(*first, *second))
                    .collect();
                u128::from_le_bytes(bytes.try_into().expect("sixteen"))
            };
            let chosen = if condition < 0 {
                sum(&|first, second| {
                    (f32::from_le_bytes(first) + f32::from_le_bytes(second)).to_le_bytes()
                })
            } else {
                sum(&|first, second| {
                    std::array::from_fn(|byte| first[byte].wrapping_add(second[byte]))
                })
            };
            assert_eq!(result(3), chosen, "{condition}, {way}");
        }
    });
}
