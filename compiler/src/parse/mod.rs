//! From bytes to a validated [`Module`].
//!
//! The input is hostile. `wasmparser` validates it completely, function bodies included, against exactly
//! [`SUPPORTED`]; everything after that may rely on validity. A refusal names the byte
//! offset and, where one is the cause, the proposal that is not supported.
//!
//! It does not look into function bodies beyond validating them.

mod constant;
mod features;
mod layout;
mod names;
mod sections;

pub use features::SUPPORTED;
pub(crate) use sections::value_type;

use crate::error::{Error, Result};
use crate::module::{FunctionBody, Module};
use sections::ModuleBuilder;
use std::ops::Range;
use wasmparser::{FuncValidatorAllocations, Parser, Payload, ValidPayload, Validator};

/// The largest input. Offsets into it are kept in 32 bits, with room for Cranelift's "no position".
pub const MAX_INPUT_BYTES: u64 = 1 << 30;

/// Parses and validates a module.
pub fn parse(wasm: &[u8]) -> Result<Module> {
    if wasm.len() as u64 > MAX_INPUT_BYTES {
        return Err(Error::Limit {
            what: "bytes of the module",
            actual: wasm.len() as u64,
            limit: MAX_INPUT_BYTES,
        });
    }
    match parse_sections(wasm) {
        Ok(builder) => builder?.finish(),
        Err(error) => Err(features::refusal(wasm, &error)),
    }
}

/// Validates every section and function, and collects what they say. The outer error is the validator's.
fn parse_sections(wasm: &[u8]) -> wasmparser::Result<Result<ModuleBuilder>> {
    let mut validator = Validator::new_with_features(features::SUPPORTED);
    let mut parser = Parser::new(0);
    parser.set_features(features::SUPPORTED);
    let mut allocations = FuncValidatorAllocations::default();
    let mut builder = ModuleBuilder::default();
    let mut problem = Ok(());
    for payload in parser.parse_all(wasm) {
        let payload = payload?;
        if let Payload::Version {
            encoding: wasmparser::Encoding::Component,
            ..
        } = payload
        {
            return Ok(Err(features::component()));
        }
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            let mut function = function.into_validator(allocations);
            function.validate(&body)?;
            allocations = function.into_allocations();
            builder.module.bodies.push(FunctionBody {
                range: range(&body.range()),
            });
        }
        // The first problem that is not the validator's is kept: an invalid module is reported as invalid.
        if problem.is_ok() {
            problem = builder.section(payload, validator.types(0))?;
        }
    }
    Ok(problem.map(|()| builder))
}

/// A range of the input, which is shorter than [`MAX_INPUT_BYTES`].
fn range(range: &Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}
