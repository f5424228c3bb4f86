"""harness.py: what all tests of the nginx module share: an nginx of their own in a directory of its own on a free port, an HTTP client
that hides nothing, and the counting of checks. Needs nothing but Python's standard library.

A test is a function with a docstring, registered by @test. It starts servers by `with Server(...) as s:`; whatever happens,
they are gone afterwards, each ended by its own process number."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback

BUILD = ""  # where the module and the guests are
WORK = ""  # for the servers' directories
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
SOAK = int(os.environ.get("LUCET_SOAK", "1"))  # how many times as long the long tests are

_tests = []


class Failure(Exception):
    pass


class Skip(Exception):
    """Something is missing here that this test needs. LUCET_NO_SKIPS=1, as in CI, makes a failure of it."""


def test(function):
    _tests.append(function)
    return function


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(got, expected, what=""):
    check(got == expected, f"{what}: expected {expected!r}, got {got!r}")


def matches(text, pattern, what=""):
    check(re.search(pattern, text) is not None, f"{what}: expected /{pattern}/, got {text[-2000:]!r}")


def until(condition, what, seconds=20.0):
    """Waits for something that must become true, however slow the machine is."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.01)


def lua_and_njs():
    """The lines that load the Lua and JavaScript modules."""
    paths = [f"/usr/lib/nginx/modules/{name}.so" for name in ("ndk_http_module", "ngx_http_lua_module", "ngx_http_js_module")]
    if not all(map(os.path.exists, paths)):
        raise Skip("libnginx-mod-http-lua or libnginx-mod-http-js is not installed")
    return "".join(f"load_module {path};\n" for path in paths)


def guest(name):
    return f"{BUILD}/guests/{name}.so"


def prefix():
    """Where the Lucet is installed that the module was built against."""
    with open(f"{BUILD}/CMakeCache.txt") as file:
        return next(line.split("=")[1].strip() for line in file if line.startswith("CMAKE_PREFIX_PATH:"))


def compile_guest(name, text):
    """A guest from WebAssembly text: (name, file) for a Server's guests."""
    path = f"{WORK}/guests/{name}"
    os.makedirs(f"{WORK}/guests", exist_ok=True)
    with open(f"{path}.wat", "w") as file:
        file.write(text)
    subprocess.run([f"{prefix()}/bin/lucetc", "-o", f"{path}.so", f"{path}.wat"], check=True, timeout=120)
    return name, f"{path}.so"


def module(name="ngx_http_lucet_module"):
    return f"{BUILD}/{name}.so"


# ---- HTTP ----


class Response:
    def __init__(self, status, headers, body, complete):
        self.status, self.headers, self.body, self.complete = status, headers, body, complete

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def text(self):
        return self.body.decode("latin-1")


