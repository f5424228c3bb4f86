//! Bulk operations are stopped in the middle, where a page of their target says so: it is inaccessible, and the handler of the fault
//! makes it accessible and asks for the stop.

use crate::guests::{Setting, setting_of};
use crate::support::i32;
use libc::{c_int, c_void, siginfo_t};
use lucet::abi::{
    LUCET_PREEMPTED, LUCET_RETURNED, LUCET_STOP_KILL, LUCET_TERMINATED, lucet_outcome,
};
use lucet::control::{ControlBlock, stop};
use lucet::instance::{self, kill, kill_handle, memory};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

const GUEST: &str = r#"(module
  (import "env" "nothing" (func $nothing))
  (import "env" "word" (func $word (param i32) (result i32)))
  (memory (export "memory") 16)
  (table $t (export "table") 9000 funcref)
  (elem declare func $plain)
  (func $plain (export "plain") (result i32) (i32.const 42))
  (func (export "nothing") (call $nothing))
  (func $write (export "write") (local $i i32)
    (loop $l
      (i32.store (local.get $i) (i32.mul (local.get $i) (i32.const 0x9e3779b1)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 0x100000)))))
  ;; The result says that what was in registers is still there.
  (func $fill (export "fill") (param i32) (result i32)
    (memory.fill (i32.const 100) (i32.const 0xab) (i32.const 1000000))
    (i32.add (local.get 0) (i32.load (i32.const 5000))))
  (func $down (export "down") (param i32) (result i32)
    (memory.copy (i32.const 1000) (i32.const 3000) (i32.const 1000000))
    (i32.add (local.get 0) (i32.load (i32.const 5000))))
  (func $up (export "up") (param i32) (result i32)
    (memory.copy (i32.const 3000) (i32.const 1000) (i32.const 1000000))
    (i32.add (local.get 0) (i32.load (i32.const 5000))))
  (func $init (export "init") (param i32) (result i32)
    (memory.init $d (i32.const 1000) (i32.const 10) (i32.const 199000))
    (i32.add (local.get 0) (i32.load (i32.const 5000))))
  (func $sum (result i32) (local $i i32) (local $s i32)
    (loop $l
      (local.set $s (i32.add (i32.mul (local.get $s) (i32.const 31)) (ref.is_null (table.get $t (local.get $i)))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 9000))))
    (local.get $s))
  (func (export "table_fill") (param i32) (result i32)
    (table.fill $t (i32.const 3) (ref.func $plain) (i32.const 8990))
    (i32.add (local.get 0) (call $sum)))
  (func (export "table_copy") (param i32) (result i32) (local $i i32)
    (loop $l
      (table.set $t (local.get $i) (ref.func $plain))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 7))) (i32.const 9000))))
    (table.copy $t $t (i32.const 3) (i32.const 0) (i32.const 8990))
    (table.copy $t $t (i32.const 0) (i32.const 5) (i32.const 8990))
    (i32.add (local.get 0) (call $sum)))
  (func (export "table_init") (param i32) (result i32)
    (table.init $t $e (i32.const 3) (i32.const 1) (i32.const 8990))
    (i32.add (local.get 0) (call $sum)))
  DATA ELEMENTS)"#;

fn guest() -> Setting {
    let data: String = (0..200_000u32)
        .map(|byte| format!("\\{:02x}", (byte * 7 + byte / 251) % 256))
        .collect();
    let elements: String = (0..9000)
        .map(|index| ["(ref.null func) ", "(ref.func $plain) "][usize::from(index % 3 == 0)])
        .collect();
    let text = GUEST
        .replace("DATA", &format!("(data $d \"{data}\")"))
        .replace("ELEMENTS", &format!("(elem $e funcref {elements})"));
    let guest = setting_of(&text);
    // Its control block, from a call of its own.
    assert_eq!(guest.run("nothing", &[]).kind, LUCET_RETURNED);
    guest
}

/// One test at a time: the handler is the process's.
static ONE: Mutex<()> = Mutex::new(());
static PAGE: AtomicUsize = AtomicUsize::new(0);
static BEFORE: AtomicUsize = AtomicUsize::new(0);
static BLOCK: AtomicPtr<ControlBlock> = AtomicPtr::new(std::ptr::null_mut());
/// 0: a slice ends; else a kill, of the block and incarnation below.
static MODE: AtomicU32 = AtomicU32::new(0);
static VICTIM: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
const BYTES: usize = 4096;

