//! The signatures of everything that guest code can call, as Cranelift needs them. The conventions are
//! those of `lucet_format::runtime`; this file spells them out once.
//!
//! Invariant: vmctx is the first parameter of every function, so it is in rdi in both conventions.

use crate::code::Target;
use crate::module::FunctionType;
use cranelift_codegen::ir::types::{F32, F64, I8X16, I32, I64};
use cranelift_codegen::ir::{AbiParam, ArgumentPurpose, Signature, Type, UserExternalName};
use cranelift_codegen::isa::CallConv;
use lucet_format::runtime::{Helper, Word};
use lucet_format::value::{ValueType, results_through_pointer};

/// Integer arguments that the System V convention passes in registers.
const SYSTEM_V_INTEGERS: usize = 6;
/// Float arguments that the System V convention passes in registers.
const SYSTEM_V_FLOATS: usize = 8;

/// Cranelift's type for a value. References are 64-bit integers.
pub fn clif_type(value_type: ValueType) -> Type {
    match value_type {
        ValueType::I32 => I32,
        ValueType::I64 | ValueType::Funcref | ValueType::Externref | ValueType::Exnref => I64,
        ValueType::F32 => F32,
        ValueType::F64 => F64,
        ValueType::V128 => I8X16,
    }
}

/// How a call hands its results back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Results {
    /// In registers.
    Registers,
    /// In cells behind a pointer that is the first parameter after vmctx.
    Pointer,
}

/// How a guest function of this type returns.
pub fn guest_results(function_type: &FunctionType) -> Results {
    if results_through_pointer(function_type.results.iter().copied()) {
        Results::Pointer
    } else {
        Results::Registers
    }
}

/// How an imported function of this type returns to its caller through the stub.
pub fn import_results(function_type: &FunctionType) -> Results {
    if function_type.results.len() >= 2 {
        Results::Pointer
    } else {
        Results::Registers
    }
}

/// The signature of a guest function.
pub fn guest_signature(function_type: &FunctionType) -> Signature {
    signature(CallConv::Tail, function_type, guest_results(function_type))
}

/// The signature of the stub of an imported function.
pub fn import_signature(function_type: &FunctionType) -> Signature {
    signature(
        CallConv::SystemV,
        function_type,
        import_results(function_type),
    )
}

fn signature(convention: CallConv, function_type: &FunctionType, results: Results) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params.push(vmctx_parameter());
    if results == Results::Pointer {
        signature.params.push(AbiParam::new(I64));
    }
    signature
        .params
        .extend(abi_parameters(&function_type.parameters));
    if results == Results::Registers {
        signature
            .returns
            .extend(abi_parameters(&function_type.results));
    }
    signature
}

/// The signature of a helper's stub.
pub fn helper_signature(helper: Helper) -> Signature {
    let mut signature = Signature::new(if helper.throws() {
        CallConv::Tail
    } else {
        CallConv::SystemV
    });
    signature.params.push(vmctx_parameter());
    signature
        .params
        .extend(helper.parameters().iter().map(|word| match word {
            Word::I32 => AbiParam::new(I32),
            Word::I64 => AbiParam::new(I64),
        }));
    if helper.has_result() {
        signature.returns.push(AbiParam::new(I64));
    }
    signature
}

/// The signature of an adapter: `(vmctx, code, values)`.
pub fn adapter_signature() -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature
        .params
        .extend([vmctx_parameter(), AbiParam::new(I64), AbiParam::new(I64)]);
    signature
}

/// Whether an import of this type is called the short way.
pub fn import_is_short(function_type: &FunctionType) -> bool {
    let stack_bytes = import_stack_argument_bytes(function_type);
    goes_the_short_way(stack_bytes, function_type.results.len())
}

/// Whether a call has all arguments in registers, and at most one result: then the short trampoline does it.
pub fn goes_the_short_way(stack_bytes: u32, results: usize) -> bool {
    stack_bytes == 0 && results <= 1
}

