//! What a host function's parameters mean, beyond their WebAssembly types: ranges of the guest's memory, text, numbers with
//! allowed values; and how the guest's arguments become the C function's.
//!
//! A parameter with a check takes one or two i32 of the guest and becomes one C parameter:
//!
//! ```text
//!   guest:  (call, i32 address, i32 length, f64, i32)          C:  (call, struct {pointer, size_t}, double, uint8_t)
//!           rdi   esi          edx         xmm0 ecx                rdi   rsi, rdx                  xmm0    cl
//! ```
//!
//! The System V convention passes the struct in two integer registers, or whole on the stack when fewer than two are left,
//! and then the last register is free for a later parameter. A [`Plan`] is that, worked out when the function is defined: where each word
//! comes from, where it goes, and what must hold.
//!
//! Invariants: a plan never changes; its steps name registers and stack words that the call has; floats in registers stay where
//! they are, because both sides count the same ones.
//!
//! Not here: looking at arguments ([`crate::checked`]).

use crate::abi::lucet_check;
use crate::error::{Result, Status, error};
use crate::module::signature::{self, MAX_PARAMETERS};
use lucet_format::checks::Places;
pub use lucet_format::checks::{access, kind};
use lucet_format::image::{Image, records};
use lucet_format::value::ValueType;
use std::ffi::c_void;

/// No check.
const NONE: lucet_check = lucet_check {
    limit: 0,
    element: 0,
    align: 0,
    kind: 0,
    of: std::ptr::null(),
};

/// The digit of a packed type that says "see the check".
pub const CHECKED: u64 = 8;

/// Bytes that the copies of one call may take together: they lie on the host's stack.
pub const COPY_BYTES: u32 = 4096;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Passes a word on.
    Move,
    /// Compares with the limit.
    Unsigned,
    /// See [`kind::SIGNED`].
    Signed,
    /// See [`kind::CHAR`].
    Char,
    /// See [`kind::FLAGS`].
    Flags,
    /// See [`kind::ONE_OF`].
    OneOf,
    /// Finds the object of a number.
    Handle,
    /// Makes pointer and size from address and count.
    Slice,
    /// Makes a pointer from an address.
    Object,
}

/// One parameter of a call.
///
/// Places count words: 0 to 5 are the integer registers, 6 and up the words of stack arguments.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Where the word, or the address, comes from.
    pub from: u8,
    /// Slices: where the count comes from.
    pub count_from: u8,
    /// Where the word goes; a slice's size goes behind it.
    pub to: u8,
    /// See [`access`].
    pub access: u8,
    /// What the address must be a multiple of, minus 1.
    pub misalignment: u8,
    /// Bytes of an element or object.
    pub element: u32,
    /// What the kind compares with. Slices: elements at most.
    pub limit: u32,
    /// Where its copy lies behind the frame.
    pub copy: u32,
    /// See [`kind::ONE_OF`] and [`kind::HANDLE`].
    pub of: *const c_void,
}

/// The registers of a call that is being checked.
#[repr(C)]
pub struct Frame {
    /// rdi, rsi, rdx, rcx, r8, r9 as the guest passes them. The first one is also where an answer to a failed check lies.
    pub integers: [u64; 6],
    /// The same registers for the C function.
    pub outgoing: [u64; 6],
    /// xmm0 to xmm7, when they carry arguments: both sides' are the same.
    pub floats: [u128; 8],
}

/// A range whose address and count the C function gets in the registers in which the guest passes them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeInPlace {
    /// Elements at most.
    pub limit: u32,
    /// Bytes of an element.
    pub element: u32,
    /// What the address must be a multiple of, minus 1.
    pub misalignment: u32,
    /// [`RangeInPlace::RANGE`], [`RangeInPlace::TEXT`] and [`RangeInPlace::WRITTEN`]; 0: in this register lies no address.
    pub is: u32,
}

impl RangeInPlace {
    /// There is one.
    pub const RANGE: u32 = 1;
    /// Its bytes are UTF-8.
    pub const TEXT: u32 = 2;
    /// It is written to.
    pub const WRITTEN: u32 = 4;
}

/// How a call is checked and passed on. See the file's header.
#[repr(C)]
pub struct Plan {
    /// Bytes that the call takes from the stack: outgoing stack arguments, [`Frame`], copies.
    pub frame_bytes: u32,
    /// Bytes of outgoing stack arguments.
    pub stack_bytes: u32,
    /// Whether vector registers carry arguments: 0 or 1.
    pub floats: u32,
    /// Whether ranges have to be compared with each other: one of them at least is written to.
    pub exclusive: bool,
    /// Whether the function writes to any.
    pub writes: bool,
    /// What the guest gets when a check fails; `None`: it traps.
    pub failure: Option<u64>,
    /// The host's function.
    pub function: *const (),
    /// The checks as they were given.
    pub checks: [lucet_check; MAX_PARAMETERS],
    /// Whether the C function's arguments are where the guest's are, and all checks those of `ranges`.
    pub in_place: bool,
    /// By the integer register of the address, if `in_place`.
    pub ranges: [RangeInPlace; 5],
    /// What is done, in the order of the parameters.
    pub steps: Vec<Step>,
    /// The parameters as the guest passes them.
    pub parameters: Vec<ValueType>,
    /// The result.
    pub result: Option<ValueType>,
}

