//! Function types as people and C code write them.
//!
//! C writes a type as a number ([`unpack`]): four bits each, the lowest being the result (0: none), then up to
//! [`MAX_PARAMETERS`] parameters, ended by 0. The digits are the numbers of `LUCET_I32` and so on.

use crate::error::{Result, Status, error};
use lucet_format::image::Image;
use lucet_format::image::records::FunctionType;
use lucet_format::value::ValueType;
use std::fmt;

/// The most parameters of a type that C writes as a number.
pub const MAX_PARAMETERS: usize = 12;

/// A function type of an image, for messages.
pub struct Display<'a> {
    image: &'a Image<'a>,
    function_type: &'a FunctionType,
}

impl<'a> Display<'a> {
    /// See the file's header.
    pub fn new(image: &'a Image<'a>, function_type: &'a FunctionType) -> Display<'a> {
        Display {
            image,
            function_type,
        }
    }
}

impl fmt::Display for Display<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_type(
            out,
            self.image.parameters(self.function_type),
            self.image.results(self.function_type),
        )
    }
}

/// Writes `(i32, i64) -> f32`.
pub fn write_type(
    out: &mut fmt::Formatter<'_>,
    parameters: impl Iterator<Item = ValueType>,
    results: impl Iterator<Item = ValueType>,
) -> fmt::Result {
    write_list(out, parameters)?;
    out.write_str(" -> ")?;
    write_list(out, results)
}

/// The parameters of a tag, for messages.
pub struct Parameters<'a>(pub &'a [ValueType]);

impl fmt::Display for Parameters<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_type(out, self.0.iter().copied(), std::iter::empty())
    }
}

fn write_list(out: &mut fmt::Formatter<'_>, types: impl Iterator<Item = ValueType>) -> fmt::Result {
    out.write_str("(")?;
    for (index, value_type) in types.enumerate() {
        out.write_str(if index == 0 { "" } else { ", " })?;
        out.write_str(value_type.name())?;
    }
    out.write_str(")")
}

/// A function type that C wrote as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    parameters: [Option<ValueType>; MAX_PARAMETERS],
    result: Option<ValueType>,
}

/// Reads such a number.
///
/// # Errors
///
/// `BadArgument`.
pub fn unpack(types: u64) -> Result<Packed> {
    let bad = || {
        error!(
            Status::BadArgument,
            "{types:#x} does not describe a function type: use the macros of lucet/typed.h"
        )
    };
    let digit = |place: usize| (types >> (4 * place)) as u8 & 15;
    let value_type = |digit: u8| match ValueType::from_number(digit) {
        None if digit != 0 => Err(bad()),
        // A reference to an exception is nothing that C code could do something with.
        Some(ValueType::Exnref) => Err(bad()),
        known => Ok(known),
    };
    let mut packed = Packed {
        parameters: [None; MAX_PARAMETERS],
        result: value_type(digit(0))?,
    };
    let mut ended = false;
    for (place, parameter) in packed.parameters.iter_mut().enumerate() {
        *parameter = value_type(digit(place + 1))?;
        if ended && parameter.is_some() {
            return Err(bad());
        }
        ended |= parameter.is_none();
    }
    if types >> (4 * (MAX_PARAMETERS + 1)) != 0 {
        return Err(bad());
    }
    Ok(packed)
}

impl Packed {
    /// The parameters.
    pub fn parameters(&self) -> impl Iterator<Item = ValueType> + '_ {
        self.parameters.iter().flatten().copied()
    }

    /// The result.
    pub fn result(&self) -> Option<ValueType> {
        self.result
    }

    /// Whether this is a function type of an image.
    pub fn is(&self, image: &Image<'_>, function_type: &FunctionType) -> bool {
        self.parameters().eq(image.parameters(function_type))
            && self.result.into_iter().eq(image.results(function_type))
    }
}

impl fmt::Display for Packed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_type(out, self.parameters(), self.result.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_function_types() {
        assert_eq!(unpack(0).expect("a type").to_string(), "() -> ()");
        assert_eq!(
            unpack(0x7_2314).expect("a type").to_string(),
            "(i32, f32, i64, externref) -> (f64)"
        );
        assert_eq!(
            unpack(0x1_1111_1111_1110)
                .expect("a type")
                .to_string()
                .matches("i32")
                .count(),
            12
        );
    }

    #[test]
    fn impossible_numbers_are_refused() {
        for types in [0x8, 0x9, 0x90, 0xf1, 0x101, 0x11_1111_1111_1110, 1 << 63] {
            assert_eq!(
                unpack(types).expect_err("no type").status,
                Status::BadArgument,
                "{types:#x}"
            );
        }
    }
}
