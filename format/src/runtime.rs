//! What guest code calls in the runtime, and the conventions of every call that crosses the boundary.
//!
//! # Guest functions
//!
//! Cranelift's `Tail` convention: vmctx first, then the wasm parameters. i32 and i64 travel as integers,
//! references as 64-bit integers. See [`crate::value::results_through_pointer`] for many results.
//!
//! # Calls out
//!
//! The compiler emits one stub per imported function, and one per helper that the module uses. Guest code
//! calls it by the System V convention with vmctx as first argument, then the parameters; a single result
//! comes back in rax or xmm0. With two or more results the first argument after vmctx is a pointer to an
//! array of [`RESULT_STRIDE`]-byte cells on the guest's stack, and nothing is returned.
//!
//! ```text
//!   stub of import i:   mov r10d, i * IMPORT_ROW_BYTES ; mov r11d, bytes of stack arguments ; jmp [rip + HOST_CALL]
//!     without stack arguments and with at most one result:   mov r10d, ... ; jmp [rip + HOST_CALL_SHORT]
//!   stub of a helper:   mov r10d, helper ; jmp [rip + HELPER_CALL], or [rip + IS_TEXT] for that one
//! ```
//!
//! The targets come from the *runtime table*: a page right behind the module's text that the loader fills
//! with the addresses below and then write-protects. It is the only place where a module meets the runtime.
//!
//! Where it is worth it, guest code calls imports without their stubs, see [`crate::call_out`].
//!
//! # Calls in
//!
//! One *adapter* per function type, System V: `adapter(vmctx, code, values)`. It loads the parameters from
//! an array of [`VALUE_STRIDE`]-byte values (payload at [`VALUE_PAYLOAD`]), calls `code` as a guest function of that type, and stores
//! the results into the same array. The array lies in host memory, never on a stack.
//!
//! One *typed stub* per exported function, called by C as `u32 stub(instance *, R *result, parameters...)`:
//!
//! ```text
//!   typed stub of export e:   mov r10d, e ; lea r11, [rip - start of the image] ; jmp [rip + TYPED_ENTRY]
//! ```
//!
//! Where all parameters travel in registers (at most [`FAST_INTEGERS`] and [`FAST_FLOATS`]) and there is at most one result,
//! no v128 among them, the stub moves the parameters to where the guest function wants them, and the place of the result to
//! r9, clears the parameter registers that are not used, and jumps to a shorter way in, one for each [`FastResult`]. Vector registers are
//! left alone in modules that use none ([`crate::image::records::FLAG_NO_VECTORS`]):
//!
//! ```text
//!   mov r9, rsi ; mov rsi, rdx ; mov rdx, rcx ...            for parameters that are there
//!   xor esi, esi ... ; pxor xmmN, xmmN ...                   for those that are not
//!   mov r10d, e ; lea r11, [rip - start of the image + READY] ; lea rax, [rip - the function's code]
//!   jmp [rip + TYPED_FAST + FastResult]
//! ```

use crate::value::ValueType;

/// Bytes between two values of the array an adapter reads and writes (`lucet_value`).
pub const VALUE_STRIDE: u32 = 24;
/// Where the payload of such a value begins.
pub const VALUE_PAYLOAD: u32 = 8;
/// Bytes between two results that travel through a pointer.
pub const RESULT_STRIDE: u32 = 16;

/// Runtime table: the trampoline that takes a guest to a host function.
pub const HOST_CALL: u32 = 0;
/// Runtime table: the trampoline that takes a guest to one of the [`Helper`]s.
pub const HELPER_CALL: u32 = 1;
/// Runtime table: the entry that typed stubs jump to.
pub const TYPED_ENTRY: u32 = 2;
/// Runtime table: as [`HOST_CALL`], for imports without stack arguments and with at most one result.
pub const HOST_CALL_SHORT: u32 = 3;
/// Runtime table: the entries of typed stubs whose parameters all travel in registers, one for each [`FastResult`].
pub const TYPED_FAST: u32 = 4;
/// Runtime table: as [`HELPER_CALL`], for [`Helper::IsText`] alone: answers at once where the text is plain.
pub const IS_TEXT: u32 = TYPED_FAST + FastResult::ALL.len() as u32;
/// Entries of the runtime table, 8 bytes each.
pub const RUNTIME_TABLE_ENTRIES: u32 = IS_TEXT + 1;

