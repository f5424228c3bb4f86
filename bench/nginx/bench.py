"""bench.py [--rounds N] [--seconds S] [--only PART]... [--out DIRECTORY]: guests in nginx against other ways to answer, on loopback.

Every way has an nginx of its own, with one worker on processor 0; wrk is on processor 1. In each round every row is measured once, one after the other, so
that what disturbs the machine disturbs all. Reported are the best of all rounds: the worker's CPU time for a request (from the scheduler's own account), requests for
each second, p50 and p99; whatever else the machine does only adds. Rows are judged against the C module of the same run; nothing is judged when any row's
best of the odd rounds and best of the even ones, in CPU time or in requests for each second, are more than 15 % apart. The parts with other load
besides are left out of the judgement when that is so for the p50 that is judged of them, or, with a hostile tenant, when the median of the
ratios that are judged may as well be on the other side of its target.

Needs wrk, nginx, and what CMakeLists.txt builds. Environment: see run.sh."""

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import time

TOP = os.path.realpath(f"{os.path.dirname(os.path.abspath(__file__))}/../..")
sys.path.insert(0, f"{TOP}/examples/nginx/tests")
import harness  # noqa: E402
from harness import Server  # noqa: E402

BENCH, MODULE = os.environ["BENCH_BUILD"], os.environ["MODULE_BUILD"]
NOISE = 1.15
HELLO = "lucet_pool 64;"


def server(name, body, **options):
    """An nginx whose worker has processor 0 to itself."""
    main = "worker_cpu_affinity 01;\n" + options.pop("main", "")
    http = "keepalive_requests 100000000; keepalive_timeout 600s; lingering_close off; tcp_nodelay on;\n" + options.pop("http", "")
    s = Server(body, main=main, events="multi_accept on;", http=http, level="crit", name=name, pool=options.pop("pool", ""), **options)
    s.bench_name = name
    return s


def module(path):
    return f"load_module {path};"


def debian(name):
    return module(f"/usr/lib/nginx/modules/{name}.so")


def lua(code):
    return f"content_by_lua_block {{ ngx.header.content_type = 'text/plain' {code} }}"


LUA_PLAIN = r'ngx.print("hello, world\n")'
LUA_NAME = r'ngx.print("hello, ", ngx.var.http_x_name, "\n")'
LUA_COMPUTE = r"""local bit = require "bit"
  local x = bit.tobit(2463534242)
  for i = 1, 100000 do
    x = bit.bxor(x, bit.lshift(x, 13)) x = bit.bxor(x, bit.rshift(x, 17)) x = bit.bxor(x, bit.lshift(x, 5))
  end
  if x < 0 then x = x + 4294967296 end
  ngx.print(x, "\n")"""


def servers():
    guest = {name: f"{BENCH}/guests/{name}.so" for name in ("plain", "name", "dirty", "compute", "nap")}
    # A 502 keeps the connection; with a 500, what would be measured is how fast clients connect.
    hostile = ["oob", "recurse", "bomb", "spin", "spin_start", "spin_callback"]
    script = f"{harness.WORK}/bench.js"
    with open(script, "w") as file:
        file.write("""
function plain(r) { r.headersOut['Content-Type'] = 'text/plain'; r.return(200, 'hello, world\\n'); }
function name(r) { r.headersOut['Content-Type'] = 'text/plain'; r.return(200, 'hello, ' + r.headersIn['X-Name'] + '\\n'); }
function compute(r) { var x = 2463534242 | 0; for (var i = 0; i < 100000; i++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; }
  r.headersOut['Content-Type'] = 'text/plain'; r.return(200, (x >>> 0) + '\\n'); }
export default {plain, name, compute};
""")
    wasmtime = "".join(f"location /{g}{n} {{ wasmtime_content {BENCH}/{g}.wasm keep={keep}; }}\n"
                       for g in ("plain", "name", "dirty", "compute") for n, keep in (("", "256k"), ("0", "0")))
    lucet = "".join(f"location /{g} {{ lucet_content {g}; }}\n" for g in guest)
    lucet += "".join(f"location /{g} {{ lucet_content {g}; lucet_cpu 50ms; lucet_memory 4m; lucet_trap_log emerg; lucet_on_trap 502; }}\n" for g in hostile)
    return {
        "c": server("c", "location /plain { bare; } location /return { default_type text/plain; return 200 'hello, world\\n'; }",
                    preload=module(f"{BENCH}/ngx_http_bare_module.so"), lucet=False),
        "lua": server("lua", f"location /plain {{ {lua(LUA_PLAIN)} }}\nlocation /name {{ {lua(LUA_NAME)} }}\n"
                      f"location /compute {{ {lua(LUA_COMPUTE)} }}\nlocation /nap {{ {lua('ngx.sleep(0.001) ' + LUA_PLAIN)} }}\n",
                      preload=debian("ndk_http_module") + debian("ngx_http_lua_module"), lucet=False),
        "lua_fresh": server("lua_fresh", f"location /plain {{ lua_code_cache off; {lua(LUA_PLAIN)} }}",
                            preload=debian("ndk_http_module") + debian("ngx_http_lua_module"), lucet=False),
        "njs": server("njs", "".join(f"location /{n} {{ js_content b.{n}; }}\n" for n in ("plain", "name", "compute")),
                      http=f"js_import b from {script};", preload=debian("ngx_http_js_module"), lucet=False),
        "wasmtime": server("wasmtime", wasmtime, preload=module(f"{BENCH}/ngx_http_wasmtime_module.so"), lucet=False),
        "lucet": server("lucet", lucet, guests=[(n, p) for n, p in guest.items()] + hostile, pool="lucet_pool 300;",
                        http="lucet_allow log random sleep demo; lucet_timeout 10s;"),
    }


