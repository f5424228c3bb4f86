//! Damaged module files: every truncation and every byte changed. The loader answers with a status or with a module that is as good;
//! it never crashes. The checksum finds everything, so the same damage is also done with the checksum made right
//! again, where the checked reader alone stands between the damage and the runtime.

mod support;

use lucet::counted::Counted;
use lucet::error::Status;
use lucet::module::{CodeImage, load};
use lucet_format::image::elf::find_image;
use lucet_format::image::writer::{CHECKSUM_OFFSET, seal};
use lucet_format::image::{ImageIndex, Integrity, Section};
use std::ffi::CString;
use std::io::Write as _;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use support::{Guest, sentence, small};

/// Modules that use every section of an image between them.
const MODULES: [&str; 4] = [
    r#"(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#,
    r#"(module
         (import "env" "out" (func $out (param i64 f64) (result f32)))
         (import "env" "limit" (global $limit i32))
         (memory (export "memory") 1 3) (table (export "table") 4 10 funcref)
         (global (export "counter") (mut i64) (i64.const 7))
         (elem (i32.const 1) $double $trap) (elem $later func $double)
         (data (i32.const 16) "hello") (data $passive "later")
         (start $begin)
         (func $begin (global.set 1 (i64.const 9)))
         (func $double (export "double") (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
         (func $trap (param i32) (result i32) unreachable)
         (func (export "run") (param i32) (result i32)
           (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 5))
           (table.init $later (i32.const 0) (i32.const 0) (i32.const 1))
           (drop (call $out (i64.const 1) (f64.const 2)))
           (call_indirect (param i32) (result i32) (local.get 0) (global.get $limit))))"#,
    r#"(module (import "env" "at" (global $at i32)) (memory 1) (table 2 externref)
         (data (global.get $at) "dynamic") (func (export "f") (result i32 f32 i64) (i32.const 1) (f32.const 2) (i64.const 3)))"#,
    r#"(module
         (import "env" "tag" (tag $host (param i32)))
         (import "env" "out" (func $out))
         (tag $own (export "own"))
         (func $throw (export "throw") (throw $own))
         (func (export "try") (result i32)
           (block $all (block $one (result i32)
             (try_table (catch $host $one) (catch_all $all)
               (call $out) (call $throw) (try_table (catch $own $all) (call $throw)))
             (return (i32.const 1))) (return))
           (i32.const 2)))"#,
];

fn compiled(text: &str) -> Vec<u8> {
    let options = lucetc::options::Options {
        verify: true,
        ..Default::default()
    };
    lucetc::compile_module(text.as_bytes(), &options).expect("the guest compiles")
}

fn is_clean(status: Status) -> bool {
    matches!(status, Status::BadModule | Status::Incompatible)
}