// SAFETY: the pointers are the host's: a function and constant numbers, which it has promised to make usable from any thread.
unsafe impl Send for Plan {}
// SAFETY: as above.
unsafe impl Sync for Plan {}

/// Whether a packed type has parameters with checks.
pub fn has_checks(types: u64) -> bool {
    checked_digits(types).any(|checked| checked)
}

fn checked_digits(types: u64) -> impl Iterator<Item = bool> {
    (1..=MAX_PARAMETERS).map(move |place| types >> (4 * place) & 15 == CHECKED)
}

/// The packed type in which each checked parameter is an i32.
fn without_checks(types: u64) -> u64 {
    let mut plain = types;
    for (index, checked) in checked_digits(types).enumerate() {
        if checked {
            let shift = 4 * (index + 1);
            plain = plain & !(15 << shift) | u64::from(ValueType::I32.number()) << shift;
        }
    }
    plain
}

impl Plan {
    /// The plan for calls of `function`, whose C type `types` and `checks` describe.
    ///
    /// # Errors
    ///
    /// `BadArgument`: they make no sense; `NoMemory`.
    pub fn new(
        function: *const (),
        types: u64,
        checks: &[lucet_check; MAX_PARAMETERS],
        failure: Option<u64>,
    ) -> Result<Plan> {
        let packed = signature::unpack(without_checks(types))?;
        if failure.is_some() && packed.result().is_none() {
            return Err(error!(
                Status::BadArgument,
                "LUCET_ANSWER: a function without a result has nothing to answer with"
            ));
        }
        let mut maker = Maker::new(packed.parameters().count())?;
        for ((check, checked), plain) in checks
            .iter()
            .zip(checked_digits(types))
            .zip(packed.parameters())
        {
            if checked {
                maker.checked(check)?;
            } else if *check == NONE {
                maker.value(plain);
            } else {
                return Err(error!(
                    Status::BadArgument,
                    "a check for a parameter that has none"
                ));
            }
        }
        let plan = maker.finish(function, packed.result(), failure);
        Ok(Plan {
            checks: *checks,
            ..plan
        })
    }
}

impl Plan {
    /// The plan for calls of a function whose parameters are plain.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`].
    pub fn without_checks(function: *const (), types: u64) -> Result<Plan> {
        Plan::new(function, types, &[NONE; MAX_PARAMETERS], None)
    }
}

/// Who checks the arguments of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checker {
    /// The runtime.
    Runtime,
    /// The module's code, and these very checks.
    Code,
    /// The module's code, but others.
    Other,
}

/// Who checks the arguments of an imported function, if the host defines it with `plan`, or with a plain function.
pub fn checker(image: &Image<'_>, function: u32, plan: Option<&Plan>) -> Checker {
    let imports = image.checked_imports();
    let Some(import) = imports.iter().find(|import| import.function == function) else {
        return Checker::Runtime;
    };
    let Some(plan) = plan else {
        return Checker::Other;
    };
    let checks = image.checks();
    let compiled =
        (import.first..import.first + import.count).filter_map(|index| checks.get(index as usize));
    let defined = (0u32..)
        .zip(&plan.checks)
        .filter(|(_, check)| **check != NONE);
    let same = compiled
        .map(|check| (check.parameter, alike(in_c(&check))))
        .eq(defined.map(|(parameter, check)| (parameter, alike(*check))));
    let answer = (import.answers != 0).then_some(import.answer);
    if same && answer == plan.failure {
        Checker::Code
    } else {
        Checker::Other
    }
}

/// What is written to may be read as well: nothing else is checked of it.
fn alike(check: lucet_check) -> lucet_check {
    let read = if check.kind & access::WRITE != 0 && check.kind & kind::MASK >= kind::SLICE {
        access::READ
    } else {
        0
    };
    lucet_check {
        kind: check.kind | read,
        ..check
    }
}

fn in_c(check: &records::Check) -> lucet_check {
    lucet_check {
        limit: check.limit,
        element: check.element as u16,
        align: check.align as u8,
        kind: check.kind as u8,
        of: std::ptr::null(),
    }
}

struct Maker {
    from: Places,
    to: Places,
    steps: Vec<Step>,
    parameters: Vec<ValueType>,
    copies: u32,
    ranges: usize,
    writes: bool,
}

