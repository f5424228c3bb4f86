//! What linear memories hold at first, when that can be known without an instance.
//!
//! Invariant: the runs of each memory ascend, do not overlap, begin and end with a byte that is not zero, and lie within the
//! memory's initial pages; those of memory 0 come first, and so on. Where segments overlap the later one wins, as if they were applied in order.

use crate::module::{Constant, Module, offset_value};
use lucet_format::image::records::SegmentMode;
use std::collections::BTreeMap;
use std::ops::Range;

/// So many zero bytes split a run: not storing them saves more than the record of another run costs.
const ZERO_GAP: usize = 4096;

/// Some bytes of initial memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which memory.
    pub memory: u32,
    /// Where in the memory.
    pub destination: u64,
    /// What.
    pub bytes: Vec<u8>,
}

/// The initial content of the memories, or `None` when segments must be applied at instantiation: when one has a
/// place that is not constant or does not fit, or when its memory is imported.
pub fn initial_runs(module: &Module, wasm: &[u8]) -> Option<Vec<Run>> {
    let mut all: BTreeMap<u32, Pieces> = BTreeMap::new();
    let active = module
        .data
        .iter()
        .filter(|segment| segment.mode == SegmentMode::Active);
    // The last segment comes first, and keeps what it covers.
    for segment in active.rev() {
        let memory = module
            .memories
            .get(segment.memory as usize)
            .filter(|memory| !memory.imported)?;
        let Constant::Bits(offset) = segment.offset else {
            return None;
        };
        let start = offset_value(memory.index_64, offset);
        let end = start.checked_add(segment.bytes.len() as u64)?;
        if end > memory.minimum_bytes() {
            return None;
        }
        all.entry(segment.memory)
            .or_default()
            .add(start, segment.bytes.clone());
    }
    let runs = all.into_iter();
    Some(
        runs.flat_map(|(memory, pieces)| pieces.runs(memory, wasm))
            .collect(),
    )
}

/// Ranges of memory that take their bytes from ranges of the input.
#[derive(Default)]
struct Pieces {
    /// Disjoint ranges that are covered: end by start.
    covered: BTreeMap<u64, u64>,
    pieces: Vec<(u64, Range<usize>)>,
}

impl Pieces {
    /// Adds the parts of a segment that nothing covers yet.
    fn add(&mut self, start: u64, source: Range<usize>) {
        let end = start + source.len() as u64;
        if start == end {
            return;
        }
        let mut merged = (start, end);
        let mut free = start;
        for (before, until) in self.take_touching(start, end) {
            self.piece(free, before, start, &source);
            free = free.max(until);
            merged = (merged.0.min(before), merged.1.max(until));
        }
        self.piece(free, end, start, &source);
        self.covered.insert(merged.0, merged.1);
    }

    /// Removes the covered ranges that touch a range, ascending. Each is replaced by a larger one, so that the
    /// work of all segments together stays proportional to their number.
    fn take_touching(&mut self, start: u64, end: u64) -> Vec<(u64, u64)> {
        let mut touching: Vec<(u64, u64)> = self
            .covered
            .range(..=end)
            .rev()
            .take_while(|(_, until)| **until >= start)
            .map(|(a, b)| (*a, *b))
            .collect();
        touching.reverse();
        for (before, _) in &touching {
            self.covered.remove(before);
        }
        touching
    }

    fn piece(&mut self, from: u64, to: u64, start: u64, source: &Range<usize>) {
        if from < to {
            let bytes =
                source.start + (from - start) as usize..source.start + (to - start) as usize;
            self.pieces.push((from, bytes));
        }
    }

    fn runs(mut self, memory: u32, wasm: &[u8]) -> Vec<Run> {
        self.pieces.sort_by_key(|(destination, _)| *destination);
        let mut runs = Vec::new();
        let mut joined: Option<Run> = None;
        for (destination, source) in self.pieces {
            let bytes = wasm.get(source).unwrap_or_default();
            match &mut joined {
                Some(run) if run.destination + run.bytes.len() as u64 == destination => {
                    run.bytes.extend_from_slice(bytes);
                }
                _ => {
                    let next = Run {
                        memory,
                        destination,
                        bytes: bytes.to_vec(),
                    };
                    runs.extend(joined.replace(next).iter().flat_map(without_zeros));
                }
            }
        }
        runs.extend(joined.iter().flat_map(without_zeros));
        runs
    }
}

