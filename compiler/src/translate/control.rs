//! Blocks, branches and reachability.
//!
//! Each `block`, `loop` and `if` is a [`Frame`]. Values that cross the end of a block, or enter a loop, are
//! parameters of Cranelift blocks. Code that cannot be reached has no frames: only its nesting is counted. Tables of branches are `switch`'s.

use super::function::{Translator, missing};
use crate::abi::clif_type;
use crate::error::Result;
use crate::limits;
use crate::module::FunctionType;
use crate::parse::value_type;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value};
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use wasmparser::{BlockType, Operator, TryTable};

/// A block that has been opened.
pub(super) struct Frame {
    kind: FrameKind,
    /// Where code goes on after the block's end. Its parameters are the block's results.
    exit: Block,
    results: usize,
    /// Operands below the block's parameters.
    height: usize,
    /// Whether something jumps to `exit`.
    exit_used: bool,
    /// Loops that the inside of the block is inside of.
    loops: u64,
}

enum FrameKind {
    Block,
    /// How many clauses were open before it.
    Try {
        clauses: usize,
    },
    /// Branches go back to the header.
    Loop {
        header: Block,
        parameters: usize,
    },
    /// Before `else`: the other side's block, and the values it starts with.
    If {
        other: Block,
        parameters: Vec<Value>,
    },
}

