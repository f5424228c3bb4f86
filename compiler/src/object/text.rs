//! Where each piece of code goes, and what the references between them and to the rest of the file become.
//!
//! Invariants: pieces keep their order and do not overlap; bytes between them are `int3`, so that running into
//! them stops; every reference is resolved here, or the compilation fails.

use crate::code::{Code, Target};
use crate::error::{Error, Result};
use lucet_format::PAGE_SIZE;
use lucet_format::image::MAX_FILE_BYTES;
use lucet_format::image::records::CodeKind;
use std::collections::HashMap;

/// `int3`
const FILLER: u8 = 0xcc;

/// Pieces of code with their places in the text.
pub struct Text<'a> {
    code: &'a [Code],
    /// The text offset of each piece.
    offsets: Vec<u32>,
    places: HashMap<(u32, u32), usize>,
    /// Whole pages, at least one.
    length: u32,
}

/// The file offsets, which are also addresses, that code refers to.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The start of the text.
    pub text: u32,
    /// The funcref records.
    pub funcrefs: u32,
    /// The runtime table.
    pub runtime_table: u32,
}

impl<'a> Text<'a> {
    /// Places the pieces one behind the other.
    pub fn place(code: &'a [Code]) -> Result<Text<'a>> {
        let mut end = 0u64;
        let mut offsets = Vec::with_capacity(code.len());
        let mut places = HashMap::new();
        for (position, piece) in code.iter().enumerate() {
            let start = end.next_multiple_of(u64::from(piece.align.max(1)));
            end = start + piece.bytes.len() as u64;
            if end > MAX_FILE_BYTES {
                return Err(Error::Limit {
                    what: "bytes of code",
                    actual: end,
                    limit: MAX_FILE_BYTES,
                });
            }
            offsets.push(start as u32);
            places.insert((piece.kind as u32, piece.index), position);
        }
        let length = end.next_multiple_of(PAGE_SIZE).max(PAGE_SIZE) as u32;
        Ok(Text {
            code,
            offsets,
            places,
            length,
        })
    }

    /// Bytes of text: whole pages.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Every piece with its text offset, ascending.
    pub fn pieces(&self) -> impl Iterator<Item = (u32, &'a Code)> + '_ {
        self.offsets.iter().copied().zip(self.code)
    }

    /// The text offset and the length of a piece, if there is one of this kind and index.
    pub fn find(&self, kind: CodeKind, index: u32) -> Option<(u32, u32)> {
        let position = *self.places.get(&(kind as u32, index))?;
        Some((
            *self.offsets.get(position)?,
            self.code.get(position)?.bytes.len() as u32,
        ))
    }

    /// The code to enter for a function: its own, or its wrapper's.
    pub fn function(&self, index: u32) -> Option<(u32, u32)> {
        self.find(CodeKind::Function, index)
            .or_else(|| self.find(CodeKind::ImportWrapper, index))
    }

    /// The bytes of the text, with every reference resolved.
    pub fn link(&self, addresses: &Addresses) -> Result<Vec<u8>> {
        let mut bytes = vec![FILLER; self.length as usize];
        for (start, piece) in self.pieces() {
            let place = bytes
                .get_mut(start as usize..start as usize + piece.bytes.len())
                .ok_or_else(|| Error::Internal("code lies outside of the text".to_owned()))?;
            place.copy_from_slice(&piece.bytes);
            for relocation in &piece.relocations {
                let target = self.address(relocation.target, addresses)?;
                let at =
                    i64::from(addresses.text) + i64::from(start) + i64::from(relocation.offset);
                let distance = i32::try_from(target + relocation.addend - at).map_err(|_| {
                    Error::Internal(format!("{:?} is out of reach", relocation.target))
                })?;
                let field = relocation.offset as usize;
                place
                    .get_mut(field..field + 4)
                    .ok_or_else(|| {
                        Error::Internal("a reference lies outside of its code".to_owned())
                    })?
                    .copy_from_slice(&distance.to_le_bytes());
            }
        }
        Ok(bytes)
    }

    fn address(&self, target: Target, addresses: &Addresses) -> Result<i64> {
        let piece = match target {
            Target::TextStart => return Ok(i64::from(addresses.text)),
            Target::Funcrefs => return Ok(i64::from(addresses.funcrefs)),
            Target::RuntimeTable(entry) => {
                return Ok(i64::from(addresses.runtime_table) + 8 * i64::from(entry));
            }
            Target::ImageStart => return Ok(0),
            Target::Function(index) => self.function(index),
            Target::ImportStub(index) => self.find(CodeKind::ImportStub, index),
            Target::Bridge(index) => self.find(CodeKind::Bridge, index),
            Target::HelperStub(helper) => self.find(CodeKind::HelperStub, helper as u32),
        };
        let (offset, _) =
            piece.ok_or_else(|| Error::Internal(format!("{target:?} has no code")))?;
        Ok(i64::from(addresses.text) + i64::from(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Relocation;

    fn piece(kind: CodeKind, index: u32, bytes: usize, relocations: Vec<Relocation>) -> Code {
        Code {
            kind,
            index,
            bytes: vec![0x90; bytes],
            align: 16,
            vectors: false,
            relocations,
            traps: Vec::new(),
            calls: Vec::new(),
            positions: Vec::new(),
            places: Vec::new(),
            unwind: None,
            listing: None,
        }
    }

    #[test]
    fn references_count_from_their_own_end() {
        let to_second = Relocation {
            offset: 1,
            target: Target::Function(1),
            addend: -4,
        };
        let to_table = Relocation {
            offset: 2,
            target: Target::RuntimeTable(2),
            addend: -4,
        };
        let code = [
            piece(CodeKind::Function, 0, 5, vec![to_second]),
            piece(CodeKind::Function, 1, 6, vec![to_table]),
        ];
        let text = Text::place(&code).expect("it fits");
        let addresses = Addresses {
            text: 0x1000,
            funcrefs: 0x200,
            runtime_table: 0x2100,
        };
        let bytes = text.link(&addresses).expect("all targets exist");
        assert_eq!(bytes.len(), 4096);
        assert_eq!(bytes[..8], [0x90, 11, 0, 0, 0, FILLER, FILLER, FILLER]);
        // The table's entry 2 is at 0x2110; the field ends at 0x1000 + 16 + 6.
        assert_eq!(bytes[18..22], (0x2110u32 - 0x1016).to_le_bytes());
    }

    #[test]
    fn a_reference_to_code_that_does_not_exist_is_an_internal_error() {
        let dangling = Relocation {
            offset: 0,
            target: Target::ImportStub(9),
            addend: -4,
        };
        let code = [piece(CodeKind::Function, 0, 8, vec![dangling])];
        let addresses = Addresses {
            text: 0x1000,
            funcrefs: 0,
            runtime_table: 0x2000,
        };
        let result = Text::place(&code).expect("it fits").link(&addresses);
        assert!(matches!(result, Err(Error::Internal(_))), "{result:?}");
    }
}
