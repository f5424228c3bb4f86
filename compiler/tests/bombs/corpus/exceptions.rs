//! Handlers of exceptions: each call in a `try_table` has ways to all of them, with whatever is live there.

use crate::Bomb;
use crate::Verdict::{self, Compiles, Refused};

/// The module of a function's body in the text format, with two functions to call and `tags` tags.
fn guest(name: &'static str, verdict: Verdict, tags: usize, body: &str) -> Bomb {
    let tags = "(tag (param i32))".repeat(tags);
    let text = format!(
        r#"(module {tags} (import "env" "out" (func $out)) (func $in) (func $value (param i32) (result i32) (local.get 0)) (func {body}))"#
    );
    let wasm = lucetc::binary(text.as_bytes()).expect("text that the parser reads");
    Bomb {
        name,
        wasm: wasm.into_owned(),
        verdict,
    }
}

/// Ways to every handler from every call are as many as the square of the module's size.
pub fn handlers_around_calls() -> Bomb {
    let (mut open, mut close) = (String::new(), String::new());
    for tag in 0..2000 {
        open.push_str(&format!("block (result i32) try_table (catch {tag} 0)\n"));
        close.push_str("end unreachable end drop\n");
    }
    let calls = "call $in\n".repeat(10_000);
    let body = format!("{open} {calls} {close}");
    guest(
        "many handlers around many calls",
        Refused("values that a function"),
        2000,
        &body,
    )
}

pub fn handlers_of_one_table() -> Bomb {
    let clauses: String = (0..1000).map(|tag| format!("(catch {tag} 0)")).collect();
    let calls = "call $in\n".repeat(3000);
    let body = format!("block (result i32) try_table {clauses} {calls} end unreachable end drop");
    guest(
        "many clauses of one table",
        Refused("values that a function"),
        1000,
        &body,
    )
}

/// Handlers that are never reached, since those inside of them catch everything.
pub fn nested_tables() -> Bomb {
    let open = "block try_table (catch_all 0)\n".repeat(4900);
    let close = "end unreachable end\n".repeat(4900);
    let body = format!("{open} call $out {close}");
    guest("deep tables", Compiles, 0, &body)
}

pub fn tables_beyond_the_limit() -> Bomb {
    let open = "block try_table (catch_all 0)\n".repeat(6000);
    let close = "end unreachable end\n".repeat(6000);
    let body = format!("{open} call $out {close}");
    guest(
        "tables nested too deeply",
        Refused("nested blocks"),
        0,
        &body,
    )
}

/// Each call changes another local, and all of them are read by the handler.
fn locals_of_a_handler_of(verdict: Verdict, locals: usize) -> Bomb {
    let sets: String = (0..8000)
        .map(|call| format!("i32.const {call} call $value local.set {}\n", call % locals))
        .collect();
    let reads: String = (0..locals)
        .map(|local| format!("local.get {local} i32.add\n"))
        .collect();
    let declared = "i32 ".repeat(locals);
    let body = format!(
        "(local {declared}) block try_table (catch_all 0) {sets} end unreachable end i32.const 0 {reads} drop"
    );
    guest("locals that a handler reads", verdict, 0, &body)
}

pub fn some_locals_of_a_handler() -> Bomb {
    locals_of_a_handler_of(Compiles, 40)
}

pub fn many_locals_of_a_handler() -> Bomb {
    locals_of_a_handler_of(Refused("values that a function"), 1000)
}

pub fn many_tables() -> Bomb {
    let table = "block (result i32) try_table (catch 0 0) call $in call $out end i32.const 1 end call $value drop\n";
    guest("many tables", Compiles, 1, &table.repeat(8000))
}

/// A thousand values of each exception, in many handlers.
pub fn values_of_exceptions() -> Bomb {
    let types = "i64 ".repeat(900);
    let drops = "drop ".repeat(900);
    let table = format!(
        "block (result {types}) try_table (catch 0 0) call $in end unreachable end {drops}\n"
    );
    let text = format!(
        "(module (tag (param {types})) (func $in) (func {}))",
        table.repeat(100)
    );
    Bomb {
        name: "values of exceptions",
        wasm: lucetc::binary(text.as_bytes())
            .expect("text that the parser reads")
            .into_owned(),
        verdict: Compiles,
    }
}

pub fn many_throws() -> Bomb {
    let throws = "block i32.const 1 br_if 0 i32.const 7 throw 0 end\n".repeat(20_000);
    guest("many throws", Compiles, 1, &throws)
}

pub fn many_tags() -> Bomb {
    guest("many tags", Compiles, 400_000, "nop")
}

pub fn atomics() -> Bomb {
    let access = "i32.const 0 i32.const 1 i32.atomic.rmw.xor offset=0x80000000 drop i32.const 4 i64.const 1 i64.atomic.rmw8.and_u drop\n";
    let text = format!("(module (memory 1) (func {}))", access.repeat(12_000));
    Bomb {
        name: "many atomic operators",
        wasm: lucetc::binary(text.as_bytes())
            .expect("text that the parser reads")
            .into_owned(),
        verdict: Compiles,
    }
}
