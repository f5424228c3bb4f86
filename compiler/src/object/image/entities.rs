//! Records of the module's index spaces: types, tags, imports and exports, functions, globals, tables and memories.

use super::Assembler;
use super::constants::initial_value;
use crate::module::{Constant, MemoryPlace};
use crate::object::names;
use lucet_format::image::exceptions::Tag;
use lucet_format::image::records::{self, CodeKind, ExternKind};
use lucet_format::image::{NONE, Section};

impl Assembler<'_> {
    /// Answers how many values the largest call in or out passes or returns.
    pub(super) fn function_types(&mut self) -> u32 {
        let imported = self
            .module
            .functions
            .iter()
            .take(self.module.imported_functions as usize);
        let mut called_out = vec![false; self.module.types.len()];
        for function in imported {
            if let Some(mark) = called_out.get_mut(function.function_type as usize) {
                *mark = true;
            }
        }
        let (mut first, mut max_values) = (0u32, 0);
        for ((index, function_type), called_out) in (0u32..).zip(&self.module.types).zip(called_out)
        {
            let (parameters, results) = (
                function_type.parameters.len() as u32,
                function_type.results.len() as u32,
            );
            for value_type in function_type
                .parameters
                .iter()
                .chain(&function_type.results)
            {
                self.writer.push(Section::ValueTypes, &value_type.number());
            }
            let adapter = self
                .text
                .find(CodeKind::Adapter, index)
                .map(|(offset, _)| offset);
            if adapter.is_some() || called_out {
                max_values = parameters.max(results).max(max_values);
            }
            let adapter = adapter.unwrap_or(NONE);
            self.writer.push(
                Section::FunctionTypes,
                &records::FunctionType {
                    first,
                    parameters,
                    results,
                    adapter,
                },
            );
            first += parameters + results;
        }
        max_values
    }

    pub(super) fn names_and_entities(&mut self) {
        for step in &self.module.expressions {
            let record = records::ExpressionStep {
                operation: step.operation as u32,
                reserved: 0,
                operand: step.operand,
            };
            self.writer.push(Section::Expressions, &record);
        }
        for tag in &self.module.tags {
            let record = Tag {
                function_type: tag.function_type,
                flags: limits_flags(tag.imported, None, false),
            };
            self.writer.push(Section::Tags, &record);
        }
        self.imports_and_exports();
        self.checked_imports();
        self.functions();
        self.globals();
        self.tables();
        for memory in &self.module.memories {
            let record = records::Memory {
                flags: limits_flags(memory.imported, memory.maximum, memory.index_64),
                page_size_log2: memory.page_size_log2,
                minimum: memory.minimum,
                maximum: memory.maximum.unwrap_or(0),
                state_offset: match memory.place {
                    MemoryPlace::Guarded | MemoryPlace::Checked => 0,
                    MemoryPlace::Described(distance) => distance,
                },
                reserved: 0,
            };
            self.writer.push(Section::Memories, &record);
        }
    }

    fn checked_imports(&mut self) {
        let mut first = 0;
        for (function, import) in &self.module.checked_imports {
            let mut count = 0;
            for (parameter, checked) in (0u32..).zip(&import.parameters) {
                let Some(check) = &checked.check else {
                    continue;
                };
                let record = records::Check {
                    parameter,
                    kind: u32::from(check.kind),
                    limit: check.limit,
                    element: u32::from(check.element),
                    align: u32::from(check.align),
                    reserved: 0,
                };
                self.writer.push(Section::Checks, &record);
                count += 1;
            }
            let record = records::CheckedImport {
                function: *function,
                first,
                count,
                answers: u32::from(import.answer.is_some()),
                answer: import.answer.unwrap_or_default().cast_unsigned(),
            };
            self.writer.push(Section::CheckedImports, &record);
            first += count;
        }
    }

    fn imports_and_exports(&mut self) {
        for import in &self.module.imports {
            let (module, name) = (self.string(&import.module), self.string(&import.name));
            let record = records::Import {
                module,
                name,
                kind: import.kind as u32,
                index: import.index,
            };
            self.writer.push(Section::Imports, &record);
        }
        for (index, export) in (0u32..).zip(&self.module.exports) {
            let name = self.string(&export.name);
            let stub = match export.kind {
                ExternKind::Function => self
                    .text
                    .find(CodeKind::TypedStub, index)
                    .map(|(offset, _)| offset),
                _ => None,
            };
            let (kind, stub) = (export.kind as u32, stub.unwrap_or(NONE));
            self.writer.push(
                Section::Exports,
                &records::Export {
                    name,
                    kind,
                    index: export.index,
                    stub,
                },
            );
        }
    }

    fn functions(&mut self) {
        let imported = self.module.imported_functions;
        for (index, function) in (0u32..).zip(&self.module.functions) {
            let name = function
                .name
                .as_deref()
                .map(names::readable)
                .unwrap_or_default();
            let name = self.name(&name);
            let (code, code_bytes) = self.text.function(index).unwrap_or((NONE, 0));
            let body = index
                .checked_sub(imported)
                .and_then(|defined| self.module.bodies.get(defined as usize));
            let record = records::Function {
                function_type: function.function_type,
                code,
                code_bytes,
                name,
                wasm_offset: body.map_or(0, |body| body.range.start as u32),
                funcref: function.funcref.unwrap_or(NONE),
            };
            self.writer.push(Section::Functions, &record);
            self.functions.push(record);
        }
        for (number, index) in self.module.funcrefs.iter().enumerate() {
            let function = self
                .module
                .functions
                .get(*index as usize)
                .filter(|_| number > 0);
            let record = records::Funcref {
                code: self.text.function(*index).map_or(0, |(offset, _)| offset),
                function_type: function.map_or(NONE, |function| function.function_type),
            };
            self.writer.push(Section::Funcrefs, &record);
        }
    }

    fn globals(&mut self) {
        for global in &self.module.globals {
            let mutable = if global.mutable {
                records::FLAG_MUTABLE
            } else {
                0
            };
            let imported = if global.initial.is_none() {
                records::FLAG_IMPORTED
            } else {
                0
            };
            let initial = global.initial.unwrap_or(Constant::Bits(0));
            let record = records::Global {
                value_type: u32::from(global.value_type.number()),
                flags: mutable | imported,
                state_offset: global.state_offset,
                reserved: 0,
                initial: initial_value(initial, self.module),
            };
            self.writer.push(Section::Globals, &record);
        }
    }

    fn tables(&mut self) {
        for table in &self.module.tables {
            let record = records::Table {
                element_type: u32::from(table.element_type.number()),
                // Every table has elements of its own in each instance, whether or not its code changes them.
                flags: limits_flags(table.imported, table.maximum, table.index_64)
                    | records::FLAG_MUTABLE,
                minimum: table.minimum,
                maximum: table.maximum.unwrap_or(0),
                state_offset: table.state_offset,
                reserved: 0,
                initial: initial_value(table.initial, self.module),
            };
            self.writer.push(Section::Tables, &record);
        }
    }
}

fn limits_flags(imported: bool, maximum: Option<u64>, index_64: bool) -> u32 {
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    flag(imported, records::FLAG_IMPORTED)
        | flag(maximum.is_some(), records::FLAG_HAS_MAXIMUM)
        | flag(index_64, records::FLAG_INDEX_64)
}
