//! Reading the arguments of a System V call whose types are known at run time:
//! <https://gitlab.com/x86-psABIs/x86-64-ABI>, section 3.2.3.

use crate::context::Spill;
use lucet_format::value::ValueType;

/// Takes the arguments of a call one after the other.
pub struct Arguments<'a> {
    spill: &'a Spill,
    stack: *const u64,
    integers: usize,
    floats: usize,
}

impl<'a> Arguments<'a> {
    /// The arguments behind the first `skipped` integer ones.
    ///
    /// # Safety
    ///
    /// `stack` points at the stack arguments of the call, and `next` is called with its parameter types in order.
    pub unsafe fn new(spill: &'a Spill, stack: *const u64, skipped: usize) -> Arguments<'a> {
        Arguments {
            spill,
            stack,
            integers: skipped,
            floats: 0,
        }
    }

    /// The bits of the next argument.
    pub fn next(&mut self, value_type: ValueType) -> u64 {
        let (registers, used): (&[u64], _) = if value_type.is_float_class() {
            (&self.spill.floats, &mut self.floats)
        } else {
            (&self.spill.integers, &mut self.integers)
        };
        let bits = match registers.get(*used) {
            Some(register) => {
                *used += 1;
                *register
            }
            None => self.next_on_stack(),
        };
        // The upper half of a narrow argument's register is whatever it was.
        match value_type {
            ValueType::I32 | ValueType::F32 => bits & 0xffff_ffff,
            _ => bits,
        }
    }

    fn next_on_stack(&mut self) -> u64 {
        // SAFETY: the caller of `new` has promised that there is an argument for every `next`.
        let bits = unsafe { *self.stack };
        self.stack = self.stack.wrapping_add(1);
        bits
    }
}