# scenario: (what, connections, [(row, server, path)])
HEADER = ["-H", "X-Name: benchmark"]
SCENARIOS = {
    "hello": (64, [("C module", "c", "/plain"), ("return 200", "c", "/return"), ("Lua, shared VM", "lua", "/plain"),
                   ("Lua, fresh VM", "lua_fresh", "/plain"), ("njs", "njs", "/plain"), ("wasmtime", "wasmtime", "/plain"),
                   ("wasmtime, nothing resident", "wasmtime", "/plain0"), ("Lucet", "lucet", "/plain")]),
    "header": (64, [("C module", "c", "/plain"), ("Lua, shared VM", "lua", "/name"), ("njs", "njs", "/name"), ("wasmtime", "wasmtime", "/name"),
                    ("Lucet", "lucet", "/name")]),
    "dirty": (64, [("C module", "c", "/plain"), ("wasmtime", "wasmtime", "/dirty"), ("wasmtime, nothing resident", "wasmtime", "/dirty0"),
                   ("Lucet", "lucet", "/dirty")]),
    "compute": (8, [("C module", "c", "/plain"), ("LuaJIT", "lua", "/compute"), ("njs", "njs", "/compute"), ("wasmtime", "wasmtime", "/compute"),
                    ("Lucet", "lucet", "/compute")]),
    "sleep": (256, [("C module", "c", "/plain"), ("Lua, shared VM", "lua", "/nap"), ("Lucet", "lucet", "/nap")]),
    "trap": (64, [("C module", "c", "/plain"), ("Lucet, out of bounds", "lucet", "/oob"), ("Lucet, stack overflow", "lucet", "/recurse")]),
}


def cpu_ns(s):
    with open(f"/proc/{s.workers()[0]}/schedstat") as file:
        return int(file.read().split()[0])


def in_us(text):
    number, unit = re.match(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1, "ms": 1000, "s": 1000000}[unit]


def wrk(port, path, connections, seconds, *more):
    done = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *more,
                           f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True)
    text = done.stdout
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return {"requests": int(re.search(r"(\d+) requests in", text)[1]), "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
            "p50": in_us(re.search(r"(?m)^\s+50%\s+(\S+)", text)[1]), "p99": in_us(re.search(r"(?m)^\s+99%\s+(\S+)", text)[1]),
            "max": in_us(re.search(r"Latency\s+\S+\s+\S+\s+(\S+)", text)[1]),
            "errors": sum(map(int, errors.groups())) if errors else 0,
            "not_2xx": int((re.search(r"Non-2xx or 3xx responses: (\d+)", text) or [0, 0])[1])}


def measure(s, path, connections, seconds, *more):
    before = cpu_ns(s)
    result = wrk(s.port, path, connections, seconds, *more)
    result["cpu_us"] = (cpu_ns(s) - before) / 1000 / max(result["requests"], 1)
    return result


