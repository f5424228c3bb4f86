#!/usr/bin/env python3
"""readme.py [README]: puts the figures of bench/out/report.json into the README, between the lines
`<!-- bench:begin -->` and `<!-- bench:end -->`, and the plot of cycles beside this file's directory as
bench/plots/cycle.svg. Run by `make bench-readme` after `make bench`.

Invariants: every figure comes from the report; rows that were too noisy are left out and named as left out; what is
outside the two lines is not touched. Not here: measuring and comparing.
"""
import json
import os
import shutil
import sys

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
ROWS = [  # label, unit, where in the report, name of the row in the noise list
    ("call into the guest, function handle", "ns", ("call_in_ns",), "call_in"),
    ("call into the guest, typed entry", "ns", ("call_in_stub_ns",), "call_in_stub"),
    ("call of a host function", "ns", ("call_out_ns",), "call_out"),
    ("call of a leaf host function", "ns", ("call_out_leaf_ns",), "call_out_leaf"),
    *[(f"new instance, call, release; {pages} {'page' if pages == '1' else 'pages'} touched", "us", ("cycle_us", pages), f"cycle/{pages}")
      for pages in ("0", "1", "16", "64", "256")],
    *[(f"load a module of {size}, {way}", "us", (key,), row)
      for size, in_key, row in (("100 KB", "", "load/100k"), ("1 MB", "1mb_", "load/1m"))
      for way, key in (("in place, nothing compared", f"load_{in_key}us"), ("in place, checksum compared", f"load_checked_{in_key}us"),
                       ("from a sealed copy", f"load_sealed_{in_key}us"))],
    ("memory of a live idle instance", "bytes", ("idle_instance_bytes",), None),
]

PROGRAMS = {"sqlite": "SQLite", "lua": "Lua", "zstd": "zstd", "zlib": "zlib", "quickjs": "QuickJS"}


def find(report, path):
    for key in path:
        report = report[key]
    return report


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def geometric_mean(kernels, peer, ours="lucet"):
    product = 1.0
    for row in kernels.values():
        product *= row[ours] / row[peer]
    return product ** (1 / len(kernels))


def varied(rows, noise):
    """Means are over all rows: one of those that were quiet would be of others in each run."""
    noisy = sum(name in noise for name in rows)
    return f" The times of {noisy} of them varied by more than a tenth." if noisy else ""


def kernels_sentence(kernels, noise):
    return (f"Execution of {len(kernels)} kernels, geometric mean of the times: "
            f"{geometric_mean(kernels, 'wasmtime'):.2f} of wasmtime's ({geometric_mean(kernels, 'wasmtime_v2', 'lucet_v2'):.2f} where "
            f"both compile for x86-64-v2), {geometric_mean(kernels, 'wasm2c'):.2f} of wasm2c's with clang -O3, "
            f"{geometric_mean(kernels, 'native_novec'):.2f} of native code without vectors, "
            f"{geometric_mean(kernels, 'native'):.2f} of native code."
            + varied(kernels, noise))


def programs_sentence(programs, noise):
    return (f"Whole programs ({', '.join(PROGRAMS[name] for name in programs)}), geometric mean: "
            f"{geometric_mean(programs, 'wasmtime'):.2f} of wasmtime's, {geometric_mean(programs, 'native'):.2f} of native "
            "code's." + varied([f"programs/{name}" for name in programs], noise))


def block(report):
    machine, noise = report["machine"], report["noise"]["meaningless"]
    lines = ["| | | Lucet | wasmtime | wasm2c |", "| --- | --- | ---: | ---: | ---: |"]
    left_out = []
    for label, unit, path, row in ROWS:
        if row in noise:
            left_out.append(label)
            continue
        figures = find(report, path)
        lines.append(f"| {label} | {unit} | {number(figures.get('lucet'))} | {number(figures.get('wasmtime'))} | "
                     f"{number(figures.get('wasm2c'))} |")
    lines += ["", kernels_sentence(report["exec"], noise)]
    if report.get("programs"):
        lines += ["", programs_sentence(report["programs"], noise)]
    if left_out:
        lines.append("")
        lines.append("Too noisy in this run to mean anything, and left out: " + "; ".join(left_out) + ".")
    lines.append("")
    lines.append("![latency of a new instance against pages touched](bench/plots/cycle.svg)")
    lines.append("")
    lines.append(f"Minima of one run on {machine['date']} UTC: {machine['cpu']}, {machine['cpus']} CPUs, Linux "
                 f"{machine['kernel']}; {report['versions']['peers']}. `make bench` measures, `make bench-readme` "
                 "writes this.")
    return lines


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    readme = sys.argv[1] if len(sys.argv) > 1 else f"{root}/README.md"
    with open(f"{root}/bench/out/report.json", encoding="utf-8") as file:
        report = json.load(file)
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        sys.exit(f"{readme}: expected one line {BEGIN} and after it one line {END}")
    before, after = text[:text.index(BEGIN) + len(BEGIN)], text[text.index(END):]
    with open(readme, "w", encoding="utf-8") as file:
        file.write(before + "\n" + "\n".join(block(report)) + "\n" + after)
    os.makedirs(f"{root}/bench/plots", exist_ok=True)
    shutil.copy(f"{root}/bench/out/cycle.svg", f"{root}/bench/plots/cycle.svg")


main()
