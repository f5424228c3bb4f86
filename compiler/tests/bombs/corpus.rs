//! The modules.

use super::Bomb;
use super::Verdict::{self, Compiles, Refused};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, CustomSection, DataSection, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
    ImportSection, Instruction as I, MemArg, MemArgTarget, MemorySection, MemoryType, Module,
    RefType, TableSection, TableType, TypeSection, ValType,
};

/// Every module.
pub const ALL: [fn() -> Bomb; 41] = [
    many_types,
    many_functions,
    some_functions,
    functions_with_many_parameters,
    many_imports_with_many_parameters,
    many_globals,
    some_globals,
    many_data_segments,
    many_data_bytes,
    data_near_the_limit,
    large_module,
    many_element_items,
    many_exports,
    declared_locals,
    declared_locals_of_many_functions,
    too_many_locals,
    large_body,
    live_locals_in_loop,
    live_locals_in_loops,
    live_locals_across_calls,
    locals_in_nested_loops,
    locals_over_many_joins,
    deep_blocks,
    blocks_at_the_limit,
    deep_loops,
    deep_ifs,
    long_branch_table,
    many_branch_tables,
    branch_table_with_values,
    branches_with_values,
    blocks_with_values,
    calls_with_values,
    returns_with_values,
    tail_calls_with_values,
    deep_operand_stack,
    long_sum,
    long_reassociable_chain,
    many_loads,
    many_vector_constants,
    many_shuffles,
    long_constant_expressions,
];

fn bomb(name: &'static str, verdict: Verdict, module: Module) -> Bomb {
    Bomb {
        name,
        wasm: module.finish(),
        verdict,
    }
}

/// A module of functions of one type, with this body each.
fn functions(parameters: usize, results: usize, count: usize, body: &Function) -> Module {
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
fn body(locals: u32, fill: impl FnOnce(&mut Function)) -> Function {
    let mut function = Function::new([(locals, ValType::I32)]);
    fill(&mut function);
    function.instruction(&I::End);
    function
}

/// An access to memory at this offset.
fn place(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

fn many_types() -> Bomb {
    let mut types = TypeSection::new();
    for _ in 0..1_000_000 {
        types.ty().function([], []);
    }
    let mut module = Module::new();
    module.section(&types);
    bomb("many types", Refused("types"), module)
}

fn many_functions() -> Bomb {
    bomb(
        "many functions",
        Refused("functions"),
        functions(0, 0, 500_000, &body(0, |_| {})),
    )
}

fn some_functions() -> Bomb {
    bomb(
        "some functions",
        Compiles,
        functions(0, 0, 20_000, &body(0, |_| {})),
    )
}

fn functions_with_many_parameters() -> Bomb {
    let unreachable = body(0, |f| {
        f.instruction(&I::Unreachable);
    });
    bomb(
        "functions with many parameters",
        Refused("parameters and results"),
        functions(1000, 1000, 50_000, &unreachable),
    )
}

fn many_imports_with_many_parameters() -> Bomb {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types
        .ty()
        .function(vec![ValType::F64; 1000], vec![ValType::I64; 1000]);
    module.section(&types);
    let mut imports = ImportSection::new();
    for _ in 0..50_000 {
        imports.import("", "", EntityType::Function(0));
    }
    module.section(&imports);
    bomb(
        "imports with many parameters",
        Refused("effective type size"),
        module,
    )
}

fn globals(count: usize) -> Module {
    let mut globals = GlobalSection::new();
    let kind = GlobalType {
        val_type: ValType::I32,
        mutable: true,
        shared: false,
    };
    for _ in 0..count {
        globals.global(kind, &ConstExpr::i32_const(1));
    }
    let mut module = Module::new();
    module.section(&globals);
    module
}

fn many_globals() -> Bomb {
    bomb("many globals", Refused("globals"), globals(900_000))
}

fn some_globals() -> Bomb {
    bomb("some globals", Compiles, globals(60_000))
}

fn data(count: usize, bytes: usize, pages: u64) -> Module {
    let mut module = Module::new();
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    let mut data = DataSection::new();
    for index in 0..count {
        let place = (index * 40_503) as i32 & 0xffff;
        data.active(
            0,
            &ConstExpr::i32_const(place),
            vec![index as u8 | 1; bytes],
        );
    }
    module.section(&data);
    module
}

fn many_data_segments() -> Bomb {
    bomb(
        "many overlapping data segments",
        Compiles,
        data(90_000, 100, 2),
    )
}

fn many_data_bytes() -> Bomb {
    bomb(
        "many data bytes",
        Refused("bytes of data"),
        data(3, 25 << 20, 2000),
    )
}

fn data_near_the_limit() -> Bomb {
    bomb("data near the limit", Compiles, data(1, 60 << 20, 2000))
}

fn large_module() -> Bomb {
    let mut module = Module::new();
    let data = vec![0; 130 << 20];
    module.section(&CustomSection {
        name: "padding".into(),
        data: data.into(),
    });
    bomb("large module", Refused("bytes of the module"), module)
}

fn many_element_items() -> Bomb {
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 1,
        maximum: None,
        shared: false,
    });
    let mut elements = ElementSection::new();
    for _ in 0..30 {
        elements.passive(Elements::Functions(vec![0; 1_000_000].into()));
    }
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let mut declared = FunctionSection::new();
    declared.function(0);
    module.section(&declared);
    module.section(&tables);
    module.section(&elements);
    let mut code = CodeSection::new();
    code.function(&body(0, |_| {}));
    module.section(&code);
    bomb(
        "many element items",
        Refused("items of element segments"),
        module,
    )
}

