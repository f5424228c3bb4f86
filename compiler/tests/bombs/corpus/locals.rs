//! Locals: declared, live, and handed on by many blocks.

use super::build::{body, bomb, functions, place};
use crate::Bomb;
use crate::Verdict::{Compiles, Refused};
use wasm_encoder::{BlockType, Function, Instruction as I};

pub fn declared_locals() -> Bomb {
    bomb(
        "declared locals",
        Compiles,
        functions(0, 0, 1, &body(20_000, |_| {})),
    )
}

pub fn declared_locals_of_many_functions() -> Bomb {
    bomb(
        "declared locals of many functions",
        Compiles,
        functions(0, 0, 10_000, &body(20_000, |_| {})),
    )
}

pub fn too_many_locals() -> Bomb {
    bomb(
        "too many locals",
        Refused("locals"),
        functions(0, 0, 1, &body(49_000, |_| {})),
    )
}

pub fn large_body() -> Bomb {
    let nops = body(0, |f| {
        for _ in 0..6_000_000 {
            f.instruction(&I::Nop);
        }
    });
    bomb(
        "large body",
        Refused("bytes of a function"),
        functions(0, 0, 1, &nops),
    )
}

/// Every local is changed in a loop and read behind it.
pub fn loop_over_locals(f: &mut Function, locals: u32) {
    f.instruction(&I::Loop(BlockType::Empty));
    for local in 0..locals {
        f.instruction(&I::LocalGet(local))
            .instruction(&I::LocalGet((local * 7 + 1) % locals));
        f.instruction(&I::I32Add).instruction(&I::LocalSet(local));
    }
    f.instruction(&I::LocalGet(0))
        .instruction(&I::BrIf(0))
        .instruction(&I::End);
}

pub fn live_locals_in_loop() -> Bomb {
    let looping = body(19_000, |f| loop_over_locals(f, 19_000));
    bomb(
        "live locals in a loop",
        Compiles,
        functions(0, 0, 2, &looping),
    )
}

pub fn live_locals_in_loops() -> Bomb {
    let looping = body(3_000, |f| {
        for _ in 0..10 {
            loop_over_locals(f, 3_000);
        }
    });
    bomb(
        "live locals in several loops",
        Compiles,
        functions(0, 0, 2, &looping),
    )
}

pub fn live_locals_across_calls() -> Bomb {
    let calling = body(5_000, |f| {
        for local in 0..5_000 {
            f.instruction(&I::I32Const(0))
                .instruction(&I::I32Load(place(u64::from(local))));
            f.instruction(&I::LocalSet(local));
        }
        for _ in 0..5_000 {
            f.instruction(&I::Call(0));
        }
        for local in 0..5_000 {
            f.instruction(&I::I32Const(0))
                .instruction(&I::LocalGet(local));
            f.instruction(&I::I32Store(place(0)));
        }
    });
    bomb(
        "live locals across calls",
        Compiles,
        functions(0, 0, 2, &calling),
    )
}

pub fn locals_in_nested_loops() -> Bomb {
    let nested = body(2_000, |f| {
        for _ in 0..4_000 {
            f.instruction(&I::Loop(BlockType::Empty));
        }
        for local in 0..2_000 {
            f.instruction(&I::LocalGet(local))
                .instruction(&I::I32Const(1))
                .instruction(&I::I32Add);
            f.instruction(&I::LocalSet(local));
        }
        for _ in 0..4_000 {
            f.instruction(&I::LocalGet(0))
                .instruction(&I::BrIf(0))
                .instruction(&I::End);
        }
    });
    bomb(
        "locals in nested loops",
        Refused("nested loops"),
        functions(0, 0, 1, &nested),
    )
}

pub fn locals_over_many_joins() -> Bomb {
    let joins = body(4_000, |f| {
        for round in 0..10_000 {
            f.instruction(&I::LocalGet(round % 4_000))
                .instruction(&I::If(BlockType::Empty));
            f.instruction(&I::I32Const(1))
                .instruction(&I::LocalSet((round * 7) % 4_000));
            f.instruction(&I::Else)
                .instruction(&I::Call(0))
                .instruction(&I::End);
        }
        for local in 0..4_000 {
            f.instruction(&I::LocalGet(local)).instruction(&I::Drop);
        }
    });
    bomb(
        "locals over many joins",
        Refused("values"),
        functions(0, 0, 1, &joins),
    )
}