extern "C" fn on_fault(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the handler's own siginfo.
    let address = unsafe { (*info).si_addr() } as usize;
    let page = PAGE.load(Ordering::Relaxed);
    if page == 0 || !(page..page + BYTES).contains(&address) {
        let before = BEFORE.load(Ordering::Relaxed);
        // SAFETY: the library's handler, which was there before.
        let before = unsafe {
            std::mem::transmute::<usize, extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(before)
        };
        return before(signal, info, context);
    }
    PAGE.store(0, Ordering::Relaxed);
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the page that the test has made inaccessible.
    unsafe { libc::mprotect(page as *mut _, BYTES, access) };
    // SAFETY: blocks live for ever.
    let block = unsafe { &*BLOCK.load(Ordering::Relaxed) };
    if MODE.load(Ordering::Relaxed) == 0 {
        block.raise(stop::SLICE);
        return;
    }
    let [block, incarnation] = [0, 1].map(|index| VICTIM[index].load(Ordering::Relaxed));
    kill(instance::KillHandle { block, incarnation }, 17);
}

fn install() {
    // SAFETY: zeros are a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let mut before = action;
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_fault;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: a valid action.
    let failed = unsafe { libc::sigaction(libc::SIGSEGV, &action, &mut before) };
    assert_eq!(failed, 0);
    if before.sa_sigaction != action.sa_sigaction {
        BEFORE.store(before.sa_sigaction, Ordering::Relaxed);
    }
}

/// Stops the next operation that comes to this address.
fn stop_at(guest: &Setting, address: usize, mode: u32) {
    let block = guest.desk.block.load(Ordering::Relaxed);
    BLOCK.store(block.cast(), Ordering::Relaxed);
    let victim = kill_handle(guest.handle).expect("a kill handle");
    VICTIM[0].store(victim.block, Ordering::Relaxed);
    VICTIM[1].store(victim.incarnation, Ordering::Relaxed);
    MODE.store(mode, Ordering::Relaxed);
    let page = address & !(BYTES - 1);
    // SAFETY: a page of the guest's memory or tables, which nobody uses at the moment.
    let failed = unsafe { libc::mprotect(page as *mut _, BYTES, libc::PROT_NONE) };
    assert_eq!(failed, 0);
    PAGE.store(page, Ordering::Relaxed);
}

fn bytes(guest: &Setting) -> &[u8] {
    let all = memory::view(guest.handle, 0, 0, 1 << 20).expect("memory");
    // SAFETY: all of the guest's memory, which does not run.
    unsafe { std::slice::from_raw_parts(all, 1 << 20) }
}

fn value(outcome: &lucet_outcome) -> i32 {
    assert_eq!(outcome.kind, LUCET_RETURNED);
    // SAFETY: one value was returned.
    unsafe { *outcome.values }.bits() as i32
}

/// Every operation, and where its target begins and ends: in memory, or in the table area.
const MEMORY: [(&str, usize, usize); 4] = [
    ("fill", 100, 1_000_100),
    ("down", 1000, 1_001_000),
    ("up", 3000, 1_003_000),
    ("init", 1000, 200_000),
];
const TABLE: [(&str, usize, usize); 3] = [
    ("table_fill", 24, 71_944),
    ("table_copy", 24, 71_944),
    ("table_init", 24, 71_944),
];

#[test]
fn a_slice_that_ends_in_a_bulk_operation_changes_nothing_of_its_result() {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let guest = guest();
    install();
    let tables = tables(&guest);
    let all = MEMORY.iter().map(|row| (row, false));
    for ((name, from, to), is_table) in all.chain(TABLE.iter().map(|row| (row, true))) {
        guest.run("write", &[]);
        let wanted = value(&guest.run(name, &[i32(77)]));
        let after = bytes(&guest).to_vec();
        // Not in the last piece, at whichever end that is.
        let margin = if is_table { 34_000 } else { 66_000 };
        let base = if is_table {
            tables
        } else {
            bytes(&guest).as_ptr() as usize
        };
        let mut stops = 0;
        for at in (from + margin..to - margin).step_by(if is_table { 900 } else { 37_001 }) {
            guest.reset();
            guest.run("write", &[]);
            stop_at(&guest, base + at, 0);
            let outcome = guest.run(name, &[i32(77)]);
            assert_eq!(outcome.kind, LUCET_PREEMPTED, "{name} at {at}");
            if !is_table {
                assert!(
                    bytes(&guest) != after,
                    "{name} at {at}: it was not in the middle"
                );
            }
            let outcome = instance::resume(guest.handle, &[]).expect("a resume");
            assert_eq!(value(&outcome), wanted, "{name} at {at}");
            assert!(bytes(&guest) == after, "{name} at {at}");
            stops += 1;
        }
        assert!(stops >= 2, "{name}: {stops}");
        guest.reset();
    }
}

