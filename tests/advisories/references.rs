//! Segments, tables and their sizes: operations that have made other runtimes panic or answer in the wrong width.

use crate::support::{Guest, i32, i64};
use crate::ways::every_way;
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED};
use lucet_format::trap::TrapCode;

/// CVE-2024-30266, GHSA-75hq-h6g9-h4q5: using a segment that has been dropped.
#[test]
fn advisory_37_cve_2024_30266_segments_in_every_order() {
    let guest = Guest::new(
        r#"(module (memory 1) (table $t 4 funcref) (func $f)
            (elem $active (i32.const 0) $f) (elem $passive func $f $f) (elem $declared declare func $f)
            (data $da (i32.const 0) "ab") (data $dp "cd")
            (func (export "init active") (param i32) (table.init $t $active (i32.const 0) (i32.const 0) (local.get 0)))
            (func (export "init passive") (param i32) (table.init $t $passive (i32.const 0) (i32.const 0) (local.get 0)))
            (func (export "init declared") (param i32) (table.init $t $declared (i32.const 0) (i32.const 0) (local.get 0)))
            (func (export "drop active") (param i32) (elem.drop $active))
            (func (export "drop passive") (param i32) (elem.drop $passive))
            (func (export "drop declared") (param i32) (elem.drop $declared))
            (func (export "memory active") (param i32) (memory.init $da (i32.const 0) (i32.const 0) (local.get 0)))
            (func (export "memory passive") (param i32) (memory.init $dp (i32.const 0) (i32.const 0) (local.get 0)))
            (func (export "forget active") (param i32) (data.drop $da))
            (func (export "forget passive") (param i32) (data.drop $dp)))"#,
    );
    let traps = |name: &str, length: i32| {
        let outcome = guest.run(name, &[i32(length)]);
        if outcome.kind == LUCET_TRAPPED {
            lucet::instance::keep(guest.handle).expect("it has trapped");
            return TrapCode::from_number(outcome.detail);
        }
        assert_eq!(outcome.kind, LUCET_RETURNED, "{name}");
        None
    };
    for round in 0..8 {
        let dropped = |bit: i32| round & bit != 0;
        for (bit, segment) in [(1, "active"), (2, "passive"), (4, "declared")] {
            if dropped(bit) {
                assert_eq!(traps(&format!("drop {segment}"), 0), None);
                assert_eq!(traps(&format!("drop {segment}"), 0), None);
                if segment != "declared" {
                    assert_eq!(traps(&format!("forget {segment}"), 0), None);
                }
            }
        }
        for (bit, segment) in [(1, "active"), (2, "passive"), (4, "declared")] {
            let gone = dropped(bit) || segment != "passive";
            for (length, beyond) in [(0, false), (1, gone), (2, gone), (3, true), (-1, true)] {
                let wanted = beyond.then_some(TrapCode::Table);
                assert_eq!(
                    traps(&format!("init {segment}"), length),
                    wanted,
                    "{segment} {length} {round}"
                );
                if segment != "declared" {
                    let wanted = beyond.then_some(TrapCode::Memory);
                    assert_eq!(
                        traps(&format!("memory {segment}"), length),
                        wanted,
                        "{segment} {length} {round}"
                    );
                }
            }
        }
        guest.reset();
    }
}

