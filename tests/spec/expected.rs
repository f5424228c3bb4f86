//! How many checks there are. Exact, so that none can get lost.

/// What comes of a suite: its name, the checks that pass, and the checks that are skipped by what they need.
pub type Suite = (&'static str, usize, &'static [(&'static str, usize)]);

/// Every suite, in the order in which they run.
pub const SUITES: &[Suite] = &[
    ("2.0", 26_368, &[("another instance", 1623)]),
    ("relaxed-simd", 77, &[]),
    (
        "simd",
        25_987,
        &[("another instance", 1), ("multi-memory", 1)],
    ),
];
