//! Where values lie in a guest's memory, and which core values they become in a call: the canonical ABI
//! (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>).

use super::{Bindings, Definition, Type};
use lucet_format::value::ValueType;

/// Bytes of a value and what its address is a multiple of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes, a multiple of the alignment.
    pub size: u32,
    /// A power of two.
    pub align: u32,
}

impl Layout {
    fn scalar(size: u32) -> Layout {
        Layout { size, align: size }
    }
}

/// Bytes of the number that says which of so many cases there is.
pub fn discriminant_bytes(cases: usize) -> u32 {
    match cases {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// The most core parameters of a function; more travel through memory.
pub const MAX_FLAT_PARAMETERS: usize = 16;

impl Bindings {
    /// See the file's header.
    pub fn layout(&self, kind: &Type) -> Layout {
        match self.resolve(kind) {
            Type::Bool => Layout::scalar(1),
            Type::Integer { bits, .. } => Layout::scalar(u32::from(*bits) / 8),
            Type::F32 | Type::Char | Type::Handle { .. } => Layout::scalar(4),
            Type::F64 => Layout::scalar(8),
            Type::String | Type::List(_) => Layout { size: 8, align: 4 },
            Type::Option(inner) => self.variant(2, [Some(&**inner), None]),
            Type::Result(ok, err) => self.variant(2, [ok.as_deref(), err.as_deref()]),
            Type::Named(_) => self.named_layout(kind),
        }
    }

    fn named_layout(&self, kind: &Type) -> Layout {
        match self.definition(kind) {
            Some(Definition::Record(fields)) => {
                self.sequence(fields.iter().map(|field| &field.field_type))
            }
            Some(Definition::Enum(cases)) => Layout::scalar(discriminant_bytes(cases.len())),
            Some(Definition::Flags(flags)) => Layout::scalar(match flags.len() {
                0..=8 => 1,
                9..=16 => 2,
                _ => 4,
            }),
            _ => Layout::scalar(4),
        }
    }

    fn sequence<'a>(&self, types: impl IntoIterator<Item = &'a Type>) -> Layout {
        let mut all = Layout { size: 0, align: 1 };
        for kind in types {
            let one = self.layout(kind);
            all.size = all.size.next_multiple_of(one.align) + one.size;
            all.align = all.align.max(one.align);
        }
        all.size = all.size.next_multiple_of(all.align);
        all
    }

    fn variant(&self, cases: usize, payloads: [Option<&Type>; 2]) -> Layout {
        let discriminant = discriminant_bytes(cases);
        let mut payload = Layout { size: 0, align: 1 };
        for one in payloads.into_iter().flatten().map(|kind| self.layout(kind)) {
            payload.size = payload.size.max(one.size);
            payload.align = payload.align.max(one.align);
        }
        let align = discriminant.max(payload.align);
        let start = discriminant.next_multiple_of(payload.align);
        Layout {
            size: (start + payload.size).next_multiple_of(align),
            align,
        }
    }

    /// Where the payload of an option or a result lies behind its discriminant.
    pub fn payload_offset(&self, payloads: &[Option<&Type>]) -> u32 {
        let aligns = payloads
            .iter()
            .flatten()
            .map(|kind| self.layout(kind).align);
        1u32.next_multiple_of(aligns.max().unwrap_or(1))
    }

    /// The core values that a value becomes.
    pub fn flatten(&self, kind: &Type, flat: &mut Vec<ValueType>) {
        match self.resolve(kind) {
            Type::Integer { bits: 64, .. } => flat.push(ValueType::I64),
            Type::F32 => flat.push(ValueType::F32),
            Type::F64 => flat.push(ValueType::F64),
            Type::Bool | Type::Integer { .. } | Type::Char | Type::Handle { .. } => {
                flat.push(ValueType::I32);
            }
            Type::String | Type::List(_) => flat.extend([ValueType::I32; 2]),
            Type::Option(inner) => self.flatten_cases([Some(&**inner), None], flat),
            Type::Result(ok, err) => self.flatten_cases([ok.as_deref(), err.as_deref()], flat),
            Type::Named(_) => match self.definition(kind) {
                Some(Definition::Record(fields)) => fields
                    .iter()
                    .for_each(|field| self.flatten(&field.field_type, flat)),
                _ => flat.push(ValueType::I32),
            },
        }
    }

    fn flatten_cases(&self, payloads: [Option<&Type>; 2], flat: &mut Vec<ValueType>) {
        let mut joined: Vec<ValueType> = Vec::new();
        for kind in payloads.into_iter().flatten() {
            let mut one = Vec::new();
            self.flatten(kind, &mut one);
            for (index, value_type) in one.into_iter().enumerate() {
                match joined.get_mut(index) {
                    Some(known) => *known = join(*known, value_type),
                    None => joined.push(value_type),
                }
            }
        }
        flat.push(ValueType::I32);
        flat.extend(joined);
    }
}

/// A core type that holds both.
fn join(one: ValueType, other: ValueType) -> ValueType {
    match (one, other) {
        _ if one == other => one,
        (ValueType::I32, ValueType::F32) | (ValueType::F32, ValueType::I32) => ValueType::I32,
        _ => ValueType::I64,
    }
}
