//! Modules with much of everything but code.

use super::build::{body, bomb, functions};
use crate::Bomb;
use crate::Verdict::{Compiles, Refused};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataSection, ElementSection, Elements, EntityType,
    ExportKind, ExportSection, FunctionSection, GlobalSection, GlobalType, ImportSection,
    Instruction as I, MemorySection, MemoryType, Module, RefType, TableSection, TableType,
    TypeSection, ValType,
};

pub fn many_types() -> Bomb {
    let mut types = TypeSection::new();
    for _ in 0..1_000_000 {
        types.ty().function([], []);
    }
    let mut module = Module::new();
    module.section(&types);
    bomb("many types", Refused("types"), module)
}

pub fn many_functions() -> Bomb {
    bomb(
        "many functions",
        Refused("functions"),
        functions(0, 0, 500_000, &body(0, |_| {})),
    )
}

pub fn some_functions() -> Bomb {
    bomb(
        "some functions",
        Compiles,
        functions(0, 0, 20_000, &body(0, |_| {})),
    )
}

pub fn functions_with_many_parameters() -> Bomb {
    let unreachable = body(0, |f| {
        f.instruction(&I::Unreachable);
    });
    bomb(
        "functions with many parameters",
        Refused("parameters and results"),
        functions(1000, 1000, 50_000, &unreachable),
    )
}

pub fn many_imports_with_many_parameters() -> Bomb {
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

pub fn globals(count: usize) -> Module {
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

pub fn many_globals() -> Bomb {
    bomb("many globals", Refused("globals"), globals(900_000))
}

pub fn some_globals() -> Bomb {
    bomb("some globals", Compiles, globals(60_000))
}

pub fn data(count: usize, bytes: usize, pages: u64) -> Module {
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

pub fn many_data_segments() -> Bomb {
    bomb(
        "many overlapping data segments",
        Compiles,
        data(90_000, 100, 2),
    )
}

pub fn many_data_bytes() -> Bomb {
    bomb(
        "many data bytes",
        Refused("bytes of data"),
        data(3, 25 << 20, 2000),
    )
}

pub fn data_near_the_limit() -> Bomb {
    bomb("data near the limit", Compiles, data(1, 60 << 20, 2000))
}

pub fn large_module() -> Bomb {
    let mut module = Module::new();
    let data = vec![0; 130 << 20];
    module.section(&CustomSection {
        name: "padding".into(),
        data: data.into(),
    });
    bomb("large module", Refused("bytes of the module"), module)
}

pub fn many_element_items() -> Bomb {
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

pub fn many_exports() -> Bomb {
    let names = (0..500_000).map(|index| index.to_string());
    bomb("many exports", Refused("exports"), exporting(names))
}

/// A module that exports its one function under these names.
fn exporting(names: impl Iterator<Item = String>) -> Module {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let mut declared = FunctionSection::new();
    declared.function(0);
    module.section(&declared);
    let mut exports = ExportSection::new();
    for name in names {
        exports.export(&name, ExportKind::Func, 0);
    }
    module.section(&exports);
    let mut code = CodeSection::new();
    code.function(&body(0, |_| {}));
    module.section(&code);
    module
}

pub fn long_constant_expressions() -> Bomb {
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

/// Names of exports, which are kept in several places.
pub fn long_names() -> Bomb {
    let names = (0..150_000).map(|index| format!("{index:08}").repeat(50));
    bomb("long names", Refused("bytes of names"), exporting(names))
}

/// Long names of many functions, for people: what is long is cut.
pub fn names_of_functions() -> Bomb {
    let names: String = (0..50_000)
        .map(|number| format!("(func $\"{number}{}\")", "y".repeat(300)))
        .collect();
    super::build::text("long names of functions", Compiles, &names)
}
