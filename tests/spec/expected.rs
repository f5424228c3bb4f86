//! How many checks there are. Exact, so that none can get lost.

/// What comes of a suite: its name, the checks that pass, and the checks that are skipped by what they need.
pub type Suite = (&'static str, usize, &'static [(&'static str, usize)]);

/// Every suite, in the order in which they run.
pub const SUITES: &[Suite] = &[
    (
        "2.0",
        26_353,
        &[
            ("another instance", 1623),
            ("superseded by a later version", 15),
        ],
    ),
    ("3.0", 20_710, &[("another instance", 404), ("gc", 79)]),
    ("annotations", 615, &[("another instance", 2)]),
    (
        "bulk-memory",
        6173,
        &[("another instance", 1308), ("gc", 2)],
    ),
    ("custom-page-sizes", 201, &[("another instance", 4)]),
    (
        "custom-descriptors",
        306,
        &[
            ("another instance", 1),
            ("custom-descriptors", 496),
            ("gc", 67),
        ],
    ),
    ("exceptions", 53, &[("another instance", 46), ("gc", 3)]),
    ("extended-const", 238, &[("another instance", 43)]),
    (
        "function-references",
        1650,
        &[
            ("another instance", 201),
            ("superseded by a later version", 8),
        ],
    ),
    ("gc", 79, &[("gc", 693)]),
    ("memory64", 1594, &[("superseded by a later version", 12)]),
    ("multi-memory", 719, &[("another instance", 176)]),
    ("multi-value", 1174, &[("superseded by a later version", 8)]),
    ("mutable-global", 42, &[("another instance", 101)]),
    ("nontrapping-float-to-int-conversions", 615, &[]),
    (
        "reference-types",
        7508,
        &[
            ("another instance", 1597),
            ("superseded by a later version", 20),
        ],
    ),
    ("relaxed-simd", 77, &[]),
    ("sign-extension-ops", 872, &[]),
    ("simd", 25_988, &[("another instance", 1)]),
    ("tail-call", 119, &[]),
    (
        "threads",
        237,
        &[
            ("another instance", 114),
            ("superseded by a later version", 8),
            ("threads", 258),
        ],
    ),
    ("wide-arithmetic", 109, &[]),
    ("threads, unshared", 297, &[]),
];