fn many_exports() -> Bomb {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let mut declared = FunctionSection::new();
    declared.function(0);
    module.section(&declared);
    let mut exports = ExportSection::new();
    for index in 0..500_000 {
        exports.export(&index.to_string(), ExportKind::Func, 0);
    }
    module.section(&exports);
    let mut code = CodeSection::new();
    code.function(&body(0, |_| {}));
    module.section(&code);
    bomb("many exports", Refused("exports"), module)
}

fn declared_locals() -> Bomb {
    bomb(
        "declared locals",
        Compiles,
        functions(0, 0, 1, &body(20_000, |_| {})),
    )
}

fn declared_locals_of_many_functions() -> Bomb {
    bomb(
        "declared locals of many functions",
        Compiles,
        functions(0, 0, 10_000, &body(20_000, |_| {})),
    )
}

fn too_many_locals() -> Bomb {
    bomb(
        "too many locals",
        Refused("locals"),
        functions(0, 0, 1, &body(49_000, |_| {})),
    )
}

fn large_body() -> Bomb {
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
fn loop_over_locals(f: &mut Function, locals: u32) {
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

fn live_locals_in_loop() -> Bomb {
    let looping = body(19_000, |f| loop_over_locals(f, 19_000));
    bomb(
        "live locals in a loop",
        Compiles,
        functions(0, 0, 2, &looping),
    )
}

fn live_locals_in_loops() -> Bomb {
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

fn live_locals_across_calls() -> Bomb {
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

fn locals_in_nested_loops() -> Bomb {
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
        Refused("values"),
        functions(0, 0, 1, &nested),
    )
}

fn locals_over_many_joins() -> Bomb {
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

fn nested(depth: usize, open: impl Fn(&mut Function)) -> Module {
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

fn deep_blocks() -> Bomb {
    let module = nested(100_000, |f| {
        f.instruction(&I::Block(BlockType::Empty));
    });
    bomb("deep blocks", Refused("nested blocks"), module)
}

fn blocks_at_the_limit() -> Bomb {
    let module = nested(10_000, |f| {
        f.instruction(&I::Block(BlockType::Empty))
            .instruction(&I::LocalGet(0))
            .instruction(&I::BrIf(0));
    });
    bomb("blocks at the limit", Compiles, module)
}

fn deep_loops() -> Bomb {
    let module = nested(5_000, |f| {
        f.instruction(&I::Loop(BlockType::Empty))
            .instruction(&I::LocalGet(0))
            .instruction(&I::BrIf(0));
    });
    bomb("deep loops", Compiles, module)
}

fn deep_ifs() -> Bomb {
    let module = nested(5_000, |f| {
        f.instruction(&I::LocalGet(0))
            .instruction(&I::If(BlockType::Empty));
    });
    bomb("deep ifs", Compiles, module)
}

fn table_of(targets: usize, depth: u32) -> I<'static> {
    let targets: Vec<u32> = (0..targets as u32).map(|index| index % depth).collect();
    I::BrTable(targets.into(), 0)
}

fn long_branch_table() -> Bomb {
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

fn many_branch_tables() -> Bomb {
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

/// 1000 operands.
fn thousand(f: &mut Function) {
    for number in 0..1000 {
        f.instruction(&I::I32Const(number));
    }
}

fn branch_table_with_values() -> Bomb {
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
fn with_parameters(rest: &Function) -> Function {
    let mut raw = Vec::new();
    for parameter in 0..1000u32 {
        raw.push(0x20);
        raw.extend(leb(parameter));
    }
    let mut function = Function::new([]);
    // What follows the (empty) list of locals.
    raw.extend_from_slice(&rest.clone().into_raw_body()[leb_locals(rest)..]);
    function.raw(raw);
    function
}

fn leb(mut number: u32) -> Vec<u8> {
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

/// Bytes of the list of locals of a body made by [`body`] without locals: one group of none.
fn leb_locals(_: &Function) -> usize {
    3
}

fn branches_with_values() -> Bomb {
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

fn blocks_with_values() -> Bomb {
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

fn calls_with_values() -> Bomb {
    let calls = body(0, |f| {
        for _ in 0..50_000 {
            f.instruction(&I::Call(0));
        }
    });
    bomb(
        "calls with values",
        Refused("values"),
        functions(1000, 1000, 1, &with_parameters(&calls)),
    )
}

fn returns_with_values() -> Bomb {
    let returns = body(0, |f| {
        for _ in 0..1_000 {
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

fn tail_calls_with_values() -> Bomb {
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

fn deep_operand_stack() -> Bomb {
    let deep = body(1, |f| {
        for _ in 0..100_000 {
            f.instruction(&I::I32Const(0));
            f.instruction(&I::I32Load(place(0)));
            f.instruction(&I::LocalTee(0))
                .instruction(&I::LocalGet(0))
                .instruction(&I::I32Mul);
        }
        for _ in 0..99_999 {
            f.instruction(&I::I32Xor);
        }
        f.instruction(&I::Drop);
    });
    bomb("deep operand stack", Compiles, functions(0, 0, 1, &deep))
}

fn long_sum() -> Bomb {
    let sum = body(1, |f| {
        f.instruction(&I::LocalGet(0));
        for _ in 0..150_000 {
            f.instruction(&I::LocalGet(0)).instruction(&I::I32Add);
        }
        f.instruction(&I::LocalSet(0));
    });
    bomb("long sum", Compiles, functions(0, 0, 1, &sum))
}

fn long_reassociable_chain() -> Bomb {
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

fn many_loads() -> Bomb {
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

fn many_vector_constants() -> Bomb {
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

fn many_shuffles() -> Bomb {
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

fn long_constant_expressions() -> Bomb {
    let mut module = Module::new();
    let mut imports = ImportSection::new();
    let kind = GlobalType {
        val_type: ValType::I32,
        mutable: false,
        shared: false,
    };
    imports.import("", "", EntityType::Global(kind));
    module.section(&imports);
    let mut globals = GlobalSection::new();
    for _ in 0..100 {
        let mut expression = ConstExpr::global_get(0);
        for _ in 0..10_000 {
            expression = expression.with_global_get(0).with_i32_add();
        }
        globals.global(kind, &expression);
    }
    module.section(&globals);
    bomb(
        "long constant expressions",
        Refused("instructions of constant expressions"),
        module,
    )
}
