//! Code that is the same few instructions every time, written as bytes. See `lucet_format::runtime` for
//! what the stubs promise.
//!
//! A stub has no frame and touches no register but rax, r10 and r11, which carry no argument in System V, and parameter
//! registers that the call does not use.

#[cfg(test)]
use crate::abi;
use crate::code::{Code, Relocation, Target};
use crate::module::FunctionType;
use lucet_format::image::records::CodeKind;
use lucet_format::runtime::{
    FAST_FLOATS, FAST_INTEGERS, FAST_RESULT_SHIFT, FastResult, HELPER_CALL, HOST_CALL, Helper,
    TYPED_ENTRY, TYPED_FAST,
};
use lucet_format::value::ValueType;

/// Where a stub starts: several fit into a cache line.
const STUB_ALIGN: u32 = 16;

/// The stub that calls an imported function out; it leaves so many bytes of arguments on the stack.
pub fn import_stub(function: u32, stack_bytes: u32) -> Code {
    let mut stub = Stub::default();
    stub.load_r10(function);
    stub.load_r11(stack_bytes);
    stub.jump_through(HOST_CALL);
    stub.finish(CodeKind::ImportStub, function)
}

/// The stub of a helper.
pub fn helper_stub(helper: Helper) -> Code {
    let mut stub = Stub::default();
    stub.load_r10(helper as u32);
    stub.load_r11(0);
    stub.jump_through(HELPER_CALL);
    stub.finish(CodeKind::HelperStub, helper as u32)
}

/// The typed stub of an exported function.
pub fn typed_stub(export: u32, function: u32, function_type: &FunctionType) -> Code {
    let mut stub = Stub::default();
    match fast_result(function_type) {
        Some(result) => {
            stub.clear_unused_parameters(function_type);
            stub.load_r10(export | (result as u32) << FAST_RESULT_SHIFT);
            stub.image_start_in_r11();
            stub.function_in_rax(function);
            stub.jump_through(TYPED_FAST);
        }
        None => {
            stub.load_r10(export);
            stub.image_start_in_r11();
            stub.jump_through(TYPED_ENTRY);
        }
    }
    stub.finish(CodeKind::TypedStub, export)
}

/// How a function that the short way in can enter returns; `None` for functions that it cannot.
fn fast_result(function_type: &FunctionType) -> Option<FastResult> {
    let (integers, floats) = register_counts(function_type);
    let vectors = function_type.parameters.contains(&ValueType::V128);
    if integers > FAST_INTEGERS || floats > FAST_FLOATS || vectors {
        return None;
    }
    match function_type.results.as_slice() {
        [] => Some(FastResult::Nothing),
        [ValueType::I32] => Some(FastResult::Word32),
        [ValueType::I64 | ValueType::Funcref | ValueType::Externref | ValueType::Exnref] => {
            Some(FastResult::Word64)
        }
        [ValueType::F32] => Some(FastResult::Float32),
        [ValueType::F64] => Some(FastResult::Float64),
        _ => None,
    }
}

/// Integer and float parameters.
fn register_counts(function_type: &FunctionType) -> (usize, usize) {
    let parameters = &function_type.parameters;
    let floats = parameters
        .iter()
        .filter(|kind| kind.is_float_class())
        .count();
    (parameters.len() - floats, floats)
}

#[derive(Default)]
struct Stub {
    bytes: Vec<u8>,
    relocations: Vec<Relocation>,
}

