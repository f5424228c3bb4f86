//! What entering a function by its handle needs to know of it, gathered once so that a call looks nothing up.

use super::CodeImage;
use crate::abi::lucet_value;
use lucet_format::image::NONE;
use lucet_format::runtime::{FAST_FLOATS, FAST_INTEGERS};
use lucet_format::value::ValueType;

/// The most parameters of a function that can be entered the short way.
pub const PARAMETERS: usize = 12;
/// The most results.
pub const RESULTS: usize = 4;

/// A function with few parameters and results, and no function reference among the parameters: those must be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    /// Text offset of the type's adapter.
    pub adapter: u32,
    /// Text offset of the function's code.
    pub code: u32,
    /// Address of the export's typed stub, when it takes all arguments in registers and has at most one result.
    pub stub: Option<usize>,
    /// Whether the stub takes floats.
    pub takes_floats: bool,
    parameters: [u32; PARAMETERS],
    parameter_count: usize,
    results: [u32; RESULTS],
    result_count: usize,
}

impl Short {
    /// Of an exported function of `code`, if it is one. `stub` is the text offset of its typed stub.
    pub fn of(code: &CodeImage, function: u32, stub: u32) -> Option<Short> {
        let image = code.image();
        let function = image.functions().get(function as usize)?;
        let function_type = image
            .function_types()
            .get(function.function_type as usize)?;
        let mut short = Short {
            adapter: function_type.adapter,
            code: function.code,
            stub: None,
            takes_floats: false,
            parameters: [0; PARAMETERS],
            parameter_count: function_type.parameters as usize,
            results: [0; RESULTS],
            result_count: function_type.results as usize,
        };
        let enterable = short.adapter != NONE && short.code != NONE;
        let few = short.parameter_count <= PARAMETERS && short.result_count <= RESULTS;
        let plain = image
            .parameters(&function_type)
            .all(|kind| kind != ValueType::Funcref);
        if !(enterable && few && plain) {
            return None;
        }
        for (place, kind) in short
            .parameters
            .iter_mut()
            .zip(image.parameters(&function_type))
        {
            *place = u32::from(kind.number());
        }
        for (place, kind) in short.results.iter_mut().zip(image.results(&function_type)) {
            *place = u32::from(kind.number());
        }
        let floats = image
            .parameters(&function_type)
            .filter(|kind| kind.is_float_class())
            .count();
        let vectors = image
            .parameters(&function_type)
            .chain(image.results(&function_type))
            .any(|kind| kind == ValueType::V128);
        let in_registers =
            short.parameter_count - floats <= FAST_INTEGERS && floats <= FAST_FLOATS && !vectors;
        short.takes_floats = floats > 0;
        if in_registers && short.result_count <= 1 && stub != NONE {
            short.stub = Some(code.text().0 + stub as usize);
        }
        Some(short)
    }

    /// Whether these are arguments for it.
    #[inline]
    pub fn accepts(&self, arguments: &[lucet_value]) -> bool {
        let wanted = self.parameters.iter();
        arguments.len() == self.parameter_count
            && arguments
                .iter()
                .zip(wanted)
                .all(|(argument, wanted)| argument.r#type == *wanted)
    }

    /// The numbers of the types of its results.
    #[inline]
    pub fn results(&self) -> &[u32] {
        self.results.get(..self.result_count).unwrap_or(&[])
    }
}
