//! Counted objects: like `Arc`, but making one can fail instead of aborting.
//!
//! A [`Loan`] is one more way to share: for values that threads take and give back all the time, so that they must not meet at one count.
//! It is counted in its thread's lane, and the lanes are looked at once the last `Counted` is gone.
//!
//! Invariants: a `Counted` owns one count, a `Loan` one in some lane; the value lives until the last of both is gone. There are no weak
//! references and no way to mutate through one.

use crate::error::{Error, Result};
use crate::lanes::{self, Line, Tally};
use std::alloc::{Layout, alloc, dealloc};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

struct Cell<T> {
    count: AtomicUsize,
    /// Loans; `None`: there are none of this value.
    loans: Option<Tally>,
    value: T,
}

/// A shared, counted value.
pub struct Counted<T> {
    cell: NonNull<Cell<T>>,
}

// SAFETY: a `Counted` gives out `&T` on any thread and may drop `T` on any thread, which `Send + Sync` allows.
unsafe impl<T: Send + Sync> Send for Counted<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Counted<T> {}

impl<T> Counted<T> {
    /// Makes a value with one count.
    ///
    /// # Errors
    ///
    /// `NoMemory`; the value is dropped.
    pub fn new(value: T) -> Result<Counted<T>> {
        Counted::new_with(|| value)
    }

    /// Makes a value with one count, once there is memory for it.
    ///
    /// # Errors
    ///
    /// `NoMemory`; `make` has not run.
    pub fn new_with(make: impl FnOnce() -> T) -> Result<Counted<T>> {
        Self::new_cell(None, make)
    }

    /// As [`Counted::new`], of a value that can be lent.
    ///
    /// # Errors
    ///
    /// `NoMemory`; the value is dropped.
    pub fn new_lendable(value: T) -> Result<Counted<T>> {
        let lines = lanes::one_for_each(Line::new, "a shared object")?;
        Self::new_cell(Some(Tally::new(lines)), || value)
    }

    fn new_cell(loans: Option<Tally>, make: impl FnOnce() -> T) -> Result<Counted<T>> {
        let layout = Layout::new::<Cell<T>>();
        // SAFETY: the layout is not of size zero, since the count is not.
        let memory = unsafe { alloc(layout) }.cast::<Cell<T>>();
        let Some(cell) = NonNull::new(memory) else {
            return Err(Error::no_memory("a shared object"));
        };
        // SAFETY: freshly allocated with the layout of `Cell<T>`.
        unsafe {
            cell.write(Cell {
                count: AtomicUsize::new(1),
                loans,
                value: make(),
            })
        };
        Ok(Counted { cell })
    }

    /// The address of the value, which is also its identity.
    pub fn as_ptr(this: &Self) -> *const T {
        // SAFETY: the cell is alive; only an address is formed.
        unsafe { &raw const (*this.cell.as_ptr()).value }
    }

    /// Lends the value. One that was not made for that is counted once more.
    #[inline]
    pub fn lend(&self) -> Loan<T> {
        // SAFETY: the cell is alive while `self` is.
        match unsafe { &(*self.cell.as_ptr()).loans } {
            // They are open: they are closed after the last count is gone, and `self` has one.
            Some(loans) => loans.enter(lanes::mine(loans.lanes())),
            None => std::mem::forget(self.clone()),
        }
        Loan { cell: self.cell }
    }
}

