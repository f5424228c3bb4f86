//! Nesting and branch tables.

use super::build::{body, bomb, functions};
use crate::Bomb;
use crate::Verdict::{Compiles, Refused};
use wasm_encoder::{BlockType, Function, Instruction as I, Module};

pub fn nested(depth: usize, open: impl Fn(&mut Function)) -> Module {
    let nested = body(1, |f| {
        for _ in 0..depth {
            open(f);
        }
        for _ in 0..depth {
            f.instruction(&I::End);
        }
    });
    functions(0, 0, 1, &nested)
}

pub fn deep_blocks() -> Bomb {
    let module = nested(100_000, |f| {
        f.instruction(&I::Block(BlockType::Empty));
    });
    bomb("deep blocks", Refused("nested blocks"), module)
}

pub fn blocks_at_the_limit() -> Bomb {
    let module = nested(10_000, |f| {
        f.instruction(&I::Block(BlockType::Empty))
            .instruction(&I::LocalGet(0))
            .instruction(&I::BrIf(0));
    });
    bomb("blocks at the limit", Compiles, module)
}

pub fn deep_loops() -> Bomb {
    let module = nested(200, |f| {
        f.instruction(&I::Loop(BlockType::Empty))
            .instruction(&I::LocalGet(0))
            .instruction(&I::BrIf(0));
    });
    bomb("deep loops", Compiles, module)
}

pub fn deep_ifs() -> Bomb {
    let module = nested(5_000, |f| {
        f.instruction(&I::LocalGet(0))
            .instruction(&I::If(BlockType::Empty));
    });
    bomb("deep ifs", Compiles, module)
}

pub fn table_of(targets: usize, depth: u32) -> I<'static> {
    let targets: Vec<u32> = (0..targets as u32).map(|index| index % depth).collect();
    I::BrTable(targets.into(), 0)
}

pub fn long_branch_table() -> Bomb {
    let branching = body(0, |f| {
        f.instruction(&I::I32Const(0))
            .instruction(&table_of(100_000, 1));
    });
    bomb(
        "long branch table",
        Refused("targets of a br_table"),
        functions(0, 0, 1, &branching),
    )
}

pub fn many_branch_tables() -> Bomb {
    let branching = body(0, |f| {
        for _ in 0..50 {
            f.instruction(&I::Block(BlockType::Empty))
                .instruction(&I::I32Const(0));
            f.instruction(&table_of(20_000, 2)).instruction(&I::End);
        }
    });
    bomb(
        "many branch tables",
        Compiles,
        functions(0, 0, 1, &branching),
    )
}
