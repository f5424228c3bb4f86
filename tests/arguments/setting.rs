//! Guests that call the functions of [`crate::functions`], their bindings, and a linker that offers them.

use crate::described::Parameter;
use crate::functions::FUNCTIONS;
use crate::support::{self, Guest, region, sentence, small};
use lucet::checks::Plan;
use lucet::counted::Counted;
use lucet::linker::{Definition, Linker};
use lucet::module::{Module, load};
use lucetc::options::Options;

pub const MODULE: &str = "test";

pub const PAGE: u32 = 65536;

pub fn linker(poison: bool) -> Linker {
    let mut linker = Linker::new().expect("a linker");
    if poison {
        linker.poison_views();
    }
    for function in FUNCTIONS {
        let answer = function.answer.map(i64::cast_unsigned);
        let plan = Plan::new(function.entry, function.types(), &function.checks(), answer);
        let plan = Counted::new(plan.unwrap_or_else(|_| panic!("{}", sentence()))).expect("memory");
        let definition = Definition::Checked {
            plan,
            leaf: false,
            data: std::ptr::null_mut(),
        };
        linker
            .define(MODULE.as_bytes(), function.name.as_bytes(), definition)
            .unwrap_or_else(|_| panic!("{}", sentence()));
    }
    linker
}

pub fn bindings(stricter: bool) -> lucetc::bindings::Bindings {
    let mut text = format!("package a:b;\n/// @lucet module {MODULE}\ninterface i {{\n");
    text += "resource thing {}\nenum five {a, b, c, d, e}\nflags three {a, b, c}\nrecord item {a: u32, b: u16, c: f32}\nrecord big {a: u64, b: f64}\n";
    for function in FUNCTIONS.iter().filter(|function| !function.wit.is_empty()) {
        if let Some(answer) = function.answer {
            text += &format!("/// @lucet on-failure {answer}\n");
        }
        text += function.wit;
        text += "\n";
    }
    text += "}\n";
    if stricter {
        text = text.replace("max 64", "max 63");
    }
    lucetc::bindings::read("test.wit", &text).expect("good bindings")
}

/// A guest that passes the low halves of its arguments on, whose registers' high halves stay what they are, and whose memory is full of
/// `content`. `all`: also to functions that bindings do not have.
pub fn wat(content: &[u8], all: bool) -> String {
    let mut imports = String::new();
    let mut functions = String::new();
    let mut elements = String::new();
    for function in FUNCTIONS
        .iter()
        .filter(|function| all || !function.wit.is_empty())
    {
        let (name, core) = (function.name, function.core());
        imports += &format!("(import \"{MODULE}\" \"{name}\" (func ${name} {core}))\n");
        let words = function
            .parameters
            .iter()
            .map(Parameter::words)
            .sum::<usize>();
        let arguments: String = (0..words)
            .map(|index| format!("(i32.wrap_i64 (local.get {index}))"))
            .collect();
        let wide = core.replacen(&"i32 ".repeat(words), &"i64 ".repeat(words), 1);
        functions += &format!("(func (export \"{name}\") {wide} (call ${name} {arguments}))\n");
        elements += &format!("${name} ");
    }
    let data: String = content.iter().map(|byte| format!("\\{byte:02x}")).collect();
    // A table makes wrappers of the imports, which check as calls do.
    format!(
        "(module {imports} (memory 1) (data (i32.const 0) \"{data}\") (table funcref (elem {elements}))\n{functions})"
    )
}

pub fn guest(content: &[u8], inline: bool, poison: bool) -> Guest {
    let options = Options {
        verify: true,
        bindings: inline.then(|| bindings(false)),
        ..Options::default()
    };
    let text = wat(content, !inline);
    let compiled = lucetc::compile_module(text.as_bytes(), &options).expect("a good module");
    let code = load::bytes(&compiled).unwrap_or_else(|_| panic!("{}", sentence()));
    let module = Module::link(&code, &linker(poison), &mut |_| {});
    let module = module.unwrap_or_else(|_| panic!("{}", sentence()));
    let region = region(&small());
    let handle = support::create(&region, &module);
    Guest {
        region,
        module,
        handle,
    }
}
