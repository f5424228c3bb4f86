//! How many checks there are. Exact, so that none can get lost.

/// What comes of a suite: its name, the checks that pass, and the checks that are skipped by what they need.
pub type Suite = (&'static str, usize, &'static [(&'static str, usize)]);

/// Every suite, in the order in which they run.
pub const SUITES: &[Suite] = &[
    ("2.0", 27_976, &[("superseded by a later version", 15)]),
    (
        "3.0",
        21_093,
        &[("gc", 79), ("types of references to functions", 21)],
    ),
    ("annotations", 617, &[]),
    ("bulk-memory", 7481, &[("gc", 2)]),
    ("custom-page-sizes", 205, &[]),
    (
        "custom-descriptors",
        307,
        &[("custom-descriptors", 496), ("gc", 67)],
    ),
    ("exceptions", 98, &[("gc", 4)]),
    ("extended-const", 281, &[]),
    (
        "function-references",
        1830,
        &[
            ("superseded by a later version", 8),
            ("types of references to functions", 21),
        ],
    ),
    ("gc", 79, &[("gc", 693)]),
    ("memory64", 1594, &[("superseded by a later version", 12)]),
    ("multi-memory", 895, &[]),
    ("multi-value", 1174, &[("superseded by a later version", 8)]),
    (
        "mutable-global",
        137,
        &[("superseded by a later version", 6)],
    ),
    ("nontrapping-float-to-int-conversions", 615, &[]),
    (
        "reference-types",
        9105,
        &[("superseded by a later version", 20)],
    ),
    ("relaxed-simd", 77, &[]),
    ("sign-extension-ops", 872, &[]),
    ("simd", 25_989, &[]),
    ("tail-call", 119, &[]),
    (
        "threads",
        350,
        &[("superseded by a later version", 8), ("threads", 259)],
    ),
    ("wide-arithmetic", 109, &[]),
    ("threads, unshared", 297, &[]),
];
