//! What is said of a host function of the test: its parameters as WIT, as checks of a row, and as words of the guest.

use crate::functions::THING;
use lucet::abi::lucet_check;
use lucet_format::checks::{access, kind};

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

pub const fn slice(element: u32, align: u32, most: u32, text: bool, access: Access) -> Parameter {
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
pub const fn copied(element: u32, align: u32, most: u32, text: bool) -> Parameter {
    Parameter::Slice {
        element,
        align,
        most,
        text,
        access: In,
        copy: true,
    }
}

pub const fn object(size: u32, align: u32, access: Access) -> Parameter {
    Parameter::Object {
        size,
        align,
        access,
    }
}

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
