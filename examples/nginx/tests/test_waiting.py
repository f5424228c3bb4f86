"""Guests that wait: for time, bodies and clients that do not read; clients that go away meanwhile; access."""

import re
import signal
import socket
import time

from harness import Client, Server, check, equal, matches, test, until
from http2 import Connection as Http2
from test_functions import script, script_server
from upstream import Upstream, fetching


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
def sleeps_are_never_short():
    """of each length, many one after the other, while others are served, and by a worker that was stopped for longer"""
    with script_server(http="keepalive_timeout 60s;", pool="lucet_pool 600;", server="location /soon { lucet_content script; lucet_timeout 100ms; }") as s:
        def timed(steps):
            started = time.monotonic()
            equal(set(script(steps, s).text.splitlines()), {"sleep: 0"}, steps)
            return (time.monotonic() - started) * 1000

        for ms in (1, 2, 7, 31, 32, 33, 34, 50):
            for count in (1, 4):
                took = timed("&".join([f"sleep={ms}"] * count))
                check(took >= ms * count, f"{count} sleeps of {ms} ms took {took} ms")
        check(min(timed("sleep=5") for _ in range(20)) < 8, "and not long either, on a machine that has time")
        clients = [s.client() for _ in range(300)]
        started = time.monotonic()
        for i, c in enumerate(clients):
            c.request(f"/script?rest={1 + i % 60}&rest={1 + i % 7}&say=done")
        until(lambda: s.region()["waiting"] > 0, "they sleep")
        for pause in (0.1, 0.01, 0.04):
            s.signal(signal.SIGSTOP, to=s.workers()[0])
            time.sleep(pause)
            s.signal(signal.SIGCONT, to=s.workers()[0])
            timed("sleep=1&sleep=1")
        for i, c in enumerate(clients):
            equal(c.response().text, "done", f"client {i}")
            c.close()
        # The deadline is earlier than the end of a short sleep, and of a long one.
        for steps, status in (("sleep=30&sleep=30&say=x", 200), ("sleep=30&sleep=30&sleep=30&sleep=30", 504), ("sleep=90&sleep=31", 504), ("sleep=400", 504)):
            started = time.monotonic()
            equal(s.get(f"/soon?{steps}").status, status, steps)
            check(status == 200 or time.monotonic() - started >= 0.09, f"{steps}: at its deadline")

        def stopped_meanwhile():
            with s.client() as c:
                c.request("/soon?sleep=30&sleep=30&sleep=30&say=x")
                time.sleep(0.02)
                s.signal(signal.SIGSTOP, to=s.workers()[0])
                time.sleep(0.2)
                s.signal(signal.SIGCONT, to=s.workers()[0])
                return c.response().status

        check(504 in (stopped_meanwhile() for _ in range(20)), "where the worker finds sleep and deadline over, the deadline counts")
        s.nothing_is_left()


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
