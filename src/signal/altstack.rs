//! Alternate signal stacks: a guest that has used up its stack can only be dealt with on another one.
//!
//! Invariants: a stack that is in use by a signal handler is never changed or unmapped; the host's own stack is kept
//! when it is large enough, and put back, not freed, when it is not.

use crate::error::{Error, Result, Status, error};
use crate::mapping::{Access, Mapping};
use crate::signal::frame_bytes;
use libc::stack_t;
use lucet_format::PAGE_SIZE;

/// What our own stacks have at least.
const SMALLEST: usize = 64 << 10;
/// Room on our own stacks besides two signal frames: the host's handlers that we forward to use it as well.
const ROOM: usize = 32 << 10;
/// Room that is asked of a host's stack besides two signal frames: one for the fault, one for a handler that
/// interrupts ours.
const LEAST_ROOM: usize = 8 << 10;

/// What [`provide`] did to a thread.
#[derive(Debug)]
pub(crate) struct Provided {
    /// Our stack; `None` while the host's own serves.
    stack: Option<Mapping>,
    /// What was set before.
    previous: stack_t,
}

fn query() -> Result<stack_t> {
    let mut current = unset();
    // SAFETY: only asks.
    let failed = unsafe { libc::sigaltstack(std::ptr::null(), &mut current) } != 0;
    if failed {
        Err(Error::system("sigaltstack"))
    } else {
        Ok(current)
    }
}

fn unset() -> stack_t {
    stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        ss_size: 0,
    }
}

/// Makes sure that this thread has an alternate stack of sufficient size.
///
/// # Errors
///
/// `BadState` in a signal handler that runs on the alternate stack; `NoMemory`, `System`.
pub(crate) fn provide() -> Result<Provided> {
    let previous = query()?;
    if previous.ss_flags & libc::SS_ONSTACK != 0 {
        return Err(error!(
            Status::BadState,
            "a guest cannot run inside a signal handler: this thread is on its alternate signal stack"
        ));
    }
    let frames = frame_bytes().saturating_mul(2);
    let set = previous.ss_flags & libc::SS_DISABLE == 0;
    if set && previous.ss_size >= frames.saturating_add(LEAST_ROOM) {
        return Ok(Provided {
            stack: None,
            previous,
        });
    }
    let page = PAGE_SIZE as usize;
    let size = frames
        .saturating_add(ROOM)
        .max(SMALLEST)
        .next_multiple_of(page);
    // The page below stays inaccessible: an overflow of this stack must not reach anything else.
    let mapping = Mapping::reserve(page.saturating_add(size), page)?;
    mapping.protect(page, size, Access::ReadWrite)?;
    let ours = stack_t {
        ss_sp: (mapping.base() + page) as *mut _,
        ss_flags: 0,
        ss_size: size,
    };
    // SAFETY: the stack is mapped, and stays so until `Provided` is taken back.
    if unsafe { libc::sigaltstack(&ours, std::ptr::null_mut()) } != 0 {
        return Err(Error::system("sigaltstack"));
    }
    Ok(Provided {
        stack: Some(mapping),
        previous,
    })
}

/// What to set instead of our stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// What was set before.
    Previous,
    /// Nothing: at a thread's end its owner may have freed the previous stack.
    Nothing,
}

impl Provided {
    /// Frees our stack. A stack that the host has set meanwhile stays.
    pub(crate) fn take_back(self, afterwards: Afterwards) {
        let Some(mapping) = self.stack else {
            return;
        };
        let first = mapping.base();
        let is_ours = |stack: &stack_t| (stack.ss_sp as usize).wrapping_sub(first) < mapping.len();
        let free = match query() {
            Ok(current) if is_ours(&current) && current.ss_flags & libc::SS_DISABLE == 0 => {
                let next = match afterwards {
                    Afterwards::Previous => self.previous,
                    Afterwards::Nothing => unset(),
                };
                // SAFETY: nothing, or the stack that the host had set itself. Refused while a handler runs on ours.
                (unsafe { libc::sigaltstack(&next, std::ptr::null_mut()) }) == 0
            }
            Ok(_) => true,
            Err(_) => false,
        };
        if !free {
            // Still in use: losing the memory is better than unmapping the stack under a handler.
            std::mem::forget(mapping);
        }
    }
}
