//! The guest of these tests, and its host functions.

use crate::support::{Guest, compiled, i32, i64, region, sentence};
use lucet::abi::{LUCET_RETURNED, lucet_call, lucet_check, lucet_outcome, lucet_value};
use lucet::checks::Plan;
use lucet::counted::Counted;
use lucet::error::Status;
use lucet::instance::{self, Handle, KillHandle, Limits};
use lucet::linker::{Definition, DynamicData, Linker};
use lucet::module::Module;
use lucet::region::{Region, RegionConfig};
use lucet::timing::Allowance;
use lucet::{call, error};
use lucet_format::checks::{access, kind};
use lucet_format::value::ValueType;
use lucetc::options::Options;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

pub const GUEST: &str = r#"(module
  (import "env" "nothing" (func $nothing))
  (import "env" "word" (func $word (param i32) (result i32)))
  (import "env" "double" (func $double (param f64) (result f64)))
  (import "env" "pair" (func $pair (param i32) (result i32 i64)))
  (import "env" "callback" (func $callback (param i32) (result i32)))
  (import "env" "wait" (func $wait))
  (import "env" "throws" (func $throws (param i32)))
  (import "env" "leaf" (func $leaf (param i32) (result i32)))
  (tag $thrown (export "thrown") (param i32 i64))
  (memory (export "memory") 1 4)
  (table (export "table") 2 funcref)
  (global (export "g") (mut i32) (i32.const 7))
  (func (export "plain") (result i32) (i32.const 42))
  (func (export "nothing") (call $nothing))
  (func (export "wait") (call $wait))
  (func (export "word") (param i32) (result i32)
    (i32.add (i32.mul (local.get 0) (i32.const 1000)) (call $word (local.get 0))))
  (func (export "double") (param f64) (result f64) (f64.add (call $double (local.get 0)) (f64.const 0.5)))
  (func (export "pair") (param i32) (result i64 i32)
    (local $a i32) (local $b i64)
    (call $pair (local.get 0)) (local.set $b) (local.set $a)
    (local.get $b) (local.get $a))
  (func (export "callback") (param i32) (result i32) (call $callback (local.get 0)))
  (func (export "many") (param i32 i64 i32 i64 f64) (result f64)
    ;; values that live across the call, in whatever registers
    (local $x i64) (local $y i64) (local $z i32)
    (local.set $x (i64.mul (local.get 1) (i64.const 3)))
    (local.set $y (i64.sub (local.get 3) (local.get 1)))
    (local.set $z (call $word (local.get 0)))
    (f64.add (local.get 4)
      (f64.convert_i64_s (i64.add (i64.add (local.get $x) (local.get $y))
        (i64.extend_i32_s (i32.add (local.get $z) (i32.sub (local.get 2) (local.get 0))))))))
  (func (export "leaf") (param i32) (result i32) (i32.sub (call $leaf (local.get 0)) (local.get 0)))
  ;; the same in a loop, where guest code needs no trampoline for it
  (func (export "leaves") (param i32) (result i32)
    (local $s i32)
    (loop $l
      (local.set $s (i32.add (i32.mul (local.get $s) (i32.const 31)) (call $leaf (local.get 0))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $s))
  (func $spin (export "spin") (loop $l (br $l)))
  (func (export "fill") (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l)))
  ;; calls a host function all the time
  (func (export "chatter") (loop $l (call $nothing) (br $l)))
  ;; a computation whose result depends on every step, in integers, floats and memory
  (func $work (export "work") (param i32) (result i64)
    (local $h i64) (local $f f64) (local $i i32)
    (local.set $h (i64.const 0x9e3779b97f4a7c15))
    (local.set $f (f64.const 1))
    (loop $l
      (local.set $h (i64.mul (i64.xor (local.get $h) (i64.extend_i32_u (local.get $i))) (i64.const 0x100000001b3)))
      (local.set $f (f64.add (f64.mul (local.get $f) (f64.const 0.999)) (f64.convert_i32_u (i32.and (local.get $i) (i32.const 15)))))
      (i64.store (i32.and (i32.mul (local.get $i) (i32.const 8)) (i32.const 0xfff8))
        (i64.add (local.get $h) (i64.load (i32.and (local.get $i) (i32.const 0x7ff8)))))
      (local.set $h (i64.add (local.get $h) (i64.extend_i32_u (call $mix (local.get $i) (i32.const 17)))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
    (i64.xor (local.get $h) (i64.reinterpret_f64 (local.get $f))))
  (func $mix (param i32 i32) (result i32)
    (if (result i32) (i32.gt_s (local.get 0) (i32.const 100))
      (then (i32.rotl (local.get 0) (local.get 1)))
      (else (i32.sub (local.get 1) (local.get 0)))))
  ;; vectors, all of whose lanes the result depends on, and flags that are used two instructions later
  (func (export "vectors") (param i32) (result i64)
    (local $a v128) (local $b v128) (local $c v128) (local $d i64) (local $e i64)
    (local.set $a (v128.const i32x4 1 2 3 5))
    (local.set $b (f64x2.splat (f64.const 1.5)))
    (loop $l
      (local.set $c (i32x4.mul (local.get $a) (i32x4.splat (i32.or (local.get 0) (i32.const 1)))))
      (local.set $a (v128.xor (i32x4.add (local.get $c) (i32x4.shl (local.get $a) (i32.const 3))) (i8x16.shuffle
        15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0 (local.get $c) (local.get $a))))
      (local.set $b (f64x2.add (f64x2.mul (local.get $b) (f64x2.splat (f64.const 0.99))) (f64x2.convert_low_i32x4_s (local.get $a))))
      (local.set $d (i64.add (local.get $d) (i64x2.extract_lane 1 (local.get $a))))
      (local.set $e (i64.add (local.get $e) (i64.extend_i32_u (i64.lt_u (local.get $d) (i64x2.extract_lane 0 (local.get $a))))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i64.xor (i64.add (local.get $d) (local.get $e)) (i64.xor
      (i64x2.extract_lane 0 (v128.xor (local.get $a) (local.get $b)))
      (i64.rotl (i64x2.extract_lane 1 (v128.xor (local.get $a) (local.get $b))) (i64.const 7)))))
  ;; loops over rows, up and down, that take several numbers at a time: a fill, a copy onto itself and a sum
  (func (export "rows") (param i32) (result i64)
    (local $i i32) (local $n i32) (local $d i64) (local $f f64)
    (local.set $n (i32.mul (local.get 0) (i32.const 16)))
    (loop $fill
      (i32.store8 (i32.add (local.get $i) (i32.const 512)) (i32.const 0x3f))
      (br_if $fill (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.store offset=512 (local.get $n) (i64.const 0x3fe0112233445566))
    (loop $move
      (i32.store8 (i32.add (local.get $i) (i32.const 520)) (i32.load8_u (i32.add (local.get $i) (i32.const 519))))
      (br_if $move (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (local.set $f (f64.load (i32.const 512)))
    (loop $sum
      (f64.store (i32.add (local.get $i) (i32.const 512))
        (f64.add (f64.load (i32.add (local.get $i) (i32.const 512)))
          (f64.mul (local.get $f) (f64.load (i32.add (local.get $i) (i32.const 4096))))))
      (br_if $sum (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 8))) (local.get $n))))
    (loop $digest
      (local.set $d (i64.add (i64.mul (local.get $d) (i64.const 31)) (i64.load offset=512 (local.get $n))))
      (br_if $digest (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $d))
  ;; traps after a few rounds
  (func (export "trap") (param i32) (result i32)
    (loop $l
      (drop (call $word (local.get 0)))
      (drop (i32.div_u (i32.const 7) (local.get 0)))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br $l))
    (unreachable))
  ;; the same, with host calls in between
  (func (export "talk") (param i32) (result i32)
    (local $s i32)
    (loop $l
      (local.set $s (i32.add (i32.mul (local.get $s) (i32.const 31)) (call $word (local.get 0))))
      (local.set $s (i32.xor (local.get $s) (i32.trunc_sat_f64_s (call $double (f64.convert_i32_s (local.get 0))))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $s))
  ;; exceptions, thrown here and by the host, through a function that keeps values meanwhile
  (func $raise (param i32) (result i32)
    (if (i32.and (local.get 0) (i32.const 1)) (then (call $throws (local.get 0))))
    (throw $thrown (local.get 0) (i64.const 11)))
  (func $through (param i32) (result i32)
    (local $x i32)
    (local.set $x (call $word (local.get 0)))
    (i32.add (call $raise (local.get $x)) (local.get $x)))
  (func (export "throw") (param i32) (result i32)
    (local $s i64) (local $e exnref)
    (loop $l
      (block $caught (result i32 i64)
        (block $again (result i32 i64 exnref)
          (try_table (catch_ref $thrown $again) (drop (call $through (local.get 0))))
          (unreachable))
        (local.set $e) (drop) (drop)
        (try_table (catch $thrown $caught) (throw_ref (local.get $e)))
        (unreachable))
      (local.set $s (i64.add (i64.mul (local.get $s) (i64.const 31))))
      (local.set $s (i64.add (i64.extend_i32_s) (local.get $s)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.wrap_i64 (local.get $s))))"#;

/// A guest whose code uses no vector registers, and which is entered without preparing them.
pub const GUEST_OF_WORDS: &str = r#"(module
  (import "env" "nothing" (func $nothing))
  (import "env" "word" (func $word (param i32) (result i32)))
  (memory 1)
  (func (export "plain") (result i32) (i32.const 42))
  (func (export "nothing") (call $nothing))
  (func (export "word") (param i32) (result i32) (i32.add (call $word (local.get 0)) (i32.const 1)))
  (func (export "work") (param i32) (result i64)
    (local $h i64)
    (loop $l
      (local.set $h (i64.add (i64.mul (local.get $h) (i64.const 31)) (i64.extend_i32_u (local.get 0))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $h)))"#;

/// A guest that tells its host text, which its own code checks: `BINDINGS`. `tell` says some of so many bytes, before and after work of its
/// own in a function that is inlined; `wide` says some that is not ASCII, which
/// is good text at 2, 5 and 9 bytes.
pub const GUEST_OF_TEXT: &str = r#";; with bindings
(module
  (import "env" "nothing" (func $nothing))
  (import "env" "text" (func $text (param i32 i32) (result i32)))
  (memory 1)
  (data (i32.const 100) "text of more than sixteen bytes")
  (data (i32.const 200) "\u{ef}n\u{e9}vete")
  (func (export "plain") (result i32) (i32.const 42))
  (func (export "nothing") (call $nothing))
  (func $mix (param i32 i32) (result i32)
    (i32.add (i32.mul (local.get 0) (i32.const 31)) (i32.xor (local.get 1) (i32.rotl (local.get 0) (i32.const 5)))))
  (func $twice (param i32 i32) (result i32)
    (call $mix (call $text (local.get 0) (local.get 1)) (call $text (i32.add (local.get 0) (i32.const 1)) (local.get 1))))
  (func (export "tell") (param i32) (result i32)
    (local $s i32)
    (local.set $s (call $mix (local.get 0) (i32.const 7)))
    (local.set $s (call $mix (local.get $s) (call $twice (i32.const 100) (local.get 0))))
    (call $mix (local.get $s) (call $text (i32.const 100) (local.get 0))))
  (func (export "wide") (param i32) (result i32)
    (call $mix (call $text (i32.const 200) (local.get 0)) (i32.const 3))))"#;

/// What the host says of the functions of guests that are compiled with bindings: their text says it.
const BINDINGS: &str = "package a:b;\n/// @lucet module env\ninterface i {\nnothing: func();\ntext: func(a: string) -> s32;\n}";

/// What the host functions do, and what they have seen. One for each guest: tests run at the same time.
#[derive(Default)]
pub struct Desk {
    /// `word`, `double`, `pair` and `nothing` suspend.
    pub suspending: AtomicBool,
    /// `wait` goes on.
    pub go: AtomicBool,
    /// `wait` has begun.
    pub waiting: AtomicBool,
    /// What `callback` calls by its argument: see there.
    pub status: AtomicU64,
    /// Whom `leaf` kills: a kill handle, 0 for nobody.
    pub victim: [AtomicU64; 2],
    /// Calls of `text`.
    pub told: AtomicU64,
    /// Which instance `callback` runs.
    pub other: AtomicU64,
    /// The latest `lucet_call` of `nothing`.
    pub block: AtomicPtr<lucet_call>,
}

/// A guest and its desk.
pub struct Setting {
    pub guest: Guest,
    pub desk: Box<Desk>,
}

impl std::ops::Deref for Setting {
    type Target = Guest;
    fn deref(&self) -> &Guest {
        &self.guest
    }
}

fn desk<'a>(call: *const lucet_call) -> &'a Desk {
    // SAFETY: every guest of these tests has its desk as data, which outlives it.
    unsafe { &*call::instance_data(call).expect("a call").cast::<Desk>() }
}

fn suspends(call: *mut lucet_call, token: u64) -> bool {
    desk(call).suspending.load(Ordering::Relaxed) && call::suspend(call, token).is_ok()
}

unsafe extern "C" fn nothing(call: *mut lucet_call) {
    desk(call).block.store(call, Ordering::Relaxed);
    suspends(call, 1);
}

unsafe extern "C" fn word(call: *mut lucet_call, argument: i32) -> i32 {
    if suspends(call, argument as u32 as u64) {
        // Not what the guest gets.
        return 0x5555_5555;
    }
    argument.wrapping_mul(3)
}

/// A checked text.
#[repr(C)]
struct Text {
    bytes: *const u8,
    length: usize,
}

unsafe extern "C" fn text(call: *mut lucet_call, text: Text) -> i32 {
    // SAFETY: the guest's code has checked that the text is in its memory.
    let bytes = unsafe { std::slice::from_raw_parts(text.bytes, text.length) };
    assert!(str::from_utf8(bytes).is_ok());
    desk(call).told.fetch_add(1, Ordering::Relaxed);
    if suspends(call, 4) {
        return 0x5555_5555;
    }
    bytes
        .iter()
        .fold(7, |sum: i32, byte| sum.wrapping_mul(31) + i32::from(*byte))
}

unsafe extern "C" fn leaf(call: *mut lucet_call, argument: i32) -> i32 {
    let desk = desk(call);
    let block = desk.victim[0].load(Ordering::Relaxed);
    if block != 0 {
        let incarnation = desk.victim[1].load(Ordering::Relaxed);
        let answer = instance::kill(KillHandle { block, incarnation }, 6);
        desk.status.store(answer as u64, Ordering::Relaxed);
    }
    argument.wrapping_mul(5)
}

unsafe extern "C" fn throws(call: *mut lucet_call, argument: i32) {
    let carried = [i32(argument), i64(7)];
    assert_eq!(call::throw::throw_export(call, b"thrown", &carried), Ok(()));
}

unsafe extern "C" fn double(call: *mut lucet_call, argument: f64) -> f64 {
    if suspends(call, 2) {
        return f64::NAN;
    }
    argument * 1.5
}

unsafe extern "C" fn pair(
    call: *mut lucet_call,
    _: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: one argument, two results.
    unsafe {
        *results = *arguments;
        *results.add(1) = lucet_value::from_bits(2, 5);
    }
    suspends(call, 3);
}

unsafe extern "C" fn wait(call: *mut lucet_call) {
    let desk = desk(call);
    desk.waiting.store(true, Ordering::Release);
    while !desk.go.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    desk.waiting.store(false, Ordering::Release);
}

/// 0: a callback that suspends, which is refused. 1: a callback that spins. 2: the same, and the guest is kept. 3: a callback that returns.
/// 4: a run of another instance.
unsafe extern "C" fn callback(call: *mut lucet_call, what: i32) -> i32 {
    let desk = desk(call);
    if what == 0 {
        desk.suspending.store(true, Ordering::Relaxed);
        let outcome = call::run(call, b"word", &[i32(5)]).expect("the callback runs");
        assert_eq!(outcome.kind, LUCET_RETURNED);
        // SAFETY: one value.
        let value = unsafe { *outcome.values }.bits() as i32;
        assert_eq!(call::suspend(call, 20), Ok(()));
        let refused = call::run(call, b"plain", &[]).err().expect("suspended");
        assert_eq!(refused.status, Status::BadState);
        return value;
    }
    if what == 3 {
        return call::run(call, b"plain", &[]).map_or(0, |outcome| outcome.kind as i32);
    }
    if what == 4 {
        let other = Handle(desk.other.load(Ordering::Relaxed));
        let outcome = instance::run(other, b"talk", &[i32(2)]).expect("the other runs");
        return outcome.kind as i32;
    }
    let outcome = call::run(call, b"spin", &[]).expect("the callback runs");
    desk.status.store(
        u64::from(outcome.kind) << 32 | u64::from(outcome.detail),
        Ordering::Relaxed,
    );
    if what == 2 {
        let handle = call::instance(call).expect("a call");
        instance::keep(handle).expect("a guest to be kept");
    }
    7
}

fn linker() -> Linker {
    let mut linker = Linker::new().expect("a linker");
    let typed: [(&str, *const (), u64); 7] = [
        ("nothing", nothing as *const (), 0),
        ("word", word as *const (), 0x11),
        ("double", double as *const (), 0x44),
        ("callback", callback as *const (), 0x11),
        ("wait", wait as *const (), 0),
        ("throws", throws as *const (), 0x10),
        ("leaf", leaf as *const (), 0x11),
    ];
    for (name, function, types) in typed {
        let definition = Definition::Typed {
            function,
            types,
            leaf: name == "leaf",
            data: std::ptr::null_mut(),
        };
        linker
            .define(b"env", name.as_bytes(), definition)
            .expect("a definition");
    }
    let data = DynamicData::new(std::ptr::null_mut(), None).expect("memory");
    let results = [ValueType::I32, ValueType::I64];
    let definition = Definition::dynamic(&[ValueType::I32], &results, pair, data).expect("memory");
    linker
        .define(b"env", b"pair", definition)
        .expect("a definition");
    let string = lucet_check {
        kind: kind::SLICE | access::READ | access::UTF8,
        element: 1,
        align: 1,
        ..NO_CHECK
    };
    let mut checks = [NO_CHECK; 12];
    checks[0] = string;
    let plan = Plan::new(text as *const (), 0x81, &checks, None);
    let definition = Definition::Checked {
        plan: Counted::new(plan.expect("a plan")).expect("memory"),
        leaf: false,
        data: std::ptr::null_mut(),
    };
    linker
        .define(b"env", b"text", definition)
        .expect("a definition");
    linker
}

const NO_CHECK: lucet_check = lucet_check {
    limit: 0,
    element: 0,
    align: 0,
    kind: 0,
    of: std::ptr::null(),
};

/// A guest from text with these host functions.
pub fn linked(text: &str, instances: u32) -> (Counted<Region>, Counted<Module>) {
    let bound = text.contains(";; with bindings");
    let options = Options {
        verify: true,
        bindings: bound.then(|| lucetc::bindings::read("env.wit", BINDINGS).expect("bindings")),
        ..Options::default()
    };
    let module = compiled(text, &options, &linker());
    let config = RegionConfig {
        instances,
        ..RegionConfig::default()
    };
    (region(&config), module)
}

pub fn instance_of(region: &Counted<Region>, module: &Counted<Module>, desk: &Desk) -> Handle {
    let data = std::ptr::from_ref(desk).cast_mut().cast();
    instance::create(region, module, data, Limits::default())
        .unwrap_or_else(|_| panic!("{}", sentence()))
}

pub fn setting_of(text: &str) -> Setting {
    let (region, module) = linked(text, 4);
    let desk = Box::<Desk>::default();
    let handle = instance_of(&region, &module, &desk);
    let guest = Guest {
        region,
        module,
        handle,
    };
    Setting { guest, desk }
}

pub fn setting() -> Setting {
    setting_of(GUEST)
}

pub fn resume(handle: Handle, results: &[lucet_value]) -> lucet_outcome {
    instance::resume(handle, results).unwrap_or_else(|_| panic!("{}", sentence()))
}

pub fn limit(handle: Handle, time: Allowance) {
    let limits = Limits {
        time,
        ..Limits::default()
    };
    instance::set_limits(handle, limits).unwrap_or_else(|_| panic!("{}", sentence()));
}

/// The values of an outcome.
pub fn values(outcome: &lucet_outcome) -> Vec<u128> {
    assert_eq!(outcome.kind, LUCET_RETURNED);
    // SAFETY: the outcome of a run that returned points at its values.
    let values = unsafe { std::slice::from_raw_parts(outcome.values, outcome.value_count) };
    values.iter().map(lucet_value::bits).collect()
}

pub fn status(result: error::Result<lucet_outcome>) -> Status {
    match result {
        Ok(outcome) => panic!("outcome {} instead of a failure", outcome.kind),
        Err(failure) => failure.status,
    }
}
