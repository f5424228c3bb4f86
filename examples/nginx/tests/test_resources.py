"""What a server uses, over many requests and at its limits."""

import ctypes
import os
import re
import signal
import subprocess
import threading

import harness
from harness import Client, Server, Skip, check, equal, matches, test, until
from test_functions import script, script_server
from test_hostile import Unharmed, hostile_server


def usage(worker):
    """(resident KiB, mappings, descriptors) of a process."""
    with open(f"/proc/{worker}/status") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
    with open(f"/proc/{worker}/maps") as file:
        mappings = sum(1 for _ in file)
    return resident, mappings, len(os.listdir(f"/proc/{worker}/fd"))


def many(server, targets, count, connections=4):
    """`count` requests, spread over the targets: (target, status)."""
    wrong = []

    def run(part):
        with server.client() as c:
            for i in range(part, count, connections):
                target, status = targets[i % len(targets)]
                r = c.ask(target)
                if r.status != status:
                    wrong.append((target, r.status))
                if r.header("Connection") == "close":
                    c.close()
                    c.__init__(server.port)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(connections)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(wrong[:5], [], "wrong answers")


@test
def flat():
    """memory, mappings and descriptors do not grow with requests that return, wait, trap and touch pages (make nginx-soak: a million)"""
    mix = [("/hello", 200)] * 12 + [("/script?rest=1", 200), ("/script?touch=8", 200), ("/oob", 500), ("/recurse", 500),
                                    ("/script?fetch=/x&status=0", 200), ("/script?touch=8&trap", 500)]
    server = ("location /script { lucet_content script; lucet_memory 4m; lucet_fetch /_fetch; }\n"
              "location /_fetch/ { internal; return 200 x; }\n")
    with hostile_server(server=server, guests=["script"], level="crit", pool="lucet_pool 16;", http="keepalive_requests 1000000;") as s, \
            Unharmed(s):
        worker = s.workers()[0]
        many(s, mix, 3000)
        before = usage(worker)
        many(s, mix, 10000 * harness.SOAK)
        after = usage(worker)
        print(f"      {10000 * harness.SOAK} requests: resident {before[0]} -> {after[0]} KiB, mappings {before[1]} -> {after[1]}, "
              f"descriptors {before[2]} -> {after[2]}")
        check(after[0] - before[0] < 1024, f"resident memory: {before[0]} KiB, then {after[0]}")
        check(after[1] - before[1] <= 8, f"mappings: {before[1]}, then {after[1]}")
        check(after[2] - before[2] <= 4, f"descriptors: {before[2]}, then {after[2]}")


