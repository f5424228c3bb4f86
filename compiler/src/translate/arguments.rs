//! Calls of imports whose arguments this code checks, as the bindings say: what the runtime does for other modules, inline.
//!
//! ```text
//!   all that is wrong, in one flag  --> trap, or the answer
//!   text                            --> a helper looks at it; the same
//!   what is written to              --> opened, so that the kernel can write to it, too
//!   the call, with pointers, laid out as the C function takes them
//! ```
//!
//! Invariants: those of `lucet_format::checks`; a pointer that is passed lies in memory 0, with all of its elements. Addresses are
//! computed in 64 bits, in which nothing of 32 bits wraps.

use super::function::{Translator, trap_code};
use super::variable::below;
use crate::abi::clif_type;
use crate::bindings::checked::{CheckedImport, CheckedParameter};
use crate::bindings::lower::Check;
use crate::code::Target;
use crate::error::Result;
use crate::module::FunctionType;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{AbiParam, ArgumentPurpose, BlockArg, InstBuilder, Signature, Value};
use cranelift_codegen::isa::CallConv;
use lucet_format::checks::{INTEGERS, Places, access, kind};
use lucet_format::runtime::Helper;
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use lucet_format::vmctx::{MEMORY_BYTES, WRITABLE_END, WRITABLE_FIRST};

/// A range that the C function is given.
struct Range {
    check: Check,
    address: Value,
    bytes: Value,
    end: Value,
}

/// The arguments as the C function takes them, each with its place: below [`INTEGERS`] a register, above a word of the stack.
struct Passed {
    integers: Vec<Value>,
    floats: Vec<Value>,
    stack: Vec<Value>,
}

impl<'a> Translator<'a> {
    /// Checks the arguments and calls; answers the results.
    pub(super) fn call_checking_arguments(
        &mut self,
        function: u32,
        function_type: &FunctionType,
        import: &CheckedImport,
        arguments: &[Value],
    ) -> Result<Vec<Value>> {
        let refused = self.builder.create_block();
        let done = self.builder.create_block();
        self.builder.set_cold_block(refused);
        let result = function_type.results.first().copied();
        if let Some(result) = result {
            self.builder.append_block_param(done, clif_type(result));
        }
        let (passed, ranges, bad) = self.check_all(import, arguments);
        self.refuse_if(bad, refused);
        for range in &ranges {
            if range.check.kind & access::UTF8 != 0 {
                let good = self.call_text_helper(range)?;
                let bad = self.ins().icmp_imm_u(IntCC::Equal, good, 0);
                self.refuse_if(Some(bad), refused);
            }
        }
        for range in &ranges {
            if range.check.kind & access::WRITE != 0 {
                self.open_pages(range);
            }
        }
        let values = self.call_with(function, function_type, passed)?;
        let values: Vec<BlockArg> = values.into_iter().map(BlockArg::Value).collect();
        self.ins().jump(done, &values);
        self.refusal(refused, done, result, import.answer);
        self.builder.switch_to_block(done);
        self.builder.seal_block(done);
        Ok(self.builder.block_params(done).to_vec())
    }

    fn refuse_if(&mut self, bad: Option<Value>, refused: cranelift_codegen::ir::Block) {
        if let Some(bad) = bad {
            self.go_on_unless(bad, refused);
        }
    }

    /// What becomes of a call whose arguments are refused.
    fn refusal(
        &mut self,
        refused: cranelift_codegen::ir::Block,
        done: cranelift_codegen::ir::Block,
        result: Option<ValueType>,
        answer: Option<i64>,
    ) {
        self.builder.switch_to_block(refused);
        self.builder.seal_block(refused);
        let (Some(answer), Some(result)) = (answer, result) else {
            self.ins().trap(trap_code(TrapCode::HostArgument));
            return;
        };
        let value = match result {
            ValueType::I64 => self.ins().iconst(I64, answer),
            ValueType::F32 => self.ins().f32const(f32::from_bits(answer as u32)),
            ValueType::F64 => self.ins().f64const(f64::from_bits(answer.cast_unsigned())),
            _ => self.ins().iconst(I32, i64::from(answer as u32)),
        };
        self.ins().jump(done, &[BlockArg::Value(value)]);
    }

