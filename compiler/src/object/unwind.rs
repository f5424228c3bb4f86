//! Unwind tables: `.eh_frame`, and `.eh_frame_hdr` with the sorted index through which debuggers, profilers and
//! unwinders find entries: <https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/ehframechpt.html>.
//!
//! Invariant: the lengths depend on the code alone and not on where the sections go, so that a layout can be
//! made from a first draft.

use super::text::Text;
use crate::error::{Error, Result};
use cranelift_codegen::isa::unwind::UnwindInfo;
use gimli::write::{
    Address, CallFrameInstruction, CommonInformationEntry, EhFrame, EndianVec,
    FrameDescriptionEntry, FrameTable,
};
use gimli::{Encoding, Format, LittleEndian, Register, constants};

/// DWARF's number of rsp.
const RSP: Register = Register(7);
/// DWARF's number of the return address.
const RETURN_ADDRESS: Register = Register(16);

/// Where the sections and the text are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    /// The address of `.eh_frame_hdr`.
    pub header: u32,
    /// The address of `.eh_frame`.
    pub frames: u32,
    /// The address of the text.
    pub text: u32,
}

/// The content of `.eh_frame`.
pub fn frames(text: &Text<'_>, places: Places) -> Result<Vec<u8>> {
    let mut table = FrameTable::default();
    let common = table.add_cie(common_entry());
    // The writer counts addresses from the section's start.
    let base = u64::from(places.text).wrapping_sub(u64::from(places.frames));
    for (start, piece) in text.pieces() {
        let address = Address::Constant(base.wrapping_add(u64::from(start)));
        let entry = match &piece.unwind {
            Some(UnwindInfo::SystemV(info)) => info.to_fde(address),
            // No frame: the return address is where the call left it.
            None => FrameDescriptionEntry::new(address, piece.bytes.len() as u32),
            Some(other) => {
                return Err(Error::Internal(format!(
                    "unexpected unwind information {other:?}"
                )));
            }
        };
        table.add_fde(common, entry);
    }
    let mut section = EhFrame(EndianVec::new(LittleEndian));
    table
        .write_eh_frame(&mut section)
        .map_err(|error| Error::Internal(format!("unwind tables: {error}")))?;
    let mut bytes = section.0.into_vec();
    // The entry of length zero that ends the section.
    bytes.extend_from_slice(&[0; 4]);
    Ok(bytes)
}

fn common_entry() -> CommonInformationEntry {
    let encoding = Encoding {
        address_size: 8,
        format: Format::Dwarf32,
        version: 1,
    };
    let mut entry = CommonInformationEntry::new(encoding, 1, -8, RETURN_ADDRESS);
    entry.fde_address_encoding =
        constants::DwEhPe(constants::DW_EH_PE_pcrel.0 | constants::DW_EH_PE_sdata4.0);
    entry.add_instruction(CallFrameInstruction::Cfa(RSP, 8));
    entry.add_instruction(CallFrameInstruction::Offset(RETURN_ADDRESS, -8));
    entry
}

/// Bytes of `.eh_frame_hdr` for a text.
pub fn header_bytes(text: &Text<'_>) -> usize {
    12 + 8 * text.pieces().count()
}

/// The content of `.eh_frame_hdr` for the content of `.eh_frame`.
pub fn header(text: &Text<'_>, frames: &[u8], places: Places) -> Result<Vec<u8>> {
    let entries = entry_offsets(frames);
    if entries.len() != text.pieces().count() {
        return Err(Error::Internal(
            "the unwind tables have another number of entries than the text".to_owned(),
        ));
    }
    let encoding =
        |application: constants::DwEhPe, format: constants::DwEhPe| application.0 | format.0;
    let mut bytes = vec![
        1,
        encoding(constants::DW_EH_PE_pcrel, constants::DW_EH_PE_sdata4),
        encoding(constants::DW_EH_PE_absptr, constants::DW_EH_PE_udata4),
        encoding(constants::DW_EH_PE_datarel, constants::DW_EH_PE_sdata4),
    ];
    // All places lie within one file of less than 2 GiB, so distances fit.
    let distance = |to: u32, from: u32| to.wrapping_sub(from).to_le_bytes();
    bytes.extend_from_slice(&distance(places.frames, places.header + 4));
    bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    for ((start, _), entry) in text.pieces().zip(entries) {
        bytes.extend_from_slice(&distance(places.text + start, places.header));
        bytes.extend_from_slice(&distance(places.frames + entry, places.header));
    }
    Ok(bytes)
}

/// The offsets of the entries that describe code, in order.
fn entry_offsets(frames: &[u8]) -> Vec<u32> {
    let word = |at: usize| {
        frames
            .get(at..at + 4)?
            .first_chunk()
            .copied()
            .map(u32::from_le_bytes)
    };
    let (mut offsets, mut at) = (Vec::new(), 0);
    while let (Some(length), Some(identifier)) = (word(at), word(at + 4)) {
        if length == 0 {
            break;
        }
        if identifier != 0 {
            offsets.push(at as u32);
        }
        at += 4 + length as usize;
    }
    offsets
}
