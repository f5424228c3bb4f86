//! Exceptions: `try_table`, `throw`, `throw_ref`.
//!
//! A call inside of a `try_table` is Cranelift's `try_call`: it ends its block and lists where control can go on. Each clause has one
//! such place, its *landing*, which fetches what the exception carries and branches to the clause's label:
//!
//! ```text
//!   block:      ... try_call f(..), next(results), [tag 0: landing A, default: landing B]
//!   next:       ...
//!   landing A:  exception = catch(cells, keep) ; values from cells ; jump label(values)
//! ```
//!
//! At a landing no register holds anything, which Cranelift knows of callees with the `Tail` convention only: imported functions are
//! called through their wrappers here. Which landing is entered is decided by the runtime, which walks the stack when something is
//! thrown. A `throw` whose handler is known to be in the same function is a branch.
//!
//! Invariant: the clauses that are open are those of the `try_table`s around the current operator, innermost last.

use super::call::Callee;
use super::function::{Translator, missing};
use crate::abi;
use crate::code::Target;
use crate::error::Result;
use crate::module::{FunctionType, Tag};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{
    Block, BlockArg, ExceptionTable, ExceptionTableData, ExceptionTableItem, ExceptionTag,
    InstBuilder, SigRef, Value,
};
use lucet_format::runtime::Helper;
use lucet_format::trap::TrapCode;
use std::collections::BTreeSet;
use wasmparser::{Catch, Operator, TryTable};

/// How much more a local takes that a call hands over to a landing than a value of another kind: register allocation looks at each
/// way by itself.
const HANDED_OVER: u64 = 8;

/// A clause of a `try_table` that is open.
#[derive(Clone, Copy)]
pub(super) struct Clause {
    /// The tag that it catches; `None`: every one.
    tag: Option<u32>,
    /// Whether it also wants the exception itself.
    reference: bool,
    /// The number of the frame whose label it branches to.
    label: usize,
    /// Where control goes on.
    landing: Block,
    /// Whether it can.
    used: bool,
}

