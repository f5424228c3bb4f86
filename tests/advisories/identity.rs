//! Functions that are taken for others: of another type with the same bits, by an index with a dirty upper half, in a memory beyond
//! 32 bits.

use crate::support::{Guest, compiled, i32, i64, sentence, small};
use crate::ways::{every_way, every_way_linked};
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_call, lucet_value};
use lucet::instance::memory;
use lucet::linker::{Definition, DynamicData, Linker};
use lucet::module::{Module, load};
use lucet::region::RegionConfig;
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use lucetc::options::{MemoryMode, OptLevel, Options};
use std::ffi::c_void;
use std::fmt::Write as _;

/// Types whose values all travel in the same registers, or nearly.
const TYPES: [(&str, &str, ValueType); 7] = [
    ("i64", "(i64.const 5)", ValueType::I64),
    ("i32", "(i32.const 5)", ValueType::I32),
    ("externref", "(ref.null extern)", ValueType::Externref),
    ("funcref", "(ref.null func)", ValueType::Funcref),
    ("f64", "(f64.const 5)", ValueType::F64),
    ("f32", "(f32.const 5)", ValueType::F32),
    ("v128", "(v128.const i64x2 5 6)", ValueType::V128),
];

unsafe extern "C" fn same(
    _: *mut lucet_call,
    _: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: the definitions below have one parameter and one result, of one type.
    unsafe { results.write(arguments.read()) };
}

fn define(linker: &mut Linker, name: &str, of: ValueType) {
    let data = DynamicData::new(std::ptr::null_mut(), None).expect("no data");
    let definition = Definition::dynamic(&[of], &[of], same, data).expect("a definition");
    linker
        .define(b"env", name.as_bytes(), definition)
        .expect("a new name");
}

fn ended(guest: &Guest, name: &str, arguments: &[lucet_value]) -> Option<TrapCode> {
    let outcome = guest.run(name, arguments);
    if outcome.kind == LUCET_TRAPPED {
        lucet::instance::keep(guest.handle).expect("it has trapped");
        return TrapCode::from_number(outcome.detail);
    }
    assert_eq!(outcome.kind, LUCET_RETURNED, "{name}");
    None
}