/// Bytes of arguments that a call of an import's stub leaves on the stack.
pub fn import_stack_argument_bytes(function_type: &FunctionType) -> u32 {
    let mut integers = SYSTEM_V_INTEGERS - 1;
    if import_results(function_type) == Results::Pointer {
        integers -= 1;
    }
    let mut floats = SYSTEM_V_FLOATS;
    let mut bytes = 0u32;
    for parameter in &function_type.parameters {
        let free = if parameter.is_float_class() {
            &mut floats
        } else {
            &mut integers
        };
        if *free > 0 {
            *free -= 1;
            continue;
        }
        let size = if *parameter == ValueType::V128 { 16 } else { 8 };
        bytes = bytes.next_multiple_of(size) + size;
    }
    bytes
}

fn vmctx_parameter() -> AbiParam {
    AbiParam::special(I64, ArgumentPurpose::VMContext)
}

fn abi_parameters(types: &[ValueType]) -> impl Iterator<Item = AbiParam> + '_ {
    types.iter().map(|kind| AbiParam::new(clif_type(*kind)))
}

/// The name by which Cranelift's relocations refer to a target.
pub fn external_name(target: Target) -> UserExternalName {
    let (namespace, index) = match target {
        Target::Function(index) => (0, index),
        Target::ImportStub(index) => (1, index),
        Target::HelperStub(helper) => (2, helper as u32),
        Target::TextStart => (3, 0),
        Target::Funcrefs => (4, 0),
        Target::RuntimeTable(entry) => (5, entry),
        Target::ImageStart => (6, 0),
        Target::Bridge(index) => (7, index),
    };
    UserExternalName { namespace, index }
}

/// The target that a name stands for.
pub fn target_named(name: &UserExternalName) -> Option<Target> {
    Some(match name.namespace {
        0 => Target::Function(name.index),
        1 => Target::ImportStub(name.index),
        2 => Target::HelperStub(*Helper::ALL.get(name.index as usize)?),
        3 => Target::TextStart,
        4 => Target::Funcrefs,
        5 => Target::RuntimeTable(name.index),
        6 => Target::ImageStart,
        7 => Target::Bridge(name.index),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_targets_are_unique_and_reversible() {
        let mut targets = vec![
            Target::TextStart,
            Target::Funcrefs,
            Target::ImageStart,
            Target::Function(3),
            Target::ImportStub(3),
            Target::Bridge(3),
        ];
        targets.extend(Helper::ALL.map(Target::HelperStub));
        targets.extend([Target::RuntimeTable(0), Target::RuntimeTable(2)]);
        for target in targets {
            assert_eq!(target_named(&external_name(target)), Some(target));
        }
        assert_eq!(
            target_named(&UserExternalName {
                namespace: 8,
                index: 0
            }),
            None
        );
        assert_eq!(
            target_named(&UserExternalName {
                namespace: 2,
                index: Helper::ALL.len() as u32
            }),
            None
        );
    }

    #[test]
    fn stack_arguments_count_what_does_not_fit_registers() {
        let bytes = |parameters: Vec<ValueType>, results: Vec<ValueType>| {
            import_stack_argument_bytes(&FunctionType {
                parameters,
                results,
            })
        };
        assert_eq!(bytes(vec![], vec![]), 0);
        assert_eq!(bytes(vec![ValueType::I32; 5], vec![ValueType::I32]), 0);
        assert_eq!(bytes(vec![ValueType::I32; 6], vec![]), 8);
        assert_eq!(bytes(vec![ValueType::I64; 5], vec![ValueType::I32; 2]), 8);
        assert_eq!(bytes(vec![ValueType::F32; 8], vec![]), 0);
        let mixed = [vec![ValueType::F64; 9], vec![ValueType::Externref; 7]].concat();
        assert_eq!(bytes(mixed, vec![]), 8 + 16);
        // A vector on the stack is aligned to its size.
        let vectors = [vec![ValueType::I32; 6], vec![ValueType::V128; 9]].concat();
        assert_eq!(bytes(vectors, vec![ValueType::V128]), 8 + 8 + 16);
    }
}