impl<'a> Translator<'a> {
    /// Operators that throw.
    pub(super) fn exception(&mut self, operator: &Operator<'_>) -> Result<bool> {
        match operator {
            Operator::Throw { tag_index } => self.throw(*tag_index)?,
            Operator::ThrowRef => {
                let exception = self.pop()?;
                self.throw_by(Helper::ThrowRef, &[exception]);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Opens the clauses of a `try_table`, before its own frame, to which they cannot branch. Answers how many were open before.
    pub(super) fn open_clauses(&mut self, table: &TryTable) -> Result<usize> {
        let before = self.clauses.len();
        for catch in table.catches.iter().rev() {
            let (tag, depth, reference) = match *catch {
                Catch::One { tag, label } => (Some(tag), label, false),
                Catch::OneRef { tag, label } => (Some(tag), label, true),
                Catch::All { label } => (None, label, false),
                Catch::AllRef { label } => (None, label, true),
            };
            let label = self.frames.len().checked_sub(depth as usize + 1);
            let clause = Clause {
                tag,
                reference,
                label: label.ok_or_else(|| missing("label"))?,
                landing: self.builder.create_block(),
                used: false,
            };
            self.builder.set_cold_block(clause.landing);
            self.clauses.push(clause);
        }
        Ok(before)
    }

    /// Closes the clauses behind the first so many, and translates their landings, now that all ways there are known. Leaves no
    /// block to go on in.
    pub(super) fn close_clauses(&mut self, before: usize) -> Result<()> {
        for clause in self.clauses.split_off(before) {
            if clause.used {
                self.landing(&clause)?;
            }
        }
        Ok(())
    }

    fn landing(&mut self, clause: &Clause) -> Result<()> {
        self.builder.switch_to_block(clause.landing);
        self.builder.seal_block(clause.landing);
        let height = self.stack.len();
        let types = match clause.tag {
            Some(tag) => self.type_of_tag(tag)?.parameters.as_slice(),
            None => &[],
        };
        let cells = self.cells_or_null(types.len());
        let keep = self.index(u32::from(clause.reference));
        let exception = self.call_helper(Helper::Catch, &[cells, keep]);
        let values = self.load_cells(cells, types);
        self.passed += values.len() as u64;
        self.stack.extend(values);
        self.stack.extend(exception.filter(|_| clause.reference));
        self.branch_to(clause.label)?;
        self.stack.truncate(height);
        Ok(())
    }

    fn throw(&mut self, index: u32) -> Result<()> {
        let types = &self.type_of_tag(index)?.parameters;
        if let Some(clause) = self.known_clause(index)? {
            if clause.tag.is_none() {
                self.pop_many(types.len())?;
            }
            return self.branch_to(clause.label);
        }
        let values = self.pop_many(types.len())?;
        let cells = self.cells_or_null(values.len());
        self.store_cells(cells, &values);
        let tag = self.index(index);
        self.throw_by(Helper::Throw, &[tag, cells]);
        Ok(())
    }

    /// The clause that catches what is thrown here with this tag, when that is certain and the exception itself is not wanted.
    fn known_clause(&self, index: u32) -> Result<Option<Clause>> {
        let thrown = self.tag(index)?;
        for clause in self.clauses.iter().rev() {
            let Some(tag) = clause.tag.filter(|tag| *tag != index) else {
                return Ok((!clause.reference).then_some(*clause));
            };
            // Two imported tags of one type may be the same.
            let tag = self.tag(tag)?;
            if tag.imported && thrown.imported && tag.function_type == thrown.function_type {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Leaves this place for a handler, by a helper that does not come back.
    fn throw_by(&mut self, helper: Helper, arguments: &[Value]) {
        let callee = self.callee(Target::HelperStub(helper), || abi::helper_signature(helper));
        let all: Vec<Value> = std::iter::once(self.vmctx)
            .chain(arguments.iter().copied())
            .collect();
        self.call_in_clauses(&Callee::Direct(callee), &all);
        self.trap(TrapCode::Exception);
    }

    /// Calls a function with the `Tail` convention, with the clauses that are open as handlers. Answers what it returns in
    /// registers; the code goes on in another block if there are any.
    pub(super) fn call_in_clauses(&mut self, callee: &Callee, arguments: &[Value]) -> Vec<Value> {
        if self.clauses.is_empty() {
            let call = match callee {
                Callee::Direct(function) => self.ins().call(*function, arguments),
                Callee::Indirect(signature, code) => {
                    self.ins().call_indirect(*signature, *code, arguments)
                }
            };
            return self.builder.inst_results(call).to_vec();
        }
        let signature = match callee {
            Callee::Direct(function) => self.builder.func.dfg.ext_funcs[*function].signature,
            Callee::Indirect(signature, _) => *signature,
        };
        let next = self.builder.create_block();
        let returned = self.builder.func.dfg.signatures[signature].returns.clone();
        for parameter in &returned {
            self.builder.append_block_param(next, parameter.value_type);
        }
        let table = self.exception_table(signature, next, returned.len() as u32);
        match callee {
            Callee::Direct(function) => self.ins().try_call(*function, arguments, table),
            Callee::Indirect(_, code) => self.ins().try_call_indirect(*code, arguments, table),
        };
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
        self.builder.block_params(next).to_vec()
    }

    /// Where control goes after a call: to `next` with all that is returned, or to a landing. A clause that a clause further
    /// inside makes unreachable is left out.
    fn exception_table(&mut self, signature: SigRef, next: Block, returned: u32) -> ExceptionTable {
        self.passed += self.clauses.len() as u64;
        let dfg = &mut self.builder.func.dfg;
        let mut seen = BTreeSet::new();
        let mut items = Vec::new();
        for clause in self.clauses.iter_mut().rev() {
            if !seen.insert(clause.tag) {
                continue;
            }
            clause.used = true;
            let landing = dfg.block_call(clause.landing, &[]);
            match clause.tag {
                Some(tag) => items.push(ExceptionTableItem::Tag(
                    ExceptionTag::from_u32(tag),
                    landing,
                )),
                None => {
                    items.push(ExceptionTableItem::Default(landing));
                    break;
                }
            }
        }
        let results: Vec<BlockArg> = (0..returned).map(BlockArg::TryCallRet).collect();
        let next = dfg.block_call(next, &results);
        dfg.exception_tables
            .push(ExceptionTableData::new(signature, next, items))
    }

    /// The locals that calls hand over to landings, each counted [`HANDED_OVER`] times. What they are is known when the whole body is.
    pub(super) fn handed_over(&self) -> u64 {
        let dfg = &self.builder.func.dfg;
        let tables = dfg.exception_tables.values();
        let ways = tables.flat_map(|table| table.all_branches());
        let locals: usize = ways.map(|way| way.len(&dfg.value_lists)).sum();
        HANDED_OVER * locals as u64
    }

    /// Cells for so many values, or 0 for none.
    fn cells_or_null(&mut self, count: usize) -> Value {
        match count {
            0 => self.zero(I64),
            count => self.result_cells(count),
        }
    }

    fn tag(&self, index: u32) -> Result<&'a Tag> {
        let tag = self.module.tags.get(index as usize);
        tag.ok_or_else(|| missing("tag"))
    }

    /// What exceptions with this tag carry: the parameters.
    fn type_of_tag(&self, index: u32) -> Result<&'a FunctionType> {
        self.unique_type(self.tag(index)?.function_type)
    }
}