impl Maker {
    fn new(parameters: usize) -> Result<Maker> {
        let mut maker = Maker {
            from: Places::START,
            to: Places::START,
            steps: Vec::new(),
            parameters: Vec::new(),
            copies: 0,
            ranges: 0,
            writes: false,
        };
        let no_memory = |_| crate::error::Error::no_memory("a plan of checks");
        // A vector on the stack takes two steps, a slice two parameters.
        maker
            .steps
            .try_reserve_exact(2 * parameters)
            .map_err(no_memory)?;
        maker
            .parameters
            .try_reserve_exact(2 * parameters)
            .map_err(no_memory)?;
        Ok(maker)
    }

    fn value(&mut self, value_type: ValueType) {
        self.parameters.push(value_type);
        if !value_type.is_float_class() {
            let (from, to) = (self.from.integer(1), self.to.integer(1));
            return self.steps.push(Step::moves(from, to));
        }
        let vector = value_type == ValueType::V128;
        // Both sides have seen the same floats, so both are in a register or on the stack.
        if let (Some(from), Some(to)) = (self.from.float(vector), self.to.float(vector)) {
            self.steps.push(Step::moves(from, to));
            if vector {
                self.steps.push(Step::moves(from + 1, to + 1));
            }
        }
    }

    fn checked(&mut self, check: &lucet_check) -> Result<()> {
        let step = parse(check)?;
        let slice = step.action == Action::Slice;
        let from = self.from.integer(1);
        self.parameters.push(ValueType::I32);
        let count_from = if slice {
            self.parameters.push(ValueType::I32);
            self.from.integer(1)
        } else {
            0
        };
        let to = self.to.integer(if slice { 2 } else { 1 });
        let copy = self.copies;
        if step.access & access::COPY != 0 {
            let elements = if slice { step.limit } else { 1 };
            let bytes = u64::from(elements) * u64::from(step.element);
            let after = (u64::from(copy) + bytes).next_multiple_of(16);
            if elements == u32::MAX || after > u64::from(COPY_BYTES) {
                return Err(error!(
                    Status::BadArgument,
                    "copies need a maximum, and may take {COPY_BYTES} bytes together"
                ));
            }
            self.copies = after as u32;
        }
        self.ranges += usize::from(step.access != 0);
        self.writes |= step.access & access::WRITE != 0;
        self.steps.push(Step {
            from,
            count_from,
            to,
            copy,
            ..step
        });
        Ok(())
    }

    /// The ranges of a plan that passes everything on in its place; `None`: it does not, or has other checks.
    fn ranges_in_place(&self) -> Option<[RangeInPlace; 5]> {
        let mut ranges = [RangeInPlace::default(); 5];
        for step in &self.steps {
            match step.action {
                _ if step.from != step.to => return None,
                Action::Move => {}
                // The count is in a register as well: `to` is that of a pair.
                Action::Slice if step.access & access::COPY == 0 && step.to < 5 => {
                    let flag = |bit, flag| if step.access & bit != 0 { flag } else { 0 };
                    ranges[usize::from(step.to)] = RangeInPlace {
                        limit: step.limit,
                        element: step.element,
                        misalignment: u32::from(step.misalignment),
                        is: RangeInPlace::RANGE
                            | flag(access::UTF8, RangeInPlace::TEXT)
                            | flag(access::WRITE, RangeInPlace::WRITTEN),
                    };
                }
                _ => return None,
            }
        }
        Some(ranges)
    }

    fn finish(self, function: *const (), result: Option<ValueType>, failure: Option<u64>) -> Plan {
        let stack_bytes = self.to.stack_bytes().next_multiple_of(16);
        let exclusive = self.writes && self.ranges > 1;
        let ranges = self.ranges_in_place();
        Plan {
            frame_bytes: stack_bytes + size_of::<Frame>() as u32 + self.copies,
            stack_bytes,
            floats: u32::from(self.to.floats > 0),
            exclusive,
            writes: self.writes,
            in_place: ranges.is_some(),
            ranges: ranges.unwrap_or_default(),
            failure,
            function,
            checks: [NONE; MAX_PARAMETERS],
            steps: self.steps,
            parameters: self.parameters,
            result,
        }
    }
}

impl Step {
    fn moves(from: u8, to: u8) -> Step {
        Step {
            action: Action::Move,
            from,
            count_from: 0,
            to,
            access: 0,
            misalignment: 0,
            element: 0,
            limit: 0,
            copy: 0,
            of: std::ptr::null(),
        }
    }
}