/// The most integer parameters of a function that [`TYPED_FAST`] enters: what is left of C's registers after instance and result.
pub const FAST_INTEGERS: usize = 4;
/// The most float parameters of such a function.
pub const FAST_FLOATS: usize = 8;
/// What [`TYPED_FAST`] is told above the start of the image: the number of the state in which an instance can be entered.
pub const READY: u32 = 1;

/// What a function that [`TYPED_FAST`] enters returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FastResult {
    /// Nothing.
    Nothing = 0,
    /// The low half of rax.
    Word32 = 1,
    /// rax.
    Word64 = 2,
    /// The low quarter of xmm0.
    Float32 = 3,
    /// The low half of xmm0.
    Float64 = 4,
}

impl FastResult {
    /// All of them, in the order of their numbers.
    pub const ALL: [FastResult; 5] = [
        FastResult::Nothing,
        FastResult::Word32,
        FastResult::Word64,
        FastResult::Float32,
        FastResult::Float64,
    ];

    /// How a function returns that [`TYPED_FAST`] enters; `None`: it enters no function of this type.
    pub fn of(
        parameters: impl Iterator<Item = ValueType>,
        mut results: impl Iterator<Item = ValueType>,
    ) -> Option<FastResult> {
        let (mut integers, mut floats) = (0, 0);
        for parameter in parameters {
            match parameter {
                ValueType::V128 => return None,
                ValueType::F32 | ValueType::F64 => floats += 1,
                _ => integers += 1,
            }
        }
        let first = results.next();
        if integers > FAST_INTEGERS || floats > FAST_FLOATS || results.next().is_some() {
            return None;
        }
        Some(match first {
            None => FastResult::Nothing,
            Some(ValueType::I32) => FastResult::Word32,
            Some(
                ValueType::I64 | ValueType::Funcref | ValueType::Externref | ValueType::Exnref,
            ) => FastResult::Word64,
            Some(ValueType::F32) => FastResult::Float32,
            Some(ValueType::F64) => FastResult::Float64,
            Some(ValueType::V128) => return None,
        })
    }

    /// Runtime table: its entry.
    pub const fn entry(self) -> u32 {
        TYPED_FAST + self as u32
    }
}

/// Operations that guest code leaves to the runtime. They run on the host's stack; the parameters and the
/// result are listed here as System V sees them, after vmctx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Helper {
    /// `(memory: i32, delta_pages: i64) -> i64`: the old size in pages, or -1.
    MemoryGrow = 0,
    /// `(to_memory: i32, from_memory: i32, to: i64, from: i64, length: i64)`
    MemoryCopy = 1,
    /// `(memory: i32, to: i64, byte: i32, length: i64)`
    MemoryFill = 2,
    /// `(data: i32, memory: i32, to: i64, from: i64, length: i64)`
    MemoryInit = 3,
    /// `(data: i32)`
    DataDrop = 4,
    /// `(table: i32, delta: i64, element: i64) -> i64`: the old length, or -1.
    TableGrow = 5,
    /// `(table: i32, to: i64, element: i64, length: i64)`
    TableFill = 6,
    /// `(to_table: i32, from_table: i32, to: i64, from: i64, length: i64)`
    TableCopy = 7,
    /// `(element: i32, table: i32, to: i64, from: i64, length: i64)`
    TableInit = 8,
    /// `(element: i32)`
    ElementDrop = 9,
    /// `(address: i64, length: i64) -> i64`: whether a range, which lies in memory 0, is text in UTF-8; 0 or 1.
    IsText = 10,
    /// `(address: i64, length: i64)`: makes a range, which lies in memory 0, writable for the host and the kernel, and says what else
    /// is, see [`crate::vmctx::WRITABLE_FIRST`].
    Open = 11,
    /// `(tag: i32, values: i64)`: throws an exception; the values are cells of [`RESULT_STRIDE`] bytes at this address. Does not return:
    /// guest code goes on in a handler, or the guest traps.
    Throw = 12,
    /// `(exception: i64)`: throws an exception again. As above.
    ThrowRef = 13,
    /// `(values: i64, keep: i32) -> i64`: at the start of a handler: stores the values of the exception that was thrown in cells at
    /// this address, if it is not 0, and answers the exception, which is gone unless `keep` is 1.
    Catch = 14,
    /// `(table: i32, index: i64) -> i64`: an element of an imported table.
    TableGet = 15,
    /// `(table: i32, index: i64, element: i64)`: changes one.
    TableSet = 16,
    /// `(table: i32) -> i64`: the length of an imported table.
    TableSize = 17,
    /// `(global: i32) -> i64`: an imported mutable global that holds a function reference.
    GlobalGet = 18,
    /// `(global: i32, value: i64)`: changes one.
    GlobalSet = 19,
    /// `(reference: i64, type: i32, values: i64)`: calls a function of another instance, if it has the type. Cells at this address hold
    /// the arguments, and then the results.
    CallForeign = 20,
    /// `()`: nothing, but the trampoline behind it looks at the stop word. See [`crate::call_out`].
    Look = 21,
}

