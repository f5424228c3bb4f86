//! Modules that are small and would be expensive: each must be compiled or refused by name, in little time and memory.
//!
//! The compiler runs as a child process, so that its memory can be limited and a crash is seen. `corpus` makes the modules.
//!
//! The goal is two seconds and 512 MiB with the compiler that is installed: `make test` names it in `LUCET_BOMBS_LUCETC`. Without that
//! the one that cargo builds for tests runs, with debug assertions, and may take [`TIME_FACTOR`] times as long.
//!
//! Time is the shorter one of what has passed and what processors have spent, since machines do other things, too; what takes too
//! long is tried again. A machine that is slower, or whose processors do somebody else's work, has more time: as much as it takes
//! longer for something ordinary ([`slowness`]).

#![allow(clippy::print_stderr, reason = "the result is a table for people")]

mod corpus;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the compiler is given for one module.
const SECONDS: u64 = 2;
/// How much slower the build for tests may be.
const TIME_FACTOR: u64 = 20;
/// What [`slowness`] compiles takes on the machine that the goal is meant for.
const ORDINARY: Duration = Duration::from_millis(260);
/// How often something may take too long before it does.
const ATTEMPTS: usize = 3;
/// Address space: 512 MiB of memory, and the program's text and its threads' stacks.
const ADDRESS_SPACE_KIB: u64 = (512 + 96) << 10;

/// What a module is expected to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It compiles.
    Compiles,
    /// It is refused with a sentence that has these words.
    Refused(&'static str),
}

/// A module of the corpus.
pub struct Bomb {
    name: &'static str,
    wasm: Vec<u8>,
    verdict: Verdict,
}

struct Measured {
    elapsed: Duration,
    code: Option<i32>,
    message: String,
}

/// The compiler, and seconds that it has.
fn compiler() -> (String, u64) {
    match std::env::var("LUCET_BOMBS_LUCETC") {
        Ok(path) => (path, SECONDS),
        Err(_) => (
            env!("CARGO_BIN_EXE_lucetc").to_owned(),
            SECONDS * TIME_FACTOR,
        ),
    }
}

fn compile(directory: &std::path::Path, bomb: &Bomb) -> Measured {
    let input = directory.join("bomb.wasm");
    std::fs::write(&input, &bomb.wasm).expect("the module can be written");
    let (lucetc, seconds) = compiler();
    // In case of a bomb that would go on for hours.
    let most = 4 * seconds;
    let script = format!(
        "ulimit -v {ADDRESS_SPACE_KIB} && ulimit -t {most} && {{ \"$@\"; code=$?; times >times; exit $code; }}"
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, "sh", &lucetc, "--threads", "2"])
        .arg(&input)
        .arg("-o")
        .arg(directory.join("bomb.so"))
        // One arena: others reserve address space that they do not use.
        .env("MALLOC_ARENA_MAX", "1")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    let start = Instant::now();
    command.current_dir(directory);
    let output = command.output().expect("the compiler can be started");
    Measured {
        elapsed: start
            .elapsed()
            .min(spent(directory).unwrap_or(Duration::MAX)),
        code: output.status.code(),
        message: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// How many times as long this machine takes, at the moment, as the one that the goal is meant for; 1 if it is faster. It compiles many small
/// functions, of which there is nothing to fear: what is wrong with the compiler itself makes these hardly slower.
fn slowness(directory: &std::path::Path) -> f64 {
    let (_, seconds) = compiler();
    let ordinary = compile(directory, &corpus::sections::some_functions());
    let expected = ORDINARY.mul_f64(seconds as f64 / SECONDS as f64);
    (ordinary.elapsed.as_secs_f64() / expected.as_secs_f64()).max(1.0)
}

/// What the compiler has spent, from the second line that the shell writes: `0m1.20s 0m0.10s`.
fn spent(directory: &std::path::Path) -> Option<Duration> {
    let text = std::fs::read_to_string(directory.join("times")).ok()?;
    let seconds = text.lines().nth(1)?.split_whitespace().map(|time| {
        let (minutes, seconds) = time.strip_suffix('s')?.split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    });
    Some(Duration::from_secs_f64(seconds.sum::<Option<f64>>()?))
}

#[test]
fn every_bomb_is_refused_or_compiled_in_time() {
    let directory = std::env::temp_dir().join(format!("lucetc-bombs-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory for the modules");
    let only = std::env::var("LUCET_BOMB").ok();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for make in corpus::ALL {
        let bomb = make();
        if only
            .as_ref()
            .is_some_and(|only| !bomb.name.contains(only.as_str()))
        {
            continue;
        }
        count += 1;
        let goal = Duration::from_secs(compiler().1);
        let mut measured = compile(&directory, &bomb);
        let mut most = goal;
        for _ in 1..ATTEMPTS {
            if measured.elapsed >= most {
                most = goal.mul_f64(slowness(&directory));
            }
            if measured.elapsed >= most {
                measured = compile(&directory, &bomb);
            }
        }
        let in_time = measured.elapsed < most;
        let as_expected = match bomb.verdict {
            Verdict::Compiles => measured.code == Some(0),
            Verdict::Refused(words) => measured.code == Some(1) && measured.message.contains(words),
        };
        let line = format!(
            "{:<34} {:>9} bytes {:>7.2} s of {:.2}  {}",
            bomb.name,
            bomb.wasm.len(),
            measured.elapsed.as_secs_f64(),
            most.as_secs_f64(),
            match measured.code {
                Some(0) => "compiled".to_owned(),
                code => format!("{code:?}: {}", measured.message.trim_end()),
            }
        );
        eprintln!("{line}");
        if !(in_time && as_expected) {
            wrong.push(line);
        }
    }
    let _ = std::fs::remove_dir_all::<PathBuf>(directory);
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(only.is_some() || count >= 30, "only {count} modules");
}