#[test]
fn every_truncation_is_refused() {
    for text in MODULES {
        let file = compiled(text);
        for length in 0..file.len() {
            let refused = load::bytes(&file[..length])
                .map(|_| ())
                .expect_err("a part of a module");
            assert!(
                is_clean(refused.status),
                "{length}: {:?} {}",
                refused.status,
                sentence()
            );
        }
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let mut file = compiled(MODULES[0]);
    file.push(0);
    assert_eq!(
        load::bytes(&file).map(|_| ()).expect_err("too long").status,
        Status::BadModule
    );
}

#[test]
fn every_changed_byte_is_refused() {
    for text in MODULES {
        let mut file = compiled(text);
        for at in 0..file.len() {
            for change in [0x01, 0x80, 0xff] {
                file[at] ^= change;
                let refused = ImageIndex::parse(&file, Integrity::Verify);
                assert!(refused.is_err(), "byte {at} changed by {change:#x}");
                file[at] ^= change;
            }
        }
        // The same through the loader, for a part of the places: each needs a file of its own.
        for at in (0..file.len()).step_by(37) {
            file[at] ^= 0x10;
            let refused = load::bytes(&file)
                .map(|_| ())
                .expect_err("a damaged module");
            assert!(
                is_clean(refused.status),
                "byte {at}: {:?} {}",
                refused.status,
                sentence()
            );
            file[at] ^= 0x10;
        }
        load::bytes(&file).unwrap_or_else(|_| panic!("the undamaged module: {}", sentence()));
    }
}

/// Files that are copied piece by piece: whichever piece the damage is in, also the last, short one.
#[test]
fn every_piece_of_a_copied_file_is_summed_up() {
    let long = format!(
        r#"(module (memory 8) (data (i32.const 0) "{}") (func (export "f")))"#,
        "0123456789abcdef".repeat(20_000)
    );
    let mut file = compiled(&long);
    let path = std::env::temp_dir().join(format!("lucet-loader-{}.so", std::process::id()));
    let name = CString::new(path.as_os_str().as_bytes()).expect("a path");
    let load = |file: &[u8]| {
        std::fs::write(&path, file).expect("written");
        load::file(&name, load::Mode::Copy).map(|_| ())
    };
    load(&file).unwrap_or_else(|_| panic!("the undamaged module: {}", sentence()));
    let last = file.len() - 1;
    let borders = (1..=last / 65536).flat_map(|piece| [piece * 65536 - 1, piece * 65536]);
    for at in borders.chain([0, 5000, 100_001, last]) {
        file[at] ^= 0x10;
        let refused = load(&file).expect_err("a damaged module");
        assert_eq!(
            refused.status,
            Status::BadModule,
            "byte {at}: {}",
            sentence()
        );
        file[at] ^= 0x10;
    }
    for length in [1, 63, 64, 4096, 65535, 65536, 65537, last] {
        let refused = load(&file[..length]).expect_err("a part of a module");
        assert_eq!(
            refused.status,
            Status::BadModule,
            "{length}: {}",
            sentence()
        );
    }
    load(&file).unwrap_or_else(|_| panic!("the undamaged module: {}", sentence()));
    std::fs::remove_file(&path).expect("removed");
}

/// Reads everything that the runtime ever reads of an image.
fn walk(code: &Counted<CodeImage>) -> u64 {
    let image = code.image();
    let mut sum = image.build_id().len() as u64;
    for function_type in image.function_types().iter() {
        sum += image.parameters(&function_type).count() as u64
            + image.results(&function_type).count() as u64;
    }
    for import in image.imports().iter() {
        sum += (image.text(import.module).len() + image.text(import.name).len()) as u64;
    }
    for (index, export) in image.exports().iter().enumerate() {
        sum += image
            .export(image.bytes(export.name))
            .map_or(0, |(found, _)| (found == index) as u64);
        sum += code
            .func_of_export(index as u32)
            .expect("memory")
            .map_or(0, |func| code.type_of(func).is_ok() as u64);
    }
    for function in image.functions().iter() {
        sum += image.text(function.name).len() as u64;
    }
    for segment in image.data_segments().iter() {
        sum += image.bytes(segment.bytes).len() as u64;
    }
    for run in image.initial_runs().iter() {
        sum += image
            .bytes(run.bytes)
            .iter()
            .map(|byte| u64::from(*byte))
            .sum::<u64>();
    }
    for offset in 0..code.text().1 as u32 {
        sum += u64::from(image.trap_at(offset).is_some())
            + u64::from(image.wasm_offset_at(offset).is_some());
        sum += u64::from(image.code_at(offset).is_some());
        sum += image
            .handlers_at(offset)
            .map_or(0, |(_, handlers)| handlers.count() as u64);
    }
    sum
}

/// A file with this content.
fn in_memory(content: &[u8]) -> std::fs::File {
    // SAFETY: makes a new file.
    let copy = unsafe {
        let number = libc::memfd_create(c"lucet-loader".as_ptr(), libc::MFD_CLOEXEC);
        assert!(number >= 0);
        OwnedFd::from_raw_fd(number)
    };
    let mut copy = std::fs::File::from(copy);
    copy.write_all(content).expect("memory");
    copy
}

/// Loads a file in place as one that is known to be sound, and reads it. What is damaged may be wrong, but reading it does no harm.
fn trusted(file: &[u8]) {
    let copy = in_memory(file);
    if let Ok(code) = load::descriptor(copy.as_fd(), load::Mode::Trusted) {
        walk(&code);
        let linker = lucet::linker::Linker::new().expect("a linker");
        if let Ok(module) = lucet::module::Module::link(&code, &linker, &mut |_| {}) {
            let link = module.link.as_ref().expect("it is linked");
            let _ = link.table_elements(&code);
        }
    }
}

/// Damage that a malicious or broken compiler could have made: the checksum is right. Nothing is run: code is trusted.
#[test]
fn damage_with_a_right_checksum_is_refused_or_harmless() {
    let mut harmless = 0;
    let mut refused = 0;
    for text in MODULES {
        let original = compiled(text);
        let image = find_image(&original).expect("an image");
        let text_start = load::bytes(&original)
            .expect("a module")
            .image()
            .header()
            .text
            .offset as usize;
        for at in (0..text_start).filter(|at| {
            !(image.start + CHECKSUM_OFFSET..image.start + CHECKSUM_OFFSET + 8).contains(at)
        }) {
            for change in [0x01u8, 0x80, 0xff] {
                let mut file = original.clone();
                file[at] ^= change;
                let Ok(moved) = find_image(&file) else {
                    refused += 1;
                    continue;
                };
                if moved != image {
                    refused += 1;
                    continue;
                }
                seal(&mut file, image.start);
                if at % 4 == 0 {
                    trusted(&file);
                }
                match ImageIndex::parse(&file, Integrity::Verify) {
                    Err(_) => refused += 1,
                    Ok(_) if at % 8 == 0 => {
                        let code = load::bytes(&file)
                            .unwrap_or_else(|_| panic!("byte {at}: {}", sentence()));
                        assert!(walk(&code) > 0);
                        let linker = lucet::linker::Linker::new().expect("a linker");
                        // Linking reads the rest; that imports are missing is no matter here.
                        let _ = lucet::module::Module::link(&code, &linker, &mut |_| {});
                        harmless += 1;
                    }
                    Ok(_) => harmless += 1,
                }
            }
        }
    }
    assert!(
        refused > 1000 && harmless > 1000,
        "{refused} refused, {harmless} harmless"
    );
}

/// Of a file in place, what only backtraces read is compared by the first of them: what is damaged there they do without.
#[test]
fn damage_aside_is_found_by_the_first_backtrace() {
    let file = compiled(r#"(module (func $deep (export "trap") unreachable))"#);
    let names = ImageIndex::parse(&file, Integrity::Verify).expect("sound");
    let names = names.view(&file).section_span(Section::Names).offset as usize;
    let header = *ImageIndex::parse(&file, Integrity::Verify)
        .expect("sound")
        .header();
    let aside = header.aside.offset as usize..(header.aside.offset + header.aside.length) as usize;
    assert!(!aside.is_empty());
    let load = |mode, changed: Option<usize>| {
        let mut content = file.clone();
        if let Some(at) = changed {
            // Of a name, what is no text any more.
            content[at] ^= 0x90;
        }
        load::descriptor(in_memory(&content).as_fd(), mode)
    };
    let last = aside.end - 1;
    for changed in [None, Some(aside.start), Some(names), Some(last)] {
        let code = load(load::Mode::InPlace, changed).expect("a module");
        let linker = lucet::linker::Linker::new().expect("a linker");
        let module = lucet::module::Module::link(&code, &linker, &mut |_| {}).expect("links");
        let guest = Guest::made_of(module, &small());
        for _ in 0..2 {
            guest.reset();
            guest.run("trap", &[]);
            let outcome = guest.describe();
            let wanted = if changed.is_some() {
                "in function 0"
            } else {
                "in \"deep\" (wasm offset"
            };
            assert!(outcome.contains(wanted), "{outcome}");
        }
        // A copy is compared as a whole.
        let copied = load(load::Mode::Copy, changed);
        assert_eq!(copied.is_err(), changed.is_some());
    }
    for at in (0..file.len()).filter(|at| !aside.contains(at)) {
        let refused = load(load::Mode::InPlace, Some(at)).map(|_| ());
        assert!(refused.is_err(), "byte {at}");
    }
}

/// Of a trusted file, nobody has counted the handlers of a call. Looking for one ends where there are no more.
#[test]
fn calls_have_no_more_handlers_than_there_are() {
    let mut file = compiled(MODULES[3]);
    let index = ImageIndex::parse(&file, Integrity::Verify).expect("sound");
    let sites = index.view(&file).section_span(Section::CallSites).offset as usize;
    let handlers = index.view(&file).handlers().len();
    let call = index.view(&file).call_sites().get(0).expect("a call").text;
    // The count is the last field of the record.
    file[sites + 12..sites + 16].copy_from_slice(&u32::MAX.to_le_bytes());
    let code = load::descriptor(in_memory(&file).as_fd(), load::Mode::Trusted).expect("loads");
    let image = code.image();
    let (_, found) = image.handlers_at(call).expect("the call");
    let begun = std::time::Instant::now();
    assert!(found.count() <= handlers);
    // As many looks as the count says would take minutes.
    assert!(begun.elapsed().as_secs() < 10);
}

/// Of a trusted file, nobody has looked where its functions are. What is not in the text is not entered all the same.
#[test]
fn trusted_functions_outside_of_the_text_are_not_entered() {
    let mut file = compiled(r#"(module (func (export "f") (result i32) (i32.const 1)))"#);
    let index = ImageIndex::parse(&file, Integrity::Verify).expect("sound");
    let functions = index.view(&file).section_span(Section::Functions).offset as usize;
    let text = index.header().text.length;
    // The code is the second field of the record.
    for code in [text, text + 4096, 1 << 31, u32::MAX - 1] {
        file[functions + 4..functions + 8].copy_from_slice(&code.to_le_bytes());
        let code = load::descriptor(in_memory(&file).as_fd(), load::Mode::Trusted).expect("loads");
        let linker = lucet::linker::Linker::new().expect("a linker");
        let module = lucet::module::Module::link(&code, &linker, &mut |_| {}).expect("links");
        let guest = Guest::made_of(module, &small());
        let refused = lucet::instance::run(guest.handle, b"f", &[]).map(|_| ());
        assert_eq!(refused.expect_err("no function").status, Status::NotFound);
        let refused = load::descriptor(in_memory(&file).as_fd(), load::Mode::InPlace).map(|_| ());
        assert_eq!(refused.expect_err("damage").status, Status::BadModule);
    }
}
