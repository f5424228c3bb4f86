//! `br_table`: by comparisons, by the bits of a number, or by a table in memory.
//!
//! Compilers for WebAssembly write a `br_table` for every switch, as the form is compact. A jump through a table takes six instructions and a load,
//! and is harder to predict than branches, so what native compilers do without a table is done without one here.
//!
//! ```text
//!   br_table $star $out $out $out $out $slash $out      few runs, which are neighbours with one target:
//!                                                         index = 0:                     $star
//!                                                         index = 5:                     $slash
//!                                                         else:                          $out
//!
//!   br_table $tab $no $space $tab $no $space $no        few targets, each with some of the first 64 indices:
//!                                                         index >= 6:                    $no
//!                                                         0b001001 >> index & 1:         $tab
//!                                                         0b100100 >> index & 1:         $space
//!                                                         else:                          $no
//! ```
//!
//! Arguments travel through one block for each distinct target: entries of a table have none.

use super::function::{Translator, missing};
use crate::error::{Error, Result};
use crate::limits;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, InstBuilder, JumpTableData, Value};
use std::collections::BTreeMap;
use wasmparser::BrTable;

/// The most runs that are found by comparisons.
const MOST_COMPARED: usize = 4;
/// The most targets that are found by the bits of numbers, and how many indices these have bits for.
const MOST_SETS: usize = 3;
const BITS: usize = 64;
/// The most targets of one `br_table`.
const MAX_BRANCH_TARGETS: u64 = 65_520;

/// Entries one behind the other that lead to the same block, which is not the default.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    first: i64,
    length: i64,
    to: Block,
}

/// The runs of a table.
fn runs(entries: &[Block], default: Block) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (number, to) in (0..).zip(entries.iter().copied()) {
        match runs.last_mut() {
            Some(last) if last.to == to && last.first + last.length == number => last.length += 1,
            _ if to == default => {}
            _ => runs.push(Run {
                first: number,
                length: 1,
                to,
            }),
        }
    }
    runs
}

/// The targets of runs, and for each a number with the bits of its indices, as far as it has them.
fn sets(runs: &[Run]) -> Vec<(Block, u64)> {
    let mut sets: Vec<(Block, u64)> = Vec::new();
    for run in runs {
        let indices = run.first..run.first + run.length;
        let bits = indices
            .filter(|index| *index < BITS as i64)
            .map(|index| 1 << index);
        let bits = bits.fold(0, |all, bit| all | bit);
        match sets.iter_mut().find(|(to, _)| *to == run.to) {
            Some((_, all)) => *all |= bits,
            None => sets.push((run.to, bits)),
        }
        if sets.len() > MOST_SETS {
            break;
        }
    }
    sets
}

impl Translator<'_> {
    pub(super) fn branch_table(&mut self, table: &BrTable<'_>) -> Result<()> {
        let targets = u64::from(table.len());
        let most = self.source.limits.branch_targets.min(MAX_BRANCH_TARGETS);
        limits::check("targets of a br_table", targets, most)?;
        let index = self.pop()?;
        let mut between = BTreeMap::new();
        let mut entries = Vec::new();
        for depth in table.targets().chain([Ok(table.default())]) {
            let depth = depth.map_err(|error| Error::Internal(error.to_string()))?;
            let (target, count) = self.target(depth)?;
            let entry = match count {
                0 => target,
                _ => *between
                    .entry(depth)
                    .or_insert_with(|| self.builder.create_block()),
            };
            entries.push(entry);
        }
        let default = entries.pop().ok_or_else(|| missing("default target"))?;
        let runs = runs(&entries, default);
        let sets = sets(&runs);
        if runs.len() <= MOST_COMPARED {
            self.compare_and_jump(index, &runs, default);
        } else if sets.len() <= MOST_SETS && entries.len() <= BITS {
            self.look_up_and_jump(index, &sets, &entries, default);
        } else {
            self.jump_by_table(index, &entries, default);
        }
        for (depth, block) in between {
            self.builder.switch_to_block(block);
            self.builder.seal_block(block);
            self.branch(depth)?;
        }
        self.reachable = false;
        Ok(())
    }

    /// Indices within the table are looked up in a number for each target that has their bits.
    fn look_up_and_jump(
        &mut self,
        index: Value,
        sets: &[(Block, u64)],
        entries: &[Block],
        default: Block,
    ) {
        let count = entries.len() as i64;
        let is_out = self
            .ins()
            .icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, index, count);
        self.jump_if(is_out, default);
        for (to, bits) in sets {
            let bits = self.ins().iconst(I64, bits.cast_signed());
            let shifted = self.ins().ushr(bits, index);
            let bit = self.ins().band_imm_u(shifted, 1);
            self.jump_if(bit, *to);
        }
        self.ins().jump(default, &[]);
    }

    fn jump_by_table(&mut self, index: Value, entries: &[Block], default: Block) {
        let dfg = &mut self.builder.func.dfg;
        let entries: Vec<_> = entries.iter().map(|to| dfg.block_call(*to, &[])).collect();
        let default = dfg.block_call(default, &[]);
        let jump_table = JumpTableData::new(default, &entries);
        let jump_table = self.builder.create_jump_table(jump_table);
        self.ins().br_table(index, jump_table);
    }

    fn compare_and_jump(&mut self, index: Value, runs: &[Run], default: Block) {
        for run in runs {
            let is_in = if run.length == 1 {
                self.ins().icmp_imm_u(IntCC::Equal, index, run.first)
            } else {
                let above = self.ins().iadd_imm_s(index, -run.first);
                self.ins()
                    .icmp_imm_u(IntCC::UnsignedLessThan, above, run.length)
            };
            self.jump_if(is_in, run.to);
        }
        self.ins().jump(default, &[]);
    }

    fn jump_if(&mut self, condition: Value, to: Block) {
        let others = self.builder.create_block();
        self.ins().brif(condition, to, &[], others, &[]);
        self.builder.switch_to_block(others);
        self.builder.seal_block(others);
    }
}

#[cfg(test)]
mod tests {
    use super::{Run, runs, sets};
    use cranelift_codegen::ir::Block;

    #[test]
    fn runs_are_neighbours_with_one_target() {
        let [out, one, other] = [0, 1, 2].map(Block::from_u32);
        let run = |first, length, to| Run { first, length, to };
        assert_eq!(runs(&[], out), []);
        assert_eq!(runs(&[out, out], out), []);
        assert_eq!(
            runs(&[out, one, one, other, out, other], out),
            [run(1, 2, one), run(3, 1, other), run(5, 1, other)]
        );
        assert_eq!(
            runs(&[one, out, one], out),
            [run(0, 1, one), run(2, 1, one)]
        );
    }

    #[test]
    fn sets_have_the_bits_of_their_runs() {
        let [out, one, other] = [0, 1, 2].map(Block::from_u32);
        let mut entries = vec![out; 70];
        for (at, to) in [
            (0, one),
            (1, other),
            (2, one),
            (3, one),
            (63, other),
            (64, one),
        ] {
            entries[at] = to;
        }
        let expected = [(one, 0b1101), (other, 1 << 63 | 0b10)];
        assert_eq!(sets(&runs(&entries, out)), expected);
    }
}
