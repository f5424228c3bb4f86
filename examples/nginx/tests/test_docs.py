"""docs/nginx.md as a new user would follow it, with directories of the test's in place of the system's."""

import os
import re
import shutil
import subprocess

import harness
from harness import Server, Skip, check, equal, test
from test_functions import script, script_server

TOP = os.path.realpath(f"{os.path.dirname(os.path.abspath(__file__))}/../../..")


def blocks(language):
    with open(f"{TOP}/docs/nginx.md") as file:
        return re.findall(rf"^```{language}\n(.*?)^```$", file.read(), re.M | re.S)


@test
def first_guest():
    """the installation, the first guest, its configuration and its answer"""
    if not shutil.which("clang-16") or not shutil.which("wasm-ld-16"):
        raise Skip("clang-16 or lld-16 is not installed")
    prefix = harness.prefix()
    s = Server("")
    install, compile_, reload = blocks("sh")
    (configuration,) = [b for b in blocks("nginx") if "load_module" in b]
    (source,) = blocks("c")
    expected, *_ = blocks("text")  # the figures of a bench may follow
    for directory in ("modules", "guests"):
        os.makedirs(f"{s.directory}/{directory}")
    with open(f"{s.directory}/hello.c", "w") as file:
        file.write(source)

    def run(commands):
        places = {"/usr/local": prefix, "/usr/lib/nginx/modules": f"{s.directory}/modules", "/etc/nginx": s.directory,
                  "build/nginx": harness.BUILD, "examples/": f"{TOP}/examples/"}
        commands = re.sub("|".join(places), lambda match: places[match[0]], commands)
        commands = "\n".join(line for line in commands.splitlines() if not line.startswith("apt-get"))  # what is there is there
        done = subprocess.run(["sh", "-eu", "-c", commands], cwd=s.directory, text=True, timeout=300, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=dict(os.environ, PATH=f"{prefix}/bin:{os.environ['PATH']}"))
        check(done.returncode == 0, f"{commands}: {done.stdout}")

    run(install)
    run(compile_)
    check("nginx -t" in reload and "curl http://127.0.0.1:8080/hello" in reload, "what the page says next")
    paths = "".join(f"{kind}_temp_path {s.directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = configuration.replace("modules/", f"{s.directory}/modules/").replace("8080", str(s.port)).replace("http {", "http {\n" + paths)
    text = text.replace("location /hello", f"location /-/plain {{ return 200 plain; }} location /hello")
    s.control = s.port
    s.configuration = lambda **_: f"pid {s.directory}/pid; user root;\n{text}" if os.getuid() == 0 else f"pid {s.directory}/pid;\n{text}"
    equal(s.test()[0], 0, "nginx -t")
    with s:
        equal(s.get("/hello").text, expected)
        equal(s.get("/status").status, 200)


@test
def every_directive_is_described():
    """the page has each directive, variable and counter of the module, and none that does not exist"""
    with open(f"{TOP}/docs/nginx.md") as file:
        page = file.read()
    with open(harness.module(), "rb") as file:
        binary = file.read()
    said = set(re.findall(r"`(lucet_[a-z_]+)", page)) - {"lucet_http_v0", "lucet_add_nginx_module"}
    with open(f"{TOP}/examples/nginx/src/config.c") as file:
        real = set(re.findall(r'(?:MAIN|LEVEL)\("(lucet_[a-z_]+)"', file.read()))
    equal(said ^ real, set(), "directives")
    variables = set(re.findall(r"\$(lucet_[a-z_]+)", page))
    with open(f"{TOP}/examples/nginx/src/variables.c") as file:
        real = set(re.findall(r'ngx_string\("(lucet_[a-z_]+)"\)', file.read()))
    equal(variables - real, set(), "variables")
    check(all(name.encode() in binary for name in real), "they are in the module")


@test
def fetch_location():
    """the location for fetches wins over one by a regular expression"""
    (block,) = [b for b in blocks("nginx") if "lucet_fetch" in b]
    (inner,) = [line for line in block.splitlines() if line.startswith("location") and "internal" in line]
    inner = re.sub(r"proxy_pass [^;]*;", "return 200 inside;", inner)
    with script_server("lucet_fetch /_fetch;", server=inner + " location ~ \\.php$ { return 200 outside; }") as s:
        equal(script("fetch=/a.php&content=0", s).text, "fetch: 0\ninside")


@test
def every_test_has_its_row():
    """the table of the tests has each of them, and none that does not exist"""
    with open(f"{os.path.dirname(os.path.abspath(__file__))}/README.md") as file:
        rows = [line for line in file if line.startswith("|")]
    said = re.findall(r"`([a-z]+\.[a-z0-9_]+)`", "".join(rows))
    equal(sorted(said), sorted(set(said)), "once each")
    real = {f"{function.__module__}.{function.__name__}".removeprefix("test_") for function in harness._tests}
    equal((sorted(set(said) - real), sorted(real - set(said))), ([], []), "rows without tests, and tests without rows")
