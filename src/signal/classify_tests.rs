//! Every row of the table in [`super`], and the edges of each range. No signal is raised here.

use super::*;
use lucet_format::trap::TrapCode;

const TEXT: usize = 0x10_0000;
const TRAMPOLINES: (usize, usize) = (0x20_0000, 0x20_0200);
const GUARD: usize = 0x40_0000;
const LOW: usize = GUARD + 0x1_0000;
const LEND: usize = LOW - 0xc000;
const HIGH: usize = LOW + 0x2_0000;
const MEMORY: usize = 0x1_0000_0000;
const MEMORY_END: usize = MEMORY + (6 << 30) + 0x1_0000;
const TRAP_ZONE: usize = 0x7000_0000_0000;
const FRAME: usize = 3632;
const MAPERR: i32 = 1;
const ACCERR: i32 = 2;
const ILLOPN: i32 = 2;
const TKILL: i32 = -6;

const STACK: Verdict = Verdict::Trap {
    code: TrapCode::Stack,
    signal_lost: false,
};
const STACK_AND_LOST: Verdict = Verdict::Trap {
    code: TrapCode::Stack,
    signal_lost: true,
};

fn slot(state: u32) -> Slot {
    Slot {
        state,
        text: TEXT,
        text_length: 0x1000,
        stack_guard: GUARD,
        stack_low: LOW,
        lend_low: LEND,
        memory_low: MEMORY,
        memory_high: MEMORY_END,
        trap_address: TRAP_ZONE,
    }
}

/// An out-of-bounds load in the middle of guest code.
fn load(address: usize) -> Facts {
    Facts {
        signal: libc::SIGSEGV,
        code: ACCERR,
        address,
        pc: TEXT + 0x10,
        stack: HIGH - 64,
        frame_bytes: FRAME,
        trampolines: TRAMPOLINES,
        slot: Some(slot(state::GUEST)),
        trap: Some(TrapCode::Memory),
    }
}

fn in_trampoline(address: usize, state: u32) -> Facts {
    Facts {
        pc: TRAMPOLINES.0,
        trap: None,
        slot: Some(slot(state)),
        ..load(address)
    }
}

fn failed_delivery(stack: usize) -> Facts {
    Facts {
        code: libc::SI_KERNEL,
        address: 0,
        stack,
        trap: None,
        ..load(0)
    }
}

#[test]
fn row_1_a_sent_signal_is_never_a_guests() {
    for code in [0, -1, -2, TKILL, i32::MIN] {
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL] {
            let sent = Facts {
                signal,
                code,
                ..load(MEMORY)
            };
            assert_eq!(classify(&sent), Verdict::Forward, "{signal} {code}");
            assert!(is_asynchronous(signal, code));
        }
    }
}

#[test]
fn row_1_broken_memory_is_the_hosts_affair() {
    for code in [libc::BUS_MCEERR_AR, libc::BUS_MCEERR_AO] {
        let broken = Facts {
            signal: libc::SIGBUS,
            code,
            ..load(MEMORY)
        };
        assert_eq!(classify(&broken), Verdict::Forward);
        assert_eq!(
            is_asynchronous(libc::SIGBUS, code),
            code == libc::BUS_MCEERR_AO
        );
        // The same numbers mean something else for other signals.
        assert_ne!(
            classify(&Facts {
                signal: libc::SIGSEGV,
                ..broken
            }),
            Verdict::Forward
        );
    }
}

#[test]
fn row_2_outside_of_guests_nothing_is_ours() {
    let nowhere = Facts {
        slot: None,
        ..load(MEMORY)
    };
    assert_eq!(classify(&nowhere), Verdict::Forward);
    // A host's handler on the guest's stack, wherever it faults: at its own address, in guest memory, in the guard.
    for address in [0, MEMORY, LEND - 1] {
        let handler = Facts {
            pc: 0x7f00_0000_0000,
            ..load(address)
        };
        assert_eq!(classify(&handler), Verdict::Forward, "{address:#x}");
        let leaf = Facts {
            slot: Some(slot(state::LEAF)),
            ..handler
        };
        assert_eq!(classify(&leaf), Verdict::Forward, "{address:#x}");
    }
    // The pc of another module than the slot's.
    assert_eq!(
        classify(&Facts {
            pc: TEXT + 0x1000,
            ..load(MEMORY)
        }),
        Verdict::Forward
    );
    assert_eq!(
        classify(&Facts {
            pc: TEXT - 1,
            ..load(MEMORY)
        }),
        Verdict::Forward
    );
}

