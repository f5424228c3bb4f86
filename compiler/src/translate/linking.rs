//! What a module uses of other instances: memories, tables and globals that it imports, and their functions, where it has references
//! to them. Imported functions are called through their stubs, as the host's are.
//!
//! ```text
//!   memory           [descriptor] is its base, [[descriptor + 8]] its length, which the owner changes
//!   mutable global   [[cell]] is its value
//!   table            helpers: elements are numbers of the owner's, and become this module's on the way
//!   reference        a number beyond those of any module: the call goes to the bridge of its type
//! ```
//!
//! Nothing of this is in the way of a module that has no such imports, and hands its tables to nobody: see
//! [`crate::module::Module::meets_foreign`]. Calls of the module's own functions are the same in all modules.

use super::function::{Source, Translator, missing};
use super::variable::below;
use crate::abi::{self, clif_type};
use crate::code::Target;
use crate::error::Result;
use crate::module::Global;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{self, InstBuilder, UserFuncName, Value};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use lucet_format::runtime::Helper;
use lucet_format::value::ValueType;
use lucet_format::vmctx::{FIRST_FOREIGN, FOREIGN, MEMORY_LENGTH};

impl Translator<'_> {
    /// The length in bytes of an imported memory with this descriptor.
    pub(super) fn imported_memory_length(&mut self, descriptor: u32) -> Value {
        let (vmctx, constant, changing) = (self.vmctx, self.flags.constant, self.flags.descriptor);
        let offset = below(descriptor) + MEMORY_LENGTH as i32;
        let length = self.ins().load(I64, constant, vmctx, offset);
        self.ins().load(I64, changing, length, 0)
    }

    /// The value of an imported mutable global.
    pub(super) fn imported_global(&mut self, index: u32, global: &Global) -> Result<Value> {
        if global.value_type == ValueType::Funcref {
            let index = self.index(index);
            return self.helper_answer(Helper::GlobalGet, &[index]);
        }
        let (cell, flags) = (self.imported_cell(global), self.flags.global);
        Ok(self
            .ins()
            .load(clif_type(global.value_type), flags, cell, 0))
    }

    pub(super) fn set_imported_global(&mut self, index: u32, global: &Global, value: Value) {
        if global.value_type == ValueType::Funcref {
            let index = self.index(index);
            self.call_helper(Helper::GlobalSet, &[index, value]);
            return;
        }
        let (cell, flags) = (self.imported_cell(global), self.flags.global);
        self.ins().store(flags, value, cell, 0);
    }

    fn imported_cell(&mut self, global: &Global) -> Value {
        let (vmctx, flags) = (self.vmctx, self.flags.constant);
        self.ins()
            .load(I64, flags, vmctx, below(global.state_offset))
    }

    /// An element of an imported table; traps when there is none.
    pub(super) fn imported_element(&mut self, table: u32, index: Value) -> Result<Value> {
        let table = self.index(table);
        self.helper_answer(Helper::TableGet, &[table, index])
    }

    pub(super) fn set_imported_element(&mut self, table: u32, index: Value, element: Value) {
        let table = self.index(table);
        self.call_helper(Helper::TableSet, &[table, index, element]);
    }

    pub(super) fn imported_table_length(&mut self, table: u32) -> Result<Value> {
        let table = self.index(table);
        self.helper_answer(Helper::TableSize, &[table])
    }

    fn helper_answer(&mut self, helper: Helper, arguments: &[Value]) -> Result<Value> {
        let answer = self.call_helper(helper, arguments);
        answer.ok_or_else(|| missing("helper result"))
    }

    /// In the block where a reference turned out to be none of this module's functions of a type: the address of the bridge, if it
    /// is a function of another instance. Goes on where it is not.
    pub(super) fn bridge_if_foreign(
        &mut self,
        reference: Value,
        function_type: u32,
        go_on: ir::Block,
    ) {
        let foreign = self.ins().icmp_imm_u(
            IntCC::UnsignedGreaterThanOrEqual,
            reference,
            FIRST_FOREIGN.cast_signed(),
        );
        let (bridge, none) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(bridge);
        self.builder.set_cold_block(none);
        self.ins().brif(foreign, bridge, &[], none, &[]);
        self.builder.seal_block(bridge);
        self.builder.seal_block(none);
        self.builder.switch_to_block(bridge);
        let (vmctx, flags) = (self.vmctx, self.flags.global);
        self.ins().store(flags, reference, vmctx, below(FOREIGN));
        let code = self.address_of(Target::Bridge(function_type));
        self.ins().jump(go_on, &[code.into()]);
        self.builder.switch_to_block(none);
    }
}

/// Builds the bridge of a type: a guest function that has another instance's function called, whose reference is in the state.
pub fn bridge(
    source: Source<'_>,
    type_index: u32,
    function: &mut ir::Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) -> Result<()> {
    let function_type = source.module.types.get(type_index as usize);
    let function_type = function_type.ok_or_else(|| missing("type"))?;
    function.name = UserFuncName::user(3, type_index);
    function.signature = abi::guest_signature(function_type);
    let builder = FunctionBuilder::new(function, context);
    let mut translator = Translator::new(source, function_type, builder)?;
    let (vmctx, flags) = (translator.vmctx, translator.flags.global);
    let reference = translator.ins().load(I64, flags, vmctx, below(FOREIGN));
    let parameters = translator.parameters.clone();
    let arguments: Vec<_> = parameters
        .into_iter()
        .map(|local| translator.builder.use_var(local))
        .collect();
    let (taken, given) = (function_type.parameters.len(), function_type.results.len());
    let cells = translator.result_cells(taken.max(given).max(1));
    translator.store_cells(cells, &arguments);
    let index = translator.index(type_index);
    translator.call_helper(Helper::CallForeign, &[reference, index, cells]);
    let results = translator.load_cells(cells, &function_type.results);
    translator.return_values(&results)?;
    translator.builder.finalize(config);
    Ok(())
}