/// A step without its places.
fn parse(check: &lucet_check) -> Result<Step> {
    let bad = |why: &str| Err(error!(Status::BadArgument, "a check {why}"));
    let action = match check.kind & kind::MASK {
        kind::UNSIGNED => Action::Unsigned,
        kind::SIGNED => Action::Signed,
        kind::CHAR => Action::Char,
        kind::FLAGS => Action::Flags,
        kind::ONE_OF => Action::OneOf,
        kind::HANDLE => Action::Handle,
        kind::SLICE => Action::Slice,
        kind::OBJECT => Action::Object,
        _ => return bad("of an unknown kind"),
    };
    let access = check.kind & !kind::MASK;
    let in_memory = matches!(action, Action::Slice | Action::Object);
    if in_memory {
        if access & (access::READ | access::WRITE) == 0 {
            return bad("of a range that is neither read nor written");
        }
        if access & access::COPY != 0 && access & access::WRITE != 0 {
            return bad("that asks for a copy of what is written to");
        }
        if access & access::COPY != 0 && check.align > 16 {
            return bad("that asks for a copy of what is aligned to more than 16 bytes");
        }
        if access & access::UTF8 != 0 && (action != Action::Slice || check.element != 1) {
            return bad("for text in something other than bytes");
        }
        if check.element == 0 || !check.align.is_power_of_two() {
            return bad("with elements of size 0, or an alignment that is no power of two");
        }
    } else if access != 0 || check.element != 0 || check.align != 0 {
        return bad("of a number that has an element, an alignment or an access");
    }
    if matches!(action, Action::OneOf | Action::Handle) == check.of.is_null() {
        return bad(
            "without its list of numbers or kind of handles, or with one that it does not have",
        );
    }
    if action == Action::Signed && !(1..=32).contains(&check.limit) {
        return bad("for a number of no bits, or of more than 32");
    }
    Ok(Step {
        action,
        access,
        misalignment: check.align.saturating_sub(1),
        element: u32::from(check.element),
        limit: match check.limit {
            0 if action == Action::Slice => u32::MAX,
            limit => limit,
        },
        of: check.of,
        ..Step::moves(0, 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: lucet_check = lucet_check {
        limit: 0,
        element: 1,
        align: 1,
        kind: kind::SLICE | access::READ,
        of: std::ptr::null(),
    };

    fn plan(digits: &[u64], check: lucet_check) -> Result<Plan> {
        let mut types = 0;
        let mut checks = [NONE; MAX_PARAMETERS];
        for (index, digit) in digits.iter().enumerate() {
            types |= digit << (4 * index);
            if index > 0 && *digit == CHECKED {
                checks[index - 1] = check;
            }
        }
        Plan::new(std::ptr::null(), types, &checks, None)
    }

    #[test]
    fn a_slice_goes_whole_to_the_stack_and_leaves_its_register_to_others() {
        // (i32, i32, i32, i32, bytes, i32): rsi rdx rcx r8 | r9 and a stack word | a stack word
        let plan = plan(&[0, 1, 1, 1, 1, CHECKED, 1], BYTES).expect("a plan");
        let slice = plan.steps[4];
        assert_eq!((slice.from, slice.count_from, slice.to), (5, 6, 6));
        let last = plan.steps[5];
        assert_eq!((last.from, last.to), (7, 5));
        assert_eq!(plan.stack_bytes, 16);
        assert_eq!(plan.parameters.len(), 7);
    }

    #[test]
    fn checks_without_sense_are_refused() {
        let bad = [
            lucet_check { kind: 9, ..BYTES },
            lucet_check {
                kind: kind::SLICE,
                ..BYTES
            },
            lucet_check { align: 3, ..BYTES },
            lucet_check {
                element: 0,
                ..BYTES
            },
            lucet_check {
                kind: kind::SLICE | access::READ | access::COPY,
                ..BYTES
            },
            lucet_check {
                kind: kind::SLICE | access::READ | access::COPY,
                limit: 4097,
                ..BYTES
            },
            lucet_check {
                kind: kind::SLICE | access::WRITE | access::COPY,
                limit: 1,
                ..BYTES
            },
            lucet_check {
                kind: kind::SLICE | access::READ | access::COPY,
                limit: 1,
                align: 32,
                ..BYTES
            },
            lucet_check {
                kind: kind::SLICE | access::READ | access::UTF8,
                element: 2,
                ..BYTES
            },
            lucet_check {
                kind: kind::UNSIGNED,
                ..BYTES
            },
            lucet_check {
                kind: kind::ONE_OF,
                element: 0,
                align: 0,
                ..BYTES
            },
            lucet_check {
                kind: kind::SIGNED,
                element: 0,
                align: 0,
                limit: 33,
                ..BYTES
            },
            NONE,
        ];
        for check in bad {
            assert!(plan(&[0, CHECKED], check).is_err(), "{check:?}");
        }
        assert!(
            plan(&[0, 1], BYTES).is_ok(),
            "the check of a plain parameter is not set here"
        );
    }
}
