//! Host functions that throw, and callbacks that exceptions end; how tags are linked.

use crate::support::{Guest, i32, i64, sentence, small};
use crate::{results, trap};
use lucet::abi::{
    LUCET_RETURNED, LUCET_SUSPENDED, LUCET_TERMINATED, lucet_call, lucet_outcome, lucet_value,
};
use lucet::call::{self, throw};
use lucet::counted::Counted;
use lucet::error::Status;
use lucet::exception::HostTag;
use lucet::instance;
use lucet::instance::uncaught::uncaught;
use lucet::linker::{Definition, DynamicData, Linker};
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use std::ffi::c_void;

/// What the host functions of [`HOSTED`] are told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Return,
    Throw,
    ThrowExported,
    ThrowTwice,
    ThrowAndTerminate,
    ThrowAndSuspend,
    ThrowForeign,
    ThrowWrongly,
    CallBack,
    CallBackAndKeep,
    CallBackAndRethrow,
    Suspend,
}

struct Desk {
    order: Order,
    tag: Counted<HostTag>,
    foreign: Counted<HostTag>,
    status: Option<Status>,
    sentence: String,
}

/// The data of the definitions.
unsafe fn desk<'a>(call: *const lucet_call) -> &'a mut Desk {
    // SAFETY: every definition has a desk as data, which only one test uses.
    unsafe { &mut *call::data(call).expect("a call").cast::<Desk>() }
}

fn obey(call: *mut lucet_call, argument: i32) {
    // SAFETY: as `desk` says.
    let desk = unsafe { desk(call) };
    let values = [i32(argument), i64(-1)];
    let throw = |values: &[lucet_value]| throw::throw(call, Counted::as_ptr(&desk.tag), values);
    let run = || {
        let outcome = call::run(call, b"inner", &[i32(argument)]).expect("a callback");
        assert_eq!(trap(&outcome), Some(TrapCode::Exception));
        assert!(call::run(call, b"inner", &[i32(argument)]).is_err());
    };
    let done = match desk.order {
        Order::Return => Ok(()),
        Order::Throw => throw(&values),
        Order::ThrowExported => throw::throw_export(call, b"own", &[i32(argument)]),
        Order::ThrowTwice => throw(&values).and_then(|()| throw(&values)),
        Order::ThrowAndTerminate => throw(&values).and_then(|()| call::terminate(call, 1, 5)),
        Order::ThrowAndSuspend => throw(&values).and_then(|()| call::suspend(call, 5)),
        Order::ThrowForeign => throw::throw(call, Counted::as_ptr(&desk.foreign), &values),
        Order::ThrowWrongly => throw(&values[..1]),
        Order::CallBack => {
            run();
            throw::rethrow(call).expect("once");
            throw::rethrow(call)
        }
        Order::CallBackAndKeep => {
            run();
            let handle = call::instance(call).expect("a call");
            // Of two imports of one tag it is the first.
            assert_eq!(uncaught(handle).expect("an exception").index, 0);
            instance::keep(handle)
        }
        Order::CallBackAndRethrow => {
            run();
            throw::rethrow(call)
        }
        Order::Suspend => call::suspend(call, 9),
    };
    desk.status = done.err().map(|error| error.status);
    desk.sentence = sentence();
}

unsafe extern "C" fn typed(call: *mut lucet_call, argument: i32) -> i32 {
    obey(call, argument);
    argument + 1
}

unsafe extern "C" fn leaf(call: *mut lucet_call, argument: i32) -> i32 {
    // SAFETY: as `desk` says.
    let desk = unsafe { desk(call) };
    let done = throw::throw(call, Counted::as_ptr(&desk.tag), &[i32(argument), i64(0)]);
    desk.status = done.err().map(|error| error.status);
    argument
}

unsafe extern "C" fn dynamic(
    call: *mut lucet_call,
    _: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: the type has twenty parameters, and two results.
    let (last, results) = unsafe {
        (
            *arguments.add(19),
            std::slice::from_raw_parts_mut(results, 2),
        )
    };
    obey(call, last.bits() as i32);
    results[0] = i64(last.bits() as i64 + 1);
    results[1] = i64(7);
}

