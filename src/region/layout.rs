//! Where the parts of a slot are. Pure arithmetic: no memory is touched here.
//!
//! ```text
//!  addresses grow to the right; sizes as configured, whole pages
//!
//!  slot start                                                      vmctx == memory 0
//!  |                                                               |
//!  | guard     | stack      | memories 1.. | tables  | state       | memory 0 ............. | guard          | see below |
//!  | PROT_NONE | grows left | of equal     | 8 bytes | module      | RW up to its length,   | 2 GiB + 64 KiB |           |
//!  | 64 KiB    | RW         | size, RW     | each RW | part, then  | PROT_NONE up to 4 GiB  | PROT_NONE      |           |
//!  |           |            |              |         | header RW   | or its largest size    |                |           |
//! ```
//!
//! From the stack to the end of memory 0 all is one kind of memory: one mapping of the kernel's, and one for what is inaccessible.
//! Only the stack's low end and memories begin with a page: small tables, a small state and the stack's high end share one, because
//! nothing between them is protected.
//! The further memories need no guards, since code compares each address with their length, and they are writable as a whole:
//! what lies beyond their length is zero and out of reach.
//!
//! A slot begins a page further behind a multiple of 2 MiB than the slot before it. Processors look for translations of addresses
//! by the low bits of the page's number: were those the same in all slots, some twenty guests in turns would be all whose
//! stacks' ends stay at hand, and each entry beyond would walk the page tables twice.
//!
//! Slots of *compact* regions have no guards: code compares every address and the stack pointer. All of them are one mapping of the
//! kernel's, behind the trap zone that failed checks lead to, which is the region's:
//!
//! ```text
//!  | trap zone      | stack      | memories 1.. | tables | state | memory 0 | stack ... next slot
//!  | 2 GiB + 64 KiB | grows left |              |        |       |          |
//!  | PROT_NONE      | RW ..................................................................... |
//! ```
//!
//! There small stacks are less than a page, too.
//!
//! Invariants: stack top, tables, state and the start of memory are contiguous and, without further memories, normally lie in one
//! 2 MiB range, so one page table serves them (not so for some of each 512 slots); every sum is checked; a slot never overlaps its neighbour.

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
    /// Whether slots have no guards.
    pub compact: bool,
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
    /// Address space for memory 0 that only it uses; 0 in compact regions.
    pub reservation: u64,
    /// Inaccessible bytes behind it.
    pub guard: u64,
    /// Inaccessible bytes below the stack.
    pub stack_guard: u64,
    /// One past the guard behind memory 0.
    pub end: u64,
    /// From one slot to the next.
    pub stride: u64,
    /// Where the first slot is, from the region's start.
    pub first: u64,
    /// Of all slots together, and what precedes them.
    pub total: u64,
    /// The sizes, rounded up.
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
        let layout = if sizes.compact {
            Self::compact(sizes)
        } else {
            Self::guarded(sizes)
        };
        let slots = layout.stride.checked_mul(u64::from(sizes.instances));
        let total = slots
            .and_then(|slots| slots.checked_add(layout.first))
            .filter(|total| *total <= 1 << 47);
        let Some(total) = total else {
            return Err(error!(
                Status::Limit,
                "{} instances of {} KiB address space each are more than a process has",
                sizes.instances,
                layout.stride >> 10
            ));
        };
        Ok(Layout { total, ..layout })
    }

    fn guarded(sizes: Sizes) -> Layout {
        let reservation = sizes.memory.max(RESERVATION);
        let parts = Self::parts(STACK_GUARD, sizes);
        let end = parts.memory + reservation + GUARD;
        Layout {
            reservation,
            guard: GUARD,
            stack_guard: STACK_GUARD,
            end,
            stride: end.next_multiple_of(SLOT_ALIGN) + PAGE_SIZE,
            ..parts
        }
    }

    fn compact(sizes: Sizes) -> Layout {
        let parts = Self::parts(0, sizes);
        let end = parts.memory + sizes.memory;
        Layout {
            end,
            stride: end,
            first: GUARD,
            ..parts
        }
    }

    /// What lies from the stack, at this offset, to where memory 0 begins; the rest is empty.
    fn parts(stack: u64, sizes: Sizes) -> Layout {
        let further = stack + sizes.stack;
        // At most 2^7 times 2^40.
        let besides = u64::from(sizes.memories - 1) * sizes.memory;
        let memory =
            (further + besides + sizes.table_bytes() + sizes.state).next_multiple_of(PAGE_SIZE);
        let state = memory - sizes.state;
        let tables = state - sizes.table_bytes();
        Layout {
            stack,
            // What rounding leaves over is the stack's, where it can be.
            further: if besides == 0 { tables } else { further },
            tables,
            state,
            memory,
            reservation: 0,
            guard: 0,
            stack_guard: 0,
            end: 0,
            stride: 0,
            first: 0,
            total: 0,
            sizes,
        }
    }

    /// Where a slot starts, from the region's start.
    pub fn start(&self, slot: u32) -> u64 {
        self.first + u64::from(slot) * self.stride
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
        within(
            "the number of table elements",
            wanted.table_elements,
            0,
            10_000_000,
        )?;
        // Parts of pages, which keep the stack's high end aligned.
        let unit = 16;
        let element = u64::from(vmctx::TABLE_ELEMENT_BYTES);
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
            )
            .map(|_| wanted.state.next_multiple_of(unit))?,
            table_elements: wanted.table_elements.next_multiple_of(unit / element),
            compact: wanted.compact,
        })
    }
}

