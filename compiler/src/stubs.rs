//! Code that is the same few instructions every time, written as bytes. See `lucet_format::runtime` for
//! what the stubs promise.
//!
//! A stub has no frame and touches no register but rax, r10 and r11, which carry no argument in System V; typed stubs also those
//! of the parameters, which they put where the guest function wants them.

use crate::abi;
use crate::code::{Code, Relocation, Target};
use crate::module::FunctionType;
use lucet_format::call_out::IMPORT_ROW_BYTES;
use lucet_format::image::records::CodeKind;
use lucet_format::runtime::{
    FAST_FLOATS, FAST_INTEGERS, FastResult, HELPER_CALL, HOST_CALL, HOST_CALL_SHORT, Helper,
    IS_TEXT, READY, TYPED_ENTRY,
};

/// Where a stub starts: several fit into a cache line.
const STUB_ALIGN: u32 = 16;

/// The stub that calls an imported function out; it leaves so many bytes of arguments on the stack, and has so many results.
pub fn import_stub(function: u32, stack_bytes: u32, results: usize) -> Code {
    let mut stub = Stub::default();
    stub.load_r10(function * IMPORT_ROW_BYTES);
    if abi::goes_the_short_way(stack_bytes, results) {
        stub.jump_through(HOST_CALL_SHORT);
    } else {
        stub.load_r11(stack_bytes);
        stub.jump_through(HOST_CALL);
    }
    stub.finish(CodeKind::ImportStub, function)
}

/// The stub of a helper.
pub fn helper_stub(helper: Helper) -> Code {
    let mut stub = Stub::default();
    stub.load_r10(helper as u32);
    stub.jump_through(match helper {
        Helper::IsText => IS_TEXT,
        _ => HELPER_CALL,
    });
    stub.finish(CodeKind::HelperStub, helper as u32)
}