/// Functions of the host called in and outside of a `try_table`, in registers and with arguments on the stack.
fn hosted() -> String {
    let many = "i32 ".repeat(19) + "i64";
    let zeros = "(i32.const 0)".repeat(19);
    format!(
        r#"(module
            (import "env" "tag" (tag $host (param i32 i64)))
            (import "env" "tag" (tag $alias (param i32 i64)))
            (import "env" "typed" (func $typed (param i32) (result i32)))
            (import "env" "leaf" (func $leaf (param i32) (result i32)))
            (import "env" "dynamic" (func $dynamic (param {many}) (result i64 i64)))
            (tag $own (export "own") (param i32))
            (func (export "inner") (param i32) (throw $alias (local.get 0) (i64.const 6)))
            (func (export "outside") (param i32) (result i32) (call $typed (local.get 0)))
            (func $between (param i32) (result i32) (i32.mul (call $typed (local.get 0)) (i32.const 10)))
            (func (export "leaf") (param i32) (result i32)
                (block $caught (try_table (catch_all $caught) (return (call $leaf (local.get 0)))))
                (i32.const -1))
            (func (export "typed") (param i32) (result i32) (local i64)
                (block $own (result i32)
                    (block $host (result i32 i64)
                        (try_table (catch $alias $host) (catch $own $own) (return (call $typed (local.get 0))))
                        (unreachable))
                    (local.set 1)
                    (return (i32.add (i32.const 1000) (i32.add (i32.wrap_i64 (local.get 1))))))
                (return (i32.add (i32.const 2000))))
            (func (export "between") (param i32) (result i32) (local i64)
                (block $own (result i32)
                    (block $host (result i32 i64)
                        (try_table (catch $alias $host) (catch $own $own) (return (call $between (local.get 0))))
                        (unreachable))
                    (local.set 1)
                    (return (i32.add (i32.const 1000) (i32.add (i32.wrap_i64 (local.get 1))))))
                (return (i32.add (i32.const 2000))))
            (func (export "dynamic") (param i32) (result i32) (local i64)
                (block $own (result i32)
                    (block $host (result i32 i64)
                        (try_table (catch $alias $host) (catch $own $own)
                            (call $dynamic {zeros} (i64.extend_i32_s (local.get 0)))
                            (drop)
                            (return (i32.wrap_i64)))
                        (unreachable))
                    (local.set 1)
                    (return (i32.add (i32.const 1000) (i32.add (i32.wrap_i64 (local.get 1))))))
                (return (i32.add (i32.const 2000))))
            (func (export "tail") (param i32) (result i32)
                (block $caught (try_table (catch_all $caught) (return_call $typed (local.get 0))))
                (i32.const -1)))"#
    )
}

struct Hosted {
    guest: Guest,
    desk: Box<Desk>,
}

impl Hosted {
    fn new() -> Hosted {
        let parameters = [ValueType::I32, ValueType::I64];
        let tag = || HostTag::new(&parameters).expect("memory");
        let mut desk = Box::new(Desk {
            order: Order::Return,
            tag: tag(),
            foreign: tag(),
            status: None,
            sentence: String::new(),
        });
        let data: *mut c_void = (&raw mut *desk).cast();
        let mut linker = Linker::new().expect("a linker");
        let mut define =
            |name: &[u8], definition| linker.define(b"env", name, definition).expect("new");
        let types = 0x11;
        for (name, function, leaf) in [
            (b"typed".as_slice(), typed as *const (), false),
            (b"leaf", leaf as *const (), true),
        ] {
            define(
                name,
                Definition::Typed {
                    function,
                    types,
                    leaf,
                    data,
                },
            );
        }
        let mut many = vec![ValueType::I32; 19];
        many.push(ValueType::I64);
        let owned = DynamicData::new(data, None).expect("memory");
        let two = [ValueType::I64; 2];
        define(
            b"dynamic",
            Definition::dynamic(&many, &two, dynamic, owned).expect("memory"),
        );
        define(b"tag", Definition::Tag(desk.tag.clone()));
        let guest = Guest::linked(&hosted(), &linker, &small());
        Hosted { guest, desk }
    }

    fn run(&mut self, name: &str, order: Order, argument: i32) -> lucet_outcome {
        self.desk.order = order;
        self.guest.run(name, &[i32(argument)])
    }

    fn returns(&mut self, name: &str, order: Order, argument: i32) -> i32 {
        let outcome = self.run(name, order, argument);
        assert_eq!(
            outcome.kind,
            LUCET_RETURNED,
            "{name} {order:?}: {}",
            self.guest.describe()
        );
        results(&outcome)[0].bits() as i32
    }
}

#[test]
fn host_functions_throw_into_the_handlers_of_their_callers() {
    let mut hosted = Hosted::new();
    for round in 0..3 {
        for (name, factor) in [("typed", 1), ("between", 10), ("dynamic", 1)] {
            assert_eq!(
                hosted.returns(name, Order::Return, round),
                (round + 1) * factor
            );
            assert_eq!(hosted.returns(name, Order::Throw, round), 1000 + round - 1);
            assert_eq!(hosted.desk.status, None, "{}", hosted.desk.sentence);
            assert_eq!(
                hosted.returns(name, Order::ThrowExported, round),
                2000 + round
            );
        }
    }
}

#[test]
fn what_a_host_function_may_not_do_around_a_throw_is_a_status() {
    let mut hosted = Hosted::new();
    assert_eq!(hosted.returns("typed", Order::ThrowTwice, 1), 1000);
    assert_eq!(hosted.desk.status, Some(Status::BadState));
    assert_eq!(hosted.returns("typed", Order::ThrowAndSuspend, 1), 1000);
    assert_eq!(hosted.desk.status, Some(Status::BadState));
    assert_eq!(hosted.returns("typed", Order::ThrowForeign, 1), 2);
    assert_eq!(hosted.desk.status, Some(Status::BadArgument));
    assert_eq!(hosted.returns("typed", Order::ThrowWrongly, 1), 2);
    assert_eq!(hosted.desk.status, Some(Status::TypeMismatch));
    assert_eq!(hosted.returns("leaf", Order::Return, 3), 3);
    assert_eq!(hosted.desk.status, Some(Status::BadState));
    // Ending the guest comes first, and nothing of the exception is left behind it.
    let outcome = hosted.run("typed", Order::ThrowAndTerminate, 1);
    assert_eq!((outcome.kind, outcome.token), (LUCET_TERMINATED, 5));
    instance::keep(hosted.guest.handle).expect("it was stopped");
    assert_eq!(hosted.returns("typed", Order::Throw, 1), 1000);
    assert_eq!(hosted.desk.status, None);
}