class Client:
    """One connection. Reads responses to the byte, chunked ones too; `complete` says whether the end was there."""

    def __init__(self, port, timeout=30.0, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def request(self, target, method="GET", headers=(), body=None, length=None):
        lines = [f"{method} {target} HTTP/1.1", "Host: test"] + [f"{k}: {v}" for k, v in headers]
        if body is not None or length is not None:
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        self.send("\r\n".join(lines) + "\r\n\r\n")
        if body:
            self.send(body)

    def more(self):
        if self.ended:
            return False
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        return True

    def take(self, length):
        while len(self.buffer) < length and self.more():
            pass
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        return data

    def line(self):
        while b"\r\n" not in self.buffer and self.more():
            pass
        line, _, rest = self.buffer.partition(b"\r\n")
        self.buffer = rest
        return line.decode("latin-1")

    def response(self, method="GET"):
        first = self.line()
        check(first.startswith("HTTP/1."), f"no response but {first!r}")
        headers = []
        while line := self.line():
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
        status = int(first.split(" ")[1])
        if status == 100:
            return self.response(method)
        response = Response(status, headers, b"", True)
        if method != "HEAD" and status not in (204, 304):
            self.read_body(response)
        return response

    def read_body(self, response):
        length = response.header("Content-Length")
        if length is not None:
            response.body = self.take(int(length))
            response.complete = len(response.body) == int(length)
        elif response.header("Transfer-Encoding") == "chunked":
            while True:
                line = self.line()
                if not line:
                    response.complete = False
                    return
                size = int(line.split(";")[0], 16)
                piece = self.take(size)
                response.body += piece
                if len(piece) < size:
                    response.complete = False
                    return
                self.take(2)
                if size == 0:
                    return
        else:
            while self.more():
                pass
            response.body, self.buffer = self.buffer, b""

    def ask(self, target, method="GET", headers=(), body=None):
        self.request(target, method, headers, body)
        return self.response(method)


# ---- nginx ----


class Server:
    """An nginx with `http` in its http block and `server` in a server that listens on self.port. Another server, on self.control, has /-/status,
    /-/metrics and /-/plain."""

    def __init__(self, server, http="", main="", events="", workers=1, guests=(), pool="lucet_pool 64;", user=None,
                 preload="", level="info", listen="", environment=None, name="nginx", shutdown="", program=None,
                 daemon=False, lucet=True):
        Server.number = getattr(Server, "number", 0) + 1
        self.directory = f"{WORK}/{name}-{Server.number}"
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        os.chmod(self.directory, 0o777)
        self.port, self.control = free_port(), free_port()
        self.parts = dict(server=server, http=http, main=main, events=events, workers=workers, guests=guests, pool=pool,
                          user=user, preload=preload, level=level, listen=listen, shutdown=shutdown)
        self.environment = environment
        self.daemon = daemon
        self.lucet = lucet  # False: an nginx without the module
        self.program = program or [NGINX]
        self.master = None
        self.process = None

    def configuration(self, **changes):
        p = dict(self.parts, **changes)
        directory = self.directory
        modules = "".join(f"  lucet_module {g} {guest(g)};\n" if isinstance(g, str) else f"  lucet_module {' '.join(g)};\n"
                          for g in p["guests"])
        temporary = "".join(f"  {kind}_temp_path {directory}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = p["user"] or ("user root;" if os.getuid() == 0 else "")
        load, status = (f"load_module {module()};", "lucet_access off; location = /-/status { lucet_status; } "
                        "location = /-/metrics { lucet_status prometheus; }") if self.lucet else ("", "")
        return (f"{p['preload']}\n{load}\n{user}\nworker_processes {p['workers']};\npid {directory}/pid;\n"
                f"error_log {directory}/error.log {p['level']};\n{p['shutdown']}\n{p['main']}\n"
                f"events {{ worker_connections 4096; {p['events']} }}\n"
                f"http {{\n{temporary}{'' if 'access_log' in p['http'] else '  access_log off;'}\n  {p['pool']}\n{modules}{p['http']}\n"
                f"  server {{\n    listen 127.0.0.1:{self.port} {p['listen']};\n{p['server']}\n"
                f"  }}\n  server {{\n    listen 127.0.0.1:{self.control};\n    {status}\n"
                f"    location = /-/plain {{ return 200 plain; }}\n  }}\n}}\n")

    def write(self, **changes):
        self.parts.update(changes)
        with open(f"{self.directory}/nginx.conf", "w") as file:
            file.write(self.configuration())

    def arguments(self, *more):
        return [*self.program, "-p", self.directory, "-c", f"{self.directory}/nginx.conf",
                "-e", f"{self.directory}/error.log", *more]

    def test(self, **changes):
        """nginx -t: (exit status, what it says)."""
        self.write(**changes)
        done = subprocess.run([*self.program, "-t", "-p", self.directory, "-c", f"{self.directory}/nginx.conf", "-e", "stderr"],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def start(self):
        self.write()
        mode = () if self.daemon else ("-g", "daemon off;")
        self.process = subprocess.Popen(self.arguments(*mode), env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.master = self.process.pid
        try:
            if self.daemon:
                equal(self.process.wait(timeout=30), 0, "nginx starts")
                with open(f"{self.directory}/pid") as file:
                    self.master = int(file.read())
            until(lambda: not self.daemon and self.process.poll() is not None or self.answers(), "nginx answers")
            check(self.daemon or self.process.poll() is None, f"nginx does not start: {self.log()[-2000:]}")
        except Failure:
            self.stop()
            raise
        return self

    def answers(self):
        try:
            with Client(self.control, timeout=5) as c:
                return c.ask("/-/plain").status == 200
        except (OSError, Failure):
            return False

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends all processes of this server, by their numbers."""
        everybody = self.everybody()
        for number in everybody:
            try:
                os.kill(number, signal.SIGTERM if number == self.master else 0)
            except OSError:
                pass
        if self.process:
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                pass
        for number in everybody + ([self.master] if self.master else []):
            try:
                if number in self.everybody() or number == self.master and self.process.poll() is None:
                    os.kill(number, signal.SIGKILL)
            except OSError:
                pass
        if self.process:
            self.process.wait(timeout=10)
            self.process = None

    def everybody(self):
        """The master's session: it and all of its descendants."""
        if not self.master:
            return []
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as file:
                        fields = file.read().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[3]) == self.master and fields[0] != "Z":
                    found.append(int(entry))
        return found

    def workers(self, master=None):
        """The numbers of the living workers."""
        found = []
        for number in self.everybody():
            try:
                with open(f"/proc/{number}/cmdline", "rb") as file:
                    title = file.read()
                with open(f"/proc/{number}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if title.startswith(b"nginx: worker process") and parent == (master or self.master):
                found.append(number)
        return sorted(found)

    def active_workers(self):
        """Those that are not shutting down."""
        active = []
        for number in self.workers():
            try:
                with open(f"/proc/{number}/cmdline", "rb") as file:
                    if b"shutting down" not in file.read():
                        active.append(number)
            except OSError:
                pass
        return active

    def signal(self, number, to=None):
        os.kill(to or self.master, number)

    def reload(self, **changes):
        """Writes the configuration and waits until new workers have taken over. False: the configuration was refused."""
        before, errors = set(self.workers()), self.log().count("[emerg]")
        self.write(**changes)
        self.signal(signal.SIGHUP)
        until(lambda: self.log().count("[emerg]") > errors
              or (set(self.active_workers()) - before and not set(self.active_workers()) & before), "reload")
        return self.log().count("[emerg]") == errors

    def log(self):
        try:
            with open(f"{self.directory}/error.log", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def client(self, **options):
        return Client(self.port, **options)

    def get(self, target, **options):
        timeout = options.pop("timeout", 30.0)
        with Client(self.control if target.startswith("/-/") else self.port, timeout=timeout) as c:
            return c.ask(target, **options)

    def status(self):
        return json.loads(self.get("/-/status").text)

    def region(self):
        return self.status()["region"]

    def count(self, name, counter):
        return next(g[counter] for g in self.status()["guests"] if g["name"] == name)

    def nothing_is_left(self):
        """No instance lives, and nothing waits for anything."""
        until(lambda: self.region()["live"] == 0, "all instances are released")
        worker = next(w for w in self.status()["workers"] if w["pid"] == self.status()["pid"])
        equal((worker["queued"], worker["without_slot"]), (0, 0), "queues")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- running ----


def run(only):
    passed = failed = skipped = 0
    for function in _tests:
        name = f"{function.__module__}.{function.__name__}"
        if only and not any(part in name for part in only):
            continue
        started = time.monotonic()
        try:
            function()
        except Skip as reason:
            if os.environ.get("LUCET_NO_SKIPS"):
                failed += 1
                print(f"FAIL  {name}: {reason}, and here nothing may be skipped (LUCET_NO_SKIPS)")
            else:
                skipped += 1
                print(f"skip  {name}: {reason}")
        except Exception as error:  # a test that fails must not end the others
            failed += 1
            print(f"FAIL  {name}: {error}")
            if not isinstance(error, Failure):
                traceback.print_exc(file=sys.stdout)
        else:
            passed += 1
            print(f"ok    {name}: {(function.__doc__ or '').strip()} ({time.monotonic() - started:.1f} s)")
        sys.stdout.flush()
    print(f"nginx: {passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed + skipped else 0
