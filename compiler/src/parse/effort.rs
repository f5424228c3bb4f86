//! Validation of function bodies that are short and yet long work: a branch to a block with a thousand results is
//! validated a thousand values long, a `br_table` as many times as it has targets.
//!
//! Only modules that have such types are looked at; the bodies of all others are validated without a count.

use crate::error::Result;
use crate::limits;
use crate::module::{FunctionType, Module};
use wasmparser::{
    BlockType, CompositeInnerType, FrameKind, FuncValidator, FunctionBody, Operator,
    ValidatorResources, WasmModuleResources,
};

/// Parameters or results from which on a type can make a body expensive: what a body may compute and pass by the byte.
const MANY: usize = 64;

/// Whether bodies have to be counted.
pub fn is_needed(module: &Module) -> bool {
    let many = |kind: &FunctionType| kind.parameters.len().max(kind.results.len()) > MANY;
    module.types.iter().any(many)
}

/// Validates a body until it turns out to be too long work. The outer error is the validator's.
pub fn validate(
    validator: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
) -> wasmparser::Result<Result<()>> {
    let range = body.range();
    let most = limits::values((range.end - range.start) as usize);
    validator.read_locals(&mut body.get_binary_reader())?;
    let mut operators = body.get_operators_reader()?;
    let mut values = 0u64;
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        values = values.saturating_add(passed(validator, &operator));
        if let Err(error) = limits::check(limits::VALUES, values, most) {
            return Ok(Err(error));
        }
        validator.op(offset, &operator)?;
    }
    operators.finish()?;
    Ok(Ok(()))
}

/// How many values an operator takes along; 0 for what is invalid, which its validation will say.
fn passed(validator: &FuncValidator<ValidatorResources>, operator: &Operator<'_>) -> u64 {
    match operator {
        Operator::Br { relative_depth }
        | Operator::BrIf { relative_depth }
        | Operator::BrOnNull { relative_depth }
        | Operator::BrOnNonNull { relative_depth } => label(validator, *relative_depth),
        Operator::BrTable { targets } => {
            // All of them take as many.
            label(validator, targets.default()).saturating_mul(u64::from(targets.len()) + 1)
        }
        Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
            let (parameters, results) = arity(validator, *blockty);
            parameters + results
        }
        _ => 0,
    }
}

fn label(validator: &FuncValidator<ValidatorResources>, depth: u32) -> u64 {
    let Some(frame) = validator.get_control_frame(depth as usize) else {
        return 0;
    };
    let (parameters, results) = arity(validator, frame.block_type);
    if frame.kind == FrameKind::Loop {
        parameters
    } else {
        results
    }
}

/// Parameters and results of a block.
fn arity(validator: &FuncValidator<ValidatorResources>, block_type: BlockType) -> (u64, u64) {
    match block_type {
        BlockType::Empty => (0, 0),
        BlockType::Type(_) => (0, 1),
        BlockType::FuncType(index) => {
            let declared = validator.resources().sub_type_at(index);
            match declared.map(|declared| &declared.composite_type.inner) {
                Some(CompositeInnerType::Func(kind)) => {
                    (kind.params().len() as u64, kind.results().len() as u64)
                }
                _ => (0, 0),
            }
        }
    }
}
