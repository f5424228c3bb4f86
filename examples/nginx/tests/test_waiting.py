"""Guests that wait: for time, bodies, clients that do not read, and other servers; and clients that go away meanwhile."""

import re
import socket
import threading
import time

from harness import Client, Server, check, equal, lua_and_njs, matches, test, until
from http2 import Connection as Http2
from test_functions import script, script_server

UPSTREAM = """
    location /_fetch/ { internal; proxy_pass http://127.0.0.1:%d/; proxy_set_header Host up; }
    location = /_fetch/static { internal; return 200 static; }
    location = /_fetch/refused { internal; proxy_pass http://127.0.0.1:1; }
    location = /_fetch/missing { internal; return 404 no; }
    location /_fetch/again { internal; lucet_content script; lucet_fetch /_fetch; }
"""


class Upstream:
    """A server that answers GET /NAME: slow (after 300 ms), large (300 kB), cut (promises more than it sends; cut-empty: sends none; cut-chunks: in chunks, without the last), silent (nothing), headers
    (what it was sent)."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.seen = []
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(4096)
                if not data:
                    return
                head += data
            name = head.split(b" ")[1].decode()
            self.seen.append(head.decode())
            body, length = head, None
            if name.startswith("/slow"):
                time.sleep(0.3)
                body = b"slow"
            elif name == "/large":
                body = b"l" * 300000
            elif name == "/cut":
                body, length = b"part", 100
            elif name == "/cut-empty":
                body, length = b"", 100
            elif name == "/cut-chunks":
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Name: cut\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")
                return
            elif name == "/chunks":
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n")
                return
            elif name == "/none":
                connection.sendall(b"HTTP/1.0 204 No Content\r\n\r\n")
                return
            elif name == "/open":
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
                return
            elif name == "/silent":
                time.sleep(30)
                return
            try:
                connection.sendall(b"HTTP/1.0 200 OK\r\nX-Name: %s\r\nContent-Length: %d\r\n\r\n"
                                   % (name.encode(), len(body) if length is None else length) + body)
            except OSError:
                pass


class Endless(Upstream):
    """A server whose answers do not end, or for /mute do not begin. `open`: how many it is giving now; `most`: at a time."""

    open = most = 0

    def serve(self, connection):
        self.open += 1
        self.most = max(self.most, self.open)
        with connection:
            try:
                head = connection.recv(4096)
                self.seen.append(head.decode())
                if not head.startswith(b"GET /mute"):
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                connection.settimeout(0.05)
                while True:
                    try:
                        if not connection.recv(100):
                            break
                    except TimeoutError:
                        if not head.startswith(b"GET /mute"):
                            connection.sendall(b"tick")
            except OSError:
                pass
        self.open -= 1


def fetching(upstream, more="", **options):
    return script_server("lucet_fetch /_fetch max=8 parallel=4;" + more, server=UPSTREAM % upstream.port,
                         **options)


@test
def sleeping():
    """sleep 0, 1 and 100 ms, and 500 at the same time"""
    with script_server(http="keepalive_timeout 60s;", pool="lucet_pool 600;") as s:
        equal(script("sleep=0&sleep=1&sleep=3600001", s).text, "sleep: 0\nsleep: 0\nsleep: -4\n")
        started = time.monotonic()
        equal(script("sleep=100", s).text, "sleep: 0\n")
        check(time.monotonic() - started >= 0.099, "slept long enough")
        clients = [s.client() for _ in range(500)]
        for c in clients:
            c.request("/script?rest=100&say=done")
        for c in clients:
            equal(c.response().text, "done")
            c.close()
        s.nothing_is_left()
        equal(s.count("script", "returned"), s.count("script", "started"), "all have returned")


@test
def the_worker_is_free_meanwhile():
    """while guests wait, others are served"""
    with script_server("lucet_timeout 20s;") as s:
        sleepers = [s.client() for _ in range(20)]
        for c in sleepers:
            c.request("/script?rest=10000")
        until(lambda: s.region()["waiting"] == 20, "twenty guests wait")
        equal(script("say=served", s).text, "served")
        for c in sleepers:
            c.close()
        s.nothing_is_left()


@test
def fetches():
    """answers, errors as answers, headers, large and parallel ones"""
    with Upstream() as up, fetching(up, "lucet_buffer 512k;") as s:
        equal(script("fetch=/static&status=0&length=0&content=0&fetched=0:content-type&fetched=0:none", s).text,
              "fetch: 0\nstatus: 200\nlength: 6\nstaticfetched: text/plain\nfetched: -1\n")
        equal(script("fetch=/slow&content=0&status=0&fetched=0:X-Name", s).text, "fetch: 0\nslowstatus: 200\nfetched: /slow\n")
        equal(script("fetch=/refused&status=0", s).text, "fetch: 0\nstatus: 502\n")
        equal(script("fetch=/missing&status=0", s).text, "fetch: 0\nstatus: 404\n")
        r = script("fetch=/large&length=0&content=0", s)
        equal(len(r.body), len("fetch: 0\nlength: 300000\n") + 300000)
        started = time.monotonic()
        equal(script("fetch=/slow1&fetch=/slow2&fetch=/slow3&status=2&status=1&status=0", s).text,
              "fetch: 0\nfetch: 1\nfetch: 2\nstatus: 200\nstatus: 200\nstatus: 200\n")
        parallel = time.monotonic() - started
        check(parallel < 10, f"{parallel} s")
        r = script("fetch=/headers&content=0", s, headers=[("Cookie", "secret"), ("X-Private", "1")])
        check("secret" not in r.text and "X-Private" not in r.text and "Host: up" in r.text, f"what goes out: {r.text}")
        equal(script("fetch=/static&fetch=/static&close=0&fetch=/static&status=0", s).text,
              "fetch: 0\nfetch: 1\nclose: 0\nfetch: 0\nstatus: 200\n")
        s.nothing_is_left()


@test
def fetches_that_are_cut():
    """an answer of which a part is missing is a 502 without headers and body, also from a guest that traps; whole ones are whole"""
    inner = ("location /_fetch/unbuffered/ { internal; proxy_buffering off; proxy_pass http://127.0.0.1:%d/; }\n"
             "location = /_fetch/empty { internal; return 200; }\n"
             "location = /_fetch/none { internal; return 204; }\n"
             "location /_fetch/file/ { internal; alias ROOT/; }\n"
             "location /_fetch/zip/ { internal; gzip on; gzip_types *; alias ROOT/; }\n"
             "location = /_fetch/redirect { internal; rewrite ^ /_fetch/static last; }\n"
             "location /_fetch/trap { internal; lucet_content oob; lucet_buffer 1; }\n")
    with Upstream() as up:
        s = script_server("lucet_fetch /_fetch max=8;", server=(UPSTREAM + inner) % (up.port, up.port), guests=["oob"])
        s.parts["server"] = s.parts["server"].replace("ROOT", s.directory)
        for name, text in (("file", "x" * 50000), ("nothing", "")):
            with open(f"{s.directory}/{name}", "w") as file:
                file.write(text)
        with s:
            for target in ("cut", "cut-empty", "cut-chunks", "unbuffered/cut", "unbuffered/cut-chunks", "trap"):
                equal(script(f"fetch=/{target}&status=0&length=0&content=0&fetched=0:X-Name", s).text,
                      "fetch: 0\nstatus: 502\nlength: 0\nfetched: -1\n", target)
            for target, status, length in (("chunks", 200, 5), ("unbuffered/chunks", 200, 5), ("open", 200, 13), ("none", 204, 0), ("empty", 200, 0),
                                           ("file/file", 200, 50000), ("zip/file", 200, 50000), ("file/nothing", 200, 0),
                                           ("redirect", 200, 6), ("large", 200, 300000), ("unbuffered/large", 200, 300000), ("slow", 200, 4)):
                equal(script(f"fetch=/{target}&status=0&length=0", s).text, f"fetch: 0\nstatus: {status}\nlength: {length}\n", target)
            s.nothing_is_left()


@test
def fetches_that_are_refused():
    """bad targets, too many, too large, not allowed, no such number, without end"""
    with Upstream() as up, fetching(up) as s:
        for target in ("x", "//../../x", "/../x", "/%2e%2e/x", "/a#b", "/" + "x" * 5000):
            matches(script(f"fetch={target}", s).text, r"fetch: -\d|fetch: 0")
        equal(script("fetch=/../script", s).text, "fetch: -2\n", "out of the prefix")
        equal(script("fetch=/%2e%2e/script", s).text, "fetch: -2\n", "out of the prefix")
        equal(script("&".join(["fetch=/slow"] * 5), s).text.split()[-1], "-4", "five at a time")
        many = "&".join(["fetch=/static&status=0&close=0"] * 8)
        equal(script(many + "&fetch=/static", s).text.split()[-1], "-4", "nine in all")
        equal(script("status=0", s).status, 500, "no such fetch")
        equal(script("fetch=/static&close=0&status=0", s).status, 500, "a fetch that was closed")
        matches(s.log(), "bad argument to a host function")
        s.nothing_is_left()
    with Upstream() as up, script_server("lucet_fetch /_fetch size=100k;", server=UPSTREAM % up.port) as s:
        equal(script("fetch=/large&status=0&length=0", s).text, "fetch: 0\nstatus: -4\nlength: 0\n", "too large")
    with script_server() as s:
        equal(script("fetch=/static", s).text, "fetch: -3\n", "no lucet_fetch")
    with Upstream() as up, fetching(up) as s:
        again = "/again"
        for _ in range(3):
            again = f"/again?fetch={again}%26status=0"
        check(script(f"fetch={again}&status=0&content=0", s).status == 200, "guests that fetch guests")
        s.nothing_is_left()


@test
def recursion():
    """a guest that fetches itself ends at nginx's limit of subrequests"""
    server = "location /_fetch/ { internal; lucet_content script; lucet_fetch /_fetch; rewrite ^ /_fetch/x?fetch=/x&status=0 break; }"
    with script_server("lucet_fetch /_fetch;", server=server, pool="lucet_pool 100;") as s:
        equal(script("fetch=/x&status=0", s).text, "fetch: 0\nstatus: 200\n")
        until(lambda: s.count("script", "started") > 40, "some fifty guests, one below the other")
        s.nothing_is_left()


