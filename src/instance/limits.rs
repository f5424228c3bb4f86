//! What an instance may use, beyond what its region allows.

use super::{Handle, idle};
use crate::error::Result;

/// Limits of one instance; 0: none but the region's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory. Growth beyond gives the guest -1.
    pub memory_bytes: u64,
    /// Elements of all tables. Growth beyond gives the guest -1.
    pub table_elements: u64,
}

impl Limits {
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
/// `Stale`, `Running`, `WrongProcess`.
pub fn set_limits(handle: Handle, limits: Limits) -> Result<()> {
    idle(handle)?.1.limits.set(limits);
    Ok(())
}