impl Translator<'_> {
    /// Opens the frame of the function itself, whose results are the function's.
    pub(super) fn open_function_frame(&mut self) {
        let results = &self.function_type.results;
        let exit = self.block_with(results);
        self.checks.open();
        self.frames.push(Frame {
            kind: FrameKind::Block,
            exit,
            results: results.len(),
            height: 0,
            exit_used: false,
            loops: 0,
        });
    }

    /// Operators that shape control flow.
    pub(super) fn control(&mut self, operator: &Operator<'_>) -> Result<bool> {
        match operator {
            Operator::Block { blockty } => self.block(*blockty)?,
            Operator::Loop { blockty } => self.loop_(*blockty)?,
            Operator::TryTable { try_table } => self.try_table(try_table)?,
            Operator::If { blockty } => self.if_(*blockty)?,
            Operator::Else => self.else_()?,
            Operator::End => self.end()?,
            Operator::Br { relative_depth } => self.branch(*relative_depth)?,
            Operator::BrIf { relative_depth } => self.branch_if(*relative_depth)?,
            Operator::BrTable { targets } => self.branch_table(targets)?,
            // Where a call is, its results go to the label behind it.
            Operator::Return if self.is_in_place() => self.branch_to(0)?,
            Operator::Return => {
                let results = self.pop_many(self.function_type.results.len())?;
                self.return_values(&results)?;
            }
            Operator::BrOnNull { relative_depth } => self.branch_on_null(*relative_depth)?,
            Operator::BrOnNonNull { relative_depth } => self.branch_on_non_null(*relative_depth)?,
            Operator::Unreachable => self.trap(TrapCode::Unreachable),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Follows the nesting of code that cannot be reached.
    pub(super) fn unreachable_operator(&mut self, operator: &Operator<'_>) -> Result<()> {
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. } => self.unreachable_depth += 1,
            Operator::Else if self.unreachable_depth == 0 => self.else_()?,
            Operator::End if self.unreachable_depth == 0 => self.end()?,
            Operator::End => self.unreachable_depth -= 1,
            _ => {}
        }
        Ok(())
    }

    fn block(&mut self, block_type: BlockType) -> Result<()> {
        let (parameters, results) = self.block_types(block_type)?;
        let exit = self.block_with(&results);
        self.open(FrameKind::Block, exit, parameters.len(), results.len())
    }

    fn try_table(&mut self, table: &TryTable) -> Result<()> {
        let (parameters, results) = self.block_types(table.ty)?;
        let exit = self.block_with(&results);
        let clauses = self.open_clauses(table)?;
        let kind = FrameKind::Try { clauses };
        self.open(kind, exit, parameters.len(), results.len())
    }

    fn loop_(&mut self, block_type: BlockType) -> Result<()> {
        let (parameters, results) = self.block_types(block_type)?;
        let header = self.block_with(&parameters);
        let exit = self.block_with(&results);
        let arguments = self.arguments(parameters.len())?;
        self.ins().jump(header, &arguments);
        let kind = FrameKind::Loop {
            header,
            parameters: parameters.len(),
        };
        self.open(kind, exit, parameters.len(), results.len())?;
        // The header is sealed at the loop's end, when all jumps back are known.
        self.builder.switch_to_block(header);
        self.replace_top(parameters.len(), header)
    }

    fn if_(&mut self, block_type: BlockType) -> Result<()> {
        let condition = self.pop()?;
        let (parameters, results) = self.block_types(block_type)?;
        let (then, other) = (self.builder.create_block(), self.builder.create_block());
        let exit = self.block_with(&results);
        self.ins().brif(condition, then, &[], other, &[]);
        match self.branch_hint() {
            Some(true) => self.builder.set_cold_block(other),
            Some(false) => self.builder.set_cold_block(then),
            None => {}
        }
        self.builder.seal_block(then);
        self.builder.seal_block(other);
        let copies = self.top(parameters.len())?.to_vec();
        self.open(
            FrameKind::If {
                other,
                parameters: copies,
            },
            exit,
            parameters.len(),
            results.len(),
        )?;
        self.builder.switch_to_block(then);
        Ok(())
    }

    fn else_(&mut self) -> Result<()> {
        if self.reachable {
            self.jump_to_exit()?;
        }
        let frame = self.frames.last_mut().ok_or_else(|| missing("frame"))?;
        let FrameKind::If { other, parameters } =
            std::mem::replace(&mut frame.kind, FrameKind::Block)
        else {
            return Err(missing("if"));
        };
        let height = frame.height;
        self.checks.begin_other_side();
        self.start_other_side(other, height, &parameters);
        Ok(())
    }

    fn start_other_side(&mut self, other: Block, height: usize, parameters: &[Value]) {
        self.stack.truncate(height);
        self.stack.extend_from_slice(parameters);
        self.builder.switch_to_block(other);
        self.reachable = true;
    }

    fn end(&mut self) -> Result<()> {
        if self.reachable {
            self.jump_to_exit()?;
        }
        let frame = self.frames.pop().ok_or_else(|| missing("frame"))?;
        self.checks.close();
        let mut exit_used = frame.exit_used;
        self.stack.truncate(frame.height);
        match frame.kind {
            FrameKind::Block => {}
            FrameKind::Try { clauses } => self.close_clauses(clauses)?,
            FrameKind::Loop { header, .. } => self.builder.seal_block(header),
            FrameKind::If { other, parameters } => {
                // No `else`: the other side hands its parameters on.
                self.start_other_side(other, frame.height, &parameters);
                let arguments = self.arguments(frame.results)?;
                self.ins().jump(frame.exit, &arguments);
                exit_used = true;
                self.stack.truncate(frame.height);
            }
        }
        self.reachable = exit_used;
        if exit_used {
            self.builder.switch_to_block(frame.exit);
            self.builder.seal_block(frame.exit);
            let results = self.builder.block_params(frame.exit).to_vec();
            self.stack.extend(results);
            if self.frames.is_empty() && !self.is_in_place() {
                let results = self.pop_many(frame.results)?;
                self.return_values(&results)?;
            }
        }
        Ok(())
    }

    /// Goes on in a new block, or at `other` if the condition holds.
    pub(super) fn go_on_unless(&mut self, condition: Value, other: Block) {
        let next = self.builder.create_block();
        self.ins().brif(condition, other, &[], next, &[]);
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
    }

    /// Whether the current operator is in a loop.
    pub(super) fn is_in_loop(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.loops > 0)
    }

    pub(super) fn branch(&mut self, depth: u32) -> Result<()> {
        let position = self.position_of(depth)?;
        self.branch_to(position)
    }

    /// Branches to the label of the frame with this number.
    pub(super) fn branch_to(&mut self, position: usize) -> Result<()> {
        let (target, count) = self.target_of(position)?;
        let arguments = self.arguments(count)?;
        self.ins().jump(target, &arguments);
        self.reachable = false;
        Ok(())
    }

    fn branch_if(&mut self, depth: u32) -> Result<()> {
        let condition = self.pop()?;
        let (target, count) = self.target(depth)?;
        let arguments = self.arguments(count)?;
        let next = self.builder.create_block();
        match self.branch_hint() {
            Some(false) => {
                // The target may be reached from elsewhere, so the jump to it is what is unlikely.
                let unlikely = self.builder.create_block();
                self.builder.set_cold_block(unlikely);
                self.ins().brif(condition, unlikely, &[], next, &[]);
                self.builder.switch_to_block(unlikely);
                self.builder.seal_block(unlikely);
                self.ins().jump(target, &arguments);
            }
            hint => {
                self.ins().brif(condition, target, &arguments, next, &[]);
                if hint.is_some() {
                    self.builder.set_cold_block(next);
                }
            }
        }
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
        Ok(())
    }

    /// What the module says of the branch that is being translated.
    fn branch_hint(&self) -> Option<bool> {
        self.hints?.get(&self.position).copied()
    }

    /// Branches without the reference when it is null, else goes on with it.
    fn branch_on_null(&mut self, depth: u32) -> Result<()> {
        let reference = self.pop()?;
        let is_null = self.is_null(reference);
        self.push(is_null);
        self.branch_if(depth)?;
        self.push(reference);
        Ok(())
    }

    /// Branches with the reference when it is not null, else goes on without it.
    fn branch_on_non_null(&mut self, depth: u32) -> Result<()> {
        let reference = *self.top(1)?.first().ok_or_else(|| missing("operand"))?;
        // Null is zero, and every other reference is not.
        self.push(reference);
        self.branch_if(depth)?;
        self.pop()?;
        Ok(())
    }

    /// Where a branch to the block at this depth goes, and how many values it takes along.
    pub(super) fn target(&mut self, depth: u32) -> Result<(Block, usize)> {
        let position = self.position_of(depth)?;
        self.target_of(position)
    }

    /// The number of the frame at this depth.
    fn position_of(&self, depth: u32) -> Result<usize> {
        let position = self.frames.len().checked_sub(depth as usize + 1);
        position.ok_or_else(|| missing("label"))
    }

    fn target_of(&mut self, position: usize) -> Result<(Block, usize)> {
        let frame = self
            .frames
            .get_mut(position)
            .ok_or_else(|| missing("label"))?;
        if let FrameKind::Loop { header, parameters } = frame.kind {
            return Ok((header, parameters));
        }
        frame.exit_used = true;
        Ok((frame.exit, frame.results))
    }

    fn jump_to_exit(&mut self) -> Result<()> {
        let frame = self.frames.last_mut().ok_or_else(|| missing("frame"))?;
        frame.exit_used = true;
        let (exit, results) = (frame.exit, frame.results);
        let arguments = self.arguments(results)?;
        self.ins().jump(exit, &arguments);
        Ok(())
    }

    fn open(
        &mut self,
        kind: FrameKind,
        exit: Block,
        parameters: usize,
        results: usize,
    ) -> Result<()> {
        let height = self
            .stack
            .len()
            .checked_sub(parameters)
            .ok_or_else(|| missing("operand"))?;
        self.checks.open();
        let around = self.frames.last().map_or(0, |frame| frame.loops);
        let loops = around + u64::from(matches!(kind, FrameKind::Loop { .. }));
        self.frames.push(Frame {
            kind,
            exit,
            results,
            height,
            exit_used: false,
            loops,
        });
        limits::check("nested loops", loops, self.source.limits.loop_nesting)?;
        // The outermost frame is the function's.
        let depth = self.frames.len() as u64 - 1;
        limits::check("nested blocks", depth, self.source.limits.nesting)
    }

    /// Replaces the topmost operands by the parameters of a block.
    fn replace_top(&mut self, count: usize, block: Block) -> Result<()> {
        self.pop_many(count)?;
        let parameters = self.builder.block_params(block).to_vec();
        self.stack.extend(parameters);
        Ok(())
    }

    fn arguments(&mut self, count: usize) -> Result<Vec<BlockArg>> {
        self.passed += count as u64;
        Ok(self
            .top(count)?
            .iter()
            .map(|value| BlockArg::Value(*value))
            .collect())
    }

    /// A block with parameters of these types.
    fn block_with(&mut self, types: &[ValueType]) -> Block {
        let block = self.builder.create_block();
        for value_type in types {
            self.builder
                .append_block_param(block, clif_type(*value_type));
        }
        block
    }

    fn block_types(&self, block_type: BlockType) -> Result<(Vec<ValueType>, Vec<ValueType>)> {
        Ok(match block_type {
            BlockType::Empty => (Vec::new(), Vec::new()),
            BlockType::Type(kind) => (Vec::new(), vec![value_type(kind)?]),
            BlockType::FuncType(index) => {
                let unique = self
                    .module
                    .type_indices
                    .get(index as usize)
                    .ok_or_else(|| missing("type"))?;
                let FunctionType {
                    parameters,
                    results,
                } = self.unique_type(*unique)?.clone();
                (parameters, results)
            }
        })
    }
}
