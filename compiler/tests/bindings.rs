//! Bindings files: the C that is made of them, compared with checked-in files, and what is refused.
//!
//! With `LUCET_BLESS=1` the checked-in files are written instead: read the difference then.

use lucetc::bindings::{self, Bindings, c};
use std::path::PathBuf;

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bindings"))
}

fn read(file: &str) -> Bindings {
    let text = std::fs::read_to_string(directory().join(file)).expect("the bindings file");
    bindings::read(file, &text).expect("good bindings")
}

fn compare(file: &str, made: &str) {
    let path = directory().join(file);
    if std::env::var_os("LUCET_BLESS").is_some() {
        std::fs::write(&path, made).expect("a directory to write to");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (expected, made)) in expected.lines().zip(made.lines()).enumerate() {
        assert_eq!(made, expected, "{file}, line {}", number + 1);
    }
    assert_eq!(made.lines().count(), expected.lines().count(), "{file}");
}

#[test]
fn the_c_is_what_it_was() {
    for name in ["kv", "http"] {
        let source = format!("{name}.wit");
        let bindings = read(&source);
        let file = |what: &str| format!("{name}_{what}");
        compare(
            &file("host.h"),
            &c::host_header(&bindings, &file("host.h"), &source),
        );
        compare(
            &file("host.c"),
            &c::host_source(&bindings, &file("host.c"), &file("host.h"), &source),
        );
        compare(
            &file("checks.h"),
            &c::checks_header(&bindings, &file("checks.h"), &source),
        );
        compare(
            &file("guest.h"),
            &c::guest_header(&bindings, &file("guest.h"), &source),
        );
    }
}

#[test]
fn calls_of_exports_are_made_of_the_module() {
    let wat = r#"(module (memory (export "memory") 1)
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
      (func (export "handle") (param i32 i32) (result i32) (i32.const 0))
      (func (export "is-even") (param i64) (result i32) (i32.const 0))
      (func (export "1 of\n*/ \22these") (param f32 externref) (result f64) (f64.const 0))
      (func (export "two") (result i32 i32) (i32.const 0) (i32.const 0))
      (func (export "while")) (func (export "While")) (func (export "find")))"#;
    let header = |bindings: Option<Bindings>, file: &str| {
        let options = lucetc::options::Options {
            bindings,
            ..Default::default()
        };
        lucetc::exports_header(wat.as_bytes(), &options, file, "guest.wasm").expect("a header")
    };
    compare("plain_calls.h", &header(None, "plain_calls.h"));
    compare("kv_calls.h", &header(Some(read("kv.wit")), "kv_calls.h"));
}

#[test]
fn core_types_are_those_of_the_canonical_abi() {
    let bindings = read("kv.wit");
    let type_of = |module: &str, name: &str| {
        let function = bindings.import(module, name).expect("a function");
        let core = bindings.core_type(function, true);
        let names = |types: &[lucet_format::value::ValueType]| {
            types
                .iter()
                .map(|each| each.name())
                .collect::<Vec<_>>()
                .join(" ")
        };
        format!("{} -> {}", names(&core.parameters), names(&core.results))
    };
    let store = |name: &str| type_of("example:kv/store@0.1.0", name);
    assert_eq!(store("get"), "i32 i32 i32 i32 -> i64");
    assert_eq!(store("fetch"), "i32 i32 i32 -> ");
    assert_eq!(store("line"), "i32 i32 i32 i64 i32 i32 -> ");
    assert_eq!(store("ready"), " -> i32");
    assert_eq!(store("letter"), "i32 i32 -> i32");
    assert_eq!(type_of("$root", "log"), "i32 i32 i32 -> ");
    let handle = bindings
        .exports
        .iter()
        .find(|export| export.name == "handle");
    let handle = handle.expect("an export");
    let core = bindings.core_type(handle, false);
    assert_eq!((core.parameters.len(), core.results.len()), (2, 1));
}

