//! Value types and function types. The numbers are those of `LUCET_I32` and its neighbours in `lucet.h`.

/// The type of a WebAssembly value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ValueType {
    /// A 32-bit integer.
    I32 = 1,
    /// A 64-bit integer.
    I64 = 2,
    /// A 32-bit float.
    F32 = 3,
    /// A 64-bit float.
    F64 = 4,
    /// A 128-bit vector.
    V128 = 5,
    /// A reference to a function of the instance, or null.
    Funcref = 6,
    /// A reference to an object of the host, or null.
    Externref = 7,
    /// A reference to an exception of the instance, or null.
    Exnref = 9,
}

impl ValueType {
    /// The type with this number, if there is one.
    pub const fn from_number(number: u8) -> Option<ValueType> {
        Some(match number {
            1 => ValueType::I32,
            2 => ValueType::I64,
            3 => ValueType::F32,
            4 => ValueType::F64,
            5 => ValueType::V128,
            6 => ValueType::Funcref,
            7 => ValueType::Externref,
            9 => ValueType::Exnref,
            _ => return None,
        })
    }

    /// The number in images and in the C API.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            ValueType::I32 => "i32",
            ValueType::I64 => "i64",
            ValueType::F32 => "f32",
            ValueType::F64 => "f64",
            ValueType::V128 => "v128",
            ValueType::Funcref => "funcref",
            ValueType::Externref => "externref",
            ValueType::Exnref => "exnref",
        }
    }

    /// Whether a value of this type travels in a vector register.
    pub const fn is_float_class(self) -> bool {
        matches!(self, ValueType::F32 | ValueType::F64 | ValueType::V128)
    }

    /// Whether this is a reference type.
    pub const fn is_reference(self) -> bool {
        matches!(
            self,
            ValueType::Funcref | ValueType::Externref | ValueType::Exnref
        )
    }
}

/// How many results of each register class a guest function returns in registers. A function with more of
/// either class returns all of its results through a pointer, its second parameter
/// (after vmctx), to an array of [`crate::runtime::RESULT_STRIDE`]-byte cells.
pub const RESULTS_IN_REGISTERS: usize = 8;

/// Whether a guest function with these results returns them through a pointer.
pub fn results_through_pointer(results: impl IntoIterator<Item = ValueType>) -> bool {
    let (mut integers, mut floats) = (0, 0);
    for result in results {
        if result.is_float_class() {
            floats += 1;
        } else {
            integers += 1;
        }
    }
    integers > RESULTS_IN_REGISTERS || floats > RESULTS_IN_REGISTERS
}