#[test]
fn what_no_caller_of_a_host_function_catches_ends_the_guest_there() {
    let mut hosted = Hosted::new();
    for name in ["outside", "tail"] {
        let outcome = hosted.run(name, Order::Throw, 4);
        assert_eq!(trap(&outcome), Some(TrapCode::Exception), "{name}");
        let found = uncaught(hosted.guest.handle).expect("an exception");
        let tag: *const HostTag = found.host_tag.expect("the host's tag");
        assert!(std::ptr::eq(tag, Counted::as_ptr(&hosted.desk.tag)));
        assert_eq!((found.name, found.values.1), (Some("tag"), 2));
        let line = hosted.guest.describe();
        assert!(
            line.starts_with(
                "trapped: uncaught exception \"tag\" in host function \"env\" \"typed\""
            ),
            "{line}"
        );
        hosted.guest.reset();
    }
    assert_eq!(hosted.returns("tail", Order::Return, 4), 5);
}

#[test]
fn an_exception_ends_a_callback_and_crosses_only_when_the_host_throws_it_again() {
    let mut hosted = Hosted::new();
    for name in ["typed", "dynamic", "between"] {
        assert_eq!(
            hosted.returns(name, Order::CallBackAndRethrow, 3),
            1000 + 3 + 6,
            "{name}"
        );
        assert_eq!(hosted.desk.status, None, "{}", hosted.desk.sentence);
        let factor = if name == "between" { 10 } else { 1 };
        assert_eq!(
            hosted.returns(name, Order::CallBackAndKeep, 3),
            4 * factor,
            "{name}"
        );
        assert_eq!(
            hosted.returns(name, Order::CallBack, 3),
            1000 + 3 + 6,
            "{name}"
        );
        assert_eq!(hosted.desk.status, Some(Status::BadState));
    }
    let outcome = hosted.run("outside", Order::CallBackAndRethrow, 3);
    assert_eq!(trap(&outcome), Some(TrapCode::Exception));
    assert_eq!(
        uncaught(hosted.guest.handle)
            .expect("an exception")
            .values
            .1,
        2
    );
}

#[test]
fn a_guest_that_was_suspended_among_handlers_goes_on_among_them() {
    let mut hosted = Hosted::new();
    for name in ["typed", "between"] {
        let outcome = hosted.run(name, Order::Suspend, 3);
        assert_eq!((outcome.kind, outcome.token), (LUCET_SUSPENDED, 9));
        let outcome = instance::resume(hosted.guest.handle, &[i32(6)]).expect("it waits");
        let factor = if name == "between" { 10 } else { 1 };
        assert_eq!(results(&outcome)[0].bits(), 6 * factor);
        assert_eq!(hosted.returns(name, Order::Throw, 3), 1000 + 2);
    }
}

#[test]
fn tags_are_linked_by_type_and_kind() {
    let mut linker = Linker::new().expect("a linker");
    let tag = HostTag::new(&[ValueType::I32]).expect("memory");
    linker
        .define(b"env", b"tag", Definition::Tag(tag))
        .expect("new");
    let value = Definition::Global(i32(1));
    linker.define(b"env", b"global", value).expect("new");
    let link = |import: &str| {
        let options = lucetc::options::Options::default();
        let text = format!("(module (import \"env\" {import}))");
        let file = lucetc::compile_module(text.as_bytes(), &options).expect("it compiles");
        let code = lucet::module::load::bytes(&file).expect("it loads");
        let linked = lucet::module::Module::link(&code, &linker, &mut |_| ());
        linked.err().map(|error| (error.status, sentence()))
    };
    assert_eq!(link("\"tag\" (tag (param i32))"), None);
    for (import, status, words) in [
        (
            "\"tag\" (tag (param i64))",
            Status::TypeMismatch,
            "is a tag (i64) -> (), the host defines (i32) -> ()",
        ),
        (
            "\"tag\" (func)",
            Status::TypeMismatch,
            "is a function () -> (), the host defines a tag",
        ),
        (
            "\"tag\" (global i32)",
            Status::TypeMismatch,
            "the host defines a tag",
        ),
        (
            "\"global\" (tag)",
            Status::TypeMismatch,
            "is a tag () -> (), the host defines a global",
        ),
        (
            "\"none\" (tag)",
            Status::NotFound,
            "is a tag () -> () that the host does not define",
        ),
    ] {
        let (found, sentence) = link(import).expect("refused");
        assert_eq!(found, status, "{import}: {sentence}");
        assert!(sentence.contains(words), "{import}: {sentence}");
    }
}
