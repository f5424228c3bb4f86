//! Which WebAssembly is accepted, and which proposal to name when something else is refused.
//!
//! A module that is refused is examined again under larger feature sets, which costs time only on the way
//! to an error message.

use crate::error::{self, Error, Result};
use wasmparser::{MemoryType, Validator, WasmFeatures};

/// WebAssembly 2.0 (<https://webassembly.github.io/spec/versions/core/WebAssembly-2.0.pdf>) and, of what came after it, the
/// proposals listed here. Of `threads` that is the operators: see [`unshared`].
pub const SUPPORTED: WasmFeatures = WasmFeatures::WASM1
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::WIDE_ARITHMETIC)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::THREADS)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::CUSTOM_PAGE_SIZES)
    .union(WasmFeatures::EXCEPTIONS);

/// Every proposal that a module may need and that we refuse, by the name its repository has. One that builds on others
/// comes after them.
const PROPOSALS: [(&str, WasmFeatures); 7] = [
    ("compact-import-section", WasmFeatures::COMPACT_IMPORTS),
    ("memory-control", WasmFeatures::MEMORY_CONTROL),
    ("legacy exception-handling", WasmFeatures::LEGACY_EXCEPTIONS),
    ("gc", WasmFeatures::GC),
    ("stack-switching", WasmFeatures::STACK_SWITCHING),
    (
        "shared-everything-threads",
        WasmFeatures::SHARED_EVERYTHING_THREADS,
    ),
    ("custom-descriptors", WasmFeatures::CUSTOM_DESCRIPTORS),
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

/// That a memory is not shared: instances share nothing with each other.
pub fn unshared(memory: &MemoryType, offset: u64) -> Result<()> {
    if !memory.shared {
        return Ok(());
    }
    Err(Error::Unsupported {
        proposal: "threads",
        offset,
        message: "a shared memory; atomic operators are supported on memories that are not shared"
            .to_owned(),
    })
}

/// The error for a component.
pub fn component() -> Error {
    Error::Unsupported {
        proposal: "component-model",
        offset: 0,
        message: "this is a component, not a core module".to_owned(),
    }
}

/// The proposal without which validation would end earlier even if all others were supported; of several, the one that
/// builds on the others.
fn proposal_behind(wasm: &[u8], error: &wasmparser::Error) -> Option<&'static str> {
    if error.missing_wasm_feature() == Some(WasmFeatures::COMPONENT_MODEL) {
        return Some("component-model");
    }
    let everything = PROPOSALS
        .iter()
        .fold(SUPPORTED, |all, (_, features)| all.union(*features));
    let furthest = reached(wasm, everything);
    let found = if furthest > error.offset() {
        let needed = |features| reached(wasm, everything.difference(features)) < furthest;
        let helps = |features| reached(wasm, SUPPORTED.union(features)) > error.offset();
        let mut last_first = PROPOSALS.iter().rev();
        last_first
            .find(|(_, features)| needed(*features))
            .or_else(|| PROPOSALS.iter().find(|(_, features)| helps(*features)))
    } else {
        // The validator's own word on a module that no proposal helps.
        let missing = error.missing_wasm_feature();
        PROPOSALS.iter().find(|(name, features)| {
            missing.is_some_and(|flag| features.contains(flag))
                || error.message().starts_with(&format!("{name} proposal "))
        })
    };
    found.map(|(name, _)| *name)
}

/// Where validation ends; beyond every offset when the module is valid.
fn reached(wasm: &[u8], features: WasmFeatures) -> u64 {
    let verdict = Validator::new_with_features(features).validate_all(wasm);
    verdict.map_or_else(|error| error.offset(), |_| u64::MAX)
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
