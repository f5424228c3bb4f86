//! A block without its function: which operations it has, and which values they take and make.
//!
//! What takes no register of its own is not among them: constants are made where they are needed, and addresses and opposites are part of
//! what takes them. Operations are numbers here, in the order of the block, and so are values.
//!
//! Invariant: an operation takes what operations before it make, or what the block is given.
//!
//! Not here: in which order operations are best ([`super::schedule`]), and what an order costs ([`super::pressure`]).

use super::accesses::{above, vmctx};
use super::shape::Shape;
use super::uses::{Uses, is_arithmetic};
use super::values::{maker, unary};
use cranelift_codegen::ir::{Block, Function, Inst, Opcode, Value};
use rustc_hash::FxHashMap;

/// The operations of a block, the last of which is how it ends.
#[derive(Default)]
pub struct Straight {
    pub operations: Vec<Operation>,
    pub values: Vec<Datum>,
    /// The instructions that take no register of their own.
    pub free: Vec<Inst>,
}

/// An instruction.
pub struct Operation {
    pub inst: Inst,
    /// Each once.
    pub operands: Vec<usize>,
    pub results: Vec<usize>,
    /// What it stays behind although it takes nothing of it: accesses, calls and what can trap keep their order.
    pub behind: Option<usize>,
}

/// A value.
#[derive(Clone, Copy)]
pub struct Datum {
    pub bank: Bank,
    /// The operation that makes it, if one of the block does.
    pub made_by: Option<usize>,
    /// Whether something behind the block needs it.
    pub outlives: bool,
}

/// The registers that a value can be in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bank {
    General,
    Vector,
}

/// Whether an instruction takes no register of its own: its result is part of what takes it, or in the register of its operand.
pub fn is_free(function: &Function, inst: Inst) -> bool {
    let dfg = &function.dfg;
    let opposite = |value| unary(dfg, dfg.resolve_aliases(value), Opcode::Bnot).is_some();
    match dfg.insts[inst].opcode() {
        Opcode::Iconst | Opcode::F32const | Opcode::F64const | Opcode::Vconst => true,
        Opcode::Uextend => true,
        // Opposites of opposites, in case some are left, would be followed one by one again and again.
        Opcode::Bnot => !opposite(dfg.inst_args(inst)[0]),
        Opcode::Iadd => {
            let address = |base| above(dfg, base, dfg.first_result(inst));
            vmctx(function).and_then(address).is_some()
        }
        _ => false,
    }
}

impl Straight {
    pub fn of(function: &Function, shape: Shape<'_>, uses: &Uses, block: Block) -> Straight {
        let mut reader = Reader {
            function,
            uses,
            numbers: FxHashMap::default(),
            known: Vec::new(),
            last_fixed: None,
            read: Straight::default(),
        };
        for inst in function.layout.block_insts(block) {
            reader.read(inst);
        }
        reader.finish(shape, block)
    }
}

/// A value that has been met.
struct Known {
    value: Value,
    /// How often the block has used it so far.
    used: u32,
    /// The last operation that it was an operand of.
    last_taker: Option<usize>,
}

/// A block that is being read.
struct Reader<'a> {
    function: &'a Function,
    uses: &'a Uses,
    numbers: FxHashMap<Value, usize>,
    /// By number.
    known: Vec<Known>,
    /// What the next operation that keeps its order stays behind.
    last_fixed: Option<usize>,
    read: Straight,
}

