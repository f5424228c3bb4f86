//! Table elements, and the check that precedes every access to one.
//!
//! A table's elements are 64-bit words: a funcref's number or an externref's address. An index that fails
//! the check selects the trap address, so even a mispredicted access reads nothing of the host's. Imported tables are reached
//! otherwise: see [`super::linking`].

use super::function::{Translator, missing};
use super::variable::below;
use crate::error::Result;
use crate::module::Table;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use lucet_format::vmctx::{TABLE_BASE, TABLE_ELEMENT_BYTES, TABLE_LENGTH};
use wasmparser::Operator;

impl<'a> Translator<'a> {
    /// Operators on single elements, and the size.
    pub(super) fn table(&mut self, operator: &Operator<'_>) -> Result<bool> {
        match operator {
            Operator::TableGet { table } => {
                let index = self.pop()?;
                let element = self.element(*table, index)?;
                self.push(element);
            }
            Operator::TableSet { table } => {
                let (index, element) = self.pop2()?;
                let declared = self.declared_table(*table)?;
                if declared.imported {
                    let index = self.wide_index(declared.index_64, index);
                    self.set_imported_element(*table, index, element);
                    return Ok(true);
                }
                let address = self.element_address(*table, index)?;
                let flags = self.flags.table;
                self.ins().store(flags, element, address, 0);
            }
            Operator::TableSize { table } => {
                let declared = self.declared_table(*table)?;
                let length = if declared.imported {
                    self.imported_table_length(*table)?
                } else {
                    self.table_length(declared)
                };
                let length = self.narrow_index(declared.index_64, length);
                self.push(length);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The element at an index; traps when there is none.
    pub(super) fn element(&mut self, table: u32, index: Value) -> Result<Value> {
        let declared = self.declared_table(table)?;
        if declared.imported {
            let index = self.wide_index(declared.index_64, index);
            return self.imported_element(table, index);
        }
        let address = self.element_address(table, index)?;
        let flags = self.flags.table;
        Ok(self.ins().load(I64, flags, address, 0))
    }

    fn element_address(&mut self, table: u32, index: Value) -> Result<Value> {
        let table = self.declared_table(table)?;
        let (vmctx, flags) = (self.vmctx, self.flags.descriptor);
        let index = self.wide_index(table.index_64, index);
        let length = self.table_length(table);
        let outside = self
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
        let base = self.ins().load(
            I64,
            flags,
            vmctx,
            below(table.state_offset) + TABLE_BASE as i32,
        );
        let scaled = self
            .ins()
            .ishl_imm_u(index, i64::from(TABLE_ELEMENT_BYTES.trailing_zeros()));
        let address = self.ins().iadd(base, scaled);
        let trap = self.trap_address();
        Ok(self.ins().select_spectre_guard(outside, trap, address))
    }

    /// How many elements the table has: a constant for a table that can never grow.
    fn table_length(&mut self, table: &Table) -> Value {
        if table.maximum == Some(table.minimum) {
            return self.ins().iconst(I64, table.minimum.cast_signed());
        }
        let (vmctx, flags) = (self.vmctx, self.flags.descriptor);
        self.ins().load(
            I64,
            flags,
            vmctx,
            below(table.state_offset) + TABLE_LENGTH as i32,
        )
    }

    pub(super) fn declared_table(&self, index: u32) -> Result<&'a Table> {
        self.module
            .tables
            .get(index as usize)
            .ok_or_else(|| missing("table"))
    }
}
