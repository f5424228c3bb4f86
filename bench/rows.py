"""rows.py: rows of figures as the benchmark programs write them, by engine, and which figure of a row is a peer's.

Invariants: a peer with several settings has the figure of its best one; floors, and variants of an engine that are only shown, are nobody's.
Not here: what the figures are compared to (report.py, targets.py).
"""

PEERS = ("lucet", "wasmtime", "wasm2c")
NOISE = 1.10  # how far the minima of the two halves of a run may lie apart


def family(engine):
    """The peer that a setting belongs to; None for floors and for variants that are only shown."""
    if engine.startswith("wasmtime"):
        return "wasmtime"
    return engine if engine in PEERS else None


def chosen(row):
    """For each peer of a row its best setting."""
    found = {}
    for engine, figures in row.items():
        peer = family(engine)
        if peer and (peer not in found or figures["min"] < row[found[peer]]["min"]):
            found[peer] = engine
    return found


def least(row, name):
    """The figure of a peer, a floor or a variant; None if the row has none."""
    figures = row.get(chosen(row).get(name, name))
    return figures and figures["min"]


def noisy(row):
    """The engines of a row whose minima were not found again. Floors and settings that lost do not matter."""
    return sorted(engine for engine in chosen(row).values() if row[engine]["halves"] > NOISE)


def noisy_any(row):
    """As noisy(), where every figure counts, as the others are compared to it: memcpy on two threads, native programs."""
    return sorted(engine for engine, figures in row.items() if figures["halves"] > NOISE)