    fn check_all(
        &mut self,
        import: &CheckedImport,
        arguments: &[Value],
    ) -> (Passed, Vec<Range>, Option<Value>) {
        let mut passed = Passed {
            integers: Vec::new(),
            floats: Vec::new(),
            stack: Vec::new(),
        };
        let mut places = Places::START;
        let mut ranges: Vec<Range> = Vec::new();
        let mut bad: Option<Value> = None;
        let mut rest = arguments;
        let memory_bytes = self.memory_bytes_if_needed(import);
        for parameter in &import.parameters {
            let taken = if parameter.is_slice() { 2 } else { 1 };
            let (own, others) = rest.split_at(taken.min(rest.len()));
            rest = others;
            let words = match (&parameter.check, own) {
                (Some(check), [address, count @ ..]) if check.kind & kind::MASK >= kind::SLICE => {
                    let range = self.range(check, *address, count.first().copied());
                    self.range_problem(
                        &range,
                        count.first().copied(),
                        *address,
                        memory_bytes,
                        &mut bad,
                    );
                    let data = self.pointer(&range);
                    ranges.push(range);
                    let count = count.first().map(|count| self.widen(*count));
                    [Some(data), count].into_iter().flatten().collect()
                }
                (Some(check), [number]) => {
                    let problem = self.number_problem(check, *number);
                    self.add_problem(&mut bad, problem);
                    vec![*number]
                }
                _ => own.to_vec(),
            };
            passed.place(parameter, words, &mut places);
        }
        self.overlaps(&ranges, &mut bad);
        // What goes to the stack must not find a register.
        while !passed.stack.is_empty() && passed.integers.len() < usize::from(INTEGERS) - 1 {
            let nothing = self.ins().iconst(I64, 0);
            passed.integers.push(nothing);
        }
        (passed, ranges, bad)
    }

    fn memory_bytes_if_needed(&mut self, import: &CheckedImport) -> Option<Value> {
        let in_memory = |parameter: &CheckedParameter| {
            parameter
                .check
                .is_some_and(|check| check.kind & kind::MASK >= kind::SLICE)
        };
        import.parameters.iter().any(in_memory).then(|| {
            let (vmctx, flags) = (self.vmctx, self.flags.descriptor);
            self.ins().load(I64, flags, vmctx, below(MEMORY_BYTES))
        })
    }

    fn add_problem(&mut self, bad: &mut Option<Value>, problem: Value) {
        *bad = Some(match *bad {
            Some(others) => self.ins().bor(others, problem),
            None => problem,
        });
    }

    /// Whether a number is not allowed.
    fn number_problem(&mut self, check: &Check, number: Value) -> Value {
        match check.kind {
            kind::SIGNED => {
                let unused = i64::from(32 - check.limit);
                let high = self.ins().ishl_imm_u(number, unused);
                let same = self.ins().sshr_imm_u(high, unused);
                self.ins().icmp(IntCC::NotEqual, same, number)
            }
            kind::CHAR => {
                // Surrogates are 0xd800 to 0xdfff.
                let large = self
                    .ins()
                    .icmp_imm_u(IntCC::UnsignedGreaterThan, number, 0x10_ffff);
                let from = self.ins().iadd_imm_s(number, -0xd800);
                let surrogate = self.ins().icmp_imm_u(IntCC::UnsignedLessThan, from, 0x800);
                self.ins().bor(large, surrogate)
            }
            kind::FLAGS => {
                let others = self.ins().band_imm_u(number, i64::from(!check.limit));
                self.ins().icmp_imm_u(IntCC::NotEqual, others, 0)
            }
            _ => {
                let most = i64::from(check.limit);
                self.ins()
                    .icmp_imm_u(IntCC::UnsignedGreaterThan, number, most)
            }
        }
    }

    fn range(&mut self, check: &Check, address: Value, count: Option<Value>) -> Range {
        let element = i64::from(check.element);
        let address = self.widen(address);
        let bytes = match count {
            None => self.ins().iconst(I64, element),
            Some(count) => {
                let count = self.widen(count);
                if element == 1 {
                    count
                } else {
                    self.ins().imul_imm_s(count, element)
                }
            }
        };
        let end = self.ins().iadd(address, bytes);
        Range {
            check: *check,
            address,
            bytes,
            end,
        }
    }

    /// Adds what can be wrong with a range.
    fn range_problem(
        &mut self,
        range: &Range,
        count: Option<Value>,
        address: Value,
        memory_bytes: Option<Value>,
        bad: &mut Option<Value>,
    ) {
        if let Some(memory_bytes) = memory_bytes {
            let outside = self
                .ins()
                .icmp(IntCC::UnsignedGreaterThan, range.end, memory_bytes);
            self.add_problem(bad, outside);
        }
        if range.check.align > 1 {
            let low = self
                .ins()
                .band_imm_u(address, i64::from(range.check.align) - 1);
            let unaligned = self.ins().icmp_imm_u(IntCC::NotEqual, low, 0);
            self.add_problem(bad, unaligned);
        }
        if let Some(count) = count.filter(|_| range.check.limit != 0) {
            let most = i64::from(range.check.limit);
            let more = self
                .ins()
                .icmp_imm_u(IntCC::UnsignedGreaterThan, count, most);
            self.add_problem(bad, more);
        }
    }

