"""Starting, reloading, upgrading and ending, with guests at every stage of their work."""

import os
import shutil
import signal
import subprocess
import threading
import time

import harness
from harness import Client, Failure, Server, check, equal, guest, matches, test, until
from test_functions import SCRIPT, script, script_server
from test_hostile import hostile_server


class Load:
    """Requests over several connections until told to stop. A connection that the server closes between two requests is nginx's right; a
    request that was begun and not answered is a failure."""

    def __init__(self, server, target, connections=8, status=200, keepalive=True):
        self.server, self.target, self.status, self.keepalive = server, target, status, keepalive
        self.stop, self.good, self.bad = threading.Event(), 0, []
        self.threads = [threading.Thread(target=self.run) for _ in range(connections)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def run(self):
        client = None
        while not self.stop.is_set():
            try:
                if client is None or not self.keepalive:
                    if client:
                        client.close()
                    client = self.server.client()
                fresh = not client.buffer and not client.ended
                r = client.ask(self.target)
                if r.status == self.status and r.complete:
                    self.good += 1
                else:
                    self.bad.append(r.status)
                if r.header("Connection") == "close":
                    client.close()
                    client = None
            except (OSError, Failure) as error:
                # A keep-alive connection may end between two requests, also when the next one is just on its way.
                if client is None or not getattr(client, "used", False) or not fresh:
                    self.bad.append(str(error))
                if client:
                    client.close()
                client = None
                continue
            if client:
                client.used = True


@test
def reload_with_waiting_guests():
    """200 suspended guests, five reloads, no failed request, new code for new requests"""
    with script_server("lucet_timeout 30s;", guests=["hello"], server="location /hello { lucet_content hello; }",
                       pool="lucet_pool 256;") as s:
        clients = [s.client() for _ in range(200)]
        for c in clients:
            c.request("/script?rest=2500&say=done")
        until(lambda: s.region()["waiting"] == 200, "200 guests wait")
        with Load(s, "/hello", keepalive=False) as load:
            for _ in range(5):
                check(s.reload(), "reloaded")
                until(lambda: load.good > 0, "requests meanwhile")
        for c in clients:
            r = c.response()
            equal((r.status, r.text), (200, "done"))
            c.close()
        equal(load.bad, [], "failed requests")
        until(lambda: len(s.workers()) == 1, "the old workers are gone", 40)


@test
def many_reloads_under_load():
    """reloads one after the other under load; not a request fails, and nothing grows in the master"""
    with script_server(guests=["hello"], server="location /hello { lucet_content hello; }") as s:
        def descriptors():
            return len(os.listdir(f"/proc/{s.master}/fd"))

        def mappings():
            with open(f"/proc/{s.master}/maps") as file:
                return sum(1 for _ in file)

        with Load(s, "/hello", connections=4, keepalive=False) as load:
            s.reload()
            s.reload()
            until(lambda: len(s.workers()) == 1, "old workers are gone", 40)
            before = descriptors(), mappings()
            for _ in range(10 * harness.SOAK):
                check(s.reload(), "reloaded")
        until(lambda: len(s.workers()) == 1, "old workers are gone", 40)
        equal(load.bad, [], "failed requests")
        check(load.good > 10, "there was load")
        after = descriptors(), mappings()
        check(after[0] <= before[0] + 2 and after[1] <= before[1] + 20, f"descriptors and mappings of the master: {before}, {after}")


@test
def new_code():
    """a guest's file is replaced, overwritten in place, deleted, broken: new code after a reload, the old code until then, never a crash"""
    s = Server("location / { lucet_content main; lucet_access off; }", guests=[])
    path = f"{s.directory}/main.so"
    shutil.copy(guest("hello"), path)
    s.parts["guests"] = [("main", path)]
    with s:
        equal(s.get("/").text, "hello, world\n")
        shutil.copy(guest("sha256"), f"{path}.new")
        os.rename(f"{path}.new", path)
        equal(s.get("/").text, "hello, world\n", "not before the reload")
        check(s.reload(), "reloaded")
        matches(s.get("/").text, "^e3b0c44298fc1c14", "the new code")
        with open(guest("hello"), "rb") as new, open(path, "r+b") as old:  # in place, under the running guests
            old.write(new.read())
            old.truncate()
        matches(s.get("/").text, "^e3b0c44298fc1c14", "still")
        check(s.reload(), "reloaded")
        equal(s.get("/").text, "hello, world\n")
        with open(path, "r+b") as file:
            file.truncate(100)
        equal(s.get("/").text, "hello, world\n")
        equal(s.reload(), False, "a broken file is refused")
        equal(s.get("/").text, "hello, world\n", "and the old code goes on")
        os.unlink(path)
        equal(s.reload(), False, "so is one that is not there")
        equal(s.get("/").text, "hello, world\n")
        check("exited on signal" not in s.log(), "no worker has died")


@test
def module_is_replaced():
    """another build of this module under another name: a reload runs the new one's code"""
    with script_server() as s:
        copy = f"{s.directory}/other.so"
        shutil.copy(harness.module(), copy)
        original = harness.module
        harness.module = lambda name="": copy
        try:
            check(s.reload(), "reloaded")
        finally:
            harness.module = original
        equal(script("say=x", s).text, "x")
        with open(f"/proc/{s.active_workers()[0]}/maps") as file:
            check(copy in file.read(), "the new file is mapped")


@test
def quit():
    """QUIT: guests that wait finish, endless ones end at their limit, then the server ends"""
    s = script_server("lucet_timeout 20s; lucet_cpu 200ms;")
    with s:
        waiting, endless = s.client(), s.client()
        waiting.request("/script?rest=1500&say=finished")
        endless.request("/script?spin")
        until(lambda: s.region()["live"] == 2, "both are at work")
        s.signal(signal.SIGQUIT)
        equal(waiting.response().text, "finished")
        equal(endless.response().status, 504)
        waiting.close(), endless.close()
        equal(s.process.wait(timeout=30), 0)


@test
def terminate():
    """TERM with guests of all kinds: the server ends soon"""
    s = script_server("lucet_timeout 60s; lucet_cpu 60s;")
    with s:
        clients = [s.client() for _ in range(6)]
        for c, steps in zip(clients, ("rest=60000", "spin", "write=30000000&rest=60000", "spin", "body", "rest=60000")):
            c.request(f"/script?{steps}", method="POST", length=10)
        until(lambda: s.region()["live"] == 6, "all are at work")
        started = time.monotonic()
        s.signal(signal.SIGTERM)
        equal(s.process.wait(timeout=30), 0)
        check(time.monotonic() - started < 10, "soon")
        check("exited on signal" not in s.log(), "no worker has died")


@test
def shutdown_timeout():
    """worker_shutdown_timeout ends old workers with guests that would wait longer"""
    with script_server("lucet_timeout 60s;", shutdown="worker_shutdown_timeout 1s;") as s:
        with s.client() as c:
            c.request("/script?rest=50000")
            until(lambda: s.region()["waiting"] == 1, "a guest waits")
            old = s.workers()
            check(s.reload(), "reloaded")
            until(lambda: not set(old) & set(s.workers()), "the old worker is gone", 20)
            check("exited on signal" not in s.log(), "in peace")


@test
def killed_worker():
    """a worker is killed under load: the next takes over, and the counts of the dead one are kept"""
    with script_server(guests=["hello"], server="location /hello { lucet_content hello; }") as s:
        for _ in range(50):
            equal(s.get("/hello").status, 200)
        with Load(s, "/hello", connections=4):
            old = s.workers()
            os.kill(old[0], signal.SIGKILL)
            until(lambda: s.workers() and s.workers() != old, "another worker")
            until(s.answers, "it answers")
        check(s.count("hello", "returned") >= 50, "the counts")
        equal(len(s.status()["workers"]), 1)


@test
def upgrade():
    """USR2: a new master with the library upgraded beside the old one; the old one quits when its guests are done"""
    library = next(line.split()[2] for line in subprocess.run(["ldd", harness.module()], capture_output=True, text=True).stdout.splitlines()
                   if "liblucet.so" in line)
    s = script_server("lucet_timeout 30s;", main="env LD_LIBRARY_PATH;", daemon=True)  # a master whose parent lives refuses to be upgraded
    # The library's directory is one of ours, so that it can be replaced as a package manager does: by rename.
    directory = f"{s.directory}/lib"
    os.makedirs(directory)
    name = os.path.basename(library)
    shutil.copy(library, f"{directory}/{name}")
    s.environment = dict(os.environ, LD_LIBRARY_PATH=directory)
    with s:
        with open(f"/proc/{s.workers()[0]}/maps") as file:
            check(f"{directory}/{name}" in file.read(), "the library of our directory is in use")
        clients = [s.client() for _ in range(20)]
        for c in clients:
            c.request("/script?rest=3000&say=done")
        until(lambda: s.region()["waiting"] == 20, "twenty guests wait")
        shutil.copy(library, f"{directory}/{name}.new")
        with open(f"{directory}/{name}.new", "ab") as file:
            file.write(b"another file")
        os.rename(f"{directory}/{name}.new", f"{directory}/{name}")
        s.signal(signal.SIGUSR2)
        until(lambda: os.path.exists(f"{s.directory}/pid.oldbin"), "the new master")
        with open(f"{s.directory}/pid.oldbin") as file:
            equal(int(file.read()), s.master)

        def new_master():
            try:
                with open(f"{s.directory}/pid") as file:
                    number = int(file.read() or 0)
            except FileNotFoundError:
                return None
            return number if number != s.master and s.workers(number) else None

        new = until(new_master, "its worker")
        with open(f"/proc/{s.workers(new)[0]}/maps") as file:
            text = file.read()
        check(f"{directory}/{name}" in text and "(deleted)" not in "".join(l for l in text.splitlines() if "liblucet" in l),
              "the new library is in use")
        s.signal(signal.SIGQUIT)
        for c in clients:
            equal(c.response().text, "done")
            c.close()
        until(lambda: not os.path.exists(f"/proc/{s.master}"), "the old master has ended")
        equal(script("say=new", s).text, "new")
        os.kill(new, signal.SIGTERM)
        until(lambda: not s.everybody(), "everybody is gone")


@test
def one_process():
    """master_process off: guests, and the end. (A reload does not work there in any nginx.)"""
    with script_server(main="master_process off;") as s:
        equal(script("rest=5&say=x", s).text, "x")
        equal(script("rest=5&say=y&clean", s).text, "yclean: 0\n")
        s.signal(signal.SIGQUIT)
        equal(s.process.wait(timeout=30), 0)


@test
def several_workers():
    """four workers, with reuseport: all of them have guests, and the totals are one"""
    with hostile_server(workers=4, listen="reuseport") as s:
        until(lambda: len(s.workers()) == 4, "four workers")
        for _ in range(100):
            with Client(s.port) as c:
                equal(c.ask("/hello").status, 200)
                equal(c.ask("/oob").status, 500)
        equal(s.count("hello", "returned"), 100)
        equal(s.count("oob", "trapped"), 100)
        equal(len(s.status()["workers"]), 4)


@test
def endless_guests_do_not_block_signals():
    """a reload while guests spin without a limit of CPU time: the old worker ends at their timeout, the new one serves at once"""
    with script_server("lucet_cpu off; lucet_timeout 2s;") as s:
        clients = [s.client() for _ in range(4)]
        for c in clients:
            c.request("/script?spin")
        until(lambda: s.region()["live"] == 4, "they spin")
        old = s.workers()
        check(s.reload(), "reloaded")
        equal(script("say=new", s).text, "new")
        for c in clients:
            equal(c.response().status, 504)
            c.close()
        until(lambda: not set(old) & set(s.workers()), "the old worker ends")
