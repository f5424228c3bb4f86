//! What modules are made of.

use crate::{Bomb, Verdict};
use wasm_encoder::{
    CodeSection, Function, FunctionSection, Instruction as I, MemArg, MemArgTarget, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};

pub fn bomb(name: &'static str, verdict: Verdict, module: Module) -> Bomb {
    Bomb {
        name,
        wasm: module.finish(),
        verdict,
    }
}

/// A module of functions of one type, with this body each.
pub fn functions(parameters: usize, results: usize, count: usize, body: &Function) -> Module {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types
        .ty()
        .function(vec![ValType::I32; parameters], vec![ValType::I32; results]);
    types.ty().function([], []);
    module.section(&types);
    let mut declared = FunctionSection::new();
    let mut code = CodeSection::new();
    for _ in 0..count {
        declared.function(0);
        code.function(body);
    }
    module.section(&declared);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    module.section(&code);
    module
}

/// A body with so many i32 locals.
pub fn body(locals: u32, fill: impl FnOnce(&mut Function)) -> Function {
    let mut function = Function::new([(locals, ValType::I32)]);
    fill(&mut function);
    function.instruction(&I::End);
    function
}

/// An access to memory at this offset.
pub fn place(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

/// A module in text format, without the parentheses around it.
pub fn text(name: &'static str, verdict: Verdict, fields: &str) -> Bomb {
    let wasm = lucetc::binary(format!("(module {fields})").as_bytes())
        .expect("text that the parser reads")
        .into_owned();
    Bomb {
        name,
        wasm,
        verdict,
    }
}
