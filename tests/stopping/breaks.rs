//! Stops at one instruction of a run that is executed at full speed up to there: the run is stepped once, which takes ten times as long as
//! anything else, and noted; from then on an `int3` stands in place of the instruction that is meant, and is taken back when it is met for
//! the time that is meant.
//!
//! Only instructions of this program and of guests are places; those of the C library are not, whose steps change no state of a
//! guest.
//!
//! Invariants: one place at a time. Other tests' threads may come by: they wait until it is taken back. Until then the handler calls nothing
//! of the library, where the `int3` may be.

use libc::{c_int, ucontext_t};
use lucet::control::ControlBlock;
use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::IntoRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// An instruction, and which time of its being executed.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pc: usize,
    time: u64,
}

/// Which instructions of a run are places: a bit each.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Family {
    /// Those of the run.
    Run = 1 << 62,
    /// Those at which a slice may end.
    Slice = 1 << 63,
}

const STEPS: usize = 1 << 17;
static TRACE: [AtomicU64; STEPS] = [const { AtomicU64::new(0) }; STEPS];
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// Nothing has been noted.
pub fn forget() {
    LENGTH.store(0, Ordering::Relaxed);
}

/// Notes a step. For signal handlers.
pub fn note(pc: usize, in_run: bool, in_slice: bool) {
    let step = LENGTH.fetch_add(1, Ordering::Relaxed);
    let bit = |set: bool, family: Family| if set { family as u64 } else { 0 };
    if let Some(place) = TRACE.get(step) {
        let bits = bit(in_run, Family::Run) | bit(in_slice, Family::Slice);
        place.store(pc as u64 | bits, Ordering::Relaxed);
    }
}

/// The places of the run that was noted, in order.
pub fn places(family: Family, block: &ControlBlock) -> Vec<Place> {
    let length = LENGTH.load(Ordering::Relaxed);
    assert!(length <= STEPS, "{length} steps");
    let text = block.text.get()..block.text.get() + block.text_length.get();
    let mut times = HashMap::new();
    let mut places = vec![];
    for step in &TRACE[..length] {
        let step = step.load(Ordering::Relaxed);
        let pc = (step & !(Family::Run as u64 | Family::Slice as u64)) as usize;
        let time = times.entry(pc).or_insert(0);
        *time += 1;
        let ours = text.contains(&pc) || program().contains(&pc);
        if step & family as u64 != 0 && ours {
            places.push(Place { pc, time: *time });
        }
    }
    places
}

/// Where this program's code is.
fn program() -> &'static Range<usize> {
    static PROGRAM: OnceLock<Range<usize>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let inside = lucet::context::trampolines().0;
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let ranges = maps.lines().filter_map(|line| {
            let (from, to) = line.split(' ').next()?.split_once('-')?;
            let number = |text| usize::from_str_radix(text, 16).ok();
            Some(number(from)?..number(to)?)
        });
        let found = ranges.into_iter().find(|range| range.contains(&inside));
        found.expect("the program's code")
    })
}

/// `/proc/self/mem`, which writes to code.
static MEMORY: AtomicI32 = AtomicI32::new(-1);
/// Where an `int3` stands; 0: nowhere.
static STANDS: AtomicUsize = AtomicUsize::new(0);
/// What stood there.
static BEFORE: AtomicU8 = AtomicU8::new(0);
/// How often it is to be met.
static TIMES: AtomicU64 = AtomicU64::new(0);
/// The instruction in place of which it stood is being executed, and it is put back then.
static PASSING: AtomicBool = AtomicBool::new(false);
static REACHED: AtomicBool = AtomicBool::new(false);
static THREAD: AtomicI32 = AtomicI32::new(0);
/// How often other threads have met it.
static OTHERS: AtomicU64 = AtomicU64::new(0);

const INT3: u8 = 0xcc;
const TRAP_FLAG: i64 = 0x100;
const PATIENCE: u64 = 100_000;

fn own_tid() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

/// Async-signal-safe.
fn write(pc: usize, byte: u8) {
    let file = MEMORY.load(Ordering::Relaxed);
    // SAFETY: the kernel reads a byte of ours. What it writes is an instruction's first byte: one that was there, or an `int3`.
    let written = unsafe { libc::pwrite(file, (&raw const byte).cast(), 1, pc as i64) };
    if written != 1 {
        // SAFETY: no arguments.
        unsafe { libc::abort() };
    }
}

/// From now on this thread stops there.
pub fn arm(place: Place) {
    if MEMORY.load(Ordering::Relaxed) < 0 {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/proc/self/mem");
        MEMORY.store(
            file.expect("/proc/self/mem").into_raw_fd(),
            Ordering::Relaxed,
        );
    }
    // SAFETY: code, which can be read.
    let before = unsafe { (place.pc as *const u8).read_volatile() };
    assert_ne!(before, INT3);
    BEFORE.store(before, Ordering::Relaxed);
    TIMES.store(place.time, Ordering::Relaxed);
    PASSING.store(false, Ordering::Relaxed);
    REACHED.store(false, Ordering::Relaxed);
    OTHERS.store(0, Ordering::Relaxed);
    THREAD.store(own_tid(), Ordering::Relaxed);
    STANDS.store(place.pc, Ordering::Release);
    write(place.pc, INT3);
}

fn take_back() {
    let pc = STANDS.swap(0, Ordering::AcqRel);
    if pc != 0 {
        write(pc, BEFORE.load(Ordering::Relaxed));
    }
}

/// Answers whether the place has been reached. Nothing is left of it.
pub fn end() -> bool {
    take_back();
    REACHED.load(Ordering::Relaxed)
}

/// What a handler of SIGTRAP is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// This has nothing to do with places.
    Nothing,
    /// Nothing more.
    Done,
    /// The place has been reached.
    Place,
}

/// Looks at a SIGTRAP.
#[inline(never)]
pub fn met(code: c_int, context: &mut ucontext_t) -> Met {
    const SI_KERNEL: c_int = 0x80;
    let registers = &mut context.uc_mcontext.gregs;
    let (pc, flags) = (libc::REG_RIP as usize, libc::REG_EFL as usize);
    if code != SI_KERNEL {
        if !PASSING.swap(false, Ordering::Relaxed) {
            return Met::Nothing;
        }
        registers[flags] &= !TRAP_FLAG;
        write(STANDS.load(Ordering::Relaxed), INT3);
        return Met::Done;
    }
    registers[pc] -= 1;
    if own_tid() != THREAD.load(Ordering::Relaxed) {
        // SAFETY: no arguments.
        unsafe { libc::sched_yield() };
        if OTHERS.fetch_add(1, Ordering::Relaxed) > PATIENCE {
            // The thread that it is for may wait for this one.
            take_back();
        }
        return Met::Done;
    }
    if STANDS.load(Ordering::Acquire) != registers[pc] as usize {
        return Met::Done;
    }
    if TIMES.fetch_sub(1, Ordering::Relaxed) > 1 {
        write(registers[pc] as usize, BEFORE.load(Ordering::Relaxed));
        registers[flags] |= TRAP_FLAG;
        PASSING.store(true, Ordering::Relaxed);
        return Met::Done;
    }
    take_back();
    REACHED.store(true, Ordering::Relaxed);
    Met::Place
}