#[test]
fn what_is_not_in_the_subset_is_refused_by_name_and_place() {
    let cases = [
        ("f: func(a: option<u8>);", "option as a parameter"),
        ("f: func(a: result<u8>);", "result as a parameter"),
        ("f: func(a: list<string>);", "holds text"),
        (
            "f: func() -> option<option<u8>>;",
            "inside of something else",
        ),
        ("f: func(a: tuple<u8, u8>);", "tuple"),
        ("variant v { a, b(u8) } f: func(a: v);", "variant"),
        ("f: async func();", "async"),
        (
            "f: func(a: u8, b: u8, c: u8, d: u8, e: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8, n: u8);",
            "13 parameters",
        ),
        (
            "/// @lucet param b out\nf: func(a: list<u8>);",
            "\"b\", which is no parameter",
        ),
        (
            "/// @lucet param a out\nf: func(a: string);",
            "text is read",
        ),
        (
            "/// @lucet param a out\nf: func(a: s32);",
            "annotation for lists",
        ),
        (
            "/// @lucet param a copy\nf: func(a: list<u8>);",
            "needs a maximum",
        ),
        (
            "/// @lucet param a copy, max 4097\nf: func(a: list<u8>);",
            "needs a maximum",
        ),
        (
            "/// @lucet param a copy, out, max 1\nf: func(a: list<u8>);",
            "a copy of what is written",
        ),
        (
            "/// @lucet param a copy, align 32, max 1\nf: func(a: list<u8>);",
            "aligned to 16 bytes at most",
        ),
        ("/// @lucet on-failure 1\nf: func();", "no single number"),
        (
            "/// @lucet on-failure 1\nf: func() -> string;",
            "no single number",
        ),
        (
            "/// @lucet leaf\nf: func() -> string;",
            "a leaf whose result has text or a list",
        ),
        (
            "/// @lucet leaf\nf: func() -> result<u8, list<u8>>;",
            "a leaf whose result has text or a list",
        ),
        (
            "record r { s: string } /// @lucet leaf\nf: func() -> option<r>;",
            "a leaf whose result has text or a list",
        ),
        (
            "resource r; /// @lucet leaf\nf: func() -> r;",
            "a leaf whose result is a handle",
        ),
        (
            "resource r; /// @lucet leaf\nf: func(a: u8, b: r);",
            "a leaf that takes the handle b",
        ),
        (
            "/// @lucet leaf\n/// @lucet on-failure 1\nf: func() -> u8;",
            "a leaf with an answer",
        ),
        (
            "resource r; record s { a: r } f: func(a: s);",
            "hands a resource over",
        ),
        (
            "/// @lucet on-failure 99999999999\nf: func() -> u32;",
            "the answer 99999999999 to failed checks is none that the result can be: 0 to 4294967295",
        ),
        ("/// @lucet on-failure -1\nf: func() -> u8;", "0 to 255"),
        ("/// @lucet on-failure 128\nf: func() -> s8;", "-128 to 127"),
        ("/// @lucet on-failure 2\nf: func() -> bool;", "0 to 1"),
        ("/// @lucet on-failure 2\nf: func() -> result;", "0 to 1"),
        (
            "enum e { a, b } /// @lucet on-failure 9\nf: func() -> e;",
            "0 to 1",
        ),
        (
            "flags e { a, b } /// @lucet on-failure 4\nf: func() -> e;",
            "0 to 3",
        ),
        (
            "record e { a: u16 } /// @lucet on-failure 65536\nf: func() -> e;",
            "0 to 65535",
        ),
        (
            "/// @lucet on-failure 55296\nf: func() -> char;",
            "no character",
        ),
        (
            "/// @lucet on-failure 18446744073709551616\nf: func() -> u64;",
            "0 to 18446744073709551615",
        ),
        (
            "/// @lucet on-failure 9223372036854775808\nf: func() -> s64;",
            "to 9223372036854775807",
        ),
        (
            "/// @lucet on-failure 0\nf: func() -> f64;",
            "which is an integer",
        ),
        (
            "resource r; /// @lucet on-failure 0\nf: func() -> r;",
            "a handle as the result",
        ),
        ("record r { x: u8, X: u8 } f: func(a: r);", "X"),
        ("f: func(x: u8, X: u8);", "X"),
        (
            "enum a-b { c } enum a { b-c } f: func(a: a);",
            "two things are called I_A_B_C",
        ),
        ("/// @lucet sideways\nf: func();", "does not exist here"),
        ("f: func(a: nothing);", "nothing"),
        ("f: func(", "expected"),
        ("a-b: func(); a_b: func();", "x.wit"),
    ];
    for (body, part) in cases {
        let text = format!("package a:b;\ninterface i {{\n{body}\n}}\n");
        let refused = bindings::read("x.wit", &text).expect_err(body).to_string();
        assert!(
            refused.contains(part) && refused.contains("x.wit:"),
            "{body}: {refused}"
        );
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
    for (exports, part) in [
        ("use i.{r}; export f: func(a: r);", "an export with handles"),
        (
            "use i.{named}; export f: func() -> named;",
            "a record with text",
        ),
    ] {
        let interface = "interface i { resource r; record named { name: string } }";
        let text = format!("package a:b; {interface} world w {{ {exports} }}");
        let refused = bindings::read("x.wit", &text)
            .expect_err(exports)
            .to_string();
        assert!(refused.contains(part), "{refused}");
    }
    let two = "package a:b; world x {} world y {}";
    let refused = bindings::read("x.wit", two)
        .expect_err("two worlds")
        .to_string();
    assert!(refused.contains("at most one"), "{refused}");
}

#[test]
fn all_of_a_place_has_one_prefix() {
    let file = |text: &str| {
        let bindings = bindings::read("x.wit", text).expect(text);
        c::host_header(&bindings, "x.h", "x.wit")
    };
    for (text, names) in [
        // What the only interface is called, all is.
        (
            "package a:b; /// @lucet prefix k\ninterface s { put: func(); }",
            &["k_put(", "k_define("][..],
        ),
        (
            "package a:b; interface s { put: func(); }",
            &["s_put(", " b_define("],
        ),
        (
            "package a:b; /// @lucet prefix k\ninterface s { put: func(); } interface t { get: func(); }",
            &["k_put(", "t_get(", " b_define("],
        ),
        // A world's types, functions, and all, if it says so.
        (
            "package a:b; world w { enum e { c } import f: func(a: e); }",
            &["w_f(lucet_call *call, w_e a)", "W_E_C", " b_define("],
        ),
        (
            "package a:b; /// @lucet prefix k\nworld w { enum e { c } import f: func(a: e); }",
            &["k_f(lucet_call *call, k_e a)", "K_E_C", "k_define("],
        ),
        // A type of an interface that stands later.
        (
            "package a:b; interface s { use t.{e}; f: func(a: e); } /// @lucet prefix k\ninterface t { enum e { c } }",
            &["s_f(lucet_call *call, k_e a)", "K_E_C"],
        ),
        // The library's names are left to it.
        (
            "package a:lucet; interface lucet { call: func(); }",
            &["wit_lucet_call(", "wit_lucet_define("],
        ),
    ] {
        let header = file(text);
        for name in names {
            assert!(header.contains(name), "{text}: {name}\n{header}");
        }
    }
}

/// Guests drop a resource through the module of the interface that has it, also when that has no functions.
#[test]
fn an_interface_of_resources_alone_is_defined() {
    let text = "package a:b; interface types { resource thing; } \
        interface api { use types.{thing}; make: func() -> thing; }";
    let bindings = bindings::read("x.wit", text).expect(text);
    let source = c::host_source(&bindings, "x.c", "x.h", "x.wit");
    let (_, types) = source.split_once("define_0").expect("the first interface");
    let (types, _) = types.split_once("define_1").expect("the second one");
    assert!(
        types.contains("LUCET_HOST(\"[resource-drop]thing\"")
            && types.contains("lucet_linker_define(linker, \"a:b/types\""),
        "{source}"
    );
}

#[test]
fn a_module_that_does_not_suit_its_bindings_is_refused() {
    let refusal = |imports: &str| {
        let options = lucetc::options::Options {
            bindings: Some(read("kv.wit")),
            ..Default::default()
        };
        let wat = format!("(module {imports})");
        lucetc::compile_module(wat.as_bytes(), &options)
            .err()
            .map(|error| error.to_string())
    };
    let import = |name: &str, function_type: &str| {
        format!("(import \"example:kv/store@0.1.0\" {name:?} (func {function_type}))")
    };
    assert_eq!(refusal(&import("ready", "(result i32)")), None);
    assert_eq!(
        refusal(&import("[resource-drop]cursor", "(param i32)")),
        None
    );
    let expected = "bindings: import \"example:kv/store@0.1.0\" \"ready\" is () -> (i64), the bindings say () -> (i32)";
    assert_eq!(
        refusal(&import("ready", "(result i64)")).as_deref(),
        Some(expected)
    );
    for (module, part) in [
        (
            import("reedy", "(result i32)"),
            "\"reedy\" is not in the bindings",
        ),
        (
            import("[resource-drop]pen", "(param i32)"),
            "is not in the bindings",
        ),
        (
            "(import \"$root\" \"log\" (memory 1))".to_owned(),
            "is a memory",
        ),
        (
            "(func (export \"handle\"))".to_owned(),
            "export \"handle\" is () -> ()",
        ),
        (
            "(memory (export \"handle\") 1)".to_owned(),
            "export \"handle\" is no function",
        ),
        (
            import("reedy", "") + &import("steady", ""),
            "\"reedy\" is not in the bindings; 1 more problems",
        ),
    ] {
        let refused = refusal(&module).expect(part);
        assert!(refused.contains(part), "{refused}");
    }
}
