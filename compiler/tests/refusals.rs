//! What is not supported is refused by the name of its proposal and with a place; hostile input is refused in
//! one sentence or compiled to a sound file, and never ends in a panic.

use lucet_format::image::{ImageIndex, Integrity};
use lucetc::options::{OptLevel, Options};
use lucetc::{Error, compile_module};

fn quick() -> Options {
    Options {
        opt_level: OptLevel::None,
        threads: 1,
        ..Options::default()
    }
}

#[test]
fn unsupported_proposals_are_named() {
    let cases = [
        ("threads", "(module (memory 1 1 shared))"),
        (
            "threads",
            r#"(module (import "env" "memory" (memory 1 1 shared)))"#,
        ),
        (
            "legacy exception-handling",
            "(module (tag) (func try (throw 0) catch 0 end))",
        ),
        ("gc", "(module (type (struct (field i32))))"),
        // Several at once: one of them is named.
        ("gc", "(module (tag) (type (struct)))"),
        ("component-model", "(component)"),
    ];
    for (expected, text) in cases {
        match compile_module(text.as_bytes(), &quick()) {
            Err(Error::Unsupported {
                proposal, message, ..
            }) => {
                assert_eq!(proposal, expected, "{text}");
                assert!(!message.is_empty(), "{text}");
            }
            other => panic!("{text}: {:?}", other.map(|file| file.len())),
        }
    }
}

#[test]
fn a_refusal_names_the_byte() {
    // A memory section whose limits have the shared flag: it is byte 11.
    let wasm = [b"\0asm\x01\0\0\0".as_slice(), &[5, 4, 1, 3, 1, 1]].concat();
    let Err(Error::Unsupported {
        proposal, offset, ..
    }) = compile_module(&wasm, &quick())
    else {
        panic!("it was accepted");
    };
    assert_eq!((proposal, offset), ("threads", 11));
    let error =
        compile_module(b"\0asm\x01\0\0\0\x63\0", &quick()).expect_err("section 99 does not exist");
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("invalid module at offset 0xa: "),
        "{error}"
    );
}

#[test]
fn text_errors_are_one_line_with_a_place() {
    let error =
        compile_module(b"(module\n  (func (reult i32)))", &quick()).expect_err("a misspelt word");
    let sentence = error.to_string();
    assert!(matches!(error, Error::Text(_)), "{sentence}");
    assert!(
        !sentence.contains('\n') && sentence.ends_with("at line 2, column 10"),
        "{sentence}"
    );
    let error = compile_module(b"(module))", &quick()).expect_err("one too many");
    assert_eq!(
        error.to_string(),
        "invalid text: extra tokens remaining after parse at line 1, column 9"
    );
    let error = compile_module(b"\xff\xfe", &quick()).expect_err("not UTF-8");
    assert!(error.to_string().contains("offset 0x0"), "{error}");
}

/// A module with something in every section.
const SAMPLE: &str = r#"(module $sample
    (type $unary (func (param i32) (result i32)))
    (import "env" "log" (func $log (param i32 f64)))
    (import "env" "pair" (func $pair (result i32 i64)))
    (import "env" "base" (global $base i32))
    (memory (export "memory") 1 4)
    (table $t (export "table") 4 8 funcref)
    (global $counter (mut i64) (i64.const 7))
    (elem (i32.const 1) func $square $log)
    (elem $passive funcref (ref.func $fib) (ref.null func))
    (data (i32.const 16) "hello")
    (data $later "later")
    (func $square (export "square") (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
    (func $fib (type $unary)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                           (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func $mixed (export "mixed") (param i32 f64) (result i64)
        (call $log (local.get 0) (local.get 1))
        (memory.init $later (i32.const 0) (i32.const 0) (i32.const 5))
        (table.init $t $passive (i32.const 0) (i32.const 0) (i32.const 2))
        (call $pair) (drop) (drop)
        (drop (call_indirect $t (type $unary) (i32.const 3) (local.get 0)))
        (block $out (br_table $out $out (local.get 0)))
        (i32.store (i32.const 8) (memory.grow (i32.const 1)))
        (global.set $counter (i64.div_s (global.get $counter) (i64.trunc_f64_s (local.get 1))))
        (global.get $counter)))"#;

fn sample() -> Vec<u8> {
    lucetc::binary(SAMPLE.as_bytes())
        .expect("the sample is valid")
        .into_owned()
}

/// Whatever comes back must be an error of the input's or a file that passes the reader.
fn check(wasm: &[u8], what: impl Fn() -> String) -> bool {
    match compile_module(wasm, &quick()) {
        Ok(file) => {
            let parsed = ImageIndex::parse(&file, Integrity::Verify);
            assert!(parsed.is_ok(), "{}: {:?}", what(), parsed.err());
            true
        }
        Err(error) => {
            assert!(!matches!(error, Error::Internal(_)), "{}: {error}", what());
            assert!(!error.to_string().contains('\n'), "{}: {error}", what());
            false
        }
    }
}

#[test]
fn every_truncation_is_refused_or_sound() {
    let wasm = sample();
    assert!(check(&wasm, || "the sample".to_owned()));
    for length in 0..wasm.len() {
        check(&wasm[..length], || format!("the first {length} bytes"));
    }
}

#[test]
fn every_changed_byte_is_refused_or_sound() {
    let wasm = sample();
    let mut accepted = 0;
    for position in 0..wasm.len() {
        for change in [0x01, 0x02, 0x40, 0x80, 0xff] {
            let mut changed = wasm.clone();
            changed[position] ^= change;
            accepted += usize::from(check(&changed, || {
                format!("byte {position} xor {change:#x}")
            }));
        }
    }
    assert!(accepted > 0, "some changes, as in data, must be harmless");
}

#[test]
fn random_damage_is_refused_or_sound() {
    let wasm = sample();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit as u64) as usize
    };
    for round in 0..3000 {
        let mut damaged = wasm.clone();
        for _ in 0..=random(4) {
            let position = random(damaged.len());
            match random(3) {
                0 => damaged[position] = random(256) as u8,
                1 => damaged.insert(position, random(256) as u8),
                _ => drop(damaged.remove(position)),
            }
        }
        check(&damaged, || format!("round {round}"));
    }
}

#[test]
fn limits_are_errors() {
    let targets = "0 ".repeat(70_000);
    let text = format!("(module (func (param i32) (block (br_table {targets} (local.get 0)))))");
    let error = compile_module(text.as_bytes(), &quick()).expect_err("too many targets");
    assert_eq!(
        error.to_string(),
        "limit exceeded: targets of a br_table: 69999, at most 65520"
    );
    let globals = "(global i32 (i32.const 0))".repeat(140_000);
    let error = compile_module(format!("(module {globals})").as_bytes(), &quick())
        .expect_err("too much state");
    assert!(matches!(error, Error::Limit { .. }), "{error}");
}

#[test]
fn limits_can_be_chosen() {
    let mut options = quick();
    options.limits.functions = 1;
    assert!(compile_module(b"(module (func))", &options).is_ok());
    let error = compile_module(b"(module (func) (func))", &options).expect_err("one too many");
    assert_eq!(error.to_string(), "limit exceeded: functions: 2, at most 1");
    options.limits.nesting = 2;
    let error = compile_module(b"(module (func (block (loop (block (nop))))))", &options);
    assert_eq!(
        error.expect_err("one too deep").to_string(),
        "limit exceeded: nested blocks: 3, at most 2"
    );
}