impl Reader<'_> {
    fn read(&mut self, inst: Inst) {
        let dfg = &self.function.dfg;
        for value in dfg.inst_values(inst) {
            let number = self.number(dfg.resolve_aliases(value));
            self.known[number].used += 1;
        }
        if is_free(self.function, inst) {
            self.read.free.push(inst);
            return;
        }
        let mut operands = Vec::new();
        for value in dfg.inst_values(inst) {
            self.take(value, &mut operands);
        }
        let number = self.read.operations.len();
        let mut results = Vec::new();
        for value in dfg.inst_results(inst) {
            let result = self.number(*value);
            self.read.values[result].made_by = Some(number);
            results.push(result);
        }
        let fixed = !is_arithmetic(dfg.insts[inst].opcode());
        let behind = self.last_fixed.filter(|_| fixed);
        if fixed || self.reads_on_the_way(&operands) {
            self.last_fixed = Some(number);
        }
        self.read.operations.push(Operation {
            inst,
            operands,
            results,
            behind,
        });
    }

    /// Adds the values in registers that one comes from: itself, or what an instruction without a register takes. A constant comes from none.
    fn take(&mut self, value: Value, operands: &mut Vec<usize>) {
        let dfg = &self.function.dfg;
        let value = dfg.resolve_aliases(value);
        if let Some(free) = maker(dfg, value).filter(|inst| is_free(self.function, *inst)) {
            for value in dfg.inst_args(free) {
                self.take(*value, operands);
            }
            return;
        }
        let taker = Some(self.read.operations.len());
        let number = self.number(value);
        if std::mem::replace(&mut self.known[number].last_taker, taker) != taker {
            operands.push(number);
        }
    }

    /// Whether one of the operands is loaded for this operation alone, and nothing in between has an effect: the load may become part of it.
    fn reads_on_the_way(&self, operands: &[usize]) -> bool {
        let Some(last) = self.last_fixed.map(|last| &self.read.operations[last]) else {
            return false;
        };
        let loads = self.function.dfg.insts[last.inst].opcode() == Opcode::Load;
        loads
            && last.results.iter().all(|result| {
                operands.contains(result) && self.uses.of(self.known[*result].value) == 1
            })
    }

    fn number(&mut self, value: Value) -> usize {
        let Reader { known, read, .. } = self;
        *self.numbers.entry(value).or_insert_with(|| {
            known.push(Known {
                value,
                used: 0,
                last_taker: None,
            });
            let kind = self.function.dfg.value_type(value);
            let bank = if kind.is_float() || kind.is_vector() {
                Bank::Vector
            } else {
                Bank::General
            };
            read.values.push(Datum {
                bank,
                made_by: None,
                outlives: false,
            });
            known.len() - 1
        })
    }

    /// What is used elsewhere, too, outlives the block; and in a loop, what is made in front of it.
    fn finish(mut self, shape: Shape<'_>, block: Block) -> Straight {
        let around = shape.loops.innermost_loop(block);
        for (datum, known) in self.read.values.iter_mut().zip(&self.known) {
            let stays = || {
                around.is_some_and(|inside| shape.is_invariant(self.function, known.value, inside))
            };
            datum.outlives =
                self.uses.of(known.value) > known.used || (datum.made_by.is_none() && stays());
        }
        self.read
    }
}

/// Blocks for the tests of what looks at them.
#[cfg(test)]
pub mod sketches {
    use super::{Bank, Datum, Operation, Straight};
    use cranelift_codegen::ir::Inst;

    impl Straight {
        /// Something that takes these values and makes others of this bank.
        pub fn add(&mut self, operands: &[usize], results: usize, bank: Bank) -> Vec<usize> {
            let number = self.operations.len();
            let first = self.values.len();
            let made: Vec<usize> = (first..first + results).collect();
            self.values.extend(made.iter().map(|_| Datum {
                bank,
                made_by: Some(number),
                outlives: false,
            }));
            self.operations.push(Operation {
                inst: Inst::from_u32(0),
                operands: operands.to_vec(),
                results: made.clone(),
                behind: None,
            });
            made
        }

        /// Something that takes values and makes one of general use.
        pub fn make(&mut self, operands: &[usize]) -> usize {
            self.add(operands, 1, Bank::General)[0]
        }

        /// Values that the block is given.
        pub fn give(&mut self, count: usize) -> Vec<usize> {
            let first = self.values.len();
            let datum = Datum {
                bank: Bank::General,
                made_by: None,
                outlives: false,
            };
            self.values.extend(std::iter::repeat_n(datum, count));
            (first..first + count).collect()
        }

        /// The order that operations have been added in.
        pub fn order(&self) -> Vec<usize> {
            (0..self.operations.len()).collect()
        }
    }
}
