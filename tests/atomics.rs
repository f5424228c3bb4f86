//! Atomic operators at the edges: the last cell of memory, offsets that do not fit a displacement, cells that are not aligned, waiting
//! and notifying. What the operators compute is the specification suite's to say.

mod support;

use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_value};
use lucet_format::trap::TrapCode;
use support::{Guest, i32};

/// A page.
const MEMORY: u64 = 65_536;
/// Offsets around the limits of what fits an instruction: zero, a displacement's largest, and what needs a check.
const OFFSETS: [u64; 6] = [0, 8, 0x7fff_fff8, 0x8000_0000, 0x8000_0008, 0xffff_fff8];

/// An operator: its name, the bytes that it accesses, and the operands behind the address.
fn operators() -> Vec<(String, u32, String)> {
    let mut all = Vec::new();
    for (kind, bytes) in [("i32", 4), ("i64", 8)] {
        let narrow: &[u32] = if bytes == 4 { &[1, 2] } else { &[1, 2, 4] };
        let widths = narrow.iter().copied().chain([bytes]);
        for width in widths {
            let (bits, suffix) = match width {
                whole if whole == bytes => (String::new(), ""),
                part => ((8 * part).to_string(), "_u"),
            };
            let operand = format!("({kind}.const 5)");
            let mut add = |name: String, operands: usize| {
                all.push((name, width, operand.repeat(operands)));
            };
            add(format!("{kind}.atomic.load{bits}{suffix}"), 0);
            add(format!("{kind}.atomic.store{bits}"), 1);
            for operation in ["add", "sub", "and", "or", "xor", "xchg"] {
                add(format!("{kind}.atomic.rmw{bits}.{operation}{suffix}"), 1);
            }
            add(format!("{kind}.atomic.rmw{bits}.cmpxchg{suffix}"), 2);
        }
    }
    all.push((
        "memory.atomic.notify".to_owned(),
        4,
        "(i32.const 1)".to_owned(),
    ));
    all
}

/// One function for each operator and offset, in a module without a maximum, so that no access can be known to trap.
fn module(offset: u64) -> String {
    let mut text = String::from("(module (memory 1)");
    for (index, (name, _, operands)) in operators().iter().enumerate() {
        let call = format!("({name} offset={offset} (local.get 0) {operands})");
        let stores = name.contains(".store");
        let body = if stores {
            call
        } else {
            format!("(drop {call})")
        };
        text.push_str(&format!(r#"(func (export "{index}") (param i32) {body})"#));
    }
    text.push(')');
    text
}

/// What an access must end with: alignment comes first.
fn expected(address: u64, bytes: u32) -> Option<TrapCode> {
    if !address.is_multiple_of(u64::from(bytes)) {
        Some(TrapCode::Unaligned)
    } else if address + u64::from(bytes) > MEMORY {
        Some(TrapCode::Memory)
    } else {
        None
    }
}

#[test]
fn every_access_ends_as_its_address_says() {
    for offset in OFFSETS {
        let guest = Guest::new(&module(offset));
        for (index, (name, bytes, _)) in operators().iter().enumerate() {
            let last = MEMORY - u64::from(*bytes);
            let wanted = [
                0,
                1,
                4,
                last - 1,
                last,
                last + 1,
                MEMORY,
                0xffff_fff8,
                0xffff_ffff,
            ];
            // The addresses that the offset leaves, and the indices themselves.
            let indices = wanted
                .iter()
                .map(|address| address.wrapping_sub(offset) as u32);
            for index_operand in indices.chain(wanted.iter().map(|index| *index as u32)) {
                let address = u64::from(index_operand) + offset;
                let outcome = guest.run(&index.to_string(), &[i32(index_operand.cast_signed())]);
                let actual = (outcome.kind == LUCET_TRAPPED).then_some(outcome.detail);
                let expected = expected(address, *bytes).map(|trap| u32::from(trap.number()));
                assert_eq!(
                    actual, expected,
                    "{name} offset={offset:#x} at {index_operand:#x}"
                );
                if actual.is_some() {
                    guest.reset();
                }
            }
        }
    }
}

#[test]
fn offsets_beyond_every_memory_trap() {
    let guest = Guest::new(
        r#"(module (memory 1 1) (func (export "run") (param i32) (drop (i32.atomic.load offset=65536 (local.get 0)))))"#,
    );
    let outcome = guest.run("run", &[i32(0)]);
    assert_eq!(outcome.detail, u32::from(TrapCode::Memory.number()));
    guest.reset();
    let outcome = guest.run("run", &[i32(2)]);
    assert_eq!(outcome.detail, u32::from(TrapCode::Unaligned.number()));
}

#[test]
fn waiting_traps_behind_the_checks_of_its_cell_and_nobody_is_notified() {
    let guest = Guest::new(
        r#"(module (memory 1)
            (func (export "wait32") (param i32) (result i32)
                (memory.atomic.wait32 (local.get 0) (i32.const 0) (i64.const -1)))
            (func (export "wait64") (param i32) (result i32)
                (memory.atomic.wait64 (local.get 0) (i64.const 0) (i64.const -1)))
            (func (export "notify") (param i32) (result i32)
                (memory.atomic.notify (local.get 0) (i32.const -1)))
            (func (export "fence") (result i32) (atomic.fence) (i32.const 7)))"#,
    );
    let trap = |name: &str, at: u32| {
        let outcome = guest.run(name, &[i32(at.cast_signed())]);
        assert_eq!(outcome.kind, LUCET_TRAPPED, "{name} at {at:#x}");
        guest.reset();
        TrapCode::from_number(outcome.detail)
    };
    for (name, bytes) in [("wait32", 4), ("wait64", 8)] {
        assert_eq!(trap(name, 0), Some(TrapCode::UnsharedWait));
        assert_eq!(trap(name, 65_536 - bytes), Some(TrapCode::UnsharedWait));
        assert_eq!(trap(name, 65_536), Some(TrapCode::Memory));
        assert_eq!(trap(name, bytes / 2), Some(TrapCode::Unaligned));
    }
    assert_eq!(guest.run_i32("notify", &[i32(65_532)]), 0);
    assert_eq!(guest.run_i32("fence", &[]), 7);
}

#[test]
fn a_narrow_exchange_compares_only_its_own_bits() {
    let guest = Guest::new(
        r#"(module (memory 1) (data (i32.const 0) "\ff\ff\ff\ff\ff\ff\ff\ff")
            (func (export "exchange") (result i64)
                (drop (i64.atomic.rmw8.cmpxchg_u (i32.const 3) (i64.const 0x1ff) (i64.const 0x102)))
                (i64.load (i32.const 0))))"#,
    );
    let outcome = guest.run("exchange", &[]);
    assert_eq!(outcome.kind, LUCET_RETURNED);
    // SAFETY: it has returned one value.
    let value: lucet_value = unsafe { *outcome.values };
    assert_eq!(value.bits() as u64, 0xffff_ffff_02ff_ffff);
}
