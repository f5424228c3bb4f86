//! Code that is the same few instructions every time, written as bytes. See `lucet_format::runtime` for
//! what the stubs promise.
//!
//! A stub has no frame and touches no register but r10 and r11, which carry no argument in System V.

use crate::abi;
use crate::code::{Code, Relocation, Target};
use crate::module::FunctionType;
use lucet_format::image::records::CodeKind;
use lucet_format::runtime::{HELPER_CALL, HOST_CALL, Helper, TYPED_ENTRY};

/// Where a stub starts: several fit into a cache line.
const STUB_ALIGN: u32 = 16;

/// The stub that calls an imported function out.
pub fn import_stub(function: u32, function_type: &FunctionType) -> Code {
    let mut stub = Stub::default();
    stub.load_r10(function);
    stub.load_r11(abi::import_stack_argument_bytes(function_type));
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
pub fn typed_stub(export: u32) -> Code {
    let mut stub = Stub::default();
    stub.load_r10(export);
    stub.image_start_in_r11();
    stub.jump_through(TYPED_ENTRY);
    stub.finish(CodeKind::TypedStub, export)
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
            positions: vec![(0, None)],
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
        let function_type = FunctionType {
            parameters: vec![ValueType::I32; 7],
            results: vec![],
        };
        let stub = import_stub(3, &function_type);
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
        let stub = typed_stub(0x0102);
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
}