#[test]
fn row_2a_host_code_on_a_guests_stack_is_lent_a_part_of_the_guard_once() {
    let lend = |signal_lost| Verdict::Lend { signal_lost };
    let handler = |state, address| Facts {
        pc: 0x7f00_0000_0000,
        trap: None,
        slot: Some(slot(state)),
        ..load(address)
    };
    let lent = |facts: Facts| Facts {
        slot: facts.slot.map(|slot| Slot {
            lend_low: LOW,
            ..slot
        }),
        ..facts
    };
    for state in [state::ENTERING, state::GUEST, state::HOST, state::LEAF] {
        for address in [LEND, LOW - 1] {
            assert_eq!(classify(&handler(state, address)), lend(false));
            assert_eq!(classify(&lent(handler(state, address))), Verdict::Forward);
        }
        for address in [LEND - 1, LOW, 0] {
            assert_eq!(classify(&handler(state, address)), Verdict::Forward);
        }
        // A further handler's frame.
        let further = Facts {
            code: libc::SI_KERNEL,
            stack: LOW + 100,
            ..handler(state, 0)
        };
        assert_eq!(classify(&further), lend(true));
        assert_eq!(classify(&lent(further)), Verdict::Forward);
        let far = Facts {
            stack: HIGH - 64,
            ..further
        };
        assert_eq!(classify(&far), Verdict::Forward);
    }
    // No guest runs, so it is not a guest's stack that is too short.
    for state in [state::FREE, state::READY, state::STOPPED] {
        assert_eq!(classify(&handler(state, LOW - 8)), Verdict::Forward);
    }
    let sent = Facts {
        code: TKILL,
        ..handler(state::GUEST, LOW - 8)
    };
    assert_eq!(classify(&sent), Verdict::Forward);
}

#[test]
fn row_3_the_state_must_fit_the_pc() {
    for other in 0..8 {
        let fitting = Facts {
            slot: Some(slot(other)),
            ..load(MEMORY)
        };
        let expected = if other == state::GUEST {
            Verdict::Trap {
                code: TrapCode::Memory,
                signal_lost: false,
            }
        } else {
            Verdict::Anomaly
        };
        assert_eq!(classify(&fitting), expected, "guest code in state {other}");
        let expected = if state::is_running(other) {
            STACK
        } else {
            Verdict::Forward
        };
        assert_eq!(
            classify(&in_trampoline(LOW - 8, other)),
            expected,
            "trampoline in state {other}"
        );
    }
}

#[test]
fn row_4_the_stack_guard_needs_no_trap_entry() {
    for address in [GUARD, LOW - 8, LOW - 1] {
        for trap in [None, Some(TrapCode::Memory)] {
            assert_eq!(
                classify(&Facts {
                    trap,
                    ..load(address)
                }),
                STACK,
                "{address:#x}"
            );
        }
        assert_eq!(
            classify(&in_trampoline(address, state::GUEST)),
            STACK,
            "{address:#x}"
        );
        // `sub rsp` has moved the stack pointer into the guard.
        assert_eq!(
            classify(&Facts {
                stack: LOW - 3000,
                trap: None,
                ..load(address)
            }),
            STACK
        );
    }
    for address in [GUARD - 1, LOW] {
        assert_eq!(
            classify(&Facts {
                trap: None,
                ..load(address)
            }),
            Verdict::Anomaly,
            "{address:#x}"
        );
        assert_eq!(
            classify(&in_trampoline(address, state::GUEST)),
            Verdict::Forward,
            "{address:#x}"
        );
    }
    // An illegal instruction says nothing about addresses.
    let illegal = Facts {
        signal: libc::SIGILL,
        code: ILLOPN,
        trap: None,
        ..load(LOW - 8)
    };
    assert_eq!(classify(&illegal), Verdict::Anomaly);
}

#[test]
fn row_5_a_frame_that_did_not_fit_is_an_overflow_near_the_end_only() {
    for stack in [
        GUARD,
        LOW - 8,
        LOW,
        LOW + FRAME,
        LOW + FRAME + FRAME_SLACK - 1,
    ] {
        assert_eq!(
            classify(&failed_delivery(stack)),
            STACK_AND_LOST,
            "{stack:#x}"
        );
        for state in [state::ENTERING, state::GUEST, state::HOST, state::LEAF] {
            let trampoline = Facts {
                pc: TRAMPOLINES.1 - 1,
                slot: Some(slot(state)),
                ..failed_delivery(stack)
            };
            assert_eq!(
                classify(&trampoline),
                STACK_AND_LOST,
                "{stack:#x} in state {state}"
            );
        }
    }
    let calls_a_leaf = Facts {
        slot: Some(slot(state::LEAF)),
        ..failed_delivery(LOW + FRAME)
    };
    assert_eq!(classify(&calls_a_leaf), STACK_AND_LOST);
    // Far from the end the same signal is a protection fault, which guest code cannot cause.
    let far = failed_delivery(LOW + FRAME + FRAME_SLACK);
    assert_eq!(classify(&far), Verdict::Anomaly);
    assert_eq!(
        classify(&Facts {
            pc: TRAMPOLINES.0,
            ..far
        }),
        Verdict::Forward
    );
    // Neither an address nor another signal may be there.
    assert_eq!(
        classify(&Facts {
            address: 8,
            ..failed_delivery(LOW)
        }),
        Verdict::Anomaly
    );
    assert_eq!(
        classify(&Facts {
            code: MAPERR,
            ..failed_delivery(LOW)
        }),
        Verdict::Anomaly
    );
    assert_eq!(
        classify(&Facts {
            signal: libc::SIGBUS,
            ..failed_delivery(LOW)
        }),
        Verdict::Anomaly
    );
}