def combine(rounds):
    halves = [rounds[0::2], rounds[1::2] or rounds]
    cpu, rps = [min(r["cpu_us"] for r in half) for half in halves], [max(r["rps"] for r in half) for half in halves]
    best = {"cpu_us": min(cpu), "rps": max(rps), "apart": max(max(cpu) / min(cpu), max(rps) / min(rps))}
    return best | {key: min(r[key] for r in rounds) for key in ("p50", "p99", "max")} | {key: sum(r[key] for r in rounds) for key in ("errors", "not_2xx")}


def compare(all_servers, scenario, rounds, seconds):
    connections, rows = SCENARIOS[scenario]
    got = {row: [] for row, _, _ in rows}
    for _ in range(rounds):
        for row, name, path in rows:
            got[row].append(measure(all_servers[name], path, connections, seconds, *HEADER))
    return {row: combine(results) for row, results in got.items()}


def background(s, loads):
    """wrk on others' paths meanwhile, from processor 1 as well."""
    return [subprocess.Popen(["taskset", "-c", "1", "wrk", "-t1", f"-c{c}", "-d600s", "--timeout", "30s", f"http://127.0.0.1:{s.port}{path}"],
                             stdout=subprocess.DEVNULL) for path, c in loads]


def beside(s, loads, path, connections, seconds):
    """One measurement, with others' load."""
    processes = background(s, loads)
    try:
        time.sleep(0.5)
        return wrk(s.port, path, connections, seconds)
    finally:
        for p in processes:
            p.kill()
            p.wait()
        time.sleep(0.3)


def with_background(s, loads, path, connections, seconds, rounds, judged):
    """The best of the rounds, and how far apart the best of the odd and of the even ones are in what is judged."""
    results = [beside(s, loads, path, connections, seconds) for _ in range(rounds)]
    # The best round: with several clients and a worker on two processors, whatever else the machine does only adds.
    best = {"rps": max(r["rps"] for r in results), **{key: min(r[key] for r in results) for key in ("p50", "p99", "max")}}
    halves = [[r[judged] for r in half] for half in (results[0::2], results[1::2] or results)]
    return best | {"apart": max(map(min, halves)) / min(map(min, halves))}


def spinning(all_servers, rounds, seconds):
    s = all_servers["lucet"]
    alone = with_background(s, [], "/plain", 1, seconds, rounds, "p50")
    # 32 connections, of which some spin in callbacks and start functions.
    loads = [("/spin", 16), ("/spin_start", 8), ("/spin_callback", 8)]
    return {"alone, c=1": alone, "32 guests spin, c=1": with_background(s, loads, "/plain", 1, seconds, rounds, "p50"),
            "32 guests spin, c=8": with_background(s, loads, "/plain", 8, seconds, rounds, "p50")}


HOSTILE = {"alone": [], "another tenant traps": [("/oob", 8)], "another overflows its stack": [("/recurse", 8)],
           "another takes all memory": [("/bomb", 8)], "another spins": [("/spin", 8)], "another is good, as fast": [("/plain", 8)]}
GOOD = "another is good, as fast"


def hostile(all_servers, rounds, seconds):
    """One tenant's hello while another is hostile, or good: all clients share a processor, so load alone is felt, too. A p99 is what the
    machine does besides as much as what is measured, and that changes from minute to minute: so each of many short rounds has all rows, one
    after the other, each time beginning with another one, and what is judged are ratios of the same round."""
    s, names, got = all_servers["lucet"], list(HOSTILE), []
    for i in range(max(30, rounds * seconds)):
        turn = i % len(names)
        got.append({name: beside(s, HOSTILE[name], "/plain", 32, 1) for name in names[turn:] + names[:turn]})
    rows = {}
    for name in names:
        rows[name] = {key: statistics.median(r[name][key] for r in got) for key in ("rps", "p50", "p99", "max")}
        for base in ("alone", GOOD):
            rows[name][f"of {base}"] = interval([r[name]["p99"] / r[base]["p99"] for r in got])
    return rows


