"""Header and body filters over what others answer, and variables that guests compute."""

import gzip
import os
import time

from harness import Client, Server, check, equal, guest, matches, test, until
from http2 import Connection
from upstream import Flood, Upstream

WORDS = ["upper", "count", "drop", "secret", "spin-header", "trap-header", "refuse-header", "spin-body", "trap-body", "refuse-body",
         "badptr-body", "wait-body"]


def filter_server(server, http="", **options):
    guests = [(word, guest("filter"), f"config={word}") for word in WORDS] + ["hello", "script"]
    s = Server("", guests=guests, http="lucet_allow log random sleep fetch variables; lucet_filter_cpu 50ms;\n" + http, **options)
    s.parts["server"] = server.replace("ROOT", s.directory)
    with open(f"{s.directory}/text", "w") as file:
        file.write("some text\n" * 3)
    with open(f"{s.directory}/long", "w") as file:
        file.write("abcdefghi\n" * 50000)
    return s


def both(word):
    return f"lucet_header_filter {word}; lucet_body_filter {word};"


@test
def static_files():
    """files of nginx's own, short and long, with ranges, conditions and HEAD"""
    with filter_server(f"root ROOT; location / {{ {both('upper')} }} location /count {{ alias ROOT/long; {both('count')} }}"
                       f"location /drop {{ alias ROOT/long; {both('drop')} }}") as s:
        r = s.get("/text")
        equal((r.text, r.header("X-Filter")), ("SOME TEXT\n" * 3, "upper"))
        equal((r.header("Content-Length"), r.header("Accept-Ranges")), (None, None), "of a length that is not known")
        equal(s.get("/long").text, "ABCDEFGHI\n" * 50000)
        r = s.get("/text", headers=[("Range", "bytes=0-3")])
        equal((r.status, r.text), (200, "SOME TEXT\n" * 3), "no ranges")
        r = s.get("/text", headers=[("If-Modified-Since", s.get("/text").header("Last-Modified"))])
        equal(r.status, 304)
        r = s.get("/text", method="HEAD")
        equal((r.status, r.header("X-Filter")), (200, "upper"))
        r = s.get("/count")
        equal((r.text[-7:], len(r.text)), ("500000\n", 500007), "one instance counts all pieces")
        equal(s.get("/drop").text, "")
        r = s.get("/missing")
        equal((r.status, r.header("X-Filter")), (404, "upper"), "nginx's own pages")
        check("404 NOT FOUND" in r.text, r.text)
        s.nothing_is_left()


