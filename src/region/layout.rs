//! Where the parts of a slot are. Pure arithmetic: no memory is touched here.
//!
//! ```text
//!  addresses grow to the right; sizes as configured, whole pages
//!
//!  slot start (2 MiB aligned)                                      vmctx == memory 0
//!  |                                                               |
//!  | guard     | stack      | memories 1.. | tables  | state       | memory 0 ............. | guard          | to 2 MiB |
//!  | PROT_NONE | grows left | of equal     | 8 bytes | module      | RW up to its length,   | 2 GiB + 64 KiB |          |
//!  | 64 KiB    | RW         | size, RW     | each RW | part, then  | PROT_NONE up to 4 GiB  | PROT_NONE      |          |
//!  |           |            |              |         | header RW   | or its largest size    |                |          |
//! ```
//!
//! From the stack to the end of memory 0 all is one kind of memory: one mapping of the kernel's, and one for what is inaccessible.
//! The further memories need no guards, since code compares each address with their length, and they are writable as a whole:
//! what lies beyond their length is zero and out of reach.
//!
//! Invariants: stack top, tables, state and the start of memory are contiguous and, without further memories, normally lie in one
//! 2 MiB range, so one page table serves them; every sum is checked; a slot never overlaps its neighbour.

use crate::error::{Result, Status, error};
use lucet_format::contract::{GUARD, RESERVATION};
use lucet_format::{PAGE_SIZE, vmctx};

/// Inaccessible bytes below a guest's stack. Stack probes touch every page, so one page would do; more
/// catches what a probe-less host frame on it could skip.
pub const STACK_GUARD: u64 = 64 << 10;

const SLOT_ALIGN: u64 = 2 << 20;

/// The largest memory.
pub const MOST_MEMORY: u64 = 1 << 40;
/// The most memories of an instance: more than validation allows.
const MOST_MEMORIES: u32 = 1 << 7;

/// Sizes that a region is made with, in bytes unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Slots.
    pub instances: u32,
    /// The most of each linear memory.
    pub memory: u64,
    /// The most linear memories of one instance.
    pub memories: u32,
    /// A guest's stack.
    pub stack: u64,
    /// State below vmctx, header included.
    pub state: u64,
    /// Table elements of one instance.
    pub table_elements: u64,
}

/// Offsets from a slot's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The lowest byte of the stack.
    pub stack: u64,
    /// One past the stack, and the first byte of memory 1.
    pub further: u64,
    /// The first table element.
    pub tables: u64,
    /// The first byte of the state.
    pub state: u64,
    /// vmctx.
    pub memory: u64,
    /// Address space for memory 0.
    pub reservation: u64,
    /// One past the guard behind it.
    pub end: u64,
    /// From one slot to the next.
    pub stride: u64,
    /// Of all slots together.
    pub total: u64,
    /// The sizes, rounded up to whole pages.
    pub sizes: Sizes,
}

impl Layout {
    /// Computes a layout.
    ///
    /// # Errors
    ///
    /// `Limit`, naming the size that is too large or too small.
    pub fn new(wanted: &Sizes) -> Result<Layout> {
        let sizes = Self::check(wanted)?;
        let stack = STACK_GUARD;
        let further = stack + sizes.stack;
        // At most 2^7 times 2^40.
        let tables = further + u64::from(sizes.memories - 1) * sizes.memory;
        let state = tables + sizes.table_elements * u64::from(vmctx::TABLE_ELEMENT_BYTES);
        let memory = state + sizes.state;
        let reservation = sizes.memory.max(RESERVATION);
        let end = memory + reservation + GUARD;
        let stride = end.next_multiple_of(SLOT_ALIGN);
        let total = stride
            .checked_mul(u64::from(sizes.instances))
            .filter(|total| *total <= 1 << 47);
        let Some(total) = total else {
            return Err(error!(
                Status::Limit,
                "{} instances of {} GiB address space each are more than a process has",
                sizes.instances,
                stride >> 30
            ));
        };
        Ok(Layout {
            stack,
            further,
            tables,
            state,
            memory,
            reservation,
            end,
            stride,
            total,
            sizes,
        })
    }

