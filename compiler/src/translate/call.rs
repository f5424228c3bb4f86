//! Calls of every kind, and returning.
//!
//! A defined function is called directly, an imported one through its stub. An indirect call reads a
//! funcref's number from a table, and code offset and type from the module's read-only records: no memory
//! that the guest can write holds a code address. A number beyond the records reads record 0, the null
//! reference, whose type equals no other.

use super::function::{Translator, missing, trap_code};
use crate::abi::{self, Results, clif_type};
use crate::code::Target;
use crate::error::Result;
use crate::module::{FunctionType, Table};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{FuncRef, InstBuilder, SigRef, StackSlotData, StackSlotKind, Value};
use lucet_format::bytes::Record;
use lucet_format::image::NONE;
use lucet_format::image::records::Funcref;
use lucet_format::runtime::RESULT_STRIDE;
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use lucet_format::vmctx::FIRST_FOREIGN;
use wasmparser::Operator;

/// Log2 of the alignment of result cells.
const RESULT_CELL_ALIGN: u8 = 4;
/// Where a funcref record holds the function's type.
const RECORD_TYPE: i32 = 4;

/// What is called.
pub(super) enum Callee {
    Direct(FuncRef),
    Indirect(SigRef, Value),
}

/// What an indirect call enters.
struct Indirect<'a> {
    function_type: &'a FunctionType,
    code: Value,
    signature: SigRef,
}

impl<'a> Translator<'a> {
    /// Operators that call.
    pub(super) fn call_operator(&mut self, operator: &Operator<'_>) -> Result<bool> {
        match operator {
            Operator::Call { function_index } => self.call(*function_index)?,
            Operator::CallIndirect {
                type_index,
                table_index,
            } => {
                let target = self.indirect(*type_index, *table_index)?;
                self.call_target(&target)?;
            }
            Operator::CallRef { type_index } => {
                let target = self.referred(*type_index)?;
                self.call_target(&target)?;
            }
            Operator::ReturnCall { function_index } => self.return_call(*function_index)?,
            Operator::ReturnCallIndirect {
                type_index,
                table_index,
            } => {
                let target = self.indirect(*type_index, *table_index)?;
                self.return_call_target(&target)?;
            }
            Operator::ReturnCallRef { type_index } => {
                let target = self.referred(*type_index)?;
                self.return_call_target(&target)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn call(&mut self, function: u32) -> Result<()> {
        if self.call_in_place(function)? {
            return Ok(());
        }
        let function_type = self.type_of_function(function)?;
        // A stub has not the convention that a call with handlers needs; a wrapper has.
        let stub = function < self.module.imported_functions && self.clauses.is_empty();
        if stub && let Some(checked) = self.module.checked_imports.get(&function) {
            let arguments = self.pop_many(function_type.parameters.len())?;
            let values =
                self.call_checking_arguments(function, function_type, checked, &arguments)?;
            self.stack.extend(values);
            return Ok(());
        }
        let (callee, results) = if stub {
            let signature = || abi::import_signature(function_type);
            (
                self.callee(Target::ImportStub(function), signature),
                abi::import_results(function_type),
            )
        } else {
            let signature = || abi::guest_signature(function_type);
            (
                self.callee(Target::Function(function), signature),
                abi::guest_results(function_type),
            )
        };
        let arguments = self.pop_many(function_type.parameters.len())?;
        let values = if stub && abi::import_is_short(function_type) {
            self.call_import(function, callee, &arguments)
        } else {
            self.invoke(&Callee::Direct(callee), function_type, results, &arguments)?
        };
        self.stack.extend(values);
        Ok(())
    }

    /// Replaces this function by another one. An imported function runs while this one's frame is still there, which
    /// makes no difference: it calls nothing back into the frame's place.
    fn return_call(&mut self, function: u32) -> Result<()> {
        if function < self.module.imported_functions {
            // This function's handlers are not those of what replaces it.
            let clauses = std::mem::take(&mut self.clauses);
            self.call(function)?;
            self.clauses = clauses;
            let results = self.pop_many(self.function_type.results.len())?;
            return self.return_values(&results);
        }
        let function_type = self.type_of_function(function)?;
        let signature = || abi::guest_signature(function_type);
        let callee = self.callee(Target::Function(function), signature);
        let arguments = self.tail_arguments(function_type)?;
        self.ins().return_call(callee, &arguments);
        self.reachable = false;
        Ok(())
    }

    /// What an element of a table refers to.
    fn indirect(&mut self, type_index: u32, table: u32) -> Result<Indirect<'a>> {
        let unique = self.unique_index(type_index)?;
        let index = self.pop()?;
        let declared = self.declared_table(table)?;
        let Some(first) = declared.records else {
            let reference = self.element(table, index)?;
            return self.indirect_target(reference, unique, TrapCode::NullCall);
        };
        let record = self.listed_record(declared, index, first);
        let actual = self.record_type(record);
        let is_null = self.ins().icmp_imm_u(IntCC::Equal, actual, i64::from(NONE));
        self.check_type(actual, unique, |this| {
            this.ins().trapnz(is_null, trap_code(TrapCode::NullCall));
        });
        let function_type = self.unique_type(unique)?;
        Ok(Indirect {
            function_type,
            code: self.code_of(record),
            signature: self.guest_signature(unique)?,
        })
    }

    /// The record of an element of a table that nobody can change: they are listed from record `first` on.
    fn listed_record(&mut self, table: &Table, index: Value, first: u32) -> Value {
        let index = self.wide_index(table.index_64, index);
        let outside = self.ins().icmp_imm_u(
            IntCC::UnsignedGreaterThanOrEqual,
            index,
            table.minimum.cast_signed(),
        );
        self.ins().trapnz(outside, trap_code(TrapCode::Table));
        // Where the branch is mispredicted, the first record is read.
        let zero = self.ins().iconst(I64, 0);
        let index = self.ins().select_spectre_guard(outside, zero, index);
        let records = self.address_of(Target::Funcrefs);
        let offset = self
            .ins()
            .ishl_imm_u(index, i64::from(Funcref::SIZE.trailing_zeros()));
        let record = self.ins().iadd(records, offset);
        self.ins()
            .iadd_imm_s(record, i64::from(first) * Funcref::SIZE as i64)
    }

    /// What the topmost operand refers to. Validation knows its type; the comparison is made all the same, since a host
    /// can hand any reference in and since it costs nothing beside the load of the code's place.
    fn referred(&mut self, type_index: u32) -> Result<Indirect<'a>> {
        let unique = self.unique_index(type_index)?;
        let reference = self.pop()?;
        self.indirect_target(reference, unique, TrapCode::NullReference)
    }

    fn unique_index(&self, type_index: u32) -> Result<u32> {
        let unique = self.module.type_indices.get(type_index as usize);
        unique.copied().ok_or_else(|| missing("type"))
    }

    fn indirect_target(
        &mut self,
        reference: Value,
        unique: u32,
        null: TrapCode,
    ) -> Result<Indirect<'a>> {
        Ok(Indirect {
            function_type: self.unique_type(unique)?,
            code: self.checked_code(reference, unique, null),
            signature: self.guest_signature(unique)?,
        })
    }

