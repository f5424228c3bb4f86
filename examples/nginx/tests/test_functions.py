"""Every function of lucet_http_v0, by the guest `script` and others, over the ways in which a request can come."""

import hashlib
import os

from harness import Server, check, equal, matches, test, until
from http2 import Connection

SCRIPT = "location /script { lucet_content script; %s }\n"
ALL = "lucet_allow log random sleep fetch variables;"


def script(steps, server, **options):
    return server.get(f"/script?{steps}", **options)


def script_server(more="", server="", http="", **options):
    guests = [("script", __import__("harness").guest("script"), '"config=some text"'), *options.pop("guests", ())]
    return Server(SCRIPT % more + server, http=f"{ALL}\n{http}", guests=guests, **options)


@test
def request():
    """method, target, headers in order, and their lookup"""
    with Server("location / { lucet_content echo; }", guests=["echo"]) as s:
        r = s.get("/a/b?c=%41", method="PATCH", headers=[("X-One", "1"), ("x-two", "  2\t3 "), ("X-One", "4")])
        equal(r.status, 200)
        equal(r.text, "PATCH /a/b?c=%41\nHost: test\nX-One: 1\nx-two: 2\t3\nX-One: 4\n\n")
        r = s.get("/", headers=[(f"H{i}", str(i)) for i in range(60)])
        check(r.text.endswith("H58: 58\nH59: 59\n\n"), "sixty headers")


@test
def response():
    """status, headers, and what is refused"""
    with script_server(http="large_client_header_buffers 4 32k;") as s:
        r = script("code=404&header=X-A:1&header=X-A:2&set=X-B:3&header=Content-Type:text/x&say=body", s)
        equal((r.status, r.text), (404, "body"))
        equal([v for k, v in r.headers if k == "X-A"], ["1", "2"], "the same name twice")
        equal((r.header("X-B"), r.header("Content-Type"), r.header("Content-Length")), ("3", "text/x", "4"))
        r = script("header=X-A:1&header=x-a:2&remove=X-A&header=X-C:c&get=X-A&get=x-c", s)
        equal((r.header("X-A"), r.text), (None, "get: -1\nget: c\n"), "removed, and looked up")
        r = script("header=Server:mine&header=ETag:\"x\"&header=Location:/there&code=302", s)
        equal((r.status, r.header("Server"), r.header("ETag")), (302, "mine", '"x"'))
        matches(r.header("Location"), "/there$")
        equal([k for k, _ in r.headers].count("Server"), 1, "one Server header")
        r = script("code=199", s)
        equal(r.text, "code: -2\n", "no such status")
        r = script("header=Content-Length:7&say=x", s)
        equal(r.text, "header: -3\nx", "the host's own header")
        r = script("say=x&code=404&header=X-A:1", s)
        equal((r.status, r.text), (200, "xcode: -5\nheader: -5\n"), "too late")
        r = script("header=" + "X" * 3000 + ":v&say=x", s)
        equal((r.status, r.text), (200, "x"), "a long header")
        r = script("&".join(["header=" + "X" * 3000 + ":v"] * 6) + "&say=x", s)
        equal(r.text, "header: -4\nx", "too many bytes of headers")
        equal(script("code=204", s).status, 204)
        equal(script("code=204", s).body, b"")


@test
def splitting():
    """line breaks and forged headers are refused, in the log too"""
    with Server("location / { lucet_content headers; }", guests=["headers"]) as s:
        r = s.get("/")
        equal((r.status, r.text), (200, "refused\n"))
        check(not any("evil" in k.lower() for k, _ in r.headers), "no forged header")
        matches(s.log(), r'says: one\\x0aforged line')
        check("\nforged" not in s.log(), "no forged line")


@test
def head_and_empty():
    """HEAD, empty bodies, HTTP/1.0, pipelining and keep-alive"""
    with script_server() as s:
        with s.client() as c:
            r = c.ask("/script?say=hello", method="HEAD")
            equal((r.status, r.header("Content-Length")), (200, "5"))
            r = c.ask("/script?write=100000", method="HEAD")
            equal(r.status, 200)
            equal(c.ask("/script").body, b"")
            c.request("/script?say=1")
            c.request("/script?rest=10&say=2")
            c.request("/script?say=3", method="POST", body=b"x" * 1000)
            c.request("/script?echo", method="POST", body=b"four")
            equal([c.response().text for _ in range(4)], ["1", "2", "3", "four"], "pipelined")
        equal(script("return=1&say=x", s).status, 500)
        with s.client() as c:
            c.send("GET /script?say=old HTTP/1.0\r\n\r\n")
            equal(c.response().text, "old")
        with s.client() as c:
            c.send("GET /script?write=200000 HTTP/1.0\r\n\r\n")
            equal(len(c.response().body), 200000)


