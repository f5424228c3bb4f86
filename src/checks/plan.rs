//! Works out plans: what the host says of a function's parameters becomes steps.
//!
//! A check that makes no sense, or that could not be kept, is refused here, when the function is defined; a plan has none.

use super::{Action, CHECKED, COPY_BYTES, Frame, NONE, Plan, RangeInPlace, Step, access, kind};
use crate::abi::lucet_check;
use crate::error::{Result, Status, error};
use crate::module::signature::{self, MAX_PARAMETERS};
use lucet_format::checks::Places;
use lucet_format::value::ValueType;

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

    /// The plan for calls of a function whose parameters are plain.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`].
    pub fn without_checks(function: *const (), types: u64) -> Result<Plan> {
        Plan::new(function, types, &[NONE; MAX_PARAMETERS], None)
    }
}

/// A plan that is being made, parameter by parameter.
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
