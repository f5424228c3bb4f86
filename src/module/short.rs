//! What entering a function by its handle needs to know of it, gathered once so that a call looks nothing up.

use super::CodeImage;
use crate::abi::lucet_value;
use crate::context::{ByHandle, Callee, INTEGERS};
use lucet_format::image::NONE;
use lucet_format::runtime::FastResult;
use lucet_format::value::ValueType;

/// The most parameters of a function that can be entered the short way.
pub const PARAMETERS: usize = 12;
/// The most results.
pub const RESULTS: usize = 4;

/// A function with few parameters and results, and no reference to something of the guest among the parameters: those must be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    /// If it takes a few integers and has at most one result, which is no vector: the shortest way.
    pub callee: Option<Callee>,
    parameters: [u32; PARAMETERS],
    parameter_count: usize,
    results: [u32; RESULTS],
    result_count: usize,
    /// Address of the export's typed stub, when it takes all arguments in registers and has at most one result.
    pub stub: Option<usize>,
    /// Text offset of the type's adapter.
    pub adapter: u32,
    /// Text offset of the function's code.
    pub code: u32,
}

impl Short {
    /// Of an exported function of `code`, if it is one. `stub` is the text offset of its typed stub.
    pub fn of(code: &CodeImage, function: u32, export: u32, stub: u32) -> Option<Short> {
        let image = code.image();
        let function = image.function(function)?;
        let function_type = image
            .function_types()
            .get(function.function_type as usize)?;
        let parameters = || image.parameters(&function_type);
        let results = || image.results(&function_type);
        let mut short = Short {
            callee: None,
            parameters: [0; PARAMETERS],
            parameter_count: function_type.parameters as usize,
            results: [0; RESULTS],
            result_count: function_type.results as usize,
            stub: None,
            adapter: function_type.adapter,
            code: function.code,
        };
        let enterable = short.adapter != NONE && image.is_in_text(short.code);
        let few = short.parameter_count <= PARAMETERS && short.result_count <= RESULTS;
        let plain =
            parameters().all(|kind| !matches!(kind, ValueType::Funcref | ValueType::Exnref));
        if !(enterable && few && plain) {
            return None;
        }
        for (place, kind) in short.parameters.iter_mut().zip(parameters()) {
            *place = u32::from(kind.number());
        }
        for (place, kind) in short.results.iter_mut().zip(results()) {
            *place = u32::from(kind.number());
        }
        let Some(result) = FastResult::of(parameters(), results()).filter(|_| stub != NONE) else {
            return Some(short);
        };
        let text = code.text().0;
        short.stub = Some(text + stub as usize);
        if short.parameter_count <= INTEGERS && !parameters().any(ValueType::is_float_class) {
            let address = text + function.code as usize;
            // SAFETY: a function of this module of the kind that the lines above say.
            short.callee =
                unsafe { Callee::new(code.base(), address, export, result, code.uses_vectors()) };
        }
        Some(short)
    }

    /// What calls from C need of it.
    pub fn by_handle(&self) -> ByHandle {
        ByHandle::new(self.callee.as_ref(), self.parameters(), self.results())
    }

    /// The numbers of the types of its parameters.
    #[inline]
    pub fn parameters(&self) -> &[u32] {
        self.parameters.get(..self.parameter_count).unwrap_or(&[])
    }

    /// Whether these are arguments for it.
    #[inline]
    pub fn accepts(&self, arguments: &[lucet_value]) -> bool {
        let wanted = self.parameters();
        arguments.len() == wanted.len()
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
