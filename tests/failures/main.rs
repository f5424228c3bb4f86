//! What happens when the system has nothing left.

mod allocations;
