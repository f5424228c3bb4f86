//! Types of a thousand values.

use super::build::{body, bomb, functions};
use super::control::table_of;
use crate::Bomb;
use crate::Verdict::{Compiles, Refused};
use wasm_encoder::{BlockType, Function, Instruction as I};

/// 1000 operands.
pub fn thousand(f: &mut Function) {
    for number in 0..1000 {
        f.instruction(&I::I32Const(number));
    }
}

pub fn branch_table_with_values() -> Bomb {
    // Results alone: every target takes all of them along.
    let branching = body(0, |f| {
        for _ in 0..900 {
            f.instruction(&I::Block(BlockType::FunctionType(0)));
        }
        for depth in (1..=900).rev() {
            f.instruction(&I::I32Const(0))
                .instruction(&table_of(900, depth));
            f.instruction(&I::End);
        }
    });
    bomb(
        "branch tables with values",
        Refused("values"),
        functions(1000, 1000, 1, &with_parameters(&branching)),
    )
}

/// The body of a function with 1000 parameters, which it pushes first.
pub fn with_parameters(rest: &Function) -> Function {
    let mut raw = Vec::new();
    for parameter in 0..1000u32 {
        raw.push(0x20);
        raw.extend(leb(parameter));
    }
    let mut function = Function::new([]);
    // What follows the (empty) list of locals.
    raw.extend_from_slice(&rest.clone().into_raw_body()[LOCALS_BYTES..]);
    function.raw(raw);
    function
}

pub fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Bytes of the list of locals of a body that `body` has made without locals: one group of none.
const LOCALS_BYTES: usize = 3;

pub fn branches_with_values() -> Bomb {
    let branching = body(0, |f| {
        for _ in 0..50_000 {
            f.instruction(&I::I32Const(0)).instruction(&I::BrIf(0));
        }
    });
    bomb(
        "branches with values",
        Refused("values"),
        functions(1000, 1000, 1, &with_parameters(&branching)),
    )
}

pub fn blocks_with_values() -> Bomb {
    let blocks = body(0, |f| {
        for _ in 0..50_000 {
            f.instruction(&I::Loop(BlockType::FunctionType(0)))
                .instruction(&I::End);
        }
    });
    bomb(
        "blocks with values",
        Refused("values"),
        functions(1000, 1000, 1, &with_parameters(&blocks)),
    )
}

pub fn calls_with_values() -> Bomb {
    let calls = body(0, |f| {
        for _ in 0..50_000 {
            f.instruction(&I::Call(0));
        }
    });
    bomb(
        "calls with values",
        Refused("instructions that a function becomes"),
        functions(1000, 1000, 1, &with_parameters(&calls)),
    )
}

pub fn returns_with_values() -> Bomb {
    let returns = body(0, |f| {
        for _ in 0..250 {
            f.instruction(&I::I32Const(0))
                .instruction(&I::If(BlockType::Empty));
            thousand(f);
            f.instruction(&I::Return).instruction(&I::End);
        }
        thousand(f);
    });
    bomb(
        "returns with values",
        Compiles,
        functions(0, 1000, 1, &returns),
    )
}

pub fn tail_calls_with_values() -> Bomb {
    let calls = body(0, |f| {
        for _ in 0..300 {
            f.instruction(&I::I32Const(0))
                .instruction(&I::If(BlockType::Empty));
            thousand(f);
            f.instruction(&I::ReturnCall(0)).instruction(&I::End);
        }
        thousand(f);
    });
    bomb(
        "tail calls with values",
        Compiles,
        functions(1000, 1000, 1, &calls),
    )
}