    fn call_target(&mut self, target: &Indirect<'a>) -> Result<()> {
        let function_type = target.function_type;
        let arguments = self.pop_many(function_type.parameters.len())?;
        let results = abi::guest_results(function_type);
        let callee = Callee::Indirect(target.signature, target.code);
        let values = self.invoke(&callee, function_type, results, &arguments)?;
        self.stack.extend(values);
        Ok(())
    }

    fn return_call_target(&mut self, target: &Indirect<'a>) -> Result<()> {
        let arguments = self.tail_arguments(target.function_type)?;
        self.ins()
            .return_call_indirect(target.signature, target.code, &arguments);
        self.reachable = false;
        Ok(())
    }

    /// The arguments of a call that replaces this function. Its results are this function's, so where those go through
    /// a pointer it is handed on.
    fn tail_arguments(&mut self, function_type: &FunctionType) -> Result<Vec<Value>> {
        let arguments = self.pop_many(function_type.parameters.len())?;
        self.passed += arguments.len() as u64;
        let hidden = [Some(self.vmctx), self.results_pointer];
        Ok(hidden.into_iter().flatten().chain(arguments).collect())
    }

    /// The address of the code of a function reference, which traps unless its type is the expected one.
    fn checked_code(&mut self, reference: Value, expected: u32, null_trap: TrapCode) -> Value {
        let count = self.module.funcrefs.len() as u64;
        // Listed elements of tables may be behind: no reference is that large but those to other instances' functions.
        let count = count.min(FIRST_FOREIGN).cast_signed();
        let unknown = self
            .ins()
            .icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, reference, count);
        let null = self.ins().iconst(I64, 0);
        let known = self.ins().select_spectre_guard(unknown, null, reference);
        let records = self.address_of(Target::Funcrefs);
        let offset = self
            .ins()
            .ishl_imm_u(known, i64::from(Funcref::SIZE.trailing_zeros()));
        let record = self.ins().iadd(records, offset);
        let actual = self.record_type(record);
        if self.module.meets_foreign {
            return self.code_or_bridge(reference, record, actual, expected, null_trap);
        }
        self.check_type(actual, expected, |this| {
            this.ins().trapz(reference, trap_code(null_trap));
        });
        self.code_of(record)
    }

    /// As [`checked_code`](Self::checked_code) from the look at the type on, where the reference may be to another instance's function.
    fn code_or_bridge(
        &mut self,
        reference: Value,
        record: Value,
        actual: Value,
        expected: u32,
        null_trap: TrapCode,
    ) -> Value {
        let (own, mismatch, go_on) = (
            self.builder.create_block(),
            self.builder.create_block(),
            self.builder.create_block(),
        );
        let code = self.builder.append_block_param(go_on, I64);
        self.builder.set_cold_block(mismatch);
        let matches = self
            .ins()
            .icmp_imm_u(IntCC::Equal, actual, i64::from(expected));
        self.ins().brif(matches, own, &[], mismatch, &[]);
        self.builder.seal_block(own);
        self.builder.seal_block(mismatch);
        self.builder.switch_to_block(mismatch);
        self.bridge_if_foreign(reference, expected, go_on);
        self.ins().trapz(reference, trap_code(null_trap));
        self.ins().trap(trap_code(TrapCode::CallType));
        self.builder.switch_to_block(own);
        let found = self.code_of(record);
        self.ins().jump(go_on, &[found.into()]);
        self.builder.seal_block(go_on);
        self.builder.switch_to_block(go_on);
        code
    }

    /// The type that a funcref record names.
    fn record_type(&mut self, record: Value) -> Value {
        let flags = self.flags.constant;
        self.ins().load(I32, flags, record, RECORD_TYPE)
    }

    /// Traps unless two types are equal. `on_mismatch` may trap for a better reason first.
    fn check_type(&mut self, actual: Value, expected: u32, on_mismatch: impl FnOnce(&mut Self)) {
        let matches = self
            .ins()
            .icmp_imm_u(IntCC::Equal, actual, i64::from(expected));
        let (go_on, mismatch) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(mismatch);
        self.ins().brif(matches, go_on, &[], mismatch, &[]);
        self.builder.seal_block(go_on);
        self.builder.seal_block(mismatch);
        self.builder.switch_to_block(mismatch);
        on_mismatch(self);
        self.ins().trap(trap_code(TrapCode::CallType));
        self.builder.switch_to_block(go_on);
    }

    /// The address of the code that a funcref record names.
    fn code_of(&mut self, record: Value) -> Value {
        let flags = self.flags.constant;
        let code = self.ins().uload32(flags, record, 0);
        let text = self.address_of(Target::TextStart);
        self.ins().iadd(text, code)
    }

    /// Calls, and returns the results in order.
    pub(super) fn invoke(
        &mut self,
        callee: &Callee,
        function_type: &FunctionType,
        results: Results,
        arguments: &[Value],
    ) -> Result<Vec<Value>> {
        self.passed += (arguments.len() + function_type.results.len()) as u64;
        let mut all = vec![self.vmctx];
        let cells = match results {
            Results::Pointer => Some(self.result_cells(function_type.results.len())),
            Results::Registers => None,
        };
        all.extend(cells);
        all.extend_from_slice(arguments);
        let returned = self.call_in_clauses(callee, &all);
        Ok(match cells {
            Some(cells) => self.load_cells(cells, &function_type.results),
            None => returned,
        })
    }

    /// The values of cells.
    pub(super) fn load_cells(&mut self, cells: Value, types: &[ValueType]) -> Vec<Value> {
        let flags = self.flags.stack;
        let load = |(index, kind): (usize, &ValueType)| {
            self.ins()
                .load(clif_type(*kind), flags, cells, cell_offset(index))
        };
        types.iter().enumerate().map(load).collect()
    }

    pub(super) fn store_cells(&mut self, cells: Value, values: &[Value]) {
        let flags = self.flags.stack;
        for (index, value) in values.iter().enumerate() {
            self.ins().store(flags, *value, cells, cell_offset(index));
        }
    }

    /// Cells for so many results. Every call of the function uses the same ones: they are read right after.
    pub(super) fn result_cells(&mut self, count: usize) -> Value {
        let bytes = count as u32 * RESULT_STRIDE;
        let slot = match self.result_cells {
            Some(slot) => slot,
            None => {
                let data =
                    StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, RESULT_CELL_ALIGN);
                self.builder.create_sized_stack_slot(data)
            }
        };
        self.result_cells = Some(slot);
        let slot_data = &mut self.builder.func.sized_stack_slots[slot];
        slot_data.size = slot_data.size.max(bytes);
        self.ins().stack_addr(I64, slot, 0)
    }

    /// Ends the function with these results.
    pub(super) fn return_values(&mut self, values: &[Value]) -> Result<()> {
        self.passed += values.len() as u64;
        match self.results_pointer {
            None => {
                self.ins().return_(values);
            }
            Some(pointer) => {
                self.store_cells(pointer, values);
                self.ins().return_(&[]);
            }
        }
        self.reachable = false;
        Ok(())
    }
}

/// Where a result's cell lies; wasm allows at most 1000 results.
fn cell_offset(index: usize) -> i32 {
    index as i32 * RESULT_STRIDE as i32
}
