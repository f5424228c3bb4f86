//! Branch hints move what is unlikely out of the way, and nothing else depends on them.

use lucetc::compile;
use lucetc::options::{Emit, Options};

/// Cranelift's representation of a function with an `if` and a `br_if` that carry these annotations.
fn listing(hint_of_if: &str, hint_of_branch: &str) -> String {
    let text = format!(
        r#"(module (import "env" "log" (func $log)) (func (param i32)
            (block $out
                {hint_of_branch} (br_if $out (i32.eqz (local.get 0)))
                (call $log))
            {hint_of_if} (if (local.get 0) (then (call $log)) (else (nop)))))"#
    );
    let wasm = lucetc::binary(text.as_bytes()).expect("the text is well-formed");
    let options = Options {
        listing: Emit::Clif,
        verify: true,
        ..Options::default()
    };
    let compiled = compile(&wasm, &options).expect("the module compiles");
    let first = compiled.code.first().expect("a function");
    first.listing.clone().expect("its listing was asked for")
}

fn cold_blocks(listing: &str) -> usize {
    listing
        .lines()
        .filter(|line| line.contains(" cold:"))
        .count()
}

const LIKELY: &str = r#"(@metadata.code.branch_hint "\01")"#;
const UNLIKELY: &str = r#"(@metadata.code.branch_hint "\00")"#;

#[test]
fn hints_make_blocks_cold() {
    assert_eq!(cold_blocks(&listing("", "")), 0);
    for hint in [LIKELY, UNLIKELY] {
        assert_eq!(cold_blocks(&listing(hint, "")), 1, "if {hint}");
        assert_eq!(cold_blocks(&listing("", hint)), 1, "br_if {hint}");
    }
    assert_ne!(listing(LIKELY, ""), listing(UNLIKELY, ""));
    assert_eq!(cold_blocks(&listing(UNLIKELY, LIKELY)), 2);
}

#[test]
fn damaged_hints_are_ignored() {
    // A custom section of that name whose content makes no sense.
    let name = b"metadata.code.branch_hint";
    for content in [
        &b""[..],
        &[1],
        &[1, 0, 1, 0xff],
        &[0xff; 40],
        &[1, 0, 1, 2, 1, 7],
    ] {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        wasm.extend([1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0]);
        wasm.extend([0, (1 + name.len() + content.len()) as u8, name.len() as u8]);
        wasm.extend(name);
        wasm.extend(content);
        wasm.extend([10, 4, 1, 2, 0, 0x0b]);
        assert!(compile(&wasm, &Options::default()).is_ok(), "{content:?}");
    }
}