    fn pointer(&mut self, range: &Range) -> Value {
        let vmctx = self.vmctx;
        self.ins().iadd(vmctx, range.address)
    }

    /// Adds that a range which is written to shares bytes with another one.
    fn overlaps(&mut self, ranges: &[Range], bad: &mut Option<Value>) {
        for (index, one) in ranges.iter().enumerate() {
            for other in ranges.iter().skip(index + 1) {
                if (one.check.kind | other.check.kind) & access::WRITE == 0 {
                    continue;
                }
                let before = self
                    .ins()
                    .icmp(IntCC::UnsignedLessThan, one.address, other.end);
                let behind = self
                    .ins()
                    .icmp(IntCC::UnsignedLessThan, other.address, one.end);
                let mut overlap = self.ins().band(before, behind);
                for range in [one, other] {
                    if range.check.kind & kind::MASK == kind::SLICE {
                        let some = self.ins().icmp_imm_u(IntCC::NotEqual, range.bytes, 0);
                        overlap = self.ins().band(overlap, some);
                    }
                }
                self.add_problem(bad, overlap);
            }
        }
    }

    /// Whether a range, which lies in memory, is text.
    fn call_text_helper(&mut self, range: &Range) -> Result<Value> {
        let arguments = [range.address, range.bytes];
        self.call_helper(Helper::IsText, &arguments)
            .ok_or_else(|| super::function::missing("result of a helper"))
    }

    /// Has the runtime open a range, unless it lies in what is known to be open.
    fn open_pages(&mut self, range: &Range) {
        let (closed, open) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(closed);
        let (vmctx, flags) = (self.vmctx, self.flags.descriptor);
        let first = self.ins().load(I64, flags, vmctx, below(WRITABLE_FIRST));
        let end = self.ins().load(I64, flags, vmctx, below(WRITABLE_END));
        let below_it = self
            .ins()
            .icmp(IntCC::UnsignedLessThan, range.address, first);
        let above_it = self.ins().icmp(IntCC::UnsignedGreaterThan, range.end, end);
        let outside = self.ins().bor(below_it, above_it);
        self.ins().brif(outside, closed, &[], open, &[]);
        self.builder.switch_to_block(closed);
        self.builder.seal_block(closed);
        self.call_helper(Helper::Open, &[range.address, range.bytes]);
        self.ins().jump(open, &[]);
        self.builder.switch_to_block(open);
        self.builder.seal_block(open);
    }

    fn call_with(
        &mut self,
        function: u32,
        function_type: &FunctionType,
        passed: Passed,
    ) -> Result<Vec<Value>> {
        let Passed {
            integers,
            floats,
            stack,
        } = passed;
        let on_stack = !stack.is_empty();
        let words = [integers, floats, stack].concat();
        let dfg = &self.builder.func.dfg;
        let types: Vec<_> = words.iter().map(|word| dfg.value_type(*word)).collect();
        let stub = self.callee(Target::ImportStub(function), || {
            let mut signature = Signature::new(CallConv::SystemV);
            signature
                .params
                .push(AbiParam::special(I64, ArgumentPurpose::VMContext));
            signature
                .params
                .extend(types.iter().map(|each| AbiParam::new(*each)));
            signature.returns.extend(
                function_type
                    .results
                    .iter()
                    .map(|each| AbiParam::new(clif_type(*each))),
            );
            signature
        });
        Ok(if on_stack {
            self.call_stub(stub, &words)
        } else {
            self.call_import(function, stub, &words)
        })
    }
}

impl Passed {
    /// Puts the words of a parameter where the C function takes them.
    fn place(&mut self, parameter: &CheckedParameter, words: Vec<Value>, places: &mut Places) {
        let in_register = if parameter.value_type.is_float_class() {
            places
                .float(parameter.value_type == ValueType::V128)
                .is_none()
        } else {
            places.integer(words.len() as u8) < INTEGERS
        };
        match (in_register, parameter.value_type.is_float_class()) {
            (true, true) => self.floats.extend(words),
            (true, false) => self.integers.extend(words),
            (false, _) => self.stack.extend(words),
        }
    }
}
