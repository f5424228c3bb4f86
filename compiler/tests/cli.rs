//! The command line: exit statuses, messages, and which files are left.

mod support;

use lucet_format::image::{ImageIndex, Integrity};
use support::{Directory, lucetc, text};

const GOOD: &str =
    r#"(module (import "env" "f" (func $f)) (func $twice (export "twice") (call $f) (call $f)))"#;

#[test]
fn the_default_output_stands_beside_the_input() {
    let directory = Directory::new();
    directory.file("good.wat", GOOD.as_bytes());
    let run = lucetc(&directory, &["good.wat"]);
    assert!(
        run.status.success() && run.stdout.is_empty() && run.stderr.is_empty(),
        "{}",
        text(&run.stderr)
    );
    assert_eq!(directory.names(), ["good.so", "good.wat"]);
    let file = std::fs::read(directory.path().join("good.so")).expect("it was written");
    let index = ImageIndex::parse(&file, Integrity::Verify).expect("it is sound");
    assert!(index.view(&file).export(b"twice").is_some());
}

#[test]
fn options_change_the_code_and_the_output_is_replaced() {
    let directory = Directory::new();
    directory.file("good.wat", GOOD.as_bytes());
    let old = directory.file("out.bin", b"old");
    for options in [
        ["--opt-level", "none"],
        ["--opt-level", "speed_and_size"],
        ["--target-cpu", "x86-64-v2"],
    ] {
        let run = lucetc(
            &directory,
            &[
                "-o",
                "out.bin",
                options[0],
                options[1],
                "--threads",
                "2",
                "good.wat",
            ],
        );
        assert!(run.status.success(), "{}", text(&run.stderr));
        let file = std::fs::read(&old).expect("it was written");
        let index = ImageIndex::parse(&file, Integrity::Verify).expect("it is sound");
        let oldest = options[1] == "x86-64-v2";
        assert_eq!(
            index.header().cpu_features,
            if oldest { 0x3f } else { 0xfff }
        );
    }
    assert_eq!(directory.names(), ["good.wat", "out.bin"]);
}

#[test]
fn an_error_is_one_line_and_leaves_no_output() {
    let directory = Directory::new();
    directory.file("bad.wasm", b"\0asm\x01\0\0\0\x01\x04\x01\x60\x01");
    directory.file("bad.wat", b"(module (func (result i32)))");
    directory.file("shared.wat", b"(module (memory 1 1 shared))");
    let cases = [
        (
            "bad.wasm",
            "lucetc: bad.wasm: invalid module at offset 0xa: ",
        ),
        ("bad.wat", "lucetc: bad.wat: invalid module at offset 0x"),
        (
            "shared.wat",
            "lucetc: shared.wat: unsupported proposal `threads` at offset 0x",
        ),
        (
            "missing.wasm",
            "lucetc: missing.wasm: cannot be read: No such file",
        ),
    ];
    for (input, start) in cases {
        let run = lucetc(&directory, &[input, "-o", "out.so"]);
        let message = text(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{input}: {message}");
        assert!(message.starts_with(start), "{input}: {message}");
        assert_eq!(message.matches('\n').count(), 1, "{input}: {message}");
        assert!(run.stdout.is_empty());
    }
    assert_eq!(directory.names(), ["bad.wasm", "bad.wat", "shared.wat"]);
}

#[test]
fn an_output_from_before_survives_an_error() {
    let directory = Directory::new();
    directory.file("bad.wat", b"(module (func (result i32)))");
    let old = directory.file("bad.so", b"from before");
    assert_eq!(lucetc(&directory, &["bad.wat"]).status.code(), Some(1));
    assert_eq!(std::fs::read(old).expect("it is there"), b"from before");
}

#[test]
fn outputs_that_cannot_be_written_are_errors() {
    let directory = Directory::new();
    directory.file("good.wat", GOOD.as_bytes());
    directory.file("good.so", GOOD.as_bytes());
    for output in ["no/such/directory.so", "."] {
        let run = lucetc(&directory, &["good.wat", "-o", output]);
        let message = text(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{message}");
        assert!(
            message.contains(&format!("the output {output} cannot be written: ")),
            "{message}"
        );
    }
    let run = lucetc(&directory, &["good.so"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(
        text(&run.stderr).contains("the output would replace the input"),
        "{}",
        text(&run.stderr)
    );
    assert_eq!(directory.names(), ["good.so", "good.wat"]);
    // What is not a regular file is written to, not replaced.
    assert!(
        lucetc(&directory, &["good.wat", "-o", "/dev/null"])
            .status
            .success()
    );
    use std::os::unix::fs::FileTypeExt;
    let kind = std::fs::metadata("/dev/null")
        .expect("it exists")
        .file_type();
    assert!(kind.is_char_device());
}

#[test]
fn messages_do_not_pass_control_characters_on() {
    let directory = Directory::new();
    let twice = r#"(module (func (export "a\1b[2J\0ab")) (func (export "a\1b[2J\0ab")))"#;
    directory.file("evil\x1b[2J.wat", twice.as_bytes());
    let run = lucetc(&directory, &["evil\x1b[2J.wat"]);
    let message = text(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{message}");
    assert!(message.contains("duplicate export name"), "{message}");
    assert_eq!(
        message
            .chars()
            .filter(|character| character.is_control())
            .count(),
        1,
        "{message:?}"
    );
}

#[test]
fn listings_name_the_functions() {
    let directory = Directory::new();
    directory.file("good.wat", GOOD.as_bytes());
    let clif = lucetc(&directory, &["--emit", "clif", "good.wat"]);
    assert!(clif.status.success(), "{}", text(&clif.stderr));
    let listing = text(&clif.stdout);
    assert!(
        listing.starts_with("; twice\nfunction u0:1(i64 vmctx) tail {"),
        "{listing}"
    );
    assert!(listing.contains("; adapter:type[0]\n"), "{listing}");
    let asm = lucetc(
        &directory,
        &["--emit", "asm", "-o", "listing.s", "good.wat"],
    );
    assert!(
        asm.status.success() && asm.stdout.is_empty(),
        "{}",
        text(&asm.stderr)
    );
    let listing =
        std::fs::read_to_string(directory.path().join("listing.s")).expect("it was written");
    assert!(
        listing.starts_with("; twice\n") && listing.contains("pushq") && listing.contains("ret"),
        "{listing}"
    );
    assert_eq!(directory.names(), ["good.wat", "listing.s"]);
}

#[test]
fn the_format_can_be_asked_for_without_an_input() {
    let directory = Directory::new();
    let run = lucetc(&directory, &["--print-format"]);
    assert!(run.status.success());
    let expected = "format-revision 6\nabi-revision 3\npage-bytes 4096\nreservation-bytes 4294967296\n\
                    guard-bytes 2147549184\nunchecked-offset-limit 2147483648\n";
    assert_eq!(text(&run.stdout), expected);
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    let directory = Directory::new();
    directory.file("good.wat", GOOD.as_bytes());
    let wrong: [&[&str]; 4] = [
        &[],
        &["--emit", "exe", "good.wat"],
        &["--threads", "-1", "good.wat"],
        &["a", "b"],
    ];
    for arguments in wrong {
        let run = lucetc(&directory, arguments);
        assert_eq!(
            run.status.code(),
            Some(2),
            "{arguments:?}: {}",
            text(&run.stderr)
        );
    }
    assert_eq!(directory.names(), ["good.wat"]);
}
