//! Constant expressions: <https://webassembly.github.io/spec/core/valid/instructions.html#constant-expressions>.
//!
//! What does not depend on an import is evaluated here. The rest becomes steps that the runtime evaluates when it links.

use crate::error::{Error, Result};
use crate::module::{Constant, Step};
use lucet_format::image::records::Operation;
use wasmparser::{ConstExpr, Operator};

/// Evaluates a validated constant expression as far as it can be without an instance. Steps that remain are appended.
pub fn constant(expression: &ConstExpr<'_>, expressions: &mut Vec<Step>) -> Result<Constant> {
    let mut operators = expression.get_operators_reader();
    let start = expressions.len();
    let mut whole = None;
    loop {
        let offset = operators.original_position();
        let operator = operators.read().map_err(|error| Error::invalid(&error))?;
        match operator {
            Operator::End => break,
            // These are never operands, so they are the whole expression.
            Operator::V128Const { value } => {
                whole = Some(Constant::Bits(u128::from_le_bytes(*value.bytes())));
            }
            Operator::RefFunc { function_index } => {
                whole = Some(Constant::Function(function_index))
            }
            Operator::RefNull { .. } => whole = Some(Constant::Null),
            other => {
                let Some(step) = step(&other) else {
                    let message =
                        format!("unexpected instruction {other:?} in a constant expression");
                    return Err(Error::Invalid { offset, message });
                };
                append(expressions, start, step);
            }
        }
    }
    if let Some(constant) = whole {
        return Ok(constant);
    }
    let count = expressions.len() - start;
    if count != 1 {
        let (first, count) = (start as u32, count as u32);
        return Ok(Constant::Expression { first, count });
    }
    let only = expressions.pop();
    let only = only.ok_or_else(|| Error::Internal("an expression lost its step".to_owned()))?;
    Ok(match only.operation {
        Operation::ImportedGlobal => Constant::ImportedGlobal(only.operand as u32),
        _ => Constant::Bits(u128::from(only.operand)),
    })
}

fn step(operator: &Operator<'_>) -> Option<Step> {
    let (operation, operand) = match operator {
        Operator::I32Const { value } => (Operation::Constant, u64::from(value.cast_unsigned())),
        Operator::I64Const { value } => (Operation::Constant, value.cast_unsigned()),
        Operator::F32Const { value } => (Operation::Constant, u64::from(value.bits())),
        Operator::F64Const { value } => (Operation::Constant, value.bits()),
        Operator::GlobalGet { global_index } => {
            (Operation::ImportedGlobal, u64::from(*global_index))
        }
        Operator::I32Add => (Operation::Add32, 0),
        Operator::I32Sub => (Operation::Subtract32, 0),
        Operator::I32Mul => (Operation::Multiply32, 0),
        Operator::I64Add => (Operation::Add64, 0),
        Operator::I64Sub => (Operation::Subtract64, 0),
        Operator::I64Mul => (Operation::Multiply64, 0),
        _ => return None,
    };
    Some(Step { operation, operand })
}

/// Appends a step to the expression that begins at `start`; an operation on two constants becomes their result.
fn append(steps: &mut Vec<Step>, start: usize, step: Step) {
    if let Some([.., first, second]) = steps.get(start..)
        && first.operation == Operation::Constant
        && second.operation == Operation::Constant
        && let Some(operand) = step.operation.apply(first.operand, second.operand)
    {
        // Both operands are single constants: whatever ends with an operation is one that could not be evaluated.
        steps.truncate(steps.len() - 2);
        steps.push(Step {
            operation: Operation::Constant,
            operand,
        });
        return;
    }
    steps.push(step);
}
