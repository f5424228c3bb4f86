//! `lucet-fuzz [--seeds FIRST..LAST] [--seconds N] [--size BYTES] [--modules | --programs] [--keep DIR] [FILE...]`: compares many
//! generated modules and programs, or the given modules, and prints every difference with the seed that shows it again.
//!
//! With `--keep` what differed is written to DIR: SEED.wasm, or a program's SEED.wat and SEED.plain.wat. Exits with 1 when there was a difference. A
//! crash of the process is a finding as well: the seed in work is the one after the last one reported with `--verbose`.

use lucet_fuzz::compare::{self, Tally};
use lucet_fuzz::{generate, ours, programs};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

struct Job {
    first: u64,
    last: u64,
    seconds: u64,
    size: usize,
    modules: bool,
    programs: bool,
    keep: Option<PathBuf>,
    verbose: bool,
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let result = parse(std::env::args().skip(1)).and_then(|job| run(&job, &mut out));
    match result {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "lucet-fuzz: {why}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Job, String> {
    let mut job = Job {
        first: 0,
        last: u64::MAX,
        seconds: 60,
        size: generate::BYTES,
        modules: false,
        programs: false,
        keep: None,
        verbose: false,
        files: Vec::new(),
    };
    let mut arguments = arguments;
    while let Some(word) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| {
            text.parse::<u64>()
                .map_err(|why| format!("{word} {text}: {why}"))
        };
        match word.as_str() {
            "--seeds" => {
                let range = value()?;
                let (first, last) = range
                    .split_once("..")
                    .ok_or("--seeds wants FIRST..LAST, the last one excluded")?;
                job.first = number(first.to_owned())?;
                job.last = number(last.to_owned())?;
                job.seconds = u64::MAX;
            }
            "--seconds" => job.seconds = number(value()?)?,
            "--size" => job.size = number(value()?)?.max(1) as usize,
            "--keep" => job.keep = Some(value()?.into()),
            "--modules" => job.modules = true,
            "--programs" => job.programs = true,
            "--verbose" => job.verbose = true,
            _ if word.starts_with('-') => return Err(format!("what is {word}?")),
            _ => job.files.push(word.clone().into()),
        }
    }
    Ok(job)
}

fn run(job: &Job, out: &mut impl Write) -> Result<u64, String> {
    let io = |error: std::io::Error| error.to_string();
    let ways = ours::configurations();
    let (mut total, mut differences) = (Tally::default(), 0);
    for file in &job.files {
        let bytes = std::fs::read(file).map_err(|why| format!("{}: {why}", file.display()))?;
        let wasm = lucetc::binary(&bytes).map_err(|why| why.to_string())?;
        match compare::module(&wasm, job.first, &ways) {
            Ok(tally) => total.add(tally),
            Err(why) => {
                differences += 1;
                writeln!(out, "{}: {why}", file.display()).map_err(io)?;
            }
        }
    }
    let end = Instant::now().checked_add(Duration::from_secs(job.seconds.min(1 << 30)));
    let seeds = if job.files.is_empty() {
        job.first..job.last
    } else {
        0..0
    };
    for seed in seeds.take_while(|_| end.is_some_and(|end| Instant::now() < end)) {
        if job.verbose {
            writeln!(out, "seed {seed}")
                .and_then(|()| out.flush())
                .map_err(io)?;
        }
        if !job.programs {
            match compare::seed(seed, job.size, &ways) {
                Ok(tally) => total.add(tally),
                Err(why) => {
                    differences += 1;
                    writeln!(out, "module {seed}: {why}").map_err(io)?;
                    let wasm = generate::module(seed, job.size).unwrap_or_default();
                    keep(job, &format!("{seed}.wasm"), &wasm)?;
                }
            }
        }
        if !job.modules {
            match compare::program(seed, &ways) {
                Ok(tally) => total.add(tally),
                Err(why) => {
                    differences += 1;
                    writeln!(out, "program {seed}: {why}").map_err(io)?;
                    let texts = programs::program(seed);
                    keep(job, &format!("{seed}.wat"), texts.real.as_bytes())?;
                    if let Some(library) = texts.library {
                        keep(job, &format!("{seed}.library.wat"), library.as_bytes())?;
                    }
                    keep(job, &format!("{seed}.plain.wat"), texts.plain.as_bytes())?;
                }
            }
        }
    }
    writeln!(out, "{total:?}, {differences} differences").map_err(io)?;
    Ok(differences)
}

fn keep(job: &Job, name: &str, bytes: &[u8]) -> Result<(), String> {
    let Some(directory) = &job.keep else {
        return Ok(());
    };
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(directory.join(name), bytes))
        .map_err(|why| format!("{}: {why}", directory.display()))
}
