"""targets.py: what the figures of bench/cycle should be, whether they are, and what the rest of those consists of that are not.

Invariants: a figure is compared with wasmtime's of the same run, where both have one; what the rest consists of are floors and figures of the
same run, too; one is noisy if a row that it is made of is. Not here: measuring, and the table.
"""
from rows import least, noisy, noisy_any

# Row, engine, at most this part of wasmtime's figure, at most so many nanoseconds on a quiet machine of 3 GHz.
TARGETS = [
    ("call_in", "lucet", 0.5, 8),
    ("call_in_stub", "lucet", 0.3, 4),
    ("call_out", "lucet", 0.6, 3.5),
    ("call_out_leaf", "lucet", 0.35, 2),
    ("cycle/0", "lucet", 0.2, 500),
    ("cycle/1", "lucet", 0.1, 600),
    ("cycle/16", "lucet", 0.1, 1500),
    ("cycle/64", "lucet", 0.2, 4000),
    ("cycle/256", "lucet", 0.4, 15000),
    ("load/100k", "lucet", 0.3, None),
    ("load/1m", "lucet", 0.3, None),
    ("load/100k", "lucet_sealed", 0.6, None),
    ("load/1m", "lucet_sealed", 1.0, None),
]
IDLE_BYTES = 24 << 10  # what an idle instance may take, page tables counted
GROWING_NS = 2500  # what a page more costs in a cycle
SCALING = 0.95  # how cycles on two threads scale, as a part of how copies of the pages do
RESET = 1.02  # a reset in place of release and new is no slower; that much is noise

# What a figure cannot be without: its name, the row, and the engine or floor whose figure it is.
ACROSS = ("a C function called across shared objects", "call_out", "floor_far_pointer")
SWITCH = ("a change of stacks", "call_in", "floor_stack_switch")
CONSISTS_OF = {
    "call_in": [("a typed entry", "call_in_stub", "lucet"), ACROSS, SWITCH],
    "call_in_stub": [ACROSS, SWITCH],
    "call_out": [ACROSS, SWITCH],
    "call_out_leaf": [ACROSS],
    "load/100k": [("open, map in one piece and unmap", "load/100k", "floor_mapped")],
    "load/1m": [("open, map in one piece and unmap", "load/1m", "floor_mapped")],
    "load/100k sealed": [("copy, seal and map", "load/100k", "floor_sealed_copy")],
    "load/1m sealed": [("copy, seal and map", "load/1m", "floor_sealed_copy")],
    "grow": [("open a page, write to it and give it back", "grow", "floor_grown")],
}


def of_cycle(row):
    """Of cycles: what they are without pages, and a look at all pages that are written."""
    return [("no page", "cycle/0", "lucet"), ("pages read once", row, "floor_read")]


def parts(rows, target):
    """What the figure of a target consists of, in nanoseconds, by name."""
    found = {}
    for name, other, engine in of_cycle(target) if target.startswith("cycle/") else CONSISTS_OF.get(target, []):
        figure = least(rows.get(other, {}), engine)
        if figure is not None:
            found[name] = round(figure, 3)
    return found


def result(name, figure, target, what, varied, nanoseconds=None, consists_of=None):
    """One target: `figure` may be at most `target`. `varied` are engines that make it noisy; `consists_of` are parts of so many
    `nanoseconds`."""
    return {"name": name, "figure": round(figure, 4), "target": target, "what": what, "met": figure <= target,
            "noisy": bool(varied), "ns": nanoseconds, "consists_of_ns": consists_of or {}}


def of_rows(rows):
    found = []
    for row, engine, part, nanoseconds in TARGETS:
        own, peer = least(rows.get(row, {}), engine), least(rows.get(row, {}), "wasmtime")
        if own is None:
            continue
        name = row if engine == "lucet" else f"{row} {engine.removeprefix('lucet_')}"
        about = (noisy(rows[row]), own, parts(rows, name))
        if peer is not None:
            found.append(result(name, own / peer, part, "of wasmtime's", *about))
        if nanoseconds is not None:
            found.append(result(name, own, nanoseconds, "ns", *about))
    for row in rows:
        if row.startswith("cycle/"):
            reset, cycle = least(rows[row], "lucet_reset"), least(rows[row], "lucet")
            pair = {engine: rows[row][engine] for engine in ("lucet", "lucet_reset")}
            found.append(result(f"reset/{row[6:]}", reset / cycle, RESET, "of a new instance and its release", noisy_any(pair)))
    if "grow" in rows and "cycle/0" in rows:
        more = least(rows["grow"], "lucet") - least(rows["cycle/0"], "lucet")
        varied = noisy(rows["grow"]) + noisy(rows["cycle/0"])
        found.append(result("grow", more, GROWING_NS, "ns more than a cycle", varied, more, parts(rows, "grow")))
    return found


def check(cycle):
    """All targets that the figures of bench/cycle say something of."""
    found = of_rows(cycle.get("rows", {}))
    if "idle" in cycle:
        found.append(result("idle", cycle["idle"]["lucet"]["live"], IDLE_BYTES, "bytes", []))
    if "threads" in cycle:
        threads = cycle["threads"]
        # As the others: what is small is good.
        found.append(result("threads", threads["memcpy"]["scaling"] / threads["lucet"]["scaling"], 1 / SCALING,
                            "of memcpy's scaling over ours", noisy_any(threads)))
    return found


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def lines(found):
    """What is missed, by how much, and what it consists of; then how many are met."""
    missed = [each for each in found if not each["met"]]
    text = []
    for each in missed:
        line = (f"MISS {each['name']}: {each['figure']:.4g} {each['what']}, at most {each['target']:.4g}: "
                f"{100 * (each['figure'] / each['target'] - 1):.0f} % too much")
        if each["consists_of_ns"]:
            line += f"; of {number(each['ns'])} ns: " + ", ".join(
                f"{name} {number(figure)}" for name, figure in each["consists_of_ns"].items())
        text.append(line + ("; MEANINGLESS: varied" if each["noisy"] else ""))
    if found:
        text.append(f"{len(found) - len(missed)} of {len(found)} targets are met (those in ns are for a quiet machine of 3 GHz)")
    return text
