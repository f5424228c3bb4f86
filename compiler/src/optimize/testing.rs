//! What the passes make of functions, for their tests.

use crate::options::{Emit, Options};

/// Cranelift's representation of the first function of a module, optimised. It has passed Cranelift's verifier.
pub fn optimised(module: &str) -> String {
    let options = Options {
        listing: Emit::Clif,
        verify: true,
        ..Options::default()
    };
    let wasm = crate::binary(module.as_bytes()).expect("the text is well-formed");
    let compiled = crate::compile(&wasm, &options).expect("the module compiles");
    let first = compiled.code.into_iter().next().expect("a function");
    first.listing.expect("its listing was asked for")
}

/// The offsets of the stores in a listing.
pub fn offsets(listing: &str) -> Vec<u32> {
    let stores = listing.lines().filter(|line| line.contains(" store"));
    stores
        .map(|line| {
            let address = line.split("  ;").next().unwrap_or_default();
            let offset = address.rsplit_once('+').map_or("0", |(_, offset)| offset);
            let number = offset.replace('_', "");
            match number.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            }
            .expect("an offset")
        })
        .collect()
}
