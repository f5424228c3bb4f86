//! The host functions of the test: each described once, for the oracle, for the registration and as bindings, and implemented in the
//! types that C would use.

use crate::described::Access::{In, InOut, Out};
use crate::described::{Function, Parameter, copied, object, slice};
use lucet::abi::{lucet_call, lucet_handle_kind};
use std::cell::{Cell, RefCell};

/// What a function was given.
pub struct Seen {
    pub words: Vec<u64>,
    /// The bytes of its ranges.
    pub bytes: Vec<Vec<u8>>,
}

thread_local! {
    /// What the latest call was given.
    pub static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
    /// The function that is called.
    pub static CALLED: Cell<Option<&'static Function>> = const { Cell::new(None) };
}

/// Writes down what was given, and adds 1 to the first and to the last byte of what is written to.
fn seen(words: &[u64]) -> i32 {
    let function = CALLED.get().expect("a function");
    let mut bytes = Vec::new();
    for (place, parameter) in function.places() {
        let Some((element, access)) = parameter.range() else {
            continue;
        };
        let count = match parameter {
            Parameter::Slice { .. } => words[place + 1] as usize,
            _ => 1,
        };
        // SAFETY: the runtime or the module's code has checked that the range is there.
        let range =
            unsafe { std::slice::from_raw_parts_mut(words[place] as *mut u8, count * element) };
        bytes.push(range.to_vec());
        if access != In {
            for at in ends(range.len()) {
                range[at] = range[at].wrapping_add(1);
            }
        }
    }
    SEEN.with(|seen| {
        *seen.borrow_mut() = Some(Seen {
            words: words.to_vec(),
            bytes,
        });
    });
    1
}

/// The first and the last place of so many, once if they are the same.
pub fn ends(length: usize) -> impl Iterator<Item = usize> {
    let last = length.checked_sub(1);
    last.into_iter()
        .chain(last.filter(|last| *last > 0).map(|_| 0))
}

/// What handles are of.
pub struct Kind(pub lucet_handle_kind);
// SAFETY: the name is constant.
unsafe impl Sync for Kind {}
pub static THING: Kind = Kind(lucet_handle_kind {
    name: c"thing".as_ptr(),
    release: None,
});

/// Another one.
pub static OTHER: Kind = Kind(lucet_handle_kind {
    name: c"other".as_ptr(),
    release: None,
});

static ALLOWED: [u32; 7] = [0, 3, 900, 901, 0x7fff_ffff, 0x8000_0000, u32::MAX];

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Slice(pub u64, pub u64);
type Call = *mut lucet_call;

extern "C" fn one_of(_: Call, a: u32, b: u32) -> i32 {
    seen(&[a, b].map(u64::from))
}
extern "C" fn held(_: Call, a: u64, b: Slice, c: u64) -> i32 {
    seen(&[a, b.0, b.1, c])
}
extern "C" fn objects(_: Call, a: u64, b: u64, c: u64) -> i32 {
    seen(&[a, b, c])
}
extern "C" fn bytes(_: Call, a: Slice) -> i32 {
    seen(&[a.0, a.1])
}
extern "C" fn two(_: Call, a: Slice, b: Slice) -> i32 {
    seen(&[a.0, a.1, b.0, b.1])
}
extern "C" fn three(_: Call, a: Slice, b: Slice, c: Slice) -> i32 {
    seen(&[a.0, a.1, b.0, b.1, c.0, c.1])
}
extern "C" fn numbers(
    _: Call,
    a: u32,
    b: u32,
    c: u32,
    d: u32,
    e: u32,
    f: u32,
    g: u32,
    h: u32,
) -> i32 {
    seen(&[a, b, c, d, e, f, g, h].map(u64::from))
}
extern "C" fn straddle(
    _: Call,
    a: u32,
    b: u32,
    c: u32,
    d: u32,
    e: Slice,
    f: u32,
    g: Slice,
    h: u32,
) -> i32 {
    let [a, b, c, d, f, h] = [a, b, c, d, f, h].map(u64::from);
    seen(&[a, b, c, d, e.0, e.1, f, g.0, g.1, h])
}
extern "C" fn shifted(_: Call, a: u32, b: Slice, c: Slice, d: u32, e: u32) -> i32 {
    let [a, d, e] = [a, d, e].map(u64::from);
    seen(&[a, b.0, b.1, c.0, c.1, d, e])
}

