//! Instances: a module's guest in a slot of a region.
//!
//! ```text
//!             create                 run, call                    returned
//!   (free) ----------> READY ------------------> running -------------------------> READY
//!      ^                 ^                          |                                  |
//!      |                 | reset, keep              | trapped, terminated              |
//!      |                 +---------- STOPPED <------+                                  |
//!      +---- release ---------------------------------------------------------------- -+
//! ```
//!
//! A run can also end in `SUSPENDED` or `PREEMPTED`, from where [`resume`] goes on: see [`waiting`].
//!
//! An instance is known by its [`Handle`], never by address; [`live`] is the only way from the one to the other.
//! All that belongs to it is in the control block's [`Inner`], whose fields are cells, because a host function may
//! work on the instance that is calling it: no exclusive reference to an `Inner` exists while a guest runs.
//!
//! One thread at a time works on an instance; the host keeps that rule, and the state word tells when it does not.

pub mod abandon;
pub mod alloc;
pub mod backtrace;
pub mod create;
pub mod exception;
pub mod global;
pub mod handles;
pub mod kill;
pub mod levels;
pub mod limits;
pub mod memory;
pub mod offer;
pub mod outcome;
pub mod run;
pub mod segments;
pub mod short;
pub mod stats;
pub mod table;
pub mod target;
pub mod timed;
pub mod uncaught;
mod unwinding;
mod verify;
pub mod waiting;

pub use abandon::abandon;
pub use backtrace::{backtrace, describe};
pub use create::{create, release, reset};
pub use kill::{Answer, KillHandle, kill, kill_handle};
pub use limits::{Limits, set_limits};
pub use outcome::{keep, outcome};
pub use run::{call, call_funcref, run, start};
pub use stats::{Stats, stats};
pub use waiting::resume;

use crate::abi::{lucet_frame, lucet_value};
use crate::control::{ControlBlock, state};
use crate::counted::Loan;
use crate::directory;
use crate::error::{Result, Status, error};
use crate::exception::Arena;
use crate::module::{Link, Module, unlinked};
use crate::poison::Views;
use crate::region::Region;
use lucet_format::image::Image;
use lucet_format::vmctx;
use outcome::Record;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::ffi::c_void;
use waiting::{Pending, Tally, Waiting};

/// What a `lucet_instance *` holds: see [`crate::directory`].
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub u64);

/// What the host keeps of an instance.
pub struct Inner {
    /// The region whose slot it is in.
    pub region: Loan<Region>,
    /// Its module, which is linked.
    pub module: Loan<Module>,
    /// The host's own.
    pub data: *mut c_void,
    /// What it may use.
    pub limits: Cell<Limits>,
    /// Whether instantiation is over: segments applied, start function run.
    pub started: Cell<bool>,
    /// The latest outcome.
    pub outcome: Cell<Record>,
    /// Bytes of linear memory 0.
    pub memory_bytes: Cell<u64>,
    /// The latest backtrace; borrowed by C until the next entry.
    pub frames: UnsafeCell<Vec<lucet_frame>>,
    /// What a suspended or preempted guest is in the middle of.
    pub waiting: Cell<Option<Waiting>>,
    /// What is to be entered once the start function, which was suspended or preempted, has returned.
    pub pending: RefCell<Option<Pending>>,
    /// The host's objects that the guest knows.
    pub handles: handles::Handles,
    /// The callbacks that go on.
    pub levels: levels::Levels,
    /// What its host functions are looking at, if views are poisoned.
    pub views: Views,
    /// What has happened since the instance is new.
    pub tally: Tally,
    /// Its exceptions.
    pub exceptions: RefCell<Arena>,
    /// What the exception carries that the host is looking at; borrowed by C until the next entry.
    pub carried: UnsafeCell<Vec<lucet_value>>,
}

impl Inner {
    /// What linking has prepared.
    pub fn link(&self) -> Result<&Link> {
        self.module.link.as_ref().ok_or_else(unlinked)
    }

    /// The module's image.
    pub fn image(&self) -> Image<'_> {
        self.module.code.image()
    }
}

/// A live instance: its control block and what is in it.
#[derive(Clone, Copy)]
pub struct Live {
    /// The control block.
    pub block: &'static ControlBlock,
}

impl Live {
    /// What the host keeps of it.
    pub fn inner(&self) -> Result<&'static Inner> {
        // SAFETY: `instance` changes in `create` and `release` only, which the owner of the instance calls while
        // nobody else uses it; in between it is only read.
        let inner = unsafe { &*self.block.instance.get() };
        inner.as_ref().ok_or_else(stale)
    }
}

#[cold]
fn stale() -> crate::error::Error {
    error!(
        Status::Stale,
        "the instance has been released, or this is not an instance"
    )
}

/// The instance of a handle, in this process.
///
/// # Errors
///
/// `Stale`, `WrongProcess`.
pub fn live(handle: Handle) -> Result<(&'static ControlBlock, &'static Inner)> {
    let block = directory::resolve(handle.0).ok_or_else(stale)?;
    let inner = Live { block }.inner()?;
    inner.region.check_process()?;
    Ok((block, inner))
}

/// As [`live`], for what must not happen while the guest is preempted: it may be in the middle of anything.
///
/// # Errors
///
/// Also `BadState`.
pub fn settled(handle: Handle) -> Result<(&'static ControlBlock, &'static Inner)> {
    let (block, inner) = live(handle)?;
    if block.state() == state::PREEMPTED {
        return Err(error!(
            Status::BadState,
            "the guest is preempted in the middle of its code: until it is resumed its memory can be read, and nothing else"
        ));
    }
    Ok((block, inner))
}

/// As [`live`], for what must not happen during a run.
///
/// # Errors
///
/// Also `Running`.
pub fn idle(handle: Handle) -> Result<(&'static ControlBlock, &'static Inner)> {
    let (block, inner) = live(handle)?;
    if state::is_running(block.state()) {
        return Err(error!(Status::Running, "the instance is running"));
    }
    Ok((block, inner))
}

/// The host's data.
pub fn data(handle: Handle) -> Result<*mut c_void> {
    Ok(live(handle)?.1.data)
}

/// Reads a field of the fixed header or a cell of the state, `distance` bytes below vmctx.
///
/// # Safety
///
/// `distance` is at most the module's state size and at least 8.
pub(crate) unsafe fn read_state(block: &ControlBlock, distance: u32) -> u64 {
    // SAFETY: the state is accessible while the slot has an instance; reading plain data of the guest.
    unsafe { ((block.vmctx.get() - distance as usize) as *const u64).read_unaligned() }
}

/// Writes a field of the fixed header or a cell of the state.
///
/// # Safety
///
/// As [`read_state`].
pub(crate) unsafe fn write_state(block: &ControlBlock, distance: u32, value: u64) {
    // SAFETY: as above; the guest does not run, or has called out.
    unsafe { ((block.vmctx.get() - distance as usize) as *mut u64).write_unaligned(value) };
}

/// Tells the guest how long its memory 0 is.
pub(crate) fn publish_memory_bytes(block: &ControlBlock, inner: &Inner, bytes: u64) {
    inner.memory_bytes.set(bytes);
    // SAFETY: the fixed header is part of every state.
    unsafe { write_state(block, vmctx::MEMORY_BYTES, bytes) };
}