/// The address of the first table's first element: tables end where the state begins, which is not far below memory.
fn tables(guest: &Setting) -> usize {
    let layout = guest.region.layout;
    bytes(guest).as_ptr() as usize - (layout.memory - layout.tables) as usize
}

#[test]
fn a_kill_does_not_wait_for_the_end_of_a_bulk_operation() {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let guest = guest();
    install();
    for (name, from, _) in MEMORY.iter().filter(|(name, ..)| *name != "up") {
        guest.run("write", &[]);
        let before = bytes(&guest).to_vec();
        stop_at(&guest, bytes(&guest).as_ptr() as usize + from + 70_000, 1);
        let outcome = guest.run(name, &[i32(0)]);
        assert_eq!(
            (outcome.kind, outcome.detail, outcome.token),
            (LUCET_TERMINATED, LUCET_STOP_KILL, 17)
        );
        let now = bytes(&guest);
        let changed = (0..1 << 20)
            .rfind(|at| now[*at] != before[*at])
            .expect("a change");
        // The piece that the page is in, and no other.
        assert!(
            changed >= from + 65_536 && changed < from + 2 * 65_536,
            "{name}: {changed}"
        );
        let line = guest.describe();
        assert!(line.contains("killed") && line.contains(name), "{line}");
        guest.reset();
        assert!(bytes(&guest).iter().all(|byte| *byte == 0));
        assert_eq!(guest.run_i32("plain", &[]), 42);
    }
}

const TEXT: &str = r#"(module
  (import "env" "nothing" (func $nothing))
  (import "env" "text" (func $text (param i32 i32) (result i32)))
  (memory 16)
  (func (export "nothing") (call $nothing))
  ;; Not ASCII: two bytes a character, from an odd address on, so that most pieces end within one.
  (func $write (export "write") (local $i i32)
    (loop $l
      (i32.store16 (i32.add (local.get $i) (i32.const 101)) (i32.const 0xa9c3))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 2))) (i32.const 1000000)))))
  (func $tell (export "tell") (param i32) (result i32)
    (i32.add (local.get 0) (call $text (i32.const 101) (i32.const 1000000)))))"#;

/// Text that is looked at while the guest is to be stopped: a kill comes before the host's function, whoever checks; the end of a slice
/// also, if the guest's code does.
#[test]
fn a_stop_does_not_wait_for_all_of_a_text() {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    install();
    for bound in [false, true] {
        let guest = setting_of(&format!(
            "{}{TEXT}",
            if bound { ";; with bindings\n" } else { "" }
        ));
        let fresh = || {
            guest.reset();
            assert_eq!(guest.run("nothing", &[]).kind, LUCET_RETURNED);
            assert_eq!(guest.run("write", &[]).kind, LUCET_RETURNED);
            guest.desk.told.store(0, Ordering::Relaxed);
        };
        fresh();
        let wanted = value(&guest.run("tell", &[i32(77)]));
        assert_eq!(guest.desk.told.load(Ordering::Relaxed), 1);
        for at in (70_000..900_000).step_by(93_001) {
            fresh();
            stop_at(&guest, bytes(&guest).as_ptr() as usize + at, 1);
            let outcome = guest.run("tell", &[i32(77)]);
            assert_eq!(
                (outcome.kind, outcome.detail, outcome.token),
                (LUCET_TERMINATED, LUCET_STOP_KILL, 17)
            );
            assert_eq!(guest.desk.told.load(Ordering::Relaxed), 0, "at {at}");
            fresh();
            stop_at(&guest, bytes(&guest).as_ptr() as usize + at, 0);
            assert_eq!(guest.run("tell", &[i32(77)]).kind, LUCET_PREEMPTED);
            let told = guest.desk.told.load(Ordering::Relaxed);
            assert_eq!(told, u64::from(!bound), "at {at}");
            let outcome = instance::resume(guest.handle, &[]).expect("a resume");
            assert_eq!(value(&outcome), wanted, "at {at}");
            assert_eq!(guest.desk.told.load(Ordering::Relaxed), 1, "at {at}");
        }
    }
}