/// CVE-2026-34946, GHSA-q49f-xg75-m9xw: table.fill, and every other operation on ranges, with numbers around the limits.
#[test]
fn advisory_38_cve_2026_34946_ranges_around_every_limit() {
    let guest = Guest::new(
        r#"(module (table $t 10 20 externref) (table $u 10 externref) (memory 1)
            (func (export "fill") (param i32 i32 i32) (table.fill $t (local.get 0) (ref.null extern) (local.get 2)))
            (func (export "copy") (param i32 i32 i32) (table.copy $t $u (local.get 0) (local.get 1) (local.get 2)))
            (func (export "memory fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
            (func (export "memory copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2))))"#,
    );
    let numbers = |length: u32| {
        [
            0,
            1,
            length - 1,
            length,
            length + 1,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_fff0,
            u32::MAX,
        ]
    };
    for (name, length, trap) in [
        ("fill", 10, TrapCode::Table),
        ("copy", 10, TrapCode::Table),
        ("memory fill", 65_536, TrapCode::Memory),
        ("memory copy", 65_536, TrapCode::Memory),
    ] {
        let end = |from: u32, count: u32| u64::from(from) + u64::from(count);
        for to in numbers(length) {
            for from in numbers(length) {
                for count in numbers(length) {
                    let copies = name.ends_with("copy");
                    let beyond = end(to, count) > u64::from(length)
                        || copies && end(from, count) > u64::from(length);
                    let arguments = [to, from, count].map(|number| i32(number.cast_signed()));
                    let outcome = guest.run(name, &arguments);
                    let found = (outcome.kind == LUCET_TRAPPED).then_some(outcome.detail);
                    let wanted = beyond.then_some(u32::from(trap.number()));
                    assert_eq!(found, wanted, "{name} {to:#x} {from:#x} {count:#x}");
                    if beyond {
                        lucet::instance::keep(guest.handle).expect("it has trapped");
                    }
                }
            }
        }
    }
}

/// CVE-2026-44216, GHSA-p8xm-42r7-89xg: tables and memories larger than there is address space.
#[test]
fn advisory_39_cve_2026_44216_sizes_beyond_all_bounds_are_refused() {
    use lucet::linker::Linker;
    use lucet::module::{Module, load};
    for declared in [
        "(table 4294967295 funcref)",
        "(table 4294967295 4294967295 externref)",
        "(table i64 18446744073709551615 funcref)",
        "(table i64 0xffffffffffff externref)",
        "(memory 65536)",
        "(memory i64 281474976710656)",
        "(memory i64 0x1000000000000 0x1000000000000)",
        "(table 1000000 funcref) (table 4000000000 funcref)",
    ] {
        let options = lucetc::options::Options::default();
        let text = format!("(module {declared})");
        let Ok(file) = lucetc::compile_module(text.as_bytes(), &options) else {
            continue;
        };
        let Ok(code) = load::bytes(&file) else {
            continue;
        };
        let linker = Linker::new().expect("a linker");
        let Ok(module) = Module::link(&code, &linker, &mut |_| {}) else {
            continue;
        };
        let region = crate::support::region(&crate::support::small());
        let data = std::ptr::null_mut();
        let refused =
            lucet::instance::create(&region, &module, data, lucet::instance::Limits::default());
        assert!(refused.is_err(), "{declared}");
    }
}

/// CVE-2026-35186, GHSA-f984-pcp8-v2p7, and CVE-2026-34945, GHSA-m9w2-8782-2946: what table.grow and table.size answer, in the width
/// of the table's indices, used as an index again.
#[test]
fn advisory_18_cve_2026_35186_sizes_have_the_width_of_indices() {
    for (index, table) in [
        ("i32", "(table $t 3 6 externref)"),
        ("i64", "(table $t i64 3 6 externref)"),
    ] {
        let text = format!(
            r#"(module {table} (memory 1)
                (func (export "grow") (param {index}) (result i64) (local $old {index})
                    (local.set $old (table.grow $t (ref.null extern) (local.get 0)))
                    ({0} (local.get $old)))
                (func (export "size") (result i64) ({0} (table.size $t)))
                (func (export "last") (result i32) (ref.is_null (table.get $t ({index}.sub (table.size $t) ({index}.const 1)))))
                (func (export "past") (result i32) (ref.is_null (table.get $t (table.grow $t (ref.null extern) ({index}.const 7))))))"#,
            if index == "i32" {
                "i64.extend_i32_u"
            } else {
                "i64.add (i64.const 0)"
            }
        );
        every_way(&text, |guest, way| {
            let run = |name: &str, arguments: &[lucet::abi::lucet_value]| {
                let outcome = guest.run(name, arguments);
                assert_eq!(outcome.kind, LUCET_RETURNED, "{name}, {index}, {way}");
                // SAFETY: it has returned one value.
                unsafe { *outcome.values }.bits() as u64
            };
            let argument = |value: i64| {
                if index == "i32" {
                    i32(value as i32)
                } else {
                    i64(value)
                }
            };
            let failed = if index == "i32" {
                0xffff_ffff
            } else {
                u64::MAX
            };
            assert_eq!(run("grow", &[argument(2)]), 3);
            assert_eq!(run("size", &[]), 5);
            assert_eq!(run("last", &[]), 1);
            assert_eq!(run("grow", &[argument(2)]), failed);
            assert_eq!(run("grow", &[argument(-1)]), failed);
            assert_eq!(run("grow", &[argument(1)]), 5);
            assert_eq!(run("size", &[]), 6);
            let outcome = guest.run("past", &[]);
            assert_eq!(
                outcome.detail,
                u32::from(TrapCode::Table.number()),
                "{index}, {way}"
            );
            guest.reset();
        });
    }
}