/// V8 CVE-2026-6307: code for one type is taken for another's, where both have the same shape, and integers become references. Functions
/// with the same body and different types, defined and imported, are called through a table as each type.
#[test]
fn advisory_21_cve_2026_6307_functions_of_equal_shape_keep_their_types() {
    let mut linker = Linker::new().expect("a linker");
    let (mut imports, mut functions, mut calls, mut elements) =
        (String::new(), String::new(), String::new(), String::new());
    for (number, (name, value, of)) in TYPES.iter().enumerate() {
        define(&mut linker, name, *of);
        write!(
            imports,
            "(type $t{number} (func (param {name}) (result {name}))) (import \"env\" \"{name}\" (func $h{number} (type $t{number})))"
        )
        .expect("text");
        write!(
            functions,
            "(func $f{number} (type $t{number}) (local.get 0))"
        )
        .expect("text");
        write!(elements, " $f{number} $h{number}").expect("text");
        write!(
            calls,
            "(func (export \"as {number}\") (param i32) (drop (call_indirect (type $t{number}) {value} (local.get 0))))
             (func (export \"tail {number}\") (param i32) (result {name}) (return_call_indirect (type $t{number}) {value} (local.get 0)))"
        )
        .expect("text");
    }
    let text = format!("(module {imports} (table funcref (elem {elements})) {functions} {calls})");
    every_way_linked(&text, &linker, |guest, way| {
        for called in 0..TYPES.len() {
            for element in 0..2 * TYPES.len() {
                let expected = (element / 2 != called).then_some(TrapCode::CallType);
                for kind in ["as", "tail"] {
                    let seen = ended(guest, &format!("{kind} {called}"), &[i32(element as i32)]);
                    assert_eq!(seen, expected, "element {element} {kind} {called}: {way}");
                }
            }
        }
    });
}

/// The same for imports: one name with two types is refused, whichever of them the host has.
#[test]
fn advisory_21_an_import_of_two_types_is_refused() {
    for (has, _, of) in TYPES {
        let mut linker = Linker::new().expect("a linker");
        define(&mut linker, "f", of);
        for (other, _, _) in TYPES {
            let text = format!(
                "(module (import \"env\" \"f\" (func (param {has}) (result {has}))) (import \"env\" \"f\" (func (param {other}) (result {other}))))"
            );
            let file =
                lucetc::compile_module(text.as_bytes(), &Options::default()).expect("a module");
            let code = load::bytes(&file).unwrap_or_else(|_| panic!("{}", sentence()));
            let linked = Module::link(&code, &linker, &mut |_| {});
            assert_eq!(linked.is_ok(), has == other, "{has} and {other}");
        }
    }
}

/// Winch CVE-2026-34987: an index of 32 bits used with what is in the upper half of its register.
#[test]
fn advisory_17_cve_2026_34987_upper_halves_are_no_part_of_indices() {
    let text = r#"(module (memory (export "m") 1) (table $t 4 funcref) (elem (i32.const 2) $two) (type $r (func (result i32)))
        (func $two (result i32) (i32.const 22))
        (func $narrow (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
        (func $kept (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (local.get 7))
        (func (export "load") (param i64) (result i32) (i32.load8_u offset=1 (i32.wrap_i64 (local.get 0))))
        (func (export "called") (param i64) (result i32) (i32.load8_u offset=1 (call $narrow (local.get 0))))
        (func (export "stacked") (param i64) (result i32) (i32.load8_u offset=1 (call $kept (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.wrap_i64 (local.get 0)))))
        (func (export "shifted") (param i64) (result i32) (i32.load8_u offset=1 (i32.wrap_i64 (i64.shr_u (i64.shl (local.get 0) (i64.const 1)) (i64.const 1)))))
        (func (export "get") (param i64) (result i32) (ref.is_null (table.get $t (i32.wrap_i64 (local.get 0)))))
        (func (export "indirect") (param i64) (result i32) (call_indirect (type $r) (i32.wrap_i64 (local.get 0))))
        (func (export "grow") (param i64) (result i32) (memory.grow (i32.wrap_i64 (local.get 0))))
        (data (i32.const 3) "A"))"#;
    every_way(text, |guest, way| {
        for upper in [0u64, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            let with = |low: u64| [i64((upper << 32 | low).cast_signed())];
            for name in ["load", "called", "stacked", "shifted"] {
                assert_eq!(
                    guest.run_i32(name, &with(2)),
                    65,
                    "{name} {upper:#x}: {way}"
                );
            }
            assert_eq!(guest.run_i32("get", &with(2)), 0, "{way}");
            assert_eq!(guest.run_i32("get", &with(1)), 1, "{way}");
            assert_eq!(guest.run_i32("indirect", &with(2)), 22, "{way}");
            assert_eq!(guest.run_i32("grow", &with(0)), 1, "{way}");
        }
    });
}

/// WasmEdge CVE-2025-69261: a pointer into memory computed with 32 bits. The guest and the host meet beyond 2^32, in a memory with 64-bit
/// indices, guarded or not.
#[test]
fn advisory_23_cve_2025_69261_places_beyond_2_32() {
    const PAGES: u64 = 65_536 + 16;
    const END: u64 = PAGES << 16;
    let text = format!(
        r#"(module (memory (export "m") i64 {PAGES} {PAGES})
            (func (export "near") (param i64 i64) (i64.store (local.get 0) (local.get 1)))
            (func (export "far") (param i64 i64) (i64.store offset=0x100000000 (local.get 0) (local.get 1)))
            (func (export "vector") (param i64 i64) (v128.store offset=0x100000008 (local.get 0) (i64x2.splat (local.get 1))))
            (func (export "copy") (param i64 i64) (memory.copy (local.get 0) (local.get 1) (i64.const 24)))
            (func (export "fill") (param i64 i64) (memory.fill (local.get 0) (i32.const 7) (local.get 1))))"#
    );
    for (opt_level, mode) in [
        (OptLevel::None, MemoryMode::Guarded),
        (OptLevel::Speed, MemoryMode::Guarded),
        (OptLevel::Speed, MemoryMode::Bounds),
    ] {
        let options = Options {
            opt_level,
            memory: mode,
            verify: true,
            ..Options::default()
        };
        let module = compiled(&text, &options, &Linker::new().expect("a linker"));
        let config = RegionConfig {
            instances: 1,
            memory_bytes: END,
            ..small()
        };
        let guest = Guest::made_of(module, &config);
        let (base, bytes) =
            memory::memory(guest.handle, 0).unwrap_or_else(|_| panic!("{}", sentence()));
        assert_eq!(bytes as u64, END);
        let number = |at: u64| {
            let view =
                memory::view(guest.handle, 0, at, 8).unwrap_or_else(|_| panic!("{}", sentence()));
            assert_eq!(view as usize, base + at as usize);
            // SAFETY: the view has as many bytes, and the guest does not run.
            unsafe { view.cast::<u64>().read_unaligned() }
        };
        let run = |name: &str, first: u64, second: u64| {
            ended(
                &guest,
                name,
                &[i64(first.cast_signed()), i64(second.cast_signed())],
            )
        };
        let beyond = 1u64 << 32;
        for at in [0, 1, 8, 0x7fff, END - beyond - 8] {
            assert_eq!(run("near", at, 0x1111), None);
            assert_eq!(run("far", at, 0x2222 + at), None);
            assert_eq!(number(beyond + at), 0x2222 + at, "{opt_level:?}, {mode:?}");
            assert_eq!(number(at), 0x1111, "{opt_level:?}, {mode:?}");
            assert_eq!(run("near", beyond + at, 0x3333), None);
            assert_eq!(number(beyond + at), 0x3333, "{opt_level:?}, {mode:?}");
            assert_eq!(number(at), 0x1111, "{opt_level:?}, {mode:?}");
        }
        assert_eq!(run("vector", 0x10_0000 - 24, 5), None);
        assert_eq!(number(END - 8), 5);
        assert_eq!(run("copy", 64, END - 24), None);
        assert_eq!(number(80), 5);
        assert_eq!(run("fill", END - 3, 3), None);
        for (name, first, second) in [
            ("near", END - 7, 0),
            ("near", u64::MAX - 6, 0),
            ("far", END - beyond - 7, 0),
            ("far", u64::MAX - beyond + 1, 0),
            ("far", u64::MAX, 0),
            ("vector", 0x10_0000 - 23, 0),
            ("copy", END - 23, 0),
            ("copy", 0, u64::MAX - 10),
            ("fill", END - 3, 4),
            ("fill", 1, u64::MAX),
        ] {
            assert_eq!(
                run(name, first, second),
                Some(TrapCode::Memory),
                "{name} {first:#x} {second:#x}: {opt_level:?}, {mode:?}"
            );
        }
        for (at, length) in [
            (END - 7, 8),
            (END, 1),
            (u64::MAX, 2),
            (beyond, u64::MAX),
            (u64::MAX - 7, 8),
        ] {
            assert!(
                memory::view(guest.handle, 0, at, length).is_err(),
                "{at:#x} and {length:#x}"
            );
        }
    }
}