/// A slice behind so many words, and a word behind it: in registers, in the last two, whole on the stack and the word before it.
macro_rules! at_place {
    ($name:ident $(, $word:ident)*) => {
        extern "C" fn $name(_: Call, $($word: u32,)* slice: Slice, after: u32) -> i32 {
            seen(&[$(u64::from($word),)* slice.0, slice.1, u64::from(after)])
        }
    };
}
at_place!(at_0);
at_place!(at_1, a);
at_place!(at_2, a, b);
at_place!(at_3, a, b, c);
at_place!(at_4, a, b, c, d);
at_place!(at_5, a, b, c, d, e);
at_place!(at_6, a, b, c, d, e, f);

extern "C" fn area(_: Call, a: Slice, b: u64) {
    seen(&[a.0, a.1, b]);
}

pub static FUNCTIONS: &[Function] = &[
    Function {
        name: "read",
        parameters: &[slice(1, 1, 0, false, In)],
        wit: "read: func(a: list<u8>) -> s32;",
        entry: bytes as *const (),
        answer: None,
        result_area: false,
    },
    Function {
        name: "text",
        parameters: &[slice(1, 1, 64, true, In)],
        wit: "/// @lucet param a max 64\n text: func(a: string) -> s32;",
        entry: bytes as *const (),
        answer: None,
        result_area: false,
    },
    Function {
        name: "words",
        parameters: &[slice(4, 16, 1000, false, In)],
        wit: "/// @lucet param a max 1000, align 16\n words: func(a: list<u32>) -> s32;",
        entry: bytes as *const (),
        answer: Some(-5),
        result_area: false,
    },
    Function {
        name: "write",
        parameters: &[slice(8, 8, 0, false, Out)],
        wit: "/// @lucet param a out\n write: func(a: list<f64>) -> s32;",
        entry: bytes as *const (),
        answer: None,
        result_area: false,
    },
    Function {
        name: "copy",
        parameters: &[slice(1, 1, 0, false, In), slice(1, 1, 0, false, Out)],
        wit: "/// @lucet param b out\n copy: func(a: list<u8>, b: list<u8>) -> s32;",
        entry: two as *const (),
        answer: Some(-1),
        result_area: false,
    },
    Function {
        name: "both",
        parameters: &[
            slice(2, 2, 0, false, InOut),
            slice(1, 1, 0, true, In),
            slice(12, 4, 9, false, InOut),
        ],
        wit: "/// @lucet param a in-out\n /// @lucet param c in-out, max 9\n both: func(a: list<s16>, b: string, c: list<item>) -> s32;",
        entry: three as *const (),
        answer: None,
        result_area: false,
    },
    Function {
        name: "named",
        parameters: &[slice(1, 1, 0, true, In), slice(4, 4, 12, false, In)],
        wit: "/// @lucet param b max 12\n named: func(a: string, b: list<u32>) -> s32;",
        entry: two as *const (),
        answer: Some(-7),
        result_area: false,
    },
    Function {
        name: "shifted",
        parameters: &[
            Parameter::Word,
            slice(2, 2, 0, false, In),
            slice(1, 1, 40, true, In),
            Parameter::Word,
            Parameter::Word,
        ],
        wit: "/// @lucet param c max 40\n shifted: func(a: u32, b: list<u16>, c: string, d: u32, e: u32) -> s32;",
        entry: shifted as *const (),
        answer: None,
        result_area: false,
    },
    Function {
        name: "at-0",
        parameters: &[slice(4, 4, 0, false, InOut), Parameter::Word],
        wit: "/// @lucet param s in-out\n at-0: func(s: list<u32>, z: u32) -> s32;",
        entry: at_0 as *const (),
        answer: Some(-20),
        result_area: false,
    },
    Function {
        name: "at-1",
        parameters: &[
            Parameter::Word,
            slice(4, 4, 0, false, InOut),
            Parameter::Word,
        ],
        wit: "/// @lucet param s in-out\n at-1: func(a: u32, s: list<u32>, z: u32) -> s32;",
        entry: at_1 as *const (),
        answer: Some(-21),
        result_area: false,
    },
    Function {
        name: "at-2",
        parameters: &[
            Parameter::Word,
            Parameter::Word,
            slice(4, 4, 0, false, InOut),
            Parameter::Word,
        ],
        wit: "/// @lucet param s in-out\n at-2: func(a: u32, b: u32, s: list<u32>, z: u32) -> s32;",
        entry: at_2 as *const (),
        answer: Some(-22),
        result_area: false,
    },
    Function {
        name: "at-3",
        parameters: &[
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            slice(4, 4, 0, false, InOut),
            Parameter::Word,
        ],
        wit: "/// @lucet param s in-out\n at-3: func(a: u32, b: u32, c: u32, s: list<u32>, z: u32) -> s32;",
        entry: at_3 as *const (),
        answer: Some(-23),
        result_area: false,
    },
    Function {
        name: "at-4",
        parameters: &[
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            slice(4, 4, 0, false, InOut),
            Parameter::Word,
        ],
        wit: "/// @lucet param s in-out\n at-4: func(a: u32, b: u32, c: u32, d: u32, s: list<u32>, z: u32) -> s32;",
        entry: at_4 as *const (),
        answer: Some(-24),
        result_area: false,
    },
    Function {
        name: "at-5",
        parameters: &[
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            slice(4, 4, 0, false, InOut),
            Parameter::Word,
        ],
        wit: "/// @lucet param s in-out\n at-5: func(a: u32, b: u32, c: u32, d: u32, e: u32, s: list<u32>, z: u32) -> s32;",
        entry: at_5 as *const (),
        answer: Some(-25),
        result_area: false,
    },
    Function {
        name: "at-6",
        parameters: &[
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            slice(4, 4, 0, false, InOut),
            Parameter::Word,
        ],
        wit: "/// @lucet param s in-out\n at-6: func(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, s: list<u32>, z: u32) -> s32;",
        entry: at_6 as *const (),
        answer: Some(-26),
        result_area: false,
    },
    Function {
        name: "numbers",
        parameters: &[
            Parameter::Most(1),
            Parameter::Most(255),
            Parameter::Bits(8),
            Parameter::Most(1000),
            Parameter::Bits(16),
            Parameter::Char,
            Parameter::Most(4),
            Parameter::Flags(7),
        ],
        wit: "/// @lucet param d max 1000\n numbers: func(a: bool, b: u8, c: s8, d: u32, e: s16, f: char, g: five, h: three) -> s32;",
        entry: numbers as *const (),
        answer: None,
        result_area: false,
    },
    Function {
        name: "straddle",
        parameters: &[
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            Parameter::Word,
            slice(1, 1, 0, false, In),
            Parameter::Most(4),
            slice(2, 2, 0, false, Out),
            Parameter::Word,
        ],
        wit: "/// @lucet param g out\n straddle: func(a: u32, b: u32, c: u32, d: u32, e: list<u8>, f: five, g: list<u16>, h: u32) -> s32;",
        entry: straddle as *const (),
        answer: Some(-9),
        result_area: false,
    },
    Function {
        name: "area",
        parameters: &[
            slice(1, 1, 0, false, In),
            Parameter::Object {
                size: 24,
                align: 8,
                access: Out,
            },
        ],
        wit: "area: func(a: list<u8>) -> result<big, five>;",
        entry: area as *const (),
        answer: None,
        result_area: true,
    },
    Function {
        name: "chosen",
        parameters: &[Parameter::OneOf(&ALLOWED), Parameter::Word],
        wit: "",
        entry: one_of as *const (),
        answer: None,
        result_area: false,
    },
    Function {
        name: "held",
        parameters: &[
            Parameter::Handle,
            slice(1, 1, 0, false, Out),
            Parameter::Handle,
        ],
        wit: "/// @lucet param b out\n held: func(a: borrow<thing>, b: list<u8>, c: borrow<thing>) -> s32;",
        entry: held as *const (),
        answer: Some(-2),
        result_area: false,
    },
    Function {
        name: "copies",
        parameters: &[copied(1, 1, 100, true), copied(4, 8, 20, false)],
        wit: "/// @lucet param a max 100, copy\n /// @lucet param b max 20, align 8, copy\n copies: func(a: string, b: list<u32>) -> s32;",
        entry: two as *const (),
        answer: None,
        result_area: false,
    },
    Function {
        name: "copied-beside",
        parameters: &[copied(8, 8, 50, false), slice(2, 64, 0, false, InOut)],
        wit: "/// @lucet param a max 50, copy\n /// @lucet param b in-out, align 64\n copied-beside: func(a: list<u64>, b: list<u16>) -> s32;",
        entry: two as *const (),
        answer: Some(-3),
        result_area: false,
    },
    Function {
        name: "objects",
        parameters: &[
            object(24, 8, In),
            object(1, 1, Out),
            object(4000, 128, InOut),
        ],
        wit: "",
        entry: objects as *const (),
        answer: None,
        result_area: false,
    },
];
