//! What an instance may use, beyond what its region allows.

use super::{Handle, idle};
use crate::error::{Result, Status, error};
use crate::signal;
use crate::timing::Allowance;

/// Limits of one instance; 0: none but the region's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory. Growth beyond gives the guest -1.
    pub memory_bytes: u64,
    /// Elements of all tables. Growth beyond gives the guest -1.
    pub table_elements: u64,
    /// Bytes of the exceptions that exist at a time; 0: `exception::DEFAULT_BYTES`. The guest traps beyond.
    pub exception_bytes: u64,
    /// Time.
    pub time: Allowance,
}

impl Limits {
    /// That the limits can be kept.
    ///
    /// # Errors
    ///
    /// `BadArgument`, `NoSignals`.
    pub fn check(&self) -> Result<()> {
        if self.time.nested != 0 && self.time.slice == 0 {
            return Err(error!(
                Status::BadArgument,
                "nested_ns begins where a slice ends, and there is no slice_ns"
            ));
        }
        if self.time.is_any() && !(signal::installed() && signal::stop_signal() != 0) {
            return Err(error!(
                Status::NoSignals,
                "limits of time need a stop signal: the handlers are not installed, or the host, which handles signals itself, has chosen none"
            ));
        }
        Ok(())
    }

    /// The smaller of a limit, where there is one, and what the region allows.
    pub fn within(limit: u64, region: u64) -> u64 {
        if limit == 0 {
            region
        } else {
            limit.min(region)
        }
    }
}

/// Sets the limits, which hold from now on. What the guest has beyond them it keeps.
///
/// # Errors
///
/// `Stale`, `Running`, `WrongProcess`, `BadArgument`, `NoSignals`.
pub fn set_limits(handle: Handle, limits: Limits) -> Result<()> {
    let (block, inner) = idle(handle)?;
    limits.check()?;
    inner.limits.set(limits);
    inner.allow_short_entries(block);
    Ok(())
}