impl Sizes {
    fn table_bytes(&self) -> u64 {
        self.table_elements * u64::from(vmctx::TABLE_ELEMENT_BYTES)
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
            compact: false,
        }
    }

    #[test]
    fn parts_follow_each_other_without_gaps() {
        let layout = Layout::new(&sizes()).expect("a layout");
        assert!(layout.further - layout.stack >= 128 << 10);
        assert_eq!(layout.tables, layout.further);
        assert_eq!(layout.state - layout.tables, 10_000 * 8);
        assert_eq!(layout.memory - layout.state, 16 << 10);
        assert_eq!(layout.end - layout.memory, RESERVATION + GUARD);
        assert!(layout.stride >= layout.end && layout.total == 3 * layout.stride);
        assert!(
            layout.memory < SLOT_ALIGN,
            "stack, state and the first page of memory share a page table"
        );
    }

    #[test]
    fn neighbours_do_not_share_places_in_the_processors_tables() {
        let layout = Layout::new(&sizes()).expect("a layout");
        let page = |slot| (layout.start(slot) + layout.memory) / PAGE_SIZE;
        let places: std::collections::BTreeSet<_> = (0..128).map(|slot| page(slot) % 128).collect();
        assert_eq!(places.len(), 128);
        let table = |slot, at| (layout.start(slot) + at) / SLOT_ALIGN;
        assert!((0..256).all(|slot| table(slot, 0) == table(slot, layout.memory)));
    }

    #[test]
    fn further_memories_lie_above_the_stack() {
        let mut wanted = sizes();
        wanted.memories = 3;
        let layout = Layout::new(&wanted).expect("a layout");
        let besides = layout.tables - layout.further;
        assert!((2 * (16 << 20)..2 * (16 << 20) + PAGE_SIZE).contains(&besides));
        assert!(
            layout.memory.is_multiple_of(PAGE_SIZE) && layout.further.is_multiple_of(PAGE_SIZE)
        );
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
    fn compact_slots_have_nothing_between_them() {
        let wanted = Sizes {
            memory: 65_536,
            stack: 64 << 10,
            state: 300,
            table_elements: 3,
            compact: true,
            ..sizes()
        };
        let layout = Layout::new(&wanted).expect("a layout");
        assert_eq!((layout.stack, layout.first), (0, GUARD));
        assert_eq!(layout.memory, 68 << 10, "the parts share a page");
        assert_eq!(layout.memory - layout.state, 304);
        assert_eq!(layout.state - layout.tables, 4 * 8);
        assert_eq!(layout.further, layout.tables, "the stack ends there");
        assert_eq!(layout.stride, layout.memory + 65_536);
        assert_eq!(layout.start(2), GUARD + 2 * layout.stride);
        assert_eq!(layout.total, layout.start(3));
        let more = Layout::new(&Sizes {
            memories: 2,
            ..wanted
        });
        let more = more.expect("a layout");
        assert_eq!(more.further, 64 << 10);
        assert!(more.tables >= more.further + 65_536 && more.memory.is_multiple_of(PAGE_SIZE));
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
