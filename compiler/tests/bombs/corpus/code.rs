//! Long functions.

use super::build::{body, bomb, functions, place};
use crate::Bomb;
use crate::Verdict::Compiles;
use wasm_encoder::Instruction as I;

pub fn deep_operand_stack() -> Bomb {
    let deep = body(1, |f| {
        for _ in 0..80_000 {
            f.instruction(&I::I32Const(0));
            f.instruction(&I::I32Load(place(0)));
            f.instruction(&I::LocalTee(0))
                .instruction(&I::LocalGet(0))
                .instruction(&I::I32Mul);
        }
        for _ in 0..79_999 {
            f.instruction(&I::I32Xor);
        }
        f.instruction(&I::Drop);
    });
    bomb("deep operand stack", Compiles, functions(0, 0, 1, &deep))
}

pub fn long_sum() -> Bomb {
    let sum = body(1, |f| {
        f.instruction(&I::LocalGet(0));
        for _ in 0..150_000 {
            f.instruction(&I::LocalGet(0)).instruction(&I::I32Add);
        }
        f.instruction(&I::LocalSet(0));
    });
    bomb("long sum", Compiles, functions(0, 0, 1, &sum))
}

pub fn long_reassociable_chain() -> Bomb {
    let chain = body(1, |f| {
        f.instruction(&I::LocalGet(0));
        for number in 0..60_000 {
            f.instruction(&I::I32Const(number)).instruction(&I::I32Add);
            f.instruction(&I::LocalGet(0)).instruction(&I::I32Xor);
            f.instruction(&I::I32Const(number & 31))
                .instruction(&I::I32Shl);
            f.instruction(&I::I32Const(number & 31))
                .instruction(&I::I32ShrU);
        }
        f.instruction(&I::LocalSet(0));
    });
    bomb(
        "chain that can be rewritten",
        Compiles,
        functions(0, 0, 1, &chain),
    )
}

pub fn many_loads() -> Bomb {
    let loads = body(1, |f| {
        for number in 0..60_000u64 {
            let place = place(number * 7);
            f.instruction(&I::LocalGet(0))
                .instruction(&I::LocalGet(0))
                .instruction(&I::I32Load(place));
            f.instruction(&I::I32Store(place));
        }
    });
    bomb(
        "many loads and stores",
        Compiles,
        functions(0, 0, 1, &loads),
    )
}

pub fn many_vector_constants() -> Bomb {
    let vectors = body(0, |f| {
        f.instruction(&I::V128Const(0));
        for number in 0..30_000 {
            f.instruction(&I::V128Const(number * 0x1_0000_0001_0000_0001))
                .instruction(&I::I8x16Add);
        }
        f.instruction(&I::Drop);
    });
    bomb(
        "many vector constants",
        Compiles,
        functions(0, 0, 1, &vectors),
    )
}

pub fn many_shuffles() -> Bomb {
    let shuffles = body(1, |f| {
        f.instruction(&I::LocalGet(0)).instruction(&I::I8x16Splat);
        for number in 0..20_000u32 {
            f.instruction(&I::I32Const(number.cast_signed()))
                .instruction(&I::I8x16Splat);
            let lanes = std::array::from_fn(|lane| ((number as usize * 5 + lane * 11) % 32) as u8);
            f.instruction(&I::I8x16Shuffle(lanes));
        }
        f.instruction(&I::I8x16AllTrue).instruction(&I::LocalSet(0));
    });
    bomb("many shuffles", Compiles, functions(0, 0, 1, &shuffles))
}
