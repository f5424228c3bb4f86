"""Signals of nginx and of others while guests run, and faults that are not a guest's."""

import os
import signal
import threading
import time

import harness
from harness import Server, check, equal, matches, test, until
from test_functions import script, script_server
from test_hostile import Unharmed, hostile_server
from test_loading import build


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
                # SIGIO and SIGHUP are logged, by a handler of nginx that needs some 5 KiB of stack; CHLD and USR1 do more work: USR1 opens
                # the logs anew.
                for number in (signal.SIGIO, signal.SIGUSR1, signal.SIGIO, signal.SIGHUP, signal.SIGCHLD):
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
        for number, name in ((29, "SIGIO"), (10, "SIGUSR1"), (1, "SIGHUP")):
            check(s.log().count(f"signal {number} ({name})") > 10, f"nginx has got {name}: {sent[0]} signals were sent")


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


CRASH = """
static ngx_int_t crash(ngx_http_request_t *r) { *(volatile int *)(r->args.len ? 16 : 0) = 1; return NGX_OK; }
static char *set(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  ((ngx_http_core_loc_conf_t *)ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module))->handler = crash;
  return NGX_CONF_OK;
}
static ngx_command_t commands[] = {{ngx_string("crash"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set, 0, 0, NULL}, ngx_null_command};
static ngx_int_t get(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data) { return crash(r); }
static ngx_int_t add(ngx_conf_t *cf) {
  ngx_str_t name = ngx_string("crash");
  ngx_http_variable_t *v = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
  if (v) v->get_handler = get;
  return v ? NGX_OK : NGX_ERROR;
}
static ngx_http_module_t context = {add};
static struct sigaction before;
static void handler(int number, siginfo_t *info, void *context) {
  ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "other handler: %d at %p", number, info->si_addr);
  if (before.sa_flags & SA_SIGINFO) { before.sa_sigaction(number, info, context); return; }
  signal(number, SIG_DFL);
}
static ngx_int_t init(ngx_cycle_t *cycle) {
  struct sigaction action = {0};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &before);
  return NGX_OK;
}
"""


@test
def crashes_of_nginx():
    """a null pointer in nginx's own code, right after a guest's trap: the worker dies of it, and is not taken for a guest"""
    crash = build("crash", source=CRASH, commands="commands")
    with hostile_server(preload=f"load_module {crash};", server="location /crash { crash; }") as s:
        for _ in range(3):
            worker = s.workers()[0]
            equal(s.get("/oob").status, 500)
            with s.client() as c:
                c.request("/crash")
                until(lambda: not c.more(), "the connection ends")
            until(lambda: f"worker process {worker} exited on signal 11" in s.log(), "the worker dies")
            until(s.answers, "another one answers")
            equal(s.get("/hello").status, 200)


@test
def crashes_of_host_functions():
    """a fault in the code of another module that a guest's host function calls: the worker dies of it, the other one and the next serve on"""
    crash = build("host_crash", source=CRASH, commands="commands")
    watched = build("host_crash_watched", source=CRASH, commands="commands", init_process="init")
    more = dict(server="location /script { lucet_content script; lucet_variables crash; }", guests=["script"])
    with hostile_server(preload=f"load_module {crash};", workers=2, **more) as s:
        for round in range(3):
            equal(s.get("/oob").status, 500)
            before = s.workers()
            with s.client() as c:
                c.request("/script?variable=crash")
                until(lambda: not c.more(), "the connection ends")
                equal(c.buffer, b"", "no answer")
                until(lambda: s.log().count("exited on signal 11") == round + 1, "a worker dies")
                until(lambda: len(set(s.workers()) - set(before)) == 1 and len(s.workers()) == 2, "and is replaced")
                equal(len(set(s.workers()) & set(before)), 1, "the other one lives")
            until(s.answers, "the server answers")
            equal([s.get("/hello").status for _ in range(20)], [200] * 20)
        check("guest \"script\": trapped" not in s.log(), "it is not taken for the guest's")
    with hostile_server(preload=f"load_module {watched};", **more) as s:
        with s.client() as c:
            c.request("/script?x&variable=crash")
            until(lambda: not c.more(), "the connection ends")
        until(lambda: "other handler: 11 at 0000000000000010" in s.log(), "a handler from before has the fault, with its address")
        until(lambda: "exited on signal 11" in s.log(), "the worker dies of it")


@test
def handlers_of_others():
    """another module's SIGSEGV handler, installed before or after: guests' faults stay guests', and others reach it"""
    other = build("handler", source=CRASH, commands="commands", init_process="init")
    for place in ("preload", "main"):
        # Modules are initialised in the order in which they are loaded.
        with hostile_server(server="location /crash { crash; }", **{place: f"load_module {other};"}) as s:
            with Unharmed(s):
                for _ in range(5):
                    equal(s.get("/oob").status, 500)
                    equal(s.get("/recurse").status, 500)
            equal("other handler" in s.log(), place == "main", f"{place}: who is asked first about a guest's fault")
            equal(s.status()["handlers_in_place"], place == "preload")
            with s.client() as c:
                c.request("/crash?x")
                until(lambda: not c.more(), "the connection ends")
            until(lambda: "other handler: 11 at 0000000000000010" in s.log(), "the other handler has the fault, with its address")
            until(s.answers, "another worker answers")


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
