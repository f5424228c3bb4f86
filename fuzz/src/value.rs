//! Values as both engines can be asked to take them, and arguments that are worth trying.

use crate::generate::Random;
use lucet_format::value::ValueType;

/// A value, by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// `i32`
    I32(u32),
    /// `i64`
    I64(u64),
    /// `f32`
    F32(u32),
    /// `f64`
    F64(u64),
    /// `v128`
    V128(u128),
    /// `funcref`: engines name functions differently, so only whether there is one is known.
    Func(bool),
    /// `externref`: null, or the host's number.
    Extern(Option<u32>),
    /// `exnref`: whether there is one.
    Exception(bool),
}

const INTEGERS: [u64; 14] = [
    0,
    1,
    2,
    31,
    32,
    0x7f,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

const FLOATS: [f64; 17] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MIN_POSITIVE,
    5e-324,
    2_147_483_648.0,
    -2_147_483_649.0,
    9_223_372_036_854_775_808.0,
    1e300,
    f64::NAN,
];

impl Value {
    /// An argument of a type: half of them at the edges of the type, and a function only as null.
    pub fn argument(of: ValueType, random: &mut Random) -> Value {
        match of {
            ValueType::I32 => Value::I32(integer(random) as u32),
            ValueType::I64 => Value::I64(integer(random)),
            ValueType::F32 => Value::F32((float(random) as f32).to_bits()),
            ValueType::F64 => Value::F64(float(random).to_bits()),
            ValueType::V128 => {
                Value::V128(u128::from(integer(random)) | u128::from(integer(random)) << 64)
            }
            ValueType::Funcref => Value::Func(false),
            ValueType::Exnref => Value::Exception(false),
            ValueType::Externref => {
                Value::Extern((random.below(3) > 0).then(|| random.below(1000) as u32))
            }
        }
    }

    /// What a host function answers: a value of a type that depends on a number.
    pub fn from_hash(of: ValueType, hash: u64) -> Value {
        Value::argument(of, &mut Random::new(hash))
    }

    /// Its bits, for a hash.
    pub fn bits(self) -> u128 {
        match self {
            Value::I32(bits) | Value::F32(bits) => u128::from(bits),
            Value::I64(bits) | Value::F64(bits) => u128::from(bits),
            Value::V128(bits) => bits,
            Value::Func(some) | Value::Exception(some) => u128::from(some),
            Value::Extern(number) => number.map_or(0, |number| 1 + u128::from(number)),
        }
    }
}

fn integer(random: &mut Random) -> u64 {
    match random.below(4) {
        0 | 1 => INTEGERS[random.below(INTEGERS.len() as u64) as usize],
        2 => random.below(300),
        _ => random.next(),
    }
}

fn float(random: &mut Random) -> f64 {
    match random.below(4) {
        0 | 1 => FLOATS[random.below(FLOATS.len() as u64) as usize],
        2 => random.next() as i64 as f64 / 1024.0,
        _ => f64::from_bits(random.next()),
    }
}
