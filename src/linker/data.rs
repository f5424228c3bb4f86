//! The host's data of a definition, with what releases it.

use crate::counted::Counted;
use crate::error::Result;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

/// The host's data of a definition, released with the last linker or module that uses it.
pub struct DynamicData {
    pub(super) data: *mut c_void,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
    owned: AtomicBool,
}

// SAFETY: the host has promised data and release function that can be used from any thread.
unsafe impl Send for DynamicData {}
// SAFETY: as above.
unsafe impl Sync for DynamicData {}

impl DynamicData {
    /// Data, and what is called when nobody uses it any more.
    ///
    /// # Errors
    ///
    /// `NoMemory`; the data is not released then.
    pub fn new(
        data: *mut c_void,
        release: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> Result<Counted<DynamicData>> {
        Counted::new_with(|| DynamicData {
            data,
            release,
            owned: AtomicBool::new(true),
        })
    }

    /// Gives the data back to the caller: it will not be released.
    pub fn disown(&self) {
        self.owned.store(false, Ordering::Relaxed);
    }
}

impl Drop for DynamicData {
    fn drop(&mut self) {
        if let Some(release) = self.release.filter(|_| *self.owned.get_mut()) {
            // SAFETY: the host's promise when it defined the function; called once.
            unsafe { release(self.data) };
        }
    }
}
