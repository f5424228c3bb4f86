//! The module file: it is the same for every number of threads, passes the reader, says what the module is, and
//! is understood by binutils.

mod support;

use lucet_format::image::records::{self, CodeKind, FLAG_DYNAMIC_DATA};
use lucet_format::image::{Image, ImageIndex, Integrity, NONE, Section};
use lucet_format::trap::TrapCode;
use lucetc::compile_module;
use lucetc::options::{OptLevel, Options};
use std::process::Command;
use support::{Directory, text};

fn compile(text: &str) -> (Vec<u8>, ImageIndex) {
    let file = compile_module(text.as_bytes(), &Options::default()).expect("it is valid");
    let index = ImageIndex::parse(&file, Integrity::Verify).expect("it is sound");
    (file, index)
}

/// Many functions of different sizes, so that threads finish in another order than they start.
fn many_functions() -> String {
    let mut module =
        String::from("(module (func $shared (import \"e\" \"f\")) (memory 1) (table 300 funcref)");
    for index in 0..300 {
        let body = "(i32.store (local.get 0) (i32.add (local.get 0) (i32.const 3)))"
            .repeat(index * 7 % 40);
        module.push_str(&format!(
            "(func $f{index} (export \"e{index}\") (param i32) {body} (call $shared))"
        ));
    }
    module.push_str("(elem (i32.const 0) $f1 $shared $f2))");
    module
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let module = many_functions();
    let with = |threads| {
        let options = Options {
            threads,
            opt_level: OptLevel::None,
            ..Options::default()
        };
        compile_module(module.as_bytes(), &options).expect("it is valid")
    };
    let single = with(1);
    for threads in [1, 2, 3, 8] {
        assert!(with(threads) == single, "{threads} threads");
    }
}

#[test]
fn the_build_id_identifies_the_content() {
    let (first, first_index) = compile("(module (func (export \"a\") (result i32) (i32.const 1)))");
    let (second, second_index) =
        compile("(module (func (export \"a\") (result i32) (i32.const 2)))");
    assert_ne!(
        first_index.view(&first).build_id(),
        second_index.view(&second).build_id()
    );
    assert_eq!(first_index.view(&first).build_id().len(), 20);
}

#[test]
fn any_changed_byte_is_noticed() {
    let (file, _) = compile("(module (memory 1) (data (i32.const 3) \"x\") (func (export \"f\")))");
    for position in (0..file.len()).step_by(7) {
        let mut damaged = file.clone();
        damaged[position] ^= 0x10;
        assert!(
            ImageIndex::parse(&damaged, Integrity::Verify).is_err(),
            "byte {position}"
        );
    }
}

#[test]
fn records_describe_the_module() {
    let (file, index) = compile(
        r#"(module
            (import "env" "used" (func $used (param i64) (result i32)))
            (import "env" "sent" (func $sent))
            (import "env" "start" (global $start i32))
            (memory (export "mem") 2 9)
            (table $t 3 externref)
            (global $g (export "g") (mut i64) (i64.const -5))
            (func $"_ZN4core3fmt5write17h0123456789abcdefE" (export "run") (param i32) (result i32)
                (i32.div_u (i32.load (local.get 0)) (call $used (i64.const 1))))
            (func $private (drop (i32.const 1)))
            (elem funcref (ref.func $sent) (ref.null func))
            (start $private))"#,
    );
    let image = index.view(&file);
    let names: Vec<_> = image
        .imports()
        .iter()
        .map(|import| image.text(import.name))
        .collect();
    assert_eq!(names, ["used", "sent", "start"]);
    let exports: Vec<_> = image
        .exports()
        .iter()
        .map(|export| image.text(export.name))
        .collect();
    assert_eq!(exports, ["g", "mem", "run"]);
    let functions: Vec<_> = image.functions().iter().collect();
    assert_eq!(functions[0].code, NONE, "nothing can refer to this import");
    assert_kind(&image, functions[1].code, CodeKind::ImportWrapper, 1);
    assert_kind(&image, functions[2].code, CodeKind::Function, 2);
    assert_eq!(image.text(functions[2].name), "core::fmt::write");
    assert_eq!(index.header().start_function, 3);
    assert_eq!(
        (
            functions[1].funcref,
            functions[2].funcref,
            functions[3].funcref
        ),
        (1, 2, NONE)
    );
    assert_eq!(image.element_items().iter().collect::<Vec<_>>(), [1, 0]);
    let global = image.globals().get(1).expect("it is there");
    assert_eq!(
        (global.flags, global.initial.low as i64),
        (records::FLAG_MUTABLE, -5)
    );
    assert_eq!(
        image
            .memories()
            .get(0)
            .map(|memory| (memory.minimum, memory.maximum)),
        Some((2, 9))
    );
    assert_eq!(index.header().contract.table_elements, 3);
    assert_eq!(index.header().contract.max_values, 1);
    assert_enterable_types(&image);
    assert_traps(&image, functions[2]);
}

/// The types of functions that can be entered have adapters, others none.
fn assert_enterable_types(image: &Image<'_>) {
    for (index, function_type) in image.function_types().iter().enumerate() {
        let parameters: Vec<_> = image
            .parameters(&function_type)
            .map(|kind| kind.name())
            .collect();
        match parameters[..] {
            ["i64"] => assert_eq!(function_type.adapter, NONE),
            _ => assert_kind(
                image,
                function_type.adapter,
                CodeKind::Adapter,
                index as u32,
            ),
        }
    }
}