    fn check(wanted: &Sizes) -> Result<Sizes> {
        let within = |what: &str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                return Ok(value.next_multiple_of(PAGE_SIZE));
            }
            Err(error!(
                Status::Limit,
                "{what} is {value}, allowed are {low} to {high}"
            ))
        };
        within(
            "the number of instances",
            u64::from(wanted.instances),
            1,
            1 << 20,
        )?;
        let elements_in_a_page = PAGE_SIZE / u64::from(vmctx::TABLE_ELEMENT_BYTES);
        within(
            "the number of table elements",
            wanted.table_elements,
            0,
            10_000_000,
        )?;
        within(
            "the number of memories",
            u64::from(wanted.memories),
            1,
            u64::from(MOST_MEMORIES),
        )?;
        Ok(Sizes {
            instances: wanted.instances,
            memory: within("the memory of an instance", wanted.memory, 0, MOST_MEMORY)?,
            memories: wanted.memories,
            stack: within("the stack of an instance", wanted.stack, 16 << 10, 1 << 30)?,
            state: within(
                "the state of an instance",
                wanted.state,
                u64::from(vmctx::HEADER_BYTES),
                u64::from(vmctx::MAX_STATE_BYTES),
            )?,
            table_elements: wanted.table_elements.next_multiple_of(elements_in_a_page),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes() -> Sizes {
        Sizes {
            instances: 3,
            memory: 16 << 20,
            memories: 1,
            stack: 128 << 10,
            state: 16 << 10,
            table_elements: 10_000,
        }
    }

    #[test]
    fn parts_follow_each_other_without_gaps() {
        let layout = Layout::new(&sizes()).expect("a layout");
        assert_eq!(layout.further - layout.stack, 128 << 10);
        assert_eq!(layout.tables, layout.further);
        assert_eq!(layout.state - layout.tables, 10_240 * 8);
        assert_eq!(layout.memory - layout.state, 16 << 10);
        assert_eq!(layout.end - layout.memory, RESERVATION + GUARD);
        assert!(layout.stride >= layout.end && layout.total == 3 * layout.stride);
        assert!(
            layout.memory < SLOT_ALIGN,
            "stack, state and the first page of memory share a page table"
        );
    }

    #[test]
    fn further_memories_lie_above_the_stack() {
        let mut wanted = sizes();
        wanted.memories = 3;
        let layout = Layout::new(&wanted).expect("a layout");
        assert_eq!(layout.tables - layout.further, 2 * (16 << 20));
        assert_eq!(layout.end - layout.memory, RESERVATION + GUARD);
    }

    #[test]
    fn large_memories_have_their_guard_behind_them() {
        let mut wanted = sizes();
        wanted.memory = 10 << 30;
        let layout = Layout::new(&wanted).expect("a layout");
        assert_eq!(layout.reservation, 10 << 30);
        assert_eq!(layout.end - layout.memory, (10 << 30) + GUARD);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        for change in [
            |sizes: &mut Sizes| sizes.instances = 0,
            |sizes: &mut Sizes| sizes.memory = (1 << 40) + 1,
            |sizes: &mut Sizes| sizes.memories = 0,
            |sizes: &mut Sizes| sizes.memories = u32::MAX,
            |sizes: &mut Sizes| (sizes.memories, sizes.memory) = (100, 1 << 40),
            |sizes: &mut Sizes| sizes.stack = 100,
            |sizes: &mut Sizes| sizes.stack = u64::MAX,
            |sizes: &mut Sizes| sizes.state = 0,
            |sizes: &mut Sizes| sizes.table_elements = u64::MAX,
            |sizes: &mut Sizes| sizes.instances = 1 << 20,
        ] {
            let mut wanted = sizes();
            change(&mut wanted);
            assert_eq!(
                Layout::new(&wanted).expect_err("refused").status,
                Status::Limit
            );
        }
    }
}