/// The typed stub of an exported function. `vectors`: the module may use vector registers.
pub fn typed_stub(export: u32, function: u32, function_type: &FunctionType, vectors: bool) -> Code {
    let mut stub = Stub::default();
    let parameters = function_type.parameters.iter().copied();
    match FastResult::of(parameters, function_type.results.iter().copied()) {
        Some(result) => {
            stub.place_parameters(function_type);
            if vectors {
                stub.clear_vectors(function_type);
            }
            stub.load_r10(export);
            stub.image_start_in_r11(READY);
            stub.function_in_rax(function);
            stub.jump_through(result.entry());
        }
        None => {
            stub.load_r10(export);
            stub.image_start_in_r11(0);
            stub.jump_through(TYPED_ENTRY);
        }
    }
    stub.finish(CodeKind::TypedStub, export)
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

    /// From where C passes them, behind instance and result, to where guest functions want them, behind vmctx; the place of
    /// the result to r9. Registers of parameters that the function does not have are cleared: a guest starts with nothing of the
    /// host's in them.
    fn place_parameters(&mut self, function_type: &FunctionType) {
        /// `mov rsi, rdx` and so on.
        const MOVE: [&[u8]; FAST_INTEGERS] = [
            &[0x48, 0x89, 0xd6],
            &[0x48, 0x89, 0xca],
            &[0x4c, 0x89, 0xc1],
            &[0x4d, 0x89, 0xc8],
        ];
        /// `xor esi, esi` and so on.
        const CLEAR: [&[u8]; FAST_INTEGERS] = [
            &[0x31, 0xf6],
            &[0x31, 0xd2],
            &[0x31, 0xc9],
            &[0x45, 0x31, 0xc0],
        ];
        let (integers, _) = register_counts(function_type);
        let all = integers == FAST_INTEGERS;
        // mov rax, rsi, while r9 has the last parameter; else mov r9, rsi
        self.bytes.extend_from_slice(if all {
            &[0x48, 0x89, 0xf0]
        } else {
            &[0x49, 0x89, 0xf1]
        });
        let (moves, clears) = (MOVE.iter().take(integers), CLEAR.iter().skip(integers));
        moves
            .chain(clears)
            .for_each(|instruction| self.bytes.extend_from_slice(instruction));
        if all {
            self.bytes.extend_from_slice(&[0x49, 0x89, 0xc1]); // mov r9, rax
        }
    }

    /// The same for the registers of floats.
    fn clear_vectors(&mut self, function_type: &FunctionType) {
        let (_, floats) = register_counts(function_type);
        for register in floats as u8..FAST_FLOATS as u8 {
            self.bytes
                .extend_from_slice(&[0x66, 0x0f, 0xef, 0xc0 | register << 3 | register]); // pxor
        }
    }

    /// `lea rax, [rip + code of the function]`
    fn function_in_rax(&mut self, function: u32) {
        self.bytes.extend_from_slice(&[0x48, 0x8d, 0x05]);
        self.displacement(Target::Function(function), 0);
    }

    /// `lea r11, [rip + start of the image + more]`
    fn image_start_in_r11(&mut self, more: u32) {
        self.bytes.extend_from_slice(&[0x4c, 0x8d, 0x1d]);
        self.displacement(Target::ImageStart, more);
    }

    /// `jmp [rip + entry of the runtime table]`
    fn jump_through(&mut self, entry: u32) {
        self.bytes.extend_from_slice(&[0xff, 0x25]);
        self.displacement(Target::RuntimeTable(entry), 0);
    }

    /// Four bytes that count from their own end, to `more` behind the target.
    fn displacement(&mut self, target: Target, more: u32) {
        self.relocations.push(Relocation {
            offset: self.bytes.len() as u32,
            target,
            addend: i64::from(more) - 4,
        });
        self.bytes.extend_from_slice(&[0; 4]);
    }

    fn finish(self, kind: CodeKind, index: u32) -> Code {
        Code {
            kind,
            index,
            bytes: self.bytes,
            align: STUB_ALIGN,
            vectors: false,
            relocations: self.relocations,
            traps: Vec::new(),
            calls: Vec::new(),
            positions: vec![(0, None)],
            places: Vec::new(),
            unwind: None,
            listing: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lucet_format::value::ValueType;

    #[test]
    fn an_import_stub_names_the_import_and_its_stack_arguments() {
        let mut function_type = FunctionType {
            parameters: vec![ValueType::I32; 7],
            results: vec![],
        };
        let bytes = |function_type: &FunctionType| abi::import_stack_argument_bytes(function_type);
        let long = import_stub(3, bytes(&function_type), 0);
        assert_eq!(
            long.bytes,
            [
                0x41, 0xba, 120, 0, 0, 0, 0x41, 0xbb, 16, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0
            ]
        );
        assert_eq!(
            long.relocations,
            [Relocation {
                offset: 14,
                target: Target::RuntimeTable(HOST_CALL),
                addend: -4
            }]
        );
        assert_eq!((long.kind, long.index), (CodeKind::ImportStub, 3));
        function_type.parameters.truncate(5);
        let short = import_stub(3, bytes(&function_type), 1);
        assert_eq!(
            short.bytes,
            [0x41, 0xba, 120, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0]
        );
        let target = short.relocations.first().map(|at| at.target);
        assert_eq!(target, Some(Target::RuntimeTable(HOST_CALL_SHORT)));
        assert_eq!(
            import_stub(3, 0, 2).bytes.len(),
            long.bytes.len(),
            "several results are the long way's"
        );
    }

    #[test]
    fn a_typed_stub_passes_the_export_and_the_image() {
        let function_type = FunctionType {
            parameters: vec![ValueType::I32; 5],
            results: vec![],
        };
        let stub = typed_stub(0x0102, 7, &function_type, true);
        assert_eq!(
            stub.bytes,
            [
                0x41, 0xba, 2, 1, 0, 0, 0x4c, 0x8d, 0x1d, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0
            ]
        );
        let targets: Vec<_> = stub
            .relocations
            .iter()
            .map(|at| (at.offset, at.target, at.addend))
            .collect();
        assert_eq!(
            targets,
            [
                (9, Target::ImageStart, -4),
                (15, Target::RuntimeTable(TYPED_ENTRY), -4)
            ]
        );
    }

    #[test]
    fn a_short_typed_stub_places_parameters_and_clears_what_the_function_does_not_take() {
        let mut parameters = vec![ValueType::I64; 3];
        parameters.extend([ValueType::F64; 7]);
        let mut function_type = FunctionType {
            parameters,
            results: vec![ValueType::F32],
        };
        let stub = typed_stub(5, 7, &function_type, true);
        let begin = [
            0x49, 0x89, 0xf1, // mov r9, rsi
            0x48, 0x89, 0xd6, // mov rsi, rdx
            0x48, 0x89, 0xca, // mov rdx, rcx
            0x4c, 0x89, 0xc1, // mov rcx, r8
            0x45, 0x31, 0xc0, // xor r8d, r8d
            0x66, 0x0f, 0xef, 0xff, // pxor xmm7, xmm7
            0x41, 0xba, 5, 0, 0, 0, // mov r10d, 5
        ];
        assert_eq!(stub.bytes[..begin.len()], begin);
        let targets: Vec<_> = stub
            .relocations
            .iter()
            .map(|at| (at.target, at.addend))
            .collect();
        assert_eq!(
            targets,
            [
                (Target::ImageStart, i64::from(READY) - 4),
                (Target::Function(7), -4),
                (Target::RuntimeTable(FastResult::Float32.entry()), -4)
            ]
        );
        function_type.parameters = vec![ValueType::I32; 4];
        let stub = typed_stub(5, 7, &function_type, true);
        let begin = [
            0x48, 0x89, 0xf0, // mov rax, rsi
            0x48, 0x89, 0xd6, 0x48, 0x89, 0xca, 0x4c, 0x89, 0xc1, // as above
            0x4d, 0x89, 0xc8, // mov r8, r9
            0x49, 0x89, 0xc1, // mov r9, rax
            0x66, 0x0f, 0xef, 0xc0, // pxor xmm0, xmm0
        ];
        assert_eq!(stub.bytes[..begin.len()], begin);
    }
}
