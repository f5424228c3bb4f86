//! Copies and fills of few bytes: done in place, with vectors, where a guard keeps what is outside out.
//!
//! `memory.copy` and `memory.fill` are helpers, whose way costs more than moving a few dozen bytes. Lengths fall into classes;
//! those of a class are covered by as many pieces from the front as from the back, which overlap in the middle:
//!
//! ```text
//!   length 16 to 32:   head = load [from]                     16 bytes
//!                      tail = load [from + length - 16]       16 bytes
//!                      store [to + length - 16], tail
//!                      store [to], head
//! ```
//!
//! Copies of structures, whose length is a constant and a multiple of four, are made of pieces one behind the other.
//!
//! Invariants.
//!
//! * Nothing is written before it is known that all of it can be. Everything is loaded before anything is stored, so a source
//!   outside of the memory traps first. The first store has the range's last byte: memory is accessible from its beginning to its
//!   length and nowhere behind, so when that store does not trap none of the others does. Neither range wraps around: addresses
//!   have 64 bits.
//! * Overlapping ranges are copied as if through a buffer, which is what the registers are.
//! * The position of the back pieces is masked to what the class allows, so that an address stays within the guard also where a processor
//!   runs a class by mistake.
//! * A range of no bytes is only compared with the length.
//!
//! Longer ones, and memories without a guard, are the helpers' (`bulk`), which can be interrupted.

use super::function::{Translator, trap_code};
use crate::error::Result;
use crate::module::MemoryPlace;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I8X16, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Type, Value, ValueDef};
use lucet_format::trap::TrapCode;

/// The most bytes that are moved in place.
const LONGEST: u32 = 128;
/// Lengths that are multiples of this are taken for those of structures.
const SMALLEST_FIELD: u32 = 4;
/// The most operations of a function that are done in place: each takes some twenty times the code that a call takes.
const MOST_IN_PLACE: u32 = 64;

/// Lengths that are covered by the same pieces.
#[derive(Clone, Copy)]
struct Class {
    /// The shortest length. The longest is that of all pieces.
    shortest: u32,
    piece: Type,
    /// Pieces from the front, and from the back.
    pieces: u32,
}

impl Class {
    const fn new(shortest: u32, piece: Type, pieces: u32) -> Class {
        Class {
            shortest,
            piece,
            pieces,
        }
    }

    /// Bytes of the pieces from one end.
    fn half(&self) -> u32 {
        self.pieces * self.piece.bytes()
    }
}

/// From the longest to the shortest.
const CLASSES: [Class; 7] = [
    Class::new(65, I8X16, 4),
    Class::new(33, I8X16, 2),
    Class::new(16, I8X16, 1),
    Class::new(8, I64, 1),
    Class::new(4, I32, 1),
    Class::new(2, I16, 1),
    Class::new(1, I8, 1),
];
/// Where the search for a class begins: the shortest that is moved by vectors.
const VECTORS: u32 = 16;

/// What is done with a range.
#[derive(Clone, Copy)]
pub(super) enum Short {
    /// From here.
    Copy { from: Value },
    /// With the low byte of this.
    Fill { with: Value },
}

/// Where the pieces of a range are.
struct Range {
    front: Value,
    /// Of those from the back, and how far behind `front` that is if it is known.
    back: Option<(Value, i32)>,
}

