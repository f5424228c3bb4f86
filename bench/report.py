#!/usr/bin/env python3
"""report.py WORK PART [OUT]: makes the report from what the benchmark programs have measured.

WORK is the directory with cycle.json, exec.json and programs.json, which may be missing. PART is `before` (notes the state
of the machine), `cycle`, `exec` or `programs` (prints a table), or `all` (prints all three, and writes report.json,
report.txt and the plots to OUT).

Invariants: figures are minima over all repetitions; a peer with several settings is given its best one, row by row;
a row whose minimum was not found again in the other half of the repetitions is called noisy and said
to be so. Not here: measuring, and which figure of a row is a peer's (rows.py).
"""
import json
import math
import os
import platform
import subprocess
import sys
import time

import plots
import targets
from rows import PEERS, chosen, family, noisy, noisy_any

CYCLE_PAGES = ("0", "1", "16", "64", "256")


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def state():
    """What else the machine was doing: load, and time that the hypervisor took away."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    return {"time": time.time(), "load": os.getloadavg()[0], "steal": ticks[7], "busy": sum(ticks) - ticks[3] - ticks[4],
            "ticks": sum(ticks)}


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "?")
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime())}


def versions():
    found = {}
    prefix = os.environ.get("LUCET_PREFIX", "build/prefix")
    commands = {"lucet": [f"{prefix}/bin/lucetc", "--version"], "clang": ["clang-16", "--version"],
                "revision": ["git", "rev-parse", "--short", "HEAD"]}
    for name, command in commands.items():
        try:
            found[name] = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")[0]
        except OSError:
            found[name] = "?"
    peers = os.environ.get("BENCH_PEERS", "build/bench-peers")
    if os.path.exists(f"{peers}/versions"):
        with open(f"{peers}/versions", encoding="utf-8") as file:
            found["peers"] = file.read().strip()
    return found


# ---- the report's keys ----


def best(row, scale=1.0):
    """{"lucet": x, "wasmtime": y, "wasm2c": z}: for each peer the best of its settings."""
    return {peer: round(row[engine]["min"] * scale, 4) for peer, engine in chosen(row).items()}


def keyed(cycle):
    """The figures under the names of the report."""
    rows = cycle.get("rows", {})
    report = {}
    for row in ("call_in", "call_in_stub", "call_out", "call_out_leaf"):
        if row in rows:
            report[f"{row}_ns"] = best(rows[row])
    pages = {number: best(rows[f"cycle/{number}"], 1e-3) for number in CYCLE_PAGES if f"cycle/{number}" in rows}
    if pages:
        report["cycle_us"] = pages
        report["reset_us"] = {number: {"lucet": round(rows[f"cycle/{number}"]["lucet_reset"]["min"] * 1e-3, 4)}
                              for number in pages}
    for size, name in (("100k", "load_us"), ("1m", "load_1mb_us")):
        if f"load/{size}" in rows:
            report[name] = best(rows[f"load/{size}"], 1e-3)
            for way in ("checked", "sealed"):
                report[name.replace("load_", f"load_{way}_")] = {
                    "lucet": round(rows[f"load/{size}"][f"lucet_{way}"]["min"] * 1e-3, 4)}
    for row, name in (("grow", "grow_us"), ("trap", "trap_us"), ("in_turn/16", "in_turn_us"),
                      ("two_tenants/16", "two_tenants_us"), ("scatter/16", "scatter_us"), ("data/1m", "data_1mb_us"),
                      ("data/16m", "data_16mb_us"), ("table/10000", "table_10000_us")):
        if row in rows:
            report[name] = best(rows[row], 1e-3)
    copies = {row.split("/")[1]: best(rows[row]) for row in rows if row.startswith("copy/")}
    if copies:
        report["copy_in_and_out_ns"] = copies
    report.update(memory_and_threads(cycle))
    if "compile" in cycle:
        report["compile"] = cycle["compile"]
    floors = {row: {engine[6:]: round(figures["min"], 4) for engine, figures in figures_of.items()
                    if engine.startswith("floor_")} for row, figures_of in rows.items()}
    report["floors_ns"] = {row: found for row, found in floors.items() if found}
    return report


def memory_and_threads(cycle):
    report = {}
    if "idle" in cycle:
        for key, name in (("live", "idle_instance_bytes"), ("released", "released_slot_bytes"), ("cold_us", "cold_slot_us")):
            report[name] = {}
            for engine, figures in cycle["idle"].items():
                peer, value = family(engine), figures[key]
                if not peer:
                    report[f"{engine.removeprefix('lucet_')}_{name}"] = {"lucet": value}
                    continue
                report[name][peer] = min(value, report[name].get(peer, value))
    if "threads" in cycle:
        threads = cycle["threads"]
        report["threads_scaling"] = {"memcpy": threads["memcpy"]["scaling"]}
        for peer in PEERS:
            settings = [figures for engine, figures in threads.items() if family(engine) == peer]
            if settings:
                report["threads_scaling"][peer] = max(settings, key=lambda figures: figures["two"])["scaling"]
    return report


def checks(path):
    """What bench/arguments has printed: nanoseconds of each checked call above a plain one."""
    try:
        with open(path, encoding="utf-8") as file:
            rows = [line.split() for line in file]
    except FileNotFoundError:
        return {}
    return {words[0]: {"runtime": float(words[1]), "code": float(words[2])}
            for words in rows if len(words) == 3 and words[0].startswith("checked_")}


# ---- text ----


def ratio(left, right):
    return f"{left / right:.2f}" if left and right else "-"


def number(value):
    return "-" if value is None else f"{value:.4g}"


def cycle_table(cycle, report):
    rows = cycle.get("rows", {})
    parts = {(row, engine): part for row, engine, part, _ in targets.TARGETS}
    lines = [f"{'row':27} {'lucet':>10} {'wasmtime':>10} {'wasm2c':>10}  {'/wasmtime':>9} {'target':>7}  noise"]

    def line(label, figures, target=None, note=""):
        lucet, wasmtime, wasm2c = (figures.get(peer) for peer in PEERS)
        goal = "" if target is None else f"{target:.2f}"
        lines.append(f"{label:27} {number(lucet):>10} {number(wasmtime):>10} {number(wasm2c):>10}  "
                     f"{ratio(lucet, wasmtime):>9} {goal:>7}  {note}")

    for row, figures in rows.items():
        unit, scale = ("us", 1e-3) if max(f["min"] for f in figures.values()) > 1000 else ("ns", 1.0)
        culprits = noisy(figures)
        line(f"{row} {unit}", best(figures, scale), parts.get((row, "lucet")),
             f"MEANINGLESS: {', '.join(culprits)} varied" if culprits else "")
        for engine, found in figures.items():
            if engine.startswith("floor_") or engine == "wasm2c_no_recovery":
                lines.append(f"  {engine:25} {number(found['min'] * scale):>10}")
            elif engine.startswith("lucet_"):
                line(f"  {engine}", {"lucet": found["min"] * scale, "wasmtime": figures["wasmtime"]["min"] * scale}
                     if "wasmtime" in figures else {"lucet": found["min"] * scale}, parts.get((row, engine)))
    for name in ("idle_instance_bytes", "released_slot_bytes", "cold_slot_us"):
        for label in (name, f"compact_{name}"):
            if label in report:
                line(label, report[label], None, f"at most {targets.IDLE_BYTES}" if label == "idle_instance_bytes" else "")
    for name, row in report.get("compile", {}).items():
        for figure in ("ms", "cpu_ms", "peak_mb"):
            line(f"{name} {figure}", {peer: figures[figure] for peer, figures in row.items()})
    if "threads_scaling" in report:
        culprits = noisy_any(cycle["threads"])
        line("threads_scaling", report["threads_scaling"], None, f"memcpy {report['threads_scaling']['memcpy']:.2f}"
             + (f"; MEANINGLESS: {', '.join(culprits)} varied" if culprits else ""))
    return lines + ["", *targets.lines(targets.check(cycle))]


def mean(values):
    values = [value for value in values if value]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def exec_table(kernels, raw):
    columns = ("lucet", "lucet_v2", "wasmtime", "wasmtime_v2", "wasm2c", "native_novec", "native")
    against = {"wasmtime": 11, "wasmtime_v2": 16, "wasm2c": 9, "native_novec": 15, "native": 9}
    # What is compiled for one level is compared with what is compiled for the same.
    ours = {peer: "lucet_v2" if peer.endswith("_v2") else "lucet" for peer in against}
    headings = "".join(f"{('v2' if peer.endswith('_v2') else '') + '/' + peer:>{width}}" for peer, width in against.items())
    lines = ["ms".ljust(14) + "".join(f"{name:>13}" for name in columns) + headings]
    for name, figures in kernels.items():
        culprits = noisy(raw[name])
        lines.append(name.ljust(14) + "".join(f"{number(figures.get(column)):>13}" for column in columns) + "".join(
            f"{ratio(figures.get(ours[peer]), figures.get(peer)):>{width}}" for peer, width in against.items())
            + (f"  MEANINGLESS: {', '.join(culprits)} varied" if culprits else ""))
    means = [mean(figures[ours[peer]] / figures[peer] for figures in kernels.values() if figures.get(peer)) for peer in against]
    lines.append("geometric mean".ljust(14 + 13 * len(columns)) + "".join(
        f"{number(value)[:5]:>{width}}" for value, width in zip(means, against.values())))
    return lines


def programs_table(programs, raw):
    columns, against = ("lucet", "wasmtime", "native"), {"wasmtime": 11, "native": 9}
    lines = ["programs, ms".ljust(14) + "".join(f"{name:>13}" for name in columns)
             + "".join(f"{'/' + peer:>{width}}" for peer, width in against.items())]
    for name, figures in programs.items():
        culprits = noisy_any(raw[name])
        lines.append(name.ljust(14) + "".join(f"{number(figures[column]):>13}" for column in columns)
                     + "".join(f"{ratio(figures['lucet'], figures[peer]):>{width}}" for peer, width in against.items())
                     + (f"  MEANINGLESS: {', '.join(culprits)} varied" if culprits else ""))
    means = {peer: mean(figures["lucet"] / figures[peer] for figures in programs.values()) for peer in against}
    lines.append("geometric mean".ljust(14 + 13 * len(columns))
                 + "".join(f"{number(means[peer])[:5]:>{width}}" for peer, width in against.items()))
    return lines


def milliseconds(rows):
    return {name: {engine: round(figures["min"] * 1e-6, 4) for engine, figures in row.items()} for name, row in rows.items()}


def meaningless(cycle, kernels, programs):
    """The rows that were too noisy, each with the engines that made it so."""
    found = {row: noisy(figures) for row, figures in {**cycle["rows"], **kernels}.items()}
    found["threads"] = noisy_any(cycle["threads"])
    found.update((f"programs/{name}", noisy_any(figures)) for name, figures in programs.items())
    return {row: culprits for row, culprits in found.items() if culprits}


def disturbance(before, after):
    ticks = max(1, after["ticks"] - before["ticks"])
    return {"load_before": before["load"], "load_after": after["load"],
            "steal_percent": round(100 * (after["steal"] - before["steal"]) / ticks, 2),
            "busy_cpus": round((after["busy"] - before["busy"]) / ticks * len(os.sched_getaffinity(0)), 2)}


def main():
    work, part = sys.argv[1], sys.argv[2]
    if part == "before":
        with open(f"{work}/before.json", "w", encoding="utf-8") as file:
            json.dump(state(), file)
        return
    cycle = read(f"{work}/cycle.json") if part in ("cycle", "all") else {}
    raw = read(f"{work}/exec.json").get("rows", {}) if part in ("exec", "all") else {}
    programs = read(f"{work}/programs.json").get("rows", {}) if part in ("programs", "all") else {}
    report = {**keyed(cycle), "targets": targets.check(cycle)} if cycle else {}
    lines = cycle_table(cycle, report) if cycle else []
    if raw:
        report["exec"] = milliseconds(raw)
        lines += ([""] if lines else []) + exec_table(report["exec"], raw)
    if programs:
        report["programs"] = milliseconds(programs)
        lines += ([""] if lines else []) + programs_table(report["programs"], programs)
    if part == "all":
        report["checks_ns"] = checks(f"{work}/arguments.txt")
        report["stopping"] = read(f"{work}/stopping/stopping.json")
        noise = disturbance(read(f"{work}/before.json"), state())
        noise["meaningless"] = meaningless(cycle, raw, programs)
        report.update(machine=machine(), versions=versions(), noise=noise,
                      details={"cycle": cycle, "exec": raw, "programs": programs})
        lines.append("")
        lines.append(f"{report['machine']}; {noise['busy_cpus']} CPUs busy, steal {noise['steal_percent']} %; "
                     f"{len(noise['meaningless'])} rows too noisy to mean anything")
        if noise["busy_cpus"] > 1.6:  # we use one, and two for a few seconds
            lines.append("NOISE: other programs were using the machine; take all of this as upper bounds, and measure again")
        out = sys.argv[3]
        with open(f"{out}/report.json", "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
        with open(f"{out}/report.txt", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        plots.write_all(report, out)
    print("\n".join(lines))


main()