#[test]
fn row_5_absurd_frame_sizes_do_not_overflow() {
    let absurd = Facts {
        frame_bytes: usize::MAX,
        ..failed_delivery(LOW)
    };
    assert_eq!(classify(&absurd), STACK_AND_LOST);
}

#[test]
fn row_6_a_listed_instruction_traps_as_listed() {
    for code in TrapCode::ALL {
        let expected = Verdict::Trap {
            code,
            signal_lost: false,
        };
        let illegal = Facts {
            signal: libc::SIGILL,
            code: ILLOPN,
            address: TEXT + 0x10,
            trap: Some(code),
            ..load(0)
        };
        assert_eq!(classify(&illegal), expected);
        let zone_end = TRAP_ZONE + lucet_format::contract::GUARD as usize;
        for address in [MEMORY, MEMORY_END - 1, TRAP_ZONE, zone_end - 1] {
            for signal in [libc::SIGSEGV, libc::SIGBUS] {
                let access = Facts {
                    signal,
                    trap: Some(code),
                    ..load(address)
                };
                assert_eq!(classify(&access), expected, "{address:#x}");
            }
        }
    }
}

#[test]
fn row_7_guest_code_that_does_anything_else_is_an_anomaly() {
    // A listed instruction that reached a foreign address: page 0, below the memory, behind its guard, another slot.
    for address in [
        0,
        4096,
        MEMORY - 1,
        MEMORY_END,
        MEMORY_END + (8 << 30),
        TRAP_ZONE - 1,
        TRAP_ZONE + lucet_format::contract::GUARD as usize,
        usize::MAX,
    ] {
        assert_eq!(classify(&load(address)), Verdict::Anomaly, "{address:#x}");
    }
    // An instruction that is not listed.
    assert_eq!(
        classify(&Facts {
            trap: None,
            ..load(MEMORY)
        }),
        Verdict::Anomaly
    );
    let illegal = Facts {
        signal: libc::SIGILL,
        code: ILLOPN,
        trap: None,
        ..load(TEXT + 0x10)
    };
    assert_eq!(classify(&illegal), Verdict::Anomaly);
    // A signal that no guest instruction raises.
    let divided = Facts {
        signal: libc::SIGFPE,
        code: 1,
        ..load(MEMORY)
    };
    assert_eq!(classify(&divided), Verdict::Anomaly);
}

#[test]
fn row_8_trampolines_trap_on_the_stack_only() {
    for address in [0, MEMORY, HIGH, GUARD - 1] {
        assert_eq!(
            classify(&in_trampoline(address, state::GUEST)),
            Verdict::Forward,
            "{address:#x}"
        );
    }
    let illegal = Facts {
        signal: libc::SIGILL,
        code: ILLOPN,
        ..in_trampoline(TRAMPOLINES.0, state::GUEST)
    };
    assert_eq!(classify(&illegal), Verdict::Forward);
}

#[test]
fn places_are_half_open_ranges() {
    let slot = slot(state::GUEST);
    assert_eq!(slot.place(TEXT, TRAMPOLINES), Place::Guest);
    assert_eq!(slot.place(TEXT + 0xfff, TRAMPOLINES), Place::Guest);
    assert_eq!(slot.place(TEXT + 0x1000, TRAMPOLINES), Place::Elsewhere);
    assert_eq!(slot.place(TRAMPOLINES.0, TRAMPOLINES), Place::Trampoline);
    assert_eq!(slot.place(TRAMPOLINES.1, TRAMPOLINES), Place::Elsewhere);
    assert_eq!(slot.place(0, TRAMPOLINES), Place::Elsewhere);
    // A slot that never had a module.
    let fresh = Slot {
        text: 0,
        text_length: 0,
        ..slot
    };
    assert_eq!(fresh.place(0, TRAMPOLINES), Place::Elsewhere);
}
