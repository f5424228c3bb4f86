//! Constant expressions of WebAssembly 2.0: exactly one instruction.

use crate::error::{Error, Result};
use crate::module::Constant;
use wasmparser::{ConstExpr, Operator};

/// Evaluates a validated constant expression as far as it can be without an instance.
pub fn constant(expression: &ConstExpr<'_>) -> Result<Constant> {
    let mut operators = expression.get_operators_reader();
    let offset = operators.original_position();
    let operator = operators.read().map_err(|error| Error::invalid(&error))?;
    Ok(match operator {
        Operator::I32Const { value } => Constant::Bits(u128::from(value.cast_unsigned())),
        Operator::I64Const { value } => Constant::Bits(u128::from(value.cast_unsigned())),
        Operator::F32Const { value } => Constant::Bits(u128::from(value.bits())),
        Operator::F64Const { value } => Constant::Bits(u128::from(value.bits())),
        Operator::V128Const { value } => Constant::Bits(u128::from_le_bytes(*value.bytes())),
        Operator::GlobalGet { global_index } => Constant::ImportedGlobal(global_index),
        Operator::RefFunc { function_index } => Constant::Function(function_index),
        Operator::RefNull { .. } => Constant::Null,
        other => {
            let message = format!("unexpected instruction {other:?} in a constant expression");
            return Err(Error::Invalid { offset, message });
        }
    })
}