fn assert_kind(image: &Image<'_>, offset: u32, kind: CodeKind, index: u32) {
    let range = image.code_at(offset).expect("there is code");
    assert_eq!(
        (range.start, range.kind, range.index),
        (offset, kind as u32, index)
    );
}

/// The load and the division have traps, in order, with their places in the wasm file.
fn assert_traps(image: &Image<'_>, function: records::Function) {
    let end = function.code + function.code_bytes;
    let traps: Vec<_> = image
        .trap_offsets()
        .iter()
        .filter(|at| (function.code..end).contains(at))
        .collect();
    let codes: Vec<_> = traps.iter().filter_map(|at| image.trap_at(*at)).collect();
    assert_eq!(codes.first(), Some(&TrapCode::Memory), "{codes:?}");
    assert!(codes.contains(&TrapCode::DivideByZero), "{codes:?}");
    for at in traps {
        let wasm = image
            .wasm_offset_at(at)
            .expect("it comes from an instruction");
        assert!(
            wasm > function.wasm_offset,
            "{wasm} and {}",
            function.wasm_offset
        );
    }
}

#[test]
fn data_is_static_unless_an_instance_decides() {
    let (file, index) = compile(
        "(module (memory 1) (data (i32.const 9) \"abc\") (data (i32.const 10) \"X\") (data \"p\"))",
    );
    let image = index.view(&file);
    let runs: Vec<_> = image
        .initial_runs()
        .iter()
        .map(|run| (run.destination, image.bytes(run.bytes)))
        .collect();
    assert_eq!(runs, [(9, b"aXc".as_slice())]);
    let segments: Vec<_> = image
        .data_segments()
        .iter()
        .map(|segment| image.bytes(segment.bytes))
        .collect();
    assert_eq!(segments, [b"".as_slice(), b"", b"p"]);
    assert_eq!(index.header().flags & FLAG_DYNAMIC_DATA, 0);
    for dynamic in [
        "(module (import \"e\" \"g\" (global i32)) (memory 1) (data (global.get 0) \"abc\"))",
        "(module (memory 1) (data (i32.const 65534) \"abc\"))",
        "(module (import \"e\" \"m\" (memory 1)) (data (i32.const 9) \"abc\"))",
    ] {
        let (file, index) = compile(dynamic);
        let image = index.view(&file);
        assert_ne!(index.header().flags & FLAG_DYNAMIC_DATA, 0, "{dynamic}");
        assert!(image.initial_runs().is_empty(), "{dynamic}");
        assert_eq!(
            image
                .data_segments()
                .get(0)
                .map(|segment| image.bytes(segment.bytes)),
            Some(b"abc".as_slice())
        );
    }
}

#[test]
fn code_that_can_be_executed_is_listed_without_gaps_in_knowledge() {
    let (file, index) = compile(&many_functions());
    let image = index.view(&file);
    let bytes = image.bytes(index.header().text);
    let mut free_from = 0;
    for range in image.code_ranges().iter() {
        let filler = &bytes[free_from..range.start as usize];
        assert!(
            filler.iter().all(|byte| *byte == 0xcc),
            "between {free_from} and {}",
            range.start
        );
        free_from = (range.start + range.length) as usize;
    }
    assert!(bytes[free_from..].iter().all(|byte| *byte == 0xcc));
    let table = image
        .tables()
        .get(0)
        .map_or(0, |table| table.minimum as usize);
    assert_eq!(
        image.section(Section::Funcrefs).len(),
        (302 + table) * 8,
        "null, 300 functions, one import, and the elements of a table that nobody can change"
    );
}

/// Runs a tool of binutils, or answers `None` where it is not installed.
fn tool(name: &str, arguments: &[&str]) -> Option<(String, String)> {
    let run = Command::new(name)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    assert!(run.status.success(), "{name}: {}", text(&run.stderr));
    Some((text(&run.stdout), text(&run.stderr)))
}

#[test]
fn binutils_understand_the_file() {
    let directory = Directory::new();
    let (file, _) = compile(&many_functions());
    let path = directory.file("module.so", &file);
    let path = path.to_str().expect("the path is text");
    if let Some((output, warnings)) = tool("readelf", &["-aW", "--debug-dump=frames", path]) {
        assert_eq!(warnings, "");
        for expected in [
            "DYN (Shared object file)",
            "There are no relocations",
            "Build ID: ",
            "FUNC    LOCAL  DEFAULT    8 f299",
        ] {
            assert!(output.contains(expected), "{expected} is missing");
        }
        assert!(!output.contains("RWE") && !output.contains("WAX"));
    }
    if let Some((output, warnings)) = tool("objdump", &["-d", path]) {
        assert_eq!(warnings, "");
        for expected in [
            "<f0>:",
            "<adapter:type[1]>:",
            "<import:shared>:",
            "<entry:e299>:",
        ] {
            assert!(output.contains(expected), "{expected} is missing");
        }
        assert!(!output.contains("(bad)"));
    }
}