impl Translator<'_> {
    /// Does an operation on memory 0 in place where it is short, and where it turns out not to be what `long` does. False: this
    /// has done nothing, since it is known to be long or there is no guard.
    pub(super) fn short(
        &mut self,
        what: Short,
        to: Value,
        length: Value,
        long: impl FnOnce(&mut Self),
    ) -> Result<bool> {
        let memory = self.declared_memory(0)?;
        if memory.place != MemoryPlace::Guarded || self.in_place == MOST_IN_PLACE {
            return Ok(false);
        }
        self.in_place += 1;
        match self.constant_of(length) {
            Some(length) if length > LONGEST => return Ok(false),
            Some(length) => self.of_known_length(what, to, length)?,
            None => self.of_any_length(what, to, length, long)?,
        }
        Ok(true)
    }

    /// The bits of an i32 constant.
    fn constant_of(&self, value: Value) -> Option<u32> {
        let dfg = &self.builder.func.dfg;
        let ValueDef::Result(inst, _) = dfg.value_def(value) else {
            return None;
        };
        match dfg.insts[inst] {
            InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm,
            } => Some(imm.bits() as u32),
            _ => None,
        }
    }

    fn of_known_length(&mut self, what: Short, to: Value, length: u32) -> Result<()> {
        let Some(class) = CLASSES.iter().find(|class| class.shortest <= length) else {
            return self.of_no_length(what, to);
        };
        if let Short::Copy { from } = what
            && length.is_multiple_of(SMALLEST_FIELD)
        {
            self.copy_fields(from, to, length);
            return Ok(());
        }
        let rest = length.saturating_sub(class.half());
        let range = |this: &mut Self, index: Value| {
            let front = this.address_in_guarded(index);
            Range {
                front,
                back: (rest > 0).then_some((front, rest as i32)),
            }
        };
        self.move_pieces(what, *class, to, range);
        Ok(())
    }

    /// Copies a structure in pieces that do not overlap. Structures are copied again soon, when what was stored is not in the
    /// cache yet: a processor waits for that where a load needs bytes of two stores, as overlapping pieces do.
    fn copy_fields(&mut self, from: Value, to: Value, length: u32) {
        let flags = self.memory_flags(0);
        let mut pieces = Vec::new();
        let mut at = 0;
        for piece in [I8X16, I64, I32] {
            while length - at >= piece.bytes() {
                pieces.push((piece, at as i32));
                at += piece.bytes();
            }
        }
        let source = self.address_in_guarded(from);
        let load = |&(piece, at)| self.builder.ins().load(piece, flags, source, at);
        let values: Vec<Value> = pieces.iter().map(load).collect();
        let target = self.address_in_guarded(to);
        // The last one first: it traps if any does.
        for ((_, at), value) in pieces.into_iter().zip(values).rev() {
            self.ins().store(flags, value, target, at);
        }
    }

    fn of_any_length(
        &mut self,
        what: Short,
        to: Value,
        length: Value,
        long: impl FnOnce(&mut Self),
    ) -> Result<()> {
        let done = self.builder.create_block();
        self.unless_at_least(length, LONGEST + 1, true, |this| {
            long(this);
            this.ins().jump(done, &[]);
            Ok(())
        })?;
        let (vectors, others) = CLASSES.split_at(3);
        debug_assert_eq!(vectors.last().map(|class| class.shortest), Some(VECTORS));
        self.unless_at_least(length, VECTORS, false, |this| {
            let (last, but_last) = (vectors[2], &vectors[..2]);
            for class in but_last {
                this.unless_at_least(length, class.shortest, false, |this| {
                    this.class(what, *class, to, length);
                    this.ins().jump(done, &[]);
                    Ok(())
                })?;
            }
            this.class(what, last, to, length);
            this.ins().jump(done, &[]);
            Ok(())
        })?;
        for class in others {
            self.unless_at_least(length, class.shortest, false, |this| {
                this.class(what, *class, to, length);
                this.ins().jump(done, &[]);
                Ok(())
            })?;
        }
        self.of_no_length(what, to)?;
        self.ins().jump(done, &[]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        Ok(())
    }

    /// Does something that ends its block where the length is at least so much, and goes on where it is less.
    fn unless_at_least(
        &mut self,
        length: Value,
        least: u32,
        rarely: bool,
        then: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let (longer, shorter) = (self.builder.create_block(), self.builder.create_block());
        let is_longer =
            self.ins()
                .icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, length, i64::from(least));
        self.ins().brif(is_longer, longer, &[], shorter, &[]);
        self.builder.seal_block(longer);
        self.builder.seal_block(shorter);
        if rarely {
            self.builder.set_cold_block(longer);
        }
        self.builder.switch_to_block(longer);
        then(self)?;
        self.builder.switch_to_block(shorter);
        Ok(())
    }

    /// A length of a class that is known only when the code runs.
    fn class(&mut self, what: Short, class: Class, to: Value, length: Value) {
        let half = class.half();
        let rest = (half > 1).then(|| {
            let rest = self.ins().iadd_imm_s(length, -i64::from(half));
            // At most `half`, which is a power of two.
            let rest = self.ins().band_imm_u(rest, i64::from(2 * half - 1));
            self.widen(rest)
        });
        self.move_pieces(what, class, to, |this, index| {
            let front = this.address_in_guarded(index);
            let back = rest.map(|rest| (this.ins().iadd(front, rest), 0));
            Range { front, back }
        });
    }

    /// The address of an index, of which a guard keeps accesses inside.
    fn address_in_guarded(&mut self, index: Value) -> Value {
        let (vmctx, index) = (self.vmctx, self.widen(index));
        self.ins().iadd(vmctx, index)
    }

    fn move_pieces(
        &mut self,
        what: Short,
        class: Class,
        to: Value,
        range: impl Fn(&mut Self, Value) -> Range,
    ) {
        let flags = self.memory_flags(0);
        let places = |range: &Range| {
            let piece = class.piece.bytes() as i32;
            let front = (0..class.pieces as i32).map(|at| (range.front, at * piece));
            let back = range.back.into_iter().flat_map(|(back, rest)| {
                (0..class.pieces as i32).map(move |at| (back, rest + at * piece))
            });
            front.chain(back).collect::<Vec<_>>()
        };
        let values: Vec<Value> = match what {
            Short::Copy { from } => {
                let source = range(self, from);
                let load =
                    |(base, offset)| self.builder.ins().load(class.piece, flags, base, offset);
                places(&source).into_iter().map(load).collect()
            }
            Short::Fill { with } => {
                let value = self.repeated(with, class.piece);
                vec![value; 2 * class.pieces as usize]
            }
        };
        let target = range(self, to);
        // The last one first: it traps if any does.
        for ((base, offset), value) in places(&target).into_iter().zip(values).rev() {
            self.ins().store(flags, value, base, offset);
        }
    }

    /// The low byte of an i32 in every byte of a piece.
    fn repeated(&mut self, byte: Value, piece: Type) -> Value {
        let byte = self.ins().ireduce(I8, byte);
        if piece == I8 {
            return byte;
        }
        if piece == I8X16 {
            return self.ins().splat(I8X16, byte);
        }
        let wide = self.ins().uextend(piece, byte);
        let ones = 0x0101_0101_0101_0101_u64 >> (64 - piece.bits());
        let ones = self.ins().iconst(piece, ones.cast_signed());
        self.ins().imul(wide, ones)
    }

    /// Traps where an empty range begins behind the memory's end.
    fn of_no_length(&mut self, what: Short, to: Value) -> Result<()> {
        let length = self.memory_length(self.declared_memory(0)?);
        let others = match what {
            Short::Copy { from } => Some(from),
            Short::Fill { .. } => None,
        };
        for index in others.into_iter().chain([to]) {
            let index = self.widen(index);
            let outside = self.ins().icmp(IntCC::UnsignedGreaterThan, index, length);
            self.ins().trapnz(outside, trap_code(TrapCode::Memory));
        }
        Ok(())
    }
}
