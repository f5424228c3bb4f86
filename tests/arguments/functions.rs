//! The host functions of the test: each described once, for the oracle, for the registration and as bindings, and implemented in the
//! types that C would use.

use lucet::abi::{lucet_call, lucet_check, lucet_handle_kind};
use lucet_format::checks::{access, kind};
use std::cell::{Cell, RefCell};

/// How a range is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    In,
    Out,
    InOut,
}
use Access::{In, InOut, Out};

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub enum Parameter {
    Word,
    Most(u32),
    Bits(u32),
    Char,
    Flags(u32),
    OneOf(&'static [u32]),
    Handle,
    Slice {
        element: u32,
        align: u32,
        most: u32,
        text: bool,
        access: Access,
        copy: bool,
    },
    Object {
        size: u32,
        align: u32,
        access: Access,
    },
}

/// A function.
pub struct Function {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    /// As in a bindings file; empty: there is no way to say it there.
    pub wit: &'static str,
    pub entry: *const (),
    /// What the guest gets when a check fails.
    pub answer: Option<i64>,
    /// Whether its last parameter is where its result goes, which the bindings do not name.
    pub result_area: bool,
}

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

const fn slice(element: u32, align: u32, most: u32, text: bool, access: Access) -> Parameter {
    Parameter::Slice {
        element,
        align,
        most,
        text,
        access,
        copy: false,
    }
}

/// A slice that is copied.
const fn copied(element: u32, align: u32, most: u32, text: bool) -> Parameter {
    Parameter::Slice {
        element,
        align,
        most,
        text,
        access: In,
        copy: true,
    }
}

const fn object(size: u32, align: u32, access: Access) -> Parameter {
    Parameter::Object {
        size,
        align,
        access,
    }
}

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

// SAFETY: the addresses are those of functions.
unsafe impl Sync for Function {}

impl Function {
    /// The core type.
    pub fn core(&self) -> String {
        let words = self.parameters.iter().map(Parameter::words).sum::<usize>();
        let result = if self.result_area { "" } else { "(result i32)" };
        format!("(param {}) {result}", "i32 ".repeat(words))
    }

    /// The parameters, each with the place of its first word.
    pub fn places(&self) -> impl Iterator<Item = (usize, &'static Parameter)> {
        self.parameters.iter().scan(0, |place, parameter| {
            let first = *place;
            *place += parameter.words();
            Some((first, parameter))
        })
    }

    /// The row's types.
    pub fn types(&self) -> u64 {
        let mut types = u64::from(!self.result_area);
        for (index, parameter) in self.parameters.iter().enumerate() {
            let digit = if matches!(parameter, Parameter::Word) {
                1
            } else {
                8
            };
            types |= digit << (4 * (index + 1));
        }
        types
    }

    /// The row's checks.
    pub fn checks(&self) -> [lucet_check; 12] {
        let mut checks = [NONE; 12];
        for (check, parameter) in checks.iter_mut().zip(self.parameters) {
            *check = parameter.check();
        }
        checks
    }
}

const NONE: lucet_check = lucet_check {
    limit: 0,
    element: 0,
    align: 0,
    kind: 0,
    of: std::ptr::null(),
};

impl Parameter {
    /// Bytes of an element, and how they are accessed, if it is a range.
    pub fn range(&self) -> Option<(usize, Access)> {
        match *self {
            Parameter::Slice {
                element, access, ..
            } => Some((element as usize, access)),
            Parameter::Object { size, access, .. } => Some((size as usize, access)),
            _ => None,
        }
    }

    /// How many i32 of the guest.
    pub fn words(&self) -> usize {
        if matches!(self, Parameter::Slice { .. }) {
            2
        } else {
            1
        }
    }

    fn check(&self) -> lucet_check {
        let number = |kind: u8, limit: u32| lucet_check {
            kind,
            limit,
            ..NONE
        };
        match *self {
            Parameter::Word => NONE,
            Parameter::Most(most) => number(kind::UNSIGNED, most),
            Parameter::Bits(bits) => number(kind::SIGNED, bits),
            Parameter::Char => number(kind::CHAR, 0),
            Parameter::Flags(mask) => number(kind::FLAGS, mask),
            Parameter::OneOf(list) => lucet_check {
                of: list.as_ptr().cast(),
                ..number(kind::ONE_OF, list.len() as u32)
            },
            Parameter::Handle => lucet_check {
                of: (&raw const THING).cast(),
                ..number(kind::HANDLE, 0)
            },
            Parameter::Slice {
                element,
                align,
                most,
                text,
                access,
                copy,
            } => lucet_check {
                kind: kind::SLICE
                    | bits(access)
                    | if text { access::UTF8 } else { 0 }
                    | if copy { access::COPY } else { 0 },
                limit: most,
                element: element as u16,
                align: align as u8,
                ..NONE
            },
            Parameter::Object {
                size,
                align,
                access,
            } => lucet_check {
                kind: kind::OBJECT | bits(access),
                element: size as u16,
                align: align as u8,
                ..NONE
            },
        }
    }
}

fn bits(access: Access) -> u8 {
    match access {
        In => access::READ,
        Out => access::WRITE,
        InOut => access::READ | access::WRITE,
    }
}
