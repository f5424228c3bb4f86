//! Killing guests: from any thread, from signal handlers.

use super::guard::guarded;
use super::instance::{handle, lucet_instance};
use super::status::lucet_status;
use super::structs::put;
use crate::instance::{self, Answer, KillHandle};

/// Names a guest to be killed: an instance between new or reset and the next reset or release. A value: copy it as you like. All zero
/// names nothing. It may outlive the instance and the region, and then does nothing.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct lucet_kill_handle {
    /// Not to be interpreted.
    pub opaque: [u64; 2],
}

/// `lucet_kill`: the guest is running and is being left. If it was just returning, its next entry ends at once.
pub const LUCET_KILL_STOPPING: i32 = 1;
/// `lucet_kill`: the guest has called a host function and will be left when that returns.
pub const LUCET_KILL_WHEN_HOST_RETURNS: i32 = 2;
/// `lucet_kill`: the guest is not running, or is suspended or preempted; its next entry or resume ends at once.
pub const LUCET_KILL_NOT_RUNNING: i32 = 3;
/// `lucet_kill`: there is nothing to kill: it has trapped or was terminated, or has been reset or released since.
pub const LUCET_KILL_FINISHED: i32 = 4;
const _: () = assert!(
    LUCET_KILL_STOPPING == Answer::Stopping as i32
        && LUCET_KILL_WHEN_HOST_RETURNS == Answer::WhenHostReturns as i32
        && LUCET_KILL_NOT_RUNNING == Answer::NotRunning as i32
        && LUCET_KILL_FINISHED == Answer::Finished as i32
);

/// The handle that kills an instance as it is now, until it is reset or released.
/// Errors: NULL_ARGUMENT, STALE, WRONG_PROCESS. The instance's thread, also in its host functions. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_kill_handle(
    instance: *const lucet_instance,
    out_handle: *mut lucet_kill_handle,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let named = instance::kill_handle(handle(instance)?)?;
        let value = lucet_kill_handle {
            opaque: [named.block, named.incarnation],
        };
        put(out_handle, value, "out_handle")
    })
}

/// Ends a guest for good: the outcome of its entry is LUCET_TERMINATED, LUCET_STOP_KILL, with `reason` as its token. Answers
/// LUCET_KILL_*: what the kill has met. It does not wait for the guest to be gone: the run's return says that. A kill holds until
/// reset, release or lucet_instance_keep. When several kills meet, the reason of one of them is reported.
/// Any thread; signal handlers, also on top of the guest: async-signal-safe, errno stays. In another process than the instance's
/// it does nothing. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn lucet_kill(kill_handle: lucet_kill_handle, reason: u64) -> i32 {
    let [block, incarnation] = kill_handle.opaque;
    instance::kill(KillHandle { block, incarnation }, reason) as i32
}
