//! Collects what each section says into a [`Module`].
//!
//! Every section has been validated before it arrives here.

use super::constant::constant;
use super::{features, foreign, layout, range, unchanging};
use crate::error::{Error, Result};
use crate::module::{
    Constant, DataSegment, ElementSegment, Export, Function, FunctionType, Global, Import, Memory,
    MemoryPlace, Module, Table, Tag,
};
use lucet_format::WASM_PAGE_SIZE;
use lucet_format::image::records::{ExternKind, SegmentMode};
use lucet_format::value::ValueType;
use std::collections::{BTreeMap, HashMap};
use wasmparser::types::{CoreTypeId, TypesRef};
use wasmparser::{
    AbstractHeapType, Data, DataKind, Element, ElementItems, ElementKind, ExternalKind, FuncType,
    HeapType, Payload, TableInit, TagType, TypeRef, ValType,
};

/// A module that is being collected.
#[derive(Default)]
pub(super) struct ModuleBuilder {
    pub(super) module: Module,
    /// Names from the name section, which may come before the functions that they name.
    pub(super) function_names: BTreeMap<u32, String>,
    /// The index in `module.types` of each type seen so far, by the validator's name of all equivalent ones.
    known_types: HashMap<CoreTypeId, u32>,
}

impl ModuleBuilder {
    /// Takes one section. The outer error is the parser's, the inner one ours.
    pub(super) fn section(
        &mut self,
        payload: Payload<'_>,
        types: Option<TypesRef<'_>>,
    ) -> wasmparser::Result<Result<()>> {
        match payload {
            Payload::TypeSection(reader) => {
                for function_type in reader.into_iter_err_on_gc_types() {
                    if let Err(error) = self.function_type(&function_type?, types) {
                        return Ok(Err(error));
                    }
                }
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports_with_offsets() {
                    let (offset, import) = import?;
                    if let Err(error) = self.import(import, offset) {
                        return Ok(Err(error));
                    }
                }
            }
            Payload::FunctionSection(reader) => {
                for type_index in reader {
                    if let Err(error) = self.function(type_index?) {
                        return Ok(Err(error));
                    }
                }
            }
            other => return self.definition_section(other),
        }
        Ok(Ok(()))
    }

