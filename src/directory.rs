//! Where control blocks live, and how a handle finds its block.
//!
//! One range of address space holds the blocks of every region of the process, by number. It is reserved once,
//! made accessible piece by piece, and never unmapped, so that any value a host passes as a handle can be
//! checked without trusting it.
//!
//! ```text
//!   handle (a lucet_instance *)        63 .................. 20 | 19 ............ 0
//!                                      generation, from 1       | number of the block
//! ```
//!
//! A generation is used once per block, so a handle is never valid again after its instance is released. Forty-four
//! bits last for months of nothing but making instances in one slot; then the block is retired.
//!
//! Invariants: the numbers of a region are contiguous; a block's contents are initialised before its number is given out.

use crate::control::{CONTROL_BLOCK_STRIDE, ControlBlock};
use crate::error::{Error, Result, Status, error};
use crate::mapping::{Access, Mapping};
use lucet_format::PAGE_SIZE;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

pub(crate) const NUMBER_BITS: u32 = 20;
/// Blocks that a process can have.
const CAPACITY: u32 = 1 << NUMBER_BITS;
/// The first generation that no handle can express.
const GENERATIONS: u64 = 1 << (64 - NUMBER_BITS);

/// Where block 0 is; 0 before the first region.
pub(crate) static BASE: AtomicUsize = AtomicUsize::new(0);
/// Numbers below this are initialised.
pub(crate) static READY: AtomicU32 = AtomicU32::new(0);

struct Numbers {
    mapping: Option<Mapping>,
    /// First number and count of ranges that regions have given back: ascending, none next to another.
    free: Vec<(u32, u32)>,
    /// Ranges that regions have. There are never more free ones than one more than these.
    taken: usize,
}

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers {
    mapping: None,
    free: Vec::new(),
    taken: 0,
});

/// Contiguous numbers, given back when dropped.
#[derive(Debug)]
pub struct Range {
    first: u32,
    count: u32,
}

impl Range {
    /// The block with this index in the range.
    pub fn block(&self, index: u32) -> Option<&'static ControlBlock> {
        if index < self.count {
            block(self.first + index)
        } else {
            None
        }
    }

    /// The number of the block with index 0.
    pub fn first(&self) -> u32 {
        self.first
    }
}

/// Takes `count` blocks.
///
/// # Errors
///
/// `Limit` when the process has no more numbers; `NoMemory`.
pub fn take(count: u32) -> Result<Range> {
    let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    // Giving back must not fail, so its room is made when taking.
    let most = numbers.taken + 2;
    let more = most.saturating_sub(numbers.free.len());
    numbers
        .free
        .try_reserve(more)
        .map_err(|_| Error::no_memory("the list of free control blocks"))?;
    let fits = |all: &Numbers| all.free.iter().position(|(_, free)| *free >= count);
    let index = match fits(&numbers) {
        Some(index) => index,
        None => {
            extend(&mut numbers, count)?;
            // What has been added is there.
            fits(&numbers).unwrap_or_default()
        }
    };
    let (first, free) = numbers.free.remove(index);
    if free > count {
        numbers.free.insert(index, (first + count, free - count));
    }
    numbers.taken += 1;
    Ok(Range { first, count })
}

/// Makes so many more blocks that there are `count` free ones in a row.
fn extend(numbers: &mut Numbers, count: u32) -> Result<()> {
    let ready = READY.load(Ordering::Acquire);
    let last = numbers.free.last();
    let at_end = last.filter(|(first, free)| first + free == ready);
    let count = count - at_end.map_or(0, |(_, free)| *free);
    if count > CAPACITY - ready {
        return Err(error!(
            Status::Limit,
            "a process has at most {CAPACITY} instance slots: no {count} more are free in a row"
        ));
    }
    make_ready(numbers, ready, count)?;
    give_back(&mut numbers.free, ready, count);
    Ok(())
}

/// Makes the blocks from the first one on that there is not yet.
fn make_ready(numbers: &mut Numbers, first: u32, count: u32) -> Result<()> {
    let mapping = match &numbers.mapping {
        Some(mapping) => mapping,
        None => {
            let length = CAPACITY as usize * CONTROL_BLOCK_STRIDE;
            let mapping = Mapping::reserve(length, PAGE_SIZE as usize)?;
            BASE.store(mapping.base(), Ordering::Release);
            numbers.mapping.insert(mapping)
        }
    };
    let page = PAGE_SIZE as usize;
    let start = (first as usize * CONTROL_BLOCK_STRIDE).next_multiple_of(page);
    let end = ((first + count) as usize * CONTROL_BLOCK_STRIDE).next_multiple_of(page);
    mapping.protect(start, end.saturating_sub(start), Access::ReadWrite)?;
    for number in first..first + count {
        let at = (mapping.base() + number as usize * CONTROL_BLOCK_STRIDE) as *mut ControlBlock;
        // SAFETY: the block's pages have just been made writable, it is aligned (the stride is a multiple of the
        // alignment), and nobody knows of it before READY is raised below.
        unsafe { at.write(ControlBlock::new()) };
    }
    READY.store(first + count, Ordering::Release);
    Ok(())
}

