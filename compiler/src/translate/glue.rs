//! Functions that no module contains but that its boundary needs, see `lucet_format::runtime`:
//!
//! * an *adapter* takes the runtime into guest functions of one type, with values in an array;
//! * an *import wrapper* makes an imported function callable as a guest function, for those that can be
//!   exported, referred to or started;
//!
//! and what any function gets when it is to check its stack.
//!
//! It does not decide which of them a module needs: that is `compile`'s.

use super::call::Callee;
use super::function::{Source, Translator, missing};
use crate::abi::{self, Results, clif_type};
use crate::code::Target;
use crate::error::Result;
use crate::module::{FunctionType, Module};
use cranelift_codegen::ir::types::{F32, F64, I32, I64};
use cranelift_codegen::ir::{
    self, Endianness, GlobalValueData, InstBuilder, MemFlagsData, StackSlotData, StackSlotKind,
    UserFuncName, Value, immediates::Offset32,
};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use lucet_format::runtime::{RESULT_STRIDE, VALUE_PAYLOAD, VALUE_STRIDE};
use lucet_format::vmctx;

/// Log2 of the alignment of result cells.
const RESULT_CELL_ALIGN: u8 = 4;

/// Builds the wrapper of an imported function: a guest function that calls the import's stub.
pub fn import_wrapper(
    source: Source<'_>,
    index: u32,
    function: &mut ir::Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) -> Result<()> {
    let module = source.module;
    let declared = module
        .functions
        .get(index as usize)
        .ok_or_else(|| missing("function"))?;
    let function_type = module
        .types
        .get(declared.function_type as usize)
        .ok_or_else(|| missing("type"))?;
    function.name = UserFuncName::user(1, index);
    function.signature = abi::guest_signature(function_type);
    let mut translator = Translator::new(
        source,
        function_type,
        FunctionBuilder::new(function, context),
    )?;
    let parameters = translator.parameters.clone();
    let arguments: Vec<_> = parameters
        .into_iter()
        .map(|local| translator.builder.use_var(local))
        .collect();
    if let Some(checked) = module.checked_imports.get(&index) {
        let values =
            translator.call_checking_arguments(index, function_type, checked, &arguments)?;
        translator.return_values(&values)?;
        translator.builder.finalize(config);
        return Ok(());
    }
    let stub = translator.callee(Target::ImportStub(index), || {
        abi::import_signature(function_type)
    });
    let results = abi::import_results(function_type);
    let values = translator.invoke(&Callee::Direct(stub), function_type, results, &arguments)?;
    translator.return_values(&values)?;
    translator.builder.finalize(config);
    Ok(())
}

/// Builds the adapter for guest functions of one type: `adapter(vmctx, code, values)`.
pub fn adapter(
    module: &Module,
    type_index: u32,
    function: &mut ir::Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) -> Result<()> {
    let function_type = module
        .types
        .get(type_index as usize)
        .ok_or_else(|| missing("type"))?;
    function.name = UserFuncName::user(2, type_index);
    function.signature = abi::adapter_signature();
    let mut builder = FunctionBuilder::new(function, context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let &[vmctx, code, values] = builder.block_params(entry) else {
        return Err(missing("parameter of an adapter"));
    };
    let mut adapter = Adapter {
        builder,
        function_type,
        values,
    };
    let (arguments, cells) = adapter.arguments(vmctx);
    let signature = adapter
        .builder
        .import_signature(abi::guest_signature(function_type));
    let call = adapter
        .builder
        .ins()
        .call_indirect(signature, code, &arguments);
    let results = match cells {
        None => adapter.builder.inst_results(call).to_vec(),
        Some(cells) => adapter.load_cells(cells),
    };
    adapter.store_results(&results);
    adapter.builder.ins().return_(&[]);
    adapter.builder.finalize(config);
    Ok(())
}

/// Makes a function trap where its frame would go below the stack's limit. Guard pages find overflows without this, but only at the
/// stack's very end.
pub fn check_stack(function: &mut ir::Function) -> Result<()> {
    let flags = function
        .dfg
        .mem_flags
        .insert(MemFlagsData::trusted())
        .map_err(|_| missing("room for memory flags"))?;
    let base = function.create_global_value(GlobalValueData::VMContext);
    let limit = function.create_global_value(GlobalValueData::Load {
        base,
        offset: Offset32::new(-(vmctx::STACK_LIMIT as i32)),
        global_type: I64,
        flags,
    });
    function.stack_limit = Some(limit);
    Ok(())
}

/// An adapter that is being built.
struct Adapter<'a> {
    builder: FunctionBuilder<'a>,
    function_type: &'a FunctionType,
    /// The array of values.
    values: Value,
}

impl Adapter<'_> {
    /// The arguments of the guest function, and the cells for its results where it wants some.
    fn arguments(&mut self, vmctx: Value) -> (Vec<Value>, Option<Value>) {
        let mut arguments = vec![vmctx];
        let cells = match abi::guest_results(self.function_type) {
            Results::Registers => None,
            Results::Pointer => {
                let bytes = self.function_type.results.len() as u32 * RESULT_STRIDE;
                let data =
                    StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, RESULT_CELL_ALIGN);
                let slot = self.builder.create_sized_stack_slot(data);
                Some(self.builder.ins().stack_addr(I64, slot, 0))
            }
        };
        arguments.extend(cells);
        for (index, parameter) in self.function_type.parameters.iter().enumerate() {
            let kind = clif_type(*parameter);
            arguments.push(
                self.builder
                    .ins()
                    .load(kind, trusted(), self.values, payload(index)),
            );
        }
        (arguments, cells)
    }

    fn load_cells(&mut self, cells: Value) -> Vec<Value> {
        let mut results = Vec::new();
        for (index, result) in self.function_type.results.iter().enumerate() {
            // Wasm allows at most 1000 results.
            let offset = index as i32 * RESULT_STRIDE as i32;
            results.push(
                self.builder
                    .ins()
                    .load(clif_type(*result), trusted(), cells, offset),
            );
        }
        results
    }

    /// Stores each result as eight bytes at least, so that nothing of an argument is left beside a narrow result.
    fn store_results(&mut self, results: &[Value]) {
        for (index, result) in results.iter().enumerate() {
            let ins = &mut self.builder;
            let bits = match ins.func.dfg.value_type(*result) {
                F32 => {
                    let bits = ins.ins().bitcast(I32, MemFlagsData::new(), *result);
                    ins.ins().uextend(I64, bits)
                }
                I32 => ins.ins().uextend(I64, *result),
                F64 => ins.ins().bitcast(I64, MemFlagsData::new(), *result),
                _ => *result,
            };
            ins.ins()
                .store(trusted(), bits, self.values, payload(index));
        }
    }
}

/// The array and the cells are the runtime's and the adapter's own: accesses cannot fault. The array's values are
/// aligned to eight bytes only, whatever their type.
fn trusted() -> MemFlagsData {
    MemFlagsData::new()
        .with_notrap()
        .with_endianness(Endianness::Little)
}

/// Where the payload of a value in the array lies; wasm allows at most 1000 parameters or results.
fn payload(index: usize) -> i32 {
    index as i32 * VALUE_STRIDE as i32 + VALUE_PAYLOAD as i32
}