@test
def back_pressure():
    """a client that reads slowly makes its guest wait, and gets every byte"""
    with script_server("lucet_response_max 64m; lucet_buffer 64k; lucet_timeout 60s;", server="postpone_output 1460;") as s:
        with Client(s.port, receive_buffer=4096) as c:
            c.request("/script?write=20000000&say=end")
            until(lambda: s.region()["waiting"] == 1, "the guest waits for its client")
            r = c.response()
            equal((len(r.body), r.body[-3:]), (20000003, b"end"))
            equal(r.complete, True)
        check(s.count("script", "suspensions") > 10, "it was suspended")
        s.nothing_is_left()


@test
def clients_that_do_not_read():
    """send_timeout ends a guest whose client takes nothing, and not one whose client takes a little now and then, or slowly by limit_rate"""
    limits = "lucet_response_max 64m; lucet_buffer 64k; lucet_timeout 60s; send_timeout 1s;"
    with script_server(limits, listen="http2") as s:
        with Http2(s.port, window=20000) as c:
            number = c.request("/script?write=3000000")
            started = time.monotonic()
            until(lambda: s.region()["waiting"] == 1, "waits for its client's window")
            c.response(number)
            check(c.streams[number].reset and 0.9 < time.monotonic() - started < 20, "its stream ends")
            s.nothing_is_left()
    # With a small buffer of the kernel's, which else takes megabytes before it says that there is room.
    with script_server(limits, listen="sndbuf=64k", server="location /rate { lucet_content script; limit_rate 200k; %s }" % limits) as s:
        with Client(s.port, receive_buffer=4096) as silent, Client(s.port, receive_buffer=4096) as slow:
            silent.request("/script?write=20000000")
            slow.request("/script?write=20000000&say=end")
            started = time.monotonic()
            until(lambda: s.region()["waiting"] == 2, "the guests wait for their clients")
            while time.monotonic() - started < 4:
                slow.take(len(slow.buffer) + 200000)
                time.sleep(0.2)
            check("client timed out" in s.log(), "the silent one is ended")
            until(lambda: s.region()["live"] == 1, "the other goes on")
            equal(s.count("script", "aborted"), 1)
        r = s.get("/rate?write=500000&say=end")
        equal((r.complete, r.body[-3:]), (True, b"end"), "limit_rate is no silence")
        s.nothing_is_left()


