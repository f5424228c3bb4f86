//! How many checks there are. Exact, so that none can get lost.

/// What comes of a suite: its name, the checks that pass, and the checks that are skipped by what they need.
pub type Suite = (&'static str, usize, &'static [(&'static str, usize)]);

/// Every suite, in the order in which they run.
pub const SUITES: &[Suite] = &[
    ("2.0", 26_368, &[("another instance", 1623)]),
    (
        "3.0",
        20_704,
        &[
            ("another instance", 381),
            ("exception-handling", 29),
            ("gc", 79),
        ],
    ),
    ("annotations", 615, &[("another instance", 2)]),
    (
        "bulk-memory",
        6173,
        &[("another instance", 1308), ("gc", 2)],
    ),
    ("custom-page-sizes", 151, &[("custom-page-sizes", 54)]),
    (
        "custom-descriptors",
        306,
        &[
            ("another instance", 1),
            ("custom-descriptors", 496),
            ("gc", 67),
        ],
    ),
    ("exceptions", 18, &[("exception-handling", 81), ("gc", 3)]),
    ("extended-const", 238, &[("another instance", 43)]),
    ("function-references", 1658, &[("another instance", 201)]),
    ("gc", 79, &[("gc", 693)]),
    ("memory64", 811, &[("memory64", 795)]),
    (
        "multi-memory",
        22,
        &[("another instance", 40), ("multi-memory", 833)],
    ),
    ("multi-value", 1182, &[]),
    ("mutable-global", 42, &[("another instance", 101)]),
    ("nontrapping-float-to-int-conversions", 615, &[]),
    (
        "reference-types",
        7527,
        &[
            ("another instance", 1597),
            ("superseded by a later version", 1),
        ],
    ),
    ("relaxed-simd", 77, &[]),
    ("sign-extension-ops", 872, &[]),
    (
        "simd",
        25_987,
        &[("another instance", 1), ("multi-memory", 1)],
    ),
    ("tail-call", 119, &[]),
    (
        "threads",
        242,
        &[
            ("another instance", 114),
            ("superseded by a later version", 3),
            ("threads", 258),
        ],
    ),
    ("wide-arithmetic", 109, &[]),
    ("threads, unshared", 297, &[]),
];