impl Stub {
    /// `mov r10d, value`
    fn load_r10(&mut self, value: u32) {
        self.bytes.extend_from_slice(&[0x41, 0xba]);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// `mov r11d, value`
    fn load_r11(&mut self, value: u32) {
        self.bytes.extend_from_slice(&[0x41, 0xbb]);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// `xor edx, edx` and so on, for the parameter registers behind instance and result that a function does not use, and
    /// `pxor xmmN, xmmN`: a guest starts with nothing of the host's in them.
    fn clear_unused_parameters(&mut self, function_type: &FunctionType) {
        /// rdx, rcx, r8 and r9.
        const CLEAR: [&[u8]; FAST_INTEGERS] = [
            &[0x31, 0xd2],
            &[0x31, 0xc9],
            &[0x45, 0x31, 0xc0],
            &[0x45, 0x31, 0xc9],
        ];
        let (integers, floats) = register_counts(function_type);
        CLEAR
            .iter()
            .skip(integers)
            .for_each(|clear| self.bytes.extend_from_slice(clear));
        for register in floats as u8..FAST_FLOATS as u8 {
            self.bytes
                .extend_from_slice(&[0x66, 0x0f, 0xef, 0xc0 | register << 3 | register]);
        }
    }

    /// `lea rax, [rip + code of the function]`
    fn function_in_rax(&mut self, function: u32) {
        self.bytes.extend_from_slice(&[0x48, 0x8d, 0x05]);
        self.displacement(Target::Function(function));
    }

    /// `lea r11, [rip + start of the image]`
    fn image_start_in_r11(&mut self) {
        self.bytes.extend_from_slice(&[0x4c, 0x8d, 0x1d]);
        self.displacement(Target::ImageStart);
    }

    /// `jmp [rip + entry of the runtime table]`
    fn jump_through(&mut self, entry: u32) {
        self.bytes.extend_from_slice(&[0xff, 0x25]);
        self.displacement(Target::RuntimeTable(entry));
    }

    /// Four bytes that count from their own end.
    fn displacement(&mut self, target: Target) {
        self.relocations.push(Relocation {
            offset: self.bytes.len() as u32,
            target,
            addend: -4,
        });
        self.bytes.extend_from_slice(&[0; 4]);
    }

    fn finish(self, kind: CodeKind, index: u32) -> Code {
        Code {
            kind,
            index,
            bytes: self.bytes,
            align: STUB_ALIGN,
            relocations: self.relocations,
            traps: Vec::new(),
            calls: Vec::new(),
            positions: vec![(0, None)],
            unwind: None,
            listing: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_stub_names_the_import_and_its_stack_arguments() {
        let function_type = FunctionType {
            parameters: vec![ValueType::I32; 7],
            results: vec![],
        };
        let stub = import_stub(3, abi::import_stack_argument_bytes(&function_type));
        assert_eq!(
            stub.bytes,
            [
                0x41, 0xba, 3, 0, 0, 0, 0x41, 0xbb, 16, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0
            ]
        );
        assert_eq!(
            stub.relocations,
            [Relocation {
                offset: 14,
                target: Target::RuntimeTable(HOST_CALL),
                addend: -4
            }]
        );
        assert_eq!((stub.kind, stub.index), (CodeKind::ImportStub, 3));
    }

    #[test]
    fn a_typed_stub_passes_the_export_and_the_image() {
        let function_type = FunctionType {
            parameters: vec![ValueType::I32; 5],
            results: vec![],
        };
        let stub = typed_stub(0x0102, 7, &function_type);
        assert_eq!(
            stub.bytes,
            [
                0x41, 0xba, 2, 1, 0, 0, 0x4c, 0x8d, 0x1d, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0
            ]
        );
        let targets: Vec<_> = stub
            .relocations
            .iter()
            .map(|at| (at.offset, at.target))
            .collect();
        assert_eq!(
            targets,
            [
                (9, Target::ImageStart),
                (15, Target::RuntimeTable(TYPED_ENTRY))
            ]
        );
    }

    #[test]
    fn a_short_typed_stub_clears_what_the_function_does_not_take() {
        let mut parameters = vec![ValueType::I64; 3];
        parameters.extend([ValueType::F64; 7]);
        let stub = typed_stub(
            5,
            7,
            &FunctionType {
                parameters,
                results: vec![ValueType::F32],
            },
        );
        let clear = [0x45, 0x31, 0xc9, 0x66, 0x0f, 0xef, 0xff]; // xor r9d, r9d ; pxor xmm7, xmm7
        assert_eq!(stub.bytes[..7], clear);
        assert_eq!(stub.bytes[7..13], [0x41, 0xba, 5, 0, 0, 3]);
        let targets: Vec<_> = stub.relocations.iter().map(|at| at.target).collect();
        assert_eq!(
            targets,
            [
                Target::ImageStart,
                Target::Function(7),
                Target::RuntimeTable(TYPED_FAST)
            ]
        );
    }
}