@test
def flushing():
    """what was flushed arrives before the guest ends"""
    with script_server("lucet_timeout 20s;") as s:
        with s.client() as c:
            c.request("/script?say=one&flush&rest=15000&say=two")
            until(lambda: c.more() and b"one" in c.buffer, "the first part")
        s.nothing_is_left()


@test
def clients_that_go_away():
    """at every point where a guest waits: the guest is gone at once, and nothing of it is left"""
    with Upstream() as up, fetching(up, "lucet_timeout 25s; lucet_response_max 64m;", pool="lucet_pool 32;") as s:
        points = {"sleep": "rest=20000", "fetch": "fetch=/silent&status=0", "two fetches": "fetch=/silent&fetch=/silent&status=1",
                  "output": "write=30000000", "flushed": "say=x&flush&rest=20000"}
        for name, steps in points.items():
            before = s.count("script", "aborted")
            with Client(s.port, receive_buffer=4096) as c:
                c.request(f"/script?{steps}")
                until(lambda: s.region()["waiting"] == 1, f"{name}: waits")
            until(lambda: s.region()["live"] == 0, f"{name}: gone")
            equal(s.count("script", "aborted"), before + 1, name)
        with s.client() as c:
            c.request("/script?echo", method="POST", length=100)
            c.send("half")
            until(lambda: s.region()["waiting"] == 1, "body: waits")
        until(lambda: s.region()["live"] == 0, "body: gone")
        with s.client() as c:  # one that closes half of its connection counts as gone
            c.request("/script?rest=20000")
            until(lambda: s.region()["waiting"] == 1, "half closed: waits")
            c.socket.shutdown(socket.SHUT_WR)
            until(lambda: s.region()["live"] == 0, "half closed: gone")
        equal(script("say=alive", s).text, "alive")
        s.nothing_is_left()
    with script_server("lucet_check_client_abort off;") as s:
        with s.client() as c:
            c.request("/script?rest=100&say=late")
            c.socket.shutdown(socket.SHUT_WR)
            equal(c.response().text, "late", "not checked")


