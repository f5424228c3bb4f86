//! Published advisories about compilers and parsers of other runtimes, each with its number in our list and its public name, as far as
//! they are about the input. Those about time and memory are `bombs`; random damage is `refusals`; damaged module files are the runtime's
//! `loader`.

use lucet_format::image::{ImageIndex, Integrity};
use lucetc::options::Options;
use lucetc::{Error, compile_module};

fn compile(wasm: &[u8]) -> Result<Vec<u8>, Error> {
    let options = Options {
        threads: 1,
        ..Options::default()
    };
    compile_module(wasm, &options)
}

/// A number below 2^32 in as few bytes as it takes.
fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = number as u8 & 0x7f;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn section(number: u8, content: &[u8]) -> Vec<u8> {
    [vec![number], leb(content.len() as u32), content.to_vec()].concat()
}

/// A module of one function () -> () with this body, and sections behind its code.
fn module(body: &[u8], behind: &[Vec<u8>]) -> Vec<u8> {
    let body = [&[0u8][..], body].concat();
    let code = [vec![1], leb(body.len() as u32), body].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        section(10, &code),
        behind.concat(),
    ]
    .concat()
}

/// wasm3 CVE-2022-28966 and #570: counts near 2^32 that wrap when sizes are computed from them.
#[test]
fn advisory_58_cve_2022_28966_counts_near_2_32() {
    for count in [
        0xffff_ffffu32,
        0xffff_fffc,
        0xffff_fff0,
        0x8000_0000,
        0x7fff_ffff,
        1 << 20,
    ] {
        // br_table with so many targets, of which there are none.
        let table = [vec![0x41, 0, 0x0e], leb(count), vec![0x0b]].concat();
        let refused = compile(&module(&table, &[])).expect_err("no targets");
        assert!(
            !matches!(refused, Error::Internal(_)),
            "{count:#x}: {refused}"
        );
        // So many locals in one group, and in two.
        for groups in [1u8, 2] {
            let group = [leb(count), vec![0x7f]].concat();
            let body = [vec![groups], group.repeat(groups as usize), vec![0x0b]].concat();
            let code = [vec![1], leb(body.len() as u32), body].concat();
            let wasm = [
                b"\0asm\x01\0\0\0".to_vec(),
                section(1, &[1, 0x60, 0, 0]),
                section(3, &[1, 0]),
                section(10, &code),
            ]
            .concat();
            let refused = compile(&wasm).expect_err("too many locals");
            assert!(
                !matches!(refused, Error::Internal(_)),
                "{count:#x}: {refused}"
            );
        }
        // So many entries of each section, which has none.
        for number in 1..=13u8 {
            let wasm = [b"\0asm\x01\0\0\0".to_vec(), section(number, &leb(count))].concat();
            let refused = compile(&wasm).expect_err("no entries");
            assert!(
                !matches!(refused, Error::Internal(_)),
                "section {number}, {count:#x}: {refused}"
            );
        }
        // A section, a name and data that are so long.
        for wasm in [
            [b"\0asm\x01\0\0\0".to_vec(), vec![1], leb(count)].concat(),
            [b"\0asm\x01\0\0\0".to_vec(), section(0, &leb(count))].concat(),
            [
                b"\0asm\x01\0\0\0".to_vec(),
                section(2, &[vec![1], leb(count)].concat()),
            ]
            .concat(),
            [
                b"\0asm\x01\0\0\0".to_vec(),
                section(11, &[vec![1, 1], leb(count)].concat()),
            ]
            .concat(),
        ] {
            let refused = compile(&wasm).expect_err("too long");
            assert!(
                !matches!(refused, Error::Internal(_)),
                "{count:#x}: {refused}"
            );
        }
    }
}

