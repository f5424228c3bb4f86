//! The loop over a function's body, and which family each operator belongs to.

use super::function::{Translator, missing, trap_code};
use crate::abi::clif_type;
use crate::error::{Error, Result};
use crate::limits;
use crate::module::FunctionBody;
use crate::parse::{self, value_type};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use lucet_format::trap::TrapCode;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use wasmparser::{BinaryReader, Operator};

impl Translator<'_> {
    /// Translates locals and operators of a body, up to its final return.
    pub(super) fn body(&mut self, wasm: &[u8], body: &FunctionBody) -> Result<()> {
        let bytes = wasm
            .get(body.range.clone())
            .ok_or_else(|| Error::Internal("a body lies outside".to_owned()))?;
        let start = body.range.start as u64;
        let length = body.range.len();
        let around = (self.parameters.len() + self.function_type.results.len()) as u64;
        let most = |this: &Self| limits::values(length + this.bytes_in_place()) + around;
        let reader = BinaryReader::new_features(bytes, start, parse::SUPPORTED);
        let body = wasmparser::FunctionBody::new(reader);
        self.declare_locals(&body)?;
        self.open_function_frame();
        let mut operators = body.get_operators_reader().map_err(invalid)?;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset().map_err(invalid)?;
            self.next_operator(&operator, offset, start)?;
            let values = self.passed + self.builder.func.dfg.num_values() as u64;
            limits::check(limits::VALUES, values, most(self))?;
            let instructions = self.builder.func.dfg.num_insts() as u64;
            let allowed = self.source.limits.function_instructions;
            limits::check(
                "instructions that a function becomes",
                instructions,
                allowed,
            )?;
        }
        let values = self.builder.func.dfg.num_values() as u64 + self.passed + self.handed_over();
        limits::check(limits::VALUES, values, most(self))
    }

    /// Translates the operator at an offset of the input, in the body that starts at another one.
    pub(super) fn next_operator(
        &mut self,
        operator: &Operator<'_>,
        offset: u64,
        start: u64,
    ) -> Result<()> {
        // Offsets fit: the input is at most MAX_INPUT_BYTES long.
        self.locate(offset as u32);
        self.position = offset.saturating_sub(start) as u32;
        self.operator(operator)
    }

    /// Declares the locals that the body uses, which may be few of those that it has: declaring one takes time, and a body
    /// of a few bytes can have thousands.
    pub(super) fn declare_locals(&mut self, body: &wasmparser::FunctionBody<'_>) -> Result<()> {
        let used = used_locals(body)?;
        let mut end = self.parameters.len() as u32;
        let mut zeros: FxHashMap<Type, Value> = FxHashMap::default();
        for group in body.get_locals_reader().map_err(invalid)? {
            let (count, kind) = group.map_err(invalid)?;
            let kind = clif_type(value_type(kind)?);
            let start = end;
            // Validation has limited the number of locals.
            end = start.saturating_add(count);
            for index in used.range(start..end) {
                let zero = match zeros.get(&kind) {
                    Some(zero) => *zero,
                    None => self.zero(kind),
                };
                zeros.insert(kind, zero);
                let local = self.builder.declare_var(kind);
                self.builder.def_var(local, zero);
                self.locals.insert(*index, local);
            }
        }
        Ok(())
    }

    fn operator(&mut self, operator: &Operator<'_>) -> Result<()> {
        if !self.reachable {
            return self.unreachable_operator(operator);
        }
        let handled = self.variable(operator)?
            || self.control(operator)?
            || self.load(operator)?
            || self.store(operator)?
            || self.integer(operator)?
            || self.wide(operator)?
            || self.comparison(operator)?
            || self.float(operator)?
            || self.conversion(operator)?
            || self.vector(operator)?
            || self.call_operator(operator)?
            || self.exception(operator)?
            || self.bulk(operator)?
            || self.atomic(operator)?
            || self.table(operator)?
            || self.miscellaneous(operator)?;
        if handled {
            Ok(())
        } else {
            Err(Error::Internal(format!("no translation for {operator:?}")))
        }
    }

    /// Whether a reference is null, as Cranelift's 8-bit truth value.
    pub(super) fn is_null(&mut self, reference: Value) -> Value {
        self.ins().icmp_imm_u(IntCC::Equal, reference, 0)
    }

    fn miscellaneous(&mut self, operator: &Operator<'_>) -> Result<bool> {
        match operator {
            Operator::Nop => {}
            Operator::Drop => {
                self.pop()?;
            }
            Operator::Select | Operator::TypedSelect { .. } => {
                let (first, second, condition) = self.pop3()?;
                let value = self.ins().select(condition, first, second);
                self.push(value);
            }
            Operator::RefNull { .. } => {
                let null = self.zero(I64);
                self.push(null);
            }
            Operator::RefIsNull => {
                let reference = self.pop()?;
                let is_null = self.is_null(reference);
                self.push_boolean(is_null);
            }
            Operator::RefAsNonNull => {
                let reference = *self.top(1)?.first().ok_or_else(|| missing("operand"))?;
                self.ins()
                    .trapz(reference, trap_code(TrapCode::NullReference));
            }
            Operator::RefFunc { function_index } => {
                let reference = self.function_reference(*function_index)?;
                self.push(reference);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The locals and parameters that a body mentions.
fn used_locals(body: &wasmparser::FunctionBody<'_>) -> Result<BTreeSet<u32>> {
    let mut used = BTreeSet::new();
    for operator in body.get_operators_reader().map_err(invalid)? {
        if let Operator::LocalGet { local_index }
        | Operator::LocalSet { local_index }
        | Operator::LocalTee { local_index } = operator.map_err(invalid)?
        {
            used.insert(local_index);
        }
    }
    Ok(used)
}

/// A body that validation has already read.
pub fn invalid(error: wasmparser::Error) -> Error {
    Error::invalid(&error)
}