/// The parts of a run between long stretches of zeros.
fn without_zeros(run: &Run) -> Vec<Run> {
    let mut parts = Vec::new();
    let mut current: Option<Range<usize>> = None;
    for (at, _) in run.bytes.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        current = Some(match current {
            Some(part) if at - part.end < ZERO_GAP => part.start..at + 1,
            Some(part) => {
                parts.push(part);
                at..at + 1
            }
            None => at..at + 1,
        });
    }
    parts.extend(current);
    let cut = |part: Range<usize>| Run {
        memory: run.memory,
        destination: run.destination + part.start as u64,
        bytes: run.bytes.get(part).unwrap_or_default().to_vec(),
    };
    parts.into_iter().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{DataSegment, Memory, MemoryPlace};

    fn module(pages: u64, segments: &[(u64, Range<usize>)]) -> Module {
        let data = segments
            .iter()
            .map(|(offset, bytes)| DataSegment {
                mode: SegmentMode::Active,
                memory: 0,
                offset: Constant::Bits(u128::from(*offset)),
                bytes: bytes.clone(),
                dropped_offset: 0,
            })
            .collect();
        let memories = vec![Memory {
            minimum: pages,
            maximum: None,
            index_64: false,
            page_size_log2: 16,
            imported: false,
            place: MemoryPlace::Guarded,
        }];
        Module {
            data,
            memories,
            ..Module::default()
        }
    }

    fn run(destination: u64, bytes: &[u8]) -> Run {
        Run {
            memory: 0,
            destination,
            bytes: bytes.to_vec(),
        }
    }

    /// Every way to overlap, against applying the segments in order.
    #[test]
    fn later_segments_win() {
        let wasm: Vec<u8> = (1..=60).collect();
        for seed in 0..2000u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = |limit: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % limit
            };
            let segments: Vec<_> = (0..next(8) + 1)
                .map(|_| {
                    let (from, length) = (next(50) as usize, next(10) as usize);
                    (next(40), from..from + length)
                })
                .collect();
            let mut expected = [0u8; 64];
            for (offset, bytes) in &segments {
                expected[*offset as usize..][..bytes.len()].copy_from_slice(&wasm[bytes.clone()]);
            }
            let mut actual = [0u8; 64];
            let mut free = 0;
            for run in initial_runs(&module(1, &segments), &wasm).expect("all is constant") {
                assert!(
                    run.destination >= free && !run.bytes.is_empty(),
                    "{segments:?}"
                );
                free = run.destination + run.bytes.len() as u64;
                actual[run.destination as usize..][..run.bytes.len()].copy_from_slice(&run.bytes);
            }
            assert_eq!(actual, expected, "{segments:?}");
        }
    }

    #[test]
    fn zeros_are_not_stored() {
        let mut wasm = vec![0u8; 10_000];
        (wasm[5], wasm[7], wasm[9000]) = (1, 2, 3);
        let runs = initial_runs(&module(1, &[(100, 0..10_000)]), &wasm);
        assert_eq!(runs, Some(vec![run(105, &[1, 0, 2]), run(9100, &[3])]));
    }

    #[test]
    fn what_does_not_fit_is_left_to_instantiation() {
        let wasm = [1, 2];
        assert_eq!(
            initial_runs(&module(1, &[(65_535, 0..1)]), &wasm),
            Some(vec![run(65_535, &[1])])
        );
        assert_eq!(initial_runs(&module(1, &[(65_535, 0..2)]), &wasm), None);
        assert_eq!(
            initial_runs(&module(0, &[(1, 0..0)]), &wasm),
            None,
            "even an empty segment must fit"
        );
        assert_eq!(
            initial_runs(&module(0, &[(0, 0..0)]), &wasm),
            Some(Vec::new())
        );
        let mut imported = module(1, &[(0, 0..1)]);
        imported.memories[0].imported = true;
        assert_eq!(initial_runs(&imported, &wasm), None);
        let mut dynamic = module(1, &[(0, 0..1)]);
        dynamic.data[0].offset = Constant::ImportedGlobal(0);
        assert_eq!(initial_runs(&dynamic, &wasm), None);
    }
}