def interval(values):
    """The median, and what it lies between with a certainty of 9 in 10 at least, whatever the distribution is."""
    values, n = sorted(values), len(values)
    cut = 0  # so many at each end are left out
    while sum(math.comb(n, k) for k in range(cut + 1)) * 2 <= 0.1 * 2**n:
        cut += 1
    return {"median": statistics.median(values), "low": values[max(cut - 1, 0)], "high": values[n - max(cut, 1)]}


def stopping(all_servers, rounds, _):
    """How late a guest is stopped that spins, beyond its 50 ms of CPU time, with the server to itself."""
    s, late = all_servers["lucet"], []
    for _ in range(4 * rounds):
        before = cpu_ns(s)
        status = s.get("/spin").status
        if status == 504:
            late.append((cpu_ns(s) - before) / 1e6 - 50)
    return {"spin": {"stopped": len(late), "late_ms_min": min(late), "late_ms_median": statistics.median(late), "late_ms_max": max(late)}}


OTHERS = {"spinning": spinning, "hostile": hostile, "stopping": stopping}


def noisy_parts(report):
    """Of the parts with background load, which have too much noise of their own to be judged."""
    parts = ["spinning"] if max((row.get("apart", 1) for row in report.get("spinning", {}).values()), default=1) > NOISE else []
    return parts + [f"hostile, {what}" for base, what in BESIDE if report.get("hostile") and unsure(report["hostile"], base)]


TARGET_BESIDE = 1.5
BESIDE = [("alone", "of that alone"), (GOOD, "of that beside a good one")]


def worst_beside(rows, base):
    """The ratio of the row that suffers most."""
    return max((row[f"of {base}"] for name, row in rows.items() if name not in ("alone", GOOD)), key=lambda ratio: ratio["median"])


def unsure(rows, base):
    """Whether the target is within what the ratio may be."""
    ratio = worst_beside(rows, base)
    return ratio["low"] <= TARGET_BESIDE < ratio["high"]


def quiet(report, part):
    return None if part in noisy_parts(report) else report.get(part)


def judge(report):
    """(target, what it is, what was reached, whether)."""
    lines = []
    hello = report.get("hello")
    if hello:
        c, lucet = hello["C module"], hello["Lucet"]
        lines += [("hello: CPU above C", "<= 1.5 us", lucet["cpu_us"] - c["cpu_us"], lucet["cpu_us"] - c["cpu_us"] <= 1.5),
                  ("hello: requests/s of C", ">= 0.8", lucet["rps"] / c["rps"], lucet["rps"] >= 0.8 * c["rps"]),
                  ("hello: requests/s of njs", ">= 1", lucet["rps"] / hello["njs"]["rps"], lucet["rps"] >= hello["njs"]["rps"]),
                  ("hello: requests/s of Lua", ">= 0.9", lucet["rps"] / hello["Lua, shared VM"]["rps"],
                   lucet["rps"] >= 0.9 * hello["Lua, shared VM"]["rps"]),
                  ("hello: requests/s of wasmtime", ">= 1.5", lucet["rps"] / hello["wasmtime"]["rps"],
                   lucet["rps"] >= 1.5 * hello["wasmtime"]["rps"])]
    if dirty := report.get("dirty"):
        above = dirty["Lucet"]["cpu_us"] - dirty["C module"]["cpu_us"]
        lines.append(("64 KiB dirtied: CPU above C", "<= 4 us", above, above <= 4))
    if sleep := report.get("sleep"):
        ratio = sleep["Lucet"]["rps"] / sleep["Lua, shared VM"]["rps"]
        lines.append(("1 ms sleeps: requests/s of Lua", ">= 1", ratio, ratio >= 1))
    if spin := quiet(report, "spinning"):
        p50 = max(spin["32 guests spin, c=1"]["p50"], spin["32 guests spin, c=8"]["p50"]) / 1000
        lines.append(("hello while 32 guests spin: p50", "<= 6 ms", p50, p50 <= 6))
    if bad := report.get("hostile"):
        for base, what in BESIDE:
            if not unsure(bad, base):
                ratio = worst_beside(bad, base)["median"]
                lines.append((f"hello beside a hostile tenant: p99, {what}", f"<= {TARGET_BESIDE}", ratio, ratio <= TARGET_BESIDE))
    if stop := report.get("stopping"):
        lines.append(("spin stopped beyond its CPU limit of 50 ms", "<= 6.25 ms", stop["spin"]["late_ms_median"],
                      stop["spin"]["late_ms_median"] <= 6.25))
    return lines