@test
def timeouts():
    """guests that wait for too long, wherever they wait, and failures after a wait"""
    with Upstream() as up, fetching(up, "lucet_timeout 300ms; lucet_response_max 64m;") as s:
        for steps in ("rest=20000", "fetch=/silent&status=0", "rest=100&rest=100&rest=100&rest=100"):
            equal(script(steps, s).status, 504, steps)
        with s.client() as c:
            c.request("/script?echo", method="POST", length=100)
            equal(c.response().status, 504, "a body that does not come")
        with Client(s.port, receive_buffer=4096) as c:
            c.request("/script?write=30000000")
            time.sleep(1)
            equal(c.response().complete, False, "a client that does not read")
        equal(script("rest=1&trap", s).status, 500, "a trap after a wait")
        equal(script("say=x&flush&trap", s).complete, False, "a trap after the header")
        matches(s.log(), "waited beyond lucet_timeout")
        s.nothing_is_left()


class Origin(Upstream):
    """A server that keeps its connections, answers a request when it has its head, and takes a body of the length that the head says."""

    def serve(self, connection):
        with connection:
            data, skip = b"", 0
            while True:
                while len(data) < skip or b"\r\n\r\n" not in data[skip:]:
                    more = connection.recv(4096)
                    if not more:
                        return
                    data += more
                head, _, data = data[skip:].partition(b"\r\n\r\n")
                self.seen.append(head.decode())
                length = re.search(rb"(?i)content-length: (\d+)", head)
                skip = int(length[1]) if length else 0
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\norigin")