@test
def clients_that_read_slowly():
    """what a body filter writes does not pile up: the server behind it waits for the client, as do files, guests and included pages"""
    large = 6000000

    def rest(c):
        pieces = []
        while piece := c.socket.recv(1 << 20):
            pieces.append(piece)
        return b"".join(pieces).partition(b"\r\n\r\n")[2].decode()

    server = f"""
      location /up {{ proxy_pass http://127.0.0.1:PORT; proxy_max_temp_file_size 0; {both('upper')} }}
      location /direct {{ proxy_pass http://127.0.0.1:PORT; proxy_buffering off; {both('upper')} }}
      location /limited {{ proxy_pass http://127.0.0.1:PORT; proxy_max_temp_file_size 0; limit_rate 60m; {both('upper')} }}
      location /zip {{ proxy_pass http://127.0.0.1:PORT; proxy_max_temp_file_size 0; gzip on; gzip_types *; {both('upper')} }}
      location /file {{ alias ROOT/large; {both('count')} }}
      location /threads {{ alias ROOT/large; aio threads; sendfile off; {both('count')} }}
      location /tiny {{ alias ROOT/large; lucet_buffer 1; {both('count')} }}
      location /script {{ lucet_content script; lucet_response_max 64m; {both('count')} }}
      location /pages {{ ssi on; ssi_types *; alias ROOT/pages; }}
    """
    with Flood() as up:
        s = filter_server(server.replace("PORT", str(up.port)), main="thread_pool default threads=2;")
        with open(f"{s.directory}/large", "w") as file:
            file.write("abcdefghi\n" * (large // 10))
        with open(f"{s.directory}/pages", "w") as file:
            file.write('<<!--# include virtual="/file" -->|<!--# include virtual="/threads" -->|<!--# include virtual="/limited" -->>')
        with s:
            def resident():
                with open(f"/proc/{s.workers()[0]}/statm") as file:
                    return int(file.read().split()[1]) * 4096

            s.get("/file")
            for target in ("/up", "/direct"):
                up.sent, before = 0, resident()
                with Client(s.port, receive_buffer=4096) as c:
                    c.send(f"GET {target} HTTP/1.0\r\n\r\n")
                    until(lambda: up.sent > 0, "it has begun")
                    sent = -1
                    while sent != up.sent:  # until it waits, for the buffers in between are full
                        sent = up.sent
                        time.sleep(0.3)
                    check(sent < up.size, f"{target}: all of it was sent")
                    grown = resident() - before
                    check(grown < 4 << 20, f"{target}: {grown} bytes more in memory")
                    check(rest(c) == "ABCDEFGHI\n" * (up.size // 10), target)
            equal(len(gzip.decompress(s.get("/zip", headers=[("Accept-Encoding", "gzip")]).body)), up.size, "compressed")
            up.size = large
            whole, counted = "ABCDEFGHI\n" * (large // 10), "abcdefghi\n" * (large // 10) + f"{large}\n"
            for target, text in (("/file", counted), ("/threads", counted), ("/tiny", counted), ("/limited", whole),
                                 ("/script?write=3000000&say=end", None), ("/pages", f"<{counted}|{counted}|{whole}>")):
                with Client(s.port, receive_buffer=4096) as c:
                    c.send(f"GET {target} HTTP/1.0\r\n\r\n")
                    time.sleep(0.2)
                    got = rest(c)
                    check(got == text if text else got.endswith("end3000003\n"), f"{target}: {len(got)} bytes, {got[-40:]!r}")
            with s.client() as c:  # one that goes away in the middle
                c.request("/up")
                c.take(100000)
            s.nothing_is_left()


@test
def other_handlers():
    """proxied responses, guests, gzip, and pages put together by SSI"""
    with Upstream() as up:
        server = (f"location /up/ {{ proxy_pass http://127.0.0.1:{up.port}/; {both('upper')} }}\n"
                  f"location /hello {{ lucet_content hello; {both('upper')} }}\n"
                  f"location /script {{ lucet_content script; {both('count')} }}\n"
                  f"location /zip {{ alias ROOT/long; gzip on; gzip_types *; {both('upper')} }}\n"
                  f"location /ssi {{ ssi on; ssi_types *; alias ROOT/ssi; {both('secret')} }}\n"
                  f"location /part {{ alias ROOT/text; {both('upper')} }}\n")
        s = filter_server(server)
        with open(f"{s.directory}/ssi", "w") as file:
            file.write('<<!--# include virtual="/part" -->>')
        with s:
            equal(s.get("/up/slow").text, "SLOW")
            equal(s.get("/up/large").text, "L" * 300000)
            equal(s.get("/up/cut").complete, False, "cut by the upstream")
            equal(s.get("/hello").text, "HELLO, WORLD\n")
            r = s.get("/script?say=one&flush&rest=30&say=two")
            equal(r.text, "onetwo6\n", "a guest's stream through another guest")
            r = s.get("/script?write=500000")
            equal(r.text[-7:], "500000\n")
            r = s.get("/zip", headers=[("Accept-Encoding", "gzip")])
            equal(gzip.decompress(r.body).decode(), "ABCDEFGHI\n" * 50000, "changed, then compressed")
            equal(s.get("/ssi").text, "<" + "SOME TEXT\n" * 3 + ">")
            s.nothing_is_left()


@test
def http2():
    """the filters over HTTP/2: a stream's windows, several streams, HEAD, failures in the header and in the body"""
    server = "root ROOT;\n" + "".join(f"location /{w}/ {{ {both(w)} alias ROOT/; }}\n" for w in WORDS) + \
        f"location /script {{ lucet_content script; {both('count')} }}\n"
    with filter_server(server, listen="http2") as s:
        with Connection(s.port, window=20000) as c:
            long, short = c.request("/upper/long"), c.request("/upper/text")
            equal(c.response(short).body, b"SOME TEXT\n" * 3, "beside one that waits for its window")
            check(not c.streams[long].ended, "the other waits")
            c.widen(long, 1000000)
            equal((c.response(long).status, c.response(long).body), (200, b"ABCDEFGHI\n" * 50000))
            number = c.request("/count/long")
            c.widen(number, 1000000)
            equal(c.response(number).body[-7:], b"500000\n", "one instance counts all pieces")
            equal(c.response(c.request("/script?say=one&flush&rest=30&say=two")).body, b"onetwo6\n", "a guest's stream")
            equal((c.response(c.request("/upper/text", "HEAD")).status, c.streams[c.next - 2].body), (200, b""))
            equal(c.response(c.request("/trap-header/text")).status, 500)
            for word in ("spin-body", "trap-body", "refuse-body", "badptr-body"):
                stream = c.response(c.request(f"/{word}/text"))
                check(stream.reset and b"some text" not in stream.body, word)
            number = c.request("/script?say=one&flush&rest=20000")
            until(lambda: s.region()["live"] == 2, "the guest and the filter are in the middle")
            c.reset(number)
            until(lambda: s.region()["live"] == 0, "given up")
            equal(c.response(c.request("/upper/text")).body, b"SOME TEXT\n" * 3, "the connection goes on")
        s.nothing_is_left()
        check("exited on signal" not in s.log(), "no worker has died")


@test
def headers_of_others():
    """taken away, and the status changed"""
    server = "location / { root ROOT; add_header X-Late 1; lucet_header_filter secret; }"
    with Upstream() as up:
        with filter_server(server + f"location /up/ {{ proxy_pass http://127.0.0.1:{up.port}/; lucet_header_filter secret; }}") as s:
            r = s.get("/missing")
            equal((r.status, r.header("X-Filter")), (410, "secret"))
            equal(s.get("/text").header("X-Late"), "1", "filters that come later")


@test
def failures():
    """filters that trap, refuse, compute for ever or want to wait: a 500 or a cut, the same worker, nothing left"""
    server = "root ROOT;\n" + "".join(f"location /{w}/ {{ {both(w)} alias ROOT/; }}\n" for w in WORDS)
    with filter_server(server) as s:
        workers = s.workers()
        for word, status in (("spin-header", 504), ("trap-header", 500), ("refuse-header", 500)):
            equal(s.get(f"/{word}/text").status, status, word)
            equal(s.get(f"/{word}/missing").status, status, word)
        for word in ("spin-body", "trap-body", "refuse-body", "badptr-body"):
            for _ in range(3):
                with s.client() as c:
                    c.request(f"/{word}/text")
                    until(lambda: not c.more(), f"{word}: the connection ends")
                    check(b"some text" not in c.buffer, f"{word}: {c.buffer!r}")
        equal(s.get("/wait-body/text").text, "some text\n" * 3, "cannot wait, and goes on")
        with s.client(receive_buffer=4096) as c:
            c.request("/count/long")
            c.take(10)
        s.nothing_is_left()
        equal(s.workers(), workers, "the same workers")
        matches(s.log(), "trapped: unreachable")


@test
def variables():
    """values that guests compute, when they are needed and not otherwise"""
    server = 'location / { return 200 "<$word>"; } location /bad { return 200 "<$bad>"; } location /script { lucet_content script; }'
    http = "lucet_set $word upper; lucet_set $bad spin-body; lucet_variables word;"
    with filter_server(server, http=http) as s:
        equal(s.get("/").text, "<upper>")
        equal(s.get("/bad").text, "<>")
        equal(s.get("/script?variable=word").text, "variable: -1\n", "no guest on top of another")
        equal(s.count("upper", "started"), 1)
        s.nothing_is_left()


@test
def full_pool():
    """no instance for a filter: a 503, before anything is sent"""
    with filter_server("root ROOT; location /long { lucet_body_filter upper; } location /script { lucet_content script; }",
                       pool="lucet_pool 1;") as s:
        with s.client() as c:
            c.request("/script?rest=4000")
            until(lambda: s.region()["live"] == 1, "the pool is full")
            equal(s.get("/long").status, 503)
        s.nothing_is_left()
        equal(s.get("/long").status, 200)