def shown(report):
    text = []
    for part, rows in report.items():
        if part == "machine":
            continue
        text.append(f"{part}")
        base = rows.get("C module")
        for row, r in rows.items():
            if "cpu_us" in r:
                above = f"{r['cpu_us'] - base['cpu_us']:+7.2f}" if base else ""
                text.append(f"  {row:28} {r['rps']:>9.0f} req/s {r['rps'] / base['rps']:>6.2f} of C  CPU {r['cpu_us']:>8.2f} us {above}  "
                            f"p50 {r['p50']:>7.0f} p99 {r['p99']:>7.0f} us" + (f"  {r['errors']} errors" if r["errors"] else ""))
            elif "rps" in r:
                text.append(f"  {row:28} {r['rps']:>9.0f} req/s  p50 {r['p50']:>7.0f} p99 {r['p99']:>7.0f} max {r['max']:>8.0f} us" +
                            "".join(f"  {r[key]['median']:.2f} ({r[key]['low']:.2f} to {r[key]['high']:.2f}) {key}" for key in r
                                    if key.startswith("of ") and key != f"of {row}"))
            else:
                text.append(f"  {row:28} " + "  ".join(f"{k} {v:.2f}" for k, v in r.items()))
    return "\n".join(text)


def write_docs(path):
    """The figures of a report that is fit to be judged, between the page's marks."""
    with open(path) as file:
        report = json.load(file)
    if noise(report) > NOISE:
        print("the report is too noisy for the page")
        return 3
    page = f"{TOP}/docs/nginx.md"
    with open(page) as file:
        text = file.read()
    begin, end = "<!-- figures -->\n", "<!-- end of figures -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    verdicts = [f"{'reached' if good else 'missed '} {what}: {got:.2f} (target {target})" for what, target, got, good in judge(report)]
    verdicts += [f"{part} is not judged: its rounds are too far apart" for part in noisy_parts(report)]
    body = shown(report) + "\n\n" + "\n".join(verdicts)
    with open(page, "w") as file:
        file.write(f"{head}{begin}\n```text\n{body}\n```\n\n{end}{tail}")
    return 0


def noise(report):
    worst = 1.0
    for rows in report.values():
        if isinstance(rows, dict) and "C module" in rows:
            worst = max([worst] + [row["apart"] for row in rows.values()])
    return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", action="append")
    parser.add_argument("--out")
    parser.add_argument("--docs", action="store_true", help="write the report of --out into docs/nginx.md, and measure nothing")
    options = parser.parse_args()
    harness.BUILD, harness.WORK = MODULE, f"{BENCH}/servers"
    os.makedirs(harness.WORK, exist_ok=True)
    parts = options.only or [*SCENARIOS, *OTHERS]
    path = f"{options.out}/nginx.json" if options.out else None
    report = {}
    if options.docs:
        return write_docs(path)
    if path and options.only and os.path.exists(path):
        with open(path) as file:
            report = json.load(file)
    all_servers = servers()
    try:
        for s in all_servers.values():
            s.start()
        for part in parts:
            report[part] = compare(all_servers, part, options.rounds, options.seconds) if part in SCENARIOS else \
                OTHERS[part](all_servers, options.rounds, options.seconds)
            print(shown({part: report[part]}), flush=True)
    finally:
        for s in all_servers.values():
            s.stop()
    spread = noise(report)
    text = [shown(report), "", f"The best of the odd and of the even rounds are up to {(spread - 1) * 100:.0f} % apart."]
    if spread > NOISE:
        text.append("That is too much to judge anything.")
    else:
        text += [f"{part} is not judged: its rounds are too far apart" for part in noisy_parts(report)]
        text += [f"{'ok  ' if good else 'MISS'} {what}: {got:.2f} (target {target})" for what, target, got, good in judge(report)]
    print("\n".join(text[2:]))
    if options.out:
        os.makedirs(options.out, exist_ok=True)
        with open(path, "w") as file:
            json.dump(report, file, indent=1)
        with open(f"{options.out}/nginx.txt", "w") as file:
            file.write("\n".join(text) + "\n")
    return 0 if spread <= NOISE else 3


sys.exit(main())