/// A parameter or result of a [`Helper`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

impl Helper {
    /// Every helper, in the order of its number.
    pub const ALL: [Helper; 22] = [
        Helper::MemoryGrow,
        Helper::MemoryCopy,
        Helper::MemoryFill,
        Helper::MemoryInit,
        Helper::DataDrop,
        Helper::TableGrow,
        Helper::TableFill,
        Helper::TableCopy,
        Helper::TableInit,
        Helper::ElementDrop,
        Helper::IsText,
        Helper::Open,
        Helper::Throw,
        Helper::ThrowRef,
        Helper::Catch,
        Helper::TableGet,
        Helper::TableSet,
        Helper::TableSize,
        Helper::GlobalGet,
        Helper::GlobalSet,
        Helper::CallForeign,
        Helper::Look,
    ];

    /// The parameters after vmctx: at most five, so all of them travel in registers.
    pub const fn parameters(self) -> &'static [Word] {
        use Word::{I32, I64};
        match self {
            Helper::MemoryGrow => &[I32, I64],
            Helper::IsText | Helper::Open => &[I64, I64],
            Helper::MemoryCopy | Helper::MemoryInit | Helper::TableCopy | Helper::TableInit => {
                &[I32, I32, I64, I64, I64]
            }
            Helper::MemoryFill => &[I32, I64, I32, I64],
            Helper::DataDrop | Helper::ElementDrop => &[I32],
            Helper::TableGrow => &[I32, I64, I64],
            Helper::TableFill => &[I32, I64, I64, I64],
            Helper::Throw => &[I32, I64],
            Helper::ThrowRef => &[I64],
            Helper::Catch => &[I64, I32],
            Helper::TableGet | Helper::GlobalSet => &[I32, I64],
            Helper::TableSet => &[I32, I64, I64],
            Helper::TableSize | Helper::GlobalGet => &[I32],
            Helper::CallForeign => &[I64, I32, I64],
            Helper::Look => &[],
        }
    }

    /// Whether the helper answers with an i64.
    pub const fn has_result(self) -> bool {
        matches!(
            self,
            Helper::MemoryGrow
                | Helper::TableGrow
                | Helper::IsText
                | Helper::Catch
                | Helper::TableGet
                | Helper::TableSize
                | Helper::GlobalGet
        )
    }

    /// Whether the helper never returns to its caller, so that a call of it can have handlers. To the code generator it is a guest
    /// function then; with so few parameters that is the same.
    pub const fn throws(self) -> bool {
        matches!(self, Helper::Throw | Helper::ThrowRef)
    }

    /// The name of its stub in the symbol table.
    pub const fn name(self) -> &'static str {
        match self {
            Helper::MemoryGrow => "memory.grow",
            Helper::MemoryCopy => "memory.copy",
            Helper::MemoryFill => "memory.fill",
            Helper::MemoryInit => "memory.init",
            Helper::DataDrop => "data.drop",
            Helper::TableGrow => "table.grow",
            Helper::TableFill => "table.fill",
            Helper::TableCopy => "table.copy",
            Helper::TableInit => "table.init",
            Helper::ElementDrop => "elem.drop",
            Helper::IsText => "is_text",
            Helper::Open => "open",
            Helper::Throw => "throw",
            Helper::ThrowRef => "throw_ref",
            Helper::Catch => "catch",
            Helper::TableGet => "table.get",
            Helper::TableSet => "table.set",
            Helper::TableSize => "table.size",
            Helper::GlobalGet => "global.get",
            Helper::GlobalSet => "global.set",
            Helper::CallForeign => "call_foreign",
            Helper::Look => "look",
        }
    }
}
