//! Text of every small length, at the start and at the very end of the memory, with one byte in it or beside it that is none: looked at
//! several bytes at a time, no byte may be left out and none beyond the range may count, or be touched.

use crate::functions::{CALLED, FUNCTIONS};
use crate::setting::{PAGE, guest};
use crate::support::Guest;
use crate::words::wide;
use lucet::instance::memory;

const LONGEST: u32 = 70;

fn put(guest: &Guest, address: u32, byte: u8) {
    // SAFETY: one byte.
    unsafe { memory::write(guest.handle, 0, u64::from(address), &raw const byte, 1) }
        .expect("a byte");
}

/// The function answers 1 when it is called and -7 when it is not.
fn is_text(guest: &Guest, address: u32, length: u32) -> bool {
    match guest.run_i32("named", &wide(&[address, length, 0, 0])) {
        1 => true,
        -7 => false,
        other => panic!("{other}"),
    }
}

#[test]
fn every_byte_of_a_text_counts_and_no_other() {
    CALLED.set(FUNCTIONS.iter().find(|function| function.name == "named"));
    for inline in [false, true] {
        let guest = guest(&vec![b'a'; PAGE as usize], inline, false);
        for length in 0..=LONGEST {
            for address in [3, PAGE - length] {
                let what = |at| format!("{length} at {address}, not text at {at}, inline {inline}");
                assert!(is_text(&guest, address, length), "{}", what(-1));
                for at in address - 1..(address + length + 1).min(PAGE) {
                    put(&guest, at, 0x80);
                    let inside = (address..address + length).contains(&at);
                    let text = is_text(&guest, address, length);
                    assert_eq!(text, !inside, "{}", what(i64::from(at)));
                    put(&guest, at, b'a');
                }
            }
        }
    }
}