@test
def part_of_a_body():
    """a request that ends while its body is read goes to no other location, and its connection is closed"""
    proxy = "proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection '';"
    pages = "error_page 400 408 413 504 = @origin; lucet_on_trap @origin;"
    server = (f"client_body_timeout 1s; client_max_body_size 1k; location @origin {{ lucet_access off; {proxy} }} location /origin {{ {proxy} }} "
              f"location /gate {{ lucet_access gate; lucet_content hello; lucet_timeout 300ms; {pages} }} "
              f"location /patient {{ lucet_content script; lucet_timeout 10s; {pages} }}")
    with Origin() as origin, script_server(f"lucet_timeout 300ms; {pages}", server=server, guests=["gate", "hello"],
                                           http="upstream origin { server 127.0.0.1:%d; keepalive 4; }" % origin.port) as s:
        chunked = "POST /patient?echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        for target, status in (("/script?echo", 504), ("/gate", 504), ("/patient?echo", None)):
            with s.client() as c:
                c.request(target, headers=[("X-Gate", "body")], method="POST", length=400)
                c.send("half")
                if status:
                    r = c.response()
                    equal((r.status, r.header("Connection")), (status, "close"), target)
                check(not c.more() and not c.buffer, f"{target}: closed")
        for rest, status in (("1000\r\nxxxx", 413), ("nonsense\r\n", 400)):
            for first, then in ((chunked, rest), (chunked + rest, "")):
                with s.client() as c:
                    c.send(first)
                    if then:
                        until(lambda: s.region()["waiting"] == 1, "waits for a body")
                        c.send(then)
                    r = c.response()
                    equal((r.status, r.header("Connection")), (status, "close"), rest)
        equal(origin.seen, [], "nothing is proxied")
        equal(s.get("/origin").text, "origin")
        equal(script("rest=2000", s, method="POST", body=b"12345").text, "origin", "a body that was not asked for is proxied in full")
        equal(script("body&rest=2000", s, method="POST", body=b"12345").text, "origin", "and one that was read")
        equal(script("body&trap", s, method="POST", body=b"12345").text, "origin")
        with s.client() as c:
            c.request("/patient?echo", method="POST", length=10)
            c.send("12345")
            until(lambda: s.region()["waiting"] == 1, "waits for a body")
            c.send("67890")
            r = c.response()
            equal((r.text, r.header("Connection")), ("1234567890", "keep-alive"), "a body that came late")
            equal(c.ask("/script?say=again").text, "again")
        equal([head.split(" ")[0] for head in origin.seen], ["GET", "POST", "POST", "POST"])
        s.nothing_is_left()


