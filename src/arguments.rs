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
    pub fn next(&mut self, value_type: ValueType) -> u128 {
        let (register, used) = if value_type.is_float_class() {
            let register = self.spill.floats.get(self.floats).copied();
            (register, &mut self.floats)
        } else {
            let register = self.spill.integers.get(self.integers);
            (register.map(|bits| u128::from(*bits)), &mut self.integers)
        };
        let bits = match register {
            Some(bits) => {
                *used += 1;
                bits
            }
            None if value_type == ValueType::V128 => self.next_vector_on_stack(),
            None => u128::from(self.next_on_stack()),
        };
        // The rest of a narrow argument's register is whatever it was.
        match value_type {
            ValueType::I32 | ValueType::F32 => bits & 0xffff_ffff,
            ValueType::V128 => bits,
            _ => bits & u128::from(u64::MAX),
        }
    }

    /// A vector on the stack is aligned to its size.
    fn next_vector_on_stack(&mut self) -> u128 {
        self.stack = self.stack.map_addr(|address| address.next_multiple_of(16));
        let low = u128::from(self.next_on_stack());
        low | u128::from(self.next_on_stack()) << 64
    }

    fn next_on_stack(&mut self) -> u64 {
        // SAFETY: the caller of `new` has promised that there is an argument for every `next`.
        let bits = unsafe { *self.stack };
        self.stack = self.stack.wrapping_add(1);
        bits
    }
}
