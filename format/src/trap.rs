//! Why a guest stopped. The numbers are those of `LUCET_TRAP_*` in `lucet.h`, of the trap table in a module
//! image, and of the user trap codes that the compiler gives Cranelift.
//!
//! Numbers are never reused.

use std::ffi::CStr;

/// A trap: the guest did something that the WebAssembly specification (or the host) answers by stopping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TrapCode {
    /// The `unreachable` instruction.
    Unreachable = 1,
    /// An access outside the linear memory.
    Memory = 2,
    /// An access outside a table or an element segment.
    Table = 3,
    /// An indirect call through a null reference.
    NullCall = 4,
    /// An indirect call of a function of another type.
    CallType = 5,
    /// An integer division by zero.
    DivideByZero = 6,
    /// A signed division whose quotient does not fit.
    IntegerOverflow = 7,
    /// A float that no integer of the wanted type can hold.
    Conversion = 8,
    /// The guest's stack is used up.
    Stack = 9,
    /// Too many host functions and callbacks are nested, or too little host stack is left for one more.
    Depth = 10,
    /// A host function refused its arguments.
    HostArgument = 11,
    /// A host function stopped the guest with a trap of its own.
    Host = 12,
    /// An atomic access that is not aligned.
    Unaligned = 13,
    /// A null reference where one is not allowed.
    NullReference = 14,
    /// An exception that no handler caught.
    Exception = 15,
    /// The system refused memory that the guest was promised.
    Resource = 16,
    /// A guest waited for a notification, which on a memory that is not shared could never come.
    UnsharedWait = 17,
    /// There is no room for another exception: see the limit.
    Exceptions = 18,
}

impl TrapCode {
    /// Every trap, in the order of its number.
    pub const ALL: [TrapCode; 18] = [
        TrapCode::Unreachable,
        TrapCode::Memory,
        TrapCode::Table,
        TrapCode::NullCall,
        TrapCode::CallType,
        TrapCode::DivideByZero,
        TrapCode::IntegerOverflow,
        TrapCode::Conversion,
        TrapCode::Stack,
        TrapCode::Depth,
        TrapCode::HostArgument,
        TrapCode::Host,
        TrapCode::Unaligned,
        TrapCode::NullReference,
        TrapCode::Exception,
        TrapCode::Resource,
        TrapCode::UnsharedWait,
        TrapCode::Exceptions,
    ];

    /// The trap with this number, if there is one.
    pub const fn from_number(number: u32) -> Option<TrapCode> {
        if number == 0 || number as usize > Self::ALL.len() {
            return None;
        }
        Some(Self::ALL[number as usize - 1])
    }

    /// The number that crosses the C API and stands in the image.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// A few words for a log line; where the specification's tests have a phrase, it is that phrase.
    pub const fn message_c(self) -> &'static CStr {
        match self {
            TrapCode::Unreachable => c"unreachable",
            TrapCode::Memory => c"out of bounds memory access",
            TrapCode::Table => c"out of bounds table access",
            TrapCode::NullCall => c"uninitialized element",
            TrapCode::CallType => c"indirect call type mismatch",
            TrapCode::DivideByZero => c"integer divide by zero",
            TrapCode::IntegerOverflow => c"integer overflow",
            TrapCode::Conversion => c"invalid conversion to integer",
            TrapCode::Stack => c"call stack exhausted",
            TrapCode::Depth => c"host calls nested too deeply",
            TrapCode::HostArgument => c"bad argument to a host function",
            TrapCode::Host => c"stopped by a host function",
            TrapCode::Unaligned => c"unaligned atomic",
            TrapCode::NullReference => c"null reference",
            TrapCode::Exception => c"uncaught exception",
            TrapCode::Resource => c"out of system resources",
            TrapCode::UnsharedWait => c"expected shared memory",
            TrapCode::Exceptions => c"too many exceptions",
        }
    }

    /// The same words.
    pub const fn message(self) -> &'static str {
        match self.message_c().to_str() {
            Ok(words) => words,
            Err(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_list_agree() {
        for (index, trap) in TrapCode::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(trap.number()), index + 1);
            assert_eq!(TrapCode::from_number(u32::from(trap.number())), Some(trap));
        }
        assert_eq!(TrapCode::from_number(0), None);
        assert_eq!(TrapCode::from_number(19), None);
    }
}
