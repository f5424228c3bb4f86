//! Tries a call in each kind of guest, and holds what the function was given, and what came of the call, against the oracle.

use crate::described::{Access, Function, Parameter};
use crate::functions::{self, CALLED, OTHER, SEEN, THING, ends};
use crate::oracle::{self, World};
use crate::reviewed::Reviewed;
use crate::setting::{PAGE, bindings, guest};
use crate::support::Guest;
use crate::words::wide;
use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED};
use lucet::instance::{handles, memory};
use lucet_format::trap::TrapCode;

/// A guest that calls, and how.
struct Caller {
    guest: Guest,
    inline: bool,
    poison: bool,
}

pub struct Tester {
    callers: Vec<Caller>,
    reviewed: Reviewed,
    pub world: World,
    pub tried: u64,
    pub called: u64,
}

impl Tester {
    pub fn new() -> Tester {
        let mut memory: Vec<u8> = "text, Text mit Umläuten, текст, 文字, 𝄞 "
            .bytes()
            .cycle()
            .take(PAGE as usize)
            .collect();
        // Here and there something that is no text.
        for (index, byte) in [0x80, 0xff, 0xc0, 0xed, 0xf5, 0xe2].into_iter().enumerate() {
            memory[200 + 977 * index] = byte;
        }
        let callers: Vec<Caller> = [(false, false), (true, false), (false, true), (true, true)]
            .map(|(inline, poison)| Caller {
                guest: guest(&memory, inline, poison),
                inline,
                poison,
            })
            .into();
        let worlds: Vec<World> = callers
            .iter()
            .map(|caller| world(&caller.guest, &memory))
            .collect();
        let world = worlds.into_iter().reduce(|one, other| {
            assert_eq!(one, other, "handles are given out in the same order");
            one
        });
        Tester {
            callers,
            reviewed: Reviewed::new(&bindings(false)),
            world: world.expect("a guest"),
            tried: 0,
            called: 0,
        }
    }

    pub fn try_call(&mut self, function: &'static Function, arguments: &[u32]) {
        let expected = oracle::expected(function, arguments, &self.world);
        self.tried += 1;
        self.called += u64::from(expected.is_some());
        self.reviewed
            .compare(function, arguments, &self.world, expected.is_some());
        for caller in &self.callers {
            // Poisoned views cost system calls: of many, every sixteenth.
            let spared = caller.poison && self.tried > 200_000 && !self.tried.is_multiple_of(16);
            let known = !caller.inline || !function.wit.is_empty();
            if known && !spared {
                caller.check(function, arguments, expected.as_deref(), &self.world);
            }
        }
    }
}

/// Makes handles in a guest that has none, and says what there is.
fn world(guest: &Guest, memory: &[u8]) -> World {
    let kind = &raw const THING.0;
    let new = |kind, object: u64| {
        let object = object as *mut std::ffi::c_void;
        handles::new(guest.handle, kind, object).expect("room")
    };
    let dropped = new(kind, 0x1000);
    handles::take(guest.handle, kind, dropped).expect("a handle");
    let known = [0x2000, 0x3000, 0x4000].map(|object| (new(kind, object), object));
    let foreign = new(&raw const OTHER.0, 0x5000);
    World {
        memory: memory.to_vec(),
        handles: known.into(),
        dead: vec![dropped, foreign],
    }
}

impl Caller {
    fn check(
        &self,
        function: &'static Function,
        arguments: &[u32],
        expected: Option<&[u64]>,
        world: &World,
    ) {
        let guest = &self.guest;
        let values = wide(arguments);
        let what = || {
            let (inline, poison) = (self.inline, self.poison);
            format!(
                "{} {arguments:x?}, inline {inline}, poison {poison}",
                function.name
            )
        };
        CALLED.set(Some(function));
        SEEN.with(|seen| seen.borrow_mut().take());
        let outcome = guest.run(function.name, &values);
        let seen = SEEN.with(|seen| seen.borrow_mut().take());
        assert_eq!(seen.is_some(), expected.is_some(), "{}", what());
        if let (Some(seen), Some(expected)) = (seen, expected) {
            self.check_given(function, &seen, expected, world, &what);
        }
        if expected.is_none() && function.answer.is_none() {
            let trap = u32::from(TrapCode::HostArgument.number());
            assert_eq!(
                (outcome.kind, outcome.detail),
                (LUCET_TRAPPED, trap),
                "{}",
                what()
            );
            guest.reset();
            assert_eq!(self::world(guest, &world.memory), *world);
            return;
        }
        assert_eq!(outcome.kind, LUCET_RETURNED, "{}", what());
        let result = if expected.is_some() {
            Some(1)
        } else {
            function.answer
        };
        if !function.result_area {
            // SAFETY: one value was returned.
            let value = unsafe { (*outcome.values).of.i32 };
            assert_eq!(Some(i64::from(value)), result, "{}", what());
        }
    }

    /// That the function was given what it should be: numbers, places, bytes; and that the guest has what it has written.
    fn check_given(
        &self,
        function: &'static Function,
        seen: &functions::Seen,
        expected: &[u64],
        world: &World,
        what: &dyn Fn() -> String,
    ) {
        let base = memory::memory(self.guest.handle, 0).expect("a memory").0 as u64;
        let mut words = seen.words.clone();
        let mut given = seen.bytes.iter();
        for (place, parameter) in function.places() {
            let Some((_, access)) = parameter.range() else {
                continue;
            };
            let bytes = given.next().expect("a range");
            let at = expected[place] as usize;
            assert!(*bytes == world.memory[at..at + bytes.len()], "{}", what());
            let (align, copy) = match *parameter {
                Parameter::Slice { align, copy, .. } => (align, copy),
                Parameter::Object { align, .. } => (align, false),
                _ => unreachable!("a range"),
            };
            assert_eq!(words[place] % u64::from(align), 0, "{}", what());
            let inside = words[place].wrapping_sub(base) <= u64::from(PAGE);
            assert_eq!(inside, !copy && !self.poison, "{}", what());
            // Where copies lie is nobody's business.
            words[place] = if inside {
                words[place] - base
            } else {
                expected[place]
            };
            if access != Access::In {
                self.check_written(at, bytes, what);
            }
        }
        assert_eq!(words, expected, "{}", what());
    }

    /// That the guest has what the function has written, which is then taken back.
    fn check_written(&self, at: usize, bytes: &[u8], what: &dyn Fn() -> String) {
        let handle = self.guest.handle;
        for end in ends(bytes.len()) {
            let mut byte = 0u8;
            let address = (at + end) as u64;
            // SAFETY: one byte each.
            unsafe {
                memory::read(handle, 0, address, &raw mut byte, 1).expect("a byte");
                assert_eq!(byte, bytes[end].wrapping_add(1), "{}", what());
                memory::write(handle, 0, address, &raw const bytes[end], 1).expect("a byte");
            }
        }
    }
}
