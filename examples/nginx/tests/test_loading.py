"""What nginx and the module refuse when they are loaded: the wrong nginx, wrong guests, wrong configurations; in each case with a message that
names file and line, and without any trace left."""

import hashlib
import os
import re
import signal
import struct
import subprocess
import time

import harness
from harness import Server, check, equal, guest, lua_and_njs, matches, test, until

HELLO = "location / { lucet_content hello; }"


def refused(text, server=HELLO, **options):
    """nginx -t says no, with this text and the place."""
    options.setdefault("guests", ["hello"])
    s = Server(server, **options)
    status, output = s.test()
    check(status != 0, f"accepted, and should not be: {text}")
    matches(output, text)
    matches(output, r"in .*nginx\.conf:\d+")


@test
def good():
    """nginx -t accepts what is right, and leaves nothing behind"""
    s = Server(HELLO, guests=["hello"])
    before = set(os.listdir(s.directory))
    equal(s.test()[0], 0, "exit status")
    times = []
    for _ in range(5):
        started = time.monotonic()
        s.test()
        times.append(time.monotonic() - started)
    check(min(times) < 0.1, f"soon: {min(times) * 1000:.0f} ms")
    made = set(os.listdir(s.directory)) - before - {"nginx.conf"}
    # nginx itself makes the directories for temporary files, its log and its pid file.
    equal(made - {"client_body", "proxy", "fastcgi", "uwsgi", "scgi", "error.log", "pid"}, set(), "files")