    fn definition_section(&mut self, payload: Payload<'_>) -> wasmparser::Result<Result<()>> {
        let mut result = Ok(());
        match payload {
            Payload::TableSection(reader) => {
                for table in reader {
                    let table = table?;
                    let initial = match &table.init {
                        TableInit::RefNull => Ok(Constant::Null),
                        TableInit::Expr(expression) => {
                            constant(expression, &mut self.module.expressions)
                        }
                    };
                    result = result
                        .and(initial.and_then(|initial| self.table(&table.ty, false, initial)));
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader.into_iter_with_offsets() {
                    let (offset, memory) = memory?;
                    result = result.and(features::unshared(&memory, offset));
                    self.memory(&memory, false);
                }
            }
            Payload::TagSection(reader) => {
                for tag in reader {
                    result = result.and(self.tag(tag?, false));
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    let global = global?;
                    let initial =
                        constant(&global.init_expr, &mut self.module.expressions).map(Some);
                    result =
                        result.and(initial.and_then(|initial| self.global(global.ty, initial)));
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    result = result.and(self.export(&export?));
                }
            }
            Payload::StartSection { func, .. } => self.module.start = Some(func),
            Payload::ElementSection(reader) => {
                for element in reader {
                    result = result.and(self.element(element?)?);
                }
            }
            Payload::DataSection(reader) => {
                for data in reader {
                    result = result.and(self.data(&data?));
                }
            }
            Payload::CustomSection(section) => self.custom(&section),
            _ => {}
        }
        Ok(result)
    }

    fn function_type(
        &mut self,
        function_type: &FuncType,
        types: Option<TypesRef<'_>>,
    ) -> Result<()> {
        let types = types.ok_or_else(|| unexpected("type section"))?;
        let canonical = types.core_type_at_in_module(self.module.type_indices.len() as u32);
        let convert = |types: &[ValType]| {
            types
                .iter()
                .map(|kind| value_type(*kind))
                .collect::<Result<Vec<_>>>()
        };
        let function_type = FunctionType {
            parameters: convert(function_type.params())?,
            results: convert(function_type.results())?,
        };
        let next = self.module.types.len() as u32;
        let index = *self.known_types.entry(canonical).or_insert(next);
        if index == next {
            self.module.types.push(function_type);
        }
        self.module.type_indices.push(index);
        Ok(())
    }

    fn import(&mut self, import: wasmparser::Import<'_>, offset: u64) -> Result<()> {
        let (kind, index) = match import.ty {
            TypeRef::Func(type_index) => {
                self.function(type_index)?;
                self.module.imported_functions += 1;
                (ExternKind::Function, self.module.functions.len())
            }
            TypeRef::Table(table) => {
                self.table(&table, true, Constant::Null)?;
                (ExternKind::Table, self.module.tables.len())
            }
            TypeRef::Memory(memory) => {
                features::unshared(&memory, offset)?;
                self.memory(&memory, true);
                (ExternKind::Memory, self.module.memories.len())
            }
            TypeRef::Global(global) => {
                self.global(global, None)?;
                (ExternKind::Global, self.module.globals.len())
            }
            TypeRef::Tag(tag) => {
                self.tag(tag, true)?;
                (ExternKind::Tag, self.module.tags.len())
            }
            TypeRef::FuncExact(_) => return Err(unexpected("import")),
        };
        let (module, name) = (import.module.to_owned(), import.name.to_owned());
        // What was just added is the last one.
        self.module.imports.push(Import {
            module,
            name,
            kind,
            index: index as u32 - 1,
        });
        Ok(())
    }

    fn function(&mut self, type_index: u32) -> Result<()> {
        let function_type = self
            .module
            .type_indices
            .get(type_index as usize)
            .ok_or_else(|| unexpected("type"))?;
        self.module.functions.push(Function {
            function_type: *function_type,
            name: None,
            funcref: None,
        });
        Ok(())
    }

    fn table(
        &mut self,
        table: &wasmparser::TableType,
        imported: bool,
        initial: Constant,
    ) -> Result<()> {
        self.module.tables.push(Table {
            element_type: value_type(ValType::Ref(table.element_type))?,
            minimum: table.initial,
            maximum: table.maximum,
            index_64: table.table64,
            imported,
            initial,
            state_offset: 0,
            records: None,
        });
        Ok(())
    }

    fn memory(&mut self, memory: &wasmparser::MemoryType, imported: bool) {
        self.module.memories.push(Memory {
            minimum: memory.initial,
            maximum: memory.maximum,
            index_64: memory.memory64,
            page_size_log2: memory
                .page_size_log2
                .unwrap_or(WASM_PAGE_SIZE.trailing_zeros()),
            imported,
            // Decided when the state is laid out.
            place: MemoryPlace::Checked,
        });
    }

    fn global(&mut self, global: wasmparser::GlobalType, initial: Option<Constant>) -> Result<()> {
        let value_type = value_type(global.content_type)?;
        self.module.globals.push(Global {
            value_type,
            mutable: global.mutable,
            initial,
            state_offset: 0,
        });
        Ok(())
    }

    fn tag(&mut self, tag: TagType, imported: bool) -> Result<()> {
        let index = self.module.type_indices.get(tag.func_type_idx as usize);
        self.module.tags.push(Tag {
            function_type: *index.ok_or_else(|| unexpected("type"))?,
            imported,
        });
        Ok(())
    }

    fn export(&mut self, export: &wasmparser::Export<'_>) -> Result<()> {
        let kind = match export.kind {
            ExternalKind::Func => ExternKind::Function,
            ExternalKind::Table => ExternKind::Table,
            ExternalKind::Memory => ExternKind::Memory,
            ExternalKind::Global => ExternKind::Global,
            ExternalKind::Tag => ExternKind::Tag,
            ExternalKind::FuncExact => return Err(unexpected("export")),
        };
        self.module.exports.push(Export {
            name: export.name.to_owned(),
            kind,
            index: export.index,
        });
        Ok(())
    }

    fn element(&mut self, element: Element<'_>) -> wasmparser::Result<Result<()>> {
        let mut items = Vec::new();
        let element_type = match element.items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    items.push(Ok(Constant::Function(function?)));
                }
                Ok(ValueType::Funcref)
            }
            ElementItems::Expressions(element_type, expressions) => {
                for expression in expressions {
                    items.push(constant(&expression?, &mut self.module.expressions));
                }
                value_type(ValType::Ref(element_type))
            }
        };
        let (mode, table, offset) = match element.kind {
            ElementKind::Passive => (SegmentMode::Passive, 0, Ok(Constant::Bits(0))),
            ElementKind::Declared => (SegmentMode::Declared, 0, Ok(Constant::Bits(0))),
            ElementKind::Active {
                table_index,
                offset_expr,
            } => (
                SegmentMode::Active,
                table_index.unwrap_or(0),
                constant(&offset_expr, &mut self.module.expressions),
            ),
        };
        Ok((|| {
            let items = items.into_iter().collect::<Result<Vec<_>>>()?;
            let (element_type, offset) = (element_type?, offset?);
            self.module.elements.push(ElementSegment {
                mode,
                table,
                offset,
                items,
                element_type,
                dropped_offset: 0,
            });
            Ok(())
        })())
    }

    fn data(&mut self, data: &Data<'_>) -> Result<()> {
        let (mode, memory, offset) = match &data.kind {
            DataKind::Passive => (SegmentMode::Passive, 0, Constant::Bits(0)),
            DataKind::Active {
                memory_index,
                offset_expr,
            } => (
                SegmentMode::Active,
                *memory_index,
                constant(offset_expr, &mut self.module.expressions)?,
            ),
        };
        // The bytes are the last part of the segment.
        let end = range(&data.range).end;
        let bytes = end.saturating_sub(data.data.len())..end;
        self.module.data.push(DataSegment {
            mode,
            memory,
            offset,
            bytes,
            dropped_offset: 0,
        });
        Ok(())
    }

    /// Parameters and results of all functions together.
    pub(super) fn signature_values(&self) -> u64 {
        let types = &self.module.types;
        let functions = self.module.functions.iter();
        let used = functions.filter_map(|function| types.get(function.function_type as usize));
        used.map(|kind| (kind.parameters.len() + kind.results.len()) as u64)
            .sum()
    }

    /// The complete module: names applied, funcrefs numbered, exports sorted, state laid out.
    pub(super) fn finish(mut self, wasm: &[u8]) -> Result<Module> {
        self.apply_names();
        let mut module = self.module;
        module
            .exports
            .sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
        number_funcrefs(&mut module);
        module.meets_foreign = foreign::can_come_in(&module);
        unchanging::list(&mut module, wasm)?;
        layout::assign(&mut module)?;
        Ok(module)
    }
}

