"""goals.py REPORT: compares the figures of bench/stopping with what they should be. Exit status 1: one is missed."""

import json
import sys


def main(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    kill, deadline = report["kill"], report["deadline"]
    goals = [
        ("kill, median, over a bare tgkill's", kill["p50_us"] / kill["tgkill_p50_us"], 2.0, "times"),
        ("kill, 99th percentile, over a bare tgkill's", kill["p99_us"] / kill["tgkill_p99_us"], 3.0, "times"),
        ("deadline", deadline["cost_ns"], 50.0, "ns a call"),
    ]
    for name in ("slice_half_ms", "slice_1ms"):
        goals.append((f"{name}, above an empty handler", report[name]["above_us"], 2.0, "us a slice"))
    missed = 0
    for name in ("budget_fifth_ms", "budget_4ms"):
        used = report[name]
        goals.append((f"{name}, budget over what was used, at most", 1 / used["least"], 1.0, "times"))
        goals.append((f"{name}, used over budget, 99th percentile", used["p99"], 1.125, "times"))
    for name, value, goal, unit in goals:
        good = value <= goal
        missed += not good
        print(f"{'ok  ' if good else 'MISS'} {name}: {value:.3f} {unit}, at most {goal:g}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