impl<T> Clone for Counted<T> {
    fn clone(&self) -> Self {
        // SAFETY: the cell is alive while `self` is. Overflow would need 2^63 leaked counts.
        unsafe { self.cell.as_ref() }
            .count
            .fetch_add(1, Ordering::Relaxed);
        Counted { cell: self.cell }
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the cell is alive while `self` is.
        &unsafe { self.cell.as_ref() }.value
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        // SAFETY: the cell is alive until the last count goes, which is at the earliest now.
        let before = unsafe { self.cell.as_ref() }
            .count
            .fetch_sub(1, Ordering::Release);
        if before == 1 {
            // The other threads' uses of the value come before its end.
            fence(Ordering::Acquire);
            // SAFETY: the cell is alive: nobody else ends it before the loans are closed, and afterwards only who gives back the last one.
            let lent = unsafe { &(*self.cell.as_ptr()).loans };
            if lent.as_ref().is_none_or(Tally::close) {
                // SAFETY: no count and no loan is left.
                unsafe { end(self.cell) };
            }
        }
    }
}

/// # Safety
///
/// Nobody else can reach the cell.
#[cold]
unsafe fn end<T>(cell: NonNull<Cell<T>>) {
    // SAFETY: the caller's promise.
    unsafe { cell.drop_in_place() };
    // SAFETY: allocated in `new_cell` with this layout.
    unsafe { dealloc(cell.as_ptr().cast(), Layout::new::<Cell<T>>()) };
}

/// A shared value, counted in a lane.
pub struct Loan<T> {
    cell: NonNull<Cell<T>>,
}

// SAFETY: as for `Counted`.
unsafe impl<T: Send + Sync> Send for Loan<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Loan<T> {}

impl<T> Deref for Loan<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the cell is alive while `self` is.
        &unsafe { self.cell.as_ref() }.value
    }
}

impl<T> Drop for Loan<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the cell is alive until this one has been counted.
        match unsafe { &(*self.cell.as_ptr()).loans } {
            Some(loans) => {
                if loans.leave(lanes::mine(loans.lanes())) {
                    // SAFETY: no count and no loan is left.
                    unsafe { end(self.cell) };
                }
            }
            None => drop(Counted { cell: self.cell }),
        }
    }
}

/// A boxed value, or `NoMemory`.
pub fn try_box<T>(value: T) -> Result<Box<T>> {
    let mut one = Vec::new();
    one.try_reserve_exact(1)
        .map_err(|_| Error::no_memory("an object"))?;
    one.push(value);
    let slice: Box<[T]> = one.into_boxed_slice();
    // SAFETY: a boxed slice of one element has the address, layout and ownership of a boxed element.
    Ok(unsafe { Box::from_raw(Box::into_raw(slice).cast::<T>()) })
}

/// A vector that collects fallibly.
pub fn try_collect<T>(items: impl Iterator<Item = T>, what: &str) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let (least, _) = items.size_hint();
    all.try_reserve(least).map_err(|_| Error::no_memory(what))?;
    for item in items {
        if all.len() == all.capacity() {
            all.try_reserve(all.len().max(8))
                .map_err(|_| Error::no_memory(what))?;
        }
        all.push(item);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_last_count_drops_the_value() {
        let witness = Arc::new(());
        let first = Counted::new(Arc::clone(&witness)).expect("memory");
        let second = first.clone();
        drop(second);
        assert_eq!(Arc::strong_count(&witness), 2);
        drop(first);
        assert_eq!(Arc::strong_count(&witness), 1);
    }

    #[test]
    fn the_last_loan_drops_the_value_wherever_it_was_made() {
        let witness = Arc::new(());
        let value = Counted::new_lendable(Arc::clone(&witness)).expect("memory");
        let (first, second) = (value.lend(), value.lend());
        drop(first);
        assert_eq!(Arc::strong_count(&second), 2);
        let third = std::thread::spawn({
            let value = value.clone();
            move || value.lend()
        });
        let third = third.join().expect("the other thread");
        drop(value);
        drop(second);
        assert_eq!(Arc::strong_count(&witness), 2);
        std::thread::spawn(move || drop(third))
            .join()
            .expect("the other thread");
        assert_eq!(Arc::strong_count(&witness), 1);
        drop(Counted::new_lendable(Arc::clone(&witness)).expect("memory"));
        assert_eq!(Arc::strong_count(&witness), 1);
    }
}