/// wabt CVE-2025-2368, CVE-2025-6274, CVE-2025-15411 and #2743: names of functions and locals that do not exist, out of order, twice,
/// cut short. Names are for people: a module is as good without them.
#[test]
fn advisory_59_cve_2025_2368_name_sections_are_not_trusted() {
    let text = |name: &[u8]| [leb(name.len() as u32), name.to_vec()].concat();
    let name = |index: u32, name: &[u8]| [leb(index), text(name)].concat();
    let map = |entries: &[Vec<u8>]| [leb(entries.len() as u32), entries.concat()].concat();
    let subsection = |number: u8, content: Vec<u8>| section(number, &content);
    let contents = [
        subsection(1, map(&[name(0xffff_ffff, b"f")])),
        subsection(1, map(&[name(1, b"f"), name(0, b"g"), name(0, b"h")])),
        subsection(1, leb(0xffff_ffff)),
        subsection(1, map(&[name(0, b"\xff\xfe")])),
        subsection(1, map(&[name(0, b"a\0b\x1b[31m\n")])),
        subsection(1, map(&[name(0, b"lucet_instance_run")])),
        subsection(
            2,
            map(&[[leb(0xffff_ffff), map(&[name(0, b"l")])].concat()]),
        ),
        subsection(
            2,
            map(&[[leb(0), map(&[name(0xffff_ffff, b"l"), name(7, b"m")])].concat()]),
        ),
        subsection(2, [leb(1), leb(0), leb(0xffff_ffff)].concat()),
        subsection(0, text(&[b'm'; 5000])),
        subsection(0, leb(0xffff_ffff)),
        subsection(99, vec![1, 2, 3]),
        vec![1],
        vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![0xff; 40],
        (0..200)
            .flat_map(|_| subsection(1, map(&[name(0, b"again")])))
            .collect(),
    ];
    let plain = compile(&module(&[0x0b], &[])).expect("a module");
    for (number, content) in contents.iter().enumerate() {
        let custom = section(0, &[text(b"name"), content.clone()].concat());
        let file = compile(&module(&[0x0b], std::slice::from_ref(&custom)));
        let file = file.unwrap_or_else(|error| panic!("names {number}: {error}"));
        let index = ImageIndex::parse(&file, Integrity::Verify).expect("a sound file");
        assert_eq!(index.view(&file).functions().len(), 1);
        // Nothing that a terminal obeys, and nothing that looks like ours, whatever the name.
        let image = index.view(&file);
        let named = image.functions().get(0).expect("the function");
        assert!(
            image
                .text(named.name)
                .chars()
                .all(|letter| !letter.is_control()),
            "names {number}"
        );
        // Also before the code, where it does not belong.
        let early = [
            b"\0asm\x01\0\0\0".to_vec(),
            custom,
            module(&[0x0b], &[])[8..].to_vec(),
        ]
        .concat();
        assert!(compile(&early).is_ok(), "names {number}");
    }
    for other in [
        b"producers".as_slice(),
        b"branch",
        b"metadata.code.branch_hint",
        b"dylink.0",
        b".debug_info",
        b"linking",
        b"",
    ] {
        for content in [
            vec![],
            vec![0xff; 30],
            leb(0xffff_ffff),
            vec![1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1],
        ] {
            let custom = section(0, &[text(other), content].concat());
            match compile(&module(&[0x0b], &[custom])) {
                Ok(file) => assert_eq!(file.len(), plain.len(), "{}", other.escape_ascii()),
                Err(error) => assert!(!matches!(error, Error::Internal(_)), "{error}"),
            }
        }
    }
}

/// WAMR CVE-2025-58749 and wabt: control that never ends, or is nested deeply, costs no more than its size.
#[test]
fn advisory_57_cve_2025_58749_endless_and_unreachable_code() {
    let cases: [Vec<u8>; 5] = [
        // loop br 0 end
        vec![0x03, 0x40, 0x0c, 0, 0x0b, 0x0b],
        // unreachable code of every kind behind unreachable
        [&[0x00][..], &[0x02, 0x40, 0x0b].repeat(2000), &[0x0b]].concat(),
        loops_inside_of_each_other(150),
        [
            [0x02, 0x40].repeat(3000),
            vec![0x0c, 0],
            [0x0b].repeat(3001),
        ]
        .concat(),
        [
            [0x41, 1, 0x04, 0x40, 0x00, 0x05, 0x0f, 0x0b].repeat(2000),
            vec![0x0b],
        ]
        .concat(),
    ];
    for (number, body) in cases.iter().enumerate() {
        let file = compile(&module(body, &[])).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert!(
            ImageIndex::parse(&file, Integrity::Verify).is_ok(),
            "{number}"
        );
    }
    let refused = compile(&module(&loops_inside_of_each_other(3000), &[]));
    let message = refused.err().map(|error| error.to_string());
    assert!(
        message
            .as_ref()
            .is_some_and(|message| message.contains("nested loops")),
        "{message:?}"
    );
}

fn loops_inside_of_each_other(depth: usize) -> Vec<u8> {
    let (begin, end) = ([0x03, 0x40].repeat(depth), [0x0b].repeat(depth + 1));
    [begin, vec![0x0c, 0], end].concat()
}
