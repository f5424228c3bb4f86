//! From bytes to a validated [`Module`].
//!
//! The input is hostile. `wasmparser` validates it completely, function bodies included, against exactly
//! [`SUPPORTED`]; everything after that may rely on validity. A refusal names the byte
//! offset and, where one is the cause, the proposal that is not supported.
//!
//! It does not look into function bodies beyond validating them.

mod constant;
mod effort;
mod features;
mod foreign;
mod layout;
mod names;
mod sections;
mod unchanging;

pub use features::SUPPORTED;
pub(crate) use sections::value_type;

use crate::error::Result;
use crate::limits::{self, Counter, Limits};
use crate::module::{FunctionBody, Module};
use sections::ModuleBuilder;
use std::ops::Range;
use wasmparser::{FuncValidatorAllocations, Parser, Payload, ValidPayload, Validator};

/// The largest input. Offsets into it are kept in 32 bits, with room for Cranelift's "no position".
pub const MAX_INPUT_BYTES: u64 = 1 << 30;

/// Parses and validates a module.
pub fn parse(wasm: &[u8], limits: &Limits) -> Result<Module> {
    let most = limits.module_bytes.min(MAX_INPUT_BYTES);
    limits::check("bytes of the module", wasm.len() as u64, most)?;
    match parse_sections(wasm, limits) {
        Ok(builder) => builder?.finish(wasm),
        Err(error) => Err(features::refusal(wasm, &error)),
    }
}

/// Validates every section and function, and collects what they say. The outer error is the validator's.
fn parse_sections(wasm: &[u8], limits: &Limits) -> wasmparser::Result<Result<ModuleBuilder>> {
    let mut validator = Validator::new_with_features(features::SUPPORTED);
    let mut parser = Parser::new(0);
    parser.set_features(features::SUPPORTED);
    let mut allocations = FuncValidatorAllocations::default();
    let mut builder = ModuleBuilder::default();
    let mut counted = None;
    let mut problem = Ok(());
    let mut counter = Counter::default();
    for payload in parser.parse_all(wasm) {
        let payload = payload?;
        if let Payload::Version {
            encoding: wasmparser::Encoding::Component,
            ..
        } = payload
        {
            return Ok(Err(features::component()));
        }
        if let Err(error) = counter.section(&payload, limits) {
            return Ok(Err(error));
        }
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            let mut function = function.into_validator(allocations);
            // Types are complete before the first body.
            if *counted.get_or_insert_with(|| effort::is_needed(&builder.module)) {
                if let Err(error) = effort::validate(&mut function, &body)? {
                    return Ok(Err(error));
                }
            } else {
                function.validate(&body)?;
            }
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
    let steps = builder.module.expressions.len() as u64;
    let what = "instructions of constant expressions";
    let problem = problem.and_then(|()| limits::check(what, steps, limits::CONSTANT_STEPS));
    let signatures = builder.signature_values();
    let what = "parameters and results of all functions";
    let problem = problem.and_then(|()| limits::check(what, signatures, limits.signature_values));
    Ok(problem.map(|()| builder))
}

/// A range of the input, which is shorter than [`MAX_INPUT_BYTES`].
fn range(range: &Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}