/// Numbers the functions that can be referred to, from 1 on, in the order of their indices.
fn number_funcrefs(module: &mut Module) {
    let mut referable = vec![false; module.functions.len()];
    let exported = module
        .exports
        .iter()
        .filter(|export| export.kind == ExternKind::Function);
    let items = module.elements.iter().flat_map(|segment| &segment.items);
    let initials = module
        .globals
        .iter()
        .filter_map(|global| global.initial.as_ref());
    let tables = module.tables.iter().map(|table| &table.initial);
    let constants = items
        .chain(initials)
        .chain(tables)
        .filter_map(|constant| match constant {
            Constant::Function(index) => Some(*index),
            _ => None,
        });
    for index in exported.map(|export| export.index).chain(constants) {
        if let Some(mark) = referable.get_mut(index as usize) {
            *mark = true;
        }
    }
    module.funcrefs = vec![u32::MAX];
    for (index, function) in module.functions.iter_mut().enumerate() {
        if referable.get(index).copied().unwrap_or(false) {
            function.funcref = Some(module.funcrefs.len() as u32);
            module.funcrefs.push(index as u32);
        }
    }
}

/// Our number of a value type.
pub(crate) fn value_type(kind: ValType) -> Result<ValueType> {
    Ok(match kind {
        ValType::I32 => ValueType::I32,
        ValType::I64 => ValueType::I64,
        ValType::F32 => ValueType::F32,
        ValType::F64 => ValueType::F64,
        ValType::V128 => ValueType::V128,
        ValType::Ref(reference) => match reference.heap_type() {
            // All types that can be declared are those of functions.
            HeapType::FUNC | HeapType::Concrete(_) => ValueType::Funcref,
            HeapType::EXTERN => ValueType::Externref,
            HeapType::Abstract {
                shared: false,
                ty: AbstractHeapType::Exn,
            } => ValueType::Exnref,
            _ => return Err(unexpected("reference type")),
        },
    })
}

/// The validator admits none of these.
fn unexpected(what: &str) -> Error {
    Error::Internal(format!("an unsupported {what} passed validation"))
}