@test
def bodies():
    """bodies of 0 to 3 MB: with a length, in chunks, slowly, and in a temporary file"""
    with script_server(server="client_max_body_size 8m; client_body_buffer_size 16k;", http="lucet_response_max 8m;") as s:
        for size in (0, 1, 1000, 65536, 3000000):
            data = os.urandom(size)
            r = script("body&echo", s, method="POST", body=data)
            equal(r.status, 200)
            equal(hashlib.sha256(r.body).digest(), hashlib.sha256(b"body: %d\n" % size + data).digest(), f"{size} bytes")
        check(os.listdir(f"{s.directory}/client_body") == [], "no temporary file is left")
        with s.client() as c:
            c.send("POST /script?echo&body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            c.send("7\r\n there!\r\n0\r\n\r\n")
            equal(c.response().text, "hello there!body: 12\n", "chunked")
        with s.client() as c:
            c.request("/script?echo", method="POST", length=6)
            for byte in b"slowly":
                c.send(bytes([byte]))
            equal(c.response().text, "slowly")
        with s.client() as c:
            c.send("POST /script?body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            equal(c.line(), "HTTP/1.1 100 Continue")
            equal(c.line(), "")
            c.send("12345")
            equal(c.response().text, "body: 5\n")
        with s.client() as c:
            c.send("POST /script?body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            equal(c.response().status, 400, "malformed chunks")
        with s.client() as c:
            c.send("POST /script?body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            c.send("zz\r\n")
            equal(c.response().status, 400, "malformed later")
        equal(script("body", s, method="POST", body=b"x" * 9000000).status, 413, "too large")
        s.nothing_is_left()


@test
def unread_body():
    """a body that the guest does not read is not taken for a request"""
    with script_server() as s:
        with s.client() as c:
            c.request("/script?say=first", method="POST", body=b"GET /script?say=smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
            c.request("/script?say=second")
            equal([c.response().text, c.response().text], ["first", "second"])


@test
def the_rest():
    """log, time, random bytes, configuration, variables and memory limits"""
    with script_server("lucet_variables remote_addr $arg_x missing_one; lucet_log_limit 3; lucet_memory 1m;",
                       http="map $uri $missing_one { default ''; }") as s:
        equal(script("log=1&log=2&log=3&log=4", s).text, "log: 0\nlog: 0\nlog: 0\nlog: -4\n")
        equal(s.log().count("says: "), 3)
        equal(script("log=" + "x" * 1025, s).text, "log: -4\n")
        now = int(script("now", s).text.split()[1])
        check(abs(now - __import__("time").time() * 1000) < 60000, "the time")
        equal(script("random=16&random=65537", s).text, "random: 0\nrandom: -4\n")
        equal(script("config", s).text, "config: some text\n")
        equal(script("variable=remote_addr&variable=arg_x&variable=request_uri&x=5", s).text,
              "variable: 127.0.0.1\nvariable: 5\nvariable: -3\nx?\n")
        r = script("grow=1&grow=1000", s).text
        matches(r, r"grow: \d+\ngrow: -1\n")
        equal(script("clean", s).text, "clean: 0\n")
        equal(script("clean", s).text, "clean: 0\n", "no byte of the instance before")
        equal(s.get("/-/status").header("Content-Type"), "application/json")
        matches(s.get("/-/metrics").text, r'lucet_guest_started_total\{guest="script"\} \d+\n')
        equal(s.get("/-/status", method="POST", body=b"").status, 405)


@test
def subrequests():
    """a guest as the target of subrequests of nginx itself: SSI"""
    server = "location /page { ssi on; ssi_types *; root %s; }\n"
    s = script_server()
    s.parts["server"] += server % s.directory
    os.makedirs(f"{s.directory}/page")
    with open(f"{s.directory}/page/index.html", "w") as file:
        file.write('<<!--# include virtual="/script?say=one" --><!--# include virtual="/script?rest=20&say=two&uri" -->>')
    with s:
        equal(s.get("/page/index.html").text, "<onetwouri: /script?rest=20&say=two&uri\n>")


@test
def http2():
    """streams of one connection: bodies, waits, windows, and streams that are given up"""
    with script_server("lucet_timeout 20s; lucet_response_max 8m;", listen="http2") as s:
        with Connection(s.port) as c:
            equal(c.response(c.request("/script?say=hello")).body, b"hello")
            slow, fast = c.request("/script?rest=200&say=slow"), c.request("/script?say=fast")
            equal(c.response(fast).body, b"fast")
            check(not c.streams[slow].ended, "the other waits")
            equal((c.response(slow).status, c.response(slow).body), (200, b"slow"))
            equal(c.response(c.request("/script?body&echo", "POST", b"x" * 40000)).body, b"body: 40000\n" + b"x" * 40000)
            number = c.request("/script?echo", "POST", b"first ", end=False)
            until(lambda: s.region()["waiting"] == 1, "waits for the body")
            c.data(number, b"second", True)
            equal(c.response(number).body, b"first second")
            equal(c.response(c.request("/script?trap")).status, 500)
            equal(c.response(c.request("/script?say=x&flush&trap")).reset, True, "a trap after the header")
            for steps in ("rest=20000", "body"):
                number = c.request(f"/script?{steps}", "POST", b"x", end=False)
                until(lambda: s.region()["waiting"] == 1, f"{steps}: waits")
                c.reset(number)
                until(lambda: s.region()["live"] == 0, f"{steps}: gone")
        with Connection(s.port, window=20000) as c:
            number = c.request("/script?write=3000000")
            until(lambda: s.region()["waiting"] == 1, "waits for its client's window")
            c.widen(number, 4000000)
            equal(len(c.response(number).body), 3000000)
        s.nothing_is_left()
