//! Division and remainder by constants, which become multiplications and shifts.

use crate::support::{i32, i64};
use crate::ways::{Random, every_way, read};
use lucet::abi::LUCET_TRAPPED;
use lucet_format::trap::TrapCode;
use std::fmt::Write;

/// Where the results of an operator are, eight bytes each.
const RESULTS: usize = 1024;

/// Every small divisor, the powers of two and their neighbours, the largest, and some others.
fn divisors(bits: u32) -> Vec<i64> {
    let mut all: Vec<i64> = (2..=130).flat_map(|small| [small, -small]).collect();
    all.extend([1, 255, 256, 1000, 65_535, 65_537, 1_000_000_007]);
    let least = if bits == 32 {
        i64::from(i32::MIN)
    } else {
        i64::MIN
    };
    for power in 7..bits - 1 {
        let power = 1i64 << power;
        all.extend([power - 1, power, power + 1, -power, 1 - power]);
    }
    all.extend([least, least + 1, !least, !least - 1]);
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    all.extend((0..60).map(|_| (random.next() as i64 >> (64 - bits)) | 1));
    // By -1 the least dividend traps: see below.
    all.retain(|divisor| *divisor != -1);
    all
}

fn dividends(bits: u32) -> Vec<i64> {
    let least = if bits == 32 {
        i64::from(i32::MIN)
    } else {
        i64::MIN
    };
    let mut all = vec![
        0, 1, -1, 2, 7, -7, 99, 100, -100, 0x7fff, 0x8000, 0xffff, 0x1_0000,
    ];
    all.extend([
        least,
        least + 1,
        !least,
        !least - 1,
        0x5555_5555,
        0xaaaa_aaaau32.cast_signed().into(),
    ]);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    all.extend((0..10).map(|_| random.next() as i64 >> (64 - bits)));
    all
}

fn wanted(operator: &str, bits: u32, dividend: i64, divisor: i64) -> u64 {
    if bits == 32 {
        let (a, b) = (dividend as i32, divisor as i32);
        let (ua, ub) = (a.cast_unsigned(), b.cast_unsigned());
        return u64::from(match operator {
            "div_s" => (a / b).cast_unsigned(),
            "div_u" => ua / ub,
            "rem_s" => (a % b).cast_unsigned(),
            _ => ua % ub,
        });
    }
    let (ua, ub) = (dividend.cast_unsigned(), divisor.cast_unsigned());
    match operator {
        "div_s" => (dividend / divisor).cast_unsigned(),
        "div_u" => ua / ub,
        "rem_s" => (dividend % divisor).cast_unsigned(),
        _ => ua % ub,
    }
}

/// CVE-2022-31169, GHSA-7f6x-jwh5-m9r4: the constant of a division extended in the wrong way.
#[test]
fn advisory_15_cve_2022_31169_division_by_constants() {
    let operators = ["div_s", "div_u", "rem_s", "rem_u"];
    let mut text = String::from("(module (memory (export \"memory\") 1)");
    for bits in [32, 64] {
        for operator in operators {
            let _ = write!(text, "(func (export \"{operator}{bits}\") (param i{bits})");
            for (place, divisor) in divisors(bits).into_iter().enumerate() {
                let _ = write!(
                    text,
                    "(i{bits}.store (i32.const {}) (i{bits}.{operator} (local.get 0) (i{bits}.const {divisor})))",
                    RESULTS + 8 * place
                );
            }
            text.push(')');
        }
    }
    text.push(')');
    every_way(&text, |guest, way| {
        for (bits, operator) in [32, 64]
            .into_iter()
            .flat_map(|bits| operators.map(|operator| (bits, operator)))
        {
            let divisors = divisors(bits);
            for dividend in dividends(bits) {
                let argument = if bits == 32 {
                    i32(dividend as i32)
                } else {
                    i64(dividend)
                };
                guest.run(&format!("{operator}{bits}"), &[argument]);
                for (place, divisor) in divisors.iter().enumerate() {
                    let mut bytes: [u8; 8] = read(guest, RESULTS + 8 * place);
                    bytes[bits as usize / 8..].fill(0);
                    let wanted = wanted(operator, bits, dividend, *divisor);
                    assert_eq!(
                        u64::from_le_bytes(bytes),
                        wanted,
                        "i{bits}.{operator} of {dividend} by {divisor}, {way}"
                    );
                }
            }
        }
    });
}

#[test]
fn advisory_15_division_by_zero_and_minus_one() {
    let mut text = String::from("(module");
    for bits in [32, 64] {
        for operator in ["div_s", "div_u", "rem_s", "rem_u"] {
            for divisor in [0, -1] {
                let _ = write!(
                    text,
                    "(func (export \"{operator}{bits} {divisor}\") (param i{bits}) (result i{bits}) (i{bits}.{operator} (local.get 0) (i{bits}.const {divisor})))"
                );
            }
        }
    }
    text.push(')');
    every_way(&text, |guest, way| {
        for bits in [32, 64] {
            for operator in ["div_s", "div_u", "rem_s", "rem_u"] {
                for divisor in [0, -1] {
                    for dividend in dividends(bits) {
                        let least = if bits == 32 {
                            i64::from(i32::MIN)
                        } else {
                            i64::MIN
                        };
                        let argument = if bits == 32 {
                            i32(dividend as i32)
                        } else {
                            i64(dividend)
                        };
                        let outcome =
                            guest.run(&format!("{operator}{bits} {divisor}"), &[argument]);
                        let trap = match (operator, divisor) {
                            (_, 0) => Some(TrapCode::DivideByZero),
                            ("div_s", -1) if dividend == least => Some(TrapCode::IntegerOverflow),
                            _ => None,
                        };
                        let found = (outcome.kind == LUCET_TRAPPED).then_some(outcome.detail);
                        let place = format!("i{bits}.{operator} of {dividend} by {divisor}, {way}");
                        assert_eq!(found, trap.map(|trap| u32::from(trap.number())), "{place}");
                        if trap.is_some() {
                            guest.reset();
                            continue;
                        }
                        // SAFETY: it has returned one value.
                        let result = unsafe { *outcome.values }.bits() as u64;
                        let wanted = match operator {
                            "rem_s" => 0,
                            "div_s" if bits == 32 => {
                                u64::from((dividend as i32).wrapping_neg().cast_unsigned())
                            }
                            "div_s" => dividend.wrapping_neg().cast_unsigned(),
                            _ => wanted(operator, bits, dividend, divisor),
                        };
                        assert_eq!(result, wanted, "{place}");
                    }
                }
            }
        }
    });
}
