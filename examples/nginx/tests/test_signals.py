"""Signals of nginx and of others while guests run, and faults that are not a guest's."""

import os
import signal
import threading
import time

import harness
from harness import Server, check, equal, matches, test, until
from test_functions import script, script_server
from test_hostile import Unharmed, hostile_server


@test
def timer_resolution():
    """nginx's own SIGALRM every millisecond: guests run, wait, spin and overflow as ever"""
    with hostile_server(main="timer_resolution 1ms;", server="location /script { lucet_content script; }", guests=["script"]) as s, Unharmed(s):
        for _ in range(20):
            equal(s.get("/recurse").status, 500)
            equal(s.get("/hello").text, "hello, world\n")
        equal(s.get("/spin").status, 504)
        equal(s.get("/script?rest=20&say=x").text, "x")
        whole = s.get("/script?compute=2000000").text
        equal(s.get("/script?compute=2000000").text, whole)
        equal(s.region()["signals_lost"], 0)


@test
def storm():
    """signals a thousand times a second to a worker whose guests stand at the edge of their stack: none is lost, nobody dies"""
    with hostile_server(main="timer_resolution 5ms;", level="notice") as s, Unharmed(s):
        worker = s.workers()[0]
        stop = threading.Event()
        sent = [0]

        def storm():
            while not stop.is_set():
                # SIGIO is logged by a handler of nginx that needs some 5 KiB of stack; CHLD and USR1 do more work.
                for number in (signal.SIGIO, signal.SIGIO, signal.SIGCHLD):
                    os.kill(worker, number)
                    sent[0] += 1
                    time.sleep(0.0005)

        thread = threading.Thread(target=storm)
        thread.start()
        end = time.monotonic() + 2 * harness.SOAK
        while time.monotonic() < end:
            equal(s.get("/recurse").status, 500)
            equal(s.get("/spin").status, 504)
            equal(s.get("/hello").status, 200)
        stop.set()
        thread.join()
        equal(s.region()["signals_lost"], 0)
        check(s.log().count("signal 29") > 10, f"nginx has got them: {sent[0]} were sent")


@test
def reopen_logs():
    """USR1 while guests run: the log is reopened, the requests go on"""
    with script_server("lucet_timeout 20s;") as s:
        with s.client() as c:
            c.request("/script?rest=500&say=x")
            until(lambda: s.region()["waiting"] == 1, "a guest waits")
            os.rename(f"{s.directory}/error.log", f"{s.directory}/error.old")
            s.signal(signal.SIGUSR1)
            until(lambda: os.path.exists(f"{s.directory}/error.log"), "a new log")
            equal(c.response().text, "x")


@test
def faults_of_others():
    """a SIGSEGV that is sent to a worker, or a crash of nginx itself, kills the worker as without the module, and the next one serves"""
    with hostile_server() as s:
        for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT):
            worker = s.workers()[0]
            equal(s.get("/oob").status, 500)
            os.kill(worker, number)
            until(lambda: [w for w in s.workers() if w != worker], "another worker")
            until(lambda: f"worker process {worker} exited on signal {number}" in s.log(), "it died of that signal")
            until(s.answers, "it answers")
            equal(s.get("/hello").status, 200)


@test
def handlers_and_threads():
    """no thread; SIGALRM, SIGURG and SIGPROF are nginx's; the master has no handler of the library"""
    with hostile_server(main="timer_resolution 5ms;") as s:
        for _ in range(5):
            s.get("/spin"), s.get("/oob")

        def status(number, field):
            with open(f"/proc/{number}/status") as file:
                return next(line.split()[1] for line in file if line.startswith(field + ":"))

        def caught(number, signal_number):
            return int(status(number, "SigCgt"), 16) >> (signal_number - 1) & 1

        worker = s.workers()[0]
        equal(status(worker, "Threads"), "1")
        equal(status(s.master, "Threads"), "1")
        for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL):
            equal((caught(worker, number), caught(s.master, number)), (1, 0), f"signal {number}")
        for number in (signal.SIGURG, signal.SIGPROF, signal.SIGFPE):
            equal(caught(worker, number), 0, f"signal {number}")
        equal(s.status()["handlers_in_place"], True)
    with hostile_server(http=f"lucet_stop_signal {signal.SIGRTMIN + 6};") as s:
        equal(s.get("/spin").status, 504)
        with open(f"/proc/{s.workers()[0]}/status") as file:
            mask = next(int(line.split()[1], 16) for line in file if line.startswith("SigCgt:"))
        check(mask >> (signal.SIGRTMIN + 5) & 1, "the chosen signal")
