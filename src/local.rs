//! One record for each thread, dropped when the thread ends.
//!
//! Rust's own thread-local variables with destructors end the process when there is no memory to register one, and take room that
//! libraries which are loaded late share and have little of. These do neither: they are the C library's, and failing is an answer.
//!
//! Invariants: a record is reached by its own thread only, and not while it is being dropped.

use std::alloc::{Layout, alloc};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// The place of such records; a static.
pub struct PerThread<T> {
    /// The C library's key, plus 1; 0: none yet.
    key: AtomicU64,
    records: PhantomData<fn() -> T>,
}

/// Drops the record of a thread that ends. The C library has forgotten it already.
unsafe extern "C" fn end<T>(record: *mut c_void) {
    // SAFETY: what `set` has stored.
    drop(unsafe { Box::from_raw(record.cast::<T>()) });
}

impl<T> PerThread<T> {
    /// Without records.
    pub const fn new() -> PerThread<T> {
        PerThread {
            key: AtomicU64::new(0),
            records: PhantomData,
        }
    }

    fn key(&self) -> Option<libc::pthread_key_t> {
        let known = self.key.load(Ordering::Acquire);
        let known = known.checked_sub(1);
        known.and_then(|key| libc::pthread_key_t::try_from(key).ok())
    }

    fn make_key(&self) -> Option<libc::pthread_key_t> {
        if let Some(key) = self.key() {
            return Some(key);
        }
        let mut key = 0;
        // SAFETY: writes a key; the destructor lives as long as the library, which is never unloaded.
        if unsafe { libc::pthread_key_create(&mut key, Some(end::<T>)) } != 0 {
            return None;
        }
        let ours = u64::from(key) + 1;
        let stored = self
            .key
            .compare_exchange(0, ours, Ordering::AcqRel, Ordering::Acquire);
        if stored.is_err() {
            // Another thread was faster.
            // SAFETY: a key that nobody has used.
            unsafe { libc::pthread_key_delete(key) };
        }
        self.key()
    }

    fn record(&self) -> *mut T {
        match self.key() {
            // SAFETY: a key that exists.
            Some(key) => unsafe { libc::pthread_getspecific(key) }.cast(),
            None => std::ptr::null_mut(),
        }
    }

    /// Looks at this thread's record. `None`: it has none.
    pub fn with<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        // SAFETY: null, or this thread's record, which lives until it is taken or the thread ends.
        unsafe { self.record().as_ref() }.map(look)
    }

    /// Gives this thread, which has none, a record. False: there is no memory, and the record is dropped.
    pub fn set(&self, record: T) -> bool {
        let Some(key) = self.make_key() else {
            return false;
        };
        debug_assert!(size_of::<T>() > 0);
        // SAFETY: the layout is not of size 0.
        let place = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
        if place.is_null() {
            return false;
        }
        // SAFETY: fresh memory of this layout.
        unsafe { place.write(record) };
        // SAFETY: a key that exists, and a record that `end` can drop.
        let stored = unsafe { libc::pthread_setspecific(key, place.cast_const().cast()) } == 0;
        if !stored {
            // SAFETY: allocated and written above, and known to nobody.
            drop(unsafe { Box::from_raw(place) });
        }
        stored
    }

    /// Takes this thread's record away.
    pub fn take(&self) -> Option<Box<T>> {
        let key = self.key()?;
        let record = self.record();
        if record.is_null() {
            return None;
        }
        // SAFETY: a key that exists; the place is there already, so this takes no memory.
        unsafe { libc::pthread_setspecific(key, std::ptr::null()) };
        // SAFETY: what `set` has stored, and nobody else knows any more.
        Some(unsafe { Box::from_raw(record) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    static DROPPED: AtomicU32 = AtomicU32::new(0);
    struct Record(u32);
    impl Drop for Record {
        fn drop(&mut self) {
            DROPPED.fetch_add(self.0, Ordering::Relaxed);
        }
    }
    static RECORDS: PerThread<Record> = PerThread::new();

    #[test]
    fn each_thread_has_its_own_until_it_ends() {
        assert!(RECORDS.with(|_| ()).is_none() && RECORDS.take().is_none());
        assert!(RECORDS.set(Record(1)));
        let other = std::thread::spawn(|| {
            assert!(RECORDS.with(|_| ()).is_none());
            assert!(RECORDS.set(Record(10)));
            assert_eq!(RECORDS.with(|record| record.0), Some(10));
        });
        other.join().expect("the other thread");
        assert_eq!(DROPPED.load(Ordering::Relaxed), 10);
        assert_eq!(RECORDS.with(|record| record.0), Some(1));
        drop(RECORDS.take());
        assert_eq!(DROPPED.load(Ordering::Relaxed), 11);
        assert!(RECORDS.with(|_| ()).is_none());
    }
}