@test
def bodies_that_fail_late():
    """nginx answers when a body turns out bad while a guest waits for it: that is the end of the guest, and of nothing else"""
    server = "client_max_body_size 1k; location /gate { lucet_access gate; lucet_content hello; %s }"
    for timeout in ("lucet_timeout 20s;", "lucet_timeout 150ms;"):
        with script_server(timeout, server=server % timeout, guests=["gate", "hello"]) as s:
            workers = s.workers()
            for target in ("/script?echo", "/gate"):
                with s.client() as c:
                    c.send(f"POST {target} HTTP/1.1\r\nHost: x\r\nX-Gate: body\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
                    until(lambda: s.region()["waiting"] == 1, "waits for a body")
                    c.send("1000\r\n" + "x" * 100)
                    equal(c.response().status, 413, target)
                    equal(s.region()["live"], 0, f"{target}: live when nginx has answered")
                    time.sleep(0.2)  # while nginx takes what the client still sends
                    check(not c.buffer, f"{target}: one answer")
            equal((s.count("script", "aborted"), s.count("gate", "aborted")), (1, 1), "aborted")
            check("[alert]" not in s.log(), f"alerts: {s.log()[-1000:]}")
            equal(s.workers(), workers, "the workers")
            s.nothing_is_left()


@test
def fetches_end_with_their_run():
    """whichever way it ends: upstream connections, guests of fetches, the client's connection and the worker are free"""
    with Endless() as up, fetching(up, "lucet_timeout 1s;") as s:
        workers = s.active_workers()
        for steps, status in (("fetch=/e&fetch=/mute&fetch=/again?rest=20000&rest=200&say=x", 200), ("fetch=/e&fetch=/mute&rest=200&trap", 500),
                              ("fetch=/e&fetch=/mute&fetch=/again?fetch=/mute&rest=200&spin", 504), ("fetch=/mute&status=0", 504),
                              ("fetch=/e&fetch=/again?fetch=/mute%26status=0&content=0", 504), ("fetch=/e&fetch=/again?rest=20000&say=at+once", 200)):
            with s.client() as c:
                before = len(up.seen)
                r = c.ask(f"/script?{steps}")
                equal(r.status, status, steps)
                check("at+once" in steps or len(up.seen) > before, f"{steps}: has begun")
                until(lambda: up.open == 0, f"{steps}: upstream connections are closed", 5)
                equal(s.region()["live"], 0, f"{steps}: live")
                if r.header("Connection") == "keep-alive":
                    equal(c.ask("/script?say=next").text, "next", f"{steps}: the connection goes on")
                else:
                    check(not c.more(), f"{steps}: closed")
        with s.client() as c:
            c.request("/script?fetch=/e&fetch=/mute&fetch=/again?rest=20000&rest=20000")
            until(lambda: up.open == 2, "fetches")
        until(lambda: up.open == 0 and s.region()["live"] == 0, "gone with the client")
        with s.client() as c:
            equal(c.ask("/script?fetch=/e&fetch=/mute&rest=100&say=x&flush").complete, True)
            s.reload()
            until(lambda: not set(workers) & set(s.workers()), "the old worker ends")
        check("[alert]" not in s.log(), f"alerts: {s.log()[-1000:]}")
        s.nothing_is_left()


@test
def fetches_that_wait_in_line():
    """for limit_req or the lock of a cache: they come to their end, and do not keep a request whose guest has ended"""
    inner = """
      location /_fetch/limited/ { internal; limit_req zone=slow burst=9; empty_gif; }
      location /_fetch/cached/ { internal; proxy_cache c; proxy_cache_lock on; proxy_cache_lock_timeout 60s; proxy_cache_lock_age 60s;
                                 proxy_pass http://127.0.0.1:%d/; }
      location /rate { lucet_content script; lucet_fetch /_fetch; limit_rate 100k; }
    """
    with Endless() as up:
        s = script_server("lucet_fetch /_fetch; lucet_timeout 60s;", server=inner % up.port)
        s.parts["http"] += f"limit_req_zone $server_port zone=slow:1m rate=2r/s; proxy_cache_path {s.directory}/cache keys_zone=c:1m;"
        with s:
            def alone():
                until(lambda: s.region()["live"] == 0, "nobody is at work")
                time.sleep(1)  # the delay of whoever comes next is none

            def soon(steps, text, target="/script"):
                started = time.monotonic()
                r = s.get(f"{target}?{steps}")
                equal((r.complete, r.text), (True, text), steps)
                check(time.monotonic() - started < 0.4, f"{steps}: {time.monotonic() - started} s")

            def ahead():
                """Two that take the next second of the line."""
                for _ in range(2):
                    c = s.client()
                    c.request("/script?fetch=/limited/&status=0")
                    clients.append(c)

            clients = []
            for target in ("/script", "/rate"):
                started = time.monotonic()
                equal(s.get(f"{target}?fetch=/limited/&status=0").text, "fetch: 0\nstatus: 200\n")
                equal(s.get(f"{target}?fetch=/limited/&status=0").text, "fetch: 0\nstatus: 200\n", "after its delay")
                check(0.4 < time.monotonic() - started < 5, f"{time.monotonic() - started} s")
                alone()
            for target, steps, text in (("/script", "fetch=/limited/&rest=20&say=x", "fetch: 0\nx"),
                                        ("/script", "fetch=/limited/&rest=20&close=0&say=x&flush&say=y", "fetch: 0\nclose: 0\nxy"),
                                        ("/script", "fetch=/limited/&fetch=/cached/mute&rest=20&say=x", "fetch: 0\nfetch: 1\nx"),
                                        ("/rate", "fetch=/limited/&rest=20&say=x", "fetch: 0\nx")):
                ahead()
                until(lambda: s.region()["waiting"] > 0, "somebody is in the line")
                soon(steps, text, target)
                for c in clients:
                    equal(c.response().text, "fetch: 0\nstatus: 200\n")
                    c.close()
                clients.clear()
                alone()
            with s.client() as first:
                first.request("/script?fetch=/cached/mute&status=0")
                until(lambda: up.open == 1, "one has the lock")
                soon("fetch=/cached/mute&rest=20&say=x", "fetch: 0\nx")
                soon("fetch=/cached/mute&fetch=/cached/mute&rest=20&close=1&say=x", "fetch: 0\nfetch: 1\nclose: 0\nx")
                equal(s.get("/script?fetch=/cached/mute&rest=20&trap").status, 500)
                with s.client() as c:
                    c.request("/script?fetch=/cached/mute&status=0")
                    until(lambda: s.region()["waiting"] == 2, "waits")
                until(lambda: s.region()["live"] == 1, "gone with its client")
                equal(up.most, 1, "one at a time")
            s.nothing_is_left()
            check("[alert]" not in s.log(), f"alerts: {s.log()[-1000:]}")


@test
def parallel_fetches():
    """no more than lucet_fetch says are on their way, however many were closed"""
    with Endless() as up, script_server("lucet_fetch /_fetch max=40 parallel=2;", server=UPSTREAM % up.port) as s:
        equal(script("&".join(["fetch=/e&rest=20&close=0"] * 10) + "&say=x", s).text, "fetch: 0\nclose: 0\n" * 10 + "x", "a closed one has ended")
        equal((len(up.seen), up.most <= 3), (10, True), "upstream")  # it may learn late of the one before
        until(lambda: up.open == 0, "upstream connections are closed", 5)


@test
def fetches_that_go_on():
    """one that waits for another module's reasons cannot be ended: it is left in its request, counts, and gets no answer when nobody waits"""
    server = UPSTREAM + "location /_fetch/lua/ { internal; rewrite_by_lua_block { ngx.sleep(1) } empty_gif; }"
    with Endless() as up, script_server("lucet_fetch /_fetch max=40 parallel=2;", server=server % up.port, preload=lua_and_njs()) as s:
        equal(script("fetch=/lua/&status=0", s).text, "fetch: 0\nstatus: 200\n")
        r = script("fetch=/lua/&rest=20&close=0&fetch=/mute&fetch=/e&close=1&say=x", s)
        equal(r.text, "fetch: 0\nclose: 0\nfetch: 1\nfetch: -4\nclose: 0\nx", "a closed one that goes on counts")
        until(lambda: s.region()["live"] == 0, "the run is over")
        check("[alert]" not in s.log(), f"alerts: {s.log()[-1000:]}")


@test
def full_pool():
    """no free instance: 503, or a wait in line"""
    server = "location /second { lucet_content script; lucet_pool_full wait=200ms; lucet_timeout 20s; }"
    with script_server("lucet_timeout 20s;", server=server, pool="lucet_pool 3;") as s:
        sleepers = [s.client() for _ in range(3)]
        for c in sleepers:
            c.request("/script?rest=15000")
        until(lambda: s.region()["live"] == 3, "all are taken")
        equal(script("say=x", s).status, 503)
        equal(s.get("/second?say=x").status, 503, "waited in vain")
        with s.client() as c:
            c.request("/second?say=waited")
            sleepers.pop().close()
            equal(c.response().text, "waited")
        waiting = [s.client() for _ in range(5)]
        for c in waiting:
            c.request("/second?say=in+line")
        until(lambda: s.status()["workers"][0]["without_slot"] == 0, "all have had their turn")
        for c in waiting:
            check(c.response().status in (200, 503), "an answer")
            c.close()
        for c in sleepers:
            c.close()
        s.nothing_is_left()
        equal(script("say=x", s).text, "x")


@test
def access():
    """allow, deny, no opinion, own pages, waiting, bodies and failures, before other handlers"""
    server = """
      location / { lucet_access gate; lucet_fetch /_ask; lucet_cpu 20ms; root %s; add_header X-Late 1; }
      location /guest { lucet_access gate; lucet_content hello; }
      location /any { satisfy any; deny all; lucet_access gate; lucet_content hello; }
      location /named { lucet_access gate; lucet_on_trap @sorry; lucet_content hello; }
      location /_ask/judge { internal; return 200 yes; }
      location @sorry { return 200 sorry; }"""
    s = Server("", guests=["gate", "hello"], http="lucet_allow log random sleep fetch;")
    s.parts["server"] = server % s.directory
    with open(f"{s.directory}/file", "w") as file:
        file.write("a file")
    with s:
        def gate(word, target="/file", **options):
            return s.get(target, headers=[("X-Gate", word)] if word else [], **options)
        r = gate("")
        equal((r.status, r.text, r.header("X-Gate")), (200, "a file", "passed"))
        for word, status in (("allow", 200), ("none", 200), ("deny", 403), ("wait", 200), ("fetch", 200), ("trap", 500), ("spin", 504),
                             ("nonsense", 500)):
            equal(gate(word).status, status, word)
        equal(gate("wait", "/guest").text, "hello, world\n")
        r = gate("page")
        equal((r.status, r.text), (403, "not you\n"))
        r = gate("login")
        equal((r.status, r.header("WWW-Authenticate")), (401, "Basic realm=gate"))
        equal(gate("body", method="POST", body=b"x").status, 405, "allowed, and then refused by nginx's static files")
        equal(gate("body", method="POST", body=b"").status, 411)
        equal(gate("allow", "/any").text, "hello, world\n")
        equal(gate("none", "/any").status, 403)
        equal(gate("trap", "/named").text, "sorry")
        with s.client() as c:
            c.request("/file", headers=[("X-Gate", "body")], method="POST", length=10)
            until(lambda: s.region()["waiting"] == 1, "waits for a body")
        s.nothing_is_left()


@test
def any_access():
    """satisfy any: a guest that denies is overruled by others without a trace of its answer, or has its say when all deny"""
    server = """
      location / { satisfy any; deny all; lucet_access gate; lucet_content hello; add_header X-Late 1; }
      location /allowed { satisfy any; allow 127.0.0.1; deny all; lucet_access gate; lucet_content hello; }
      location /basic { satisfy any; auth_basic realm; auth_basic_user_file ROOT/users; lucet_access gate; lucet_content hello; }
      location /named { satisfy any; deny all; lucet_access gate; error_page 403 = /sorry; lucet_content hello; }
      location /sorry { return 200 sorry; }
      location /late { satisfy any; auth_request /_slow; lucet_access gate; lucet_content hello; }
      location /_slow { internal; lucet_content script; }"""
    s = script_server(guests=["gate", "hello"], server=server)
    s.parts["server"] = s.parts["server"].replace("ROOT", s.directory)
    with open(f"{s.directory}/users", "w") as file:
        file.write("me:{PLAIN}secret\n")
    with s:
        def gate(word, target):
            r = s.get(target, headers=[("X-Gate", word)])
            return r.status, r.text

        for word in ("page", "deny", "login"):
            r = s.get("/allowed", headers=[("X-Gate", word)])
            equal((r.status, r.text, r.header("WWW-Authenticate")), (200, "hello, world\n", None), word)
        equal(gate("page", "/"), (403, "not you\n"))
        equal(s.get("/", headers=[("X-Gate", "page")]).header("Content-Type"), "text/plain")
        equal(gate("deny", "/")[0], 403)
        check("not you" not in gate("deny", "/")[1], "nginx's own page")
        r = s.get("/", headers=[("X-Gate", "login")])
        equal((r.status, r.header("WWW-Authenticate")), (401, "Basic realm=gate"))
        equal(gate("allow", "/"), (200, "hello, world\n"))
        r = s.get("/basic", headers=[("X-Gate", "page")])
        equal((r.status, r.header("WWW-Authenticate")), (401, 'Basic realm="realm"'), "the one that can be answered wins")
        check("not you" not in r.text, "and not the guest's page")
        r = s.get("/basic", headers=[("X-Gate", "login")])
        equal((r.status, r.header("WWW-Authenticate")), (401, "Basic realm=gate"))
        r = s.get("/basic", headers=[("X-Gate", "page"), ("Authorization", "Basic bWU6c2VjcmV0")])
        equal((r.status, r.text, r.header("Content-Type")), (200, "hello, world\n", s.get("/allowed").header("Content-Type")))
        equal(gate("page", "/named"), (403, "not you\n"), "a guest's page is not nginx's")
        equal(gate("deny", "/named"), (200, "sorry"))
        equal(gate("page", "/late"), (200, "hello, world\n"))
        for word in ("trap", "nonsense"):
            equal(gate(word, "/allowed")[0], 500, "a failure is no vote")
        s.nothing_is_left()