@test
def sanitized():
    """the address sanitizer finds nothing in some tests of each kind (make nginx-sanitize: in most)"""
    if os.environ.get("SANITIZE"):
        raise Skip("is being done")
    parts = ("functions.response", "functions.http2", "waiting.fetches_that_wait", "waiting.fetches_end", "waiting.any_access", "filters.failures",
             "hostile.edges")
    done = subprocess.run([f"{os.path.dirname(os.path.abspath(__file__))}/../test.sh", harness.BUILD, *parts], text=True, timeout=400,
                          env=dict(os.environ, SANITIZE="1", LUCET_PREFIX=harness.prefix()), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(done.returncode == 0, done.stdout[-3000:])
    matches(done.stdout, r"nginx: [5-9] passed, 0 failed")


@test
def suspended_guests_are_small():
    """what a waiting guest costs in resident memory"""
    with script_server("lucet_timeout 60s;", pool="lucet_pool 600;", level="crit") as s:
        worker = s.workers()[0]
        script("rest=1", s)
        clients = [s.client() for _ in range(500)]
        for c in clients:
            c.request("/plain")
            c.response()
        before = usage(worker)[0]
        for c in clients:
            c.request("/script?rest=20000")
        until(lambda: s.region()["waiting"] == 500, "500 guests wait")
        resident, mappings, _ = usage(worker)
        each = (resident - before) / 500
        # A process may have 65530 mappings (vm.max_map_count) and no pool more instances than addresses: 14000 or so.
        check(mappings < 500 * 4 + 300, f"{mappings} mappings")
        print(f"      {each:.1f} KiB for each of 500 suspended guests, nginx's request included")
        check(each < 128, f"{each} KiB each")
        for c in clients:
            c.close()
        s.nothing_is_left()


@test
def hardened():
    """a process that may not gain executable memory (MemoryDenyWriteExecute)"""
    libc = ctypes.CDLL(None, use_errno=True)

    if libc.prctl(66, 0, 0, 0, 0) < 0:  # PR_GET_MDWE
        raise Skip("this kernel has no PR_SET_MDWE")
    s = hostile_server()
    s.program = ["/usr/bin/env", "python3", "-c",
                 # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
                 "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])", *s.program]
    equal(s.test()[0], 0, "nginx -t")
    with s:
        for _ in range(2):
            with Unharmed(s):
                equal(s.get("/hello").text, "hello, world\n")
                equal(s.get("/oob").status, 500)
                equal(s.get("/spin").status, 504)
            check(s.reload(), "reloaded")


@test
def no_address_space():
    """RLIMIT_AS: the workers start and say 503, other locations are served; with room enough all is well"""
    s = hostile_server()
    s.program = ["/bin/sh", "-c", "ulimit -v 4194304; exec \"$0\" \"$@\"", *s.program]
    with s:
        equal(s.get("/hello").status, 503)
        equal(s.get("/-/plain").text, "plain")
        matches(s.log(), r"\[emerg\].*lucet: no region for lucet_pool")
        equal(len(s.workers()), 1)


@test
def helpers():
    """nginx's cache manager and loader have no region, and are no workers in lucet_status"""
    s = hostile_server()
    s.parts["http"] += f" proxy_cache_path {s.directory}/cache keys_zone=z:1m;"
    with s:
        def helper(number):
            with open(f"/proc/{number}/cmdline", "rb") as file:
                return file.read().startswith(b"nginx: cache")
        found = until(lambda: [number for number in s.everybody() if helper(number)], "the cache manager")
        equal(s.get("/hello").status, 200)
        equal([w["pid"] for w in s.status()["workers"]], s.workers(), "workers")
        for number in found:
            with open(f"/proc/{number}/status") as file:
                kib = next(int(line.split()[1]) for line in file if line.startswith("VmSize:"))
            check(kib < 1 << 20, f"{kib} KiB of addresses")


@test
def exhaustion():
    """more requests than instances: 503 for the rest at once, and all is well afterwards"""
    with script_server("lucet_timeout 20s;", pool="lucet_pool 8;") as s:
        clients = [s.client() for _ in range(40)]
        for c in clients:
            c.request("/script?rest=1000&say=x")
        got = sorted(c.response().status for c in clients)
        equal(got, [200] * 8 + [503] * 32)
        for c in clients:
            c.close()
        equal(s.count("script", "refused"), 32)
        s.nothing_is_left()


def samples(text):
    """Of Prometheus' text: {(name, labels): value}. Checks its form: each name has its type, once, and all of a name are together."""
    got, types, current = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            current, kind = line.split()[2:]
            check(current not in types and kind in ("counter", "gauge"), line)
            types[current] = kind
            continue
        found = re.fullmatch(r'(\w+)\{((?:\w+="[^"\\\n]*",?)*)\} (\d+)', line)
        check(found and found[1] == current, f"{line!r} below {current}")
        key = found[1], tuple(sorted(re.findall(r'(\w+)="([^"]*)"', found[2])))
        check(key not in got, line)
        got[key] = int(found[3])
    return got


@test
def figures_of_all_workers():
    """lucet_status has what every worker has now, whoever answers, nothing of those that are gone, and the same in both formats"""
    with hostile_server(workers=4, listen="reuseport", server="location /script { lucet_content script; }", guests=["script"]) as s:
        def total(name):
            def look():
                got = samples(s.get("/-/metrics").text)
                by_pid = {dict(labels)["pid"]: value for (n, labels), value in got.items() if n == f"lucet_worker_{name}"}
                workers = {str(w["pid"]): w[name] for w in s.status()["workers"]}
                if set(by_pid) == set(workers) == set(map(str, s.workers())):
                    return sum(by_pid.values()), sum(workers.values())

            return until(look, "the workers that live, and no others")

        until(lambda: len(s.workers()) == 4 and total("live") == (0, 0), "four workers")
        clients = [s.client() for _ in range(30)]
        for c in clients:
            c.request("/script?rest=25000")
        until(lambda: total("waiting") == (30, 30), "all wait, whoever is asked")
        equal(total("live"), (30, 30))
        busy = next(w for w in s.status()["workers"] if w["live"] > 0)
        os.kill(busy["pid"], signal.SIGKILL)
        until(lambda: len(s.workers()) == 4 and busy["pid"] not in s.workers(), "another worker")
        until(s.answers, "it answers")
        equal(total("live"), (30 - busy["live"],) * 2, "without those of the dead")
        old = set(s.workers())
        check(s.reload(), "reloaded")
        until(lambda: total("waiting") == (30 - busy["live"],) * 2, "with those of the workers that end")
        for c in clients:
            c.close()
        until(lambda: not old & set(s.workers()), "they have ended")
        for _ in range(3):
            equal(s.get("/oob").status, 500)
            equal(s.get("/divzero").status, 500)
        until(lambda: total("live") == (0, 0), "nobody")

        def regions():
            got = samples(s.get("/-/metrics").text)
            return sum(value for (n, _), value in got.items() if n == "lucet_region_trapped")

        until(lambda: regions() == 6, "the regions' figures of all, soon", 5)
        got = samples(s.get("/-/metrics").text)
        equal(got["lucet_guest_traps_total", (("guest", "oob"), ("trap", "out of bounds memory access"))], 3)
        equal(got["lucet_guest_traps_total", (("guest", "divzero"), ("trap", "integer divide by zero"))], 3)
        oob = next(g for g in s.status()["guests"] if g["name"] == "oob")
        equal(oob["traps"], {"out of bounds memory access": 3})
        equal({value for (n, _), value in got.items() if n in ("lucet_region_signals_lost", "lucet_worker_queued")}, {0})
        equal([value for (n, _), value in got.items() if n == "lucet_handlers_in_place"], [1])
