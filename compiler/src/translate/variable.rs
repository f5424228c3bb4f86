//! Locals, globals and constants.
//!
//! A mutable global is a cell below vmctx. An immutable one is a constant where its value is known, else its
//! cell, which never changes while an instance lives.

use super::function::{Translator, missing};
use crate::abi::clif_type;
use crate::error::Result;
use crate::module::{Constant, Global};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::types::{I8X16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use cranelift_frontend::Variable;
use lucet_format::value::ValueType;
use wasmparser::Operator;

impl<'a> Translator<'a> {
    /// Operators on locals and globals, and constants.
    pub(super) fn variable(&mut self, operator: &Operator<'_>) -> Result<bool> {
        let value = match operator {
            Operator::LocalGet { local_index } => {
                let local = self.local(*local_index)?;
                self.builder.use_var(local)
            }
            Operator::LocalSet { local_index } => return self.set_local(*local_index),
            Operator::LocalTee { local_index } => {
                let value = *self.top(1)?.first().ok_or_else(|| missing("operand"))?;
                self.set_local(*local_index)?;
                value
            }
            Operator::GlobalGet { global_index } => self.global(*global_index)?,
            Operator::GlobalSet { global_index } => return self.set_global(*global_index),
            Operator::I32Const { value } => self.ins().iconst(I32, i64::from(*value)),
            Operator::I64Const { value } => self.ins().iconst(I64, *value),
            Operator::F32Const { value } => self.ins().f32const(Ieee32::with_bits(value.bits())),
            Operator::F64Const { value } => self.ins().f64const(Ieee64::with_bits(value.bits())),
            _ => return Ok(false),
        };
        self.push(value);
        Ok(true)
    }

    fn set_local(&mut self, index: u32) -> Result<bool> {
        let value = self.pop()?;
        let local = self.local(index)?;
        self.builder.def_var(local, value);
        Ok(true)
    }

    fn local(&self, index: u32) -> Result<Variable> {
        let parameter = self.parameters.get(index as usize);
        let local = parameter.or_else(|| self.locals.get(&index));
        local.copied().ok_or_else(|| missing("local"))
    }

    fn global(&mut self, index: u32) -> Result<Value> {
        let global = self.declared_global(index)?;
        if global.mutable && global.initial.is_none() {
            return self.imported_global(index, global);
        }
        if global.mutable {
            return Ok(self.load_global(global, self.flags.global));
        }
        Ok(match (global.initial, global.value_type) {
            (Some(Constant::Bits(bits)), ValueType::I32) => {
                self.ins().iconst(I32, i64::from(bits as u32))
            }
            (Some(Constant::Bits(bits)), ValueType::I64) => self.ins().iconst(I64, bits as i64),
            (Some(Constant::Bits(bits)), ValueType::F32) => {
                self.ins().f32const(Ieee32::with_bits(bits as u32))
            }
            (Some(Constant::Bits(bits)), ValueType::F64) => {
                self.ins().f64const(Ieee64::with_bits(bits as u64))
            }
            (Some(Constant::Bits(bits)), ValueType::V128) => {
                self.vector_constant(I8X16, bits.to_le_bytes())
            }
            (Some(Constant::Function(function)), _) => self.function_reference(function)?,
            (Some(Constant::Null), _) => self.zero(I64),
            _ => self.load_global(global, self.flags.constant),
        })
    }

    fn set_global(&mut self, index: u32) -> Result<bool> {
        let global = self.declared_global(index)?;
        let (value, vmctx, flags) = (self.pop()?, self.vmctx, self.flags.global);
        if global.initial.is_none() {
            self.set_imported_global(index, global, value);
            return Ok(true);
        }
        self.ins()
            .store(flags, value, vmctx, below(global.state_offset));
        Ok(true)
    }

    fn load_global(&mut self, global: &Global, flags: MemFlagsData) -> Value {
        let vmctx = self.vmctx;
        self.ins().load(
            clif_type(global.value_type),
            flags,
            vmctx,
            below(global.state_offset),
        )
    }

    fn declared_global(&self, index: u32) -> Result<&'a Global> {
        self.module
            .globals
            .get(index as usize)
            .ok_or_else(|| missing("global"))
    }

    /// A reference to a function: its number among those that can be referred to.
    pub(super) fn function_reference(&mut self, function: u32) -> Result<Value> {
        let declared = self.module.functions.get(function as usize);
        let number = declared
            .and_then(|function| function.funcref)
            .ok_or_else(|| missing("funcref"))?;
        Ok(self.ins().iconst(I64, i64::from(number)))
    }
}

/// The offset from vmctx of what lies at this distance below it: at most `MAX_STATE_BYTES`.
pub fn below(distance: u32) -> i32 {
    -(distance as i32)
}
