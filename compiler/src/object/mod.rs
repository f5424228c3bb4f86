//! From compiled code to the bytes of a module file.
//!
//! * `text` places the code and resolves references; `unwind` describes its frames; `names` names it;
//! * `image` assembles the records for the runtime, with `segments` and `memory`;
//! * `elf` puts everything into one file.
//!
//! Invariants: the same compiled module gives the same bytes; a file that is returned passes
//! `ImageIndex::parse` with its checksum.

mod elf;
mod image;
mod memory;
pub mod names;
mod segments;
mod text;
mod unwind;

use crate::error::{Error, Result};
use crate::{Compiled, module::Module};
use elf::layout::{Layout, Part, Sizes};
use elf::{Contents, Symbol};
use image::Image;
use lucet_format::image::records::{BUILD_ID_BYTES, Span};
use lucet_format::image::writer::seal;
use lucet_format::image::{ImageIndex, Integrity, MAX_FILE_BYTES};
use sha2::{Digest, Sha256};
use text::{Addresses, Text};

/// The most bytes that a record, a symbol and an unwind entry take for one entity or piece of code, names not counted.
const ENTITY_BYTES: u64 = 512;

/// The file of a compiled module, complete with build id and checksum. `wasm` is what was compiled.
pub fn write(compiled: &Compiled, wasm: &[u8]) -> Result<Vec<u8>> {
    let text = Text::place(&compiled.code)?;
    let symbols = symbols(&compiled.module, &text);
    let frames = unwind::frames(&text, unwind::Places::default())?.len() as u64;
    check_size(compiled, wasm, &text, &symbols, frames)?;
    let image_start = Layout::image_start();
    let image = image::assemble(compiled, wasm, &text, image_start);
    let sizes = Sizes {
        image: u64::from(image.bytes()),
        unwind_header: unwind::header_bytes(&text) as u64,
        frames,
        text: u64::from(text.length()),
        symbols: symbols.len() as u64,
        strings: elf::string_bytes(&symbols),
    };
    let layout = Layout::new(&sizes);
    within_limit(layout.file_bytes())?;
    let mut file = fill(&layout, &image, &text, &symbols)?;
    identify(&mut file, layout.build_id())?;
    seal(&mut file, image_start as usize);
    ImageIndex::parse(&file, Integrity::Verify).map_err(|error| {
        Error::Internal(format!("the image does not pass its own check: {error}"))
    })?;
    Ok(file)
}

/// The file without build id and checksum.
fn fill(layout: &Layout, image: &Image, text: &Text<'_>, symbols: &[Symbol]) -> Result<Vec<u8>> {
    let start = |part| layout.span(part).offset;
    let addresses = Addresses {
        text: start(Part::Text),
        funcrefs: image.funcrefs(),
        runtime_table: start(Part::RuntimeTable),
    };
    let unwind_places = unwind::Places {
        header: start(Part::UnwindHeader),
        frames: start(Part::Frames),
        text: start(Part::Text),
    };
    let places = image::Places {
        file_bytes: layout.file_bytes(),
        text: layout.span(Part::Text),
        runtime_table: layout.span(Part::RuntimeTable),
        build_id: layout.build_id(),
    };
    let frames = unwind::frames(text, unwind_places)?;
    let contents = Contents {
        image: &image.finish(&places),
        unwind_header: &unwind::header(text, &frames, unwind_places)?,
        frames: &frames,
        text: &text.link(&addresses)?,
        symbols,
    };
    elf::write(layout, &contents)
}

/// Writes the build id: a hash of everything else in the file, see docs/decisions.
fn identify(file: &mut [u8], place: Span) -> Result<()> {
    let hash = Sha256::digest(&*file);
    let field = file.get_mut(place.offset as usize..(place.offset + place.length) as usize);
    let (Some(field), Some(id)) = (field, hash.get(..BUILD_ID_BYTES)) else {
        return Err(Error::Internal("no place for the build id".to_owned()));
    };
    field.copy_from_slice(id);
    Ok(())
}

/// The listings of a module's code, where they were asked for, each under its symbol.
pub fn listing(compiled: &Compiled) -> String {
    let names = names::Names::new(&compiled.module);
    let mut text = String::new();
    for piece in &compiled.code {
        if let Some(listing) = &piece.listing {
            text.push_str("; ");
            text.push_str(&names.symbol(piece.kind, piece.index));
            text.push('\n');
            text.push_str(listing.trim_end());
            text.push_str("\n\n");
        }
    }
    text
}

fn symbols(module: &Module, text: &Text<'_>) -> Vec<Symbol> {
    let names = names::Names::new(module);
    let symbol = |(start, piece): (u32, &crate::code::Code)| Symbol {
        name: names.symbol(piece.kind, piece.index),
        start,
        length: piece.bytes.len() as u32,
    };
    text.pieces().map(symbol).collect()
}

/// Refuses what could exceed the largest file before any 32-bit offset is computed: a generous estimate.
fn check_size(
    compiled: &Compiled,
    wasm: &[u8],
    text: &Text<'_>,
    symbols: &[Symbol],
    frames: u64,
) -> Result<()> {
    let module = &compiled.module;
    let code: u64 = compiled
        .code
        .iter()
        .map(|piece| {
            5 * piece.traps.len() as u64
                // A step each of 11 bytes, and a part of a block.
                + 20 * piece.positions.len() as u64
                + 12 * piece.places.len() as u64
        })
        .sum();
    let items: u64 = module
        .elements
        .iter()
        .map(|segment| 8 * segment.items.len() as u64)
        .sum();
    let types: u64 = module
        .types
        .iter()
        .map(|one| (one.parameters.len() + one.results.len()) as u64)
        .sum();
    let entities = [
        module.types.len(),
        module.imports.len(),
        module.exports.len(),
        module.functions.len(),
        module.globals.len(),
        module.tables.len(),
        module.memories.len(),
        module.elements.len(),
        module.data.len(),
        compiled.code.len(),
    ];
    let entities = entities.iter().map(|count| *count as u64).sum::<u64>() * ENTITY_BYTES;
    // Names in the image are no longer than their symbols; all other names and data are part of the input.
    let names = 2 * elf::string_bytes(symbols) + 2 * wasm.len() as u64;
    within_limit(u64::from(text.length()) + code + frames + items + types + entities + names)
}

fn within_limit(bytes: u64) -> Result<()> {
    if bytes > MAX_FILE_BYTES {
        return Err(Error::Limit {
            what: "bytes of the output",
            actual: bytes,
            limit: MAX_FILE_BYTES,
        });
    }
    Ok(())
}