@test
def guests_that_are_refused():
    """missing, unreadable, damaged and foreign files, and their SHA-256"""
    s = Server(HELLO)  # a directory to keep files in
    with open(guest("hello"), "rb") as file:
        bytes_ = file.read()

    def with_file(data):
        path = f"{s.directory}/guest.so"
        with open(path, "wb") as file:
            file.write(data)
        return [("hello", path)]

    refused("lucet_module \"hello\": .*nosuch.so", guests=[("hello", "/nosuch.so")])
    refused("lucet_module \"hello\": .*", guests=with_file(b""))
    refused("lucet_module \"hello\": .*", guests=[("hello", s.directory)])  # a directory
    os.mkfifo(f"{s.directory}/fifo")
    refused("lucet_module \"hello\": .*", guests=[("hello", f"{s.directory}/fifo")])
    refused("lucet_module \"hello\": .*", guests=[("hello", f"{s.directory}/fifo", "sha256=" + "0" * 64)])
    with_file(bytes_)
    os.chmod(f"{s.directory}/guest.so", 0)
    # root reads every file, unless it may not.
    weak = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", harness.NGINX] if os.getuid() == 0 else None
    refused("lucet_module \"hello\": .*Permission denied", guests=[("hello", f"{s.directory}/guest.so")], program=weak)
    os.chmod(f"{s.directory}/guest.so", 0o600)
    refused("lucet_module \"hello\": .*", guests=with_file(b"not a module" * 1000))
    refused("lucet_module \"hello\": .*damaged", guests=with_file(bytes_[: len(bytes_) // 2]))
    flipped = bytearray(bytes_)
    flipped[len(flipped) // 2] ^= 1
    refused("lucet_module \"hello\": .*", guests=with_file(bytes(flipped)))
    refused("lucet_module \"hello\": .*", guests=[("hello", harness.module())])
    refused("there is one of that name in .*nginx.conf:\\d+", guests=["hello", "hello"])
    digest = hashlib.sha256(bytes_).hexdigest()
    refused(f"the SHA-256 of .* is {digest}", guests=[("hello", guest("hello"), "sha256=" + "0" * 64)])
    equal(Server(HELLO, guests=[("hello", guest("hello"), f"sha256={digest}")]).test()[0], 0, "the right hash")


CHECKSUM, CPU_FEATURES = 16, 80  # where they stand in the header of an image: format/src/image/records.rs


@test
def another_cpu():
    """a guest that is compiled for a CPU that this machine is not: refused by name, and by a reload, which leaves the old code at work"""
    s = Server(HELLO)
    path = f"{s.directory}/guest.so"
    with open(guest("hello"), "rb") as file:
        data = bytearray(file.read())
    start = data.index(b"LUCETIMG")
    # A feature that no CPU has, and the sum for which the library itself asks then.
    struct.pack_into("<Q", data, start + CPU_FEATURES, struct.unpack_from("<Q", data, start + CPU_FEATURES)[0] | 1 << 60)

    def write():
        with open(path, "wb") as file:
            file.write(data)

    write()
    s.write(guests=[("hello", path)])
    found = re.search("damaged module: checksum ([0-9a-f]{16}), expected", s.test()[1])
    check(found, "a changed file is damaged")
    struct.pack_into("<Q", data, start + CHECKSUM, int(found[1], 16))
    write()
    text = 'lucet_module "hello": .*the module\'s code needs CPU features that this machine lacks: .*another --target-cpu'
    refused(text, guests=[("hello", path)])
    with Server(HELLO, guests=["hello"]) as s:
        workers = s.workers()
        s.write(guests=[("hello", path)])
        s.signal(signal.SIGHUP)
        until(lambda: re.search(text, s.log()), "the reload is refused")
        equal((s.workers(), s.get("/").text), (workers, "hello, world\n"), "the old configuration goes on")


@test
def imports_that_are_refused():
    """functions that the location does not allow, or that do not exist"""
    refused('lucet_content: guest "script" imports "lucet_http_v0" "(fetch|variable)", which needs lucet_allow',
            "location / { lucet_content script; }", guests=["script"])
    refused('imports "demo" "call_back", which needs lucet_allow demo', "location / { lucet_content callback; }",
            guests=["callback"])
    refused('imports "lucet_http_v0" "log", which needs lucet_allow log',
            "location / { lucet_allow none; lucet_content flood; }", guests=["flood"])
    refused('lucet_module "wasi_hello": .*wasi_snapshot_preview1', "", guests=["wasi_hello"])


@test
def configurations_that_are_refused():
    """directives that make no sense"""
    refused('lucet_content: there is no lucet_module "helo"', "location / { lucet_content helo; }")
    refused('lucet_content: guest "hello": .*handel', "location / { lucet_content hello handel; }")
    refused('lucet_access: guest "hello": .*lucet_http_access', "location / { lucet_access hello; return 200; }")
    refused("lucet_memory is more than lucet_pool", "location / { lucet_memory 1024m; lucet_content hello; }")
    refused("starts with \\d+ bytes of memory, and lucet_memory allows 1024", "location / { lucet_memory 1k; lucet_content hello; }")
    refused("lucet_pool for guest \"hello\": 99999 instances of \\d+ KiB address space each are more than a process has", pool="lucet_pool 99999;")
    refused("lucet_pool for guest \"hello\": .*stack of an instance is 4096", pool="lucet_pool 8 stack=4k;")
    refused("lucet_pool for guest \"hello\": .*", pool="lucet_pool 8 memory=2000000m;")
    refused("lucet_pool: a process has no address space for 21000 instances", pool="lucet_pool 21000;")
    for line in ("lucet_slice 100us", "lucet_slice 2", "lucet_cpu soon", "lucet_cpu 100us", "lucet_filter_cpu 199us", "lucet_timeout -1", "lucet_on_trap 200", "lucet_on_trap x",
                 "lucet_allow everything", "lucet_fetch nowhere", "lucet_fetch /", "lucet_fetch /x parallel=99", "lucet_pool_full later",
                 "lucet_trap_log loud", "lucet_cpu 1ms; lucet_cpu 2ms", "lucet_variables", "lucet_status xml", "lucet_log_limit x"):
        refused(".", f"location / {{ {line}; lucet_content hello; }}")
    for line in ("lucet_pool 0", "lucet_pool 64 memory=lots", "lucet_pool 64 size=1m", "lucet_stop_signal 11", "lucet_set x hello"):
        refused(".", pool=f"{line};")
    refused('lucet_set: guest "hello": .*lucet_http_variable', http="lucet_set $x hello;")


@test
def targets_that_do_not_exist():
    """a @location for traps, and locations for fetches, that the server does not have"""
    missing = "lucet_on_trap: there is no location @sorry in this server"
    trap = "location / { lucet_on_trap @sorry; lucet_content hello; }"
    refused(missing, trap)
    refused(missing, "location / { lucet_content hello; }", http="lucet_on_trap @sorry;")
    refused(missing, trap + " location @sory { return 200; }")
    # In another server it is of no use.
    refused(missing, trap, http="server { listen 127.0.0.1:1; location @sorry { return 200; } }")
    good = ["location / { lucet_on_trap @sorry; lucet_content hello; } location @sorry { return 200; }",
            "location / { lucet_on_trap @sorry; return 200; } location /hello { lucet_on_trap 502; lucet_content hello; }"]
    nowhere = "lucet_fetch: there is no internal location for /_fetch/ in this server"
    app = "lucet_allow log random sleep fetch variables; location / { lucet_content script; lucet_fetch /_fetch; }"
    for inner in ("", "location = /_fetch { return 200; }", "location /_fetched/ { internal; return 200; }", "location @_fetch { return 200; }",
                  "location /_ { return 200; }", "location ~ ^/other { return 200; }"):
        refused(nowhere, app + inner, guests=["script"])
    for inner in ("location /_fetch/ { internal; return 200; }", "location /_fetch { return 200; }", "location = /_fetch/a { internal; return 200; }",
                  "location ^~ /_ { internal; return 200; }", "location ~ ^/_fetch/ { return 200; }", "location ~ x { internal; return 200; }",
                  "location /a { location /a/b { return 200; } } location /_fet { internal; location /_fetch/x { return 200; } }"):
        good.append(app + inner)
    good.append("location / { lucet_content hello; lucet_fetch /_fetch; }")  # a guest that does not fetch
    for server in good:
        status, output = Server(server, guests=["hello", "script"]).test()
        check(status == 0, f"{server}: {output}")


def build(name, source="", tables=True, commands="0", init_process="0"):
    """Another module, from the same recipe, whose ngx_module_t is ngx_http_bad_module; its path."""
    directory = f"{harness.WORK}/modules"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/{name}.c", "w") as file:
        file.write("#include <ngx_config.h>\n#include <ngx_core.h>\n#include <ngx_http.h>\n"
                   "static ngx_http_module_t context;\n" + source +
                   f"ngx_module_t ngx_http_bad_module = {{NGX_MODULE_V1, &context, {commands}, NGX_HTTP_MODULE, 0, 0, {init_process}, 0, 0, 0,"
                   " 0, NGX_MODULE_V1_PADDING};\n")
        if tables:
            file.write("ngx_module_t *ngx_modules[] = {&ngx_http_bad_module, NULL};\n"
                       "char *ngx_module_names[] = {\"ngx_http_bad_module\", NULL};\nchar *ngx_module_order[] = {NULL};\n")
    objects = next(e.path for e in os.scandir(harness.BUILD) if e.name.startswith("nginx-") and os.path.exists(f"{e.path}/configured"))
    with open(f"{harness.BUILD}/CMakeCache.txt") as file:
        nginx = next(line.split("=")[1].strip() for line in file if line.startswith("NGINX_SOURCE_DIR:"))
    includes = [f"-I{objects}"] + [f"-I{nginx}/src/{d}" for d in ("core", "event", "event/modules", "os/unix", "http", "http/modules", "http/v2")]
    path = f"{directory}/{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-w", *includes, "-o", path, f"{directory}/{name}.c"], check=True, timeout=120)
    return path


@test
def modules_that_do_not_fit():
    """another nginx, other flags, no tables, unresolved symbols, loaded twice: nginx's own words"""
    cases = [
        (build("version", source="#undef nginx_version\n#define nginx_version 1024000\n"), "version 1024000 instead of"),
        (build("signature", source="#undef NGX_MODULE_SIGNATURE\n#define NGX_MODULE_SIGNATURE \"8,4,8,0\"\n"), "is not binary compatible"),
        (build("tables", tables=False), "undefined symbol: ngx_modules"),
        (build("symbol", source="extern int nosuch(void);\nint (*use)(void) = nosuch;\n"), "undefined symbol: nosuch"),
        (harness.module(), "is already loaded"),
    ]
    for path, text in cases:
        refused(text, preload=f"load_module {path};")


@test
def beside_other_modules():
    """with the Lua and JavaScript modules loaded before and after"""
    others = lua_and_njs()
    server = HELLO + "\nlocation /lua { content_by_lua_block { ngx.sleep(0.001) ngx.print('lua') } }"
    for place in ("preload", "main"):
        with Server(server, guests=["hello"], **{place: others}) as s:
            for _ in range(20):
                equal((s.get("/").text, s.get("/lua").text), ("hello, world\n", "lua"), place)


@test
def testing_is_silent():
    """nginx -t -q of a good configuration says nothing: the library prints nothing"""
    s = Server(HELLO, guests=["hello"])
    s.write()
    done = subprocess.run([*s.program, "-t", "-q", "-p", s.directory, "-c", f"{s.directory}/nginx.conf", "-e", "stderr"],
                          capture_output=True, text=True, timeout=60)
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""))


@test
def exported_symbols():
    """the module exports the tables that nginx looks for and nothing else"""
    output = subprocess.run(["nm", "-D", "--defined-only", harness.module()], capture_output=True, text=True, check=True).stdout
    equal(sorted(line.split()[-1] for line in output.splitlines()), ["ngx_module_names", "ngx_module_order", "ngx_modules"])
    dynamic = subprocess.run(["readelf", "-d", harness.module()], capture_output=True, text=True, check=True).stdout
    matches(dynamic, "NODELETE")
    matches(dynamic, r"NEEDED.*\[liblucet\.so\.\d")