/// Adds a range to a list of free ones that has room for it, and joins it with its neighbours.
fn give_back(free: &mut Vec<(u32, u32)>, first: u32, count: u32) {
    let at = free.partition_point(|(other, _)| *other < first);
    let (mut first, mut count, mut end) = (first, count, at);
    if let Some((_, next)) = free.get(at).filter(|(next, _)| *next == first + count) {
        count += next;
        end += 1;
    }
    let before = at.checked_sub(1).and_then(|index| free.get(index));
    let start = match before.filter(|(before, size)| before + size == first) {
        Some((before, size)) => {
            (first, count) = (*before, size + count);
            at - 1
        }
        None => at,
    };
    free.splice(start..end, [(first, count)]);
}

impl Drop for Range {
    fn drop(&mut self) {
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.taken -= 1;
        give_back(&mut numbers.free, self.first, self.count);
    }
}

/// The block with this number. Async-signal-safe.
pub fn block(number: u32) -> Option<&'static ControlBlock> {
    if number >= READY.load(Ordering::Acquire) {
        return None;
    }
    let base = BASE.load(Ordering::Acquire);
    let at = (base + number as usize * CONTROL_BLOCK_STRIDE) as *const ControlBlock;
    // SAFETY: numbers below READY are initialised, and the directory is never unmapped.
    Some(unsafe { &*at })
}

/// All blocks that there are.
pub fn blocks() -> impl Iterator<Item = &'static ControlBlock> {
    (0..READY.load(Ordering::Acquire)).map_while(block)
}

/// The block that a value would be about if it were a handle.
#[inline]
pub fn block_of(handle: u64) -> Option<&'static ControlBlock> {
    block((handle & u64::from(CAPACITY - 1)) as u32)
}

/// The block of a live instance's handle; `None` for any other value.
pub fn resolve(handle: u64) -> Option<&'static ControlBlock> {
    let block = block_of(handle)?;
    (handle != 0 && block.handle.load(Ordering::Acquire) == handle).then_some(block)
}

/// A new handle for a block; `None` when its generations are used up.
pub fn issue(block: &ControlBlock, number: u32) -> Option<u64> {
    let generation = block.generation.get() + 1;
    if generation >= GENERATIONS {
        return None;
    }
    block.generation.set(generation);
    let handle = generation << NUMBER_BITS | u64::from(number);
    block.handle.store(handle, Ordering::Release);
    Some(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_good_for_one_instance() {
        let range = take(3).expect("blocks");
        let block = range.block(1).expect("a block");
        let handle = issue(block, range.first() + 1).expect("a handle");
        assert!(std::ptr::eq(resolve(handle).expect("live"), block));
        block.handle.store(0, Ordering::Release);
        assert!(resolve(handle).is_none());
        let next = issue(block, range.first() + 1).expect("a handle");
        assert_ne!(next, handle);
        assert!(resolve(handle).is_none() && resolve(next).is_some());
        block.handle.store(0, Ordering::Release);
    }

    #[test]
    fn free_ranges_are_joined() {
        let mut free = Vec::with_capacity(4);
        for (first, count) in [(8, 2), (0, 2), (4, 2)] {
            give_back(&mut free, first, count);
        }
        assert_eq!(free, [(0, 2), (4, 2), (8, 2)]);
        give_back(&mut free, 2, 2);
        assert_eq!(free, [(0, 6), (8, 2)]);
        give_back(&mut free, 10, 5);
        assert_eq!(free, [(0, 6), (8, 7)]);
        give_back(&mut free, 6, 2);
        assert_eq!(free, [(0, 15)]);
    }

    /// Of sizes that differ, four at a time: what is given back must be good for larger ones, too.
    #[test]
    fn ranges_that_come_and_go_use_up_nothing() {
        let mut kept: [Option<Range>; 4] = Default::default();
        let mut size = 1u32;
        for turn in 0..4 * CAPACITY / 3000 {
            size = (size * 1103 + 12345) % 3000;
            let place = &mut kept[turn as usize % 4];
            *place = None;
            *place = Some(take(1 + size).expect("blocks"));
        }
        assert!(READY.load(Ordering::Acquire) < CAPACITY / 8);
    }

    #[test]
    fn arbitrary_values_are_no_handles() {
        for value in [0, 1, u64::MAX, 0x7fff_dead_beef, 0xf_ffff] {
            assert!(resolve(value).is_none(), "{value:#x}");
        }
    }

    #[test]
    fn an_exhausted_block_gives_no_more_handles() {
        let range = take(1).expect("blocks");
        let block = range.block(0).expect("a block");
        block.generation.set(GENERATIONS - 1);
        assert_eq!(issue(block, range.first()), None);
    }
}
