//! Modules whose code uses no vector registers say so, and then it is true.

use lucet_format::image::records::FLAG_NO_VECTORS;
use lucet_format::image::{ImageIndex, Integrity};
use lucetc::options::{Emit, Options};
use lucetc::{Compiled, compile, object};
use std::fmt::Write;

fn compiled(text: &str) -> (Compiled, Vec<u8>) {
    let wasm = lucetc::binary(text.as_bytes()).expect("the text is well-formed");
    let options = Options {
        listing: Emit::Asm,
        ..Options::default()
    };
    let compiled = compile(&wasm, &options).expect("the module compiles");
    let file = object::write(&compiled, &wasm).expect("a file");
    (compiled, file)
}

fn says_none(file: &[u8]) -> bool {
    let index = ImageIndex::parse(file, Integrity::Verify).expect("a module");
    index.header().flags & FLAG_NO_VECTORS != 0
}

fn listed(compiled: &Compiled) -> String {
    let listings = compiled.code.iter().filter_map(|code| code.listing.clone());
    listings.collect::<Vec<_>>().join("\n")
}

/// Every instruction on integers, references, memories and tables, a function each, but those that move several bytes at once.
fn every_instruction_without_floats() -> String {
    let mut text = String::from(
        r#"(module
        (type $binary (func (param i32 i32) (result i32)))
        (import "env" "call" (func $call (param i32 i64) (result i64)))
        (memory 1 9) (data $data "some bytes") (table $table 8 funcref) (elem $elements func 0)
        (global $global (mut i64) (i64.const 5)) (export "call" (func $call))
        (func (export "all") (param i32 i32 i64) (result i64)
            (local.set 0 (memory.grow (i32.const 1)))
            (memory.init $data (local.get 0) (local.get 1) (i32.const 8))
            (drop (table.grow $table (ref.null func) (i32.const 1)))
            (table.init $table $elements (i32.const 0) (i32.const 0) (i32.const 1))
            (table.copy $table $table (i32.const 1) (i32.const 0) (i32.const 2))
            (table.set $table (i32.const 3) (table.get $table (i32.const 1)))
            (drop (call_indirect (type $binary) (local.get 0) (local.get 1) (i32.const 2)))
            (block $a (block $b (br_table $a $b (local.get 0))))
            (global.set $global (select (local.get 2) (global.get $global) (local.get 0)))
            (call $call (i32.wrap_i64 (local.get 2)) (i64.extend_i32_u (local.get 0))))
        "#,
    );
    let unary = "clz ctz popcnt extend8_s extend16_s";
    let binary = "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr";
    let compare = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u";
    let loads = "load load8_s load8_u load16_s load16_u";
    let stores = "store store8 store16";
    let line = "a String takes everything";
    for kind in ["i32", "i64"] {
        for name in unary.split_whitespace() {
            writeln!(text, "(func (export \"{kind}.{name}\") (param {kind}) (result {kind}) ({kind}.{name} (local.get 0)))").expect(line);
        }
        let of_kind = binary.split_whitespace().map(|name| (name, kind));
        let of_words = compare.split_whitespace().map(|name| (name, "i32"));
        for (name, result) in of_kind.chain(of_words) {
            writeln!(text, "(func (export \"{kind}.{name}\") (param {kind} {kind}) (result {result}) ({kind}.{name} (local.get 0) (local.get 1)))").expect(line);
        }
        for name in loads.split_whitespace() {
            writeln!(text, "(func (export \"{kind}.{name}\") (param i32) (result {kind}) ({kind}.{name} offset=3 (local.get 0)))").expect(line);
        }
        for name in stores.split_whitespace() {
            writeln!(text, "(func (export \"{kind}.{name}\") (param i32 {kind}) ({kind}.{name} offset=3 (local.get 0) (local.get 1)))").expect(line);
        }
    }
    text + ")"
}

#[test]
fn code_without_floats_uses_no_vector_registers() {
    let (compiled, file) = compiled(&every_instruction_without_floats());
    assert!(says_none(&file));
    let listing = listed(&compiled);
    assert!(listing.contains("popcnt"), "this is no listing: {listing}");
    let found = listing.lines().find(|line| line.contains("xmm"));
    assert_eq!(found, None);
}

#[test]
fn one_float_anywhere_counts() {
    for function in [
        "(param f32)",
        "(result f64) unreachable",
        "(local f32) (local.set 0 (f32.const 1)) (i32.store (i32.const 0) (i32.reinterpret_f32 (local.get 0)))",
        "(i64.store (i32.const 0) (i64.reinterpret_f64 (f64.load (i32.const 8))))",
        "(v128.store (i32.const 0) (v128.load (i32.const 16)))",
        "(memory.copy (i32.const 0) (i32.const 64) (i32.const 48))",
        "(memory.fill (i32.const 0) (i32.const 64) (i32.const 48))",
        "(call $take (f64.const 2))",
    ] {
        let text = format!(
            r#"(module (import "env" "take" (func $take (param f64))) (memory 1)
                (func (export "words") (param i32) (result i32) (local.get 0))
                (func (export "f") {function}))"#
        );
        let (compiled, file) = compiled(&text);
        assert!(!says_none(&file), "{function}");
        // The instructions that clear parameters of typed stubs are in no listing; those that compute are.
        let computes = ["store", "call", "memory"]
            .iter()
            .any(|word| function.contains(word));
        assert!(!computes || listed(&compiled).contains("xmm"), "{function}");
    }
}
