"""demo.py BUILD: an nginx with guests for answering, deciding and changing, and what comes back from each. The last line is "nginx-demo: ok"."""

import os
import sys
import time

import harness
from harness import Server, guest, until

harness.BUILD = os.path.abspath(sys.argv[1])
harness.WORK = f"{harness.BUILD}/demo"
os.makedirs(harness.WORK, exist_ok=True)

CONFIGURATION = """
    location /hello    { lucet_content hello; }
    location /sha256   { lucet_content sha256; }
    location /script   { lucet_content script; lucet_fetch /_fetch; }
    location /_fetch/  { internal; return 200 "from elsewhere"; }
    location /page     { lucet_access gate; lucet_header_filter filter; lucet_body_filter filter; alias %s/page.txt; default_type text/plain; }
    location /spin     { lucet_content spin; }
    location /oob      { lucet_content oob; }
    location /recurse  { lucet_content recurse; }
    location /bomb     { lucet_content bomb; lucet_memory 4m; }
"""
# (what is asked, headers, body, the status, what is in the response)
REQUESTS = [
    ("/hello", [("X-Name", "demo")], None, 200, "hello, demo"),
    ("/sha256", [], b"abc", 200, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("/script?sleep=50&say=awake", [], None, 200, "awake"),
    ("/script?fetch=/x&status=0&content=0", [], None, 200, "from elsewhere"),
    ("/page", [], None, 200, "A PAGE FROM A FILE"),
    ("/page", [("X-Gate", "page")], None, 403, "NOT YOU"),
    ("/spin", [], None, 504, "Gateway"),
    ("/oob", [], None, 500, "Internal"),
    ("/recurse", [], None, 500, "Internal"),
    ("/bomb", [], None, 500, "Internal"),
    ("/hello", [], None, 200, "hello, world"),
]


def main():
    server = Server("", http="lucet_allow log random sleep fetch variables;",
                    guests=["hello", "sha256", "script", "gate", ("filter", guest("filter"), "config=upper"), "spin", "oob", "recurse", "bomb"])
    server.parts["server"] = CONFIGURATION % server.directory
    with open(f"{server.directory}/page.txt", "w") as file:
        file.write("a page from a file\n")
    failures = 0
    with server:
        workers = server.workers()
        print(f"nginx on 127.0.0.1:{server.port}, configuration {server.directory}/nginx.conf\n")
        print(f"{'request':46} {'status':>6} {'ms':>8}  first line of the body, or why")
        for target, headers, body, status, text in REQUESTS:
            seen = len(server.log())
            started = time.monotonic()
            r = server.get(target, headers=headers, method="POST" if body else "GET", body=body)
            took = (time.monotonic() - started) * 1000
            good = r.status == status and text in r.text
            why = [line for line in server.log()[seen:].splitlines() if "lucet: guest" in line]
            shown = why[0].split("lucet: ")[1].split(", client")[0] if why and status >= 500 else r.text.split("\n")[0]
            name = target + "".join(f" {k}: {v}" for k, v in headers)
            print(f"{name:46} {r.status:>6} {took:8.1f}  {shown[:90]}{'' if good else '   <- NOT AS EXPECTED'}")
            failures += not good
        same = server.workers() == workers
        until(lambda: server.region()["live"] == 0, "no instance is left")
        region = server.region()
        print(f"\nthe same worker: {'yes' if same else 'NO'}; instances made {region['created']}, live {region['live']}, trapped "
              f"{region['trapped']}, terminated {region['terminated']}")
        failures += not same
    print("nginx-demo: ok" if failures == 0 else f"nginx-demo: {failures} unexpected results")
    return 1 if failures else 0


sys.exit(main())
