//! What an order of operations costs in registers: how many values an ideal allocator would move to the frame and back.
//!
//! Where there are more values than registers, the one that is needed last goes to the frame (L. A. Belady, *A study of replacement
//! algorithms for a virtual-storage computer*, IBM Systems Journal 5.2, 1966). No order of moves is shorter if each costs the same.
//! Cranelift's allocator makes more of them, but of two orders usually fewer for that with the smaller number.
//!
//! Not here: operands that instructions read from memory, and registers that calls do not preserve.

use super::straight::{Bank, Straight};

/// Registers for values: without the stack pointer and the frame pointer, or without one to move others.
const GENERAL: usize = 14;
const VECTOR: usize = 15;
/// With so many values or fewer, whatever they are, none has to leave its register.
pub const FEWEST: usize = GENERAL;
/// Needed behind the block, and never again: no place in the block is as late.
const BEHIND: u32 = u32::MAX - 1;
const NEVER: u32 = u32::MAX;

/// The moves between registers and frame while the operations run in this order.
pub fn moves(straight: &Straight, order: &[usize]) -> usize {
    let needed = Needed::find(straight, order);
    let bank = |bank, room| {
        let mut registers = Registers::new(straight, &needed, bank, room);
        registers.run(order);
        registers.moves
    };
    bank(Bank::General, GENERAL) + bank(Bank::Vector, VECTOR)
}

/// Where in an order values are needed.
struct Needed {
    /// For each operation, by its number: where each of its operands is needed next, then each of its results.
    next: Vec<Vec<u32>>,
    /// For each value: where it is needed first.
    first: Vec<u32>,
}

impl Needed {
    fn find(straight: &Straight, order: &[usize]) -> Needed {
        let after = |outlives| if outlives { BEHIND } else { NEVER };
        let values = straight.values.iter();
        let mut first: Vec<u32> = values.map(|value| after(value.outlives)).collect();
        let mut next = vec![Vec::new(); straight.operations.len()];
        let places = (0..).zip(order).collect::<Vec<(u32, &usize)>>();
        for (place, number) in places.into_iter().rev() {
            let operation = &straight.operations[*number];
            let involved = operation.operands.iter().chain(&operation.results);
            next[*number] = involved.map(|value| first[*value]).collect();
            for value in &operation.operands {
                first[*value] = place;
            }
        }
        Needed { next, first }
    }
}

/// What is in the registers of a bank at some point.
struct Registers<'a> {
    straight: &'a Straight,
    needed: &'a Needed,
    bank: Bank,
    room: usize,
    /// Values, and where each is needed next.
    held: Vec<(usize, u32)>,
    /// By value: whether the frame has it, too.
    in_frame: Vec<bool>,
    moves: usize,
}

impl Registers<'_> {
    /// Before the first operation: what is needed first is in registers, and the rest in the frame.
    fn new<'a>(
        straight: &'a Straight,
        needed: &'a Needed,
        bank: Bank,
        room: usize,
    ) -> Registers<'a> {
        let given = |value: &usize| {
            let datum = straight.values[*value];
            datum.bank == bank && datum.made_by.is_none() && needed.first[*value] < BEHIND
        };
        let mut held: Vec<(usize, u32)> = (0..straight.values.len())
            .filter(given)
            .map(|value| (value, needed.first[value]))
            .collect();
        held.sort_by_key(|(_, next)| *next);
        let mut in_frame = vec![false; straight.values.len()];
        for (value, _) in held.drain(room.min(held.len())..) {
            in_frame[value] = true;
        }
        Registers {
            straight,
            needed,
            bank,
            room,
            held,
            in_frame,
            moves: 0,
        }
    }

    fn run(&mut self, order: &[usize]) {
        let Some((_, inside)) = order.split_last() else {
            return;
        };
        // Other blocks find their values in the frame as well.
        for number in inside {
            self.step(*number);
        }
    }

    fn step(&mut self, number: usize) {
        let operation = &self.straight.operations[number];
        let involved = operation.operands.iter().chain(&operation.results);
        for (at, (value, next)) in involved.zip(&self.needed.next[number]).enumerate() {
            if self.straight.values[*value].bank != self.bank {
                continue;
            }
            let holds = |held: &&mut (usize, u32)| held.0 == *value;
            match self.held.iter_mut().find(holds) {
                Some(held) => held.1 = *next,
                None => {
                    self.moves += usize::from(at < operation.operands.len());
                    self.held.push((*value, *next));
                }
            }
        }
        self.held.retain(|(_, next)| *next != NEVER);
        while self.held.len() > self.room {
            self.evict();
        }
    }

    /// Makes room in place of what is needed last.
    fn evict(&mut self) {
        let nexts = self.held.iter().map(|(_, next)| *next);
        let Some((at, _)) = nexts.enumerate().max_by_key(|(_, next)| *next) else {
            return;
        };
        let (value, _) = self.held.swap_remove(at);
        self.moves += usize::from(!self.in_frame[value]);
        self.in_frame[value] = true;
    }
}

#[cfg(test)]
mod tests {
    use super::{Bank, GENERAL, Straight, VECTOR, moves};

    /// The moves of a block that makes so many values of each bank, takes all of them again in the same order, and ends.
    fn made_and_taken(general: usize, vector: usize) -> usize {
        let mut block = Straight::default();
        let mut values = Vec::new();
        for (bank, count) in [(Bank::General, general), (Bank::Vector, vector)] {
            values.extend((0..count).flat_map(|_| block.add(&[], 1, bank)));
        }
        for value in values {
            block.add(&[value], 0, Bank::General);
        }
        block.add(&[], 0, Bank::General);
        moves(&block, &block.order())
    }

    #[test]
    fn each_bank_holds_its_values() {
        assert_eq!(made_and_taken(GENERAL, VECTOR), 0);
        assert_eq!(made_and_taken(GENERAL + 1, VECTOR), 2);
        assert_eq!(made_and_taken(GENERAL, VECTOR + 3), 6);
    }

    #[test]
    fn what_is_given_is_in_the_frame_already() {
        let mut block = Straight::default();
        for value in block.give(GENERAL + 2) {
            block.add(&[value], 0, Bank::General);
        }
        block.add(&[], 0, Bank::General);
        assert_eq!(moves(&block, &block.order()), 2);
    }

    #[test]
    fn what_is_needed_behind_the_block_goes_to_the_frame_once() {
        let mut block = Straight::default();
        let behind = block.make(&[]);
        block.values[behind].outlives = true;
        let values: Vec<usize> = (0..GENERAL).map(|_| block.make(&[])).collect();
        for value in values {
            block.add(&[value], 0, Bank::General);
        }
        block.add(&[behind], 0, Bank::General);
        assert_eq!(moves(&block, &block.order()), 1);
    }
}
