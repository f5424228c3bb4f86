//! Which WebAssembly is accepted, and which proposal to name when something else is refused.
//!
//! A module that is refused is examined again under larger feature sets, which costs time only on the way
//! to an error message.

use crate::error::{self, Error};
use wasmparser::{Validator, WasmFeatures};

/// WebAssembly 2.0 (<https://webassembly.github.io/spec/versions/core/WebAssembly-2.0.pdf>) and relaxed SIMD.
pub const SUPPORTED: WasmFeatures = WasmFeatures::WASM1
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::RELAXED_SIMD);

/// Every proposal that a module may need and that we refuse, by the name its repository has, together with
/// the proposals it builds on. The smaller ones come first.
const PROPOSALS: [(&str, WasmFeatures); 15] = [
    ("threads", WasmFeatures::THREADS),
    ("tail-call", WasmFeatures::TAIL_CALL),
    ("multi-memory", WasmFeatures::MULTI_MEMORY),
    ("memory64", WasmFeatures::MEMORY64),
    ("extended-const", WasmFeatures::EXTENDED_CONST),
    ("custom-page-sizes", WasmFeatures::CUSTOM_PAGE_SIZES),
    ("wide-arithmetic", WasmFeatures::WIDE_ARITHMETIC),
    ("exception-handling", WasmFeatures::EXCEPTIONS),
    ("legacy exception-handling", WasmFeatures::LEGACY_EXCEPTIONS),
    ("function-references", WasmFeatures::FUNCTION_REFERENCES),
    (
        "gc",
        WasmFeatures::GC.union(WasmFeatures::FUNCTION_REFERENCES),
    ),
    (
        "stack-switching",
        WasmFeatures::STACK_SWITCHING
            .union(WasmFeatures::GC)
            .union(WasmFeatures::FUNCTION_REFERENCES)
            .union(WasmFeatures::EXCEPTIONS),
    ),
    ("memory-control", WasmFeatures::MEMORY_CONTROL),
    (
        "shared-everything-threads",
        WasmFeatures::SHARED_EVERYTHING_THREADS.union(WasmFeatures::THREADS),
    ),
    ("compact-import-section", WasmFeatures::COMPACT_IMPORTS),
];

/// The error for a module that the validator refused.
pub fn refusal(wasm: &[u8], error: &wasmparser::Error) -> Error {
    match proposal_behind(wasm, error) {
        Some(proposal) => Error::Unsupported {
            proposal,
            offset: error.offset(),
            message: error::message(error),
        },
        None => Error::invalid(error),
    }
}

/// The error for a component.
pub fn component() -> Error {
    Error::Unsupported {
        proposal: "component-model",
        offset: 0,
        message: "this is a component, not a core module".to_owned(),
    }
}

/// The proposal whose support would have changed the verdict on the module.
fn proposal_behind(wasm: &[u8], error: &wasmparser::Error) -> Option<&'static str> {
    if error.missing_wasm_feature() == Some(WasmFeatures::COMPONENT_MODEL) {
        return Some("component-model");
    }
    let accepting = PROPOSALS
        .iter()
        .find(|(_, features)| accepts(wasm, SUPPORTED.union(*features)));
    if let Some((name, _)) = accepting {
        return Some(name);
    }
    // Several proposals at once, or a feature in a module that is invalid anyway: the validator's own word.
    let missing = error.missing_wasm_feature()?;
    PROPOSALS
        .iter()
        .find(|(_, features)| features.contains(missing))
        .map(|(name, _)| *name)
}

fn accepts(wasm: &[u8], features: WasmFeatures) -> bool {
    Validator::new_with_features(features)
        .validate_all(wasm)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proposal_in_the_list_is_supported() {
        for (name, features) in PROPOSALS {
            assert!(!SUPPORTED.contains(features), "{name}");
        }
        assert!(SUPPORTED.contains(WasmFeatures::WASM2));
    }
}
